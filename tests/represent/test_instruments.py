"""What every instrument of General MIDI plays, and where."""

import pytest

from segue.theory.instruments import (
    DRUMS,
    instrument_named,
    plays_bass,
    range_of,
    register_of,
    sounds_alone,
)


@pytest.mark.parametrize("instrument", range(DRUMS + 1))
def test_every_program_has_a_register_within_its_range(instrument: int) -> None:
    low, high = range_of(instrument)
    usual_low, usual_high = register_of(instrument)
    assert 0 <= low <= usual_low < usual_high <= high < 128
    assert usual_high - usual_low >= 11  # every pitch class can be played there


@pytest.mark.parametrize(
    ("name", "low", "high", "usual"),
    [
        ("bass", 28, 60, (28, 48)),  # from E1; mostly to C3
        ("violin", 55, 103, (55, 88)),  # from G3
        ("viola", 48, 91, (48, 76)),  # from C3
        ("cello", 36, 84, (36, 64)),  # from C2
        ("flute", 59, 98, (60, 93)),
        ("guitar", 40, 88, (40, 79)),  # from E2
        ("piano", 21, 108, (36, 91)),
    ],
)
def test_ranges_are_those_of_the_handbooks(
    name: str, low: int, high: int, usual: tuple[int, int]
) -> None:
    assert range_of(instrument_named(name)) == (low, high)
    assert register_of(instrument_named(name)) == usual


def test_strings_lie_below_one_another() -> None:
    quartet = [register_of(instrument_named(n)) for n in ("violin", "viola", "cello", "bass")]
    assert quartet == sorted(quartet, reverse=True)


def test_who_plays_the_bass_and_who_one_note_at_a_time() -> None:
    names = ("bass", "synth bass 1", "contrabass", "tuba", "cello", "piano", "drums")
    assert [plays_bass(instrument_named(name)) for name in names] == [True] * 4 + [False] * 3
    assert [sounds_alone(instrument_named(name)) for name in names] == [True] * 2 + [True] * 3 + [
        False,
        False,
    ]

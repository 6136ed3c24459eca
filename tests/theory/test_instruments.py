"""What every instrument of General MIDI plays, and where."""

import pytest

from segue.theory.instruments import (
    DRUMS,
    is_bass,
    is_monophonic,
    parse_instrument,
    pitch_range,
    tessitura,
)


@pytest.mark.parametrize("instrument", range(DRUMS + 1))
def test_every_program_has_a_register_within_its_range(instrument: int) -> None:
    low, high = pitch_range(instrument)
    usual_low, usual_high = tessitura(instrument)
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
    assert pitch_range(parse_instrument(name)) == (low, high)
    assert tessitura(parse_instrument(name)) == usual


def test_strings_lie_below_one_another() -> None:
    quartet = [tessitura(parse_instrument(n)) for n in ("violin", "viola", "cello", "bass")]
    assert quartet == sorted(quartet, reverse=True)


def test_who_plays_the_bass_and_who_one_note_at_a_time() -> None:
    names = ("bass", "synth bass 1", "contrabass", "tuba", "cello", "piano", "drums")
    assert [is_bass(parse_instrument(name)) for name in names] == [True] * 4 + [False] * 3
    assert [is_monophonic(parse_instrument(name)) for name in names] == [True] * 2 + [True] * 3 + [
        False,
        False,
    ]

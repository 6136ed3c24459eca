"""Notes of one instrument, divided among its players."""

from dataclasses import replace

import numpy as np
import pytest

from segue.generate.compose.editing import split_part
from segue.records import Part


def part(*notes: tuple[int, int, int], program: int = 40) -> Part:
    """Make a part of onsets, durations and pitches."""
    return Part("Violin", program, False, np.array([(*note, 80) for note in notes], np.int32))


def pitches(found: tuple[Part, ...]) -> list[list[int]]:
    return [one.notes[:, 2].tolist() for one in found]


def test_two_voices_stay_apart() -> None:
    both = [(t, 10, high) for t, high in ((0, 80), (10, 81), (20, 83))]
    both += [(t, 10, low) for t, low in ((0, 67), (10, 65), (20, 64))]
    found = split_part(part(*sorted(both)), 2)
    assert pitches(found) == [[80, 81, 83], [67, 65, 64]]
    assert [one.name for one in found] == ["Violin 1", "Violin 2"]


def test_a_note_alone_goes_to_who_is_near_and_free() -> None:
    found = split_part(part((0, 40, 79), (0, 10, 64), (10, 10, 66), (20, 10, 65), (40, 10, 78)), 2)
    assert pitches(found) == [[79, 78], [64, 66, 65]]


@pytest.mark.parametrize("count", [2, 3, 4])
def test_everybody_plays_where_there_are_notes_enough(count: int) -> None:
    found = split_part(part(*((10 * at, 10, 70) for at in range(count))), count)
    assert [len(one.notes) for one in found] == [1] * count
    assert len(split_part(part((0, 10, 70)), count)) == 1


def test_chords_of_many_notes_are_shared_and_nothing_is_lost() -> None:
    chord = [(0, 40, pitch) for pitch in (48, 52, 55, 60, 64)]
    found = split_part(part(*chord, (40, 10, 62), program=0), 2)
    assert sorted(pitch for one in pitches(found) for pitch in one) == [48, 52, 55, 60, 62, 64]
    assert min(found[0].notes[:, 2]) > max(found[1].notes[found[1].notes[:, 0] == 0, 2])


def test_one_player_has_all() -> None:
    whole = part((0, 10, 70), (0, 10, 60))
    assert split_part(whole, 1) == (whole,)


@pytest.mark.parametrize(
    ("struck", "count", "wanted"),
    [
        ([36, 38, 42, 49], 2, [[36, 38], [42, 49]]),  # drums; hi-hat and cymbal
        ([36, 42, 60, 75], 2, [[36, 42], [60, 75]]),  # the kit; bongo and claves
        ([36, 42, 60, 75], 3, [[36], [42], [60, 75]]),
        ([36, 38], 2, [[36], [38]]),
        ([36, 36, 36], 2, [[36, 36], [36]]),
        ([36, 42, 60, 75], 1, [[36, 42, 60, 75]]),
    ],
)
def test_several_drummers_share_the_drums(
    struck: list[int], count: int, wanted: list[list[int]]
) -> None:
    notes = [(10 * at, 10, pitch) for at, pitch in enumerate(struck)]
    found = split_part(replace(part(*notes, program=0), name="Drums", is_drum=True), count)
    assert pitches(found) == wanted
    names = [f"Drums {number}" for number in range(1, count + 1)] if count > 1 else ["Drums"]
    assert [one.name for one in found] == names
    assert all(one.is_drum for one in found)

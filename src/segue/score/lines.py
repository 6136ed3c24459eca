"""Melody extraction, melodic lines and simultaneous pitches of a score.

Melodic lines are the skyline of each part: of notes that begin together the highest (Uitdenbogerd
& Zobel, "Melodic matching techniques for large music databases", ACM Multimedia 1999).
"""

import re
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.records import IntArray, Part, Score
from segue.score.timing import BarGrid, NoteTable, note_table

#: Onsets are quantised to thirds of a sixteenth.
GRID_PER_QUARTER: Final = 12
#: Slices of simultaneous pitches; long scores are sampled at evenly spaced times.
SLICES_PER_QUARTER: Final = 4
MAX_SLICES: Final = 20_000
#: Names of parts that have the melody.
_MELODY_NAMES: Final = re.compile(
    r"melod|sopran|voice|vocal|cantus|lead\b|\bsing(?:er|ing)?\b|gesang|stimme|tune", re.IGNORECASE
)
#: A part is monophonic if at most one note sounds for this share of its time.
_MONOPHONIC_SHARE: Final = 0.9
_MAX_LISTED_PARTS: Final = 8

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class MelodicLine:
    """The skyline of one part.

    Attributes
    ----------
    onset : ndarray, shape (n,), float64
        In quarter notes, not quantised.
    pitch : ndarray, shape (n,), int64
    """

    onset: FloatArray
    pitch: IntArray

    def __len__(self) -> int:
        return len(self.onset)


def melodic_lines(score: Score) -> list[MelodicLine]:
    """Return the melodic line of each pitched part; parts of one note are left out."""
    lines = []
    for part in score.parts:
        if not part.is_drum:
            index = _skyline_index(part, score.ticks_per_quarter)
            pitch = part.notes[index, 2].astype(np.int64)
            lines.append(MelodicLine(part.notes[index, 0] / score.ticks_per_quarter, pitch))
    return [line for line in lines if len(line) > 1]


def skyline(part: Part, ticks_per_quarter: int) -> Part:
    """Keep the highest of the notes that begin within the same twelfth of a quarter note."""
    notes = part.notes[_skyline_index(part, ticks_per_quarter)]
    return replace(part, notes=notes[np.lexsort((notes[:, 2], notes[:, 0]))])


def _skyline_index(part: Part, ticks_per_quarter: int) -> IntArray:
    onset, pitch = part.notes[:, 0], part.notes[:, 2].astype(np.int64)
    step = np.rint(onset / ticks_per_quarter * GRID_PER_QUARTER).astype(np.int64)
    order = np.lexsort((-pitch, step))
    return np.asarray(order[np.unique(step[order], return_index=True)[1]])


def pitch_slices(score: Score) -> tuple[NDArray[np.bool_], IntArray]:
    """Sample the sounding pitches at regular times.

    Returns
    -------
    sounding : ndarray, shape (slices, 128), bool
        At the middle of each sixteenth; at most 20,000 slices.
    polyphony : ndarray, shape (slices,), int64
        Number of notes that sound, with unisons counted twice.
    """
    notes = note_table(score)
    if not len(notes):
        return np.zeros((1, 128), np.bool_), np.zeros(1, np.int64)
    start, end = int(notes.onset.min()), int((notes.onset + notes.duration).max())
    sixteenths = SLICES_PER_QUARTER * (end - start) / score.ticks_per_quarter
    count = int(np.clip(np.ceil(sixteenths), 1, MAX_SLICES))
    hop = (end - start) / count
    # From the first slice at or after the onset to the last one before the end.
    first = np.clip(np.ceil((notes.onset - start) / hop - 0.5), 0, count).astype(np.int64)
    last = np.clip(np.ceil((notes.onset + notes.duration - start) / hop - 0.5), first, count)
    change = np.zeros((count + 1, 128), np.int32)
    np.add.at(change, (first, notes.pitch), 1)
    np.add.at(change, (last.astype(np.int64), notes.pitch), -1)
    held = np.cumsum(change[:-1], axis=0)
    return held > 0, held.sum(axis=1)


def position_in_bar(
    grid: BarGrid, onset: FloatArray, ticks_per_quarter: int, *, positions: int
) -> IntArray:
    """Return the sixteenth of the bar in which each onset, in quarter notes, falls, from 0."""
    tolerance = ticks_per_quarter / 8  # an early note belongs to the position that follows
    ticks = (onset * ticks_per_quarter + tolerance).astype(np.int64)
    since_bar = ticks - grid.edges[grid.index_of(ticks)]
    return np.asarray(np.clip(since_bar * 4 // ticks_per_quarter, 0, positions - 1), np.int64)


def unique_onsets(notes: NoteTable, ticks_per_quarter: int) -> FloatArray:
    """Return the distinct onset times in quarter notes, quantised."""
    step = np.unique(np.rint(notes.onset / ticks_per_quarter * GRID_PER_QUARTER))
    return np.asarray(step / GRID_PER_QUARTER, np.float64)


def extract_melody(score: Score, part_name: str = "") -> Part:
    """Extract the melody of a score: the skyline of the part that has it.

    Parameters
    ----------
    score : Score
    part_name : str
        Number of the part, from 1, or words of its name. By default the only part, one with a
        name such as "melody" or "voice", or the highest of the monophonic parts.

    Returns
    -------
    Part

    Raises
    ------
    BadArgument
        The score has no pitched note, no such part, or several candidates.
    """
    pitched = [
        (number, part)
        for number, part in enumerate(score.parts, start=1)
        if not part.is_drum and len(part.notes)
    ]
    if not pitched:
        raise BadArgument("there is no note with a pitch in it, so no melody")
    part = _part_by_name(pitched, part_name) if part_name else _melody_part(pitched)
    return skyline(part, score.ticks_per_quarter)


def _part_by_name(pitched: list[tuple[int, Part]], name: str) -> Part:
    matches = [part for number, part in pitched if name.strip() == str(number)] or [
        part for _, part in pitched if name.casefold() in part.name.casefold()
    ]
    if len(matches) != 1:
        which = f"{len(matches)} parts are" if matches else "no part with notes is"
        raise BadArgument(f"{which} called {name!r}; there are {_list_parts(pitched)}")
    return matches[0]


def _melody_part(pitched: list[tuple[int, Part]]) -> Part:
    if len(pitched) == 1:
        return pitched[0][1]
    candidates = [part for _, part in pitched if _MELODY_NAMES.search(part.name)] or [
        part for _, part in pitched if _monophonic_share(part) >= _MONOPHONIC_SHARE
    ]
    if not candidates:
        raise BadArgument(
            f"{len(pitched)} parts, each of several voices: which has the melody? Name it with "
            f"--part: {_list_parts(pitched)}"
        )
    return max(candidates, key=_mean_pitch)


def _mean_pitch(part: Part) -> float:
    duration = np.maximum(part.notes[:, 1], 1).astype(np.float64)
    return float(np.average(part.notes[:, 2], weights=duration))


def _monophonic_share(part: Part) -> float:
    """Return the share of a part's time in which one note sounds; legato overlaps do not count."""
    onset, length = part.notes[:, 0].astype(np.int64), part.notes[:, 1].astype(np.int64)
    simultaneous = float((onset[1:] <= onset[:-1]).mean()) if len(onset) > 1 else 0.0
    # Ratio of the time in which anything sounds to the summed durations.
    reached = np.maximum.accumulate(onset + length)
    covered = (reached - np.maximum(onset, np.append(0, reached[:-1]))).clip(min=0).sum()
    return min(1 - simultaneous, float(covered / max(length.sum(), 1)))


def _list_parts(pitched: list[tuple[int, Part]]) -> str:
    names = [
        f"{number} {part.name!r}" if part.name else f"{number} without a name"
        for number, part in pitched[:_MAX_LISTED_PARTS]
    ]
    more = len(pitched) - len(names)
    return ", ".join(names) + (f" and {more} more" if more > 0 else "")

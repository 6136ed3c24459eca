"""Melodic lines of the parts of a score, and which part has the melody.

What a score's parts play, as lines and as steps of a grid: what its features count.

Which part of a score has the melody, and the notes of it, one at a time.
"""

import re
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.records import Part, Score
from segue.score.timing import BarGrid, NoteTable, note_table

# --- lines ---

#: The finest that is told apart: a third of a sixteenth.
GRID_PER_QUARTER: Final = 12
#: Of what sounds at once; long scores are heard at evenly spaced moments.
SLICES_PER_QUARTER: Final = 4
MAX_SLICES: Final = 20_000

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class MelodicLine:
    """The highest notes of one part, one after the other.

    Attributes
    ----------
    onset : ndarray, shape (n,), float64
        Quarters, as played.
    pitch : ndarray, shape (n,), int64
    """

    onset: FloatArray
    pitch: IntArray

    def __len__(self) -> int:
        return len(self.onset)


def line_of(part: Part, ticks_per_quarter: int) -> MelodicLine:
    """Follow the highest note of each onset of a part.

    Parameters
    ----------
    part : Part
    ticks_per_quarter : int

    Returns
    -------
    Line
        NoteTable that begin within the same twelfth of a quarter are one onset.
    """
    onset = part.notes[:, 0] / ticks_per_quarter
    pitch = part.notes[:, 2].astype(np.int64)
    step = np.rint(onset * GRID_PER_QUARTER).astype(np.int64)
    order = np.lexsort((-pitch, step))
    _, first = np.unique(step[order], return_index=True)
    highest = order[first]
    return MelodicLine(onset[highest], pitch[highest])


def melodic_lines(score: Score) -> list[MelodicLine]:
    """Follow the highest notes of each pitched part; parts of one note are left out."""
    found = [line_of(part, score.ticks_per_quarter) for part in score.parts if not part.is_drum]
    return [line for line in found if len(line) > 1]


def pitch_slices(score: Score) -> tuple[NDArray[np.bool_], IntArray]:
    """Hear which pitches sound at successive moments.

    Parameters
    ----------
    score : Score

    Returns
    -------
    sounding : ndarray, shape (moments, 128), bool
        At the middle of each sixteenth; of a long score at 20,000 moments.
    voices : ndarray, shape (moments,), int64
        How many notes sound then, two of one pitch as two.
    """
    notes = note_table(score)
    if not len(notes):
        return np.zeros((1, 128), np.bool_), np.zeros(1, np.int64)
    start, end = int(notes.onset.min()), int((notes.onset + notes.duration).max())
    wanted = SLICES_PER_QUARTER * (end - start) / score.ticks_per_quarter
    count = int(np.clip(np.ceil(wanted), 1, MAX_SLICES))
    every = (end - start) / count
    # From the first moment at or after the onset to the last one before the end.
    first = np.clip(np.ceil((notes.onset - start) / every - 0.5), 0, count).astype(np.int64)
    last = np.clip(np.ceil((notes.onset + notes.duration - start) / every - 0.5), first, count)
    change = np.zeros((count + 1, 128), np.int32)
    np.add.at(change, (first, notes.pitch), 1)
    np.add.at(change, (last.astype(np.int64), notes.pitch), -1)
    held = np.cumsum(change[:-1], axis=0)
    return held > 0, held.sum(axis=1)


def position_in_bar(
    divided: BarGrid, onset: FloatArray, ticks_per_quarter: int, *, places: int
) -> IntArray:
    """Return in which sixteenth of its bar each onset, in quarters, lies, from 0."""
    early = ticks_per_quarter / 8  # a note a little early belongs to what it opens
    ticks = (onset * ticks_per_quarter + early).astype(np.int64)
    since = ticks - divided.edges[divided.index_of(ticks)]
    return np.asarray(np.clip(since * 4 // ticks_per_quarter, 0, places - 1), np.int64)


def unique_onsets(notes: NoteTable, ticks_per_quarter: int) -> FloatArray:
    """List the moments, in quarters, at which something begins."""
    step = np.unique(np.rint(notes.onset / ticks_per_quarter * GRID_PER_QUARTER))
    return np.asarray(step / GRID_PER_QUARTER, np.float64)


# --- melody ---

#: What the parts that have the melody are called.
_NAMES: Final = re.compile(
    r"melod|sopran|voice|vocal|cantus|lead\b|\bsing(?:er|ing)?\b|gesang|stimme|tune", re.IGNORECASE
)
#: Of a line of its own, so much of the time one note sounds at most.
_ALONE: Final = 0.9
_MOST_NAMED: Final = 8


def extract_melody(score: Score, named: str = "") -> Part:
    """Find the melody of a score: the highest notes of the part that has it.

    Parameters
    ----------
    score : Score
    named : str
        The part's number, from 1, or words of its name. Else the only part, one whose name says
        so, or the highest of those that are a line of their own.

    Returns
    -------
    Part
        Of notes that begin together the highest alone, its length and velocity as they were.

    Raises
    ------
    BadArgument
        Nothing has a pitch, there is no such part, or several could be meant.
    """
    pitched = [
        (number, part)
        for number, part in enumerate(score.parts, start=1)
        if not part.is_drum and len(part.notes)
    ]
    if not pitched:
        raise BadArgument("there is no note with a pitch in it, so no melody to harmonise")
    return skyline(_named(pitched, named) if named else _found(pitched), score.ticks_per_quarter)


def skyline(part: Part, ticks_per_quarter: int) -> Part:
    """Keep the highest of the notes that begin within the same twelfth of a quarter."""
    step = np.rint(part.notes[:, 0] / ticks_per_quarter * GRID_PER_QUARTER).astype(np.int64)
    order = np.lexsort((-part.notes[:, 2], step))
    _, first = np.unique(step[order], return_index=True)
    kept = part.notes[order[first]]
    return replace(part, notes=kept[np.lexsort((kept[:, 2], kept[:, 0]))])


def _named(pitched: list[tuple[int, Part]], named: str) -> Part:
    chosen = [part for number, part in pitched if named.strip() == str(number)] or [
        part for _, part in pitched if named.casefold() in part.name.casefold()
    ]
    if len(chosen) != 1:
        which = f"{len(chosen)} parts are" if chosen else "no part with notes is"
        raise BadArgument(f"{which} called {named!r}; there are {_listed(pitched)}")
    return chosen[0]


def _found(pitched: list[tuple[int, Part]]) -> Part:
    if len(pitched) == 1:
        return pitched[0][1]
    told = [part for _, part in pitched if _NAMES.search(part.name)]
    alone = [part for _, part in pitched if _time_alone(part) >= _ALONE]
    chosen = told or alone
    if not chosen:
        raise BadArgument(
            f"{len(pitched)} parts, each of several voices: which has the melody? Name it with "
            f"--part: {_listed(pitched)}"
        )
    return max(chosen, key=lambda part: float(np.average(part.notes[:, 2], weights=_ticks(part))))


def _ticks(part: Part) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.maximum(part.notes[:, 1], 1).astype(np.float64)


def _time_alone(part: Part) -> float:
    """Return the share of a part's time in which one note sounds; overlaps of a slur are none."""
    onset, length = part.notes[:, 0].astype(np.int64), part.notes[:, 1].astype(np.int64)
    apart = onset[1:] > onset[:-1]
    together = float((~apart).mean()) if len(apart) else 0.0
    # As much as the length of all notes is longer than the time in which something sounds.
    reached = np.maximum.accumulate(onset + length)
    covered = (reached - np.maximum(onset, np.append(0, reached[:-1]))).clip(min=0).sum()
    return min(1 - together, float(covered / max(length.sum(), 1)))


def _listed(pitched: list[tuple[int, Part]]) -> str:
    names = [f"{number} {part.name!r}" for number, part in pitched[:_MOST_NAMED]]
    more = len(pitched) - len(names)
    return ", ".join(names) + (f" and {more} more" if more > 0 else "")

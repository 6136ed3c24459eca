"""What a score's parts play, as lines and as steps of a grid: what its features count."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.records import Part, Score
from segue.represent.score_time import Bars, NoteTable, notes_of

#: The finest that is told apart: a third of a sixteenth.
GRID_PER_QUARTER: Final = 12
#: Of what sounds at once; long scores are heard at evenly spaced moments.
SLICES_PER_QUARTER: Final = 4
MOST_SLICES: Final = 20_000

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Line:
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


def line_of(part: Part, ticks_per_quarter: int) -> Line:
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
    return Line(onset[highest], pitch[highest])


def lines(score: Score) -> list[Line]:
    """Follow the highest notes of each pitched part; parts of one note are left out."""
    found = [line_of(part, score.ticks_per_quarter) for part in score.parts if not part.is_drum]
    return [line for line in found if len(line) > 1]


def slices(score: Score) -> tuple[NDArray[np.bool_], IntArray]:
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
    notes = notes_of(score)
    if not len(notes):
        return np.zeros((1, 128), np.bool_), np.zeros(1, np.int64)
    start, end = int(notes.onset.min()), int((notes.onset + notes.duration).max())
    wanted = SLICES_PER_QUARTER * (end - start) / score.ticks_per_quarter
    count = int(np.clip(np.ceil(wanted), 1, MOST_SLICES))
    every = (end - start) / count
    # From the first moment at or after the onset to the last one before the end.
    first = np.clip(np.ceil((notes.onset - start) / every - 0.5), 0, count).astype(np.int64)
    last = np.clip(np.ceil((notes.onset + notes.duration - start) / every - 0.5), first, count)
    change = np.zeros((count + 1, 128), np.int32)
    np.add.at(change, (first, notes.pitch), 1)
    np.add.at(change, (last.astype(np.int64), notes.pitch), -1)
    held = np.cumsum(change[:-1], axis=0)
    return held > 0, held.sum(axis=1)


def place_in_bar(
    divided: Bars, onset: FloatArray, ticks_per_quarter: int, *, places: int
) -> IntArray:
    """Return in which sixteenth of its bar each onset, in quarters, lies, from 0."""
    early = ticks_per_quarter / 8  # a note a little early belongs to what it opens
    ticks = (onset * ticks_per_quarter + early).astype(np.int64)
    since = ticks - divided.at[divided.of(ticks)]
    return np.asarray(np.clip(since * 4 // ticks_per_quarter, 0, places - 1), np.int64)


def unique_onsets(notes: NoteTable, ticks_per_quarter: int) -> FloatArray:
    """List the moments, in quarters, at which something begins."""
    step = np.unique(np.rint(notes.onset / ticks_per_quarter * GRID_PER_QUARTER))
    return np.asarray(step / GRID_PER_QUARTER, np.float64)

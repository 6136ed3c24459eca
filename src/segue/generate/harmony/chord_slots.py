"""A melody cut into slots of one chord each, and the chords that a slot may have.

Slots are the shortest durations of a chord: half bars where a bar has four beats or more and a
middle, else whole bars. A slot has twelve cells of equal duration: sixteenths of a bar of 3/4,
thirds of an eighth note of a bar of 4/4.

Shape legend: T slots, C cells of a slot, 12 pitch classes.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from segue.errors import BadArgument
from segue.records import FloatArray, IntArray, Part, Score
from segue.score.timing import BarGrid, bar_grid
from segue.theory.chords import QUALITIES

MAX_BARS: Final = 20_000
#: Bars after which a note is cut, so that one that was never ended does not drown the others.
_MAX_NOTE_BARS: Final = 8
#: Cells of a slot: divisible by 2, 3 and 4 beats.
NUM_CELLS: Final = 12
#: Metrical position of a slot.
FIRST_HALF, SECOND_HALF, WHOLE_BAR = 0, 1, 2

#: A chord is numbered as 12 times the index of its quality, plus its root. This is no chord.
NO_CHORD_INDEX: Final = 12 * len(QUALITIES)
NUM_CHORDS: Final = NO_CHORD_INDEX + 1


@dataclass(frozen=True, slots=True, eq=False)
class ChordSlots:
    """A melody cut into slots of one chord each.

    Attributes
    ----------
    edges : ndarray, shape (T + 1,), int64
        Boundaries of the slots, in ticks.
    bar : ndarray, shape (T,), int64
        Index of the bar of each slot.
    position : ndarray, shape (T,), int64
        `FIRST_HALF`, `SECOND_HALF` or `WHOLE_BAR`.
    pitch_classes : ndarray, shape (T, C, 12), float32
        Share of each cell in which each pitch class sounds, 0 to 1.
    onsets : ndarray, shape (T, C), float32
        1 for the cells in which a note begins.
    heights : ndarray, shape (T, C), float32
        Pitch, in octaves above the median pitch of the melody; 0 in silence.
    """

    edges: IntArray
    bar: IntArray
    position: IntArray
    pitch_classes: FloatArray
    onsets: FloatArray
    heights: FloatArray

    def __len__(self) -> int:
        return len(self.position)


def melody_slots(melody: Part, score: Score) -> ChordSlots:
    """Cut a melody into slots by the time signatures of its score.

    Parameters
    ----------
    melody : Part
    score : Score

    Returns
    -------
    ChordSlots
        From the bar of the first note to that of the last.

    Raises
    ------
    BadArgument
        There are more than 20,000 bars.
    """
    grid = bar_grid(replace(score, parts=(melody,)))
    onsets = melody.notes[:, 0].astype(np.int64)
    first = int(grid.index_of(onsets[:1])[0])
    if len(grid) - first > MAX_BARS:
        raise BadArgument(f"{len(grid) - first} bars; at most {MAX_BARS} get chords at a time")
    edges, bar, position = _slot_edges(grid, first)
    bar_ticks = np.diff(grid.edges)[grid.index_of(onsets)]
    ends = onsets + np.minimum(melody.notes[:, 1], _MAX_NOTE_BARS * bar_ticks)
    return ChordSlots(edges, bar, position, *_cells(melody, onsets, ends, edges))


def _slot_edges(grid: BarGrid, first: int) -> tuple[IntArray, IntArray, IntArray]:
    edges, bar, position = [], [], []
    for index in range(first, len(grid)):
        start, end = int(grid.edges[index]), int(grid.edges[index + 1])
        if _is_halved(int(grid.numerators[index]), int(grid.denominators[index])):
            edges += [start, (start + end) // 2]
            position += [FIRST_HALF, SECOND_HALF]
            bar += [index, index]
        else:
            edges.append(start)
            position.append(WHOLE_BAR)
            bar.append(index)
    edges.append(int(grid.edges[-1]))
    return np.array(edges), np.array(bar), np.array(position)


def _is_halved(beats: int, unit: int) -> bool:
    felt_beats = beats // 3 if unit >= 8 and beats % 3 == 0 else beats
    return felt_beats % 2 == 0 and beats / unit >= 1


def _cells(
    melody: Part, onsets: IntArray, ends: IntArray, edges: IntArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return pitch classes, onsets and heights of all cells."""
    steps = np.arange(NUM_CELLS) / NUM_CELLS
    inner = edges[:-1, None] + np.diff(edges)[:, None] * steps
    cell_edges = np.append(inner.ravel(), edges[-1])
    count = len(cell_edges) - 1
    durations = np.diff(cell_edges)
    first = np.clip(np.searchsorted(cell_edges, onsets, side="right") - 1, 0, count - 1)
    last = np.clip(np.searchsorted(cell_edges, ends, side="left") - 1, first, count - 1)
    # One row for each pair of a note and a cell in which it sounds.
    lengths = last - first + 1
    note = np.repeat(np.arange(len(onsets)), lengths)
    cell = np.arange(lengths.sum()) - np.repeat(lengths.cumsum() - lengths, lengths) + first[note]
    overlap = np.minimum(ends[note], cell_edges[cell + 1]) - np.maximum(
        onsets[note], cell_edges[cell]
    )
    share = np.maximum(overlap, 0) / durations[cell]
    pitches = melody.notes[:, 2].astype(np.int64)
    pitch_classes = np.zeros((count, 12), np.float32)
    np.add.at(pitch_classes, (cell, pitches[note] % 12), share)
    heights = np.zeros(count, np.float32)
    heights[cell] = (pitches[note] - np.median(pitches)) / 12
    # A note that is played a little early begins in the cell that it mostly sounds in.
    late = onsets - cell_edges[first] > durations[first] / 2
    begins = np.zeros(count, np.float32)
    begins[np.minimum(first + late, count - 1)] = 1
    slots = len(edges) - 1
    return (
        np.minimum(pitch_classes, 1).reshape(slots, NUM_CELLS, 12),
        begins.reshape(slots, NUM_CELLS),
        heights.reshape(slots, NUM_CELLS),
    )


def transpose_chords(chords: IntArray, semitones: int) -> IntArray:
    """Transpose numbered chords; no chord stays so.

    Parameters
    ----------
    chords : ndarray of int64
    semitones : int
    """
    transposed = chords // 12 * 12 + (chords + semitones) % 12
    return np.where(chords == NO_CHORD_INDEX, NO_CHORD_INDEX, transposed)

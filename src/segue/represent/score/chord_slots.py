"""A melody cut into the stretches that a chord lasts at least: half bars, or bars.

Bars of four beats or more that have a middle are halved; those of 2/4, 3/4, 6/8 are not.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.records import Part, Score
from segue.represent.score.timing import Bars, bars

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MOST_BARS: Final = 20_000
#: Longer notes count as so long in each stretch: one that was never ended must not drown others.
_LONGEST_BARS: Final = 8
WEAK, STRONG = 0, 1


@dataclass(frozen=True, slots=True, eq=False)
class Slots:
    """What a melody sings in each stretch.

    Attributes
    ----------
    edges : ndarray, shape (S + 1,), int64
        Ticks.
    bar : ndarray, shape (S,), int64
        From 0.
    place : ndarray, shape (S,), int64
        0 for the first half of a bar, 1 for the second, 2 for a whole bar.
    sung : ndarray, shape (S, 2, 12), float64
        Quarters that each pitch class sounds: of notes between the beats, and of those that begin
        on one, or are held from before.
    """

    edges: IntArray
    bar: IntArray
    place: IntArray
    sung: FloatArray

    def __len__(self) -> int:
        return len(self.place)


def slots_of(melody: Part, score: Score) -> Slots:
    """Cut a melody into stretches for chords, by the metres of its score.

    Parameters
    ----------
    melody : Part
    score : Score

    Returns
    -------
    Slots
        From the bar of the melody's first note to that of its last one.

    Raises
    ------
    BadArgument
        There are more than 20,000 bars.
    """
    divided = bars(replace(score, parts=(melody,)))
    onset = melody.notes[:, 0].astype(np.int64)
    first = int(divided.of(onset[:1])[0])
    if len(divided) - first > MOST_BARS:
        raise BadArgument(f"{len(divided) - first} bars; at most {MOST_BARS} get chords at a time")
    edges, bar, place = _edges(divided, first)
    return Slots(edges, bar, place, _sung(melody, divided, edges, score.ticks_per_quarter))


def _edges(divided: Bars, first: int) -> tuple[IntArray, IntArray, IntArray]:
    edges, bar, place = [], [], []
    for number in range(first, len(divided)):
        start, end = int(divided.at[number]), int(divided.at[number + 1])
        if _is_halved(int(divided.beats[number]), int(divided.units[number])):
            edges += [start, (start + end) // 2]
            place += [0, 1]
            bar += [number, number]
        else:
            edges.append(start)
            place.append(2)
            bar.append(number)
    edges.append(int(divided.at[-1]))
    return np.array(edges), np.array(bar), np.array(place)


def _is_halved(beats: int, unit: int) -> bool:
    beats_felt = beats // 3 if unit >= 8 and beats % 3 == 0 else beats
    return beats_felt % 2 == 0 and beats / unit >= 1


def _sung(melody: Part, divided: Bars, edges: IntArray, ticks_per_quarter: int) -> FloatArray:
    count = len(edges) - 1
    onset = melody.notes[:, 0].astype(np.int64)
    bar = divided.of(onset)
    length = np.diff(divided.at)[bar]
    end = onset + np.minimum(melody.notes[:, 1], _LONGEST_BARS * length)
    first = np.clip(np.searchsorted(edges, onset, side="right") - 1, 0, count - 1)
    last = np.clip(np.searchsorted(edges, end, side="left") - 1, first, count - 1)
    is_strong = _on_beat(onset - divided.at[bar], divided, bar, ticks_per_quarter)
    found = np.zeros((count, 2, 12))
    rows = zip(*(array.tolist() for array in (onset, end, first, last, is_strong)), strict=True)
    for (start, until, low, high, strong), pitch in zip(
        rows, melody.notes[:, 2].tolist(), strict=True
    ):
        for slot in range(low, high + 1):
            sounds = min(until, int(edges[slot + 1])) - max(start, int(edges[slot]))
            kind = STRONG if strong or slot > low else WEAK
            found[slot, kind, pitch % 12] += max(sounds, 0) / ticks_per_quarter
    return found


def _on_beat(since: IntArray, divided: Bars, bar: IntArray, ticks_per_quarter: int) -> IntArray:
    """Tell which onsets, in ticks of their bar, lie within a 32nd of a beat."""
    beats, units = divided.beats[bar], divided.units[bar]
    compound = (units >= 8) & (beats % 3 == 0)
    beat = 4 * ticks_per_quarter * np.where(compound, 3, 1) // units
    beat = np.maximum(beat, 1)
    off = since % beat
    near = np.minimum(off, beat - off) <= ticks_per_quarter / 8
    return np.asarray(near, np.int64)

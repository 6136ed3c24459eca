"""Segmentation of long recordings: where the music of a mix changes.

Tracks of a mix are segments within which excerpts are alike: their unit vectors scatter little
around a mean. The division of least total scatter plus a penalty for each segment is found by
dynamic programming (kernel change-point detection: Harchaoui and Cappé, SSP 2007; Arlot, Celisse
and Harchaoui, JMLR 2019). The novelty of Foote (ICME 2000), the correlation of the self-similarity
matrix with a checkerboard kernel, is what it is compared with in `bench/mix_boundaries.py`.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from segue.records import DoubleArray, FloatArray, IntArray

_BISECTIONS: Final = 20


def segment(unit: FloatArray, penalty: float, min_length: int, max_length: int) -> list[int]:
    """Divide a sequence of vectors into segments of least scatter.

    Parameters
    ----------
    unit : ndarray, shape (n, d), float32
        Unit vectors of consecutive excerpts.
    penalty : float
        Cost of a segment, in units of squared distance.
    min_length, max_length : int
        Of a segment in excerpts; a sequence shorter than `min_length` is one segment.

    Returns
    -------
    list of int
        First excerpt of each segment but the first.
    """
    n = len(unit)
    sums = _running_sums(unit)
    costs = np.full(n + 1, np.inf)
    costs[0] = 0.0
    previous = np.zeros(n + 1, np.int64)
    for end in range(min(min_length, n), n + 1):
        starts = np.arange(max(0, end - max_length), end - min(min_length, n) + 1)
        totals = costs[starts] + _scatter(sums, starts, end) + penalty
        best = int(totals.argmin())
        costs[end], previous[end] = totals[best], starts[best]
    cuts = [n]
    while cuts[-1] > 0:
        cuts.append(int(previous[cuts[-1]]))
    cuts.reverse()
    # The maximum length may have divided a track.
    while len(cuts) > 2 and n > max_length:
        gains = _gains(sums, cuts)
        weakest = int(np.argmin(gains))
        if gains[weakest] >= penalty:
            break
        del cuts[weakest + 1]
    return cuts[1:-1]


def segment_into(unit: FloatArray, count: int, min_length: int, max_length: int) -> list[int]:
    """Divide a sequence of vectors into a number of segments; see `segment`.

    Fewer segments than `count` result if it is too short.
    """
    low, high = 0.0, float(len(unit))
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        boundaries = segment(unit, middle, min_length, max_length)
        if len(boundaries) + 1 == count:
            return boundaries
        if len(boundaries) + 1 > count:
            low = middle
        else:
            high = middle
    cuts = [0, *segment(unit, low, min_length, max_length), len(unit)]
    sums = _running_sums(unit)
    while len(cuts) > count + 1:
        del cuts[int(np.argmin(_gains(sums, cuts))) + 1]
    return cuts[1:-1]


def _running_sums(unit: FloatArray) -> DoubleArray:
    zero = np.zeros((1, unit.shape[1]))
    return np.concatenate([zero, np.cumsum(unit, axis=0, dtype=np.float64)])


def _scatter(sums: DoubleArray, starts: IntArray, end: int) -> DoubleArray:
    """Return the squared distances of unit vectors to their mean, of segments that end at `end`."""
    lengths = end - starts
    squared = ((sums[end] - sums[starts]) ** 2).sum(axis=1)
    return np.asarray(lengths - squared / lengths)


def _gains(sums: DoubleArray, cuts: Sequence[int]) -> DoubleArray:
    """Return by how much the scatter grows without each of the inner cuts."""
    return np.array(
        [
            (_scatter(sums, np.array([a]), c) - _scatter(sums, np.array([a]), b)).item()
            - _scatter(sums, np.array([b]), c).item()
            for a, b, c in zip(cuts[:-2], cuts[1:-1], cuts[2:], strict=True)
        ]
    )

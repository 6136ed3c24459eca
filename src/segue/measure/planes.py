"""How far a plane may be trusted to show what is near what in a space.

The source of the measures: Venna & Kaski, "Local multidimensional scaling", Neural Networks
19(6-7), 2006.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument, NothingToMeasure
from segue.records import FloatArray

NEIGHBOURS: Final = 10
#: Of more tracks than this, as many drawn at random are asked.
MOST_ASKED: Final = 2000
_BLOCK_ELEMENTS: Final = 1 << 23
_EQUAL: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Trust:
    """How a plane and a space agree on what is near.

    Attributes
    ----------
    trustworthiness : float
        0 to 1: falls when tracks are near in the plane that are far apart in the space.
    continuity : float
        0 to 1: falls when tracks are far apart in the plane that are near in the space.
    neighbours : int
        How many nearest tracks were looked at.
    """

    trustworthiness: float
    continuity: float
    neighbours: int


def trust(
    unit: FloatArray, points: FloatArray, *, neighbours: int = NEIGHBOURS, seed: int = 0
) -> Trust:
    """Measure how far a plane may be trusted.

    Parameters
    ----------
    unit : ndarray, shape (n, d)
        Vectors of length 1; near is a high cosine.
    points : ndarray, shape (n, 2)
        Where they lie in the plane; near is a short Euclidean distance.
    neighbours : int
        At least 1; less than half of n is needed.
    seed : int
        Of the sample that is asked where there are more than `MOST_ASKED`.

    Returns
    -------
    Trust

    Raises
    ------
    BadArgument
        Where shapes disagree.
    NothingToMeasure
        There are too few tracks, or all are equal.
    """
    n = len(unit)
    if n and np.ptp(unit, axis=0).max() < _EQUAL:
        raise NothingToMeasure(f"all {n} tracks are equal: none is nearer than another")
    if points.shape != (n, 2):
        raise BadArgument(f"points have shape {points.shape}; for {n} vectors it is ({n}, 2)")
    if neighbours < 1 or 2 * neighbours >= n:
        raise NothingToMeasure(
            f"{n} tracks are too few to tell about {neighbours} neighbours; it takes "
            f"{2 * neighbours + 1}"
        )
    asked = np.arange(n)
    if n > MOST_ASKED:
        asked = np.sort(np.random.default_rng(seed).choice(n, MOST_ASKED, replace=False))
    intruders = missing = 0
    block = max(1, _BLOCK_ELEMENTS // n)
    points = np.asarray(points, np.float64)
    for start in range(0, len(asked), block):
        some = asked[start : start + block]
        in_space = -(unit[some] @ unit.T)
        in_plane = sum(np.square(points[some, axis, None] - points[:, axis]) for axis in (0, 1))
        for distances in (in_space, in_plane):
            distances[np.arange(len(some)), some] = np.inf
        intruders += _beyond(in_plane, in_space, neighbours)
        missing += _beyond(in_space, in_plane, neighbours)
    worst = len(asked) * neighbours * (2 * n - 3 * neighbours - 1) / 2
    return Trust(1 - intruders / worst, 1 - missing / worst, neighbours)


def _beyond(near: NDArray[np.floating], judged: NDArray[np.floating], k: int) -> int:
    """Sum how far beyond the k-th place the nearest of one kind are by the other."""
    nearest = np.argpartition(near, k - 1, axis=1)[:, :k]
    distances = np.take_along_axis(judged, nearest, axis=1)
    total = 0
    for column in range(k):
        ranks = np.count_nonzero(judged < distances[:, column, None], axis=1) + 1
        total += int(np.maximum(ranks - k, 0).sum())
    return total

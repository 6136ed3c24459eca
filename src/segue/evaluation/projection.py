"""Metrics of projections and embeddings.

How far a plane may be trusted to show what is near what in a space.

The source of the measures: Venna & Kaski, "Local multidimensional scaling", Neural Networks
19(6-7), 2006.

Whether what lies close in an embedding is what should: rank correlations, and chance.

Pairs are not independent of one another, so chance is asked for by shuffling whole labels (Mantel,
"The detection of disease clustering and a generalized regression approach", Cancer Research 27,
1967), with Spearman's rank correlation in place of Pearson's.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument, NothingToMeasure
from segue.records import FloatArray

# --- planes ---

N_NEIGHBOURS: Final = 10
#: Of more tracks than this, as many drawn at random are asked.
MAX_QUERIES: Final = 2000
_BLOCK_ELEMENTS: Final = 1 << 23
_EQUAL: Final = 1e-6


@dataclass(frozen=True, slots=True)
class ProjectionQuality:
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


def trustworthiness_continuity(
    unit: FloatArray, points: FloatArray, *, neighbours: int = N_NEIGHBOURS, seed: int = 0
) -> ProjectionQuality:
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
    if n > MAX_QUERIES:
        asked = np.sort(np.random.default_rng(seed).choice(n, MAX_QUERIES, replace=False))
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
    return ProjectionQuality(1 - intruders / worst, 1 - missing / worst, neighbours)


def _beyond(near: NDArray[np.floating], judged: NDArray[np.floating], k: int) -> int:
    """Sum how far beyond the k-th place the nearest of one kind are by the other."""
    nearest = np.argpartition(near, k - 1, axis=1)[:, :k]
    distances = np.take_along_axis(judged, nearest, axis=1)
    total = 0
    for column in range(k):
        ranks = np.count_nonzero(judged < distances[:, column, None], axis=1) + 1
        total += int(np.maximum(ranks - k, 0).sum())
    return total


# --- embeddings ---

Numbers = NDArray[np.floating]

N_PERMUTATIONS: Final = 2000
_POINTS: Final = 20_001


@dataclass(frozen=True, slots=True)
class MantelResult:
    """A rank correlation over pairs, and what shuffled labels give.

    Attributes
    ----------
    rho : float
        Spearman's, -1 to 1; NaN where one side never varies.
    p : float
        Share of the shuffles, the true order counted as one, whose correlation is no nearer 0.
    shuffled : float
        Below which, in size, 95 % of the shuffles' correlations lie.
    pairs : int
    """

    rho: float
    p: float
    shuffled: float
    pairs: int


def l2_normalise(vectors: Numbers) -> NDArray[np.float64]:
    """Scale vectors, shape (n, dimension), to length 1; those of length 0 stay."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1), np.float64)


def mantel_test(
    likeness: Numbers,
    expected: Numbers,
    pairs: NDArray[np.bool_],
    kinds: NDArray[np.integer],
    *,
    permutations: int = N_PERMUTATIONS,
    seed: int = 0,
) -> MantelResult:
    """Correlate how alike things are with how alike they should be, over some of their pairs.

    Parameters
    ----------
    likeness, expected : ndarray, shape (n, n)
        Symmetric.
    pairs : ndarray, shape (n, n), bool
        Which pairs count, each on one side of the diagonal.
    kinds : ndarray of int, shape (n,)
        Labels are shuffled among things of one kind.
    permutations : int
    seed : int

    Returns
    -------
    Correlation
    """
    if not likeness.shape == expected.shape == pairs.shape == (len(kinds), len(kinds)):
        raise BadArgument(
            f"tables of shapes {likeness.shape}, {expected.shape} and {pairs.shape} for "
            f"{len(kinds)} things: each is of things by things"
        )
    rows, columns = np.nonzero(pairs)
    wanted = _ranks(expected[rows, columns])
    rho = _correlation(_ranks(likeness[rows, columns]), wanted)
    rng = np.random.default_rng(seed)
    found = np.empty(permutations)
    members = [np.flatnonzero(kinds == kind) for kind in np.unique(kinds)]
    for number in range(permutations):
        order = np.arange(len(kinds))
        for some in members:
            order[some] = rng.permutation(some)
        found[number] = _correlation(_ranks(likeness[order[rows], order[columns]]), wanted)
    sizes = np.abs(found)
    as_far = np.count_nonzero(sizes >= abs(rho) - 1e-12)
    shuffled = float(np.quantile(sizes, 0.95)) if permutations else float("nan")
    return MantelResult(rho, (as_far + 1) / (permutations + 1), shuffled, len(rows))


def expected_max_cosine(count: int, dimension: int) -> float:
    """Return how near, as a cosine, the nearest of random vectors is to be expected.

    Of `count` independent directions, all equally likely: the mean of the largest cosine with a
    given one. 173 in 512 dimensions: 0.12.

    Parameters
    ----------
    count, dimension : int
        At least 1, and at least 2.
    """
    if count < 1 or dimension < 2:
        raise BadArgument(f"{count} vectors of {dimension} numbers; at least 1 of 2 are needed")
    # By the angle: the density of the cosine has poles in two dimensions.
    angle = np.linspace(0, np.pi, _POINTS)
    density = np.sin(angle) ** (dimension - 2)
    below = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    farther = 1 - below / below[-1]  # share of directions at a larger angle
    # E[cos of the smallest angle] = -1 + the integral of P(smallest angle < a) sin a.
    return float(np.trapezoid((1 - farther**count) * np.sin(angle), angle)) - 1


def _ranks(values: Numbers) -> NDArray[np.float64]:
    """Return ranks; equals share theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[place], np.float64)


def _correlation(one: Numbers, other: Numbers) -> float:
    a, b = one - one.mean(), other - other.mean()
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / lengths if lengths > 0 else float("nan")

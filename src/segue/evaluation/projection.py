"""Metrics of projections and embeddings.

Trustworthiness and continuity measure how well a projection keeps the neighbours of an embedding
space (Venna & Kaski, "Local multidimensional scaling", Neural Networks 19(6-7), 2006). The Mantel
test measures whether similarities in an embedding correlate with expected ones: pairs of items are
not independent, so chance level is estimated by permuting labels of items (Mantel, "The detection
of disease clustering and a generalized regression approach", Cancer Research 27, 1967), with
Spearman's rank correlation instead of Pearson's.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument, NothingToMeasure
from segue.records import FloatArray

N_NEIGHBOURS: Final = 10
#: With more tracks, the metrics are estimated from a random sample of this size.
MAX_QUERIES: Final = 2000
_BLOCK_ELEMENTS: Final = 1 << 23
_TOLERANCE: Final = 1e-6


@dataclass(frozen=True, slots=True)
class ProjectionQuality:
    """Trustworthiness and continuity of a projection.

    Attributes
    ----------
    trustworthiness : float
        0 to 1; penalises neighbours in the projection that are no neighbours in the space.
    continuity : float
        0 to 1; penalises neighbours in the space that are no neighbours in the projection.
    neighbours : int
        Number of nearest neighbours considered.
    """

    trustworthiness: float
    continuity: float
    neighbours: int


def trustworthiness_continuity(
    vectors: FloatArray, points: FloatArray, *, neighbours: int = N_NEIGHBOURS, seed: int = 0
) -> ProjectionQuality:
    """Compute the trustworthiness and continuity of a two-dimensional projection.

    Parameters
    ----------
    vectors : ndarray, shape (n, d)
        Unit vectors, compared by cosine similarity.
    points : ndarray, shape (n, 2)
        Their projections, compared by Euclidean distance.
    neighbours : int
        Number of nearest neighbours, at least 1 and less than half of n.
    seed : int
        Seed of the sample of queries if there are more than `MAX_QUERIES` tracks.

    Raises
    ------
    BadArgument
        The shapes disagree.
    NothingToMeasure
        There are too few tracks, or all are equal.
    """
    n = len(vectors)
    if n and np.ptp(vectors, axis=0).max() < _TOLERANCE:
        raise NothingToMeasure(f"all {n} tracks are equal: none is nearer than another")
    if points.shape != (n, 2):
        raise BadArgument(f"points have shape {points.shape}; for {n} vectors it is ({n}, 2)")
    if neighbours < 1 or 2 * neighbours >= n:
        raise NothingToMeasure(
            f"{n} tracks are too few to measure {neighbours} neighbours; it takes "
            f"{2 * neighbours + 1}"
        )
    queries = np.arange(n)
    if n > MAX_QUERIES:
        queries = np.sort(np.random.default_rng(seed).choice(n, MAX_QUERIES, replace=False))
    intrusions = extrusions = 0
    block_size = max(1, _BLOCK_ELEMENTS // n)
    points = np.asarray(points, np.float64)
    for start in range(0, len(queries), block_size):
        block = queries[start : start + block_size]
        in_space = -(vectors[block] @ vectors.T)
        in_plane = sum(np.square(points[block, axis, None] - points[:, axis]) for axis in (0, 1))
        for distances in (in_space, in_plane):
            distances[np.arange(len(block)), block] = np.inf
        intrusions += _excess_ranks(in_plane, in_space, neighbours)
        extrusions += _excess_ranks(in_space, in_plane, neighbours)
    worst = len(queries) * neighbours * (2 * n - 3 * neighbours - 1) / 2
    return ProjectionQuality(1 - intrusions / worst, 1 - extrusions / worst, neighbours)


def _excess_ranks(first: NDArray[np.floating], second: NDArray[np.floating], k: int) -> int:
    """Sum by how much the rank of the k nearest by `first` exceeds k by `second`."""
    nearest = np.argpartition(first, k - 1, axis=1)[:, :k]
    distances = np.take_along_axis(second, nearest, axis=1)
    total = 0
    for column in range(k):
        ranks = np.count_nonzero(second < distances[:, column, None], axis=1) + 1
        total += int(np.maximum(ranks - k, 0).sum())
    return total


# --- Mantel test ---

Numbers = NDArray[np.floating]

N_PERMUTATIONS: Final = 2000
_N_POINTS: Final = 20_001


@dataclass(frozen=True, slots=True)
class MantelResult:
    """Result of a Mantel test.

    Attributes
    ----------
    rho : float
        Spearman's rank correlation, -1 to 1; NaN if one side is constant.
    p : float
        Two-sided p-value of the permutation test.
    shuffled : float
        95th percentile of the absolute correlation under permutation.
    pairs : int
        Number of pairs.
    """

    rho: float
    p: float
    shuffled: float
    pairs: int


def l2_normalise(vectors: Numbers) -> NDArray[np.float64]:
    """Scale vectors, shape (n, dimension), to unit length; zero vectors stay."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1), np.float64)


def mantel_test(
    similarity: Numbers,
    expected: Numbers,
    pairs: NDArray[np.bool_],
    kinds: NDArray[np.integer],
    *,
    permutations: int = N_PERMUTATIONS,
    seed: int = 0,
) -> MantelResult:
    """Correlate the similarity of items with an expected similarity over some of their pairs.

    Parameters
    ----------
    similarity, expected : ndarray, shape (n, n)
        Symmetric.
    pairs : ndarray, shape (n, n), bool
        Mask of the pairs, on one side of the diagonal.
    kinds : ndarray of int, shape (n,)
        Items are permuted within their kind.
    permutations : int
        Number of permutations.
    seed : int
    """
    if not similarity.shape == expected.shape == pairs.shape == (len(kinds), len(kinds)):
        raise BadArgument(
            f"tables of shapes {similarity.shape}, {expected.shape} and {pairs.shape} for "
            f"{len(kinds)} things: each is of things by things"
        )
    rows, columns = np.nonzero(pairs)
    expected_ranks = _ranks(expected[rows, columns])
    rho = _correlation(_ranks(similarity[rows, columns]), expected_ranks)
    rng = np.random.default_rng(seed)
    permuted = np.empty(permutations)
    members = [np.flatnonzero(kinds == kind) for kind in np.unique(kinds)]
    for index in range(permutations):
        order = np.arange(len(kinds))
        for group in members:
            order[group] = rng.permutation(group)
        ranks = _ranks(similarity[order[rows], order[columns]])
        permuted[index] = abs(_correlation(ranks, expected_ranks))
    at_least = np.count_nonzero(permuted >= abs(rho) - 1e-12)
    shuffled = float(np.quantile(permuted, 0.95)) if permutations else float("nan")
    return MantelResult(rho, (at_least + 1) / (permutations + 1), shuffled, len(rows))


def expected_max_cosine(count: int, dimension: int) -> float:
    """Return the expected cosine similarity of the nearest of `count` random directions.

    This is the chance level of the similarity of a nearest neighbour; 0.12 for 173 vectors in 512
    dimensions.

    Parameters
    ----------
    count : int
        Number of vectors, at least 1.
    dimension : int
        At least 2.
    """
    if count < 1 or dimension < 2:
        raise BadArgument(f"{count} vectors of {dimension} numbers; at least 1 of 2 are needed")
    # Integrates over the angle: the density of the cosine has poles in two dimensions.
    angle = np.linspace(0, np.pi, _N_POINTS)
    density = np.sin(angle) ** (dimension - 2)
    below = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    survival = 1 - below / below[-1]  # P(angle > a)
    # E[cos of the smallest angle] = -1 + the integral of P(smallest angle < a) sin a.
    return float(np.trapezoid((1 - survival**count) * np.sin(angle), angle)) - 1


def _ranks(values: Numbers) -> NDArray[np.float64]:
    """Return ranks, with the mean rank for ties."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[inverse], np.float64)


def _correlation(x: Numbers, y: Numbers) -> float:
    a, b = x - x.mean(), y - y.mean()
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / norm if norm > 0 else float("nan")

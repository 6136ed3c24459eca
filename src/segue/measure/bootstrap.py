"""How sure a figure of retrieval is: intervals from drawing labels again and again."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.measure.retrieval import Figure, Retrieval


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its bootstrap interval."""

    value: float
    low: float
    high: float


def interval(
    results: Sequence[Retrieval],
    figure: Figure = "precision_at_1",
    *,
    confidence: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
) -> Estimate:
    """Estimate how far a figure would move with other labels (percentile bootstrap).

    Parameters
    ----------
    results : sequence of Retrieval
        Of one space; of several folds the mean is taken. Labels are drawn with
        replacement within each fold, with all their queries.
    figure : str
    confidence : float
        Within 0…1.
    draws : int
    seed : int

    Returns
    -------
    Estimate
    """
    drawn = _bootstrap(results, figure, draws, seed)
    low, high = _percentiles(drawn, confidence)
    return Estimate(_mean(results, figure), low, high)


def paired_difference(
    first: Sequence[Retrieval],
    second: Sequence[Retrieval],
    figure: Figure = "precision_at_1",
    *,
    confidence: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
) -> Estimate:
    """Estimate by how much one space is better than another on the same queries.

    Both are resampled with the same labels, so that what makes a label easy for both
    cancels out.

    Returns
    -------
    Estimate
        Of first minus second; the two differ where the interval excludes 0.

    Raises
    ------
    BadArgument
        Where the two did not ask the same queries.
    """
    same = len(first) == len(second) and all(
        np.array_equal(a.per_query.rows, b.per_query.rows)
        and np.array_equal(a.per_query.labels, b.per_query.labels)
        for a, b in zip(first, second, strict=True)
    )
    if not same:
        raise BadArgument(
            "the two spaces were not asked the same queries: measure both with the same "
            "tracks, labels and groups, in the same order"
        )
    drawn = _bootstrap(first, figure, draws, seed) - _bootstrap(second, figure, draws, seed)
    low, high = _percentiles(drawn, confidence)
    return Estimate(_mean(first, figure) - _mean(second, figure), low, high)


def _bootstrap(
    results: Sequence[Retrieval], figure: Figure, draws: int, seed: int
) -> NDArray[np.float64]:
    if not results:
        raise BadArgument("no results given: measure at least one fold")
    rng = np.random.default_rng(seed)
    return np.asarray(
        np.mean([_bootstrap_one(result, figure, draws, rng) for result in results], axis=0)
    )


def _bootstrap_one(
    result: Retrieval, figure: Figure, draws: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    queries = result.per_query
    values = {
        "precision_at_1": queries.precision_at_1,
        "precision_at_5": queries.precision_at_5,
        "macro_precision_at_1": queries.precision_at_1,
        "macro_precision_at_5": queries.precision_at_5,
        "mean_average_precision": queries.average_precision,
    }[figure]
    codes = np.unique(queries.labels, return_inverse=True)[1]
    counts = np.asarray(np.bincount(codes), dtype=np.float64)
    sums = np.asarray(np.bincount(codes, weights=values), dtype=np.float64)
    if figure.startswith("macro"):
        counts, sums = np.ones(len(counts)), sums / counts
    drawn = rng.integers(len(counts), size=(draws, len(counts)))
    return np.asarray(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1))


def _mean(results: Sequence[Retrieval], figure: Figure) -> float:
    return float(np.mean([getattr(result, figure) for result in results]))


def _percentiles(drawn: NDArray[np.float64], confidence: float) -> tuple[float, float]:
    if not 0 < confidence < 1:
        raise BadArgument(f"confidence is {confidence:g}, expected within 0…1 (not percent)")
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)

"""Retrieval metrics with bootstrap confidence intervals.

How well a space finds tracks of the same album, artist or genre.

Every track of a label with enough tracks asks once for its neighbours among all other tracks;
a neighbour of the same label is a hit. After the manner of mir_eval: numpy alone, arguments
checked with the likely mistake named, results as records.

The source of the measures: Manning, Raghavan & Schütze, "Introduction to Information
Retrieval", ch. 8; the artist filter: Flexer & Schnitzer, "Effects of album and artist
filters in audio similarity computed for very large music databases", CMJ 34(3), 2010.

How sure a figure of retrieval is: intervals from drawing labels again and again.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument, NothingToMeasure
from segue.records import FloatArray

# --- retrieval ---

MetricName = Literal[
    "precision_at_1",
    "precision_at_5",
    "macro_precision_at_1",
    "macro_precision_at_5",
    "mean_average_precision",
]

#: What a track is called: by one name, by several, or by none.
TrackLabels = str | Collection[str] | None

DEPTH: Final = 5  # of precision_at_5
MIN_TRACKS: Final = 3  # of a label, for it to count
# Cosines closer than float32 can tell apart are ties, whatever order the product left them in.
DECIMALS: Final = 6
_BLOCK_ELEMENTS: Final = 1 << 24  # similarities held at once: 64 MiB


@dataclass(frozen=True, slots=True)
class QueryMetrics:
    """What each query found.

    Attributes
    ----------
    rows : ndarray of int, shape (queries,)
        The query's row among the vectors given.
    labels : ndarray of int, shape (queries,)
        The query's label, numbered in sorted order.
    precision_at_1, precision_at_5, average_precision : ndarray, shape (queries,), float64
    """

    rows: NDArray[np.int64]
    labels: NDArray[np.int64]
    precision_at_1: NDArray[np.float64]
    precision_at_5: NDArray[np.float64]
    average_precision: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RetrievalMetrics:
    """The figures of one space on one set of labelled tracks, each within 0…1.

    Attributes
    ----------
    queries, labels : int
        How many there were.
    precision_at_1, precision_at_5 : float
        Share of hits among the nearest 1 and 5, mean over queries. A query with fewer than
        five hits to find can not reach 1.
    macro_precision_at_1, macro_precision_at_5 : float
        The same, mean over labels, so that a label of many tracks weighs no more.
    mean_average_precision : float
    chance_precision, chance_average_precision : float
        What a ranking at random is expected to reach, at any depth.
    per_query : Queries
    drawn_from : int
        How many tracks could ask, where only some of them did, drawn at random; else 0.
    """

    queries: int
    labels: int
    precision_at_1: float
    precision_at_5: float
    macro_precision_at_1: float
    macro_precision_at_5: float
    mean_average_precision: float
    chance_precision: float
    chance_average_precision: float
    per_query: QueryMetrics
    drawn_from: int = 0


def evaluate_retrieval(
    vectors: FloatArray,
    labels: Sequence[TrackLabels],
    *,
    queries: FloatArray | None = None,
    groups: Sequence[TrackLabels] | None = None,
    metric: Literal["cosine", "euclidean", "precomputed"] = "cosine",
    min_tracks: int = MIN_TRACKS,
    most_queries: int | None = None,
    seed: int = 0,
) -> RetrievalMetrics:
    """Measure how well neighbours share a label.

    Parameters
    ----------
    vectors : ndarray, shape (n, d)
        One row per track; with the cosine only its angle counts. No row may be zero.
    labels : sequence of str, collection of str, or None, length n
        Album, artist or genre; of several, one in common is a hit. Tracks without one (None or
        ""), or of labels with fewer than `min_tracks` tracks, do not ask, but may be found, and
        are then wrong.
    queries : ndarray, shape (n, d), optional
        Other vectors of the same tracks to ask with, of degraded copies say; a track's own
        row is left out all the same.
    groups : sequence of str, collection of str, or None, length n, optional
        Candidates that share the query's group are passed over: with artists here, an
        album's or a genre's neighbours must be by someone else. Queries that are left
        with no hit to find are dropped.
    metric : {"cosine", "euclidean", "precomputed"}
        With "precomputed", as in scikit-learn, `vectors` are distances: row i holds those of
        track i as a query from every track, shape (n, n); a row may then be zero.
    min_tracks : int
        At least 2.
    most_queries : int, optional
        Where more could ask, so many are drawn at random, at least 1; all are still looked
        through. The time is that of queries times tracks.
    seed : int
        Of the order of ties, and of what is drawn.

    Returns
    -------
    Retrieval

    Raises
    ------
    BadArgument
        Where shapes disagree, or a vector is zero or not finite.
    NothingToMeasure
        No query is left.
    """
    distances = metric == "precomputed"
    vectors = _checked(vectors, "vectors", may_be_zero=distances)
    asking = vectors if queries is None else _checked(queries, "queries", may_be_zero=distances)
    if distances and vectors.shape[0] != vectors.shape[1]:
        raise BadArgument(f"distances have shape (tracks, tracks), not {vectors.shape}")
    if asking.shape != vectors.shape:
        raise BadArgument(f"queries have shape {asking.shape}, vectors {vectors.shape}")
    _check_length(labels, "labels", len(vectors))
    if most_queries is not None and most_queries < 1:
        raise BadArgument(f"most_queries is {most_queries}: at least 1 must ask")
    if min_tracks < 2:
        raise BadArgument(f"min_tracks is {min_tracks}: a label needs 2 tracks to be found")
    shared = _Shared(labels)
    asks = shared.largest >= min_tracks
    if not asks.any():
        raise NothingToMeasure(f"no label has {min_tracks} tracks or more")
    compare = _comparison(asking, vectors, metric)
    rng = np.random.default_rng(seed)
    able = np.flatnonzero(asks)
    drawn_from = 0
    if most_queries is not None and len(able) > most_queries:
        drawn_from = len(able)
        able = np.sort(rng.choice(able, most_queries, replace=False))
    if groups is not None:
        _check_length(groups, "groups", len(vectors))
    scores = _score(compare, shared, able, None if groups is None else _Shared(groups), rng)
    asked = scores.hits_to_find > 0
    if not asked.any():
        raise NothingToMeasure(
            "no query has a hit to find: every label lies within one group, as each album "
            "does within its artist; measure without the filter, or by another label"
        )
    return replace(_summary(shared.codes, asked, scores), drawn_from=drawn_from)


class _Shared:
    """Which tracks have a label in common.

    Attributes
    ----------
    largest : ndarray of int64, shape (n,)
        How many tracks have the commonest of a track's labels; 0 for none.
    codes : ndarray of int64, shape (n,)
        The number of that label; -1 for none.
    """

    def __init__(self, labels: Sequence[TrackLabels]) -> None:
        names = [frozenset([one] if isinstance(one, str) else one or ()) - {""} for one in labels]
        self._codes_of: list[list[int]] = [[] for _ in names]
        rows: dict[str, list[int]] = {}
        for row, some in enumerate(names):
            for name in some:
                rows.setdefault(name, []).append(row)
        ordered = sorted(rows)
        self._rows = [np.array(rows[name], np.int64) for name in ordered]
        for code, members in enumerate(self._rows):
            for row in members.tolist():
                self._codes_of[row].append(code)
        best = [
            max(codes, key=lambda code: len(self._rows[code]), default=-1)
            for codes in self._codes_of
        ]
        self.codes = np.array(best, np.int64)
        self.largest = np.array(
            [len(self._rows[code]) if code >= 0 else 0 for code in best], np.int64
        )

    def with_row(self, row: int) -> NDArray[np.bool_]:
        """Return which tracks share a label with one; itself among them."""
        shared = np.zeros(len(self.codes), np.bool_)
        for code in self._codes_of[row]:
            shared[self._rows[code]] = True
        return shared


@dataclass(frozen=True, slots=True)
class _Scores:
    hits_to_find: NDArray[np.int64]
    candidates: NDArray[np.int64]
    at_1: NDArray[np.float64]
    at_5: NDArray[np.float64]
    average: NDArray[np.float64]


#: From rows of queries to their similarity to every track, shape (rows, n), in any unit.
_Comparison = Callable[[NDArray[np.int64]], FloatArray]


def _comparison(asking: FloatArray, vectors: FloatArray, metric: str) -> _Comparison:
    if metric == "precomputed":
        return lambda rows: -asking[rows]
    if metric == "cosine":
        asking, vectors = _unit(asking), _unit(vectors)
        return lambda rows: asking[rows] @ vectors.T
    if metric != "euclidean":
        raise BadArgument(f"there is no metric {metric!r}; choose cosine or euclidean")
    # Minus half the squared distance, but for the query's own length; in units of the spread.
    centre = vectors.mean(axis=0)
    spread = float(np.linalg.norm(vectors - centre)) / np.sqrt(len(vectors)) or 1.0
    asking, vectors = (asking - centre) / spread, (vectors - centre) / spread
    offsets = -0.5 * np.square(vectors).sum(axis=1)
    return lambda rows: asking[rows] @ vectors.T + offsets


def _score(
    compare: _Comparison,
    labels: _Shared,
    rows: NDArray[np.int64],
    groups: _Shared | None,
    rng: np.random.Generator,
) -> _Scores:
    n = len(labels.codes)
    scores = _Scores(
        np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n), np.zeros(n), np.zeros(n)
    )
    block = max(1, _BLOCK_ELEMENTS // n)
    for start in range(0, len(rows), block):
        some = rows[start : start + block]
        for query, similarity in zip(some, np.round(compare(some), DECIMALS), strict=True):
            similarity[query] = -np.inf
            if groups is not None:
                similarity[groups.with_row(query)] = -np.inf
            allowed = np.isfinite(similarity)
            hits = np.flatnonzero(allowed & labels.with_row(query))
            scores.hits_to_find[query], scores.candidates[query] = len(hits), allowed.sum()
            if len(hits):
                ranks = _ranks(similarity, hits, rng)
                scores.at_1[query] = ranks[0] == 1
                scores.at_5[query] = (ranks <= DEPTH).sum() / DEPTH
                scores.average[query] = np.mean(np.arange(1, len(ranks) + 1) / ranks)
    return scores


def _ranks(
    similarity: FloatArray, hits: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Rank the hits among all, from 1, in rising order; ties fall at random."""
    n = len(similarity)
    ordered = np.sort(similarity)
    last = np.searchsorted(ordered, similarity[hits], side="right")
    first = np.searchsorted(ordered, similarity[hits], side="left")
    if (last - first == 1).all():
        return np.sort(n - last + 1)
    order = np.lexsort((rng.random(n), -similarity))
    place = np.empty(n, np.int64)
    place[order] = np.arange(1, n + 1)
    return np.sort(place[hits])


def _summary(
    codes: NDArray[np.int64], asked: NDArray[np.bool_], scores: _Scores
) -> RetrievalMetrics:
    queries = QueryMetrics(
        np.flatnonzero(asked),
        codes[asked],
        scores.at_1[asked],
        scores.at_5[asked],
        scores.average[asked],
    )
    weights = 1 / np.bincount(queries.labels)[queries.labels]
    hits, candidates = scores.hits_to_find[asked], scores.candidates[asked]
    return RetrievalMetrics(
        queries=len(queries.rows),
        labels=len(np.unique(queries.labels)),
        precision_at_1=float(queries.precision_at_1.mean()),
        precision_at_5=float(queries.precision_at_5.mean()),
        macro_precision_at_1=float(np.average(queries.precision_at_1, weights=weights)),
        macro_precision_at_5=float(np.average(queries.precision_at_5, weights=weights)),
        mean_average_precision=float(queries.average_precision.mean()),
        chance_precision=float(np.mean(hits / candidates)),
        chance_average_precision=float(np.mean(_chance_average_precision(hits, candidates))),
        per_query=queries,
    )


def _chance_average_precision(
    hits: NDArray[np.int64], candidates: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the expected average precision of a ranking at random.

    With R hits among N candidates the mean over all orders of the precision at each hit is
    ``(H_N + (R - 1) / (N - 1) * (N - H_N)) / N``, H_N being the N-th harmonic number.
    """
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, candidates.max() + 1))])
    h = harmonic[candidates]
    others = np.maximum(candidates - 1, 1)
    return np.asarray((h + (hits - 1) / others * (candidates - h)) / candidates)


def _checked(vectors: FloatArray, name: str, *, may_be_zero: bool) -> FloatArray:
    vectors = np.asarray(vectors, dtype=np.float32)
    if vectors.ndim != 2 or vectors.size == 0:
        raise BadArgument(f"{name} must have shape (tracks, dimensions), not {vectors.shape}")
    if not np.isfinite(vectors).all():
        row = int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])
        raise BadArgument(f"{name}: row {row} holds values that are not finite")
    if not (may_be_zero or vectors.any(axis=1).all()):
        row = int(np.flatnonzero(~vectors.any(axis=1))[0])
        raise BadArgument(f"{name}: row {row} is zero and has no direction")
    return vectors


def _check_length(values: Sequence[TrackLabels], name: str, n: int) -> None:
    if isinstance(values, str):
        raise BadArgument(f"{name} is one string: give a sequence with one entry per track")
    if len(values) != n:
        raise BadArgument(
            f"{len(values)} {name} for {n} vectors: one is needed per row (are the vectors "
            "given as columns?)"
        )


def _unit(vectors: FloatArray) -> FloatArray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


# --- bootstrap ---


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its bootstrap interval."""

    value: float
    low: float
    high: float


def bootstrap_interval(
    results: Sequence[RetrievalMetrics],
    figure: MetricName = "precision_at_1",
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


def bootstrap_difference(
    first: Sequence[RetrievalMetrics],
    second: Sequence[RetrievalMetrics],
    figure: MetricName = "precision_at_1",
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
    results: Sequence[RetrievalMetrics], figure: MetricName, draws: int, seed: int
) -> NDArray[np.float64]:
    if not results:
        raise BadArgument("no results given: measure at least one fold")
    rng = np.random.default_rng(seed)
    return np.asarray(
        np.mean([_bootstrap_one(result, figure, draws, rng) for result in results], axis=0)
    )


def _bootstrap_one(
    result: RetrievalMetrics, figure: MetricName, draws: int, rng: np.random.Generator
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


def _mean(results: Sequence[RetrievalMetrics], figure: MetricName) -> float:
    return float(np.mean([getattr(result, figure) for result in results]))


def _percentiles(drawn: NDArray[np.float64], confidence: float) -> tuple[float, float]:
    if not 0 < confidence < 1:
        raise BadArgument(f"confidence is {confidence:g}, expected within 0…1 (not percent)")
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)

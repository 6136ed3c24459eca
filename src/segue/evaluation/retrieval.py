"""Retrieval metrics with bootstrap confidence intervals.

Each track of a label (album, artist or genre) with enough tracks is a query; of all other tracks,
those with the same label are relevant. Metrics are precision at k and mean average precision
(Manning, Raghavan & Schütze, "Introduction to Information Retrieval", ch. 8), with the chance
level of a random ranking. Groups give the artist filter: Flexer & Schnitzer, "Effects of album and
artist filters in audio similarity computed for very large music databases", CMJ 34(3), 2010.
Confidence intervals are percentile bootstraps over labels.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument, NothingToMeasure
from segue.records import FloatArray

MetricName = Literal[
    "precision_at_1",
    "precision_at_5",
    "macro_precision_at_1",
    "macro_precision_at_5",
    "mean_average_precision",
]

#: The label of a track, its labels, or None.
TrackLabels = str | Collection[str] | None

_K: Final = 5  # of precision_at_5
MIN_TRACKS: Final = 3  # of a label whose tracks are queries
# Similarities are rounded to the precision of float32, so that equal ones are ties.
_DECIMALS: Final = 6
_BLOCK_ELEMENTS: Final = 1 << 24  # similarities computed at once: 64 MiB


@dataclass(frozen=True, slots=True)
class QueryMetrics:
    """Metrics of each query.

    Attributes
    ----------
    rows : ndarray of int, shape (queries,)
        Row of the query among the vectors.
    labels : ndarray of int, shape (queries,)
        Index of its label in sorted order.
    precision_at_1, precision_at_5, average_precision : ndarray, shape (queries,), float64
    """

    rows: NDArray[np.int64]
    labels: NDArray[np.int64]
    precision_at_1: NDArray[np.float64]
    precision_at_5: NDArray[np.float64]
    average_precision: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RetrievalMetrics:
    """Retrieval metrics of one embedding space on labelled tracks, each within 0 to 1.

    Attributes
    ----------
    queries, labels : int
        Number of queries, and of their labels.
    precision_at_1, precision_at_5 : float
        Precision at k, mean over queries. A query with fewer than five relevant tracks cannot
        reach 1 at 5.
    macro_precision_at_1, macro_precision_at_5 : float
        Macro average: mean over labels.
    mean_average_precision : float
    chance_precision, chance_average_precision : float
        Chance level: expected precision (at any k) and average precision of a random ranking.
    per_query : QueryMetrics
    drawn_from : int
        Number of possible queries if the queries are a random sample of them; else 0.
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
    corrections: FloatArray | None = None,
    min_tracks: int = MIN_TRACKS,
    max_queries: int | None = None,
    seed: int = 0,
) -> RetrievalMetrics:
    """Evaluate how well the neighbours in an embedding space share a label.

    Parameters
    ----------
    vectors : ndarray, shape (n, d)
        Embedding of each track.
    labels : sequence of str, collection of str, or None, length n
        Album, artist or genre of each track; of several, one in common is relevant. Tracks
        without a label (None or ""), or with labels of fewer than `min_tracks` tracks, are no
        queries, but irrelevant candidates.
    queries : ndarray, shape (n, d), optional
        Other embeddings of the same tracks as queries, such as those of degraded copies. A
        track is never its own candidate.
    groups : sequence of str, collection of str, or None, length n, optional
        Candidates of the query's group are filtered out, as by an artist filter. Queries left
        without a relevant track are dropped.
    metric : {"cosine", "euclidean", "precomputed"}
        With "precomputed", as in scikit-learn, `vectors` are distances of shape (n, n), with
        the query in the row.
    corrections : ndarray, shape (n,), optional
        Subtracted from the similarity to each track, such as those of
        `segue.search.neighbours.hubness_corrections`.
    min_tracks : int
        Smallest number of tracks of a query's label, at least 2.
    max_queries : int, optional
        Number of queries to sample at random if there are more. All tracks remain candidates.
    seed : int
        Seed of the order of ties and of the sample.

    Returns
    -------
    RetrievalMetrics

    Raises
    ------
    BadArgument
        Shapes disagree, or a vector is zero or not finite.
    NothingToMeasure
        No query is left.
    """
    vectors, query_vectors = _check_shapes(vectors, queries, is_distance=metric == "precomputed")
    _check_length(labels, "labels", len(vectors))
    if max_queries is not None and max_queries < 1:
        raise BadArgument(f"max_queries is {max_queries}: at least 1 is needed")
    if min_tracks < 2:
        raise BadArgument(f"min_tracks is {min_tracks}: a label needs 2 tracks to be found")
    label_index = _LabelIndex(labels)
    is_query = label_index.largest >= min_tracks
    if not is_query.any():
        raise NothingToMeasure(f"no label has {min_tracks} tracks or more")
    similarity = _similarity_function(query_vectors, vectors, metric)
    rng = np.random.default_rng(seed)
    rows = all_rows = np.flatnonzero(is_query)
    if max_queries is not None and len(rows) > max_queries:
        rows = np.sort(rng.choice(rows, max_queries, replace=False))
    if groups is not None:
        _check_length(groups, "groups", len(vectors))
    group_index = None if groups is None else _LabelIndex(groups)
    offsets = np.zeros(len(vectors), np.float32) if corrections is None else corrections
    scores = _score(lambda rows: similarity(rows) - offsets, label_index, rows, group_index, rng)
    has_relevant = scores.relevant > 0
    if not has_relevant.any():
        raise NothingToMeasure(
            "no query has a hit to find: every label lies within one group, as each album "
            "does within its artist; measure without the filter, or by another label"
        )
    drawn_from = len(all_rows) if len(rows) < len(all_rows) else 0
    return replace(_aggregate(label_index.codes, has_relevant, scores), drawn_from=drawn_from)


class _LabelIndex:
    """Index of the tracks of each label.

    Attributes
    ----------
    largest : ndarray of int64, shape (n,)
        Number of tracks of the most frequent of a track's labels; 0 without a label.
    codes : ndarray of int64, shape (n,)
        Index of that label; -1 without a label.
    """

    def __init__(self, labels: Sequence[TrackLabels]) -> None:
        self._codes_of: list[list[int]] = [[] for _ in labels]
        rows: dict[str, list[int]] = {}
        for row, track_labels in enumerate(labels):
            names = [track_labels] if isinstance(track_labels, str) else track_labels or ()
            for name in {*names} - {""}:
                rows.setdefault(name, []).append(row)
        self._rows = [np.array(rows[name], np.int64) for name in sorted(rows)]
        for code, members in enumerate(self._rows):
            for row in members.tolist():
                self._codes_of[row].append(code)
        most_frequent = [
            max(codes, key=lambda code: len(self._rows[code]), default=-1)
            for codes in self._codes_of
        ]
        self.codes = np.array(most_frequent, np.int64)
        self.largest = np.array(
            [len(self._rows[code]) if code >= 0 else 0 for code in most_frequent], np.int64
        )

    def shares_label(self, row: int) -> NDArray[np.bool_]:
        """Return the mask of the tracks that share a label with a track, itself included."""
        mask = np.zeros(len(self.codes), np.bool_)
        for code in self._codes_of[row]:
            mask[self._rows[code]] = True
        return mask


@dataclass(frozen=True, slots=True)
class _Scores:
    relevant: NDArray[np.int64]
    candidates: NDArray[np.int64]
    precision_at_1: NDArray[np.float64]
    precision_at_5: NDArray[np.float64]
    average_precision: NDArray[np.float64]


#: From rows of queries to their similarity to every track, shape (rows, n), up to monotonicity.
_SimilarityFunction = Callable[[NDArray[np.int64]], FloatArray]


def _similarity_function(
    queries: FloatArray, vectors: FloatArray, metric: str
) -> _SimilarityFunction:
    if metric == "precomputed":
        return lambda rows: -queries[rows]
    if metric == "cosine":
        queries, vectors = _l2_normalise(queries), _l2_normalise(vectors)
        return lambda rows: queries[rows] @ vectors.T
    if metric != "euclidean":
        raise BadArgument(f"there is no metric {metric!r}; choose cosine or euclidean")
    # Minus half the squared distance without the norm of the query, in units of the spread.
    centre = vectors.mean(axis=0)
    spread = float(np.linalg.norm(vectors - centre)) / np.sqrt(len(vectors)) or 1.0
    queries, vectors = (queries - centre) / spread, (vectors - centre) / spread
    offsets = -0.5 * np.square(vectors).sum(axis=1)
    return lambda rows: queries[rows] @ vectors.T + offsets


def _score(
    similarity_of: _SimilarityFunction,
    labels: _LabelIndex,
    rows: NDArray[np.int64],
    groups: _LabelIndex | None,
    rng: np.random.Generator,
) -> _Scores:
    n = len(labels.codes)
    scores = _Scores(
        np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n), np.zeros(n), np.zeros(n)
    )
    block_size = max(1, _BLOCK_ELEMENTS // n)
    for start in range(0, len(rows), block_size):
        block = rows[start : start + block_size]
        similarities = np.round(similarity_of(block), _DECIMALS)
        for query, similarity in zip(block, similarities, strict=True):
            similarity[query] = -np.inf
            if groups is not None:
                similarity[groups.shares_label(query)] = -np.inf
            is_candidate = np.isfinite(similarity)
            relevant = np.flatnonzero(is_candidate & labels.shares_label(query))
            scores.relevant[query], scores.candidates[query] = len(relevant), is_candidate.sum()
            if len(relevant):
                ranks = _ranks(similarity, relevant, rng)
                scores.precision_at_1[query] = ranks[0] == 1
                scores.precision_at_5[query] = (ranks <= _K).sum() / _K
                scores.average_precision[query] = np.mean(np.arange(1, len(ranks) + 1) / ranks)
    return scores


def _ranks(
    similarity: FloatArray, relevant: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return the sorted ranks, from 1, of the relevant tracks; ties are broken at random."""
    n = len(similarity)
    ordered = np.sort(similarity)
    last = np.searchsorted(ordered, similarity[relevant], side="right")
    first = np.searchsorted(ordered, similarity[relevant], side="left")
    if (last - first == 1).all():
        return np.sort(n - last + 1)
    order = np.lexsort((rng.random(n), -similarity))
    ranks = np.empty(n, np.int64)
    ranks[order] = np.arange(1, n + 1)
    return np.sort(ranks[relevant])


def _aggregate(
    codes: NDArray[np.int64], is_query: NDArray[np.bool_], scores: _Scores
) -> RetrievalMetrics:
    queries = QueryMetrics(
        np.flatnonzero(is_query),
        codes[is_query],
        scores.precision_at_1[is_query],
        scores.precision_at_5[is_query],
        scores.average_precision[is_query],
    )
    weights = 1 / np.bincount(queries.labels)[queries.labels]
    relevant, candidates = scores.relevant[is_query], scores.candidates[is_query]
    return RetrievalMetrics(
        queries=len(queries.rows),
        labels=len(np.unique(queries.labels)),
        precision_at_1=float(queries.precision_at_1.mean()),
        precision_at_5=float(queries.precision_at_5.mean()),
        macro_precision_at_1=float(np.average(queries.precision_at_1, weights=weights)),
        macro_precision_at_5=float(np.average(queries.precision_at_5, weights=weights)),
        mean_average_precision=float(queries.average_precision.mean()),
        chance_precision=float(np.mean(relevant / candidates)),
        chance_average_precision=float(np.mean(_chance_average_precision(relevant, candidates))),
        per_query=queries,
    )


def _chance_average_precision(
    relevant: NDArray[np.int64], candidates: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the expected average precision of a random ranking.

    With R relevant among N candidates the mean over all orders of the precision at each of them is
    ``(H_N + (R - 1) / (N - 1) * (N - H_N)) / N``, H_N being the N-th harmonic number.
    """
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, candidates.max() + 1))])
    h = harmonic[candidates]
    others = np.maximum(candidates - 1, 1)
    return np.asarray((h + (relevant - 1) / others * (candidates - h)) / candidates)


def _check_vectors(vectors: FloatArray, name: str, *, may_be_zero: bool) -> FloatArray:
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


def _check_shapes(
    vectors: FloatArray, queries: FloatArray | None, *, is_distance: bool
) -> tuple[FloatArray, FloatArray]:
    """Return checked vectors, and those of the queries: the same unless others are given."""
    vectors = _check_vectors(vectors, "vectors", may_be_zero=is_distance)
    if is_distance and vectors.shape[0] != vectors.shape[1]:
        raise BadArgument(f"distances have shape (tracks, tracks), not {vectors.shape}")
    if queries is None:
        return vectors, vectors
    queries = _check_vectors(queries, "queries", may_be_zero=is_distance)
    if queries.shape != vectors.shape:
        raise BadArgument(f"queries have shape {queries.shape}, vectors {vectors.shape}")
    return vectors, queries


def _check_length(values: Sequence[TrackLabels], name: str, n: int) -> None:
    if isinstance(values, str):
        raise BadArgument(f"{name} is one string: give a sequence with one entry per track")
    if len(values) != n:
        raise BadArgument(
            f"{len(values)} {name} for {n} vectors: one is needed per row (are the vectors "
            "given as columns?)"
        )


def _l2_normalise(vectors: FloatArray) -> FloatArray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric with its confidence interval."""

    value: float
    low: float
    high: float


def bootstrap_interval(
    results: Sequence[RetrievalMetrics],
    metric: MetricName = "precision_at_1",
    *,
    confidence: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
) -> Estimate:
    """Return a metric with its percentile bootstrap confidence interval.

    Parameters
    ----------
    results : sequence of RetrievalMetrics
        Metrics of one space, on one or several folds, whose mean is taken. Labels are resampled
        within each fold, with all their queries.
    metric : str
    confidence : float
        Confidence level, such as 0.95.
    draws : int
        Number of bootstrap samples.
    seed : int
    """
    samples = _bootstrap(results, metric, draws, seed)
    low, high = _percentiles(samples, confidence)
    return Estimate(_mean(results, metric), low, high)


def bootstrap_difference(
    first: Sequence[RetrievalMetrics],
    second: Sequence[RetrievalMetrics],
    metric: MetricName = "precision_at_1",
    *,
    confidence: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
) -> Estimate:
    """Return the paired difference of a metric between two spaces, with confidence interval.

    Both are resampled with the same labels. The parameters are those of `bootstrap_interval`.

    Returns
    -------
    Estimate
        First minus second; the difference is significant if the interval excludes 0.

    Raises
    ------
    BadArgument
        The queries of the two are not the same.
    """
    same = len(first) == len(second) and all(
        np.array_equal(a.per_query.rows, b.per_query.rows)
        and np.array_equal(a.per_query.labels, b.per_query.labels)
        for a, b in zip(first, second, strict=True)
    )
    if not same:
        raise BadArgument(
            "the two spaces were not measured with the same queries: measure both with the same "
            "tracks, labels and groups, in the same order"
        )
    samples = _bootstrap(first, metric, draws, seed) - _bootstrap(second, metric, draws, seed)
    low, high = _percentiles(samples, confidence)
    return Estimate(_mean(first, metric) - _mean(second, metric), low, high)


def _bootstrap(
    results: Sequence[RetrievalMetrics], metric: MetricName, draws: int, seed: int
) -> NDArray[np.float64]:
    if not results:
        raise BadArgument("no results given: measure at least one fold")
    rng = np.random.default_rng(seed)
    return np.asarray(
        np.mean([_bootstrap_one(result, metric, draws, rng) for result in results], axis=0)
    )


def _bootstrap_one(
    result: RetrievalMetrics, metric: MetricName, draws: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    queries = result.per_query
    values = {
        "precision_at_1": queries.precision_at_1,
        "precision_at_5": queries.precision_at_5,
        "macro_precision_at_1": queries.precision_at_1,
        "macro_precision_at_5": queries.precision_at_5,
        "mean_average_precision": queries.average_precision,
    }[metric]
    codes = np.unique(queries.labels, return_inverse=True)[1]
    counts = np.asarray(np.bincount(codes), dtype=np.float64)
    sums = np.asarray(np.bincount(codes, weights=values), dtype=np.float64)
    if metric.startswith("macro"):
        counts, sums = np.ones(len(counts)), sums / counts
    sample = rng.integers(len(counts), size=(draws, len(counts)))
    return np.asarray(sums[sample].sum(axis=1) / counts[sample].sum(axis=1))


def _mean(results: Sequence[RetrievalMetrics], metric: MetricName) -> float:
    return float(np.mean([getattr(result, metric) for result in results]))


def _percentiles(samples: NDArray[np.float64], confidence: float) -> tuple[float, float]:
    if not 0 < confidence < 1:
        raise BadArgument(f"confidence is {confidence:g}, expected within 0…1 (not percent)")
    low, high = np.quantile(samples, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)

"""Ranking of all tracks by similarity to a query set, and selection of the results.

Tracks are compared by cosine similarity or Euclidean distance in one space, or by a blend: the
weighted mean of the cosine similarities in several spaces and of the similarity of metadata.
Similar queries are averaged. Between quiet piano music and loud metal, however, there is no music
similar to both: queries that are hardly more similar than two random tracks are searched for
separately, and their results take turns.

Tracks are ranked by that similarity less a correction for hubness: some tracks are near everything
(`segue.search.neighbours.hubness_corrections`). Results are the best tracks that pass the filters,
one of each recording.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument, NotFound, WrongSpace
from segue.media import MEDIA
from segue.records import FloatArray, Hit, Reason, Tags, Track
from segue.search import neighbours
from segue.search.filters import DUPLICATE_COSINE, DUPLICATE_TESTS, Filters, filter_mask
from segue.search.query import Query, QuerySet, default_space
from segue.search.reasons import Directions, explain_cosine, explain_distance, space_directions
from segue.store import Store
from segue.store.files import Labels
from segue.store.spaces import Matrix
from segue.text import name_keys, normalise, split_genres

Metric = Literal["cosine", "euclidean"]
#: Name of the metadata in a blend.
METADATA: Final = "metadata"
#: Weight of each agreement of metadata; they sum to 1.
METADATA_WEIGHTS: Final = {"artist": 0.4, "album": 0.3, "genre": 0.2, "year": 0.1}
#: Difference of years at which their similarity is 0; it falls linearly.
MAX_YEAR_DIFFERENCE: Final = 20
#: Two queries are similar if each is among this share of all tracks nearest to the other. With
#: less similar queries, most results of the mean are close to one query alone
#: (bench/tables/separate_queries.md).
_NEAREST: Final = 0.3


@dataclass(frozen=True, slots=True)
class Ranking:
    """Scores of all tracks for a query set.

    Attributes
    ----------
    ids : ndarray of int64, shape (n,)
        Track ids, ascending.
    scores : ndarray, shape (n,), float32
        Similarity of each track.
    explain : callable
        Returns the reasons for the score of a row.
    matrix : Matrix
        Embeddings in a space where duplicates are near each other; it may lack some of `ids`.
    query_groups : tuple of tuple of str, int or Path
        Groups of similar queries, where queries are dissimilar; the score of a track is its
        similarity to the nearest group.
    group_index : ndarray of int64, shape (n,), optional
        Index of the nearest group.
    corrections : ndarray, shape (n,), float32, optional
        Hubness corrections: tracks are ranked by the scores less these.
    """

    ids: NDArray[np.int64]
    scores: FloatArray
    explain: Callable[[int], tuple[Reason, ...]]
    matrix: Matrix
    query_groups: tuple[tuple[Query, ...], ...] = ()
    group_index: NDArray[np.int64] | None = None
    corrections: FloatArray | None = None

    @property
    def corrected_scores(self) -> FloatArray:
        """Scores that order the tracks, shape (n,)."""
        return self.scores if self.corrections is None else self.scores - self.corrections

    def matched_queries(self, row: int) -> tuple[Query, ...]:
        """Return the group of queries nearest to a row; empty if there is only one group."""
        return () if self.group_index is None else self.query_groups[self.group_index[row]]

    def interleave(self, scores: FloatArray) -> FloatArray:
        """Return scores that order the rows so that groups take turns, the best of each first.

        Parameters
        ----------
        scores : ndarray, shape (n,), float32
            Scores that order the rows of a group; minus infinity for excluded rows.

        Returns
        -------
        ndarray, shape (n,), float32
            Scores; minus infinity for excluded rows. Unchanged if there is only one group.
        """
        if self.group_index is None:
            return scores
        interleaved = np.full(len(scores), -np.inf, np.float32)
        for group in range(len(self.query_groups)):
            rows = np.flatnonzero((self.group_index == group) & np.isfinite(scores))
            rows = rows[np.argsort(-scores[rows], kind="stable")]
            interleaved[rows] = -(np.arange(len(rows)) * len(self.query_groups) + group)
        return interleaved


@dataclass(frozen=True, slots=True)
class VectorSpace:
    """The embeddings of a space, and the metric that compares them.

    Attributes
    ----------
    matrix : Matrix
        Unit vectors with the cosine metric, the stored embeddings with the Euclidean one.
    metric : {"cosine", "euclidean"}
    directions : callable
        Loads the directions of the aspects that reasons name, or None if there are none.
    """

    matrix: Matrix
    metric: Metric
    directions: Callable[[], Directions | None]

    def query_vector(self, query_set: QuerySet) -> FloatArray:
        """Return the point to search from.

        Raises
        ------
        WrongSpace
            A query has no embedding in the space.
        """
        name = self.matrix.space.name
        positives, negatives = query_set.vectors(name)
        known = [
            [vector for vector in vectors if vector is not None]
            for vectors in (positives, negatives)
        ]
        if len(known[0]) < len(positives) or len(known[1]) < len(negatives):
            raise WrongSpace(
                f"not all queries have an embedding in the space {name!r}; use other queries or "
                "another space, or blend it with one that holds all of them: "
                f"--blend {MEDIA[self.matrix.space.kind].default_spaces[-1]}=0.5,{name}=0.5"
            )
        return self.centroid(*known)

    def centroid(
        self, positives: Sequence[FloatArray], negatives: Sequence[FloatArray] = ()
    ) -> FloatArray:
        """Return the centroid of positive vectors, away from negative ones."""
        if self.metric == "cosine":
            return neighbours.query_vector(positives, negatives)
        if negatives:
            raise BadArgument("unlikeness is a direction: --minus goes with the cosine only")
        return np.asarray(np.mean(positives, axis=0), dtype=np.float32)

    def similarities(self, query: FloatArray, matrix: Matrix | None = None) -> FloatArray:
        """Return the similarity of a point to all embeddings, or to those of another matrix."""
        cosine = self.metric == "cosine"
        compare = neighbours.cosine_similarities if cosine else neighbours.negative_distances
        return compare(matrix or self.matrix, query)

    def explain(self, query: FloatArray, vector: FloatArray) -> tuple[Reason, ...]:
        """Return the reasons for the similarity of two vectors."""
        split = explain_cosine if self.metric == "cosine" else explain_distance
        return split(self.matrix.space.name, query, vector, self.directions())


def load_vector_space(store: Store, space: str, metric: Metric) -> VectorSpace:
    """Load the embeddings of a space.

    Raises
    ------
    NotFound, WrongSpace
        There is no such space, or an older version of Segue made it.
    BadArgument
        There is no such metric.
    """
    if metric not in ("cosine", "euclidean"):
        raise BadArgument(f"there is no metric {metric!r}; choose cosine or euclidean")
    if space == METADATA:
        raise BadArgument(f"{space!r} is no space but a part of blends: --blend {space}=1")
    matrix = store.spaces.matrix(space)
    if metric == "euclidean":
        matrix = Matrix(matrix.space, *store.spaces.vectors(space))
    return VectorSpace(matrix, metric, cache(partial(space_directions, store, space)))


# ---- ranking -----------------------------------------------------------------------------


def rank(
    store: Store,
    query_set: QuerySet,
    space: str | None = None,
    metric: Metric = "cosine",
    blend: Mapping[str, float] | None = None,
) -> Ranking:
    """Rank all tracks; with dissimilar queries, each track by the query most similar to it.

    Parameters
    ----------
    store : Store
        Database of the library.
    query_set : QuerySet
        Queries.
    space : str, optional
        Embedding space; by default that of the queries.
    metric : {"cosine", "euclidean"}
        Metric of the space.
    blend : mapping of str to float, optional
        Positive weights, of any sum, of several spaces and of `METADATA`, instead of one space. The
        score is the weighted mean; where a space lacks a track or the queries, the weights of the
        others are scaled up. The reasons for a score are the contributions of the spaces.

    Raises
    ------
    NotFound, WrongSpace
        There is no such space, or a query has no embedding in it.
    BadArgument
        A blend is combined with a space or metric.
    """
    groups = split_queries(store, query_set, space)
    rankings = [_rank_group(store, group, space, metric, blend) for group in groups]
    if len(rankings) == 1:
        return rankings[0]
    ids = np.unique(np.concatenate([ranking.ids for ranking in rankings]))
    scores = np.full((len(rankings), len(ids)), -np.inf, np.float32)
    corrections = np.zeros_like(scores)
    for group, ranking in enumerate(rankings):
        present = np.isin(ids, ranking.ids)
        scores[group, present] = ranking.scores
        if ranking.corrections is not None:
            corrections[group, present] = ranking.corrections
    group_index = (scores - corrections).argmax(axis=0)
    nearest = (group_index, np.arange(len(ids)))

    def explain(row: int) -> tuple[Reason, ...]:
        ranking = rankings[int(group_index[row])]
        return ranking.explain(int(np.searchsorted(ranking.ids, ids[row])))

    return Ranking(
        ids,
        scores[nearest],
        explain,
        rankings[0].matrix,
        tuple(tuple(group.positives) for group in groups),
        group_index,
        corrections[nearest],
    )


def split_queries(store: Store, query_set: QuerySet, space: str | None = None) -> list[QuerySet]:
    """Split a query set into groups of similar queries (single linkage).

    Parameters
    ----------
    store : Store
        Database of the library.
    query_set : QuerySet
        Queries.
    space : str, optional
        Space in which they are compared; by default the default space of the queries.

    Returns
    -------
    list of QuerySet
        Groups, in order of their first queries.
    """
    if len(query_set.positives) < 2:
        return [query_set]
    vectors = load_vector_space(store, space or default_space(query_set), "cosine")
    queries = np.stack(
        [vectors.query_vector(query_set.subset([query], ())) for query in query_set.positives]
    )
    unit = vectors.matrix.unit
    if not len(unit):
        return [query_set]
    thresholds = np.array([np.quantile(unit @ query, 1 - _NEAREST) for query in queries])
    cosines = queries @ queries.T
    similar = (cosines >= thresholds[:, None]) & (cosines >= thresholds)
    components = _connected_components(similar | np.eye(len(queries), dtype=bool))
    return [
        query_set.subset(
            [
                query
                for query, component in zip(query_set.positives, components, strict=True)
                if component == label
            ]
        )
        for label in sorted(set(components))
    ]


def _connected_components(adjacent: NDArray[np.bool_]) -> list[int]:
    """Return for each node the lowest index in its connected component."""
    lowest = np.arange(len(adjacent))
    for _ in range(len(adjacent)):
        lowest = np.where(adjacent, lowest, len(adjacent)).min(axis=1)
    labels: list[int] = lowest.tolist()
    return labels


def _rank_group(
    store: Store,
    query_set: QuerySet,
    space: str | None,
    metric: Metric,
    blend: Mapping[str, float] | None,
) -> Ranking:
    """Rank all tracks by similarity to the mean of similar queries."""
    if blend is None:
        return _rank_in_space(store, query_set, space or default_space(query_set), metric)
    if space or metric != "cosine":
        raise BadArgument(
            "a blend names its spaces and takes cosines: no space or metric beside it"
        )
    return _rank_by_blend(store, query_set, blend)


def _rank_in_space(store: Store, query_set: QuerySet, space: str, metric: Metric) -> Ranking:
    vectors = load_vector_space(store, space, metric)
    query = vectors.query_vector(query_set)
    matrix = vectors.matrix
    is_cosine = metric == "cosine"
    return Ranking(
        matrix.ids,
        vectors.similarities(query),
        lambda row: vectors.explain(query, matrix.unit[row]),
        matrix if is_cosine else store.spaces.matrix(space),
        corrections=neighbours.hubness_corrections(store, matrix) if is_cosine else None,
    )


def _rank_by_blend(store: Store, query_set: QuerySet, weights: Mapping[str, float]) -> Ranking:
    if not weights or not all(math.isfinite(w) and w > 0 for w in weights.values()):
        raise BadArgument(f"the weights of a blend are above 0; these are {dict(weights)}")
    labels = store.labels()
    ids = np.array([label.id for label in labels], np.int64)
    matrix = store.spaces.matrix(MEDIA[query_set.kind].duplicate_space)
    # Similarities and corrections by space, each of shape (spaces, tracks).
    similarities, corrections = np.stack(
        [
            (_rank_by_metadata(query_set, labels), np.zeros(len(ids), np.float32))
            if name == METADATA
            else _similarities_in_space(store, query_set, name, ids)
            for name in weights
        ],
        axis=1,
    )
    known = np.isfinite(similarities)
    known_weights = known * np.array(list(weights.values()))[:, None]
    total = known_weights.sum(axis=0)
    ranked = total > 0
    if not ranked.any():
        raise NotFound(
            f"none of the blend's parts ({', '.join(weights)}) knows the query"
            "; search by a track of the library, or blend in `sound`"
        )
    known, normalised = known[:, ranked], known_weights[:, ranked] / total[ranked]
    shares = np.where(known, similarities[:, ranked], 0) * normalised

    def explain(row: int) -> tuple[Reason, ...]:
        parts = zip(weights, shares[:, row].tolist(), known[:, row], strict=True)
        reasons = [Reason(name, share) for name, share, is_known in parts if is_known]
        return tuple(sorted(reasons, key=lambda reason: -reason.share))

    return Ranking(
        ids[ranked],
        shares.sum(axis=0).astype(np.float32),
        explain,
        matrix,
        corrections=(corrections[:, ranked] * normalised).sum(axis=0).astype(np.float32),
    )


def _similarities_in_space(
    store: Store, query_set: QuerySet, space: str, ids: NDArray[np.int64]
) -> tuple[FloatArray, FloatArray]:
    """Return cosine similarities and hubness corrections; NaN and 0 for tracks not in the space."""
    matrix = store.spaces.matrix(space)
    similarities, corrections = (
        np.full(len(ids), np.nan, np.float32),
        np.zeros(len(ids), np.float32),
    )
    positives, negatives = (
        [vector for vector in vectors if vector is not None] for vectors in query_set.vectors(space)
    )
    if positives:
        cosines = neighbours.cosine_similarities(
            matrix, neighbours.query_vector(positives, negatives)
        )
        present, rows = np.isin(ids, matrix.ids), np.isin(matrix.ids, ids)
        similarities[present] = cosines[rows]
        corrections[present] = neighbours.hubness_corrections(store, matrix)[rows]
    return similarities, corrections


# ---- metadata ----------------------------------------------------------------------------


def _rank_by_metadata(query_set: QuerySet, labels: Sequence[Labels]) -> FloatArray:
    """Return the mean metadata similarity of all tracks; NaN for tracks without metadata."""
    positives, negatives = (
        [tags for tags in item_tags if has_metadata(tags)] for item_tags in query_set.tags()
    )
    if not positives:
        return np.full(len(labels), np.nan, np.float32)
    mean = np.mean([metadata_similarities(tags, labels) for tags in positives], axis=0)
    if negatives:
        mean -= np.mean([metadata_similarities(tags, labels) for tags in negatives], axis=0)
    return np.asarray(mean, np.float32)


def metadata_similarities(tags: Tags, labels: Sequence[Labels]) -> FloatArray:
    """Compare the metadata of one track with that of many.

    Parameters
    ----------
    tags : Tags
        Metadata of the track.
    labels : sequence of Labels, length n
        Metadata of the others.

    Returns
    -------
    ndarray, shape (n,), float32
        Sum of `METADATA_WEIGHTS` times the agreement of each field, 0 to 1: equal album; an artist
        in common; Jaccard index of the genres; closeness of the years. NaN where one of the two
        has no metadata.
    """
    if not has_metadata(tags):
        return np.full(len(labels), np.nan, np.float32)
    artists, album, genres = name_keys(tags.artist), normalise(tags.album), _genres(tags.genre)
    columns = {
        "artist": _map_unique(
            lambda name: float(bool(artists & name_keys(name))), [label.artist for label in labels]
        ),
        "album": _map_unique(
            lambda name: float(bool(album) and album == normalise(name)),
            [label.album for label in labels],
        ),
        "genre": _map_unique(
            lambda text: _jaccard(genres, _genres(text)), [label.genre for label in labels]
        ),
        "year": [_year_similarity(tags.year, label.year) for label in labels],
    }
    total = sum(METADATA_WEIGHTS[name] * np.asarray(column) for name, column in columns.items())
    empty = [
        not (label.artist or label.album or label.genre or label.year is not None)
        for label in labels
    ]
    return np.where(empty, np.nan, total).astype(np.float32)


def has_metadata(tags: Tags) -> bool:
    """Return whether tags have any field that is compared."""
    return bool(tags.artist or tags.album or tags.genre or tags.year is not None)


def _map_unique(function: Callable[[str], float], texts: Sequence[str]) -> list[float]:
    """Apply a function to texts, once for each distinct one: libraries repeat them."""
    results = {text: function(text) for text in set(texts)}
    return [results[text] for text in texts]


def _genres(text: str) -> frozenset[str]:
    return frozenset(normalise(genre) for genre in split_genres(text))


def _jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    return len(a & b) / len(a | b) if a and b else 0.0


def _year_similarity(a: int | None, b: int | None) -> float:
    if a is None or b is None:
        return 0.0
    return max(0.0, 1 - abs(a - b) / MAX_YEAR_DIFFERENCE)


# ---- selection ---------------------------------------------------------------------------


def select_hits(
    store: Store,
    ranking: Ranking,
    queries: Sequence[Track],
    n: int,
    filters: Filters | None = None,
    *,
    duplicates: bool = False,
    candidates: NDArray[np.int64] | None = None,
    excluded: Sequence[int] = (),
) -> list[Hit]:
    """Select the best tracks that pass the filters, one of each recording.

    Parameters
    ----------
    store : Store
        Database of the library.
    ranking : Ranking
        Scores of all tracks.
    queries : sequence of Track
        Tracks of the query, which are no results.
    n : int
        Maximum number of results, at least 1.
    filters : Filters, optional
        Conditions on the results.
    duplicates : bool
        Include all copies of a recording.
    candidates : ndarray of int64, optional
        Ids of the only tracks that may be results.
    excluded : sequence of int
        Ids of tracks that are no results, nor are their duplicates.

    Returns
    -------
    list of Hit
        Best first; of dissimilar queries, the best of each in turn.
    """
    if n < 1:
        raise BadArgument(f"{n} results: give a number of at least 1")
    filters = filters or Filters()
    ids = ranking.ids
    mask = filter_mask(store, filters, ids, queries) & ~np.isin(ids, excluded)
    if candidates is not None:
        mask &= np.isin(ids, candidates)
    taken = [] if duplicates else [*(track.id for track in queries), *excluded]
    per_artist: Counter[str] = Counter()
    selected: list[tuple[int, Track]] = []
    for row, track in _iter_ranked(store, ranking, mask):
        artists = name_keys(track.tags.artist)
        limit = filters.max_per_artist
        if limit is not None and any(per_artist[artist] >= limit for artist in artists):
            continue
        if not duplicates and _is_duplicate(store, ranking.matrix, track.id, taken):
            continue
        per_artist.update(artists)
        taken.append(track.id)
        selected.append((row, track))
        if len(selected) == n:
            break
    return [
        Hit(
            rank,
            float(ranking.scores[row]),
            track,
            ranking.explain(row),
            ranking.matched_queries(row),
        )
        for rank, (row, track) in enumerate(selected, start=1)
    ]


def _iter_ranked(
    store: Store, ranking: Ranking, mask: NDArray[np.bool_]
) -> Iterator[tuple[int, Track]]:
    """Yield the rows in `mask` with their tracks, best first."""
    scores = ranking.interleave(np.where(mask, ranking.corrected_scores, -np.inf))
    for chunk in neighbours.iter_descending(scores):
        rows = chunk[mask[chunk]]
        tracks = store.tracks(ranking.ids[rows].tolist())
        yield from zip(rows.tolist(), tracks, strict=True)
        if len(rows) < len(chunk):
            break  # all further rows are filtered out


def _is_duplicate(store: Store, matrix: Matrix, track: int, taken: Sequence[int]) -> bool:
    """Return whether a track is a duplicate of one that is taken already."""
    row, others = (np.flatnonzero(np.isin(matrix.ids, tracks)) for tracks in ([track], taken))
    close = others[(matrix.unit[others] @ matrix.unit[row].T > DUPLICATE_COSINE).any(axis=1)]
    if not len(close):
        return False
    fingerprints = store.fingerprints([track, *matrix.ids[close].tolist()])
    own = fingerprints.pop(track)
    is_same = DUPLICATE_TESTS[matrix.space.kind]
    return any(is_same(own, other) for other in fingerprints.values())

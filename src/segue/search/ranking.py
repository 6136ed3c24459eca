"""Ranking of all tracks by similarity to a query, and selection of the results.

How alike two tracks are by what they say of themselves: artist, album, genre, year.

How like a query_set every track is: in one space, in a blend of several, by description.

Which of the ranked tracks are answers: filters, copies of one recording, so many an artist.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument, NotFound, WrongSpace
from segue.records import FloatArray, Hit, Reason, Tags, Track
from segue.search import neighbours
from segue.search.duplicates import DUPLICATE_COSINE
from segue.search.filters import Filters, filter_mask
from segue.search.query_set import DEFAULT_SPACES, DUPLICATE_SPACES, Query, QuerySet, default_space
from segue.search.reasons import Directions, explain_cosine, explain_distance, space_directions
from segue.search.track_checks import DUPLICATE_TESTS
from segue.store import Store
from segue.store.files import Labels
from segue.store.matrix import Matrix
from segue.text import name_keys, normalise, split_genres

# --- metadata ---

#: What each agreement gives; together 1. Nothing is given for what one of the two does not say.
METADATA_WEIGHTS: Final = {"artist": 0.4, "album": 0.3, "genre": 0.2, "year": 0.1}
#: What `--blend` calls it.
METADATA: Final = "metadata"
#: So many years apart, the year gives nothing; between, proportionally.
MAX_YEAR_DIFFERENCE: Final = 20


def metadata_similarities(tags: Tags, labels: Sequence[Labels]) -> FloatArray:
    """Compare one track with many by their tags.

    Parameters
    ----------
    tags : Tags
    labels : sequence of Labels, length n

    Returns
    -------
    ndarray, shape (n,), float32
        0…1, the sum of the `SHARES`: artist and album give theirs where they are the same, of
        several artists where one is;
        genres as much as they overlap (common ones by all of both); years the more, the closer
        they lie. NaN where one of the two says nothing at all.
    """
    if not has_metadata(tags):
        return np.full(len(labels), np.nan, np.float32)
    artists, album, genres = name_keys(tags.artist), normalise(tags.album), _genres(tags.genre)
    columns = {
        "artist": _each(
            [label.artist for label in labels], lambda name: float(bool(artists & name_keys(name)))
        ),
        "album": _each([label.album for label in labels], lambda name: _same(album, name)),
        "genre": _each([label.genre for label in labels], lambda text: _overlap(genres, text)),
        "year": [_near(tags.year, label.year) for label in labels],
    }
    total = sum(METADATA_WEIGHTS[name] * np.asarray(column) for name, column in columns.items())
    silent = [
        not (label.artist or label.album or label.genre or label.year is not None)
        for label in labels
    ]
    return np.where(silent, np.nan, total).astype(np.float32)


def has_metadata(tags: Tags) -> bool:
    """Tell whether tags hold anything that is compared."""
    return bool(tags.artist or tags.album or tags.genre or tags.year is not None)


def _each(texts: Sequence[str], compare: Callable[[str], float]) -> list[float]:
    """Compare texts, each different one once: libraries repeat them."""
    known = {text: compare(text) for text in set(texts)}
    return [known[text] for text in texts]


def _genres(text: str) -> frozenset[str]:
    return frozenset(normalise(genre) for genre in split_genres(text))


def _same(name: str, other: str) -> float:
    return float(bool(name) and name == normalise(other))


def _overlap(genres: frozenset[str], text: str) -> float:
    others = _genres(text)
    return len(genres & others) / len(genres | others) if genres and others else 0.0


def _near(year: int | None, other: int | None) -> float:
    if year is None or other is None:
        return 0.0
    return max(0.0, 1 - abs(year - other) / MAX_YEAR_DIFFERENCE)


# --- ranking ---

Metric = Literal["cosine", "euclidean"]


@dataclass(frozen=True, slots=True)
class Ranking:
    """How like the query_set every track is.

    Attributes
    ----------
    ids : ndarray of int64, shape (n,)
        Of the tracks, rising.
    scores : ndarray, shape (n,), float32
    why : callable
        From a row to its reasons.
    near : Matrix
        A space where copies of one recording lie close together.
    parts : tuple of tuple of str, int or Path
        Where queries lie far apart, those that are asked with together: the scores are those of
        the nearest part.
    nearest : ndarray of int64, shape (n,), optional
        The number of that part.
    """

    ids: NDArray[np.int64]
    scores: FloatArray
    explain: Callable[[int], tuple[Reason, ...]]
    matrix: Matrix
    query_groups: tuple[tuple[Query, ...], ...] = ()
    group_index: NDArray[np.int64] | None = None

    def matched_queries(self, row: int) -> tuple[Query, ...]:
        """Return those of several queries far apart that a row is like; else nothing."""
        return () if self.group_index is None else self.query_groups[self.group_index[row]]

    def interleave(self, scores: FloatArray) -> FloatArray:
        """Return what orders the rows so that parts take turns, the best of each first.

        Parameters
        ----------
        scores : ndarray, shape (n,), float32
            By which a part orders its own; minus infinity for what is left out.

        Returns
        -------
        ndarray, shape (n,), float32
            The higher, the earlier; minus infinity likewise. The scores, where there are no parts.
        """
        if self.group_index is None:
            return scores
        turns = np.full(len(scores), -np.inf, np.float32)
        for number in range(len(self.query_groups)):
            own = np.flatnonzero((self.group_index == number) & np.isfinite(scores))
            own = own[np.argsort(-scores[own], kind="stable")]
            turns[own] = -(np.arange(len(own)) * len(self.query_groups) + number)
        return turns


@dataclass(frozen=True, slots=True)
class VectorSpace:
    """The vectors of a space, and the metric that compares them.

    Attributes
    ----------
    matrix : Matrix
        Of unit vectors with the cosine, of vectors as they are stored with the Euclidean
        metric.
    metric : {"cosine", "euclidean"}
    directions : callable
        Loads the directions by which reasons are told, None where there are none.
    """

    matrix: Matrix
    metric: Metric
    directions: Callable[[], Directions | None]

    def query_vector(self, query_set: QuerySet) -> FloatArray:
        """Return the point that is asked with."""
        name = self.matrix.space.name
        positives, negatives = query_set.vectors(name)
        known = [
            [vector for vector in some if vector is not None] for some in (positives, negatives)
        ]
        if len(known[0]) < len(positives) or len(known[1]) < len(negatives):
            raise WrongSpace(
                f"not all that was asked with has a vector in the space {name!r}; ask with tracks "
                "that do, or in another space, or blend it with one: "
                f"--blend {DEFAULT_SPACES[self.matrix.space.kind][-1]}=0.5,{name}=0.5"
            )
        return self.centroid(*known)

    def centroid(
        self, positives: Sequence[FloatArray], negatives: Sequence[FloatArray] = ()
    ) -> FloatArray:
        """Return the point between vectors, away from others."""
        if self.metric == "cosine":
            return neighbours.query_vector(positives, negatives)
        if negatives:
            raise BadArgument("unlikeness is a direction: --minus goes with the cosine only")
        return np.asarray(np.mean(positives, axis=0), dtype=np.float32)

    def similarities(self, query: FloatArray, matrix: Matrix | None = None) -> FloatArray:
        """Compare a point with all of these points, or with others of the space."""
        compare = (
            neighbours.cosine_similarities
            if self.metric == "cosine"
            else neighbours.negative_distances
        )
        return compare(matrix or self.matrix, query)

    def explain(self, query: FloatArray, vector: FloatArray) -> tuple[Reason, ...]:
        """Split the similarity of two points into reasons."""
        split = explain_cosine if self.metric == "cosine" else explain_distance
        return split(self.matrix.space.name, query, vector, self.directions())


def load_vector_space(store: Store, space: str, metric: Metric) -> VectorSpace:
    """Load a space.

    Raises
    ------
    NotFound, WrongSpace
        There is none of that name, or an older Segue made it.
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


def rank(
    store: Store,
    query_set: QuerySet,
    space: str | None = None,
    metric: Metric = "cosine",
    blend: Mapping[str, float] | None = None,
) -> Ranking:
    """Rank all tracks, in one space, the usual one where none is named, or in a blend.

    Raises
    ------
    BadArgument
        A blend goes with another space or metric.
    """
    if blend is None:
        return rank_in_space(store, query_set, space or default_space(query_set), metric)
    if space or metric != "cosine":
        raise BadArgument(
            "a blend names its spaces and takes cosines: no space or metric beside it"
        )
    return rank_by_blend(store, query_set, blend)


def rank_in_space(
    store: Store, query_set: QuerySet, space: str, metric: Metric = "cosine"
) -> Ranking:
    """Rank all tracks of a space.

    Raises
    ------
    NotFound, WrongSpace
        There is no such space, or what is asked with has no vector in it.
    """
    points = load_vector_space(store, space, metric)
    query = points.query_vector(query_set)
    matrix = points.matrix
    return Ranking(
        matrix.ids,
        points.similarities(query),
        lambda row: points.explain(query, matrix.unit[row]),
        matrix if metric == "cosine" else store.spaces.matrix(space),
    )


def rank_by_blend(store: Store, query_set: QuerySet, weights: Mapping[str, float]) -> Ranking:
    """Rank all tracks by the weighted mean of their similarities in several spaces.

    Parameters
    ----------
    store : Store
    query_set : Question
    weights : mapping of str to float
        By name of a space, or `metadata.PART`; above 0, of any sum.

    Returns
    -------
    Ranking
        Where a part knows nothing of a track, or of what is asked with, the weights of the
        others are scaled up; a hit's reasons are the parts that knew something.
    """
    if not weights or not all(math.isfinite(w) and w > 0 for w in weights.values()):
        raise BadArgument(f"the weights of a blend are above 0; these are {dict(weights)}")
    labels = store.labels()
    ids = np.array([label.id for label in labels], np.int64)
    near = store.spaces.matrix(DUPLICATE_SPACES[query_set.kind])
    parts = np.array(
        [
            _by_metadata(query_set, labels)
            if name == METADATA
            else _part(store, query_set, name, ids)
            for name in weights
        ]
    )
    known = np.isfinite(parts)
    weighing = known * np.array(list(weights.values()))[:, None]
    total = weighing.sum(axis=0)
    kept = total > 0
    if not kept.any():
        raise NotFound(
            f"none of the blend's parts ({', '.join(weights)}) knows anything of what was asked "
            "with; ask with a track of the library, or blend in `sound`"
        )
    known = known[:, kept]
    shares = np.where(known, parts[:, kept], 0) * weighing[:, kept] / total[kept]

    def why(row: int) -> tuple[Reason, ...]:
        told = zip(weights, shares[:, row].tolist(), known[:, row], strict=True)
        found = [Reason(name, share) for name, share, known_here in told if known_here]
        return tuple(sorted(found, key=lambda reason: -reason.share))

    return Ranking(ids[kept], shares.sum(axis=0).astype(np.float32), why, near)


def _part(store: Store, query_set: QuerySet, space: str, ids: NDArray[np.int64]) -> FloatArray:
    """Return the cosines of all tracks in one space; NaN for what it does not know."""
    matrix = store.spaces.matrix(space)
    found = np.full(len(ids), np.nan, np.float32)
    positives, negatives = (
        [vector for vector in some if vector is not None] for some in query_set.vectors(space)
    )
    if positives:
        cosines = neighbours.cosine_similarities(
            matrix, neighbours.query_vector(positives, negatives)
        )
        found[np.isin(ids, matrix.ids)] = cosines[np.isin(matrix.ids, ids)]
    return found


def _by_metadata(query_set: QuerySet, labels: Sequence[Labels]) -> FloatArray:
    """Return the mean likeness of all tracks by their tags; NaN for those that say nothing."""
    positives, negatives = (
        [tags for tags in some if has_metadata(tags)] for some in query_set.tags()
    )
    if not positives:
        return np.full(len(labels), np.nan, np.float32)
    found = np.mean([metadata_similarities(tags, labels) for tags in positives], axis=0)
    if negatives:
        found -= np.mean([metadata_similarities(tags, labels) for tags in negatives], axis=0)
    return np.asarray(found, np.float32)


# --- choosing ---


def select_hits(
    store: Store,
    ranking: Ranking,
    asked: Sequence[Track],
    n: int,
    filters: Filters | None = None,
    *,
    duplicates: bool = False,
    candidates: NDArray[np.int64] | None = None,
    excluded: Sequence[int] = (),
) -> list[Hit]:
    """Take the best that pass, one per recording, as many per artist as wanted.

    Parameters
    ----------
    store : Store
    ranking : Ranking
    asked : sequence of Track
        What was asked with, which is no answer.
    n : int
        How many at most, at least 1.
    filters : Filters, optional
    duplicates : bool
        Take every copy of one recording.
    among : ndarray of int64, optional
        The only tracks that may be taken.
    unwanted : sequence of int
        Tracks that are no answers, nor are their copies.

    Returns
    -------
    list of Hit
        Best first; where queries lie far apart, the best of each in turn.
    """
    if n < 1:
        raise BadArgument(f"{n} answers; at least 1 must be wanted")
    filters = filters or Filters()
    ids = ranking.ids
    passes = filter_mask(store, filters, ids, asked) & ~np.isin(ids, excluded)
    if candidates is not None:
        passes &= np.isin(ids, candidates)
    taken = [] if duplicates else [*(track.id for track in asked), *excluded]
    hits: list[Hit] = []
    per_artist: Counter[str] = Counter()
    for rows in neighbours.iter_descending(
        ranking.interleave(np.where(passes, ranking.scores, -np.inf))
    ):
        fitting = rows[passes[rows]]
        for row, track in zip(fitting.tolist(), store.tracks(ids[fitting].tolist()), strict=True):
            artists = name_keys(track.tags.artist)
            most = filters.max_per_artist
            if most is not None and any(per_artist[artist] >= most for artist in artists):
                continue
            if not duplicates and _is_copy(store, ranking.matrix, track.id, taken):
                continue
            per_artist.update(artists)
            taken.append(track.id)
            score = float(ranking.scores[row])
            why, asked_with = ranking.explain(row), ranking.matched_queries(row)
            hits.append(Hit(len(hits) + 1, score, track, why, asked_with))
            if len(hits) == n:
                return hits
        if len(fitting) < len(rows):
            break  # what follows was filtered out
    return hits


def _is_copy(store: Store, near: Matrix, track: int, taken: Sequence[int]) -> bool:
    """Tell whether a track is another copy of a recording that is taken already."""
    row, others = (np.flatnonzero(np.isin(near.ids, some)) for some in ([track], taken))
    close = others[(near.unit[others] @ near.unit[row].T > DUPLICATE_COSINE).any(axis=1)]
    if not len(close):
        return False
    prints = store.fingerprints([track, *near.ids[close].tolist()])
    mine = prints.pop(track)
    same = DUPLICATE_TESTS[near.space.kind]
    return any(same(mine, other) for other in prints.values())

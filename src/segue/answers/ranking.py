"""How like a question every track is: in one space, in a blend of several, by description."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from segue import metadata, search
from segue.answers.question import Query, Question
from segue.answers.usual import COPIES_IN, USUAL, usual_space
from segue.errors import BadArgument, NotFound, WrongSpace
from segue.explain import reasons, reasons_of_distance
from segue.explain.directions import Directions, directions_of
from segue.records import FloatArray, Reason
from segue.store import Store
from segue.store.matrix import Matrix
from segue.store.rows import Labels

Metric = Literal["cosine", "euclidean"]


@dataclass(frozen=True, slots=True)
class Ranking:
    """How like the question every track is.

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
    why: Callable[[int], tuple[Reason, ...]]
    near: Matrix
    parts: tuple[tuple[Query, ...], ...] = ()
    nearest: NDArray[np.int64] | None = None

    def asked_with(self, row: int) -> tuple[Query, ...]:
        """Return those of several queries far apart that a row is like; else nothing."""
        return () if self.nearest is None else self.parts[self.nearest[row]]

    def in_turn(self, scores: FloatArray) -> FloatArray:
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
        if self.nearest is None:
            return scores
        turns = np.full(len(scores), -np.inf, np.float32)
        for number in range(len(self.parts)):
            own = np.flatnonzero((self.nearest == number) & np.isfinite(scores))
            own = own[np.argsort(-scores[own], kind="stable")]
            turns[own] = -(np.arange(len(own)) * len(self.parts) + number)
        return turns


@dataclass(frozen=True, slots=True)
class Points:
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

    def query(self, question: Question) -> FloatArray:
        """Return the point that is asked with."""
        name = self.matrix.space.name
        likes, unlikes = question.vectors(name)
        known = [[vector for vector in some if vector is not None] for some in (likes, unlikes)]
        if len(known[0]) < len(likes) or len(known[1]) < len(unlikes):
            raise WrongSpace(
                f"not all that was asked with has a vector in the space {name!r}; ask with tracks "
                "that do, or in another space, or blend it with one: "
                f"--blend {USUAL[self.matrix.space.kind][-1]}=0.5,{name}=0.5"
            )
        return self.centre(*known)

    def centre(self, likes: Sequence[FloatArray], unlikes: Sequence[FloatArray] = ()) -> FloatArray:
        """Return the point between vectors, away from others."""
        if self.metric == "cosine":
            return search.blend(likes, unlikes)
        if unlikes:
            raise BadArgument("unlikeness is a direction: --minus goes with the cosine only")
        return np.asarray(np.mean(likes, axis=0), dtype=np.float32)

    def similarities(self, query: FloatArray, matrix: Matrix | None = None) -> FloatArray:
        """Compare a point with all of these points, or with others of the space."""
        compare = search.similarities if self.metric == "cosine" else search.nearness
        return compare(matrix or self.matrix, query)

    def why(self, query: FloatArray, vector: FloatArray) -> tuple[Reason, ...]:
        """Split the similarity of two points into reasons."""
        split = reasons if self.metric == "cosine" else reasons_of_distance
        return split(self.matrix.space.name, query, vector, self.directions())


def points_of(store: Store, space: str, metric: Metric) -> Points:
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
    if space == metadata.PART:
        raise BadArgument(f"{space!r} is no space but a part of blends: --blend {space}=1")
    matrix = store.spaces.matrix(space)
    if metric == "euclidean":
        matrix = Matrix(matrix.space, *store.spaces.vectors(space))
    return Points(matrix, metric, cache(partial(directions_of, store, space)))


def rank(
    store: Store,
    question: Question,
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
        return in_space(store, question, space or usual_space(question), metric)
    if space or metric != "cosine":
        raise BadArgument(
            "a blend names its spaces and takes cosines: no space or metric beside it"
        )
    return in_blend(store, question, blend)


def in_space(store: Store, question: Question, space: str, metric: Metric = "cosine") -> Ranking:
    """Rank all tracks of a space.

    Raises
    ------
    NotFound, WrongSpace
        There is no such space, or what is asked with has no vector in it.
    """
    points = points_of(store, space, metric)
    query = points.query(question)
    matrix = points.matrix
    return Ranking(
        matrix.ids,
        points.similarities(query),
        lambda row: points.why(query, matrix.unit[row]),
        matrix if metric == "cosine" else store.spaces.matrix(space),
    )


def in_blend(store: Store, question: Question, weights: Mapping[str, float]) -> Ranking:
    """Rank all tracks by the weighted mean of their similarities in several spaces.

    Parameters
    ----------
    store : Store
    question : Question
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
    near = store.spaces.matrix(COPIES_IN[question.kind])
    parts = np.array(
        [
            _by_metadata(question, labels)
            if name == metadata.PART
            else _part(store, question, name, ids)
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


def _part(store: Store, question: Question, space: str, ids: NDArray[np.int64]) -> FloatArray:
    """Return the cosines of all tracks in one space; NaN for what it does not know."""
    matrix = store.spaces.matrix(space)
    found = np.full(len(ids), np.nan, np.float32)
    likes, unlikes = (
        [vector for vector in some if vector is not None] for some in question.vectors(space)
    )
    if likes:
        cosines = search.similarities(matrix, search.blend(likes, unlikes))
        found[np.isin(ids, matrix.ids)] = cosines[np.isin(matrix.ids, ids)]
    return found


def _by_metadata(question: Question, labels: Sequence[Labels]) -> FloatArray:
    """Return the mean likeness of all tracks by their tags; NaN for those that say nothing."""
    likes, unlikes = (
        [tags for tags in some if metadata.says_anything(tags)] for some in question.tags()
    )
    if not likes:
        return np.full(len(labels), np.nan, np.float32)
    found = np.mean([metadata.similarities(tags, labels) for tags in likes], axis=0)
    if unlikes:
        found -= np.mean([metadata.similarities(tags, labels) for tags in unlikes], axis=0)
    return np.asarray(found, np.float32)

"""Reasons: additive contributions of aspects to a cosine similarity.

Directions of a space along which named aspects grow, so that a similarity divides among them.

The numbers of most spaces mean nothing by themselves. Directions are found along which aspects
that were measured of the same tracks grow, by ridge regression, and made orthonormal as close to
themselves as can be (Löwdin 1950): a cosine is then the sum of the products along each of them,
and of what lies outside all of them.

Why two tracks are alike: additive shares of their similarity, and which way each goes.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib.resources import files
from typing import Final

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from segue.audio.embedding import load_head
from segue.records import FloatArray, Kind, Reason
from segue.search.aspects import (
    OTHER,
    UNNAMED,
    Aspect,
    AspectFeatures,
    Contribution,
    lyrics_aspects,
    score_aspects,
    sound_aspects,
    tag_aspects,
    to_reasons,
)
from segue.store import Store

# --- directions ---

#: Penalty of the regression, as a share of the total variance.
RIDGE: Final = 0.01
#: Of fewer tracks no directions are learned.
MIN_TRACKS: Final = 50
#: Of more tracks, as many drawn at random are learned from.
MAX_TRACKS: Final = 2000
#: Spaces whose numbers have names, or of which nothing was heard: they need no directions.
NAMED_SPACES: Final = frozenset({"features", "tags", "score-features", "style", "listens"})
_MOST_COMPONENTS: Final = 8  # of an aspect's numbers, which have directions of their own
#: The space of named numbers of each kind of music, what they are about, and how to read them.
_NAMED: Final[dict[Kind, str]] = {
    "sound": "features",
    "score": "score-features",
    "lyrics": "style",
}
_MEASURED: Final[dict[Kind, Callable[[], tuple[AspectFeatures, ...]]]] = {
    "sound": sound_aspects,
    "score": score_aspects,
    "lyrics": lyrics_aspects,
}


@dataclass(frozen=True, slots=True)
class Directions:
    """Directions of a space.

    Attributes
    ----------
    names : tuple of str
        Of the aspects; one may have several directions, of which the first says how much of it
        there is.
    rows : ndarray, shape (len(names), dimension)
        Orthonormal.
    """

    names: tuple[str, ...]
    rows: FloatArray

    def shares(self, a: NDArray[np.float64], b: NDArray[np.float64]) -> list[Contribution]:
        """Divide the product of two vectors among the aspects, and what is left.

        Parameters
        ----------
        a, b : ndarray, shape (dimension,)
        """
        first, second = self.rows @ a, self.rows @ b
        told = [
            Contribution(aspect_named(name), one * other, one, other)
            for name, one, other in zip(self.names, first.tolist(), second.tolist(), strict=True)
        ]
        return [*told, Contribution(UNNAMED, float(a @ b - first @ second))]


def fit_directions(vectors: FloatArray, levels: "AspectLevels") -> Directions:
    """Find the directions along which aspects grow.

    Parameters
    ----------
    vectors : ndarray, shape (tracks, dimension)
        Of length 1.
    levels : Levels
        Of the same tracks. What does not vary is left out; of few tracks and few dimensions,
        what comes last is.
    """
    values = levels.values[:, : min(vectors.shape[1], len(vectors) // 2)]
    varied = values.std(axis=0) > 1e-6
    x = vectors.astype(np.float64) - vectors.mean(axis=0)
    y = (values[:, varied] - values[:, varied].mean(axis=0)) / values[:, varied].std(axis=0)
    products = x @ x.T if len(x) < x.shape[1] else x.T @ x
    products[np.diag_indices_from(products)] += RIDGE * np.trace(products)
    found = (
        x.T @ np.linalg.solve(products, y)
        if len(x) < x.shape[1]
        else np.linalg.solve(products, x.T @ y)
    )
    found /= np.maximum(np.linalg.norm(found, axis=0), 1e-12)
    u, _, vt = np.linalg.svd(found, full_matrices=False)
    kept = tuple(name for name, varies in zip(levels.names, varied, strict=False) if varies)
    return Directions(kept, np.asarray((u @ vt).T, np.float32))


def space_directions(store: Store, space: str) -> Directions | None:
    """Return the directions of a space: shipped, or learned from the library and kept.

    Returns
    -------
    Directions or None
        None where the library holds too few tracks to learn from.
    """
    if space in bundled_directions():
        return bundled_directions()[space]
    if space in NAMED_SPACES:
        return None
    kept = store.spaces.derived(space, "directions")
    if kept is None:
        found = fit_space_directions(store, space)
        if found is None:
            return None
        names = np.array(found.names, np.str_)
        store.spaces.keep_derived(space, "directions", {"names": names, "rows": found.rows})
        return found
    return Directions(tuple(kept["names"].tolist()), kept["rows"])


def fit_space_directions(store: Store, space: str) -> Directions | None:
    """Learn the directions of a space from the tracks of a library; None from too few."""
    matrix = store.spaces.matrix(space)
    ids, levels = aspect_levels(store, matrix.space.kind, matrix.ids)
    if len(ids) < MIN_TRACKS:
        return None
    return fit_directions(np.asarray(matrix.unit[np.searchsorted(matrix.ids, ids)]), levels)


def aspect_levels(
    store: Store, kind: Kind, among: NDArray[np.int64]
) -> "tuple[NDArray[np.int64], AspectLevels]":
    """Measure how much of each aspect tracks of a library have.

    Parameters
    ----------
    store : Store
    kind : str
    among : ndarray of int64
        Ids of tracks, of which at most `SAMPLE` that can be measured are drawn.

    Returns
    -------
    ids : ndarray, shape (n,), int64
        Of the tracks, rising.
    levels : Levels
    """
    named = _NAMED[kind]
    ids, features = store.spaces.vectors(named)
    both = np.intersect1d(ids, among)
    if len(both) > MAX_TRACKS:
        both = np.sort(np.random.default_rng(0).choice(both, MAX_TRACKS, replace=False))
    scores = standardiser(kind)(features[np.searchsorted(ids, both)]).astype(np.float64)
    found = AspectLevels((), np.empty((len(both), 0)))
    if kind == "sound":
        tagged, tags = store.spaces.vectors("tags")
        heard = tags[np.searchsorted(tagged, both)].astype(np.float64)
        found = found.concatenate(*(_level(part, heard) for part in tag_aspects()))
    parts = _MEASURED[kind]()
    found = found.concatenate(*(_level(part, scores) for part in parts if part.aspect.high))
    return both, found.concatenate(*(_components(part, scores) for part in parts))


def standardiser(kind: Kind) -> Callable[[FloatArray], FloatArray]:
    """Return what turns vectors of named numbers of a kind of music into standard scores."""
    if kind == "sound":  # what measures is slow to import
        from segue.audio.features import standard_scores

        return standard_scores
    if kind == "score":
        from segue.score.features import standard_score_scores

        return standard_score_scores
    from segue.lyrics.features import standard_style_scores

    return standard_style_scores


@dataclass(frozen=True, slots=True)
class AspectLevels:
    """How much of which aspects tracks have.

    Attributes
    ----------
    names : tuple of str
        Of the aspects; one that takes several numbers comes several times.
    values : ndarray, shape (tracks, len(names)), float64
    """

    names: tuple[str, ...]
    values: NDArray[np.float64]

    def concatenate(self, *others: "AspectLevels") -> "AspectLevels":
        """Put others beside these."""
        every = (self, *others)
        return AspectLevels(
            tuple(name for one in every for name in one.names),
            np.hstack([one.values for one in every]),
        )


def _level(part: AspectFeatures, scores: NDArray[np.float64]) -> AspectLevels:
    return AspectLevels((part.aspect.name,), part.level(scores)[:, None])


def _components(part: AspectFeatures, scores: NDArray[np.float64]) -> AspectLevels:
    """Return the principal components of what has no direction, or more than one number tells."""
    own = scores[:, part.columns] - scores[:, part.columns].mean(axis=0)
    count = min(_MOST_COMPONENTS, len(part.columns) // 2, max(len(own) // 20, 1))
    if not count:
        return AspectLevels((), np.empty((len(own), 0)))
    _, axes = np.linalg.eigh(own.T @ own)
    return AspectLevels((part.aspect.name,) * count, own @ axes[:, ::-1][:, :count])


def aspect_named(name: str) -> Aspect:
    """Return the aspect of a name."""
    return _named()[name]


@cache
def _named() -> dict[str, Aspect]:
    parts = (*tag_aspects(), *sound_aspects(), *score_aspects(), *lyrics_aspects())
    return {part.aspect.name: part.aspect for part in reversed(parts)}


@cache
def bundled_directions() -> dict[str, Directions]:
    """Load the directions that come with Segue, by space."""
    data = (files("segue.weights") / "directions.safetensors").read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return {
        space: Directions(tuple(json.loads(header["__metadata__"][space])), rows.astype(np.float32))
        for space, rows in load(data).items()
    }


def directions_to_bytes(found: Mapping[str, Directions]) -> bytes:
    """Serialise directions by space as safetensors, their names in its metadata."""
    rows = {space: np.ascontiguousarray(one.rows, np.float16) for space, one in found.items()}
    return save(rows, {space: json.dumps(one.names) for space, one in found.items()})


# --- explain ---

__all__ = ["OTHER", "explain_cosine", "explain_distance"]

_Vector = NDArray[np.float64]
_Split = Callable[[_Vector, _Vector], list[Contribution]]
#: Of a space that nothing is known of but its vectors.
_WHOLE: Final = Aspect("learned likeness", "learned likeness")
_LISTENERS: Final = Aspect("listeners", "listeners")


def explain_cosine(
    space: str, a: FloatArray, b: FloatArray, directions: Directions | None = None
) -> tuple[Reason, ...]:
    """Split the cosine of two vectors into named shares.

    Parameters
    ----------
    space : str
        Name of the space that both are of.
    a, b : ndarray, shape (dimension,)
        Of what was asked with, and of the answer; of any length but 0.
    directions : Directions, optional
        Of a space learned from the library.

    Returns
    -------
    tuple of Reason
        Largest first; the shares sum to the cosine.
    """
    return to_reasons(_split(space, directions)(_unit(a), _unit(b)))


def explain_distance(
    space: str, a: FloatArray, b: FloatArray, directions: Directions | None = None
) -> tuple[Reason, ...]:
    """Split minus the Euclidean distance of two vectors into named shares.

    Each aspect has of it what it has of the squared distance: its share of the cosine is a
    product of the two vectors, so that with their difference in place of both it is its part
    of the difference.

    Returns
    -------
    tuple of Reason
        What keeps the two apart most comes last; none where nothing does.
    """
    apart = a.astype(np.float64) - b
    distance = float(np.linalg.norm(apart))
    if distance == 0:
        return ()
    split = _split(space, directions)
    levels = split(_unit(a), _unit(b))
    shares = split(apart / distance, apart / distance)
    return to_reasons(
        Contribution(one.aspect, -distance * one.share, level.first, level.second)
        for one, level in zip(shares, levels, strict=True)
    )


def _split(space: str, directions: Directions | None) -> _Split:
    known = _SHARES.get(space)
    if known:
        return known
    found = bundled_directions().get(space) or directions
    return found.shares if found else _whole


def _unit(vector: FloatArray) -> _Vector:
    return np.asarray(vector / np.linalg.norm(vector.astype(np.float64)), np.float64)


def _whole(a: _Vector, b: _Vector) -> list[Contribution]:
    return [Contribution(_WHOLE, float(a @ b))]


def _listened(a: _Vector, b: _Vector) -> list[Contribution]:
    return [Contribution(_LISTENERS, float(a @ b))]


def _sound(a: _Vector, b: _Vector) -> list[Contribution]:
    head = load_head()
    (heard_a, described_a), (heard_b, described_b) = (
        head.split(vector.astype(np.float32)) for vector in (a, b)
    )
    # What was measured knows its direction better than what was heard, so it comes first.
    measured = _by_aspect(
        sound_aspects(),
        head.feature_shares(described_a, described_b),
        head.features_of(described_a),
        head.features_of(described_b),
    )
    return [*measured, *bundled_directions()["sound"].shares(heard_a, heard_b)]


def _tags(a: _Vector, b: _Vector) -> list[Contribution]:
    return _by_aspect(tag_aspects(), a * b, a, b)


def _measured(
    parts: Callable[[], Sequence[AspectFeatures]],
    kind: Kind,
    a: _Vector,
    b: _Vector,
) -> list[Contribution]:
    """Divide among the numbers of a vector, which are features."""
    scores = standardiser(kind)
    first, second = (scores(vector.astype(np.float32)).astype(np.float64) for vector in (a, b))
    return _by_aspect(parts(), a * b, first, second)


def _by_aspect(
    parts: Sequence[AspectFeatures], shares: _Vector, first: _Vector, second: _Vector
) -> list[Contribution]:
    return [
        Contribution(
            part.aspect,
            float(shares[part.columns].sum()),
            float(part.level(first)),
            float(part.level(second)),
        )
        for part in parts
    ]


_SHARES: Final[dict[str, _Split]] = {
    "sound": _sound,
    "tags": _tags,
    "features": partial(_measured, sound_aspects, "sound"),
    "score-features": partial(_measured, score_aspects, "score"),
    "style": partial(_measured, lyrics_aspects, "lyrics"),
    "listens": _listened,
}

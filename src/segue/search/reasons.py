"""Reasons: additive contributions of aspects to a similarity (feature attribution).

The dimensions of most spaces have no meaning by themselves. Directions along which measured aspects
grow are found by ridge regression on tracks of the library, and made orthonormal as close to
themselves as possible (Löwdin 1950). A cosine similarity is then the sum of the products along each
direction, and of a remainder outside all of them.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib.resources import files
from typing import Final

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load

from segue.audio.embedding import load_head
from segue.builtin_spaces import feature_z_scores
from segue.media import MEDIA
from segue.records import FloatArray, Medium, Reason
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

__all__ = ["OTHER", "explain_cosine", "explain_distance"]

#: Ridge penalty, as a share of the total variance.
RIDGE: Final = 0.01
#: Minimum number of tracks to fit directions from, and the size of the random sample.
MIN_TRACKS: Final = 50
MAX_TRACKS: Final = 2000
#: Spaces that need no directions: their dimensions have names, or they are not of content.
NAMED_SPACES: Final = frozenset({"features", "tags", "score-features", "style", "listens"})
#: Maximum number of principal components of an aspect, each with a direction.
_MAX_COMPONENTS: Final = 8
#: Aspects of the named features of each medium.
_FEATURE_ASPECTS: Final[dict[Medium, Callable[[], tuple[AspectFeatures, ...]]]] = {
    "sound": sound_aspects,
    "score": score_aspects,
    "lyrics": lyrics_aspects,
}
_LEARNED: Final = Aspect("learned likeness", "learned likeness")
_LISTENERS: Final = Aspect("listeners", "listeners")

_Vector = NDArray[np.float64]
_Split = Callable[[_Vector, _Vector], list[Contribution]]


def explain_cosine(
    space: str, a: FloatArray, b: FloatArray, directions: "Directions | None" = None
) -> tuple[Reason, ...]:
    """Divide the cosine similarity of two vectors among aspects.

    Parameters
    ----------
    space : str
        Name of the space of both vectors.
    a, b : ndarray, shape (dimension,)
        Nonzero embeddings of the query and of the result.
    directions : Directions, optional
        Directions of a space trained from the library.

    Returns
    -------
    tuple of Reason
        Largest first; the shares sum to the cosine similarity.
    """
    return to_reasons(_split_of(space, directions)(_unit(a), _unit(b)))


def explain_distance(
    space: str, a: FloatArray, b: FloatArray, directions: "Directions | None" = None
) -> tuple[Reason, ...]:
    """Divide the negative Euclidean distance of two vectors among aspects.

    The share of an aspect is that of the squared distance: the contribution to the product of the
    difference vector with itself.

    Returns
    -------
    tuple of Reason
        The aspect in which they differ most comes last; empty for equal vectors.
    """
    difference = a.astype(np.float64) - b
    distance = float(np.linalg.norm(difference))
    if distance == 0:
        return ()
    split = _split_of(space, directions)
    levels = split(_unit(a), _unit(b))
    shares = split(difference / distance, difference / distance)
    return to_reasons(
        Contribution(item.aspect, -distance * item.share, level.first, level.second)
        for item, level in zip(shares, levels, strict=True)
    )


def _split_of(space: str, directions: "Directions | None") -> _Split:
    if space in _SPLITS:
        return _SPLITS[space]
    directions = bundled_directions().get(space) or directions
    return directions.contributions if directions else partial(_split_whole, _LEARNED)


def _unit(vector: FloatArray) -> _Vector:
    return np.asarray(vector / np.linalg.norm(vector.astype(np.float64)), np.float64)


def _split_whole(aspect: Aspect, a: _Vector, b: _Vector) -> list[Contribution]:
    return [Contribution(aspect, float(a @ b))]


def _split_sound(a: _Vector, b: _Vector) -> list[Contribution]:
    head = load_head()
    (network_a, features_a), (network_b, features_b) = (
        head.split(vector.astype(np.float32)) for vector in (a, b)
    )
    # The levels of measured features are more reliable than those of the network, so come first.
    measured = _by_aspect(
        sound_aspects(),
        head.feature_contributions(features_a, features_b),
        head.reconstruct_features(features_a),
        head.reconstruct_features(features_b),
    )
    return [*measured, *bundled_directions()["sound"].contributions(network_a, network_b)]


def _split_tags(a: _Vector, b: _Vector) -> list[Contribution]:
    return _by_aspect(tag_aspects(), a * b, a, b)


def _split_features(kind: Medium, a: _Vector, b: _Vector) -> list[Contribution]:
    first, second = (
        feature_z_scores(kind, vector.astype(np.float32)).astype(np.float64) for vector in (a, b)
    )
    return _by_aspect(_FEATURE_ASPECTS[kind](), a * b, first, second)


def _by_aspect(
    aspects: Sequence[AspectFeatures], products: _Vector, first: _Vector, second: _Vector
) -> list[Contribution]:
    return [
        Contribution(
            features.aspect,
            float(products[features.columns].sum()),
            float(features.level(first)),
            float(features.level(second)),
        )
        for features in aspects
    ]


_SPLITS: Final[dict[str, _Split]] = {
    "sound": _split_sound,
    "tags": _split_tags,
    "features": partial(_split_features, "sound"),
    "score-features": partial(_split_features, "score"),
    "style": partial(_split_features, "lyrics"),
    "listens": partial(_split_whole, _LISTENERS),
}


# ---- directions --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Directions:
    """Orthonormal directions of a space along which aspects grow.

    Attributes
    ----------
    names : tuple of str
        Names of the aspects; of several directions of one, the first is its level.
    rows : ndarray, shape (len(names), dimension)
        Orthonormal directions.
    """

    names: tuple[str, ...]
    rows: FloatArray

    def contributions(self, a: _Vector, b: _Vector) -> list[Contribution]:
        """Divide the product of two vectors, shape (dimension,), among aspects and a remainder."""
        first, second = self.rows @ a, self.rows @ b
        by_direction = [
            Contribution(aspect_named(name), level_a * level_b, level_a, level_b)
            for name, level_a, level_b in zip(
                self.names, first.tolist(), second.tolist(), strict=True
            )
        ]
        return [*by_direction, Contribution(UNNAMED, float(a @ b - first @ second))]


@dataclass(frozen=True, slots=True)
class AspectLevels:
    """Levels of aspects of tracks.

    Attributes
    ----------
    names : tuple of str
        Names of the aspects; one with several components occurs several times.
    values : ndarray, shape (tracks, len(names)), float64
        Levels.
    """

    names: tuple[str, ...]
    values: NDArray[np.float64]

    def concatenate(self, *others: "AspectLevels") -> "AspectLevels":
        """Append the columns of others."""
        items = (self, *others)
        return AspectLevels(
            tuple(name for item in items for name in item.names),
            np.hstack([item.values for item in items]),
        )


def fit_directions(vectors: FloatArray, levels: AspectLevels) -> Directions:
    """Fit the directions along which aspects grow.

    Parameters
    ----------
    vectors : ndarray, shape (tracks, dimension)
        Unit vectors.
    levels : AspectLevels
        Levels of the same tracks. Constant columns are left out, as are the last ones where there
        are fewer dimensions, or fewer than two tracks per column.
    """
    values = levels.values[:, : min(vectors.shape[1], len(vectors) // 2)]
    varies = values.std(axis=0) > 1e-6
    x = vectors.astype(np.float64) - vectors.mean(axis=0)
    y = (values[:, varies] - values[:, varies].mean(axis=0)) / values[:, varies].std(axis=0)
    gram = x @ x.T if len(x) < x.shape[1] else x.T @ x
    gram[np.diag_indices_from(gram)] += RIDGE * np.trace(gram)
    weights = (
        x.T @ np.linalg.solve(gram, y) if len(x) < x.shape[1] else np.linalg.solve(gram, x.T @ y)
    )
    weights /= np.maximum(np.linalg.norm(weights, axis=0), 1e-12)
    u, _, vt = np.linalg.svd(weights, full_matrices=False)
    names = tuple(name for name, does_vary in zip(levels.names, varies, strict=False) if does_vary)
    return Directions(names, np.asarray((u @ vt).T, np.float32))


def space_directions(store: Store, space: str) -> Directions | None:
    """Return the directions of a space: bundled, stored, or fitted from the library and stored.

    Returns
    -------
    Directions or None
        None if the library has too few tracks.
    """
    if space in bundled_directions():
        return bundled_directions()[space]
    if space in NAMED_SPACES:
        return None
    stored = store.spaces.derived(space, "directions")
    if stored is not None:
        return Directions(tuple(stored["names"].tolist()), stored["rows"])
    directions = fit_space_directions(store, space)
    if directions is not None:
        names = np.array(directions.names, np.str_)
        store.spaces.save_derived(space, "directions", {"names": names, "rows": directions.rows})
    return directions


def fit_space_directions(store: Store, space: str) -> Directions | None:
    """Fit the directions of a space from the tracks of a library; None if there are too few."""
    matrix = store.spaces.matrix(space)
    ids, levels = aspect_levels(store, matrix.space.kind, matrix.ids)
    if len(ids) < MIN_TRACKS:
        return None
    return fit_directions(np.asarray(matrix.unit[np.searchsorted(matrix.ids, ids)]), levels)


def aspect_levels(
    store: Store, kind: Medium, candidates: NDArray[np.int64]
) -> tuple[NDArray[np.int64], AspectLevels]:
    """Measure the levels of aspects of tracks.

    Parameters
    ----------
    store : Store
        Database of the library.
    kind : str
        Kind of music.
    candidates : ndarray of int64
        Track ids; a random sample of at most `MAX_TRACKS` with features is measured.

    Returns
    -------
    ids : ndarray, shape (n,), int64
        Track ids, ascending.
    levels : AspectLevels
        Levels of these tracks.
    """
    feature_ids, features = store.spaces.vectors(MEDIA[kind].feature_space)
    ids = np.intersect1d(feature_ids, candidates)
    if len(ids) > MAX_TRACKS:
        ids = np.sort(np.random.default_rng(0).choice(ids, MAX_TRACKS, replace=False))
    rows = np.searchsorted(feature_ids, ids)
    standardised = feature_z_scores(kind, features[rows]).astype(np.float64)
    levels = AspectLevels((), np.empty((len(ids), 0)))
    if kind == "sound":
        tag_ids, tags = store.spaces.vectors("tags")
        tag_values = tags[np.searchsorted(tag_ids, ids)].astype(np.float64)
        levels = levels.concatenate(*(_level(aspect, tag_values) for aspect in tag_aspects()))
    aspects = _FEATURE_ASPECTS[kind]()
    levels = levels.concatenate(
        *(_level(features, standardised) for features in aspects if features.aspect.high)
    )
    return ids, levels.concatenate(*(_components(features, standardised) for features in aspects))


def _level(features: AspectFeatures, values: NDArray[np.float64]) -> AspectLevels:
    return AspectLevels((features.aspect.name,), features.level(values)[:, None])


def _components(features: AspectFeatures, values: NDArray[np.float64]) -> AspectLevels:
    """Return principal components of an aspect's features."""
    centred = values[:, features.columns] - values[:, features.columns].mean(axis=0)
    count = min(_MAX_COMPONENTS, len(features.columns) // 2, max(len(centred) // 20, 1))
    if not count:
        return AspectLevels((), np.empty((len(centred), 0)))
    _, axes = np.linalg.eigh(centred.T @ centred)
    return AspectLevels((features.aspect.name,) * count, centred @ axes[:, ::-1][:, :count])


def aspect_named(name: str) -> Aspect:
    """Return the aspect of a name."""
    return _aspects_by_name()[name]


@cache
def _aspects_by_name() -> dict[str, Aspect]:
    features = (*tag_aspects(), *sound_aspects(), *score_aspects(), *lyrics_aspects())
    return {item.aspect.name: item.aspect for item in reversed(features)}


@cache
def bundled_directions() -> dict[str, Directions]:
    """Load the directions that are bundled with Segue, by space."""
    data = (files("segue.weights") / "directions.safetensors").read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return {
        space: Directions(tuple(json.loads(header["__metadata__"][space])), rows.astype(np.float32))
        for space, rows in load(data).items()
    }

"""Learn the space `sound` from recordings without labels: functions of arrays.

A linear discriminant in which every *track* is a class of its own. Its 3-s patches are the
samples, so what varies within a track is damped; copies of the track that went through codecs,
filters and gains are samples too, so what production changes is damped as well. What is left
to tell tracks apart is kept. The hand-made features get a map of their own in the same way,
the two halves of a track in the place of patches; the two results stand side by side.
(Fisher 1936; within-class covariance normalisation: Hatch, Kajarekar & Stolcke, Interspeech
2006.)

Then directions in the space are found along which named traits grow, by ridge regression,
and made orthonormal as close to themselves as can be (Löwdin 1950), so that a similarity
divides exactly among them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import scipy.linalg
import scipy.stats
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.model.sound.head import LIMIT, POOLED_SIZE, Head
from segue.records import FloatArray

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

_TINY: Final = 1e-6


@dataclass(frozen=True, slots=True)
class SoundSpaceConfig:
    """How the space is learned; chosen with the two-fold figures in view, see JOURNAL.md.

    Attributes
    ----------
    pooled_dimension, features_dimension : int
        Numbers of a vector from either source, at most.
    pooled_shrinkage, features_shrinkage : float
        Within 0…1: how far the scatter within tracks is drawn towards a sphere.
    pooled_production, features_production : float
        Weight of the scatter between a track and its degraded copies against the scatter
        within it.
    features_weight : float
        Length of the features' part of a vector against that of the activations.
    aspect_ridge : float
        Ridge penalty of the aspects' regression, as a share of the total variance.
    aspect_folds : int
        Of the cross-validation that judges an aspect.
    aspect_least : float
        An aspect that predicts less of its trait's variance on unseen albums is left out.
    aspects : int
        At most so many, the best predicted.
    """

    pooled_dimension: int = 160
    features_dimension: int = 96
    pooled_shrinkage: float = 0.5
    features_shrinkage: float = 0.3
    pooled_production: float = 0.5
    features_production: float = 0.3
    features_weight: float = 1.0
    aspect_ridge: float = 0.01
    aspect_folds: int = 5
    aspect_least: float = 0.2
    aspects: int = 30


@dataclass(frozen=True, slots=True)
class Patches:
    """Pooled activations of many tracks' patches.

    Attributes
    ----------
    pooled : ndarray, shape (patches, 1506), float32
    tracks : ndarray of int, shape (patches,)
        The track of each patch, rising from 0, none left out.
    """

    pooled: FloatArray
    tracks: Ints

    def __post_init__(self) -> None:
        """Check that the two fit together."""
        if self.pooled.shape != (len(self.tracks), POOLED_SIZE):
            raise BadArgument(
                f"pooled has shape {self.pooled.shape}, expected "
                f"({len(self.tracks)}, {POOLED_SIZE}) for that many patches"
            )
        steps = np.diff(self.tracks)
        if len(steps) and (self.tracks[0] != 0 or steps.min() < 0 or steps.max() > 1):
            raise BadArgument("tracks must rise from 0 by steps of 0 or 1, one entry per patch")

    @property
    def means(self) -> Array:
        """Mean over each track's patches, shape (tracks, 1506), float64."""
        counts = np.bincount(self.tracks)
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
        sums = np.add.reduceat(self.pooled.astype(np.float64), starts, axis=0)
        return np.asarray(sums / counts[:, None])

    def only(self, keep: NDArray[np.bool_]) -> "Patches":
        """Return the tracks where `keep`, shape (tracks,), is true, numbered anew."""
        patches = keep[self.tracks]
        tracks = np.unique(self.tracks[patches], return_inverse=True)[1]
        return Patches(self.pooled[patches], tracks)


@dataclass(frozen=True, slots=True)
class Described:
    """Hand-made features of many tracks, not standardised; each of shape (tracks, features).

    Attributes
    ----------
    whole : ndarray
        Of the whole track.
    halves : tuple of two ndarray
        Of its first and its second half.
    degraded : ndarray
        Of a copy that was produced otherwise.
    """

    whole: FloatArray
    halves: tuple[FloatArray, FloatArray]
    degraded: FloatArray

    def only(self, keep: NDArray[np.bool_]) -> "Described":
        """Return the tracks where `keep`, shape (tracks,), is true."""
        first, second = self.halves
        return Described(self.whole[keep], (first[keep], second[keep]), self.degraded[keep])


def fit_head(
    clean: Patches, degraded: Sequence[Patches], described: Described, config: SoundSpaceConfig
) -> Head:
    """Learn the space.

    Parameters
    ----------
    clean : Patches
        Of at least 3 tracks, some with several patches.
    degraded : sequence of Patches
        Copies of the same tracks in the same order, each produced otherwise.
    described : Described
        Of the same tracks in the same order.
    config : SoundSpaceConfig

    Returns
    -------
    Head
        Without aspects and groups of features.
    """
    pooled = _fit_pooled(clean, degraded, config)
    features = _fit_features(described, config)
    blend = np.array([1.0, config.features_weight])
    return Head(
        pooled_mean=pooled.mean.astype(np.float32),
        pooled_scale=pooled.scale.astype(np.float32),
        pooled_map=pooled.map.astype(np.float32),
        features_mean=features.mean.astype(np.float32),
        features_scale=features.scale.astype(np.float32),
        features_map=features.map.astype(np.float32),
        blend=(blend / np.linalg.norm(blend)).astype(np.float32),
        aspects=np.zeros((0, pooled.map.shape[1]), np.float32),
        aspect_names=(),
        feature_groups=(),
    )


class _Map(NamedTuple):
    mean: Array
    scale: Array
    map: Array


def _fit_pooled(clean: Patches, degraded: Sequence[Patches], config: SoundSpaceConfig) -> _Map:
    means = clean.means
    # Scales of single patches: what varies only from patch to patch is not blown up.
    mean, scale = means.mean(axis=0), clean.pooled.std(axis=0, dtype=np.float64) + _TINY
    standard = (means - mean) / scale
    copies = [standard, *((other.means - mean) / scale for other in degraded)]
    scatter = _scatter_within(clean, means, scale)
    for copy in copies[1:]:
        weight = config.pooled_production / len(degraded)
        scatter += weight * _mean_square(copy - standard)
    centroids = np.mean(copies, axis=0)
    centroids -= centroids.mean(axis=0)
    shrunk = _shrunk(scatter, config.pooled_shrinkage)
    return _Map(mean, scale, _discriminants(centroids, shrunk, config.pooled_dimension))


def _fit_features(described: Described, config: SoundSpaceConfig) -> _Map:
    mean = described.whole.mean(axis=0, dtype=np.float64)
    scale = described.whole.std(axis=0, dtype=np.float64) + _TINY
    whole, first, second, degraded = (
        np.clip((numbers - mean) / scale, -LIMIT, LIMIT)
        for numbers in (described.whole, *described.halves, described.degraded)
    )
    scatter = _mean_square(first - second) / 2
    scatter += config.features_production * _mean_square(degraded - whole)
    shrunk = _shrunk(scatter, config.features_shrinkage)
    centroids = whole - whole.mean(axis=0)
    return _Map(mean, scale, _discriminants(centroids, shrunk, config.features_dimension))


def _mean_square(differences: Array) -> Array:
    return np.asarray(differences.T @ differences / len(differences))


def _shrunk(scatter: Array, shrinkage: float) -> Array:
    sphere = np.eye(len(scatter)) * np.trace(scatter) / len(scatter)
    return np.asarray((1 - shrinkage) * scatter + shrinkage * sphere)


def fit_aspects(
    vectors: FloatArray,
    traits: Mapping[str, FloatArray],
    albums: Sequence[str],
    config: SoundSpaceConfig,
) -> "Aspects":
    """Find the directions in a space along which named traits grow.

    Parameters
    ----------
    vectors : ndarray, shape (tracks, dimension)
        Of unit length.
    traits : mapping of str to ndarray, shape (tracks,)
        Measured on the same tracks. Traits whose directions come closer than a cosine of
        0.8 count as one; the better predicted gives the name.
    albums : sequence of str, length tracks
        Whole albums are held out when an aspect is judged.
    config : SoundSpaceConfig

    Returns
    -------
    Aspects
    """
    x = vectors.astype(np.float64)
    y = np.column_stack([_standardised(np.asarray(trait)) for trait in traits.values()])
    judged = _held_out_r2(x, y, albums, config)
    directions = _ridge(x, y, config.aspect_ridge).T
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    chosen: list[int] = []
    for trait in np.argsort(-judged):
        if judged[trait] < config.aspect_least or len(chosen) == config.aspects:
            break
        if all(abs(directions[trait] @ directions[other]) < _SAME for other in chosen):
            chosen.append(int(trait))
    names = tuple(traits)
    return Aspects(
        tuple(names[trait] for trait in chosen),
        _orthonormal(directions[chosen]).astype(np.float32),
        tuple(float(judged[trait]) for trait in chosen),
    )


#: Traits whose directions come closer than this cosine are one.
_SAME: Final = 0.8


@dataclass(frozen=True, slots=True)
class Aspects:
    """Named orthonormal directions, the best predicted first.

    Attributes
    ----------
    names : tuple of str
    directions : ndarray, shape (len(names), dimension), float32
    held_out_r2 : tuple of float
        Share of the trait's variance that is predicted on albums not learned from.
    """

    names: tuple[str, ...]
    directions: FloatArray
    held_out_r2: tuple[float, ...]


def _scatter_within(patches: Patches, means: Array, scale: Array) -> Array:
    residuals = (patches.pooled - means[patches.tracks]) / scale
    freedom = len(residuals) - len(means)
    if freedom < 1:
        raise BadArgument("every track has a single patch: nothing varies within a track")
    return np.asarray(residuals.T @ residuals / freedom)


def _discriminants(centroids: Array, scatter: Array, dimension: int) -> Array:
    """Directions of most variance between centroids where `scatter` is made a sphere.

    The n centroids span at most n - 1 directions, so the eigenproblem of their n × n products
    ``M S^-1 M'`` is solved in place of the one in activations.
    """
    solved = scipy.linalg.cho_solve(scipy.linalg.cho_factor(scatter), centroids.T)
    values, vectors = scipy.linalg.eigh(centroids @ solved)
    order = np.argsort(values)[::-1][:dimension]
    order = order[values[order] > _TINY * values[order[0]]]
    projection = solved @ (vectors[:, order] / np.sqrt(values[order]))
    # An eigenvector's sign is arbitrary: its largest number shall be positive.
    largest = projection[np.abs(projection).argmax(axis=0), np.arange(projection.shape[1])]
    return np.asarray(projection * np.sign(largest))


def _held_out_r2(x: Array, y: Array, albums: Sequence[str], config: SoundSpaceConfig) -> Array:
    codes = np.unique(list(albums), return_inverse=True)[1]
    fold = codes % config.aspect_folds
    predicted = np.zeros_like(y)
    for held in range(config.aspect_folds):
        out = fold == held
        if not out.any():
            continue
        centre_x, centre_y = x[~out].mean(axis=0), y[~out].mean(axis=0)
        weights = _ridge(x[~out], y[~out], config.aspect_ridge)
        predicted[out] = (x[out] - centre_x) @ weights + centre_y
    return np.asarray(1 - ((y - predicted) ** 2).mean(axis=0) / y.var(axis=0))


def _ridge(x: Array, y: Array, penalty: float) -> Array:
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    gram = x.T @ x
    # In units of the mean variance of a dimension, so that it means the same in any space.
    gram[np.diag_indices_from(gram)] += penalty * np.trace(gram)
    return np.asarray(scipy.linalg.solve(gram, x.T @ y, assume_a="pos"))


def _standardised(trait: FloatArray) -> Array:
    """Turn values into normal scores of their ranks: no odd value decides."""
    ranks = scipy.stats.rankdata(trait)
    return np.asarray(scipy.stats.norm.ppf((ranks - 0.5) / len(ranks)))


def _orthonormal(directions: Array) -> Array:
    """Symmetric (Löwdin) orthonormalisation: the nearest orthonormal set."""
    u, _, vt = np.linalg.svd(directions, full_matrices=False)
    return np.asarray(u @ vt)

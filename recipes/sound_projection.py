"""Training of the projection of the space `sound`, from recordings without labels.

A linear discriminant in which every *track* is a class of its own. Its 3-s patches are the
samples, so what varies within a track is damped; copies of the track that went through codecs,
filters and gains are samples too, so what production changes is damped as well. What
distinguishes tracks is preserved. The hand-made features get a map of their own in the same way,
the two halves of a track in the place of patches; the two results stand side by side.
(Fisher 1936; within-class covariance normalisation: Hatch, Kajarekar & Stolcke, Interspeech
2006.)
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final, NamedTuple

import numpy as np
import scipy.linalg
import scipy.stats
from numpy.typing import NDArray
from safetensors.numpy import save

from segue.audio.embedding import HEAD_FORMAT, POOLED_SIZE, Head
from segue.builtin_spaces import MAX_Z_SCORE
from segue.errors import BadArgument
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
    """

    pooled_dimension: int = 160
    features_dimension: int = 96
    pooled_shrinkage: float = 0.5
    features_shrinkage: float = 0.3
    pooled_production: float = 0.5
    features_production: float = 0.3
    features_weight: float = 1.0


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
        """Return the tracks where `keep`, shape (tracks,), is true, with new indices."""
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
    """Fit the space.

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
    )


def head_to_bytes(head: Head) -> bytes:
    """Serialise a head as safetensors."""
    tensors = {
        field.name: np.ascontiguousarray(getattr(head, field.name), np.float32)
        for field in fields(head)
    }
    return save(tensors, metadata={"format": str(HEAD_FORMAT)})


class _Map(NamedTuple):
    mean: Array
    scale: Array
    map: Array


def _fit_pooled(clean: Patches, degraded: Sequence[Patches], config: SoundSpaceConfig) -> _Map:
    means = clean.means
    # Scales of single patches: what varies only from patch to patch is not blown up.
    mean, scale = means.mean(axis=0), clean.pooled.std(axis=0, dtype=np.float64) + _TINY
    standard = (means - mean) / scale
    copies = [standard, *((copy.means - mean) / scale for copy in degraded)]
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
        np.clip((numbers - mean) / scale, -MAX_Z_SCORE, MAX_Z_SCORE)
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

"""Embeddings of recordings in the built-in spaces of sound.

The space `sound` combines two linear projections, of MusiCNN's pooled activations and of the
hand-made features. They were fitted by `recipes/sound.py`; here they are applied with
NumPy alone, so that a search does not load torch.
"""

import json
from dataclasses import dataclass, fields
from functools import cache, cached_property
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load

from segue.builtin_spaces import WEIGHTS, clipped_z_scores, standardise_tags
from segue.errors import BadArgument
from segue.records import FloatArray

if TYPE_CHECKING:
    from segue.audio.musicnn import Musicnn


FloatArray64 = NDArray[np.float64]

POOLED_SIZE: Final = 1506

#: Activations with a smaller standard deviation are constant except for rounding; the smallest of
#: the others is eight times as large.
MIN_SCALE: Final = 1e-4

HEAD_FORMAT: Final = 2
_TINY: Final = 1e-12


@dataclass(frozen=True)
class Head:
    """The projection of the space `sound`.

    An embedding is the concatenation of two parts: the normalised projections of activations and of
    features, weighted by `blend`.

    Attributes
    ----------
    pooled_mean, pooled_scale : ndarray, shape (1506,), float32
        Mean and standard deviation of the pooled activations in the training set.
    pooled_map : ndarray, shape (1506, m), float32
        Projection of standardised activations.
    features_mean, features_scale : ndarray, shape (f,), float32
        Mean and standard deviation of the features in the training set.
    features_map : ndarray, shape (f, n), float32
        Projection of standardised features.
    blend : ndarray, shape (2,), float32
        Norms of the two parts; their squares sum to 1.
    """

    pooled_mean: FloatArray
    pooled_scale: FloatArray
    pooled_map: FloatArray
    features_mean: FloatArray
    features_scale: FloatArray
    features_map: FloatArray
    blend: FloatArray

    @property
    def dimension(self) -> int:
        """Dimension of the space."""
        return int(self.pooled_map.shape[1] + self.features_map.shape[1])

    def project(self, pooled: FloatArray, features: FloatArray) -> FloatArray:
        """Embed a recording.

        Parameters
        ----------
        pooled : ndarray, shape (patches, 1506), float32
            MusiCNN's pooled activations of at least one patch of 3 s.
        features : ndarray, shape (f,), float32
            `segue.audio.features.describe(...).vector`, not standardised.

        Returns
        -------
        ndarray, shape (dimension,), float32
            Unit vector.

        Raises
        ------
        BadArgument
            The shapes are wrong, or a value is not finite.
        """
        if pooled.ndim != 2 or pooled.shape[1] != POOLED_SIZE or len(pooled) == 0:
            raise BadArgument(
                f"expected pooled activations of shape (patches, {POOLED_SIZE}), got {pooled.shape}"
            )
        if features.shape != self.features_mean.shape:
            raise BadArgument(
                f"expected {len(self.features_mean)} features, got shape {features.shape}"
            )
        if not (np.isfinite(pooled).all() and np.isfinite(features).all()):
            raise BadArgument("the activations or features hold values that are not finite")
        activations = self.standardise_pooled(pooled.mean(axis=0, dtype=np.float64))
        constants = {"mean": self.features_mean, "scale": self.features_scale}
        standard = clipped_z_scores(features, constants)
        return np.concatenate(
            [
                self.blend[0] * _normalise(activations.astype(np.float64) @ self.pooled_map),
                self.blend[1] * _normalise(standard.astype(np.float64) @ self.features_map),
            ]
        ).astype(np.float32)

    def project_patches(self, pooled: FloatArray) -> FloatArray:
        """Project the pooled activations of single patches to unit vectors, without features.

        Parameters
        ----------
        pooled : ndarray, shape (patches, 1506), float32

        Returns
        -------
        ndarray, shape (patches, m), float32
        """
        projected = self.standardise_pooled(pooled) @ self.pooled_map
        lengths = np.linalg.norm(projected, axis=1, keepdims=True)
        return np.asarray(projected / np.maximum(lengths, _TINY), np.float32)

    def standardise_pooled(self, pooled: FloatArray) -> FloatArray:
        """Standardise pooled activations, into the embedding space `musicnn`.

        Parameters
        ----------
        pooled : ndarray, shape (..., 1506)
            Mean over the patches of a track.

        Returns
        -------
        ndarray, same shape, float32
        """
        if pooled.shape[-1:] != (POOLED_SIZE,):
            raise BadArgument(
                f"expected {POOLED_SIZE} pooled activations along the last axis, "
                f"got shape {pooled.shape}"
            )
        # Two thirds of the activations are of filters that training has switched off: they vary
        # only by rounding, which differs between processors.
        active = self.pooled_scale > MIN_SCALE
        standard = (pooled - self.pooled_mean) / np.where(active, self.pooled_scale, 1.0)
        return np.where(active, standard, 0.0).astype(np.float32)

    def split(self, vector: FloatArray) -> tuple[FloatArray64, FloatArray64]:
        """Split an embedding into the parts of activations and of features.

        Parameters
        ----------
        vector : ndarray, shape (dimension,)
            An embedding or an interpolation of several; it is normalised first.

        Returns
        -------
        activations_part, features_part : ndarray, shapes (m,) and (n,), float64

        Raises
        ------
        BadArgument
            The vector has another dimension, or its norm is 0.
        """
        if vector.shape != (self.dimension,):
            raise BadArgument(
                f"expected a vector of {self.dimension} numbers, got shape {vector.shape}"
            )
        if not vector.any():
            raise BadArgument("a vector of length 0 has no direction and is like nothing")
        unit = _normalise(vector.astype(np.float64))
        activations_part, features_part = np.split(unit, [self.pooled_map.shape[1]])
        return activations_part, features_part

    def reconstruct_features(self, part: FloatArray64) -> FloatArray64:
        """Reconstruct standardised features, up to a scale, from the second part of `split`.

        Parameters
        ----------
        part : ndarray, shape (n,)

        Returns
        -------
        ndarray, shape (f,), float64
            The least-squares solution of minimum norm.
        """
        return np.asarray(part @ self._features_inverse)

    def feature_contributions(self, a: FloatArray64, b: FloatArray64) -> FloatArray64:
        """Decompose the dot product of two second parts of `split` into contributions of features.

        Each part is a linear map of the features, so that its dot product with another vector is a
        sum over the features. Both ways to write it are averaged.

        Parameters
        ----------
        a, b : ndarray, shape (n,)

        Returns
        -------
        ndarray, shape (f,), float64
            The sum is the dot product.
        """
        features_a, features_b = self.reconstruct_features(a), self.reconstruct_features(b)
        return np.asarray(
            (features_a * (self.features_map @ b) + features_b * (self.features_map @ a)) / 2
        )

    @cached_property  # slower than a query, and needed for thousands of results
    def _features_inverse(self) -> FloatArray64:
        """Pseudo-inverse of the projection of features."""
        return np.asarray(np.linalg.pinv(self.features_map.astype(np.float64)))


def _normalise(vector: FloatArray64) -> FloatArray64:
    return vector / max(float(np.linalg.norm(vector)), _TINY)


@cache
def load_head() -> Head:
    """Load the bundled head."""
    return head_from_bytes((files("segue.weights") / "sound.safetensors").read_bytes())


def head_from_bytes(data: bytes) -> Head:
    """Read a head from the bytes of its safetensors file.

    Raises
    ------
    BadArgument
        The file has another format, or its tensors do not fit together.
    """
    tensors = load(data)
    # A safetensors file starts with the length of its header in eight bytes, and JSON.
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    metadata = header.get("__metadata__", {})
    if metadata.get("format") != str(HEAD_FORMAT):
        raise BadArgument(
            f"the head of the space `sound` has format {metadata.get('format')!r}, this Segue "
            f"reads {HEAD_FORMAT}; install the weights of this version"
        )
    head = Head(**{field.name: tensors[field.name] for field in fields(Head)})
    expected = {
        "pooled_mean": (POOLED_SIZE,),
        "pooled_scale": (POOLED_SIZE,),
        "pooled_map": (POOLED_SIZE, head.pooled_map.shape[1]),
        "features_mean": (len(head.features_map),),
        "features_scale": (len(head.features_map),),
        "blend": (2,),
    }
    for name, shape in expected.items():
        if tensors[name].shape != shape:
            raise BadArgument(f"{name} has shape {tensors[name].shape}, expected {shape}")
    return head


PATCH_BATCH_SIZE: Final = 4  # fits into the processor's cache; see bench/musicnn_variants.py


class SoundModel:
    """The models that embed recordings in all built-in spaces."""

    def __init__(self, threads: int = 1) -> None:
        import torch  # slow to import

        from segue.audio.musicnn import load_musicnn

        torch.set_num_threads(threads)
        self._head: Head = load_head()
        self._network: Musicnn = load_musicnn(WEIGHTS / "musicnn.safetensors")

    def embed(self, patches: FloatArray, raw_features: FloatArray) -> dict[str, FloatArray]:
        """Embed a recording in every built-in space of sound.

        Parameters
        ----------
        patches : ndarray, shape (patches, 187, 96), float32
            From `segue.audio.spectrogram.musicnn_patches`.
        raw_features : ndarray, shape (len(SOUND_FEATURE_NAMES),), float32
            From `segue.audio.features.describe`.

        Returns
        -------
        dict of str to ndarray
            Embedding by name of the space.
        """
        return self.vectors(*self.activations(patches), raw_features)

    def vectors(
        self, pooled: FloatArray, logits: FloatArray, raw_features: FloatArray
    ) -> dict[str, FloatArray]:
        """Compute a recording's vectors from its `activations`; see `embed`."""
        from segue.audio.features import standardise  # imports SciPy

        return {
            "sound": self._head.project(pooled, raw_features),
            "musicnn": self._head.standardise_pooled(pooled.mean(axis=0)),
            "features": standardise(raw_features),
            "tags": standardise_tags(logits.mean(axis=0)),
        }

    def embed_excerpts(self, patches: FloatArray) -> FloatArray:
        """Embed patches of shape (patches, 187, 96) one by one; see `Head.project_patches`."""
        return self._head.project_patches(self.activations(patches)[0])

    def activations(self, patches: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Run MusiCNN.

        Parameters
        ----------
        patches : ndarray, shape (patches, 187, 96), float32

        Returns
        -------
        pooled : ndarray, shape (patches, 1506), float32
        logits : ndarray, shape (patches, 50), float32
        """
        import torch

        batches = [
            self._network(torch.from_numpy(patches[start : start + PATCH_BATCH_SIZE]))
            for start in range(0, len(patches), PATCH_BATCH_SIZE)
        ]
        pooled = np.concatenate([batch.pooled.numpy() for batch in batches])
        return pooled, np.concatenate([batch.logits.numpy() for batch in batches])

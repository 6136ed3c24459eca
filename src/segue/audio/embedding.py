"""From a recording to its embedding in every space of sound.

The space `sound`: a fixed map from MusiCNN and hand-made features.

The map is learned in `segue.audio.head_training`; here it is only applied, with numpy alone, so
that a search needs no network library.

From a decoded recording to its vector in every space of sound.
"""

import json
from dataclasses import dataclass, fields
from functools import cache, cached_property
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from segue.builtin_spaces import WEIGHTS, standardise_tags
from segue.errors import BadArgument
from segue.records import FloatArray

if TYPE_CHECKING:
    from segue.audio.musicnn import Musicnn


# --- head ---

FloatArray64 = NDArray[np.float64]

POOLED_SIZE: Final = 1506

#: Standardised features are cut off here: one odd number must not decide.
LIMIT: Final = 4.0

#: Activations that vary less than this are constant but for rounding; the least that means
#: something varies eight times as much.
MIN_SCALE: Final = 1e-4

_FORMAT: Final = 2
_TINY: Final = 1e-12


@dataclass(frozen=True)
class Head:
    """A learned space: two maps whose results, each of length 1, stand side by side.

    Attributes
    ----------
    pooled_mean, pooled_scale : ndarray, shape (1506,), float32
        Of the pooled activations of a track, over the music that the map was learned on.
    pooled_map : ndarray, shape (1506, m), float32
        From standardised activations.
    features_mean, features_scale : ndarray, shape (f,), float32
        Of the hand-made features, over the same music.
    features_map : ndarray, shape (f, n), float32
        From standardised features.
    blend : ndarray, shape (2,), float32
        Lengths of the two parts; their squares sum to 1.
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
        """How many numbers a vector has."""
        return int(self.pooled_map.shape[1] + self.features_map.shape[1])

    def project(self, pooled: FloatArray, features: FloatArray) -> FloatArray:
        """Place a recording in the space.

        Parameters
        ----------
        pooled : ndarray, shape (patches, 1506), float32
            MusiCNN's pooled activations of the recording's 3-s patches, at least one.
        features : ndarray, shape (f,), float32
            The recording's `segue.audio.features.describe(...).vector`, not standardised.

        Returns
        -------
        ndarray, shape (dimension,), float32
            Of length 1; the cosine of two is their product.

        Raises
        ------
        BadArgument
            Where the shape is another, or a value is not finite.
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
        heard = self.standardise_pooled(pooled.mean(axis=0, dtype=np.float64))
        described = np.clip((features - self.features_mean) / self.features_scale, -LIMIT, LIMIT)
        return np.concatenate(
            [
                self.blend[0] * _unit(heard.astype(np.float64) @ self.pooled_map),
                self.blend[1] * _unit(described.astype(np.float64) @ self.features_map),
            ]
        ).astype(np.float32)

    def standardise_pooled(self, pooled: FloatArray) -> FloatArray:
        """Standardise pooled activations by the fixed constants of the space `musicnn`.

        Parameters
        ----------
        pooled : ndarray, shape (..., 1506)
            Mean over a track's patches.

        Returns
        -------
        ndarray, same shape, float32
            Mean 0 and scale 1 over the music that the map was learned on.
        """
        if pooled.shape[-1:] != (POOLED_SIZE,):
            raise BadArgument(
                f"expected {POOLED_SIZE} pooled activations along the last axis, "
                f"got shape {pooled.shape}"
            )
        # Two thirds of the numbers come from filters that training switched off. What stirs in
        # them is rounding, which differs between processors.
        living = self.pooled_scale > MIN_SCALE
        standard = (pooled - self.pooled_mean) / np.where(living, self.pooled_scale, 1.0)
        return np.where(living, standard, 0.0).astype(np.float32)

    def split(self, vector: FloatArray) -> tuple[FloatArray64, FloatArray64]:
        """Take a vector apart into what came from activations and what came from features.

        Parameters
        ----------
        vector : ndarray, shape (dimension,)
            From `project`, or a blend of such; of any length but 0.

        Returns
        -------
        two ndarrays, shapes (m,) and (n,), float64
            Of the vector scaled to length 1.

        Raises
        ------
        BadArgument
            Where a vector has another dimension or no direction.
        """
        heard, described = np.split(self._direction(vector), [self.pooled_map.shape[1]])
        return heard, described

    def features_of(self, described: FloatArray64) -> FloatArray64:
        """Have the standardised features back that a part came from, as far as it tells.

        Parameters
        ----------
        described : ndarray, shape (n,)
            The second part that `split` returns.

        Returns
        -------
        ndarray, shape (f,), float64
            By the pseudo-inverse of the map; up to a scale.
        """
        return np.asarray(described @ self._features_back)

    def feature_shares(self, a: FloatArray64, b: FloatArray64) -> FloatArray64:
        """Divide the product of two parts made from features among the single features.

        The part is a linear map of the features, z = x M, so that each of them has its own
        additive summand of it.

        Parameters
        ----------
        a, b : ndarray, shape (n,)
            The second parts that `split` returns.

        Returns
        -------
        ndarray, shape (f,), float64
            They sum to the product.
        """
        one, other = self.features_of(a), self.features_of(b)
        return np.asarray((one * (self.features_map @ b) + other * (self.features_map @ a)) / 2)

    @cached_property  # it takes longer than an answer, and a list asks for thousands
    def _features_back(self) -> FloatArray64:
        """The pseudo-inverse of the map of features."""
        return np.asarray(np.linalg.pinv(self.features_map.astype(np.float64)))

    def _direction(self, vector: FloatArray) -> FloatArray64:
        if vector.shape != (self.dimension,):
            raise BadArgument(
                f"expected a vector of {self.dimension} numbers, got shape {vector.shape}"
            )
        if not vector.any():
            raise BadArgument("a vector of length 0 has no direction and is like nothing")
        return _unit(vector.astype(np.float64))


def _unit(vector: FloatArray64) -> FloatArray64:
    return vector / max(float(np.linalg.norm(vector)), _TINY)


@cache
def load_head() -> Head:
    """Load the head that is shipped with Segue."""
    return head_from_bytes((files("segue.weights") / "sound.safetensors").read_bytes())


def head_to_bytes(head: Head) -> bytes:
    """Serialise a head as safetensors."""
    tensors = {
        field.name: np.ascontiguousarray(getattr(head, field.name), np.float32)
        for field in fields(head)
    }
    return save(tensors, metadata={"format": str(_FORMAT)})


def head_from_bytes(data: bytes) -> Head:
    """Read what `head_to_bytes` wrote.

    Raises
    ------
    BadArgument
        Where the tensors are of another format or do not fit together.
    """
    tensors = load(data)
    # The header: eight bytes of its length, then JSON.
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    metadata = header.get("__metadata__", {})
    if metadata.get("format") != str(_FORMAT):
        raise BadArgument(
            f"the head of the space `sound` has format {metadata.get('format')!r}, this Segue "
            f"reads {_FORMAT}; install the weights that belong to it"
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


# --- embed ---

PATCH_BATCH_SIZE: Final = 4  # their products stay in the cache; bench/musicnn_forms.py


class SoundModel:
    """MusiCNN and what is built on it, loaded."""

    def __init__(self, threads: int = 1) -> None:
        import torch  # seconds; only those who embed pay them

        from segue.audio.musicnn import load_musicnn

        torch.set_num_threads(threads)
        self._head: Head = load_head()
        self._network: Musicnn = load_musicnn(WEIGHTS / "musicnn.safetensors")

    def embed(self, patches: FloatArray, raw_features: FloatArray) -> dict[str, FloatArray]:
        """Compute a recording's vectors.

        Parameters
        ----------
        patches : ndarray, shape (patches, 187, 96), float32
            See `segue.audio.spectrogram.musicnn_patches`.
        raw_features : ndarray, shape (len(SOUND_FEATURE_NAMES),), float32
            See `segue.audio.features.describe`.

        Returns
        -------
        dict of str to ndarray
            One vector per name in `segue.builtin_spaces.builtin_spaces`.
        """
        from segue.audio.features import standardise  # brings in SciPy

        pooled, logits = self.activations(patches)
        standard = standardise(raw_features)
        return {
            "sound": self._head.project(pooled, raw_features),
            "musicnn": self._head.standardise_pooled(pooled.mean(axis=0)),
            "features": standard,
            "tags": standardise_tags(logits.mean(axis=0)),
        }

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

        parts = [
            self._network(torch.from_numpy(patches[start : start + PATCH_BATCH_SIZE]))
            for start in range(0, len(patches), PATCH_BATCH_SIZE)
        ]
        pooled = np.concatenate([part.pooled.numpy() for part in parts])
        return pooled, np.concatenate([part.logits.numpy() for part in parts])

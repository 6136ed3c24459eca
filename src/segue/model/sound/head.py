"""The space `sound`: a fixed map from MusiCNN and hand-made features, and what its parts mean.

The map is learned in `segue.train.sound_space`; here it is only applied, with numpy alone, so
that a search needs no network library.
"""

import json
from dataclasses import dataclass, fields
from functools import cache, cached_property
from importlib.resources import files
from typing import Final

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from segue.errors import BadArgument
from segue.records import FloatArray

FloatArray64 = NDArray[np.float64]

POOLED_SIZE: Final = 1506

#: Standardised features are cut off here: one odd number must not decide.
LIMIT: Final = 4.0

#: Activations that vary less than this are constant but for rounding; the least that means
#: something varies eight times as much.
LEAST_SCALE: Final = 1e-4

#: Name of the share that no aspect accounts for.
REMAINDER: Final = "other qualities"

_FORMAT: Final = 2
_TINY: Final = 1e-12
_NAMES: Final = "aspect_names"
_GROUPS: Final = "feature_groups"


@dataclass(frozen=True, slots=True)
class FeatureGroup:
    """Neighbouring features under a name that people know: those from `start` to `end`."""

    name: str
    start: int
    end: int


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
    aspects : ndarray, shape (len(aspect_names), m), float32
        Orthonormal directions in the part that is made from activations.
    aspect_names : tuple of str
        What grows in each direction.
    feature_groups : tuple of FeatureGroup
        How the features are grouped for telling reasons; together they are all features.
    """

    pooled_mean: FloatArray
    pooled_scale: FloatArray
    pooled_map: FloatArray
    features_mean: FloatArray
    features_scale: FloatArray
    features_map: FloatArray
    blend: FloatArray
    aspects: FloatArray
    aspect_names: tuple[str, ...]
    feature_groups: tuple[FeatureGroup, ...]

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
            The recording's `segue.represent.features.describe(...).vector`, not standardised.

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
        living = self.pooled_scale > LEAST_SCALE
        standard = (pooled - self.pooled_mean) / np.where(living, self.pooled_scale, 1.0)
        return np.where(living, standard, 0.0).astype(np.float32)

    def shares(self, a: FloatArray, b: FloatArray) -> dict[str, float]:
        """Divide the similarity of two recordings among named aspects of their sound.

        The part made from features is a linear map of them, z = x M, so that x can be had back
        (by the pseudo-inverse) and each group of features has its own additive part of z. In
        the part made from activations the aspects are orthonormal directions u_k, with the
        shares ``(u_k · a)(u_k · b)``; what lies outside all of them is the `REMAINDER`.

        Parameters
        ----------
        a, b : ndarray, shape (dimension,)
            From `project`, or blends of such; of any length but 0.

        Returns
        -------
        dict of str to float
            They sum to the cosine of `a` and `b`. A share below 0 speaks against likeness: the
            two differ in that aspect.

        Raises
        ------
        BadArgument
            Where a vector has another dimension or no direction.
        """
        unit_a, unit_b = self._direction(a), self._direction(b)
        heard_a, described_a = np.split(unit_a, [self.pooled_map.shape[1]])
        heard_b, described_b = np.split(unit_b, [self.pooled_map.shape[1]])
        products = (self.aspects @ heard_a) * (self.aspects @ heard_b)
        shares = dict(zip(self.aspect_names, products.tolist(), strict=True))
        parts_a, parts_b = self._by_group(described_a), self._by_group(described_b)
        for group, part_a, part_b in zip(self.feature_groups, parts_a, parts_b, strict=True):
            shares[group.name] = float(part_a @ described_b + described_a @ part_b) / 2
        shares[REMAINDER] = float(heard_a @ heard_b - products.sum())
        return shares

    def _by_group(self, described: FloatArray64) -> list[FloatArray64]:
        """Divide the part made from features into one summand per group."""
        features = described @ self._features_back
        return [
            features[group.start : group.end] @ self.features_map[group.start : group.end]
            for group in self.feature_groups
        ]

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
    """Serialise a head as safetensors, the aspects' names in its metadata."""
    tensors = {
        field.name: np.ascontiguousarray(getattr(head, field.name), np.float32)
        for field in fields(head)
        if field.name not in (_NAMES, _GROUPS)
    }
    groups = [[group.name, group.start, group.end] for group in head.feature_groups]
    names = {_NAMES: json.dumps(head.aspect_names), _GROUPS: json.dumps(groups)}
    return save(tensors, metadata={"format": str(_FORMAT), **names})


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
    head = Head(
        **tensors,
        aspect_names=tuple(json.loads(metadata[_NAMES])),
        feature_groups=tuple(FeatureGroup(*group) for group in json.loads(metadata[_GROUPS])),
    )
    expected = {
        "pooled_mean": (POOLED_SIZE,),
        "pooled_scale": (POOLED_SIZE,),
        "pooled_map": (POOLED_SIZE, head.pooled_map.shape[1]),
        "features_mean": (len(head.features_map),),
        "features_scale": (len(head.features_map),),
        "blend": (2,),
        "aspects": (len(head.aspect_names), head.pooled_map.shape[1]),
    }
    for name, shape in expected.items():
        if tensors[name].shape != shape:
            raise BadArgument(f"{name} has shape {tensors[name].shape}, expected {shape}")
    return head

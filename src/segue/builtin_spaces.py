"""The built-in embedding spaces, by medium, and the calibration of MusiCNN's tags.

Everything here is read from the bundled weights without importing torch, so that a library opens
quickly.
"""

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

import numpy as np
from safetensors.numpy import load_file

from segue.feature_names import FEATURE_GROUPS
from segue.media import MEDIA
from segue.records import FloatArray, Medium, Space

WEIGHTS: Final = Path(str(files("segue") / "weights"))

#: Changes when, and only when, a golden vector moves by more than 1e-3.
REPRESENTATION_VERSION: Final = 1
#: Features are clipped to this number of standard deviations, so that no outlier dominates.
MAX_Z_SCORE: Final = 4.0

#: Dimension of the space `musicnn`: maximum and mean over time of 753 activations.
MUSICNN_SIZE: Final = 1506
#: Dimension of the space `roll-vae`.
ROLL_VAE_SIZE: Final = 224
ROLL_VAE_WEIGHTS: Final = WEIGHTS / "roll-vae.safetensors"
#: Language model whose pooled states are the space `lyrics`, and their mean and scale over songs.
LYRICS_ENCODER: Final = WEIGHTS / "lyrics-encoder.safetensors"
LYRICS_SPACE: Final = WEIGHTS / "lyrics-space.safetensors"

#: MusiCNN's tags in the order of its output.
MUSICNN_TAGS: Final[tuple[str, ...]] = (
    "rock", "pop", "alternative", "indie", "electronic", "female vocalists", "dance", "00s",
    "alternative rock", "jazz", "beautiful", "metal", "chillout", "male vocalists",
    "classic rock", "soul", "indie rock", "mellow", "electronica", "80s", "folk", "90s", "chill",
    "instrumental", "punk", "oldies", "blues", "hard rock", "ambient", "acoustic",
    "experimental", "female vocalist", "guitar", "hip-hop", "70s", "party", "country",
    "easy listening", "sexy", "catchy", "funk", "electro", "heavy metal", "progressive rock",
    "60s", "rnb", "indie pop", "sad", "house", "happy",
)  # fmt: skip


@cache
def builtin_spaces(medium: Medium | None = None) -> dict[str, Space]:
    """Return the spaces that every track of a medium is embedded in, or all, by name."""
    spaces: tuple[tuple[str, Medium, int, tuple[str, ...]], ...] = (
        # The MusiCNN weights also hold the scale of the space `musicnn`.
        ("sound", "sound", _sound_size(), ("musicnn", "sound")),
        ("musicnn", "sound", MUSICNN_SIZE, ("musicnn", "sound")),
        ("features", "sound", _mean_size("features"), ("features",)),
        ("tags", "sound", len(MUSICNN_TAGS), ("musicnn", "tags")),
        ("score-features", "score", _mean_size("score-features"), ("score-features",)),
        ("roll-vae", "score", ROLL_VAE_SIZE, ("roll-vae",)),
        ("style", "lyrics", _mean_size("style"), ("style",)),
        ("lyrics", "lyrics", _mean_size("lyrics-space"), ("lyrics-space",)),
    )
    return {
        name: Space(name, of, size, "cosine", _fingerprint(weights), REPRESENTATION_VERSION)
        for name, of, size, weights in spaces
        if medium in (None, of)
    }


@cache
def load_constants(name: str) -> dict[str, FloatArray]:
    """Load bundled constants by the stem of their file, such as mean and scale of "features"."""
    return load_file(WEIGHTS / f"{name}.safetensors")


def clipped_z_scores(features: FloatArray, constants: Mapping[str, FloatArray]) -> FloatArray:
    """Compute z-scores by the bundled mean and scale, clipped to ± `MAX_Z_SCORE`."""
    standard = (features - constants["mean"]) / constants["scale"]
    return np.asarray(np.clip(standard, -MAX_Z_SCORE, MAX_Z_SCORE))


def feature_z_scores(medium: Medium, vectors: FloatArray) -> FloatArray:
    """Recover the z-scores of the named features of tracks.

    Parameters
    ----------
    medium : {"sound", "score", "lyrics"}
        Medium of the tracks.
    vectors : ndarray, shape (..., n_features), float32
        Embeddings in the medium's space of features.

    Returns
    -------
    ndarray, same shape, float32
        Z-scores, -4 to 4, without the whitening and the weights of the groups.
    """
    constants = load_constants(MEDIA[medium].feature_space)
    scores = vectors / constants["weight"] if "weight" in constants else vectors.copy()
    whitening = {"mix": slice(None), **FEATURE_GROUPS[medium]}
    for name in whitening.keys() & constants.keys():
        group = scores[..., whitening[name]]
        scores[..., whitening[name]] = np.linalg.solve(constants[name].T, group.T).T
    return np.asarray(scores, np.float32)


def feature_directions(medium: Medium, weights: FloatArray) -> FloatArray:
    """Return the directions in a space of features along which weighted sums of z-scores grow.

    Parameters
    ----------
    medium : {"sound", "score", "lyrics"}
        Medium of the tracks.
    weights : ndarray, shape (n, n_features)
        Weights of the z-scores.

    Returns
    -------
    ndarray, shape (n, n_features), float32
        Directions: their products with an embedding are the sums for `feature_z_scores`.
    """
    unmixed = feature_z_scores(medium, np.eye(weights.shape[1], dtype=np.float32))
    return np.asarray(weights @ unmixed.T, np.float32)


def standardise_tags(logits: FloatArray) -> FloatArray:
    """Standardise MusiCNN's logits to a vector of the space `tags`, shape (50,).

    0 is the mean over the tracks of the calibration set, 1 one standard deviation above it.
    """
    constants = load_constants("tags")
    return np.asarray((logits - constants["mean"]) / constants["scale"], dtype=np.float32)


def tag_probabilities(vector: FloatArray) -> dict[str, float]:
    """Return the probability of each tag for a vector of the space `tags`."""
    constants = load_constants("tags")
    logits = vector * constants["scale"] + constants["mean"]
    return dict(zip(MUSICNN_TAGS, (1 / (1 + np.exp(-logits))).tolist(), strict=True))


def _fingerprint(names: tuple[str, ...]) -> str:
    """Return a short hash of bundled weights files, given by their stems."""
    digest = hashlib.sha256()
    for name in names:
        digest.update((WEIGHTS / f"{name}.safetensors").read_bytes())
    return digest.hexdigest()[:12]


def _sound_size() -> int:
    head = load_file(WEIGHTS / "sound.safetensors")
    return int(head["pooled_map"].shape[1] + head["features_map"].shape[1])


def _mean_size(name: str) -> int:
    return int(load_file(WEIGHTS / f"{name}.safetensors")["mean"].size)

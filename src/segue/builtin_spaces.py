"""The spaces that every track is embedded in, by medium. Known without loading what computes them.

The spaces that every recording is placed in. Known without loading what computes them.

Where the shipped autoencoder of rolls lies; imports no torch.

The spaces that every score is placed in. Known without loading what computes them.

The spaces that all lyrics are placed in. Known without loading what computes them.
"""

import hashlib
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

import numpy as np
from safetensors.numpy import load_file

from segue.records import FloatArray, Space

# --- spaces ---

WEIGHTS: Final = Path(str(files("segue") / "weights"))

#: Changes when, and only when, a golden vector moves by more than 1e-3.
REPRESENTATION_VERSION: Final = 1

MUSICNN_SIZE: Final = 1506  # maximum and mean over time of 753 activations

#: MusiCNN's tags in the order of its output.
TAGS: Final[tuple[str, ...]] = (
    "rock", "pop", "alternative", "indie", "electronic", "female vocalists", "dance", "00s",
    "alternative rock", "jazz", "beautiful", "metal", "chillout", "male vocalists",
    "classic rock", "soul", "indie rock", "mellow", "electronica", "80s", "folk", "90s", "chill",
    "instrumental", "punk", "oldies", "blues", "hard rock", "ambient", "acoustic",
    "experimental", "female vocalist", "guitar", "hip-hop", "70s", "party", "country",
    "easy listening", "sexy", "catchy", "funk", "electro", "heavy metal", "progressive rock",
    "60s", "rnb", "indie pop", "sad", "house", "happy",
)  # fmt: skip


@cache
def sound_spaces() -> dict[str, Space]:
    """Return the spaces that every recording is placed in, by name."""
    musicnn = _fingerprint("musicnn.safetensors", "sound.safetensors")  # it holds the scale
    hand_made = _fingerprint("features.safetensors")
    spaces = (
        ("sound", _sound_size(), musicnn),
        ("musicnn", MUSICNN_SIZE, musicnn),
        ("features", _size("features.safetensors", "mean"), hand_made),
        ("tags", len(TAGS), _fingerprint("musicnn.safetensors", "tags.safetensors")),
    )
    return {
        name: Space(name, "sound", dimension, "cosine", model, REPRESENTATION_VERSION)
        for name, dimension, model in spaces
    }


def standardise_tags(logits: FloatArray) -> FloatArray:
    """Make a vector of the space `tags` of MusiCNN's logits, shape (50,).

    0 is the average track of the music that the constants were taken from, 1 one standard
    deviation more.
    """
    constants = _tag_constants()
    return np.asarray((logits - constants["mean"]) / constants["scale"], dtype=np.float32)


def tag_probabilities(vector: FloatArray) -> dict[str, float]:
    """Map a vector of the space `tags` to the probability of each tag."""
    constants = _tag_constants()
    logits = vector * constants["scale"] + constants["mean"]
    return dict(zip(TAGS, (1 / (1 + np.exp(-logits))).tolist(), strict=True))


@cache
def _tag_constants() -> dict[str, FloatArray]:
    return load_file(WEIGHTS / "tags.safetensors")


def _fingerprint(*names: str) -> str:
    digest = hashlib.sha256()
    for name in names:
        digest.update((WEIGHTS / name).read_bytes())
    return digest.hexdigest()[:12]


def _sound_size() -> int:
    head = load_file(WEIGHTS / "sound.safetensors")
    return int(head["pooled_map"].shape[1] + head["features_map"].shape[1])


def _size(name: str, array: str) -> int:
    return int(load_file(WEIGHTS / name)[array].size)


# --- shipped ---

#: Numbers of a vector in the space `roll-vae`.
DIMENSION: Final = 224
ROLL_VAE_WEIGHTS: Final = WEIGHTS / "roll-vae.safetensors"


# --- spaces ---


@cache
def score_spaces() -> dict[str, Space]:
    """Return the spaces that every score is placed in, by name."""
    features = load_file(WEIGHTS / "score-features.safetensors")["mean"].size
    sizes = {"score-features": features, "roll-vae": DIMENSION}
    return {
        name: Space(name, "score", size, "cosine", _score_fingerprint(name), REPRESENTATION_VERSION)
        for name, size in sizes.items()
    }


def _score_fingerprint(name: str) -> str:
    return hashlib.sha256((WEIGHTS / f"{name}.safetensors").read_bytes()).hexdigest()[:12]


# --- spaces ---

#: Mean and scale of what the network that comes with Segue makes of songs; made with that network.
LYRICS_SPACE: Final = WEIGHTS / "lyrics-space.safetensors"


@cache
def lyrics_spaces() -> dict[str, Space]:
    """Return the spaces that all lyrics are placed in, by name."""
    found = {}
    for name, file in (("style", WEIGHTS / "style.safetensors"), ("lyrics", LYRICS_SPACE)):
        size = load_file(file)["mean"].size
        model = hashlib.sha256(file.read_bytes()).hexdigest()[:12]
        found[name] = Space(name, "lyrics", size, "cosine", model, REPRESENTATION_VERSION)
    return found

"""Music, speech or noise: told by the named features of a recording.

A softmax regression on how far each feature is from the average, learned by
`bench/sound_kinds.py` from music, voices and noises of many sources. Steps of level without a
pulse speak for speech, a flat spectrum without a key for noise.
"""

from functools import cache
from importlib.resources import files
from typing import Final, Literal

import numpy as np
from safetensors.numpy import load

from segue.records import FloatArray

SoundKind = Literal["music", "speech", "noise"]
SOUND_KINDS: Final[tuple[SoundKind, ...]] = ("music", "speech", "noise")
#: What is music with a probability below this is not. Music left out is missed more than noise
#: let in disturbs: bench/tables/sound_kinds.md tells how much of each.
MUSIC_FROM: Final = 0.2


def sound_probabilities(scores: FloatArray) -> FloatArray:
    """Tell how likely recordings are music, speech or noise.

    Parameters
    ----------
    scores : ndarray, shape (..., len(FEATURE_NAMES)), float32
        From `segue.represent.features.standard_scores`.

    Returns
    -------
    ndarray, shape (..., 3), float32
        In the order of `SOUND_KINDS`; they sum to 1.
    """
    weights = _weights()
    fits = scores @ weights["weights"] + weights["bias"]
    powers = np.exp(fits - fits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), np.float32)


def sound_kinds(probabilities: FloatArray) -> list[SoundKind]:
    """Decide what recordings are, by their probabilities, shape (n, 3)."""
    others = probabilities[:, 1:].argmax(axis=1) + 1
    chosen = np.where(probabilities[:, 0] < MUSIC_FROM, others, 0)
    return [SOUND_KINDS[kind] for kind in chosen.tolist()]


@cache
def _weights() -> dict[str, FloatArray]:
    return dict(load((files("segue.weights") / "sound-kinds.safetensors").read_bytes()))

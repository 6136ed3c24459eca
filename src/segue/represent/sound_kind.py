"""Music, speech or noise: told by the named features of a recording.

A softmax regression on the standard scores of the features, learned by `bench/sound_kinds.py`
from music, voices and noises of many sources. What it finds of each feature can be read in its
weights: speech has many pauses and steps of level, noise flat spectra.
"""

from functools import cache
from importlib.resources import files
from typing import Final, Literal

import numpy as np
from safetensors.numpy import load

from segue.records import FloatArray
from segue.represent.features import standard_scores

SoundKind = Literal["music", "speech", "noise"]
SOUND_KINDS: Final[tuple[SoundKind, ...]] = ("music", "speech", "noise")
#: Changes when the weights do.
VERSION: Final = 1


def chances_of_kinds(vectors: FloatArray) -> FloatArray:
    """Tell how likely recordings are music, speech or noise.

    Parameters
    ----------
    vectors : ndarray, shape (n, len(FEATURE_NAMES)), float32
        Of the space `features`.

    Returns
    -------
    ndarray, shape (n, 3), float32
        In the order of `SOUND_KINDS`; each row sums to 1.
    """
    weights = _weights()
    scores = standard_scores(vectors) @ weights["weights"] + weights["bias"]
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


@cache
def _weights() -> dict[str, FloatArray]:
    return dict(load((files("segue.weights") / "sound-kinds.safetensors").read_bytes()))

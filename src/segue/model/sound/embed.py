"""From a decoded recording to its vector in every space of sound."""

import time
from typing import TYPE_CHECKING, Final

import numpy as np

from segue.model.sound.head import Head, load_head
from segue.model.sound.spaces import WEIGHTS, standardise_tags
from segue.records import FloatArray
from segue.represent import features

if TYPE_CHECKING:
    import torch

    from segue.model.sound.musicnn import Musicnn

PATCHES_AT_ONCE: Final = 4  # their products stay in the cache; bench/musicnn_forms.py


class SoundModel:
    """MusiCNN and what is built on it, loaded."""

    def __init__(self, threads: int = 1) -> None:
        import torch  # seconds; only those who embed pay them

        from segue.model.sound.musicnn import load_musicnn

        torch.set_num_threads(1)  # on two, the probe measures who else is at work
        dtype = _fastest_dtype()
        torch.set_num_threads(threads)
        self._head: Head = load_head()
        self._network: Musicnn = load_musicnn(WEIGHTS / "musicnn.safetensors", dtype)

    def embed(self, patches: FloatArray, raw_features: FloatArray) -> dict[str, FloatArray]:
        """Compute a recording's vectors.

        Parameters
        ----------
        patches : ndarray, shape (patches, 187, 96), float32
            See `segue.represent.sound.musicnn_patches`.
        raw_features : ndarray, shape (len(FEATURE_NAMES),), float32
            See `segue.represent.features.describe`.

        Returns
        -------
        dict of str to ndarray
            One vector per name in `segue.model.sound.spaces.sound_spaces`.
        """
        import torch

        parts = [
            self._network(torch.from_numpy(patches[start : start + PATCHES_AT_ONCE]))
            for start in range(0, len(patches), PATCHES_AT_ONCE)
        ]
        pooled = np.concatenate([part.pooled.numpy() for part in parts])
        logits = np.concatenate([part.logits.numpy() for part in parts])
        standard = features.standardise(raw_features)
        return {
            "sound": self._head.project(pooled, raw_features),
            "musicnn": self._head.standardise_pooled(pooled.mean(axis=0)),
            "features": standard,
            "tags": standardise_tags(logits.mean(axis=0)),
        }


def _fastest_dtype() -> "torch.dtype":
    """Time one small product in each precision.

    bfloat16 is several times faster than float32 where the processor has units for it, and
    many times slower where it has none; no flag tells which as surely as trying.
    """
    import torch

    times: dict[torch.dtype, float] = {}
    for dtype in (torch.float32, torch.bfloat16):
        a, b = torch.ones(256, 343, dtype=dtype), torch.ones(343, 512, dtype=dtype)
        takes = []
        for _ in range(8):  # the least of several: other programs only make it slower
            start = time.perf_counter()
            a @ b
            takes.append(time.perf_counter() - start)
        times[dtype] = min(takes)
    return min(times, key=lambda dtype: times[dtype])

"""From a decoded recording to its vector in every space of sound."""

from typing import TYPE_CHECKING, Final

import numpy as np

from segue.model.sound.head import Head, load_head
from segue.model.sound.spaces import WEIGHTS, standardise_tags
from segue.records import FloatArray
from segue.represent import features

if TYPE_CHECKING:
    from segue.model.sound.musicnn import Musicnn

PATCHES_AT_ONCE: Final = 4  # their products stay in the cache; bench/musicnn_forms.py


class SoundModel:
    """MusiCNN and what is built on it, loaded."""

    def __init__(self, threads: int = 1) -> None:
        import torch  # seconds; only those who embed pay them

        from segue.model.sound.musicnn import load_musicnn

        torch.set_num_threads(threads)
        self._head: Head = load_head()
        self._network: Musicnn = load_musicnn(WEIGHTS / "musicnn.safetensors")

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
        pooled, logits = self.activations(patches)
        standard = features.standardise(raw_features)
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
            self._network(torch.from_numpy(patches[start : start + PATCHES_AT_ONCE]))
            for start in range(0, len(patches), PATCHES_AT_ONCE)
        ]
        pooled = np.concatenate([part.pooled.numpy() for part in parts])
        return pooled, np.concatenate([part.logits.numpy() for part in parts])

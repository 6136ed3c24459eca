"""Spectrograms of the clips, and five folds by package."""

import hashlib
from pathlib import Path
from typing import Final

import numpy as np

from recipes.datasets import game_music
from segue.audio.spectrogram import LOG_MEL_SPECS, ByteArray, log_mel_image
from segue.audio.training import Example

FOLDS: Final = 5


def folds(clips: game_music.Clips) -> np.ndarray:
    """Divide clips by package: which of the five folds each is in."""
    names = clips.packages
    return np.array([int(hashlib.sha256(name.encode()).hexdigest(), 16) % FOLDS for name in names])


def divided(clips: game_music.Clips, fold: int) -> tuple[list[Example], list[Example]]:
    """Return the indices of the clips outside a fold (training set) and inside (test set)."""
    examples = [
        Example(str(number), package, artist)
        for number, (package, artist) in enumerate(zip(clips.packages, clips.artists, strict=True))
    ]
    in_test = folds(clips) == fold
    train = [example for example, is_held in zip(examples, in_test, strict=True) if not is_held]
    return train, [example for example, is_held in zip(examples, in_test, strict=True) if is_held]


def images(work: Path, audio: Path, clips: game_music.Clips, name: str) -> list[ByteArray]:
    """Return the log-mel images of all clips, made once and kept in `work`."""
    file = work / f"{name}.npz"
    if not file.exists():
        images_ = [
            log_mel_image(game_music.read_clip(audio / p), LOG_MEL_SPECS[name]) for p in clips.paths
        ]
        np.savez(file, *images_)
    with np.load(file) as arrays:
        return [arrays[f"arr_{number}"] for number in range(len(clips.paths))]

"""Constants of the space `style` of lyrics: weights/style.safetensors.

    python -m recipes.style --data ../shared/data

From the first half of each author's songs.
"""

import argparse
from pathlib import Path
from typing import Final

import numpy as np
from safetensors.numpy import save_file

from recipes.datasets.poems import is_develop, verse
from segue.builtin_spaces import MAX_Z_SCORE, WEIGHTS
from segue.feature_names import STYLE_FEATURE_GROUPS, STYLE_FEATURE_NAMES
from segue.lyrics.features import style_features
from segue.records import FloatArray, Lyrics

LEAST_SCALE: Final = 0.005


#: The length of each group in the mean; chosen on the first halves, by the nearest neighbour.
GROUP_WEIGHTS: Final = {
    "characters": 4.0, "function words": 2.0, "lines": 1.5, "metre": 1.0, "rhyme": 0.6,
    "repetition": 0.6,
}  # fmt: skip


def fit_constants(raw: FloatArray) -> dict[str, FloatArray]:
    """Return mean and scale of each feature, and a weight by group."""
    exact = raw.astype(np.float64)
    mean, scale = exact.mean(axis=0), np.maximum(exact.std(axis=0), LEAST_SCALE)
    standard = np.clip((exact - mean) / scale, -MAX_Z_SCORE, MAX_Z_SCORE)
    weight = np.ones(len(STYLE_FEATURE_NAMES))
    for group, columns in STYLE_FEATURE_GROUPS.items():
        weight[columns] = GROUP_WEIGHTS[group] / np.sqrt(
            np.mean((standard[:, columns] ** 2).sum(axis=1))
        )
    constants = {"mean": mean, "scale": scale, "weight": weight}
    return {name: x.astype(np.float32) for name, x in constants.items()}


def unique_texts(songs: list[Lyrics]) -> list[Lyrics]:
    """Return the songs without those of the same text."""
    return list({song.text: song for song in reversed(songs)}.values())[::-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    songs = unique_texts(verse(parser.parse_args().data))
    raw = np.stack([style_features(song.text) for song in songs])
    save_file(fit_constants(raw[np.array(is_develop(songs))]), WEIGHTS / "style.safetensors")


if __name__ == "__main__":
    main()

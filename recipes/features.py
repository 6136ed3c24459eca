"""Constants of the space `features` of recordings: weights/features.safetensors.

python -m recipes.features --data ../shared/data
"""

import argparse
import csv
from pathlib import Path
from typing import Final

import numpy as np
from safetensors.numpy import save_file

from segue.audio.features import describe
from segue.audio.spectrogram import SAMPLE_RATE_HZ, spans_to_analyse
from segue.builtin_spaces import MAX_Z_SCORE, WEIGHTS
from segue.feature_names import SOUND_FEATURE_GROUPS, SOUND_FEATURE_NAMES
from segue.io.audio import read_recording
from segue.records import FloatArray

RIDGE: Final = 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    _, vectors = clip_features(parser.parse_args().data / "audio")
    save_file(fit_constants(vectors), WEIGHTS / "features.safetensors")


def clip_features(folder: Path) -> tuple[list[str], FloatArray]:
    """Return the package and the features of each clip."""
    with (folder / "tracks.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    vectors = [
        describe(read_recording(folder / row["path"], SAMPLE_RATE_HZ, spans_to_analyse)).vector
        for row in rows
    ]
    return [row["source_package"] for row in rows], np.stack(vectors)


def fit_constants(vectors: FloatArray) -> dict[str, FloatArray]:
    """Return mean and scale of each feature, and a regularised whitening of each group."""
    exact = vectors.astype(np.float64)
    mean, scale = exact.mean(axis=0), exact.std(axis=0)
    standard = np.clip((exact - mean) / scale, -MAX_Z_SCORE, MAX_Z_SCORE)
    mix = np.zeros((len(SOUND_FEATURE_NAMES), len(SOUND_FEATURE_NAMES)))
    for columns in SOUND_FEATURE_GROUPS.values():
        values, axes = np.linalg.eigh(np.cov(standard[:, columns].T))
        mix[columns, columns] = axes / np.sqrt(values + RIDGE) @ axes.T
    constants = {"mean": mean, "scale": scale, "mix": mix}
    return {name: x.astype(np.float32) for name, x in constants.items()}


if __name__ == "__main__":
    main()

"""Constants of the space `score-features`: weights/score-features.safetensors.

    python -m recipes.score_features --data ../shared/data

From half of the scores (by the SHA-256 of their names): whole songs of POP909 and four bars of
each, folk tunes, multitrack files. No labels are used.
"""

import argparse
import zipfile
from pathlib import Path
from typing import Final

import numpy as np
from safetensors.numpy import save_file

from recipes.datasets.pop909 import half_of, songs
from segue.builtin_spaces import MAX_Z_SCORE, WEIGHTS
from segue.errors import SegueError
from segue.feature_names import SCORE_FEATURE_GROUPS, SCORE_FEATURE_NAMES
from segue.io.midi import read_midi
from segue.records import FloatArray, Score
from segue.score.features import score_features
from segue.score.timing import bar_grid, excerpt

RIDGE: Final = 0.03


LEAST_SCALE: Final = 0.02


FOLK: Final = 600


#: How much each group counts, others 1; chosen on the development half of POP909: four bars of a
#: song are to be nearest to the rest of it.
GROUP_WEIGHTS: Final = {"figures": 2.0, "harmony": 0.7, "pitch": 0.5, "texture": 0.5}


#: Its numbers are shares of one whole: they have one scale, and are not freed of each other.
AS_ONE: Final = "figures"


def training_scores(folder: Path) -> dict[str, list[Score]]:
    """Read the training set, by source."""
    rng = np.random.default_rng(0)
    pop = [song.score for song in songs(folder / "pop909.zip", "develop")]
    four_bars = []
    for score in pop:
        piece = excerpt(score, int(rng.integers(4, len(bar_grid(score)) - 8)), 4)
        if piece.parts:
            four_bars.append(piece)
    multitrack = []
    for path in sorted((folder / "multitrack").glob("*.mid")):
        if half_of(path.name) == "develop":
            try:
                multitrack.append(read_midi(path.read_bytes()))
            except SegueError as error:
                print(path.name, error)
    with zipfile.ZipFile(folder / "folk_tunes.zip") as opened:
        names = [name for name in sorted(opened.namelist()) if name.endswith(".mid")]
        folk = [read_midi(opened.read(name)) for name in names if half_of(name) == "develop"][:FOLK]
    return {
        "songs of POP909": pop, "four bars of each": four_bars, "folk tunes": folk,
        "multitrack": multitrack,
    }  # fmt: skip


def fit_constants(vectors: FloatArray) -> dict[str, FloatArray]:
    """Return mean and scale of each feature, a regularised whitening and a weight of each group."""
    exact = vectors.astype(np.float64)
    mean, scale = exact.mean(axis=0), np.maximum(exact.std(axis=0), LEAST_SCALE)
    as_one = SCORE_FEATURE_GROUPS[AS_ONE]
    scale[as_one] = np.sqrt(exact[:, as_one].var(axis=0).mean())
    standard = np.clip((exact - mean) / scale, -MAX_Z_SCORE, MAX_Z_SCORE)
    weight = np.ones(len(SCORE_FEATURE_NAMES))
    constants = {"mean": mean, "scale": scale, "weight": weight}
    for group, columns in SCORE_FEATURE_GROUPS.items():
        inside = standard[:, columns]
        if group != AS_ONE:
            values, axes = np.linalg.eigh(np.cov(inside.T))
            constants[group] = axes / np.sqrt(np.maximum(values, 0) + RIDGE) @ axes.T
            inside = inside @ constants[group]
        length = np.sqrt(np.mean((inside**2).sum(axis=1)))
        weight[columns] = GROUP_WEIGHTS.get(group, 1.0) / length
    return {name: x.astype(np.float32) for name, x in constants.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    scores = training_scores(parser.parse_args().data / "scores")
    vectors = {name: np.stack([*map(score_features, group)]) for name, group in scores.items()}
    # A multitrack file says more of instruments than a folk tune: each counts three times.
    rows = np.concatenate([*vectors.values(), *[vectors["multitrack"]] * 2])
    save_file(fit_constants(rows), WEIGHTS / "score-features.safetensors")


if __name__ == "__main__":
    main()

"""The critic of generated bars: weights/critic.safetensors.

    python -m recipes.datasets.generated_bars --data DATA --cache CACHE
    python -m recipes.critic --cache CACHE

Trained on real bars of the composer's training and validation sets, bars that it generated in
their place, and corrupted ones: shuffled notes, random notes, and bars of another piece. The
strength of the penalty is chosen in folds of whole pieces.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from recipes.datasets import generated_bars
from recipes.datasets.generated_bars import Excerpt
from segue.generate.compose.critic import (
    CLASSES,
    GENERATED,
    PRETRAINED,
    REAL,
    Critic,
    feature_matrix,
)
from segue.generate.compose.tokens import Bar, Note
from segue.records import DoubleArray
from segue.theory.instruments import DRUMS

FOLDS: Final = 5
#: Inverse strengths of the penalty that are tried.
STRENGTHS: Final = (0.001, 0.003, 0.01, 0.03, 0.1)
#: Weight of an excerpt's corrupted bars of each class beside its real and its generated bars.
CORRUPTED_WEIGHT: Final = 0.25
#: Probability that a property of notes is shuffled, and largest interval by which pitches move.
SHUFFLED: Final = 0.5
MAX_INTERVAL: Final = 12


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Windows of bars.

    Attributes
    ----------
    features : ndarray, shape (windows, features)
    classes : ndarray, shape (windows,)
        Indices in `CLASSES`.
    folds : ndarray, shape (windows,)
        Fold of the piece.
    weights : ndarray, shape (windows,)
        Excerpts weigh the same, however many windows they have.
    """

    features: DoubleArray
    classes: NDArray[np.int64]
    folds: NDArray[np.int64]
    weights: DoubleArray

    def select(self, rows: NDArray[np.bool_]) -> "Windows":
        """Return some of the windows."""
        return Windows(
            self.features[rows], self.classes[rows], self.folds[rows], self.weights[rows]
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=Path(".bench-cache/critic"))
    options = parser.parse_args()
    excerpts = [each for each in generated_bars.load(options.cache) if each.side != "test"]
    windows = make_windows(excerpts)
    strength = choose_strength(windows)
    fit(windows, strength).save(PRETRAINED)
    names = len({excerpt.piece for excerpt in excerpts})
    count = len(windows.classes)
    print(f"{len(excerpts)} excerpts of {names} pieces, {count} windows, C = {strength}")


def make_windows(excerpts: Sequence[Excerpt]) -> Windows:
    """Return the windows of excerpts: of real, generated and corrupted bars."""
    rng = np.random.default_rng(0)
    pieces = sorted({excerpt.piece for excerpt in excerpts})
    order = rng.permutation(len(pieces))
    fold_of = {pieces[place]: turn % FOLDS for turn, place in enumerate(order)}
    features, rows = [], []
    for excerpt in excerpts:
        for bars, label, weight in alternatives(excerpt, excerpts, rng):
            matrix = feature_matrix(bars, excerpt.before, excerpt.after)
            features.append(matrix)
            rows += [(label, fold_of[excerpt.piece], weight / len(matrix))] * len(matrix)
    classes, folds, weights = map(np.array, zip(*rows, strict=True))
    return Windows(np.concatenate(features), classes, folds, weights)


def alternatives(
    excerpt: Excerpt, excerpts: Sequence[Excerpt], rng: np.random.Generator
) -> Iterator[tuple[Sequence[Bar], int, float]]:
    """Yield bars in the place of an excerpt's, with their class and their weight."""
    yield excerpt.real, CLASSES.index("real"), 1.0
    for take in excerpt.takes:
        yield take, GENERATED, 1 / len(excerpt.takes)
    for label, corrupt in (("shuffled", shuffle_notes), ("random", random_notes)):
        yield corrupt(excerpt.real, rng), CLASSES.index(label), CORRUPTED_WEIGHT
    others = [
        other
        for other in excerpts
        if (other.source, other.task) == (excerpt.source, excerpt.task)
        and other.piece != excerpt.piece
    ]
    if others:
        other = others[int(rng.integers(len(others)))]
        yield other.real, CLASSES.index("of another piece"), CORRUPTED_WEIGHT


def random_notes(bars: Sequence[Bar], rng: np.random.Generator) -> list[Bar]:
    """Return bars with as many notes, drawn at random from the range of all notes of the bars."""
    columns = np.array([note for bar in bars for note in bar.notes]).T
    programs = [*set(columns[1].tolist()), DRUMS, int(rng.integers(DRUMS))]
    ranges = [(int(column.min()), int(column.max()) + 1) for column in columns]
    drawn = []
    for bar in bars:
        notes = [
            Note(*(int(rng.integers(*each)) for each in ranges))._replace(
                instrument=int(rng.choice(programs))
            )
            for _ in bar.notes
        ]
        drawn.append(bar._replace(notes=tuple(sorted(notes))))
    return drawn


def shuffle_notes(bars: Sequence[Bar], rng: np.random.Generator) -> list[Bar]:
    """Return bars with some of the properties of their notes shuffled, and pitches moved."""
    shuffled = []
    kinds = [name for name in Note._fields if rng.random() < SHUFFLED]
    largest = int(rng.integers(1, MAX_INTERVAL + 1))
    for bar in bars:
        columns = {name: [getattr(note, name) for note in bar.notes] for name in Note._fields}
        for name in kinds or ["onset"]:
            rng.shuffle(columns[name])
        moved = np.array(columns["pitch"], int) + rng.integers(
            -largest, largest + 1, len(bar.notes)
        )
        columns["pitch"] = moved.clip(0, 127).tolist()
        notes = sorted(Note(*row) for row in zip(*columns.values(), strict=True))
        shuffled.append(bar._replace(notes=tuple(notes)))
    return shuffled


def fit(windows: Windows, strength: float) -> Critic:
    """Fit the regression on standardised features."""
    mean = np.nan_to_num(np.nanmean(windows.features, axis=0))
    scale = np.nan_to_num(np.nanstd(windows.features, axis=0))
    scale[scale == 0] = 1
    critic = Critic(mean, scale, np.zeros((len(CLASSES), len(mean))), np.zeros(len(CLASSES)))
    model = LogisticRegression(C=strength, max_iter=5000)
    z_scores = critic.standardise(windows.features)
    model.fit(z_scores, windows.classes, sample_weight=windows.weights)
    return replace(critic, weights=model.coef_, bias=model.intercept_)


def choose_strength(windows: Windows) -> float:
    """Return the inverse strength of the penalty that best tells real bars from generated ones.

    By the loss in folds of whole pieces.
    """
    losses = []
    for strength in STRENGTHS:
        predicted = np.zeros((len(windows.classes), len(CLASSES)))
        for fold in range(FOLDS):
            test = windows.folds == fold
            critic = fit(windows.select(~test), strength)
            predicted[test] = critic.log_probabilities(windows.features[test])
        pair = windows.classes <= GENERATED
        margin = predicted[pair, REAL] - predicted[pair, GENERATED]
        signed, weights = np.where(windows.classes[pair] == REAL, margin, -margin), windows.weights
        losses.append(float(np.average(np.logaddexp(0, -signed), weights=weights[pair])))
        accuracy = float(np.average(signed > 0, weights=weights[pair]))
        print(f"C = {strength}: {losses[-1]:.3f} nats, accuracy {accuracy:.3f}", flush=True)
    return STRENGTHS[int(np.argmin(losses))]


if __name__ == "__main__":
    main()

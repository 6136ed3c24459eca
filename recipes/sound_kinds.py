"""The classifier of music, speech and noise: weights/sound-kinds.safetensors.

    python -m recipes.sound_kinds --data ../shared/data --sounds /tmp/sounds --cache /tmp/kinds.npz

`--sounds` is described in `recipes/datasets/sound_kinds.py`.
"""

import argparse
from pathlib import Path
from typing import Final

import numpy as np
from safetensors.numpy import save_file
from sklearn.linear_model import LogisticRegression

from recipes.datasets import sound_kinds
from segue.audio.features import SOUND_KINDS
from segue.builtin_spaces import WEIGHTS, feature_z_scores
from segue.records import FloatArray

STRENGTHS: Final = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)  # inverse of the penalty


FOLDS: Final = 5


def fit_classifier(scores: FloatArray, labels: np.ndarray, strength: float) -> LogisticRegression:
    """Fit a softmax regression."""
    model = LogisticRegression(C=strength, class_weight="balanced", max_iter=2000)
    return model.fit(scores, labels)


def cross_validate(
    scores: FloatArray, labels: np.ndarray, sources: np.ndarray
) -> tuple[float, FloatArray]:
    """Return the inverse penalty of least loss in folds of whole sources, and its predictions."""
    names = sorted(set(sources))
    order = np.random.default_rng(0).permutation(len(names))
    fold = {names[place]: turn % FOLDS for turn, place in enumerate(order)}
    of = np.array([fold[source] for source in sources])
    best: tuple[float, float, FloatArray] | None = None
    for strength in STRENGTHS:
        chances = np.zeros((len(labels), len(SOUND_KINDS)), np.float32)
        for test in range(FOLDS):
            model = fit_classifier(scores[of != test], labels[of != test], strength)
            chances[of == test] = model.predict_proba(scores[of == test])
        loss = float(-np.log(np.maximum(chances[np.arange(len(labels)), labels], 1e-9)).mean())
        print(f"C = {strength}: {loss:.3f} nats", flush=True)
        if best is None or loss < best[0]:
            best = (loss, strength, chances)
    assert best
    return best[1], best[2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sounds", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    options = parser.parse_args()
    dataset = sound_kinds.sounds(options.data, options.sounds, options.cache)
    train = np.array([side == "learn" for side in dataset.sides])
    labels = np.array([SOUND_KINDS.index(label) for label in dataset.labels])[train]
    scores = feature_z_scores("sound", dataset.vectors)[train]
    strength, _ = cross_validate(scores, labels, np.array(dataset.sources)[train])
    model = fit_classifier(scores, labels, strength)
    weights = {"weights": model.coef_.T, "bias": model.intercept_}
    save_file(
        {name: np.ascontiguousarray(array, np.float32) for name, array in weights.items()},
        WEIGHTS / "sound-kinds.safetensors",
    )


if __name__ == "__main__":
    main()

"""Classification of recordings as music, speech or noise: precision and recall by source.

    python -m bench.sound_kinds --data ../shared/data --sounds /tmp/sounds --cache /tmp/kinds.npz

Whole sources are held out for testing (`recipes/datasets/sound_kinds.py`).
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from bench import result_tables
from recipes.datasets import sound_kinds
from recipes.sound_kinds import FOLDS, cross_validate, fit_classifier
from segue.audio.features import MUSIC_THRESHOLD, SOUND_KINDS, sound_kind_probabilities
from segue.builtin_spaces import feature_z_scores
from segue.feature_names import SOUND_FEATURE_NAMES
from segue.records import FloatArray

THRESHOLDS: Final = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5)
N_FEATURES: Final = 8  # features of the largest weight


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sounds", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    arguments = parser.parse_args()
    sounds_ = sound_kinds.sounds(arguments.data, arguments.sounds, arguments.cache)
    labels = np.array([SOUND_KINDS.index(label) for label in sounds_.labels])
    in_training = np.array([side == "learn" for side in sounds_.sides])
    sources = np.array(sounds_.sources)
    scores = feature_z_scores("sound", sounds_.vectors)
    strength, chances = cross_validate(
        scores[in_training], labels[in_training], sources[in_training]
    )
    model = fit_classifier(scores[in_training], labels[in_training], strength)
    test = sound_kind_probabilities(scores[~in_training])
    result_tables.write_table(
        "sound_kinds",
        "Classification of music, speech and noise",
        [
            f"Softmax regression of {len(SOUND_FEATURE_NAMES)} named features (C = {strength}, "
            f"chosen by {FOLDS} folds of whole sources), trained on {in_training.sum()} excerpts; "
            f"tested on {(~in_training).sum()} of other sources. Music is what has a probability "
            f"of music of at least {MUSIC_THRESHOLD}.\n",
            _classes(test, labels[~in_training]),
            "\nBy threshold on the probability of music; cross-validated on the training set, "
            "and on the test set:\n",
            _thresholds(chances, labels[in_training], test, labels[~in_training]),
            "\nTest set, by source:\n",
            _by_source(test, labels[~in_training], sources[~in_training]),
            "\nLargest weights:\n",
            _weights(model.coef_),
        ],
    )


def _predicted(chances: FloatArray, least: float = MUSIC_THRESHOLD) -> np.ndarray:
    """Return the predicted class of each recording."""
    return np.where(chances[:, 0] < least, 1 + chances[:, 1:].argmax(axis=1), 0)


def _classes(chances: FloatArray, labels: np.ndarray) -> str:
    predicted = _predicted(chances)
    rows = []
    for kind, name in enumerate(SOUND_KINDS):
        hits = float(((predicted == kind) & (labels == kind)).sum())
        precision, recall = hits / max((predicted == kind).sum(), 1), hits / (labels == kind).sum()
        counts = [int(((predicted == label) & (labels == kind)).sum()) for label in range(3)]
        rows.append([name, int((labels == kind).sum()), precision, recall, *counts])
    return result_tables.table(
        ["", "excerpts", "precision", "recall", *(f"predicted {name}" for name in SOUND_KINDS)],
        rows,
    )


def _thresholds(
    chances: FloatArray, labels: np.ndarray, test: FloatArray, test_labels: np.ndarray
) -> str:
    rows = []
    for least in THRESHOLDS:
        cells: list[object] = [f"{least:.2f}"]
        for probabilities, true_labels in ((chances, labels), (test, test_labels)):
            left_out = probabilities[:, 0] < least
            cells += [
                float(left_out[true_labels == 0].mean()),
                float(left_out[true_labels > 0].mean()),
            ]
        rows.append(cells)
    heads = ("music left out", "other left out")
    return result_tables.table(["below", *heads, *(f"test: {head}" for head in heads)], rows)


def _by_source(chances: FloatArray, labels: np.ndarray, sources: np.ndarray) -> str:
    predicted = _predicted(chances)
    groups = np.array([_group(source) for source in sources])
    rows = []
    for group in sorted(set(groups)):
        for kind in sorted(set(labels[groups == group])):
            in_class = (groups == group) & (labels == kind)
            rows.append(
                [
                    group,
                    SOUND_KINDS[kind],
                    int(in_class.sum()),
                    float((predicted == kind)[in_class].mean()),
                ]
            )
    return result_tables.table(["source", "class", "excerpts", "recall"], rows)


def _group(source: str) -> str:
    first = source.split(maxsplit=1)[0].split("-", maxsplit=1)[0]
    known = ("asterisk", "klettres", "espeak", "flite", "made", "dull", "drums", "pocketsphinx")
    if "moh" in source or source in ("bed", "rap", "noisy speech", "sonic-pi loops"):
        return source
    if source in ("freedroidrpg-data", "endless-sky-data"):
        return source
    return f"made {source[5:]}" if first == "made" else first if first in known else "soundtracks"


def _weights(coefficients: Sequence[Sequence[float]]) -> str:
    rows = []
    for kind, row in zip(SOUND_KINDS, np.array(coefficients), strict=True):
        order = np.argsort(-np.abs(row))[:N_FEATURES]
        features = ", ".join(f"{SOUND_FEATURE_NAMES[place]} {row[place]:+.2f}" for place in order)
        rows.append([kind, features])
    return result_tables.table(["", "features, weights of their z-scores"], rows)


if __name__ == "__main__":
    main()

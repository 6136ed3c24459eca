"""Learn to tell music from speech and noise, and measure how well that works.

    python bench/sound_kinds.py --data ../shared/data --sounds /tmp/sounds --cache /tmp/kinds.npz
        [--write-weights]

Everything is learned and chosen on the side "learn" of `bench/sound_kinds_data.py`; whole sources
are held out to test.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from safetensors.numpy import save_file
from sklearn.linear_model import LogisticRegression

import sound_kinds_data
import tables
from segue.audio.features import MUSIC_THRESHOLD, SOUND_KINDS, sound_kind_probabilities, z_scores
from segue.feature_names import SOUND_FEATURE_NAMES
from segue.records import FloatArray

WEIGHTS: Final = Path(__file__).parent.parent / "src/segue/weights/sound-kinds.safetensors"
STRENGTHS: Final = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)  # inverse of the penalty
FOLDS: Final = 5
THRESHOLDS: Final = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5)
TOLD: Final = 8  # features that weigh most


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sounds", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--write-weights", action="store_true")
    arguments = parser.parse_args()
    found = sound_kinds_data.sounds(arguments.data, arguments.sounds, arguments.cache)
    labels = np.array([SOUND_KINDS.index(label) for label in found.labels])
    learn = np.array([side == "learn" for side in found.sides])
    sources = np.array(found.sources)
    scores = z_scores(found.vectors)
    strength, chances = _chosen(scores[learn], labels[learn], sources[learn])
    model = _fitted(scores[learn], labels[learn], strength)
    if arguments.write_weights:
        weights = {"weights": model.coef_.T, "bias": model.intercept_}
        save_file(
            {name: np.ascontiguousarray(one, np.float32) for name, one in weights.items()}, WEIGHTS
        )
    test = sound_kind_probabilities(scores[~learn])
    tables.keep(
        "sound_kinds",
        "Music, speech, noise",
        [
            f"Softmax regression of {len(SOUND_FEATURE_NAMES)} named features (C = {strength}, "
            f"chosen by {FOLDS} folds of whole sources), learned from {learn.sum()} pieces; "
            f"tested on {(~learn).sum()} of other sources. Not music is what is music with a "
            f"chance below {MUSIC_THRESHOLD}.\n",
            _classes(test, labels[~learn]),
            "\nBy the chance of music below which a piece is left out; on the side that it was "
            "chosen on, each source by a fit without it, and on the other:\n",
            _thresholds(chances, labels[learn], test, labels[~learn]),
            "\nOf the test, by source:\n",
            _by_source(test, labels[~learn], sources[~learn]),
            "\nWhat weighs most:\n",
            _weights(model.coef_),
        ],
    )


def _fitted(scores: FloatArray, labels: np.ndarray, strength: float) -> LogisticRegression:
    model = LogisticRegression(C=strength, class_weight="balanced", max_iter=2000)
    return model.fit(scores, labels)


def _chosen(
    scores: FloatArray, labels: np.ndarray, sources: np.ndarray
) -> tuple[float, FloatArray]:
    """Choose the penalty by folds of whole sources; return the chances that it gave in them."""
    names = sorted(set(sources))
    order = np.random.default_rng(0).permutation(len(names))
    fold = {names[place]: turn % FOLDS for turn, place in enumerate(order)}
    of = np.array([fold[source] for source in sources])
    best: tuple[float, float, FloatArray] | None = None
    for strength in STRENGTHS:
        chances = np.zeros((len(labels), len(SOUND_KINDS)), np.float32)
        for held in range(FOLDS):
            model = _fitted(scores[of != held], labels[of != held], strength)
            chances[of == held] = model.predict_proba(scores[of == held])
        loss = float(-np.log(np.maximum(chances[np.arange(len(labels)), labels], 1e-9)).mean())
        print(f"C = {strength}: {loss:.3f} nats", flush=True)
        if best is None or loss < best[0]:
            best = (loss, strength, chances)
    assert best
    return best[1], best[2]


def _told(chances: FloatArray, least: float = MUSIC_THRESHOLD) -> np.ndarray:
    """Return which kind each piece is taken for."""
    return np.where(chances[:, 0] < least, 1 + chances[:, 1:].argmax(axis=1), 0)


def _classes(chances: FloatArray, labels: np.ndarray) -> str:
    told = _told(chances)
    rows = []
    for kind, name in enumerate(SOUND_KINDS):
        hits = float(((told == kind) & (labels == kind)).sum())
        precision, recall = hits / max((told == kind).sum(), 1), hits / (labels == kind).sum()
        counts = [int(((told == other) & (labels == kind)).sum()) for other in range(3)]
        rows.append([name, int((labels == kind).sum()), precision, recall, *counts])
    return tables.table(
        ["", "pieces", "precision", "recall", *(f"taken for {name}" for name in SOUND_KINDS)], rows
    )


def _thresholds(
    chances: FloatArray, labels: np.ndarray, test: FloatArray, test_labels: np.ndarray
) -> str:
    rows = []
    for least in THRESHOLDS:
        cells: list[object] = [f"{least:.2f}"]
        for some, of in ((chances, labels), (test, test_labels)):
            left_out = some[:, 0] < least
            cells += [float(left_out[of == 0].mean()), float(left_out[of > 0].mean())]
        rows.append(cells)
    heads = ("music left out", "other left out")
    return tables.table(["below", *heads, *(f"test: {head}" for head in heads)], rows)


def _by_source(chances: FloatArray, labels: np.ndarray, sources: np.ndarray) -> str:
    told = _told(chances)
    groups = np.array([_group(source) for source in sources])
    rows = []
    for group in sorted(set(groups)):
        for kind in sorted(set(labels[groups == group])):
            here = (groups == group) & (labels == kind)
            rows.append(
                [group, SOUND_KINDS[kind], int(here.sum()), float((told == kind)[here].mean())]
            )
    return tables.table(["source", "is", "pieces", "taken for that"], rows)


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
        order = np.argsort(-np.abs(row))[:TOLD]
        told = ", ".join(f"{SOUND_FEATURE_NAMES[place]} {row[place]:+.2f}" for place in order)
        rows.append([kind, told])
    return tables.table(["", "features, weights of their standard scores"], rows)


if __name__ == "__main__":
    main()

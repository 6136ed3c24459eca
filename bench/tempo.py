"""Accuracy of tempo estimation on rendered MIDI files and drum patterns.

    python -m bench.tempo --data ../shared/data --cache /tmp/tempo

Accuracy 1: within 4 % of the annotated tempo. Accuracy 2: or of twice, thrice, half or a third of
it. On the half "test", and on the drum patterns of a report. Which of those patterns were wrong was
known when the share of patterns and the number of epochs were raised.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from bench import result_tables
from recipes.datasets import annotated_tempo
from recipes.datasets.annotated_tempo import Timed
from recipes.tempo import TOLERANCE
from segue.audio.rhythm import Tempo, estimate_tempo

OCTAVES: Final = (1, 2, 3, 1 / 2, 1 / 3)
FOLD_BPM: Final = (70.0, 180.0)
CONFIDENCES: Final = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    arguments = parser.parse_args()
    known = annotated_tempo.timed(arguments.data, arguments.cache)
    test = [one for one in known if one.half == "test" and one.today_bpm > 0]
    chosen = {one.name: estimate_tempo(one.onsets, one.today_bpm) for one in test}
    result_tables.write_table(
        "tempo", "Tempo estimation", [*_accuracies(test, chosen), _confidence(test, chosen)]
    )


def folded(bpm: float, least: float = FOLD_BPM[0], most: float = FOLD_BPM[1]) -> float:
    """Double or halve a tempo until it lies in a range."""
    while 0 < bpm < least:
        bpm *= 2
    while bpm > most:
        bpm /= 2
    return bpm


def accuracy(tempos: Sequence[float], pieces: Sequence[Timed]) -> tuple[float, float]:
    """Return the shares within 4 %, without and with allowance for octaves."""
    ratios = np.array(tempos) / [piece.tempo_bpm for piece in pieces]
    close = [np.abs(ratios / octave - 1) <= TOLERANCE for octave in OCTAVES]
    return float(close[0].mean()), float(np.any(close, axis=0).mean())


def _accuracies(test: Sequence[Timed], chosen: dict[str, Tempo]) -> list[str]:
    ways: dict[str, Callable[[Timed], float]] = {
        "Segue": lambda one: chosen[one.name].bpm,
        "strongest pulse": lambda one: one.today_bpm,
        "strongest pulse, folded to 70-180": lambda one: folded(one.today_bpm),
        "strongest pulse, folded to 84-168": lambda one: folded(one.today_bpm, 84.0, 168.0),
    }
    sources = {source: [one for one in test if one.source == source] for source in SOURCES}
    midi = [one for one in test if one.source in ("multitrack", "groove", "pop909")]
    sources = {name: some for name, some in sources.items() if some} | {"the three of MIDI": midi}
    rows = [
        [name, *(f"{acc1:.3f} / {acc2:.3f}" for acc1, acc2 in
                 (accuracy([way(one) for one in some], some) for some in sources.values()))]
        for name, way in ways.items()
    ]  # fmt: skip
    heads = [f"{name} ({len(some)})" for name, some in sources.items()]
    beside = [one for one in test if one.librosa_bpm]
    found = [
        [name, *accuracy([way(one) for one in beside], beside)]
        for name, way in (ways | {"librosa beat_track": lambda one: one.librosa_bpm}).items()
    ]
    return [
        "Accuracy 1 / accuracy 2, test set; which of the\n"
        "report's patterns an earlier fit had wrong was known when this one was made:\n",
        result_tables.table(["", *heads], rows),
        f"\nOn the {len(beside)} of them that librosa was tried on:\n",
        result_tables.table(["", "accuracy 1", "accuracy 2"], found),
    ]


SOURCES: Final = ("report", "multitrack", "groove", "pop909", "bands")


def _confidence(test: Sequence[Timed], chosen: dict[str, Tempo]) -> str:
    midi = [one for one in test if one.source != "bands"]
    sure = np.array([chosen[one.name].confidence for one in midi])
    right = np.array([abs(chosen[one.name].bpm / one.tempo_bpm - 1) <= TOLERANCE for one in midi])
    rows = [
        [f"{least:.2f}", float((sure >= least).mean()), float(right[sure >= least].mean())]
        for least in CONFIDENCES
    ]
    return "\nAccuracy by confidence:\n\n" + result_tables.table(
        ["confidence at least", "share", "accuracy"], rows
    )


if __name__ == "__main__":
    main()

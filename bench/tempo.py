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
    test = [piece for piece in known if piece.half == "test" and piece.today_bpm > 0]
    chosen = {piece.name: estimate_tempo(piece.onsets, piece.today_bpm) for piece in test}
    result_tables.write_table(
        "tempo", "Tempo estimation", [*_accuracies(test, chosen), _confidence(test, chosen)]
    )


def folded(bpm: float, lowest: float = FOLD_BPM[0], highest: float = FOLD_BPM[1]) -> float:
    """Double or halve a tempo until it lies in a range."""
    while 0 < bpm < lowest:
        bpm *= 2
    while bpm > highest:
        bpm /= 2
    return bpm


def accuracy(tempos: Sequence[float], pieces: Sequence[Timed]) -> tuple[float, float]:
    """Return the shares within 4 %, without and with allowance for octaves."""
    ratios = np.array(tempos) / [piece.tempo_bpm for piece in pieces]
    close = [np.abs(ratios / octave - 1) <= TOLERANCE for octave in OCTAVES]
    return float(close[0].mean()), float(np.any(close, axis=0).mean())


def _accuracies(test: Sequence[Timed], chosen: dict[str, Tempo]) -> list[str]:
    ways: dict[str, Callable[[Timed], float]] = {
        "Segue": lambda piece: chosen[piece.name].bpm,
        "strongest pulse": lambda piece: piece.today_bpm,
        "strongest pulse, folded to 70-180": lambda piece: folded(piece.today_bpm),
        "strongest pulse, folded to 84-168": lambda piece: folded(piece.today_bpm, 84.0, 168.0),
    }
    sources = {source: [piece for piece in test if piece.source == source] for source in SOURCES}
    midi = [piece for piece in test if piece.source in ("multitrack", "groove", "pop909")]
    sources = {name: pieces for name, pieces in sources.items() if pieces} | {
        "the three of MIDI": midi
    }
    rows = [
        [name, *(f"{acc1:.3f} / {acc2:.3f}" for acc1, acc2 in
                 (accuracy(list(map(way, pieces)), pieces) for pieces in sources.values()))]
        for name, way in ways.items()
    ]  # fmt: skip
    heads = [f"{name} ({len(pieces)})" for name, pieces in sources.items()]
    with_librosa = [piece for piece in test if piece.librosa_bpm]
    librosa_rows = [
        [name, *accuracy([way(piece) for piece in with_librosa], with_librosa)]
        for name, way in (ways | {"librosa beat_track": lambda piece: piece.librosa_bpm}).items()
    ]
    return [
        "Accuracy 1 / accuracy 2, test set; which of the\n"
        "report's patterns an earlier fit had wrong was known when this one was made:\n",
        result_tables.table(["", *heads], rows),
        f"\nOn the {len(with_librosa)} of them that librosa was tried on:\n",
        result_tables.table(["", "accuracy 1", "accuracy 2"], librosa_rows),
    ]


SOURCES: Final = ("report", "multitrack", "groove", "pop909", "bands")


def _confidence(test: Sequence[Timed], chosen: dict[str, Tempo]) -> str:
    midi = [piece for piece in test if piece.source != "bands"]
    sure = np.array([chosen[piece.name].confidence for piece in midi])
    right = np.array(
        [abs(chosen[piece.name].bpm / piece.tempo_bpm - 1) <= TOLERANCE for piece in midi]
    )
    rows = [
        [f"{least:.2f}", float((sure >= least).mean()), float(right[sure >= least].mean())]
        for least in CONFIDENCES
    ]
    return "\nAccuracy by confidence:\n\n" + result_tables.table(
        ["confidence at least", "share", "accuracy"], rows
    )


if __name__ == "__main__":
    main()

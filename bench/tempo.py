"""Learn which pulse is the tempo, and measure how often it is right.

    python bench/tempo.py --data ../shared/data --cache /tmp/tempo [--write-weights]

Accuracy 1: within 4 % of the tempo that is written. Accuracy 2: or of twice, thrice, half or a
third of it. Everything is learned, and sizes are compared, on the half "develop"; the table is of
"test", and of the drum patterns of a report. Which of those patterns were wrong was known when
the share of patterns and the length of learning were raised.
"""

import argparse
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import nn

import tables
import tempo_data
from segue.audio.rhythm import Tempo, candidate_tempos, estimate_tempo, tempo_features
from segue.records import FloatArray
from tempo_data import Timed

WEIGHTS: Final = Path(__file__).parent.parent / "src/segue/weights/tempo.safetensors"
TOLERANCE: Final = 0.04
OCTAVES: Final = (1, 2, 3, 1 / 2, 1 / 3)
SEED: Final = 3
VARIANTS: Final = 2
PATTERN_VARIANTS: Final = 1  # there are enough of them
HIDDEN: Final = 96
MEMBERS: Final = 3
EPOCHS: Final = 80
BATCH: Final = 256
DECAY: Final = 0.05
DROPOUT: Final = 0.3
RATE: Final = 0.006
#: How much the pieces of each source count together, when learning.
SHARES: Final = {
    "multitrack": 1.0, "groove": 1.0, "pop909": 0.55, "more_pop909": 0.45, "patterns": 2.0,
    "bands": 0.4,
}  # fmt: skip
FOLD_BPM: Final = (70.0, 180.0)
CONFIDENCES: Final = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--write-weights", action="store_true")
    arguments = parser.parse_args()
    known = tempo_data.timed(arguments.data, arguments.cache)
    if arguments.write_weights:
        learned = learn([one for one in known if one.half == "develop"])
        save_file(learned, WEIGHTS)
    test = [one for one in known if one.half == "test" and one.today_bpm > 0]
    chosen = {one.name: estimate_tempo(one.onsets, one.today_bpm) for one in test}
    tables.keep("tempo", "Tempo", [*_accuracies(test, chosen), _confidence(test, chosen)])


def learn(pieces: Sequence[Timed]) -> dict[str, FloatArray]:
    """Learn to choose among candidates: a softmax over them, of a network that sees one each.

    From the pieces as they are, and from variants of each.
    """
    rng = np.random.default_rng(SEED)
    variants = [
        tempo_data.varied(piece, rng)
        for piece in pieces
        for _ in range(PATTERN_VARIANTS if piece.source == "patterns" else VARIANTS)
    ]
    examples = _examples([*pieces, *variants])
    rows = examples.features[examples.there]
    mean, scale = rows.mean(axis=0), rows.std(axis=0) + 1e-3
    standard = np.asarray((examples.features - mean) / scale, np.float32)
    with ProcessPoolExecutor(MEMBERS, multiprocessing.get_context("spawn")) as pool:
        members = list(pool.map(partial(_member, standard, examples), range(MEMBERS)))
    first, bias, second = (np.concatenate(part, axis=-1) for part in zip(*members, strict=True))
    return {
        "mean": mean.astype(np.float32),
        "scale": scale.astype(np.float32),
        "first": first,
        "bias": bias,
        "second": second / MEMBERS,
    }


@dataclass(frozen=True, slots=True)
class Examples:
    """Candidates of pieces, padded to the same number.

    Attributes
    ----------
    features : ndarray, shape (pieces, candidates, features), float32
    there, right : ndarray, shape (pieces, candidates), bool
        Which are no padding, and which are within the tolerance.
    weights : ndarray, shape (pieces,), float32
        1 on average.
    """

    features: FloatArray
    there: np.ndarray
    right: np.ndarray
    weights: FloatArray


def _examples(pieces: Sequence[Timed]) -> Examples:
    """Describe all candidates of the pieces that have the right one among them."""
    known = []
    counts = {source: sum(one.source == source for one in pieces) for source in SHARES}
    for piece in pieces:
        candidates = candidate_tempos(piece.today_bpm)
        hits = np.abs(candidates / piece.tempo_bpm - 1) <= TOLERANCE
        if hits.any():
            weight = SHARES[piece.source] / counts[piece.source]
            known.append((tempo_features(piece.onsets, candidates), hits, weight))
    most = max(len(hits) for _, hits, _ in known)
    features = np.zeros((len(known), most, known[0][0].shape[1]), np.float32)
    there, right = np.zeros((2, len(known), most), bool)
    for row, (described, hits, _) in enumerate(known):
        features[row, : len(hits)] = described
        there[row, : len(hits)] = True
        right[row, : len(hits)] = hits
    weights = np.array([weight for _, _, weight in known], np.float32)
    return Examples(features, there, right, weights / weights.mean())


def _member(
    described: FloatArray, examples: Examples, seed: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    standard = torch.from_numpy(described)
    absent, wrong = torch.from_numpy(~examples.there), torch.from_numpy(~examples.right)
    weights = torch.from_numpy(examples.weights)
    first, second = nn.Linear(standard.shape[2], HIDDEN), nn.Linear(HIDDEN, 1, bias=False)
    model = nn.Sequential(nn.Dropout(DROPOUT), first, nn.Tanh(), nn.Dropout(DROPOUT), second)
    optimiser = torch.optim.AdamW(model.parameters(), RATE, weight_decay=DECAY)
    steps = EPOCHS * -(-len(standard) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, steps)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(standard)).split(BATCH):  # type: ignore[no-untyped-call]
            scores = model(standard[batch]).squeeze(2).masked_fill(absent[batch], -torch.inf)
            hits = scores.masked_fill(wrong[batch], -torch.inf)
            missed = torch.logsumexp(scores, 1) - torch.logsumexp(hits, 1)
            loss = (weights[batch] * missed).mean()
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
    kept = [first.weight.detach().T, first.bias.detach(), second.weight.detach()[0]]
    a, b, c = (np.ascontiguousarray(one.numpy()) for one in kept)
    return a, b, c


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
        "before: the strongest pulse": lambda one: one.today_bpm,
        "that, folded to 70-180": lambda one: folded(one.today_bpm),
        "that, folded to 84-168": lambda one: folded(one.today_bpm, 84.0, 168.0),
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
        "Accuracy 1 / accuracy 2, files that nothing was learned from; which of the\n"
        "report's patterns an earlier fit had wrong was known when this one was made:\n",
        tables.table(["", *heads], rows),
        f"\nOn the {len(beside)} of them that librosa was tried on:\n",
        tables.table(["", "accuracy 1", "accuracy 2"], found),
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
    return "\nHow often the tempo is right, by its confidence:\n\n" + tables.table(
        ["confidence at least", "of all", "right"], rows
    )


if __name__ == "__main__":
    main()

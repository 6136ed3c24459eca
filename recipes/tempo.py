"""The network that chooses the tempo among candidates: weights/tempo.safetensors.

    python -m recipes.tempo --data ../shared/data --cache /tmp/tempo

On the half "develop" of `recipes/datasets/annotated_tempo.py`.
"""

import argparse
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import nn

from recipes.datasets import annotated_tempo
from recipes.datasets.annotated_tempo import Timed
from segue.audio.rhythm import candidate_tempos, tempo_features
from segue.builtin_spaces import WEIGHTS
from segue.records import FloatArray

TOLERANCE: Final = 0.04


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


def train(pieces: Sequence[Timed]) -> dict[str, FloatArray]:
    """Train a softmax over candidate tempos, each scored by a network, on pieces and variants."""
    rng = np.random.default_rng(SEED)
    variants = [
        annotated_tempo.varied(piece, rng)
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
    counts = {source: sum(piece.source == source for piece in pieces) for source in SHARES}
    for piece in pieces:
        candidates = candidate_tempos(piece.today_bpm)
        hits = np.abs(candidates / piece.tempo_bpm - 1) <= TOLERANCE
        if hits.any():
            weight = SHARES[piece.source] / counts[piece.source]
            known.append((tempo_features(piece.onsets, candidates), hits, weight))
    longest = max(len(hits) for _, hits, _ in known)
    features = np.zeros((len(known), longest, known[0][0].shape[1]), np.float32)
    present, right = np.zeros((2, len(known), longest), bool)
    for row, (described, hits, _) in enumerate(known):
        features[row, : len(hits)] = described
        present[row, : len(hits)] = True
        right[row, : len(hits)] = hits
    weights = np.array([weight for _, _, weight in known], np.float32)
    return Examples(features, present, right, weights / weights.mean())


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
    parameters = [first.weight.detach().T, first.bias.detach(), second.weight.detach()[0]]
    a, b, c = (np.ascontiguousarray(parameter.numpy()) for parameter in parameters)
    return a, b, c


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    options = parser.parse_args()
    pieces = annotated_tempo.timed(options.data, options.cache)
    weights = train([piece for piece in pieces if piece.half == "develop"])
    save_file(weights, WEIGHTS / "tempo.safetensors")


if __name__ == "__main__":
    main()

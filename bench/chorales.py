"""Negative log-likelihood of JSB Chorales, in nats per voice and sixteenth, on the test set.

    python -m bench.chorales --data ../shared/data --work .bench-cache/chorales

Of the best weights so far of each run of `recipes/chorales.py` in the folder, and of n-grams. The
published division into 229, 76 and 77 chorales; the training set is transposed, nothing is added.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from bench import result_tables, witten_bell
from recipes.chorales import RUNS, Piece, costs, load_network, read_chorales, transpose
from segue.generate.harmony.chorale_network import (
    NUM_PITCHES,
    ChoraleConfig,
    load_chorale_network,
)
from segue.nn.checkpoint import load_checkpoint
from segue.nn.lm_training import LMTrainingConfig
from segue.nn.trainer import BEST, STATE

#: Of the tokens of an n-gram's context: the voice's last pitch counts most, then the three tokens
#: before, then older pitches of the voice. All know their voice and place in the beat.
ORDER: Final = (4, 1, 2, 3, 8, 12, 16)
BEAT: Final = 16  # tokens
#: Nats per voice and sixteenth, all as cited by the issue that set this task.
PUBLISHED: Final = {
    "Witten–Bell n-gram": 0.582,
    "Witten–Bell n-gram, 12 transpositions": 0.481,
    "rotary transformer": 0.508,
    "its successor": 0.489,
    "trial of this project, 1.8 M weights, 54 minutes on one core": 0.405,
}


@dataclass(frozen=True, slots=True)
class TokenCosts:
    """Negative log-likelihood of the tokens of chorales, in nats.

    Attributes
    ----------
    costs : ndarray, shape (frames, 4)
    onsets : ndarray, shape (frames,), bool
        Frames in which a voice begins a note.
    """

    costs: NDArray[np.float64]
    onsets: NDArray[np.bool_]

    @property
    def row(self) -> list[float]:
        """Mean loss of all frames, of those with an onset, and of those that only repeat."""
        return [
            float(self.costs.mean()),
            float(self.costs[self.onsets].mean()),
            float(self.costs[~self.onsets].mean()),
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    show(read_chorales(options.data), options.work)


def show(pieces: dict[str, list[Piece]], work: Path) -> None:
    """Make the table."""
    onsets = onsets_of(pieces["test"])
    rows: list[list[object]] = []
    for name, moves in (("none", [0]), ("−6 … +6", range(-6, 7))):
        length, valid, test = n_gram(pieces, moves)
        label = f"Witten–Bell, contexts of {length} tokens, computed here; transpositions: {name}"
        rows.append([label, "–", valid, *TokenCosts(test, onsets).row])
    runs = []
    for name, (config, training) in RUNS.items():
        if not (work / name / BEST).exists():
            continue
        network = load_network(name, work)
        valid = float(np.mean(costs(network, pieces["valid"])))
        token_costs = TokenCosts(costs(network, pieces["test"]), onsets)
        count = sum(parameter.numel() for parameter in network.parameters())
        weights = f"{count / 1e6:.2f} M"
        rows.append([f"**Segue, {name} run, one model**", weights, valid, *token_costs.row])
        runs.append(_training(name, config, training, work / name))
    bundled = load_chorale_network()
    valid = float(np.mean(costs(bundled, pieces["valid"])))
    token_costs = TokenCosts(costs(bundled, pieces["test"]), onsets)
    rows.append(["**Segue, bundled: the same, calibrated**", "2.54 M", valid, *token_costs.row])
    result_tables.write_table(
        "chorales",
        "Negative log-likelihood of JSB Chorales, nats per voice and sixteenth",
        [
            "Sixteenth grid, published division (229, 76, 77 chorales), voices interleaved "
            "soprano, alto, tenor, bass; every voice of every frame of a chorale counts, from its "
            f"first on. {int(onsets.sum())} of the {len(onsets)} test frames hold an onset: a "
            "voice begins another pitch (repeated pitches cannot be distinguished in these "
            "data).\n",
            result_tables.table(
                [
                    "model",
                    "weights",
                    "validation",
                    "test",
                    "test, frames with an onset",
                    "test, frames without an onset",
                ],
                rows,
            ),
            *runs,
            "The length of the n-gram's context, and the epoch, are chosen on the validation "
            "set.\n\nPublished, as cited by the issue:\n",
            result_tables.table(["model", "test"], list(PUBLISHED.items())),
        ],
    )


def _training(name: str, config: ChoraleConfig, training: LMTrainingConfig, folder: Path) -> str:
    state = load_checkpoint(folder / STATE, "training").metadata
    best, stack = state["best"], config.stack
    return (
        f"Segue, {name} trained: {stack.layers} layers of {stack.width} over frames, "
        f"{config.head_layers} over voices, {stack.context} frames in view, dropout "
        f"{stack.dropout:g}, feature dropout {config.feature_dropout:g}, weight decay "
        f"{training.weight_decay:g}; transposed by −6 … +6; mean of the weights over steps. "
        f"Epoch {best['epoch']} of {len(state['history'])} run so far, of {state['epochs']} set "
        f"out, {state['steps_per_epoch']} steps of {training.batch_size} × {training.context} "
        f"each: {best['seconds'] / 60:.0f} minutes of training up to it on a shared core "
        f"({state['precision']}). The loss in training was {best['loss']:.3f} then, with "
        "dropout.\n"
    )


def n_gram(
    pieces: dict[str, list[Piece]], moves: Sequence[int]
) -> tuple[int, float, NDArray[np.float64]]:
    """Return the best context length, the validation loss, and the loss of each test token."""
    known = [
        moved
        for piece in pieces["train"]
        for by in moves
        if (moved := transpose(piece.tokens, by)) is not None
    ]
    both = [piece.tokens for piece in (*pieces["valid"], *pieces["test"])]
    first = sum(piece.tokens.size for piece in pieces["valid"])
    found = [
        (float(cost[:first].mean()), length, cost[first:])
        for length, cost in enumerate(witten_bell.costs(known, both, NUM_PITCHES, ORDER, BEAT))
    ]
    valid, length, test = min(found, key=lambda one: one[0])
    return length, valid, test.reshape(-1, 4)


def onsets_of(pieces: Sequence[Piece]) -> NDArray[np.bool_]:
    """Return in which frames a voice's pitch differs from the frame before; the first one does."""
    return np.concatenate(
        [
            np.concatenate([[True], (piece.tokens[1:] != piece.tokens[:-1]).any(axis=1)])
            for piece in pieces
        ]
    )


if __name__ == "__main__":
    main()

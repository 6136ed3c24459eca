"""The composing transformer: weights/composer.safetensors.

    python -m recipes.composer --data ../shared/data --work .bench-cache/composing --train
    python -m recipes.composer --data ../shared/data --work .bench-cache/composing --save

The first trains, or continues a run; the second writes the best weights so far.
"""

import argparse
from pathlib import Path
from typing import Final

import torch

from recipes.datasets import compositions
from recipes.lm_training import load_best, print_progress
from segue.generate.compose.model import PRETRAINED, Composer
from segue.generate.compose.training import (
    ComposerTraining,
    index_pieces,
    new_network,
    train_composer,
)
from segue.nn.trainer import STATE

EPOCHS: Final = 18
LEARNING_RATE: Final = 1.5e-3

Pieces = dict[str, list[compositions.Piece]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--rolls", type=Path, default=Path(".bench-cache/rolls"))
    parser.add_argument("--train", action="store_true")
    parser.add_argument("--start", type=Path, help="weights of an earlier run to start from")
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    sides = by_side(options.data, options.rolls)
    if options.train:
        train(sides, options.work, options.start)
    if options.save:
        save_best(sides, options.work)


def by_side(data: Path, rolls: Path) -> Pieces:
    """Return the pieces of the training, validation and test sets."""
    pieces = compositions.pieces(data, rolls)
    return {
        side: [piece for piece in pieces if piece.side == side]
        for side in ("train", "validation", "test")
    }


def train(sides: Pieces, work: Path, start: Path | None) -> None:
    training = ComposerTraining(epochs=EPOCHS, learning_rate=LEARNING_RATE, device="cpu")
    train_composer(
        training,
        [piece.piece for piece in sides["train"]],
        [piece.piece for piece in sides["validation"]],
        work,
        start=Composer.load(start) if start else None,
        resume=(work / STATE).exists(),
        watch=print_progress(),
    )


def save_best(sides: Pieces, work: Path) -> None:
    network = new_network()
    load_best(network, work)
    known = index_pieces([piece.piece for piece in sides["train"]])
    Composer(network, known, {"trained by": "recipes/composer.py"}).save(PRETRAINED, torch.bfloat16)
    print(f"{PRETRAINED}: {PRETRAINED.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()

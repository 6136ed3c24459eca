"""Learns what `segue compose` writes with, and tells what it learned.

    python bench/composing.py --data ../shared/data --work .bench-cache/composing --learn

Learns, or goes on where it was interrupted, and writes `composer.safetensors` into the folder.
"""

import argparse
import time
from pathlib import Path

import torch

import composition_data
from segue.train.composer import ComposerTraining, train_composer
from segue.train.loop import STATE, Progress

EPOCHS = 13


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--rolls", type=Path, default=Path(".bench-cache/rolls"))
    parser.add_argument("--learn", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.learn:
        learn(options.data, options.work, options.rolls)


def learn(data: Path, work: Path, rolls: Path) -> None:
    found = composition_data.pieces(data, rolls)
    learned = [one.piece for one in found if one.side == "train"]
    judging = [one.piece for one in found if one.side == "validation"]
    began = time.perf_counter()

    def watch(at: Progress) -> None:
        if at.step % 10 == 0:
            print(
                f"epoch {at.epoch}/{at.epochs}, step {at.step}/{at.steps}: {at.loss:.4f}, "
                f"validation {at.validation_loss:.4f}, {time.perf_counter() - began:.0f} s",
                flush=True,
            )

    training = ComposerTraining(epochs=EPOCHS, device="cpu")
    there = (work / STATE).exists()
    train_composer(training, learned, judging, work, resume=there, watch=watch)


if __name__ == "__main__":
    main()

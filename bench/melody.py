"""Melodies for chords: learns the shipped weights, and holds what they write against real songs.

    python bench/melody.py --data ../shared/data --work .bench-cache/melody --learn 42
    python bench/melody.py --data ../shared/data --work .bench-cache/melody
"""

import argparse
import time
from pathlib import Path
from typing import Final

import torch

from lead_sheets import songs
from segue.model.score.melody import MelodyConfig, MelodyNetwork
from segue.model.score.transformer import StackConfig
from segue.train.loop import STATE, Progress
from segue.train.melody import MelodyTraining, train_melody

CONFIG: Final = MelodyConfig(StackConfig(160, 4, 5, context=192, dropout=0.15), ("folk", "pop"))
TRAINING: Final = MelodyTraining(steps_per_epoch=150, learning_rate=2.5e-3, device="cpu")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--learn", type=float)
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = songs(options.data)
    if options.learn:
        from dataclasses import replace

        last = time.monotonic()

        def watch(at: Progress) -> None:
            nonlocal last
            if time.monotonic() - last > 15:
                last = time.monotonic()
                print(
                    f"epoch {at.epoch}/{at.epochs}, step {at.step}/{at.steps}: {at.loss:.4f}, "
                    f"validation {at.validation_loss:.4f}, {at.remaining_s / 60:.0f} minutes to go",
                    dict(at.parts),
                    flush=True,
                )

        torch.manual_seed(0)
        network = MelodyNetwork(CONFIG)
        sheets = {
            side: [sheet for song in found if song.side == side for sheet in song.sheets]
            for side in ("train", "validation")
        }
        train_melody(
            network,
            replace(TRAINING, minutes=options.learn),
            sheets["train"],
            sheets["validation"],
            options.work,
            resume=(options.work / STATE).exists(),
            watch=watch,
        )


if __name__ == "__main__":
    main()

"""The melody model: weights/melody.safetensors.

    python -m recipes.melody --data ../shared/data --work .bench-cache/melody --minutes 40

Trains, or continues a run, and writes the best weights; with `--minutes 0` those so far. With
`--fine-tune` a new run begins with the bundled weights, which saw no song of the other sides.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import torch

from recipes import print_progress
from recipes.datasets.lead_sheets import STYLES, Song, songs
from segue.generate.melody.lead_sheet import LeadSheet
from segue.generate.melody.model import PRETRAINED, MelodyConfig, MelodyModel, MelodyNetwork
from segue.generate.melody.training import (
    MelodyTraining,
    build_melody_model,
    train_melody,
    with_styles,
)
from segue.nn.checkpoint import load_checkpoint
from segue.nn.lm_training import load_best
from segue.nn.trainer import STATE
from segue.nn.transformer import StackConfig

CONFIG: Final = MelodyConfig(StackConfig(160, 4, 5, context=192, dropout=0.15), STYLES)
TRAINING: Final = MelodyTraining(
    epochs=20, steps_per_epoch=100, learning_rate=2.5e-3, ema_decay=0.99, device="cpu"
)
FINE_TUNING: Final = replace(TRAINING, epochs=10, learning_rate=1.5e-3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--fine-tune", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    dataset = songs(options.data)
    if options.minutes:
        train(dataset, options.work, options.minutes, fine_tune=options.fine_tune)
    best_model(dataset, options.work).save(PRETRAINED, torch.bfloat16)


def sheets_of(dataset: Sequence[Song], side: str) -> list[LeadSheet]:
    """Return the lead sheets of the training, validation or test set."""
    return [sheet for song in dataset if song.side == side for sheet in song.sheets]


def train(dataset: Sequence[Song], work: Path, minutes: float, *, fine_tune: bool) -> None:
    training = FINE_TUNING if fine_tune else TRAINING
    torch.manual_seed(training.seed)
    network = MelodyNetwork(CONFIG)
    if fine_tune:
        network = with_styles(MelodyModel.pretrained().network, STYLES)
    train_melody(
        network,
        replace(training, minutes=minutes),
        sheets_of(dataset, "train"),
        sheets_of(dataset, "validation"),
        work,
        resume=(work / STATE).exists(),
        watch=print_progress(),
    )


def best_model(dataset: Sequence[Song], work: Path) -> MelodyModel:
    """Return a model of the best weights so far."""
    network = MelodyNetwork(CONFIG)
    load_best(network, work)
    state = load_checkpoint(work / STATE, "training").metadata
    training, validation = sheets_of(dataset, "train"), sheets_of(dataset, "validation")
    metadata = {
        "training": state["about"]["training"],
        "melodies": len(training),
        "held_out_melodies": len(validation),
        "epochs": len(state["history"]),
        "best": state["best"],
        "precision": state["precision"],
    }
    return build_melody_model(network, training, validation, metadata)


if __name__ == "__main__":
    main()

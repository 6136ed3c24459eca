"""The piano-roll VAE: weights/roll-vae.safetensors.

    python -m recipes.roll_vae --data ../shared/data --work DIR [--minutes 30] [--save] [NAME ...]

NAME is of `MODELS`. They are trained on the training set of `recipes/datasets/piano_rolls.py`, and
calibrated on the validation set. With `--save`, the default, its decoder trained for longer, is
written to the package in half precision. Models in DIR are loaded, and runs continued.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from recipes import print_progress
from recipes.datasets.piano_rolls import Side, Song, Source, songs
from segue.builtin_spaces import ROLL_VAE_WEIGHTS
from segue.nn.checkpoint import MODEL
from segue.nn.trainer import (
    STATE,
    FitResult,
    Objective,
    ProgressCallback,
    TrainerConfig,
    fit,
    fixed_batches,
)
from segue.score.vae.model import RollModel
from segue.score.vae.network import Losses, NoteEncoder
from segue.score.vae.training import (
    CALIBRATION_WINDOWS,
    EPOCHS,
    FREE_NATS,
    LOSS_SCALE,
    PATIENCE,
    STEPS_PER_EPOCH,
    VALIDATION_BATCHES,
    RollTrack,
    ScoreTraining,
    WindowSampler,
    tracks_fingerprint,
    train_on_split,
)

FINETUNING_RATE: Final = 1.5e-3
MODELS: dict[str, ScoreTraining] = {
    "classic": ScoreTraining("conv"),
    "classic-3": ScoreTraining("conv", convolutions=3),
    "lstm": ScoreTraining("lstm"),
    "default": ScoreTraining(),
}
#: How often a source is drawn from.
SHARES: dict[Source, float] = {"pop909": 0.55, "folk": 0.2, "multitrack": 0.25}
FEWEST_BARS = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--further", type=float, default=12.0, help="minutes, of decoding alone")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--save", action="store_true", help="write the bundled weights")
    parser.add_argument("--finetune-bundled", type=float, help="minutes, of decoding alone")
    parser.add_argument("names", nargs="*", metavar="NAME")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    found = songs(options.data, options.work)
    learn, validate = tracks(found, "train"), tracks(found, "validation")
    for name in options.names:
        trained_model(MODELS[name], learn, validate, options.work / name, options.minutes)
    if options.finetune_bundled:
        model = RollModel.pretrained()
        folder = options.work / "bundled-decoding"
        finetune_decoder(
            model, learn, validate, folder, options.finetune_bundled,
            resume=(folder / STATE).exists(), watch=print_progress(),
        )  # fmt: skip
        model.save(options.work / "roll-vae.safetensors", torch.float16)
    if options.save:
        folder = options.work / "default"
        model = trained_model(MODELS["default"], learn, validate, folder, options.minutes)
        further = options.work / "default-decoding"
        if (further / MODEL).exists():
            model = RollModel.load(further)
        elif options.further:
            resume = (further / STATE).exists()
            trained = finetune_decoder(
                model, learn, validate, further, options.further, resume=resume,
                watch=print_progress(),
            )  # fmt: skip
            print(trained.best, trained.stopped, flush=True)
            model.save(further / MODEL)
        model.save(ROLL_VAE_WEIGHTS, torch.float16)
        print(
            f"{ROLL_VAE_WEIGHTS}: {ROLL_VAE_WEIGHTS.stat().st_size / 1e6:.2f} MB, "
            f"{model.fingerprint}"
        )


def tracks(found: Sequence[Song], side: Side) -> list[RollTrack]:
    """Return the songs of a side that are long enough, weighted by their sources."""
    some = [song for song in found if song.side == side and len(song.bars) >= FEWEST_BARS]
    count = Counter(song.source for song in some)
    return [
        RollTrack(song.name, song.bars, song.group, SHARES[song.source] / count[song.source])
        for song in some
    ]


def trained_model(
    training: ScoreTraining,
    train_tracks: Sequence[RollTrack],
    validation_tracks: Sequence[RollTrack],
    folder: Path,
    minutes: float,
) -> RollModel:
    """Train a model, or load it if it was trained before."""
    if (folder / MODEL).exists():
        return RollModel.load(folder)
    training = replace(training, minutes=minutes)
    resume = (folder / STATE).exists()
    model, trained = train_on_split(
        training, train_tracks, validation_tracks, folder, resume=resume, watch=print_progress()
    )
    print(
        folder.name, trained.best, trained.stopped, model.metadata["validation_parts"], flush=True
    )
    model.save(folder / MODEL)
    return model


def finetune_decoder(
    model: RollModel,
    train_tracks: Sequence[RollTrack],
    validation_tracks: Sequence[RollTrack],
    folder: Path,
    minutes: float,
    *,
    resume: bool = False,
    watch: ProgressCallback | None = None,
) -> FitResult:
    """Train the decoder and the absolute part further, with the invariant part frozen.

    The contrastive loss takes two windows of each song, and few of them are decoded; decoding
    alone sees more windows in the same time.

    Parameters
    ----------
    model : RollModel
        Model of the default network; it is changed in place, and calibrated again.
    train_tracks, validation_tracks : sequence of RollTrack
    folder : Path
        Folder for the state of the run.
    minutes : float
    resume : bool
    watch : callable, optional
    """
    training = ScoreTraining(**model.metadata["training"])
    network = model.network
    assert isinstance(network.encoder, NoteEncoder)
    network.encoder.frozen = True
    train_sampler = WindowSampler(train_tracks, contrast=False, transpose=True)
    validation_sampler = WindowSampler(validation_tracks, contrast=False)

    def loss(net: Any, target: Tensor) -> Tensor:
        losses: Losses = net.loss(target)
        kl = losses.kl.mean(dim=0).clamp(min=FREE_NATS).sum()
        return (losses.reconstruction + training.kl_weight * kl) * LOSS_SCALE

    validation = fixed_batches(validation_sampler.batch, VALIDATION_BATCHES, training.seed)
    objective = Objective(network, train_sampler.batch, lambda: validation, loss)
    loop = TrainerConfig(
        EPOCHS, STEPS_PER_EPOCH, learning_rate=FINETUNING_RATE, optimiser="adamw",
        weight_decay=0.02, schedule="cosine", clip=1.0, patience=PATIENCE, minutes=minutes,
        seed=training.seed, device=training.device,
    )  # fmt: skip
    run = {
        "tracks": tracks_fingerprint(train_tracks, validation_tracks),
        "decodes": asdict(model.config),
    }
    trained = fit(objective, loop, folder, run, resume=resume, watch=watch)
    network.to("cpu").eval()
    network.encoder.frozen = False
    invariant_mean = model.mean[: model.config.invariant].copy()
    rng = np.random.default_rng(training.seed)
    model.calibrate(validation_sampler.windows(CALIBRATION_WINDOWS, rng))
    model.mean[: model.config.invariant] = invariant_mean
    model.metadata |= {"decoding_validation_loss": trained.best.validation_loss}
    return trained


if __name__ == "__main__":
    main()

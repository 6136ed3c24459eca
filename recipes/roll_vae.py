"""The piano-roll VAE: weights/roll-vae.safetensors and weights/roll-decoder.safetensors.

    python -m recipes.roll_vae --data ../shared/data --work DIR [--minutes 30] [--save] [NAME ...]
    python -m recipes.roll_vae --data ../shared/data --work DIR --save-decoder

NAME is of `MODELS`. They are trained on the training set of `recipes/datasets/piano_rolls.py`, and
calibrated on the validation set. `--save` writes the default in half precision, of which the
package uses the encoder of the space; `--save-decoder` trains and writes the autoencoder of quarter
notes, from which rolls are sampled, interpolated and reconstructed, so that it can change while
the space stays. Models in DIR are loaded, and runs continued.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from recipes import print_progress
from recipes.datasets.piano_rolls import Side, Song, Source, songs
from segue.builtin_spaces import ROLL_VAE_WEIGHTS
from segue.nn.checkpoint import MODEL
from segue.nn.trainer import STATE, Objective, ProgressCallback, TrainerConfig, fit, fixed_batches
from segue.score.piano_roll import INSTRUMENTS, RollNotes
from segue.score.vae.frames import FrameDecoder
from segue.score.vae.model import ROLL_DECODER_WEIGHTS, RollModel
from segue.score.vae.network import Latents, RollVAE, default_config, kl_divergence
from segue.score.vae.training import (
    CALIBRATION_WINDOWS,
    DEFAULT_BETA,
    FREE_NATS,
    LOSS_SCALE,
    VALIDATION_BATCHES,
    RollTrack,
    ScoreTraining,
    WindowSampler,
    note_table,
    tracks_fingerprint,
    train_on_split,
    train_prior,
)

#: Of the autoencoder of quarter notes.
DECODER_BATCH_SIZE: Final = 32
DECODER_STEPS: Final = 100
DECODER_EPOCHS: Final = 40
PRIOR_STEPS: Final = 4000
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
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--save", action="store_true", help="write the bundled encoder")
    parser.add_argument("--save-decoder", action="store_true", help="write the bundled decoder")
    parser.add_argument("names", nargs="*", metavar="NAME")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    all_songs = songs(options.data, options.work)
    train, validation = tracks(all_songs, "train"), tracks(all_songs, "validation")
    names = [*options.names, *(["default"] if options.save else [])]
    for name in names:
        model = trained_model(MODELS[name], train, validation, options.work / name, options.minutes)
        if options.save and name == "default":
            model.save(ROLL_VAE_WEIGHTS, torch.float16)
    if options.save_decoder:
        folder = options.work / "decoder"
        watch = print_progress()
        model = train_decoder(train, validation, folder, DECODER_EPOCHS, watch=watch)
        model.save_decoder(ROLL_DECODER_WEIGHTS)
        print(f"{ROLL_DECODER_WEIGHTS}: {ROLL_DECODER_WEIGHTS.stat().st_size / 1e6:.2f} MB")


def tracks(all_songs: Sequence[Song], side: Side) -> list[RollTrack]:
    """Return the songs of a side that are long enough, weighted by their sources."""
    chosen = [song for song in all_songs if song.side == side and len(song.bars) >= FEWEST_BARS]
    count = Counter(song.source for song in chosen)
    return [
        RollTrack(song.name, song.bars, song.group, SHARES[song.source] / count[song.source])
        for song in chosen
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


class FrameAutoencoder(nn.Module):
    """The autoencoder of quarter notes of a network, with its loss."""

    def __init__(self, network: RollVAE) -> None:
        super().__init__()
        assert network.frames is not None
        assert isinstance(network.decoder, FrameDecoder)
        self.frames, self.decoder = network.frames, network.decoder

    def loss(self, table: Tensor) -> Tensor:
        """Return the mean loss of windows, given the table of their notes."""
        columns = table.cpu().numpy().T
        notes = RollNotes.from_columns(columns, int(columns[0, -1]) + 1)
        latents = Latents(*self.frames(notes))
        nll = self.decoder.nll(latents.sample(), notes).mean()
        kl = kl_divergence(latents).mean(dim=0).clamp(min=FREE_NATS).sum()
        return nll.add(kl, alpha=DEFAULT_BETA) * LOSS_SCALE


def train_decoder(
    train_tracks: Sequence[RollTrack],
    validation_tracks: Sequence[RollTrack],
    folder: Path,
    epochs: int,
    *,
    prior_steps: int = PRIOR_STEPS,
    seed: int = 0,
    watch: ProgressCallback | None = None,
) -> RollModel:
    """Train the autoencoder of quarter notes and its prior, without the encoder of the space.

    The contrastive loss takes two windows of each song, and few of them are decoded; decoding
    alone sees more windows in the same time.

    Parameters
    ----------
    train_tracks, validation_tracks : sequence of RollTrack
    folder : Path
        Folder for the state of the run, which is resumed if there is one.
    epochs : int
        Number of epochs of `DECODER_STEPS` steps.
    prior_steps : int
        Number of steps of the prior.
    seed : int
        Random seed.
    watch : callable, optional
        Called with a `Progress` after each step.
    """
    torch.manual_seed(seed)
    network = RollVAE(default_config())
    train_sampler = WindowSampler(train_tracks, contrast=False)
    validation_sampler = WindowSampler(validation_tracks, contrast=False)

    def draw(sampler: WindowSampler, rng: np.random.Generator) -> tuple[Tensor]:
        return (note_table(sampler.transposed_notes(DECODER_BATCH_SIZE, rng)),)

    validation = fixed_batches(partial(draw, validation_sampler), VALIDATION_BATCHES, seed)
    objective = Objective(
        FrameAutoencoder(network),
        partial(draw, train_sampler),
        lambda: validation,
        lambda net, table: net.loss(table),
    )
    loop = TrainerConfig(
        epochs, DECODER_STEPS, learning_rate=3e-3, optimiser="adamw", weight_decay=0.01,
        betas=(0.9, 0.98), schedule="cosine", clip=1.0, patience=epochs, seed=seed, device="cpu",
    )  # fmt: skip
    run = {
        "tracks": tracks_fingerprint(train_tracks, validation_tracks),
        "decodes": asdict(network.config),
    }
    resume = (folder / STATE).exists()
    trained = fit(objective, loop, folder, run, resume=resume, watch=watch)
    network.to("cpu").eval()
    prior = train_prior(network, train_sampler, prior_steps, seed)
    empty = np.zeros(network.config.latent, np.float32)
    thresholds = np.full(len(INSTRUMENTS), 0.5, np.float32)
    model = RollModel(network, thresholds, empty, prior, trained.summary())
    rng = np.random.default_rng(seed)
    model.calibrate(validation_sampler.windows(CALIBRATION_WINDOWS, rng))
    return model


if __name__ == "__main__":
    main()

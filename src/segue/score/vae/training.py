"""Training of the piano-roll VAE: options, sampling of windows, losses and calibration.

The loss is that of a beta-VAE with free bits (Kingma et al. 2016), plus for the default network a
contrastive one: two augmented windows of a song are a positive pair, as in SimCLR.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segue.errors import BadArgument
from segue.nn.checkpoint import MODEL
from segue.nn.split import train_validation_split
from segue.nn.trainer import (
    Batch,
    FitResult,
    LossTerms,
    Objective,
    ProgressCallback,
    TrainerConfig,
    TrainingOptions,
    data_fingerprint,
    fit,
    fixed_batches,
)
from segue.records import BoolArray
from segue.score.piano_roll import (
    N_PITCHES,
    STEPS_PER_BAR,
    WINDOW_BARS,
    WINDOW_STEPS,
    RollNotes,
    extract_notes,
    rasterise_notes,
    unpack_bars,
)
from segue.score.vae.frames import LatentPrior, fit_prior
from segue.score.vae.model import PatternProjection, RollModel
from segue.score.vae.network import (
    Losses,
    RollVAE,
    RollVAEConfig,
    conv_config,
    default_config,
    lstm_config,
)

#: Weights of the KL divergence; at 1 the default network's posterior collapses (see JOURNAL.md).
DEFAULT_BETA: Final = 0.05
#: For one latent of the window, as in version 0.1.
WINDOW_BETA: Final = 0.02
PUBLISHED_BETA: Final = 1.0


@dataclass(frozen=True, slots=True)
class ScoreTraining(TrainingOptions):
    """Training options; by default early stopping after at most `EPOCHS`.

    Attributes
    ----------
    encoder : {"default", "conv", "lstm"}
        "default" reads notes and is trained with a contrastive loss too; the others are as
        published.
    convolutions : int
        Number of convolutions of "conv", 2 or 3.
    beta : float, optional
        Weight of the KL divergence; by default that of the network.
    warm_up : int
        Steps over which the weight rises linearly from 0.
    """

    encoder: Literal["default", "conv", "lstm"] = "default"
    convolutions: int = 2
    beta: float | None = None
    warm_up: int = 200

    def __post_init__(self) -> None:
        """Check that the options go together.

        Raises
        ------
        BadArgument
        """
        TrainingOptions.__post_init__(self)
        for is_wrong, message in (
            (
                self.convolutions not in (2, 3),
                f"--convolutions {self.convolutions}: there are two, or three",
            ),
            (
                self.convolutions != 2 and self.encoder != "conv",
                "--convolutions belongs to --encoder conv",
            ),
            (self.beta is not None and self.beta < 0, f"--beta {self.beta}: it is 0 or above"),
            (self.warm_up < 0, f"--warm-up {self.warm_up}: a number of steps, 0 or above"),
        ):
            if is_wrong:
                raise BadArgument(message)

    @property
    def network(self) -> RollVAEConfig:
        """Configuration of the network."""
        if self.encoder == "conv":
            return conv_config(self.convolutions)
        return lstm_config() if self.encoder == "lstm" else default_config()

    @property
    def kl_weight(self) -> float:
        """Weight of the KL divergence after the warm-up."""
        if self.beta is not None:
            return self.beta
        if self.encoder != "default":
            return PUBLISHED_BETA
        return DEFAULT_BETA if self.network.frame_latent else WINDOW_BETA


BATCH_SIZE: Final = 96
#: Windows of a contrastive batch that are decoded too, which is slow.
DECODED: Final = 40
TRANSPOSED_SHARE: Final = 0.25  # share of the windows
MAX_SEMITONES: Final = 6  # up or down
MAX_DROPPED_SHARE: Final = 0.15  # greatest share of the notes of a window that are dropped
SILENCED_SHARE: Final = 0.3  # share of the windows without an instrument
PERMUTED_SHARE: Final = 0.2  # share of the windows with permuted instruments
#: Instruments that are permuted: all but drums and bass.
_PERMUTED: Final = np.array([1, 2, 4])
_OCTAVE: Final = 12


@dataclass(frozen=True, slots=True, eq=False)
class RollTrack:
    """A score of the training or validation set.

    Attributes
    ----------
    name : str
        Identifier such as the content hash; it decides the split.
    bars : ndarray, shape (bars, 2520), uint8
        Cells, packed by `segue.score.piano_roll.pack_bars`.
    group : str
        Group that is kept in one set, such as an album; "" for a track of its own.
    weight : float
        Relative probability of being drawn.
    """

    name: str
    bars: NDArray[np.uint8]
    group: str = ""
    weight: float = 1.0

    def starts(self) -> NDArray[np.int64]:
        """Return the first bars of the windows that are not silent."""
        sounding = np.flatnonzero(self.bars.any(axis=1))
        last = max(len(self.bars) - WINDOW_BARS, 0)
        starts = sounding[:, None] - np.arange(WINDOW_BARS)
        return np.unique(starts.clip(0, last))

    def window(self, start: int) -> NDArray[np.uint8]:
        """Return four packed bars, padded with silence."""
        bars = self.bars[start : start + WINDOW_BARS]
        return np.pad(bars, ((0, WINDOW_BARS - len(bars)), (0, 0)))


class WindowSampler:
    """Samples batches of windows of four bars.

    Parameters
    ----------
    tracks : sequence of RollTrack
    contrast : bool
        Whether to sample two augmented windows of each song (transposed, with notes or an
        instrument dropped, with permuted instruments) instead of one window as it is.
    """

    def __init__(self, tracks: Sequence[RollTrack], *, contrast: bool) -> None:
        self._tracks = tracks
        self._starts = [track.starts() for track in tracks]
        weights = np.array([track.weight for track in tracks])
        self._weights = weights / weights.sum()
        self._contrast = contrast

    @cached_property
    def _notes(self) -> list[RollNotes]:
        return [extract_notes(unpack_bars(track.bars)[None]) for track in self._tracks]

    def batch(self, rng: np.random.Generator) -> Batch:
        """Sample the arguments of `RollVAE.loss`."""
        if not self._contrast:
            return (torch.from_numpy(self.windows(BATCH_SIZE, rng)),)
        count = min(BATCH_SIZE, int(np.count_nonzero(self._weights)))
        tracks = rng.choice(len(self._tracks), count, replace=False, p=self._weights).tolist()
        starts = np.array([self._pair(track, rng) for track in tracks])
        windows = [
            (self._notes[track], start)
            for side in range(2)
            for track, start in zip(tracks, starts[:, side].tolist(), strict=True)
        ]
        notes = swap_instruments(transpose_windows(cut_windows(windows), rng), rng)
        target = rasterise_notes(notes.head(min(DECODED, count)))
        # The target keeps the notes that are dropped from the input, as in a denoising autoencoder.
        notes = drop_notes(drop_instruments(notes, count, rng), rng)
        return torch.from_numpy(target), note_table(notes)

    def transposed_notes(self, count: int, rng: np.random.Generator) -> RollNotes:
        """Sample the notes of windows, all transposed by up to `MAX_SEMITONES`."""
        windows = [
            (self._notes[track], int(rng.choice(self._starts[track])))
            for track in rng.choice(len(self._tracks), count, p=self._weights).tolist()
        ]
        return transpose_windows(cut_windows(windows), rng, share=1.0)

    def windows(self, count: int, rng: np.random.Generator) -> BoolArray:
        """Sample windows without augmentation, shape (count, 4, 48, 84, 5)."""
        tracks = rng.choice(len(self._tracks), count, p=self._weights).tolist()
        starts = [int(rng.choice(self._starts[track])) for track in tracks]
        pairs = zip(tracks, starts, strict=True)
        return unpack_bars(np.stack([self._tracks[track].window(start) for track, start in pairs]))

    def _pair(self, track: int, rng: np.random.Generator) -> tuple[int, int]:
        """Sample the starts of two windows, disjoint where the song is long enough."""
        starts = self._starts[track]
        first = int(rng.choice(starts))
        disjoint = starts[np.abs(starts - first) >= WINDOW_BARS]
        return first, int(rng.choice(disjoint if len(disjoint) else starts))


def cut_windows(windows: Sequence[tuple[RollNotes, int]]) -> RollNotes:
    """Cut windows out of songs, given the notes of each song and the first bar of the window."""
    columns: list[list[NDArray[np.int64]]] = [[], [], [], [], []]
    for index, (song, start) in enumerate(windows):
        first = start * STEPS_PER_BAR
        end = song.step + song.length
        inside = np.flatnonzero((song.step < first + WINDOW_STEPS) & (end > first))
        step = np.maximum(song.step[inside] - first, 0)
        length = np.minimum(end[inside] - first, WINDOW_STEPS) - step
        window = np.full(len(inside), index)
        notes = (window, song.instrument[inside], step, song.pitch[inside], length)
        for column, values in zip(columns, notes, strict=True):
            column.append(values)
    return RollNotes.from_columns([np.concatenate(column) for column in columns], len(windows))


def note_table(notes: RollNotes) -> Tensor:
    """Return the columns of notes as a table, shape (N, 5), int64; see `RollVAE.loss`."""
    columns = (notes.window, notes.instrument, notes.step, notes.pitch, notes.length)
    return torch.from_numpy(np.stack(columns, axis=1))


def transpose_windows(
    notes: RollNotes, rng: np.random.Generator, share: float | None = None
) -> RollNotes:
    """Transpose a share of the windows, but no drums; notes out of range move by an octave."""
    share = TRANSPOSED_SHARE if share is None else share
    shift = rng.integers(-MAX_SEMITONES, MAX_SEMITONES + 1, notes.windows)
    shift[rng.random(notes.windows) >= share] = 0
    pitch = notes.pitch + np.where(notes.instrument > 0, shift[notes.window], 0)
    pitch += np.where(pitch < 0, _OCTAVE, 0) - np.where(pitch >= N_PITCHES, _OCTAVE, 0)
    return replace(notes, pitch=pitch).sort()


def swap_instruments(notes: RollNotes, rng: np.random.Generator) -> RollNotes:
    """Permute the instruments of some windows, except for drums and bass."""
    instruments = np.tile(np.arange(_PERMUTED.max() + 1), (notes.windows, 1))
    for window in np.flatnonzero(rng.random(notes.windows) < PERMUTED_SHARE):
        instruments[window, _PERMUTED] = rng.permutation(_PERMUTED)
    return replace(notes, instrument=instruments[notes.window, notes.instrument]).sort()


def drop_instruments(notes: RollNotes, first: int, rng: np.random.Generator) -> RollNotes:
    """Drop one instrument of some windows from index `first` on that have two or more."""
    dropped = np.full(notes.windows, -1)
    for window in first + np.flatnonzero(rng.random(notes.windows - first) < SILENCED_SHARE):
        start, end = np.searchsorted(notes.window, (window, window + 1))
        instruments = np.unique(notes.instrument[start:end])
        if len(instruments) > 1:
            dropped[window] = rng.choice(instruments)
    return notes.select(notes.instrument != dropped[notes.window])


def drop_notes(notes: RollNotes, rng: np.random.Generator) -> RollNotes:
    """Drop a share of the notes of each window, but never its first."""
    share = rng.uniform(0, MAX_DROPPED_SHARE, notes.windows)
    is_kept = rng.random(len(notes.window)) >= share[notes.window]
    is_kept[np.unique(notes.window, return_index=True)[1]] = True
    return notes.select(is_kept)


# --- training ---

EPOCHS: Final = 100
STEPS_PER_EPOCH: Final = 50
PATIENCE: Final = 10
VALIDATION_BATCHES: Final = 3
LEARNING_RATE: Final = 3e-3
PUBLISHED_RATE: Final = 1e-3
#: Weight of the contrastive loss.
CONTRASTIVE_WEIGHT: Final = 200.0
#: Free bits of each latent dimension, in nats, against posterior collapse.
FREE_NATS: Final = 0.05
#: Scales the loss to about 1, so that learning rates suit all networks.
LOSS_SCALE: Final = 1 / 100
#: Validation windows for the thresholds and the Gaussian of the latents.
CALIBRATION_WINDOWS: Final = 1024
#: Training windows for the projection of the pattern histograms.
PATTERN_WINDOWS: Final = 4096
#: Greatest numbers of training windows and of steps of the prior of the latents.
PRIOR_WINDOWS: Final = 16_384
PRIOR_STEPS: Final = 600


def train_score(
    training: ScoreTraining,
    tracks: Sequence[RollTrack],
    folder: Path,
    *,
    resume: bool = False,
    watch: ProgressCallback | None = None,
) -> tuple[RollModel, FitResult]:
    """Train a model on scores, split into training and validation set.

    Parameters
    ----------
    training : ScoreTraining
    tracks : sequence of RollTrack
        At least three tracks with notes, of different content.
    folder : Path
        Folder for the state of the run and, at the end, the model.
    resume : bool
        Whether to resume the run in `folder`.
    watch : callable, optional
        Called with a `Progress` after each step.

    Returns
    -------
    RollModel
        Also saved to `folder` as `MODEL`.
    Trained

    Raises
    ------
    TrainingFailed
        There are too few scores, or the loss diverged.
    BadCheckpoint
        The state to resume is missing, damaged, or of another run.
    """
    train_tracks, validation_tracks = train_validation_split(
        [track for track in tracks if track.bars.any()], "scores with bars in 4/4"
    )
    model, trained = train_on_split(
        training, train_tracks, validation_tracks, folder, resume=resume, watch=watch
    )
    model.save(folder / MODEL)
    return model, trained


def train_on_split(
    training: ScoreTraining,
    train_tracks: Sequence[RollTrack],
    validation_tracks: Sequence[RollTrack],
    folder: Path,
    *,
    resume: bool = False,
    watch: ProgressCallback | None = None,
) -> tuple[RollModel, FitResult]:
    """Train and calibrate a model on given sets; saves the state of the run, but not the model."""
    config = training.network
    torch.manual_seed(training.seed)
    network = RollVAE(config)
    train_sampler = WindowSampler(train_tracks, contrast=bool(config.invariant))
    validation_sampler = WindowSampler(validation_tracks, contrast=bool(config.invariant))
    loss = _VAELoss(network, training)
    validation = fixed_batches(validation_sampler.batch, VALIDATION_BATCHES, training.seed)
    objective = Objective(
        network, train_sampler.batch, lambda: validation, loss, loss.train_terms.means
    )
    loop = _trainer_config(training)
    run = {
        "configuration": _configuration(config),
        "tracks": tracks_fingerprint(train_tracks, validation_tracks),
        "learning_rate": loop.learning_rate,
        "beta": training.kl_weight,
        "warm_up": training.warm_up,
    }
    trained = fit(objective, loop, folder, run, resume=resume, watch=watch)
    network.to("cpu").eval()
    loss.validation_terms.clear()
    with torch.no_grad():
        for batch in validation:
            torch.manual_seed(training.seed)
            loss(network, *batch)
    metadata = {
        "training": asdict(training),
        "tracks": len(train_tracks),
        "validation_tracks": len(validation_tracks),
        **trained.summary(),
        "validation_parts": loss.validation_terms.means(),
    }
    model = RollModel(
        network,
        np.full(5, 0.5, np.float32),
        np.zeros(config.latent, np.float32),
        np.eye(config.latent, dtype=np.float32),
        metadata,
    )
    rng = np.random.default_rng(training.seed)
    if config.counted:
        windows = train_sampler.windows(PATTERN_WINDOWS, rng)
        model.projection = PatternProjection.fit(windows, config.counted)
    model.calibrate(validation_sampler.windows(CALIBRATION_WINDOWS, rng))
    if config.frame_latent:
        steps = min(len(trained.history) * STEPS_PER_EPOCH, PRIOR_STEPS)
        model.prior = train_prior(network, train_sampler, steps, training.seed)
    return model, trained


@torch.no_grad()
def latents_of(network: RollVAE, sampler: WindowSampler, count: int, seed: int) -> Tensor:
    """Return the latents of quarter notes of transposed windows, shape (count, F * K)."""
    assert network.frames is not None  # noqa: S101
    rng = np.random.default_rng(seed)
    return torch.cat(
        [
            network.frames(sampler.transposed_notes(BATCH_SIZE, rng))[0]
            for _ in range(-(-count // BATCH_SIZE))
        ]
    )


def train_prior(network: RollVAE, sampler: WindowSampler, steps: int, seed: int) -> LatentPrior:
    """Train the prior of a trained network on transposed windows."""
    torch.manual_seed(seed)
    prior = LatentPrior(network.config.frame_latent)
    windows = min(steps * BATCH_SIZE, PRIOR_WINDOWS)
    fit_prior(prior, latents_of(network, sampler, windows, seed), steps, seed)
    return prior


class _VAELoss:
    """The loss of a VAE; keeps its terms, of training and of validation."""

    def __init__(self, network: RollVAE, training: ScoreTraining) -> None:
        self._network, self._training = network, training
        self.train_terms, self.validation_terms = LossTerms(), LossTerms()

    def __call__(self, net: Any, *batch: Tensor) -> Tensor:
        network, training = self._network, self._training
        losses: Losses = net.loss(*batch)
        beta = training.kl_weight * (
            _warm_up(network.seen, training.warm_up) if network.training else 1
        )
        kl = losses.kl.mean(dim=0)
        clamped_kl = kl.clamp(min=FREE_NATS).sum() if network.config.invariant else kl.sum()
        terms = self.train_terms if network.training else self.validation_terms
        terms.add(reconstruction=losses.reconstruction, kl=kl.sum(), contrast=losses.contrast)
        total = losses.reconstruction + beta * clamped_kl + CONTRASTIVE_WEIGHT * losses.contrast
        return total * LOSS_SCALE


def _trainer_config(training: ScoreTraining) -> TrainerConfig:
    is_default = training.encoder == "default"
    return TrainerConfig(
        training.epochs or EPOCHS,
        STEPS_PER_EPOCH,
        learning_rate=training.learning_rate or (LEARNING_RATE if is_default else PUBLISHED_RATE),
        optimiser="adamw" if is_default else "adam",
        weight_decay=0.02 if is_default else 0.0,
        schedule="cosine" if training.minutes or training.epochs else "constant",
        clip=1.0 if is_default else 0.0,
        patience=PATIENCE,
        **training.run_settings(),
    )


def _configuration(config: RollVAEConfig) -> dict[str, Any]:
    """Return the configuration of a run, equal to that of version 0.1 where the network is."""
    configuration = asdict(config)
    if not config.frame_latent:
        del configuration["frame_latent"]
    return configuration


def _warm_up(seen: Tensor, steps: int) -> float:
    """Return the fraction of the full weight at this step, and count the step."""
    fraction = min(float(seen + 1) / steps, 1.0) if steps else 1.0
    seen += 1
    return fraction


def tracks_fingerprint(
    train_tracks: Sequence[RollTrack], validation_tracks: Sequence[RollTrack]
) -> str:
    """Hash the names of the tracks, so that a run is not resumed on others."""
    return data_fingerprint([" ".join(track.name for track in (*train_tracks, *validation_tracks))])

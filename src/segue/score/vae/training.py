"""Training of the piano-roll VAE.

What a user may choose when a space of scores is learned, and what network that makes.

Scores to learn from, and the windows of four bars that are drawn from them.

Learns a space of scores from piano rolls: from options to a `RollModel`.
"""

import hashlib
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segue.errors import BadArgument, check_seed
from segue.nn.checkpoint import MODEL
from segue.nn.split import split
from segue.nn.trainer import Batch, LoopConfig, Objective, Trained, Watcher, fit
from segue.score import piano_roll
from segue.score.piano_roll import (
    N_PITCHES,
    STEPS_PER_BAR,
    WINDOW_BARS,
    WINDOW_STEPS,
    BoolArray,
    RollNotes,
    extract_notes,
    pack_bars,
    rasterise_notes,
    unpack_bars,
)
from segue.score.vae.model import PatternProjection, RollModel
from segue.score.vae.network import (
    Losses,
    NoteEncoder,
    RollVAE,
    RollVAEConfig,
    conv_config,
    default_config,
    lstm_config,
)

# --- score options ---

#: Chosen as JOURNAL.md tells: below 1, or the decoder hears too little of what it should play.
DEFAULT_BETA: Final = 0.02
PUBLISHED_BETA: Final = 1.0


@dataclass(frozen=True, slots=True)
class ScoreTraining:
    """What a user may choose.

    Attributes
    ----------
    encoder : {"default", "conv", "lstm"}
        The default reads notes, and learns by contrast which windows are of one song, too;
        "conv" is as published, and "lstm" as its author wished.
    convolutions : int
        With "conv": two, as published, or three.
    beta : float, optional
        Weight of the Kullback-Leibler divergence; else the network's.
    warm_up : int
        Steps over which that weight rises to its full height.
    epochs : int, optional
        Else until nothing gets better, at most `EPOCHS`.
    minutes : float, optional
        The number of epochs is made to fit.
    learning_rate : float, optional
        Else the network's.
    device : str
    seed : int
    """

    encoder: Literal["default", "conv", "lstm"] = "default"
    convolutions: int = 2
    beta: float | None = None
    warm_up: int = 200
    epochs: int | None = None
    minutes: float | None = None
    learning_rate: float | None = None
    device: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what does not go together.

        Raises
        ------
        BadArgument
        """
        check_seed(self.seed)
        for wrong, told in (
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
            (
                self.learning_rate is not None and self.learning_rate <= 0,
                f"a learning rate of {self.learning_rate}; it is above 0",
            ),
        ):
            if wrong:
                raise BadArgument(told)

    @property
    def network(self) -> RollVAEConfig:
        """The network that this makes."""
        if self.encoder == "conv":
            return conv_config(self.convolutions)
        return lstm_config() if self.encoder == "lstm" else default_config()

    @property
    def kl_weight(self) -> float:
        """Weight of the Kullback-Leibler divergence after the warm-up."""
        if self.beta is not None:
            return self.beta
        return DEFAULT_BETA if self.encoder == "default" else PUBLISHED_BETA


# --- score windows ---

BATCH_SIZE: Final = 96
#: So many of a batch that learns by contrast are decoded, too: decoding is dear.
DECODED: Final = 40
TRANSPOSED: Final = 0.25  # of the windows
SEMITONES: Final = 6  # up or down
THINNED: Final = 0.15  # of the notes, at most
SILENCED: Final = 0.3  # of the windows lose an instrument
REPLAYED: Final = 0.2  # of the windows are given to other instruments
#: Instruments that may play for one another: all but drums and bass.
_EXCHANGED: Final = np.array([1, 2, 4])
_OCTAVE: Final = 12


@dataclass(frozen=True, slots=True, eq=False)
class RollTrack:
    """A score to learn from.

    Attributes
    ----------
    name : str
        Its content hash, say: the same scores are always divided alike.
    bars : ndarray, shape (bars, 2520), uint8
        Its cells, packed by `segue.score.piano_roll.pack_bars`.
    group : str
        What is never divided between learning and judging, an album say; "" for itself.
    weight : float
        How often it is drawn, beside the others.
    """

    name: str
    bars: NDArray[np.uint8]
    group: str = ""
    weight: float = 1.0

    @classmethod
    def of(cls, name: str, cells: BoolArray, group: str = "") -> "RollTrack":
        """Pack a roll's cells, shape (bars, 48, 84, 5), bool."""
        return cls(name, pack_bars(cells), group)

    def starts(self) -> NDArray[np.int64]:
        """Return where windows with a note begin; of a shorter score, its first bar."""
        sounds = np.flatnonzero(self.bars.any(axis=1))
        last = max(len(self.bars) - WINDOW_BARS, 0)
        from_each = sounds[:, None] - np.arange(WINDOW_BARS)
        return np.unique(from_each.clip(0, last))

    def window(self, start: int) -> NDArray[np.uint8]:
        """Return four packed bars; silence where the score has fewer."""
        found = self.bars[start : start + WINDOW_BARS]
        if len(found) == WINDOW_BARS:
            return found
        return np.pad(found, ((0, WINDOW_BARS - len(found)), (0, 0)))


class WindowSampler:
    """Draws windows of four bars.

    Parameters
    ----------
    tracks : sequence of RollTrack
    contrast : bool
        Draw two windows of each song, changed: transposed, thinned, without an instrument, by
        other instruments. Else one, as it is.
    moved : bool
        Without contrast: transposed by up to `SEMITONES`.
    """

    def __init__(self, tracks: Sequence[RollTrack], *, contrast: bool, moved: bool = False) -> None:
        self._moved = moved
        self._tracks = tracks
        self._starts = [track.starts() for track in tracks]
        weights = np.array([track.weight for track in tracks])
        self._weights = weights / weights.sum()
        self._notes = (
            [extract_notes(unpack_bars(track.bars)[None]) for track in tracks] if contrast else []
        )

    def draw(self, rng: np.random.Generator) -> Batch:
        """Draw a batch, as `RollVAE.loss` takes it."""
        if not self._notes:
            cells = self.some(BATCH_SIZE, rng)
            if self._moved:
                by = rng.integers(-SEMITONES, SEMITONES + 1, len(cells)).tolist()
                pairs = zip(cells, by, strict=True)
                cells = np.stack([piano_roll.transpose(one, moved) for one, moved in pairs])
            return (torch.from_numpy(cells),)
        count = min(BATCH_SIZE, int(np.count_nonzero(self._weights)))
        chosen = rng.choice(len(self._tracks), count, replace=False, p=self._weights).tolist()
        starts = np.array([self._two(number, rng) for number in chosen])
        windows = [
            (self._notes[number], start)
            for side in range(2)
            for number, start in zip(chosen, starts[:, side].tolist(), strict=True)
        ]
        notes = swap_instruments(transpose_windows(cut_windows(windows), rng), rng)
        wanted = rasterise_notes(notes.first(min(DECODED, count)))
        # What is given is not all that is wanted, so that the rest is learned to be filled in.
        notes = drop_notes(drop_instruments(notes, count, rng), rng)
        columns = (notes.window, notes.instrument, notes.step, notes.pitch, notes.length)
        return torch.from_numpy(wanted), torch.from_numpy(np.stack(columns, axis=1))

    def fixed(self, count: int, seed: int) -> list[Batch]:
        """Draw batches that are always the same."""
        return [self.draw(np.random.default_rng([seed, number])) for number in range(count)]

    def some(self, count: int, rng: np.random.Generator) -> BoolArray:
        """Draw windows as they are, shape (count, 4, 48, 84, 5)."""
        chosen = rng.choice(len(self._tracks), count, p=self._weights).tolist()
        starts = [int(rng.choice(self._starts[number])) for number in chosen]
        tracks = [self._tracks[number] for number in chosen]
        return unpack_bars(
            np.stack([track.window(start) for track, start in zip(tracks, starts, strict=True)])
        )

    def _two(self, number: int, rng: np.random.Generator) -> tuple[int, int]:
        """Draw where two windows begin, which share no bar where the song is long enough."""
        starts = self._starts[number]
        first = int(rng.choice(starts))
        apart = starts[np.abs(starts - first) >= WINDOW_BARS]
        return first, int(rng.choice(apart if len(apart) else starts))


def cut_windows(windows: Sequence[tuple[RollNotes, int]]) -> RollNotes:
    """Cut windows out of songs: from each the notes, and the bar at which the window begins."""
    columns: list[list[NDArray[np.int64]]] = [[], [], [], [], []]
    for number, (song, start) in enumerate(windows):
        first = start * STEPS_PER_BAR
        end = song.step + song.length
        here = np.flatnonzero((song.step < first + WINDOW_STEPS) & (end > first))
        step = np.maximum(song.step[here] - first, 0)
        length = np.minimum(end[here] - first, WINDOW_STEPS) - step
        found = (np.full(len(here), number), song.instrument[here], step, song.pitch[here], length)
        for column, values in zip(columns, found, strict=True):
            column.append(values)
    return RollNotes.of([np.concatenate(column) for column in columns], len(windows))


def transpose_windows(notes: RollNotes, rng: np.random.Generator) -> RollNotes:
    """Move some windows, but for their drums; what would leave the grid moves by an octave."""
    by = rng.integers(-SEMITONES, SEMITONES + 1, notes.windows)
    by[rng.random(notes.windows) >= TRANSPOSED] = 0
    pitch = notes.pitch + np.where(notes.instrument > 0, by[notes.window], 0)
    pitch += np.where(pitch < 0, _OCTAVE, 0) - np.where(pitch >= N_PITCHES, _OCTAVE, 0)
    return RollNotes(
        notes.window, notes.instrument, notes.step, pitch, notes.length, notes.windows
    ).ordered()


def swap_instruments(notes: RollNotes, rng: np.random.Generator) -> RollNotes:
    """Give the parts of some windows to other instruments; drums and bass stay."""
    plays = np.tile(np.arange(_EXCHANGED.max() + 1), (notes.windows, 1))
    for window in np.flatnonzero(rng.random(notes.windows) < REPLAYED):
        plays[window, _EXCHANGED] = rng.permutation(_EXCHANGED)
    instrument = plays[notes.window, notes.instrument]
    return RollNotes(
        notes.window, instrument, notes.step, notes.pitch, notes.length, notes.windows
    ).ordered()


def drop_instruments(notes: RollNotes, since: int, rng: np.random.Generator) -> RollNotes:
    """Leave out one instrument of some windows from `since` on, where two or more play."""
    gone = np.full(notes.windows, -1)
    for window in since + np.flatnonzero(rng.random(notes.windows - since) < SILENCED):
        first, last = np.searchsorted(notes.window, (window, window + 1))
        playing = np.unique(notes.instrument[first:last])
        if len(playing) > 1:
            gone[window] = rng.choice(playing)
    return notes.only(notes.instrument != gone[notes.window])


def drop_notes(notes: RollNotes, rng: np.random.Generator) -> RollNotes:
    """Leave out a share of each window's notes, but never the first."""
    share = rng.uniform(0, THINNED, notes.windows)
    kept = rng.random(len(notes.window)) >= share[notes.window]
    kept[np.unique(notes.window, return_index=True)[1]] = True
    return notes.only(kept)


# --- score ---

EPOCHS: Final = 100
STEPS_PER_EPOCH: Final = 50
PATIENCE: Final = 10
VALIDATION_BATCHES: Final = 3
LEARNING_RATE: Final = 3e-3
DECODING_RATE: Final = 1.5e-3
PUBLISHED_RATE: Final = 1e-3
#: What telling songs apart counts for beside what a window's cells cost, both in nats.
CONTRASTIVE_WEIGHT: Final = 200.0
#: Each number of a latent may tell so many nats for nothing, so that none is given up early.
FREE_NATS: Final = 0.05
#: Nats are many: the loss is of about 1 in size so that rates suit all networks.
_SCALE: Final = 1 / 100
#: Windows that set the thresholds and the spread.
CALIBRATION_WINDOWS: Final = 1024
#: Windows that say how figures vary.
PATTERN_WINDOWS: Final = 4096
_PARTS_KEPT: Final = 50


def train_score(
    training: ScoreTraining,
    tracks: Sequence[RollTrack],
    folder: Path,
    *,
    resume: bool = False,
    watch: Watcher | None = None,
) -> tuple[RollModel, Trained]:
    """Learn a space.

    Parameters
    ----------
    training : ScoreTraining
    tracks : sequence of RollTrack
        Different contents; at least three. Those without a note are passed over.
    folder : Path
        Where the run's state and, at the end, the model are kept.
    resume : bool
    watch : callable, optional
        Told a `Progress` after each step.

    Returns
    -------
    RollModel
        Also written to `folder` as `MODEL`.
    Trained

    Raises
    ------
    TrainingFailed
        There are too few scores, or the loss is no number any more.
    BadCheckpoint
        The state to resume is not there, damaged, or of another run.
    """
    learn, validate = split(
        [track for track in tracks if track.bars.any()], "scores with bars in 4/4"
    )
    model, trained = train_on_split(training, learn, validate, folder, resume=resume, watch=watch)
    model.save(folder / MODEL)
    return model, trained


def train_on_split(
    training: ScoreTraining,
    learn: Sequence[RollTrack],
    validate: Sequence[RollTrack],
    folder: Path,
    *,
    resume: bool = False,
    watch: Watcher | None = None,
) -> tuple[RollModel, Trained]:
    """Learn from some scores, judge and calibrate by others; nothing but the state is written."""
    config = training.network
    torch.manual_seed(training.seed)
    network = RollVAE(config)
    windows = WindowSampler(learn, contrast=bool(config.invariant))
    held = WindowSampler(validate, contrast=bool(config.invariant))
    parts: deque[dict[str, float]] = deque(maxlen=_PARTS_KEPT)
    validation_parts: deque[dict[str, float]] = deque(maxlen=_PARTS_KEPT)

    def loss(net: Any, *batch: Tensor) -> Tensor:
        found: Losses = net.loss(*batch)
        weight = training.kl_weight * (
            _warmth(network.seen, training.warm_up) if network.training else 1
        )
        costs = found.kl.mean(dim=0)
        free = costs.clamp(min=FREE_NATS).sum() if config.invariant else costs.sum()
        kept = parts if network.training else validation_parts
        kept.append(
            {
                "reconstruction": float(found.reconstruction.detach()),
                "kl": float(costs.detach().sum()),
                "contrast": float(found.contrast.detach()),
            }
        )
        total = found.reconstruction + weight * free + CONTRASTIVE_WEIGHT * found.contrast
        return total * _SCALE

    validation = held.fixed(VALIDATION_BATCHES, training.seed)
    objective = Objective(network, windows.draw, lambda: validation, loss, lambda: _mean(parts))
    loop = LoopConfig(
        training.epochs or EPOCHS,
        STEPS_PER_EPOCH,
        learning_rate=training.learning_rate
        or (LEARNING_RATE if config.invariant else PUBLISHED_RATE),
        optimiser="adamw" if config.invariant else "adam",
        weight_decay=0.02 if config.invariant else 0.0,
        schedule="cosine" if training.minutes or training.epochs else "constant",
        clip=1.0 if config.invariant else 0.0,
        patience=PATIENCE,
        minutes=training.minutes,
        seed=training.seed,
        device=training.device,
    )
    about = {
        "configuration": asdict(config),
        "tracks": _fingerprint(learn, validate),
        "learning_rate": loop.learning_rate,
        "beta": training.kl_weight,
        "warm_up": training.warm_up,
    }
    trained = fit(objective, loop, folder, about, resume=resume, watch=watch)
    network.to("cpu")
    validation_parts.clear()
    with torch.no_grad():
        network.eval()
        for batch in validation:
            torch.manual_seed(training.seed)
            loss(network, *batch)
    told = {
        "training": asdict(training),
        "tracks": len(learn),
        "validation_tracks": len(validate),
        "epochs": len(trained.history),
        "best_epoch": trained.best.epoch,
        "loss": trained.best.loss,
        "validation_loss": trained.best.validation_loss,
        "validation_parts": _mean(validation_parts),
        "stopped": trained.stopped,
        "precision": trained.precision,
    }
    size = config.latent
    model = RollModel(
        network,
        np.full(5, 0.5, np.float32),
        np.zeros(size, np.float32),
        np.eye(size, dtype=np.float32),
        told,
    )
    rng = np.random.default_rng(training.seed)
    if config.counted:
        model.counts = PatternProjection.fit(windows.some(PATTERN_WINDOWS, rng), config.counted)
    model.settle(held.some(CALIBRATION_WINDOWS, rng))
    return model, trained


def finetune_decoder(
    model: RollModel,
    learn: Sequence[RollTrack],
    validate: Sequence[RollTrack],
    folder: Path,
    minutes: float,
    *,
    resume: bool = False,
    watch: Watcher | None = None,
) -> Trained:
    """Go on with what decodes, windows whole and transposed; where songs lie stays as it is.

    Telling songs apart takes two windows of each and few numbers, decoding takes all cells and
    more windows: together they would wait for one another.

    Parameters
    ----------
    model : RollModel
        Of the default network; it is changed, and calibrated anew.
    learn, validate : sequence of RollTrack
    folder : Path
        Where the state of this run is kept.
    minutes : float
    resume : bool
    watch : callable, optional
    """
    training = ScoreTraining(**model.about["training"])
    network = model.network
    assert isinstance(network.encoder, NoteEncoder)  # noqa: S101
    network.encoder.settled = True
    windows = WindowSampler(learn, contrast=False, moved=True)
    held = WindowSampler(validate, contrast=False)

    def loss(net: Any, wanted: Tensor) -> Tensor:
        found: Losses = net.loss(wanted)
        costs = found.kl.mean(dim=0).clamp(min=FREE_NATS).sum()
        return (found.reconstruction + training.kl_weight * costs) * _SCALE

    validation = held.fixed(VALIDATION_BATCHES, training.seed)
    objective = Objective(network, windows.draw, lambda: validation, loss)
    loop = LoopConfig(
        EPOCHS, STEPS_PER_EPOCH, learning_rate=DECODING_RATE, optimiser="adamw",
        weight_decay=0.02, schedule="cosine", clip=1.0, patience=PATIENCE, minutes=minutes,
        seed=training.seed, device=training.device,
    )  # fmt: skip
    about = {"tracks": _fingerprint(learn, validate), "decodes": asdict(model.config)}
    trained = fit(objective, loop, folder, about, resume=resume, watch=watch)
    network.to("cpu").eval()
    network.encoder.settled = False
    before = model.mean[: model.config.invariant].copy()
    model.settle(held.some(CALIBRATION_WINDOWS, np.random.default_rng(training.seed)))
    model.mean[: model.config.invariant] = before
    model.about |= {"decoding_validation_loss": trained.best.validation_loss}
    return trained


def _warmth(seen: Tensor, steps: int) -> float:
    """Return the share of the full weight at this step, and count it."""
    share = min(float(seen + 1) / steps, 1.0) if steps else 1.0
    seen += 1
    return share


def _mean(parts: Sequence[dict[str, float]]) -> dict[str, float]:
    names = parts[0] if parts else {}
    return {name: float(np.mean([one[name] for one in parts])) for name in names}


def _fingerprint(learn: Sequence[RollTrack], validate: Sequence[RollTrack]) -> str:
    names = [track.name for track in (*learn, *validate)]
    return hashlib.sha256(" ".join(names).encode()).hexdigest()[:16]

"""Learns a space of scores from piano rolls: from options to a `RollModel`."""

import hashlib
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segue.errors import TrainingFailed
from segue.model.score.roll_vae import LossParts, RollVAE
from segue.model.score.rolls import MODEL, RollModel
from segue.represent.score.roll_changes import replayed, thinned, transposed, without_some
from segue.represent.score.roll_notes import WINDOW_BARS, BoolArray, packed, unpacked
from segue.train.loop import Batch, Objective, Trained, Watcher, fit
from segue.train.score_options import ScoreTraining
from segue.train.setting import LoopConfig

FEWEST_TRACKS: Final = 3
VALIDATION_SHARE: Final = 0.1
EPOCHS: Final = 100
STEPS_PER_EPOCH: Final = 50
PATIENCE: Final = 10
BATCH: Final = 96
#: So many of a batch that learns by contrast are decoded, too: decoding is dear.
DECODED: Final = 40
VALIDATION_BATCHES: Final = 3
LEARNING_RATE: Final = 2e-3
PUBLISHED_RATE: Final = 1e-3
#: What telling songs apart counts for beside what a window's cells cost, both in nats.
CONTRAST: Final = 200.0
#: Each number of a latent may tell so many nats for nothing, so that none is given up early.
FREE_NATS: Final = 0.05
#: Nats are many: the loss is of about 1 in size so that rates suit all networks.
_SCALE: Final = 1 / 100
TRANSPOSED: Final = 6  # semitones, up or down
THINNED: Final = 0.15  # of the notes, at most
SILENCED: Final = 0.3
REPLAYED: Final = 0.2
#: Windows that set the thresholds and the spread.
SETTLING_WINDOWS: Final = 1024
_PARTS_KEPT: Final = 50


@dataclass(frozen=True, slots=True, eq=False)
class RollTrack:
    """A score to learn from.

    Attributes
    ----------
    name : str
        Its content hash, say: the same scores are always divided alike.
    bars : ndarray, shape (bars, 2520), uint8
        Its cells, packed by `segue.represent.score.roll_notes.packed`.
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
        return cls(name, packed(cells), group)

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


def split(tracks: Sequence[RollTrack]) -> tuple[list[RollTrack], list[RollTrack]]:
    """Divide scores into those to learn from and those to judge by: about a tenth, by group.

    Raises
    ------
    TrainingFailed
        There are too few scores.
    """
    if len(tracks) < FEWEST_TRACKS:
        raise TrainingFailed(
            f"there are {len(tracks)} scores with bars in 4/4 to learn from, at least "
            f"{FEWEST_TRACKS} are needed (and some hundred for a space worth having); add more "
            "with `segue add`"
        )
    names = {track.group or track.name for track in tracks}
    if len(names) < FEWEST_TRACKS:
        names = {track.name for track in tracks}
    ordered = sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())
    held = set(ordered[: max(round(VALIDATION_SHARE * len(ordered)), 1)])
    learn = [track for track in tracks if not {track.group or track.name, track.name} & held]
    return learn, [track for track in tracks if {track.group or track.name, track.name} & held]


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
    learn, validate = split([track for track in tracks if track.bars.any()])
    model, trained = train_on(training, learn, validate, folder, resume=resume, watch=watch)
    model.save(folder / MODEL)
    return model, trained


def train_on(
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
    windows = Windows(learn, contrast=bool(config.invariant))
    held = Windows(validate, contrast=bool(config.invariant))
    parts: deque[dict[str, float]] = deque(maxlen=_PARTS_KEPT)

    def loss(net: Any, given: Tensor, wanted: Tensor) -> Tensor:
        found: LossParts = net.loss(given, wanted)
        weight = training.kl_weight * (
            _warmth(network.seen, training.warm_up) if network.training else 1
        )
        costs = found.kl.mean(dim=0)
        free = costs.clamp(min=FREE_NATS).sum() if config.invariant else costs.sum()
        parts.append(
            {
                "reconstruction": float(found.reconstruction.detach()),
                "kl": float(costs.detach().sum()),
                "contrast": float(found.contrast.detach()),
            }
        )
        total = found.reconstruction + weight * free + CONTRAST * found.contrast
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
    parts.clear()
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
        "validation_parts": _mean(parts),
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
    model.settle(held.some(SETTLING_WINDOWS, training.seed))
    return model, trained


class Windows:
    """Draws windows of four bars.

    Parameters
    ----------
    tracks : sequence of RollTrack
    contrast : bool
        Draw two windows of each song, changed: transposed, thinned, without an instrument, by
        other instruments. Else one, as it is.
    """

    def __init__(self, tracks: Sequence[RollTrack], *, contrast: bool) -> None:
        self._tracks = tracks
        self._starts = [track.starts() for track in tracks]
        weights = np.array([track.weight for track in tracks])
        self._weights = weights / weights.sum()
        self._contrast = contrast

    def draw(self, rng: np.random.Generator) -> Batch:
        """Draw a batch: what is given, and what is wanted of the first windows."""
        count = min(BATCH, int(np.count_nonzero(self._weights)))
        if not self._contrast:
            count = BATCH
        chosen = rng.choice(
            len(self._tracks), count, replace=not self._contrast, p=self._weights
        ).tolist()
        pairs = [self._two(number, rng) for number in chosen]
        first = unpacked(np.stack([pair[0] for pair in pairs]))
        if not self._contrast:
            return torch.from_numpy(first[:, None]), torch.from_numpy(first)
        second = unpacked(np.stack([pair[1] for pair in pairs]))
        first = self._changed(first, rng)
        # What is given of the first is wanted whole, so that it is mended too.
        wanted = first[:DECODED].copy()
        first = thinned(first, float(rng.uniform(0, THINNED)), rng)
        second = without_some(self._changed(second, rng), SILENCED, rng)
        second = thinned(second, float(rng.uniform(0, THINNED)), rng)
        given = np.stack([first, second], axis=1)
        return torch.from_numpy(given), torch.from_numpy(wanted)

    def fixed(self, count: int, seed: int) -> list[Batch]:
        """Draw batches that are always the same."""
        return [self.draw(np.random.default_rng([seed, number])) for number in range(count)]

    def some(self, count: int, seed: int) -> BoolArray:
        """Draw windows as they are, shape (count, 4, 48, 84, 5)."""
        rng = np.random.default_rng(seed)
        chosen = rng.choice(len(self._tracks), count, p=self._weights).tolist()
        return unpacked(np.stack([self._two(number, rng)[0] for number in chosen]))

    def _two(
        self, number: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Cut two windows, which share no bar where the song is long enough."""
        starts = self._starts[number]
        first = int(rng.choice(starts))
        apart = starts[np.abs(starts - first) >= WINDOW_BARS]
        second = int(rng.choice(apart if len(apart) else starts))
        track = self._tracks[number]
        return track.window(first), track.window(second)

    @staticmethod
    def _changed(cells: BoolArray, rng: np.random.Generator) -> BoolArray:
        moved = [
            transposed(window, int(by))
            for window, by in zip(
                cells, rng.integers(-TRANSPOSED, TRANSPOSED + 1, len(cells)), strict=True
            )
        ]
        return replayed(np.stack(moved), REPLAYED, rng)


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

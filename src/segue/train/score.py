"""Learns a space of scores from piano rolls: from options to a `RollModel`."""

import hashlib
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from segue.model.checkpoint import MODEL
from segue.model.score.note_encoder import NoteEncoder
from segue.model.score.roll_vae import LossParts, RollVAE
from segue.model.score.rolls import Counts, RollModel
from segue.train.loop import Objective, Trained, Watcher, fit
from segue.train.score_options import ScoreTraining
from segue.train.score_windows import RollTrack, Windows
from segue.train.setting import LoopConfig
from segue.train.splitting import split

EPOCHS: Final = 100
STEPS_PER_EPOCH: Final = 50
PATIENCE: Final = 10
VALIDATION_BATCHES: Final = 3
LEARNING_RATE: Final = 3e-3
DECODING_RATE: Final = 1.5e-3
PUBLISHED_RATE: Final = 1e-3
#: What telling songs apart counts for beside what a window's cells cost, both in nats.
CONTRAST: Final = 200.0
#: Each number of a latent may tell so many nats for nothing, so that none is given up early.
FREE_NATS: Final = 0.05
#: Nats are many: the loss is of about 1 in size so that rates suit all networks.
_SCALE: Final = 1 / 100
#: Windows that set the thresholds and the spread.
SETTLING_WINDOWS: Final = 1024
#: Windows that say how figures vary.
COUNTED_WINDOWS: Final = 4096
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
    validation_parts: deque[dict[str, float]] = deque(maxlen=_PARTS_KEPT)

    def loss(net: Any, *batch: Tensor) -> Tensor:
        found: LossParts = net.loss(*batch)
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
        model.counts = Counts.fit(windows.some(COUNTED_WINDOWS, rng), config.counted)
    model.settle(held.some(SETTLING_WINDOWS, rng))
    return model, trained


def decode_better(
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
    windows = Windows(learn, contrast=False, moved=True)
    held = Windows(validate, contrast=False)

    def loss(net: Any, wanted: Tensor) -> Tensor:
        found: LossParts = net.loss(wanted)
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
    model.settle(held.some(SETTLING_WINDOWS, np.random.default_rng(training.seed)))
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

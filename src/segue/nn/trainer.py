"""The training loop: bit-exact resumption, early stopping, mixed precision, any device.

`train_validation_split` divides the examples.

All randomness of a step comes from a generator seeded with the run's seed and the index of the
step, so that a resumed run draws the same batches and dropout masks as an uninterrupted one.
"""

import hashlib
import json
import logging
import math
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from segue.errors import BadArgument, BadCheckpoint, TrainingFailed, check_seed
from segue.nn.checkpoint import Checkpoint, load_checkpoint, match_state_dict, save_checkpoint

Batch = tuple[Tensor, ...]

SAVE_EVERY_S: Final = 60.0  # longest loss of work in a power cut
#: Steps timed to convert minutes into a number of steps, after half as many for warm-up.
TIMED_STEPS: Final = 8
#: File names in the folder of a run: its state, and the best weights so far.
STATE: Final = "training.safetensors"
BEST: Final = "best.safetensors"
MAX_WARMUP_STEPS: Final = 50
_PROBE_SIZE: Final = 512
_PROBE_ROUNDS: Final = 5
_SMOOTHING_STEPS: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOptions:
    """Options that the training of every model has.

    Attributes
    ----------
    epochs : int, optional
        Maximum number of epochs; by default the model's own.
    minutes : float, optional
        Time to train; overrides the number of epochs, by timing the first steps.
    learning_rate : float, optional
        Peak learning rate; by default the model's own.
    device : str
        "auto", "cpu", "cuda" or "mps".
    seed : int
        Random seed.
    """

    epochs: int | None = None
    minutes: float | None = None
    learning_rate: float | None = None
    device: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        """Validate the options.

        Raises
        ------
        BadArgument
        """
        check_seed(self.seed)
        if self.learning_rate is not None and self.learning_rate <= 0:
            raise BadArgument(f"a learning rate of {self.learning_rate}; it is above 0")

    def run_settings(self) -> dict[str, Any]:
        """Return the settings of a run that do not depend on the model, by name."""
        return {"minutes": self.minutes, "seed": self.seed, "device": self.device}


@dataclass(frozen=True, slots=True)
class TrainerConfig(TrainingOptions):
    """Hyperparameters of a training run.

    Attributes
    ----------
    steps_per_epoch : int
        Number of optimiser steps between validations.
    optimiser : {"adam", "adamw", "adadelta"}
        Optimisation algorithm.
    weight_decay : float
        Decoupled for "adamw", L2 for "adam"; not used by "adadelta".
    betas : tuple of float
        Decay rates of the moments; Adadelta takes the second as its rho.
    epsilon : float
        Added to denominators.
    schedule : {"constant", "inverse", "cosine"}
        Learning-rate schedule. "inverse" is Keras's ``lr / (1 + decay * step)`` with a decay of
        ``learning_rate / epochs``; "cosine" has a linear warm-up and decays to zero.
    clip : float
        Maximum gradient norm; 0 for no clipping.
    patience : int
        Early stopping: number of epochs without a lower validation loss.
    stop_below : float
        Early stopping: validation loss that is low enough.
    """

    epochs: int
    steps_per_epoch: int
    learning_rate: float = field(default=1e-3, kw_only=True)
    optimiser: Literal["adam", "adamw", "adadelta"] = "adam"
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-7
    schedule: Literal["constant", "inverse", "cosine"] = "constant"
    clip: float = 0.0
    patience: int = 10
    stop_below: float = 0.0


def data_fingerprint(parts: Iterable[str | NDArray[Any]]) -> str:
    """Return a hash of texts and arrays, by which a resumed run recognises its training data."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            digest.update(part.encode())
        else:
            digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()[:16]


def fixed_batches(
    draw: Callable[[np.random.Generator], Batch], count: int, seed: int
) -> list[Batch]:
    """Draw batches that depend on the seed alone, for validation."""
    return [draw(np.random.default_rng([seed, index])) for index in range(count)]


def check_device(device: str) -> None:
    """Check that a device is available and that training is not distributed.

    Raises
    ------
    BadArgument
        The device is not available, or several processes were launched.
    """
    available = {
        "auto": True,
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if not available.get(device):
        names = ", ".join(name for name, usable in available.items() if usable)
        raise BadArgument(f"no device {device!r} here; there are: {names}")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise BadArgument("training runs in one process on one device; start it without torchrun")


def make_optimiser(config: TrainerConfig, network: nn.Module) -> torch.optim.Optimizer:
    """Return the optimiser of a configuration."""
    if config.optimiser == "adadelta":
        return torch.optim.Adadelta(
            network.parameters(), lr=config.learning_rate, rho=config.betas[1], eps=config.epsilon
        )
    optimiser = torch.optim.AdamW if config.optimiser == "adamw" else torch.optim.Adam
    return optimiser(
        network.parameters(),
        lr=config.learning_rate,
        betas=config.betas,
        eps=config.epsilon,
        weight_decay=config.weight_decay,
        fused=True,
    )


def learning_rate_at(config: TrainerConfig, step: int, steps: int) -> float:
    """Return the learning rate of a step.

    Parameters
    ----------
    config : TrainerConfig
    step : int
        Index of the step.
    steps : int
        Number of steps of the run, which `minutes` may change.
    """
    peak = config.learning_rate
    if config.schedule == "inverse":
        return peak / (1 + peak / config.epochs * step)
    if config.schedule == "cosine":
        warmup = max(min(steps // 10, MAX_WARMUP_STEPS), 1)
        if step < warmup:
            return peak * (step + 1) / warmup
        return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(steps - warmup, 1)))
    return peak


def select_precision(device: str) -> Literal["32-true", "bf16-mixed"]:
    """Return the faster precision: bfloat16 where the hardware supports it, else float32.

    On a CPU, matrix products of both types are timed.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda":
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "32-true"
    if device != "cpu":
        return "32-true"
    float32, bfloat16 = (_matmul_s(dtype) for dtype in (torch.float32, torch.bfloat16))
    return "bf16-mixed" if bfloat16 < 0.7 * float32 else "32-true"


def _matmul_s(dtype: torch.dtype) -> float:
    """Return the shortest duration of a matrix product, in seconds."""
    matrix = torch.ones(_PROBE_SIZE, _PROBE_SIZE, dtype=dtype)
    durations = []
    for _ in range(_PROBE_ROUNDS):
        began = time.perf_counter()
        matrix @ matrix
        durations.append(time.perf_counter() - began)
    return min(durations)


@contextmanager
def deferred_interrupts() -> Iterator[list[int]]:
    """Defer SIGINT and SIGTERM: collect them in a list; a second one interrupts at once."""
    received: list[int] = []

    def handle(number: int, _frame: object) -> None:
        if received:
            signal.default_int_handler(number, None)
        received.append(number)

    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    previous = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@dataclass(frozen=True, slots=True)
class Objective:
    """A network with its data and its loss.

    Attributes
    ----------
    network : Module
        The network to train.
    draw : callable
        Draws a training batch, with all randomness from the given generator.
    validation : callable
        Returns the validation batches, always the same.
    loss : callable
        Scalar loss of a network and a batch.
    loss_terms : callable
        Means of the terms of the loss over the latest steps, by name, for the progress.
    autocast : bool
        Whether the whole loss runs under autocast; else only the network's `forward`.
    """

    network: nn.Module
    draw: Callable[[np.random.Generator], Batch]
    validation: Callable[[], Sequence[Batch]]
    loss: Callable[..., Tensor]
    loss_terms: Callable[[], Mapping[str, float]] = dict
    autocast: bool = False


class LossTerms:
    """Means of the terms of a loss over the latest steps, for the progress.

    Parameters
    ----------
    steps : int
        Number of steps.
    """

    def __init__(self, steps: int = _SMOOTHING_STEPS) -> None:
        self._latest: deque[dict[str, float]] = deque(maxlen=steps)

    def add(self, **terms: Tensor) -> None:
        """Add the terms of a step, which are scalars."""
        self._latest.append({name: float(term.detach()) for name, term in terms.items()})

    def clear(self) -> None:
        """Forget all steps."""
        self._latest.clear()

    def means(self) -> dict[str, float]:
        """Return the mean of each term; empty before the first step."""
        names = self._latest[0] if self._latest else {}
        return {name: float(np.mean([terms[name] for terms in self._latest])) for name in names}


@dataclass(frozen=True, slots=True)
class Epoch:
    """Losses of an epoch, and the training time until its end in seconds."""

    epoch: int
    loss: float
    validation_loss: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a run after a step.

    Attributes
    ----------
    epoch, epochs : int
        Current epoch, from 1, and number of epochs.
    step, steps : int
        Steps done in this epoch, and steps per epoch.
    loss : float
        Training loss, smoothed.
    validation_loss : float
        Validation loss of the last epoch; NaN before the end of the first.
    items_per_second : float
        Throughput in items of a batch.
    remaining_s : float
        Estimated remaining time in seconds.
    loss_terms : mapping of str to float
        Terms of the training loss.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    validation_loss: float
    items_per_second: float
    remaining_s: float
    loss_terms: Mapping[str, float] = field(default_factory=dict)


ProgressCallback = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class FitResult:
    """Result of a run; the network has the weights of the best epoch.

    Attributes
    ----------
    history : tuple of Epoch
        All epochs.
    best : Epoch
        The epoch of the lowest validation loss.
    stopped : str
        Why the run ended.
    precision : str
        "32-true" or "bf16-mixed".
    """

    history: tuple[Epoch, ...]
    best: Epoch
    stopped: str
    precision: str

    def summary(self) -> dict[str, Any]:
        """Return what the metadata of every model has of its run."""
        return {
            "epochs": len(self.history),
            "best_epoch": self.best.epoch,
            "loss": self.best.loss,
            "validation_loss": self.best.validation_loss,
            "stopped": self.stopped,
            "precision": self.precision,
        }


def fit(
    objective: Objective,
    config: TrainerConfig,
    folder: Path,
    metadata: Mapping[str, Any],
    *,
    resume: bool = False,
    watch: ProgressCallback | None = None,
) -> FitResult:
    """Train a network, and leave it with the weights of the best epoch.

    Parameters
    ----------
    objective : Objective
        Network, data and loss.
    config : TrainerConfig
        Hyperparameters.
    folder : Path
        Folder of the run's state.
    metadata : mapping
        JSON values that identify the run, such as the model's configuration and a fingerprint of
        the data: they must be equal when it is resumed.
    resume : bool
        Whether to continue the run in the folder.
    watch : callable, optional
        Called with a `Progress` after each step.

    Returns
    -------
    FitResult

    Raises
    ------
    TrainingFailed
        The loss is not finite; the last good state is kept.
    BadCheckpoint
        The state to resume is missing, damaged, or of another run.
    """
    return _Run(objective, config, folder, metadata, watch).run(resume=resume)


class _Run:
    def __init__(
        self,
        objective: Objective,
        config: TrainerConfig,
        folder: Path,
        metadata: Mapping[str, Any],
        watch: ProgressCallback | None,
    ) -> None:
        self._objective = objective
        self._config = config
        self._folder = folder
        self._metadata = dict(metadata) | {"seed": config.seed}
        self._watch = watch
        self._step = 0
        self._epochs, self._per_epoch = config.epochs, config.steps_per_epoch
        self._history: list[Epoch] = []
        self._best: Epoch | None = None
        self._losses: list[float] = []  # of the current epoch
        self._seconds = 0.0
        self._precision = ""
        self._interrupts: list[int] = []

    def run(self, *, resume: bool) -> FitResult:
        check_device(self._config.device)
        saved = load_checkpoint(self._folder / STATE, "training") if resume else None
        self._precision = (
            saved.metadata["precision"] if saved else select_precision(self._config.device)
        )
        self._set_up()
        if saved:
            self._restore(saved)
        elif self._config.minutes:
            self._fit_to_time(self._config.minutes)
        with deferred_interrupts() as self._interrupts:
            stopped = self._train()
        assert self._best is not None  # noqa: S101  # at least one epoch was trained
        best = load_checkpoint(self._folder / BEST, "best weights")
        network = self._objective.network
        network.load_state_dict(match_state_dict(best.tensors, network.state_dict().keys()))
        return FitResult(tuple(self._history), self._best, stopped, self._precision)

    def _set_up(self) -> None:
        from lightning_fabric import Fabric

        logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
        torch.manual_seed(self._config.seed)
        self._fabric = Fabric(
            accelerator=self._config.device,
            devices=1,
            precision="bf16-mixed" if self._precision == "bf16-mixed" else "32-true",
        )
        optimiser = make_optimiser(self._config, self._objective.network)
        self._network, self._optimiser = self._fabric.setup(self._objective.network, optimiser)
        if hasattr(self._objective.network, "loss"):
            self._network.mark_forward_method("loss")

    def _train(self) -> str:
        last_save = time.monotonic()
        while self._step < self._epochs * self._per_epoch:
            if reason := self._stop_reason():
                return reason
            began = time.monotonic()
            batch = self._training_step()
            self._seconds += time.monotonic() - began
            if self._watch:
                self._watch(self._progress(len(batch[0])))
            if self._step % self._per_epoch == 0:
                self._end_epoch()
                last_save = time.monotonic()
            elif self._interrupts or time.monotonic() - last_save > SAVE_EVERY_S:
                self._save()
                last_save = time.monotonic()
            if self._interrupts:
                raise KeyboardInterrupt
        return self._stop_reason() or "all epochs are done"

    def _training_step(self) -> Batch:
        generator = self._generator(self._step)
        batch = self._on_device(self._objective.draw(generator))
        # Dropout draws from torch's global generator.
        torch.manual_seed(int(generator.integers(2**31)))
        rate = learning_rate_at(self._config, self._step, self._epochs * self._per_epoch)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        self._network.train()
        # Fabric applies autocast to `forward` alone.
        with self._fabric.autocast() if self._objective.autocast else nullcontext():
            loss = self._objective.loss(self._network, *batch)
        self._optimiser.zero_grad()
        self._fabric.backward(loss)
        if self._config.clip:
            self._fabric.clip_gradients(
                self._network, self._optimiser, max_norm=self._config.clip, error_if_nonfinite=False
            )
        value = float(loss.detach())
        if not np.isfinite(value):
            raise TrainingFailed(
                f"the loss became {value} at step {self._step + 1}; the last good state is kept "
                f"in {self._folder}: train with --restart and a lower --learning-rate, or another "
                "--seed"
            )
        self._optimiser.step()
        self._step += 1
        self._losses.append(value)
        return batch

    def _end_epoch(self) -> None:
        epoch = Epoch(
            self._step // self._per_epoch,
            float(np.mean(self._losses)),
            self._validate(),
            self._seconds,
        )
        if not np.isfinite(epoch.validation_loss):
            raise TrainingFailed(
                f"the validation loss became {epoch.validation_loss} in epoch {epoch.epoch}; the "
                f"last good state is kept in {self._folder}: train with --restart and a lower "
                "--learning-rate, or another --seed"
            )
        self._history.append(epoch)
        self._losses = []
        if self._best is None or epoch.validation_loss < self._best.validation_loss:
            self._best = epoch
            weights = self._objective.network.state_dict()
            save_checkpoint(self._folder / BEST, "best weights", self._metadata, weights)
        self._save()

    @torch.no_grad()
    def _validate(self) -> float:
        """Return the mean loss over the validation batches, weighted by their sizes."""
        self._network.eval()
        total, count = 0.0, 0
        for batch in self._objective.validation():
            torch.manual_seed(self._config.seed)
            loss = self._objective.loss(self._network, *self._on_device(batch))
            total += float(loss) * len(batch[0])
            count += len(batch[0])
        return total / max(count, 1)

    def _stop_reason(self) -> str:
        if self._best is None:
            return ""
        if self._best.validation_loss < self._config.stop_below:
            return f"the validation loss is below {self._config.stop_below:g}"
        if self._step // self._per_epoch - self._best.epoch >= self._config.patience:
            return f"no better for {self._config.patience} epochs"
        return ""

    def _generator(self, step: int) -> np.random.Generator:
        return np.random.default_rng([self._config.seed, step])

    def _on_device(self, batch: Batch) -> Batch:
        return tuple(self._fabric.to_device(tensor) for tensor in batch)

    def _progress(self, batch_size: int) -> Progress:
        per_epoch = self._per_epoch
        step_s = self._seconds / max(self._step, 1)
        return Progress(
            epoch=(self._step - 1) // per_epoch + 1,
            epochs=self._epochs,
            step=self._step - len(self._history) * per_epoch,
            steps=per_epoch,
            loss=float(np.mean(self._losses[-_SMOOTHING_STEPS:])),
            validation_loss=self._history[-1].validation_loss if self._history else float("nan"),
            items_per_second=batch_size / max(step_s, 1e-9),
            remaining_s=step_s * (self._epochs * per_epoch - self._step),
            loss_terms=self._objective.loss_terms(),
        )

    def _fit_to_time(self, minutes: float) -> None:
        """Set the number of epochs that fit into the time, from some steps that are then undone."""
        weights = {k: v.clone() for k, v in self._objective.network.state_dict().items()}
        moments = self._optimiser.state_dict()["state"]
        for _ in range(TIMED_STEPS // 2):
            self._training_step()
        began = time.monotonic()
        for _ in range(TIMED_STEPS):
            self._training_step()
        step_s = (time.monotonic() - began) / TIMED_STEPS
        began = time.monotonic()
        self._validate()
        validation_s = time.monotonic() - began
        self._objective.network.load_state_dict(weights)
        self._optimiser.load_state_dict(self._optimiser.state_dict() | {"state": moments})
        self._step, self._losses = 0, []
        epoch_s = step_s * self._per_epoch + validation_s
        self._epochs = max(round(minutes * 60 / epoch_s), 1)
        if epoch_s > minutes * 60:  # less than one epoch
            steps = int((minutes * 60 - validation_s) / step_s)
            self._per_epoch = min(max(steps, 1), self._per_epoch)

    def _save(self) -> None:
        tensors = {f"network.{k}": v for k, v in self._objective.network.state_dict().items()}
        for parameter, state in self._optimiser.state_dict()["state"].items():
            for name, value in state.items():
                tensors[f"optimiser.{parameter}.{name}"] = torch.as_tensor(value)
        state = {
            "about": self._metadata,
            "step": self._step,
            "epochs": self._epochs,
            "steps_per_epoch": self._per_epoch,
            "whole_epoch": self._config.steps_per_epoch,
            "seconds": self._seconds,
            "precision": self._precision,
            "losses": self._losses,
            "history": [asdict(epoch) for epoch in self._history],
            "best": asdict(self._best) if self._best else None,
        }
        save_checkpoint(self._folder / STATE, "training", state, tensors)

    def _restore(self, saved: Checkpoint) -> None:
        state = saved.metadata
        # The round trip through JSON turns tuples into lists.
        for name, value in json.loads(json.dumps(self._metadata)).items():
            if state["about"].get(name) != value:
                raise BadCheckpoint(
                    f"the run in {self._folder} has another {name.replace('_', ' ')} "
                    f"({_short(state['about'].get(name))}, now {_short(value)}); give the "
                    "options it was started with, or start over with --restart"
                )
        if state["whole_epoch"] != self._config.steps_per_epoch:
            raise BadCheckpoint(
                f"the run in {self._folder} was over another number of tracks; the library has "
                "changed since: start over with --restart"
            )
        parts: dict[str, dict[str, Tensor]] = {"network": {}, "optimiser": {}}
        for name, tensor in saved.tensors.items():
            part, _, rest = name.partition(".")
            parts[part][rest] = tensor
        network = self._objective.network
        network.load_state_dict(match_state_dict(parts["network"], network.state_dict().keys()))
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in parts["optimiser"].items():
            parameter, _, moment = name.partition(".")
            moments.setdefault(int(parameter), {})[moment] = tensor
        self._optimiser.load_state_dict(self._optimiser.state_dict() | {"state": moments})
        self._step = state["step"]
        self._per_epoch = state["steps_per_epoch"]
        # The number of epochs may be raised on resuming.
        self._epochs = state["epochs"] if self._config.minutes else self._config.epochs
        self._seconds = state["seconds"]
        self._losses = state["losses"]
        self._history = [Epoch(**epoch) for epoch in state["history"]]
        self._best = Epoch(**state["best"]) if state["best"] else None


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) < 60 else f"{text[:57]}…"

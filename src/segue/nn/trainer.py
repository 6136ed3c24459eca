"""The training loop: resumable to the bit, stopped at any time, on any device.

How a training run is set up on a machine: settings, optimiser, precision, Ctrl-C.

One training loop for every model: resumable to the bit, stopped at any time, on any device.

Everything random in a step is drawn from a generator made from the seed and the step alone, so
a resumed run draws what an uninterrupted one would have drawn.
"""

import json
import logging
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import torch
from torch import Tensor, nn

from segue.errors import BadArgument, BadCheckpoint, TrainingFailed
from segue.nn.checkpoint import Checkpoint, load_checkpoint, save_checkpoint

# --- setting ---

PROBE_SIZE: Final = 512
PROBE_ROUNDS: Final = 5
MOST_RISING_STEPS: Final = 50


@dataclass(frozen=True, slots=True)
class LoopConfig:
    """How a model is trained.

    Attributes
    ----------
    epochs : int
        At most so many.
    steps_per_epoch : int
    learning_rate : float
        The highest.
    optimiser : {"adam", "adamw", "adadelta"}
    weight_decay : float
    betas, epsilon : tuple of float, float
        Of the optimiser; Adadelta takes the second of the betas for its decay.
    schedule : {"constant", "inverse", "cosine"}
        Of the learning rate. "inverse" is Keras's ``lr / (1 + decay * step)`` with decay
        ``learning_rate / epochs``; "cosine" rises over some steps and falls to nothing.
    clip : float
        Longest gradient; 0 for any.
    patience : int
        Epochs without a lower validation loss before it stops.
    stop_below : float
        Validation loss that is good enough.
    minutes : float, optional
        Time to train; the number of epochs is made to fit. The first steps are timed for it.
    seed : int
    device : str
        "auto", "cpu", "cuda", "mps".
    """

    epochs: int
    steps_per_epoch: int
    learning_rate: float = 1e-3
    optimiser: Literal["adam", "adamw", "adadelta"] = "adam"
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-7
    schedule: Literal["constant", "inverse", "cosine"] = "constant"
    clip: float = 0.0
    patience: int = 10
    stop_below: float = 0.0
    minutes: float | None = None
    seed: int = 0
    device: str = "auto"


def check_device(device: str) -> None:
    """Refuse a device that is not there, and several processes, which are not built yet.

    Raises
    ------
    BadArgument
    """
    there = {
        "auto": True,
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if not there.get(device):
        names = ", ".join(name for name, usable in there.items() if usable)
        raise BadArgument(f"no device {device!r} here; there are: {names}")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise BadArgument("training runs in one process on one device; start it without torchrun")


def optimiser_for(config: LoopConfig, network: nn.Module) -> torch.optim.Optimizer:
    """Make the optimiser that a configuration names."""
    if config.optimiser == "adadelta":
        return torch.optim.Adadelta(
            network.parameters(), lr=config.learning_rate, rho=config.betas[1], eps=config.epsilon
        )
    kind = torch.optim.AdamW if config.optimiser == "adamw" else torch.optim.Adam
    return kind(
        network.parameters(),
        lr=config.learning_rate,
        betas=config.betas,
        eps=config.epsilon,
        weight_decay=config.weight_decay,
        fused=True,
    )


def learning_rate_at(config: LoopConfig, step: int, steps: int) -> float:
    """Return the learning rate of a step, by the schedule.

    Parameters
    ----------
    config : LoopConfig
    step : int
        From 0.
    steps : int
        That the run will have; it may be others than the configuration's, where minutes say so.
    """
    highest = config.learning_rate
    if config.schedule == "inverse":
        return highest / (1 + highest / config.epochs * step)
    if config.schedule == "cosine":
        rise = max(min(steps // 10, MOST_RISING_STEPS), 1)
        if step < rise:
            return highest * (step + 1) / rise
        return highest * 0.5 * (1 + math.cos(math.pi * (step - rise) / max(steps - rise, 1)))
    return highest


def faster_precision(device: str) -> Literal["32-true", "bf16-mixed"]:
    """Find by a short probe what is faster here: bfloat16 is so on some machines only."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda":
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "32-true"
    if device != "cpu":
        return "32-true"
    plain, short = (_product_s(dtype) for dtype in (torch.float32, torch.bfloat16))
    return "bf16-mixed" if short < 0.7 * plain else "32-true"


def _product_s(dtype: torch.dtype) -> float:
    matrix = torch.ones(PROBE_SIZE, PROBE_SIZE, dtype=dtype)
    times = []
    for _ in range(PROBE_ROUNDS):
        began = time.perf_counter()
        matrix @ matrix
        times.append(time.perf_counter() - began)
    return min(times)


@contextmanager
def interrupts_noted() -> Iterator[list[int]]:
    """Note Ctrl-C and termination, so that a step is never left half done; the second ends."""
    noted: list[int] = []

    def note(number: int, _frame: object) -> None:
        if noted:
            signal.default_int_handler(number, None)
        noted.append(number)

    if threading.current_thread() is not threading.main_thread():
        yield noted
        return
    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# --- loop ---

Batch = tuple[Tensor, ...]

SAVE_EVERY_S: Final = 60.0  # at most this much work is done again after a power cut
#: Steps timed to turn minutes into a number of steps; the first ones are slower.
TIMED_STEPS: Final = 8
#: What lies in a run's folder: its state, and the best weights so far.
STATE: Final = "training.safetensors"
BEST: Final = "best.safetensors"


@dataclass(frozen=True, slots=True)
class Objective:
    """What is trained, on what.

    Attributes
    ----------
    network : Module
    draw : callable
        Makes a training batch; all that is random in it comes from the generator given.
    validation : callable
        Makes the validation batches, always the same.
    loss : callable
        From the network and a batch to a scalar.
    parts : callable
        Of what the loss of the latest steps was made, by name.
    mixed : bool
        The whole loss may be computed in bfloat16 where that is faster, matrix products that is;
        else only what goes through the network's `forward`.
    """

    network: nn.Module
    draw: Callable[[np.random.Generator], Batch]
    validation: Callable[[], Sequence[Batch]]
    loss: Callable[..., Tensor]
    parts: Callable[[], Mapping[str, float]] = dict
    mixed: bool = False


@dataclass(frozen=True, slots=True)
class Epoch:
    """One line of a run's history."""

    epoch: int
    loss: float
    validation_loss: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come; `validation_loss` is NaN before the first epoch's end.

    `parts` says of what the loss of the latest steps was made.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    validation_loss: float
    items_per_second: float
    remaining_s: float
    parts: Mapping[str, float] = field(default_factory=dict)


Watcher = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Trained:
    """What came of a run; the network holds the best weights.

    Attributes
    ----------
    history : tuple of Epoch
    best : Epoch
    stopped : str
        Why it ended.
    precision : str
    """

    history: tuple[Epoch, ...]
    best: Epoch
    stopped: str
    precision: str


def fit(
    objective: Objective,
    config: LoopConfig,
    folder: Path,
    about: Mapping[str, Any],
    *,
    resume: bool = False,
    watch: Watcher | None = None,
) -> Trained:
    """Train a network, and leave it with the weights of the best epoch.

    Parameters
    ----------
    objective : Objective
    config : LoopConfig
    folder : Path
        Where the state of the run is kept.
    about : mapping
        JSON values that must be the same when the run is resumed: the model's configuration,
        the split. Saved with the state.
    resume : bool
        Go on where a run in this folder stopped.
    watch : callable, optional
        Told a `Progress` after each step.

    Returns
    -------
    Trained

    Raises
    ------
    TrainingFailed
        The loss is no number any more; the last good state is kept.
    BadCheckpoint
        The state to resume is not there, damaged, or of another run.
    """
    return _Run(objective, config, folder, about, watch).go(resume=resume)


class _Run:
    def __init__(
        self,
        objective: Objective,
        config: LoopConfig,
        folder: Path,
        about: Mapping[str, Any],
        watch: Watcher | None,
    ) -> None:
        self._objective = objective
        self._config = config
        self._folder = folder
        self._about = dict(about) | {"seed": config.seed}
        self._watch = watch
        self._step = 0
        self._epochs, self._per_epoch = config.epochs, config.steps_per_epoch
        self._history: list[Epoch] = []
        self._best: Epoch | None = None
        self._losses: list[float] = []  # of the epoch that runs
        self._seconds = 0.0
        self._precision = ""
        self._interrupts: list[int] = []

    def go(self, *, resume: bool) -> Trained:
        check_device(self._config.device)
        saved = load_checkpoint(self._folder / STATE, "training") if resume else None
        self._precision = (
            saved.about["precision"] if saved else faster_precision(self._config.device)
        )
        self._start()
        if saved:
            self._restore(saved)
        elif self._config.minutes:
            self._fit_into(self._config.minutes)
        with interrupts_noted() as self._interrupts:
            stopped = self._train()
        assert self._best is not None  # noqa: S101  # an epoch at least was trained
        best = load_checkpoint(self._folder / BEST, "best weights")
        self._objective.network.load_state_dict(best.tensors)
        return Trained(tuple(self._history), self._best, stopped, self._precision)

    def _start(self) -> None:
        from lightning_fabric import Fabric

        # It tells of each precision it is given; the run's report says it once.
        logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
        torch.manual_seed(self._config.seed)
        self._fabric = Fabric(
            accelerator=self._config.device,
            devices=1,
            precision="bf16-mixed" if self._precision == "bf16-mixed" else "32-true",
        )
        optimiser = optimiser_for(self._config, self._objective.network)
        self._network, self._optimiser = self._fabric.setup(self._objective.network, optimiser)
        if hasattr(self._objective.network, "loss"):
            self._network.mark_forward_method("loss")

    # ---- the story -----------------------------------------------------------------------

    def _train(self) -> str:
        last_save = time.monotonic()
        while self._step < self._epochs * self._per_epoch:
            if reason := self._good_enough():
                return reason
            began = time.monotonic()
            batch = self._one_step()
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
        return self._good_enough() or "all epochs are done"

    def _one_step(self) -> Batch:
        generator = self._generator(self._step)
        batch = self._on_device(self._objective.draw(generator))
        # Dropout and the like draw from torch's own generator.
        torch.manual_seed(int(generator.integers(2**31)))
        rate = learning_rate_at(self._config, self._step, self._epochs * self._per_epoch)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        self._network.train()
        # Fabric leaves methods other than `forward` alone where there is one device.
        with self._fabric.autocast() if self._objective.mixed else nullcontext():
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
            save_checkpoint(self._folder / BEST, "best weights", self._about, weights)
        self._save()

    @torch.no_grad()
    def _validate(self) -> float:
        """Mean loss over the validation batches, weighted by their sizes."""
        self._network.eval()
        total, count = 0.0, 0
        for batch in self._objective.validation():
            torch.manual_seed(self._config.seed)
            loss = self._objective.loss(self._network, *self._on_device(batch))
            total += float(loss) * len(batch[0])
            count += len(batch[0])
        return total / max(count, 1)

    def _good_enough(self) -> str:
        if self._best is None:
            return ""
        if self._best.validation_loss < self._config.stop_below:
            return f"the validation loss is below {self._config.stop_below:g}"
        done = self._step // self._per_epoch
        if done - self._best.epoch >= self._config.patience:
            return f"no better for {self._config.patience} epochs"
        return ""

    # ---- its parts -----------------------------------------------------------------------

    def _generator(self, step: int) -> np.random.Generator:
        return np.random.default_rng([self._config.seed, step])

    def _on_device(self, batch: Batch) -> Batch:
        return tuple(self._fabric.to_device(tensor) for tensor in batch)

    def _progress(self, batch_size: int) -> Progress:
        per_epoch = self._per_epoch
        done = self._step - len(self._history) * per_epoch
        each_s = self._seconds / max(self._step, 1)
        return Progress(
            epoch=(self._step - 1) // per_epoch + 1,
            epochs=self._epochs,
            step=done,
            steps=per_epoch,
            loss=float(np.mean(self._losses[-50:])),
            validation_loss=self._history[-1].validation_loss if self._history else float("nan"),
            items_per_second=batch_size / max(each_s, 1e-9),
            remaining_s=each_s * (self._epochs * per_epoch - self._step),
            parts=self._objective.parts(),
        )

    def _fit_into(self, minutes: float) -> None:
        """Time a few steps, undo them, and set how many fit into the time."""
        before = {k: v.clone() for k, v in self._objective.network.state_dict().items()}
        optimiser = self._optimiser.state_dict()["state"]
        for _ in range(TIMED_STEPS // 2):
            self._one_step()
        began = time.monotonic()
        for _ in range(TIMED_STEPS):
            self._one_step()
        each_s = (time.monotonic() - began) / TIMED_STEPS
        began = time.monotonic()
        self._validate()
        validating_s = time.monotonic() - began
        self._objective.network.load_state_dict(before)
        self._optimiser.load_state_dict(self._optimiser.state_dict() | {"state": optimiser})
        self._step, self._losses = 0, []
        epoch_s = each_s * self._per_epoch + validating_s
        self._epochs = max(round(minutes * 60 / epoch_s), 1)
        if epoch_s > minutes * 60:  # not even one
            steps = int((minutes * 60 - validating_s) / each_s)
            self._per_epoch = min(max(steps, 1), self._per_epoch)

    # ---- saving --------------------------------------------------------------------------

    def _save(self) -> None:
        tensors = {f"network.{k}": v for k, v in self._objective.network.state_dict().items()}
        for parameter, state in self._optimiser.state_dict()["state"].items():
            for name, value in state.items():
                tensors[f"optimiser.{parameter}.{name}"] = torch.as_tensor(value)
        state = {
            "about": self._about,
            "step": self._step,
            "epochs": self._epochs,
            "steps_per_epoch": self._per_epoch,
            "whole_epoch": self._config.steps_per_epoch,
            "seconds": self._seconds,
            "precision": self._precision,
            "losses": self._losses,
            "history": [_line(epoch) for epoch in self._history],
            "best": _line(self._best) if self._best else None,
        }
        save_checkpoint(self._folder / STATE, "training", state, tensors)

    def _restore(self, saved: Checkpoint) -> None:
        state = saved.about
        # Through JSON, so that tuples and lists are one.
        for name, wanted in json.loads(json.dumps(self._about)).items():
            if state["about"].get(name) != wanted:
                raise BadCheckpoint(
                    f"the run in {self._folder} has another {name.replace('_', ' ')} "
                    f"({_short(state['about'].get(name))}, now {_short(wanted)}); give the "
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
        self._objective.network.load_state_dict(parts["network"])
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in parts["optimiser"].items():
            parameter, _, moment = name.partition(".")
            moments.setdefault(int(parameter), {})[moment] = tensor
        self._optimiser.load_state_dict(self._optimiser.state_dict() | {"state": moments})
        self._step = state["step"]
        self._per_epoch = state["steps_per_epoch"]
        # More epochs than before may be asked for.
        self._epochs = state["epochs"] if self._config.minutes else self._config.epochs
        self._seconds = state["seconds"]
        self._losses = state["losses"]
        self._history = [Epoch(**line) for line in state["history"]]
        self._best = Epoch(**state["best"]) if state["best"] else None


def _line(epoch: Epoch) -> dict[str, float]:
    return {
        "epoch": epoch.epoch,
        "loss": epoch.loss,
        "validation_loss": epoch.validation_loss,
        "seconds": epoch.seconds,
    }


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) < 60 else f"{text[:57]}…"

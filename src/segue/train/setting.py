"""How a training run is set up on a machine: settings, optimiser, precision, Ctrl-C."""

import math
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal

import torch
from torch import nn

from segue.errors import BadArgument

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

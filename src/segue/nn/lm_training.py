"""Training of language models.

The optimiser is AdamW with a cosine schedule and gradient clipping; the validated weights are an
exponential moving average (EMA).
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from segue.errors import BadArgument, BadCheckpoint
from segue.nn.checkpoint import load_checkpoint, match_state_dict
from segue.nn.trainer import (
    BEST,
    Batch,
    FitResult,
    Objective,
    ProgressCallback,
    TrainerConfig,
    TrainingOptions,
    fit,
)

#: Padding after the end of a piece, and targets that are ignored.
IGNORED: Final = -1


@dataclass(frozen=True, slots=True)
class LMTrainingConfig(TrainingOptions):
    """Hyperparameters of the training of a language model.

    Attributes
    ----------
    context : int
        Length of a window in tokens.
    batch_size : int
        Windows per step.
    steps_per_epoch : int
        Number of steps of an epoch.
    weight_decay : float
        Of AdamW.
    max_transpose : int
        Data augmentation: windows are transposed by up to this many semitones up or down.
    stride : int
        Windows begin at multiples of it, so that positions in the bar are preserved.
    ema_decay : float
        Decay of the moving average of the weights; 0 for the latest weights.
    patience : int
        Early stopping: number of epochs without a lower validation loss.
    """

    context: int
    batch_size: int = 16
    epochs: int = field(default=100, kw_only=True)
    steps_per_epoch: int = 50
    learning_rate: float = field(default=1e-3, kw_only=True)
    weight_decay: float = 0.1
    max_transpose: int = 6
    stride: int = 1
    ema_decay: float = 0.99
    patience: int = 20

    def __post_init__(self) -> None:
        """Validate the hyperparameters.

        Raises
        ------
        BadArgument
        """
        TrainingOptions.__post_init__(self)
        for name in ("context", "batch_size", "epochs", "steps_per_epoch", "stride", "patience"):
            if getattr(self, name) < 1:
                raise BadArgument(
                    f"{name.replace('_', ' ')} is {getattr(self, name)}; it is at least 1"
                )
        if not 0 <= self.ema_decay < 1:
            raise BadArgument(f"an EMA decay of {self.ema_decay}; it is from 0 to below 1")
        if self.max_transpose < 0:
            raise BadArgument(
                f"transposed by up to {self.max_transpose}; it is 0 or more semitones"
            )


Loss = Callable[..., Tensor]
#: Beginning of the names of the averaged weights in the state of a run.
_EMA_PREFIX: Final = "mean.module."


class _EMA(nn.Module):
    """Trains a network, and validates the moving average of its weights."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__()
        # The attributes' names are part of the keys in saved training states.
        self.network = network
        average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        self.mean = AveragedModel(network, multi_avg_fn=average)
        self.mean.requires_grad_(False)

    def loss(self, *batch: Tensor) -> Any:
        if not self.training:
            averaged: Any = self.mean.module
            return averaged.loss(*batch)
        self.mean.update_parameters(self.network)
        return self.network.loss(*batch)  # type: ignore[operator]


def fit_lm(
    network: nn.Module,
    training: LMTrainingConfig,
    draw: Callable[[np.random.Generator], Batch],
    validation: Sequence[Batch],
    folder: Path,
    metadata: dict[str, Any],
    *,
    loss: Loss | None = None,
    loss_terms: Callable[[], dict[str, float]] | None = None,
    resume: bool = False,
    watch: ProgressCallback | None = None,
) -> FitResult:
    """Train a network on batches, and leave it with the best weights.

    Parameters
    ----------
    network : Module
        With a dataclass `config`, and a method `loss` unless another is given.
    training : LMTrainingConfig
    draw : callable
        Draws a training batch.
    validation : sequence of Batch
        Validation batches.
    folder : Path
        Folder of the run's state.
    metadata : dict
        Identifies the data; a run with other metadata cannot be resumed.
    loss : callable, optional
        Loss of a network and a batch; by default the network's method.
    loss_terms : callable, optional
        Returns the terms of the loss by name, for the progress.
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
        The loss is not finite.
    BadCheckpoint
        The state to resume is missing, damaged, or of another run.
    """
    ema = _EMA(network, training.ema_decay)
    config = TrainerConfig(
        training.epochs,
        training.steps_per_epoch,
        learning_rate=training.learning_rate,
        optimiser="adamw",
        weight_decay=training.weight_decay,
        betas=(0.9, 0.98),
        schedule="cosine",
        clip=1.0,
        patience=training.patience,
        **training.run_settings(),
    )
    hyperparameters = {
        "configuration": asdict(network.config),  # type: ignore[call-overload]
        "training": asdict(training),
    }
    objective = Objective(
        ema, draw, lambda: validation, loss or _network_loss, loss_terms or dict, autocast=True
    )
    result = fit(objective, config, folder, hyperparameters | metadata, resume=resume, watch=watch)
    network.load_state_dict(ema.mean.module.state_dict())
    network.to("cpu").eval()
    return result


def load_best(network: nn.Module, folder: Path) -> None:
    """Load the best weights so far of an unfinished run.

    Raises
    ------
    BadCheckpoint
        There are none yet, or they are of another network.
    """
    saved = load_checkpoint(folder / BEST, "best weights")
    configuration = json.loads(json.dumps(asdict(network.config)))  # type: ignore[call-overload]
    if saved.metadata["configuration"] != configuration:
        raise BadCheckpoint(
            f"the weights in {folder} are of another network: {saved.metadata['configuration']}, "
            f"this one is {configuration}"
        )
    tensors = {
        name.removeprefix(_EMA_PREFIX): tensor
        for name, tensor in saved.tensors.items()
        if name.startswith(_EMA_PREFIX)
    }
    network.load_state_dict(match_state_dict(tensors, network.state_dict().keys()))
    network.eval()


def _network_loss(network: Any, *batch: Tensor) -> Tensor:
    return network.loss(*batch)  # type: ignore[no-any-return]

"""Training of language models of music on windows of token sequences.

`train_lm` trains on pieces that are token sequences; `fit_lm` trains on batches of any kind. The
optimiser is AdamW with a cosine schedule and gradient clipping; the validated weights are an
exponential moving average (EMA).
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from segue.errors import BadArgument, BadCheckpoint, TrainingFailed
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

Tokens = NDArray[np.int64]
#: Padding after the end of a piece, and targets that are ignored.
IGNORED: Final = -1
_EMA_PREFIX: Final = "mean.module."


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A piece of a training or validation set.

    Attributes
    ----------
    name : str
        Identifies the piece.
    tokens : ndarray, shape (T,) or (T, voices), int64
        The whole piece.
    """

    name: str
    tokens: Tokens


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
#: Transposes tokens by semitones; None where they would leave the pitch range.
Transpose = Callable[[Tokens, int], Tokens | None]


class WindowSampler:
    """Samples windows of pieces; a window never spans two pieces.

    Parameters
    ----------
    pieces : sequence of Piece
    training : LMTrainingConfig
    transpose : callable
    """

    def __init__(
        self, pieces: Sequence[Piece], training: LMTrainingConfig, transpose: Transpose
    ) -> None:
        self._pieces = pieces
        self._training = training
        self._transpose = transpose
        lengths = np.array([len(piece.tokens) for piece in pieces], np.float64)
        self._probabilities = lengths / lengths.sum()

    def draw(self, rng: np.random.Generator) -> Batch:
        """Draw a batch: pieces in proportion to length, starts and transpositions uniformly."""
        training = self._training
        chosen = rng.choice(len(self._pieces), training.batch_size, p=self._probabilities).tolist()
        windows = []
        for index in chosen:
            tokens = self._pieces[index].tokens
            # One start beyond the last full window, so that ends are as likely as middles.
            last = max(len(tokens) - training.context, 0)
            starts = -(-last // training.stride) + 1
            start = int(rng.integers(starts)) * training.stride
            semitones = int(rng.integers(-training.max_transpose, training.max_transpose + 1))
            transposed = self._transpose(tokens, semitones)
            windows.append((tokens if transposed is None else transposed, start))
        return collate(windows, training.context)

    def all(self) -> list[Batch]:
        """Return all pieces in consecutive windows, for validation."""
        context = self._training.context
        windows = [
            (piece.tokens, start)
            for piece in self._pieces
            for start in range(0, len(piece.tokens), context)
        ]
        windows.sort(key=lambda window: min(len(window[0]) - window[1], context))
        size = self._training.batch_size
        return [
            collate(windows[first : first + size], context)
            for first in range(0, len(windows), size)
        ]


def collate(windows: Sequence[tuple[Tokens, int]], context: int) -> Batch:
    """Pad windows to a batch.

    Parameters
    ----------
    windows : sequence of (ndarray, int)
        Tokens of a piece, and start of the window.
    context : int
        Length of a window.

    Returns
    -------
    tokens, targets : Tensor, shape (windows, T[, voices]), int64
        `IGNORED` after the end of a piece. The first token is a target at the beginning of a
        piece alone.
    """
    cut = [tokens[start : start + context] for tokens, start in windows]
    longest = max(len(tokens) for tokens in cut)
    batch = np.full((len(cut), longest, *cut[0].shape[1:]), IGNORED, np.int64)
    for row, tokens in zip(batch, cut, strict=True):
        row[: len(tokens)] = tokens
    targets = batch.copy()
    targets[[start > 0 for _, start in windows], 0] = IGNORED
    return torch.from_numpy(batch), torch.from_numpy(targets)


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


def train_lm(
    network: nn.Module,
    training: LMTrainingConfig,
    train: Sequence[Piece],
    validation: Sequence[Piece],
    transpose: Transpose,
    folder: Path,
    *,
    resume: bool = False,
    watch: ProgressCallback | None = None,
) -> FitResult:
    """Train a network on pieces, and leave it with the best weights.

    Parameters
    ----------
    network : Module
        With a dataclass `config` and a method `loss(tokens, targets)`, such as a `Transformer`.
    training : LMTrainingConfig
        Hyperparameters.
    train, validation : sequence of Piece
        Disjoint sets.
    transpose : callable
        Transposes tokens by semitones.
    folder : Path
        Folder of the run's state.
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
        A set is empty, or the loss is not finite.
    BadCheckpoint
        The state to resume is missing, damaged, or of another run.
    """
    if not train or not validation:
        raise TrainingFailed(
            f"{len(train)} pieces to train on and {len(validation)} for validation; at least one "
            "of each is needed"
        )
    torch.manual_seed(training.seed)
    windows = WindowSampler(train, training, transpose)
    batches = WindowSampler(validation, training, transpose).all()
    metadata = {"pieces": _fingerprint([*train, *validation])}
    return fit_lm(
        network, training, windows.draw, batches, folder, metadata, resume=resume, watch=watch
    )


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
    network, training, folder, resume, watch
        See `train_lm`.
    draw : callable
        Draws a training batch.
    validation : sequence of Batch
        Validation batches.
    metadata : dict
        Identifies the data; a run with other metadata cannot be resumed.
    loss : callable, optional
        Loss of a network and a batch; by default the network's method.
    loss_terms : callable, optional
        Returns the terms of the loss by name, for the progress.
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
        minutes=training.minutes,
        seed=training.seed,
        device=training.device,
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


def _fingerprint(pieces: Sequence[Piece]) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(f"{piece.name} {piece.tokens.shape}\n".encode())
        digest.update(np.ascontiguousarray(piece.tokens).tobytes())
    return digest.hexdigest()[:16]

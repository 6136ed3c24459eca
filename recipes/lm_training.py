"""Training of a language model on windows of token sequences, and its best weights so far."""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from segue.errors import BadCheckpoint, TrainingFailed
from segue.nn.checkpoint import load_checkpoint, match_state_dict
from segue.nn.lm_training import IGNORED, LMTrainingConfig, fit_lm
from segue.nn.trainer import BEST, Batch, FitResult, Progress, ProgressCallback

Tokens = NDArray[np.int64]


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


def _fingerprint(pieces: Sequence[Piece]) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(f"{piece.name} {piece.tokens.shape}\n".encode())
        digest.update(np.ascontiguousarray(piece.tokens).tobytes())
    return digest.hexdigest()[:16]


def print_progress(every_s: float = 20.0) -> ProgressCallback:
    """Return a callback that prints the progress of a run now and then."""
    last = time.monotonic()

    def watch(at: Progress) -> None:
        nonlocal last
        if time.monotonic() - last > every_s:
            last = time.monotonic()
            print(
                f"epoch {at.epoch}/{at.epochs}, step {at.step}/{at.steps}: {at.loss:.4f}, "
                f"validation {at.validation_loss:.4f}, {at.remaining_s / 60:.0f} minutes to go",
                flush=True,
            )

    return watch

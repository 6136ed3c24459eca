"""Training of language models of music: windows of token sequences.

`train_writing` does all of it for pieces that are rows of tokens; `fit_writing` takes whatever
else is drawn.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from segue.errors import BadArgument, BadCheckpoint, TrainingFailed, check_seed
from segue.nn.checkpoint import load_checkpoint, match_state_dict
from segue.nn.trainer import BEST, Batch, LoopConfig, Objective, Trained, Watcher, fit

Tokens = NDArray[np.int64]
#: Where no token is wanted, and after a piece's end.
NOTHING: Final = -1
#: What the names of the mean's weights begin with.
_MEAN: Final = "mean.module."


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A piece to learn from.

    Attributes
    ----------
    name : str
    tokens : ndarray, shape (T,) or (T, voices), int64
        From its beginning to its end.
    """

    name: str
    tokens: Tokens


@dataclass(frozen=True, slots=True)
class WritingTraining:
    """How a network learns to write.

    Attributes
    ----------
    context : int
        Positions of a window.
    batch : int
        Windows of a step.
    epochs, steps_per_epoch : int
    learning_rate : float
        The highest.
    weight_decay : float
    transposed : int
        Semitones that a window is moved by at most, up or down.
    stride : int
        Windows begin at multiples of it, so that places in the bar stay what they are.
    averaging : float
        The weights judged and kept are a mean over the steps so far, in which a step counts this
        many times what the next one does; 0 for the latest weights.
    patience : int
        Epochs without a lower validation loss before it stops.
    minutes : float, optional
        The number of epochs is made to fit.
    seed : int
    device : str
    """

    context: int
    batch: int = 16
    epochs: int = 100
    steps_per_epoch: int = 50
    learning_rate: float = 1e-3
    weight_decay: float = 0.1
    transposed: int = 6
    stride: int = 1
    averaging: float = 0.99
    patience: int = 20
    minutes: float | None = None
    seed: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises
        ------
        BadArgument
        """
        check_seed(self.seed)
        for name in ("context", "batch", "epochs", "steps_per_epoch", "stride", "patience"):
            if getattr(self, name) < 1:
                raise BadArgument(
                    f"{name.replace('_', ' ')} is {getattr(self, name)}; it is at least 1"
                )
        if self.learning_rate <= 0:
            raise BadArgument(f"a learning rate of {self.learning_rate}; it is above 0")
        if not 0 <= self.averaging < 1:
            raise BadArgument(f"averaging is {self.averaging}; it is from 0 to below 1")
        if self.transposed < 0:
            raise BadArgument(f"transposed by {self.transposed} at most; it is 0 or more semitones")


Loss = Callable[..., Tensor]
#: Moves tokens by semitones; None where they would leave the range.
Transposing = Callable[[Tokens, int], Tokens | None]


class Windows:
    """Draws windows that stay inside a piece.

    Parameters
    ----------
    pieces : sequence of Piece
    training : WritingTraining
    transposing : callable
    """

    def __init__(
        self, pieces: Sequence[Piece], training: WritingTraining, transposing: Transposing
    ) -> None:
        self._pieces = pieces
        self._training = training
        self._transposing = transposing
        lengths = np.array([len(piece.tokens) for piece in pieces], np.float64)
        self._weights = lengths / lengths.sum()

    def draw(self, rng: np.random.Generator) -> Batch:
        """Draw a batch: pieces by their lengths, places and transpositions evenly."""
        training = self._training
        chosen = rng.choice(len(self._pieces), training.batch, p=self._weights).tolist()
        windows = []
        for number in chosen:
            tokens = self._pieces[number].tokens
            # One place beyond the last, so that ends are drawn as often as middles.
            last = max(len(tokens) - training.context, 0)
            places = -(-last // training.stride) + 1
            start = int(rng.integers(places)) * training.stride
            most = training.transposed
            moved = self._transposing(tokens, int(rng.integers(-most, most + 1)))
            windows.append((tokens if moved is None else moved, start))
        return batch_of(windows, training.context)

    def all(self) -> list[Batch]:
        """Return every piece as it is, cut into windows, each once."""
        context = self._training.context
        windows = [
            (piece.tokens, start)
            for piece in self._pieces
            for start in range(0, len(piece.tokens), context)
        ]
        windows.sort(key=lambda window: min(len(window[0]) - window[1], context))
        size = self._training.batch
        return [
            batch_of(windows[first : first + size], context)
            for first in range(0, len(windows), size)
        ]


def batch_of(windows: Sequence[tuple[Tokens, int]], context: int) -> Batch:
    """Put windows of pieces side by side.

    Parameters
    ----------
    windows : sequence of (ndarray, int)
        A piece, and where its window begins.
    context : int
        Positions of a window at most.

    Returns
    -------
    given, wanted : Tensor, shape (windows, positions[, voices]), int64
        `NOTHING` after a piece's end. The first position is wanted of a piece's beginning alone.
    """
    cut = [tokens[start : start + context] for tokens, start in windows]
    longest = max(len(tokens) for tokens in cut)
    given = np.full((len(cut), longest, *cut[0].shape[1:]), NOTHING, np.int64)
    for row, tokens in zip(given, cut, strict=True):
        row[: len(tokens)] = tokens
    wanted = given.copy()
    wanted[[start > 0 for _, start in windows], 0] = NOTHING
    return torch.from_numpy(given), torch.from_numpy(wanted)


class _Averaging(nn.Module):
    """Learns as one network and is judged as the mean of what that was in the latest steps."""

    def __init__(self, network: nn.Module, averaging: float) -> None:
        super().__init__()
        self.network = network
        mean = get_ema_multi_avg_fn(averaging)  # type: ignore[no-untyped-call]
        self.mean = AveragedModel(network, multi_avg_fn=mean)
        self.mean.requires_grad_(False)

    def loss(self, *batch: Tensor) -> Any:
        if not self.training:
            mean: Any = self.mean.module
            return mean.loss(*batch)
        self.mean.update_parameters(self.network)
        return self.network.loss(*batch)  # type: ignore[operator]


def train_writing(
    network: nn.Module,
    training: WritingTraining,
    learn: Sequence[Piece],
    validate: Sequence[Piece],
    transposing: Transposing,
    folder: Path,
    *,
    resume: bool = False,
    watch: Watcher | None = None,
) -> Trained:
    """Train a network, and leave it with the best weights.

    Parameters
    ----------
    network : Module
        With `config`, a dataclass, and `loss(given, wanted)`, a `Transformer` say.
    training : WritingTraining
    learn, validate : sequence of Piece
        Different pieces.
    transposing : callable
        Moves tokens by semitones.
    folder : Path
        Where the run's state is kept.
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
        There is nothing to learn from or to judge by, or the loss is no number any more.
    BadCheckpoint
        The state to resume is not there, damaged, or of another run.
    """
    if not learn or not validate:
        raise TrainingFailed(
            f"{len(learn)} pieces to learn from and {len(validate)} to judge by; at least one of "
            "each is needed"
        )
    torch.manual_seed(training.seed)
    windows = Windows(learn, training, transposing)
    judged = Windows(validate, training, transposing).all()
    told = {"pieces": _fingerprint([*learn, *validate])}
    return fit_writing(
        network, training, windows.draw, judged, folder, told, resume=resume, watch=watch
    )


def fit_writing(
    network: nn.Module,
    training: WritingTraining,
    draw: Callable[[np.random.Generator], Batch],
    judged: Sequence[Batch],
    folder: Path,
    about: dict[str, Any],
    *,
    loss: Loss | None = None,
    parts: Callable[[], dict[str, float]] | None = None,
    resume: bool = False,
    watch: Watcher | None = None,
) -> Trained:
    """Train a network on whatever is drawn, and leave it with the best weights.

    Parameters
    ----------
    network, training, folder, resume, watch
        As of `train_writing`.
    draw : callable
        Makes a batch: what is given, and what of it is wanted.
    judged : sequence of Batch
        What the network is judged by after each epoch.
    about : dict
        What the run learns from; one with another cannot be resumed.
    loss : callable, optional
        From the network and a batch; else what its `loss` gives.
    parts : callable, optional
        Of what the loss consists, for the line of progress.
    """
    averaging = _Averaging(network, training.averaging)
    loop = LoopConfig(
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
    known = {
        "configuration": asdict(network.config),  # type: ignore[call-overload]
        "training": asdict(training),
    }
    objective = Objective(averaging, draw, lambda: judged, loss or _loss, parts or dict, mixed=True)
    trained = fit(objective, loop, folder, known | about, resume=resume, watch=watch)
    network.load_state_dict(averaging.mean.module.state_dict())
    network.to("cpu").eval()
    return trained


def load_best(network: nn.Module, folder: Path) -> None:
    """Give a network the best weights so far of a run that goes on, or was stopped.

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
        name.removeprefix(_MEAN): tensor
        for name, tensor in saved.tensors.items()
        if name.startswith(_MEAN)
    }
    network.load_state_dict(match_state_dict(tensors, network.state_dict().keys()))
    network.eval()


def _loss(network: Any, *batch: Tensor) -> Tensor:
    return network.loss(*batch)  # type: ignore[no-any-return]


def _fingerprint(pieces: Sequence[Piece]) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(f"{piece.name} {piece.tokens.shape}\n".encode())
        digest.update(np.ascontiguousarray(piece.tokens).tobytes())
    return digest.hexdigest()[:16]

"""Training of the notes-and-durations LSTM."""

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

from segue.errors import BadArgument, check_seed
from segue.generate.notes.network import (
    IGNORED,
    MODEL,
    STREAMS,
    NoteLosses,
    NoteLSTM,
    NoteLSTMConfig,
    NoteModel,
)
from segue.generate.notes.tokens import (
    NoteSequence,
    Vocabulary,
    cooccurrence_vectors,
    count_cooccurrences,
)
from segue.nn.split import train_validation_split
from segue.nn.trainer import Batch, FitResult, Objective, ProgressCallback, TrainerConfig, fit

WINDOW: Final = 100
EPOCHS: Final = 200
STEPS_PER_EPOCH: Final = 50
PATIENCE: Final = 10
BATCH_SIZE: Final = 64
VALIDATION_WINDOWS: Final = 512
#: Words that are known, at most; the others are `unkw`.
MAX_VOCABULARY: Final = 4096
_PARTS_KEPT: Final = 50


@dataclass(frozen=True, slots=True)
class NoteTraining:
    """What a user may choose.

    Attributes
    ----------
    epochs : int, optional
        Else until the held-out pieces get no better, at most `EPOCHS`.
    minutes : float, optional
        The number of epochs is made to fit.
    learning_rate : float
    hidden : int
        Of the LSTMs.
    fewest : int
        Words met less often are unknown; 2, so that what `unkw` means is learned.
    device : str
    seed : int
    """

    epochs: int | None = None
    minutes: float | None = None
    learning_rate: float = 2e-3
    hidden: int = 256
    fewest: int = 2
    device: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises
        ------
        BadArgument
        """
        check_seed(self.seed)
        if self.learning_rate <= 0:
            raise BadArgument(f"a learning rate of {self.learning_rate}; it is above 0")
        if self.fewest < 1:
            raise BadArgument(f"words met {self.fewest} times; 1 or above")


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A piece to learn from.

    Attributes
    ----------
    name : str
        Its content hash, say: the same pieces are always divided alike.
    words : NoteSequence
    group : str
        What is never divided between learning and judging, an album say; "" for itself.
    """

    name: str
    words: NoteSequence
    group: str = ""


def train_notes(
    training: NoteTraining,
    pieces: Sequence[Piece],
    folder: Path,
    *,
    resume: bool = False,
    watch: ProgressCallback | None = None,
) -> tuple[NoteModel, FitResult]:
    """Learn a model.

    Parameters
    ----------
    training : NoteTraining
    pieces : sequence of Piece
        Different contents; at least three. Those of less than two words are passed over.
    folder : Path
        Where the run's state and, at the end, the model are kept.
    resume : bool
    watch : callable, optional
        Told a `Progress` after each step.

    Returns
    -------
    NoteModel
        Also written to `folder` as `MODEL`.
    Trained
        Its losses are those of notes and durations together.

    Raises
    ------
    TrainingFailed
        There are too few pieces, or the loss is no number any more.
    BadCheckpoint
        The state to resume is not there, damaged, or of another run.
    """
    learn, validate = train_validation_split(
        [piece for piece in pieces if len(piece.words) > 1], "scores with at least two notes"
    )
    model, trained = fit_notes(training, learn, validate, folder, resume=resume, watch=watch)
    model.save(folder / MODEL)
    return model, trained


def fit_notes(
    training: NoteTraining,
    learn: Sequence[Piece],
    validate: Sequence[Piece],
    folder: Path,
    *,
    resume: bool = False,
    watch: ProgressCallback | None = None,
) -> tuple[NoteModel, FitResult]:
    """Learn from some pieces, judge by others; nothing but the state is written."""
    vocabularies = {
        name: Vocabulary.of(
            (getattr(piece.words, name) for piece in learn),
            fewest=training.fewest,
            most=MAX_VOCABULARY,
        )
        for name in STREAMS
    }
    notes, durations = (len(vocabularies[name]) for name in STREAMS)
    config = NoteLSTMConfig(notes, durations, hidden=training.hidden)
    torch.manual_seed(training.seed)
    network = NoteLSTM(config)
    windows, held = (WindowSampler(some, vocabularies) for some in (learn, validate))
    parts: deque[dict[str, float]] = deque(maxlen=_PARTS_KEPT)

    def loss(net: Any, notes: Tensor, durations: Tensor) -> Tensor:
        found: NoteLosses = net.loss(notes, durations)
        if net.training:
            parts.append({name: float(getattr(found, name).detach()) for name in STREAMS})
        return found.notes + found.durations

    validation = held.fixed(VALIDATION_WINDOWS, training.seed)
    objective = Objective(network, windows.draw, lambda: validation, loss, lambda: _mean(parts))
    loop = TrainerConfig(
        training.epochs or EPOCHS,
        STEPS_PER_EPOCH,
        learning_rate=training.learning_rate,
        schedule="cosine" if training.minutes or training.epochs else "constant",
        clip=1.0,
        patience=PATIENCE,
        minutes=training.minutes,
        seed=training.seed,
        device=training.device,
    )
    about = {
        "configuration": asdict(config),
        "pieces": _fingerprint(learn, validate),
        "learning_rate": training.learning_rate,
    }
    trained = fit(objective, loop, folder, about, resume=resume, watch=watch)
    network.to("cpu")
    told = {
        "training": asdict(training),
        "pieces": len(learn),
        "held_out_pieces": len(validate),
        "words": sum(len(piece.words) for piece in learn),
        "epochs": len(trained.history),
        "best_epoch": trained.best.epoch,
        "losses": {
            "training": mean_losses(network, windows.fixed(VALIDATION_WINDOWS, training.seed)),
            "held_out": mean_losses(network, validation),
        },
        "unknown": {
            "training": windows.unknown(),
            "held_out": held.unknown(),
        },
        "stopped": trained.stopped,
        "precision": trained.precision,
    }
    company = {
        name: cooccurrence_vectors(
            count_cooccurrences(windows.words(name), len(vocabularies[name]))
        )
        for name in STREAMS
    }
    return NoteModel(network, vocabularies, company, told), trained


@torch.no_grad()
def mean_losses(network: NoteLSTM, batches: Sequence[Batch]) -> dict[str, float]:
    """Return the mean cost of a word, in nats, by stream, over batches of equal size."""
    network.eval()
    found = [network.loss(*batch) for batch in batches]
    return {name: float(np.mean([float(getattr(f, name)) for f in found])) for name in STREAMS}


class WindowSampler:
    """Draws windows of a hundred words, and the word that follows each.

    Parameters
    ----------
    pieces : sequence of Piece
    vocabularies : dict of str to Vocabulary
    """

    def __init__(self, pieces: Sequence[Piece], vocabularies: dict[str, Vocabulary]) -> None:
        self._words = {
            name: [vocabularies[name].ids(getattr(piece.words, name)) for piece in pieces]
            for name in STREAMS
        }
        lengths = np.array([len(piece.words) for piece in pieces])
        # A piece shorter than a window has one, which ends before it is full.
        self._starts = np.maximum(lengths - WINDOW, 1)
        self._shares = self._starts / self._starts.sum()

    def words(self, stream: str) -> list[NDArray[np.int64]]:
        """Return the words of all pieces by number."""
        return self._words[stream]

    def unknown(self) -> dict[str, float]:
        """Return the share of words that are not known, by stream."""
        return {
            name: float((np.concatenate(words) == 0).mean()) for name, words in self._words.items()
        }

    def draw(self, rng: np.random.Generator) -> Batch:
        """Draw a batch: notes and durations, each of shape (BATCH, 101)."""
        chosen = rng.choice(len(self._starts), BATCH_SIZE, p=self._shares)
        starts = rng.integers(0, self._starts[chosen])
        return tuple(
            torch.from_numpy(
                np.stack(
                    [
                        _window(self._words[name][piece], start)
                        for piece, start in zip(chosen.tolist(), starts.tolist(), strict=True)
                    ]
                )
            )
            for name in STREAMS
        )

    def fixed(self, count: int, seed: int) -> list[Batch]:
        """Draw so many windows that are always the same, in batches."""
        batches = max(count // BATCH_SIZE, 1)
        return [self.draw(np.random.default_rng([seed, number])) for number in range(batches)]


def _window(words: NDArray[np.int64], start: int) -> NDArray[np.int64]:
    found = words[start : start + WINDOW + 1]
    return np.pad(found, (0, WINDOW + 1 - len(found)), constant_values=IGNORED)


def _mean(parts: Sequence[dict[str, float]]) -> dict[str, float]:
    names = parts[0] if parts else {}
    return {name: float(np.mean([one[name] for one in parts])) for name in names}


def _fingerprint(learn: Sequence[Piece], validate: Sequence[Piece]) -> str:
    names = [piece.name for piece in (*learn, *validate)]
    return hashlib.sha256(f"{len(learn)} {' '.join(names)}".encode()).hexdigest()[:16]

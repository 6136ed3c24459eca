"""Training of the notes-and-durations LSTM."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segue.errors import BadArgument
from segue.generate.notes.network import (
    IGNORED,
    MODEL,
    STREAMS,
    NoteLosses,
    NoteLSTM,
    NoteLSTMConfig,
    NoteModel,
    NoteSequence,
    Vocabulary,
    cooccurrence_vectors,
    count_cooccurrences,
)
from segue.nn.split import train_validation_split
from segue.nn.trainer import (
    Batch,
    FitResult,
    LossTerms,
    Objective,
    ProgressCallback,
    TrainerConfig,
    TrainingOptions,
    data_fingerprint,
    fit,
    fixed_batches,
)

#: Number of tokens before the one that is predicted, as published.
WINDOW: Final = 100
EPOCHS: Final = 200
STEPS_PER_EPOCH: Final = 50
PATIENCE: Final = 10
BATCH_SIZE: Final = 64
VALIDATION_BATCHES: Final = 8
MAX_VOCABULARY: Final = 4096


@dataclass(frozen=True, slots=True)
class NoteTraining(TrainingOptions):
    """Training options; by default early stopping after at most `EPOCHS`.

    Attributes
    ----------
    hidden : int
        Hidden size of the LSTMs.
    fewest : int
        Rarer tokens are out of the vocabulary; 2, so that the embedding of `unkw` is trained.
    """

    learning_rate: float = field(default=2e-3, kw_only=True)
    hidden: int = 256
    fewest: int = 2

    def __post_init__(self) -> None:
        """Validate the options.

        Raises
        ------
        BadArgument
        """
        TrainingOptions.__post_init__(self)
        if self.fewest < 1:
            raise BadArgument(f"a minimum count of {self.fewest}; it is at least 1")


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A piece of a training or validation set.

    Attributes
    ----------
    name : str
        Identifies the piece, such as its content hash.
    words : NoteSequence
        Its tokens.
    group : str
        Never divided between training and validation, such as an album; "" for the piece itself.
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
    """Train a model on pieces, a tenth of which are held out for validation.

    Parameters
    ----------
    training : NoteTraining
        Options.
    pieces : sequence of Piece
        At least three, of different content. Those with less than two tokens are skipped.
    folder : Path
        Folder of the run's state and, at the end, of the model.
    resume : bool
        Whether to continue the run in the folder.
    watch : callable, optional
        Called with a `Progress` after each step.

    Returns
    -------
    NoteModel
        Also written to `folder` as `MODEL`.
    FitResult
        Losses are sums over both streams.

    Raises
    ------
    TrainingFailed
        There are too few pieces, or the loss is not finite.
    BadCheckpoint
        The state to resume is missing, damaged, or of another run.
    """
    train, validation = train_validation_split(
        [piece for piece in pieces if len(piece.words) > 1], "scores with at least two notes"
    )
    model, result = fit_notes(training, train, validation, folder, resume=resume, watch=watch)
    model.save(folder / MODEL)
    return model, result


def fit_notes(
    training: NoteTraining,
    train: Sequence[Piece],
    validation: Sequence[Piece],
    folder: Path,
    *,
    resume: bool = False,
    watch: ProgressCallback | None = None,
) -> tuple[NoteModel, FitResult]:
    """Train on one set and validate on another; the model is not written."""
    vocabularies = build_vocabularies(train, training.fewest)
    notes, durations = (len(vocabularies[name]) for name in STREAMS)
    config = NoteLSTMConfig(notes, durations, hidden=training.hidden)
    torch.manual_seed(training.seed)
    network = NoteLSTM(config)
    windows, validation_windows = (
        WindowSampler(pieces, vocabularies) for pieces in (train, validation)
    )
    terms = LossTerms()

    def loss(network: Any, notes: Tensor, durations: Tensor) -> Tensor:
        losses: NoteLosses = network.loss(notes, durations)
        if network.training:
            terms.add(notes=losses.notes, durations=losses.durations)
        return losses.notes + losses.durations

    batches = fixed_batches(validation_windows.draw, VALIDATION_BATCHES, training.seed)
    objective = Objective(network, windows.draw, lambda: batches, loss, terms.means)
    trainer = TrainerConfig(
        training.epochs or EPOCHS,
        STEPS_PER_EPOCH,
        learning_rate=training.learning_rate,
        schedule="cosine" if training.minutes or training.epochs else "constant",
        clip=1.0,
        patience=PATIENCE,
        **training.run_settings(),
    )
    names = " ".join(piece.name for piece in (*train, *validation))
    run = {
        "configuration": asdict(config),
        "pieces": data_fingerprint([f"{len(train)} {names}"]),
        "learning_rate": training.learning_rate,
    }
    result = fit(objective, trainer, folder, run, resume=resume, watch=watch)
    network.to("cpu")
    metadata = {
        "training": asdict(training),
        "pieces": len(train),
        "held_out_pieces": len(validation),
        "words": sum(len(piece.words) for piece in train),
        **result.summary(),
        **_evaluate(network, {"training": windows, "held_out": validation_windows}, training.seed),
    }
    cooccurrence = {
        name: cooccurrence_vectors(count_cooccurrences(windows.ids(name), len(vocabularies[name])))
        for name in STREAMS
    }
    return NoteModel(network, vocabularies, cooccurrence, metadata), result


def _evaluate(
    network: NoteLSTM, samplers: "Mapping[str, WindowSampler]", seed: int
) -> dict[str, dict[str, Any]]:
    """Return losses and rates of unknown tokens of the training and the validation set."""
    return {
        "losses": {
            name: mean_losses(network, fixed_batches(windows.draw, VALIDATION_BATCHES, seed))
            for name, windows in samplers.items()
        },
        "unknown": {name: windows.unknown_rates() for name, windows in samplers.items()},
    }


def build_vocabularies(pieces: Sequence[Piece], min_count: int = 1) -> dict[str, Vocabulary]:
    """Return the vocabularies of pieces, without the tokens that are rarer than `min_count`."""
    return {
        name: Vocabulary.build(
            (getattr(piece.words, name) for piece in pieces),
            min_count=min_count,
            max_size=MAX_VOCABULARY,
        )
        for name in STREAMS
    }


@torch.no_grad()
def mean_losses(network: NoteLSTM, batches: Sequence[Batch]) -> dict[str, float]:
    """Return the mean cross-entropy of each stream over batches of equal size, in nats."""
    network.eval()
    losses = [network.loss(*batch) for batch in batches]
    return {
        name: float(np.mean([float(getattr(each, name)) for each in losses])) for name in STREAMS
    }


class WindowSampler:
    """Samples windows of `WINDOW` tokens and the token that follows.

    Parameters
    ----------
    pieces : sequence of Piece
        Training or validation set.
    vocabularies : dict of str to Vocabulary
        By stream.
    """

    def __init__(self, pieces: Sequence[Piece], vocabularies: dict[str, Vocabulary]) -> None:
        self._ids = {
            name: [vocabularies[name].ids(getattr(piece.words, name)) for piece in pieces]
            for name in STREAMS
        }
        lengths = np.array([len(piece.words) for piece in pieces])
        # A piece shorter than a window has one start, and is padded.
        self._starts = np.maximum(lengths - WINDOW, 1)
        self._probabilities = self._starts / self._starts.sum()

    def ids(self, stream: str) -> list[NDArray[np.int64]]:
        """Return the token ids of all pieces."""
        return self._ids[stream]

    def unknown_rates(self) -> dict[str, float]:
        """Return the share of tokens out of the vocabulary, by stream."""
        return {name: float((np.concatenate(ids) == 0).mean()) for name, ids in self._ids.items()}

    def draw(self, rng: np.random.Generator) -> Batch:
        """Draw a batch: notes and durations, each of shape (BATCH_SIZE, WINDOW + 1)."""
        pieces = rng.choice(len(self._starts), BATCH_SIZE, p=self._probabilities)
        starts = rng.integers(0, self._starts[pieces])
        chosen = list(zip(pieces.tolist(), starts.tolist(), strict=True))
        return tuple(
            torch.from_numpy(
                np.stack([_window(self._ids[name][piece], start) for piece, start in chosen])
            )
            for name in STREAMS
        )


def _window(ids: NDArray[np.int64], start: int) -> NDArray[np.int64]:
    window = ids[start : start + WINDOW + 1]
    return np.pad(window, (0, WINDOW + 1 - len(window)), constant_values=IGNORED)

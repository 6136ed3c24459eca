"""Learns to compose from scores: anew, or from what another network learned."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import torch

from segue.errors import BadArgument, TrainingFailed, check_seed
from segue.model.score.composer import MODEL, Composer
from segue.model.transformer import StackConfig, Transformer, TransformerConfig
from segue.represent.score.bar_prints import part_prints
from segue.represent.score.known_bars import KnownBars
from segue.represent.score.vocabulary import VOCABULARY
from segue.train.compositions import Composition, Excerpts, fingerprint
from segue.train.loop import Trained, Watcher
from segue.train.writing import WritingTraining, fit_writing

STEPS_PER_EPOCH: Final = 100
EPOCHS: Final = 100
BATCH: Final = 8
JUDGED: Final = 6  # batches
#: Of a network that has learned already, and of one that has not.
LEARNING_RATES: Final = (4e-4, 1.5e-3)


@dataclass(frozen=True, slots=True)
class ComposerTraining:
    """How to learn.

    Attributes
    ----------
    epochs : int, optional
        Of 100 steps; else 100, or as many as fit into `minutes`.
    minutes : float, optional
    learning_rate : float, optional
        The highest; else as it suits.
    start : str
        "" to learn from the beginning, "shipped" from what comes with Segue, or the name of
        another model of the library.
    device : str
    seed : int
    """

    epochs: int | None = None
    minutes: float | None = None
    learning_rate: float | None = None
    start: str = ""
    device: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises
        ------
        BadArgument
        """
        check_seed(self.seed)
        if self.learning_rate is not None and self.learning_rate <= 0:
            raise BadArgument(f"a learning rate of {self.learning_rate}; it is above 0")


def new_network(seed: int = 0) -> Transformer:
    """Make a network that knows nothing: 4 layers of 256, 768 tokens in view."""
    torch.manual_seed(seed)
    stack = StackConfig(256, 4, 4, context=768, dropout=0.1)
    return Transformer(TransformerConfig(VOCABULARY, stack))


def train_composer(
    training: ComposerTraining,
    learn: Sequence[Composition],
    validate: Sequence[Composition],
    folder: Path,
    *,
    start: Composer | None = None,
    resume: bool = False,
    watch: Watcher | None = None,
) -> tuple[Composer, Trained]:
    """Learn to compose.

    Parameters
    ----------
    training : ComposerTraining
    learn, validate : sequence of Composition
        Different pieces.
    folder : Path
        Where the run's state and, at the end, the model are kept.
    start : Composer, optional
        What is learned on from. What that knows stays known, so that it is not copied either.
    resume : bool
    watch : callable, optional
        Told a `Progress` after each step.

    Raises
    ------
    TrainingFailed
        There are too few pieces, or the loss is no number any more.
    BadCheckpoint
        The state to resume is not there, damaged, or of another run.
    """
    if not learn or not validate:
        raise TrainingFailed(
            f"{len(learn)} scores to learn from and {len(validate)} to judge by; at least one of "
            "each is needed: add more with `segue add`"
        )
    network = new_network(training.seed)
    if start:
        network = Transformer(start.network.config)
        network.load_state_dict(start.network.state_dict())
    context = network.config.stack.context
    setting = WritingTraining(
        context,
        batch=BATCH,
        epochs=training.epochs or EPOCHS,
        steps_per_epoch=STEPS_PER_EPOCH,
        learning_rate=training.learning_rate or LEARNING_RATES[start is None],
        weight_decay=0.05,
        transposed=0,  # all is in C
        minutes=training.minutes,
        seed=training.seed,
        device=training.device,
    )
    excerpts = Excerpts(learn, context, BATCH)
    judged = Excerpts(validate, context, BATCH).fixed(JUDGED, training.seed)
    about = {
        "learned from": fingerprint(learn),
        "judged by": fingerprint(validate),
        "start": start.fingerprint if start else "",
    }
    trained = fit_writing(
        network, setting, excerpts.draw, judged, folder, about, resume=resume, watch=watch
    )
    told = {
        "training": asdict(training),
        "pieces": len(learn),
        "held_out_pieces": len(validate),
        "notes": sum(len(bar.notes) for piece in learn for bar in piece.bars),
        "epochs": len(trained.history),
        "best_epoch": trained.best.epoch,
        "loss": trained.best.loss,
        "held_out_loss": trained.best.validation_loss,
        "seconds": trained.history[-1].seconds,
        "precision": trained.precision,
    }
    known = known_bars(learn)
    composer = Composer(network, start.known.joined(known) if start else known, told)
    fingerprint_ = composer.save(folder / MODEL)
    return Composer(network, composer.known, told, fingerprint_), trained


def known_bars(pieces: Sequence[Composition]) -> KnownBars:
    """Hold what tells the bars of pieces, so that what is copied from them is found."""
    return KnownBars.of([(piece.name, part_prints(piece.bars).values()) for piece in pieces])

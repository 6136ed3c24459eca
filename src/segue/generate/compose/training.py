"""Training of the composing transformer.

Draws what a network learns composing from: pieces gone on with, filled in, and added to.

A window of a piece is written in one of three ways (see `segue.generate.compose.grammar`): bar
after bar; with some bars taken out and told last, after those that stand behind and before them
(Bavarian et al., "Efficient Training of Language Models to Fill in the Middle", 2022); or each
bar with one part told last. Key and instruments are told before, but not always, so that neither
must be known. All pieces are moved to C: what is learned of one key is known of all.

Learns to compose from scores: anew, or from what another network learned.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch

from segue.errors import BadArgument, TrainingFailed, check_seed
from segue.generate.compose.grammar import adding, bar_tokens, bar_with_part, filling, header
from segue.generate.compose.known_bars import KnownBars, part_prints
from segue.generate.compose.model import MODEL, Composer
from segue.generate.compose.tokens import END, FILLED, OPENING, VOCABULARY, Bar, bars_on_grid, home
from segue.nn.lm_training import NOTHING, WritingTraining, fit_writing
from segue.nn.trainer import Batch, Trained, Watcher
from segue.nn.transformer import StackConfig, Transformer, TransformerConfig
from segue.records import Score
from segue.score.harmony import estimate_key

# --- compositions ---

#: Shares of windows.
FILLING: Final = 0.25
ADDING: Final = 0.25
KEY_UNSAID: Final = 0.25
INSTRUMENTS_UNSAID: Final = 0.1
FROM_THE_OPENING: Final = 0.15
#: Of what is in view: so much stands behind bars to be filled in at most, and as much before.
BESIDE: Final = 0.35


@dataclass(frozen=True, slots=True)
class Composition:
    """A piece to learn from.

    Attributes
    ----------
    name : str
    bars : tuple of Bar
    key : int
        From 0: C major, C minor, C♯ major … B minor.
    group : str
        The same for versions of one piece.
    """

    name: str
    bars: tuple[Bar, ...]
    key: int
    group: str = ""


def composition(name: str, score: Score, group: str = "") -> Composition:
    """Make a piece to learn from.

    Raises
    ------
    BadArgument
        As of `segue.generate.compose.tokens.bars_on_grid`.
    """
    return Composition(name, tuple(bars_on_grid(score)), key_number(score), group)


def key_number(score: Score) -> int:
    """Return the key of a score, from 0: C major, C minor, C♯ major … B minor."""
    key = estimate_key(score)
    return 2 * key.tonic + (key.mode == "minor")


class Excerpts:
    """Draws windows of pieces.

    Parameters
    ----------
    pieces : sequence of Composition
    context : int
        Tokens of a window at most.
    batch : int
    """

    def __init__(self, pieces: Sequence[Composition], context: int, batch: int) -> None:
        if not pieces:
            raise BadArgument("no piece to draw from")
        self._pieces = pieces
        self._context, self._batch = context, batch
        # By the roots of their lengths: long pieces are no better than many short ones.
        notes = np.array([sum(len(bar.notes) for bar in piece.bars) for piece in pieces])
        self._weights = np.sqrt(notes) / np.sqrt(notes).sum()

    def draw(self, rng: np.random.Generator) -> Batch:
        """Draw a batch of windows."""
        chosen = rng.choice(len(self._pieces), self._batch, p=self._weights).tolist()
        return _batch([self._window(self._pieces[number], rng) for number in chosen])

    def fixed(self, batches: int, seed: int) -> list[Batch]:
        """Draw batches that are always the same."""
        return [self.draw(np.random.default_rng([seed, number])) for number in range(batches)]

    def _window(self, piece: Composition, rng: np.random.Generator) -> list[int]:
        way = rng.random()
        start = 0 if rng.random() < FROM_THE_OPENING else int(rng.integers(len(piece.bars)))
        if way < FILLING:
            tokens = self._filled(piece, start, rng)
        elif way < FILLING + ADDING:
            tokens = self._added(piece, start, rng)
        else:
            tokens = self._gone_on(piece, start, rng)
        return tokens[: self._context]

    def _gone_on(self, piece: Composition, start: int, rng: np.random.Generator) -> list[int]:
        bars = self._bars(piece, start)
        tokens = _said(bars, piece.key, rng)
        tokens += [OPENING] if not start else []
        for bar in bars:
            tokens += bar_tokens(bar)
        if start + len(bars) == len(piece.bars):
            tokens.append(END)
        return tokens

    def _filled(self, piece: Composition, start: int, rng: np.random.Generator) -> list[int]:
        bars = self._bars(piece, start)
        written = [bar_tokens(bar) for bar in bars]
        beside = int(BESIDE * self._context)
        before = int(rng.integers(0, _fitting(written, beside) + 1))
        count = int(rng.integers(1, FILLED + 1)) if rng.random() < 0.5 else int(rng.integers(1, 5))
        count = min(count, len(bars) - before)
        if count < 1:
            return self._gone_on(piece, start, rng)
        after = _fitting(written[before + count :], beside)
        tokens = _said(bars[: before + count + after], piece.key, rng)
        tokens += filling(count, bars[before + count : before + count + after])
        tokens += [OPENING] if not start else []
        for bar in written[: before + count]:
            tokens += bar
        return [*tokens, END]

    def _added(self, piece: Composition, start: int, rng: np.random.Generator) -> list[int]:
        bars = self._bars(piece, start)
        playing = sorted(frozenset[int]().union(*(bar.instruments for bar in bars)))
        if len(playing) < 2:
            return self._gone_on(piece, start, rng)
        added = int(rng.choice(playing))
        others = [bar.only(bar.instruments - {added}) for bar in bars]
        tokens = _said(others, piece.key, rng) + adding(added)
        tokens += [OPENING] if not start else []
        for bar in bars:
            tokens += bar_with_part(bar, added)
        return [*tokens, END] if start + len(bars) == len(piece.bars) else tokens

    def _bars(self, piece: Composition, start: int) -> list[Bar]:
        """Return bars that fill a window, in C."""
        length, last = 0, start
        while last < len(piece.bars) and length < self._context:
            length += len(bar_tokens(piece.bars[last]))
            last += 1
        return [bar.moved(home(piece.key)) for bar in piece.bars[start:last]]


def _said(bars: Sequence[Bar], key: int, rng: np.random.Generator) -> list[int]:
    playing = frozenset[int]().union(*(bar.instruments for bar in bars))
    return header(
        () if rng.random() < INSTRUMENTS_UNSAID else playing,
        None if rng.random() < KEY_UNSAID else key % 2,
    )


def _fitting(written: Sequence[Sequence[int]], room: int) -> int:
    """Return how many bars find room."""
    ends = np.cumsum([len(bar) for bar in written])
    return int(np.searchsorted(ends, room, side="right"))


def _batch(windows: Sequence[list[int]]) -> Batch:
    given = np.full((len(windows), max(map(len, windows))), NOTHING, np.int64)
    for row, window in zip(given, windows, strict=True):
        row[: len(window)] = window
    tokens = torch.from_numpy(given)
    return tokens, tokens


def fingerprint(pieces: Sequence[Composition]) -> str:
    """Return what tells these pieces from others."""
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(repr((piece.name, piece.key, piece.bars)).encode())
    return digest.hexdigest()[:16]


# --- composer ---

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

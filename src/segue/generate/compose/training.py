"""Training of the composing transformer: training examples, and the training run.

An excerpt of a piece becomes an example in one of three ways: a continuation; infilling
(fill-in-the-middle, with the suffix before the prefix: Bavarian et al., "Efficient Training of
Language Models to Fill in the Middle", 2022); or an added part, whose notes come last in each bar.
Key and instruments are dropped from the header at random, so that they stay optional. All pieces
are transposed to C.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import torch

from segue.errors import BadArgument, TrainingFailed
from segue.generate.compose.grammar import (
    encode_bar,
    encode_bar_with_part,
    header,
    infill_prefix,
    part_prefix,
)
from segue.generate.compose.model import MODEL, Composer
from segue.generate.compose.planning import key_index
from segue.generate.compose.tokens import (
    END,
    MAX_INFILL_BARS,
    OPENING,
    VOCABULARY_SIZE,
    Bar,
    score_to_bars,
    semitones_to_c,
)
from segue.generate.copying import PassageIndex, fingerprint_parts, index_bars
from segue.nn.lm_training import IGNORED, LMTrainingConfig, fit_lm
from segue.nn.quantization import float_state_dict
from segue.nn.trainer import (
    Batch,
    FitResult,
    ProgressCallback,
    TrainingOptions,
    data_fingerprint,
    fixed_batches,
)
from segue.nn.transformer import StackConfig, Transformer, TransformerConfig
from segue.records import Score

#: Probabilities of the kinds of examples; the others are continuations.
INFILL_PROBABILITY: Final = 0.25
ADD_PART_PROBABILITY: Final = 0.25
#: Probabilities that the header lacks the key, and the instruments.
KEY_DROPOUT: Final = 0.25
INSTRUMENTS_DROPOUT: Final = 0.1
#: Probability that an example begins with its piece; else it begins with a random bar.
OPENING_PROBABILITY: Final = 0.15
#: Maximum share of the context for the prefix, and for the suffix of a gap.
MAX_CONTEXT_SHARE: Final = 0.35

STEPS_PER_EPOCH: Final = 100
EPOCHS: Final = 100
BATCH_SIZE: Final = 8
VALIDATION_BATCHES: Final = 6
_OLD_FIELDS: Final = {"time_signature": "metre", "duration": "length", "velocity": "loudness"}
#: Default learning rates of fine-tuning, and of training from scratch.
LEARNING_RATES: Final = (4e-4, 1.5e-3)


@dataclass(frozen=True, slots=True)
class TrainingPiece:
    """A piece of a training or validation set.

    Attributes
    ----------
    name : str
        Name of the piece.
    bars : tuple of Bar
        All bars.
    key : int
        Index of the key, from 0: C major, C minor, C♯ major … B minor.
    group : str
        Equal for versions of one piece.
    """

    name: str
    bars: tuple[Bar, ...]
    key: int
    group: str = ""


def make_piece(name: str, score: Score, group: str = "") -> TrainingPiece:
    """Return a score as a training piece.

    Raises
    ------
    BadArgument
        See `segue.generate.compose.tokens.score_to_bars`.
    """
    return TrainingPiece(name, tuple(score_to_bars(score)), key_index(score), group)


class ExampleSampler:
    """Samples training examples from pieces.

    Parameters
    ----------
    pieces : sequence of TrainingPiece
        Training or validation set.
    context : int
        Maximum length of an example in tokens.
    batch_size : int
        Number of examples in a batch.
    """

    def __init__(self, pieces: Sequence[TrainingPiece], context: int, batch_size: int) -> None:
        if not pieces:
            raise BadArgument("no piece to sample from")
        self._pieces = pieces
        self._context, self._batch_size = context, batch_size
        # In proportion to the square root of the length: a compromise between pieces and notes.
        notes = np.array([sum(len(bar.notes) for bar in piece.bars) for piece in pieces])
        self._probabilities = np.sqrt(notes) / np.sqrt(notes).sum()

    def draw(self, rng: np.random.Generator) -> Batch:
        """Draw a batch."""
        count = len(self._pieces)
        chosen = rng.choice(count, self._batch_size, p=self._probabilities).tolist()
        return _collate([self._example(self._pieces[index], rng) for index in chosen])

    def _example(self, piece: TrainingPiece, rng: np.random.Generator) -> list[int]:
        kind = rng.random()
        opening = rng.random() < OPENING_PROBABILITY
        start = 0 if opening else int(rng.integers(len(piece.bars)))
        if kind < INFILL_PROBABILITY:
            tokens = self._infill(piece, start, rng)
        elif kind < INFILL_PROBABILITY + ADD_PART_PROBABILITY:
            tokens = self._added_part(piece, start, rng)
        else:
            tokens = self._continuation(piece, start, rng)
        return tokens[: self._context]

    def _continuation(
        self, piece: TrainingPiece, start: int, rng: np.random.Generator
    ) -> list[int]:
        bars = self._excerpt(piece, start)
        tokens = _random_header(bars, piece.key, rng)
        tokens += [OPENING] if not start else []
        for bar in bars:
            tokens += encode_bar(bar)
        if start + len(bars) == len(piece.bars):
            tokens.append(END)
        return tokens

    def _infill(self, piece: TrainingPiece, start: int, rng: np.random.Generator) -> list[int]:
        bars = self._excerpt(piece, start)
        encoded = [encode_bar(bar) for bar in bars]
        room = int(MAX_CONTEXT_SHARE * self._context)
        before = int(rng.integers(0, _count_fitting(encoded, room) + 1))
        largest = MAX_INFILL_BARS if rng.random() < 0.5 else 4
        count = min(int(rng.integers(1, largest + 1)), len(bars) - before)
        if count < 1:
            return self._continuation(piece, start, rng)
        gap_end = before + count
        suffix_end = gap_end + _count_fitting(encoded[gap_end:], room)
        tokens = _random_header(bars[:suffix_end], piece.key, rng)
        tokens += infill_prefix(count, bars[gap_end:suffix_end])
        tokens += [OPENING] if not start else []
        for bar in encoded[:gap_end]:
            tokens += bar
        return [*tokens, END]

    def _added_part(self, piece: TrainingPiece, start: int, rng: np.random.Generator) -> list[int]:
        bars = self._excerpt(piece, start)
        instruments = sorted(frozenset[int]().union(*(bar.instruments for bar in bars)))
        if len(instruments) < 2:
            return self._continuation(piece, start, rng)
        added = int(rng.choice(instruments))
        others = [bar.select(bar.instruments - {added}) for bar in bars]
        tokens = _random_header(others, piece.key, rng) + part_prefix(added)
        tokens += [OPENING] if not start else []
        for bar in bars:
            tokens += encode_bar_with_part(bar, added)
        return [*tokens, END] if start + len(bars) == len(piece.bars) else tokens

    def _excerpt(self, piece: TrainingPiece, start: int) -> list[Bar]:
        """Return bars that fill the context, in C."""
        length, end = 0, start
        while end < len(piece.bars) and length < self._context:
            length += len(encode_bar(piece.bars[end]))
            end += 1
        return [bar.transpose(semitones_to_c(piece.key)) for bar in piece.bars[start:end]]


def _random_header(bars: Sequence[Bar], key: int, rng: np.random.Generator) -> list[int]:
    instruments = frozenset[int]().union(*(bar.instruments for bar in bars))
    return header(
        () if rng.random() < INSTRUMENTS_DROPOUT else instruments,
        None if rng.random() < KEY_DROPOUT else key % 2,
    )


def _count_fitting(encoded: Sequence[Sequence[int]], room: int) -> int:
    """Return how many of the first bars fit into `room` tokens."""
    ends = np.cumsum([len(bar) for bar in encoded])
    return int(np.searchsorted(ends, room, side="right"))


def _collate(examples: Sequence[list[int]]) -> Batch:
    batch = np.full((len(examples), max(map(len, examples))), IGNORED, np.int64)
    for row, example in zip(batch, examples, strict=True):
        row[: len(example)] = example
    tokens = torch.from_numpy(batch)
    return tokens, tokens


def fingerprint(pieces: Sequence[TrainingPiece]) -> str:
    """Return a hash that identifies a set of pieces."""
    texts = [repr((piece.name, piece.key, piece.bars)) for piece in pieces]
    # Fields have been renamed since version 0.1, whose runs must stay resumable.
    for field, old in _OLD_FIELDS.items():
        texts = [text.replace(f"{field}=", f"{old}=") for text in texts]
    return data_fingerprint(texts)


@dataclass(frozen=True, slots=True)
class ComposerTraining(TrainingOptions):
    """Training options; the learning rate is by default one of `LEARNING_RATES`.

    Attributes
    ----------
    start : str
        "" to train from scratch, "shipped" to fine-tune the pretrained model, or the name of
        another model of the library.
    """

    start: str = ""


def new_network(seed: int = 0) -> Transformer:
    """Return an initialised network: 4 layers of width 256, context of 768 tokens."""
    torch.manual_seed(seed)
    stack = StackConfig(256, 4, 4, context=768, dropout=0.1)
    return Transformer(TransformerConfig(VOCABULARY_SIZE, stack))


def train_composer(
    training: ComposerTraining,
    train: Sequence[TrainingPiece],
    validation: Sequence[TrainingPiece],
    folder: Path,
    *,
    start: Composer | None = None,
    resume: bool = False,
    watch: ProgressCallback | None = None,
) -> tuple[Composer, FitResult]:
    """Train a composer.

    Parameters
    ----------
    training : ComposerTraining
        Options.
    train, validation : sequence of TrainingPiece
        Disjoint sets.
    folder : Path
        Folder of the run's state and, at the end, of the model.
    start : Composer, optional
        Model to fine-tune. Its training set stays in the index for copy detection.
    resume : bool
        Whether to continue the run in the folder.
    watch : callable, optional
        Called with a `Progress` after each step.

    Returns
    -------
    Composer
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
            f"{len(train)} scores to train on and {len(validation)} for validation; at least one "
            "of each is needed: add more with `segue add`"
        )
    network = new_network(training.seed)
    if start:
        network = Transformer(start.network.config)
        network.load_state_dict(float_state_dict(start.network))
    context = network.config.stack.context
    config = LMTrainingConfig(
        context,
        batch_size=BATCH_SIZE,
        epochs=training.epochs or EPOCHS,
        steps_per_epoch=STEPS_PER_EPOCH,
        learning_rate=training.learning_rate or LEARNING_RATES[start is None],
        weight_decay=0.05,
        max_transpose=0,  # all is in C
        **training.run_settings(),
    )
    examples = ExampleSampler(train, context, BATCH_SIZE)
    sampler = ExampleSampler(validation, context, BATCH_SIZE)
    batches = fixed_batches(sampler.draw, VALIDATION_BATCHES, training.seed)
    run = {
        "learned from": fingerprint(train),
        "judged by": fingerprint(validation),
        "start": start.fingerprint if start else "",
    }
    result = fit_lm(
        network, config, examples.draw, batches, folder, run, resume=resume, watch=watch
    )
    metadata = {
        "training": asdict(training),
        "pieces": len(train),
        "held_out_pieces": len(validation),
        "notes": sum(len(bar.notes) for piece in train for bar in piece.bars),
        "seconds": result.history[-1].seconds,
        **result.summary(),
    }
    index = index_pieces(train)
    composer = Composer(network, start.index.concatenate(index) if start else index, metadata)
    return replace(composer, fingerprint=composer.save(folder / MODEL)), result


def index_pieces(pieces: Sequence[TrainingPiece]) -> PassageIndex:
    """Return an index of the bars of pieces, for copy detection."""
    return index_bars([(piece.name, fingerprint_parts(piece.bars).values()) for piece in pieces])

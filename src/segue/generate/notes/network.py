"""The notes-and-durations LSTM: tokens, network, checkpoint, perplexity of tokens.

A score of any number of parts becomes two token sequences, notes and durations, as by music21's
`chordify`: a new slice begins wherever a note of any part begins or ends, and contains all notes
that sound, held ones included. Silent slices and drums are left out. Before that, onsets and
offsets are rounded to the nearest sixteenth or triplet eighth, as by music21's MIDI reader.

The token of a slice of one pitch is its name, "A2" (C4 is middle C); that of several is the normal
order of the pitch classes, "9.11.1" (Forte, "The Structure of Atonal Music", 1973), whatever the
inversion and the doublings; octaves of one pitch class are "9". The token of a duration is its
length in quarters: "0.5", "1.0", "1/3".

The network is two language models that share nothing, each an embedding of width 512 and an LSTM,
as published. Embeddings are initialised within ±0.05, as in Keras, so that training soon outweighs
the initial noise.

The co-occurrence vectors are a baseline for learned embeddings: singular vectors of the positive
pointwise mutual information (PPMI; Church & Hanks, "Word association norms, mutual information, and
lexicography", Computational Linguistics 16, 1990; Bullinaria & Levy, Behavior Research Methods 39,
2007), weighted by the square root of the singular values (Levy, Goldberg & Dagan, TACL 3, 2015).

Shape legend: B pieces, T tokens, V vocabulary size, H hidden size.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar, Final, Self

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from segue.builtin_spaces import WEIGHTS
from segue.errors import BadArgument
from segue.nn.checkpoint import Checkpoint, SavedModel, save_model
from segue.records import FloatArray, Score
from segue.score.timing import note_table
from segue.theory.chords import normal_order
from segue.theory.keys import LETTER_SEMITONES, PITCH_CLASSES

#: The coarsest grid that contains sixteenths and triplet eighths.
STEPS_PER_QUARTER: Final = 12
UNKNOWN: Final = "unkw"
#: Letter, sharps or flats, octave; the minus of "C-1" belongs to the octave.
_PITCH: Final = re.compile(r"([A-Ga-g])(?:([#♯]+)|([b♭]+|-(?!1$)))?(-1|[0-9])")
#: Largest distance of tokens that co-occur.
CONTEXT_WINDOW: Final = 4
COOCCURRENCE_DIMENSION: Final = 64
CHECKPOINT_KIND: Final = "note-lstm"
#: Version of the tokens of `segue.generate.notes.network`.
VERSION: Final = 1
MODEL: Final = "note-lstm.safetensors"
PRETRAINED: Final = WEIGHTS / MODEL
#: Padding after the end of a piece.
IGNORED: Final = -100
STREAMS: Final = ("notes", "durations")
_INIT_RANGE: Final = 0.05
_MAX_SIZE: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class NoteSequence:
    """A piece as tokens: notes, and their durations, of equal length."""

    notes: tuple[str, ...]
    durations: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.notes)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Tokens and their counts in the training set.

    Attributes
    ----------
    tokens : tuple of str
        `UNKNOWN` first, then by descending count.
    counts : tuple of int
        The first is the count of all tokens out of the vocabulary.
    """

    tokens: tuple[str, ...]
    counts: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def build(
        cls, sequences: Iterable[Sequence[str]], *, min_count: int = 1, max_size: int = 4096
    ) -> "Vocabulary":
        """Build the vocabulary of sequences.

        Parameters
        ----------
        sequences : iterable of sequence of str
            Tokens of pieces.
        min_count : int
            Rarer tokens are out of the vocabulary.
        max_size : int
            Maximum number of tokens, with `UNKNOWN`.
        """
        counts = Counter(token for sequence in sequences for token in sequence)
        ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        frequent = [(token, n) for token, n in ordered if n >= min_count and token != UNKNOWN]
        common = dict(frequent[: max_size - 1])
        unknown = counts.total() - sum(common.values())
        return cls((UNKNOWN, *common), (unknown, *common.values()))

    def ids(self, tokens: Sequence[str]) -> NDArray[np.int64]:
        """Return the ids of tokens, shape (n,); 0 for those out of the vocabulary."""
        by_token = {token: index for index, token in enumerate(self.tokens)}
        return np.array([by_token.get(token, 0) for token in tokens], np.int64)


def note_sequence(score: Score) -> NoteSequence:
    """Return a score as tokens; empty where there are only drums."""
    notes = note_table(score)
    onset = _on_grid(notes.onset / score.ticks_per_quarter)
    end = _on_grid((notes.onset + notes.duration) / score.ticks_per_quarter)
    # Notes shorter than the grid get a sixteenth.
    end = np.where(end > onset, end, onset + STEPS_PER_QUARTER // 4)
    changes = np.concatenate(
        [
            np.stack([onset, notes.pitch, np.ones_like(onset)], axis=1),
            np.stack([end, notes.pitch, -np.ones_like(onset)], axis=1),
        ]
    )
    changes = changes[np.argsort(changes[:, 0], kind="stable")]
    times, first = np.unique(changes[:, 0], return_index=True)
    sounding: Counter[int] = Counter()
    note_tokens, duration_tokens = [], []
    for index, at_time in enumerate(np.split(changes, first[1:])):
        for _, pitch, change in at_time.tolist():
            sounding[pitch] += change
            if not sounding[pitch]:
                del sounding[pitch]
        if sounding:
            note_tokens.append(note_token(sounding))
            duration_tokens.append(duration_token(int(times[index + 1] - times[index])))
    return NoteSequence(tuple(note_tokens), tuple(duration_tokens))


def _on_grid(quarters: NDArray[np.float64]) -> NDArray[np.int64]:
    """Round to the nearest sixteenth or triplet eighth, in twelfths of a quarter."""
    sixteenth = np.rint(quarters * 4) * 3
    triplet = np.rint(quarters * 3) * 4
    exact = quarters * STEPS_PER_QUARTER
    is_triplet = np.abs(triplet - exact) < np.abs(sixteenth - exact)
    return np.where(is_triplet, triplet, sixteenth).astype(np.int64)


def note_token(pitches: Iterable[int]) -> str:
    """Return the token of simultaneous MIDI pitches, at least one."""
    distinct = set(pitches)
    if len(distinct) == 1:
        (pitch,) = distinct
        return f"{PITCH_CLASSES[pitch % 12]}{pitch // 12 - 1}"
    return ".".join(map(str, normal_order({pitch % 12 for pitch in distinct})))


def duration_token(steps: int) -> str:
    """Return the token of a duration in twelfths of a quarter: "0.75", "1.0", "1/3"."""
    quarters = Fraction(steps, STEPS_PER_QUARTER)
    return str(float(quarters)) if quarters.denominator in {1, 2, 4} else str(quarters)


def parse_pitch(token: str) -> int | None:
    """Return the MIDI pitch of a note token; None where it is none.

    Other spellings are "Bb2", "A#2" and music21's "B-2".
    """
    match = _PITCH.fullmatch(token)
    if not match:
        return None
    letter, sharps, flats, octave = match.groups()
    shift = len(sharps or "") - len(flats or "")
    pitch = LETTER_SEMITONES[letter.upper()] + shift + 12 * (int(octave) + 1)
    return pitch if 0 <= pitch < 128 else None


def pitch_classes_of(token: str) -> tuple[int, ...]:
    """Return the pitch classes of a note or chord token; () where it is neither."""
    pitch = parse_pitch(token)
    if pitch is not None:
        return (pitch % 12,)
    parts = token.split(".")
    if not all(part.isascii() and part.isdecimal() and int(part) < 12 for part in parts):
        return ()
    return normal_order(map(int, parts))


def parse_duration(token: str) -> Fraction | None:
    """Return the length of a duration token in quarters; None where it is none."""
    try:
        quarters = Fraction(token)
    except (ValueError, ZeroDivisionError):
        return None
    return quarters if 0 < quarters <= 4096 else None


def count_cooccurrences(
    sequences: Iterable[NDArray[np.int64]], size: int, *, window: int = CONTEXT_WINDOW
) -> NDArray[np.float64]:
    """Count co-occurrences of tokens within a window.

    Parameters
    ----------
    sequences : iterable of ndarray, each of shape (n,), int64
        Token ids of pieces.
    size : int
        Vocabulary size.
    window : int
        Largest distance of tokens.

    Returns
    -------
    ndarray, shape (size, size), float64
        Symmetric counts.
    """
    counts = np.zeros((size, size))
    for ids in sequences:
        for distance in range(1, min(window, len(ids) - 1) + 1):
            np.add.at(counts, (ids[:-distance], ids[distance:]), 1)
    return np.asarray(counts + counts.T)


def cooccurrence_vectors(
    counts: NDArray[np.float64], dimension: int = COOCCURRENCE_DIMENSION
) -> FloatArray:
    """Return vectors of tokens by singular value decomposition of the PPMI.

    Parameters
    ----------
    counts : ndarray, shape (size, size)
        From `count_cooccurrences`.
    dimension : int
        Number of singular vectors.

    Returns
    -------
    ndarray, shape (size, min(dimension, size)), float32
        Zeros for tokens without co-occurrences.
    """
    total = max(float(counts.sum()), 1.0)
    probability = counts.sum(axis=1) / total
    expected = np.outer(probability, probability) * total
    ratio = np.divide(counts, expected, out=np.ones_like(counts), where=expected > 0)
    ppmi = np.log(np.maximum(ratio, 1.0))
    left, values, _ = np.linalg.svd(ppmi)
    return np.asarray(left[:, :dimension] * np.sqrt(values[:dimension]), np.float32)


@dataclass(frozen=True, slots=True)
class NoteLSTMConfig:
    """Hyperparameters of the networks.

    Attributes
    ----------
    notes, durations : int
        Vocabulary sizes, with `UNKNOWN`.
    embedding : int
        Width of the embeddings, as published.
    hidden : int
        Hidden size of the LSTMs, which was not published.
    """

    notes: int
    durations: int
    embedding: int = 512
    hidden: int = 256

    def __post_init__(self) -> None:
        """Validate the hyperparameters.

        Raises
        ------
        BadArgument
        """
        for name, value in asdict(self).items():
            if not isinstance(value, int) or not 1 <= value <= _MAX_SIZE:
                raise BadArgument(f"{name} {value!r}: a size from 1 to {_MAX_SIZE}")


class TokenLSTM(nn.Module):
    """A language model of one stream: predicts the next token."""

    def __init__(self, vocabulary: int, embedding: int, hidden: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, embedding)
        nn.init.uniform_(self.embedding.weight, -_INIT_RANGE, _INIT_RANGE)
        self.lstm = nn.LSTM(embedding, hidden, batch_first=True)
        self.head = nn.Linear(hidden, vocabulary)

    def forward(self, tokens_BT: Tensor) -> Tensor:
        """Return the logits of the token after each position, shape (B, T, V)."""
        hidden_BTH, _ = self.lstm(self.embedding(tokens_BT.clamp(min=0)))
        logits: Tensor = self.head(hidden_BTH)
        return logits


@dataclass(frozen=True, slots=True)
class NoteLosses:
    """Mean cross-entropy of a token of each stream, in nats."""

    notes: Tensor
    durations: Tensor


class NoteLSTM(nn.Module):
    """The language models of both streams."""

    def __init__(self, config: NoteLSTMConfig) -> None:
        super().__init__()
        self.config = config
        self.notes = TokenLSTM(config.notes, config.embedding, config.hidden)
        self.durations = TokenLSTM(config.durations, config.embedding, config.hidden)

    def loss(self, notes_BT: Tensor, durations_BT: Tensor) -> NoteLosses:
        """Return the cross-entropies of all tokens but the first.

        Parameters
        ----------
        notes_BT, durations_BT : Tensor, int64
            Token ids; `IGNORED` after the end.
        """
        losses = []
        for network, tokens_BT in ((self.notes, notes_BT), (self.durations, durations_BT)):
            logits = network(tokens_BT[:, :-1]).float()
            targets = tokens_BT[:, 1:].flatten()
            losses.append(F.cross_entropy(logits.flatten(0, 1), targets, ignore_index=IGNORED))
        return NoteLosses(*losses)


class NoteModel(SavedModel):
    """The networks with their vocabularies and a co-occurrence baseline.

    Parameters
    ----------
    network : NoteLSTM
        Both language models.
    vocabularies : mapping of str to Vocabulary
        Vocabularies of "notes" and "durations".
    cooccurrence : mapping of str to ndarray, shape (V, n), float32
        Vectors of the tokens from their co-occurrences, see `tokens.cooccurrence_vectors`.
    metadata : mapping
        JSON values: how it was trained, and validation figures.
    """

    kind: ClassVar = CHECKPOINT_KIND
    version: ClassVar = VERSION
    bundled: ClassVar = PRETRAINED

    def __init__(
        self,
        network: NoteLSTM,
        vocabularies: Mapping[str, Vocabulary],
        cooccurrence: Mapping[str, FloatArray],
        metadata: Mapping[str, Any],
    ) -> None:
        self.network = network.eval()
        self.vocabularies = dict(vocabularies)
        self.cooccurrence = dict(cooccurrence)
        self.metadata = dict(metadata)
        self.fingerprint = ""

    @classmethod
    def _build(cls, checkpoint: Checkpoint) -> Self:
        metadata, tensors = checkpoint.metadata, dict(checkpoint.tensors)
        config = NoteLSTMConfig(**metadata["config"])
        vocabularies, cooccurrence = {}, {}
        for name in STREAMS:
            words = metadata["words"][name]
            vocabulary = Vocabulary(tuple(words["tokens"]), tuple(words["counts"]))
            vectors = tensors.pop(f"cooccurrence.{name}").numpy()
            if vocabulary.tokens[:1] != (UNKNOWN,):
                raise ValueError(f"the first of the {name} is not {UNKNOWN}")
            size = getattr(config, name)
            if (len(vocabulary), len(vocabulary.counts), len(vectors)) != (size, size, size):
                raise ValueError(f"{len(vocabulary)} {name}, but its network has {size}")
            vocabularies[name], cooccurrence[name] = vocabulary, vectors
        network = NoteLSTM(config)
        network.load_state_dict(tensors)
        model = cls(network, vocabularies, cooccurrence, metadata["told"])
        model.fingerprint = checkpoint.fingerprint
        return model

    def save(self, path: Path, dtype: torch.dtype = torch.float32) -> None:
        """Write a checkpoint atomically.

        Parameters
        ----------
        path : Path
            Path of the output file.
        dtype : torch.dtype
            Type of the tensors in the file.

        Raises
        ------
        DiskFull
        """
        words = {
            name: {"tokens": list(vocabulary.tokens), "counts": list(vocabulary.counts)}
            for name, vocabulary in self.vocabularies.items()
        }
        metadata = {
            "config": asdict(self.network.config),
            "words": words,
            "told": self.metadata,
        }
        tensors = dict(self.network.state_dict())
        for name, vectors in self.cooccurrence.items():
            tensors[f"cooccurrence.{name}"] = torch.from_numpy(vectors)
        self.fingerprint = save_model(path, CHECKPOINT_KIND, VERSION, metadata, tensors, dtype)

    def embedding(self, stream: str) -> FloatArray:
        """Return the embeddings of "notes" or "durations", shape (V, 512), float32."""
        table: nn.Embedding = getattr(self.network, stream).embedding
        return np.asarray(table.weight.detach().float().numpy(), np.float32)

    def nll(self, stream: str, tokens: list[str]) -> FloatArray:
        """Return the negative log-likelihood of each token but the first.

        Parameters
        ----------
        stream : str
            "notes" or "durations".
        tokens : list of str
            At least two; tokens out of the vocabulary count as `UNKNOWN`.

        Returns
        -------
        ndarray, shape (n - 1,), float32
            Nats.
        """
        if len(tokens) < 2:
            raise BadArgument(f"{len(tokens)} tokens; at least 2 are needed to predict one")
        ids = torch.from_numpy(self.vocabularies[stream].ids(tokens))
        with torch.no_grad():
            logits = getattr(self.network, stream)(ids[None, :-1])[0]
            nll = F.cross_entropy(logits, ids[1:], reduction="none")
        return np.asarray(nll.numpy(), np.float32)

"""Music as two token sequences, notes and durations; co-occurrence vectors of tokens.

A score of any number of parts becomes one sequence as by music21's `chordify`: a new slice begins
wherever a note of any part begins or ends, and contains all notes that sound, held ones included.
Silent slices and drums are left out. Before that, onsets and offsets are rounded to the nearest
sixteenth or triplet eighth, as by music21's MIDI reader.

The token of a slice of one pitch is its name, "A2" (C4 is middle C); that of several is the normal
order of the pitch classes, "9.11.1" (Forte, "The Structure of Atonal Music", 1973), whatever the
inversion and the doublings; octaves of one pitch class are "9". The token of a duration is its
length in quarters: "0.5", "1.0", "1/3".

The co-occurrence vectors are a baseline for learned embeddings: singular vectors of the positive
pointwise mutual information (PPMI; Church & Hanks, "Word association norms, mutual information, and
lexicography", Computational Linguistics 16, 1990; Bullinaria & Levy, Behavior Research Methods 39,
2007), weighted by the square root of the singular values (Levy, Goldberg & Dagan, TACL 3, 2015).
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

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

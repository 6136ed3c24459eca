"""Music as two token sequences, notes and durations; co-occurrence of tokens.

Music as two sequences of words: which notes, and for how long.

A score of any number of parts becomes one sequence as music21's `chordify` makes it: wherever a
note of any part begins or ends, a new slice begins, and the slice is all that sounds until the
next such moment, held notes included. Slices in which nothing sounds are left out, and so are
drums. Before that, onsets and ends move to the nearest sixteenth or triplet eighth, as music21
does when it reads MIDI.

A slice of one pitch is the note, "A2" (C4 is middle C); one of several is a chord, named by its
pitch classes in normal order, "9.11.1" (Forte, "The Structure of Atonal Music", 1973), so that
inversions and doublings are one word, and the octaves of one pitch class are "9". Its length is in
quarters, "0.5", "1.0", "1/3".

Which words stand beside which, as vectors: what can be known of them without a network.

Positive pointwise mutual information (Church & Hanks, "Word association norms, mutual information,
and lexicography", Computational Linguistics 16, 1990; Bullinaria & Levy, Behavior Research Methods
39, 2007), and of it the leading singular vectors, each times the root of its singular value (Levy,
Goldberg & Dagan, TACL 3, 2015).
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
from segue.theory.keys import PITCH_CLASSES

# --- notes ---

#: The finest grid on which both sixteenths and triplet eighths lie.
STEPS_PER_QUARTER: Final = 12
UNKNOWN: Final = "unkw"
_LETTERS: Final = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
#: Letter, sharps or flats, octave; the minus of "C-1" belongs to the octave.
_PITCH: Final = re.compile(r"([A-Ga-g])(?:([#♯]+)|([b♭]+|-(?!1$)))?(-1|[0-9])")


@dataclass(frozen=True, slots=True)
class NoteSequence:
    """A piece as words.

    Attributes
    ----------
    notes : tuple of str
    durations : tuple of str
        Of the same length.
    """

    notes: tuple[str, ...]
    durations: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.notes)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Words, and how often each was met.

    Attributes
    ----------
    tokens : tuple of str
        `UNKNOWN` first, then by how often they were met.
    counts : tuple of int
        That of the first counts all words that got no place.
    """

    tokens: tuple[str, ...]
    counts: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def of(
        cls, sequences: Iterable[Sequence[str]], *, fewest: int = 1, most: int = 4096
    ) -> "Vocabulary":
        """Collect the words of pieces.

        Parameters
        ----------
        sequences : iterable of sequence of str
        fewest : int
            What was met less often is unknown.
        most : int
            So many words at most, `UNKNOWN` included.
        """
        counts = Counter(word for sequence in sequences for word in sequence)
        ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        kept = [(word, n) for word, n in ordered if n >= fewest and word != UNKNOWN][: most - 1]
        rest = counts.total() - sum(n for _, n in kept)
        return cls((UNKNOWN, *(word for word, _ in kept)), (rest, *(n for _, n in kept)))

    def ids(self, words: Sequence[str]) -> NDArray[np.int64]:
        """Return the number of each word, shape (n,); 0 for those that are unknown."""
        places = {word: number for number, word in enumerate(self.tokens)}
        return np.array([places.get(word, 0) for word in words], np.int64)


def note_sequence(score: Score) -> NoteSequence:
    """Write a score as words.

    Parameters
    ----------
    score : Score

    Returns
    -------
    NoteSequence
        Empty where there are only drums.
    """
    notes = note_table(score)
    onset = _on_grid(notes.onset / score.ticks_per_quarter)
    end = _on_grid((notes.onset + notes.duration) / score.ticks_per_quarter)
    # What is shorter than the grid sounds for one step of a sixteenth.
    end = np.where(end > onset, end, onset + STEPS_PER_QUARTER // 4)
    changes = np.concatenate(
        [
            np.stack([onset, notes.pitch, np.ones_like(onset)], axis=1),
            np.stack([end, notes.pitch, -np.ones_like(onset)], axis=1),
        ]
    )
    changes = changes[np.argsort(changes[:, 0], kind="stable")]
    moments, first = np.unique(changes[:, 0], return_index=True)
    sounding: Counter[int] = Counter()
    words, lengths = [], []
    for number, at in enumerate(np.split(changes, first[1:])):
        for _, pitch, change in at.tolist():
            sounding[pitch] += change
            if not sounding[pitch]:
                del sounding[pitch]
        if sounding:
            words.append(note_token(sounding))
            lengths.append(duration_token(int(moments[number + 1] - moments[number])))
    return NoteSequence(tuple(words), tuple(lengths))


def _on_grid(quarters: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the nearest sixteenth or triplet eighth, in twelfths of a quarter."""
    sixteenth = np.rint(quarters * 4) * 3
    triplet = np.rint(quarters * 3) * 4
    exact = quarters * STEPS_PER_QUARTER
    nearer = np.abs(triplet - exact) < np.abs(sixteenth - exact)
    return np.where(nearer, triplet, sixteenth).astype(np.int64)


def note_token(pitches: Iterable[int]) -> str:
    """Return the word for what sounds at once.

    Parameters
    ----------
    pitches : iterable of int
        MIDI pitches, at least one.
    """
    different = set(pitches)
    if len(different) == 1:
        (pitch,) = different
        return f"{PITCH_CLASSES[pitch % 12]}{pitch // 12 - 1}"
    return ".".join(map(str, normal_order({pitch % 12 for pitch in different})))


def duration_token(steps: int) -> str:
    """Return the word for a length in twelfths of a quarter: "0.75", "1.0", "1/3"."""
    quarters = Fraction(steps, STEPS_PER_QUARTER)
    return str(float(quarters)) if quarters.denominator in {1, 2, 4} else str(quarters)


def pitch_of(token: str) -> int | None:
    """Return the MIDI pitch of the word for a note; None where it is none.

    Also of other spellings: "Bb2", "A#2" and music21's "B-2".
    """
    found = _PITCH.fullmatch(token)
    if not found:
        return None
    letter, sharps, flats, octave = found.groups()
    shift = len(sharps or "") - len(flats or "")
    pitch = _LETTERS[letter.upper()] + shift + 12 * (int(octave) + 1)
    return pitch if 0 <= pitch < 128 else None


def classes_of(token: str) -> tuple[int, ...]:
    """Return the pitch classes of the word for a note or a chord; () where it is neither."""
    pitch = pitch_of(token)
    if pitch is not None:
        return (pitch % 12,)
    parts = token.split(".")
    if not all(part.isascii() and part.isdecimal() and int(part) < 12 for part in parts):
        return ()
    return normal_order(map(int, parts))


def quarters_of(token: str) -> Fraction | None:
    """Return the quarters of the word for a duration; None where it is none."""
    try:
        length = Fraction(token)
    except (ValueError, ZeroDivisionError):
        return None
    return length if 0 < length <= 4096 else None


# --- cooccurrence ---

#: So far apart words may stand, before and after.
REACH: Final = 4
DIMENSION: Final = 64


def counted(
    sequences: Iterable[NDArray[np.int64]], size: int, *, reach: int = REACH
) -> NDArray[np.float64]:
    """Count which words stand how often within `reach` of which.

    Parameters
    ----------
    sequences : iterable of ndarray, each of shape (n,), int64
        Words by number, of one piece each.
    size : int
        Of the vocabulary.
    reach : int

    Returns
    -------
    ndarray, shape (size, size), float64
        Symmetric.
    """
    counts = np.zeros((size, size))
    for words in sequences:
        for apart in range(1, min(reach, len(words) - 1) + 1):
            np.add.at(counts, (words[:-apart], words[apart:]), 1)
    return np.asarray(counts + counts.T)


def cooccurrence_vectors(counts: NDArray[np.float64], dimension: int = DIMENSION) -> FloatArray:
    """Turn counts into vectors.

    Parameters
    ----------
    counts : ndarray, shape (size, size)
        Of `counted`.
    dimension : int

    Returns
    -------
    ndarray, shape (size, min(dimension, size)), float32
        0 for words that stand beside none.
    """
    total = max(float(counts.sum()), 1.0)
    share = counts.sum(axis=1) / total
    expected = np.outer(share, share) * total
    ratio = np.divide(counts, expected, out=np.ones_like(counts), where=expected > 0)
    information = np.log(np.maximum(ratio, 1.0))  # of 0 and of what is rarer than chance: 0
    left, values, _ = np.linalg.svd(information)
    return np.asarray(left[:, :dimension] * np.sqrt(values[:dimension]), np.float32)

"""Detection of passages that generated music shares with a training set, in any key.

The training set may be too large, or not free, to be bundled. So only a 16-bit hash of each n-gram
of notes is kept: of its intervals and inter-onset intervals, in order. Successive matching hashes
make a shared passage; that k of them match by chance among half a million is as likely as
500,000 / 65,536^k per position, so a passage of two n-grams or more is almost certainly real.

`NgramIndex` finds the longest shared passage of a melody; `CopyTracker` prevents one while a melody
is generated; `KnownChorales` does the former for each lower voice of a chorale.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from segue.builtin_spaces import WEIGHTS
from segue.errors import BadArgument, BadCheckpoint
from segue.nn.checkpoint import load_checkpoint

#: Notes per n-gram.
NGRAM_NOTES: Final = 5
#: Inter-onset interval in steps; longer ones count as this.
_MAX_STEPS: Final = 255
_HASH_MULTIPLIERS: Final = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9)
_HASH_SHIFT: Final = np.uint64(48)

Hashes = NDArray[np.uint16]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SharedPassage:
    """A passage that a melody shares with a piece of a corpus.

    Attributes
    ----------
    notes : int
        Number of notes; 0 if nothing is shared.
    start : int
        Index of its first note in the melody.
    piece : int
        Index of the piece; -1 for none.
    piece_start : int
        Index of its first note in the piece.
    """

    notes: int
    start: int
    piece: int
    piece_start: int


def ngram_hashes(notes: NDArray[np.integer]) -> Hashes:
    """Hash each n-gram of notes, invariant to transposition.

    Parameters
    ----------
    notes : ndarray of int, shape (n, 2)
        Pitch and onset of each note of a melody, sorted by onset; onsets in steps of a grid.

    Returns
    -------
    ndarray, shape (n - 4,), uint16
        Empty for fewer than five notes.
    """
    if notes.ndim != 2 or notes.shape[1] != 2:
        raise BadArgument(f"expected notes of shape (n, 2), pitch and onset, got {notes.shape}")
    if len(notes) < NGRAM_NOTES:
        return np.zeros(0, np.uint16)
    interval, steps = np.diff(notes.astype(np.int64), axis=0).T
    items = (interval + 128) * (_MAX_STEPS + 1) + np.clip(steps, 0, _MAX_STEPS)
    count = len(items) - NGRAM_NOTES + 2
    hashes = np.zeros(count, np.uint64)
    for at in range(NGRAM_NOTES - 1):
        hashes = (hashes ^ items[at : at + count].astype(np.uint64)) * np.uint64(
            _HASH_MULTIPLIERS[0]
        )
        hashes ^= hashes >> np.uint64(29)
    return np.asarray((hashes * np.uint64(_HASH_MULTIPLIERS[1])) >> _HASH_SHIFT, np.uint16)


class NgramIndex:
    """Index of the n-grams of a corpus.

    Parameters
    ----------
    hashes : ndarray, shape (m,), uint16
        `ngram_hashes` of all pieces, concatenated.
    starts : sequence of int
        Index of each piece's first hash, ascending from 0.

    Attributes
    ----------
    hashes : ndarray, shape (m,), uint16
    is_start : ndarray, shape (m + 1,), bool
        Whether a piece begins at a position; the end of the corpus counts as one.
    """

    def __init__(self, hashes: Hashes, starts: Sequence[int] | NDArray[np.integer]) -> None:
        self.hashes = hashes
        self._starts = np.asarray(starts, np.int64)
        self.is_start = np.zeros(len(hashes) + 1, np.bool_)
        self.is_start[self._starts] = True
        self.is_start[-1] = True
        self._order = np.argsort(hashes, kind="stable")
        self._sorted = hashes[self._order]

    def positions(self, ngram: np.uint16) -> Integers:
        """Return all positions of an n-gram, ascending."""
        first = np.searchsorted(self._sorted, ngram, side="left")
        last = np.searchsorted(self._sorted, ngram, side="right")
        return self._order[first:last]

    def longest_shared_passage(self, notes: NDArray[np.integer]) -> SharedPassage:
        """Find the longest passage that a melody shares with a piece of the corpus.

        Parameters
        ----------
        notes : ndarray of int, shape (n, 2)
            Pitch and onset of each note, on the corpus's grid.

        Returns
        -------
        SharedPassage
            Of at least two n-grams, else of 0 notes.
        """
        query = ngram_hashes(notes)
        first = np.searchsorted(self._sorted, query, side="left")
        count = np.searchsorted(self._sorted, query, side="right") - first
        # All pairs of equal n-grams: index in the query, position in the corpus.
        here = np.repeat(np.arange(len(query)), count)
        rank = np.arange(len(here)) - np.repeat(np.cumsum(count) - count, count)
        there = self._order[rank + np.repeat(first, count)]
        diagonal = there - here  # constant along a passage
        order = np.lexsort((here, diagonal))
        here, there, diagonal = here[order], there[order], diagonal[order]
        piece = np.searchsorted(self._starts, there, side="right") - 1
        continues = (np.diff(diagonal) == 0) & (np.diff(here) == 1) & (np.diff(piece) == 0)
        bounds = np.flatnonzero(~np.concatenate([[False], continues, [False]]))
        lengths = np.diff(bounds)
        if not len(lengths) or int(lengths.max()) < 2:
            return SharedPassage(0, 0, -1, 0)
        best = int(bounds[int(lengths.argmax())])
        return SharedPassage(
            int(lengths.max()) + NGRAM_NOTES - 1,
            int(here[best]),
            int(piece[best]),
            int(there[best] - self._starts[piece[best]]),
        )


class CopyTracker:
    """Tracks the passages that a melody, while it is generated, shares with a corpus.

    Parameters
    ----------
    index : NgramIndex
    """

    def __init__(self, index: NgramIndex) -> None:
        self._index = index
        self._recent: list[tuple[int, int]] = []  # the notes before the next one of an n-gram
        self._positions: Integers = np.empty(0, np.int64)  # of the latest n-gram in the corpus
        self._since: Integers = np.empty(0, np.int64)  # first onset of each shared passage

    def would_copy(self, pitches: Sequence[int], onset: int, max_steps: float) -> NDArray[np.bool_]:
        """Return which notes would extend a shared passage of two n-grams or more too far.

        Parameters
        ----------
        pitches : sequence of int
            Candidates of the next pitch.
        onset : int
            Onset of the next note.
        max_steps : float
            Maximum steps from the first to the last onset of a passage.

        Returns
        -------
        ndarray, shape (pitches,), bool
        """
        following = self._positions[onset - self._since > max_steps] + 1
        following = following[~self._index.is_start[following]]
        if not len(following):
            return np.zeros(len(pitches), np.bool_)
        ngrams = [[*self._recent, (pitch, onset)] for pitch in pitches]
        hashes = ngram_hashes(np.array(ngrams).reshape(-1, 2))[::NGRAM_NOTES]
        return np.isin(hashes, self._index.hashes[following])

    def append(self, pitch: int, onset: int) -> None:
        """Append a note."""
        if len(self._recent) == NGRAM_NOTES - 1:
            (ngram,) = ngram_hashes(np.array([*self._recent, (pitch, onset)]))
            positions = self._index.positions(ngram)
            since = np.full(len(positions), self._recent[0][1], np.int64)
            continued = np.isin(positions - 1, self._positions) & ~self._index.is_start[positions]
            before = np.searchsorted(self._positions, positions[continued] - 1)
            since[continued] = self._since[before]
            self._positions, self._since = positions, since
        self._recent = [*self._recent, (pitch, onset)][1 - NGRAM_NOTES :]


CHECKPOINT_KIND: Final = "known chorales"
PRETRAINED: Final = WEIGHTS / "chorale-runs.safetensors"
#: Voices that are generated below a melody.
VOICES: Final = ("Alto", "Tenor", "Bass")


@dataclass(frozen=True, slots=True)
class VoicePassage:
    """The longest passage that a voice shares, in any key, with the same voice of a chorale.

    Attributes
    ----------
    notes : int
        Number of notes; 0 if there is no passage of six notes or more.
    sixteenths : int
        Duration from its first onset to its last.
    voice, chorale : str
        Names; "" for none.
    """

    notes: int
    sixteenths: int = 0
    voice: str = ""
    chorale: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class KnownChorales:
    """The training set of the chorale network, as n-gram hashes.

    Attributes
    ----------
    names : tuple of str
        Names of the chorales.
    hashes, starts : tuple of ndarray
        For each of `VOICES`, the hashes of all chorales and the index of each one's first.
    """

    names: tuple[str, ...]
    hashes: tuple[Hashes, ...]
    starts: tuple[Integers, ...]

    def longest_shared_passage(self, pitches: NDArray[np.integer]) -> VoicePassage:
        """Find the longest passage that one of the lower voices shares.

        Parameters
        ----------
        pitches : ndarray of int, shape (frames, 4)
            MIDI pitches of soprano, alto, tenor and bass in each sixteenth; below 0 for silence.
        """
        best = VoicePassage(0)
        for voice, name in enumerate(VOICES):
            notes = voice_notes(pitches[:, voice + 1])
            index = NgramIndex(self.hashes[voice], self.starts[voice])
            shared = index.longest_shared_passage(notes)
            if shared.notes > best.notes:
                last = shared.start + shared.notes - 1
                duration = int(notes[last, 1] - notes[shared.start, 1])
                best = VoicePassage(shared.notes, duration, name, self.names[shared.piece])
        return best

    @classmethod
    def load(cls, path: Path = PRETRAINED) -> "KnownChorales":
        """Read hashes, by default those of the bundled network's training set.

        Raises
        ------
        BadCheckpoint
            The file is missing or damaged.
        """
        checkpoint = load_checkpoint(path, CHECKPOINT_KIND)
        about: Any = checkpoint.metadata
        try:
            return cls(
                tuple(about["names"]),
                tuple(checkpoint.tensors[f"{v}.runs"].numpy().view(np.uint16) for v in VOICES),
                tuple(checkpoint.tensors[f"{v}.starts"].numpy().astype(np.int64) for v in VOICES),
            )
        except (KeyError, TypeError) as error:
            raise BadCheckpoint(f"{path} holds no chorales ({error})") from None


def voice_notes(pitches: NDArray[np.integer]) -> Integers:
    """Return pitch and first frame of each note of a voice; equal successive frames are one."""
    onsets = np.flatnonzero(np.diff(pitches, prepend=-2) != 0)
    onsets = onsets[pitches[onsets] >= 0]
    return np.column_stack([pitches[onsets], onsets]).astype(np.int64)

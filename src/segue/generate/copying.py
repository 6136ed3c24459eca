"""Longest passages shared with other pieces, in any key.

The longest passage that one piece shares with others, in whatever key.

Exact, without hashes: passages of 1, 2, 4, 8 … notes of the query are numbered (Karp, Miller &
Rosenberg, "Rapid identification of repeated patterns", STOC 1972), the others' are looked up
among these, and what lies between two powers of two is found by halving. What is not in the query
drops out at once, so that a corpus of a million notes takes about a second.

The longest passage shared with music of which only hashes are kept, in whatever key.

What a model learned from may not always come along with it: too much of it, or not free. So each
run of `RUN` notes is kept as 16 bits of a hash of its intervals and of the times between its
onsets, in order. A passage is shared where many successive hashes agree; that `k` of them do by
chance, in half a million, is as likely as 500,000 / 65,536^k for each place: a passage of two runs
or more is one, all but surely.

What the voices of the chorales learned from sing, as hashes: to find what is copied.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from segue.builtin_spaces import WEIGHTS
from segue.errors import BadArgument, BadCheckpoint
from segue.nn.checkpoint import load_checkpoint, save_checkpoint

# --- copying ---

Integers = NDArray[np.int64]

_NONE: Final = -1
#: So far may two successive notes lie apart, in steps of time; more counts as so many.
_LONGEST_STEP: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class SharedPassage:
    """A passage of the query that is in another piece, too.

    Attributes
    ----------
    notes : int
        How long it is; 0 where not even two notes in a row are shared.
    start : int
        Its first note in the query.
    piece : int
        Which of the others has it, from 0; -1 for none.
    piece_start : int
        Its first note there.
    semitones : int
        How much higher it is in the query.
    """

    notes: int
    start: int
    piece: int
    piece_start: int
    semitones: int


def longest_shared_passage(
    query: NDArray[np.integer], corpus: Sequence[NDArray[np.integer]], *, rhythm: bool = True
) -> SharedPassage:
    """Find the longest passage, up to transposition, that a piece shares with others.

    A passage is what its successive notes are to one another: the interval, and, with `rhythm`,
    the time from one onset to the next.

    Parameters
    ----------
    query : ndarray of int, shape (n, 2)
        Pitch and onset of each note, by onset, then by pitch; onsets in steps of some grid.
    corpus : sequence of ndarray of int, each of shape (m, 2)
        Other pieces, on the same grid; passages do not go from one into the next.
    rhythm : bool
        Whether the times must agree, too.

    Returns
    -------
    SharedPassage
        The first in the query of those that are longest.
    """
    nothing = SharedPassage(0, 0, _NONE, 0, 0)
    for notes in (query, *corpus):
        _check(notes)
    steps = [_steps(notes, rhythm=rhythm) for notes in corpus]
    mine = _steps(query, rhythm=rhythm)
    if not len(mine) or not any(len(each) for each in steps):
        return nothing
    theirs = np.concatenate([np.append(each, _NONE) for each in steps])
    levels = _numbered(mine, theirs)
    if not levels:
        return nothing
    length, start, found = _longest(levels)
    begins = np.cumsum([0, *(len(each) + 1 for each in steps)])
    piece = int(np.searchsorted(begins, found, side="right")) - 1
    there = found - int(begins[piece])
    semitones = int(query[start, 0]) - int(corpus[piece][there, 0])
    return SharedPassage(length + 1, start, piece, there, semitones)


def _steps(notes: NDArray[np.integer], *, rhythm: bool) -> Integers:
    """Return a number of 0 or above for each pair of successive notes."""
    apart = np.diff(notes.astype(np.int64), axis=0)
    time = np.clip(apart[:, 1], 0, _LONGEST_STEP) if rhythm else 0
    return np.asarray((apart[:, 0] + 128) * (_LONGEST_STEP + 1) + time, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class _Level:
    """The passages of one length: their numbers by where they begin, -1 for those not shared.

    `at` says where those of the corpus lie that are left.
    """

    length: int
    mine: Integers
    theirs: Integers
    at: Integers


def _numbered(mine: Integers, theirs: Integers) -> list[_Level]:
    """Give numbers to the passages of 1, 2, 4 … steps that are shared, as long as there are any."""
    level = _level(1, mine, theirs, np.arange(len(theirs)))
    levels: list[_Level] = []
    while len(level.at):
        levels.append(level)
        level = _joined(level, level)
    return levels


def _joined(one: _Level, other: _Level) -> _Level:
    """Join passages to those that follow them."""
    span = int(other.mine.max()) + 1
    after = np.full(len(one.mine), _NONE)
    after[: max(len(one.mine) - one.length, 0)] = other.mine[one.length :]
    mine = np.where((one.mine >= 0) & (after >= 0), one.mine * span + after, _NONE)
    place = np.searchsorted(other.at, one.at + one.length)
    known = other.at[np.minimum(place, len(other.at) - 1)] == one.at + one.length
    here = one.theirs[known] * span + other.theirs[place[known]]
    return _level(one.length + other.length, mine, here, one.at[known])


def _level(length: int, mine: Integers, theirs: Integers, at: Integers) -> _Level:
    """Give numbers to what the query and the others have both; leave out the rest."""
    names = np.unique(mine[mine >= 0])
    if not len(names):
        return _Level(length, mine, theirs[:0], at[:0])
    place = np.searchsorted(names, theirs)
    known = names[np.minimum(place, len(names) - 1)] == theirs
    shared = np.zeros(len(names), np.bool_)
    shared[place[known]] = True
    number = np.where(shared, np.cumsum(shared) - 1, _NONE)
    named = np.where(mine >= 0, number[np.searchsorted(names, np.maximum(mine, names[0]))], _NONE)
    return _Level(length, named, number[place[known]], at[known])


def _longest(levels: list[_Level]) -> tuple[int, int, int]:
    """Return the length of the longest, and where it begins in the query and in the corpus."""
    best = levels[-1]
    for level in reversed(levels[:-1]):
        longer = _joined(best, level)
        if len(longer.at):
            best = longer
    start = int(np.flatnonzero(best.mine >= 0)[0])
    found = best.at[best.theirs == best.mine[start]][0]
    return best.length, start, int(found)


def _check(notes: NDArray[np.integer]) -> None:
    if notes.ndim != 2 or notes.shape[1] != 2 or not np.issubdtype(notes.dtype, np.integer):
        raise BadArgument(
            f"expected notes of shape (n, 2), whole numbers of pitch and onset, got {notes.shape}, "
            f"{notes.dtype}"
        )
    if len(notes) and not 0 <= int(notes[:, 0].min()) <= int(notes[:, 0].max()) < 128:
        raise BadArgument("pitches must be from 0 to 127; are pitch and onset in this order?")


# --- hashed copying ---

#: Notes of which each hash is made.
NGRAM_NOTES: Final = 5
_LONGEST_HASHED_STEP: Final = 255
_MIX: Final = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9)
_LAST_BIT: Final = np.uint64(48)

Hashes = NDArray[np.uint16]


def ngram_hashes(notes: NDArray[np.integer]) -> Hashes:
    """Hash each run of notes, up to transposition.

    Parameters
    ----------
    notes : ndarray of int, shape (n, 2)
        Pitch and onset of each note of a melody, by onset; onsets in steps of some grid.

    Returns
    -------
    ndarray, shape (n - 4,), uint16
        Empty of fewer than five notes.
    """
    if notes.ndim != 2 or notes.shape[1] != 2:
        raise BadArgument(f"expected notes of shape (n, 2), pitch and onset, got {notes.shape}")
    if len(notes) < NGRAM_NOTES:
        return np.zeros(0, np.uint16)
    apart = np.diff(notes.astype(np.int64), axis=0)
    step = (apart[:, 0] + 128) * (_LONGEST_HASHED_STEP + 1) + np.clip(
        apart[:, 1], 0, _LONGEST_HASHED_STEP
    )
    count = len(step) - NGRAM_NOTES + 2
    found = np.zeros(count, np.uint64)
    for place in range(NGRAM_NOTES - 1):
        found = (found ^ step[place : place + count].astype(np.uint64)) * np.uint64(_MIX[0])
        found ^= found >> np.uint64(29)
    return np.asarray((found * np.uint64(_MIX[1])) >> _LAST_BIT, np.uint16)


def longest_hashed_passage(
    query: NDArray[np.integer], corpus: Hashes, starts: Sequence[int] | NDArray[np.integer]
) -> SharedPassage:
    """Find the longest passage that a melody shares with a corpus of hashes.

    Parameters
    ----------
    query : ndarray of int, shape (n, 2)
        Pitch and onset of each note, on the corpus's grid.
    corpus : ndarray, shape (m,), uint16
        `hashed_runs` of all pieces, one after the other.
    starts : sequence of int
        Where each piece begins in it, ascending, the first 0.

    Returns
    -------
    SharedPassage
        Of at least two runs, else of 0 notes; its transposition is not known: 0.
    """
    mine = ngram_hashes(query)
    begins = np.asarray(starts, np.int64)
    order = np.argsort(corpus, kind="stable")
    ordered = corpus[order]
    first = np.searchsorted(ordered, mine, side="left")
    count = np.searchsorted(ordered, mine, side="right") - first
    here = np.repeat(np.arange(len(mine)), count)
    at = np.arange(len(here)) - np.repeat(np.cumsum(count) - count, count) + np.repeat(first, count)
    there = order[at]
    line = there - here  # of one passage the same for all its runs
    sorted_ = np.lexsort((here, line))
    here, there, line = here[sorted_], there[sorted_], line[sorted_]
    piece = np.searchsorted(begins, there, side="right") - 1
    goes_on = (np.diff(line) == 0) & (np.diff(here) == 1) & (np.diff(piece) == 0)
    breaks = np.flatnonzero(~np.concatenate([[False], goes_on, [False]]))
    lengths = np.diff(breaks)
    if not len(lengths) or int(lengths.max()) < 2:
        return SharedPassage(0, 0, -1, 0, 0)
    best = int(breaks[int(lengths.argmax())])
    return SharedPassage(
        int(lengths.max()) + NGRAM_NOTES - 1,
        int(here[best]),
        int(piece[best]),
        int(there[best] - begins[piece[best]]),
        0,
    )


class NgramIndex:
    """The runs of a corpus, in an order in which each is found at once.

    Parameters
    ----------
    corpus, starts
        As of `longest_hashed_passage`.
    """

    def __init__(self, corpus: Hashes, starts: Sequence[int] | NDArray[np.integer]) -> None:
        self.corpus = corpus
        self.begins = np.zeros(len(corpus) + 1, np.bool_)
        self.begins[np.asarray(starts, np.int64)] = True
        self.begins[-1] = True
        self._order = np.argsort(corpus, kind="stable")
        self._ordered = corpus[self._order]

    def where(self, run: np.uint16) -> NDArray[np.int64]:
        """Return all places of a run, ascending."""
        first = np.searchsorted(self._ordered, run, side="left")
        last = np.searchsorted(self._ordered, run, side="right")
        return self._order[first:last]


class CopyTracker:
    """How far a melody that is being written goes along with melodies that are known.

    Parameters
    ----------
    known : KnownRuns
    """

    def __init__(self, known: NgramIndex) -> None:
        self._known = known
        self._last: list[tuple[int, int]] = []  # the notes of which the next run is made
        self._places: NDArray[np.int64] = np.empty(0, np.int64)  # of the latest run
        self._since: NDArray[np.int64] = np.empty(0, np.int64)  # onset of each passage's beginning

    def copies(self, pitches: Sequence[int], onset: int, most: float) -> NDArray[np.bool_]:
        """Tell which notes would make a shared passage of two runs or more too long.

        Parameters
        ----------
        pitches : sequence of int
        onset : int
            When the note would begin.
        most : float
            Steps that may lie between a passage's first onset and its last.

        Returns
        -------
        ndarray, shape (pitches,), bool
        """
        found = np.zeros(len(pitches), np.bool_)
        following = self._places[onset - self._since > most] + 1
        following = following[~self._known.begins[following]]
        if len(following):
            wanted = self._known.corpus[following]
            runs = [[*self._last, (pitch, onset)] for pitch in pitches]
            found = np.isin(ngram_hashes(np.array(runs).reshape(-1, 2))[::NGRAM_NOTES], wanted)
        return found

    def hear(self, pitch: int, onset: int) -> None:
        """Go on by a note."""
        if len(self._last) == NGRAM_NOTES - 1:
            places = self._known.where(ngram_hashes(np.array([*self._last, (pitch, onset)]))[0])
            since = np.full(len(places), self._last[0][1], np.int64)
            before = np.isin(places - 1, self._places) & ~self._known.begins[places]
            since[before] = self._since[np.searchsorted(self._places, places[before] - 1)]
            self._places, self._since = places, since
        self._last = [*self._last, (pitch, onset)][1 - NGRAM_NOTES :]


# --- known chorales ---

CHECKPOINT_KIND: Final = "known chorales"
PRETRAINED: Final = WEIGHTS / "chorale-runs.safetensors"
#: The voices that are written below a melody.
VOICES: Final = ("Alto", "Tenor", "Bass")


@dataclass(frozen=True, slots=True)
class VoicePassage:
    """The longest passage that a voice shares, in whatever key, with that voice of a chorale.

    Attributes
    ----------
    notes : int
        0 where there is none of six notes or more.
    sixteenths : int
        From its first onset to its last.
    voice, chorale : str
        "" for none.
    """

    notes: int
    sixteenths: int = 0
    voice: str = ""
    chorale: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class KnownChorales:
    """The chorales that were learned from.

    Attributes
    ----------
    names : tuple of str
    runs, starts : tuple of ndarray
        Of each of `VOICES`: hashes, and where each chorale begins in them; see
        `segue.generate.copying`.
    """

    names: tuple[str, ...]
    runs: tuple[Hashes, ...]
    starts: tuple[NDArray[np.int64], ...]

    @classmethod
    def of(cls, names: Sequence[str], chorales: Sequence[NDArray[np.integer]]) -> "KnownChorales":
        """Hold chorales, each of shape (frames, 4): MIDI pitches, below 0 for silence."""
        runs, starts = [], []
        for voice in range(1, 1 + len(VOICES)):
            some = [ngram_hashes(voice_notes(one[:, voice])) for one in chorales]
            runs.append(np.concatenate(some))
            starts.append(np.cumsum([0, *map(len, some)])[:-1].astype(np.int64))
        return cls(tuple(names), tuple(runs), tuple(starts))

    def longest(self, pitches: NDArray[np.integer]) -> VoicePassage:
        """Find the longest passage that one of the lower voices shares.

        Parameters
        ----------
        pitches : ndarray of int, shape (frames, 4)
            Sixteenths of soprano, alto, tenor and bass; below 0 for silence.
        """
        best = VoicePassage(0)
        for voice, name in enumerate(VOICES):
            notes = voice_notes(pitches[:, voice + 1])
            found = longest_hashed_passage(notes, self.runs[voice], self.starts[voice])
            if found.notes > best.notes:
                last = found.start + found.notes - 1
                apart = int(notes[last, 1] - notes[found.start, 1])
                best = VoicePassage(found.notes, apart, name, self.names[found.piece])
        return best

    def save(self, path: Path = PRETRAINED) -> str:
        """Write them, and return the file's fingerprint."""
        tensors = {}
        for name, runs, starts in zip(VOICES, self.runs, self.starts, strict=True):
            tensors[f"{name}.runs"] = torch.from_numpy(runs.view(np.int16))
            tensors[f"{name}.starts"] = torch.from_numpy(starts.astype(np.int32))
        return save_checkpoint(path, CHECKPOINT_KIND, {"names": list(self.names)}, tensors)

    @classmethod
    def load(cls, path: Path = PRETRAINED) -> "KnownChorales":
        """Read those that the shipped network learned from.

        Raises
        ------
        BadCheckpoint
            The file is not there, or damaged.
        """
        checkpoint = load_checkpoint(path, CHECKPOINT_KIND)
        about: Any = checkpoint.about
        try:
            return cls(
                tuple(about["names"]),
                tuple(checkpoint.tensors[f"{v}.runs"].numpy().view(np.uint16) for v in VOICES),
                tuple(checkpoint.tensors[f"{v}.starts"].numpy().astype(np.int64) for v in VOICES),
            )
        except (KeyError, TypeError) as error:
            raise BadCheckpoint(f"{path} holds no chorales ({error})") from None


def voice_notes(pitches: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return pitch and first frame of each note of a voice; one that goes on is one note."""
    begins = np.flatnonzero(np.diff(pitches, prepend=-2) != 0)
    begins = begins[pitches[begins] >= 0]
    return np.column_stack([pitches[begins], begins]).astype(np.int64)

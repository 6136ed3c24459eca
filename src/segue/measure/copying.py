"""The longest passage that one piece shares with others, in whatever key.

Exact, without hashes: passages of 1, 2, 4, 8 … notes of the query are numbered (Karp, Miller &
Rosenberg, "Rapid identification of repeated patterns", STOC 1972), the others' are looked up
among these, and what lies between two powers of two is found by halving. What is not in the query
drops out at once, so that a corpus of a million notes takes about a second.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument

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

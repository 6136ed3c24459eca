"""The longest passage shared with music of which only hashes are kept, in whatever key.

What a model learned from may not always come along with it: too much of it, or not free. So each
run of `RUN` notes is kept as 16 bits of a hash of its intervals and of the times between its
onsets, in order. A passage is shared where many successive hashes agree; that `k` of them do by
chance, in half a million, is as likely as 500,000 / 65,536^k for each place: a passage of two runs
or more is one, all but surely.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.measure.copying import SharedPassage

#: Notes of which each hash is made.
RUN: Final = 5
_LONGEST_STEP: Final = 255
_MIX: Final = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9)
_LAST_BIT: Final = np.uint64(48)

Hashes = NDArray[np.uint16]


def hashed_runs(notes: NDArray[np.integer]) -> Hashes:
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
    if len(notes) < RUN:
        return np.zeros(0, np.uint16)
    apart = np.diff(notes.astype(np.int64), axis=0)
    step = (apart[:, 0] + 128) * (_LONGEST_STEP + 1) + np.clip(apart[:, 1], 0, _LONGEST_STEP)
    count = len(step) - RUN + 2
    found = np.zeros(count, np.uint64)
    for place in range(RUN - 1):
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
    mine = hashed_runs(query)
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
        int(lengths.max()) + RUN - 1,
        int(here[best]),
        int(piece[best]),
        int(there[best] - begins[piece[best]]),
        0,
    )


class KnownRuns:
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


class Trail:
    """How far a melody that is being written goes along with melodies that are known.

    Parameters
    ----------
    known : KnownRuns
    """

    def __init__(self, known: KnownRuns) -> None:
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
            found = np.isin(hashed_runs(np.array(runs).reshape(-1, 2))[::RUN], wanted)
        return found

    def hear(self, pitch: int, onset: int) -> None:
        """Go on by a note."""
        if len(self._last) == RUN - 1:
            places = self._known.where(hashed_runs(np.array([*self._last, (pitch, onset)]))[0])
            since = np.full(len(places), self._last[0][1], np.int64)
            before = np.isin(places - 1, self._places) & ~self._known.begins[places]
            since[before] = self._since[np.searchsorted(self._places, places[before] - 1)]
            self._places, self._since = places, since
        self._last = [*self._last, (pitch, onset)][1 - RUN :]

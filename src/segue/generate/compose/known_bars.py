"""Bars shared with the training set, part by part, in any key.

What tells a bar of a part from others, in whatever key: to find passages that were copied.

Passages of whole bars that a piece shares with others, part by part, in whatever key.

Held in five bytes a bar, so that the music a network learned from can be known without being
there: see `segue.generate.compose.known_bars` for what is held.
"""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from segue.generate.compose.tokens import Bar
from segue.theory.instruments import DRUMS

# --- bar prints ---

#: A bar with fewer different pitches is everywhere, and tells nothing.
MIN_DISTINCT_PITCHES: Final = 3


class BarFingerprint(NamedTuple):
    """A bar of a part.

    Attributes
    ----------
    content : int
        A hash of its onsets and of the intervals between its notes; 0 where it has no note.
    first : int
        Pitch of its first note, the lowest of them.
    telling : bool
        It is not such as is everywhere.
    """

    content: int
    first: int
    telling: bool


EMPTY: Final = BarFingerprint(0, 0, False)


def fingerprint_bar(bar: Bar, instrument: int) -> BarFingerprint:
    """Return what an instrument plays in a bar, in whatever key, however long and loud."""
    notes = [(note.onset, note.pitch) for note in bar.notes if note.instrument == instrument]
    if not notes:
        return EMPTY
    first = notes[0][1]
    moved = np.array([(onset, pitch - first) for onset, pitch in notes], np.int16)
    pitches = {pitch for _, pitch in notes}
    return BarFingerprint(
        zlib.crc32(moved.tobytes()) or 1, first, len(pitches) >= MIN_DISTINCT_PITCHES
    )


def fingerprint_parts(bars: Sequence[Bar]) -> dict[int, list[BarFingerprint]]:
    """Return the prints of each part, bar by bar; drums are left out, for all beat alike."""
    playing = sorted(frozenset[int]().union(*(bar.instruments for bar in bars)) - {DRUMS})
    return {number: [fingerprint_bar(bar, number) for bar in bars] for number in playing}


# --- known bars ---

_ENDS: Final = 127  # no interval: between two parts


@dataclass(frozen=True, slots=True)
class SharedPassage:
    """The longest passage shared.

    Attributes
    ----------
    bars : int
        Different bars that tell something; 0 where nothing is shared.
    piece : str
        Which piece has it.
    end : int
        Its last bar in the query, from 0.
    instrument : int
        Whose passage it is in the query.
    """

    bars: int
    piece: str = ""
    end: int = -1
    instrument: int = -1


class BarIndex:
    """The bars of many pieces.

    Parameters
    ----------
    contents : ndarray, shape (n,), uint32
        Hashes, part after part.
    steps : ndarray, shape (n,), int8
        From the first note of the bar before to that of this one; 127 where a part begins.
    pieces : ndarray, shape (n,), int32
        Which piece each is of.
    names : sequence of str
    """

    def __init__(
        self,
        contents: NDArray[np.uint32],
        steps: NDArray[np.int8],
        pieces: NDArray[np.int32],
        names: Sequence[str],
    ) -> None:
        self.contents, self.steps, self.pieces = contents, steps, pieces
        self.names = tuple(names)
        self._order = np.argsort(contents, kind="stable")
        self._sorted = contents[self._order]

    @classmethod
    def of(
        cls, pieces_by_name: Sequence[tuple[str, Iterable[Sequence[BarFingerprint]]]]
    ) -> "BarIndex":
        """Hold the parts of pieces, each with its name."""
        contents: list[int] = []
        steps: list[int] = []
        pieces: list[int] = []
        for number, (_, parts) in enumerate(pieces_by_name):
            for part in parts:
                before = None
                for bar in part:
                    contents.append(bar.content)
                    steps.append(_step(before, bar))
                    pieces.append(number)
                    before = bar
        return cls(
            np.array(contents, np.uint32),
            np.array(steps, np.int8),
            np.array(pieces, np.int32),
            [name for name, _ in pieces_by_name],
        )

    def joined(self, other: "BarIndex") -> "BarIndex":
        """Hold the bars of both."""
        return BarIndex(
            np.concatenate([self.contents, other.contents]),
            np.concatenate([self.steps, other.steps]),
            np.concatenate([self.pieces, other.pieces + len(self.names)]),
            (*self.names, *other.names),
        )

    def where(self, content: int) -> NDArray[np.int64]:
        """Return all places of bars of that content."""
        first = np.searchsorted(self._sorted, content, side="left")
        last = np.searchsorted(self._sorted, content, side="right")
        return self._order[first:last]

    def longest(self, parts: Mapping[int, Sequence[BarFingerprint]]) -> SharedPassage:
        """Find the longest passage that a piece shares with those known."""
        best = SharedPassage(0)
        for instrument, prints in parts.items():
            trail = CopyTracker(self)
            for place, bar in enumerate(prints):
                trail = trail.followed_by(bar)
                if trail.copied > best.bars:
                    best = SharedPassage(trail.copied, trail.piece, place, instrument)
        return best


@dataclass(frozen=True, slots=True, eq=False)
class CopyTracker:
    """How far what a part played last goes along with pieces that are known.

    Attributes
    ----------
    copied : int
        Different bars that tell something, of the longest passage that ends here.
    piece : str
        Whose it is.
    """

    known: BarIndex
    copied: int = 0
    piece: str = ""
    _places: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    _runs: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    _bars: tuple[BarFingerprint, ...] = ()

    def followed_by(self, bar: BarFingerprint) -> "CopyTracker":
        """Return the trail with one more bar."""
        if not bar.content:
            return CopyTracker(self.known)
        places = self.known.where(bar.content)
        runs = np.ones(len(places), np.int64)
        if len(self._places):
            step = _step(self._bars[-1], bar)
            at = np.searchsorted(self._places, places - 1)
            at = at.clip(max=len(self._places) - 1)
            goes_on = (self._places[at] == places - 1) & (self.known.steps[places] == step)
            runs[goes_on] += self._runs[at[goes_on]]
        longest = int(runs.max(initial=0))
        bars = (*self._bars, bar)[len(self._bars) + 1 - longest :]
        copied = len({one.content for one in bars if one.telling})
        name = self.known.names[self.known.pieces[places[runs.argmax()]]] if longest else ""
        return CopyTracker(self.known, copied, name, places, runs, bars)


def _step(before: BarFingerprint | None, bar: BarFingerprint) -> int:
    if before is None or not before.content or not bar.content:
        return _ENDS
    return max(-126, min(126, bar.first - before.first))

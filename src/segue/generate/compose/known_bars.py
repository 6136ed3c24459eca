"""Copy detection: passages of bars shared with the training set, part by part, in any key.

A bar of a part is represented by a hash of onsets and of intervals, which transposition does not
change. The training set itself need not be distributed: compressed, the index takes some two bytes
a bar.
"""

import lzma
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from segue.generate.compose.tokens import Bar
from segue.theory.instruments import DRUMS

#: Bars with fewer different pitches are common property and do not count as copied.
MIN_DISTINCT_PITCHES: Final = 3
_PART_START: Final = 127  # in place of an interval
_MAX_INTERVAL: Final = 126


class BarFingerprint(NamedTuple):
    """A bar of a part.

    Attributes
    ----------
    content : int
        Hash of onsets and intervals; 0 of a bar without notes.
    first : int
        Pitch of the first note, the lowest of them.
    distinctive : bool
        Whether it has at least `MIN_DISTINCT_PITCHES` pitches.
    """

    content: int
    first: int
    distinctive: bool


EMPTY: Final = BarFingerprint(0, 0, False)


def fingerprint_bar(bar: Bar, instrument: int) -> BarFingerprint:
    """Return the fingerprint of an instrument's onsets in a bar, whatever the durations."""
    notes = [(note.onset, note.pitch) for note in bar.notes if note.instrument == instrument]
    if not notes:
        return EMPTY
    first = notes[0][1]
    relative = np.array([(onset, pitch - first) for onset, pitch in notes], np.int16)
    pitches = {pitch for _, pitch in notes}
    distinctive = len(pitches) >= MIN_DISTINCT_PITCHES
    return BarFingerprint(zlib.crc32(relative.tobytes()) or 1, first, distinctive)


def fingerprint_parts(bars: Sequence[Bar]) -> dict[int, list[BarFingerprint]]:
    """Return the fingerprints of each part but the drums, bar by bar."""
    instruments = sorted(frozenset[int]().union(*(bar.instruments for bar in bars)) - {DRUMS})
    return {each: [fingerprint_bar(bar, each) for bar in bars] for each in instruments}


@dataclass(frozen=True, slots=True)
class SharedPassage:
    """The longest passage shared with the index.

    Attributes
    ----------
    bars : int
        Number of different distinctive bars; 0 where nothing is shared.
    piece : str
        Name of the training piece.
    end : int
        Index of the last bar in the query.
    instrument : int
        Instrument in the query.
    """

    bars: int
    piece: str = ""
    end: int = -1
    instrument: int = -1


class BarIndex:
    """Index of the bars of pieces.

    Parameters
    ----------
    contents : ndarray, shape (n,), uint32
        Hashes, part after part.
    steps : ndarray, shape (n,), int8
        Interval from the first note of the previous bar; 127 at the start of a part.
    pieces : ndarray, shape (n,), int32
        Index of the piece.
    names : sequence of str
        Names of the pieces.
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
    def build(cls, pieces: Sequence[tuple[str, Iterable[Sequence[BarFingerprint]]]]) -> "BarIndex":
        """Build an index of pieces, given as name and fingerprints of each part."""
        contents: list[int] = []
        steps: list[int] = []
        indices: list[int] = []
        for index, (_, parts) in enumerate(pieces):
            for part in parts:
                previous = None
                for bar in part:
                    contents.append(bar.content)
                    steps.append(_interval(previous, bar))
                    indices.append(index)
                    previous = bar
        return cls(
            np.array(contents, np.uint32),
            np.array(steps, np.int8),
            np.array(indices, np.int32),
            [name for name, _ in pieces],
        )

    def compress(self) -> bytes:
        """Return the index without names, compressed by LZMA."""
        starts = np.searchsorted(self.pieces, np.arange(len(self.names))).astype("<u4")
        filters = {"id": lzma.FILTER_LZMA2, "preset": 9, "lc": 0, "lp": 2, "pb": 2}  # for uint32
        hashes = self.contents.astype("<u4").tobytes()
        return lzma.compress(hashes, filters=[filters]) + lzma.compress(
            starts.tobytes() + self.steps.tobytes(), preset=9
        )

    @classmethod
    def decompress(cls, data: bytes, names: Sequence[str]) -> "BarIndex":
        """Return the index that `compress` gave.

        Raises
        ------
        ValueError, lzma.LZMAError
            The data are damaged.
        """
        content = np.frombuffer(lzma.decompress(data), np.uint8)
        count = (len(content) - 4 * len(names)) // 5
        hashes, starts, steps = np.split(content, [4 * count, 4 * (count + len(names))])
        pieces = np.searchsorted(starts.view("<u4"), np.arange(count), side="right") - 1
        return cls(hashes.view("<u4"), steps.view(np.int8), pieces.astype(np.int32), names)

    def concatenate(self, other: "BarIndex") -> "BarIndex":
        """Return an index of the pieces of both."""
        return BarIndex(
            np.concatenate([self.contents, other.contents]),
            np.concatenate([self.steps, other.steps]),
            np.concatenate([self.pieces, other.pieces + len(self.names)]),
            (*self.names, *other.names),
        )

    def find(self, content: int) -> NDArray[np.int64]:
        """Return the positions of all bars with a hash, ascending."""
        first = np.searchsorted(self._sorted, content, side="left")
        last = np.searchsorted(self._sorted, content, side="right")
        return self._order[first:last]

    def longest_shared_passage(
        self, parts: Mapping[int, Sequence[BarFingerprint]]
    ) -> SharedPassage:
        """Return the longest passage of a query that is also in an indexed piece."""
        longest = SharedPassage(0)
        for instrument, fingerprints in parts.items():
            tracker = CopyTracker(self)
            for index, bar in enumerate(fingerprints):
                tracker = tracker.append(bar)
                if tracker.copied > longest.bars:
                    longest = SharedPassage(tracker.copied, tracker.piece, index, instrument)
        return longest


@dataclass(frozen=True, slots=True, eq=False)
class CopyTracker:
    """Incremental search for the longest indexed passage that ends at the last bar of a part.

    Attributes
    ----------
    index : BarIndex
        The training set.
    copied : int
        Number of different distinctive bars of the longest such passage.
    piece : str
        Name of the piece it is from.
    """

    index: BarIndex
    copied: int = 0
    piece: str = ""
    _positions: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    _lengths: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    _bars: tuple[BarFingerprint, ...] = ()

    def append(self, bar: BarFingerprint) -> "CopyTracker":
        """Return the tracker after one more bar."""
        if not bar.content:
            return CopyTracker(self.index)
        positions = self.index.find(bar.content)
        lengths = np.ones(len(positions), np.int64)
        if len(self._positions):
            interval = _interval(self._bars[-1], bar)
            at = np.searchsorted(self._positions, positions - 1)
            at = at.clip(max=len(self._positions) - 1)
            continued = (self._positions[at] == positions - 1) & (
                self.index.steps[positions] == interval
            )
            lengths[continued] += self._lengths[at[continued]]
        longest = int(lengths.max(initial=0))
        bars = (*self._bars, bar)[len(self._bars) + 1 - longest :]
        copied = len({each.content for each in bars if each.distinctive})
        piece = ""
        if longest:
            piece = self.index.names[self.index.pieces[positions[lengths.argmax()]]]
        return CopyTracker(self.index, copied, piece, positions, lengths, bars)


def _interval(previous: BarFingerprint | None, bar: BarFingerprint) -> int:
    """Return the clipped interval between the first notes of consecutive bars."""
    if previous is None or not previous.content or not bar.content:
        return _PART_START
    return max(-_MAX_INTERVAL, min(_MAX_INTERVAL, bar.first - previous.first))

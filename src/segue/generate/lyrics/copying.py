"""Verbatim copying: passages shared with known songs.

Runs of one length are found by their hashes, which roll along the songs (Karp & Rabin, "Efficient
randomized pattern-matching algorithms", IBM Journal of Research and Development 31, 1987); each
run found is compared with what it is said to be, so that nothing rests on chance. The longest is
found by doubling, then by halving: where a run is shared, so is each part of it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument

#: No song.
NO_SONG: Final = -1
_BETWEEN: Final = -2  # two songs
_UNKNOWN: Final = -1
_BASE: Final = 0x9E3779B97F4A7C15  # odd, so that it can be divided by
_TABLE_SHIFT: Final = np.uint64(64 - 18)
#: Lengths that are tried first: about what chance shares of a language.
_WORDS: Final = 4
_LETTERS: Final = 16

Integers = NDArray[np.int64]
Hashes = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class KnownSong:
    """A song that a text may have copied from.

    Attributes
    ----------
    artist, title : str
    text : str
        As `segue.records.Lyrics.text`.
    words : tuple of str
        The words of the text in their order, without punctuation; in any case.
    """

    artist: str
    title: str
    text: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SharedText:
    """A run that a text shares with a song.

    Attributes
    ----------
    length : int
        In words or in characters; 0 where nothing is shared.
    text : str
        As it stands in the text that copies; words are joined by spaces.
    start : int
        Its first word, or character, there.
    song : int
        Which of the known songs has it, from 0: the first of those; -1 for none.
    """

    length: int
    text: str
    start: int
    song: int


class SongIndex:
    """Songs whose words are known, and what others copy of them.

    Parameters
    ----------
    songs : sequence of KnownSong
        May be empty; then nothing is a copy.

    Attributes
    ----------
    songs : tuple of KnownSong
    """

    def __init__(self, songs: Sequence[KnownSong]) -> None:
        self.songs = tuple(songs)
        self._numbers: dict[str, int] = {}
        for song in self.songs:
            for word in song.words:
                self._numbers.setdefault(word.casefold(), len(self._numbers))
        self._words = _Runs([self._numbered(song.words) for song in self.songs])
        self._letters: _Runs | None = None  # most of the memory; not all ask for it

    def longest_words(self, words: Sequence[str], *, without: int | None = None) -> SharedText:
        """Find the longest run of words that a song has, too.

        Parameters
        ----------
        words : sequence of str
            The words of a text, in its order, without punctuation; in any case.
        without : int, optional
            The number of a song that does not count: the text's own.

        Returns
        -------
        Copied
            The first in the text of those that are longest.
        """
        self._check(without)
        length, start, song = self._words.longest(self._numbered(words), _WORDS, without)
        return SharedText(length, " ".join(words[start : start + length]), start, song)

    def longest_characters(self, text: str, *, without: int | None = None) -> SharedText:
        """Find the longest run of characters that a song has, too.

        Case, punctuation, spaces and the ends of lines count as they are written.

        Parameters
        ----------
        text : str
        without : int, optional
            The number of a song that does not count: the text's own.

        Returns
        -------
        Copied
            The first in the text of those that are longest.
        """
        self._check(without)
        if self._letters is None:
            self._letters = _Runs([_codes(song.text) for song in self.songs])
        length, start, song = self._letters.longest(_codes(text), _LETTERS, without)
        return SharedText(length, text[start : start + length], start, song)

    def new_runs(
        self, words: Sequence[str], n: int = 4, *, without: int | None = None
    ) -> float | None:
        """Return the share of runs of words that no song has.

        Parameters
        ----------
        words : sequence of str
            As for `longest_words`.
        n : int
            Words of a run, 1 or more.
        without : int, optional
            The number of a song that does not count: the text's own.

        Returns
        -------
        float or None
            From 0 to 1; each place in the text counts once. None of fewer than `n` words.
        """
        self._check(without)
        if n < 1:
            raise BadArgument(f"runs of {n} words; expected 1 or more")
        if len(words) < n:
            return None
        old = sum(1 for _ in self._words.shared(self._numbered(words), n, without))
        return 1 - old / (len(words) - n + 1)

    def known_words(self, words: Sequence[str]) -> float | None:
        """Return the share of words that the songs have, from 0 to 1; None of no words."""
        if not words:
            return None
        return float((self._numbered(words) != _UNKNOWN).mean())

    def _numbered(self, words: Iterable[str]) -> Integers:
        found = (self._numbers.get(word.casefold(), _UNKNOWN) for word in words)
        return np.fromiter(found, np.int64)

    def _check(self, without: int | None) -> None:
        if without is not None and not 0 <= without < len(self.songs):
            raise BadArgument(f"song {without} of {len(self.songs)}; they are counted from 0")


class _Runs:
    """All songs as one row of numbers, and sums by which each run of it is hashed."""

    def __init__(self, songs: Sequence[Integers]) -> None:
        between = np.array([_BETWEEN])
        parts = [part for song in songs for part in (song, between)]
        self._row = np.concatenate(parts) if parts else np.zeros(0, np.int64)
        self._sums = _sums(self._row)
        self._shrinking = _powers(_shrinks(), len(self._row))
        self._ends = np.cumsum([len(song) + 1 for song in songs])

    def longest(self, mine: Integers, tried: int, without: int | None) -> tuple[int, int, int]:
        """Return length, start in `mine` and song of the longest shared run."""
        best, start, place = 0, 0, NO_SONG
        step, grows = tried, True
        while step:
            first = next(self.shared(mine, best + step, without), None)
            if first is None:
                grows = False
            else:
                best, (start, place) = best + step, first
            step = 2 * step if grows else step // 2
        song = int(np.searchsorted(self._ends, place, side="right")) if best else NO_SONG
        return best, start, song

    def shared(self, mine: Integers, length: int, without: int | None) -> Iterator[tuple[int, int]]:
        """Yield where each shared run of `mine` begins, and where it first stands in the row."""
        if min(len(mine), len(self._row)) < length:
            return
        hashes = _hashes(_sums(mine), _powers(_shrinks(), len(mine)), length)
        names, which = np.unique(hashes, return_inverse=True)
        at, name = self._likely(names, length, without)
        first = np.full(len(names), NO_SONG)
        first[name[::-1]] = at[::-1]
        for start in np.flatnonzero(first[which] != NO_SONG).tolist():
            run, hashed = mine[start : start + length], which[start]
            place = int(first[hashed])
            if not self._is(run, place):  # another run of the same hash
                others = at[name == hashed].tolist()
                place = next((place for place in others if self._is(run, place)), NO_SONG)
            if place != NO_SONG:
                yield start, place

    def _likely(self, names: Hashes, length: int, without: int | None) -> tuple[Integers, Integers]:
        """Return where runs with these hashes stand, ascending, and which hash each has."""
        theirs = _hashes(self._sums, self._shrinking, length)
        # Most have none of them: a table of their first bits says so at once.
        table = np.zeros(1 << (64 - int(_TABLE_SHIFT)), np.bool_)
        table[names >> _TABLE_SHIFT] = True
        at = np.flatnonzero(table[theirs >> _TABLE_SHIFT])
        if without is not None:
            begin = self._ends[without - 1] if without else 0
            at = at[(at < begin) | (at >= self._ends[without])]
        name = np.minimum(np.searchsorted(names, theirs[at]), len(names) - 1)
        same = names[name] == theirs[at]
        return at[same], name[same]

    def _is(self, run: Integers, place: int) -> bool:
        return np.array_equal(run, self._row[place : place + len(run)])


def _codes(text: str) -> Integers:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.int64)


def _powers(base: int, count: int) -> Hashes:
    powers = np.full(count, base, np.uint64)
    powers[:1] = 1
    return np.multiply.accumulate(powers)


def _shrinks() -> int:
    return pow(_BASE, -1, 1 << 64)


def _sums(row: Integers) -> Hashes:
    """Return the sums of what stands before each place, each times a power of the base."""
    sums = np.zeros(len(row) + 1, np.uint64)
    np.cumsum((row - _BETWEEN + 1).astype(np.uint64) * _powers(_BASE, len(row)), out=sums[1:])
    return sums


def _hashes(sums: Hashes, shrinking: Hashes, length: int) -> Hashes:
    """Hash each run of one length: the same wherever it stands."""
    count = len(sums) - length
    return (sums[length:] - sums[:count]) * shrinking[:count]

"""Verbatim copying from known lyrics: the longest shared word and character sequences.

Shared n-grams of one length are found by rolling hashes (Karp & Rabin, "Efficient randomized
pattern-matching algorithms", IBM Journal of Research and Development 31, 1987); each match is then
verified, so that hash collisions do no harm. The length of the longest common substring is found by
doubling, then by bisection: where an n-gram is shared, so is each part of it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument

NO_SONG: Final = -1
_SEPARATOR: Final = -2  # between two songs
_UNKNOWN: Final = -1
_BASE: Final = 0x9E3779B97F4A7C15  # odd, so that it has an inverse modulo 2^64
_INVERSE: Final = pow(_BASE, -1, 1 << 64)
_TABLE_SHIFT: Final = np.uint64(64 - 18)
#: Lengths that the search begins with: about what any two texts of a language share.
_FIRST_WORDS: Final = 4
_FIRST_CHARACTERS: Final = 16

Integers = NDArray[np.int64]
Hashes = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class KnownSong:
    """A song that a text may have been copied from.

    Attributes
    ----------
    artist, title : str
    text : str
        As `segue.records.Lyrics.text`.
    words : tuple of str
        Words of the text in order, without punctuation, in any case.
    """

    artist: str
    title: str
    text: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SharedText:
    """A sequence that a text shares with a song.

    Attributes
    ----------
    length : int
        Number of words or characters; 0 if nothing is shared.
    text : str
        The sequence as it stands in the text; words are joined by spaces.
    start : int
        Index of its first word or character in the text.
    song : int
        Index of the first song that has it; -1 for none.
    """

    length: int
    text: str
    start: int
    song: int


class SongIndex:
    """Index of known songs for the detection of copies.

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
        self._word_ids: dict[str, int] = {}
        for song in self.songs:
            for word in song.words:
                self._word_ids.setdefault(word.casefold(), len(self._word_ids))
        self._words = _NgramIndex([self._encode(song.words) for song in self.songs])
        self._characters: _NgramIndex | None = None  # takes most of the memory: built on demand

    def longest_shared_words(
        self, words: Sequence[str], *, exclude: int | None = None
    ) -> SharedText:
        """Find the longest word sequence that a song has, too.

        Parameters
        ----------
        words : sequence of str
            Words of a text in order, without punctuation, in any case.
        exclude : int, optional
            Index of a song to ignore, such as the text's own.

        Returns
        -------
        SharedText
            The first of the longest ones in the text.
        """
        self._check(exclude)
        length, start, song = self._words.longest(self._encode(words), _FIRST_WORDS, exclude)
        return SharedText(length, " ".join(words[start : start + length]), start, song)

    def longest_shared_characters(self, text: str, *, exclude: int | None = None) -> SharedText:
        """Find the longest character sequence that a song has, too.

        Case, punctuation, spaces and line breaks must match.

        Parameters
        ----------
        text : str
        exclude : int, optional
            Index of a song to ignore, such as the text's own.

        Returns
        -------
        SharedText
            The first of the longest ones in the text.
        """
        self._check(exclude)
        if self._characters is None:
            self._characters = _NgramIndex([_code_points(song.text) for song in self.songs])
        length, start, song = self._characters.longest(
            _code_points(text), _FIRST_CHARACTERS, exclude
        )
        return SharedText(length, text[start : start + length], start, song)

    def novel_ngrams(
        self, words: Sequence[str], n: int = 4, *, exclude: int | None = None
    ) -> float | None:
        """Return the share of word n-grams that no song has.

        Parameters
        ----------
        words : sequence of str
            As for `longest_shared_words`.
        n : int
            Number of words, 1 or more.
        exclude : int, optional
            Index of a song to ignore, such as the text's own.

        Returns
        -------
        float or None
            From 0 to 1, over all positions; None for fewer than `n` words.
        """
        self._check(exclude)
        if n < 1:
            raise BadArgument(f"n-grams of {n} words; expected 1 or more")
        if len(words) < n:
            return None
        shared = sum(1 for _ in self._words.shared(self._encode(words), n, exclude))
        return 1 - shared / (len(words) - n + 1)

    def known_words(self, words: Sequence[str]) -> float | None:
        """Return the share of words that occur in the songs, from 0 to 1; None for no words."""
        if not words:
            return None
        return float((self._encode(words) != _UNKNOWN).mean())

    def _encode(self, words: Iterable[str]) -> Integers:
        ids = (self._word_ids.get(word.casefold(), _UNKNOWN) for word in words)
        return np.fromiter(ids, np.int64)

    def _check(self, exclude: int | None) -> None:
        if exclude is not None and not 0 <= exclude < len(self.songs):
            raise BadArgument(f"song {exclude} of {len(self.songs)}; indices begin with 0")


class _NgramIndex:
    """All songs concatenated, with prefix sums from which any n-gram is hashed."""

    def __init__(self, songs: Sequence[Integers]) -> None:
        separator = np.array([_SEPARATOR])
        parts = [part for song in songs for part in (song, separator)]
        self._corpus = np.concatenate(parts) if parts else np.zeros(0, np.int64)
        self._prefix_sums = _prefix_sums(self._corpus)
        self._inverse_powers = _powers(_INVERSE, len(self._corpus))
        self._ends = np.cumsum([len(song) + 1 for song in songs])

    def longest(self, query: Integers, first: int, exclude: int | None) -> tuple[int, int, int]:
        """Return length, start in `query` and song index of the longest shared sequence."""
        best, start, position = 0, 0, NO_SONG
        step, doubling = first, True
        while step:
            match = next(self.shared(query, best + step, exclude), None)
            if match is None:
                doubling = False
            else:
                best, (start, position) = best + step, match
            step = 2 * step if doubling else step // 2
        song = int(np.searchsorted(self._ends, position, side="right")) if best else NO_SONG
        return best, start, song

    def shared(self, query: Integers, n: int, exclude: int | None) -> Iterator[tuple[int, int]]:
        """Yield each shared n-gram: its start in `query`, its first position in the corpus."""
        if min(len(query), len(self._corpus)) < n:
            return
        hashes = _hashes(_prefix_sums(query), _powers(_INVERSE, len(query)), n)
        unique, which = np.unique(hashes, return_inverse=True)
        positions, matched = self._candidates(unique, n, exclude)
        first = np.full(len(unique), NO_SONG)
        first[matched[::-1]] = positions[::-1]
        for start in np.flatnonzero(first[which] != NO_SONG).tolist():
            ngram, hash_index = query[start : start + n], which[start]
            position = int(first[hash_index])
            if not self._equals(ngram, position):  # a hash collision
                others = positions[matched == hash_index].tolist()
                position = next((at for at in others if self._equals(ngram, at)), NO_SONG)
            if position != NO_SONG:
                yield start, position

    def _candidates(self, unique: Hashes, n: int, exclude: int | None) -> tuple[Integers, Integers]:
        """Return ascending positions with one of these hashes, and the index of that hash."""
        corpus = _hashes(self._prefix_sums, self._inverse_powers, n)
        # A table of the leading bits rules out most positions at once.
        table = np.zeros(1 << (64 - int(_TABLE_SHIFT)), np.bool_)
        table[unique >> _TABLE_SHIFT] = True
        positions = np.flatnonzero(table[corpus >> _TABLE_SHIFT])
        if exclude is not None:
            begin = self._ends[exclude - 1] if exclude else 0
            positions = positions[(positions < begin) | (positions >= self._ends[exclude])]
        matched = np.minimum(np.searchsorted(unique, corpus[positions]), len(unique) - 1)
        equal = unique[matched] == corpus[positions]
        return positions[equal], matched[equal]

    def _equals(self, ngram: Integers, position: int) -> bool:
        return np.array_equal(ngram, self._corpus[position : position + len(ngram)])


def _code_points(text: str) -> Integers:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.int64)


def _powers(base: int, count: int) -> Hashes:
    powers = np.full(count, base, np.uint64)
    powers[:1] = 1
    return np.multiply.accumulate(powers)


def _prefix_sums(items: Integers) -> Hashes:
    """Return the sums of the items before each position, weighted by powers of the base."""
    sums = np.zeros(len(items) + 1, np.uint64)
    terms = (items - _SEPARATOR + 1).astype(np.uint64) * _powers(_BASE, len(items))
    np.cumsum(terms, out=sums[1:])
    return sums


def _hashes(prefix_sums: Hashes, inverse_powers: Hashes, n: int) -> Hashes:
    """Hash each n-gram, independently of its position."""
    count = len(prefix_sums) - n
    return (prefix_sums[n:] - prefix_sums[:count]) * inverse_powers[:count]

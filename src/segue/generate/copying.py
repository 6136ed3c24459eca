"""Copy detection: passages that generated music or lyrics share with a training set.

A passage is a run of keys, one for each item, that also stands in a sequence of the training set.
Keys do not change under transposition, and may be hashes, so that a training set that is too large
or not free need not be bundled:

- of a bar of a part, a hash of its onsets and intervals (`fingerprint_bar`); the interval between
  the first notes of two bars must be the same, too (compressed, some two bytes a bar);
- of five notes of a melody, a 16-bit hash of intervals and inter-onset intervals
  (`melody_ngrams`). That k successive hashes match by chance among half a million is as likely as
  500,000 / 65,536^k per position, so a passage of two or more is almost certainly real;
- of a few words or characters of lyrics, a hash of 64 bits, which is as good as the text itself.

`PassageIndex` holds the keys of a training set; `PassageTracker` follows, key by key, the passages
that end at the last one.
"""

import lzma
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.generate.compose.tokens import Bar
from segue.records import IntArray
from segue.theory.instruments import DRUMS

#: Bars with fewer different pitches are common property and do not count as copied.
MIN_DISTINCT_PITCHES: Final = 3
#: Notes per n-gram.
NGRAM_NOTES: Final = 5
#: Inter-onset interval in steps; longer ones count as this.
_MAX_STEPS: Final = 255
#: Orders of the n-grams that searches begin with: about what any two texts of a language share.
_WORDS: Final = 4
_CHARACTERS: Final = 16
#: Parameters of a filter: words per n-gram, distance of the n-grams in the set, bits of a hash.
_FILTER_ORDER: Final = 6
_FILTER_STRIDE: Final = 4
_FILTER_BITS: Final = 26
_UNKNOWN: Final = -1  # a word that no song has
_HASH_MULTIPLIERS: Final = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9)
_SEQUENCE_START: Final = 127  # in place of a link
_MAX_INTERVAL: Final = 126

#: Keys: unsigned integers of 16, 32 or 64 bits.
Keys = NDArray[Any]


@dataclass(frozen=True, slots=True)
class SharedPassage:
    """The longest passage shared with a training set.

    Attributes
    ----------
    length : int
        Number of notes, words or characters; of bars, only different distinctive ones count. 0 if
        nothing is shared.
    start, end : int
        Indices of its first and its last item.
    piece : int
        Index of the piece of the training set; -1 for none.
    part : int
        Instrument or voice that shares it; -1 if there is only one.
    """

    length: int = 0
    start: int = 0
    end: int = -1
    piece: int = -1
    part: int = -1


class Match(NamedTuple):
    """A passage of `length` keys that ends at `end` in a query, at `position` in an index."""

    length: int
    end: int
    position: int


class PassageIndex:
    """Index of sequences of keys.

    Parameters
    ----------
    keys : ndarray, shape (n,), unsigned
        Keys of all sequences, concatenated.
    links : ndarray, shape (n,), int8
        What else must match for a key to continue a passage; 127 where none does, as at the
        beginning of a sequence.
    pieces : ndarray, shape (n,), int32
        Index of the piece of each key, ascending.
    names : sequence of str
        Names of the pieces.
    """

    def __init__(
        self, keys: Keys, links: NDArray[np.int8], pieces: NDArray[np.int32], names: Sequence[str]
    ) -> None:
        self.keys, self.links, self.pieces = keys, links, pieces
        self.names = tuple(names)
        self._order = np.argsort(keys, kind="stable")

    @classmethod
    def from_starts(cls, keys: Keys, starts: NDArray[np.integer], names: Sequence[str]) -> Self:
        """Index pieces of one sequence each, given where the keys of each begin."""
        if len(starts) != len(names):
            raise BadArgument(f"{len(starts)} sequences, but {len(names)} names of pieces")
        pieces = np.repeat(np.arange(len(starts), dtype=np.int32), np.diff([*starts, len(keys)]))
        links = np.zeros(len(keys), np.int8)
        links[starts[starts < len(keys)]] = _SEQUENCE_START
        return cls(keys, links, pieces, names)

    @classmethod
    def from_sequences(cls, sequences: Sequence[Keys], names: Sequence[str]) -> Self:
        """Index pieces of one sequence each."""
        keys = np.concatenate(sequences) if sequences else np.zeros(0, np.uint64)
        starts = np.cumsum([0, *map(len, sequences)])[:-1]
        return cls.from_starts(keys, starts, names)

    @property
    def starts(self) -> IntArray:
        """Index of the first key of each piece, or of the next one if it has none."""
        return np.searchsorted(self.pieces, np.arange(len(self.names)))

    def compress(self) -> bytes:
        """Return an index of keys of 32 bits without names, compressed by LZMA."""
        keys = self.keys.astype("<u4").tobytes()
        filters = {"id": lzma.FILTER_LZMA2, "preset": 9, "lc": 0, "lp": 2, "pb": 2}  # four bytes
        starts = self.starts.astype("<u4").tobytes()
        return lzma.compress(keys, filters=[filters]) + lzma.compress(starts + self.links.tobytes())

    @classmethod
    def decompress(cls, data: bytes, names: Sequence[str]) -> Self:
        """Return the index that `compress` gave.

        Raises
        ------
        ValueError
            The data are damaged.
        """
        try:
            content = np.frombuffer(lzma.decompress(data), np.uint8)
        except lzma.LZMAError as error:
            raise ValueError(f"the index is damaged: {error}") from None
        count = (len(content) - 4 * len(names)) // 5
        keys, starts, links = np.split(content, [4 * count, 4 * (count + len(names))])
        pieces = np.searchsorted(starts.view("<u4"), np.arange(count), side="right") - 1
        return cls(keys.view("<u4"), links.view(np.int8), pieces.astype(np.int32), names)

    def concatenate(self, other: Self) -> Self:
        """Return an index of the pieces of both."""
        return type(self)(
            np.concatenate([self.keys, other.keys]),
            np.concatenate([self.links, other.links]),
            np.concatenate([self.pieces, other.pieces + len(self.names)]),
            (*self.names, *other.names),
        )

    def positions(self, key: int) -> IntArray:
        """Return the positions of a key, ascending."""
        value = self.keys.dtype.type(key)
        first = np.searchsorted(self.keys, value, side="left", sorter=self._order)
        last = np.searchsorted(self.keys, value, side="right", sorter=self._order)
        return self._order[first:last]

    def matches(self, keys: Keys) -> Iterator[Match]:
        """Yield the longest shared passage that ends at each key of a query, if there is one."""
        tracker = PassageTracker(self)
        for end, key in enumerate(keys.tolist()):
            tracker = tracker.append(key)
            if tracker.length:
                yield Match(tracker.length, end, tracker.position)

    def passage(self, match: Match | None, order: int) -> SharedPassage:
        """Return a match of n-grams of an order as a passage of items."""
        if match is None:
            return SharedPassage()
        end = match.end + order - 1
        length = match.length + order - 1
        return SharedPassage(length, end - length + 1, end, int(self.pieces[match.position]))


@dataclass(frozen=True, slots=True, eq=False)
class PassageTracker:
    """Incremental search for the passages that end at the last key of a query.

    Attributes
    ----------
    index : PassageIndex
        The training set.
    positions : ndarray, int64
        Where in the index the last key stands, ascending.
    lengths : ndarray, int64
        Number of keys of the passage that ends at each of `positions`.
    """

    index: PassageIndex
    positions: IntArray = field(default_factory=lambda: np.empty(0, np.int64))
    lengths: IntArray = field(default_factory=lambda: np.empty(0, np.int64))

    @property
    def length(self) -> int:
        """Number of keys of the longest passage."""
        return int(self.lengths.max(initial=0))

    @property
    def position(self) -> int:
        """Where in the index the first of the longest passages ends."""
        return int(self.positions[self.lengths.argmax()])

    def append(self, key: int, link: int = 0) -> "PassageTracker":
        """Return the tracker after one more key."""
        positions = self.index.positions(key)
        lengths = np.ones(len(positions), np.int64)
        if len(self.positions):
            before = np.searchsorted(self.positions, positions - 1)
            before = before.clip(max=len(self.positions) - 1)
            continued = (self.positions[before] == positions - 1) & (
                self.index.links[positions] == link
            )
            lengths[continued] += self.lengths[before[continued]]
        return PassageTracker(self.index, positions, lengths)

    def continuations(self, is_too_long: NDArray[np.bool_]) -> Keys:
        """Return the keys that would continue some of the passages."""
        following = self.positions[is_too_long] + 1
        following = following[following < len(self.index.keys)]
        following = following[self.index.links[following] != _SEQUENCE_START]
        return np.asarray(self.index.keys[following])


def hash_ngrams(items: NDArray[np.integer], order: int) -> NDArray[np.uint64]:
    """Hash each n-gram of a sequence of integers, shape (n - order + 1,)."""
    count = max(len(items) - order + 1, 0)
    hashes = np.zeros(count, np.uint64)
    for at in range(order):
        item = items[at : at + count].astype(np.uint64)
        hashes = (hashes ^ item) * np.uint64(_HASH_MULTIPLIERS[0])
        hashes ^= hashes >> np.uint64(29)
    return hashes * np.uint64(_HASH_MULTIPLIERS[1])


# --- bars of parts ---


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


def fingerprint_bar(bar: Bar, instrument: int) -> BarFingerprint:
    """Return the fingerprint of an instrument's onsets in a bar, whatever the durations."""
    notes = [(note.onset, note.pitch) for note in bar.notes if note.instrument == instrument]
    if not notes:
        return BarFingerprint(0, 0, False)
    first = notes[0][1]
    relative = np.array([(onset, pitch - first) for onset, pitch in notes], np.int16)
    pitches = {pitch for _, pitch in notes}
    distinctive = len(pitches) >= MIN_DISTINCT_PITCHES
    return BarFingerprint(zlib.crc32(relative.tobytes()) or 1, first, distinctive)


def fingerprint_parts(bars: Sequence[Bar]) -> dict[int, list[BarFingerprint]]:
    """Return the fingerprints of each part but the drums, bar by bar."""
    instruments = sorted(frozenset[int]().union(*(bar.instruments for bar in bars)) - {DRUMS})
    return {each: [fingerprint_bar(bar, each) for bar in bars] for each in instruments}


def index_bars(pieces: Sequence[tuple[str, Iterable[Sequence[BarFingerprint]]]]) -> PassageIndex:
    """Index the bars of pieces, given as name and fingerprints of each part."""
    rows = [
        (bar.content, _link(previous, bar), index)
        for index, (_, parts) in enumerate(pieces)
        for part in parts
        for previous, bar in zip([None, *part[:-1]], part, strict=True)
    ]
    contents, links, indices = np.array(rows, np.int64).reshape(-1, 3).T
    names = [name for name, _ in pieces]
    return PassageIndex(
        contents.astype(np.uint32), links.astype(np.int8), indices.astype(np.int32), names
    )


def _link(previous: BarFingerprint | None, bar: BarFingerprint) -> int:
    """Return the clipped interval between the first notes of consecutive bars."""
    if previous is None or not previous.content or not bar.content:
        return _SEQUENCE_START
    return max(-_MAX_INTERVAL, min(_MAX_INTERVAL, bar.first - previous.first))


@dataclass(frozen=True, slots=True, eq=False)
class BarTracker:
    """Tracks the passages that a part, bar by bar, shares with an index.

    Attributes
    ----------
    passages : PassageTracker
    bars : tuple of BarFingerprint
        Bars of the longest passage.
    """

    passages: PassageTracker
    bars: tuple[BarFingerprint, ...] = ()

    @property
    def copied(self) -> int:
        """Number of different distinctive bars of the longest passage."""
        return len({bar.content for bar in self.bars if bar.distinctive})

    def append(self, bar: BarFingerprint) -> "BarTracker":
        """Return the tracker after one more bar."""
        if not bar.content:
            return BarTracker(PassageTracker(self.passages.index))
        previous = self.bars[-1] if self.bars else None
        passages = self.passages.append(bar.content, _link(previous, bar))
        bars = (*self.bars, bar)
        return BarTracker(passages, bars[len(bars) - passages.length :])


def longest_shared_bars(
    index: PassageIndex, parts: Mapping[int, Sequence[BarFingerprint]]
) -> SharedPassage:
    """Find the longest passage of bars that a part shares, in any key.

    Parameters
    ----------
    index : PassageIndex
        From `index_bars`.
    parts : mapping of int to sequence of BarFingerprint
        From `fingerprint_parts`.
    """
    longest = SharedPassage()
    for instrument, bars in parts.items():
        tracker = BarTracker(PassageTracker(index))
        for end, bar in enumerate(bars):
            tracker = tracker.append(bar)
            if tracker.copied > longest.length:
                piece = int(index.pieces[tracker.passages.position])
                start = end + 1 - len(tracker.bars)
                longest = SharedPassage(tracker.copied, start, end, piece, instrument)
    return longest


# --- notes of a melody ---


def melody_ngrams(notes: NDArray[np.integer]) -> NDArray[np.uint16]:
    """Hash each n-gram of the notes of a melody, invariant to transposition.

    Parameters
    ----------
    notes : ndarray of int, shape (n, 2)
        Pitch and onset of each note, sorted by onset; onsets in steps of a grid.

    Returns
    -------
    ndarray, shape (n - 4,), uint16
        Empty for fewer than five notes.
    """
    if notes.ndim != 2 or notes.shape[1] != 2:
        raise BadArgument(f"expected notes of shape (n, 2), pitch and onset, got {notes.shape}")
    interval, steps = np.diff(notes.astype(np.int64), axis=0).T
    items = (interval + 128) * (_MAX_STEPS + 1) + np.clip(steps, 0, _MAX_STEPS)
    return (hash_ngrams(items, NGRAM_NOTES - 1) >> np.uint64(48)).astype(np.uint16)


def longest_shared_notes(index: PassageIndex, notes: NDArray[np.integer]) -> SharedPassage:
    """Find the longest passage that a melody shares, in any key: six notes or more.

    Parameters
    ----------
    index : PassageIndex
        Of `melody_ngrams`.
    notes : ndarray of int, shape (n, 2)
        Pitch and onset of each note, on the grid of the indexed melodies.
    """
    matches = [match for match in index.matches(melody_ngrams(notes)) if match.length > 1]
    # Of equally long ones, the first in the training set.
    longest = max(matches, key=lambda each: (each.length, each.end - each.position), default=None)
    return index.passage(longest, NGRAM_NOTES)


class NoteTracker:
    """Tracks the passages that a melody, note by note, shares with an index.

    Parameters
    ----------
    index : PassageIndex
        Of `melody_ngrams`.
    """

    def __init__(self, index: PassageIndex) -> None:
        self._passages = PassageTracker(index)
        self._notes: list[tuple[int, int]] = []

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
        counts = (self._passages.lengths + NGRAM_NOTES - 1).tolist()
        first_onsets = np.array([self._notes[-count][1] for count in counts])
        forbidden = self._passages.continuations(onset - first_onsets > max_steps)
        if not len(forbidden):
            return np.zeros(len(pitches), np.bool_)
        recent = self._notes[1 - NGRAM_NOTES :]
        ngrams = [[*recent, (pitch, onset)] for pitch in pitches]
        hashes = melody_ngrams(np.array(ngrams).reshape(-1, 2))[::NGRAM_NOTES]
        return np.isin(hashes, forbidden)

    def append(self, pitch: int, onset: int) -> None:
        """Append a note."""
        self._notes.append((pitch, onset))
        for ngram in melody_ngrams(np.array(self._notes[-NGRAM_NOTES:])).tolist():
            self._passages = self._passages.append(ngram)


# --- words and characters of lyrics ---


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


class SongIndex:
    """Index of the words and the characters of songs.

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
        self._words = _NgramIndices([self._encode(song.words) for song in self.songs])
        self._characters = _NgramIndices([_code_points(song.text) for song in self.songs])

    def longest_shared_words(self, words: Sequence[str]) -> SharedPassage:
        """Find the longest word sequence that a song has, too; the first of several.

        Parameters
        ----------
        words : sequence of str
            Words of a text in order, without punctuation, in any case.
        """
        return self._words.longest_shared_passage(self._encode(words), _WORDS)

    def longest_shared_characters(self, text: str) -> SharedPassage:
        """Find the longest character sequence that a song has, too; the first of several.

        Case, punctuation, spaces and line breaks must match.
        """
        return self._characters.longest_shared_passage(_code_points(text), _CHARACTERS)

    def novel_ngrams(self, words: Sequence[str], n: int = 4) -> float | None:
        """Return the share of word n-grams that no song has.

        Parameters
        ----------
        words : sequence of str
            As for `longest_shared_words`.
        n : int
            Number of words, 1 or more.

        Returns
        -------
        float or None
            From 0 to 1, over all positions; None for fewer than `n` words.
        """
        if n < 1:
            raise BadArgument(f"n-grams of {n} words; expected 1 or more")
        ngrams = hash_ngrams(self._encode(words), n)
        if not len(ngrams):
            return None
        known = sum(1 for _ in self._words.of_order(n).matches(ngrams))
        return 1 - known / len(ngrams)

    def known_words(self, words: Sequence[str]) -> float | None:
        """Return the share of words that occur in the songs, from 0 to 1; None for no words."""
        if not words:
            return None
        return float((self._encode(words) != _UNKNOWN).mean())

    def _encode(self, words: Iterable[str]) -> IntArray:
        ids = (self._word_ids.get(word.casefold(), _UNKNOWN) for word in words)
        return np.fromiter(ids, np.int64)


class NgramFilter:
    """Words of a corpus that is too large to be bundled, as a set of hashes of word n-grams.

    Of the corpus, every fourth n-gram of six words is in the set, so that each sequence of nine
    words contains one: a text of which no n-gram is in the set shares at most `longest_copy` words
    in a row with the corpus. A hash has `_FILTER_BITS` bits: of other n-grams, some 4 % are taken
    for members, too.

    Parameters
    ----------
    hashes : ndarray of int64
        Members, sorted, without duplicates.
    """

    def __init__(self, hashes: IntArray) -> None:
        self._hashes = hashes

    @classmethod
    def build(cls, texts: Iterable[Sequence[str]]) -> Self:
        """Build the set of the words of texts, without punctuation, in any case."""
        members = [_filter_hashes(words)[::_FILTER_STRIDE] for words in texts]
        return cls(np.unique(np.concatenate(members)))

    @property
    def longest_copy(self) -> int:
        """Number of words in a row that may be shared without an n-gram in the set."""
        return _FILTER_ORDER + _FILTER_STRIDE - 2

    def contains(self, words: Sequence[str]) -> NDArray[np.bool_]:
        """Return which n-grams of six words of a text are in the set."""
        hashes = _filter_hashes(words)
        at = np.searchsorted(self._hashes, hashes).clip(max=max(len(self._hashes) - 1, 0))
        return self._hashes[at] == hashes if len(self._hashes) else np.zeros(len(hashes), np.bool_)

    def ends_in_member(self, words: Sequence[str]) -> bool:
        """Return whether the last six words of a text are in the set."""
        return bool(self.contains(words[-_FILTER_ORDER:])[-1:].any())

    def compress(self) -> NDArray[np.uint8]:
        """Return the gaps between members as bytes; 255 continues the gap with the next byte."""
        gaps = np.diff(self._hashes, prepend=0)
        escapes = gaps // 255
        encoded = np.full(int(escapes.sum()) + len(gaps), 255, np.uint8)
        encoded[np.cumsum(escapes + 1) - 1] = gaps % 255
        return encoded

    @classmethod
    def decompress(cls, encoded: NDArray[np.uint8]) -> Self:
        """Return the set that `compress` gave."""
        return cls(np.cumsum(encoded, dtype=np.int64)[encoded != 255])


def _filter_hashes(words: Sequence[str]) -> IntArray:
    """Return a hash of each n-gram of six words that is the same in every process."""
    codes = {word: zlib.crc32(word.encode("utf-8", "replace")) for word in {*words}}
    ids = np.fromiter((codes[word] for word in words), np.int64, len(words))
    shift = np.uint64(64 - _FILTER_BITS)
    return (hash_ngrams(ids, _FILTER_ORDER) >> shift).astype(np.int64)


class _NgramIndices:
    """Indices of the n-grams of sequences, by order; each is built when it is first needed."""

    def __init__(self, sequences: Sequence[NDArray[np.integer]]) -> None:
        self._sequences = sequences
        self._indices: dict[int, PassageIndex] = {}

    def of_order(self, order: int) -> PassageIndex:
        if order not in self._indices:
            ngrams = [hash_ngrams(sequence, order) for sequence in self._sequences]
            self._indices[order] = PassageIndex.from_sequences(ngrams, [""] * len(ngrams))
        return self._indices[order]

    def longest_shared_passage(self, items: NDArray[np.integer], order: int) -> SharedPassage:
        """Search for n-grams of an order; if none is shared, of half that order, and so on."""
        while order:
            index = self.of_order(order)
            matches = index.matches(hash_ngrams(items, order))
            longest = max(matches, key=lambda match: match.length, default=None)
            if longest:
                return index.passage(longest, order)
            order //= 2
        return SharedPassage()


def _code_points(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")

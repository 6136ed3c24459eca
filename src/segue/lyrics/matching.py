"""Matching of lyrics: the same song by MinHash, a line by character trigrams.

Texts are compared by MinHash (Broder, "On the Resemblance and Containment of Documents", SEQUENCES
1997): the share of equal values estimates the Jaccard similarity of their sets of word trigrams,
without case and punctuation.

A half-remembered line is found by an index of character trigrams: typing errors, other spellings
and missing words leave most trigrams intact, and rare trigrams weigh more than common ones. The
similarity of a line to a query is the weighted geometric mean of two shares: of the query that the
line has, and of the line that the query has. The first weighs more, since people remember parts.
"""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.lyrics.features import MAX_CHARACTERS
from segue.lyrics.phonetics import split_words
from segue.text import normalise

# --- MinHash ---

N_HASHES: Final = 128
#: Minimum similarity of two texts of one song: typing errors and a line more or less are above,
#: songs that only share a refrain are below.
SAME_TEXT_THRESHOLD: Final = 0.6
_NGRAM_WORDS: Final = 3
_PRIME: Final = (1 << 31) - 1
_CHUNK: Final = 1024  # n-grams hashed at once, so that a long text needs little memory

UInts = NDArray[np.uint32]


def text_minhash(text: str) -> UInts:
    """Compute the MinHash of a text, shape (128,), uint32.

    Parameters
    ----------
    text : str
        As `segue.records.Lyrics.text`; only the first 100,000 characters are used.
    """
    words = [word.lower().strip("'") for word in split_words(text[:MAX_CHARACTERS])]
    starts = range(max(len(words) - _NGRAM_WORDS + 1, 1))
    ngrams = {" ".join(words[start : start + _NGRAM_WORDS]) for start in starts}
    codes = np.array([zlib.crc32(ngram.encode()) % _PRIME for ngram in ngrams], np.uint64)
    factor, term = _hash_functions()
    minimum = np.full(N_HASHES, _PRIME, np.uint64)
    for start in range(0, len(codes), _CHUNK):
        hashes = (codes[start : start + _CHUNK, None] * factor + term) % np.uint64(_PRIME)
        minimum = np.minimum(minimum, hashes.min(axis=0))
    return minimum.astype(np.uint32)


def text_minhash_similarity(a: UInts, b: UInts) -> float:
    """Estimate the Jaccard similarity of the word trigrams of two texts, 0 to 1.

    Raises
    ------
    BadArgument
        One is not the MinHash of a text.
    """
    if a.shape != (N_HASHES,) or b.shape != (N_HASHES,):
        raise BadArgument(f"expected {N_HASHES} numbers of each text, got {a.shape} and {b.shape}")
    return float((a == b).mean())


@cache
def _hash_functions() -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    rng = np.random.default_rng(0)
    factor = rng.integers(1, _PRIME, N_HASHES).astype(np.uint64)
    return factor, rng.integers(0, _PRIME, N_HASHES).astype(np.uint64)


# --- line index ---

#: Exponent of the share of the line. It was tuned on lines of bench/lyrics_search.py, including
#: those of its table; values from 0.15 to 0.3 do as well.
LINE_WEIGHT: Final = 0.25
_SEGMENT_CHARACTERS: Final = (
    8_000_000  # sorted at once, so that a library of any size fits in memory
)
_CODE_POINT_BITS: Final = 21

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class _Segment:
    """An inverted index of consecutive lines: each trigram, and the lines that have it."""

    trigrams: NDArray[np.uint64]  # in ascending order
    starts: Ints  # offset in `lines` of the lines of each trigram, and the end
    lines: NDArray[np.int32]
    first: int  # index of the first line among all lines
    sizes: NDArray[np.int32]  # number of trigrams of each line


@dataclass(frozen=True, slots=True, eq=False)
class LineQuery:
    """Weighted trigrams of a query.

    Attributes
    ----------
    trigrams : ndarray, shape (n,), uint64
        In ascending order.
    weights : ndarray, shape (n,), float32
        Above 0.
    """

    trigrams: NDArray[np.uint64]
    weights: NDArray[np.float32]

    def similarity(self, text: str) -> float:
        """Compute the similarity of a text to the query, 0 to 1."""
        line = trigrams(text)
        shared = self.weights[np.isin(self.trigrams, line)].sum(keepdims=True)
        return float(self.similarities(shared, np.array([len(line)], np.float32))[0])

    def similarities(
        self, shared: NDArray[np.float32], sizes: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Compute the similarities of lines, from the weight of shared trigrams and line sizes."""
        total = max(float(self.weights.sum()), 1e-9)
        of_line = np.minimum(shared / (np.maximum(sizes, 1) * (total / len(self.trigrams))), 1)
        of_query = np.minimum(shared / total, 1)
        return np.asarray(of_query ** (1 - LINE_WEIGHT) * of_line**LINE_WEIGHT, np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class LineIndex:
    """The lines of many texts.

    Attributes
    ----------
    texts : ndarray, shape (lines,), int64
        Number of the text of each line.
    numbers : ndarray, shape (lines,), int32
        Index of each line within its text.
    """

    texts: Ints
    numbers: NDArray[np.int32]
    segments: tuple[_Segment, ...]

    @classmethod
    def build(cls, texts: Iterable[tuple[int, str]]) -> "LineIndex":
        """Index texts, given as pairs of a number and lines separated by line feeds."""
        text_numbers, line_numbers, segments = [], [], []
        pending: list[str] = []
        length = first = 0
        for number, text in texts:
            for index, line in enumerate(text.split("\n")):
                normalised = normalise(line)
                if normalised:
                    text_numbers.append(number)
                    line_numbers.append(index)
                    pending.append(normalised)
                    length += len(normalised)
            if length > _SEGMENT_CHARACTERS:
                segments.append(_segment(pending, first))
                first, length, pending = len(text_numbers), 0, []
        if pending:
            segments.append(_segment(pending, first))
        return cls(
            np.array(text_numbers, np.int64), np.array(line_numbers, np.int32), tuple(segments)
        )

    def query(self, text: str) -> LineQuery:
        """Weight the trigrams of a query by their inverse document frequency."""
        codes = trigrams(text)
        counts = np.zeros(len(codes), np.int64)
        for segment in self.segments:
            starts, ends = _postings(segment, codes)
            counts += ends - starts
        weights = np.log1p(len(self.texts) / np.maximum(counts, 1))
        return LineQuery(codes, weights.astype(np.float32))

    def similarities(self, query: LineQuery) -> NDArray[np.float32]:
        """Compute the similarity of each line to a query, 0 to 1; shape (lines,), float32."""
        shared = np.zeros(len(self.texts), np.float32)
        sizes = np.ones(len(self.texts), np.float32)
        for segment in self.segments:
            lines = slice(segment.first, segment.first + len(segment.sizes))
            sizes[lines] = segment.sizes
            segment_shared = shared[lines]
            starts, ends = _postings(segment, query.trigrams)
            for weight, start, end in zip(
                query.weights, starts.tolist(), ends.tolist(), strict=True
            ):
                segment_shared[segment.lines[start:end]] += weight  # each line once
        return query.similarities(shared, sizes)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the index as named arrays, to be saved."""
        arrays: dict[str, NDArray[Any]] = {"texts": self.texts, "numbers": self.numbers}
        for i, segment in enumerate(self.segments):
            arrays |= {
                f"runs-{i}": segment.trigrams,
                f"starts-{i}": segment.starts,
                f"lines-{i}": segment.lines,
                f"sizes-{i}": segment.sizes,
            }
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "LineIndex":
        """Restore an index from the result of `arrays`."""
        segments: list[_Segment] = []
        first = 0
        while f"runs-{len(segments)}" in arrays:
            codes, starts, lines, sizes = (
                arrays[f"{name}-{len(segments)}"] for name in ("runs", "starts", "lines", "sizes")
            )
            segments.append(_Segment(codes, starts, lines, first, sizes))
            first += len(sizes)
        return cls(arrays["texts"], arrays["numbers"], tuple(segments))


def trigrams(text: str) -> NDArray[np.uint64]:
    """Return the distinct character trigrams of a normalised text, in ascending order."""
    return np.unique(_line_trigrams([normalise(text)])[0])


def _segment(lines: list[str], first: int) -> _Segment:
    codes, line_of = _line_trigrams(lines)
    order = np.lexsort((line_of, codes))
    codes, line_of = codes[order], line_of[order]
    distinct = np.ones(len(codes), np.bool_)
    distinct[1:] = (codes[1:] != codes[:-1]) | (line_of[1:] != line_of[:-1])
    codes, line_of = codes[distinct], line_of[distinct]
    unique, starts = np.unique(codes, return_index=True)
    sizes = np.bincount(line_of, minlength=len(lines)).astype(np.int32)
    return _Segment(unique, np.append(starts, len(codes)), line_of.astype(np.int32), first, sizes)


def _line_trigrams(lines: list[str]) -> tuple[NDArray[np.uint64], Ints]:
    """Return the trigrams of lines padded with spaces, and the index of the line of each."""
    text = "".join(f" {line} " for line in lines)
    codes = np.frombuffer(text.encode("utf-32-le", "replace"), "<u4").astype(np.uint64)
    line_of = np.repeat(np.arange(len(lines)), np.array([len(line) + 2 for line in lines]))
    shift = np.uint64(_CODE_POINT_BITS)
    packed = (codes[:-2] << shift | codes[1:-1]) << shift | codes[2:]
    inside = line_of[:-2] == line_of[2:]
    return packed[inside], line_of[:-2][inside]


def _postings(segment: _Segment, codes: NDArray[np.uint64]) -> tuple[Ints, Ints]:
    """Return where the lines of each trigram start and end; empty ranges for unknown ones."""
    nearest = np.minimum(np.searchsorted(segment.trigrams, codes), len(segment.trigrams) - 1)
    starts = segment.starts[nearest]
    known = segment.trigrams[nearest] == codes
    return starts, np.where(known, segment.starts[nearest + 1], starts)

"""Matching of lyrics: the same song by MinHash, a line by character trigrams.

Whether two texts are the same song: by the runs of words that both have.

A MinHash (Broder, "On the Resemblance and Containment of Documents", SEQUENCES 1997) of the runs
of three words, without case and punctuation: the share of equal numbers in two of them estimates
the Jaccard index of the two sets of runs.

Lines found by what is half remembered of them: an index of the runs of three letters.

Typing errors, another spelling and missing words leave most runs of three letters as they were,
and rare ones tell more than common ones. How near a line is, is the geometric mean of two shares:
how much of what is asked with it has, and how much of it was asked with; the first counts more,
for people remember parts.
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

# --- sameness ---

N_HASHES: Final = 128
#: So much alike are two texts of one song: typing errors and a line more or less, not one refrain.
SAME_TEXT_THRESHOLD: Final = 0.6
_RUN: Final = 3
_PRIME: Final = (1 << 31) - 1

UInts = NDArray[np.uint32]


def text_minhash(text: str) -> UInts:
    """Return the MinHash of a text, shape (128,), uint32; one without words differs from all.

    Parameters
    ----------
    text : str
        As `segue.records.Lyrics.text`; of very long ones the beginning counts.
    """
    words = [word.lower().strip("'") for word in split_words(text[:MAX_CHARACTERS])]
    runs = {" ".join(words[at : at + _RUN]) for at in range(max(len(words) - _RUN + 1, 1))}
    codes = np.array([zlib.crc32(run.encode()) % _PRIME for run in runs], np.uint64)
    factor, add = _hashes()
    least = np.full(N_HASHES, _PRIME, np.uint64)
    for at in range(0, len(codes), 1024):  # so that a long text needs little memory
        hashed = (codes[at : at + 1024, None] * factor + add) % np.uint64(_PRIME)
        least = np.minimum(least, hashed.min(axis=0))
    return least.astype(np.uint32)


def text_minhash_similarity(a: UInts, b: UInts) -> float:
    """Estimate the share of runs of words that two texts have in common, 0 to 1.

    Raises
    ------
    BadArgument
        One is no MinHash of a text.
    """
    if a.shape != (N_HASHES,) or b.shape != (N_HASHES,):
        raise BadArgument(f"expected {N_HASHES} numbers of each text, got {a.shape} and {b.shape}")
    return float((a == b).mean())


@cache
def _hashes() -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    rng = np.random.default_rng(0)
    factor = rng.integers(1, _PRIME, N_HASHES).astype(np.uint64)
    return factor, rng.integers(0, _PRIME, N_HASHES).astype(np.uint64)


# --- line index ---

#: How much it counts that a line has little else; chosen on lines of bench/find_lyrics.py,
#: those of its table among them; anything from 0.15 to 0.3 did as well.
OF_LINE: Final = 0.25
_SEGMENT: Final = 8_000_000  # letters put in order at once, so that any library fits in memory
_BITS: Final = 21  # of a letter's number in Unicode

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class _Segment:
    """Some lines: each run of letters, and the lines that have it."""

    runs: NDArray[np.uint64]  # rising
    starts: Ints  # where the lines of each run begin; one more than runs
    lines: NDArray[np.int32]
    first: int  # of its lines, among all
    sizes: NDArray[np.int32]  # how many runs each of its lines has


@dataclass(frozen=True, slots=True, eq=False)
class LineQuery:
    """What is asked with.

    Attributes
    ----------
    runs : ndarray, shape (n,), uint64
        Of three letters, rising.
    weight : ndarray, shape (n,), float32
        How much each counts, above 0.
    """

    runs: NDArray[np.uint64]
    weight: NDArray[np.float32]

    def nearness_of(self, text: str) -> float:
        """Tell how near a text is, 0 to 1."""
        has = trigrams(text)
        shared = self.weight[np.isin(self.runs, has)].sum(keepdims=True)
        return float(self.nearness(shared, np.array([len(has)], np.float32))[0])

    def nearness(
        self, shared: NDArray[np.float32], sizes: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Tell how near lines are, by the weight of the runs that they share, and their sizes."""
        total = max(float(self.weight.sum()), 1e-9)
        of_line = np.minimum(shared / (np.maximum(sizes, 1) * (total / len(self.runs))), 1)
        of_asked = np.minimum(shared / total, 1)
        return np.asarray(of_asked ** (1 - OF_LINE) * of_line**OF_LINE, np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class LineIndex:
    """The lines of many texts.

    Attributes
    ----------
    texts : ndarray, shape (lines,), int64
        Which text each line is of.
    numbers : ndarray, shape (lines,), int32
        Which line of its text it is, from 0.
    """

    texts: Ints
    numbers: NDArray[np.int32]
    segments: tuple[_Segment, ...]

    @classmethod
    def of(cls, texts: Iterable[tuple[int, str]]) -> "LineIndex":
        """Index texts: a number of each, and its lines, apart by ends of lines."""
        found, numbers, segments = [], [], []
        waiting: list[str] = []
        length = first = 0
        for text, content in texts:
            for number, line in enumerate(content.split("\n")):
                told = normalise(line)
                if told:
                    found.append(text)
                    numbers.append(number)
                    waiting.append(told)
                    length += len(told)
            if length > _SEGMENT:
                segments.append(_segment(waiting, first))
                first, length, waiting = len(found), 0, []
        if waiting:
            segments.append(_segment(waiting, first))
        return cls(np.array(found, np.int64), np.array(numbers, np.int32), tuple(segments))

    def weigh(self, asked: str) -> "LineQuery":
        """Tell what of a question counts how much: what few lines have counts most."""
        runs = trigrams(asked)
        having = np.zeros(len(runs), np.int64)
        for segment in self.segments:
            starts, ends = _places(segment, runs)
            having += ends - starts
        weight = np.log1p(len(self.texts) / np.maximum(having, 1))
        return LineQuery(runs, weight.astype(np.float32))

    def likeness(self, asked: "LineQuery") -> NDArray[np.float32]:
        """Tell how near each line is to what is asked with, 0 to 1; shape (lines,), float32."""
        shared = np.zeros(len(self.texts), np.float32)
        sizes = np.ones(len(self.texts), np.float32)
        for segment in self.segments:
            at = slice(segment.first, segment.first + len(segment.sizes))
            sizes[at] = segment.sizes
            here = shared[at]
            starts, ends = _places(segment, asked.runs)
            for one, start, end in zip(asked.weight, starts.tolist(), ends.tolist(), strict=True):
                here[segment.lines[start:end]] += one  # a line has each run once
        return asked.nearness(shared, sizes)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Give all of it as named arrays, for keeping."""
        kept: dict[str, NDArray[Any]] = {"texts": self.texts, "numbers": self.numbers}
        for at, segment in enumerate(self.segments):
            kept |= {
                f"runs-{at}": segment.runs,
                f"starts-{at}": segment.starts,
                f"lines-{at}": segment.lines,
                f"sizes-{at}": segment.sizes,
            }
        return kept

    @classmethod
    def from_arrays(cls, kept: Mapping[str, NDArray[Any]]) -> "LineIndex":
        """Put together what `arrays` gave."""
        segments: list[_Segment] = []
        first = 0
        while f"runs-{len(segments)}" in kept:
            runs, starts, lines, sizes = (
                kept[f"{name}-{len(segments)}"] for name in ("runs", "starts", "lines", "sizes")
            )
            segments.append(_Segment(runs, starts, lines, first, sizes))
            first += len(sizes)
        return cls(kept["texts"], kept["numbers"], tuple(segments))


def trigrams(text: str) -> NDArray[np.uint64]:
    """List the runs of three letters of a text, each once, rising; folded as names are."""
    return np.unique(_runs([normalise(text)])[0])


def _segment(lines: list[str], first: int) -> _Segment:
    runs, of_line = _runs(lines)
    order = np.lexsort((of_line, runs))
    runs, of_line = runs[order], of_line[order]
    new = np.ones(len(runs), np.bool_)
    new[1:] = (runs[1:] != runs[:-1]) | (of_line[1:] != of_line[:-1])
    runs, of_line = runs[new], of_line[new]
    distinct, starts = np.unique(runs, return_index=True)
    sizes = np.bincount(of_line, minlength=len(lines)).astype(np.int32)
    return _Segment(distinct, np.append(starts, len(runs)), of_line.astype(np.int32), first, sizes)


def _runs(lines: list[str]) -> tuple[NDArray[np.uint64], Ints]:
    """List the runs of three letters of lines, and which line each is of; a space around each."""
    text = "".join(f" {line} " for line in lines)
    codes = np.frombuffer(text.encode("utf-32-le", "replace"), "<u4").astype(np.uint64)
    lengths = np.array([len(line) + 2 for line in lines])
    of = np.repeat(np.arange(len(lines)), lengths)
    shift = np.uint64(_BITS)
    runs = (codes[:-2] << shift | codes[1:-1]) << shift | codes[2:]
    inside = of[:-2] == of[2:]
    return runs[inside], of[:-2][inside]


def _places(segment: _Segment, runs: NDArray[np.uint64]) -> tuple[Ints, Ints]:
    """Return where the lines of each run begin and end in a segment; the same for none."""
    at = np.searchsorted(segment.runs, runs)
    known = np.minimum(at, len(segment.runs) - 1)
    here = segment.runs[known] == runs
    starts = segment.starts[known]
    return starts, np.where(here, segment.starts[known + 1], starts)

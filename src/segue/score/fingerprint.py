"""Fingerprints of scores and similar bars, invariant to key.

A fingerprint is the MinHash (Broder 1997) of the interval 6-grams of the melodic lines of all
parts: the share of equal values of two fingerprints estimates the Jaccard similarity of their sets
of n-grams. It is invariant to key, tempo, instruments and note durations, which differ between
editions and performances of a tune. Similar pairs are found by locality-sensitive hashing.

Bars are compared as piano rolls, over all transpositions up to an octave.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.records import BoolArray, Score
from segue.score.lines import MelodicLine, melodic_lines
from segue.score.timing import bar_grid, note_table

N_HASHES: Final = 128
#: Intervals in an n-gram. Tuned, like the next, on one half of bench/score_fingerprints.py.
NGRAM_SIZE: Final = 6
#: N-grams with fewer distinct intervals, such as scales and repeated notes, are ignored.
_MIN_DISTINCT: Final = 3
#: Similarity from which two scores are likely of the same tune.
SAME_TUNE_THRESHOLD: Final = 0.15
_BAND_ROWS: Final = 2  # scores with an equal band are candidates
#: Larger LSH buckets are ignored.
_MAX_BUCKET: Final = 200
_EMPTY: Final = np.uint32(0xFFFFFFFF)

MinHash = NDArray[np.uint32]


def minhash(score: Score) -> MinHash:
    """Compute the fingerprint of a score.

    Returns
    -------
    ndarray, shape (128,), uint32
        All 0xFFFFFFFF for a score without n-grams.
    """
    ngrams = _ngram_hashes(melodic_lines(score))
    if not len(ngrams):
        return np.full(N_HASHES, _EMPTY)
    factor, term = _hash_functions()
    result = np.full(N_HASHES, _EMPTY)
    for chunk in np.array_split(ngrams, -(-len(ngrams) // 4096)):
        hashes = ((chunk[:, None] * factor + term) >> np.uint64(32)).astype(np.uint32)
        np.minimum(result, hashes.min(axis=0), out=result)
    return result


def minhash_similarity(a: MinHash, b: MinHash) -> float:
    """Estimate the Jaccard similarity of the n-grams of two scores; 0 if one has none.

    Parameters
    ----------
    a, b : ndarray, shape (128,), uint32
    """
    if a.shape != (N_HASHES,) or b.shape != (N_HASHES,):
        raise BadArgument(f"expected {N_HASHES} numbers, got shapes {a.shape} and {b.shape}")
    return float(np.mean((a == b) & (a != _EMPTY)))


def similar_pairs(
    hashes: NDArray[np.uint32] | Sequence[MinHash], min_similarity: float = SAME_TUNE_THRESHOLD
) -> list[tuple[int, int, float]]:
    """Find the pairs of scores that are likely of the same tune, by locality-sensitive hashing.

    Parameters
    ----------
    hashes : ndarray, shape (n, 128), uint32
    min_similarity : float

    Returns
    -------
    list of tuple of int, int, float
        Indices of both scores, the smaller first, and their similarity, in descending order.
    """
    table = np.asarray(hashes, np.uint32).reshape(-1, N_HASHES)
    rows = np.flatnonzero((table != _EMPTY).any(axis=1))
    candidates = [np.empty(0, np.int64)]
    for first in range(0, N_HASHES, _BAND_ROWS):
        band = np.ascontiguousarray(table[rows, first : first + _BAND_ROWS])
        candidates.append(_bucket_pairs(band, rows, len(table)))
    pairs = np.unique(np.concatenate(candidates))
    first_row, second_row = np.divmod(pairs, max(len(table), 1))
    similarity = np.concatenate(
        [
            np.empty(0),
            *(
                (table[first_row[chunk]] == table[second_row[chunk]]).mean(axis=1)
                for chunk in np.array_split(np.arange(len(pairs)), -(-len(pairs) // 65536) or 1)
            ),
        ]
    )
    similar = np.flatnonzero(similarity >= min_similarity)
    order = similar[np.argsort(-similarity[similar], kind="stable")]
    return [(int(first_row[i]), int(second_row[i]), float(similarity[i])) for i in order]


def _bucket_pairs(
    band: NDArray[np.uint32], rows: NDArray[np.int64], count: int
) -> NDArray[np.int64]:
    """Return the pairs of rows with an equal band, as first × count + second."""
    key = band.astype(np.uint64) @ np.array([1 << 32, 1], np.uint64)
    order = np.argsort(key, kind="stable")
    sorted_rows = rows[order]
    starts = np.append(0, np.flatnonzero(np.diff(key[order])) + 1)
    sizes = np.diff(np.append(starts, len(order)))
    pairs = [np.empty(0, np.int64)]
    for index in np.flatnonzero((sizes > 1) & (sizes <= _MAX_BUCKET)).tolist():
        bucket = sorted_rows[starts[index] : starts[index] + sizes[index]]
        first, second = np.triu_indices(len(bucket), 1)
        pairs.append(bucket[first] * count + bucket[second])
    return np.concatenate(pairs)


def _ngram_hashes(lines: list[MelodicLine]) -> NDArray[np.uint64]:
    """Return the hash of each distinct interval n-gram."""
    hashes = [np.empty(0, np.uint64)]
    for line in lines:
        intervals = np.clip(np.diff(line.pitch), -24, 24) + 24
        if len(intervals) >= NGRAM_SIZE:
            ngrams = np.lib.stride_tricks.sliding_window_view(intervals, NGRAM_SIZE)
            distinct = 1 + (np.diff(np.sort(ngrams, axis=1), axis=1) != 0).sum(axis=1)
            hashes.append(_splitmix64(ngrams[distinct >= _MIN_DISTINCT].astype(np.uint64)))
    return np.unique(np.concatenate(hashes))


def _splitmix64(rows: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Hash rows of integers with the finaliser of SplitMix64."""
    code = np.zeros(len(rows), np.uint64)
    for column in rows.T:
        code = code * np.uint64(2048) + column
        code = (code ^ (code >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        code = (code ^ (code >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        code ^= code >> np.uint64(31)
    return code


def _hash_functions() -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return factors and terms of the multiply-shift hash functions, which are constant."""
    index = np.arange(1, 2 * N_HASHES + 1, dtype=np.uint64)
    mixed = _splitmix64((index * np.uint64(0x9E3779B97F4A7C15))[:, None])
    return mixed[:N_HASHES] | np.uint64(1), mixed[N_HASHES:]


# --- similar bars ---

STEPS_PER_QUARTER: Final = 12
#: Longer bars are truncated.
MAX_STEPS: Final = 12 * STEPS_PER_QUARTER
N_PITCHES: Final = 128
#: Bars with fewer onsets are ignored.
MIN_NOTES: Final = 3
MAX_TRANSPOSITION: Final = 12
#: Distinct bars of a score that are compared, from its beginning.
MAX_BARS: Final = 1000


@dataclass(frozen=True, slots=True)
class BarPair:
    """A bar of one score and a bar of another.

    Attributes
    ----------
    first, second : int
        Indices of the bars.
    overlap : float
        Jaccard similarity of their cells; 1 for equal bars.
    semitones : int
        Interval by which the second is higher.
    """

    first: int
    second: int
    overlap: float
    semitones: int


@dataclass(frozen=True, slots=True, eq=False)
class _DistinctBars:
    """The distinct bars of a score: index of the first occurrence, and piano roll."""

    index: NDArray[np.int64]
    cells: BoolArray  # (bars, MAX_STEPS, N_PITCHES)


def similar_bars(first: Score, second: Score, n: int = 5) -> tuple[BarPair, ...]:
    """Find the most similar bars of two scores, up to transposition.

    Parameters
    ----------
    first, second : Score
        All pitched parts are merged.
    n : int
        Maximum number of pairs; no bar is in two of them.

    Returns
    -------
    tuple of BarPair
        Most similar first.
    """
    from scipy.sparse import csr_array

    bars, other_bars = _distinct_bars(first), _distinct_bars(second)
    if not len(bars.index) or not len(other_bars.index):
        return ()
    flat = csr_array(bars.cells.reshape(len(bars.index), -1).astype(np.float32))
    sizes, other_sizes = (side.cells.sum(axis=(1, 2)) for side in (bars, other_bars))
    best = np.zeros((len(sizes), len(other_sizes)), np.float32)
    shift = np.zeros(best.shape, np.int64)
    # The smallest transposition comes first, so that it wins ties.
    for semitones in sorted(range(-MAX_TRANSPOSITION, MAX_TRANSPOSITION + 1), key=abs):
        cells = _transpose(other_bars.cells, -semitones).reshape(len(other_sizes), -1)
        transposed = csr_array(cells, dtype=np.float32)
        common = np.asarray((flat @ transposed.T).todense(), np.float32)
        overlap = common / (sizes[:, None] + other_sizes[None, :] - common)
        is_better = overlap > best
        best[is_better], shift[is_better] = overlap[is_better], semitones
    pairs: list[BarPair] = []
    while len(pairs) < min(n, *best.shape) and best.max() > 0:
        row, column = divmod(int(best.argmax()), best.shape[1])
        pairs.append(
            BarPair(
                int(bars.index[row]),
                int(other_bars.index[column]),
                float(best[row, column]),
                int(shift[row, column]),
            )
        )
        best[row], best[:, column] = -1, -1
    return tuple(pairs)


def _transpose(cells: BoolArray, semitones: int) -> BoolArray:
    if not semitones:
        return cells
    transposed = np.zeros_like(cells)
    if semitones > 0:
        transposed[..., semitones:] = cells[..., :-semitones]
    else:
        transposed[..., :semitones] = cells[..., -semitones:]
    return transposed


def _distinct_bars(score: Score) -> _DistinctBars:
    grid, notes = bar_grid(score), note_table(score)
    step = score.ticks_per_quarter / STEPS_PER_QUARTER
    # A note less than half a step early belongs to the bar that follows.
    first = grid.index_of(notes.onset + int(step / 2))
    n_onsets = np.bincount(first, minlength=len(grid))
    bars = np.flatnonzero(n_onsets >= MIN_NOTES)[: 4 * MAX_BARS]
    row = np.full(len(grid), -1)
    row[bars] = np.arange(len(bars))
    cells = np.zeros((len(bars), MAX_STEPS, N_PITCHES), np.bool_)
    last = grid.index_of(np.maximum(notes.onset + notes.duration - 1, notes.onset))
    columns = (
        notes.onset, notes.onset + notes.duration, notes.pitch, first, np.maximum(last, first),
    )  # fmt: skip
    for onset, end, pitch, first_bar, last_bar in zip(
        *(column.tolist() for column in columns), strict=True
    ):
        for bar in range(first_bar, last_bar + 1):
            if row[bar] >= 0:
                bar_start, bar_end = int(grid.edges[bar]), int(grid.edges[bar + 1])
                start = max(round((onset - bar_start) / step), 0)
                stop = round((min(end, bar_end) - bar_start) / step)
                cells[row[bar], start : max(stop, start + 1), pitch] = True
    packed = np.packbits(cells.reshape(len(bars), MAX_STEPS * N_PITCHES), axis=1)
    occurrence = np.sort(np.unique(packed, axis=0, return_index=True)[1])[:MAX_BARS]
    return _DistinctBars(bars[occurrence], cells[occurrence])

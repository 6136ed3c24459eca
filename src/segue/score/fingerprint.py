"""Fingerprints of scores and similarity of their bars, invariant to key.

A fingerprint of what a score plays, whatever the key, the tempo and the instruments.

Each part's highest notes are cut into overlapping runs of six intervals. The set of these runs, of
all parts together, is kept as a MinHash (Broder 1997): of 128 hash functions the smallest value
each, so that the share of equal values estimates the share of runs that two scores have in common
(their Jaccard index). How long the notes are is left out: one book writes a tune dotted, another
even, and a player holds its notes as he likes.

Which bars of two scores are most alike, in whatever key each is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.records import Score
from segue.score.lines import MelodicLine, melodic_lines
from segue.score.timing import bar_grid, note_table

# --- shingles ---

N_HASHES: Final = 128
#: Intervals in a run. Chosen, with the next, on one half of bench/shingles.py.
NGRAM_SIZE: Final = 6
#: A run of fewer different intervals says nothing: one note repeated, a scale.
_FEWEST: Final = 3
#: From this likeness on two scores are likely of the same tune.
SAME_TUNE_THRESHOLD: Final = 0.15
_ROWS: Final = 2  # of a band: two scores meet where one band of theirs is equal
#: What more scores than these share says nothing either.
_FULLEST: Final = 200
_NOTHING: Final = np.uint32(0xFFFFFFFF)

MinHash = NDArray[np.uint32]


def minhash(score: Score) -> MinHash:
    """Take the fingerprint of what a score plays.

    Parameters
    ----------
    score : Score

    Returns
    -------
    ndarray, shape (128,), uint32
        All of it 0xFFFFFFFF where no part says enough.
    """
    runs = _runs(melodic_lines(score))
    if not len(runs):
        return np.full(N_HASHES, _NOTHING)
    factor, term = _functions()
    smallest = np.full(N_HASHES, _NOTHING)
    for some in np.array_split(runs, -(-len(runs) // 4096)):
        mixed = some[:, None] * factor + term
        np.minimum(smallest, (mixed >> np.uint64(32)).astype(np.uint32).min(axis=0), out=smallest)
    return smallest


def minhash_similarity(a: MinHash, b: MinHash) -> float:
    """Estimate which share of the runs of two scores both have.

    Parameters
    ----------
    a, b : ndarray, shape (128,), uint32

    Returns
    -------
    float
        0 to 1; 0 where one of them has none.
    """
    if a.shape != (N_HASHES,) or b.shape != (N_HASHES,):
        raise BadArgument(f"expected {N_HASHES} numbers, got shapes {a.shape} and {b.shape}")
    return float(np.mean((a == b) & (a != _NOTHING)))


def similar_pairs(
    prints: NDArray[np.uint32] | Sequence[MinHash], least: float = SAME_TUNE_THRESHOLD
) -> list[tuple[int, int, float]]:
    """Find the pairs of scores that are likely of the same tune.

    Candidates are those that agree in a band of two values; only they are compared.

    Parameters
    ----------
    prints : ndarray, shape (n, 128), uint32
    least : float
        The smallest likeness.

    Returns
    -------
    list of tuple of int, int, float
        Places of both, the smaller first, and their likeness; the likest first.
    """
    table = np.asarray(prints, np.uint32).reshape(-1, N_HASHES)
    there = np.flatnonzero((table != _NOTHING).any(axis=1))
    found = [np.empty(0, np.int64)]
    for first in range(0, N_HASHES, _ROWS):
        band = np.ascontiguousarray(table[there, first : first + _ROWS])
        found.append(_meeting(band, there, len(table)))
    pairs = np.unique(np.concatenate(found))
    one, other = pairs // max(len(table), 1), pairs % max(len(table), 1)
    likeness = np.concatenate(
        [
            np.empty(0),
            *(
                (table[one[at]] == table[other[at]]).mean(axis=1)
                for at in np.array_split(np.arange(len(pairs)), -(-len(pairs) // 65536) or 1)
            ),
        ]
    )
    kept = np.flatnonzero(likeness >= least)
    order = kept[np.argsort(-likeness[kept], kind="stable")]
    return [(int(one[at]), int(other[at]), float(likeness[at])) for at in order]


def _meeting(band: NDArray[np.uint32], places: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return the pairs that agree in a band, as first × count + second."""
    key = band.astype(np.uint64) @ np.array([1 << 32, 1], np.uint64)
    order = np.argsort(key, kind="stable")
    sorted_places = places[order]
    starts = np.append(0, np.flatnonzero(np.diff(key[order])) + 1)
    sizes = np.diff(np.append(starts, len(order)))
    pairs = [np.empty(0, np.int64)]
    for at in np.flatnonzero((sizes > 1) & (sizes <= _FULLEST)).tolist():
        bucket = sorted_places[starts[at] : starts[at] + sizes[at]]
        one, other = np.triu_indices(len(bucket), 1)
        pairs.append(bucket[one] * count + bucket[other])
    return np.concatenate(pairs)


def _runs(parts: list[MelodicLine]) -> NDArray[np.uint64]:
    """Return a number for each different run, shape (runs,)."""
    found = [np.empty(0, np.uint64)]
    for line in parts:
        interval = np.clip(np.diff(line.pitch), -24, 24) + 24
        if len(interval) >= NGRAM_SIZE:
            windows = np.lib.stride_tricks.sliding_window_view(interval, NGRAM_SIZE)
            different = 1 + (np.diff(np.sort(windows, axis=1), axis=1) != 0).sum(axis=1)
            windows = windows[different >= _FEWEST]
            found.append(_mixed(windows.astype(np.uint64)))
    return np.unique(np.concatenate(found))


def _mixed(windows: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Turn rows of numbers into one well-mixed number each (the finish of SplitMix64)."""
    code = np.zeros(len(windows), np.uint64)
    for column in windows.T:
        code = code * np.uint64(2048) + column
        code = (code ^ (code >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        code = (code ^ (code >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        code ^= code >> np.uint64(31)
    return code


def _functions() -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return factor and term of each hash function, always the same; multiply-shift."""
    number = np.arange(1, 2 * N_HASHES + 1, dtype=np.uint64)
    mixed = _mixed((number * np.uint64(0x9E3779B97F4A7C15))[:, None])
    return mixed[:N_HASHES] | np.uint64(1), mixed[N_HASHES:]


# --- bar likeness ---

STEPS_PER_QUARTER: Final = 12
#: Of a longer bar, so much counts.
MAX_STEPS: Final = 12 * STEPS_PER_QUARTER
N_PITCHES: Final = 128
#: Bars in which fewer notes begin are like too many.
MIN_NOTES: Final = 3
MAX_TRANSPOSITION: Final = 12
#: Different bars of a score that are compared, from its beginning.
MAX_BARS: Final = 1000

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class BarPair:
    """A bar of one score and a bar of another.

    Attributes
    ----------
    first, second : int
        From 0.
    overlap : float
        Of what sounds in either, the share that sounds in both; 1 for the same.
    semitones : int
        How much higher the second is.
    """

    first: int
    second: int
    overlap: float
    semitones: int


@dataclass(frozen=True, slots=True, eq=False)
class _DifferentBars:
    """The bars of a score that differ, each where it comes first, and what sounds in them."""

    numbers: NDArray[np.int64]
    cells: BoolArray  # (bars, MOST_STEPS, PITCHES)


def similar_bars(one: Score, other: Score, n: int = 5) -> tuple[BarPair, ...]:
    """Find the bars of two scores that are most alike, when either may be transposed.

    Parameters
    ----------
    one, other : Score
        Of their pitched parts all that sounds counts together.
    n : int
        How many pairs at most; no bar is in two of them.

    Returns
    -------
    tuple of BarPair
        The most alike first.
    """
    from scipy.sparse import csr_array

    first, second = _different(one), _different(other)
    if not len(first.numbers) or not len(second.numbers):
        return ()
    flat = csr_array(first.cells.reshape(len(first.numbers), -1).astype(np.float32))
    mine, theirs = (found.cells.sum(axis=(1, 2)) for found in (first, second))
    best = np.zeros((len(mine), len(theirs)), np.float32)
    shift = np.zeros(best.shape, np.int64)
    # The smallest shift first, so that it wins where two do as well.
    for semitones in sorted(range(-MAX_TRANSPOSITION, MAX_TRANSPOSITION + 1), key=abs):
        moved = csr_array(
            _moved(second.cells, -semitones).reshape(len(theirs), -1), dtype=np.float32
        )
        both = np.asarray((flat @ moved.T).todense(), np.float32)
        overlap = both / (mine[:, None] + theirs[None, :] - both)
        better = overlap > best
        best[better], shift[better] = overlap[better], semitones
    pairs: list[BarPair] = []
    while len(pairs) < min(n, *best.shape) and best.max() > 0:
        row, column = divmod(int(best.argmax()), best.shape[1])
        pairs.append(
            BarPair(
                int(first.numbers[row]),
                int(second.numbers[column]),
                float(best[row, column]),
                int(shift[row, column]),
            )
        )
        best[row], best[:, column] = -1, -1
    return tuple(pairs)


def _moved(cells: BoolArray, semitones: int) -> BoolArray:
    moved = np.zeros_like(cells)
    if semitones > 0:
        moved[..., semitones:] = cells[..., :-semitones]
    elif semitones < 0:
        moved[..., :semitones] = cells[..., -semitones:]
    else:
        moved = cells
    return moved


def _different(score: Score) -> _DifferentBars:
    divided, notes = bar_grid(score), note_table(score)
    step = score.ticks_per_quarter / STEPS_PER_QUARTER
    # A note a little early belongs to the bar that it opens.
    opens = divided.index_of(notes.onset + int(step / 2))
    counts = np.bincount(opens, minlength=len(divided))
    full = np.flatnonzero(counts >= MIN_NOTES)[: 4 * MAX_BARS]
    place = np.full(len(divided), -1)
    place[full] = np.arange(len(full))
    cells = np.zeros((len(full), MAX_STEPS, N_PITCHES), np.bool_)
    last = divided.index_of(np.maximum(notes.onset + notes.duration - 1, notes.onset))
    columns = (
        notes.onset,
        notes.onset + notes.duration,
        notes.pitch,
        opens,
        np.maximum(last, opens),
    )
    for onset, end, pitch, bar, until in zip(*(column.tolist() for column in columns), strict=True):
        for here in range(bar, until + 1):
            if place[here] >= 0:
                start = int(divided.edges[here])
                begin = max(round((onset - start) / step), 0)
                stop = round((min(end, int(divided.edges[here + 1])) - start) / step)
                cells[place[here], begin : max(stop, begin + 1), pitch] = True
    packed = np.packbits(cells.reshape(len(full), MAX_STEPS * N_PITCHES), axis=1)
    _, once = np.unique(packed, axis=0, return_index=True)
    once = np.sort(once)[:MAX_BARS]
    return _DifferentBars(full[once], cells[once])

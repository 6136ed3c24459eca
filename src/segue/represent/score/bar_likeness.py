"""Which bars of two scores are most alike, in whatever key each is."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.records import Score
from segue.represent.score.timing import bars, notes_of

STEPS_PER_QUARTER: Final = 12
#: Of a longer bar, so much counts.
MOST_STEPS: Final = 12 * STEPS_PER_QUARTER
PITCHES: Final = 128
#: Bars in which fewer notes begin are like too many.
FEWEST_NOTES: Final = 3
WIDEST_SHIFT: Final = 12
#: Different bars of a score that are compared, from its beginning.
MOST_BARS: Final = 1000

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


def bars_alike(one: Score, other: Score, n: int = 5) -> tuple[BarPair, ...]:
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
    for semitones in sorted(range(-WIDEST_SHIFT, WIDEST_SHIFT + 1), key=abs):
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
    divided, notes = bars(score), notes_of(score)
    step = score.ticks_per_quarter / STEPS_PER_QUARTER
    # A note a little early belongs to the bar that it opens.
    opens = divided.of(notes.onset + int(step / 2))
    counts = np.bincount(opens, minlength=len(divided))
    full = np.flatnonzero(counts >= FEWEST_NOTES)[: 4 * MOST_BARS]
    place = np.full(len(divided), -1)
    place[full] = np.arange(len(full))
    cells = np.zeros((len(full), MOST_STEPS, PITCHES), np.bool_)
    last = divided.of(np.maximum(notes.onset + notes.duration - 1, notes.onset))
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
                start = int(divided.at[here])
                begin = max(round((onset - start) / step), 0)
                stop = round((min(end, int(divided.at[here + 1])) - start) / step)
                cells[place[here], begin : max(stop, begin + 1), pitch] = True
    packed = np.packbits(cells.reshape(len(full), MOST_STEPS * PITCHES), axis=1)
    _, once = np.unique(packed, axis=0, return_index=True)
    once = np.sort(once)[:MOST_BARS]
    return _DifferentBars(full[once], cells[once])

"""A melody and its chords on a grid of sixteenths: what the network of melodies learns from.

A chart says which chord holds from which step on; a melody is a row of events without gaps, each
a pitch or a rest and its length. Before each event much is known that a musician minds: where in
the bar it begins, how long the chord has held and will hold, what was played one, two, four and
eight bars before. `told` puts that into numbers; all of them but the pitches themselves stay what
they are when the music is transposed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument

IntArray = NDArray[np.int64]

STEPS_PER_QUARTER: Final = 4
#: MIDI pitch of symbol 1, and how many there are; symbol 0 is a rest.
LOWEST: Final = 48
PITCHES: Final = 48
#: Steps that an event lasts at most; longer ones are told as several.
LONGEST: Final = 32
LONGEST_BAR: Final = 32  # steps: 8/4 or 16/8
#: The root and the bass where there is no chord.
NO_ROOT: Final = 12
#: Bars before, whose notes are told.
LAGS: Final = (1, 2, 4, 8)
BEGINNING: Final = PITCHES + 1  # stands for the event before the first
_WIDEST: Final = 12  # semitones: so far intervals are told apart
_PHRASE: Final = 8  # bars
_UNITS: Final = (2, 4, 8, 16)

#: What `told` tells, column by column, and how many values each may have.
COLUMNS: Final[dict[str, int]] = {
    "before": PITCHES + 2,
    "before_length": LONGEST + 1,
    "moved": 2 * _WIDEST + 2,
    "over_root": 13,
    "place": LONGEST_BAR,
    "metre": 2 * (LONGEST_BAR + 1),
    "bar": _PHRASE,
    "bars_left": _PHRASE + 1,
    "since": LONGEST,
    "until": LONGEST + 1,
    **{
        f"{what}_{lag}": size
        for lag in LAGS
        for what, size in (("was", 2 * _WIDEST + 3), ("began", LONGEST + 1))
    },
}
#: Behind them: the pitch before (0 for none), the chord's root, and the chord's number.
LAST: Final = len(COLUMNS)
ROOT: Final = LAST + 1
CHORD: Final = LAST + 2
TOLD: Final = LAST + 3
#: Columns of the chords as the network reads them.
CHORD_COLUMNS: Final[dict[str, int]] = {
    "root": 13, "bass": 13, "moved": 13, "length": LONGEST + 1, "place": LONGEST_BAR,
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Chart:
    """Which chord holds when.

    Attributes
    ----------
    metre : tuple of int, int
        Beats of a bar, and what a beat is: 4 for a quarter.
    bars : int
    chords : ndarray, shape (n, 4), int64
        The first step of each, its root, its bass (pitch classes, `NO_ROOT` for no chord), and
        its pitch classes, one bit each from C on. The first begins at step 0.
    names : tuple of str
        Of the chords, as they were written.
    """

    metre: tuple[int, int]
    bars: int
    chords: IntArray
    names: tuple[str, ...] = ()

    @property
    def bar_steps(self) -> int:
        """Steps of a bar."""
        return bar_steps(self.metre)

    @property
    def steps(self) -> int:
        """Steps of all bars."""
        return self.bars * self.bar_steps


@dataclass(frozen=True, slots=True, eq=False)
class LeadSheet:
    """A melody over chords.

    Attributes
    ----------
    name : str
    style : str
        "folk", say.
    chart : Chart
    melody : ndarray, shape (m, 2), int64
        Symbol (0 for a rest, 1 for MIDI pitch 48) and steps of each event; they fill the chart.
    group : str
        The same for versions of one piece.
    """

    name: str
    style: str
    chart: Chart
    melody: IntArray
    group: str = ""


def bar_steps(metre: tuple[int, int]) -> int:
    """Return how many sixteenths a bar has.

    Raises
    ------
    BadArgument
        The metre is none that a melody can be written in.
    """
    beats, unit = metre
    steps = 4 * STEPS_PER_QUARTER * beats // unit if unit in _UNITS else 0
    if not 0 < steps <= LONGEST_BAR or beats < 1:
        raise BadArgument(
            f"a metre of {beats}/{unit}: melodies are written in bars of at most 8/4, of halves, "
            "quarters, eighths or sixteenths, 4/4 or 6/8 say"
        )
    return steps


def chord_row(root: int, bass: int, classes: Iterable[int]) -> tuple[int, int, int]:
    """Return root, bass and pitch classes of a chord as a chart has them; a root of -1 is none."""
    if root < 0 or root == NO_ROOT:
        return NO_ROOT, NO_ROOT, 0
    return root, bass, sum(1 << each for each in set(classes))


def is_compound(metre: tuple[int, int]) -> bool:
    """Tell whether beats come in threes, as in 6/8."""
    return metre[1] >= 8 and metre[0] % 3 == 0


def beat_steps(metre: tuple[int, int]) -> int:
    """Return how many sixteenths a felt beat has: 6 of 6/8, 4 of 4/4 and 2/2."""
    if is_compound(metre):
        return 3 * 4 * STEPS_PER_QUARTER // metre[1]
    return min(4 * STEPS_PER_QUARTER // metre[1], STEPS_PER_QUARTER)


def strong_steps(metre: tuple[int, int]) -> tuple[int, ...]:
    """Return the steps of a bar that are strong: its first, and its middle where beats are even.

    4/4: beats one and three; 3/4 and 9/8: one; 6/8 and 2/4: one, and the second beat of two.
    """
    bar, beat = bar_steps(metre), beat_steps(metre)
    if bar % 2 == 0 and (bar // 2) % beat == 0:
        return (0, bar // 2)
    return (0,)


def on_grid(notes: Sequence[tuple[int, int, int]], steps: int) -> IntArray:
    """Make a melody of notes.

    Parameters
    ----------
    notes : sequence of (int, int, int)
        First step, the step after the last, MIDI pitch; by first step.
    steps : int
        Of the whole.

    Returns
    -------
    ndarray, shape (m, 2), int64
        One note at a time, a new one ends the one before; pitches out of range are moved by
        octaves; a note longer than `LONGEST` ends there, a longer rest is several.
    """
    notes = [note for note in notes if 0 <= note[0] < steps]
    events: list[tuple[int, int]] = []
    at = 0
    for number, (first, last, pitch) in enumerate(notes):
        until = notes[number + 1][0] if number + 1 < len(notes) else steps
        length = min(last, until) - first
        if length < 1 or first < at:
            continue
        events += _rests(first - at)
        length = min(length, LONGEST)
        events.append((symbol_of(pitch), length))
        at = first + length
    events += _rests(steps - at)
    return np.array(events, np.int64).reshape(-1, 2)


def symbol_of(pitch: int) -> int:
    """Return the symbol of a MIDI pitch, moved by octaves into the range."""
    while pitch < LOWEST:
        pitch += 12
    while pitch >= LOWEST + PITCHES:
        pitch -= 12
    return pitch - LOWEST + 1


def _rests(steps: int) -> list[tuple[int, int]]:
    return [(0, min(LONGEST, steps - at)) for at in range(0, steps, LONGEST)]


# ---- what is told ------------------------------------------------------------------------


def read_chords(chart: Chart) -> IntArray:
    """Return the chords as the network reads them.

    Parameters
    ----------
    chart : Chart

    Returns
    -------
    ndarray, shape (n, 6), int64
        `CHORD_COLUMNS`, the bass and the step from the last root counted upwards, 12 for none;
        behind them the pitch classes as bits. A chord that goes on over a bar line stands anew
        in each bar.
    """
    cut = by_bars(chart)
    start, root, bass, bits = cut.T
    length = np.diff(np.append(start, chart.steps))
    none = root == NO_ROOT
    before = np.concatenate([[NO_ROOT], root[:-1]])
    moved = np.where(none | (before == NO_ROOT), 12, (root - before) % 12)
    over = np.where(none, 12, (bass - root) % 12)
    place = start % chart.bar_steps
    return np.column_stack([root, over, moved, np.minimum(length, LONGEST), place, bits])


def by_bars(chart: Chart) -> IntArray:
    """Return the chords, those that last over a bar line cut there, shape (n, 4)."""
    lines = np.arange(chart.bars, dtype=np.int64) * chart.bar_steps
    starts = np.union1d(chart.chords[:, 0], lines)
    rows = chart.chords[np.searchsorted(chart.chords[:, 0], starts, side="right") - 1].copy()
    rows[:, 0] = starts
    return rows


class Teller:
    """Tells before each event of a melody what is known, while it is being written.

    Parameters
    ----------
    chart : Chart
    """

    def __init__(self, chart: Chart) -> None:
        steps, bar = chart.steps, chart.bar_steps
        cut = by_bars(chart)
        at = np.arange(steps)
        number = np.searchsorted(cut[:, 0], at, side="right") - 1
        holds = np.searchsorted(_changes(cut), at, side="right") - 1
        begins = _changes(cut)
        ends = np.append(begins[1:], steps)
        self._steps, self._bar = steps, bar
        metre = bar + (LONGEST_BAR + 1) * is_compound(chart.metre)
        self._static = np.column_stack(
            [
                at % bar,
                np.full(steps, metre),
                at // bar % _PHRASE,
                np.minimum((steps - 1 - at) // bar, _PHRASE),
                np.minimum(at - begins[holds], LONGEST - 1),
                np.minimum(ends[holds] - at, LONGEST),
            ]
        ).tolist()
        self._root = cut[number, 1].tolist()
        self._number = number.tolist()
        self._heard = [0] * steps  # the symbol that sounds
        self._left = [0] * steps  # steps that an event lasts which begins here
        self._before, self._length, self._last, self._moved = BEGINNING, 0, 0, 2 * _WIDEST + 1
        self.at = 0

    @property
    def done(self) -> bool:
        """Whether the chart is filled."""
        return self.at >= self._steps

    @property
    def room(self) -> int:
        """Steps that are left."""
        return self._steps - self.at

    def tell(self) -> list[int]:
        """Return what is known before the next event, `TOLD` numbers."""
        at, last = self.at, self._last
        root = self._root[at]
        over = 12 if root == NO_ROOT or not last else (last - 1 + LOWEST - root) % 12
        row = [self._before, self._length, self._moved, over, *self._static[at]]
        for lag in LAGS:
            there = at - lag * self._bar
            if there < 0:
                row += [2 * _WIDEST + 2, 0]
            elif not self._heard[there] or not last:
                row += [2 * _WIDEST + 1, self._left[there]]
            else:
                row += [_clipped(self._heard[there] - last), self._left[there]]
        return [*row, last, root, self._number[at]]

    def hear(self, symbol: int, length: int) -> None:
        """Go on by an event."""
        end = min(self.at + length, self._steps)
        self._heard[self.at : end] = [symbol] * (end - self.at)
        self._left[self.at] = min(length, LONGEST)
        self._before, self._length = symbol, min(length, LONGEST)
        if symbol:
            if self._last:
                self._moved = _clipped(symbol - self._last)
            self._last = symbol
        self.at = end


def told(chart: Chart, melody: IntArray) -> IntArray:
    """Return what is known before each event of a melody, shape (m, TOLD), int64."""
    teller = Teller(chart)
    rows = []
    for symbol, length in melody.tolist():
        rows.append(teller.tell())
        teller.hear(symbol, length)
    return np.array(rows, np.int64).reshape(-1, TOLD)


def _changes(cut: IntArray) -> IntArray:
    """Return the steps at which another chord begins."""
    other = (cut[1:, 1:] != cut[:-1, 1:]).any(axis=1)
    return np.asarray(cut[np.concatenate([[True], other]), 0], np.int64)


def _clipped(interval: int) -> int:
    return max(-_WIDEST, min(_WIDEST, interval)) + _WIDEST


# ---- transposing -------------------------------------------------------------------------


def transposed_told(rows: IntArray, by: int) -> IntArray:
    """Move what is told by semitones, pitches by octaves more where they would leave the range."""
    moved = rows.copy()
    for column in (0, LAST):
        moved[:, column] = _transposed(rows[:, column], by)
    root = rows[:, ROOT]
    moved[:, ROOT] = np.where(root == NO_ROOT, NO_ROOT, (root + by) % 12)
    return moved


def transposed_chords(rows: IntArray, by: int) -> IntArray:
    """Move chords as the network reads them."""
    moved = rows.copy()
    moved[:, 0] = np.where(rows[:, 0] == NO_ROOT, NO_ROOT, (rows[:, 0] + by) % 12)
    bits = rows[:, -1] << by % 12
    moved[:, -1] = (bits | bits >> 12) & 0xFFF
    return moved


def fits(melody: IntArray, by: int) -> bool:
    """Tell whether all of a melody stays in the range when moved by semitones."""
    heard = melody[melody[:, 0] > 0, 0] + by
    return not len(heard) or (int(heard.min()) >= 1 and int(heard.max()) <= PITCHES)


def _transposed(symbols: IntArray, by: int) -> IntArray:
    heard = (symbols > 0) & (symbols < BEGINNING)
    return np.where(heard, symbols + by, symbols)

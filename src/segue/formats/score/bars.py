"""Barlines as they are written: ticks and metres in which every bar line falls where it should.

A `Score` knows bar lines only by its metres: each metre divides what follows it into bars, from
the tick where it stands. So a pickup bar gets a rest before it, which fills it up, and a bar that
is shorter or longer than its metre says gets a metre of its own, except where two short ones fill
a bar together, as a repeated pickup and the bar before it do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

TICKS_PER_QUARTER: Final = 480
_UNITS: Final = (1, 2, 4, 8, 16, 32, 64)
_MOST_BEATS: Final = 255  # what a MIDI file can tell


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar that is played.

    Attributes
    ----------
    beats, unit : int
        Its metre: 6 and 8 in 6/8.
    length : Fraction
        In quarters, as long as what is in it.
    """

    beats: int
    unit: int
    length: Fraction

    @classmethod
    def without_metre(cls, length: Fraction) -> "Bar":
        """Return a bar that is as long as it is, and not shorter or longer than it should be."""
        beats, unit = _metre_of(length or Fraction(4), 4)
        return cls(beats, unit, length or Fraction(4))

    @property
    def full(self) -> Fraction:
        """Length that its metre gives it, in quarters."""
        return Fraction(4 * self.beats, self.unit)


def beat_of(beats: int, unit: int) -> Fraction:
    """Return how long the beat is that a tempo is counted in, in quarters.

    In 6/8, 9/8 and 12/8 it is a dotted quarter, else a quarter.
    """
    is_compound = unit == 8 and beats > 3 and beats % 3 == 0
    return Fraction(3, 2) if is_compound else Fraction(1)


def rest_before(bars: Sequence[Bar]) -> Fraction:
    """Return how long to wait before a first bar that is short, in quarters.

    Not where the next one fills it up, as when a repeat begins within a bar.
    """
    if len(bars) < 2 or bars[0].length >= bars[0].full:
        return Fraction(0)
    if bars[0].length + bars[1].length == bars[1].full:
        return Fraction(0)
    return bars[0].full - bars[0].length


def metres_of(bars: Sequence[Bar]) -> NDArray[np.int32]:
    """Return the metres by which bar lines fall where they are written.

    Parameters
    ----------
    bars : sequence of Bar
        As they follow one another; the first starts after `rest_before`.

    Returns
    -------
    ndarray, shape (m, 3), int32
        As in `Score`.
    """
    rows: list[tuple[int, int, int]] = []
    at = Fraction(0)
    waiting = rest_before(bars)  # what a bar has that is not full yet
    for number, bar in enumerate(bars):
        if waiting and waiting + bar.length > bar.full:  # it is not the rest of the one before
            _begin(rows, at, *_metre_of(waiting, bar.unit))
            at += waiting
            waiting = Fraction(0)
        waiting += bar.length
        is_last = number == len(bars) - 1
        if waiting == bar.full or (is_last and waiting < bar.full):
            _begin(rows, at, bar.beats, bar.unit)
        elif waiting > bar.full:
            _begin(rows, at, *_metre_of(waiting, bar.unit))
        else:
            continue
        at += waiting
        waiting = Fraction(0)
    return np.array(rows, np.int32).reshape(-1, 3)


def ticks(quarters: Fraction | float) -> int:
    """Return a time in ticks, of which a quarter has 480."""
    return round(quarters * TICKS_PER_QUARTER)


def _begin(rows: list[tuple[int, int, int]], at: Fraction, beats: int, unit: int) -> None:
    if not rows or rows[-1][1:] != (beats, unit):
        rows.append((ticks(at), beats, unit))


def _metre_of(length: Fraction, unit: int) -> tuple[int, int]:
    """Return a metre whose bar is so long: in the unit given where that can say it."""
    for denominator in (unit, *(finer for finer in _UNITS if finer > unit), *_UNITS):
        beats = length * denominator / 4
        if beats.denominator == 1 and beats <= _MOST_BEATS:
            return int(beats), denominator
    return max(1, min(round(length * 16), _MOST_BEATS)), 64

"""Chord charts on a grid of sixteenths: which chord holds when."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from segue.errors import BadArgument
from segue.records import IntArray

STEPS_PER_QUARTER: Final = 4
MAX_BAR_STEPS: Final = 32  # 8/4 or 16/8
#: The root and the bass where there is no chord.
NO_ROOT: Final = 12
_UNITS: Final = (2, 4, 8, 16)


@dataclass(frozen=True, slots=True, eq=False)
class Chart:
    """A chord chart.

    Attributes
    ----------
    time_signature : tuple of int, int
        Beats of a bar, and the unit of a beat: 4 for a quarter.
    bars : int
    chords : ndarray, shape (n, 4), int64
        The onset step of each chord, its root, its bass (pitch classes, `NO_ROOT` for no chord),
        and its pitch classes as bits from C on. The first chord begins at step 0.
    names : tuple of str
        The chord symbols as written.
    """

    time_signature: tuple[int, int]
    bars: int
    chords: IntArray
    names: tuple[str, ...] = ()

    @property
    def steps_per_bar(self) -> int:
        """Number of steps to the bar."""
        return steps_per_bar(self.time_signature)

    @property
    def steps(self) -> int:
        """Number of steps."""
        return self.bars * self.steps_per_bar


def steps_per_bar(time_signature: tuple[int, int]) -> int:
    """Return the number of sixteenths to the bar.

    Raises
    ------
    BadArgument
        The time signature is not supported.
    """
    beats, unit = time_signature
    steps = 4 * STEPS_PER_QUARTER * beats // unit if unit in _UNITS else 0
    if not 0 < steps <= MAX_BAR_STEPS or beats < 1:
        raise BadArgument(
            f"a metre of {beats}/{unit}: melodies are written in bars of at most 8/4, of halves, "
            "quarters, eighths or sixteenths, 4/4 or 6/8 say"
        )
    return steps


def chord_row(root: int, bass: int, classes: Iterable[int]) -> tuple[int, int, int]:
    """Return root, bass and pitch-class bits of a chord as in a `Chart`; a root of -1 is none."""
    if root < 0 or root == NO_ROOT:
        return NO_ROOT, NO_ROOT, 0
    return root, bass, sum(1 << each for each in set(classes))


def is_compound(time_signature: tuple[int, int]) -> bool:
    """Return whether a beat has three units, as in 6/8."""
    return time_signature[1] >= 8 and time_signature[0] % 3 == 0


def steps_per_beat(time_signature: tuple[int, int]) -> int:
    """Return the number of sixteenths to the beat: 6 in 6/8, 4 in 4/4 and 2/2."""
    if is_compound(time_signature):
        return 3 * 4 * STEPS_PER_QUARTER // time_signature[1]
    return min(4 * STEPS_PER_QUARTER // time_signature[1], STEPS_PER_QUARTER)


def strong_steps(time_signature: tuple[int, int]) -> tuple[int, ...]:
    """Return the strong steps of a bar: the first, and its middle if that is a beat."""
    bar, beat = steps_per_bar(time_signature), steps_per_beat(time_signature)
    if bar % 2 == 0 and (bar // 2) % beat == 0:
        return (0, bar // 2)
    return (0,)


def split_at_barlines(chart: Chart) -> IntArray:
    """Return the chords, split at the barlines, shape (n, 4)."""
    barlines = np.arange(chart.bars, dtype=np.int64) * chart.steps_per_bar
    starts = np.union1d(chart.chords[:, 0], barlines)
    rows = chart.chords[np.searchsorted(chart.chords[:, 0], starts, side="right") - 1].copy()
    rows[:, 0] = starts
    return rows

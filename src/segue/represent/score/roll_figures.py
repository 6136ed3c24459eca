"""How often each small figure comes in windows of a roll: counts that know no key and no drum.

A figure is where in the bar a note begins, with the interval from a note before it, its length,
or its height above the lowest note of that quarter. Counts are kept as their square roots, whose
differences count alike for what is rare and what is common; each kind has length 1.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.records import FloatArray
from segue.represent.score.piano_roll import PITCHES, STEPS, STEPS_PER_QUARTER
from segue.represent.score.roll_notes import WINDOW_STEPS, RollNotes

_SIXTEENTHS: Final = 16
_OCTAVE: Final = 12
_INTERVALS: Final = 2 * _OCTAVE + 1  # wider ones count as an octave
#: First lengths of the classes of length, in steps.
_LENGTHS: Final = np.array([2, 3, 4, 6, 8, 9, 12, 18, 24, 36, 48])
_CLASSES: Final = len(_LENGTHS) + 1
_QUARTERS: Final = 4
_HEIGHTS: Final = 48
#: Place and interval from the note before, and from the one before that; place and length;
#: length and interval; quarter and height above the lowest note.
SIZES: Final = (
    _SIXTEENTHS * _INTERVALS,
    _SIXTEENTHS * _INTERVALS,
    _SIXTEENTHS * _CLASSES,
    _CLASSES * _INTERVALS,
    _QUARTERS * _HEIGHTS,
)
FIGURES: Final = sum(SIZES)


def figures(notes: RollNotes) -> FloatArray:
    """Count the figures of windows of four bars.

    Parameters
    ----------
    notes : RollNotes
        Ordered.

    Returns
    -------
    ndarray, shape (windows, FIGURES), float32
        Within 0 to 1; all 0 where nothing but drums plays.
    """
    notes = notes.only(notes.instrument > 0)
    place = notes.step % STEPS * _SIXTEENTHS // STEPS
    length = np.searchsorted(_LENGTHS, notes.length, side="right")
    before, interval = _intervals(notes, 1)
    earlier, wider = _intervals(notes, 2)
    quarter = notes.step % STEPS // STEPS_PER_QUARTER
    kinds = (
        (notes.window[before], place[before] * _INTERVALS + interval),
        (notes.window[earlier], place[earlier] * _INTERVALS + wider),
        (notes.window, place * _CLASSES + length),
        (notes.window[before], length[before] * _INTERVALS + interval),
        (notes.window, quarter * _HEIGHTS + _heights(notes)),
    )
    return np.concatenate(
        [_counted(*kind, notes.windows, size) for kind, size in zip(kinds, SIZES, strict=True)],
        axis=1,
    )


def _intervals(notes: RollNotes, back: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which notes have one so many before them in their part, and the interval from it."""
    same = notes.window[back:] == notes.window[:-back]
    same &= notes.instrument[back:] == notes.instrument[:-back]
    which = np.flatnonzero(same) + back
    interval = notes.pitch[which] - notes.pitch[which - back]
    return which, interval.clip(-_OCTAVE, _OCTAVE) + _OCTAVE


def _heights(notes: RollNotes) -> NDArray[np.int64]:
    """Return how far each note lies above the lowest that begins in its quarter."""
    quarter = (notes.window * WINDOW_STEPS + notes.step) // STEPS_PER_QUARTER
    lowest = np.full(notes.windows * WINDOW_STEPS // STEPS_PER_QUARTER, PITCHES)
    np.minimum.at(lowest, quarter, notes.pitch)
    return np.asarray((notes.pitch - lowest[quarter]).clip(0, _HEIGHTS - 1))


def _counted(
    window: NDArray[np.int64], figure: NDArray[np.int64], windows: int, size: int
) -> FloatArray:
    counts = np.bincount(window * size + figure, minlength=windows * size)
    roots = np.sqrt(counts.reshape(windows, size))
    total = np.linalg.norm(roots, axis=1, keepdims=True)
    return np.asarray(roots / np.maximum(total, 1), np.float32)

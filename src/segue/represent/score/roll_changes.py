"""Changed copies of piano rolls: transposed, thinned."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.represent.score.piano_roll import PITCHES
from segue.represent.score.roll_notes import (
    WINDOW_STEPS,
    BoolArray,
    RollNotes,
    check_windows,
    notes_of,
)

_OCTAVE: Final = 12


def transposed(cells: BoolArray, semitones: int) -> BoolArray:
    """Move all but the drums up by so many semitones.

    Parameters
    ----------
    cells : ndarray, shape (..., 84, 5), bool
    semitones : int
        Within -12 to 12. What would leave the grid moves by an octave into it.

    Returns
    -------
    ndarray
        A copy.
    """
    result = cells.copy()
    pitched = cells[..., 1:]
    moved = result[..., 1:]
    if semitones > 0:
        moved[..., semitones:, :] = pitched[..., :-semitones, :]
        moved[..., :semitones, :] = False
        at = PITCHES + semitones - _OCTAVE
        moved[..., at - semitones : at, :] |= pitched[..., PITCHES - semitones :, :]
    elif semitones < 0:
        down = -semitones
        moved[..., :-down, :] = pitched[..., down:, :]
        moved[..., -down:, :] = False
        moved[..., _OCTAVE - down : _OCTAVE, :] |= pitched[..., :down, :]
    return result


def thinned(cells: BoolArray, share: float, rng: np.random.Generator) -> BoolArray:
    """Leave out notes, each with a probability, but never all of a window.

    Parameters
    ----------
    cells : ndarray, shape (windows, 4, 48, 84, 5), bool
    share : float
        Within 0 to 1.
    rng : Generator

    Returns
    -------
    ndarray
        A copy.
    """
    check_windows(cells)
    result = cells.copy()
    notes = notes_of(cells)
    gone = rng.random(len(notes.window)) < share
    first = np.unique(notes.window, return_index=True)[1]
    kept = np.bincount(notes.window[~gone], minlength=notes.windows)
    gone[first[kept[notes.window[first]] == 0]] = False
    _silence(result, notes, gone)
    return result


def _silence(cells: BoolArray, notes: RollNotes, gone: NDArray[np.bool_]) -> None:
    steps = cells.reshape(len(cells), WINDOW_STEPS, *cells.shape[3:])
    length = notes.length[gone]
    within = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
    window, step, pitch, instrument = (
        np.repeat(column[gone], length)
        for column in (notes.window, notes.step, notes.pitch, notes.instrument)
    )
    steps[window, step + within, pitch, instrument] = False

"""From the probabilities of cells to cells that sound: where notes begin, and where they end."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.records import FloatArray
from segue.represent.score.piano_roll import INSTRUMENTS
from segue.represent.score.roll_notes import BoolArray

#: A note that has begun goes on above such a share of its instrument's threshold. Of 0.5 to 1,
#: this share and 0.7 gave the most notes right of songs that validated (F1 0.176 of the piano's,
#: 0.169 at 1, where notes fall to pieces).
RELEASE: Final = 0.8
_HALVINGS: Final = 14


def sounding(probabilities: FloatArray, thresholds: FloatArray) -> BoolArray:
    """Say which cells sound.

    Parameters
    ----------
    probabilities : ndarray, shape (n, bars, 48, 84, instruments), float32, or without the last
        Windows; a note may go on from one bar of a window into the next.
    thresholds : ndarray, shape (instruments,) or (), float32
        Probability from which on a note begins.

    Returns
    -------
    ndarray, same shape, bool
    """
    n, bars, steps, *rest = probabilities.shape
    flat = probabilities.reshape(n, bars * steps, *rest)
    begins, goes_on = flat >= thresholds, flat >= RELEASE * thresholds
    found = np.empty_like(begins)
    now = np.zeros_like(begins[:, 0])
    for step in range(bars * steps):
        now = begins[:, step] | (now & goes_on[:, step])
        found[:, step] = now
    return found.reshape(probabilities.shape)


def calibrated(probabilities: FloatArray, cells: BoolArray) -> FloatArray:
    """Return the threshold of each instrument by which as many notes begin as do.

    Parameters
    ----------
    probabilities, cells : ndarray, shape (n, bars, 48, 84, 5)

    Returns
    -------
    ndarray, shape (5,), float32
        One half for what never sounds.
    """
    found = np.full(len(INSTRUMENTS), 0.5, np.float32)
    for number in range(len(INSTRUMENTS)):
        wanted = _beginnings(cells[..., number])
        likely = probabilities[..., number]
        low, high = 0.0, 1.0
        for _ in range(_HALVINGS if wanted else 0):
            middle = (low + high) / 2
            if _beginnings(sounding(likely, np.array(middle, np.float32))) > wanted:
                low = middle
            else:
                high = middle
        found[number] = high if wanted else 0.5
    return found


def _beginnings(cells: BoolArray) -> int:
    """Count the notes of one instrument in windows, shape (n, bars, 48, 84)."""
    n, bars, steps, pitches = cells.shape
    flat = cells.reshape(n, bars * steps, pitches)
    before: NDArray[np.bool_] = np.pad(flat, ((0, 0), (1, 0), (0, 0)))[:, :-1]
    return int(np.count_nonzero(flat & ~before))

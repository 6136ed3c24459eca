"""Tells other versions of a piece: another key, tempo, instruments, even another performance.

The source of the method: Serrà, Serra & Andrzejak, "Cross recurrence quantification for cover
song identification", New Journal of Physics 11, 2009. Candidates are found by magnitudes of a
two-dimensional Fourier transform, which no transposition changes: Ellis & Bertin-Mahieux,
"Large-scale cover song recognition using the 2D Fourier transform magnitude", ISMIR 2012.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from segue.records import FloatArray, Span

#: How a piece goes on after two minutes and a half seldom tells more.
LONGEST_S: Final = 150.0
_PATCH: Final = 64  # frames of a signature's patch: 16 s
_PATCH_HOP: Final = 8
_STACKED: Final = 6  # frames compared together: 1.5 s
_NEAREST: Final = 0.1  # share of the frames of the other that count as alike
_TRANSPOSITIONS: Final = 3  # likeliest that are tried
_GAP_ONSET: Final = 5.0
_GAP_LONGER: Final = 0.5


def stretch(duration_s: float) -> tuple[Span, ...]:
    """Choose what of a recording is compared."""
    return (Span(0.0, min(duration_s, LONGEST_S)),)


def signature(course: FloatArray) -> FloatArray:
    """Sum up a course of pitch classes in numbers that no transposition changes.

    Parameters
    ----------
    course : ndarray, shape (frames, 12)

    Returns
    -------
    ndarray, shape (7 * 64,), float32
        Of length 1; near for versions of about the same tempo.
    """
    smooth = np.sqrt(np.maximum(course, 0))
    if len(smooth) < _PATCH:
        smooth = np.pad(smooth, ((0, _PATCH - len(smooth)), (0, 0)))
    patches = sliding_window_view(smooth, _PATCH, axis=0)[::_PATCH_HOP]  # (n, 12, 64)
    magnitudes = np.abs(np.fft.fft2(patches))[:, :7]
    typical = np.median(magnitudes, axis=0)
    typical[0, 0] = 0  # how much there is of anything
    flat = typical.ravel()
    return np.asarray(flat / max(float(np.linalg.norm(flat)), 1e-9), np.float32)


def likenesses(one: FloatArray, others: Sequence[FloatArray]) -> NDArray[np.float64]:
    """Tell how long one course goes along with others, in any key, tempos apart by up to half.

    Parameters
    ----------
    one : ndarray, shape (frames, 12)
    others : sequence of ndarray, each of shape (frames, 12)

    Returns
    -------
    ndarray, shape (len(others),)
        Length of the longest common course, with gaps, as a share of the shorter one: about 0.1
        for unrelated pieces.
    """
    mine = _stacked(one)
    found = np.zeros(len(others))
    for number, other in enumerate(others):
        shorter = min(len(one), len(other)) - _STACKED + 1
        if shorter < 2 * _STACKED:
            continue
        alike = [
            _recurrence(mine, _stacked(np.roll(other, -shift, axis=1)))
            for shift in _likely_shifts(one, other)
        ]
        found[number] = max(_longest(np.stack(alike))) / shorter
    return found


def _likely_shifts(one: FloatArray, other: FloatArray) -> list[int]:
    """Return by how many semitones the other most likely lies higher."""
    mine, its = one.mean(axis=0), other.mean(axis=0)
    fit = [float(mine @ np.roll(its, -shift)) for shift in range(12)]
    return [int(shift) for shift in np.argsort(fit)[::-1][:_TRANSPOSITIONS]]


def _stacked(course: FloatArray) -> FloatArray:
    """Put successive frames into one row, of length 1, shape (frames - 5, 72)."""
    rooted = np.sqrt(np.maximum(course, 0))
    rows = sliding_window_view(rooted, _STACKED, axis=0).reshape(-1, 12 * _STACKED)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(length, 1e-9), np.float32)


def _recurrence(mine: FloatArray, its: FloatArray) -> NDArray[np.bool_]:
    """Tell which rows are among each other's nearest, shape (rows, its rows)."""
    cosine = mine @ its.T
    across = max(1, round(_NEAREST * cosine.shape[1]))
    down = max(1, round(_NEAREST * cosine.shape[0]))
    by_row = -np.partition(-cosine, across - 1, axis=1)[:, across - 1, None]
    by_column = -np.partition(-cosine, down - 1, axis=0)[down - 1]
    return np.asarray((cosine >= by_row) & (cosine >= by_column))


def _longest(alike: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return Qmax of each plot, shape (plots,): the longest way that is alike, less its gaps."""
    plots, rows, columns = alike.shape
    # Two empty rows and columns before the first spare asking where the plot begins.
    total = np.zeros((plots, rows + 2, columns + 2))
    gap = np.full((plots, rows + 2, columns + 2), _GAP_LONGER)
    gap[:, 2:, 2:][alike] = _GAP_ONSET
    highest = np.zeros(plots)
    for row in range(2, rows + 2):
        before = (
            (total[:, row - 1, 1:-1], gap[:, row - 1, 1:-1]),
            (total[:, row - 2, 1:-1], gap[:, row - 2, 1:-1]),
            (total[:, row - 1, :-2], gap[:, row - 1, :-2]),
        )
        on = np.max([way for way, _ in before], axis=0) + 1
        off = np.maximum(np.max([way - cost for way, cost in before], axis=0), 0)
        total[:, row, 2:] = np.where(alike[:, row - 2], on, off)
        highest = np.maximum(highest, total[:, row].max(axis=1))
    return highest

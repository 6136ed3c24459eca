"""Cover song identification: chroma sequences compared in any key and tempo.

The source of the alignment: Serrà, Serra & Andrzejak, "Cross recurrence quantification for cover
song identification", New Journal of Physics 11, 2009 (their Qmax; librosa's `sequence.rqa` gives
the same values, ten times as slowly). Candidates are found by magnitudes of a two-dimensional
Fourier transform, which no transposition changes: Ellis & Bertin-Mahieux, "Large-scale cover song
recognition using the 2D Fourier transform magnitude", ISMIR 2012.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from segue.audio.chroma import CHROMA_FRAMES_PER_SECOND, chromagram
from segue.audio.spectrogram import ByteArray
from segue.records import FloatArray, Span

#: Changes when, and only when, courses of two versions would not match.
VERSION: Final = 1
#: How a piece goes on after two minutes and a half seldom tells more.
MAX_DURATION_S: Final = 150.0

#: From this likeness on two recordings are listed as versions of a piece: unrelated recordings
#: reach it once in thousands of pairs; see bench/tables/versions.md.
COVER_THRESHOLD: Final = 0.4

_PATCH: Final = 64  # frames of a signature's patch: 12 s
_PATCH_HOP: Final = 8
_POOLED: Final = 2  # frames that an alignment takes as one
_STACKED: Final = 3  # of those, compared together: 1.1 s
_NEAREST: Final = 0.1  # share of the frames of the other that count as alike
_TRANSPOSITIONS: Final = 3  # likeliest that are tried
# In halves, so that whole numbers hold them:
_STEP: Final = 2
_GAP_BEGINS: Final = 10
_GAP_LASTS: Final = 1


@dataclass(frozen=True, slots=True)
class Alignment:
    """How far two courses go along with each other.

    Attributes
    ----------
    likeness : float
        Length of the longest common course less its gaps, as a share of the shorter of both:
        about 0.1 for unrelated pieces, 1 for the same throughout.
    semitones : int
        How much higher the second is, -5 to 6.
    first, second : Span
        Where the common course lies in each, seconds.
    """

    likeness: float
    semitones: int
    first: Span
    second: Span

    @property
    def tempo(self) -> float:
        """How much faster the second is, as a share: 0.06 for 6 % faster."""
        its = self.second.end_s - self.second.start_s
        return (self.first.end_s - self.first.start_s) / its - 1 if its else 0.0


def span_to_compare(duration_s: float) -> tuple[Span, ...]:
    """Choose what of a recording is compared."""
    return (Span(0.0, min(duration_s, MAX_DURATION_S)),)


def quantised_chromagram(samples: FloatArray) -> ByteArray:
    """Follow the pitch classes of a recording.

    Parameters
    ----------
    samples : ndarray, shape (n,), float32
        Mono at `segue.audio.spectrogram.SAMPLE_RATE_HZ`.

    Returns
    -------
    ndarray, shape (frames, 12), uint8
        Square roots of the shares of the pitch classes, 255 for all; see
        `segue.audio.chroma.chromagram`.
    """
    return np.asarray(np.rint(255 * np.sqrt(chromagram(samples))), np.uint8)


def fourier_signature(course: ByteArray) -> FloatArray:
    """Sum up a course in numbers that no transposition changes.

    Parameters
    ----------
    course : ndarray, shape (frames, 12), uint8

    Returns
    -------
    ndarray, shape (448,), float32
        Of length 1; near for versions of about the same tempo.
    """
    shares = course / np.float32(255)
    if len(shares) < _PATCH:
        shares = np.pad(shares, ((0, _PATCH - len(shares)), (0, 0)))
    patches = sliding_window_view(shares, _PATCH, axis=0)[::_PATCH_HOP]  # (n, 12, 64)
    magnitudes = np.abs(np.fft.fft2(patches))[:, :7]
    typical = np.median(magnitudes, axis=0)
    typical[0, 0] = 0  # how much there is of anything
    flat = typical.ravel()
    return np.asarray(flat / max(float(np.linalg.norm(flat)), 1e-9), np.float32)


def qmax_similarities(one: ByteArray, others: Sequence[ByteArray]) -> NDArray[np.float64]:
    """Tell how far a course goes along with each of others.

    In any key; one may be up to twice as fast as the other.

    Parameters
    ----------
    one : ndarray, shape (frames, 12), uint8
    others : sequence of ndarray, each of shape (frames, 12), uint8

    Returns
    -------
    ndarray, shape (len(others),)
        See `Alignment.likeness`; 0 for what is shorter than two seconds.
    """
    ways = _ways(one, others)
    return np.array([max((way.likeness for way in found), default=0.0) for found in ways])


def align(one: ByteArray, other: ByteArray) -> Alignment:
    """Find the longest course that two recordings share; see `qmax_similarities`."""
    (ways,) = _ways(one, [other])
    if not ways:
        return Alignment(0.0, 0, Span(0.0, 0.0), Span(0.0, 0.0))
    best = max(ways, key=lambda way: way.likeness)
    # The same way read backwards ends where it began.
    backwards = best.plot[best.row :: -1, best.column :: -1]
    ((_, rows, columns),) = _longest([backwards])
    return Alignment(
        best.likeness,
        (best.shift + 5) % 12 - 5,
        _span(best.row - rows, best.row),
        _span(best.column - columns, best.column),
    )


@dataclass(frozen=True, slots=True)
class _Way:
    """The best way through the plot of one transposition, and where it ends."""

    likeness: float
    shift: int
    plot: NDArray[np.bool_]
    row: int
    column: int


def _ways(one: ByteArray, others: Sequence[ByteArray]) -> list[list[_Way]]:
    """Try the likeliest transpositions of each other course."""
    mine = _pooled(one)
    found: list[list[_Way]] = [[] for _ in others]
    if len(mine) < 2 * _STACKED:
        return found
    rows = _stacked(mine)
    tried = [
        (number, shift, _recurrence(rows, _stacked(np.roll(its, -shift, axis=1))))
        for number, its in enumerate(map(_pooled, others))
        if len(its) >= 2 * _STACKED
        for shift in _likely_shifts(mine, its)
    ]
    highest = _longest([plot for _, _, plot in tried]) if tried else []
    for (number, shift, plot), (length, row, column) in zip(tried, highest, strict=True):
        # A way of steps by two can be longer than the shorter of both.
        likeness = min(length / min(plot.shape), 1.0)
        found[number].append(_Way(likeness, shift, plot, row, column))
    return found


def _pooled(course: ByteArray) -> FloatArray:
    """Average neighbouring frames, shape (frames, 12)."""
    whole = len(course) // _POOLED * _POOLED
    shares = (course[:whole] / np.float32(255)) ** 2
    return np.asarray(np.sqrt(shares.reshape(-1, _POOLED, 12).mean(axis=1)), np.float32)


def _likely_shifts(mine: FloatArray, its: FloatArray) -> list[int]:
    """Return by how many semitones the other most likely lies higher."""
    fit = mine.mean(axis=0)[_rolled()] @ its.mean(axis=0)
    return [int(shift) for shift in np.argsort(-fit, kind="stable")[:_TRANSPOSITIONS]]


@cache
def _rolled() -> NDArray[np.int64]:
    """Return indices that raise twelve pitch classes by 0 to 11 semitones, shape (12, 12)."""
    return (np.arange(12) - np.arange(12)[:, None]) % 12


def _stacked(course: FloatArray) -> FloatArray:
    """Put successive frames into one row, of length 1."""
    rows = sliding_window_view(course, _STACKED, axis=0).reshape(-1, 12 * _STACKED)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(length, 1e-9), np.float32)


def _recurrence(mine: FloatArray, its: FloatArray) -> NDArray[np.bool_]:
    """Tell which rows are among each other's nearest, shape (rows, its rows)."""
    cosine = mine @ its.T
    across = _beyond(cosine)
    down = _beyond(np.ascontiguousarray(cosine.T))
    return np.asarray((cosine > across[:, None]) & (cosine > down))


def _beyond(cosine: FloatArray) -> FloatArray:
    """Return what only the nearest of each row exceed: none does in silence, or a drone."""
    count = max(1, round(_NEAREST * cosine.shape[1])) + 1
    return np.asarray(np.partition(cosine, -count, axis=1)[:, -count])


def _longest(plots: Sequence[NDArray[np.bool_]]) -> list[tuple[float, int, int]]:
    """Return of plots of as many rows the value of the best way through, and where it ends.

    A way goes on by (1, 1), (1, 2) or (2, 1); each step is worth 1 where the plot says alike.
    """
    rows, columns = len(plots[0]), max(plot.shape[1] for plot in plots)
    alike = np.zeros((rows, len(plots), columns), np.bool_)
    for number, plot in enumerate(plots):
        alike[:, number, : plot.shape[1]] = plot
    # Two empty rows and columns before the first spare asking where the plot begins.
    worth = np.zeros((rows + 2, len(plots), columns + 2), np.int16)
    left = np.full_like(worth, -_GAP_LASTS)  # when a gap follows
    costs = np.where(alike, np.int16(_GAP_BEGINS), np.int16(_GAP_LASTS))
    for row in range(2, rows + 2):
        on, off = (
            np.maximum(
                np.maximum(before[row - 1, :, 1:-1], before[row - 2, :, 1:-1]),
                before[row - 1, :, :-2],
            )
            for before in (worth, left)
        )
        worth[row, :, 2:] = np.where(alike[row - 2], on + _STEP, np.maximum(off, 0))
        left[row, :, 2:] = worth[row, :, 2:] - costs[row - 2]
    ends = worth[2:, :, 2:].swapaxes(0, 1).reshape(len(plots), -1)
    best = ends.argmax(axis=1)
    return [
        (int(ends[number, at]) / _STEP, *divmod(int(at), columns)) for number, at in enumerate(best)
    ]


def _span(first: int, last: int) -> Span:
    """Turn the rows of a plot into seconds."""
    second = CHROMA_FRAMES_PER_SECOND / _POOLED
    return Span(first / second, (last + _STACKED) / second)

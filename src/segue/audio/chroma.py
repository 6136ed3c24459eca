"""Tuning, chroma and key; cover song identification by chroma sequences.

Chroma are sums over the peaks of a long spectrum, which are tuned by the mean deviation from equal
temperament and refined by parabolic interpolation. The key is the one whose profile correlates most
with the mean chroma.

Chroma sequences of cover songs are compared in any key and tempo. Candidates are found by
magnitudes of the two-dimensional Fourier transform, which are invariant to transposition (Ellis &
Bertin-Mahieux, "Large-scale cover song recognition using the 2D Fourier transform magnitude", ISMIR
2012), and compared by Qmax, the longest path through a cross recurrence plot (Serrà, Serra &
Andrzejak, "Cross recurrence quantification for cover song identification", New Journal of Physics
11, 2009). `librosa.sequence.rqa` gives the same values in ten times the time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from segue.audio.spectrogram import SAMPLE_RATE_HZ, ByteArray, hann
from segue.records import BoolArray, FloatArray, Span
from segue.theory.keys import MODES, PITCH_CLASSES, key_correlations

_WINDOW: Final = 8192  # 0.37 s, which resolves semitones from 90 Hz on
_HOP: Final = 4096
_MIN_HZ: Final = 55.0
_MAX_HZ: Final = 2000.0
_A4_HZ: Final = 440.0
# Temperature of the softmax over correlations: the maximum-likelihood estimate on the keys of 143
# rendered MIDI files, none of which are in the results of bench/features.py.
_TEMPERATURE: Final = 0.06


@dataclass(frozen=True, slots=True)
class Harmony:
    """Chroma, tuning and key of a recording.

    Attributes
    ----------
    chroma : ndarray, shape (12,), float32
        Mean share of each pitch class, from C; the sum is 1, or 0 if there are no peaks.
    spread : ndarray, shape (12,), float32
        Standard deviation of the shares over time.
    change : float
        Mean L1 distance between the chroma of successive frames.
    tuning : float
        Deviation from A4 = 440 Hz in semitones, -0.5 to 0.5.
    tonic : int
        Pitch class, 0 for C.
    mode : {"major", "minor"}
    confidence : float
        Probability of the key, 1/24 to 1.
    fits : ndarray, shape (24,), float32
        Correlation with each key, twelve major and twelve minor.
    """

    chroma: FloatArray
    spread: FloatArray
    change: float
    tuning: float
    tonic: int
    mode: str
    confidence: float
    fits: FloatArray

    @property
    def key(self) -> str:
        """Name of the key as on the Camelot wheel, such as "Db major"."""
        tonic = PITCH_CLASSES[self.tonic]
        return f"{'Db' if (tonic, self.mode) == ('C#', 'major') else tonic} {self.mode}"


def analyse_harmony(excerpts: Sequence[FloatArray]) -> Harmony:
    """Compute the mean chroma, tuning and key of a recording.

    Parameters
    ----------
    excerpts : sequence of ndarray, each of shape (n,), float32
        Mono at `SAMPLE_RATE_HZ`.
    """
    peaks = [_peaks(samples) for samples in excerpts]
    tuning = _tuning(peaks)
    chromas = [_chroma(excerpt_peaks, tuning) for excerpt_peaks in peaks]
    chroma = np.concatenate(chromas)
    mean = chroma.mean(axis=0)
    fits = key_correlations(mean)
    best = int(fits.argmax())
    odds = np.exp((fits - fits[best]) / _TEMPERATURE)
    steps = np.concatenate([np.abs(np.diff(rows, axis=0)).sum(axis=1) for rows in chromas])
    return Harmony(
        chroma=mean,
        spread=chroma.std(axis=0),
        change=float(steps.mean()) if len(steps) else 0.0,
        tuning=tuning,
        tonic=best % 12,
        mode=MODES[best // 12],
        confidence=float(1 / odds.sum()),
        fits=fits,
    )


#: Frame rate of `chromagram`.
CHROMA_FRAMES_PER_SECOND: Final = SAMPLE_RATE_HZ / _HOP


def chromagram(samples: FloatArray) -> FloatArray:
    """Compute the chromagram of an excerpt, tuned to its own tuning.

    Parameters
    ----------
    samples : ndarray, shape (n,), float32
        Mono at `SAMPLE_RATE_HZ`.

    Returns
    -------
    ndarray, shape (frames, 12), float32
        Share of each pitch class, from C, at `CHROMA_FRAMES_PER_SECOND`; rows sum to 1, or to 0
        if a frame has no peaks.
    """
    peaks = _peaks(samples)
    return _chroma(peaks, _tuning([peaks]))


@dataclass(frozen=True, slots=True)
class _Peaks:
    """Spectral peaks of all frames."""

    frames: int
    frame: np.ndarray
    pitch: np.ndarray  # MIDI pitch, with fraction
    weight: np.ndarray


def _peaks(samples: FloatArray) -> _Peaks:
    windows = sliding_window_view(np.pad(samples, _WINDOW // 2), _WINDOW)[::_HOP]
    spectrum = scipy.fft.rfft(windows * hann(_WINDOW), axis=1)
    low, high = (int(hz * _WINDOW / SAMPLE_RATE_HZ) for hz in (_MIN_HZ, _MAX_HZ))
    magnitude = np.abs(spectrum[:, low - 1 : high + 2])
    centre = magnitude[:, 1:-1]
    is_peak = (centre > magnitude[:, :-2]) & (centre >= magnitude[:, 2:])
    # Peaks more than 60 dB below the highest of a frame are noise.
    is_peak &= centre > 1e-3 * centre.max(axis=1, keepdims=True)
    is_peak &= centre > 1e-4
    frame, bin_ = np.nonzero(is_peak)
    left, top, right = (np.log(magnitude[frame, bin_ + i] + 1e-9) for i in range(3))
    shift = 0.5 * (left - right) / np.minimum(left - 2 * top + right, -1e-9)
    hz = (low + bin_ + shift) * SAMPLE_RATE_HZ / _WINDOW
    return _Peaks(
        frames=len(windows),
        frame=frame,
        pitch=69 + 12 * np.log2(hz / _A4_HZ),
        weight=centre[frame, bin_],
    )


def _tuning(peaks: Sequence[_Peaks]) -> float:
    """Compute the circular mean of the deviations from equal temperament, in semitones."""
    total = sum(np.sum(excerpt.weight * np.exp(2j * np.pi * excerpt.pitch)) for excerpt in peaks)
    return float(np.angle(total) / (2 * np.pi))


def _chroma(peaks: _Peaks, tuning: float) -> FloatArray:
    """Compute the share of each pitch class in each frame, shape (frames, 12)."""
    tuned = peaks.pitch - tuning
    nearest = np.round(tuned)
    weight = peaks.weight * np.cos(np.pi * (tuned - nearest)) ** 2
    cell = peaks.frame * 12 + nearest.astype(int) % 12
    sums = np.bincount(cell, weight, minlength=peaks.frames * 12).reshape(-1, 12)
    totals = sums.sum(axis=1, keepdims=True)
    return np.asarray(sums / np.maximum(totals, 1e-9), dtype=np.float32)


#: Changes when, and only when, sequences of two versions would not match.
VERSION: Final = 1
#: Later parts of a piece rarely add information.
MAX_DURATION_S: Final = 150.0

#: Minimum similarity of recordings that are listed as versions of a piece. Of unrelated recordings,
#: one pair in thousands reaches it; see bench/tables/version_identification.md.
COVER_THRESHOLD: Final = 0.4

_PATCH_FRAMES: Final = 64  # 12 s
_PATCH_HOP: Final = 8
_POOL: Final = 2  # frames averaged before alignment
_STACK: Final = 3  # pooled frames compared together: 1.1 s
_NEIGHBOURS: Final = 0.1  # share of frames that are nearest neighbours
_TRANSPOSITIONS: Final = 3  # most likely transpositions that are aligned
# Scores of a path, in halves, so that integers hold them.
_MATCH_SCORE: Final = 2
_GAP_OPENING: Final = 10
_GAP_EXTENSION: Final = 1


@dataclass(frozen=True, slots=True)
class Alignment:
    """Alignment of the chroma sequences of two recordings.

    Attributes
    ----------
    similarity : float
        Score of the best path as a share of the shorter sequence: about 0.1 for unrelated
        pieces, 1 for equal sequences.
    semitones : int
        Transposition of the second recording, -5 to 6.
    first, second : Span
        The aligned excerpts in seconds.
    """

    similarity: float
    semitones: int
    first: Span
    second: Span

    @property
    def tempo(self) -> float:
        """Relative difference of the tempos: 0.06 if the second is 6 % faster."""
        second_s = self.second.end_s - self.second.start_s
        return (self.first.end_s - self.first.start_s) / second_s - 1 if second_s else 0.0


def span_to_compare(duration_s: float) -> tuple[Span, ...]:
    """Choose the span of a recording that is compared."""
    return (Span(0.0, min(duration_s, MAX_DURATION_S)),)


def quantised_chromagram(samples: FloatArray) -> ByteArray:
    """Compute the chroma sequence of a recording.

    Parameters
    ----------
    samples : ndarray, shape (n,), float32
        Mono at `segue.audio.spectrogram.SAMPLE_RATE_HZ`.

    Returns
    -------
    ndarray, shape (frames, 12), uint8
        Square roots of `segue.audio.chroma.chromagram`, scaled to 255.
    """
    return np.asarray(np.rint(255 * np.sqrt(chromagram(samples))), np.uint8)


def fourier_signature(chroma: ByteArray) -> FloatArray:
    """Compute a vector of a chroma sequence that is invariant to transposition.

    Parameters
    ----------
    chroma : ndarray, shape (frames, 12), uint8

    Returns
    -------
    ndarray, shape (448,), float32
        Unit vector; similar for versions of similar tempo.
    """
    shares = chroma / np.float32(255)
    if len(shares) < _PATCH_FRAMES:
        shares = np.pad(shares, ((0, _PATCH_FRAMES - len(shares)), (0, 0)))
    patches = sliding_window_view(shares, _PATCH_FRAMES, axis=0)[::_PATCH_HOP]  # (n, 12, 64)
    magnitudes = np.abs(np.fft.fft2(patches))[:, :7]
    median = np.median(magnitudes, axis=0)
    median[0, 0] = 0  # the mean says nothing
    signature = median.ravel()
    return np.asarray(signature / max(float(np.linalg.norm(signature)), 1e-9), np.float32)


def qmax_similarities(chroma: ByteArray, others: Sequence[ByteArray]) -> NDArray[np.float64]:
    """Compute the similarity of a chroma sequence to others, in any key and up to twice the tempo.

    Parameters
    ----------
    chroma : ndarray, shape (frames, 12), uint8
    others : sequence of ndarray, each of shape (frames, 12), uint8

    Returns
    -------
    ndarray, shape (len(others),)
        See `Alignment.similarity`; 0 for sequences shorter than two seconds.
    """
    return np.array(
        [max((path.similarity for path in paths), default=0.0) for paths in _paths(chroma, others)]
    )


def align(first: ByteArray, second: ByteArray) -> Alignment:
    """Find the best alignment of two chroma sequences; see `qmax_similarities`."""
    (paths,) = _paths(first, [second])
    if not paths:
        return Alignment(0.0, 0, Span(0.0, 0.0), Span(0.0, 0.0))
    best = max(paths, key=lambda path: path.similarity)
    # The same path read backwards ends where it starts.
    reverse = best.plot[best.row :: -1, best.column :: -1]
    ((_, rows, columns),) = _qmax([reverse])
    return Alignment(
        best.similarity,
        (best.shift + 5) % 12 - 5,
        _span(best.row - rows, best.row),
        _span(best.column - columns, best.column),
    )


@dataclass(frozen=True, slots=True)
class _Path:
    """The best path through the recurrence plot of one transposition, and where it ends."""

    similarity: float
    shift: int
    plot: BoolArray
    row: int
    column: int


def _paths(chroma: ByteArray, others: Sequence[ByteArray]) -> list[list[_Path]]:
    """Find the best paths of the most likely transpositions of each other sequence."""
    pooled = _pool(chroma)
    paths: list[list[_Path]] = [[] for _ in others]
    if len(pooled) < 2 * _STACK:
        return paths
    stacked = _stack(pooled)
    plots = [
        (index, shift, _recurrence_plot(stacked, _stack(np.roll(other, -shift, axis=1))))
        for index, other in enumerate(map(_pool, others))
        if len(other) >= 2 * _STACK
        for shift in _likely_shifts(pooled, other)
    ]
    best = _qmax([plot for _, _, plot in plots]) if plots else []
    for (index, shift, plot), (score, row, column) in zip(plots, best, strict=True):
        # A path of steps by two can be longer than the shorter sequence.
        similarity = min(score / min(plot.shape), 1.0)
        paths[index].append(_Path(similarity, shift, plot, row, column))
    return paths


def _pool(chroma: ByteArray) -> FloatArray:
    """Average neighbouring frames, shape (frames, 12)."""
    length = len(chroma) // _POOL * _POOL
    shares = (chroma[:length] / np.float32(255)) ** 2
    return np.asarray(np.sqrt(shares.reshape(-1, _POOL, 12).mean(axis=1)), np.float32)


def _likely_shifts(chroma: FloatArray, other: FloatArray) -> list[int]:
    """Return the most likely transpositions of the other sequence, in semitones."""
    correlation = chroma.mean(axis=0)[_transpositions()] @ other.mean(axis=0)
    return [int(shift) for shift in np.argsort(-correlation, kind="stable")[:_TRANSPOSITIONS]]


@cache
def _transpositions() -> NDArray[np.int64]:
    """Return indices that transpose pitch classes by 0 to 11 semitones, shape (12, 12)."""
    return (np.arange(12) - np.arange(12)[:, None]) % 12


def _stack(chroma: FloatArray) -> FloatArray:
    """Concatenate successive frames to vectors of norm 1."""
    rows = sliding_window_view(chroma, _STACK, axis=0).reshape(-1, 12 * _STACK)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(norms, 1e-9), np.float32)


def _recurrence_plot(rows: FloatArray, columns: FloatArray) -> BoolArray:
    """Mark mutual nearest neighbours, shape (rows, columns)."""
    cosine = rows @ columns.T
    row_thresholds = _neighbour_thresholds(cosine)
    column_thresholds = _neighbour_thresholds(np.ascontiguousarray(cosine.T))
    return np.asarray((cosine > row_thresholds[:, None]) & (cosine > column_thresholds))


def _neighbour_thresholds(cosine: FloatArray) -> FloatArray:
    """Return what only the nearest neighbours of each row exceed; none do in silence or a drone."""
    count = max(1, round(_NEIGHBOURS * cosine.shape[1])) + 1
    return np.asarray(np.partition(cosine, -count, axis=1)[:, -count])


def _qmax(plots: Sequence[BoolArray]) -> list[tuple[float, int, int]]:
    """Find the best path through each of several plots with equal numbers of rows.

    A path continues by (1, 1), (1, 2) or (2, 1). Each recurrence scores 1, gaps cost.

    Returns
    -------
    list of tuple of float, int, int
        Score of the path, and the row and column where it ends.
    """
    n_rows, n_columns = len(plots[0]), max(plot.shape[1] for plot in plots)
    recurrent = np.zeros((n_rows, len(plots), n_columns), np.bool_)
    for index, plot in enumerate(plots):
        recurrent[:, index, : plot.shape[1]] = plot
    # Two empty rows and columns before the first avoid a special case at the edges.
    scores = np.zeros((n_rows + 2, len(plots), n_columns + 2), np.int16)
    after_gap = np.full_like(scores, -_GAP_EXTENSION)  # scores less the cost of a following gap
    costs = np.where(recurrent, np.int16(_GAP_OPENING), np.int16(_GAP_EXTENSION))
    for row in range(2, n_rows + 2):
        matched, gap = (
            np.maximum(
                np.maximum(previous[row - 1, :, 1:-1], previous[row - 2, :, 1:-1]),
                previous[row - 1, :, :-2],
            )
            for previous in (scores, after_gap)
        )
        scores[row, :, 2:] = np.where(
            recurrent[row - 2], matched + _MATCH_SCORE, np.maximum(gap, 0)
        )
        after_gap[row, :, 2:] = scores[row, :, 2:] - costs[row - 2]
    ends = scores[2:, :, 2:].swapaxes(0, 1).reshape(len(plots), -1)
    return [
        (int(plot_ends[end]) / _MATCH_SCORE, *divmod(int(end), n_columns))
        for plot_ends, end in zip(ends, ends.argmax(axis=1), strict=True)
    ]


def _span(first: int, last: int) -> Span:
    """Convert rows of a plot to seconds."""
    rows_per_second = CHROMA_FRAMES_PER_SECOND / _POOL
    return Span(first / rows_per_second, (last + _STACK) / rows_per_second)

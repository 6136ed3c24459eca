"""Tuning, chroma and key.

Chroma are sums over the peaks of a long spectrum, which are tuned by the mean deviation from equal
temperament and refined by parabolic interpolation. The key is the one whose profile correlates most
with the mean chroma.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view

from segue.audio.spectrogram import SAMPLE_RATE_HZ, hann
from segue.records import FloatArray
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

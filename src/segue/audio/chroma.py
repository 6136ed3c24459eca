"""Tuning, chroma and key."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view

from segue.audio.spectrogram import SAMPLE_RATE_HZ, hann
from segue.records import FloatArray
from segue.theory.keys import MODES, PITCH_CLASSES, key_correlations

_WINDOW: Final = 8192  # 0.37 s: tells semitones apart from 90 Hz up
_HOP: Final = 4096
_LOWEST_HZ: Final = 55.0
_HIGHEST_HZ: Final = 2000.0
_A4_HZ: Final = 440.0
# Turns a lead in correlation into a chance: the value that made the keys of 143 rendered MIDI
# files likeliest (none of them among those that bench/features.py reports).
_DOUBT: Final = 0.06


@dataclass(frozen=True, slots=True)
class Harmony:
    """The pitches of a recording.

    Attributes
    ----------
    chroma : ndarray, shape (12,), float32
        Mean share of each pitch class, from C; sums to 1, or 0 where nothing has a pitch.
    spread : ndarray, shape (12,), float32
        Standard deviation of those shares over time.
    change : float
        Mean distance between the chroma of successive frames.
    tuning : float
        How far the instruments are tuned above A = 440 Hz, semitones, -0.5 to 0.5.
    tonic : int
        Pitch class, 0 for C.
    mode : str
        "major" or "minor".
    confidence : float
        Chance that the key is right, 1/24 to 1, from its lead over the others.
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
        """Return the key as "Db major", named as on the Camelot wheel."""
        tonic = PITCH_CLASSES[self.tonic]
        return f"{'Db' if (tonic, self.mode) == ('C#', 'major') else tonic} {self.mode}"


def analyse_harmony(excerpts: Sequence[FloatArray]) -> Harmony:
    """Find the pitch classes and the key of a recording.

    Parameters
    ----------
    excerpts : sequence of ndarray, each of shape (n,), float32
        Mono at `SAMPLE_RATE_HZ`.

    Returns
    -------
    Harmony
    """
    peaks = [_peaks(samples) for samples in excerpts]
    tuning = _tuning(peaks)
    chromas = [_chroma(each, tuning) for each in peaks]
    chroma = np.concatenate(chromas)
    mean = chroma.mean(axis=0)
    fits = key_correlations(mean)
    best = int(fits.argmax())
    chances = np.exp((fits - fits[best]) / _DOUBT)
    steps = np.concatenate([np.abs(np.diff(each, axis=0)).sum(axis=1) for each in chromas])
    return Harmony(
        chroma=mean,
        spread=chroma.std(axis=0),
        change=float(steps.mean()) if len(steps) else 0.0,
        tuning=tuning,
        tonic=best % 12,
        mode=MODES[best // 12],
        confidence=float(1 / chances.sum()),
        fits=fits,
    )


#: Of `pitch_course`.
CHROMA_FRAMES_PER_SECOND: Final = SAMPLE_RATE_HZ / _HOP


def chromagram(samples: FloatArray) -> FloatArray:
    """Follow the pitch classes of a stretch of sound.

    Parameters
    ----------
    samples : ndarray, shape (n,), float32
        Mono at `SAMPLE_RATE_HZ`.

    Returns
    -------
    ndarray, shape (frames, 12), float32
        Share of each pitch class, from C, by the recording's own tuning; rows sum to 1, or 0
        where nothing has a pitch. `COURSE_FRAMES_PER_SECOND` frames a second.
    """
    peaks = _peaks(samples)
    return _chroma(peaks, _tuning([peaks]))


@dataclass(frozen=True, slots=True)
class _Peaks:
    """Peaks of the spectrum of each frame."""

    frames: int
    frame: np.ndarray
    semitone: np.ndarray  # MIDI pitch, with fraction
    weight: np.ndarray


def _peaks(samples: FloatArray) -> _Peaks:
    windows = sliding_window_view(np.pad(samples, _WINDOW // 2), _WINDOW)[::_HOP]
    spectrum = scipy.fft.rfft(windows * hann(_WINDOW), axis=1)
    low, high = (int(hz * _WINDOW / SAMPLE_RATE_HZ) for hz in (_LOWEST_HZ, _HIGHEST_HZ))
    magnitude = np.abs(spectrum[:, low - 1 : high + 2])
    centre = magnitude[:, 1:-1]
    is_peak = (centre > magnitude[:, :-2]) & (centre >= magnitude[:, 2:])
    # What is 60 dB below a frame's loudest peak is noise.
    is_peak &= centre > 1e-3 * centre.max(axis=1, keepdims=True)
    is_peak &= centre > 1e-4
    frame, at = np.nonzero(is_peak)
    left, top, right = (np.log(magnitude[frame, at + i] + 1e-9) for i in range(3))
    shift = 0.5 * (left - right) / np.minimum(left - 2 * top + right, -1e-9)
    hz = (low + at + shift) * SAMPLE_RATE_HZ / _WINDOW
    return _Peaks(
        frames=len(windows),
        frame=frame,
        semitone=69 + 12 * np.log2(hz / _A4_HZ),
        weight=centre[frame, at],
    )


def _tuning(peaks: Sequence[_Peaks]) -> float:
    """Mean deviation from equal temperament, as an angle: a semitone is the full circle."""
    total = sum(np.sum(each.weight * np.exp(2j * np.pi * each.semitone)) for each in peaks)
    return float(np.angle(total) / (2 * np.pi))


def _chroma(peaks: _Peaks, tuning: float) -> FloatArray:
    """Share of each pitch class in each frame, shape (frames, 12)."""
    tuned = peaks.semitone - tuning
    nearest = np.round(tuned)
    weight = peaks.weight * np.cos(np.pi * (tuned - nearest)) ** 2
    cell = peaks.frame * 12 + nearest.astype(int) % 12
    sums = np.bincount(cell, weight, minlength=peaks.frames * 12).reshape(-1, 12)
    totals = sums.sum(axis=1, keepdims=True)
    return np.asarray(sums / np.maximum(totals, 1e-9), dtype=np.float32)

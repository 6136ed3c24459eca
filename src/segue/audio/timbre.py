"""Timbre features, frame by frame, from one short-time Fourier transform.

Frames of 2048 samples, every 512, are centred as in librosa.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Final

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from segue.audio.spectrogram import (
    BINS_HZ,
    HOP_LENGTH,
    N_FFT,
    SAMPLE_RATE_HZ,
    hann,
    hz_to_mel,
    mel_filters,
)
from segue.feature_names import CONTRAST_BANDS, N_MFCC
from segue.records import FloatArray

MEL_BANDS: Final = 128
ROLLOFF_SHARE: Final = 0.85

# Small enough that the spectra of a block stay in the processor's cache.
_BLOCK_FRAMES: Final = 128
_CHUNK_BINS: Final = 41  # 25 chunks make a spectrum of 1025 bins
_MIN_POWER: Final = 1e-10
_TOP_DB: Final = 80.0
_GATE_LUFS: Final = -70.0
_LUFS_OFFSET: Final = -0.691
_MIN_CONTRAST_HZ: Final = 200.0
_CONTRAST_QUANTILE: Final = 0.02


@dataclass(frozen=True, slots=True)
class FrameFeatures:
    """Features of each frame of an excerpt.

    Attributes
    ----------
    mel_db : ndarray, shape (frames, 128), float32
        Power in mel bands in dBFS, at least -100.
    centroid_hz, bandwidth_hz, rolloff_hz : ndarray, shape (frames,), float32
        Spectral centroid and bandwidth, weighted by magnitude, and the frequency below which 85 %
        of the magnitude lies; 0 in silence.
    flatness : ndarray, shape (frames,), float32
        Geometric divided by arithmetic mean of the power: 0 for a tone, 1 for white noise.
    peak_db, valley_db : ndarray, shape (frames, 7), float32
        Mean of the strongest and of the weakest 2 % of each octave from 200 Hz, for spectral
        contrast (Jiang et al. 2002).
    crossing_rate : ndarray, shape (frames,), float32
        Zero crossings per sample.
    level_db : ndarray, shape (frames,), float32
        Root mean square in dBFS.
    loudness : ndarray, shape (frames,), float32
        K-weighted mean square (ITU-R BS.1770).
    """

    mel_db: FloatArray
    centroid_hz: FloatArray
    bandwidth_hz: FloatArray
    rolloff_hz: FloatArray
    flatness: FloatArray
    peak_db: FloatArray
    valley_db: FloatArray
    crossing_rate: FloatArray
    level_db: FloatArray
    loudness: FloatArray

    def select(self, mask: NDArray[np.bool_]) -> "FrameFeatures":
        """Return the frames selected by a mask of shape (frames,)."""
        return FrameFeatures(*(getattr(self, field.name)[mask] for field in fields(self)))


def concatenate_frames(excerpts: Sequence[FrameFeatures]) -> FrameFeatures:
    """Concatenate the frames of several excerpts."""
    return FrameFeatures(
        *(
            np.concatenate([getattr(excerpt, field.name) for excerpt in excerpts])
            for field in fields(FrameFeatures)
        )
    )


def frame_features(samples: FloatArray) -> FrameFeatures:
    """Compute the features of the ``1 + n // 512`` frames of an excerpt.

    Parameters
    ----------
    samples : ndarray, shape (n,), float32
        Mono at `SAMPLE_RATE_HZ`; n at least 1.
    """
    windows = sliding_window_view(np.pad(samples, N_FFT // 2), N_FFT)[::HOP_LENGTH]
    blocks = [
        _spectral(windows[start : start + _BLOCK_FRAMES])
        for start in range(0, len(windows), _BLOCK_FRAMES)
    ]
    mel, loudness, centroid, bandwidth, rolloff, flatness, peak, valley = (
        np.concatenate(part) for part in zip(*blocks, strict=True)
    )
    return FrameFeatures(
        mel_db=power_to_db(mel),
        centroid_hz=centroid,
        bandwidth_hz=bandwidth,
        rolloff_hz=rolloff,
        flatness=flatness,
        peak_db=power_to_db(peak),
        valley_db=power_to_db(valley),
        crossing_rate=_crossing_rate(samples),
        level_db=power_to_db(_frame_means(np.pad(np.square(samples), N_FFT // 2))),
        loudness=loudness,
    )


def mfcc(mel_db: FloatArray) -> FloatArray:
    """Compute mel-frequency cepstral coefficients (Davis & Mermelstein 1980).

    Parameters
    ----------
    mel_db : ndarray, shape (frames, 128), float32
        Clipped to 80 dB below its maximum.

    Returns
    -------
    ndarray, shape (frames, 20), float32
    """
    spectrum = scipy.fft.dct(apply_top_db(mel_db), type=2, norm="ortho", axis=1)
    return np.asarray(spectrum[:, :N_MFCC], dtype=np.float32)


def spectral_contrast_db(frames: FrameFeatures) -> FloatArray:
    """Compute the spectral contrast of the seven octaves, shape (frames, 7), dB."""
    return apply_top_db(frames.peak_db) - apply_top_db(frames.valley_db)


def mel_frequency(mel_db: FloatArray) -> FloatArray:
    """Compute the mean frequency of each frame on Slaney's mel scale.

    Parameters
    ----------
    mel_db : ndarray, shape (frames, 128), float32

    Returns
    -------
    ndarray, shape (frames,), float32
        In mel (1 kHz is 15); centres of bands weighted by their magnitudes.
    """
    magnitude = np.power(10, mel_db / 20, dtype=np.float32)
    centres = np.linspace(0, hz_to_mel(SAMPLE_RATE_HZ / 2), MEL_BANDS + 2, dtype=np.float32)
    return np.asarray(magnitude @ centres[1:-1] / magnitude.sum(axis=1), dtype=np.float32)


def loudness_lufs(loudness: FloatArray) -> float:
    """Compute the gated loudness (ITU-R BS.1770) of a mono downmix.

    Parameters
    ----------
    loudness : ndarray, shape (frames,), float32
        K-weighted mean squares of frames of 93 ms; the standard has blocks of 400 ms.

    Returns
    -------
    float
        In LUFS, at least -70. The standard, which adds channels, gives 3 LU more for a stereo
        file with two equal channels.
    """
    gated = loudness[loudness > 10 ** ((_GATE_LUFS - _LUFS_OFFSET) / 10)]
    if gated.size:
        gated = gated[gated > gated.mean() / 10]
    return float(10 * np.log10(gated.mean()) + _LUFS_OFFSET) if gated.size else _GATE_LUFS


def power_to_db(power: FloatArray) -> FloatArray:
    """Convert power to decibels, at least -100 dB."""
    floored = np.maximum(power, np.float32(_MIN_POWER))
    return np.asarray(10 * np.log10(floored), dtype=np.float32)


def apply_top_db(db: FloatArray) -> FloatArray:
    """Clip levels to 80 dB below their maximum."""
    return np.asarray(np.maximum(db, db.max() - np.float32(_TOP_DB)), dtype=np.float32)


def _spectral(windows: FloatArray) -> tuple[FloatArray, ...]:
    spectrum = scipy.fft.rfft(windows * hann(N_FFT), axis=1)
    power = spectrum.real**2 + spectrum.imag**2
    magnitude = np.sqrt(power)
    total, first, second = (magnitude @ _moments()).T
    total = np.maximum(total, np.float32(_MIN_POWER))
    centroid = first / total
    spread = second / total - centroid**2
    floored = np.maximum(power, np.float32(_MIN_POWER))
    flatness = np.exp(np.log(floored).mean(axis=1)) / floored.mean(axis=1)
    peak, valley = _extremes(magnitude)
    return (
        power @ mel_filters(SAMPLE_RATE_HZ, N_FFT, MEL_BANDS).T,
        power @ _k_weights(),
        centroid,
        np.sqrt(np.maximum(spread, 0)),
        BINS_HZ[_rolloff_bins(magnitude)].astype(np.float32),
        flatness,
        peak,
        valley,
    )


def _rolloff_bins(magnitude: FloatArray) -> NDArray[np.int64]:
    """Return the roll-off bin of each frame: first find the chunk of bins, then the bin in it."""
    chunks = magnitude.reshape(len(magnitude), -1, _CHUNK_BINS)
    chunk_sums = np.cumsum(chunks.sum(axis=2), axis=1)
    target = ROLLOFF_SHARE * chunk_sums[:, -1:]
    chunk = np.minimum(np.count_nonzero(chunk_sums < target, axis=1), chunk_sums.shape[1] - 1)
    rows = np.arange(len(chunk))
    before = np.where(chunk > 0, chunk_sums[rows, chunk - 1], 0)
    bin_sums = before[:, None] + np.cumsum(chunks[rows, chunk], axis=1)
    bins = chunk * _CHUNK_BINS + np.count_nonzero(bin_sums < target, axis=1)
    return np.asarray(np.minimum(bins, len(BINS_HZ) - 1))


@cache
def _moments() -> FloatArray:
    """Weights of the moments of a spectrum: columns of f^0, f^1 and f^2."""
    return np.stack([np.ones_like(BINS_HZ), BINS_HZ, BINS_HZ**2], axis=1).astype(np.float32)


@cache
def _k_weights() -> FloatArray:
    """Weights that turn the power spectrum of a frame into its K-weighted mean square.

    They are the gains of the two filters of ITU-R BS.1770-4 (tables 1 and 2) at each bin.
    """
    delay = np.exp(-2j * np.pi * BINS_HZ / 48_000)
    filters = (
        ((1.53512485958697, -2.69169618940638, 1.19839281085285),
         (1.0, -1.69065929318241, 0.73248077421585)),
        ((1.0, -2.0, 1.0), (1.0, -1.99004745483398, 0.99007225036621)),
    )  # fmt: skip
    gain = np.ones_like(BINS_HZ)
    for numerator, denominator in filters:
        response = np.polyval(numerator[::-1], delay) / np.polyval(denominator[::-1], delay)
        gain *= np.abs(response) ** 2
    # By Parseval's theorem each bin but the outer two counts for two of the full spectrum.
    gain[1:-1] *= 2
    scale = N_FFT * np.square(hann(N_FFT)).sum()
    return np.asarray(gain / scale, dtype=np.float32)


def _extremes(magnitude: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Average the strongest and the weakest bins of each octave."""
    peaks, valleys = [], []
    for low, high, count in _octaves():
        # NumPy sorts with vector instructions, several times as fast as it partitions.
        ordered = np.sort(magnitude[:, low:high], axis=1)
        peaks.append(ordered[:, -count:].mean(axis=1))
        valleys.append(ordered[:, :count].mean(axis=1))
    return np.stack(peaks, axis=1), np.stack(valleys, axis=1)


@cache
def _octaves() -> tuple[tuple[int, int, int], ...]:
    """Return first bin, end bin and number of extreme bins of each octave, as in librosa."""
    edges_hz = [0.0, *(_MIN_CONTRAST_HZ * 2.0 ** np.arange(CONTRAST_BANDS))]
    octaves = []
    for i in range(CONTRAST_BANDS):
        inside = np.flatnonzero((edges_hz[i] <= BINS_HZ) & (edges_hz[i + 1] >= BINS_HZ))
        last = i == CONTRAST_BANDS - 1
        low = int(inside[0]) - (i > 0)
        high = len(BINS_HZ) if last else int(inside[-1]) + 1
        count = max(round(_CONTRAST_QUANTILE * (high - low)), 1)
        octaves.append((low, high if last else high - 1, count))
    return tuple(octaves)


def _crossing_rate(samples: FloatArray) -> FloatArray:
    padded = np.pad(samples, N_FFT // 2, mode="edge")
    negative = padded < -_MIN_POWER
    crossings = np.zeros(len(padded), np.float32)
    crossings[1:] = negative[1:] != negative[:-1]
    # A crossing into the first sample of a frame is not inside the frame.
    starts = np.arange(0, len(padded) - N_FFT + 1, HOP_LENGTH)
    return _frame_means(crossings) - crossings[starts] / np.float32(N_FFT)


def _frame_means(padded: FloatArray) -> FloatArray:
    """Average each frame, from sums over hops; a frame has four hops."""
    hops = len(padded) // HOP_LENGTH
    sums = padded[: hops * HOP_LENGTH].reshape(hops, HOP_LENGTH).sum(axis=1, dtype=np.float64)
    per_frame = sliding_window_view(sums, N_FFT // HOP_LENGTH).sum(axis=1)
    return np.asarray(per_frame / N_FFT, dtype=np.float32)

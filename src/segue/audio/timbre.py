"""Timbre features, frame by frame, from one short-time Fourier transform."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Final

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from segue.audio.spectrogram import SAMPLE_RATE_HZ, hann, mel_filters
from segue.feature_names import CONTRAST_BANDS, N_MFCC
from segue.records import FloatArray

FRAME: Final = 2048
HOP: Final = 512
FRAMES_PER_SECOND: Final = SAMPLE_RATE_HZ / HOP  # 43.07
BINS_HZ: Final = np.arange(1 + FRAME // 2) * SAMPLE_RATE_HZ / FRAME
MEL_BANDS: Final = 128
ROLLOFF_SHARE: Final = 0.85

# Small enough that a block's spectra stay in the processor's cache.
_BLOCK_FRAMES: Final = 128
_RUN: Final = 41  # 25 runs of bins make a spectrum
_LEAST_POWER: Final = 1e-10
_RANGE_DB: Final = 80.0
_GATE_LUFS: Final = -70.0
_LUFS_OFFSET: Final = -0.691
_LOWEST_CONTRAST_HZ: Final = 200.0
_CONTRAST_QUANTILE: Final = 0.02


@dataclass(frozen=True, slots=True)
class FrameFeatures:
    """What each frame of a stretch sounds like; frames of 2048 samples, every 512.

    Attributes
    ----------
    mel_db : ndarray, shape (frames, 128), float32
        Power in mel bands, dB against full scale, no floor but 1e-10.
    centroid_hz, bandwidth_hz, rolloff_hz : ndarray, shape (frames,), float32
        Mean and spread of the spectrum (weighted by magnitude), and the frequency below which
        85 % of the magnitude lies; 0 in silence.
    flatness : ndarray, shape (frames,), float32
        Geometric over arithmetic mean of the power: 0 a tone, 1 white noise.
    peak_db, valley_db : ndarray, shape (frames, 7), float32
        The strongest and the weakest 2 % of each octave from 200 Hz (Jiang et al. 2002).
    crossing_rate : ndarray, shape (frames,), float32
        Share of samples at which the sign changes.
    level_db : ndarray, shape (frames,), float32
        Root mean square, dB against full scale.
    loudness : ndarray, shape (frames,), float32
        Mean square after the K-weighting of ITU-R BS.1770.
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

    def only(self, chosen: NDArray[np.bool_]) -> "FrameFeatures":
        """Keep some of the frames; `chosen` has shape (frames,)."""
        return FrameFeatures(*(getattr(self, field.name)[chosen] for field in fields(self)))


def concatenate_frames(stretches: Sequence[FrameFeatures]) -> FrameFeatures:
    """Put the frames of several stretches one after the other."""
    return FrameFeatures(
        *(
            np.concatenate([getattr(stretch, field.name) for stretch in stretches])
            for field in fields(FrameFeatures)
        )
    )


def frame_features(samples: FloatArray) -> FrameFeatures:
    """Compute the frames of one stretch.

    Parameters
    ----------
    samples : ndarray, shape (n,), float32
        Mono at `SAMPLE_RATE_HZ`; n at least 1.

    Returns
    -------
    Frames
        ``1 + n // 512`` of them, centred as librosa does.
    """
    windows = sliding_window_view(np.pad(samples, FRAME // 2), FRAME)[::HOP]
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
        level_db=power_to_db(_frame_means(np.pad(np.square(samples), FRAME // 2))),
        loudness=loudness,
    )


def mfcc(mel_db: FloatArray) -> FloatArray:
    """Compute mel-frequency cepstral coefficients (Davis & Mermelstein 1980).

    Parameters
    ----------
    mel_db : ndarray, shape (frames, 128), float32
        What lies more than 80 dB below its maximum is raised to that.

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
    """Compute each frame's mean frequency on Slaney's mel scale.

    Parameters
    ----------
    mel_db : ndarray, shape (frames, 128), float32

    Returns
    -------
    ndarray, shape (frames,), float32
        Mean of the bands' centres in mel (1 kHz is 15), weighted by the bands' magnitudes.
    """
    magnitude = np.power(10, mel_db / 20, dtype=np.float32)
    centres = np.linspace(0, hz_to_mel(SAMPLE_RATE_HZ / 2), MEL_BANDS + 2, dtype=np.float32)
    return np.asarray(magnitude @ centres[1:-1] / magnitude.sum(axis=1), dtype=np.float32)


def hz_to_mel(hz: float) -> float:
    """Frequency on Slaney's mel scale: linear to 1 kHz (15 mel), logarithmic above."""
    return 3 * hz / 200 if hz < 1000 else float(15 + 27 * np.log(hz / 1000) / np.log(6.4))


def loudness_lufs(loudness: FloatArray) -> float:
    """Compute gated loudness after ITU-R BS.1770, of the mono down-mix.

    Parameters
    ----------
    loudness : ndarray, shape (frames,), float32
        K-weighted mean squares; frames of 93 ms stand in for the standard's 400.

    Returns
    -------
    float
        LUFS, at least -70. A stereo file with two equal channels measures 3 more by the
        standard, which adds the channels.
    """
    gated = loudness[loudness > 10 ** ((_GATE_LUFS - _LUFS_OFFSET) / 10)]
    if gated.size:
        gated = gated[gated > gated.mean() / 10]
    return float(10 * np.log10(gated.mean()) + _LUFS_OFFSET) if gated.size else _GATE_LUFS


def power_to_db(power: FloatArray) -> FloatArray:
    """Power as decibels; nothing is below -100 dB."""
    floored = np.maximum(power, np.float32(_LEAST_POWER))
    return np.asarray(10 * np.log10(floored), dtype=np.float32)


def apply_top_db(db: FloatArray) -> FloatArray:
    """Raise what lies more than 80 dB below the maximum to that."""
    return np.asarray(np.maximum(db, db.max() - np.float32(_RANGE_DB)), dtype=np.float32)


def _spectral(windows: FloatArray) -> tuple[FloatArray, ...]:
    spectrum = scipy.fft.rfft(windows * hann(FRAME), axis=1)
    power = spectrum.real**2 + spectrum.imag**2
    magnitude = np.sqrt(power)
    total, first, second = (magnitude @ _moments()).T
    total = np.maximum(total, np.float32(_LEAST_POWER))
    centroid = first / total
    spread = second / total - centroid**2
    floored = np.maximum(power, np.float32(_LEAST_POWER))
    flatness = np.exp(np.log(floored).mean(axis=1)) / floored.mean(axis=1)
    peak, valley = _extremes(magnitude)
    return (
        power @ mel_filters(SAMPLE_RATE_HZ, FRAME, MEL_BANDS).T,
        power @ _k_weights(),
        centroid,
        np.sqrt(np.maximum(spread, 0)),
        BINS_HZ[_rolloff_bins(magnitude)].astype(np.float32),
        flatness,
        peak,
        valley,
    )


def _rolloff_bins(magnitude: FloatArray) -> NDArray[np.int64]:
    """Find where 85 % of each spectrum is reached: first the run of bins, then the bin in it."""
    runs = magnitude.reshape(len(magnitude), -1, _RUN)
    running = np.cumsum(runs.sum(axis=2), axis=1)
    wanted = ROLLOFF_SHARE * running[:, -1:]
    run = np.minimum(np.count_nonzero(running < wanted, axis=1), running.shape[1] - 1)
    rows = np.arange(len(run))
    before = np.where(run > 0, running[rows, run - 1], 0)
    inside = before[:, None] + np.cumsum(runs[rows, run], axis=1)
    bins = run * _RUN + np.count_nonzero(inside < wanted, axis=1)
    return np.asarray(np.minimum(bins, len(BINS_HZ) - 1))


@cache
def _moments() -> FloatArray:
    """Columns that sum a spectrum and weigh it by frequency and by its square."""
    return np.stack([np.ones_like(BINS_HZ), BINS_HZ, BINS_HZ**2], axis=1).astype(np.float32)


@cache
def _k_weights() -> FloatArray:
    """Weights that turn a frame's power spectrum into its K-weighted mean square.

    The two filters of ITU-R BS.1770-4 (tables 1 and 2), as gains at each bin's frequency.
    """
    delay = np.exp(-2j * np.pi * BINS_HZ / 48_000)
    filters = (
        ((1.53512485958697, -2.69169618940638, 1.19839281085285),
         (1.0, -1.69065929318241, 0.73248077421585)),
        ((1.0, -2.0, 1.0), (1.0, -1.99004745483398, 0.99007225036621)),
    )  # fmt: skip
    gain = np.ones_like(BINS_HZ)
    for ahead, back in filters:
        gain *= np.abs(np.polyval(ahead[::-1], delay) / np.polyval(back[::-1], delay)) ** 2
    # Parseval: each bin but the outer two stands for two of the full spectrum.
    gain[1:-1] *= 2
    scale = FRAME * np.square(hann(FRAME)).sum()
    return np.asarray(gain / scale, dtype=np.float32)


def _extremes(magnitude: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Average the strongest and the weakest bins of each octave."""
    peaks, valleys = [], []
    for low, high, count in _octaves():
        # A full sort: numpy has it in vector instructions, several times faster than selection.
        ordered = np.sort(magnitude[:, low:high], axis=1)
        peaks.append(ordered[:, -count:].mean(axis=1))
        valleys.append(ordered[:, :count].mean(axis=1))
    return np.stack(peaks, axis=1), np.stack(valleys, axis=1)


@cache
def _octaves() -> tuple[tuple[int, int, int], ...]:
    """First bin, end bin and number of extreme bins of each octave, as librosa divides them."""
    edges_hz = [0.0, *(_LOWEST_CONTRAST_HZ * 2.0 ** np.arange(CONTRAST_BANDS))]
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
    padded = np.pad(samples, FRAME // 2, mode="edge")
    negative = padded < -_LEAST_POWER
    crossings = np.zeros(len(padded), np.float32)
    crossings[1:] = negative[1:] != negative[:-1]
    # The step into a frame is not inside it.
    starts = np.arange(0, len(padded) - FRAME + 1, HOP)
    return _frame_means(crossings) - crossings[starts] / np.float32(FRAME)


def _frame_means(padded: FloatArray) -> FloatArray:
    """Average of each frame, from sums over hops: a frame is four of them."""
    hops = len(padded) // HOP
    sums = padded[: hops * HOP].reshape(hops, HOP).sum(axis=1, dtype=np.float64)
    per_frame = sliding_window_view(sums, FRAME // HOP).sum(axis=1)
    return np.asarray(per_frame / FRAME, dtype=np.float32)

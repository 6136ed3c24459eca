"""Recordings as log-mel patches: pure functions on arrays."""

from functools import cache
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from segue.errors import BadArgument
from segue.records import FloatArray, Recording, Span

SAMPLE_RATE_HZ: Final = 22_050

# MusiCNN's own representation; Pons & Serra 2019.
MUSICNN_RATE_HZ: Final = 16_000
MUSICNN_FFT: Final = 512
MUSICNN_HOP: Final = 256
MUSICNN_BANDS: Final = 96
PATCH_FRAMES: Final = 187
PATCH_S: Final = PATCH_FRAMES * MUSICNN_HOP / MUSICNN_RATE_HZ  # 2.992

# Up to this length a track is analysed whole; of a longer one, one long stretch and many short
# ones spread over the rest. bench/long_tracks.py tells how near that comes to the whole.
WHOLE_S: Final = 80.0
LONG_STRETCH_S: Final = 30.0
LONG_STRETCH_AT: Final = 0.25  # where it begins, as a share of the track
SHORT_STRETCH_S: Final = PATCH_S + 0.02
SHORT_STRETCHES: Final = 15


def spans_to_analyse(duration_s: float) -> tuple[Span, ...]:
    """Choose the stretches of a track that stand for all of it.

    Parameters
    ----------
    duration_s : float
        Length of the track in seconds, above 0.

    Returns
    -------
    tuple of Span
        In order of time; 75 s together, where there is that much, of which one stretch of
        30 s.
    """
    if duration_s <= WHOLE_S:
        return (Span(0.0, duration_s),)
    start_s = LONG_STRETCH_AT * duration_s
    long = Span(start_s, start_s + LONG_STRETCH_S)
    rest_s = duration_s - LONG_STRETCH_S
    spans = [long]
    for i in range(SHORT_STRETCHES):
        # Centres spread evenly over what the long stretch leaves.
        centre_s = (i + 0.5) / SHORT_STRETCHES * rest_s
        if centre_s + SHORT_STRETCH_S / 2 > long.start_s:
            centre_s = max(centre_s, long.start_s + SHORT_STRETCH_S / 2) + LONG_STRETCH_S
        start = min(max(centre_s - SHORT_STRETCH_S / 2, 0.0), duration_s - SHORT_STRETCH_S)
        spans.append(Span(start, start + SHORT_STRETCH_S))
    return tuple(sorted(spans, key=lambda span: span.start_s))


def musicnn_patches(recording: Recording) -> FloatArray:
    """Cut a recording into MusiCNN's input.

    Returns
    -------
    ndarray, shape (patches, 187, 96), float32
        ``log10(10000 * power + 1)``. A stretch gives as many patches as fit without
        overlap, spread evenly over it; one shorter than a patch is repeated to fill it.
    """
    return np.concatenate([_patches(musicnn_log_mel(x)) for x in recording.excerpts])


def musicnn_log_mel(samples: FloatArray) -> FloatArray:
    """Compute MusiCNN's log-mel spectrogram.

    Parameters
    ----------
    samples : ndarray, shape (n,), float32
        Mono at `SAMPLE_RATE_HZ`.

    Returns
    -------
    ndarray, shape (frames, 96), float32
    """
    if samples.ndim != 1 or samples.size == 0:
        raise BadArgument(f"expected mono samples of shape (n,), got {samples.shape}")
    import soxr  # not needed by those who only want a constant

    at_16k = soxr.resample(samples, SAMPLE_RATE_HZ, MUSICNN_RATE_HZ)
    power = power_spectrogram(at_16k, MUSICNN_FFT, MUSICNN_HOP)
    mel = power @ mel_filters(MUSICNN_RATE_HZ, MUSICNN_FFT, MUSICNN_BANDS).T
    log_mel: FloatArray = np.log10(10_000 * mel + 1, dtype=np.float32)
    return log_mel


def power_spectrogram(samples: FloatArray, n_fft: int, hop: int) -> FloatArray:
    """Compute a centred, Hann-windowed power spectrogram, as librosa does.

    Returns
    -------
    ndarray, shape (1 + n // hop, 1 + n_fft // 2), float32
    """
    import scipy.fft  # slow to import, and searching needs it not

    padded = np.pad(samples, n_fft // 2)
    frames = sliding_window_view(padded, n_fft)[::hop]
    spectrum = scipy.fft.rfft(frames * hann(n_fft), axis=1)
    power: FloatArray = spectrum.real**2 + spectrum.imag**2
    return power


@cache
def hann(n: int) -> FloatArray:
    """Periodic Hann window."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)).astype(np.float32)


@cache
def mel_filters(rate_hz: int, n_fft: int, bands: int, fmax_hz: float | None = None) -> FloatArray:
    """Triangular filters on Slaney's mel scale, each of unit area (librosa's default).

    Returns
    -------
    ndarray, shape (bands, 1 + n_fft // 2), float32
    """
    edges_hz = _mel_to_hz(np.linspace(0.0, _hz_to_mel(fmax_hz or rate_hz / 2), bands + 2))
    bins_hz = np.arange(1 + n_fft // 2) * rate_hz / n_fft
    widths = np.diff(edges_hz)
    ramps = edges_hz[:, None] - bins_hz
    rising = -ramps[:-2] / widths[:-1, None]
    falling = ramps[2:] / widths[1:, None]
    triangles = np.maximum(0, np.minimum(rising, falling))
    filters: FloatArray = triangles * (2 / (edges_hz[2:] - edges_hz[:-2]))[:, None]
    return filters.astype(np.float32)


# Slaney's scale (Auditory Toolbox, 1998): linear to 1 kHz, then 27 bands an e-fold of 6.4.
_HZ_PER_MEL: Final = 200 / 3
_KNEE_HZ: Final = 1000.0
_KNEE_MEL: Final = _KNEE_HZ / _HZ_PER_MEL
_LOG_STEP: Final = np.log(6.4) / 27


def _hz_to_mel(hz: float) -> float:
    if hz < _KNEE_HZ:
        return hz / _HZ_PER_MEL
    return float(_KNEE_MEL + np.log(hz / _KNEE_HZ) / _LOG_STEP)


def _mel_to_hz(mel: np.ndarray) -> np.ndarray:
    above = _KNEE_HZ * np.exp(_LOG_STEP * (mel - _KNEE_MEL))
    return np.where(mel < _KNEE_MEL, mel * _HZ_PER_MEL, above)


def _patches(log_mel: FloatArray) -> FloatArray:
    frames = len(log_mel)
    if frames < PATCH_FRAMES:
        return np.resize(log_mel, (1, PATCH_FRAMES, log_mel.shape[1]))
    count = frames // PATCH_FRAMES
    starts = np.linspace(0, frames - PATCH_FRAMES, count).round().astype(int)
    return np.stack([log_mel[start : start + PATCH_FRAMES] for start in starts])

"""Log-mel images of recordings, as the learned spaces take them: pure functions on arrays.

An image is kept in bytes, 0 for 80 dB below the recording's loudest value and 255 for that
value: rounding moves a value by at most 0.2 % of the range, far less than any model's error.
"""

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.records import FloatArray, Span
from segue.represent.sound import SAMPLE_RATE_HZ, mel_filters, power_spectrogram

ByteArray = NDArray[np.uint8]

#: Changes when, and only when, a golden image moves.
VERSION: Final = 1

N_FFT: Final = 2048
HOP: Final = 512
STFT_FRAMES_PER_SECOND: Final = SAMPLE_RATE_HZ / HOP
RANGE_DB: Final = 80.0

#: The stretch that is learned from: 60 s from 0:30, as published; less where less is there.
STRETCH_S: Final = 60.0
STRETCH_START_S: Final = 30.0

MFCC_COEFFICIENTS: Final = 32
CHROMA_CLASSES: Final = 12
_LOWEST_CHROMA_HZ: Final = 65.4  # C2; below, a bin of the spectrum holds several notes
_HIGHEST_CHROMA_HZ: Final = 4186.0


@dataclass(frozen=True, slots=True)
class LogMel:
    """One kind of image.

    Attributes
    ----------
    name : str
    bands : int
        Mel bands, the rows; the first is the highest, as in a picture.
    fmax_hz : float
        Upper edge of the highest band.
    frames_per_second : float
        Columns.
    channels : int
        1, or 3: mel, MFCC and chroma.
    """

    name: str
    bands: int
    fmax_hz: float
    frames_per_second: float
    channels: int = 1


# The published images of 30 s are 512 columns wide.
_TILE_FRAMES_PER_SECOND: Final = 512 / 30

#: The kinds by name: "mel512" of the network `conv`, the others of those with tiles.
LOG_MELS: Final = {
    image.name: image
    for image in (
        LogMel("mel512", 512, 8192.0, STFT_FRAMES_PER_SECOND),
        LogMel("mel128", 128, 8000.0, _TILE_FRAMES_PER_SECOND),
        LogMel("mel128+mfcc+chroma", 128, 8000.0, _TILE_FRAMES_PER_SECOND, 3),
    )
}


def stretch_to_learn(duration_s: float) -> tuple[Span, ...]:
    """Choose the one stretch of a recording that is learned from.

    Parameters
    ----------
    duration_s : float
        Length of the recording in seconds, above 0.

    Returns
    -------
    tuple of one Span
    """
    length_s = min(STRETCH_S, duration_s)
    start_s = min(STRETCH_START_S, duration_s - length_s)
    return (Span(start_s, start_s + length_s),)


def log_mel_image(samples: FloatArray, kind: LogMel) -> ByteArray:
    """Make the image of a recording.

    Parameters
    ----------
    samples : ndarray, shape (n,), float32
        Mono at `segue.represent.sound.SAMPLE_RATE_HZ`, full scale 1.0.
    kind : LogMel

    Returns
    -------
    ndarray, shape (kind.channels, kind.bands, frames), uint8
    """
    if samples.ndim != 1 or samples.size == 0:
        raise BadArgument(f"expected mono samples of shape (n,), got {samples.shape}")
    power = power_spectrogram(samples, N_FFT, HOP)
    filters = mel_filters(SAMPLE_RATE_HZ, N_FFT, kind.bands, kind.fmax_hz)
    mel = _scaled_decibels(power @ filters.T)
    planes = [mel]
    if kind.channels == 3:
        planes += [_mfcc_plane(mel), _chroma_plane(power, kind.bands)]
    frames = len(power)
    if kind.frames_per_second != STFT_FRAMES_PER_SECOND:
        frames = max(round(len(samples) / SAMPLE_RATE_HZ * kind.frames_per_second), 1)
    image = np.stack([_resize(plane, frames).T[::-1] for plane in planes])
    return np.asarray(np.rint(image * 255), np.uint8)


def bands_hz(kind: LogMel) -> FloatArray:
    """Return the centre of each band in hertz, from the image's first row down."""
    filters = mel_filters(SAMPLE_RATE_HZ, N_FFT, kind.bands, kind.fmax_hz)
    bins_hz = np.arange(filters.shape[1]) * SAMPLE_RATE_HZ / N_FFT
    # Bands narrower than a bin are empty; they lie between their neighbours.
    weights = filters.sum(axis=1)
    there = weights > 0
    centres = (filters @ bins_hz)[there] / weights[there]
    bands = np.arange(kind.bands)
    return np.asarray(np.interp(bands, bands[there], centres)[::-1], np.float32)


def image_power(plane: FloatArray, kind: LogMel) -> FloatArray:
    """Undo the image: the mel power spectrogram, up to its loudness.

    Parameters
    ----------
    plane : ndarray, shape (bands, frames), float
        The mel channel, within 0 to 1.

    Returns
    -------
    ndarray, shape (STFT frames, bands), float32
        At `STFT_FRAMES_PER_SECOND`, the lowest band first; its greatest value is 1.
    """
    seconds = plane.shape[1] / kind.frames_per_second
    mel = _resize(plane[::-1].T, max(round(seconds * STFT_FRAMES_PER_SECOND), 1))
    return np.asarray(10 ** ((mel - 1) * RANGE_DB / 10), np.float32)


def _scaled_decibels(power: FloatArray) -> FloatArray:
    """Decibels below the greatest value, RANGE_DB of them, as 0 to 1."""
    decibels = 10 * np.log10(np.maximum(power, 1e-20) / max(float(power.max()), 1e-20))
    return np.asarray(np.clip(1 + decibels / RANGE_DB, 0, 1), np.float32)


def _mfcc_plane(mel: FloatArray) -> FloatArray:
    """Cepstral coefficients, the lowest at the bottom, each as wide as four bands."""
    coefficients = scipy.fft.dct(mel, axis=1, norm="ortho")[:, :MFCC_COEFFICIENTS]
    # The first is the mean level, 0 to sqrt(bands); the others fall off about as 1 / number.
    reach = np.sqrt(mel.shape[1]) / (1 + np.arange(MFCC_COEFFICIENTS))
    scaled = 0.5 + 0.5 * coefficients / reach
    scaled[:, 0] = coefficients[:, 0] / reach[0]
    wide = np.repeat(np.clip(scaled, 0, 1), mel.shape[1] // MFCC_COEFFICIENTS, axis=1)
    return np.asarray(wide, np.float32)


def _chroma_plane(power: FloatArray, bands: int) -> FloatArray:
    """Strength of the twelve pitch classes, the strongest of a frame 1, C at the bottom."""
    chroma = power @ _chroma_filters()
    chroma /= np.maximum(chroma.max(axis=1, keepdims=True), 1e-20)
    rows = np.arange(bands) * CHROMA_CLASSES // bands
    return np.asarray(np.sqrt(chroma[:, rows]), np.float32)


@cache
def _chroma_filters() -> FloatArray:
    bins_hz = np.arange(1 + N_FFT // 2) * SAMPLE_RATE_HZ / N_FFT
    heard = (bins_hz >= _LOWEST_CHROMA_HZ) & (bins_hz <= _HIGHEST_CHROMA_HZ)
    classes = np.round(12 * np.log2(np.maximum(bins_hz, 1) / 440) + 9).astype(int) % 12
    filters = np.zeros((len(bins_hz), CHROMA_CLASSES), np.float32)
    filters[np.flatnonzero(heard), classes[heard]] = 1
    return filters


def _resize(rows: FloatArray, count: int) -> FloatArray:
    """Resize along the first axis: each new row is the mean of the stretch it covers."""
    old = len(rows)
    if count == old:
        return rows
    if count > old:
        places = (np.arange(count) + 0.5) * old / count - 0.5
        low = np.clip(np.floor(places).astype(int), 0, old - 1)
        high = np.minimum(low + 1, old - 1)
        share = np.clip(places - low, 0, 1)[:, None].astype(np.float32)
        return np.asarray(rows[low] * (1 - share) + rows[high] * share, np.float32)
    sums = np.concatenate([np.zeros((1, rows.shape[1])), np.cumsum(rows, axis=0, dtype=float)])
    edges = np.linspace(0, old, count + 1)
    low = np.minimum(edges.astype(int), old - 1)
    at_edges = sums[low] + (edges - low)[:, None] * rows[low]
    return np.asarray(np.diff(at_edges, axis=0) * count / old, np.float32)

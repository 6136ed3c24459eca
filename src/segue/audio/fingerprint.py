"""Audio fingerprints.

A fingerprint has one bit per band and frame: whether the difference between the energies of
neighbouring bands rose (Haitsma & Kalker, "A highly robust audio fingerprinting system", ISMIR
2002). Here there is a quarter of the frames, and energies are logarithmic, so that a fingerprint
fits into a database row.
"""

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from segue.audio.spectrogram import SAMPLE_RATE_HZ, hann
from segue.errors import BadArgument
from segue.records import FloatArray, Recording

FRAMES_PER_SECOND: Final = 21
BITS: Final = 32
MAX_DURATION_S: Final = 30.0

#: Minimum similarity of fingerprints of one recording. Copies have 0.73 and more, other mixes of
#: a track up to 0.61, unrelated music 0.2; see bench/tables/audio_fingerprints.md.
SAME_RECORDING_THRESHOLD: Final = 0.65

_RATE_HZ: Final = SAMPLE_RATE_HZ // 3
_HOP: Final = _RATE_HZ // FRAMES_PER_SECOND
_WINDOW: Final = 2700  # 0.37 s, as published
_MIN_HZ: Final = 250.0  # kept by small loudspeakers and low bit rates
_MAX_HZ: Final = 3000.0
_STEP: Final = 8  # frames between the compared energies
_FLOOR: Final = 1e-4  # share of the strongest band, below which noise must not decide a bit
_MIN_CHANGE: Final = 0.05  # mean change of log energy of an informative frame
_MAX_LAG: Final = 20 * FRAMES_PER_SECOND
_TARGET_FRAMES: Final = 10 * FRAMES_PER_SECOND
_MIN_FRAMES: Final = 3 * FRAMES_PER_SECOND
_SKIP: Final = 4  # the first search for the lag uses every fourth frame
_CANDIDATES: Final = 8

assert SAMPLE_RATE_HZ % 3 == 0  # noqa: S101 (derived once, checked once)
assert _RATE_HZ % FRAMES_PER_SECOND == 0  # noqa: S101

Fingerprint = NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Match:
    """The best alignment of two fingerprints.

    Attributes
    ----------
    similarity : float
        1 minus twice the share of different bits: 1 for equal bits, about 0 for unrelated
        recordings. 0 if there is too little to compare.
    lag_s : float
        Delay of the first recording against the second.
    overlap_s : float
        Duration that was compared.
    """

    similarity: float
    lag_s: float
    overlap_s: float


def fingerprint(recording: Recording) -> Fingerprint:
    """Compute the fingerprint of the middle 30 s of the longest excerpt of a recording.

    Parameters
    ----------
    recording : Recording
        Sampled at `segue.audio.spectrogram.SAMPLE_RATE_HZ`.

    Returns
    -------
    ndarray of uint32, shape (frames,)
        21 frames per second of 32 bits, at most 2.5 kB; 0 for a frame without information, as in
        silence or a steady tone. Empty for less than half a second.
    """
    samples = max(recording.excerpts, key=len)
    spare = max(len(samples) - round(MAX_DURATION_S * SAMPLE_RATE_HZ), 0)
    energies = _band_energies(samples[spare // 2 : len(samples) - (spare - spare // 2)])
    floor = max(_FLOOR * float(energies.max()), 1e-12)
    slopes = np.diff(np.log(energies + floor), axis=1)
    rises = slopes[_STEP:] - slopes[:-_STEP]
    words = np.packbits(rises > 0, axis=1, bitorder="little").view("<u4")[:, 0].astype(np.uint32)
    informative = np.abs(rises).mean(axis=1) > _MIN_CHANGE
    # 0 is reserved for frames without information.
    return np.where(informative, np.maximum(words, 1), 0).astype(np.uint32)


def same_recording(a: Fingerprint, b: Fingerprint) -> bool:
    """Return whether two fingerprints are of one recording.

    Format, bit rate, loudness and a few missing seconds at either end make no difference. Other
    performances are not the same recording, nor is anything with less than 3 s of information.
    """
    return match(a, b).similarity >= SAME_RECORDING_THRESHOLD


def match(a: Fingerprint, b: Fingerprint) -> Match:
    """Find the best alignment of two fingerprints with a lag of up to 20 s.

    Parameters
    ----------
    a, b : ndarray of uint32, shape (frames,)

    Returns
    -------
    Match
        With an overlap of at least 10 s or half of the shorter fingerprint, and at least 3 s.
    """
    for words in (a, b):
        if words.dtype != np.uint32 or words.ndim != 1:
            raise BadArgument(
                f"expected a fingerprint, uint32 of shape (frames,), got {words.dtype} of shape "
                f"{words.shape}; make it with segue.audio.fingerprint.fingerprint"
            )
    informative = int(min(np.count_nonzero(a), np.count_nonzero(b)))
    min_overlap = max(min(_TARGET_FRAMES, informative // 2), _MIN_FRAMES)
    if informative < min_overlap:
        return Match(0.0, 0.0, 0.0)
    shifted = sliding_window_view(np.pad(b, (_MAX_LAG, len(a) + _MAX_LAG)), len(a))
    shifted = shifted[: 2 * _MAX_LAG + 1]
    coarse, _ = _errors(shifted[:, ::_SKIP], a[::_SKIP], min_overlap // _SKIP)
    candidates = np.argpartition(coarse, _CANDIDATES)[:_CANDIDATES]
    errors, compared = _errors(shifted[candidates], a, min_overlap)
    best = int(errors.argmin())
    if compared[best] < min_overlap:
        return Match(0.0, 0.0, 0.0)
    return Match(
        similarity=1.0 - 2.0 * float(errors[best]),
        lag_s=(_MAX_LAG - int(candidates[best])) / FRAMES_PER_SECOND,
        overlap_s=int(compared[best]) / FRAMES_PER_SECOND,
    )


def _errors(
    shifted: Fingerprint, a: Fingerprint, min_overlap: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the bit error rate at each lag, 1 if the overlap is too short, and the overlap."""
    comparable = (shifted != 0) & (a != 0)
    compared = np.count_nonzero(comparable, axis=1)
    differing = (np.bitwise_count(shifted ^ a) * comparable).sum(axis=1, dtype=np.uint32)
    errors = np.where(compared >= min_overlap, differing / np.maximum(BITS * compared, 1), 1.0)
    return errors, compared


def _band_energies(samples: FloatArray) -> FloatArray:
    """Compute the energy in 33 bands of equal width in octaves, shape (frames, 33)."""
    import scipy.fft  # slow to import
    import soxr

    low_rate = np.asarray(soxr.resample(samples, SAMPLE_RATE_HZ, _RATE_HZ), dtype=np.float32)
    windows = sliding_window_view(np.pad(low_rate, _WINDOW // 2), _WINDOW)[::_HOP]
    bands = _bands()
    spectrum = scipy.fft.rfft(windows * hann(_WINDOW), axis=1)[:, : len(bands)]
    return np.asarray((spectrum.real**2 + spectrum.imag**2) @ bands, dtype=np.float32)


@cache
def _bands() -> FloatArray:
    """Return a mask of the bins of each band, shape (bins, 33)."""
    edges_hz = np.geomspace(_MIN_HZ, _MAX_HZ, BITS + 2)
    edges = np.round(edges_hz * _WINDOW / _RATE_HZ)
    bins = np.arange(edges[-1])[:, None]
    return np.asarray((bins >= edges[:-1]) & (bins < edges[1:]), dtype=np.float32)

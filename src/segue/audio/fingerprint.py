"""Audio fingerprints.

After Haitsma & Kalker, "A highly robust audio fingerprinting system", ISMIR 2002: one bit per
band and frame, whether the difference between neighbouring bands' energy rose. Here with a
quarter of their frames, and on logarithms, so that a fingerprint fits into a database row.
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

#: Changes when, and only when, fingerprints of two versions would not match.
VERSION: Final = 1

FRAMES_PER_SECOND: Final = 21
BITS: Final = 32
MAX_DURATION_S: Final = 30.0

#: From here on two fingerprints are of one recording. Copies reach 0.73 and more, other mixes of
#: the same tracks up to 0.61, unrelated music 0.2: see bench/tables/duplicates.md.
SAME_RECORDING_THRESHOLD: Final = 0.65

_RATE_HZ: Final = SAMPLE_RATE_HZ // 3
_HOP: Final = _RATE_HZ // FRAMES_PER_SECOND
_WINDOW: Final = 2700  # 0.37 s, as theirs
_LOWEST_HZ: Final = 250.0  # what small loudspeakers and the crudest codecs keep
_HIGHEST_HZ: Final = 3000.0
_STEP: Final = 8  # frames over which a rise is looked for
_FLOOR: Final = 1e-4  # of the strongest band: noise below it decides no bit
_LEAST_CHANGE: Final = 0.05  # mean change of the logarithms; a frame with less says nothing
_MAX_LAG: Final = 20 * FRAMES_PER_SECOND
_FRAMES_WANTED: Final = 10 * FRAMES_PER_SECOND
_FEWEST_FRAMES: Final = 3 * FRAMES_PER_SECOND
_SKIP: Final = 4  # the search for the lag looks at every fourth frame
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
        1 less twice the share of bits that differ: 1 for equal bits, about 0 for unrelated
        recordings; 0 too where there is too little to compare.
    lag_s : float
        How much later the common music comes in the first stretch than in the second.
    overlap_s : float
        How much music was compared.
    """

    similarity: float
    lag_s: float
    overlap_s: float


def fingerprint(recording: Recording) -> Fingerprint:
    """Fingerprint the middle half minute of a recording's longest stretch.

    Parameters
    ----------
    recording : Recording
        With samples at `segue.audio.spectrogram.SAMPLE_RATE_HZ`.

    Returns
    -------
    ndarray of uint32, shape (frames,)
        21 frames a second of 32 bits; 0 for a frame that says nothing, as in silence or a
        steady tone. At most 2.5 kB; empty for less than half a second of sound.
    """
    samples = max(recording.excerpts, key=len)
    spare = max(len(samples) - round(MAX_DURATION_S * SAMPLE_RATE_HZ), 0)
    energies = _band_energies(samples[spare // 2 : len(samples) - (spare - spare // 2)])
    floor = max(_FLOOR * float(energies.max()), 1e-12)
    slopes = np.diff(np.log(energies + floor), axis=1)
    rises = slopes[_STEP:] - slopes[:-_STEP]
    words = np.packbits(rises > 0, axis=1, bitorder="little").view("<u4")[:, 0].astype(np.uint32)
    telling = np.abs(rises).mean(axis=1) > _LEAST_CHANGE
    # A telling frame must not look like a silent one.
    return np.where(telling, np.maximum(words, 1), 0).astype(np.uint32)


def same_recording(a: Fingerprint, b: Fingerprint) -> bool:
    """Tell whether two fingerprints are of one recording.

    Parameters
    ----------
    a, b : ndarray of uint32, shape (frames,)

    Returns
    -------
    bool
        True for other bit rates and formats, other loudness, and a few seconds missing at
        either end; False for other performances and for what is too short or too still to
        tell (less than 3 s that change).
    """
    return match(a, b).similarity >= SAME_RECORDING_THRESHOLD


def match(a: Fingerprint, b: Fingerprint) -> Match:
    """Find the best alignment, up to 20 s apart, of two fingerprints.

    Parameters
    ----------
    a, b : ndarray of uint32, shape (frames,)

    Returns
    -------
    Match
        Alignments are considered that leave 10 s to compare, or half of the shorter one where
        that is less, but never under 3 s.
    """
    for words in (a, b):
        if words.dtype != np.uint32 or words.ndim != 1:
            raise BadArgument(
                f"expected a fingerprint, uint32 of shape (frames,), got {words.dtype} of shape "
                f"{words.shape}; make it with segue.audio.fingerprint.fingerprint"
            )
    telling = int(min(np.count_nonzero(a), np.count_nonzero(b)))
    needed = max(min(_FRAMES_WANTED, telling // 2), _FEWEST_FRAMES)
    if telling < needed:
        return Match(0.0, 0.0, 0.0)
    shifted = sliding_window_view(np.pad(b, (_MAX_LAG, len(a) + _MAX_LAG)), len(a))
    shifted = shifted[: 2 * _MAX_LAG + 1]
    rough, _ = _errors(shifted[:, ::_SKIP], a[::_SKIP], needed // _SKIP)
    candidates = np.argpartition(rough, _CANDIDATES)[:_CANDIDATES]
    errors, compared = _errors(shifted[candidates], a, needed)
    best = int(errors.argmin())
    if compared[best] < needed:
        return Match(0.0, 0.0, 0.0)
    return Match(
        similarity=1.0 - 2.0 * float(errors[best]),
        lag_s=(_MAX_LAG - int(candidates[best])) / FRAMES_PER_SECOND,
        overlap_s=int(compared[best]) / FRAMES_PER_SECOND,
    )


def _errors(
    shifted: Fingerprint, a: Fingerprint, needed: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Share of differing bits at each lag, 1 where too few frames meet, and how many met."""
    both = (shifted != 0) & (a != 0)
    compared = np.count_nonzero(both, axis=1)
    differing = (np.bitwise_count(shifted ^ a) * both).sum(axis=1, dtype=np.uint32)
    errors = np.where(compared >= needed, differing / np.maximum(BITS * compared, 1), 1.0)
    return errors, compared


def _band_energies(samples: FloatArray) -> FloatArray:
    """Energy in 33 bands of equal width in octaves, shape (frames, 33)."""
    import scipy.fft  # slow to import, and comparing fingerprints needs it not
    import soxr

    low_rate = np.asarray(soxr.resample(samples, SAMPLE_RATE_HZ, _RATE_HZ), dtype=np.float32)
    windows = sliding_window_view(np.pad(low_rate, _WINDOW // 2), _WINDOW)[::_HOP]
    bands = _bands()
    spectrum = scipy.fft.rfft(windows * hann(_WINDOW), axis=1)[:, : len(bands)]
    return np.asarray((spectrum.real**2 + spectrum.imag**2) @ bands, dtype=np.float32)


@cache
def _bands() -> FloatArray:
    """Which bins each band sums, as ones and zeros, shape (bins, 33)."""
    edges_hz = np.geomspace(_LOWEST_HZ, _HIGHEST_HZ, BITS + 2)
    edges = np.round(edges_hz * _WINDOW / _RATE_HZ)
    bins = np.arange(edges[-1])[:, None]
    return np.asarray((bins >= edges[:-1]) & (bins < edges[1:]), dtype=np.float32)

"""From a mel spectrogram back to sound: what a reconstruction sounds like, phases guessed."""

from typing import Final

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.records import FloatArray
from segue.represent.log_mel import HOP, N_FFT, LogMel, image_power
from segue.represent.sound import SAMPLE_RATE_HZ, hann, mel_filters

UNMIXING_ROUNDS: Final = 30
GRIFFIN_LIM_ROUNDS: Final = 32
#: Fast Griffin-Lim's acceleration.
MOMENTUM: Final = 0.99
PEAK: Final = 0.9
_TINY: Final = 1e-12
_OVERLAP_SUM: Final = 1.5


def sound_of_image(plane: FloatArray, kind: LogMel, seed: int = 0) -> FloatArray:
    """Make sound of the mel channel of an image.

    Magnitudes are found by multiplicative updates (Lee & Seung 2001), phases by fast
    Griffin-Lim (Perraudin, Balazs & Søndergaard, WASPAA 2013).

    Parameters
    ----------
    plane : ndarray, shape (kind.bands, frames), float
        Within 0 to 1, the highest band first.
    kind : LogMel
    seed : int
        Of the first guess at the phases.

    Returns
    -------
    ndarray, shape (samples,), float32
        Mono at `segue.represent.sound.SAMPLE_RATE_HZ`, its peak 0.9.
    """
    if plane.ndim != 2 or plane.shape[0] != kind.bands:
        raise BadArgument(f"expected a plane of shape ({kind.bands}, frames), got {plane.shape}")
    power = image_power(np.clip(plane, 0, 1), kind)
    magnitude = np.sqrt(_spectrum(power, kind))
    samples = _griffin_lim(magnitude, np.random.default_rng(seed))
    return np.asarray(samples * PEAK / max(float(np.abs(samples).max()), _TINY), np.float32)


def _spectrum(mel: FloatArray, kind: LogMel) -> FloatArray:
    """Find a power spectrum, nowhere below 0, that gives the mel spectrum.

    Parameters
    ----------
    mel : ndarray, shape (frames, bands)

    Returns
    -------
    ndarray, shape (frames, 1 + N_FFT // 2)
    """
    filters = mel_filters(SAMPLE_RATE_HZ, N_FFT, kind.bands, kind.fmax_hz)
    target = mel @ filters
    spectrum = target.copy()
    mixed = spectrum @ filters.T
    for _ in range(UNMIXING_ROUNDS):
        spectrum *= target / np.maximum(mixed @ filters, _TINY)
        mixed = spectrum @ filters.T
    return spectrum


def _griffin_lim(magnitude: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Guess phases that fit overlapping frames, shape (frames, bins) → (samples,)."""
    guess = magnitude * np.exp(2j * np.pi * rng.random(magnitude.shape)).astype(np.complex64)
    before = np.zeros_like(guess)
    for _ in range(GRIFFIN_LIM_ROUNDS):
        heard = _transform(_overlapped(guess), len(magnitude))
        faster = heard + MOMENTUM * (heard - before)
        before = heard
        guess = magnitude * faster / np.maximum(np.abs(faster), _TINY)
    return _overlapped(guess)


def _transform(samples: FloatArray, frames: int) -> NDArray[np.complex64]:
    cut = sliding_window_view(np.pad(samples, N_FFT // 2), N_FFT)[::HOP][:frames]
    return np.asarray(scipy.fft.rfft(cut * hann(N_FFT), axis=1), np.complex64)


def _overlapped(spectrum: NDArray[np.complex64]) -> FloatArray:
    """Add up frames; Hann windows, squared, at a quarter of their length sum to 1.5."""
    pieces = scipy.fft.irfft(spectrum, N_FFT, axis=1) * hann(N_FFT) / _OVERLAP_SUM
    frames, quarters = len(pieces), N_FFT // HOP
    samples = np.zeros((frames + quarters - 1, HOP), np.float32)
    for quarter in range(quarters):
        samples[quarter : quarter + frames] += pieces[:, quarter * HOP : (quarter + 1) * HOP]
    centred = samples.ravel()[N_FFT // 2 :]
    return centred[: max(frames - 1, 1) * HOP]

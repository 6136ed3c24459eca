"""Log-mel spectrograms of recordings, and back to audio by Griffin-Lim.

Recordings as log-mel patches: pure functions on arrays.

Log-mel images of recordings, as the learned spaces take them: pure functions on arrays.

An image is kept in bytes, 0 for 80 dB below the recording's loudest value and 255 for that
value: rounding moves a value by at most 0.2 % of the range, far less than any model's error.

From a mel spectrogram back to sound: what a reconstruction sounds like, phases guessed.
"""

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.records import FloatArray, Recording, Span

# --- sound ---

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


# --- log mel ---

ByteArray = NDArray[np.uint8]

#: Changes when, and only when, a golden image moves.
VERSION: Final = 1

N_FFT: Final = 2048
HOP_LENGTH: Final = 512
STFT_FRAMES_PER_SECOND: Final = SAMPLE_RATE_HZ / HOP_LENGTH
RANGE_DB: Final = 80.0

#: The stretch that is learned from: 60 s from 0:30, as published; less where less is there.
STRETCH_S: Final = 60.0
STRETCH_START_S: Final = 30.0

MFCC_COEFFICIENTS: Final = 32
CHROMA_CLASSES: Final = 12
_LOWEST_CHROMA_HZ: Final = 65.4  # C2; below, a bin of the spectrum holds several notes
_HIGHEST_CHROMA_HZ: Final = 4186.0


@dataclass(frozen=True, slots=True)
class LogMelSpec:
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
LOG_MEL_SPECS: Final = {
    image.name: image
    for image in (
        LogMelSpec("mel512", 512, 8192.0, STFT_FRAMES_PER_SECOND),
        LogMelSpec("mel128", 128, 8000.0, _TILE_FRAMES_PER_SECOND),
        LogMelSpec("mel128+mfcc+chroma", 128, 8000.0, _TILE_FRAMES_PER_SECOND, 3),
    )
}


def training_span(duration_s: float) -> tuple[Span, ...]:
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


def log_mel_image(samples: FloatArray, kind: LogMelSpec) -> ByteArray:
    """Make the image of a recording.

    Parameters
    ----------
    samples : ndarray, shape (n,), float32
        Mono at `segue.audio.spectrogram.SAMPLE_RATE_HZ`, full scale 1.0.
    kind : LogMel

    Returns
    -------
    ndarray, shape (kind.channels, kind.bands, frames), uint8
    """
    if samples.ndim != 1 or samples.size == 0:
        raise BadArgument(f"expected mono samples of shape (n,), got {samples.shape}")
    power = power_spectrogram(samples, N_FFT, HOP_LENGTH)
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


def band_centres_hz(kind: LogMelSpec) -> FloatArray:
    """Return the centre of each band in hertz, from the image's first row down."""
    filters = mel_filters(SAMPLE_RATE_HZ, N_FFT, kind.bands, kind.fmax_hz)
    bins_hz = np.arange(filters.shape[1]) * SAMPLE_RATE_HZ / N_FFT
    # Bands narrower than a bin are empty; they lie between their neighbours.
    weights = filters.sum(axis=1)
    there = weights > 0
    centres = (filters @ bins_hz)[there] / weights[there]
    bands = np.arange(kind.bands)
    return np.asarray(np.interp(bands, bands[there], centres)[::-1], np.float32)


def image_to_power(plane: FloatArray, kind: LogMelSpec) -> FloatArray:
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
    import scipy.fft  # slow to import

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


# --- inverse ---

UNMIXING_ROUNDS: Final = 30
GRIFFIN_LIM_ROUNDS: Final = 32
#: Fast Griffin-Lim's acceleration.
MOMENTUM: Final = 0.99
PEAK: Final = 0.9
_TINY: Final = 1e-12
_OVERLAP_SUM: Final = 1.5


def image_to_audio(plane: FloatArray, kind: LogMelSpec, seed: int = 0) -> FloatArray:
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
        Mono at `segue.audio.spectrogram.SAMPLE_RATE_HZ`, its peak 0.9.
    """
    if plane.ndim != 2 or plane.shape[0] != kind.bands:
        raise BadArgument(f"expected a plane of shape ({kind.bands}, frames), got {plane.shape}")
    power = image_to_power(np.clip(plane, 0, 1), kind)
    magnitude = np.sqrt(_spectrum(power, kind))
    samples = _griffin_lim(magnitude, np.random.default_rng(seed))
    return np.asarray(samples * PEAK / max(float(np.abs(samples).max()), _TINY), np.float32)


def _spectrum(mel: FloatArray, kind: LogMelSpec) -> FloatArray:
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
    import scipy.fft  # slow to import

    cut = sliding_window_view(np.pad(samples, N_FFT // 2), N_FFT)[::HOP_LENGTH][:frames]
    return np.asarray(scipy.fft.rfft(cut * hann(N_FFT), axis=1), np.complex64)


def _overlapped(spectrum: NDArray[np.complex64]) -> FloatArray:
    """Add up frames; Hann windows, squared, at a quarter of their length sum to 1.5."""
    import scipy.fft  # slow to import

    pieces = scipy.fft.irfft(spectrum, N_FFT, axis=1) * hann(N_FFT) / _OVERLAP_SUM
    frames, quarters = len(pieces), N_FFT // HOP_LENGTH
    samples = np.zeros((frames + quarters - 1, HOP_LENGTH), np.float32)
    for quarter in range(quarters):
        samples[quarter : quarter + frames] += pieces[
            :, quarter * HOP_LENGTH : (quarter + 1) * HOP_LENGTH
        ]
    centred = samples.ravel()[N_FFT // 2 :]
    return centred[: max(frames - 1, 1) * HOP_LENGTH]

"""Log-mel spectrograms of recordings, and back to audio by Griffin-Lim.

There are two kinds: MusiCNN's patches (Pons & Serra, ISMIR 2019 late-breaking), and images for the
spaces learned from a library. An image is stored in bytes, from 0 for 80 dB below the maximum of
the recording to 255 for the maximum; rounding changes a value by at most 0.2 % of the range.
"""

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.records import FloatArray, Recording, Span

SAMPLE_RATE_HZ: Final = 22_050

# MusiCNN's input.
MUSICNN_RATE_HZ: Final = 16_000
MUSICNN_FFT: Final = 512
MUSICNN_HOP: Final = 256
MUSICNN_BANDS: Final = 96
PATCH_FRAMES: Final = 187
PATCH_S: Final = PATCH_FRAMES * MUSICNN_HOP / MUSICNN_RATE_HZ  # 2.992

# Tracks up to this length are analysed whole; of longer ones, one long excerpt and many short
# ones spread over the rest. bench/long_tracks.py compares that with the whole.
MAX_WHOLE_S: Final = 80.0
LONG_EXCERPT_S: Final = 30.0
LONG_EXCERPT_START: Final = 0.25  # as a share of the track
SHORT_EXCERPT_S: Final = PATCH_S + 0.02
N_SHORT_EXCERPTS: Final = 15


def spans_to_analyse(duration_s: float) -> tuple[Span, ...]:
    """Choose the excerpts of a track that are analysed.

    Parameters
    ----------
    duration_s : float
        Duration of the track in seconds, above 0.

    Returns
    -------
    tuple of Span
        In temporal order: all of a track up to 80 s, else one excerpt of 30 s and 15 of 3 s.
    """
    if duration_s <= MAX_WHOLE_S:
        return (Span(0.0, duration_s),)
    start_s = LONG_EXCERPT_START * duration_s
    long = Span(start_s, start_s + LONG_EXCERPT_S)
    rest_s = duration_s - LONG_EXCERPT_S
    spans = [long]
    for i in range(N_SHORT_EXCERPTS):
        # Centres are spread evenly over the rest of the track.
        centre_s = (i + 0.5) / N_SHORT_EXCERPTS * rest_s
        if centre_s + SHORT_EXCERPT_S / 2 > long.start_s:
            centre_s = max(centre_s, long.start_s + SHORT_EXCERPT_S / 2) + LONG_EXCERPT_S
        start = min(max(centre_s - SHORT_EXCERPT_S / 2, 0.0), duration_s - SHORT_EXCERPT_S)
        spans.append(Span(start, start + SHORT_EXCERPT_S))
    return tuple(sorted(spans, key=lambda span: span.start_s))


def musicnn_patches(recording: Recording) -> FloatArray:
    """Cut the log-mel spectrogram of a recording into MusiCNN's patches.

    Returns
    -------
    ndarray, shape (patches, 187, 96), float32
        ``log10(10000 * power + 1)``. Each excerpt has as many patches as fit without overlap,
        evenly spaced; an excerpt shorter than a patch is repeated to fill one.
    """
    return np.concatenate([_patches(musicnn_log_mel(x)) for x in recording.excerpts])


def overlapping_patches(recording: Recording, hop_s: float) -> FloatArray:
    """Cut a contiguous recording into MusiCNN's patches, one every `hop_s` seconds.

    Returns
    -------
    ndarray, shape (patches, 187, 96), float32
        As those of `musicnn_patches`; one at least.
    """
    log_mel = musicnn_log_mel(recording.excerpts[0])
    if len(log_mel) < PATCH_FRAMES:
        return _patches(log_mel)
    frames_per_s = MUSICNN_RATE_HZ / MUSICNN_HOP
    count = 1 + int((len(log_mel) - PATCH_FRAMES) / (hop_s * frames_per_s))
    starts = np.round(np.arange(count) * hop_s * frames_per_s).astype(np.int64)
    return np.stack([log_mel[start : start + PATCH_FRAMES] for start in starts])


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
    import soxr  # slow to import

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
    import scipy.fft  # slow to import

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
    edges_hz = _mel_to_hz(np.linspace(0.0, hz_to_mel(fmax_hz or rate_hz / 2), bands + 2))
    bins_hz = np.arange(1 + n_fft // 2) * rate_hz / n_fft
    widths = np.diff(edges_hz)
    ramps = edges_hz[:, None] - bins_hz
    rising = -ramps[:-2] / widths[:-1, None]
    falling = ramps[2:] / widths[1:, None]
    triangles = np.maximum(0, np.minimum(rising, falling))
    filters: FloatArray = triangles * (2 / (edges_hz[2:] - edges_hz[:-2]))[:, None]
    return filters.astype(np.float32)


def hz_to_mel(hz: float) -> float:
    """Convert a frequency to Slaney's mel scale: linear to 1 kHz (15 mel), logarithmic above.

    It is the scale of the Auditory Toolbox (1998): above 1 kHz, 27 mel are a factor of 6.4.
    """
    return 3 * hz / 200 if hz < 1000 else float(15 + 27 * np.log(hz / 1000) / np.log(6.4))


def _mel_to_hz(mel: np.ndarray) -> np.ndarray:
    knee = 1000.0 / (200 / 3)
    return np.where(mel < knee, mel * (200 / 3), 1000.0 * np.exp(np.log(6.4) / 27 * (mel - knee)))


def _patches(log_mel: FloatArray) -> FloatArray:
    frames = len(log_mel)
    if frames < PATCH_FRAMES:
        return np.resize(log_mel, (1, PATCH_FRAMES, log_mel.shape[1]))
    count = frames // PATCH_FRAMES
    starts = np.linspace(0, frames - PATCH_FRAMES, count).round().astype(int)
    return np.stack([log_mel[start : start + PATCH_FRAMES] for start in starts])


# --- images ---

ByteArray = NDArray[np.uint8]

#: Changes when, and only when, a golden image moves.
VERSION: Final = 1

N_FFT: Final = 2048
HOP_LENGTH: Final = 512
FRAMES_PER_SECOND: Final = SAMPLE_RATE_HZ / HOP_LENGTH  # 43.07
#: Centre frequencies of the bins of a Fourier transform of `N_FFT` samples.
BINS_HZ: Final = np.arange(1 + N_FFT // 2) * SAMPLE_RATE_HZ / N_FFT
RANGE_DB: Final = 80.0

# Training uses 60 s from 0:30, as published, or less of shorter recordings.
TRAINING_SPAN_S: Final = 60.0
TRAINING_START_S: Final = 30.0

N_MFCC: Final = 32
N_CHROMA: Final = 12
_MIN_CHROMA_HZ: Final = 65.4  # C2; lower notes are closer than the bins of the spectrum
_MAX_CHROMA_HZ: Final = 4186.0


@dataclass(frozen=True, slots=True)
class LogMelSpec:
    """Parameters of a log-mel image.

    Attributes
    ----------
    bands : int
        Number of mel bands, in rows from the highest down.
    fmax_hz : float
        Upper edge of the highest band.
    frames_per_second : float
        Number of columns per second.
    channels : int
        1, or 3 for mel, MFCC and chroma.
    """

    name: str
    bands: int
    fmax_hz: float
    frames_per_second: float
    channels: int = 1


# The published images of 30 s are 512 columns wide.
_TILE_FRAMES_PER_SECOND: Final = 512 / 30

#: By name: "mel512" is read by the network `conv`, the others by those that read tiles.
LOG_MEL_SPECS: Final = {
    spec.name: spec
    for spec in (
        LogMelSpec("mel512", 512, 8192.0, FRAMES_PER_SECOND),
        LogMelSpec("mel128", 128, 8000.0, _TILE_FRAMES_PER_SECOND),
        LogMelSpec("mel128+mfcc+chroma", 128, 8000.0, _TILE_FRAMES_PER_SECOND, 3),
    )
}


#: What networks that read MusiCNN's activations have instead of a kind of image.
MUSICNN: Final = "musicnn"


def training_span(duration_s: float) -> tuple[Span, ...]:
    """Choose the span of a recording that training uses, as a tuple of one.

    Parameters
    ----------
    duration_s : float
        Duration of the recording in seconds, above 0.
    """
    span_s = min(TRAINING_SPAN_S, duration_s)
    start_s = min(TRAINING_START_S, duration_s - span_s)
    return (Span(start_s, start_s + span_s),)


def log_mel_image(samples: FloatArray, spec: LogMelSpec) -> ByteArray:
    """Compute the log-mel image of a recording.

    Parameters
    ----------
    samples : ndarray, shape (n,), float32
        Mono at `SAMPLE_RATE_HZ`, full scale 1.0.

    Returns
    -------
    ndarray, shape (spec.channels, spec.bands, frames), uint8
    """
    if samples.ndim != 1 or samples.size == 0:
        raise BadArgument(f"expected mono samples of shape (n,), got {samples.shape}")
    power = power_spectrogram(samples, N_FFT, HOP_LENGTH)
    filters = mel_filters(SAMPLE_RATE_HZ, N_FFT, spec.bands, spec.fmax_hz)
    mel = _scaled_decibels(power @ filters.T)
    planes = [mel]
    if spec.channels == 3:
        planes += [_mfcc_plane(mel), _chroma_plane(power, spec.bands)]
    frames = len(power)
    if spec.frames_per_second != FRAMES_PER_SECOND:
        frames = max(round(len(samples) / SAMPLE_RATE_HZ * spec.frames_per_second), 1)
    image = np.stack([_resize(plane, frames).T[::-1] for plane in planes])
    return np.asarray(np.rint(image * 255), np.uint8)


def band_centres_hz(spec: LogMelSpec) -> FloatArray:
    """Return the centre frequency of each row of an image in hertz, from the top down."""
    filters = mel_filters(SAMPLE_RATE_HZ, N_FFT, spec.bands, spec.fmax_hz)
    weights = filters.sum(axis=1)
    # Bands narrower than a bin are empty; their centres are interpolated.
    filled = weights > 0
    centres = (filters @ BINS_HZ)[filled] / weights[filled]
    bands = np.arange(spec.bands)
    return np.asarray(np.interp(bands, bands[filled], centres)[::-1], np.float32)


def image_to_power(plane: FloatArray, spec: LogMelSpec) -> FloatArray:
    """Convert the mel channel of an image to a mel power spectrogram.

    Parameters
    ----------
    plane : ndarray, shape (bands, frames), float
        Values from 0 to 1.

    Returns
    -------
    ndarray, shape (STFT frames, bands), float32
        At `FRAMES_PER_SECOND`, the lowest band first, with a maximum of at most 1.
    """
    seconds = plane.shape[1] / spec.frames_per_second
    mel = _resize(plane[::-1].T, max(round(seconds * FRAMES_PER_SECOND), 1))
    return np.asarray(10 ** ((mel - 1) * RANGE_DB / 10), np.float32)


def _scaled_decibels(power: FloatArray) -> FloatArray:
    """Scale levels from -RANGE_DB against the maximum to the maximum, to 0 to 1."""
    decibels = 10 * np.log10(np.maximum(power, 1e-20) / max(float(power.max()), 1e-20))
    return np.asarray(np.clip(1 + decibels / RANGE_DB, 0, 1), np.float32)


def _mfcc_plane(mel: FloatArray) -> FloatArray:
    """Compute MFCCs scaled to 0 to 1 and repeated to fill the height, the lowest at the bottom."""
    import scipy.fft  # slow to import

    coefficients = scipy.fft.dct(mel, axis=1, norm="ortho")[:, :N_MFCC]
    # The first is the mean level, 0 to sqrt(bands); the others decay about as 1 / index.
    scale = np.sqrt(mel.shape[1]) / (1 + np.arange(N_MFCC))
    scaled = 0.5 + 0.5 * coefficients / scale
    scaled[:, 0] = coefficients[:, 0] / scale[0]
    rows = np.repeat(np.clip(scaled, 0, 1), mel.shape[1] // N_MFCC, axis=1)
    return np.asarray(rows, np.float32)


def _chroma_plane(power: FloatArray, bands: int) -> FloatArray:
    """Compute chroma with a maximum of 1 in each frame, from C at the bottom."""
    chroma = power @ _chroma_filters()
    chroma /= np.maximum(chroma.max(axis=1, keepdims=True), 1e-20)
    rows = np.arange(bands) * N_CHROMA // bands
    return np.asarray(np.sqrt(chroma[:, rows]), np.float32)


@cache
def _chroma_filters() -> FloatArray:
    in_range = (BINS_HZ >= _MIN_CHROMA_HZ) & (BINS_HZ <= _MAX_CHROMA_HZ)
    classes = np.round(12 * np.log2(np.maximum(BINS_HZ, 1) / 440) + 9).astype(int) % 12
    filters = np.zeros((len(BINS_HZ), N_CHROMA), np.float32)
    filters[np.flatnonzero(in_range), classes[in_range]] = 1
    return filters


def _resize(rows: FloatArray, count: int) -> FloatArray:
    """Resize along the first axis, by interpolation or by the mean over the rows covered."""
    old = len(rows)
    if count == old:
        return rows
    if count > old:
        positions = (np.arange(count) + 0.5) * old / count - 0.5
        low = np.clip(np.floor(positions).astype(int), 0, old - 1)
        high = np.minimum(low + 1, old - 1)
        share = np.clip(positions - low, 0, 1)[:, None].astype(np.float32)
        return np.asarray(rows[low] * (1 - share) + rows[high] * share, np.float32)
    sums = np.concatenate([np.zeros((1, rows.shape[1])), np.cumsum(rows, axis=0, dtype=float)])
    edges = np.linspace(0, old, count + 1)
    low = np.minimum(edges.astype(int), old - 1)
    at_edges = sums[low] + (edges - low)[:, None] * rows[low]
    return np.asarray(np.diff(at_edges, axis=0) * count / old, np.float32)


# --- back to audio ---

NMF_ITERATIONS: Final = 30
GRIFFIN_LIM_ITERATIONS: Final = 32
#: Acceleration of fast Griffin-Lim.
MOMENTUM: Final = 0.99
PEAK: Final = 0.9
_TINY: Final = 1e-12
_WINDOW_SUM: Final = 1.5  # of squared Hann windows at a quarter of their length


def image_to_audio(plane: FloatArray, spec: LogMelSpec, seed: int = 0) -> FloatArray:
    """Invert the mel channel of an image to audio.

    Magnitudes are estimated by multiplicative updates (Lee & Seung 2001), phases by fast
    Griffin-Lim (Perraudin, Balazs & Søndergaard, WASPAA 2013).

    Parameters
    ----------
    plane : ndarray, shape (spec.bands, frames), float
        Values from 0 to 1, the highest band first.
    seed : int
        Seed of the initial phases.

    Returns
    -------
    ndarray, shape (samples,), float32
        Mono at `SAMPLE_RATE_HZ`, with a peak of 0.9.
    """
    if plane.ndim != 2 or plane.shape[0] != spec.bands:
        raise BadArgument(f"expected a plane of shape ({spec.bands}, frames), got {plane.shape}")
    power = image_to_power(np.clip(plane, 0, 1), spec)
    magnitude = np.sqrt(_invert_mel(power, spec))
    samples = _griffin_lim(magnitude, np.random.default_rng(seed))
    return np.asarray(samples * PEAK / max(float(np.abs(samples).max()), _TINY), np.float32)


def _invert_mel(mel: FloatArray, spec: LogMelSpec) -> FloatArray:
    """Estimate a non-negative power spectrogram from a mel spectrogram, shape (frames, bands)."""
    filters = mel_filters(SAMPLE_RATE_HZ, N_FFT, spec.bands, spec.fmax_hz)
    target = mel @ filters
    spectrum = target.copy()
    estimate = spectrum @ filters.T
    for _ in range(NMF_ITERATIONS):
        spectrum *= target / np.maximum(estimate @ filters, _TINY)
        estimate = spectrum @ filters.T
    return spectrum


def _griffin_lim(magnitude: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Estimate samples from magnitudes, shape (frames, bins)."""
    estimate = magnitude * np.exp(2j * np.pi * rng.random(magnitude.shape)).astype(np.complex64)
    previous = np.zeros_like(estimate)
    for _ in range(GRIFFIN_LIM_ITERATIONS):
        consistent = _stft(_istft(estimate), len(magnitude))
        accelerated = consistent + MOMENTUM * (consistent - previous)
        previous = consistent
        estimate = magnitude * accelerated / np.maximum(np.abs(accelerated), _TINY)
    return _istft(estimate)


def _stft(samples: FloatArray, frames: int) -> NDArray[np.complex64]:
    import scipy.fft  # slow to import

    windows = sliding_window_view(np.pad(samples, N_FFT // 2), N_FFT)[::HOP_LENGTH][:frames]
    return np.asarray(scipy.fft.rfft(windows * hann(N_FFT), axis=1), np.complex64)


def _istft(spectrum: NDArray[np.complex64]) -> FloatArray:
    import scipy.fft  # slow to import

    windows = scipy.fft.irfft(spectrum, N_FFT, axis=1) * hann(N_FFT) / _WINDOW_SUM
    frames, hops = len(windows), N_FFT // HOP_LENGTH
    samples = np.zeros((frames + hops - 1, HOP_LENGTH), np.float32)
    for hop in range(hops):
        samples[hop : hop + frames] += windows[:, hop * HOP_LENGTH : (hop + 1) * HOP_LENGTH]
    centred = samples.ravel()[N_FFT // 2 :]
    return centred[: max(frames - 1, 1) * HOP_LENGTH]

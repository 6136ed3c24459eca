"""Production descriptors of a clip, and degradation by equaliser, low-pass, gain and codec.

The descriptors are the control of `bench/sound_space.py`: they know no music, so their retrieval
quality is what an evaluation by album owes to loudness, bandwidth and codec alone. The degradation
is the opposite test: the same music, produced differently.
"""

import io
from dataclasses import dataclass
from typing import Final

import av
import numpy as np
import scipy.signal
import soxr
from av.audio.stream import AudioStream

from segue.audio.spectrogram import SAMPLE_RATE_HZ, power_spectrogram
from segue.records import FloatArray

_FLOOR: Final = 1e-10


def production_numbers(samples: FloatArray) -> FloatArray:
    """Measure nine properties of a clip's production.

    Parameters
    ----------
    samples : ndarray, shape (n,), float32
        Mono at `SAMPLE_RATE_HZ`.

    Returns
    -------
    ndarray, shape (9,), float32
        Loudness, peak and crest (dB), bandwidth (Hz), noise floor, energy above 5 kHz and below
        100 Hz, dynamic range (dB), offset.
    """
    power = power_spectrogram(samples, 2048, 1024)
    bins_hz = np.fft.rfftfreq(2048, 1 / SAMPLE_RATE_HZ)
    mean = power.mean(axis=0) + _FLOOR
    frame_db = _db(power.sum(axis=1))
    spectrum_db = _db(mean)
    audible = bins_hz[spectrum_db > spectrum_db.max() - 80]
    loudness, peak = _db(np.array([np.mean(samples**2), np.max(samples**2)]))
    return np.array(
        [
            loudness,
            peak,
            peak - loudness,
            audible.max(initial=0),
            np.percentile(frame_db, 2),
            _db(mean[bins_hz > 5000].sum() / mean.sum()),
            _db(mean[bins_hz < 100].sum() / mean.sum()),
            np.percentile(frame_db, 95) - np.percentile(frame_db, 10),
            samples.mean(),
        ],
        dtype=np.float32,
    )


def _db(power: np.ndarray) -> np.ndarray:
    return np.asarray(10 * np.log10(np.maximum(power, _FLOOR)))


@dataclass(frozen=True, slots=True)
class Codec:
    """A lossy encoder of FFmpeg and its bit rates."""

    name: str
    container: str
    rate_hz: int
    layout: str
    bit_rates: tuple[int, ...]


CODECS: Final = (
    Codec("libmp3lame", "mp3", 22_050, "mono", (24_000, 32_000, 48_000, 64_000)),
    Codec("aac", "adts", 22_050, "mono", (24_000, 32_000, 48_000, 64_000)),
    Codec("libopus", "ogg", 24_000, "mono", (16_000, 24_000, 32_000, 48_000)),
    # FFmpeg's own Vorbis encoder knows only stereo, and one quality.
    Codec("vorbis", "ogg", 22_050, "stereo", (64_000,)),
)


def degraded(samples: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Put a clip through an equaliser, a low-pass, a gain and a lossy codec.

    Three peaking filters of up to 6 dB between 80 Hz and 8 kHz, a fourth-order low-pass at
    5 to 10 kHz, a gain of -12 to +6 dB (clipped at full scale), then one of `CODECS`.

    Parameters
    ----------
    samples : ndarray, shape (n,), float32
        Mono at `SAMPLE_RATE_HZ`.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (about n,), float32
        A codec may lengthen it by less than a tenth of a second.
    """
    for _ in range(3):
        centre_hz = 80 * 100 ** rng.uniform()
        samples = _peaking(samples, centre_hz, rng.uniform(-6, 6), rng.uniform(0.5, 2))
    cutoff_hz = 5000 * 2 ** rng.uniform()
    low_pass = scipy.signal.butter(4, cutoff_hz, fs=SAMPLE_RATE_HZ, output="sos")
    samples = scipy.signal.sosfilt(low_pass, samples).astype(np.float32)
    samples = np.clip(samples * 10 ** (rng.uniform(-12, 6) / 20), -1, 1).astype(np.float32)
    codec = CODECS[rng.integers(len(CODECS))]
    return through_codec(samples, codec, int(rng.choice(codec.bit_rates)))


def through_codec(samples: FloatArray, codec: Codec, bit_rate: int) -> FloatArray:
    """Encode a clip in memory and decode it again; both at `SAMPLE_RATE_HZ`."""
    with av.open(io.BytesIO(encoded(samples, codec, bit_rate)), "r") as container:
        rate_hz = container.streams.audio[0].rate
        resampler = av.AudioResampler("fltp", "mono", rate_hz)
        frames = [
            *(piece for frame in container.decode(audio=0) for piece in resampler.resample(frame)),
            *resampler.resample(None),
        ]
    decoded = np.concatenate([frame.to_ndarray()[0] for frame in frames])
    return np.asarray(soxr.resample(decoded, rate_hz, SAMPLE_RATE_HZ), dtype=np.float32)


def encoded(samples: FloatArray, codec: Codec, bit_rate: int) -> bytes:
    """Encode a clip; what comes back is a file's content."""
    at_rate = soxr.resample(samples, SAMPLE_RATE_HZ, codec.rate_hz)
    file = io.BytesIO()
    with av.open(file, "w", format=codec.container) as container:
        stream = container.add_stream(codec.name, rate=codec.rate_hz)
        assert isinstance(stream, AudioStream)
        stream.layout = codec.layout
        stream.bit_rate = bit_rate
        stream.codec_context.options = {"strict": "experimental"}
        frame = av.AudioFrame.from_ndarray(at_rate[None], format="fltp", layout="mono")
        frame.rate = codec.rate_hz
        resampler = av.AudioResampler(
            stream.codec_context.format, codec.layout, codec.rate_hz, stream.frame_size or None
        )
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return file.getvalue()


def _peaking(samples: FloatArray, centre_hz: float, gain_db: float, q: float) -> FloatArray:
    """Peaking equaliser of R. Bristow-Johnson's cookbook."""
    a = 10 ** (gain_db / 40)
    w = 2 * np.pi * centre_hz / SAMPLE_RATE_HZ
    alpha = np.sin(w) / (2 * q)
    b = np.array([1 + alpha * a, -2 * np.cos(w), 1 - alpha * a])
    den = np.array([1 + alpha / a, -2 * np.cos(w), 1 - alpha / a])
    return scipy.signal.lfilter(b / den[0], den / den[0], samples).astype(np.float32)

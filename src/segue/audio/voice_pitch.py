"""Pitch of a voice: the network SwiftF0 in NumPy, and the notes of a hummed melody.

Architecture and weights: Nieradzik, "SwiftF0: Fast and accurate monophonic pitch detection",
arXiv:2508.18440, 2025 (weights MIT, see ``segue/weights/voice-pitch.md``). Three spectrograms of
different windows, on one logarithmic frequency axis, are the channels of a small convolutional
network, whose kernels are dilated along frequency. It is run without torch, which takes longer to
import than a query to answer.

Shape legend: C channels, F frequency bands, T time frames.
"""

from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from segue.builtin_spaces import WEIGHTS
from segue.errors import BadArgument
from segue.records import FloatArray

SAMPLE_RATE_HZ: Final = 16_000
HOP_LENGTH: Final = 256
FRAME_S: Final = HOP_LENGTH / SAMPLE_RATE_HZ
#: Windows of the three spectrograms.
WINDOWS: Final = (1024, 2048, 512)
BANDS: Final = 128
_FLOOR: Final = 1e-8
#: Frequencies of the pitch steps, on a logarithmic axis.
MIN_HZ: Final = 46.875
MAX_HZ: Final = 2093.75
PITCH_STEPS: Final = 95
#: Kernel dilations along frequency of the residual blocks.
_DILATIONS: Final = (1, 17, 27, 40, 48, 2)
#: Frames of lower peak are silence, of which the network says anything.
_SILENCE: Final = 1e-3
#: Frames that the network is run on at once, and those around them that it sees.
_CHUNK_FRAMES: Final = 1024
_CONTEXT_FRAMES: Final = 16


@dataclass(frozen=True, slots=True, eq=False)
class PitchContour:
    """Pitch of a voice in frames of 16 ms.

    Attributes
    ----------
    pitch : ndarray, shape (frames,), float64
        MIDI pitch, with fractions.
    confidence : ndarray, shape (frames,), float64
        0 to 1; a frame is voiced from 0.5.
    level_db : ndarray, shape (frames,), float64
        Root mean square of 32 ms.
    """

    pitch: NDArray[np.float64]
    confidence: NDArray[np.float64]
    level_db: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.pitch)


@cache
def _weights() -> dict[str, FloatArray]:
    weights = load_file(WEIGHTS / "voice-pitch.safetensors")
    for size in WINDOWS:  # the filter banks are nearly all zeros
        bands = np.zeros((size // 2 + 1) * BANDS, np.float32)
        bands[weights.pop(f"bands-{size}.index")] = weights.pop(f"bands-{size}.value")
        weights[f"bands-{size}"] = bands.reshape(-1, BANDS)
    return weights


def track_pitch(samples: FloatArray) -> PitchContour:
    """Track the pitch of a voice, of a whistle or of one instrument.

    Parameters
    ----------
    samples : ndarray, shape (n,), float32
        Mono at 16,000 Hz, -1 to 1.

    Returns
    -------
    PitchContour
        Of max(1, n // 256) frames.

    Raises
    ------
    BadArgument
        There are no samples, or some are not finite.
    """
    if samples.ndim != 1 or not len(samples) or not np.isfinite(samples).all():
        raise BadArgument(f"expected finite mono samples of shape (n,), got {samples.shape}")
    weights = _weights()
    spectrograms = _spectrograms(samples, weights)
    n_frames = spectrograms.shape[2]
    logits_FT = np.empty((PITCH_STEPS, n_frames), np.float32)
    voicing = np.empty(n_frames, np.float32)
    for start in range(0, n_frames, _CHUNK_FRAMES):
        first = max(start - _CONTEXT_FRAMES, 0)
        end = min(start + _CHUNK_FRAMES, n_frames)
        chunk = spectrograms[:, :, first : end + _CONTEXT_FRAMES]
        chunk_logits, chunk_voicing = _run_network(chunk, weights)
        kept = slice(start - first, end - first)
        logits_FT[:, start:end], voicing[start:end] = chunk_logits[:, kept], chunk_voicing[kept]
    hops = np.zeros((n_frames, HOP_LENGTH), np.float32)
    hops.flat[: len(samples)] = samples[: hops.size]
    power = np.square(hops, dtype=np.float64).sum(axis=1)
    rms = np.sqrt((np.append(0.0, power[:-1]) + power) / (2 * HOP_LENGTH))
    is_silent = np.abs(hops).max(axis=1) < _SILENCE
    return PitchContour(
        69 + 12 * np.log2(_interpolated_hz(logits_FT) / 440),
        np.where(is_silent, 0.0, 1 / (1 + np.exp(-voicing.astype(np.float64)))),
        20 * np.log10(np.maximum(rms, 1e-7)),
    )


def _spectrograms(samples: FloatArray, weights: dict[str, FloatArray]) -> FloatArray:
    """Return the log spectrograms of three windows, shape (3, 128, T)."""
    n_frames = max(1, len(samples) // HOP_LENGTH)
    channels = []
    for size in WINDOWS:
        padded = np.zeros(size + max(len(samples), HOP_LENGTH) + HOP_LENGTH, np.float32)
        padded[size // 2 : size // 2 + len(samples)] = samples
        frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::HOP_LENGTH][:n_frames]
        hann = np.float32(0.5) - np.cos(2 * np.pi / size * np.arange(size, dtype=np.float32)) / 2
        magnitude = np.abs(np.fft.rfft(frames * hann, axis=1))
        bands = magnitude.astype(np.float32) @ weights[f"bands-{size}"]
        channels.append(np.log(bands + np.float32(_FLOOR)).T)
    return np.stack(channels)


def _run_network(
    spectrograms_CFT: FloatArray, weights: dict[str, FloatArray]
) -> tuple[FloatArray, FloatArray]:
    """Return the logits of each pitch step, shape (95, T), and those of voicing, shape (T,)."""
    x = np.maximum(_convolve(spectrograms_CFT, weights, "input"), 0)
    for index, dilation in enumerate(_DILATIONS):
        inner = np.maximum(_convolve(x, weights, f"block-{index}.0", dilation), 0)
        x = np.maximum(x + _convolve(inner, weights, f"block-{index}.1", dilation), 0)
    # The head sees 96 bands, and gives one step less: no padding above the highest.
    head = np.maximum(_convolve(x[:, : PITCH_STEPS + 1], weights, "head")[:, :PITCH_STEPS], 0)
    logits_FT = _convolve(head, weights, "pitch")[0]
    strongest = _convolve(head, weights, "salience").max(axis=1)
    loudness = spectrograms_CFT.mean(axis=(0, 1))[None]
    summary = np.concatenate([strongest, loudness])[:, None]
    hidden = np.maximum(_convolve(summary, weights, "voicing.0"), 0)
    return logits_FT, _convolve(hidden, weights, "voicing.1")[0, 0]


def _convolve(
    x_CFT: FloatArray, weights: dict[str, FloatArray], name: str, dilation: int = 1
) -> FloatArray:
    """Convolve along frequency, with a dilation, and time; the size stays as it is."""
    kernel, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
    outputs, inputs, n_bands, n_times = kernel.shape
    _, bands, frames = x_CFT.shape
    margin, before = dilation * (n_bands // 2), n_times // 2
    padded = np.zeros((inputs, bands + 2 * margin, frames + 2 * before), np.float32)
    padded[:, margin : margin + bands, before : before + frames] = x_CFT
    total = np.repeat(bias.astype(np.float32), bands * frames).reshape(outputs, bands * frames)
    for band in range(n_bands):
        for time in range(n_times):
            first = band * dilation
            shifted = padded[:, first : first + bands, time : time + frames].reshape(inputs, -1)
            total += kernel[:, :, band, time] @ shifted
    return total.reshape(outputs, bands, frames)


def _interpolated_hz(logits_FT: FloatArray) -> NDArray[np.float64]:
    """Return the frequency of the strongest pitch step, averaged with its two neighbours."""
    logits = np.pad(logits_FT.astype(np.float64), ((1, 1), (0, 0)), constant_values=-np.inf)
    peak = logits_FT.argmax(axis=0)
    rows = peak + np.arange(3)[:, None]
    near = np.take_along_axis(logits, rows, axis=0)
    share = np.exp(near - near.max(axis=0))
    log_hz = np.linspace(np.log(MIN_HZ), np.log(MAX_HZ), PITCH_STEPS)
    steps = log_hz[np.clip(rows - 1, 0, PITCH_STEPS - 1)]
    return np.asarray(np.exp((share * steps).sum(axis=0) / share.sum(axis=0)))


# --- notes ---

#: Cost of a change of pitch in a contour, in semitones times frames; and the most that a frame
#: counts, so that the octave errors and clicks of a few frames are no notes.
_CHANGE_COST: Final = 2.5
_MAX_FRAME_COST: Final = 1.5
_STEPS_PER_SEMITONE: Final = 4
_MIN_CONFIDENCE: Final = 0.5


def contour_notes(contour: PitchContour) -> NDArray[np.float64]:
    """Find the notes of a hummed melody, those of one pitch that follow one another as one.

    The contour is approximated by a piecewise constant one (Potts functional, solved exactly by
    dynamic programming over quarters of a semitone). Frames without voice cost nothing, so that a
    breath neither ends a note nor begins one.

    Returns
    -------
    ndarray, shape (n, 3), float64
        Onset and offset in seconds, and MIDI pitch with fractions.
    """
    voiced = np.flatnonzero(contour.confidence >= _MIN_CONFIDENCE)
    if not len(voiced):
        return np.empty((0, 3))
    pitch = contour.pitch[voiced]
    lowest = np.floor(pitch.min())
    count = round((np.ceil(pitch.max()) - lowest) * _STEPS_PER_SEMITONE) + 1
    levels = lowest + np.arange(count) / _STEPS_PER_SEMITONE
    costs = np.minimum(np.abs(pitch[:, None] - levels), _MAX_FRAME_COST)
    total = np.zeros(count)
    came_from = np.empty((len(voiced), count), np.int32)
    for row, cost in enumerate(costs):
        best = int(total.argmin())
        stays = total <= total[best] + _CHANGE_COST
        came_from[row] = np.where(stays, np.arange(count), best)
        total = np.where(stays, total, total[best] + _CHANGE_COST) + cost
    path = np.empty(len(voiced), np.int64)
    path[-1] = total.argmin()
    for row in range(len(voiced) - 1, 0, -1):
        path[row - 1] = came_from[row, path[row]]
    edges = np.concatenate([[0], np.flatnonzero(np.diff(path)) + 1, [len(voiced)]])
    return np.array(
        [
            (voiced[first] * FRAME_S, (voiced[end - 1] + 1) * FRAME_S, np.median(pitch[first:end]))
            for first, end in pairwise(edges.tolist())
        ]
    )

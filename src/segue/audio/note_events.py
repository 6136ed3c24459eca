"""Notes of a recording: Basic Pitch in PyTorch, and note events from its activations.

Architecture and weights: Bittner, Bosch, Rubinstein, Meseguer-Brocal & Ewert, "A lightweight
instrument-agnostic model for polyphonic note transcription and multipitch estimation", ICASSP 2022
(weights Apache-2.0, see ``segue/weights/basic-pitch.md``).

The input representation is a constant-Q transform computed octave by octave: the highest octave
from the audio, each lower one with the same kernels from audio of half the sample rate. The bins of
eight harmonics are stacked as channels, so that small convolutions see the harmonics of a pitch.

The recording is cut into windows of 2 s that overlap by 30 frames, of which each window
contributes half, so that frames lie on one grid. Note events are found as in the paper (section
2.4): from each peak of the onset activation, the last one first, a note lasts until its activation
stays low; what remains becomes notes without an onset, the strongest frame first, as in Melodia
(Salamon & Gomez, IEEE TASLP 20, 2012).

Shape legend: B batch, C channels, T time frames, M bins, S samples.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from segue.audio.spectrogram import SAMPLE_RATE_HZ
from segue.errors import BadArgument
from segue.records import FloatArray

WINDOW_SAMPLES: Final = 43_844
WINDOW_FRAMES: Final = 172
HOP_LENGTH: Final = 256
PITCHES: Final = 88
BINS_PER_SEMITONE: Final = 3
#: Bins of the constant-Q transform, 103 semitones from A0, and of the output, 88 semitones.
CQT_BINS: Final = 309
CONTOUR_BINS: Final = PITCHES * BINS_PER_SEMITONE
OCTAVES: Final = 9
KERNEL_SAMPLES: Final = 256
BINS_PER_OCTAVE: Final = 12 * BINS_PER_SEMITONE
#: Distances of the harmonics 1/2 and 1 to 7 from the fundamental, in bins.
HARMONIC_SHIFTS: Final = (-36, 0, 36, 57, 72, 84, 93, 101)
_MIN_POWER: Final = 1e-10
FRAMES_PER_SECOND: Final = SAMPLE_RATE_HZ / HOP_LENGTH  # 86.1
LOWEST_PITCH: Final = 21  # A0
_OVERLAP_FRAMES: Final = 30
_KEPT_FRAMES: Final = WINDOW_FRAMES - _OVERLAP_FRAMES
_BATCH: Final = 4
#: Chosen on twelve songs of POP909, see bench/transcription.py; the published program has 0.5 and
#: 0.3, which find hardly more notes, and many that are harmonics of others.
ONSET_THRESHOLD: Final = 0.6
NOTE_THRESHOLD: Final = 0.4
MIN_NOTE_FRAMES: Final = 11  # 128 ms, as published
#: Frames below the threshold that end a note.
_RELEASE_FRAMES: Final = 11
#: Frames over which a rise of the note activation counts as an onset.
_RISE_FRAMES: Final = 2


@dataclass(frozen=True, slots=True)
class PitchActivations:
    """Output of Basic Pitch for a batch of windows of 2 s.

    Attributes
    ----------
    contour : Tensor, shape (B, 172, 264), float32
        Probability of each third of a semitone from A0.
    note : Tensor, shape (B, 172, 88), float32
        Probability that a note of each pitch from A0 sounds.
    onset : Tensor, shape (B, 172, 88), float32
        Probability that a note of each pitch begins.
    """

    contour: Tensor
    note: Tensor
    onset: Tensor


class BasicPitch(nn.Module):
    """The published network with its batch norms folded into the convolutions."""

    cqt_kernels: Tensor
    cqt_scale: Tensor
    low_pass: Tensor
    norm: Tensor

    def __init__(self) -> None:
        super().__init__()
        # Real parts of the kernels of an octave, from the lowest bin up, then imaginary parts.
        self.register_buffer("cqt_kernels", torch.zeros(2 * BINS_PER_OCTAVE, 1, KERNEL_SAMPLES))
        self.register_buffer("cqt_scale", torch.ones(CQT_BINS))
        self.register_buffer("low_pass", torch.zeros(1, 1, KERNEL_SAMPLES))
        self.register_buffer("norm", torch.tensor([1.0, 0.0]))  # scale and shift
        harmonics = len(HARMONIC_SHIFTS)
        self.contour_conv = nn.Conv2d(harmonics, 8, (3, 39), padding=(1, 19))
        self.contour_output = nn.Conv2d(8, 1, 5, padding=2)
        self.note_conv = nn.Conv2d(1, 32, 7, stride=(1, BINS_PER_SEMITONE), padding=(3, 2))
        self.note_output = nn.Conv2d(32, 1, (7, 3), padding=(3, 1))
        self.onset_conv = nn.Conv2d(harmonics, 32, 5, stride=(1, BINS_PER_SEMITONE), padding=(2, 1))
        self.onset_output = nn.Conv2d(33, 1, 3, padding=1)

    @torch.inference_mode()
    def forward(self, audio_BS: Tensor) -> PitchActivations:
        """Run the network.

        Parameters
        ----------
        audio_BS : Tensor, shape (B, 43844), float32
            Mono windows at 22,050 Hz.
        """
        if audio_BS.ndim != 2 or audio_BS.shape[1] != WINDOW_SAMPLES:
            raise BadArgument(
                f"Basic Pitch takes windows of shape (B, {WINDOW_SAMPLES}), "
                f"not {tuple(audio_BS.shape)}"
            )
        stacked_BCTM = _stack_harmonics(self._log_cqt(audio_BS))
        contour = torch.sigmoid(self.contour_output(self.contour_conv(stacked_BCTM).relu()))
        note = torch.sigmoid(self.note_output(self.note_conv(contour).relu()))
        onset_features = torch.cat([note, self.onset_conv(stacked_BCTM).relu()], dim=1)
        onset = torch.sigmoid(self.onset_output(onset_features))
        return PitchActivations(contour[:, 0], note[:, 0], onset[:, 0])

    def _log_cqt(self, audio_BS: Tensor) -> Tensor:
        """Compute the constant-Q transform in decibels, scaled to 0 to 1 in each window, (B, T, M).

        As in nnAudio (Cheuk, Anderson, Agres & Herremans, IEEE Access 2020).
        """
        audio_B1S = audio_BS[:, None]
        half = KERNEL_SAMPLES // 2
        octaves = []
        for octave in range(OCTAVES):
            padded = F.pad(audio_B1S, (half, half), mode="reflect")
            parts = F.conv1d(padded, self.cqt_kernels, stride=HOP_LENGTH >> octave)
            real, imaginary = parts.chunk(2, dim=1)
            octaves.append(real**2 + imaginary**2)
            audio_B1S = F.conv1d(
                audio_B1S, self.low_pass, stride=2, padding=KERNEL_SAMPLES // 2 - 1
            )
        power_BMT = torch.cat(octaves[::-1], dim=1)[:, -CQT_BINS:] * self.cqt_scale[:, None] ** 2
        decibels = 10 * torch.log10(power_BMT + _MIN_POWER).transpose(1, 2)
        decibels = decibels - decibels.amin(dim=(1, 2), keepdim=True)
        loudest = decibels.amax(dim=(1, 2), keepdim=True)
        scaled = torch.where(loudest > 0, decibels / loudest, 0.0)
        return scaled * self.norm[0] + self.norm[1]


def load_basic_pitch(path: Path) -> BasicPitch:
    """Load the network from a safetensors file."""
    network = BasicPitch()
    network.load_state_dict(load_file(path))
    return network.eval()


def _stack_harmonics(cqt_BTM: Tensor) -> Tensor:
    """Return the bins of each harmonic of 264 fundamentals, shape (B, 8, T, 264)."""
    padded = F.pad(cqt_BTM, (-HARMONIC_SHIFTS[0], HARMONIC_SHIFTS[-1]))
    starts = [shift - HARMONIC_SHIFTS[0] for shift in HARMONIC_SHIFTS]
    return torch.stack([padded[:, :, start : start + CONTOUR_BINS] for start in starts], dim=1)


@dataclass(frozen=True, slots=True, eq=False)
class NoteEvents:
    """Notes of a recording, sorted by onset and pitch.

    Attributes
    ----------
    onset_s, offset_s : ndarray, shape (n,), float64
    pitch : ndarray, shape (n,), int64
        MIDI pitch, 21 to 108.
    amplitude : ndarray, shape (n,), float64
        Mean note activation, 0 to 1.
    """

    onset_s: NDArray[np.float64]
    offset_s: NDArray[np.float64]
    pitch: NDArray[np.int64]
    amplitude: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.pitch)


def note_activations(
    network: BasicPitch, samples: FloatArray, watch: Callable[[int, int], None] | None = None
) -> tuple[FloatArray, FloatArray]:
    """Compute the note and onset activations of a recording.

    Parameters
    ----------
    samples : ndarray, shape (n,), float32
        Mono at `SAMPLE_RATE_HZ`.
    watch : callable, optional
        Called with the number of windows done and in all.

    Returns
    -------
    note, onset : ndarray, shape (1 + n // 256, 88), float32
        Probabilities; frame i is centred at sample 256 i, pitch j is MIDI pitch 21 + j.
    """
    if samples.ndim != 1 or not len(samples) or not np.isfinite(samples).all():
        raise BadArgument(f"expected finite mono samples of shape (n,), got {samples.shape}")
    n_frames = 1 + len(samples) // HOP_LENGTH
    count = -(-n_frames // _KEPT_FRAMES)
    hop = _KEPT_FRAMES * HOP_LENGTH
    before = _OVERLAP_FRAMES // 2 * HOP_LENGTH
    padded = np.zeros((count - 1) * hop + WINDOW_SAMPLES, np.float32)
    used = samples[: len(padded) - before]
    padded[before : before + len(used)] = used
    windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW_SAMPLES)[::hop]
    first = _OVERLAP_FRAMES // 2
    note = np.empty((count, _KEPT_FRAMES, PITCHES), np.float32)
    onset = np.empty_like(note)
    for start in range(0, count, _BATCH):
        batch = slice(start, start + _BATCH)
        output = network(torch.from_numpy(windows[batch].copy()))
        note[batch] = output.note[:, first : first + _KEPT_FRAMES].numpy()
        onset[batch] = output.onset[:, first : first + _KEPT_FRAMES].numpy()
        if watch:
            watch(min(start + _BATCH, count), count)
    return note.reshape(-1, PITCHES)[:n_frames], onset.reshape(-1, PITCHES)[:n_frames]


def note_events(
    note: FloatArray,
    onset: FloatArray,
    *,
    onset_threshold: float = ONSET_THRESHOLD,
    note_threshold: float = NOTE_THRESHOLD,
    min_frames: int = MIN_NOTE_FRAMES,
) -> NoteEvents:
    """Find note events in activations.

    Parameters
    ----------
    note, onset : ndarray, shape (frames, 88), float32
        From `note_activations`.
    onset_threshold, note_threshold : float
        Minimum onset activation of the beginning of a note, and note activation within it.
    min_frames : int
        Notes must be longer.
    """
    remaining = np.pad(note, ((0, 0), (1, 1)))  # so that every pitch has two neighbours
    events: list[tuple[int, int, int]] = []
    for start, column in _onset_peaks(_with_rises(note, onset), onset_threshold)[::-1]:
        end = _release(remaining[:, column + 1], start, note_threshold)
        if end - start > min_frames:
            remaining[start:end, column : column + 3] = 0
            events.append((start, end, column))
    cells = np.flatnonzero(remaining[:, 1:-1] > note_threshold)
    strongest = cells[np.argsort(-remaining[:, 1:-1].ravel()[cells], kind="stable")]
    for row, column in zip(*np.divmod(strongest, PITCHES), strict=True):
        if remaining[row, column + 1] > note_threshold:
            start, end = _take_sustained(remaining, int(row), int(column), note_threshold)
            if end - start > min_frames:
                events.append((start, end, int(column)))
    events.sort(key=lambda event: (event[0], event[2]))
    amplitude = [float(note[start:end, column].mean()) for start, end, column in events]
    table = np.array(events, np.int64).reshape(-1, 3)
    return NoteEvents(
        table[:, 0] / FRAMES_PER_SECOND,
        table[:, 1] / FRAMES_PER_SECOND,
        table[:, 2] + LOWEST_PITCH,
        np.array(amplitude),
    )


def _with_rises(note: FloatArray, onset: FloatArray) -> FloatArray:
    """Return the maximum of the onset activation and of rises of the note activation."""
    rises = [
        note - np.pad(note, ((lag, 0), (0, 0)))[: len(note)] for lag in range(1, _RISE_FRAMES + 1)
    ]
    rise = np.maximum(np.min(rises, axis=0), 0)
    rise[:_RISE_FRAMES] = 0
    return np.asarray(np.maximum(onset, rise * (onset.max() / max(float(rise.max()), 1e-9))))


def _onset_peaks(onset: FloatArray, threshold: float) -> list[tuple[int, int]]:
    """Return frame and pitch of the local maxima in time that reach a threshold."""
    inner = onset[1:-1]
    is_peak = (inner > onset[:-2]) & (inner > onset[2:]) & (inner >= threshold)
    rows, columns = np.nonzero(is_peak)
    return list(zip((rows + 1).tolist(), columns.tolist(), strict=True))


def _release(activation: FloatArray, start: int, threshold: float) -> int:
    """Return the frame from which an activation is low for a while, or the last frame."""
    low = 0
    frame = start + 1
    while frame < len(activation) - 1 and low < _RELEASE_FRAMES:
        low = low + 1 if activation[frame] < threshold else 0
        frame += 1
    return frame - low


def _take_sustained(
    remaining: FloatArray, row: int, column: int, threshold: float
) -> tuple[int, int]:
    """Take the frames around one from what remains of a pitch; return their first and end."""
    activation = remaining[:, column + 1]
    end = _release(activation, row, threshold)
    start = len(activation) - _release(activation[::-1], len(activation) - 1 - row, threshold)
    # The low frames that end a note are taken as well, so that no other note begins there.
    first, last = max(start - _RELEASE_FRAMES, 0), end + _RELEASE_FRAMES
    remaining[first:last, column : column + 3] = 0
    return start, max(end - 1, start)

"""Notes of a recording: the activations of Basic Pitch, and note events from them.

The recording is cut into windows of 2 s that overlap by 30 frames, of which each window
contributes half, so that frames lie on one grid. Note events are found as in the paper (Bittner et
al., ICASSP 2022, section 2.4): from each peak of the onset activation, the last one first, a note
lasts until its activation stays low; what remains becomes notes without an onset, the strongest
frame first, as in Melodia (Salamon & Gomez, IEEE TASLP 20, 2012).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from segue.audio.basic_pitch import HOP_LENGTH, PITCHES, WINDOW_FRAMES, WINDOW_SAMPLES, BasicPitch
from segue.audio.spectrogram import SAMPLE_RATE_HZ
from segue.errors import BadArgument
from segue.records import FloatArray

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

"""Basic Pitch in PyTorch against the published ONNX file, and note events of its activations."""

from pathlib import Path

import numpy as np
import pytest
import torch
from make_basic_pitch_reference import windows

from segue.audio.note_events import (
    FRAMES_PER_SECOND,
    BasicPitch,
    load_basic_pitch,
    note_activations,
    note_events,
)
from segue.builtin_spaces import WEIGHTS
from segue.errors import BadArgument


@pytest.fixture(scope="module")
def network() -> BasicPitch:
    return load_basic_pitch(WEIGHTS / "basic-pitch.safetensors")


def test_outputs_equal_those_of_the_published_network(network: BasicPitch) -> None:
    activations = network(torch.from_numpy(windows()))
    with np.load(Path(__file__).with_name("basic_pitch_reference.npz")) as reference:
        for name in ("contour", "note", "onset"):
            output = getattr(activations, name)[:, ::16].numpy()
            np.testing.assert_allclose(output, reference[name], rtol=0, atol=1e-4)


def test_silence_gives_finite_activations(network: BasicPitch) -> None:
    activations = network(torch.zeros(1, 43_844))
    assert activations.onset.isfinite().all()
    assert activations.note.max() < 0.3


@pytest.mark.parametrize("shape", [(43_844,), (1, 43_843), (1, 43_844, 1)])
def test_windows_of_another_shape_are_refused(network: BasicPitch, shape: tuple[int, ...]) -> None:
    with pytest.raises(BadArgument, match="43844"):
        network(torch.zeros(shape))


@pytest.mark.parametrize("seconds", [0.1, 1.0, 5.3])
def test_activations_have_a_frame_for_every_256_samples(
    network: BasicPitch, seconds: float
) -> None:
    samples = np.zeros(round(seconds * 22_050), np.float32)
    note, onset = note_activations(network, samples)
    assert note.shape == onset.shape == (1 + len(samples) // 256, 88)


def test_times_do_not_drift_over_windows(network: BasicPitch) -> None:
    time_s = np.arange(round(9.5 * 22_050)) / 22_050
    tone = np.sin(2 * np.pi * 440 * time_s) * (time_s % 1 < 0.6)
    events = note_events(*note_activations(network, tone.astype(np.float32)))
    assert set(events.pitch.tolist()) == {69}
    np.testing.assert_allclose(events.onset_s[1:], np.arange(1, 10), atol=0.03)


def activations(*notes: tuple[int, int, int], has_onset: bool = True) -> tuple[np.ndarray, ...]:
    """Return activations of notes, given by first frame, end and pitch."""
    note, onset = np.zeros((200, 88), np.float32), np.zeros((200, 88), np.float32)
    for start, end, pitch in notes:
        note[start:end, pitch - 21] = 0.8
        note[start:end, pitch - 20] = 0.45  # leaks into the neighbour
        onset[start, pitch - 21] = 0.9 if has_onset else 0
    return note, onset


def test_a_note_lasts_from_its_onset_until_its_activation_is_low() -> None:
    events = note_events(*activations((20, 60, 60), (60, 100, 60), (30, 80, 72)))
    assert events.pitch.tolist() == [60, 72, 60]
    frames = np.rint(np.stack([events.onset_s, events.offset_s]) * FRAMES_PER_SECOND)
    assert frames.tolist() == [[20, 30, 60], [60, 80, 100]]
    assert events.amplitude == pytest.approx([0.8] * 3)


def test_short_notes_are_left_out() -> None:
    assert len(note_events(*activations((20, 30, 60)))) == 0
    assert len(note_events(*activations((20, 30, 60)), min_frames=5)) == 1


def test_a_sustained_activation_without_an_onset_is_a_note() -> None:
    note, onset = activations((0, 60, 64), has_onset=False)
    events = note_events(note, onset)
    assert events.pitch.tolist() == [64]
    assert events.onset_s[0] == 0


def test_a_short_dip_does_not_end_a_note() -> None:
    note, onset = activations((20, 120, 60))
    note[60:68, 60 - 21] = 0.35
    assert len(note_events(note, onset)) == 1

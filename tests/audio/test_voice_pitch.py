"""The pitch of a voice: as the published network hears it, and as notes."""

from pathlib import Path

import numpy as np
import pytest
from make_voice_pitch_reference import synthetic_voice

from recordings import sung
from segue.audio.voice_pitch import (
    HOP_LENGTH,
    SAMPLE_RATE_HZ,
    PitchContour,
    contour_notes,
    track_pitch,
)
from segue.errors import BadArgument
from segue.records import FloatArray

REFERENCE = Path(__file__).with_name("voice_pitch_reference.npz")


def test_it_is_the_published_network() -> None:
    contour = track_pitch(synthetic_voice())
    with np.load(REFERENCE) as reference:
        assert len(contour) == len(reference["pitch"])
        assert np.abs(contour.confidence - reference["confidence"]).max() < 1e-4
        assert np.abs(contour.pitch - reference["pitch"]).max() < 1e-3
        assert np.abs(contour.level_db - reference["level_db"]).max() < 1e-4


@pytest.mark.parametrize("count", [1, HOP_LENGTH - 1, HOP_LENGTH, HOP_LENGTH + 1, 4800])
def test_a_recording_may_be_short(count: int) -> None:
    contour = track_pitch(synthetic_voice(0.5)[:count])
    assert len(contour) == max(1, count // HOP_LENGTH)
    assert np.isfinite(contour.pitch).all()


@pytest.mark.parametrize(
    "samples",
    [np.zeros(0, np.float32), np.full(999, np.nan, np.float32), np.zeros((2, 999), np.float32)],
    ids=["none", "not finite", "stereo"],
)
def test_what_is_no_recording_is_refused(samples: FloatArray) -> None:
    with pytest.raises(BadArgument, match="expected finite mono samples"):
        track_pitch(samples)


def test_silence_and_noise_have_no_notes() -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, 2 * SAMPLE_RATE_HZ).astype(np.float32)
    assert not len(contour_notes(track_pitch(np.zeros(SAMPLE_RATE_HZ, np.float32))))
    assert len(contour_notes(track_pitch(noise))) < 3


@pytest.mark.parametrize("gap_s", [0.0, 0.1])
def test_notes_are_those_sung(gap_s: float) -> None:
    pitches = [57.0, 59.2, 60.9, 56.0, 69.1, 57.0]
    notes = contour_notes(track_pitch(sung(pitches, gap_s=gap_s)))
    assert notes[:, 2] == pytest.approx(pitches, abs=0.15)
    onsets = np.arange(len(pitches)) * (0.3 + gap_s)
    assert notes[:, 0] == pytest.approx(onsets, abs=0.05)


def test_repeated_notes_are_one() -> None:
    notes = contour_notes(track_pitch(sung([60, 60, 60, 64, 64, 60], gap_s=0.08)))
    assert notes[:, 2] == pytest.approx([60, 64, 60], abs=0.1)


def test_clicks_and_octave_errors_are_no_notes() -> None:
    pitch = np.repeat([60.0, 64.0], 40)
    pitch[[10, 11, 60]] += 12
    pitch[20] = 90
    contour = PitchContour(pitch, np.ones(80), np.zeros(80))
    assert contour_notes(contour)[:, 2] == pytest.approx([60, 64])


def test_vibrato_is_one_note_and_frames_without_voice_count_for_nothing() -> None:
    frames = np.arange(120)
    pitch = 62 + 0.4 * np.sin(2 * np.pi * 5.5 * frames * 0.016)
    confidence = np.where((frames > 50) & (frames < 70), 0.1, 0.9)
    pitch[confidence < 0.5] = 30
    assert len(contour_notes(PitchContour(pitch, confidence, np.zeros(120)))) == 1

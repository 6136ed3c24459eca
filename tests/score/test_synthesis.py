"""Scores are played in tune, in time, and below clipping."""

import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scores import part_of, piece, score_of
from segue.errors import BadArgument, Unreadable
from segue.io.audio import write_wav
from segue.records import FloatArray
from segue.score import synthesis
from segue.score.synthesis import (
    TAIL_S,
    general_midi_sound_font,
    note_off_ticks,
    read_sound_font,
    synthesise,
)

RATE = 44100


def cents_off(sound: FloatArray, hz: float) -> float:
    """Find the strongest pitch within a semitone, by its first five partials."""
    middle = sound.mean(axis=0)[RATE // 10 : RATE]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle)), 1 << 18))
    at_hz = np.fft.rfftfreq(1 << 18, 1 / RATE)
    cents = np.arange(-100, 101)
    candidates = hz * 2 ** (cents / 1200)
    strength = sum(np.interp(k * candidates, at_hz, spectrum) for k in range(1, 6))
    return float(cents[int(np.argmax(strength))])


# All but five of the pitched programs are; the flute, say, the font itself has a little sharp.
@pytest.mark.parametrize("program", [0, 11, 19, 24, 33, 40, 48, 56, 60, 65, 71, 74, 80, 89])
def test_a_is_440_hz(program: int) -> None:
    sound = synthesise(score_of(part_of((0, 3, 69), program=program)))
    assert abs(cents_off(sound, 440.0)) <= 10


@pytest.mark.parametrize("pitch", [45, 52, 60, 67, 76])
def test_the_piano_is_in_tune_all_over(pitch: int) -> None:
    sound = synthesise(score_of(part_of((0, 3, pitch))))
    assert abs(cents_off(sound, 440.0 * 2 ** ((pitch - 69) / 12))) <= 10


@pytest.mark.parametrize("pitch", [36, 38, 42, 49])
def test_drums_sound_where_they_fall(pitch: int) -> None:
    sound = np.abs(synthesise(score_of(part_of((2, 0.1, pitch), drum=True)))).max(axis=0)
    assert sound[: RATE - 100].max() == 0
    assert sound[RATE : RATE + 2000].max() > 0.1


def test_a_closed_hi_hat_ends_the_open_one() -> None:
    open_alone = part_of((0, 0.1, 46), drum=True)
    both = part_of((0, 0.1, 46), (0.5, 0.1, 42), drum=True)
    late = slice(RATE // 2, RATE)
    alone, choked = (
        np.abs(synthesise(score_of(part))[:, late]).mean() for part in (open_alone, both)
    )
    assert choked < alone


def test_a_piece_has_its_length_and_a_level_below_clipping(tmp_path: Path) -> None:
    score = piece(1)
    sound = synthesise(score, 22050)
    seconds = 48 * 60 / float(score.tempos[0, 1])
    assert sound.dtype == np.float32
    assert sound.shape == (2, round((seconds + TAIL_S) * 22050))
    assert np.isfinite(sound).all()
    assert np.abs(sound).max() == pytest.approx(0.9)
    assert not np.array_equal(sound[0], sound[1])
    np.testing.assert_array_equal(sound, synthesise(score, 22050))
    write_wav(tmp_path / "piece.wav", sound, 22050)
    with wave.open(str(tmp_path / "piece.wav")) as file:
        assert (file.getnchannels(), file.getnframes()) == sound.shape
        written = np.frombuffer(file.readframes(sound.shape[1]), "<i2").reshape(-1, 2).T
    np.testing.assert_allclose(written / 32767, sound, atol=1e-4)


def test_a_note_fades_when_it_ends() -> None:
    short, long = (
        np.abs(synthesise(score_of(part_of((0, each, 60), (8, 1, 60), program=48))))
        for each in (1, 6)
    )
    # Half a second after the end of the first there is next to nothing left.
    late = slice(round(1.5 * RATE), 2 * RATE)
    assert short[:, late].mean() < 0.1 * long[:, late].mean()


def test_notes_ring_on_while_the_pedal_is_down() -> None:
    part = part_of((0, 1, 60), (1, 1, 62), (2, 1, 60), (3, 2, 64), (5, 1, 65))
    pedals = np.array([[12, 1], [96, 0], [144, 1]], np.int32)  # after half a beat, up on the fifth
    pressed = replace(part, pedals=pedals)
    # The first until its key is struck again, the last as it ends when the pedal goes down.
    assert note_off_ticks(pressed, 999).tolist() == [48, 96, 96, 120, 144]
    assert note_off_ticks(part, 999).tolist() == [24, 48, 72, 120, 144]
    assert note_off_ticks(replace(pressed, pedals=pedals[:1]), 168)[-1] == 168


def test_a_pedal_is_heard() -> None:
    part = part_of((0, 0.5, 60), (6, 1, 30))
    pressed = replace(part, pedals=np.array([[0, 1], [96, 0]], np.int32))
    dry, wet = (np.abs(synthesise(score_of(played))) for played in (part, pressed))
    during, after = slice(RATE, 2 * RATE), slice(round(2.6 * RATE), 3 * RATE - 100)
    assert dry[:, during].mean() < 0.1 * wet[:, during].mean()
    assert wet[:, after].mean() < 0.1 * wet[:, during].mean()


def test_only_so_much_is_played(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthesis, "MAX_DURATION_S", 1.0)
    sound = synthesise(score_of(part_of((0, 1, 60), (100, 1, 60))), 8000)
    assert sound.shape[1] == round((1.0 + TAIL_S) * 8000)


def test_what_cannot_be_played_is_refused() -> None:
    score = score_of(part_of((0, 1, 60)))
    with pytest.raises(BadArgument, match="8000 to 192000"):
        synthesise(score, 44)
    with pytest.raises(BadArgument, match="without"):
        synthesise(replace(score, parts=()))
    for content in (b"", b"RIFF" * 10, bytes(100)):
        with pytest.raises(Unreadable, match="damaged sound font"):
            read_sound_font(content)


def test_every_program_and_the_drums_are_there() -> None:
    font = general_midi_sound_font()
    assert all(font.regions(0, program, 60) for program in range(120))
    assert all(font.regions(128, 0, pitch) for pitch in range(35, 82))

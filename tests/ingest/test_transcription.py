"""Recordings transcribed to scores."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recordings import SCALE, write_song
from segue import Library, Span
from segue.audio.features import measure
from segue.audio.note_events import NoteEvents
from segue.errors import BadArgument
from segue.ingest.transcription import (
    TICKS_PER_QUARTER,
    _straighten,
    best_line,
    first_downbeat,
    notated,
    split_parts,
    to_score,
    transcribe_samples,
)
from segue.records import Part, Score
from segue.score.timing import main_tempo_bpm


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_song(tmp_path_factory.mktemp("song") / "song.flac")


@pytest.fixture(scope="module")
def score(song: Path, tmp_path_factory: pytest.TempPathFactory) -> Score:
    with Library.open(tmp_path_factory.mktemp("library")) as library:
        return library.scores.transcribe(song)


def test_a_song_has_its_melody_bass_tempo_and_chords(score: Score) -> None:
    parts = {part.name: part.notes[:, 2].tolist() for part in score.parts}
    assert len(set(SCALE) & set(parts["Melody"])) >= 6
    assert set(parts["Bass"]) == {36, 43}
    assert main_tempo_bpm(score) == pytest.approx(120, rel=0.02)
    assert [name for _, name in score.chords][:6] == ["C", "G"] * 3
    assert [tick for tick, _ in score.chords][:3] == [0, 1920, 3840]
    assert score.title == "Scale"


def test_a_passage_is_transcribed_alone(song: Path, tmp_path: Path) -> None:
    with Library.open(tmp_path / "library") as library:
        score = library.scores.transcribe(song, Span(4.0, 8.0))
        assert {part.name for part in score.parts} == {"Melody", "Chords", "Bass"}
        notes = np.concatenate([part.notes for part in score.parts])
        assert notes[:, 0].max() <= 10 * TICKS_PER_QUARTER


def test_a_score_is_not_transcribed(tmp_path: Path) -> None:
    (tmp_path / "a.abc").write_text("X:1\nK:C\nCDEF|\n")
    with (
        Library.open(tmp_path / "library") as library,
        pytest.raises(BadArgument, match="is a score already"),
    ):
        library.scores.transcribe(tmp_path / "a.abc")


@pytest.mark.parametrize("tuning", [-0.45, 0.0, 0.4])
def test_recordings_in_any_tuning_have_the_notes_they_are_nearest_to(tuning: float) -> None:
    time_s = np.arange(3 * 22_050) / 22_050
    hz = 440 * 2 ** (tuning / 12)
    samples = 0.3 * np.sin(2 * np.pi * hz * time_s) * (time_s % 1 < 0.7)
    notes = transcribe_samples(samples.astype(np.float32), tuning)
    assert set(notes.pitch.tolist()) == {69}
    np.testing.assert_allclose(notes.onset_s[1:], [1, 2], atol=0.04)


def events(*notes: tuple[float, float, int]) -> NoteEvents:
    onset, offset, pitch = (np.array(column) for column in zip(*notes, strict=True))
    return NoteEvents(onset.astype(float), offset.astype(float), pitch, np.full(len(notes), 0.5))


def test_parts_are_highest_middle_and_lowest() -> None:
    chorale = events(*((float(t), t + 0.9, p) for t in range(4) for p in (40 + t, 55, 59, 72 - t)))
    melody, chords, bass = (chorale.pitch[rows].tolist() for rows in split_parts(chorale))
    assert melody == [72, 71, 70, 69]
    assert bass == [40, 41, 42, 43]
    assert sorted(set(chords)) == [55, 59]


def test_a_single_line_is_all_melody() -> None:
    melody, chords, bass = split_parts(events(*((t / 2, t / 2 + 0.4, 60 + t) for t in range(8))))
    assert (len(melody), len(chords), len(bass)) == (8, 0, 0)


def test_a_line_does_not_leap_to_an_accompaniment_in_its_rest() -> None:
    tune = events((0, 0.9, 76), (1, 1.9, 74), (2, 2.2, 45), (3, 3.9, 76))
    rows = best_line(tune, np.array([1, 1, 0.5, 1.0]), np.ones(4, bool))
    assert tune.pitch[rows].tolist() == [76, 74, 76]


@pytest.mark.parametrize("phase", range(4))
def test_bars_begin_where_bass_and_harmony_change(phase: int) -> None:
    beats_s = np.arange(33) / 2
    roots = [36, 41, 43, 36, 45, 41, 43]
    bass = [((phase + 4 * bar) / 2, (phase + 4 * bar) / 2 + 1.9, p) for bar, p in enumerate(roots)]
    tune = [(beat / 2, beat / 2 + 0.4, 72) for beat in range(32)]
    assert first_downbeat(events(*sorted(bass + tune)), beats_s, 4) == phase


@pytest.mark.parametrize("phase", range(4))
def test_a_score_begins_with_a_whole_bar(phase: int) -> None:
    bass = [((phase + 4 * bar) / 2, (phase + 4 * bar) / 2 + 1.9, 36 + bar) for bar in range(7)]
    tune = [(beat / 2, beat / 2 + 0.4, 72) for beat in range(30)]
    samples = np.zeros(22_050, np.float32)
    samples[::2000] = 0.5
    measured = measure((samples,))
    beats = replace(
        measured.beats, beats_s=((np.arange(31) / 2).astype(np.float32),), beats_per_bar=4
    )
    tempo = replace(measured.tempo, bpm=120.0)
    score = to_score(events(*sorted(bass + tune)), replace(measured, beats=beats, tempo=tempo), "")
    (low,) = (part.notes for part in score.parts if part.name == "Bass")
    assert set((low[:, 0] % (4 * TICKS_PER_QUARTER)).tolist()) == {0}
    assert min(part.notes[0, 0] for part in score.parts) < 4 * TICKS_PER_QUARTER


def test_uneven_beats_of_one_tempo_become_even() -> None:
    jitter = np.random.default_rng(0).uniform(-0.02, 0.02, 60)
    straight = _straighten(np.arange(60) * 0.5 + jitter)
    assert np.ptp(np.diff(straight)) < 1e-9
    assert np.diff(straight)[0] == pytest.approx(0.5, abs=1e-3)


def test_beats_that_slow_down_are_followed() -> None:
    beats_s = np.cumsum(0.5 * 1.01 ** np.arange(60))
    straight = _straighten(beats_s)
    assert np.abs(straight - beats_s).max() < 0.06
    assert len(set(np.diff(straight).round(6))) < 20


def test_notation_lies_on_sixteenths_or_triplets() -> None:
    beat = TICKS_PER_QUARTER
    onset = [3, 115, 245, 352, beat + 5, beat + 165, beat + 315, 2 * beat + 10, 2 * beat + 14]
    notes = [(tick, 100, 60 + index, 80) for index, tick in enumerate(onset)]
    part = Part("Melody", 0, False, np.array(notes, np.int32))
    nothing = np.zeros((0, 3), np.int32)
    score = Score("", beat, (part,), np.zeros((0, 2)), nothing, nothing)
    written = notated(score).parts[0].notes
    expected = [0, 120, 240, 360, beat, beat + 160, beat + 320, 2 * beat, 2 * beat]
    assert written[:, 0].tolist() == expected
    assert (written[:-2, 0] + written[:-2, 1] <= written[1:-1, 0]).all()

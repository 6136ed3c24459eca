"""`segue transcribe`, run as a user runs it."""

from pathlib import Path

import numpy as np
import pytest
from test_cli import answer, segue

from conftest import write_sound
from recordings import RATE_HZ, write_song
from segue.io.scores import read_scores
from segue.records import Score


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_song(tmp_path_factory.mktemp("song") / "song.flac")


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.random.default_rng(0).normal(0, 0.2, 3 * RATE_HZ), "no notes are heard"),
        (np.zeros(3 * RATE_HZ), "silence"),
        (np.ones(RATE_HZ // 3), "too short"),
    ],
)
def test_recordings_without_notes_are_refused(
    tmp_path: Path, samples: np.ndarray, message: str
) -> None:
    write_sound(tmp_path / "a.wav", samples.astype(np.float32), RATE_HZ)
    done = segue("transcribe", tmp_path / "a.wav", "-o", tmp_path / "a.mid")
    assert done.returncode != 0
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "a.mid").exists()


def test_files_are_written_by_their_endings(song: Path, tmp_path: Path) -> None:
    outputs = [tmp_path / f"a.{ending}" for ending in ("mid", "musicxml", "abc")]
    options = [item for path in outputs for item in ("-o", path)]
    options += ["--at", "0:00-0:08", "--title", "Tune", "--lead-sheet"]
    fields = answer("transcribe", song, *options, library=tmp_path / "library")
    assert fields["time_signature"] == "4/4"
    assert [chord["name"] for chord in fields["chords"]][:2] == ["C", "G"]
    for path in outputs:
        (read,) = read_scores(path)
        assert isinstance(read, Score)
        assert read.title == "Tune"
        assert len(read.parts) == 1
        assert read.chords or path.suffix == ".mid"


def test_commands_for_scores_take_a_recording(song: Path, tmp_path: Path) -> None:
    done = segue("harmonise", song, "-o", tmp_path / "a.mid", "--temperature", "0")
    assert done.returncode == 0, done.stderr
    (read,) = read_scores(tmp_path / "a.mid")
    assert isinstance(read, Score)
    assert len(read.parts) >= 2
    grid = read.ticks_per_quarter // 12
    assert not (read.parts[0].notes[:, :2] % grid).any(), "the melody is quantised"


def test_the_recording_is_not_written_over(song: Path, tmp_path: Path) -> None:
    recording = tmp_path / "a.wav"
    recording.write_bytes(song.read_bytes())
    done = segue("transcribe", recording, "-o", tmp_path / "b.mid", "-o", recording)
    assert done.returncode != 0
    assert "a.wav is the input" in done.stderr
    assert recording.read_bytes() == song.read_bytes()


def test_chords_of_a_recording_are_shown(song: Path, tmp_path: Path) -> None:
    fields = answer("show", song, "--chords", library=tmp_path / "library")
    assert [chord["name"] for chord in fields["chords"]][:4] == ["C", "G", "C", "G"]
    assert fields["tracks"][0]["title"] == "Scale"

"""The command `find --hum`, run as a user runs it."""

from pathlib import Path

import numpy as np
import pytest
from test_cli import answer, segue

from conftest import little_score, write_score, write_sound
from recordings import SUNG_RATE_HZ as RATE_HZ
from recordings import sung
from segue.library import Library
from segue.score.lines import melodic_lines


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of four scores, a book of two tunes and a recording."""
    folder = tmp_path_factory.mktemp("find")
    for seed in range(4):
        write_score(folder / f"piece {seed}.mid", little_score(seed, 16))
    book = "X:1\nT:Scale\nL:1/8\nK:C\nCDEF GABc|\n\nX:2\nT:Leaps\nL:1/8\nK:C\nCGDA EBFc Ccc,c G|\n"
    (folder / "book.abc").write_text(book)
    notes = [72, 74, 76, 77, 76, 79, 77, 74, 72, 71, 72, 76]
    write_sound(folder / "song.wav", sung(notes, 0.4), RATE_HZ)
    done = segue("add", folder, "--workers", "1", library=folder / "library")
    assert done.returncode == 0, done.stderr
    return folder / "library"


def hummed(seed: int, path: Path) -> Path:
    """Hum a passage of the violin's part, in another key and slower."""
    line = melodic_lines(little_score(seed, 16))[0]
    kept = np.append(True, np.diff(line.pitch) != 0)
    pitches = line.pitch[kept][8:22] - 7.4
    pause = np.random.default_rng(0).normal(0, 1e-3, RATE_HZ // 3).astype(np.float32)
    return write_sound(path, np.concatenate([pause, sung(pitches.tolist(), 0.35), pause]), RATE_HZ)


def test_a_hum_finds_the_tune(library: Path, tmp_path: Path) -> None:
    hum = hummed(2, tmp_path / "hum.wav")
    found = answer("find", "--hum", hum, "-n", "3", library=library)
    assert found["hits"][0]["track"]["title"] == "Piece 2"
    assert found["hits"][0]["similarity"] > 0.5 > found["hits"][1]["similarity"]
    assert (found["recordings"], found["without_melody"]) == (1, 1)


def test_notes_on_the_command_line_and_a_score_find_tunes(library: Path) -> None:
    (hit, *_) = answer("find", "--hum", "D A E B F c", library=library)["hits"]
    assert hit["track"]["title"] == "Leaps"
    assert hit["similarity"] == pytest.approx(1)
    (hit, *_) = answer("find", "--hum", library.parent / "piece 3.mid", library=library)["hits"]
    assert hit["track"]["title"] == "Piece 3"


def test_recordings_are_searched_once_they_are_transcribed(library: Path, tmp_path: Path) -> None:
    hum = write_sound(
        tmp_path / "hum.wav", sung([57, 59, 61, 62, 61, 64, 62, 59, 57], 0.5), RATE_HZ
    )
    found = answer("find", "--hum", hum, "--recordings", library=library)
    assert found["hits"][0]["track"]["kind"] == "sound"
    assert found["without_melody"] == 0
    with Library.open(library) as lib:  # from now on without being asked for
        again = lib.scores.find_melody(hum, 1, watch=lambda *_: pytest.fail("a file is read"))
    assert again.hits[0].track.kind == "sound"


def test_the_index_follows_the_library(library: Path, tmp_path: Path) -> None:
    write_score(tmp_path / "new.mid", little_score(9, 16))
    hum = hummed(9, tmp_path / "hum.wav")
    assert segue("add", tmp_path / "new.mid", library=library).returncode == 0
    assert answer("find", "--hum", hum, library=library)["hits"][0]["track"]["title"] == "Piece 9"
    assert segue("remove", "Piece 9", library=library).returncode == 0
    assert "Piece 9" not in str(answer("find", "--hum", hum, library=library)["hits"])


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("C D", "at least 4"),
        ("no notes?", "name a recording, a score, or notes"),
        (" ", "an empty query"),
        ("nowhere.wav", "there is no file nowhere.wav"),
        ("words.txt", "is a text"),
        ("silence.wav", "silence"),
        ("short.wav", "too short"),
        ("noise.wav", "at least 4"),
        ("one.wav", "hum a phrase"),
        ("drums.mid", "no note with a pitch"),
    ],
)
def test_what_is_no_melody_is_refused_in_one_line(
    query: str, message: str, library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "words.txt").write_text("la la la\n")
    write_sound(tmp_path / "silence.wav", np.zeros(RATE_HZ * 3, np.float32), RATE_HZ)
    write_sound(tmp_path / "short.wav", sung([60], 0.05), RATE_HZ)
    noise = np.random.default_rng(0).normal(0, 0.1, 3 * RATE_HZ).astype(np.float32)
    write_sound(tmp_path / "noise.wav", noise, RATE_HZ)
    write_sound(tmp_path / "one.wav", sung([60, 60], 1.0), RATE_HZ)
    drums = little_score(1)
    write_score(tmp_path / "drums.mid", type(drums)(**{
        field: getattr(drums, field) for field in drums.__dataclass_fields__
    } | {"parts": drums.parts[2:]}))  # fmt: skip
    done = segue("find", "--hum", query, library=library)
    assert done.returncode in (1, 2)
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_line_or_a_melody_is_needed(library: Path) -> None:
    for arguments, message in (
        ([], "name a line"),
        (["the sea", "--hum", "C D E F"], "--hum goes without a line"),
    ):
        done = segue("find", *arguments, library=library)
        assert (done.returncode, message in done.stderr) == (2, True)

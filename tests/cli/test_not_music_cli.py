"""What the commands say of tempo and key, and of what is no music."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import fill_described
from segue.cli import main
from segue.cli.output import format_key, format_tempo

Run = Callable[..., str]
FACTS: dict[str, float | str] = {
    "tempo_bpm": 139.7,
    "tempo_confidence": 0.58,
    "tempo_other_bpm": 69.85,
    "pulse_clarity": 0.2,
    "tonic": "F",
    "key": "F major",
    "key_confidence": 0.86,
    "sound_kind": "music",
    "music_probability": 0.97,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("described")
    songs = {f"song {n}": (180.0, dict(FACTS)) for n in range(4)}
    fill_described(folder, songs | {"podcast": (900.0, FACTS | {"sound_kind": "speech"})})
    return folder


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["segue", *arguments])
        monkeypatch.setenv("SEGUE_LIBRARY", str(folder))
        with pytest.raises(SystemExit) as stopped:
            main()
        assert not stopped.value.code
        return re.sub(" +", " ", capsys.readouterr().out)

    return run


def test_show_formats_tempo_and_key(run: Run) -> None:
    document = run("show", "song 1")
    assert "tempo 140 or 70 bpm, 58% sure" in document
    assert "key F major (7B), 86% sure" in document
    assert "no music" not in document
    assert "no music it sounds like speech" in run("show", "podcast")


def test_list_and_json_mark_what_is_not_music(run: Run) -> None:
    assert run("list").count("speech") == 1
    listed = json.loads(run("list", "--json"))["tracks"]
    assert {track["title"]: track["not_music"] for track in listed} == {
        **{f"song {n}": None for n in range(4)},
        "podcast": "speech",
    }
    assert json.loads(run("show", "podcast", "--json"))["tracks"][0]["not_music"] == "speech"


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (("like", "song 1", "-n", "9"), 3),
        (("like", "song 1", "-n", "9", "--all"), 4),
        (("like", "podcast", "-n", "9"), 4),
        (("like", "song 1", "--bpm", "140", "--all"), 4),
        (("like", "song 1", "--bpm", "70"), 0),
        (("like", "song 1", "--bpm", "70", "--bpm-octaves"), 3),
    ],
)
def test_like_leaves_it_out(run: Run, arguments: tuple[str, ...], found: int) -> None:
    assert len(json.loads(run(*arguments, "--json"))["hits"]) == found


def test_outliers_paths_and_playlists_leave_it_out(run: Run) -> None:
    for more, count in (((), 4), (("--all",), 5)):
        assert len(json.loads(run("outliers", "--json", *more))["outliers"]) == count
        way = run("path", "song 0", "song 3", "--json", *more)
        assert len(json.loads(way)["tracks"]) == count
        listed = run("playlist", "--like", "song 0", "--json", "--seed", "1", *more)
        assert len(json.loads(listed)["tracks"]) == count


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        (FACTS, "140 or 70 bpm"),
        (FACTS | {"tempo_confidence": 0.9}, "140 bpm"),
        (FACTS | {"tempo_other_bpm": 0.0}, "140 bpm"),
        ({"tempo_bpm": 96.0}, "96 bpm"),  # of a score, or of an older Segue
        ({"tempo_bpm": 0.0}, ""),
        ({}, ""),
    ],
)
def test_tempos_are_rounded(facts: dict[str, float | str], message: str) -> None:
    assert format_tempo(facts) == message


@pytest.mark.parametrize(
    ("key", "message"),
    [("F major", "F major (7B)"), ("G# minor", "G# minor (1A)"), ("H major", "H major"), ("", "")],
)
def test_keys_have_their_camelot_code(key: str, message: str) -> None:
    assert format_key({"key": key}) == message


def test_an_empty_result_says_what_is_left_out(tmp_path: Path, run: Run) -> None:
    fill_described(tmp_path, {f"effect {n}": (3.0, dict(FACTS)) for n in range(3)})
    for arguments in (("like", "1"), ("playlist", "--like", "1"), ("path", "1", "2")):
        assert "3 tracks of speech, of noise or under 10 s left out: --all" in run(
            *arguments, "--library", str(tmp_path)
        )
        assert "--all" not in run(*arguments, "--all", "--library", str(tmp_path))

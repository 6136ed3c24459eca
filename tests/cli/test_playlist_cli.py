"""Paths, playlists and taste as commands: what they say is so, and what they write can travel."""

import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from conftest import fill_library
from segue.cli import main
from segue.records import Tags

Run = Callable[..., str]
SCHEMA = json.loads(
    (Path(__file__).parents[2] / "docs" / "reference" / "json.schema.json").read_text()
)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command on a library; return what it prints, or the error with its exit code."""

    def run(library: Path, *arguments: str | Path, code: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["segue", *map(str, arguments)])
        monkeypatch.setenv("SEGUE_LIBRARY", str(library))
        with pytest.raises(SystemExit) as stopped:
            main()
        assert (stopped.value.code or 0) == code
        out, err = capsys.readouterr()
        return err if code else out

    return run


@pytest.fixture(scope="module")
def nine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nine")
    fill_library(folder, [Tags(f"{a}{i}", f"by {a}{i}", a) for a in "abc" for i in range(3)])
    return folder


def test_no_page_holds_a_path_of_this_machine(
    filled: Path, little_music: Path, tmp_path: Path, run: Run
) -> None:
    inside = next(little_music.rglob("*.ogg"))
    outside = tmp_path / "elsewhere" / "some tune.ogg"
    outside.parent.mkdir()
    shutil.copyfile(inside, outside)
    page = tmp_path / "page.html"
    for file in (inside, outside):
        for command in (
            ("playlist", "--like", file, "-o", page),
            ("playlist", "--like", file, "--like", "1", "--minutes", "9", "-o", page),
            ("like", file, "--m3u", page),
            ("path", inside, "6", "-o", page),
        ):
            run(filled, *command)
            text = page.read_text(encoding="utf-8")
            for place in (tmp_path, little_music, filled, Path.home()):
                assert str(place) not in text
            assert command[0] == "path" or file.name in text
            assert not re.search(r'"link":"(/|[a-z]+:)', text)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["playlist", "--like", "1", "--seed", "-1"], "'--seed'"),
        (["playlist", "--like", "1", "--seed", str(2**32)], "'--seed'"),
        (["playlist", "--like", "1", "--minutes", "1e308"], "at most 10080"),
        (["playlist", "--like", "1", "--minutes", "nan"], "above 0"),
        (["playlist", "--like", "1", "--minutes", "-1"], "'--minutes'"),
        (["playlist", "--like", "1", "--minutes", "0"], "above 0"),
        (["playlist", "--like", "1", "--surprise", "nan"], "from 0 to 1"),
        (["playlist", "--like", "1", "--surprise", "2"], "'--surprise'"),
        (["playlist", "--like", "1", "-n", "0"], "'-n'"),
        (["playlist", "--like", "1", "-n", "5001"], "at most 5000"),
        (["playlist", "--like", "1", "--max-per-artist", "0"], "'--max-per-artist'"),
        (["playlist", "--like", "1", "--absolute", "-o", "p.html"], "never holds whole paths"),
        (["path", "1", "9", "--absolute", "-o", "p.htm"], "never holds whole paths"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_errors_are_one_line(nine: Path, run: Run, arguments: list[str], message: str) -> None:
    assert message in run(nine, *arguments, code=2)


def test_a_random_seed_is_printed(nine: Path, run: Run) -> None:
    for options, document in (
        ([], True),
        (["--surprise", "0"], False),
        (["--surprise", "0", "--flow", "shuffle"], True),
        (["--flow", "dj", "--surprise", "0"], False),
        (["--seed", "3"], False),
    ):
        arguments = ("playlist", "--like", "1", "-n", "5", "--space", "tags")
        out = run(nine, *arguments, *options)
        assert ("for this list again: --seed" in out) == document


def test_minutes_too_short_for_any_track_give_an_empty_list(nine: Path, run: Run) -> None:
    for flow in ("smooth", "rise", "shuffle", "dj"):
        arguments = ("playlist", "--like", "1", "--minutes", "0.1", "--flow", flow)
        assert "nothing passes" in run(nine, *arguments)
        assert json.loads(run(nine, *arguments, "--json"))["tracks"] == []


def test_an_influence_of_taste_is_printed(tmp_path: Path, run: Run) -> None:
    fill_library(tmp_path, [Tags(f"{a}{i}", f"by {a}{i}", a) for a in "abc" for i in range(3)])
    of = ("--space", "tags")
    arguments = [("like", "1", *of), ("playlist", "--like", "1", "-n", "4", *of)]
    assert not any("leaned" in run(tmp_path, *question) for question in arguments)
    run(tmp_path, "love", "2", "3")
    for question in arguments:
        assert "leaned towards what you love (2); --no-taste" in run(tmp_path, *question)
    run(tmp_path, "skip", "8")
    for question in arguments:
        out = run(tmp_path, *question)
        assert "leaned towards what you love (2) and away from what you skip (1)" in out
        assert "leaned" not in run(tmp_path, *question, "--no-taste")
        json.loads(run(tmp_path, *question, "--json"))  # nothing but JSON


def test_only_marked_tracks_are_forgotten(tmp_path: Path, run: Run) -> None:
    fill_library(tmp_path, [Tags(f"t{i}", f"by {i}", "a") for i in range(3)])
    assert run(tmp_path, "forget", "2") == "nothing to forget: none of these is loved or skipped\n"
    run(tmp_path, "love", "1")
    run(tmp_path, "skip", "3")
    assert run(tmp_path, "forget", "1", "2", "3").split() == (
        ["forgotten:", "1", "by", "0", "-", "t0", "forgotten:", "3", "by", "2", "-", "t2"]
    )
    assert json.loads(run(tmp_path, "forget", "1", "--json"))["forgotten"] == []


def test_the_query_of_each_result_is_named(nine: Path, tmp_path: Path, run: Run) -> None:
    result = json.loads(run(nine, "like", "1", "9", "-n", "4", "--json"))
    assert [hit["asked_with"] for hit in result["hits"]] == [["1"], ["9"]] * 2
    jsonschema.validate(result, SCHEMA)
    output = run(nine, "like", "1", "9", "-n", "4", "-o", tmp_path / "both.html")
    first, head, *lines = output.splitlines()
    assert first == "Like a0 + c2"
    assert head.split()[:3] == ["similarity", "like", "title"]
    assert [line.split()[2] for line in lines if line[:1].isdigit()] == ["a0", "c2"] * 2
    assert "are far apart" in output
    assert "like c2" in (tmp_path / "both.html").read_text(encoding="utf-8")
    assert "are far apart" not in run(nine, "like", "1", "-n", "4")

    listed = json.loads(run(nine, "playlist", "--like", "1", "--like", "9", "-n", "4", "--json"))
    jsonschema.validate(listed, SCHEMA)
    assert sorted(track["asked_with"] for track in listed["tracks"]) == [["1"]] * 2 + [["9"]] * 2
    output = run(nine, "playlist", "--like", "1", "--like", "9", "-n", "4")
    assert "are far apart" in output


def test_a_playlist_ends_where_nothing_is_similar_unless_filled(nine: Path, run: Run) -> None:
    short, whole = (
        run(nine, "playlist", "--like", "1", "--minutes", "60", *more) for more in ([], ["--fill"])
    )
    assert "it ends before 60 minutes: no other similar track fits; --fill" in short
    assert "it ends before" not in whole
    assert len(short.splitlines()) < len(whole.splitlines())

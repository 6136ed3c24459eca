"""The commands that take lyrics, run as a user runs them."""

from pathlib import Path

import pytest
from test_cli import answer, segue

from verses import song


@pytest.fixture(scope="module")
def lyrics(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of two artists with four songs each; what was left out is said."""
    folder = tmp_path_factory.mktemp("lyrics")
    for artist in ("Ada Long", "Bob Short"):
        (folder / artist).mkdir()
        for seed in range(4):
            (folder / artist / f"Song {seed}.txt").write_text(song(artist, seed))
    (folder / "Ada Long" / "Song 1 (Live).txt").write_text(song("Ada Long", 8))
    (folder / "Ada Long" / "Z again.txt").write_text(song("Ada Long", 2).upper())
    library = folder / "library"
    done = segue("add", folder, "--workers", "1", library=library)
    assert done.returncode == 0, done.stderr
    assert "8 added" in done.stdout
    left_out = "songs: 1 left out, live or remixed, 1 left out, with words that are there already"
    assert left_out in done.stdout
    return library


def test_find_shows_the_line(lyrics: Path) -> None:
    line = song("Ada Long", 1).split("\n")[0]
    asked = line.replace("e", "", 2).lower()
    hits = answer("find", asked, "-n", "3", library=lyrics)["hits"]
    assert hits[0]["line"] == line
    assert hits[0]["track"]["kind"] == "lyrics"
    assert line in segue("find", asked, library=lyrics).stdout
    assert "no line comes near" in segue("find", "xqzw", library=lyrics).stdout
    done = segue("find", "?!", library=lyrics)
    assert (done.returncode, "no letters" in done.stderr) == (2, True)


def test_show_and_explain(lyrics: Path) -> None:
    shown = answer("show", "1", library=lyrics)["tracks"][0]
    assert shown["words"] == song("Ada Long", 0)
    assert shown["features"]["lines"] == 16
    assert "nightingale" in segue("show", "1", library=lyrics).stdout + song("Ada Long", 0)
    told = answer("explain", "1", "5", library=lyrics)
    assert {group["name"] for group in told["groups"]} >= {"characters", "rhyme"}
    assert not any("Bucket" in trait["name"] for trait in told["alike"])


@pytest.mark.parametrize(
    "arguments",
    [["like", "1"], ["groups"], ["evaluate", "--by", "artist"], ["map", "-o", "{tmp}/map.png"]],
    ids=lambda arguments: arguments[0],
)
def test_what_is_asked_of_recordings_is_answered_of_lyrics(
    lyrics: Path, tmp_path: Path, arguments: list[str]
) -> None:
    told = answer(*[part.replace("{tmp}", str(tmp_path)) for part in arguments], library=lyrics)
    if "space" in told:
        assert told["space"] == "style"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["like", "1", "--at", "0:01-0:02"], "recordings"),
        (["show", "1", "-o", "{tmp}/a.png"], "of one score"),
        (["blend", "1", "2", "-o", "{tmp}"], "not a score"),
    ],
)
def test_what_cannot_be_is_refused(
    lyrics: Path, tmp_path: Path, arguments: list[str], said: str
) -> None:
    done = segue(*[part.replace("{tmp}", str(tmp_path)) for part in arguments], library=lyrics)
    assert done.returncode == 2, done.stdout + done.stderr
    assert said in done.stderr

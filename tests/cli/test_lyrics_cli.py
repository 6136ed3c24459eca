"""The commands that take lyrics, run as a user runs them."""

from pathlib import Path

import pytest
from test_cli import answer, segue

from language_models import bert, gpt2
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
    arguments = line.replace("e", "", 2).lower()
    hits = answer("find", arguments, "-n", "3", library=lyrics)["hits"]
    assert hits[0]["line"] == line
    assert hits[0]["track"]["kind"] == "lyrics"
    assert line in segue("find", arguments, library=lyrics).stdout
    assert "no line comes near" in segue("find", "xqzw", library=lyrics).stdout
    done = segue("find", "?!", library=lyrics)
    assert (done.returncode, "no letters" in done.stderr) == (2, True)


def test_show_and_explain(lyrics: Path) -> None:
    shown = answer("show", "1", library=lyrics)["tracks"][0]
    assert shown["words"] == song("Ada Long", 0)
    assert shown["features"]["lines"] == 16
    assert "nightingale" in segue("show", "1", library=lyrics).stdout + song("Ada Long", 0)
    document = answer("explain", "1", "5", library=lyrics)
    assert {group["name"] for group in document["groups"]} >= {"characters", "rhyme"}
    assert not any("Bucket" in trait["name"] for trait in document["alike"])


@pytest.mark.parametrize(
    "arguments",
    [["like", "1"], ["groups"], ["evaluate", "--by", "artist"], ["map", "-o", "{tmp}/map.png"]],
    ids=lambda arguments: arguments[0],
)
def test_commands_for_recordings_work_with_lyrics(
    lyrics: Path, tmp_path: Path, arguments: list[str]
) -> None:
    document = answer(*[part.replace("{tmp}", str(tmp_path)) for part in arguments], library=lyrics)
    if "space" in document:
        assert document["space"] == "style"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["like", "1", "--at", "0:01-0:02"], "recordings"),
        (["show", "1", "-o", "{tmp}/a.png"], "of one score"),
        (["blend", "1", "2", "-o", "{tmp}"], "not a score"),
    ],
)
def test_invalid_arguments_are_refused(
    lyrics: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    done = segue(*[part.replace("{tmp}", str(tmp_path)) for part in arguments], library=lyrics)
    assert done.returncode == 2, done.stdout + done.stderr
    assert message in done.stderr


def test_find_by_meaning(lyrics: Path, tmp_path: Path) -> None:
    encoder = bert(tmp_path)
    asked = ("lyrics", "find", "--meaning", "leaving home", "--encoder", encoder)
    hits = answer(*asked, "-n", "3", library=lyrics)["hits"]
    assert [hit["rank"] for hit in hits] == [1, 2, 3]
    assert all(" / " in hit["line"] for hit in hits)
    done = segue("lyrics", "find", "a line", "--meaning", "home", library=lyrics)
    assert (done.returncode, "--meaning" in done.stderr) == (2, True)
    done = segue("lyrics", "find", "a line", "--encoder", encoder, library=lyrics)
    assert (done.returncode, "--encoder goes with --meaning" in done.stderr) == (2, True)


def test_a_language_model_in_a_folder_writes(tmp_path: Path) -> None:
    songs = tmp_path / "songs"
    songs.mkdir()
    for seed in range(9):
        (songs / f"{seed}.txt").write_text(song("Bob Short", seed))
    lyrics = tmp_path / "library"
    segue("add", songs, "--artist", "Bob Short", "--workers", "1", library=lyrics)
    base = gpt2(tmp_path / "gpt2", steps=5)
    train = ("train", "lyrics", "--from", base, "--epochs", "1")
    done = segue(*train, library=lyrics)
    assert (done.returncode, "--artist" in done.stderr) == (2, True)
    done = segue(*train, "--artist", "bob", library=lyrics)
    assert done.returncode == 0, done.stderr
    assert "bits per character of held-out songs" in done.stdout
    text = answer("lyrics", "write", "--artist", "bob", "--lines", "2", library=lyrics)["texts"][0]
    assert text["artists"] == ["Bob Short"]
    assert len(text["lines"]) == 2
    wrong = ("train", "lyrics", "--artist", "bob", "--from", bert(tmp_path / "bert"))
    done = segue(*wrong, "--restart", library=lyrics)
    assert (done.returncode, "not a causal language model" in done.stderr) == (2, True)

"""What a folder means, from the command line: recordings and their words, and no albums."""

from pathlib import Path
from typing import Any

import pytest
from mutagen.id3 import ID3, TIT2, TPE1
from test_cli import answer, segue

from conftest import tune, write_sound

SONGS = {
    "Chaos God": "Out of the dark a god came down\nand all of us were still",
    "Mutilated Mime": "A mutilated mime is silent\nnobody hears him shout",
    "March": "Left and right they march along\nuntil the drum is broken",
}


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tagged recordings with synced words beside them, and untagged ones in a folder."""
    folder = tmp_path_factory.mktemp("music")
    (folder / "Downloads").mkdir()
    for seed, (title, words) in enumerate(SONGS.items()):
        path = write_sound(folder / f"{title}.mp3", tune(seed, 12.0, 16_000), 16_000)
        tags: Any = ID3()
        frames: list[tuple[Any, str]] = [(TIT2, title), (TPE1, "Muldjord")]
        for frame, text in frames:
            tags.add(frame(encoding=3, text=[text]))
        tags.save(path)
        lines = "\n".join(f"[00:0{n}.00]{line}" for n, line in enumerate(words.split("\n")))
        (folder / f"{title}.lrc").write_text(f"[ti:{title}]\n[ar:Muldjord]\n{lines}\n")
    for seed in range(10, 14):
        write_sound(folder / "Downloads" / f"jet {seed}.wav", tune(seed, 12.0, 16_000), 16_000)
    return folder


@pytest.fixture(scope="module")
def library(music: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of them."""
    folder = tmp_path_factory.mktemp("library") / "library"
    document = answer("add", music, "--workers", "1", library=folder)
    assert (document["added"], document["words"], document["tracks"]) == (7, 3, 7)
    return folder


def test_a_name_queries_with_recordings(library: Path) -> None:
    for arguments in (["like", "muldjord"], ["like", "chaos god"]):
        assert {hit["track"]["kind"] for hit in answer(*arguments, library=library)["hits"]} == {
            "sound"
        }
    assert segue("playlist", "--like", "muldjord", "-n", "3", library=library).returncode == 0
    (track,) = answer("show", "chaos god", library=library)["tracks"]
    assert track["words"] == SONGS["Chaos God"]
    assert "muldjord" in segue("love", "muldjord", library=library).stdout.lower()
    assert len(answer("list", library=library)["tracks"]) == 7


def test_a_line_finds_the_song_and_its_file(library: Path, music: Path) -> None:
    (hit, *_) = answer("find", "nobody heers him shout", library=library)["hits"]
    assert hit["track"]["path"] == str(music / "Mutilated Mime.mp3")
    assert "Mutilated Mime.mp3" in segue(
        "find", "nobody hears him", library=library
    ).stdout.replace("\n", "")


def test_a_folder_is_no_album(library: Path) -> None:
    assert {track["album"] for track in answer("list", library=library)["tracks"]} == {""}
    done = segue("evaluate", "--by", "album", library=library)
    assert (done.returncode, "no label" in done.stderr) == (2, True)
    blended = answer("like", "jet 10", "--blend", "sound=0.5,metadata=0.5", library=library)
    assert all(reason["name"] != "metadata" for hit in blended["hits"] for reason in hit["reasons"])
    assert segue("like", "jet 10", "--kind", "album", library=library).returncode == 1
    assert "Downloads" not in segue("outliers", library=library).stdout


def test_a_missing_folder_creates_no_library(tmp_path: Path) -> None:
    done = segue("add", tmp_path / "nowhere", library=tmp_path / "library")
    assert (done.returncode, "no file or folder" in done.stderr) == (2, True)
    assert not (tmp_path / "library").exists()
    assert "segue add FOLDER" in segue("list", library=tmp_path / "library").stderr


def test_removed_ignored_and_excluded_files_are_reported(tmp_path: Path) -> None:
    texts = tmp_path / "texts"
    texts.mkdir()
    for name, words in zip(("one", "two", "three", "._one"), SONGS.values(), strict=False):
        (texts / f"{name}.txt").write_text(words)
    (texts / "._one.txt").write_bytes(b"\0\5\x16\7")
    library = tmp_path / "library"
    done = segue("add", texts, "--exclude", "th*", library=library)
    assert (done.returncode, "2 added, 1 ignored" in done.stdout) == (0, True)
    segue("remove", "one", library=library)
    assert "1 left out, since you removed" in segue("add", texts, library=library).stdout
    (texts / ".segueignore").write_text("two.txt")
    assert "1 taken out" in segue("add", texts, library=library).stdout
    document = answer("add", texts, "--include-removed", "--artist", "Ann", library=library)
    assert (document["added"], document["ignored"], document["removed"]) == (1, 1, 0)
    assert {t["artist"] for t in answer("list", library=library)["tracks"]} == {"Ann"}


def test_writing_says_how_to_name_an_artist(tmp_path: Path) -> None:
    (tmp_path / "housman.txt").write_text(
        "THE CHERRY\n\na b\nc d\ne f\ng h\n\nTHE LAD\n\ni\nj\nk\nl\n"
    )
    segue("add", tmp_path / "housman.txt", library=tmp_path / "library")
    done = segue("write", "--artist", "housman", library=tmp_path / "library")
    assert "2 songs here name no artist" in done.stderr
    assert "segue add --artist" in done.stderr


def test_a_text_beside_a_recording_queries_with_the_recording(library: Path, music: Path) -> None:
    text = music / "Chaos God.lrc"
    (track,) = answer("show", text, library=library)["tracks"]
    assert track["path"] == str(music / "Chaos God.mp3")
    assert "Chaos God.lrc" in segue("show", "chaos god", library=library).stdout
    assert segue("like", text, library=library).returncode == 0
    assert segue("love", text, library=library).returncode == 0


def test_a_file_that_is_in_no_library_is_shown(library: Path, music: Path, tmp_path: Path) -> None:
    for name in ("Chaos God.mp3", "Chaos God.lrc", "March.lrc"):
        (tmp_path / name).write_bytes((music / name).read_bytes())
    known = answer("show", "chaos god", library=library)["tracks"][0]
    (track,) = answer("show", tmp_path / "Chaos God.mp3", library=library)["tracks"]
    assert track | {"id": known["id"], "path": known["path"], "uri": known["uri"]} == known
    assert track["id"] == 0
    (track,) = answer("show", tmp_path / "March.lrc", library=tmp_path / "none")["tracks"]
    assert (track["artist"], track["words"]) == ("Muldjord", SONGS["March"])
    assert not (tmp_path / "none").exists()
    done = segue("show", tmp_path / "nothing.mp3", library=library)
    assert (done.returncode, done.stdout) == (2, "") or "nothing" in done.stderr


def test_duplicates_mark_the_better_file(tmp_path: Path) -> None:
    copies = tmp_path / "copies"
    copies.mkdir()
    sound = tune(3, 12.0, 16_000)
    write_sound(copies / "whole.flac", sound, 16_000)
    write_sound(copies / "small.mp3", sound, 16_000)
    write_sound(copies / "other.wav", tune(4, 12.0, 16_000), 16_000)
    segue("add", copies, "--workers", "1", library=tmp_path / "library")
    (pair,) = answer("twins", "--no-versions", library=tmp_path / "library")["twins"]
    assert pair[pair["better"]]["path"] == str(copies / "whole.flac")
    assert {pair["first_file"]["format"], pair["second_file"]["format"]} == {"flac", "mp3"}
    spare = tmp_path / "spare.m3u8"
    done = segue("twins", "--no-versions", "--m3u", spare, library=tmp_path / "library")
    assert "* whole.flac" in done.stdout
    assert "small.mp3" in spare.read_text()
    assert "whole.flac" not in spare.read_text()

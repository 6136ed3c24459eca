"""What of a folder stays out: removed, ignored, excluded, litter, unreadable."""

import errno
import hashlib
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import tune, write_sound
from segue.errors import BadArgument
from segue.ingest.survey import AddReport
from segue.io.scan import ExcludedPath, FoundFile, UnreadablePath, scan
from segue.library import Library
from segue.store import database

Opener = Callable[[], Library]


def add(opener: Opener, *paths: Path, **options: Any) -> AddReport:
    with opener() as lib:
        return lib.add(paths, workers=1, **options)


def titles(opener: Opener) -> list[str]:
    with opener() as lib:
        return sorted(track.tags.title for track in lib.tracks() if not track.missing)


def remove(opener: Opener, *queries: str) -> None:
    with opener() as lib:
        lib.remove(queries)


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """Three short songs in two folders."""
    folder = tmp_path / "texts"
    (folder / "B").mkdir(parents=True)
    for name, words in (("a", "one two"), ("B/b", "three four"), ("B/c", "five six")):
        (folder / f"{name}.txt").write_text(words)
    return folder


def found(folder: Path) -> list[str]:
    return [
        os.path.relpath(os.fsdecode(item.path), folder)
        for item in scan([folder])
        if isinstance(item, FoundFile)
    ]


# ---- removed -----------------------------------------------------------------------------------


def test_removed_files_stay_out_until_they_are_named(library: Opener, texts: Path) -> None:
    add(library, texts)
    remove(library, "a", "b")
    report = add(library, texts)
    assert (report.added, report.removed, titles(library)) == (0, 2, ["c"])
    (texts / "a.txt").write_text("one two three")  # changed, and still removed
    assert add(library, texts).removed == 2
    report = add(library, texts / "a.txt")
    assert (report.added, report.removed, titles(library)) == (1, 0, ["a", "c"])
    assert (add(library, texts).removed, titles(library)) == (1, ["a", "c"])
    report = add(library, texts, include_removed=True)
    assert (report.added, report.unchanged, titles(library)) == (1, 2, ["a", "b", "c"])
    assert add(library, texts).unchanged == 3


def test_removed_files_stay_out_where_their_folder_moves(library: Opener, texts: Path) -> None:
    add(library, texts)
    remove(library, "a")
    elsewhere = texts.rename(texts.with_name("elsewhere"))
    report = add(library, elsewhere)
    assert (report.moved, report.removed, titles(library)) == (2, 1, ["b", "c"])
    report = add(library, elsewhere)
    assert (report.unchanged, report.removed) == (2, 1)
    (elsewhere / "B" / "copy of a.txt").write_text((elsewhere / "a.txt").read_text())
    assert add(library, elsewhere).added == 1  # a file that was never removed


def test_one_tune_of_a_book_stays_out(library: Opener, tmp_path: Path) -> None:
    book = tmp_path / "book.abc"
    tunes = [f"X:{n}\nT:Tune {n}\nK:C\n{'CDEF'[n]}2 GABc|defg|\n" for n in range(3)]
    book.write_text("\n".join(tunes))
    (tmp_path / "scores").mkdir()
    book = book.rename(tmp_path / "scores" / "book.abc")
    add(library, book.parent)
    remove(library, "tune 1")
    book.write_text("\n".join([*tunes, "X:9\nT:Tune 9\nK:C\nc2 BAGF|\n"]))
    assert add(library, book.parent).changed == 1
    assert titles(library) == ["Tune 0", "Tune 2", "Tune 9"]
    add(library, book)
    assert titles(library) == ["Tune 0", "Tune 1", "Tune 2", "Tune 9"]


def test_sidecar_texts_of_a_removed_recording_are_not_added(
    library: Opener, tmp_path: Path
) -> None:
    music = tmp_path / "music"
    music.mkdir()
    write_sound(music / "One.wav", tune(1, 2.0, 16_000), 16_000)
    (music / "One.lrc").write_text("[00:01.00]Words of one")
    add(library, music)
    remove(library, "one")
    report = add(library, music)
    assert (report.added, report.removed, titles(library)) == (0, 1, [])
    assert add(library, music / "One.wav").words == 1


# ---- ignored and excluded ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("patterns", "kept"),
    [
        ({"": "*.lrc\n# no comment\n"}, ["a.txt", "B/b.txt", "B/c.txt"]),
        ({"": "B/"}, ["a.txt"]),
        ({"": "/b.txt"}, ["a.txt", "B/b.txt", "B/c.txt"]),
        ({"": "b.txt\r\n"}, ["a.txt", "B/c.txt"]),
        ({"": "*.txt\n!c.txt"}, ["B/c.txt"]),
        ({"": "*.txt", "B": "!b.txt"}, ["B/b.txt"]),
        ({"B": "/*"}, ["a.txt"]),
        ({"": "**/c.*", "B": "b*"}, ["a.txt"]),
    ],
)
def test_ignore_files(texts: Path, patterns: dict[str, str], kept: list[str]) -> None:
    for folder, text in patterns.items():
        (texts / folder / ".segueignore").write_text(text)
    assert sorted(found(texts)) == sorted(kept)


def test_an_ignore_file_above_holds_too_and_a_named_file_is_read(texts: Path) -> None:
    (texts / ".segueignore").write_text("/B/b.txt\n")
    assert found(texts / "B") == ["c.txt"]
    assert found(texts / "B" / "b.txt") != []


def test_a_broken_ignore_file_excludes_its_folder(library: Opener, texts: Path) -> None:
    add(library, texts)
    (texts / "B" / ".segueignore").write_text("*.wav\n!\n")
    report = add(library, texts)
    assert "pattern 2: '!' is not a pattern" in report.failures[0].reason
    assert titles(library) == ["a", "b", "c"]  # nothing is lost by a slip of the pen
    (texts / "B" / ".segueignore").unlink()
    assert (add(library, texts).failures, titles(library)) == ([], ["a", "b", "c"])
    with library() as lib:
        assert lib.failures() == []


def test_files_ignored_later_are_removed_and_added_again(library: Opener, texts: Path) -> None:
    add(library, texts)
    (texts / ".segueignore").write_text("B\n")
    report = add(library, texts)
    assert (report.taken_out, report.missing, report.ignored) == (2, 0, 1)
    assert titles(library) == ["a"]
    (texts / ".segueignore").unlink()
    assert (add(library, texts).added, titles(library)) == (2, ["a", "b", "c"])


def test_excluding_is_for_one_run_and_takes_nothing_out(library: Opener, texts: Path) -> None:
    report = add(library, texts, exclude=["B/b*"])
    assert (report.added, report.ignored) == (2, 1)
    report = add(library, texts, exclude=["a.txt", str(texts / "B")])
    assert (report.added, report.missing, report.ignored) == (0, 0, 2)
    assert titles(library) == ["a", "c"]
    assert (add(library, texts).added, titles(library)) == (1, ["a", "b", "c"])
    with pytest.raises(BadArgument, match="--exclude, pattern 1"):
        add(library, texts, exclude=["!"])


# ---- litter ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "._Song.mp3",
        ".DS_Store",
        "Thumbs.db",
        "desktop.ini",
        "__MACOSX/._Song.mp3",
        "__MACOSX/Song.mp3",
        "@eaDir/Song.mp3/SYNOAUDIO.mp3",
        "#recycle/Song.mp3",
        ".Trash-1000/files/Song.mp3",
        "$RECYCLE.BIN/Song.mp3",
        "System Volume Information/x.mp3",
        ".git/description.txt",
        ".AppleDouble/Song.mp3",
        ".hidden.mp3",
    ],
)
def test_litter_is_skipped_silently(tmp_path: Path, name: str) -> None:
    file = tmp_path / "music" / name
    file.parent.mkdir(parents=True)
    file.write_bytes(b"\0\5\x16\7 no music")
    items = list(scan([tmp_path / "music"]))
    assert [type(item) for item in items] == [ExcludedPath]


@pytest.mark.parametrize("name", ["...And Justice.mp3", ".38 Special/x.mp3", "_ghost.mp3", "@.mp3"])
def test_names_that_only_look_like_litter(tmp_path: Path, name: str) -> None:
    file = tmp_path / "music" / name
    file.parent.mkdir(parents=True)
    file.touch()
    assert found(tmp_path / "music") == [name]


def test_litter_that_failed_before_is_forgotten(library: Opener, texts: Path) -> None:
    bad = texts / "bad.txt"
    bad.write_bytes(bytes(300))
    assert len(add(library, texts).failures) == 1
    bad.rename(texts / "._bad.txt")
    report = add(library, texts)
    assert (report.failures, report.failed_before) == ([], 0)
    with library() as lib:
        assert lib.failures() == []


# ---- what cannot be looked into ----------------------------------------------------------------


def test_a_folder_that_cannot_be_read_keeps_its_tracks(
    library: Opener, texts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (texts / "Bb.txt").write_text("seven eight")  # not in the folder, though its name begins so
    add(library, texts)
    (texts / "Bb.txt").unlink()
    forbidden = os.fsencode(texts / "B")
    listing = os.scandir

    def refuse(path: Any) -> Any:  # root, as whom tests may run, is refused nothing
        if path == forbidden:
            raise PermissionError(errno.EACCES, "Permission denied")
        return listing(path)

    with monkeypatch.context() as refused:
        refused.setattr(os, "scandir", refuse)
        assert [item.reason for item in scan([texts]) if isinstance(item, UnreadablePath)]
        report = add(library, texts)
        assert (report.missing, report.unchanged) == (1, 1)
        assert [failure.path for failure in report.failures] == [texts / "B"]
        assert titles(library) == ["a", "b", "c"]
    assert (add(library, texts).unchanged, titles(library)) == (3, ["a", "b", "c"])


# ---- given artists -----------------------------------------------------------------------------


def test_a_given_artist_stays(library: Opener, texts: Path) -> None:
    (texts / "tagged.lrc").write_text("[ar:Tagged]\n[00:01.00]nine ten")

    def artists() -> dict[str, str]:
        with library() as lib:
            return {track.tags.title: track.tags.artist for track in lib.tracks()}

    add(library, texts)
    assert artists() == {"a": "", "b": "B", "c": "B", "tagged": "Tagged"}
    report = add(library, texts, artist="A. E. Housman", album="A Lad")
    assert (report.changed, report.added) == (4, 0)
    given = dict.fromkeys("abc", "A. E. Housman") | {"tagged": "Tagged"}
    assert artists() == given
    (texts / "a.txt").write_text("other words than those")  # read anew, and given still
    assert (add(library, texts).changed, artists()) == (1, given)
    (texts / "a.txt").rename(texts / "moved.txt")
    add(library, texts)
    os.utime(texts / "moved.txt")
    add(library, texts)
    with library() as lib:
        assert {track.tags.artist for track in lib.find(1)} == {"A. E. Housman"}
        assert {track.tags.album for track in lib.tracks()} == {"A Lad"}


def test_a_library_of_an_older_version_loses_its_folders_for_albums(
    library: Opener, tmp_path: Path
) -> None:
    music = tmp_path / "Downloads"
    music.mkdir()
    write_sound(music / "jet.wav", tune(1, 2.0, 16_000), 16_000)
    write_sound(music / "x.flac", tune(2, 2.0, 16_000), 16_000, tags={"album": "Own"})
    stanza = "one line\nand another\nand a third\nand the last\n"
    book = f"THE FIRST\n\n{stanza}\nTHE SECOND\n\n{stanza.upper()[::-1].lower()}"
    (music / "book.txt").write_text("one line of it")
    add(library, music)
    (music / "book.txt").write_text(book)  # as if it had been one track
    state = (music / "book.txt").stat()
    with sqlite3.connect(tmp_path / "library" / "segue.db") as old:
        old.execute("UPDATE tracks SET album = 'Downloads' WHERE album = ''")
        for table in (
            "texts_beside", "removed", "given_tags", "playlist_tracks", "playlists", "marks",
            "play_queues", "bookmarks",
        ):  # fmt: skip
            old.execute(f"DROP TABLE {table}")
        old.execute("DROP INDEX tracks_by_names")
        content = hashlib.blake2b(book.encode()).hexdigest()[:32]
        old.execute(
            "UPDATE tracks SET size = ?, mtime_ns = ?, content_hash = ? WHERE kind = 'lyrics'",
            (state.st_size, state.st_mtime_ns, content),
        )
        old.execute(f"PRAGMA user_version = {database.MIGRATIONS.index(database._BELONGING)}")
    old.close()
    report = add(library, music)
    assert (report.added, report.failures) == (0, [])
    with library() as lib:
        albums = {track.tags.title: track.tags.album for track in lib.tracks()}
    assert albums == {"jet": "", "x": "Own", "THE FIRST": "book", "THE SECOND": "book"}

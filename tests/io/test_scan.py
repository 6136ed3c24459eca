import errno
import os
from pathlib import Path

import pytest

from segue.files import partial_path
from segue.io.scan import FoundFile, OtherFile, UnreadablePath, scan


def found_names(*paths: Path) -> list[str]:
    return [Path(os.fsdecode(i.path)).name for i in scan(paths) if isinstance(i, FoundFile)]


def reasons(*paths: Path) -> list[str]:
    return [item.reason for item in scan(paths) if isinstance(item, UnreadablePath)]


def test_walks_folders_in_order(tmp_path: Path) -> None:
    for name in ("b/2.mp3", "a/1.FLAC", "a/cover.jpg", "3.ogg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert found_names(tmp_path) == ["3.ogg", "1.FLAC", "2.mp3"]
    assert sum(isinstance(item, OtherFile) for item in scan([tmp_path])) == 1


def test_a_file_named_twice_is_met_once(tmp_path: Path) -> None:
    (tmp_path / "a.mp3").touch()
    assert found_names(tmp_path, tmp_path / "a.mp3", tmp_path) == ["a.mp3"]


def test_tracker_modules_are_unsupported(tmp_path: Path) -> None:
    (tmp_path / "tune.xm").touch()
    assert [reason.partition(";")[0] for reason in reasons(tmp_path)] == ["unsupported: .xm"]


def test_a_file_that_was_asked_for_is_never_passed_over(tmp_path: Path) -> None:
    (tmp_path / "notes.doc").touch()
    assert reasons(tmp_path) == []
    assert reasons(tmp_path / "notes.doc")[0].startswith(
        "unsupported: .doc; Segue reads aac abc aif"
    )


def test_links(tmp_path: Path) -> None:
    (tmp_path / "nothing.mp3").symlink_to(tmp_path / "gone.mp3")
    (tmp_path / "self.mp3").symlink_to(tmp_path / "self.mp3")
    (tmp_path / "up").symlink_to(tmp_path)
    assert reasons(tmp_path) == [
        "a link to nothing",
        "a link that leads back to itself",
        "a link that leads back to a folder it lies in",
    ]


def test_a_folder_with_the_name_of_a_song_is_walked(tmp_path: Path) -> None:
    (tmp_path / "x.mp3").mkdir()
    (tmp_path / "x.mp3" / "song.mp3").touch()
    assert found_names(tmp_path) == ["song.mp3"]


def test_a_pipe_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp3")
    assert reasons(tmp_path) == ["not a regular file"]


def test_names_may_hold_any_bytes(tmp_path: Path) -> None:
    name = b"caf\xe9.mp3"
    with open(os.fsencode(tmp_path) + b"/" + name, "wb"):
        pass
    assert [item.path.endswith(name) for item in scan([tmp_path])] == [True]


def test_a_forbidden_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: bytes) -> None:  # root, as whom tests may run, is refused nothing
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)
    assert reasons(tmp_path) == ["no permission to read it"]


def test_what_a_killed_segue_left_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "song.flac").touch()
    partial_path(tmp_path / "song.flac").touch()
    assert found_names(tmp_path) == ["song.flac"]
    assert reasons(partial_path(tmp_path / "song.flac")) == []

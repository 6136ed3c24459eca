import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import tune, write_sound
from segue.builtin_spaces import builtin_spaces
from segue.errors import DiskFull, LibraryBusy, WrongSpace
from segue.ingest import add as add_module
from segue.ingest.survey import AddReport
from segue.library import Library
from segue.store import Store

Opener = Callable[[], Library]


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """Three short recordings."""
    folder = tmp_path / "music"
    folder.mkdir()
    for i in range(3):
        write_sound(folder / f"{i}.wav", tune(i, 3.0, 16_000), 16_000)
    return folder


def add(opener: Opener, *paths: Path, workers: int = 1) -> AddReport:
    with opener() as library:
        return library.add(paths, workers=workers)


def names(opener: Opener) -> list[str]:
    with opener() as library:
        return [track.path.name for track in library.tracks()]


def test_adds_then_leaves_alone(library: Opener, music: Path) -> None:
    assert add(library, music).added == 3
    report = add(library, music)
    assert (report.added, report.unchanged) == (0, 3)


def test_unchanged_files_are_not_read(
    library: Opener, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(library, music)
    monkeypatch.setattr(add_module, "TASK", "nowhere:nothing")  # a worker would fail
    assert add(library, music).failures == []


def test_a_changed_file_is_analysed_again(library: Opener, music: Path) -> None:
    add(library, music)
    with library() as lib:
        _, before = lib.vectors()
    write_sound(music / "1.wav", tune(9, 3.0, 16_000), 16_000)
    assert add(library, music).changed == 1
    with library() as lib:
        ids, after = lib.vectors()
    assert ids.tolist() == [1, 2, 3]
    assert np.allclose(after[[0, 2]], before[[0, 2]])
    assert not np.allclose(after[1], before[1])


def test_a_touched_file_is_read_but_not_decoded(library: Opener, music: Path) -> None:
    add(library, music)
    os.utime(music / "1.wav")
    report = add(library, music)
    assert (report.changed, report.unchanged) == (0, 3)


def test_a_vanished_file_is_marked_and_comes_back(library: Opener, music: Path) -> None:
    add(library, music)
    (music / "1.wav").rename(music / "1.away")
    assert add(library, music).missing == 1
    with library() as lib:
        assert [track.missing for track in lib.tracks()] == [False, True, False]
    (music / "1.away").rename(music / "1.wav")
    assert add(library, music).unchanged == 3
    with library() as lib:
        assert not any(track.missing for track in lib.tracks())


def test_a_moved_file_keeps_its_id(library: Opener, music: Path) -> None:
    add(library, music)
    (music / "deep").mkdir()
    with library() as lib:
        before = lib._store.recordings_state()
    (music / "1.wav").rename(music / "deep" / "one.wav")
    report = add(library, music)
    assert (report.moved, report.added, report.missing) == (1, 0, 0)
    with library() as lib:
        assert lib._store.recordings_state() != before  # a server finds the file, too
    assert names(library) == ["0.wav", "one.wav", "2.wav"]


def test_a_moved_drive_is_recognised(library: Opener, music: Path, tmp_path: Path) -> None:
    add(library, music)
    elsewhere = music.rename(tmp_path / "elsewhere")
    report = add(library, elsewhere)
    assert (report.moved, report.added) == (3, 0)
    with library() as lib:
        assert {track.path.parent for track in lib.tracks()} == {elsewhere}


def test_a_copy_is_a_row_of_its_own(library: Opener, music: Path) -> None:
    add(library, music)
    shutil.copy(music / "1.wav", music / "again.wav")
    report = add(library, music)
    assert (report.copied, report.added) == (1, 0)
    with library() as lib:
        vectors = dict(zip(*lib.vectors(), strict=True))
    assert np.array_equal(vectors[2], vectors[4])


def test_copies_that_arrive_together_are_decoded_once(library: Opener, music: Path) -> None:
    shutil.copy(music / "1.wav", music / "again.wav")
    report = add(library, music, workers=2)
    assert (report.added, report.copied) == (3, 1)


def test_one_bad_file_costs_one_line(library: Opener, music: Path) -> None:
    (music / "empty.mp3").touch()
    (music / "gone.flac").symlink_to(music / "nowhere.flac")
    report = add(library, music)
    assert report.added == 3
    assert {failure.path.name: failure.reason for failure in report.failures} == {
        "empty.mp3": "empty file",
        "gone.flac": "a link to nothing",
    }
    again = add(library, music)
    assert (again.failures, again.failed_before) == ([], 2)


def test_a_mended_file_is_tried_again(library: Opener, music: Path) -> None:
    bad = music / "bad.wav"
    bad.touch()
    add(library, music)
    write_sound(bad, tune(8, 3.0, 16_000), 16_000)
    assert add(library, music).added == 1
    with library() as lib:
        assert lib.failures() == []


def test_a_track_stays_when_its_file_is_damaged(library: Opener, music: Path) -> None:
    add(library, music)
    (music / "1.wav").write_bytes(b"")
    assert len(add(library, music).failures) == 1
    assert names(library) == ["0.wav", "1.wav", "2.wav"]
    assert add(library, music).failures == []


@pytest.mark.parametrize("fault", ["crash", "hang"])
def test_a_fault_in_a_worker_costs_its_file(
    library: Opener, music: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    monkeypatch.setattr(add_module, "TASK", "tasks:work_or_crash")
    monkeypatch.setattr(add_module, "DECODE_LIMIT_S", 10.0)
    write_sound(music / f"{fault}.wav", tune(7, 3.0, 16_000), 16_000)
    report = add(library, music, workers=2)
    assert report.added == 3
    assert [failure.path.name for failure in report.failures] == [f"{fault}.wav"]


ADDING = """
import signal, sys
# Whoever runs these tests in the background may have told all below to ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)
from segue.ingest import add
from segue.library import Library
add.COMMIT_EVERY_S = 0.0

def watch(progress):
    print(progress.done, flush=True)
    if progress.done == 3:
        sys.stdin.readline()  # the blow comes here, however fast the machine

Library.open(sys.argv[1]).add([sys.argv[2]], workers=1, watch=watch)
"""


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGINT])
def test_finished_files_survive_a_kill(
    library: Opener, little_music: Path, tmp_path: Path, blow: signal.Signals
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", ADDING, str(tmp_path / "library"), str(little_music)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout
    while process.stdout.readline().strip() != "3":
        assert process.poll() is None
    process.send_signal(blow)
    process.wait()
    process.communicate()
    done = len(names(library))
    assert 2 <= done < 6
    report = add(library, little_music)
    assert (report.added, report.unchanged) == (6 - done, done)


def test_a_second_writer_gets_an_error(library: Opener, music: Path) -> None:
    with (
        library() as first,
        first._store.writing(),
        pytest.raises(LibraryBusy, match="being written to by another segue"),
    ):
        add(library, music)


def test_a_full_disk_loses_nothing(library: Opener, music: Path) -> None:
    add(library, music)
    write_sound(music / "3.wav", tune(3, 3.0, 16_000), 16_000)
    with library() as lib:
        pages = lib._store._db.execute("PRAGMA page_count").fetchone()[0]
        lib._store._db.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(DiskFull, match="make room and run the same command again"):
            lib.add([music], workers=1)
    assert len(names(library)) == 3
    assert add(library, music).added == 1


def test_a_newer_model_recomputes_every_vector(
    library: Opener, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(library, music)
    newer = {name: replace(space, model="newer") for name, space in builtin_spaces("sound").items()}
    monkeypatch.setattr("segue.library.builtin_spaces", lambda: builtin_spaces() | newer)
    with library() as lib, pytest.raises(WrongSpace, match="run `segue add`"):
        lib.like(1)
    assert add(library, music).failures == []
    with library() as lib:
        assert [info.space.model for info in lib.spaces()] == ["newer"] * len(newer)
        assert lib.vectors()[0].tolist() == [1, 2, 3]


# ---- what is tried again -------------------------------------------------------------------------


def failing(monkeypatch: pytest.MonkeyPatch, task: str = "tasks:work_or_fail") -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    monkeypatch.setattr(add_module, "TASK", task)


@pytest.mark.parametrize("fault", ["forbidden", "killed", "gorge"])
def test_a_transient_failure_is_tried_again(
    library: Opener, music: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    (music / "1.wav").rename(music / f"{fault}.wav")
    with monkeypatch.context() as patched:
        failing(patched)
        for _ in range(2):
            failures = add(library, music).failures
            assert [(failure.path.stem, failure.transient) for failure in failures] == [
                (fault, True)
            ]
    with library() as lib:
        assert [failure.transient for failure in lib.failures()] == [True]
    assert add(library, music).added == 1
    with library() as lib:
        assert lib.failures() == []


@pytest.mark.parametrize("fault", ["refuse", "crash"])
def test_a_failure_of_the_content_is_tried_again_when_it_changes_or_is_asked_for(
    library: Opener, music: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    (music / "1.wav").rename(music / f"{fault}.wav")
    with monkeypatch.context() as patched:
        failing(patched)
        failures = add(library, music).failures
        assert [(each.path.stem, each.transient) for each in failures] == [(fault, False)]
    report = add(library, music)
    assert (report.added, report.failed_before) == (0, 1)
    with library() as lib:
        assert lib.add([music], workers=1, retry=True).added == 1
        assert lib.failures() == []


def test_a_track_stays_while_its_changed_file_cannot_be_read(
    library: Opener, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (music / "1.wav").rename(music / "forbidden.wav")
    add(library, music)
    os.utime(music / "forbidden.wav")
    write_sound(music / "forbidden.wav", tune(9, 3.0, 16_000), 16_000)
    with monkeypatch.context() as patched:
        failing(patched)
        assert len(add(library, music).failures) == 1
    assert "forbidden.wav" in names(library)
    assert add(library, music).changed == 1


def test_failures_of_an_older_version_are_tried_again(library: Opener, music: Path) -> None:
    (music / "bad.wav").write_bytes(b"no sound")
    add(library, music)
    with library() as lib, lib._store.transaction():
        lib._store._db.execute("UPDATE failures SET transient = 1")  # as its migration does
    assert len(add(library, music).failures) == 1
    assert add(library, music).failed_before == 1


def test_what_cannot_be_stored_is_one_failure(
    library: Opener, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(music / "1.wav", music / "1 again.wav")  # the same content, so the same fate
    (music / "2.wav").rename(music / "two.wav")

    def refuse(self: Store, path: bytes, *rest: Any) -> int:
        if b"1.wav" in path or b"1 again" in path:
            raise UnicodeEncodeError("utf-8", "\ud83d", 0, 1, "surrogates not allowed")
        return stored(self, path, *rest)

    stored = Store.add_track
    with monkeypatch.context() as patched:
        patched.setattr(Store, "add_track", refuse)
        report = add(library, music)
    assert report.added == 2
    assert {failure.path.name for failure in report.failures} == {"1.wav", "1 again.wav"}
    assert sorted(names(library)) == ["0.wav", "two.wav"]
    with library() as lib:
        assert lib.add([music], workers=1, retry=True).failures == []
    assert len(names(library)) == 4


@pytest.mark.parametrize(
    ("ending", "odd"),
    [(ending, "\\ud83d") for ending in ("json", "jsonl", "csv", "txt", "lrc", "md")]
    + [("json", odd) for odd in ("\\udc00\\ud83d", "\\u0000", "\\ufffe", "\\u202e")],
)
def test_no_text_ends_a_run(library: Opener, tmp_path: Path, ending: str, odd: str) -> None:
    words = f"over the hill {odd} and far\\nthe river runs\\nacross the hill" * 3
    text = json.loads(f'"{words}"')
    record = f'{{"artist": "Ann", "title": "Song {odd}", "text": "{words}"}}'
    content = {
        "json": f"[{record}]",
        "jsonl": f"{record}\n{record.replace('river', 'water')}\n",
        "csv": f'artist,title,text\nAnn,Song,"{text}"\n',
        "md": f"# Song {odd}\n\n{text}\n",
    }.get(ending, text)
    (tmp_path / "songs").mkdir()
    (tmp_path / "songs" / "Ann - Well.txt").write_text("all is well\nand nothing is odd\n" * 5)
    (tmp_path / "songs" / f"Ann - Odd.{ending}").write_bytes(
        content.encode("utf-8", "surrogatepass")
    )
    report = add(library, tmp_path / "songs")
    with library() as lib:
        assert "Well" in {track.tags.title for track in lib.tracks()}
        for track in lib.tracks():
            assert "\ud83d" not in track.tags.title + lib._store.lyrics.text(track.id)
    assert report.added + len(report.failures) == 2

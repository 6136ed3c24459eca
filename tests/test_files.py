"""A file is replaced as a whole or not at all, and nothing is written through planted links."""

import fcntl
import os
import stat
from pathlib import Path

import pytest

from segue.errors import BadArgument
from segue.files import (
    atomic_output,
    atomic_write,
    is_partial,
    partial_path,
    remove_partials,
    write_text,
)


def test_a_link_stays_a_link_to_what_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    file = tmp_path / "there" / "list.m3u8"
    file.write_text("old")
    link = tmp_path / "list.m3u8"
    link.symlink_to("there/list.m3u8")
    with atomic_output(link) as partial:
        assert partial.parent == file.parent
        partial.write_text("new")
    assert link.is_symlink()
    assert file.read_text() == "new"


@pytest.mark.parametrize("leads_to", ["../mine/secret", "../mine/none", "{}/mine/secret"])
def test_a_link_out_of_its_folder_is_not_written_through(tmp_path: Path, leads_to: str) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "secret").write_text("old")
    (tmp_path / "album").mkdir()
    link = tmp_path / "album" / "list.m3u8"
    link.symlink_to(leads_to.format(tmp_path))
    with pytest.raises(BadArgument, match=r"leads out of its folder, to .*/mine/\w+; name"):
        write_text("new", link)
    assert (tmp_path / "mine" / "secret").read_text() == "old"
    assert [file.name for file in (tmp_path / "mine").iterdir()] == ["secret"]


def test_a_planted_partial_is_not_written_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "mine"
    mine.write_text("old")
    target = tmp_path / "song.mp3"
    names = iter(["aa", "bb", "cc"])  # as if they could be foretold
    monkeypatch.setattr("secrets.token_hex", lambda _: next(names))
    for name in ("aa", "bb"):
        (tmp_path / f".song.{name}.segue-partial.mp3").symlink_to(mine)
    write_text("new", target)
    assert mine.read_text() == "old"
    assert target.read_text() == "new"
    assert not target.is_symlink()


def test_partials_have_names_that_nobody_foretells(tmp_path: Path) -> None:
    assert len({partial_path(tmp_path / "song.mp3").name for _ in range(100)}) == 100


def test_what_takes_a_partials_place_is_not_kept(tmp_path: Path) -> None:
    target = tmp_path / "list.m3u8"
    target.write_text("old")
    manager = atomic_output(target)
    partial = manager.__enter__()
    partial.unlink()
    partial.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadArgument, match="another program"):
        manager.__exit__(None, None, None)
    assert target.read_text() == "old"


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o755])
def test_permissions_stay(tmp_path: Path, mode: int) -> None:
    target = tmp_path / "list.m3u8"
    target.write_text("old")
    target.chmod(mode)
    write_text("new", target)
    assert stat.S_IMODE(target.stat().st_mode) == mode


def test_a_new_file_is_as_the_umask_has_it(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_text("new", tmp_path / "list.m3u8")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "list.m3u8").stat().st_mode) == 0o640


@pytest.mark.parametrize("name", ["fifo", "/dev/null"])
def test_what_is_no_regular_file_stays(tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    if name == "fifo":
        os.mkfifo(target)
    with pytest.raises(BadArgument, match="no regular file"):
        write_text("new", target)
    assert not target.is_file()


def test_a_failure_leaves_the_old_file_alone(tmp_path: Path) -> None:
    file = tmp_path / "list.m3u8"
    file.write_text("old")
    with pytest.raises(BadArgument, match="No such file"), atomic_output(file) as partial:
        partial.write_text(str((tmp_path / "none").stat()))
    assert [one.read_text() for one in tmp_path.iterdir()] == ["old"]


def test_what_a_killed_run_left_is_removed_by_the_next(tmp_path: Path) -> None:
    left = partial_path(tmp_path / "song.mp3")
    left.touch()
    link = partial_path(tmp_path / "link.mp3")
    link.symlink_to(left)
    busy = partial_path(tmp_path / "busy.mp3")
    older, foreign = tmp_path / "sound-1-5.ids.4711.partial", tmp_path / "song.mp3.part"
    for file in (busy, older, foreign):
        file.touch()
    with busy.open() as locked:
        fcntl.flock(locked, fcntl.LOCK_EX)
        remove_partials(tmp_path)
        assert {one.name for one in tmp_path.iterdir()} == {
            link.name, busy.name, older.name, foreign.name
        }  # fmt: skip
        remove_partials(tmp_path, own=True)
        assert not older.exists()
        assert foreign.exists()


def test_two_writers_of_one_name_do_not_meet(tmp_path: Path) -> None:
    target = tmp_path / "list.m3u8"
    with atomic_write(target) as one:
        one.write_text("one")
        remove_partials.cache_clear()
        with atomic_write(target) as other:
            other.write_text("other")
        assert target.read_text() == "other"
    assert target.read_text() == "one"


@pytest.mark.parametrize("name", ["song.flac", "曲" * 84 + ".ogg", "x." + "曲" * 80])
def test_partial_files_have_names_that_disks_take_and_are_known_by(
    tmp_path: Path, name: str
) -> None:
    partial = partial_path(tmp_path / name)
    partial.touch()
    assert partial.suffix == Path(name).suffix or len(Path(name).suffix) > 16
    assert is_partial(partial)
    assert not is_partial(tmp_path / name)

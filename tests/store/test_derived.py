"""Files derived from the database belong to its state, or are made again."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from conftest import albums_of_three, fill_library
from segue.library import Library
from segue.records import Tags
from segue.store import DATABASE


@pytest.fixture
def library(tmp_path: Path) -> Path:
    albums_of_three(tmp_path / "library")
    return tmp_path / "library"


def alike(library: Path) -> list[tuple[int, float]]:
    with Library.open(library) as lib:
        return [(hit.track.id, round(hit.similarity, 5)) for hit in lib.like(1, space="sound")]


def apart(library: Path) -> list[int]:
    with Library.open(library) as lib:
        return [odd.track.id for odd in lib.atlas.outliers(3, space="sound")]


def shake(library: Path, seed: int) -> None:
    """Give all tracks other vectors, in as many changes as it takes anybody."""
    rng = np.random.default_rng(seed)
    with Library.open(library) as lib, lib._store.transaction():
        for track in range(1, 10):
            old = lib._store.spaces.vector("sound", track)
            new = np.asarray(rng.standard_normal(len(old)), np.float32)
            lib._store.spaces.put("sound", track, new)


@pytest.mark.parametrize("ask", [alike, apart])
def test_a_restored_backup_is_not_answered_from_what_came_after_it(
    library: Path, ask: Callable[[Path], object]
) -> None:
    ask(library)
    shutil.copy(library / DATABASE, library.parent / "backup.db")
    shake(library, 1)
    ask(library)  # keeps what it is derived from
    shutil.copy(library / DATABASE, library.parent / "other.db")
    shutil.copy(library.parent / "backup.db", library / DATABASE)
    shake(library, 2)  # as many changes, others
    outcome = ask(library)
    shutil.rmtree(library / "derived")
    assert ask(library) == outcome
    shutil.copy(library.parent / "other.db", library / DATABASE)
    assert ask(library) != outcome


def test_a_restored_backup_finds_what_was_derived_of_it(library: Path) -> None:
    before = alike(library)
    state = sorted(os.listdir(library / "derived"))
    shutil.copytree(library, library.parent / "copy")
    assert alike(library.parent / "copy") == before
    assert sorted(os.listdir(library.parent / "copy" / "derived")) == state


def empty(file: Path) -> None:
    file.write_bytes(b"")


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def garble(file: Path) -> None:
    file.write_bytes(b"garbage" * 500)


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-100] ^= 0x40
    file.write_bytes(content)


def zero(file: Path) -> None:  # as some file systems leave what was not synchronised
    file.write_bytes(b"\0" * file.stat().st_size)


def other(file: Path) -> None:
    if file.suffix == ".npy":
        np.save(file, np.zeros((9, 3), np.float32))
    else:
        np.savez(file, odd=np.zeros(3))


def folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize("harm", [empty, cut, garble, flip, zero, other, folder])
@pytest.mark.parametrize("ending", ["ids.npy", "unit.npy", "neighbours.npz"])
def test_a_damaged_derived_file_is_rebuilt(
    library: Path, harm: Callable[[Path], None], ending: str
) -> None:
    search = apart if "neighbours" in ending else alike
    before = search(library)
    files = [*(library / "derived").glob(f"sound-*.{ending}")]
    assert files
    for file in files:
        harm(file)
    assert search(library) == before


def test_a_damaged_index_of_lines_is_rebuilt(tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "Ann - Song.txt").write_text("over the hill\nthe river runs\n" * 5)
    with Library.open(tmp_path / "library") as lib:
        lib.add([tmp_path / "music"], workers=1)
    for harm in (lambda _: None, empty, cut, garble, flip, zero, other):
        with Library.open(tmp_path / "library") as lib:
            assert lib.lyrics.find("river runs")[0].line == "the river runs"
        for file in (tmp_path / "library" / "derived").glob("*.npz"):
            harm(file)


def test_what_a_killed_run_left_goes_with_the_next(library: Path) -> None:
    (library / "derived").mkdir()
    left = library / "derived" / "sound-1-5.ids.4711.partial"
    left.write_bytes(b"half")
    alike(library)
    assert not left.exists()
    assert not [file for file in os.listdir(library / "derived") if "partial" in file]


def test_a_state_never_comes_back(tmp_path: Path) -> None:
    fill_library(tmp_path, [Tags("a", "b", "c")])
    with Library.open(tmp_path) as lib:
        states = set()
        for _ in range(50):
            with lib._store.transaction():
                lib._store.spaces.mark_changed(1)
            states.add(lib._store.spaces.identity("sound")[1])
    assert len(states) == 50

import os
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segue.errors import LibraryDamaged, NotFound
from segue.records import Analysis, FileState, FloatArray, Space, Tags
from segue.store import DATABASE, Store
from segue.store import database as schema

SPACE = Space("sound", "sound", 3, "cosine", "abc", 1)


def open_store(folder: Path, space: Space = SPACE) -> Store:
    return Store(folder, [space])


def analysis(vector: FloatArray) -> Analysis:
    return Analysis({"sound": vector}, {"tempo_bpm": 120.0}, np.arange(4, dtype=np.uint32), 30.0)


def put(store: Store, path: bytes, vector: list[float], tags: Tags | None = None) -> int:
    with store.transaction():
        store.spaces.register(["sound"])
        store.files.add_root(b"/music")
        return store.add_track(
            path,
            FileState(1, 2),
            f"hash of {path!r}",
            tags or Tags(title="Song"),
            analysis(np.array(vector, np.float32)),
        )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    name=st.binary(min_size=1, max_size=40).filter(
        lambda b: not set(b) & set(b"/\0") and b not in (b".", b"..")
    ),
    vector=st.lists(st.floats(-1e6, 1e6, width=32), min_size=3, max_size=3),
)
def test_names_and_vectors_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, name: bytes, vector: list[float]
) -> None:
    store = open_store(tmp_path_factory.mktemp("library"))
    track = put(store, b"/music/" + name, vector)
    assert os.fsencode(store.track(track).path) == b"/music/" + name
    assert store.spaces.vector("sound", track).tolist() == np.array(vector, np.float32).tolist()
    store.close()


def test_the_matrix_holds_unit_vectors_and_follows_every_change(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    first = put(store, b"/music/a", [3.0, 4.0, 0.0])
    assert np.allclose(store.spaces.matrix("sound").unit, [[0.6, 0.8, 0.0]])
    put(store, b"/music/b", [0.0, 0.0, 2.0])
    assert store.spaces.matrix("sound").ids.tolist() == [1, 2]
    with store.transaction():
        store.remove_tracks([first])
    assert store.spaces.matrix("sound").ids.tolist() == [2]
    put(store, b"/music/b", [0.0, 5.0, 0.0])
    assert store.spaces.matrix("sound").unit.tolist() == [[0.0, 1.0, 0.0]]


def test_the_matrix_may_be_deleted_or_damaged(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    put(store, b"/music/a", [3.0, 4.0, 0.0])
    store.spaces.matrix("sound")
    for file in (tmp_path / "derived").iterdir():
        file.write_bytes(b"cut short")
    assert np.allclose(store.spaces.matrix("sound").unit, [[0.6, 0.8, 0.0]])


def test_vectors_are_little_endian_float32(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    put(store, b"/music/a", [1.0, -2.0, 0.5])
    with sqlite3.connect(tmp_path / DATABASE) as database:
        (data,) = database.execute("SELECT data FROM vectors").fetchone()
    assert data == np.array([1.0, -2.0, 0.5], "<f4").tobytes()


def test_an_error_undoes_the_whole_transaction(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    put(store, b"/music/a", [1.0, 0.0, 0.0])

    def remove_and_stumble() -> None:
        with store.transaction():
            store.remove_tracks([1])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        remove_and_stumble()
    assert store.count() == 1


def test_a_library_of_a_newer_segue_is_refused(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    with sqlite3.connect(tmp_path / DATABASE) as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(LibraryDamaged, match="newer Segue"):
        open_store(tmp_path)


def test_another_program_s_database_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / DATABASE) as database:
        database.execute("CREATE TABLE recipes (name TEXT)")
    with pytest.raises(LibraryDamaged, match="not of Segue"):
        open_store(tmp_path)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / DATABASE).write_bytes(b"no database at all" * 100)
    with pytest.raises(LibraryDamaged, match="cannot be read as a library"):
        open_store(tmp_path)


def test_a_file_in_the_folder_s_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "library").write_text("a file")
    with pytest.raises(LibraryDamaged, match="cannot open a library"):
        open_store(tmp_path / "library")


@pytest.mark.parametrize("version", range(1, len(schema.MIGRATIONS)))
def test_an_older_library_is_backed_up_and_migrated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    with monkeypatch.context() as older:
        older.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:version])
        store = open_store(tmp_path)
        put_as_then(tmp_path)
        store.close()
    store = open_store(tmp_path)
    assert [track.tags.title for track in store.tracks()] == ["Song"]
    assert store.spaces.vector("sound", 1).tolist() == [1.0, 0.0, 0.0]
    assert not store.spaces.known()[0].trained
    assert store.listens.summary().plays == 0
    backup = tmp_path / f"segue-schema-{version}.backup.db"
    with sqlite3.connect(backup) as database:
        assert database.execute("SELECT title FROM tracks").fetchall() == [("Song",)]


def put_as_then(folder: Path) -> None:
    """Write a track as the first Segue did."""
    with sqlite3.connect(folder / DATABASE) as database:
        database.executescript(
            """
            INSERT INTO roots VALUES (1, '/music');
            INSERT INTO tracks (id, kind, root, path, size, mtime_ns, content_hash, title, artist,
                album, album_artist, genre, words, duration_s, facts, fingerprint)
                VALUES (1, 'sound', 1, 'a', 1, 2, 'hash', 'Song', '', '', '', '', 'song', 30.0,
                '{}', x'00000000');
            INSERT INTO spaces (id, name, kind, dimension, metric, model, version)
                VALUES (1, 'sound', 'sound', 3, 'cosine', 'abc', 1);
            """
        )
        vector = np.array([1.0, 0.0, 0.0], "<f4").tobytes()
        database.execute("INSERT INTO vectors VALUES (1, 1, ?)", (vector,))


def test_roots_may_lie_within_each_other(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    with store.transaction():
        store.spaces.register(["sound"])
        inner = store.files.add_root(b"/music/inner")
        store.files.add_root(b"/music")
        assert store.files.add_root(b"/music/inner/deep") == inner
    put(store, b"/music/inner/a.mp3", [1.0, 0.0, 0.0])
    assert store.known_files().keys() == {b"/music/inner/a.mp3"}


def test_a_track_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no track 7"):
        open_store(tmp_path).track(7)

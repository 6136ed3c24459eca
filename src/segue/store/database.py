"""The SQLite database of a library: connection, schema, migrations.

SQLite's errors are translated to messages for users wherever they occur: since a page of the file
may be damaged, every statement and every row that is fetched may raise one.
"""

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from segue.errors import (
    DiskFull,
    LibraryBusy,
    LibraryDamaged,
    LibraryReadOnly,
    SegueError,
    Unstorable,
)
from segue.files import atomic_write
from segue.records import FloatArray

DATABASE: Final = "segue.db"
BUSY_S: Final = 10.0  # that a reader waits for the commit of a writer
#: Files and folders beside a database that was in use.
_LIBRARY_FILES: Final = ("writing.lock", "derived", "cache", "models")

_MAX_VALUE: Final = 1e12  # absolute value in a vector; that of any model is far smaller
#: Errors caused by a record, not by the state of the library.
_RECORD_ERRORS: Final = (
    sqlite3.IntegrityError,
    sqlite3.ProgrammingError,
    sqlite3.InterfaceError,
    sqlite3.DataError,
)

Result = TypeVar("Result")


class Database(sqlite3.Connection):
    """An open database whose errors are translated for users; see `translate_error`."""

    folder: Path
    opened: os.stat_result

    @classmethod
    def open(cls, folder: Path) -> "Database":
        """Open the database of a library, or create it.

        Raises
        ------
        LibraryDamaged
            It cannot be opened, was emptied, or is a dangling link.
        """
        file = folder / DATABASE
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if file.is_symlink() and not file.exists():
                raise LibraryDamaged(
                    f"{file} is a link to nothing, {file.readlink()}; attach the disk where that "
                    "was, or remove the link"
                )
            _check_not_emptied(file)
            database = sqlite3.connect(
                f"{file.absolute().as_uri()}{'?immutable=1' if _is_read_only(file) else ''}",
                timeout=BUSY_S,
                isolation_level=None,
                check_same_thread=True,
                factory=cls,
                uri=True,
            )
        except (OSError, sqlite3.Error) as error:
            raise LibraryDamaged(f"cannot open a library in {folder}: {error}") from None
        database.folder = folder
        database.row_factory = sqlite3.Row
        database.opened = os.stat(file)
        return database

    def check_exists(self) -> None:
        """Check that the database file still exists.

        Raises
        ------
        LibraryDamaged
            The file was removed or replaced, so that SQLite writes to an unlinked file.
        """
        try:
            exists = os.path.samestat(self.opened, os.stat(self.folder / DATABASE))
        except OSError:
            exists = False
        if not exists:
            raise LibraryDamaged(
                f"the library {self.folder} was removed or replaced while it was in use; what was "
                "added since is lost: put it back, and run the same command again"
            )

    def execute(self, *arguments: Any) -> Any:
        """Run a statement; its errors, and those of fetching its rows, are translated."""
        return self.cursor(_Cursor).execute(*arguments)

    def executemany(self, *arguments: Any) -> Any:
        """Run a statement with many rows of values; its errors are translated."""
        return self.cursor(_Cursor).executemany(*arguments)

    def backup(self, *arguments: Any, **named: Any) -> None:
        """Copy the database; see `sqlite3.Connection.backup`."""
        self.translated(super().backup, *arguments, **named)

    def translated(self, call: Callable[..., Result], *arguments: Any, **named: Any) -> Result:
        """Call a function, and translate the errors of SQLite."""
        try:
            return call(*arguments, **named)
        except (sqlite3.Error, UnicodeError, OverflowError) as error:
            raise translate_error(error, self.folder) from None


class Table:
    """Tables of one kind in the database of a library.

    Parameters
    ----------
    database : sqlite3.Connection
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._db = database


class _Cursor(sqlite3.Cursor):
    connection: Database

    def execute(self, *arguments: Any) -> Any:
        return self.connection.translated(super().execute, *arguments)

    def executemany(self, *arguments: Any) -> Any:
        return self.connection.translated(super().executemany, *arguments)

    def fetchone(self) -> Any:
        return self.connection.translated(super().fetchone)

    def fetchall(self) -> Any:
        return self.connection.translated(super().fetchall)

    def __next__(self) -> Any:
        try:
            return super().__next__()
        except sqlite3.Error as error:
            raise translate_error(error, self.connection.folder) from None


def translate_error(error: Exception, folder: Path) -> SegueError:
    """Convert an error of SQLite to one for the user."""
    text = str(error)
    if not isinstance(error, sqlite3.Error) or isinstance(error, _RECORD_ERRORS):
        return Unstorable(f"the library cannot hold it ({text})")
    if "full" in text or ("disk I/O" in text and _is_full(folder)):
        return DiskFull(
            f"no room left to write to {folder}; nothing that was stored is lost: "
            "make room and run the same command again"
        )
    if "locked" in text:
        return LibraryBusy(f"the library {folder} is busy; try again in a moment")
    if "readonly" in text:
        return no_permission(folder)
    return damaged(folder, text)


def damaged(folder: Path, what: str) -> LibraryDamaged:
    """Return the error for a damaged library."""
    return LibraryDamaged(
        f"{folder / DATABASE} cannot be read as a library ({what}); restore it from a backup, "
        "or choose another --library"
    )


def no_permission(folder: Path) -> LibraryReadOnly:
    """Return the error for a library that cannot be written to."""
    return LibraryReadOnly(
        f"no permission to write to the library {folder}; it can be searched, but not changed"
    )


def vector_of(data: bytes, dimension: int, track: int) -> FloatArray:
    """Read a stored vector, shape (dimension,)."""
    if isinstance(data, bytes) and len(data) == 4 * dimension:
        vector = np.frombuffer(data, "<f4").astype(np.float32)
        if (np.abs(vector) < _MAX_VALUE).all():  # false for NaN
            return vector
    raise damaged_row(f"the vector of track {track}")


def fingerprint_of(data: bytes, what: str) -> NDArray[np.uint32]:
    """Read a stored fingerprint."""
    if not isinstance(data, bytes) or len(data) % 4:
        raise damaged_row(f"the fingerprint of {what}")
    return np.frombuffer(data, "<u4").astype(np.uint32)


def json_of(text: str, what: str) -> Any:
    """Parse stored JSON; `what` names it in the error message."""
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError):
        raise damaged_row(what) from None


def damaged_row(what: str) -> LibraryDamaged:
    """Return the error for a damaged record."""
    return LibraryDamaged(
        f"the library is damaged: {what} is not as it was stored; restore {DATABASE} from a "
        "backup, or remove the track with `segue remove` and add it again"
    )


def _is_read_only(file: Path) -> bool:
    """Return whether a database must be opened as immutable, since its folder is not writable.

    Otherwise SQLite would create files beside it even for reading. The contents of a write-ahead
    log would be missed, so a database with a log is opened normally.
    """
    if not file.exists() or os.access(file.parent, os.W_OK):
        return False
    log = file.with_name(f"{file.name}-wal")
    return not log.exists() or not log.stat().st_size


def _check_not_emptied(file: Path) -> None:
    try:
        if file.stat().st_size:
            return
    except FileNotFoundError:
        return
    left = [name for name in _LIBRARY_FILES if (file.parent / name).exists()]
    left += [backup.name for backup in file.parent.glob("segue-schema-*.backup.db")]
    if left:
        raise LibraryDamaged(
            f"{file} is empty, but beside it lie {', '.join(left)}: it was emptied. Restore it "
            "from a backup; or remove it, to begin a new library"
        )


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < 1 << 20
    except OSError:
        return False


# Migration i brings the schema from version i to version i + 1.
_FIRST_SCHEMA: Final = """
CREATE TABLE roots (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE);
CREATE TABLE tracks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    root INTEGER NOT NULL REFERENCES roots(id),
    path TEXT NOT NULL,                    -- relative to the root, percent-encoded
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, content_hash TEXT NOT NULL,
    missing INTEGER NOT NULL DEFAULT 0,
    title TEXT NOT NULL, artist TEXT NOT NULL, album TEXT NOT NULL, album_artist TEXT NOT NULL,
    genre TEXT NOT NULL, year INTEGER, track_number INTEGER,
    words TEXT NOT NULL,                   -- title, artist and album, normalised for finding
    duration_s REAL NOT NULL,
    facts TEXT NOT NULL,                   -- named features, JSON
    fingerprint BLOB NOT NULL,             -- little-endian uint32
    UNIQUE (root, path)
);
CREATE INDEX tracks_by_content ON tracks (content_hash);
CREATE TABLE spaces (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL, kind TEXT NOT NULL, dimension INTEGER NOT NULL, metric TEXT NOT NULL,
    model TEXT NOT NULL, version INTEGER NOT NULL,
    changes INTEGER NOT NULL DEFAULT 0,    -- another with each write; names the derived matrix
    UNIQUE (name, model, version)
);
CREATE TABLE vectors (
    space INTEGER NOT NULL REFERENCES spaces(id) ON DELETE CASCADE,
    track INTEGER NOT NULL REFERENCES tracks(id) ON DELETE CASCADE,
    data BLOB NOT NULL,                    -- little-endian float32
    PRIMARY KEY (space, track)
) WITHOUT ROWID;
CREATE INDEX vectors_by_track ON vectors (track);
CREATE TABLE failures (
    root INTEGER NOT NULL REFERENCES roots(id),
    path TEXT NOT NULL,
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    reason TEXT NOT NULL,
    at TEXT NOT NULL,                      -- UTC, ISO 8601
    PRIMARY KEY (root, path)
) WITHOUT ROWID;
"""
_LEARNED_AND_LISTENS: Final = """
ALTER TABLE spaces ADD COLUMN trained INTEGER NOT NULL DEFAULT 0;  -- learned from this library
CREATE TABLE heard (                       -- what listening histories name; tracks are matched
    id INTEGER PRIMARY KEY,                -- to it when asked, so that later ones are, too
    artist TEXT NOT NULL, title TEXT NOT NULL,  -- normalised
    path TEXT NOT NULL,                    -- instead of these, absolute, percent-encoded
    name TEXT NOT NULL,                    -- as it was written, for showing
    UNIQUE (artist, title, path)
);
CREATE TABLE listens (
    user TEXT NOT NULL,
    heard INTEGER NOT NULL REFERENCES heard(id) ON DELETE CASCADE,
    at_s INTEGER NOT NULL,                 -- since 1970; 0 where it is not known
    plays INTEGER NOT NULL,
    import INTEGER NOT NULL,               -- which reading of a file brought it, from 1
    PRIMARY KEY (user, at_s, heard)
) WITHOUT ROWID;
CREATE INDEX listens_by_heard ON listens (heard);
"""
_MAPS_AND_TASTE: Final = """
CREATE TABLE maps (
    id INTEGER PRIMARY KEY,
    space INTEGER NOT NULL REFERENCES spaces(id) ON DELETE CASCADE,
    method TEXT NOT NULL,
    parameters TEXT NOT NULL,              -- JSON
    changes INTEGER NOT NULL,              -- of the space, when the map was last made or filled
    trustworthiness REAL, continuity REAL, -- of the plane; null where there is too little to tell
    UNIQUE (space, method)
);
CREATE TABLE map_points (
    map INTEGER NOT NULL REFERENCES maps(id) ON DELETE CASCADE,
    track INTEGER NOT NULL REFERENCES tracks(id) ON DELETE CASCADE,
    x REAL NOT NULL, y REAL NOT NULL,
    PRIMARY KEY (map, track)
) WITHOUT ROWID;
CREATE INDEX map_points_by_track ON map_points (track);
CREATE TABLE taste (
    track INTEGER PRIMARY KEY REFERENCES tracks(id) ON DELETE CASCADE,
    loved INTEGER NOT NULL,                -- 1: loved, 0: skipped
    at TEXT NOT NULL                       -- UTC, ISO 8601
);
CREATE TABLE written_tags (                -- what `segue tags write` changed, to be undone
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL,                  -- of the command, from 1
    path TEXT NOT NULL,                    -- absolute, percent-encoded
    field TEXT NOT NULL,                   -- bpm, key or mood
    before TEXT NOT NULL,                  -- "" where there was none
    written TEXT NOT NULL,
    at TEXT NOT NULL
);
"""
# A file may hold many tunes. The column is part of what must be unique, and SQLite can change
# that only by way of a new table; numbers of removed tracks are still not given again.
_TUNES: Final = """
CREATE TABLE tracks_now (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    root INTEGER NOT NULL REFERENCES roots(id),
    path TEXT NOT NULL,
    tune INTEGER NOT NULL DEFAULT 0,       -- which of the file's, from 1; 0: it is the whole
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, content_hash TEXT NOT NULL,
    missing INTEGER NOT NULL DEFAULT 0,
    title TEXT NOT NULL, artist TEXT NOT NULL, album TEXT NOT NULL, album_artist TEXT NOT NULL,
    genre TEXT NOT NULL, year INTEGER, track_number INTEGER,
    words TEXT NOT NULL,
    duration_s REAL NOT NULL,
    facts TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    UNIQUE (root, path, tune)
);
INSERT INTO tracks_now SELECT id, kind, root, path, 0, size, mtime_ns, content_hash, missing,
    title, artist, album, album_artist, genre, year, track_number, words, duration_s, facts,
    fingerprint FROM tracks;
UPDATE sqlite_sequence SET seq = (SELECT max(seq) FROM sqlite_sequence WHERE name = 'tracks')
    WHERE name = 'tracks_now';
DROP TABLE tracks;
ALTER TABLE tracks_now RENAME TO tracks;
CREATE INDEX tracks_by_content ON tracks (content_hash);
"""
_WORDS: Final = """
CREATE TABLE lyrics (                      -- the words of a track, of whichever kind
    track INTEGER PRIMARY KEY REFERENCES tracks(id) ON DELETE CASCADE,
    text TEXT NOT NULL
);
"""
_STATES_AND_TRANSIENT_FAILURES: Final = """
-- `changes` was a count. A restored or copied database came to the same one with other vectors, and
-- was answered from what had been derived of those: so it is drawn at random with each write.
UPDATE maps SET changes = -1
    WHERE changes <> (SELECT changes FROM spaces WHERE spaces.id = maps.space);
UPDATE spaces SET changes = abs(random() % 1000000000000000);
UPDATE maps SET changes = (SELECT changes FROM spaces WHERE spaces.id = maps.space)
    WHERE changes <> -1;
-- Of the moment, and not of the file's content: tried again by the next `add`. Of those that are
-- there nobody knows.
ALTER TABLE failures ADD COLUMN transient INTEGER NOT NULL DEFAULT 1;
"""
_BELONGING: Final = """
CREATE TABLE texts_beside (                -- files whose words are those of the music beside them
    track INTEGER NOT NULL REFERENCES tracks(id) ON DELETE CASCADE,
    name TEXT NOT NULL,                    -- in the folder of the track, percent-encoded
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    used INTEGER NOT NULL,                 -- 1: the track's words come from it
    PRIMARY KEY (track, name)
) WITHOUT ROWID;
CREATE TABLE removed (                     -- what was taken out and is not to come back
    root INTEGER NOT NULL REFERENCES roots(id),
    path TEXT NOT NULL,
    tune INTEGER NOT NULL,
    content_hash TEXT NOT NULL,            -- by which it is known where it was moved
    PRIMARY KEY (root, path, tune)
) WITHOUT ROWID;
CREATE TABLE given_tags (                  -- by `segue add --artist`, for what names none
    track INTEGER PRIMARY KEY REFERENCES tracks(id) ON DELETE CASCADE,
    artist TEXT NOT NULL, album TEXT NOT NULL
);
-- Folders were albums where nothing else was said, and a text of many poems was one: the next
-- `segue add` looks at such files again, without decoding what it knows.
UPDATE tracks SET mtime_ns = -1
    WHERE (album <> '' AND album_artist = '' AND genre = '' AND year IS NULL)
    OR (kind = 'lyrics' AND tune = 0);
"""
_NAMES: Final = """
-- Holds all that names are looked for in, so that nothing else of the tracks is read meanwhile.
CREATE INDEX tracks_by_names ON tracks (words, artist, album, genre);
"""
_PLAYERS: Final = """
CREATE TABLE playlists (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL, owner TEXT NOT NULL,
    public INTEGER NOT NULL,
    comment TEXT NOT NULL,
    created_at TEXT NOT NULL, changed_at TEXT NOT NULL  -- UTC, ISO 8601
);
CREATE TABLE playlist_tracks (
    playlist INTEGER NOT NULL REFERENCES playlists(id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    track INTEGER NOT NULL REFERENCES tracks(id) ON DELETE CASCADE,
    PRIMARY KEY (playlist, position)
) WITHOUT ROWID;
CREATE INDEX playlist_tracks_by_track ON playlist_tracks (track);
CREATE TABLE marks (
    user TEXT NOT NULL,
    item TEXT NOT NULL,                    -- as the server names it: tr-12, al-..., ar-...
    starred_at TEXT,                       -- UTC, ISO 8601; songs are starred in `taste`
    rating INTEGER NOT NULL DEFAULT 0,     -- 1 to 5, 0 for none
    PRIMARY KEY (user, item)
) WITHOUT ROWID;
CREATE TABLE play_queues (
    user TEXT PRIMARY KEY,
    tracks TEXT NOT NULL,                  -- JSON
    current INTEGER NOT NULL,              -- position in `tracks`
    position_ms INTEGER NOT NULL,
    changed_at TEXT NOT NULL, changed_by TEXT NOT NULL
);
CREATE TABLE bookmarks (
    user TEXT NOT NULL,
    track INTEGER NOT NULL REFERENCES tracks(id) ON DELETE CASCADE,
    position_ms INTEGER NOT NULL,
    comment TEXT NOT NULL,
    created_at TEXT NOT NULL, changed_at TEXT NOT NULL,
    PRIMARY KEY (user, track)
) WITHOUT ROWID;
"""
MIGRATIONS: Final[tuple[str, ...]] = (
    _FIRST_SCHEMA,
    _LEARNED_AND_LISTENS,
    _MAPS_AND_TASTE,
    _TUNES,
    _WORDS,
    _STATES_AND_TRANSIENT_FAILURES,
    _BELONGING,
    _NAMES,
    _PLAYERS,
)


def migrate(database: sqlite3.Connection, file: Path) -> None:
    """Bring a database to the newest schema, with a backup before each migration.

    Foreign keys must be disabled: a table that is recreated would delete all rows that refer to
    it.

    Raises
    ------
    LibraryDamaged
        The database is no Segue library, or was written by a newer version.
    """
    current = int(database.execute("PRAGMA user_version").fetchone()[0])
    if current > len(MIGRATIONS):
        raise LibraryDamaged(
            f"the library {file.parent} was written by a newer Segue (schema {current}, this one "
            f"knows {len(MIGRATIONS)}); update Segue, or choose another --library"
        )
    occupied = database.execute("SELECT EXISTS (SELECT 1 FROM sqlite_schema)").fetchone()[0]
    if current == 0 and occupied:
        raise LibraryDamaged(f"{file} is a database, but not of Segue; choose another --library")
    for version in range(current, len(MIGRATIONS)):
        if current:  # a new library needs no backup
            _back_up(database, file.with_name(f"segue-schema-{version}.backup.db"))
        # Statement by statement, since executescript would commit the transaction. Of two programs
        # that create a library at once, the second one finds it migrated.
        database.execute("BEGIN IMMEDIATE")
        if int(database.execute("PRAGMA user_version").fetchone()[0]) > version:
            database.execute("ROLLBACK")
            continue
        for statement in _statements(MIGRATIONS[version]):
            database.execute(statement)
        database.execute(f"PRAGMA user_version = {version + 1}")
        database.execute("COMMIT")


def _statements(script: str) -> list[str]:
    statements, start = [], 0
    for end in (i + 1 for i, c in enumerate(script) if c == ";"):
        if sqlite3.complete_statement(script[start:end]):
            statements.append(script[start:end])
            start = end
    return statements


def _back_up(database: sqlite3.Connection, target: Path) -> None:
    with atomic_write(target) as partial:
        copy = sqlite3.connect(partial)
        try:
            database.backup(copy)
        finally:
            copy.close()

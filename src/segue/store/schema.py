"""The database's tables, and how an older library is brought up to date."""

import sqlite3
from pathlib import Path
from typing import Final

from segue.errors import LibraryDamaged
from segue.formats.whole import written_whole

# Migration i brings the schema from version i to i + 1.
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
MIGRATIONS: Final[tuple[str, ...]] = (
    _FIRST_SCHEMA,
    _LEARNED_AND_LISTENS,
    _MAPS_AND_TASTE,
    _TUNES,
    _WORDS,
    _STATES_AND_TRANSIENT_FAILURES,
    _BELONGING,
    _NAMES,
)


def migrate(database: sqlite3.Connection, file: Path) -> None:
    """Bring a database to the newest schema; a copy is kept before each change.

    Foreign keys must not be watched meanwhile: a table that is made anew would take all that
    refers to it with it.

    Raises
    ------
    LibraryDamaged
        It is no Segue library, or one from a newer Segue.
    """
    found = int(database.execute("PRAGMA user_version").fetchone()[0])
    if found > len(MIGRATIONS):
        raise LibraryDamaged(
            f"the library {file.parent} was written by a newer Segue (schema {found}, this one "
            f"knows {len(MIGRATIONS)}); update Segue, or choose another --library"
        )
    occupied = database.execute("SELECT EXISTS (SELECT 1 FROM sqlite_schema)").fetchone()[0]
    if found == 0 and occupied:
        raise LibraryDamaged(f"{file} is a database, but not of Segue; choose another --library")
    for version in range(found, len(MIGRATIONS)):
        if found:  # there is nothing to lose in a library that is only being made
            _back_up(database, file.with_name(f"segue-schema-{version}.backup.db"))
        # executescript commits what is open, so the statements bring their own transaction;
        # of two programs that start a library at once, the second finds it made.
        database.execute("BEGIN IMMEDIATE")
        if int(database.execute("PRAGMA user_version").fetchone()[0]) > version:
            database.execute("ROLLBACK")
            continue
        for statement in _statements(MIGRATIONS[version]):
            database.execute(statement)
        database.execute(f"PRAGMA user_version = {version + 1}")
        database.execute("COMMIT")


def _statements(script: str) -> list[str]:
    found, start = [], 0
    for end in (i + 1 for i, c in enumerate(script) if c == ";"):
        if sqlite3.complete_statement(script[start:end]):
            found.append(script[start:end])
            start = end
    return found


def _back_up(database: sqlite3.Connection, target: Path) -> None:
    with written_whole(target) as partial:
        copy = sqlite3.connect(partial)
        try:
            database.backup(copy)
        finally:
            copy.close()

"""The library on disk: one SQLite database, and files derived from it.

All files in the folder except `segue.db` may be deleted at any time. Vectors are stored as
little-endian float32, one row per track and space. For searching, each space has a memory-mapped
matrix of unit vectors, which is rebuilt after the space has changed.
"""

import errno
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from segue.errors import BadArgument, LibraryBusy, LibraryDamaged, NotFound, SegueError, Unstorable
from segue.records import Analysis, FileState, Medium, Space, Tags, Track
from segue.store.database import DATABASE, Database, fingerprint_of, migrate, no_permission
from segue.store.files import (
    Files,
    KnownFile,
    Labels,
    LyricsTable,
    search_words,
    tag_values,
    track_of,
)
from segue.store.players import Marks, PlayerStates, Playlists
from segue.store.spaces import Maps, Spaces
from segue.store.user_data import GivenTags, Listens, RemovedFiles, Taste, WrittenTags

__all__ = ["DATABASE", "LOCK", "Store", "default_folder"]

LOCK: Final = "writing.lock"

_TRACK_COLUMNS: Final = (
    "tracks.id, tracks.kind, roots.path AS root_path, tracks.path, tune, title, artist, album,"
    " album_artist, genre, year, track_number, duration_s, content_hash, missing, facts"
)
_TRACKS: Final = "tracks JOIN roots ON roots.id = tracks.root"


class Store:
    """An open library folder.

    Parameters
    ----------
    folder : Path
        Created if it does not exist.
    builtin : iterable of Space
        The built-in spaces of this version of Segue.

    Attributes
    ----------
    spaces : Spaces
        Vectors by space.
    listens : Listens
        Listening histories.
    maps : Maps
        Two-dimensional projections of spaces.
    taste : Taste
        Loved and skipped tracks.
    lyrics : LyricsTable
        Lyrics and the sidecar texts that they come from.
    tag_log : WrittenTags
        Log of the tags written into files, for undo.
    files : Files
        Paths of tracks, and files that could not be read.
    removed : RemovedFiles
        Files that the user removed, and that are not added again.
    given_tags : GivenTags
        Artists and albums that the user gave.
    playlists : Playlists
        Playlists that listeners made on the server.
    marks : Marks
        Stars of albums and artists, and ratings, by user.
    players : PlayerStates
        Play queues and bookmarks, by user.

    Raises
    ------
    LibraryDamaged
        The database is no Segue library, or was written by a newer version.
    """

    def __init__(self, folder: Path, builtin: Iterable[Space]) -> None:
        self.folder = folder
        self._db = Database.open(folder)
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            migrate(self._db, folder / DATABASE)
            self._db.execute("PRAGMA foreign_keys = ON")
            self.spaces = Spaces(self._db, folder / "derived", builtin)
            self.listens = Listens(self._db)
            self.maps = Maps(self._db)
            self.taste = Taste(self._db)
            self.lyrics = LyricsTable(self._db)
            self.tag_log = WrittenTags(self._db)
            self.files = Files(self._db)
            self.removed = RemovedFiles(self._db, self.files)
            self.given_tags = GivenTags(self._db)
            self.playlists = Playlists(self._db)
            self.marks = Marks(self._db)
            self.players = PlayerStates(self._db)
        except SegueError:
            self._db.close()
            raise

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Lock the library for writing by this process.

        Raises
        ------
        LibraryBusy
            Another process holds the lock.
        LibraryDamaged
            The library cannot be written to.
        """
        lock = FileLock(self.folder / LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:  # a subclass of OSError
            raise LibraryBusy(
                f"the library {self.folder} is being written to by another segue; "
                "wait until it is done, then run this again"
            ) from None
        except (OSError, NotImplementedError) as error:
            raise _no_lock(self.folder, error) from None
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run a transaction, which is rolled back after an error."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.check_exists()
            self._db.execute("COMMIT")
        except BaseException:
            self._rollback()
            raise

    @contextmanager
    def part(self) -> Iterator[None]:
        """Run a part of a transaction, which alone is rolled back after an error."""
        self._db.execute("SAVEPOINT part")
        try:
            yield
        except BaseException:
            with suppress(SegueError):
                self._db.execute("ROLLBACK TO part")
                self._db.execute("RELEASE part")
            raise
        self._db.execute("RELEASE part")

    def add_track(
        self,
        path: bytes,
        state: FileState,
        content_hash: str,
        tags: Tags,
        analysis: Analysis,
        kind: Medium = "sound",
        tune: int = 0,
    ) -> int:
        """Store a track of a new or changed file, and return its id.

        Raises
        ------
        Unstorable
            A fact or vector is not finite.
        """
        facts = [fact for fact in analysis.facts.values() if not isinstance(fact, str)]
        numbers = np.concatenate([facts, *analysis.vectors.values()])
        if not np.isfinite(numbers).all():
            raise Unstorable("the values computed from it are not finite")
        root, relative = self.files.locate(path)
        self._db.execute(
            "INSERT INTO tracks (kind, root, path, tune, size, mtime_ns, content_hash, title,"
            " artist, album, album_artist, genre, year, track_number, words, duration_s, facts,"
            " fingerprint) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
            " ON CONFLICT (root, path, tune) DO UPDATE SET kind=excluded.kind,"
            " size=excluded.size,"
            " mtime_ns=excluded.mtime_ns, content_hash=excluded.content_hash, missing=0,"
            " title=excluded.title, artist=excluded.artist, album=excluded.album,"
            " album_artist=excluded.album_artist, genre=excluded.genre, year=excluded.year,"
            " track_number=excluded.track_number, words=excluded.words,"
            " duration_s=excluded.duration_s, facts=excluded.facts,"
            " fingerprint=excluded.fingerprint",
            (
                kind,
                root,
                relative,
                tune,
                state.size,
                state.mtime_ns,
                content_hash,
                *tag_values(tags),
                search_words(tags),
                analysis.duration_s,
                json.dumps(analysis.facts, allow_nan=False),
                analysis.fingerprint.astype("<u4").tobytes(),
            ),
        )
        track = self.files.track_at(root, relative, tune)
        self.spaces.drop_trained(track)
        self.spaces.keep_only(track, analysis.vectors)
        for name, vector in analysis.vectors.items():
            self.spaces.put(name, track, vector)
        self.lyrics.put(track, analysis.words)
        self.files.forget(root, relative)
        return track

    def keep_tunes(self, path: bytes, tunes: Iterable[int]) -> None:
        """Remove the tracks of a changed file, except the given tunes."""
        root, relative = self.files.locate(path)
        gone = self.where(
            "root = ? AND tracks.path = ? AND tune NOT IN (SELECT value FROM json_each(?))",
            (root, relative, json.dumps(list(tunes))),
        )
        self.remove_tracks(gone)

    def copy_track(self, source: int, path: bytes, state: FileState, tags: Tags) -> int:
        """Store a copy of a track whose file has the same content; return its id."""
        root, relative = self.files.locate(path)
        self._db.execute(
            "DELETE FROM tracks WHERE root = ? AND path = ?"
            " AND tune = (SELECT tune FROM tracks WHERE id = ?)",
            (root, relative, source),
        )
        cursor = self._db.execute(
            "INSERT INTO tracks (kind, root, path, tune, size, mtime_ns, content_hash, title,"
            " artist, album, album_artist, genre, year, track_number, words, duration_s, facts,"
            " fingerprint) SELECT kind, ?, ?, tune, ?, ?, content_hash, ?, ?, ?, ?, ?, ?, ?, ?,"
            " duration_s, facts, fingerprint FROM tracks WHERE id = ?",
            (
                root,
                relative,
                state.size,
                state.mtime_ns,
                *tag_values(tags),
                search_words(tags),
                source,
            ),
        )
        track = int(cursor.lastrowid or 0)
        self._db.execute(
            "INSERT INTO vectors (space, track, data)"
            " SELECT space, ?, data FROM vectors WHERE track = ?",
            (track, source),
        )
        self.lyrics.copy(source, track)
        self.spaces.mark_changed(track)
        self.files.forget(root, relative)
        return track

    def move_track(self, track: int, path: bytes, state: FileState) -> None:
        """Record the new path of a moved file."""
        root, relative = self.files.locate(path)
        self._db.execute(
            "DELETE FROM tracks WHERE root = ? AND path = ? AND id <> ?"
            " AND tune = (SELECT tune FROM tracks WHERE id = ?)",
            (root, relative, track, track),
        )
        self._db.execute(
            "UPDATE tracks SET root = ?, path = ?, size = ?, mtime_ns = ?, missing = 0"
            " WHERE id = ?",
            (root, relative, state.size, state.mtime_ns, track),
        )
        self.files.forget(root, relative)

    def touch_track(self, track: int, state: FileState, tags: Tags) -> None:
        """Record the new date, size and tags of a file with unchanged content."""
        self._db.execute(
            "UPDATE tracks SET size = ?, mtime_ns = ?, missing = 0 WHERE id = ?",
            (state.size, state.mtime_ns, track),
        )
        self.retag(track, tags)
        self.lyrics.forget_sidecars(track)  # so that they complete the tags again
        self._db.execute(
            "DELETE FROM failures WHERE (root, path) ="
            " (SELECT root, path FROM tracks WHERE id = ?)",
            (track,),
        )

    def retag(self, track: int, tags: Tags) -> None:
        """Record the new tags of a track."""
        self._db.execute(
            "UPDATE tracks SET title = ?, artist = ?, album = ?, album_artist = ?, genre = ?,"
            " year = ?, track_number = ?, words = ? WHERE id = ?",
            (*tag_values(tags), search_words(tags), track),
        )

    def rewritten(self, path: Path, state: FileState, content_hash: str) -> None:
        """Record the new content hash of a file into which Segue has written tags."""
        root, relative = self.files.locate(os.fsencode(path))
        self._db.execute(
            "UPDATE tracks SET size = ?, mtime_ns = ?, content_hash = ?"
            " WHERE root = ? AND path = ?",
            (state.size, state.mtime_ns, content_hash, root, relative),
        )

    def set_missing(self, tracks: Iterable[int], *, missing: bool) -> None:
        """Mark tracks as missing or existing."""
        self._db.executemany(
            "UPDATE tracks SET missing = ? WHERE id = ?", [(missing, track) for track in tracks]
        )

    def remove_tracks(self, tracks: Iterable[int]) -> None:
        """Remove tracks and their vectors from the library; files are not touched."""
        for track in tracks:
            self.spaces.mark_changed(track)
            self._db.execute("DELETE FROM tracks WHERE id = ?", (track,))

    def track(self, track: int) -> Track:
        """Read one track."""
        tracks = self.tracks([track])
        if not tracks:
            raise NotFound(f"no track {track} in this library; `segue list` shows all tracks")
        return tracks[0]

    def tracks(self, ids: Sequence[int] | None = None) -> list[Track]:
        """Read tracks in the order of their ids as given, or all tracks."""
        if ids is None:
            rows = self._db.execute(f"SELECT {_TRACK_COLUMNS} FROM {_TRACKS} ORDER BY tracks.id")
            return [track_of(row) for row in rows]
        by_id = {
            row["id"]: track_of(row)
            for row in self._db.execute(
                f"SELECT {_TRACK_COLUMNS} FROM {_TRACKS}"
                " WHERE tracks.id IN (SELECT value FROM json_each(?))",
                (json.dumps([int(track) for track in ids]),),
            )
        }
        return [by_id[int(track)] for track in ids if int(track) in by_id]

    def count(self) -> int:
        """Count the tracks."""
        return int(self._db.execute("SELECT count(*) FROM tracks").fetchone()[0])

    def kinds(self) -> dict[Medium, int]:
        """Count the tracks of each medium."""
        rows = self._db.execute("SELECT kind, count(*) FROM tracks GROUP BY kind ORDER BY kind")
        return {row[0]: row[1] for row in rows}

    def where(self, condition: str, values: Sequence[object]) -> list[int]:
        """List the ids of the tracks that fulfil an SQL condition."""
        rows = self._db.execute(
            f"SELECT tracks.id FROM {_TRACKS} WHERE {condition} ORDER BY tracks.id", values
        )
        return [row[0] for row in rows]

    def searched_words(self) -> tuple[NDArray[np.int64], str]:
        """Read the ids of all tracks, and their normalised search texts, one per line."""
        ids, words = self._db.execute(
            "SELECT group_concat(id), group_concat(words, char(10)) FROM tracks"
        ).fetchone()
        return np.fromstring(ids or "", np.int64, sep=","), words or ""

    def spellings(self, field: str) -> list[str]:
        """List the distinct artists, albums or genres as they are spelt."""
        if field not in ("artist", "album", "genre"):
            raise BadArgument(f"tracks have no field {field!r} with names")
        rows = self._db.execute(f"SELECT DISTINCT {field} FROM tracks WHERE {field} <> ''")
        return [row[0] for row in rows]

    def called(self, field: str, spellings: Sequence[str]) -> list[int]:
        """List the ids of the tracks with one of these spellings of an artist, album or genre."""
        if not spellings:
            return []
        return self.where(
            f"{field} IN (SELECT value FROM json_each(?))", [json.dumps(list(spellings))]
        )

    def labels(self) -> list[Labels]:
        """List the labels of all tracks, in order of id."""
        rows = self._db.execute(
            "SELECT id, artist, album, album_artist, genre, year FROM tracks ORDER BY id"
        )
        return [Labels(*row) for row in rows]

    def recordings(self) -> Iterator[sqlite3.Row]:
        """Read what a catalogue shows of each recording whose file is there, in order of id."""
        rows: Iterator[sqlite3.Row] = self._db.execute(
            "SELECT tracks.id, title, artist, album, album_artist, genre, year, track_number,"
            " duration_s, size, mtime_ns, roots.path AS root, tracks.path AS path, words, tune,"
            " CASE WHEN tune THEN coalesce(json_extract(facts, '$.start_s'), 0) END AS start_s"
            f" FROM {_TRACKS} WHERE kind = 'sound' AND NOT missing ORDER BY tracks.id"
        )
        return rows

    def recordings_state(self) -> tuple[float, ...]:
        """Return figures that change with what `recordings` returns."""
        row = self._db.execute(
            "SELECT count(*), max(id), sum(missing), sum(length(words)),"
            " group_concat(root || path || mtime_ns) FROM tracks"
        ).fetchone()
        return (*(value or 0 for value in row[:-1]), hash(row[-1]))  # a moved file keeps its date

    def fingerprints(self, ids: Sequence[int]) -> dict[int, NDArray[np.uint32]]:
        """Read the fingerprints of tracks by id."""
        rows = self._db.execute(
            "SELECT id, fingerprint FROM tracks WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps([int(track) for track in ids]),),
        )
        return {row[0]: fingerprint_of(row[1], f"track {row[0]}") for row in rows}

    def equal_files(self) -> list[tuple[int, int]]:
        """List pairs of tracks with identical content; the lower id first."""
        rows = self._db.execute(
            "SELECT first, id FROM (SELECT id, min(id) OVER (PARTITION BY content_hash, tune)"
            " AS first FROM tracks) WHERE first <> id ORDER BY id"
        )
        return [(row[0], row[1]) for row in rows]

    def known_files(self) -> dict[bytes, KnownFile]:
        """Return the records of all known files, by absolute path."""
        return self.files.known(self.spaces.complete_tracks())

    def missing_tracks(self) -> set[int]:
        """List the tracks that are marked missing."""
        return {row[0] for row in self._db.execute("SELECT id FROM tracks WHERE missing")}

    def with_content(self, content_hash: str) -> list[Track]:
        """List the complete tracks with a content hash."""
        ids = self.where("content_hash = ?", (content_hash,))
        return self.tracks([track for track in ids if track in self.spaces.complete_tracks(ids)])

    def _rollback(self) -> None:
        if self._db.in_transaction:
            with suppress(SegueError):  # the first error is the one to report
                self._db.execute("ROLLBACK")


def _no_lock(folder: Path, error: Exception) -> LibraryDamaged:
    if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return no_permission(folder)
    return LibraryDamaged(
        f"{folder / LOCK} cannot be locked ({getattr(error, 'strerror', None) or error}); it must "
        "be a file of yours: remove what stands there, and run the same command again"
    )


def default_folder() -> Path:
    """Return the default library: `$SEGUE_LIBRARY`, else a folder in the user's data."""
    from platformdirs import user_data_path

    configured = os.environ.get("SEGUE_LIBRARY")
    return Path(configured) if configured else user_data_path("segue") / "library"

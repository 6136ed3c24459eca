"""The library on disk: one SQLite database, and files derived from it.

Everything but `segue.db` in the folder may be deleted at any time. Vectors are written as
little-endian float32, one row per track and space; for searching, each space has one
contiguous matrix of unit vectors, memory-mapped, rebuilt when the space changed.
"""

import errno
import json
import os
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
from segue.store.files import Files, KnownFile, Labels, search_words, tag_values, track_of
from segue.store.listens import Listens
from segue.store.lyrics import LyricsTable
from segue.store.spaces import Maps, Spaces
from segue.store.user_data import GivenTags, RemovedFiles, Taste, WrittenTags

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
        Created where it does not exist.
    wanted : iterable of Space
        The spaces that this Segue computes.

    Attributes
    ----------
    spaces : Spaces
        The vectors.
    listens : Listens
        What was listened to.
    maps : Maps
        The planes that were made of spaces.
    taste : Taste
        What is loved, and what is skipped.
    words : Words
        What is sung.
    written : WrittenTags
        What was written into files' tags.
    files : Files
        Where tracks lie, and which files failed.
    removed : Removed
        What was taken out and is not to come back.
    given : GivenTags
        Artists and albums that the user named.

    Raises
    ------
    LibraryDamaged
        The database is no Segue library, or one from a newer Segue.
    """

    def __init__(self, folder: Path, wanted: Iterable[Space]) -> None:
        self.folder = folder
        self._db = Database.open(folder)
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            migrate(self._db, folder / DATABASE)
            self._db.execute("PRAGMA foreign_keys = ON")
            self.spaces = Spaces(self._db, folder / "derived", wanted)
            self.listens = Listens(self._db)
            self.maps = Maps(self._db)
            self.taste = Taste(self._db)
            self.lyrics = LyricsTable(self._db)
            self.tag_log = WrittenTags(self._db)
            self.files = Files(self._db)
            self.removed = RemovedFiles(self._db, self.files)
            self.given_tags = GivenTags(self._db)
        except SegueError:
            self._db.close()
            raise

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    # ---- writing -------------------------------------------------------------------------

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the library for one writing process.

        Raises
        ------
        LibraryBusy
            Another process holds it.
        LibraryDamaged
            It cannot be written to.
        """
        lock = FileLock(self.folder / LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:  # an OSError too
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
        """Make everything inside happen or, after an error, nothing of it."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.check_there()
            self._db.execute("COMMIT")
        except BaseException:
            self._undo()
            raise

    @contextmanager
    def part(self) -> Iterator[None]:
        """Undo everything inside after an error, within a transaction that goes on."""
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
        """Store what a new file holds, or a changed one holds now; return its id.

        Raises
        ------
        Unstorable
            It holds numbers that are not finite: with them, no track could be compared any more.
        """
        facts = [fact for fact in analysis.facts.values() if not isinstance(fact, str)]
        numbers = np.concatenate([facts, *analysis.vectors.values()])
        if not np.isfinite(numbers).all():
            raise Unstorable("what was computed of it is not finite")
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
        self.spaces.forget_learned(track)
        self.spaces.keep_only(track, analysis.vectors)
        for name, vector in analysis.vectors.items():
            self.spaces.put(name, track, vector)
        self.lyrics.put(track, analysis.words)
        self.files.forget(root, relative)
        return track

    def keep_tunes(self, path: bytes, tunes: Iterable[int]) -> None:
        """Take out the tracks of a changed file that it no longer holds."""
        root, relative = self.files.locate(path)
        gone = self.where(
            "root = ? AND tracks.path = ? AND tune NOT IN (SELECT value FROM json_each(?))",
            (root, relative, json.dumps(list(tunes))),
        )
        self.remove_tracks(gone)

    def copy_track(self, source: int, path: bytes, state: FileState, tags: Tags) -> int:
        """Store a tune whose content is known from another track: a row of its own."""
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
        self.spaces.count_changes(track)
        self.files.forget(root, relative)
        return track

    def move_track(self, track: int, path: bytes, state: FileState) -> None:
        """Record that a track's file lies elsewhere now."""
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
        """Record a file's new date, size and tags where its content is what it was."""
        self._db.execute(
            "UPDATE tracks SET size = ?, mtime_ns = ?, missing = 0 WHERE id = ?",
            (state.size, state.mtime_ns, track),
        )
        self.retag(track, tags)
        self.lyrics.forget_sidecars(track)  # a text beside it may say more
        self._db.execute(
            "DELETE FROM failures WHERE (root, path) ="
            " (SELECT root, path FROM tracks WHERE id = ?)",
            (track,),
        )

    def retag(self, track: int, tags: Tags) -> None:
        """Record what is known of a track now."""
        self._db.execute(
            "UPDATE tracks SET title = ?, artist = ?, album = ?, album_artist = ?, genre = ?,"
            " year = ?, track_number = ?, words = ? WHERE id = ?",
            (*tag_values(tags), search_words(tags), track),
        )

    def rewritten(self, path: Path, state: FileState, content_hash: str) -> None:
        """Record a file whose tags Segue changed: another content, the same sound."""
        root, relative = self.files.locate(os.fsencode(path))
        self._db.execute(
            "UPDATE tracks SET size = ?, mtime_ns = ?, content_hash = ?"
            " WHERE root = ? AND path = ?",
            (state.size, state.mtime_ns, content_hash, root, relative),
        )

    def set_missing(self, tracks: Iterable[int], *, missing: bool) -> None:
        """Mark tracks whose file vanished, or came back."""
        self._db.executemany(
            "UPDATE tracks SET missing = ? WHERE id = ?", [(missing, track) for track in tracks]
        )

    def remove_tracks(self, tracks: Iterable[int]) -> None:
        """Take tracks and their vectors out of the library; files are left alone."""
        for track in tracks:
            self.spaces.count_changes(track)
            self._db.execute("DELETE FROM tracks WHERE id = ?", (track,))

    # ---- reading -------------------------------------------------------------------------

    def track(self, track: int) -> Track:
        """Read one track."""
        found = self.tracks([track])
        if not found:
            raise NotFound(f"no track {track} in this library; `segue list` shows what is there")
        return found[0]

    def tracks(self, ids: Sequence[int] | None = None) -> list[Track]:
        """Read tracks, in the order of the ids given, or all."""
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
        """Count the tracks of each kind that is there."""
        rows = self._db.execute("SELECT kind, count(*) FROM tracks GROUP BY kind ORDER BY kind")
        return {row[0]: row[1] for row in rows}

    def where(self, condition: str, values: Sequence[object]) -> list[int]:
        """List the ids of the tracks that meet a condition in SQL."""
        rows = self._db.execute(
            f"SELECT tracks.id FROM {_TRACKS} WHERE {condition} ORDER BY tracks.id", values
        )
        return [row[0] for row in rows]

    def searched_words(self) -> tuple[NDArray[np.int64], str]:
        """Read the ids of all tracks, and their titles, artists and albums, a line each.

        The words are normalised.
        """
        ids, words = self._db.execute(
            "SELECT group_concat(id), group_concat(words, char(10)) FROM tracks"
        ).fetchone()
        return np.fromstring(ids or "", np.int64, sep=","), words or ""

    def spellings(self, field: str) -> list[str]:
        """List every artist, album or genre once, as it is spelt; of tracks without one nothing."""
        if field not in ("artist", "album", "genre"):
            raise BadArgument(f"tracks have no names of the kind {field!r}")
        rows = self._db.execute(f"SELECT DISTINCT {field} FROM tracks WHERE {field} <> ''")
        return [row[0] for row in rows]

    def called(self, field: str, spellings: Sequence[str]) -> list[int]:
        """List the ids of the tracks whose artist, album or genre is spelt in one of some ways."""
        if not spellings:
            return []
        return self.where(
            f"{field} IN (SELECT value FROM json_each(?))", [json.dumps(list(spellings))]
        )

    def labels(self) -> list[Labels]:
        """List what all tracks say of themselves, in order of id."""
        rows = self._db.execute(
            "SELECT id, artist, album, album_artist, genre, year FROM tracks ORDER BY id"
        )
        return [Labels(*row) for row in rows]

    def fingerprints(self, ids: Sequence[int]) -> dict[int, NDArray[np.uint32]]:
        """Read the fingerprints of some tracks."""
        rows = self._db.execute(
            "SELECT id, fingerprint FROM tracks WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps([int(track) for track in ids]),),
        )
        return {row[0]: fingerprint_of(row[1], f"track {row[0]}") for row in rows}

    def equal_files(self) -> list[tuple[int, int]]:
        """List pairs of tracks whose files are equal, byte for byte; the lower id first."""
        rows = self._db.execute(
            "SELECT first, id FROM (SELECT id, min(id) OVER (PARTITION BY content_hash, tune)"
            " AS first FROM tracks) WHERE first <> id ORDER BY id"
        )
        return [(row[0], row[1]) for row in rows]

    def known_files(self) -> dict[bytes, KnownFile]:
        """List every file that the library has met, by absolute path."""
        return self.files.known(self.spaces.complete_tracks())

    def missing_tracks(self) -> set[int]:
        """List the tracks that are marked missing."""
        return {row[0] for row in self._db.execute("SELECT id FROM tracks WHERE missing")}

    def with_content(self, content_hash: str) -> list[Track]:
        """List the complete tracks of a content."""
        ids = self.where("content_hash = ?", (content_hash,))
        return self.tracks([track for track in ids if track in self.spaces.complete_tracks(ids)])

    # ---- within --------------------------------------------------------------------------

    def _undo(self) -> None:
        if self._db.in_transaction:
            with suppress(SegueError):  # what went wrong first is what is told
                self._db.execute("ROLLBACK")


def _no_lock(folder: Path, error: Exception) -> LibraryDamaged:
    if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return no_permission(folder)
    return LibraryDamaged(
        f"{folder / LOCK} cannot be locked ({getattr(error, 'strerror', None) or error}); it must "
        "be a file of yours: remove what stands there, and run the same command again"
    )


def default_folder() -> Path:
    """Return the library used where none is named: `$SEGUE_LIBRARY`, else the user's data."""
    from platformdirs import user_data_path

    named = os.environ.get("SEGUE_LIBRARY")
    return Path(named) if named else user_data_path("segue") / "library"

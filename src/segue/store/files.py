"""Rows of the database to records; file paths and failed files.

Rows of the database ↔ records; paths as text that survives any file name.

Where tracks lie: recorded roots, paths below them, and the files that failed.
"""

import os
import sqlite3
from collections.abc import Collection, Iterable
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from types import UnionType
from typing import Final, get_args
from urllib.parse import quote, unquote_to_bytes

from segue.records import Failure, FileState, Medium, Space, Tags, Track
from segue.store.database import damaged_row, json_of
from segue.text import normalise

# --- rows ---

_KINDS: Final = get_args(Medium)
#: SQLite keeps whatever it is given, and damage may turn a value into one of another type.
_STORED: Final[dict[str, type | UnionType]] = {
    **dict.fromkeys(("path", "root_path", "content_hash"), str),
    **dict.fromkeys(("title", "artist", "album", "album_artist", "genre"), str),
    **dict.fromkeys(("year", "track_number"), int | None),
    **dict.fromkeys(("missing", "tune"), int),
    "duration_s": float,
}


@dataclass(frozen=True, slots=True)
class Labels:
    """What a track says of itself, for comparing; less to read than a `Track`."""

    id: int
    artist: str
    album: str
    album_artist: str
    genre: str
    year: int | None


def is_below(path: bytes, root: bytes) -> bool:
    """Tell whether an absolute path is a root or lies below it."""
    return path == root or path.startswith(root.rstrip(b"/") + b"/")


def join(root: bytes, encoded: str) -> bytes:
    """Put a root and an encoded relative path together."""
    return root.rstrip(b"/") + b"/" + unquote_to_bytes(encoded) if encoded else root


def path_at(root: bytes, encoded: str) -> Path:
    """Return the path of a row for use in this program."""
    return Path(os.fsdecode(join(root, encoded)))


def tag_values(tags: Tags) -> tuple[str | int | None, ...]:
    """Return tags in the order of their columns."""
    return astuple(tags)


def search_words(tags: Tags) -> str:
    """Return the words by which a track is found."""
    return normalise(f"{tags.title} {tags.artist} {tags.album}")


def space_of(row: sqlite3.Row) -> Space:
    """Make a space from its row."""
    return Space(
        row["name"], row["kind"], row["dimension"], row["metric"], row["model"], row["version"]
    )


def track_of(row: sqlite3.Row) -> Track:
    """Make a track from its row joined with its root.

    Raises
    ------
    LibraryDamaged
        The row is not as it was stored.
    """
    what = f"what is known of track {row['id']}"
    facts = json_of(row["facts"], what)
    if not (
        isinstance(facts, dict)
        and all(isinstance(fact, float | int | str) for fact in facts.values())
        and all(isinstance(row[name], kinds) for name, kinds in _STORED.items())
        and row["kind"] in _KINDS
    ):
        raise damaged_row(what)
    return Track(
        id=row["id"],
        kind=row["kind"],
        path=path_at(unquote_to_bytes(row["root_path"]), row["path"]),
        tags=Tags(
            row["title"],
            row["artist"],
            row["album"],
            row["album_artist"],
            row["genre"],
            row["year"],
            row["track_number"],
        ),
        duration_s=row["duration_s"],
        content_hash=row["content_hash"],
        missing=bool(row["missing"]),
        facts=facts,
        tune=row["tune"],
    )


# --- files ---


@dataclass(frozen=True, slots=True)
class KnownFile:
    """What the library recorded about a file when it was last looked at."""

    state: FileState
    tracks: tuple[int, ...]  # none: it failed; several: it holds many tunes
    complete: bool  # they have been placed in every current space
    failed: bool = False  # it, or some of the tunes in it, could not be read
    transient: bool = False  # that was of the moment, so that it is tried again

    def needs_reading(self, state: FileState, *, retry: bool) -> bool:
        """Tell whether the file changed, lacks a place in a space, or is tried again."""
        again = self.failed and (self.transient or retry)
        return again or self.state != state or not self.complete


class Files:
    """The files that a library has met.

    Parameters
    ----------
    database : sqlite3.Connection
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._db = database

    def add_root(self, path: bytes) -> int:
        """Return the id of the recorded root that holds a path; record it where none does."""
        roots = self._roots()
        inside = [root for root in roots if is_below(path, root)]
        if inside:
            return roots[max(inside, key=len)]
        cursor = self._db.execute("INSERT INTO roots (path) VALUES (?)", (quote(path),))
        return int(cursor.lastrowid or 0)

    def add_failure(self, path: bytes, state: FileState, failure: Failure) -> None:
        """Remember why a file could not be added; a track that was there before stays."""
        root, relative = self.locate(path)
        self._db.execute(
            "INSERT OR REPLACE INTO failures (root, path, size, mtime_ns, reason, at, transient)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                root,
                relative,
                state.size,
                state.mtime_ns,
                failure.reason,
                failure.at,
                failure.transient,
            ),
        )

    def remove_failures(self, paths: Iterable[bytes]) -> None:
        """Forget failures, those of files that vanished say."""
        for path in paths:
            root, relative = self.locate(path)
            self.forget(root, relative)

    def known(self, complete: Collection[int]) -> dict[bytes, KnownFile]:
        """List every file that the library has met, by absolute path."""
        known: dict[bytes, KnownFile] = {}
        roots = {row["id"]: unquote_to_bytes(row["path"]) for row in self._rows("roots")}
        for row in self._rows("failures"):
            whole = join(roots[row["root"]], row["path"])
            state = FileState(row["size"], row["mtime_ns"])
            known[whole] = KnownFile(
                state, (), complete=True, failed=True, transient=bool(row["transient"])
            )
        rows = self._db.execute("SELECT id, root, path, size, mtime_ns FROM tracks")
        for track, root, path, size, mtime_ns in rows:
            whole = join(roots[root], path)
            before = known.get(whole)
            if before is None:
                state = FileState(size, mtime_ns)
                known[whole] = KnownFile(state, (track,), complete=track in complete)
            else:
                # Tracks stay as they were while their changed file cannot be read.
                whole_is = before.complete and (before.failed or track in complete)
                known[whole] = replace(before, tracks=(*before.tracks, track), complete=whole_is)
        return known

    def failures(self) -> list[Failure]:
        """List the files that could not be added, in order of path."""
        rows = self._db.execute(
            "SELECT roots.path AS root_path, failures.path, reason, at, transient"
            " FROM failures JOIN roots ON roots.id = failures.root"
        )
        found = [
            Failure(
                path_at(unquote_to_bytes(row[0]), row[1]),
                row["reason"],
                row["at"],
                bool(row["transient"]),
            )
            for row in rows
        ]
        return sorted(found, key=lambda failure: failure.path)

    def root_of(self, path: bytes) -> bytes:
        """Return the recorded root that holds an absolute path."""
        return _deepest(self._roots(), path)

    def locate(self, path: bytes) -> tuple[int, str]:
        """Split an absolute path into the id of its root and the encoded rest."""
        roots = self._roots()
        root = _deepest(roots, path)
        return roots[root], quote(path[len(root) :].lstrip(b"/"))

    def track_at(self, root: int, relative: str, tune: int) -> int:
        """Return the id of the track at a place."""
        row = self._db.execute(
            "SELECT id FROM tracks WHERE root = ? AND path = ? AND tune = ?",
            (root, relative, tune),
        ).fetchone()
        return int(row[0])

    def tracks_at(self, path: bytes) -> list[int]:
        """List the ids of the tracks that a file holds, in order of tune."""
        root, relative = self.locate(path)
        rows = self._db.execute(
            "SELECT id FROM tracks WHERE root = ? AND path = ? ORDER BY tune", (root, relative)
        )
        return [row[0] for row in rows]

    def outermost_root(self, path: bytes) -> bytes:
        """Return the highest recorded folder that a path lies in."""
        return min((root for root in self._roots() if is_below(path, root)), key=len)

    def forget(self, root: int, relative: str) -> None:
        """Forget that the file at a place failed."""
        self._db.execute("DELETE FROM failures WHERE root = ? AND path = ?", (root, relative))

    def _roots(self) -> dict[bytes, int]:
        return {unquote_to_bytes(row["path"]): row["id"] for row in self._rows("roots")}

    def _rows(self, table: str) -> sqlite3.Cursor:
        return self._db.execute(f"SELECT * FROM {table}")


def _deepest(roots: Iterable[bytes], path: bytes) -> bytes:
    return max((root for root in roots if is_below(path, root)), key=len)

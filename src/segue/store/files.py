"""Database rows to records: files of a library with their paths, failures and lyrics.

A path is stored as a root, which is a folder or file that was added, and a relative path. Both are
percent-encoded, since file names need not be valid text.
"""

import json
import os
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from types import UnionType
from typing import Final, get_args
from urllib.parse import quote, unquote_to_bytes

import numpy as np
from numpy.typing import NDArray

from segue.records import Failure, FileState, Medium, Space, Tags, Track
from segue.store.database import Table, damaged_row, fingerprint_of, json_of
from segue.text import normalise

_MEDIA: Final = get_args(Medium)
#: Types of columns, which SQLite does not enforce; damage may change them.
_TYPES: Final[dict[str, type | UnionType]] = {
    **dict.fromkeys(("path", "root_path", "content_hash"), str),
    **dict.fromkeys(("title", "artist", "album", "album_artist", "genre"), str),
    **dict.fromkeys(("year", "track_number"), int | None),
    **dict.fromkeys(("missing", "tune"), int),
    "duration_s": float,
}


@dataclass(frozen=True, slots=True)
class Labels:
    """The tags of a track that group it with others; faster to read than a `Track`."""

    id: int
    artist: str
    album: str
    album_artist: str
    genre: str
    year: int | None


def is_below(path: bytes, root: bytes) -> bool:
    """Return whether an absolute path is a root or lies below it."""
    return path == root or path.startswith(root.rstrip(b"/") + b"/")


def join(root: bytes, encoded: str) -> bytes:
    """Join a root and an encoded relative path."""
    return root.rstrip(b"/") + b"/" + unquote_to_bytes(encoded) if encoded else root


def path_at(root: bytes, encoded: str) -> Path:
    """Return the path of a row as a `Path`."""
    return Path(os.fsdecode(join(root, encoded)))


def tag_values(tags: Tags) -> tuple[str | int | None, ...]:
    """Return tags in the order of their columns."""
    return astuple(tags)


def search_words(tags: Tags) -> str:
    """Return the normalised text in which tracks are searched by name."""
    return normalise(f"{tags.title} {tags.artist} {tags.album}")


def space_of(row: sqlite3.Row) -> Space:
    """Convert a row to a space."""
    return Space(
        row["name"], row["kind"], row["dimension"], row["metric"], row["model"], row["version"]
    )


def track_of(row: sqlite3.Row) -> Track:
    """Convert a row, joined with its root, to a track.

    Raises
    ------
    LibraryDamaged
        A value of the row is damaged.
    """
    what = f"what is known of track {row['id']}"
    facts = json_of(row["facts"], what)
    if not (
        isinstance(facts, dict)
        and all(isinstance(fact, float | int | str) for fact in facts.values())
        and all(isinstance(row[name], types) for name, types in _TYPES.items())
        and row["kind"] in _MEDIA
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


@dataclass(frozen=True, slots=True)
class KnownFile:
    """The library's record of a file."""

    state: FileState
    tracks: tuple[int, ...]  # none if it failed; several if it holds several tunes
    complete: bool  # they were embedded in all built-in spaces
    failed: bool = False  # it, or some of its tunes, could not be read
    transient: bool = False  # the failure may be temporary, so the file is tried again

    def needs_reading(self, state: FileState, *, retry: bool) -> bool:
        """Return whether the file changed, lacks a vector, or is tried again after a failure."""
        try_again = self.failed and (self.transient or retry)
        return try_again or self.state != state or not self.complete


class Files(Table):
    """The files of a library: roots, paths and failures."""

    def add_root(self, path: bytes) -> int:
        """Return the id of the root that contains a path; make it a root if none does."""
        roots = self._roots()
        containing = [root for root in roots if is_below(path, root)]
        if containing:
            return roots[max(containing, key=len)]
        cursor = self._db.execute("INSERT INTO roots (path) VALUES (?)", (quote(path),))
        return int(cursor.lastrowid or 0)

    def add_failure(self, path: bytes, state: FileState, failure: Failure) -> None:
        """Record why a file could not be added; its existing tracks stay."""
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
        """Remove the failures of files."""
        for path in paths:
            root, relative = self.locate(path)
            self.forget(root, relative)

    def known(self, complete: Collection[int]) -> dict[bytes, KnownFile]:
        """Return the records of all files, by absolute path.

        Parameters
        ----------
        complete : collection of int
            Tracks that were embedded in all built-in spaces.
        """
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
                # Tracks stay unchanged while their changed file cannot be read.
                all_done = before.complete and (before.failed or track in complete)
                known[whole] = replace(before, tracks=(*before.tracks, track), complete=all_done)
        return known

    def failures(self) -> list[Failure]:
        """List the files that could not be added, sorted by path."""
        rows = self._db.execute(
            "SELECT roots.path AS root_path, failures.path, reason, at, transient"
            " FROM failures JOIN roots ON roots.id = failures.root"
        )
        failures = [
            Failure(
                path_at(unquote_to_bytes(row[0]), row[1]),
                row["reason"],
                row["at"],
                bool(row["transient"]),
            )
            for row in rows
        ]
        return sorted(failures, key=lambda failure: failure.path)

    def root_of(self, path: bytes) -> bytes:
        """Return the deepest root that contains an absolute path."""
        return _deepest(self._roots(), path)

    def locate(self, path: bytes) -> tuple[int, str]:
        """Split an absolute path into the id of its root and the encoded relative path."""
        roots = self._roots()
        root = _deepest(roots, path)
        return roots[root], quote(path[len(root) :].lstrip(b"/"))

    def track_at(self, root: int, relative: str, tune: int) -> int:
        """Return the id of a track by root, encoded path and tune."""
        row = self._db.execute(
            "SELECT id FROM tracks WHERE root = ? AND path = ? AND tune = ?",
            (root, relative, tune),
        ).fetchone()
        return int(row[0])

    def tracks_at(self, path: bytes) -> list[int]:
        """List the ids of the tracks of a file, in order of tune."""
        root, relative = self.locate(path)
        rows = self._db.execute(
            "SELECT id FROM tracks WHERE root = ? AND path = ? ORDER BY tune", (root, relative)
        )
        return [row[0] for row in rows]

    def outermost_root(self, path: bytes) -> bytes:
        """Return the outermost root that contains a path."""
        return min((root for root in self._roots() if is_below(path, root)), key=len)

    def forget(self, root: int, relative: str) -> None:
        """Remove the failure of a file."""
        self._db.execute("DELETE FROM failures WHERE root = ? AND path = ?", (root, relative))

    def _roots(self) -> dict[bytes, int]:
        return {unquote_to_bytes(row["path"]): row["id"] for row in self._rows("roots")}

    def _rows(self, table: str) -> sqlite3.Cursor:
        return self._db.execute(f"SELECT * FROM {table}")


def _deepest(roots: Iterable[bytes], path: bytes) -> bytes:
    return max((root for root in roots if is_below(path, root)), key=len)


@dataclass(frozen=True, slots=True, eq=False)
class StoredFingerprint:
    """The shingles of a lyrics track, for finding duplicates.

    Attributes
    ----------
    artist : str
    place : tuple of int and str
        Root id and encoded path of the file.
    shingles : ndarray of uint32
    """

    artist: str
    place: tuple[int, str]
    shingles: NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class StoredSidecar:
    """A sidecar text of a track that was read for its lyrics.

    Attributes
    ----------
    name : bytes
        File name, in the folder of the track.
    state : FileState
        State of the text when it was read.
    used : bool
        The lyrics of the track come from it.
    """

    name: bytes
    state: FileState
    used: bool


class LyricsTable(Table):
    """Lyrics of tracks, and the sidecar texts that were read for them."""

    def put(self, track: int, text: str, sidecars: Sequence[StoredSidecar] = ()) -> None:
        """Store the lyrics of a track; "" for none. Inside a transaction.

        Parameters
        ----------
        track : int
        text : str
        sidecars : sequence of StoredSidecar
            Its sidecar texts.
        """
        self._db.execute("DELETE FROM lyrics WHERE track = ?", (track,))
        self._db.execute("DELETE FROM texts_beside WHERE track = ?", (track,))
        if text:
            self._db.execute("INSERT INTO lyrics (track, text) VALUES (?, ?)", (track, text))
        self._db.executemany(
            "INSERT INTO texts_beside (track, name, size, mtime_ns, used) VALUES (?, ?, ?, ?, ?)",
            [
                (track, quote(text.name), text.state.size, text.state.mtime_ns, text.used)
                for text in sidecars
            ],
        )

    def forget_sidecars(self, track: int) -> None:
        """Mark the sidecar texts of a track to be read again. Inside a transaction."""
        self._db.execute("DELETE FROM texts_beside WHERE track = ?", (track,))

    def copy(self, source: int, track: int) -> None:
        """Copy the lyrics of a track to another. Inside a transaction."""
        self._db.execute(
            "INSERT INTO lyrics (track, text) SELECT ?, text FROM lyrics WHERE track = ?",
            (track, source),
        )
        self._db.execute(
            "INSERT INTO texts_beside (track, name, size, mtime_ns, used)"
            " SELECT ?, name, size, mtime_ns, used FROM texts_beside WHERE track = ?",
            (track, source),
        )

    def sidecars(self) -> dict[bytes, list[StoredSidecar]]:
        """Return the sidecar texts that were read, by the path of the music."""
        sidecars: dict[bytes, list[StoredSidecar]] = defaultdict(list)
        rows = self._db.execute(
            "SELECT roots.path, tracks.path, name, texts_beside.size, texts_beside.mtime_ns, used"
            " FROM texts_beside JOIN tracks ON tracks.id = track JOIN roots ON roots.id = root"
        )
        for root, path, name, size, mtime_ns, used in rows:
            sidecar = StoredSidecar(unquote_to_bytes(name), FileState(size, mtime_ns), bool(used))
            sidecars[join(unquote_to_bytes(root), path)].append(sidecar)
        return sidecars

    def tracks_with_sidecar(self, path: bytes) -> list[int]:
        """List the tracks with a file as sidecar text."""
        folder, name = os.path.split(path)
        rows = self._db.execute(
            "SELECT track, roots.path, tracks.path FROM texts_beside"
            " JOIN tracks ON tracks.id = track JOIN roots ON roots.id = root WHERE name = ?",
            (quote(name),),
        )
        return [
            track
            for track, root, music in rows
            if os.path.dirname(join(unquote_to_bytes(root), music)) == folder
        ]

    def source(self, track: int) -> str:
        """Return the name of the sidecar text with the lyrics of a track; "" for none."""
        row = self._db.execute(
            "SELECT name FROM texts_beside WHERE track = ? AND used", (track,)
        ).fetchone()
        return os.fsdecode(unquote_to_bytes(row[0])) if row else ""

    def texts_of_file(self, place: tuple[int, str]) -> dict[int, tuple[int, str]]:
        """Return track id and lyrics of each tune of a file, by its number."""
        rows = self._db.execute(
            "SELECT tune, id, text FROM tracks JOIN lyrics ON track = id"
            " WHERE root = ? AND path = ?",
            place,
        )
        return {row[0]: (row[1], row[2]) for row in rows}

    def text(self, track: int) -> str:
        """Return the lyrics of a track; "" if unknown."""
        row = self._db.execute("SELECT text FROM lyrics WHERE track = ?", (track,)).fetchone()
        return str(row[0]) if row else ""

    def count(self) -> int:
        """Count the tracks with lyrics."""
        return int(self._db.execute("SELECT count(*) FROM lyrics").fetchone()[0])

    def texts(self, tracks: Sequence[int] | None = None) -> Iterator[tuple[int, str]]:
        """Yield ids and lyrics of the given tracks, or of all, in order of id."""
        if tracks is None:
            rows = self._db.execute("SELECT track, text FROM lyrics ORDER BY track")
        else:
            rows = self._db.execute(
                "SELECT track, text FROM lyrics WHERE track IN (SELECT value FROM json_each(?))"
                " ORDER BY track",
                (json.dumps([int(track) for track in tracks]),),
            )
        yield from ((row[0], row[1]) for row in rows)

    def fingerprints(self) -> list[StoredFingerprint]:
        """List the shingle fingerprints of all lyrics tracks."""
        rows = self._db.execute(
            "SELECT artist, root, path, fingerprint FROM tracks WHERE kind = 'lyrics'"
        )
        return [
            StoredFingerprint(
                row[0], (row[1], row[2]), fingerprint_of(row[3], f"the words in {row[2]}")
            )
            for row in rows
        ]

"""Lyrics in the library."""

import json
import os
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

import numpy as np
from numpy.typing import NDArray

from segue.records import FileState
from segue.store.database import fingerprint_of
from segue.store.files import join


@dataclass(frozen=True, slots=True, eq=False)
class StoredFingerprint:
    """The words of a track, as far as they tell it from others.

    Attributes
    ----------
    artist : str
    place : tuple of int and str
        Root and encoded path of its file.
    shingles : ndarray of uint32
    """

    artist: str
    place: tuple[int, str]
    shingles: NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class StoredSidecar:
    """A file beside a track that was looked at for its words.

    Attributes
    ----------
    name : bytes
        In the folder of the track.
    state : FileState
        When it was looked at.
    used : bool
        The words are its.
    """

    name: bytes
    state: FileState
    used: bool


class LyricsTable:
    """The words of tracks.

    Parameters
    ----------
    database : sqlite3.Connection
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._db = database

    def put(self, track: int, text: str, beside: Sequence[StoredSidecar] = ()) -> None:
        """Store a track's words, "" where it has none any more. Inside a transaction.

        Parameters
        ----------
        track : int
        text : str
        beside : sequence of StoredSidecar
            The files beside it that were looked at.
        """
        self._db.execute("DELETE FROM lyrics WHERE track = ?", (track,))
        self._db.execute("DELETE FROM texts_beside WHERE track = ?", (track,))
        if text:
            self._db.execute("INSERT INTO lyrics (track, text) VALUES (?, ?)", (track, text))
        self._db.executemany(
            "INSERT INTO texts_beside (track, name, size, mtime_ns, used) VALUES (?, ?, ?, ?, ?)",
            [
                (track, quote(one.name), one.state.size, one.state.mtime_ns, one.used)
                for one in beside
            ],
        )

    def forget_sidecars(self, track: int) -> None:
        """Forget that the texts beside a track were looked at. Inside a transaction."""
        self._db.execute("DELETE FROM texts_beside WHERE track = ?", (track,))

    def copy(self, source: int, track: int) -> None:
        """Give a track the words of another. Inside a transaction."""
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
        """List the texts beside music that were looked at for its words, by the music's path."""
        found: dict[bytes, list[StoredSidecar]] = defaultdict(list)
        rows = self._db.execute(
            "SELECT roots.path, tracks.path, name, texts_beside.size, texts_beside.mtime_ns, used"
            " FROM texts_beside JOIN tracks ON tracks.id = track JOIN roots ON roots.id = root"
        )
        for root, path, name, size, mtime_ns, used in rows:
            known = StoredSidecar(unquote_to_bytes(name), FileState(size, mtime_ns), bool(used))
            found[join(unquote_to_bytes(root), path)].append(known)
        return found

    def tracks_with_sidecar(self, path: bytes) -> list[int]:
        """List the tracks whose words a text holds that lies beside them."""
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
        """Return the name of the text beside a track that its words come from; "" for none."""
        row = self._db.execute(
            "SELECT name FROM texts_beside WHERE track = ? AND used", (track,)
        ).fetchone()
        return os.fsdecode(unquote_to_bytes(row[0])) if row else ""

    def texts_of_file(self, place: tuple[int, str]) -> dict[int, tuple[int, str]]:
        """Read the words of each tune of a file: its number → the track and its words."""
        rows = self._db.execute(
            "SELECT tune, id, text FROM tracks JOIN lyrics ON track = id"
            " WHERE root = ? AND path = ?",
            place,
        )
        return {row[0]: (row[1], row[2]) for row in rows}

    def text(self, track: int) -> str:
        """Read a track's words; "" where none are known."""
        row = self._db.execute("SELECT text FROM lyrics WHERE track = ?", (track,)).fetchone()
        return str(row[0]) if row else ""

    def count(self) -> int:
        """Count the tracks whose words are known."""
        return int(self._db.execute("SELECT count(*) FROM lyrics").fetchone()[0])

    def texts(self, tracks: Sequence[int] | None = None) -> Iterator[tuple[int, str]]:
        """Yield tracks and their words, in order of id: those given, or all."""
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
        """List the fingerprints of all lyrics."""
        rows = self._db.execute(
            "SELECT artist, root, path, fingerprint FROM tracks WHERE kind = 'lyrics'"
        )
        return [
            StoredFingerprint(
                row[0], (row[1], row[2]), fingerprint_of(row[3], f"the words in {row[2]}")
            )
            for row in rows
        ]

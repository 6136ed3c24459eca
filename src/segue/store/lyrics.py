"""Lyrics in the library."""

import json
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

import numpy as np
from numpy.typing import NDArray

from segue.records import FileState
from segue.store.database import Table, fingerprint_of
from segue.store.files import join


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

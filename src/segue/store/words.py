"""What is sung: the words of tracks, of lyrics and of whatever carries its words along."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segue.store.database import fingerprint_of


@dataclass(frozen=True, slots=True, eq=False)
class KnownText:
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


class Words:
    """The words of tracks.

    Parameters
    ----------
    database : sqlite3.Connection
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._db = database

    def put(self, track: int, text: str) -> None:
        """Store a track's words, "" where it has none any more. Inside a transaction."""
        self._db.execute("DELETE FROM lyrics WHERE track = ?", (track,))
        if text:
            self._db.execute("INSERT INTO lyrics (track, text) VALUES (?, ?)", (track, text))

    def copy(self, source: int, track: int) -> None:
        """Give a track the words of another. Inside a transaction."""
        self._db.execute(
            "INSERT INTO lyrics (track, text) SELECT ?, text FROM lyrics WHERE track = ?",
            (track, source),
        )

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

    def prints(self) -> list[KnownText]:
        """List the fingerprints of all lyrics."""
        rows = self._db.execute(
            "SELECT artist, root, path, fingerprint FROM tracks WHERE kind = 'lyrics'"
        )
        return [
            KnownText(row[0], (row[1], row[2]), fingerprint_of(row[3], f"the words in {row[2]}"))
            for row in rows
        ]

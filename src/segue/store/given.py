"""The artists and albums that the user named for files that name none."""

import sqlite3
from collections.abc import Iterable

from segue.records import Tags


class GivenTags:
    """What `segue add --artist` and `--album` said; kept for when a file is read again.

    Parameters
    ----------
    database : sqlite3.Connection
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._db = database

    def put(self, tracks: Iterable[int], tags: Tags) -> None:
        """Remember the artist and album given for tracks. Inside a transaction."""
        self._db.executemany(
            "INSERT OR REPLACE INTO given_tags (track, artist, album) VALUES (?, ?, ?)",
            [(track, tags.artist, tags.album) for track in tracks],
        )

    def known(self) -> dict[int, Tags]:
        """List what was given, by track."""
        rows = self._db.execute("SELECT track, artist, album FROM given_tags")
        return {row[0]: Tags(artist=row[1], album=row[2]) for row in rows}

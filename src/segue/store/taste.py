"""What the user loves, and what the user skips."""

import sqlite3
from collections.abc import Mapping, Sequence


class Taste:
    """What the user loves, and what the user skips.

    Parameters
    ----------
    database : sqlite3.Connection
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._db = database

    def set(self, tracks: Mapping[int, bool], at: str) -> None:
        """Remember tracks as loved (True) or skipped (False). Inside a transaction."""
        self._db.executemany(
            "INSERT OR REPLACE INTO taste VALUES (?, ?, ?)",
            [(track, loved, at) for track, loved in tracks.items()],
        )

    def forget(self, tracks: Sequence[int]) -> None:
        """Forget what was said of tracks. Inside a transaction."""
        self._db.executemany("DELETE FROM taste WHERE track = ?", [(track,) for track in tracks])

    def move(self, before: int, now: int) -> None:
        """Say of a track what was said of another, unless it has its own. Inside a transaction."""
        self._db.execute("UPDATE OR IGNORE taste SET track = ? WHERE track = ?", (now, before))

    def known(self) -> dict[int, bool]:
        """Return whether each track of which something was said is loved."""
        return {row[0]: bool(row[1]) for row in self._db.execute("SELECT track, loved FROM taste")}

"""What was written into files' tags, so that it can be undone."""

import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes


@dataclass(frozen=True, slots=True)
class Change:
    """One field of one file's tags that was written.

    Attributes
    ----------
    path : Path
    field : str
        "bpm", "key" or "mood".
    before : str
        "" where there was none.
    written : str

    Notes
    -----
    Between several values of one field stands `segue.formats.tagging.BETWEEN`.
    """

    path: Path
    field: str
    before: str
    written: str


class WrittenTags:
    """The log of changes, run by run.

    Parameters
    ----------
    database : sqlite3.Connection
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._db = database

    def next_run(self) -> int:
        """Return the number of a new run."""
        row = self._db.execute("SELECT coalesce(max(run), 0) + 1 FROM written_tags").fetchone()
        return int(row[0])

    def add(self, run: int, changes: list[Change], at: str) -> None:
        """Log changes before they are made. Inside a transaction."""
        self._db.executemany(
            "INSERT INTO written_tags (run, path, field, before, written, at)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            [
                (run, quote(os.fsencode(one.path)), one.field, one.before, one.written, at)
                for one in changes
            ],
        )

    def last_run(self) -> tuple[int, list[Change]]:
        """Return the number of the last run that was not undone, and its changes; 0 for none."""
        run = int(self._db.execute("SELECT coalesce(max(run), 0) FROM written_tags").fetchone()[0])
        rows = self._db.execute(
            "SELECT path, field, before, written FROM written_tags WHERE run = ? ORDER BY id",
            (run,),
        )
        return run, [
            Change(Path(os.fsdecode(unquote_to_bytes(path))), field, before, written)
            for path, field, before, written in rows
        ]

    def forget(self, run: int, path: Path) -> None:
        """Forget what a run wrote into a file: there is nothing to undo. Inside a transaction."""
        self._db.execute(
            "DELETE FROM written_tags WHERE run = ? AND path = ?",
            (run, quote(os.fsencode(path))),
        )

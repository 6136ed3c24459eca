"""What was taken out of the library and is not to come back when its folder is added again."""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from urllib.parse import unquote_to_bytes

from segue.store.files import Files
from segue.store.rows import join


class Removed:
    """The files, or tunes of files, that the user took out.

    Parameters
    ----------
    database : sqlite3.Connection
    files : Files
    """

    def __init__(self, database: sqlite3.Connection, files: Files) -> None:
        self._db = database
        self._files = files

    def add(self, tracks: Iterable[int]) -> None:
        """Remember tracks that are about to be taken out. Inside a transaction."""
        self._db.execute(
            "INSERT OR REPLACE INTO removed (root, path, tune, content_hash)"
            " SELECT root, path, tune, content_hash FROM tracks"
            " WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps(list(tracks)),),
        )

    def tunes(self) -> dict[bytes, set[int]]:
        """List the tunes of each file that were taken out; 0 is the whole file."""
        found: dict[bytes, set[int]] = defaultdict(set)
        for path, tune, _ in self._rows():
            found[path].add(tune)
        return found

    def contents(self) -> dict[str, list[bytes]]:
        """List the files of each content that was taken out."""
        found: dict[str, list[bytes]] = defaultdict(list)
        for path, _, content_hash in self._rows():
            found[content_hash].append(path)
        return found

    def move(self, before: bytes, now: bytes) -> None:
        """Note that a file that was taken out lies elsewhere now. Inside a transaction."""
        self._db.execute(
            "UPDATE OR REPLACE removed SET root = ?, path = ? WHERE root = ? AND path = ?",
            (*self._files.locate(now), *self._files.locate(before)),
        )

    def forget(self, paths: Iterable[bytes]) -> None:
        """Let files come back. Inside a transaction."""
        for path in paths:
            self._db.execute(
                "DELETE FROM removed WHERE root = ? AND path = ?", self._files.locate(path)
            )

    def _rows(self) -> list[tuple[bytes, int, str]]:
        rows = self._db.execute(
            "SELECT roots.path, removed.path, tune, content_hash"
            " FROM removed JOIN roots ON roots.id = removed.root"
        )
        return [(join(unquote_to_bytes(row[0]), row[1]), row[2], row[3]) for row in rows]

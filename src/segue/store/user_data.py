"""What the user has entered: given tags, removed files, loved and skipped tracks, written tags."""

import json
import os
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

from segue.records import Tags
from segue.store.database import Table
from segue.store.files import Files, join


class GivenTags(Table):
    """Artists and albums given by `segue add --artist --album`, for when a file is read again."""

    def put(self, tracks: Iterable[int], tags: Tags) -> None:
        """Store the artist and album given for tracks. Inside a transaction."""
        self._db.executemany(
            "INSERT OR REPLACE INTO given_tags (track, artist, album) VALUES (?, ?, ?)",
            [(track, tags.artist, tags.album) for track in tracks],
        )

    def known(self) -> dict[int, Tags]:
        """Return the given tags by track."""
        rows = self._db.execute("SELECT track, artist, album FROM given_tags")
        return {row[0]: Tags(artist=row[1], album=row[2]) for row in rows}


class RemovedFiles:
    """Files and tunes that the user removed, and that are not added again with their folder.

    Parameters
    ----------
    database : sqlite3.Connection
    files : Files
    """

    def __init__(self, database: sqlite3.Connection, files: Files) -> None:
        self._db = database
        self._files = files

    def add(self, tracks: Iterable[int]) -> None:
        """Record tracks before they are removed. Inside a transaction."""
        self._db.execute(
            "INSERT OR REPLACE INTO removed (root, path, tune, content_hash)"
            " SELECT root, path, tune, content_hash FROM tracks"
            " WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps(list(tracks)),),
        )

    def tunes(self) -> dict[bytes, set[int]]:
        """Return the removed tunes of each file; 0 is a whole file."""
        tunes: dict[bytes, set[int]] = defaultdict(set)
        for path, tune, _ in self._rows():
            tunes[path].add(tune)
        return tunes

    def contents(self) -> dict[str, list[bytes]]:
        """Return the paths of removed files by content hash."""
        paths: dict[str, list[bytes]] = defaultdict(list)
        for path, _, content_hash in self._rows():
            paths[content_hash].append(path)
        return paths

    def move(self, before: bytes, now: bytes) -> None:
        """Record the new path of a removed file. Inside a transaction."""
        self._db.execute(
            "UPDATE OR REPLACE removed SET root = ?, path = ? WHERE root = ? AND path = ?",
            (*self._files.locate(now), *self._files.locate(before)),
        )

    def forget(self, paths: Iterable[bytes]) -> None:
        """Allow files to be added again. Inside a transaction."""
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


class Taste(Table):
    """Tracks that the user loves or skips."""

    def set(self, tracks: Mapping[int, bool], at: str) -> None:
        """Mark tracks as loved (True) or skipped (False). Inside a transaction."""
        self._db.executemany(
            "INSERT OR REPLACE INTO taste VALUES (?, ?, ?)",
            [(track, loved, at) for track, loved in tracks.items()],
        )

    def forget(self, tracks: Sequence[int]) -> None:
        """Remove the marks of tracks. Inside a transaction."""
        self._db.executemany("DELETE FROM taste WHERE track = ?", [(track,) for track in tracks])

    def move(self, before: int, now: int) -> None:
        """Move a mark to another track, unless that has one. Inside a transaction."""
        self._db.execute("UPDATE OR IGNORE taste SET track = ? WHERE track = ?", (now, before))

    def known(self) -> dict[int, bool]:
        """Return the marked tracks: True for loved, False for skipped."""
        return {row[0]: bool(row[1]) for row in self._db.execute("SELECT track, loved FROM taste")}

    def loved(self) -> dict[int, str]:
        """Return the loved tracks with the dates of their marks."""
        return dict(self._db.execute("SELECT track, at FROM taste WHERE loved").fetchall())


@dataclass(frozen=True, slots=True)
class TagChange:
    """One change of a field in the tags of a file.

    Attributes
    ----------
    path : Path
    field : str
        "bpm", "key" or "mood".
    before : str
        Value before; "" for none.
    written : str
        New value.

    Notes
    -----
    Several values of one field are separated by `segue.io.tags.SEPARATOR`.
    """

    path: Path
    field: str
    before: str
    written: str


class WrittenTags(Table):
    """The log of the tags written into files, by run."""

    def next_run(self) -> int:
        """Return the number of the next run."""
        row = self._db.execute("SELECT coalesce(max(run), 0) + 1 FROM written_tags").fetchone()
        return int(row[0])

    def add(self, run: int, changes: list[TagChange], at: str) -> None:
        """Log changes, before they are made. Inside a transaction."""
        self._db.executemany(
            "INSERT INTO written_tags (run, path, field, before, written, at)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            [(run, quote(os.fsencode(c.path)), c.field, c.before, c.written, at) for c in changes],
        )

    def last_run(self) -> tuple[int, list[TagChange]]:
        """Return the last run that was not undone, or 0, and its changes."""
        run = int(self._db.execute("SELECT coalesce(max(run), 0) FROM written_tags").fetchone()[0])
        rows = self._db.execute(
            "SELECT path, field, before, written FROM written_tags WHERE run = ? ORDER BY id",
            (run,),
        )
        return run, [
            TagChange(Path(os.fsdecode(unquote_to_bytes(path))), field, before, written)
            for path, field, before, written in rows
        ]

    def forget(self, run: int, path: Path) -> None:
        """Remove the changes of a file in a run from the log. Inside a transaction."""
        self._db.execute(
            "DELETE FROM written_tags WHERE run = ? AND path = ?",
            (run, quote(os.fsencode(path))),
        )

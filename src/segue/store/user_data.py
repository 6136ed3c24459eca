"""What the user said: names, removed files, loved and skipped tracks, written tags.

The artists and albums that the user named for files that name none.

What was taken out of the library and is not to come back when its folder is added again.

What the user loves, and what the user skips.

What was written into files' tags, so that it can be undone.
"""

import json
import os
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

from segue.records import Tags
from segue.store.files import Files, join

# --- given ---


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


# --- removed ---


class RemovedFiles:
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


# --- taste ---


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


# --- written ---


@dataclass(frozen=True, slots=True)
class TagChange:
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
    Between several values of one field stands `segue.io.tag_writing.BETWEEN`.
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

    def add(self, run: int, changes: list[TagChange], at: str) -> None:
        """Log changes before they are made. Inside a transaction."""
        self._db.executemany(
            "INSERT INTO written_tags (run, path, field, before, written, at)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            [
                (run, quote(os.fsencode(one.path)), one.field, one.before, one.written, at)
                for one in changes
            ],
        )

    def last_run(self) -> tuple[int, list[TagChange]]:
        """Return the number of the last run that was not undone, and its changes; 0 for none."""
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
        """Forget what a run wrote into a file: there is nothing to undo. Inside a transaction."""
        self._db.execute(
            "DELETE FROM written_tags WHERE run = ? AND path = ?",
            (run, quote(os.fsencode(path))),
        )

"""What the user has entered: given and written tags, removed files, loved tracks, listens.

A listening history names what was played by artist and title, or by path. These names are stored
unchanged and matched to tracks in queries, so that tracks that are added later match, too.
"""

import json
import os
import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote, unquote_to_bytes

import numpy as np
from numpy.typing import NDArray

from segue.records import Tags
from segue.store.database import Table
from segue.store.files import Files, join
from segue.text import artist_keys, normalise, title_key

_UNMATCHED_SHOWN: Final = 10


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


@dataclass(frozen=True, slots=True)
class ListenedItem:
    """An item of a listening history: artist and title, or a percent-encoded absolute path.

    The path of a track of a divided file ends with "#" and its number in the file.
    """

    artist: str = ""
    title: str = ""
    path: str = ""

    @classmethod
    def at(cls, path: str, tune: int) -> "ListenedItem":
        """Return the item of a track by its path, and its number in a file of several, or 0."""
        return cls(path=f"{path}#{tune}" if tune else path)

    @property
    def name(self) -> str:
        """Name for display."""
        return unquote(self.path) or " - ".join(part for part in (self.artist, self.title) if part)


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A played item that matches no track of the library."""

    name: str
    plays: int


@dataclass(frozen=True, slots=True)
class ListensSummary:
    """Summary of the listening histories of a library.

    Attributes
    ----------
    users : int
    plays, matched_plays : int
        Number of plays in all, and of tracks of the library.
    songs, matched_songs : int
        Number of distinct items in all, and of those in the library.
    tracks : int
        Number of tracks of the library that were played.
    unmatched : tuple of Unmatched
        The most played items that are not in the library.
    """

    users: int
    plays: int
    matched_plays: int
    songs: int
    matched_songs: int
    tracks: int
    unmatched: tuple[Unmatched, ...]


@dataclass(frozen=True, slots=True)
class MatchedListens:
    """The listens to tracks of the library, in order of user and time.

    Attributes
    ----------
    users : ndarray of int64, shape (n,)
        Indices of users, from 0.
    tracks : ndarray of int64, shape (n,)
        Track ids.
    plays : ndarray of int64, shape (n,)
    at_s : ndarray of int64, shape (n,)
        Seconds since 1970; 0 if unknown.
    """

    users: NDArray[np.int64]
    tracks: NDArray[np.int64]
    plays: NDArray[np.int64]
    at_s: NDArray[np.int64]


class Listens(Table):
    """The listening histories of a library."""

    def begin_import(self) -> int:
        """Return the number of a new import. Inside a transaction."""
        row = self._db.execute("SELECT coalesce(max(import), 0) + 1 FROM listens").fetchone()
        return int(row[0])

    def put(self, import_: int, user: str, item: ListenedItem, plays: int, at_s: int) -> None:
        """Store plays of an item. Inside a transaction.

        A play at a known second is stored once, however often it is imported. Plays at unknown
        times are summed within an import, and replace those of earlier imports.
        """
        key = (_key(item.artist), _key(item.title), item.path)
        self._db.execute(
            "INSERT OR IGNORE INTO heard (artist, title, path, name) VALUES (?, ?, ?, ?)",
            (*key, item.name),
        )
        self._db.execute(
            "INSERT INTO listens (user, heard, at_s, plays, import) VALUES (?,"
            " (SELECT id FROM heard WHERE artist = ? AND title = ? AND path = ?), ?, ?, ?)"
            " ON CONFLICT (user, at_s, heard) DO UPDATE SET import = excluded.import,"
            " plays = excluded.plays + iif(at_s = 0 AND import = excluded.import, plays, 0)",
            (user, *key, at_s, plays, import_),
        )

    def plays(self) -> int:
        """Count all plays."""
        return int(self._db.execute("SELECT coalesce(sum(plays), 0) FROM listens").fetchone()[0])

    def plays_by_track(self) -> dict[int, int]:
        """Return the number of plays of each played track."""
        plays: defaultdict[int, int] = defaultdict(int)
        tracks_of = self._tracks_by_heard()
        for heard, count in self._plays_by_heard().items():
            for track in tracks_of.get(heard, ()):
                plays[track] += count
        return dict(plays)

    def any(self) -> bool:
        """Return whether there are any listens."""
        return bool(self._db.execute("SELECT EXISTS (SELECT 1 FROM listens)").fetchone()[0])

    def summary(self) -> ListensSummary:
        """Summarise the histories, with the items that are not in the library."""
        tracks_of = self._tracks_by_heard()
        plays = self._plays_by_heard()
        matched = {heard: count for heard, count in plays.items() if heard in tracks_of}
        unmatched = sorted(plays.keys() - matched.keys(), key=lambda heard: (-plays[heard], heard))
        return ListensSummary(
            users=int(self._db.execute("SELECT count(DISTINCT user) FROM listens").fetchone()[0]),
            plays=sum(plays.values()),
            matched_plays=sum(matched.values()),
            songs=len(plays),
            matched_songs=len(matched),
            tracks=len({track for heard in matched for track in tracks_of[heard]}),
            unmatched=tuple(
                Unmatched(
                    self._db.execute("SELECT name FROM heard WHERE id = ?", (heard,)).fetchone()[0],
                    plays[heard],
                )
                for heard in unmatched[:_UNMATCHED_SHOWN]
            ),
        )

    def matched(self) -> MatchedListens:
        """Read all listens to tracks of the library; a copy of a track counts like the track."""
        tracks_of = self._tracks_by_heard()
        user_indices: dict[str, int] = {}
        rows = [
            (user_indices.setdefault(user, len(user_indices)), track, plays, at_s)
            for user, at_s, heard, plays in self._db.execute(
                "SELECT user, at_s, heard, plays FROM listens ORDER BY user, at_s, heard"
            )
            for track in tracks_of.get(heard, ())
        ]
        columns = np.array(rows, np.int64).reshape(-1, 4)
        return MatchedListens(*(np.ascontiguousarray(columns[:, i]) for i in range(4)))

    def _plays_by_heard(self) -> dict[int, int]:
        return dict(self._db.execute("SELECT heard, sum(plays) FROM listens GROUP BY heard"))

    def _tracks_by_heard(self) -> Mapping[int, tuple[int, ...]]:
        by_name: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
        by_key: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
        artists_of: defaultdict[str, set[str]] = defaultdict(set)  # by title
        by_path: dict[str, int] = {}
        for track, artist, album_artist, title, path, tune in self._named_tracks():
            by_path.setdefault(path, track)  # a divided file stands for its first track
            by_path[f"{path}#{tune}"] = track
            for name in {_key(artist), _key(album_artist) or _key(artist)}:
                by_name[name, _key(title)].add(track)
            for name in artist_keys(artist) | artist_keys(album_artist):
                by_key[name, title_key(title)].add(track)
            artists_of[_key(title)].add(_key(artist))
        matches: dict[int, tuple[int, ...]] = {}
        for heard, artist, title, path, name in self._db.execute(
            "SELECT id, artist, title, path, name FROM heard"
        ):
            if path:
                tracks = {by_path[path]} if path in by_path else set()
            elif artist or len(artists_of.get(title, ())) != 1:
                tracks = by_name.get((artist, title), set()) or _match_by_key(by_key, artist, name)
            else:  # a title without artist matches if only one artist has it
                tracks = by_name[next(iter(artists_of[title])), title]
            if tracks:
                matches[heard] = tuple(sorted(tracks))
        return matches

    def _named_tracks(self) -> Iterator[tuple[int, str, str, str, str, int]]:
        rows = self._db.execute(
            "SELECT tracks.id, artist, album_artist, title, roots.path, tracks.path, tune"
            " FROM tracks JOIN roots ON roots.id = tracks.root ORDER BY tracks.id"
        )
        for track, artist, album_artist, title, root, path, tune in rows:
            # Both are percent-encoded part by part, so that they can be joined.
            yield track, artist, album_artist, title, f"{root.rstrip('/')}/{path}", tune


def _key(name: str) -> str:
    """Return the normalised name, or the name itself if it has no letters or digits, as "???"."""
    return normalise(name) or name.strip()


def _match_by_key(
    tracks_by_key: Mapping[tuple[str, str], set[int]], artist: str, name: str
) -> set[int]:
    """Match an item to tracks with another title of the same recording by the same artist.

    Parameters
    ----------
    tracks_by_key : mapping
        Tracks by the keys of artist and title, see `segue.text.artist_keys` and `title_key`.
    artist : str
        Normalised artist of the item.
    name : str
        Name of the item as written, "Artist - Title".
    """
    for dash in re.finditer(" - ", name):
        written, title = name[: dash.start()], name[dash.end() :]
        if _key(written) == artist:
            key = title_key(title)
            names = sorted(artist_keys(written), key=len, reverse=True)  # the whole name first
            return next(filter(None, (tracks_by_key.get((each, key)) for each in names)), set())
    return set()

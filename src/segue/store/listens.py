"""Listening histories in the library.

A history names what was played by artist and title, or by a path. These names are stored as
they come, and matched to tracks when asked: a track that is added later is matched, too.
"""

import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from segue.text import artist_keys, normalise, title_key

_UNMATCHED_SHOWN: Final = 10


@dataclass(frozen=True, slots=True)
class ListenedItem:
    """What a history names: by artist and title, or by an absolute path, percent-encoded."""

    artist: str = ""
    title: str = ""
    path: str = ""

    @property
    def name(self) -> str:
        """For showing."""
        return unquote(self.path) or " - ".join(part for part in (self.artist, self.title) if part)


@dataclass(frozen=True, slots=True)
class Unmatched:
    """Something that was listened to and is no track of the library."""

    name: str
    plays: int


@dataclass(frozen=True, slots=True)
class ListensSummary:
    """What a library knows of listening.

    Attributes
    ----------
    users : int
    plays, matched_plays : int
        How often anything was played, and how often a track of the library.
    songs, matched_songs : int
        How many different things were played, and how many of these are in the library.
    tracks : int
        How many tracks of the library were played.
    unmatched : tuple of Unmatched
        The most played that are not in the library.
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
        Numbered from 0.
    tracks : ndarray of int64, shape (n,)
        Track ids.
    plays : ndarray of int64, shape (n,)
    at_s : ndarray of int64, shape (n,)
        Seconds since 1970; 0 where it is not known.
    """

    users: NDArray[np.int64]
    tracks: NDArray[np.int64]
    plays: NDArray[np.int64]
    at_s: NDArray[np.int64]


class Listens:
    """The listening histories of a library.

    Parameters
    ----------
    database : sqlite3.Connection
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._db = database

    def begin_import(self) -> int:
        """Return the number of a new import. Inside a transaction."""
        row = self._db.execute("SELECT coalesce(max(import), 0) + 1 FROM listens").fetchone()
        return int(row[0])

    def put(self, import_: int, user: str, heard: ListenedItem, plays: int, at_s: int) -> None:
        """Store that something was played. Inside a transaction.

        A play at a known second is stored once, however often it is imported. Plays at unknown
        times are summed within an import, and replace what an earlier import said of them.
        """
        key = (_key(heard.artist), _key(heard.title), heard.path)
        self._db.execute(
            "INSERT OR IGNORE INTO heard (artist, title, path, name) VALUES (?, ?, ?, ?)",
            (*key, heard.name),
        )
        self._db.execute(
            "INSERT INTO listens (user, heard, at_s, plays, import) VALUES (?,"
            " (SELECT id FROM heard WHERE artist = ? AND title = ? AND path = ?), ?, ?, ?)"
            " ON CONFLICT (user, at_s, heard) DO UPDATE SET import = excluded.import,"
            " plays = excluded.plays + iif(at_s = 0 AND import = excluded.import, plays, 0)",
            (user, *key, at_s, plays, import_),
        )

    def plays(self) -> int:
        """Count the plays of all users, whatever was played."""
        return int(self._db.execute("SELECT coalesce(sum(plays), 0) FROM listens").fetchone()[0])

    def plays_by_track(self) -> dict[int, int]:
        """Count the plays of every track that was played."""
        plays: defaultdict[int, int] = defaultdict(int)
        tracks_of = self._tracks_by_heard()
        for heard, count in self._plays_by_heard().items():
            for track in tracks_of.get(heard, ()):
                plays[track] += count
        return dict(plays)

    def any(self) -> bool:
        """Tell whether anything is known of listening."""
        return bool(self._db.execute("SELECT EXISTS (SELECT 1 FROM listens)").fetchone()[0])

    def summary(self) -> ListensSummary:
        """Sum up what is known, and what of it is not in the library."""
        tracks_of = self._tracks_by_heard()
        plays = self._plays_by_heard()
        matched = {heard: count for heard, count in plays.items() if heard in tracks_of}
        lacking = sorted(plays.keys() - matched.keys(), key=lambda heard: (-plays[heard], heard))
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
                for heard in lacking[:_UNMATCHED_SHOWN]
            ),
        )

    def matched(self) -> MatchedListens:
        """Read all listens to tracks of the library; a copy of a track counts like the track."""
        tracks_of = self._tracks_by_heard()
        numbers: dict[str, int] = {}
        found = [
            (numbers.setdefault(user, len(numbers)), track, plays, at_s)
            for user, at_s, heard, plays in self._db.execute(
                "SELECT user, at_s, heard, plays FROM listens ORDER BY user, at_s, heard"
            )
            for track in tracks_of.get(heard, ())
        ]
        columns = np.array(found, np.int64).reshape(-1, 4)
        return MatchedListens(*(np.ascontiguousarray(columns[:, i]) for i in range(4)))

    def _plays_by_heard(self) -> dict[int, int]:
        return dict(self._db.execute("SELECT heard, sum(plays) FROM listens GROUP BY heard"))

    def _tracks_by_heard(self) -> Mapping[int, tuple[int, ...]]:
        by_name: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
        loosely: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
        artists_of: defaultdict[str, set[str]] = defaultdict(set)  # by title
        by_path: dict[str, int] = {}
        for track, artist, album_artist, title, path in self._named_tracks():
            by_path[path] = track
            for name in {_key(artist), _key(album_artist) or _key(artist)}:
                by_name[name, _key(title)].add(track)
            for name in artist_keys(artist) | artist_keys(album_artist):
                loosely[name, title_key(title)].add(track)
            artists_of[_key(title)].add(_key(artist))
        found: dict[int, tuple[int, ...]] = {}
        for heard, artist, title, path, name in self._db.execute(
            "SELECT id, artist, title, path, name FROM heard"
        ):
            if path:
                tracks = {by_path[path]} if path in by_path else set()
            elif artist or len(artists_of.get(title, ())) != 1:
                tracks = by_name.get((artist, title), set()) or _loosely(loosely, artist, name)
            else:  # a title alone means a track where no two artists have it
                tracks = by_name[next(iter(artists_of[title])), title]
            if tracks:
                found[heard] = tuple(sorted(tracks))
        return found

    def _named_tracks(self) -> Iterator[tuple[int, str, str, str, str]]:
        rows = self._db.execute(
            "SELECT tracks.id, artist, album_artist, title, roots.path, tracks.path"
            " FROM tracks JOIN roots ON roots.id = tracks.root"
        )
        for track, artist, album_artist, title, root, path in rows:
            # Both are percent-encoded piece by piece, so that they join as they are.
            yield track, artist, album_artist, title, f"{root.rstrip('/')}/{path}"


def _key(name: str) -> str:
    """Return a name as it is compared; one of signs alone, "???" say, as it is."""
    return normalise(name) or name.strip()


def _loosely(known: Mapping[tuple[str, str], set[int]], artist: str, name: str) -> set[int]:
    """Find what is heard under another name of the same recording; nothing where artists differ.

    Parameters
    ----------
    known : mapping
        From a key of an artist and of a title, as of `segue.text`, to tracks.
    artist : str
        As it is compared.
    name : str
        As it was written, "Artist - Title".
    """
    for dash in re.finditer(" - ", name):
        written, title = name[: dash.start()], name[dash.end() :]
        if _key(written) == artist:
            key = title_key(title)
            names = sorted(artist_keys(written), key=len, reverse=True)  # the whole name first
            return next(filter(None, (known.get((each, key)) for each in names)), set())
    return set()

"""Listening histories in the library.

A history names what was played by artist and title, or by path. These names are stored unchanged
and matched to tracks in queries, so that tracks that are added later match, too.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from segue.store.database import Table
from segue.text import artist_keys, normalise, title_key

_UNMATCHED_SHOWN: Final = 10


@dataclass(frozen=True, slots=True)
class ListenedItem:
    """An item of a listening history: artist and title, or a percent-encoded absolute path."""

    artist: str = ""
    title: str = ""
    path: str = ""

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
        for track, artist, album_artist, title, path in self._named_tracks():
            by_path[path] = track
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

    def _named_tracks(self) -> Iterator[tuple[int, str, str, str, str]]:
        rows = self._db.execute(
            "SELECT tracks.id, artist, album_artist, title, roots.path, tracks.path"
            " FROM tracks JOIN roots ON roots.id = tracks.root"
        )
        for track, artist, album_artist, title, root, path in rows:
            # Both are percent-encoded part by part, so that they can be joined.
            yield track, artist, album_artist, title, f"{root.rstrip('/')}/{path}"


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

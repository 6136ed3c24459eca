"""What listeners keep on the server: playlists, stars, ratings, bookmarks and play queues.

Starred songs are the library's loved tracks, see `segue.store.user_data.Taste`.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from segue.store.database import Table, json_of

_PLAYLIST_COLUMNS: Final = "id, name, owner, public, comment, created_at, changed_at"


@dataclass(frozen=True, slots=True)
class Playlist:
    """A playlist of the library.

    Attributes
    ----------
    id : int
    name, owner, comment : str
    public : bool
        Whether other users see it.
    created_at, changed_at : str
        UTC, ISO 8601.
    tracks : tuple of int
        Track ids in order; a track may come several times.
    """

    id: int
    name: str
    owner: str
    public: bool
    comment: str
    created_at: str
    changed_at: str
    tracks: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class PlayQueue:
    """The play queue of a user: what was playing, and where.

    Attributes
    ----------
    tracks : tuple of int
    index : int
        Position of the current track in `tracks`; 0 in an empty queue.
    position_ms : int
        Position within the current track.
    changed_at, changed_by : str
        UTC, ISO 8601; name of the app.
    """

    tracks: tuple[int, ...]
    index: int
    position_ms: int
    changed_at: str
    changed_by: str


@dataclass(frozen=True, slots=True)
class Bookmark:
    """A position within a track that a user keeps."""

    track: int
    position_ms: int
    comment: str
    created_at: str
    changed_at: str


class Playlists(Table):
    """The playlists of a library. All methods that write are called inside a transaction."""

    def create(self, name: str, owner: str, tracks: Sequence[int], at: str) -> int:
        """Store a new playlist, and return its id."""
        cursor = self._db.execute(
            "INSERT INTO playlists (name, owner, public, comment, created_at, changed_at)"
            " VALUES (?, ?, 0, '', ?, ?)",
            (name, owner, at, at),
        )
        playlist = int(cursor.lastrowid or 0)
        self._put_tracks(playlist, tracks)
        return playlist

    def replace(self, playlist: Playlist, at: str) -> None:
        """Store the new name, comment, visibility and tracks of a playlist."""
        self._db.execute(
            "UPDATE playlists SET name = ?, public = ?, comment = ?, changed_at = ? WHERE id = ?",
            (playlist.name, playlist.public, playlist.comment, at, playlist.id),
        )
        self._db.execute("DELETE FROM playlist_tracks WHERE playlist = ?", (playlist.id,))
        self._put_tracks(playlist.id, playlist.tracks)

    def delete(self, playlist: int) -> None:
        """Delete a playlist."""
        self._db.execute("DELETE FROM playlists WHERE id = ?", (playlist,))

    def get(self, playlist: int) -> Playlist | None:
        """Read a playlist; None if there is none."""
        row = self._db.execute(
            f"SELECT {_PLAYLIST_COLUMNS} FROM playlists WHERE id = ?", (playlist,)
        ).fetchone()
        return None if row is None else self._with_tracks(row)

    def visible_to(self, user: str) -> list[Playlist]:
        """Read the playlists of a user and the public ones of others, by name."""
        rows = self._db.execute(
            f"SELECT {_PLAYLIST_COLUMNS} FROM playlists WHERE owner = ? OR public"
            " ORDER BY name COLLATE NOCASE, id",
            (user,),
        ).fetchall()
        return [self._with_tracks(row) for row in rows]

    def _with_tracks(self, row: Sequence[object]) -> Playlist:
        number, name, owner, public, comment, created, changed = row
        playlist = Playlist(
            int(str(number)), str(name), str(owner), bool(public), str(comment), str(created),
            str(changed),
        )  # fmt: skip
        tracks = self._db.execute(
            "SELECT track FROM playlist_tracks WHERE playlist = ? ORDER BY position",
            (playlist.id,),
        )
        return replace(playlist, tracks=tuple(each[0] for each in tracks))

    def _put_tracks(self, playlist: int, tracks: Sequence[int]) -> None:
        self._db.executemany(
            "INSERT INTO playlist_tracks VALUES (?, ?, ?)",
            [(playlist, position, track) for position, track in enumerate(tracks)],
        )


class Marks(Table):
    """Stars of albums and artists, and ratings of all items, by user.

    Items have the ids of the server, such as "tr-12". Methods that write are called inside a
    transaction.
    """

    def star(self, user: str, items: Iterable[str], at: str) -> None:
        """Star items; a star that is there keeps its date."""
        self._db.executemany(
            "INSERT INTO marks (user, item, starred_at) VALUES (?, ?, ?)"
            " ON CONFLICT (user, item) DO UPDATE"
            " SET starred_at = coalesce(starred_at, excluded.starred_at)",
            [(user, item, at) for item in items],
        )

    def unstar(self, user: str, items: Iterable[str]) -> None:
        """Remove stars."""
        self._db.executemany(
            "UPDATE marks SET starred_at = NULL WHERE user = ? AND item = ?",
            [(user, item) for item in items],
        )

    def rate(self, user: str, item: str, rating: int) -> None:
        """Set a rating from 1 to 5, or remove it with 0."""
        self._db.execute(
            "INSERT INTO marks (user, item, rating) VALUES (?, ?, ?)"
            " ON CONFLICT (user, item) DO UPDATE SET rating = excluded.rating",
            (user, item, rating),
        )

    def starred(self, user: str) -> dict[str, str]:
        """Return the starred items of a user with the dates of their stars."""
        rows = self._db.execute(
            "SELECT item, starred_at FROM marks WHERE user = ? AND starred_at IS NOT NULL", (user,)
        )
        return dict(rows.fetchall())

    def ratings(self, user: str) -> dict[str, int]:
        """Return the rated items of a user with their ratings."""
        rows = self._db.execute(
            "SELECT item, rating FROM marks WHERE user = ? AND rating > 0", (user,)
        )
        return dict(rows.fetchall())


class PlayerStates(Table):
    """Play queues and bookmarks by user. Methods that write are called inside a transaction."""

    def save_queue(self, user: str, queue: PlayQueue) -> None:
        """Store the play queue of a user."""
        self._db.execute(
            "INSERT OR REPLACE INTO play_queues VALUES (?, ?, ?, ?, ?, ?)",
            (
                user,
                json.dumps(queue.tracks),
                queue.index,
                queue.position_ms,
                queue.changed_at,
                queue.changed_by,
            ),
        )

    def queue(self, user: str) -> PlayQueue | None:
        """Read the play queue of a user; None if there is none."""
        row = self._db.execute(
            "SELECT tracks, current, position_ms, changed_at, changed_by FROM play_queues"
            " WHERE user = ?",
            (user,),
        ).fetchone()
        if row is None:
            return None
        tracks, *rest = row
        return PlayQueue(tuple(json_of(tracks, f"the play queue of {user}")), *rest)

    def save_bookmark(self, user: str, bookmark: Bookmark) -> None:
        """Store a bookmark; one in the same track is replaced, and keeps its date of creation."""
        self._db.execute(
            "INSERT INTO bookmarks VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (user, track) DO UPDATE"
            " SET position_ms = excluded.position_ms, comment = excluded.comment,"
            " changed_at = excluded.changed_at",
            (
                user,
                bookmark.track,
                bookmark.position_ms,
                bookmark.comment,
                bookmark.created_at,
                bookmark.changed_at,
            ),
        )

    def delete_bookmark(self, user: str, track: int) -> None:
        """Delete a bookmark."""
        self._db.execute("DELETE FROM bookmarks WHERE user = ? AND track = ?", (user, track))

    def bookmarks(self, user: str) -> list[Bookmark]:
        """Read the bookmarks of a user."""
        rows = self._db.execute(
            "SELECT track, position_ms, comment, created_at, changed_at FROM bookmarks"
            " WHERE user = ? ORDER BY track",
            (user,),
        )
        return [Bookmark(*row) for row in rows.fetchall()]

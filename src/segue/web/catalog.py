"""The catalogue of a library: its recordings by artist, album, genre and folder, in memory.

The library knows tags of tracks. Albums and artists, which players browse, are made from them:
an album is what has one name and one album artist; without an album artist, one name in one
folder.
"""

import hashlib
import os
import random
import sqlite3
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import unquote, unquote_to_bytes

from segue.records import Span
from segue.store import Store
from segue.store.user_data import ListenedItem
from segue.text import normalise, split_genres

VARIOUS: Final = "Various Artists"
UNKNOWN_ARTIST: Final = "[Unknown Artist]"
UNKNOWN_ALBUM: Final = "[Unknown Album]"
#: Articles that are ignored where artists are sorted, as Subsonic names them.
IGNORED_ARTICLES: Final = "The El La Los Las Le Les Die Der Das"
#: Least time between two readings of a library that changes.
_REFRESH_S: Final = 5.0

Item = TypeVar("Item")


@dataclass(slots=True, eq=False)
class Song:
    """A recording of the catalogue.

    Attributes
    ----------
    id : int
        Id of the track.
    path : str
        Path below the folder that was added, for display.
    location : str
        Absolute path, percent-encoded, since file names need not be valid text.
    words : str
        Normalised title, artist and album, for searching.
    tune : int
        Its number in a file that a cue sheet divides, from 1; else 0.
    passage : Span or None
        The part of the file that it is, of several that a cue sheet divides.
    """

    id: int
    title: str
    artist: str
    genre: str
    year: int | None
    track_number: int | None
    duration_s: float
    size: int
    modified_s: float
    root: str
    path: str
    location: str
    words: str
    album: "Album"
    performer: "Artist"
    tune: int = 0
    passage: Span | None = None

    @property
    def file(self) -> Path:
        """The file of the recording."""
        return Path(os.fsdecode(unquote_to_bytes(self.location.rstrip("/"))))

    @property
    def listened(self) -> ListenedItem:
        """The song as listening histories name it."""
        return ListenedItem.at(self.location, self.tune)


@dataclass(slots=True, eq=False)
class Album:
    """An album; songs are in order of their track numbers."""

    id: str
    name: str
    artist: "Artist"
    songs: list[Song] = field(default_factory=list)
    words: str = ""

    @property
    def duration_s(self) -> float:
        """Duration of all songs."""
        return sum(song.duration_s for song in self.songs)

    @property
    def year(self) -> int | None:
        """The latest year of a song."""
        return max((song.year for song in self.songs if song.year), default=None)

    @property
    def genre(self) -> str:
        """The genre of most songs."""
        counts = Counter(song.genre for song in self.songs if song.genre)
        return counts.most_common(1)[0][0] if counts else ""

    @property
    def modified_s(self) -> float:
        """The latest modification of a file, in seconds since 1970."""
        return max(song.modified_s for song in self.songs)


@dataclass(slots=True, eq=False)
class Artist:
    """An artist with the albums of that album artist, and the songs of that performer."""

    id: str
    name: str
    albums: list[Album] = field(default_factory=list)
    songs: list[Song] = field(default_factory=list)
    words: str = ""


class Catalog:
    """A snapshot of the recordings of a library.

    Parameters
    ----------
    store : Store

    Attributes
    ----------
    songs : dict of int to Song
        In order of id.
    albums, artists : dict of str to Album or Artist
        In order of name.
    """

    def __init__(self, store: Store) -> None:
        self.songs: dict[int, Song] = {}
        self._albums: dict[tuple[str, str, str], Album] = {}
        self._artists: dict[str, Artist] = {}
        performers: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        rows = list(store.recordings())
        for row in rows:
            if row["album"] and not row["album_artist"]:
                performers[_folder(row["root"], row["path"]), row["album"]].add(row["artist"])
        for row in rows:
            self._add(row, performers)
        for album in self._albums.values():
            album.songs.sort(key=lambda song: (song.track_number or 0, song.path))
        self.albums = {
            album.id: album for album in sorted(self._albums.values(), key=lambda each: each.words)
        }
        self.artists = {
            artist.id: artist
            for artist in sorted(self._artists.values(), key=lambda each: sort_name(each.name))
        }
        for artist in self.artists.values():
            artist.albums.sort(key=lambda album: (album.year or 0, album.words))

    def _add(self, row: sqlite3.Row, performers: dict[tuple[str, str], set[str]]) -> None:
        root, path, artist, name = row["root"], row["path"], row["artist"], row["album"]
        owner, folder = row["album_artist"] or artist, ""
        if name and not row["album_artist"]:
            folder = _folder(root, path)
            if len(performers[folder, name]) > 1:
                owner = VARIOUS
        if owner != VARIOUS:
            folder = ""
        album_artist, performer = self._artist(owner), self._artist(artist)
        key = (normalise(owner) or owner, folder, name)
        album = self._albums.get(key)
        if album is None:
            album = Album(
                _identity("al", *key[:2], normalise(name) or name),
                name or UNKNOWN_ALBUM,
                album_artist,
                words=normalise(f"{name} {owner}"),
            )
            self._albums[key] = album
            album_artist.albums.append(album)
        song = Song(
            id=row["id"],
            title=row["title"],
            artist=artist or UNKNOWN_ARTIST,
            genre=row["genre"],
            year=row["year"],
            track_number=row["track_number"],
            duration_s=row["duration_s"],
            size=row["size"],
            modified_s=max(row["mtime_ns"] / 1e9, 0.0),
            root=root,
            path=unquote(path or root.rpartition("/")[2], errors="replace"),
            location=f"{root.rstrip('/')}/{path}",
            words=row["words"],
            album=album,
            performer=performer,
            tune=row["tune"],
            passage=None
            if row["start_s"] is None
            else Span(row["start_s"], row["start_s"] + row["duration_s"]),
        )
        self.songs[song.id] = song
        album.songs.append(song)
        performer.songs.append(song)

    def _artist(self, name: str) -> Artist:
        key = normalise(name) or name
        artist = self._artists.get(key)
        if artist is None:
            artist = Artist(_identity("ar", key), name or UNKNOWN_ARTIST, words=normalise(name))
            self._artists[key] = artist
        return artist

    @cached_property
    def album_artists(self) -> list[Artist]:
        """The artists that have albums, in order of name."""
        return [artist for artist in self.artists.values() if artist.albums]

    @cached_property
    def roots(self) -> list[str]:
        """The folders that were added, percent-encoded, in order."""
        return sorted({song.root for song in self.songs.values()})

    @cached_property
    def genres(self) -> dict[str, list[Song]]:
        """The songs of each genre, in order of name."""
        songs: defaultdict[str, list[Song]] = defaultdict(list)
        for song in self.songs.values():
            for genre in split_genres(song.genre):
                songs[genre].append(song)
        return dict(sorted(songs.items(), key=lambda item: item[0].casefold()))

    def search(self, query: str, items: Iterable[Item], words: Callable[[Item], str]) -> list[Item]:
        """List the items whose words contain each word of a query, or the beginning of one.

        An empty query, also written "", matches everything.
        """
        wanted = normalise(query.strip('"')).split()
        if not wanted:
            return list(items)
        first, *rest = wanted
        found = [item for item in items if _has_prefix(words(item), first)]
        for word in rest:
            found = [item for item in found if _has_prefix(words(item), word)]
        return found

    def random_songs(self, songs: Sequence[Song], n: int) -> list[Song]:
        """Draw songs at random."""
        return random.sample(songs, min(n, len(songs)))


class CurrentCatalog:
    """The catalogue of a library that may change meanwhile.

    Parameters
    ----------
    clock : callable
        Returns the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._catalog: Catalog | None = None
        self._state: tuple[float, ...] = ()
        self._read_at = 0.0

    def get(self, store: Store) -> Catalog:
        """Return the catalogue, read again if the library has changed, but not all the time."""
        catalog = self._catalog
        if catalog is not None and self._clock() - self._read_at < _REFRESH_S:
            return catalog
        with self._lock:
            if self._catalog is None or self._clock() - self._read_at >= _REFRESH_S:
                state = store.recordings_state()
                if self._catalog is None or state != self._state:
                    self._catalog, self._state = Catalog(store), state
                self._read_at = self._clock()
            return self._catalog


def sort_name(name: str) -> str:
    """Return the text by which an artist is sorted: without accents, case and article."""
    article, _, rest = name.partition(" ")
    shown = rest if rest and article.title() in IGNORED_ARTICLES.split() else name
    return normalise(shown) or shown


def index_letter(name: str) -> str:
    """Return the heading under which an artist is listed: a letter, or "#"."""
    first = sort_name(name)[:1].upper()
    return first if first.isalpha() else "#"


def iso_time(seconds: float) -> str:
    """Return a time since 1970 in UTC, ISO 8601."""
    try:
        moment = datetime.fromtimestamp(max(seconds, 0), UTC)
    except (OverflowError, OSError, ValueError):
        moment = datetime.fromtimestamp(0, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _has_prefix(words: str, start: str) -> bool:
    return words.startswith(start) or f" {start}" in words


def _folder(root: str, path: str) -> str:
    return f"{root}/{path.rpartition('/')[0]}"


def _identity(kind: str, *parts: str) -> str:
    text = "\0".join(parts).encode(errors="surrogatepass")
    return f"{kind}-{hashlib.blake2b(text, digest_size=8).hexdigest()}"

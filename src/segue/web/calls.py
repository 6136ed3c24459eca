"""A call of the server's interfaces: its parameters, its user, and the library it is about."""

import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple

from segue.store import Store
from segue.web.answers import GENERIC, MISSING, NOT_FOUND, ApiError
from segue.web.catalog import Album, Artist, Catalog, Song

if TYPE_CHECKING:
    from segue.library import Library

MAX_RESULTS: Final = 500
SONG_PREFIX: Final = "tr-"
MAX_DIGITS: Final = 18


class Plays(NamedTuple):
    """How often a track was played, and when for the last time, in seconds since 1970."""

    plays: int
    last_s: int


class PlayCounts:
    """The plays of all tracks, read again after each play."""

    def __init__(self) -> None:
        self._plays: dict[int, Plays] | None = None
        self._lock = threading.Lock()

    def get(self, store: Store) -> dict[int, Plays]:
        """Return the plays of all played tracks."""
        with self._lock:
            if self._plays is None:
                self._plays = self._read(store)
            return self._plays

    def forget(self) -> None:
        """Read the plays again when they are asked for, since there are new ones."""
        with self._lock:
            self._plays = None

    @staticmethod
    def _read(store: Store) -> dict[int, Plays]:
        counts: defaultdict[int, int] = defaultdict(int)
        last: defaultdict[int, int] = defaultdict(int)
        if store.listens.any():
            listens = store.listens.matched()
            rows = zip(
                listens.tracks.tolist(), listens.plays.tolist(), listens.at_s.tolist(), strict=True
            )
            for track, plays, at_s in rows:
                counts[track] += plays
                last[track] = max(last[track], at_s)
        return {track: Plays(counts[track], last[track]) for track in counts}


@dataclass(frozen=True, slots=True)
class NowPlaying:
    """What a user plays at the moment, by an app's report."""

    user: str
    app: str
    track: int
    at_s: float


@dataclass(slots=True)
class Session:
    """What all calls of a running server share besides the library."""

    plays: PlayCounts = field(default_factory=PlayCounts)
    now_playing: dict[tuple[str, str], NowPlaying] = field(default_factory=dict)


class Call:
    """A call by a user.

    Parameters
    ----------
    library : Library
    catalog : Catalog
    session : Session
    user : str
    parameters : mapping of str to sequence of str
        Of the query and of a form.
    """

    def __init__(
        self,
        library: "Library",
        store: Store,
        catalog: Catalog,
        session: Session,
        user: str,
        parameters: Mapping[str, Sequence[str]],
    ) -> None:
        self.library = library
        self.store = store
        self.catalog = catalog
        self.session = session
        self.user = user
        self._parameters = parameters

    # ---- parameters ----------------------------------------------------------------------

    def all(self, name: str) -> list[str]:
        """Return all values of a parameter."""
        return list(self._parameters.get(name, ()))

    def text(self, name: str, default: str | None = None) -> str:
        """Return a parameter; without a default it is required."""
        values = self._parameters.get(name, ())
        if values:
            return values[-1]
        if default is None:
            raise ApiError(MISSING, f"the parameter {name} is missing")
        return default

    def number(
        self, name: str, default: int | None = None, low: int = 0, high: int = 10**15
    ) -> int:
        """Return an integer, limited to a range; without a default it is required."""
        text = self.text(name, "" if default is not None else None).strip()
        if not text and default is not None:
            return default
        digits = text.removeprefix("-")
        if not (digits.isascii() and digits.isdigit() and len(digits) <= MAX_DIGITS):
            raise ApiError(GENERIC, f"the parameter {name} is {text[:40]!r}, not an integer")
        return min(max(int(text), low), high)

    def flag(self, name: str, *, default: bool) -> bool:
        """Return a truth value."""
        return self.text(name, str(default)).lower() in ("true", "1")

    @cached_property
    def app(self) -> str:
        """Name of the calling app."""
        return self.text("c", "")[:100]

    @cached_property
    def now(self) -> str:
        """The time, UTC, ISO 8601."""
        return datetime.now(UTC).isoformat(timespec="seconds")

    # ---- items ---------------------------------------------------------------------------

    def song(self, name: str = "id") -> Song:
        """Return the song that a parameter names."""
        return self.song_of(self.text(name))

    def song_of(self, item: str) -> Song:
        """Return the song with an id of the server, as "tr-12"."""
        number = item.removeprefix(SONG_PREFIX)
        if number.isascii() and number.isdigit() and len(number) <= MAX_DIGITS:
            song = self.catalog.songs.get(int(number))
            if song is not None:
                return song
        raise ApiError(NOT_FOUND, f"there is no song {item[:40]!r}")

    def songs(self, name: str) -> list[Song]:
        """Return the songs that all values of a parameter name."""
        return [self.song_of(item) for item in self.all(name)]

    def album(self, name: str = "id") -> Album:
        """Return the album that a parameter names."""
        item = self.text(name)
        if item not in self.catalog.albums:
            raise ApiError(NOT_FOUND, f"there is no album {item[:40]!r}")
        return self.catalog.albums[item]

    def artist(self, name: str = "id") -> Artist:
        """Return the artist that a parameter names."""
        item = self.text(name)
        if item not in self.catalog.artists:
            raise ApiError(NOT_FOUND, f"there is no artist {item[:40]!r}")
        return self.catalog.artists[item]

    # ---- what the user marked ------------------------------------------------------------

    @cached_property
    def starred(self) -> dict[str, str]:
        """Starred items with the dates of their stars; songs are the library's loved tracks."""
        loved = self.store.taste.loved()
        songs = {f"{SONG_PREFIX}{track}": at for track, at in loved.items()}
        return self.store.marks.starred(self.user) | songs

    @cached_property
    def ratings(self) -> dict[str, int]:
        """Ratings of items, from 1 to 5."""
        return self.store.marks.ratings(self.user)

    @cached_property
    def plays(self) -> dict[int, Plays]:
        """The plays of tracks."""
        return self.session.plays.get(self.store)

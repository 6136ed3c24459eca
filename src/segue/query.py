"""What a user means: a track's id, a file, or words of a title or artist; and filters."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument, NotFound
from segue.formats.names import normalise
from segue.records import Kind, Track
from segue.sound_kinds import not_music
from segue.store import Store

#: Which kind of music a name means where it fits several.
PREFERRED: Final[tuple[Kind, ...]] = ("sound", "score", "lyrics")
SHOWN = 8  # candidates listed when words fit several tracks


@dataclass(frozen=True, slots=True)
class Filters:
    """Which tracks may be answers.

    Attributes
    ----------
    artist, album, genre : str
        Words that the field must contain; case and accents do not count.
    year, bpm : tuple of two numbers, optional
        Lowest and highest that pass, both included; tempos as they are shown, in whole numbers.
    bpm_octaves : bool
        Tempos twice and half as fast pass, too.
    min_plays, max_plays : int, optional
        How often all users together played it, as far as is known from imported listens.
    max_per_artist : int, optional
        At least 1. Tracks without an artist are not limited.
    exclude_same_artist, exclude_same_album : bool
        Leave out what shares the artist or album of a query.
    all_sounds : bool
        What is no music passes, too: speech, noise, and what lasts less than 10 s.
    """

    artist: str = ""
    album: str = ""
    genre: str = ""
    year: tuple[float, float] | None = None
    bpm: tuple[float, float] | None = None
    bpm_octaves: bool = False
    min_plays: int | None = None
    max_plays: int | None = None
    max_per_artist: int | None = None
    exclude_same_artist: bool = False
    exclude_same_album: bool = False
    all_sounds: bool = False


def parse_range(text: str, what: str) -> tuple[float, float]:
    """Read ``1990-1999`` or ``1995``.

    Raises
    ------
    BadArgument
        Where it is neither.
    """
    low, dash, high = text.partition("-")
    try:
        found = (float(low), float(high if dash else low))
    except ValueError:
        raise BadArgument(f"{what} {text!r} is no range; give it as 118-126 or 120") from None
    if found[0] > found[1]:
        raise BadArgument(f"{what} {text!r} runs backwards; the lower number comes first")
    return found


def resolve(store: Store, query: str | int | Path) -> list[Track] | Path:
    """Find what is asked for.

    Parameters
    ----------
    query : str, int or Path
        A track's id; a file; or words, each of which the title, artist or album has.

    Returns
    -------
    list of Track, or Path
        Several tracks only where the words are an artist's or album's name: of one kind, the
        recordings before scores and texts. A Path for a file that is not in the library.

    Raises
    ------
    NotFound
        Nothing fits, or several tracks fit and it is not clear which is meant.
    """
    if isinstance(query, int) or (isinstance(query, str) and query.isascii() and query.isdigit()):
        tracks = store.tracks([int(query)])
        if tracks:
            return tracks
    if not isinstance(query, int) and os.path.lexists(query):
        return _by_path(store, Path(query))
    if not store.count():
        raise NotFound("this library is empty; fill it with `segue add FOLDER`")
    if isinstance(query, int):
        return [store.track(query)]  # says that it is not there
    if isinstance(query, Path):
        raise NotFound(f"there is no file {query}")
    return _by_words(store, query)


def tracks_named(store: Store, query: str | int | Path) -> list[Track]:
    """Find the tracks of the library that are meant.

    Raises
    ------
    NotFound
        Nothing fits, it is not clear which, or it is a file that is not in the library.
    """
    found = resolve(store, query)
    if isinstance(found, Path):
        raise NotFound(f"{found} is not in the library; add it with `segue add`")
    return found


def track_named(store: Store, query: str | int | Path) -> Track:
    """Find the one track that is meant.

    Raises
    ------
    NotFound
        Likewise.
    BadArgument
        An artist or an album is meant, which has several.
    """
    tracks = tracks_named(store, query)
    if len(tracks) > 1:
        raise BadArgument(
            f"{query!r} names {len(tracks)} tracks; give the id of one:\n{_listed(tracks)}"
        )
    return tracks[0]


def passing(
    store: Store, filters: Filters, ids: NDArray[np.int64], queries: Sequence[Track]
) -> NDArray[np.bool_]:
    """Tell which tracks may be answers: there, not asked with, within the filters.

    Parameters
    ----------
    ids : ndarray, shape (n,), int64
        Track ids, rising.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    passes = ~np.isin(ids, [*store.missing_tracks(), *(track.id for track in queries)])
    if not filters.all_sounds:
        passes &= ~np.isin(ids, list(not_music(store)))
    if filters.year:
        passes &= np.isin(ids, store.where("year BETWEEN ? AND ?", filters.year))
    if filters.bpm:
        passes &= np.isin(ids, _of_tempo(store, filters.bpm, octaves=filters.bpm_octaves))
    for field, text in (
        ("artist", filters.artist),
        ("album", filters.album),
        ("genre", filters.genre),
    ):
        if text:
            wanted = normalise(text)
            fitting = [id_ for id_, name in store.names(field) if wanted in normalise(name)]
            passes &= np.isin(ids, fitting)
    for field, excluded in (
        ("artist", filters.exclude_same_artist),
        ("album", filters.exclude_same_album),
    ):
        if excluded:
            taken = {normalise(getattr(track.tags, field)) for track in queries} - {""}
            same = [id_ for id_, name in store.names(field) if normalise(name) in taken]
            passes &= ~np.isin(ids, same)
    if filters.min_plays is not None or filters.max_plays is not None:
        passes &= _played(store, ids, filters.min_plays or 0, filters.max_plays)
    return passes


def _of_tempo(store: Store, bpm: tuple[float, float], *, octaves: bool) -> list[int]:
    found: list[int] = []
    for factor in (1, 2, 0.5) if octaves else (1,):
        found += store.where(
            "round(json_extract(facts, '$.tempo_bpm') * ?) BETWEEN ? AND ?", (factor, *bpm)
        )
    return found


def _played(
    store: Store, ids: NDArray[np.int64], least: int, most: int | None
) -> NDArray[np.bool_]:
    if not store.listens.any():
        raise BadArgument(
            "nothing is known of plays; import what you listened to with `segue listens import`"
        )
    known = store.listens.plays_by_track()
    plays = np.array([known.get(track, 0) for track in ids.tolist()], np.int64)
    return (plays >= least) & (plays <= (most if most is not None else plays.max(initial=0)))


def _by_path(store: Store, path: Path) -> list[Track] | Path:
    if path.is_dir():
        raise BadArgument(f"{path} is a folder; name one file, or a track of the library")
    known = store.known_files().get(os.fsencode(os.path.abspath(path)))
    if known is not None and known.tracks:
        return store.tracks(known.tracks)
    return path


def _by_words(store: Store, query: str) -> list[Track]:
    text = normalise(query)
    if not text:
        raise BadArgument("an empty query; give a track's id, a file, or words of a title")
    fitting = store.tracks(
        store.where(
            " AND ".join(["words LIKE ?"] * len(text.split())),
            [f"%{word}%" for word in text.split()],
        )
    )
    if not fitting:
        raise NotFound(
            f"nothing in the library is called {query!r}; "
            "`segue list` shows what is there, and a file's path works too"
        )
    for same in (
        [track for track in fitting if text in _names(track)],
        [track for track in fitting if normalise(track.tags.artist) == text],
        [track for track in fitting if normalise(track.tags.album) == text],
    ):
        if same:
            return _of_one_kind(same)
    fitting = _of_one_kind(fitting)
    if len(fitting) == 1:
        return fitting
    raise NotFound(f"{query!r} fits {len(fitting)} tracks; give the id of one:\n{_listed(fitting)}")


def _of_one_kind(tracks: Sequence[Track]) -> list[Track]:
    """Keep the recordings that a name means, else the scores: texts are seldom asked with."""
    kinds = {track.kind for track in tracks}
    kind = next(kind for kind in PREFERRED if kind in kinds)
    return [track for track in tracks if track.kind == kind]


def _listed(tracks: Sequence[Track]) -> str:
    lines = [f"  {track.id}  {_label(track)}" for track in tracks[:SHOWN]]
    more = [f"  … and {len(tracks) - SHOWN} more"] if len(tracks) > SHOWN else []
    return "\n".join(lines + more)


def _names(track: Track) -> set[str]:
    title, artist = normalise(track.tags.title), normalise(track.tags.artist)
    return {title, f"{artist} {title}".strip(), f"{title} {artist}".strip()}


def _label(track: Track) -> str:
    parts = (track.tags.artist, track.tags.title, track.tags.album)
    return " - ".join(part for part in parts if part)

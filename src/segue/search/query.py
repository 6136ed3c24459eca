"""Queries: ids, files and names to tracks; filters.

What in a library is called nearly so: found by the runs of three letters that names share.

What a user means: a track's id, a file, or words of a title or artist; and filters.
"""

import difflib
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument, NotFound
from segue.media import kind_of
from segue.records import Kind, Track
from segue.search.filters import Filters, filter_mask
from segue.search.track_checks import DUPLICATE_TESTS
from segue.store import Store
from segue.text import name_keys, normalise, split_genres, split_names

# --- near names ---

_RUN: Final = 3  # bytes of UTF-8: three Latin letters, or one of Chinese
_MOST_BYTES: Final = 60  # of what was asked, that are looked for
_LOOKED_THROUGH: Final = 200  # tracks that share most runs with what was asked
_SUGGESTED: Final = 4
_NEAR: Final = 0.65  # of `difflib`'s ratio, 1 for the same


def suggest_names(store: Store, text: str) -> list[str]:
    """Name tracks, artists, albums and genres that are called nearly so.

    Parameters
    ----------
    store : Store
    text : str
        Normalised.

    Returns
    -------
    list of str
        As a user is told of them, the likeliest first; at most four.
    """
    likely: dict[str, str] = {}
    ids, words = store.searched_words()
    alike = ids[most_shared_trigrams(words, text, _LOOKED_THROUGH)]
    for track in store.tracks(alike.tolist()):
        for name, told in _listed_names(track):
            if name:
                likely.setdefault(normalise(name), told)
    tagged = store.spellings("genre")
    for genre in sorted({part for name in tagged for part in split_genres(name)}):
        likely.setdefault(normalise(genre), f"the genre {genre!r}")
    near = difflib.get_close_matches(text, likely, n=_SUGGESTED, cutoff=_NEAR)
    return list(dict.fromkeys(likely[name] for name in near))


def _listed_names(track: Track) -> Sequence[tuple[str, str]]:
    tags = track.tags
    by = f" by {tags.artist}" if tags.artist else ""
    told = f"{tags.title!r}{by} ({track.id})"
    return (
        (tags.title, told),
        (f"{tags.artist} {tags.title}", told),
        (tags.artist, f"the artist {tags.artist!r}"),
        (tags.album, f"the album {tags.album!r}"),
    )


def most_shared_trigrams(lines: str, text: str, n: int) -> NDArray[np.int64]:
    """Find the lines that have most of a text's runs of three bytes.

    Parameters
    ----------
    lines : str
        Divided by line feeds.
    text : str
    n : int
        How many at most, at least 1.

    Returns
    -------
    ndarray of int64
        Numbers of lines that share a run at least, those that share most first.
    """
    runs = _runs(lines.encode())
    wanted = np.unique(_runs(text.encode()[:_MOST_BYTES]))
    known = np.zeros(1 << 8 * _RUN, np.bool_)
    known[wanted] = True
    at = np.flatnonzero(known[runs])
    ends = np.flatnonzero((runs >> 8 * (_RUN - 1)) == ord("\n"))
    has = np.zeros(
        (len(ends) + 1, len(wanted)), np.bool_
    )  # a run that a line has twice counts once
    has[np.searchsorted(ends, at), np.searchsorted(wanted, runs[at])] = True
    shared = has.sum(axis=1)
    best = np.argsort(-shared, kind="stable")[:n].astype(np.int64)
    return np.asarray(best[shared[best] > 0])


def _runs(text: bytes) -> NDArray[np.uint32]:
    """Return the number of each run of bytes; of a text too short the one that it begins."""
    letters = np.frombuffer(text.ljust(_RUN, b" "), np.uint8).astype(np.uint32)
    return np.asarray(letters[:-2] << 16 | letters[1:-1] << 8 | letters[2:], np.uint32)


# --- query ---

#: How a path begins that is no word.
_PATHS = ("/", "./", "../", "~")
#: Which kind of music a name means where it fits several.
KIND_PREFERENCE: Final[tuple[Kind, ...]] = ("sound", "score", "lyrics")
_COMPARED: Final = 12  # tracks that a name fits, of which copies are looked for
MAX_LISTED = 8  # candidates listed when words fit several tracks
#: What a query may begin with, to say what it names: "album:nexuiz".
QUERY_FIELDS: Final = ("artist", "album", "genre")


def resolve(store: Store, query: str | int | Path) -> list[Track] | Path:
    """Find what is asked for.

    Parameters
    ----------
    query : str, int or Path
        A track's id; a file; or words, each of which the title, artist or album has. After
        "artist:", "album:" or "genre:" they name that.

    Returns
    -------
    list of Track, or Path
        Several tracks only where the words name an artist, an album or a genre, or a title that
        several files of one artist have: of one kind, the recordings before scores and texts. A
        Path for a file that is not in the library.

    Raises
    ------
    NotFound
        Nothing fits, which names what is called nearly so; or several tracks fit and it is not
        clear which is meant.
    """
    if isinstance(query, int) or (isinstance(query, str) and query.isascii() and query.isdigit()):
        tracks = store.tracks([int(query)])
        if tracks:
            return tracks
    if not isinstance(query, int) and os.path.lexists(query):
        return _by_path(store, Path(query))
    if isinstance(query, Path) or (isinstance(query, str) and not store.count()):
        _check_file(query)
    if not store.count():
        raise NotFound("this library is empty; fill it with `segue add FOLDER`")
    if isinstance(query, int):
        return [store.track(query)]  # says that it is not there
    words = str(query)
    return _by_words(store, words) if normalise(words) else _by_signs(store, words.strip())


def find_tracks(store: Store, query: str | int | Path) -> list[Track]:
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


def find_track(store: Store, query: str | int | Path) -> Track:
    """Find the one track that is meant; of one recording in several files the first.

    Raises
    ------
    NotFound
        Likewise.
    BadArgument
        An artist or an album is meant, which has several.
    """
    tracks = _one_of_each(store, find_tracks(store, query))
    if len(tracks) > 1:
        raise BadArgument(
            f"{query!r} names {len(tracks)} tracks; give the id of one:\n{_listed(tracks)}"
        )
    return tracks[0]


def list_tracks(store: Store, words: str, filters: Filters) -> list[Track]:
    """List the tracks that have some words in title, artist or album, and pass filters.

    Those whose files are gone, and what is no music, are listed too.
    """
    text = normalise(words)
    if not words.strip() and filters == Filters():
        return store.tracks()
    signs = "" if text else words.strip()
    ids = np.array(_having_signs(store, signs) if signs else _having(store, text), np.int64)
    everything = replace(filters, all_sounds=True)
    return store.tracks(ids[filter_mask(store, everything, ids, (), missing=True)].tolist())


def _having(store: Store, text: str) -> list[int]:
    """List the tracks that have all words of a normalised text in title, artist or album."""
    words = text.split()
    condition = " AND ".join(["words LIKE ?"] * len(words)) or "TRUE"
    # Of the index of names alone, whatever else there is of each track.
    having = f"tracks.id IN (SELECT id FROM tracks WHERE {condition})"
    return store.where(having, [f"%{word}%" for word in words])


def _having_signs(store: Store, signs: str) -> list[int]:
    """List the tracks that have signs which are no words, "÷" say, in title, artist or album."""
    return store.where("instr(title || char(10) || artist || char(10) || album, ?) > 0", [signs])


def _is_file_name(query: str | Path) -> bool:
    return isinstance(query, Path) or bool(kind_of(Path(query))) or query.startswith(_PATHS)


def _check_file(query: str | Path) -> None:
    """Say that there is no such file, where a file is meant.

    Raises
    ------
    NotFound
    """
    if _is_file_name(query):
        raise NotFound(f"there is no file {Path(query)}")


def _by_path(store: Store, path: Path) -> list[Track] | Path:
    if not path.exists():
        raise NotFound(f"there is no file {path}: it is a link to nothing")
    if path.is_dir():
        raise BadArgument(f"{path} is a folder; name one file, or a track of the library")
    known = store.known_files().get(os.fsencode(os.path.abspath(path)))
    if known is not None and known.tracks:
        return store.tracks(known.tracks)
    held = store.tracks(store.words.held_by(os.fsencode(os.path.abspath(path))))
    if held:
        return held
    if not os.access(path, os.R_OK):
        raise BadArgument(f"you may not read {path}; change its permissions, or name another file")
    return path


def _by_words(store: Store, query: str) -> list[Track]:
    text = normalise(query)
    field, _, name = (part.strip() for part in query.partition(":"))
    told = field.casefold() in QUERY_FIELDS and normalise(name)
    if told:
        named = _of_field(store, field.casefold(), told)
        if named:
            return _of_one_kind(store.tracks(named))
    fitting = _fitting(store, query, text)
    titled = _of_one_kind([track for track in fitting if text in _names(track)])
    if titled and _one(titled, "artist"):
        return titled
    album = [track for track in fitting if text in _album_names(track)]
    for same in (
        [track for track in fitting if text in name_keys(track.tags.artist)],
        album if _one(album, "album_artist") else [],
    ):
        if same and not titled:
            return _of_one_kind(same)
    fitting = titled or _of_one_kind(fitting)
    if not titled:
        for kind, by in (("artist", "artist"), ("album", "album_artist")):
            spelled = getattr(fitting[0].tags, kind) if fitting else ""
            if _has_words(spelled, text) and _one(fitting, kind) and _one(fitting, by):
                return fitting
        by_genre = _of_field(store, "genre", text)
        if by_genre and not fitting:
            return _of_one_kind(store.tracks(by_genre))
    if not fitting:
        _check_file(query)
        what = f"no {field.casefold()} of the library is" if told else "nothing in the library is"
        raise NotFound(
            f"{what} called {(name if told else query)!r}; {_did_you_mean(store, told or text)}"
        )
    fitting = _one_of_each(store, fitting)
    if len(fitting) == 1:
        return fitting
    raise NotFound(f"{query!r} fits {len(fitting)} tracks; give the id of one:\n{_listed(fitting)}")


def _by_signs(store: Store, signs: str) -> list[Track]:
    """Find what is called by signs alone, as "÷" or a smiling face, else what has them."""
    if not signs:
        raise BadArgument("an empty query; give a track's id, a file, or words of a title")
    having = store.tracks(_having_signs(store, signs))
    for field in ("title", "album", "artist"):
        called = _of_one_kind([one for one in having if getattr(one.tags, field) == signs])
        if called and _one(called, "artist"):
            return called
    fitting = _one_of_each(store, _of_one_kind(having))
    if len(fitting) > 1:
        raise NotFound(
            f"{signs!r} fits {len(fitting)} tracks; give the id of one:\n{_listed(fitting)}"
        )
    if fitting:
        return fitting
    raise NotFound(f"nothing in the library is called {signs!r}; `segue list` shows what is there")


def _fitting(store: Store, query: str, text: str) -> list[Track]:
    """List the tracks that have all words; "missing.mid" is not "The Missing Midnight"."""
    found = store.tracks(_having(store, text))
    if not _is_file_name(query):
        return found
    name = query.casefold()
    return [
        track for track in found if text in _names(track) or name in track.tags.title.casefold()
    ]


def _divided(field: str, text: str) -> list[str]:
    """List the artists or genres of a tag; of an album there is one."""
    if field == "genre":
        return split_genres(text)
    return split_names(text) if field == "artist" else [text]


def _of_field(store: Store, field: str, text: str) -> list[int]:
    """List the tracks whose artist, album or genre is called so, else has such words."""
    parts = {
        name: [normalise(part) for part in _divided(field, name)] for name in store.spellings(field)
    }
    whole = [name for name, some in parts.items() if text in some]
    having = [name for name, some in parts.items() if any(text in part for part in some)]
    return store.called(field, whole or having)


def _one(tracks: Sequence[Track], field: str) -> bool:
    """Tell whether tracks have no more than one artist, or album, between them."""
    names = {normalise(getattr(track.tags, field)) for track in tracks}
    return bool(tracks) and len(names - {""}) <= 1


def _has_words(name: str, text: str) -> bool:
    return all(word in normalise(name) for word in text.split())


def _did_you_mean(store: Store, text: str) -> str:
    """Name what is called nearly so, the likeliest first."""
    if near := suggest_names(store, text):
        return f"did you mean {' or '.join(near)}?"
    return "`segue list` shows what is there, and a file's path works too"


def _of_one_kind(tracks: Sequence[Track]) -> list[Track]:
    """Keep the recordings that a name means, else the scores: texts are seldom asked with."""
    kinds = {track.kind for track in tracks}
    kind = next((kind for kind in KIND_PREFERENCE if kind in kinds), None)
    return [track for track in tracks if track.kind == kind]


def _one_of_each(store: Store, tracks: Sequence[Track]) -> list[Track]:
    """Leave out what is another file of a recording, tune or text; the first that is there stays.

    Of many tracks nothing is left out: nobody means one of them.
    """
    if not 1 < len(tracks) <= _COMPARED:
        return list(tracks)
    prints = store.fingerprints([track.id for track in tracks])
    kept: list[Track] = []
    for track in sorted(tracks, key=lambda one: one.missing):
        same = DUPLICATE_TESTS[track.kind]
        if not any(
            one.kind == track.kind and same(prints[one.id], prints[track.id]) for one in kept
        ):
            kept.append(track)
    return sorted(kept, key=lambda one: one.id)


def _listed(tracks: Sequence[Track]) -> str:
    labels = [_label(track) for track in tracks]
    lines = [
        # What is called the same is told apart by its file.
        f"  {track.id}  {name}{f' ({track.path.name})' if labels.count(name) > 1 else ''}"
        for track, name in zip(tracks[:MAX_LISTED], labels[:MAX_LISTED], strict=True)
    ]
    more = [f"  … and {len(tracks) - MAX_LISTED} more"] if len(tracks) > MAX_LISTED else []
    return "\n".join(lines + more)


def _names(track: Track) -> set[str]:
    title = normalise(track.tags.title)
    artists = {normalise(track.tags.artist), *name_keys(track.tags.artist)} - {""}
    both = {(artist, title) for artist in artists} | {(title, artist) for artist in artists}
    return {title, *map(" ".join, both)}


def _album_names(track: Track) -> set[str]:
    album, by = normalise(track.tags.album), normalise(track.tags.album_artist or track.tags.artist)
    return {album, f"{by} {album}".strip(), f"{album} {by}".strip()} if album else set()


def _label(track: Track) -> str:
    parts = (track.tags.artist, track.tags.title, track.tags.album)
    return " - ".join(part for part in parts if part)

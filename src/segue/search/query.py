"""Queries: ids, files and names to tracks, with suggestions for misspelt names, and to vectors."""

import difflib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument, NotFound
from segue.media import MEDIA, medium_of
from segue.records import FloatArray, Medium, Span, Tags, Track
from segue.search.filters import DUPLICATE_TESTS, Filters, filter_mask
from segue.store import Store
from segue.text import name_keys, normalise, split_genres, split_names

#: Fields that may precede a name in a query, as in "album:nexuiz".
QUERY_FIELDS: Final = ("artist", "album", "genre")
#: Kinds of music by preference, where a name fits several.
KIND_PREFERENCE: Final[tuple[Medium, ...]] = ("sound", "score", "lyrics")
#: Number of candidates listed where a query is ambiguous.
MAX_LISTED = 8
#: Beginnings of queries that are paths.
_PATH_PREFIXES = ("/", "./", "../", "~")
#: Number of tracks among which duplicates are sought.
_MAX_COMPARED: Final = 12
#: Bytes of a trigram, in UTF-8: three Latin letters, or one Chinese character.
_TRIGRAM_BYTES: Final = 3
_MAX_QUERY_BYTES: Final = 60
#: Tracks with the most trigrams in common with a name, among which similar names are sought.
_MAX_CANDIDATES: Final = 200
_MAX_SUGGESTIONS: Final = 4
#: Minimum similarity of a suggestion, as a ratio of `difflib`.
_MIN_RATIO: Final = 0.65
#: Minimum share of the tracks in a space to be the default of a whole library, and of a query.
_MIN_SHARE_OF_LIBRARY: Final = 0.9
_MIN_SHARE: Final = 0.5
Query = str | int | Path


def resolve(store: Store, query: str | int | Path) -> list[Track] | Path:
    """Find the tracks, or the file, that a query names.

    Parameters
    ----------
    store : Store
        Database of the library.
    query : str, int or Path
        Id of a track; path of a file; or words that are all in the title, artist or album. After
        "artist:", "album:" or "genre:", the name of one.

    Returns
    -------
    list of Track, or Path
        Tracks of one kind of music, recordings in preference to scores and lyrics; several only
        if the words name an artist, an album, a genre, or a title that several files of one
        artist have. A path for a file that is not in the library.

    Raises
    ------
    NotFound
        No track matches, with suggestions of similar names; or the query is ambiguous.
    """
    resolved = look_up(store, query)
    if isinstance(resolved, Path) or resolved:
        return resolved
    field, name = field_and_name(str(query))
    what = f"no {field} of the library is" if field else "nothing in the library is"
    raise NotFound(
        f"{what} called {(name if field else query)!r}; {_did_you_mean(store, normalise(name))}"
    )


def look_up(store: Store, query: str | int | Path) -> list[Track] | Path:
    """Find the tracks, or the file, that a query names; an empty list if no words match.

    Raises
    ------
    NotFound
        There is no track of that id, or no such file; or the query is ambiguous.
    """
    if isinstance(query, int) or (isinstance(query, str) and query.isascii() and query.isdigit()):
        tracks = store.tracks([int(query)])
        if tracks:
            return tracks
    if not isinstance(query, int) and os.path.lexists(query):
        return _resolve_path(store, Path(query))
    if isinstance(query, Path) or (isinstance(query, str) and not store.count()):
        _check_file(query)
    if not store.count():
        raise NotFound("this library is empty; fill it with `segue add FOLDER`")
    if isinstance(query, int):
        return [store.track(query)]  # raises
    text = str(query)
    return _resolve_words(store, text) if normalise(text) else _resolve_symbols(store, text.strip())


def find_tracks(store: Store, query: str | int | Path) -> list[Track]:
    """Return the tracks of the library that a query names.

    Raises
    ------
    NotFound
        No track matches, the query is ambiguous, or names a file that is not in the library.
    """
    resolved = resolve(store, query)
    if isinstance(resolved, Path):
        raise NotFound(f"{resolved} is not in the library; add it with `segue add`")
    return resolved


def find_track(store: Store, query: str | int | Path) -> Track:
    """Return the one track that a query names; the first of several duplicates.

    Raises
    ------
    NotFound
        See `find_tracks`.
    BadArgument
        The query names several tracks.
    """
    tracks = _drop_duplicates(store, find_tracks(store, query))
    if len(tracks) > 1:
        raise BadArgument(
            f"{query!r} names {len(tracks)} tracks; give the id of one:\n{_listing(tracks)}"
        )
    return tracks[0]


def list_tracks(store: Store, words: str, filters: Filters) -> list[Track]:
    """List the tracks that have all words in title, artist or album, and pass filters.

    Missing tracks, and recordings that are not music, are included.
    """
    text = normalise(words)
    if not words.strip() and filters == Filters():
        return store.tracks()
    symbols = "" if text else words.strip()
    matches = _ids_with_symbols(store, symbols) if symbols else _ids_with_words(store, text)
    ids = np.array(matches, np.int64)
    filters = replace(filters, all_sounds=True)
    return store.tracks(ids[filter_mask(store, filters, ids, (), missing=True)].tolist())


def _ids_with_words(store: Store, text: str) -> list[int]:
    """Return the tracks that have all words of a normalised text in title, artist or album."""
    words = text.split()
    condition = " AND ".join(["words LIKE ?"] * len(words)) or "TRUE"
    # The subquery reads only the index of names, not the rows of the tracks.
    return store.where(
        f"tracks.id IN (SELECT id FROM tracks WHERE {condition})", [f"%{word}%" for word in words]
    )


def _ids_with_symbols(store: Store, symbols: str) -> list[int]:
    """Return the tracks that have symbols, such as "÷", in title, artist or album."""
    return store.where("instr(title || char(10) || artist || char(10) || album, ?) > 0", [symbols])


# ---- resolution --------------------------------------------------------------------------


def _resolve_path(store: Store, path: Path) -> list[Track] | Path:
    if not path.exists():
        raise NotFound(f"there is no file {path}: it is a link to nothing")
    if path.is_dir():
        raise BadArgument(f"{path} is a folder; name one file, or a track of the library")
    absolute = os.fsencode(os.path.abspath(path))
    known = store.known_files().get(absolute)
    if known is not None and known.tracks:
        return store.tracks(known.tracks)
    if with_lyrics := store.tracks(store.lyrics.tracks_with_sidecar(absolute)):
        return with_lyrics
    if not os.access(path, os.R_OK):
        raise BadArgument(f"you may not read {path}; change its permissions, or name another file")
    return path


def _resolve_words(store: Store, query: str) -> list[Track]:
    text = normalise(query)
    field, name = field_and_name(query)
    if field:
        ids = _ids_by_name(store, field, normalise(name))
        if ids:
            return _preferred_kind(store.tracks(ids))
    matches = _matches(store, query, text)
    with_title = _preferred_kind([track for track in matches if text in _title_names(track)])
    if with_title and _have_one(with_title, "artist"):
        return with_title
    of_album = [track for track in matches if text in _album_names(track)]
    for tracks in (
        [track for track in matches if text in name_keys(track.tags.artist)],
        of_album if _have_one(of_album, "album_artist") else [],
    ):
        if tracks and not with_title:
            return _preferred_kind(tracks)
    matches = with_title or _preferred_kind(matches)
    if not with_title:
        for kind, by in (("artist", "artist"), ("album", "album_artist")):
            spelling = getattr(matches[0].tags, kind) if matches else ""
            has_words = all(word in normalise(spelling) for word in text.split())
            if has_words and _have_one(matches, kind) and _have_one(matches, by):
                return matches
        of_genre = _ids_by_name(store, "genre", text)
        if of_genre and not matches:
            return _preferred_kind(store.tracks(of_genre))
    if not matches:
        _check_file(query)
    matches = _drop_duplicates(store, matches)
    if len(matches) <= 1:
        return matches
    raise NotFound(
        f"{query!r} fits {len(matches)} tracks; give the id of one:\n{_listing(matches)}"
    )


def field_and_name(query: str) -> tuple[str, str]:
    """Split "album:nexuiz" into field and name; other queries have no field."""
    field, _, name = (part.strip() for part in query.partition(":"))
    is_field = field.casefold() in QUERY_FIELDS and normalise(name)
    return (field.casefold(), name) if is_field else ("", query)


def _resolve_symbols(store: Store, symbols: str) -> list[Track]:
    """Find tracks named by symbols alone, such as "÷" or an emoji, else those that contain them."""
    if not symbols:
        raise BadArgument("an empty query; give a track's id, a file, or words of a title")
    containing = store.tracks(_ids_with_symbols(store, symbols))
    for field in ("title", "album", "artist"):
        named = _preferred_kind(
            [track for track in containing if getattr(track.tags, field) == symbols]
        )
        if named and _have_one(named, "artist"):
            return named
    matches = _drop_duplicates(store, _preferred_kind(containing))
    if len(matches) > 1:
        raise NotFound(
            f"{symbols!r} fits {len(matches)} tracks; give the id of one:\n{_listing(matches)}"
        )
    if matches:
        return matches
    raise NotFound(f"nothing in the library is called {symbols!r}; `segue list` shows all tracks")


def _is_file_name(query: str | Path) -> bool:
    return (
        isinstance(query, Path) or bool(medium_of(Path(query))) or query.startswith(_PATH_PREFIXES)
    )


def _check_file(query: str | Path) -> None:
    """Raise `NotFound` for a query that is the name of a file."""
    if _is_file_name(query):
        raise NotFound(f"there is no file {Path(query)}")


def _matches(store: Store, query: str, text: str) -> list[Track]:
    """Return the tracks that have all words; "missing.mid" does not match "Missing Midnight"."""
    tracks = store.tracks(_ids_with_words(store, text))
    if not _is_file_name(query):
        return tracks
    name = query.casefold()
    return [
        track
        for track in tracks
        if text in _title_names(track) or name in track.tags.title.casefold()
    ]


def _ids_by_name(store: Store, field: str, text: str) -> list[int]:
    """Return the tracks whose artist, album or genre is the text, or else contains it."""
    split = {"genre": split_genres, "artist": split_names}.get(field, lambda name: [name])
    parts = {name: [normalise(part) for part in split(name)] for name in store.spellings(field)}
    equal = [name for name, values in parts.items() if text in values]
    containing = [name for name, values in parts.items() if any(text in part for part in values)]
    return store.called(field, equal or containing)


def _have_one(tracks: Sequence[Track], field: str) -> bool:
    """Return whether all tracks that have an artist, or album, have the same."""
    names = {normalise(getattr(track.tags, field)) for track in tracks}
    return bool(tracks) and len(names - {""}) <= 1


def _preferred_kind(tracks: Sequence[Track]) -> list[Track]:
    """Keep the recordings, or else the scores, or else the lyrics."""
    kinds = {track.kind for track in tracks}
    kind = next((kind for kind in KIND_PREFERENCE if kind in kinds), None)
    return [track for track in tracks if track.kind == kind]


def _drop_duplicates(store: Store, tracks: Sequence[Track]) -> list[Track]:
    """Keep one file of each recording, tune or text, preferably one that is not missing.

    Nothing is dropped from more than `_MAX_COMPARED` tracks.
    """
    if not 1 < len(tracks) <= _MAX_COMPARED:
        return list(tracks)
    prints = store.fingerprints([track.id for track in tracks])
    distinct: list[Track] = []
    for track in sorted(tracks, key=lambda track: track.missing):
        is_same = DUPLICATE_TESTS[track.kind]
        if not any(
            other.kind == track.kind and is_same(prints[other.id], prints[track.id])
            for other in distinct
        ):
            distinct.append(track)
    return sorted(distinct, key=lambda track: track.id)


def _listing(tracks: Sequence[Track]) -> str:
    labels = [_label(track) for track in tracks]
    lines = [
        # Equal labels are disambiguated by file name.
        f"  {track.id}  {label}{f' ({track.path.name})' if labels.count(label) > 1 else ''}"
        for track, label in zip(tracks[:MAX_LISTED], labels[:MAX_LISTED], strict=True)
    ]
    more = [f"  … and {len(tracks) - MAX_LISTED} more"] if len(tracks) > MAX_LISTED else []
    return "\n".join(lines + more)


def _title_names(track: Track) -> set[str]:
    """Return the title, with and without artist, in either order."""
    title = normalise(track.tags.title)
    artists = {normalise(track.tags.artist), *name_keys(track.tags.artist)} - {""}
    return {title, *(f"{artist} {title}" for artist in artists)} | {
        f"{title} {artist}" for artist in artists
    }


def _album_names(track: Track) -> set[str]:
    """Return the album, with and without artist, in either order."""
    album = normalise(track.tags.album)
    artist = normalise(track.tags.album_artist or track.tags.artist)
    return {album, f"{artist} {album}".strip(), f"{album} {artist}".strip()} if album else set()


def _label(track: Track) -> str:
    parts = (track.tags.artist, track.tags.title, track.tags.album)
    return " - ".join(part for part in parts if part)


# ---- suggestions -------------------------------------------------------------------------


def _did_you_mean(store: Store, text: str) -> str:
    if suggestions := suggest_names(store, text):
        return f"did you mean {' or '.join(suggestions)}?"
    return "`segue list` shows all tracks, and a file's path works too"


def suggest_names(store: Store, text: str) -> list[str]:
    """Suggest tracks, artists, albums and genres with names similar to a text.

    Parameters
    ----------
    store : Store
        Database of the library.
    text : str
        Normalised text.

    Returns
    -------
    list of str
        At most four suggestions, formatted for a message, the most similar first.
    """
    candidates: dict[str, str] = {}
    ids, words = store.searched_words()
    rows = most_shared_trigrams(words, text, _MAX_CANDIDATES)
    for track in store.tracks(ids[rows].tolist()):
        for name, suggestion in _named_suggestions(track):
            if name:
                candidates.setdefault(normalise(name), suggestion)
    genres = {genre for name in store.spellings("genre") for genre in split_genres(name)}
    for genre in sorted(genres):
        candidates.setdefault(normalise(genre), f"the genre {genre!r}")
    matches = difflib.get_close_matches(text, candidates, n=_MAX_SUGGESTIONS, cutoff=_MIN_RATIO)
    return list(dict.fromkeys(candidates[name] for name in matches))


def _named_suggestions(track: Track) -> Sequence[tuple[str, str]]:
    tags = track.tags
    by = f" by {tags.artist}" if tags.artist else ""
    suggestion = f"{tags.title!r}{by} ({track.id})"
    return (
        (tags.title, suggestion),
        (f"{tags.artist} {tags.title}", suggestion),
        (tags.artist, f"the artist {tags.artist!r}"),
        (tags.album, f"the album {tags.album!r}"),
    )


def most_shared_trigrams(lines: str, text: str, n: int) -> NDArray[np.int64]:
    """Find the lines that have the most distinct byte trigrams in common with a text.

    Parameters
    ----------
    lines : str
        Lines, separated by line feeds.
    text : str
        Text to compare with.
    n : int
        Maximum number of lines, at least 1.

    Returns
    -------
    ndarray of int64
        Indices of lines with a trigram in common, those with the most first.
    """
    trigrams = _trigrams(lines.encode())
    query = np.unique(_trigrams(text.encode()[:_MAX_QUERY_BYTES]))
    in_query = np.zeros(1 << 8 * _TRIGRAM_BYTES, np.bool_)
    in_query[query] = True
    at = np.flatnonzero(in_query[trigrams])
    line_ends = np.flatnonzero((trigrams >> 8 * (_TRIGRAM_BYTES - 1)) == ord("\n"))
    occurs = np.zeros((len(line_ends) + 1, len(query)), np.bool_)
    occurs[np.searchsorted(line_ends, at), np.searchsorted(query, trigrams[at])] = True
    shared = occurs.sum(axis=1)
    best = np.argsort(-shared, kind="stable")[:n].astype(np.int64)
    return np.asarray(best[shared[best] > 0])


def _trigrams(text: bytes) -> NDArray[np.uint32]:
    """Return the trigram at each byte as a number; shorter text is padded with spaces."""
    values = np.frombuffer(text.ljust(_TRIGRAM_BYTES, b" "), np.uint8).astype(np.uint32)
    return np.asarray(values[:-2] << 16 | values[1:-1] << 8 | values[2:], np.uint32)


class FileReader(Protocol):
    """Reads files outside the library."""

    def vector(self, space: str, path: Path, passage: Span | None) -> FloatArray | None:
        """Embed a file, or an excerpt of it; None where the space takes no such file."""

    def tags(self, path: Path) -> Tags:
        """Read the tags of a file, or of its first tune or song."""


@dataclass(frozen=True, slots=True)
class _Item:
    """A track, or a file outside the library, of a query."""

    path: Path
    track: Track | None

    @property
    def key(self) -> Path | int:
        """Identity of the item; a track is identified by its id, as a file may hold several."""
        return self.track.id if self.track else self.path

    @property
    def kind(self) -> Medium:
        """Kind of music; files with an unknown suffix are read as recordings."""
        return self.track.kind if self.track else medium_of(self.path) or "sound"


class QuerySet:
    """The positive and negative examples of a search: tracks of the library, or files.

    Parameters
    ----------
    store : Store
        Database of the library.
    positives, negatives : sequence of str, int or Path
        Queries that results should be similar and dissimilar to.
    at : Span, optional
        Excerpt of each item that is embedded, instead of the whole.
    files : FileReader, optional
        Reads files; without it, only tracks can be queries.
    """

    def __init__(
        self,
        store: Store,
        positives: Sequence[Query],
        negatives: Sequence[Query] = (),
        at: Span | None = None,
        files: FileReader | None = None,
    ) -> None:
        self._store = store
        self._queries = positives, negatives
        self._at = at
        self._files = files

    @property
    def store(self) -> Store:
        """Database of the library."""
        return self._store

    @property
    def positives(self) -> Sequence[Query]:
        """The positive queries, as they were given."""
        return self._queries[0]

    def subset(
        self, positives: Sequence[Query], negatives: Sequence[Query] | None = None
    ) -> "QuerySet":
        """Return a query set with some of the queries; it shares the cache of embedded files."""
        negatives = self._queries[1] if negatives is None else negatives
        return QuerySet(self._store, positives, negatives, self._at, self._files)

    @property
    def tracks(self) -> list[Track]:
        """The tracks of the library among the queries."""
        return [item.track for items in self._items for item in items if item.track]

    def vectors(self, space: str) -> tuple[list[FloatArray | None], list[FloatArray | None]]:
        """Return the embeddings of positives and negatives; None for items without one."""
        positives, negatives = (
            [self._vector(space, item) for item in items] for items in self._items
        )
        return positives, negatives

    def file_vectors(self, space: str) -> list[FloatArray]:
        """Return the embeddings of the positives that are files outside the library."""
        positives, _ = self.vectors(space)
        return [
            vector
            for item, vector in zip(self._items[0], positives, strict=True)
            if item.track is None and vector is not None
        ]

    def tags(self) -> tuple[list[Tags], list[Tags]]:
        """Return the tags of positives and negatives."""
        positives, negatives = ([self._tags(item) for item in items] for items in self._items)
        return positives, negatives

    @property
    def kind(self) -> Medium:
        """The kind of music of the queries.

        Raises
        ------
        BadArgument
            The queries are of several kinds.
        """
        kinds = sorted({item.kind for items in self._items for item in items})
        if len(kinds) > 1:
            raise BadArgument(
                f"queries of {' and '.join(MEDIA[kind].plural for kind in kinds)}, which lie in "
                "different spaces; ask with one kind, or, where all have words, by these: "
                "--space style"
            )
        return kinds[0] if kinds else "sound"

    @cached_property
    def _items(self) -> tuple[list[_Item], list[_Item]]:
        positives, negatives = (
            # An item that several queries name counts once.
            list({item.key: item for query in queries for item in self._resolve(query)}.values())
            for queries in self._queries
        )
        return positives, negatives

    def _resolve(self, query: Query) -> list[_Item]:
        resolved = resolve(self._store, query)
        if isinstance(resolved, Path):
            return [_Item(resolved, None)]
        return [_Item(track.path, track) for track in resolved]

    def _vector(self, space: str, item: _Item) -> FloatArray | None:
        if item.track and self._at is None:
            return self._store.spaces.find_vector(space, item.track.id)
        return self._reader(item).vector(space, item.path, self._at)

    def _tags(self, item: _Item) -> Tags:
        return item.track.tags if item.track else self._reader(item).tags(item.path)

    def _reader(self, item: _Item) -> FileReader:
        if self._files is None:
            raise BadArgument(f"{item.path} is no track of the library; add it first")
        return self._files


def default_space(query_set: QuerySet) -> str:
    """Return the first default space that has an embedding of every query.

    It also holds at least half of the tracks of that kind of music: a search finds no others.
    """
    spaces = _default_spaces(query_set.store, query_set.kind, _MIN_SHARE)
    for space in spaces[:-1]:
        positives, negatives = query_set.vectors(space)
        if all(vector is not None for vector in [*positives, *negatives]):
            return space
    return spaces[-1]


def default_space_of_tracks(store: Store, tracks: Sequence[Track]) -> str:
    """Return the first default space that holds all of the tracks."""
    spaces = _default_spaces(store, tracks[0].kind, _MIN_SHARE)
    for space in spaces[:-1]:
        if all(store.spaces.find_vector(space, track.id) is not None for track in tracks):
            return space
    return spaces[-1]


def default_space_of_library(store: Store) -> str:
    """Return the default space of the kind of music with the most tracks in a library."""
    counts = store.kinds() or {"sound": 0}
    kind = max(counts, key=lambda kind: counts[kind])
    return _default_spaces(store, kind, _MIN_SHARE_OF_LIBRARY)[0]


def _default_spaces(store: Store, kind: Medium, min_share: float) -> list[str]:
    """List the default spaces that hold at least a share of all tracks of a kind, and the last."""
    *spaces, last = MEDIA[kind].default_spaces
    if not spaces:
        return [last]
    sizes = {info.space.name: info.tracks for info in store.spaces.known() if not info.outdated}
    min_tracks = min_share * store.kinds().get(kind, 0)
    return [*(space for space in spaces if sizes.get(space, 0) >= min_tracks), last]

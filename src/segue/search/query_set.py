"""Query sets: embeddings of the tracks, files and excerpts of a query, and default spaces."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, Protocol

from segue.errors import BadArgument
from segue.media import MEDIA, medium_of
from segue.records import FloatArray, Medium, Span, Tags, Track
from segue.search.query import resolve
from segue.store import Store

#: Minimum share of the tracks in a space to be the default of a whole library, and of a query.
_MIN_SHARE_OF_LIBRARY: Final = 0.9
_MIN_SHARE: Final = 0.5
Query = str | int | Path


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

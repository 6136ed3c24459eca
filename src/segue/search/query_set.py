"""Query vectors: of tracks, files and excerpts.

Which space is meant where none is named.

What is asked: tracks of the library, files, passages of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from segue.errors import BadArgument
from segue.media import kind_of
from segue.records import FloatArray, Kind, Span, Tags, Track
from segue.search.query import resolve
from segue.store import Store

# --- usual ---

#: Of each kind of music, the better space first: some hold not every track.
DEFAULT_SPACES: Final[dict[Kind, tuple[str, ...]]] = {
    "sound": ("sound",),
    "score": ("roll-vae", "score-features"),
    "lyrics": ("style",),
}
#: Where copies of one recording, tune or text lie close together; it holds every track of its kind.
DUPLICATE_SPACES: Final[dict[Kind, str]] = {
    "sound": "sound",
    "score": "score-features",
    "lyrics": "style",
}
#: The space of a library as a whole holds such a share of its tracks at least.
_SHARE: Final = 0.9
#: One in which half of the music cannot be found is not asked in.
_LEAST_SHARE: Final = 0.5


def default_space(query_set: "QuerySet") -> str:
    """Choose the space to ask in: the first of its kind that holds all that is asked with.

    It holds half of the tracks of that kind, too: of what it does not hold nothing is found.
    """
    spaces = _holding(query_set.store, query_set.kind, _LEAST_SHARE)
    for space in spaces[:-1]:
        positives, negatives = query_set.vectors(space)
        if all(vector is not None for vector in [*positives, *negatives]):
            return space
    return spaces[-1]


def default_space_of_tracks(store: Store, tracks: Sequence[Track]) -> str:
    """Choose the space to compare some tracks in: the first that holds all of them."""
    spaces = _holding(store, tracks[0].kind, _LEAST_SHARE)
    for space in spaces[:-1]:
        if all(store.spaces.find_vector(space, track.id) is not None for track in tracks):
            return space
    return spaces[-1]


def default_space_of_library(store: Store) -> str:
    """Choose the space to see a library in: that of the kind that it holds most of."""
    counts = store.kinds() or {"sound": 0}
    kind = max(counts, key=lambda kind: counts[kind])
    return _holding(store, kind, _SHARE)[0]


def _holding(store: Store, kind: Kind, share: float) -> list[str]:
    """List the usual spaces that hold such a share of all tracks of a kind, and the last one."""
    *spaces, last = DEFAULT_SPACES[kind]
    if not spaces:
        return [last]
    held = {info.space.name: info.tracks for info in store.spaces.known() if not info.outdated}
    least = share * store.kinds().get(kind, 0)
    return [*(space for space in spaces if held.get(space, 0) >= least), last]


# --- query_set ---

_NAMES: Final[dict[Kind, str]] = {"sound": "recordings", "score": "scores", "lyrics": "lyrics"}
Query = str | int | Path
#: Embeds a file, or a segment of it, in a space; None where the space takes no such file.
Embedder = Callable[[str, Path, Span | None], FloatArray | None]


@dataclass(frozen=True, slots=True)
class _Subject:
    """A track or a file that is asked with."""

    path: Path
    track: Track | None

    @property
    def key(self) -> Path | int:
        """By which it is known: a track by its id, for a file may hold several."""
        return self.track.id if self.track else self.path

    @property
    def kind(self) -> Kind:
        """Tell what kind of music it is; what cannot be told is read as a recording."""
        return self.track.kind if self.track else kind_of(self.path) or "sound"


class QuerySet:
    """What is asked: tracks of the library, or files, and what the answers should be unlike.

    Parameters
    ----------
    store : Store
    positives, negatives : sequence of str, int or Path
    at : Span, optional
        Ask with this passage of each.
    embed : callable, optional
        Embeds the files of the query; without it, tracks alone can be asked with.
    """

    def __init__(
        self,
        store: Store,
        positives: Sequence[Query],
        negatives: Sequence[Query] = (),
        at: Span | None = None,
        embed: Embedder | None = None,
    ) -> None:
        self._store = store
        self._queries = positives, negatives
        self._at = at
        self._embed = embed

    @property
    def store(self) -> Store:
        """Where it is asked."""
        return self._store

    @property
    def positives(self) -> Sequence[Query]:
        """What answers should be like, as it was asked."""
        return self._queries[0]

    def subset(
        self, positives: Sequence[Query], negatives: Sequence[Query] | None = None
    ) -> "QuerySet":
        """Return the query_set with some of its queries; no file is read again for it."""
        negatives = self._queries[1] if negatives is None else negatives
        return QuerySet(self._store, positives, negatives, self._at, self._embed)

    @property
    def tracks(self) -> list[Track]:
        """The tracks of the library that are asked with."""
        return [subject.track for some in self._subjects for subject in some if subject.track]

    def vectors(self, space: str) -> tuple[list[FloatArray | None], list[FloatArray | None]]:
        """Return the vectors of what to be like and unlike; None for what has none."""
        positives, negatives = ([self._vector(space, s) for s in some] for some in self._subjects)
        return positives, negatives

    def file_vectors(self, space: str) -> list[FloatArray]:
        """Return the vectors of the files that are asked with and are no tracks."""
        subjects, _ = self._subjects
        positives, _ = self.vectors(space)
        return [
            vector
            for subject, vector in zip(subjects, positives, strict=True)
            if subject.track is None and vector is not None
        ]

    def tags(self) -> tuple[list[Tags], list[Tags]]:
        """Return what these say of themselves."""
        positives, negatives = ([_tags_of(subject) for subject in some] for some in self._subjects)
        return positives, negatives

    @property
    def kind(self) -> Kind:
        """The kind of music that is asked with.

        Raises
        ------
        BadArgument
            It is of several.
        """
        kinds = sorted({subject.kind for some in self._subjects for subject in some})
        if len(kinds) > 1:
            raise BadArgument(
                f"asked with {' and '.join(_NAMES[kind] for kind in kinds)}, which lie in "
                "different spaces; ask with one kind, or, where all have words, by these: "
                "--space style"
            )
        return kinds[0] if kinds else "sound"

    @cached_property
    def _subjects(self) -> tuple[list[_Subject], list[_Subject]]:
        positives, negatives = (
            list({one.key: one for query in some for one in _subjects(self._store, query)}.values())
            for some in self._queries  # what several queries name counts once
        )
        return positives, negatives

    def _vector(self, space: str, subject: _Subject) -> FloatArray | None:
        if subject.track and self._at is None:
            return self._store.spaces.find_vector(space, subject.track.id)
        if self._embed is None:
            raise BadArgument(f"{subject.path} is no track of the library; add it first")
        return self._embed(space, subject.path, self._at)


def _subjects(store: Store, query: Query) -> list[_Subject]:
    found = resolve(store, query)
    if isinstance(found, Path):
        return [_Subject(found, None)]
    return [_Subject(track.path, track) for track in found]


def _tags_of(subject: _Subject) -> Tags:
    if subject.track:
        return subject.track.tags
    from segue.io.lyrics import read_lyrics_tags
    from segue.io.scores import read_score_tags
    from segue.io.tags import read_tags  # brings in the decoders

    if subject.kind == "score":
        return read_score_tags(subject.path)[0]
    if subject.kind == "lyrics":
        return read_lyrics_tags(subject.path, subject.path.parent)[0]
    return read_tags(subject.path)

"""A library of music: what Segue does, readable from top to bottom.

Recordings are added: decoded, embedded in several spaces, and stored. Then the library is
asked what is like what, by example or by description, and why.
"""

import difflib
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from segue import search
from segue.errors import BadArgument, NotFound
from segue.model.sound.spaces import TAGS, sound_spaces, tag_probabilities
from segue.query import Filters, passing, resolve
from segue.records import (
    Description,
    Failure,
    FloatArray,
    Hit,
    Pruned,
    Reason,
    SpaceInfo,
    Span,
    Track,
)
from segue.represent.fingerprint import same_recording
from segue.store import Store, default_folder
from segue.store.matrix import Matrix

if TYPE_CHECKING:
    from segue.ingest.add import AddReport, Watcher
    from segue.measure.retrieval import Retrieval

Query = str | int | Path

DEFAULT_SPACE = "sound"
#: Below this cosine two tracks are not looked at as copies of one recording.
COPY_COSINE = 0.8


class Library:
    """A folder of analysed music.

    Examples
    --------
    >>> lib = Library.open("~/my-library")                      # doctest: +SKIP
    >>> lib.add(["~/Music"])                                    # doctest: +SKIP
    >>> [hit.track.tags.title for hit in lib.like("Für Elise")] # doctest: +SKIP
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    @classmethod
    def open(cls, folder: str | Path | None = None) -> Self:
        """Open a library, or start one.

        Parameters
        ----------
        folder : str or Path, optional
            Else ``$SEGUE_LIBRARY``, else a folder among the user's data.
        """
        path = Path(folder).expanduser() if folder else default_folder()
        return cls(Store(path, sound_spaces().values()))

    def close(self) -> None:
        """Close the library; nothing is left to be written."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def folder(self) -> Path:
        """Where the library lies."""
        return self._store.folder

    # ---- filling it ----------------------------------------------------------------------

    def add(
        self,
        paths: Sequence[str | Path],
        *,
        workers: int | None = None,
        watch: "Watcher | None" = None,
    ) -> "AddReport":
        """Add files and folders, or bring what is known of them up to date.

        Parameters
        ----------
        paths : sequence of str or Path
        workers : int, optional
            Decoding processes, at least 1; else one per core.
        watch : callable, optional
            Told a `segue.ingest.add.Progress` after each file.

        Returns
        -------
        AddReport
            Files that cannot be read are in its `failures`; the others are added.
        """
        from segue.ingest.add import add  # searching needs no decoder

        whole = [Path(path).expanduser() for path in paths]
        for path in whole:
            if not os.path.lexists(path):
                raise BadArgument(f"there is no file or folder {path}")
        count = workers if workers is not None else os.cpu_count() or 1
        if count < 1:
            raise BadArgument(f"{count} workers; at least 1 is needed")
        report = add(self._store, whole, workers=count, watch=watch)
        if self._store.count():
            self._store.spaces.matrix(
                DEFAULT_SPACE
            )  # made now, so that the first question is quick
        return report

    # ---- asking it -----------------------------------------------------------------------

    def like(
        self,
        *queries: Query,
        minus: Sequence[Query] = (),
        n: int = 10,
        space: str = DEFAULT_SPACE,
        at: Span | None = None,
        filters: Filters | None = None,
        duplicates: bool = False,
    ) -> list[Hit]:
        """Find what is like one or several tracks.

        Parameters
        ----------
        queries : str, int or Path
            Track ids, files (in the library or not), or words of a title or artist; they
            are blended.
        minus : sequence of the same
            What the answers should be unlike.
        n : int
            How many answers at most, at least 1.
        space : str
            The space to search in, see `spaces`.
        at : Span, optional
            Ask with this passage of the queries, instead of the whole.
        filters : Filters, optional
        duplicates : bool
            Also list other copies of one recording.

        Returns
        -------
        list of Hit
            Best first. The reasons of each sum to its similarity.
        """
        if n < 1:
            raise BadArgument(f"{n} answers; at least 1 must be wanted")
        matrix = self._store.spaces.matrix(space)
        asked: list[Track] = []
        likes = [vector for query in queries for vector in self._ask(query, space, at, asked)]
        unlikes = [vector for query in minus for vector in self._ask(query, space, at, asked)]
        query = search.blend(likes, unlikes)
        scores = search.similarities(matrix, query)
        chosen = self._choose(matrix, scores, asked, n, filters or Filters(), duplicates)
        return [
            Hit(rank, float(scores[row]), track, _reasons(space, query, matrix.unit[row]))
            for rank, (row, track) in enumerate(chosen, start=1)
        ]

    def like_tags(
        self,
        tags: Sequence[str],
        *,
        n: int = 10,
        filters: Filters | None = None,
        duplicates: bool = False,
    ) -> list[Hit]:
        """Find tracks by description.

        Parameters
        ----------
        tags : sequence of str
            Of the 50 that MusiCNN knows, `segue.model.sound.spaces.TAGS`.

        Returns
        -------
        list of Hit
            `similarity` is the mean of the tags' standardised strengths: 0 is how the
            average track is, 1 one standard deviation more.
        """
        columns = [_tag_column(tag) for tag in tags]
        if not columns:
            raise BadArgument("no tag given; " + _known_tags())
        matrix = self._store.spaces.matrix("tags")
        _, strengths = self._store.spaces.vectors("tags")
        shares = strengths[:, columns] / len(columns)
        scores = shares.sum(axis=1)
        chosen = self._choose(matrix, scores, [], n, filters or Filters(), duplicates)
        return [
            Hit(
                rank,
                float(scores[row]),
                track,
                tuple(
                    Reason(TAGS[column], float(share))
                    for column, share in zip(columns, shares[row], strict=True)
                ),
            )
            for rank, (row, track) in enumerate(chosen, start=1)
        ]

    # ---- looking into it -----------------------------------------------------------------

    def tracks(self) -> list[Track]:
        """List all tracks."""
        return self._store.tracks()

    def find(self, query: Query) -> list[Track]:
        """Find the tracks of the library that a query names."""
        found = resolve(self._store, query)
        if isinstance(found, Path):
            raise NotFound(f"{found} is not in the library; add it with `segue add`")
        return found

    def describe(self, query: Query) -> list[Description]:
        """Say what is known of tracks: their tags, features and likeliest descriptions."""
        return [
            Description(track, tag_probabilities(self._store.spaces.vector("tags", track.id)))
            for track in self.find(query)
        ]

    def failures(self) -> list[Failure]:
        """List the files that could not be added."""
        return self._store.failures()

    def spaces(self) -> list[SpaceInfo]:
        """List the spaces."""
        return self._store.spaces.known()

    def vectors(self, space: str = DEFAULT_SPACE) -> tuple[NDArray[np.int64], FloatArray]:
        """Return the vectors of a space.

        Returns
        -------
        ids : ndarray, shape (n,), int64
        vectors : ndarray, shape (n, dimension), float32
        """
        return self._store.spaces.vectors(space)

    def evaluate(
        self, by: str = "album", *, artist_filter: bool = False, seed: int = 0
    ) -> "dict[str, Retrieval]":
        """Measure for every space how well neighbours share an album, artist or genre.

        Parameters
        ----------
        by : {"album", "artist", "genre"}
        artist_filter : bool
            Only tracks by other artists than the query's may be found.
        seed : int
            Of the order of ties.
        """
        from segue.measure.retrieval import retrieval

        if by not in ("album", "artist", "genre"):
            raise BadArgument(f"cannot evaluate by {by!r}; by album, artist or genre")
        tags = {track.id: track.tags for track in self._store.tracks()}
        table = {}
        for info in self._store.spaces.known():
            if info.outdated:
                continue
            ids, vectors = self._store.spaces.vectors(info.space.name)
            table[info.space.name] = retrieval(
                vectors,
                [getattr(tags[track], by) for track in ids.tolist()],
                groups=[tags[track].artist for track in ids.tolist()] if artist_filter else None,
                seed=seed,
            )
        if not table:
            raise NotFound("this library is empty; fill it with `segue add FOLDER`")
        return table

    # ---- keeping it tidy -----------------------------------------------------------------

    def remove(self, queries: Sequence[Query]) -> list[Track]:
        """Take tracks out of the library; their files are left alone."""
        tracks = [track for query in queries for track in self.find(query)]
        with self._store.writing(), self._store.transaction():
            self._store.remove_tracks(track.id for track in tracks)
        return tracks

    def prune(self, *, really: bool = False) -> Pruned:
        """Take out the tracks whose files are gone.

        Parameters
        ----------
        really : bool
            Even if that is more than half of the library.

        Raises
        ------
        BadArgument
            More than half is gone at once, as when a disk is not connected.
        """
        tracks = self._store.tracks()
        gone = [track for track in tracks if not os.path.lexists(track.path)]
        if 2 * len(gone) > len(tracks) and not really:
            raise BadArgument(
                f"{len(gone)} of {len(tracks)} files are gone: is a disk not connected? "
                "Connect it, or say --really to take them all out"
            )
        with self._store.writing(), self._store.transaction():
            self._store.remove_tracks(track.id for track in gone)
            kept = [track.id for track in tracks if track.missing and track not in gone]
            self._store.set_missing(kept, missing=False)
        return Pruned(gone, len(tracks) - len(gone))

    # ---- within --------------------------------------------------------------------------

    def _ask(
        self, query: Query, space: str, at: Span | None, asked: list[Track]
    ) -> list[FloatArray]:
        """Return the vectors of a query, and note which tracks it named."""
        found = resolve(self._store, query)
        if isinstance(found, Path):
            return [self._embed(found, at)[space]]
        asked.extend(found)
        if at is None:
            return [self._store.spaces.vector(space, track.id) for track in found]
        return [self._embed(track.path, at)[space] for track in found]

    def _embed(self, path: Path, at: Span | None) -> dict[str, FloatArray]:
        from segue.ingest.add import embed_file  # brings in the network

        return embed_file(path, at)

    def _choose(
        self,
        matrix: Matrix,
        scores: FloatArray,
        asked: Sequence[Track],
        n: int,
        filters: Filters,
        duplicates: bool,
    ) -> list[tuple[int, Track]]:
        """Take the best rows that pass, one per recording, as many per artist as wanted."""
        passes = passing(self._store, filters, matrix.ids, asked)
        taken: list[int] = []
        if not duplicates:
            taken += np.flatnonzero(np.isin(matrix.ids, [track.id for track in asked])).tolist()
        chosen: list[tuple[int, Track]] = []
        per_artist: Counter[str] = Counter()
        for rows in search.best_first(np.where(passes, scores, -np.inf)):
            fitting = rows[passes[rows]]
            for row, track in zip(
                fitting, self._store.tracks(matrix.ids[fitting].tolist()), strict=True
            ):
                artist = track.tags.artist.casefold()
                limited = bool(artist) and filters.max_per_artist is not None
                if limited and per_artist[artist] >= (filters.max_per_artist or 0):
                    continue
                if not duplicates and self._is_copy(matrix, row, taken):
                    continue
                per_artist[artist] += 1
                taken.append(int(row))
                chosen.append((int(row), track))
                if len(chosen) == n:
                    return chosen
            if len(fitting) < len(rows):
                break  # what follows was filtered out
        return chosen

    def _is_copy(self, matrix: Matrix, row: int, taken: Sequence[int]) -> bool:
        """Tell whether a track is another copy of a recording that is taken already."""
        close = [other for other in taken if matrix.unit[other] @ matrix.unit[row] > COPY_COSINE]
        if not close:
            return False
        prints = self._store.fingerprints([int(matrix.ids[other]) for other in (row, *close)])
        mine = prints.pop(int(matrix.ids[row]))
        return any(same_recording(mine, other) for other in prints.values())


def _reasons(space: str, query: FloatArray, vector: FloatArray) -> tuple[Reason, ...]:
    from segue.explain import reasons

    return reasons(space, query, vector)


def _tag_column(tag: str) -> int:
    name = tag.strip().casefold()
    if name in TAGS:
        return TAGS.index(name)
    near = difflib.get_close_matches(name, TAGS, n=3)
    hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
    raise BadArgument(f"the tag {tag.strip()!r} is unknown; {hint}{_known_tags()}")


def _known_tags() -> str:
    return "there are: " + ", ".join(sorted(TAGS))

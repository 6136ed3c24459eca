"""A library of music: what Segue does, readable from top to bottom.

Recordings are added: decoded, embedded in several spaces, and stored. Then the library is
asked what is like what, by example or by description, and why.
"""

import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from segue.builtin_spaces import lyrics_spaces, score_spaces, sound_spaces, tag_probabilities
from segue.errors import BadArgument
from segue.records import (
    Description,
    Failure,
    FloatArray,
    GroupHit,
    Hit,
    Kind,
    Pruned,
    SpaceInfo,
    Span,
    Tags,
    Track,
)
from segue.search.descriptions import average_rankings, rank_by_tags
from segue.search.duplicates import duplicate_map
from segue.search.filters import Filters
from segue.search.groups import MIN_TRACKS, similar_groups, tracks_of_similar_artists
from segue.search.query import find_tracks, list_tracks, resolve
from segue.search.query_set import (
    DEFAULT_SPACES,
    Query,
    QuerySet,
    default_space,
    default_space_of_library,
)
from segue.search.ranking import Metric, select_hits
from segue.search.separate_queries import rank_interleaved
from segue.search.taste import Taste, apply_taste, skipped_ids
from segue.store import Store, default_folder
from segue.training.embedding import FileEmbedder

if TYPE_CHECKING:
    from segue.evaluation.retrieval import Retrieval
    from segue.ingest.survey import AddReport, Watcher
    from segue.ingest.tag_writing import FileTags
    from segue.library.exploring import Atlas, Journeys
    from segue.library.learning import Learning
    from segue.library.lyrics import Songbook
    from segue.library.scores import Scores
    from segue.store.listens import ListensSummary
    from segue.training.listens import ImportReport


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
        spaces = sound_spaces() | score_spaces() | lyrics_spaces()
        return cls(Store(path, spaces.values()))

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
        keep_sections: bool = False,
        fold_case: bool = False,
        artist: str = "",
        album: str = "",
        exclude: Sequence[str] = (),
        include_removed: bool = False,
        retry: bool = False,
        watch: "Watcher | None" = None,
    ) -> "AddReport":
        """Add files and folders, or bring what is known of them up to date.

        Parameters
        ----------
        paths : sequence of str or Path
        workers : int, optional
            Decoding processes, at least 1; else one per core.
        keep_sections, fold_case : bool
            Of the words that are read now: keep headers such as ``[Chorus]``; make all lower
            case.
        artist, album : str
            Of files that name none; remembered for them.
        exclude : sequence of str
            Patterns as of ``.gitignore``, from each of the folders on, of what is left alone in
            this run. What a file ``.segueignore`` in any folder rules out is left alone always,
            and taken out where it is in the library.
        include_removed : bool
            What was taken out with `remove` comes back; a file that is named itself always does.
        retry : bool
            Also read what could not be read before and has not changed since. What failed for
            a reason of the moment (time, memory, permission) is read again always.
        watch : callable, optional
            Told a `segue.ingest.survey.Progress` after each file.

        Returns
        -------
        AddReport
            Files that cannot be read are in its `failures`; the others are added.
        """
        from segue.ingest.add import add  # searching needs no decoder
        from segue.ingest.survey import Options
        from segue.io.lyrics_text import TextForm
        from segue.text import clean

        whole = [Path(path).expanduser() for path in paths]
        for path in whole:
            if not os.path.lexists(path):
                raise BadArgument(f"there is no file or folder {path}")
        count = workers if workers is not None else os.cpu_count() or 1
        if count < 1:
            raise BadArgument(f"{count} workers; at least 1 is needed")
        options = Options(
            TextForm(keep_sections, fold_case),
            Tags(artist=clean(artist), album=clean(album)),
            tuple(exclude),
            include_removed,
            retry,
        )
        report = add(self._store, whole, workers=count, options=options, watch=watch)
        for kind in self._store.kinds():
            # Made now, so that the first query_set is quick.
            for space in DEFAULT_SPACES[kind]:
                self._store.spaces.matrix(space)
        if any(info.trained for info in self._store.spaces.known()):
            from segue.training.embedding import embed_new_tracks

            report.failures += embed_new_tracks(self._store, workers=count)
        return report

    def import_listens(
        self, paths: Sequence[str | Path], *, user: str | None = None
    ) -> "ImportReport":
        """Import listening histories, and learn the space `listens` from all of them.

        Parameters
        ----------
        paths : sequence of str or Path
            CSV, ListenBrainz, Last.fm or Spotify files; one imported again counts once.
        user : str, optional
            Whose listens these are; else who the files say, else "me".
        """
        from segue.training.listens import import_listens  # searching needs none of it

        return import_listens(self._store, [Path(path).expanduser() for path in paths], user)

    # ---- asking it -----------------------------------------------------------------------

    def like(
        self,
        *queries: Query,
        minus: Sequence[Query] = (),
        n: int = 10,
        space: str | None = None,
        metric: Metric = "cosine",
        blend: Mapping[str, float] | None = None,
        at: Span | None = None,
        filters: Filters | None = None,
        among_similar_artists: int | None = None,
        min_tracks: int = MIN_TRACKS,
        duplicates: bool = False,
        taste: bool = True,
        tags: Sequence[str] = (),
    ) -> list[Hit]:
        """Find what is like one or several tracks.

        Parameters
        ----------
        queries : str, int or Path
            Track ids, files (in the library or not), or words of a title or artist; they
            are blended, but what lies far apart is asked with by itself.
        minus : sequence of the same
            What the answers should be unlike.
        n : int
            How many answers at most, at least 1.
        space : str, optional
            The space to search in, see `spaces`; else the usual one of the kind of music that is
            asked with.
        metric : {"cosine", "euclidean"}
            With the Euclidean, `similarity` is minus the distance.
        blend : mapping of str to float, optional
            Instead of one space, weights of several, and of "metadata": artist, album, genre
            and year. The similarity is their weighted mean, and each reason what one part gave;
            where a part knows nothing of a track, the others weigh more and it is no reason.
        at : Span, optional
            Ask with this passage of the queries, instead of the whole.
        filters : Filters, optional
        among_similar_artists : int, optional
            Only tracks of the artists asked with, and of so many that are most like them
            and have at least `min_tracks` tracks.
        duplicates : bool
            Also list other copies of one recording.
        taste : bool
            Leave out what is skipped; with cosines, also lean towards what is loved and away
            from what is skipped.
        tags : sequence of str
            That the answers should have, too, as of `like_tags`: the similarity is then the mean
            of that to the tracks and of that to the tags. With cosines, of recordings.

        Returns
        -------
        list of Hit
            Best first; where queries lie far apart, the best of each in turn. The reasons of
            each sum to its similarity.
        """
        store, query_set = self._store, self._question(queries, minus, at)
        ranking = rank_interleaved(store, query_set, space, metric, blend)
        if tags:
            if metric != "cosine" or query_set.kind != "sound":
                raise BadArgument("tags go with recordings, and with the cosine")
            ranking = average_rankings(ranking, rank_by_tags(store, tags))
        if taste and metric == "cosine":
            ranking = apply_taste(store, ranking)
        artists = among_similar_artists
        among = None
        if artists is not None:
            near = space or default_space(query_set)
            among = tracks_of_similar_artists(store, query_set, artists, near, min_tracks)
        return select_hits(
            store,
            ranking,
            query_set.tracks,
            n,
            filters,
            duplicates=duplicates,
            among=among,
            unwanted=skipped_ids(store) if taste else (),
        )

    def like_tags(
        self,
        tags: Sequence[str],
        *,
        n: int = 10,
        filters: Filters | None = None,
        duplicates: bool = False,
        taste: bool = True,
    ) -> list[Hit]:
        """Find tracks by description.

        Parameters
        ----------
        tags : sequence of str
            Of the 50 that MusiCNN knows, `segue.builtin_spaces.TAGS`, or words that mean
            some of these; with "-" or "not" before it, one that tracks should have little of.

        Returns
        -------
        list of Hit
            `similarity` is the cosine, -1 to 1, between the tags of a track, each less what the
            average track has of it, and the tags that are asked for.
        """
        ranking = rank_by_tags(self._store, tags)
        unwanted = skipped_ids(self._store) if taste else ()
        return select_hits(
            self._store, ranking, [], n, filters, duplicates=duplicates, unwanted=unwanted
        )

    def similar_groups(
        self,
        *queries: Query,
        kind: str,
        n: int = 10,
        space: str | None = None,
        metric: Metric = "cosine",
        min_tracks: int = MIN_TRACKS,
    ) -> list[GroupHit]:
        """Find artists, albums or genres by the centres of their tracks.

        Parameters
        ----------
        queries : str, int or Path
            Names of such, or what names tracks: then theirs are meant.
        kind : {"artist", "album", "genre"}
        n, space, metric
            As of `like`.
        min_tracks : int
            What has fewer tracks is no answer.
        """
        space = space or self.default_space()
        query_set = self._question(queries)
        return similar_groups(
            self._store, query_set, kind, n=n, space=space, metric=metric, min_tracks=min_tracks
        )

    # ---- looking into it -----------------------------------------------------------------

    def tracks(self, words: str = "", filters: Filters | None = None) -> list[Track]:
        """List the tracks, missing ones included, in order of id.

        Parameters
        ----------
        words : str
            Only those that have all of these words in title, artist or album.
        filters : Filters, optional
            Only those that pass.
        """
        return list_tracks(self._store, words, filters or Filters())

    def find(self, query: Query) -> list[Track]:
        """Find the tracks of the library that a query names."""
        return find_tracks(self._store, query)

    def describe(self, query: Query) -> list[Description]:
        """Say what is known of tracks, or of a file that need not be in the library."""
        found = resolve(self._store, query)
        if isinstance(found, Path):
            from segue.ingest.single_file import describe_file  # brings in the networks

            return [describe_file(found)]
        words, spaces = self._store.words, self._store.spaces
        return [
            Description(
                track,
                tag_probabilities(spaces.vector("tags", track.id)) if track.kind == "sound" else {},
                words.text(track.id),
                words.source(track.id),
            )
            for track in found
        ]

    def listens(self) -> "ListensSummary":
        """Sum up what is known of listening, and what of it is not in the library."""
        return self._store.listens.summary()

    def failures(self) -> list[Failure]:
        """List the files that could not be added."""
        return self._store.files.failures()

    def spaces(self) -> list[SpaceInfo]:
        """List the spaces."""
        return self._store.spaces.known()

    def kinds(self) -> dict[Kind, int]:
        """Count the tracks of each kind of music that is there."""
        return self._store.kinds()

    def kind(self, *queries: Query) -> Kind:
        """Tell what kind of music is asked with.

        Raises
        ------
        BadArgument
            It is of several kinds.
        """
        return self._question(queries).kind

    def contains(self, query: Query) -> bool:
        """Tell whether what is asked with is in the library, and no file beside it."""
        return not isinstance(resolve(self._store, query), Path)

    def default_space(self, *queries: Query, minus: Sequence[Query] = ()) -> str:
        """Name the space that is meant where none is named.

        Parameters
        ----------
        queries : str, int or Path
            What is asked with; none, where the library is seen as a whole.
        minus : sequence of the same
            What the answers should be unlike.
        """
        if queries:
            return default_space(self._question(queries, minus))
        return default_space_of_library(self._store)

    def _question(
        self, queries: Sequence[Query], minus: Sequence[Query] = (), at: Span | None = None
    ) -> QuerySet:
        return QuerySet(self._store, queries, minus, at, FileEmbedder(self._store))

    def vectors(self, space: str | None = None) -> tuple[NDArray[np.int64], FloatArray]:
        """Return the vectors of a space.

        Returns
        -------
        ids : ndarray, shape (n,), int64
        vectors : ndarray, shape (n, dimension), float32
        """
        return self._store.spaces.vectors(space or self.default_space())

    def evaluate(
        self,
        by: str = "album",
        *,
        artist_filter: bool = False,
        metric: Metric = "cosine",
        seed: int = 0,
        all_sounds: bool = False,
    ) -> "dict[str, Retrieval]":
        """Measure for every space how well neighbours share an album, artist or genre.

        Parameters
        ----------
        by : {"album", "artist", "genre"}
        artist_filter : bool
            Only tracks by other artists than the query's may be found.
        metric : {"cosine", "euclidean"}
        seed : int
            Of the order of ties.
        all_sounds : bool
            With what is no music, too: speech, noise, and what lasts less than 10 s.
        """
        from segue.search.groups import evaluate_spaces  # searching measures nothing

        return evaluate_spaces(
            self._store,
            by,
            artist_filter=artist_filter,
            metric=metric,
            seed=seed,
            all_sounds=all_sounds,
        )

    # ---- its rooms -----------------------------------------------------------------------

    @property
    def atlas(self) -> "Atlas":
        """The library seen as a whole: map, groups, tree, twins, outliers."""
        from segue.library.exploring import Atlas

        return Atlas(self._store)

    @property
    def journeys(self) -> "Journeys":
        """Ways through it: paths and playlists."""
        from segue.library.exploring import Journeys

        return Journeys(self._store)

    @property
    def scores(self) -> "Scores":
        """Its scores: read, made from a space, given back."""
        from segue.library.scores import Scores

        return Scores(self._store)

    @property
    def lyrics(self) -> "Songbook":
        """Its lyrics: found by a line, and read."""
        from segue.library.lyrics import Songbook

        return Songbook(self._store)

    @property
    def learning(self) -> "Learning":
        """Spaces learned from it: trained, filled, looked into."""
        from segue.library.learning import Learning

        return Learning(self._store, partial(duplicate_map, self._store))

    @property
    def file_tags(self) -> "FileTags":
        """What the files say of themselves: tempo, key and mood written into them, and undone."""
        from segue.ingest.tag_writing import FileTags

        return FileTags(self._store)

    @property
    def taste(self) -> Taste:
        """What is loved and what is skipped; `like` and playlists lean by it."""
        return Taste(self._store)

    # ---- keeping it tidy -----------------------------------------------------------------

    def remove(self, queries: Sequence[Query]) -> list[Track]:
        """Take tracks out of the library; their files are left alone.

        They stay out when their folder is added again, see `add`.
        """
        tracks = [track for query in queries for track in self.find(query)]
        with self._store.writing(), self._store.transaction():
            self._store.removed.add(track.id for track in tracks)
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
        from segue.ingest.survey import prune  # searching needs none of it

        return prune(self._store, really=really)

"""The public Python API: a library of music, searched, explored, trained from and composed with.

Files are decoded, embedded in several spaces and stored. Queries are tracks, files, names or tags;
the results are the nearest tracks in an embedding space, each with the reasons for its similarity.
"""

import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from segue import deprecation
from segue.builtin_spaces import builtin_spaces
from segue.errors import BadArgument
from segue.media import MEDIA
from segue.records import (
    Description,
    Failure,
    FloatArray,
    GroupHit,
    Hit,
    Medium,
    Pruned,
    SpaceInfo,
    Span,
    Tags,
    Track,
)
from segue.search.descriptions import average_rankings, rank_by_tags, track_descriptions
from segue.search.filters import Filters, duplicate_map
from segue.search.groups import MIN_TRACKS, similar_groups, tracks_of_similar_artists
from segue.search.neighbours import hubness_corrections
from segue.search.query import (
    Query,
    QuerySet,
    default_space,
    default_space_of_library,
    find_tracks,
    list_tracks,
    resolve,
)
from segue.search.ranking import Metric, select_hits
from segue.search.taste import Taste, apply_taste, skipped_ids
from segue.search.text_query import Reading, rank_queries, read_queries
from segue.store import Store, default_folder
from segue.training.embedding import LibraryFileReader, embed_new_tracks, representations

if TYPE_CHECKING:
    from segue.evaluation.retrieval import RetrievalMetrics
    from segue.ingest.survey import AddReport, Watcher
    from segue.ingest.tag_writing import FileTags
    from segue.library.exploring import Atlas, Journeys
    from segue.library.learning import Learning
    from segue.library.lyrics import Songbook
    from segue.library.scores import Scores
    from segue.store.user_data import ListensSummary
    from segue.training.listens import ImportReport


class Library(deprecation.RenamedAttributes):
    """A folder of analysed music.

    The methods `usual_space`, `like_groups` and `holds` of version 0.1 are now called
    `default_space`, `similar_groups` and `contains`; the old names work for one more release.

    Examples
    --------
    >>> from segue import Library
    >>> with Library.open("~/my-library") as lib:  # doctest: +SKIP
    ...     lib.add(["~/Music"])
    ...     for hit in lib.like("Für Elise", n=3):
    ...         print(f"{hit.similarity:.2f}", hit.track.tags.title, hit.reasons[0].description)
    """

    _renamed: ClassVar[dict[str, str]] = {
        "usual_space": "default_space",
        "like_groups": "similar_groups",
        "holds": "contains",
    }

    def __init__(self, store: Store) -> None:
        self._store = store

    @classmethod
    def open(cls, folder: str | Path | None = None) -> Self:
        """Open a library, or create one.

        Parameters
        ----------
        folder : str or Path, optional
            Folder of the library; by default ``$SEGUE_LIBRARY``, else a folder in the user's data
            directory.

        Examples
        --------
        >>> lib = Library.open("~/my-library")  # doctest: +SKIP
        """
        path = Path(folder).expanduser() if folder else default_folder()
        spaces = builtin_spaces()
        return cls(Store(path, spaces.values()))

    def close(self) -> None:
        """Close the library; nothing is left to be written.

        Examples
        --------
        >>> lib.close()  # doctest: +SKIP
        """
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    @property
    def folder(self) -> Path:
        """Folder of the library."""
        return self._store.folder

    # ---- adding --------------------------------------------------------------------------

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
        """Add files and folders, or update tracks whose files have changed.

        Parameters
        ----------
        paths : sequence of str or Path
            Files and folders.
        workers : int, optional
            Number of decoding processes, at least 1; one per core by default.
        keep_sections, fold_case : bool
            For lyrics that are read now: keep section headers such as ``[Chorus]``; convert to
            lower case.
        artist, album : str
            Tags for files that have none; they are remembered.
        exclude : sequence of str
            Patterns in the syntax of ``.gitignore``, relative to each of the folders, of files
            that this run ignores. Files that a ``.segueignore`` in any folder excludes are always
            ignored, and removed from the library if they are in it.
        include_removed : bool
            Add tracks that were removed with `remove` again; a file that is itself among `paths`
            is always added.
        retry : bool
            Also read files that could not be read before and have not changed since. Files that
            failed for a passing reason (time, memory, permissions) are always read again.
        watch : callable, optional
            Called with a `segue.ingest.survey.Progress` after each file.

        Returns
        -------
        AddReport
            Counts, and the files that cannot be read as `failures`; all others are added.

        Examples
        --------
        >>> report = lib.add(["~/Music"], exclude=["*.wav"])  # doctest: +SKIP
        >>> report.added, len(report.failures)  # doctest: +SKIP
        (1204, 3)
        """
        from segue.ingest.add import add  # imports the decoders
        from segue.ingest.survey import AddOptions
        from segue.io.lyrics_text import TextOptions
        from segue.text import clean

        expanded = [Path(path).expanduser() for path in paths]
        for path in expanded:
            if not os.path.lexists(path):
                raise BadArgument(f"there is no file or folder {path}")
        count = workers if workers is not None else os.cpu_count() or 1
        if count < 1:
            raise BadArgument(f"{count} workers; at least 1 is needed")
        options = AddOptions(
            TextOptions(keep_sections, fold_case),
            Tags(artist=clean(artist), album=clean(album)),
            tuple(exclude),
            include_removed,
            retry,
        )
        has_trained = any(info.trained for info in self._store.spaces.known())
        report = add(
            self._store,
            expanded,
            workers=count,
            options=options,
            representations=representations(self._store) if has_trained else (),
            watch=watch,
        )
        for kind in self._store.kinds():
            # Computed now, so that the first query is fast.
            for space in MEDIA[kind].default_spaces:
                hubness_corrections(self._store, self._store.spaces.matrix(space))
        if has_trained:
            report.failures += embed_new_tracks(self._store, workers=count)
        return report

    def import_listens(
        self, paths: Sequence[str | Path], *, user: str | None = None
    ) -> "ImportReport":
        """Import listening histories, and compute the space `listens` from all of them.

        Parameters
        ----------
        paths : sequence of str or Path
            CSV, ListenBrainz, Last.fm or Spotify files; a listen imported twice counts once.
        user : str, optional
            Name of the listener; by default the name in the file, else "me".

        Examples
        --------
        >>> report = lib.import_listens(["lastfm.csv"], user="me")  # doctest: +SKIP
        """
        from segue.training.listens import import_listens

        return import_listens(self._store, [Path(path).expanduser() for path in paths], user)

    # ---- search --------------------------------------------------------------------------

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
        """Find the tracks that are most similar to one or several tracks.

        Parameters
        ----------
        queries : str, int or Path
            Track ids, files (in the library or not), or words of a title or artist. Similar
            queries are averaged; dissimilar ones are searched for separately. What is no name may
            describe the results in English, German, French or Spanish: "calm piano, no vocals";
            beside a name, it says how they should differ: "sadder, faster". See `read_queries`.
        minus : sequence of str, int or Path
            Negative queries: what results should be dissimilar to.
        n : int
            Maximum number of results, at least 1.
        space : str, optional
            Embedding space, see `spaces`; by default the one for the queries' kind of music.
        metric : {"cosine", "euclidean"}
            With "euclidean", `similarity` is the negative distance.
        blend : mapping of str to float, optional
            Weights of several spaces, instead of one space, and of "metadata": artist, album,
            genre and year. The similarity is the weighted mean, and each reason the contribution
            of one space. Spaces without an embedding of a track are left out for that track.
        at : Span, optional
            Excerpt of the queries to search with, instead of the whole.
        filters : Filters, optional
            Conditions on the results.
        among_similar_artists : int, optional
            Search only among the artists of the queries and this number of artists most similar
            to them that have at least `min_tracks` tracks.
        duplicates : bool
            Include several copies of one recording.
        taste : bool
            Leave out skipped tracks; with the cosine metric, also raise the similarity of tracks
            close to loved ones, and lower that of tracks close to skipped ones.
        tags : sequence of str
            Tags that results should have, too, as in `like_tags`: the similarity is the mean of
            the similarities to the tracks and to the tags. For recordings, with the cosine metric.

        Returns
        -------
        list of Hit
            Best first; of dissimilar queries, the best of each in turn. The reasons of each hit
            sum to its similarity.

        Examples
        --------
        >>> from segue import Filters
        >>> hits = lib.like("Für Elise", n=3, filters=Filters(max_per_artist=1))  # doctest: +SKIP
        >>> [(hit.rank, hit.track.tags.title) for hit in hits]  # doctest: +SKIP
        [(1, 'Moonlight Sonata'), (2, 'Gymnopédie No. 1'), (3, 'Clair de lune')]
        >>> hits = lib.like("calm piano, rainy evening, no vocals")  # doctest: +SKIP
        >>> hits = lib.like(12, "sadder, faster")  # doctest: +SKIP
        >>> hits = lib.like("song.mp3", blend={"sound": 0.7, "metadata": 0.3})  # doctest: +SKIP
        """
        store, reading = self._store, read_queries(self._store, queries)
        query_set = self._query_set(reading.names, minus, at)
        if not reading.names and (minus or at or blend or among_similar_artists or tags):
            raise BadArgument("a description goes with -n, --space and filters; name a track, too")
        ranking = rank_queries(store, reading.description, query_set, space, metric, blend)
        if tags:
            if metric != "cosine" or query_set.kind != "sound":
                raise BadArgument("tags go with recordings, and with the cosine")
            ranking = average_rankings(ranking, rank_by_tags(store, tags))
        if taste and metric == "cosine":
            ranking = apply_taste(store, ranking)
        candidates = None
        if (n_artists := among_similar_artists) is not None:
            candidates = tracks_of_similar_artists(
                store, query_set, n_artists, space or default_space(query_set), min_tracks
            )
        return select_hits(
            store,
            ranking,
            query_set.tracks,
            n,
            filters,
            duplicates=duplicates,
            candidates=candidates,
            excluded=skipped_ids(store) if taste else (),
        )

    def read_queries(self, *queries: Query) -> Reading:
        """Say how `like` reads queries: which name tracks, and what the others describe.

        Examples
        --------
        >>> lib.read_queries("calm piano, no vocals").remark  # doctest: +SKIP
        'read as a description: calm, piano, no vocals'
        """
        return read_queries(self._store, queries)

    def like_tags(
        self,
        tags: Sequence[str],
        *,
        n: int = 10,
        filters: Filters | None = None,
        duplicates: bool = False,
        taste: bool = True,
    ) -> list[Hit]:
        """Find tracks by tags that describe them.

        Parameters
        ----------
        tags : sequence of str
            Tags of MusiCNN, `segue.builtin_spaces.TAGS`, or synonyms of them; after "-" or "not",
            a tag that results should have little of.
        n, filters, duplicates, taste
            See `like`.

        Returns
        -------
        list of Hit
            `similarity` is the cosine, -1 to 1, between the standardised tags of a track and
            those requested.

        Examples
        --------
        >>> hits = lib.like_tags(["calm", "piano", "-vocals"], n=5)  # doctest: +SKIP
        """
        ranking = rank_by_tags(self._store, tags)
        excluded = skipped_ids(self._store) if taste else ()
        return select_hits(
            self._store, ranking, [], n, filters, duplicates=duplicates, excluded=excluded
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
        """Find similar artists, albums or genres, by the centroids of their tracks.

        Parameters
        ----------
        queries : str, int or Path
            Names of artists, albums or genres; or queries for tracks, which stand for their
            artists, albums or genres.
        kind : {"artist", "album", "genre"}
            What to search for.
        n, space, metric
            See `like`.
        min_tracks : int
            Minimum number of tracks of a result.

        Examples
        --------
        >>> hits = lib.similar_groups("Erik Satie", kind="artist", n=3)  # doctest: +SKIP
        >>> [hit.name for hit in hits]  # doctest: +SKIP
        ['Claude Debussy', 'Maurice Ravel', 'Frédéric Chopin']
        """
        return similar_groups(
            self._store,
            self._query_set(queries),
            kind,
            n=n,
            space=space or self.default_space(),
            metric=metric,
            min_tracks=min_tracks,
        )

    # ---- inspection ----------------------------------------------------------------------

    def tracks(self, words: str = "", filters: Filters | None = None) -> list[Track]:
        """List tracks, missing ones included, in order of id.

        Parameters
        ----------
        words : str
            Words that all must be in a track's title, artist or album.
        filters : Filters, optional
            Conditions on the tracks.

        Examples
        --------
        >>> [track.tags.title for track in lib.tracks("satie")]  # doctest: +SKIP
        ['Gymnopédie No. 1', 'Gnossienne No. 3']
        """
        return list_tracks(self._store, words, filters or Filters())

    def find(self, query: Query) -> list[Track]:
        """Find the tracks of the library that a query names.

        Examples
        --------
        >>> lib.find("Für Elise")[0].id  # doctest: +SKIP
        17
        """
        return find_tracks(self._store, query)

    def describe(self, query: Query) -> list[Description]:
        """Describe tracks, or a file that need not be in the library.

        Examples
        --------
        >>> lib.describe("song.mp3")[0].track.facts["tempo_bpm"]  # doctest: +SKIP
        124.0
        """
        resolved = resolve(self._store, query)
        if isinstance(resolved, Path):
            from segue.ingest.analysis import describe_file  # imports the networks

            return [describe_file(resolved)]
        return track_descriptions(self._store, resolved)

    def listens(self) -> "ListensSummary":
        """Summarise the imported listens, also of tracks that are not in the library.

        Examples
        --------
        >>> summary = lib.listens()  # doctest: +SKIP
        """
        return self._store.listens.summary()

    def failures(self) -> list[Failure]:
        """List the files that could not be added, with reasons.

        Examples
        --------
        >>> [(failure.path.name, failure.reason) for failure in lib.failures()]  # doctest: +SKIP
        """
        return self._store.files.failures()

    def spaces(self) -> list[SpaceInfo]:
        """List the embedding spaces.

        Examples
        --------
        >>> [(info.space.name, info.tracks) for info in lib.spaces()]  # doctest: +SKIP
        [('sound', 1204), ('tags', 1204), ('features', 1204)]
        """
        return self._store.spaces.known()

    def kinds(self) -> dict[Medium, int]:
        """Count the tracks of each kind of music in the library.

        Examples
        --------
        >>> lib.kinds()  # doctest: +SKIP
        {'sound': 1204, 'score': 57}
        """
        return self._store.kinds()

    def kind(self, *queries: Query) -> Medium:
        """Return the kind of music of queries.

        Raises
        ------
        BadArgument
            The queries are of several kinds.

        Examples
        --------
        >>> lib.kind("sonata.mid")  # doctest: +SKIP
        'score'
        """
        return self._query_set(queries).kind

    def contains(self, query: Query) -> bool:
        """Return whether a query names tracks of the library, rather than a file outside it.

        Examples
        --------
        >>> lib.contains("song.mp3")  # doctest: +SKIP
        False
        """
        return not isinstance(resolve(self._store, query), Path)

    def default_space(self, *queries: Query, minus: Sequence[Query] = ()) -> str:
        """Return the space that is searched by default.

        Parameters
        ----------
        queries : str, int or Path
            Queries; without any, the space for the library as a whole.
        minus : sequence of str, int or Path
            Negative queries.

        Examples
        --------
        >>> lib.default_space("song.mp3")  # doctest: +SKIP
        'sound'
        """
        if queries:
            return default_space(self._query_set(queries, minus))
        return default_space_of_library(self._store)

    def _query_set(
        self, queries: Sequence[Query], minus: Sequence[Query] = (), at: Span | None = None
    ) -> QuerySet:
        return QuerySet(self._store, queries, minus, at, LibraryFileReader(self._store))

    def vectors(self, space: str | None = None) -> tuple[NDArray[np.int64], FloatArray]:
        """Return the embeddings of all tracks of a space.

        Returns
        -------
        ids : ndarray, shape (n,), int64
            Track ids, ascending.
        vectors : ndarray, shape (n, dimension), float32
            Embeddings.

        Examples
        --------
        >>> ids, vectors = lib.vectors("sound")  # doctest: +SKIP
        >>> vectors.shape  # doctest: +SKIP
        (1204, 256)
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
    ) -> "dict[str, RetrievalMetrics]":
        """Measure for each space how often nearest neighbours share an album, artist or genre.

        Parameters
        ----------
        by : {"album", "artist", "genre"}
            Label that makes a neighbour relevant.
        artist_filter : bool
            Retrieve only tracks by other artists than the query's.
        metric : {"cosine", "euclidean"}
            Metric of the space.
        seed : int
            Seed of the order of ties and of the sample of queries.
        all_sounds : bool
            Include recordings that are not music: speech, noise, and those shorter than 10 s.

        Returns
        -------
        dict of str to RetrievalMetrics
            Retrieval metrics by name of the space.

        Examples
        --------
        >>> lib.evaluate(by="artist", artist_filter=False)["sound"]  # doctest: +SKIP
        """
        from segue.search.groups import evaluate_spaces

        return evaluate_spaces(
            self._store,
            by,
            artist_filter=artist_filter,
            metric=metric,
            seed=seed,
            all_sounds=all_sounds,
        )

    # ---- parts ---------------------------------------------------------------------------

    @property
    def atlas(self) -> "Atlas":
        """The library as a whole: maps, clusters, dendrogram, duplicates, outliers."""
        from segue.library.exploring import Atlas

        return Atlas(self._store)

    @property
    def journeys(self) -> "Journeys":
        """Paths between tracks, and playlists."""
        from segue.library.exploring import Journeys

        return Journeys(self._store)

    @property
    def scores(self) -> "Scores":
        """Scores: read, sampled from a space, reconstructed, composed."""
        from segue.library.scores import Scores

        return Scores(self._store)

    @property
    def lyrics(self) -> "Songbook":
        """Lyrics: searched, read and generated."""
        from segue.library.lyrics import Songbook

        return Songbook(self._store)

    @property
    def learning(self) -> "Learning":
        """Training of spaces and models from the library, and what they encode."""
        from segue.library.learning import Learning

        return Learning(self._store, partial(duplicate_map, self._store))

    @property
    def file_tags(self) -> "FileTags":
        """Tags in the files: tempo, key and mood written into them, and undone."""
        from segue.ingest.tag_writing import FileTags

        return FileTags(self._store)

    @property
    def taste(self) -> Taste:
        """Loved and skipped tracks, which `like` and playlists take into account."""
        return Taste(self._store)

    # ---- maintenance ---------------------------------------------------------------------

    def remove(self, queries: Sequence[Query]) -> list[Track]:
        """Remove tracks from the library; their files are left alone.

        They are not added again with their folder, see `add`.

        Examples
        --------
        >>> removed = lib.remove(["album:nexuiz"])  # doctest: +SKIP
        """
        tracks = [track for query in queries for track in self.find(query)]
        with self._store.writing(), self._store.transaction():
            self._store.removed.add(track.id for track in tracks)
            self._store.remove_tracks(track.id for track in tracks)
        return tracks

    def prune(self, *, really: bool = False) -> Pruned:
        """Remove the tracks whose files are missing.

        Parameters
        ----------
        really : bool
            Prune even if more than half of the library is missing.

        Raises
        ------
        BadArgument
            More than half of the tracks are missing, as when a disk is not connected.

        Examples
        --------
        >>> lib.prune().kept  # doctest: +SKIP
        1201
        """
        from segue.ingest.survey import prune

        return prune(self._store, really=really)

"""The library as a whole: maps, clusters, dendrogram, duplicates, outliers; paths and playlists."""

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np

from segue.deprecation import RenamedAttributes, renamed_arguments
from segue.errors import BadArgument
from segue.explore.clusters import (
    Clustering,
    Dendrogram,
    Level,
    Method,
    build_dendrogram,
    cluster_tracks,
)
from segue.explore.maps import (
    StageWatcher,
    colour_by,
    compute_map,
    latest_map,
    save_map,
    update_map,
)
from segue.explore.outliers import (
    DuplicatePair,
    Outlier,
    SameTune,
    find_duplicates,
    find_outliers,
    find_same_tunes,
)
from segue.explore.path import TrackPath, find_path
from segue.explore.playlist import PlaylistItem, PlaylistOptions, make_playlist
from segue.explore.projection import ProjectionOptions
from segue.explore.version_identification import VersionReport, find_versions
from segue.search.filters import Filters, non_music_ids, representative_mask
from segue.search.neighbours import Watcher
from segue.search.query import (
    Query,
    QuerySet,
    default_space_of_library,
    default_space_of_tracks,
    find_track,
)
from segue.search.taste import apply_taste, skipped_ids
from segue.search.text_query import rank_queries, read_queries
from segue.store import Store
from segue.store.spaces import StoredMap
from segue.training.embedding import LibraryFileReader


class Atlas(RenamedAttributes):
    """The library as a whole; `segue.Library.atlas`.

    The methods `groups`, `tree` and `twins` of version 0.1 are now called `clusters`, `dendrogram`
    and `duplicates`; the old names work for one more release, as does the argument ``wanted`` of
    `map`, now ``options``.

    In all methods, `space` is the name of an embedding space, by default that of the kind of music
    with the most tracks in the library, and `all_sounds` includes recordings that are not music:
    speech, noise, and those shorter than 10 s. Of several copies of a recording, one is counted.

    Parameters
    ----------
    store : Store
        Database of the library.
    """

    _renamed: ClassVar[dict[str, str]] = {
        "groups": "clusters",
        "tree": "dendrogram",
        "twins": "duplicates",
    }

    def __init__(self, store: Store) -> None:
        self._store = store

    @renamed_arguments(wanted="options")
    def map(
        self,
        space: str | None = None,
        options: ProjectionOptions | None = None,
        *,
        update: bool = False,
        all_sounds: bool = False,
        watch: StageWatcher | None = None,
    ) -> StoredMap:
        """Project the tracks to two dimensions, and store the map.

        Parameters
        ----------
        space : str, optional
            Embedding space.
        options : ProjectionOptions, optional
            Method and its parameters; by default chosen by the number of tracks.
        update : bool
            Add new tracks to the stored map, and move none.
        all_sounds : bool
            Include recordings that are not music.
        watch : callable, optional
            Called with the stage ("neighbours", "layout"), the amount done and the total amount.

        Returns
        -------
        StoredMap
            Positions of one copy of each recording; all tracks are on the stored map.

        Examples
        --------
        >>> library_map = lib.atlas.map("sound")  # doctest: +SKIP
        >>> library_map.points.shape  # doctest: +SKIP
        (1204, 2)
        """
        options, space = options or ProjectionOptions(), space or self._default_space()
        if update:
            library_map = update_map(self._store, space, options)
        else:
            library_map = compute_map(self._store, space, options, watch)
        mask = representative_mask(self._store, library_map.ids, all_sounds=all_sounds)
        return replace(library_map, ids=library_map.ids[mask], points=library_map.points[mask])

    @renamed_arguments(found="library_map")
    def draw(
        self,
        library_map: StoredMap,
        target: str | Path,
        colour: str = "group",
        *,
        embed_previews: bool = False,
        seed: int = 0,
        watch: StageWatcher | None = None,
    ) -> None:
        """Write a map as an HTML page (.html) or a figure (.png, .svg, .pdf).

        Parameters
        ----------
        library_map : StoredMap
            Map from `map`.
        target : str or Path
            Path of the output file.
        colour : str
            "artist", "album", "genre", "year", "group" (clusters), or "tag:" and a tag, as in
            "tag:ambient".
        embed_previews : bool
            Embed five seconds of each track in the page.
        seed : int
            Seed of the clustering.
        watch : callable, optional
            Called with the stage ("groups", "previews"), the amount done and the total amount.

        Raises
        ------
        BadArgument
            There is no such colour, the file cannot be written, or tracks of the map are no
            longer in the library.

        Examples
        --------
        >>> lib.atlas.draw(lib.atlas.map(), "map.html", colour="genre")  # doctest: +SKIP
        """
        from segue.ingest.cache import previews  # imports the decoders

        spaces = self._store.spaces
        present = np.isin(library_map.ids, spaces.matrix(library_map.space).ids)
        if not present.all() or library_map.changes != spaces.identity(library_map.space)[1]:
            raise BadArgument("the library changed since this map was made; make it again")
        tracks = self._store.tracks(library_map.ids.tolist())
        if watch:
            watch("groups", 0, len(tracks))
        colouring = colour_by(self._store, library_map.space, colour, tracks, seed=seed)
        sounds = None
        if embed_previews:
            watch_previews = partial(watch, "previews") if watch else None
            sounds = previews(tracks, workers=os.cpu_count() or 1, watch=watch_previews)
        save_map(self._store, library_map, tracks, colouring, Path(target), sounds)

    def clusters(
        self,
        space: str | None = None,
        method: Method = "kmeans",
        k: int | None = None,
        *,
        on: str = "space",
        seed: int = 0,
        all_sounds: bool = False,
    ) -> Clustering:
        """Cluster the tracks of the library.

        Parameters
        ----------
        space : str, optional
            Embedding space.
        method : {"kmeans", "hdbscan", "agglomerative"}
            Clustering algorithm.
        k : int, optional
            Number of clusters; by default selected by silhouette and stability.
        on : {"space", "plane"}
            Cluster the embeddings, or the positions on the latest map.
        seed : int
            Random seed.
        all_sounds : bool
            Include recordings that are not music.

        Examples
        --------
        >>> [cluster.name for cluster in lib.atlas.clusters(k=3).clusters]  # doctest: +SKIP
        ['ambient, chillout', 'metal, hard rock', 'jazz, instrumental']
        """
        space = space or self._default_space()
        if on not in ("space", "plane"):
            raise BadArgument(f"groups are found on the space or on the plane, not on {on!r}")
        if on == "plane":
            library_map = latest_map(self._store, space)
            ids, points = library_map.ids, library_map.points
        else:
            matrix = self._store.spaces.matrix(space)
            ids, points = matrix.ids, np.asarray(matrix.unit)
        mask = representative_mask(self._store, ids, all_sounds=all_sounds, at_least=3)
        return cluster_tracks(self._store, ids[mask], points[mask], method, k, seed=seed)

    def dendrogram(
        self,
        space: str | None = None,
        level: Level = "track",
        *,
        min_tracks: int = 1,
        all_sounds: bool = False,
    ) -> Dendrogram:
        """Build a dendrogram by average linkage (UPGMA).

        Parameters
        ----------
        space : str, optional
            Embedding space.
        level : {"track", "artist", "album"}
            Items at the leaves.
        min_tracks : int
            Minimum number of tracks of an artist or album.
        all_sounds : bool
            Include recordings that are not music.

        Examples
        --------
        >>> lib.atlas.dendrogram(level="artist", min_tracks=3).labels[:2]  # doctest: +SKIP
        ('Erik Satie (12)', 'Claude Debussy (8)')
        """
        return build_dendrogram(
            self._store,
            space or self._default_space(),
            level,
            min_tracks=min_tracks,
            all_sounds=all_sounds,
        )

    def duplicates(self) -> list[DuplicatePair]:
        """Find pairs of files of the same recording, the most certain first.

        Examples
        --------
        >>> for pair in lib.atlas.duplicates():  # doctest: +SKIP
        ...     print(f"{pair.similarity:.2f}", pair.first.path, pair.second.path)
        """
        return find_duplicates(self._store)

    def same_tunes(self) -> list[SameTune]:
        """Find pairs of scores that are likely of one tune.

        Examples
        --------
        >>> pairs = lib.atlas.same_tunes()  # doctest: +SKIP
        """
        return find_same_tunes(self._store)

    @renamed_arguments(same="duplicates")
    def versions(
        self,
        duplicates: Sequence[DuplicatePair] = (),
        *,
        read: Watcher | None = None,
        compared: Watcher | None = None,
    ) -> VersionReport:
        """Find pairs of recordings that are likely versions of one piece (cover songs).

        Versions may differ in key, tempo, instruments and performers. Each file is decoded once;
        its features are cached.

        Parameters
        ----------
        duplicates : sequence of DuplicatePair
            Pairs from `duplicates`, which are left out.
        read, compared : callable, optional
            Called with the number of files read, and of tracks compared, and the total number.

        Examples
        --------
        >>> report = lib.atlas.versions(lib.atlas.duplicates())  # doctest: +SKIP
        >>> [(pair.first.id, pair.second.id) for pair in report.pairs]  # doctest: +SKIP
        """
        excluded = {frozenset((pair.first.id, pair.second.id)) for pair in duplicates}
        return find_versions(self._store, excluded, read, compared)

    def outliers(
        self, n: int = 10, *, space: str | None = None, all_sounds: bool = False
    ) -> list[Outlier]:
        """Find the tracks that are least similar to any other.

        Parameters
        ----------
        n : int
            Maximum number of outliers, at least 1.
        space : str, optional
            Embedding space.
        all_sounds : bool
            Include recordings that are not music.

        Examples
        --------
        >>> [outlier.track.tags.title for outlier in lib.atlas.outliers(3)]  # doctest: +SKIP
        """
        return find_outliers(self._store, space or self._default_space(), n, all_sounds=all_sounds)

    def _default_space(self) -> str:
        return default_space_of_library(self._store)


class Journeys:
    """Paths between tracks, and playlists; `segue.Library.journeys`.

    The argument ``wish`` of `playlist` is now called ``options``; the old name works for one more
    release.

    Parameters
    ----------
    store : Store
        Database of the library.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def path(
        self,
        start: Query,
        goal: Query,
        n: int = 20,
        *,
        space: str | None = None,
        taste: bool = True,
        all_sounds: bool = False,
    ) -> TrackPath:
        """Find a path in small steps from one track to another.

        Parameters
        ----------
        start, goal : str, int or Path
            Queries that each name one track of the library.
        n : int
            Number of tracks, including both ends.
        space : str, optional
            Embedding space; by default the one for the kind of music of the queries.
        taste : bool
            Avoid skipped tracks.
        all_sounds : bool
            Include recordings that are not music.

        Examples
        --------
        >>> path = lib.journeys.path("Für Elise", "Ace of Spades", n=8)  # doctest: +SKIP
        >>> [track.tags.title for track in path.tracks]  # doctest: +SKIP
        """
        ends = find_track(self._store, start), find_track(self._store, goal)
        space = space or default_space_of_tracks(self._store, ends)
        skipped = skipped_ids(self._store) if taste else ()
        non_music = () if all_sounds else non_music_ids(self._store)
        return find_path(self._store, space, *ends, n, skipped, non_music)

    @renamed_arguments(wish="options")
    def playlist(
        self,
        *queries: Query,
        options: PlaylistOptions | None = None,
        space: str | None = None,
        filters: Filters | None = None,
        taste: bool = True,
        watch: Watcher | None = None,
    ) -> list[PlaylistItem]:
        """Make a playlist of tracks similar to the queries.

        Parameters
        ----------
        queries : str, int or Path
            Tracks, files or descriptions, see `segue.Library.like`.
        options : PlaylistOptions, optional
            Length, order, randomness; by default 30 tracks in a smooth order.
        space : str, optional
            Embedding space; by default the one for the kind of music of the queries.
        filters : Filters, optional
            Conditions on the tracks.
        taste : bool
            Leave out skipped tracks, and prefer tracks close to loved ones.
        watch : callable, optional
            Called with the number of files read to find versions of one piece, and the total.

        Examples
        --------
        >>> from segue.explore.playlist import PlaylistOptions
        >>> options = PlaylistOptions(minutes=60, flow="rise")
        >>> for item in lib.journeys.playlist("Für Elise", options=options):  # doctest: +SKIP
        ...     print(item.track.tags.title)
        """
        reading = read_queries(self._store, queries)
        query_set = QuerySet(self._store, reading.names, files=LibraryFileReader(self._store))
        ranking = rank_queries(self._store, reading.description, query_set, space)
        if taste:
            ranking = apply_taste(self._store, ranking)
        return make_playlist(
            self._store,
            ranking,
            query_set.tracks,
            options or PlaylistOptions(),
            filters,
            skipped_ids(self._store) if taste else (),
            watch,
        )

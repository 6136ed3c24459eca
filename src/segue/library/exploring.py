"""The library as a whole: maps, clusters, duplicates; paths and playlists.

A library seen as a whole: its map, groups and tree, what is there twice, what stands apart.

Ways through a library: paths from one track to another, and playlists that flow.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from segue.errors import BadArgument
from segue.explore.clusters import Clustering, Method, cluster_tracks
from segue.explore.covers import VersionReport, find_versions
from segue.explore.dendrogram import Dendrogram, Level, build_dendrogram
from segue.explore.drawing import colour_by, save_map
from segue.explore.maps import StageWatcher, compute_map, latest_map, update_map
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
from segue.search.duplicates import representative_mask
from segue.search.filters import Filters
from segue.search.neighbours import Watcher
from segue.search.query import find_track
from segue.search.query_set import (
    Query,
    QuerySet,
    default_space_of_library,
    default_space_of_tracks,
)
from segue.search.separate_queries import rank_interleaved
from segue.search.taste import apply_taste, skipped_ids
from segue.search.track_checks import non_music_ids
from segue.store import Store
from segue.store.spaces import LibraryMap
from segue.training.embedding import FileEmbedder

# --- atlas ---


class Atlas:
    """A library seen as a whole; `segue.Library.atlas`.

    Parameters
    ----------
    store : Store
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def map(
        self,
        space: str | None = None,
        wanted: ProjectionOptions | None = None,
        *,
        update: bool = False,
        all_sounds: bool = False,
        watch: StageWatcher | None = None,
    ) -> LibraryMap:
        """Put the tracks on a plane, and remember it.

        Every track has its place there; returned is one of each recording.

        Parameters
        ----------
        space : str, optional
            Else the usual one of the kind of music that there is most of.
        wanted : Wanted, optional
            The method and its numbers; else chosen by the number of tracks.
        update : bool
            Place new tracks on the remembered map, and move none.
        all_sounds : bool
            Also speech, noise, and what lasts less than 10 s.
        watch : callable, optional
            Called with the stage ("neighbours", "layout"), how much of it is done, and of how
            much.
        """
        wanted, space = (
            wanted or ProjectionOptions(),
            space or default_space_of_library(self._store),
        )
        if update:
            found = update_map(self._store, space, wanted)
        else:
            found = compute_map(self._store, space, wanted, watch)
        kept = representative_mask(self._store, found.ids, all_sounds=all_sounds)
        return replace(found, ids=found.ids[kept], points=found.points[kept])

    def draw(
        self,
        found: LibraryMap,
        target: str | Path,
        colour: str = "group",
        *,
        embed_previews: bool = False,
        seed: int = 0,
        watch: StageWatcher | None = None,
    ) -> None:
        """Write a map as a page (.html) or a picture (.png, .svg, .pdf).

        Parameters
        ----------
        found : LibraryMap
        target : str or Path
        colour : str
            "artist", "album", "genre", "year", "group", or "tag:ambient" and the like.
        embed_previews : bool
            Put five seconds of each track into the page.
        seed : int
            Of the groups.
        watch : callable, optional
            Called with the stage ("groups", "previews"), how much of it is done, and of how
            much.

        Raises
        ------
        BadArgument
            There is nothing of that colour, the file cannot be written, or tracks of the map
            are no longer in the library.
        """
        from segue.ingest.cache import previews  # brings in the decoders

        spaces = self._store.spaces
        there = np.isin(found.ids, spaces.matrix(found.space).ids)
        if not there.all() or found.changes != spaces.identity(found.space)[1]:
            raise BadArgument("the library changed since this map was made; make it again")
        tracks = self._store.tracks(found.ids.tolist())
        if watch:
            watch("groups", 0, len(tracks))
        colouring = colour_by(self._store, found.space, colour, tracks, seed=seed)
        workers = os.cpu_count() or 1
        cutting = partial(watch, "previews") if watch else None
        sounds = previews(tracks, workers=workers, watch=cutting) if embed_previews else None
        save_map(self._store, found, tracks, colouring, Path(target), sounds)

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
        """Divide the library into groups of tracks that lie together, one of each recording.

        Parameters
        ----------
        space : str, optional
            Else the usual one of the kind of music that there is most of.
        method : {"kmeans", "hdbscan", "agglomerative"}
        k : int, optional
            How many; else as many as fit best.
        on : {"space", "plane"}
            Where: in the space itself, or on the map of it that was made last.
        seed : int
        all_sounds : bool
            Also speech, noise, and what lasts less than 10 s.
        """
        space = space or default_space_of_library(self._store)
        if on not in ("space", "plane"):
            raise BadArgument(f"groups are found on the space or on the plane, not on {on!r}")
        if on == "plane":
            found = latest_map(self._store, space)
            ids, points = found.ids, found.points
        else:
            matrix = self._store.spaces.matrix(space)
            ids, points = matrix.ids, np.asarray(matrix.unit)
        kept = representative_mask(self._store, ids, all_sounds=all_sounds, at_least=3)
        return cluster_tracks(self._store, ids[kept], points[kept], method, k, seed=seed)

    def dendrogram(
        self,
        space: str | None = None,
        level: Level = "track",
        *,
        min_tracks: int = 1,
        all_sounds: bool = False,
    ) -> Dendrogram:
        """Join the library to a tree, what is alike first.

        Parameters
        ----------
        space : str, optional
            Else the usual one of the kind of music that there is most of.
        level : {"track", "artist", "album"}
        min_tracks : int
            Leave out artists or albums of fewer.
        all_sounds : bool
            Also tracks that are no music.
        """
        space = space or default_space_of_library(self._store)
        return build_dendrogram(
            self._store, space, level, min_tracks=min_tracks, all_sounds=all_sounds
        )

    def duplicates(self) -> list[DuplicatePair]:
        """Find the pairs of files that hold one recording, the surest first."""
        return find_duplicates(self._store)

    def same_tunes(self) -> list[SameTune]:
        """Find the pairs of scores that are likely of one tune."""
        return find_same_tunes(self._store)

    def versions(
        self,
        same: Sequence[DuplicatePair] = (),
        *,
        read: Watcher | None = None,
        compared: Watcher | None = None,
    ) -> VersionReport:
        """Find pairs of recordings that are likely versions of one piece.

        In another key or tempo, by other instruments or other players. Every file is decoded
        for it once; what is found of it is kept.

        Parameters
        ----------
        same : sequence of Twin
            What `twins` found: those pairs are left out.
        read, compared : callable, optional
            Told how many files are read, and how many tracks compared, of how many.
        """
        pairs = {frozenset((twin.first.id, twin.second.id)) for twin in same}
        return find_versions(self._store, pairs, read, compared)

    def outliers(
        self, n: int = 10, *, space: str | None = None, all_sounds: bool = False
    ) -> list[Outlier]:
        """Find the tracks that are least like any other; music alone, unless `all_sounds`."""
        space = space or default_space_of_library(self._store)
        return find_outliers(self._store, space, n, all_sounds=all_sounds)


# --- journeys ---


class Journeys:
    """Ways through a library; `segue.Library.journeys`.

    Parameters
    ----------
    store : Store
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
        """Find a journey in small steps from one track to another.

        Parameters
        ----------
        start, goal : str, int or Path
            Each names one track of the library.
        n : int
            How many tracks, both ends counted.
        space : str, optional
            Else the usual one of the kind of music that is asked with.
        taste : bool
            Pass by what is skipped.
        all_sounds : bool
            By way of what is no music, too: speech, noise, and what lasts less than 10 s.
        """
        ends = find_track(self._store, start), find_track(self._store, goal)
        space = space or default_space_of_tracks(self._store, ends)
        unwanted = skipped_ids(self._store) if taste else ()
        left_out = () if all_sounds else non_music_ids(self._store)
        return find_path(self._store, space, *ends, n, unwanted, left_out)

    def playlist(
        self,
        *queries: Query,
        options: PlaylistOptions | None = None,
        space: str | None = None,
        filters: Filters | None = None,
        taste: bool = True,
        watch: Watcher | None = None,
    ) -> list[PlaylistItem]:
        """Make a playlist of what is like some tracks.

        Parameters
        ----------
        queries : str, int or Path
        options : Wish, optional
            How long, in what order, how surprising; else 30 tracks in small steps.
        space : str, optional
            Else the usual one of the kind of music that is asked with.
        filters : Filters, optional
        taste : bool
            Leave out what is skipped; lean towards what is loved, and away from what is skipped.
        watch : callable, optional
            Told how many files are read, of how many, to find versions of one piece.
        """
        query_set = QuerySet(self._store, queries, embed=FileEmbedder(self._store))
        ranking = rank_interleaved(self._store, query_set, space)
        if taste:
            ranking = apply_taste(self._store, ranking)
        unwanted = skipped_ids(self._store) if taste else ()
        return make_playlist(
            self._store,
            ranking,
            query_set.tracks,
            options or PlaylistOptions(),
            filters,
            unwanted,
            watch,
        )

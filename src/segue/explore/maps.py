"""Maps of a library: computed, stored and updated, and drawn as figures and HTML pages."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.builtin_spaces import MUSICNN_TAGS
from segue.errors import BadArgument, LibraryBusy, LibraryReadOnly, NotFound, NothingToMeasure
from segue.evaluation.projection import trustworthiness_continuity
from segue.explore.clusters import cluster_names, track_traits
from segue.explore.projection import (
    Projection,
    ProjectionOptions,
    choose_projection,
    neighbours_needed,
    project,
    project_new,
)
from segue.records import FloatArray, Track
from segue.render import FIGURE_SUFFIXES, PAGE_SUFFIXES
from segue.render.map_plots import OTHER, Colouring, draw_map
from segue.render.pages import write_map_page
from segue.search.descriptions import tag_column
from segue.search.filters import CANDIDATE_NEIGHBOURS, duplicate_map
from segue.search.neighbours import by_corrected_rank, hubness_corrections, nearest_neighbours
from segue.store import Store
from segue.store.spaces import Matrix, StoredMap
from segue.text import normalise, split_genres

NAME_FIELDS: Final = ("artist", "album", "genre")
#: Maximum number of names with a colour of their own; more cannot be distinguished.
MAX_NAMES: Final = 11
#: Number of nearest neighbours of a track on the page of a map.
N_NEIGHBOURS: Final = 10
MAP_SUFFIXES: Final = (*PAGE_SUFFIXES, *FIGURE_SUFFIXES)
WARNING: Final = "Distances between distant groups and the sizes of groups mean nothing."
_TAG: Final = "tag:"
_METHODS: Final = {"nerv": "NeRV", "umap": "UMAP", "tsne": "t-SNE", "pca": "main directions (PCA)"}
#: Words for a trustworthiness or continuity from a value on; 0.5 is chance.
_ADVERBS: Final = ((0.95, "nearly always"), (0.85, "mostly"), (0.75, "often"), (-1.0, "sometimes"))

#: Called with the stage ("neighbours", "layout"), the amount done and the total amount.
StageWatcher = Callable[[str, int, int], None]


def compute_map(
    store: Store, space: str, options: ProjectionOptions, watch: StageWatcher | None = None
) -> StoredMap:
    """Compute a map and store it; a stored one with the same parameters is returned.

    Raises
    ------
    NotFound
        There is no such space, or the library is empty.
    """
    matrix = _matrix(store, space)
    projection = choose_projection(len(matrix.ids), options)
    parameters = projection.parameters()
    space_id, changes = store.spaces.identity(space)
    stored = store.maps.find(space_id, space, projection.method)
    if (
        stored is not None
        and (stored.parameters, stored.changes) == (parameters, changes)
        and np.array_equal(stored.ids, matrix.ids)
    ):
        return stored
    points = _project(store, space, matrix, projection, watch)
    library_map = StoredMap(
        space, projection.method, parameters, changes, None, None, matrix.ids, points
    )
    return _measure_and_store(store, space_id, library_map, matrix)


def update_map(store: Store, space: str, options: ProjectionOptions) -> StoredMap:
    """Add the tracks that a stored map lacks; the others keep their positions.

    Raises
    ------
    BadArgument
        There is no map to update, or it should have other parameters.
    """
    method = options.method
    if options != ProjectionOptions(method):
        raise BadArgument("--update keeps the options of the map: give no numbers with it")
    matrix = _matrix(store, space)
    space_id, changes = store.spaces.identity(space)
    methods = store.maps.methods(space_id)
    if not methods or (method and method not in methods):
        raise BadArgument(
            f"there is no map of the space {space!r} to update yet; make one with "
            f"`segue map --space {space}`"
        )
    stored = store.maps.find(space_id, space, method or methods[-1])
    assert stored is not None  # noqa: S101 (its method was listed)
    if stored.changes == changes and np.array_equal(stored.ids, matrix.ids):
        return stored
    unit = np.asarray(matrix.unit)
    known = np.isin(matrix.ids, stored.ids)
    if not known.any():
        raise BadArgument(
            f"none of the tracks on the map of {space!r} is in the library any more; make a "
            f"new one with `segue map --space {space}`"
        )
    points = np.zeros((len(unit), 2), np.float32)
    points[known] = stored.points[np.searchsorted(stored.ids, matrix.ids[known])]
    if not known.all():
        points[~known] = project_new(unit[~known], unit[known], points[known])
    added = int((~known).sum())
    updated = replace(stored, changes=changes, ids=matrix.ids, points=points, placed=added)
    return _measure_and_store(store, space_id, updated, matrix)


def latest_map(store: Store, space: str) -> StoredMap:
    """Return the latest map of a space, updated; if there is none, compute one."""
    space_id, _ = store.spaces.identity(space)
    if store.maps.methods(space_id):
        return update_map(store, space, ProjectionOptions())
    return compute_map(store, space, ProjectionOptions())


def _matrix(store: Store, space: str) -> Matrix:
    matrix = store.spaces.matrix(space)
    if not len(matrix.ids):
        raise NotFound("this library is empty; fill it with `segue add FOLDER`")
    return matrix


def _project(
    store: Store, space: str, matrix: Matrix, projection: Projection, watch: StageWatcher | None
) -> FloatArray:
    k = neighbours_needed(projection)
    watch_neighbours, watch_layout = (
        partial(watch, stage) if watch else None for stage in ("neighbours", "layout")
    )
    near = (
        nearest_neighbours(store, space, k, watch_neighbours) if k and len(matrix.ids) > 1 else None
    )
    return project(np.asarray(matrix.unit), near, projection, watch_layout)


def _measure_and_store(
    store: Store, space_id: int, library_map: StoredMap, matrix: Matrix
) -> StoredMap:
    """Measure trustworthiness and continuity of a map, and store it."""
    library_map = replace(library_map, trustworthiness=None, continuity=None)
    with suppress(NothingToMeasure):
        quality = trustworthiness_continuity(np.asarray(matrix.unit), library_map.points)
        library_map = replace(
            library_map, trustworthiness=quality.trustworthiness, continuity=quality.continuity
        )
    try:
        with store.writing(), store.transaction():
            store.maps.put(space_id, library_map)
    except (LibraryBusy, LibraryReadOnly):  # it can still be drawn
        return replace(library_map, remembered=False)
    return library_map


# --- colours and captions ---


def check_colour(by: str) -> None:
    """Check the name of a colouring, before anything is computed.

    Raises
    ------
    BadArgument
        There is no such colouring or tag.
    """
    if by.startswith(_TAG):
        tag_column(by.removeprefix(_TAG))
    elif by not in (*NAME_FIELDS, "year", "group"):
        raise BadArgument(
            f"a map cannot be coloured by {by!r}; by artist, album, genre, year, group, or "
            "tag:ambient and the like"
        )


def colour_by(
    store: Store, space: str, by: str, tracks: Sequence[Track], *, seed: int = 0
) -> Colouring:
    """Colour tracks by a field of their tags, by cluster, or by the strength of a tag.

    Parameters
    ----------
    space : str
        Embedding space of the clusters.
    by : str
        "artist", "album", "genre", "year", "group" (clusters), or "tag:" and a tag, as in
        "tag:ambient".
    tracks : sequence of Track
        Tracks in order of id.
    seed : int
        Random seed of the clustering.

    Raises
    ------
    BadArgument
        There is no such colouring or tag, or some tracks have no tags.
    """
    check_colour(by)
    if by in NAME_FIELDS:
        return _colour_by_name(by, [_name(track, by) for track in tracks])
    if by == "group":
        matrix = store.spaces.matrix(space)
        ids = np.array([track.id for track in tracks], np.int64)
        unit = np.asarray(matrix.unit)[np.searchsorted(matrix.ids, ids)]
        names, name_index = cluster_names(store, ids, unit, seed=seed)
        return Colouring("group", names, name_index, np.empty(0, np.float32))
    if by == "year":
        title, values = by, np.array([track.tags.year or np.nan for track in tracks], np.float32)
    else:
        column = tag_column(by.removeprefix(_TAG))
        if any(track.kind != "sound" for track in tracks):
            raise BadArgument(
                f"{by!r}: tags are heard in recordings; colour scores by group or genre"
            )
        known, strengths = store.spaces.vectors("tags")
        rows = np.searchsorted(known, [track.id for track in tracks])
        title, values = f"how {MUSICNN_TAGS[column]}", strengths[rows, column]
    return Colouring(title, (), np.empty(0, np.int64), np.asarray(values, np.float32))


def _name(track: Track, by: str) -> str:
    if by == "genre":
        return next(iter(split_genres(track.tags.genre)), "")
    return str(getattr(track.tags, by))


def _colour_by_name(title: str, names: Sequence[str]) -> Colouring:
    """Colour tracks by name, regardless of its spelling; the most common spelling is shown."""
    keys = [normalise(name) for name in names]
    common = [key for key, _ in Counter(key for key in keys if key).most_common()]
    if len(common) > MAX_NAMES + 1:
        common = common[:MAX_NAMES]
    spellings = [
        Counter(name for name, own in zip(names, keys, strict=True) if own == key) for key in common
    ]
    legend = [counts.most_common(1)[0][0] for counts in spellings]
    index = {key: number for number, key in enumerate(common)}
    other = len(common)
    name_index = np.array([index.get(key, other) if key else -1 for key in keys], np.int64)
    if (name_index == other).any():
        legend.append(OTHER)
    return Colouring(title, tuple(legend), name_index, np.empty(0, np.float32))


def map_caption(library_map: StoredMap) -> str:
    """Return the method of a map, and its trustworthiness and continuity in words."""
    n = len(library_map.ids)
    if library_map.trustworthiness is None or library_map.continuity is None:
        return f"too few tracks ({n}) to measure the trustworthiness of the map."
    trust, continuity = (
        next(adverb for lowest, adverb in _ADVERBS if value >= lowest)
        for value in (library_map.trustworthiness, library_map.continuity)
    )
    return (
        f"{n} tracks by {_METHODS[library_map.method]}: neighbours on the map are {trust} "
        f"similar, and similar tracks are {continuity} neighbours."
    )


def save_map(
    store: Store,
    library_map: StoredMap,
    tracks: Sequence[Track],
    colouring: Colouring,
    target: Path,
    previews: Mapping[int, bytes] | None = None,
) -> None:
    """Write a map as a page or figure, by the suffix of the file.

    Parameters
    ----------
    tracks : sequence of Track
        Tracks of the map, in its order.
    previews : mapping of int to bytes, optional
        Excerpts of tracks to embed in a page, see `segue.ingest.cache`.
    """
    title = f"{len(tracks):,} track{'s' * (len(tracks) != 1)} by {colouring.title}"
    caption = map_caption(library_map)
    if target.suffix.lower() in PAGE_SUFFIXES:
        neighbours, similarities = _nearest(store, library_map)
        write_map_page(
            tracks,
            library_map.points,
            neighbours,
            similarities,
            describe_tracks(store, tracks),
            colouring,
            target,
            title,
            f"{caption} {WARNING}",
            previews,
        )
    else:
        labels = [track.tags.title for track in tracks]
        caption = f"{caption}\n{WARNING}"
        draw_map(library_map.points, labels, colouring, target, title, caption)


def describe_tracks(store: Store, tracks: Sequence[Track], n: int = 3) -> list[list[str]]:
    """Return the strongest traits of each track, relative to these tracks."""
    traits = track_traits(store, tracks)
    strongest = np.argsort(-traits.strengths, axis=1, kind="stable")[:, :n]
    return [[traits.names[column] for column in row] for row in strongest.tolist()]


def _nearest(store: Store, library_map: StoredMap) -> tuple[NDArray[np.int32], FloatArray]:
    """Return rows and cosine similarities of each track's nearest neighbours on the map.

    They are ranked as in a search. Of several copies of a recording, one is a neighbour. Rows are
    -1 if there are no more.
    """
    n = len(library_map.ids)
    rows = np.full((n, min(N_NEIGHBOURS, max(n - 1, 0))), -1, np.int32)
    cosines = np.zeros(rows.shape, np.float32)
    if n < 2:
        return rows, cosines
    near = nearest_neighbours(store, library_map.space, CANDIDATE_NEIGHBOURS)
    matrix = store.spaces.matrix(library_map.space)
    near = by_corrected_rank(near, hubness_corrections(store, matrix))
    original = duplicate_map(store)
    row_of_id = {track: row for row, track in enumerate(library_map.ids.tolist())}
    # The row of each track, or of the copy that is on the map; -1 for those not on the map.
    map_rows = np.array([row_of_id.get(original.get(id_, id_), -1) for id_ in near.ids.tolist()])
    for row, near_row in enumerate(np.searchsorted(near.ids, library_map.ids).tolist()):
        taken = {row, -1}
        columns = []
        for column, other in enumerate(map_rows[near.rows[near_row]].tolist()):
            if other not in taken:
                taken.add(other)
                columns.append(column)
        columns = columns[: rows.shape[1]]
        rows[row, : len(columns)] = map_rows[near.rows[near_row, columns]]
        cosines[row, : len(columns)] = 1 - near.distances[near_row, columns] ** 2 / 2
    return rows, cosines

"""Maps of a library: computed, stored and updated."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial

import numpy as np

from segue.errors import BadArgument, LibraryBusy, LibraryReadOnly, NotFound, NothingToMeasure
from segue.evaluation.projection import trustworthiness_continuity
from segue.explore.projection import (
    Projection,
    ProjectionOptions,
    choose_projection,
    neighbours_needed,
    project,
    project_new,
)
from segue.records import FloatArray
from segue.search.neighbours import nearest_neighbours
from segue.store import Store
from segue.store.matrix import Matrix
from segue.store.spaces import StoredMap

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

"""Maps of a library: computed, saved, updated."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial

import numpy as np

from segue.errors import BadArgument, LibraryBusy, LibraryReadOnly, NotFound, NothingToMeasure
from segue.evaluation.projection import trust
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
from segue.store.spaces import LibraryMap

#: Called with the stage ("neighbours", "layout"), how much of it is done, and of how much.
StageWatcher = Callable[[str, int, int], None]


def compute_map(
    store: Store, space: str, options: ProjectionOptions, watch: StageWatcher | None = None
) -> LibraryMap:
    """Make a map and remember it; one that was made with the same settings is only read.

    Raises
    ------
    NotFound
        There is no such space, or the library is empty.
    """
    matrix = _matrix(store, space)
    layout = choose_projection(len(matrix.ids), options)
    number, changes = store.spaces.identity(space)
    there = store.maps.find(number, space, layout.method)
    same = there is not None and (there.parameters, there.changes) == (layout.parameters(), changes)
    if there is not None and same and np.array_equal(there.ids, matrix.ids):
        return there
    points = _points(store, space, matrix, layout, watch)
    made = LibraryMap(
        space, layout.method, layout.parameters(), changes, None, None, matrix.ids, points
    )
    return _keep(store, number, made, matrix)


def update_map(store: Store, space: str, options: ProjectionOptions) -> LibraryMap:
    """Place the tracks that a remembered map lacks; those on it stay where they are.

    Raises
    ------
    BadArgument
        There is no map to bring up to date, or it should be made otherwise.
    """
    method = options.method
    if options != ProjectionOptions(method):
        raise BadArgument("--update keeps the map as it was made: give no numbers with it")
    matrix = _matrix(store, space)
    number, changes = store.spaces.identity(space)
    made = store.maps.methods(number)
    if not made or (method and method not in made):
        raise BadArgument(
            f"there is no map of the space {space!r} to update yet; make one with "
            f"`segue map --space {space}`"
        )
    there = store.maps.find(number, space, method or made[-1])
    assert there is not None  # noqa: S101 (its method was listed)
    if there.changes == changes and np.array_equal(there.ids, matrix.ids):
        return there
    unit = np.asarray(matrix.unit)
    known = np.isin(matrix.ids, there.ids)
    at = np.searchsorted(there.ids, matrix.ids[known])
    if not known.any():
        raise BadArgument(
            f"none of the tracks on the map of {space!r} is in the library any more; make it "
            f"anew with `segue map --space {space}`"
        )
    points = np.zeros((len(unit), 2), np.float32)
    points[known] = there.points[at]
    if not known.all():
        points[~known] = project_new(unit[~known], unit[known], points[known])
    placed = int((~known).sum())
    filled = replace(there, changes=changes, ids=matrix.ids, points=points, placed=placed)
    return _keep(store, number, filled, matrix)


def latest_map(store: Store, space: str) -> LibraryMap:
    """Return the map of a space that was made last, brought up to date; else make one."""
    number, _ = store.spaces.identity(space)
    if store.maps.methods(number):
        return update_map(store, space, ProjectionOptions())
    return compute_map(store, space, ProjectionOptions())


def _matrix(store: Store, space: str) -> Matrix:
    matrix = store.spaces.matrix(space)
    if not len(matrix.ids):
        raise NotFound("this library is empty; fill it with `segue add FOLDER`")
    return matrix


def _points(
    store: Store, space: str, matrix: Matrix, layout: Projection, watch: StageWatcher | None
) -> FloatArray:
    needed = neighbours_needed(layout)
    first, then = (partial(watch, stage) if watch else None for stage in ("neighbours", "layout"))
    near = (
        nearest_neighbours(store, space, needed, first) if needed and len(matrix.ids) > 1 else None
    )
    return project(np.asarray(matrix.unit), near, layout, then)


def _keep(store: Store, number: int, made: LibraryMap, matrix: Matrix) -> LibraryMap:
    """Measure how far to trust a map, and remember it."""
    made = replace(made, trustworthiness=None, continuity=None)
    with suppress(NothingToMeasure):
        told = trust(np.asarray(matrix.unit), made.points)
        made = replace(made, trustworthiness=told.trustworthiness, continuity=told.continuity)
    try:
        with store.writing(), store.transaction():
            store.maps.put(number, made)
    except (LibraryBusy, LibraryReadOnly):  # it can be drawn all the same
        return replace(made, remembered=False)
    return made

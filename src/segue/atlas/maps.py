"""Maps of a library: made, remembered, brought up to date."""

from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from segue.atlas.planes import (
    Layout,
    Wanted,
    choose_layout,
    lay_out,
    neighbours_needed,
    place,
)
from segue.errors import BadArgument, NotFound, NothingToMeasure
from segue.measure.planes import trust
from segue.neighbours import Watcher, neighbours
from segue.records import FloatArray
from segue.store import Store
from segue.store.maps import StoredMap
from segue.store.matrix import Matrix


@dataclass(frozen=True, slots=True)
class LibraryMap:
    """Where the tracks of a library lie on a plane.

    Attributes
    ----------
    space : str
    method : str
        "umap", "tsne" or "pca".
    parameters : dict
        What it was made with.
    trustworthiness, continuity : float or None
        0 to 1, at ten neighbours; None where there are too few tracks to tell.
    ids : ndarray, shape (n,), int64
        Track ids, rising.
    points : ndarray, shape (n, 2), float32
    placed : int
        How many tracks were put on a map that was there, by this call.
    remembered : bool
        It was there, and nothing had to be computed.
    """

    space: str
    method: str
    parameters: dict[str, float | int | str]
    trustworthiness: float | None
    continuity: float | None
    ids: NDArray[np.int64]
    points: FloatArray
    placed: int = 0
    remembered: bool = False


def make_map(store: Store, space: str, wanted: Wanted, watch: Watcher | None = None) -> LibraryMap:
    """Make a map and remember it; one that was made with the same settings is only read.

    Raises
    ------
    NotFound
        There is no such space, or the library is empty.
    """
    matrix = _matrix(store, space)
    layout = choose_layout(len(matrix.ids), wanted)
    number, changes = store.spaces.identity(space)
    there = store.maps.find(number, layout.method)
    same = there is not None and (there.parameters, there.changes) == (layout.told(), changes)
    if there is not None and same and np.array_equal(there.ids, matrix.ids):
        return _shown(space, there, remembered=True)
    points = _points(store, space, matrix, layout, watch)
    return _keep(store, space, layout.method, layout.told(), matrix, points)


def update_map(store: Store, space: str, wanted: Wanted) -> LibraryMap:
    """Place the tracks that a remembered map lacks; those on it stay where they are.

    Raises
    ------
    BadArgument
        There is no map to bring up to date, or it should be made otherwise.
    """
    method = wanted.method
    if wanted != Wanted(method):
        raise BadArgument("--update keeps the map as it was made: give no numbers with it")
    matrix = _matrix(store, space)
    number, _ = store.spaces.identity(space)
    made = store.maps.methods(number)
    if not made or (method and method not in made):
        raise BadArgument(
            f"there is no map of the space {space!r} to update yet; make one with "
            f"`segue map --space {space}`"
        )
    there = store.maps.find(number, method or made[-1])
    assert there is not None  # noqa: S101 (its method was listed)
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
        points[~known] = place(unit[~known], unit[known], points[known])
    found = _keep(store, space, there.method, there.parameters, matrix, points)
    return replace(found, placed=int((~known).sum()))


def _matrix(store: Store, space: str) -> Matrix:
    matrix = store.spaces.matrix(space)
    if not len(matrix.ids):
        raise NotFound("this library is empty; fill it with `segue add FOLDER`")
    return matrix


def _points(
    store: Store, space: str, matrix: Matrix, layout: Layout, watch: Watcher | None
) -> FloatArray:
    needed = neighbours_needed(layout)
    near = neighbours(store, space, needed, watch) if needed and len(matrix.ids) > 1 else None
    return lay_out(np.asarray(matrix.unit), near, layout)


def _keep(
    store: Store,
    space: str,
    method: str,
    parameters: dict[str, float | int | str],
    matrix: Matrix,
    points: FloatArray,
) -> LibraryMap:
    number, changes = store.spaces.identity(space)
    made = StoredMap(method, parameters, changes, None, None, matrix.ids, points)
    with suppress(NothingToMeasure):
        told = trust(np.asarray(matrix.unit), points)
        made = replace(made, trustworthiness=told.trustworthiness, continuity=told.continuity)
    with store.writing(), store.transaction():
        store.maps.put(number, made)
    return _shown(space, made)


def _shown(space: str, made: StoredMap, *, remembered: bool = False) -> LibraryMap:
    return LibraryMap(
        space,
        made.method,
        made.parameters,
        made.trustworthiness,
        made.continuity,
        made.ids,
        made.points,
        remembered=remembered,
    )

"""Nearest neighbours in a space, exact, and the k-nearest-neighbour graph.

Neighbours in a space: exact, one matrix product over the contiguous matrix.

The nearest tracks of every track: computed once for a space, and kept beside its matrix.

Maps, groups, journeys and twins all start from them.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.records import FloatArray
from segue.store import Store
from segue.store.matrix import Matrix

# --- search ---

FIRST_CHUNK: Final = 64
_BLOCK_ROWS: Final = 16_384  # of which distances are taken at once


def query_vector(
    positives: Sequence[FloatArray], negatives: Sequence[FloatArray] = ()
) -> FloatArray:
    """Blend queries: the mean direction of what is wanted, away from what is not.

    Parameters
    ----------
    positives, negatives : sequences of ndarray, each of shape (dimension,)
        At least one to like. Each counts by its direction alone.

    Returns
    -------
    ndarray, shape (dimension,), float32
        Of length 1.

    Raises
    ------
    BadArgument
        Nothing is left when the unwanted is taken away.
    """
    if not positives:
        raise BadArgument("a query needs at least one thing to be like")
    blended = np.mean([_unit(vector) for vector in positives], axis=0)
    if negatives:
        blended = blended - np.mean([_unit(vector) for vector in negatives], axis=0)
    if np.linalg.norm(blended) < 1e-6:
        raise BadArgument("the queries cancel each other out: what is wanted is also unwanted")
    return _unit(blended)


def cosine_similarities(matrix: Matrix, query: FloatArray) -> FloatArray:
    """Return the cosine of every track with a query of length 1, shape (n,)."""
    _check_dimension(matrix, query)
    return np.asarray(np.clip(matrix.unit @ query, -1, 1), dtype=np.float32)


def negative_distances(matrix: Matrix, query: FloatArray) -> FloatArray:
    """Return minus the Euclidean distance of every row from a point, shape (n,)."""
    _check_dimension(matrix, query)
    found = np.empty(len(matrix.ids), np.float32)
    for start in range(0, len(found), _BLOCK_ROWS):
        block = matrix.unit[start : start + _BLOCK_ROWS]
        found[start : start + _BLOCK_ROWS] = -np.linalg.norm(block - query, axis=1)
    return found


def iter_descending(scores: FloatArray) -> Iterator[NDArray[np.intp]]:
    """Yield row numbers from the highest score down, in growing pieces.

    Only as much is sorted as is asked for. Equal scores keep the order of the rows.
    """
    done, size = 0, FIRST_CHUNK
    order = np.empty(0, np.intp)
    while done < len(scores):
        if size >= len(scores):
            order = np.argsort(-scores, kind="stable")
        else:
            threshold = np.partition(scores, len(scores) - size)[len(scores) - size]
            rows = np.flatnonzero(scores >= threshold)
            order = rows[np.argsort(-scores[rows], kind="stable")]
        yield order[done:]
        done, size = len(order), size * 8


def _check_dimension(matrix: Matrix, query: FloatArray) -> None:
    if query.shape != (matrix.space.dimension,):
        raise BadArgument(
            f"the space {matrix.space.name!r} has {matrix.space.dimension} dimensions, "
            f"the query has the shape {query.shape}"
        )


def _unit(vector: FloatArray) -> FloatArray:
    length = float(np.linalg.norm(vector))
    return np.asarray(vector / max(length, 1e-30), dtype=np.float32)


# --- neighbours ---

#: So many are kept at least: what maps and journeys ask for, with some to spare.
MIN_STORED: Final = 32
_NONE: Final = np.empty(0)
_BLOCK_ELEMENTS: Final = 1 << 24  # similarities held at once by each thread: 64 MiB
_SAMPLE: Final = 8  # columns per group, of which only the best decides where to look


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The nearest others of every track, nearest first.

    Attributes
    ----------
    ids : ndarray, shape (n,), int64
        Track ids, rising.
    rows : ndarray, shape (n, k), int32
        Rows of `ids`.
    distances : ndarray, shape (n, k), float32
        Euclidean, between vectors of length 1: 0 to 2. ``1 - d * d / 2`` is the cosine.
    """

    ids: NDArray[np.int64]
    rows: NDArray[np.int32]
    distances: FloatArray

    def first(self, k: int) -> "Neighbours":
        """Return the nearest `k` of them."""
        return Neighbours(self.ids, self.rows[:, :k], self.distances[:, :k])


#: Told how many tracks of how many are done.
Watcher = Callable[[int, int], None]


def nearest_neighbours(
    store: Store, space: str, k: int, watch: Watcher | None = None
) -> Neighbours:
    """Load the nearest tracks of every track, or find them where that was not done yet.

    Parameters
    ----------
    store : Store
    space : str
    k : int
        How many, at least 1; of fewer tracks, all others.
    watch : callable, optional
        Told how many tracks are done, of how many.

    Returns
    -------
    Neighbours
        Of exactly ``min(k, tracks - 1)`` columns.

    Raises
    ------
    BadArgument
        There is only one track.
    """
    matrix = store.spaces.matrix(space)
    if len(matrix.ids) < 2:
        raise BadArgument(
            f"the space {space!r} holds too few tracks ({len(matrix.ids)}); at least 2 are needed"
        )
    k = min(k, len(matrix.ids) - 1)
    kept = store.spaces.derived(space, "neighbours")
    if kept is not None and _fits(kept, len(matrix.ids), k):
        return Neighbours(matrix.ids, kept["rows"][:, :k], kept["distances"][:, :k])
    found = compute_neighbours(
        matrix.ids, np.asarray(matrix.unit), min(max(k, MIN_STORED), len(matrix.ids) - 1), watch
    )
    store.spaces.keep_derived(
        space, "neighbours", {"rows": found.rows, "distances": found.distances}
    )
    return found.first(k)


def nearest_neighbours_within(
    store: Store, space: str, kept: NDArray[np.bool_], k: int
) -> Neighbours:
    """Find the nearest tracks of some tracks among themselves.

    They are taken from what is kept of all tracks; of those that have too few there, anew.

    Parameters
    ----------
    store : Store
    space : str
    kept : ndarray of bool, shape (n,)
        Which rows of the space's matrix; at least two of them.
    k : int
        How many, at least 1; of fewer tracks, all others.
    """
    whole = nearest_neighbours(store, space, MIN_STORED)
    k = min(k, int(kept.sum()) - 1)
    among = kept[whole.rows[kept]]
    first = np.argsort(~among, axis=1, kind="stable")[:, :k]
    rows = (np.cumsum(kept) - 1)[np.take_along_axis(whole.rows[kept], first, axis=1)]
    distances = np.take_along_axis(whole.distances[kept], first, axis=1)
    lacking = np.flatnonzero(among.sum(axis=1) < k)
    if len(lacking):
        if rows.shape[1] < k:
            rows, distances = (np.zeros((len(rows), k), each.dtype) for each in (rows, distances))
        unit = np.asarray(store.spaces.matrix(space).unit[kept])
        rows[lacking], distances[lacking] = _found(unit, lacking, k)
    return Neighbours(whole.ids[kept], rows.astype(np.int32), distances)


def _fits(kept: Mapping[str, NDArray[Any]], n: int, k: int) -> bool:
    rows = kept.get("rows", _NONE)
    return rows.ndim == 2 and len(rows) == n and rows.shape[1] >= k and "distances" in kept


def compute_neighbours(
    ids: NDArray[np.int64], unit: FloatArray, k: int, watch: Watcher | None = None
) -> Neighbours:
    """Find the nearest others of every track, exactly.

    Parameters
    ----------
    ids : ndarray, shape (n,), int64
        Rising.
    unit : ndarray, shape (n, d)
        Vectors of length 1.
    k : int
        How many, 1 to n - 1.
    watch : callable, optional
        Told how many tracks are done, of how many.

    Returns
    -------
    Neighbours
        Equal distances keep the order of the rows.
    """
    rows, distances = _found(unit, np.arange(len(ids)), k, watch)
    return Neighbours(ids, rows, distances)


def _found(
    unit: FloatArray, asking: NDArray[np.int64], k: int, watch: Watcher | None = None
) -> tuple[NDArray[np.int32], FloatArray]:
    """Return rows and distances of the nearest others of some rows."""
    from threadpoolctl import threadpool_limits

    n = len(asking)
    rows, cosines = np.empty((n, k), np.int32), np.empty((n, k), np.float32)
    block = max(1, min(_BLOCK_ELEMENTS // len(unit), 1024))
    done = 0

    def find(start: int) -> int:
        some = slice(start, min(start + block, n))
        # Of all rows a view, not a copy: BLAS multiplies a matrix by its own transpose otherwise,
        # and maps are sensitive to the last digit.
        similar = (unit[some] if n == len(unit) else unit[asking[some]]) @ unit.T
        similar[np.arange(len(similar)), asking[some]] = -np.inf
        rows[some], cosines[some] = _highest(similar, k)
        return some.stop - some.start

    # Whole blocks side by side: what follows each product has no threads of its own.
    with threadpool_limits(1), ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for count in pool.map(find, range(0, n, block)):
            done += count
            if watch:
                watch(done, n)
    return rows, np.sqrt(np.maximum(2 - 2 * cosines, 0))


def _highest(similar: FloatArray, k: int) -> tuple[NDArray[np.int32], FloatArray]:
    """Return columns and values of the k highest of each row, highest first.

    Most columns are ruled out by a bound: of groups of columns, the k-th highest of the groups'
    maxima. At least k values reach it, and in music few more do.
    """
    n = similar.shape[1]
    whole = n // _SAMPLE
    if whole > 2 * k:
        maxima = similar[:, : whole * _SAMPLE].reshape(len(similar), _SAMPLE, whole).max(axis=1)
        bound = np.partition(maxima, whole - k, axis=1)[:, whole - k]
    else:
        bound = np.partition(similar, n - k, axis=1)[:, n - k]
    row, column = np.nonzero(similar >= bound[:, None])
    value = similar[row, column]
    order = np.lexsort((column, -value, row))
    starts = np.searchsorted(row, np.arange(len(similar)))
    best = order[starts[:, None] + np.arange(k)]
    return column[best].astype(np.int32), value[best]

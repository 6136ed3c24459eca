"""Exact nearest neighbours in a space, hubness correction, and the k-nearest-neighbour graph.

A search is one matrix product with the contiguous matrix of unit vectors. The graph, from which
maps, clusters, playlists and duplicates are computed, is computed once for a space and stored
beside its matrix, and so are the hubness corrections, which in large libraries are computed for new
tracks only.
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
from segue.store.spaces import Matrix

FIRST_CHUNK: Final = 64
#: Rows whose Euclidean distances are computed at once.
_BLOCK_ROWS: Final = 16_384
#: Minimum number of stored neighbours: what maps and playlists use, with some to spare.
MIN_STORED: Final = 32
#: Similarities computed at once by each thread: 64 MiB.
_BLOCK_ELEMENTS: Final = 1 << 24
#: Columns per group in the selection of the highest values.
_GROUP_COLUMNS: Final = 8
_EMPTY: Final = np.empty(0)
#: Neighbours whose mean cosine says how much of a hub a track is (bench/tables/hubness.md); in
#: libraries of fewer than 100 tracks, as many as the square root of the number of tracks.
HUBNESS_NEIGHBOURS: Final = 10
#: Smallest number of tracks whose ranking is corrected.
MIN_CORRECTED: Final = 30
#: Maximum number of tracks among which these neighbours are searched, evenly spaced in larger
#: libraries, so that the time is linear in the number of tracks.
_MAX_REFERENCES: Final = 4096
#: Share of new tracks from which the references are drawn again.
_MAX_NEW: Final = 0.1

#: Progress callback: the number of items done, and the total number.
Watcher = Callable[[int, int], None]


def query_vector(
    positives: Sequence[FloatArray], negatives: Sequence[FloatArray] = ()
) -> FloatArray:
    """Return the mean direction of positive examples less that of negative ones (Rocchio 1971).

    Parameters
    ----------
    positives, negatives : sequence of ndarray, each of shape (dimension,)
        Embeddings, of which only the directions count; at least one positive.

    Returns
    -------
    ndarray, shape (dimension,), float32
        Unit vector.

    Raises
    ------
    BadArgument
        Positives and negatives cancel each other out.
    """
    if not positives:
        raise BadArgument("a query needs at least one thing to be like")
    mean = np.mean([_unit(vector) for vector in positives], axis=0)
    if negatives:
        mean = mean - np.mean([_unit(vector) for vector in negatives], axis=0)
    if np.linalg.norm(mean) < 1e-6:
        raise BadArgument("the queries cancel each other out: positive and negative ones are equal")
    return _unit(mean)


def cosine_similarities(matrix: Matrix, query: FloatArray) -> FloatArray:
    """Return the cosine similarity of every row to a unit vector, shape (n,)."""
    _check_dimension(matrix, query)
    return np.asarray(np.clip(matrix.unit @ query, -1, 1), dtype=np.float32)


def negative_distances(matrix: Matrix, query: FloatArray) -> FloatArray:
    """Return the negative Euclidean distance of every row to a point, shape (n,)."""
    _check_dimension(matrix, query)
    scores = np.empty(len(matrix.ids), np.float32)
    for start in range(0, len(scores), _BLOCK_ROWS):
        block = matrix.unit[start : start + _BLOCK_ROWS]
        scores[start : start + _BLOCK_ROWS] = -np.linalg.norm(block - query, axis=1)
    return scores


def iter_descending(scores: FloatArray) -> Iterator[NDArray[np.intp]]:
    """Yield row indices by descending score, in chunks of growing size.

    Only the part that is consumed is sorted. Equal scores keep the order of the rows.
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


# ---- hubness -----------------------------------------------------------------------------


def hubness_corrections(store: Store, matrix: Matrix) -> FloatArray:
    """Load the hubness corrections of a space, or compute and store them.

    Parameters
    ----------
    store : Store
        Database of the library.
    matrix : Matrix
        Unit vectors of the space, in its current state.

    Returns
    -------
    ndarray, shape (n,), float32
        See `compute_hubness_corrections`; 0 in libraries of fewer than `MIN_CORRECTED` tracks.
    """
    n, space = len(matrix.ids), matrix.space.name
    if n < MIN_CORRECTED:
        return np.zeros(n, np.float32)
    stored = store.spaces.derived(space, "hubness") or {}
    corrections: FloatArray = stored.get("corrections", _EMPTY)
    if corrections.shape != (n,) or corrections.dtype != np.float32:
        if n > _MAX_REFERENCES:
            corrections = _centred(_updated_means(store, matrix))
        else:
            corrections = compute_hubness_corrections(np.asarray(matrix.unit))
        store.spaces.save_derived(space, "hubness", {"corrections": corrections})
    return corrections


def compute_hubness_corrections(
    unit: FloatArray, k: int = HUBNESS_NEIGHBOURS, max_references: int = _MAX_REFERENCES
) -> FloatArray:
    """Compute what is subtracted from the cosine to each track so that hubs lose ranks.

    Cross-domain similarity local scaling (CSLS; Conneau et al., "Word translation without parallel
    data", ICLR 2018) ranks the tracks j for a query q by ``2 cos(q, j) - r(q) - r(j)``, where r is
    the mean cosine to the k nearest neighbours. r(q) does not change the ranks.

    Parameters
    ----------
    unit : ndarray, shape (n, d), float32
        Unit vectors, at least two.
    k : int
        Number of neighbours; at most the square root of n.
    max_references : int
        Maximum number of evenly spaced rows among which the neighbours are searched.

    Returns
    -------
    ndarray, shape (n,), float32
        Half of r, less its mean.
    """
    step = -(-len(unit) // max_references)
    k = min(k, round(len(unit) ** 0.5), len(unit[::step]) - 1)
    return _centred(_neighbour_means(unit, unit[::step], k, step))


def _centred(means: FloatArray) -> FloatArray:
    return np.asarray((means - means.mean(dtype=np.float64)) / 2, np.float32)


def _neighbour_means(unit: FloatArray, references: FloatArray, k: int, step: int = 0) -> FloatArray:
    """Return the mean cosine of each row to its k nearest references, shape (n,).

    Every `step`-th row is itself a reference, and not its own neighbour; 0 for none.
    """
    means = np.empty(len(unit), np.float32)

    def average(block: slice) -> None:
        similar = unit[block] @ references.T
        if step:
            rows = np.arange(block.start, block.stop)
            own = np.flatnonzero(rows % step == 0)
            similar[own, rows[own] // step] = -np.inf
        means[block] = _highest(similar, k)[1].mean(axis=1)

    _run_blocks(average, len(unit), len(references))
    return means


def _updated_means(store: Store, matrix: Matrix) -> FloatArray:
    """Compute the mean cosines to neighbours in a large library for new and changed rows only.

    They are compared with the references of before, until a tenth of the library is not of the
    time when these were drawn. Rows are known by id and checksum, so that means of another state
    of the library are never taken for those of this one.
    """
    unit, space, n = np.asarray(matrix.unit), matrix.space.name, len(matrix.ids)
    checksums = _row_checksums(unit)
    stored = store.spaces.derived(space, "means", lasting=True) or {}
    try:
        ids, references = stored["ids"], stored["references"]
        at = np.searchsorted(ids, matrix.ids).clip(max=len(ids) - 1)
        same = (ids[at] == matrix.ids) & (stored["checksums"][at] == checksums)
        original = same & stored["original"][at]
        means = np.where(same, stored["means"][at], np.float32(0))
        is_stale = original.sum() < (1 - _MAX_NEW) * max(n, stored["original"].sum())
        is_stale |= references.shape[1] != unit.shape[1]
    except (KeyError, IndexError, ValueError):  # none, or a damaged file
        is_stale = True
    k = min(HUBNESS_NEIGHBOURS, round(n**0.5))
    if is_stale:
        step = -(-n // _MAX_REFERENCES)
        references = unit[::step]
        means = _neighbour_means(unit, references, k, step)
        original = np.ones(n, np.bool_)
    elif not same.all():
        means[~same] = _neighbour_means(unit[~same], references, k)
    arrays = {
        "ids": matrix.ids, "checksums": checksums, "means": means, "original": original,
        "references": references,
    }  # fmt: skip
    store.spaces.save_derived(space, "means", arrays, lasting=True)
    return means


def _row_checksums(unit: FloatArray) -> NDArray[np.uint64]:
    """Return a checksum of the bits of each row."""
    weights = np.random.default_rng(0).integers(1, 1 << 62, unit.shape[1], np.uint64) * 2 + 1
    checksums = np.empty(len(unit), np.uint64)
    for start in range(0, len(unit), _BLOCK_ROWS):
        bits = np.ascontiguousarray(unit[start : start + _BLOCK_ROWS]).view(np.uint32)
        checksums[start : start + _BLOCK_ROWS] = bits.astype(np.uint64) @ weights
    return checksums


# ---- graph -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The nearest neighbours of every track, nearest first.

    Attributes
    ----------
    ids : ndarray, shape (n,), int64
        Track ids, ascending.
    rows : ndarray, shape (n, k), int32
        Neighbours, as row indices of `ids`.
    distances : ndarray, shape (n, k), float32
        Euclidean distances between unit vectors, 0 to 2; the cosine is ``1 - d * d / 2``.
    """

    ids: NDArray[np.int64]
    rows: NDArray[np.int32]
    distances: FloatArray

    def first(self, k: int) -> "Neighbours":
        """Return the nearest `k` neighbours."""
        return Neighbours(self.ids, self.rows[:, :k], self.distances[:, :k])


def by_corrected_rank(near: Neighbours, corrections: FloatArray) -> Neighbours:
    """Order the neighbours of every track by cosine less hubness correction."""
    costs = near.distances**2 / 2 + corrections[near.rows]
    order = np.argsort(costs, axis=1, kind="stable")
    return Neighbours(
        near.ids,
        np.take_along_axis(near.rows, order, axis=1),
        np.take_along_axis(near.distances, order, axis=1),
    )


def nearest_neighbours(
    store: Store, space: str, k: int, watch: Watcher | None = None
) -> Neighbours:
    """Load the nearest neighbours of every track of a space, or compute and store them.

    Parameters
    ----------
    store : Store
        Database of the library.
    space : str
        Name of the space.
    k : int
        Number of neighbours, at least 1.
    watch : callable, optional
        Progress callback.

    Returns
    -------
    Neighbours
        ``min(k, tracks - 1)`` neighbours of each track.

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
    stored = store.spaces.derived(space, "neighbours")
    if stored is not None and _is_valid(stored, len(matrix.ids), k):
        return Neighbours(matrix.ids, stored["rows"][:, :k], stored["distances"][:, :k])
    neighbours = compute_neighbours(
        matrix.ids, np.asarray(matrix.unit), min(max(k, MIN_STORED), len(matrix.ids) - 1), watch
    )
    store.spaces.save_derived(
        space, "neighbours", {"rows": neighbours.rows, "distances": neighbours.distances}
    )
    return neighbours.first(k)


def nearest_neighbours_within(
    store: Store, space: str, mask: NDArray[np.bool_], k: int
) -> Neighbours:
    """Return nearest neighbours within a subset of the tracks of a space.

    They are filtered from the stored graph, and computed for tracks with too few there.

    Parameters
    ----------
    store : Store
        Database of the library.
    space : str
        Name of the space.
    mask : ndarray of bool, shape (n,)
        Rows of the space's matrix in the subset, at least two.
    k : int
        Number of neighbours, at least 1; all others in a smaller subset.
    """
    graph = nearest_neighbours(store, space, MIN_STORED)
    k = min(k, int(mask.sum()) - 1)
    inside = mask[graph.rows[mask]]
    first = np.argsort(~inside, axis=1, kind="stable")[:, :k]
    rows = (np.cumsum(mask) - 1)[np.take_along_axis(graph.rows[mask], first, axis=1)]
    distances = np.take_along_axis(graph.distances[mask], first, axis=1)
    lacking = np.flatnonzero(inside.sum(axis=1) < k)
    if len(lacking):
        if rows.shape[1] < k:
            rows, distances = (np.zeros((len(rows), k), each.dtype) for each in (rows, distances))
        unit = np.asarray(store.spaces.matrix(space).unit[mask])
        rows[lacking], distances[lacking] = _nearest(unit, lacking, k)
    return Neighbours(graph.ids[mask], rows.astype(np.int32), distances)


def _is_valid(stored: Mapping[str, NDArray[Any]], n: int, k: int) -> bool:
    rows = stored.get("rows", _EMPTY)
    return rows.ndim == 2 and len(rows) == n and rows.shape[1] >= k and "distances" in stored


def compute_neighbours(
    ids: NDArray[np.int64], unit: FloatArray, k: int, watch: Watcher | None = None
) -> Neighbours:
    """Compute the exact nearest neighbours of every track by brute force.

    Parameters
    ----------
    ids : ndarray, shape (n,), int64
        Track ids, ascending.
    unit : ndarray, shape (n, d)
        Unit vectors.
    k : int
        Number of neighbours, 1 to n - 1.
    watch : callable, optional
        Progress callback.

    Returns
    -------
    Neighbours
        Neighbours at equal distances are in the order of the rows.
    """
    rows, distances = _nearest(unit, np.arange(len(ids)), k, watch)
    return Neighbours(ids, rows, distances)


def _nearest(
    unit: FloatArray, queries: NDArray[np.int64], k: int, watch: Watcher | None = None
) -> tuple[NDArray[np.int32], FloatArray]:
    """Return rows and distances of the nearest neighbours of the query rows."""
    n = len(queries)
    rows, cosines = np.empty((n, k), np.int32), np.empty((n, k), np.float32)

    def search(block: slice) -> None:
        # No copy where all rows are queries: NumPy multiplies a matrix by its own transpose with
        # another BLAS routine (syrk), and maps are sensitive to the last digit.
        similar = (unit[block] if n == len(unit) else unit[queries[block]]) @ unit.T
        similar[np.arange(len(similar)), queries[block]] = -np.inf
        rows[block], cosines[block] = _highest(similar, k)

    _run_blocks(search, n, len(unit), watch)
    return rows, np.sqrt(np.maximum(2 - 2 * cosines, 0))


def _run_blocks(
    process: Callable[[slice], None], n: int, columns: int, watch: Watcher | None = None
) -> None:
    """Process the similarities of n rows to a number of columns in blocks of rows.

    Blocks run in parallel, as the selection after each product is single-threaded.
    """
    from threadpoolctl import threadpool_limits

    size = max(1, min(_BLOCK_ELEMENTS // columns, 1024))
    blocks = [slice(start, min(start + size, n)) for start in range(0, n, size)]
    with threadpool_limits(1), ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for block, _ in zip(blocks, pool.map(process, blocks), strict=True):
            if watch:
                watch(block.stop, n)


def _highest(similar: FloatArray, k: int) -> tuple[NDArray[np.int32], FloatArray]:
    """Return columns and values of the k highest values of each row, in descending order.

    A lower bound rules out most columns: the k-th highest of the maxima of groups of columns. At
    least k values reach it, and with embeddings of music few more do.
    """
    n = similar.shape[1]
    groups = n // _GROUP_COLUMNS
    if groups > 2 * k:
        maxima = (
            similar[:, : groups * _GROUP_COLUMNS]
            .reshape(len(similar), _GROUP_COLUMNS, groups)
            .max(axis=1)
        )
        bound = np.partition(maxima, groups - k, axis=1)[:, groups - k]
    else:
        bound = np.partition(similar, n - k, axis=1)[:, n - k]
    row, column = np.nonzero(similar >= bound[:, None])
    value = similar[row, column]
    order = np.lexsort((column, -value, row))
    starts = np.searchsorted(row, np.arange(len(similar)))
    best = order[starts[:, None] + np.arange(k)]
    return column[best].astype(np.int32), value[best]

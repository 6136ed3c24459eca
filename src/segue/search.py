"""Neighbours in a space: exact, one matrix product over the contiguous matrix."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.records import FloatArray
from segue.store.matrix import Matrix

FIRST_CHUNK: Final = 64
_BLOCK_ROWS: Final = 16_384  # of which distances are taken at once


def blend(likes: Sequence[FloatArray], unlikes: Sequence[FloatArray] = ()) -> FloatArray:
    """Blend queries: the mean direction of what is wanted, away from what is not.

    Parameters
    ----------
    likes, unlikes : sequences of ndarray, each of shape (dimension,)
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
    if not likes:
        raise BadArgument("a query needs at least one thing to be like")
    blended = np.mean([_unit(vector) for vector in likes], axis=0)
    if unlikes:
        blended = blended - np.mean([_unit(vector) for vector in unlikes], axis=0)
    if np.linalg.norm(blended) < 1e-6:
        raise BadArgument("the queries cancel each other out: what is wanted is also unwanted")
    return _unit(blended)


def similarities(matrix: Matrix, query: FloatArray) -> FloatArray:
    """Return the cosine of every track with a query of length 1, shape (n,)."""
    _check_dimension(matrix, query)
    return np.asarray(np.clip(matrix.unit @ query, -1, 1), dtype=np.float32)


def nearness(matrix: Matrix, query: FloatArray) -> FloatArray:
    """Return minus the Euclidean distance of every row from a point, shape (n,)."""
    _check_dimension(matrix, query)
    found = np.empty(len(matrix.ids), np.float32)
    for start in range(0, len(found), _BLOCK_ROWS):
        block = matrix.unit[start : start + _BLOCK_ROWS]
        found[start : start + _BLOCK_ROWS] = -np.linalg.norm(block - query, axis=1)
    return found


def best_first(scores: FloatArray) -> Iterator[NDArray[np.intp]]:
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

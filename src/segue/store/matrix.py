"""All vectors of a space in one memory-mapped file."""

import re
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from segue.files import atomic_write, remove_partials
from segue.records import FloatArray, Space

#: What loading raises of a derived file that is not there, empty, cut short or garbage: it is made
#: anew then. A header of garbage may ask for any amount of memory.
LOAD_ERRORS: Final = (
    OSError, ValueError, TypeError, AttributeError, EOFError, KeyError, NotImplementedError,
    RuntimeError, MemoryError, BadZipFile, zlib.error,
)  # fmt: skip
_BLOCK_ROWS: Final = 16_384  # scaled at once, so that a million tracks fit in memory


@dataclass(frozen=True, slots=True)
class Matrix:
    """All vectors of a space, for searching.

    Attributes
    ----------
    space : Space
    ids : ndarray, shape (n,), int64
        Track ids, rising.
    unit : ndarray, shape (n, dimension), float32
        Vectors scaled to length 1; memory-mapped.
    """

    space: Space
    ids: NDArray[np.int64]
    unit: FloatArray


def load_matrix(
    folder: Path,
    space: Space,
    state: str,
    read: Callable[[], tuple[NDArray[np.int64], FloatArray]],
) -> Matrix:
    """Load a space's matrix, or make it where there is none for the database's state.

    Parameters
    ----------
    folder : Path
        Of derived files.
    space : Space
    state : str
        Changes with every write to the space; part of the files' names.
    read : callable
        Reads ids (n,) and vectors (n, dimension) from the database.
    """
    ids_file = folder / f"{space.name}-{state}.ids.npy"
    unit_file = folder / f"{space.name}-{state}.unit.npy"
    kept = _load(ids_file, unit_file, space)
    if kept is not None:
        return kept
    ids, vectors = read()
    _scale(vectors)
    made = Matrix(space, ids, vectors)
    try:
        _keep(made, ids_file, unit_file)
    except OSError:
        return made  # no room or right to save what only saves time
    return _load(ids_file, unit_file, space) or made


def _load(ids_file: Path, unit_file: Path, space: Space) -> Matrix | None:
    """Load what `_keep` wrote; None where it is not there, or not as it was written."""
    try:
        with ids_file.open("rb") as file:
            ids = np.load(file, allow_pickle=False)
            sums = np.load(file, allow_pickle=False)
        unit = np.load(unit_file, mmap_mode="r", allow_pickle=False)
    except LOAD_ERRORS:
        return None
    if unit.shape != (len(ids), space.dimension) or unit.dtype != np.float32:
        return None
    return Matrix(space, ids, unit) if np.array_equal(sums, _sums(ids, unit)) else None


def _sums(*arrays: NDArray[np.generic]) -> NDArray[np.uint32]:
    """Return checksums; they take less time than a search in what they are of."""
    return np.array([crc32(np.ascontiguousarray(array).data) for array in arrays], np.uint32)


def _scale(vectors: FloatArray) -> None:
    for start in range(0, len(vectors), _BLOCK_ROWS):
        block = vectors[start : start + _BLOCK_ROWS]
        length = np.linalg.norm(block, axis=1, keepdims=True)
        block /= np.maximum(length, np.finfo(np.float32).tiny)


def load_derived(folder: Path, space: str, state: str, what: str) -> dict[str, Any] | None:
    """Load arrays that were computed from a space as it is now; None where there are none."""
    try:
        with (folder / f"{space}-{state}.{what}.npz").open("rb") as file:
            arrays = np.load(file, allow_pickle=False)
            return {name: arrays[name] for name in arrays.files}
    except LOAD_ERRORS:
        return None


def keep_derived(
    folder: Path, space: str, state: str, what: str, arrays: Mapping[str, NDArray[np.generic]]
) -> None:
    """Keep arrays computed from a space, where there is room: they only save time."""
    with suppress(OSError):
        folder.mkdir(exist_ok=True)
        target = folder / f"{space}-{state}.{what}.npz"
        with atomic_write(target) as partial, partial.open("wb") as out:
            np.savez(out, allow_pickle=False, **arrays)


def _keep(matrix: Matrix, ids_file: Path, unit_file: Path) -> None:
    """Keep a matrix, and take away what was derived from the space's older states."""
    folder = ids_file.parent
    folder.mkdir(exist_ok=True)
    remove_partials(folder, own=True)
    of_space = re.compile(re.escape(matrix.space.name) + r"-\d+-\d+\..*")
    kept = (ids_file.name, unit_file.name)
    outdated = [
        file for file in folder.iterdir() if of_space.fullmatch(file.name) and file.name not in kept
    ]
    with atomic_write(unit_file) as partial, partial.open("wb") as out:
        np.save(out, matrix.unit, allow_pickle=False)
    with atomic_write(ids_file) as partial, partial.open("wb") as out:
        np.save(out, matrix.ids, allow_pickle=False)
        np.save(out, _sums(matrix.ids, matrix.unit), allow_pickle=False)
    for file in outdated:
        file.unlink(missing_ok=True)

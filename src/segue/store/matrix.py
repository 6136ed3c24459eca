"""Memory-mapped matrices of unit vectors, and other arrays derived from a space."""

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

#: Exceptions of loading a derived file that is missing or damaged, and is then rebuilt. A damaged
#: header may ask for any amount of memory.
LOAD_ERRORS: Final = (
    OSError, ValueError, TypeError, AttributeError, EOFError, KeyError, NotImplementedError,
    RuntimeError, MemoryError, BadZipFile, zlib.error,
)  # fmt: skip
_BLOCK_ROWS: Final = 16_384  # normalised at once, to limit the memory


@dataclass(frozen=True, slots=True)
class Matrix:
    """The unit vectors of a space, for searching.

    Attributes
    ----------
    space : Space
    ids : ndarray, shape (n,), int64
        Track ids in ascending order.
    unit : ndarray, shape (n, dimension), float32
        Vectors normalised to length 1; memory-mapped.
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
    """Load the matrix of a space, or build it if there is none for its current state.

    Parameters
    ----------
    folder : Path
        Folder of derived files.
    space : Space
    state : str
        State of the space, which changes with every write; part of the file names.
    read : callable
        Reads ids (n,) and vectors (n, dimension) from the database.
    """
    ids_file = folder / f"{space.name}-{state}.ids.npy"
    unit_file = folder / f"{space.name}-{state}.unit.npy"
    saved = _load(ids_file, unit_file, space)
    if saved is not None:
        return saved
    ids, vectors = read()
    _normalise(vectors)
    matrix = Matrix(space, ids, vectors)
    try:
        _save(matrix, ids_file, unit_file)
    except OSError:
        return matrix  # saving is optional
    return _load(ids_file, unit_file, space) or matrix


def _load(ids_file: Path, unit_file: Path, space: Space) -> Matrix | None:
    """Load a saved matrix; None if it is missing or damaged."""
    try:
        with ids_file.open("rb") as file:
            ids = np.load(file, allow_pickle=False)
            checksums = np.load(file, allow_pickle=False)
        unit = np.load(unit_file, mmap_mode="r", allow_pickle=False)
    except LOAD_ERRORS:
        return None
    if unit.shape != (len(ids), space.dimension) or unit.dtype != np.float32:
        return None
    return Matrix(space, ids, unit) if np.array_equal(checksums, _checksums(ids, unit)) else None


def _checksums(*arrays: NDArray[np.generic]) -> NDArray[np.uint32]:
    """Return CRC-32 checksums, which are faster than one search."""
    return np.array([crc32(np.ascontiguousarray(array).data) for array in arrays], np.uint32)


def _normalise(vectors: FloatArray) -> None:
    for start in range(0, len(vectors), _BLOCK_ROWS):
        block = vectors[start : start + _BLOCK_ROWS]
        length = np.linalg.norm(block, axis=1, keepdims=True)
        block /= np.maximum(length, np.finfo(np.float32).tiny)


def load_derived(folder: Path, space: str, state: str, what: str) -> dict[str, Any] | None:
    """Load arrays derived from a state of a space; None if there are none."""
    try:
        with (folder / f"{space}-{state}.{what}.npz").open("rb") as file:
            arrays = np.load(file, allow_pickle=False)
            return {name: arrays[name] for name in arrays.files}
    except LOAD_ERRORS:
        return None


def save_derived(
    folder: Path, space: str, state: str, what: str, arrays: Mapping[str, NDArray[np.generic]]
) -> None:
    """Save arrays derived from a state of a space, if there is room."""
    with suppress(OSError):
        folder.mkdir(exist_ok=True)
        target = folder / f"{space}-{state}.{what}.npz"
        with atomic_write(target) as partial, partial.open("wb") as out:
            np.savez(out, allow_pickle=False, **arrays)


def _save(matrix: Matrix, ids_file: Path, unit_file: Path) -> None:
    """Save a matrix, and remove the files derived from older states of the space."""
    folder = ids_file.parent
    folder.mkdir(exist_ok=True)
    remove_partials(folder, own=True)
    of_space = re.compile(re.escape(matrix.space.name) + r"-\d+-\d+\..*")
    current = (ids_file.name, unit_file.name)
    outdated = [
        file
        for file in folder.iterdir()
        if of_space.fullmatch(file.name) and file.name not in current
    ]
    with atomic_write(unit_file) as partial, partial.open("wb") as out:
        np.save(out, matrix.unit, allow_pickle=False)
    with atomic_write(ids_file) as partial, partial.open("wb") as out:
        np.save(out, matrix.ids, allow_pickle=False)
        np.save(out, _checksums(matrix.ids, matrix.unit), allow_pickle=False)
    for file in outdated:
        file.unlink(missing_ok=True)

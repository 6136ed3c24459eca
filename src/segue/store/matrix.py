"""All vectors of a space in one contiguous file, derived from the database."""

import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from segue.records import FloatArray, Space

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
    try:
        ids = np.load(ids_file, allow_pickle=False)
        return Matrix(space, ids, np.load(unit_file, mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError):
        pass  # not there, or cut short: it is derived, so it is made anew
    ids, vectors = read()
    _scale(vectors)
    try:
        _replace(folder, space.name, {ids_file: ids, unit_file: vectors})
    except OSError:
        return Matrix(space, ids, vectors)  # no room or right to save what only saves time
    return Matrix(space, ids, np.load(unit_file, mmap_mode="r", allow_pickle=False))


def _scale(vectors: FloatArray) -> None:
    for start in range(0, len(vectors), _BLOCK_ROWS):
        block = vectors[start : start + _BLOCK_ROWS]
        length = np.linalg.norm(block, axis=1, keepdims=True)
        block /= np.maximum(length, np.finfo(np.float32).tiny)


def load_derived(folder: Path, space: str, state: str, what: str) -> dict[str, Any] | None:
    """Load arrays that were computed from a space as it is now; None where there are none."""
    try:
        with np.load(folder / f"{space}-{state}.{what}.npz", allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, BadZipFile):
        return None  # not there, or cut short: it is derived, so it is made anew


def keep_derived(
    folder: Path, space: str, state: str, what: str, arrays: Mapping[str, NDArray[np.generic]]
) -> None:
    """Keep arrays computed from a space, where there is room: they only save time."""
    target = folder / f"{space}-{state}.{what}.npz"
    partial = target.with_suffix(f".{os.getpid()}.partial")
    try:
        folder.mkdir(exist_ok=True)
        with partial.open("wb") as out:
            np.savez(out, allow_pickle=False, **arrays)
        partial.replace(target)
    except OSError:
        with suppress(OSError):
            partial.unlink()


def _replace(folder: Path, name: str, arrays: dict[Path, NDArray[np.generic]]) -> None:
    folder.mkdir(exist_ok=True)
    of_space = re.compile(re.escape(name) + r"-\d+-\d+\..*")
    kept = {file.name for file in arrays}
    outdated = [
        file for file in folder.iterdir() if of_space.fullmatch(file.name) and file.name not in kept
    ]
    for file, array in arrays.items():
        partial = file.with_suffix(f".{os.getpid()}.partial")
        with partial.open("wb") as out:
            np.save(out, array, allow_pickle=False)
        partial.replace(file)
    for file in outdated:
        file.unlink(missing_ok=True)

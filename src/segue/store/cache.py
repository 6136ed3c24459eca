"""The cache of model inputs for training: spectrograms, activations, piano rolls."""

import contextlib
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument, DiskFull, TrainingFailed
from segue.files import atomic_write, remove_partials
from segue.store.matrix import LOAD_ERRORS

LIMIT_BYTES: Final = 20 << 30

Array = NDArray[np.generic]


class Cache:
    """A cache of arrays by content hash, in one file each.

    Parameters
    ----------
    folder : Path
        Folder for one kind and version of array.
    limit_bytes : int
        Maximum size of all arrays.
    """

    def __init__(self, folder: Path, limit_bytes: int = LIMIT_BYTES) -> None:
        self._folder = folder
        self._limit_bytes = limit_bytes
        for part in folder.glob("*"):
            remove_partials(part, own=True)
        self._bytes = sum(file.stat().st_size for file in folder.glob("*/*.npy"))

    def __contains__(self, content_hash: str) -> bool:
        return self._file(content_hash).exists()

    def read(self, content_hash: str) -> Array | None:
        """Memory-map an array; None if it is missing or damaged."""
        file = self._file(content_hash)
        try:
            array: Array = np.load(file, mmap_mode="r", allow_pickle=False)
        except FileNotFoundError:
            return None
        except LOAD_ERRORS:
            with contextlib.suppress(OSError):
                file.unlink()
            return None
        return array

    def require(self, content_hash: str, noun: str) -> Array:
        """Read an array that training was started with.

        Parameters
        ----------
        content_hash : str
        noun : str
            What the array is, for the message.

        Raises
        ------
        TrainingFailed
            It is missing or damaged.
        """
        array = self.read(content_hash)
        if array is None:
            raise TrainingFailed(
                f"the {noun} {content_hash} vanished from the cache or is damaged; run the same "
                "command again with --resume to compute it again"
            )
        return array

    def write(self, content_hash: str, array: Array) -> bool:
        """Store an array.

        Returns
        -------
        bool
            False if the cache is full and nothing was written.

        Raises
        ------
        DiskFull
            The array cannot be written.
        """
        if self._bytes + array.nbytes > self._limit_bytes:
            return False
        file = self._file(content_hash)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(file) as partial, partial.open("wb") as out:
                np.save(out, array, allow_pickle=False)
        except OSError as error:
            raise DiskFull(
                f"cannot keep spectrograms in {self._folder}: {error.strerror}; make room "
                "(the folder may be emptied at any time) and run the same command again"
            ) from None
        self._bytes += array.nbytes
        return True

    def _file(self, content_hash: str) -> Path:
        if not content_hash.isalnum():
            raise BadArgument(f"{content_hash!r} is not a content hash")
        return self._folder / content_hash[:2] / f"{content_hash}.npy"

"""The library's database: what SQLite meets is said in plain words, wherever it is met.

A page of the file may be damaged long after the database was opened, so every statement and every
row that is read may find it.
"""

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from segue.errors import (
    DiskFull,
    LibraryBusy,
    LibraryDamaged,
    LibraryReadOnly,
    SegueError,
    Unstorable,
)
from segue.records import FloatArray

DATABASE: Final = "segue.db"
BUSY_S: Final = 10.0  # how long a reader waits for a writer's commit
#: What only a library leaves in its folder that was filled before.
_SIGNS_OF_A_LIBRARY: Final = ("writing.lock", "derived", "cache", "models")

_LARGEST: Final = 1e12  # of a vector's numbers: no model comes near it
#: The library is well where these are met.
_OF_A_RECORD: Final = (
    sqlite3.IntegrityError,
    sqlite3.ProgrammingError,
    sqlite3.InterfaceError,
    sqlite3.DataError,
)

Result = TypeVar("Result")


class Database(sqlite3.Connection):
    """An open database, whose errors are for people; see `plain`."""

    folder: Path
    opened: os.stat_result

    @classmethod
    def open(cls, folder: Path) -> "Database":
        """Open a library's database, or begin one.

        Raises
        ------
        LibraryDamaged
            It cannot be opened, was emptied, or is a link to nothing.
        """
        file = folder / DATABASE
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if file.is_symlink() and not file.exists():
                raise LibraryDamaged(
                    f"{file} is a link to nothing, {file.readlink()}; attach the disk where that "
                    "was, or remove the link"
                )
            _check_not_emptied(file)
            database = sqlite3.connect(
                f"{file.absolute().as_uri()}{'?immutable=1' if _only_read(file) else ''}",
                timeout=BUSY_S,
                isolation_level=None,
                check_same_thread=True,
                factory=cls,
                uri=True,
            )
        except (OSError, sqlite3.Error) as error:
            raise LibraryDamaged(f"cannot open a library in {folder}: {error}") from None
        database.folder = folder
        database.row_factory = sqlite3.Row
        database.opened = os.stat(file)
        return database

    def check_there(self) -> None:
        """Make sure that what is written is kept.

        Raises
        ------
        LibraryDamaged
            The file was removed or replaced, so that SQLite writes into one that has no name.
        """
        try:
            there = os.path.samestat(self.opened, os.stat(self.folder / DATABASE))
        except OSError:
            there = False
        if not there:
            raise LibraryDamaged(
                f"the library {self.folder} was removed or replaced while it was in use; what was "
                "added since is lost: put it back, and run the same command again"
            )

    def execute(self, *arguments: Any) -> Any:
        """Run a statement; errors are for people, also those of its rows."""
        return self.cursor(_Cursor).execute(*arguments)

    def executemany(self, *arguments: Any) -> Any:
        """Run a statement with many values; errors are for people."""
        return self.cursor(_Cursor).executemany(*arguments)

    def backup(self, *arguments: Any, **named: Any) -> None:
        """Copy the database, as `sqlite3.Connection.backup` does."""
        self.plainly(super().backup, *arguments, **named)

    def plainly(self, do: Callable[..., Result], *arguments: Any, **named: Any) -> Result:
        """Do something, and say in plain words what SQLite met."""
        try:
            return do(*arguments, **named)
        except (sqlite3.Error, UnicodeError, OverflowError) as error:
            raise plain(error, self.folder) from None


class _Cursor(sqlite3.Cursor):
    connection: Database

    def execute(self, *arguments: Any) -> Any:
        return self.connection.plainly(super().execute, *arguments)

    def executemany(self, *arguments: Any) -> Any:
        return self.connection.plainly(super().executemany, *arguments)

    def fetchone(self) -> Any:
        return self.connection.plainly(super().fetchone)

    def fetchall(self) -> Any:
        return self.connection.plainly(super().fetchall)

    def __next__(self) -> Any:
        try:
            return super().__next__()
        except sqlite3.Error as error:
            raise plain(error, self.connection.folder) from None


def plain(error: Exception, folder: Path) -> SegueError:
    """Say in plain words what SQLite met."""
    text = str(error)
    if not isinstance(error, sqlite3.Error) or isinstance(error, _OF_A_RECORD):
        return Unstorable(f"the library cannot hold it ({text})")
    if "full" in text or ("disk I/O" in text and _is_full(folder)):
        return DiskFull(
            f"no room left to write to {folder}; nothing that was stored is lost: "
            "make room and run the same command again"
        )
    if "locked" in text:
        return LibraryBusy(f"the library {folder} is busy; try again in a moment")
    if "readonly" in text:
        return no_permission(folder)
    return damaged(folder, text)


def damaged(folder: Path, what: str) -> LibraryDamaged:
    """Say that a library cannot be read, and what to do."""
    return LibraryDamaged(
        f"{folder / DATABASE} cannot be read as a library ({what}); restore it from a backup, "
        "or choose another --library"
    )


def no_permission(folder: Path) -> LibraryReadOnly:
    """Say that a library can only be read."""
    return LibraryReadOnly(
        f"no permission to write to the library {folder}; it can be asked, but not changed"
    )


def vector_of(data: bytes, dimension: int, track: int) -> FloatArray:
    """Read a stored vector, shape (dimension,)."""
    if isinstance(data, bytes) and len(data) == 4 * dimension:
        vector = np.frombuffer(data, "<f4").astype(np.float32)
        if (np.abs(vector) < _LARGEST).all():  # not so of what is no number
            return vector
    raise damaged_row(f"the vector of track {track}")


def fingerprint_of(data: bytes, what: str) -> NDArray[np.uint32]:
    """Read a stored fingerprint."""
    if not isinstance(data, bytes) or len(data) % 4:
        raise damaged_row(f"the fingerprint of {what}")
    return np.frombuffer(data, "<u4").astype(np.uint32)


def json_of(text: str, what: str) -> Any:
    """Read stored JSON; `what` names it to who must mend the library."""
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError):
        raise damaged_row(what) from None


def damaged_row(what: str) -> LibraryDamaged:
    """Name a record that is not as it was stored, and say what to do."""
    return LibraryDamaged(
        f"the library is damaged: {what} is not as it was stored; restore {DATABASE} from a "
        "backup, or take the track out with `segue remove` and add it again"
    )


def _only_read(file: Path) -> bool:
    """Tell whether a database must be read as it lies there: nothing can be written beside it.

    SQLite would make files of its own beside it even to read it. What it has not yet moved from
    its log into the database would be missed, so one with a log is left to SQLite.
    """
    if not file.exists() or os.access(file.parent, os.W_OK):
        return False
    log = file.with_name(f"{file.name}-wal")
    return not log.exists() or not log.stat().st_size


def _check_not_emptied(file: Path) -> None:
    try:
        if file.stat().st_size:
            return
    except FileNotFoundError:
        return
    left = [name for name in _SIGNS_OF_A_LIBRARY if (file.parent / name).exists()]
    left += [backup.name for backup in file.parent.glob("segue-schema-*.backup.db")]
    if left:
        raise LibraryDamaged(
            f"{file} is empty, but beside it lie {', '.join(left)}: it was emptied. Restore it "
            "from a backup; or remove it, to begin a new library"
        )


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < 1 << 20
    except OSError:
        return False

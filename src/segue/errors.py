"""Exceptions; their messages are shown to the user and explain the problem and its solution."""

import errno
from typing import Final


class SegueError(Exception):
    """Base of all errors that Segue raises; its message is shown to the user unchanged."""


class BadArgument(SegueError, ValueError):
    """An invalid value or array."""


class Unreadable(SegueError):
    """A file that cannot be read as music."""


class Unavailable(Unreadable):
    """A file that cannot be read at the moment, for a reason outside its content."""


class NothingToMeasure(BadArgument):
    """No two tracks share a label, so that retrieval cannot be evaluated."""


class NotFound(SegueError, LookupError):
    """Nothing in the library matches the query."""


class WrongSpace(SegueError):
    """Vectors of different spaces, or of different versions of a space, were compared."""


class Unstorable(SegueError):
    """A record that the library's database cannot hold; the database itself is intact."""


class LibraryBusy(SegueError):
    """Another process is writing to the library."""


class LibraryDamaged(SegueError):
    """The library's database cannot be opened, or was written by a newer version of Segue."""


class LibraryReadOnly(LibraryDamaged):
    """There is no permission to write to the library."""


class DiskFull(SegueError):
    """The disk is full; everything stored before is still there."""


class BadCheckpoint(SegueError):
    """A checkpoint that is damaged, of another version, or of another model."""


class TrainingFailed(SegueError):
    """Training cannot start or continue; everything saved before is still there."""


#: Error numbers caused by the state of the system, not by the content of a file.
_TRANSIENT: Final = frozenset(
    (
        errno.EACCES, errno.EPERM, errno.EIO, errno.ENOENT, errno.ENOTDIR, errno.EBUSY,
        errno.EAGAIN, errno.EINTR, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ENODEV,
        errno.ENXIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.ECONNRESET,
        errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH, errno.EREMOTEIO,
    )
)  # fmt: skip


def is_transient(error: OSError) -> bool:
    """Return whether a file that cannot be read now may be readable later."""
    return error.errno in _TRANSIENT


def unreadable(error: OSError) -> Unreadable:
    """Convert an `OSError` of opening or reading a file to `Unreadable` or `Unavailable`."""
    if isinstance(error, FileNotFoundError):
        reason = "the file is gone"
    elif isinstance(error, PermissionError):
        reason = "no permission to read it"
    else:
        reason = f"cannot be opened ({error.strerror or error})"
    return Unavailable(reason) if is_transient(error) else Unreadable(reason)


def check_seed(seed: int) -> None:
    """Check that a seed is in the range of all random number generators, 0 to 2**32 - 1.

    Raises
    ------
    BadArgument
        The seed is out of range.
    """
    if not 0 <= seed < 1 << 32:
        raise BadArgument(f"the seed {seed} must be from 0 to {(1 << 32) - 1}")

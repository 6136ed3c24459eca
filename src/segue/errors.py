"""Exceptions for users: each says what was found, what was expected and what to do."""

import errno
from typing import Final


class SegueError(Exception):
    """Any failure that Segue foresees; its text is shown to the user as it is."""


class BadArgument(SegueError, ValueError):
    """A value or an array that the call cannot take."""


class Unreadable(SegueError):
    """A file that cannot be turned into music."""


class Unavailable(Unreadable):
    """A file that cannot be read at the moment; what it holds may well be music."""


class NothingToMeasure(BadArgument):
    """No track has a label that another shares, so that there is nothing to look for."""


class NotFound(SegueError, LookupError):
    """Nothing in the library answers to the query."""


class WrongSpace(SegueError):
    """Vectors of different spaces, or of different versions of one, were mixed."""


class Unstorable(SegueError):
    """A record that the library's database does not take; all others are well."""


class LibraryBusy(SegueError):
    """Another process is writing to the library."""


class LibraryDamaged(SegueError):
    """The library's database cannot be opened, or was written by a newer Segue."""


class LibraryReadOnly(LibraryDamaged):
    """The library may be read, but not written."""


class DiskFull(SegueError):
    """There was no room to write; what was stored before is still there."""


class BadCheckpoint(SegueError):
    """A file of weights that is damaged, of another version, or of another model."""


class TrainingFailed(SegueError):
    """Training cannot start or go on; what was saved before is still there."""


#: Faults of the machine and the moment, not of what a file holds.
_OF_THE_MOMENT: Final = frozenset(
    (
        errno.EACCES, errno.EPERM, errno.EIO, errno.ENOENT, errno.ENOTDIR, errno.EBUSY,
        errno.EAGAIN, errno.EINTR, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ENODEV,
        errno.ENXIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.ECONNRESET,
        errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH, errno.EREMOTEIO,
    )
)  # fmt: skip


def is_transient(error: OSError) -> bool:
    """Tell whether a file may be read later that cannot be read now."""
    return error.errno in _OF_THE_MOMENT


def unreadable(error: OSError) -> Unreadable:
    """Say why the system did not let a file be read, and whether it may later."""
    if isinstance(error, FileNotFoundError):
        reason = "the file is gone"
    elif isinstance(error, PermissionError):
        reason = "no permission to read it"
    else:
        reason = f"cannot be opened ({error.strerror or error})"
    return Unavailable(reason) if is_transient(error) else Unreadable(reason)


def check_seed(seed: int) -> None:
    """Refuse what every generator of random numbers refuses.

    Raises
    ------
    BadArgument
        It is not from 0 to 2**32 - 1.
    """
    if not 0 <= seed < 1 << 32:
        raise BadArgument(f"the seed {seed} must be from 0 to {(1 << 32) - 1}")

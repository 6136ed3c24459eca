"""Errors for people: each says what was found, what was expected, and what to do."""


class SegueError(Exception):
    """Any failure that Segue foresees; its text is shown to the user as it is."""


class BadArgument(SegueError, ValueError):
    """A value or an array that the call cannot take."""


class Unreadable(SegueError):
    """A file that cannot be turned into music."""


class NothingToMeasure(BadArgument):
    """No track has a label that another shares, so that there is nothing to look for."""


class NotFound(SegueError, LookupError):
    """Nothing in the library answers to the query."""


class WrongSpace(SegueError):
    """Vectors of different spaces, or of different versions of one, were mixed."""


class LibraryBusy(SegueError):
    """Another process is writing to the library."""


class LibraryDamaged(SegueError):
    """The library's database cannot be opened, or was written by a newer Segue."""


class DiskFull(SegueError):
    """There was no room to write; what was stored before is still there."""


class BadCheckpoint(SegueError):
    """A file of weights that is damaged, of another version, or of another model."""


class TrainingFailed(SegueError):
    """Training cannot start or go on; what was saved before is still there."""


def check_seed(seed: int) -> None:
    """Refuse what every generator of random numbers refuses.

    Raises
    ------
    BadArgument
        It is not from 0 to 2**32 - 1.
    """
    if not 0 <= seed < 1 << 32:
        raise BadArgument(f"the seed {seed} must be from 0 to {(1 << 32) - 1}")

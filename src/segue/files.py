"""Atomic writing of files, which never follows a planted symbolic link.

What is written lies first beside its target, under a name that nobody can foretell, in a file
that is made for it and locked while it is written. So a link of that name is never followed, and
what a killed Segue left half written is known by being unlocked.
"""

import contextlib
import errno
import fcntl
import os
import re
import secrets
import stat
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from segue.errors import BadArgument

_MARK: Final = ".segue-partial"
_MOST_LETTERS: Final = 40  # of a file's name in its partial's: names may be as long as disks allow
_LONGEST_SUFFIX: Final = 16
#: What an older Segue left half written in a library's own folders.
_OLDER: Final = re.compile(r".+\.\d+\.partial")


@contextlib.contextmanager
def atomic_output(target: Path) -> Iterator[Path]:
    """Give a place beside a file that the user named to write to; it takes the file's place.

    Yields
    ------
    Path
        With the target's ending. After an error or an interruption the old file is there.
        Where the target is a link to a file in the same folder or below, that is replaced.

    Raises
    ------
    BadArgument
        The file cannot be written, or is a link that leads out of its folder.
    """
    try:
        with atomic_write(resolve_link(target)) as partial:
            yield partial
    except OSError as error:
        raise BadArgument(f"cannot write {target}: {error.strerror or error}") from None


def write_text(text: str, target: Path) -> None:
    """Write a text in UTF-8, as a whole or not at all.

    Raises
    ------
    BadArgument
        As `replacing` does.
    """
    with atomic_output(target) as partial:
        partial.write_text(text, encoding="utf-8", errors="replace")


@contextlib.contextmanager
def atomic_write(target: Path) -> Iterator[Path]:
    """Give a new file beside a target to write to; once it is on the disk, it takes its place.

    Yields
    ------
    Path
        An empty file with the target's ending. It gets the permissions of the file that it
        replaces.

    Raises
    ------
    OSError
        Nothing was changed.
    """
    remove_partials(target.parent)
    before = _regular(target)
    descriptor, partial = _create(target, 0o666 if before is None else 0o600)
    try:
        yield partial
        if not os.path.samestat(os.fstat(descriptor), os.lstat(partial)):
            raise OSError(errno.EAGAIN, "another program changed the file while it was written")
        if before is not None:
            with contextlib.suppress(OSError):  # who may not give files away keeps them
                os.fchown(descriptor, before.st_uid, before.st_gid)
            os.fchmod(descriptor, stat.S_IMODE(before.st_mode) & 0o777)
        os.fsync(descriptor)
        partial.replace(target)
        _sync_folder(target.parent)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()
        os.close(descriptor)


@cache
def remove_partials(folder: Path, *, own: bool = False) -> None:
    """Remove what a killed Segue left half written in a folder; looked for once a run.

    `own` says that the folder is a library's, where names of older versions are known too.
    """
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            left = is_partial(Path(entry.name)) or (own and _OLDER.fullmatch(entry.name))
            if left and entry.is_file(follow_symlinks=False):
                _remove_unlocked(entry.path)


def partial_path(target: Path) -> Path:
    """Name a hidden file beside another one that is written first and takes its place."""
    suffix = target.suffix if len(target.suffix) <= _LONGEST_SUFFIX else ""
    unknown = secrets.token_hex(8)
    return target.with_name(f".{target.stem[:_MOST_LETTERS]}.{unknown}{_MARK}{suffix}")


def is_partial(path: Path) -> bool:
    """Tell whether a file was left half written, by a Segue that was killed."""
    return path.name.startswith(".") and _MARK in (path.suffix, Path(path.stem).suffix)


def resolve_link(target: Path) -> Path:
    """Return the file to replace: the target, or what it links to within its folder.

    Raises
    ------
    BadArgument
        It links to a file elsewhere.
    """
    if not target.is_symlink():
        return target
    folder, place = Path(os.path.realpath(target.parent)), Path(os.path.realpath(target))
    if not place.is_relative_to(folder):
        raise BadArgument(
            f"{target} is a link that leads out of its folder, to {place}; name that file itself, "
            "or remove the link"
        )
    return place


def _regular(target: Path) -> os.stat_result | None:
    try:
        found = os.lstat(target)
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(found.st_mode):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is no regular file")
    return found


def _create(target: Path, mode: int) -> tuple[int, Path]:
    while True:
        partial = partial_path(target)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(partial, flags, mode)
        except FileExistsError:
            continue
        # Another Segue that clears leftovers may have met it before it was locked.
        if _lock(descriptor) and partial.exists():
            return descriptor, partial
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Lock a file for this program; False where another holds it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass  # a file system without locks, where nobody can clear it either
    return True


def _remove_unlocked(path: str) -> None:
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(path)
        finally:
            os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):  # some file systems cannot
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

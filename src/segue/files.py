"""Atomic writing of files, which never follows a planted symbolic link.

A file is written to a partial file beside its target, which then replaces the target. The partial
file has an unpredictable name, is created exclusively, and is locked while it is written: a link
of that name is never followed, and partial files of killed processes are known by being unlocked.
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
_MAX_STEM: Final = 40  # characters of the target's name in that of the partial file
_MAX_SUFFIX: Final = 16
#: Names of partial files of older versions, in a library's own folders.
_OLD_PARTIAL: Final = re.compile(r".+\.\d+\.partial")


@contextlib.contextmanager
def atomic_output(target: Path) -> Iterator[Path]:
    """Write an output file that the user named atomically; see `atomic_write`.

    Yields
    ------
    Path
        The partial file to write to. If the target is a link to a file in the same folder or
        below, that file is replaced.

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
    """Write a text file in UTF-8 atomically.

    Raises
    ------
    BadArgument
        See `atomic_output`.
    """
    with atomic_output(target) as partial:
        partial.write_text(text, encoding="utf-8", errors="replace")


@contextlib.contextmanager
def atomic_write(target: Path) -> Iterator[Path]:
    """Write a file atomically: after an error or interruption, the old file is unchanged.

    Yields
    ------
    Path
        An empty partial file with the target's suffix. It replaces the target once it is synced
        to disk, and gets its permissions.

    Raises
    ------
    OSError
        The file could not be written; nothing was changed.
    """
    remove_partials(target.parent)
    before = _regular(target)
    descriptor, partial = _create(target, 0o666 if before is None else 0o600)
    try:
        yield partial
        if not os.path.samestat(os.fstat(descriptor), os.lstat(partial)):
            raise OSError(errno.EAGAIN, "another program changed the file while it was written")
        if before is not None:
            with contextlib.suppress(OSError):  # changing the owner needs privileges
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
    """Remove the partial files that killed processes left in a folder, once a run.

    Parameters
    ----------
    folder : Path
    own : bool
        The folder belongs to a library: partial files of older versions are removed, too.
    """
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            partial = is_partial(Path(entry.name)) or (own and _OLD_PARTIAL.fullmatch(entry.name))
            if partial and entry.is_file(follow_symlinks=False):
                _remove_unlocked(entry.path)


def partial_path(target: Path) -> Path:
    """Return a new name for the partial file of a target: hidden, and beside it."""
    suffix = target.suffix if len(target.suffix) <= _MAX_SUFFIX else ""
    token = secrets.token_hex(8)
    return target.with_name(f".{target.stem[:_MAX_STEM]}.{token}{_MARK}{suffix}")


def is_partial(path: Path) -> bool:
    """Return whether a file is a partial file, by its name."""
    return path.name.startswith(".") and _MARK in (path.suffix, Path(path.stem).suffix)


def resolve_link(target: Path) -> Path:
    """Return the file to replace: the target, or the file that it links to within its folder.

    Raises
    ------
    BadArgument
        The target links to a file outside its folder.
    """
    if not target.is_symlink():
        return target
    folder, linked = Path(os.path.realpath(target.parent)), Path(os.path.realpath(target))
    if not linked.is_relative_to(folder):
        raise BadArgument(
            f"{target} is a link that leads out of its folder, to {linked}; name that file itself, "
            "or remove the link"
        )
    return linked


def _regular(target: Path) -> os.stat_result | None:
    try:
        status = os.lstat(target)
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(status.st_mode):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is no regular file")
    return status


def _create(target: Path, mode: int) -> tuple[int, Path]:
    while True:
        partial = partial_path(target)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(partial, flags, mode)
        except FileExistsError:
            continue
        # Another process may have removed it with `remove_partials` before it was locked.
        if _lock(descriptor) and partial.exists():
            return descriptor, partial
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Lock a file; return False if another process holds the lock."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass  # a file system without locks, where `remove_partials` removes nothing either
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
    with contextlib.suppress(OSError):  # not supported by all file systems
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

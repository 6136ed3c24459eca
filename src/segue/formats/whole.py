"""Writes a file that the user named, as a whole or not at all."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from segue.errors import BadArgument


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Give a place beside a file to write to; what was written takes the file's place.

    Yields
    ------
    Path
        With the target's ending. After an error or an interruption the old file is there.

    Raises
    ------
    BadArgument
        The file cannot be written.
    """
    partial = target.with_name(f".{target.stem}.partial{target.suffix}")
    try:
        yield partial
        partial.replace(target)
    except OSError as error:
        raise BadArgument(f"cannot write {target}: {error.strerror or error}") from None
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()

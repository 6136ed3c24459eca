"""Writes a file that the user named, as a whole or not at all."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from segue.errors import BadArgument

_MARK: Final = ".segue-partial"
_MOST_LETTERS: Final = 40  # of a file's name in its partial's: names may be as long as disks allow


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Give a place beside a file to write to; what was written takes the file's place.

    Yields
    ------
    Path
        With the target's ending. After an error or an interruption the old file is there.
        Where the target is a link, the file that it points to is replaced.

    Raises
    ------
    BadArgument
        The file cannot be written.
    """
    place = Path(os.path.realpath(target))
    partial = partial_of(place)
    try:
        yield partial
        partial.replace(place)
    except OSError as error:
        raise BadArgument(f"cannot write {target}: {error.strerror or error}") from None
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def partial_of(target: Path) -> Path:
    """Name the hidden file beside another one that is written first and takes its place."""
    return target.with_name(f".{target.stem[:_MOST_LETTERS]}{_MARK}{target.suffix}")


def is_partial(path: Path) -> bool:
    """Tell whether a file was left half written, by a Segue that was killed."""
    return path.name.startswith(".") and path.stem.endswith(_MARK)

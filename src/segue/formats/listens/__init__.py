"""Listening histories: what was played, by whom and when, as services export it.

Rows are read one by one, whatever the size of the file. A row that makes no sense is handed on
as `Broken` and costs nothing else.
"""

import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from segue.errors import Unreadable
from segue.formats.listens.exports import (
    MAX_UNPACKED_BYTES,
    form_of,
    read_archive,
    read_folder,
)
from segue.formats.listens.rows import READABLE, Broken, Listen, NoListen, Row, allowance
from segue.formats.listens.tables import read_csv

__all__ = ["Broken", "Listen", "NoListen", "Row", "read_listens"]

_SNIFFED: Final = 1 << 15
_JSON: Final = re.compile(r"\[\s*[{\]]|\{\s*\"")


def read_listens(path: Path) -> Iterator[Row]:
    """Read a listening history; its form is seen from its content.

    Parameters
    ----------
    path : Path

    Yields
    ------
    Listen, Broken or NoListen

    Raises
    ------
    Unreadable
        The file is of no form that is known, or holds more than any history.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            yield from read_folder(path)
            return
        if not stat.S_ISREG(mode):  # before it is opened: a pipe would wait
            raise Unreadable(f"{path} is no regular file. {READABLE}")
        with path.open("rb") as file:
            start = file.read(_SNIFFED)
            file.seek(0)
            text = start.decode("utf-8-sig", "replace").lstrip()
            if not text:
                raise Unreadable(f"{path} is empty. {READABLE}")
            if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
                yield from read_archive(path, file)
            elif read := form_of(start):
                yield from read("", file, allowance(path, MAX_UNPACKED_BYTES), "")
            elif _JSON.match(text):  # "[unknown]" may begin a CSV
                raise Unreadable(f"{path} is JSON, but no streaming history. {READABLE}")
            else:
                yield from read_csv(path, file)
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror}") from None

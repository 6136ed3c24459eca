"""Listening histories in CSV: Segue's own columns, and those of Last.fm's exports."""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO, Final

from segue.errors import Unreadable
from segue.formats.encodings import encoding_of
from segue.formats.listens.rows import (
    READABLE,
    Listen,
    Row,
    allowance,
    filled,
    numbered_lines,
    read_row,
    time_s,
)
from segue.formats.names import clean

MAX_PLAYS: Final = 10**9
MAX_BYTES: Final = 4 << 30

_SAMPLED_ROWS: Final = 200  # to see the encoding by
_SEEN_ROWS: Final = 20  # and the columns
_TITLE_COLUMNS: Final = ("track", "title", "track_name", "song")
_ARTIST_COLUMNS: Final = ("artist", "artist_name")
_TIME_COLUMNS: Final = ("uts", "timestamp", "utc_time", "date", "time")


def read_csv(path: Path, file: BinaryIO) -> Iterator[Row]:
    """Read `user,track-or-path,plays[,time]` or a Last.fm export, in UTF-8 or an older encoding.

    Raises
    ------
    Unreadable
        The first rows fit neither, or it is longer than any history.
    """
    filled_lines = (
        item for item in numbered_lines(file, allowance(path, MAX_BYTES)) if item[1].strip()
    )
    sample = list(islice(filled_lines, _SAMPLED_ROWS))
    encoding = encoding_of(b"".join(line for _, line in sample))
    delimiter = _delimiter(_decode(sample[0][1], encoding))
    cells = partial(_cells, delimiter=delimiter, encoding=encoding)
    reader, has_header = _csv_form([cells(line) for _, line in sample[:_SEEN_ROWS]])
    if reader is None:
        raise Unreadable(f"{path} is of no known form. {READABLE}")
    for number, line in chain(sample[has_header:], filled_lines):
        yield read_row(
            f"line {number}", lambda row: reader(_needed(_cells(row, delimiter, encoding))), line
        )


CsvReader = Callable[[Sequence[str]], Listen]


def _csv_form(rows: Sequence[Sequence[str] | None]) -> tuple[CsvReader | None, bool]:
    """See from the first rows what the columns are, and whether the first is a header."""
    header = [cell.casefold() for cell in rows[0] or ()]
    title = _column(header, _TITLE_COLUMNS)
    artist = _column(header, _ARTIST_COLUMNS)
    if title is not None and artist is not None:
        return _named_columns(title, artist, _column(header, _TIME_COLUMNS)), True
    if len(header) >= 3 and header[0] == "user" and header[2] == "plays":
        return _user_track_plays, True
    fitting = {
        reader: sum(row is not None and _fits(reader, row) for row in rows)
        for reader in (_user_track_plays, _artist_album_track)
    }
    best = max(fitting, key=lambda reader: fitting[reader])
    return (best if fitting[best] else None), False


def _fits(reader: CsvReader, row: Sequence[str]) -> bool:
    try:
        reader(row)
    except ValueError:
        return False
    return True


def _named_columns(title: int, artist: int, time: int | None) -> CsvReader:
    def read(row: Sequence[str]) -> Listen:
        at = _cell(row, time) if time is not None else ""
        return Listen(_cell(row, artist), filled(_cell(row, title), "title"), at_s=time_s(at))

    return read


def _user_track_plays(row: Sequence[str]) -> Listen:
    if not 3 <= len(row) <= 4:
        raise ValueError(f"{len(row)} columns; user,track-or-path,plays[,time] has 3 or 4")
    if not row[2].isascii() or not row[2].isdigit() or not 1 <= int(row[2][:30]) <= MAX_PLAYS:
        raise ValueError(f"{row[2][:40]!r} is no number of plays")
    return Listen(
        track=filled(row[1], "track"),
        user=filled(row[0], "user"),
        plays=int(row[2][:30]),
        at_s=time_s(_cell(row, 3)),
    )


def _artist_album_track(row: Sequence[str]) -> Listen:
    if len(row) != 4:
        raise ValueError(f"{len(row)} columns; artist,album,track,date has 4")
    return Listen(row[0], filled(row[2], "title"), at_s=time_s(row[3]))


def _cells(line: bytes, delimiter: str, encoding: str) -> list[str] | None:
    """Split a line into cells; None where its quotes do not match."""
    # Line by line, so that one open quote does not swallow what follows.
    try:
        row = next(
            csv.reader([_decode(line, encoding).rstrip("\r\n")], delimiter=delimiter, strict=True)
        )
    except csv.Error:
        return None
    return [clean(cell) for cell in row]


def _needed(row: list[str] | None) -> list[str]:
    if row is None:
        raise ValueError("its quotation marks do not match")
    return row


def _decode(line: bytes, encoding: str) -> str:
    try:
        return line.decode("utf-8-sig")
    except UnicodeDecodeError:
        return line.decode(encoding, "replace")  # what spreadsheets write


def _delimiter(line: str) -> str:
    return max((",", ";", "\t"), key=line.count)


def _column(header: Sequence[str], names: Iterable[str]) -> int | None:
    return next((header.index(name) for name in names if name in header), None)


def _cell(row: Sequence[str], column: int) -> str:
    return row[column] if column < len(row) else ""

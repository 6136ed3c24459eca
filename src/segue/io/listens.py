"""Listening histories: exports of ListenBrainz, Spotify and Last.fm, and CSV.

Rows are read one by one, whatever the size of the file. A malformed row is yielded as an
`InvalidRow` and does not affect the others.
"""

import csv
import io
import json
import lzma
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, BinaryIO, Final, TextIO

from segue.errors import Unreadable
from segue.io.encodings import detect_encoding
from segue.text import clean

# --- rows ---

SUPPORTED_FORMATS: Final = (
    "Segue reads: CSV of user,track-or-path,plays[,time]; what ListenBrainz and Spotify hand "
    "out, packed (.zip), as a folder or file by file (.jsonl, .json); a Last.fm CSV, with the "
    "header uts,utc_time,artist,…,track,… or as artist,album,track,date"
)
MAX_LINE_BYTES: Final = 1 << 20
MAX_LINES: Final = 10_000_000  # more than anyone listens to in fifty years

_MAX_TIME_S: Final = 253_402_300_800  # the year 10000
_MIN_MILLISECONDS: Final = 10**11  # as seconds, the year 5138
_LAST_FM_TIMES: Final = ("%d %b %Y, %H:%M", "%d %b %Y %H:%M")


@dataclass(frozen=True, slots=True)
class Listen:
    """One or several plays of an item.

    Attributes
    ----------
    artist, title : str
        As written; both empty if `track` is given.
    track : str
        Track id, path, or ``artist - title``.
    user : str
        Empty if unknown.
    plays : int
        Number of plays, at least 1.
    at_s : int
        Time in seconds since 1970 (UTC); 0 if unknown.
    place : str
        Position in the file, for messages about an unknown `track`.
    """

    artist: str = ""
    title: str = ""
    track: str = ""
    user: str = ""
    plays: int = 1
    at_s: int = 0
    place: str = ""


@dataclass(frozen=True, slots=True)
class InvalidRow:
    """A row that cannot be parsed: its position, and the reason."""

    place: str
    reason: str


@dataclass(frozen=True, slots=True)
class SkippedRow:
    """A valid row that is not counted: a podcast, or a play of a few seconds."""

    reason: str


Row = Listen | InvalidRow | SkippedRow


def read_row(place: str, read: Callable[[Any], Listen | SkippedRow], row: object) -> Row:
    """Parse a row; any error makes it an `InvalidRow`."""
    try:
        parsed = read(row)
    except (ValueError, OverflowError, RecursionError) as error:
        return InvalidRow(place, str(error))
    return replace(parsed, place=place) if isinstance(parsed, Listen) and parsed.track else parsed


def read_limit(path: Path, max_bytes: int, verb: str = "holds") -> Callable[[int], None]:
    """Return a function that counts lines and their bytes, and raises beyond a limit.

    Raises
    ------
    Unreadable
        By the returned function, for files larger than any listening history.
    """
    bytes_left, lines_left = max_bytes, MAX_LINES

    def spend(size: int) -> None:
        nonlocal bytes_left, lines_left
        bytes_left -= size
        lines_left -= 1
        if bytes_left < 0:
            limit = f"{max_bytes >> 20} MiB"
        elif lines_left < 0:
            limit = f"{MAX_LINES:,} lines"
        else:
            return
        raise Unreadable(
            f"{path} {verb} more than {limit}, which no listening history does; nothing of it was "
            "kept"
        )

    return spend


def numbered_lines(file: IO[bytes], spend: Callable[[int], None]) -> Iterator[tuple[int, bytes]]:
    """Yield numbered lines, truncated to `MAX_LINE_BYTES`."""
    number = 0
    while line := file.readline(MAX_LINE_BYTES):
        spend(len(line))
        number += 1
        yield number, line
        while len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
            line = file.readline(MAX_LINE_BYTES)
            spend(len(line))


def json_object(line: bytes) -> dict[str, Any]:
    """Parse a JSON object, or raise ValueError."""
    try:
        fields = json.loads(line)
    except ValueError:
        raise ValueError("no JSON") from None
    if not isinstance(fields, dict):
        raise ValueError("no JSON object")  # noqa: TRY004  # any fault of a row is one
    return fields


def text_field(fields: Any, name: str, *, required: bool = False) -> str:
    """Return a text field, "" if it is missing, or raise ValueError."""
    value = fields.get(name) if isinstance(fields, dict) else None
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{name} is {value!r:.40}, not a text")
    text = clean(value or "")
    return non_empty(text, name) if required else text


def non_empty(text: str, what: str) -> str:
    """Return a text, or raise ValueError if it is empty."""
    if not text:
        raise ValueError(f"no {what}")
    return text


def parse_time(text: str) -> int:
    """Parse seconds or milliseconds since 1970, ISO 8601, or Last.fm's ``01 Feb 2020 12:34``."""
    if not text:
        return 0
    seconds = _parsed_time_s(text)
    if not 0 <= seconds < _MAX_TIME_S:
        raise ValueError(f"{text[:40]!r} is a time out of range")
    return int(seconds)


def _parsed_time_s(text: str) -> float:
    if re.fullmatch(r"\d{1,16}(\.\d{1,9})?", text, re.ASCII):
        number = float(text)
        return number / 1000 if number >= _MIN_MILLISECONDS else number
    try:
        return _utc_s(datetime.fromisoformat(text))
    except ValueError:
        pass  # not ISO 8601
    for form in _LAST_FM_TIMES:
        try:
            return _utc_s(datetime.strptime(text, form).replace(tzinfo=UTC))
        except ValueError:
            continue
    raise ValueError(f"{text[:40]!r} is no time")


def _utc_s(moment: datetime) -> float:
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


# --- exports of ListenBrainz and Spotify ---

MAX_UNPACKED_BYTES: Final = 4 << 30  # millions of listens of about 1.5 kB
MIN_PLAYED_MS: Final = 30_000  # Spotify's own threshold for a play

_CHUNK: Final = 1 << 15
_MONTH_OF_LISTENS: Final = re.compile(r"(?:^|/)listens/\d{4}/\d{1,2}\.jsonl$")
_NOTHING: Final = re.compile(r"\[\s*\]\s*")
_DIGITS: Final = re.compile(r"\d+")
_SPOTIFY: Final = re.compile(r'"(?:master_metadata_track_name|trackName)"\s*:')
_LISTENBRAINZ: Final = re.compile(r'"track_metadata"\s*:')
_JSON_ARRAY: Final = re.compile(r"\[\s*[{\]]")
_SNIFFED_BYTES: Final = 1 << 15
#: Exceptions of zipfile for damaged archives.
_ZIP_ERRORS: Final = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, ValueError,
    KeyError, OverflowError, NotImplementedError, RuntimeError, MemoryError,
)  # fmt: skip


def read_archive(path: Path, file: BinaryIO) -> Iterator[Row]:
    """Read the export of a service as a zip archive with files of any names.

    Raises
    ------
    Unreadable
        The archive is damaged, has no listening history, or unpacks to more than
        `MAX_UNPACKED_BYTES`.
    """
    try:
        archive = zipfile.ZipFile(file)
        names = [name for name in archive.namelist() if not name.endswith("/")]
    except _ZIP_ERRORS as error:
        raise Unreadable(f"{path} is a damaged zip archive ({error}); export it again") from None
    with archive:
        openers: dict[str, Callable[[], IO[bytes]]] = {
            name: partial(archive.open, name) for name in names
        }
        yield from _read_all(path, openers, "unpacks to")


def read_folder(path: Path) -> Iterator[Row]:
    """Read the export of a service as an unpacked folder.

    Raises
    ------
    Unreadable
        The folder has no listening history, or more than `MAX_UNPACKED_BYTES`.
    """
    files = [file for file in path.rglob("*") if file.is_file() and not file.is_symlink()]
    openers = {str(file.relative_to(path)): _opener(file) for file in files}
    yield from _read_all(path, openers, "holds")


def _opener(file: Path) -> Callable[[], IO[bytes]]:
    return lambda: file.open("rb")


def _read_all(
    path: Path, openers: Mapping[str, Callable[[], IO[bytes]]], verb: str
) -> Iterator[Row]:
    """Read the histories among files, sorted by the numbers in their names."""
    user = _listenbrainz_user(openers)
    spend = read_limit(path, MAX_UNPACKED_BYTES, verb)
    any_history = False
    for name in sorted(openers, key=_in_order):
        if not name.lower().endswith((".json", ".jsonl")):
            continue
        try:
            with openers[name]() as file:
                start = file.read(_SNIFFED_BYTES)
            month = _MONTH_OF_LISTENS.search(name.replace(os.sep, "/"))
            read = _read_listenbrainz if month else detect_json_reader(start)
            if read is None:
                continue
            any_history = True
            with openers[name]() as file:
                yield from read(name, file, spend, user)
        except Unreadable:
            raise
        except _ZIP_ERRORS as error:
            any_history = True
            yield InvalidRow(name, f"damaged from here on ({error})")
    if not any_history:
        raise Unreadable(f"{path} holds no listening history. {SUPPORTED_FORMATS}")


def _in_order(name: str) -> tuple[list[int], str]:
    return [int(number[:18]) for number in _DIGITS.findall(name)], name


Reader = Callable[[str, IO[bytes], Callable[[int], None], str], Iterator[Row]]


def detect_json_reader(start: bytes) -> Reader | None:
    """Return the reader for a JSON file by its beginning; None if it is no listening history.

    A reader takes the file name, the file, the function of `read_limit`, and the default user.
    """
    text = start.decode("utf-8-sig", "replace").lstrip()
    if (_JSON_ARRAY.match(text) and _SPOTIFY.search(text)) or _NOTHING.fullmatch(text):
        return _read_spotify
    if text.startswith("{") and _LISTENBRAINZ.search(text):
        return _read_listenbrainz
    return None


def _read_listenbrainz(
    name: str, file: IO[bytes], spend: Callable[[int], None], user: str
) -> Iterator[Row]:
    """Read the listens of a month: one JSON object in each line."""
    place = f"{name} line" if name else "line"
    for number, line in numbered_lines(file, spend):
        if line.strip():
            yield read_row(f"{place} {number}", lambda row: _listenbrainz(row, user), line)


def _listenbrainz_user(openers: Mapping[str, Callable[[], IO[bytes]]]) -> str:
    name = next((n for n in openers if n.split("/")[-1] == "user.json"), None)
    if name is None:
        return ""
    try:
        with openers[name]() as file:
            fields = json.loads(file.read(MAX_LINE_BYTES))
        return text_field(fields, "username")
    except _ZIP_ERRORS:
        return ""  # the user may be given by --user


def _listenbrainz(line: bytes, user: str) -> Listen:
    fields = json_object(line)
    track = fields.get("track_metadata")
    if not isinstance(track, dict):
        raise ValueError("no track_metadata")  # noqa: TRY004  # any fault of a row is one
    return Listen(
        text_field(track, "artist_name"),
        text_field(track, "track_name", required=True),
        user=user,
        at_s=parse_time(str(fields.get("listened_at") or "")),
    )


def _read_spotify(
    name: str, file: IO[bytes], spend: Callable[[int], None], _user: str
) -> Iterator[Row]:
    """Read a streaming history in its extended or its short form: a JSON array."""
    place = f"{name} entry" if name else "entry"
    text = io.TextIOWrapper(io.BufferedReader(_Counted(file, spend)), "utf-8-sig", errors="replace")
    for number, entry in _entries(text):
        if isinstance(entry, InvalidRow):
            yield InvalidRow(f"{place} {number}", entry.reason)
        else:
            yield read_row(f"{place} {number}", _spotify, entry)


class _Counted(io.RawIOBase):
    """A file that passes the number of bytes read to the function of `read_limit`."""

    def __init__(self, file: IO[bytes], spend: Callable[[int], None]) -> None:
        super().__init__()
        self._file, self._spend = file, spend

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        self._spend(len(data))
        return len(data)


def _spotify(entry: object) -> Listen | SkippedRow:
    if not isinstance(entry, dict):
        raise ValueError("no JSON object")  # noqa: TRY004  # any fault of a row is one
    short = "trackName" in entry  # the short form, from the account data
    title = text_field(entry, "trackName" if short else "master_metadata_track_name")
    artist = text_field(entry, "artistName" if short else "master_metadata_album_artist_name")
    played_ms = entry.get("msPlayed" if short else "ms_played")
    if not isinstance(played_ms, int | float):
        raise ValueError(f"{played_ms!r} is no time played in milliseconds")  # noqa: TRY004
    if not title or not artist:
        return SkippedRow("a podcast, an audiobook or a video")
    if played_ms < MIN_PLAYED_MS:
        return SkippedRow("played for less than 30 seconds")
    at = parse_time(text_field(entry, "endTime" if short else "ts"))
    return Listen(artist, title, at_s=at)


def _entries(file: TextIO) -> Iterator[tuple[int, Any]]:
    """Yield the entries of a JSON array, numbered from 1, without loading the whole array."""
    decoder = json.JSONDecoder()
    buffer = file.read(_CHUNK).lstrip()[1:]
    number = 1
    while True:
        buffer = buffer.lstrip(" \t\r\n,")
        if buffer.startswith("]"):
            return
        try:
            entry, end = decoder.raw_decode(buffer)
        except (ValueError, RecursionError):
            chunk = file.read(_CHUNK)
            if not chunk or len(buffer) > MAX_LINE_BYTES:
                yield number, InvalidRow(f"entry {number}", "no JSON from here on")
                return
            buffer += chunk
            continue
        yield number, entry
        buffer = buffer[end:]
        number += 1


# --- CSV ---

MAX_PLAYS: Final = 10**9
MAX_BYTES: Final = 4 << 30

_SAMPLED_ROWS: Final = 200  # for detecting the encoding
_HEADER_ROWS: Final = 20  # for detecting the columns
_TITLE_COLUMNS: Final = ("track", "title", "track_name", "song")
_ARTIST_COLUMNS: Final = ("artist", "artist_name")
_TIME_COLUMNS: Final = ("uts", "timestamp", "utc_time", "date", "time")


def read_csv(path: Path, file: BinaryIO) -> Iterator[Row]:
    """Read `user,track-or-path,plays[,time]` or a Last.fm export, in UTF-8 or an older encoding.

    Raises
    ------
    Unreadable
        The first rows have neither form, or the file is larger than any history.
    """
    filled_lines = (
        item for item in numbered_lines(file, read_limit(path, MAX_BYTES)) if item[1].strip()
    )
    sample = list(islice(filled_lines, _SAMPLED_ROWS))
    encoding = detect_encoding(b"".join(line for _, line in sample))
    delimiter = _delimiter(_decode(sample[0][1], encoding))
    cells = partial(_cells, delimiter=delimiter, encoding=encoding)
    reader, has_header = _detect_columns([cells(line) for _, line in sample[:_HEADER_ROWS]])
    if reader is None:
        raise Unreadable(f"{path} has an unknown format. {SUPPORTED_FORMATS}")
    for number, line in chain(sample[has_header:], filled_lines):
        yield read_row(
            f"line {number}",
            lambda row: reader(_require_cells(_cells(row, delimiter, encoding))),
            line,
        )


CsvReader = Callable[[Sequence[str]], Listen]


def _detect_columns(rows: Sequence[Sequence[str] | None]) -> tuple[CsvReader | None, bool]:
    """Detect the columns from the first rows, and whether the first row is a header."""
    header = [cell.casefold() for cell in rows[0] or ()]
    title = _column(header, _TITLE_COLUMNS)
    artist = _column(header, _ARTIST_COLUMNS)
    if title is not None and artist is not None:
        return _named_columns(title, artist, _column(header, _TIME_COLUMNS)), True
    if len(header) >= 3 and header[0] == "user" and header[2] == "plays":
        return _user_track_plays, True
    n_fitting = {
        reader: sum(row is not None and _fits(reader, row) for row in rows)
        for reader in (_user_track_plays, _artist_album_track)
    }
    best = max(n_fitting, key=lambda reader: n_fitting[reader])
    return (best if n_fitting[best] else None), False


def _fits(reader: CsvReader, row: Sequence[str]) -> bool:
    try:
        reader(row)
    except ValueError:
        return False
    return True


def _named_columns(title: int, artist: int, time: int | None) -> CsvReader:
    def read(row: Sequence[str]) -> Listen:
        at = _cell(row, time) if time is not None else ""
        return Listen(
            _cell(row, artist), non_empty(_cell(row, title), "title"), at_s=parse_time(at)
        )

    return read


def _user_track_plays(row: Sequence[str]) -> Listen:
    if not 3 <= len(row) <= 4:
        raise ValueError(f"{len(row)} columns; user,track-or-path,plays[,time] has 3 or 4")
    if not row[2].isascii() or not row[2].isdigit() or not 1 <= int(row[2][:30]) <= MAX_PLAYS:
        raise ValueError(f"{row[2][:40]!r} is no number of plays")
    return Listen(
        track=non_empty(row[1], "track"),
        user=non_empty(row[0], "user"),
        plays=int(row[2][:30]),
        at_s=parse_time(_cell(row, 3)),
    )


def _artist_album_track(row: Sequence[str]) -> Listen:
    if len(row) != 4:
        raise ValueError(f"{len(row)} columns; artist,album,track,date has 4")
    return Listen(row[0], non_empty(row[2], "title"), at_s=parse_time(row[3]))


def _cells(line: bytes, delimiter: str, encoding: str) -> list[str] | None:
    """Split a line into cells; None if its quotes do not match."""
    # Line by line, so that an unmatched quote affects only its own line.
    try:
        row = next(
            csv.reader([_decode(line, encoding).rstrip("\r\n")], delimiter=delimiter, strict=True)
        )
    except csv.Error:
        return None
    return [clean(cell) for cell in row]


def _require_cells(row: list[str] | None) -> list[str]:
    if row is None:
        raise ValueError("its quotation marks do not match")
    return row


def _decode(line: bytes, encoding: str) -> str:
    try:
        return line.decode("utf-8-sig")
    except UnicodeDecodeError:
        return line.decode(encoding, "replace")  # the encoding of a spreadsheet program


def _delimiter(line: str) -> str:
    return max((",", ";", "\t"), key=line.count)


def _column(header: Sequence[str], names: Iterable[str]) -> int | None:
    return next((header.index(name) for name in names if name in header), None)


def _cell(row: Sequence[str], column: int) -> str:
    return row[column] if column < len(row) else ""


_JSON: Final = re.compile(r"\[\s*[{\]]|\{\s*\"")


def read_listens(path: Path) -> Iterator[Row]:
    """Read a listening history; its format is detected from its content.

    Parameters
    ----------
    path : Path

    Yields
    ------
    Listen, InvalidRow or SkippedRow

    Raises
    ------
    Unreadable
        The format is unknown, or the file is larger than any history.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            yield from read_folder(path)
            return
        if not stat.S_ISREG(mode):  # before it is openers: a pipe would wait
            raise Unreadable(f"{path} is no regular file. {SUPPORTED_FORMATS}")
        with path.open("rb") as file:
            start = file.read(_SNIFFED_BYTES)
            file.seek(0)
            text = start.decode("utf-8-sig", "replace").lstrip()
            if not text:
                raise Unreadable(f"{path} is empty. {SUPPORTED_FORMATS}")
            if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
                yield from read_archive(path, file)
            elif read := detect_json_reader(start):
                yield from read("", file, read_limit(path, MAX_UNPACKED_BYTES), "")
            elif _JSON.match(text):  # "[unknown]" may begin a CSV
                raise Unreadable(f"{path} is JSON, but no streaming history. {SUPPORTED_FORMATS}")
            else:
                yield from read_csv(path, file)
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror}") from None

"""One row of a listening history: what it may be, and the cells it is made of."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final

from segue.errors import Unreadable
from segue.formats.names import clean

READABLE: Final = (
    "Segue reads: CSV of user,track-or-path,plays[,time]; what ListenBrainz and Spotify hand "
    "out, packed (.zip), as a folder or file by file (.jsonl, .json); a Last.fm CSV, with the "
    "header uts,utc_time,artist,…,track,… or as artist,album,track,date"
)
MAX_LINE_BYTES: Final = 1 << 20
MAX_LINES: Final = 10_000_000  # in fifty years of playing nobody comes to so many

_LATEST_S: Final = 253_402_300_800  # the year 10000
_MILLISECONDS_FROM: Final = 10**11  # as seconds this would be the year 5138
_LAST_FM_TIMES: Final = ("%d %b %Y, %H:%M", "%d %b %Y %H:%M")


@dataclass(frozen=True, slots=True)
class Listen:
    """Something was played.

    Attributes
    ----------
    artist, title : str
        As written; both empty where `track` is given instead.
    track : str
        A track's id, its path, or ``artist - title``.
    user : str
        Empty where the file does not say.
    plays : int
        How often, at least 1.
    at_s : int
        When, in seconds since 1970 (UTC); 0 where it is not known.
    place : str
        Where in the file, for a `track` that turns out to be unknown.
    """

    artist: str = ""
    title: str = ""
    track: str = ""
    user: str = ""
    plays: int = 1
    at_s: int = 0
    place: str = ""


@dataclass(frozen=True, slots=True)
class Broken:
    """A row that cannot be read: where it is, and why."""

    place: str
    reason: str


@dataclass(frozen=True, slots=True)
class NoListen:
    """A row that is well, but no listen to music: a podcast, or a few seconds."""

    reason: str


Row = Listen | Broken | NoListen


def read_row(place: str, read: Callable[[Any], Listen | NoListen], row: object) -> Row:
    """Read a row; whatever is wrong with it makes it `Broken`, and costs nothing else."""
    try:
        found = read(row)
    except (ValueError, OverflowError, RecursionError) as error:
        return Broken(place, str(error))
    return replace(found, place=place) if isinstance(found, Listen) and found.track else found


def allowance(path: Path, most_bytes: int, does: str = "holds") -> Callable[[int], None]:
    """Return what is told the bytes of each line, and stops at a file made to fill time.

    Raises
    ------
    Unreadable
        When it is told of more bytes or lines than a listening history has.
    """
    bytes_left, lines_left = most_bytes, MAX_LINES

    def spend(size: int) -> None:
        nonlocal bytes_left, lines_left
        bytes_left -= size
        lines_left -= 1
        if bytes_left < 0:
            most = f"{most_bytes >> 20} MiB"
        elif lines_left < 0:
            most = f"{MAX_LINES:,} lines"
        else:
            return
        raise Unreadable(
            f"{path} {does} more than {most}, which no listening history does; nothing of it was "
            "kept"
        )

    return spend


def numbered_lines(file: IO[bytes], spend: Callable[[int], None]) -> Iterator[tuple[int, bytes]]:
    """Yield numbered lines; of one that is longer than any listen, only its start."""
    number = 0
    while line := file.readline(MAX_LINE_BYTES):
        spend(len(line))
        number += 1
        yield number, line
        while len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
            line = file.readline(MAX_LINE_BYTES)
            spend(len(line))


def json_object(line: bytes) -> dict[str, Any]:
    """Read a line that holds one JSON object, else ValueError."""
    try:
        fields = json.loads(line)
    except ValueError:
        raise ValueError("no JSON") from None
    if not isinstance(fields, dict):
        raise ValueError("no JSON object")  # noqa: TRY004  # any fault of a row is one
    return fields


def text_of(fields: Any, name: str, *, needed: bool = False) -> str:
    """Return a field that holds a text, or nothing where that is allowed, else ValueError."""
    value = fields.get(name) if isinstance(fields, dict) else None
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{name} is {value!r:.40}, not a text")
    text = clean(value or "")
    return filled(text, name) if needed else text


def filled(text: str, what: str) -> str:
    """Return a text as it is, or raise ValueError where it is empty."""
    if not text:
        raise ValueError(f"no {what}")
    return text


def time_s(text: str) -> int:
    """Read seconds or milliseconds since 1970, ISO 8601, or Last.fm's ``01 Feb 2020 12:34``."""
    if not text:
        return 0
    seconds = _parsed_time_s(text)
    if not 0 <= seconds < _LATEST_S:
        raise ValueError(f"{text[:40]!r} is a time out of range")
    return int(seconds)


def _parsed_time_s(text: str) -> float:
    if re.fullmatch(r"\d{1,16}(\.\d{1,9})?", text, re.ASCII):
        number = float(text)
        return number / 1000 if number >= _MILLISECONDS_FROM else number
    try:
        return _utc_s(datetime.fromisoformat(text))
    except ValueError:
        pass  # not ISO; Last.fm's own form is left
    for form in _LAST_FM_TIMES:
        try:
            return _utc_s(datetime.strptime(text, form).replace(tzinfo=UTC))
        except ValueError:
            continue
    raise ValueError(f"{text[:40]!r} is no time")


def _utc_s(moment: datetime) -> float:
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()

"""Listening histories as the services hand them out: ListenBrainz, Spotify."""

import io
import json
import lzma
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import IO, Any, BinaryIO, Final, TextIO

from segue.errors import Unreadable
from segue.formats.listens.rows import (
    MAX_LINE_BYTES,
    READABLE,
    Broken,
    Listen,
    NoListen,
    Row,
    allowance,
    json_object,
    numbered_lines,
    read_row,
    text_of,
    time_s,
)

MAX_UNPACKED_BYTES: Final = 4 << 30  # a listen is some 1.5 kB there; nobody has millions of them
SHORTEST_LISTEN_MS: Final = 30_000  # what Spotify itself counts as a play

_CHUNK: Final = 1 << 15
_MONTH_OF_LISTENS: Final = re.compile(r"(?:^|/)listens/\d{4}/\d{1,2}\.jsonl$")
_NOTHING: Final = re.compile(r"\[\s*\]\s*")
_DIGITS: Final = re.compile(r"\d+")
_SPOTIFY: Final = re.compile(r'"(?:master_metadata_track_name|trackName)"\s*:')
_LISTENBRAINZ: Final = re.compile(r'"track_metadata"\s*:')
_JSON_ARRAY: Final = re.compile(r"\[\s*[{\]]")
_SNIFFED: Final = 1 << 15
#: What zipfile raises at an archive that is damaged, or marks its names as what they are not.
_ZIP_FAULTS: Final = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, ValueError,
    KeyError, OverflowError, NotImplementedError, RuntimeError, MemoryError,
)  # fmt: skip


def read_archive(path: Path, file: BinaryIO) -> Iterator[Row]:
    """Read what a service hands out as a zip archive, whatever the files in it are called.

    Raises
    ------
    Unreadable
        It is damaged, holds no listening history, or unpacks to more than `MAX_UNPACKED_BYTES`.
    """
    try:
        archive = zipfile.ZipFile(file)
        names = [name for name in archive.namelist() if not name.endswith("/")]
    except _ZIP_FAULTS as error:
        raise Unreadable(f"{path} is a damaged zip archive ({error}); export it again") from None
    with archive:
        opened: dict[str, Callable[[], IO[bytes]]] = {
            name: partial(archive.open, name) for name in names
        }
        yield from _read_all(path, opened, "unpacks to")


def read_folder(path: Path) -> Iterator[Row]:
    """Read what a service hands out, unpacked into a folder.

    Raises
    ------
    Unreadable
        It holds no listening history, or more than `MAX_UNPACKED_BYTES` of them.
    """
    files = [file for file in path.rglob("*") if file.is_file() and not file.is_symlink()]
    opened = {str(file.relative_to(path)): _opener(file) for file in files}
    yield from _read_all(path, opened, "holds")


def _opener(file: Path) -> Callable[[], IO[bytes]]:
    return lambda: file.open("rb")


def _read_all(
    path: Path, opened: Mapping[str, Callable[[], IO[bytes]]], does: str
) -> Iterator[Row]:
    """Read the histories among files, in the order of the numbers in their names."""
    user = _listenbrainz_user(opened)
    spend = allowance(path, MAX_UNPACKED_BYTES, does)
    known = False
    for name in sorted(opened, key=_in_order):
        if not name.lower().endswith((".json", ".jsonl")):
            continue
        try:
            with opened[name]() as file:
                start = file.read(_SNIFFED)
            month = _MONTH_OF_LISTENS.search(name.replace(os.sep, "/"))
            read = _read_listenbrainz if month else form_of(start)
            if read is None:
                continue
            known = True
            with opened[name]() as file:
                yield from read(name, file, spend, user)
        except Unreadable:
            raise
        except _ZIP_FAULTS as error:
            known = True
            yield Broken(name, f"damaged from here on ({error})")
    if not known:
        raise Unreadable(f"{path} holds no listening history. {READABLE}")


def _in_order(name: str) -> tuple[list[int], str]:
    return [int(number[:18]) for number in _DIGITS.findall(name)], name


Reader = Callable[[str, IO[bytes], Callable[[int], None], str], Iterator[Row]]


def form_of(start: bytes) -> Reader | None:
    """Tell from the beginning of a JSON file what reads it; None for no listening history.

    The reader takes what the file is called, the file, what is told of the bytes that are read,
    and whose listens these are where they do not say.
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


def _listenbrainz_user(opened: Mapping[str, Callable[[], IO[bytes]]]) -> str:
    name = next((n for n in opened if n.split("/")[-1] == "user.json"), None)
    if name is None:
        return ""
    try:
        with opened[name]() as file:
            fields = json.loads(file.read(MAX_LINE_BYTES))
        return text_of(fields, "username")
    except _ZIP_FAULTS:
        return ""  # whose listens these are can be said with --user


def _listenbrainz(line: bytes, user: str) -> Listen:
    fields = json_object(line)
    track = fields.get("track_metadata")
    if not isinstance(track, dict):
        raise ValueError("no track_metadata")  # noqa: TRY004  # any fault of a row is one
    return Listen(
        text_of(track, "artist_name"),
        text_of(track, "track_name", needed=True),
        user=user,
        at_s=time_s(str(fields.get("listened_at") or "")),
    )


def _read_spotify(
    name: str, file: IO[bytes], spend: Callable[[int], None], _user: str
) -> Iterator[Row]:
    """Read a streaming history in its extended or its short form: a JSON array."""
    place = f"{name} entry" if name else "entry"
    text = io.TextIOWrapper(io.BufferedReader(_Counted(file, spend)), "utf-8-sig", errors="replace")
    for number, entry in _entries(text):
        if isinstance(entry, Broken):
            yield Broken(f"{place} {number}", entry.reason)
        else:
            yield read_row(f"{place} {number}", _spotify, entry)


class _Counted(io.RawIOBase):
    """A file that tells how much of it is read."""

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


def _spotify(entry: object) -> Listen | NoListen:
    if not isinstance(entry, dict):
        raise ValueError("no JSON object")  # noqa: TRY004  # any fault of a row is one
    short = "trackName" in entry  # the form that comes with the data of the account
    title = text_of(entry, "trackName" if short else "master_metadata_track_name")
    artist = text_of(entry, "artistName" if short else "master_metadata_album_artist_name")
    played_ms = entry.get("msPlayed" if short else "ms_played")
    if not isinstance(played_ms, int | float):
        raise ValueError(f"{played_ms!r} is no time played in milliseconds")  # noqa: TRY004
    if not title or not artist:
        return NoListen("a podcast, an audiobook or a video")
    if played_ms < SHORTEST_LISTEN_MS:
        return NoListen("played for less than 30 seconds")
    at = time_s(text_of(entry, "endTime" if short else "ts"))
    return Listen(artist, title, at_s=at)


def _entries(file: TextIO) -> Iterator[tuple[int, Any]]:
    """Yield the entries of a JSON array, numbered from 1, without holding it whole."""
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
            more = file.read(_CHUNK)
            if not more or len(buffer) > MAX_LINE_BYTES:
                yield number, Broken(f"entry {number}", "no JSON from here on")
                return
            buffer += more
            continue
        yield number, entry
        buffer = buffer[end:]
        number += 1

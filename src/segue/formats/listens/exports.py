"""Listening histories as the services hand them out: ListenBrainz, Spotify."""

import io
import json
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final, TextIO

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
_MONTH_OF_LISTENS: Final = re.compile(r"(?:^|/)listens/(\d{4})/(\d{1,2})\.jsonl$")
#: What zipfile raises at an archive that is damaged, or marks its names as what they are not.
_ZIP_FAULTS: Final = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, ValueError,
    KeyError, OverflowError, NotImplementedError, RuntimeError, MemoryError,
)  # fmt: skip


def read_listenbrainz(path: Path, file: BinaryIO) -> Iterator[Row]:
    """Read a ListenBrainz export: a zip archive with ``listens/YEAR/MONTH.jsonl``.

    Raises
    ------
    Unreadable
        It is no such archive, or unpacks to more than `MAX_UNPACKED_BYTES`.
    """
    try:
        archive = zipfile.ZipFile(file)
    except _ZIP_FAULTS as error:
        raise Unreadable(f"{path} is a damaged zip archive ({error}); export it again") from None
    with archive:
        months = sorted(
            (int(match[1]), int(match[2]), name)
            for name in archive.namelist()
            if (match := _MONTH_OF_LISTENS.search(name))
        )
        if not months:
            raise Unreadable(f"{path} holds no listens/YEAR/MONTH.jsonl. {READABLE}")
        user = _listenbrainz_user(archive)
        spend = allowance(path, MAX_UNPACKED_BYTES, "unpacks to")
        for _, _, name in months:
            try:
                with archive.open(name) as month:
                    for number, line in numbered_lines(month, spend):
                        if line.strip():
                            yield read_row(
                                f"{name} line {number}", lambda row: _listenbrainz(row, user), line
                            )
            except _ZIP_FAULTS as error:
                yield Broken(name, f"damaged from here on ({error})")


def _listenbrainz_user(archive: zipfile.ZipFile) -> str:
    name = next((n for n in archive.namelist() if n.split("/")[-1] == "user.json"), None)
    if name is None:
        return ""
    try:
        with archive.open(name) as file:
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


def read_spotify(path: Path, file: BinaryIO) -> Iterator[Row]:
    """Read a Spotify streaming history, in its extended or its short form.

    Raises
    ------
    Unreadable
        It is other JSON.
    """
    text = io.TextIOWrapper(file, "utf-8-sig", errors="replace")
    known = False
    try:
        for number, entry in _entries(text):
            if not known and isinstance(entry, dict):
                known = bool({"master_metadata_track_name", "trackName"} & entry.keys())
                if not known:
                    raise Unreadable(f"{path} is JSON, but no streaming history. {READABLE}")
            broken = isinstance(entry, Broken)
            yield entry if broken else read_row(f"entry {number}", _spotify, entry)
    finally:
        text.detach()  # whose file it is closes it


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

"""Methods of the Subsonic API that send files: sound, cover art, lyrics."""

import math
import os
import stat
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from starlette.responses import FileResponse, Response, StreamingResponse

from segue.io.cover_art import cover_art, picture_type, thumbnail
from segue.records import Span
from segue.web.answers import NOT_FOUND, ApiError
from segue.web.calls import Call
from segue.web.catalog import Album, Song
from segue.web.elements import PART_FORM, media_type, suffix_of
from segue.web.transcode import ENCODINGS, Transcoders, bit_rate_of

_MAX_SIDE: Final = 2000
_TRIED: Final = 3  # songs of an album that are searched for a cover
_CACHED_BYTES: Final = 32 << 20
_CACHED_COVERS: Final = 10_000


def stream(call: Call, transcoders: Transcoders) -> Response:
    """Send a song to be played, transcoded where the player asks for less than the file is."""
    song = call.song()
    file = _file_of(song)
    form, limit = call.text("format", "").lower(), call.number("maxBitRate", 0)
    start_s = float(call.number("timeOffset", 0))
    suffix = suffix_of(song)
    actual = 8 * song.size / max(song.duration_s, 1) / 1000
    fits = not limit or actual <= 1.05 * limit
    as_it_is = form == "raw" or (form in ("", suffix) and fits and not start_s)
    if as_it_is and song.passage is None:
        return _send(file, suffix, None)
    form = form if form in ENCODINGS else PART_FORM
    headers = {"Accept-Ranges": "none", "Cache-Control": "no-store"}
    if call.flag("estimateContentLength", default=False):
        headers["X-Content-Duration"] = f"{max(song.duration_s - start_s, 0):.1f}"
    return _transcoded(transcoders, song, form, bit_rate_of(limit), start_s, headers)


def download(call: Call, transcoders: Transcoders) -> Response:
    """Send the file of a song as it is; of a file that a cue sheet divides its part, as FLAC."""
    song = call.song()
    file = _file_of(song)
    if song.passage is None:
        return _send(file, suffix_of(song), Path(song.path).name)
    name = quote(f"{song.title}.flac", safe="")
    headers = {"Content-Disposition": f"attachment; filename*=utf-8''{name}"}
    return _transcoded(transcoders, song, "flac", 0, 0.0, headers)


def _transcoded(
    transcoders: Transcoders,
    song: Song,
    form: str,
    bit_rate: int,
    start_s: float,
    headers: dict[str, str],
) -> Response:
    whole = song.passage or Span(0.0, math.inf)
    passage = Span(whole.start_s + start_s, whole.end_s)
    chunks = transcoders.run(song.file, form, bit_rate, passage)
    return StreamingResponse(chunks, media_type=ENCODINGS[form].media_type, headers=headers)


def _send(file: Path, suffix: str, name: str | None) -> Response:
    headers = {"Cache-Control": "private, max-age=3600"}
    return FileResponse(file, media_type=media_type(suffix), headers=headers, filename=name)


def _file_of(song: Song) -> Path:
    """Return the file of a song, which has to be there and to be the one that was analysed."""
    try:
        status = os.stat(song.file)
    except OSError:
        status = None
    if status is None or not stat.S_ISREG(status.st_mode):
        raise ApiError(NOT_FOUND, f"the file of {song.title!r} is not there any more")
    return song.file


class CoverArt:
    """The covers of albums, the last ones kept in memory."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, int, int], bytes] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, call: Call) -> Response:
        """Send the cover of a song, album, artist or playlist.

        Raises
        ------
        ApiError
            There is none.
        """
        album, size = self._album(call), call.number("size", 0, 0, _MAX_SIDE)
        key = (album.id, size, int(album.modified_s))
        data = self._kept.get(key)
        if data is None:
            data = self._read(album, size)
            self._keep(key, data)
        if not data:
            raise ApiError(NOT_FOUND, f"{album.name} has no cover")
        headers = {"Cache-Control": "private, max-age=86400"}
        return Response(data, media_type=picture_type(data), headers=headers)

    def _album(self, call: Call) -> Album:
        item, catalog = call.text("id"), call.catalog
        if item in catalog.albums:
            return catalog.albums[item]
        if item in catalog.artists:
            found = catalog.artists[item]
            return found.albums[0] if found.albums else found.songs[0].album
        if item.startswith("pl-") and item[3:].isascii() and item[3:].isdigit():
            kept = call.store.playlists.get(int(item[3:20]))
            songs = [] if kept is None else [each for each in kept.tracks if each in catalog.songs]
            if songs:
                return catalog.songs[songs[0]].album
        return call.song_of(item).album

    def _read(self, album: Album, size: int) -> bytes:
        for song in album.songs[:_TRIED]:
            data = cover_art(song.file)
            if data:
                return thumbnail(data, size) if size else data
        return b""

    def _keep(self, key: tuple[str, int, int], data: bytes) -> None:
        with self._lock:
            self._bytes += len(data) - len(self._kept.pop(key, b""))
            self._kept[key] = data
            while self._bytes > _CACHED_BYTES or len(self._kept) > _CACHED_COVERS:
                self._bytes -= len(self._kept.popitem(last=False)[1])


def lyrics(call: Call) -> dict[str, Any]:
    """Show the lyrics of a song by artist and title."""
    title, artist = call.text("title", ""), call.text("artist", "")
    query = f"{artist} {title}"
    for song in call.catalog.search(query, call.catalog.songs.values(), lambda each: each.words):
        text = call.store.lyrics.text(song.id)
        if text:
            return {"lyrics": {"artist": song.artist, "title": song.title, "value": text}}
    return {"lyrics": {"artist": artist, "title": title, "value": ""}}


def lyrics_by_song_id(call: Call) -> dict[str, Any]:
    """Show the lyrics of a song line by line."""
    song = call.song()
    text = call.store.lyrics.text(song.id)
    if not text:
        return {"lyricsList": {"structuredLyrics": []}}
    about = {"displayArtist": song.artist, "displayTitle": song.title}
    lines = [{"value": line} for line in text.splitlines()]
    structured = {"lang": "xxx", "synced": False, "offset": 0, "line": lines}
    return {"lyricsList": {"structuredLyrics": [about | structured]}}

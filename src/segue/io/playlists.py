"""Playlist files: M3U8, PLS, XSPF and JSON."""

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote
from xml.etree import ElementTree as ET

from segue.errors import BadArgument
from segue.files import atomic_output
from segue.records import Track

ENDINGS = (".m3u8", ".m3u", ".pls", ".xspf", ".json", ".jspf")
_XSPF = "http://xspf.org/ns/0/"
_VLC = "http://www.videolan.org/vlc/playlist/ns/0/"
_VLC_APPLICATION = "http://www.videolan.org/vlc/playlist/0"
#: Name of the extension of JSPF with start and end of a track.
_EXTENSION = "urn:segue:part"
#: Characters that are invalid in XML 1.0 (section 2.2).
_INVALID_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_playlist(target: Path, tracks: Sequence[Track], *, absolute: bool = False) -> None:
    """Write a playlist in the format of the file's suffix.

    Parameters
    ----------
    target : Path
        Output file with one of the suffixes in `ENDINGS`; it is replaced atomically.
    tracks : sequence of Track
    absolute : bool
        Write absolute paths instead of paths relative to the playlist's folder.

    Raises
    ------
    BadArgument
        The suffix is unknown, or the file cannot be written.

    Notes
    -----
    In M3U8 and PLS, file names that are not UTF-8 are written as raw bytes, since only these open
    the file; the other formats use percent-encoded URIs. Start and end of a track that is a part of
    a file are written in M3U8 and XSPF as options of VLC, since no others are in use, and in JSON
    as an extension. PLS has no such field: there a player plays the whole file.
    """
    ending = target.suffix.lower()
    if ending not in ENDINGS:
        raise BadArgument(f"{target} is no playlist; name it {', '.join(ENDINGS)}")
    if ending == ".pls":
        data = _pls(target, tracks, absolute=absolute)
    elif ending in (".m3u8", ".m3u"):
        data = _m3u8(target, tracks, absolute=absolute)
    elif ending == ".xspf":
        data = _xspf(target, tracks, absolute=absolute)
    else:
        text = json.dumps(_jspf(target, tracks, absolute=absolute), ensure_ascii=False, indent=1)
        data = text.encode("utf-8", "replace")
    with atomic_output(target) as partial:
        partial.write_bytes(data)


def _path(target: Path, track: Track, *, absolute: bool) -> bytes:
    folder = target.absolute().parent
    path = str(track.path) if absolute else os.path.relpath(track.path, folder)
    # In a folder reached through a link, ".." refers to the parent of the real folder.
    if os.path.realpath(folder / path) != os.path.realpath(track.path):
        path = os.path.relpath(track.path, os.path.realpath(folder))
    return os.fsencode(path)


def _uri(target: Path, track: Track, *, absolute: bool) -> str:
    return ("file://" if absolute else "") + quote(_path(target, track, absolute=absolute))


def _path_line(target: Path, track: Track, *, absolute: bool) -> bytes:
    """Return a path as one line: a path with a line break as a URI."""
    path = _path(target, track, absolute=absolute)
    if b"\n" in path or b"\r" in path:
        return f"file://{quote(os.fsencode(track.path.absolute()))}".encode()
    return path


def _m3u8(target: Path, tracks: Sequence[Track], *, absolute: bool) -> bytes:
    lines = [b"#EXTM3U"]
    for track in tracks:
        info = f"#EXTINF:{round(track.duration_s)},{_name(track)}"
        lines.append(info.encode("utf-8", "replace"))
        lines += [f"#EXTVLCOPT:{option}".encode() for option in _vlc_options(track)]
        path = _path_line(target, track, absolute=absolute)
        first = os.fsdecode(path)[0]
        # A line that begins with # is a comment, and players strip leading whitespace.
        lines.append(b"./" + path if first == "#" or first.isspace() else path)
    return b"\n".join(lines) + b"\n"


def _vlc_options(track: Track) -> list[str]:
    """Return the options with which VLC plays only a track that is a part of a file."""
    part = track.passage
    return [f"start-time={part.start_s:.3f}", f"stop-time={part.end_s:.3f}"] if part else []


def _pls(target: Path, tracks: Sequence[Track], *, absolute: bool) -> bytes:
    lines = [b"[playlist]"]
    for number, track in enumerate(tracks, start=1):
        lines.append(b"File%d=" % number + _path_line(target, track, absolute=absolute))
        lines.append(f"Title{number}={_name(track)}".encode("utf-8", "replace"))
        lines.append(b"Length%d=%d" % (number, round(track.duration_s)))
    lines += [b"NumberOfEntries=%d" % len(tracks), b"Version=2"]
    return b"\n".join(lines) + b"\n"


def _name(track: Track) -> str:
    name = " - ".join(part for part in (track.tags.artist, track.tags.title) if part)
    return " ".join(name.split())


def _xspf(target: Path, tracks: Sequence[Track], *, absolute: bool) -> bytes:
    ET.register_namespace("", _XSPF)
    ET.register_namespace("vlc", _VLC)
    playlist = ET.Element(f"{{{_XSPF}}}playlist", version="1")
    track_list = ET.SubElement(playlist, f"{{{_XSPF}}}trackList")
    items = _jspf(target, tracks, absolute=absolute)["playlist"]["track"]
    for track, fields in zip(tracks, items, strict=True):
        element = ET.SubElement(track_list, f"{{{_XSPF}}}track")
        fields.pop("extension", None)
        for name, value in fields.items():
            text = value[0] if isinstance(value, list) else str(value)
            ET.SubElement(element, f"{{{_XSPF}}}{name}").text = _INVALID_XML.sub("\ufffd", text)
        if options := _vlc_options(track):
            name = f"{{{_XSPF}}}extension"
            extension = ET.SubElement(element, name, application=_VLC_APPLICATION)
            for option in options:
                ET.SubElement(extension, f"{{{_VLC}}}option").text = option
    ET.indent(playlist)
    xml: bytes = ET.tostring(playlist, encoding="utf-8", xml_declaration=True)
    return xml + b"\n"


def _jspf(target: Path, tracks: Sequence[Track], *, absolute: bool) -> dict[str, Any]:
    items = []
    for track in tracks:
        tags = track.tags
        fields: dict[str, Any] = {"location": [_uri(target, track, absolute=absolute)]}
        texts = {"title": tags.title, "creator": tags.artist, "album": tags.album}
        fields |= {name: value for name, value in texts.items() if value}
        fields["duration"] = round(track.duration_s * 1000)
        if part := track.passage:
            fields["extension"] = {_EXTENSION: [{"start_s": part.start_s, "end_s": part.end_s}]}
        items.append(fields)
    return {"playlist": {"track": items}}

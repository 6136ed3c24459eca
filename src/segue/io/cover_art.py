"""Cover art: pictures in the tags of recordings, and pictures beside them."""

import base64
import contextlib
import io
import os
import re
from pathlib import Path
from typing import Any, Final

from segue.io.tags import mutagen_tags

MAX_BYTES: Final = 20 << 20
_MAX_PIXELS: Final = 50_000_000
_FRONT: Final = 3  # type of picture of ID3 and FLAC
_MAX_ENTRIES: Final = 10_000
#: Names of pictures beside recordings, the best first.
_NAMES: Final = ("cover", "folder", "front", "album", "albumart")
_ENDINGS: Final = (".jpg", ".jpeg", ".png", ".webp", ".gif")
_MAGIC: Final = (
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp"),
)


def cover_art(recording: Path) -> bytes | None:
    """Return the front cover of a recording: of its tags, else of its folder; None if none.

    Pictures are JPEG, PNG, GIF or WebP of at most `MAX_BYTES`.
    """
    for picture in _in_tags(recording):
        if picture_type(picture):
            return picture
    return _in_folder(recording.parent)


def picture_type(data: bytes) -> str:
    """Return the media type of a picture by its first bytes; "" if it is of no known type."""
    if len(data) > MAX_BYTES:
        return ""
    return next((name for magic, name in _MAGIC if magic.match(data)), "")


def thumbnail(data: bytes, size: int) -> bytes:
    """Scale a picture down, so that its sides are at most `size` pixels, as JPEG.

    A picture that is small enough, or that cannot be read, is returned unchanged.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as image:
            width, height = image.size
            if max(width, height) <= size or width * height > _MAX_PIXELS:
                return data
            image.draft("RGB", (size, size))
            small = image.convert("RGB")
            small.thumbnail((size, size))
            out = io.BytesIO()
            small.save(out, "JPEG", quality=88)
            return out.getvalue()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return data


def _in_tags(recording: Path) -> list[bytes]:
    """Return the pictures in tags, the front cover first."""
    pictures: list[tuple[bool, bytes]] = []
    for tags in mutagen_tags(recording):
        with contextlib.suppress(ValueError, TypeError, AttributeError, LookupError):
            pictures += _pictures(tags)
    if recording.suffix.lower() == ".flac":
        pictures += _flac_pictures(recording)
    return [data for _, data in sorted(pictures, key=lambda each: not each[0])]


def _pictures(tags: Any) -> list[tuple[bool, bytes]]:
    from mutagen.flac import Picture

    if hasattr(tags, "getall"):  # ID3
        return [(frame.type == _FRONT, bytes(frame.data)) for frame in tags.getall("APIC")]
    if "covr" in tags:  # MP4
        return [(True, bytes(data)) for data in tags["covr"]]
    found = []
    for text in tags.get("metadata_block_picture", []):  # Ogg
        if len(text) < 2 * MAX_BYTES:
            picture = Picture(base64.b64decode(text))
            found.append((picture.type == _FRONT, bytes(picture.data)))
    if "Cover Art (Front)" in tags:  # APEv2: a file name, a zero byte, the picture
        found.append((True, bytes(tags["Cover Art (Front)"].value).partition(b"\0")[2]))
    return found


def _flac_pictures(recording: Path) -> list[tuple[bool, bytes]]:
    import mutagen
    from mutagen.flac import FLAC

    read: Any = FLAC  # mutagen has no types
    with contextlib.suppress(mutagen.MutagenError, OSError, ValueError, LookupError):
        return [(each.type == _FRONT, bytes(each.data)) for each in read(recording).pictures]
    return []


def _in_folder(folder: Path) -> bytes | None:
    found: dict[str, Path] = {}
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for _, entry in zip(range(_MAX_ENTRIES), entries, strict=False):
            stem, ending = os.path.splitext(entry.name.lower())
            if stem in _NAMES and ending in _ENDINGS and entry.is_file(follow_symlinks=False):
                found.setdefault(stem, Path(entry.path))
    for name in _NAMES:
        if name in found:
            with contextlib.suppress(OSError), found[name].open("rb") as file:
                data = file.read(MAX_BYTES + 1)
                if picture_type(data):
                    return data
    return None

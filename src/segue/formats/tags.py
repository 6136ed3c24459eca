"""What a file says about itself, else what its name says."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import av

from segue.formats.names import clean
from segue.formats.sound import open_container
from segue.records import Tags

# For each of our fields the names that the formats give it: Vorbis comments and mutagen's
# "easy" names, ID3 frames, ASF attributes, FFmpeg's generic names.
_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "title": ("title", "TIT2", "Title"),
    "artist": ("artist", "TPE1", "Author"),
    "album": ("album", "TALB", "WM/AlbumTitle"),
    "album_artist": ("albumartist", "album_artist", "TPE2", "WM/AlbumArtist"),
    "genre": ("genre", "TCON", "WM/Genre"),
    "year": ("date", "year", "TDRC", "TYER", "WM/Year"),
    "track_number": ("tracknumber", "track", "TRCK", "WM/TrackNumber"),
}
_YEAR: Final = re.compile(r"(1[0-9]{3}|20[0-9]{2})")
_NUMBER: Final = re.compile(r"\d{1,4}")
NOTHING: Final = Tags()
_NUMBERED_NAME: Final = re.compile(r"^(?P<number>\d{1,3})[\s._-]+(?P<rest>\D.*)$")


def read_tags(path: Path, given: Tags = NOTHING) -> Tags:
    """Read a recording's tags.

    Parameters
    ----------
    path : Path
        The file.
    given : Tags
        An artist and an album for what names none.

    Returns
    -------
    Tags
        Missing ones are filled from ``01 artist - title``; folders say nothing.
    """
    found = _embedded(path)
    named = tags_from_name(path, given)
    title = found.get("title", "")
    return Tags(
        title=title or named.title,
        artist=found.get("artist", "") or found.get("album_artist", "") or named.artist,
        album=found.get("album", "") or named.album,
        album_artist=found.get("album_artist", ""),
        genre=found.get("genre", ""),
        year=_first_int(_YEAR, found.get("year", "")),
        track_number=_first_int(_NUMBER, found.get("track_number", ""))
        or (None if title else named.track_number),
    )


def _embedded(path: Path) -> dict[str, str]:
    import mutagen  # not needed by those who only search

    try:
        file = mutagen.File(path, easy=True)
    except (mutagen.MutagenError, ValueError):
        file = None  # a broken tag does not make the music unreadable
    found = _pick(dict(file.tags or {})) if file is not None else {}
    if found and not any("\ufffd" in value for value in found.values()):
        return found
    # RIFF INFO is unknown to mutagen, and text that is not the UTF-8 it should be is lost.
    return _ffmpeg_tags(path) or found


def _ffmpeg_tags(path: Path) -> dict[str, str]:
    for encoding in ("utf-8", "latin-1"):
        try:
            with path.open("rb") as file, open_container(file, encoding, "strict") as container:
                merged = dict(container.metadata)
                for stream in container.streams.audio[:1]:
                    merged |= stream.metadata
                return _pick({name.lower(): value for name, value in merged.items()})
        except UnicodeDecodeError:
            continue
        except (av.error.FFmpegError, OSError):
            return {}  # the decoder will say what is wrong with this file
    return {}


def _pick(tags: Mapping[str, object]) -> dict[str, str]:
    found = {}
    for field, names in _NAMES.items():
        for name in names:
            value = tags.get(name)
            first = value[0] if isinstance(value, list) and value else value
            text = clean(str(first)) if first else ""
            if text:
                found[field] = text
                break
    return found


def tags_from_name(path: Path, given: Tags = NOTHING) -> Tags:
    """Read what the name of a file says.

    Parameters
    ----------
    path, given
        As for `read_tags`.

    Returns
    -------
    Tags
        Of ``01 artist - title``; there is always a title. What is given comes before an artist
        in the name.
    """
    stem = display(path.stem).replace("_", " ").replace(".-.", " - ").strip()
    number = None
    if match := _NUMBERED_NAME.match(stem):
        number, stem = int(match["number"]), match["rest"]
    artist, dash, title = stem.partition(" - ")
    return Tags(
        title=clean(title if dash else stem) or clean(display(path.name)),
        artist=given.artist or clean(artist if dash else ""),
        album=given.album,
        track_number=number,
    )


def display(name: str) -> str:
    """Make a file name that may not be UTF-8 fit to be shown."""
    return os.fsencode(name).decode("utf-8", "replace")


def _first_int(pattern: re.Pattern[str], text: str) -> int | None:
    match = pattern.search(text)
    return int(match[0]) if match else None

"""Tags of audio files: title, artist, album, genre, year and the like.

The tags inside a recording, of every kind: field → its values, decoded, in the file's order.

What a file says about itself, else what its name says.
"""

import contextlib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import av

from segue.io.audio import open_container, sections
from segue.io.encodings import decode_all
from segue.io.tag_writing import tag_errors
from segue.records import Tags
from segue.text import BETWEEN_NAMES, clean, file_title, normalise, split_names

# --- embedded tags ---

#: For each of our fields what the kinds of tags call it, in lower case: Vorbis comments and APE,
#: ID3 frames, MP4 atoms, Windows Media's attributes, FFmpeg's generic names. The first that is
#: there counts; "artists" lists what "artist" may tell in words, as "Ann feat. Bob".
_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "title": ("title", "tit2", "©nam"),
    "artist": ("artist", "tpe1", "©art", "author"),
    "artists": ("artists", "txxx:artists", "----:com.apple.itunes:artists", "wm/artists"),
    "album": ("album", "talb", "©alb", "wm/albumtitle"),
    "album_artist": (
        *("albumartist", "album artist", "album_artist", "tpe2", "aart", "wm/albumartist"),
    ),
    "genre": ("genre", "tcon", "©gen", "wm/genre"),
    "year": ("date", "year", "tdrc", "tyer", "©day", "wm/year"),
    "track_number": ("tracknumber", "track", "trck", "trkn", "wm/tracknumber"),
}
_LATIN_1: Final = 0  # of an ID3 frame: what programs write that know of no encodings
_LOST: Final = "\ufffd"
_BETWEEN: Final = "\0"


def embedded_tags(path: Path) -> dict[str, list[str]]:
    """Read the tags inside a recording.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict of str to list of str
        By field: title, artist, artists, album, album_artist, genre, year, track_number; those
        without a value are left out. Tags that cannot be read are none: a broken tag does not
        make the music unreadable.
    """
    found = _by_mutagen(path)
    if found and not any(_LOST in value for values in found.values() for value in values):
        return found
    # RIFF INFO is unknown to mutagen, and text that is not the UTF-8 it should be is lost.
    return _by_ffmpeg(path) or found


def id3_version(path: Path) -> int:
    """Return 2, 3 or 4 of ID3v2; 0 where there is none."""
    try:
        with path.open("rb") as file:
            head = file.read(4)
    except OSError:
        return 0
    return head[3] if head.startswith(b"ID3") and len(head) == 4 else 0


def mutagen_tags(path: Path) -> list[Any]:
    """Return mutagen's tags of a recording, of MP3 first ID3, then APEv2; broken ones are none."""
    import mutagen  # not needed by those who only search
    from mutagen.apev2 import APEv2
    from mutagen.mp3 import MP3

    read_ape: Any = APEv2  # mutagen has no types
    broken = tag_errors()
    found = []
    file = None
    with contextlib.suppress(*broken):
        file = mutagen.File(path)
        found.append(getattr(file, "tags", None))
    if file is None or isinstance(file, MP3):
        with contextlib.suppress(*broken):
            found.append(read_ape(path))
    return [tags for tags in found if tags]


def _by_mutagen(path: Path) -> dict[str, list[str]]:
    from mutagen.id3 import ID3

    found: dict[str, list[str]] = {}
    for tags in mutagen_tags(path):
        values = _id3_values(tags) if isinstance(tags, ID3) else _values(tags)
        found = _picked(values) | found
    return found


def _id3_values(tags: Any) -> dict[str, list[str]]:
    """Read the text frames; those of Latin-1 together, for they may be in any encoding."""
    values: dict[str, list[str]] = {}
    guessed: list[tuple[str, bytes]] = []
    for frame in tags.values():
        if not hasattr(frame, "text") or not isinstance(frame.text, list):
            continue
        name = frame.HashKey.lower() if frame.FrameID == "TXXX" else frame.FrameID.lower()
        texts = frame.genres if frame.FrameID == "TCON" else frame.text
        for text in map(str, texts):
            if frame.encoding == _LATIN_1 and not text.isascii():
                guessed.append((name, text.encode("latin-1", "replace")))
            else:
                values.setdefault(name, []).append(text)
    decoded = decode_all([text for _, text in guessed])
    for (name, _), text in zip(guessed, decoded, strict=True):
        values.setdefault(name, []).append(text)
    return values


def _values(tags: Any) -> dict[str, list[str]]:
    """Read tags that are lists of values under names."""
    found: dict[str, list[str]] = {}
    for name, value in tags.items() if hasattr(tags, "items") else tags:
        many = value if isinstance(value, list) else [value]
        texts = [text for one in many for text in _text(one).split(_BETWEEN) if text]
        found.setdefault(str(name).lower(), []).extend(texts)
    return found


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, tuple) and value:
        return str(value[0])  # number of a track, and of how many
    return str(value)


def _by_ffmpeg(path: Path) -> dict[str, list[str]]:
    try:
        # By sections, whose places cannot be missed: PyAV writes what goes wrong to stderr.
        with (
            path.open("rb") as file,
            open_container(sections(file)[0], "latin-1", "replace") as container,
        ):
            merged = dict(container.metadata)
            for stream in container.streams.audio[:1]:
                merged |= stream.metadata
    except (av.error.FFmpegError, OSError):
        return {}  # the decoder will say what is wrong with this file
    values = decode_all([value.encode("latin-1") for value in merged.values()])
    return _picked({name.lower(): [value] for name, value in zip(merged, values, strict=True)})


def _picked(values: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    found = {}
    for field, names in _NAMES.items():
        for name in names:
            there = [text for text in values.get(name, ()) if text.strip()]
            if there:
                found[field] = there
                break
    return found


# --- tags ---

_YEAR: Final = re.compile(r"(1[0-9]{3}|20[0-9]{2})")
_NUMBER: Final = re.compile(r"\d{1,4}")
NO_TAGS: Final = Tags()
_SLASHES_DIVIDE: Final = 3  # the version of ID3v2 in which they do
_SHORTEST_NAME: Final = 2  # letters
_INITIALS: Final = 4  # letters: "AC/DC", "GZA/Genius"
#: Artists of one name with a slash in it, normalised.
_WITH_SLASH: Final = frozenset(
    ["ac dc", "au ra", "black white", "fear loathing", "gza genius", "love hate", "yes no"]
)
#: Between artist and title: a hyphen or dash with spaces around.
_DASH: Final = re.compile(r"\s+[-–—―‒]+\s+")
_NUMBER_BETWEEN: Final = re.compile(r"(?P<number>\d{1,3})(?:\s+[-–—]\s+|\.\s+)(?P<rest>\D.*)")
_NUMBERED_NAME: Final = re.compile(r"^(?P<number>\d{1,3})[\s._-]+(?P<rest>\D.*)$")


def read_tags(path: Path, given: Tags = NO_TAGS) -> Tags:
    """Read a recording's tags.

    Parameters
    ----------
    path : Path
        The file.
    given : Tags
        A title, an artist and an album for what names none.

    Returns
    -------
    Tags
        Missing ones are filled from ``01 artist - title``; folders say nothing.
    """
    found = embedded_tags(path)
    named = tags_from_name(path, given)
    first = {field: clean(values[0]) for field, values in found.items()}
    slashes = id3_version(path) == _SLASHES_DIVIDE
    artist = _names(found.get("artists", []) or found.get("artist", []), slashes=slashes)
    album_artist = _names(found.get("album_artist", []), slashes=slashes)
    title = first.get("title", "")
    return Tags(
        title=title or named.title,
        artist=artist or album_artist or named.artist,
        album=first.get("album", "") or named.album,
        album_artist=album_artist,
        genre=_names(found.get("genre", [])),
        year=_first_int(_YEAR, first.get("year", "")) or (None if title else named.year),
        track_number=_first_int(_NUMBER, first.get("track_number", ""))
        or (None if title else named.track_number),
    )


def _names(values: Sequence[str], *, slashes: bool = False) -> str:
    """Join names, each once, with `BETWEEN_NAMES` between; what holds several is divided."""
    several = [one for value in values for one in split_names(value)]
    if slashes:
        several = [one for name in several for one in _at_slashes(name)]
    cleaned = filter(None, map(clean, several))
    return BETWEEN_NAMES.join({normalise(name) or name: name for name in cleaned}.values())


def _at_slashes(name: str) -> list[str]:
    """Divide what ID3v2.3 divides, "Ann/Bob", but not "AC/DC": names that are not all short."""
    parts = [part.strip() for part in name.split("/")]
    words = [sum(c.isalpha() for c in part) for part in parts]
    one = normalise(name) in _WITH_SLASH or min(words) < _SHORTEST_NAME
    capitals = any(part.isupper() and len(part) <= _INITIALS for part in parts)
    return [name] if one or capitals or "/\\" in name else parts


def tags_from_name(path: Path, given: Tags = NO_TAGS) -> Tags:
    """Read what the name of a file says.

    Parameters
    ----------
    path, given
        As for `read_tags`.

    Returns
    -------
    Tags
        Of ``01 artist - title``; there is always a title. What is given comes before what the
        name says.
    """
    stem = display_name(path.stem).replace("_", " ").replace(".-.", " - ").strip()
    number = None
    if match := _NUMBERED_NAME.match(stem):
        number, stem = int(match["number"]), match["rest"]
    found = file_title(stem)
    artist, *rest = _DASH.split(found.title, maxsplit=1)
    title = rest[0] if rest else found.title
    if rest and (match := _NUMBER_BETWEEN.fullmatch(title)):  # "artist - 03 - title"
        number, title = int(match["number"]), match["rest"]
    return Tags(
        title=given.title or clean(title) or clean(display_name(path.name)),
        artist=given.artist or clean(artist if rest else ""),
        album=given.album,
        year=found.year,
        track_number=number,
    )


def display_name(name: str) -> str:
    """Make a file name that may not be UTF-8 fit to be shown."""
    return os.fsencode(name).decode("utf-8", "replace")


def _first_int(pattern: re.Pattern[str], text: str) -> int | None:
    match = pattern.search(text)
    return int(match[0]) if match else None

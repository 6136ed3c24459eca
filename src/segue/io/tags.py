"""Tags of audio files (title, artist, album, genre, year, ...), completed from file names."""

import contextlib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from segue.io.encodings import decode_all
from segue.io.tag_writing import tag_errors
from segue.records import NO_TAGS, Tags
from segue.text import BETWEEN_NAMES, clean, file_title, normalise, split_names

#: Names of each field in tag formats, in lower case and order of preference: Vorbis comments
#: and APE, ID3 frames, MP4 atoms, Windows Media attributes, FFmpeg's generic names. "artists" lists
#: the names that "artist" may join, as in "Ann feat. Bob".
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
_LATIN_1: Final = 0  # encoding of an ID3 frame; also declared for texts in other encodings
_REPLACEMENT: Final = "\ufffd"
_SEPARATOR: Final = "\0"


def embedded_tags(path: Path) -> dict[str, list[str]]:
    """Read the tags of a recording.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict of str to list of str
        Values by field: title, artist, artists, album, album_artist, genre, year, track_number.
        Empty fields and unreadable tags are left out: a damaged tag does not make the file
        unreadable.
    """
    tags = _by_mutagen(path)
    if tags and not any(_REPLACEMENT in value for values in tags.values() for value in values):
        return tags
    # mutagen does not read RIFF INFO, and loses text that is not the UTF-8 that it should be.
    return _by_ffmpeg(path) or tags


def id3_version(path: Path) -> int:
    """Return the minor version of ID3v2 tags, 2 to 4; 0 if there are none."""
    try:
        with path.open("rb") as file:
            head = file.read(4)
    except OSError:
        return 0
    return head[3] if head.startswith(b"ID3") and len(head) == 4 else 0


def mutagen_tags(path: Path) -> list[Any]:
    """Return the readable tags of a recording as mutagen objects; for MP3, ID3 before APEv2."""
    import mutagen  # not needed for searching
    from mutagen.apev2 import APEv2
    from mutagen.mp3 import MP3

    read_ape: Any = APEv2  # mutagen has no types
    errors = tag_errors()
    all_tags = []
    file = None
    with contextlib.suppress(*errors):
        file = mutagen.File(path)
        all_tags.append(getattr(file, "tags", None))
    if file is None or isinstance(file, MP3):
        with contextlib.suppress(*errors):
            all_tags.append(read_ape(path))
    return [tags for tags in all_tags if tags]


def _by_mutagen(path: Path) -> dict[str, list[str]]:
    from mutagen.id3 import ID3

    fields: dict[str, list[str]] = {}
    for tags in mutagen_tags(path):
        values = _id3_values(tags) if isinstance(tags, ID3) else _values(tags)
        fields = _by_field(values) | fields
    return fields


def _id3_values(tags: Any) -> dict[str, list[str]]:
    """Read text frames; those declared as Latin-1 may be in any encoding: decode them jointly."""
    values: dict[str, list[str]] = {}
    undecoded: list[tuple[str, bytes]] = []
    for frame in tags.values():
        if not hasattr(frame, "text") or not isinstance(frame.text, list):
            continue
        name = frame.HashKey.lower() if frame.FrameID == "TXXX" else frame.FrameID.lower()
        texts = frame.genres if frame.FrameID == "TCON" else frame.text
        for text in map(str, texts):
            if frame.encoding == _LATIN_1 and not text.isascii():
                undecoded.append((name, text.encode("latin-1", "replace")))
            else:
                values.setdefault(name, []).append(text)
    decoded = decode_all([text for _, text in undecoded])
    for (name, _), text in zip(undecoded, decoded, strict=True):
        values.setdefault(name, []).append(text)
    return values


def _values(tags: Any) -> dict[str, list[str]]:
    """Read tags that map names to lists of values."""
    values: dict[str, list[str]] = {}
    for name, value in tags.items() if hasattr(tags, "items") else tags:
        items = value if isinstance(value, list) else [value]
        texts = [text for item in items for text in _text(item).split(_SEPARATOR) if text]
        values.setdefault(str(name).lower(), []).extend(texts)
    return values


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, tuple) and value:
        return str(value[0])  # track number and number of tracks
    return str(value)


def _by_ffmpeg(path: Path) -> dict[str, list[str]]:
    import av  # only recordings need a decoder; names of scores and texts are read here as well

    from segue.io.audio import open_container, sections

    try:
        # Through a `FileSection`, whose methods do not fail: PyAV prints their errors to stderr.
        with (
            path.open("rb") as file,
            open_container(sections(file)[0], "latin-1", "replace") as container,
        ):
            merged = dict(container.metadata)
            for stream in container.streams.audio[:1]:
                merged |= stream.metadata
    except (av.error.FFmpegError, OSError):
        return {}  # the error is reported when the file is decoded
    values = decode_all([value.encode("latin-1") for value in merged.values()])
    return _by_field({name.lower(): [value] for name, value in zip(merged, values, strict=True)})


def _by_field(values: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    fields = {}
    for field, names in _NAMES.items():
        for name in names:
            texts = [text for text in values.get(name, ()) if text.strip()]
            if texts:
                fields[field] = texts
                break
    return fields


_YEAR: Final = re.compile(r"(1[0-9]{3}|20[0-9]{2})")
_NUMBER: Final = re.compile(r"\d{1,4}")
_SLASH_VERSION: Final = 3  # of ID3v2, in which slashes separate values
_MIN_NAME: Final = 2  # letters
_MAX_INITIALS: Final = 4  # letters: "AC/DC", "GZA/Genius"
#: Normalised names of artists that contain a slash.
_WITH_SLASH: Final = frozenset(
    ["ac dc", "au ra", "black white", "fear loathing", "gza genius", "love hate", "yes no"]
)
#: Separator of artist and title: a hyphen or dash between spaces.
_DASH: Final = re.compile(r"\s+[-–—―‒]+\s+")
_NUMBER_BETWEEN: Final = re.compile(r"(?P<number>\d{1,3})(?:\s+[-–—]\s+|\.\s+)(?P<rest>\D.*)")
_NUMBERED_NAME: Final = re.compile(r"^(?P<number>\d{1,3})[\s._-]+(?P<rest>\D.*)$")


def read_tags(path: Path, given: Tags = NO_TAGS) -> Tags:
    """Read the tags of a recording.

    Parameters
    ----------
    path : Path
    given : Tags
        Title, artist and album for a file without these tags.

    Returns
    -------
    Tags
        Completed from file names such as ``01 artist - title``; folder names are not used.
    """
    embedded = embedded_tags(path)
    from_name = tags_from_name(path, given)
    first = {field: clean(values[0]) for field, values in embedded.items()}
    slashes = id3_version(path) == _SLASH_VERSION
    artist = _names(embedded.get("artists", []) or embedded.get("artist", []), slashes=slashes)
    album_artist = _names(embedded.get("album_artist", []), slashes=slashes)
    title = first.get("title", "")
    return Tags(
        title=title or from_name.title,
        artist=artist or album_artist or from_name.artist,
        album=first.get("album", "") or from_name.album,
        album_artist=album_artist,
        genre=_names(embedded.get("genre", [])),
        year=_first_int(_YEAR, first.get("year", "")) or (None if title else from_name.year),
        track_number=_first_int(_NUMBER, first.get("track_number", ""))
        or (None if title else from_name.track_number),
    )


def _names(values: Sequence[str], *, slashes: bool = False) -> str:
    """Join the distinct names in values with `BETWEEN_NAMES`."""
    names = [name for value in values for name in split_names(value)]
    if slashes:
        names = [part for name in names for part in _split_slashes(name)]
    cleaned = filter(None, map(clean, names))
    return BETWEEN_NAMES.join({normalise(name) or name: name for name in cleaned}.values())


def _split_slashes(name: str) -> list[str]:
    """Split names at slashes, the separator of ID3v2.3: "Ann/Bob", but not "AC/DC"."""
    parts = [part.strip() for part in name.split("/")]
    n_letters = [sum(c.isalpha() for c in part) for part in parts]
    is_one = normalise(name) in _WITH_SLASH or min(n_letters) < _MIN_NAME
    initials = any(part.isupper() and len(part) <= _MAX_INITIALS for part in parts)
    return [name] if is_one or initials or "/\\" in name else parts


def tags_from_name(path: Path, given: Tags = NO_TAGS) -> Tags:
    """Read tags from a file name such as ``01 artist - title``.

    Parameters
    ----------
    path, given
        See `read_tags`.

    Returns
    -------
    Tags
        With a title in any case. Given tags take precedence over the name.
    """
    stem = display_name(path.stem).replace("_", " ").replace(".-.", " - ").strip()
    number = None
    if match := _NUMBERED_NAME.match(stem):
        number, stem = int(match["number"]), match["rest"]
    parsed = file_title(stem)
    artist, *rest = _DASH.split(parsed.title, maxsplit=1)
    title = rest[0] if rest else parsed.title
    if rest and (match := _NUMBER_BETWEEN.fullmatch(title)):  # "artist - 03 - title"
        number, title = int(match["number"]), match["rest"]
    return Tags(
        title=given.title or clean(title) or clean(display_name(path.name)),
        artist=given.artist or clean(artist if rest else ""),
        album=given.album,
        year=parsed.year,
        track_number=number,
    )


def display_name(name: str) -> str:
    """Return a file name, which need not be UTF-8, as text for display."""
    return os.fsencode(name).decode("utf-8", "replace")


def _first_int(pattern: re.Pattern[str], text: str) -> int | None:
    match = pattern.search(text)
    return int(match[0]) if match else None

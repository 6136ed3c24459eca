"""The tags inside a recording, of every kind: field → its values, decoded, in the file's order."""

import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import av

from segue.formats.containers import open_container, sections
from segue.formats.encodings import decode_together
from segue.formats.tagging import tag_faults

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
    broken = tag_faults()
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
    decoded = decode_together([text for _, text in guessed])
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
    values = decode_together([value.encode("latin-1") for value in merged.values()])
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

"""Tags of audio files: title, artist, lyrics and the like; writing of tempo, key and mood."""

import contextlib
import os
import re
import shutil
import stat
import struct
import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from segue.errors import BadArgument
from segue.files import atomic_output
from segue.io.encodings import decode, decode_all
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
    "cue_sheet": ("cuesheet", "txxx:cuesheet", "----:com.apple.itunes:cuesheet"),
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
        Values by field: title, artist, artists, album, album_artist, genre, year, track_number,
        cue_sheet. Empty fields and unreadable tags are left out: a damaged tag does not make the
        file unreadable.
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


def _tag_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions that mutagen raises at damaged tags, many of which are not its own."""
    import mutagen

    return (
        mutagen.MutagenError, ValueError, OSError, LookupError, TypeError, AttributeError,
        ArithmeticError, EOFError, AssertionError, RuntimeError, MemoryError, struct.error,
        zlib.error,
    )  # fmt: skip


def mutagen_tags(path: Path) -> list[Any]:
    """Return the readable tags of a recording as mutagen objects; for MP3, ID3 before APEv2."""
    import mutagen  # not needed for searching
    from mutagen.apev2 import APEv2
    from mutagen.mp3 import MP3

    read_ape: Any = APEv2  # mutagen has no types
    errors = _tag_errors()
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


def read_tags(
    path: Path, given: Tags = NO_TAGS, embedded: Mapping[str, Sequence[str]] | None = None
) -> Tags:
    """Read the tags of a recording.

    Parameters
    ----------
    path : Path
    given : Tags
        Title, artist and album for a file without these tags.
    embedded : mapping of str to sequence of str, optional
        Its `embedded_tags`, where they were read before.

    Returns
    -------
    Tags
        Completed from file names such as ``01 artist - title``; folder names are not used.
    """
    embedded = embedded_tags(path) if embedded is None else embedded
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


# --- lyrics ---

#: Names of lyrics in MP4, Vorbis comments, APE, Windows Media and ID3 user texts, in lower case; a
#: language may follow, as in "lyrics-eng".
_LYRICS_NAME: Final = re.compile(
    r"(?:txxx:|----:com\.apple\.itunes:|wm/)?"
    r"(?:©lyr|(?:unsynced|unsynchronised|synced|synchronised)?[ _-]?lyrics?)(?P<rest>[ :_-].*)?"
)
_LANGUAGE: Final = re.compile(r"[ :_-]+([a-z]{2,3})(?:[ :_-].*)?")
#: Descriptions of translations and transliterations.
_TRANSLATION: Final = re.compile(
    r"transl|überse|uebers|traduc|traduz|tradu[cç]|перевод|переклад|tłumacz|preklad|překlad|"
    r"翻訳|翻译|翻譯|번역|meaning|roman|romaji|pinyin|phonetic|interlinear",
    re.IGNORECASE,
)
_ORIGINAL: Final = re.compile(r"origin", re.IGNORECASE)
_ANY_LANGUAGE: Final = frozenset(["", "xxx", "und", "mul"])
#: Languages that programs write by default.
_DEFAULT_LANGUAGE: Final = frozenset(["eng", "en"])
#: A description that consists of a language code.
_LANGUAGE_CODE: Final = re.compile(r"[A-Za-z]{3}")
_MIN_TITLE: Final = 4  # letters
_WORDS_OF_LINE: Final = 2


@dataclass(frozen=True, slots=True)
class _Text:
    text: str
    description: str = ""
    language: str = ""
    synchronised: bool = False


def lyrics_in_tags(path: Path) -> str:
    """Read the lyrics in the tags of a recording.

    Parameters
    ----------
    path : Path

    Returns
    -------
    str
        The text as stored; "" for none. Of several texts, originals are preferred to translations,
        then texts described as original, in the song's language (ID3's TLAN), in the script of
        the title, with the title in the text, and not in English.
    """
    for tags in mutagen_tags(path):
        if texts := [text for text in _texts(tags) if text.text.strip()]:
            language, title = _first(tags, "TLAN"), _title(tags)
            return min(texts, key=lambda text: _preference(text, language, title)).text
    return ""


def _preference(text: _Text, language: str, title: str) -> tuple[bool, ...]:
    text_language = text.language
    if text_language in _ANY_LANGUAGE and _LANGUAGE_CODE.fullmatch(text.description.strip()):
        text_language = text.description.strip().lower()
    return (
        bool(_TRANSLATION.search(text.description)),
        not _ORIGINAL.search(text.description),
        bool(language) and text_language not in _ANY_LANGUAGE and text_language[:2] != language[:2],
        _script(title) not in ("", "LATIN", _script(text.text)),
        not _contains_title(text.text, title),
        text_language in _DEFAULT_LANGUAGE and not language,
        text.synchronised,
    )


def _contains_title(text: str, title: str) -> bool:
    """Return whether a text contains the title of the song, as most lyrics do."""
    words = normalise(title)
    return len(words) >= _MIN_TITLE and f" {words} " in f" {normalise(text)} "


def _texts(tags: Any) -> Iterator[_Text]:
    if hasattr(tags, "getall"):
        for frame in tags.getall("USLT"):
            yield _Text(_decoded(frame, str(frame.text)), frame.desc, frame.lang.lower())
        for frame in tags.getall("SYLT"):
            yield _Text(_decoded(frame, _lines(frame.text)), frame.desc, frame.lang.lower(), True)
    for name, value in tags.items() if hasattr(tags, "items") else tags:
        match = _LYRICS_NAME.fullmatch(str(name).lower())
        if match:
            rest = match["rest"] or ""
            language = _LANGUAGE.fullmatch(rest)
            for item in value if isinstance(value, list) else [value]:
                text = str(item) if not isinstance(item, bytes) else decode(item)
                yield _Text(text, rest, language[1] if language else "", "sync" in str(name)[:6])


def _decoded(frame: Any, text: str) -> str:
    """Redecode a text declared as Latin-1, which programs unaware of encodings declare."""
    if frame.encoding != _LATIN_1 or text.isascii():
        return text
    language = frame.lang.lower()
    return decode(
        text.encode("latin-1", "replace"), None if language in _DEFAULT_LANGUAGE else language
    )


def _lines(timed: list[tuple[str, int]]) -> str:
    """Join the pieces of synchronised lyrics, which are lines, words or syllables."""
    pieces = [text for text, _ in sorted(timed, key=lambda piece: piece[1])]
    if any("\n" in text or "\r" in text for text in pieces):
        return "".join(pieces)
    lines = sum(len(text.split()) >= _WORDS_OF_LINE for text in pieces)
    if 2 * lines >= len(pieces):
        return "\n".join(pieces)
    spaced = any(text != text.strip() for text in pieces)
    return ("" if spaced else " ").join(pieces)


def _title(tags: Any) -> str:
    return next(filter(None, (_first(tags, name) for name in ("TIT2", "title", "©nam"))), "")


def _first(tags: Any, name: str) -> str:
    """Return the first value of a tag in lower case; "" for none."""
    try:
        value = tags[name]
    except (KeyError, ValueError, TypeError):
        return ""
    value = getattr(value, "text", value)
    return str(value[0] if isinstance(value, list) and value else value).lower()


def _script(text: str) -> str:
    """Return the script of most letters of a text, such as "LATIN"; "" if there are none."""
    scripts = Counter(unicodedata.name(c, "").partition(" ")[0] for c in text[:1000] if c.isalpha())
    name = scripts.most_common(1)[0][0] if scripts else ""
    return "CJK" if name in {"HIRAGANA", "KATAKANA"} else name


# --- writing of tempo, key and mood ---

FIELDS: Final = ("bpm", "key", "mood")
#: Separator of several values of one field, as in ID3.
SEPARATOR: Final = "\0"
#: Names of the fields by tag format. MP4 names with dashes are free-form atoms.
_ID3: Final = {"bpm": "TBPM", "key": "TKEY", "mood": "TMOO"}
_VORBIS: Final = {"bpm": "BPM", "key": "INITIALKEY", "mood": "MOOD"}
_MP4: Final = {
    "bpm": "tmpo",
    "key": "----:com.apple.iTunes:initialkey",
    "mood": "----:com.apple.iTunes:MOOD",
}
_ASF: Final = {"bpm": "WM/BeatsPerMinute", "key": "WM/InitialKey", "mood": "WM/Mood"}
_MINOR: Final = " minor"
_ZERO: Final = re.compile(r"[\s0.,]*")
_UTF8: Final = 3  # encoding of an ID3 frame
_ONLY_ID3V1: Final = (1, 1)  # mutagen's version of tags without ID3v2
_ID3V1_BYTES: Final = 128


def read_fields(path: Path) -> dict[str, str]:
    """Read the fields in `FIELDS` from the tags of a file; "" for missing ones.

    Several values of a field are joined by `SEPARATOR`.

    Raises
    ------
    BadArgument
        The tags cannot be read, or the format has none.
    """
    file = _open_tags(path)
    return {field: _read_field(file, field) for field in FIELDS}


def write_fields(path: Path, fields: dict[str, str]) -> None:
    """Write fields into the tags of a file; "" removes a field.

    The file is replaced atomically by a changed copy. All other tags are preserved, but ID3v2.2,
    which mutagen cannot write, becomes ID3v2.3.

    Parameters
    ----------
    path : Path
    fields : dict of str to str
        "bpm" as an integer, "key" as "Am" or "C", "mood" as a word; several values are joined by
        `SEPARATOR`.

    Raises
    ------
    BadArgument
        The file cannot be changed.
    """
    _open_tags(path)
    try:
        with atomic_output(path) as partial:
            shutil.copy2(path, partial)
            partial.chmod(partial.stat().st_mode | stat.S_IWUSR)  # a copy of a read-only file
            file = _open_tags(partial)
            for field, value in fields.items():
                _write_field(file, field, value)
            _save_tags(file)
            with path.open("rb") as before, partial.open("rb+") as after:
                _keep_id3v1(file, before, after)
                os.fsync(after.fileno())
            shutil.copymode(path, partial)
    except BadArgument:
        raise
    except _tag_errors() as error:
        raise BadArgument(f"cannot write {path}: {error}") from None


def is_placeholder(field: str, value: str) -> bool:
    """Return whether a value is a placeholder: some programs write 0 for an unknown tempo."""
    return field == "bpm" and _ZERO.fullmatch(value.replace(SEPARATOR, " ")) is not None


def short_key(key: str) -> str:
    """Return a key in the notation of tags: "A minor" as "Am", "C major" as "C"."""
    return key.removesuffix(_MINOR) + "m" if key.endswith(_MINOR) else key.removesuffix(" major")


def _open_tags(path: Path) -> Any:
    import mutagen

    try:
        file = mutagen.File(path)
        if file is not None and _field_names(file) is _ID3:
            _load_as_is(file, path)
    except _tag_errors() as error:
        raise BadArgument(f"{path}: its tags cannot be read ({error})") from None
    if file is not None and file.tags is None:
        with contextlib.suppress(mutagen.MutagenError, NotImplementedError):
            file.add_tags()
    if file is None or _field_names(file) is None:
        raise BadArgument(f"{path} is of a kind whose tags Segue does not write")
    return file


def _load_as_is(file: Any, path: Path) -> None:
    """Reload ID3 tags without conversion to ID3v2.4, and without ID3v1 if there is ID3v2.

    Players ignore ID3v1 tags where there are ID3v2 tags.
    """
    file.load(path, translate=False, load_v1=file.tags.version == _ONLY_ID3V1)
    if file.tags.version[1] == 2:
        file.tags.update_to_v23()


def _save_tags(file: Any) -> None:
    if _field_names(file) is _ID3:
        is_old = file.tags.version[1] in (2, 3)
        file.save(v2_version=3 if is_old else 4, v23_sep=None)  # None: do not join values
    else:
        file.save()


def _keep_id3v1(file: Any, before: BinaryIO, after: BinaryIO) -> None:
    """Restore the ID3v1 tag, which mutagen rewrites truncated and without comment."""
    from mutagen.id3 import ID3FileType

    if isinstance(file, ID3FileType):
        before.seek(-_ID3V1_BYTES, os.SEEK_END)
        tag = before.read()
        if tag.startswith(b"TAG"):
            after.seek(-_ID3V1_BYTES, os.SEEK_END)
            after.write(tag)
            after.flush()


def _field_names(file: Any) -> dict[str, str] | None:
    from mutagen.asf import ASFTags
    from mutagen.id3 import ID3
    from mutagen.mp4 import MP4Tags

    if isinstance(file.tags, ID3):
        return _ID3
    if isinstance(file.tags, MP4Tags):
        return _MP4
    if isinstance(file.tags, ASFTags):
        return _ASF
    return _VORBIS if hasattr(file.tags, "as_dict") else None


def _read_field(file: Any, field: str) -> str:
    name = (_field_names(file) or {})[field]
    try:
        value = file.tags[name]
    except KeyError:
        return ""
    values = getattr(value, "text", value)  # an ID3 frame or a list
    return SEPARATOR.join(
        item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item) for item in values
    )


def _write_field(file: Any, field: str, value: str) -> None:
    from mutagen import id3
    from mutagen.mp4 import MP4FreeForm

    names = _field_names(file) or {}
    name = names[field]
    values = value.split(SEPARATOR)
    if not value:
        with contextlib.suppress(KeyError):
            del file.tags[name]
    elif names is _ID3:
        file.tags.setall(name, [getattr(id3, name)(encoding=_UTF8, text=values)])
    elif names is _MP4 and field == "bpm":
        file.tags[name] = [round(float(value)) for value in values]
    elif names is _MP4:
        free_form: Any = MP4FreeForm  # mutagen has no types
        file.tags[name] = [free_form(value.encode()) for value in values]
    else:
        file.tags[name] = values

"""Lyrics files: plain text, LRC with timestamps, Markdown, CSV and JSON.

A file may hold several songs: poems of a plain text, titles in Markdown, rows of CSV, objects of
JSON.
"""

import csv
import io
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from segue.errors import Unreadable, unreadable
from segue.io.lyrics_text import (
    MAX_CHARACTERS,
    PLAIN_TEXT,
    NoLyrics,
    TextOptions,
    apply_options,
    decode_text,
    normalise_layout,
    section_name,
    split_lines,
)
from segue.io.poems import split_poems, unwrap_lines
from segue.io.tags import display_name, lyrics_in_tags, tags_from_name
from segue.records import NO_TAGS, Lyrics, Tags
from segue.text import clean

# --- plain texts, LRC and Markdown ---

#: "[01:12.50]", "[01:12:50]", "[1:02:12.50]" of hours, "[-00:01.00]" before the beginning.
_STAMP: Final = re.compile(
    r"\[ ?([-+]?)(?:(\d{1,2}):(?=\d+:\d+[.,]))?(\d{1,3}):(\d{1,2})(?:[.:,](\d{1,9}))? ?\]"
)
#: Timestamp of a word or syllable within a line.
_WORD_STAMP: Final = re.compile(r"<[-+]?(?:\d{1,3}:){1,2}\d{1,2}(?:[.:,]\d{1,9})?>")
_LRC_TAG: Final = re.compile(r"\[([a-z#]{1,8}):([^\]]*)\]", re.IGNORECASE)
#: Singer at the beginning of a line: "v1: ", or "F: ", "M: ", "D: " for female, male, duet.
_VOICE: Final = re.compile(r"(?:v\d|[FMD]) ?: ?(?=\S)")
#: JSON line that a service writes above the lyrics: "{"t":0,"c":[{"tx":"作词: "}, …]}".
_JSON_LINE: Final = re.compile(r'\{"t":.*\}')
_BEFORE_START_S: Final = -1e6
_HEADING: Final = re.compile(r"(#{1,6})\s+(.*?)\s*#*")
_FRONT: Final = re.compile(r"---\n(.*?)\n(?:---|\.\.\.)(?:\n|$)", re.DOTALL)
_EMPHASIS: Final = re.compile(r"(\*{1,3}|_{1,3})(?=\S)(.+?)(?<=\S)\1")


def read_plain(text: str) -> tuple[Lyrics, ...]:
    """Read the poems or songs of a plain text; a text with timestamps is read as LRC.

    Hard-wrapped lines are joined.
    """
    if has_timestamps(text):
        return read_lrc(text)
    lines = unwrap_lines(split_lines(text))
    return split_poems(lines) or (Lyrics("\n".join(lines)),)


def read_single_text(text: str) -> Lyrics:
    """Read a plain text or LRC with the lyrics of one song."""
    return read_lrc(text)[0] if has_timestamps(text) else Lyrics(text)


def has_timestamps(text: str) -> bool:
    """Return whether a text has lines with timestamps."""
    return any(_STAMP.match(line) for line in split_lines(text))


def read_lrc(text: str) -> tuple[Lyrics, ...]:
    """Read LRC: lines with timestamps such as ``[00:12.50]``.

    A line with several timestamps is repeated. Lines are sorted by time; a line without a
    timestamp stays behind the preceding one.
    """
    timed: list[tuple[float, str]] = []
    header: dict[str, str] = {}
    at_s = _BEFORE_START_S
    for line in split_lines(text.strip()):
        stamps, rest = [], line.strip()
        while stamp := _STAMP.match(rest):
            stamps.append(_seconds(stamp))
            rest = rest[stamp.end() :].lstrip()
        rest, within = _STAMP.subn("", rest)
        if within:  # timestamps of words: the first one is that of the line
            stamps = stamps[:1]
        tag = _LRC_TAG.fullmatch(rest)
        if tag and not stamps and tag[1].lower() in _LRC_NAMES:
            header[tag[1].lower()] = clean(tag[2])
            continue
        if _JSON_LINE.fullmatch(rest):
            continue
        at_s = stamps[-1] if stamps else at_s
        words = _WORD_STAMP.sub("", rest).lstrip()
        words = _VOICE.sub("", words, count=1) if _VOICE.match(words) and stamps else words
        timed += [(second, words) for second in sorted(set(stamps)) or [at_s]]
    timed.sort(key=lambda line: line[0])  # stable
    tags = Tags(header.get("ti", ""), header.get("ar", ""), header.get("al", ""))
    return (Lyrics("\n".join(line for _, line in timed), tags),)


def _seconds(stamp: re.Match[str]) -> float:
    sign, hours, minutes, seconds, fraction = stamp.groups()
    time_s = 3600 * int(hours or 0) + 60 * int(minutes) + int(seconds) + float(f"0.{fraction or 0}")
    return -time_s if sign == "-" else time_s


#: Names of LRC tags; other bracketed texts with a colon may be section headers.
_LRC_NAMES: Final = frozenset(
    [
        *["ti", "ar", "al", "au", "by", "length", "offset", "re", "ve", "tool", "lr", "id", "la"],
        *["#", "total", "kana", "hash", "sign", "qq", "language", "lang", "encoding", "key"],
    ]
)


def read_markdown(text: str) -> tuple[Lyrics, ...]:
    """Read Markdown: each ``# Title`` begins a song; lower headings are section headers.

    The front matter between ``---`` lines may hold artist, title and album.
    """
    text = re.sub("\r\n?", "\n", text).lstrip("\ufeff")
    front: dict[str, str] = {}
    if match := _FRONT.match(text):
        pairs = (line.partition(":") for line in match[1].split("\n"))
        front = {name.strip().lower(): clean(value.strip(" \"'")) for name, _, value in pairs}
        text = text[match.end() :]
    title = front.get("title", "")
    songs: list[tuple[str, list[str]]] = [(title, [])]
    for line in text.split("\n"):
        heading = _HEADING.fullmatch(line.strip())
        if heading and len(heading[1]) == 1:
            songs.append((clean(heading[2]), []))
        else:
            songs[-1][1].append(f"[{heading[2]}]" if heading and heading[2] else _plain(line))
    lyrics = [
        Lyrics("\n".join(lines), Tags(name, front.get("artist", ""), front.get("album", "")))
        for name, lines in songs
    ]
    # The text before the first title is a song only if there is no title.
    return tuple(lyrics[1:]) if len(lyrics) > 1 else tuple(lyrics)


def _plain(line: str) -> str:
    line = line.strip().removeprefix(">").lstrip().removesuffix("\\")
    if line and set(line) <= {"-", "*", "_", " "}:
        return ""  # a horizontal rule
    line = line.removeprefix("- ") if section_name(line.removeprefix("- ")) else line
    return _EMPHASIS.sub(r"\2", line).removesuffix("<br>")


# --- CSV and JSON ---

#: Accepted names of columns and keys, in lower case.
_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "text": ("text", "lyrics", "lyric", "words"),
    "title": ("title", "song", "track", "name", "song_title", "track_name", "song_name"),
    "artist": ("artist", "artist_name", "singer", "band", "author", "primary_artist"),
    "album": ("album", "album_name"),
    "genre": ("genre",),
    "year": ("year",),
}
_NESTED: Final = ("songs", "tracks", "lyrics", "data", "items")


def read_csv(text: str) -> tuple[Lyrics, ...]:
    """Read CSV with a header: columns text (or lyrics), and title, artist, album.

    Raises
    ------
    Unreadable
        There is no column of texts, or the table is malformed.
    """
    csv.field_size_limit(4 * MAX_CHARACTERS)
    first = text.partition("\n")[0]
    delimiter = max(",;\t|", key=first.count)
    try:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        columns = [name.strip().lower() for name in next(rows, [])]
        at = {field: _first(columns, names) for field, names in _NAMES.items()}
        if at["text"] is None:
            listed = ", ".join(clean(name) or "''" for name in columns[:8])
            raise Unreadable(f"no column text or lyrics in the table; its columns are {listed}")
        return tuple(_song(_cells(row, at)) for row in rows if row)
    except csv.Error as error:
        raise Unreadable(f"a damaged table ({error})") from None


def is_lyrics_csv(text: str) -> bool:
    """Return whether a CSV file has lyrics, by its beginning."""
    first = text.partition("\n")[0]
    columns = [
        name.strip(" \"'\r\ufeff").lower() for name in first.split(max(",;\t|", key=first.count))
    ]
    text_, *others = [_first(columns, _NAMES[field]) for field in ("text", "title", "artist")]
    return text_ is not None and any(column is not None for column in others)


def _first(columns: list[str], names: tuple[str, ...]) -> int | None:
    return next((columns.index(name) for name in names if name in columns), None)


def _cells(row: list[str], at: Mapping[str, int | None]) -> dict[str, str]:
    return {
        field: row[column]
        for field, column in at.items()
        if column is not None and column < len(row)
    }


def read_json(text: str) -> tuple[Lyrics, ...]:
    """Read JSON objects with artist, title and text: one, a list, or one per line.

    The text may be a list of lines, or a list of sections that are lists of lines.

    Raises
    ------
    Unreadable
        The JSON is malformed, or has no object with a text.
    """
    try:
        data = _parsed(text)
    except RecursionError:
        raise Unreadable("JSON that is nested too deep") from None
    songs = tuple(_song(_fields(item)) for item in _objects(data, ""))
    if not songs:
        raise Unreadable('JSON without lyrics, expected objects with "artist", "title", "text"')
    return songs


def is_lyrics_json(text: str) -> bool:
    """Return whether a JSON file has lyrics, by its beginning."""
    lower = text.lower()
    return any(f'"{name}"' in lower for name in _NAMES["text"]) and any(
        f'"{name}"' in lower for field in ("title", "artist") for name in _NAMES[field]
    )


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        lines = [line for line in text.split("\n") if line.strip()]
        if len(lines) < 2 or not lines[0].lstrip().startswith("{"):
            raise Unreadable(f"damaged JSON ({error})") from None
    values = []
    for number, line in enumerate(lines, start=1):
        try:
            values.append(json.loads(line))
        except json.JSONDecodeError as error:
            raise Unreadable(f"damaged JSON in line {number} ({error})") from None
    return values


def _objects(data: Any, artist: str) -> Iterator[dict[str, Any]]:
    """Yield the objects with a text; those within an artist's object get that artist."""
    if isinstance(data, list):
        for item in data:
            yield from _objects(item, artist)
    elif isinstance(data, dict):
        lower = {str(name).lower(): value for name, value in data.items()}
        if any(_joined(lower.get(name)) for name in _NAMES["text"]):
            yield {"artist": artist} | {k: v for k, v in lower.items() if v is not None}
            return
        name_ = next((lower[name] for name in ("artist", "name") if name in lower), "")
        for name in _NESTED:
            if isinstance(lower.get(name), list):
                yield from _objects(lower[name], name_ if isinstance(name_, str) else "")


def _fields(item: dict[str, Any]) -> dict[str, str]:
    fields = {}
    for field, names in _NAMES.items():
        values = (_joined(item.get(name)) for name in names)
        fields[field] = next((value for value in values if value), "")
    return fields


def _joined(value: Any) -> str:
    """Return a text, or a list of texts joined as lines; "" for other types."""
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        nested = any(isinstance(item, list) for item in value)
        return ("\n\n" if nested else "\n").join(_joined(item) for item in value)
    if isinstance(value, dict) and isinstance(value.get("name"), str):
        return str(value["name"])  # an artist given as an object
    return ""


def _song(fields: Mapping[str, str]) -> Lyrics:
    year = fields.get("year", "").strip()[:4]
    title, artist, album, genre = (
        clean(fields.get(name, "")) for name in ("title", "artist", "album", "genre")
    )
    tags = Tags(title, artist, album, genre=genre, year=int(year) if year.isdecimal() else None)
    return Lyrics(fields.get("text", ""), tags)


# --- files ---

#: Maximum size of a file of one song, and of a collection.
MAX_BYTES: Final = 4 << 20
MAX_BYTES_COLLECTION: Final = 100 << 20
_COLLECTIONS: Final = frozenset([".md", ".csv", ".json", ".jsonl"])
_ASIDE: Final = re.compile(r"[(\[]([^()\[\]]*)[)\]]|\s[-–—]\s+([^()\[\]]*)")
#: Asides in titles of live versions and remixes: "Live at Home", "Live 1999", "Remix 2011".
_VERSION: Final = re.compile(
    r"(recorded )?live(,? \d{4}|,? (at|in|from|on|version|session|recording)\b.*)?|"
    r".*\blive (version|session|recording)|.*\b(remix|remixed|re-mix)\b.*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class UnreadableSong:
    """A song of a file that cannot be read, and the reason."""

    reason: str


def read_lyrics(path: Path, form: TextOptions = PLAIN_TEXT) -> tuple[Lyrics | UnreadableSong, ...]:
    """Read the songs of a file.

    Parameters
    ----------
    path : Path
        With one of the suffixes of lyrics in `segue.media.MEDIA`.
    form : TextOptions

    Returns
    -------
    tuple of Lyrics or UnreadableSong
        One for each CSV row, JSON object, Markdown title or poem, in order.

    Raises
    ------
    Unreadable
        No song of the file can be read.
    """
    songs: list[Lyrics | UnreadableSong] = []
    for song in _songs(path):
        try:
            songs.append(replace(song, text=apply_options(normalise_layout(song.text), form)))
        except Unreadable as error:
            songs.append(UnreadableSong(str(error)))
    unreadable = [song for song in songs if isinstance(song, UnreadableSong)]
    if len(unreadable) == len(songs):
        if not unreadable:
            raise Unreadable("a table without a row")
        if len(songs) == 1:
            raise Unreadable(unreadable[0].reason)
        raise Unreadable(
            f"none of its {len(songs)} songs can be read; the first: {unreadable[0].reason}"
        )
    return tuple(songs)


def read_sidecar(path: Path, form: TextOptions = PLAIN_TEXT) -> Lyrics:
    """Read a sidecar text, which has the lyrics of one song.

    Parameters
    ----------
    path : Path
        With the suffix .lrc or .txt.
    form : TextOptions

    Returns
    -------
    Lyrics
        With an empty text if there are no lyrics, as for an instrumental piece.

    Raises
    ------
    Unreadable
        The file is not text.
    """
    suffix = path.suffix.lower()
    lyrics = Lyrics("")
    try:
        text = decode_text(_content(path, suffix))
        lyrics = read_lrc(text)[0] if suffix == ".lrc" else read_single_text(text)
        return replace(lyrics, text=apply_options(normalise_layout(lyrics.text), form))
    except NoLyrics:
        return replace(lyrics, text="")


def read_lyrics_tags(path: Path, root: Path, given: Tags = NO_TAGS) -> tuple[Tags, ...]:
    """Read the tags of each song of a file.

    Parameters
    ----------
    path : Path
    root : Path
        The folder that was added; only folders below it are taken as artists.
    given : Tags
        Artist and album for files without these tags.

    Returns
    -------
    tuple of Tags
        In the order of `read_lyrics`. Missing tags, or all of an unreadable file, are taken from
        the path: ``artist/title``, ``artist/album/title`` or ``artist - title``.
    """
    named = _tags_from_name(path, root, given)
    try:
        songs = [song.tags for song in _songs(path)]
    except Unreadable:
        return (named,)
    if len(songs) == 1:
        return (_filled(songs[0], named, named.title),)
    return tuple(
        _filled(tags, replace(named, album=tags.album or named.title, track_number=None), title)
        for number, tags in enumerate(songs, start=1)
        for title in [f"{named.title} {number}"]
    ) or (named,)


def is_live_or_remix(title: str) -> bool:
    """Return whether a title names a live recording or a remix of a song.

    "Song (Live at Home)", "Song [Remix 2011]", "Song - Live"; not "Live and Learn".
    """
    asides = (bracketed or dashed for bracketed, dashed in _ASIDE.findall(title))
    return any(_VERSION.fullmatch(aside.strip()) for aside in asides)


def _filled(tags: Tags, named: Tags, title: str) -> Tags:
    return Tags(
        title=tags.title or title,
        artist=tags.artist or named.artist,
        album=tags.album or named.album,
        genre=tags.genre,
        year=tags.year,
        track_number=None if tags.title else named.track_number,
    )


def _tags_from_name(path: Path, root: Path, given: Tags) -> Tags:
    """Read tags from the path; unlike for recordings, the folder is taken as the artist."""
    named = tags_from_name(path, given)
    folders = path.parent.relative_to(root).parts if path.is_relative_to(root) else ()
    if named.artist or not folders:
        return named
    return replace(named, artist=clean(display_name(folders[-2:][0])))


def _songs(path: Path) -> tuple[Lyrics, ...]:
    suffix = path.suffix.lower()
    return _READERS[suffix](decode_text(_content(path, suffix)))


def _content(path: Path, suffix: str) -> bytes:
    """Read a file, after checking its size."""
    max_bytes = MAX_BYTES_COLLECTION if suffix in _COLLECTIONS else MAX_BYTES
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > max_bytes:
                more = "" if suffix in _COLLECTIONS else "; many songs go into .csv, .json or .md"
                raise Unreadable(
                    f"{size / (1 << 20):.0f} MB, expected at most {max_bytes >> 20} MB of lyrics "
                    f"in a {suffix} file; divide it{more}"
                )
            content = file.read()
    except OSError as error:
        raise unreadable(error) from None
    if not content:
        raise NoLyrics("an empty file")
    return content


_READERS: Final[dict[str, Callable[[str], tuple[Lyrics, ...]]]] = {
    ".txt": read_plain,
    ".lrc": read_lrc,
    ".md": read_markdown,
    ".csv": read_csv,
    ".json": read_json,
    ".jsonl": read_json,
}


def lyrics_in_recording(path: Path, form: TextOptions = PLAIN_TEXT) -> str:
    """Read the lyrics in the tags of a recording, such as ID3's USLT, MP4's ©lyr, Vorbis' LYRICS.

    Returns
    -------
    str
        See `segue.records.Lyrics.text`; "" for none.
    """
    return clean_song(lyrics_in_tags(path), form)


def clean_song(text: str, form: TextOptions) -> str:
    """Clean the text of one song, which may have timestamps; "" for a text without words."""
    try:
        return apply_options(normalise_layout(read_single_text(text).text), form)
    except Unreadable:
        return ""

"""Lyrics files of every format (TXT, LRC, Markdown, CSV, JSON) to `Lyrics`.

Lyrics as people keep them: plain texts, .lrc with time stamps, Markdown.

Many songs in one file: CSV with columns, JSON with objects.

Lyrics of every format: bytes → `Lyrics`, one dictionary of functions.
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
from segue.io.tags import NO_TAGS, display_name, tags_from_name
from segue.records import Lyrics, Tags
from segue.text import clean

# --- plain ---

#: "[01:12.50]", "[01:12:50]", "[1:02:12.50]" of hours, "[-00:01.00]" before the beginning.
_STAMP: Final = re.compile(
    r"\[ ?([-+]?)(?:(\d{1,2}):(?=\d+:\d+[.,]))?(\d{1,3}):(\d{1,2})(?:[.:,](\d{1,9}))? ?\]"
)
#: The same within a line: when a word or syllable is sung.
_WORD_STAMP: Final = re.compile(r"<[-+]?(?:\d{1,3}:){1,2}\d{1,2}(?:[.:,]\d{1,9})?>")
_LRC_TAG: Final = re.compile(r"\[([a-z#]{1,8}):([^\]]*)\]", re.IGNORECASE)
#: Who sings, at the beginning of a line: "v1: ", and "F: ", "M: ", "D: " of women, men, both.
_VOICE: Final = re.compile(r"(?:v\d|[FMD]) ?: ?(?=\S)")
#: "{"t":0,"c":[{"tx":"作词: "}, …]}": what a service writes above the lines, in JSON.
_JSON_LINE: Final = re.compile(r'\{"t":.*\}')
_BEFORE_ALL: Final = -1e6  # seconds
_HEADING: Final = re.compile(r"(#{1,6})\s+(.*?)\s*#*")
_FRONT: Final = re.compile(r"---\n(.*?)\n(?:---|\.\.\.)(?:\n|$)", re.DOTALL)
_EMPHASIS: Final = re.compile(r"(\*{1,3}|_{1,3})(?=\S)(.+?)(?<=\S)\1")


def read_plain(text: str) -> tuple[Lyrics, ...]:
    """Read a plain text: the poems or songs that it is divided into; with time stamps, as .lrc.

    Lines that were broken to fit a page are joined.
    """
    if has_timestamps(text):
        return read_lrc(text)
    lines = unwrap_lines(split_lines(text))
    return split_poems(lines) or (Lyrics("\n".join(lines)),)


def read_single_text(text: str) -> Lyrics:
    """Read a plain text, or one with time stamps, that is the words of one piece of music."""
    return read_lrc(text)[0] if has_timestamps(text) else Lyrics(text)


def has_timestamps(text: str) -> bool:
    """Tell whether a text has lines with time stamps."""
    return any(_STAMP.match(line) for line in split_lines(text))


def read_lrc(text: str) -> tuple[Lyrics, ...]:
    """Read lines with time stamps, such as ``[00:12.50]``.

    What has several stamps is sung several times: lines are put in the order of time. A line
    without one stays behind the one that it follows.
    """
    timed: list[tuple[float, str]] = []
    found: dict[str, str] = {}
    at_s = _BEFORE_ALL
    for line in split_lines(text.strip()):
        stamps, rest = [], line.strip()
        while stamp := _STAMP.match(rest):
            stamps.append(_seconds(stamp))
            rest = rest[stamp.end() :].lstrip()
        rest, within = _STAMP.subn("", rest)
        if within:  # the stamps of words: the line begins with its first
            stamps = stamps[:1]
        tag = _LRC_TAG.fullmatch(rest)
        if tag and not stamps and tag[1].lower() in _LRC_NAMES:
            found[tag[1].lower()] = clean(tag[2])
            continue
        if _JSON_LINE.fullmatch(rest):
            continue
        at_s = stamps[-1] if stamps else at_s
        words = _WORD_STAMP.sub("", rest).lstrip()
        words = _VOICE.sub("", words, count=1) if _VOICE.match(words) and stamps else words
        timed += [(second, words) for second in sorted(set(stamps)) or [at_s]]
    timed.sort(key=lambda line: line[0])  # keeps the order of what has one time
    tags = Tags(found.get("ti", ""), found.get("ar", ""), found.get("al", ""))
    return (Lyrics("\n".join(line for _, line in timed), tags),)


def _seconds(stamp: re.Match[str]) -> float:
    sign, hours, minutes, seconds, fraction = stamp.groups()
    time_s = 3600 * int(hours or 0) + 60 * int(minutes) + int(seconds) + float(f"0.{fraction or 0}")
    return -time_s if sign == "-" else time_s


#: Tags of .lrc; what else stands in brackets with a colon may head a section.
_LRC_NAMES: Final = frozenset(
    [
        *["ti", "ar", "al", "au", "by", "length", "offset", "re", "ve", "tool", "lr", "id", "la"],
        *["#", "total", "kana", "hash", "sign", "qq", "language", "lang", "encoding", "key"],
    ]
)


def read_markdown(text: str) -> tuple[Lyrics, ...]:
    """Read Markdown: each ``# Title`` begins a song; smaller headings are headers of sections.

    Artist, title and album may stand in front, between lines of ``---``.
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
    told = [
        Lyrics("\n".join(lines), Tags(name, front.get("artist", ""), front.get("album", "")))
        for name, lines in songs
    ]
    # What stands before the first title is a song only where there is none.
    return tuple(told[1:]) if len(told) > 1 else tuple(told)


def _plain(line: str) -> str:
    line = line.strip().removeprefix(">").lstrip().removesuffix("\\")
    if line and set(line) <= {"-", "*", "_", " "}:
        return ""  # a rule across the page
    line = line.removeprefix("- ") if section_name(line.removeprefix("- ")) else line
    return _EMPHASIS.sub(r"\2", line).removesuffix("<br>")


# --- tables ---

#: What people call the columns, in lower case.
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
    """Read a table with a head line: columns text (or lyrics), and title, artist, album.

    Raises
    ------
    Unreadable
        It has no column of texts, or is no table.
    """
    csv.field_size_limit(4 * MAX_CHARACTERS)
    first = text.partition("\n")[0]
    divider = max(",;\t|", key=first.count)
    try:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=divider)
        columns = [name.strip().lower() for name in next(rows, [])]
        at = {field: _first(columns, names) for field, names in _NAMES.items()}
        if at["text"] is None:
            told = ", ".join(clean(name) or "''" for name in columns[:8])
            raise Unreadable(f"no column text or lyrics in the table; its columns are {told}")
        return tuple(_song(_cells(row, at)) for row in rows if row)
    except csv.Error as error:
        raise Unreadable(f"a damaged table ({error})") from None


def is_lyrics_csv(text: str) -> bool:
    """Tell from the beginning of a table whether it holds lyrics."""
    first = text.partition("\n")[0]
    columns = [
        name.strip(" \"'\r\ufeff").lower() for name in first.split(max(",;\t|", key=first.count))
    ]
    told = [_first(columns, _NAMES[field]) for field in ("text", "title", "artist")]
    return told[0] is not None and any(at is not None for at in told[1:])


def _first(columns: list[str], names: tuple[str, ...]) -> int | None:
    return next((columns.index(name) for name in names if name in columns), None)


def _cells(row: list[str], at: Mapping[str, int | None]) -> dict[str, str]:
    return {
        field: row[column]
        for field, column in at.items()
        if column is not None and column < len(row)
    }


def read_json(text: str) -> tuple[Lyrics, ...]:
    """Read objects of artist, title and text: one, a list of them, or one in each line.

    The text may be a list of lines, or of sections that are lists of lines.

    Raises
    ------
    Unreadable
        It is no JSON, or holds no object with a text.
    """
    try:
        found = _parsed(text)
    except RecursionError:
        raise Unreadable("JSON that is nested too deep") from None
    songs = tuple(_song(_fields(one)) for one in _objects(found, ""))
    if not songs:
        raise Unreadable('JSON without lyrics, expected objects with "artist", "title", "text"')
    return songs


def is_lyrics_json(text: str) -> bool:
    """Tell from the beginning of a JSON file whether it holds lyrics."""
    found = text.lower()
    return any(f'"{name}"' in found for name in _NAMES["text"]) and any(
        f'"{name}"' in found for field in ("title", "artist") for name in _NAMES[field]
    )


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        lines = [line for line in text.split("\n") if line.strip()]
        if len(lines) < 2 or not lines[0].lstrip().startswith("{"):
            raise Unreadable(f"damaged JSON ({error})") from None
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError as error:
            raise Unreadable(f"damaged JSON in line {number} ({error})") from None
    return found


def _objects(found: Any, artist: str) -> Iterator[dict[str, Any]]:
    """Yield the objects that have a text; those within an artist's are that artist's."""
    if isinstance(found, list):
        for one in found:
            yield from _objects(one, artist)
    elif isinstance(found, dict):
        lower = {str(name).lower(): value for name, value in found.items()}
        if any(_joined(lower.get(name)) for name in _NAMES["text"]):
            yield {"artist": artist} | {k: v for k, v in lower.items() if v is not None}
            return
        named = next((lower[name] for name in ("artist", "name") if name in lower), "")
        for name in _NESTED:
            if isinstance(lower.get(name), list):
                yield from _objects(lower[name], named if isinstance(named, str) else "")


def _fields(found: dict[str, Any]) -> dict[str, str]:
    told = {}
    for field, names in _NAMES.items():
        values = (_joined(found.get(name)) for name in names)
        told[field] = next((value for value in values if value), "")
    return told


def _joined(value: Any) -> str:
    """Return a text, or one line for each text of a list; "" of all else."""
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        nested = any(isinstance(one, list) for one in value)
        return ("\n\n" if nested else "\n").join(_joined(one) for one in value)
    if isinstance(value, dict) and isinstance(value.get("name"), str):
        return str(value["name"])  # of an artist that is an object
    return ""


def _song(fields: Mapping[str, str]) -> Lyrics:
    year = fields.get("year", "").strip()[:4]
    title, artist, album, genre = (
        clean(fields.get(name, "")) for name in ("title", "artist", "album", "genre")
    )
    tags = Tags(title, artist, album, genre=genre, year=int(year) if year.isdecimal() else None)
    return Lyrics(fields.get("text", ""), tags)


# --- lyrics ---

#: How long a file may be: of one song, and of many.
MAX_BYTES: Final = 4 << 20
MAX_BYTES_COLLECTION: Final = 100 << 20
_MANY: Final = frozenset([".md", ".csv", ".json", ".jsonl"])
_ASIDE: Final = re.compile(r"[(\[]([^()\[\]]*)[)\]]|\s[-–—]\s+([^()\[\]]*)")
#: What an aside in a title says of such: "Live at Home", "Live 1999", "Remix 2011".
_VERSION: Final = re.compile(
    r"(recorded )?live(,? \d{4}|,? (at|in|from|on|version|session|recording)\b.*)?|"
    r".*\blive (version|session|recording)|.*\b(remix|remixed|re-mix)\b.*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class UnreadableSong:
    """A song of a file that cannot be read, and why."""

    reason: str


def read_lyrics(path: Path, form: TextOptions = PLAIN_TEXT) -> tuple[Lyrics | UnreadableSong, ...]:
    """Read the songs of a file.

    Parameters
    ----------
    path : Path
        Ends in one of the `segue.media.SUFFIXES` of lyrics.
    form : TextOptions
        What of the texts is kept.

    Returns
    -------
    tuple of Lyrics or UnreadableSong
        One for each row of a table, object of JSON, or title of Markdown, in its order; one of
        all else.

    Raises
    ------
    Unreadable
        Nothing of it can be read.
    """
    found: list[Lyrics | UnreadableSong] = []
    for song in _songs(path):
        try:
            found.append(replace(song, text=apply_options(normalise_layout(song.text), form)))
        except Unreadable as error:
            found.append(UnreadableSong(str(error)))
    broken = [song for song in found if isinstance(song, UnreadableSong)]
    if len(broken) == len(found):
        if not broken:
            raise Unreadable("a table without a row")
        if len(found) == 1:
            raise Unreadable(broken[0].reason)
        raise Unreadable(
            f"none of its {len(found)} songs can be read; the first: {broken[0].reason}"
        )
    return tuple(found)


def read_sidecar(path: Path, form: TextOptions = PLAIN_TEXT) -> Lyrics:
    """Read a text that holds the words of one piece of music.

    Parameters
    ----------
    path : Path
        Ends in .lrc or .txt.
    form : TextOptions

    Returns
    -------
    Lyrics
        Without words where it has none, as beside an instrumental piece.

    Raises
    ------
    Unreadable
        It is no text.
    """
    suffix = path.suffix.lower()
    found = Lyrics("")
    try:
        text = decode_text(_content(path, suffix))
        found = read_lrc(text)[0] if suffix == ".lrc" else read_single_text(text)
        return replace(found, text=apply_options(normalise_layout(found.text), form))
    except NoLyrics:
        return replace(found, text="")


def read_lyrics_tags(path: Path, root: Path, given: Tags = NO_TAGS) -> tuple[Tags, ...]:
    """Read what each song of a file is called, and whose it is.

    Parameters
    ----------
    path : Path
    root : Path
        The folder that was added: only those below it are named after artists.
    given : Tags
        An artist and an album for what names none.

    Returns
    -------
    tuple of Tags
        As many as `read_lyrics` gives, in the same order. What the file does not say is read
        from names: of ``artist/title``, ``artist/album/title`` or ``artist - title``; of what
        cannot be read, all of it.
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
    """Tell whether a title says that it is a live recording or a remix of another song.

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
    """Read what names say: unlike a recording's, the folder of a text is its artist's."""
    named = tags_from_name(path, given)
    folders = path.parent.relative_to(root).parts if path.is_relative_to(root) else ()
    if named.artist or not folders:
        return named
    return replace(named, artist=clean(display_name(folders[-2:][0])))


def _songs(path: Path) -> tuple[Lyrics, ...]:
    suffix = path.suffix.lower()
    return _READERS[suffix](decode_text(_content(path, suffix)))


def _content(path: Path, suffix: str) -> bytes:
    """Read a file, and no more of it than it may hold."""
    most = MAX_BYTES_COLLECTION if suffix in _MANY else MAX_BYTES
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > most:
                more = "" if suffix in _MANY else "; many songs go into .csv, .json or .md"
                raise Unreadable(
                    f"{size / (1 << 20):.0f} MB, expected at most {most >> 20} MB of lyrics in a "
                    f"{suffix} file; divide it{more}"
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

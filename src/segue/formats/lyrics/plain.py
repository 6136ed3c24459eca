"""Lyrics as people keep them: plain texts, .lrc with time stamps, Markdown."""

import re
from typing import Final

from segue.formats.lyrics.poems import poems
from segue.formats.lyrics.text import lines_of, section_of
from segue.formats.lyrics.wrapped import unwrapped
from segue.formats.names import clean
from segue.records import Lyrics, Tags

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
    if has_stamps(text):
        return read_lrc(text)
    lines = unwrapped(lines_of(text))
    return poems(lines) or (Lyrics("\n".join(lines)),)


def read_one(text: str) -> Lyrics:
    """Read a plain text, or one with time stamps, that is the words of one piece of music."""
    return read_lrc(text)[0] if has_stamps(text) else Lyrics(text)


def has_stamps(text: str) -> bool:
    """Tell whether a text has lines with time stamps."""
    return any(_STAMP.match(line) for line in lines_of(text))


def read_lrc(text: str) -> tuple[Lyrics, ...]:
    """Read lines with time stamps, such as ``[00:12.50]``.

    What has several stamps is sung several times: lines are put in the order of time. A line
    without one stays behind the one that it follows.
    """
    timed: list[tuple[float, str]] = []
    found: dict[str, str] = {}
    at_s = _BEFORE_ALL
    for line in lines_of(text.strip()):
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
    line = line.removeprefix("- ") if section_of(line.removeprefix("- ")) else line
    return _EMPHASIS.sub(r"\2", line).removesuffix("<br>")

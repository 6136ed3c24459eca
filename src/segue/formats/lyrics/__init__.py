"""Lyrics of every format: bytes → `Lyrics`, one dictionary of functions."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from segue.errors import Unreadable, unreadable
from segue.formats.lyrics.plain import read_lrc, read_markdown, read_one, read_plain
from segue.formats.lyrics.tables import read_csv, read_json
from segue.formats.lyrics.text import PLAIN, NoWords, TextForm, formed, text_of, tidied
from segue.formats.names import clean
from segue.formats.tags import NOTHING, display, tags_from_name
from segue.records import Lyrics, Tags

#: How long a file may be: of one song, and of many.
MOST_BYTES: Final = 4 << 20
MOST_BYTES_OF_MANY: Final = 100 << 20
_MANY: Final = frozenset([".md", ".csv", ".json", ".jsonl"])
_ASIDE: Final = re.compile(r"[(\[]([^()\[\]]*)[)\]]|\s[-–—]\s+([^()\[\]]*)")
#: What an aside in a title says of such: "Live at Home", "Live 1999", "Remix 2011".
_VERSION: Final = re.compile(
    r"(recorded )?live(,? \d{4}|,? (at|in|from|on|version|session|recording)\b.*)?|"
    r".*\blive (version|session|recording)|.*\b(remix|remixed|re-mix)\b.*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class BrokenSong:
    """A song of a file that cannot be read, and why."""

    reason: str


def read_lyrics(path: Path, form: TextForm = PLAIN) -> tuple[Lyrics | BrokenSong, ...]:
    """Read the songs of a file.

    Parameters
    ----------
    path : Path
        Ends in one of the `segue.formats.kinds.SUFFIXES` of lyrics.
    form : TextForm
        What of the texts is kept.

    Returns
    -------
    tuple of Lyrics or BrokenSong
        One for each row of a table, object of JSON, or title of Markdown, in its order; one of
        all else.

    Raises
    ------
    Unreadable
        Nothing of it can be read.
    """
    found: list[Lyrics | BrokenSong] = []
    for song in _songs(path):
        try:
            found.append(replace(song, text=formed(tidied(song.text), form)))
        except Unreadable as error:
            found.append(BrokenSong(str(error)))
    broken = [song for song in found if isinstance(song, BrokenSong)]
    if len(broken) == len(found):
        if not broken:
            raise Unreadable("a table without a row")
        if len(found) == 1:
            raise Unreadable(broken[0].reason)
        raise Unreadable(
            f"none of its {len(found)} songs can be read; the first: {broken[0].reason}"
        )
    return tuple(found)


def read_words(path: Path, form: TextForm = PLAIN) -> Lyrics:
    """Read a text that holds the words of one piece of music.

    Parameters
    ----------
    path : Path
        Ends in .lrc or .txt.
    form : TextForm

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
        text = text_of(_content(path, suffix))
        found = read_lrc(text)[0] if suffix == ".lrc" else read_one(text)
        return replace(found, text=formed(tidied(found.text), form))
    except NoWords:
        return replace(found, text="")


def read_lyrics_tags(path: Path, root: Path, given: Tags = NOTHING) -> tuple[Tags, ...]:
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


def is_version(title: str) -> bool:
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
    return replace(named, artist=clean(display(folders[-2:][0])))


def _songs(path: Path) -> tuple[Lyrics, ...]:
    suffix = path.suffix.lower()
    return _READERS[suffix](text_of(_content(path, suffix)))


def _content(path: Path, suffix: str) -> bytes:
    """Read a file, and no more of it than it may hold."""
    most = MOST_BYTES_OF_MANY if suffix in _MANY else MOST_BYTES
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
        raise NoWords("an empty file")
    return content


_READERS: Final[dict[str, Callable[[str], tuple[Lyrics, ...]]]] = {
    ".txt": read_plain,
    ".lrc": read_lrc,
    ".md": read_markdown,
    ".csv": read_csv,
    ".json": read_json,
    ".jsonl": read_json,
}

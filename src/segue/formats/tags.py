"""What a file says about itself, else what its name says."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from segue.formats.embedded_tags import embedded_tags, id3_version
from segue.formats.names import BETWEEN_NAMES, clean, normalise, split_names
from segue.formats.titles import file_title
from segue.records import Tags

_YEAR: Final = re.compile(r"(1[0-9]{3}|20[0-9]{2})")
_NUMBER: Final = re.compile(r"\d{1,4}")
NOTHING: Final = Tags()
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


def read_tags(path: Path, given: Tags = NOTHING) -> Tags:
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


def tags_from_name(path: Path, given: Tags = NOTHING) -> Tags:
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
    stem = display(path.stem).replace("_", " ").replace(".-.", " - ").strip()
    number = None
    if match := _NUMBERED_NAME.match(stem):
        number, stem = int(match["number"]), match["rest"]
    found = file_title(stem)
    artist, *rest = _DASH.split(found.title, maxsplit=1)
    title = rest[0] if rest else found.title
    if rest and (match := _NUMBER_BETWEEN.fullmatch(title)):  # "artist - 03 - title"
        number, title = int(match["number"]), match["rest"]
    return Tags(
        title=given.title or clean(title) or clean(display(path.name)),
        artist=given.artist or clean(artist if rest else ""),
        album=given.album,
        year=found.year,
        track_number=number,
    )


def display(name: str) -> str:
    """Make a file name that may not be UTF-8 fit to be shown."""
    return os.fsencode(name).decode("utf-8", "replace")


def _first_int(pattern: re.Pattern[str], text: str) -> int | None:
    match = pattern.search(text)
    return int(match[0]) if match else None

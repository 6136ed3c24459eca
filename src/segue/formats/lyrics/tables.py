"""Many songs in one file: CSV with columns, JSON with objects."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from segue.errors import Unreadable
from segue.formats.lyrics.text import MOST_CHARACTERS
from segue.formats.names import clean
from segue.records import Lyrics, Tags

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
    csv.field_size_limit(4 * MOST_CHARACTERS)
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


def holds_csv_songs(text: str) -> bool:
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


def holds_json_songs(text: str) -> bool:
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

"""Rows of the database ↔ records; paths as text that survives any file name."""

import os
import sqlite3
from dataclasses import astuple, dataclass
from pathlib import Path
from types import UnionType
from typing import Final, get_args
from urllib.parse import unquote_to_bytes

from segue.formats.names import normalise
from segue.records import Kind, Space, Tags, Track
from segue.store.database import damaged_row, json_of

_KINDS: Final = get_args(Kind)
#: SQLite keeps whatever it is given, and damage may turn a value into one of another type.
_STORED: Final[dict[str, type | UnionType]] = {
    **dict.fromkeys(("path", "root_path", "content_hash"), str),
    **dict.fromkeys(("title", "artist", "album", "album_artist", "genre"), str),
    **dict.fromkeys(("year", "track_number"), int | None),
    **dict.fromkeys(("missing", "tune"), int),
    "duration_s": float,
}


@dataclass(frozen=True, slots=True)
class Labels:
    """What a track says of itself, for comparing; less to read than a `Track`."""

    id: int
    artist: str
    album: str
    album_artist: str
    genre: str
    year: int | None


def is_inside(path: bytes, root: bytes) -> bool:
    """Tell whether an absolute path is a root or lies below it."""
    return path == root or path.startswith(root.rstrip(b"/") + b"/")


def join(root: bytes, encoded: str) -> bytes:
    """Put a root and an encoded relative path together."""
    return root.rstrip(b"/") + b"/" + unquote_to_bytes(encoded) if encoded else root


def path_at(root: bytes, encoded: str) -> Path:
    """Return the path of a row for use in this program."""
    return Path(os.fsdecode(join(root, encoded)))


def tag_values(tags: Tags) -> tuple[str | int | None, ...]:
    """Return tags in the order of their columns."""
    return astuple(tags)


def search_words(tags: Tags) -> str:
    """Return the words by which a track is found."""
    return normalise(f"{tags.title} {tags.artist} {tags.album}")


def space_of(row: sqlite3.Row) -> Space:
    """Make a space from its row."""
    return Space(
        row["name"], row["kind"], row["dimension"], row["metric"], row["model"], row["version"]
    )


def track_of(row: sqlite3.Row) -> Track:
    """Make a track from its row joined with its root.

    Raises
    ------
    LibraryDamaged
        The row is not as it was stored.
    """
    what = f"what is known of track {row['id']}"
    facts = json_of(row["facts"], what)
    if not (
        isinstance(facts, dict)
        and all(isinstance(fact, float | int | str) for fact in facts.values())
        and all(isinstance(row[name], kinds) for name, kinds in _STORED.items())
        and row["kind"] in _KINDS
    ):
        raise damaged_row(what)
    return Track(
        id=row["id"],
        kind=row["kind"],
        path=path_at(unquote_to_bytes(row["root_path"]), row["path"]),
        tags=Tags(
            row["title"],
            row["artist"],
            row["album"],
            row["album_artist"],
            row["genre"],
            row["year"],
            row["track_number"],
        ),
        duration_s=row["duration_s"],
        content_hash=row["content_hash"],
        missing=bool(row["missing"]),
        facts=facts,
        tune=row["tune"],
    )

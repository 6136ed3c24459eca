"""What the commands print: tables for people, JSON for programs."""

import json
import os
import re
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from rich.console import Console

    from segue.records import GroupHit, Hit, Track

#: Raised when a field changes its meaning or goes; new fields do not count.
JSON_VERSION: Final = 1
PIPED_WIDTH: Final = 160
#: Control characters, other ends of lines, marks that turn the order of what follows, and bytes
#: that are no text. Spaces and joiners of all scripts are text.
_UNSAFE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def print_json(name: str, fields: dict[str, Any]) -> None:
    """Print one JSON object: its schema's name and version, then its fields."""
    document = {"schema": f"segue.{name}", "version": JSON_VERSION, **fields}
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table; columns of numbers are set to the right."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title), title_justify="left", box=None, pad_edge=False)
    for i, column in enumerate(columns):
        numeric = all(isinstance(row[i], int | float) or row[i] == "" for row in rows)
        table.add_column(column, justify="right" if numeric and rows else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    console().print(table)


def say(text: str) -> None:
    """Print a line for people on the standard output."""
    sys.stdout.write(text + "\n")


@cache
def console() -> "Console":
    """Return the console of the standard output."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else PIPED_WIDTH, highlight=False)


def safe(text: str) -> str:
    """Make a text fit for a terminal: nothing in it moves the cursor or the words around it."""
    return _UNSAFE.sub("\ufffd", text)


def shown(path: Path) -> str:
    """Make a path fit for a terminal: names may hold any bytes."""
    return safe(os.fsencode(path).decode("utf-8", "replace"))


def track_fields(track: "Track") -> dict[str, Any]:
    """Return a track as JSON fields; `uri` is exact where a path is not UTF-8."""
    tags = track.tags
    return {
        "id": track.id,
        "kind": track.kind,
        "path": shown(track.path),
        "uri": "file://" + quote(os.fsencode(track.path)),
        "title": tags.title,
        "artist": tags.artist,
        "album": tags.album,
        "album_artist": tags.album_artist,
        "genre": tags.genre,
        "year": tags.year,
        "track_number": tags.track_number,
        "duration_s": track.duration_s,
        "missing": track.missing,
        "tune": track.tune,
    }


def hit_fields(hit: "Hit") -> dict[str, Any]:
    """Return a hit as JSON fields."""
    return {
        "rank": hit.rank,
        "similarity": hit.similarity,
        "track": track_fields(hit.track),
        "reasons": [{"name": reason.name, "share": reason.share} for reason in hit.reasons],
    }


def group_fields(hit: "GroupHit") -> dict[str, Any]:
    """Return an artist, album or genre as JSON fields."""
    return {
        "rank": hit.rank,
        "similarity": hit.similarity,
        "name": hit.name,
        "tracks": hit.tracks,
        "reasons": [{"name": reason.name, "share": reason.share} for reason in hit.reasons],
    }


def why(hit: "Hit | GroupHit", most: int = 3) -> str:
    """Name the largest shares of a similarity, and what all the others come to."""
    from segue.model.sound.head import REMAINDER

    largest = sorted(
        (reason for reason in hit.reasons if reason.name != REMAINDER),
        key=lambda reason: -abs(reason.share),
    )[:most]
    named = [f"{reason.name} {reason.share:+.2f}" for reason in largest]
    rest = hit.similarity - sum(reason.share for reason in largest)
    return ", ".join(named) + (f"; all else {rest:+.2f}" if len(hit.reasons) > most else "")


def print_hits(title: str, hits: "Sequence[Hit]") -> None:
    """Print hits as a table."""
    print_table(
        title,
        ("", "similarity", "title", "artist", "album", "why"),
        [
            (
                hit.rank,
                hit.similarity,
                hit.track.tags.title,
                hit.track.tags.artist,
                hit.track.tags.album,
                why(hit),
            )
            for hit in hits
        ],
    )


def print_blended(title: str, hits: "Sequence[Hit]", parts: Sequence[str]) -> None:
    """Print hits as a table of what each part of a blend gave, and say which knew nothing."""
    gave = [{reason.name: reason.share for reason in hit.reasons} for hit in hits]
    print_table(
        title,
        ("", "similarity", *parts, "title", "artist", "album"),
        [
            (
                hit.rank,
                hit.similarity,
                *(shares.get(part, "") for part in parts),
                hit.track.tags.title,
                hit.track.tags.artist,
                hit.track.tags.album,
            )
            for hit, shares in zip(hits, gave, strict=True)
        ],
    )
    for part in parts:
        if not any(part in shares for shares in gave):
            say(f"{part} knows nothing of what was asked with, or of these; the rest weighs more")


def minutes(seconds: float) -> str:
    """Write a duration as m:ss."""
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}"


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    return "\n".join(safe(line) for line in str(value).split("\n"))


def label(track: "Track") -> str:
    """Name a track in one line: artist and title."""
    return " - ".join(part for part in (track.tags.artist, track.tags.title) if part)

"""The command `list`."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Final

import typer

from segue.cli import options as opt
from segue.cli.app import command, open_library
from segue.cli.output import (
    count_of,
    display_path,
    format_duration,
    print_json,
    print_table,
    track_fields,
)
from segue.errors import BadArgument

if TYPE_CHECKING:
    from segue.records import Track

#: Columns by which tracks are shown and sorted; None sorts last.
_COLUMNS: Final[dict[str, "Callable[[Track], str | float | None]"]] = {
    "id": lambda track: track.id,
    "kind": lambda track: track.kind,
    "title": lambda track: track.tags.title or None,
    "artist": lambda track: track.tags.artist or None,
    "album": lambda track: track.tags.album or None,
    "album-artist": lambda track: track.tags.album_artist or None,
    "genre": lambda track: track.tags.genre or None,
    "year": lambda track: track.tags.year,
    "number": lambda track: track.tags.track_number,
    "length": lambda track: track.duration_s or None,
    "bpm": lambda track: _number(track, "tempo_bpm"),
    "key": lambda track: str(track.facts["key"]) if "key" in track.facts else None,
    "file": lambda track: display_path(track.path),
}
_DEFAULT_COLUMNS: Final = ("id", "title", "artist", "album", "length")


@command("Library", "list")
def list_(
    words: Annotated[
        list[str] | None, typer.Argument(help="Words of title, artist or album, all of them.")
    ] = None,
    artist: opt.Artist = None,
    album: opt.Album = None,
    genre: opt.Genre = None,
    year: opt.Year = None,
    bpm: opt.Bpm = None,
    bpm_octaves: opt.BpmOctaves = False,
    kind: Annotated[opt.MediumName | None, typer.Option(help="Medium of the tracks.")] = None,
    sort: Annotated[
        str,
        typer.Option(help=f"Column to sort by: {', '.join(_COLUMNS)}; -COLUMN for descending."),
    ] = "id",
    columns: Annotated[
        str, typer.Option(help=f"Columns to show, of {', '.join(_COLUMNS)}.")
    ] = ",".join(_DEFAULT_COLUMNS),
    library: opt.Library = None,
    json: opt.Json = False,
) -> None:
    """List tracks: all of them, or those that pass every filter.

    Tracks whose files are missing are marked, and those that are not music: speech, noise, or
    shorter than 10 s.

    Example: segue list --genre ambient --sort -bpm --columns title,artist,bpm,key
    """
    from segue.search.filters import non_music_type

    names = [_column(name) for name in columns.split(",")]
    key, reverse = _column(sort.removeprefix("-")), sort.startswith("-")
    filters = opt.filters(artist, album, genre, year, bpm, bpm_octaves=bpm_octaves)
    with open_library(library) as lib:
        tracks = [
            track
            for track in lib.tracks(" ".join(words or ()), filters)
            if kind in {None, track.kind}
        ]
    tracks = _sorted(tracks, _COLUMNS[key], reverse=reverse)
    if json:
        fields = [track_fields(track) | {"not_music": non_music_type(track)} for track in tracks]
        print_json("list", {"tracks": fields})
        return
    marks = [
        ", ".join(filter(None, ("missing" if track.missing else "", non_music_type(track))))
        for track in tracks
    ]
    print_table(
        count_of(len(tracks), "track"),
        (*names, *([""] if any(marks) else [])),
        [
            (
                *(_cell(name, track) for name in names),
                *([mark] if any(marks) else []),
            )
            for track, mark in zip(tracks, marks, strict=True)
        ],
    )


def _column(name: str) -> str:
    if name.strip() not in _COLUMNS:
        raise BadArgument(f"there is no column {name.strip()!r}; there are {', '.join(_COLUMNS)}")
    return name.strip()


def _sorted(
    tracks: "Sequence[Track]", value: "Callable[[Track], str | float | None]", *, reverse: bool
) -> "list[Track]":
    """Sort tracks, text regardless of case and accents; tracks without a value come last."""
    from segue.text import normalise

    def key(track: "Track") -> tuple[str, float]:
        of_track = value(track)
        return (normalise(of_track), 0.0) if isinstance(of_track, str) else ("", of_track or 0.0)

    with_value = [track for track in tracks if value(track) is not None]
    without_value = [track for track in tracks if value(track) is None]
    return sorted(with_value, key=key, reverse=reverse) + without_value


def _cell(name: str, track: "Track") -> str | int:
    value = _COLUMNS[name](track)
    if name == "length" and value is not None:
        return format_duration(float(value))
    if isinstance(value, float):
        return round(value)
    return "" if value is None else value


def _number(track: "Track", fact: str) -> float | None:
    number = track.facts.get(fact)
    return number if isinstance(number, float) and number > 0 else None

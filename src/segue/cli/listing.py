"""The command that lists tracks: which ones, in which order, with what of them."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Final

import typer

from segue.cli.app import (
    AlbumFilter,
    ArtistFilter,
    BpmOctaves,
    GenreFilter,
    JsonOption,
    LibraryOption,
    TempoFilter,
    YearFilter,
    app,
    open_library,
)
from segue.cli.output import counted, minutes, print_json, print_table, shown, track_fields
from segue.cli.values import parse_tempos, parse_years
from segue.errors import BadArgument

if TYPE_CHECKING:
    from segue.records import Track

#: What may be shown of a track, and sorted by; None sorts behind all else.
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
    "file": lambda track: shown(track.path),
}
_USUAL: Final = ("id", "title", "artist", "album", "length")


@app.command("list")
def list_(
    words: Annotated[
        list[str] | None, typer.Argument(help="Only with all of these in title, artist or album.")
    ] = None,
    artist: ArtistFilter = None,
    album: AlbumFilter = None,
    genre: GenreFilter = None,
    year: YearFilter = None,
    bpm: TempoFilter = None,
    bpm_octaves: BpmOctaves = False,
    kind: Annotated[
        str | None, typer.Option(help="Only of this kind: sound, score or lyrics.")
    ] = None,
    sort: Annotated[
        str, typer.Option(help=f"By {', '.join(_COLUMNS)}; with - in front the other way.")
    ] = "id",
    columns: Annotated[
        str, typer.Option(help=f"What to show: some of {', '.join(_COLUMNS)}.")
    ] = ",".join(_USUAL),
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """List the tracks: all, or those that pass every filter.

    Says which are missing, and which are no music: speech, noise, or short, under 10 s.

    Example: segue list --genre ambient --sort -bpm --columns title,artist,bpm,key
    """
    from segue.query import Filters
    from segue.sound_kinds import kind_if_not_music

    chosen = [_column(name) for name in columns.split(",")]
    by, backwards = _column(sort.removeprefix("-")), sort.startswith("-")
    filters = Filters(
        artist=tuple(artist or ()),
        album=tuple(album or ()),
        genre=tuple(genre or ()),
        year=tuple(map(parse_years, year or ())) or None,
        bpm=tuple(map(parse_tempos, bpm or ())) or None,
        bpm_octaves=bpm_octaves,
    )
    if kind not in {None, "sound", "score", "lyrics"}:
        raise BadArgument(f"--kind {kind}: expected sound, score or lyrics")
    with open_library(library) as lib:
        tracks = [
            track
            for track in lib.tracks(" ".join(words or ()), filters)
            if kind in {None, track.kind}
        ]
    tracks = _sorted(tracks, _COLUMNS[by], backwards=backwards)
    if json:
        fields = [track_fields(track) | {"not_music": kind_if_not_music(track)} for track in tracks]
        print_json("list", {"tracks": fields})
        return
    marks = [
        ", ".join(filter(None, ("missing" if track.missing else "", kind_if_not_music(track))))
        for track in tracks
    ]
    print_table(
        counted(len(tracks), "track"),
        (*chosen, *([""] if any(marks) else [])),
        [
            (
                *(_shown(name, track) for name in chosen),
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
    tracks: "Sequence[Track]", value: "Callable[[Track], str | float | None]", *, backwards: bool
) -> "list[Track]":
    """Sort tracks; names without case and accents, and what says nothing last."""
    from segue.formats.names import normalise

    def key(track: "Track") -> tuple[str, float]:
        found = value(track)
        return (normalise(found), 0.0) if isinstance(found, str) else ("", found or 0.0)

    told = [track for track in tracks if value(track) is not None]
    silent = [track for track in tracks if value(track) is None]
    return sorted(told, key=key, reverse=backwards) + silent


def _shown(name: str, track: "Track") -> str | int:
    value = _COLUMNS[name](track)
    if name == "length" and value is not None:
        return minutes(float(value))
    if isinstance(value, float):
        return round(value)
    return "" if value is None else value


def _number(track: "Track", fact: str) -> float | None:
    found = track.facts.get(fact)
    return found if isinstance(found, float) and found > 0 else None

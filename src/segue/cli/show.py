"""The commands `list` and `show`: the tracks of a library."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from segue.cli import options as opt
from segue.cli.app import command, open_library
from segue.cli.output import (
    FACTS_IN_OTHER_ROWS,
    Facts,
    chord_rows,
    count_of,
    display_path,
    format_confidence,
    format_duration,
    format_key,
    format_tempo,
    print_json,
    print_table,
    sanitize,
    say,
    track_fields,
)
from segue.cli.output_files import MUSIC_SUFFIXES, check_target, write_music
from segue.errors import BadArgument

if TYPE_CHECKING:
    from segue.records import Description, Score, Track


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


_NOT_MUSIC: Final = {
    "speech": "it sounds like speech",
    "noise": "it sounds like noise or effects",
    "short": "under 10 s",
}


@command("Library")
def show(
    query: opt.Track,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Path of the score in another format (.mid, .musicxml, .mxl, .abc), as audio "
            "(.wav) or as a piano roll (.png, .svg, .pdf).",
        ),
    ] = None,
    chords: Annotated[
        bool,
        typer.Option(
            "--chords", help="Chords of a recording as well, which is transcribed for them."
        ),
    ] = False,
    library: opt.Library = None,
    json: opt.Json = False,
) -> None:
    """Show a track's tags, features, description and lyrics.

    Of a score, the chords are shown as well, bar by bar; of a recording, with --chords. The file
    need not be in the library.

    Example: segue show tune.mid -o tune.png
    """
    check_target(output, MUSIC_SUFFIXES)
    with open_library(library, required=False) as lib:
        if lib.kind(query) == "score":
            descriptions = lib.describe(query) if lib.contains(query) else []
            score = lib.scores.read(query) if len(descriptions) < 2 else None
        else:
            descriptions, score = lib.describe(query), None
        transcription = lib.scores.transcribe(query) if chords and not score else None
    if output and score is None:
        raise BadArgument("a piano roll is drawn, or played, of one score")
    if output and score:
        write_music(score, output)
    if json:
        print_json("show", _fields(descriptions, score, transcription))
        return
    for item in descriptions:
        _print_track(item)
        if item.words:
            say("\n" + "\n".join(map(sanitize, item.words.split("\n"))) + "\n")
    if score:
        _print_score(score, with_facts=not descriptions)
    if transcription:
        _print_chords(transcription)
    if output:
        say(f"wrote {display_path(output)}")


def _fields(
    descriptions: "list[Description]", score: "Score | None", transcription: "Score | None"
) -> dict[str, Any]:
    from segue.score.harmony import estimate_chords
    from segue.search.filters import non_music_type

    tracks = [
        track_fields(item.track)
        | {"features": item.track.facts, "tags": item.tags}
        | {"not_music": non_music_type(item.track)}
        | ({"words": item.words} if item.words else {})
        for item in descriptions
    ]
    fields: dict[str, Any] = {"tracks": tracks}
    if score:
        fields["features"] = _facts(score)
    if with_chords := score or transcription:
        fields["chords"] = [
            {"bar": chord.bar + 1, "name": chord.name} for chord in estimate_chords(with_chords)
        ]
    return fields


def _facts(score: "Score") -> dict[str, float | str]:
    from segue.score.features import describe_score

    return describe_score(score).facts


def _print_track(item: "Description") -> None:
    from segue.search.filters import non_music_type

    tags = item.track.tags
    named = {
        "artist": tags.artist,
        "album": tags.album,
        "genre": tags.genre,
        "year": tags.year,
        "file": display_path(item.track.path) + (" (missing)" if item.track.missing else ""),
        "tune" if item.track.kind != "sound" else "track of the file": item.track.tune,
        "part": _part(item.track),
        "words from": sanitize(item.words_from),
    }
    rows = [(name, str(value)) for name, value in named.items() if value]
    if not_music := non_music_type(item.track):
        rows.append(("no music", _NOT_MUSIC[not_music]))
    rows += _rows(item.track.facts)
    if item.tags:
        likeliest = sorted(item.tags.items(), key=lambda tag: -tag[1])[:5]
        rows.append(("described as", ", ".join(f"{name} {p:.0%}" for name, p in likeliest)))
    print_table(f"{item.track.id or 'not in the library:'}  {tags.title}", ("", ""), rows)


def _part(track: "Track") -> str:
    """Return the part of its file that a track of a cue sheet is; "" for a whole file."""
    if not (part := track.passage):
        return ""
    return f"{format_duration(part.start_s)} to {format_duration(part.end_s)}"


def _print_score(score: "Score", *, with_facts: bool) -> None:
    if with_facts:
        rows = _rows(_facts(score))
        print_table(score.title or "a score", ("", ""), rows)
    _print_chords(score)


def _print_chords(score: "Score") -> None:
    from segue.score.harmony import estimate_chords

    print_table("chords", ("", ""), chord_rows(estimate_chords(score)))


def _rows(facts: Facts) -> list[tuple[str, str]]:
    """Return facts as rows of a table; those on tempo and key share a row."""
    combined = {
        "tempo_bpm": ("tempo", format_tempo(facts) + format_confidence(facts, "tempo_confidence")),
        "key": ("key", format_key(facts) + format_confidence(facts, "key_confidence")),
    }
    return [
        combined.get(name) or (name.replace("_", " "), _value(value))
        for name, value in facts.items()
        if name not in FACTS_IN_OTHER_ROWS
    ]


def _value(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"

"""The command `show`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from segue.cli import options as opt
from segue.cli.app import command, open_library
from segue.cli.output import (
    FACTS_IN_OTHER_ROWS,
    Facts,
    chord_rows,
    display_path,
    format_confidence,
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
    from segue.records import Description, Score

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
    library: opt.Library = None,
    json: opt.Json = False,
) -> None:
    """Show a track's tags, features, description and lyrics.

    Of a score, the chords are shown as well, bar by bar. The file need not be in the library.

    Example: segue show tune.mid -o tune.png
    """
    check_target(output, MUSIC_SUFFIXES)
    with open_library(library, required=False) as lib:
        if lib.kind(query) == "score":
            descriptions = lib.describe(query) if lib.contains(query) else []
            score = lib.scores.read(query) if len(descriptions) < 2 else None
        else:
            descriptions, score = lib.describe(query), None
    if output and score is None:
        raise BadArgument("a piano roll is drawn, or played, of one score")
    if output and score:
        write_music(score, output)
    if json:
        print_json("show", _fields(descriptions, score))
        return
    for item in descriptions:
        _print_track(item)
        if item.words:
            say("\n" + "\n".join(map(sanitize, item.words.split("\n"))) + "\n")
    if score:
        _print_score(score, with_facts=not descriptions)
    if output:
        say(f"wrote {display_path(output)}")


def _fields(descriptions: "list[Description]", score: "Score | None") -> dict[str, Any]:
    from segue.score.harmony import estimate_chords
    from segue.search.filters import non_music_type

    tracks = [
        track_fields(item.track)
        | {"features": item.track.facts, "tags": item.tags}
        | {"not_music": non_music_type(item.track)}
        | ({"words": item.words} if item.words else {})
        for item in descriptions
    ]
    if score is None:
        return {"tracks": tracks}
    named = [{"bar": chord.bar + 1, "name": chord.name} for chord in estimate_chords(score)]
    return {"tracks": tracks, "features": _facts(score), "chords": named}


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
        "tune": item.track.tune,
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


def _print_score(score: "Score", *, with_facts: bool) -> None:
    from segue.score.harmony import estimate_chords

    if with_facts:
        rows = _rows(_facts(score))
        print_table(score.title or "a score", ("", ""), rows)
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

"""The command that shows a track: what is known of it, and of a score its notes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segue.cli.app import JsonOption, LibraryOption, app, check_target, open_library
from segue.cli.musical import TOLD_ELSEWHERE, Facts, key_told, sure, tempo_told
from segue.cli.output import print_json, print_table, safe, say, shown, track_fields
from segue.errors import BadArgument

if TYPE_CHECKING:
    from segue.records import Description, Score

_PICTURES = (".png", ".svg", ".pdf")
#: Formats of scores, and all that a score can be written as.
SCORES = (".mid", ".musicxml", ".mxl", ".abc")
WRITTEN = (*SCORES, ".wav", *_PICTURES)
_CHORDS_A_LINE = 8
_NOT_MUSIC = {
    "speech": "it sounds like speech",
    "noise": "it sounds like noise or effects",
    "short": "under 10 s",
}
_RATE_HZ = 44_100


@app.command()
def show(
    query: Annotated[str, typer.Argument(help="A track's id, file, or words of its title.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Of a score: its piano roll (.png, .svg, .pdf), .wav to hear, or another format "
            "(.mid, .musicxml, .mxl, .abc).",
        ),
    ] = None,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Show a track's tags, every named feature, how it would be described, and its words.

    Of a score also the chords, bar by bar. A file need not be in the library.

    Example: segue show tune.mid -o tune.png
    """
    if output:
        check_target(output, WRITTEN)
    with open_library(library, needed=False) as lib:
        if lib.kind(query) == "score":
            found = lib.describe(query) if lib.holds(query) else []
            score = lib.scores.read(query) if len(found) < 2 else None
        else:
            found, score = lib.describe(query), None
    if output and score is None:
        raise BadArgument("a piano roll is drawn, or played, of one score")
    if output and score:
        write_music(score, output)
    if json:
        print_json("show", _fields(found, score))
        return
    for item in found:
        _print_track(item)
        if item.words:
            say("\n" + "\n".join(map(safe, item.words.split("\n"))) + "\n")
    if score:
        _print_score(score, with_facts=not found)
    if output:
        say(f"wrote {shown(output)}")


def write_music(score: "Score", output: Path) -> None:
    """Write a score in a format of scores, play it into a .wav, or draw it, by the ending."""
    if output.suffix.lower() in SCORES:
        from segue.formats.score import write_score
        from segue.represent.score.harmony import with_key

        write_score(with_key(score), output)
    elif output.suffix.lower() == ".wav":
        from segue.formats.sound import write_wav
        from segue.represent.score.rendering import render

        write_wav(output, render(score, _RATE_HZ), _RATE_HZ)
    else:
        from segue.pictures.rolls import draw_roll

        draw_roll(score, output)


def _fields(found: "list[Description]", score: "Score | None") -> dict[str, Any]:
    from segue.represent.score.harmony import chords
    from segue.sound_kinds import kind_if_not_music

    tracks = [
        track_fields(item.track)
        | {"features": item.track.facts, "tags": item.tags}
        | {"not_music": kind_if_not_music(item.track)}
        | ({"words": item.words} if item.words else {})
        for item in found
    ]
    if score is None:
        return {"tracks": tracks}
    named = [{"bar": chord.bar + 1, "name": chord.name} for chord in chords(score)]
    return {"tracks": tracks, "features": _facts(score), "chords": named}


def _facts(score: "Score") -> dict[str, float | str]:
    from segue.represent.score.description import describe_score

    return describe_score(score).facts


def _print_track(item: "Description") -> None:
    from segue.sound_kinds import kind_if_not_music

    tags = item.track.tags
    named = {
        "artist": tags.artist,
        "album": tags.album,
        "genre": tags.genre,
        "year": tags.year,
        "file": shown(item.track.path) + (" (missing)" if item.track.missing else ""),
        "tune": item.track.tune,
        "words from": safe(item.words_from),
    }
    rows = [(name, str(value)) for name, value in named.items() if value]
    if not_music := kind_if_not_music(item.track):
        rows.append(("no music", _NOT_MUSIC[not_music]))
    rows += _rows(item.track.facts)
    if item.tags:
        likeliest = sorted(item.tags.items(), key=lambda tag: -tag[1])[:5]
        rows.append(("described as", ", ".join(f"{name} {p:.0%}" for name, p in likeliest)))
    print_table(f"{item.track.id or 'not in the library:'}  {tags.title}", ("", ""), rows)


def _print_score(score: "Score", *, with_facts: bool) -> None:
    from segue.represent.score.harmony import chords

    if with_facts:
        rows = _rows(_facts(score))
        print_table(score.title or "a score", ("", ""), rows)
    bars: dict[int, list[str]] = {}
    for chord in chords(score):
        bars.setdefault(chord.bar, []).append(chord.name)
    cells = [" ".join(names) for _, names in sorted(bars.items())]
    lines = [
        (f"bar {at + 1}", " | ".join(cells[at : at + _CHORDS_A_LINE]))
        for at in range(0, len(cells), _CHORDS_A_LINE)
    ]
    print_table("chords", ("", ""), lines)


def _rows(facts: Facts) -> list[tuple[str, str]]:
    """Write facts as rows of a table; what tells of tempo and key goes together."""
    told = {
        "tempo_bpm": ("tempo", tempo_told(facts) + sure(facts, "tempo_confidence")),
        "key": ("key", key_told(facts) + sure(facts, "key_confidence")),
    }
    return [
        told.get(name) or (name.replace("_", " "), _value(value))
        for name, value in facts.items()
        if name not in TOLD_ELSEWHERE
    ]


def _value(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"

"""Commands that list and show tracks.

The command that lists tracks: which ones, in which order, with what of them.

The command that shows a track: what is known of it, and of a score its notes.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

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
    check_target,
    open_library,
    parse_tempos,
    parse_years,
)
from segue.cli.output import (
    TOLD_ELSEWHERE,
    Facts,
    counted,
    key_told,
    minutes,
    print_json,
    print_table,
    safe,
    say,
    shown,
    sure,
    tempo_told,
    track_fields,
)
from segue.errors import BadArgument

if TYPE_CHECKING:
    from segue.records import Description, Score, Track


# --- listing ---

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
    from segue.search.filters import Filters
    from segue.search.track_checks import non_music_type

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
        fields = [track_fields(track) | {"not_music": non_music_type(track)} for track in tracks]
        print_json("list", {"tracks": fields})
        return
    marks = [
        ", ".join(filter(None, ("missing" if track.missing else "", non_music_type(track))))
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
    from segue.text import normalise

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


# --- showing ---

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
            found = lib.describe(query) if lib.contains(query) else []
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
        from segue.io.scores import write_score
        from segue.score.harmony import with_estimated_key

        write_score(with_estimated_key(score), output)
    elif output.suffix.lower() == ".wav":
        from segue.io.audio import write_wav
        from segue.score.synthesis import synthesise

        write_wav(output, synthesise(score, _RATE_HZ), _RATE_HZ)
    else:
        from segue.render.piano_roll_plots import draw_piano_roll

        draw_piano_roll(score, output)


def _fields(found: "list[Description]", score: "Score | None") -> dict[str, Any]:
    from segue.score.harmony import estimate_chords
    from segue.search.track_checks import non_music_type

    tracks = [
        track_fields(item.track)
        | {"features": item.track.facts, "tags": item.tags}
        | {"not_music": non_music_type(item.track)}
        | ({"words": item.words} if item.words else {})
        for item in found
    ]
    if score is None:
        return {"tracks": tracks}
    named = [{"bar": chord.bar + 1, "name": chord.name} for chord in estimate_chords(score)]
    return {"tracks": tracks, "features": _facts(score), "chords": named}


def _facts(score: "Score") -> dict[str, float | str]:
    from segue.score.features import describe_score

    return describe_score(score).facts


def _print_track(item: "Description") -> None:
    from segue.search.track_checks import non_music_type

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
    bars: dict[int, list[str]] = {}
    for chord in estimate_chords(score):
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

"""The command `melody`."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from segue.cli.app import (
    JsonOption,
    LibraryOption,
    NewSeed,
    Threads,
    app,
    check_target,
    drawn,
    live_line,
    open_library,
    use_threads,
)
from segue.cli.list_show import SCORES
from segue.cli.output import JSON_VERSION, print_json, print_table, say, shown
from segue.errors import BadArgument

if TYPE_CHECKING:
    from segue.generate.melody.candidates import MelodyCandidate
    from segue.generate.melody.model import MelodyModel
    from segue.records import Score
    from segue.theory.chord_grid import Chart

_LONGEST_TITLE: Final = 60
_UNKNOWN_SHOWN: Final = 5
#: Where the chords are from: the command line, symbols in a score, or what sounds in it.
ChordSource = Literal["given", "written", "found"]


@app.command()
def melody(
    chords: Annotated[
        str | None,
        typer.Argument(
            help='Chord symbols, bars divided by |: "Dm7 G7 | Cmaj7"; or a score: the chord '
            "symbols above its notes (ABC, MusicXML), or, where it has none, those that are found."
        ),
    ] = None,
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", help="The best one: .mid, .musicxml, .mxl or .abc; others beside it."
        ),
    ] = Path("melody.mid"),
    roman: Annotated[
        str | None, typer.Option(help='Degrees in place of symbols: "ii7 V7 | Imaj7".')
    ] = None,
    key: Annotated[str | None, typer.Option(help="With --roman: C, F#, Am, 'Bb minor'.")] = None,
    metre: Annotated[str | None, typer.Option(help="3/4, 6/8 …; else the score's, or 4/4.")] = None,
    tempo: Annotated[
        float | None,
        typer.Option(
            help="Quarters a minute, in 6/8, 9/8 and 12/8 dotted quarters; else the score's, or "
            "the style's."
        ),
    ] = None,
    style: Annotated[
        str | None, typer.Option(help="folk or pop; of a model of yours, what it learned.")
    ] = None,
    n: Annotated[int, typer.Option("-n", min=1, max=64, help="How many candidates.")] = 3,
    temperature: Annotated[
        float, typer.Option(help="0 for the likeliest always; above 1 for surprises.")
    ] = 1.0,
    top_p: Annotated[
        float, typer.Option(help="Of the likeliest events, those of this share of chance.")
    ] = 0.95,
    top_k: Annotated[int, typer.Option(help="Of the likeliest so many; 0 for all.")] = 0,
    min_p: Annotated[
        float, typer.Option(help="Of those at least so likely, beside the likeliest.")
    ] = 0.0,
    max_copy: Annotated[
        float,
        typer.Option(
            min=0.0, help="Bars of a melody learned from that may come back, in whatever key."
        ),
    ] = 4.0,
    seed: NewSeed = None,
    threads: Threads = 1,
    title: Annotated[str | None, typer.Option(help="Of the piece; else the score's.")] = None,
    no_accompaniment: Annotated[
        bool, typer.Option("--no-accompaniment", help="The melody alone, with chord symbols.")
    ] = False,
    model: Annotated[
        str, typer.Option(help="melody, or one learned with `segue train score`.")
    ] = "melody",
    png: Annotated[bool, typer.Option("--png", help="Piano rolls, too.")] = False,
    wav: Annotated[bool, typer.Option("--wav", help="Sound, too.")] = False,
    report: Annotated[
        Path | None, typer.Option(help="Write figures, seed and versions as JSON.")
    ] = None,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Write melodies for chords, ranked, each with the chords as accompaniment.

    More are written than asked for; the best are those most like real melodies in how many notes
    they have, by what steps they go, how they lie on the chords; none is silent for more than a
    bar, and none goes along with a melody learned from for longer than --max-copy. Notes on strong
    beats are accented. "%" repeats a bar, |: :| a passage, "/" holds a chord for a beat, N.C. is no
    chord; without | every chord is a bar. Of a score with chord symbols those are taken, else its
    chords are found by what sounds; which of the two is said. What is written as MusicXML or ABC
    has the chords as symbols, too.

    Example: segue melody "Dm7 G7 | Cmaj7 | Am7 | Dm7 G7 | C6" --style pop -o tune.mid
    """
    check_target(output, SCORES)
    if report:
        check_target(report, (".json",))
    with open_library(library, needed=False) as lib:
        meant = _meant(lib.scores.read, chords, roman, key, metre)
        use_threads(threads)
        from segue.nn.sampling import Sampling  # brings in torch: a slip is told before

        sampling = Sampling(temperature, top_k, top_p, min_p)
        found = lib.learning.melody_model(model)
        source = lib.learning.source("melodies", model)
    from segue.io.written_score import beat_of

    chart, score = meant.chart, meant.score
    beat = float(beat_of(*chart.metre))
    if score is not None and tempo is None:
        from segue.score.timing import main_tempo_bpm

        quarters: float | None = main_tempo_bpm(score)
    else:
        quarters = None if tempo is None else tempo * beat
    from segue.generate.melody.candidates import generate_melodies

    seed = drawn(seed)
    with live_line("writing"):
        written = generate_melodies(
            found,
            chart,
            n,
            style=style or "",
            sampling=sampling,
            tempo_bpm=quarters,
            seed=seed,
            max_copy_bars=max_copy,
            title=title if title is not None else _title(score),
        )
    if no_accompaniment:
        written = [replace(one, score=_alone(one.score)) for one in written]
    files = [_write(one, chart, output, png=png, wav=wav) for one in written]
    asked = {
        "chords": chords if chords is not None else roman,
        "chords_from": meant.source,
        "chords_left_out": list(meant.unknown),
        "key": key,
        "bars": chart.bars,
        "metre": _named(chart.metre),
        "style": style or found.styles[0],
        "tempo_bpm": float(written[0].score.tempos[0, 1]) / beat,
        "temperature": temperature,
        "top_p": top_p,
        "top_k": top_k,
        "min_p": min_p,
        "max_copy": max_copy,
        "seed": seed,
    }
    fields = _fields(found, chart, written, files, asked)
    if report:
        _write_report(report, {"schema": "segue.melody", "version": JSON_VERSION, **fields})
    if json:
        print_json("melody", fields)
    else:
        if score is not None:
            _say_source(meant)
        _print(written, chart, files)
        say(f"written by {source}; seed {seed}: the same again with --seed {seed}")


def _alone(score: "Score") -> "Score":
    """Leave the melody, the first part, with the chord symbols above it."""
    return replace(score, parts=score.parts[:1])


@dataclass(frozen=True, slots=True)
class _Meant:
    """The chords to write on, where they are from, and what was no chord there."""

    chart: "Chart"
    source: ChordSource = "given"
    score: "Score | None" = None
    unknown: tuple[str, ...] = ()


def _meant(
    read: Any, chords: str | None, roman: str | None, key: str | None, metre: str | None
) -> _Meant:
    from segue.generate.melody.lead_sheet import chart_from_symbols, estimate_chart
    from segue.media import medium_of
    from segue.theory.chord_charts import parse_chart, parse_romans

    if (chords is None) == (roman is None):
        raise BadArgument('name chords ("Dm7 G7 | Cmaj7"), or a score, or --roman with --key')
    if (roman is None) != (key is None):
        raise BadArgument('--roman and --key belong together: --roman "ii V I" --key C')
    beats = _metre(metre)
    if roman is not None and key is not None:
        return _Meant(parse_romans(roman, key, beats or (4, 4)))
    text = chords or ""
    path = Path(text).expanduser()
    is_path = medium_of(path) is not None or path.is_dir() or text.startswith(("/", "./", "../"))
    if "|" not in text and is_path:
        if path.is_dir():
            raise BadArgument(f"{shown(path)} is a folder; name a score, or write chords")
        if not path.exists():
            raise BadArgument(
                f"there is no file {shown(path)}; name a score, or write chords: Dm7 G7 | Cmaj7"
            )
        if beats:
            raise BadArgument("a score has its own metre; leave --metre out")
        score = read(path)
        chart, unknown = chart_from_symbols(score)
        if chart is None:
            return _Meant(estimate_chart(score), "found", score, unknown)
        return _Meant(chart, "written", score, unknown)
    return _Meant(parse_chart(text, beats or (4, 4)))


def _say_source(meant: _Meant) -> None:
    """Say where the chords of a score are from."""
    bars = f"{meant.chart.bars} bars of {_named(meant.chart.metre)}"
    if meant.source == "written":
        say(f"chords: the symbols that stand above its notes; {bars}")
    else:
        say(f"chords: found by what sounds, since no symbol stands above its notes; {bars}")
    if meant.unknown:
        more = ", …" if len(meant.unknown) > _UNKNOWN_SHOWN else ""
        say(f"no chord symbols, left out: {', '.join(meant.unknown[:_UNKNOWN_SHOWN])}{more}")


def _named(metre: tuple[int, int]) -> str:
    return f"{metre[0]}/{metre[1]}"


def _metre(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    found = re.fullmatch(r"\s*(\d{1,2})\s*/\s*(\d{1,2})\s*", text)
    if not found:
        raise BadArgument(f"{text!r} is no metre; write 4/4, 3/4 or 6/8")
    return int(found[1]), int(found[2])


def _title(score: "Score | None") -> str:
    text = " ".join((score.title if score is not None else "").split()) or "Melody"
    return text if len(text) <= _LONGEST_TITLE else f"{text[: _LONGEST_TITLE - 1]}…"


def _write(
    one: "MelodyCandidate", chart: "Chart", output: Path, *, png: bool, wav: bool
) -> list[Path]:
    """Write a candidate: the best under the name that was given, the others numbered."""
    from segue.cli.list_show import write_music

    stem = output.stem if one.rank == 1 else f"{output.stem}-{one.rank}"
    files = [output.with_name(f"{stem}{output.suffix}")]
    write_music(one.score, files[0])
    if png:
        from segue.generate.melody.candidates import chart_chords
        from segue.render.piano_roll_plots import draw_piano_roll

        files.append(files[0].with_suffix(".png"))
        draw_piano_roll(one.score, files[-1], named=chart_chords(chart))
    if wav:
        files.append(files[0].with_suffix(".wav"))
        write_music(one.score, files[-1])
    return files


def _fields(
    model: "MelodyModel",
    chart: "Chart",
    written: "list[MelodyCandidate]",
    files: list[list[Path]],
    asked: dict[str, Any],
) -> dict[str, Any]:
    from segue import __version__
    from segue.generate.melody.candidates import chords_by_bar

    return {
        **asked,
        "segue_version": __version__,
        "model": model.fingerprint,
        "chords_by_bar": chords_by_bar(chart),
        "melodies": [
            {
                "rank": one.rank,
                "files": [shown(file) for file in some],
                "likelihood": one.log_likelihood,
                "oddness": one.deviation,
                **{name: _number(value) for name, value in one.statistics.items()},
                "shared_notes": one.shared.notes,
                "shared_bars": one.shared_bars,
                "shared_with": one.shared_with,
            }
            for one, some in zip(written, files, strict=True)
        ],
    }


def _number(value: float) -> float | None:
    """Write what is no number as null."""
    return value if value == value else None  # noqa: PLR0124


def _write_report(report: Path, fields: dict[str, Any]) -> None:
    import json

    from segue.files import write_text

    write_text(json.dumps(fields, ensure_ascii=False, indent=2) + "\n", report)


def _print(written: "list[MelodyCandidate]", chart: "Chart", files: list[list[Path]]) -> None:
    from segue.generate.melody.candidates import describe_ending, pitch_range

    print_table(
        "melodies, best first",
        (
            "", "file", "notes", "from lowest to highest", "chord tones on strong beats",
            "ends on", "longest known passage",
        ),
        [
            (
                one.rank,
                shown(some[0]),
                int(one.statistics["notes"]),
                pitch_range(one),
                _share(one.statistics["chord_tones_on_strong_beats"]),
                describe_ending(one, chart),
                f"{one.shared.notes} notes, {one.shared_bars:.1f} bars" if one.shared.notes else "",
            )
            for one, some in zip(written, files, strict=True)
        ],
    )  # fmt: skip
    for some in files:
        for file in some:
            say(f"wrote {shown(file)}")


def _share(value: float) -> str:
    return f"{value:.0%}" if value == value else ""  # noqa: PLR0124

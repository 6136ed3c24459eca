"""The command `harmonise`."""

from dataclasses import replace
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
    open_library,
    use_threads,
)
from segue.cli.list_show import SCORES, write_music
from segue.cli.output import print_json, print_table, say, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from segue.generate.harmony.harmonise import ChoraleHarmony, ChordHarmony
    from segue.records import Score
    from segue.score.harmony import Chord

_BARS_A_LINE: Final = 8
Style = Literal["chords", "chorale"]


@app.command()
def harmonise(
    melody: Annotated[str, typer.Argument(help="A score's id, file, or words of its title.")],
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", help=".mid, .musicxml, .mxl or .abc; of several NAME-2.mid and so on."
        ),
    ],
    style: Annotated[
        Style,
        typer.Option(help="Chords with an accompaniment, or four voices as Bach's chorales have."),
    ] = "chords",
    n: Annotated[int, typer.Option("-n", min=1, help="How many, the likeliest first.")] = 1,
    part: Annotated[
        str, typer.Option(help="Which part is the melody: its number, or words of its name.")
    ] = "",
    temperature: Annotated[
        float | None,
        typer.Option(
            help="Less keeps to what is likely, more dares. Usual: chords 0.7, voices 0.9."
        ),
    ] = None,
    top_p: Annotated[
        float, typer.Option(help="Of voices: of the likeliest pitches that hold this share.")
    ] = 0.95,
    seed: NewSeed = None,
    threads: Threads = 1,
    title: Annotated[str | None, typer.Option(help="Of the piece; else the melody's.")] = None,
    png: Annotated[bool, typer.Option("--png", help="Draw the piano roll of each, too.")] = False,
    wav: Annotated[bool, typer.Option("--wav", help="Play each into a sound file, too.")] = False,
    report: Annotated[
        Path | None,
        typer.Option(
            help="A JSON file: statistics, what voices share with chorales learned from, how it "
            "was made, and by what again."
        ),
    ] = None,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Harmonise a melody: find chords for it, or three voices below it.

    The melody stays as it is. Chords are learned from pop songs, by bars or half bars; voices from
    Bach's chorales, so that they fit what the melody does next; where it repeats a note, they may
    hold theirs. The melody is the only part, one that is called so, or else the highest that sings
    one note at a time.

    Example: segue harmonise tune.mid --style chorale -o sung.mid
    """
    check_target(output, SCORES)
    if report:
        check_target(report, (".json",))
    with open_library(library, needed=False) as lib:
        score = lib.scores.read(melody)
    use_threads(threads)
    seed = drawn(seed)
    if title is not None:
        score = replace(score, title=title)
    found, heat = _harmonised(score, style, n, temperature, top_p, part, seed)
    files = [_write(one.score, _numbered(output, at), png, wav) for at, one in enumerate(found)]
    made = {"style": style, "seed": seed, "temperature": heat}
    if style == "chorale":
        made["top_p"] = top_p
    told = [_fields(one, own) for one, own in zip(found, files, strict=True)]
    fields = made | {"made": told}
    if report:
        _report(report, fields)
    if json:
        print_json("harmonise", fields)
        return
    for one, own in zip(found, files, strict=True):
        _print(one)
        for file in own:
            say(f"wrote {shown(file)}")
    for one_told in told:
        _say_shared(one_told)
    if len(found) < n:
        say(f"no more than {len(found)} different ones found; a higher --temperature dares more")
    say(f"seed {seed}: the same again with --seed {seed}")


def _harmonised(
    score: "Score",
    style: Style,
    n: int,
    temperature: float | None,
    top_p: float,
    part: str,
    seed: int,
) -> "tuple[Sequence[ChordHarmony | ChoraleHarmony], float]":
    """Return what is made, and at what temperature."""
    if style == "chords":
        from segue.generate.harmony.harmonise import CHORD_TEMPERATURE, harmonise_chords

        heat = CHORD_TEMPERATURE if temperature is None else temperature
        return harmonise_chords(score, n, temperature=heat, part=part, seed=seed), heat
    from segue.cli.app import counting
    from segue.generate.harmony.harmonise import harmonise_chorale
    from segue.generate.harmony.particle_filter import DEFAULT_SAMPLING, ParticleFilterOptions
    from segue.nn.sampling import Sampling

    heat = DEFAULT_SAMPLING.temperature if temperature is None else temperature
    choir = ParticleFilterOptions(Sampling(heat, top_p=top_p))
    with counting("singing") as watch:
        return harmonise_chorale(score, n, options=choir, part=part, seed=seed, watch=watch), heat


def _numbered(output: Path, at: int) -> Path:
    return output.with_stem(f"{output.stem}-{at + 1}") if at else output


def _write(score: "Score", target: Path, png: bool, wav: bool) -> list[Path]:
    files = [target]
    files += [target.with_suffix(".png")] if png else []
    files += [target.with_suffix(".wav")] if wav else []
    for file in files:
        write_music(score, file)
    return files


def _chords(one: "ChordHarmony | ChoraleHarmony") -> "Sequence[Chord]":
    from segue.generate.harmony.harmonise import ChordHarmony
    from segue.score.harmony import estimate_chords

    return one.chords if isinstance(one, ChordHarmony) else estimate_chords(one.score)


def _fields(one: "ChordHarmony | ChoraleHarmony", files: "Sequence[Path]") -> dict[str, Any]:
    from dataclasses import asdict

    from segue.generate.harmony.harmonise import ChordHarmony

    fields: dict[str, Any] = {"files": [shown(file) for file in files]}
    if isinstance(one, ChordHarmony):
        fields |= {"key": one.key, "likelihood": one.log_likelihood}
    else:
        from segue.generate.copying import KnownChorales

        shared = KnownChorales.load().longest_shared_passage(one.pitches)
        fields |= {"nats": one.nll, "voice_leading": asdict(one.voice_leading)}
        fields["longest_passage_shared"] = asdict(shared)
    fields["statistics"] = _statistics(one.score)
    return fields | {"chords": [{"bar": each.bar + 1, "name": each.name} for each in _chords(one)]}


def _say_shared(made: dict[str, Any]) -> None:
    """Tell the longest passage that a voice shares with chorales learned from."""
    shared = made.get("longest_passage_shared")
    if shared and shared["notes"]:
        say(
            f"{made['files'][0]}: longest passage shared with music learned from: "
            f"{shared['notes']} notes of the {shared['voice'].lower()}, with {shared['chorale']}"
        )


def _statistics(score: "Score") -> dict[str, float | None] | None:
    """Measure what was made; None in a metre that the grid of these measures does not have."""
    from segue.errors import BadArgument
    from segue.generate.compose.composition import statistics
    from segue.generate.compose.tokens import score_to_bars

    try:
        bars = score_to_bars(score)
    except BadArgument:
        return None
    return statistics(bars)


def _report(target: Path, fields: dict[str, Any]) -> None:
    from importlib.metadata import version
    from json import dumps

    from segue import __version__
    from segue.files import write_text

    versions = {"segue": __version__, "torch": version("torch")}
    write_text(dumps(versions | fields, ensure_ascii=False, indent=2) + "\n", target)


def _print(one: "ChordHarmony | ChoraleHarmony") -> None:
    from segue.generate.harmony.harmonise import ChordHarmony

    close = " – ".join(chord.name for chord in _chords(one)[-2:])
    if isinstance(one, ChordHarmony):
        title = f"chords in {one.key}, ending {close}"
    else:
        led = one.voice_leading
        title = (
            f"four voices, ending {close}; parallel fifths, octaves or unisons: {led.parallels}; "
            f"voices that cross: {led.crossings}, beyond what singers are asked for: "
            f"{led.out_of_range}, of {4 * led.frames} sixteenths"
        )
    bars: dict[int, list[str]] = {}
    for chord in _chords(one):
        bars.setdefault(chord.bar, []).append(chord.name)
    numbers = sorted(bars)
    cells = [" ".join(bars[number]) for number in numbers]
    lines = [
        (f"bar {numbers[at] + 1}", " | ".join(cells[at : at + _BARS_A_LINE]))
        for at in range(0, len(cells), _BARS_A_LINE)
    ]
    print_table(title, ("", ""), lines)

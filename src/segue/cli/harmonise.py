"""The command `harmonise`."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from segue.cli import options as opt
from segue.cli.app import command, count_progress, open_library, seed_or_new, use_threads
from segue.cli.output import chord_rows, display_path, print_json, print_table, say
from segue.cli.output_files import keep_input, music_outputs, numbered, write_music, write_report
from segue.errors import BadArgument

if TYPE_CHECKING:
    from segue.generate.harmony.harmonise import ChoraleHarmony, ChordHarmony
    from segue.records import Score
    from segue.score.harmony import Chord

Style = Literal["chords", "chorale"]


@command("Create")
def harmonise(
    melody: opt.Score,
    output: opt.MusicOutputs,
    style: Annotated[
        Style,
        typer.Option(
            help="Style of the harmony: chords with an accompaniment, or a four-part chorale."
        ),
    ] = "chords",
    n: Annotated[
        int, typer.Option("-n", min=1, help="Number of harmonisations, the most probable first.")
    ] = 1,
    part: Annotated[
        str, typer.Option(help="Part that is the melody: its number, or words of its name.")
    ] = "",
    temperature: Annotated[
        float | None,
        typer.Option(help=f"{opt.TEMPERATURE}; by default 0.7 for chords, 0.78 for chorales."),
    ] = None,
    top_p: opt.TopP = 0.95,
    humanise: opt.Humanise = 0.0,
    swing: opt.Swing = 0.5,
    seed: opt.NewSeed = None,
    threads: opt.Threads = 1,
    title: opt.Title = None,
    png: opt.Png = False,
    wav: opt.Wav = False,
    report: opt.Report = None,
    library: opt.Library = None,
    json: opt.Json = False,
) -> None:
    """Harmonise a melody with chords or as a chorale.

    The melody is not changed. Chords, one or two to a bar, come from a model trained on pop songs,
    lead sheets and lieder; the three voices below it from one trained on Bach's chorales, with
    lookahead, so that they fit what the melody does next; where it repeats a note, they may hold
    theirs. The melody is the only part, the part with that name, or else the highest monophonic
    one.

    Example: segue harmonise tune.mid --style chorale -o sung.mid
    """
    from segue.generate.compose.humanise import HumaniseOptions

    outputs = music_outputs(output, wav=wav, png=png, report=report)
    keep_input(melody, outputs)
    with open_library(library, required=False) as lib:
        score = lib.scores.read(melody)
    use_threads(threads)
    seed = seed_or_new(seed)
    performance = HumaniseOptions(humanise, swing, seed)
    if title is not None:
        score = replace(score, title=title)
    results, temperature = _harmonise(score, style, n, temperature, top_p, part, seed)
    fields: dict[str, Any] = {"style": style, "seed": seed, "temperature": temperature}
    if style == "chorale":
        fields["top_p"] = top_p
    fields["made"] = []
    for index, result in enumerate(results):
        files = numbered(outputs, index + 1) if index else outputs
        for file in files:
            write_music(result.score, file, performance=performance)
        fields["made"].append(_result_fields(result, files))
    write_report(report, _versions() | fields)
    if json:
        print_json("harmonise", fields)
        return
    for result, result_fields in zip(results, fields["made"], strict=True):
        _print_result(result)
        for file in result_fields["files"]:
            say(f"wrote {file}")
    for result_fields in fields["made"]:
        _print_shared_passage(result_fields)
    if len(results) < n:
        say(f"no more than {len(results)} different ones found; a higher --temperature dares more")
    say(f"seed {seed}: the same again with --seed {seed}")


def _harmonise(
    score: "Score",
    style: Style,
    n: int,
    temperature: float | None,
    top_p: float,
    part: str,
    seed: int,
) -> "tuple[Sequence[ChordHarmony | ChoraleHarmony], float]":
    """Return the harmonisations, and the temperature at which they were sampled."""
    if style == "chords":
        from segue.generate.harmony.harmonise import CHORD_TEMPERATURE, harmonise_chords

        temperature = CHORD_TEMPERATURE if temperature is None else temperature
        return harmonise_chords(
            score, n, temperature=temperature, part=part, seed=seed
        ), temperature
    from segue.generate.harmony.harmonise import harmonise_chorale
    from segue.generate.harmony.particle_filter import DEFAULT_SAMPLING, ParticleFilterOptions
    from segue.nn.sampling import Sampling

    temperature = DEFAULT_SAMPLING.temperature if temperature is None else temperature
    choir = ParticleFilterOptions(Sampling(temperature, top_p=top_p))
    with count_progress("singing") as watch:
        results = harmonise_chorale(score, n, options=choir, part=part, seed=seed, watch=watch)
    return results, temperature


def _chords(result: "ChordHarmony | ChoraleHarmony") -> "Sequence[Chord]":
    from segue.generate.harmony.harmonise import ChordHarmony
    from segue.score.harmony import estimate_chords

    return result.chords if isinstance(result, ChordHarmony) else estimate_chords(result.score)


def _result_fields(
    result: "ChordHarmony | ChoraleHarmony", files: Sequence[Path]
) -> dict[str, Any]:
    from segue.generate.harmony.harmonise import ChordHarmony

    fields: dict[str, Any] = {"files": [display_path(file) for file in files]}
    if isinstance(result, ChordHarmony):
        fields |= {"key": result.key, "likelihood": result.log_likelihood}
    else:
        from segue.generate.harmony.chorale_frames import KnownChorales

        fields |= {"nats": result.nll, "voice_leading": asdict(result.voice_leading)}
        fields["longest_passage_shared"] = KnownChorales.load().report(result.pitches)
    fields["statistics"] = _statistics(result.score)
    fields["chords"] = [{"bar": chord.bar + 1, "name": chord.name} for chord in _chords(result)]
    return fields


def _statistics(score: "Score") -> dict[str, float | None] | None:
    """Return statistics of the bars; None in a time signature that these are not defined for."""
    from segue.generate.compose.composition import statistics
    from segue.generate.compose.tokens import score_to_bars

    try:
        bars = score_to_bars(score)
    except BadArgument:
        return None
    return statistics(bars)


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    from segue import __version__

    return {"segue": __version__, "torch": version("torch")}


def _print_result(result: "ChordHarmony | ChoraleHarmony") -> None:
    from segue.generate.harmony.harmonise import ChordHarmony

    chords = _chords(result)
    cadence = " – ".join(chord.name for chord in chords[-2:])
    if isinstance(result, ChordHarmony):
        title = f"chords in {result.key}, ending {cadence}"
    else:
        faults = result.voice_leading
        title = (
            f"four voices, ending {cadence}; parallel fifths, octaves or unisons: "
            f"{faults.parallels}; voice crossings: {faults.crossings}, out of "
            f"range: {faults.out_of_range}, of {4 * faults.frames} sixteenths"
        )
    print_table(title, ("", ""), chord_rows(chords))


def _print_shared_passage(fields: dict[str, Any]) -> None:
    """Print the longest passage that a voice shares with a chorale of the training set."""
    shared = fields.get("longest_passage_shared")
    if shared and shared["notes"]:
        say(
            f"{fields['files'][0]}: longest passage shared with the training set: "
            f"{shared['notes']} notes of the {shared['voice'].lower()}, with {shared['chorale']}"
        )

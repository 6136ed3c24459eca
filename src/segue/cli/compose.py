"""The command `compose`, and its takes: kept in a file, ranked, and compared on a page."""

import os
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from segue.cli import options as opt
from segue.cli.app import command, open_library, progress, seed_or_new, use_threads
from segue.cli.output import count_of, display_path, print_json, say
from segue.cli.output_files import music_outputs, numbered, write_music, write_report
from segue.errors import BadArgument

if TYPE_CHECKING:
    from segue.generate.compose.composition import Composition
    from segue.generate.compose.humanise import HumaniseOptions
    from segue.generate.compose.options import CompositionOptions
    from segue.generate.compose.plan import Section
    from segue.records import Score


def _print_styles(value: bool) -> None:  # called by typer
    from segue.generate.compose.styles import STYLES

    if value:
        for style in STYLES.values():
            say(f"{style.name:12}{style.description}; {style.tempo:g} bpm")
        raise typer.Exit


@command("Create")
def compose(
    output: opt.OptionalMusicOutputs = None,
    prompt: Annotated[
        str | None,
        typer.Argument(help="Score to continue, fill in or add to: id, file, or words of a title."),
    ] = None,
    bars: Annotated[
        int | None,
        typer.Option(
            help="Number of new bars to generate, up to 10,000; by default 16, or eight for "
            "each section of --form."
        ),
    ] = None,
    instruments: Annotated[
        str | None,
        typer.Option(
            help="Instruments, as piano,bass,drums or violin,violin,viola,cello; by default the "
            "model chooses."
        ),
    ] = None,
    key: Annotated[str | None, typer.Option(help="Musical key: C, Dm, F# minor …")] = None,
    tempo: opt.Tempo = None,
    time_signature: opt.TimeSignature = None,
    chords: Annotated[
        str | None,
        typer.Option(
            help='Chords of the new bars, as "Dm7 G7 | Cmaj7"; they are repeated to the end.'
        ),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(help="Form of the new bars, a letter for each section: AABA."),
    ] = None,
    sections: Annotated[
        str | None,
        typer.Option(help='Sections and their bars: "intro 4, verse 8, chorus 8, verse 8".'),
    ] = None,
    melody: Annotated[
        str | None,
        typer.Option(help="Score whose melody gets an accompaniment: id, file, or title."),
    ] = None,
    motif: Annotated[
        str | None,
        typer.Option(
            help="Score whose melody is developed in a new piece; of a longer one, the "
            "first two bars."
        ),
    ] = None,
    style: Annotated[
        str | None, typer.Option(help="Style of the accompaniment, as bossa; see --list-styles.")
    ] = None,
    list_styles: Annotated[
        bool,
        typer.Option(
            "--list-styles", callback=_print_styles, is_eager=True, help="List the styles, and end."
        ),
    ] = False,
    infill: Annotated[
        str | None, typer.Option(help="Range of bars of the score to generate again, as 5-8.")
    ] = None,
    add: Annotated[
        str | None, typer.Option(help="Instrument of a part to add to the score.")
    ] = None,
    lock: Annotated[
        str | None,
        typer.Option(
            help="Parts and bars of the score that stay, as drums,bass or 1-8; the others are "
            "generated again."
        ),
    ] = None,
    temperature: opt.Temperature = 1.0,
    top_p: opt.TopP = 0.95,
    top_k: opt.TopK = 0,
    min_p: opt.MinP = 0.0,
    humanise: opt.Humanise = 0.0,
    swing: opt.Swing = 0.5,
    max_copy: Annotated[
        int,
        typer.Option(help="Maximum number of bars that a part may share with the training set."),
    ] = 4,
    repetition: Annotated[
        float,
        typer.Option(
            help="Degree to which bars follow earlier bars of the piece, from 0 (the network "
            "alone) to 4 (they hardly change)."
        ),
    ] = 1.0,
    n: Annotated[int, typer.Option("-n", min=1, max=100, help="Number of compositions.")] = 1,
    takes: Annotated[
        int | None,
        typer.Option(
            min=2,
            max=20,
            help="Number of takes, alternatives that are ranked, with a page to hear and compare "
            "them.",
        ),
    ] = None,
    keep: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of a take to go on from; the argument names the takes, which by default "
            "are the only ones in the current folder.",
        ),
    ] = None,
    seed: opt.NewSeed = None,
    threads: opt.Threads = 1,
    title: opt.Title = None,
    wav: opt.Wav = False,
    png: opt.Png = False,
    report: opt.Report = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Name of a model trained with `segue train score --preset transformer`; by "
            "default the one that comes with Segue."
        ),
    ] = None,
    library: opt.Library = None,
    json: opt.Json = False,
) -> None:
    """Compose music from scratch, or continue a score.

    With --infill, bars of a score are generated again, given those around them; with --add, a part
    is added to it. The music is generated bar by bar; after an interruption, the bars so far are
    written. Every run gives another piece; the seed that is printed reproduces it with the same
    version. Several compositions are numbered, with consecutive seeds. Parts that are added, or
    begin, keep to the usual register of their instrument.

    With --takes, alternatives are written, with a page to compare them and a file, NAME.takes.json,
    that keeps them; --keep goes on from one of them, by default to NAME-2-more.mid for take 2.

    Example: segue compose tune.mid --bars 16 -o more.mid -o more.png
    """
    from segue.generate.compose.humanise import HumaniseOptions

    del list_styles  # its callback has ended the program
    kept = kept_take(prompt, keep)
    outputs = music_outputs(output or default_outputs(kept), wav=wav, png=png, report=report)
    writer = TakesWriter(outputs, kept) if takes else None
    if takes and n > 1:
        raise BadArgument("-n and --takes are both a number of compositions; give one of them")
    _check_new_bars(bars, infill, add, lock)
    n = takes or n
    use_threads(threads)
    seed = seed_or_new(seed)
    performance = HumaniseOptions(humanise, swing, seed)
    options = _options(instruments, key, tempo, time_signature, (temperature, top_k, top_p, min_p))
    options = replace(
        options,
        chords=chords,
        style=style,
        sections=_sections(form, sections, bars),
        max_copy=max_copy,
        repetition=repetition,
    )
    if kept and options.key is None:
        options = replace(options, key=kept.key)
    bar_range = _bar_range(infill)
    reports: list[dict[str, Any]] = []
    with open_library(library, required=False) as lib, progress("preparing") as show:
        source = lib.learning.source("composing", model or "shipped")
        for index in range(n):
            piece = lib.scores.compose(
                kept.score if kept else prompt,
                replace(options, seed=(seed + index) % (1 << 32)),
                bars=bars,
                infill=bar_range,
                add=add,
                lock=lock,
                melody=melody,
                motif=motif,
                model=model,
            )
            interrupted = _generate(
                piece, show, f"{index + 1} of {n}, bar" if n > 1 else "bar", partial=not reports
            )
            if interrupted and not piece.generated:
                break
            files = outputs if n == 1 else numbered(outputs, index + 1)
            reports.append(_write(piece, files, title, performance))
            if writer:
                writer.add(piece, title, files, reports[-1], report_lines(reports[-1]))
            if interrupted:
                break
        if writer:
            show("writing the page", n, n)
            writer.write_page(performance)
    write_report(report, reports if n > 1 else reports[0])
    if json:
        print_json("compose", {"compositions": reports} | (writer.fields() if writer else {}))
    else:
        for fields in reports:
            _print_report(fields)
        if writer:
            writer.say()
        say(f"written by {source}")
    if interrupted:
        raise typer.Exit(130)


def _options(
    instruments: str | None,
    key: str | None,
    tempo: float | None,
    time_signature: str | None,
    sampling: tuple[float, int, float, float],
) -> "CompositionOptions":
    from segue.generate.compose.options import CompositionOptions, parse_key, parse_time_signature
    from segue.generate.compose.tokens import TIME_SIGNATURE_INDEX
    from segue.nn.sampling import Sampling
    from segue.theory.instruments import parse_instrument

    numbers = None
    if instruments is not None:
        numbers = tuple(sorted(parse_instrument(name) for name in instruments.split(",")))
    return CompositionOptions(
        Sampling(*sampling),
        numbers,
        None if key is None else parse_key(key),
        tempo,
        None
        if time_signature is None
        else TIME_SIGNATURE_INDEX[parse_time_signature(time_signature)],
    )


def _sections(form: str | None, sections: str | None, bars: int | None) -> "tuple[Section, ...]":
    from segue.generate.compose.plan import parse_form, parse_sections

    if form is not None and sections is not None:
        raise BadArgument("--form and --sections both name the sections; give one of them")
    if form is not None:
        return parse_form(form, bars)
    return () if sections is None else parse_sections(sections, bars)


def _check_new_bars(bars: int | None, *edits: str | None) -> None:
    """Refuse a number of new bars where bars of a score are edited."""
    if bars is not None and any(edit is not None for edit in edits):
        raise BadArgument(
            "the number of bars is that of the score; leave --bars out with --infill, --lock and "
            "--add"
        )


def _bar_range(infill: str | None) -> tuple[int, int] | None:
    if infill is None:
        return None
    first, _, last = infill.partition("-")
    if not (first.isdecimal() and (last or first).isdecimal()):
        raise BadArgument(f"--infill {infill}: write the first and the last bar, as 5-8")
    return int(first), int(last or first)


def _generate(
    piece: "Composition", show: Callable[[str, int, int], None], text: str, *, partial: bool
) -> bool:
    """Generate a piece, and return whether it was interrupted.

    Then its bars so far are kept if `partial` bars are wanted, and the interruption is raised if
    there are none; else they are dropped.
    """
    try:
        for count, _ in enumerate(piece, start=1):
            show(text, count, piece.length)
    except KeyboardInterrupt:
        if not partial:
            piece.generated.clear()
        elif not any(bar.notes for bar in piece.generated):
            raise
        return True
    return False


def _write(
    piece: "Composition", files: Sequence[Path], title: str | None, performance: "HumaniseOptions"
) -> dict[str, Any]:
    """Write a piece, and return the report on it."""
    score = piece.score if title is None else replace(piece.score, title=title)
    for file in files:
        write_music(score, file, performance=replace(performance, seed=piece.options.seed))
    fields = {"files": [display_path(file) for file in files]} | piece.report
    fields["to_reproduce"] |= {"humanise": performance.amount, "swing": performance.swing}
    return fields


def report_lines(fields: dict[str, Any]) -> list[str]:
    """Return the report on a composition in words."""
    lines = [fields["summary"]["sentence"]]
    if fields["form"]:
        spans = (f"{part['name']} {part['first']}-{part['last']}" for part in fields["form"])
        lines.append(f"sections: {', '.join(spans)}")
    reproduce = fields["to_reproduce"]
    if reproduce["style"]:
        lines.append(f"style: {reproduce['style']}")
    if reproduce["added"] is not None and not fields["statistics"]["notes_per_bar"]:
        lines.append("the added part is silent; another --seed may let it play")
    for part in fields["summary"]["parts"]:
        span = f", {part['lowest']} to {part['highest']}" if part["lowest"] else ""
        bars = f"plays in {part['bars']} of {fields['bars']} bars" if part["bars"] else "is silent"
        lines.append(f"  {part['name']} {bars}{span}")
    chords = fields["chords"]
    if chords and chords["chord_tones"] is not None:
        line = f"chord tones are {chords['chord_tones']:.0%} of the sounding time"
        if chords["bass_on_beat_1"] is not None:
            line += (
                "; the lowest note on the first beat is the chord's bass in "
                f"{chords['bass_on_beat_1']:.0%} of the bars"
            )
        lines.append(line)
    shared = fields["longest_passage_shared"]
    if shared["bars"]:
        lines.append(
            f"longest passage shared with the training set: "
            f"{count_of(shared['bars'], 'different bar')} of "
            f"{shared['instrument']}, up to bar {shared['last_bar']}, with {shared['piece']}"
        )
    else:
        lines.append("no bar is shared with the training set")
    return lines


def _print_report(fields: dict[str, Any]) -> None:
    for file in fields["files"]:
        say(f"wrote {file}")
    for line in report_lines(fields):
        say(line)
    seed = fields["to_reproduce"]["seed"]
    say(f"seed {seed}: the same again with --seed {seed}")


@dataclass(frozen=True, slots=True)
class KeptTake:
    """The take that a composition goes on from.

    Attributes
    ----------
    path : Path
        File of the takes.
    score : Score
        The take.
    key : int, optional
        Key that was requested of it.
    output : Path
        Output file where none is named.
    """

    path: Path
    score: "Score"
    key: int | None
    output: Path


def kept_take(query: str | None, number: int | None) -> KeptTake | None:
    """Return the take to go on from, if `number` names one.

    Raises
    ------
    BadArgument
        There are no such takes, or no take of that number is named.
    """
    from segue.generate.compose.takes import SUFFIX, TakeSet, find_takes

    if number is None:
        if query is not None and query.endswith(SUFFIX):
            raise BadArgument(f"{query} holds takes; choose one of them, as --keep 2")
        return None
    path = find_takes(query, Path())
    takes = TakeSet.load(path)
    stem = path.name.removesuffix(SUFFIX)
    output = path.with_name(f"{stem}-{number}-more.mid")
    return KeptTake(path, takes[number].score, takes.key, output)


def default_outputs(kept: KeptTake | None) -> list[Path]:
    """Return the output files where none is named.

    Raises
    ------
    BadArgument
        No take is kept, after which they could be named.
    """
    if kept is None:
        raise BadArgument("no output file is named; name one, as -o new.mid")
    return [kept.output]


class TakesWriter:
    """Writes the file and the page of takes beside their output files.

    Parameters
    ----------
    outputs : sequence of Path
        Output files without numbers.
    kept : KeptTake, optional
        The take that the composition goes on from.

    Raises
    ------
    BadArgument
        The takes would replace those that they go on from.
    """

    def __init__(self, outputs: Sequence[Path], kept: KeptTake | None = None) -> None:
        from segue.generate.compose.takes import TakeSet, takes_path

        self.path = takes_path(outputs[0])
        self.page = outputs[0].with_suffix(".html")
        if kept and kept.path.resolve() == self.path.resolve():
            raise BadArgument(
                f"{display_path(self.path)} holds the takes you keep one of; name another output "
                "file"
            )
        self._takes = TakeSet(0)
        self._lines: list[Sequence[str]] = []

    def add(
        self,
        piece: "Composition",
        title: str | None,
        files: Sequence[Path],
        report: dict[str, Any],
        lines: Sequence[str],
    ) -> None:
        """Add a take with its report, as fields and in words, and save all.

        The report gets the probability that the bars are real.
        """
        from segue.generate.compose.takes import Take

        report["probability_real"] = piece.probability_real
        score = piece.score if title is None else replace(piece.score, title=title)
        folder = self.path.absolute().parent
        names = tuple(os.path.relpath(file.absolute(), folder) for file in files)
        last = piece.offset + len(piece.generated)
        self._takes.first, self._takes.key = piece.offset, piece.options.key
        self._takes.takes.append(Take(score, last, names, report))
        self._lines.append(lines)
        self._takes.save(self.path)

    def write_page(self, performance: "HumaniseOptions") -> None:
        """Write the page, the best take first."""
        from segue.generate.compose.humanise import humanise
        from segue.render.pages import TakeView, write_takes_page

        views = []
        for rank, number in enumerate(self._takes.ranking()):
            take = self._takes[number]
            seed = take.report["to_reproduce"]["seed"]
            views.append(
                TakeView(
                    f"Take {number}",
                    f"{'' if rank else 'first choice: '}{verdict(take.report)}",
                    self._lines[number - 1],
                    [quote(name) for name in take.files],
                    humanise(take.score, replace(performance, seed=seed)),
                    self._takes.first,
                    take.last,
                )
            )
        title = self._takes[1].score.title or "Composition"
        count = len(self._takes.takes)
        caption = (
            f"{count_of(count, 'take')}. Generated bars lie between the dashed lines. "
            f"To go on with one: segue compose {shlex.quote(self.path.name)} --keep "
            f"{views[0].name[5:]}"
        )
        write_takes_page(views, self.page, title, caption)

    def fields(self) -> dict[str, Any]:
        """Return the files and the ranking as JSON fields."""
        return {
            "takes": {
                "file": display_path(self.path),
                "page": display_path(self.page),
                "ranking": self._takes.ranking(),
            }
        }

    def say(self) -> None:
        """Print the ranking, where the takes are, and how to go on."""
        for number in self._takes.ranking():
            say(f"take {number}: {verdict(self._takes[number].report)}")
        say(f"wrote {display_path(self.page)}, a page to hear and compare them")
        best = self._takes.ranking()[0]
        path = shlex.quote(display_path(self.path))
        say(f"to go on with take {best}: segue compose {path} --keep {best}")


def verdict(report: dict[str, Any]) -> str:
    """Return what the critic makes of a take in words."""
    return f"the critic takes it for real with a probability of {report['probability_real']:.0%}"

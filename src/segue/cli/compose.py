"""The command `compose`."""

import json as json_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
from segue.cli.output import counted, print_json, say, shown
from segue.errors import BadArgument

if TYPE_CHECKING:
    from segue.generate.compose.composition import Composition
    from segue.generate.compose.options import CompositionOptions


@app.command()
def compose(
    output: Annotated[
        Path,
        typer.Option("-o", "--output", help="Ends in .mid, .musicxml, .mxl, .abc, .wav or .png."),
    ],
    prompt: Annotated[
        str | None,
        typer.Argument(help="A score to go on with: id, file, or words of its title."),
    ] = None,
    bars: Annotated[int, typer.Option(help="How many to write, up to 10,000.")] = 16,
    instruments: Annotated[
        str | None,
        typer.Option(
            help="Who plays, as piano,bass,drums or violin,violin,viola,cello; else as it comes."
        ),
    ] = None,
    key: Annotated[str | None, typer.Option(help="C, Dm, F# minor …")] = None,
    tempo: Annotated[
        float | None,
        typer.Option(
            help="Quarters a minute, 30 to 300; in 6/8, 9/8 and 12/8 dotted quarters, 20 to 200."
        ),
    ] = None,
    metre: Annotated[
        str | None,
        typer.Option(help="3/4, 6/8 …, up to 8/4 and 12/8; longer ones as shorter bars."),
    ] = None,
    infill: Annotated[
        str | None, typer.Option(help="Write these bars anew, as 5-8, with the others in view.")
    ] = None,
    add: Annotated[
        str | None, typer.Option(help="Write a part for this instrument to what is there.")
    ] = None,
    temperature: Annotated[
        float, typer.Option(help="0 always takes the likeliest; above 1 is wilder.")
    ] = 1.0,
    top_p: Annotated[
        float, typer.Option(help="Of the likeliest that hold this share of probability.")
    ] = 0.95,
    top_k: Annotated[int, typer.Option(help="Of so many of the likeliest; 0: of all.")] = 0,
    min_p: Annotated[
        float, typer.Option(help="Of those at least so likely, relative to the likeliest.")
    ] = 0.0,
    max_copy: Annotated[
        int,
        typer.Option(help="Bars that a part may have in common with music learned from."),
    ] = 4,
    n: Annotated[int, typer.Option("-n", min=1, max=100, help="How many compositions.")] = 1,
    seed: NewSeed = None,
    threads: Threads = 1,
    title: Annotated[str | None, typer.Option(help="Of the piece; else the prompt's.")] = None,
    wav: Annotated[bool, typer.Option("--wav", help="Also play it into a .wav.")] = False,
    png: Annotated[bool, typer.Option("--png", help="Also draw its piano roll.")] = False,
    report: Annotated[
        Path | None, typer.Option(help="A JSON file: statistics, what is shared with what.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="One learned with `segue train score --preset transformer`; else the one that "
            "comes with Segue."
        ),
    ] = None,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Write music: from nothing, going on with a score, filling bars in, or adding a part.

    It is written bar by bar; interrupt it, and what is there is kept. Each time it is another
    piece; the seed that is printed gives the same music again with the same version. Of several
    compositions each has a number, and the next seed. Parts that are added, or begin, keep to the
    usual register of their instrument.

    Example: segue compose tune.mid --bars 16 -o more.mid --png
    """
    from segue.cli.list_show import WRITTEN
    from segue.generate.compose.options import parse_time_signature

    check_target(output, WRITTEN)
    if report:
        check_target(report, (".json",))
    if metre:
        parse_time_signature(metre)
    use_threads(threads)
    seed = drawn(seed)
    wishes = _wishes(
        instruments, key, tempo, metre, max_copy, seed, (temperature, top_k, top_p, min_p)
    )
    span = _span(infill) if infill else None
    told: list[dict[str, Any]] = []
    with open_library(library, needed=False) as lib, live_line("reading") as show:
        source = lib.learning.source("composing", model or "shipped")
        for number in range(n):
            piece = lib.scores.compose(
                prompt, _with_seed(wishes, seed + number), bars=bars, infill=span, add=add,
                model=model,
            )  # fmt: skip
            stopped = _make(piece, show, f"{number + 1} of {n}, bar" if n > 1 else "bar")
            target = output if n == 1 else output.with_stem(f"{output.stem}-{number + 1}")
            files = _write(piece, target, title, wav=wav, png=png)
            told.append({"files": [shown(file) for file in files]} | piece.report)
            if stopped:
                break
    if report:
        from segue.files import write_text

        write_text(json_module.dumps(told if n > 1 else told[0], indent=1) + "\n", report)
    if json:
        print_json("compose", {"compositions": told})
    else:
        for one in told:
            _tell(one)
        say(f"written by {source}")
    if stopped:
        raise typer.Exit(130)


def _wishes(
    instruments: str | None,
    key: str | None,
    tempo: float | None,
    metre: str | None,
    max_copy: int,
    seed: int,
    sampling: tuple[float, int, float, float],
) -> "CompositionOptions":
    from segue.generate.compose.options import CompositionOptions, parse_key, parse_time_signature
    from segue.generate.compose.tokens import TIME_SIGNATURE_INDEX
    from segue.nn.sampling import Sampling
    from segue.theory.instruments import instrument_named

    named = None
    if instruments is not None:
        named = tuple(sorted(instrument_named(name) for name in instruments.split(",")))
    return CompositionOptions(
        Sampling(*sampling),
        named,
        None if key is None else parse_key(key),
        tempo,
        None if metre is None else TIME_SIGNATURE_INDEX[parse_time_signature(metre)],
        max_copy,
        seed,
    )


def _with_seed(wishes: "CompositionOptions", seed: int) -> "CompositionOptions":
    from dataclasses import replace

    return replace(wishes, seed=seed % (1 << 32))


def _span(infill: str) -> tuple[int, int]:
    first, _, last = infill.partition("-")
    if not (first.isdecimal() and (last or first).isdecimal()):
        raise BadArgument(f"--infill {infill}: write the first and the last bar, as 5-8")
    return int(first), int(last or first)


def _make(piece: "Composition", show: Any, what: str) -> bool:
    """Write it, and return whether it was interrupted."""
    try:
        for number, _ in enumerate(piece, start=1):
            show(what, number, piece.bars)
    except KeyboardInterrupt:
        if not any(bar.notes for bar in piece.generated):
            raise
        return True
    return False


def _write(
    piece: "Composition", target: Path, title: str | None, *, wav: bool, png: bool
) -> list[Path]:
    from dataclasses import replace

    from segue.cli.list_show import write_music

    score = piece.score if title is None else replace(piece.score, title=title)
    targets = [target]
    targets += [target.with_suffix(".wav")] if wav else []
    targets += [target.with_suffix(".png")] if png else []
    for file in dict.fromkeys(targets):
        write_music(score, file)
    return list(dict.fromkeys(targets))


def _tell(made: dict[str, Any]) -> None:
    shared = made["longest_passage_shared"]
    for file in made["files"]:
        say(f"wrote {file}")
    say(made["summary"]["sentence"])
    parts = made["summary"]["parts"]
    for part in parts:
        span = f", {part['lowest']} to {part['highest']}" if part["lowest"] else ""
        bars = f"plays in {part['bars']} of {made['bars']} bars" if part["bars"] else "is silent"
        say(f"  {part['name']} {bars}{span}")
    if shared["bars"]:
        say(
            f"longest passage shared with music learned from: "
            f"{counted(shared['bars'], 'different bar')} of "
            f"{shared['instrument']}, up to bar {shared['last_bar']}, with {shared['piece']}"
        )
    else:
        say("no bar is one of the music that was learned from")
    seed = made["to_reproduce"]["seed"]
    say(f"seed {seed}: the same again with --seed {seed}")

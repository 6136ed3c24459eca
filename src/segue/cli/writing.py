"""The commands that write lyrics."""

import json as json_module
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segue.cli.app import JsonOption, LibraryOption, SeedOption, app, check_target, open_library
from segue.cli.output import print_json, print_table, say, shown
from segue.errors import BadArgument

if TYPE_CHECKING:
    from segue.compose.verse_making import Verse
    from segue.compose.voices import By, How, VerseWishes

Lines = Annotated[int, typer.Option(help="How many, up to 1000.")]
SeedLine = Annotated[str | None, typer.Option(help="The first line, given.")]
Rhyme = Annotated[str, typer.Option(help="ABAB, AABB, ABBA, A-A- …: a letter a line of a stanza.")]
Chorus = Annotated[bool, typer.Option("--repeat-chorus", help="Every second stanza is the same.")]
TopP = Annotated[float, typer.Option(help="Of the likeliest that hold this share of probability.")]
TopK = Annotated[int, typer.Option(help="Of so many of the likeliest; 0: of all.")]
MinP = Annotated[float, typer.Option(help="Of those at least so likely, beside the likeliest.")]
MaxCopy = Annotated[
    int, typer.Option(help="Words in a row that may be those of a song learned from; 0: any.")
]
Output = Annotated[
    Path | None, typer.Option("-o", "--output", help="A .txt file to write it to, too.")
]
Report = Annotated[
    Path | None, typer.Option(help="A JSON file: all that is said of it, line by line.")
]
Model = Annotated[str, typer.Option(help="One of `segue train lyrics`; else whichever suits best.")]


@app.command()
def write(
    artist: Annotated[str, typer.Option(help="Whose voice to write with.")],
    lines: Lines = 16,
    seed_line: SeedLine = None,
    temperature: Annotated[
        str,
        typer.Option(
            help="0 always takes the likeliest letter; above 1 is wilder; several side by side, "
            "as 0.5,0.8,1.1."
        ),
    ] = "0.7",
    rhyme: Rhyme = "",
    repeat_chorus: Chorus = False,
    top_p: TopP = 0.95,
    top_k: TopK = 0,
    min_p: MinP = 0.0,
    max_copy: MaxCopy = 8,
    seed: SeedOption = 0,
    output: Output = None,
    report: Report = None,
    model: Model = "",
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Write lyrics like an artist's, letter by letter, and say what in them is real and new.

    Robert Burns, Emily Dickinson, Walt Whitman and others are known from the beginning; your
    own artists after `segue train lyrics --artist NAME`. The same seed gives the same text.

    Example: segue write --artist "Robert Burns" --rhyme ABAB --lines 8
    """
    wishes = [
        _wishes(lines, (one, top_k, top_p, min_p), rhyme, repeat_chorus, seed_line, max_copy, seed)
        for one in _temperatures(temperature)
    ]
    _check(output, report)
    with open_library(library, needed=False) as lib:
        verses = [lib.lyrics.write(artist, one, model=model) for one in wishes]
        alone = len(verses) == 1
        stopped = False
        for verse in verses:
            stopped = stopped or _make(verse, show=alone and not json, marked=False)
    if not alone and not json:
        print_table(
            f"{verses[0].voices[0].artist}, at temperatures",
            [f"{one.sampling.temperature:g}" for one in wishes],
            list(
                zip_longest(
                    *([line.text for line in verse.lines] for verse in verses), fillvalue=""
                )
            ),
        )
    text = "\n\n".join(verse.text for verse in verses)
    _tell("write", verses, text, output, report, json=json)
    if stopped:
        raise typer.Exit(130)


@app.command()
def duet(
    first: Annotated[str, typer.Argument(help="An artist: A in what is printed.")],
    second: Annotated[str, typer.Argument(help="Another: B.")],
    by: Annotated[str, typer.Option(help="Turns by line, stanza or word.")] = "line",
    blend: Annotated[
        float | None,
        typer.Option(help="No turns but one voice of both: the second one's share, 0 to 1."),
    ] = None,
    how: Annotated[
        str,
        typer.Option(
            help="With --blend: mixture (either), product (where both agree), contrast (what "
            "sets them apart from everybody)."
        ),
    ] = "mixture",
    lines: Lines = 24,
    seed_line: SeedLine = None,
    temperature: Annotated[
        float, typer.Option(help="0 always takes the likeliest letter; above 1 is wilder.")
    ] = 0.7,
    rhyme: Rhyme = "",
    repeat_chorus: Chorus = False,
    top_p: TopP = 0.95,
    top_k: TopK = 0,
    min_p: MinP = 0.0,
    max_copy: MaxCopy = 8,
    seed: SeedOption = 0,
    output: Output = None,
    report: Report = None,
    model: Model = "",
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Write lyrics with two voices: in turn, each going on from what the other wrote, or as one.

    Lines are marked A and B; with --by word each word of a line. Any two artists that something
    has learned to write like go together, whatever their alphabets.

    Example: segue duet "Robert Burns" "Emily Dickinson" --lines 12
    """
    if blend is None and how != "mixture":
        raise BadArgument(f"--how {how} goes with --blend, the share of the second voice")
    if blend is not None and by != "line":
        raise BadArgument("--by is for turns, --blend for one voice of both: give one of them")
    wishes = _wishes(
        lines, (temperature, top_k, top_p, min_p), rhyme, repeat_chorus, seed_line, max_copy, seed
    )
    _check(output, report)
    with open_library(library, needed=False) as lib:
        verse = lib.lyrics.duet(
            first, second, wishes, by=_by(by), blend=blend, how=_how(how), model=model
        )
        if not json:
            names = "A", "B"
            told = [f"{name}: {one.artist}" for name, one in zip(names, verse.voices, strict=True)]
            say("   ".join(told) if blend is None else " and ".join(t[3:] for t in told))
        stopped = _make(verse, show=not json, marked=blend is None)
    text = verse.text if blend is not None else verse.marked
    _tell("duet", [verse], text, output, report, json=json)
    if stopped:
        raise typer.Exit(130)


def _wishes(
    lines: int,
    sampling: tuple[float, int, float, float],
    rhyme: str,
    repeat_chorus: bool,
    seed_line: str | None,
    max_copy: int,
    seed: int,
) -> "VerseWishes":
    from segue.compose.verse_making import check_line
    from segue.compose.voices import VerseWishes
    from segue.model.sampling import Sampling

    line = check_line(seed_line)
    return VerseWishes(lines, Sampling(*sampling), rhyme, repeat_chorus, line, max_copy, seed)


def _temperatures(told: str) -> list[float]:
    try:
        return [float(one) for one in told.split(",")]
    except ValueError:
        raise BadArgument(f"--temperature {told}: a number, or several as 0.5,0.8,1.1") from None


def _by(told: str) -> "By":
    from segue.compose.voices import BYS

    for by in BYS:
        if by == told:
            return by
    raise BadArgument(f"--by {told}; there are {', '.join(BYS)}")


def _how(told: str) -> "How":
    from segue.compose.voices import HOWS

    for how in HOWS:
        if how == told:
            return how
    raise BadArgument(f"--how {told}; there are {', '.join(HOWS)}")


def _check(output: Path | None, report: Path | None) -> None:
    if output:
        check_target(output, (".txt",))
    if report:
        check_target(report, (".json",))


def _make(verse: "Verse", *, show: bool, marked: bool) -> bool:
    """Write it, and return whether it was interrupted."""
    try:
        for line in verse:
            if show:
                say(f"{line.voices or ' '}  {line.text}".rstrip() if marked else line.text)
    except KeyboardInterrupt:
        if not verse.text:
            raise
        return True
    return False


def _tell(
    command: str,
    verses: "list[Verse]",
    text: str,
    output: Path | None,
    report: Path | None,
    *,
    json: bool,
) -> None:
    from segue.formats.whole import write_text

    told = [verse.report for verse in verses]
    if output:
        write_text(f"{text}\n", output)
    if report:
        document = json_module.dumps(told if len(told) > 1 else told[0], indent=1)
        write_text(f"{document}\n", report)
    if json:
        print_json(command, {"texts": told})
        return
    for one in told:
        if "figures" in one:
            say("")
            _say_figures(one["artists"], one["figures"], blended=one["blend"] is not None)
    for file in (output, report):
        if file:
            say(f"wrote {shown(file)}")


def _say_figures(artists: list[str], figures: dict[str, Any], *, blended: bool) -> None:
    words, characters = figures["copied_words"], figures["copied_characters"]
    new = figures["new_runs"]
    say(
        f"{figures['real_words']:.0%} of its words are real"
        + (f", {new:.0%} of its runs of four words are new" if new is not None else "")
    )
    if words["length"]:
        say(
            f'longest copy: {words["length"]} words, "{words["text"]}" ({words["artist"]}, '
            f"{words['title']}); {characters['length']} characters"
        )
    own = list(figures["own"].values())
    rows = [
        (name, *(f"{one[key]:.2f}" for key in _TOLD.values()))
        for name, one in zip(["this", *figures["own"]], [figures["figures"], *own], strict=True)
    ]
    print_table("what it is like", ("", *_TOLD), rows)
    for artist, share in figures["taken"].items():
        count = sum(blended or line["voice"] == artist for line in figures["lines"])
        said = artist if len(artists) > 1 else "that artist"
        say(f"by their style, {share:.0%} of {count} lines are taken for {said}'s")


_TOLD = {
    "repeated lines": "repeated_lines",
    "repeated runs of 3 words": "repeated_runs",
    "rhyming lines": "rhymed_lines",
    "words a line": "words_of_line",
    "syllables a line": "syllables_of_line",
}

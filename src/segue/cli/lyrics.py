"""The commands `find`, `write` and `duet`.

The command that finds a song by a line half remembered.

What is said of lyrics that were written, in words; the figures are in the report.

The commands that write lyrics.
"""

import json as json_module
import sys
from collections import Counter
from collections.abc import Sequence
from itertools import zip_longest
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
from segue.cli.output import print_json, print_table, say, shown, track_fields
from segue.errors import BadArgument
from segue.lyrics.phonetics import rhyme_sound, syllables, words_of

if TYPE_CHECKING:
    from segue.generate.lyrics.report import GeneratedLyrics
    from segue.generate.lyrics.sampler import BlendMode, LyricsOptions, TurnBy


# --- finding ---


@app.command()
def find(
    line: Annotated[str, typer.Argument(help="Words of a song, as far as you remember them.")],
    n: Annotated[int, typer.Option("-n", min=1, help="How many songs.")] = 10,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Find the songs whose words come closest to a line half remembered.

    Typing errors, other spellings and missing words do little harm, and the line may run over
    into the next. Of each song the line that comes closest is shown. What is looked through
    are lyrics, and the words of recordings and scores: in their tags, under their notes, or in
    a text beside them.

    Example: segue find "shal i compair the to a sommers day"
    """
    with open_library(library) as lib:
        hits = lib.lyrics.find(line, n)
    if json:
        told = [
            {"rank": hit.rank, "likeness": hit.similarity, "line": hit.line}
            | {"track": track_fields(hit.track)}
            for hit in hits
        ]
        print_json("find", {"hits": told})
    elif hits:
        print_table(
            f"find {line}",
            ("", "id", "likeness", "title", "artist", "line", "file"),
            [
                (
                    hit.rank,
                    hit.track.id,
                    hit.similarity,
                    hit.track.tags.title,
                    hit.track.tags.artist,
                    hit.line,
                    shown(hit.track.path),
                )
                for hit in hits
            ],
        )
    else:
        say("no line comes near; try other words of it")


# --- verse words ---


def said_of(told: dict[str, Any], *, chorus_lacking: int = 0) -> list[str]:
    """Say in a few lines what a text is like.

    Parameters
    ----------
    told : dict
        The report of a `segue.generate.lyrics.report.GeneratedLyrics`.
    chorus_lacking : int
        So many lines it would take for the chorus to come back; 0 where it does.
    """
    texts = [line["text"] for line in told["lines"]]
    said = [_form(texts)]
    if any(line["repeated"] for line in told["lines"]):
        repeated = sum(line["repeated"] for line in told["lines"])
        said.append(f"the chorus comes back: {repeated} of the lines are repeated")
    elif chorus_lacking:
        said.append(
            f"too short for the chorus to come back: that takes more than two stanzas, "
            f"--lines {chorus_lacking} say"
        )
    if "figures" in told:
        said += _originality(told)
    return said


def _form(texts: Sequence[str]) -> str:
    """Say how many lines and stanzas there are, how long the lines are, how many rhyme."""
    sung = [text for text in texts if words_of(text)]
    stanzas = sum(
        bool(text) and (not number or not texts[number - 1]) for number, text in enumerate(texts)
    )
    counts = [sum(map(syllables, words_of(text))) for text in sung]
    lines = f"{len(sung)} lines" if len(sung) != 1 else "1 line"
    if stanzas > 1:
        lines += f" in {stanzas} stanzas"
    if not counts:
        return lines
    span = f"{min(counts)} to {max(counts)}" if min(counts) < max(counts) else f"{counts[0]}"
    rhymes = _rhyming([words_of(text)[-1] for text in sung])
    return f"{lines}, {span} syllables each; {rhymes} of them rhyme, told by their spelling"


def _rhyming(last: Sequence[str]) -> int:
    """Count lines whose last word rhymes with another word that ends a line near by."""
    near = 4
    sounds = [rhyme_sound(word.lower()) for word in last]
    words = [word.lower() for word in last]
    return sum(
        any(
            sounds[at] == sounds[other] and words[at] != words[other]
            for other in range(max(at - near, 0), min(at + near + 1, len(last)))
        )
        for at in range(len(last))
    )


def _originality(told: dict[str, Any]) -> list[str]:
    """Say what is copied and from whom, what is no word, and whom the lines are taken for."""
    figures = told["figures"]
    copied = figures["copied_words"]
    said = ["no run of words is copied"]
    if copied["length"]:
        whose = ", ".join(part for part in (copied["artist"], copied["title"]) if part)
        said = [
            f"longest copy: {copied['length']} "
            f'{"words" if copied["length"] > 1 else "word"} in a row, "{copied["text"]}" ({whose})'
        ]
    unknown = 1 - figures["real_words"]
    if unknown > 0:
        said.append(f"{unknown:.0%} of the words were met nowhere in what was learned from")
    else:
        said.append("every word was met in what was learned from")
    lines = Counter(line["voice"] for line in figures["lines"])
    for artist, share in figures["taken"].items():
        count = lines[artist] if told["blend"] is None else sum(lines.values())
        said.append(f"{round(share * count)} of {count} lines read as {artist}'s by their style")
    return said


# --- writing ---

Lines = Annotated[int, typer.Option(help="How many, up to 1000.")]
SeedLine = Annotated[str | None, typer.Option(help="The first line, given.")]
Rhyme = Annotated[str, typer.Option(help="ABAB, AABB, ABBA, A-A- …: a letter a line of a stanza.")]
Chorus = Annotated[
    bool,
    typer.Option(
        "--repeat-chorus",
        help="Every second stanza is the same, of three the first and the last.",
    ),
]
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
Several = Annotated[
    int, typer.Option("-n", min=1, max=20, help="How many to choose from, side by side.")
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
    n: Several = 1,
    rhyme: Rhyme = "",
    repeat_chorus: Chorus = False,
    top_p: TopP = 0.95,
    top_k: TopK = 0,
    min_p: MinP = 0.0,
    max_copy: MaxCopy = 8,
    seed: NewSeed = None,
    threads: Threads = 1,
    output: Output = None,
    report: Report = None,
    model: Model = "",
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Write lyrics like an artist's, letter by letter, and say what in them is real and new.

    Robert Burns, Emily Dickinson, Walt Whitman and others are known from the beginning; your
    own artists after `segue train lyrics --artist NAME`. Each time it is another text; the seed
    that is printed gives the same again. Rhymes are told by how words are spelled.

    Example: segue write --artist "Robert Burns" --rhyme ABAB --lines 8
    """
    use_threads(threads)
    seed = drawn(seed)
    wishes = [
        _wishes(lines, (one, top_k, top_p, min_p), rhyme, repeat_chorus, seed_line, max_copy, each)
        for one in _temperatures(temperature)
        for each in _seeds(seed, n)
    ]
    _check(output, report)
    with open_library(library, needed=False) as lib:
        verses = [lib.lyrics.write(artist, one, model=model) for one in wishes]
        stopped = _make_all(verses, show=not json, marked=False)
        told = _reports(verses)
    if len(wishes) > 1 and not json:
        _side_by_side(verses, f"{verses[0].styles[0].artist}, by temperature and seed")
    text = "\n\n".join(verse.text for verse in verses)
    _tell("write", verses, told, text, output, report, json=json)
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
    n: Several = 1,
    rhyme: Rhyme = "",
    repeat_chorus: Chorus = False,
    top_p: TopP = 0.95,
    top_k: TopK = 0,
    min_p: MinP = 0.0,
    max_copy: MaxCopy = 8,
    seed: NewSeed = None,
    threads: Threads = 1,
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
    use_threads(threads)
    seed = drawn(seed)
    sampling = temperature, top_k, top_p, min_p
    wishes = [
        _wishes(lines, sampling, rhyme, repeat_chorus, seed_line, max_copy, each)
        for each in _seeds(seed, n)
    ]
    _check(output, report)
    marked = blend is None
    with open_library(library, needed=False) as lib:
        verses = [
            lib.lyrics.duet(first, second, one, by=_by(by), blend=blend, how=_how(how), model=model)
            for one in wishes
        ]
        if not json:
            names = [voice.artist for voice in verses[0].styles]
            say(f"A: {names[0]}   B: {names[1]}" if marked else " and ".join(names))
        stopped = _make_all(verses, show=not json, marked=marked)
        told = _reports(verses)
    if n > 1 and not json:
        _side_by_side(verses, "by temperature and seed")
    text = "\n\n".join(verse.text_with_authors if marked else verse.text for verse in verses)
    _tell("duet", verses, told, text, output, report, json=json)
    if stopped:
        raise typer.Exit(130)


def _seeds(first: int, n: int) -> list[int]:
    return [(first + number) % 2**32 for number in range(n)]


def _wishes(
    lines: int,
    sampling: tuple[float, int, float, float],
    rhyme: str,
    repeat_chorus: bool,
    seed_line: str | None,
    max_copy: int,
    seed: int,
) -> "LyricsOptions":
    from segue.generate.lyrics.report import check_seed_line
    from segue.generate.lyrics.sampler import LyricsOptions
    from segue.nn.sampling import Sampling

    line = check_seed_line(seed_line)
    return LyricsOptions(lines, Sampling(*sampling), rhyme, repeat_chorus, line, max_copy, seed)


def _temperatures(told: str) -> list[float]:
    try:
        return [float(one) for one in told.split(",")]
    except ValueError:
        raise BadArgument(f"--temperature {told}: a number, or several as 0.5,0.8,1.1") from None


def _by(told: str) -> "TurnBy":
    from segue.generate.lyrics.sampler import TURNS

    for by in TURNS:
        if by == told:
            return by
    raise BadArgument(f"--by {told}; there are {', '.join(TURNS)}")


def _how(told: str) -> "BlendMode":
    from segue.generate.lyrics.sampler import BLEND_MODES

    for how in BLEND_MODES:
        if how == told:
            return how
    raise BadArgument(f"--how {told}; there are {', '.join(BLEND_MODES)}")


def _check(output: Path | None, report: Path | None) -> None:
    if output:
        check_target(output, (".txt",))
    if report:
        check_target(report, (".json",))


def _make(verse: "GeneratedLyrics", *, show: bool, marked: bool) -> bool:
    """Write it, and return whether it was interrupted."""
    try:
        with live_line("writing", bar=not show) as progress:
            for line in verse:
                progress(
                    "writing line", sum(bool(one.text) for one in verse.lines), verse.options.lines
                )
                if show:
                    say(f"{line.voices or ' '}  {line.text}".rstrip() if marked else line.text)
                    sys.stdout.flush()  # also into a pipe, line by line
    except KeyboardInterrupt:
        if not verse.text:
            raise
        return True
    return False


def _make_all(verses: "list[GeneratedLyrics]", *, show: bool, marked: bool) -> bool:
    """Write all, shown where it is one; after an interruption what is not begun is taken out."""
    alone = len(verses) == 1
    for number, verse in enumerate(verses, start=1):
        if _make(verse, show=show and alone, marked=marked):
            del verses[number:]
            return True
    return False


def _side_by_side(verses: "list[GeneratedLyrics]", title: str) -> None:
    columns = [[f"{one.voices or ''} {one.text}".strip() for one in v.lines] for v in verses]
    heads = [f"{v.options.sampling.temperature:g}, seed {v.options.seed}" for v in verses]
    print_table(title, heads, list(zip_longest(*columns, fillvalue="")))


def _reports(verses: "list[GeneratedLyrics]") -> list[dict[str, Any]]:
    with live_line("comparing with what was learned from"):
        return [verse.report for verse in verses]


def _tell(
    command: str,
    verses: "list[GeneratedLyrics]",
    told: list[dict[str, Any]],
    text: str,
    output: Path | None,
    report: Path | None,
    *,
    json: bool,
) -> None:
    from segue.files import write_text

    if output:
        write_text(f"{text}\n", output)
    if report:
        document = json_module.dumps(told if len(told) > 1 else told[0], indent=1)
        write_text(f"{document}\n", report)
    if json:
        print_json(command, {"texts": told})
        return
    for verse, one in zip(verses, told, strict=True):
        say("")
        for line in said_of(one, chorus_lacking=_lacks_chorus(verse)):
            say(line)
    sources = dict.fromkeys(voice.source for verse in verses for voice in verse.styles)
    say(f"written by {' and '.join(sources)}")
    for seed in dict.fromkeys(verse.options.seed for verse in verses):
        say(f"seed {seed}: the same again with --seed {seed}")
    for file in (output, report):
        if file:
            say(f"wrote {shown(file)}")


def _lacks_chorus(verse: "GeneratedLyrics") -> int:
    """Return how many lines it takes for a chorus to come back that was asked for; 0 if it does."""
    wishes = verse.options
    if not wishes.repeat_chorus or any(line.repeated for line in verse.lines):
        return 0
    return 3 * wishes.lines_per_stanza

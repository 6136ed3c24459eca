"""The command `melody`."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from segue.cli import options as opt
from segue.cli.app import command, open_library, progress, seed_or_new, use_threads
from segue.cli.output import JSON_VERSION, display_path, print_json, print_table, say
from segue.cli.output_files import music_outputs, numbered, write_music, write_report
from segue.errors import BadArgument

if TYPE_CHECKING:
    from segue.generate.melody.candidates import MelodyCandidate
    from segue.generate.melody.model import MelodyModel
    from segue.generate.melody.words import WordSetting
    from segue.lyrics.spelling import Language
    from segue.records import Score
    from segue.theory.chord_charts import Chart

_LONGEST_TITLE: Final = 60
_MOST_UNKNOWN_SHOWN: Final = 5
#: Where the chords are from: the command line, chord symbols of a score, its notes, or a simple
#: progression for words.
ChordSource = Literal["given", "written", "found", "simple"]
#: Bytes of words that are read.
MAX_WORD_BYTES: Final = 1 << 16


@command("Create")
def melody(
    chords: Annotated[
        str | None,
        typer.Argument(
            help='Chord symbols, bars divided by |: "Dm7 G7 | Cmaj7"; or a score, whose chord '
            "symbols are read (ABC, MusicXML) or, if it has none, whose chords are estimated."
        ),
    ] = None,
    output: opt.MusicOutputs = [Path("melody.mid")],  # noqa: B006  # read only
    words: Annotated[
        Path | None,
        typer.Option(
            help="Text file of words to sing: the melody has a note for each syllable, and "
            "MusicXML has the words under the notes. Chords are optional.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    language: Annotated[
        Literal["en", "de", "fr", "es", "it"] | None,
        typer.Option(help="Language of --words; by default it is detected."),
    ] = None,
    roman: Annotated[
        str | None,
        typer.Option(help='Roman numerals instead of chord symbols: "ii7 V7 | Imaj7".'),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(
            help="Musical key of --roman, or of --words without chords: C, F#, Am, 'Bb minor'."
        ),
    ] = None,
    time_signature: opt.TimeSignature = None,
    tempo: opt.Tempo = None,
    style: Annotated[
        str | None,
        typer.Option(
            help="Style of the melody: folk, pop, song or lied, or one that your model was trained "
            "on."
        ),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            help="Form of the melody, a letter for each phrase: AABA. Phrases end with a cadence; "
            "those of one letter return with another ending."
        ),
    ] = None,
    pitch_range: Annotated[
        str | None,
        typer.Option(
            "--range",
            help="Lowest and highest note: C4-E5; or the range of a voice: soprano, alto or tenor.",
        ),
    ] = None,
    n: Annotated[int, typer.Option("-n", min=1, max=64, help="Number of melodies.")] = 3,
    temperature: opt.Temperature = 1.0,
    top_p: opt.TopP = 0.95,
    top_k: opt.TopK = 0,
    min_p: opt.MinP = 0.0,
    humanise: opt.Humanise = 0.0,
    swing: opt.Swing = 0.5,
    max_copy: Annotated[
        float,
        typer.Option(
            min=0.0,
            help="Maximum number of bars that a melody may share with the training set, in any "
            "key.",
        ),
    ] = 4.0,
    seed: opt.NewSeed = None,
    threads: opt.Threads = 1,
    title: opt.Title = None,
    no_accompaniment: Annotated[
        bool, typer.Option("--no-accompaniment", help="Melody and chord symbols alone.")
    ] = False,
    model: Annotated[
        str,
        typer.Option(
            help="Name of the model: melody, or one trained with `segue train score --preset "
            "melody`."
        ),
    ] = "melody",
    png: opt.Png = False,
    wav: opt.Wav = False,
    report: opt.Report = None,
    library: opt.Library = None,
    json: opt.Json = False,
) -> None:
    """Generate melodies over chords, with an accompaniment.

    More melodies are sampled than requested. The best are those most similar to real melodies in
    the number of notes, the intervals, and the share of chord tones; none is silent for more than a
    bar, and none shares a longer passage with the training set than --max-copy. Notes on strong
    beats are accented.

    "%" repeats a bar, |: :| repeats a section, "/" holds a chord for a beat, N.C. is no chord;
    without | every chord is a bar. Of a score with chord symbols, those are taken; else its chords
    are estimated from the notes. MusicXML and ABC files have the chords as symbols, too.

    With --words, the rhythm follows the stress of the words, lines are phrases, and stanzas of
    equal lines are verses of one melody. Chords are repeated to its end; without them, a simple
    progression is written, and --form has a letter for each line.

    Example: segue melody "Dm7 G7 | Cmaj7 | Am7 | Dm7 G7 | C6" --style pop -o tune.mid

    Example: segue melody --words poem.txt --key G -o song.musicxml
    """
    outputs = music_outputs(output, wav=wav, png=png, report=report)
    seed = seed_or_new(seed)
    with open_library(library, required=False) as lib:
        if words:
            given = _word_input(words, language, chords, roman, key, time_signature, form, seed)
        else:
            given = _input(lib.scores.read, chords, roman, key, time_signature)
        use_threads(threads)
        from segue.nn.sampling import Sampling  # brings in torch: mistakes are reported before

        sampling = Sampling(temperature, top_k, top_p, min_p)
        melody_model = lib.learning.melody_model(model)
        source = lib.learning.source("melodies", model)
    from segue.generate.compose.humanise import HumaniseOptions
    from segue.generate.melody.candidates import chart_chords, generate_melodies
    from segue.generate.melody.phrases import parse_range
    from segue.io.unfolding import beat_duration

    chart, score = given.chart, given.score
    quarters_per_beat = float(beat_duration(*chart.time_signature))
    quarters_per_minute = None if tempo is None else tempo * quarters_per_beat
    if score is not None and tempo is None:
        from segue.score.timing import main_tempo_bpm

        quarters_per_minute = main_tempo_bpm(score)
    performance = HumaniseOptions(humanise, swing, seed)
    shared: dict[str, Any] = {
        "style": style or "",
        "sampling": sampling,
        "tempo_bpm": quarters_per_minute,
        "seed": seed,
        "max_copy_bars": max_copy,
        "title": title if title is not None else _default_title(score),
        "pitch_range": parse_range(pitch_range) if pitch_range is not None else None,
    }
    with progress("writing"):
        if given.setting:
            from segue.generate.melody.words import melodies_for_words

            melodies = melodies_for_words(melody_model, given.setting, n, **shared)
        else:
            melodies = generate_melodies(melody_model, chart, n, form=form or "", **shared)
    if no_accompaniment:
        melodies = [
            replace(item, score=replace(item.score, parts=item.score.parts[:1]))
            for item in melodies
        ]
    files = [numbered(outputs, item.rank) if item.rank > 1 else outputs for item in melodies]
    for item, targets in zip(melodies, files, strict=True):
        for target in targets:
            write_music(item.score, target, chart_chords(chart), performance)
    settings = {
        "chords": chords if chords is not None else roman,
        "chords_from": given.source,
        "chords_left_out": list(given.unknown),
        "key": key,
        "bars": chart.bars,
        "metre": _format_time_signature(chart.time_signature),
        "style": style or melody_model.styles[0],
        "form": form,
        "range": pitch_range,
        "tempo_bpm": float(melodies[0].score.tempos[0, 1]) / quarters_per_beat,
        "temperature": temperature,
        "top_p": top_p,
        "top_k": top_k,
        "min_p": min_p,
        "max_copy": max_copy,
        "seed": seed,
    }
    fields = settings | _result_fields(melody_model, chart, melodies, files)
    write_report(report, {"schema": "segue.melody", "version": JSON_VERSION, **fields})
    if json:
        print_json("melody", fields)
    else:
        if score is not None:
            _print_chord_source(given)
        _print_melodies(melodies, chart, files)
        say(f"written by {source}; seed {seed}: the same again with --seed {seed}")


@dataclass(frozen=True, slots=True)
class _Input:
    """Chords to generate melodies for.

    Attributes
    ----------
    chart : Chart
        The chords, bar by bar.
    source : str
        Where they are from.
    score : Score, optional
        Score that they are from.
    unknown : tuple of str
        Symbols of the score that are no chords, and were left out.
    setting : WordSetting, optional
        Words to sing, with their rhythm.
    """

    chart: "Chart"
    source: ChordSource = "given"
    score: "Score | None" = None
    unknown: tuple[str, ...] = ()
    setting: "WordSetting | None" = None


def _word_input(
    path: Path,
    language: "Language | None",
    chords: str | None,
    roman: str | None,
    key: str | None,
    time_signature: str | None,
    form: str | None,
    seed: int,
) -> _Input:
    """Read words, and return their rhythm and chords."""
    from segue.generate.melody.words import set_words
    from segue.io.lyrics_text import TextOptions, apply_options, decode_text, normalise_layout
    from segue.lyrics.spelling import detect_language

    if roman is not None:
        raise BadArgument("--roman and --words: write chord symbols, or leave chords out")
    if chords and key:
        raise BadArgument("--key is for words without chords: leave one of them out")
    content = path.read_bytes()[: MAX_WORD_BYTES + 1]
    if len(content) > MAX_WORD_BYTES:
        raise BadArgument(
            f"{display_path(path)}: words of more than {MAX_WORD_BYTES >> 10} KB; give one song"
        )
    text = apply_options(normalise_layout(decode_text(content)), TextOptions())
    spoken = language or detect_language(text)
    if spoken == "other":
        raise BadArgument(
            f"{display_path(path)}: the language of the words is not recognised; name it with "
            "--language en, de, fr, es or it"
        )
    setting = set_words(
        text, spoken, chords=chords or "", key=key or "C",
        time_signature=_parse_time_signature(time_signature), form=form or "", seed=seed,
    )  # fmt: skip
    return _Input(setting.chart, "given" if chords else "simple", setting=setting)


def _input(
    read: "Callable[[Path], Score]",
    chords: str | None,
    roman: str | None,
    key: str | None,
    time_signature: str | None,
) -> _Input:
    from segue.generate.melody.lead_sheet import chart_from_symbols, estimate_chart
    from segue.media import medium_of
    from segue.theory.chord_charts import parse_chart, parse_roman_numerals

    if (chords is None) == (roman is None):
        raise BadArgument('name chords ("Dm7 G7 | Cmaj7"), or a score, or --roman with --key')
    if (roman is None) != (key is None):
        raise BadArgument('--roman and --key belong together: --roman "ii V I" --key C')
    beats = _parse_time_signature(time_signature)
    if roman is not None and key is not None:
        return _Input(parse_roman_numerals(roman, key, beats or (4, 4)))
    text = chords or ""
    path = Path(text).expanduser()
    is_path = medium_of(path) is not None or path.is_dir() or text.startswith(("/", "./", "../"))
    if "|" in text or not is_path:
        return _Input(parse_chart(text, beats or (4, 4)))
    if path.is_dir():
        raise BadArgument(f"{display_path(path)} is a folder; name a score, or write chords")
    if not path.exists():
        raise BadArgument(
            f"there is no file {display_path(path)}; name a score, or write chords: Dm7 G7 | Cmaj7"
        )
    if beats:
        raise BadArgument("a score has its own time signature; leave --time-signature out")
    score = read(path)
    chart, unknown = chart_from_symbols(score)
    if chart is None:
        return _Input(estimate_chart(score), "found", score, unknown)
    return _Input(chart, "written", score, unknown)


def _print_chord_source(given: _Input) -> None:
    bars = f"{given.chart.bars} bars of {_format_time_signature(given.chart.time_signature)}"
    if given.source == "written":
        say(f"chords: the chord symbols of the score; {bars}")
    else:
        say(f"chords: estimated from the notes, as the score has no chord symbols; {bars}")
    if given.unknown:
        more = ", …" if len(given.unknown) > _MOST_UNKNOWN_SHOWN else ""
        unknown = ", ".join(given.unknown[:_MOST_UNKNOWN_SHOWN])
        say(f"no chord symbols, left out: {unknown}{more}")


def _format_time_signature(time_signature: tuple[int, int]) -> str:
    return f"{time_signature[0]}/{time_signature[1]}"


def _parse_time_signature(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    match = re.fullmatch(r"\s*(\d{1,2})\s*/\s*(\d{1,2})\s*", text)
    if not match:
        raise BadArgument(f"{text!r} is no time signature; write 4/4, 3/4 or 6/8")
    return int(match[1]), int(match[2])


def _default_title(score: "Score | None") -> str:
    text = " ".join((score.title if score is not None else "").split()) or "Melody"
    return text if len(text) <= _LONGEST_TITLE else f"{text[: _LONGEST_TITLE - 1]}…"


def _result_fields(
    model: "MelodyModel",
    chart: "Chart",
    melodies: "Sequence[MelodyCandidate]",
    files: Sequence[Sequence[Path]],
) -> dict[str, Any]:
    from segue import __version__
    from segue.generate.melody.candidates import chords_by_bar
    from segue.render.pages import without_nan

    return {
        "segue_version": __version__,
        "model": model.fingerprint,
        "chords_by_bar": chords_by_bar(chart),
        "melodies": [
            {
                "rank": item.rank,
                "files": [display_path(file) for file in targets],
                "likelihood": item.log_likelihood,
                "oddness": item.deviation,
                **without_nan(item.statistics),
                "shared_notes": item.shared.length,
                "shared_bars": item.shared_bars,
                "shared_with": item.shared_with,
            }
            for item, targets in zip(melodies, files, strict=True)
        ],
    }


def _print_melodies(
    melodies: "Sequence[MelodyCandidate]", chart: "Chart", files: Sequence[Sequence[Path]]
) -> None:
    from segue.generate.melody.candidates import describe_ending, pitch_range

    print_table(
        "melodies, best first",
        (
            "", "file", "notes", "from lowest to highest", "chord tones on strong beats",
            "ends on", "longest known passage",
        ),
        [
            (
                item.rank,
                display_path(targets[0]),
                int(item.statistics["notes"]),
                pitch_range(item),
                _format_share(item.statistics["chord_tones_on_strong_beats"]),
                describe_ending(item, chart),
                f"{item.shared.length} notes, {item.shared_bars:.1f} bars"
                if item.shared.length
                else "",
            )
            for item, targets in zip(melodies, files, strict=True)
        ],
    )  # fmt: skip
    for targets in files:
        for file in targets:
            say(f"wrote {display_path(file)}")


def _format_share(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.0%}"

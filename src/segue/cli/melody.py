"""The commands `melody`, `harmonise` and `transcribe`."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from segue.cli import options as opt
from segue.cli.app import command, count_progress, open_library, progress, seed_or_new, use_threads
from segue.cli.output import (
    JSON_VERSION,
    chord_rows,
    count_of,
    display_path,
    print_json,
    print_table,
    say,
)
from segue.cli.output_files import keep_input, music_outputs, numbered, write_music, write_report
from segue.errors import BadArgument

if TYPE_CHECKING:
    from segue.generate.harmony.harmonise import ChoraleHarmony, ChordHarmony
    from segue.generate.melody.candidates import MelodyCandidate
    from segue.generate.melody.model import MelodyModel
    from segue.generate.melody.words import WordSetting
    from segue.lyrics.spelling import Language
    from segue.records import Score
    from segue.score.harmony import Chord
    from segue.theory.chord_charts import Chart


_LONGEST_TITLE: Final = 60
_MOST_UNKNOWN_SHOWN: Final = 5
#: Where the chords are from: the command line, chord symbols of a score, its notes, or a simple
#: progression for words.
ChordSource = Literal["given", "written", "found", "simple"]
#: Bytes of words that are read.
MAX_WORD_BYTES: Final = 1 << 16
Style = Literal["chords", "chorale"]


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
        Source of the chords.
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
    from segue.io.lyrics_text import (
        NoLyrics,
        TextOptions,
        apply_options,
        decode_text,
        normalise_layout,
    )
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
    try:
        text = apply_options(normalise_layout(decode_text(content)), TextOptions())
    except NoLyrics as error:
        raise BadArgument(f"{display_path(path)}: {error}; give the words of a song") from None
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
        raise BadArgument(
            'name chords ("Dm7 G7 | Cmaj7"), or a score, or --roman with --key, or --words FILE'
        )
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
        fields["made"].append(_harmony_fields(result, files))
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
        say(f"no more than {len(results)} different ones found; a higher --temperature varies more")
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


def _harmony_fields(
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


@command("Create")
def transcribe(
    recording: opt.Track,
    output: opt.MusicOutputs,
    at: Annotated[
        str | None, typer.Option(help="Passage that is transcribed, as 1:20-1:35; by default all.")
    ] = None,
    lead_sheet: Annotated[
        bool, typer.Option("--lead-sheet", help="Melody alone, with chord symbols above it.")
    ] = False,
    title: opt.Title = None,
    threads: opt.Threads = 1,
    library: opt.Library = None,
    json: opt.Json = False,
) -> None:
    """Transcribe a recording to notes: melody, chords and bass.

    Notes are found by the network Basic Pitch, in music of any instrument but drums; one instrument
    or voice is heard best. Beats, tempo, time signature, key and chord symbols are estimated from
    the recording. MIDI keeps the times that were played; notation is quantised to the beats.

    Example: segue transcribe song.mp3 -o song.mid -o song.musicxml
    """
    from segue.ingest.transcription import notated

    outputs = music_outputs(output, wav=False, png=False, report=None)
    keep_input(recording, outputs)
    passage = opt.parse_time_span(at) if at else None
    use_threads(threads)
    with (
        open_library(library, required=False) as lib,
        count_progress("listening") as watch,
    ):
        score = lib.scores.transcribe(recording, passage, watch)
    if title is not None:
        score = replace(score, title=title)
    if lead_sheet:
        melody = tuple(part for part in score.parts if part.name == "Melody")
        if not melody:
            raise BadArgument("no melody was found in the recording; leave --lead-sheet out")
        score = replace(score, parts=melody)
    for file in outputs:
        is_notation = file.suffix.lower() in (".musicxml", ".mxl", ".abc")
        write_music(notated(score) if is_notation else score, file)
    fields = _transcription_fields(score)
    if json:
        print_json("transcribe", {"files": [display_path(file) for file in outputs]} | fields)
        return
    for warning in score.warnings:
        say(warning)
    parts = ", ".join(
        f"{name.lower()} {count_of(notes, 'note')}" for name, notes in fields["parts"].items()
    )
    say(f"{fields['key']}, {fields['time_signature']}, {fields['tempo_bpm']:.0f} bpm: {parts}")
    for file in outputs:
        say(f"wrote {display_path(file)}")


def _transcription_fields(score: "Score") -> dict[str, Any]:
    import numpy as np

    from segue.score.timing import bar_grid, main_tempo_bpm, main_time_signature
    from segue.theory.keys import MODES, fifths_name

    _, sharps, is_minor = score.keys[0].tolist()
    grid = bar_grid(score)
    ticks = np.array([tick for tick, _ in score.chords], np.int64)
    return {
        "key": f"{fifths_name(sharps + 3 * is_minor)} {MODES[is_minor]}",
        "tempo_bpm": main_tempo_bpm(score),
        "time_signature": "/".join(map(str, main_time_signature(score))),
        "parts": {part.name: len(part.notes) for part in score.parts},
        "chords": [
            {"bar": bar + 1, "name": name}
            for bar, (_, name) in zip(grid.index_of(ticks).tolist(), score.chords, strict=True)
        ],
        "warnings": list(score.warnings),
    }

"""The command `transcribe`."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segue.cli import options as opt
from segue.cli.app import command, count_progress, open_library, use_threads
from segue.cli.output import count_of, display_path, print_json, say
from segue.cli.output_files import keep_input, music_outputs, write_music
from segue.errors import BadArgument

if TYPE_CHECKING:
    from segue.records import Score


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
    fields = _fields(score)
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


def _fields(score: "Score") -> dict[str, Any]:
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

"""The command `split`."""

from pathlib import Path
from typing import Annotated, Final

import typer

from segue.cli import options as opt
from segue.cli.app import command, count_progress
from segue.cli.output import count_of, display_path, format_duration, print_json, print_table, say
from segue.cli.output_files import check_inputs, check_target

#: Of a track, by default; most tracks of mixes are longer.
MIN_LENGTH_S: Final = 60.0


@command("Library")
def split(
    mix: Annotated[Path, typer.Argument(help="Recording that is divided.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Cue sheet to write, .cue. Beside the recording, `segue add` adds its tracks.",
        ),
    ] = None,
    tracks: Annotated[
        int | None,
        typer.Option(min=1, max=999, help="Number of tracks; by default as many as are found."),
    ] = None,
    min_length: Annotated[
        float,
        typer.Option(min=5, max=3600, help="Minimum length of a track in seconds."),
    ] = MIN_LENGTH_S,
    json: opt.Json = False,
) -> None:
    """Find where the tracks of a long mix begin, and write a cue sheet of them.

    A mix is divided where its music changes. A crossfade is divided in its middle; a track that
    changes much within itself may be divided too, and two similar ones may stay one. Check the
    times, and correct the cue sheet in a text editor; a recording that has a cue sheet beside it is
    added as the tracks of the sheet.

    Example: segue split mix.mp3 -o mix.cue
    """  # fmt: skip
    from segue.io.cue_sheets import SUFFIX

    check_inputs([mix])
    check_target(output, (SUFFIX,))
    from segue.ingest.segmentation import segment_recording  # imports torch

    path = mix.expanduser()
    with count_progress("listening") as watch:
        found = segment_recording(path, min_length, tracks, watch)
    if output:
        from segue.io.cue_sheets import write_cue_sheet
        from segue.io.tags import read_tags

        starts_s = [span.start_s for span in found.spans]
        write_cue_sheet(output, path.name, starts_s, read_tags(path))
    if json:
        spans = [{"start_s": span.start_s, "end_s": span.end_s} for span in found.spans]
        fields = {
            "file": display_path(path),
            "duration_s": found.duration_s,
            "tracks": spans,
            "cue_sheet": display_path(output) if output else None,
        }
        print_json("split", fields)
        return
    rows = [
        (number, format_duration(span.start_s), format_duration(span.length_s))
        for number, span in enumerate(found.spans, start=1)
    ]
    print_table(count_of(len(rows), "track"), ("track", "begins", "length"), rows)
    if output:
        say(f"wrote {display_path(output)}")
        if output.absolute().parent != path.absolute().parent:
            say(f"put it beside {display_path(path)}, so that `segue add` finds it")

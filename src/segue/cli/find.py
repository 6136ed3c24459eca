"""The command `find`: a song by a line of its lyrics, a tune by humming it."""

from typing import TYPE_CHECKING, Annotated

import typer

from segue.cli import lyrics
from segue.cli import options as opt
from segue.cli.app import command, count_progress, open_library
from segue.cli.output import (
    count_of,
    display_path,
    failure_fields,
    format_duration,
    print_failures,
    print_json,
    print_table,
    say,
    track_fields,
)
from segue.errors import BadArgument

if TYPE_CHECKING:
    from segue.ingest.melodies import MelodySearch


@command("Search")
def find(
    line: Annotated[
        str | None, typer.Argument(help="Words of a song; see `segue lyrics find`.")
    ] = None,
    hum: Annotated[
        str | None,
        typer.Option(
            help='Melody: a recording of a voice or whistle, a score file, or ABC notes: "C D E F".'
        ),
    ] = None,
    meaning: lyrics.Meaning = "",
    encoder: lyrics.Encoder = None,
    recordings: Annotated[
        bool,
        typer.Option(
            "--recordings",
            help="Transcribe the melodies of the library's recordings that are not yet, which "
            "takes about a third of their duration; they are kept.",
        ),
    ] = False,
    n: opt.Count = 10,
    library: opt.Library = None,
    json: opt.Json = False,
) -> None:
    """Find a song by a half-remembered line or its meaning, or a tune by humming or whistling it.

    Lines and meanings are those of `segue lyrics find`. With --hum, a phrase of 5 to 20 seconds,
    from any place of the tune, in any key and at any tempo, is aligned with the melodic lines of
    all scores, and of the recordings that were transcribed. The similarity is 1 for the very
    melody; below 0.4 it may be chance.

    Example: segue find --hum hum.wav

    Example: segue find --hum "G2 A B c2 d2"
    """
    if not (line or meaning or hum):
        raise BadArgument('name a line, as find "the sea is wide", or a melody, as --hum hum.wav')
    if hum is None:
        lyrics.find(line or "", meaning, encoder, n, library, json)
        return
    if line or meaning or encoder:
        raise BadArgument("--hum goes without a line, --meaning and --encoder")
    with open_library(library) as lib, count_progress("reading melodies") as watch:
        result = lib.scores.find_melody(hum, n, recordings=recordings, watch=watch)
    if json:
        fields = [
            {"rank": hit.rank, "similarity": hit.similarity}
            | {"start_s": hit.start_s, "end_s": hit.end_s, "track": track_fields(hit.track)}
            for hit in result.hits
        ]
        counts = {
            name: getattr(result, name) for name in ("query_notes", "recordings", "without_melody")
        }
        failures = failure_fields(result.failures)
        print_json("find-melody", {"hits": fields, **counts, "failures": failures})
        return
    _print(result)


def _print(result: "MelodySearch") -> None:
    if result.hits:
        print_table(
            f"find a melody of {count_of(result.query_notes, 'note')}",
            ("", "id", "similarity", "title", "artist", "at", "file"),
            [
                (
                    hit.rank,
                    hit.track.id,
                    hit.similarity,
                    hit.track.tags.title,
                    hit.track.tags.artist,
                    f"{format_duration(hit.start_s)}-{format_duration(hit.end_s)}",
                    display_path(hit.track.path),
                )
                for hit in result.hits
            ],
        )
    else:
        say("no tune comes near; hum more of it, or another phrase")
    print_failures("not read", result.failures)
    if result.without_melody:
        say(
            f"{result.without_melody:,} of {count_of(result.recordings, 'recording')} have no "
            "melody yet: --recordings transcribes them"
        )

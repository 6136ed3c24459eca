"""The commands `add`, `failures`, `remove`, `prune` and `demo`: the contents of the library."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from segue.cli import options as opt
from segue.cli.app import command, file_progress, open_library
from segue.cli.like import print_results
from segue.cli.output import (
    count_of,
    display_path,
    failure_fields,
    print_failures,
    print_json,
    print_table,
    say,
    track_fields,
    track_label,
)
from segue.cli.output_files import check_inputs, write_playlist

if TYPE_CHECKING:
    from segue.ingest.survey import AddReport
    from segue.library import Library
    from segue.records import Track


@command("Library")
def add(
    paths: Annotated[list[Path], typer.Argument(help="Files and folders.")],
    library: opt.Library = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Number of decoding processes; by default one per core."),
    ] = None,
    keep_sections: Annotated[
        bool,
        typer.Option("--keep-sections", help="Lyrics with their headings, as [Chorus]."),
    ] = False,
    fold_case: Annotated[bool, typer.Option("--fold-case", help="Lyrics in lower case.")] = False,
    artist: Annotated[str, typer.Option(help="Artist of files that do not name one.")] = "",
    album: Annotated[str, typer.Option(help="Album of files that do not name one.")] = "",
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GLOB",
            help="Pattern of files to leave out in this run: *.wav, Podcasts/, Old/*.mp3; "
            "repeatable. A file .segueignore in a folder leaves them out for good.",
        ),
    ] = None,
    include_removed: Annotated[
        bool,
        typer.Option("--include-removed", help="Tracks taken out by `segue remove` as well."),
    ] = False,
    retry: Annotated[
        bool, typer.Option("--retry", help="Files that could not be read before as well.")
    ] = False,
    json: opt.Json = False,
) -> None:
    """Add recordings, scores and lyrics, or update them.

    Unchanged files are not read again. Files that cannot be read are listed and do not affect the
    others; the exit code is then 1. After an interruption, the same command goes on where it
    stopped.

    A recording with a cue sheet beside it, or in its tags, is added as the tracks of the sheet. A
    .lrc or .txt file beside a recording of the same name holds its lyrics. Artist and album are
    those in a file's tags; names of folders are not used as albums. The artist of a text is the one
    it names, or else --artist, or else the folder that it is in below the one that is added. Tracks
    that you removed stay out, and so do files that a .segueignore file names, with the patterns of
    .gitignore.

    Example: segue add ~/Music
    """
    check_inputs(paths)
    with open_library(library, create=True) as lib:
        with file_progress() as watch:
            report = lib.add(
                list(paths),
                workers=workers,
                keep_sections=keep_sections,
                fold_case=fold_case,
                artist=artist,
                album=album,
                exclude=exclude or (),
                include_removed=include_removed,
                retry=retry,
                watch=watch,
            )
        count = len(lib.tracks())
    if json:
        print_json("add", _add_fields(report, count))
    else:
        print_added(report, count)
    if report.failures:
        raise typer.Exit(1)


@command("Library")
def failures(library: opt.Library = None, json: opt.Json = False) -> None:
    """List the files that could not be added, and why.

    A damaged file is tried again once it has changed; a file that could not be read at the moment
    (no permission, no memory, no time) by the next `segue add`. `segue add --retry` tries all of
    them again.

    Example: segue failures
    """
    with open_library(library) as lib:
        failed = lib.failures()
    if json:
        fields = [
            {
                "path": display_path(failure.path),
                "reason": failure.reason,
                "at": failure.at,
                "transient": failure.transient,
            }
            for failure in failed
        ]
        print_json("failures", {"failures": fields})
        return
    rows = [
        (
            display_path(failure.path),
            failure.reason,
            "by the next add" if failure.transient else "when it changes",
            failure.at,
        )
        for failure in failed
    ]
    print_table(
        count_of(len(rows), "failure"), ("file", "reason", "tried again", "when (UTC)"), rows
    )


def _add_fields(report: "AddReport", count: int) -> dict[str, object]:
    return {
        "added": report.added,
        "changed": report.changed,
        "copied": report.copied,
        "moved": report.moved,
        "unchanged": report.unchanged,
        "missing": report.missing,
        "passed_over": report.passed_over,
        "ignored": report.ignored,
        "taken_out": report.taken_out,
        "removed": report.removed,
        "words": report.words,
        "failed_before": report.failed_before,
        "versions": report.versions,
        "duplicates": report.duplicates,
        "failures": failure_fields(report.failures),
        "tracks": count,
    }


def print_added(report: "AddReport", count: int) -> None:
    """Print what was added, and what failed."""
    counts = {
        "files": (
            (report.added, "added"),
            (report.changed, "changed"),
            (report.copied, "known from another file"),
            (report.moved, "moved"),
            (report.unchanged, "unchanged"),
            (report.missing, "missing"),
            (report.removed, "left out, since you removed them"),
            (report.ignored, "ignored"),
            (report.passed_over, "of other kinds skipped"),
            (len(report.failures), "failed"),
            (report.failed_before, "failed before and not changed since"),
        ),
        "tracks": (
            (report.words, "given the words of a text beside the music"),
            (report.taken_out, "taken out, since their files are ignored now"),
        ),
        "songs": (
            (report.versions, "left out, live or remixed"),
            (report.duplicates, "left out, with words that are there already"),
        ),
    }
    texts = {
        unit: ", ".join(f"{number:,} {name}" for number, name in numbers if number)
        for unit, numbers in counts.items()
    }
    summary = "; ".join(f"{unit}: {text}" for unit, text in texts.items() if text)
    say(f"{summary or 'nothing to add'}; the library holds {count_of(count, 'track')}")
    print_failures("failed", report.failures)


@command("Library")
def remove(
    queries: Annotated[list[str], typer.Argument(help="Track ids, files, or words of titles.")],
    library: opt.Library = None,
    json: opt.Json = False,
) -> None:
    """Remove tracks from the library; their files stay.

    Removed tracks stay out when their folder is added again; `segue add FILE` brings one back, and
    `segue add --include-removed FOLDER` all of them.

    Example: segue remove 12 13
    """
    with open_library(library) as lib:
        removed = lib.remove(list(queries))
    _print_removed("remove", removed, json=json)


@command("Library")
def prune(
    force: Annotated[
        bool,
        typer.Option("--force", help="Removal even if more than half of the library is gone."),
    ] = False,
    library: opt.Library = None,
    json: opt.Json = False,
) -> None:
    """Remove tracks whose files are gone.

    Nothing is removed if more than half of the files are gone at once, as when a disk is not
    connected, unless --force is given.

    Example: segue prune
    """
    with open_library(library) as lib:
        pruned = lib.prune(really=force)
    _print_removed("prune", pruned.removed, json=json)


def _print_removed(name: str, removed: "Sequence[Track]", *, json: bool) -> None:
    if json:
        print_json(name, {"removed": [track_fields(track) for track in removed]})
        return
    for track in removed:
        say(f"removed {track.id}  {track_label(track)}")
    if not removed:
        say("nothing to remove")


ARTISTS: Final = ("Robert Burns", "Emily Dickinson")


@command("Library")
def demo(
    library: opt.Library = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="Path of the playlist.")] = Path(
        "segue-demo.m3u8"
    ),
) -> None:
    """Try Segue on the bundled recordings and poems.

    The bundled collection is added to a library of its own. Similar tracks of some recordings are
    listed, a playlist is written, and lyrics in the styles of two poets.

    Example: segue demo
    """
    from importlib.resources import files

    from platformdirs import user_data_path

    bundled = [Path(str(files("segue") / name)) for name in ("collection", "verse")]
    with open_library(library or user_data_path("segue") / "demo", create=True) as lib:
        say(f"Adding the bundled recordings and verse to {lib.folder}")
        with file_progress() as watch:
            print_added(lib.add(bundled, watch=watch), len(lib.tracks()))
        tracks = [track for track in lib.tracks() if track.kind == "sound"]
        queries = tracks[:: max(1, len(tracks) // 4)][:4]
        for track in queries:
            say("")
            print_results(lib.like(track.id, n=4), f"like {track_label(track)}")
        say("")
        first = queries[0]
        hits = lib.like(first.id, n=12)
        say(f"A playlist from {track_label(first)}:")
        write_playlist(output, [first, *(hit.track for hit in hits)])
        say("")
        _print_duet(lib)
    say('Now your own music:  segue add ~/Music   then   segue like "a title"')


def _print_duet(lib: "Library") -> None:
    from segue.generate.lyrics.sampler import LyricsOptions  # brings in torch

    verse = lib.lyrics.duet(*ARTISTS, LyricsOptions(8, seed_line="My love is like a summer's day,"))
    say(f"A duet of {ARTISTS[0]} (A) and {ARTISTS[1]} (B), written now, line by line:")
    for line in verse:
        say(f"  {line.voices or ' '}  {line.text}".rstrip())

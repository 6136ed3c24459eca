"""Commands that fill a library and keep it tidy; the demo.

Commands that fill a library and keep it tidy.

The command that shows Segue on the bundled collection.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from segue.cli.app import JsonOption, LibraryOption, app, check_exists, open_library, progress
from segue.cli.like import show_hits, write_list
from segue.cli.output import counted, label, print_json, print_table, say, shown, track_fields

if TYPE_CHECKING:
    from segue.ingest.survey import AddReport
    from segue.library import Library
    from segue.records import Track


# --- keeping ---


@app.command()
def add(
    paths: Annotated[list[Path], typer.Argument(help="Files and folders.")],
    library: LibraryOption = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Decoding processes; else one per core.")
    ] = None,
    keep_sections: Annotated[
        bool,
        typer.Option("--keep-sections", help="Of lyrics read now, keep [Chorus] and the like."),
    ] = False,
    fold_case: Annotated[
        bool, typer.Option("--fold-case", help="Make lyrics read now all lower case.")
    ] = False,
    artist: Annotated[
        str, typer.Option(help="Whose files these are, where they do not name an artist.")
    ] = "",
    album: Annotated[
        str, typer.Option(help="The album of these files, where they do not name one.")
    ] = "",
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GLOB",
            help="Leave alone in this run: *.wav, Podcasts/, Old/*.mp3; repeatable. For good: "
            "write it into a file .segueignore in any of the folders.",
        ),
    ] = None,
    include_removed: Annotated[
        bool, typer.Option("--include-removed", help="Bring back what `segue remove` took out.")
    ] = False,
    retry: Annotated[
        bool, typer.Option("--retry", help="Also read what could not be read before.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Add recordings, scores and lyrics, or bring what is known of them up to date.

    Unchanged files are not read again. What cannot be read is listed and costs nothing else;
    the exit code is then 1. Interrupt it as you like: the same command goes on.

    A .lrc or .txt beside a recording of the same name holds its words. Artist and album are
    those in a file's tags; folders are no albums. The artist of a text is what it says, else
    --artist, else the folder that it lies in below the one that is added. What you removed
    stays out; what a file .segueignore names, with patterns as of .gitignore, is left alone.

    Example: segue add ~/Music
    """
    check_exists(paths)
    with open_library(library, begins=True) as lib:
        with progress() as watch:
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
        say_added(report, count)
    if report.failures:
        raise typer.Exit(1)


@app.command()
def failures(library: LibraryOption = None, json: JsonOption = False) -> None:
    """List the files that could not be added, and why.

    A file that is damaged is tried again when it has changed; one that could not be read at the
    moment (no permission, no memory, no time) by the next `segue add`. `segue add --retry` tries
    all again.

    Example: segue failures
    """
    with open_library(library) as lib:
        found = lib.failures()
    if json:
        fields = [
            {
                "path": shown(failure.path),
                "reason": failure.reason,
                "at": failure.at,
                "transient": failure.transient,
            }
            for failure in found
        ]
        print_json("failures", {"failures": fields})
        return
    rows = [
        (
            shown(failure.path),
            failure.reason,
            "by the next add" if failure.transient else "when it changes",
            failure.at,
        )
        for failure in found
    ]
    print_table(
        counted(len(rows), "failure"), ("file", "reason", "tried again", "when (UTC)"), rows
    )


@app.command()
def remove(
    queries: Annotated[list[str], typer.Argument(help="Track ids, files, or words of a title.")],
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Take tracks out of the library. Their files are left alone.

    They stay out when their folder is added again; `segue add FILE` brings one back, and
    `segue add --include-removed FOLDER` all.

    Example: segue remove 12 13
    """
    with open_library(library) as lib:
        removed = lib.remove(list(queries))
    _say_removed("remove", removed, json=json)


@app.command()
def prune(
    really: Annotated[
        bool, typer.Option("--really", help="Even if more than half of the library is gone.")
    ] = False,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Take out the tracks whose files are gone.

    Refuses when more than half is gone at once, as when a disk is not connected.

    Example: segue prune
    """
    with open_library(library) as lib:
        pruned = lib.prune(really=really)
    _say_removed("prune", pruned.removed, json=json)


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
        "failures": [
            {"path": shown(failure.path), "reason": failure.reason} for failure in report.failures
        ],
        "tracks": count,
    }


def say_added(report: "AddReport", count: int) -> None:
    """Say what came of adding, and what failed."""
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
    told = {
        unit: ", ".join(f"{number:,} {name}" for number, name in some if number)
        for unit, some in counts.items()
    }
    said = "; ".join(f"{unit}: {text}" for unit, text in told.items() if text)
    say(f"{said or 'nothing to add'}; the library holds {counted(count, 'track')}")
    if report.failures:
        print_table(
            "failed",
            ("file", "reason"),
            [(shown(failure.path), failure.reason) for failure in report.failures],
        )


def _say_removed(name: str, removed: "list[Track]", *, json: bool) -> None:
    if json:
        print_json(name, {"removed": [track_fields(track) for track in removed]})
        return
    for track in removed:
        say(f"removed {track.id}  {label(track)}")
    if not removed:
        say("nothing to remove")


# --- demo ---

DUET: Final = ("Robert Burns", "Emily Dickinson")


@app.command()
def demo(
    library: LibraryOption = None,
    m3u: Annotated[Path, typer.Option(help="The playlist to write.")] = Path("segue-demo.m3u8"),
) -> None:
    """Add the bundled collection, ask what is like what, write a playlist and a duet of poets.

    Example: segue demo
    """
    from importlib.resources import files

    from platformdirs import user_data_path

    bundled = [Path(str(files("segue") / name)) for name in ("collection", "verse")]
    with open_library(library or user_data_path("segue") / "demo", begins=True) as lib:
        say(f"Adding the bundled recordings and verse to {lib.folder}")
        with progress() as watch:
            say_added(lib.add(bundled, watch=watch), len(lib.tracks()))
        tracks = [track for track in lib.tracks() if track.kind == "sound"]
        asked = tracks[:: max(1, len(tracks) // 4)][:4]
        for track in asked:
            say("")
            show_hits(lib.like(track.id, n=4), f"like {label(track)}")
        say("")
        first = asked[0]
        hits = lib.like(first.id, n=12)
        say(f"A playlist from {label(first)}:")
        write_list(m3u, [first, *(hit.track for hit in hits)])
        say("")
        _duet(lib)
    say('Now your own music:  segue add ~/Music   then   segue like "a title"')


def _duet(lib: "Library") -> None:
    from segue.generate.lyrics.sampler import LyricsOptions  # brings in torch

    verse = lib.lyrics.duet(*DUET, LyricsOptions(8, seed_line="My love is like a summer's day,"))
    say(f"A duet of {DUET[0]} (A) and {DUET[1]} (B), written now, line by line:")
    for line in verse:
        say(f"  {line.voices or ' '}  {line.text}".rstrip())

"""The command group `listens`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segue.cli.app import JsonOption, LibraryOption, app, check_exists, open_library
from segue.cli.output import counted, print_json, print_table, say, shown

if TYPE_CHECKING:
    from segue.store.listens import ListensSummary
    from segue.training.listens import ImportedFile, ImportReport

listens_app = typer.Typer(help="Know what was listened to.", no_args_is_help=True)
app.add_typer(listens_app, name="listens")


@listens_app.command("import")
def import_(
    files: Annotated[
        list[Path], typer.Argument(help="CSV, ListenBrainz, Last.fm or Spotify; .zip or folder.")
    ],
    user: Annotated[
        str | None, typer.Option(help="Whose listens these are; else who the file says, else me.")
    ] = None,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Import listening histories, and learn the space `listens` from all of them.

    Reads CSV of user,track-or-path,plays[,time] (a track is an id, or "artist - title"), Last.fm
    CSVs, and what ListenBrainz and Spotify hand out: the .zip, its folder, or a file of it. What
    is not in the library is kept, and matched by artist and title once it is added. The same file
    imported again counts once, and learns the space anew: do so after adding music.

    In the space, tracks lie together that the same users play; of fewer than five users, that
    are played in one session. It needs the Python
    library `implicit`: pip install implicit.

    Example: segue listens import listenbrainz_rob_1700000000.zip
    """
    if not any(map(os.path.lexists, files)):
        check_exists(files)
    with open_library(library, begins=True) as lib:
        report = lib.import_listens(list(files), user=user)
    if json:
        print_json("listens-import", _import_fields(report))
    else:
        _say_imported(report)
    if report.failures:
        raise typer.Exit(1)


@listens_app.command()
def show(library: LibraryOption = None, json: JsonOption = False) -> None:
    """Sum up what was listened to, and name the most played that is not in the library.

    Example: segue listens show
    """
    with open_library(library) as lib:
        summary = lib.listens()
    if json:
        print_json("listens", _summary_fields(summary))
    else:
        _say_summary(summary)


def _say_imported(report: "ImportReport") -> None:
    for file in report.files:
        passed = [f"{n} left out ({reason})" for reason, n in file.passed_over.items()]
        broken = [counted(file.broken, "broken row")] if file.broken else []
        told = [
            counted(file.listens, "listen"), counted(file.plays_new, "new play"), *passed, *broken
        ]  # fmt: skip
        say(f"{shown(file.path)}: {', '.join(told)}")
        if file.broken:
            rows = [(fault.place, fault.reason) for fault in file.first_broken]
            print_table("the first that are broken", ("where", "why"), rows)
    if report.failures:
        rows = [(shown(failure.path), failure.reason) for failure in report.failures]
        print_table("not imported", ("file", "reason"), rows)
    _say_summary(report.summary)
    say(_learned(report))


def _learned(report: "ImportReport") -> str:
    from segue.training.listens import ListensSpace

    learned = report.learned
    if not isinstance(learned, ListensSpace):
        return f"There is no space `listens`: {learned.reason}"
    rows = counted(learned.rows, "session" if learned.of_sessions else "user")
    return (
        f"The space `listens` was learned from {rows} and holds "
        f"{counted(len(learned.tracks), 'track')}; "
        "use it as: segue like … --blend sound=0.7,listens=0.3"
    )


def _say_summary(summary: "ListensSummary") -> None:
    say(
        f"{counted(summary.plays, 'play')} of {counted(summary.songs, 'song')} by "
        f"{counted(summary.users, 'user')}; {counted(summary.matched_plays, 'play')} of these "
        f"of {counted(summary.tracks, 'track')} in this library"
    )
    if summary.unmatched:
        rows = [(song.name, song.plays) for song in summary.unmatched]
        print_table("most played that is not in the library", ("song", "plays"), rows)


def _import_fields(report: "ImportReport") -> dict[str, Any]:
    return {
        "files": [_file_fields(file) for file in report.files],
        "failures": [{"path": shown(f.path), "reason": f.reason} for f in report.failures],
        "space": _space_fields(report),
        **_summary_fields(report.summary),
    }


def _file_fields(file: "ImportedFile") -> dict[str, Any]:
    return {
        "path": shown(file.path),
        "listens": file.listens,
        "plays_new": file.plays_new,
        "passed_over": sum(file.passed_over.values()),
        "broken": file.broken,
        "first_broken": [{"place": f.place, "reason": f.reason} for f in file.first_broken],
    }


def _space_fields(report: "ImportReport") -> dict[str, Any]:
    from segue.training.listens import ListensSpace

    learned = report.learned
    if not isinstance(learned, ListensSpace):
        return {"tracks": 0, "rows": 0, "learned_from": None, "reason": learned.reason}
    learned_from = "sessions" if learned.of_sessions else "users"
    count = len(learned.tracks)
    return {"tracks": count, "rows": learned.rows, "learned_from": learned_from, "reason": None}


def _summary_fields(summary: "ListensSummary") -> dict[str, Any]:
    return {
        "users": summary.users,
        "plays": summary.plays,
        "matched_plays": summary.matched_plays,
        "songs": summary.songs,
        "matched_songs": summary.matched_songs,
        "matched_tracks": summary.tracks,
        "unmatched": [{"name": song.name, "plays": song.plays} for song in summary.unmatched],
    }

"""What users play and like: `listens`, `love`, `skip`, `forget` and `taste`."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from segue.cli import options as opt
from segue.cli.app import command, command_group, open_library, subcommand
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
from segue.cli.output_files import check_inputs
from segue.errors import BadArgument

if TYPE_CHECKING:
    from segue.store.user_data import ListensSummary
    from segue.training.listens import ImportedFile, ImportReport


listens_app = command_group(
    "Library", "listens", "Import listening histories.", no_args_is_help=True
)


@subcommand(listens_app, "import")
def import_(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Histories as CSV or of ListenBrainz, Last.fm or Spotify: files, .zip or folders."
        ),
    ],
    user: Annotated[
        str | None,
        typer.Option(help="Name of the listener; by default the one in the file, or else me."),
    ] = None,
    library: opt.Library = None,
    json: opt.Json = False,
) -> None:
    """Import listening histories, and train the space `listens`.

    Histories are CSV of user,track-or-path,plays[,time] (a track is an id, or "artist - title"),
    CSV of Last.fm, and the exports of ListenBrainz and Spotify: the .zip, its folder, or a file of
    it. Songs that are not in the library are stored, and matched by artist and title once they are
    added. A file that is imported again counts once, and the space is trained again: do so after
    adding music.

    In the space, tracks are close that the same users play, or, with fewer than five users, that
    are played in one session. It needs the Python library `implicit`: pip install implicit.

    Example: segue listens import listenbrainz_rob_1700000000.zip
    """
    if not any(map(os.path.lexists, files)):
        check_inputs(files)
    with open_library(library, create=True) as lib:
        report = lib.import_listens(list(files), user=user)
    if json:
        print_json("listens-import", _import_fields(report))
    else:
        _print_report(report)
    if report.failures:
        raise typer.Exit(1)


@subcommand(listens_app)
def show(library: opt.Library = None, json: opt.Json = False) -> None:
    """Summarise the listening history.

    The most played songs that are not in the library are listed.

    Example: segue listens show
    """
    with open_library(library) as lib:
        summary = lib.listens()
    if json:
        print_json("listens", _summary_fields(summary))
    else:
        _print_summary(summary)


def _print_report(report: "ImportReport") -> None:
    for file in report.files:
        skipped = [f"{n} left out ({reason})" for reason, n in file.skipped.items()]
        broken = [count_of(file.invalid, "broken row")] if file.invalid else []
        counts = [count_of(file.listens, "listen"), count_of(file.plays_new, "new play")]
        say(f"{display_path(file.path)}: {', '.join([*counts, *skipped, *broken])}")
        if file.invalid:
            rows = [(fault.place, fault.reason) for fault in file.first_invalid]
            print_table("the first that are broken", ("where", "why"), rows)
    print_failures("not imported", report.failures)
    _print_summary(report.summary)
    say(_space_text(report))


def _space_text(report: "ImportReport") -> str:
    from segue.training.listens import ListensSpace

    space = report.learned
    if not isinstance(space, ListensSpace):
        return f"There is no space `listens`: {space.reason}"
    rows = count_of(space.rows, "session" if space.by_session else "user")
    return (
        f"The space `listens` was learned from {rows} and holds "
        f"{count_of(len(space.tracks), 'track')}; "
        "use it as: segue like … --blend sound=0.7,listens=0.3"
    )


def _print_summary(summary: "ListensSummary") -> None:
    say(
        f"{count_of(summary.plays, 'play')} of {count_of(summary.songs, 'song')} by "
        f"{count_of(summary.users, 'user')}; {count_of(summary.matched_plays, 'play')} of these "
        f"of {count_of(summary.tracks, 'track')} in this library"
    )
    if summary.unmatched:
        rows = [(song.name, song.plays) for song in summary.unmatched]
        print_table("most played that is not in the library", ("song", "plays"), rows)


def _import_fields(report: "ImportReport") -> dict[str, Any]:
    return {
        "files": [_file_fields(file) for file in report.files],
        "failures": failure_fields(report.failures),
        "space": _space_fields(report),
        **_summary_fields(report.summary),
    }


def _file_fields(file: "ImportedFile") -> dict[str, Any]:
    return {
        "path": display_path(file.path),
        "listens": file.listens,
        "plays_new": file.plays_new,
        "passed_over": sum(file.skipped.values()),
        "broken": file.invalid,
        "first_broken": [{"place": f.place, "reason": f.reason} for f in file.first_invalid],
    }


def _space_fields(report: "ImportReport") -> dict[str, Any]:
    from segue.training.listens import ListensSpace

    space = report.learned
    if not isinstance(space, ListensSpace):
        return {"tracks": 0, "rows": 0, "learned_from": None, "reason": space.reason}
    learned_from = "sessions" if space.by_session else "users"
    count = len(space.tracks)
    return {"tracks": count, "rows": space.rows, "learned_from": learned_from, "reason": None}


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


@command("Search")
def love(queries: opt.Queries = None, library: opt.Library = None, json: opt.Json = False) -> None:
    """Mark tracks as loved: results lean towards them.

    Example: segue love "für elise"
    """
    _mark(queries, library, "loved", json=json)


@command("Search")
def skip(queries: opt.Queries = None, library: opt.Library = None, json: opt.Json = False) -> None:
    """Mark tracks as skipped: results lean away from them.

    Example: segue skip 17
    """
    _mark(queries, library, "skipped", json=json)


@command("Search")
def forget(
    queries: opt.Queries = None, library: opt.Library = None, json: opt.Json = False
) -> None:
    """Remove the mark of loved or skipped tracks.

    Tracks that had one are listed.

    Example: segue forget 17
    """
    _mark(queries, library, "forgotten", json=json)


@command("Search")
def taste(library: opt.Library = None, json: opt.Json = False) -> None:
    """List loved and skipped tracks.

    Example: segue taste
    """
    with open_library(library) as lib:
        marked = {"loved": lib.taste.loved, "skipped": lib.taste.skipped}
    if json:
        fields = {mark: [track_fields(track) for track in marked[mark]] for mark in marked}
        print_json("taste", fields)
        return
    rows = [
        (track.id, mark, track.tags.title, track.tags.artist)
        for mark, tracks in marked.items()
        for track in tracks
    ]
    print_table(count_of(len(rows), "track"), ("id", "", "title", "artist"), rows)


def _mark(
    queries: Sequence[str] | None,
    library: Path | None,
    mark: Literal["loved", "skipped", "forgotten"],
    *,
    json: bool,
) -> None:
    if not queries:
        raise BadArgument("name at least one track: an id, its file, or words of its title")
    with open_library(library) as lib:
        action = {
            "loved": lib.taste.love,
            "skipped": lib.taste.skip,
            "forgotten": lib.taste.forget,
        }[mark]
        tracks = action(*queries)
    if json:
        print_json("taste", {mark: [track_fields(track) for track in tracks]})
        return
    for track in tracks:
        say(f"{mark}: {track.id}  {track_label(track)}")
    if not tracks:
        say("nothing to forget: none of these is loved or skipped")

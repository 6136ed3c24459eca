"""The commands `love`, `skip`, `forget` and `taste`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from segue.cli import options as opt
from segue.cli.app import command, open_library
from segue.cli.output import count_of, print_json, print_table, say, track_fields, track_label
from segue.errors import BadArgument


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

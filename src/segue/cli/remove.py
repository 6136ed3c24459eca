"""The commands `remove` and `prune`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from segue.cli import options as opt
from segue.cli.app import command, open_library
from segue.cli.output import print_json, say, track_fields, track_label

if TYPE_CHECKING:
    from segue.records import Track


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

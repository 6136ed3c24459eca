"""The command that shows Segue on the bundled collection."""

from pathlib import Path
from typing import Annotated

import typer

from segue.cli.app import LibraryOption, app, open_library, progress
from segue.cli.asking import show_hits, write_list
from segue.cli.keeping import say_added
from segue.cli.output import label, say


@app.command()
def demo(
    library: LibraryOption = None,
    m3u: Annotated[Path, typer.Option(help="The playlist to write.")] = Path("segue-demo.m3u8"),
) -> None:
    """Add the bundled collection, ask what is like what, and write a playlist.

    Example: segue demo
    """
    from importlib.resources import files

    from platformdirs import user_data_path

    collection = Path(str(files("segue") / "collection"))
    with open_library(library or user_data_path("segue") / "demo", begins=True) as lib:
        say(f"Adding the bundled recordings to {lib.folder}")
        with progress() as watch:
            say_added(lib.add([collection], watch=watch), len(lib.tracks()))
        tracks = lib.tracks()
        asked = tracks[:: max(1, len(tracks) // 4)][:4]
        for track in asked:
            say("")
            show_hits(lib.like(track.id, n=4), f"like {label(track)}")
        say("")
        first = asked[0]
        hits = lib.like(first.id, n=12)
        say(f"A playlist from {label(first)}:")
        write_list(m3u, [first, *(hit.track for hit in hits)])
    say('Now your own music:  segue add ~/Music   then   segue like "a title"')

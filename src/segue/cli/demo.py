"""The command that shows Segue on the bundled collection."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from segue.cli.app import LibraryOption, app, open_library, progress
from segue.cli.asking import show_hits, write_list
from segue.cli.keeping import say_added
from segue.cli.output import label, say

if TYPE_CHECKING:
    from segue.library import Library

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
    from segue.compose.voices import VerseWishes  # brings in torch

    verse = lib.lyrics.duet(*DUET, VerseWishes(8, seed_line="My love is like a summer's day,"))
    say(f"A duet of {DUET[0]} (A) and {DUET[1]} (B), written now, line by line:")
    for line in verse:
        say(f"  {line.voices or ' '}  {line.text}".rstrip())

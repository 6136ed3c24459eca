"""The command `demo`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from segue.cli import options as opt
from segue.cli.add import print_added
from segue.cli.app import command, file_progress, open_library
from segue.cli.like import print_results
from segue.cli.output import say, track_label
from segue.cli.output_files import write_playlist

if TYPE_CHECKING:
    from segue.library import Library

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

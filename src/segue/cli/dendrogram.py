"""The command `dendrogram`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from segue.cli import options as opt
from segue.cli.app import command, open_library
from segue.cli.output import count_of, display_path, print_json, say
from segue.cli.output_files import check_target


@command("Explore", old="tree")
def dendrogram(
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", help="Path of the page (.html), figure (.png) or Newick tree (.nwk)."
        ),
    ] = Path("tree.html"),
    level: Annotated[
        Literal["track", "artist", "album"], typer.Option(help="What the leaves stand for.")
    ] = "track",
    min_tracks: Annotated[
        int, typer.Option(min=1, help="Minimum number of tracks of an artist or album.")
    ] = 1,
    all_sounds: opt.AllSounds = False,
    space: opt.Space = None,
    library: opt.Library = None,
    json: opt.Json = False,
) -> None:
    """Draw the library as a tree: similar tracks join first.

    Example: segue dendrogram --level artist -o artists.png
    """
    from segue.explore.drawing import TREE_SUFFIXES, save_dendrogram

    check_target(output, TREE_SUFFIXES)
    with open_library(library) as lib:
        space = space or lib.default_space()
        tree = lib.atlas.dendrogram(space, level, min_tracks=min_tracks, all_sounds=all_sounds)
    save_dendrogram(tree, output)
    if json:
        fields = {
            "path": display_path(output),
            "space": space,
            "level": level,
            "leaves": list(tree.labels),
            "joins": tree.merges.tolist(),
            "heights": tree.heights.tolist(),
        }
        print_json("tree", fields)
    else:
        say(f"wrote {display_path(output)}: {count_of(len(tree.labels), level)}")

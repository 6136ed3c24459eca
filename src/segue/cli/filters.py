"""The command `filters`."""

from pathlib import Path
from typing import Annotated

import typer

from segue.cli import options as opt
from segue.cli.app import command, open_library
from segue.cli.output import display_path, print_json, say


@command("Learn")
def filters(
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Path of the figure: .png, .svg or .pdf.")
    ],
    space: Annotated[
        str, typer.Option(help="Name of a space trained with `segue train sound`.")
    ] = "learned",
    tracks: Annotated[
        int, typer.Option(min=1, help="Number of tracks that are named for each filter.")
    ] = 3,
    library: opt.Library = None,
    json: opt.Json = False,
) -> None:
    """Draw a trained space's first filters and their top tracks.

    Example: segue filters --space dual-axis -o filters.png
    """
    from segue.render.plots import draw_filters

    with open_library(library) as lib:
        found = lib.learning.filters(space, tracks=tracks)
    draw_filters(found, output, f"first filters of the space {space}")
    if json:
        fields = [{"layer": item.layer, "tracks": list(item.tracks)} for item in found]
        print_json("filters", {"path": display_path(output), "filters": fields})
    else:
        say(f"wrote {len(found)} filters to {display_path(output)}")

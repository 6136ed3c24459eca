"""The command `map`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from segue.cli import options as opt
from segue.cli.app import command, open_library, progress
from segue.cli.output import count_of, display_path, print_json, say
from segue.cli.output_files import check_target
from segue.errors import BadArgument
from segue.render import PAGE_SUFFIXES

Method = Literal["nerv", "tsne", "umap", "pca"]


@command("Explore", "map")
def map_(
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", help="Path of the page (.html) or figure (.png, .svg, .pdf)."
        ),
    ] = Path("map.html"),
    space: opt.Space = None,
    method: Annotated[
        Method | None,
        typer.Option(
            help="Method of projection; by default nerv up to 1,000 tracks, tsne up to 10,000, "
            "umap above."
        ),
    ] = None,
    colour: Annotated[
        str,
        typer.Option(
            help="What the colours stand for: artist, album, genre, year, group, or a tag, as "
            "tag:ambient."
        ),
    ] = "group",
    neighbours: Annotated[
        int | None, typer.Option(help="Number of neighbours of a track, for umap.")
    ] = None,
    min_dist: Annotated[
        float | None, typer.Option(help="Minimum distance of points, for umap.")
    ] = None,
    perplexity: Annotated[
        float | None,
        typer.Option(help="Perplexity, roughly the number of neighbours, for tsne and nerv."),
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Learning rate, for tsne and nerv.")
    ] = None,
    update: Annotated[
        bool,
        typer.Option("--update", help="New tracks on the existing map, without moving the others."),
    ] = False,
    embed_previews: Annotated[
        bool, typer.Option("--embed-previews", help="Five seconds of each track in the page.")
    ] = False,
    all_sounds: opt.AllSounds = False,
    seed: opt.Seed = 0,
    library: opt.Library = None,
    json: opt.Json = False,
) -> None:
    """Draw the library as a map: similar tracks are close.

    The page works offline: zoom, search, click a track to hear it and to see its nearest
    neighbours. A recording that is in several files is shown once. The map is stored: drawn again,
    in other colours for instance, every track keeps its position. Trustworthiness and continuity
    of the map are printed below it. NeRV shows the fewest false neighbours; UMAP is made for many
    tracks.

    Example: segue map --colour album -o map.html
    """
    from segue.explore.maps import MAP_SUFFIXES, check_colour
    from segue.explore.projection import ProjectionOptions

    check_target(output, MAP_SUFFIXES)
    check_colour(colour)
    if embed_previews and output.suffix.lower() not in PAGE_SUFFIXES:
        raise BadArgument("--embed-previews belongs to a page: -o map.html")
    options = ProjectionOptions(method, neighbours, min_dist, perplexity, learning_rate, seed)
    with open_library(library) as lib, progress("") as watch:
        space = space or lib.default_space()
        projection = lib.atlas.map(
            space, options, update=update, all_sounds=all_sounds, watch=watch
        )
        lib.atlas.draw(
            projection, output, colour, embed_previews=embed_previews, seed=seed, watch=watch
        )
    if json:
        points = zip(projection.ids.tolist(), projection.points.tolist(), strict=True)
        fields = {
            "path": display_path(output),
            "space": space,
            "method": projection.method,
            "parameters": projection.parameters,
            "trustworthiness": projection.trustworthiness,
            "continuity": projection.continuity,
            "placed": projection.placed,
            "remembered": projection.remembered,
            "points": [{"id": track, "x": x, "y": y} for track, (x, y) in points],
        }
        print_json("map", fields)
        return
    from segue.explore.maps import WARNING, map_caption

    placed = f", {projection.placed} of them placed now" if update else ""
    say(f"wrote {display_path(output)}: {count_of(len(projection.ids), 'track')}{placed}")
    say(map_caption(projection))
    say(WARNING)
    if not projection.remembered:
        say("not remembered: the library cannot be written to now; the next map may lie otherwise")

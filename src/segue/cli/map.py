"""The commands `map`, `groups` and `tree`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from segue.cli.app import (
    AllSounds,
    JsonOption,
    LibraryOption,
    SeedOption,
    SpaceOption,
    app,
    check_target,
    live_line,
    open_library,
)
from segue.cli.like import write_list
from segue.cli.output import counted, print_json, print_table, say, shown
from segue.errors import BadArgument

if TYPE_CHECKING:
    from segue.explore.clusters import Cluster

Method = Literal["nerv", "tsne", "umap", "pca"]
ListFormat = Literal["m3u8", "m3u", "pls", "xspf", "json", "html"]
GroupingMethod = Literal["kmeans", "hdbscan", "agglomerative"]


@app.command("map")
def map_(
    output: Annotated[
        Path, typer.Option("-o", "--output", help="A page .html, or a picture .png, .svg, .pdf.")
    ] = Path("map.html"),
    space: SpaceOption = None,
    method: Annotated[
        Method | None,
        typer.Option(help="Else nerv up to 1,000 tracks, tsne up to 10,000, then umap."),
    ] = None,
    colour: Annotated[
        str, typer.Option(help="artist, album, genre, year, group, or a tag: tag:ambient.")
    ] = "group",
    neighbours: Annotated[int | None, typer.Option(help="Of umap.")] = None,
    min_dist: Annotated[float | None, typer.Option(help="Of umap: how closely to pack.")] = None,
    perplexity: Annotated[
        float | None, typer.Option(help="Of tsne and nerv: about how many neighbours count.")
    ] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Of tsne and nerv.")] = None,
    update: Annotated[
        bool, typer.Option("--update", help="Place new tracks on the map that is there; move none.")
    ] = False,
    embed_previews: Annotated[
        bool, typer.Option("--embed-previews", help="Put five seconds of each track into the page.")
    ] = False,
    all_sounds: AllSounds = False,
    seed: SeedOption = 0,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Draw the library as a map: what is near sounds alike.

    A page works offline: move, zoom, search, click a track to hear it and to see its nearest.
    Of a recording in several files one is shown.
    The map is remembered: drawn again, in other colours say, every track is where it was. How
    far to believe it is printed below. NeRV shows the fewest false neighbours, UMAP is made for
    many tracks.

    Example: segue map --colour album -o map.html
    """
    from segue.explore.drawing import MAP_SUFFIXES, check_colour
    from segue.explore.projection import ProjectionOptions

    check_target(output, MAP_SUFFIXES)
    check_colour(colour)
    if embed_previews and output.suffix.lower() not in (".html", ".htm"):
        raise BadArgument("--embed-previews belongs to a page: -o map.html")
    wanted = ProjectionOptions(method, neighbours, min_dist, perplexity, learning_rate, seed)
    with open_library(library) as lib, live_line("") as watch:
        space = space or lib.default_space()
        found = lib.atlas.map(space, wanted, update=update, all_sounds=all_sounds, watch=watch)
        lib.atlas.draw(found, output, colour, embed_previews=embed_previews, seed=seed, watch=watch)
    if json:
        points = zip(found.ids.tolist(), found.points.tolist(), strict=True)
        fields = {
            "path": shown(output),
            "space": space,
            "method": found.method,
            "parameters": found.parameters,
            "trustworthiness": found.trustworthiness,
            "continuity": found.continuity,
            "placed": found.placed,
            "remembered": found.remembered,
            "points": [{"id": track, "x": x, "y": y} for track, (x, y) in points],
        }
        print_json("map", fields)
        return
    from segue.explore.drawing import WARNING, caption

    placed = f", {found.placed} of them placed now" if update else ""
    say(f"wrote {shown(output)}: {counted(len(found.ids), 'track')}{placed}")
    say(caption(found))
    say(WARNING)
    if not found.remembered:
        say("not remembered: the library cannot be written to now; the next map may lie otherwise")


@app.command()
def groups(
    method: Annotated[GroupingMethod, typer.Option(help="How.")] = "kmeans",
    k: Annotated[str, typer.Option("-k", help="How many, or auto.")] = "auto",
    on: Annotated[
        Literal["space", "plane"], typer.Option(help="In the space itself, or on its map.")
    ] = "space",
    space: SpaceOption = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", "--m3u", help="Write each group as a playlist into this folder."
        ),
    ] = None,
    form: Annotated[
        ListFormat, typer.Option("--format", help="Of these playlists; html plays them.")
    ] = "m3u8",
    all_sounds: AllSounds = False,
    seed: SeedOption = 0,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Divide the library into groups that sound alike, named by what sets them apart.

    The silhouette (-1 to 1) says how much closer tracks are to their own group than to the
    next; the stability (0 to 1) how alike the groups come out when a fifth of the tracks is
    left out. Where both are low the borders are arbitrary.

    Example: segue groups -k 8 -o groups/
    """
    count = None if k == "auto" else int(k) if k.isdecimal() else 0
    if count == 0:
        raise BadArgument(f"-k {k}: give a number of groups, or auto")
    if output:  # before anything is computed for it
        try:
            output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadArgument(f"cannot make the folder {output}: {error.strerror}") from None
    with open_library(library) as lib:
        space = space or lib.default_space()
        found = lib.atlas.clusters(space, method, count, on=on, seed=seed, all_sounds=all_sounds)
        tracks = {track.id: track for track in lib.tracks()} if output else {}
    written: dict[str, Path] = {}
    if output:
        for number, group in enumerate(found.clusters, start=1):
            name = "".join(c if c.isalnum() or c in " -," else "_" for c in group.name)
            target = output / f"{number:02d} {name[:60].strip()}.{form}"
            inside = [tracks[i] for i in group.ids.tolist()]
            write_list(target, inside, quiet=True, title=group.name)
            written[group.name] = target
    if json:
        fields = {
            "space": space,
            "method": method,
            "silhouette": found.silhouette,
            "stability": found.stability,
            "groups": [
                _group_fields(group) | {"playlist": shown(written[group.name])}
                if written
                else _group_fields(group)
                for group in found.clusters
            ],
            "ungrouped": found.noise.tolist(),
        }
        print_json("groups", fields)
        return
    from segue.explore.clusters import tempo_range

    rows = [
        (
            number,
            group.name,
            len(group.ids),
            ", ".join(f"{tag.name} {tag.strength:+.1f}" for tag in group.tags),
            ", ".join(f"{artist.name} {artist.strength:.0%}" for artist in group.artists),
            tempo_range(group).removesuffix(" bpm"),
        )
        for number, group in enumerate(found.clusters, start=1)
    ]
    print_table(
        counted(len(rows), "group"),
        ("", "group", "tracks", "what sets it apart", "artists", "bpm"),
        rows,
    )
    if len(found.noise):
        say(f"{counted(len(found.noise), 'track')} in no group")
    judged = [
        f"{name} {value:.2f}"
        for name, value in (("silhouette", found.silhouette), ("stability", found.stability))
        if value is not None
    ]
    if judged:
        say(", ".join(judged))
    if output:
        say(f"wrote {counted(len(written), 'playlist')} to {shown(output)}")
        older = {file.name for file in output.glob(f"*.{form}")} - {
            file.name for file in written.values()
        }
        if older:
            say(f"{counted(len(older), 'other playlist')} found there and left as they are")


@app.command()
def tree(
    output: Annotated[
        Path,
        typer.Option("-o", "--output", help="A picture .png, a page .html, or Newick: .nwk."),
    ] = Path("tree.html"),
    level: Annotated[
        Literal["track", "artist", "album"], typer.Option(help="What the leaves are.")
    ] = "track",
    min_tracks: Annotated[
        int, typer.Option(min=1, help="Only artists or albums of so many tracks.")
    ] = 1,
    all_sounds: AllSounds = False,
    space: SpaceOption = None,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Draw the library as a tree: what is alike joins first.

    Example: segue tree --level artist -o artists.png
    """
    from segue.explore.drawing import TREE_SUFFIXES, save_dendrogram

    check_target(output, TREE_SUFFIXES)
    with open_library(library) as lib:
        space = space or lib.default_space()
        found = lib.atlas.dendrogram(space, level, min_tracks=min_tracks, all_sounds=all_sounds)
    save_dendrogram(found, output)
    if json:
        fields = {
            "path": shown(output),
            "space": space,
            "level": level,
            "leaves": list(found.labels),
            "joins": found.merges.tolist(),
            "heights": found.heights.tolist(),
        }
        print_json("tree", fields)
    else:
        say(f"wrote {shown(output)}: {counted(len(found.labels), level)}")


def _group_fields(group: "Cluster") -> dict[str, object]:
    return {
        "name": group.name,
        "tracks": group.ids.tolist(),
        "tags": [{"name": tag.name, "strength": tag.strength} for tag in group.tags],
        "artists": [{"name": one.name, "share": one.strength} for one in group.artists],
        "tempo_bpm": group.tempo_bpm,
    }

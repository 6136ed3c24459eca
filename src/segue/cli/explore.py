"""The commands `map`, `groups`, `dendrogram` and `outliers`: the library as a whole."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from segue.cli import options as opt
from segue.cli.app import command, open_library, progress
from segue.cli.output import count_of, display_path, print_json, print_table, say, track_fields
from segue.cli.output_files import check_target, make_folder, write_playlist
from segue.errors import BadArgument
from segue.render import PAGE_SUFFIXES

if TYPE_CHECKING:
    from segue.explore.clusters import Cluster, Clustering
    from segue.records import Track


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


@command("Explore")
def groups(
    method: Annotated[
        Literal["kmeans", "hdbscan", "agglomerative"], typer.Option(help="Clustering method.")
    ] = "kmeans",
    k: Annotated[str, typer.Option("-k", help="Number of groups, or auto.")] = "auto",
    on: Annotated[
        Literal["space", "plane"],
        typer.Option(help="Points that are clustered: embeddings, or positions on the map."),
    ] = "space",
    space: opt.Space = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Folder of the playlists, one for each group."),
    ] = None,
    list_format: Annotated[
        Literal["m3u8", "m3u", "pls", "xspf", "json", "html"],
        typer.Option("--format", help="Format of the playlists; html is a page that plays them."),
    ] = "m3u8",
    all_sounds: opt.AllSounds = False,
    seed: opt.Seed = 0,
    library: opt.Library = None,
    json: opt.Json = False,
) -> None:
    """Cluster the library into groups of similar tracks.

    Each group is named by the tags that distinguish it. The silhouette (-1 to 1) says how much
    closer tracks are to their own group than to the next; the stability (0 to 1), how similar the
    groups are when a fifth of the tracks is left out. Where both are low, the borders are
    arbitrary.

    Example: segue groups -k 8 -o groups/
    """
    count = None if k == "auto" else int(k) if k.isdecimal() else 0
    if count == 0:
        raise BadArgument(f"-k {k}: give a number of groups, or auto")
    if output:
        make_folder(output)
    with open_library(library) as lib:
        space = space or lib.default_space()
        clustering = lib.atlas.clusters(
            space, method, count, on=on, seed=seed, all_sounds=all_sounds
        )
        tracks = {track.id: track for track in lib.tracks()} if output else {}
    written = _write_playlists(clustering.clusters, tracks, output, list_format) if output else {}
    if json:
        fields = {
            "space": space,
            "method": method,
            "silhouette": clustering.silhouette,
            "stability": clustering.stability,
            "groups": [
                _group_fields(group) | {"playlist": display_path(written[group.name])}
                if written
                else _group_fields(group)
                for group in clustering.clusters
            ],
            "ungrouped": clustering.noise.tolist(),
        }
        print_json("groups", fields)
        return
    _print_groups(clustering)
    if output:
        say(f"wrote {count_of(len(written), 'playlist')} to {display_path(output)}")
        older = {*output.glob(f"*.{list_format}")} - {*written.values()}
        if older:
            say(f"{count_of(len(older), 'other playlist')} found there and left as they are")


def _write_playlists(
    groups: "Sequence[Cluster]", tracks: "Mapping[int, Track]", folder: Path, suffix: str
) -> dict[str, Path]:
    """Write a playlist of each group, and return their paths by name of the group."""
    paths = {}
    for number, group in enumerate(groups, start=1):
        name = "".join(c if c.isalnum() or c in " -," else "_" for c in group.name)
        paths[group.name] = folder / f"{number:02d} {name[:60].strip()}.{suffix}"
        members = [tracks[track] for track in group.ids.tolist()]
        write_playlist(paths[group.name], members, quiet=True, title=group.name)
    return paths


def _print_groups(clustering: "Clustering") -> None:
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
        for number, group in enumerate(clustering.clusters, start=1)
    ]
    print_table(
        count_of(len(rows), "group"),
        ("", "group", "tracks", "what sets it apart", "artists", "bpm"),
        rows,
    )
    if len(clustering.noise):
        say(f"{count_of(len(clustering.noise), 'track')} in no group")
    quality = [
        f"{name} {value:.2f}"
        for name, value in (
            ("silhouette", clustering.silhouette),
            ("stability", clustering.stability),
        )
        if value is not None
    ]
    if quality:
        say(", ".join(quality))


def _group_fields(group: "Cluster") -> dict[str, object]:
    return {
        "name": group.name,
        "tracks": group.ids.tolist(),
        "tags": [{"name": tag.name, "strength": tag.strength} for tag in group.tags],
        "artists": [{"name": artist.name, "share": artist.strength} for artist in group.artists],
        "tempo_bpm": group.tempo_bpm,
    }


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
    from segue.explore.dendrogram import TREE_SUFFIXES, save_dendrogram

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


@command("Explore")
def outliers(
    n: opt.Count = 10,
    space: opt.Space = None,
    all_sounds: opt.AllSounds = False,
    library: opt.Library = None,
    json: opt.Json = False,
) -> None:
    """List the tracks that are least similar to any other.

    The local outlier factor compares the distances of a track's ten nearest neighbours with those
    of theirs; it is about 1 for tracks within a group.

    Example: segue outliers -n 5
    """
    with open_library(library) as lib:
        space = space or lib.default_space()
        results = lib.atlas.outliers(n, space=space, all_sounds=all_sounds)
    if json:
        fields = [
            {
                "track": track_fields(outlier.track),
                "apart": outlier.factor,
                "nearest": track_fields(outlier.nearest),
                "similarity": outlier.similarity,
            }
            for outlier in results
        ]
        print_json("outliers", {"space": space, "outliers": fields})
        return
    rows = [
        (
            outlier.factor,
            outlier.track.id,
            outlier.track.tags.title,
            outlier.track.tags.artist,
            outlier.similarity,
            outlier.nearest.tags.title,
        )
        for outlier in results
    ]
    print_table(
        "least similar to any other track",
        ("outlier factor", "id", "title", "artist", "similarity", "to its nearest"),
        rows,
    )

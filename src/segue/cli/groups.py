"""The commands `groups`, `dendrogram` and `outliers`: clusters of tracks, and tracks in none."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from segue.cli import options as opt
from segue.cli.app import command, open_library
from segue.cli.output import count_of, display_path, print_json, print_table, say, track_fields
from segue.cli.output_files import check_target, make_folder, write_playlist
from segue.errors import BadArgument

if TYPE_CHECKING:
    from segue.explore.clusters import Cluster


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
    written: dict[str, Path] = {}
    if output:
        for number, group in enumerate(clustering.clusters, start=1):
            name = "".join(c if c.isalnum() or c in " -," else "_" for c in group.name)
            target = output / f"{number:02d} {name[:60].strip()}.{list_format}"
            members = [tracks[i] for i in group.ids.tolist()]
            write_playlist(target, members, quiet=True, title=group.name)
            written[group.name] = target
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
    if output:
        say(f"wrote {count_of(len(written), 'playlist')} to {display_path(output)}")
        older = {file.name for file in output.glob(f"*.{list_format}")} - {
            file.name for file in written.values()
        }
        if older:
            say(f"{count_of(len(older), 'other playlist')} found there and left as they are")


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

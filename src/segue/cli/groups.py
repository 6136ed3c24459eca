"""The command `groups`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from segue.cli import options as opt
from segue.cli.app import command, open_library
from segue.cli.output import count_of, display_path, print_json, print_table, say
from segue.cli.output_files import make_folder, write_playlist
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

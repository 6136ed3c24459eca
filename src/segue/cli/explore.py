"""The library as a whole: `map`, `groups`, `dendrogram`, `outliers` and `duplicates`."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from segue.cli import options as opt
from segue.cli.app import command, open_library, progress
from segue.cli.output import (
    count_of,
    display_path,
    failure_fields,
    format_duration,
    print_json,
    print_table,
    say,
    track_fields,
)
from segue.cli.output_files import check_playlist, check_target, make_folder, write_playlist
from segue.errors import BadArgument
from segue.render import PAGE_SUFFIXES

if TYPE_CHECKING:
    from segue.explore.clusters import Cluster, Clustering
    from segue.explore.outliers import DuplicatePair, SameTune
    from segue.explore.version_identification import VersionReport
    from segue.records import Span, Track


Method = Literal["nerv", "tsne", "umap", "pca"]
#: Smallest difference in tempo that an alignment can measure.
_SMALLEST_TEMPO_CHANGE: Final = 0.02


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
    from segue.explore.clusters import TREE_SUFFIXES, save_dendrogram

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


@command("Library", old="twins")
def duplicates(
    versions: Annotated[
        bool,
        typer.Option(help="Other versions as well; the first time, every file is read."),
    ] = True,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Path of a playlist of the redundant files: all but the best of each recording.",
        ),
    ] = None,
    library: opt.Library = None,
    json: opt.Json = False,
) -> None:
    """List duplicate recordings, equal tunes and cover versions.

    Files in other formats, bit rates and loudness count as the same recording, and so do files
    whose ends were cut by a few seconds. The similarity of two fingerprints is 1 where all bits
    agree and about 0 for unrelated recordings; from 0.65 on it is one recording. The better file of
    a pair is marked, if one clearly is: complete before cut, lossless before lossy, then by bit
    rate and format. Whether a file was transcoded from a worse one is not detected.

    Versions may be in another key or tempo, and by other instruments or performers. Their
    similarity is the share of the shorter one in which both follow the same chroma sequence: 1 for
    all of it, about 0.1 for unrelated pieces; pairs are listed from 0.4 on. Simple music over the
    same few chords may be listed as well.

    The similarity of two scores is the share of seven-note n-grams that they have in common,
    regardless of key, rhythm and instruments: 1 for the same notes; pairs are listed from 0.15 on.

    Example: segue duplicates --no-versions
    """
    from segue.explore.outliers import redundant_files

    check_playlist(output, absolute=False)
    with open_library(library) as lib:
        pairs, tunes = lib.atlas.duplicates(), lib.atlas.same_tunes()
        kinds = lib.kinds()
        covers = None
        if versions:
            with progress("") as show:
                covers = lib.atlas.versions(
                    pairs,
                    read=lambda done, total: show("reading", done, total),
                    compared=lambda done, total: show("comparing", done, total),
                )
    if output:
        write_playlist(output, redundant_files(pairs), quiet=json)
    if json:
        fields = {
            "twins": [_pair_fields(pair) for pair in pairs],
            "versions": _version_fields(covers) if covers else None,
            "tunes": [_same_tune_fields(pair) for pair in tunes],
            "failures": failure_fields(covers.failures if covers else ()),
            "left_out": covers.left_out if covers else 0,
        }
        print_json("twins", fields)
        return
    if kinds.get("score"):
        _print_tunes(tunes)
    if "sound" in kinds or not kinds:
        _print_pairs(pairs)
        if covers:
            _print_versions(covers)


def _print_pairs(pairs: "Sequence[DuplicatePair]") -> None:
    from segue.explore.outliers import better_file

    folder, names = _file_names([(pair.first, pair.second) for pair in pairs])
    rows = [
        (
            "equal files" if pair.same_content else f"{pair.similarity:.2f}",
            f"{pair.lag_s:+.1f} s",
            f"{pair.overlap_s:.0f} s",
            _file_cell(first, pair.first, better=better_file(pair.first, pair.second) == "first"),
            _file_cell(
                second, pair.second, better=better_file(pair.first, pair.second) == "second"
            ),
        )
        for pair, (first, second) in zip(pairs, names, strict=True)
    ]
    print_table(
        f"{len(rows)} pairs of one recording{folder}; * the better file",
        ("similarity", "later by", "compared", "first", "second"),
        rows,
    )


def _pair_fields(pair: "DuplicatePair") -> dict[str, Any]:
    from segue.explore.outliers import better_file

    return _same_tune_fields(pair) | {
        "first_file": _file_fields(pair.first),
        "second_file": _file_fields(pair.second),
        "better": better_file(pair.first, pair.second) or None,
        "lag_s": pair.lag_s,
        "overlap_s": pair.overlap_s,
    }


def _same_tune_fields(pair: "DuplicatePair | SameTune") -> dict[str, Any]:
    return {
        "first": track_fields(pair.first),
        "second": track_fields(pair.second),
        "likeness": pair.similarity,
        "same_content": pair.same_content,
    }


def _file_name(track: "Track", folder: Path) -> str:
    tune = f", tune {track.tune}" if track.tune else ""
    return display_path(track.path.relative_to(folder)) + tune


def _file_names(pairs: "Sequence[tuple[Track, Track]]") -> tuple[str, list[tuple[str, str]]]:
    """Return the folder that holds all files, as text, and the files' names in it."""
    if not pairs:
        return "", []
    folder = Path(os.path.commonpath([track.path.parent for pair in pairs for track in pair]))
    names = [(_file_name(first, folder), _file_name(second, folder)) for first, second in pairs]
    return f", in {display_path(folder)}", names


def _file_cell(name: str, track: "Track", *, better: bool) -> str:
    """Return a file's name and quality; an asterisk marks the better one."""
    file = _file_fields(track)
    size = f"{file['size_bytes'] / 1e6:.1f} MB" if file["size_bytes"] else "gone"
    mark = "* " if better else ""
    return f"{mark}{name}\n{file['format']} {file['bit_rate_kbps']:.0f} kb/s, {size}"


def _file_fields(track: "Track") -> dict[str, Any]:
    from segue.explore.outliers import file_quality

    quality = file_quality(track)
    return {
        "format": quality.format,
        "size_bytes": quality.size_bytes,
        "bit_rate_kbps": quality.bit_rate_kbps,
        "lossless": quality.lossless,
    }


def _print_tunes(pairs: "Sequence[SameTune]") -> None:
    folder, names = _file_names([(pair.first, pair.second) for pair in pairs])
    rows = [
        (
            "equal files" if pair.same_content else f"{pair.similarity:.2f}",
            f"{pair.first.tags.title} ({first})",
            f"{pair.second.tags.title} ({second})",
        )
        for pair, (first, second) in zip(pairs, names, strict=True)
    ]
    print_table(f"{len(rows)} pairs of one tune{folder}", ("similarity", "first", "second"), rows)


def _print_versions(report: "VersionReport") -> None:
    folder, names = _file_names([(pair.first, pair.second) for pair in report.pairs])
    rows = []
    for pair, files in zip(report.pairs, names, strict=True):
        alignment = pair.alignment
        tempo_differs = abs(alignment.tempo) > _SMALLEST_TEMPO_CHANGE
        rows.append(
            (
                f"{alignment.similarity:.2f}",
                f"{alignment.semitones:+d}" if alignment.semitones else "same",
                f"{alignment.tempo:+.0%}" if tempo_differs else "same",
                _format_span(alignment.first),
                _format_span(alignment.second),
                *files,
            )
        )
    print_table(
        f"{len(rows)} pairs of likely versions{folder}",
        ("similarity", "semitones", "tempo", "in the first", "in the second", "first", "second"),
        rows,
    )
    for failure in report.failures:
        say(f"failed: {failure.reason}")
    if report.left_out:
        say(f"{report.left_out} tracks were not compared: the library's cache is full")


def _format_span(span: "Span") -> str:
    return f"{format_duration(span.start_s)}-{format_duration(span.end_s)}"


def _version_fields(report: "VersionReport") -> list[dict[str, object]]:
    return [
        {
            "first": track_fields(pair.first),
            "second": track_fields(pair.second),
            "likeness": pair.alignment.similarity,
            "semitones": pair.alignment.semitones,
            "tempo": pair.alignment.tempo,
            "first_s": [pair.alignment.first.start_s, pair.alignment.first.end_s],
            "second_s": [pair.alignment.second.start_s, pair.alignment.second.end_s],
        }
        for pair in report.pairs
    ]

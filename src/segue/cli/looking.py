"""Commands that look into a library: its spaces, and how good they are."""

from pathlib import Path
from typing import Annotated

import typer

from segue.cli.app import (
    AllSounds,
    JsonOption,
    LibraryOption,
    MetricOption,
    SpaceOption,
    app,
    open_library,
)
from segue.cli.output import print_json, print_table, say, shown

export_app = typer.Typer(help="Write data for other programs.", no_args_is_help=True)
app.add_typer(export_app, name="export")


@app.command()
def spaces(library: LibraryOption = None, json: JsonOption = False) -> None:
    """List the spaces that tracks are compared in.

    Example: segue spaces
    """
    with open_library(library) as lib:
        infos = lib.spaces()
    names = (
        "name",
        "kind",
        "dimension",
        "metric",
        "model",
        "version",
        "tracks",
        "outdated",
        "trained",
    )
    rows = [
        (
            info.space.name,
            info.space.kind,
            info.space.dimension,
            info.space.metric,
            info.space.model,
            info.space.version,
            info.tracks,
            info.outdated,
            info.trained,
        )
        for info in infos
    ]
    if json:
        print_json("spaces", {"spaces": [dict(zip(names, row, strict=True)) for row in rows]})
    else:
        print_table(f"{len(rows)} spaces", names, rows)


@app.command()
def evaluate(
    by: Annotated[str, typer.Option(help="album, artist or genre.")] = "album",
    artist_filter: Annotated[
        bool, typer.Option("--artist-filter", help="Only other artists' tracks may be found.")
    ] = False,
    metric: MetricOption = "cosine",
    seed: Annotated[int, typer.Option(help="Of ties and of the intervals.")] = 0,
    all_sounds: AllSounds = False,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Measure how well each space brings an album, artist or genre together.

    Each track with a label of at least three tracks asks once; P@1 and P@5 are the shares of
    its nearest 1 and 5 that have its label, macro the mean over labels instead of tracks.
    The interval is a 95 % bootstrap over labels. A learned space that holds no label of three
    tracks is left out; one that holds fewer tracks has fewer queries.

    Example: segue evaluate --by artist
    """
    from segue.measure.bootstrap import interval

    with open_library(library) as lib:
        table = lib.evaluate(
            by, artist_filter=artist_filter, metric=metric, seed=seed, all_sounds=all_sounds
        )
        learned = [info.space.name for info in lib.spaces() if info.trained]
    rows = []
    for name, result in table.items():
        estimate = interval([result], "precision_at_1", seed=seed)
        rows.append(
            {
                "space": name,
                "precision_at_1": result.precision_at_1,
                "precision_at_1_low": estimate.low,
                "precision_at_1_high": estimate.high,
                "precision_at_5": result.precision_at_5,
                "macro_precision_at_1": result.macro_precision_at_1,
                "macro_precision_at_5": result.macro_precision_at_5,
                "mean_average_precision": result.mean_average_precision,
                "queries": result.queries,
                "labels": result.labels,
                "chance_precision": result.chance_precision,
            }
        )
    if json:
        asked = {"by": by, "artist_filter": artist_filter, "metric": metric}
        print_json("evaluate", {**asked, "spaces": rows})
        return
    print_table(
        f"by {by}, {metric}{', other artists only' if artist_filter else ''}",
        (
            "space", "P@1", "low", "high", "P@5", "macro P@1", "macro P@5", "mAP",
            "queries", "labels", "chance",
        ),
        [tuple(row.values()) for row in rows],
    )  # fmt: skip
    if seen := [name for name in learned if name in table]:
        say(
            f"learned from these very tracks: {', '.join(seen)}; with --labels also from these "
            "very answers, so that their figures are no promise for other music"
        )


@export_app.command("vectors")
def export_vectors(
    output: Annotated[Path, typer.Option("-o", "--output", help="The file to write, .npz.")],
    space: SpaceOption = None,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Write a space's vectors as a NumPy archive: arrays ids, paths, vectors.

    Example: segue export vectors --space sound -o sound.npz
    """
    import numpy as np

    from segue.formats.whole import replacing

    with open_library(library) as lib:
        space = space or lib.usual_space()
        ids, vectors = lib.vectors(space)
        paths = {track.id: str(track.path) for track in lib.tracks()}
    with replacing(output) as partial, partial.open("wb") as file:
        np.savez(file, ids=ids, paths=np.array([paths[i] for i in ids.tolist()]), vectors=vectors)
    if json:
        print_json("export", {"path": shown(output), "space": space, "tracks": len(ids)})
    else:
        say(f"wrote {len(ids)} vectors of the space {space} to {shown(output)}")

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
    check_target,
    open_library,
)
from segue.cli.output import counted, print_json, print_table, say, shown

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
        told = [
            (
                info.space.name,
                info.space.kind,
                info.tracks,
                info.space.dimension,
                "learned here" if info.trained else "",
                "made by an older Segue: run `segue add` again" if info.outdated else "",
            )
            for info in infos
        ]
        print_table(
            counted(len(rows), "space"), ("name", "kind", "tracks", "numbers", "", ""), told
        )


@app.command()
def evaluate(
    by: Annotated[str, typer.Option(help="album, artist or genre.")] = "album",
    artist_filter: Annotated[
        bool, typer.Option("--artist-filter", help="Only other artists' tracks may be found.")
    ] = False,
    metric: MetricOption = "cosine",
    seed: Annotated[int, typer.Option(help="Of ties, intervals, and of what is drawn.")] = 0,
    all_sounds: AllSounds = False,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Measure how well each space brings an album, artist or genre together.

    Each track with a label of at least three tracks asks once; P@1 and P@5 are the shares of
    its nearest 1 and 5 that have its label, macro the mean over labels instead of tracks. Of
    more than 2,000 such tracks, so many drawn at random ask.
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
                "drawn_from": result.drawn_from,
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
        [tuple(value for key, value in row.items() if key != "drawn_from") for row in rows],
    )  # fmt: skip
    if most := max(result.drawn_from for result in table.values()):
        say(f"of up to {most:,} tracks that could ask, some did, drawn at random (--seed)")
    if seen := [name for name in learned if name in table]:
        say(
            f"learned from these very tracks: {', '.join(seen)}; with --labels also from these "
            "very answers, so that their figures are no promise for other music"
        )


@export_app.command("vectors")
def export_vectors(
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The file to write, .npz or .csv.")
    ],
    space: SpaceOption = None,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Write a space's vectors: as a NumPy archive of the arrays ids, paths, vectors, or as CSV.

    CSV has a row for each track: its id, its path, and its numbers.

    Example: segue export vectors --space sound -o sound.npz
    """
    import numpy as np

    from segue.formats.whole import replacing

    check_target(output, (".npz", ".csv"))
    with open_library(library) as lib:
        space = space or lib.usual_space()
        ids, vectors = lib.vectors(space)
        paths = {track.id: str(track.path) for track in lib.tracks()}
    named = [paths[track] for track in ids.tolist()]
    with replacing(output) as partial, partial.open("wb") as file:
        if output.suffix.lower() == ".npz":
            np.savez(file, ids=ids, paths=np.array(named), vectors=vectors)
        else:
            file.write(_csv(ids.tolist(), named, vectors.tolist()).encode("utf-8", "replace"))
    if json:
        print_json("export", {"path": shown(output), "space": space, "tracks": len(ids)})
    else:
        say(f"wrote {counted(len(ids), 'vector')} of the space {space} to {shown(output)}")


def _csv(ids: list[int], paths: list[str], vectors: list[list[float]]) -> str:
    """Write a table with one row for each track."""
    import csv
    from io import StringIO

    text = StringIO()
    table = csv.writer(text)
    table.writerow(["id", "path", *range(1, 1 + len(vectors[0]) if vectors else 1)])
    for track, path, vector in zip(ids, paths, vectors, strict=True):
        table.writerow([track, path, *(f"{number:.7g}" for number in vector)])
    return text.getvalue()

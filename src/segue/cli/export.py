"""The command group `export`."""

from pathlib import Path
from typing import Annotated

import typer

from segue.cli import options as opt
from segue.cli.app import command_group, open_library, subcommand
from segue.cli.output import count_of, display_path, print_json, say
from segue.cli.output_files import check_target

export_app = command_group(
    "Share", "export", "Export data for other programs.", no_args_is_help=True
)


@subcommand(export_app, "vectors")
def export_vectors(
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Path of the output file, .npz or .csv.")
    ],
    space: opt.Space = None,
    library: opt.Library = None,
    json: opt.Json = False,
) -> None:
    """Export a space's embeddings as NumPy archive or CSV.

    The archive has the arrays ids, paths and vectors. CSV has a row for each track: its id, its
    path, and its embedding.

    Example: segue export vectors --space sound -o sound.npz
    """
    import numpy as np

    from segue.files import atomic_output

    check_target(output, (".npz", ".csv"))
    with open_library(library) as lib:
        space = space or lib.default_space()
        ids, vectors = lib.vectors(space)
        paths = {track.id: str(track.path) for track in lib.tracks()}
    files = [paths[track] for track in ids.tolist()]
    with atomic_output(output) as partial, partial.open("wb") as file:
        if output.suffix.lower() == ".npz":
            np.savez(file, ids=ids, paths=np.array(files), vectors=vectors)
        else:
            file.write(_csv(ids.tolist(), files, vectors.tolist()).encode("utf-8", "replace"))
    if json:
        print_json("export", {"path": display_path(output), "space": space, "tracks": len(ids)})
    else:
        say(f"wrote {count_of(len(ids), 'vector')} of the space {space} to {display_path(output)}")


def _csv(ids: list[int], paths: list[str], vectors: list[list[float]]) -> str:
    """Return a table with one row for each track."""
    import csv
    from io import StringIO

    text = StringIO()
    table = csv.writer(text)
    table.writerow(["id", "path", *range(1, 1 + len(vectors[0]) if vectors else 1)])
    for track, path, vector in zip(ids, paths, vectors, strict=True):
        table.writerow([track, path, *(f"{number:.7g}" for number in vector)])
    return text.getvalue()

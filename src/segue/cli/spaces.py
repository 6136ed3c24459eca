"""The command `spaces`."""

from segue.cli import options as opt
from segue.cli.app import command, open_library
from segue.cli.output import count_of, print_json, print_table


@command("Explore")
def spaces(library: opt.Library = None, json: opt.Json = False) -> None:
    """List the embedding spaces that tracks are compared in.

    Example: segue spaces
    """
    with open_library(library) as lib:
        infos = lib.spaces()
    if json:
        fields = [
            {
                "name": info.space.name,
                "kind": info.space.kind,
                "dimension": info.space.dimension,
                "metric": info.space.metric,
                "model": info.space.model,
                "version": info.space.version,
                "tracks": info.tracks,
                "outdated": info.outdated,
                "trained": info.trained,
            }
            for info in infos
        ]
        print_json("spaces", {"spaces": fields})
        return
    rows = [
        (
            info.space.name,
            info.space.kind,
            info.tracks,
            info.space.dimension,
            "trained here" if info.trained else "",
            "made by an older Segue: run `segue add` again" if info.outdated else "",
        )
        for info in infos
    ]
    print_table(
        count_of(len(rows), "space"), ("name", "medium", "tracks", "dimensions", "", ""), rows
    )

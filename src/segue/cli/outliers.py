"""The command `outliers`."""

from segue.cli import options as opt
from segue.cli.app import command, open_library
from segue.cli.output import print_json, print_table, track_fields


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
        found = lib.atlas.outliers(n, space=space, all_sounds=all_sounds)
    if json:
        fields = [
            {
                "track": track_fields(outlier.track),
                "apart": outlier.factor,
                "nearest": track_fields(outlier.nearest),
                "similarity": outlier.similarity,
            }
            for outlier in found
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
        for outlier in found
    ]
    print_table(
        "least similar to any other track",
        ("outlier factor", "id", "title", "artist", "similarity", "to its nearest"),
        rows,
    )

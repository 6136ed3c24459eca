"""The commands `spaces` and `evaluate`: embedding spaces, and how well they retrieve."""

from typing import Annotated, Literal

import typer

from segue.cli import options as opt
from segue.cli.app import command, open_library
from segue.cli.output import count_of, print_json, print_table, say


@command("Learn")
def evaluate(
    by: Annotated[
        Literal["album", "artist", "genre"],
        typer.Option(help="Label that neighbours should share."),
    ] = "album",
    artist_filter: Annotated[
        bool,
        typer.Option("--artist-filter", help="Neighbours without those by the query's artist."),
    ] = False,
    metric: opt.Metric = "cosine",
    seed: opt.Seed = 0,
    all_sounds: opt.AllSounds = False,
    library: opt.Library = None,
    json: opt.Json = False,
) -> None:
    """Measure how well each space retrieves albums or artists.

    Each track with a label of at least three tracks is a query; P@1 and P@5 are the shares of its
    nearest 1 and 5 neighbours that have its label, macro the mean over labels instead of tracks. Of
    more than 2,000 such tracks, a random sample of 2,000 is used. The interval is a 95 % bootstrap
    over labels. A trained space that holds no label of three tracks is left out; one that holds
    fewer tracks has fewer queries.

    Example: segue evaluate --by artist
    """
    from segue.evaluation.retrieval import bootstrap_interval

    with open_library(library) as lib:
        results = lib.evaluate(
            by, artist_filter=artist_filter, metric=metric, seed=seed, all_sounds=all_sounds
        )
        trained = [info.space.name for info in lib.spaces() if info.trained]
    rows = []
    for name, result in results.items():
        estimate = bootstrap_interval([result], "precision_at_1", seed=seed)
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
        settings = {"by": by, "artist_filter": artist_filter, "metric": metric}
        print_json("evaluate", {**settings, "spaces": rows})
        return
    print_table(
        f"by {by}, {metric}{', other artists only' if artist_filter else ''}",
        (
            "space", "P@1", "low", "high", "P@5", "macro P@1", "macro P@5", "mAP",
            "queries", "labels", "chance",
        ),
        [tuple(value for key, value in row.items() if key != "drawn_from") for row in rows],
    )  # fmt: skip
    if drawn_from := max(result.drawn_from for result in results.values()):
        say(f"the queries are a random sample of up to {drawn_from:,} tracks (--seed)")
    if seen := [name for name in trained if name in results]:
        say(
            f"trained on these very tracks: {', '.join(seen)}; with --labels also on these very "
            "labels, so that their figures do not carry over to other music"
        )


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

"""The commands `models`, `spaces` and `evaluate`."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from segue.cli import options as opt
from segue.cli.app import command, command_group, count_progress, open_library, subcommand
from segue.cli.output import (
    count_of,
    failure_fields,
    print_failures,
    print_json,
    print_table,
    say,
)

if TYPE_CHECKING:
    from segue.training.models import ModelInfo


models_app = command_group("Learn", "models", "List and remove trained models.")


@models_app.callback(invoke_without_command=True)
def models(context: typer.Context, library: opt.Library = None, json: opt.Json = False) -> None:
    """List and remove trained models.

    Models that come with Segue are listed, too; the spaces that come with it by `segue spaces`.

    Example: segue models
    """
    if context.invoked_subcommand:
        return
    with open_library(library, required=False) as lib:
        infos = lib.learning.models()
    if json:
        print_json("models", {"models": [_fields(info) for info in infos]})
        return
    own = sum(info.from_library for info in infos)
    print_table(
        f"{own} trained on this library, {len(infos) - own} models that come with Segue",
        ("name", "for", "from", "trained", "MB", "used by", ""),
        [
            (
                info.name,
                info.kind,
                "this library" if info.from_library else "Segue",
                f"{info.learned_at:%Y-%m-%d %H:%M}" if info.learned_at else "",
                f"{info.size_bytes / 1e6:.1f}" if info.from_library else "",
                info.used_by,
                info.note,
            )
            for info in infos
        ],
    )


@subcommand(models_app)
def remove(
    names: Annotated[
        list[str], typer.Argument(help="Names of models or spaces, as `segue models` lists them.")
    ],
    library: opt.Library = None,
    json: opt.Json = False,
) -> None:
    """Remove trained models and spaces, with all their files.

    Models that come with Segue stay, and are used again where one of yours replaced them.

    Example: segue models remove my-notes
    """
    with open_library(library) as lib:
        removed = [lib.learning.remove(name) for name in names]
    if json:
        print_json("models", {"models": [_fields(info) for info in removed]})
        return
    for info in removed:
        say(f"removed {info.name}" + (f" ({info.kind})" if info.kind else ""))


def _fields(info: "ModelInfo") -> dict[str, Any]:
    return {
        "name": info.name,
        "kind": info.kind,
        "own": info.from_library,
        "used_by": info.used_by,
        "note": info.note,
        "learned_at": info.learned_at.isoformat() if info.learned_at else None,
        "size_bytes": info.size_bytes,
    }


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


spaces_app = command_group("Explore", "spaces", "List the embedding spaces, and add encoders.")


@spaces_app.callback(invoke_without_command=True)
def spaces(context: typer.Context, library: opt.Library = None, json: opt.Json = False) -> None:
    """List the embedding spaces that tracks are compared in, and add encoders of recordings.

    Example: segue spaces
    """
    if context.invoked_subcommand:
        return
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


@subcommand(spaces_app)
def add(
    name: Annotated[str, typer.Argument(help="Name of the space.")],
    source: Annotated[
        str,
        typer.Option(
            "--from",
            help="Encoder of recordings: hf:OWNER/NAME of the Hugging Face Hub, or the folder of "
            "one in the format of transformers.",
        ),
    ],
    workers: opt.Workers = None,
    library: opt.Library = None,
    json: opt.Json = False,
) -> None:
    """Add a space of an encoder of recordings, such as CLAP or wav2vec 2.0.

    Only with hf: is anything downloaded, and then that model alone. It needs segue[hub], and
    weights in safetensors files; code that comes with a model is never run. Later recordings are
    embedded by `segue add`. With a model of the type CLAP, any text finds recordings: segue like
    "rain on a tin roof" --space clap.

    Example: segue spaces add clap --from hf:laion/clap-htsat-unfused
    """
    with open_library(library) as lib, count_progress("embedding recordings") as watch:
        added = lib.learning.add_space(name, source, workers=workers, watch=watch)
    if json:
        fields = {
            "space": name,
            "kind": added.space.kind,
            "dimension": added.space.dimension,
            "model": added.source,
            "text": added.embeds_text,
            "tracks": added.tracks,
        }
        print_json("spaces-add", {**fields, "failures": failure_fields(added.failures)})
        return
    print_failures("not embedded", added.failures)
    query = '"calm piano"' if added.embeds_text else "TRACK"
    say(
        f"{count_of(added.tracks, 'recording')} in the space {name}, of {added.space.dimension} "
        f"dimensions: segue like {query} --space {name}"
    )


@subcommand(spaces_app)
def update(
    workers: opt.Workers = None, library: opt.Library = None, json: opt.Json = False
) -> None:
    """Embed new recordings in the spaces of encoders that were added.

    Example: segue spaces update
    """
    with open_library(library) as lib, count_progress("embedding recordings") as watch:
        failed = lib.learning.update_spaces(workers=workers, watch=watch)
        tracks = {info.space.name: info.tracks for info in lib.spaces() if info.trained}
    if json:
        print_json("spaces-update", {"tracks": tracks, "failures": failure_fields(failed)})
        return
    print_failures("not embedded", failed)
    for name, count in tracks.items():
        say(f"{name}: {count_of(count, 'track')}")

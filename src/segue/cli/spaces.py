"""Commands that look into spaces and learned models.

Commands that look into a library: its spaces, and how good they are.

Commands that list what was learned, and take it out.

Commands that look into learned spaces: what they keep of a track, and what they listen to.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from segue.cli.app import (
    AllSounds,
    JsonOption,
    LibraryOption,
    MetricOption,
    SpaceOption,
    app,
    check_target,
    live_line,
    open_library,
    use_threads,
)
from segue.cli.output import counted, label, not_in_four, print_json, print_table, say, shown
from segue.errors import BadArgument

if TYPE_CHECKING:
    from segue.library import Library
    from segue.score.piano_roll import BoolArray, PianoRoll
    from segue.training.models import ModelInfo


# --- looking ---

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
    from segue.evaluation.retrieval import bootstrap_interval

    with open_library(library) as lib:
        table = lib.evaluate(
            by, artist_filter=artist_filter, metric=metric, seed=seed, all_sounds=all_sounds
        )
        learned = [info.space.name for info in lib.spaces() if info.trained]
    rows = []
    for name, result in table.items():
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

    from segue.files import atomic_output

    check_target(output, (".npz", ".csv"))
    with open_library(library) as lib:
        space = space or lib.default_space()
        ids, vectors = lib.vectors(space)
        paths = {track.id: str(track.path) for track in lib.tracks()}
    named = [paths[track] for track in ids.tolist()]
    with atomic_output(output) as partial, partial.open("wb") as file:
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


# --- models ---

models_app = typer.Typer(help="List what was learned, and take it out.")
app.add_typer(models_app, name="models")


@models_app.callback(invoke_without_command=True)
def models(context: typer.Context, library: LibraryOption = None, json: JsonOption = False) -> None:
    """List the models that come with Segue, and what was learned in the library.

    Spaces that come with Segue are listed by `segue spaces`.

    Example: segue models
    """
    if context.invoked_subcommand:
        return
    with open_library(library, needed=False) as lib:
        found = lib.learning.models()
    if json:
        print_json("models", {"models": [_fields(info) for info in found]})
        return
    print_table(
        f"{sum(info.from_library for info in found)} learned in this library, "
        f"{sum(not info.from_library for info in found)} models that come with Segue",
        ("name", "for", "from", "learned", "MB", "used by", ""),
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
            for info in found
        ],
    )


@models_app.command()
def remove(
    names: Annotated[list[str], typer.Argument(help="Models or spaces, as `segue models` lists.")],
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Take out models and spaces that were learned in the library, with all their files.

    What comes with Segue stays, and answers again where one of yours stood in its place.

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


# --- learned ---

_PICTURES = (".png", ".svg", ".pdf")
_RATE_HZ = 44_100
#: What is said of a space, from which share of the notes on that came back.
_VERDICTS: Final = (
    (0.75, "keeps this piece well"),
    (0.4, "keeps part of this piece"),
    (0.15, "keeps little of this piece"),
    (0.0, "cannot draw this piece"),
)


@app.command()
def reconstruct(
    query: Annotated[str, typer.Argument(help="A track's id, file, or words of its title.")],
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            help="A picture (.png, .svg, .pdf), .wav to hear; of scores also .mid, .musicxml, .mxl "
            "and .abc.",
        ),
    ],
    space: Annotated[
        str | None,
        typer.Option(
            help="A space learned with `segue train`; else learned, and roll-vae of scores."
        ),
    ] = None,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Show, or let hear, what a learned space keeps of a track.

    Of a recording, the picture has the spectrogram, its reconstruction, their difference and the
    encoded image; in the sound the phases are guessed. Of a score, it has the piano roll and its
    reconstruction, which is what is written (with the picture beside it) or played; bars in other
    time signatures than 4/4 are left out.

    Example: segue reconstruct 3 --space dual-axis -o three.png
    """
    use_threads(1)
    with open_library(library, needed=False) as lib, live_line("reading"):
        kind = lib.kind(query)
        if kind == "lyrics":
            raise BadArgument(f"{query} is lyrics; name a recording or a score")
        if kind == "score":
            told: dict[str, Any] = _reconstruct_score(lib, query, space or "roll-vae", output)
        else:
            told = _reconstruct_recording(lib, query, space or "learned", output)
    if json:
        print_json("reconstruct", {"path": shown(output), **told})
        return
    say(f"wrote {shown(output)}")
    if "notes" in told:
        say(_kept(told))
    else:
        error = told["mean_square_error"]
        say(f"mean square error {error:.5f}, of levels from 0 to 1: 0 is the same")


def _kept(told: dict[str, Any]) -> str:
    """Say how much of a score came back from a space of piano rolls."""
    share = told["notes_found"] / max(told["notes"], 1)
    verdict = next(said for least, said in _VERDICTS if share >= least)
    said = (
        f"of {told['notes']} notes {told['notes_found']} came back at their place, with "
        f"{told['notes_made'] - told['notes_found']} others: the space {told['space']} {verdict}"
    )
    if told["bars_left_out"]:
        said += f"; {not_in_four(told['bars_left_out'])}"
    return said


def _reconstruct_recording(
    lib: "Library", query: str, space: str, output: Path
) -> dict[str, float]:
    made = lib.learning.reconstruct(query, space)
    if output.suffix.lower() == ".wav":
        from segue.audio.spectrogram import SAMPLE_RATE_HZ, sound_of_image
        from segue.io.audio import write_wav

        write_wav(output, sound_of_image(made.reconstruction, made.kind), SAMPLE_RATE_HZ)
    else:
        from segue.render.plots import draw_reconstruction

        title = f"{label(made.track)}, space {space}"
        draw_reconstruction(made.image, made.reconstruction, made.code, made.kind, output, title)
    return {"mean_square_error": float(((made.image - made.reconstruction) ** 2).mean())}


def _reconstruct_score(lib: "Library", query: str, space: str, output: Path) -> dict[str, Any]:
    from segue.evaluation.generated import note_scores
    from segue.io.audio import write_wav
    from segue.io.scores import WRITTEN_SUFFIXES, write_score
    from segue.render.piano_roll_plots import draw_piano_rolls
    from segue.score.harmony import with_estimated_key
    from segue.score.synthesis import synthesise

    check_target(output, (*WRITTEN_SUFFIXES, ".wav", *_PICTURES))
    roll, made = lib.scores.reconstruct(query, space=space)
    score = made.to_score(f"{query}, given back by {space}")
    suffix = output.suffix.lower()
    if suffix in WRITTEN_SUFFIXES:
        write_score(with_estimated_key(score), output)
    if suffix == ".wav":
        write_wav(output, synthesise(score, _RATE_HZ), _RATE_HZ)
    else:
        picture = output if suffix in _PICTURES else output.with_suffix(".png")
        pair = [("as it is written", roll), (f"given back by {space}", made)]
        draw_piano_rolls(pair, picture, title=query, columns=1)
    found = note_scores(_instruments(made), _instruments(roll))
    return {
        "note_f1": found.f1,
        "space": space,
        "notes": found.reference,
        "notes_found": found.matched,
        "notes_made": found.estimated,
        "bars_left_out": roll.skipped_bars,
    }


def _instruments(roll: "PianoRoll") -> "BoolArray":
    """Put the instruments of a roll one after another, as windows of their own."""
    _, _, pitches, instruments = roll.cells.shape
    return roll.cells.transpose(3, 0, 1, 2).reshape(instruments, -1, pitches)


@app.command()
def filters(
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The picture: .png, .svg or .pdf.")
    ],
    space: Annotated[str, typer.Option(help="A space learned with `segue train`.")] = "learned",
    tracks: Annotated[int, typer.Option(min=1, help="How many are named by each.")] = 3,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Draw what a learned space's first filters look like, and which tracks excite them.

    Example: segue filters --space dual-axis -o filters.png
    """
    from segue.render.plots import draw_filters

    with open_library(library) as lib:
        found = lib.learning.filters(space, tracks=tracks)
    draw_filters(found, output, f"first filters of the space {space}")
    if json:
        fields = [{"layer": one.layer, "tracks": list(one.tracks)} for one in found]
        print_json("filters", {"path": shown(output), "filters": fields})
    else:
        say(f"wrote {len(found)} filters to {shown(output)}")

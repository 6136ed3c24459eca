"""The command groups `tags` and `export`: data for other programs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from segue.cli import options as opt
from segue.cli.app import command_group, open_library, subcommand
from segue.cli.output import count_of, display_path, print_json, print_table, sanitize, say
from segue.cli.output_files import check_target

if TYPE_CHECKING:
    from segue.ingest.tag_writing import TagReport


tags_app = command_group(
    "Share", "tags", "Write tempo, key and mood into the files' tags.", no_args_is_help=True
)
_MOST_SHOWN: Final = 40


@subcommand(tags_app)
def write(
    queries: opt.Queries = None,
    bpm: Annotated[bool, typer.Option("--bpm", help="Tempo in BPM.")] = False,
    key: Annotated[bool, typer.Option("--key", help="Musical key, as Am or C.")] = False,
    mood: Annotated[
        bool, typer.Option("--mood", help="One of eight moods, if one is clearly the strongest.")
    ] = False,
    min_confidence: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Minimum confidence of tempos and keys; by default 0.7."),
    ] = None,
    key_notation: Annotated[
        Literal["standard", "camelot", "openkey"],
        typer.Option(help="Notation of keys: Am and C, 8A and 8B, or 1m and 1d."),
    ] = "standard",
    all_sounds: opt.AllSounds = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="New values where a file has others as well.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List of the changes, without making them.")
    ] = False,
    library: opt.Library = None,
    json: opt.Json = False,
) -> None:
    """Write tempo, key and mood into the files' own tags.

    All tracks are written, or those that are named. Each file is changed in a copy that takes its
    place; the audio is never touched, and other hard links to the file keep the old content. Tags
    that a file has already are kept, unless --overwrite. Uncertain values are left out: tempos and
    keys below a confidence of 0.7, about one in ten of which would be wrong, and moods that are not
    clearly the strongest; so are tracks that are not music, unless --all. `segue tags undo`
    restores everything, except that ID3v2.2 stays ID3v2.3.

    Example: segue tags write --bpm --key --dry-run
    """
    fields = [name for name, on in (("bpm", bpm), ("key", key), ("mood", mood)) if on]
    with open_library(library) as lib:
        report = lib.file_tags.write(
            *(queries or ()),
            fields=fields,
            min_confidence=min_confidence,
            key_notation=key_notation,
            all_sounds=all_sounds,
            overwrite=overwrite,
            dry_run=dry_run,
        )
    _print_changes(report, "would be written" if dry_run else "written", json=json)


@subcommand(tags_app)
def undo(library: opt.Library = None, json: opt.Json = False) -> None:
    """Undo what the last `segue tags write` changed.

    Tags and audio are then the same as before. An MP3 is not the same byte for byte: its tags may
    take more room, so that programs which compare size or date see a changed file. Tags that were
    changed by another program in the meantime stay. Files that are gone are listed.

    Example: segue tags undo
    """
    with open_library(library) as lib:
        report = lib.file_tags.undo()
    _print_changes(report, "undone", json=json)


def _print_changes(report: "TagReport", verb: str, *, json: bool) -> None:
    if json:
        fields = {
            "done": verb,
            "changes": [
                {
                    "path": display_path(change.path),
                    "field": change.field,
                    "before": _format_values(change.before),
                    "written": _format_values(change.written),
                }
                for change in report.changes
            ],
            "kept": report.kept,
            "unsure": dict(report.unsure),
            "not_music": report.not_music,
            "failures": [
                {"path": display_path(failure.path), "reason": sanitize(failure.reason)}
                for failure in report.failures
            ],
        }
        print_json("tags", fields)
    else:
        rows = [
            (
                display_path(change.path),
                change.field,
                _format_values(change.before),
                _format_values(change.written),
            )
            for change in report.changes[:_MOST_SHOWN]
        ]
        if rows:
            print_table(
                f"{count_of(len(report.changes), 'field')} {verb}",
                ("file", "field", "before", "new"),
                rows,
            )
        if len(report.changes) > _MOST_SHOWN:
            say(f"… and {len(report.changes) - _MOST_SHOWN} more")
        say(f"{count_of(len(report.changes), 'field')} {verb}, {report.kept} kept as they are")
        if report.unsure:
            uncertain = ", ".join(f"{count} of {name}" for name, count in report.unsure.items())
            say(f"left out as too uncertain: {uncertain}; --min-confidence sets the limit")
        if report.not_music:
            tracks = count_of(report.not_music, "track")
            say(f"left out as no music: {tracks}; --all takes them, too")
        for failure in report.failures:
            say(f"failed: {sanitize(failure.reason)}")
    if report.failures:
        raise typer.Exit(1)


def _format_values(values: str) -> str:
    from segue.io.tags import SEPARATOR

    return values.replace(SEPARATOR, ", ")


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

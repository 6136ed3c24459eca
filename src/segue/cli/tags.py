"""The command group `tags`."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from segue.cli.app import AllSounds, JsonOption, LibraryOption, Queries, app, open_library
from segue.cli.output import counted, print_json, print_table, safe, say, shown
from segue.io.tag_writing import SEPARATOR

if TYPE_CHECKING:
    from segue.ingest.tag_writing import TagReport

tags_app = typer.Typer(help="Write what was found into the files' own tags.", no_args_is_help=True)
app.add_typer(tags_app, name="tags")
_SHOWN = 40


@tags_app.command("write")
def write(
    queries: Queries = None,
    bpm: Annotated[bool, typer.Option("--bpm", help="The tempo.")] = False,
    key: Annotated[bool, typer.Option("--key", help="The key, as Am or C.")] = False,
    mood: Annotated[
        bool, typer.Option("--mood", help="One of eight moods, where one stands out.")
    ] = False,
    min_confidence: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="Leave out tempos and keys less certain than this; else 0.7."
        ),
    ] = None,
    key_notation: Annotated[
        Literal["standard", "camelot", "openkey"],
        typer.Option(help="Keys as Am and C, as 8A and 8B, or as 1m and 1d."),
    ] = "standard",
    all_sounds: AllSounds = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Also where a file says something else.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Change nothing, only show what would be.")
    ] = False,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Write tempo, key and mood into the tags of the files themselves, of all or of some.

    Each file is changed in a copy that takes its place; the sound is never touched, and other
    hard links to the file keep what it was. What a file says already is kept, unless
    --overwrite. What is uncertain is left out: tempos and keys below a confidence of 0.7, of
    which about one in ten would be wrong, and moods that do not stand out; so is all that is no
    music, unless --all. `segue tags undo` puts everything back, but that ID3v2.2 stays ID3v2.3.

    Example: segue tags write --bpm --key --dry-run
    """
    fields = [name for name, on in (("bpm", bpm), ("key", key), ("mood", mood)) if on]
    with open_library(library) as lib:
        done = lib.file_tags.write(
            *(queries or ()),
            fields=fields,
            min_confidence=min_confidence,
            key_notation=key_notation,
            all_sounds=all_sounds,
            overwrite=overwrite,
            dry_run=dry_run,
        )
    _tell(done, "would be written" if dry_run else "written", json=json)


@tags_app.command("undo")
def undo(library: LibraryOption = None, json: JsonOption = False) -> None:
    """Put back what the last `segue tags write` changed.

    Tags and sound are then what they were. An MP3 is not the same byte for byte: its tags may take
    more room than before, so programs that compare size or date see a changed file. What somebody
    else changed since then stays. Files that are gone are listed, and forgotten.

    Example: segue tags undo
    """
    with open_library(library) as lib:
        done = lib.file_tags.undo()
    _tell(done, "undone", json=json)


def _tell(done: "TagReport", what: str, *, json: bool) -> None:
    if json:
        fields = {
            "done": what,
            "changes": [
                {
                    "path": shown(one.path),
                    "field": one.field,
                    "before": _told(one.before),
                    "written": _told(one.written),
                }
                for one in done.changes
            ],
            "kept": done.kept,
            "unsure": dict(done.unsure),
            "not_music": done.not_music,
            "failures": [
                {"path": shown(one.path), "reason": safe(one.reason)} for one in done.failures
            ],
        }
        print_json("tags", fields)
    else:
        rows = [
            (shown(one.path), one.field, _told(one.before), _told(one.written))
            for one in done.changes[:_SHOWN]
        ]
        if rows:
            print_table(
                f"{counted(len(done.changes), 'field')} {what}",
                ("file", "field", "before", "new"),
                rows,
            )
        if len(done.changes) > _SHOWN:
            say(f"… and {len(done.changes) - _SHOWN} more")
        say(f"{counted(len(done.changes), 'field')} {what}, {done.kept} kept as they are")
        if done.unsure:
            some = ", ".join(f"{count} of {name}" for name, count in done.unsure.items())
            say(f"left out as too uncertain: {some}; --min-confidence sets the limit")
        if done.not_music:
            say(f"left out as no music: {counted(done.not_music, 'track')}; --all takes them, too")
        for failure in done.failures:
            say(f"failed: {safe(failure.reason)}")
    if done.failures:
        raise typer.Exit(1)


def _told(values: str) -> str:
    return values.replace(SEPARATOR, ", ")

"""Commands that list what was learned, and take it out."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from segue.cli.app import JsonOption, LibraryOption, app, open_library
from segue.cli.output import print_json, print_table, say

if TYPE_CHECKING:
    from segue.learning.models import ModelInfo

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
        f"{sum(info.own for info in found)} learned in this library, "
        f"{sum(not info.own for info in found)} models that come with Segue",
        ("name", "for", "from", "learned", "MB", "used by", ""),
        [
            (
                info.name,
                info.kind,
                "this library" if info.own else "Segue",
                f"{info.learned_at:%Y-%m-%d %H:%M}" if info.learned_at else "",
                f"{info.size_bytes / 1e6:.1f}" if info.own else "",
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
        "own": info.own,
        "used_by": info.used_by,
        "note": info.note,
        "learned_at": info.learned_at.isoformat() if info.learned_at else None,
        "size_bytes": info.size_bytes,
    }

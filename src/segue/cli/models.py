"""The command group `models`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from segue.cli import options as opt
from segue.cli.app import command_group, open_library, subcommand
from segue.cli.output import print_json, print_table, say

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

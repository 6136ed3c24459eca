"""The command `interpolate`."""

from typing import Annotated

import typer

from segue.cli import options as opt
from segue.cli.app import command, open_library, progress, use_threads
from segue.cli.output import say, skipped_bars_text
from segue.cli.sample import print_rolls, write_rolls


@command("Create", old="blend")
def interpolate(
    first: opt.Score,
    last: opt.Score,
    output: opt.Folder,
    steps: Annotated[int, typer.Option(min=2, help="Number of steps, including both ends.")] = 8,
    space: opt.RollSpace = "roll-vae",
    library: opt.Library = None,
    json: opt.Json = False,
) -> None:
    """Interpolate between two scores in a latent space.

    Each step is decoded to four bars of 4/4, as a MIDI file; one more file has all of them, one
    after another, and a figure shows them. Bars in other time signatures are left out, and a score
    without a bar in 4/4 is refused. Of each score, the four bars that are most similar to the whole
    are taken.

    Example: segue interpolate "first tune" "second tune" --steps 8 -o between
    """
    use_threads(1)
    with open_library(library, required=False) as lib, progress("blending"):
        rolls = lib.scores.interpolate(first, last, steps, space=space)
    title = f"from {first} to {last}, in {space}"
    files = write_rolls(rolls, output, "blend", title, concatenated=True)
    print_rolls("blend", files, rolls, json=json, fields={"space": space})
    for name, roll in ((first, rolls[0]), (last, rolls[-1])):
        if roll.skipped_bars and not json:
            say(f"of {name} {skipped_bars_text(roll.skipped_bars)}")

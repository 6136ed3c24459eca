"""Commands that make scores from a space, or give one back."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segue.cli.app import JsonOption, LibraryOption, SeedOption, app, open_library
from segue.cli.output import print_json, say, shown
from segue.errors import BadArgument

if TYPE_CHECKING:
    from segue.represent.score.piano_roll import PianoRoll

_MOST_DRAWN = 64
RollSpace = Annotated[
    str, typer.Option(help="roll-vae, or a space learned with `segue train score`.")
]
Folder = Annotated[
    Path, typer.Option("-o", "--output", help="Folder for the MIDI files; made if need be.")
]


@app.command()
def sample(
    output: Folder,
    n: Annotated[int, typer.Option("-n", min=1, help="How many.")] = 4,
    space: RollSpace = "roll-vae",
    seed: SeedOption = 0,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Make new music: points drawn from a space, each decoded to four bars of five instruments.

    Writes a MIDI file each, and a picture of all.

    Example: segue sample -n 4 -o new
    """
    with open_library(library, needed=False) as lib:
        rolls = lib.scores.sample(n, space=space, seed=seed)
    files = _write(rolls, output, "sample", f"drawn from {space}, seed {seed}")
    _tell("sample", files, json=json)


@app.command()
def blend(
    first: Annotated[str, typer.Argument(help="A score's id, file, or words of its title.")],
    last: Annotated[str, typer.Argument(help="Likewise.")],
    output: Folder,
    steps: Annotated[int, typer.Option(min=2, help="How many, both ends counted.")] = 8,
    space: RollSpace = "roll-vae",
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Go from one score to another through a space: four bars at each step.

    Of each score, those four bars are taken that are most like the whole. Writes a MIDI file
    each, one of all after another, and a picture.

    Example: segue blend "first tune" "second tune" --steps 8 -o between
    """
    with open_library(library, needed=False) as lib:
        rolls = lib.scores.between(first, last, steps, space=space)
    files = _write(rolls, output, "blend", f"from {first} to {last}, in {space}", joined=True)
    _tell("blend", files, json=json)


def _write(
    rolls: "Sequence[PianoRoll]", folder: Path, name: str, title: str, *, joined: bool = False
) -> list[Path]:
    """Write rolls as MIDI files of their own, and a picture of all."""
    from segue.compose.rolls import joined as joined_rolls
    from segue.formats.score.midi import write_midi
    from segue.formats.whole import replacing
    from segue.pictures.rolls import draw_rolls

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadArgument(
            f"{shown(folder)} cannot be made: {error.strerror}; name another folder"
        ) from None
    width = len(str(len(rolls)))
    named = {f"{name}-{i:0{width}}": roll for i, roll in enumerate(rolls, start=1)}
    written = named | ({f"{name}-all": joined_rolls(rolls)} if joined else {})
    files = []
    for stem, roll in written.items():
        files.append(folder / f"{stem}.mid")
        with replacing(files[-1]) as partial:
            partial.write_bytes(write_midi(roll.to_score(stem)))
    files.append(folder / f"{name}.png")
    draw_rolls(list(named.items())[:_MOST_DRAWN], files[-1], title=title)
    return files


def _tell(name: str, files: Sequence[Path], *, json: bool) -> None:
    if json:
        print_json(name, {"files": [shown(file) for file in files]})
        return
    for file in files:
        say(f"wrote {shown(file)}")

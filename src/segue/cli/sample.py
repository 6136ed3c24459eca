"""The commands `sample`, `blend` and `reconstruct`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segue.cli.app import (
    JsonOption,
    LibraryOption,
    NewSeed,
    Threads,
    app,
    drawn,
    live_line,
    open_library,
    use_threads,
)
from segue.cli.output import not_in_four, print_json, say, shown
from segue.errors import BadArgument

if TYPE_CHECKING:
    from segue.score.piano_roll import PianoRoll

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
    seed: NewSeed = None,
    threads: Threads = 1,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Make new music: points drawn from a space, each decoded to four bars of five instruments.

    These spaces know 4/4 alone. What comes are sketches, some of them nearly empty; `segue compose`
    writes whole pieces, in other time signatures, too.
    Writes a MIDI file each, and a picture of all.

    Example: segue sample -n 4 -o new
    """
    use_threads(threads)
    seed = drawn(seed)
    with open_library(library, needed=False) as lib, live_line("drawing"):
        rolls = lib.scores.sample(n, space=space, seed=seed)
    files = _write(rolls, output, "sample", f"drawn from {space}, seed {seed}")
    _tell("sample", files, rolls, json=json, fields={"space": space, "seed": seed})
    if not json:
        say(f"seed {seed}: the same again with --seed {seed}")


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

    These spaces know 4/4 alone: bars in other time signatures are left out, and a score without one
    in 4/4 is refused. Of each score, those four bars are taken that are most like the whole.
    Writes a MIDI file each, one of all after another, and a picture.

    Example: segue blend "first tune" "second tune" --steps 8 -o between
    """
    use_threads(1)
    with open_library(library, needed=False) as lib, live_line("blending"):
        rolls = lib.scores.interpolate(first, last, steps, space=space)
    files = _write(rolls, output, "blend", f"from {first} to {last}, in {space}", joined=True)
    _tell("blend", files, rolls, json=json, fields={"space": space})
    for name, roll in ((first, rolls[0]), (last, rolls[-1])):
        if roll.skipped_bars and not json:
            say(f"of {name} {not_in_four(roll.skipped_bars)}")


def _write(
    rolls: "Sequence[PianoRoll]", folder: Path, name: str, title: str, *, joined: bool = False
) -> list[Path]:
    """Write rolls as MIDI files of their own, and a picture of all."""
    from segue.files import atomic_output
    from segue.io.midi import write_midi
    from segue.render.piano_roll_plots import draw_piano_rolls
    from segue.score.vae.sampling import concatenate as joined_rolls

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
        with atomic_output(files[-1]) as partial:
            partial.write_bytes(write_midi(roll.to_score(stem)))
    files.append(folder / f"{name}.png")
    draw_piano_rolls(list(named.items())[:_MOST_DRAWN], files[-1], title=title)
    return files


def _tell(
    name: str,
    files: Sequence[Path],
    rolls: "Sequence[PianoRoll]",
    *,
    json: bool,
    fields: dict[str, Any],
) -> None:
    from itertools import zip_longest

    if json:
        print_json(name, {"files": [shown(file) for file in files], **fields})
        return
    for file, roll in zip_longest(files, rolls):
        say(f"wrote {shown(file)}" + (f": {_told(roll)}" if roll is not None else ""))


def _told(roll: "PianoRoll") -> str:
    """Say who plays in a roll, and how much."""
    parts = roll.to_score("").parts
    if not parts:
        return "silence"
    notes = sum(len(part.notes) for part in parts)
    empty = int((~roll.cells.any(axis=(1, 2, 3))).sum())
    silent = f", {empty} of {len(roll.cells)} bars empty" if empty else ""
    return f"{', '.join(part.name for part in parts)}, {notes} notes{silent}"

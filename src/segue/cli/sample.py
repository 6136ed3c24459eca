"""The commands `sample` and `interpolate`: piano rolls from a latent space."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from segue.cli import options as opt
from segue.cli.app import command, open_library, progress, seed_or_new, use_threads
from segue.cli.output import display_path, print_json, say, skipped_bars_text
from segue.cli.output_files import make_folder

if TYPE_CHECKING:
    from segue.records import Score
    from segue.score.piano_roll import PianoRoll

_MOST_DRAWN: Final = 64


@command("Create")
def sample(
    output: opt.Folder,
    n: Annotated[int, typer.Option("-n", min=1, help="Number of samples.")] = 4,
    space: opt.RollSpace = "roll-vae",
    sketch: Annotated[
        bool,
        typer.Option("--sketch", help="Write the sketches as they are decoded."),
    ] = False,
    seed: opt.NewSeed = None,
    threads: opt.Threads = 1,
    library: opt.Library = None,
    json: opt.Json = False,
) -> None:
    """Sample passages of four bars from a latent space.

    Each begins as a point drawn at random, decoded to a sketch: four bars of 4/4 for up to five
    instruments. The composer goes on from the sketch, over its chords, four times; what is nearest
    to the point is written as a MIDI file, and its similarity to the point is printed. A figure
    shows all passages. `segue compose` writes whole pieces, in other time signatures as well.

    Example: segue sample -n 4 -o new
    """
    use_threads(threads)
    seed = seed_or_new(seed)
    fields: dict[str, Any] = {"space": space, "seed": seed}
    with open_library(library, required=False) as lib, progress("drawing") as show:
        if sketch:
            rolls, scores = lib.scores.sample(n, space=space, seed=seed), None
        else:
            composed = []
            for each in lib.scores.compose_samples(n, space=space, seed=seed):
                composed.append(each)
                show("composing", len(composed), n)
            rolls, scores = [each.roll for each in composed], [each.score for each in composed]
            fields["similarities"] = [each.similarity for each in composed]
    title = f"drawn from {space}, seed {seed}"
    files = write_rolls(rolls, output, "sample", title, scores=scores)
    print_rolls("sample", files, rolls, json=json, fields=fields)
    if not json:
        say(f"seed {seed}: the same again with --seed {seed}")


def write_rolls(
    rolls: "Sequence[PianoRoll]",
    folder: Path,
    name: str,
    title: str,
    *,
    scores: "Sequence[Score] | None" = None,
    concatenated: bool = False,
) -> list[Path]:
    """Write piano rolls as numbered MIDI files, and a figure of all of them.

    Parameters
    ----------
    rolls : sequence of PianoRoll
    folder : Path
        Folder of the files, created if it does not exist.
    name : str
        Beginning of the files' names.
    title : str
        Title of the figure.
    scores : sequence of Score, optional
        What the MIDI files are written from instead of the piano rolls.
    concatenated : bool
        Whether to write a MIDI file of all of them, one after another, as well.
    """
    from segue.files import atomic_output
    from segue.io.midi import write_midi
    from segue.render.piano_roll_plots import draw_piano_rolls
    from segue.score.vae.model import concatenate

    make_folder(folder)
    width = len(str(len(rolls)))
    single = {f"{name}-{i:0{width}}": roll for i, roll in enumerate(rolls, start=1)}
    drawn = single | ({f"{name}-all": concatenate(rolls)} if concatenated else {})
    music = scores or [roll.to_score() for roll in drawn.values()]
    files = []
    for stem, score in zip(drawn, music, strict=True):
        files.append(folder / f"{stem}.mid")
        with atomic_output(files[-1]) as partial:
            partial.write_bytes(write_midi(replace(score, title=stem)))
    files.append(folder / f"{name}.png")
    draw_piano_rolls(list(single.items())[:_MOST_DRAWN], files[-1], title=title)
    return files


def print_rolls(
    name: str,
    files: Sequence[Path],
    rolls: "Sequence[PianoRoll]",
    *,
    json: bool,
    fields: dict[str, Any],
) -> None:
    """Print what was written, as text or as JSON with these `fields`."""
    if json:
        print_json(name, {"files": [display_path(file) for file in files], **fields})
        return
    for file, roll in zip_longest(files, rolls):
        say(f"wrote {display_path(file)}" + (f": {_summary(roll)}" if roll is not None else ""))
    if similarities := fields.get("similarities"):
        listed = ", ".join(f"{each:.2f}" for each in similarities)
        say(f"cosine similarity to the points drawn, of 1 at most: {listed}")


def _summary(roll: "PianoRoll") -> str:
    """Return the instruments of a piano roll, and the number of its notes and empty bars."""
    parts = roll.to_score("").parts
    if not parts:
        return "silence"
    notes = sum(len(part.notes) for part in parts)
    empty = int((~roll.cells.any(axis=(1, 2, 3))).sum())
    silent = f", {empty} of {len(roll.cells)} bars empty" if empty else ""
    return f"{', '.join(part.name for part in parts)}, {notes} notes{silent}"


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

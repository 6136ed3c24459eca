"""The commands of latent spaces: `sample`, `interpolate`, `reconstruct` and `filters`."""

import os
from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from segue.cli import options as opt
from segue.cli.app import command, open_library, progress, seed_or_new, use_threads
from segue.cli.output import display_path, print_json, say, skipped_bars_text, track_label
from segue.cli.output_files import MUSIC_SUFFIXES, check_target, make_folder, write_music
from segue.errors import BadArgument
from segue.render import FIGURE_SUFFIXES

if TYPE_CHECKING:
    from segue.library import Library
    from segue.records import BoolArray, Score
    from segue.score.piano_roll import PianoRoll


_MOST_DRAWN: Final = 64
#: Minimum share of reconstructed notes, and the verdict on the space from there on.
_VERDICTS: Final = (
    (0.75, "keeps this piece well"),
    (0.4, "keeps part of this piece"),
    (0.15, "keeps little of this piece"),
    (0.0, "does not keep this piece"),
)


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
    title = f"sampled from {space}, seed {seed}"
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
    with open_library(library, required=False) as lib, progress("interpolating"):
        rolls = lib.scores.interpolate(first, last, steps, space=space)
    title = f"from {first} to {last}, in {space}"
    files = write_rolls(rolls, output, "blend", title, concatenated=True)
    print_rolls("blend", files, rolls, json=json, fields={"space": space})
    for name, roll in ((first, rolls[0]), (last, rolls[-1])):
        if roll.skipped_bars and not json:
            say(f"of {name} {skipped_bars_text(roll.skipped_bars)}")


@command("Learn")
def reconstruct(
    query: opt.Track,
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            help="Path of the output file: a figure (.png, .svg, .pdf), audio (.wav), or of a "
            "score also .mid, .musicxml, .mxl, .abc.",
        ),
    ],
    space: Annotated[
        str | None,
        typer.Option(
            help="Name of a space trained with `segue train`; by default learned for recordings, "
            "roll-vae for scores."
        ),
    ] = None,
    library: opt.Library = None,
    json: opt.Json = False,
) -> None:
    """Show or play what a trained space keeps of a track.

    Of a recording, the figure has the spectrogram, its reconstruction, their difference and the
    latent image; for audio, the phases are estimated. Of a score, it has the piano roll and its
    reconstruction, which is what is written (with the figure beside it) or played; bars in other
    time signatures than 4/4 are left out.

    Example: segue reconstruct 3 --space dual-axis -o three.png
    """
    from segue.library.scores import ROLL_VAE

    use_threads(1)
    with open_library(library, required=False) as lib, progress("reading"):
        kind = lib.kind(query)
        if kind == "lyrics":
            raise BadArgument(f"{query} is lyrics; name a recording or a score")
        if kind == "score":
            fields: dict[str, Any] = _reconstruct_score(lib, query, space or ROLL_VAE, output)
        elif space == ROLL_VAE:
            raise BadArgument(f"the space {space} holds scores, and {query} is a recording")
        else:
            fields = _reconstruct_recording(lib, query, space or "learned", output)
    if json:
        print_json("reconstruct", {"path": display_path(output), **fields})
        return
    say(f"wrote {display_path(output)}")
    if "notes" in fields:
        say(_format_note_scores(fields))
    else:
        error = fields["mean_square_error"]
        say(f"mean square error {error:.5f}, of levels from 0 to 1: 0 is the same")


def _format_note_scores(fields: dict[str, Any]) -> str:
    """Say how many notes of a score were reconstructed."""
    share = fields["notes_found"] / max(fields["notes"], 1)
    verdict = next(text for lowest, text in _VERDICTS if share >= lowest)
    others = fields["notes_made"] - fields["notes_found"]
    text = (
        f"of {fields['notes']} notes {fields['notes_found']} came back at their place, with "
        f"{others} others: the space {fields['space']} {verdict}"
    )
    if fields["bars_left_out"]:
        text += f"; {skipped_bars_text(fields['bars_left_out'])}"
    return text


def _reconstruct_recording(
    lib: "Library", query: str, space: str, output: Path
) -> dict[str, float]:
    result = lib.learning.reconstruct(query, space)
    if output.suffix.lower() == ".wav":
        from segue.audio.spectrogram import SAMPLE_RATE_HZ, image_to_audio
        from segue.io.audio import write_wav

        write_wav(output, image_to_audio(result.reconstruction, result.kind), SAMPLE_RATE_HZ)
    else:
        from segue.render.plots import draw_reconstruction

        title = f"{track_label(result.track)}, space {space}"
        draw_reconstruction(
            result.image, result.reconstruction, result.code, result.kind, output, title
        )
    return {"mean_square_error": float(((result.image - result.reconstruction) ** 2).mean())}


def _reconstruct_score(lib: "Library", query: str, space: str, output: Path) -> dict[str, Any]:
    from segue.evaluation.generated import note_scores
    from segue.render.piano_roll_plots import draw_piano_rolls

    check_target(output, MUSIC_SUFFIXES)
    roll, reconstruction = lib.scores.reconstruct(query, space=space)
    name = Path(query).name if os.path.lexists(query) else query  # its folder is private
    suffix = output.suffix.lower()
    if suffix not in FIGURE_SUFFIXES:
        write_music(reconstruction.to_score(f"{name}, reconstructed by {space}"), output)
    if suffix != ".wav":
        figure = output if suffix in FIGURE_SUFFIXES else output.with_suffix(".png")
        rolls = [("original", roll), (f"reconstructed by {space}", reconstruction)]
        draw_piano_rolls(rolls, figure, title=name, columns=1)
    scores = note_scores(_one_instrument_each(reconstruction), _one_instrument_each(roll))
    return {
        "note_f1": scores.f1,
        "space": space,
        "notes": scores.reference,
        "notes_found": scores.matched,
        "notes_made": scores.estimated,
        "bars_left_out": roll.skipped_bars,
    }


def _one_instrument_each(roll: "PianoRoll") -> "BoolArray":
    """Return the piano roll of each instrument, of shape (instruments, steps, pitches)."""
    _, _, pitches, instruments = roll.cells.shape
    return roll.cells.transpose(3, 0, 1, 2).reshape(instruments, -1, pitches)


@command("Learn")
def filters(
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Path of the figure: .png, .svg or .pdf.")
    ],
    space: Annotated[
        str, typer.Option(help="Name of a space trained with `segue train sound`.")
    ] = "learned",
    tracks: Annotated[
        int, typer.Option(min=1, help="Number of tracks that are named for each filter.")
    ] = 3,
    library: opt.Library = None,
    json: opt.Json = False,
) -> None:
    """Draw a trained space's first filters and their top tracks.

    Example: segue filters --space dual-axis -o filters.png
    """
    from segue.render.plots import draw_filters

    with open_library(library) as lib:
        layer_filters = lib.learning.filters(space, tracks=tracks)
    draw_filters(layer_filters, output, f"first filters of the space {space}")
    if json:
        fields = [{"layer": item.layer, "tracks": list(item.tracks)} for item in layer_filters]
        print_json("filters", {"path": display_path(output), "filters": fields})
    else:
        say(f"wrote {len(layer_filters)} filters to {display_path(output)}")

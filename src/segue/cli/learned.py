"""Commands that look into learned spaces: what they keep of a track, and what they listen to."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from segue.cli.app import (
    JsonOption,
    LibraryOption,
    app,
    check_target,
    live_line,
    open_library,
    use_threads,
)
from segue.cli.musical import not_in_four
from segue.cli.output import label, print_json, say, shown
from segue.errors import BadArgument

if TYPE_CHECKING:
    from segue.library import Library
    from segue.represent.score.piano_roll import BoolArray, PianoRoll

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
        from segue.formats.sound import write_wav
        from segue.represent.inverse import sound_of_image
        from segue.represent.sound import SAMPLE_RATE_HZ

        write_wav(output, sound_of_image(made.reconstruction, made.kind), SAMPLE_RATE_HZ)
    else:
        from segue.pictures.learned import draw_reconstruction

        title = f"{label(made.track)}, space {space}"
        draw_reconstruction(made.image, made.reconstruction, made.code, made.kind, output, title)
    return {"mean_square_error": float(((made.image - made.reconstruction) ** 2).mean())}


def _reconstruct_score(lib: "Library", query: str, space: str, output: Path) -> dict[str, Any]:
    from segue.formats.score import WRITTEN_SUFFIXES, write_score
    from segue.formats.sound import write_wav
    from segue.measure.rolls import note_scores
    from segue.pictures.rolls import draw_rolls
    from segue.represent.score.harmony import with_key
    from segue.represent.score.rendering import render

    check_target(output, (*WRITTEN_SUFFIXES, ".wav", *_PICTURES))
    roll, made = lib.scores.given_back(query, space=space)
    score = made.to_score(f"{query}, given back by {space}")
    suffix = output.suffix.lower()
    if suffix in WRITTEN_SUFFIXES:
        write_score(with_key(score), output)
    if suffix == ".wav":
        write_wav(output, render(score, _RATE_HZ), _RATE_HZ)
    else:
        picture = output if suffix in _PICTURES else output.with_suffix(".png")
        pair = [("as it is written", roll), (f"given back by {space}", made)]
        draw_rolls(pair, picture, title=query, columns=1)
    found = note_scores(_instruments(made), _instruments(roll))
    return {
        "note_f1": found.f1,
        "space": space,
        "notes": found.reference,
        "notes_found": found.found,
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
    from segue.pictures.learned import draw_filters

    with open_library(library) as lib:
        found = lib.learning.filters(space, tracks=tracks)
    draw_filters(found, output, f"first filters of the space {space}")
    if json:
        fields = [{"layer": one.layer, "tracks": list(one.tracks)} for one in found]
        print_json("filters", {"path": shown(output), "filters": fields})
    else:
        say(f"wrote {len(found)} filters to {shown(output)}")

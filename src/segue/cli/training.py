"""Commands that learn spaces from the library, and look into them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from segue.cli.app import JsonOption, LibraryOption, app, live_line, open_library
from segue.cli.output import print_json, print_table, say, shown

if TYPE_CHECKING:
    from segue.learning.places import Learned
    from segue.learning.places import Watcher as LearningWatcher
    from segue.train.loop import Watcher as TrainingWatcher

train_app = typer.Typer(help="Learn a space from your own library.", no_args_is_help=True)
app.add_typer(train_app, name="train")

Preset = Literal["default", "conv", "plain-2d", "dual-axis", "contrastive"]


@train_app.command("sound")
def train_sound(
    preset: Annotated[
        Preset,
        typer.Option(help="The network; dual-axis, plain-2d and conv as published."),
    ] = "default",
    space: Annotated[str | None, typer.Option(help="Name of the space; else the preset's.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Else the preset's.")] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0.01, help="Time to train; epochs are made to fit.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    seed: Annotated[int, typer.Option(min=0, help="Of all that is random.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where it stopped.")] = False,
    anew: Annotated[
        bool, typer.Option("--anew", help="Start over, even where a run could be resumed.")
    ] = False,
    learning_rate: Annotated[float | None, typer.Option(help="Else the preset's.")] = None,
    channels: Annotated[
        Literal["mel", "mel+mfcc+chroma"], typer.Option(help="What an image holds.")
    ] = "mel",
    recurrent: Annotated[
        bool, typer.Option("--recurrent", help="conv: a recurrent layer reads the image first.")
    ] = False,
    step: Annotated[
        str, typer.Option(help="With --recurrent: bar, beat, or a number of frames.")
    ] = "bar",
    stereo: Annotated[
        bool, typer.Option("--stereo", help="Two networks, one per channel.")
    ] = False,
    tiles: Annotated[
        int, typer.Option(min=1, help="A vector is the mean over so many tiles, at most.")
    ] = 32,
    labels: Annotated[
        Literal["", "album", "artist"], typer.Option(help="contrastive: also count as the same.")
    ] = "",
    start: Annotated[
        Literal["mel", "musicnn"], typer.Option("--from", help="contrastive: what it reads.")
    ] = "mel",
    workers: Annotated[int | None, typer.Option(min=1, help="Decoding processes.")] = None,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Learn a space of sound from the library, and place every track in it.

    Interrupt it as you like and go on with --resume: the result is the same. The space can
    then be asked with --space, and measured with `segue evaluate`.

    Example: segue train sound --preset dual-axis --minutes 20
    """
    from segue.train.sound_options import SoundTraining

    training = SoundTraining(
        preset=preset,
        epochs=epochs,
        minutes=minutes,
        device=device,
        seed=seed,
        learning_rate=learning_rate,
        channels=channels,
        step=step if recurrent else "",
        stereo=stereo,
        tiles=tiles,
        labels=labels,
        start=start,
    )
    name = space or ("learned" if preset == "default" else preset)
    with open_library(library) as lib, _progress() as (watch, watch_training):
        learned = lib.learning.train(
            name,
            training,
            resume=resume,
            anew=anew,
            workers=workers,
            watch=watch,
            watch_training=watch_training,
        )
    if json:
        print_json("train", _learned_fields(learned))
    else:
        _say_learned(learned)
    if learned.failures:
        raise typer.Exit(1)


@contextmanager
def _progress() -> "Iterator[tuple[LearningWatcher, TrainingWatcher]]":
    """Show what is read, then how the training goes."""
    from segue.train.loop import Progress as Step

    with live_line("reading") as show:

        def step(at: Step) -> None:
            validation = f"{at.validation_loss:.5f}" if at.validation_loss > 0 else "–"
            show(
                f"epoch {at.epoch}/{at.epochs}  loss {at.loss:.5f}  validation {validation}  "
                f"{at.items_per_second:.0f} tiles/s",
                (at.epoch - 1) * at.steps + at.step,
                at.epochs * at.steps,
            )

        yield show, step


def _learned_fields(learned: "Learned") -> dict[str, object]:
    best = learned.trained.best
    return {
        "space": learned.space,
        "tracks": learned.tracks,
        "epochs": len(learned.trained.history),
        "best_epoch": best.epoch,
        "loss": best.loss,
        "validation_loss": best.validation_loss,
        "seconds": learned.trained.history[-1].seconds,
        "stopped": learned.trained.stopped,
        "precision": learned.trained.precision,
        "left_out": learned.left_out,
        "failures": [
            {"path": shown(failure.path), "reason": failure.reason} for failure in learned.failures
        ],
        "folder": shown(learned.folder),
    }


def _say_learned(learned: "Learned") -> None:
    trained = learned.trained
    say(
        f"{len(trained.history)} epochs; {trained.stopped}; best was epoch {trained.best.epoch} "
        f"with validation loss {trained.best.validation_loss:.5f} "
        f"(training {trained.best.loss:.5f})"
    )
    if learned.left_out:
        say(f"{learned.left_out} tracks found no room in the cache and were left out")
    if learned.failures:
        print_table(
            "could not be read",
            ("file", "reason"),
            [(shown(failure.path), failure.reason) for failure in learned.failures],
        )
    say(
        f"{learned.tracks} tracks are in the space {learned.space!r} now; loss curve and model "
        f"in {shown(learned.folder)}"
    )
    say(f'Now:  segue like "a title" --space {learned.space}   and   segue evaluate')

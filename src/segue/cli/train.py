"""The command group `train`."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from segue.cli import options as opt
from segue.cli.app import command_group, open_library, progress, subcommand
from segue.cli.output import (
    count_of,
    display_path,
    failure_fields,
    format_duration,
    print_failures,
    print_json,
    say,
)
from segue.errors import BadArgument

if TYPE_CHECKING:
    from segue.nn.trainer import ProgressCallback, TrainingOptions
    from segue.training.run import TrainingResult, Watcher

train_app = command_group(
    "Learn", "train", "Train models on your own library.", no_args_is_help=True
)

Epochs = Annotated[
    int | None, typer.Option(min=1, help="Number of epochs; by default the preset's.")
]
Minutes = Annotated[
    float | None,
    typer.Option(
        min=0.01,
        help="Training time in minutes, which the number of epochs is fitted to. Reading the files "
        "comes before, and is not counted.",
    ),
]
Device = Annotated[
    Literal["auto", "cpu", "cuda", "mps"], typer.Option(help="Device that the model is trained on.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Continuation of a run that was stopped.")]
Restart = Annotated[
    bool, typer.Option("--restart", help="A new run, even if there is one that can be resumed.")
]
LearningRate = Annotated[float | None, typer.Option(help="Learning rate; by default the preset's.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Number of decoding processes.")]


@subcommand(train_app, "sound")
def train_sound(
    preset: Annotated[
        Literal["default", "conv", "plain-2d", "dual-axis", "contrastive"],
        typer.Option(help="Architecture; dual-axis, plain-2d and conv as published."),
    ] = "default",
    space: Annotated[
        str | None, typer.Option(help="Name of the space; by default the preset's.")
    ] = None,
    epochs: Epochs = None,
    minutes: Minutes = None,
    device: Device = "auto",
    seed: opt.Seed = 0,
    resume: Resume = False,
    restart: Restart = False,
    learning_rate: LearningRate = None,
    channels: Annotated[
        Literal["mel", "mel+mfcc+chroma"], typer.Option(help="Input features of the network.")
    ] = "mel",
    recurrent: Annotated[
        bool,
        typer.Option("--recurrent", help="Recurrent layer before the convolutions, for conv."),
    ] = False,
    step: Annotated[
        str,
        typer.Option(help="Step of --recurrent: bar, beat, or a number of frames."),
    ] = "bar",
    stereo: Annotated[bool, typer.Option("--stereo", help="One network for each channel.")] = False,
    tiles: Annotated[
        int, typer.Option(min=1, help="Maximum number of tiles whose mean is the embedding.")
    ] = 32,
    labels: Annotated[
        Literal["", "album", "artist"],
        typer.Option(help="Tracks that are positive pairs as well, for contrastive."),
    ] = "",
    start: Annotated[
        Literal["mel", "musicnn"],
        typer.Option("--from", help="Input of the network, for contrastive."),
    ] = "mel",
    workers: Workers = None,
    library: opt.Library = None,
    json: opt.Json = False,
) -> None:
    """Train an embedding space of recordings.

    Every recording of the library is then embedded in it: name it with --space, and measure it with
    `segue evaluate`. A run that was interrupted goes on with --resume, with the same result.

    Example: segue train sound --preset dual-axis --minutes 20
    """
    from segue.audio.training import SoundTraining

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
    _train(name, training, _Run(resume, restart, workers, library, json))


@subcommand(train_app, "score")
def train_score(
    preset: Annotated[
        Literal["roll-vae", "note-lstm", "transformer", "melody"],
        typer.Option(
            help="Model: an autoencoder of piano rolls, which gives an embedding space; a language "
            "model of notes, for `segue explain`; a transformer, for `segue compose`; or one of "
            "melodies over chords, for `segue melody`."
        ),
    ] = "roll-vae",
    encoder: Annotated[
        Literal["default", "conv", "lstm"],
        typer.Option(
            help="Encoder of roll-vae: conv as published, lstm as its author planned, or Segue's."
        ),
    ] = "default",
    convolutions: Annotated[
        int, typer.Option(help="Number of convolutions of --encoder conv: 2 or 3.")
    ] = 2,
    beta: Annotated[
        float | None,
        typer.Option(help="Weight of the Kullback-Leibler divergence; by default the preset's."),
    ] = None,
    warm_up: Annotated[
        int, typer.Option(min=0, help="Number of steps over which that weight rises from 0.")
    ] = 200,
    space: Annotated[
        str | None,
        typer.Option(
            help="Name of the space or model; by default learned-rolls, my-notes, my-composer or "
            "my-melodies."
        ),
    ] = None,
    start: Annotated[
        str,
        typer.Option(
            "--from",
            help="Model to fine-tune, for transformer and melody: shipped, or the name of yours.",
        ),
    ] = "",
    epochs: Epochs = None,
    minutes: Minutes = None,
    device: Device = "auto",
    seed: opt.Seed = 0,
    resume: Resume = False,
    restart: Restart = False,
    learning_rate: LearningRate = None,
    workers: Workers = None,
    library: opt.Library = None,
    json: opt.Json = False,
) -> None:
    """Train a space or a generative model of scores.

    The training set of roll-vae are the bars in 4/4; scores without one are not embedded. Every
    other score is: name the space with --space, also for `segue sample`, `interpolate` and
    `reconstruct`. The other presets train generative models: note-lstm on sequences of notes,
    chords and durations, transformer on whole scores, melody on the melodies of all scores over
    their estimated chords. The last two are much sooner worth hearing with --from shipped. A run
    that was interrupted goes on with --resume, with the same result.

    Example: segue train score --preset melody --from shipped --minutes 20
    """
    if preset != "roll-vae" and (encoder != "default" or convolutions != 2 or beta is not None):
        raise BadArgument("--encoder, --convolutions and --beta belong to --preset roll-vae")
    if start and preset not in {"transformer", "melody"}:
        raise BadArgument("--from belongs to --preset transformer and --preset melody")
    shared: dict[str, Any] = {"minutes": minutes, "device": device, "seed": seed}
    given = {"epochs": epochs, "learning_rate": learning_rate}
    shared |= {name: value for name, value in given.items() if value}
    training: TrainingOptions
    if preset == "melody":
        from segue.generate.melody.training import FINE_TUNING_RATE, MelodyTraining

        if start:
            shared.setdefault("learning_rate", FINE_TUNING_RATE)
        name, training = "my-melodies", MelodyTraining(start=start, **shared)
    elif preset == "transformer":
        from segue.generate.compose.training import ComposerTraining

        name, training = "my-composer", ComposerTraining(start=start, **shared)
    elif preset == "note-lstm":
        from segue.generate.notes.training import NoteTraining

        name, training = "my-notes", NoteTraining(**shared)
    else:
        from segue.score.vae.training import ScoreTraining

        name, training = (
            "learned-rolls",
            ScoreTraining(
                encoder=encoder, convolutions=convolutions, beta=beta, warm_up=warm_up, **shared
            ),
        )
    examples = "" if preset == "roll-vae" else "scores"
    _train(space or name, training, _Run(resume, restart, workers, library, json), examples)


@subcommand(train_app, "lyrics")
def train_lyrics(
    preset: Annotated[
        Literal["default", "transformer", "char-lstm", "char-lstm-4x256"],
        typer.Option(help="Architecture; char-lstm and char-lstm-4x256 as published."),
    ] = "default",
    artist: Annotated[
        str, typer.Option(help="Artist of the training set; by default all artists.")
    ] = "",
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Model to fine-tune: base, the bundled one of the language of the songs; base-en, "
            "base-de, base-es, base-fr or base-it; or the name of yours; scratch for none; or a "
            "language model of another maker: hf:OWNER/NAME of the Hugging Face Hub, the path of "
            "its folder, or gguf:PATH. By default base for an artist with the default preset, else "
            "scratch.",
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(help="Name of the model; by default my-lyrics, or lyrics-ARTIST."),
    ] = None,
    epochs: Epochs = None,
    minutes: Minutes = None,
    device: Device = "auto",
    seed: opt.Seed = 0,
    resume: Resume = False,
    restart: Restart = False,
    learning_rate: LearningRate = None,
    library: opt.Library = None,
    json: opt.Json = False,
) -> None:
    """Train a character-level language model of lyrics.

    Without --artist, the training set is all lyrics of the library, and the model can then write in
    the style of each artist; with it, a bundled model in the artist's language is fine-tuned to
    that style in a minute or two. A tenth of the songs is the validation set, another the test set.
    A run that was interrupted goes on with --resume, with the same result. A language model of
    another maker, as GPT-2 or Llama, gets an adapter of the artist's style (LoRA); that needs the
    extra segue[llm]. Models of the Hub are downloaded, by this command alone. A model of llama.cpp
    is not trained: it writes after a prompt of the artist's songs.

    Example: segue train lyrics --artist "Robert Burns"
    """
    from segue.generate.lyrics.adapter_training import AdapterTraining
    from segue.generate.lyrics.training import LyricsTraining
    from segue.nn.pretrained import parse_base

    shared: dict[str, Any] = {
        "epochs": epochs,
        "learning_rate": learning_rate,
        "minutes": minutes,
        "device": device,
        "seed": seed,
    }
    base = parse_base(start) if start else None
    if base and preset != "default":
        raise BadArgument("--preset is the architecture of Segue's models: leave it or --from out")
    run = _Run(resume, restart, None, library, json)
    training: TrainingOptions
    with open_library(library) as lib:
        if artist:  # the user may have given a part of the name
            artist = lib.lyrics.artist(artist)
        model_name = name or lib.lyrics.model_name(artist)
    if base:
        training = AdapterTraining(artist=artist, base=str(base), **shared)
    else:
        if start is None:
            start = "base" if artist and preset == "default" else "scratch"
        start = {"scratch": "", "shipped": "base"}.get(start, start)
        training = LyricsTraining(preset=preset, artist=artist, start=start, **shared)
    _train(model_name, training, run, "songs")


@dataclass(frozen=True, slots=True)
class _Run:
    """Options of a run that do not depend on the model."""

    resume: bool
    restart: bool
    workers: int | None
    library: Path | None
    json: bool


def _train(name: str, training: "TrainingOptions", run: _Run, examples: str = "") -> None:
    """Train, and print progress and result.

    Parameters
    ----------
    name : str
        Name of the space or model.
    training : TrainingOptions
        Options of the model.
    run : _Run
        Options of the run.
    examples : str
        What the training set of a generative model consists of; "" for an embedding space.
    """
    began = time.monotonic()
    with (
        open_library(run.library) as lib,
        _training_progress("windows" if examples else "tiles") as (watch, watch_training),
    ):
        result = lib.learning.train(
            name,
            training,
            resume=run.resume,
            restart=run.restart,
            workers=run.workers,
            watch=watch,
            watch_training=watch_training,
        )
    if run.json:
        print_json("train", _result_fields(result))
    else:
        _print_result(result, examples, time.monotonic() - began)


@contextmanager
def _training_progress(unit: str) -> "Iterator[tuple[Watcher, ProgressCallback]]":
    """Show which files are read, then epoch, losses and speed."""
    from segue.nn.trainer import Progress as Step

    with progress("reading") as show:

        def show_step(step: Step) -> None:
            validation = f"{step.validation_loss:.5f}" if step.validation_loss > 0 else "–"
            parts = "".join(f"{name} {value:.4g}  " for name, value in step.loss_terms.items())
            show(
                f"epoch {step.epoch}/{step.epochs}  loss {step.loss:.5f}  validation {validation}  "
                f"{parts}{step.items_per_second:.0f} {unit}/s",
                (step.epoch - 1) * step.steps + step.step,
                step.epochs * step.steps,
            )

        yield show, show_step


def _result_fields(result: "TrainingResult") -> dict[str, object]:
    best = result.fit.best
    return {
        "space": result.name,
        "tracks": result.tracks,
        "epochs": len(result.fit.history),
        "best_epoch": best.epoch,
        "loss": best.loss,
        "validation_loss": best.validation_loss,
        "seconds": result.fit.history[-1].seconds,
        "stopped": result.fit.stopped,
        "precision": result.fit.precision,
        "left_out": result.left_out,
        "failures": failure_fields(result.failures),
        "folder": display_path(result.folder),
    }


def _print_result(result: "TrainingResult", examples: str, seconds: float) -> None:
    trained = result.fit
    training_s = trained.history[-1].seconds
    say(
        f"reading and getting ready took {format_duration(max(seconds - training_s, 0))}, training "
        f"{format_duration(training_s)}"
    )
    say(
        f"epochs: {len(trained.history)}; {trained.stopped}; best was epoch {trained.best.epoch} "
        f"with validation loss {trained.best.validation_loss:.5f} "
        f"(training {trained.best.loss:.5f})"
    )
    if result.left_out:
        say(f"{result.left_out} tracks found no room in the cache and were left out")
    failed = count_of(len(result.failures), "file")
    print_failures(f"{failed} could not be used; the others were", result.failures)
    files = f"loss curve and model in {display_path(result.folder)}"
    if examples:
        say(f"the model {result.name!r} was trained on {result.tracks} {examples}; {files}")
    else:
        say(f"{result.tracks} tracks are in the space {result.name!r} now; {files}")
    if result.remark:
        say(result.remark)
    say(f"Now:  {result.next_command}")

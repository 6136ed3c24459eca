"""The command group `train`."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from segue.cli.app import JsonOption, LibraryOption, app, live_line, open_library
from segue.cli.output import minutes, print_json, print_table, say, shown
from segue.errors import BadArgument

if TYPE_CHECKING:
    from segue.nn.trainer import ProgressCallback as TrainingWatcher
    from segue.training.kinds import Training
    from segue.training.spaces import TrainingResult
    from segue.training.spaces import Watcher as LearningWatcher

train_app = typer.Typer(help="Learn a space from your own library.", no_args_is_help=True)
app.add_typer(train_app, name="train")

Preset = Literal["default", "conv", "plain-2d", "dual-axis", "contrastive"]
Epochs = Annotated[int | None, typer.Option(min=1, help="Else the preset's.")]
Minutes = Annotated[
    float | None,
    typer.Option(
        min=0.01,
        help="Time to learn, counted from when all is read; epochs are made to fit. Reading comes "
        "before, and is not counted.",
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Seed = Annotated[int, typer.Option(min=0, help="Of all that is random.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where it stopped.")]
Anew = Annotated[
    bool, typer.Option("--anew", help="Start over, even where a run could be resumed.")
]
LearningRate = Annotated[float | None, typer.Option(help="Else the preset's.")]
Readers = Annotated[int | None, typer.Option(min=1, help="Decoding processes.")]


@train_app.command("sound")
def train_sound(
    preset: Annotated[
        Preset,
        typer.Option(help="The network; dual-axis, plain-2d and conv as published."),
    ] = "default",
    space: Annotated[str | None, typer.Option(help="Name of the space; else the preset's.")] = None,
    epochs: Epochs = None,
    minutes: Minutes = None,
    device: Device = "auto",
    seed: Seed = 0,
    resume: Resume = False,
    anew: Anew = False,
    learning_rate: LearningRate = None,
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
    workers: Readers = None,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Learn a space of sound from the library, and place every track in it.

    Interrupt it as you like and go on with --resume: the result is the same. The space can
    then be asked with --space, and measured with `segue evaluate`.

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
    run = _Run(resume, anew, workers, library, json)
    _train(name, training, run)


@train_app.command("score")
def train_score(
    preset: Annotated[
        Literal["roll-vae", "note-lstm", "transformer", "melody"],
        typer.Option(
            help="roll-vae: a space, by an autoencoder of piano rolls; note-lstm: no space, but "
            "what note follows what, for `segue explain`; transformer: for `segue compose`; "
            "melody: melodies over chords, for `segue melody`."
        ),
    ] = "roll-vae",
    encoder: Annotated[
        Literal["default", "conv", "lstm"],
        typer.Option(help="conv as published, lstm as its author wished, or Segue's own."),
    ] = "default",
    convolutions: Annotated[int, typer.Option(help="With --encoder conv: 2 or 3.")] = 2,
    beta: Annotated[
        float | None, typer.Option(help="Weight of the Kullback-Leibler term; else the preset's.")
    ] = None,
    warm_up: Annotated[
        int, typer.Option(min=0, help="Steps over which that weight rises to its full height.")
    ] = 200,
    space: Annotated[
        str | None,
        typer.Option(
            help="Name of the space, or of the model; else learned-rolls, my-notes, my-composer, "
            "my-melodies."
        ),
    ] = None,
    start: Annotated[
        str,
        typer.Option(
            "--from", help="transformer, melody: go on from 'shipped', or one of yours, by name."
        ),
    ] = "",
    epochs: Epochs = None,
    minutes: Minutes = None,
    device: Device = "auto",
    seed: Seed = 0,
    resume: Resume = False,
    anew: Anew = False,
    learning_rate: LearningRate = None,
    workers: Readers = None,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Learn a space of scores from the library, and place every score in it.

    It learns from the bars in 4/4; scores without one have no place in the space. Interrupt it
    as you like and go on with --resume: the result is the same. The space can then be asked
    with --space, and `segue sample`, `blend` and `reconstruct` take it, too. With --preset
    note-lstm it learns from all scores as sequences of notes, chords and durations; with --preset
    transformer to compose like them; with --preset melody from the melodies of all scores over the
    chords that are found in them. Both are much sooner worth hearing with --from shipped.

    Example: segue train score --preset melody --from shipped --minutes 20
    """
    if preset != "roll-vae" and (encoder != "default" or convolutions != 2 or beta is not None):
        raise BadArgument("--encoder, --convolutions and --beta belong to --preset roll-vae")
    if start and preset not in {"transformer", "melody"}:
        raise BadArgument("--from belongs to --preset transformer and --preset melody")
    run = _Run(resume, anew, workers, library, json)
    shared: dict[str, Any] = {"minutes": minutes, "device": device, "seed": seed}
    given = {"epochs": epochs, "learning_rate": learning_rate}
    shared |= {name: value for name, value in given.items() if value}
    if preset == "melody":
        from segue.generate.melody.training import FINE_TUNING_RATE, MelodyTraining

        name = space or "my-melodies"
        now = f'segue melody "Dm7 G7 | Cmaj7" --model {name} -o tune.mid'
        if start:
            shared.setdefault("learning_rate", FINE_TUNING_RATE)
        _train(name, MelodyTraining(start=start, **shared), run, now=now)
        return
    if preset == "transformer":
        from segue.generate.compose.training import ComposerTraining

        name = space or "my-composer"
        now = f"segue compose --model {name} -o new.mid"
        _train(name, ComposerTraining(start=start, **shared), run, now=now)
        return
    if preset == "note-lstm":
        from segue.generate.notes.training import NoteTraining

        name = space or "my-notes"
        now = f"segue explain A2 --model {name}   and   segue explain --theory --model {name}"
        _train(name, NoteTraining(**shared), run, now=now)
        return
    from segue.score.vae.training import ScoreTraining

    training = ScoreTraining(
        encoder=encoder, convolutions=convolutions, beta=beta, warm_up=warm_up, **shared
    )
    _train(space or "learned-rolls", training, run)


@train_app.command("lyrics")
def train_lyrics(
    preset: Annotated[
        Literal["default", "transformer", "char-lstm", "char-lstm-4x256"],
        typer.Option(help="The network; char-lstm and char-lstm-4x256 as published."),
    ] = "default",
    artist: Annotated[
        str, typer.Option(help="Whose songs to learn; else everybody's of the library.")
    ] = "",
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="base: go on from what comes with Segue; or a model of yours; scratch: begin "
            "anew. Else base for an artist with the default preset, scratch for everybody.",
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Of the model; else my-lyrics, or lyrics-ARTIST.")
    ] = None,
    epochs: Epochs = None,
    minutes: Minutes = None,
    device: Device = "auto",
    seed: Seed = 0,
    resume: Resume = False,
    anew: Anew = False,
    learning_rate: LearningRate = None,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Learn to write lyrics, letter by letter, from the words in the library.

    Without an artist it learns from everybody's words, and can then write like each; with one it
    takes a minute or two to learn that voice, from what the base knows of all. A tenth of the
    songs judges while it learns, another tests what came of it. Interrupt it as you like and go
    on with --resume: the result is the same.

    Example: segue train lyrics --artist "Robert Burns"
    """
    from segue.generate.lyrics.training import LyricsTraining

    with open_library(library) as lib:
        if artist:  # whatever part of the name it is called by, the model is named alike
            artist = lib.lyrics.artist(artist)
        named = name or lib.lyrics.model_name(artist)
    if start is None:
        start = "base" if artist and preset == "default" else "scratch"
    shared: dict[str, Any] = {"minutes": minutes, "device": device, "seed": seed}
    training = LyricsTraining(
        preset=preset,
        artist=artist,
        start="" if start == "scratch" else start,
        epochs=epochs,
        learning_rate=learning_rate,
        **shared,
    )
    now = f'segue write --artist "{artist}"' if artist else "segue duet ARTIST ARTIST"
    _train(named, training, _Run(resume, anew, None, library, json), now=now, what="songs")


@dataclass(frozen=True, slots=True)
class _Run:
    """What every training is told beside what is learned."""

    resume: bool
    anew: bool
    workers: int | None
    library: Path | None
    json: bool


def _train(
    name: str, training: "Training", run: _Run, *, now: str = "", what: str = "scores"
) -> None:
    """Learn, show how it goes, and tell what came of it; what is no space says what to do `now`."""
    of_what = "windows" if now else "tiles"
    began = time.monotonic()
    with open_library(run.library) as lib, _progress(of_what) as (watch, watch_training):
        learned = lib.learning.train(
            name,
            training,
            resume=run.resume,
            restart=run.anew,
            workers=run.workers,
            watch=watch,
            watch_training=watch_training,
        )
    seconds = time.monotonic() - began
    _tell(learned, json=run.json, now=now, what=what, seconds=seconds)


@contextmanager
def _progress(of_what: str) -> "Iterator[tuple[LearningWatcher, TrainingWatcher]]":
    """Show what is read, then how the training goes."""
    from segue.nn.trainer import Progress as Step

    with live_line("reading") as show:

        def step(at: Step) -> None:
            validation = f"{at.validation_loss:.5f}" if at.validation_loss > 0 else "–"
            terms = "".join(f"{name} {value:.4g}  " for name, value in at.loss_terms.items())
            show(
                f"epoch {at.epoch}/{at.epochs}  loss {at.loss:.5f}  validation {validation}  "
                f"{terms}{at.items_per_second:.0f} {of_what}/s",
                (at.epoch - 1) * at.steps + at.step,
                at.epochs * at.steps,
            )

        yield show, step


def _tell(learned: "TrainingResult", *, json: bool, now: str, what: str, seconds: float) -> None:
    if json:
        print_json("train", _learned_fields(learned))
    else:
        _say_learned(learned, now, what, seconds)


def _learned_fields(learned: "TrainingResult") -> dict[str, object]:
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


def _say_learned(learned: "TrainingResult", now: str, what: str, seconds: float) -> None:
    trained = learned.trained
    learning = trained.history[-1].seconds
    say(
        f"reading and getting ready took {minutes(max(seconds - learning, 0))}, learning "
        f"{minutes(learning)}"
    )
    say(
        f"epochs: {len(trained.history)}; {trained.stopped}; best was epoch {trained.best.epoch} "
        f"with validation loss {trained.best.validation_loss:.5f} "
        f"(training {trained.best.loss:.5f})"
    )
    if learned.left_out:
        say(f"{learned.left_out} tracks found no room in the cache and were left out")
    if learned.failures:
        count = len(learned.failures)
        print_table(
            f"{count} {'file' if count == 1 else 'files'} could not be used; the others were",
            ("file", "reason"),
            [(shown(failure.path), failure.reason) for failure in learned.failures],
        )
    if now:
        say(
            f"the model {learned.space!r} learned from {learned.tracks} {what}; loss curve and "
            f"model in {shown(learned.folder)}"
        )
        if learned.remark:
            say(learned.remark)
        say(f"Now:  {now}")
        return
    say(
        f"{learned.tracks} tracks are in the space {learned.space!r} now; loss curve and model "
        f"in {shown(learned.folder)}"
    )
    say(f'Now:  segue like "a title" --space {learned.space}   and   segue evaluate')

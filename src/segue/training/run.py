"""Training of any model on a library: one driver, and a recipe for each kind of model.

A recipe says how training examples are collected from the library, and which function trains the
model. All tracks are then embedded in the space that a model gives, if it gives one.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Final

from segue.audio.training import SoundTraining, image_kind, train_sound
from segue.deprecation import RenamedAttributes
from segue.errors import BadArgument
from segue.generate.compose.training import (
    ComposerTraining,
    TrainingPiece,
    make_piece,
    train_composer,
)
from segue.generate.lyrics.adapter import AdaptedModel, StyleModel
from segue.generate.lyrics.adapter_training import (
    NOT_TRAINED,
    AdapterTraining,
    train_adapter,
)
from segue.generate.lyrics.training import (
    LyricsTraining,
    split_by_artist,
    tokenize_song,
    train_lyrics,
)
from segue.generate.melody.lead_sheet import LeadSheet, extract_lead_sheets
from segue.generate.melody.training import STYLE, MelodyTraining, train_library_melodies
from segue.generate.notes.network import NoteModel, note_sequence
from segue.generate.notes.training import NoteTraining, Piece, train_notes
from segue.ingest.analysis import PIANO_ROLLS, Representation
from segue.ingest.cache import fill_cache
from segue.nn.checkpoint import MODEL as SPACE_FILE
from segue.nn.pretrained import download, parse_base
from segue.nn.split import split_group, train_validation_split
from segue.nn.trainer import (
    FitResult,
    ProgressCallback,
    TrainingOptions,
)
from segue.records import Failure, FloatArray, Medium, Score, Track
from segue.render.plots import draw_losses
from segue.score.vae.training import ScoreTraining, train_score
from segue.store import Store
from segue.training import scores, sound
from segue.training.embedding import store_vectors
from segue.training.lyrics import base_of, library_songs, resolve_artist, songs_by_artist
from segue.training.models import (
    COMPOSING,
    LYRICS,
    MELODIES,
    NOTES,
    ModelKind,
    check_run,
    load_model,
)

#: Called with a stage ("spectrograms", "scores"), the number of files done, and in all.
Watcher = Callable[[str, int, int], None]

LOSS_CURVE: Final = "loss.png"
#: Share of unknown tokens in the validation set above which a vocabulary is called small.
MAX_UNKNOWN_SHARE: Final = 0.1


@dataclass(frozen=True, slots=True)
class TrainingResult(RenamedAttributes):
    """The result of training.

    Attributes
    ----------
    name : str
        Name of the space or model.
    fit : FitResult
        Losses of the run.
    tracks : int
        Number of tracks with a vector in the space, or of scores or songs in the training and
        validation sets of a model.
    failures : tuple of Failure
        Files that could not be read.
    left_out : int
        Number of tracks for which the cache had no room.
    folder : Path
        Folder of the model.
    remark : str
        Anything else to know about the model; "" for nothing.
    next_command : str
        A command that uses the model.
    """

    _renamed: ClassVar[dict[str, str]] = {"space": "name", "trained": "fit"}

    name: str
    fit: FitResult
    tracks: int
    failures: tuple[Failure, ...]
    left_out: int
    folder: Path
    remark: str = ""
    next_command: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """What examples are collected for.

    Attributes
    ----------
    store : Store
        Database of the library.
    options : TrainingOptions
    start : Any
        Model to fine-tune; None for none.
    workers : int
        Number of decoding processes.
    watch : callable, optional
        See `Watcher`.
    """

    store: Store
    options: Any
    start: Any
    workers: int
    watch: Watcher | None

    def progress(self, stage: str) -> Callable[[int, int], None] | None:
        """Return a callback for a stage."""
        return partial(self.watch, stage) if self.watch else None

    def tracks(self, medium: Medium) -> list[Track]:
        """Return the tracks of a medium whose files exist."""
        return [
            track for track in self.store.tracks() if track.kind == medium and not track.missing
        ]


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Examples collected from a library.

    Attributes
    ----------
    examples : tuple
        Arguments of `Recipe.train`, after the options.
    count : int
        Number of scores or songs.
    failures, left_out
        See `TrainingResult`.
    embed : callable, optional
        Embeds the tracks in the space that a model gives; yields track ids and vectors.
    """

    examples: tuple[Any, ...]
    count: int = 0
    failures: tuple[Failure, ...] = ()
    left_out: int = 0
    embed: Callable[[Any], Iterator[tuple[int, FloatArray]]] | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a model is trained on a library.

    Attributes
    ----------
    collect : callable
        Collects the training examples.
    train : callable
        Trains the model and saves it, given the options, the examples and a folder; returns it with
        a `FitResult`. Also takes `resume`, `watch`, and `start` if the options have it.
    next_command : callable
        Command that uses the model, given its name and the options.
    kind : ModelKind, optional
        Kind of a generative model; None for a space.
    label : callable
        What the loss curve is labelled with, given the options.
    resolve : callable
        Completes and checks the options, given the store, the options and the model to fine-tune.
    remark : callable
        Remark on a trained model, given the model and the options.
    """

    collect: Callable[[Request], TrainingData]
    train: Callable[..., tuple[Any, FitResult]]
    next_command: Callable[[str, Any], str]
    kind: ModelKind[Any] | None = None
    label: Callable[[Any], str] = lambda options: str(options.preset)
    resolve: Callable[[Store, Any, Any], Any] = lambda _store, options, _start: options
    remark: Callable[[Any, Any], str] = lambda _model, _options: ""


def train_model(
    store: Store,
    name: str,
    options: TrainingOptions,
    *,
    resume: bool = False,
    restart: bool = False,
    workers: int = 1,
    watch: Watcher | None = None,
    watch_training: ProgressCallback | None = None,
) -> TrainingResult:
    """Train a model on a library; if it gives an embedding space, embed all tracks in it.

    Parameters
    ----------
    store : Store
        Database of the library.
    name : str
        Name of the space or model; one of that name is replaced when training is complete.
    options : SoundTraining, ScoreTraining, NoteTraining, MelodyTraining, ComposerTraining,
        LyricsTraining or AdapterTraining
        The type selects the kind of model.
    resume : bool
        Whether to resume an interrupted run.
    restart : bool
        Whether to discard an interrupted run.
    workers : int
        Number of decoding processes.
    watch : callable, optional
        Called after each file that is read, see `Watcher`.
    watch_training : callable, optional
        Called after each training step.

    Raises
    ------
    BadArgument
        The name is taken, or the options do not fit the model to fine-tune.
    NotFound
        There is no such model to fine-tune, or no such artist.
    TrainingFailed
        There are too few training examples, or the loss is not finite.
    BadCheckpoint
        There is no run to resume, or it is damaged.
    """
    recipe = RECIPES[type(options)]
    start_name = getattr(options, "start", "") if recipe.kind else ""
    if recipe.kind is LYRICS:
        start_name = base_of(store, start_name, getattr(options, "artist", ""))
    start = load_model(store, recipe.kind, start_name) if recipe.kind and start_name else None
    file = recipe.kind.file if recipe.kind else SPACE_FILE
    folder = check_run(store, name, file, resume=resume, restart=restart)
    options = recipe.resolve(store, options, start)
    data = recipe.collect(Request(store, options, start, workers, watch))
    fine_tuning = {"start": start} if start else {}
    model, fit = recipe.train(
        options, *data.examples, folder, resume=resume, watch=watch_training, **fine_tuning
    )
    draw_losses(fit.history, folder / LOSS_CURVE, f"{name}: {recipe.label(options)}")
    count = data.count
    if data.embed:
        with store.writing(), store.transaction():
            store.spaces.replace_trained(model.space(name))
            count = store_vectors(store, name, data.embed(model))
    return TrainingResult(
        name,
        fit,
        count,
        data.failures,
        data.left_out,
        folder,
        recipe.remark(model, options),
        recipe.next_command(name, options),
    )


# ---- examples ----------------------------------------------------------------------------


def _collect_recordings(request: Request) -> TrainingData:
    options, tracks = request.options, request.tracks("sound")
    image = image_kind(options)
    cache, report = fill_cache(
        request.store.folder,
        Representation(image, options.stereo),
        tracks,
        request.workers,
        request.progress("spectrograms"),
    )
    examples = sound.make_examples(tracks, cache, options.step, image)
    return TrainingData(
        (examples, sound.reader(cache)),
        failures=report.failures,
        left_out=report.left_out,
        embed=lambda model: sound.embed(model, tracks, cache),
    )


def _collect_rolls(request: Request) -> TrainingData:
    tracks = request.tracks("score")
    cache, report = fill_cache(
        request.store.folder,
        PIANO_ROLLS,
        tracks,
        request.workers,
        request.progress("piano rolls"),
    )
    return TrainingData(
        (scores.make_examples(tracks, cache),),
        failures=report.failures,
        left_out=report.left_out,
        embed=lambda model: scores.embed(model, tracks, cache),
    )


def _read_scores(
    request: Request, make_example: Callable[[Track, Score], Any]
) -> tuple[list[Any], tuple[Failure, ...]]:
    progress = request.progress("scores")
    return scores.read_scores(request.store, make_example, request.workers, progress)


def _collect_note_sequences(request: Request) -> TrainingData:
    def make_example(track: Track, score: Score) -> Piece:
        return Piece(f"{track.content_hash}t{track.tune}", note_sequence(score), split_group(track))

    pieces, failures = _read_scores(request, make_example)
    return TrainingData((pieces,), sum(len(piece.words) > 1 for piece in pieces), failures)


def _collect_compositions(request: Request) -> TrainingData:
    def make_example(track: Track, score: Score) -> TrainingPiece:
        # The id tells apart tracks of one title.
        name = f"{track.tags.title or track.path.stem} ({track.id})"
        return make_piece(name, score, split_group(track))

    pieces, failures = _read_scores(request, make_example)
    return TrainingData(train_validation_split(pieces), len(pieces), failures)


def _collect_melodies(request: Request) -> TrainingData:
    def make_examples(track: Track, score: Score) -> tuple[LeadSheet, ...]:
        name = f"{score.title or track.path.stem} ({track.id})"
        return extract_lead_sheets(score, name, STYLE, f"{track.content_hash}t{track.tune}")

    of_scores, failures = _read_scores(request, make_examples)
    sheets = [sheet for of_score in of_scores for sheet in of_score]
    return TrainingData((sheets,), len({sheet.name for sheet in sheets}), failures)


def _collect_songs(request: Request) -> TrainingData:
    songs = library_songs(request.store)
    if request.options.artist:
        songs = [song for song in songs if song.tags.artist == request.options.artist]
    if request.watch:
        request.watch("songs", len(songs), len(songs))
    known = [song.text for song in request.start.training_songs] if request.start else []
    return TrainingData(
        (split_by_artist([tokenize_song(song) for song in songs], known),), len(songs)
    )


def _resolve_lyrics_options(
    store: Store, options: LyricsTraining, start: StyleModel | None
) -> LyricsTraining:
    """Check that the preset is that of the model to fine-tune, and resolve the artist."""
    if isinstance(start, AdaptedModel):
        raise BadArgument(
            f"the model {options.start!r} is an adapter of {start.base}: train another of that, "
            f"with --from {start.base}"
        )
    preset = start.metadata["training"]["preset"] if start else options.preset
    if preset != options.preset:
        raise BadArgument(
            f"the model {options.start!r} is of the preset {preset!r}, not {options.preset!r}: "
            "give that with --preset, or leave --from out"
        )
    if not options.artist:
        return options
    return replace(options, artist=resolve_artist(options.artist, songs_by_artist(store)))


def _resolve_adapter_options(
    store: Store, options: AdapterTraining, _start: None
) -> AdapterTraining:
    """Resolve the artist, and download the base model if it is one of the Hub."""
    artist = resolve_artist(options.artist, songs_by_artist(store))
    base = parse_base(options.base)
    if base is not None and base.kind == "hf":
        download(base)
    return replace(options, artist=artist)


def _adapter_remark(model: AdaptedModel, _options: AdapterTraining) -> str:
    """Return the bits per character, which compare with those of Segue's own models."""
    figures = model.metadata
    if model.base.kind == "gguf":
        return (
            f"{NOT_TRAINED} ({figures['bits_held_out']:.3f} bits per character of a held-out one)"
        )
    return (
        f"bits per character of held-out songs: {figures['bits_held_out']:.3f}, before training "
        f"{figures['bits_before']:.3f}"
    )


def _lyrics_command(_name: str, options: LyricsTraining | AdapterTraining) -> str:
    if options.artist:
        return f'segue lyrics write --artist "{options.artist}"'
    return "segue lyrics duet ARTIST ARTIST"


def vocabulary_remark(model: NoteModel, options: NoteTraining) -> str:
    """Return the size of a model's vocabulary, and advice if it is small."""
    known = len(model.vocabularies["notes"]) - 1  # without the token for unknown ones
    unknown = float(model.metadata["unknown"]["held_out"]["notes"])
    remark = f"it knows {known} notes and chords, those met at least {options.fewest} times"
    if unknown <= MAX_UNKNOWN_SHARE:
        return remark
    return (
        f"{remark}. That is few: {unknown:.0%} of what the scores of the validation set play is "
        "unknown to it. Add more scores and train again, or use the model that comes with Segue"
    )


# ---- recipes -----------------------------------------------------------------------------


def _like_command(name: str, _options: TrainingOptions) -> str:
    return f'segue like "a title" --space {name}   and   segue evaluate'


RECIPES: Final[dict[type[TrainingOptions], Recipe]] = {
    SoundTraining: Recipe(_collect_recordings, train_sound, _like_command),
    ScoreTraining: Recipe(
        _collect_rolls, train_score, _like_command, label=lambda options: str(options.encoder)
    ),
    NoteTraining: Recipe(
        _collect_note_sequences,
        train_notes,
        lambda name, _: (
            f"segue explain A2 --model {name}   and   segue explain --theory --model {name}"
        ),
        NOTES,
        label=lambda _: "note-lstm",
        remark=vocabulary_remark,
    ),
    MelodyTraining: Recipe(
        _collect_melodies,
        train_library_melodies,
        lambda name, _: f'segue melody "Dm7 G7 | Cmaj7" --model {name} -o tune.mid',
        MELODIES,
        label=lambda _: "melody",
    ),
    ComposerTraining: Recipe(
        _collect_compositions,
        train_composer,
        lambda name, _: f"segue compose --model {name} -o new.mid",
        COMPOSING,
        label=lambda _: "composer",
    ),
    LyricsTraining: Recipe(
        _collect_songs, train_lyrics, _lyrics_command, LYRICS, resolve=_resolve_lyrics_options
    ),
    AdapterTraining: Recipe(
        _collect_songs,
        train_adapter,
        _lyrics_command,
        LYRICS,
        label=lambda options: str(options.base),
        resolve=_resolve_adapter_options,
        remark=_adapter_remark,
    ),
}

"""Language models of notes and durations trained on the scores of a library."""

from typing import Final

from segue.generate.notes.network import MODEL, NoteModel
from segue.generate.notes.network import PRETRAINED as SHIPPED_FILE
from segue.generate.notes.tokens import note_sequence
from segue.generate.notes.training import NoteTraining, Piece, train_notes
from segue.nn.split import split_group
from segue.nn.trainer import ProgressCallback as TrainingWatcher
from segue.records import Score, Track
from segue.render.plots import draw_losses
from segue.store import Store
from segue.training.scores import read_scores, unique_scores
from segue.training.spaces import (
    CURVE,
    ModelFile,
    TrainingResult,
    Watcher,
    check_model_run,
    find_model_file,
)

NAME: Final = "note-lstm"
#: From which share of unknown notes and chords in scores held back on a model knows few.
_MOST_UNKNOWN: Final = 0.1


def train(
    store: Store,
    name: str,
    training: NoteTraining,
    *,
    resume: bool = False,
    restart: bool = False,
    workers: int = 1,
    watch: Watcher | None = None,
    watch_training: TrainingWatcher | None = None,
) -> TrainingResult:
    """Train a model on all scores of a library.

    Parameters
    ----------
    store : Store
        Database of the library.
    name : str
        Name of the model; one of that name is replaced when training is done.
    training : NoteTraining
    resume, restart, workers, watch, watch_training
        See `segue.training.scores.train`.

    Returns
    -------
    TrainingResult
        `tracks` is the number of scores in the training and validation sets.

    Raises
    ------
    BadArgument
        There is a space of that name.
    TrainingFailed, BadCheckpoint
        See `segue.training.scores.train`.
    """
    folder = check_model_run(store, name, MODEL, resume=resume, restart=restart)
    pieces, failures = read_scores(unique_scores(store), _piece, workers, watch)
    model, trained = train_notes(training, pieces, folder, resume=resume, watch=watch_training)
    draw_losses(trained.history, folder / CURVE, f"{name}: {NAME}")
    count = int(model.metadata["pieces"]) + int(model.metadata["held_out_pieces"])
    remark = vocabulary_remark(model, training.fewest)
    return TrainingResult(name, trained, count, tuple(failures), 0, folder, remark)


def vocabulary_remark(model: NoteModel, fewest: int) -> str:
    """Say how many notes and chords a model knows, and where these are too few.

    Parameters
    ----------
    model : NoteModel
    fewest : int
        How often the scores learned from had to have a note or chord for the model to know it.
    """
    known = len(model.vocabularies["notes"]) - 1  # without the word for what is unknown
    unknown = float(model.metadata["unknown"]["held_out"]["notes"])
    said = f"it knows {known} notes and chords, those met at least {fewest} times"
    if unknown <= _MOST_UNKNOWN:
        return said
    return (
        f"{said}. That is few: {unknown:.0%} of what scores not learned from play is unknown to "
        "it. Add more scores and train again, or ask the model that comes with Segue"
    )


def find(store: Store, name: str) -> ModelFile:
    """Find a model of the library, or the bundled one, named "note-lstm".

    Raises
    ------
    NotFound
        There is no model of that name.
    """
    return find_model_file(
        store, name, (NAME, SHIPPED_FILE), "of notes", "segue train score --preset note-lstm"
    )


def load(store: Store, name: str) -> NoteModel:
    """Load what `find` finds.

    Raises
    ------
    NotFound
        There is no model of that name.
    BadCheckpoint
        The file is damaged, or of another version.
    """
    return NoteModel.load(find(store, name).path)


def _piece(track: Track, score: Score) -> Piece:
    return Piece(f"{track.content_hash}t{track.tune}", note_sequence(score), split_group(track))

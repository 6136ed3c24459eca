"""Composition models trained on the scores of a library."""

from typing import Final

from segue.generate.compose.model import MODEL, Composer
from segue.generate.compose.model import PRETRAINED as SHIPPED_FILE
from segue.generate.compose.training import (
    ComposerTraining,
    TrainingPiece,
    make_piece,
    train_composer,
)
from segue.nn.split import split_group, train_validation_split
from segue.nn.trainer import ProgressCallback as TrainingWatcher
from segue.records import Score, Track
from segue.render.plots import draw_losses
from segue.store import Store
from segue.training.scores import read_scores, unique_scores
from segue.training.spaces import (
    CURVE,
    SHIPPED,
    ModelFile,
    TrainingResult,
    Watcher,
    check_model_run,
    find_model_file,
)

NAME: Final = "composer"


def train(
    store: Store,
    name: str,
    training: ComposerTraining,
    *,
    resume: bool = False,
    restart: bool = False,
    workers: int = 1,
    watch: Watcher | None = None,
    watch_training: TrainingWatcher | None = None,
) -> TrainingResult:
    """Train a composition model on all scores of a library.

    Parameters
    ----------
    store : Store
        Database of the library.
    name : str
        Name of the model; one of that name is replaced when training is done.
    training : ComposerTraining
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
    NotFound
        There is no initial model.
    TrainingFailed, BadCheckpoint
        See `segue.training.scores.train`.
    """
    start = load(store, training.start) if training.start else None
    folder = check_model_run(store, name, MODEL, resume=resume, restart=restart)
    pieces, failures = read_scores(unique_scores(store), _composition, workers, watch)
    learn, validate = train_validation_split(pieces)
    _, trained = train_composer(
        training, learn, validate, folder, start=start, resume=resume, watch=watch_training
    )
    draw_losses(trained.history, folder / CURVE, f"{name}: {NAME}")
    return TrainingResult(name, trained, len(pieces), tuple(failures), 0, folder)


def find(store: Store, name: str) -> ModelFile:
    """Find a model of the library, or the bundled one, named "shipped".

    Raises
    ------
    NotFound
        There is no model of that name.
    """
    return find_model_file(
        store,
        name,
        (SHIPPED, SHIPPED_FILE),
        "that composes",
        "segue train score --preset transformer",
    )


def load(store: Store, name: str) -> Composer:
    """Load what `find` finds.

    Raises
    ------
    NotFound
        There is no model of that name.
    BadCheckpoint
        The file is damaged, or of another version.
    """
    return Composer.load(find(store, name).path)


def _composition(track: Track, score: Score) -> TrainingPiece:
    # The id sets two tracks of one title apart.
    name = f"{track.tags.title or track.path.stem} ({track.id})"
    return make_piece(name, score, split_group(track))

"""Melody models trained on the scores of a library."""

from typing import Final

from segue.generate.melody.lead_sheet import LeadSheet, extract_lead_sheets
from segue.generate.melody.model import MODEL_FILE, MelodyModel
from segue.generate.melody.model import PRETRAINED as SHIPPED_FILE
from segue.generate.melody.training import STYLE, MelodyTraining, train_library_melodies
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

#: The model that comes with Segue.
NAME: Final = "melody"


def train(
    store: Store,
    name: str,
    training: MelodyTraining,
    *,
    resume: bool = False,
    restart: bool = False,
    workers: int = 1,
    watch: Watcher | None = None,
    watch_training: TrainingWatcher | None = None,
) -> TrainingResult:
    """Train a model on the melodies of a library's scores, given the chords estimated in them.

    Parameters
    ----------
    store : Store
        Database of the library.
    name : str
        Name of the model; one of that name is replaced when training is done.
    training : MelodyTraining
    resume, restart, workers, watch, watch_training
        See `segue.training.scores.train`.

    Returns
    -------
    TrainingResult
        `tracks` is the number of scores with a melody.

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
    folder = check_model_run(store, name, MODEL_FILE, resume=resume, restart=restart)
    found, failures = read_scores(unique_scores(store), _sheets, workers, watch)
    sheets = [sheet for each in found for sheet in each]
    _, trained = train_library_melodies(
        training, sheets, folder, start=start, resume=resume, watch=watch_training
    )
    draw_losses(trained.history, folder / CURVE, f"{name}: {NAME}")
    count = len({sheet.name for sheet in sheets})
    return TrainingResult(name, trained, count, tuple(failures), 0, folder)


def find(store: Store, name: str) -> ModelFile:
    """Find a model of the library, or the bundled one, named "melody".

    Raises
    ------
    NotFound
        There is no model of that name.
    """
    return find_model_file(
        store, name, (NAME, SHIPPED_FILE), "of melodies", "segue train score --preset melody"
    )


def load(store: Store, name: str) -> MelodyModel:
    """Load what `find` finds.

    Raises
    ------
    NotFound
        There is no model of that name.
    BadCheckpoint
        The file is damaged, or of another version.
    """
    return MelodyModel.load(find(store, name).path)


def _sheets(track: Track, score: Score) -> tuple[LeadSheet, ...]:
    name = f"{score.title or track.path.stem} ({track.id})"
    return extract_lead_sheets(score, name, STYLE, f"{track.content_hash}t{track.tune}")

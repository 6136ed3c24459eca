"""Melody models learned from scores."""

from typing import Final

from segue.generate.melody.lead_sheet import LeadSheet, extract_lead_sheets
from segue.generate.melody.model import MODEL_FILE, MelodyModel
from segue.generate.melody.model import PRETRAINED as SHIPPED_FILE
from segue.generate.melody.training import STYLE, MelodyTraining, train_library_melodies
from segue.nn.trainer import Watcher as TrainingWatcher
from segue.records import Score, Track
from segue.render.plots import draw_losses
from segue.store import Store
from segue.training.scores import read_all, scores_once
from segue.training.spaces import CURVE, Learned, ModelFile, Watcher, check_model_start, model_file

#: The model that comes with Segue.
NAME: Final = "melody"


def train(
    store: Store,
    name: str,
    training: MelodyTraining,
    *,
    resume: bool = False,
    anew: bool = False,
    workers: int = 1,
    watch: Watcher | None = None,
    watch_training: TrainingWatcher | None = None,
) -> Learned:
    """Learn a model from the melodies of a library's scores, over the chords found in them.

    Parameters
    ----------
    store : Store
    name : str
        A model of that name is replaced when the new one is done.
    training : MelodyTraining
    resume, anew, workers, watch, watch_training
        As of `segue.training.scores.train`.

    Returns
    -------
    Learned
        Its `tracks` are the scores with a melody; the model is no space.

    Raises
    ------
    BadArgument
        There is a space of that name.
    NotFound
        There is no model to start from.
    TrainingFailed, BadCheckpoint
        As of `segue.training.scores.train`.
    """
    start = load(store, training.start) if training.start else None
    folder = check_model_start(store, name, MODEL_FILE, resume=resume, anew=anew)
    found, failures = read_all(scores_once(store), _sheets, workers, watch)
    sheets = [sheet for each in found for sheet in each]
    _, trained = train_library_melodies(
        training, sheets, folder, start=start, resume=resume, watch=watch_training
    )
    draw_losses(trained.history, folder / CURVE, f"{name}: {NAME}")
    count = len({sheet.name for sheet in sheets})
    return Learned(name, trained, count, tuple(failures), 0, folder)


def find(store: Store, name: str) -> ModelFile:
    """Find a model of the library, or the one that comes with Segue, named "melody".

    Raises
    ------
    NotFound
        There is none of that name.
    """
    return model_file(
        store, name, (NAME, SHIPPED_FILE), "of melodies", "segue train score --preset melody"
    )


def load(store: Store, name: str) -> MelodyModel:
    """Load what `find` finds.

    Raises
    ------
    NotFound
        There is none of that name.
    BadCheckpoint
        The file is damaged or of another version.
    """
    return MelodyModel.load(find(store, name).path)


def _sheets(track: Track, score: Score) -> tuple[LeadSheet, ...]:
    name = f"{score.title or track.path.stem} ({track.id})"
    return extract_lead_sheets(score, name, STYLE, f"{track.content_hash}t{track.tune}")

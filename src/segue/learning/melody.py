"""Models that write melodies, learned from the scores of a library."""

import os
from typing import Final

from segue.errors import BadArgument, NotFound
from segue.ingest.add import DECODE_LIMIT_S, TASK
from segue.ingest.analyse import Answer, Job, ReadScore
from segue.ingest.workers import Fault, Workers
from segue.learning.places import CURVE, Learned, Watcher, check_start, model_folder
from segue.model.score.melody_model import MODEL, MelodyModel
from segue.pictures.learned import draw_losses
from segue.records import Failure, Score, Track
from segue.represent.score.lead_sheet import LeadSheet
from segue.represent.score.song_sheets import sheets_of
from segue.store import Store
from segue.train.loop import Watcher as TrainingWatcher
from segue.train.melody import MelodyTraining
from segue.train.own_melodies import STYLE, train_own

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
        As of `segue.learning.scores.train`.

    Returns
    -------
    Learned
        Its `tracks` are the scores with a melody; the model is no space.

    Raises
    ------
    BadArgument
        There is a space of that name.
    TrainingFailed, BadCheckpoint
        As of `segue.learning.scores.train`.
    """
    if any(info.space.name == name for info in store.spaces.known()):
        raise BadArgument(f"there is a space {name!r}; choose another name for the model")
    folder = check_start(store, name, resume=resume, anew=anew, model=MODEL)
    tracks = [track for track in store.tracks() if track.kind == "score" and not track.missing]
    once = list({(track.content_hash, track.tune): track for track in tracks}.values())
    sheets, failures = _read(once, workers, watch)
    _, trained = train_own(training, sheets, folder, resume=resume, watch=watch_training)
    draw_losses(trained.history, folder / CURVE, f"{name}: {NAME}")
    count = len({sheet.name for sheet in sheets})
    return Learned(name, trained, count, tuple(failures), 0, folder)


def load(store: Store, name: str) -> MelodyModel:
    """Load a model of the library, else the one that comes with Segue.

    Raises
    ------
    NotFound
        There is none of that name.
    BadCheckpoint
        The file is damaged or of another version.
    """
    own = model_folder(store, name) / MODEL
    if own.exists():
        return MelodyModel.load(own)
    if name == NAME:
        return MelodyModel.shipped()
    there = sorted(path.parent.name for path in (store.folder / "models").glob(f"*/{MODEL}"))
    raise NotFound(
        f"there is no model {name!r} of melodies; there are: {', '.join([NAME, *there])}. Learn "
        "one from the scores of your library with `segue train score --preset melody`"
    )


def _read(
    tracks: list[Track], workers: int, watch: Watcher | None
) -> tuple[list[LeadSheet], list[Failure]]:
    """Read scores as lead sheets, in worker processes; in the order of the tracks."""
    by_job = {(os.fsencode(track.path), track.tune): track for track in tracks}
    found: dict[int, tuple[LeadSheet, ...]] = {}
    failures: list[Failure] = []
    with Workers[Job, Answer](TASK, workers) as pool:
        for path, tune in by_job:
            pool.submit(ReadScore(path, tune), DECODE_LIMIT_S)
        for done, (job, answer) in enumerate(pool.results(), start=1):
            if not isinstance(job, ReadScore):
                raise TypeError(f"{job} was not asked for")
            track = by_job[job.path, job.tune]
            if isinstance(answer, Score):
                name = answer.title or track.path.stem
                group = f"{track.content_hash}t{track.tune}"
                found[track.id] = sheets_of(answer, f"{name} ({track.id})", STYLE, group)
            elif isinstance(answer, Fault):
                failures.append(Failure(track.path, answer.reason))
            if watch:
                watch("scores", done, len(by_job))
    return [sheet for track in tracks for sheet in found.get(track.id, ())], failures

"""Models of what comes next, learned from the scores of a library."""

import os
from typing import Final

from segue.errors import BadArgument, NotFound
from segue.ingest.add import DECODE_LIMIT_S, TASK
from segue.ingest.analyse import Answer, Job, ReadScore
from segue.ingest.workers import Fault, Workers
from segue.learning.places import CURVE, Learned, Watcher, check_start, model_folder
from segue.model.score.note_lstm import MODEL, SHIPPED, NoteModel
from segue.pictures.learned import draw_losses
from segue.records import Failure, Score, Track
from segue.represent.score.notes import note_sequence
from segue.store import Store
from segue.train.loop import Watcher as TrainingWatcher
from segue.train.note_lstm import NoteTraining, Piece, train_notes

NAME: Final = "note-lstm"


def train(
    store: Store,
    name: str,
    training: NoteTraining,
    *,
    resume: bool = False,
    anew: bool = False,
    workers: int = 1,
    watch: Watcher | None = None,
    watch_training: TrainingWatcher | None = None,
) -> Learned:
    """Learn a model from all scores of a library.

    Parameters
    ----------
    store : Store
    name : str
        A model of that name is replaced when the new one is done.
    training : NoteTraining
    resume, anew, workers, watch, watch_training
        As of `segue.learning.scores.train`.

    Returns
    -------
    Learned
        Its `tracks` are the scores learned from or judged by: the model is no space, nothing is
        placed in it.

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
    pieces, failures = _read(once, workers, watch)
    model, trained = train_notes(training, pieces, folder, resume=resume, watch=watch_training)
    draw_losses(trained.history, folder / CURVE, f"{name}: {NAME}")
    count = int(model.about["pieces"]) + int(model.about["held_out_pieces"])
    return Learned(name, trained, count, tuple(failures), 0, folder)


def load(store: Store, name: str) -> NoteModel:
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
        return NoteModel.load(own)
    if name == NAME and SHIPPED.exists():
        return NoteModel.shipped()
    there = models(store)
    told = f"there are: {', '.join(there)}" if there else "there are none yet"
    raise NotFound(
        f"there is no model {name!r} of notes; {told}. Learn one from the scores of your library "
        "with `segue train score --preset note-lstm`"
    )


def models(store: Store) -> list[str]:
    """List the models of notes that there are, the shipped one included."""
    own = {path.parent.name for path in (store.folder / "models").glob(f"*/{MODEL}")}
    return sorted(own | ({NAME} if SHIPPED.exists() else set()))


def _read(
    tracks: list[Track], workers: int, watch: Watcher | None
) -> tuple[list[Piece], list[Failure]]:
    """Read scores as words, in worker processes; in the order of the tracks."""
    by_job = {(os.fsencode(track.path), track.tune): track for track in tracks}
    found: dict[int, Piece] = {}
    failures: list[Failure] = []
    with Workers[Job, Answer](TASK, workers) as pool:
        for path, tune in by_job:
            pool.submit(ReadScore(path, tune), DECODE_LIMIT_S)
        for done, (job, answer) in enumerate(pool.results(), start=1):
            if not isinstance(job, ReadScore):
                raise TypeError(f"{job} was not asked for")
            track = by_job[job.path, job.tune]
            if isinstance(answer, Score):
                words, name = note_sequence(answer), f"{track.content_hash}t{track.tune}"
                found[track.id] = Piece(name, words, track.tags.album)
            elif isinstance(answer, Fault):
                failures.append(Failure(track.path, answer.reason))
            if watch:
                watch("scores", done, len(by_job))
    return [found[track.id] for track in tracks if track.id in found], failures

"""Spaces trained on the scores of a library; parallel reading of scores for training."""

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from segue.builtin_spaces import REPRESENTATION_VERSION
from segue.errors import BadArgument, NotFound, TrainingFailed
from segue.ingest.analysis import DECODE_LIMIT_S, PIANO_ROLLS, TASK, ReadScore
from segue.ingest.cache import CacheReport, cache_key, fill_cache
from segue.ingest.single_file import decode_tune
from segue.ingest.workers import Fault, Workers
from segue.nn.checkpoint import MODEL
from segue.nn.split import split_group
from segue.nn.trainer import ProgressCallback as TrainingWatcher
from segue.records import Failure, FloatArray, Score, Space, Track
from segue.render.plots import draw_losses
from segue.score.piano_roll import unpack_bars
from segue.score.vae.model import RollModel
from segue.score.vae.training import RollTrack, ScoreTraining, train_score
from segue.store import Store
from segue.store.cache import Cache
from segue.training.spaces import CURVE, TrainingResult, Watcher, check_run, model_folder

T = TypeVar("T")


def unique_scores(store: Store) -> list[Track]:
    """Return the scores of a library whose files are there, each content once."""
    tracks = [track for track in store.tracks() if track.kind == "score" and not track.missing]
    return list({(track.content_hash, track.tune): track for track in tracks}.values())


def read_scores(
    tracks: list[Track],
    made: Callable[[Track, Score], T],
    workers: int,
    watch: Watcher | None,
) -> tuple[list[T], list[Failure]]:
    """Read scores, and make of each what is learned from.

    Parameters
    ----------
    tracks : list of Track
    made : callable
        Where it raises `BadArgument`, the score is passed over and told as a failure.
    workers : int
    watch : callable, optional

    Returns
    -------
    list
        In the order of the tracks.
    list of Failure
    """
    by_job = {(os.fsencode(track.path), track.tune): track for track in tracks}
    found: dict[int, T] = {}
    failures: list[Failure] = []
    jobs = [ReadScore(path, tune) for path, tune in by_job]
    progress = partial(watch, "scores") if watch else None
    for job, answer in Workers[ReadScore, Score].run(TASK, jobs, DECODE_LIMIT_S, workers, progress):
        track = by_job[job.path, job.tune]
        if isinstance(answer, Fault):
            failures.append(Failure(track.path, answer.reason))
            continue
        try:
            found[track.id] = made(track, answer)
        except BadArgument as error:
            failures.append(Failure(track.path, str(error)))
    return [found[track.id] for track in tracks if track.id in found], failures


_NOWHERE: Final = np.empty(0, np.float32)


def train(
    store: Store,
    space: str,
    training: ScoreTraining,
    *,
    resume: bool = False,
    restart: bool = False,
    workers: int = 1,
    watch: Watcher | None = None,
    watch_training: TrainingWatcher | None = None,
) -> TrainingResult:
    """Train a space on all scores of a library, and embed them in it.

    Parameters
    ----------
    store : Store
        Database of the library.
    space : str
        Name of the space; a trained one of that name is replaced when training is done.
    training : ScoreTraining
    resume : bool
        Resume an interrupted run.
    anew : bool
        Restart, even if an interrupted run could be resumed.
    workers : int
        Number of reading processes.
    watch, watch_training : callable, optional
        Called after each file, and after each training step.

    Raises
    ------
    TrainingFailed
        There are too few training examples, or the loss is not finite.
    BadCheckpoint
        There is no run to resume, or it is damaged.
    """
    folder = check_run(store, space, resume=resume, restart=restart)
    tracks = [track for track in store.tracks() if track.kind == "score" and not track.missing]
    cache, filled = _fill_cache(store, tracks, workers, watch)
    once = {roll_key(track): track for track in tracks if roll_key(track) in cache}
    rolls = [RollTrack(key, _read(cache, key), split_group(track)) for key, track in once.items()]
    model, trained = train_score(training, rolls, folder, resume=resume, watch=watch_training)
    draw_losses(trained.history, folder / CURVE, f"{space}: {training.encoder}")
    with store.writing(), store.transaction():
        store.spaces.replace_trained(_space(space, model))
        placed = _place(store, space, model, tracks, cache)
    return TrainingResult(space, trained, placed, filled.failures, filled.left_out, folder)


def load(store: Store, space: str) -> RollModel:
    """Load the model of a trained space.

    Raises
    ------
    NotFound
        No such space was learned from scores here.
    BadCheckpoint
        The file is damaged, or of another version.
    """
    learned = [i.space.name for i in store.spaces.known() if i.trained and i.space.kind == "score"]
    if space not in learned:
        there = f"there are: {', '.join(learned)}" if learned else "there are none yet"
        raise NotFound(
            f"no space {space!r} was learned from the scores of this library; {there}. Learn one "
            "with `segue train score`, or take the shipped roll-vae"
        )
    return RollModel.load(model_folder(store, space) / MODEL)


def embed_tracks(store: Store, space: str, tracks: Sequence[Track], *, workers: int) -> None:
    """Embed scores in a trained space.

    Raises
    ------
    BadCheckpoint
        The model cannot be read.
    """
    model = load(store, space)
    cache, _ = _fill_cache(store, tracks, workers, None)
    with store.writing(), store.transaction():
        _place(store, space, model, tracks, cache)


def embed_file(store: Store, space: str, path: Path) -> FloatArray:
    """Embed a score in a trained space; shape (0,) if it cannot be embedded.

    Raises
    ------
    Unreadable
        With the reason.
    """
    placed = load(store, space).embed(unpack_bars(decode_tune(path).bars))
    return _NOWHERE if placed is None else placed


def _fill_cache(
    store: Store, tracks: Sequence[Track], workers: int, watch: Watcher | None
) -> tuple[Cache, CacheReport]:
    told = partial(watch, "piano rolls") if watch else None
    return fill_cache(store.folder, PIANO_ROLLS, tracks, workers=workers, watch=told)


def roll_key(track: Track) -> str:
    """Return the key of a tune's piano roll in the cache."""
    return cache_key(PIANO_ROLLS, track.content_hash, track.tune)


def _read(cache: Cache, key: str) -> NDArray[np.uint8]:
    bars = cache.read(key)
    if bars is None:
        raise TrainingFailed(
            f"the piano roll {key} vanished from the cache or is damaged; run the same command "
            "again with --resume, and it is made anew"
        )
    return np.asarray(bars, np.uint8)


def _place(
    store: Store, space: str, model: RollModel, tracks: Sequence[Track], cache: Cache
) -> int:
    """Write the tracks' vectors, inside a transaction; return how many there are."""
    count = 0
    for track in tracks:
        if roll_key(track) not in cache:
            continue
        placed = model.embed(unpack_bars(_read(cache, roll_key(track))))
        store.spaces.put(space, track.id, _NOWHERE if placed is None else placed)
        count += placed is not None
    return count


def _space(name: str, model: RollModel) -> Space:
    return Space(
        name, "score", model.dimension, "cosine", model.fingerprint, REPRESENTATION_VERSION
    )

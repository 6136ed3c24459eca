"""Scores of a library, read for training, and their embedding in trained spaces."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument, NotFound
from segue.ingest.analysis import (
    DECODE_LIMIT_S,
    PIANO_ROLLS,
    TASK,
    ReadScore,
    Representation,
    decode_track,
)
from segue.ingest.cache import Cache, Watcher, cache_key, fill_cache
from segue.ingest.workers import Fault, Workers
from segue.nn.checkpoint import MODEL
from segue.nn.split import split_group
from segue.records import Failure, FloatArray, Score, Span, Track
from segue.score.piano_roll import unpack_bars
from segue.score.vae.model import RollModel
from segue.score.vae.training import RollTrack
from segue.store import Store
from segue.training.models import existing_spaces, model_folder

T = TypeVar("T")

#: The vector of a score that cannot be embedded.
NO_VECTOR: Final = np.empty(0, np.float32)


def read_scores(
    store: Store,
    make_example: Callable[[Track, Score], T],
    workers: int,
    watch: Watcher | None = None,
) -> tuple[list[T], tuple[Failure, ...]]:
    """Read the scores of a library whose files exist, each content once.

    Parameters
    ----------
    store : Store
        Database of the library.
    make_example : callable
        Makes a training example of a score; where it raises `BadArgument`, the score is a failure.
    workers : int
        Number of reading processes.
    watch : callable, optional
        Called with the number of files done and in all.

    Returns
    -------
    examples : list
        In the order of the tracks.
    failures : tuple of Failure
    """
    present = [track for track in store.tracks() if track.kind == "score" and not track.missing]
    unique = {(track.content_hash, track.tune): track for track in present}.values()
    by_job = {(os.fsencode(track.path), track.tune): track for track in unique}
    jobs = [ReadScore(path, tune) for path, tune in by_job]
    examples: dict[int, T] = {}
    failures: list[Failure] = []
    for job, score in Workers[ReadScore, Score].run(TASK, jobs, DECODE_LIMIT_S, workers, watch):
        track = by_job[job.path, job.tune]
        if isinstance(score, Fault):
            failures.append(Failure(track.path, score.reason))
            continue
        try:
            examples[track.id] = make_example(track, score)
        except BadArgument as error:
            failures.append(Failure(track.path, str(error)))
    in_order = [examples[track.id] for track in unique if track.id in examples]
    return in_order, tuple(failures)


def read_representation(_model: Path) -> Representation:
    """Return the representation that the network in a checkpoint reads: piano rolls."""
    return PIANO_ROLLS


def roll_key(track: Track) -> str:
    """Return the key of a tune's piano roll in the cache."""
    return cache_key(PIANO_ROLLS, track.content_hash, track.tune)


def make_examples(tracks: Sequence[Track], cache: Cache) -> list[RollTrack]:
    """Return an example for each content that is in the cache."""
    unique = {roll_key(track): track for track in tracks if roll_key(track) in cache}
    return [RollTrack(key, _read(cache, key), split_group(track)) for key, track in unique.items()]


def _read(cache: Cache, key: str) -> NDArray[np.uint8]:
    return np.asarray(cache.require(key, "piano roll"), np.uint8)


def load(store: Store, space: str) -> RollModel:
    """Load the model of a trained space.

    Raises
    ------
    NotFound
        There is no such space of scores.
    BadCheckpoint
        The file is damaged, or of another version.
    """
    if not any(
        info.trained and info.space.name == space and info.space.kind == "score"
        for info in store.spaces.known()
    ):
        raise NotFound(
            f"no space {space!r} was trained on the scores of this library; "
            f"{existing_spaces(store, 'score')}. Train one with `segue train score`, or use the "
            "shipped roll-vae"
        )
    return RollModel.load(model_folder(store, space) / MODEL)


def embed_tracks(
    store: Store, space: str, tracks: Sequence[Track], workers: int
) -> Iterator[tuple[int, FloatArray]]:
    """Embed scores in a trained space; yields track ids and vectors.

    Raises
    ------
    BadCheckpoint
        The model cannot be read.
    """
    model = load(store, space)
    cache, _ = fill_cache(store.folder, PIANO_ROLLS, tracks, workers)
    return embed(model, tracks, cache)


def embed(
    model: RollModel, tracks: Sequence[Track], cache: Cache
) -> Iterator[tuple[int, FloatArray]]:
    """Embed the scores that are in the cache; yields track ids and vectors, maybe `NO_VECTOR`."""
    for track in tracks:
        if roll_key(track) in cache:
            vector = model.embed(unpack_bars(_read(cache, roll_key(track))))
            yield track.id, NO_VECTOR if vector is None else vector


def embed_file(store: Store, space: str, path: Path, _passage: Span | None = None) -> FloatArray:
    """Embed a score that need not be in the library; `NO_VECTOR` if it cannot be embedded.

    Raises
    ------
    Unreadable
        With the reason.
    """
    vector = load(store, space).embed(unpack_bars(decode_track(path).inputs))
    return NO_VECTOR if vector is None else vector

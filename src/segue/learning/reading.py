"""Scores of a library read for learning, by several workers."""

import os
from collections.abc import Callable
from typing import TypeVar

from segue.errors import BadArgument
from segue.ingest.add import DECODE_LIMIT_S, TASK
from segue.ingest.analyse import Answer, Job, ReadScore
from segue.ingest.workers import Fault, Workers
from segue.learning.places import Watcher
from segue.records import Failure, Score, Track
from segue.store import Store

T = TypeVar("T")


def scores_once(store: Store) -> list[Track]:
    """Return the scores of a library whose files are there, each content once."""
    tracks = [track for track in store.tracks() if track.kind == "score" and not track.missing]
    return list({(track.content_hash, track.tune): track for track in tracks}.values())


def read_all(
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
    with Workers[Job, Answer](TASK, workers) as pool:
        for path, tune in by_job:
            pool.submit(ReadScore(path, tune), DECODE_LIMIT_S)
        for done, (job, answer) in enumerate(pool.results(), start=1):
            if not isinstance(job, ReadScore):
                raise TypeError(f"{job} was not asked for")
            track = by_job[job.path, job.tune]
            if isinstance(answer, Fault):
                failures.append(Failure(track.path, answer.reason))
            elif isinstance(answer, Score):
                try:
                    found[track.id] = made(track, answer)
                except BadArgument as error:
                    failures.append(Failure(track.path, str(error)))
            if watch:
                watch("scores", done, len(by_job))
    return [found[track.id] for track in tracks if track.id in found], failures

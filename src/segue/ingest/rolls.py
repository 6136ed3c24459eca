"""Fills the cache of packed piano rolls, which models of scores learn from."""

import os
from collections.abc import Callable, Sequence

from segue.formats.score import Broken
from segue.ingest.add import DECODE_LIMIT_S, TASK
from segue.ingest.analyse import Answer, DecodedScore, DecodedTune, DecodeScore, Job
from segue.ingest.images import Filled
from segue.ingest.workers import Fault, Workers
from segue.records import Failure, Track
from segue.store.cache import Cache


def key_of(track: Track) -> str:
    """Name a tune's roll in the cache."""
    return f"{track.content_hash}t{track.tune}"


def fill_rolls(
    cache: Cache,
    tracks: Sequence[Track],
    *,
    workers: int,
    watch: Callable[[int, int], None] | None = None,
) -> Filled:
    """Make the piano rolls that the cache lacks.

    Parameters
    ----------
    cache : Cache
    tracks : sequence of Track
        Scores.
    workers : int
        Reading processes.
    watch : callable, optional
        Told how many files of how many are done.

    Raises
    ------
    DiskFull
        What was kept before stays.
    """
    lacking: dict[bytes, list[Track]] = {}
    for track in {key_of(t): t for t in tracks if key_of(t) not in cache}.values():
        lacking.setdefault(os.fsencode(track.path), []).append(track)
    failures: list[Failure] = []
    left_out = 0
    with Workers[Job, Answer](TASK, workers) as pool:
        for path in lacking:
            pool.submit(DecodeScore(path), DECODE_LIMIT_S)
        for done, (job, found) in enumerate(pool.results(), start=1):
            for track in lacking[job.path]:
                tune = _tune(found, track.tune)
                if isinstance(tune, str):
                    failures.append(Failure(track.path, tune))
                elif not cache.write(key_of(track), tune.bars):
                    left_out += 1
            if watch:
                watch(done, len(lacking))
    return Filled(tuple(failures), left_out)


def _tune(found: Answer | Fault, number: int) -> DecodedTune | str:
    """Take a tune out of what a worker answered, or say why there is none."""
    if isinstance(found, Fault):
        return found.reason
    tunes = found.tunes if isinstance(found, DecodedScore) else ()
    if number > len(tunes):
        return f"it has no tune {number} any more; run `segue add` on it again"
    tune = tunes[max(number - 1, 0)]
    return tune.reason if isinstance(tune, Broken) else tune

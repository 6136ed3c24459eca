"""Fills the cache with MusiCNN's activations, for spaces that are learned from them."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from segue.ingest.add import DECODE_LIMIT_S, TASK
from segue.ingest.analyse import Decode, Decoded
from segue.ingest.images import Filled
from segue.ingest.now import decode_now
from segue.ingest.workers import Fault, Workers
from segue.model.sound.embed import SoundModel
from segue.records import Failure, FloatArray, Span, Track
from segue.store.cache import Cache


def fill_activations(
    cache: Cache,
    tracks: Sequence[Track],
    *,
    workers: int,
    watch: Callable[[int, int], None] | None = None,
) -> Filled:
    """Compute what the cache lacks; see `segue.ingest.images.fill`.

    An array has the shape (patches, 1506 + features), float32: each patch's pooled
    activations, then the recording's features, the same in every row.
    """
    lacking = {os.fsencode(t.path): t for t in tracks if t.content_hash not in cache}
    once = {track.content_hash: path for path, track in lacking.items()}
    failures: list[Failure] = []
    kept = 0
    if not once:
        return Filled((), 0)
    model = SoundModel(threads=max(1, workers // 2))
    with Workers[Decode, Decoded](TASK, workers) as pool:
        for path in once.values():
            pool.submit(Decode(path), DECODE_LIMIT_S)
        for done, (job, decoded) in enumerate(pool.results(), start=1):
            track = lacking[job.path]
            if isinstance(decoded, Fault):
                failures.append(Failure(track.path, decoded.reason))
            elif cache.write(track.content_hash, _rows(model, decoded)):
                kept += 1
            else:
                break  # full
            if watch:
                watch(done, len(once))
    return Filled(tuple(failures), len(once) - kept - len(failures))


def activations_now(path: Path, passage: Span | None) -> FloatArray:
    """Compute the array of a file that need not be in the library.

    Raises
    ------
    Unreadable
        With the reason.
    """
    return _rows(SoundModel(), decode_now(path, passage))


def _rows(model: SoundModel, decoded: Decoded) -> FloatArray:
    pooled, _ = model.activations(decoded.patches)
    features = np.tile(decoded.features, (len(pooled), 1))
    return np.hstack([pooled, features]).astype(np.float32)

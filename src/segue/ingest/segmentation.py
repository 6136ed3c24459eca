"""Segmentation of a recording into the tracks of a mix.

The recording is decoded in chunks, so that one of ten hours needs no more memory than one of ten
minutes. Excerpts of 3 s, one every 0.75 s, are projected as in the space `sound`, in which those of
one track lie together.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np

from segue.audio.embedding import SoundModel
from segue.audio.segmentation import segment, segment_into
from segue.audio.spectrogram import MUSICNN_HOP, MUSICNN_RATE_HZ, PATCH_S
from segue.errors import BadArgument, Unreadable
from segue.ingest.analysis import TASK, Answer, DecodedExcerpts, DecodeExcerpts, Job
from segue.ingest.workers import Fault, Workers
from segue.records import FloatArray, Span

HOP_S: Final = 47 * MUSICNN_HOP / MUSICNN_RATE_HZ  # 0.752
CHUNK_S: Final = 800 * HOP_S  # ten minutes
CHUNK_LIMIT_S: Final = 120.0
MAX_DURATION_S: Final = 24 * 3600.0
MAX_TRACK_S: Final = 3600.0
#: Cost of a segment as a share of the minimum length in excerpts: two segments of that length are
#: two tracks if the squared distance of their means is at least twice the share
#: (bench/mix_boundaries.py).
PENALTY: Final = 0.4

Watcher = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Segmentation:
    """The tracks of a mix as time spans, which follow each other without gaps."""

    duration_s: float
    spans: tuple[Span, ...]


def segment_recording(
    path: Path,
    min_length_s: float,
    count: int | None = None,
    watch: Watcher | None = None,
) -> Segmentation:
    """Divide a recording where its music changes.

    Parameters
    ----------
    path : Path
    min_length_s : float
        Minimum duration of a track in seconds.
    count : int, optional
        Number of tracks; by default as many as the music changes for.
    watch : callable, optional
        Called with the number of chunks of ten minutes done and in all.

    Raises
    ------
    Unreadable
        The file cannot be decoded.
    BadArgument
        It is too short for that many tracks, or longer than a day.
    """
    unit, duration_s = _excerpt_vectors(path, watch)
    least = max(1, round(min_length_s / HOP_S))
    most = round(MAX_TRACK_S / HOP_S)
    if count is None:
        boundaries = segment(unit, PENALTY * least, least, max(most, least))
    elif count * least > len(unit):
        raise BadArgument(
            f"{path.name} is {duration_s / 60:.1f} minutes long, too short for {count} tracks of "
            f"at least {min_length_s:g} s; ask for fewer, or give a lower --min-length"
        )
    else:
        boundaries = segment_into(unit, count, least, len(unit))
    # A boundary lies between the middles of two excerpts.
    starts = [0.0, *(index * HOP_S + (PATCH_S - HOP_S) / 2 for index in boundaries), duration_s]
    return Segmentation(duration_s, tuple(Span(a, b) for a, b in pairwise(starts)))


def _excerpt_vectors(path: Path, watch: Watcher | None) -> tuple[FloatArray, float]:
    """Return the unit vectors of all excerpts of a recording, and its duration in seconds."""
    chunks: dict[float, FloatArray] = {}  # by start
    starts_s: list[float] = [0.0]
    duration_s = 0.0
    model = SoundModel()
    with Workers[Job, Answer](TASK, 1) as workers:

        def submit(start_s: float) -> None:
            passage = Span(start_s, start_s + CHUNK_S + PATCH_S - HOP_S)
            job = DecodeExcerpts(os.fsencode(path), passage, HOP_S)
            workers.submit(job, CHUNK_LIMIT_S)

        submit(0.0)
        for done, (job, result) in enumerate(workers.results(), start=1):
            if isinstance(job, DecodeExcerpts) and isinstance(result, DecodedExcerpts):
                chunks[job.passage.start_s] = model.embed_excerpts(result.patches)
                duration_s = duration_s or result.duration_s
            elif done == 1:
                raise Unreadable(f"{path}: {result.reason if isinstance(result, Fault) else ''}")
            if done == 1:
                if duration_s > MAX_DURATION_S:
                    raise BadArgument(f"{path.name} is longer than a day; divide it first")
                starts_s += np.arange(CHUNK_S, duration_s - PATCH_S, CHUNK_S).tolist()
                for start_s in starts_s[1:]:
                    submit(start_s)
            if watch:
                watch(done, len(starts_s))
    # What cannot be decoded, or is silent, is unlike anything.
    n, dimension = round(CHUNK_S / HOP_S), chunks[0.0].shape[1]
    nothing = np.zeros((n, dimension), np.float32)
    return np.concatenate([chunks.get(start_s, nothing)[:n] for start_s in starts_s]), duration_s

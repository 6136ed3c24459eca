"""Fills the cache of what is computed from whole stretches of sound: images, and courses."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from segue.errors import Unreadable
from segue.formats.sound import read_sound
from segue.ingest.workers import Fault, Workers
from segue.records import Failure, Span, Track
from segue.represent.log_mel import LOG_MELS, ByteArray, log_mel_image, stretch_to_learn
from segue.represent.sound import SAMPLE_RATE_HZ
from segue.represent.versions import course, stretch_to_compare
from segue.store.cache import Cache

TASK: Final = "segue.ingest.images:draw"
DECODE_LIMIT_S: Final = 120.0
#: Asks for the course of pitches instead of an image.
COURSE: Final = "course"


@dataclass(frozen=True, slots=True)
class Draw:
    """Asks for the image of a file's sound.

    Attributes
    ----------
    path : bytes
    content_hash : str
    kind : str
        A key of `segue.represent.log_mel.LOG_MELS`, or `COURSE`.
    stereo : bool
        One image per channel, stacked.
    passage : Span, optional
        Of this stretch instead.
    """

    path: bytes
    content_hash: str
    kind: str
    stereo: bool
    passage: Span | None = None


@dataclass(frozen=True, slots=True)
class Filled:
    """What came of filling the cache.

    Attributes
    ----------
    failures : tuple of Failure
    left_out : int
        Tracks that found no room in the cache any more.
    """

    failures: tuple[Failure, ...]
    left_out: int


def draw(job: Draw) -> ByteArray:
    """Decode a file's stretch to learn from, and make its image; runs in a worker.

    Returns
    -------
    ndarray, shape (channels, bands, frames), uint8
        Or a course, see `segue.represent.versions.course`.
    """
    if job.kind == COURSE:
        path = Path(os.fsdecode(job.path))
        return course(read_sound(path, SAMPLE_RATE_HZ, stretch_to_compare).excerpts[0])
    recording = read_sound(
        Path(os.fsdecode(job.path)),
        SAMPLE_RATE_HZ,
        stretch_to_learn,
        only=job.passage,
        stereo=job.stereo,
    )
    samples = recording.excerpts[0]
    kind = LOG_MELS[job.kind]
    sides = samples if job.stereo else samples[None]
    return np.concatenate([log_mel_image(side, kind) for side in sides])


def draw_now(path: Path, kind: str, passage: Span | None, *, stereo: bool) -> ByteArray:
    """Make the image of a file that need not be in the library, in a worker process.

    Raises
    ------
    Unreadable
        With the reason.
    """
    with Workers[Draw, ByteArray](TASK, 1) as pool:
        pool.submit(Draw(os.fsencode(path), "", kind, stereo, passage), DECODE_LIMIT_S)
        image = next(iter(pool.results()))[1]
    if isinstance(image, Fault):
        raise Unreadable(f"{path}: {image.reason}")
    return image


def fill(
    cache: Cache,
    tracks: Sequence[Track],
    kind: str,
    *,
    stereo: bool,
    workers: int,
    watch: Callable[[int, int], None] | None = None,
) -> Filled:
    """Make the images that the cache lacks.

    Parameters
    ----------
    cache : Cache
    tracks : sequence of Track
    kind : str
        A key of `segue.represent.log_mel.LOG_MELS`, or `COURSE`.
    stereo : bool
    workers : int
        Decoding processes.
    watch : callable, optional
        Told how many of how many are done, after each.

    Returns
    -------
    Filled

    Raises
    ------
    DiskFull
        What was kept before stays.
    """
    lacking = {t.content_hash: t for t in tracks if t.content_hash not in cache}
    failures: list[Failure] = []
    kept = 0
    with Workers[Draw, ByteArray](TASK, workers) as pool:
        for content_hash, track in lacking.items():
            pool.submit(Draw(os.fsencode(track.path), content_hash, kind, stereo), DECODE_LIMIT_S)
        for done, (job, image) in enumerate(pool.results(), start=1):
            if isinstance(image, Fault):
                failures.append(Failure(lacking[job.content_hash].path, image.reason))
            elif cache.write(job.content_hash, image):
                kept += 1
            else:
                break  # full: no further file is decoded for nothing
            if watch:
                watch(done, len(lacking))
    return Filled(tuple(failures), len(lacking) - kept - len(failures))

"""Filling the cache: spectrograms, activations, piano rolls; audio previews.

Fills the cache of what is computed from whole stretches of sound: images, and courses.

Fills the cache with MusiCNN's activations, for spaces that are learned from them.

Fills the cache of packed piano rolls, which models of scores learn from.

Short previews of tracks, to be put into a page.
"""

import io
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av
import numpy as np

from segue.audio.cover_songs import course, stretch_to_compare
from segue.audio.embedding import SoundModel
from segue.audio.spectrogram import (
    LOG_MELS,
    SAMPLE_RATE_HZ,
    ByteArray,
    log_mel_image,
    stretch_to_learn,
)
from segue.errors import Unreadable
from segue.ingest.add import DECODE_LIMIT_S, TASK
from segue.ingest.analysis import (
    Answer,
    Decode,
    Decoded,
    DecodedScore,
    DecodedTune,
    DecodeScore,
    Job,
)
from segue.ingest.single_file import decode_recording
from segue.ingest.workers import Fault, Workers
from segue.io.audio import read_recording
from segue.io.scores import Broken
from segue.records import Failure, FloatArray, Span, Track
from segue.store.cache import Cache

# --- images ---

IMAGE_TASK: Final = "segue.ingest.cache:compute_image"
IMAGE_LIMIT_S: Final = 120.0
#: Asks for the course of pitches instead of an image.
CHROMA_SEQUENCE: Final = "course"


@dataclass(frozen=True, slots=True)
class ImageJob:
    """Asks for the image of a file's sound.

    Attributes
    ----------
    path : bytes
    content_hash : str
    kind : str
        A key of `segue.audio.spectrogram.LOG_MELS`, or `COURSE`.
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
class CacheReport:
    """What came of filling the cache.

    Attributes
    ----------
    failures : tuple of Failure
    left_out : int
        Tracks that found no room in the cache any more.
    """

    failures: tuple[Failure, ...]
    left_out: int


def compute_image(job: ImageJob) -> ByteArray:
    """Decode a file's stretch to learn from, and make its image; runs in a worker.

    Returns
    -------
    ndarray, shape (channels, bands, frames), uint8
        Or a course, see `segue.audio.cover_songs.course`.
    """
    if job.kind == CHROMA_SEQUENCE:
        path = Path(os.fsdecode(job.path))
        return course(read_recording(path, SAMPLE_RATE_HZ, stretch_to_compare).excerpts[0])
    recording = read_recording(
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


def image_of_file(path: Path, kind: str, passage: Span | None, *, stereo: bool) -> ByteArray:
    """Make the image of a file that need not be in the library, in a worker process.

    Raises
    ------
    Unreadable
        With the reason.
    """
    with Workers[ImageJob, ByteArray](IMAGE_TASK, 1) as pool:
        pool.submit(ImageJob(os.fsencode(path), "", kind, stereo, passage), IMAGE_LIMIT_S)
        image = next(iter(pool.results()))[1]
    if isinstance(image, Fault):
        raise Unreadable(f"{path}: {image.reason}")
    return image


def cache_images(
    cache: Cache,
    tracks: Sequence[Track],
    kind: str,
    *,
    stereo: bool,
    workers: int,
    watch: Callable[[int, int], None] | None = None,
) -> CacheReport:
    """Make the images that the cache lacks.

    Parameters
    ----------
    cache : Cache
    tracks : sequence of Track
    kind : str
        A key of `segue.audio.spectrogram.LOG_MELS`, or `COURSE`.
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
    with Workers[ImageJob, ByteArray](IMAGE_TASK, workers) as pool:
        for content_hash, track in lacking.items():
            pool.submit(
                ImageJob(os.fsencode(track.path), content_hash, kind, stereo), IMAGE_LIMIT_S
            )
        for done, (job, image) in enumerate(pool.results(), start=1):
            if isinstance(image, Fault):
                failures.append(Failure(lacking[job.content_hash].path, image.reason))
            elif cache.write(job.content_hash, image):
                kept += 1
            else:
                break  # full: no further file is decoded for nothing
            if watch:
                watch(done, len(lacking))
    return CacheReport(tuple(failures), len(lacking) - kept - len(failures))


# --- activations ---


def cache_activations(
    cache: Cache,
    tracks: Sequence[Track],
    *,
    workers: int,
    watch: Callable[[int, int], None] | None = None,
) -> CacheReport:
    """Compute what the cache lacks; see `segue.ingest.cache.cache_images`.

    An array has the shape (patches, 1506 + features), float32: each patch's pooled
    activations, then the recording's features, the same in every row.
    """
    lacking = {os.fsencode(t.path): t for t in tracks if t.content_hash not in cache}
    once = {track.content_hash: path for path, track in lacking.items()}
    failures: list[Failure] = []
    kept = 0
    if not once:
        return CacheReport((), 0)
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
    return CacheReport(tuple(failures), len(once) - kept - len(failures))


def activations_of_file(path: Path, passage: Span | None) -> FloatArray:
    """Compute the array of a file that need not be in the library.

    Raises
    ------
    Unreadable
        With the reason.
    """
    return _rows(SoundModel(), decode_recording(path, passage))


def _rows(model: SoundModel, decoded: Decoded) -> FloatArray:
    pooled, _ = model.activations(decoded.patches)
    features = np.tile(decoded.features, (len(pooled), 1))
    return np.hstack([pooled, features]).astype(np.float32)


# --- rolls ---


def roll_key(track: Track) -> str:
    """Name a tune's roll in the cache."""
    return f"{track.content_hash}t{track.tune}"


def cache_rolls(
    cache: Cache,
    tracks: Sequence[Track],
    *,
    workers: int,
    watch: Callable[[int, int], None] | None = None,
) -> CacheReport:
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
    for track in {roll_key(t): t for t in tracks if roll_key(t) not in cache}.values():
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
                elif not cache.write(roll_key(track), tune.bars):
                    left_out += 1
            if watch:
                watch(done, len(lacking))
    return CacheReport(tuple(failures), left_out)


def _tune(found: Answer | Fault, number: int) -> DecodedTune | str:
    """Take a tune out of what a worker answered, or say why there is none."""
    if isinstance(found, Fault):
        return found.reason
    tunes = found.tunes if isinstance(found, DecodedScore) else ()
    if number > len(tunes):
        return f"it has no tune {number} any more; run `segue add` on it again"
    tune = tunes[max(number - 1, 0)]
    return tune.reason if isinstance(tune, Broken) else tune


# --- previews ---

PREVIEW_TASK: Final = "segue.ingest.cache:encode_preview"
PREVIEW_S: Final = 5.0
BIT_RATE: Final = 32_000
_RATE_HZ: Final = 48_000  # Opus's own
_FADE_S: Final = 0.1
_LIMIT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class PreviewJob:
    """Asks for a preview of a file."""

    row: int
    path: bytes


def previews(
    tracks: Sequence[Track], *, workers: int, watch: Callable[[int, int], None] | None = None
) -> dict[int, bytes]:
    """Cut five seconds out of the middle of every track that can be read.

    Returns
    -------
    dict of int to bytes
        Ogg Opus, by row of `tracks`; mono, 32 kbit/s.
    """
    found: dict[int, bytes] = {}
    with Workers[PreviewJob, bytes](PREVIEW_TASK, workers) as pool:
        for row, track in enumerate(tracks):
            if not track.missing and track.kind == "sound":
                pool.submit(PreviewJob(row, os.fsencode(track.path)), _LIMIT_S)
        for done, (job, sound) in enumerate(pool.results(), start=1):
            if not isinstance(sound, Fault):
                found[job.row] = sound
            if watch:
                watch(done, len(tracks))
    return found


def encode_preview(job: PreviewJob) -> bytes:
    """Decode a file's middle and encode it; runs in a worker."""
    recording = read_recording(Path(os.fsdecode(job.path)), _RATE_HZ, _middle)
    return _opus(recording.excerpts[0])


def _middle(duration_s: float) -> tuple[Span, ...]:
    start_s = max(0.0, (duration_s - PREVIEW_S) / 2)
    return (Span(start_s, min(duration_s, start_s + PREVIEW_S)),)


def _opus(samples: FloatArray) -> bytes:
    fade = np.linspace(0, 1, min(round(_FADE_S * _RATE_HZ), len(samples) // 2), dtype=np.float32)
    if len(fade):
        samples = samples.copy()
        samples[: len(fade)] *= fade
        samples[-len(fade) :] *= fade[::-1]
    target = io.BytesIO()
    with av.open(target, "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=_RATE_HZ)
        stream.layout = "mono"
        stream.bit_rate = BIT_RATE
        frame = av.AudioFrame.from_ndarray(samples[None], format="flt", layout="mono")
        frame.sample_rate = _RATE_HZ
        resampler = av.AudioResampler(
            stream.format.name, "mono", _RATE_HZ, stream.frame_size or None
        )
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return target.getvalue()

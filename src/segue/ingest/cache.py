"""Filling the cache with model inputs: spectrogram images, chroma, MusiCNN activations, rolls.

Files are decoded in worker processes, and each content is stored once under its hash. Audio
previews for pages, which are not cached, are cut here too.
"""

import io
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av
import numpy as np

from segue.audio.cover_songs import quantised_chromagram, span_to_compare
from segue.audio.embedding import SoundModel
from segue.audio.spectrogram import (
    LOG_MEL_SPECS,
    SAMPLE_RATE_HZ,
    ByteArray,
    log_mel_image,
    training_span,
)
from segue.ingest.add import DECODE_LIMIT_S, TASK
from segue.ingest.analysis import Decode, Decoded, DecodedScore, DecodedTune, DecodeScore
from segue.ingest.single_file import decode_recording, run_one
from segue.ingest.workers import Fault, Workers
from segue.io.audio import read_recording
from segue.io.scores import UnreadableTune
from segue.records import Failure, FloatArray, Span, Track
from segue.store.cache import Cache

IMAGE_TASK: Final = "segue.ingest.cache:compute_image"
IMAGE_LIMIT_S: Final = 120.0
#: The `kind` of an `ImageJob` that asks for a chroma sequence.
CHROMA_SEQUENCE: Final = "course"

PREVIEW_TASK: Final = "segue.ingest.cache:encode_preview"
PREVIEW_LIMIT_S: Final = 60.0
PREVIEW_S: Final = 5.0
BIT_RATE: Final = 32_000
_OPUS_RATE_HZ: Final = 48_000
_FADE_S: Final = 0.1

Watcher = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class ImageJob:
    """Asks for the spectrogram image or the chroma sequence of a recording.

    Attributes
    ----------
    path : bytes
    content_hash : str
    kind : str
        A key of `segue.audio.spectrogram.LOG_MEL_SPECS`, or `CHROMA_SEQUENCE`.
    stereo : bool
        One image per channel, stacked.
    passage : Span, optional
        The excerpt to use instead of the default one.
    """

    path: bytes
    content_hash: str
    kind: str
    stereo: bool
    passage: Span | None = None


@dataclass(frozen=True, slots=True)
class CacheReport:
    """The result of filling the cache.

    Attributes
    ----------
    failures : tuple of Failure
    left_out : int
        Number of tracks for which the cache had no room.
    """

    failures: tuple[Failure, ...]
    left_out: int


# --- spectrogram images and chroma sequences ---


def compute_image(job: ImageJob) -> ByteArray:
    """Decode the training excerpt of a file and compute its image; runs in a worker.

    Returns
    -------
    ndarray, shape (channels, bands, frames), uint8
        Or a chroma sequence, see `segue.audio.cover_songs.quantised_chromagram`.
    """
    path = Path(os.fsdecode(job.path))
    if job.kind == CHROMA_SEQUENCE:
        return quantised_chromagram(
            read_recording(path, SAMPLE_RATE_HZ, span_to_compare).excerpts[0]
        )
    recording = read_recording(
        path, SAMPLE_RATE_HZ, training_span, only=job.passage, stereo=job.stereo
    )
    samples = recording.excerpts[0]
    channels = samples if job.stereo else samples[None]
    return np.concatenate([log_mel_image(channel, LOG_MEL_SPECS[job.kind]) for channel in channels])


def image_of_file(path: Path, kind: str, passage: Span | None, *, stereo: bool) -> ByteArray:
    """Compute the image of a file that need not be in the library, in a worker process.

    Raises
    ------
    Unreadable
        With the reason.
    """
    job = ImageJob(os.fsencode(path), "", kind, stereo, passage)
    return run_one(Workers[ImageJob, ByteArray].run(IMAGE_TASK, [job], IMAGE_LIMIT_S, 1), path)


def cache_images(
    cache: Cache,
    tracks: Sequence[Track],
    kind: str,
    *,
    stereo: bool,
    workers: int,
    watch: Watcher | None = None,
) -> CacheReport:
    """Compute the images that the cache lacks.

    Parameters
    ----------
    cache : Cache
    tracks : sequence of Track
    kind, stereo
        See `ImageJob`.
    workers : int
        Number of decoding processes.
    watch : callable, optional
        Called with the number of files done and in all.

    Raises
    ------
    DiskFull
        What was stored before stays.
    """
    missing = {t.content_hash: t for t in tracks if t.content_hash not in cache}
    jobs = [ImageJob(os.fsencode(t.path), key, kind, stereo) for key, t in missing.items()]
    failures: list[Failure] = []
    stored = 0
    results = Workers[ImageJob, ByteArray].run(IMAGE_TASK, jobs, IMAGE_LIMIT_S, workers, watch)
    for job, image in results:
        if isinstance(image, Fault):
            failures.append(Failure(missing[job.content_hash].path, image.reason))
        elif cache.write(job.content_hash, image):
            stored += 1
        else:
            break  # the cache is full
    return CacheReport(tuple(failures), len(missing) - stored - len(failures))


# --- MusiCNN activations ---


def cache_activations(
    cache: Cache, tracks: Sequence[Track], *, workers: int, watch: Watcher | None = None
) -> CacheReport:
    """Compute the MusiCNN activations that the cache lacks; see `cache_images`.

    An array has the shape (patches, 1506 + features), float32: the pooled activations of each
    patch, then the features of the recording, which are the same in every row.
    """
    missing = {t.content_hash: t for t in tracks if t.content_hash not in cache}
    if not missing:
        return CacheReport((), 0)
    by_path = {os.fsencode(track.path): track for track in missing.values()}
    jobs = [Decode(path) for path in by_path]
    failures: list[Failure] = []
    stored = 0
    model = SoundModel(threads=max(1, workers // 2))
    for job, decoded in Workers[Decode, Decoded].run(TASK, jobs, DECODE_LIMIT_S, workers, watch):
        track = by_path[job.path]
        if isinstance(decoded, Fault):
            failures.append(Failure(track.path, decoded.reason))
        elif cache.write(track.content_hash, _activations(model, decoded)):
            stored += 1
        else:
            break  # the cache is full
    return CacheReport(tuple(failures), len(missing) - stored - len(failures))


def activations_of_file(path: Path, passage: Span | None) -> FloatArray:
    """Compute the activations of a file that need not be in the library.

    Raises
    ------
    Unreadable
        With the reason.
    """
    return _activations(SoundModel(), decode_recording(path, passage))


def _activations(model: SoundModel, decoded: Decoded) -> FloatArray:
    pooled, _ = model.activations(decoded.patches)
    features = np.tile(decoded.features, (len(pooled), 1))
    return np.hstack([pooled, features]).astype(np.float32)


# --- piano rolls ---


def roll_key(track: Track) -> str:
    """Return the key of a tune's piano roll in the cache."""
    return f"{track.content_hash}t{track.tune}"


def cache_rolls(
    cache: Cache, tracks: Sequence[Track], *, workers: int, watch: Watcher | None = None
) -> CacheReport:
    """Compute the packed piano rolls of scores that the cache lacks; see `cache_images`."""
    missing: dict[bytes, list[Track]] = {}
    for track in {roll_key(t): t for t in tracks if roll_key(t) not in cache}.values():
        missing.setdefault(os.fsencode(track.path), []).append(track)
    jobs = [DecodeScore(path) for path in missing]
    failures: list[Failure] = []
    left_out = 0
    results = Workers[DecodeScore, DecodedScore].run(TASK, jobs, DECODE_LIMIT_S, workers, watch)
    for job, score in results:
        for track in missing[job.path]:
            tune = _tune(score, track.tune)
            if isinstance(tune, str):
                failures.append(Failure(track.path, tune))
            elif not cache.write(roll_key(track), tune.bars):
                left_out += 1
    return CacheReport(tuple(failures), left_out)


def _tune(score: DecodedScore | Fault, tune: int) -> DecodedTune | str:
    """Return a tune of a decoded file, or the reason why there is none."""
    if isinstance(score, Fault):
        return score.reason
    if tune > len(score.tunes):
        return f"it has no tune {tune} any more; run `segue add` on it again"
    decoded = score.tunes[max(tune - 1, 0)]
    return decoded.reason if isinstance(decoded, UnreadableTune) else decoded


# --- audio previews ---


@dataclass(frozen=True, slots=True)
class PreviewJob:
    """Asks for a preview of a file; `row` is the index of its track."""

    row: int
    path: bytes


def previews(
    tracks: Sequence[Track], *, workers: int, watch: Watcher | None = None
) -> dict[int, bytes]:
    """Cut five seconds out of the middle of every recording that can be read.

    Returns
    -------
    dict of int to bytes
        Ogg Opus, mono, 32 kbit/s, by row of `tracks`.
    """
    jobs = [
        PreviewJob(row, os.fsencode(track.path))
        for row, track in enumerate(tracks)
        if not track.missing and track.kind == "sound"
    ]
    results = Workers[PreviewJob, bytes].run(PREVIEW_TASK, jobs, PREVIEW_LIMIT_S, workers, watch)
    return {job.row: preview for job, preview in results if not isinstance(preview, Fault)}


def encode_preview(job: PreviewJob) -> bytes:
    """Decode the middle of a file and encode it; runs in a worker."""
    recording = read_recording(Path(os.fsdecode(job.path)), _OPUS_RATE_HZ, _middle)
    return _opus(recording.excerpts[0])


def _middle(duration_s: float) -> tuple[Span, ...]:
    start_s = max(0.0, (duration_s - PREVIEW_S) / 2)
    return (Span(start_s, min(duration_s, start_s + PREVIEW_S)),)


def _opus(samples: FloatArray) -> bytes:
    n_fade = min(round(_FADE_S * _OPUS_RATE_HZ), len(samples) // 2)
    fade = np.linspace(0, 1, n_fade, dtype=np.float32)
    if n_fade:
        samples = samples.copy()
        samples[:n_fade] *= fade
        samples[-n_fade:] *= fade[::-1]
    target = io.BytesIO()
    with av.open(target, "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=_OPUS_RATE_HZ)
        stream.layout = "mono"
        stream.bit_rate = BIT_RATE
        frame = av.AudioFrame.from_ndarray(samples[None], format="flt", layout="mono")
        frame.sample_rate = _OPUS_RATE_HZ
        resampler = av.AudioResampler(
            stream.format.name, "mono", _OPUS_RATE_HZ, stream.frame_size or None
        )
        for chunk in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(chunk))
        container.mux(stream.encode(None))
    return target.getvalue()

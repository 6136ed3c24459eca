"""The cache of what trained spaces read of tracks: images, MusiCNN activations, piano rolls.

Each content is stored once under its hash. `segue.ingest.add` writes what is wanted of the files
that it decodes; `fill_cache` decodes the files of tracks that the cache lacks. Audio previews for
pages, which are not cached, are cut here too.
"""

import contextlib
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.audio import spectrogram
from segue.audio.chroma import VERSION as CHROMA_VERSION
from segue.audio.spectrogram import LOG_MEL_SPECS
from segue.builtin_spaces import REPRESENTATION_VERSION
from segue.errors import BadArgument, DiskFull, TrainingFailed, Unreadable
from segue.files import atomic_write, remove_partials
from segue.ingest.analysis import (
    ACTIVATIONS,
    CHROMA_SEQUENCE,
    IMAGE_LIMIT_S,
    PIANO_ROLLS,
    TASK,
    Answer,
    Decode,
    DecodedFile,
    DecodedTrack,
    DecodeImage,
    Job,
    Representation,
)
from segue.ingest.embedding import TrackEmbedder
from segue.ingest.workers import Fault, Workers
from segue.records import Failure, FloatArray, Medium, Span, Track
from segue.store.spaces import LOAD_ERRORS

LIMIT_BYTES: Final = 20 << 30

Array = NDArray[np.generic]
PREVIEW_TASK: Final = "segue.ingest.cache:encode_preview"
PREVIEW_LIMIT_S: Final = 60.0
PREVIEW_S: Final = 5.0
BIT_RATE: Final = 32_000
_OPUS_RATE_HZ: Final = 48_000
_FADE_S: Final = 0.1

Watcher = Callable[[int, int], None]

_VERSIONS: Final = {
    CHROMA_SEQUENCE.kind: CHROMA_VERSION,
    ACTIVATIONS.kind: REPRESENTATION_VERSION,
    PIANO_ROLLS.kind: REPRESENTATION_VERSION,
} | dict.fromkeys(LOG_MEL_SPECS, spectrogram.VERSION)


class Cache:
    """A cache of arrays by content hash, in one file each.

    Parameters
    ----------
    folder : Path
        Folder for one kind and version of array.
    limit_bytes : int
        Maximum size of all arrays.
    """

    def __init__(self, folder: Path, limit_bytes: int = LIMIT_BYTES) -> None:
        self._folder = folder
        self._limit_bytes = limit_bytes
        for part in folder.glob("*"):
            remove_partials(part, own=True)
        self._bytes = sum(file.stat().st_size for file in folder.glob("*/*.npy"))

    def __contains__(self, content_hash: str) -> bool:
        return self._file(content_hash).exists()

    def read(self, content_hash: str) -> Array | None:
        """Memory-map an array; None if it is missing or damaged."""
        file = self._file(content_hash)
        try:
            array: Array = np.load(file, mmap_mode="r", allow_pickle=False)
        except FileNotFoundError:
            return None
        except LOAD_ERRORS:
            with contextlib.suppress(OSError):
                file.unlink()
            return None
        return array

    def require(self, content_hash: str, noun: str) -> Array:
        """Read an array that training was started with.

        Parameters
        ----------
        content_hash : str
        noun : str
            What the array is, for the message.

        Raises
        ------
        TrainingFailed
            It is missing or damaged.
        """
        array = self.read(content_hash)
        if array is None:
            raise TrainingFailed(
                f"the {noun} {content_hash} vanished from the cache or is damaged; run the same "
                "command again with --resume to compute it again"
            )
        return array

    def write(self, content_hash: str, array: Array) -> bool:
        """Store an array.

        Returns
        -------
        bool
            False if the cache is full and nothing was written.

        Raises
        ------
        DiskFull
            The array cannot be written.
        """
        if self._bytes + array.nbytes > self._limit_bytes:
            return False
        file = self._file(content_hash)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(file) as partial, partial.open("wb") as out:
                np.save(out, array, allow_pickle=False)
        except OSError as error:
            raise DiskFull(
                f"cannot keep spectrograms in {self._folder}: {error.strerror}; make room "
                "(the folder may be emptied at any time) and run the same command again"
            ) from None
        self._bytes += array.nbytes
        return True

    def _file(self, content_hash: str) -> Path:
        if not content_hash.isalnum():
            raise BadArgument(f"{content_hash!r} is not a content hash")
        return self._folder / content_hash[:2] / f"{content_hash}.npy"


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


def open_cache(folder: Path, representation: Representation) -> Cache:
    """Open the cache of a representation, in the folder of a library."""
    kind = representation.kind
    stereo = "-stereo" if representation.stereo else ""
    return Cache(folder / "cache" / f"{kind}{stereo}-v{_VERSIONS[kind]}")


def cache_key(representation: Representation, content_hash: str, tune: int) -> str:
    """Return the key of a track in the cache of a representation."""
    several = tune or representation == PIANO_ROLLS
    return f"{content_hash}t{tune}" if several else content_hash


class CacheWriter:
    """Writes the representations of newly decoded files into the cache.

    Parameters
    ----------
    representations : iterable of Representation
        What the trained spaces of the library read.
    """

    def __init__(self, folder: Path, representations: Iterable[Representation]) -> None:
        self._caches = {each: open_cache(folder, each) for each in representations}

    def missing(
        self, medium: Medium, content_hash: str, tune: int = 0
    ) -> tuple[Representation, ...]:
        """List the representations of a track that are wanted and not in the cache."""
        return tuple(
            each
            for each, cache in self._caches.items()
            if each.medium == medium and cache_key(each, content_hash, tune) not in cache
        )

    def write(
        self, representation: Representation, array: Array, content_hash: str, tune: int = 0
    ) -> None:
        """Store a representation that is lacking, as long as there is room."""
        try:
            self._caches[representation].write(cache_key(representation, content_hash, tune), array)
        except DiskFull:  # reported when the tracks are embedded; the files are added first
            del self._caches[representation]


def fill_cache(
    folder: Path,
    representation: Representation,
    tracks: Sequence[Track],
    workers: int,
    watch: Watcher | None = None,
) -> tuple[Cache, CacheReport]:
    """Open a cache, and decode the files of tracks that it lacks.

    Parameters
    ----------
    workers : int
        Number of decoding processes.
    watch : callable, optional
        Called with the number of files done and in all.

    Raises
    ------
    DiskFull
        What was stored before stays.
    """
    cache = open_cache(folder, representation)
    by_key = {cache_key(representation, t.content_hash, t.tune): t for t in tracks}
    missing: dict[tuple[bytes, Span | None], dict[str, Track]] = {}
    for key, track in by_key.items():
        if key not in cache:
            missing.setdefault((os.fsencode(track.path), track.passage), {})[key] = track
    jobs: dict[Job, tuple[bytes, Span | None]] = {
        _job(representation, *of_job): of_job for of_job in missing
    }
    embedder = TrackEmbedder(threads=max(1, workers // 2))
    failures: list[Failure] = []
    left_out = sum(map(len, missing.values()))
    for job, answer in Workers[Job, Answer].run(TASK, jobs, IMAGE_LIMIT_S, workers, watch):
        path, passage = jobs[job]
        for key, track in missing[path, passage].items():
            array = _extract(answer, 0 if passage else track.tune, representation, embedder)
            if isinstance(array, Fault):
                failures.append(Failure(track.path, array.reason))
            elif not cache.write(key, array):
                return cache, CacheReport(tuple(failures), left_out)
            left_out -= 1
    return cache, CacheReport(tuple(failures), left_out)


def represent_file(path: Path, representation: Representation, passage: Span | None) -> Array:
    """Compute a representation of a file that need not be in the library.

    Raises
    ------
    Unreadable
        With the reason.
    """
    job = _job(representation, os.fsencode(path), passage)
    ((_, answer),) = Workers[Job, Answer].run(TASK, [job], IMAGE_LIMIT_S, 1)
    array = _extract(answer, 0, representation, TrackEmbedder())
    if isinstance(array, Fault):
        raise Unreadable(f"{path}: {array.reason}")
    return array


def _job(
    representation: Representation, path: bytes, passage: Span | None = None
) -> Decode | DecodeImage:
    """Return the job whose answer holds a representation of a file."""
    if representation in (ACTIVATIONS, PIANO_ROLLS):
        return Decode(path, representation.medium, passages=(passage,) if passage else ())
    return DecodeImage(path, representation, passage)


def _extract(
    answer: Answer | Fault, tune: int, representation: Representation, embedder: TrackEmbedder
) -> Array | Fault:
    """Return the representation of a track, or the reason why there is none."""
    track = answer.track(tune) if isinstance(answer, DecodedFile) else answer
    if isinstance(track, DecodedTrack):
        array = embedder.represent(track, representation)
        return Fault("it has no such representation") if array is None else array
    if not isinstance(track, Fault | np.ndarray):
        raise TypeError(f"{type(track)} holds no representation")
    return track


# --- audio previews ---


@dataclass(frozen=True, slots=True)
class PreviewJob:
    """Asks for a preview of a track; `row` is its index."""

    row: int
    path: bytes
    passage: Span | None = None


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
        PreviewJob(row, os.fsencode(track.path), track.passage)
        for row, track in enumerate(tracks)
        if not track.missing and track.kind == "sound"
    ]
    results = Workers[PreviewJob, bytes].run(PREVIEW_TASK, jobs, PREVIEW_LIMIT_S, workers, watch)
    return {job.row: preview for job, preview in results if not isinstance(preview, Fault)}


def encode_preview(job: PreviewJob) -> bytes:
    """Decode the middle of a file and encode it; runs in a worker."""
    from segue.io.audio import read_recording  # training from a filled cache needs no decoder

    path = Path(os.fsdecode(job.path))
    recording = read_recording(path, _OPUS_RATE_HZ, _middle, only=job.passage)
    return _opus(recording.excerpts[0])


def _middle(duration_s: float) -> tuple[Span, ...]:
    start_s = max(0.0, (duration_s - PREVIEW_S) / 2)
    return (Span(start_s, min(duration_s, start_s + PREVIEW_S)),)


def _opus(samples: FloatArray) -> bytes:
    from segue.io.opus import encode_opus

    n_fade = min(round(_FADE_S * _OPUS_RATE_HZ), len(samples) // 2)
    fade = np.linspace(0, 1, n_fade, dtype=np.float32)
    if n_fade:
        samples = samples.copy()
        samples[:n_fade] *= fade
        samples[-n_fade:] *= fade[::-1]
    return encode_opus(samples, _OPUS_RATE_HZ, BIT_RATE)

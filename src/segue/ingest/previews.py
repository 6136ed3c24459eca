"""Short previews of tracks, to be put into a page."""

import io
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av
import numpy as np

from segue.formats.sound import read_sound
from segue.ingest.workers import Fault, Workers
from segue.records import FloatArray, Span, Track

TASK: Final = "segue.ingest.previews:cut"
LENGTH_S: Final = 5.0
BIT_RATE: Final = 32_000
_RATE_HZ: Final = 48_000  # Opus's own
_FADE_S: Final = 0.1
_LIMIT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Cut:
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
    with Workers[Cut, bytes](TASK, workers) as pool:
        for row, track in enumerate(tracks):
            if not track.missing and track.kind == "sound":
                pool.submit(Cut(row, os.fsencode(track.path)), _LIMIT_S)
        for done, (job, sound) in enumerate(pool.results(), start=1):
            if not isinstance(sound, Fault):
                found[job.row] = sound
            if watch:
                watch(done, len(tracks))
    return found


def cut(job: Cut) -> bytes:
    """Decode a file's middle and encode it; runs in a worker."""
    recording = read_sound(Path(os.fsdecode(job.path)), _RATE_HZ, _middle)
    return _opus(recording.excerpts[0])


def _middle(duration_s: float) -> tuple[Span, ...]:
    start_s = max(0.0, (duration_s - LENGTH_S) / 2)
    return (Span(start_s, min(duration_s, start_s + LENGTH_S)),)


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

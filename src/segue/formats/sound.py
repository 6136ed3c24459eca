"""Recordings on disk → `Recording`. The only room that knows audio formats."""

import wave
from collections.abc import Callable, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import IO

import av
import numpy as np
from av.audio.stream import AudioStream

from segue.errors import Unreadable, unreadable
from segue.formats.containers import open_container, sections
from segue.formats.decoding import decode_in_order, decode_span, resampled
from segue.formats.sound_length import length
from segue.formats.whole import replacing
from segue.records import FloatArray, Recording, Span

Plan = Callable[[float], Sequence[Span]]

SAMPLE_RATES_HZ = range(4_000, 768_001)
MAX_CHANNELS = 64
SHORTEST_S = 1.0
MISSING_TOLERANCE = 0.1  # share of the declared length that may be absent
SILENCE = 1e-4  # peak, -80 dBFS


def read_sound(
    path: Path,
    sample_rate_hz: int,
    plan: Plan,
    *,
    only: Span | None = None,
    stereo: bool = False,
) -> Recording:
    """Decode the stretches of a recording that are to be analysed.

    Parameters
    ----------
    path : Path
        Any file; what it is, is found from its content.
    sample_rate_hz : int
        Rate of the result.
    plan : callable
        From the duration in seconds to the stretches wanted.
    only : Span, optional
        Decode this passage instead.
    stereo : bool
        Keep left and right apart: excerpts are of shape (2, samples). Of one channel both are
        the same; of more than two, the first two are taken.

    Returns
    -------
    Recording

    Raises
    ------
    Unreadable
        With the reason, and what to do where something can be done.
    """
    try:
        with path.open("rb") as file:
            return _read(file, sample_rate_hz, plan, only, stereo=stereo)
    except IsADirectoryError:
        raise Unreadable("a folder, not a file") from None
    except MemoryError:
        raise  # of FFmpeg's errors, too: the machine's fault, not the file's
    except av.error.FFmpegError as error:
        raise Unreadable(
            f"cannot be decoded: damaged, or no format that Segue reads ({error.strerror})"
        ) from None
    except OSError as error:
        raise unreadable(error) from None


def _read(
    file: IO[bytes], rate_hz: int, plan: Plan, only: Span | None, *, stereo: bool
) -> Recording:
    if not file.read(1):
        raise Unreadable("empty file")
    file.seek(0)
    parts = sections(file)
    with open_container(parts[0]) as container:
        if not container.streams.audio:
            raise Unreadable("has no sound in it")
        stream = container.streams.audio[0]
        _check(stream)
        file_rate_hz = stream.rate  # of its beginning: it may change where files were joined
        duration_s, seekable = astuple(length(parts, container, stream))
        if only and only.start_s > duration_s - SHORTEST_S:
            raise Unreadable(
                f"the passage begins at {only.start_s:.0f} s, "
                f"but the recording ends at {duration_s:.0f} s"
            )
        spans = [only] if only else plan(duration_s)
        excerpts = (
            [decode_span(container, stream, span, file_rate_hz, stereo=stereo) for span in spans]
            if seekable
            else decode_in_order(parts, spans, file_rate_hz, stereo=stereo)
        )
        wanted_s = sum(min(span.end_s, duration_s) - span.start_s for span in spans)
        there_s = sum(excerpt.shape[-1] for excerpt in excerpts) / file_rate_hz
        if there_s < wanted_s * (1 - MISSING_TOLERANCE):
            raise Unreadable(
                f"cut short: of {wanted_s:.1f} s looked for in {duration_s:.1f} s only "
                f"{there_s:.1f} s are there; fetch the file again"
            )
        if there_s < SHORTEST_S:
            raise Unreadable(
                f"too short: {there_s:.2f} s of sound, at least {SHORTEST_S:g} s needed"
            )
        if max(float(np.abs(excerpt).max(initial=0)) for excerpt in excerpts) < SILENCE:
            raise Unreadable("silence: nothing above -80 dBFS")
        return Recording(
            excerpts=tuple(resampled(excerpt, file_rate_hz, rate_hz) for excerpt in excerpts),
            spans=tuple(spans),
            duration_s=duration_s,
            file_rate_hz=file_rate_hz,
            file_channels=stream.channels,
            codec=stream.codec_context.name,
        )


def write_wav(target: Path, samples: FloatArray, sample_rate_hz: int) -> None:
    """Write sound as a WAV file of 16 bits.

    Parameters
    ----------
    target : Path
    samples : ndarray, shape (n,) or (channels, n), float32
        Full scale 1.0; what is louder is clipped.
    sample_rate_hz : int

    Raises
    ------
    BadArgument
        The file cannot be written.
    """
    whole = np.rint(np.clip(samples, -1, 1) * 32767).astype("<i2")
    with replacing(target) as partial, wave.open(str(partial), "wb") as file:
        file.setnchannels(len(samples) if samples.ndim > 1 else 1)
        file.setsampwidth(2)
        file.setframerate(sample_rate_hz)
        file.writeframes(whole.T.tobytes())


def _check(stream: AudioStream) -> None:
    if stream.codec_context is None:  # FFmpeg knows no decoder of what the header names
        raise Unreadable("cannot be decoded: damaged, or a kind of sound that Segue does not read")
    if stream.rate == 0:
        raise Unreadable("cannot be decoded (no sound that makes sense in it)")
    if stream.rate not in SAMPLE_RATES_HZ:
        raise Unreadable(f"sample rate of {stream.rate} Hz, expected 4 to 768 kHz")
    if not 1 <= stream.channels <= MAX_CHANNELS:
        raise Unreadable(f"{stream.channels} channels, expected 1 to {MAX_CHANNELS}")

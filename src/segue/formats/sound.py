"""Recordings on disk → `Recording`. The only room that knows audio formats."""

import wave
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import av
import numpy as np
import soxr
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from segue.errors import Unreadable, unreadable
from segue.formats.whole import replacing
from segue.records import FloatArray, Recording, Span

#: File name endings that are taken for recordings (video: its first sound track).

# FFmpeg has several hundred demuxers and decoders, some of which open further files or are
# rarely looked after. Only these are ever started, whatever a file claims to be.
DEMUXERS = "mp3,aac,mov,flac,ogg,wav,aiff,asf,matroska,avi"
DECODERS = (
    "mp3float,mp3,aac,alac,flac,vorbis,libvorbis,opus,libopus,wmav1,wmav2,wmapro,wmalossless,"
    "pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,pcm_f32le,pcm_f32be,"
    "pcm_f64le,pcm_f64be,pcm_u8,pcm_s8,pcm_alaw,pcm_mulaw,ac3,eac3,mp2,mp2float"
)
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
    with open_container(file) as container:
        if not container.streams.audio:
            raise Unreadable("has no sound in it")
        stream = container.streams.audio[0]
        _check(stream)
        duration_s = _duration_s(container, stream)
        if only and only.start_s > duration_s - SHORTEST_S:
            raise Unreadable(
                f"the passage begins at {only.start_s:.0f} s, "
                f"but the recording ends at {duration_s:.0f} s"
            )
        spans = [only] if only else plan(duration_s)
        excerpts = [_decode(container, stream, span, stereo=stereo) for span in spans]
        wanted_s = sum(min(span.end_s, duration_s) - span.start_s for span in spans)
        there_s = sum(excerpt.shape[-1] for excerpt in excerpts) / stream.rate
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
            excerpts=tuple(_resample(excerpt, stream.rate, rate_hz) for excerpt in excerpts),
            spans=tuple(spans),
            duration_s=duration_s,
            file_rate_hz=stream.rate,
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


def open_container(
    file: IO[bytes], metadata_encoding: str = "utf-8", metadata_errors: str = "replace"
) -> InputContainer:
    """Open a file with FFmpeg, limited to the formats on our list.

    FFmpeg gets an open file, never a name: it has no way to open another.
    """
    return av.open(
        file,
        mode="r",
        metadata_encoding=metadata_encoding,
        metadata_errors=metadata_errors,
        options={
            "format_whitelist": DEMUXERS,
            "codec_whitelist": DECODERS,
            "protocol_whitelist": "",
        },
    )


def _check(stream: AudioStream) -> None:
    if stream.rate == 0:
        raise Unreadable("cannot be decoded (no sound that makes sense in it)")
    if stream.rate not in SAMPLE_RATES_HZ:
        raise Unreadable(f"sample rate of {stream.rate} Hz, expected 4 to 768 kHz")
    if not 1 <= stream.channels <= MAX_CHANNELS:
        raise Unreadable(f"{stream.channels} channels, expected 1 to {MAX_CHANNELS}")


def _duration_s(container: InputContainer, stream: AudioStream) -> float:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    if container.duration:
        return container.duration / av.time_base
    return sum(
        float((packet.duration or 0) * packet.time_base)
        for packet in container.demux(stream)
        if packet.time_base
    )


def _decode(
    container: InputContainer, stream: AudioStream, span: Span, *, stereo: bool
) -> FloatArray:
    """Decode a stretch at the file's own rate; shorter where the file ends."""
    rate = stream.rate
    if span.start_s > 0 and stream.time_base:
        container.seek(int(span.start_s / stream.time_base), stream=stream, backward=True)
    else:
        container.seek(0)
    pieces: list[FloatArray] = []
    wanted = round(span.length_s * rate)
    have = 0
    for frame in _frames(container, stream):
        samples = _left_right(frame) if stereo else _mono(frame)
        if have == 0 and frame.time is not None:
            late = round((span.start_s - frame.time) * rate)
            samples = samples[..., max(late, 0) :]
        pieces.append(samples[..., : wanted - have])
        have += pieces[-1].shape[-1]
        if have >= wanted:
            break
    if not pieces:
        return np.zeros((2, 0) if stereo else 0, np.float32)
    return np.concatenate(pieces, axis=-1)


def _frames(container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
    """Decode packet by packet: a damaged one is left out, many make the file unreadable."""
    good = bad = 0
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            bad += 1
            if bad > 10 and bad > good:
                raise Unreadable("damaged: most of it cannot be decoded") from None
            continue
        good += 1
        yield from frames


def _mono(frame: AudioFrame) -> FloatArray:
    """Average a frame's channels; full scale becomes 1.0."""
    samples = _channels(frame)
    return _to_full_scale(samples.mean(axis=0, dtype=np.float32), samples.dtype)


def _left_right(frame: AudioFrame) -> FloatArray:
    samples = _channels(frame)
    pair = samples[:2] if len(samples) > 1 else np.repeat(samples, 2, axis=0)
    return _to_full_scale(pair.astype(np.float32), samples.dtype)


def _channels(frame: AudioFrame) -> NDArray[Any]:
    """Return a frame's samples as stored, shape (channels, samples)."""
    samples = frame.to_ndarray()
    if frame.format.is_planar:
        return samples
    return samples.reshape(-1, frame.layout.nb_channels).T


def _to_full_scale(samples: FloatArray, stored: np.dtype[Any]) -> FloatArray:
    if stored.kind == "f":
        return samples
    full_scale = 2 ** (stored.itemsize * 8 - 1)
    centred = samples - full_scale * (stored.kind == "u")
    return np.asarray(centred / np.float32(full_scale), np.float32)


def _resample(samples: FloatArray, from_hz: int, to_hz: int) -> FloatArray:
    # soxr takes channels last.
    return np.asarray(soxr.resample(samples.T, from_hz, to_hz).T, dtype=np.float32)

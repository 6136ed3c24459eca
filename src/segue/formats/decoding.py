"""Packets of a recording → samples: a stretch gone to, or several on the way through a file."""

from collections.abc import Sequence
from typing import Any, Final

import av
import numpy as np
import soxr
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from numpy.typing import NDArray

from segue.errors import Unreadable
from segue.formats.containers import Section, open_container
from segue.records import FloatArray, Span

#: How long before a stretch decoding begins, for decoders that need what came before.
_RUN_UP_S: Final = 0.5
_FEW_BAD: Final = 10  # packets


def decode_span(
    container: InputContainer, stream: AudioStream, span: Span, *, stereo: bool
) -> FloatArray:
    """Decode a stretch of a file that can be gone to by its time stamps.

    Returns
    -------
    ndarray, shape (samples,) or (2, samples), float32
        At the file's own rate; shorter where the file ends.
    """
    rate = stream.rate
    if span.start_s > 0 and stream.time_base:
        container.seek(int(span.start_s / stream.time_base), stream=stream, backward=True)
    else:
        container.seek(0)
    pieces: list[FloatArray] = []
    wanted = round(span.length_s * rate)
    have = 0
    damage = _Damage()
    for frame in (one for packet in container.demux(stream) for one in damage.decoded(packet)):
        samples = _left_right(frame) if stereo else _mono(frame)
        if have == 0 and frame.time is not None:
            late = round((span.start_s - frame.time) * rate)
            samples = samples[..., max(late, 0) :]
        pieces.append(samples[..., : wanted - have])
        have += pieces[-1].shape[-1]
        if have >= wanted:
            break
    return _joined(pieces, stereo=stereo)


def decode_in_order(
    parts: Sequence[Section], spans: Sequence[Span], rate_hz: int, *, stereo: bool
) -> list[FloatArray]:
    """Decode stretches of a recording whose time stamps mean nothing, from its beginning on.

    Time is what the packets before add up to; those that no stretch needs are not decoded.

    Parameters
    ----------
    parts : sequence of Section
        One after the other; their rates and channels may differ.
    spans : sequence of Span
    rate_hz : int
        Rate of the result.
    stereo : bool

    Returns
    -------
    list of ndarray, each of shape (samples,) or (2, samples), float32
        One for each span; shorter where the recording ends.
    """
    pieces: list[list[FloatArray]] = [[] for _ in spans]
    at_s = 0.0
    for part in parts:
        with open_container(part.again()) as container:
            stream = container.streams.audio[0]
            found, at_s = _on_the_way(container, stream, spans, at_s, stereo=stereo)
        for kept, samples in zip(pieces, found, strict=True):
            kept.append(resampled(samples, stream.rate, rate_hz))
        if at_s >= max(span.end_s for span in spans):
            break
    return [_joined(kept, stereo=stereo) for kept in pieces]


def _on_the_way(
    container: InputContainer,
    stream: AudioStream,
    spans: Sequence[Span],
    at_s: float,
    *,
    stereo: bool,
) -> tuple[list[FloatArray], float]:
    """Decode what of one part lies within each span; tell also when the part ends."""
    found: list[list[FloatArray]] = [[] for _ in spans]
    damage = _Damage()
    frame_s: float | None = None  # where the next frame lies; None while nothing is decoded
    for packet in container.demux(stream):
        end_s = at_s + float((packet.duration or 0) * (packet.time_base or 0))
        if any(span.start_s - _RUN_UP_S <= end_s and at_s <= span.end_s for span in spans):
            frame_s = at_s if frame_s is None else frame_s
            for frame in damage.decoded(packet):
                samples = _left_right(frame) if stereo else _mono(frame)
                for span, kept in zip(spans, found, strict=True):
                    first, last = (
                        round((s - frame_s) * frame.sample_rate) for s in (span.start_s, span.end_s)
                    )
                    kept.append(samples[..., max(first, 0) : max(last, 0)])
                frame_s += frame.samples / frame.sample_rate
        elif frame_s is not None:
            stream.codec_context.flush_buffers()
            frame_s = None
        at_s = end_s
    return [_joined(kept, stereo=stereo) for kept in found], at_s


def _joined(pieces: Sequence[FloatArray], *, stereo: bool) -> FloatArray:
    if not pieces:
        return np.zeros((2, 0) if stereo else 0, np.float32)
    return np.concatenate(pieces, axis=-1)


class _Damage:
    """Decodes packet by packet: a damaged one is left out, many make the file unreadable."""

    def __init__(self) -> None:
        self.good = self.bad = 0

    def decoded(self, packet: "Packet[AudioStream]") -> list[AudioFrame]:
        """Return what is in a packet; nothing where it is damaged."""
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            self.bad += 1
            if self.bad > _FEW_BAD and self.bad > self.good:
                raise Unreadable("damaged: most of it cannot be decoded") from None
            return []
        self.good += 1
        return frames


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


def resampled(samples: FloatArray, from_hz: int, to_hz: int) -> FloatArray:
    """Change the sample rate; shape (samples,) or (channels, samples) stays."""
    if from_hz == to_hz:
        return samples
    # soxr takes channels last.
    return np.asarray(soxr.resample(samples.T, from_hz, to_hz).T, dtype=np.float32)

"""Packets of a recording → samples: a stretch gone to, or several on the way through a file."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
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
_LEAST_S: Final = 1e-5  # less than a sample
_JUMP_S: Final = 0.15  # between time stamps: larger ones are of files that were joined

#: Samples, and their rate in Hz: it may change within a file.
_Piece = tuple[FloatArray, int]


def placed(
    packets: "Iterable[Packet[AudioStream]]",
) -> "Iterator[tuple[Packet[AudioStream], Span]]":
    """Say where in a recording each packet lies, whatever time its first one bears.

    Packets of some formats say their length only roughly, or not at all, and time stamps of
    joined files jump: place follows the stamps from packet to packet, but for jumps.

    Parameters
    ----------
    packets : iterable of Packet
        All of a stream, in order.

    Yields
    ------
    packet : Packet
    place : Span
    """
    at_s = 0.0
    shift_s: float | None = None
    for packet in packets:
        base = float(packet.time_base or 0)
        if packet.pts is not None and base:
            stamp_s = packet.pts * base
            if shift_s is None or (packet.duration and abs(stamp_s + shift_s - at_s) > _JUMP_S):
                shift_s = at_s - stamp_s
            at_s = stamp_s + shift_s
        end_s = at_s + (packet.duration or 0) * base
        yield packet, Span(at_s, end_s)
        at_s = end_s


def decode_span(
    container: InputContainer, stream: AudioStream, span: Span, rate_hz: int, *, stereo: bool
) -> FloatArray:
    """Decode a stretch of a file that can be gone to by its time stamps.

    Returns
    -------
    ndarray, shape (samples,) or (2, samples), float32
        Shorter where the file ends.
    """
    if span.start_s > 0 and stream.time_base:
        container.seek(int(span.start_s / stream.time_base), stream=stream, backward=True)
    else:
        container.seek(0)
    pieces: list[_Piece] = []
    left_s = span.length_s
    damage = _Damage()
    for frame in (one for packet in container.demux(stream) for one in damage.decoded(packet)):
        samples = _left_right(frame) if stereo else _mono(frame)
        if not pieces and frame.time is not None:
            late = round((span.start_s - frame.time) * frame.sample_rate)
            if late >= samples.shape[-1]:
                continue
            samples = samples[..., max(late, 0) :]
        samples = samples[..., : round(left_s * frame.sample_rate)]
        pieces.append((samples, frame.sample_rate))
        left_s -= samples.shape[-1] / frame.sample_rate
        if left_s < _LEAST_S:
            break
    return _joined(pieces, rate_hz, stereo=stereo)


def decode_in_order(
    parts: Sequence[Section], spans: Sequence[Span], rate_hz: int, *, stereo: bool
) -> list[FloatArray]:
    """Decode stretches of a recording whose time stamps mean nothing, from its beginning on.

    Time is where packets lie by what comes before; those that no stretch needs are not decoded.

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
    pieces: list[list[_Piece]] = [[] for _ in spans]
    begins_s = 0.0
    for part in parts:
        with open_container(part.again()) as container:
            begins_s = _on_the_way(container, spans, pieces, begins_s, stereo=stereo)
        if begins_s >= max(span.end_s for span in spans):
            break
    return [_joined(kept, rate_hz, stereo=stereo) for kept in pieces]


def _on_the_way(
    container: InputContainer,
    spans: Sequence[Span],
    pieces: Sequence[list[_Piece]],
    begins_s: float,
    *,
    stereo: bool,
) -> float:
    """Add what of one part lies within each span to its pieces; tell when the part ends."""
    damage = _Damage()
    stream = container.streams.audio[0]
    frame_s: float | None = None  # where the next frame lies; None while nothing is decoded
    end_s = begins_s
    for packet, place in placed(container.demux(stream)):
        at_s, end_s = begins_s + place.start_s, begins_s + place.end_s
        if any(span.start_s - _RUN_UP_S <= end_s and at_s <= span.end_s for span in spans):
            frame_s = at_s if frame_s is None else frame_s
            for frame in damage.decoded(packet):
                samples = _left_right(frame) if stereo else _mono(frame)
                for span, kept in zip(spans, pieces, strict=True):
                    first, last = (
                        round((s - frame_s) * frame.sample_rate) for s in (span.start_s, span.end_s)
                    )
                    kept.append((samples[..., max(first, 0) : max(last, 0)], frame.sample_rate))
                frame_s += frame.samples / frame.sample_rate
        elif frame_s is not None:
            stream.codec_context.flush_buffers()
            frame_s = None
    return end_s


def _joined(pieces: Sequence[_Piece], rate_hz: int, *, stereo: bool) -> FloatArray:
    """Join pieces, one after the other, at one rate."""
    if not pieces:
        return np.zeros((2, 0) if stereo else 0, np.float32)
    runs = [
        resampled(np.concatenate([samples for samples, _ in run], axis=-1), found_hz, rate_hz)
        for found_hz, run in groupby(pieces, key=lambda piece: piece[1])
    ]
    return np.concatenate(runs, axis=-1)


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

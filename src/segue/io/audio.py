"""Recordings on disk: containers, decoding, duration.

Files of sound, opened by FFmpeg: what is allowed, and the links of a chained Ogg file.

Packets of a recording → samples: a stretch gone to, or several on the way through a file.

How long a recording is: as its header says where that can be trusted, else counted.

Recordings on disk → `Recording`. The only room that knows audio formats.
"""

import io
import os
import re
import wave
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import IO, Any, Final

import av
import numpy as np
import soxr
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from numpy.typing import NDArray

from segue.errors import Unreadable, unreadable
from segue.files import atomic_output
from segue.records import FloatArray, Recording, Span

# --- containers ---

# FFmpeg has several hundred demuxers and decoders, some of which open further files or are
# rarely looked after. Only these are ever started, whatever a file claims to be.
DEMUXERS: Final = "mp3,aac,mov,flac,ogg,wav,aiff,asf,matroska,avi,mpegts,wv"
DECODERS: Final = (
    "mp3float,mp3,aac,alac,flac,vorbis,libvorbis,opus,libopus,wmav1,wmav2,wmapro,wmalossless,"
    "pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,pcm_f32le,pcm_f32be,"
    "pcm_f64le,pcm_f64be,pcm_u8,pcm_s8,pcm_alaw,pcm_mulaw,ac3,eac3,mp2,mp2float,wavpack"
)

_PAGE: Final = b"OggS"
_PAGE_HEADER: Final = 27  # bytes before the table of segments
_BEGINS: Final = 2  # flag of the first page of a stream
_MOST_LINKS: Final = 1000
_CHUNK: Final = 1 << 16
#: How formats begin that FFmpeg does not find behind an ID3 tag.
_TAGGED: Final = frozenset([_PAGE, b"RIFF", b"RF64", b"FORM"])


def open_container(
    file: "IO[bytes] | FileSection",
    metadata_encoding: str = "utf-8",
    metadata_errors: str = "replace",
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


class FileSection(io.RawIOBase):
    """A part of an open file, read as a file of its own.

    Parameters
    ----------
    file : file
        Open for reading, in bytes; it is neither closed nor left where it was.
    start, end : int
        In bytes.
    """

    def __init__(self, file: IO[bytes], start: int, end: int) -> None:
        super().__init__()
        self._file = file
        self._start, self._end = start, end
        self._at = start

    def again(self) -> "FileSection":
        """Return the same part, to be read from its beginning beside this one."""
        return FileSection(self._file, self._start, self._end)

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tell that any place can be gone to."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Read at most `size` bytes."""
        left = max(self._end - self._at, 0)
        self._file.seek(self._at)
        data = self._file.read(left if size < 0 else min(size, left))
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place; past the end is allowed, as in files."""
        origin = {os.SEEK_SET: self._start, os.SEEK_CUR: self._at, os.SEEK_END: self._end}
        self._at = max(self._start, origin[whence] + offset)
        return self._at - self._start

    def tell(self) -> int:
        """Return the place that is read next."""
        return self._at - self._start


def sections(file: IO[bytes]) -> list[FileSection]:
    """Divide a file into what FFmpeg can read at once: of chained Ogg each link, else the whole.

    FFmpeg gives the duration of the first link only, and refuses links that differ in sample
    rate or channels (RFC 3533, section 4: links follow each other without overlap). An ID3 tag
    in front, which these formats know nothing of, is left out.
    """
    end = file.seek(0, os.SEEK_END)
    begin = _after_id3(file)
    file.seek(begin)
    first = file.read(4)
    begin = begin if first in _TAGGED else 0
    found = islice(_links(file, begin, end), _MOST_LINKS) if first == _PAGE else ()
    links = [FileSection(file, *ends) for ends in found]
    sounding = [link for link in links if _has_sound(link)] if len(links) > 1 else []
    return sounding or links[:1] or [FileSection(file, begin, end)]


def _after_id3(file: IO[bytes]) -> int:
    """Return where an ID3v2 tag in front ends; 0 where there is none."""
    file.seek(0)
    head = file.read(10)
    return id3_length(head) if head.startswith(b"ID3") and len(head) == 10 else 0


def id3_length(head: bytes) -> int:
    """Return the length in bytes of the ID3v2 tag that begins with these ten bytes."""
    size = sum(
        (byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True)
    )
    return len(head) + size


def _has_sound(link: FileSection) -> bool:
    try:
        with open_container(link.again()) as container:
            return bool(container.streams.audio)
    except av.error.FFmpegError:
        return False  # cut off in its headers


def _links(file: IO[bytes], at: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield where each link of an Ogg file begins and ends, whatever lies between them."""
    begun = False
    start, last = at, at  # of the link so far
    while at < end:
        file.seek(at)
        header = file.read(_PAGE_HEADER + 255)
        if not header.startswith(_PAGE) or len(header) < _PAGE_HEADER:
            at = _next_page(file, at + 1)
            continue
        begins = bool(header[5] & _BEGINS)
        if begins and not begun and at > start:
            yield start, last
            start = at
        begun = begins
        segments = header[26]
        at += _PAGE_HEADER + segments + sum(header[_PAGE_HEADER : _PAGE_HEADER + segments])
        last = min(at, end)
    yield start, last


def _next_page(file: IO[bytes], at: int) -> int:
    """Return where the next page of an Ogg file begins from a place on; where the file ends."""
    kept = b""
    file.seek(at)
    while chunk := file.read(_CHUNK):
        found = (kept + chunk).find(_PAGE)
        if found >= 0:
            return at - len(kept) + found
        at += len(chunk)
        kept = (kept + chunk)[1 - len(_PAGE) :]
    return at


# --- decoding ---

#: How long before a stretch decoding begins, for decoders that need what came before.
_RUN_UP_S: Final = 0.5
_FEW_BAD: Final = 10  # packets
_LEAST_S: Final = 1e-5  # less than a sample
_JUMP_S: Final = 0.15  # between time stamps: larger ones are of files that were joined

#: Samples, and their rate in Hz: it may change within a file.
_Piece = tuple[FloatArray, int]


def packet_times(
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


def decode_sequentially(
    parts: Sequence[FileSection], spans: Sequence[Span], rate_hz: int, *, stereo: bool
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
    for packet, place in packet_times(container.demux(stream)):
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
        resample(np.concatenate([samples for samples, _ in run], axis=-1), found_hz, rate_hz)
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


def resample(samples: FloatArray, from_hz: int, to_hz: int) -> FloatArray:
    """Change the sample rate; shape (samples,) or (channels, samples) stays."""
    if from_hz == to_hz:
        return samples
    # soxr takes channels last.
    return np.asarray(soxr.resample(samples.T, from_hz, to_hz).T, dtype=np.float32)


# --- sound length ---

#: Containers without an index whose duration FFmpeg estimates from the bit rate, and AVI, which
#: may say when its sound ends, and not when it begins.
_WITHOUT_LENGTH: Final = frozenset(["aac", "mpegts", "avi"])
_CLOSE_S, _CLOSE = 0.1, 0.005  # in seconds and as a share: what counting may differ by
_STARTS_LATE_S: Final = 0.25  # more than what encoders put before
_CUT: Final = 0.9  # of what a header promises, less is there
#: The first frame of an MP3 file: what encoders write into it about the whole.
_MP3_HEADER: Final = re.compile(rb"(?:Xing|Info)(.{4})(.{8})|VBRI", re.DOTALL)
_HAS_FRAMES, _HAS_BYTES = 1, 2
_LOOKED_AT: Final = 1 << 13
#: "00:03:25.040000000", how long one of Matroska's streams is, as some write it.
_STREAM_LENGTH: Final = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")


@dataclass(frozen=True, slots=True)
class AudioLength:
    """How long a recording is.

    Attributes
    ----------
    duration_s : float
    seekable : bool
        A time in the recording is a time stamp in the file, and can be gone to.
    """

    duration_s: float
    seekable: bool


def audio_length(
    sections: Sequence[FileSection], container: InputContainer, stream: AudioStream
) -> AudioLength:
    """Tell how long a recording is.

    Parameters
    ----------
    sections : sequence of Section
        The recording, see `segue.io.audio.sections`.
    container, stream
        Of its first section, opened.

    Returns
    -------
    Length
        Of a file that is cut short, as long as the whole was where its header says so.
    """
    declared_s = _declared_s(container, stream)
    start_s = float((stream.start_time or 0) * (stream.time_base or 0))
    late = abs(start_s) > _STARTS_LATE_S
    if len(sections) > 1 or not declared_s:
        return AudioLength(sum(map(_counted_s, sections)), seekable=False)
    if _is_estimated(sections[0], container, stream):
        counted_s = _counted_s(sections[0])
        near = abs(declared_s - counted_s) <= max(_CLOSE_S, _CLOSE * counted_s)
        good = near and not late
        return AudioLength(declared_s if good else counted_s, seekable=good)
    if not late:
        return AudioLength(declared_s, seekable=True)
    # Some write how long it is, some when it ends: whichever is nearer to what is there.
    counted_s = _counted_s(sections[0])
    promised_s = min(
        (s for s in (declared_s - start_s, declared_s) if s >= _CUT * counted_s),
        key=lambda s: abs(s - counted_s),
        default=counted_s,
    )
    return AudioLength(promised_s, seekable=False)


def _declared_s(container: InputContainer, stream: AudioStream) -> float:
    """Return the duration that the file gives; 0 where it gives none for its sound."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    whole_s = (container.duration or 0) / av.time_base
    if not container.streams.video:
        return whole_s
    # Pictures may go on after the sound.
    told = _STREAM_LENGTH.fullmatch(stream.metadata.get("DURATION", ""))
    stream_s = 3600 * int(told[1]) + 60 * int(told[2]) + float(told[3]) if told else 0.0
    return stream_s if stream_s <= whole_s + _CLOSE_S else 0.0


def _is_estimated(section: FileSection, container: InputContainer, stream: AudioStream) -> bool:
    """Tell whether FFmpeg's duration comes from the bit rate, or from a late beginning."""
    name = container.format.name
    if name == "ogg":  # of FLAC in it, FFmpeg never tells when it begins
        return stream.codec_context.name == "flac"
    return name in _WITHOUT_LENGTH or (name == "mp3" and not _says_its_length(section))


def _says_its_length(section: FileSection) -> bool:
    """Tell whether an MP3 file says in its first frame how many follow, and no others do."""
    file = section.again()
    end = file.seek(0, os.SEEK_END)
    file.seek(0)
    start = 0
    head = file.read(10)
    while head.startswith(b"ID3") and len(head) == 10:
        start += id3_length(head)
        file.seek(start)
        head = file.read(10)
    file.seek(start)
    frame = file.read(_LOOKED_AT)
    if (
        frame[:1] != b"\xff"
    ):  # something is before the first frame: FFmpeg does not see what it says
        return False
    found = _MP3_HEADER.search(frame)
    if found is None or found[1] is None:
        return found is not None
    flags, numbers = found[1][3], found[2]
    if not flags & _HAS_FRAMES:
        return False
    size = int.from_bytes(numbers[4:]) if flags & _HAS_BYTES else 0
    return not size or end - start <= size + _LOOKED_AT


def _counted_s(section: FileSection) -> float:
    """Add up the packets of a file's sound, without decoding it."""
    end_s = 0.0
    with open_container(section.again()) as container:
        try:
            for _, place in packet_times(container.demux(container.streams.audio[0])):
                end_s = place.end_s
        except av.error.InvalidDataError:
            pass  # the end of what can be read
    return end_s


# --- sound ---

SpanPlan = Callable[[float], Sequence[Span]]

SAMPLE_RATES_HZ = range(4_000, 768_001)
MAX_CHANNELS = 64
MIN_DURATION_S = 1.0
MISSING_TOLERANCE = 0.1  # share of the declared length that may be absent
SILENCE = 1e-4  # peak, -80 dBFS


def read_recording(
    path: Path,
    sample_rate_hz: int,
    plan: SpanPlan,
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
    file: IO[bytes], rate_hz: int, plan: SpanPlan, only: Span | None, *, stereo: bool
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
        duration_s, seekable = astuple(audio_length(parts, container, stream))
        if only and only.start_s > duration_s - MIN_DURATION_S:
            raise Unreadable(
                f"the passage begins at {only.start_s:.0f} s, "
                f"but the recording ends at {duration_s:.0f} s"
            )
        spans = [only] if only else plan(duration_s)
        excerpts = (
            [decode_span(container, stream, span, file_rate_hz, stereo=stereo) for span in spans]
            if seekable
            else decode_sequentially(parts, spans, file_rate_hz, stereo=stereo)
        )
        wanted_s = sum(min(span.end_s, duration_s) - span.start_s for span in spans)
        there_s = sum(excerpt.shape[-1] for excerpt in excerpts) / file_rate_hz
        if there_s < wanted_s * (1 - MISSING_TOLERANCE):
            raise Unreadable(
                f"cut short: of {wanted_s:.1f} s looked for in {duration_s:.1f} s only "
                f"{there_s:.1f} s are there; fetch the file again"
            )
        if there_s < MIN_DURATION_S:
            raise Unreadable(
                f"too short: {there_s:.2f} s of sound, at least {MIN_DURATION_S:g} s needed"
            )
        if max(float(np.abs(excerpt).max(initial=0)) for excerpt in excerpts) < SILENCE:
            raise Unreadable("silence: nothing above -80 dBFS")
        return Recording(
            excerpts=tuple(resample(excerpt, file_rate_hz, rate_hz) for excerpt in excerpts),
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
    with atomic_output(target) as partial, wave.open(str(partial), "wb") as file:
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

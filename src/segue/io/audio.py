"""Decoding of audio files with FFmpeg.

The number of formats is limited for safety. Files are seekable by timestamps where their duration
can be trusted; otherwise (chained Ogg files, MP3 without a header, joined files) packets are
counted and decoded sequentially from the start.
"""

import io
import os
import re
import wave
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
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

# FFmpeg has several hundred demuxers and decoders, some of which open further files or are rarely
# maintained. Only these are used, whatever the content of a file.
DEMUXERS: Final = "mp3,aac,mov,flac,ogg,wav,aiff,asf,matroska,avi,mpegts,wv"
DECODERS: Final = (
    "mp3float,mp3,aac,alac,flac,vorbis,libvorbis,opus,libopus,wmav1,wmav2,wmapro,wmalossless,"
    "pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,pcm_f32le,pcm_f32be,"
    "pcm_f64le,pcm_f64be,pcm_u8,pcm_s8,pcm_alaw,pcm_mulaw,ac3,eac3,mp2,mp2float,wavpack"
)

_PAGE: Final = b"OggS"
_PAGE_HEADER: Final = 27  # bytes before the table of segments
_FIRST_PAGE: Final = 2  # header flag of the first page of a stream
_MAX_LINKS: Final = 1000
_CHUNK: Final = 1 << 16
#: Magic bytes of formats that FFmpeg does not detect after an ID3 tag.
_TAGGED: Final = frozenset([_PAGE, b"RIFF", b"RF64", b"FORM"])


def open_container(
    file: "IO[bytes] | FileSection",
    metadata_encoding: str = "utf-8",
    metadata_errors: str = "replace",
) -> InputContainer:
    """Open a file with FFmpeg, limited to the formats in `DEMUXERS` and `DECODERS`.

    FFmpeg gets an open file instead of a name, so that it cannot open other files.
    """
    limits = {"format_whitelist": DEMUXERS, "codec_whitelist": DECODERS, "protocol_whitelist": ""}
    return av.open(
        file,
        mode="r",
        metadata_encoding=metadata_encoding,
        metadata_errors=metadata_errors,
        options=limits,
    )


class FileSection(io.RawIOBase):
    """A byte range of an open file as a file-like object.

    Parameters
    ----------
    file : file
        Binary file; it is not closed, and its position changes.
    start, end : int
        Range in bytes.
    """

    def __init__(self, file: IO[bytes], start: int, end: int) -> None:
        super().__init__()
        self._file = file
        self._start, self._end = start, end
        self._at = start

    def again(self) -> "FileSection":
        """Return a new object of the same range, positioned at its start."""
        return FileSection(self._file, self._start, self._end)

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Read at most `size` bytes."""
        left = max(self._end - self._at, 0)
        self._file.seek(self._at)
        data = self._file.read(left if size < 0 else min(size, left))
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Set the position; past the end is allowed, as in files."""
        origin = {os.SEEK_SET: self._start, os.SEEK_CUR: self._at, os.SEEK_END: self._end}
        self._at = max(self._start, origin[whence] + offset)
        return self._at - self._start

    def tell(self) -> int:
        """Return the position."""
        return self._at - self._start


def sections(file: IO[bytes]) -> list[FileSection]:
    """Split a file into sections that FFmpeg reads one by one: the links of a chained Ogg file.

    FFmpeg reports the duration of the first link only, and refuses links that differ in sample
    rate or channels (RFC 3533, section 4: links follow each other without overlap). Other files
    are one section. A leading ID3 tag of formats that do not define one is left out.
    """
    end = file.seek(0, os.SEEK_END)
    file.seek(0)
    begin = id3_length(file.read(10))
    file.seek(begin)
    first = file.read(4)
    begin = begin if first in _TAGGED else 0
    ranges = islice(_links(file, begin, end), _MAX_LINKS) if first == _PAGE else ()
    links = [FileSection(file, *bounds) for bounds in ranges]
    with_audio = [link for link in links if _has_audio(link)] if len(links) > 1 else []
    return with_audio or links[:1] or [FileSection(file, begin, end)]


def id3_length(head: bytes) -> int:
    """Return the length in bytes of the ID3v2 tag that begins with these ten bytes; 0 for none."""
    if not head.startswith(b"ID3") or len(head) < 10:
        return 0
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F
    return 10 + size


def _has_audio(link: FileSection) -> bool:
    try:
        with open_container(link.again()) as container:
            return bool(container.streams.audio)
    except av.error.FFmpegError:
        return False  # cut off in its headers


def _links(file: IO[bytes], at: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield start and end of each link of an Ogg file, skipping garbage between pages."""
    in_header = False
    start, last = at, at  # of the current link
    while at < end:
        file.seek(at)
        header = file.read(_PAGE_HEADER + 255)
        if not header.startswith(_PAGE) or len(header) < _PAGE_HEADER:
            at = _next_page(file, at + 1)
            continue
        is_first_page = bool(header[5] & _FIRST_PAGE)
        if is_first_page and not in_header and at > start:
            yield start, last
            start = at
        in_header = is_first_page
        segments = header[26]
        at += _PAGE_HEADER + segments + sum(header[_PAGE_HEADER : _PAGE_HEADER + segments])
        last = min(at, end)
    yield start, last


def _next_page(file: IO[bytes], at: int) -> int:
    """Return the start of the next Ogg page from a position on, or the end of the file."""
    tail = b""
    file.seek(at)
    while chunk := file.read(_CHUNK):
        index = (tail + chunk).find(_PAGE)
        if index >= 0:
            return at - len(tail) + index
        at += len(chunk)
        tail = (tail + chunk)[1 - len(_PAGE) :]
    return at


# --- decoding ---

#: Time decoded before an excerpt, for decoders that need the preceding packets.
_PREROLL_S: Final = 0.5
_MAX_BAD_PACKETS: Final = 10
_EPSILON_S: Final = 1e-5  # less than a sample
_MAX_GAP_S: Final = 0.15  # between timestamps; larger gaps occur where files were joined

#: Samples and their sample rate in Hz, which may change within a file.
_Chunk = tuple[FloatArray, int]


def packet_times(
    packets: "Iterable[Packet[AudioStream]]",
) -> "Iterator[tuple[Packet[AudioStream], Span]]":
    """Compute the time span of each packet, counted from the first one.

    In some formats, packets have inexact durations or none, and the timestamps of joined files
    jump: times follow the differences of timestamps, except for jumps.

    Parameters
    ----------
    packets : iterable of Packet
        All packets of a stream, in order.

    Yields
    ------
    packet : Packet
    span : Span
    """
    at_s = 0.0
    shift_s: float | None = None
    for packet in packets:
        base = float(packet.time_base or 0)
        if packet.pts is not None and base:
            stamp_s = packet.pts * base
            if shift_s is None or (packet.duration and abs(stamp_s + shift_s - at_s) > _MAX_GAP_S):
                shift_s = at_s - stamp_s
            at_s = stamp_s + shift_s
        end_s = at_s + (packet.duration or 0) * base
        yield packet, Span(at_s, end_s)
        at_s = end_s


def decode_span(
    container: InputContainer, stream: AudioStream, span: Span, rate_hz: int, *, stereo: bool
) -> FloatArray:
    """Decode an excerpt of a file that is seekable by timestamps.

    Returns
    -------
    ndarray, shape (samples,) or (2, samples), float32
        Shorter if the file ends early.
    """
    if span.start_s > 0 and stream.time_base:
        container.seek(int(span.start_s / stream.time_base), stream=stream, backward=True)
    else:
        container.seek(0)
    chunks: list[_Chunk] = []
    left_s = span.length_s
    decoder = _TolerantDecoder()
    for frame in (f for packet in container.demux(stream) for f in decoder.decode(packet)):
        samples = _stereo(frame) if stereo else _mono(frame)
        if not chunks and frame.time is not None:
            skip = round((span.start_s - frame.time) * frame.sample_rate)
            if skip >= samples.shape[-1]:
                continue
            samples = samples[..., max(skip, 0) :]
        samples = samples[..., : round(left_s * frame.sample_rate)]
        chunks.append((samples, frame.sample_rate))
        left_s -= samples.shape[-1] / frame.sample_rate
        if left_s < _EPSILON_S:
            break
    return _concatenate(chunks, rate_hz, stereo=stereo)


def decode_sequentially(
    parts: Sequence[FileSection], spans: Sequence[Span], rate_hz: int, *, stereo: bool
) -> list[FloatArray]:
    """Decode excerpts of a recording without reliable timestamps in one pass from its start.

    Times are the sums of packet durations; packets outside the excerpts are not decoded. Sections
    may differ in sample rate and channels.

    Returns
    -------
    list of ndarray, each of shape (samples,) or (2, samples), float32
        One for each span; shorter if the recording ends early.
    """
    chunks: list[list[_Chunk]] = [[] for _ in spans]
    start_s = 0.0
    for part in parts:
        with open_container(part.again()) as container:
            start_s = _decode_section(container, spans, chunks, start_s, stereo=stereo)
        if start_s >= max(span.end_s for span in spans):
            break
    return [_concatenate(of_span, rate_hz, stereo=stereo) for of_span in chunks]


def _decode_section(
    container: InputContainer,
    spans: Sequence[Span],
    chunks: Sequence[list[_Chunk]],
    start_s: float,
    *,
    stereo: bool,
) -> float:
    """Append the chunks of one section to those of each span; return the end of the section."""
    decoder = _TolerantDecoder()
    stream = container.streams.audio[0]
    frame_s: float | None = None  # time of the next frame; None while packets are skipped
    end_s = start_s
    for packet, time in packet_times(container.demux(stream)):
        at_s, end_s = start_s + time.start_s, start_s + time.end_s
        if any(span.start_s - _PREROLL_S <= end_s and at_s <= span.end_s for span in spans):
            frame_s = at_s if frame_s is None else frame_s
            for frame in decoder.decode(packet):
                samples = _stereo(frame) if stereo else _mono(frame)
                for span, of_span in zip(spans, chunks, strict=True):
                    first, last = (
                        round((s - frame_s) * frame.sample_rate) for s in (span.start_s, span.end_s)
                    )
                    of_span.append((samples[..., max(first, 0) : max(last, 0)], frame.sample_rate))
                frame_s += frame.samples / frame.sample_rate
        elif frame_s is not None:
            stream.codec_context.flush_buffers()
            frame_s = None
    return end_s


def _concatenate(chunks: Sequence[_Chunk], rate_hz: int, *, stereo: bool) -> FloatArray:
    """Concatenate chunks at one sample rate."""
    if not chunks:
        return np.zeros((2, 0) if stereo else 0, np.float32)
    runs = [
        resample(np.concatenate([samples for samples, _ in run], axis=-1), from_hz, rate_hz)
        for from_hz, run in groupby(chunks, key=lambda chunk: chunk[1])
    ]
    return np.concatenate(runs, axis=-1)


class _TolerantDecoder:
    """Decodes packets, and skips damaged ones unless there are many."""

    def __init__(self) -> None:
        self.good = self.bad = 0

    def decode(self, packet: "Packet[AudioStream]") -> list[AudioFrame]:
        """Return the frames of a packet; none if it is damaged.

        Raises
        ------
        Unreadable
            Most packets are damaged.
        """
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            self.bad += 1
            if self.bad > _MAX_BAD_PACKETS and self.bad > self.good:
                raise Unreadable("damaged: most of it cannot be decoded") from None
            return []
        self.good += 1
        return frames


def _mono(frame: AudioFrame) -> FloatArray:
    """Downmix a frame to mono, full scale 1.0."""
    samples = _channels(frame)
    return _to_full_scale(samples.mean(axis=0, dtype=np.float32), samples.dtype)


def _stereo(frame: AudioFrame) -> FloatArray:
    samples = _channels(frame)
    pair = samples[:2] if len(samples) > 1 else np.repeat(samples, 2, axis=0)
    return _to_full_scale(pair.astype(np.float32), samples.dtype)


def _channels(frame: AudioFrame) -> NDArray[Any]:
    """Return the samples of a frame as stored, shape (channels, samples)."""
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
    """Resample; shape (samples,) or (channels, samples)."""
    if from_hz == to_hz:
        return samples
    # soxr takes channels last.
    return np.asarray(soxr.resample(samples.T, from_hz, to_hz).T, dtype=np.float32)


# --- duration ---

#: Containers without an index whose duration FFmpeg estimates from the bit rate, and AVI, whose
#: duration may include the time before the audio begins.
_ESTIMATED_FORMATS: Final = frozenset(["aac", "mpegts", "avi"])
_TOLERANCE_S, _TOLERANCE = 0.1, 0.005  # absolute and relative, between declared and counted
_LATE_START_S: Final = 0.25  # more than an encoder's delay
_TRUNCATED: Final = 0.9  # minimum of declared to counted duration
#: Encoder information in the first frame of an MP3 file.
_MP3_HEADER: Final = re.compile(rb"(?:Xing|Info)(.{4})(.{8})|VBRI", re.DOTALL)
_HAS_FRAMES, _HAS_BYTES = 1, 2
_FRAME_BYTES: Final = 1 << 13
#: Duration of a stream as some Matroska files have it: "00:03:25.040000000".
_STREAM_LENGTH: Final = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")


@dataclass(frozen=True, slots=True)
class AudioLength:
    """The duration of a recording; `seekable` if its times are timestamps in the file."""

    duration_s: float
    seekable: bool


def audio_length(
    sections: Sequence[FileSection], container: InputContainer, stream: AudioStream
) -> AudioLength:
    """Determine the duration of a recording: declared if reliable, else by counting packets.

    `container` and `stream` are those of the first section. A truncated file has its original
    duration if its header states it.
    """
    declared_s = _declared_s(container, stream)
    start_s = float((stream.start_time or 0) * (stream.time_base or 0))
    late = abs(start_s) > _LATE_START_S
    if len(sections) > 1 or not declared_s:
        return AudioLength(sum(map(_counted_s, sections)), seekable=False)
    if _is_estimated(sections[0], container, stream):
        counted_s = _counted_s(sections[0])
        close = abs(declared_s - counted_s) <= max(_TOLERANCE_S, _TOLERANCE * counted_s)
        reliable = close and not late
        return AudioLength(declared_s if reliable else counted_s, seekable=reliable)
    if not late:
        return AudioLength(declared_s, seekable=True)
    # Some headers state the duration, some the end time: take the one closer to the counted time.
    counted_s = _counted_s(sections[0])
    likely_s = min(
        (s for s in (declared_s - start_s, declared_s) if s >= _TRUNCATED * counted_s),
        key=lambda s: abs(s - counted_s),
        default=counted_s,
    )
    return AudioLength(likely_s, seekable=False)


def _declared_s(container: InputContainer, stream: AudioStream) -> float:
    """Return the declared duration of the audio stream; 0 if there is none."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    whole_s = (container.duration or 0) / av.time_base
    if not container.streams.video:
        return whole_s
    # The video may be longer than the audio.
    match = _STREAM_LENGTH.fullmatch(stream.metadata.get("DURATION", ""))
    stream_s = 3600 * int(match[1]) + 60 * int(match[2]) + float(match[3]) if match else 0.0
    return stream_s if stream_s <= whole_s + _TOLERANCE_S else 0.0


def _is_estimated(section: FileSection, container: InputContainer, stream: AudioStream) -> bool:
    """Return whether FFmpeg's duration is estimated from the bit rate, or from a late start."""
    name = container.format.name
    if name == "ogg":  # for FLAC in Ogg, FFmpeg does not report the start time
        return stream.codec_context.name == "flac"
    return name in _ESTIMATED_FORMATS or (name == "mp3" and not _has_frame_count(section))


def _has_frame_count(section: FileSection) -> bool:
    """Return whether an MP3 file states its number of frames, and has no further frames."""
    file = section.again()
    end = file.seek(0, os.SEEK_END)
    file.seek(0)
    start = 0
    while tag_bytes := id3_length(file.read(10)):
        start += tag_bytes
        file.seek(start)
    file.seek(start)
    frame = file.read(_FRAME_BYTES)
    if frame[:1] != b"\xff":  # with garbage before the first frame, FFmpeg ignores its header
        return False
    match = _MP3_HEADER.search(frame)
    if match is None or match[1] is None:
        return match is not None
    flags, numbers = match[1][3], match[2]
    if not flags & _HAS_FRAMES:
        return False
    size = int.from_bytes(numbers[4:]) if flags & _HAS_BYTES else 0
    return not size or end - start <= size + _FRAME_BYTES


def _counted_s(section: FileSection) -> float:
    """Return the duration by counting packets, without decoding them."""
    end_s = 0.0
    with open_container(section.again()) as container:
        try:
            for _, time in packet_times(container.demux(container.streams.audio[0])):
                end_s = time.end_s
        except av.error.InvalidDataError:
            pass  # the rest is unreadable
    return end_s


# --- reading and writing ---

SpanPlan = Callable[[float], Sequence[Span]]

SAMPLE_RATES_HZ = range(4_000, 768_001)
MAX_CHANNELS = 64
MIN_DURATION_S = 1.0
MISSING_TOLERANCE = 0.1  # share of the requested duration that may be missing
SILENCE = 1e-4  # peak, -80 dBFS
#: Peak of a mono downmix below which its channels are looked at, and how much louder the first one
#: must be to be taken instead: channels in opposite phase cancel each other.
_CANCELLED = 3e-3
_CANCELLATION = 10.0


class RecordingFile:
    """An open audio file, from which several sets of excerpts can be decoded.

    Parameters
    ----------
    file : file
        Binary file.

    Raises
    ------
    Unreadable
        The file is empty.
    """

    def __init__(self, file: IO[bytes]) -> None:
        if not file.read(1):
            raise Unreadable("empty file")
        self._sections = sections(file)
        self._length: AudioLength | None = None
        self._passage: Span | None = None
        self._recordings: dict[tuple[int, tuple[Span, ...], bool], Recording] = {}

    def read(
        self,
        sample_rate_hz: int,
        plan: SpanPlan,
        *,
        only: Span | None = None,
        stereo: bool = False,
    ) -> Recording:
        """Decode excerpts, or return them if they were decoded before.

        The decoder starts afresh for each set, so that the samples do not depend on other sets.

        Parameters
        ----------
        sample_rate_hz, plan, only, stereo
            See `read_recording`.
        """
        with open_container(self._sections[0].again()) as container:
            if not container.streams.audio:
                raise Unreadable("has no sound in it")
            stream = container.streams.audio[0]
            _check(stream)
            if self._length is None:
                self._length = audio_length(self._sections, container, stream)
            duration_s = self._length.duration_s
            if only and 0 < only.start_s > duration_s - MIN_DURATION_S:
                raise Unreadable(
                    f"the passage begins at {only.start_s:.0f} s, "
                    f"but the recording ends at {duration_s:.0f} s"
                )
            spans = tuple(plan(duration_s)) if only is None else _within(only, plan, duration_s)
            if only != self._passage:  # the samples of all tracks of a mix would be too many
                self._recordings.clear()
                self._passage = only
            key = sample_rate_hz, spans, stereo
            if key not in self._recordings:
                self._recordings[key] = self._decode(container, self._length, *key)
            recording = self._recordings[key]
        if only is None:
            return recording
        return replace(recording, duration_s=min(only.end_s, duration_s) - only.start_s)

    @property
    def duration_s(self) -> float:
        """Duration of the whole recording, once something of it was read."""
        return self._length.duration_s if self._length else 0.0

    def _decode(
        self,
        container: InputContainer,
        length: AudioLength,
        sample_rate_hz: int,
        spans: tuple[Span, ...],
        stereo: bool,
    ) -> Recording:
        stream = container.streams.audio[0]
        file_rate_hz = stream.rate  # at the beginning; it may change where files were joined

        def decode(*, stereo: bool) -> list[FloatArray]:
            if not length.seekable:
                return decode_sequentially(self._sections, spans, file_rate_hz, stereo=stereo)
            return [decode_span(container, stream, s, file_rate_hz, stereo=stereo) for s in spans]

        excerpts = decode(stereo=stereo)
        if not stereo and stream.channels > 1 and _peak(excerpts) < _CANCELLED:
            channels = [excerpt[0] for excerpt in decode(stereo=True)]
            if _peak(channels) > _CANCELLATION * _peak(excerpts):
                excerpts = channels
        requested_s = sum(min(span.end_s, length.duration_s) - span.start_s for span in spans)
        decoded_s = sum(excerpt.shape[-1] for excerpt in excerpts) / file_rate_hz
        if decoded_s < requested_s * (1 - MISSING_TOLERANCE):
            raise Unreadable(
                f"cut short: of {requested_s:.1f} s requested in {length.duration_s:.1f} s only "
                f"{decoded_s:.1f} s are there; fetch the file again"
            )
        if decoded_s < MIN_DURATION_S:
            raise Unreadable(
                f"too short: {decoded_s:.2f} s of sound, at least {MIN_DURATION_S:g} s needed"
            )
        if _peak(excerpts) < SILENCE:
            raise Unreadable("silence: nothing above -80 dBFS")
        return Recording(
            excerpts=tuple(resample(excerpt, file_rate_hz, sample_rate_hz) for excerpt in excerpts),
            spans=spans,
            duration_s=length.duration_s,
            file_rate_hz=file_rate_hz,
            file_channels=stream.channels,
            codec=stream.codec_context.name,
        )


def _peak(excerpts: Sequence[FloatArray]) -> float:
    return max((float(np.abs(excerpt).max(initial=0)) for excerpt in excerpts), default=0.0)


def _within(passage: Span, plan: SpanPlan, duration_s: float) -> tuple[Span, ...]:
    """Return the excerpts of a passage, as positions in the recording."""
    length_s = min(passage.end_s, duration_s) - passage.start_s
    start_s = passage.start_s
    return tuple(Span(start_s + span.start_s, start_s + span.end_s) for span in plan(length_s))


@contextmanager
def open_recording(path: Path) -> Iterator[RecordingFile]:
    """Open an audio file; its format is detected from the content.

    Raises
    ------
    Unreadable
        With the reason, and advice if there is any; also from within the context.
    """
    try:
        with path.open("rb") as file:
            yield RecordingFile(file)
    except IsADirectoryError:
        raise Unreadable("a folder, not a file") from None
    except MemoryError:
        raise  # also raised by FFmpeg; not a fault of the file
    except av.error.FFmpegError as error:
        raise Unreadable(
            f"cannot be decoded: damaged, or no format that Segue reads ({error.strerror})"
        ) from None
    except OSError as error:
        raise unreadable(error) from None


def read_recording(
    path: Path,
    sample_rate_hz: int,
    plan: SpanPlan,
    *,
    only: Span | None = None,
    stereo: bool = False,
) -> Recording:
    """Decode excerpts of a recording.

    Parameters
    ----------
    path : Path
    sample_rate_hz : int
        Sample rate of the result.
    plan : callable
        Function from the duration in seconds to the excerpts to decode.
    only : Span, optional
        A passage that is read as if it were the whole recording. It may end after it.
    stereo : bool
        Return excerpts of shape (2, samples) instead of a mono downmix: a mono channel twice, or
        the first two of several channels.

    Raises
    ------
    Unreadable
        See `open_recording`.
    """
    with open_recording(path) as file:
        return file.read(sample_rate_hz, plan, only=only, stereo=stereo)


def write_wav(target: Path, samples: FloatArray, sample_rate_hz: int) -> None:
    """Write a 16-bit WAV file.

    Parameters
    ----------
    target : Path
    samples : ndarray, shape (n,) or (channels, n), float32
        Full scale 1.0; louder samples are clipped.
    sample_rate_hz : int

    Raises
    ------
    BadArgument
        The file cannot be written.
    """
    pcm = np.rint(np.clip(samples, -1, 1) * 32767).astype("<i2")
    with atomic_output(target) as partial, wave.open(str(partial), "wb") as file:
        file.setnchannels(len(samples) if samples.ndim > 1 else 1)
        file.setsampwidth(2)
        file.setframerate(sample_rate_hz)
        file.writeframes(pcm.T.tobytes())


def _check(stream: AudioStream) -> None:
    if stream.codec_context is None:  # FFmpeg has no decoder for the codec
        raise Unreadable("cannot be decoded: damaged, or a kind of sound that Segue does not read")
    if stream.rate == 0:
        raise Unreadable("cannot be decoded (no sound that makes sense in it)")
    if stream.rate not in SAMPLE_RATES_HZ:
        raise Unreadable(f"sample rate of {stream.rate} Hz, expected 4 to 768 kHz")
    if not 1 <= stream.channels <= MAX_CHANNELS:
        raise Unreadable(f"{stream.channels} channels, expected 1 to {MAX_CHANNELS}")

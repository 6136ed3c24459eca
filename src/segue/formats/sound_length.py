"""How long a recording is: as its header says where that can be trusted, else counted."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import av
from av.audio.stream import AudioStream
from av.container import InputContainer

from segue.formats.containers import Section, id3_length, open_container
from segue.formats.decoding import placed

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
class Length:
    """How long a recording is.

    Attributes
    ----------
    duration_s : float
    seekable : bool
        A time in the recording is a time stamp in the file, and can be gone to.
    """

    duration_s: float
    seekable: bool


def length(sections: Sequence[Section], container: InputContainer, stream: AudioStream) -> Length:
    """Tell how long a recording is.

    Parameters
    ----------
    sections : sequence of Section
        The recording, see `segue.formats.containers.sections`.
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
        return Length(sum(map(_counted_s, sections)), seekable=False)
    if _is_estimated(sections[0], container, stream):
        counted_s = _counted_s(sections[0])
        near = abs(declared_s - counted_s) <= max(_CLOSE_S, _CLOSE * counted_s)
        good = near and not late
        return Length(declared_s if good else counted_s, seekable=good)
    if not late:
        return Length(declared_s, seekable=True)
    # Some write how long it is, some when it ends: whichever is nearer to what is there.
    counted_s = _counted_s(sections[0])
    promised_s = min(
        (s for s in (declared_s - start_s, declared_s) if s >= _CUT * counted_s),
        key=lambda s: abs(s - counted_s),
        default=counted_s,
    )
    return Length(promised_s, seekable=False)


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


def _is_estimated(section: Section, container: InputContainer, stream: AudioStream) -> bool:
    """Tell whether FFmpeg's duration comes from the bit rate, or from a late beginning."""
    name = container.format.name
    if name == "ogg":  # of FLAC in it, FFmpeg never tells when it begins
        return stream.codec_context.name == "flac"
    return name in _WITHOUT_LENGTH or (name == "mp3" and not _says_its_length(section))


def _says_its_length(section: Section) -> bool:
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


def _counted_s(section: Section) -> float:
    """Add up the packets of a file's sound, without decoding it."""
    end_s = 0.0
    with open_container(section.again()) as container:
        try:
            for _, place in placed(container.demux(container.streams.audio[0])):
                end_s = place.end_s
        except av.error.InvalidDataError:
            pass  # the end of what can be read
    return end_s

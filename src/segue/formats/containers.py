"""Files of sound, opened by FFmpeg: what is allowed, and the links of a chained Ogg file."""

import io
import os
from collections.abc import Iterator
from itertools import islice
from typing import IO, Final

import av
from av.container import InputContainer

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
    file: "IO[bytes] | Section", metadata_encoding: str = "utf-8", metadata_errors: str = "replace"
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


class Section(io.RawIOBase):
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

    def again(self) -> "Section":
        """Return the same part, to be read from its beginning beside this one."""
        return Section(self._file, self._start, self._end)

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


def sections(file: IO[bytes]) -> list[Section]:
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
    links = [Section(file, *ends) for ends in found]
    sounding = [link for link in links if _has_sound(link)] if len(links) > 1 else []
    return sounding or links[:1] or [Section(file, begin, end)]


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


def _has_sound(link: Section) -> bool:
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

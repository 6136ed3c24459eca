"""Transcoding of a recording to what a player asks for; also the program that does it.

It runs as a process of its own, which a damaged file may crash, and which ends when the player
stops listening. The recording is its standard input, the encoded audio its standard output.
"""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from segue.errors import Unreadable
from segue.records import Span

_CHUNK: Final = 1 << 16
_MIN_BIT_RATE, _MAX_BIT_RATE = 32, 320  # kilobits a second
_DEFAULT_BIT_RATE: Final = 192
_OPUS_RATE_HZ: Final = 48_000
_MAX_PROCESSES: Final = 8


@dataclass(frozen=True, slots=True)
class Encoding:
    """How audio is encoded: FFmpeg's names of container and codec, and the media type."""

    container: str
    codec: str
    media_type: str


#: By the names that players use.
ENCODINGS: Final = {
    "mp3": Encoding("mp3", "libmp3lame", "audio/mpeg"),
    "opus": Encoding("ogg", "libopus", "audio/ogg"),
    "ogg": Encoding("ogg", "libopus", "audio/ogg"),
    "oga": Encoding("ogg", "libopus", "audio/ogg"),
    "aac": Encoding("adts", "aac", "audio/aac"),
    "flac": Encoding("flac", "flac", "audio/flac"),
    "wav": Encoding("wav", "pcm_s16le", "audio/wav"),
}
_LOSSLESS: Final = ("flac", "wav")


def bit_rate_of(asked: int) -> int:
    """Return the bit rate to encode with, in kilobits a second; 0 asks for the default."""
    return min(max(asked or _DEFAULT_BIT_RATE, _MIN_BIT_RATE), _MAX_BIT_RATE)


class Transcoders:
    """The running transcoding processes of a server, limited in number."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(_MAX_PROCESSES)

    async def run(
        self, file: Path, form: str, bit_rate: int, passage: Span
    ) -> AsyncIterator[bytes]:
        """Yield a recording, transcoded.

        Parameters
        ----------
        file : Path
        form : str
            One of `ENCODINGS`.
        bit_rate : int
            Kilobits a second; ignored by lossless codecs.
        passage : Span
            What is transcoded; its end may lie after that of the recording.
        """
        async with self._free:
            with file.open("rb") as source:
                process = await asyncio.create_subprocess_exec(
                    *_command(form, bit_rate, passage),
                    stdin=source,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.DEVNULL,
                )
            try:
                out = process.stdout
                while out is not None and (chunk := await out.read(_CHUNK)):
                    yield chunk
            finally:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()


def write_passage(file: Path, passage: Span, target: Path) -> None:
    """Write a passage of a recording as FLAC.

    Raises
    ------
    Unreadable
        The recording cannot be decoded.
    """
    with file.open("rb") as source, target.open("wb") as out:
        command = _command("flac", 0, passage)
        done = subprocess.run(command, stdin=source, stdout=out, check=False)  # noqa: S603
    if done.returncode:
        raise Unreadable(f"{file}: the recording cannot be decoded")


def _command(form: str, bit_rate: int, passage: Span) -> list[str]:
    """Return the command line of a transcoding process."""
    numbers = map(str, (bit_rate, passage.start_s, passage.end_s))
    return [sys.executable, "-P", "-m", "segue.web.transcode", form, *numbers]


def transcode(
    source: IO[bytes], target: IO[bytes], form: str, bit_rate: int, passage: Span
) -> None:
    """Decode a recording, and write it encoded otherwise.

    Parameters
    ----------
    source, target : binary file
        `source` can seek.
    form, bit_rate, passage
        See `Transcoders.run`.
    """
    import av

    from segue.io.audio import open_container

    encoding = ENCODINGS[form]
    with (
        open_container(source) as recording,
        av.open(target, "w", format=encoding.container) as out,
    ):
        audio = recording.streams.audio[0]
        layout = "mono" if audio.channels == 1 else "stereo"
        rate_hz = _OPUS_RATE_HZ if encoding.codec == "libopus" else min(audio.rate, 48_000)
        if encoding.codec == "libmp3lame" and rate_hz not in (32_000, 44_100, 48_000):
            rate_hz = 44_100
        stream: Any = out.add_stream(encoding.codec, rate=rate_hz)
        stream.layout = layout
        if form not in _LOSSLESS:
            stream.bit_rate = 1000 * bit_rate
        resampler = av.AudioResampler(
            stream.format.name, layout, rate_hz, stream.frame_size or None
        )
        for frame in _frames(recording, audio, passage):
            for each in resampler.resample(frame):
                out.mux(stream.encode(each))
        for each in resampler.resample(None):
            out.mux(stream.encode(each))
        out.mux(stream.encode(None))


def _frames(recording: Any, audio: Any, passage: Span) -> Iterator[Any]:
    """Decode the frames of a passage, which may begin and end within a frame."""
    import av

    if passage.start_s > 0:
        recording.seek(int(passage.start_s * av.time_base))
    for frame in recording.decode(audio):
        start_s = frame.time if frame.time is not None else 0.0
        if start_s >= passage.end_s:
            return
        if start_s + frame.samples / frame.sample_rate > passage.start_s:
            frame.pts = None
            yield frame


def _main() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
    form, bit_rate, passage = sys.argv[1], int(sys.argv[2]), Span(*map(float, sys.argv[3:5]))
    # A pipe cannot seek; muxers that want to must not find out by trying.
    with os.fdopen(0, "rb") as source, os.fdopen(1, "wb") as target:
        transcode(source, _Pipe(target), form, bit_rate, passage)  # type: ignore[arg-type]


class _Pipe:
    """A file that can only be written to."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, data: bytes) -> int:
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.flush()


if __name__ == "__main__":
    _main()

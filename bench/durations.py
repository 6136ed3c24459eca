"""Durations of audio files by container and encoder, whole and truncated.

    python -m bench.durations [--files 500]

Needs the command `ffmpeg` with its usual encoders.
"""

import argparse
import random
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from bench.result_tables import table, write_table
from segue.audio.spectrogram import SAMPLE_RATE_HZ
from segue.errors import Unreadable
from segue.io.audio import read_recording
from segue.records import Span

RATE_HZ = 44_100
LENGTHS_S = (2.3, 5.0, 11.7, 24.1, 47.9)
TOLERANCE_S, TOLERANCE = 0.12, 0.005


@dataclass(frozen=True)
class Way:
    """One way to write a file: what the row of the table is called, ending, FFmpeg's options."""

    name: str
    ending: str
    options: tuple[str, ...]
    cut_is_known: bool = True  # the header says how long the whole was


@dataclass(frozen=True)
class Made:
    """A file, and how long it is; below 0 what it had before it was cut off, unknown to it."""

    path: Path
    right_s: float
    name: str
    cut: bool = False
    links: int = 1  # encoders put up to 0.1 s before and after each


def ways() -> Iterator[Way]:
    """List all but chained ones."""
    for how, options in (("CBR", ("-b:a", "96k")), ("VBR", ("-q:a", "5"))):
        mp3 = ("-c:a", "libmp3lame", *options)
        yield Way(f"mp3 {how}", ".mp3", mp3)
        yield Way(f"mp3 {how}, no header", ".mp3", (*mp3, "-write_xing", "0"), False)
        yield Way(
            f"mp3 {how}, no header, with tags",
            ".mp3",
            (*mp3, "-write_xing", "0", "-id3v2_version", "3", "-metadata", "title=" + "x" * 3000),
            False,
        )
    for rate in ("22050", "48000"):
        for coding in ("-b:a 40k", "-b:a 128k"):
            aac = ("-c:a", "aac", "-ar", rate, *coding.split())
            yield Way(f"aac in ADTS, {rate} Hz", ".aac", aac, False)
            yield Way(f"aac in MP4, {rate} Hz", ".m4a", aac)
    yield Way("aac in fragments", ".m4a", ("-c:a", "aac", "-movflags", "empty_moov+frag_keyframe"))
    yield Way("alac", ".m4a", ("-c:a", "alac"))
    for offset in (0, 0.4, 30, 3600):
        late = ("-output_ts_offset", str(offset))
        offset_text = f" from {offset} s" if offset else ""
        opus, vorbis = ("-c:a", "libopus", "-b:a", "48k"), ("-c:a", "libvorbis", "-q:a", "1")
        yield Way("opus" + offset_text, ".opus", (*opus, *late), False)
        yield Way("vorbis" + offset_text, ".ogg", (*vorbis, *late), False)
        yield Way("opus in webm" + offset_text, ".webm", (*opus, *late))
        yield Way("vorbis in mkv" + offset_text, ".mkv", (*vorbis, *late))
        yield Way("mp3 in mka" + offset_text, ".mka", ("-c:a", "libmp3lame", *late))
        yield Way("flac in mkv" + offset_text, ".mkv", ("-c:a", "flac", *late))
        yield Way("aac in mp4" + offset_text, ".mp4", ("-c:a", "aac", *late))
        yield Way("aac in mpegts" + offset_text, ".ts", ("-c:a", "aac", *late), False)
        yield Way("mp2 in mpegts" + offset_text, ".ts", ("-c:a", "mp2", *late), False)
    yield Way("opus in webm, live", ".webm", ("-c:a", "libopus", "-live", "1"), False)
    yield Way("flac", ".flac", ("-c:a", "flac"))
    yield Way("flac in Ogg", ".oga", ("-c:a", "flac"), False)
    yield Way("wav", ".wav", ("-c:a", "pcm_s16le"))
    yield Way("aiff", ".aiff", ("-c:a", "pcm_s16be"))
    yield Way("wma", ".wma", ("-c:a", "wmav2"))
    yield Way("wavpack", ".wv", ("-c:a", "wavpack"))
    yield Way("avi", ".avi", ("-c:a", "libmp3lame"))
    yield Way("mov", ".mov", ("-c:a", "pcm_s16le"))


PIPED = {"flac": "flac", "wav": "wav", "opus in webm": "webm", "mp3 VBR": "mp3"}
CHAINED = (".ogg", ".opus", ".oga", ".mp3", ".aac")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=500)
    arguments = parser.parse_args()
    draw = random.Random(0)  # no secret
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        for file in files(Path(folder), draw, arguments.files):
            verdict = find_error(file.path, file.right_s, file.links, cut=file.cut)
            counts[file.name][2 * file.cut] += 1
            counts[file.name][2 * file.cut + 1] += int(bool(verdict))
            if verdict:
                cut = ", cut" if file.cut else ""
                wrong.append(f"{file.name}, {file.right_s:.1f} s{cut}: {verdict}")
            file.path.unlink()
    counts["all"] = [sum(column) for column in zip(*counts.values(), strict=True)]
    rows = [(name, *counted) for name, counted in counts.items()]
    write_table(
        "durations",
        "Durations of audio files by container and encoder",
        [
            table(("written as", "files", "wrong", "cut off", "wrong"), rows),
            "Wrong: the duration is off by more than 0.12 s or 0.5 %, not all of it is there to be "
            "analysed, or it is refused. Cut off: half of the file; where the header says how long "
            "the whole was, wrong is what is not refused as cut short; else (mp3 and aac without "
            "a header, Ogg, mpegts) what is not read as half as long.",
            *wrong,
        ],
    )


def files(folder: Path, draw: random.Random, count: int) -> Iterator[Made]:
    """Make files."""
    every = list(ways())
    for number in range(count):
        length_s = LENGTHS_S[number % len(LENGTHS_S)]
        wav = sound(folder, length_s, draw)
        way = every[(number // 2) % len(every)]
        target = folder / f"{number}{way.ending}"
        if number % 10 == 7:
            ending = CHAINED[(number // 10) % len(CHAINED)]
            links = draw.choice((2, 3, 5))
            path, right_s = chained(folder / f"{number}{ending}", draw, links)
            yield Made(path, right_s, f"chained {ending[1:]}", links=links)
        elif number % 10 == 3:
            name = list(PIPED)[(number // 10) % len(PIPED)]
            way = next(candidate for candidate in every if candidate.name == name)
            target = target.with_suffix(way.ending)
            piped(wav, target, (*way.options, "-f", PIPED[name]))
            yield Made(target, length_s, f"{name}, written to a pipe")
        else:
            encode(wav, target, way.options)
            cut = number % 10 == 5 and length_s > 10
            if cut:
                data = target.read_bytes()
                target.write_bytes(data[: len(data) // 2])
            right_s = -length_s / 2 if cut and not way.cut_is_known else length_s
            yield Made(target, right_s, way.name, cut=cut)


def sound(folder: Path, length_s: float, draw: random.Random) -> Path:
    """Write noise that is loud in one half and soft in the other, in either order."""
    path = folder / "made.wav"
    rng = np.random.default_rng(draw.randrange(1 << 30))
    samples = rng.uniform(-1, 1, round(length_s * RATE_HZ)) * 0.5
    half = len(samples) // 2
    quiet = slice(half, None) if draw.random() < 0.5 else slice(0, half)
    tone = np.sin(np.arange(len(samples)) * 2 * np.pi * 220 / RATE_HZ) * 0.05
    samples[quiet] = tone[quiet]
    soundfile.write(path, samples, RATE_HZ)
    return path


def encode(wav: Path, target: Path, options: tuple[str, ...]) -> None:
    command = ["ffmpeg", "-v", "error", "-y", "-i", str(wav), *options, str(target)]
    subprocess.run(command, check=True)


def piped(wav: Path, target: Path, options: tuple[str, ...]) -> None:
    command = ["ffmpeg", "-v", "error", "-y", "-i", str(wav), *options, "-"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    target.write_bytes(done.stdout)


def chained(target: Path, draw: random.Random, links: int) -> tuple[Path, float]:
    """Join files of one kind, end to end; of Ogg, with other rates and channels."""
    codec = {".ogg": "libvorbis", ".opus": "libopus", ".oga": "flac", ".mp3": "libmp3lame"}
    whole, total_s = b"", 0.0
    for _ in range(links):
        length_s = draw.choice(LENGTHS_S[:4])
        part = target.with_name("part" + target.suffix)
        other_format = ("-ar", draw.choice(("24000", "48000")), "-ac", draw.choice(("1", "2")))
        rates = other_format if target.suffix in {".ogg", ".opus", ".oga"} else ()
        wav = sound(target.parent, length_s, draw)
        encode(wav, part, ("-c:a", codec.get(target.suffix, "aac"), *rates))
        whole += part.read_bytes()
        total_s += length_s
    target.write_bytes(whole)
    return target, total_s


def find_error(path: Path, right_s: float, links: int, *, cut: bool) -> str:
    """Return what is wrong with the duration that is read; "" where it is right."""
    try:
        recording = read_recording(path, SAMPLE_RATE_HZ, lambda duration_s: [Span(0.0, duration_s)])
    except Unreadable as error:
        return "" if cut and right_s > 0 and "cut short" in str(error) else str(error)
    there_s = sum(len(part) for part in recording.excerpts) / SAMPLE_RATE_HZ
    summary = f"{recording.duration_s:.2f} s, of which {there_s:.2f} s are there"
    if cut:  # of loud and soft halves, the half of the bytes is not half of the time
        half = right_s < 0 and abs(there_s - recording.duration_s) <= TOLERANCE_S
        return "" if half and 0 < recording.duration_s < -2 * right_s else summary
    allowed_s = max(TOLERANCE_S * links, TOLERANCE * right_s)
    good = abs(recording.duration_s - right_s) <= allowed_s and abs(there_s - right_s) <= allowed_s
    return "" if good else summary


if __name__ == "__main__":
    main()

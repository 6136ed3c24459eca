"""Music, speech and noise, divided into training and test sets by source.

    SOUNDS: a folder with the sound files of Debian packages, one folder each:
    asterisk-core-sounds-{en,fr,ru,es,it}-wav, asterisk-moh-opsound-wav, klettres-data,
    pocketsphinx-testdata, minetest-data, wesnoth-1.16-data, freedroidrpg-data, endless-sky-data,
    deepin-sound-theme, sonic-pi-samples; and the programs espeak-ng and flite.

Whole sources are in the test set: packages of music, languages and speakers, games' effects and
kinds of synthetic noise. Excerpts are 12 to 45 s: short sounds of one folder are joined.
"""

import csv
import hashlib
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
import scipy.signal
import soundfile
import soxr

from recipes.datasets import drum_patterns
from recipes.datasets.excerpts import as_recording
from segue.audio.features import describe, standardise
from segue.audio.spectrogram import SAMPLE_RATE_HZ as RATE
from segue.records import FloatArray

Label = Literal["music", "speech", "noise"]
Side = Literal["learn", "test"]
Made = tuple[str, Label, Side, FloatArray]  # source, what it is, samples

MUSIC_OF_A_PACKAGE: Final = 12
NOISES_OF_A_KIND: Final = 30
LEARN_VOICES: Final = ("en-us", "en-gb+f3", "de", "fr+f2", "ru", "es+m4", "pl", "hi+f4", "cmn")
TEST_VOICES: Final = ("it", "en-gb-scotland+m3", "nl+f2", "pt", "sv+f5", "fi", "tr", "el+m7")
FLITE_VOICES: Final = ("kal16", "awb", "rms", "slt")


@dataclass(frozen=True, slots=True)
class Sounds:
    """Described sounds: where they are from, what they are, on which side, and vectors."""

    sources: list[str]
    labels: list[Label]
    sides: list[Side]
    vectors: FloatArray  # (n, 124) of the space `features`


def sounds(data: Path, folder: Path, path: Path) -> Sounds:
    """Return all sounds, from the file `kept` if it exists."""
    if not path.exists():
        generated = [
            (source, label, side, standardise(describe(as_recording(samples)).vector))
            for source, label, side, samples in _all(data, folder)
        ]
        sources, labels, sides, vectors = zip(*generated, strict=True)
        np.savez(path, sources=sources, labels=labels, sides=sides, vectors=np.stack(vectors))
    with np.load(path) as arrays:
        sources, labels, sides = (arrays[key].tolist() for key in ("sources", "labels", "sides"))
        return Sounds(sources, labels, sides, arrays["vectors"])


def _all(data: Path, folder: Path) -> Iterator[Made]:
    rng = np.random.default_rng(8)
    music = list(_music(data))
    speech = [*_spoken(folder), *_synthesised(data)]
    noise = [*_effects(folder), *_made_noise(rng)]
    yield from music
    yield from speech
    yield from noise
    yield from _telephone(music)
    yield from _near(rng, music, speech, noise)
    yield from _drums()
    yield from _loops(folder)


def _music(data: Path) -> Iterator[Made]:
    taken: dict[str, int] = {}
    with (data / "audio" / "tracks.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            package = row["source_package"]
            taken[package] = taken.get(package, 0) + 1
            if taken[package] <= MUSIC_OF_A_PACKAGE:
                yield package, "music", _side(package), _read(data / "audio" / row["path"])


def _spoken(folder: Path) -> Iterator[Made]:
    """Real voices: prompts of telephones, letters read out, and a book."""
    for language, side in (
        ("en", "learn"),
        ("fr", "learn"),
        ("ru", "learn"),
        ("es", "test"),
        ("it", "test"),
    ):
        package = f"asterisk-core-sounds-{language}-wav"
        for joined in _joined(folder / package, 24, gap_s=(0.2, 0.9)):
            yield package, "speech", _as_side(side), joined
    for letters in sorted((folder / "klettres-data").rglob("*")):
        if letters.is_dir() and letters.name in ("alpha", "syllab"):
            source = f"klettres-{letters.parent.name}"
            for joined in _joined(letters, 2, gap_s=(0.1, 0.6)):
                yield source, "speech", _side(source), joined
    package = "pocketsphinx-testdata"
    for part in ("librivox", "cards"):
        for joined in _joined(folder / package, 4, gap_s=(0.2, 0.5), within=part):
            yield package, "speech", "test", joined


def _synthesised(data: Path) -> Iterator[Made]:
    text = (data / "lyrics" / "whitman.txt").read_text(encoding="utf-8")[2000:]
    with tempfile.TemporaryDirectory() as place:
        target = str(Path(place) / "said.wav")
        for number, voice in enumerate((*LEARN_VOICES, *TEST_VOICES)):
            for turn in range(4):
                start = 700 * (4 * number + turn)
                command = ["espeak-ng", "-v", voice, "-s", str(110 + 35 * turn), "-w", target]
                subprocess.run([*command, text[start : start + 450]], check=True)
                side = "learn" if voice in LEARN_VOICES else "test"
                yield f"espeak {voice}", "speech", _as_side(side), _read(Path(target))
        for number, voice in enumerate(FLITE_VOICES):
            for turn in range(4):
                start = 60_000 + 500 * (4 * number + turn)
                command = ["flite", "-voice", voice, "-t", text[start : start + 350], "-o", target]
                subprocess.run(command, check=True)
                yield f"flite {voice}", "speech", "test", _read(Path(target))


def _effects(folder: Path) -> Iterator[Made]:
    for package, side in (
        ("minetest-data", "learn"),
        ("deepin-sound-theme", "learn"),
        ("wesnoth-1.16-data", "learn"),
        ("freedroidrpg-data", "test"),
        ("endless-sky-data", "test"),
    ):
        within = "effects" if package == "freedroidrpg-data" else ""
        for joined in _joined(
            folder / package, 24, gap_s=(0.0, 0.5), within=within, without="voice"
        ):
            yield package, "noise", _as_side(side), joined


def _made_noise(rng: np.random.Generator) -> Iterator[Made]:
    for name, (side, make) in _NOISES.items():
        for number in range(NOISES_OF_A_KIND):
            samples = make(rng, round(rng.uniform(12, 30) * RATE))
            if number % 2:
                samples = _heard_elsewhere(rng, samples)
            yield f"made {name}", "noise", side, _level(samples, rng.uniform(0.05, 0.9))


def _heard_elsewhere(rng: np.random.Generator, samples: FloatArray) -> FloatArray:
    """Raise and lower ranges of frequency at random, as rooms, microphones and players do."""
    hz = np.maximum(np.fft.rfftfreq(len(samples), 1 / RATE), 20.0)
    points = np.geomspace(20, RATE / 2, 8)
    gain_db = np.interp(np.log(hz), np.log(points), rng.normal(0, 9, len(points)))
    spectrum = np.fft.rfft(samples) * 10 ** (gain_db / 20)
    return np.asarray(np.fft.irfft(spectrum, len(samples)), np.float32)


def _white(rng: np.random.Generator, n: int) -> FloatArray:
    return rng.normal(0, 1, n).astype(np.float32)


def _coloured(rng: np.random.Generator, n: int) -> FloatArray:
    """Pink to brown: power falls by 2 to 8 dB an octave."""
    return _shaped(rng, n, lambda hz: np.maximum(hz, 20.0) ** -rng.uniform(0.33, 1.3))


def _shaped(
    rng: np.random.Generator, n: int, gain: Callable[[np.ndarray], np.ndarray]
) -> FloatArray:
    spectrum = np.fft.rfft(rng.normal(0, 1, n)) * gain(np.fft.rfftfreq(n, 1 / RATE))
    return np.asarray(np.fft.irfft(spectrum, n), np.float32)


def _rain(rng: np.random.Generator, n: int) -> FloatArray:
    drops = np.zeros(n)
    starts = rng.integers(0, n - 400, int(rng.uniform(50, 900) * n / RATE))
    for start in starts:
        length = int(rng.uniform(40, 300))
        drops[start : start + length] += rng.normal(0, rng.uniform(0.2, 1), length) * np.hanning(
            length
        )
    return np.asarray(drops + 0.2 * _coloured(rng, n) / 3, np.float32)


def _wind(rng: np.random.Generator, n: int) -> FloatArray:
    slow = np.interp(np.arange(n), np.linspace(0, n, 14), rng.uniform(0.1, 1, 14))
    centre = rng.uniform(200, 900)
    band = _shaped(rng, n, lambda hz: np.exp(-np.square(np.log2(np.maximum(hz, 1) / centre))))
    return np.asarray(band * slow, np.float32)


def _surf(rng: np.random.Generator, n: int) -> FloatArray:
    period = rng.uniform(4, 9) * RATE
    swell = np.maximum(np.sin(2 * np.pi * np.arange(n) / period + rng.uniform(0, 6)), 0) ** 2 + 0.1
    return np.asarray(_coloured(rng, n) * swell, np.float32)


def _hum(rng: np.random.Generator, n: int) -> FloatArray:
    time_s = np.arange(n) / RATE
    base = rng.choice([50.0, 60.0])
    waves = [rng.uniform(0, 1) / k * np.sin(2 * np.pi * base * k * time_s) for k in range(1, 12)]
    return np.asarray(np.sum(waves, axis=0) + rng.uniform(0.02, 0.3) * _white(rng, n), np.float32)


def _engine(rng: np.random.Generator, n: int) -> FloatArray:
    speed = np.interp(np.arange(n), np.linspace(0, n, 8), rng.uniform(25, 90, 8))
    phase = 2 * np.pi * np.cumsum(speed) / RATE
    waves = [np.sin(k * phase + rng.uniform(0, 6)) / k**0.7 for k in range(1, 25)]
    return np.asarray(np.sum(waves, axis=0) * (1 + 0.4 * rng.normal(0, 1, n)), np.float32)


def _applause(rng: np.random.Generator, n: int) -> FloatArray:
    claps = np.zeros(n)
    for start in rng.integers(0, n - 900, int(rng.uniform(60, 400) * n / RATE)):
        length = int(rng.uniform(200, 800))
        clap = rng.normal(0, rng.uniform(0.2, 1), length) * np.exp(-np.arange(length) / 90)
        claps[start : start + length] += clap
    sos = scipy.signal.butter(2, [600, 4000], "bandpass", fs=RATE, output="sos")
    return np.asarray(scipy.signal.sosfilt(sos, claps), np.float32)


def _clicks(rng: np.random.Generator, n: int) -> FloatArray:
    """Crackle: sparse clicks at random over a quiet floor."""
    ticks = np.zeros(n)
    ticks[rng.integers(0, n, int(rng.uniform(1, 25) * n / RATE))] = rng.normal(0, 1)
    return np.asarray(ticks + rng.uniform(0.002, 0.02) * _coloured(rng, n), np.float32)


_NOISES: Final[dict[str, tuple[Side, Callable[[np.random.Generator, int], FloatArray]]]] = {
    "white": ("learn", _white),
    "coloured": ("learn", _coloured),
    "rain": ("learn", _rain),
    "hum": ("learn", _hum),
    "clicks": ("learn", _clicks),
    "wind": ("test", _wind),
    "surf": ("test", _surf),
    "engine": ("test", _engine),
    "applause": ("test", _applause),
}


def _telephone(music: list[Made]) -> Iterator[Made]:
    """Make every fourth piece of music as dull as the prompts: bandwidth is no sign of speech."""
    sos = scipy.signal.butter(8, 3600, "lowpass", fs=RATE, output="sos")
    for source, label, side, samples in music[::4]:
        yield (
            f"dull {source}",
            label,
            side,
            np.asarray(scipy.signal.sosfilt(sos, samples), np.float32),
        )


def _near(
    rng: np.random.Generator, music: list[Made], speech: list[Made], noise: list[Made]
) -> Iterator[Made]:
    """Mix: speech over a bed of music or noise is speech, over loud music, as rap, music."""
    for side in ("learn", "test"):
        beds, voices, hiss = (
            [clip for clip in clips if clip[2] == side] for clips in (music, speech, noise)
        )
        for _ in range(40):
            voice, bed = (clips[rng.integers(len(clips))] for clips in (voices, beds))
            for label, low_db, high_db in (("speech", -24, -14), ("music", 0, 9)):
                mixed = _mixed(voice[3], bed[3], rng.uniform(low_db, high_db))
                yield (
                    f"{'bed' if label == 'speech' else 'rap'}",
                    _as_label(label),
                    _as_side(side),
                    mixed,
                )
            behind = hiss[rng.integers(len(hiss))]
            yield (
                "noisy speech",
                "speech",
                _as_side(side),
                _mixed(voice[3], behind[3], rng.uniform(-30, -15)),
            )


def _mixed(voice: FloatArray, behind: FloatArray, level_db: float) -> FloatArray:
    n = min(len(voice), len(behind))
    loud = [float(np.sqrt(np.mean(np.square(signal[:n])))) + 1e-6 for signal in (voice, behind)]
    gain = loud[0] / loud[1] * 10 ** (level_db / 20)
    return _level(voice[:n] + np.float32(gain) * behind[:n], 0.7)


def _drums() -> Iterator[Made]:
    for seed in range(56):
        style, _, samples = drum_patterns.pattern(5000 + seed, 20.0)
        yield f"drums {style}", "music", _side(style), samples


def _loops(folder: Path) -> Iterator[Made]:
    """Music of other kinds, all to test: music for waiting, and loops of studios, repeated."""
    for path in sorted((folder / "asterisk-moh-opsound-wav").rglob("*.wav")):
        whole = _read(path, most_s=150.0)
        for start in range(0, len(whole) - 30 * RATE, 30 * RATE):
            yield "asterisk-moh-opsound-wav", "music", "test", whole[start : start + 30 * RATE]
    for path in sorted((folder / "sonic-pi-samples").rglob("loop_*.flac")):
        once = _read(path)
        yield "sonic-pi loops", "music", "test", np.tile(once, 1 + 15 * RATE // len(once))


def _joined(
    folder: Path,
    longest: int,
    *,
    gap_s: tuple[float, float],
    within: str = "",
    without: str = "\\0",
) -> Iterator[FloatArray]:
    """Join short sounds to pieces of 12 to 30 s, in the order of their names."""
    rng = np.random.default_rng(3)
    parts: list[FloatArray] = []
    wanted_s = rng.uniform(12, 30)
    count = 0
    for path in sorted(folder.rglob("*")):
        if path.suffix not in (".wav", ".ogg", ".flac", ".oga") or "music" in path.parts:
            continue
        if within not in str(path) or without in str(path) or "silence" in str(path):
            continue
        piece = _read(path)
        parts += [piece, np.zeros(round(rng.uniform(*gap_s) * RATE), np.float32)]
        if sum(map(len, parts)) > wanted_s * RATE:
            yield np.concatenate(parts)[: 45 * RATE]
            parts, wanted_s, count = [], rng.uniform(12, 30), count + 1
            if count == longest:
                return


def _read(path: Path, most_s: float = 45.0) -> FloatArray:
    with soundfile.SoundFile(path) as file:
        samples = file.read(round(most_s * file.samplerate), dtype="float32", always_2d=True)
        mono = samples.mean(axis=1)
        return np.asarray(soxr.resample(mono, file.samplerate, RATE), np.float32)


def _level(samples: FloatArray, peak: float) -> FloatArray:
    return np.asarray(samples * np.float32(peak / max(float(np.abs(samples).max()), 1e-6)))


def _side(source: str) -> Side:
    return "test" if int(hashlib.sha256(source.encode()).hexdigest(), 16) % 2 else "learn"


def _as_side(side: str) -> Side:
    return "test" if side == "test" else "learn"


def _as_label(label: str) -> Label:
    return "speech" if label == "speech" else "music"

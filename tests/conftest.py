"""Sounds that tests are made of: small, seeded, and the bundled recordings."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

import av
import numpy as np
import pytest
import soundfile
from av.audio.stream import AudioStream
from hypothesis import settings
from numpy.typing import NDArray

import segue
from segue.builtin_spaces import builtin_spaces
from segue.io.midi import write_midi
from segue.library import Library
from segue.records import Analysis, FileState, Part, Score, Tags
from segue.store import Store

# A gate must not fail by chance: there, the same examples are tried each time. `make test-all`
# tries others.
settings.register_profile("fixed", derandomize=True)
settings.register_profile("random", print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))

COLLECTION = Path(segue.__file__).parent / "collection"

#: Ending → container, codec and bit rate that write it.
FORMATS = {
    ".mp3": ("mp3", "libmp3lame", 128_000),
    ".m4a": ("ipod", "aac", 128_000),
    ".alac.m4a": ("ipod", "alac", None),
    ".flac": ("flac", "flac", None),
    ".ogg": ("ogg", "vorbis", None),
    ".opus": ("ogg", "libopus", 64_000),
    ".wav": ("wav", "pcm_s16le", None),
    ".aiff": ("aiff", "pcm_s16be", None),
    ".wma": ("asf", "wmav2", 128_000),
}


def tune(seed: int, seconds: float, rate_hz: int = 44_100) -> NDArray[np.float32]:
    """Make a little music: chords of decaying partials over a seeded beat."""
    rng = np.random.default_rng(seed)
    n = round(seconds * rate_hz)
    time_s = np.arange(n) / rate_hz
    beat_s = 60 / rng.uniform(80, 150)
    sound = 0.01 * rng.standard_normal(n)
    for beat in range(int(seconds / beat_s) + 1):
        since = time_s - beat * beat_s
        envelope = np.where(since >= 0, np.exp(-since.clip(0) / rng.uniform(0.1, 0.5)), 0)
        for pitch in rng.integers(45, 80, 3):
            hz = 440 * 2 ** ((pitch - 69) / 12)
            sound += 0.1 * envelope * np.sin(2 * np.pi * hz * time_s)
    return np.asarray(0.8 * sound / np.abs(sound).max(), np.float32)


def write_sound(
    path: Path,
    samples: NDArray[np.float32],
    rate_hz: int = 44_100,
    *,
    channels: int = 1,
    tags: dict[str, str] | None = None,
) -> Path:
    """Encode a sound by the path's ending, the same in each channel."""
    ending = next(e for e in sorted(FORMATS, key=len, reverse=True) if path.name.endswith(e))
    container_name, codec, bit_rate = FORMATS[ending]
    if codec == "vorbis":  # FFmpeg's own encoder of it is no good
        soundfile.write(path, np.tile(samples, (channels, 1)).T, rate_hz, "VORBIS", format="OGG")
        return path
    rate_hz_out = 48_000 if codec == "libopus" else rate_hz
    with av.open(path, "w", format=container_name) as container:
        container.metadata.update(tags or {})
        stream = cast("AudioStream", container.add_stream(codec, rate=rate_hz_out))
        layout = {1: "mono", 2: "stereo", 6: "5.1"}[channels]
        stream.layout = layout
        if bit_rate:
            stream.bit_rate = bit_rate
        frame = av.AudioFrame.from_ndarray(
            np.tile(samples, (channels, 1)), format="fltp", layout=layout
        )
        frame.sample_rate = rate_hz
        resampler = av.AudioResampler(
            stream.format.name, layout, rate_hz_out, stream.frame_size or None
        )
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return path


def little_score(seed: int, bars: int = 8, beats: int = 4, *, transposed: int = 0) -> Score:
    """Make a little piece for violin, bass and drums; the same notes for the same seed."""
    rng = np.random.default_rng(seed)
    eighths = bars * beats * 2
    scale = np.array([0, 2, 4, 5, 7, 9, 11, 12])
    melody = [
        (240 * at, 240, 67 + transposed + int(rng.choice(scale)), 90)
        for at in range(eighths)
        if rng.random() < 0.8
    ]
    bass = [
        (480 * at, 480, 36 + transposed + int(rng.choice(scale[:5])), 80)
        for at in range(bars * beats)
    ]
    drums = [(480 * at, 120, 36 if at % 2 == 0 else 38, 100) for at in range(bars * beats)]
    parts = [("violin", 40, False, melody), ("bass", 33, False, bass), ("drums", 0, True, drums)]
    return Score(
        f"Piece {seed}",
        480,
        tuple(
            Part(name, program, is_drum, np.array(notes, np.int32))
            for name, program, is_drum, notes in parts
        ),
        np.array([[0, 100.0 + seed % 7 * 10]]),
        np.array([[0, beats, 4]], np.int32),
        np.empty((0, 3), np.int32),
    )


def write_score(path: Path, score: Score) -> Path:
    """Write a score as a MIDI file."""
    path.write_bytes(write_midi(score))
    return path


def albums_of_three(folder: Path) -> None:
    """Fill a library with three albums of three tracks whose vectors lie close together."""
    fill_library(folder, [Tags(f"{album}{i}", album, album) for album in "abc" for i in range(3)])


def fill_library(folder: Path, tracks: Sequence[Tags]) -> None:
    """Fill a library with tracks, numbered from 1; those of an album lie close together."""
    rng = np.random.default_rng(0)
    centres: dict[tuple[str, str], NDArray[np.float64]] = {}
    store = Store(folder, builtin_spaces("sound").values())
    with store.transaction():
        store.spaces.register(["sound"])
        store.files.add_root(b"/music")
        for tags in tracks:
            vectors = {}
            for name, space in builtin_spaces("sound").items():
                centre = centres.setdefault(
                    (tags.album, name), rng.standard_normal(space.dimension)
                )
                vector = centre + 0.1 * rng.standard_normal(len(centre))
                vectors[name] = np.asarray(vector, np.float32)
            analysis = Analysis(vectors, {}, np.zeros(1, np.uint32), 30.0)
            path = f"/music/{tags.artist}/{tags.album}/{tags.title}.ogg".encode()
            store.add_track(path, FileState(1, 1), path.hex(), tags, analysis)
    store.close()


def fill_described(
    folder: Path, tracks: Mapping[str, tuple[float, dict[str, float | str]]]
) -> None:
    """Fill a library with recordings that lie close together: by title, seconds and facts."""
    rng = np.random.default_rng(0)
    centres = {
        name: rng.standard_normal(s.dimension) for name, s in builtin_spaces("sound").items()
    }
    store = Store(folder, builtin_spaces("sound").values())
    with store.transaction():
        store.spaces.register(["sound"])
        store.files.add_root(b"/music")
        for title, (duration_s, facts) in tracks.items():
            vectors = {
                name: np.asarray(centre + rng.standard_normal(len(centre)), np.float32)
                for name, centre in centres.items()
            }
            prints = rng.integers(0, 2**32, 400, dtype=np.uint32)
            analysis = Analysis(vectors, facts, prints, duration_s)
            path = f"/music/{title}.mp3".encode()
            store.add_track(path, FileState(1, 1), path.hex(), Tags(title, title, "x"), analysis)
    store.close()


@pytest.fixture(scope="session")
def collection() -> Path:
    """The bundled recordings."""
    return COLLECTION


@pytest.fixture(scope="session")
def little_music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six bundled recordings of three albums, in a folder of their own."""
    folder = tmp_path_factory.mktemp("music")
    for album in ("zaz-data", "mrrescue", "naev-data"):
        for file in sorted((COLLECTION / album).glob("*.ogg"))[:2]:
            copy = folder / album / file.name
            copy.parent.mkdir(exist_ok=True)
            copy.write_bytes(file.read_bytes())
    return folder


@pytest.fixture(scope="session")
def filled(little_music: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of `little_music`, for tests that only read."""
    folder = tmp_path_factory.mktemp("library")
    with Library.open(folder) as library:
        library.add([little_music], workers=1)
    return folder


@pytest.fixture
def library(tmp_path: Path) -> Callable[[], Library]:
    """Open a fresh library, again and again the same."""
    return lambda: Library.open(tmp_path / "library")

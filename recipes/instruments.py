"""How instruments are heard in recordings: weights/instruments.safetensors, for queries in words.

    python -m recipes.instruments --data ../shared/data --work FOLDER

Songs of POP909 are played by instruments drawn at random, some with drums of the Groove MIDI
Dataset, and analysed as recordings are. For each instrument, ridge regression finds the direction
in tags and features that tells its recordings from the others.
"""

import argparse
import io
import random
import wave
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import symusic
from safetensors.numpy import save_file

from recipes.datasets.rendered_midi import render
from segue.audio.spectrogram import SAMPLE_RATE_HZ
from segue.builtin_spaces import WEIGHTS
from segue.library import Library
from segue.records import FloatArray

#: General MIDI programs (from 0) by instrument.
PROGRAMS: Final[dict[str, tuple[int, ...]]] = {
    "piano": (0, 1, 2, 3, 4, 5),
    "mallets": (8, 9, 10, 11, 12, 13, 14),
    "organ": (16, 17, 18, 19),
    "accordion": (20, 21, 22, 23),
    "acoustic guitar": (24, 25),
    "electric guitar": (26, 27, 28),
    "distorted guitar": (29, 30),
    "strings": (40, 41, 42, 44, 45, 48, 49, 50, 51),
    "harp": (46,),
    "choir": (52, 53, 54),
    "brass": (56, 57, 58, 59, 60, 61, 62, 63),
    "saxophone": (64, 65, 66, 67),
    "woodwinds": (68, 69, 70, 71),
    "flute": (72, 73, 74, 75, 77, 78, 79),
    "synthesiser": (80, 81, 82, 83, 84, 85, 87, 88, 89, 90, 91, 92, 93, 94, 95),
}
PIECES: Final = 240
RENDERED_S: Final = 15.0
RIDGE: Final = 0.02


def main() -> None:
    """Render, analyse, fit, and write the weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    options = parser.parse_args()
    folder = options.work / "recordings"
    folder.mkdir(parents=True, exist_ok=True)
    for number, (score, instruments) in enumerate(arrangements(options.data / "scores")):
        target = folder / f"{number:03d}--{'--'.join(sorted(instruments)).replace(' ', '_')}.wav"
        if not target.exists():
            _write_wav(target, render(score, most_s=RENDERED_S))
    with Library.open(options.work / "library") as lib:
        lib.add([folder], workers=1)
        names = {track.id: track.path.stem.replace("_", " ") for track in lib.tracks()}
        ids, tags = lib.vectors("tags")
        _, features = lib.vectors("features")
    unit = np.hstack(
        [space / np.linalg.norm(space, axis=1, keepdims=True) for space in (tags, features)]
    )
    labels = [set(names[track].split("--")[1:]) for track in ids.tolist()]
    weights = {
        name: fit(unit, np.array([name in label for label in labels]))
        for name in [*PROGRAMS, "drums"]
    }
    save_file(weights, WEIGHTS / "instruments.safetensors")


def arrangements(scores: Path) -> Iterator[tuple[symusic.Score, set[str]]]:
    """Yield songs of POP909 with other instruments, and the names of these."""
    rng = random.Random(0)
    with (
        zipfile.ZipFile(scores / "pop909.zip") as songs,
        zipfile.ZipFile(scores / "groove_midi.zip") as drums,
    ):
        names = sorted(name for name in songs.namelist() if name.endswith(".mid"))
        grooves = sorted(name for name in drums.namelist() if name.endswith(".mid"))
        for name in rng.sample(names, PIECES):
            score = symusic.Score.from_midi(songs.read(name))
            tracks = [track for track in score.tracks if track.notes]
            instruments = set()
            for track in rng.sample(tracks, rng.randint(1, len(tracks))):
                instrument = rng.choice([*PROGRAMS])
                track.program = rng.choice(PROGRAMS[instrument])
                instruments.add(instrument)
                track.name = instrument
            for track in [track for track in score.tracks if track.name not in instruments]:
                score.tracks.remove(track)
            if rng.random() < 0.5:
                groove = symusic.Score.from_midi(drums.read(rng.choice(grooves)))
                score = score.to("second")
                pattern = groove.to("second").tracks[0]
                pattern.is_drum = True
                score.tracks.append(pattern)
                instruments.add("drums")
            yield score, instruments


def fit(x: FloatArray, is_played: "np.ndarray") -> FloatArray:
    """Return the unit direction of ridge regression on labels, shape (dimensions,)."""
    centred = (x - x.mean(axis=0)).astype(np.float64)
    y = is_played - is_played.mean()
    gram = centred.T @ centred
    gram[np.diag_indices_from(gram)] += RIDGE * np.trace(gram)
    weights = np.linalg.solve(gram, centred.T @ y)
    return np.asarray(weights / np.linalg.norm(weights), np.float32)


def _write_wav(path: Path, samples: FloatArray) -> None:
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    path.write_bytes(content.getvalue())


if __name__ == "__main__":
    main()

"""POP909's songs on their own beats, with annotated chords and keys.

The files are performances without bars. Each song is warped so that the annotated beats become
quarter notes, and the most frequent position of downbeats the first of four. Wang et al., "POP909:
A Pop-song Dataset for Music Arrangement Generation", ISMIR 2020.
"""

import hashlib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from segue.generate.harmony.chord_network import NO_CHORD_INDEX
from segue.records import Part, Score
from segue.theory.chords import QUALITIES

TICKS: Final = 480
LETTERS: Final = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}

#: What POP909 calls the qualities, without inversions.
CHORD_QUALITIES: Final = {
    "maj": "", "min": "m", "7": "7", "min7": "m7", "maj7": "maj7", "sus4": "sus4", "sus2": "sus2",
    "sus4(b7)": "7sus4", "maj6": "6", "min6": "m", "dim": "dim", "hdim7": "m7b5", "dim7": "dim7",
    "aug": "aug", "minmaj7": "m",
}  # fmt: skip
_QUALITY_NAMES: Final = list(QUALITIES)

Half = Literal["develop", "test"]


@dataclass(frozen=True, slots=True, eq=False)
class Song:
    """A song, its chords as (first quarter, last quarter, label), and its main key's label."""

    name: str
    score: Score
    chords: list[tuple[float, float, str]]
    key: str


def half_of(name: str) -> Half:
    """Return the half to which a song or file belongs, by the SHA-256 of its name."""
    return "test" if int(hashlib.sha256(name.encode()).hexdigest(), 16) % 2 else "develop"


def songs(archive: Path, half: Half) -> Iterator[Song]:
    """Read the songs of a half, in order.

    Parameters
    ----------
    archive : Path
        pop909.zip.
    half : str
    """
    with zipfile.ZipFile(archive) as opened:
        names = sorted({Path(name).parts[1] for name in opened.namelist() if name.endswith(".mid")})
        for name in names:
            if half_of(name) == half:
                yield _song(opened, name)


def chord_index(label: str) -> int:
    """Return the index of a chord label such as "Bb:maj7/5"."""
    if label == "N":
        return NO_CHORD_INDEX
    root, quality = label.partition("/")[0].split(":")
    return 12 * _QUALITY_NAMES.index(CHORD_QUALITIES[quality]) + pitch_class(root)


def pitch_class(name: str) -> int:
    """Return the pitch class of "Bb"."""
    return (LETTERS[name[0]] + name.count("#") - name[1:].count("b")) % 12


def _song(opened: zipfile.ZipFile, name: str) -> Song:
    import symusic  # an extra of the benchmarks

    folder = f"POP909/{name}/"
    played = symusic.Score.from_midi(opened.read(f"{folder}{name}.mid")).to("second")
    beats = np.array(_rows(opened, f"{folder}beat_midi.txt"), np.float64)
    at_s, is_downbeat = beats[:, 0], beats[:, 2] > 0
    lead = -int(np.bincount(np.flatnonzero(is_downbeat) % 4, minlength=4).argmax()) % 4

    def quarter(seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        return lead + _warped(seconds, at_s)

    parts = []
    for track in played.tracks:
        notes = track.notes.numpy()
        start = quarter(np.asarray(notes["time"], np.float64))
        end = quarter(np.asarray(notes["time"] + notes["duration"], np.float64))
        onset = np.rint(start * TICKS)
        duration = np.maximum(np.rint(end * TICKS) - onset, 1)
        table = np.stack([onset, duration, notes["pitch"], notes["velocity"]], axis=1)
        table = table[onset >= 0].astype(np.int32)
        if len(table):
            order = np.lexsort((table[:, 2], table[:, 0]))
            parts.append(Part(track.name, 0, False, table[order]))
    bpm = 60 / float(np.median(np.diff(at_s)))
    score = Score(
        name, TICKS, tuple(parts), np.array([[0, bpm]]), np.array([[0, 4, 4]], np.int32),
        np.empty((0, 3), np.int32),
    )  # fmt: skip
    chords = []
    for first, last, label in _rows(opened, f"{folder}chord_midi.txt"):
        edges = quarter(np.array([float(first), float(last)]))
        chords.append((float(edges[0]), float(edges[1]), label))
    keys = _rows(opened, f"{folder}key_audio.txt")
    longest = max(keys, key=lambda row: float(row[1]) - float(row[0]))
    return Song(name, score, chords, longest[2])


def _warped(seconds: NDArray[np.float64], beats_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convert seconds to beats, extrapolated by the median beat."""
    median_beat_s = float(np.median(np.diff(beats_s)))
    inside = np.interp(seconds, beats_s, np.arange(len(beats_s)))
    before = np.minimum(seconds - beats_s[0], 0) / median_beat_s
    after = np.maximum(seconds - beats_s[-1], 0) / median_beat_s
    return np.asarray(inside + before + after, np.float64)


def _rows(opened: zipfile.ZipFile, name: str) -> list[list[str]]:
    return [line.split() for line in opened.read(name).decode().splitlines() if line.strip()]

"""POP909 as what `segue harmonise` counts: melodies cut into half bars, with their chords."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recipes.datasets import pop909
from segue.errors import SegueError
from segue.generate.harmony.chord_hmm import NO_CHORD_STATE, QUALITIES, AnnotatedSong, melody_slots
from segue.score.lines import skyline

#: What POP909 calls the qualities, without inversions.
LABELS: Final = {
    "maj": "", "min": "m", "7": "7", "min7": "m7", "maj7": "maj7", "sus4": "sus4", "sus2": "sus2",
    "sus4(b7)": "7sus4", "maj6": "6", "min6": "m", "dim": "dim", "hdim7": "m7b5", "dim7": "dim7",
    "aug": "aug", "minmaj7": "m",
}  # fmt: skip
NAMES: Final = list(QUALITIES)


def songs(archive: Path, half: pop909.Half) -> Iterator[tuple[pop909.Song, AnnotatedSong]]:
    """Yield the songs of a half that have a melody, in order."""
    for song in pop909.songs(archive, half):
        try:
            yield song, learned(song)
        except SegueError as error:
            print(f"{song.name}: {error}", flush=True)


def learned(song: pop909.Song) -> AnnotatedSong:
    """Cut a song's melody into half bars, and give each the chord that lasts longest in it."""
    tonic, mode = song.key.split(":")
    melody = skyline(song.score.parts[0], pop909.TICKS)
    slots = melody_slots(melody, song.score)
    quarters = slots.edges / pop909.TICKS
    shares = np.zeros((len(slots), NO_CHORD_STATE + 1))
    for first, last, label in song.chords:
        overlap = np.minimum(quarters[1:], last) - np.maximum(quarters[:-1], first)
        shares[:, number(label)] += np.maximum(overlap, 0)
    chords = np.where(shares.sum(axis=1) > 0, shares.argmax(axis=1), NO_CHORD_STATE)
    return AnnotatedSong(pop909.pitch_class(tonic), int(mode == "min"), chords, slots)


def number(label: str) -> int:
    """Return a chord's number: of "Bb:maj7/5"."""
    if label == "N":
        return NO_CHORD_STATE
    root, quality = label.partition("/")[0].split(":")
    return 12 * NAMES.index(LABELS[quality]) + pop909.pitch_class(root)


def beats(song: pop909.Song, learned_: AnnotatedSong) -> NDArray[np.int64]:
    """Return the chord that sounds in the middle of each quarter of the melody's bars."""
    first, last = learned_.slots.edges[[0, -1]].tolist()
    middle = np.arange(first, last, pop909.TICKS) / pop909.TICKS + 0.5
    found = np.full(len(middle), NO_CHORD_STATE)
    for first, last, label in song.chords:
        found[(middle >= first) & (middle < last)] = number(label)
    return found

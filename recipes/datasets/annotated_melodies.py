"""Melodies with chords that somebody chose: pop songs, lead sheets, and songs with piano.

POP909's chords are annotated, those of the lead sheets of OpenEWLD are written in the score, and
those of the OpenScore Lieder are estimated from voice and piano. Melodies that share passages,
whatever their key, are divided together, by the SHA-256 of their names. POP909's test set is a part
of the half "test", which models of version 0.1 were not trained on.
"""

import hashlib
import tempfile
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final, Literal

import numpy as np

from recipes.datasets import pop909
from segue.errors import SegueError
from segue.generate.harmony.chord_network import (
    NO_CHORD_INDEX,
    ChordSlots,
    melody_slots,
)
from segue.io.scores import read_scores
from segue.records import IntArray, Part, Score
from segue.score.harmony import estimate_chords, estimate_key
from segue.score.lines import extract_melody, skyline
from segue.theory.chords import QUALITIES, parse_chord

Source = Literal["pop909", "openewld", "lieder"]
Side = Literal["train", "validation", "test"]
#: First tick, last tick, and index of a chord.
Span = tuple[float, float, int]

ARCHIVES: Final[dict[Source, str]] = {
    "pop909": "pop909.zip", "openewld": "openewld_mxl.zip", "lieder": "lieder_mxl.zip",
}  # fmt: skip
_QUALITY_NAMES: Final = list(QUALITIES)
_QUALITY_INTERVALS: Final = [frozenset(intervals) for intervals in QUALITIES.values()]
_MIN_CHORDS: Final = 4
#: Length in intervals, and minimum number, of the passages that versions of one song share.
_PASSAGE: Final = 12
_MIN_SHARED: Final = 4
_MIN_DISTINCT: Final = 4  # intervals of a passage


@dataclass(frozen=True)
class AnnotatedMelody:
    """A melody with its chords.

    Attributes
    ----------
    source : str
    name : str
    side : str
        "train", "validation" or "test".
    score : Score
        The melody alone, as its only part.
    spans : list of (float, float, int)
        First tick, last tick, and index of each chord.
    tonic : int
        Pitch class.
    mode : int
        0 for major, 1 for minor.
    """

    source: Source
    name: str
    side: Side
    score: Score
    spans: list[Span]
    tonic: int
    mode: int

    @property
    def melody(self) -> Part:
        """The melody."""
        return self.score.parts[0]

    @property
    def signature(self) -> int:
        """Tonic of the major key with the same key signature."""
        return (self.tonic + 3 * self.mode) % 12

    @cached_property
    def slots(self) -> ChordSlots:
        """The melody cut into slots."""
        return melody_slots(self.melody, self.score)

    @cached_property
    def chords(self) -> IntArray:
        """Chord of each slot: the one that lasts longest in it."""
        shares = np.zeros((len(self.slots), NO_CHORD_INDEX + 1))
        first, last = self.slots.edges[:-1], self.slots.edges[1:]
        for start, end, chord in self.spans:
            shares[:, chord] += np.maximum(np.minimum(last, end) - np.maximum(first, start), 0)
        return np.where(shares.any(axis=1), shares.argmax(axis=1), NO_CHORD_INDEX)

    def quarters(self) -> tuple[IntArray, IntArray]:
        """Return the slot and the chord in the middle of each quarter note of the melody's bars."""
        quarter, edges = self.score.ticks_per_quarter, self.slots.edges
        middles = np.arange(int(edges[0]), int(edges[-1]), quarter) + quarter / 2
        middles = middles[middles < edges[-1]]
        chords = np.full(len(middles), NO_CHORD_INDEX)
        for start, end, chord in self.spans:
            chords[(middles >= start) & (middles < end)] = chord
        return np.searchsorted(edges, middles, side="right") - 1, chords


def read_melodies(
    data: Path, sources: Sequence[Source] = ("pop909", "openewld", "lieder")
) -> list[AnnotatedMelody]:
    """Read the melodies of some sources.

    Parameters
    ----------
    data : Path
        The folder that holds `scores`.
    sources : sequence of str
    """
    melodies: list[AnnotatedMelody] = []
    for source in sources:
        archive = data / "scores" / ARCHIVES[source]
        melodies += _pop909(archive) if source == "pop909" else _musicxml(archive, source)
    return _divide_versions_together(melodies)


def _side(source: Source, name: str) -> Side:
    number = int(hashlib.sha256(name.encode()).hexdigest(), 16)
    test = {"pop909": number % 10 in (1, 3), "openewld": number % 2 == 1, "lieder": False}
    return "test" if test[source] else "validation" if number % 10 == 0 else "train"


def _pop909(archive: Path) -> Iterator[AnnotatedMelody]:
    for half in ("develop", "test"):
        for song in pop909.songs(archive, half):
            tonic, mode = song.key.split(":")
            melody = skyline(song.score.parts[0], pop909.TICKS)
            spans = [
                (pop909.TICKS * first, pop909.TICKS * last, pop909.chord_index(label))
                for first, last, label in song.chords
            ]
            yield AnnotatedMelody(
                "pop909",
                song.name,
                _side("pop909", song.name),
                replace(song.score, parts=(melody,)),
                spans,
                pop909.pitch_class(tonic),
                int(mode == "min"),
            )


def _musicxml(archive: Path, source: Source) -> Iterator[AnnotatedMelody]:
    with zipfile.ZipFile(archive) as opened, tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "score.mxl"
        for name in sorted(opened.namelist()):
            if not name.endswith(".mxl"):
                continue
            file.write_bytes(opened.read(name))
            try:
                score = read_scores(file)[0]
                if not isinstance(score, Score):
                    continue
                melody = extract_melody(score)
            except SegueError as error:
                print(f"{name}: {error}", flush=True)
                continue
            spans = _written_chords(score) if source == "openewld" else _estimated_chords(score)
            if len(spans) < _MIN_CHORDS:
                continue
            key = estimate_key(score)
            alone = replace(score, parts=(melody,))
            mode = int(key.mode == "minor")
            yield AnnotatedMelody(source, name, _side(source, name), alone, spans, key.tonic, mode)


def _written_chords(score: Score) -> list[Span]:
    """Return the chord symbols, each until the next."""
    starts = [start for start, _ in score.chords]
    ends = [*starts[1:], np.inf]
    spans = []
    for (start, symbol), end in zip(score.chords, ends, strict=True):
        chord = parse_chord(symbol)
        index = NO_CHORD_INDEX
        if chord.root >= 0:
            intervals = frozenset((each - chord.root) % 12 for each in chord.classes)
            index = 12 * nearest_quality(intervals) + chord.root
        spans.append((float(start), float(end), index))
    return spans


def _estimated_chords(score: Score) -> list[Span]:
    return [
        (
            float(chord.start),
            float(chord.end),
            12 * _QUALITY_NAMES.index(chord.quality) + chord.root
            if chord.root >= 0
            else NO_CHORD_INDEX,
        )
        for chord in estimate_chords(score)
    ]


def nearest_quality(intervals: frozenset[int]) -> int:
    """Return the index of the quality that shares most notes with a chord, the third above all.

    Parameters
    ----------
    intervals : frozenset of int
        Semitones above the root, from 0 to 11.
    """

    def similarity(quality: frozenset[int]) -> float:
        thirds = frozenset((3, 4))
        same_third = quality & thirds == intervals & thirds
        return 10 * same_third + len(quality & intervals) - len(quality - intervals)

    return max(range(len(QUALITIES)), key=lambda index: similarity(_QUALITY_INTERVALS[index]))


def _divide_versions_together(melodies: Sequence[AnnotatedMelody]) -> list[AnnotatedMelody]:
    """Drop training and validation melodies that share passages with test melodies, and so on."""
    holders = defaultdict(set)
    for index, melody in enumerate(melodies):
        for passage in _passages(melody.melody):
            holders[passage].add(index)
    shared = Counter(
        (first, second)
        for indices in holders.values()
        for first in indices
        for second in indices
        if melodies[first].side != melodies[second].side
    )
    order = ("test", "validation", "train")
    dropped = {
        first
        for (first, second), count in shared.items()
        if count >= _MIN_SHARED
        and order.index(melodies[first].side) > order.index(melodies[second].side)
    }
    return [melody for index, melody in enumerate(melodies) if index not in dropped]


def _passages(melody: Part) -> set[bytes]:
    intervals = np.diff(melody.notes[:, 2]).astype(np.int8)
    passages = (intervals[at : at + _PASSAGE] for at in range(len(intervals) - _PASSAGE + 1))
    return {passage.tobytes() for passage in passages if len(np.unique(passage)) >= _MIN_DISTINCT}

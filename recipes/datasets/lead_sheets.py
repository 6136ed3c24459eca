"""Melodies with chords: annotated ones of POP909, estimated ones of folk tunes.

POP909's melody track, warped to the annotated beats, and its chords, on beats. The folk tunes have
no chords: Segue's chord estimator names them from the tune itself. Their files begin with the
upbeat, so that the bars of the file are not those of the tune; but the first note of each bar has
velocity 105, by which the tunes are aligned.

Versions of one piece are found by title and by shared passages, and divided together, by the
SHA-256 of their names: a tenth is the test set, a tenth the validation set.
"""

import hashlib
import re
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

import numpy as np

from recipes.datasets import pop909
from segue.errors import SegueError
from segue.generate.melody.lead_sheet import (
    MIN_BARS,
    MIN_NOTES,
    LeadSheet,
    quantize_melody,
    skyline,
    split_at_silences,
)
from segue.io.midi import read_midi
from segue.records import IntArray, Part, Score
from segue.score.harmony import estimate_chords as found_chords
from segue.theory.chord_charts import NO_ROOT, STEPS_PER_QUARTER, Chart, chord_row, steps_per_bar
from segue.theory.chords import parse_chord

Side = Literal["train", "validation", "test"]

#: Length in notes, and minimum number, of the passages that versions of one piece share.
PASSAGE: Final = 12
SHARED: Final = 4
ACCENT: Final = 105  # velocity of a bar's first note in the folk tunes
SURE: Final = 0.8

#: POP909's names of chords, as pitch classes above the root.
QUALITIES: Final[dict[str, tuple[int, ...]]] = {
    "maj": (0, 4, 7), "min": (0, 3, 7), "sus2": (0, 2, 7), "sus4": (0, 5, 7),
    "min7": (0, 3, 7, 10), "maj7": (0, 4, 7, 11), "7": (0, 4, 7, 10), "sus4(b7)": (0, 5, 7, 10),
    "maj6": (0, 4, 7, 9), "min6": (0, 3, 7, 9), "dim": (0, 3, 6), "hdim7": (0, 3, 6, 10),
    "dim7": (0, 3, 6, 9), "aug": (0, 4, 8), "minmaj7": (0, 3, 7, 11),
}  # fmt: skip
DEGREES: Final = {"1": 0, "2": 2, "3": 4, "4": 5, "5": 7, "6": 9, "7": 11}


@dataclass(frozen=True, slots=True)
class Song:
    """A song's sheets, and on which side they are."""

    side: Side
    sheets: tuple[LeadSheet, ...]

    @property
    def name(self) -> str:
        """The group of its versions."""
        return self.sheets[0].group

    @property
    def style(self) -> str:
        """Pop, or folk."""
        return self.sheets[0].style


def songs(data: Path) -> list[Song]:
    """Read all songs, versions of one piece together as one.

    Parameters
    ----------
    data : Path
        The folder that holds `scores`.
    """
    all_songs = [*pop(data / "scores" / "pop909.zip"), *folk(data / "scores" / "folk_tunes.zip")]
    grouped = defaultdict(list)
    for sheet in _grouped(all_songs):
        grouped[sheet.group].append(sheet)
    return [Song(side_of(name), tuple(sheets)) for name, sheets in sorted(grouped.items())]


def side_of(group: str) -> Side:
    """Return the side of a group of versions."""
    part = int(hashlib.sha256(group.encode()).hexdigest(), 16) % 10
    return "test" if part == 0 else "validation" if part == 1 else "train"


# ---- POP909 ------------------------------------------------------------------------------


def pop(archive: Path) -> Iterator[LeadSheet]:
    """Yield the vocal melodies between long silences, of songs in four only."""
    in_four = _in_four(archive)
    for half in ("develop", "test"):
        for song in pop909.songs(archive, half):
            melody = [part for part in song.score.parts if part.name == "MELODY"]
            if song.name in in_four and melody:
                yield from _sung(song, melody[0])


def _in_four(archive: Path) -> set[str]:
    keys = set()
    with zipfile.ZipFile(archive) as opened:
        for path in opened.namelist():
            if path.endswith("beat_midi.txt"):
                rows = [line.split() for line in opened.read(path).decode().splitlines()]
                down = np.flatnonzero(np.array([float(row[2]) for row in rows]) > 0)
                if (np.diff(down) == 4).mean() > 0.9:
                    keys.add(Path(path).parts[1])
    return keys


def _sung(song: pop909.Song, part: Part) -> Iterator[LeadSheet]:
    per_step = pop909.TICKS // STEPS_PER_QUARTER
    bar = steps_per_bar((4, 4))
    labels = [(4 * round(first), chord_row(*_parsed(label))) for first, _, label in song.chords]
    for number, (first, last, notes) in enumerate(split_at_silences(skyline(part, per_step), bar)):
        if last - first >= MIN_BARS:
            chart = _chart(labels, first * bar, last - first)
            melody = quantize_melody(notes, chart.steps)
            name = f"POP909 {song.name}, {number + 1}"
            yield LeadSheet(name, "pop", chart, melody, f"pop909-{song.name}")


def _parsed(label: str) -> tuple[int, int, tuple[int, ...]]:
    """Return root, bass and pitch classes of "C#:maj7/5"."""
    if label == "N":
        return NO_ROOT, NO_ROOT, ()
    name, _, quality = label.partition(":")
    quality, _, degree = quality.partition("/")
    root = pop909.pitch_class(name)
    bass = 0
    if degree:
        bass = DEGREES[degree.lstrip("#b")] - degree.count("b") + degree.count("#")
    return root, (root + bass) % 12, tuple((root + each) % 12 for each in QUALITIES[quality])


def _chart(labels: Sequence[tuple[int, tuple[int, int, int]]], first: int, bars: int) -> Chart:
    """Cut a chart out of labels with their steps."""
    steps = bars * steps_per_bar((4, 4))
    rows: dict[int, tuple[int, int, int]] = {0: chord_row(NO_ROOT, NO_ROOT, ())}
    for step, row in labels:
        if step - first < steps:
            rows[max(step - first, 0)] = row  # the last that begins before is the one that holds
    return Chart((4, 4), bars, np.array([[step, *row] for step, row in sorted(rows.items())]))


# ---- folk tunes --------------------------------------------------------------------------


def folk(archive: Path) -> Iterator[LeadSheet]:
    """Yield the tunes with known bars and a single time signature."""
    with zipfile.ZipFile(archive) as opened:
        for path in sorted(opened.namelist()):
            if path.endswith(".mid"):
                try:
                    score = read_midi(opened.read(path))
                except SegueError:
                    continue
                if (sheet := _tune(path.removesuffix(".mid"), score)) is not None:
                    yield sheet


def _tune(name: str, score: Score) -> LeadSheet | None:
    if len(score.time_signatures) != 1 or len(score.parts) != 1:
        return None
    beats, unit = score.time_signatures[0, 1:].tolist()
    per_step = score.ticks_per_quarter // STEPS_PER_QUARTER
    bar = steps_per_bar((beats, unit))
    notes = score.parts[0].notes
    accented = notes[1:][notes[1:, 3] == ACCENT, 0]
    phases = Counter((np.rint(accented / per_step).astype(int) % bar).tolist())
    if not phases:
        return None
    phase, count = phases.most_common(1)[0]
    if count < SURE * len(accented):
        return None
    lead = -phase % bar
    moved = notes.copy()
    moved[:, 0] += lead * per_step
    part = replace(score.parts[0], notes=moved)
    placed = replace(score, parts=(part,))
    rows = skyline(part, per_step)
    bars = -(-rows[-1][1] // bar)
    if bars < MIN_BARS or len(rows) < MIN_NOTES:
        return None
    chord_rows: list[list[int]] = []
    for each in found_chords(placed):
        chord = parse_chord(each.name)
        row = chord_row(chord.root, chord.bass, chord.classes)
        start = round(each.start / per_step)
        if start < bars * bar:
            chord_rows.append([start, *row])
    chart = Chart((beats, unit), bars, np.array(chord_rows))
    melody = quantize_melody(rows, chart.steps)
    return LeadSheet(f"{score.title} ({name})", "folk", chart, melody, _plain(score.title) or name)


def _plain(title: str) -> str:
    """Return what a title and its variants have in common: "the Peeler and the Goat"."""
    title = re.sub(r"\(.*?\)|\[.*?\]|--.*|\d+$", " ", title.casefold())
    words = re.sub(r"[^a-z ]", "", title).split()
    kinds = ("the", "a", "an", "jig", "reel", "hornpipe", "no")
    return " ".join(sorted(word for word in words if word not in kinds))


# ---- versions ----------------------------------------------------------------------------


def _grouped(sheets: Sequence[LeadSheet]) -> list[LeadSheet]:
    """Give sheets that share passages one group."""
    group = {sheet.group: sheet.group for sheet in sheets}

    def root(name: str) -> str:
        while group[name] != name:
            name = group[name]
        return name

    holders = defaultdict(set)
    for sheet in sheets:
        for passage in _passages(sheet.melody):
            holders[passage].add(sheet.group)
    shared: Counter[tuple[str, str]] = Counter()
    for names in holders.values():
        first, *others = sorted(names)
        shared.update((first, second_) for second_ in others)
    for (first_, second_), count in sorted(shared.items()):
        if count >= SHARED and root(first_) != root(second_):
            low, high = sorted((root(first_), root(second_)))
            group[high] = low
    return [replace(sheet, group=root(sheet.group)) for sheet in sheets]


def _passages(melody: IntArray) -> set[bytes]:
    notes = melody[melody[:, 0] > 0]
    steps = np.column_stack([np.diff(notes[:, 0]), notes[:-1, 1]]).astype(np.int8)
    return {
        hashlib.sha256(steps[start : start + PASSAGE].tobytes()).digest()[:8]
        for start in range(len(steps) - PASSAGE + 1)
    }

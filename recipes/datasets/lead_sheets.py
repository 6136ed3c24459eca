"""Melodies with chords: pop songs, folk tunes, lead sheets, and art songs.

POP909's melody track, warped to the annotated beats, and its chords, on beats. The folk tunes have
no chords: Segue's chord estimator names them from the tune itself. Their files begin with the
upbeat, so that the bars of the file are not those of the tune; but the first note of each bar has
velocity 105, by which the tunes are aligned. The lead sheets of OpenEWLD have chord symbols. The
chords of the OpenScore Lieder are those of an analysis in Roman numerals where there is one, and
otherwise estimated from voice and piano.

Versions of one piece are found by title and by shared passages, and divided together, by the
SHA-256 of their names: a tenth is the test set, a tenth the validation set.
"""

import hashlib
import re
import tempfile
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

import numpy as np

from recipes.datasets import pop909
from recipes.datasets.annotated_melodies import nearest_quality
from segue.errors import SegueError
from segue.generate.melody.lead_sheet import (
    MIN_BARS,
    MIN_NOTES,
    LeadSheet,
    extract_lead_sheets,
    quantize_melody,
    skyline,
    split_at_silences,
)
from segue.io.midi import read_midi
from segue.io.scores import read_scores
from segue.records import IntArray, Part, Score
from segue.score.harmony import estimate_chords as found_chords
from segue.score.timing import bar_grid
from segue.theory.chord_charts import NO_ROOT, STEPS_PER_QUARTER, Chart, chord_row, steps_per_bar
from segue.theory.chords import QUALITIES as CHORD_QUALITIES
from segue.theory.chords import parse_chord

Side = Literal["train", "validation", "test"]
STYLES: Final = ("folk", "pop", "song", "lied")

#: Length in notes, and minimum number, of the passages that versions of one piece share.
PASSAGE: Final = 12
SHARED: Final = 4
PITCH_NAMES: Final = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
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
        """See `STYLES`."""
        return self.sheets[0].style


def songs(data: Path) -> list[Song]:
    """Read all songs, versions of one piece together as one.

    Parameters
    ----------
    data : Path
        The folder that holds `scores`.
    """
    scores = data / "scores"
    numerals = scores / "lieder_roman_numerals.zip"
    all_songs = [
        *pop(scores / "pop909.zip"),
        *folk(scores / "folk_tunes.zip"),
        *notated(scores / "openewld_mxl.zip", "song"),
        *notated(scores / "lieder_mxl.zip", "lied", numerals),
    ]
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


# ---- lead sheets and art songs -----------------------------------------------------------


def notated(archive: Path, style: str, numerals: Path | None = None) -> Iterator[LeadSheet]:
    """Yield the melodies of scores in MusicXML, without those that cannot be read.

    Parameters
    ----------
    archive : Path
        Of compressed MusicXML.
    style : str
    numerals : Path, optional
        Archive of analyses in Roman numerals, in folders of the same names.
    """
    analyses = _analyses(numerals) if numerals else {}
    with zipfile.ZipFile(archive) as opened, tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "score.mxl"
        for name in sorted(opened.namelist()):
            if not name.endswith(".mxl"):
                continue
            file.write_bytes(opened.read(name))
            title = str(Path(name).parent).removeprefix("scores/")
            try:
                score = read_scores(file)[0]
                if isinstance(score, Score):
                    if title in analyses:
                        score = _with_analysis(score, analyses[title])
                    # "~" sorts last: no group of other songs takes this name, and with it a side.
                    yield from extract_lead_sheets(score, title, style, f"~{title}")
            except SegueError as error:
                print(f"{name}: {error}", flush=True)


def _analyses(archive: Path) -> dict[str, str]:
    with zipfile.ZipFile(archive) as opened:
        return {
            str(Path(name).parent): opened.read(name).decode()
            for name in opened.namelist()
            if name.endswith("analysis.txt")
        }


def _with_analysis(score: Score, text: str) -> Score:
    """Replace the chord symbols by those of an analysis, unless its length is not the score's."""
    from music21 import converter, roman

    try:
        analysis = converter.parse(text, format="romantext")
    except Exception as error:  # noqa: BLE001 (music21 raises many)
        print(f"{score.title}: {error!r}", flush=True)
        return score
    quarter = score.ticks_per_quarter
    if abs(analysis.highestTime - int(bar_grid(score).edges[-1]) / quarter) > 1:
        return score  # repeats are played in the score
    chords = []
    for numeral in analysis.flatten().getElementsByClass(roman.RomanNumeral):
        root, bass = numeral.root().pitchClass, numeral.bass().pitchClass
        intervals = frozenset((each - root) % 12 for each in numeral.pitchClasses)
        symbol = PITCH_NAMES[root] + list(CHORD_QUALITIES)[nearest_quality(intervals)]
        symbol += f"/{PITCH_NAMES[bass]}" if bass != root else ""
        chords.append((round(float(numeral.offset) * quarter), symbol))
    return replace(score, chords=tuple(chords)) if chords else score


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

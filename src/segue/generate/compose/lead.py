"""The lead of a new piece: melodies of the melody model, or the development of a motif.

The composing transformer writes thin leads without phrases. Here the part that leads plays what the
melody model generates over the chords: for each section a melody in phrases that return and end
with cadences. A motif is stated, repeated in sequence, inverted and broken into fragments, all
within the scale (Schoenberg, "Fundamentals of Musical Composition", 1967, chapters 3 and 7), and
returns before the end. Between these, bars are left open for the network to fill.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from segue.errors import BadArgument
from segue.generate.compose.biases import adapt_notes
from segue.generate.compose.plan import BarPlan, PartPattern
from segue.generate.compose.tokens import (
    STEPS_PER_QUARTER,
    TIME_SIGNATURES,
    Bar,
    Note,
    score_to_bars,
    steps_per_bar,
)
from segue.generate.melody.lead_sheet import LOWEST_PITCH, NUM_PITCHES
from segue.generate.melody.phrases import MIN_RANGE
from segue.records import Score
from segue.score.lines import extract_melody
from segue.theory import chord_charts
from segue.theory.instruments import DRUMS, is_bass, is_monophonic, tessitura
from segue.theory.keys import MAJOR_SCALE, MINOR_SCALE

if TYPE_CHECKING:
    from segue.generate.melody.model import MelodyModel


#: Penalty in nats of departing from the melody.
LEAD_PENALTY: Final = 14.0
#: Bars of a phrase in short sections and in longer ones, and the forms that phrases take in turn.
_PHRASE_BARS: Final = (2, 4)
_SHORT_SECTION: Final = 8
_FORMS: Final = ("ABAC", "DEDF")
#: Fewest bars of a section that gets a melody, and most bars that are generated at once.
_MIN_BARS: Final = 2
_MAX_BARS: Final = 32
#: Bars of a piece up to which melodies are planned.
_MAX_PLANNED: Final = 512
#: Range that melodies are sung in where an instrument reaches further: G3 to A5.
_RANGE: Final = (55, 81)
#: The same above the chords of the same instrument: F4 to C6.
_ABOVE_CHORDS: Final = (65, 84)
#: Range of a lead in semitones, where its instrument has it.
_MIN_RANGE: Final = 12
#: Styles of the melody model, in compound time and else.
_COMPOUND, _SIMPLE = "folk", "pop"
_STEP: Final = STEPS_PER_QUARTER // chord_charts.STEPS_PER_QUARTER
#: A longer score is a motif by its first bars.
MAX_BARS: Final = 4
FIRST_BARS: Final = 2
#: Penalties in nats of departing from the motif itself, and from its transformations.
STATEMENT_PENALTY: Final = 14.0
VARIATION_PENALTY: Final = 7.0
#: Transformations in turn, as often as there is room: name and degrees of the scale that it moves.
_DEVELOPMENT: Final = (
    ("statement", 0), ("sequence", 1), ("open", 0), ("statement", 0),
    ("inversion", 0), ("sequence", -2), ("fragment", 1), ("statement", 0),
)  # fmt: skip


def lead_instrument(instruments: Sequence[int], chordal: int | None = None) -> int | None:
    """Return the instrument of a band that leads.

    Parameters
    ----------
    instruments : sequence of int
        Programs and `DRUMS`, each as often as it has parts.
    chordal : int, optional
        The program that accompanies with chords.

    Returns
    -------
    int or None
        The highest of those that play one note at a time and have one part, else of the others.
    """
    counts = Counter(each for each in instruments if each != DRUMS and not is_bass(each))
    single = [each for each, count in counts.items() if count == 1 and each != chordal]
    melodic = [each for each in single if is_monophonic(each)] or single
    return max(melodic, key=lambda each: sum(tessitura(each)), default=None)


def add_lead(
    plans: Sequence[BarPlan], instrument: int, time_signature: int, seed: int
) -> list[BarPlan]:
    """Add melodies to the plans of a new piece.

    Parameters
    ----------
    plans : sequence of BarPlan
        With chords
    instrument : int
        Program of the lead.
    time_signature : int
        Index in `tokens.TIME_SIGNATURES`.
    seed : int

    Returns
    -------
    list of BarPlan
        Sections of a name have the same melody, moved to other chords where they differ.
    """
    from segue.generate.melody.model import MelodyModel  # imports torch

    model = MelodyModel.pretrained()
    has_chords = any(each.instrument == instrument for plan in plans for each in plan.patterns)
    lowest, highest = _pitch_range(instrument, has_chords=has_chords)
    sources: dict[int, tuple[tuple[Note, ...], BarPlan]] = {}  # by the index of the bar
    planned: list[BarPlan] = []
    for first, last in _spans(plans):
        chart = _chart(plans[first:last], time_signature)
        written = _melody(model, chart, (lowest, highest), instrument, (seed + first) % 2**32)
        for index, notes in enumerate(written, start=first):
            sources[index] = notes, plans[index]
    for index, plan in enumerate(plans):
        source = sources.get(index if plan.repeats is None else plan.repeats)
        if source is None:
            planned.append(plan)
            continue
        notes = source[0]
        if source[1].chords != plan.chords:
            notes = adapt_notes(notes, source[1].chords, plan.chords)
        others = [each for each in plan.patterns if each.instrument != instrument]
        chords = [note for each in plan.patterns if each.instrument == instrument
                  for note in each.notes if note.pitch < lowest]  # fmt: skip
        pattern = PartPattern(instrument, tuple(sorted((*notes, *chords))), LEAD_PENALTY)
        planned.append(replace(plan, patterns=(*others, pattern)))
    return planned


def _spans(plans: Sequence[BarPlan]) -> list[tuple[int, int]]:
    """Return first and last index of the stretches of bars that get a melody of their own."""
    spans: list[tuple[int, int]] = []
    for index, plan in enumerate(plans[:_MAX_PLANNED]):
        if plan.repeats is not None or not plan.chords:
            continue
        if spans and spans[-1][1] == index:
            first = spans[-1][0]
            if plans[first].section == plan.section and index - first < _MAX_BARS:
                spans[-1] = first, index + 1
                continue
        spans.append((index, index + 1))
    return [(first, last) for first, last in spans if last - first >= _MIN_BARS]


def _melody(
    model: "MelodyModel",
    chart: chord_charts.Chart,
    pitch_range: tuple[int, int],
    instrument: int,
    seed: int,
) -> list[tuple[Note, ...]]:
    """Return the notes of each bar of a section."""
    from segue.generate.melody.candidates import generate_melodies

    melody = generate_melodies(
        model,
        chart,
        1,
        style=_COMPOUND if chord_charts.is_compound(chart.time_signature) else _SIMPLE,
        seed=seed,
        form=_form(chart.bars),
        pitch_range=pitch_range,
    )[0]
    part = next((each for each in melody.score.parts if each.name == "Melody"), None)
    bars: list[list[Note]] = [[] for _ in range(chart.bars)]
    ticks = melody.score.ticks_per_quarter // STEPS_PER_QUARTER
    for onset, duration, pitch, velocity in [] if part is None else part.notes.tolist():
        bar, step = divmod(onset // ticks, chart.steps_per_bar * _STEP)
        bars[bar].append(Note(step, instrument, pitch, duration // ticks, velocity // 16))
    return [tuple(bar) for bar in bars]


def _chart(plans: Sequence[BarPlan], signature: int) -> chord_charts.Chart:
    """Return the chord chart of bars."""
    length = chord_charts.steps_per_bar(TIME_SIGNATURES[signature])
    rows, names = [], []
    for index, plan in enumerate(plans):
        for chord in plan.chords:
            row = chord_charts.chord_row(chord.root, chord.bass, chord.classes)
            rows.append((index * length + chord.step // _STEP, *row))
            names.append(chord.name)
    rows[0] = 0, *rows[0][1:]
    return chord_charts.Chart(
        TIME_SIGNATURES[signature], len(plans), np.array(rows, np.int64), tuple(names)
    )


def _form(bars: int) -> str:
    """Return the form of the phrases of a section; "" where they do not divide it evenly."""
    phrase = _PHRASE_BARS[bars > _SHORT_SECTION]
    count, rest = divmod(bars, phrase)
    if rest or count < 2:
        return ""
    return "".join(_FORMS[index // 4 % 2][index % 4] for index in range(count))


def _pitch_range(instrument: int, *, has_chords: bool) -> tuple[int, int]:
    """Return the range of a lead: that of its instrument, where a melody is well placed."""
    low, high = tessitura(instrument)
    above, below = _ABOVE_CHORDS if has_chords else _RANGE
    lowest = max(low, min(above, high - _MIN_RANGE), LOWEST_PITCH)
    highest = min(max(below, lowest + _MIN_RANGE), high, LOWEST_PITCH + NUM_PITCHES - 1)
    return lowest, max(highest, lowest + MIN_RANGE)


@dataclass(frozen=True, slots=True)
class DevelopedBar:
    """A bar of a development.

    Attributes
    ----------
    transformation : str
        "statement", "sequence", "inversion", "fragment", or "open" for a bar without notes.
    notes : tuple of Note
    """

    transformation: str
    notes: tuple[Note, ...]


def read_motif(score: Score) -> list[Bar]:
    """Return the bars of the melody of a score, the first ones where it is longer than a motif.

    Raises
    ------
    BadArgument
        There is no melody in it.
    """
    bars = score_to_bars(replace(score, parts=(extract_melody(score),)))
    first = next(index for index, bar in enumerate(bars) if bar.notes)
    bars = bars[first:]
    return bars if len(bars) <= MAX_BARS else bars[:FIRST_BARS]


def develop(motif: Sequence[Bar], count: int, key: int, instrument: int) -> list[DevelopedBar]:
    """Develop a motif.

    Parameters
    ----------
    motif : sequence of Bar
        Bars of one time signature.
    count : int
        Number of bars.
    key : int
        Index of the key, from 0: C major, C minor, C♯ major … B minor.
    instrument : int
        Program that plays it.

    Returns
    -------
    list of DevelopedBar
        The last one is open, for an ending.

    Raises
    ------
    BadArgument
        There is no room for the motif, or its time signature changes.
    """
    if len({bar.time_signature for bar in motif}) > 1:
        raise BadArgument("the time signature changes within the motif; give one that keeps it")
    if count <= len(motif):
        raise BadArgument(
            f"--bars {count} leaves no room for a motif of {len(motif)} bars or the ending; "
            f"write --bars {4 * len(motif)} or more"
        )
    bars: list[DevelopedBar] = []
    length = steps_per_bar(motif[0].time_signature)
    slots = (count - 1) // len(motif)
    for slot in range(slots):
        name, degrees = _DEVELOPMENT[slot % len(_DEVELOPMENT)]
        if slot == slots - 1 and slots > 2:  # it returns before the end
            name, degrees = "statement", 0
        transformed = _transform(motif, name, degrees, key, length)
        bars += [
            DevelopedBar(name, tuple(note._replace(instrument=instrument) for note in notes))
            for notes in transformed
        ]
    return bars + [DevelopedBar("open", ())] * (count - len(bars))


def _transform(
    motif: Sequence[Bar], name: str, degrees: int, key: int, length: int
) -> list[tuple[Note, ...]]:
    """Return the notes of each bar of a transformed motif."""
    notes = [bar.notes for bar in motif]
    if name == "open":
        return [()] * len(motif)
    if name == "inversion":
        axis = _degree(next(note for bar in notes for note in bar).pitch, key)[0]
        return [
            tuple(note._replace(pitch=_invert(note.pitch, axis, key)) for note in bar)
            for bar in notes
        ]
    if name == "fragment":  # its first half, and the same in sequence
        half = _first_half(motif, length)
        moved = [_move(note, degrees, key) for note in half]
        total, middle = length * len(motif), length * len(motif) // 2
        placed = half + [note._replace(onset=note.onset + middle) for note in moved]
        return [
            tuple(
                note._replace(onset=note.onset - start)
                for note in placed
                if start <= note.onset < start + length
            )
            for start in range(0, total, length)
        ]
    return [tuple(_move(note, degrees, key) for note in bar) for bar in notes]


def _first_half(motif: Sequence[Bar], length: int) -> list[Note]:
    """Return the notes of the first half of a motif, counted from its beginning, and cut off."""
    middle = length * len(motif) // 2
    notes = [
        note._replace(onset=note.onset + length * index)
        for index, bar in enumerate(motif)
        for note in bar.notes
    ]
    return [
        note._replace(duration=min(note.duration, middle - note.onset))
        for note in notes
        if note.onset < middle
    ]


def _move(note: Note, degrees: int, key: int) -> Note:
    degree, alteration = _degree(note.pitch, key)
    return note._replace(pitch=_pitch(degree + degrees, alteration, key))


def _invert(pitch: int, axis: int, key: int) -> int:
    degree, alteration = _degree(pitch, key)
    return _pitch(2 * axis - degree, -alteration, key)


def _scale(key: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(MINOR_SCALE if key % 2 else MAJOR_SCALE, np.int64)


def _degree(pitch: int, key: int) -> tuple[int, int]:
    """Return the degree of the scale, seven an octave, at or below a pitch, and the alteration."""
    octave, above = divmod(pitch - key // 2, 12)
    index = int(np.searchsorted(_scale(key), above, side="right")) - 1
    return 7 * octave + index, above - int(_scale(key)[index])


def _pitch(degree: int, alteration: int, key: int) -> int:
    octave, index = divmod(degree, 7)
    pitch = key // 2 + 12 * octave + int(_scale(key)[index]) + alteration
    return min(max(pitch, 0), 127)

"""The lead of a new piece: melodies of the melody model over the chords of the sections.

The composing transformer writes thin leads without phrases. Here the part that leads plays what the
melody model generates: for each section a melody in phrases that return and end with cadences.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from segue.generate.compose.chords import adapt_notes
from segue.generate.compose.plan import BarPlan, PartPattern
from segue.generate.compose.tokens import STEPS_PER_QUARTER, TIME_SIGNATURES, Note
from segue.generate.melody.lead_sheet import LOWEST_PITCH, NUM_PITCHES
from segue.generate.melody.phrases import MIN_RANGE
from segue.theory import chord_charts
from segue.theory.instruments import DRUMS, is_bass, is_monophonic, tessitura

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
    part = next((each for each in melody.score.parts if each.name == "melody"), None)
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

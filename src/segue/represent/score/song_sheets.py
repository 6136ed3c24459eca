"""The melody of a score over its chords: lead sheets of whatever scores there are."""

import re
from itertools import pairwise
from typing import Final

import numpy as np

from segue.errors import BadArgument
from segue.records import Part, Score
from segue.represent.score.chord_charts import chart_rows
from segue.represent.score.harmony import chords
from segue.represent.score.lead_sheet import (
    STEPS_PER_QUARTER,
    Chart,
    LeadSheet,
    bar_steps,
    on_grid,
)
from segue.represent.score.timing import Bars, bars, lasting

FEWEST_BARS: Final = 4
FEWEST_NOTES: Final = 12
#: A melody that is silent for longer, in steps, ends, and another begins.
LONGEST_SILENCE: Final = 32
_NAMED: Final = re.compile(r"melod|vocal|voice|lead|sing|solo|sopran", re.IGNORECASE)
#: Share of onsets at which a part strikes one note alone, to be a melody.
_ALONE: Final = 0.8

Note = tuple[int, int, int]


def sheets_of(score: Score, name: str, style: str, group: str = "") -> tuple[LeadSheet, ...]:
    """Take the melody out of a score, with the chords that are found.

    The melody is the part that is called so; else, of the parts that strike one note at a time,
    the highest on the whole; else the highest notes of the highest part. It is cut where it is
    silent for long, and where the metre changes.

    Parameters
    ----------
    score : Score
    name, style, group : str
        Of the sheets.

    Returns
    -------
    tuple of LeadSheet
        Of at least four bars and twelve notes each; none where no melody is found.
    """
    part = melody_part(score)
    if part is None:
        return ()
    divided = bars(score)
    metres = lasting(divided)
    metre = max(metres, key=lambda one: metres[one])
    try:
        bar = bar_steps(metre)
    except BadArgument:
        return ()
    found = []
    ticks_per_step = score.ticks_per_quarter / STEPS_PER_QUARTER
    notes = top_line(part, ticks_per_step)
    named = chords(score)
    for first, last in _stretches(divided, metre):
        start = round(int(divided.at[first]) / ticks_per_step)
        here = [(a - start, b - start, pitch) for a, b, pitch in notes
                if start <= a < start + (last - first) * bar]  # fmt: skip
        placed = [
            (round(chord.start / ticks_per_step) - start, chord.name)
            for chord in named
            if first <= chord.bar < last
        ]
        for begin, until, some in sung(here, bar):
            end = min(until, last - first)
            if end - begin < FEWEST_BARS:
                continue
            rows, names = chart_rows(placed, begin * bar, end * bar)
            chart = Chart(metre, end - begin, rows, names)
            found.append(LeadSheet(name, style, chart, on_grid(some, chart.steps), group))
    return tuple(found)


def melody_part(score: Score) -> Part | None:
    """Return the part that has the melody; None where nothing has a pitch."""
    pitched = [part for part in score.parts if not part.is_drum]
    named = [part for part in pitched if _NAMED.search(part.name)]
    single = [part for part in pitched if _is_single(part)]
    chosen = named or single or pitched
    return max(chosen, key=lambda part: float(part.notes[:, 2].mean()), default=None)


def top_line(part: Part, ticks_per_step: float) -> list[Note]:
    """Follow the highest note of each sixteenth of a part.

    Parameters
    ----------
    part : Part
    ticks_per_step : float

    Returns
    -------
    list of (int, int, int)
        First step, the step after the last, MIDI pitch. One note at a time; a gap of a step is
        the player's, not the composer's, and is closed.
    """
    best: dict[int, tuple[int, int]] = {}
    for onset, duration, pitch, _ in part.notes.tolist():
        step = round(onset / ticks_per_step)
        if step not in best or pitch > best[step][1]:
            end = max(round((onset + duration) / ticks_per_step), step + 1)
            best[step] = (end, pitch)
    steps = sorted(best)
    notes = []
    for step, following in pairwise([*steps, None]):
        if step is None:
            continue
        end, pitch = best[step]
        if following is not None:
            end = following if following - end <= 1 else end
        notes.append((step, end, pitch))
    return notes


def sung(notes: list[Note], bar: int) -> list[tuple[int, int, list[Note]]]:
    """Cut a melody where it is silent for long.

    Parameters
    ----------
    notes : list of (int, int, int)
    bar : int
        Steps of a bar.

    Returns
    -------
    list of (int, int, list)
        The first bar of each, the bar after its last, and its notes, counted from that first bar;
        those of few notes are left out.
    """
    breaks = [
        number
        for number in range(1, len(notes))
        if notes[number][0] - notes[number - 1][1] > LONGEST_SILENCE
    ]
    found = []
    for one, other in pairwise([0, *breaks, len(notes)]):
        some = notes[one:other]
        if len(some) >= FEWEST_NOTES:
            first = some[0][0] // bar
            moved = [(a - first * bar, b - first * bar, pitch) for a, b, pitch in some]
            found.append((first, -(-some[-1][1] // bar), moved))
    return found


def _is_single(part: Part) -> bool:
    _, count = np.unique(part.notes[:, 0], return_counts=True)
    return len(count) >= FEWEST_NOTES and float((count == 1).mean()) >= _ALONE


def _stretches(divided: Bars, metre: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the first bar and the one after the last of each run of bars of a metre."""
    beats, unit = metre
    same = (divided.beats == beats) & (divided.units == unit)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], same, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]

"""Lead sheets: a melody and its chords on a grid of sixteenths.

A melody and its chords on a grid of sixteenths: what the network of melodies learns from.

A chart says which chord holds from which step on; a melody is a row of events without gaps, each
a pitch or a rest and its length. Before each event much is known that a musician minds: where in
the bar it begins, how long the chord has held and will hold, what was played one, two, four and
eight bars before. `told` puts that into numbers; all of them but the pitches themselves stay what
they are when the music is transposed.

The melody of a score over its chords: lead sheets of whatever scores there are.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from segue.errors import BadArgument
from segue.records import Part, Score
from segue.score.harmony import estimate_chords
from segue.score.harmony import estimate_chords as chords_of
from segue.score.timing import BarGrid, bar_grid, time_signature_durations
from segue.score.timing import bar_grid as bars_of
from segue.theory.chord_charts import chart_rows, check_bars, make_chart
from segue.theory.chord_grid import (
    LONGEST_BAR,
    NO_ROOT,
    STEPS_PER_QUARTER,
    Chart,
    IntArray,
    bar_steps,
    beat_steps,
    by_bars,
    is_compound,
)
from segue.theory.chords import NO_CHORD, Chord, is_chord, parse_chord

# --- lead sheet ---

#: MIDI pitch of symbol 1, and how many there are; symbol 0 is a rest.
LOWEST: Final = 48
PITCHES: Final = 48
#: Steps that an event lasts at most; longer ones are told as several.
LONGEST: Final = 32
#: Bars before, whose notes are told.
LAGS: Final = (1, 2, 4, 8)
BEGINNING: Final = PITCHES + 1  # stands for the event before the first
_WIDEST: Final = 12  # semitones: so far intervals are told apart
_PHRASE: Final = 8  # bars

#: What `told` tells, column by column, and how many values each may have.
COLUMNS: Final[dict[str, int]] = {
    "before": PITCHES + 2,
    "before_length": LONGEST + 1,
    "moved": 2 * _WIDEST + 2,
    "over_root": 13,
    "place": LONGEST_BAR,
    "metre": 2 * (LONGEST_BAR + 1),
    "bar": _PHRASE,
    "bars_left": _PHRASE + 1,
    "since": LONGEST,
    "until": LONGEST + 1,
    **{
        f"{what}_{lag}": size
        for lag in LAGS
        for what, size in (("was", 2 * _WIDEST + 3), ("began", LONGEST + 1))
    },
}
#: Behind them: the pitch before (0 for none), the chord's root, and the chord's number.
LAST: Final = len(COLUMNS)
ROOT: Final = LAST + 1
CHORD: Final = LAST + 2
TOLD: Final = LAST + 3
#: Columns of the chords as the network reads them.
CHORD_COLUMNS: Final[dict[str, int]] = {
    "root": 13, "bass": 13, "moved": 13, "length": LONGEST + 1, "place": LONGEST_BAR,
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class LeadSheet:
    """A melody over chords.

    Attributes
    ----------
    name : str
    style : str
        "folk", say.
    chart : Chart
    melody : ndarray, shape (m, 2), int64
        Symbol (0 for a rest, 1 for MIDI pitch 48) and steps of each event; they fill the chart.
    group : str
        The same for versions of one piece.
    """

    name: str
    style: str
    chart: Chart
    melody: IntArray
    group: str = ""


def on_grid(notes: Sequence[tuple[int, int, int]], steps: int) -> IntArray:
    """Make a melody of notes.

    Parameters
    ----------
    notes : sequence of (int, int, int)
        First step, the step after the last, MIDI pitch; by first step.
    steps : int
        Of the whole.

    Returns
    -------
    ndarray, shape (m, 2), int64
        One note at a time, a new one ends the one before; pitches out of range are moved by
        octaves; a note longer than `LONGEST` ends there, a longer rest is several.
    """
    notes = [note for note in notes if 0 <= note[0] < steps]
    events: list[tuple[int, int]] = []
    at = 0
    for number, (first, last, pitch) in enumerate(notes):
        until = notes[number + 1][0] if number + 1 < len(notes) else steps
        length = min(last, until) - first
        if length < 1 or first < at:
            continue
        events += _rests(first - at)
        length = min(length, LONGEST)
        events.append((symbol_of(pitch), length))
        at = first + length
    events += _rests(steps - at)
    return np.array(events, np.int64).reshape(-1, 2)


def symbol_of(pitch: int) -> int:
    """Return the symbol of a MIDI pitch, moved by octaves into the range."""
    while pitch < LOWEST:
        pitch += 12
    while pitch >= LOWEST + PITCHES:
        pitch -= 12
    return pitch - LOWEST + 1


def _rests(steps: int) -> list[tuple[int, int]]:
    return [(0, min(LONGEST, steps - at)) for at in range(0, steps, LONGEST)]


# ---- what is told ------------------------------------------------------------------------


def read_chords(chart: Chart) -> IntArray:
    """Return the chords as the network reads them.

    Parameters
    ----------
    chart : Chart

    Returns
    -------
    ndarray, shape (n, 6), int64
        `CHORD_COLUMNS`, the bass and the step from the last root counted upwards, 12 for none;
        behind them the pitch classes as bits. A chord that goes on over a bar line stands anew
        in each bar.
    """
    cut = by_bars(chart)
    start, root, bass, bits = cut.T
    length = np.diff(np.append(start, chart.steps))
    none = root == NO_ROOT
    before = np.concatenate([[NO_ROOT], root[:-1]])
    moved = np.where(none | (before == NO_ROOT), 12, (root - before) % 12)
    over = np.where(none, 12, (bass - root) % 12)
    place = start % chart.bar_steps
    return np.column_stack([root, over, moved, np.minimum(length, LONGEST), place, bits])


class Teller:
    """Tells before each event of a melody what is known, while it is being written.

    Parameters
    ----------
    chart : Chart
    """

    def __init__(self, chart: Chart) -> None:
        steps, bar = chart.steps, chart.bar_steps
        cut = by_bars(chart)
        at = np.arange(steps)
        number = np.searchsorted(cut[:, 0], at, side="right") - 1
        holds = np.searchsorted(_changes(cut), at, side="right") - 1
        begins = _changes(cut)
        ends = np.append(begins[1:], steps)
        self._steps, self._bar = steps, bar
        metre = bar + (LONGEST_BAR + 1) * is_compound(chart.metre)
        self._static = np.column_stack(
            [
                at % bar,
                np.full(steps, metre),
                at // bar % _PHRASE,
                np.minimum((steps - 1 - at) // bar, _PHRASE),
                np.minimum(at - begins[holds], LONGEST - 1),
                np.minimum(ends[holds] - at, LONGEST),
            ]
        ).tolist()
        self._root = cut[number, 1].tolist()
        self._number = number.tolist()
        self._heard = [0] * steps  # the symbol that sounds
        self._left = [0] * steps  # steps that an event lasts which begins here
        self._before, self._length, self._last, self._moved = BEGINNING, 0, 0, 2 * _WIDEST + 1
        self.at = 0

    @property
    def done(self) -> bool:
        """Whether the chart is filled."""
        return self.at >= self._steps

    @property
    def room(self) -> int:
        """Steps that are left."""
        return self._steps - self.at

    def tell(self) -> list[int]:
        """Return what is known before the next event, `TOLD` numbers."""
        at, last = self.at, self._last
        root = self._root[at]
        over = 12 if root == NO_ROOT or not last else (last - 1 + LOWEST - root) % 12
        row = [self._before, self._length, self._moved, over, *self._static[at]]
        for lag in LAGS:
            there = at - lag * self._bar
            if there < 0:
                row += [2 * _WIDEST + 2, 0]
            elif not self._heard[there] or not last:
                row += [2 * _WIDEST + 1, self._left[there]]
            else:
                row += [_clipped(self._heard[there] - last), self._left[there]]
        return [*row, last, root, self._number[at]]

    def hear(self, symbol: int, length: int) -> None:
        """Go on by an event."""
        end = min(self.at + length, self._steps)
        self._heard[self.at : end] = [symbol] * (end - self.at)
        self._left[self.at] = min(length, LONGEST)
        self._before, self._length = symbol, min(length, LONGEST)
        if symbol:
            if self._last:
                self._moved = _clipped(symbol - self._last)
            self._last = symbol
        self.at = end


def told(chart: Chart, melody: IntArray) -> IntArray:
    """Return what is known before each event of a melody, shape (m, TOLD), int64."""
    teller = Teller(chart)
    rows = []
    for symbol, length in melody.tolist():
        rows.append(teller.tell())
        teller.hear(symbol, length)
    return np.array(rows, np.int64).reshape(-1, TOLD)


def _changes(cut: IntArray) -> IntArray:
    """Return the steps at which another chord begins."""
    other = (cut[1:, 1:] != cut[:-1, 1:]).any(axis=1)
    return np.asarray(cut[np.concatenate([[True], other]), 0], np.int64)


def _clipped(interval: int) -> int:
    return max(-_WIDEST, min(_WIDEST, interval)) + _WIDEST


# ---- transposing -------------------------------------------------------------------------


def transposed_told(rows: IntArray, by: int) -> IntArray:
    """Move what is told by semitones, pitches by octaves more where they would leave the range."""
    moved = rows.copy()
    for column in (0, LAST):
        moved[:, column] = _transposed(rows[:, column], by)
    root = rows[:, ROOT]
    moved[:, ROOT] = np.where(root == NO_ROOT, NO_ROOT, (root + by) % 12)
    return moved


def transposed_chords(rows: IntArray, by: int) -> IntArray:
    """Move chords as the network reads them."""
    moved = rows.copy()
    moved[:, 0] = np.where(rows[:, 0] == NO_ROOT, NO_ROOT, (rows[:, 0] + by) % 12)
    bits = rows[:, -1] << by % 12
    moved[:, -1] = (bits | bits >> 12) & 0xFFF
    return moved


def fits(melody: IntArray, by: int) -> bool:
    """Tell whether all of a melody stays in the range when moved by semitones."""
    heard = melody[melody[:, 0] > 0, 0] + by
    return not len(heard) or (int(heard.min()) >= 1 and int(heard.max()) <= PITCHES)


def _transposed(symbols: IntArray, by: int) -> IntArray:
    heard = (symbols > 0) & (symbols < BEGINNING)
    return np.where(heard, symbols + by, symbols)


# --- song sheets ---


def chart_of(score: Score) -> Chart:
    """Find the chords of a score by what sounds in it, bar by bar, in the metre of most of it.

    Parameters
    ----------
    score : Score

    Returns
    -------
    Chart
        Of its bars in that metre. What is written above its notes does not count; see
        `written_chart_of`.

    Raises
    ------
    BadArgument
        It has no bar in a metre that melodies can be written in, or too many.
    """
    divided = bars_of(score)
    metre, kept = _usual_bars(divided)
    bar, beat = bar_steps(metre), beat_steps(metre)
    check_bars(len(kept))
    number = {each: place for place, each in enumerate(kept)}
    placed = []
    for found in chords_of(score):
        if found.bar in number:
            whole = int(divided.edges[found.bar + 1] - divided.edges[found.bar])
            within = (
                round((found.start - int(divided.edges[found.bar])) / whole * bar / beat) * beat
            )
            placed.append((number[found.bar] * bar + within, parse_chord(found.name)))
    return make_chart(placed, metre, len(kept))


def written_chart_of(score: Score) -> tuple[Chart | None, tuple[str, ...]]:
    """Take the chords that are written above the notes of a score, in the metre of most of it.

    Parameters
    ----------
    score : Score

    Returns
    -------
    chart : Chart or None
        Of its bars in that metre, from the one in which the first chord stands: what comes before
        is an upbeat. None where no chord is written.
    unknown : tuple of str
        What is written there and is no chord symbol, each once; it is left out.

    Raises
    ------
    BadArgument
        As of `chart_of`.
    """
    symbols = dict.fromkeys(symbol for _, symbol in score.chords)
    unknown = tuple(symbol for symbol in symbols if not is_chord(symbol))
    written = [(tick, parse_chord(name)) for tick, name in score.chords if name not in unknown]
    if not written:
        return None, unknown
    divided = bars_of(score)
    metre, kept = _usual_bars(divided)
    first = int(divided.index_of(np.array([written[0][0]]))[0])
    kept = [each for each in kept if each >= first]
    check_bars(len(kept))
    bar = bar_steps(metre)
    placed: dict[int, Chord] = {}
    for number, each in enumerate(kept):
        start, end = int(divided.edges[each]), int(divided.edges[each + 1])
        before = [chord for tick, chord in written if tick <= start][-1:]
        placed[number * bar] = before[0] if before else NO_CHORD
        for tick, chord in written:
            if start < tick < end:
                within = min(round((tick - start) / (end - start) * bar), bar - 1)
                placed[number * bar + within] = chord
    return make_chart(sorted(placed.items(), key=lambda pair: pair[0]), metre, len(kept)), unknown


def _usual_bars(divided: BarGrid) -> tuple[tuple[int, int], list[int]]:
    """Return the metre that lasts longest, and which bars are in it."""
    metres = time_signature_durations(divided)
    metre = max(metres, key=lambda one: metres[one])
    kept = np.flatnonzero((divided.numerators == metre[0]) & (divided.denominators == metre[1]))
    return metre, kept.tolist()


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
    divided = bar_grid(score)
    metres = time_signature_durations(divided)
    metre = max(metres, key=lambda one: metres[one])
    try:
        bar = bar_steps(metre)
    except BadArgument:
        return ()
    found = []
    ticks_per_step = score.ticks_per_quarter / STEPS_PER_QUARTER
    notes = top_line(part, ticks_per_step)
    named = estimate_chords(score)
    for first, last in _stretches(divided, metre):
        start = round(int(divided.edges[first]) / ticks_per_step)
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


def _stretches(divided: BarGrid, metre: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the first bar and the one after the last of each run of bars of a metre."""
    beats, unit = metre
    same = (divided.numerators == beats) & (divided.denominators == unit)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], same, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]

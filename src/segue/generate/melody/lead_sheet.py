"""Lead sheets: a melody and its chords on a grid of sixteenths, as the melody model reads them.

A chart gives the chord that holds from each step on; a melody is a sequence of events without gaps,
each a pitch or a rest and its duration. Each event is conditioned on musical features: its position
in the bar, how long the chord has held and will hold, the melody one, two, four and eight bars
before. All features but the pitches themselves are invariant to transposition.

Lead sheets for training are extracted from scores, with their chord symbols or estimated chords.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from segue.errors import BadArgument
from segue.records import IntArray, Part, Score
from segue.score.harmony import estimate_chords, written_chords
from segue.score.timing import BarGrid, bar_grid, time_signature_durations
from segue.theory.chord_charts import (
    MAX_BAR_STEPS,
    NO_ROOT,
    STEPS_PER_QUARTER,
    Chart,
    check_bar_count,
    is_compound,
    make_chart,
    segment_chords,
    split_at_barlines,
    steps_per_bar,
    steps_per_beat,
)
from segue.theory.chords import NO_CHORD, Chord, is_chord, parse_chord

#: MIDI pitch of symbol 1, and number of pitches; symbol 0 is a rest.
LOWEST_PITCH: Final = 48
NUM_PITCHES: Final = 48
#: Maximum duration of an event in steps; longer notes are cut, longer rests are several events.
MAX_DURATION: Final = 32
#: Distances in bars at which the earlier melody is a feature.
LAGS: Final = (1, 2, 4, 8)
START_SYMBOL: Final = NUM_PITCHES + 1  # stands for the event before the first
_MAX_INTERVAL: Final = 12  # semitones; wider intervals count as this
_NO_INTERVAL: Final = 2 * _MAX_INTERVAL + 1
_PHRASE: Final = 8  # bars

#: Conditioning features of an event, and their numbers of values.
FEATURES: Final[dict[str, int]] = {
    "before": NUM_PITCHES + 2,
    "before_length": MAX_DURATION + 1,
    "moved": 2 * _MAX_INTERVAL + 2,
    "over_root": 13,
    "place": MAX_BAR_STEPS,
    "metre": 2 * (MAX_BAR_STEPS + 1),
    "bar": _PHRASE,
    "bars_left": _PHRASE + 1,
    "since": MAX_DURATION,
    "until": MAX_DURATION + 1,
    **{
        f"{what}_{lag}": size
        for lag in LAGS
        for what, size in (("was", 2 * _MAX_INTERVAL + 3), ("began", MAX_DURATION + 1))
    },
}
#: Further columns: the previous pitch as a symbol (0 for none), the root and index of the chord.
LAST_PITCH: Final = len(FEATURES)
CHORD_ROOT: Final = LAST_PITCH + 1
CHORD_INDEX: Final = LAST_PITCH + 2
NUM_FEATURES: Final = LAST_PITCH + 3
#: Features of a chord, and their numbers of values.
CHORD_FEATURES: Final[dict[str, int]] = {
    "root": 13, "bass": 13, "moved": 13, "length": MAX_DURATION + 1, "place": MAX_BAR_STEPS,
}  # fmt: skip

MIN_BARS: Final = 4
MIN_NOTES: Final = 12
#: Silence in steps at which a melody is cut in two.
MAX_SILENCE: Final = 32
_MELODY_NAME: Final = re.compile(r"melod|vocal|voice|lead|sing|solo|sopran", re.IGNORECASE)
#: Share of onsets with a single note from which a part counts as monophonic.
_MONOPHONIC_SHARE: Final = 0.8

#: First step, the step after the last, MIDI pitch.
Note = tuple[int, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class LeadSheet:
    """A melody over chords.

    Attributes
    ----------
    name : str
    style : str
        Style of the melody, such as "folk".
    chart : Chart
    melody : ndarray, shape (m, 2), int64
        Symbol (0 for a rest, 1 for MIDI pitch 48) and duration in steps of each event; they fill
        the chart.
    group : str
        Key that versions of one piece have in common.
    """

    name: str
    style: str
    chart: Chart
    melody: IntArray
    group: str = ""


def quantize_melody(notes: Sequence[Note], steps: int) -> IntArray:
    """Convert notes to a monophonic sequence of events.

    Parameters
    ----------
    notes : sequence of (int, int, int)
        First step, the step after the last, MIDI pitch; sorted by first step.
    steps : int
        Total duration.

    Returns
    -------
    ndarray, shape (m, 2), int64
        Symbols and durations. A note ends where the next begins; pitches out of range are moved by
        octaves.
    """
    notes = [note for note in notes if 0 <= note[0] < steps]
    events: list[tuple[int, int]] = []
    position = 0
    for index, (first, last, pitch) in enumerate(notes):
        limit = notes[index + 1][0] if index + 1 < len(notes) else steps
        duration = min(last, limit) - first
        if duration < 1 or first < position:
            continue
        events += _rests(first - position)
        duration = min(duration, MAX_DURATION)
        events.append((pitch_symbol(pitch), duration))
        position = first + duration
    events += _rests(steps - position)
    return np.array(events, np.int64).reshape(-1, 2)


def pitch_symbol(pitch: int) -> int:
    """Return the symbol of a MIDI pitch, moved by octaves into the range."""
    while pitch < LOWEST_PITCH:
        pitch += 12
    while pitch >= LOWEST_PITCH + NUM_PITCHES:
        pitch -= 12
    return pitch - LOWEST_PITCH + 1


def _rests(steps: int) -> list[tuple[int, int]]:
    return [(0, min(MAX_DURATION, steps - at)) for at in range(0, steps, MAX_DURATION)]


# ---- conditioning features ---------------------------------------------------------------


def chord_features(chart: Chart) -> IntArray:
    """Return the features of the chords of a chart.

    Parameters
    ----------
    chart : Chart

    Returns
    -------
    ndarray, shape (n, 6), int64
        `CHORD_FEATURES`, with the bass relative to the root and the interval from the previous
        root upwards, 12 for none; then the pitch classes as bits. A chord that holds over a bar
        line is repeated in each bar.
    """
    cut = split_at_barlines(chart)
    start, root, bass, bits = cut.T
    duration = np.diff(np.append(start, chart.steps))
    no_root = root == NO_ROOT
    previous = np.concatenate([[NO_ROOT], root[:-1]])
    moved = np.where(no_root | (previous == NO_ROOT), 12, (root - previous) % 12)
    relative_bass = np.where(no_root, 12, (bass - root) % 12)
    position = start % chart.steps_per_bar
    return np.column_stack(
        [root, relative_bass, moved, np.minimum(duration, MAX_DURATION), position, bits]
    )


class ConditioningState:
    """Conditioning features of each next event of a melody, while it is generated.

    Parameters
    ----------
    chart : Chart
    """

    def __init__(self, chart: Chart) -> None:
        steps, bar = chart.steps, chart.steps_per_bar
        cut = split_at_barlines(chart)
        at = np.arange(steps)
        chord = np.searchsorted(cut[:, 0], at, side="right") - 1
        changes = _chord_changes(cut)
        held = np.searchsorted(changes, at, side="right") - 1
        ends = np.append(changes[1:], steps)
        self._steps, self._bar = steps, bar
        time_signature = bar + (MAX_BAR_STEPS + 1) * is_compound(chart.time_signature)
        self._static = np.column_stack(
            [
                at % bar,
                np.full(steps, time_signature),
                at // bar % _PHRASE,
                np.minimum((steps - 1 - at) // bar, _PHRASE),
                np.minimum(at - changes[held], MAX_DURATION - 1),
                np.minimum(ends[held] - at, MAX_DURATION),
            ]
        ).tolist()
        self._root = cut[chord, 1].tolist()
        self._chord = chord.tolist()
        self._sounding = [0] * steps  # symbol at each step
        self._onset_duration = [0] * steps  # duration of the event that begins at each step
        self._last_symbol, self._last_duration = START_SYMBOL, 0
        self._last_pitch, self._last_interval = 0, _NO_INTERVAL
        self.position = 0

    @property
    def done(self) -> bool:
        """Whether the chart is filled."""
        return self.position >= self._steps

    @property
    def remaining(self) -> int:
        """Number of steps left."""
        return self._steps - self.position

    def features(self) -> list[int]:
        """Return the features of the next event, `NUM_FEATURES` numbers."""
        at, last = self.position, self._last_pitch
        root = self._root[at]
        degree = 12 if root == NO_ROOT or not last else (last - 1 + LOWEST_PITCH - root) % 12
        row = [
            self._last_symbol, self._last_duration, self._last_interval, degree, *self._static[at],
        ]  # fmt: skip
        for lag in LAGS:
            earlier = at - lag * self._bar
            if earlier < 0:
                row += [_NO_INTERVAL + 1, 0]
            elif not self._sounding[earlier] or not last:
                row += [_NO_INTERVAL, self._onset_duration[earlier]]
            else:
                interval = _clipped_interval(self._sounding[earlier] - last)
                row += [interval, self._onset_duration[earlier]]
        return [*row, last, root, self._chord[at]]

    def append(self, symbol: int, duration: int) -> None:
        """Append an event."""
        end = min(self.position + duration, self._steps)
        self._sounding[self.position : end] = [symbol] * (end - self.position)
        self._onset_duration[self.position] = min(duration, MAX_DURATION)
        self._last_symbol, self._last_duration = symbol, min(duration, MAX_DURATION)
        if symbol:
            if self._last_pitch:
                self._last_interval = _clipped_interval(symbol - self._last_pitch)
            self._last_pitch = symbol
        self.position = end


def conditioning_features(chart: Chart, melody: IntArray) -> IntArray:
    """Return the features of each event of a melody, shape (m, NUM_FEATURES), int64."""
    state = ConditioningState(chart)
    rows = []
    for symbol, duration in melody.tolist():
        rows.append(state.features())
        state.append(symbol, duration)
    return np.array(rows, np.int64).reshape(-1, NUM_FEATURES)


def _chord_changes(cut: IntArray) -> IntArray:
    """Return the steps at which the chord changes."""
    changed = (cut[1:, 1:] != cut[:-1, 1:]).any(axis=1)
    return np.asarray(cut[np.concatenate([[True], changed]), 0], np.int64)


def _clipped_interval(interval: int) -> int:
    return max(-_MAX_INTERVAL, min(_MAX_INTERVAL, interval)) + _MAX_INTERVAL


# ---- transposition -----------------------------------------------------------------------


def transpose_conditioning(features: IntArray, semitones: int) -> IntArray:
    """Transpose conditioning features."""
    moved = features.copy()
    for column in (0, LAST_PITCH):
        symbols = features[:, column]
        is_pitch = (symbols > 0) & (symbols < START_SYMBOL)
        moved[:, column] = np.where(is_pitch, symbols + semitones, symbols)
    root = features[:, CHORD_ROOT]
    moved[:, CHORD_ROOT] = np.where(root == NO_ROOT, NO_ROOT, (root + semitones) % 12)
    return moved


def transpose_chord_features(features: IntArray, semitones: int) -> IntArray:
    """Transpose chord features."""
    moved = features.copy()
    root = features[:, 0]
    moved[:, 0] = np.where(root == NO_ROOT, NO_ROOT, (root + semitones) % 12)
    bits = features[:, -1] << semitones % 12
    moved[:, -1] = (bits | bits >> 12) & 0xFFF
    return moved


def fits_range(melody: IntArray, semitones: int) -> bool:
    """Return whether a melody stays in the range when transposed."""
    symbols = melody[melody[:, 0] > 0, 0] + semitones
    return not len(symbols) or (int(symbols.min()) >= 1 and int(symbols.max()) <= NUM_PITCHES)


# ---- charts of scores --------------------------------------------------------------------


def estimate_chart(score: Score) -> Chart:
    """Estimate the chords of a score from its notes, in its prevailing time signature.

    Chord symbols of the score are ignored; see `chart_from_symbols`.

    Parameters
    ----------
    score : Score

    Returns
    -------
    Chart
        Chords of the bars in that time signature.

    Raises
    ------
    BadArgument
        It has no bar in a time signature that the melody model supports, or too many.
    """
    grid = bar_grid(score)
    time_signature, bars = _prevailing_bars(grid)
    steps, beat = steps_per_bar(time_signature), steps_per_beat(time_signature)
    check_bar_count(len(bars))
    index_of = {bar: index for index, bar in enumerate(bars)}
    placed = []
    for chord in estimate_chords(score):
        if chord.bar in index_of:
            ticks = int(grid.edges[chord.bar + 1] - grid.edges[chord.bar])
            offset = round((chord.start - int(grid.edges[chord.bar])) / ticks * steps / beat) * beat
            placed.append((index_of[chord.bar] * steps + offset, parse_chord(chord.name)))
    return make_chart(placed, time_signature, len(bars))


def chart_from_symbols(score: Score) -> tuple[Chart | None, tuple[str, ...]]:
    """Read the chord symbols of a score, in its prevailing time signature.

    Parameters
    ----------
    score : Score

    Returns
    -------
    chart : Chart or None
        Chords of the bars in that time signature, from the first chord on: what precedes it is an
        upbeat. None if there are no chord symbols.
    unknown : tuple of str
        Distinct texts that are no chord symbols; they are ignored.

    Raises
    ------
    BadArgument
        See `estimate_chart`.
    """
    symbols = dict.fromkeys(symbol for _, symbol in score.chords)
    unknown = tuple(symbol for symbol in symbols if not is_chord(symbol))
    chords = [(tick, parse_chord(name)) for tick, name in score.chords if name not in unknown]
    if not chords:
        return None, unknown
    grid = bar_grid(score)
    time_signature, bars = _prevailing_bars(grid)
    first = int(grid.index_of(np.array([chords[0][0]]))[0])
    bars = [bar for bar in bars if bar >= first]
    check_bar_count(len(bars))
    steps = steps_per_bar(time_signature)
    placed: dict[int, Chord] = {}
    for index, bar in enumerate(bars):
        start, end = int(grid.edges[bar]), int(grid.edges[bar + 1])
        preceding = [chord for tick, chord in chords if tick <= start][-1:]
        placed[index * steps] = preceding[0] if preceding else NO_CHORD
        for tick, chord in chords:
            if start < tick < end:
                offset = min(round((tick - start) / (end - start) * steps), steps - 1)
                placed[index * steps + offset] = chord
    return make_chart(
        sorted(placed.items(), key=lambda pair: pair[0]), time_signature, len(bars)
    ), unknown


def _prevailing_bars(grid: BarGrid) -> tuple[tuple[int, int], list[int]]:
    """Return the time signature that lasts longest, and the indices of its bars."""
    durations = time_signature_durations(grid)
    time_signature = max(durations, key=lambda each: durations[each])
    bars = np.flatnonzero(
        (grid.numerators == time_signature[0]) & (grid.denominators == time_signature[1])
    )
    return time_signature, bars.tolist()


# ---- extraction of lead sheets -----------------------------------------------------------


def extract_lead_sheets(
    score: Score, name: str, style: str, group: str = ""
) -> tuple[LeadSheet, ...]:
    """Extract the melody of a score, with its chord symbols or else the chords that are estimated.

    The melody is the part with such a name; else the highest monophonic part; else the skyline of
    the highest part. It is cut at long silences and where the time signature changes.

    Parameters
    ----------
    score : Score
    name, style, group : str
        See `LeadSheet`.

    Returns
    -------
    tuple of LeadSheet
        Each of at least four bars and twelve notes; empty if there is no melody.
    """
    part = melody_part(score)
    if part is None:
        return ()
    grid = bar_grid(score)
    time_signature, _ = _prevailing_bars(grid)
    try:
        bar = steps_per_bar(time_signature)
    except BadArgument:
        return ()
    sheets = []
    ticks_per_step = score.ticks_per_quarter / STEPS_PER_QUARTER
    notes = skyline(part, ticks_per_step)
    symbols = [chord for chord in written_chords(score) if is_chord(chord.name)]
    chords = symbols or estimate_chords(score)
    for first, last in _bar_runs(grid, time_signature):
        start = round(int(grid.edges[first]) / ticks_per_step)
        within = [(a - start, b - start, pitch) for a, b, pitch in notes
                  if start <= a < start + (last - first) * bar]  # fmt: skip
        placed = [
            (round(chord.start / ticks_per_step) - start, chord.name)
            for chord in chords
            if chord.bar < last
        ]
        for begin, end, phrase in split_at_silences(within, bar):
            count = min(end, last - first) - begin
            if count < MIN_BARS:
                continue
            rows, names = segment_chords(placed, begin * bar, (begin + count) * bar)
            chart = Chart(time_signature, count, rows, names)
            melody = quantize_melody(phrase, chart.steps)
            sheets.append(LeadSheet(name, style, chart, melody, group))
    return tuple(sheets)


def melody_part(score: Score) -> Part | None:
    """Return the part that has the melody; None if no part is pitched."""
    pitched = [part for part in score.parts if not part.is_drum]
    named = [part for part in pitched if _MELODY_NAME.search(part.name)]
    monophonic = [part for part in pitched if _is_monophonic(part)]
    candidates = named or monophonic or pitched
    return max(candidates, key=lambda part: float(part.notes[:, 2].mean()), default=None)


def skyline(part: Part, ticks_per_step: float) -> list[Note]:
    """Return the highest note of each sixteenth of a part (skyline algorithm).

    Parameters
    ----------
    part : Part
    ticks_per_step : float

    Returns
    -------
    list of (int, int, int)
        First step, the step after the last, MIDI pitch. One note at a time; gaps of one step, which
        are articulation, are closed.
    """
    highest: dict[int, tuple[int, int]] = {}
    for onset, duration, pitch, _ in part.notes.tolist():
        step = round(onset / ticks_per_step)
        if step not in highest or pitch > highest[step][1]:
            end = max(round((onset + duration) / ticks_per_step), step + 1)
            highest[step] = (end, pitch)
    notes = []
    for step, following in pairwise([*sorted(highest), None]):
        if step is None:
            continue
        end, pitch = highest[step]
        if following is not None and following - end <= 1:
            end = following
        notes.append((step, end, pitch))
    return notes


def split_at_silences(notes: list[Note], bar: int) -> list[tuple[int, int, list[Note]]]:
    """Cut a melody at long silences.

    Parameters
    ----------
    notes : list of (int, int, int)
    bar : int
        Steps per bar.

    Returns
    -------
    list of (int, int, list)
        First bar, the bar after the last, and the notes relative to the first bar; sections of few
        notes are left out.
    """
    breaks = [
        index
        for index in range(1, len(notes))
        if notes[index][0] - notes[index - 1][1] > MAX_SILENCE
    ]
    sections = []
    for begin, end in pairwise([0, *breaks, len(notes)]):
        section = notes[begin:end]
        if len(section) >= MIN_NOTES:
            first = section[0][0] // bar
            relative = [(a - first * bar, b - first * bar, pitch) for a, b, pitch in section]
            sections.append((first, -(-section[-1][1] // bar), relative))
    return sections


def _is_monophonic(part: Part) -> bool:
    _, counts = np.unique(part.notes[:, 0], return_counts=True)
    return len(counts) >= MIN_NOTES and float((counts == 1).mean()) >= _MONOPHONIC_SHARE


def _bar_runs(grid: BarGrid, time_signature: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the first bar and the bar after the last of each run in one time signature."""
    beats, unit = time_signature
    same = (grid.numerators == beats) & (grid.denominators == unit)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], same, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]

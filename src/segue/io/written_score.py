"""A score as notated: barlines, and its unfolding into a score as played.

Barlines as they are written: ticks and metres in which every bar line falls where it should.

A `Score` knows bar lines only by its metres: each metre divides what follows it into bars, from
the tick where it stands. So a pickup bar gets a rest before it, which fills it up, and a bar that
is shorter or longer than its metre says gets a metre of its own, except where two short ones fill
a bar together, as a repeated pickup and the bar before it do.

A score as it is written, bar by bar, and how it becomes one that is played.

Times within a bar are whole units, of which a quarter has `WrittenScore.per_quarter`. Where the
playing goes back, what holds there in writing holds again: tempo, key, chord and pedal.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import Unreadable
from segue.io.midi import MAX_NOTES, TEMPO_RANGE_BPM
from segue.io.play_order import NavigationMarks, PlaybackOrder, play_order
from segue.records import Part, Score

# --- bars ---

TICKS_PER_QUARTER: Final = 480
_UNITS: Final = (1, 2, 4, 8, 16, 32, 64)
_MOST_BEATS: Final = 255  # what a MIDI file can tell


@dataclass(frozen=True, slots=True)
class PlayedBar:
    """A bar that is played.

    Attributes
    ----------
    beats, unit : int
        Its metre: 6 and 8 in 6/8.
    length : Fraction
        In quarters, as long as what is in it.
    """

    beats: int
    unit: int
    length: Fraction

    @classmethod
    def without_time_signature(cls, length: Fraction) -> "PlayedBar":
        """Return a bar that is as long as it is, and not shorter or longer than it should be."""
        beats, unit = _time_signature_of(length or Fraction(4), 4)
        return cls(beats, unit, length or Fraction(4))

    @property
    def full(self) -> Fraction:
        """Length that its metre gives it, in quarters."""
        return Fraction(4 * self.beats, self.unit)


def beat_duration(beats: int, unit: int) -> Fraction:
    """Return how long the beat is that a tempo is counted in, in quarters.

    In 6/8, 9/8 and 12/8 it is a dotted quarter, else a quarter.
    """
    is_compound = unit == 8 and beats > 3 and beats % 3 == 0
    return Fraction(3, 2) if is_compound else Fraction(1)


def anacrusis_rest(bars: Sequence[PlayedBar]) -> Fraction:
    """Return how long to wait before a first bar that is short, in quarters.

    Not where the next one fills it up, as when a repeat begins within a bar.
    """
    if len(bars) < 2 or bars[0].length >= bars[0].full:
        return Fraction(0)
    if bars[0].length + bars[1].length == bars[1].full:
        return Fraction(0)
    return bars[0].full - bars[0].length


def bar_time_signatures(bars: Sequence[PlayedBar]) -> NDArray[np.int32]:
    """Return the metres by which bar lines fall where they are written.

    Parameters
    ----------
    bars : sequence of Bar
        As they follow one another; the first starts after `anacrusis_rest`.

    Returns
    -------
    ndarray, shape (m, 3), int32
        As in `Score`.
    """
    rows: list[tuple[int, int, int]] = []
    at = Fraction(0)
    waiting = anacrusis_rest(bars)  # what a bar has that is not full yet
    for number, bar in enumerate(bars):
        if waiting and waiting + bar.length > bar.full:  # it is not the rest of the one before
            _begin(rows, at, *_time_signature_of(waiting, bar.unit))
            at += waiting
            waiting = Fraction(0)
        waiting += bar.length
        is_last = number == len(bars) - 1
        if waiting == bar.full or (is_last and waiting < bar.full):
            _begin(rows, at, bar.beats, bar.unit)
        elif waiting > bar.full:
            _begin(rows, at, *_time_signature_of(waiting, bar.unit))
        else:
            continue
        at += waiting
        waiting = Fraction(0)
    return np.array(rows, np.int32).reshape(-1, 3)


def to_ticks(quarters: Fraction | float) -> int:
    """Return a time in ticks, of which a quarter has 480."""
    return round(quarters * TICKS_PER_QUARTER)


def _begin(rows: list[tuple[int, int, int]], at: Fraction, beats: int, unit: int) -> None:
    if not rows or rows[-1][1:] != (beats, unit):
        rows.append((to_ticks(at), beats, unit))


def _time_signature_of(length: Fraction, unit: int) -> tuple[int, int]:
    """Return a metre whose bar is so long: in the unit given where that can say it."""
    for denominator in (unit, *(finer for finer in _UNITS if finer > unit), *_UNITS):
        beats = length * denominator / 4
        if beats.denominator == 1 and beats <= _MOST_BEATS:
            return int(beats), denominator
    return max(1, min(round(length * 16), _MOST_BEATS)), 64


# --- written ---

_PEDAL_UP: Final = 0

#: A time, and what is said then.
Row = tuple[Any, ...]


@dataclass(slots=True, eq=False)
class WrittenNote:
    """A note in its bar: when it begins and ends, and how it is played."""

    on: int
    end: int
    pitch: int
    velocity: int
    drum: bool = False
    tied_from: bool = False
    tied_to: bool = False
    attack: int = 0  # by how much later it begins than it is written
    release: int = 0  # and ends


@dataclass(slots=True, eq=False)
class WrittenBar:
    """A bar of one part.

    Attributes
    ----------
    notes : list of WrittenNote
    reached : int
        How far its notes and rests reach.
    metre : tuple of (int, int) or None
        Beats and unit, where it says so; (0, 0) for none from here on.
    tempos : list of (int, float)
        When, and how many quarters a minute.
    keys : list of (int, int, int)
        When, how many sharps, and 1 for minor.
    chords : list of (int, str)
    pedals : list of (int, str, int)
        When, on which staff, and 1 for down.
    """

    notes: list[WrittenNote] = field(default_factory=list)
    reached: int = 0
    time_signature: tuple[int, int] | None = None
    tempos: list[tuple[int, float]] = field(default_factory=list)
    keys: list[tuple[int, int, int]] = field(default_factory=list)
    chords: list[tuple[int, str]] = field(default_factory=list)
    pedals: list[tuple[int, str, int]] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class WrittenPart:
    """A part: its name, General MIDI programs of its notes and of its drums, and its bars."""

    name: str
    program: int
    kit: int
    bars: list[WrittenBar] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class WrittenScore:
    """A score as it is written.

    Attributes
    ----------
    title, composer : str
    per_quarter : int
        How many units of time a quarter has: a multiple of 480.
    parts : list of WrittenPart
    marks : list of Marks
        Of each bar, from all parts.
    order : PlayOrder or None
        Where the file lists it; else that of the marks.
    keeps_long_rests : bool
        A bar is as long as its rests, even where they exceed its time signature.
    """

    title: str
    composer: str
    per_quarter: int
    parts: list[WrittenPart]
    marks: list[NavigationMarks]
    order: PlaybackOrder | None = None
    keeps_long_rests: bool = False


def unfold(written: WrittenScore) -> Score:
    """Return a score as it is played: repeats and jumps followed, ties joined.

    Raises
    ------
    Unreadable
        It has no note, or too many.
    """
    return _Player(written).score()


class _Player:
    def __init__(self, written: WrittenScore) -> None:
        self.written = written
        self.parts = written.parts
        self.scale = written.per_quarter // TICKS_PER_QUARTER
        self.count = max((len(part.bars) for part in self.parts), default=0)
        self.order = written.order or play_order(written.marks)
        columns = [
            [part.bars[n] for part in self.parts if n < len(part.bars)] for n in range(self.count)
        ]
        bars = [self._bar(*row) for row in zip(columns, _time_signatures(columns), strict=True)]
        in_order = [bars[n] for n in self.order.bars]
        self.time_signatures = bar_time_signatures(in_order)
        self.starts = [int(anacrusis_rest(in_order) * written.per_quarter)]
        for n in self.order.bars[:-1]:
            self.starts.append(self.starts[-1] + int(bars[n].length * written.per_quarter))

    def score(self) -> Score:
        parts = tuple(one for part in self.parts for one in self._played_part(part))
        if not parts:
            raise Unreadable("a score without a note")
        problem = self.order.problem
        return Score(
            self.written.title,
            TICKS_PER_QUARTER,
            parts,
            np.array(self._tempos(), np.float64).reshape(-1, 2),
            self.time_signatures,
            np.array(self._keys(), np.int32).reshape(-1, 3),
            self.written.composer,
            chords=tuple((tick, symbol) for tick, symbol in self._chords()),
            warnings=(f"contradicting repeats: {problem}",) if problem else (),
        )

    # ---- bars ------------------------------------------------------------------------------

    def _bar(self, column: Sequence[WrittenBar], time_signature: tuple[int, int]) -> PlayedBar:
        """Tell how long a bar is: what lasts longest in it, but no longer than its metre for rests.

        Without a metre it is as long as it is.
        """
        per_quarter = self.written.per_quarter
        filled = Fraction(max((bar.reached for bar in column), default=0), per_quarter)
        if not time_signature[1]:
            return PlayedBar.without_time_signature(filled)
        full = Fraction(4 * time_signature[0], time_signature[1])
        if filled > full and not self.written.keeps_long_rests:
            ends = [note.end for bar in column for note in bar.notes]
            filled = max(full, Fraction(max(ends, default=0), per_quarter))
        return PlayedBar(*time_signature, filled or full)

    # ---- notes -----------------------------------------------------------------------------

    def _ticks(self, units: int) -> int:
        """Return a time in ticks, rounded as `round` does."""
        whole, rest = divmod(units, self.scale)
        return whole + (2 * rest > self.scale or (2 * rest == self.scale and whole % 2 == 1))

    def _played_part(self, part: WrittenPart) -> Iterator[Part]:
        sounding: tuple[list[list[int]], list[list[int]]] = ([], [])  # pitched, drums
        tied: dict[tuple[bool, int], list[list[int]]] = {}
        for n, start in zip(self.order.bars, self.starts, strict=True):
            if n < len(part.bars):
                for note in part.bars[n].notes:
                    _sound(note, start, sounding[note.drum], tied)
            if len(sounding[0]) + len(sounding[1]) > MAX_NOTES:
                raise Unreadable(f"a score of more than {MAX_NOTES} notes")
        pedals = self._pedals(part)
        for rows, is_drum in ((sounding[0], False), (sounding[1], True)):
            notes = []
            for on, end, pitch, velocity, release in rows:
                tick = max(self._ticks(on), 0)
                notes.append((tick, max(self._ticks(end + release) - tick, 1), pitch, velocity))
            notes.sort(key=lambda row: (row[0], row[2], row[1]))
            if notes:
                program = part.kit if is_drum else part.program
                yield Part(part.name, program, is_drum, np.array(notes, np.int32), pedals)

    def _pedals(self, part: WrittenPart) -> Any:
        """Return a part's pedals, of the staff that says most: what is of none is on each."""
        found: list[Row] = []
        for staff in sorted({staff for bar in part.bars for _, staff, _ in bar.pedals}):
            told = [[(at, down) for at, on, down in bar.pedals if on == staff] for bar in part.bars]
            rows = self._held(told, (_PEDAL_UP,))
            found = max(found, sorted(rows, key=lambda row: row[0]), key=len)
        table = np.array(found, np.int32).reshape(-1, 2)
        return table[np.diff(table[:, 1], prepend=_PEDAL_UP) != 0]

    # ---- what holds from a time on -----------------------------------------------------------

    def _tempos(self) -> list[Row]:
        low, high = TEMPO_RANGE_BPM
        told = self._merged(
            self.parts,
            lambda bar: [(at, bpm) for at, bpm in bar.tempos if low <= bpm <= high],
        )
        return self._changes(told, from_start=True)

    def _keys(self) -> list[Row]:
        """Return the keys, of the first part that tells any."""
        told = [part for part in self.parts if any(bar.keys for bar in part.bars)]
        return self._changes(self._merged(told[:1], lambda bar: bar.keys), from_start=True)

    def _chords(self) -> list[Row]:
        return self._changes(self._merged(self.parts, lambda bar: bar.chords), from_start=False)

    def _merged(
        self, parts: Sequence[WrittenPart], told: Callable[[WrittenBar], Iterable[Row]]
    ) -> list[list[Row]]:
        """Return what parts say in each bar; where two say something at once, the first one's."""
        found = []
        for n in range(self.count):
            rows: dict[int, Row] = {}
            for part in reversed(parts):
                if n < len(part.bars):
                    rows |= {row[0]: row for row in told(part.bars[n])}
            found.append([rows[at] for at in sorted(rows)])
        return found

    def _changes(self, told: Sequence[Sequence[Row]], *, from_start: bool) -> list[Row]:
        """Return when something begins to hold, without what says what the one before says."""
        initial = next((row[1:] for rows in told for row in rows), None) if from_start else None
        by_tick = {max(row[0], 0): row[1:] for row in self._held(told, initial)}
        if by_tick and from_start:
            by_tick[0] = by_tick.pop(min(by_tick))
        rows = [(tick, *by_tick[tick]) for tick in sorted(by_tick)]
        pairs = zip(rows, [None, *rows], strict=False)
        return [row for row, before in pairs if before is None or row[1:] != before[1:]]

    def _held(self, told: Sequence[Sequence[Row]], initial: Row | None) -> list[Row]:
        """Return what is said in each bar as it is played; after a jump, what holds there."""
        states: list[Row | None] = [initial]
        for rows in told:
            states.append(rows[-1][1:] if rows else states[-1])
        found: list[Row] = []
        before = -1
        for n, start in zip(self.order.bars, self.starts, strict=True):
            state = states[min(n, len(told))]
            if n != before + 1 and state is not None:
                found.append((self._ticks(start), *state))
            before = n
            rows = told[n] if n < len(told) else ()
            found += [(self._ticks(start + row[0]), *row[1:]) for row in rows]
        return found


def _time_signatures(columns: Sequence[Sequence[WrittenBar]]) -> Iterator[tuple[int, int]]:
    """Yield the metre of each bar."""
    now = (4, 4)
    for column in columns:
        now = next((bar.time_signature for bar in column if bar.time_signature), now)
        yield now


def _sound(
    note: WrittenNote,
    start: int,
    sounding: list[list[int]],
    tied: dict[tuple[bool, int], list[list[int]]],
) -> None:
    """Add a note, or lengthen the one that is tied to it."""
    on, end = start + note.on, start + note.end
    key = note.drum, note.pitch
    row = None
    if note.tied_from and (held := tied.get(key)):
        # Of two voices in unison, each goes on with its own.
        row = min(
            (one for one in held if one[1] == on),
            key=lambda one: abs(one[3] - note.velocity),
            default=None,
        )
        if row:
            held.remove(row)
            row[1], row[4] = end, note.release
    if row is None:
        row = [on + note.attack, end, note.pitch, note.velocity, note.release]
        sounding.append(row)
    if note.tied_to:
        tied.setdefault(key, []).append(row)

"""A score as notated, bar by bar, and its unfolding into a score as played.

Times within a bar are whole units, of which a quarter has `NotatedScore.per_quarter`. Where a
repeat or jump goes back, the tempo, key, chord and pedal that hold there in the notation hold
again.

A `Score` has barlines only by its time signatures: each divides what follows it into bars. So an
anacrusis gets a rest before it that completes its bar, and a bar that is shorter or longer than its
time signature gets a time signature of its own, except where two short bars add up to one, as a
repeated anacrusis and the bar before it do.
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
from segue.records import Part, Score, Syllabic, Syllable

# ---- bars --------------------------------------------------------------------------------

TICKS_PER_QUARTER: Final = 480
_UNITS: Final = (1, 2, 4, 8, 16, 32, 64)
_MAX_BEATS: Final = 255  # in a MIDI file


@dataclass(frozen=True, slots=True)
class PlayedBar:
    """A bar in playing order: its time signature, and the length of its contents in quarters."""

    beats: int
    unit: int
    length: Fraction

    @classmethod
    def without_time_signature(cls, length: Fraction) -> "PlayedBar":
        """Return a bar of unmeasured music, whose time signature is that of its length."""
        beats, unit = _time_signature_of(length or Fraction(4), 4)
        return cls(beats, unit, length or Fraction(4))

    @property
    def full(self) -> Fraction:
        """Length by the time signature, in quarters."""
        return Fraction(4 * self.beats, self.unit)


def beat_duration(beats: int, unit: int) -> Fraction:
    """Return the beat of a tempo in quarters: dotted in 6/8, 9/8 and 12/8, else a quarter."""
    is_compound = unit == 8 and beats > 3 and beats % 3 == 0
    return Fraction(3, 2) if is_compound else Fraction(1)


def anacrusis_rest(bars: Sequence[PlayedBar]) -> Fraction:
    """Return the rest, in quarters, that completes an anacrusis.

    It is 0 where the next bar completes the first, as when a repeat begins within a bar.
    """
    if len(bars) < 2 or bars[0].length >= bars[0].full:
        return Fraction(0)
    if bars[0].length + bars[1].length == bars[1].full:
        return Fraction(0)
    return bars[0].full - bars[0].length


def bar_time_signatures(bars: Sequence[PlayedBar]) -> NDArray[np.int32]:
    """Return the time signatures that put the barlines where they are notated.

    Parameters
    ----------
    bars : sequence of PlayedBar
        In playing order; the first starts after `anacrusis_rest`.

    Returns
    -------
    ndarray, shape (m, 3), int32
        As in `Score`.
    """
    rows: list[tuple[int, int, int]] = []
    at = Fraction(0)
    incomplete = anacrusis_rest(bars)  # length of the bars that do not fill a bar yet
    for index, bar in enumerate(bars):
        if incomplete and incomplete + bar.length > bar.full:  # this bar does not complete it
            _append_change(rows, at, *_time_signature_of(incomplete, bar.unit))
            at += incomplete
            incomplete = Fraction(0)
        incomplete += bar.length
        is_last = index == len(bars) - 1
        if incomplete == bar.full or (is_last and incomplete < bar.full):
            _append_change(rows, at, bar.beats, bar.unit)
        elif incomplete > bar.full:
            _append_change(rows, at, *_time_signature_of(incomplete, bar.unit))
        else:
            continue
        at += incomplete
        incomplete = Fraction(0)
    return np.array(rows, np.int32).reshape(-1, 3)


def _append_change(rows: list[tuple[int, int, int]], at: Fraction, beats: int, unit: int) -> None:
    if not rows or rows[-1][1:] != (beats, unit):
        rows.append((round(at * TICKS_PER_QUARTER), beats, unit))


def _time_signature_of(length: Fraction, unit: int) -> tuple[int, int]:
    """Return the time signature of a bar of some length, in the given unit where possible."""
    for denominator in (unit, *(finer for finer in _UNITS if finer > unit), *_UNITS):
        beats = length * denominator / 4
        if beats.denominator == 1 and beats <= _MAX_BEATS:
            return int(beats), denominator
    return max(1, min(round(length * 16), _MAX_BEATS)), 64


# ---- the score as notated ----------------------------------------------------------------

_PEDAL_UP: Final = 0

#: A time, and the values that hold from then on.
Row = tuple[Any, ...]


@dataclass(slots=True, eq=False)
class NotatedNote:
    """A note of a bar; times in units from its start."""

    on: int
    end: int
    pitch: int
    velocity: int
    drum: bool = False
    tied_from: bool = False
    tied_to: bool = False
    attack: int = 0  # delay of its onset, as played
    release: int = 0  # and of its end
    slurred: bool = False  # joined to the note before by a slur
    phrase_end: bool = False
    lyrics: tuple[tuple[int, str, Syllabic], ...] = ()  # verse, text, place in the word


@dataclass(slots=True, eq=False)
class NotatedBar:
    """A bar of one part.

    Attributes
    ----------
    notes : list of WrittenNote
    reached : int
        The latest end of its notes and rests.
    time_signature : tuple of (int, int) or None
        A change of time signature; (0, 0) for unmeasured music from here on.
    tempos : list of (int, float)
        Time, and quarters a minute.
    keys : list of (int, int, int)
        Time, number of sharps, and 1 for minor.
    chords : list of (int, str)
        Time, and chord symbol.
    pedals : list of (int, str, int)
        Time, staff, and 1 for down.
    """

    notes: list[NotatedNote] = field(default_factory=list)
    reached: int = 0
    time_signature: tuple[int, int] | None = None
    tempos: list[tuple[int, float]] = field(default_factory=list)
    keys: list[tuple[int, int, int]] = field(default_factory=list)
    chords: list[tuple[int, str]] = field(default_factory=list)
    pedals: list[tuple[int, str, int]] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class NotatedPart:
    """A part: its name, the General MIDI programs of its notes and of its drums, and its bars."""

    name: str
    program: int
    kit: int
    bars: list[NotatedBar] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class NotatedScore:
    """A score as notated.

    Attributes
    ----------
    title, composer : str
    per_quarter : int
        Units of time to the quarter, a multiple of 480.
    parts : list of WrittenPart
    marks : list of NavigationMarks
        Of each bar, those of all parts together.
    order : PlaybackOrder or None
        Where the file lists it; else that of the marks.
    keeps_long_rests : bool
        A bar is as long as its rests, even where they exceed its time signature.
    """

    title: str
    composer: str
    per_quarter: int
    parts: list[NotatedPart]
    marks: list[NavigationMarks]
    order: PlaybackOrder | None = None
    keeps_long_rests: bool = False


def unfold(notated: NotatedScore) -> Score:
    """Return a score as played: repeats and jumps followed, tied notes joined.

    Raises
    ------
    Unreadable
        It has no note, or too many.
    """
    return _Unfolding(notated).score()


class _Unfolding:
    def __init__(self, notated: NotatedScore) -> None:
        self.notated = notated
        self.parts = notated.parts
        self.scale = notated.per_quarter // TICKS_PER_QUARTER
        self.count = max((len(part.bars) for part in self.parts), default=0)
        self.order = notated.order or play_order(notated.marks)
        columns = [
            [part.bars[n] for part in self.parts if n < len(part.bars)] for n in range(self.count)
        ]
        bars = [self._bar(*row) for row in zip(columns, _time_signatures(columns), strict=True)]
        in_order = [bars[n] for n in self.order.bars]
        self.time_signatures = bar_time_signatures(in_order)
        self.starts = [int(anacrusis_rest(in_order) * notated.per_quarter)]
        for n in self.order.bars[:-1]:
            self.starts.append(self.starts[-1] + int(bars[n].length * notated.per_quarter))

    def score(self) -> Score:
        parts = tuple(played for part in self.parts for played in self._played_part(part))
        if not parts:
            raise Unreadable("a score without a note")
        problem = self.order.problem
        return Score(
            self.notated.title,
            TICKS_PER_QUARTER,
            parts,
            np.array(self._tempos(), np.float64).reshape(-1, 2),
            self.time_signatures,
            np.array(self._keys(), np.int32).reshape(-1, 3),
            self.notated.composer,
            chords=tuple((tick, symbol) for tick, symbol in self._chords()),
            warnings=(f"contradicting repeats: {problem}",) if problem else (),
        )

    # ---- bars ------------------------------------------------------------------------------

    def _bar(self, column: Sequence[NotatedBar], time_signature: tuple[int, int]) -> PlayedBar:
        """Return a bar as long as its contents; rests do not exceed its time signature."""
        per_quarter = self.notated.per_quarter
        filled = Fraction(max((bar.reached for bar in column), default=0), per_quarter)
        if not time_signature[1]:
            return PlayedBar.without_time_signature(filled)
        full = Fraction(4 * time_signature[0], time_signature[1])
        if filled > full and not self.notated.keeps_long_rests:
            ends = [note.end for bar in column for note in bar.notes]
            filled = max(full, Fraction(max(ends, default=0), per_quarter))
        return PlayedBar(*time_signature, filled or full)

    # ---- notes -----------------------------------------------------------------------------

    def _ticks(self, units: int) -> int:
        """Return a time in ticks, rounded half to even."""
        whole, rest = divmod(units, self.scale)
        return whole + (2 * rest > self.scale or (2 * rest == self.scale and whole % 2 == 1))

    def _played_part(self, part: NotatedPart) -> Iterator[Part]:
        sounding: tuple[list[list[int]], list[list[int]]] = ([], [])  # pitched, drums
        tied: dict[tuple[bool, int], list[list[int]]] = {}
        sung = _SungMarks()
        for n, start in zip(self.order.bars, self.starts, strict=True):
            if n < len(part.bars):
                for note in part.bars[n].notes:
                    begins = _add_note(note, start, sounding[note.drum], tied)
                    if note.slurred or note.phrase_end or note.lyrics:
                        onset = max(self._ticks(start + note.on + note.attack), 0)
                        end = self._ticks(start + note.end + note.release)
                        sung.add(note, onset, end, begins=begins)
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
                marks = () if is_drum else sung.fields()
                yield Part(part.name, program, is_drum, np.array(notes, np.int32), pedals, *marks)

    def _pedals(self, part: NotatedPart) -> Any:
        """Return the pedal changes of the staff that has most."""
        longest: list[Row] = []
        for staff in sorted({staff for bar in part.bars for _, staff, _ in bar.pedals}):
            by_bar = [
                [(at, down) for at, of_staff, down in bar.pedals if of_staff == staff]
                for bar in part.bars
            ]
            rows = self._in_playing_order(by_bar, (_PEDAL_UP,))
            longest = max(longest, sorted(rows, key=lambda row: row[0]), key=len)
        table = np.array(longest, np.int32).reshape(-1, 2)
        return table[np.diff(table[:, 1], prepend=_PEDAL_UP) != 0]

    # ---- tempos, keys and chords -----------------------------------------------------------

    def _tempos(self) -> list[Row]:
        low, high = TEMPO_RANGE_BPM
        by_bar = self._merged(
            self.parts,
            lambda bar: [(at, bpm) for at, bpm in bar.tempos if low <= bpm <= high],
        )
        return self._changes(by_bar, from_start=True)

    def _keys(self) -> list[Row]:
        """Return the keys of the first part that has any."""
        parts = [part for part in self.parts if any(bar.keys for bar in part.bars)]
        return self._changes(self._merged(parts[:1], lambda bar: bar.keys), from_start=True)

    def _chords(self) -> list[Row]:
        return self._changes(self._merged(self.parts, lambda bar: bar.chords), from_start=False)

    def _merged(
        self, parts: Sequence[NotatedPart], rows_of: Callable[[NotatedBar], Iterable[Row]]
    ) -> list[list[Row]]:
        """Return the rows of all parts by bar; of two at one time, those of the first part."""
        by_bar = []
        for n in range(self.count):
            rows: dict[int, Row] = {}
            for part in reversed(parts):
                if n < len(part.bars):
                    rows |= {row[0]: row for row in rows_of(part.bars[n])}
            by_bar.append([rows[at] for at in sorted(rows)])
        return by_bar

    def _changes(self, by_bar: Sequence[Sequence[Row]], *, from_start: bool) -> list[Row]:
        """Return the rows in playing order, by tick, without those that change nothing."""
        initial = next((row[1:] for rows in by_bar for row in rows), None) if from_start else None
        by_tick = {max(row[0], 0): row[1:] for row in self._in_playing_order(by_bar, initial)}
        if by_tick and from_start:
            by_tick[0] = by_tick.pop(min(by_tick))
        rows = [(tick, *by_tick[tick]) for tick in sorted(by_tick)]
        pairs = zip(rows, [None, *rows], strict=False)
        return [row for row, before in pairs if before is None or row[1:] != before[1:]]

    def _in_playing_order(self, by_bar: Sequence[Sequence[Row]], initial: Row | None) -> list[Row]:
        """Return the rows of the bars as played; after a jump, the row that holds there first."""
        states: list[Row | None] = [initial]  # at the start of each bar
        for rows in by_bar:
            states.append(rows[-1][1:] if rows else states[-1])
        played: list[Row] = []
        before = -1
        for n, start in zip(self.order.bars, self.starts, strict=True):
            state = states[min(n, len(by_bar))]
            if n != before + 1 and state is not None:
                played.append((self._ticks(start), *state))
            before = n
            rows = by_bar[n] if n < len(by_bar) else ()
            played += [(self._ticks(start + row[0]), *row[1:]) for row in rows]
        return played


def _time_signatures(columns: Sequence[Sequence[NotatedBar]]) -> Iterator[tuple[int, int]]:
    """Yield the time signature of each bar."""
    now = (4, 4)
    for column in columns:
        now = next((bar.time_signature for bar in column if bar.time_signature), now)
        yield now


@dataclass(slots=True)
class _SungMarks:
    """Syllables, slurs and phrase ends of a part as played, in ticks."""

    syllables: dict[tuple[int, int], Syllable] = field(default_factory=dict)  # by verse and tick
    slurred: set[int] = field(default_factory=set)
    phrase_ends: set[int] = field(default_factory=set)

    def add(self, note: NotatedNote, onset: int, end: int, *, begins: bool) -> None:
        """Add the marks of a note; `begins` unless a tie makes it go on."""
        if note.phrase_end:
            self.phrase_ends.add(end)
        if begins and note.slurred:
            self.slurred.add(onset)
        for verse, text, syllabic in note.lyrics if begins else ():
            self.syllables[verse, onset] = Syllable(onset, text, syllabic, verse)

    def fields(self) -> tuple[tuple[Syllable, ...], NDArray[np.int32], NDArray[np.int32]]:
        """Return the last three fields of `Part`."""
        syllables = tuple(self.syllables[key] for key in sorted(self.syllables))
        return (
            syllables,
            np.array(sorted(self.slurred), np.int32),
            np.array(sorted(self.phrase_ends), np.int32),
        )


def _add_note(
    note: NotatedNote,
    start: int,
    sounding: list[list[int]],
    tied: dict[tuple[bool, int], list[list[int]]],
) -> bool:
    """Add a note, or extend the one that is tied to it; return whether it was added."""
    on, end = start + note.on, start + note.end
    key = note.drum, note.pitch
    row = None
    if note.tied_from and (held := tied.get(key)):
        # Of two voices in unison, each goes on with its own.
        row = min(
            (tied_row for tied_row in held if tied_row[1] == on),
            key=lambda tied_row: abs(tied_row[3] - note.velocity),
            default=None,
        )
        if row:
            held.remove(row)
            row[1], row[4] = end, note.release
    begins = row is None
    if row is None:
        row = [on + note.attack, end, note.pitch, note.velocity, note.release]
        sounding.append(row)
    if note.tied_to:
        tied.setdefault(key, []).append(row)
    return begins

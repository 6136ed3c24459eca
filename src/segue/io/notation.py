"""Music notation of a score: bars, voices, ties, beams.

A score is exact in ticks, and its notation is rounded to note values. The difference is kept with
each note, so that MusicXML can store both. music21 would round in its own way (`makeNotation`) and
keep neither the difference nor the drums.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import combinations, pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.io.note_values import (
    QUARTER,
    Bar,
    NoteValue,
    divide_into_values,
    notated_ends,
    notated_onsets,
)
from segue.io.staves import BASS, TREBLE, Clef, choose_clef, is_foot_drum, is_keyboard, split_hands
from segue.records import BoolArray, IntArray, Part, Score
from segue.theory.instruments import is_monophonic

# ---- notation ----------------------------------------------------------------------------

MAX_BARS: Final = 20_000  # limit of the readers
#: Maximum number of voices of a staff; notes that need another are tied together in the last.
_MAX_VOICES: Final = 4
_STEP: Final = QUARTER // 16  # between places of bar lines: a sixty-fourth
_MIN_DISTANCE: Final = QUARTER // 16  # of notes of one pitch that are rounded to one position
_UNISON: Final = Fraction(1, 10)  # of a quarter between notes that are notated together
_FLAM: Final = Fraction(1, 2)  # the same for strokes of one drum
_BOWED: Final = range(40, 44)  # solo strings of General MIDI, which play double stops
_MAX_OVERLAP: Final = QUARTER // 4  # of a note and the next one, which needs no voice
_UNITS: Final = (1, 2, 4, 8, 16, 32, 64)
_MAX_BEATS: Final = 64


@dataclass(frozen=True, slots=True)
class NoteHead:
    """A note of a symbol.

    Attributes
    ----------
    pitch, velocity : int
    tied_from, tied_to : bool
        The symbol before, or the next, holds the same note.
    attack, release : Fraction
        Played minus notated onset and end, in quarters, at its first and last head; else 0.
    """

    pitch: int
    velocity: int
    tied_from: bool
    tied_to: bool
    attack: Fraction
    release: Fraction


@dataclass(frozen=True, slots=True)
class Symbol:
    """A chord, a note or a rest.

    Attributes
    ----------
    heads : tuple of Head
        From the lowest; none for a rest.
    value : Value
        Its notated value.
    is_staccato : bool
    """

    heads: tuple[NoteHead, ...]
    value: NoteValue
    is_staccato: bool


@dataclass(frozen=True, slots=True)
class Staff:
    """The symbols of a staff by voice and bar, none where the voice rests."""

    clef: Clef
    voices: tuple[tuple[tuple[Symbol, ...], ...], ...]

    @property
    def last_bar(self) -> int:
        """Index of the last bar with a symbol."""
        return max(n for voice in self.voices for n, symbols in enumerate(voice) if symbols)


@dataclass(slots=True)
class _Note:
    """A note with its notated times, in `QUARTER` to the quarter, and played ones, in quarters."""

    on: int
    off: int
    pitch: int
    velocity: int
    played_on: Fraction
    played_off: Fraction
    is_staccato: bool


@dataclass(slots=True)
class _Chord:
    """Simultaneous notes of a voice."""

    start: int
    end: int
    notes: list[_Note] = field(default_factory=list)

    @property
    def pitch(self) -> float:
        """Mean pitch."""
        return sum(note.pitch for note in self.notes) / len(self.notes)

    def cut(self, end: int) -> None:
        """End all notes at another time."""
        self.end = end
        for note in self.notes:
            note.off = end


# ---- bars --------------------------------------------------------------------------------


def divide_into_bars(score: Score) -> list[Bar]:
    """Divide a score into bars.

    Parameters
    ----------
    score : Score

    Returns
    -------
    list of Bar
        Until a quarter after the last note; see `without_empty_end`. A bar that a change of time
        signature cuts short has a time signature of its own; an unusual one becomes 4/4.

    Raises
    ------
    BadArgument
        It has no note, or more than 20,000 bars.
    """
    if not score.parts:
        raise BadArgument("a score without a note cannot be written; expected at least one")
    last = max(int((part.notes[:, 0] + part.notes[:, 1]).max()) for part in score.parts)
    # A note that is rounded up begins, or ends, a little later than it sounds.
    end = place(last, score.ticks_per_quarter) + QUARTER // 4
    starts = [(0, 4, 4)]
    for tick, beats, unit in score.time_signatures.tolist():
        known = unit in _UNITS and 0 < beats <= _MAX_BEATS
        time_signature = (beats, unit) if known else (4, 4)
        row = (_bar_line(tick, score.ticks_per_quarter), *time_signature)
        if row[0] == starts[-1][0]:
            starts.pop()
        starts.append(row)
    bars: list[Bar] = []
    for (start, beats, unit), following in zip(starts, [*starts[1:], None], strict=True):
        at, full = start, 4 * QUARTER * beats // unit
        until = following[0] if following else None
        while at < (end if until is None else min(until, end)):
            length = full if until is None else min(full, until - at)
            own = (beats, unit) if length == full else _short_bar_signature(length)
            bars.append(Bar(at, length, *own))
            at += length
            if len(bars) > MAX_BARS:
                raise BadArgument(f"a score of more than {MAX_BARS} bars cannot be written")
    return bars


def without_empty_end(bars: Sequence[Bar], parts: Sequence[Sequence[Staff]]) -> list[Bar]:
    """Return the bars up to the last one that has a note in any staff of the parts."""
    staves = (staff for staves in parts for staff in staves)
    return list(bars[: 1 + max(staff.last_bar for staff in staves)])


def place(tick: float, ticks_per_quarter: int) -> int:
    """Return the position of a tick, in `QUARTER` to the quarter."""
    return round(Fraction(tick) * QUARTER / ticks_per_quarter)


def _bar_line(tick: int, ticks_per_quarter: int) -> int:
    return round(Fraction(tick, ticks_per_quarter) * QUARTER / _STEP) * _STEP


def _short_bar_signature(length: int) -> tuple[int, int]:
    """Return the time signature of a bar that is cut short."""
    for unit in (4, 8, 16, 32, 64):
        beats, rest = divmod(length * unit, 4 * QUARTER)
        if not rest and beats <= _MAX_BEATS:
            return beats, unit
    return 4, 4  # longer than sixteen whole notes


def key_changes(score: Score, bars: Sequence[Bar]) -> dict[int, tuple[int, int]]:
    """Return the keys, as sharps and 1 for minor, by the index of the nearest bar.

    The first bar has a key, C major by default.
    """
    keys = {0: (0, 0)}
    starts = np.array([bar.start for bar in bars])
    for tick, sharps, minor in score.keys.tolist():
        nearest = int(np.abs(starts - tick * QUARTER / score.ticks_per_quarter).argmin())
        if -7 <= sharps <= 7:
            keys[nearest] = (sharps, minor)
    return keys


# ---- staves and voices -------------------------------------------------------------------


def notate_part(
    score: Score, part: Part, bars: Sequence[Bar], *, most: int = 2, shortened: bool = True
) -> list[Staff]:
    """Return the notation of a part.

    Parameters
    ----------
    score : Score
    part : Part
        Part of the score.
    bars : sequence of Bar
        Those of `divide_into_bars`.
    most : int
        Maximum number of staves: 1 or 2.
    shortened : bool
        Notated durations may differ from played ones, see `notated_ends`: then a staff has at
        most two voices, and a note that would need a third ends where the next one begins.

    Returns
    -------
    list of Staff
        Two for a keyboard part that reaches from low to high, else one. Of drums, the first voice
        is that of the hands, the second that of the feet.
    """
    notes = part.notes
    last = max(int((part.notes[:, 0] + part.notes[:, 1]).max()) for part in score.parts)
    ends = [bar.start + bar.length for bar in bars]
    end = ends[bisect_left(ends, place(last, score.ticks_per_quarter))]
    on = notated_onsets(notes, score.ticks_per_quarter, is_drum=part.is_drum, shortened=shortened)
    right = None
    if most > 1 and not part.is_drum:
        right = split_hands(part.program, on, notes[:, 2].astype(np.int64))
    hands = [np.ones(len(notes), np.bool_)] if right is None else [right, ~right]
    staves = []
    for number, inside in enumerate(hands):
        own, own_on = notes[inside], on[inside]
        times = notated_ends(
            own, own_on, score.ticks_per_quarter, bars, is_drum=part.is_drum, shortened=shortened
        )
        unison = _FLAM if part.is_drum else _UNISON
        notated = _notated(own, score.ticks_per_quarter, own_on, *times, end, unison)
        if part.is_drum and shortened:
            voices = [_limb(notated, foot=False), _limb(notated, foot=True)]
            voices = voices if all(voices) else [voices[0] or voices[1]]
        elif shortened:
            voices = _few_voices(notated, part.program)
        else:
            voices = _voices(notated)
        clef = choose_clef(part.program, own[:, 2], is_drum=part.is_drum, name=part.name)
        clef = clef if right is None else (TREBLE, BASS)[number]
        staves.append(Staff(clef, _by_bar(voices, bars, keeps_order=part.is_drum)))
    return staves


def _notated(
    notes: NDArray[np.int32],
    ticks_per_quarter: int,
    on: IntArray,
    off: IntArray,
    staccato: BoolArray,
    end: int,
    unison: Fraction,
) -> list[_Note]:
    """Return the notes with their notated times.

    A note ends where the next one of its pitch begins, if it ends there as played; overlapping
    notes of one pitch are in different voices.
    """
    exact = notes[:, :2].tolist()
    sounding: dict[int, list[_Note]] = {}
    notated: list[_Note] = []
    for number in np.lexsort((notes[:, 0], on)).tolist():
        pitch, velocity = notes[number, 2:].tolist()
        begin, stop = int(on[number]), min(int(off[number]), end)
        played_on, played_off = (
            Fraction(tick, ticks_per_quarter)
            for tick in (exact[number][0], exact[number][0] + exact[number][1])
        )
        before = [note for note in sounding.get(pitch, ()) if note.off > begin]
        apart = [abs(note.played_on - played_on) for note in before if note.on >= begin]
        if any(distance > unison for distance in apart):
            # Two notes are rounded to one position.
            begin = max(note.on for note in before) + _MIN_DISTANCE
            stop = max(stop, begin + _MIN_DISTANCE)
        if begin >= end:  # it was moved beyond the last bar
            stop = begin + QUARTER // 4
        note = _Note(begin, stop, pitch, velocity, played_on, played_off, bool(staccato[number]))
        for other in before:
            if other.on < begin and other.played_off <= played_on:
                other.off = min(other.off, begin)
        sounding[pitch] = [*(other for other in before if other.off > begin), note]
        notated.append(note)
    return notated


def _limb(notes: Sequence[_Note], *, foot: bool) -> list[_Chord]:
    """Return the drums of the hands or of the feet, each until the next one or the next beat."""
    chords: dict[int, list[_Note]] = defaultdict(list)
    for note in notes:
        if is_foot_drum(note.pitch) == foot:
            chords[note.on].append(note)
    onsets = sorted(chords)
    limb = []
    for on, following in zip(onsets, [*onsets[1:], 1 << 62], strict=False):
        end = min(following, (on // QUARTER + 1) * QUARTER)
        for note in chords[on]:
            note.off = end
        limb.append(_Chord(on, end, chords[on]))
    return limb


def _few_voices(notes: Sequence[_Note], program: int) -> list[list[_Chord]]:
    """Divide notes into an upper and a lower voice; more where a keyboard player holds others.

    There is a second voice only where notes are held under or over others. A note that overlaps
    the next one a little, or that rings on until the end of later ones, as those of a broken chord
    with pedal do, ends where the next one begins.
    """
    is_single = is_monophonic(program) and program not in _BOWED
    voices = _VoicePair(others=[[], []] if is_keyboard(program) else [])
    for on, chords in _simultaneous(notes):
        for held in voices.held(on):
            overlap = held.end - on
            if is_single or overlap < min(_MAX_OVERLAP, (held.end - held.start) // 4):
                held.cut(on)
        while len(chords) > (1 if is_single else _MAX_VOICES):
            _merge_closest(chords)
        if len(chords) == 1:
            voices.add(chords[0])
        else:
            voices.add_several(chords)
    return [voice for voice in (voices.upper, voices.lower, *voices.others) if voice]


@dataclass(slots=True)
class _VoicePair:
    """The voices of a staff: the upper and the lower one, and those between."""

    upper: list[_Chord] = field(default_factory=list)
    lower: list[_Chord] = field(default_factory=list)
    others: list[list[_Chord]] = field(default_factory=list)

    def held(self, on: int) -> list[_Chord]:
        """Return the chords of all voices that are held at a time."""
        voices = (self.upper, self.lower, *self.others)
        return [voice[-1] for voice in voices if voice and voice[-1].end > on]

    def add_several(self, chords: list[_Chord]) -> None:
        """Add chords that begin together, from the highest, to free voices."""
        voices = [self.upper, *self.others, self.lower]
        free = [voice for voice in voices if _is_free(voice, chords[0].start)]
        while len(chords) > max(len(free), 1):
            _merge_closest(chords)
        if len(chords) == 1:
            self.add(chords[0])
            return
        outer = [voice for voice in (self.upper, self.lower) if voice in free]
        chosen = [*free[: len(chords) - 1], free[-1]] if len(outer) == 2 else free[: len(chords)]
        for voice, chord in zip(chosen, chords, strict=True):
            voice.append(chord)

    def add(self, chord: _Chord) -> None:
        """Add a chord to the voice that is free, or that it is nearest to."""
        upper_is_free, lower_is_free = (
            _is_free(voice, chord.start) for voice in (self.upper, self.lower)
        )
        if upper_is_free and lower_is_free:
            self.upper.append(chord)
        elif lower_is_free:
            self._add_beside(chord, self.upper, self.lower, chord.pitch >= self.upper[-1].pitch)
        elif upper_is_free:
            self._add_beside(chord, self.lower, self.upper, chord.pitch < self.lower[-1].pitch)
        else:
            high, low = self.upper[-1], self.lower[-1]
            is_low = chord.pitch <= low.pitch or (
                chord.pitch < high.pitch and low.start > high.start
            )
            self._add_after(chord, self.lower if is_low else self.upper)

    def _add_beside(
        self, chord: _Chord, voice: list[_Chord], other: list[_Chord], is_outer: bool
    ) -> None:
        """Add a chord while `voice` holds one and `other` is free; the outer one is of `voice`."""
        if not is_outer:
            other.append(chord)
        elif _is_free(other, voice[-1].start):
            other.append(voice.pop())
            voice.append(chord)
        else:
            self._add_after(chord, voice)

    def _add_after(self, chord: _Chord, voice: list[_Chord]) -> None:
        """Add a chord to a voice that holds one, which ends if it rings on, or to another voice."""
        spare = next((v for v in self.others if _is_free(v, chord.start)), None)
        rings = voice[-1].start < chord.start and abs(voice[-1].end - chord.end) <= QUARTER // 8
        if spare is not None and not rings:
            spare.append(chord)
        else:
            voice[-1].cut(chord.start)
            voice.append(chord)


def _is_free(voice: Sequence[_Chord], at: int) -> bool:
    return not voice or voice[-1].end <= at


def _simultaneous(notes: Sequence[_Note]) -> Iterator[tuple[int, list[_Chord]]]:
    """Yield the onsets of notes and the chords that begin there, by their ends, high ones first."""
    onsets: dict[int, dict[tuple[int, bool], _Chord]] = defaultdict(dict)
    for note in notes:
        chords = onsets[note.on]
        key = note.off, note.is_staccato
        chords.setdefault(key, _Chord(note.on, note.off)).notes.append(note)
    for on in sorted(onsets):
        yield on, sorted(onsets[on].values(), key=lambda chord: -chord.pitch)


def _merge_closest(chords: list[_Chord]) -> None:
    """Merge two chords with one onset whose ends are the closest; the longer one decides."""
    pairs = combinations(range(len(chords)), 2)
    first, second = min(pairs, key=lambda pair: abs(chords[pair[0]].end - chords[pair[1]].end))
    merged, other = chords[first], chords.pop(second)
    longer = max(merged, other, key=lambda chord: chord.end)
    is_staccato, end = longer.notes[0].is_staccato, longer.end
    merged.notes += other.notes
    merged.cut(end)
    for note in merged.notes:
        note.is_staccato = is_staccato
    chords.sort(key=lambda chord: -chord.pitch)


def _voices(notes: Sequence[_Note]) -> list[list[_Chord]]:
    """Divide notes into voices without overlaps: chords first, high ones first."""
    chords: dict[tuple[int, int, bool], list[_Note]] = defaultdict(list)
    for note in notes:
        chords[note.on, note.off, note.is_staccato].append(note)
    order = sorted(chords.items(), key=lambda item: (item[0][0], -max(n.pitch for n in item[1])))
    voices: list[list[_Chord]] = [[]]
    left: list[_Note] = []
    for (on, off, _), chord in order:
        free = next((v for v in voices if not v or v[-1].end <= on), None)
        if free is None and len(voices) < _MAX_VOICES - 1:
            free = []
            voices.append(free)
        if free is None:
            left += chord
        else:
            free.append(_Chord(on, off, chord))
    return [*voices, _tied_together(left)] if left else voices


def _tied_together(notes: Sequence[_Note]) -> list[_Chord]:
    """Put overlapping notes into one voice, cut and tied where any begins or ends."""
    cuts = sorted({edge for note in notes for edge in (note.on, note.off)})
    slices = [_Chord(start, end) for start, end in pairwise(cuts)]
    for note in notes:
        for chord in slices[bisect_left(cuts, note.on) : bisect_left(cuts, note.off)]:
            chord.notes.append(note)
    return [chord for chord in slices if chord.notes]


# ---- symbols -----------------------------------------------------------------------------


def _by_bar(
    voices: Sequence[Sequence[_Chord]], bars: Sequence[Bar], *, keeps_order: bool
) -> tuple[tuple[tuple[Symbol, ...], ...], ...]:
    """Divide voices into bars; the only voice of a bar is the first, unless a tie forbids it."""
    rows = [_symbols_by_bar(voice, bars) for voice in voices]
    if len(rows) > 1 and not keeps_order:
        for number, (first, second) in enumerate(zip(*rows[:2], strict=True)):
            is_tied = second and any(
                [head.tied_from for head in second[0].heads]
                + [head.tied_to for head in second[-1].heads]
            )
            if second and not first and not is_tied:
                rows[0][number], rows[1][number] = second, first
    return tuple(map(tuple, rows))


def _symbols_by_bar(voice: Sequence[_Chord], bars: Sequence[Bar]) -> list[tuple[Symbol, ...]]:
    inside: list[list[_Chord]] = [[] for _ in bars]
    starts = [bar.start for bar in bars]
    for chord in voice:
        for number in range(bisect_right(starts, chord.start) - 1, bisect_left(starts, chord.end)):
            inside[number].append(chord)
    return [
        tuple(_symbols(bar, chords)) if chords else ()
        for bar, chords in zip(bars, inside, strict=True)
    ]


def _symbols(bar: Bar, voice: Sequence[_Chord]) -> Iterator[Symbol]:
    """Yield the notes and rests of a bar of a voice."""
    spans: list[tuple[int, int, _Chord | None]] = []
    at = 0
    for simultaneous in voice:
        start, end = (
            max(simultaneous.start - bar.start, 0),
            min(simultaneous.end - bar.start, bar.length),
        )
        if start > at:
            spans.append((at, start, None))
        spans.append((start, end, simultaneous))
        at = end
    if at < bar.length:
        spans.append((at, bar.length, None))
    places = [(start, end, simultaneous is None) for start, end, simultaneous in spans]
    for number, value in divide_into_values(places, bar.length, bar.beats, bar.unit):
        chord = spans[number][2]
        start = bar.start + value.at
        notes = chord.notes if chord else []
        heads = tuple(
            _head(note, start, start + value.length)
            for note in sorted(notes, key=lambda note: note.pitch)
        )
        yield Symbol(heads, value, any(note.is_staccato for note in notes))


def _head(note: _Note, start: int, end: int) -> NoteHead:
    is_first, is_last = start == note.on, end == note.off
    return NoteHead(
        note.pitch,
        note.velocity,
        not is_first,
        not is_last,
        note.played_on - Fraction(note.on, QUARTER) if is_first else Fraction(0),
        note.played_off - Fraction(note.off, QUARTER) if is_last else Fraction(0),
    )


# ---- beams -------------------------------------------------------------------------------

#: Number of beams of a note value.
_BEAMS: Final = {"eighth": 1, "16th": 2, "32nd": 3, "64th": 4, "128th": 5}


def beam_notes(symbols: Sequence[Symbol], bar: Bar) -> list[tuple[str, ...]]:
    """Return the beams of a bar of a voice.

    Parameters
    ----------
    symbols : sequence of Symbol
        A voice's, of one bar.
    bar : Bar

    Returns
    -------
    list of tuple of str, as long as `symbols`
        For each level, from that of eighths on, its name in MusicXML: "begin", "continue", "end",
        "forward hook", "backward hook"; empty for a note without beams. Eighths that fill two
        beats of a simple metre are joined over both if these are half a 4/4 bar.
    """
    beams: list[tuple[str, ...]] = [()] * len(symbols)
    for group in _groups(symbols, bar):
        if len(group) < 2:
            continue
        levels = [_BEAMS[symbols[index].value.kind] for index in group]
        for place, index in enumerate(group):
            beams[index] = tuple(_beam(levels, place, level) for level in range(levels[place]))
    return beams


def _groups(symbols: Sequence[Symbol], bar: Bar) -> list[list[int]]:
    """Return the indices of beamed notes: neighbours within a beat, without rests."""
    beat = _beam_span(bar)
    groups: list[list[int]] = [[]]
    before = -1
    for index, symbol in enumerate(symbols):
        value = symbol.value
        is_joined = bool(symbol.heads) and value.kind in _BEAMS
        if not is_joined or value.at // beat != before:
            groups.append([])
        if is_joined:
            groups[-1].append(index)
            before = value.at // beat
            if (value.at + value.length - 1) // beat != before:  # it reaches into the next beat
                groups.append([])
    if (bar.beats, bar.unit) not in {(4, 4), (2, 2)}:
        return groups
    return _halves(groups, symbols)


def _halves(groups: Sequence[list[int]], symbols: Sequence[Symbol]) -> list[list[int]]:
    """Join two beats of two eighths each that are half a bar of 4/4."""
    joined: list[list[int]] = []
    for group in groups:
        before = joined[-1] if joined else []
        first = symbols[group[0]].value.at if group else -1
        if (
            _is_pair(group, symbols)
            and _is_pair(before, symbols)
            and symbols[before[0]].value.at % (2 * QUARTER) == 0
            and first == symbols[before[0]].value.at + QUARTER
        ):
            joined[-1] = before + group
        elif group:
            joined.append(group)
    return joined


def _is_pair(group: Sequence[int], symbols: Sequence[Symbol]) -> bool:
    values = [symbols[index].value for index in group]
    return (
        len(values) == 2
        and values[0].at % QUARTER == 0
        and all(v.kind == "eighth" and not v.dots and v.tuplet is None for v in values)
    )


def _beam(levels: Sequence[int], place: int, level: int) -> str:
    """Return the beam of a note at a level, from 0 for eighths."""
    left = place > 0 and levels[place - 1] > level
    right = place + 1 < len(levels) and levels[place + 1] > level
    if left and right:
        return "continue"
    if right:
        return "begin"
    if left:
        return "end"
    return "forward hook" if place == 0 else "backward hook"


def _beam_span(bar: Bar) -> int:
    """Return the duration that beams may span, in `QUARTER` to the quarter."""
    return 12 * QUARTER // bar.unit if bar.beats == 3 and bar.unit >= 8 else bar.beat

"""Music notation of a score: bars, voices, ties, tuplets, clefs, beams.

A score is exact in ticks, and its notation is rounded to note values. The difference is kept with
each note, so that MusicXML can store both. music21 would round in its own way (`makeNotation`) and
keep neither the difference nor the drums.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.io.note_values import QUARTER, NoteValue, divide_into_values, notated_times
from segue.records import IntArray, Part, Score

# ---- clefs -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Clef:
    """A clef.

    Attributes
    ----------
    sign : str
        "G", "F", "C" or "percussion", as in MusicXML.
    line : int
        Of the staff, from the lowest; 0 for percussion.
    octave : int
        By how many octaves notes sound higher than a staff of that sign and line shows.
    abc : str
        The clef's name in ABC, without its octave.
    lowest : int
        The pitch on the lowest line, as steps of the diatonic scale above C-1.
    """

    sign: str
    line: int
    octave: int
    abc: str
    lowest: int


TREBLE: Final = Clef("G", 2, 0, "treble", 37)
TREBLE_8VA: Final = Clef("G", 2, 1, "treble", 44)
TREBLE_8VB: Final = Clef("G", 2, -1, "treble", 30)
ALTO: Final = Clef("C", 3, 0, "alto", 31)
TENOR: Final = Clef("C", 4, 0, "tenor", 29)
BASS: Final = Clef("F", 4, 0, "bass", 25)
BASS_8VB: Final = Clef("F", 4, -1, "bass", 18)
PERCUSSION: Final = Clef("percussion", 0, 0, "perc", 0)

#: Mean ledger lines per note that each clef further down an instrument's list must save.
_PREFERENCE: Final = 0.4
_VOICE_PROGRAMS: Final = range(52, 55)  # General MIDI's voices
_DEFAULT_CLEFS: Final = (TREBLE, BASS)
#: First and last General MIDI program, and the clefs its players read, by preference. Other
#: instruments are written in the treble or the bass clef.
_INSTRUMENT_CLEFS: Final[tuple[tuple[int, int, tuple[Clef, ...]], ...]] = (
    (8, 10, (TREBLE_8VA, TREBLE)),  # celesta, glockenspiel, music box
    (13, 13, (TREBLE_8VA, TREBLE)),  # xylophone
    (24, 31, (TREBLE_8VB,)),  # guitars
    (32, 39, (BASS_8VB,)),  # electric and acoustic basses
    (40, 40, (TREBLE,)),
    (41, 41, (ALTO, TREBLE)),
    (42, 42, (BASS, TENOR, TREBLE)),
    (43, 43, (BASS_8VB,)),
    (47, 47, (BASS,)),  # timpani
    (52, 54, (TREBLE, BASS, TREBLE_8VB)),  # voices
    (56, 56, (TREBLE,)),
    (57, 57, (BASS, TENOR)),
    (58, 58, (BASS,)),
    (68, 69, (TREBLE,)),  # oboe, English horn
    (70, 70, (BASS, TENOR)),
    (71, 71, (TREBLE,)),
    (72, 72, (TREBLE_8VA,)),  # piccolo
    (73, 73, (TREBLE,)),
    (104, 107, (TREBLE, TREBLE_8VB, BASS)),  # plucked: sitar, banjo, shamisen, koto
)
#: Clefs of voices by name, independent of range.
_VOICE_CLEFS: Final = {
    "soprano": TREBLE, "mezzo": TREBLE, "alto": TREBLE, "tenor": TREBLE_8VB, "baritone": BASS,
    "bass": BASS,
}  # fmt: skip
_STEPS: Final = np.array([0, 0, 1, 1, 2, 3, 3, 4, 4, 5, 5, 6])  # of C, C#, D …


def choose_clef(
    program: int, pitches: NDArray[np.int32], *, is_drum: bool = False, name: str = ""
) -> Clef:
    """Choose the clef of a staff.

    Parameters
    ----------
    program : int
        General MIDI, 0 to 127.
    pitches : ndarray, shape (n,), int32
        MIDI pitches of the staff's notes, n at least 1.
    is_drum : bool
    name : str
        Name of the part; that of a voice ("Tenor 1") determines its clef.

    Returns
    -------
    Clef
        Of those that the instrument's players read, the one with the fewest ledger lines; one of
        lower preference has to save some.
    """
    if is_drum:
        return PERCUSSION
    if program in _VOICE_PROGRAMS and (voice := name.casefold().split(" ")[0]) in _VOICE_CLEFS:
        return _VOICE_CLEFS[voice]
    read = next(
        (clefs for first, last, clefs in _INSTRUMENT_CLEFS if first <= program <= last),
        _DEFAULT_CLEFS,
    )
    costs = [
        ledger_lines(clef, pitches) + number * _PREFERENCE * (read is not _DEFAULT_CLEFS)
        for number, clef in enumerate(read)
    ]
    return read[int(np.argmin(costs))]


def ledger_lines(clef: Clef, pitches: NDArray[np.int32] | Sequence[int]) -> float:
    """Count the ledger lines that notes need on a staff, as the mean of all notes."""
    midi_pitches = np.asarray(pitches)
    steps = 7 * (midi_pitches // 12) + _STEPS[midi_pitches % 12] - clef.lowest
    below, above = -steps // 2, (steps - 8) // 2
    return float((np.maximum(below, 0) + np.maximum(above, 0)).mean())


# ---- notation ----------------------------------------------------------------------------

MAX_BARS: Final = 20_000  # limit of the readers
#: Maximum number of voices of a staff; notes that need another are tied together in the last.
_MAX_VOICES: Final = 4
_STEP: Final = QUARTER // 16  # between places of bar lines: a sixty-fourth
_MIN_DISTANCE: Final = QUARTER // 16  # of notes of one pitch that are rounded to one position
_UNITS: Final = (1, 2, 4, 8, 16, 32, 64)
_MAX_BEATS: Final = 64
#: General MIDI: pianos, organs, harp. Those that reach from below to above are on two staves.
_KEYBOARDS: Final = frozenset([*range(8), *range(16, 21), 46])
_MIDDLE: Final = 60
_LOW, _HIGH = 53, 67


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
class Bar:
    """Start and length of a bar, in `QUARTER` to the quarter, and its time signature."""

    start: int
    length: int
    beats: int
    unit: int


@dataclass(frozen=True, slots=True)
class Staff:
    """The symbols of a staff by voice and bar, none where the voice rests."""

    clef: Clef
    voices: tuple[tuple[tuple[Symbol, ...], ...], ...]


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


# ---- bars --------------------------------------------------------------------------------


def divide_into_bars(score: Score) -> list[Bar]:
    """Divide a score into bars.

    Parameters
    ----------
    score : Score

    Returns
    -------
    list of Bar
        Until all notes have ended. A bar that a change of time signature cuts short has a time
        signature of its own; an unusual time signature becomes 4/4.

    Raises
    ------
    BadArgument
        It has no note, or more than 20,000 bars.
    """
    if not score.parts:
        raise BadArgument("a score without a note cannot be written; expected at least one")
    last = max(int((part.notes[:, 0] + part.notes[:, 1]).max()) for part in score.parts)
    # A note that is rounded up ends a little later than it sounds.
    end = place(last, score.ticks_per_quarter) + QUARTER // 8
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
    while len(bars) > 1 and bars[-1].start >= end - QUARTER // 8:
        bars.pop()  # only needed if an end had been rounded up
    return bars


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
        Of the score.
    bars : sequence of Bar
        Those of `divide_into_bars`.
    most : int
        Maximum number of staves: 1 or 2.
    shortened : bool
        Notes may be written longer than they sound, see `notated_times`.

    Returns
    -------
    list of Staff
        Two for a keyboard part that reaches from low to high, else one.
    """
    pitches = part.notes[:, 2]
    is_wide = (
        most > 1
        and not part.is_drum
        and part.program in _KEYBOARDS
        and pitches.min() < _LOW
        and pitches.max() > _HIGH
    )
    divided = [pitches >= _MIDDLE, pitches < _MIDDLE] if is_wide else [pitches >= 0]
    end = bars[-1].start + bars[-1].length
    staves = []
    for number, inside in enumerate(divided):
        notes = part.notes[inside]
        times = notated_times(
            notes, score.ticks_per_quarter, is_drum=part.is_drum, shortened=shortened
        )
        notated = _notated(notes, score.ticks_per_quarter, times, end)
        clef = choose_clef(part.program, notes[:, 2], is_drum=part.is_drum, name=part.name)
        staves.append(
            Staff(
                (TREBLE, BASS)[number] if is_wide else clef,
                tuple(_written(voice, bars) for voice in _voices(notated)),
            )
        )
    return staves


def _notated(
    notes: NDArray[np.int32],
    ticks_per_quarter: int,
    times: tuple[IntArray, IntArray, NDArray[np.bool]],
    end: int,
) -> list[_Note]:
    """Return the notes with their notated times.

    A note ends where the next one of its pitch begins, if it ends there as played; overlapping
    notes of one pitch are in different voices.
    """
    on, off, staccato = times
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
        if any(note.on >= begin and note.played_on != played_on for note in before):
            # Two notes are rounded to one position.
            begin = max(note.on for note in before) + _MIN_DISTANCE
            stop = max(stop, begin + _MIN_DISTANCE)
        if begin >= end:
            begin, stop = end - _MIN_DISTANCE, end
        note = _Note(begin, stop, pitch, velocity, played_on, played_off, bool(staccato[number]))
        for other in before:
            if other.on < begin and other.played_off <= played_on:
                other.off = min(other.off, begin)
        sounding[pitch] = [*(other for other in before if other.off > begin), note]
        notated.append(note)
    return notated


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


def _written(voice: Sequence[_Chord], bars: Sequence[Bar]) -> tuple[tuple[Symbol, ...], ...]:
    inside: list[list[_Chord]] = [[] for _ in bars]
    starts = [bar.start for bar in bars]
    for chord in voice:
        for number in range(bisect_right(starts, chord.start) - 1, bisect_left(starts, chord.end)):
            inside[number].append(chord)
    return tuple(
        tuple(_symbols(bar, chords)) if chords else ()
        for bar, chords in zip(bars, inside, strict=True)
    )  # fmt: skip


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
    beat = _span(bar)
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


def _span(bar: Bar) -> int:
    """Return the duration that beams may span, in `QUARTER` to the quarter."""
    is_compound = bar.beats % 3 == 0 and bar.beats > 3
    unit = 4 * QUARTER // bar.unit
    return 3 * unit if is_compound or (bar.beats == 3 and bar.unit >= 8) else max(unit, QUARTER)

"""Scores as they are written down: bars, voices, note values, ties and tuplets.

What a score plays is exact in ticks; what is written is rounded to values that notes have. What
lies between the two is kept with each note, so that MusicXML can tell both. music21 would round
in its own way (`makeNotation`) and keep neither, nor drums: so this is done here.
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
from segue.formats.score.clefs import Clef, clef_of, of_keyboard
from segue.formats.score.notated_time import notated_times
from segue.formats.score.quantisation import QUARTER, IntArray
from segue.formats.score.values import Value, values_of
from segue.records import Part, Score

MOST_BARS: Final = 20_000  # that the readers read
#: Voices of a staff; what would need another is tied together in the last.
_MOST_VOICES: Final = 4
_STEP: Final = QUARTER // 16  # between places of bar lines: a sixty-fourth
_APART: Final = QUARTER // 16  # at least, notes of one key that would be rounded to one place
_UNITS: Final = (1, 2, 4, 8, 16, 32, 64)
_MOST_BEATS: Final = 64
#: General MIDI: pianos, organs, harp. Those that reach from below to above are on two staves.
_KEYBOARDS: Final = frozenset([*range(8), *range(16, 21), 46])
_MIDDLE: Final = 60
_LOW, _HIGH = 53, 67


@dataclass(frozen=True, slots=True)
class Head:
    """A note of a symbol.

    Attributes
    ----------
    pitch, velocity : int
    tied_from, tied_to : bool
        The symbol before, or the next, holds the same note.
    attack, release : Fraction
        By how much later, in quarters, it begins and ends than is written; told at its first and
        at its last head, else 0.
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
        Its length, and how that is written.
    is_staccato : bool
    """

    heads: tuple[Head, ...]
    value: Value
    is_staccato: bool


@dataclass(frozen=True, slots=True)
class Bar:
    """Where a bar lies, in `QUARTER` to the quarter, and its metre."""

    start: int
    length: int
    beats: int
    unit: int


@dataclass(frozen=True, slots=True)
class Staff:
    """What is written on a staff: of each voice and bar its symbols, none where it rests."""

    clef: Clef
    voices: tuple[tuple[tuple[Symbol, ...], ...], ...]


@dataclass(slots=True)
class _Note:
    """A note while it is placed: where it is written, and when it sounds, in quarters."""

    on: int
    off: int
    pitch: int
    velocity: int
    struck: Fraction
    released: Fraction
    is_staccato: bool


@dataclass(slots=True)
class _Held:
    """What sounds in a voice from here to there."""

    start: int
    end: int
    notes: list[_Note] = field(default_factory=list)


# ---- bars --------------------------------------------------------------------------------


def bars_of(score: Score) -> list[Bar]:
    """Divide a score into bars.

    Parameters
    ----------
    score : Score

    Returns
    -------
    list of Bar
        Until all notes have ended. A bar that another metre cuts short has a metre of its own, as
        has one whose metre no reader would read.

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
    for tick, beats, unit in score.metres.tolist():
        known = unit in _UNITS and 0 < beats <= _MOST_BEATS
        metre = (beats, unit) if known else (4, 4)
        row = (_bar_line(tick, score.ticks_per_quarter), *metre)
        if row[0] == starts[-1][0]:
            starts.pop()
        starts.append(row)
    found: list[Bar] = []
    for (start, beats, unit), following in zip(starts, [*starts[1:], None], strict=True):
        at, full = start, 4 * QUARTER * beats // unit
        until = following[0] if following else None
        while at < (end if until is None else min(until, end)):
            length = full if until is None else min(full, until - at)
            own = (beats, unit) if length == full else _own(length)
            found.append(Bar(at, length, *own))
            at += length
            if len(found) > MOST_BARS:
                raise BadArgument(f"a score of more than {MOST_BARS} bars cannot be written")
    while len(found) > 1 and found[-1].start >= end - QUARTER // 8:
        found.pop()  # there only for what might have been rounded up
    return found


def place(tick: float, ticks_per_quarter: int) -> int:
    """Return a tick's place, in `QUARTER` to the quarter."""
    return round(Fraction(tick) * QUARTER / ticks_per_quarter)


def _bar_line(tick: int, ticks_per_quarter: int) -> int:
    return round(Fraction(tick, ticks_per_quarter) * QUARTER / _STEP) * _STEP


def _own(length: int) -> tuple[int, int]:
    """Return the metre of a bar cut short."""
    for unit in (4, 8, 16, 32, 64):
        beats, rest = divmod(length * unit, 4 * QUARTER)
        if not rest and beats <= _MOST_BEATS:
            return beats, unit
    return 4, 4  # longer than sixteen whole notes


def key_changes(score: Score, bars: Sequence[Bar]) -> dict[int, tuple[int, int]]:
    """Return the keys, as sharps and 1 for minor, by the number of the bar nearest to them.

    The first bar has one: C major where nothing else is told.
    """
    found = {0: (0, 0)}
    starts = np.array([bar.start for bar in bars])
    for tick, sharps, minor in score.keys.tolist():
        nearest = int(np.abs(starts - tick * QUARTER / score.ticks_per_quarter).argmin())
        if -7 <= sharps <= 7:
            found[nearest] = (sharps, minor)
    return found


# ---- staves and voices -------------------------------------------------------------------


def staves_of(
    score: Score, part: Part, bars: Sequence[Bar], *, most: int = 2, shortened: bool = True
) -> list[Staff]:
    """Write down a part.

    Parameters
    ----------
    score : Score
    part : Part
        Of the score.
    bars : sequence of Bar
        Those of `bars_of`.
    most : int
        1 for one staff whatever it reaches.
    shortened : bool
        Notes may be written longer than they sound, as `notated_times` has it.

    Returns
    -------
    list of Staff
        One; two of a keyboard that reaches from below to above.
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
        some = part.notes[inside]
        times = notated_times(
            some, score.ticks_per_quarter, is_drum=part.is_drum, shortened=shortened
        )
        notes = _placed(some, score.ticks_per_quarter, times, end)
        clef = clef_of(part.program, some[:, 2], is_drum=part.is_drum, name=part.name)
        staves.append(
            Staff(
                of_keyboard(number) if is_wide else clef,
                tuple(_written(voice, bars) for voice in _voices(notes)),
            )
        )
    return staves


def _placed(
    notes: NDArray[np.int32],
    ticks_per_quarter: int,
    times: tuple[IntArray, IntArray, NDArray[np.bool]],
    end: int,
) -> list[_Note]:
    """Give every note its written place.

    One whose key is struck again as it ends is written until then. What overlaps another of its
    pitch is of another voice.
    """
    on, off, staccato = times
    exact = notes[:, :2].tolist()
    sounding: dict[int, list[_Note]] = {}
    found: list[_Note] = []
    for number in np.lexsort((notes[:, 0], on)).tolist():
        pitch, velocity = notes[number, 2:].tolist()
        begin, stop = int(on[number]), min(int(off[number]), end)
        struck, released = (
            Fraction(tick, ticks_per_quarter)
            for tick in (exact[number][0], exact[number][0] + exact[number][1])
        )
        before = [note for note in sounding.get(pitch, ()) if note.off > begin]
        if any(note.on >= begin and note.struck != struck for note in before):
            # Rounded to one place, and yet two notes.
            begin = max(note.on for note in before) + _APART
            stop = max(stop, begin + _APART)
        if begin >= end:
            begin, stop = end - _APART, end
        note = _Note(begin, stop, pitch, velocity, struck, released, bool(staccato[number]))
        for other in before:
            if other.on < begin and other.released <= struck:
                other.off = min(other.off, begin)
        sounding[pitch] = [*(other for other in before if other.off > begin), note]
        found.append(note)
    return found


def _voices(notes: Sequence[_Note]) -> list[list[_Held]]:
    """Divide notes into voices in which nothing overlaps: chords first, high ones first."""
    chords: dict[tuple[int, int, bool], list[_Note]] = defaultdict(list)
    for note in notes:
        chords[note.on, note.off, note.is_staccato].append(note)
    order = sorted(chords.items(), key=lambda item: (item[0][0], -max(n.pitch for n in item[1])))
    voices: list[list[_Held]] = [[]]
    left: list[_Note] = []
    for (on, off, _), some in order:
        free = next((v for v in voices if not v or v[-1].end <= on), None)
        if free is None and len(voices) < _MOST_VOICES - 1:
            free = []
            voices.append(free)
        if free is None:
            left += some
        else:
            free.append(_Held(on, off, some))
    return [*voices, _tied_together(left)] if left else voices


def _tied_together(notes: Sequence[_Note]) -> list[_Held]:
    """Put notes that overlap into one voice: cut where any begins or ends."""
    cuts = sorted({edge for note in notes for edge in (note.on, note.off)})
    held = [_Held(start, end) for start, end in pairwise(cuts)]
    for note in notes:
        for one in held[bisect_left(cuts, note.on) : bisect_left(cuts, note.off)]:
            one.notes.append(note)
    return [one for one in held if one.notes]


# ---- symbols -----------------------------------------------------------------------------


def _written(voice: Sequence[_Held], bars: Sequence[Bar]) -> tuple[tuple[Symbol, ...], ...]:
    inside: list[list[_Held]] = [[] for _ in bars]
    starts = [bar.start for bar in bars]
    for held in voice:
        for number in range(bisect_right(starts, held.start) - 1, bisect_left(starts, held.end)):
            inside[number].append(held)
    return tuple(
        tuple(_symbols(bar, some)) if some else ()
        for bar, some in zip(bars, inside, strict=True)
    )  # fmt: skip


def _symbols(bar: Bar, voice: Sequence[_Held]) -> Iterator[Symbol]:
    """Write a bar of a voice: what sounds, and rests between."""
    stretches: list[tuple[int, int, _Held | None]] = []
    at = 0
    for held in voice:
        start, end = max(held.start - bar.start, 0), min(held.end - bar.start, bar.length)
        if start > at:
            stretches.append((at, start, None))
        stretches.append((start, end, held))
        at = end
    if at < bar.length:
        stretches.append((at, bar.length, None))
    places = [(start, end, held is None) for start, end, held in stretches]
    for number, value in values_of(places, bar.length, bar.beats, bar.unit):
        found = stretches[number][2]
        start = bar.start + value.at
        notes = found.notes if found else []
        heads = tuple(
            _head(note, start, start + value.length)
            for note in sorted(notes, key=lambda note: note.pitch)
        )
        yield Symbol(heads, value, any(note.is_staccato for note in notes))


def _head(note: _Note, start: int, end: int) -> Head:
    is_first, is_last = start == note.on, end == note.off
    return Head(
        note.pitch,
        note.velocity,
        not is_first,
        not is_last,
        note.struck - Fraction(note.on, QUARTER) if is_first else Fraction(0),
        note.released - Fraction(note.off, QUARTER) if is_last else Fraction(0),
    )


def spelled(pitch: int, sharps: int) -> tuple[str, int, int]:
    """Spell a pitch in a key: letter, alteration in semitones, octave (middle C is in 4).

    What is not of the scale is taken from its near side on the line of fifths: in C major from
    E flat to G sharp, which has the leading notes of the keys beside it.
    """
    # C is 0 on the line of fifths, G 1, F -1; seven fifths up is the same letter, sharp.
    fifths = pitch * 7 % 12
    lowest = sharps - 3
    fifths = lowest + (fifths - lowest) % 12
    letter = "FCGDAEB"[(fifths + 1) % 7]
    alteration = (fifths + 1) // 7
    octave = (pitch - alteration) // 12 - 1
    return letter, alteration, octave

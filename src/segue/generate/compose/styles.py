"""Styles of accompaniment: patterns of drums, bass and chords, which the composer varies.

A pattern is a string for each bar, of equal steps, as drum machines write it:

    drums   x: hit, X: accent, o: soft
    bass    R: root, 3, 5, 6, 7: degrees of the chord, 8: octave, W: a step towards the next root
    chords  x: the chord, X: accent

"-" holds the note before, "." is a rest. Sixteen steps in a bar of 4/4 are sixteenths, twelve are
triplet eighths, eight are eighths. A pattern of several bars alternates. The patterns were written
for Segue, after what drum and piano methods teach of each style.
"""

import difflib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from segue.errors import BadArgument
from segue.generate.compose.plan import BarChord, BarPlan
from segue.generate.compose.tokens import (
    DEFAULT_VELOCITY,
    DRUM_DURATION,
    STEPS_PER_QUARTER,
    TIME_SIGNATURE_INDEX,
    TIME_SIGNATURES,
    Note,
)
from segue.theory.instruments import DRUMS, is_bass, is_monophonic, tessitura
from segue.theory.voicing import voice_chords

_ACCENT, _SOFT = 1, -1
_DRUMS: Final = {
    "kick": 36, "rim": 37, "snare": 38, "clap": 39, "hat": 42, "pedal": 44, "open": 46, "low": 45,
    "crash": 49, "ride": 51, "tambourine": 54, "cowbell": 56, "bongo": 60, "conga": 63,
    "low conga": 64, "timbale": 65, "shaker": 70, "claves": 75, "floor": 41,
}  # fmt: skip
#: Dynamic levels from which on sections are loud, up to which they are soft; what replaces drums in
#: loud sections, and which are left out in soft ones.
_LOUD_LEVEL, _SOFT_LEVEL = 1.0, -1.0
_LOUD_DRUMS: Final = {"hat": "ride"}
_LEFT_OUT: Final = ("snare", "clap", "timbale", "cowbell", "tambourine")
#: Bars of a phrase; in its last bar, the last stroke of a closed hi-hat is open.
_PHRASE_BARS: Final = 4
#: Steps of the bass below its range, and the register that it moves in.
_BASS_CENTRE: Final = 40

Patterns = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Style:
    """A style of accompaniment.

    Attributes
    ----------
    name : str
    description : str
        For a list of styles.
    beats : int
        Quarters of a bar.
    tempo : float
        Usual tempo in quarters a minute.
    instruments : tuple of int
        Bass, chordal instrument, and an instrument for the melody of a new piece; programs.
    drums : dict of str to tuple of str
        Patterns by drum.
    bass, chords : tuple of str
        Patterns.
    """

    name: str
    description: str
    beats: int
    tempo: float
    instruments: tuple[int, int, int]
    drums: dict[str, Patterns]
    bass: Patterns
    chords: Patterns


STYLES: Final = {
    style.name: style
    for style in (
        Style(
            "pop", "pop ballad: backbeat, held chords", 4, 84, (33, 0, 73),
            {"hat": ("x.x.x.x.x.x.x.x.",), "snare": ("....X.......X...",),
             "kick": ("x.......x.x.....", "x.....x.x.......")},
            ("R---..R-R---....", "R-----R-R---5---"), ("x-------x---x---", "x---x---x-----x-"),
        ),
        Style(
            "rock", "rock: eighths of hi-hat, bass and guitar", 4, 126, (33, 29, 81),
            {"hat": ("x.x.x.x.x.x.x.x.",), "snare": ("....X.......X...",),
             "kick": ("x.....x.x.......", "x.......x.x.....", "x..x..x.x.......")},
            ("R-R-R-R-R-R-R-R-", "R-R-R-R-R-R-5-8-"), ("X-x-..x-x-x-..x-", "X---..x-X---x-x-"),
        ),
        Style(
            "funk", "funk: sixteenths, syncopated bass and guitar", 4, 102, (36, 27, 65),
            {"hat": ("x.xxx.xxx.xxx.x.", "x.x.x.xxx.x.x.xx"), "open": ("..............x.",),
             "snare": ("....X..o.o..X..o", "....X..o.o.oX...",),
             "kick": ("x.x.......x..x..", "x..x......xx....")},
            ("R-.R..8-..R-.5.7", "R-..R.8-.R..5-7-"), ("..x.x...x..x....", "x..x..x...x.x.x."),
        ),
        Style(
            "disco", "disco: four on the floor, octaves in the bass", 4, 118, (33, 4, 61),
            {"kick": ("x...x...x...x...", "x...x...x...x.x."), "open": ("..x...x...x...x.",),
             "snare": ("....X.......X...",), "hat": ("x..xx..xx..xx..x",)},
            ("R-8-R-8-R-8-R-8-", "R-8-R-8-5-8-R-8-"), ("..x-..x-..x-..x-", "x-x-..x-..x-x-x-"),
        ),
        Style(
            "soul", "soul: backbeat with tambourine, walking bass figures", 4, 108, (33, 0, 65),
            {"hat": ("x.x.x.x.x.x.x.x.",), "snare": ("....X.......X...", "....X.......X..o"),
             "tambourine": ("....x.......x...",), "kick": ("x.....x.x.x.....", "x..x....x.x..x..")},
            ("R-..R-8-..5-6-5-", "R---..R-3---5---"), ("x-..x---..x-x---", "x---..x-x---..x-"),
        ),
        Style(
            "reggae", "reggae: one drop, off-beat chords", 4, 76, (33, 16, 73),
            {"hat": ("x.x.x.x.x.x.x.x.",), "rim": ("........X.......", "........X.....x."),
             "kick": ("........x.......",)},
            ("R-..R-3-5-..3-..", "..R-R-..5-5-..3-"), ("....X.......X...", "....X.......X.x."),
        ),
        Style(
            "swing", "swing: ride cymbal, walking bass, sparse chords", 4, 140, (32, 0, 66),
            {"ride": ("X..x.xX..x.x",), "pedal": ("...x.....x..",),
             "kick": ("o..o..o..o..",), "snare": ("............", "........o...")},
            ("R--3--5--W--", "R--5--6--W--", "8--5--3--W--"),
            ("x-...x......", "......x--..x", "...x--.....x", "x-........x-"),
        ),
        Style(
            "shuffle", "blues shuffle: triplet feel, boogie bass", 4, 116, (32, 0, 22),
            {"hat": ("x.xx.xx.xx.x",), "snare": ("...X.....X..",),
             "kick": ("x.....x.....", "x....xx.....")},
            ("R-R3-35-56-6", "R-R5-56-65-5"), ("x-.x-xx-.x-.", "x--..xx--..x"),
        ),
        Style(
            "bossa", "bossa nova: cross-stick clave, syncopated guitar", 4, 132, (32, 24, 73),
            {"hat": ("x.x.x.x.x.x.x.x.",), "rim": ("x.....x.....x...", "....x.....x....."),
             "kick": ("x.....x.x.....x.",)},
            ("R-----5-5-----R-", "R-----5-5-----W-"), ("x-..x-..x-..x---", "..x-..x-x-..x-x-"),
        ),
        Style(
            "samba", "samba: surdo on the second beat, sixteenths", 4, 100, (33, 24, 73),
            {"shaker": ("X..xX..xX..xX..x",), "kick": ("x..xx..xx..xx..x",),
             "floor": ("....X.......X...",), "rim": ("x.x..x.x.x..x.x.", "..x.x.x..x.x.x.x")},
            ("R--R5--5R--R5--5", "R--R5--5R--58--W"), ("x.x..x.x.x..x.x.", "..x.x-..x.x..x.x"),
        ),
        Style(
            "salsa", "son and salsa: clave, tumbao, montuno", 4, 180, (32, 0, 56),
            {"claves": ("x.....x.....x...", "....x...x......."), "cowbell": ("X...x.x.X...x.x.",),
             "conga": ("..x...x...x.....",), "low conga": ("............x.x.",)},
            ("......5-----8---", "......5-----W---"), ("x.x...x...x...x.", "..x...x...x...x."),
        ),
        Style(
            "tango", "tango: marcato, accents with a lead-in", 4, 116, (32, 0, 21),
            {"snare": ("o...o...o...o.oo", "o...o...o.o.o.oo"), "kick": ("x...x...x...x...",),
             "pedal": ("....x.......x...",)},
            ("R---R---5---5---", "R-----5-R---5---"), ("X-..x-..X-..x-..", "X-....x-..x-x-.."),
        ),
        Style(
            "country", "country: train beat, alternating bass", 4, 112, (33, 25, 110),
            {"snare": ("ooXoooXoooXoooXo",), "kick": ("x...x...x...x...", "x...x...x.x.x..."),
             "pedal": ("....x.......x...",)},
            ("R---..--5---..--", "R-----..5---R-W-"), ("....x---....x---", "....x-x-....x-x-"),
        ),
        Style(
            "march", "march: bass and after-beat", 4, 116, (58, 61, 56),
            {"kick": ("x.......x.......",), "snare": ("x...x.xxx...x...", "x.xxx...x.xxx.x."),
             "crash": ("x...............",)},
            ("R---....5---....",), ("....x-......x-..",),
        ),
        Style(
            "waltz", "waltz: bass, chord, chord", 3, 150, (32, 0, 40),
            {"kick": ("x.....",), "pedal": ("..x.x.",), "snare": ("..o.o.", "..o.oo"),
             "ride": ("x.....",)},
            ("R-....", "R-....", "5-....", "R---W-"), ("..x-x-",),
        ),
        Style(
            "jazz-waltz", "jazz waltz: ride cymbal in three, walking bass", 3, 144, (32, 0, 73),
            {"ride": ("X..x.xx..", "X..x..x.x"), "pedal": ("...x.....",),
             "snare": (".........", "........o"), "kick": ("x........", "o.......o")},
            ("R-----5--", "R--3--W--"), ("...x-...x", "x--..x---"),
        ),
    )
}  # fmt: skip

#: Styles for bands of which none was asked, and the largest distance of their usual tempo from the
#: requested one in octaves, where a nearer one is not needed.
_SUGGESTED: Final = (
    "pop", "rock", "soul", "funk", "disco", "bossa", "swing", "shuffle", "waltz", "jazz-waltz",
)  # fmt: skip
_TEMPO_TOLERANCE: Final = 0.3


def find_style(name: str) -> Style:
    """Return a style by its name.

    Raises
    ------
    BadArgument
        There is no such style; the message suggests the nearest.
    """
    plain = name.strip().casefold().replace(" ", "-")
    plain = {"bossa-nova": "bossa", "jazz": "swing", "blues": "shuffle", "latin": "salsa"}.get(
        plain, plain
    )
    if plain in STYLES:
        return STYLES[plain]
    nearest = difflib.get_close_matches(plain, STYLES, n=1, cutoff=0.6)
    hint = f"did you mean {nearest[0]}?" if nearest else f"there are {', '.join(sorted(STYLES))}"
    raise BadArgument(f"no style {name!r}; {hint} (--list-styles)")


def check_time_signature(style: Style, time_signature: int) -> None:
    """Refuse a time signature that a style cannot be played in.

    Raises
    ------
    BadArgument
        The message names styles that can.
    """
    if not _fits(style, time_signature):
        beats, unit = TIME_SIGNATURES[time_signature]
        others = [each.name for each in STYLES.values() if _fits(each, time_signature)]
        hint = f"those in {beats}/{unit} are {', '.join(others)}" if others else "leave it out"
        raise BadArgument(
            f"the style {style.name} is in {style.beats}/4, not {beats}/{unit}; {hint}"
        )


def default_style(time_signature: int) -> Style | None:
    """Return the first style that can be played in a time signature; None if there is none."""
    return next((style for style in STYLES.values() if _fits(style, time_signature)), None)


def suggest_style(
    time_signature: int | None, tempo: float | None, rng: np.random.Generator
) -> Style | None:
    """Return a style for a band of which none was asked; None where there is none.

    Parameters
    ----------
    time_signature : int, optional
        Index of the time signature; 4/4 by default.
    tempo : float, optional
        Quarters a minute.
    rng : numpy.random.Generator
    """
    signature = TIME_SIGNATURE_INDEX[4, 4] if time_signature is None else time_signature
    usable = [STYLES[name] for name in _SUGGESTED if _fits(STYLES[name], signature)]
    if tempo is not None and usable:
        distances = [abs(math.log2(style.tempo / tempo)) for style in usable]
        limit = max(min(distances), _TEMPO_TOLERANCE)
        usable = [style for style, each in zip(usable, distances, strict=True) if each <= limit]
    return usable[int(rng.integers(len(usable)))] if usable else None


def chordal_instrument(instruments: Iterable[int], style: Style | None = None) -> int | None:
    """Return the program of a band that plays the chords: that of the style, if it is there."""
    chordal = [
        each
        for each in instruments
        if each != DRUMS and not is_bass(each) and not is_monophonic(each)
    ]
    if style is not None and style.instruments[1] in chordal:
        return style.instruments[1]
    return chordal[0] if chordal else None


def _fits(style: Style, time_signature: int) -> bool:
    signatures = {4: ((4, 4), (2, 2), (2, 4)), 3: ((3, 4),)}
    return TIME_SIGNATURES[time_signature] in signatures[style.beats]


def style_notes(
    style: Style,
    instruments: Sequence[int],
    plans: Sequence[BarPlan],
    bar_lengths: Sequence[int],
) -> list[dict[int, tuple[Note, ...]]]:
    """Return what a style plays in each bar, by instrument.

    Parameters
    ----------
    style : Style
    instruments : sequence of int
        Programs and `DRUMS`; the first bass plays the bass, `chordal_instrument` the chords.
    plans : sequence of BarPlan
        Chords and dynamic level of each bar: loud sections have the ride cymbal for the closed
        hi-hat, soft ones no snare.
    bar_lengths : sequence of int
        Steps of each bar.
    """
    bass = next((each for each in instruments if is_bass(each)), None)
    chordal = chordal_instrument(instruments, style)
    chords = [plan.chords for plan in plans]
    voicings = _voicings(chords)
    bars: list[dict[int, tuple[Note, ...]]] = []
    before = _BASS_CENTRE
    for index, (own, length) in enumerate(zip(chords, bar_lengths, strict=True)):
        following = chords[index + 1] if index + 1 < len(chords) else own
        notes: dict[int, tuple[Note, ...]] = {}
        if DRUMS in instruments:
            notes[DRUMS] = _drum_notes(style, index, length, plans[index].level)
        if bass is not None:
            notes[bass] = _bass_notes(style, index, length, own, following, bass, before)
            before = notes[bass][-1].pitch if notes[bass] else before
        if chordal is not None:
            notes[chordal] = _chord_notes(style, index, length, own, voicings[index], chordal)
        bars.append(notes)
    return bars


def _events(pattern: str, style: Style, length: int) -> list[tuple[int, int, str]]:
    """Return onset, duration and character of each event of a pattern, cut to the bar."""
    unit = style.beats * STEPS_PER_QUARTER // len(pattern)
    events: list[tuple[int, int, str]] = []
    for index, character in enumerate(pattern):
        onset = index * unit
        if character == "-" and events:
            start, _, name = events[-1]
            events[-1] = start, onset + unit - start, name
        elif character not in ".-":
            events.append((onset, unit, character))
    return [
        (onset, min(duration, length - onset), name)
        for onset, duration, name in events
        if onset < length
    ]


def _drum_notes(style: Style, index: int, length: int, level: float) -> tuple[Note, ...]:
    notes = []
    opens = index % _PHRASE_BARS == _PHRASE_BARS - 1
    for name, patterns in style.drums.items():
        if level <= _SOFT_LEVEL and name in _LEFT_OUT:
            continue
        drum = _LOUD_DRUMS.get(name, name) if level >= _LOUD_LEVEL else name
        events = _events(patterns[index % len(patterns)], style, length)
        for onset, _, hit in events:
            velocity = DEFAULT_VELOCITY + (hit == "X") * _ACCENT + (hit == "o") * _SOFT
            is_open = drum == "hat" and opens and onset == events[-1][0]
            pitch = _DRUMS["open" if is_open else drum]
            notes.append(Note(onset, DRUMS, pitch, DRUM_DURATION, velocity))
    return tuple(sorted(set(notes)))


def _bass_notes(
    style: Style,
    index: int,
    length: int,
    chords: Sequence[BarChord],
    following: Sequence[BarChord],
    bass: int,
    before: int,
) -> tuple[Note, ...]:
    """Return the bass of a bar; each chord begins with its bass."""
    low, high = tessitura(bass)
    events = _events(style.bass[index % len(style.bass)], style, length)
    begins = {chord.step for chord in chords[1:] if chord.step < length}
    events += [(step, STEPS_PER_QUARTER, "R") for step in begins - {event[0] for event in events}]
    events.sort()
    notes: list[Note] = []
    for at, (onset, duration, degree) in enumerate(events):
        chord = next((each for each in reversed(chords) if each.step <= onset), None)
        if chord is None or chord.root < 0:
            continue
        until = min([step for step in begins if step > onset], default=length)
        if at + 1 < len(events):
            until = min(until, events[at + 1][0])
        is_first = onset in begins or not any(note.onset >= chord.step for note in notes)
        if degree == "W":
            target = following[0].bass if following and following[0].root >= 0 else chord.bass
            pitch = _in_range(_approach(target, chord), before, low, high)
        else:
            pitch_class = chord.bass if is_first else _degree(chord, degree)
            pitch = _in_range(pitch_class, before, low, high)
            if degree == "8" and not is_first and pitch + 12 <= high:
                pitch = _in_range(pitch_class, low, low, high) + 12
        before = pitch
        notes.append(Note(onset, bass, pitch, min(duration, until - onset), DEFAULT_VELOCITY))
    return tuple(notes)


def _degree(chord: BarChord, degree: str) -> int:
    """Return the pitch class of a degree of a chord, or of the chord tone that replaces it."""
    if degree in "R8":
        return chord.root
    options = {"3": (4, 3, 5, 2), "5": (7, 6, 8), "6": (9, 8, 10, 7), "7": (10, 11, 9, 7)}[degree]
    above = [(each - chord.root) % 12 for each in chord.classes]
    if degree == "6":
        return (chord.root + (9 if 4 in above else 8 if 3 in above and 10 not in above else 9)) % 12
    return (chord.root + next((each for each in options if each in above), 0)) % 12


def _approach(target: int, chord: BarChord) -> int:
    """Return a pitch class a step from a target, in the chord if possible."""
    steps = [(target + each) % 12 for each in (-1, 1, 2, -2)]
    return next((each for each in steps if each in chord.classes), steps[0])


def _in_range(pitch_class: int, near: int, low: int, high: int) -> int:
    pitches = [pitch for pitch in range(low, high + 1) if pitch % 12 == pitch_class]
    return min(pitches, key=lambda pitch: (abs(pitch - near), pitch))


def _voicings(chords: Sequence[Sequence[BarChord]]) -> list[list[tuple[int, ...]]]:
    flat = [(max(chord.root, 0), sorted(chord.classes)) for bar in chords for chord in bar]
    voiced = iter(voice_chords(flat))
    return [[next(voiced) for _ in bar] for bar in chords]


def _chord_notes(
    style: Style,
    index: int,
    length: int,
    chords: Sequence[BarChord],
    voicings: Sequence[tuple[int, ...]],
    instrument: int,
) -> tuple[Note, ...]:
    notes = []
    for onset, duration, name in _events(style.chords[index % len(style.chords)], style, length):
        at = sum(chord.step <= onset for chord in chords) - 1
        if at < 0:
            continue
        until = chords[at + 1].step if at + 1 < len(chords) else length
        velocity = DEFAULT_VELOCITY + (name == "X") * _ACCENT + _SOFT
        notes += [
            Note(onset, instrument, pitch, min(duration, until - onset), velocity)
            for pitch in voicings[at]
        ]
    return tuple(notes)

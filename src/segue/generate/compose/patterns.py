"""Patterns that bars follow at the joints of a form: drum fills, and the final chord."""

from collections.abc import Collection, Iterable, Sequence
from typing import Final

import numpy as np

from segue.generate.compose.plan import BarChord
from segue.generate.compose.tokens import DEFAULT_VELOCITY, DRUM_DURATION, Bar, Note
from segue.theory.instruments import DRUMS, is_bass, is_monophonic

_SIXTEENTH: Final = 3
_BEAT: Final = 12
KICK, SNARE, CRASH = 36, 38, 49
_KICKS: Final = (KICK, 35)
_SNARES: Final = (38, 40)
#: Drum fills: drums of each sixteenth up to the barline. s: snare, h, m, l: high, middle
#: and low tom, f: floor tom, o: open hi-hat.
_FILLS: Final = (
    "s s s ss",
    "s.sshmlf",
    "ssssmmll",
    "s.hhm.lf",
    "s.ss.s.hhmf",
    "hhs.mms.lls.",
    "..s.s.hm",
    "s.so.sss",
)
_LETTERS: Final = {"s": SNARE, "h": 50, "m": 47, "l": 45, "f": 43, "o": 46}
_LOUDER: Final = 1
#: Bars before an ending that decide what each instrument holds.
_LAST_BARS: Final = 8


def fill(
    groove: Iterable[Note], heard: Collection[int], bar_length: int, rng: np.random.Generator
) -> tuple[Note, ...]:
    """Return the drums of a bar that leads into another section.

    Parameters
    ----------
    groove : iterable of Note
        Drums of a bar that they follow up to the fill.
    heard : collection of int
        Drum pitches of the piece.
    bar_length : int
        Steps of the bar.
    rng : numpy.random.Generator

    Returns
    -------
    tuple of Note
        The groove alone where no kick is among the drums: percussion has no fills.
    """
    groove, kick = tuple(groove), _kick(heard)
    if kick is None:
        return groove
    snare = next((each for each in _SNARES if each in heard), SNARE)
    pattern = _FILLS[int(rng.integers(len(_FILLS)))]
    start = bar_length - _SIXTEENTH * len(pattern)
    if start < 0:
        pattern, start = pattern[-bar_length // _SIXTEENTH :], bar_length % _SIXTEENTH
    velocity = max((note.velocity for note in groove), default=DEFAULT_VELOCITY)
    notes = {(n.onset, n.pitch): n for n in groove if n.onset < start or n.pitch == kick}
    for index, letter in enumerate(pattern):
        if letter in _LETTERS:
            pitch = snare if letter == "s" else _LETTERS[letter]
            onset = start + _SIXTEENTH * index
            accent = _LOUDER if onset % _BEAT == 0 else 0
            notes[onset, pitch] = Note(
                onset, DRUMS, pitch, DRUM_DURATION, min(velocity + accent, 7)
            )
    return tuple(notes[key] for key in sorted(notes))


def crash(groove: Iterable[Note], heard: Collection[int]) -> tuple[Note, ...]:
    """Return the drums of the first bar of a section: with a crash cymbal where there is a kit."""
    notes = {(note.onset, note.pitch): note for note in groove}
    kick = _kick(heard)
    if kick is not None:
        velocity = max((note.velocity for note in notes.values()), default=DEFAULT_VELOCITY)
        for pitch in (kick, CRASH):
            notes[0, pitch] = Note(0, DRUMS, pitch, DRUM_DURATION, velocity)
    return tuple(notes[key] for key in sorted(notes))


def _kick(heard: Collection[int]) -> int | None:
    """Return the kick of a kit; None where there is none among the drums."""
    return next((each for each in _KICKS if each in heard), None)


def tonic_chord(bars: Sequence[Bar], mode: int | None = None) -> BarChord:
    """Return the tonic triad of bars in C.

    It is major (0) or minor (1) by the mode of their key; if none is known, by their thirds.
    """
    if mode is None:
        pitches = [
            note.pitch % 12 for bar in bars for note in bar.notes if note.instrument != DRUMS
        ]
        mode = int(pitches.count(3) > pitches.count(4))
    third = 3 if mode else 4
    return BarChord(0, 0, 0, frozenset({0, third, 7}))


def ending(bars: Sequence[Bar], chord: BarChord, bar_length: int) -> tuple[Note, ...]:
    """Return the last bar of a piece: every instrument holds the chord, from the first beat on.

    Parameters
    ----------
    bars : sequence of Bar
        The bars before.
    chord : BarChord
    bar_length : int
        Steps of the bar.
    """
    last: dict[int, list[Note]] = {}
    for bar in bars[-_LAST_BARS:]:
        onsets: dict[tuple[int, int], list[Note]] = {}
        for note in bar.notes:
            onsets.setdefault((note.instrument, note.onset), []).append(note)
        for (instrument, _), together in onsets.items():
            if len(together) >= len(last.get(instrument, ())) or is_monophonic(instrument):
                last[instrument] = together
    notes = []
    for instrument, together in sorted(last.items()):
        if instrument == DRUMS:
            heard = {note.pitch for bar in bars for note in bar.notes if note.instrument == DRUMS}
            kick = _kick(heard)
            kit = {note.pitch for note in together} if kick is None else {kick, CRASH}
            velocity = max(note.velocity for note in together)
            notes += [Note(0, DRUMS, pitch, DRUM_DURATION, velocity) for pitch in sorted(kit)]
            continue
        classes, above = set(chord.classes), 6
        if is_bass(instrument):
            classes, above = {chord.bass}, 1
        pitches: list[int] = []
        for note in together:
            free = [
                each
                for each in range(note.pitch + above - 12, note.pitch + above + 1)
                if each % 12 in classes and each not in pitches and 0 <= each < 128
            ]
            if free:
                pitches.append(min(free, key=lambda each: (abs(each - note.pitch), each)))
        notes += [
            Note(0, instrument, pitch, bar_length, together[0].velocity)
            for pitch in sorted(set(pitches))
        ]
    return tuple(sorted(notes))

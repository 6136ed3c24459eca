"""The tokens of scores: what there is, and what each means."""

from collections.abc import Container
from itertools import accumulate
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from segue.formats.score.general_midi import DRUM_NAMES, PROGRAM_NAMES

STEPS_PER_QUARTER: Final = 12
#: Beats, and of what a beat is: 4 a quarter, 8 an eighth.
METRES: Final = (
    *((beats, 2) for beats in (1, 2, 3, 4)),
    *((beats, 4) for beats in range(1, 9)),
    *((beats, 8) for beats in range(1, 13)),
    *((beats, 16) for beats in range(1, 13)),
)
DRUMS: Final = 128  # the instrument after the 128 programs
LOUDNESSES: Final = 8
USUAL_LOUDNESS: Final = 5
TEMPOS: Final = 31  # ninths of an octave, from 30 to 302 quarters a minute
USUAL_TEMPO: Final = 18
#: Lengths that one token tells; a longer note is told by so many times this, then the rest.
LENGTHS: Final = 48
LONGS: Final = 16
LONGEST: Final = LENGTHS * (LONGS + 1)
DRUM_LENGTH: Final = 1
#: Bars that are filled in at once at most.
FILLED: Final = 16

COUNTS: Final = {
    "begin": 1,
    "end": 1,
    "key": 24,
    "opening": 1,
    "fill": FILLED,
    "here": 1,
    "part": 1,
    "bar": len(METRES),
    "tempo": TEMPOS,
    "step": max(beats * 4 * STEPS_PER_QUARTER // unit for beats, unit in METRES),
    "instrument": DRUMS + 1,
    "pedal": 2,
    "loudness": LOUDNESSES,
    "pitch": 128,
    "drum": 128,
    "long": LONGS,
    "length": LENGTHS,
}
#: The first token of each kind, and how many tokens there are.
FIRST: Final = dict(zip(COUNTS, accumulate(COUNTS.values(), initial=0), strict=False))
VOCABULARY: Final = sum(COUNTS.values())
BEGIN: Final = FIRST["begin"]
END: Final = FIRST["end"]
#: What follows are a piece's first bars.
OPENING: Final = FIRST["opening"]
#: What stands after the bars to be filled in is over; now come those before them.
HERE: Final = FIRST["here"]
#: In a bar: now comes what the part to be added plays.
PART: Final = FIRST["part"]

KINDS: Final = tuple(kind for kind, count in COUNTS.items() for _ in range(count))
METRE_NUMBERS: Final = {metre: number for number, metre in enumerate(METRES)}

Tokens = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


class Note(NamedTuple):
    """A note on the grid: step of its bar, program or `DRUMS`, pitch, steps, loudness."""

    onset: int
    instrument: int
    pitch: int
    length: int
    loudness: int


class Pedal(NamedTuple):
    """A pedal pressed or lifted: step of its bar, program, 1 for down or 0 for up."""

    step: int
    instrument: int
    down: int


class Bar(NamedTuple):
    """A bar on the grid.

    Attributes
    ----------
    metre, tempo : int
        Their numbers.
    notes : tuple of Note
        By onset; what an instrument plays at one onset, by pitch.
    pedals : tuple of Pedal
        By step and instrument.
    """

    metre: int
    tempo: int
    notes: tuple[Note, ...]
    pedals: tuple[Pedal, ...] = ()

    @property
    def instruments(self) -> frozenset[int]:
        """Who plays here."""
        return frozenset(note.instrument for note in self.notes)

    def only(self, instruments: Container[int]) -> "Bar":
        """Return what some instruments play."""
        return self._replace(
            notes=tuple(note for note in self.notes if note.instrument in instruments),
            pedals=tuple(pedal for pedal in self.pedals if pedal.instrument in instruments),
        )

    def moved(self, semitones: int) -> "Bar":
        """Transpose all but the drums; what would leave the range of MIDI moves by an octave."""
        notes = tuple(
            note
            if note.instrument == DRUMS
            else note._replace(pitch=_in_range(note.pitch + semitones))
            for note in self.notes
        )
        return self._replace(notes=notes)


def home(key: int) -> int:
    """Return by how many semitones, -6 to 5, music in a key is moved to C."""
    return (-(key // 2) + 6) % 12 - 6


def _in_range(pitch: int) -> int:
    return pitch + 12 if pitch < 0 else pitch - 12 if pitch > 127 else pitch


def told(token: int) -> str:
    """Return what a token means, in a word or two; "pedal 1" presses it, "pedal 0" lifts it."""
    kind, number = KINDS[token], token - FIRST[KINDS[token]]
    names = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
    match kind:
        case "key":
            name = f"{names[number // 2]} {'minor' if number % 2 else 'major'}"
        case "fill":
            name = f"fill {number + 1} bars"
        case "bar":
            name = "bar {}/{}".format(*METRES[number])
        case "tempo":
            name = f"{bpm_of(number):.0f} bpm"
        case "instrument":
            name = "drums" if number == DRUMS else PROGRAM_NAMES[number]
        case "loudness":
            name = f"velocity {velocity_of(number)}"
        case "pitch" | "drum":
            name = f"{names[number % 12]}{number // 12 - 1}"
            if kind == "drum":
                name = DRUM_NAMES.get(number, f"drum {number}")
        case "long":
            name = f"{LENGTHS * (number + 1)} steps and"
        case "length":
            name = f"{number + 1} steps"
        case "step" | "pedal":
            name = f"{kind} {number}"
        case _:
            name = kind
    return name


def steps_of(metre: int) -> int:
    """Return the steps of a bar, by its metre's number."""
    beats, unit = METRES[metre]
    return beats * 4 * STEPS_PER_QUARTER // unit


def metre_advice(beats: int, unit: int) -> str:
    """Say which metres are known, and as what shorter bars one that is not may be written.

    Beats that come in threes stay together, as 9/4 in bars of 3/4; what cannot be divided evenly
    is two bars, the longer one first.
    """
    known = "those known go up to 4/2, 8/4, 12/8 and 12/16"
    threes = 3 if beats > 3 and beats % 3 == 0 else 1
    for shorter in range(beats - 1, 1, -1):
        if beats % shorter == 0 and shorter % threes == 0 and (shorter, unit) in METRE_NUMBERS:
            return f"{known}; write {beats}/{unit} as {beats // shorter} bars of {shorter}/{unit}"
    halves = (beats + 1) // 2, beats // 2
    if all((half, unit) in METRE_NUMBERS for half in halves):
        one, other = (f"{half}/{unit}" for half in halves)
        return f"{known}; write {beats}/{unit} as a bar of {one} and one of {other}"
    return known


def bpm_of(tempo: int) -> float:
    """Return quarters a minute, by a tempo's number."""
    return float(120 * 2 ** ((tempo - USUAL_TEMPO) / 9))


def velocity_of(loudness: int) -> int:
    """Return the MIDI velocity of a loudness."""
    return loudness * 16 + 8

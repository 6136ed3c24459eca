"""Staves of an instrument: its clefs, the hands of a keyboard player, the places of drums."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.records import BoolArray

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
    (24, 31, (TREBLE_8VB, BASS_8VB)),  # guitars; of some MIDI files the bass, too
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
    return float(_ledger_line_counts(clef, np.asarray(pitches)).mean())


def _ledger_line_counts(clef: Clef, pitches: NDArray[np.integer]) -> NDArray[np.integer]:
    steps = 7 * (pitches // 12) + _STEPS[pitches % 12] - clef.lowest
    return np.asarray(np.maximum(-steps // 2, 0) + np.maximum((steps - 8) // 2, 0))


# ---- hands -------------------------------------------------------------------------------

#: General MIDI: pianos, organs, harp. Those that reach from below to above are on two staves.
_KEYBOARDS: Final = frozenset([*range(8), *range(16, 21), 46])
_LOW, _HIGH = 53, 67
#: Lowest pitches of the right hand that are considered, and the cost of their distance in
#: semitones from one onset to the next, and from middle C.
_SPLITS: Final = np.arange(48, 75)
_CHANGE_COST: Final = 0.15
_OFF_MIDDLE_COST: Final = 0.03
#: Cost of each semitone that a hand has to stretch beyond an octave.
_STRETCH_COST: Final = 0.4
_REACH: Final = 12
#: A hand with a smaller share of the notes does not get a staff.
_MIN_HAND: Final = 0.03


def is_keyboard(program: int) -> bool:
    """Return whether a program of General MIDI is played with two hands on a keyboard, or harp."""
    return program in _KEYBOARDS


def split_hands(
    program: int, onsets: NDArray[np.int64], pitches: NDArray[np.int64]
) -> BoolArray | None:
    """Divide the notes of a keyboard player between the hands.

    The split pitch follows the music: the sequence of split pitches minimises ledger lines,
    stretches beyond an octave, and jumps of the split, by dynamic programming over the onsets.

    Parameters
    ----------
    program : int
        General MIDI, 0 to 127.
    onsets, pitches : ndarray, shape (n,), int64

    Returns
    -------
    ndarray, shape (n,), bool or None
        Whether a note is of the right hand; None where one staff is enough.
    """
    if not is_keyboard(program) or pitches.min() >= _LOW or pitches.max() <= _HIGH:
        return None
    places, index = np.unique(onsets, return_inverse=True)
    costs = np.abs(_SPLITS - 60) * _OFF_MIDDLE_COST + np.zeros((len(places), 1))
    is_right = pitches[:, None] >= _SPLITS
    for clef, in_hand in ((TREBLE, is_right), (BASS, ~is_right)):
        np.add.at(costs, index, in_hand * _ledger_line_counts(clef, pitches)[:, None])
        highest = np.full(costs.shape, -1)
        lowest = np.full(costs.shape, 128)
        np.maximum.at(highest, index, np.where(in_hand, pitches[:, None], -1))
        np.minimum.at(lowest, index, np.where(in_hand, pitches[:, None], 128))
        costs += _STRETCH_COST * np.maximum(highest - lowest - _REACH, 0)
    jumps = _CHANGE_COST * np.abs(_SPLITS[:, None] - _SPLITS)
    best, back = costs[0], np.zeros(costs.shape, np.int64)
    for number in range(1, len(places)):
        reached = best[:, None] + jumps
        back[number] = reached.argmin(axis=0)
        best = reached.min(axis=0) + costs[number]
    chosen = np.zeros(len(places), np.int64)
    chosen[-1] = best.argmin()
    for number in range(len(places) - 1, 0, -1):
        chosen[number - 1] = back[number, chosen[number]]
    right = pitches >= _SPLITS[chosen][index]
    return right if _MIN_HAND <= right.mean() <= 1 - _MIN_HAND else None


# ---- drums -------------------------------------------------------------------------------

#: Drums that feet play: bass drums and the pedal of the hi-hat.
_FOOT_DRUMS: Final = frozenset([35, 36, 44])
#: Staff position and note head of the drums of General MIDI, after the recommendations of the
#: Percussive Arts Society (Weinberg, "Guide to Standardized Drumset Notation", 1998).
_DRUM_POSITIONS: Final = {
    35: "E4", 36: "F4", 37: "C5 x", 38: "C5", 39: "D5 x", 40: "C5 diamond", 41: "G4", 42: "G5 x",
    43: "A4", 44: "D4 x", 45: "B4", 46: "G5 circle-x", 47: "D5", 48: "E5", 49: "A5 x", 50: "E5",
    51: "F5 x", 52: "B5 x", 53: "F5 diamond", 54: "A5 triangle", 55: "B5 diamond",
    56: "E5 triangle", 57: "B5 circle-x", 59: "F5 circle-x", 60: "E5", 61: "D5", 62: "E5 x",
    63: "E5", 64: "A4", 65: "E5", 66: "D5", 67: "E5 triangle", 68: "D5 triangle", 69: "F5 x",
    70: "F5 x", 75: "G5 x",
    76: "E5 triangle", 77: "D5 triangle", 80: "A5 x", 81: "A5 circle-x",
}  # fmt: skip
_OTHER_DRUM: Final = "C5 slash"


def is_foot_drum(pitch: int) -> bool:
    """Return whether feet play a drum of General MIDI."""
    return pitch in _FOOT_DRUMS


def drum_position(pitch: int) -> tuple[str, str]:
    """Return the staff position ("C5") and the note head of MusicXML, "" for the usual one."""
    position, _, shape = _DRUM_POSITIONS.get(pitch, _OTHER_DRUM).partition(" ")
    return position, shape

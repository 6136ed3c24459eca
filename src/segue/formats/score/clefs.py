"""Clefs: which one a part is written in, by its instrument and by where its notes lie."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray


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

#: Mean ledger lines a note that each clef further down an instrument's list must save.
_PREFERENCE: Final = 0.4
_SUNG: Final = range(52, 55)  # General MIDI's voices
_ANY: Final = (TREBLE, BASS)
#: First and last General MIDI program, and the clefs its players read, the usual one first. Other
#: instruments are written in the treble or the bass clef.
_READ: Final[tuple[tuple[int, int, tuple[Clef, ...]], ...]] = (
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
#: Which clef a voice of that name sings from, whatever its range.
_VOICES: Final = {
    "soprano": TREBLE, "mezzo": TREBLE, "alto": TREBLE, "tenor": TREBLE_8VB, "baritone": BASS,
    "bass": BASS,
}  # fmt: skip
_STEPS: Final = np.array([0, 0, 1, 1, 2, 3, 3, 4, 4, 5, 5, 6])  # of C, C#, D …


def clef_of(
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
        Of the part; that of a voice, "Tenor 1", tells its clef.

    Returns
    -------
    Clef
        Of those that the instrument's players read, the one with the fewest ledger lines; a less
        usual one has to save some.
    """
    if is_drum:
        return PERCUSSION
    if program in _SUNG and (voice := name.casefold().split(" ")[0]) in _VOICES:
        return _VOICES[voice]
    read = next((clefs for first, last, clefs in _READ if first <= program <= last), _ANY)
    costs = [
        ledger_lines(clef, pitches) + number * _PREFERENCE * (read is not _ANY)
        for number, clef in enumerate(read)
    ]
    return read[int(np.argmin(costs))]


def of_keyboard(number: int) -> Clef:
    """Return the clef of a keyboard's upper (0) or lower (1) staff."""
    return (TREBLE, BASS)[number]


def ledger_lines(clef: Clef, pitches: NDArray[np.int32] | Sequence[int]) -> float:
    """Count the ledger lines that notes need on a staff, as the mean of all notes."""
    found = np.asarray(pitches)
    steps = 7 * (found // 12) + _STEPS[found % 12] - clef.lowest
    below, above = -steps // 2, (steps - 8) // 2
    return float((np.maximum(below, 0) + np.maximum(above, 0)).mean())

"""Instruments by the names that musicians say, and how low and high they play."""

import difflib
from typing import Final

from segue.errors import BadArgument
from segue.formats.score.general_midi import PROGRAM_NAMES
from segue.represent.score.vocabulary import DRUMS

#: What a name stands for that is none of General MIDI's own.
_MEANT: Final = {
    "piano": 0, "electric piano": 4, "organ": 16, "guitar": 24, "acoustic guitar": 25,
    "electric guitar": 27, "bass": 33, "electric bass": 33, "contrabass": 43, "strings": 48,
    "choir": 52, "voice": 53, "brass": 61, "sax": 65, "saxophone": 66, "horn": 60,
    "synth": 81, "lead": 81, "pad": 89, "drums": DRUMS, "percussion": DRUMS,
}  # fmt: skip

#: First and last program, lowest and highest MIDI pitch that it plays, and between which it plays
#: mostly, as sounding; handbooks of orchestration agree to within some semitones. All 128 programs.
_RANGES: Final = (
    # keyboards, tuned percussion, organs and accordions
    (0, 7, 21, 108, 36, 91), (8, 8, 60, 108, 60, 103), (9, 9, 72, 108, 79, 103),
    (10, 10, 48, 108, 60, 96), (11, 11, 53, 89, 53, 89), (12, 12, 36, 96, 45, 89),
    (13, 13, 60, 108, 65, 103), (14, 14, 48, 84, 60, 77), (15, 15, 48, 96, 55, 91),
    (16, 20, 24, 108, 36, 91), (21, 23, 36, 101, 53, 88),
    # guitars, basses
    (24, 31, 40, 88, 40, 79), (32, 37, 28, 60, 28, 48), (38, 39, 24, 60, 28, 48),
    # bowed and plucked strings, timpani, sections, choirs
    (40, 40, 55, 103, 55, 88), (41, 41, 48, 91, 48, 76), (42, 42, 36, 84, 36, 64),
    (43, 43, 24, 67, 28, 50), (44, 45, 28, 103, 36, 88), (46, 46, 23, 103, 36, 91),
    (47, 47, 36, 60, 41, 57), (48, 51, 24, 103, 36, 88), (52, 54, 36, 89, 41, 81),
    (55, 55, 36, 89, 36, 89),
    # brass
    (56, 56, 52, 86, 55, 82), (57, 57, 34, 77, 40, 70), (58, 58, 26, 65, 28, 55),
    (59, 59, 52, 86, 55, 82), (60, 60, 34, 77, 41, 74), (61, 63, 28, 89, 40, 79),
    # reeds, pipes
    (64, 64, 56, 91, 58, 87), (65, 65, 49, 85, 49, 80), (66, 66, 44, 80, 44, 75),
    (67, 67, 36, 75, 36, 68), (68, 68, 58, 93, 60, 88), (69, 69, 52, 84, 52, 79),
    (70, 70, 34, 77, 34, 67), (71, 71, 50, 94, 50, 86), (72, 72, 74, 108, 74, 103),
    (73, 73, 59, 98, 60, 93), (74, 79, 60, 98, 60, 91),
    # synthesisers: leads, pads, effects
    (80, 86, 21, 108, 48, 91), (87, 87, 21, 108, 28, 84), (88, 95, 21, 108, 36, 84),
    (96, 103, 21, 108, 36, 91),
    # of other traditions
    (104, 104, 40, 88, 48, 79), (105, 105, 48, 88, 50, 84), (106, 106, 45, 88, 50, 79),
    (107, 107, 36, 93, 43, 84), (108, 108, 48, 93, 55, 84), (109, 109, 57, 84, 57, 84),
    (110, 110, 55, 103, 55, 88), (111, 111, 50, 91, 55, 86),
    # percussion with a pitch, noises
    (112, 113, 60, 108, 60, 103), (114, 114, 48, 96, 52, 88), (115, 115, 48, 108, 60, 96),
    (116, 119, 24, 84, 36, 72), (120, 127, 21, 108, 21, 108),
)  # fmt: skip
_OF_DRUMS: Final = (27, 87)

#: Bass guitars, double bass, tuba.
_BASSES: Final = frozenset({*range(32, 40), 43, 58})

#: Programs of basses, solo strings, brass but for its sections, reeds and pipes.
_ALONE: Final = frozenset({*range(32, 44), *range(56, 61), *range(64, 80)})


def range_of(instrument: int) -> tuple[int, int]:
    """Return the lowest and highest MIDI pitch that a program or `DRUMS` plays."""
    return _row(instrument)[:2]


def register_of(instrument: int) -> tuple[int, int]:
    """Return the lowest and highest MIDI pitch of a program's, or `DRUMS`', usual register."""
    return _row(instrument)[2:]


def _row(instrument: int) -> tuple[int, int, int, int]:
    if instrument == DRUMS:
        return _OF_DRUMS * 2
    return next(row[2:] for row in _RANGES if row[0] <= instrument <= row[1])


def plays_bass(instrument: int) -> bool:
    """Tell whether a program, or `DRUMS`, plays below all others, and mostly the chords' roots."""
    return instrument in _BASSES


def sounds_alone(instrument: int) -> bool:
    """Tell whether a program plays one note at a time, as winds do, basses and bows mostly."""
    return instrument in _ALONE


def instrument_named(name: str) -> int:
    """Find an instrument.

    Parameters
    ----------
    name : str
        As musicians say, "bass" or "drums", a name of General MIDI, "fretless bass", or the
        number of a program, from 0.

    Returns
    -------
    int
        The program, or `DRUMS`.

    Raises
    ------
    BadArgument
        There is none; the text names the nearest.
    """
    known = {called: number for number, called in enumerate(PROGRAM_NAMES)} | _MEANT
    wanted = " ".join(name.casefold().split())
    if wanted in known:
        return known[wanted]
    if wanted.isdecimal() and int(wanted) < DRUMS:
        return int(wanted)
    nearest = difflib.get_close_matches(wanted, known, n=3, cutoff=0.5)
    meant = f"did you mean {', '.join(nearest)}?" if nearest else "piano, bass, drums, flute …"
    raise BadArgument(f"no instrument {name!r}; {meant}")


def instrument_name(instrument: int) -> str:
    """Return what a program, or `DRUMS`, is called."""
    return "drums" if instrument == DRUMS else PROGRAM_NAMES[instrument]

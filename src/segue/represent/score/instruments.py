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

#: First and last program, lowest and highest MIDI pitch, as sounding; handbooks of orchestration
#: agree to within some semitones.
_RANGES: Final = (
    (0, 7, 21, 108), (8, 8, 60, 108), (9, 9, 72, 108), (10, 10, 48, 108), (11, 11, 53, 89),
    (12, 12, 36, 96), (13, 13, 60, 108), (14, 14, 48, 84), (15, 15, 48, 96), (16, 20, 24, 108),
    (21, 23, 36, 101), (24, 31, 40, 88), (32, 39, 23, 67), (40, 40, 55, 103), (41, 41, 48, 91),
    (42, 42, 36, 84), (43, 43, 23, 67), (44, 45, 28, 103), (46, 46, 23, 103), (47, 47, 36, 60),
    (48, 51, 24, 103), (52, 55, 36, 89), (56, 56, 52, 86), (57, 57, 34, 77), (58, 58, 26, 65),
    (59, 59, 52, 86), (60, 60, 34, 77), (61, 63, 28, 89), (64, 64, 56, 91), (65, 65, 49, 85),
    (66, 66, 44, 80), (67, 67, 36, 75), (68, 68, 58, 93), (69, 69, 52, 84), (70, 70, 34, 77),
    (71, 71, 50, 94), (72, 72, 74, 108), (73, 73, 59, 98), (74, 79, 60, 98), (105, 105, 48, 88),
    (109, 109, 57, 84), (110, 110, 55, 103),
)  # fmt: skip

#: Programs of basses, solo strings, brass but for its sections, reeds and pipes.
_ALONE: Final = frozenset({*range(32, 44), *range(56, 61), *range(64, 80)})


def range_of(instrument: int) -> tuple[int, int]:
    """Return the lowest and highest MIDI pitch that a program or `DRUMS` plays."""
    for first, last, low, high in _RANGES:
        if first <= instrument <= last:
            return low, high
    return (27, 87) if instrument == DRUMS else (21, 108)


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

"""Pitches and keys: pitch classes, spelling, key signatures, key profiles, Camelot and Open Key.

Names are spelled on the line of fifths, … Bb F C G D A E B F# C# …, where C is at position 0, G at
1 and F at -1; seven positions up is the same letter, raised by a semitone.
"""

import re
from functools import cache
from typing import Final

import numpy as np

from segue.errors import BadArgument
from segue.records import FloatArray

PITCH_CLASSES: Final = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
MODES: Final = ("major", "minor")
MAJOR_SCALE: Final = (0, 2, 4, 5, 7, 9, 11)
MINOR_SCALE: Final = (0, 2, 3, 5, 7, 8, 10)  # the natural one
#: Semitones of the letters above C.
LETTER_SEMITONES: Final = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
#: Semitones of accidentals.
ACCIDENTALS: Final = {"#": 1, "♯": 1, "b": -1, "♭": -1, "x": 2, "𝄪": 2, "𝄫": -2}
#: The order of the sharps in a key signature; flats come in the reverse order.
_FIFTHS: Final = "FCGDAEB"
_MAX_SHARPS: Final = 7
_KEY: Final = re.compile(r"([A-Ga-g])([#♯b♭]?)\s*(m|min|minor|major|maj)?", re.IGNORECASE)

# How often each degree sounds in a key, from the tonic up (Albrecht & Shanahan 2013).
_PROFILES: Final = {
    "major": (0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081),
    "minor": (0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052),
}


# ---- pitches -----------------------------------------------------------------------------


def pitch_class(name: str) -> int:
    """Return the pitch class of a name such as "Bb"; 0 is C."""
    return (LETTER_SEMITONES[name[0]] + sum(ACCIDENTALS[sign] for sign in name[1:])) % 12


def fifths_name(position: int) -> str:
    """Return the name at a position on the line of fifths: "C" at 0, "F#" at 6, "Bb" at -2."""
    sharps, letter = divmod(position + 1, 7)
    return _FIFTHS[letter] + ("#" * sharps if sharps >= 0 else "b" * -sharps)


def fifths_position(name: str) -> int:
    """Return the position of a name on the line of fifths: 0 of "C", -2 of "Bb"."""
    return _FIFTHS.index(name[0]) - 1 + 7 * sum(ACCIDENTALS[sign] for sign in name[1:])


def spell_pitch(pitch: int, sharps: int) -> tuple[str, int, int]:
    """Spell a MIDI pitch in a key.

    Chromatic pitches take the nearer name on the line of fifths: in C major from E flat to G
    sharp, which covers the leading notes of the neighbouring keys.

    Parameters
    ----------
    pitch : int
    sharps : int
        Number of sharps of the key signature; negative for flats.

    Returns
    -------
    letter : str
    alteration : int
        In semitones.
    octave : int
        Middle C is in octave 4.
    """
    lowest = sharps - 3
    position = lowest + (pitch * 7 - lowest) % 12
    alteration, letter = divmod(position + 1, 7)
    return _FIFTHS[letter], alteration, (pitch - alteration) // 12 - 1


# ---- keys --------------------------------------------------------------------------------


def signature_accidentals(sharps: int) -> dict[str, int]:
    """Return by how many semitones a key signature alters each letter that it alters."""
    order, step = (_FIFTHS, 1) if sharps > 0 else (_FIFTHS[::-1], -1)
    accidentals: dict[str, int] = {}
    for number in range(abs(sharps)):
        letter = order[number % 7]
        accidentals[letter] = accidentals.get(letter, 0) + step
    return accidentals


def key_signature(tonic: int, *, is_minor: bool, near: int = 0) -> int:
    """Return the number of sharps in the signature of a key; flats are negative.

    Parameters
    ----------
    tonic : int
        Pitch class, 0 for C.
    is_minor : bool
    near : int
        Sharps of the music around it, by which one of two enharmonic keys (F# and Gb major) is
        chosen.

    Returns
    -------
    int
        From -5 to 6 where `near` is 0, else from -7 to 7.
    """
    sharps = (7 * (tonic + 3 * is_minor) + 5) % 12 - 5
    enharmonic = [other for other in (sharps - 12, sharps + 12) if abs(other) <= _MAX_SHARPS]
    return min([sharps, *enharmonic], key=lambda count: abs(count - near))


def spell_tonic(tonic: int, *, is_minor: bool, near: int = 0) -> str:
    """Spell the tonic of a key: "Db" rather than "C#" major; see `key_signature`."""
    return fifths_name(key_signature(tonic, is_minor=is_minor, near=near) + 3 * is_minor)


def parse_key(key: str) -> tuple[int, bool]:
    """Return the pitch class of a key's tonic, and whether the key is minor.

    Parameters
    ----------
    key : str
        "C", "F#", "Am", "Bb minor"; a lower-case tonic alone is minor.

    Raises
    ------
    BadArgument
    """
    match = _KEY.fullmatch(key.strip())
    if not match:
        raise BadArgument(f"{key!r} is no key; write C, F#, Am or 'Bb minor'")
    letter, mode = match[1], match[3] or ""
    tonic = LETTER_SEMITONES[letter.upper()] + ACCIDENTALS.get(match[2], 0)
    is_minor = mode == "m" or mode.casefold().startswith("min")
    return tonic % 12, is_minor or (not mode and letter.islower())


def key_correlations(chroma: FloatArray) -> FloatArray:
    """Correlate the shares of pitch classes with the profile of each key.

    Parameters
    ----------
    chroma : ndarray, shape (12,)
        From C; their sum does not matter.

    Returns
    -------
    ndarray, shape (24,), float32
        -1 to 1, the twelve major keys from C, then the minor ones; 0 for constant chroma.
    """
    centred = chroma - chroma.mean()
    norm = float(np.linalg.norm(centred))
    if norm < 1e-6:
        return np.zeros(24, np.float32)
    return np.asarray(_key_profiles() @ (centred / norm), dtype=np.float32)


@cache
def _key_profiles() -> FloatArray:
    """Return zero-mean profiles of unit norm, shape (24, 12)."""
    rows = []
    for mode in MODES:
        profile = np.array(_PROFILES[mode])
        profile = (profile - profile.mean()) / (profile.std() * np.sqrt(12))
        rows += [np.roll(profile, tonic) for tonic in range(12)]
    return np.array(rows, dtype=np.float32)


# ---- Camelot wheel -----------------------------------------------------------------------

_C_MAJOR_HOUR: Final = 8  # 8B on the Camelot wheel is 1d in Open Key


@cache
def camelot(key: str) -> str:
    """Return the Camelot code of a key: "8B" for "C major", "8A" for "A minor".

    A fifth up is one hour later; a major key and its relative minor share an hour.

    Returns
    -------
    str
        "" for a text that is no key.
    """
    hour, mode = _camelot_hour(key)
    return f"{hour}{'B' if mode == 'major' else 'A'}" if hour else ""


def open_key(key: str) -> str:
    """Return the Open Key code of a key: "1d" for "C major"; "" for a text that is no key."""
    hour, mode = _camelot_hour(key)
    return f"{(hour - _C_MAJOR_HOUR) % 12 + 1}{'d' if mode == 'major' else 'm'}" if hour else ""


def _camelot_hour(key: str) -> tuple[int, str]:
    """Return the hour of a key on the Camelot wheel, from 1, and its mode; 0 for no key."""
    tonic, _, mode = key.partition(" ")
    if mode not in MODES or not re.fullmatch("[A-G][#b]?", tonic):
        return 0, ""
    relative_major = pitch_class(tonic) + 3 * (mode == "minor")
    return (7 + 7 * relative_major) % 12 + 1, mode

"""Single tokens of Humdrum **kern: notes, lengths, keys, time signatures, barlines, instruments."""

import re
from dataclasses import dataclass
from typing import Final

#: Units of time in a quarter: all tuplets of up to 24, 2048ths and dots come out whole.
PER_QUARTER: Final = 32 * 5_354_228_880
_WHOLE: Final = 4 * PER_QUARTER
_SNARE: Final = 38
_LENGTH: Final = re.compile(r"(\d{1,6})(?:%(\d{1,6}))?")
_PITCH: Final = re.compile(r"(([A-Ga-g])\2{0,9})(#{1,3}|-{1,3})?")
_STEPS: Final = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_METRE: Final = re.compile(r"\*M(\d{1,3}(?:\+\d{1,3})*)/(\d{1,3})")
_SIGNATURE: Final = re.compile(r"\*k\[((?:[a-g](?:#|-|n)+)*)\]")
_KEY: Final = re.compile(r"\*([A-Ga-g])[#-]*:")
_TRANSPOSED: Final = re.compile(r"\*Trd-?\d{1,2}c(-?\d{1,2})")
_TEMPO: Final = re.compile(r"\*MM(\d{1,4}(?:\.\d+)?)")
#: What the codes of **kern's instruments sound as in General MIDI.
_PROGRAMS: Final = {
    "soprn": 52, "mezzo": 52, "calto": 52, "tenor": 52, "barit": 52, "bass": 52, "vox": 52,
    "feme": 52, "male": 52, "nfant": 52, "recit": 52, "lyrsp": 52, "drmsp": 52, "colsp": 52,
    "alto": 52, "ctenor": 52, "counter": 52, "bspro": 52, "bspco": 52, "cantus": 52, "quint": 52,
    "violn": 40, "viola": 41, "cello": 42, "cbass": 43, "vioda": 42, "viols": 40, "violt": 41,
    "violb": 42, "violp": 41, "viold": 41, "piano": 0, "forte": 0, "cemba": 6, "clavi": 7,
    "klav": 0, "organ": 19, "pipe": 19, "porta": 19, "posit": 19, "harmo": 20, "celst": 8,
    "flt": 73, "flute": 73, "picco": 72, "flt_a": 73, "flt_b": 73, "oboe": 68, "oboeD": 68,
    "cangl": 69, "clars": 71, "clarp": 71, "clara": 71, "clarb": 71, "bclar": 71, "fagot": 70,
    "contr": 70, "horn": 60, "tromp": 56, "cor": 60, "cornm": 56, "cornt": 56, "tromt": 57,
    "trombt": 57, "tromb": 57, "trmba": 57, "tuba": 58, "timpa": 47, "recrd": 74, "flts": 74,
    "flta": 74, "fltt": 74, "fltb": 74, "saxas": 65, "saxs": 64, "saxa": 65, "saxt": 66,
    "saxr": 67, "saxbs": 67, "guitr": 24, "lute": 24, "liuto": 24, "theorb": 24, "tiorb": 24,
    "harp": 46, "banjo": 105, "mando": 25, "bagpi": 109, "accor": 21, "armon": 22, "glock": 9,
    "marim": 12, "vibra": 11, "xylo": 13, "chime": 14, "strgs": 48, "zithr": 15, "sitar": 104,
    "shaku": 77, "koto": 107, "shami": 106,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sound:
    """A note of a token: its pitch, its length in units, its ties, and whether it is a drum."""

    pitch: int
    length: int
    tied_from: bool
    tied_to: bool
    drum: bool = False


def read_data(token: str) -> tuple[int | None, list[Sound]]:
    """Read a token of notes or a rest.

    Parameters
    ----------
    token : str
        Of the notes of a chord, one after another: "4c 4e 4g".

    Returns
    -------
    int or None
        How long it lasts, in units; None of grace notes, and of what has no length.
    list of Sound
        None of rests and grace notes.
    """
    lasts: int | None = None
    sounds = []
    for note in token.split():
        if "q" in note or "Q" in note:
            continue
        length = _length(note)
        if length is None:
            length = lasts
        if length is None:
            continue
        lasts = length if lasts is None else lasts
        found = _PITCH.search(note)
        if found and "r" not in note and length:
            letters, letter, signs = found.groups()
            octaves = len(letters) - 1 if letter.islower() else -len(letters)
            sign = (signs or "").count("#") - (signs or "").count("-")
            pitch = 60 + _STEPS[letter.upper()] + 12 * octaves + sign
            drum = "R" in note  # of no pitch: the letter tells the line only
            if 0 <= pitch <= 127:
                ties = "]" in note or "_" in note, "[" in note or "_" in note
                sounds.append(Sound(_SNARE if drum else pitch, length, *ties, drum))
    return lasts, sounds


def _length(note: str) -> int | None:
    """Return how long a note lasts: 4 is a quarter, 0 a breve, 3%2 two thirds of a whole."""
    match = _LENGTH.search(note)
    if not match:
        return None
    digits, under = match.groups()
    if digits.strip("0"):
        length = _WHOLE * int(under or 1) // int(digits)
    else:
        length = _WHOLE << min(len(digits), 3)
    dots = min(note.count("."), 4)
    return 2 * length - (length >> dots)


def metre_of(token: str) -> tuple[int, int] | None:
    """Return beats and unit of a time signature; None if it is none that can be."""
    match = _METRE.fullmatch(token)
    if not match:
        return None
    beats, unit = sum(map(int, match[1].split("+"))), int(match[2])
    if unit == 0:  # a breve
        beats, unit = 2 * beats, 1
    return (beats, unit) if beats and unit in {1, 2, 4, 8, 16, 32, 64} else None


def sharps_of(token: str) -> int | None:
    """Return how many sharps a key signature has, below 0 flats; None if it is none."""
    match = _SIGNATURE.fullmatch(token)
    return match[1].count("#") - match[1].count("-") if match else None


def is_minor(token: str) -> bool | None:
    """Tell whether a key is minor, None if the token is no key."""
    match = _KEY.match(token)
    return match[1].islower() if match else None


def tempo_of(token: str) -> float | None:
    """Return quarters a minute."""
    match = _TEMPO.fullmatch(token)
    return float(match[1]) if match else None


def transposed_by(token: str) -> int | None:
    """Return by how many semitones what follows is higher than it sounds.

    Instruments that transpose (``*ITrd1c2``) are written as they sound.
    """
    match = _TRANSPOSED.fullmatch(token)
    return int(match[1]) if match else None


def program_of(code: str) -> int | None:
    """Return the program of an instrument's code, "violn"; None of one that is not known."""
    return _PROGRAMS.get(code)


def repeats_of(token: str) -> tuple[bool, bool]:
    """Tell of a barline whether it ends a repeat, and whether it begins one."""
    signs = token.lstrip("=").lstrip("0123456789abcdefghijklmnopqrstuvwxyz")
    return bool(re.search(r":[|!]", signs)), bool(re.search(r"[|!]:", signs))

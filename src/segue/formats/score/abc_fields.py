"""The fields of an ABC tune, from letters to numbers: metre, key, tempo, clef, endings; chords."""

import re
from fractions import Fraction
from typing import Final

from segue.formats.score.abc_voices import SIGNS

_KEY: Final = re.compile(r"\s*([A-G])([#b]?)\s*([A-Za-z]*)")
_SIGNED: Final = re.compile(r"(?<![\w=])(\^{1,2}|_{1,2}|=)([a-gA-G])(?![\w=])")
_CLEF: Final = re.compile(r"\b(?:treble|bass|alto|tenor|perc|none|[GFC]\d?)\d?([+-])(8|15)\b")
_OCTAVE: Final = re.compile(r"\boctave\s*=\s*([+-]?\d)\b")
_TRANSPOSE: Final = re.compile(r"\btranspose\s*=\s*([+-]?\d{1,2})\b")
_UNIT: Final = re.compile(r"\s*1(?:/(\d{1,3})\b|\s*$)")
_BEATS: Final = re.compile(r"\(?\s*(\d{1,3}(?:\s*\+\s*\d{1,3})*)\s*\)?\s*/\s*(\d{1,3})")
_TEMPO: Final = re.compile(r"((?:\d{1,3}/\d{1,3}\s*)+|[A-G]\d*)?\s*=?\s*(\d{1,4}(?:\.\d+)?)\s*$")
#: What may stand above a tune and be a chord: not "Fine", and not "D.C.".
_CHORD: Final = re.compile(
    r"(?P<chord>[A-G][#b♯♭]?"
    r"(?:maj|min|dim|aug|sus|add|alt|omit|no|dom|ma|mi|[mMo+°ø^Δ#b♯♭(), /\d-])*?)"
    r"(?:/(?P<bass>[A-Ga-g])(?P<sign>[#b♯♭+]?))?"
)
_SILENCE: Final = re.compile(r"n\.?\s?c\.?|no chord", re.IGNORECASE)
_OTHERWISE: Final = re.compile(r"[;\n]|\s*\((?=[A-G])")  # "G(Em)" and "G;Em": Em in place of G
_MODES: Final = {
    "": 0, "maj": 0, "ion": 0, "m": -3, "min": -3, "aeo": -3, "mix": -1, "dor": -2, "phr": -4,
    "lyd": 1, "loc": -5,
}  # fmt: skip
_SHARPS: Final = {"F": -1, "C": 0, "G": 1, "D": 2, "A": 3, "E": 4, "B": 5}


def metre_of(text: str, before: tuple[int, int]) -> tuple[int, int]:
    """Return beats and unit; what was before where the field tells none that can be."""
    told = text.strip()
    if told.startswith("C|"):
        return 2, 2
    if told.startswith("C"):
        return 4, 4
    match = _BEATS.match(told)
    if not match:
        return before
    beats, unit = sum(map(int, match[1].split("+"))), int(match[2])
    return (beats, unit) if 0 < beats <= 64 and unit in {1, 2, 4, 8, 16, 32, 64} else before


def key_of(text: str) -> tuple[tuple[int, int], dict[str, int]] | None:
    """Read a key.

    Parameters
    ----------
    text : str
        "D", "Am", "E dorian", "D exp _e", "HP" for Highland pipes, "none".

    Returns
    -------
    tuple, or None where the field tells of a clef alone
        Sharps, and 1 for minor; by how many semitones each letter is altered.
    """
    match = _KEY.match(text)
    sharps, minor = 0, 0
    if text.strip()[:2] in {"HP", "Hp"}:
        sharps = 2
    elif match:
        name = "" if match[3] == "M" else match[3].lower()[:3]
        sharps = _SHARPS[match[1]] + {"": 0, "#": 7, "b": -7}[match[2]] + _MODES.get(name, 0)
        minor = int(name in {"m", "min", "aeo"})
        sharps = 0 if name == "exp" else sharps
    elif not text.strip().lower().startswith("none") and not _SIGNED.search(text):
        return None
    order = "FCGDAEB"
    signature: dict[str, int] = {}
    for number in range(abs(sharps)):
        letter = order[number % 7] if sharps > 0 else order[::-1][number % 7]
        signature[letter] = signature.get(letter, 0) + (1 if sharps > 0 else -1)
    for sign, letter in _SIGNED.findall(text):
        signature[letter.upper()] = SIGNS[sign]
    return (sharps, minor), signature


def octave_of(text: str) -> int | None:
    """Return by how many octaves a key or a voice is moved, or else its clef; None if not told."""
    if told := _OCTAVE.search(text):
        return int(told[1])
    if clef := _CLEF.search(text):
        return (1 if clef[1] == "+" else -1) * (2 if clef[2] == "15" else 1)
    return None


def transpose_of(text: str) -> int | None:
    """Return by how many semitones a key or a voice is transposed; None if that is not told."""
    told = _TRANSPOSE.search(text)
    return int(told[1]) if told else None


def unit_of(text: str) -> Fraction | None:
    """Return the unit note length, as a part of a whole note; None if none is told."""
    match = _UNIT.match(text)
    return Fraction(1, max(int(match[1] or 1), 1)) if match else None


def tempo_of(text: str, unit: Fraction) -> float:
    """Return quarters a minute, 0 if the field tells none."""
    match = _TEMPO.search(re.sub(r'"[^"]*"?', " ", text).strip())
    if not match:
        return 0.0
    beat = Fraction(1, 4)
    if match[1] and "/" in match[1]:
        pairs = [fraction.split("/") for fraction in match[1].split()]
        beat = sum((Fraction(int(a), max(int(b), 1)) for a, b in pairs), Fraction(0))
    elif match[1]:
        beat = unit * int(match[1][1:3] or 1)
    return float(match[2]) * float(beat) * 4


def chord_of(text: str) -> str:
    """Return the chord symbol that a quoted text is, a bass in small letters as a capital.

    "" of what is said in words, or placed by a sign as remarks are; of two chords to choose from,
    the first one.
    """
    text = _OTHERWISE.split(text.strip())[0].strip()
    if _SILENCE.fullmatch(text):
        return "N.C."
    found = _CHORD.fullmatch(text)
    if not found:
        return ""
    sign = found["sign"] or ""
    bass = f"/{found['bass'].upper()}{'#' if sign == '+' else sign}" if found["bass"] else ""
    return found["chord"].strip() + bass


def endings_of(ending: str) -> frozenset[int]:
    """Return the numbers of ``1,3`` or ``1-3``."""
    found: set[int] = set()
    for part in ending.split(","):
        first, _, last = part.partition("-")
        low = int(first[:2] or 0)
        found |= set(range(low, max(int(last[:2] or 0) if last.isdigit() else low, low) + 1))
    return frozenset(n for n in found if 0 < n <= 32)

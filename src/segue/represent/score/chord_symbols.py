"""Chord symbols as musicians write them: "F#m7b5", "Bb/D", "C6/9", "Eø", "G7alt", "N.C.".

A symbol is a root, what kind of triad stands on it, how far thirds are piled up (7, 9, 11, 13),
and what is altered, added or left out; behind a slash stands the bass. There are many ways to
write each of these; all that are common are read.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import Final

from segue.errors import BadArgument

#: The root where there is no chord.
SILENT: Final = -1
LETTERS: Final = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_ACCIDENTALS: Final = {"#": 1, "♯": 1, "b": -1, "♭": -1, "x": 2, "𝄪": 2, "𝄫": -2}
_NO_CHORD: Final = ("n.c.", "n.c", "nc", "n", "no chord")
_ROOT: Final = re.compile(r"([A-G])([#♯b♭x𝄪𝄫]{0,2})")

#: How the kind of a chord may be written, longest first, and what it is.
_KINDS: Final[tuple[tuple[str, str], ...]] = (
    ("major", "major"), ("minor", "minor"), ("hdim", "half"), ("maj", "major"), ("Maj", "major"),
    ("MAJ", "major"), ("min", "minor"), ("Min", "minor"), ("MIN", "minor"), ("dim", "diminished"),
    ("aug", "augmented"), ("dom", "dominant"), ("ma", "major"), ("mi", "minor"), ("M", "major"),
    ("Δ", "delta"), ("△", "delta"), ("^", "delta"), ("m", "minor"), ("-", "minor"), ("−", "minor"),
    ("ø", "half"), ("Ø", "half"), ("h", "half"), ("°", "diminished"), ("º", "diminished"),
    ("o", "diminished"), ("+", "augmented"), ("%", "half"),
)  # fmt: skip
_TRIADS: Final = {
    "": (0, 4, 7), "major": (0, 4, 7), "delta": (0, 4, 7), "dominant": (0, 4, 7),
    "minor": (0, 3, 7), "diminished": (0, 3, 6), "half": (0, 3, 6), "augmented": (0, 4, 8),
}  # fmt: skip
#: Digits alone that pile up nothing.
_BARE: Final = {"5": (0, 7), "2": (0, 2, 4, 7), "4": (0, 5, 7)}
_SEVENTHS: Final = {"major": 11, "delta": 11, "diminished": 9}
#: What is piled up, in semitones above the root; with 13 the 11th is left out, as it is played.
_PILED: Final = {"7": (), "9": (14,), "11": (14, 17), "13": (14, 21)}
#: Semitones of degrees as they are altered or added.
_DEGREES: Final = {
    "2": 2, "3": 4, "4": 5, "5": 7, "6": 9, "7": 10, "9": 14, "11": 17, "13": 21,
}  # fmt: skip
_PILE: Final = re.compile(r"69|6/9|13|11|9|7|6")
_MORE: Final = re.compile(
    r"(?P<seventh>(?:maj|Maj|ma|M|Δ|△|\^)(?:7|9|11|13)?)"
    r"|(?P<sus>sus(?:2(?:sus)?4|4(?:sus)?2|2|4|9)?)"
    r"|(?P<alt>alt)"
    r"|(?:add|\+)?(?P<altered>[#♯b♭+−-])(?P<degree>13|11|9|6|5|4|3|2)"
    r"|add(?P<added>13|11|9|7|6|5|4|3|2)"
    r"|(?:no|omit)(?P<left>3|5|7)(?:rd|th)?"
    r"|/(?P<nine>9)(?![0-9])"
    r"|(?P<raised>\+|aug)(?![0-9])"
)
#: "(9, 13)", not "(6/9)".
_IN_BRACKETS: Final = re.compile(r"\(([^()]*\b(?:9|11|13)\b[^()]*)\)(?<!6/9\))(?<!69\))")
_LONGEST: Final = 24  # letters of a symbol that are looked at for the nearest
#: What is tried where a symbol is none: the nearest of these is told.
_USUAL: Final = (
    "", "m", "7", "maj7", "m7", "6", "m6", "9", "maj9", "m9", "dim", "dim7", "m7b5", "aug", "sus4",
    "sus2", "7sus4", "add9", "6/9", "5", "11", "13", "7b9", "7#9", "7#11", "7alt", "m(maj7)", "m11",
    "maj7#11", "aug7",
)  # fmt: skip
_SPELLED: Final = (
    "C", "D", "E", "F", "G", "A", "B", "Bb", "Eb", "Ab", "Db", "Gb", "F#", "C#", "G#", "D#", "A#",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Chord:
    """A chord by its symbol.

    Attributes
    ----------
    root : int
        Pitch class, 0 for C; -1 for no chord.
    classes : tuple of int
        Pitch classes, upwards from the root; the bass is not added.
    bass : int
        Pitch class of the lowest note; -1 for no chord.
    name : str
        As it was written.
    """

    root: int
    classes: tuple[int, ...]
    bass: int
    name: str


NO_CHORD: Final = Chord(SILENT, (), SILENT, "N.C.")


def parse_chord(symbol: str) -> Chord:
    """Read a chord symbol.

    Parameters
    ----------
    symbol : str
        "F#m7b5", "Bb/D", "C6/9", "N.C.".

    Returns
    -------
    Chord

    Raises
    ------
    BadArgument
        It is no chord symbol; the nearest one is named.
    """
    symbol = symbol.strip()
    if symbol.casefold() in _NO_CHORD:
        return NO_CHORD
    found = _ROOT.match(symbol)
    if not found:
        raise no_chord(symbol)
    root = pitch_class(found[0])
    kind, bass = symbol[found.end() :], root
    if slash := re.search(r"/\s*([A-G][#♯b♭x𝄪𝄫]{0,2})$", kind):
        kind, bass = kind[: slash.start()], pitch_class(slash[1])
    above = _above(kind)
    if above is None:
        raise no_chord(symbol)
    return Chord(root, tuple((root + step) % 12 for step in above), bass, symbol)


def is_chord(symbol: str) -> bool:
    """Tell whether a text is a chord symbol."""
    try:
        parse_chord(symbol)
    except BadArgument:
        return False
    return True


def pitch_class(name: str) -> int:
    """Return the pitch class of "Bb"; 0 is C."""
    return (LETTERS[name[0]] + sum(_ACCIDENTALS[sign] for sign in name[1:])) % 12


def no_chord(symbol: str) -> BadArgument:
    """Say that a symbol is no chord, and which one is nearest."""
    return BadArgument(f"{symbol!r} is no chord; did you mean {nearest_chord(symbol)}?")


def nearest_chord(symbol: str) -> str:
    """Name the usual chord whose symbol takes the fewest changes of letters; German H is B."""
    if symbol[:1] in ("H", "h"):
        symbol = "B" + symbol[1:]

    symbol = symbol[:_LONGEST]
    names = [root + kind for kind in _USUAL for root in _SPELLED]

    def far(name: str) -> float:
        # Capitals mistaken are a small matter, and the first letter is the likeliest to be right.
        first = name[:1].casefold() != symbol[:1].casefold()
        return _changes(name.casefold(), symbol.casefold()) + 0.5 * first

    distances = [far(name) for name in names]
    nearest = min(distances)
    found = [name for name, each in zip(names, distances, strict=True) if each == nearest]
    return min(found, key=lambda name: _changes(name, symbol))


@cache
def _above(kind: str) -> tuple[int, ...] | None:
    """Return the semitones above the root, without doubles, upwards; None of what is no chord."""
    text = re.sub(r"[\s()\[\],]", "", _IN_BRACKETS.sub(_added, kind))
    if text in _BARE:
        return _BARE[text]
    if re.match(r"5(?![0-9/])", text):  # a power chord with something added
        tones = set(_BARE["5"])
        return _sorted(tones) if _alter(tones, text[1:]) else None
    name = ""
    if text.startswith("madd"):  # not "ma"
        name, text = "minor", text[1:]
    for written, means in _KINDS:
        # "+9" and "-5" alter; "+" and "-" alone, or before a 7, are a kind.
        if not name and text.startswith(written) and not re.match(r"[+−-](?:5|9|11|13)", text):
            name, text = means, text[len(written) :]
            break
    tones = set(_TRIADS[name])
    if found := _PILE.match(text):
        text = text[found.end() :]
        _pile(tones, name, found[0])
    elif name in ("half", "delta"):
        tones.add(_SEVENTHS.get(name, 10))
    return _sorted(tones) if _alter(tones, text) else None


def _sorted(tones: set[int]) -> tuple[int, ...]:
    return tuple(sorted({tone % 12 for tone in tones}))


def _added(bracket: re.Match[str]) -> str:
    """Return what stands in brackets, where numbers alone are added: the 9 of "C7(9)"."""
    told = re.split(r"[,/\s]+", bracket[1].strip())
    return ",".join(f"add{one}" if one in {"9", "11", "13"} else one for one in told)


def _pile(tones: set[int], name: str, height: str) -> None:
    if height == "6" and name != "half":
        tones.add(9)
    elif height in ("69", "6/9"):
        tones |= {9, 14}
    else:
        tones.add(_SEVENTHS.get(name, 10))
        tones |= set(_PILED.get(height, ()))


def _alter(tones: set[int], text: str) -> bool:
    """Alter, add and leave out as a text says; return whether all of it was understood."""
    at = 0
    while at < len(text):
        found = _MORE.match(text, at)
        if not found or found.end() == at:
            return False
        at = found.end()
        if found["seventh"]:
            tones -= {10}
            tones.add(11)
            tones |= set(_PILED.get(re.sub(r"\D", "", found["seventh"]), ()))
        elif found["sus"]:
            tones -= {3, 4}
            tones |= {"sus2": {2}, "sus4": {5}, "sus": {5}, "sus9": {2, 5, 10}}.get(
                found["sus"], {2, 5}
            )
        elif found["alt"]:
            tones -= {7}
            tones |= {6, 8, 10, 13, 15}
        elif found["degree"]:
            _change(tones, found["degree"], 1 if found["altered"] in "#♯+" else -1)
        elif found["nine"]:
            tones.add(14)
        elif found["raised"]:
            _change(tones, "5", 1)
        elif found["added"]:
            tones.add(_DEGREES[found["added"]])
        elif found["left"]:
            left = {"3": {3, 4}, "5": {6, 7, 8}, "7": {10, 11}}[found["left"]]
            tones -= left
    return True


def _change(tones: set[int], degree: str, by: int) -> None:
    """Put an altered degree in the place of the plain one; a ninth may be altered both ways."""
    plain = _DEGREES[degree]
    tones -= {plain}
    tones.add(plain + by)


def _changes(one: str, other: str) -> int:
    """Return how many letters must be changed, added or taken away (Levenshtein)."""
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, start=1):
        before, row[0] = row[0], i
        for j, there in enumerate(other, start=1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (letter != there))
    return row[-1]

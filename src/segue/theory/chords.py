"""Chords: symbols read and written, spelling, names of pitch-class sets.

How chords are spelled: F#7 and not Gb7 before Bm, A7/C# and not A7/Db.

Names stand on the line of fifths, … Bb F C G D A E B F# C# …: C is 0, G 1, F -1. A key has the
chords around it; which of two names of a root is meant depends on what the chord is. Temperley,
"The Cognition of Basic Musical Structures" (MIT Press, 2001), ch. 5, spells notes so.

Chord symbols as musicians write them: "F#m7b5", "Bb/D", "C6/9", "Eø", "G7alt", "N.C.".

A symbol is a root, what kind of triad stands on it, how far thirds are piled up (7, 9, 11, 13),
and what is altered, added or left out; behind a slash stands the bass. There are many ways to
write each of these; all that are common are read.

Names for any set of pitch classes, and the keys that hold it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Final

from segue.errors import BadArgument
from segue.theory.keys import MAJOR_SCALE, PITCH_CLASSES, fifths_name, pitch_class

# --- chord spelling ---

#: How far on the flat side of the key's tonic (of its relative major) roots are looked for.
_MAJOR_DEPTH: Final = 5
_MINOR_KEY_DEPTH: Final = 4  # of minor keys: raised sixths and sevenths are common
_MINOR_CHORD_DEPTH: Final = 4
#: Diminished chords lead upwards by a semitone: they are of the sharp side.
_DIMINISHED_DEPTH: Final = 1
_DIMINISHED: Final = ("dim", "m7b5")
#: No root is beyond Gb, or Cb in keys of five flats and more; windows begin at F at the latest.
_LOWEST: Final = -6
_LOWEST_OF_FLAT_KEYS: Final = -7
_HIGHEST: Final = -1
#: Steps on the line of fifths from a root up to a tone, by semitones.
_TO_TONE: Final = {
    0: 0, 1: -5, 2: 2, 3: -3, 4: 4, 5: -1, 6: -6, 7: 1, 8: 8, 9: 3, 10: -2, 11: 5,
}  # fmt: skip


def spell_chord(root: int, quality: str, bass: int, sharps: int, *, is_minor: bool = False) -> str:
    """Spell a chord in a key.

    Parameters
    ----------
    root, bass : int
        Pitch classes, 0 for C; equal where the root is the bass.
    quality : str
        What follows the root: "m7".
    sharps : int
        Of the key signature; below 0: flats.
    is_minor : bool
        The key is minor.

    Returns
    -------
    str
        "Bb7", "A7/C#".

    Examples
    --------
    >>> chord_name(10, "7", 10, -1, is_minor=True)
    'Bb7'
    >>> chord_name(9, "7", 1, -1, is_minor=True)
    'A7/C#'
    """
    position = _root_position(root, quality, sharps, is_minor=is_minor)
    name = fifths_name(position) + quality
    if bass == root:
        return name
    tone = position + _TO_TONE[(bass - root) % 12]
    if not -8 <= tone <= 12:  # a double sharp or flat: nobody writes it below a slash
        tone += 12 if tone < 0 else -12
    return f"{name}/{fifths_name(tone)}"


def _root_position(root: int, quality: str, sharps: int, *, is_minor: bool) -> int:
    depth = _MINOR_KEY_DEPTH if is_minor else _MAJOR_DEPTH
    if quality.startswith(_DIMINISHED):
        depth = _DIMINISHED_DEPTH
    elif quality.startswith("m") and not quality.startswith("maj"):
        depth = _MINOR_CHORD_DEPTH
    least = _LOWEST_OF_FLAT_KEYS if sharps <= -5 else _LOWEST
    lowest = min(max(sharps - depth, least), _HIGHEST)
    return lowest + (root * 7 - lowest) % 12


# --- chord symbols ---

#: The root where there is no chord.
SILENT: Final = -1
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
        raise invalid_chord(symbol)
    root = pitch_class(found[0])
    kind, bass = symbol[found.end() :], root
    if slash := re.search(r"/\s*([A-G][#♯b♭x𝄪𝄫]{0,2})$", kind):
        kind, bass = kind[: slash.start()], pitch_class(slash[1])
    above = _above(kind)
    if above is None:
        raise invalid_chord(symbol)
    return Chord(root, tuple((root + step) % 12 for step in above), bass, symbol)


def is_chord(symbol: str) -> bool:
    """Tell whether a text is a chord symbol."""
    try:
        parse_chord(symbol)
    except BadArgument:
        return False
    return True


def invalid_chord(symbol: str) -> BadArgument:
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


# --- chord names ---


def normal_order(classes: Iterable[int]) -> tuple[int, ...]:
    """Put pitch classes into their most compact order, as music21 does, after Forte 1973."""
    return _normal_order(frozenset(classes))


@cache
def _normal_order(classes: frozenset[int]) -> tuple[int, ...]:
    ordered = sorted(classes)
    turns = [tuple(ordered[at:] + ordered[:at]) for at in range(len(ordered))]
    return min(
        turns,
        key=lambda turn: (
            (turn[-1] - turn[0]) % 12,
            [(each - turn[0]) % 12 for each in turn[1:]],
            turn[0],
        ),
    )


#: What musicians write after the root, and the pitch classes above it; those before win where a
#: set has several names (C6 is Am7, Csus2 is Gsus4). What lacks its fifth comes last.
_NAMES: Final[dict[str, tuple[int, ...]]] = {
    "": (0, 4, 7),
    "m": (0, 3, 7),
    "7": (0, 4, 7, 10),
    "maj7": (0, 4, 7, 11),
    "m7": (0, 3, 7, 10),
    "dim": (0, 3, 6),
    "m7b5": (0, 3, 6, 10),
    "dim7": (0, 3, 6, 9),
    "aug": (0, 4, 8),
    "sus4": (0, 5, 7),
    "m(maj7)": (0, 3, 7, 11),
    "7sus4": (0, 5, 7, 10),
    "add2": (0, 2, 4, 7),
    "madd2": (0, 2, 3, 7),
    "add4": (0, 4, 5, 7),
    "madd4": (0, 3, 5, 7),
    "9": (0, 2, 4, 7, 10),
    "maj9": (0, 2, 4, 7, 11),
    "m9": (0, 2, 3, 7, 10),
    "6/9": (0, 2, 4, 7, 9),
    "7b9": (0, 1, 4, 7, 10),
    "7#9": (0, 3, 4, 7, 10),
    "aug7": (0, 4, 8, 10),
    "maj7#5": (0, 4, 8, 11),
    "7b5": (0, 4, 6, 10),
    "m11": (0, 2, 3, 5, 7, 10),
    "maj7sus4": (0, 5, 7, 11),
    "add2, no fifth": (0, 2, 4),
    "madd2, no fifth": (0, 2, 3),
    "maj7, no fifth": (0, 4, 11),
    "7, no fifth": (0, 4, 10),
    "m7, no fifth": (0, 3, 10),
    "m(maj7), no fifth": (0, 3, 11),
    "maj7, no third": (0, 7, 11),
    "7, no third": (0, 7, 10),
    "add4, no fifth": (0, 4, 5),
}
_INTERVALS: Final = (
    "",
    "minor second",
    "major second",
    "minor third",
    "major third",
    "",  # written as the fifth below
    "tritone",
)


def pitch_set_name(classes: Iterable[int]) -> str:
    """Name a set of pitch classes as musicians do.

    Parameters
    ----------
    classes : iterable of int
        0 for C.

    Returns
    -------
    str
        "Aadd2, no fifth" of 9, 11, 1; "G5" of 7, 2; "minor third on A" of 9, 0; "" where it has
        no usual name, and of a single pitch class.
    """
    order = normal_order(classes)
    if len(order) == 2:
        return _interval_name(*order)
    for name, above in _NAMES.items():
        for root in order:
            if {(root + each) % 12 for each in above} == set(order):
                return f"{PITCH_CLASSES[root]}{name}"
    return ""


def _interval_name(low: int, high: int) -> str:
    interval = (high - low) % 12
    if interval == 5:
        return f"{PITCH_CLASSES[high]}5"
    return f"{_INTERVALS[interval]} on {PITCH_CLASSES[low]}"


def pitch_class_names(classes: Iterable[int]) -> tuple[str, ...]:
    """Return the names of pitch classes: ("A", "B", "C#")."""
    return tuple(PITCH_CLASSES[each] for each in classes)


def keys_containing(classes: Iterable[int]) -> tuple[str, ...]:
    """List the keys whose scale holds all of some pitch classes.

    Parameters
    ----------
    classes : iterable of int
        0 for C.

    Returns
    -------
    tuple of str
        Of the 24, along the circle of fifths from C: "C major", "A minor". The minor scale is the
        natural one, so that a key and its relative always come together.
    """
    wanted = set(classes)
    found = []
    for fifths in range(12):
        tonic = 7 * fifths % 12
        if wanted <= {(tonic + step) % 12 for step in MAJOR_SCALE}:
            found += [f"{PITCH_CLASSES[tonic]} major", f"{PITCH_CLASSES[(tonic + 9) % 12]} minor"]
    return tuple(found)

"""Chords: parsing and spelling of chord symbols, names of pitch-class sets.

A chord symbol ("F#m7b5", "Bb/D", "C6/9", "Eø", "G7alt", "N.C.") is a root, a triad, its extension
(7, 9, 11, 13), and alterations, added and omitted tones; the bass stands behind a slash. All common
notations of each are read.

Roots are spelled by the key, on the line of fifths (see `segue.theory.keys`), and by the quality of
the chord: F#7 and not Gb7 before Bm, A7/C# and not A7/Db. The method is that of Temperley, "The
Cognition of Basic Musical Structures" (MIT Press, 2001), ch. 5.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Final

from segue.errors import BadArgument
from segue.theory.keys import MAJOR_SCALE, PITCH_CLASSES, fifths_name, pitch_class

# ---- spelling ----------------------------------------------------------------------------

#: How far roots reach to the flat side of the tonic of the (relative) major key.
_MAJOR_DEPTH: Final = 5
_MINOR_KEY_DEPTH: Final = 4  # raised sixths and sevenths are common there
_MINOR_CHORD_DEPTH: Final = 4
#: Diminished chords resolve up by a semitone, so they are spelled on the sharp side.
_DIMINISHED_DEPTH: Final = 1
_DIMINISHED: Final = ("dim", "m7b5")
#: No root is flatter than Gb, or Cb in keys of five flats and more.
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
        The symbol after the root: "m7".
    sharps : int
        Number of sharps of the key signature; negative for flats.
    is_minor : bool
        The key is minor.

    Returns
    -------
    str
        "Bb7", "A7/C#".

    Examples
    --------
    >>> spell_chord(10, "7", 10, -1, is_minor=True)
    'Bb7'
    >>> spell_chord(9, "7", 1, -1, is_minor=True)
    'A7/C#'
    """
    position = _root_position(root, quality, sharps, is_minor=is_minor)
    name = fifths_name(position) + quality
    if bass == root:
        return name
    tone = position + _TO_TONE[(bass - root) % 12]
    if not -8 <= tone <= 12:  # double sharps and flats are not written below a slash
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


# ---- symbols -----------------------------------------------------------------------------

#: Common chord qualities: suffix of the symbol, and pitch classes above the root.
QUALITIES: Final[dict[str, tuple[int, ...]]] = {
    "": (0, 4, 7),
    "m": (0, 3, 7),
    "7": (0, 4, 7, 10),
    "m7": (0, 3, 7, 10),
    "maj7": (0, 4, 7, 11),
    "sus4": (0, 5, 7),
    "sus2": (0, 2, 7),
    "7sus4": (0, 5, 7, 10),
    "6": (0, 4, 7, 9),
    "dim": (0, 3, 6),
    "m7b5": (0, 3, 6, 10),
    "dim7": (0, 3, 6, 9),
    "aug": (0, 4, 8),
}
_NO_CHORD: Final = ("n.c.", "n.c", "nc", "n", "no chord")
_ROOT: Final = re.compile(r"([A-G])([#♯b♭x𝄪𝄫]{0,2})")

#: Notations of the quality of a chord, longest first, and the quality.
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
#: Digits alone that are no extension.
_BARE: Final = {"5": (0, 7), "2": (0, 2, 4, 7), "4": (0, 5, 7)}
_SEVENTHS: Final = {"major": 11, "delta": 11, "diminished": 9}
#: Tones of the extensions, in semitones above the root; a 13th chord is played without the 11th.
_EXTENSIONS: Final = {"7": (), "9": (14,), "11": (14, 17), "13": (14, 21)}
#: Semitones of the degrees that are altered or added.
_DEGREES: Final = {
    "2": 2, "3": 4, "4": 5, "5": 7, "6": 9, "7": 10, "9": 14, "11": 17, "13": 21,
}  # fmt: skip
_EXTENSION: Final = re.compile(r"69|6/9|13|11|9|7|6")
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
_MAX_CHARACTERS: Final = 24  # of a symbol for which the nearest one is searched
#: The suggestions for an invalid symbol.
_COMMON_QUALITIES: Final = (
    "", "m", "7", "maj7", "m7", "6", "m6", "9", "maj9", "m9", "dim", "dim7", "m7b5", "aug", "sus4",
    "sus2", "7sus4", "add9", "6/9", "5", "11", "13", "7b9", "7#9", "7#11", "7alt", "m(maj7)", "m11",
    "maj7#11", "aug7",
)  # fmt: skip
_COMMON_ROOTS: Final = (
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
        Pitch classes, upwards from the root, without the bass.
    bass : int
        Pitch class of the lowest note; -1 for no chord.
    name : str
        The symbol as written.
    """

    root: int
    classes: tuple[int, ...]
    bass: int
    name: str


NO_CHORD: Final = Chord(-1, (), -1, "N.C.")


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
        It is no chord symbol; the message suggests the nearest one.
    """
    symbol = symbol.strip()
    if symbol.casefold() in _NO_CHORD:
        return NO_CHORD
    match = _ROOT.match(symbol)
    if not match:
        raise invalid_chord(symbol)
    root = pitch_class(match[0])
    quality, bass = symbol[match.end() :], root
    if slash := re.search(r"/\s*([A-G][#♯b♭x𝄪𝄫]{0,2})$", quality):
        quality, bass = quality[: slash.start()], pitch_class(slash[1])
    intervals = _intervals(quality)
    if intervals is None:
        raise invalid_chord(symbol)
    return Chord(root, tuple((root + interval) % 12 for interval in intervals), bass, symbol)


def is_chord(symbol: str) -> bool:
    """Return whether a text is a chord symbol."""
    try:
        parse_chord(symbol)
    except BadArgument:
        return False
    return True


def invalid_chord(symbol: str) -> BadArgument:
    """Return the error for an invalid symbol, which suggests the nearest one."""
    return BadArgument(f"{symbol!r} is no chord; did you mean {nearest_chord(symbol)}?")


def nearest_chord(symbol: str) -> str:
    """Return the common chord symbol with the smallest edit distance; German H is B."""
    if symbol[:1] in ("H", "h"):
        symbol = "B" + symbol[1:]

    symbol = symbol[:_MAX_CHARACTERS]
    names = [root + quality for quality in _COMMON_QUALITIES for root in _COMMON_ROOTS]

    def distance(name: str) -> float:
        # Case counts little, and the first letter is the likeliest to be right.
        differs_first = name[:1].casefold() != symbol[:1].casefold()
        return _edit_distance(name.casefold(), symbol.casefold()) + 0.5 * differs_first

    distances = [distance(name) for name in names]
    smallest = min(distances)
    nearest = [name for name, each in zip(names, distances, strict=True) if each == smallest]
    return min(nearest, key=lambda name: _edit_distance(name, symbol))


@cache
def _intervals(symbol: str) -> tuple[int, ...] | None:
    """Return the semitones above the root of a symbol without root and bass; None if invalid."""
    text = re.sub(r"[\s()\[\],]", "", _IN_BRACKETS.sub(_expand_added, symbol))
    if text in _BARE:
        return _BARE[text]
    if re.match(r"5(?![0-9/])", text):  # a power chord with added tones
        tones = set(_BARE["5"])
        return _sorted(tones) if _alter(tones, text[1:]) else None
    quality = ""
    if text.startswith("madd"):  # not "ma"
        quality, text = "minor", text[1:]
    for notation, meaning in _KINDS:
        # "+9" and "-5" alter; "+" and "-" alone, or before a 7, are a quality.
        if not quality and text.startswith(notation) and not re.match(r"[+−-](?:5|9|11|13)", text):
            quality, text = meaning, text[len(notation) :]
            break
    tones = set(_TRIADS[quality])
    if extension := _EXTENSION.match(text):
        text = text[extension.end() :]
        _extend(tones, quality, extension[0])
    elif quality in ("half", "delta"):
        tones.add(_SEVENTHS.get(quality, 10))
    return _sorted(tones) if _alter(tones, text) else None


def _sorted(tones: set[int]) -> tuple[int, ...]:
    return tuple(sorted({tone % 12 for tone in tones}))


def _expand_added(bracket: re.Match[str]) -> str:
    """Return the tones in brackets, where a number alone is added: the 9 of "C7(9)"."""
    tones = re.split(r"[,/\s]+", bracket[1].strip())
    return ",".join(f"add{tone}" if tone in {"9", "11", "13"} else tone for tone in tones)


def _extend(tones: set[int], quality: str, extension: str) -> None:
    if extension == "6" and quality != "half":
        tones.add(9)
    elif extension in ("69", "6/9"):
        tones |= {9, 14}
    else:
        tones.add(_SEVENTHS.get(quality, 10))
        tones |= set(_EXTENSIONS.get(extension, ()))


def _alter(tones: set[int], text: str) -> bool:
    """Alter, add and omit tones; return whether the whole text was understood."""
    at = 0
    while at < len(text):
        match = _MORE.match(text, at)
        if not match or match.end() == at:
            return False
        at = match.end()
        if match["seventh"]:
            tones -= {10}
            tones.add(11)
            tones |= set(_EXTENSIONS.get(re.sub(r"\D", "", match["seventh"]), ()))
        elif match["sus"]:
            tones -= {3, 4}
            tones |= {"sus2": {2}, "sus4": {5}, "sus": {5}, "sus9": {2, 5, 10}}.get(
                match["sus"], {2, 5}
            )
        elif match["alt"]:
            tones -= {7}
            tones |= {6, 8, 10, 13, 15}
        elif match["degree"]:
            _change(tones, match["degree"], 1 if match["altered"] in "#♯+" else -1)
        elif match["nine"]:
            tones.add(14)
        elif match["raised"]:
            _change(tones, "5", 1)
        elif match["added"]:
            tones.add(_DEGREES[match["added"]])
        elif match["left"]:
            tones -= {"3": {3, 4}, "5": {6, 7, 8}, "7": {10, 11}}[match["left"]]
    return True


def _change(tones: set[int], degree: str, by: int) -> None:
    """Replace a degree by the altered one; a ninth may be altered both ways."""
    tones -= {_DEGREES[degree]}
    tones.add(_DEGREES[degree] + by)


def _edit_distance(first: str, second: str) -> int:
    """Return the Levenshtein distance."""
    row = list(range(len(second) + 1))
    for i, letter in enumerate(first, start=1):
        before, row[0] = row[0], i
        for j, other_letter in enumerate(second, start=1):
            substitution = before + (letter != other_letter)
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, substitution)
    return row[-1]


# ---- pitch-class sets --------------------------------------------------------------------


def normal_order(classes: Iterable[int]) -> tuple[int, ...]:
    """Return the normal order of a pitch-class set, as music21 does, after Forte 1973."""
    return _normal_order(frozenset(classes))


@cache
def _normal_order(classes: frozenset[int]) -> tuple[int, ...]:
    ordered = sorted(classes)
    rotations = [tuple(ordered[at:] + ordered[:at]) for at in range(len(ordered))]
    return min(
        rotations,
        key=lambda rotation: (
            (rotation[-1] - rotation[0]) % 12,
            [(each - rotation[0]) % 12 for each in rotation[1:]],
            rotation[0],
        ),
    )


#: The symbol after the root, and the intervals above it. Of several names of a set (C6 is Am7,
#: Csus2 is Gsus4) the first one counts; chords without their fifth come last.
_NAMES: Final[dict[str, tuple[int, ...]]] = {
    "": (0, 4, 7), "m": (0, 3, 7), "7": (0, 4, 7, 10), "maj7": (0, 4, 7, 11), "m7": (0, 3, 7, 10),
    "dim": (0, 3, 6), "m7b5": (0, 3, 6, 10), "dim7": (0, 3, 6, 9), "aug": (0, 4, 8),
    "sus4": (0, 5, 7), "m(maj7)": (0, 3, 7, 11), "7sus4": (0, 5, 7, 10), "add2": (0, 2, 4, 7),
    "madd2": (0, 2, 3, 7), "add4": (0, 4, 5, 7), "madd4": (0, 3, 5, 7), "9": (0, 2, 4, 7, 10),
    "maj9": (0, 2, 4, 7, 11), "m9": (0, 2, 3, 7, 10), "6/9": (0, 2, 4, 7, 9),
    "7b9": (0, 1, 4, 7, 10), "7#9": (0, 3, 4, 7, 10), "aug7": (0, 4, 8, 10),
    "maj7#5": (0, 4, 8, 11), "7b5": (0, 4, 6, 10), "m11": (0, 2, 3, 5, 7, 10),
    "maj7sus4": (0, 5, 7, 11), "add2, no fifth": (0, 2, 4), "madd2, no fifth": (0, 2, 3),
    "maj7, no fifth": (0, 4, 11), "7, no fifth": (0, 4, 10), "m7, no fifth": (0, 3, 10),
    "m(maj7), no fifth": (0, 3, 11), "maj7, no third": (0, 7, 11), "7, no third": (0, 7, 10),
    "add4, no fifth": (0, 4, 5),
}  # fmt: skip
#: By semitones; the fifth is written as the fifth below.
_INTERVALS: Final = (
    "", "minor second", "major second", "minor third", "major third", "", "tritone",
)  # fmt: skip


def pitch_set_name(classes: Iterable[int]) -> str:
    """Return the name of a set of pitch classes.

    Parameters
    ----------
    classes : iterable of int
        0 for C.

    Returns
    -------
    str
        "Aadd2, no fifth" for 9, 11, 1; "G5" for 7, 2; "minor third on A" for 9, 0; "" for a
        set without a common name, and for a single pitch class.
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
    """Return the keys whose scale contains all given pitch classes.

    Parameters
    ----------
    classes : iterable of int
        0 for C.

    Returns
    -------
    tuple of str
        Along the circle of fifths from C: "C major", "A minor". The minor scale is the natural
        one, so a key and its relative always come together.
    """
    classes = set(classes)
    keys = []
    for fifths in range(12):
        tonic = 7 * fifths % 12
        if {(tonic + step) % 12 for step in MAJOR_SCALE}.issuperset(classes):
            keys += [f"{PITCH_CLASSES[tonic]} major", f"{PITCH_CLASSES[(tonic + 9) % 12]} minor"]
    return tuple(keys)

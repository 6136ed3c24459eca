r"""ABC notation: lines, directives and fields of a tune.

Lines and texts of ABC: fields that go on, comments, and the letters that stand for others.

As the standard has them (2.1, sections 3.3, 8.2 and 14.1): ``\'e`` and ``\vr``, ``&eacute;``,
``\u00e9``.

What the music of an ABC tune is while it is read: voices, their bars, the notes in them.

What a tune says to players, ``%%MIDI program 40`` or ``I:MIDI program 40``, as abc2midi has it.

Where it stands in a tune's header it holds for all voices, else for the one that it stands in.

The fields of an ABC tune, from letters to numbers: metre, key, tempo, clef, endings; chords.
"""

import html
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from segue.io.play_order import NavigationMarks, NavigationText
from segue.text import clean

# --- abc texts ---

_COMMENT: Final = re.compile(r"(?<!\\)%.*")
_FIELD: Final = re.compile(r"\s*[A-Za-z]:")
_GOES_ON: Final = re.compile(r"\s*\+:")
_ACCENTS: Final = {
    "`": "\u0300", "'": "\u0301", "^": "\u0302", "~": "\u0303", "=": "\u0304", "u": "\u0306",
    ".": "\u0307", '"': "\u0308", "o": "\u030a", "r": "\u030a", "H": "\u030b", "v": "\u030c",
    "c": "\u0327", ",": "\u0327", ";": "\u0328",
}  # fmt: skip
_LIGATURES: Final = {
    "AA": "Å", "aa": "å", "AE": "Æ", "ae": "æ", "OE": "Œ", "oe": "œ", "ss": "ß", "DH": "Ð",
    "dh": "ð", "TH": "Þ", "th": "þ", "/O": "Ø", "/o": "ø", "/L": "Ł", "/l": "ł", "/D": "Đ",
    "/d": "đ",
}  # fmt: skip
_ESCAPE: Final = re.compile(
    r"\\(?P<itself>[\\%&])"
    r"|\\u(?P<short>[0-9A-Fa-f]{4})|\\U(?P<long>[0-9A-Fa-f]{8})"
    rf"|\{{?\\(?P<ligature>{'|'.join(map(re.escape, _LIGATURES))})(?:\{{\}}|\}})?"
    rf"|\{{?\\(?P<accent>[{re.escape(''.join(_ACCENTS))}])(?:\{{(?P<within>\w)\}}|(?P<letter>\w))\}}?"
    r"|(?P<entity>&(?:#x[0-9A-Fa-f]{1,6}|#\d{1,7}|\w{2,32});)"
)


def without_comment(line: str) -> str:
    """Leave out what follows a percent sign."""
    return _COMMENT.sub("", line).rstrip()


def joined_fields(lines: Iterable[str]) -> list[str]:
    """Append lines of ``+:`` to the field that they continue.

    Comments and directives may stand in between; what continues no field is left out.
    """
    found: list[str] = []
    field: int | None = None  # which line can go on
    for line in lines:
        if match := _GOES_ON.match(line):
            if field is not None:
                found[field] = f"{without_comment(found[field])} {line[match.end() :].strip()}"
            continue
        if _FIELD.match(line):
            field = len(found)
        elif not line.lstrip().startswith("%"):
            field = None
        found.append(line)
    return found


def text_of(raw: str) -> str:
    """Return the text that a field or a remark shows, fit to be shown."""
    return clean(_ESCAPE.sub(_letter, raw))


def _letter(match: re.Match[str]) -> str:
    """Return what an escape stands for; itself where it stands for nothing."""
    if itself := match["itself"]:
        return itself
    if code := match["short"] or match["long"]:
        number = int(code, 16)
        return chr(number) if number < 0x110000 and not 0xD800 <= number < 0xE000 else match[0]
    if ligature := match["ligature"]:
        return _LIGATURES[ligature]
    if accent := match["accent"]:
        letter = (match["within"] or match["letter"]) + _ACCENTS[accent]
        composed = unicodedata.normalize("NFC", letter)
        return composed if len(composed) == 1 else match[0]
    return html.unescape(match["entity"])


# --- abc voices ---

SIGNS: Final = {"^^": 2, "^": 1, "=": 0, "_": -1, "__": -2}
STEPS: Final = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


@dataclass(frozen=True, slots=True)
class Note:
    """When in its bar, for how long (quarters), what, and whether the next one belongs to it."""

    at: Fraction
    length: Fraction
    pitch: int
    tied: bool
    name: tuple[str, int] = ("", 0)  # letter and octave


@dataclass(slots=True)
class Written:
    """A bar as it is written.

    Attributes
    ----------
    metre, key : tuple of int
        Beats and unit; sharps, and 1 for minor.
    length : Fraction
        In quarters.
    opens, after_double : bool
        A repeat begins here, or may begin where none is marked.
    marks : Marks
        What else it says of the order of playing.
    coda_sign : bool
        The sign where one leaves for the coda, or where that begins.
    part : str
        The part that begins here.
    tempo_bpm : float
        Quarters a minute from here on; 0 says nothing.
    chords : list of (Fraction, str)
        When in the bar, in quarters, which chord symbol stands there.
    """

    time_signature: tuple[int, int]
    key: tuple[int, int]
    notes: list[Note] = field(default_factory=list)
    length: Fraction = Fraction(0)
    opens: bool = False
    after_double: bool = False
    marks: NavigationMarks = field(default_factory=NavigationMarks)
    coda_sign: bool = False
    part: str = ""
    tempo_bpm: float = 0.0
    chords: list[tuple[Fraction, str]] = field(default_factory=list)

    @property
    def full(self) -> Fraction:
        """Length that its metre gives it, in quarters."""
        return Fraction(4 * self.time_signature[0], self.time_signature[1])


@dataclass(slots=True)
class Sounds:
    """What is said of the sounds of a tune, whatever its voice: programs of MIDI's channels, drums.

    Attributes
    ----------
    programs : dict of int to int
        By channel, from 1.
    drum_map : dict of int to int
        The drums that written pitches stand for.
    """

    programs: dict[int, int] = field(default_factory=dict)
    drum_map: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class Voice:
    """A voice, and where its reader stands.

    What is None is as the tune's header has it.
    """

    name: str = ""
    sounds: Sounds = field(default_factory=Sounds)
    program: int | None = None
    channel: int | None = None  # from 1
    bars: list[Written] = field(default_factory=list)
    time_signature: tuple[int, int] = (4, 4)
    unit: Fraction | None = None  # of a whole; else as the metre has it
    key: tuple[int, int] = (0, 0)
    signature: dict[str, int] = field(default_factory=dict)
    octave: int | None = None  # by how many octaves and semitones it sounds higher than written
    transpose: int | None = None
    moved: int | None = None  # by how many semitones players are told to
    bar: Written | None = None
    at: Fraction = Fraction(0)
    reached: Fraction = Fraction(0)  # by what an overlay lies under
    altered: dict[str, int] = field(default_factory=dict)  # in this bar, in all octaves
    held: dict[tuple[str, int], int] = field(default_factory=dict)  # tied: sounding as
    last: int = 0  # how many notes the last symbol has; they end the bar's list
    symbol: Fraction = Fraction(0)  # its length
    factor: Fraction = Fraction(1)  # of the next symbol, after a broken rhythm
    tuplet: Fraction = Fraction(1)
    tuplet_left: int = 0
    next_bar: dict[str, bool | int | str | float | frozenset[int]] = field(default_factory=dict)
    endings: frozenset[int] = frozenset()
    chord: str = ""  # of the next symbol
    said: list[NavigationText] = field(default_factory=list)  # about the bar of the next symbol

    @property
    def shift(self) -> int:
        """By how many semitones it sounds higher than it is written."""
        return 12 * (self.octave or 0) + (self.transpose or 0) + (self.moved or 0)


@dataclass(slots=True)
class Tune:
    """The voices of a tune, and the order of its parts, "AABB" say."""

    voices: list[Voice]
    parts: str = ""


# --- abc directives ---

_DRUM_CHANNEL: Final = 10
_NUMBER: Final = re.compile(r"[+-]?\d{1,3}")
_PITCH: Final = re.compile(r"(\^{1,2}|_{1,2}|=)?([A-Ga-g])([,']*)")


def play_as(voice: Voice, words: Sequence[str]) -> None:
    """Follow what is said after ``%%MIDI``; what is unknown is left.

    Parameters
    ----------
    voice : Voice
        The one that it is said to.
    words : sequence of str
        "program", "40", say.
    """
    kind, *said = words or [""]
    numbers = [int(word) for word in said if _NUMBER.fullmatch(word)]
    if kind == "drummap" and len(said) > 1 and numbers and 0 <= numbers[-1] < 128:
        if match := _PITCH.fullmatch(said[0]):
            voice.sounds.drum_map[pitch_of(*match.groups())] = numbers[-1]
    elif not numbers:
        return
    elif kind == "program" and 0 <= numbers[-1] < 128:
        if len(numbers) > 1:
            voice.sounds.programs[numbers[0]] = numbers[1]
        else:
            voice.program = numbers[0]
    elif kind == "channel":
        voice.channel = numbers[0]
    elif kind == "transpose":
        voice.moved = numbers[0]
    elif kind == "rtranspose":
        voice.moved = (voice.moved or 0) + numbers[0]


def is_drum(voice: Voice) -> bool:
    """Tell whether a voice is on the channel of drums."""
    return voice.channel == _DRUM_CHANNEL


def pitch_of(sign: str | None, letter: str, octave: str) -> int:
    """Return the MIDI pitch of a note as it is written, without key or transposition."""
    higher = letter.islower() + octave.count("'") - octave.count(",")
    return 60 + STEPS[letter.upper()] + 12 * higher + (SIGNS[sign] if sign else 0)


def program_of(voice: Voice, number: int) -> int:
    """Return the program that plays the voice that is the `number`th of its tune, from 0.

    Where no channel is chosen, voices have one after the other, without that of drums.
    """
    if voice.program is not None:
        return voice.program
    own = number + 1 if number + 1 < _DRUM_CHANNEL else number + 2
    return voice.sounds.programs.get(voice.channel or own, 0)


# --- abc fields ---

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


def time_signature_of(text: str, before: tuple[int, int]) -> tuple[int, int]:
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

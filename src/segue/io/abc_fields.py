r"""ABC notation: the fields and texts of a tune as values.

Time signatures, keys, tempos, clefs, chord symbols, endings, and what decorations and words say
about repeats and jumps, as the ABC standard 2.1 has them. Texts may hold escapes (sections 3.3 and
8.2 of the standard): ``\'e``, ``\vr``, ``&eacute;``, ``\u00e9``.
"""

import html
import re
import unicodedata
from collections.abc import Iterable
from fractions import Fraction
from typing import Final

from segue.io.play_order import CODA, SEGNO
from segue.text import clean
from segue.theory.keys import LETTER_SEMITONES, fifths_position, signature_accidentals

# ---- lines and texts ---------------------------------------------------------------------

_COMMENT: Final = re.compile(r"(?<!\\)%.*")
_FIELD_NAME: Final = re.compile(r"\s*[A-Za-z]:")
_CONTINUATION: Final = re.compile(r"\s*\+:")
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


def strip_comment(line: str) -> str:
    """Return a line without its comment, which a percent sign begins."""
    return _COMMENT.sub("", line).rstrip()


def join_continued_fields(lines: Iterable[str]) -> list[str]:
    """Append lines of ``+:`` to the field that they continue.

    Comments and directives may stand in between. Lines that continue no field are dropped.
    """
    joined: list[str] = []
    field: int | None = None  # the index of the line that can be continued
    for line in lines:
        if match := _CONTINUATION.match(line):
            if field is not None:
                joined[field] = f"{strip_comment(joined[field])} {line[match.end() :].strip()}"
            continue
        if _FIELD_NAME.match(line):
            field = len(joined)
        elif not line.lstrip().startswith("%"):
            field = None
        joined.append(line)
    return joined


def decode_text(raw: str) -> str:
    """Return the text of a field or an annotation, with its escapes resolved, fit for display."""
    return clean(_ESCAPE.sub(_resolve_escape, raw))


def _resolve_escape(match: re.Match[str]) -> str:
    """Return the character of an escape, or the escape itself where it stands for nothing."""
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


# ---- pitch, key and clef -----------------------------------------------------------------

#: Semitones of the accidentals before a note.
ACCIDENTALS: Final = {"^^": 2, "^": 1, "=": 0, "_": -1, "__": -2}
_KEY: Final = re.compile(r"\s*([A-G])([#b]?)\s*([A-Za-z]*)")
_KEY_ACCIDENTAL: Final = re.compile(r"(?<![\w=])(\^{1,2}|_{1,2}|=)([a-gA-G])(?![\w=])")
_CLEF: Final = re.compile(r"\b(?:treble|bass|alto|tenor|perc|none|[GFC]\d?)\d?([+-])(8|15)\b")
_OCTAVE: Final = re.compile(r"\boctave\s*=\s*([+-]?\d)\b")
_TRANSPOSE: Final = re.compile(r"\btranspose\s*=\s*([+-]?\d{1,2})\b")
#: Sharps of each mode, compared with the major key of the same tonic.
_MODES: Final = {
    "": 0, "maj": 0, "ion": 0, "m": -3, "min": -3, "aeo": -3, "mix": -1, "dor": -2, "phr": -4,
    "lyd": 1, "loc": -5,
}  # fmt: skip


def octave_of(letter: str, marks: str) -> int:
    """Return how many octaves a note lies above the octave of middle C."""
    return letter.islower() + marks.count("'") - marks.count(",")


def written_pitch(accidental: str | None, letter: str, octave_marks: str) -> int:
    """Return the MIDI pitch of a note as written, without key signature or transposition."""
    alteration = ACCIDENTALS[accidental] if accidental else 0
    octave = octave_of(letter, octave_marks)
    return 60 + LETTER_SEMITONES[letter.upper()] + 12 * octave + alteration


def parse_key_field(text: str) -> tuple[tuple[int, int], dict[str, int]] | None:
    """Parse a K: field.

    Parameters
    ----------
    text : str
        "D", "Am", "E dorian", "D exp _e", "HP" for Highland pipes, "none".

    Returns
    -------
    tuple or None
        Sharps, and 1 for minor; and by how many semitones each letter is altered. None where the
        field holds only a clef.
    """
    match = _KEY.match(text)
    sharps, minor = 0, 0
    if text.strip()[:2] in {"HP", "Hp"}:
        sharps = 2
    elif match:
        mode = "" if match[3] == "M" else match[3].lower()[:3]
        sharps = fifths_position(match[1] + match[2]) + _MODES.get(mode, 0)
        minor = int(mode in {"m", "min", "aeo"})
        sharps = 0 if mode == "exp" else sharps
    elif not text.strip().lower().startswith("none") and not _KEY_ACCIDENTAL.search(text):
        return None
    signature = signature_accidentals(sharps)
    for accidental, letter in _KEY_ACCIDENTAL.findall(text):
        signature[letter.upper()] = ACCIDENTALS[accidental]
    return (sharps, minor), signature


def parse_octave_shift(text: str) -> int | None:
    """Return the octave shift of a K: or V: field, from `octave=` or its clef; None without one."""
    if match := _OCTAVE.search(text):
        return int(match[1])
    if clef := _CLEF.search(text):
        return (1 if clef[1] == "+" else -1) * (2 if clef[2] == "15" else 1)
    return None


def parse_transposition(text: str) -> int | None:
    """Return the semitones of `transpose=` in a K: or V: field; None without it."""
    match = _TRANSPOSE.search(text)
    return int(match[1]) if match else None


# ---- time signature, unit note length and tempo ------------------------------------------

_UNIT_LENGTH: Final = re.compile(r"\s*1(?:/(\d{1,3})\b|\s*$)")
_TIME_SIGNATURE: Final = re.compile(r"\(?\s*(\d{1,3}(?:\s*\+\s*\d{1,3})*)\s*\)?\s*/\s*(\d{1,3})")
_TEMPO: Final = re.compile(r"((?:\d{1,3}/\d{1,3}\s*)+|[A-G]\d*)?\s*=?\s*(\d{1,4}(?:\.\d+)?)\s*$")


def parse_time_signature(text: str, default: tuple[int, int]) -> tuple[int, int]:
    """Return the numerator and denominator of an M: field, or the default for an invalid one."""
    text = text.strip()
    if text.startswith("C|"):
        return 2, 2
    if text.startswith("C"):
        return 4, 4
    match = _TIME_SIGNATURE.match(text)
    if not match:
        return default
    beats, unit = sum(map(int, match[1].split("+"))), int(match[2])
    return (beats, unit) if 0 < beats <= 64 and unit in {1, 2, 4, 8, 16, 32, 64} else default


def parse_unit_length(text: str) -> Fraction | None:
    """Return the unit note length of an L: field in whole notes; None for an invalid one."""
    match = _UNIT_LENGTH.match(text)
    return Fraction(1, max(int(match[1] or 1), 1)) if match else None


def parse_tempo(text: str, unit: Fraction) -> float:
    """Return the quarters a minute of a Q: field, 0 where it holds no tempo.

    Parameters
    ----------
    text : str
        "1/4=120", "3/8=80", "C3=60" or "120", perhaps with a text in quotes.
    unit : Fraction
        Unit note length, in whole notes.
    """
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


# ---- chord symbols -----------------------------------------------------------------------

#: What may stand above a tune and be a chord: not "Fine", and not "D.C.".
_CHORD: Final = re.compile(
    r"(?P<chord>[A-G][#b♯♭]?"
    r"(?:maj|min|dim|aug|sus|add|alt|omit|no|dom|ma|mi|[mMo+°ø^Δ#b♯♭(), /\d-])*?)"
    r"(?:/(?P<bass>[A-Ga-g])(?P<sign>[#b♯♭+]?))?"
)
_NO_CHORD: Final = re.compile(r"n\.?\s?c\.?|no chord", re.IGNORECASE)
_ALTERNATIVE: Final = re.compile(r"[;\n]|\s*\((?=[A-G])")  # "G(Em)" and "G;Em": Em instead of G


def parse_chord_symbol(text: str) -> str:
    """Return the chord symbol of a quoted text; "" for words and annotations.

    A lower-case bass becomes a capital; of two alternative chords the first one is returned.
    """
    text = _ALTERNATIVE.split(text.strip())[0].strip()
    if _NO_CHORD.fullmatch(text):
        return "N.C."
    match = _CHORD.fullmatch(text)
    if not match:
        return ""
    sign = match["sign"] or ""
    bass = f"/{match['bass'].upper()}{'#' if sign == '+' else sign}" if match["bass"] else ""
    return match["chord"].strip() + bass


# ---- repeats and jumps -------------------------------------------------------------------

#: Decorations that are about repeats and jumps, in the words of scores.
JUMP_DECORATIONS: Final = {
    "segno": SEGNO, "coda": CODA, "fine": "Fine", "dacoda": "To Coda", "dacapo": "D.C.",
    "d.c.": "D.C.", "d.s.": "D.S.", "d.c.alfine": "D.C. al Fine", "d.s.alfine": "D.S. al Fine",
    "d.c.alcoda": "D.C. al Coda", "d.s.alcoda": "D.S. al Coda",
}  # fmt: skip
#: Letters that stand for decorations unless a U: field says otherwise (ABC 2.1, section 4.14).
DEFAULT_SYMBOLS: Final = {"S": "segno", "O": "coda"}
_SYMBOL: Final = re.compile(r"\s*([H-Wh-w~])\s*=\s*([!+])([^!+]*)\2")
_MAX_ENDING: Final = 32


def parse_symbol_definition(text: str) -> dict[str, str]:
    """Parse a U: field, ``W = !fine!``: the letter, and the decoration that it stands for."""
    match = _SYMBOL.match(text)
    return {match[1]: match[3].strip()} if match else {}


def parse_endings(text: str) -> frozenset[int]:
    """Return the passes of an ending such as ``1,3`` or ``1-3``."""
    passes: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        low = int(first[:2] or 0)
        passes |= set(range(low, max(int(last[:2] or 0) if last.isdigit() else low, low) + 1))
    return frozenset(number for number in passes if 0 < number <= _MAX_ENDING)

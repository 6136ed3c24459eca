"""Chords in MusicXML, as symbols: `harmony` elements to what musicians write, and back."""

import re
from collections.abc import Sequence
from typing import Final
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

from segue.formats.names import clean

#: No file can hold it: XML has no such letter.
_MARK: Final = "\x02"
_FINEST: Final = 1 << 20  # parts of a quarter
_SILENCE: Final = "N.C."
#: What each kind of MusicXML's is in letters.
_KINDS: Final = {
    "major": "", "minor": "m", "augmented": "aug", "diminished": "dim", "dominant": "7",
    "major-seventh": "maj7", "minor-seventh": "m7", "diminished-seventh": "dim7",
    "augmented-seventh": "aug7", "half-diminished": "m7b5", "major-minor": "m(maj7)",
    "major-sixth": "6", "minor-sixth": "m6", "dominant-ninth": "9", "major-ninth": "maj9",
    "minor-ninth": "m9", "dominant-11th": "11", "major-11th": "maj11", "minor-11th": "m11",
    "dominant-13th": "13", "major-13th": "maj13", "minor-13th": "m13",
    "suspended-second": "sus2", "suspended-fourth": "sus4", "power": "5",
}  # fmt: skip
_NAMES: Final = {letters: kind for kind, letters in _KINDS.items()}
#: Kinds that others write as well as these: augmented sixths sound as sevenths, Tristan's chord as
#: a half-diminished one; a pedal is its note alone.
_OTHER_KINDS: Final = {
    "Neapolitan": "", "Italian": "7no5", "French": "7b5", "German": "7", "Tristan": "m7b5",
    "pedal": "no3no5", "dominant-seventh": "7", "augmented-ninth": "aug9", "minor-major": "m(maj7)",
    "maj69": "6/9", "min69": "m6/9", "maj": "", "min": "m", "aug": "aug", "dim": "dim",
    "sus47": "7sus4",
}  # fmt: skip
#: Semitones of degrees of the major scale.
_SCALE: Final = {1: 0, 2: 2, 3: 4, 4: 5, 5: 7, 6: 9, 7: 11, 9: 14, 11: 17, 13: 21}
#: Where a kind has another third, fifth or seventh than the dominant's.
_MINOR_THIRD: Final = re.compile(r"m(?!aj)|dim")
_FIFTHS: Final = ((re.compile("dim|b5"), 6), (re.compile("aug"), 8))
_SEVENTHS: Final = ((re.compile("maj"), 11), (re.compile("dim"), 9))
_SIGNS: Final = {-2: "bb", -1: "b", 0: "", 1: "#", 2: "##"}
_ALTERED: Final = {"#": 1, "♯": 1, "b": -1, "♭": -1}
_SYMBOL: Final = re.compile(
    r"(?P<step>[A-G])(?P<signs>[#♯b♭]{0,2})(?P<kind>.*?)"
    r"(?:/\s*(?P<bass>[A-G])(?P<bass_signs>[#♯b♭]{0,2}))?"
)


def harmony(symbol: str, offset: str = "") -> str:
    """Write a chord symbol as an element.

    Parameters
    ----------
    symbol : str
    offset : str
        An element that says how far behind the place where it stands it holds.

    Returns
    -------
    str
        "" of what has no root.
    """
    if symbol == _SILENCE:
        return (
            "<harmony><root><root-step>C</root-step></root>"
            f'<kind text="{_SILENCE}">none</kind>{offset}</harmony>'
        )
    found = _SYMBOL.fullmatch(symbol)
    if not found:
        return ""
    kind, bass = found["kind"], ""
    if found["bass"]:
        bass = f"<bass>{_pitch('bass', found['bass'], found['bass_signs'])}</bass>"
    return (
        f"<harmony><root>{_pitch('root', found['step'], found['signs'])}</root>"
        f"<kind text={quoteattr(kind)}>{_NAMES.get(kind, 'other')}</kind>{bass}{offset}</harmony>"
    )


def _pitch(name: str, step: str, signs: str) -> str:
    alter = sum(_ALTERED[sign] for sign in signs)
    altered = f"<{name}-alter>{alter}</{name}-alter>" if alter else ""
    return f"<{name}-step>{escape(step)}</{name}-step>{altered}"


def symbol_of(element: ET.Element) -> str:
    """Return what a chord is in letters; "" where it has no root, or nothing says its kind."""
    kind = element.find("kind")
    name = "" if kind is None else (kind.text or "").strip()
    if name == "none":
        return _SILENCE
    root = _named(element.find("root"), "root")
    letters = (_KINDS | _OTHER_KINDS).get(name)
    degrees = element.findall("degree")
    if letters is None and kind is not None:
        letters = clean(kind.get("text", "")) or None
        degrees = []  # the text has them
    if not root or letters is None:
        return ""
    bass = _named(element.find("bass"), "bass")
    return root + _with_degrees(letters, degrees) + (f"/{bass}" if bass else "")


def _named(element: ET.Element | None, name: str) -> str:
    if element is None:
        return ""
    step = (element.findtext(f"{name}-step") or "").strip()
    sign = _SIGNS.get(_whole(element.findtext(f"{name}-alter")))
    return step + sign if re.fullmatch("[A-G]", step) and sign is not None else ""


def _with_degrees(letters: str, degrees: Sequence[ET.Element]) -> str:
    """Return a kind in letters with what is added, altered and left out."""
    more = ""
    for element in degrees:
        value = _whole(element.findtext("degree-value"))
        alter = _whole(element.findtext("degree-alter"))
        told = (element.findtext("degree-type") or "").strip()
        if value not in _SCALE or abs(alter) > 2:
            continue
        if told == "subtract":
            more += f"no{value}"
        elif told == "alter":
            more += _altered(value, _plain(letters, value) + alter - _SCALE[value])
        elif value != 7:
            more += f"add{_SIGNS[alter]}{value}"
        elif letters.startswith("sus") and alter <= 0:
            letters = "7" + letters
        elif letters == "dim" and alter < -1:
            letters = "dim7"
        else:  # what is added is counted from a dominant chord, which some write as a flat seventh
            more += "maj7" if alter > 0 else "add7"
    # "Cb5" would be a fifth on C flat.
    return f"({more})" if not letters and more.startswith(("b", "#")) else letters + more


def _altered(value: int, by: int) -> str:
    """Return a degree that is so many semitones off the major scale's."""
    if value == 7:
        return {0: "maj7", -1: "no7add7"}.get(by, "no7add6")
    if by:
        return _SIGNS.get(by, "") + str(value)
    return f"no{value}add{value}"


def _plain(letters: str, value: int) -> int:
    """Return the semitones of a degree as a kind of chord has it."""
    if value == 3 and _MINOR_THIRD.match(letters):
        return 3
    if value == 5:
        return next((found for kind, found in _FIFTHS if kind.search(letters)), 7)
    if value == 7:
        return next((found for kind, found in _SEVENTHS if kind.search(letters)), 10)
    return _SCALE[value]


def _whole(text: str | None) -> int:
    """Return a whole number, 0 where there is none."""
    found = re.fullmatch(r"([+-]?[0-9]{1,2})(?:\.0*)?", (text or "").strip())
    return int(found[1]) if found else 0

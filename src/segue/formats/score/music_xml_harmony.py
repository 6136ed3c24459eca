"""Chords in MusicXML, as symbols: `harmony` elements to what musicians write, and back.

music21 would read them into chords of its own, which takes long and fails on many a symbol. They
travel past it as words, as what is played does; see `segue.formats.score.music_xml_played`.
"""

import re
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
_SIGNS: Final = {-2: "bb", -1: "b", 0: "", 1: "#", 2: "##"}
_ALTERED: Final = {"#": 1, "♯": 1, "b": -1, "♭": -1}
_SYMBOL: Final = re.compile(
    r"(?P<step>[A-G])(?P<signs>[#♯b♭]{0,2})(?P<kind>.*?)"
    r"(?:/\s*(?P<bass>[A-G])(?P<bass_signs>[#♯b♭]{0,2}))?"
)
_MOST_DIGITS: Final = 2  # of a degree


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
    letters = _KINDS.get(name)
    if letters is None and kind is not None:
        letters = clean(kind.get("text", "")) or None
    if not root or letters is None:
        return ""
    bass = _named(element.find("bass"), "bass")
    degrees = "" if name == "other" else "".join(map(_degree, element.findall("degree")))
    return root + letters + degrees + (f"/{bass}" if bass else "")


def _named(element: ET.Element | None, name: str) -> str:
    if element is None:
        return ""
    step = (element.findtext(f"{name}-step") or "").strip()
    sign = _SIGNS.get(_whole(element.findtext(f"{name}-alter")))
    return step + sign if re.fullmatch("[A-G]", step) and sign is not None else ""


def _degree(element: ET.Element) -> str:
    """Return how a degree that is added, altered or left out is written."""
    value = (element.findtext("degree-value") or "").strip()
    sign = _SIGNS.get(_whole(element.findtext("degree-alter")), "")
    kind = (element.findtext("degree-type") or "").strip()
    if not value.isascii() or not value.isdigit() or len(value) > _MOST_DIGITS:
        return ""
    if kind == "subtract":
        return f"no{value}"
    return sign + value if sign and kind == "alter" else f"add{sign}{value}"


def _whole(text: str | None) -> int:
    """Return a whole number, 0 where there is none."""
    text = (text or "").strip()
    return int(text) if re.fullmatch(r"[+-]?[0-9]{1,2}", text) else 0

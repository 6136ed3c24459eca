r"""Lines and texts of ABC: fields that go on, comments, and the letters that stand for others.

As the standard has them (2.1, sections 3.3, 8.2 and 14.1): ``\'e`` and ``\vr``, ``&eacute;``,
``\u00e9``.
"""

import html
import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from segue.formats.names import clean

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

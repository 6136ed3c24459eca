"""Humdrum **kern: text, one column to a part."""

import html
import re
from typing import Final

from segue.errors import Unreadable
from segue.formats.encodings import decode
from segue.formats.names import clean
from segue.formats.score.kern import read_spines
from segue.formats.score.music_xml import Header, check_metre
from segue.formats.score.written import played
from segue.records import Score

MOST_BYTES: Final = 8 << 20
_METRE: Final = re.compile(r"\*M(\d[\d+/]*)")
_REFERENCE: Final = re.compile(r"^!!!(OTL|COM)[^:\n]*:(.*)$", re.MULTILINE)


def read_kern(content: bytes) -> Score:
    """Read a Humdrum file that has **kern spines.

    Parameters
    ----------
    content : bytes

    Returns
    -------
    Score

    Raises
    ------
    Unreadable
        It has none, is damaged, too large or without a note.
    """
    if len(content) > MOST_BYTES:
        raise Unreadable(f"a Humdrum file of more than {MOST_BYTES >> 20} MB")
    text = decode(content)
    if "**kern" not in text:
        raise Unreadable("a Humdrum file without a **kern spine")
    for metre in _METRE.findall(text):
        check_metre(metre)
    header = read_references(content)
    return played(read_spines(text, header.title, header.composer))


def read_references(content: bytes) -> Header:
    """Read title and composer from a Humdrum file's reference records (OTL and COM)."""
    found: dict[str, str] = {}
    for kind, text in _REFERENCE.findall(decode(content[:MOST_BYTES])):
        found.setdefault(kind, clean(html.unescape(text)))
    return Header(found.get("OTL", ""), _first_name_first(found.get("COM", "")))


def _first_name_first(name: str) -> str:
    last, comma, first = name.partition(", ")
    return f"{first} {last}" if comma else name

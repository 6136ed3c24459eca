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
MOST_SPINES: Final = 256  # the largest orchestra with words, dynamics and divided strings has fewer
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
    widest = max(line.count("\t") for line in text.splitlines() if not line.startswith("!!")) + 1
    if widest > MOST_SPINES:  # each may split in two, and these again
        raise Unreadable(f"{widest} spines side by side, expected at most {MOST_SPINES}")
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

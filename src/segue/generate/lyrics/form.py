"""Poetic forms: metre, syllable counts and rhyme of the lines of a stanza, and song structures.

A metre is a string with a character for each syllable of a line: "s" is a strong position, "w" a
weak one, "x" either. Iambic tetrameter is "wswswsws".
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from segue.errors import BadArgument

MAX_SYLLABLES: Final = 24
MAX_FEET: Final = 8
_FEET: Final[Mapping[str, str]] = {
    "iambic": "ws", "trochaic": "sw", "anapestic": "wws", "dactylic": "sww",
    "amphibrachic": "wsw",
}  # fmt: skip
_METER: Final = re.compile(r"([a-z]+)-(\d+)")
_RHYME_SCHEME: Final = re.compile(r"[A-Za-z-]{1,32}")
SECTIONS: Final = ("verse", "chorus", "bridge", "refrain", "intro", "outro")
#: Lines of a section whose length nothing else gives.
LINES_PER_STANZA: Final = 4


@dataclass(frozen=True, slots=True)
class LineForm:
    """What is asked of a line.

    Attributes
    ----------
    meter : str
        A character for each syllable; "" if their number is free.
    rhyme : str
        Letter of the rhyme, or another name; "-" for none.
    """

    meter: str = ""
    rhyme: str = "-"


@dataclass(frozen=True, slots=True)
class NamedForm:
    """A form with a name.

    Attributes
    ----------
    rhyme : str
        Rhyme scheme of a stanza, with a letter or "-" for each line.
    meters : tuple of str
        Metre of each line of a stanza.
    stanzas : int
        Number of stanzas; 0 for any.
    """

    rhyme: str
    meters: tuple[str, ...]
    stanzas: int = 0


def _feet(name: str, *counts: int) -> tuple[str, ...]:
    return tuple(_FEET[name] * count for count in counts)


_LIMERICK: Final = ("wswwswws", "wswwswws", "wswws", "wswws", "wswwswws")
FORMS: Final[Mapping[str, NamedForm]] = {
    "common": NamedForm("ABAB", _feet("iambic", 4, 3, 4, 3)),
    "ballad": NamedForm("-A-A", _feet("iambic", 4, 3, 4, 3)),
    "long": NamedForm("ABAB", _feet("iambic", 4, 4, 4, 4)),
    "short": NamedForm("ABAB", _feet("iambic", 3, 3, 4, 3)),
    "couplets": NamedForm("AA", _feet("iambic", 5, 5)),
    "sonnet": NamedForm("ABABCDCDEFEFGG", _feet("iambic", *(5,) * 14), 1),
    "limerick": NamedForm("AABBA", _LIMERICK, 1),
    "haiku": NamedForm("---", ("x" * 5, "x" * 7, "x" * 5), 1),
}


def parse_meter(text: str) -> tuple[str, ...]:
    """Parse metres such as "iambic-4", or "iambic-4,iambic-3" for lines in turn.

    Raises
    ------
    BadArgument
    """
    return tuple(map(_parse_line_meter, text.split(","))) if text.strip() else ()


def _parse_line_meter(text: str) -> str:
    match = _METER.fullmatch(text.strip().lower())
    if not match or match[1] not in _FEET or not 1 <= int(match[2]) <= MAX_FEET:
        raise BadArgument(
            f"--meter {text.strip()!r} is no metre: write a foot and the number of feet of a line, "
            f"as iambic-4; the feet are {', '.join(_FEET)}, and 1 to {MAX_FEET} of them"
        )
    meter = _FEET[match[1]] * int(match[2])
    if len(meter) > MAX_SYLLABLES:
        raise BadArgument(f"--meter {text.strip()}: at most {MAX_SYLLABLES} syllables in a line")
    return meter


def parse_syllables(text: str) -> tuple[str, ...]:
    """Parse syllable counts such as "8,6,8,6" to metres of free stress.

    Raises
    ------
    BadArgument
    """
    if not text.strip():
        return ()
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and 1 <= int(part) <= MAX_SYLLABLES for part in parts):
        raise BadArgument(
            f"--syllables {text!r}: give the syllables of each line of a stanza, from 1 to "
            f"{MAX_SYLLABLES}, as 8,6,8,6"
        )
    return tuple("x" * int(part) for part in parts)


def check_rhyme(scheme: str) -> str:
    """Return a rhyme scheme in capital letters.

    Raises
    ------
    BadArgument
    """
    if scheme and not _RHYME_SCHEME.fullmatch(scheme):
        raise BadArgument(
            f"{scheme!r} is no rhyme scheme: write a letter for each line of a stanza, the "
            "same one for lines that rhyme, as ABAB, AABB, ABBA or A-A-"
        )
    return scheme.upper()


def parse_sections(text: str) -> tuple[str, ...]:
    """Parse a song structure such as "verse-chorus-verse-chorus-bridge-chorus".

    Raises
    ------
    BadArgument
        The text names neither a form nor sections.
    """
    sections = tuple(part.strip().lower() for part in text.split("-"))
    unknown = [section for section in sections if section not in SECTIONS]
    if unknown:
        raise BadArgument(
            f"--form {text!r}: there are {', '.join(FORMS)}; or write the sections of a song in "
            f"order, of {', '.join(SECTIONS)}, as verse-chorus-verse-chorus-bridge-chorus"
        )
    return sections


def stanza_forms(rhyme: str, meters: Sequence[str]) -> tuple[LineForm, ...]:
    """Return the lines of a stanza: as many as the longer of both has, the shorter one repeated."""
    count = max(len(rhyme), len(meters))
    return tuple(
        LineForm(
            meters[at % len(meters)] if meters else "", rhyme[at % len(rhyme)] if rhyme else "-"
        )
        for at in range(count)
    )

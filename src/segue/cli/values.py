"""What is written after options: passages of a recording, weights of a blend."""

import math
import re
from typing import TYPE_CHECKING, Final

from segue.errors import BadArgument

if TYPE_CHECKING:
    from collections.abc import Callable

    from segue.records import Span

_DASHES: Final = re.compile("[‐‑‒–—−]|\\.\\.")
_YEAR: Final = re.compile(r"(?P<year>\d{4}|\d{2})(?P<decade>'?s)?")
#: "20s" are the 2020s, "30s" the 1930s.
_LAST_SHORT_DECADE: Final = 20


def parse_blend(text: str) -> dict[str, float]:
    """Read ``sound=0.6,metadata=0.4``; a name alone has the weight 1."""
    weights: dict[str, float] = {}
    for part in text.split(","):
        name, equals, weight = (piece.strip() for piece in part.partition("="))
        try:
            value = float(weight) if equals else 1.0
        except ValueError:
            value = 0.0
        if not name or name in weights or not 0 < value < float("inf"):
            raise BadArgument(
                f"{part.strip()!r} is not understood, or there twice in the blend; "
                "give spaces with weights above 0, as sound=0.6,metadata=0.4"
            )
        weights[name] = value
    return weights


def parse_years(text: str) -> tuple[float, float]:
    """Read ``1995``, ``1990-1999``, ``90s``, ``1990s``, ``1990-`` or ``-1999``."""
    return _parse_range(
        text,
        _year,
        f"the year {text!r} is not understood; give it as 1995, 1990-1999, 90s or 1990-",
    )


def parse_tempos(text: str) -> tuple[float, float]:
    """Read ``118-126``, ``120`` (which is 119.5 to 120.5), ``118-`` or ``-126``; beats a minute."""
    return _parse_range(
        text, _tempo, f"the tempo {text!r} is not understood; give it as 118-126, 120 or 118-"
    )


def _parse_range(
    text: str, read: "Callable[[str, bool], tuple[float, float]]", wrong: str
) -> tuple[float, float]:
    """Read one value, or two with a dash between them of which one may be left away."""
    low, dash, high = (part.strip() for part in _DASHES.sub("-", text).partition("-"))
    if not low and not high:
        raise BadArgument(wrong)
    try:
        first = read(low, bool(dash))[0] if low else -math.inf
        last = read(high, bool(dash))[1] if high else math.inf if dash else read(low, False)[1]
    except ValueError:
        raise BadArgument(wrong) from None
    if first > last:
        raise BadArgument(f"{text!r} runs backwards; the lower number comes first")
    return first, last


def _year(text: str, _ranged: bool) -> tuple[float, float]:
    found = _YEAR.fullmatch(text.casefold())
    if not found:
        raise ValueError(text)
    year, decade = int(found["year"]), bool(found["decade"])
    if len(found["year"]) == 2:
        if not decade or year % 10:
            raise ValueError(text)
        year += 2000 if year <= _LAST_SHORT_DECADE else 1900
    return (year, year + 9) if decade else (year, year)


def _tempo(text: str, ranged: bool) -> tuple[float, float]:
    tempo = float(text.casefold().removesuffix("bpm"))
    if not 0 < tempo < math.inf:
        raise ValueError(text)
    # Tempos are measured, so that none is a whole number.
    return (tempo, tempo) if ranged else (tempo - 0.5, tempo + 0.5)


def parse_passage(text: str) -> "Span":
    """Read ``1:20-1:35`` or ``80-95``."""
    from segue.records import Span

    start, dash, end = text.partition("-")
    try:
        span = Span(_seconds(start), _seconds(end))
    except ValueError:
        raise BadArgument(f"the passage {text!r} is not understood; give it as 1:20-1:35") from None
    if not dash or span.length_s < 1:
        raise BadArgument(f"the passage {text!r} is shorter than a second; give it as 1:20-1:35")
    return span


def _seconds(text: str) -> float:
    total = 0.0
    for part in text.strip().split(":"):
        total = total * 60 + float(part)
    return total

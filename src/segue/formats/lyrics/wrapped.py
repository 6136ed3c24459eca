"""Lines that were broken to fit a page, joined again."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

_NARROWEST_PAGE: Final = 50  # characters: shorter lines are lines of verse
_FEWEST: Final = 3
_MOST_OF: Final = 0.5
_FEW: Final = 0.25  # of the lines that had room begin in lower case
_LONGEST_OF: Final = 0.995  # of the lines: a few stick out


def unwrapped(lines: Sequence[str]) -> list[str]:
    """Join lines that go on only because the page was too narrow.

    Parameters
    ----------
    lines : sequence of str
        Of a whole text, with the spaces that they begin with.

    Returns
    -------
    list of str
        A line is joined to the one before where its first word had no room there, and it begins
        in lower case, or further in than the line that it goes on: if most that do so had no
        room. Verse whose lines begin in lower case, or further in, stays as it is.
    """
    lengths = sorted(len(line) for line in lines if line.strip())
    if not lengths:
        return list(lines)
    width = lengths[min(int(_LONGEST_OF * len(lengths)), len(lengths) - 1)]
    if width < _NARROWEST_PAGE:
        return list(lines)
    pairs = [pair for pair in pairwise(lines) if pair[0].strip() and pair[1].strip()]
    small = [pair for pair in pairs if pair[1].strip()[0].islower()]
    inward = [pair for pair in pairs if _indent(pair[1]) > _indent(pair[0])]
    heads = [line for before, line in pairs if not _is_full(before, line, width)]
    rare = sum(line.strip()[0].islower() for line in heads) <= _FEW * len(heads)
    by_case = bool(heads) and rare and _mostly_full(small, width)
    by_indent = _mostly_full(inward, width)
    joined: list[str] = []
    before = ""
    for line in lines:
        going_on = bool(joined) and bool(before.strip()) and bool(line.strip())
        if (
            going_on
            and _is_full(before, line, width)
            and (
                (by_case and line.strip()[0].islower())
                or (by_indent and _indent(line) > _indent(joined[-1]))
            )
        ):
            joined[-1] = f"{joined[-1]} {line.strip()}"
        else:
            joined.append(line)
        before = line
    return joined


def _mostly_full(pairs: Sequence[tuple[str, str]], width: int) -> bool:
    full = sum(_is_full(*pair, width) for pair in pairs)
    return full >= _FEWEST and full >= _MOST_OF * len(pairs)


def _is_full(before: str, line: str, width: int) -> bool:
    """Tell whether the first word of a line would have been too much for the one before."""
    return len(before.rstrip()) + 1 + len(line.split(maxsplit=1)[0]) > width


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())

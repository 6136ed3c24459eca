"""The order in which the bars of an ABC tune are played: its parts, repeats, D.C. and D.S."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from segue.errors import Unreadable
from segue.formats.score.abc_voices import Written
from segue.formats.score.play_marks import Marks, place_coda_signs
from segue.formats.score.play_order import MOST_BARS, PlayOrder, play_order

_PART: Final = re.compile(r"([A-Za-z])(\d*)|(\()|(\))(\d*)")


def order_of(bars: Sequence[Written], parts: str) -> PlayOrder:
    """Return which bars sound after one another.

    Parameters
    ----------
    bars : sequence of Written
    parts : str
        In which order the parts are played, "A(AB)2" say; "" for as they stand. Where it is told,
        D.C. and D.S. are not followed: it says what they would.

    Raises
    ------
    Unreadable
        More bars would be played than can be.
    """
    begins = [n for n, bar in enumerate(bars) if bar.part] if parts else []
    if not begins:
        return play_order(_marks(bars, jumps=True))
    ends = [*begins[1:], len(bars)]
    sections = {bars[n].part: (n, end) for n, end in zip(begins, ends, strict=True)}
    found = [*_section(bars, 0, begins[0])]
    for name in _parts_in_order(parts):
        if name in sections:
            found += _section(bars, *sections[name])
        if len(found) > MOST_BARS:
            raise Unreadable(f"a tune of more than {MOST_BARS} bars, repeats played")
    return PlayOrder(tuple(found))


def _section(bars: Sequence[Written], first: int, end: int) -> Iterator[int]:
    """Yield the bars of a part, repeats played."""
    marks = _marks(bars[first:end], jumps=False)
    yield from (first + n for n in play_order(marks).bars)


def _parts_in_order(told: str) -> Iterator[str]:
    """Yield the parts of ``A(AB)2C``, one after another."""
    stack: list[list[str]] = [[]]
    for match in _PART.finditer(told):
        if match[1]:
            stack[-1] += [match[1]] * _times(match[2])
        elif match[3]:
            stack.append([])
        elif len(stack) > 1:
            inner = stack.pop()
            stack[-1] += inner * _times(match[5])
        if len(stack[-1]) > MOST_BARS:
            raise Unreadable(f"a tune of more than {MOST_BARS} parts in a row")
    yield from (name for level in stack for name in level)


def _times(digits: str) -> int:
    return min(int(digits[:3]), 99) if digits else 1


def _marks(bars: Sequence[Written], *, jumps: bool) -> list[Marks]:
    """Return what bars say of the order of playing.

    A repeat that begins nowhere begins at the last double bar, or after the last repeat.
    """
    marks = [bar.marks if jumps else bar.marks.without_jumps() for bar in bars]
    start, opened = 0, False
    for n, bar in enumerate(bars):
        after_endings = bool(n and bars[n - 1].marks.endings and not bar.marks.endings)
        if bar.opens or after_endings or (bar.after_double and not opened):
            start, opened = n, bar.opens
        if bar.marks.closes:
            marks[start].opens = True
            if not bar.marks.endings:
                start, opened = n + 1, False
    if jumps:
        place_coda_signs(marks, [(n, False) for n, bar in enumerate(bars) if bar.coda_sign])
    return marks

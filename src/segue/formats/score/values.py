"""Note values: how the stretches of a bar are divided into what can be written.

A bar is halved, or divided into its beats, until what lies within a window is plain or makes a
tuplet. Within each, a stretch is one value where that hides no stronger place of the bar than
readers are used to; else it is cut there, and tied.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from segue.formats.score.quantisation import QUARTER

#: The shortest plain value, a hundred-and-twenty-eighth.
_PLAIN: Final = QUARTER // 32
_KINDS: Final = {
    8 * QUARTER: "breve", 4 * QUARTER: "whole", 2 * QUARTER: "half", QUARTER: "quarter",
    QUARTER // 2: "eighth", QUARTER // 4: "16th", QUARTER // 8: "32nd", QUARTER // 16: "64th",
    _PLAIN: "128th",
}  # fmt: skip
#: How many in the time of how many, and into how many parts each may be divided in a quarter.
_TUPLETS: Final = ((3, 2, 16), (5, 4, 4), (7, 4, 4), (9, 8, 1))


@dataclass(frozen=True, slots=True)
class Tuplet:
    """So many in the time of so many of some kind; `opens` and `closes`: it is the first, last."""

    actual: int
    normal: int
    kind: str
    opens: bool
    closes: bool
    count: int  # of symbols in it


@dataclass(frozen=True, slots=True)
class Value:
    """How a note or rest is written.

    Attributes
    ----------
    at, length : int
        In the bar, in `QUARTER` to the quarter.
    kind : str
        As in MusicXML: "quarter", "16th"; "" for what no value can tell.
    dots : int
        0 or 1.
    tuplet : Tuplet or None
    """

    at: int
    length: int
    kind: str
    dots: int
    tuplet: Tuplet | None


@dataclass(frozen=True, slots=True)
class _Window:
    start: int
    end: int
    actual: int
    normal: int


def values_of(
    stretches: Sequence[tuple[int, int, bool]], length: int, beats: int, unit: int
) -> Iterator[tuple[int, Value]]:
    """Write the stretches of a bar.

    Parameters
    ----------
    stretches : sequence of (start, end, is_rest)
        One after another, from 0 to the end of the bar.
    length : int
        Of the bar, in `QUARTER` to the quarter.
    beats, unit : int
        Its metre.

    Yields
    ------
    int, Value
        The number of the stretch, and a value of it: one, or more to be tied.
    """
    edges = sorted({end for _, end, _ in stretches})[:-1]
    levels = _levels(length, beats, unit)
    for window in _joined(_windows(0, length, edges, levels)):
        inside = [
            (number, max(start, window.start), min(end, window.end), is_rest)
            for number, (start, end, is_rest) in enumerate(stretches)
            if start < window.end and end > window.start
        ]
        yield from _in_tuplet(inside, window) if window.actual > 1 else _plainly(inside, levels)


def _levels(length: int, beats: int, unit: int) -> list[int]:
    """Return the distances between places of equal strength in a bar, the strongest first."""
    found = [length]
    beat = 4 * QUARTER // unit
    if beats % 3 == 0 and beats > 3:  # compound: three units make a beat
        if beats % 2 == 0:
            found.append(length // 2)
        found.append(3 * beat)
    elif beats % 2 == 0 and length == beats * beat:
        while beats % 2 == 0:
            beats //= 2
            found.append(beats * beat)
    found.append(beat)
    while found[-1] > _PLAIN and found[-1] % 2 == 0:
        found.append(found[-1] // 2)
    return list(dict.fromkeys(found))


def _windows(
    start: int, end: int, edges: Sequence[int], levels: Sequence[int]
) -> Iterator[_Window]:
    """Divide a stretch of a bar into what is plain and what are tuplets."""
    inside = [edge - start for edge in edges if start < edge < end]
    length = end - start
    if all(edge % _PLAIN == 0 for edge in inside) and start % _PLAIN == 0:
        yield _Window(start, end, 1, 1)
        return
    finer = next((level for level in levels if level < length and length % level == 0), 0)
    is_halved = finer * 2 == length
    if (is_halved and finer not in inside) or not finer:
        for actual, normal, parts in _TUPLETS:
            # Over more than a quarter only what is not divided further.
            most = max(parts * length // QUARTER, 1) if length <= QUARTER else 1
            step, rest = divmod(length, actual * most)
            is_whole = not rest and length % normal == 0 and step * actual % normal == 0
            if is_whole and length in _KINDS and all(edge % step == 0 for edge in inside):
                yield _Window(start, end, actual, normal)
                return
    if not finer:
        yield _Window(start, end, 1, 1)  # what no value can tell
        return
    for at in range(start, end, finer):
        yield from _windows(at, at + finer, edges, levels)


def _joined(windows: Iterable[_Window]) -> list[_Window]:
    """Put what is plain and adjoins into one."""
    found: list[_Window] = []
    for window in windows:
        if found and window.actual == found[-1].actual == 1:
            found[-1] = _Window(found[-1].start, window.end, 1, 1)
        else:
            found.append(window)
    return found


def _plainly(
    inside: Sequence[tuple[int, int, int, bool]], levels: Sequence[int]
) -> Iterator[tuple[int, Value]]:
    for number, start, end, is_rest in inside:
        for at, until in _cut(start, end, levels, is_rest=is_rest):
            kind, dots = _kind(until - at) or ("", 0)
            yield number, Value(at, until - at, kind, dots, None)


def _in_tuplet(
    inside: Sequence[tuple[int, int, int, bool]], window: _Window
) -> Iterator[tuple[int, Value]]:
    """Write what is in a tuplet: as if it were plain and lasted as long as it is written."""
    stretch = Fraction(window.actual, window.normal)
    unit = (window.end - window.start) // window.normal  # of which there are so many
    levels = [unit * window.actual, unit]
    while levels[-1] % 2 == 0 and levels[-1] > 1:
        levels.append(levels[-1] // 2)
    kind = _KINDS.get(unit, "")
    found = []
    for number, start, end, is_rest in inside:
        first, last = (int((edge - window.start) * stretch) for edge in (start, end))
        for at, until in _cut(first, last, levels, is_rest=is_rest):
            own, dots = _kind(until - at) or ("", 0)
            place = window.start + int(at / stretch), window.start + int(until / stretch)
            found.append((number, place, own, dots))
    for n, (number, (at, until), own, dots) in enumerate(found):
        tuplet = Tuplet(window.actual, window.normal, kind, n == 0, n == len(found) - 1, len(found))
        yield number, Value(at, until - at, own, dots, tuplet)


def _cut(
    start: int, end: int, levels: Sequence[int], *, is_rest: bool
) -> Iterator[tuple[int, int]]:
    """Cut a stretch into values, at the strongest places within it."""
    level, step = _strongest(start, end, levels)
    known = _kind(end - start)
    if not step:
        yield start, end
        return
    edges = min(_level(start, levels), _level(end, levels))
    if known and is_rest:  # rests show the beats: no dots but of what is itself a beat
        is_kept = end - start in levels or (edges <= level and not known[1])
    else:  # as strong an edge as anything inside; or a syncopation, by one level
        is_kept = known is not None and (edges <= level or (edges == level + 1 and not known[1]))
    if is_kept and not _hides_beat(start, end, level, levels):
        yield start, end
        return
    first = (start // step + 1) * step
    last = (end - 1) // step * step
    middle = last if _level(start, levels) <= _level(end, levels) else first
    yield from _cut(start, middle, levels, is_rest=is_rest)
    yield from _cut(middle, end, levels, is_rest=is_rest)


def _hides_beat(start: int, end: int, level: int, levels: Sequence[int]) -> bool:
    """Tell whether a stretch goes over a dotted beat, which all values show, but is not of such."""
    beat = next((n for n in range(1, len(levels) - 1) if levels[n] == 3 * levels[n + 1]), 0)
    return level <= beat and max(_level(start, levels), _level(end, levels)) > beat


def _strongest(start: int, end: int, levels: Sequence[int]) -> tuple[int, int]:
    """Return the strongest level that has a place inside, and the distance of its places."""
    for level, step in enumerate(levels):
        if (end - 1) // step * step > start:
            return level, step
    return len(levels), 0


def _level(place: int, levels: Sequence[int]) -> int:
    return next((n for n, step in enumerate(levels) if place % step == 0), len(levels))


def _kind(length: int) -> tuple[str, int] | None:
    """Return the value of a length and its dots; None where there is none."""
    if length in _KINDS:
        return _KINDS[length], 0
    if 2 * length % 3 == 0 and 2 * length // 3 in _KINDS:
        return _KINDS[2 * length // 3], 1
    return None

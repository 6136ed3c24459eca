"""Beams: which short notes of a bar are joined, beat by beat."""

from collections.abc import Sequence
from typing import Final

from segue.formats.score.notation import Bar, Symbol
from segue.formats.score.quantisation import QUARTER

#: How many beams a note value has.
_BEAMS: Final = {"eighth": 1, "16th": 2, "32nd": 3, "64th": 4, "128th": 5}


def beams_of(symbols: Sequence[Symbol], bar: Bar) -> list[tuple[str, ...]]:
    """Join the notes of a voice's bar by beams.

    Parameters
    ----------
    symbols : sequence of Symbol
        A voice's, of one bar.
    bar : Bar

    Returns
    -------
    list of tuple of str, as long as `symbols`
        For each level, from the eighth's on, what MusicXML calls it: "begin", "continue", "end",
        "forward hook", "backward hook"; none for what has a flag, or none. Eighths that fill two
        beats of a simple metre are joined over both, as usual, where these are half a 4/4 bar.
    """
    found: list[tuple[str, ...]] = [()] * len(symbols)
    for group in _groups(symbols, bar):
        if len(group) < 2:
            continue
        levels = [_BEAMS[symbols[index].value.kind] for index in group]
        for place, index in enumerate(group):
            found[index] = tuple(_beam(levels, place, level) for level in range(levels[place]))
    return found


def _groups(symbols: Sequence[Symbol], bar: Bar) -> list[list[int]]:
    """List the numbers of the notes that are joined: neighbours within a beat, without rests."""
    beat = _span(bar)
    groups: list[list[int]] = [[]]
    before = -1
    for index, symbol in enumerate(symbols):
        value = symbol.value
        is_joined = bool(symbol.heads) and value.kind in _BEAMS
        if not is_joined or value.at // beat != before:
            groups.append([])
        if is_joined:
            groups[-1].append(index)
            before = value.at // beat
            if (value.at + value.length - 1) // beat != before:  # it reaches into the next beat
                groups.append([])
    if (bar.beats, bar.unit) not in {(4, 4), (2, 2)}:
        return groups
    return _halves(groups, symbols)


def _halves(groups: Sequence[list[int]], symbols: Sequence[Symbol]) -> list[list[int]]:
    """Join two beats of two plain eighths each, where they make half a bar of 4/4."""
    joined: list[list[int]] = []
    for group in groups:
        before = joined[-1] if joined else []
        first = symbols[group[0]].value.at if group else -1
        if (
            _is_pair(group, symbols)
            and _is_pair(before, symbols)
            and symbols[before[0]].value.at % (2 * QUARTER) == 0
            and first == symbols[before[0]].value.at + QUARTER
        ):
            joined[-1] = before + group
        elif group:
            joined.append(group)
    return joined


def _is_pair(group: Sequence[int], symbols: Sequence[Symbol]) -> bool:
    values = [symbols[index].value for index in group]
    return (
        len(values) == 2
        and values[0].at % QUARTER == 0
        and all(v.kind == "eighth" and not v.dots and v.tuplet is None for v in values)
    )


def _beam(levels: Sequence[int], place: int, level: int) -> str:
    """Say how a note is joined to its neighbours at a level: 0 for the eighth's."""
    left = place > 0 and levels[place - 1] > level
    right = place + 1 < len(levels) and levels[place + 1] > level
    if left and right:
        return "continue"
    if right:
        return "begin"
    if left:
        return "end"
    return "forward hook" if place == 0 else "backward hook"


def _span(bar: Bar) -> int:
    """Return the time that a beam spans, in `QUARTER` to the quarter: a beat, or a bar of 3/8."""
    is_compound = bar.beats % 3 == 0 and bar.beats > 3
    unit = 4 * QUARTER // bar.unit
    return 3 * unit if is_compound or (bar.beats == 3 and bar.unit >= 8) else max(unit, QUARTER)

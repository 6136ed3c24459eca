"""Repeated sections of a score: which bars they are, their endings, how often they are played."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from segue.formats.score.play_marks import Marks


@dataclass(slots=True, eq=False)
class Section:
    """A repeated section, and how far its playing is."""

    start: int
    last: int = -1  # its last bar, endings included
    total: int = 0  # how many times it is played
    endings: "list[Ending]" = field(default_factory=list)
    is_plain: bool = False  # a sign that is under no bracket leads back
    after_jump: bool = False
    now: int = 1  # which time it is
    jumps: int = -1  # how many jumps there had been when `now` was set
    done: int = -1  # how many there had been when its last time began; -1 for not yet


@dataclass(slots=True, eq=False)
class Ending:
    """Bars under one bracket."""

    first: int
    last: int
    passes: set[int]
    closes: bool
    section: Section | None = None


@dataclass(slots=True)
class Sections:
    """The sections of a movement, by bar."""

    begin: dict[int, list[Section]] = field(default_factory=dict)  # outer ones first
    close: dict[int, Section] = field(default_factory=dict)  # by the bars that lead back
    ending: dict[int, Ending] = field(default_factory=dict)  # by the first bar of each
    inner: dict[int, Section] = field(default_factory=dict)  # the innermost around a bar


def repeated_sections(marks: Sequence[Marks], first: int, end: int) -> Sections:
    """Pair the ends of repeats with their starts, and endings with both.

    Parameters
    ----------
    marks : sequence of Marks
        Of all bars of a score.
    first, end : int
        The movement that is meant: from its first bar up to the one behind its last.

    Returns
    -------
    Sections
    """
    found = Sections()
    open_starts: list[int] = []
    sections: list[Section] = []
    bottom = first  # where a repeat without a start begins
    before: Section | None = None  # the section that ends just before this bar
    loose: list[Ending] = []  # endings whose section is not known yet
    n = first
    while n < end:
        if marks[n].opens:
            open_starts.append(n)
            before = None
        ending = _ending(marks, n, end) if marks[n].endings else None
        if ending:
            n = ending.last
            found.ending[ending.first] = ending
            # A bracket right after a repeat sign is its last ending, but not if it is a first one.
            if before and (before.endings or 1 not in ending.passes):
                ending.section = before
                before.endings.append(ending)
                before.last = n
            else:
                before = None
                loose.append(ending)
        if marks[n].closes:
            section = before if ending else None
            if section is None:
                start = open_starts.pop() if open_starts else bottom
                section = Section(start)
                sections.append(section)
                while loose and loose[-1].first >= start:
                    section.endings.insert(0, loose.pop())
                    section.endings[0].section = section
            section.last = n
            section.is_plain |= not ending and not _reaches(section, marks[n + 1 : n + 2], n)
            section.after_jump |= marks[n].after_jump
            section.total = max(section.total, marks[n].closes)
            found.close[n] = before = section
        elif not ending:
            before = None
        n += 1
        if before and not open_starts:
            bottom = n
    sections += _repeated_by_jump(marks, first, open_starts, loose)
    for section in sections:
        found.close |= dict.fromkeys(_led_back(section), section)
        _count_passes(section)
    _nest(sections, found, first, end)
    return found


def _reaches(section: Section, following: Sequence[Marks], at: int) -> bool:
    """Tell whether a bracket that ends too early is meant to reach up to a repeat sign.

    It is, where the bracket of another ending begins behind the sign.
    """
    passes = following[0].endings if following else frozenset()
    if not section.endings or section.endings[-1].closes or not passes or 1 in passes:
        return False
    section.endings[-1].last = at
    section.endings[-1].closes = True
    return True


def _led_back(section: Section) -> Iterator[int]:
    """Yield the ends of endings that lead back without a sign, as the one before them does."""
    for before, one, after in zip(
        section.endings, section.endings[1:], section.endings[2:], strict=False
    ):
        is_between = before.last + 1 == one.first and one.last + 1 == after.first
        if is_between and before.closes and not one.closes:
            one.closes = True
            yield one.last


def _repeated_by_jump(
    marks: Sequence[Marks], first: int, open_starts: Sequence[int], endings: list[Ending]
) -> list[Section]:
    """Return the section of endings that no sign repeats, but D.C. or D.S. does."""
    if not any(marks[n].jump for ending in endings for n in range(ending.first, ending.last + 1)):
        return []
    start = max((n for n in open_starts if n <= endings[0].first), default=first)
    section = Section(start, endings[-1].last, 1, endings)
    for ending in endings:
        ending.section = section
    return [section]


def _ending(marks: Sequence[Marks], first: int, end: int) -> Ending:
    """Return the bars under one bracket: it ends where another one, or a repeat, does."""
    passes, last = marks[first].endings, first
    while (
        last + 1 < end
        and marks[last + 1].endings == passes
        and not marks[last].closes
        and not marks[last + 1].opens
    ):
        last += 1
    return Ending(first, last, set(passes), marks[last].closes > 0)


def _count_passes(section: Section) -> None:
    """Find out how many times a section is played, and give each pass one of its endings."""
    endings = section.endings
    if not endings:
        return
    last = max(max(ending.passes) for ending in endings)
    closing = [ending for ending in endings if ending.closes]
    leaving = [ending for ending in endings if not ending.closes]
    times = section.total if section.total > 2 else 0
    numbered = {one for ending in endings for one in ending.passes}
    if section.is_plain:  # the endings stand before the sign, or behind it
        section.total = max(section.total, last)
        return
    if any(last in ending.passes for ending in closing) and leaving:
        # Brackets "1, 2" and "2": the second is played when the first no longer is.
        section.total = max(times, last + 1)
        leaving[-1].passes.add(section.total)
    elif leaving or not closing:
        section.total = last
    elif len(endings) == 1:
        section.total = max(times, last + 1)
    else:
        section.total = max(times, last)
    if closing:
        closing[0].passes |= set(range(1, section.total)) - numbered


def _nest(sections: Sequence[Section], found: Sections, first: int, end: int) -> None:
    """Note which sections begin at a bar, and which one is the innermost around it."""
    for section in sorted(sections, key=lambda one: (one.start, -one.last)):
        found.begin.setdefault(section.start, []).append(section)
    around: list[Section] = []
    for n in range(first, end):
        around += found.begin.get(n, [])
        while around and around[-1].last < n:
            around.pop()
        if around:
            found.inner[n] = around[-1]

"""The order in which the bars of a score are played: repeats, endings, da capo and dal segno.

Where notation is ambiguous, the following is assumed:

- An end repeat without a start goes back to the end of the last repeat, or to the beginning. Two
  starts before two ends are nested.
- A repeated section is played as often as its endings count, or as `times` says, else twice. A
  first ending without a second one is skipped in the last pass.
- D.C. and D.S. are followed once, in the last pass of their bar. After the jump, repeats that were
  played are not played again, and their last ending is taken, unless the mark asks for repeats.
- Fine and To Coda count only after such a jump.
- Where bar numbers begin again, a movement begins, and no jump goes back beyond it.

The work is linear in the number of written bars: a score that would become more than 32 times as
long contradicts itself, and is played as written.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

# ---- marks -------------------------------------------------------------------------------

Until = Literal["", "fine", "coda", "segno"]


@dataclass(frozen=True, slots=True)
class Jump:
    """D.C. or D.S. at the end of a bar.

    Attributes
    ----------
    to_segno : bool
        To a segno, else to the beginning.
    label : str
        Which segno, where there are several.
    until : str
        Where the replay ends: "fine", "coda" (the jump to the coda), "segno", or "" where the mark
        does not say.
    then_coda : bool
        The coda follows the Fine or the segno.
    with_repeats : bool
        Repeats are played again after the jump.
    """

    to_segno: bool = False
    label: str = ""
    until: Until = ""
    then_coda: bool = False
    with_repeats: bool = False


@dataclass(slots=True)
class NavigationMarks:
    """The repeats, endings and jumps of a bar.

    Attributes
    ----------
    opens : bool
        A repeat starts here.
    closes : int
        Number of passes of the repeat that ends here; 0 where none ends.
    after_jump : bool
        The repeat that ends here is played again after D.C. and D.S.
    endings : frozenset of int
        The passes in which this bar is played; empty for all.
    segno, coda : frozenset of str
        Labels of the signs at its start.
    to_coda : str or None
        Label of the coda that its end jumps to.
    fine : bool
        The piece ends with this bar, after a jump.
    jump : Jump or None
        At its end.
    final : bool
        It ends with a final barline.
    begins : bool
        A movement begins here.
    """

    opens: bool = False
    closes: int = 0
    after_jump: bool = False
    endings: frozenset[int] = frozenset()
    segno: frozenset[str] = frozenset()
    coda: frozenset[str] = frozenset()
    to_coda: str | None = None
    fine: bool = False
    jump: Jump | None = None
    final: bool = False
    begins: bool = False

    def without_jumps(self) -> "NavigationMarks":
        """Return the repeats and endings only."""
        return NavigationMarks(self.opens, self.closes, endings=self.endings)


def place_coda_signs(marks: Sequence[NavigationMarks], signs: Iterable[tuple[int, bool]]) -> None:
    """Set the coda signs: some mark the jump to the coda, the others its beginning.

    Parameters
    ----------
    marks : sequence of NavigationMarks
        Of each bar; changed.
    signs : iterable of (int, bool)
        Bars with such a sign, and whether it stands at their end.
    """
    has_to_coda = any(mark.to_coda is not None for mark in marks)
    has_coda = any(mark.coda for mark in marks)
    signs = sorted(set(signs))
    bars = sorted({n for n, _ in signs})
    for n, is_at_end in signs:
        mark = marks[n]
        if has_to_coda and mark.to_coda is not None:
            continue
        is_first_of_two = not has_to_coda and n == bars[0] and (has_coda or len(bars) > 1)
        if is_at_end or is_first_of_two:
            mark.to_coda = mark.to_coda or ""
        else:
            mark.coda |= {""}


# ---- texts -------------------------------------------------------------------------------

SEGNO: Final = "§"
CODA: Final = "¤"
#: The signs as letters: of Unicode, of SMuFL fonts, and as MuseScore names them.
_SIGNS: Final = (
    (re.compile("[\U0001d10b\ue047\ue04a\ue04b]|<sym>segno[^<]*</sym>", re.IGNORECASE), SEGNO),
    (re.compile("[\U0001d10c\ue048\ue049\u2295]|<sym>coda[^<]*</sym>", re.IGNORECASE), CODA),
    (re.compile("<[^<>]{0,60}>"), " "),
)
_MAX_CHARACTERS: Final = 80  # of a text that may be a jump
_ALONE: Final = r"(?=\W*$|\W+(?:hasta|jusqu|et|e|y|a|al|à|ao|até)\b)"  # not "au début lent"
#: Da capo in several languages; those after "^" count only at the beginning of a text.
_DA_CAPO: Final = (
    r"d\s?\.\s?c\b\.?|dc\b|da\s?-?capo\b|dal capo\b|desde el (?:principio|comienzo)\b"
    r"|(?:from|back to) (?:the )?(?:beginning|start|top)\b(?! of)|od (?:początku|začátku)\b"
    r"|(?:с начала|сначала)\b|vanaf het begin\b|fra begyn\w+|från början\b|最初から|はじめから"
    r"|^(?:(?:noch ?mals? )?(?:von vorn|vom anfang)e?|capo al|alusta|van het begin)\b"
    rf"|^(?:(?:reprendre|reprise|retour|revenir) )?(?:au|du) (?:commencement|d[ée]but){_ALONE}"
    rf"|^(?:(?:volver|vuelta|repetir) )?al (?:principio|comienzo){_ALONE}"
    rf"|^(?:(?:volta|voltar|repetir) )?(?:ao|do) (?:in[íi]cio|come[çc]o|princ[íi]pio){_ALONE}"
)
_SIGN: Final = rf"(?:(?:segno|signo?|signe|sign|sinal|zeichen|teken|s\.)(?!\w)|{SEGNO})"
_DAL_SEGNO: Final = (
    r"d\s?\.\s?s\b\.?|ds\b|d\.\s?%"
    rf"|(?:dal?|del|du|from|vom|vanaf|do|desde el|back to) (?:the |het )?{_SIGN}"
    rf"|(?:d\.?|dal)\s?{SEGNO}|d\.\s?{_SIGN}|от знака\b|od znaku\b|fra tegnet\b|från tecknet\b"
    rf"|^(?:(?:reprendre|reprise|retour|volver|volta|voltar) )?(?:al|ao|au|to)\s(?:the )?{_SIGN}"
)
_JUMP: Final = re.compile(rf"(?<!\w)(?:(?P<capo>{_DA_CAPO})|(?P<segno>{_DAL_SEGNO}))")
#: With these words, a text such as "come da capo" is about tempo or expression, not a jump.
_EXPRESSION: Final = re.compile(
    r"\b(?:tempo|cresc|decresc|dim|(?<!senza )(?<!con )rit|rall|accel|sempre|poco|morendo"
    r"|wie (?:im|zu)|come)\b"
)
_END: Final = r"fine|fin|ende?|fim|final|schlu(?:ss|ß)|koniec|konec|конец|einde|slut|loppu"
_FINE: Final = re.compile(
    rf"\W*(?:{_END.replace('|final', '')}|the end)\b\W*"
    r"(?:\(.{0,20}\)|(?:2nd|3rd|last|second|third) time(?: only)?|(?:the )?last\b)?\W*"
)
_TO_FINE: Final = re.compile(rf"\b(?:{_END}|конца)\b")
_TO_SEGNO: Final = re.compile(
    rf"\b(?:al|bis|to|au|fino al?) (?:the |zum )?(?:segno|sign\w*|{SEGNO})"
)
_CODA: Final = re.compile(rf"\W*(?:(?:the )?coda\b|{CODA})\W*(?:{CODA}|coda)?\W*")
_TO_CODA: Final = re.compile(
    rf"\W*(?:go |salta |aller )?(?:to|al|alla|zur|zum|[àa] la|al la|ao|para a?|till|vers la|naar)"
    rf" (?:the )?(?:coda|{CODA})\W*(?:{CODA}|coda)?\W*(?:\(.{{0,20}}\))?\W*"
)
_SEGNO: Final = re.compile(rf"\W*(?:segno|{SEGNO})\W*")
_WITH_REPEATS: Final = re.compile(
    r"\b(?:con|with|mit|avec|com)\b.{0,8}(?:re[pt]|ripe|wiederh|rit)|\bcol(?:la|le|) r"
)


@dataclass(slots=True)
class NavigationText:
    """The repeats and jumps of a text.

    Attributes
    ----------
    segno, coda, to_coda, fine : bool
    jump : Jump or None
    is_sign : bool
        The coda is a sign without words, at the jump to the coda or at its beginning.
    """

    segno: bool = False
    coda: bool = False
    to_coda: bool = False
    fine: bool = False
    jump: Jump | None = None
    is_sign: bool = False


def read_navigation(text: str) -> NavigationText:
    """Parse a text above a score, such as "D.C. al Fine" or "To Coda".

    Parameters
    ----------
    text : str
        Signs are those of Unicode or SMuFL, or `SEGNO` and `CODA`.

    Returns
    -------
    NavigationText
        Without marks for any other text.
    """
    for pattern, sign in _SIGNS:
        text = pattern.sub(sign, text)
    text = " ".join(text.casefold().split())
    if not text or len(text) > _MAX_CHARACTERS or _EXPRESSION.search(text):
        return NavigationText()
    if match := _JUMP.search(text):
        return NavigationText(jump=_jump(bool(match["segno"]), text[match.end() :]))
    if _FINE.fullmatch(text):
        return NavigationText(fine=True)
    if _TO_CODA.fullmatch(text):
        return NavigationText(to_coda=True)
    if _CODA.fullmatch(text):
        return NavigationText(coda=True, is_sign="coda" not in text)
    return NavigationText(segno=bool(_SEGNO.fullmatch(text)))


def _jump(to_segno: bool, rest: str) -> Jump:
    """Parse the text after "D.C." or "D.S."."""
    until: Until = ""
    has_coda = "coda" in rest or CODA in rest
    if _TO_FINE.search(rest):
        until = "fine"
    elif _TO_SEGNO.search(rest):
        until = "segno"
    elif has_coda:
        until = "coda"
    return Jump(
        to_segno,
        until=until,
        then_coda=has_coda and until != "coda",
        with_repeats=bool(_WITH_REPEATS.search(rest)),
    )


# ---- repeats -----------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class RepeatSection:
    """A repeated section, and the state of its playback."""

    start: int
    last: int = -1  # its last bar, endings included
    total: int = 0  # number of passes
    endings: "list[Ending]" = field(default_factory=list)
    is_plain: bool = False  # its end repeat is under no ending
    after_jump: bool = False
    now: int = 1  # the current pass
    jumps: int = -1  # number of jumps when `now` was set
    done: int = -1  # number of jumps when its last pass began; -1 for not yet


@dataclass(slots=True, eq=False)
class Ending:
    """The bars of an ending (volta)."""

    first: int
    last: int
    passes: set[int]
    closes: bool
    section: RepeatSection | None = None


@dataclass(slots=True)
class Sections:
    """The repeated sections of a movement, by bar."""

    begin: dict[int, list[RepeatSection]] = field(default_factory=dict)  # outer ones first
    close: dict[int, RepeatSection] = field(default_factory=dict)  # by the bars that go back
    ending: dict[int, Ending] = field(default_factory=dict)  # by first bar
    inner: dict[int, RepeatSection] = field(default_factory=dict)  # the innermost around a bar


def repeated_sections(marks: Sequence[NavigationMarks], first: int, end: int) -> Sections:
    """Pair the ends of repeats with their starts, and endings with both.

    Parameters
    ----------
    marks : sequence of NavigationMarks
        Of all bars of a score.
    first, end : int
        First bar of the movement, and the one after its last.
    """
    by_bar = Sections()
    open_starts: list[int] = []
    sections: list[RepeatSection] = []
    default_start = first  # where a repeat without a start begins
    before: RepeatSection | None = None  # the section that ends just before this bar
    unassigned: list[Ending] = []  # endings whose section is not known yet
    n = first
    while n < end:
        if marks[n].opens:
            open_starts.append(n)
            before = None
        ending = _ending(marks, n, end) if marks[n].endings else None
        if ending:
            n = ending.last
            by_bar.ending[ending.first] = ending
            # An ending right after an end repeat is its last one, unless it is a first ending.
            if before and (before.endings or 1 not in ending.passes):
                ending.section = before
                before.endings.append(ending)
                before.last = n
            else:
                before = None
                unassigned.append(ending)
        if marks[n].closes:
            section = before if ending else None
            if section is None:
                start = open_starts.pop() if open_starts else default_start
                section = RepeatSection(start)
                sections.append(section)
                while unassigned and unassigned[-1].first >= start:
                    section.endings.insert(0, unassigned.pop())
                    section.endings[0].section = section
            section.last = n
            section.is_plain |= not ending and not _reaches(section, marks[n + 1 : n + 2], n)
            section.after_jump |= marks[n].after_jump
            section.total = max(section.total, marks[n].closes)
            by_bar.close[n] = before = section
        elif not ending:
            before = None
        n += 1
        if before and not open_starts:
            default_start = n
    sections += _repeated_by_jump(marks, first, open_starts, unassigned)
    for section in sections:
        by_bar.close |= dict.fromkeys(_led_back(section), section)
        _count_passes(section)
    _nest(sections, by_bar, first, end)
    return by_bar


def _reaches(section: RepeatSection, following: Sequence[NavigationMarks], at: int) -> bool:
    """Extend an ending that ends too early up to its end repeat; return whether it was extended.

    It is extended where another ending begins after the end repeat.
    """
    passes = following[0].endings if following else frozenset()
    if not section.endings or section.endings[-1].closes or not passes or 1 in passes:
        return False
    section.endings[-1].last = at
    section.endings[-1].closes = True
    return True


def _led_back(section: RepeatSection) -> Iterator[int]:
    """Yield the last bars of endings that go back without an end repeat, as the one before does."""
    for before, ending, after in zip(
        section.endings, section.endings[1:], section.endings[2:], strict=False
    ):
        is_between = before.last + 1 == ending.first and ending.last + 1 == after.first
        if is_between and before.closes and not ending.closes:
            ending.closes = True
            yield ending.last


def _repeated_by_jump(
    marks: Sequence[NavigationMarks], first: int, open_starts: Sequence[int], endings: list[Ending]
) -> list[RepeatSection]:
    """Return the section of endings that are repeated by D.C. or D.S. only."""
    if not any(marks[n].jump for ending in endings for n in range(ending.first, ending.last + 1)):
        return []
    start = max((n for n in open_starts if n <= endings[0].first), default=first)
    section = RepeatSection(start, endings[-1].last, 1, endings)
    for ending in endings:
        ending.section = section
    return [section]


def _ending(marks: Sequence[NavigationMarks], first: int, end: int) -> Ending:
    """Return the ending at a bar: it reaches up to the next ending, start or end repeat."""
    passes, last = marks[first].endings, first
    while (
        last + 1 < end
        and marks[last + 1].endings == passes
        and not marks[last].closes
        and not marks[last + 1].opens
    ):
        last += 1
    return Ending(first, last, set(passes), marks[last].closes > 0)


def _count_passes(section: RepeatSection) -> None:
    """Set the number of passes of a section, and give each pass one of its endings."""
    endings = section.endings
    if not endings:
        return
    last = max(max(ending.passes) for ending in endings)
    closing = [ending for ending in endings if ending.closes]
    leaving = [ending for ending in endings if not ending.closes]
    times = section.total if section.total > 2 else 0
    numbered = {number for ending in endings for number in ending.passes}
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


def _nest(sections: Sequence[RepeatSection], by_bar: Sections, first: int, end: int) -> None:
    """Set the sections that begin at each bar, and the innermost one around it."""
    for section in sorted(sections, key=lambda section: (section.start, -section.last)):
        by_bar.begin.setdefault(section.start, []).append(section)
    around: list[RepeatSection] = []
    for n in range(first, end):
        around += by_bar.begin.get(n, [])
        while around and around[-1].last < n:
            around.pop()
        if around:
            by_bar.inner[n] = around[-1]


# ---- playback ----------------------------------------------------------------------------

MAX_BARS: Final = 20_000
#: Longest playback, in times the written bars.
_MAX_EXPANSION: Final = 32
#: Steps of the simulation for each bar of the longest playback; skipped endings are steps, too.
_STEPS_PER_BAR: Final = 4


@dataclass(frozen=True, slots=True)
class PlaybackOrder:
    """The bars in playing order, from 0, and the contradiction in the notation, if any."""

    bars: tuple[int, ...]
    problem: str = ""


def play_order(marks: Sequence[NavigationMarks]) -> PlaybackOrder:
    """Return the order in which bars are played.

    Parameters
    ----------
    marks : sequence of NavigationMarks
        Of each written bar, those of all parts together.

    Returns
    -------
    PlaybackOrder
        The bars as written, with the problem, where the marks contradict each other.
    """
    starts = [0, *(n for n, mark in enumerate(marks) if n and mark.begins)]
    bars: list[int] = []
    problems: list[str] = []
    for start, end in zip(starts, [*starts[1:], len(marks)], strict=True):
        playback = _Playback(marks, start, end)
        bars += playback.play()
        problems += [playback.problem] if playback.problem else []
    if len(bars) > max(MAX_BARS, len(marks)):
        return PlaybackOrder(
            tuple(range(len(marks))),
            f"repeats would make it longer than {MAX_BARS} bars; played as written",
        )
    return PlaybackOrder(tuple(bars), problems[0] if problems else "")


class _Playback:
    """Simulates the playback of a movement, the bars from `first` up to `end`."""

    def __init__(self, marks: Sequence[NavigationMarks], first: int, end: int) -> None:
        self.marks = marks
        self.first, self.begin, self.end = first, first, end
        self.sections = repeated_sections(marks, first, end)
        self.last_of = {ending.last: ending for ending in self.sections.ending.values()}
        self.bars: list[int] = []
        self.problem = ""
        self.jump: Jump | None = None
        self.jumped_from = self.target = self.furthest = -1
        self.jumps = 0
        self.followed: set[int] = set()  # bars whose jump was followed
        numbers = range(first, end)
        self.final = [n for n in numbers if marks[n].final]
        self.explicit = {n for n in numbers if marks[n].fine}
        self.fines: set[int] = set()
        self.leads_to_coda = any(marks[n].to_coda is not None for n in numbers)
        self.segno = _by_label((n, label) for n in numbers for label in marks[n].segno)
        self.coda = _by_label((n, label) for n in numbers for label in marks[n].coda)

    def play(self) -> list[int]:
        """Return the bars in playing order; as written, with a `problem`, if contradictory."""
        written = list(range(self.first, self.end))
        at = self.first
        repeated: RepeatSection | None = None  # the one whose end repeat was just followed
        steps = _MAX_EXPANSION * _STEPS_PER_BAR * len(written)
        while at < self.end:
            steps -= 1
            if len(self.bars) > _MAX_EXPANSION * len(written) or steps < 0:
                self.problem = (
                    f"repeats make it over {_MAX_EXPANSION} times longer; played as written"
                )
                return written
            for section in self.sections.begin.get(at, ()):
                if section is not repeated:
                    section.jumps = -1
            repeated = None
            ending = self.sections.ending.get(at)
            if ending and self._is_skipped(ending):
                at = ending.last + 1
                continue
            if self._stops_before(at):
                at = self._after_end()
                continue
            self.bars.append(at)
            self.furthest = max(self.furthest, at)
            closed = self.sections.close.get(at)
            if closed and self._pass(closed) < closed.total:
                closed.now += 1
                if closed.now == closed.total:
                    closed.done = self.jumps
                at, repeated = closed.start, closed
            else:
                at = self._next(at)
        if missed := set(written) - set(self.bars):
            self.problem = self.problem or f"bar {min(missed) + 1} would never be played"
            self.problem += "; played as written"
            return written
        endings = self.sections.ending.values()
        unassigned = (ending.first for ending in endings if ending.section is None)
        if (ending_at := min(unassigned, default=-1)) >= 0 and not self.problem:
            self.problem = f"no repeat leads back from the ending at bar {ending_at + 1}"
        return self.bars

    def _pass(self, section: RepeatSection) -> int:
        """Return the current pass of a section: after a jump the last, if it was repeated."""
        if section.jumps != self.jumps:
            was_repeated = 0 <= section.done < self.jumps and not section.after_jump
            repeats_again = self.jump is not None and self.jump.with_repeats
            section.now = section.total if was_repeated and not repeats_again else 1
            section.jumps = self.jumps
        return section.now

    def _is_skipped(self, ending: Ending) -> bool:
        """Return whether an ending is not that of this pass, and does not lead to Fine or coda."""
        if ending.section is None or self._pass(ending.section) in ending.passes:
            return False
        bars = range(ending.first, ending.last + 1)
        jump = self.jump
        if jump is None or any(bar in self.fines for bar in bars):
            return jump is None
        to_coda = any(self.marks[bar].to_coda is not None for bar in bars)
        return not (to_coda and jump.until in {"", "coda"})

    def _stops_before(self, at: int) -> bool:
        """Return whether a replay ends at the segno at the start of this bar."""
        ends_at_segno = self.jump is not None and self.jump.until == "segno"
        return ends_at_segno and at > self.target and bool(self.marks[at].segno)

    def _next(self, at: int) -> int:
        """Return the bar after one that does not go back to a start repeat."""
        mark, jump = self.marks[at], self.jump
        if jump and mark.to_coda is not None and jump.until in {"", "coda"}:
            coda = self._coda(mark.to_coda, at)
            if coda is not None:
                self.fines = self.explicit
                self.jump = replace(jump, until="fine")  # the next To Coda belongs to a later jump
                return coda
            self.problem = self.problem or f"bar {at + 1} leads to a coda that is not there"
        if jump and at in self.fines:
            return self._after_end()
        if mark.jump and at not in self.followed and not self._comes_again(at):
            target = self._target(mark.jump, at)
            if target is not None:
                return self._follow(mark.jump, at, target)
        return at + 1

    def _after_end(self) -> int:
        """Return the bar after Fine: the coda, else the first bar that was not played yet.

        Music after a da capo is another movement with continued bar numbers.
        """
        if self.jump and self.jump.then_coda and (coda := self._coda("", self.jumped_from)):
            self.jump, self.fines = Jump(until="fine"), set()
            return coda
        self.jump = None
        self.begin = self.furthest + 1
        return self.begin

    def _comes_again(self, at: int) -> bool:
        """Return whether a bar will be played again, in a later pass of its section."""
        section = self.sections.inner.get(at)
        if section is None or self._pass(section) >= section.total:
            return False
        ending = self.last_of.get(at)
        if ending and ending.section is section:
            return any(later > section.now for later in ending.passes)
        return True

    def _follow(self, jump: Jump, at: int, target: int) -> int:
        """Follow a jump to its target."""
        self.followed.add(at)
        ending = self.last_of.get(at)
        if ending and ending.section and ending.section.done < 0:
            ending.section.done = self.jumps  # the jump is its repeat
        self.jump, self.jumped_from, self.target = jump, at, target
        self.jumps += 1
        return target

    def _target(self, jump: Jump, at: int) -> int | None:
        """Return the target of a jump, and set where its replay ends; None for an invalid jump."""
        target = self.begin
        if jump.to_segno:
            named = self.segno.get(jump.label) if jump.label else None
            segno = _last_up_to(named, self.first, at)
            segno = _last_up_to(self.segno.get(None), self.begin, at) if segno is None else segno
            if segno is None:
                self._report(at, "D.S. without a segno")
                return None
            target = segno
        self.fines = self.explicit if jump.until in {"", "fine"} else set()
        may_be_final = jump.until == "fine" or (not jump.until and not self.leads_to_coda)
        if not self.fines and may_be_final:
            # A final barline in between is a Fine, too: a minuet before its trio has one.
            final = self.final[bisect_left(self.final, target) : bisect_left(self.final, at)][:2]
            self.fines = set(final) if len(final) == 1 else set()
        if jump.until == "fine" and not self.fines:
            self._report(at, "al Fine, and no bar is marked Fine")
            return None
        if jump.until == "coda" and not self.leads_to_coda and self._coda("", at) is None:
            self._report(at, "al Coda without a coda")
            return None
        return target

    def _coda(self, label: str, at: int) -> int | None:
        """Return the bar of a coda: after the jump if there is one, else after this bar."""
        for behind in (max(at, self.jumped_from), at):
            for name in (label, None):
                ahead = self.coda.get(name, [])
                if (place := bisect_right(ahead, behind)) < len(ahead):
                    return ahead[place]
        return None

    def _report(self, at: int, what: str) -> None:
        self.problem = self.problem or f"bar {at + 1} says {what}; that is not played"


def _by_label(signs: Iterable[tuple[int, str]]) -> dict[str | None, list[int]]:
    """Return the bars of signs by label, and all of them under None."""
    bars: dict[str | None, list[int]] = {}
    for n, label in signs:
        for name in (label, None):
            if bars.setdefault(name, [])[-1:] != [n]:
                bars[name].append(n)
    return bars


def _last_up_to(bars: Sequence[int] | None, first: int, at: int) -> int | None:
    """Return the last of the given bars from `first` to `at`."""
    place = bisect_right(bars or (), at)
    return bars[place - 1] if bars and place and bars[place - 1] >= first else None

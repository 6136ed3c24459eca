"""The order in which the bars of a score are played: repeats, endings, da capo, dal segno.

What bars say about the order in which they are played.

What words and signs in a score say about the order of playing: "D.C. al Fine", "To Coda".

Repeated sections of a score: which bars they are, their endings, how often they are played.

The order in which the bars of a score are played: repeats, endings, da capo and dal segno.

Pure theory: from marks at bars to bar numbers. What is assumed, where notation leaves it open:

- A repeat sign without a start goes back to the end of the last repeat, or to the beginning. Two
  starts before two ends are nested.
- A section is played as often as its endings count, or as `times` says, else twice. A first ending
  without a second one is left out at the last time.
- D.C. and D.S. are followed once, at the last time that their bar is played. From then on, repeats
  that were played are not played again, and their last ending is taken, unless the mark asks for
  them.
- Fine and To Coda count after such a jump only.
- Where bar numbers begin again, a movement begins, and nothing goes back beyond it.

The work is linear in the written bars: a score that would become more than 32 times as long
contradicts itself, and is played as it is written.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

# --- play marks ---

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
        Where the replay ends: "fine", "coda" (it goes on there), "segno", or "" where the mark does
        not say.
    then_coda : bool
        After the Fine or the segno, the coda follows.
    with_repeats : bool
        Repeats are played again.
    """

    to_segno: bool = False
    label: str = ""
    until: Until = ""
    then_coda: bool = False
    with_repeats: bool = False


@dataclass(slots=True)
class NavigationMarks:
    """What a bar says about the order of playing.

    Attributes
    ----------
    opens : bool
        A repeat starts here.
    closes : int
        How many times the section that ends here is played in all; 0 where none ends.
    after_jump : bool
        The repeat that ends here is played again after D.C. and D.S.
    endings : frozenset of int
        The passes in which this bar is played; empty for all.
    segno, coda : frozenset of str
        Labels of the signs at its start.
    to_coda : str or None
        Label of the coda that its end leads to.
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
        """Return what it says of repeats only."""
        return NavigationMarks(self.opens, self.closes, endings=self.endings)


def place_coda_signs(marks: Sequence[NavigationMarks], signs: Iterable[tuple[int, bool]]) -> None:
    """Tell the coda signs where one leaves for the coda from those where it begins.

    Parameters
    ----------
    marks : sequence of Marks
        Of each bar; changed.
    signs : iterable of (int, bool)
        Bars that have such a sign, and whether it stands at their end.
    """
    leads = any(mark.to_coda is not None for mark in marks)
    begins = any(mark.coda for mark in marks)
    signs = sorted(set(signs))
    bars = sorted({n for n, _ in signs})
    for n, is_late in signs:
        mark = marks[n]
        if leads and mark.to_coda is not None:
            continue
        is_first_of_two = not leads and n == bars[0] and (begins or len(bars) > 1)
        if is_late or is_first_of_two:
            mark.to_coda = mark.to_coda or ""
        else:
            mark.coda |= {""}


# --- jump words ---

SEGNO: Final = "§"
CODA: Final = "¤"
#: The signs as letters: of Unicode, of SMuFL fonts, and as MuseScore names them.
_SIGNS: Final = (
    (re.compile("[\U0001d10b\ue047\ue04a\ue04b]|<sym>segno[^<]*</sym>", re.IGNORECASE), SEGNO),
    (re.compile("[\U0001d10c\ue048\ue049\u2295]|<sym>coda[^<]*</sym>", re.IGNORECASE), CODA),
    (re.compile("<[^<>]{0,60}>"), " "),
)
_LONGEST: Final = 80  # letters of a text that may be such a mark
_ALONE: Final = r"(?=\W*$|\W+(?:hasta|jusqu|et|e|y|a|al|à|ao|até)\b)"  # not "au début lent"
#: Where a replay begins: words alone, and words that count only where a text begins with them.
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
#: Such words, and these with them, are about how to play.
_MANNER: Final = re.compile(
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
    """What a text says.

    Attributes
    ----------
    segno, coda, to_coda, fine : bool
    jump : Jump or None
    is_sign : bool
        The coda is only a sign: it may stand where the coda begins, and where one leaves for it.
    """

    segno: bool = False
    coda: bool = False
    to_coda: bool = False
    fine: bool = False
    jump: Jump | None = None
    is_sign: bool = False


def read_navigation(text: str) -> NavigationText:
    """Read a text above a score.

    Parameters
    ----------
    text : str
        As it is written; a sign as one of Unicode or SMuFL, or as `SEGNO` and `CODA`.

    Returns
    -------
    Said
        Nothing of any other text.
    """
    for pattern, sign in _SIGNS:
        text = pattern.sub(sign, text)
    text = " ".join(text.casefold().split())
    if not text or len(text) > _LONGEST or _MANNER.search(text):
        return NavigationText()
    if found := _JUMP.search(text):
        return NavigationText(jump=_jump(bool(found["segno"]), text[found.end() :]))
    if _FINE.fullmatch(text):
        return NavigationText(fine=True)
    if _TO_CODA.fullmatch(text):
        return NavigationText(to_coda=True)
    if _CODA.fullmatch(text):
        return NavigationText(coda=True, is_sign="coda" not in text)
    return NavigationText(segno=bool(_SEGNO.fullmatch(text)))


def _jump(to_segno: bool, rest: str) -> Jump:
    """Read what follows "D.C." or "D.S."."""
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


# --- repeated sections ---


@dataclass(slots=True, eq=False)
class RepeatSection:
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
    section: RepeatSection | None = None


@dataclass(slots=True)
class Sections:
    """The sections of a movement, by bar."""

    begin: dict[int, list[RepeatSection]] = field(default_factory=dict)  # outer ones first
    close: dict[int, RepeatSection] = field(default_factory=dict)  # by the bars that lead back
    ending: dict[int, Ending] = field(default_factory=dict)  # by the first bar of each
    inner: dict[int, RepeatSection] = field(default_factory=dict)  # the innermost around a bar


def repeated_sections(marks: Sequence[NavigationMarks], first: int, end: int) -> Sections:
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
    sections: list[RepeatSection] = []
    bottom = first  # where a repeat without a start begins
    before: RepeatSection | None = None  # the section that ends just before this bar
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
                section = RepeatSection(start)
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


def _reaches(section: RepeatSection, following: Sequence[NavigationMarks], at: int) -> bool:
    """Tell whether a bracket that ends too early is meant to reach up to a repeat sign.

    It is, where the bracket of another ending begins behind the sign.
    """
    passes = following[0].endings if following else frozenset()
    if not section.endings or section.endings[-1].closes or not passes or 1 in passes:
        return False
    section.endings[-1].last = at
    section.endings[-1].closes = True
    return True


def _led_back(section: RepeatSection) -> Iterator[int]:
    """Yield the ends of endings that lead back without a sign, as the one before them does."""
    for before, one, after in zip(
        section.endings, section.endings[1:], section.endings[2:], strict=False
    ):
        is_between = before.last + 1 == one.first and one.last + 1 == after.first
        if is_between and before.closes and not one.closes:
            one.closes = True
            yield one.last


def _repeated_by_jump(
    marks: Sequence[NavigationMarks], first: int, open_starts: Sequence[int], endings: list[Ending]
) -> list[RepeatSection]:
    """Return the section of endings that no sign repeats, but D.C. or D.S. does."""
    if not any(marks[n].jump for ending in endings for n in range(ending.first, ending.last + 1)):
        return []
    start = max((n for n in open_starts if n <= endings[0].first), default=first)
    section = RepeatSection(start, endings[-1].last, 1, endings)
    for ending in endings:
        ending.section = section
    return [section]


def _ending(marks: Sequence[NavigationMarks], first: int, end: int) -> Ending:
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


def _count_passes(section: RepeatSection) -> None:
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


def _nest(sections: Sequence[RepeatSection], found: Sections, first: int, end: int) -> None:
    """Note which sections begin at a bar, and which one is the innermost around it."""
    for section in sorted(sections, key=lambda one: (one.start, -one.last)):
        found.begin.setdefault(section.start, []).append(section)
    around: list[RepeatSection] = []
    for n in range(first, end):
        around += found.begin.get(n, [])
        while around and around[-1].last < n:
            around.pop()
        if around:
            found.inner[n] = around[-1]


# --- play order ---

MAX_BARS: Final = 20_000
#: How many times longer than written a score may become.
_LONGEST_ORDER: Final = 32
#: Steps of the simulation for each bar that may be played: bars of other endings are skipped.
_STEPS: Final = 4


@dataclass(frozen=True, slots=True)
class PlaybackOrder:
    """Which bars are played after one another, from 0; and what contradicts itself, else ""."""

    bars: tuple[int, ...]
    problem: str = ""


def play_order(marks: Sequence[NavigationMarks]) -> PlaybackOrder:
    """Return the order in which bars are played.

    Parameters
    ----------
    marks : sequence of Marks
        Of each written bar, those of all parts together.

    Returns
    -------
    PlayOrder
        The bars as they are written, and why, where the marks contradict each other.
    """
    starts = [0, *(n for n, mark in enumerate(marks) if n and mark.begins)]
    bars: list[int] = []
    problems: list[str] = []
    for start, end in zip(starts, [*starts[1:], len(marks)], strict=True):
        playing = _Playing(marks, start, end)
        bars += playing.play()
        problems += [playing.problem] if playing.problem else []
    if len(bars) > max(MAX_BARS, len(marks)):
        return PlaybackOrder(
            tuple(range(len(marks))),
            f"repeats would make it longer than {MAX_BARS} bars; played as written",
        )
    return PlaybackOrder(tuple(bars), problems[0] if problems else "")


# ---- playing -------------------------------------------------------------------------------


class _Playing:
    """Plays a movement, the bars from `first` up to `end`, as its marks say."""

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
        """Return the bars in their order; as written, with a `problem`, where there is none."""
        written = list(range(self.first, self.end))
        at = self.first
        repeated: RepeatSection | None = None  # the one whose sign has just led back
        steps = _LONGEST_ORDER * _STEPS * len(written)
        while at < self.end:
            steps -= 1
            if len(self.bars) > _LONGEST_ORDER * len(written) or steps < 0:
                self.problem = (
                    f"repeats make it over {_LONGEST_ORDER} times longer; played as written"
                )
                return written
            for section in self.sections.begin.get(at, ()):
                if section is not repeated:
                    section.jumps = -1
            repeated = None
            ending = self.sections.ending.get(at)
            if ending and self._is_left_out(ending):
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
        loose = (one.first for one in self.sections.ending.values() if one.section is None)
        if (ending_at := min(loose, default=-1)) >= 0 and not self.problem:
            self.problem = f"no repeat leads back from the ending at bar {ending_at + 1}"
        return self.bars

    def _pass(self, section: RepeatSection) -> int:
        """Return which time a section is played: after a jump the last, if it was repeated."""
        if section.jumps != self.jumps:
            spent = 0 <= section.done < self.jumps and not section.after_jump
            again = self.jump is not None and self.jump.with_repeats
            section.now = section.total if spent and not again else 1
            section.jumps = self.jumps
        return section.now

    def _is_left_out(self, ending: Ending) -> bool:
        """Tell whether an ending is not that of this pass, and does not lead to Fine or coda."""
        if ending.section is None or self._pass(ending.section) in ending.passes:
            return False
        bars = range(ending.first, ending.last + 1)
        jump = self.jump
        if jump is None or any(one in self.fines for one in bars):
            return jump is None
        to_coda = any(self.marks[one].to_coda is not None for one in bars)
        return not (to_coda and jump.until in {"", "coda"})

    def _stops_before(self, at: int) -> bool:
        """Tell whether a replay ends at a segno, which is the start of this bar."""
        ends_at_segno = self.jump is not None and self.jump.until == "segno"
        return ends_at_segno and at > self.target and bool(self.marks[at].segno)

    def _next(self, at: int) -> int:
        """Return the bar after one whose repeats are over."""
        mark, jump = self.marks[at], self.jump
        if jump and mark.to_coda is not None and jump.until in {"", "coda"}:
            coda = self._coda(mark.to_coda, at)
            if coda is not None:
                self.fines = self.explicit
                self.jump = replace(jump, until="fine")  # one more To Coda is of a later jump
                return coda
            self.problem = self.problem or f"bar {at + 1} leads to a coda that is not there"
        if jump and at in self.fines:
            return self._after_end()
        if mark.jump and at not in self.followed and not self._comes_again(at):
            target = self._target(mark.jump, at)
            if target is not None:
                return self._leap(mark.jump, at, target)
        return at + 1

    def _after_end(self) -> int:
        """Return where it goes on after Fine: at the coda, else with what was not played yet.

        Music behind a da capo is another movement, whose bars are counted on.
        """
        if self.jump and self.jump.then_coda and (coda := self._coda("", self.jumped_from)):
            self.jump, self.fines = Jump(until="fine"), set()
            return coda
        self.jump = None
        self.begin = self.furthest + 1
        return self.begin

    def _comes_again(self, at: int) -> bool:
        """Tell whether a bar will be played again, in a later pass of its section."""
        section = self.sections.inner.get(at)
        if section is None or self._pass(section) >= section.total:
            return False
        ending = self.last_of.get(at)
        if ending and ending.section is section:
            return any(later > section.now for later in ending.passes)
        return True

    def _leap(self, jump: Jump, at: int, target: int) -> int:
        """Go back, and remember what was played."""
        self.followed.add(at)
        ending = self.last_of.get(at)
        if ending and ending.section and ending.section.done < 0:
            ending.section.done = self.jumps  # the jump is its repeat
        self.jump, self.jumped_from, self.target = jump, at, target
        self.jumps += 1
        return target

    def _target(self, jump: Jump, at: int) -> int | None:
        """Return where a jump goes to, and set where its replay ends; None where it cannot be."""
        target = self.begin
        if jump.to_segno:
            named = self.segno.get(jump.label) if jump.label else None
            segno = _last_up_to(named, self.first, at)
            segno = _last_up_to(self.segno.get(None), self.begin, at) if segno is None else segno
            if segno is None:
                self._ignored(at, "D.S. without a segno")
                return None
            target = segno
        self.fines = self.explicit if jump.until in {"", "fine"} else set()
        may_be_final = jump.until == "fine" or (not jump.until and not self.leads_to_coda)
        if not self.fines and may_be_final:
            # A final barline on the way is a Fine, too: a menuet before its trio has one.
            here = self.final[bisect_left(self.final, target) : bisect_left(self.final, at)][:2]
            self.fines = set(here) if len(here) == 1 else set()
        if jump.until == "fine" and not self.fines:
            self._ignored(at, "al Fine, and no bar is marked Fine")
            return None
        if jump.until == "coda" and not self.leads_to_coda and self._coda("", at) is None:
            self._ignored(at, "al Coda without a coda")
            return None
        return target

    def _coda(self, label: str, at: int) -> int | None:
        """Return where a coda begins: behind the jump, where there is one, else behind a bar."""
        for behind in (max(at, self.jumped_from), at):
            for name in (label, None):
                ahead = self.coda.get(name, [])
                if (place := bisect_right(ahead, behind)) < len(ahead):
                    return ahead[place]
        return None

    def _ignored(self, at: int, what: str) -> None:
        self.problem = self.problem or f"bar {at + 1} says {what}; that is not played"


def _by_label(signs: Iterable[tuple[int, str]]) -> dict[str | None, list[int]]:
    """Return the bars of signs by their label, and all of them under None."""
    found: dict[str | None, list[int]] = {}
    for n, label in signs:
        for name in (label, None):
            if found.setdefault(name, [])[-1:] != [n]:
                found[name].append(n)
    return found


def _last_up_to(bars: Sequence[int] | None, first: int, at: int) -> int | None:
    """Return the last of some bars from `first` to `at`."""
    place = bisect_right(bars or (), at)
    return bars[place - 1] if bars and place and bars[place - 1] >= first else None

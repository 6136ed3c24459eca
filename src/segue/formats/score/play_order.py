"""The order in which the bars of a score are played: repeats, endings, da capo and dal segno.

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

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from segue.formats.score.play_marks import Jump, Marks
from segue.formats.score.repeated_sections import Ending, Section, repeated_sections

MOST_BARS: Final = 20_000
#: How many times longer than written a score may become.
_LONGEST: Final = 32
#: Steps of the simulation for each bar that may be played: bars of other endings are skipped.
_STEPS: Final = 4


@dataclass(frozen=True, slots=True)
class PlayOrder:
    """Which bars are played after one another, from 0; and what contradicts itself, else ""."""

    bars: tuple[int, ...]
    problem: str = ""


def play_order(marks: Sequence[Marks]) -> PlayOrder:
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
    if len(bars) > max(MOST_BARS, len(marks)):
        return PlayOrder(
            tuple(range(len(marks))),
            f"repeats would make it longer than {MOST_BARS} bars; played as written",
        )
    return PlayOrder(tuple(bars), problems[0] if problems else "")


# ---- playing -------------------------------------------------------------------------------


class _Playing:
    """Plays a movement, the bars from `first` up to `end`, as its marks say."""

    def __init__(self, marks: Sequence[Marks], first: int, end: int) -> None:
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
        repeated: Section | None = None  # the one whose sign has just led back
        steps = _LONGEST * _STEPS * len(written)
        while at < self.end:
            steps -= 1
            if len(self.bars) > _LONGEST * len(written) or steps < 0:
                self.problem = f"repeats make it over {_LONGEST} times longer; played as written"
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

    def _pass(self, section: Section) -> int:
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

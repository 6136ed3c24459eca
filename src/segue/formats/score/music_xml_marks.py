"""What MusicXML says about the order of playing, as marks at bars; merged over all parts."""

import re
from dataclasses import dataclass, field, replace
from typing import Final
from xml.etree import ElementTree as ET

from segue.formats.score.jump_words import CODA, SEGNO, Said, read_words
from segue.formats.score.play_marks import Jump, Marks, place_coda_signs

_NUMBERS: Final = re.compile(r"(\d{1,3})\s*(?:[-–—]\s*(\d{1,3}))?")
_MOST_TIMES: Final = 999
_SIGNS: Final = {"segno": SEGNO, "coda": CODA}
#: Attributes of `sound` that are about the order.
_SOUND: Final = frozenset(
    ["segno", "coda", "tocoda", "dalsegno", "dacapo", "fine", "forward-repeat"]
)


@dataclass(slots=True)
class _Bracket:
    """An ending: its bars, and the passes by its number and by its printed text."""

    first: int
    last: int
    number: frozenset[int]
    text: frozenset[int]


@dataclass(slots=True)
class MarkReader:
    """Gathers the marks of a score while its parts are read, one after another.

    Attributes
    ----------
    marks : list of Marks
        Of each bar so far.
    """

    marks: list[Marks] = field(default_factory=list)
    brackets: dict[int, _Bracket] = field(default_factory=dict)  # by first bar
    open: _Bracket | None = None
    signs: list[tuple[int, bool]] = field(default_factory=list)  # coda signs; at a bar's end?
    waiting: list[tuple[int, str, str]] = field(default_factory=list)  # when in this bar, what
    bar: int = -1
    number: int = 0  # of the last bar that has one

    def begin_part(self) -> None:
        """Start again at the first bar."""
        self.bar, self.number, self.open = -1, 0, None

    def begin_bar(self, number: str) -> None:
        """Go on to the next bar, of some number."""
        self.bar += 1
        if self.bar == len(self.marks):
            self.marks.append(Marks())
        if number.isascii() and number.isdigit() and len(number) < 7:
            if int(number) <= 1 < self.number:
                before = self.marks[self.bar - 1]
                self.marks[self.bar].begins |= before.final
            self.number = int(number)

    def end_bar(self, reached: int) -> None:
        """End a bar: a sign at its very end stands at the start of the next one."""
        for at, sign, label in self.waiting:
            is_late = 0 < reached <= at
            if sign == CODA and label == "?":
                self.signs.append((self.bar, is_late))
                continue
            mark = self._at(self.bar + is_late)
            if sign == SEGNO:
                mark.segno |= {label}
            else:
                mark.coda |= {label}
        self.waiting.clear()

    def barline(self, element: ET.Element, *, is_first: bool) -> None:
        """Read a bar line; `is_first` where nothing in the bar comes before it."""
        side = element.get("location") or ("left" if is_first else "right")
        here = self.marks[self.bar]
        after = here if side == "left" else None  # the bar that begins at it
        ending = element.find("ending")
        if ending is not None:
            self._ending(ending, self.bar + (side == "right"), self.bar - (side == "left"))
        repeat = element.find("repeat")
        if repeat is not None and repeat.get("direction") == "forward":
            (after or self._at(self.bar + (side == "right"))).opens = True
        elif repeat is not None and repeat.get("direction") == "backward":
            times = _whole(repeat.get("times", ""))
            closed = self.marks[max(self.bar - (side == "left"), 0)]
            closed.closes = max(closed.closes, min(times, _MOST_TIMES), 2)
            closed.after_jump |= repeat.get("after-jump") == "yes"
        elif side == "right" and element.findtext("bar-style") == "light-heavy":
            here.final = True
        for name, sign in _SIGNS.items():
            if element.find(name) is not None or element.get(name):
                label = element.get(name, "")
                at = 0 if side == "left" else 1 << 62
                self.waiting.append((at, sign, label or ("?" if sign == CODA else "")))

    def direction(self, element: ET.Element, at: int) -> None:
        """Read the words and signs of a direction, and its `sound`."""
        texts = []
        for one in element.iter():
            if one.tag in _SIGNS:
                texts.append(_SIGNS[one.tag])
            elif one.tag in {"words", "rehearsal", "symbol"} and one.text:
                texts.append(one.text)
        said = read_words(" ".join(texts)) if texts else Said()
        self._tell(said, element.find("sound"), at)

    def sound(self, element: ET.Element, at: int) -> None:
        """Read a `sound` that stands by itself."""
        self._tell(Said(), element, at)

    def _tell(self, said: Said, sound: ET.Element | None, at: int) -> None:
        mark = self.marks[self.bar]
        told = {} if sound is None else {k: v for k, v in sound.items() if k in _SOUND and v}
        jump = said.jump
        if told.get("dacapo") == "yes":
            jump = replace(jump or Jump(), to_segno=False)
        elif "dalsegno" in told:
            jump = replace(jump or Jump(), to_segno=True, label=told["dalsegno"])
        if jump:
            mark.jump = _both(mark.jump, jump)
        if "segno" in told or said.segno:
            self.waiting.append((at, SEGNO, told.get("segno", "")))
        if "tocoda" in told or said.to_coda:
            mark.to_coda = told.get("tocoda", mark.to_coda or "")
        elif "coda" in told or (said.coda and not said.is_sign):
            self.waiting.append((at, CODA, told.get("coda", "")))
        elif said.coda:
            self.waiting.append((at, CODA, "?"))
        mark.fine |= said.fine or told.get("fine", "no") != "no"
        mark.opens |= told.get("forward-repeat") == "yes"

    def _ending(self, element: ET.Element, first: int, last: int) -> None:
        kind = element.get("type")
        if kind == "start":
            number, text = _passes(element.get("number", "")), _passes(element.text or "")
            self.open = self.brackets.setdefault(
                first, _Bracket(first, -1, number or text, text or number)
            )
        elif self.open and self.open.first <= last:
            self.open.last = max(self.open.last, last)
            self.open = None

    def _at(self, bar: int) -> Marks:
        """Return the marks of a bar; those behind the last are lost."""
        while bar >= len(self.marks):
            self.marks.append(Marks())
        return self.marks[bar]

    def finished(self, count: int) -> list[Marks]:
        """Return the marks of all bars, of which there are so many."""
        del self.marks[count:]
        for mark in self.marks:
            if mark.jump and not mark.jump.until and mark.to_coda is not None:
                # "D.C.", and "al Coda" in a text of its own
                mark.jump, mark.to_coda = replace(mark.jump, until="coda"), None
        self._place_endings()
        place_coda_signs(self.marks, self.signs)
        return self.marks

    def _place_endings(self) -> None:
        marks, brackets = self.marks, [self.brackets[n] for n in sorted(self.brackets)]
        for bracket, following in zip(brackets, [*brackets[1:], None], strict=False):
            end = min(following.first if following else len(marks), len(marks))
            if bracket.last < bracket.first:  # it does not say where it ends
                closing = (n for n in range(bracket.first, end) if marks[n].closes)
                bracket.last = next(closing, bracket.first)
            bracket.last = min(bracket.last, end - 1)
        group: list[_Bracket] = []
        for bracket in brackets:
            if group and bracket.first != group[-1].last + 1:
                self._place_group(group)
                group = []
            group.append(bracket)
        if group:
            self._place_group(group)

    def _place_group(self, group: list[_Bracket]) -> None:
        """Give the bars of adjacent endings their passes: by number, else as they are printed.

        The number is what counts by the standard, unless it gives a pass to two endings, or the
        repeat is played as often as the printed ones say.
        """
        numbers, texts = [one.number for one in group], [one.text for one in group]
        times = max(m.closes for one in group for m in self.marks[one.first : one.last + 1])
        by_text = _is_counted(texts) and (
            not _is_counted(numbers) or times == max(map(max, texts)) > max(map(max, numbers))
        )
        for bracket, passes in zip(group, texts if by_text else numbers, strict=True):
            for mark in self.marks[bracket.first : bracket.last + 1]:
                mark.endings = passes


def _both(one: Jump | None, other: Jump) -> Jump:
    """Join two marks at one bar: the words say until where, a `sound` says which segno."""
    if one is None:
        return other
    return Jump(
        one.to_segno or other.to_segno,
        one.label or other.label,
        one.until or other.until,
        one.then_coda or other.then_coda,
        one.with_repeats or other.with_repeats,
    )


def _passes(text: str) -> frozenset[int]:
    """Read a list of endings: "1, 3", "1-3", "1. 2."."""
    found: set[int] = set()
    for first, last in _NUMBERS.findall(text):
        found |= set(range(int(first), int(last or first) + 1))
    return frozenset(one for one in found if 0 < one <= _MOST_TIMES)


def _is_counted(endings: list[frozenset[int]]) -> bool:
    """Tell whether endings give each pass, from the first on, to one of them."""
    passes = sorted(one for ending in endings for one in ending)
    return bool(passes) and all(endings) and passes == list(range(1, len(passes) + 1))


def _whole(text: str) -> int:
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0

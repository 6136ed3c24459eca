"""What bars say about the order in which they are played."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

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
class Marks:
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

    def without_jumps(self) -> "Marks":
        """Return what it says of repeats only."""
        return Marks(self.opens, self.closes, endings=self.endings)


def place_coda_signs(marks: Sequence[Marks], signs: Iterable[tuple[int, bool]]) -> None:
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

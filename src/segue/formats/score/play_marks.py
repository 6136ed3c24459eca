"""What bars say about the order in which they are played."""

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

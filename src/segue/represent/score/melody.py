"""Which part of a score has the melody, and the notes of it, one at a time."""

import re
from dataclasses import replace
from typing import Final

import numpy as np

from segue.errors import BadArgument
from segue.records import Part, Score
from segue.represent.score.lines import GRID_PER_QUARTER

#: What the parts that have the melody are called.
_NAMES: Final = re.compile(
    r"melod|sopran|voice|vocal|cantus|lead\b|\bsing(?:er|ing)?\b|gesang|stimme|tune", re.IGNORECASE
)
#: Of a line of its own, so much of the time one note sounds at most.
_ALONE: Final = 0.9
_MOST_NAMED: Final = 8


def melody_of(score: Score, named: str = "") -> Part:
    """Find the melody of a score: the highest notes of the part that has it.

    Parameters
    ----------
    score : Score
    named : str
        The part's number, from 1, or words of its name. Else the only part, one whose name says
        so, or the highest of those that are a line of their own.

    Returns
    -------
    Part
        Of notes that begin together the highest alone, its length and velocity as they were.

    Raises
    ------
    BadArgument
        Nothing has a pitch, there is no such part, or several could be meant.
    """
    pitched = [
        (number, part)
        for number, part in enumerate(score.parts, start=1)
        if not part.is_drum and len(part.notes)
    ]
    if not pitched:
        raise BadArgument("there is no note with a pitch in it, so no melody to harmonise")
    return highest(_named(pitched, named) if named else _found(pitched), score.ticks_per_quarter)


def highest(part: Part, ticks_per_quarter: int) -> Part:
    """Keep the highest of the notes that begin within the same twelfth of a quarter."""
    step = np.rint(part.notes[:, 0] / ticks_per_quarter * GRID_PER_QUARTER).astype(np.int64)
    order = np.lexsort((-part.notes[:, 2], step))
    _, first = np.unique(step[order], return_index=True)
    kept = part.notes[order[first]]
    return replace(part, notes=kept[np.lexsort((kept[:, 2], kept[:, 0]))])


def _named(pitched: list[tuple[int, Part]], named: str) -> Part:
    chosen = [part for number, part in pitched if named.strip() == str(number)] or [
        part for _, part in pitched if named.casefold() in part.name.casefold()
    ]
    if len(chosen) != 1:
        which = f"{len(chosen)} parts are" if chosen else "no part with notes is"
        raise BadArgument(f"{which} called {named!r}; there are {_listed(pitched)}")
    return chosen[0]


def _found(pitched: list[tuple[int, Part]]) -> Part:
    if len(pitched) == 1:
        return pitched[0][1]
    told = [part for _, part in pitched if _NAMES.search(part.name)]
    alone = [part for _, part in pitched if _time_alone(part) >= _ALONE]
    chosen = told or alone
    if not chosen:
        raise BadArgument(
            f"{len(pitched)} parts, each of several voices: which has the melody? Name it with "
            f"--part: {_listed(pitched)}"
        )
    return max(chosen, key=lambda part: float(np.average(part.notes[:, 2], weights=_ticks(part))))


def _ticks(part: Part) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.maximum(part.notes[:, 1], 1).astype(np.float64)


def _time_alone(part: Part) -> float:
    """Return the share of a part's time in which one note sounds; overlaps of a slur are none."""
    onset, length = part.notes[:, 0].astype(np.int64), part.notes[:, 1].astype(np.int64)
    apart = onset[1:] > onset[:-1]
    together = float((~apart).mean()) if len(apart) else 0.0
    # As much as the length of all notes is longer than the time in which something sounds.
    reached = np.maximum.accumulate(onset + length)
    covered = (reached - np.maximum(onset, np.append(0, reached[:-1]))).clip(min=0).sum()
    return min(1 - together, float(covered / max(length.sum(), 1)))


def _listed(pitched: list[tuple[int, Part]]) -> str:
    names = [f"{number} {part.name!r}" for number, part in pitched[:_MOST_NAMED]]
    more = len(pitched) - len(names)
    return ", ".join(names) + (f" and {more} more" if more > 0 else "")

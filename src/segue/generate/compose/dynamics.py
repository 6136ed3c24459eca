"""Dynamics of a new piece: levels of its sections, crescendos between them, phrases and accents.

The transformer plays all sections equally loud. What is planned is added to the velocities of the
score, where users meet it; the transformer reads its own bars without it.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.generate.compose.plan import BarPlan
from segue.records import Part, Score
from segue.score.timing import BarGrid, bar_grid

#: Velocity of a dynamic level, about a mark of dynamics as from mezzo forte to forte.
_LEVEL: Final = 20.0
#: Bars before a louder or softer section in which the level moves towards its own, at most half the
#: way.
_TRANSITION_BARS: Final = 2
#: Velocities added to the bars of a phrase of four bars, and by place in the bar: on the first
#: beat, on the middle of the bar, on another beat, and between beats.
_PHRASE: Final = (-3.0, 0.0, 3.0, 0.0)
_ACCENTS: Final = (4.0, 2.0, 0.0, -3.0)
#: Softest and loudest velocity that dynamics lead to.
_RANGE: Final = (16, 124)


def shape_dynamics(score: Score, plans: Sequence[BarPlan], first: int) -> Score:
    """Return a score with the planned dynamics in its new bars.

    Parameters
    ----------
    score : Score
    plans : sequence of BarPlan
        Of the new bars.
    first : int
        Index of the first new bar.
    """
    grid = bar_grid(score)
    offsets = np.zeros(max(len(grid), first + len(plans)))
    offsets[first : first + len(plans)] = _bar_offsets(plans)
    new = np.zeros(len(offsets), np.bool_)
    new[first : first + len(plans)] = True
    return replace(
        score, parts=tuple(_shape(part, grid, offsets, new, score) for part in score.parts)
    )


def _bar_offsets(plans: Sequence[BarPlan]) -> NDArray[np.float64]:
    """Return the velocity to add to each bar."""
    levels = np.array([plan.level for plan in plans], np.float64)
    offsets = levels * _LEVEL
    for index, plan in enumerate(plans):
        offsets[index] += 0.0 if plan.ends else _PHRASE[(index - plan.section) % len(_PHRASE)]
        for ahead in range(1, _TRANSITION_BARS + 1):
            if index + ahead < len(plans) and plans[index + ahead].section != plan.section:
                change = (levels[index + ahead] - levels[index]) * _LEVEL
                offsets[index] += change * (_TRANSITION_BARS + 1 - ahead) / (2 * _TRANSITION_BARS)
                break
    return offsets


def _shape(
    part: Part,
    grid: BarGrid,
    offsets: NDArray[np.float64],
    new: NDArray[np.bool_],
    score: Score,
) -> Part:
    """Add the offsets of the bars, and accents to pitched parts, to the new notes of a part."""
    notes = part.notes.copy()
    bar = grid.index_of(notes[:, 0])
    added = offsets[bar]
    if not part.is_drum:
        ticks = notes[:, 0] - grid.edges[bar]
        length = grid.edges[bar + 1] - grid.edges[bar]
        beat = score.ticks_per_quarter
        places = [ticks == 0, 2 * ticks == length, ticks % beat == 0]
        added = added + np.select(places, _ACCENTS[:3], _ACCENTS[3])
    shaped = np.rint(notes[:, 3] + added).clip(*_RANGE)
    notes[:, 3] = np.where(new[bar], shaped, notes[:, 3])
    return replace(part, notes=notes)

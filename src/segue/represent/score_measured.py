"""Everything measured of a score once, before it is summed up."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.records import Score
from segue.represent.score_harmony import ScoreKey, find_key
from segue.represent.score_lines import Line, lines, slices
from segue.represent.score_time import Bars, NoteTable, bars, notes_of


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredScore:
    """What the facts and the features of a score are made of.

    Attributes
    ----------
    score : Score
    bars : Bars
    notes, drums : NoteTable
        Those that have a pitch, and those of drums.
    key : ScoreKey
    lines : list of Line
        The highest notes of each part that has a pitch.
    sounding : ndarray, shape (moments, 128), bool
        Which pitches sound, at the middle of each sixteenth.
    voices : ndarray, shape (moments,), int64
        How many notes sound then.
    """

    score: Score
    bars: Bars
    notes: NoteTable
    drums: NoteTable
    key: ScoreKey
    lines: list[Line]
    sounding: NDArray[np.bool_]
    voices: NDArray[np.int64]


def measure_score(score: Score) -> MeasuredScore:
    """Measure a score.

    Parameters
    ----------
    score : Score

    Returns
    -------
    MeasuredScore

    Raises
    ------
    BadArgument
        It has no notes, or more than 100,000 bars.
    """
    if not score.parts:
        raise BadArgument("expected a score with notes, got one without")
    sounding, voices = slices(score)
    return MeasuredScore(
        score,
        bars(score),
        notes_of(score),
        notes_of(score, drums=True),
        find_key(score),
        lines(score),
        sounding,
        voices,
    )

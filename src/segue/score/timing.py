"""Time in a score: bars, seconds and a table of notes."""

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.records import Part, Score

MAX_BARS: Final = 100_000
_USUAL_BPM: Final = 120.0
_USUAL_METRE: Final = (0, 4, 4)

TickArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class BarGrid:
    """The bars of a score, in order.

    Attributes
    ----------
    at : ndarray, shape (bars + 1,), int64
        Their first ticks, and where the last one ends.
    beats, units : ndarray, shape (bars,), int64
        The metre of each: so many beats, each a fourth or an eighth of a whole note.
    """

    at: TickArray
    beats: TickArray
    units: TickArray

    def __len__(self) -> int:
        return len(self.beats)

    def of(self, ticks: NDArray[np.integer]) -> TickArray:
        """Return the bar, from 0, in which each of some ticks lies, same shape."""
        found = np.searchsorted(self.at, ticks, side="right") - 1
        return np.asarray(np.clip(found, 0, len(self) - 1), np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class NoteTable:
    """The notes of several parts in one table, by onset, then by pitch.

    Attributes
    ----------
    onset, duration : ndarray, shape (n,), int64
        Ticks.
    pitch, velocity, part : ndarray, shape (n,), int64
        The part by its place in the score.
    """

    onset: TickArray
    duration: TickArray
    pitch: TickArray
    velocity: TickArray
    part: TickArray

    def __len__(self) -> int:
        return len(self.onset)


def end_tick(score: Score) -> int:
    """Return where the last note ends."""
    return max(
        int((part.notes[:, 0].astype(np.int64) + part.notes[:, 1]).max()) for part in score.parts
    )


def bar_grid(score: Score) -> BarGrid:
    """Divide a score into bars, each metre from where it begins, until its last note ends.

    Parameters
    ----------
    score : Score

    Returns
    -------
    Bars
        At least one.

    Raises
    ------
    BadArgument
        It has more than 100,000 bars.
    """
    end = max(end_tick(score), 1)
    metres = score.metres.tolist()
    if not metres or metres[0][0] > 0:
        metres = [list(_USUAL_METRE), *metres]
    metres = [metre for metre in metres if metre[0] < end]
    starts, lengths = [], []
    for number, (tick, beats, unit) in enumerate(metres):
        until = metres[number + 1][0] if number + 1 < len(metres) else end
        length = max(score.ticks_per_quarter * 4 * beats // unit, 1)
        lengths.append(max(-(-(until - tick) // length), 0))
        if sum(lengths) > MAX_BARS:
            raise BadArgument(f"a score of more than {MAX_BARS} bars; divide it")
        starts.append(tick + length * np.arange(lengths[-1], dtype=np.int64))
    full = starts[-1][-1] + max(score.ticks_per_quarter * 4 * metres[-1][1] // metres[-1][2], 1)
    return BarGrid(
        np.append(np.concatenate(starts), full),
        np.repeat([metre[1] for metre in metres], lengths).astype(np.int64),
        np.repeat([metre[2] for metre in metres], lengths).astype(np.int64),
    )


def time_signature_durations(divided: BarGrid) -> dict[tuple[int, int], int]:
    """Return how many ticks each metre lasts in all: by beats and unit, the first one first."""
    ticks: dict[tuple[int, int], int] = {}
    metres = zip(divided.beats.tolist(), divided.units.tolist(), strict=True)
    for metre, length in zip(metres, np.diff(divided.at).tolist(), strict=True):
        ticks[metre] = ticks.get(metre, 0) + length
    return ticks


def ticks_to_seconds(score: Score, ticks: NDArray[np.integer]) -> NDArray[np.float64]:
    """Tell when ticks are played, by the tempos.

    Parameters
    ----------
    score : Score
    ticks : ndarray of int

    Returns
    -------
    ndarray, same shape, float64
        Seconds from the start of the score.
    """
    tempos = score.tempos.reshape(-1, 2)
    if not len(tempos) or tempos[0, 0] > 0:
        tempos = np.vstack([[0.0, _USUAL_BPM], tempos])
    at, bpm = tempos.T
    seconds_per_tick = 60 / bpm / score.ticks_per_quarter
    begun = np.concatenate([[0.0], np.cumsum(np.diff(at) * seconds_per_tick[:-1])])
    here = np.clip(np.searchsorted(at, ticks, side="right") - 1, 0, None)
    return np.asarray(begun[here] + (ticks - at[here]) * seconds_per_tick[here], np.float64)


def duration_s(score: Score) -> float:
    """Return how long a score lasts, until its last note ends, in seconds by its tempos."""
    return float(ticks_to_seconds(score, np.array([end_tick(score)]))[0])


def main_tempo_bpm(score: Score) -> float:
    """Return the tempo, quarters a minute, that most of a score is played at."""
    end = end_tick(score)
    tempos = [[0.0, _USUAL_BPM], *score.tempos.tolist()]
    lasting: dict[float, float] = {}
    for number, (tick, bpm) in enumerate(tempos):
        until = min(tempos[number + 1][0], end) if number + 1 < len(tempos) else end
        key = round(bpm, 2)
        lasting[key] = lasting.get(key, 0.0) + max(until - tick, 0.0)
    return max(lasting, key=lambda key: lasting[key])


def main_time_signature(score: Score) -> tuple[int, int]:
    """Return the metre that most of a score is in: beats, and of what a beat is."""
    metres = time_signature_durations(bar_grid(score))
    return max(metres, key=lambda metre: metres[metre])


def main_beats_per_minute(score: Score) -> float:
    """Return the tempo that most of a score is played at, in the beats of its main metre.

    These are quarters, in 6/8, 9/8 and 12/8 dotted quarters.
    """
    from segue.io.written_score import beat_of  # brings in all formats

    return round(main_tempo_bpm(score) / float(beat_of(*main_time_signature(score))), 2)


def note_table(score: Score, *, drums: bool = False) -> NoteTable:
    """Put the notes of the pitched parts, or of the drums, into one table.

    Parameters
    ----------
    score : Score
    drums : bool

    Returns
    -------
    NoteTable
        Empty where there are none.
    """
    chosen = [
        np.column_stack([part.notes.astype(np.int64), np.full(len(part.notes), number)])
        for number, part in enumerate(score.parts)
        if part.is_drum == drums
    ]
    table = np.concatenate(chosen) if chosen else np.empty((0, 5), np.int64)
    return NoteTable(*table[np.lexsort((table[:, 2], table[:, 0]))].T)


def excerpt(score: Score, first_bar: int, count: int) -> Score:
    """Cut bars out of a score.

    Parameters
    ----------
    score : Score
    first_bar : int
        From 0.
    count : int

    Returns
    -------
    Score
        NoteTable that begin before are left out, those that last longer are cut off. Tempo, metre
        and key are those that hold where it begins. It may have no parts.
    """
    at = bar_grid(score).at
    start, end = int(at[first_bar]), int(at[min(first_bar + count, len(at) - 1)])
    parts = []
    for part in score.parts:
        here = part.notes[(part.notes[:, 0] >= start) & (part.notes[:, 0] < end)].copy()
        here[:, 1] = np.minimum(here[:, 1], end - here[:, 0])
        here[:, 0] -= start
        if len(here):
            pedals = _from(part.pedals, start, end)
            pedals = pedals[np.diff(pedals[:, 1], prepend=0) != 0]  # up it is before anything
            parts.append(Part(part.name, part.program, part.is_drum, here, pedals))
    return replace(
        score,
        parts=tuple(parts),
        tempos=_from(score.tempos, start, end),
        metres=_from(score.metres, start, end),
        keys=_from(score.keys, start, end),
        chords=_chords_from(score, start, end),
    )


def _chords_from(score: Score, start: int, end: int) -> tuple[tuple[int, str], ...]:
    before = [symbol for tick, symbol in score.chords if tick <= start][-1:]
    here = [(tick - start, symbol) for tick, symbol in score.chords if start < tick < end]
    return (*((0, symbol) for symbol in before), *here)


def _from(rows: NDArray[Any], start: int, end: int) -> NDArray[Any]:
    """Keep what holds between two ticks, counted from the first."""
    at = rows[:, 0]
    kept = rows[(at < end) & (np.append(at[1:], np.inf) > start)].copy()
    kept[:, 0] = np.maximum(kept[:, 0] - start, 0)
    return kept

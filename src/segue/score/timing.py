"""Time in a score: bars, tempo, ticks to seconds, and a table of notes."""

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.io.unfolding import beat_duration
from segue.records import Part, Score

MAX_BARS: Final = 100_000
#: Defaults of a score that gives none.
_DEFAULT_BPM: Final = 120.0
_DEFAULT_TIME_SIGNATURE: Final = (0, 4, 4)

TickArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class BarGrid:
    """The bars of a score, in order.

    Attributes
    ----------
    edges : ndarray, shape (bars + 1,), int64
        First tick of each bar, and the tick at which the last bar ends.
    numerators, denominators : ndarray, shape (bars,), int64
        Time signature of each bar.
    """

    edges: TickArray
    numerators: TickArray
    denominators: TickArray

    def __len__(self) -> int:
        return len(self.numerators)

    def index_of(self, ticks: NDArray[np.integer]) -> TickArray:
        """Return the index of the bar that contains each tick, clipped to the score's bars."""
        index = np.searchsorted(self.edges, ticks, side="right") - 1
        return np.asarray(np.clip(index, 0, len(self) - 1), np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class NoteTable:
    """The notes of several parts as columns, sorted by onset, then by pitch.

    Attributes
    ----------
    onset, duration : ndarray, shape (n,), int64
        In ticks.
    pitch, velocity : ndarray, shape (n,), int64
        As in MIDI.
    part : ndarray, shape (n,), int64
        Index of the note's part in the score.
    """

    onset: TickArray
    duration: TickArray
    pitch: TickArray
    velocity: TickArray
    part: TickArray

    def __len__(self) -> int:
        return len(self.onset)


def end_tick(score: Score) -> int:
    """Return the tick at which the last note ends."""
    return max(
        int((part.notes[:, 0].astype(np.int64) + part.notes[:, 1]).max()) for part in score.parts
    )


def bar_grid(score: Score) -> BarGrid:
    """Divide a score into bars, up to the end of its last note.

    A time signature begins a new bar where it stands, even if the bar before is incomplete.

    Returns
    -------
    BarGrid
        At least one bar.

    Raises
    ------
    BadArgument
        The score has more than 100,000 bars.
    """
    end = max(end_tick(score), 1)
    signatures = score.time_signatures.tolist()
    if not signatures or signatures[0][0] > 0:
        signatures = [list(_DEFAULT_TIME_SIGNATURE), *signatures]
    signatures = [signature for signature in signatures if signature[0] < end]
    starts, counts = [], []
    for index, (tick, numerator, denominator) in enumerate(signatures):
        next_tick = signatures[index + 1][0] if index + 1 < len(signatures) else end
        bar_ticks = max(score.ticks_per_quarter * 4 * numerator // denominator, 1)
        counts.append(max(-(-(next_tick - tick) // bar_ticks), 0))
        if sum(counts) > MAX_BARS:
            raise BadArgument(f"a score of more than {MAX_BARS} bars; divide it")
        starts.append(tick + bar_ticks * np.arange(counts[-1], dtype=np.int64))
    return BarGrid(
        np.append(np.concatenate(starts), starts[-1][-1] + bar_ticks),
        np.repeat([numerator for _, numerator, _ in signatures], counts).astype(np.int64),
        np.repeat([denominator for _, _, denominator in signatures], counts).astype(np.int64),
    )


def time_signature_durations(grid: BarGrid) -> dict[tuple[int, int], int]:
    """Return the ticks spent in each time signature, in order of first appearance."""
    ticks: dict[tuple[int, int], int] = {}
    signatures = zip(grid.numerators.tolist(), grid.denominators.tolist(), strict=True)
    for signature, length in zip(signatures, np.diff(grid.edges).tolist(), strict=True):
        ticks[signature] = ticks.get(signature, 0) + length
    return ticks


def ticks_to_seconds(score: Score, ticks: NDArray[np.integer]) -> NDArray[np.float64]:
    """Convert ticks to seconds from the start of the score, by its tempo map.

    Parameters
    ----------
    score : Score
    ticks : ndarray of int

    Returns
    -------
    ndarray, same shape, float64
    """
    tempos = score.tempos.reshape(-1, 2)
    if not len(tempos) or tempos[0, 0] > 0:
        tempos = np.vstack([[0.0, _DEFAULT_BPM], tempos])
    tempo_ticks, bpm = tempos.T
    seconds_per_tick = 60 / bpm / score.ticks_per_quarter
    tempo_s = np.concatenate([[0.0], np.cumsum(np.diff(tempo_ticks) * seconds_per_tick[:-1])])
    index = np.clip(np.searchsorted(tempo_ticks, ticks, side="right") - 1, 0, None)
    return np.asarray(
        tempo_s[index] + (ticks - tempo_ticks[index]) * seconds_per_tick[index], np.float64
    )


def duration_s(score: Score) -> float:
    """Return the time in seconds until the last note ends."""
    return float(ticks_to_seconds(score, np.array([end_tick(score)]))[0])


def main_tempo_bpm(score: Score) -> float:
    """Return the tempo that holds for most ticks of a score, in quarter notes per minute."""
    end = end_tick(score)
    tempos = [[0.0, _DEFAULT_BPM], *score.tempos.tolist()]
    ticks: dict[float, float] = {}
    for index, (tick, bpm) in enumerate(tempos):
        next_tick = min(tempos[index + 1][0], end) if index + 1 < len(tempos) else end
        key = round(bpm, 2)
        ticks[key] = ticks.get(key, 0.0) + max(next_tick - tick, 0.0)
    return max(ticks, key=lambda key: ticks[key])


def main_time_signature(score: Score) -> tuple[int, int]:
    """Return the time signature that holds for most ticks of a score."""
    ticks = time_signature_durations(bar_grid(score))
    return max(ticks, key=lambda signature: ticks[signature])


def main_beats_per_minute(score: Score) -> float:
    """Return the main tempo in beats of the main time signature.

    A beat is a quarter note, in 6/8, 9/8 and 12/8 a dotted quarter.
    """
    return round(main_tempo_bpm(score) / float(beat_duration(*main_time_signature(score))), 2)


def note_table(score: Score, *, drums: bool = False) -> NoteTable:
    """Collect the notes of the pitched parts, or of the drum parts, in one table.

    Parameters
    ----------
    score : Score
    drums : bool
        Whether to collect the drum parts instead of the pitched ones.
    """
    tables = [
        np.column_stack([part.notes.astype(np.int64), np.full(len(part.notes), index)])
        for index, part in enumerate(score.parts)
        if part.is_drum == drums
    ]
    table = np.concatenate(tables) if tables else np.empty((0, 5), np.int64)
    return NoteTable(*table[np.lexsort((table[:, 2], table[:, 0]))].T)


def excerpt(score: Score, first_bar: int, count: int) -> Score:
    """Cut an excerpt of whole bars out of a score.

    Parameters
    ----------
    score : Score
    first_bar : int
        Index of the first bar.
    count : int
        Number of bars.

    Returns
    -------
    Score
        Notes that begin before the excerpt are left out, notes that last beyond it are cut off.
        The tempo, time signature, key and chord at its first bar hold from its start. Parts
        without a note in it are left out, so that it may have none.
    """
    edges = bar_grid(score).edges
    start, end = int(edges[first_bar]), int(edges[min(first_bar + count, len(edges) - 1)])
    parts = []
    for part in score.parts:
        notes = part.notes[(part.notes[:, 0] >= start) & (part.notes[:, 0] < end)].copy()
        notes[:, 1] = np.minimum(notes[:, 1], end - notes[:, 0])
        notes[:, 0] -= start
        if len(notes):
            pedals = _events_in(part.pedals, start, end)
            # The pedal is up before the first event.
            pedals = pedals[np.diff(pedals[:, 1], prepend=0) != 0]
            parts.append(Part(part.name, part.program, part.is_drum, notes, pedals))
    return replace(
        score,
        parts=tuple(parts),
        tempos=_events_in(score.tempos, start, end),
        time_signatures=_events_in(score.time_signatures, start, end),
        keys=_events_in(score.keys, start, end),
        chords=_chords_in(score, start, end),
    )


def _chords_in(score: Score, start: int, end: int) -> tuple[tuple[int, str], ...]:
    at_start = [symbol for tick, symbol in score.chords if tick <= start][-1:]
    inside = [(tick - start, symbol) for tick, symbol in score.chords if start < tick < end]
    return (*((0, symbol) for symbol in at_start), *inside)


def _events_in(events: NDArray[Any], start: int, end: int) -> NDArray[Any]:
    """Keep the events that hold somewhere in [start, end), with ticks relative to `start`."""
    ticks = events[:, 0]
    inside = events[(ticks < end) & (np.append(ticks[1:], np.inf) > start)].copy()
    inside[:, 0] = np.maximum(inside[:, 0] - start, 0)
    return inside

"""Search by melody: a hummed phrase aligned with the melodic lines of tracks, in any key and tempo.

Melodies are sequences of notes in which repeated pitches count as one note, since a hum without
consonants does not separate them. Subsequence dynamic time warping aligns a query with all lines at
once: each step goes on by one note in both, or leaves out one or two notes of either. The key and
the tempo of an alignment are running estimates, so that a singer who drifts pays little, and a
wrong note is paid for once. Of many lines, a shortlist is made by two passages of the query.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from segue.records import FloatArray, IntArray

#: Notes of the query and of the line that a step goes on by.
_STEPS: Final = ((1, 1), (1, 2), (2, 1), (2, 2), (1, 3), (3, 1))
_SHORTLIST_STEPS: Final = ((1, 1), (1, 2), (2, 1))
_MAX_STEP: Final = 3
#: Cost of a note of the query, or of a line, that is left out.
SKIPPED_QUERY_NOTE: Final = 1.3
SKIPPED_LINE_NOTE: Final = 0.6
#: Most that the pitch of a note costs, in semitones, and what an octave error adds.
MAX_PITCH_COST: Final = 2.5
OCTAVE_COST: Final = 1.0
#: Cost of a change of tempo, as the logarithm of its ratio, and the most that it costs.
RHYTHM_WEIGHT: Final = 1.0
MAX_RHYTHM_COST: Final = 0.8
#: Cost of a tempo that is further than a factor of two from the line's.
TEMPO_WEIGHT: Final = 0.3
_USUAL_TEMPO: Final = 0.7
#: Smallest weights of a note in the running estimates of key and tempo.
KEY_RATE: Final = 0.3
TEMPO_RATE: Final = 0.2
#: Notes of a passage by which the shortlist is made, and lines that each passage puts on it.
SHORTLIST_NOTES: Final = 12
SHORTLIST_LINES: Final = 200
#: Notes of lines that are aligned at once, so that they stay in the processor's cache.
_BLOCK: Final = 16_384
_SHORTEST_S: Final = 0.01


class _Row(NamedTuple):
    """Best alignments of the query up to one note that end at each note of the lines."""

    cost: FloatArray
    key: FloatArray  # semitones that the query is above the line
    log_tempo: FloatArray
    start: NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class MelodyIndex:
    """The melodic lines of tracks, one after another.

    Each begins with three places without pitch, over which no alignment steps.

    Attributes
    ----------
    tracks : ndarray, shape (lines,), int64
        Id of the track of each line.
    starts : ndarray, shape (lines + 1,), int64
        Where each line begins.
    onset_s : ndarray, shape (places,), float32
        In seconds from the beginning of the track.
    pitch : ndarray, shape (places,), float32
        MIDI pitch; NaN for no note.
    """

    tracks: IntArray
    starts: IntArray
    onset_s: FloatArray
    pitch: FloatArray

    @classmethod
    def build(cls, melodies: Iterable[tuple[int, NDArray[Any]]]) -> "MelodyIndex":
        """Collect melodies, given as track ids and arrays of the shape of `melody_table`."""
        tracks: list[int] = []
        tables: list[NDArray[Any]] = []
        for track, table in melodies:
            edges = np.flatnonzero(np.diff(table[:, 2])) + 1
            for line in np.split(table[:, :2], edges):
                tracks.append(track)
                tables.append(np.pad(line, ((_MAX_STEP, 0), (0, 0)), constant_values=np.nan))
        notes = np.concatenate([np.empty((0, 2)), *tables]).astype(np.float32)
        starts = np.cumsum([0, *map(len, tables)], dtype=np.int64)
        return cls(np.array(tracks, np.int64), starts, notes[:, 0].copy(), notes[:, 1].copy())

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "MelodyIndex":
        """Restore an index from the result of `arrays`."""
        return cls(*(arrays[name] for name in ("tracks", "starts", "onset_s", "pitch")))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the index as named arrays, to be saved."""
        return {name: getattr(self, name) for name in ("tracks", "starts", "onset_s", "pitch")}

    def only(self, lines: IntArray) -> "MelodyIndex":
        """Return an index of some of the lines."""
        lengths = np.diff(self.starts)[lines]
        starts = np.append(0, np.cumsum(lengths))
        places = np.repeat(self.starts[lines] - starts[:-1], lengths) + np.arange(starts[-1])
        return MelodyIndex(self.tracks[lines], starts, self.onset_s[places], self.pitch[places])


def melody_table(
    lines: Iterable[tuple[NDArray[Any], NDArray[Any]]],
) -> NDArray[np.float32]:
    """Join the lines of a track, given as onsets in seconds and pitches.

    Returns
    -------
    ndarray, shape (n, 3), float32
        Onset, pitch and number of the line; of notes of one pitch in a row, the first alone. Lines
        of fewer than two such notes are left out.
    """
    tables = []
    for number, (onset_s, pitch) in enumerate(lines):
        kept = np.append(True, np.diff(pitch) != 0)[: len(pitch)]
        if kept.sum() > 1:
            tables.append(
                np.column_stack([onset_s[kept], pitch[kept], np.full(kept.sum(), number)])
            )
    return np.concatenate([np.empty((0, 3)), *tables]).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class MelodyMatches:
    """Best alignments of a query with lines.

    Attributes
    ----------
    tracks : ndarray, shape (n,), int64
    cost : ndarray, shape (n,), float32
        Mean cost of a note of the query.
    start_s, end_s : ndarray, shape (n,), float32
        Onsets of the first and the last note of the passage.
    """

    tracks: IntArray
    cost: FloatArray
    start_s: FloatArray
    end_s: FloatArray


def match_melody(index: MelodyIndex, query: NDArray[Any], *, rhythm: bool = True) -> MelodyMatches:
    """Find the lines that contain a melody, the most similar first, each track once.

    Parameters
    ----------
    index : MelodyIndex
    query : ndarray, shape (n, 2), float
        Onset in seconds and pitch of its notes, no pitch twice in a row; n is at least 2.
    rhythm : bool
        Whether the rhythm of the query counts.
    """
    if len(index.tracks) > 2 * SHORTLIST_LINES:
        index = index.only(_shortlist(index, query))
    cost, first, last = _align(index, query, _STEPS, rhythm=rhythm)
    order = np.argsort(cost, kind="stable")
    order = order[np.sort(np.unique(index.tracks[order], return_index=True)[1])]
    return MelodyMatches(
        index.tracks[order], cost[order], index.onset_s[first[order]], index.onset_s[last[order]]
    )


def _shortlist(index: MelodyIndex, query: NDArray[Any]) -> IntArray:
    """Return the lines that come nearest to the beginning or the middle of a query."""
    middle = max((len(query) - SHORTLIST_NOTES) // 2, 0)
    lines = [
        np.argsort(_align(index, query[first:], _SHORTLIST_STEPS, rhythm=False)[0], kind="stable")
        for first in {0, middle}
    ]
    return np.unique(np.concatenate([each[:SHORTLIST_LINES] for each in lines]))


def _align(
    index: MelodyIndex, query: NDArray[Any], steps: tuple[tuple[int, int], ...], *, rhythm: bool
) -> tuple[FloatArray, IntArray, IntArray]:
    """Align a query with every line; return cost, first and last place of the best passages."""
    results = []
    first = 0
    while first < len(index.tracks):
        end = int(np.searchsorted(index.starts, index.starts[first] + _BLOCK, side="right")) - 1
        end = max(end, first + 1)
        places = slice(index.starts[first], index.starts[end])
        cost, start = _align_block(index.pitch[places], index.onset_s[places], query, steps, rhythm)
        edges = index.starts[first:end] - index.starts[first]
        lowest = np.minimum.reduceat(cost, edges)
        at_lowest = np.flatnonzero(
            cost == np.repeat(lowest, np.diff(index.starts[first : end + 1]))
        )
        last = at_lowest[np.searchsorted(at_lowest, edges)]
        results.append((lowest, index.starts[first] + start[last], index.starts[first] + last))
        first = end
    costs, starts, lasts = (np.concatenate(each) for each in zip(*results, strict=True))
    return costs, starts, lasts


def _align_block(
    line_pitch: FloatArray,
    line_onset_s: FloatArray,
    query: NDArray[Any],
    steps: tuple[tuple[int, int], ...],
    rhythm: bool,
) -> tuple[FloatArray, NDArray[np.int32]]:
    """Return for each place the mean cost of the best alignment that ends there, and its start."""
    onset_s, pitch = query.astype(np.float32).T
    with np.errstate(invalid="ignore"):
        log_gaps = {
            step: np.log(np.maximum(line_onset_s[step:] - line_onset_s[:-step], _SHORTEST_S))
            for step in range(1, _MAX_STEP + 1)
        }
    places = np.arange(len(line_pitch), dtype=np.int32)
    is_note = np.isfinite(line_pitch)
    best = np.full(len(places), np.inf, np.float32)
    best_start = places.copy()
    rows: list[_Row] = []
    for number in range(len(query)):
        relative = pitch[number] - line_pitch
        # The notes before are left out.
        cost = np.where(is_note, np.float32(SKIPPED_QUERY_NOTE * number), np.float32(np.inf))
        unknown = np.full(len(places), np.nan, np.float32)
        row = _Row(cost, relative.copy(), unknown, places.copy())
        for query_step, line_step in steps:
            if query_step <= number:
                gap_s = max(float(onset_s[number] - onset_s[number - query_step]), _SHORTEST_S)
                log_ratio = log_gaps[line_step] - np.float32(np.log(gap_s)) if rhythm else None
                skipped = SKIPPED_QUERY_NOTE * (query_step - 1) + SKIPPED_LINE_NOTE * (
                    line_step - 1
                )
                _step(row, rows[-query_step], relative, log_ratio, line_step, skipped, number)
        rows = [*rows[1 - _MAX_STEP :], row]
        left_out = len(query) - 1 - number
        if left_out < _MAX_STEP:
            total = row.cost + np.float32(SKIPPED_QUERY_NOTE * left_out)
            improved = total < best
            best[improved], best_start[improved] = total[improved], row.start[improved]
    return best / np.float32(len(query)), best_start


def _step(
    row: _Row,
    before: _Row,
    relative: FloatArray,
    log_ratio: FloatArray | None,
    line_step: int,
    skipped: float,
    number: int,
) -> None:
    """Extend alignments by one step, wherever that costs less than what the row has."""
    error = relative[line_step:] - before.key[:-line_step]
    octaves = np.rint(error * np.float32(1 / 12))
    error -= 12 * octaves
    distance = np.abs(error)
    distance += np.float32(OCTAVE_COST) * (octaves != 0)
    cost = np.minimum(distance, np.float32(MAX_PITCH_COST), out=distance)
    cost += before.cost[:-line_step] + np.float32(skipped)
    if log_ratio is not None:
        change = np.abs(log_ratio - before.log_tempo[:-line_step])
        penalty = np.minimum(change, np.float32(MAX_RHYTHM_COST))
        penalty[np.isnan(penalty)] = 0
        excess = np.abs(log_ratio)
        excess -= np.float32(_USUAL_TEMPO)
        penalty += np.float32(TEMPO_WEIGHT) * np.clip(excess, 0, 1, out=excess)
        cost += np.float32(RHYTHM_WEIGHT) * penalty
    better = np.flatnonzero(cost < row.cost[line_step:])
    at = better + line_step
    row.cost[at] = cost[better]
    rate = np.float32(max(KEY_RATE, 1 / (number + 1)))
    row.key[at] = before.key[better] + 12 * octaves[better] + rate * error[better]
    row.start[at] = before.start[better]
    if log_ratio is not None:
        rate = np.float32(max(TEMPO_RATE, 1 / max(number, 1)))
        tempo = before.log_tempo[better]
        change = np.clip(log_ratio[better] - tempo, -1, 1)
        row.log_tempo[at] = np.where(np.isnan(tempo), log_ratio[better], tempo + rate * change)

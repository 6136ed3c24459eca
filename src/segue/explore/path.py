"""Paths between tracks in small steps: a minimax path through an embedding space.

A path only goes forward: the progress of a track, its distance to the start less its distance to
the goal, rises at each step. Of the paths of the requested length, those with the fewest
consecutive tracks by one artist are kept; of those, the ones with the smallest largest step; of
those, the one with the smallest sum of squared steps. All three are optimised exactly, by dynamic
programming over the tracks in order of progress.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.records import FloatArray, Track
from segue.search.duplicates import remove_duplicates
from segue.store import Store
from segue.store.matrix import Matrix
from segue.text import name_keys


def pairwise_distances(unit: FloatArray) -> FloatArray:
    """Return the Euclidean distances between vectors of length 1, shape (n, n): 0 to 2."""
    return np.asarray(np.sqrt(np.maximum(2 - 2 * (unit @ unit.T), 0)), np.float32)


def same_artist_matrix(tracks: Sequence[Track]) -> NDArray[np.bool_]:
    """Tell of each pair of tracks whether one artist made both, shape (n, n).

    Nothing is known of a track without an artist.
    """
    artists = [name_keys(track.tags.artist) for track in tracks]
    numbers = {name: number for number, name in enumerate(sorted(frozenset().union(*artists)))}
    by = np.zeros((len(tracks), len(numbers)), np.float32)
    for row, names in enumerate(artists):
        by[row, [numbers[name] for name in names]] = 1
    return np.asarray(by @ by.T > 0, np.bool_)


#: Of larger libraries, as many tracks are looked at: those that lie least out of the way.
CANDIDATES: Final = 1200
#: The steps at both ends are forced: from the start to one of the nearest. So much farther than
#: the nearest is allowed, to leave a choice.
END_SLACK: Final = 1.1
_SHORTER: Final = (3, 5, 8, 12)  # lengths that are tried where a path is too long
_CLEARLY: Final = 0.97


@dataclass(frozen=True, slots=True)
class TrackPath:
    """A journey.

    Attributes
    ----------
    tracks : tuple of Track
        From the start to the goal.
    steps : tuple of float
        Euclidean distances between successive tracks, of vectors of length 1: 0 to 2.
    progress : tuple of float
        Distance to the start less distance to the goal, of each track: it rises.
    same_artist : int
        How often a track is by the artist of the one before: as seldom as can be.
    direct : float
        Distance from the start to the goal.
    shorter : int, optional
        Where the steps are as large as that, a number of tracks with smaller ones.
    """

    tracks: tuple[Track, ...]
    steps: tuple[float, ...]
    progress: tuple[float, ...]
    same_artist: int
    direct: float = 0.0
    shorter: int | None = None

    @property
    def largest_step(self) -> float:
        """The largest of the steps."""
        return max(self.steps, default=0.0)


def find_path(
    store: Store,
    space: str,
    start: Track,
    goal: Track,
    n: int,
    excluded: Sequence[int] = (),
    left_out: Collection[int] = (),
) -> TrackPath:
    """Find a journey of `n` tracks, or of as many as there are on the way.

    Parameters
    ----------
    store : Store
        Database of the library.
    space : str
    start, goal : Track
        Two different tracks of the space.
    n : int
        At least 2, both ends counted.
    excluded : sequence of int
        Tracks that are not on the way, nor are their copies.
    left_out : collection of int
        Tracks that are not on the way.

    Raises
    ------
    BadArgument
        Both ends are one, or one of them is not in the space.
    """
    if n < 2:
        raise BadArgument(f"a path of {n} tracks; it takes at least its two ends")
    if start.id == goal.id:
        raise BadArgument(f"both ends are track {start.id}; name two different tracks")
    matrix = store.spaces.matrix(space)
    ends = [_row(matrix, track) for track in (start, goal)]
    gone = [*store.missing_tracks(), *left_out]
    rows = _candidates(store, matrix, ends, np.flatnonzero(np.isin(matrix.ids, excluded)), gone)
    unit = np.asarray(matrix.unit[rows], np.float32)
    tracks = store.tracks(matrix.ids[rows].tolist())
    distance, again = pairwise_distances(unit), same_artist_matrix(tracks)
    chosen = minimax_path(distance, min(n, len(rows)), again)
    pairs = list(pairwise(chosen))
    return TrackPath(
        tuple(tracks[row] for row in chosen),
        tuple(float(distance[pair]) for pair in pairs),
        tuple((distance[0, chosen] - distance[-1, chosen]).tolist()),
        sum(bool(again[pair]) for pair in pairs),
        float(distance[0, -1]),
        _shorter(distance, again, chosen),
    )


def _shorter(distance: FloatArray, again: NDArray[np.bool_], chosen: Sequence[int]) -> int | None:
    """Find how many tracks would take smaller steps, where a path is too long for its ends."""
    largest = max(float(distance[pair]) for pair in pairwise(chosen))
    if largest < distance[0, -1]:
        return None
    found = {}
    for n in (n for n in _SHORTER if n < len(chosen)):
        fewer = minimax_path(distance, n, again)
        found[n] = max(float(distance[pair]) for pair in pairwise(fewer))
    best = min(found, key=lambda n: found[n], default=None)
    return best if best and found[best] < _CLEARLY * largest else None


def minimax_path(distance: FloatArray, n: int, again: NDArray[np.bool_] | None = None) -> list[int]:
    """Choose the path from the first row to the last, forward only, with the smallest steps.

    Parameters
    ----------
    distance : ndarray, shape (m, m), float32
        Between tracks in order of their progress.
    n : int
        Length of the path, 2 to m.
    again : ndarray of bool, shape (m, m), optional
        Which steps are taken only where there is no other way.

    Returns
    -------
    list of int
        Rising rows, with as few of these steps as can be. Where the first and the last step can
        be at most `END_SLACK` times what they must be, the largest of the others is the least
        there is; where they cannot, or only with more of these steps, the largest of all is.
    """
    m = len(distance)
    if n >= m:
        return list(range(m))
    if n == 2:
        return [0, m - 1]
    again = np.zeros_like(distance, bool) if again is None else again
    between, steps = slice(1, m - 1), n - 3
    backward = np.tril(np.ones((m - 2, m - 2), bool))
    first, last = (_Steps.of(distance[end, between], again[end, between]) for end in (0, -1))
    inner = _Steps.of(distance[between, between], again[between, between]).without(backward)
    # So many rows must lie behind the first one, and before the last.
    place = np.arange(m - 2)
    ends = _nearest(first, place < m - 2 - steps), _nearest(last, place >= steps)
    found = _best(np.maximum, ends[0].free(), inner, ends[1].free(), steps)
    largest_end = np.inf
    if found.repeats:  # or infinite, where the nearest ends leave too little room between them
        wide = _best(np.maximum, first, inner, last, steps)
        if wide.repeats < found.repeats:
            found, ends, largest_end = wide, (first, last), wide.cost
    begin, end = (part.squared(largest_end) for part in ends)
    way = _best(np.add, begin, inner.squared(found.cost), end, steps)
    return [0, *(1 + row for row in way.rows), m - 1]


@dataclass(frozen=True, slots=True)
class _Steps:
    """Steps from rows to rows, or from an end to rows.

    Attributes
    ----------
    repeats : ndarray, float32
        1 for a step that is better not taken, infinite for one that there is not, else 0.
    costs : ndarray of the same shape, float32
    """

    repeats: FloatArray
    costs: FloatArray

    @classmethod
    def of(cls, distance: FloatArray, again: NDArray[np.bool_]) -> "_Steps":
        return cls(again.astype(np.float32), distance)

    def without(self, gone: NDArray[np.bool_]) -> "_Steps":
        return _Steps(np.where(gone, np.float32(np.inf), self.repeats), self.costs)

    def squared(self, most: float) -> "_Steps":
        """Square the costs, and leave out what costs more than `most`."""
        return _Steps(self.without(self.costs > most).repeats, self.costs**2)

    def free(self) -> "_Steps":
        return _Steps(self.repeats, np.zeros_like(self.costs))


@dataclass(frozen=True, slots=True)
class _Way:
    """The rows between both ends, how many repeats there are, and what the steps come to."""

    rows: list[int]
    repeats: float
    cost: float


def _nearest(end: _Steps, can_be: NDArray[np.bool_]) -> _Steps:
    """Leave only the steps from an end that are nearly the smallest."""
    allowed = can_be & (end.repeats == end.repeats[can_be].min())
    return end.without(~allowed | (end.costs > END_SLACK * end.costs[allowed].min()))


def _best(
    combine: Callable[[FloatArray, FloatArray], FloatArray],
    first: _Steps,
    inner: _Steps,
    last: _Steps,
    steps: int,
) -> _Way:
    """Find the way with the fewest repeats; of those, with the least combined cost."""
    repeats, cost, came = first.repeats, first.costs, []
    for _ in range(steps):
        total = repeats[:, None] + inner.repeats
        repeats = total.min(axis=0)
        combined = np.where(total == repeats, combine(cost[:, None], inner.costs), np.inf)
        came.append(combined.argmin(axis=0))
        cost = combined.min(axis=0)
    total = repeats + last.repeats
    combined = np.where(total == total.min(), combine(cost, last.costs), np.inf)
    rows = [int(combined.argmin())]
    for before in reversed(came):
        rows.append(int(before[rows[-1]]))
    return _Way(rows[::-1], float(total.min()), float(combined.min()))


def _row(matrix: Matrix, track: Track) -> int:
    row = int(np.searchsorted(matrix.ids, track.id))
    if row == len(matrix.ids) or matrix.ids[row] != track.id:
        raise BadArgument(
            f"track {track.id} has no vector in the space {matrix.space.name!r}; choose another "
            "space or track"
        )
    return row


def _candidates(
    store: Store,
    matrix: Matrix,
    ends: Sequence[int],
    excluded: NDArray[np.int64],
    gone: Sequence[int],
) -> NDArray[np.int64]:
    """Choose the tracks that lie least out of the way, in order of their progress."""
    to_start, to_goal = (
        np.sqrt(np.maximum(2 - 2 * (matrix.unit @ matrix.unit[end]), 0)) for end in ends
    )
    usable = ~np.isin(matrix.ids, gone)
    usable[[*ends, *excluded]] = False
    rows = np.flatnonzero(usable)
    detour = to_start[rows] + to_goal[rows]
    rows = rows[np.argsort(detour, kind="stable")[:CANDIDATES]]
    rows = remove_duplicates(store, matrix, rows, taken=[*ends, *excluded])
    progress = to_start[rows] - to_goal[rows]
    rows = rows[np.argsort(progress, kind="stable")]
    return np.concatenate([[ends[0]], rows, [ends[1]]]).astype(np.int64)

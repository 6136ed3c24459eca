"""Paths between tracks in small steps: a minimax path through an embedding space.

A path only goes forward: the progress of a track, its distance to the start less its distance to
the goal, rises at each step. Of the paths of the requested length, those with the fewest
consecutive tracks by one artist are kept; of those, the ones with the smallest largest step; of
those, the one with the smallest sum of squared steps. All three are optimised exactly, by dynamic
programming over the tracks in order of progress. Steps are corrected for hubness, since tracks that
are near everything would be on every path.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.records import FloatArray, Track
from segue.search.filters import remove_duplicates
from segue.search.neighbours import hubness_corrections
from segue.store import Store
from segue.store.spaces import Matrix
from segue.text import name_keys

#: Maximum number of tracks that a path is chosen from: those with the smallest detour.
CANDIDATES: Final = 1200
#: Maximum length of the first and the last step relative to the shortest possible one. These two
#: are forced to near neighbours of the ends; the slack leaves a choice.
END_SLACK: Final = 1.1
#: Numbers of tracks that are tried where a path has too many for its ends.
_SHORTER: Final = (3, 5, 8, 12)
#: Largest step of a shorter path, relative to the longer one's, from which it is suggested.
_MIN_REDUCTION: Final = 0.97


@dataclass(frozen=True, slots=True)
class TrackPath:
    """A path from one track to another.

    Attributes
    ----------
    tracks : tuple of Track
        Tracks from the start to the goal.
    steps : tuple of float
        Euclidean distances between successive tracks, of embeddings of length 1: 0 to 2, without
        the correction for hubness.
    progress : tuple of float
        Distance to the start minus distance to the goal, of each track, in ascending order.
    same_artist : int
        Number of steps between tracks by the same artist.
    direct : float
        Distance from the start to the goal.
    shorter : int, optional
        A number of tracks with smaller steps, if the steps are as large as the direct distance.
    """

    tracks: tuple[Track, ...]
    steps: tuple[float, ...]
    progress: tuple[float, ...]
    same_artist: int
    direct: float = 0.0
    shorter: int | None = None

    @property
    def largest_step(self) -> float:
        """Length of the largest step."""
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
    """Find a path of `n` tracks, or of as many as there are candidates.

    Parameters
    ----------
    start, goal : Track
        Two different tracks of the space.
    n : int
        Number of tracks, including both ends; at least 2.
    excluded : sequence of int
        Ids of tracks that are not on the path, and neither are their copies.
    left_out : collection of int
        Ids of tracks that are not on the path.

    Raises
    ------
    BadArgument
        Both ends are the same track, or one of them is not in the space.
    """
    if n < 2:
        raise BadArgument(f"a path of {n} tracks; it takes at least its two ends")
    if start.id == goal.id:
        raise BadArgument(f"both ends are track {start.id}; name two different tracks")
    matrix = store.spaces.matrix(space)
    ends = [_row(matrix, track) for track in (start, goal)]
    left_out = [*store.missing_tracks(), *left_out]
    rows = _candidates(store, matrix, ends, np.flatnonzero(np.isin(matrix.ids, excluded)), left_out)
    unit = np.asarray(matrix.unit[rows], np.float32)
    tracks = store.tracks(matrix.ids[rows].tolist())
    distance, same_artist = pairwise_distances(unit), same_artist_matrix(tracks)
    corrections = hubness_corrections(store, matrix)[rows]
    corrected = np.sqrt(
        np.maximum(distance**2 + 2 * (corrections[:, None] + corrections), 0), dtype=np.float32
    )
    chosen = minimax_path(corrected, min(n, len(rows)), same_artist)
    steps = list(pairwise(chosen))
    return TrackPath(
        tuple(tracks[row] for row in chosen),
        tuple(float(distance[step]) for step in steps),
        tuple((distance[0, chosen] - distance[-1, chosen]).tolist()),
        sum(bool(same_artist[step]) for step in steps),
        float(distance[0, -1]),
        _better_length(corrected, same_artist, chosen),
    )


def pairwise_distances(unit: FloatArray) -> FloatArray:
    """Return the Euclidean distances between vectors of length 1, shape (n, n): 0 to 2."""
    return np.asarray(np.sqrt(np.maximum(2 - 2 * (unit @ unit.T), 0)), np.float32)


def same_artist_matrix(tracks: Sequence[Track]) -> NDArray[np.bool_]:
    """Return whether each pair of tracks shares an artist, shape (n, n).

    A track without an artist shares none, not even with itself.
    """
    artists = [name_keys(track.tags.artist) for track in tracks]
    columns = {name: column for column, name in enumerate(sorted(frozenset().union(*artists)))}
    by_artist = np.zeros((len(tracks), len(columns)), np.float32)
    for row, names in enumerate(artists):
        by_artist[row, [columns[name] for name in names]] = 1
    return np.asarray(by_artist @ by_artist.T > 0, np.bool_)


def minimax_path(
    distance: FloatArray, n: int, penalised: NDArray[np.bool_] | None = None
) -> list[int]:
    """Find the forward path from the first row to the last one with the smallest largest step.

    Parameters
    ----------
    distance : ndarray, shape (m, m), float32
        Distances between tracks in order of their progress.
    n : int
        Number of rows on the path, 2 to m.
    penalised : ndarray of bool, shape (m, m), optional
        Steps that are taken only where there is no other way.

    Returns
    -------
    list of int
        Rows in ascending order, with the fewest penalised steps. If the first and the last step
        can be at most `END_SLACK` times their minimum without more penalised steps, the largest of
        the other steps is minimal; otherwise the largest of all steps.
    """
    m = len(distance)
    if n >= m:
        return list(range(m))
    if n == 2:
        return [0, m - 1]
    penalised = np.zeros_like(distance, bool) if penalised is None else penalised
    between, n_inner = slice(1, m - 1), n - 3
    backward = np.tril(np.ones((m - 2, m - 2), bool))
    first, last = (
        _Steps(penalised[end, between].astype(np.float32), distance[end, between])
        for end in (0, -1)
    )
    inner = _Steps(
        penalised[between, between].astype(np.float32), distance[between, between]
    ).without(backward)
    # The first inner row needs enough rows behind it, and the last one before it.
    rows = np.arange(m - 2)
    ends = _nearest(first, rows < m - 2 - n_inner), _nearest(last, rows >= n_inner)
    minimax = _best_route(np.maximum, ends[0].free(), inner, ends[1].free(), n_inner)
    largest_end = np.inf
    if minimax.penalties:  # or infinite, where the nearest ends leave too little room between them
        unrestricted = _best_route(np.maximum, first, inner, last, n_inner)
        if unrestricted.penalties < minimax.penalties:
            minimax, ends, largest_end = unrestricted, (first, last), unrestricted.cost
    begin, end = (steps.squared(largest_end) for steps in ends)
    route = _best_route(np.add, begin, inner.squared(minimax.cost), end, n_inner)
    return [0, *(1 + row for row in route.rows), m - 1]


@dataclass(frozen=True, slots=True)
class _Steps:
    """Steps from rows to rows, or from an end to rows.

    Attributes
    ----------
    penalties : ndarray, float32
        1 for a penalised step, infinite for an impossible one, otherwise 0.
    costs : ndarray of the same shape, float32
        Costs of the steps.
    """

    penalties: FloatArray
    costs: FloatArray

    def without(self, impossible: NDArray[np.bool_]) -> "_Steps":
        """Make steps impossible."""
        return _Steps(np.where(impossible, np.float32(np.inf), self.penalties), self.costs)

    def squared(self, max_cost: float) -> "_Steps":
        """Square the costs, and make steps above a cost impossible."""
        return _Steps(self.without(self.costs > max_cost).penalties, self.costs**2)

    def free(self) -> "_Steps":
        """Set all costs to 0."""
        return _Steps(self.penalties, np.zeros_like(self.costs))


@dataclass(frozen=True, slots=True)
class _Route:
    """Rows between both ends, the number of penalised steps, and the combined cost."""

    rows: list[int]
    penalties: float
    cost: float


def _nearest(end: _Steps, possible: NDArray[np.bool_]) -> _Steps:
    """Keep the steps from an end that are nearly the smallest."""
    allowed = possible & (end.penalties == end.penalties[possible].min())
    return end.without(~allowed | (end.costs > END_SLACK * end.costs[allowed].min()))


def _best_route(
    combine: Callable[[FloatArray, FloatArray], FloatArray],
    first: _Steps,
    inner: _Steps,
    last: _Steps,
    n_inner: int,
) -> _Route:
    """Find the route with the fewest penalties and, of those, the least combined cost."""
    penalties, cost, predecessors = first.penalties, first.costs, []
    for _ in range(n_inner):
        total = penalties[:, None] + inner.penalties
        penalties = total.min(axis=0)
        combined = np.where(total == penalties, combine(cost[:, None], inner.costs), np.inf)
        predecessors.append(combined.argmin(axis=0))
        cost = combined.min(axis=0)
    total = penalties + last.penalties
    combined = np.where(total == total.min(), combine(cost, last.costs), np.inf)
    rows = [int(combined.argmin())]
    for predecessor in reversed(predecessors):
        rows.append(int(predecessor[rows[-1]]))
    return _Route(rows[::-1], float(total.min()), float(combined.min()))


def _better_length(
    distance: FloatArray, same_artist: NDArray[np.bool_], chosen: Sequence[int]
) -> int | None:
    """Return a number of tracks with smaller steps, if a path has too many for its ends."""

    def largest_step(path: Sequence[int]) -> float:
        return max(float(distance[step]) for step in pairwise(path))

    largest = largest_step(chosen)
    if largest < distance[0, -1]:
        return None
    largest_steps = {
        n: largest_step(minimax_path(distance, n, same_artist)) for n in _SHORTER if n < len(chosen)
    }
    best = min(largest_steps, key=lambda n: largest_steps[n], default=None)
    return best if best and largest_steps[best] < _MIN_REDUCTION * largest else None


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
    left_out: Sequence[int],
) -> NDArray[np.int64]:
    """Return the rows with the smallest detour, in order of their progress, between the ends."""
    to_start, to_goal = (
        np.sqrt(np.maximum(2 - 2 * (matrix.unit @ matrix.unit[end]), 0)) for end in ends
    )
    usable = ~np.isin(matrix.ids, left_out)
    usable[[*ends, *excluded]] = False
    rows = np.flatnonzero(usable)
    detour = to_start[rows] + to_goal[rows]
    rows = rows[np.argsort(detour, kind="stable")[:CANDIDATES]]
    rows = remove_duplicates(store, matrix, rows, taken=[*ends, *excluded])
    progress = to_start[rows] - to_goal[rows]
    rows = rows[np.argsort(progress, kind="stable")]
    return np.concatenate([[ends[0]], rows, [ends[1]]]).astype(np.int64)

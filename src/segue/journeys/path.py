"""A journey from one track to another in small steps.

Every track lies nearer to the goal and farther from the start than the one before: among such
paths of the wanted length, the largest step is as small as can be; of those, the squared steps
sum to the least. Both are found exactly, by dynamic programming over the tracks in order of
their progress.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.answers.copies import without_copies
from segue.errors import BadArgument
from segue.formats.names import normalise
from segue.records import FloatArray, Track
from segue.store import Store
from segue.store.matrix import Matrix

#: Of larger libraries, as many tracks are looked at: those that lie least out of the way.
CANDIDATES: Final = 1200
#: The steps at both ends are forced: from the start to one of the nearest. So much farther than
#: the nearest is allowed, to leave a choice.
END_SLACK: Final = 1.1
_AGAIN: Final = 10.0  # added to a step between tracks of one artist: more than any distance


@dataclass(frozen=True, slots=True)
class Path:
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
        Successive tracks of one artist: only where there is no other way.
    """

    tracks: tuple[Track, ...]
    steps: tuple[float, ...]
    progress: tuple[float, ...]
    same_artist: int

    @property
    def largest_step(self) -> float:
        """The largest of the steps."""
        return max(self.steps, default=0.0)


def find_path(store: Store, space: str, start: Track, goal: Track, n: int) -> Path:
    """Find a journey of `n` tracks, or of as many as there are on the way.

    Parameters
    ----------
    store : Store
    space : str
    start, goal : Track
        Two different tracks of the space.
    n : int
        At least 2, both ends counted.

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
    rows = _candidates(store, matrix, ends)
    unit = np.asarray(matrix.unit[rows], np.float32)
    names = dict(store.names("artist"))
    artists = _codes([names.get(track, "") for track in matrix.ids[rows].tolist()])
    distance = _distances(unit, artists)
    chosen = smallest_steps(distance, min(n, len(rows)))
    # What is added for an artist twice in a row is no distance.
    pairs = list(pairwise(chosen))
    plain = [float(np.sqrt(max(2 - 2 * float(unit[a] @ unit[b]), 0))) for a, b in pairs]
    to_start, to_goal = (
        np.sqrt(np.maximum(2 - 2 * unit[chosen] @ unit[end], 0)) for end in (0, -1)
    )
    return Path(
        tuple(store.tracks(matrix.ids[rows[chosen]].tolist())),
        tuple(plain),
        tuple((to_start - to_goal).tolist()),
        sum(bool(distance[a, b] >= _AGAIN) for a, b in pairs),
    )


def smallest_steps(distance: FloatArray, n: int) -> list[int]:
    """Choose the path from the first row to the last, forward only, with the smallest steps.

    Parameters
    ----------
    distance : ndarray, shape (m, m)
        Between tracks in order of their progress.
    n : int
        Length of the path, 2 to m.

    Returns
    -------
    list of int
        Rising rows. The largest step but for the first and the last is the least there is,
        where these two are at most `END_SLACK` times what they must be.
    """
    m = len(distance)
    if n == 2:
        return [0, m - 1]
    if n >= m:
        return list(range(m))
    forward = np.where(np.triu(np.ones((m, m), bool), 1), distance, np.inf)
    # The middle rows; entered from the start, and left for the goal, by the nearest.
    inner = forward[1:-1, 1:-1]
    first, last = distance[0, 1:-1], distance[1:-1, -1]
    if n == 3:
        return [0, 1 + int(np.argmin(np.maximum(first, last))), m - 1]
    entry, exit_ = _ends(first, n - 3), _ends(last[::-1], n - 3)[::-1]
    largest = _least_largest(inner, entry, exit_, n - 3)
    if not np.isfinite(largest):  # the ends leave no room for so many between them
        entry, exit_ = np.zeros_like(entry), np.zeros_like(exit_)
        largest = _least_largest(inner, entry, exit_, n - 3)
    allowed = np.where(inner <= largest, inner, np.inf)
    squares = (
        np.where(np.isfinite(entry), first, np.inf) ** 2,
        np.where(np.isfinite(exit_), last, np.inf) ** 2,
    )
    middle = _least_sum(allowed**2, *squares, n - 3)
    return [0, *(1 + row for row in middle), m - 1]


def _ends(distance: FloatArray, behind: int) -> FloatArray:
    """Return 0 for the rows that the path may begin with, infinity for others.

    So many rows must come behind for the path to have its length.
    """
    reachable = distance[: len(distance) - behind]
    most = END_SLACK * reachable.min()
    found = np.full(len(distance), np.inf, np.float32)
    found[: len(reachable)][reachable <= most] = 0
    return found


def _least_largest(inner: FloatArray, entry: FloatArray, exit_: FloatArray, steps: int) -> float:
    reached = entry
    for _ in range(steps):
        reached = np.maximum(reached[:, None], inner).min(axis=0)
    return float(np.maximum(reached, exit_).min())


def _least_sum(squares: FloatArray, entry: FloatArray, exit_: FloatArray, steps: int) -> list[int]:
    reached, came = entry, []
    for _ in range(steps):
        total = reached[:, None] + squares
        came.append(total.argmin(axis=0))
        reached = total.min(axis=0)
    rows = [int(np.argmin(reached + exit_))]
    for before in reversed(came):
        rows.append(int(before[rows[-1]]))
    return rows[::-1]


def _row(matrix: Matrix, track: Track) -> int:
    row = int(np.searchsorted(matrix.ids, track.id))
    if row == len(matrix.ids) or matrix.ids[row] != track.id:
        raise BadArgument(
            f"track {track.id} has no vector in the space {matrix.space.name!r}; choose another "
            "space or track"
        )
    return row


def _candidates(store: Store, matrix: Matrix, ends: Sequence[int]) -> NDArray[np.int64]:
    """Choose the tracks that lie least out of the way, in order of their progress."""
    to_start, to_goal = (
        np.sqrt(np.maximum(2 - 2 * (matrix.unit @ matrix.unit[end]), 0)) for end in ends
    )
    usable = ~np.isin(matrix.ids, list(store.missing_tracks()))
    usable[list(ends)] = False
    rows = np.flatnonzero(usable)
    detour = to_start[rows] + to_goal[rows]
    rows = rows[np.argsort(detour, kind="stable")[:CANDIDATES]]
    rows = without_copies(store, matrix, rows, taken=list(ends))
    progress = to_start[rows] - to_goal[rows]
    rows = rows[np.argsort(progress, kind="stable")]
    return np.concatenate([[ends[0]], rows, [ends[1]]]).astype(np.int64)


def _distances(unit: FloatArray, artists: NDArray[np.int64]) -> FloatArray:
    found = np.sqrt(np.maximum(2 - 2 * unit @ unit.T, 0))
    again = (artists[:, None] == artists) & (artists >= 0)
    return np.asarray(found + _AGAIN * again, np.float32)


def _codes(names: Sequence[str]) -> NDArray[np.int64]:
    """Give each artist a number; -1 for a track without one."""
    keys = [normalise(name) for name in names]
    numbers = {key: number for number, key in enumerate(sorted(set(keys) - {""}))}
    return np.array([numbers.get(key, -1) for key in keys], np.int64)

"""What stands out in a library: one recording in several files, and tracks unlike all others."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations, groupby
from typing import Final

import numpy as np

from segue.answers.copies import LOOKED_AT, close_pairs
from segue.answers.counting import counted
from segue.answers.usual import COPIES_IN
from segue.errors import BadArgument
from segue.neighbours import Neighbours, neighbours, neighbours_among
from segue.records import Track
from segue.represent.fingerprint import SAME, match
from segue.represent.score.shingles import likely_same
from segue.store import Store

NEAREST: Final = 10


@dataclass(frozen=True, slots=True)
class Twin:
    """Two files of one recording, with the evidence.

    Attributes
    ----------
    first, second : Track
    likeness : float
        Of their fingerprints: 1 for equal bits, about 0 for unrelated recordings.
    lag_s : float
        How much later the common music comes in the first.
    overlap_s : float
        How much music was compared.
    same_content : bool
        The files are equal, byte for byte.
    """

    first: Track
    second: Track
    likeness: float
    lag_s: float
    overlap_s: float
    same_content: bool


@dataclass(frozen=True, slots=True)
class SameTune:
    """Two scores that are likely of one tune.

    Attributes
    ----------
    first, second : Track
    likeness : float
        Which share of their runs of notes both have, in whatever key and tempo.
    same_content : bool
        The files are equal, byte for byte.
    """

    first: Track
    second: Track
    likeness: float
    same_content: bool


@dataclass(frozen=True, slots=True)
class Outlier:
    """A track that is unlike all others.

    Attributes
    ----------
    track : Track
    apart : float
        How many times as far its ten nearest are, as theirs are from their own (after the
        local outlier factor of Breunig et al., 2000): 1 is usual.
    nearest : Track
    similarity : float
        Cosine to the nearest.
    """

    track: Track
    apart: float
    nearest: Track
    similarity: float


def find_same_tunes(store: Store) -> list[SameTune]:
    """Find the pairs of scores that are likely of one tune, the surest first."""
    tracks = [track for track in store.tracks() if track.kind == "score"]
    prints = store.fingerprints([track.id for track in tracks])
    found = []
    for first, second, likeness in likely_same([prints[track.id] for track in tracks]):
        one, other = tracks[first], tracks[second]
        equal = (one.content_hash, one.tune) == (other.content_hash, other.tune)
        found.append(SameTune(one, other, likeness, equal))
    return sorted(found, key=lambda pair: (-pair.likeness, pair.first.id, pair.second.id))


def find_twins(store: Store) -> list[Twin]:
    """Find the pairs of files that hold one recording.

    Returns
    -------
    list of Twin
        The surest first.
    """
    if store.kinds().get("sound", 0) < 2:
        return []
    near = neighbours(store, COPIES_IN["sound"], LOOKED_AT)
    pairs = set(close_pairs(near))
    rows = sorted({row for pair in pairs for row in pair})
    ids = near.ids[rows].tolist()
    tracks = dict(zip(rows, store.tracks(ids), strict=True))
    prints = store.fingerprints(ids)

    def compare(some: Iterable[tuple[int, int]]) -> dict[tuple[int, int], Twin]:
        twins = {}
        for first, second in some:
            one, other = tracks[first], tracks[second]
            evidence = match(prints[one.id], prints[other.id])
            equal = one.content_hash == other.content_hash
            if equal or evidence.similarity >= SAME:
                likeness = 1.0 if equal else evidence.similarity
                twins[first, second] = Twin(
                    one, other, likeness, evidence.lag_s, evidence.overlap_s, equal
                )
        return twins

    found = compare(sorted(pairs))
    # Two copies that sound unlike each other are still copies where both are of a third.
    found |= compare(_within_circles(found, len(near.ids)) - pairs)
    return sorted(found.values(), key=lambda twin: (-twin.likeness, twin.first.id, twin.second.id))


def _within_circles(pairs: Iterable[tuple[int, int]], n: int) -> set[tuple[int, int]]:
    """Return all pairs of rows that are joined by way of others."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    edges = np.array(list(pairs), np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(n, n))
    _, circle = connected_components(graph, directed=False)
    joined = sorted(np.unique(edges).tolist(), key=lambda row: (circle[row], row))
    return {
        pair
        for _, rows in groupby(joined, key=lambda row: circle[row])
        for pair in combinations(rows, 2)
    }


def find_outliers(
    store: Store, space: str, n: int = 10, *, all_sounds: bool = False
) -> list[Outlier]:
    """Find the tracks that are least like any other.

    Parameters
    ----------
    store : Store
    space : str
    n : int
        How many at most, at least 1.
    all_sounds : bool
        Also what is no music.

    Raises
    ------
    BadArgument
        There are fewer than three tracks.
    """
    if n < 1:
        raise BadArgument(f"{n} outliers; at least 1 must be wanted")
    near = _of_what_counts(store, space, all_sounds=all_sounds)
    reach = near.distances.mean(axis=1)
    usual = np.maximum(reach[near.rows].mean(axis=1), 1e-6)
    apart = reach / usual
    worst = np.argsort(-apart, kind="stable")[:n]
    tracks = store.tracks(near.ids[worst].tolist())
    nearest = store.tracks(near.ids[near.rows[worst, 0]].tolist())
    return [
        Outlier(track, float(apart[row]), other, float(1 - near.distances[row, 0] ** 2 / 2))
        for row, track, other in zip(worst.tolist(), tracks, nearest, strict=True)
    ]


def _of_what_counts(store: Store, space: str, *, all_sounds: bool) -> Neighbours:
    """Find the nearest others of each track, where no recording is there twice."""
    matrix = store.spaces.matrix(space)
    kept = counted(store, matrix.ids, all_sounds=all_sounds, at_least=3)
    count = int(kept.sum())
    if count < 3:
        raise BadArgument(f"too few tracks ({count}) to tell what is unusual; it takes 3")
    return neighbours_among(store, space, kept, NEAREST)

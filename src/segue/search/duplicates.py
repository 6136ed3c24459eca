"""Copies of one recording; which tracks count in figures of a library.

Which tracks are the same recording, or tune, in another file.

Which tracks count where a library is seen as a whole: one of each recording, and music.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import NothingToMeasure
from segue.records import Kind
from segue.search.neighbours import Neighbours, nearest_neighbours
from segue.search.query_set import DUPLICATE_SPACES
from segue.search.track_checks import DUPLICATE_TESTS, non_music_ids
from segue.store import Store
from segue.store.matrix import Matrix

# --- copies ---

#: Below this cosine two tracks are not looked at as copies of one recording.
DUPLICATE_COSINE: Final = 0.8
#: A recording in more files than this is still found, by way of one another.
CANDIDATE_NEIGHBOURS: Final = 24


def duplicate_map(store: Store) -> dict[int, int]:
    """List the tracks that are copies of another: the same recording, tune or text.

    Whatever counts or compares the tracks of a whole library leaves these out, so that what is
    there in several files counts once.

    Returns
    -------
    dict of int to int
        From the id of a copy to that of the track which stands for it: of all files of a
        recording the first that is not missing, which is no key.
    """
    pairs = store.equal_files()
    for kind, count in store.kinds().items():
        if count > 1:
            pairs += _heard_pairs(store, kind)
    joined: dict[int, set[int]] = {}
    for first, second in pairs:
        circle = joined.get(first, {first}) | joined.get(second, {second})
        joined |= dict.fromkeys(circle, circle)
    gone = store.missing_tracks()
    found: dict[int, int] = {}
    for circle in {id(circle): circle for circle in joined.values()}.values():
        stands_for_it = min(circle, key=lambda track: (track in gone, track))
        found |= {track: stands_for_it for track in circle if track != stands_for_it}
    return found


def drop_duplicates(copy_of: Mapping[int, int], tracks: NDArray[np.int64]) -> NDArray[np.int64]:
    """Keep of some tracks one of each recording, the first, in the same order.

    Parameters
    ----------
    copy_of : mapping of int to int
        From `copies`.
    tracks : ndarray of int64, shape (n,)
        Ids.
    """
    kept: dict[int, int] = {}
    for track in tracks.tolist():
        kept.setdefault(copy_of.get(track, track), track)
    return np.array(list(kept.values()), np.int64)


def candidate_pairs(near: Neighbours) -> list[tuple[int, int]]:
    """List the pairs of rows that lie close enough to be copies, the lower first."""
    close = 1 - near.distances**2 / 2 > DUPLICATE_COSINE
    pairs = {
        (min(row, other), max(row, other))
        for row, column in np.argwhere(close).tolist()
        for other in [int(near.rows[row, column])]
    }
    return sorted(pairs)


def _heard_pairs(store: Store, kind: Kind) -> list[tuple[int, int]]:
    """List pairs of one kind whose fingerprints agree; they are kept until their space changes."""
    space = DUPLICATE_SPACES[kind]
    kept = store.spaces.derived(space, "copies")
    if kept is None:
        kept = {"pairs": _compared(store, space, kind)}
        store.spaces.keep_derived(space, "copies", kept)
    return [(first, second) for first, second in kept["pairs"].tolist()]


def _compared(store: Store, space: str, kind: Kind) -> NDArray[np.int64]:
    """Return the ids of pairs of copies, shape (pairs, 2)."""
    if len(store.spaces.matrix(space).ids) < 2:
        return np.empty((0, 2), np.int64)
    near = nearest_neighbours(store, space, CANDIDATE_NEIGHBOURS)
    pairs = near.ids[np.array(candidate_pairs(near), np.int64).reshape(-1, 2)]
    same, of_kind = DUPLICATE_TESTS[kind], np.array(store.where("kind = ?", (kind,)), np.int64)
    pairs = pairs[np.isin(pairs, of_kind).all(axis=1)]
    prints = store.fingerprints(np.unique(pairs).tolist())
    found = [pair for pair in pairs.tolist() if same(prints[pair[0]], prints[pair[1]])]
    return np.array(found, np.int64).reshape(-1, 2)


def remove_duplicates(
    store: Store, matrix: Matrix, rows: NDArray[np.int64], taken: Sequence[int] = ()
) -> NDArray[np.int64]:
    """Leave out copies of what is taken, and of what comes before.

    Parameters
    ----------
    store : Store
    matrix : Matrix
    rows : ndarray, shape (n,), int64
        The better ones first.
    taken : sequence of int
        Rows whose copies are not wanted.

    Returns
    -------
    ndarray of int64
        The rows that are left, in the same order.
    """
    all_rows = np.concatenate([np.asarray(taken, np.int64), rows])
    unit = np.asarray(matrix.unit[all_rows], np.float32)
    near = np.argwhere(np.triu(unit @ unit.T > DUPLICATE_COSINE, 1))
    if not len(near):
        return rows
    same = DUPLICATE_TESTS[matrix.space.kind]
    prints = store.fingerprints(matrix.ids[all_rows[np.unique(near)]].tolist())
    gone: set[int] = set()
    for first, second in near.tolist():
        if first in gone or second in gone:
            continue
        one, other = (prints[int(matrix.ids[all_rows[i]])] for i in (first, second))
        if same(one, other):
            gone.add(second)
    kept = [i for i in range(len(taken), len(all_rows)) if i not in gone]
    return all_rows[kept]


# --- counting ---


def representative_mask(
    store: Store, ids: NDArray[np.int64], *, all_sounds: bool = False, at_least: int = 1
) -> NDArray[np.bool_]:
    """Tell which tracks count.

    Parameters
    ----------
    store : Store
    ids : ndarray, shape (n,), int64
    all_sounds : bool
        What is no music counts, too.
    at_least : int
        So many it takes, for what they are counted for.

    Returns
    -------
    ndarray of bool, shape (n,)

    Raises
    ------
    NothingToMeasure
        There would be enough, were all of them music.
    """
    kept = np.asarray(~np.isin(ids, [*duplicate_map(store)]))
    if all_sounds:
        return kept
    music = kept & ~np.isin(ids, non_music_ids(store))
    if music.sum() < min(at_least, kept.sum()) and music.sum() < kept.sum():
        raise NothingToMeasure(
            f"{kept.sum() - music.sum()} of {kept.sum()} tracks are speech, noise or under 10 s "
            "long, and left out; --all takes them, too"
        )
    return np.asarray(music)

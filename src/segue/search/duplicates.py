"""Duplicates: tracks that are the same recording, tune or text in another file.

Candidates are pairs of tracks whose embeddings are close; their fingerprints decide. Statistics and
overviews of a library count one track of each set of duplicates, and only music.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.audio.fingerprint import same_recording
from segue.errors import NothingToMeasure
from segue.lyrics.matching import N_HASHES, SAME_TEXT_THRESHOLD, text_minhash_similarity
from segue.media import MEDIA
from segue.records import Medium
from segue.score.fingerprint import minhash_similarity
from segue.search.filters import non_music_ids
from segue.search.neighbours import Neighbours, nearest_neighbours
from segue.store import Store
from segue.store.matrix import Matrix

#: Minimum cosine similarity of tracks whose fingerprints are compared.
DUPLICATE_COSINE: Final = 0.8
#: Number of neighbours of each track that are candidates; larger sets of duplicates are still
#: found, as duplicates of duplicates.
CANDIDATE_NEIGHBOURS: Final = 24
#: Minimum similarity of two scores of the same music; other arrangements of a tune are below.
SAME_SCORE_SIMILARITY: Final = 0.8


def _same_score(a: NDArray[np.uint32], b: NDArray[np.uint32]) -> bool:
    return minhash_similarity(a, b) >= SAME_SCORE_SIMILARITY


def _same_text(a: NDArray[np.uint32], b: NDArray[np.uint32]) -> bool:
    # A space of lyrics also holds recordings and scores, with other fingerprints.
    return (
        a.shape == b.shape == (N_HASHES,) and text_minhash_similarity(a, b) >= SAME_TEXT_THRESHOLD
    )


#: Tests of whether two fingerprints of a medium are of duplicates.
DUPLICATE_TESTS: Final[dict[Medium, Callable[[NDArray[np.uint32], NDArray[np.uint32]], bool]]] = {
    "sound": same_recording,
    "score": _same_score,
    "lyrics": _same_text,
}


def duplicate_map(store: Store) -> dict[int, int]:
    """Return the tracks that are duplicates of another.

    Returns
    -------
    dict of int to int
        From the id of a duplicate to that of its representative: the first track of the set whose
        file is not missing. Representatives are no keys.
    """
    pairs = store.equal_files()
    for kind, count in store.kinds().items():
        if count > 1:
            pairs += _pairs_by_fingerprint(store, kind)
    sets: dict[int, set[int]] = {}
    for first, second in pairs:
        merged = sets.get(first, {first}) | sets.get(second, {second})
        sets |= dict.fromkeys(merged, merged)
    missing = store.missing_tracks()
    duplicates: dict[int, int] = {}
    for tracks in {id(tracks): tracks for tracks in sets.values()}.values():
        representative = min(tracks, key=lambda track: (track in missing, track))
        duplicates |= {track: representative for track in tracks if track != representative}
    return duplicates


def drop_duplicates(
    representatives: Mapping[int, int], tracks: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Keep the first track of each recording, in the same order.

    Parameters
    ----------
    representatives : mapping of int to int
        Result of `duplicate_map`.
    tracks : ndarray of int64, shape (n,)
        Track ids.
    """
    first_tracks: dict[int, int] = {}
    for track in tracks.tolist():
        first_tracks.setdefault(representatives.get(track, track), track)
    return np.array(list(first_tracks.values()), np.int64)


def candidate_pairs(near: Neighbours) -> list[tuple[int, int]]:
    """Return the pairs of rows that are similar enough to be duplicates, the lower row first."""
    close = 1 - near.distances**2 / 2 > DUPLICATE_COSINE
    pairs = {
        (min(row, other), max(row, other))
        for row, column in np.argwhere(close).tolist()
        for other in [int(near.rows[row, column])]
    }
    return sorted(pairs)


def _pairs_by_fingerprint(store: Store, kind: Medium) -> list[tuple[int, int]]:
    """Return pairs of duplicates of a kind; they are stored until their space changes."""
    space = MEDIA[kind].duplicate_space
    stored = store.spaces.derived(space, "copies")
    if stored is None:
        stored = {"pairs": _compare_fingerprints(store, space, kind)}
        store.spaces.save_derived(space, "copies", stored)
    return [(first, second) for first, second in stored["pairs"].tolist()]


def _compare_fingerprints(store: Store, space: str, kind: Medium) -> NDArray[np.int64]:
    """Return the ids of pairs of duplicates, shape (pairs, 2)."""
    if len(store.spaces.matrix(space).ids) < 2:
        return np.empty((0, 2), np.int64)
    near = nearest_neighbours(store, space, CANDIDATE_NEIGHBOURS)
    pairs = near.ids[np.array(candidate_pairs(near), np.int64).reshape(-1, 2)]
    ids = np.array(store.where("kind = ?", (kind,)), np.int64)
    pairs = pairs[np.isin(pairs, ids).all(axis=1)]
    is_same, prints = DUPLICATE_TESTS[kind], store.fingerprints(np.unique(pairs).tolist())
    duplicates = [pair for pair in pairs.tolist() if is_same(prints[pair[0]], prints[pair[1]])]
    return np.array(duplicates, np.int64).reshape(-1, 2)


def remove_duplicates(
    store: Store, matrix: Matrix, rows: NDArray[np.int64], taken: Sequence[int] = ()
) -> NDArray[np.int64]:
    """Remove rows that are duplicates of taken rows, or of earlier ones.

    Parameters
    ----------
    store : Store
        Database of the library.
    matrix : Matrix
        Embeddings.
    rows : ndarray, shape (n,), int64
        Rows of the matrix by preference.
    taken : sequence of int
        Rows whose duplicates are removed.

    Returns
    -------
    ndarray of int64
        The remaining rows, in the same order.
    """
    all_rows = np.concatenate([np.asarray(taken, np.int64), rows])
    unit = np.asarray(matrix.unit[all_rows], np.float32)
    close = np.argwhere(np.triu(unit @ unit.T > DUPLICATE_COSINE, 1))
    if not len(close):
        return rows
    is_same = DUPLICATE_TESTS[matrix.space.kind]
    prints = store.fingerprints(matrix.ids[all_rows[np.unique(close)]].tolist())
    removed: set[int] = set()
    for first, second in close.tolist():
        if first in removed or second in removed:
            continue
        a, b = (prints[int(matrix.ids[all_rows[i]])] for i in (first, second))
        if is_same(a, b):
            removed.add(second)
    remaining = [i for i in range(len(taken), len(all_rows)) if i not in removed]
    return all_rows[remaining]


def representative_mask(
    store: Store, ids: NDArray[np.int64], *, all_sounds: bool = False, at_least: int = 1
) -> NDArray[np.bool_]:
    """Return which tracks count in an overview of a library: music, one of each recording.

    Parameters
    ----------
    store : Store
        Database of the library.
    ids : ndarray, shape (n,), int64
        Track ids.
    all_sounds : bool
        Include recordings that are not music.
    at_least : int
        Number of tracks that are needed.

    Returns
    -------
    ndarray of bool, shape (n,)
        Mask of `ids`.

    Raises
    ------
    NothingToMeasure
        There are too few tracks because some are not music.
    """
    unique = np.asarray(~np.isin(ids, [*duplicate_map(store)]))
    if all_sounds:
        return unique
    music = unique & ~np.isin(ids, non_music_ids(store))
    if music.sum() < min(at_least, unique.sum()) and music.sum() < unique.sum():
        raise NothingToMeasure(
            f"{unique.sum() - music.sum()} of {unique.sum()} tracks are speech, noise or under "
            "10 s long, and left out; --all takes them, too"
        )
    return np.asarray(music)

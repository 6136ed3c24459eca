"""Which tracks are the same recording, or tune, in another file."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.records import Kind
from segue.represent.fingerprint import same_recording
from segue.represent.lyrics.sameness import HASHES, SAME_TEXT, text_likeness
from segue.represent.score.shingles import shingle_likeness
from segue.store import Store
from segue.store.matrix import Matrix

#: So much alike are two scores that hold the same music, and not the same tune set otherwise.
SAME_SCORE: Final = 0.8


def _same_score(a: NDArray[np.uint32], b: NDArray[np.uint32]) -> bool:
    return shingle_likeness(a, b) >= SAME_SCORE


def _same_text(a: NDArray[np.uint32], b: NDArray[np.uint32]) -> bool:
    # In a space of words there are recordings and scores, too, with fingerprints of their own.
    return a.shape == b.shape == (HASHES,) and text_likeness(a, b) >= SAME_TEXT


#: Tells by their fingerprints whether two tracks of a kind hold the same.
SAME_MUSIC: Final[dict[Kind, Callable[[NDArray[np.uint32], NDArray[np.uint32]], bool]]] = {
    "sound": same_recording,
    "score": _same_score,
    "lyrics": _same_text,
}
#: Below this cosine two tracks are not looked at as copies of one recording.
COPY_COSINE: Final = 0.8


def without_copies(
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
    near = np.argwhere(np.triu(unit @ unit.T > COPY_COSINE, 1))
    if not len(near):
        return rows
    same = SAME_MUSIC[matrix.space.kind]
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

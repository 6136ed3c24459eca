"""Which tracks count where a library is seen as a whole: one of each recording, and music."""

import numpy as np
from numpy.typing import NDArray

from segue.answers.copies import copies
from segue.sound_kinds import not_music
from segue.store import Store


def counted(store: Store, ids: NDArray[np.int64], *, all_sounds: bool = False) -> NDArray[np.bool_]:
    """Tell which tracks count.

    Parameters
    ----------
    store : Store
    ids : ndarray, shape (n,), int64
    all_sounds : bool
        What is no music counts, too.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    left_out = [*copies(store), *(() if all_sounds else not_music(store))]
    return np.asarray(~np.isin(ids, left_out))

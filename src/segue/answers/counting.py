"""Which tracks count where a library is seen as a whole: one of each recording, and music."""

import numpy as np
from numpy.typing import NDArray

from segue.answers.copies import copies
from segue.errors import NothingToMeasure
from segue.sound_kinds import not_music
from segue.store import Store


def counted(
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
    kept = np.asarray(~np.isin(ids, [*copies(store)]))
    if all_sounds:
        return kept
    music = kept & ~np.isin(ids, not_music(store))
    if music.sum() < min(at_least, kept.sum()) and music.sum() < kept.sum():
        raise NothingToMeasure(
            f"{kept.sum() - music.sum()} of {kept.sum()} tracks are speech, noise or under 10 s "
            "long, and left out; --all takes them, too"
        )
    return np.asarray(music)

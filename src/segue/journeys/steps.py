"""Steps between tracks: how large they are, and where an artist would follow on itself."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from segue.formats.names import normalise
from segue.records import FloatArray, Track


def distances(unit: FloatArray) -> FloatArray:
    """Return the Euclidean distances between vectors of length 1, shape (n, n): 0 to 2."""
    return np.asarray(np.sqrt(np.maximum(2 - 2 * (unit @ unit.T), 0)), np.float32)


def same_artist(tracks: Sequence[Track]) -> NDArray[np.bool_]:
    """Tell of each pair of tracks whether one artist made both, shape (n, n).

    Nothing is known of a track without an artist.
    """
    names, numbers = np.unique([normalise(t.tags.artist) for t in tracks], return_inverse=True)
    known = names[numbers] != ""
    return np.asarray((numbers[:, None] == numbers) & known, np.bool_)

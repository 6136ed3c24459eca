"""Steps between tracks: how large they are, and where an artist would follow on itself."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from segue.formats.names import name_keys
from segue.records import FloatArray, Track


def distances(unit: FloatArray) -> FloatArray:
    """Return the Euclidean distances between vectors of length 1, shape (n, n): 0 to 2."""
    return np.asarray(np.sqrt(np.maximum(2 - 2 * (unit @ unit.T), 0)), np.float32)


def same_artist(tracks: Sequence[Track]) -> NDArray[np.bool_]:
    """Tell of each pair of tracks whether one artist made both, shape (n, n).

    Nothing is known of a track without an artist.
    """
    artists = [name_keys(track.tags.artist) for track in tracks]
    numbers = {name: number for number, name in enumerate(sorted(frozenset().union(*artists)))}
    by = np.zeros((len(tracks), len(numbers)), np.float32)
    for row, names in enumerate(artists):
        by[row, [numbers[name] for name in names]] = 1
    return np.asarray(by @ by.T > 0, np.bool_)

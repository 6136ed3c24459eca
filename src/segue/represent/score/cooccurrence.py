"""Which words stand beside which, as vectors: what can be known of them without a network.

Positive pointwise mutual information (Church & Hanks, "Word association norms, mutual information,
and lexicography", Computational Linguistics 16, 1990; Bullinaria & Levy, Behavior Research Methods
39, 2007), and of it the leading singular vectors, each times the root of its singular value (Levy,
Goldberg & Dagan, TACL 3, 2015).
"""

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.records import FloatArray

#: So far apart words may stand, before and after.
REACH: Final = 4
DIMENSION: Final = 64


def counted(
    sequences: Iterable[NDArray[np.int64]], size: int, *, reach: int = REACH
) -> NDArray[np.float64]:
    """Count which words stand how often within `reach` of which.

    Parameters
    ----------
    sequences : iterable of ndarray, each of shape (n,), int64
        Words by number, of one piece each.
    size : int
        Of the vocabulary.
    reach : int

    Returns
    -------
    ndarray, shape (size, size), float64
        Symmetric.
    """
    counts = np.zeros((size, size))
    for words in sequences:
        for apart in range(1, min(reach, len(words) - 1) + 1):
            np.add.at(counts, (words[:-apart], words[apart:]), 1)
    return np.asarray(counts + counts.T)


def cooccurrence_vectors(counts: NDArray[np.float64], dimension: int = DIMENSION) -> FloatArray:
    """Turn counts into vectors.

    Parameters
    ----------
    counts : ndarray, shape (size, size)
        Of `counted`.
    dimension : int

    Returns
    -------
    ndarray, shape (size, min(dimension, size)), float32
        0 for words that stand beside none.
    """
    total = max(float(counts.sum()), 1.0)
    share = counts.sum(axis=1) / total
    expected = np.outer(share, share) * total
    ratio = np.divide(counts, expected, out=np.ones_like(counts), where=expected > 0)
    information = np.log(np.maximum(ratio, 1.0))  # of 0 and of what is rarer than chance: 0
    left, values, _ = np.linalg.svd(information)
    return np.asarray(left[:, :dimension] * np.sqrt(values[:dimension]), np.float32)

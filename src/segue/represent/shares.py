"""How much each group of features has to do with the likeness of two vectors."""

from collections.abc import Mapping

import numpy as np

from segue.records import FloatArray


def group_shares(a: FloatArray, b: FloatArray, groups: Mapping[str, slice]) -> dict[str, float]:
    """Divide the similarity of two vectors among groups of their numbers.

    Parameters
    ----------
    a, b : ndarray, shape (n,), float32
        Standardised.
    groups : mapping of str to slice
        They cover all numbers.

    Returns
    -------
    dict of str to float
        By group; their sum is the cosine of the angle between `a` and `b`. A share below 0
        speaks against likeness. All are 0 where one of the vectors is.
    """
    a, b = a.astype(np.float64), b.astype(np.float64)
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b)) or 1.0
    return {group: float(a[at] @ b[at]) / lengths for group, at in groups.items()}

"""The page of how alike a network holds words to be."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segue.pages.frame import write_page
from segue.records import FloatArray


def write_words(
    cosines: FloatArray,
    labels: Sequence[str],
    counts: Sequence[int],
    order: NDArray[np.int64],
    plane: NDArray[np.float64] | None,
    names: Sequence[str],
    target: Path,
    title: str,
    caption: str,
) -> None:
    """Write the similarity matrix, and the pitch classes on a plane, as a page.

    Parameters
    ----------
    cosines : ndarray, shape (n, n)
    labels : sequence of str
        One for each row, the most frequent first.
    counts : sequence of int
        How often each was met.
    order : ndarray, shape (n,), int64
        Their places when they are ordered by pitch or by length.
    plane : ndarray, shape (12, 2), or None
        Of the pitch classes from C; NaN where one has no place.
    names : sequence of str
        Of the pitch classes.
    target : Path
        Ends in .html.
    title, caption : str
        The caption is the plane's.
    """
    data = {
        "title": title,
        "caption": caption,
        "labels": list(labels),
        "counts": list(counts),
        "order": order.tolist(),
        "cosines": np.round(cosines.astype(np.float64), 3).tolist(),
        "plane": [] if plane is None else np.round(plane, 4).tolist(),
        "names": list(names),
    }
    write_page("words.html", data, target)

"""The page of a tree: to scroll through, to search, to listen to."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segue.pages.frame import link, write_page
from segue.records import Track


def write_tree(
    lines: NDArray[np.float64],
    labels: Sequence[str],
    tracks: Sequence[Track | None],
    target: Path,
    title: str,
    caption: str,
) -> None:
    """Write the page of a tree.

    Parameters
    ----------
    lines : ndarray, shape (joins, 4, 2)
        Height and row of the four corners of each join's bracket.
    labels : sequence of str
        Of the leaves, from the top.
    tracks : sequence of Track or None
        Of the leaves, where these are tracks.
    target : Path
        Ends in .html.
    title, caption : str
    """
    top = float(lines[:, :, 0].max()) or 1.0
    scaled = lines.copy()
    scaled[:, :, 0] = np.round(scaled[:, :, 0] / top, 4)
    data = {
        "title": title,
        "caption": caption,
        "lines": np.round(scaled, 4).reshape(len(lines), -1).tolist(),
        "labels": list(labels),
        "links": [link(track, target) if track else "" for track in tracks],
        "top": round(top, 4),
    }
    write_page("tree.html", data, target)

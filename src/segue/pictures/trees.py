"""Dendrograms."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.pictures.frame import figure_of, save, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_LEAVES: Final = 5000
_ROWS: Final = 250  # of a column, at most
_ROW_INCHES: Final = 0.135
_COLUMN_INCHES: Final = 6.4
_LABEL_SHARE: Final = 0.42


@dataclass(frozen=True, slots=True)
class Branches:
    """A tree laid out: leaves one above the other, joins to their right.

    Attributes
    ----------
    rows : ndarray, shape (nodes,)
        Where each node lies; leaves at 0, 1, 2 … in their order.
    heights : ndarray, shape (nodes,)
        0 for leaves.
    joins : ndarray, shape (n - 1, 2), int64
    """

    rows: NDArray[np.float64]
    heights: NDArray[np.float64]
    joins: NDArray[np.int64]

    @property
    def lines(self) -> NDArray[np.float64]:
        """The bracket of each join, shape (n - 1, 4, 2): height and row of its four corners."""
        leaves = len(self.joins) + 1
        left, right = self.joins[:, 0], self.joins[:, 1]
        height = self.heights[leaves:]
        return np.stack(
            [
                np.stack([self.heights[left], self.rows[left]], axis=1),
                np.stack([height, self.rows[left]], axis=1),
                np.stack([height, self.rows[right]], axis=1),
                np.stack([self.heights[right], self.rows[right]], axis=1),
            ],
            axis=1,
        )


def lay_branches(
    joins: NDArray[np.int64], heights: NDArray[np.float64], order: NDArray[np.int64]
) -> Branches:
    """Give every node of a tree its row."""
    leaves = len(order)
    rows = np.zeros(2 * leaves - 1)
    rows[order] = np.arange(leaves)
    for number, (left, right) in enumerate(joins.tolist()):
        rows[leaves + number] = (rows[left] + rows[right]) / 2
    return Branches(rows, np.concatenate([np.zeros(leaves), heights]), joins)


def draw_tree(
    branches: Branches,
    labels: Sequence[str],
    order: NDArray[np.int64],
    target: Path,
    title: str,
    caption: str,
) -> None:
    """Draw a dendrogram; one of many leaves is cut into columns that are read one by one.

    Parameters
    ----------
    branches : Branches
    labels : sequence of str
        Of the leaves.
    order : ndarray of int64
        Of the leaves, from the top.
    target : Path
        Ends in .png, .svg or .pdf.
    title, caption : str

    Raises
    ------
    BadArgument
        There are more leaves than can be read, or the file cannot be written.
    """
    n = len(labels)
    if n > MOST_LEAVES:
        raise BadArgument(
            f"{n} leaves are more than a picture can show; write a page (-o tree.html), or take "
            "--level artist or album"
        )
    columns = -(-n // _ROWS)
    rows = -(-n // columns)
    figure = figure_of(
        columns * _COLUMN_INCHES + (2.0 if columns == 1 else 0), max(rows * _ROW_INCHES, 1.6) + 1.1
    )
    top = float(branches.heights.max()) or 1.0
    for column in range(columns):
        axes = figure.add_subplot(1, columns, column + 1)
        first = column * rows
        _draw_column(axes, branches, top, first, min(first + rows, n))
        for row in range(first, min(first + rows, n)):
            axes.text(
                -0.015 * top, row, short(labels[order[row]], 46), fontsize=7, ha="right",
                va="center", color="#222222",
            )  # fmt: skip
    figure.suptitle(short(title, 90), x=0.01, ha="left", fontsize=11)
    figure.supxlabel(caption, fontsize=7.5, x=0.01, ha="left", color="#444444")
    save(figure, target)


def _draw_column(axes: "Axes", branches: Branches, top: float, first: int, last: int) -> None:
    from matplotlib.collections import LineCollection

    lines = branches.lines
    inside = (lines[:, :, 1].max(axis=1) >= first - 1) & (lines[:, :, 1].min(axis=1) <= last)
    axes.add_collection(
        LineCollection(list(lines[inside]), colors="#0072b2", linewidths=0.9, capstyle="projecting")
    )
    axes.set_xlim(-top * _LABEL_SHARE / (1 - _LABEL_SHARE), top * 1.02)
    axes.set_ylim(last - 0.4, first - 0.6)
    axes.set_yticks([])
    axes.set_xticks([tick for tick in axes.get_xticks() if 0 <= tick <= top])
    axes.tick_params(labelsize=7)
    axes.set_xlabel("distance", fontsize=7.5, loc="right")
    for side in ("top", "left", "right"):
        axes.spines[side].set_visible(False)

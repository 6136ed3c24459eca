"""Figures of maps and dendrograms, for papers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.records import FloatArray
from segue.render.plots import (
    DPI,
    fonts,
    ignore_missing_glyphs,
    new_figure,
    save,
    shorten,
    use_plain_text,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


MAX_LEAVES: Final = 5000
_ROWS: Final = 250  # of a column, at most
_ROW_INCHES: Final = 0.135
_COLUMN_INCHES: Final = 6.4
_LABEL_SHARE: Final = 0.42


@dataclass(frozen=True, slots=True)
class DendrogramLayout:
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
    merges: NDArray[np.int64]

    @property
    def lines(self) -> NDArray[np.float64]:
        """The bracket of each join, shape (n - 1, 4, 2): height and row of its four corners."""
        leaves = len(self.merges) + 1
        left, right = self.merges[:, 0], self.merges[:, 1]
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


def layout_dendrogram(
    merges: NDArray[np.int64], heights: NDArray[np.float64], order: NDArray[np.int64]
) -> DendrogramLayout:
    """Give every node of a tree its row."""
    leaves = len(order)
    rows = np.zeros(2 * leaves - 1)
    rows[order] = np.arange(leaves)
    for number, (left, right) in enumerate(merges.tolist()):
        rows[leaves + number] = (rows[left] + rows[right]) / 2
    return DendrogramLayout(rows, np.concatenate([np.zeros(leaves), heights]), merges)


def draw_dendrogram(
    branches: DendrogramLayout,
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
    if n > MAX_LEAVES:
        raise BadArgument(
            f"{n} leaves are more than a picture can show; write a page (-o tree.html), or take "
            "--level artist or album"
        )
    columns = -(-n // _ROWS)
    rows = -(-n // columns)
    figure = new_figure(
        columns * _COLUMN_INCHES + (2.0 if columns == 1 else 0), max(rows * _ROW_INCHES, 1.6) + 1.1
    )
    top = float(branches.heights.max()) or 1.0
    for column in range(columns):
        axes = figure.add_subplot(1, columns, column + 1)
        first = column * rows
        _draw_column(axes, branches, top, first, min(first + rows, n))
        for row in range(first, min(first + rows, n)):
            axes.text(
                -0.015 * top, row, shorten(labels[order[row]], 46), fontsize=7, ha="right",
                va="center", color="#222222",
            )  # fmt: skip
    figure.suptitle(shorten(title, 90), x=0.01, ha="left", fontsize=11)
    figure.supxlabel(caption, fontsize=7.5, x=0.01, ha="left", color="#444444")
    save(figure, target)


def _draw_column(
    axes: "Axes", branches: DendrogramLayout, top: float, first: int, last: int
) -> None:
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


#: Distinct on white and on black: each is at least 18 from all before it in CIELAB, the first
#: twelve at least 25. The first eight are for colour-blind readers too (Okabe & Ito 2008).
PALETTE: Final = (
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#b8a800", "#9467bd",
    "#a9746a", "#2eb82e", "#d81b60", "#7f9f3f", "#f4a37a", "#5f5fd3", "#17becf", "#c49c6b",
    "#8d3b1f", "#5b7c99", "#e377f0", "#6b6b2a",
)  # fmt: skip
#: What is left when there are more names than colours; the last of the names.
OTHER: Final = "other"
GREY: Final = "#b4b4b4"
SCALE: Final = "viridis"
_LABEL_POINTS: Final = 6.5
_GAP_POINTS: Final = 1.5  # between a dot and its label
MAX_LABELS: Final = 120


@dataclass(frozen=True, slots=True)
class MapFigure:
    """What is drawn: where, in which colour, called what.

    Attributes
    ----------
    points : ndarray, shape (n, 2)
    labels : sequence of str, length n
    legend : tuple of str
        Names of the colours; empty where colours stand for numbers.
    of : ndarray, shape (n,), int64
        Which name each has, -1 for none; empty where colours stand for numbers.
    values : ndarray, shape (n,), float32
        The numbers, NaN where unknown; empty where colours stand for names.
    colour_title : str
    """

    points: FloatArray
    labels: Sequence[str]
    legend: tuple[str, ...]
    name_index: NDArray[np.int64]
    values: FloatArray
    colour_title: str


def category_colour(number: int, names: Sequence[str]) -> str:
    """Return the colour of the name of that number; grey for none and for what is left."""
    if not 0 <= number < len(names) or names[number] == OTHER:
        return GREY
    return PALETTE[number % len(PALETTE)]


def draw_map(data: MapFigure, target: Path, title: str, caption: str) -> None:
    """Draw a map with a legend, and labels where there is room for them.

    Parameters
    ----------
    data : Dots
    target : Path
        Ends in .png, .svg or .pdf.
    title : str
    caption : str
        What the map was made with, and how far to trust it.

    Raises
    ------
    BadArgument
        The file cannot be written.
    """
    figure = new_figure(9.6, 7.6)
    axes = figure.add_subplot()
    x, y = data.points[:, 0], data.points[:, 1]
    size = float(np.clip(4000 / max(len(x), 1), 1.5, 34))
    # Vector files of many points are slow to open: data become a picture within.
    looks: dict[str, Any] = {"s": size, "linewidths": 0, "alpha": 0.9, "rasterized": len(x) > 2000}
    if data.legend:
        handles, names = [], []
        for number in (-1, *range(len(data.legend))):
            here = data.name_index == number
            if here.any():
                if number < 0:  # hollow: "other" is grey
                    hollow = looks | {"linewidths": 0.6}
                    dot = axes.scatter(x[here], y[here], c="none", edgecolors=GREY, **hollow)
                else:
                    colour = category_colour(number, data.legend)
                    dot = axes.scatter(x[here], y[here], c=colour, **looks)
                handles.append(dot)
                name = shorten(data.legend[number], 30) if number >= 0 else "none"
                names.append(f"{name} ({here.sum()})")
        # Given by hand: of labels, matplotlib passes over those that begin with "_".
        figure.legend(
            handles, names, loc="outside right upper", title=data.colour_title, frameon=False,
            fontsize=7.5, title_fontsize=8.5, markerscale=float(np.clip(5 / np.sqrt(size), 1, 4)),
            alignment="left",
        )  # fmt: skip
    else:
        axes.scatter(x, y, c=GREY, **looks)
        known = np.isfinite(data.values)
        shown = axes.scatter(x[known], y[known], c=data.values[known], cmap=SCALE, **looks)
        if known.any():
            figure.colorbar(shown, ax=axes, shrink=0.6, label=data.colour_title)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.06)
    for side in ("top", "right", "bottom", "left"):
        axes.spines[side].set_color("#cccccc")
    axes.set_title(shorten(title, 90), fontsize=11, loc="left")
    figure.supxlabel(caption, fontsize=7.5, x=0.01, ha="left", color="#444444")
    _label(figure, axes, data, size)
    save(figure, target)


def _label(figure: "Figure", axes: "Axes", data: MapFigure, size: float) -> None:
    """Write labels beside points, where they cover nothing."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.font_manager import FontProperties

    figure.set_dpi(DPI)
    use_plain_text(figure)
    with ignore_missing_glyphs():
        figure.draw_without_rendering()  # fixes where the axes lie
    figure.set_layout_engine("none")
    frame = axes.get_window_extent()
    places = np.asarray(axes.transData.transform(data.points))
    renderer: Any = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    font = FontProperties(family=fonts(), size=_LABEL_POINTS)
    some = _loneliest_first(places)
    texts = [shorten(data.labels[row], 26) for row in some]
    with ignore_missing_glyphs():
        sizes = [renderer.get_text_width_height_descent(text, font, False)[:2] for text in texts]
    spots = place_labels(
        places, some, sizes, np.sqrt(size) / 2 / 72 * DPI, (frame.x0, frame.y0, frame.x1, frame.y1)
    )
    for text, spot in zip(texts, spots, strict=True):
        if spot is not None:
            x, y = axes.transData.inverted().transform(spot)
            axes.text(
                x, y, text, fontsize=_LABEL_POINTS, color="#222222", va="bottom", parse_math=False
            )


def place_labels(
    places: NDArray[np.float64],
    rows: Sequence[int],
    sizes: Sequence[tuple[float, float]],
    radius: float,
    frame: tuple[float, float, float, float],
) -> list[tuple[float, float] | None]:
    """Find where labels cover neither dots nor one another, beside, above or below their dot.

    Parameters
    ----------
    places : ndarray, shape (n, 2)
        Centres of the data, in pixels.
    rows : sequence of int
        Which data have a label, the most wanted first.
    sizes : sequence of tuple of two float
        Width and height of each label.
    radius : float
        Of every dot.
    frame : tuple of four float
        Left, bottom, right and top of where labels may be.

    Returns
    -------
    list of tuple of two float, or None
        Lower left corner of each label; None where there is no room. At most `MOST_LABELS`.
    """
    boxes = np.hstack([places - radius, places + radius])
    gap = radius + _GAP_POINTS / 72 * DPI
    spots: list[tuple[float, float] | None] = []
    for row, (width, height) in zip(rows, sizes, strict=True):
        x, y = places[row].tolist()
        free = None
        if sum(spot is not None for spot in spots) < MAX_LABELS:
            others = np.delete(boxes, row, axis=0)
            for left, bottom in (
                (x + gap, y - height / 2),
                (x - gap - width, y - height / 2),
                (x - width / 2, y + gap),
                (x - width / 2, y - gap - height),
            ):
                box = (left, bottom, left + width, bottom + height)
                inside = (
                    frame[0] <= box[0] and box[2] <= frame[2]
                    and frame[1] <= box[1] and box[3] <= frame[3]
                )  # fmt: skip
                if inside and not _overlaps(box, others):
                    free = (left, bottom)
                    boxes = np.vstack([boxes, box])
                    break
        spots.append(free)
    return spots


def _loneliest_first(places: FloatArray) -> list[int]:
    """Order points by how far the next one is; of many, a sample."""
    from scipy.spatial import KDTree

    if len(places) < 2:
        return list(range(len(places)))
    distance = np.asarray(KDTree(places).query(places, k=2)[0])[:, 1]
    return [int(row) for row in np.argsort(-distance, kind="stable")[: 4 * MAX_LABELS]]


def _overlaps(box: tuple[float, float, float, float], others: NDArray[np.float64]) -> bool:
    return bool(
        (
            (others[:, 0] < box[2])
            & (others[:, 2] > box[0])
            & (others[:, 1] < box[3])
            & (others[:, 3] > box[1])
        ).any()
    )

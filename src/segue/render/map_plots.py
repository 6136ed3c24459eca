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
    CAPTION_COLOUR,
    DPI,
    TEXT_COLOUR,
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

#: Colours distinct on white and on black: each is at least 18 from all before it in CIELAB, the
#: first twelve at least 25. The first eight suit colour-blind readers (Okabe & Ito 2008).
PALETTE: Final = (
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#b8a800", "#9467bd",
    "#a9746a", "#2eb82e", "#d81b60", "#7f9f3f", "#f4a37a", "#5f5fd3", "#17becf", "#c49c6b",
    "#8d3b1f", "#5b7c99", "#e377f0", "#6b6b2a",
)  # fmt: skip
GREY: Final = "#b4b4b4"
#: Name of all tracks whose own name has no colour; it is the last of the names, and grey.
OTHER: Final = "other"
#: Colour map of numbers.
COLOUR_MAP: Final = "viridis"
#: Maximum number of leaves of a figure, and of rows in one of its columns.
MAX_LEAVES: Final = 5000
_MAX_ROWS: Final = 250
_ROW_INCHES: Final = 0.135
_COLUMN_INCHES: Final = 6.4
#: Share of a column's width for the labels.
_LABEL_SHARE: Final = 0.42
MAX_LABELS: Final = 120
_LABEL_POINTS: Final = 6.5
#: Space between a point and its label, in typographic points.
_GAP_POINTS: Final = 1.5


@dataclass(frozen=True, slots=True)
class Colouring:
    """A name, or a number, that stands for the colour of each track.

    Attributes
    ----------
    title : str
        What the colours stand for.
    names : tuple of str
        Names, the most common first, `OTHER` last if it is there; empty for numbers.
    name_index : ndarray, shape (n,), int64
        Index of each track's name, -1 for none; empty for numbers.
    values : ndarray, shape (n,), float32
        Numbers, NaN if unknown; empty for names.
    """

    title: str
    names: tuple[str, ...]
    name_index: NDArray[np.int64]
    values: FloatArray


def name_colour(names: Sequence[str], index: int) -> str:
    """Return the colour of a name; grey for `OTHER`, and for the index -1."""
    if not 0 <= index < len(names) or names[index] == OTHER:
        return GREY
    return PALETTE[index % len(PALETTE)]


def draw_map(
    points: FloatArray,
    labels: Sequence[str],
    colouring: Colouring,
    target: Path,
    title: str,
    caption: str,
) -> None:
    """Draw a map with a legend, and with labels where there is room for them.

    Parameters
    ----------
    points : ndarray, shape (n, 2)
        Positions.
    labels : sequence of str, length n
        Labels of the points.
    target : Path
        Path of the figure: .png, .svg or .pdf.

    Raises
    ------
    BadArgument
        The file cannot be written.
    """
    figure = new_figure(9.6, 7.6)
    axes = figure.add_subplot()
    size = float(np.clip(4000 / max(len(points), 1), 1.5, 34))
    if colouring.names:
        _scatter_names(figure, axes, points, colouring, size)
    else:
        _scatter_values(figure, axes, points, colouring, size)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.06)
    for side in ("top", "right", "bottom", "left"):
        axes.spines[side].set_color("#cccccc")
    axes.set_title(shorten(title, 90), fontsize=11, loc="left")
    figure.supxlabel(caption, fontsize=7.5, x=0.01, ha="left", color=CAPTION_COLOUR)
    _add_labels(figure, axes, points, labels, size)
    save(figure, target)


def _marker_style(points: FloatArray, size: float) -> dict[str, Any]:
    # Vector files of many points are slow to open: the points become an image in them.
    return {"s": size, "linewidths": 0, "alpha": 0.9, "rasterized": len(points) > 2000}


def _scatter_names(
    figure: "Figure", axes: "Axes", points: FloatArray, colouring: Colouring, size: float
) -> None:
    style = _marker_style(points, size)
    handles, names = [], []
    for index in (-1, *range(len(colouring.names))):
        x, y = points[colouring.name_index == index].T
        if not len(x):
            continue
        if index < 0:  # hollow, since "other" is grey
            hollow = style | {"linewidths": 0.6}
            handles.append(axes.scatter(x, y, c="none", edgecolors=GREY, **hollow))
        else:
            handles.append(axes.scatter(x, y, c=name_colour(colouring.names, index), **style))
        name = shorten(colouring.names[index], 30) if index >= 0 else "none"
        names.append(f"{name} ({len(x)})")
    # Handles and names are given, since matplotlib ignores labels that begin with "_".
    figure.legend(
        handles, names, loc="outside right upper", title=colouring.title, frameon=False,
        fontsize=7.5, title_fontsize=8.5, markerscale=float(np.clip(5 / np.sqrt(size), 1, 4)),
        alignment="left",
    )  # fmt: skip


def _scatter_values(
    figure: "Figure", axes: "Axes", points: FloatArray, colouring: Colouring, size: float
) -> None:
    style = _marker_style(points, size)
    x, y = points.T
    axes.scatter(x, y, c=GREY, **style)
    known = np.isfinite(colouring.values)
    values = colouring.values[known]
    coloured = axes.scatter(x[known], y[known], c=values, cmap=COLOUR_MAP, **style)
    if known.any():
        figure.colorbar(coloured, ax=axes, shrink=0.6, label=colouring.title)


def _add_labels(
    figure: "Figure", axes: "Axes", points: FloatArray, labels: Sequence[str], size: float
) -> None:
    """Write labels beside points where they cover nothing."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.font_manager import FontProperties

    figure.set_dpi(DPI)
    use_plain_text(figure)
    with ignore_missing_glyphs():
        figure.draw_without_rendering()  # computes the position of the axes
    figure.set_layout_engine("none")
    frame = axes.get_window_extent()
    pixels = np.asarray(axes.transData.transform(points))
    renderer: Any = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    font = FontProperties(family=fonts(), size=_LABEL_POINTS)
    rows = _most_isolated_first(pixels)
    texts = [shorten(labels[row], 26) for row in rows]
    with ignore_missing_glyphs():
        sizes = [renderer.get_text_width_height_descent(text, font, False)[:2] for text in texts]
    corners = place_labels(
        pixels, rows, sizes, np.sqrt(size) / 2 / 72 * DPI, (frame.x0, frame.y0, frame.x1, frame.y1)
    )
    for text, corner in zip(texts, corners, strict=True):
        if corner is not None:
            x, y = axes.transData.inverted().transform(corner)
            axes.text(
                x, y, text, fontsize=_LABEL_POINTS, color=TEXT_COLOUR, va="bottom", parse_math=False
            )


def place_labels(
    points: NDArray[np.float64],
    rows: Sequence[int],
    sizes: Sequence[tuple[float, float]],
    radius: float,
    frame: tuple[float, float, float, float],
) -> list[tuple[float, float] | None]:
    """Find positions beside, above or below points where labels cover no point and no label.

    Parameters
    ----------
    points : ndarray, shape (n, 2)
        Centres of the points, in pixels.
    rows : sequence of int
        Points with a label, in order of priority.
    sizes : sequence of tuple of two float
        Width and height of each label, in pixels.
    radius : float
        Radius of the points, in pixels.
    frame : tuple of four float
        Left, bottom, right and top of the area for labels.

    Returns
    -------
    list of tuple of two float, or None
        Lower left corner of each label; None if there is no room. At most `MAX_LABELS` are placed.
    """
    boxes = np.hstack([points - radius, points + radius])
    gap = radius + _GAP_POINTS / 72 * DPI
    corners: list[tuple[float, float] | None] = []
    for row, (width, height) in zip(rows, sizes, strict=True):
        x, y = points[row].tolist()
        corner = None
        if sum(placed is not None for placed in corners) < MAX_LABELS:
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
                    corner = (left, bottom)
                    boxes = np.vstack([boxes, box])
                    break
        corners.append(corner)
    return corners


def _most_isolated_first(points: FloatArray) -> list[int]:
    """Order points by distance to their nearest neighbour; of many points, a part."""
    from scipy.spatial import KDTree

    if len(points) < 2:
        return list(range(len(points)))
    distance = np.asarray(KDTree(points).query(points, k=2)[0])[:, 1]
    return [int(row) for row in np.argsort(-distance, kind="stable")[: 4 * MAX_LABELS]]


def _overlaps(box: tuple[float, float, float, float], others: NDArray[np.float64]) -> bool:
    left, bottom, right, top = others.T
    return bool(((left < box[2]) & (right > box[0]) & (bottom < box[3]) & (top > box[1])).any())


# ---- dendrograms -------------------------------------------------------------------------


def dendrogram_lines(
    merges: NDArray[np.int64], heights: NDArray[np.float64], order: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the brackets of a dendrogram whose leaves lie below one another.

    Parameters
    ----------
    merges, heights, order
        See `segue.explore.clusters.Dendrogram`.

    Returns
    -------
    ndarray, shape (n - 1, 4, 2)
        Height and row of the four corners of each merge's bracket. The rows of leaves are 0, 1, 2 …
        in their order; that of a merge is between those of its two nodes.
    """
    n = len(order)
    rows = np.zeros(2 * n - 1)
    rows[order] = np.arange(n)
    for index, (left, right) in enumerate(merges.tolist()):
        rows[n + index] = (rows[left] + rows[right]) / 2
    left, right = merges.T
    node_heights = np.concatenate([np.zeros(n), heights])
    corners = [
        (node_heights[left], rows[left]),
        (heights, rows[left]),
        (heights, rows[right]),
        (node_heights[right], rows[right]),
    ]
    return np.stack([np.stack(corner, axis=1) for corner in corners], axis=1)


def draw_dendrogram(
    lines: NDArray[np.float64],
    labels: Sequence[str],
    target: Path,
    title: str,
    caption: str,
) -> None:
    """Draw a dendrogram; one with many leaves is divided into columns.

    Parameters
    ----------
    lines : ndarray, shape (n - 1, 4, 2)
        Brackets from `dendrogram_lines`.
    target : Path
        Path of the figure: .png, .svg or .pdf.

    Raises
    ------
    BadArgument
        There are too many leaves to be legible, or the file cannot be written.
    """
    n = len(labels)
    if n > MAX_LEAVES:
        raise BadArgument(
            f"{n} leaves are more than a picture can show; write a page (-o tree.html), or take "
            "--level artist or album"
        )
    columns = -(-n // _MAX_ROWS)
    rows = -(-n // columns)
    figure = new_figure(
        columns * _COLUMN_INCHES + (2.0 if columns == 1 else 0), max(rows * _ROW_INCHES, 1.6) + 1.1
    )
    top = float(lines[:, :, 0].max()) or 1.0
    for column in range(columns):
        axes = figure.add_subplot(1, columns, column + 1)
        first = column * rows
        last = min(first + rows, n)
        _draw_column(axes, lines, top, first, last)
        for row in range(first, last):
            axes.text(
                -0.015 * top, row, shorten(labels[row], 46), fontsize=7, ha="right",
                va="center", color=TEXT_COLOUR,
            )  # fmt: skip
    figure.suptitle(shorten(title, 90), x=0.01, ha="left", fontsize=11)
    figure.supxlabel(caption, fontsize=7.5, x=0.01, ha="left", color=CAPTION_COLOUR)
    save(figure, target)


def _draw_column(
    axes: "Axes", lines: NDArray[np.float64], top: float, first: int, last: int
) -> None:
    from matplotlib.collections import LineCollection

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

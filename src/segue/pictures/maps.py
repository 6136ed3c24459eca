"""Still pictures of maps, fit for a paper."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from segue.pictures.frame import DPI, figure_of, save, short
from segue.records import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Told apart by eye on white; the first eight also by most of those who see colours otherwise.
PALETTE: Final = (
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#b8a800", "#9467bd",
    "#a9746a", "#3a9bdc", "#7f9f3f", "#e377c2", "#17becf", "#d1495b", "#5b7c99", "#c49c6b",
    "#5aa17f", "#b07aa1", "#f28e8e", "#8080d0",
)  # fmt: skip
GREY: Final = "#b4b4b4"
SCALE: Final = "viridis"
_LABELS_FROM: Final = 6.5  # points
_MOST_LABELS: Final = 120


@dataclass(frozen=True, slots=True)
class Dots:
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
    of: NDArray[np.int64]
    values: FloatArray
    colour_title: str


def colour_of(number: int, names: Sequence[str]) -> str:
    """Return the colour of the name of that number; grey for none and for "other"."""
    if not 0 <= number < len(names) or names[number] == "other":
        return GREY
    return PALETTE[number % len(PALETTE)]


def draw_map(dots: Dots, target: Path, title: str, caption: str) -> None:
    """Draw a map with a legend, and labels where there is room for them.

    Parameters
    ----------
    dots : Dots
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
    figure = figure_of(9.6, 7.6)
    axes = figure.add_subplot()
    x, y = dots.points[:, 0], dots.points[:, 1]
    size = float(np.clip(4000 / max(len(x), 1), 1.5, 34))
    # Vector files of many points are slow to open: dots become a picture within.
    looks: dict[str, Any] = {"s": size, "linewidths": 0, "alpha": 0.9, "rasterized": len(x) > 2000}
    if dots.legend:
        for number in (-1, *range(len(dots.legend))):
            here = dots.of == number
            if here.any():
                name = f"{short(dots.legend[number], 30)} ({here.sum()})" if number >= 0 else "none"
                axes.scatter(
                    x[here], y[here], c=colour_of(number, dots.legend), label=name, **looks
                )
        figure.legend(
            loc="outside right upper", title=dots.colour_title, frameon=False, fontsize=7.5,
            title_fontsize=8.5, markerscale=float(np.clip(5 / np.sqrt(size), 1, 4)),
            alignment="left",
        )  # fmt: skip
    else:
        axes.scatter(x, y, c=GREY, **looks)
        known = np.isfinite(dots.values)
        shown = axes.scatter(x[known], y[known], c=dots.values[known], cmap=SCALE, **looks)
        if known.any():
            figure.colorbar(shown, ax=axes, shrink=0.6, label=dots.colour_title)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.06)
    for side in ("top", "right", "bottom", "left"):
        axes.spines[side].set_color("#cccccc")
    axes.set_title(short(title, 90), fontsize=11, loc="left")
    figure.supxlabel(caption, fontsize=7.5, x=0.01, ha="left", color="#444444")
    _label(figure, axes, dots, size)
    save(figure, target)


def _label(figure: "Figure", axes: "Axes", dots: Dots, size: float) -> None:
    """Write labels beside points, the loneliest first, where they cover nothing."""
    figure.set_dpi(DPI)
    figure.draw_without_rendering()  # fixes where the axes lie
    figure.set_layout_engine("none")
    places = np.asarray(axes.transData.transform(dots.points))
    frame = axes.get_window_extent()
    inch = figure.dpi
    radius = np.sqrt(size) / 2 / 72 * inch
    height = 1.25 * _LABELS_FROM / 72 * inch
    taken = [(px - radius, py - radius, px + radius, py + radius) for px, py in places]
    boxes = np.array(taken)
    written = 0
    for row in _loneliest_first(places):
        if written == _MOST_LABELS:
            break
        text = short(dots.labels[row], 26)
        width = 0.62 * _LABELS_FROM / 72 * inch * len(text)
        px, py = places[row]
        gap = radius + 0.02 * inch
        others = np.delete(boxes, row, axis=0)
        for left, bottom, along in (
            (px + gap, py - height / 2, "left"),
            (px - gap - width, py - height / 2, "right"),
            (px - width / 2, py + gap, "center"),
            (px - width / 2, py - gap - height, "center"),
        ):
            box = (left, bottom, left + width, bottom + height)
            inside = (
                frame.x0 <= box[0] and box[2] <= frame.x1
                and frame.y0 <= box[1] and box[3] <= frame.y1
            )  # fmt: skip
            if inside and not _overlaps(box, others):
                # The width is guessed: what lies beside a dot starts, or ends, beside it.
                start = {"left": left, "right": left + width, "center": px}[along]
                corner = np.array([[start, bottom + 0.2 * height]])
                x, y = np.ravel(axes.transData.inverted().transform(corner)).tolist()
                axes.text(x, y, text, fontsize=_LABELS_FROM, color="#222222", ha=along)
                boxes = np.vstack([boxes, box])
                written += 1
                break


def _loneliest_first(places: FloatArray) -> list[int]:
    """Order points by how far the next one is; of many, a sample."""
    from scipy.spatial import KDTree

    if len(places) < 2:
        return list(range(len(places)))
    distance = np.asarray(KDTree(places).query(places, k=2)[0])[:, 1]
    return [int(row) for row in np.argsort(-distance, kind="stable")[: 4 * _MOST_LABELS]]


def _overlaps(box: tuple[float, float, float, float], others: NDArray[np.float64]) -> bool:
    return bool(
        (
            (others[:, 0] < box[2])
            & (others[:, 2] > box[0])
            & (others[:, 1] < box[3])
            & (others[:, 3] > box[1])
        ).any()
    )

"""How alike a network holds words to be: the labelled matrix, and the pitch classes on a plane."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.pictures.frame import figure_of, save
from segue.records import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: More have no room for their names.
MOST: Final = 120
_CELL_INCHES: Final = 0.135
_PLANE_INCHES: Final = 5.2
_FIFTHS: Final = 7


def draw_words(
    cosines: FloatArray,
    labels: Sequence[str],
    plane: NDArray[np.float64] | None,
    names: Sequence[str],
    target: Path,
    title: str,
    caption: str,
) -> None:
    """Draw the similarity matrix, and beside it the plane.

    Parameters
    ----------
    cosines : ndarray, shape (n, n)
    labels : sequence of str
        One for each row.
    plane : ndarray, shape (12, 2), or None
        Of the pitch classes from C; NaN where one has no place.
    names : sequence of str
        Of the pitch classes.
    target : Path
        .png, .svg or .pdf.
    title, caption : str
        The caption is the plane's.

    Raises
    ------
    BadArgument
        There are more than 120 words.
    """
    if len(labels) > MOST:
        raise BadArgument(f"a picture has room for {MOST} words, not {len(labels)}; write a page")
    # The names stand below and to the left.
    side = max(len(labels) * _CELL_INCHES, 4.0) + 0.8 + 0.06 * max(map(len, labels))
    figure = figure_of(side + (_PLANE_INCHES if plane is not None else 0.8), side + 0.4)
    figure.suptitle(title, fontsize=11)
    if plane is None:
        matrix = figure.subplots()
    else:
        ratios = {"width_ratios": [side, _PLANE_INCHES]}
        matrix, beside = figure.subplots(1, 2, gridspec_kw=ratios)
        _draw_plane(beside, plane, names, caption)
    apart = cosines[~np.eye(len(labels), dtype=bool)]
    low, high = np.quantile(apart, [0.01, 0.995])
    shown = matrix.imshow(cosines, cmap="magma", vmin=float(low), vmax=float(high))
    places = np.arange(len(labels))
    matrix.set_xticks(places, labels, rotation=90, fontsize=6)
    matrix.set_yticks(places, labels, fontsize=6)
    matrix.tick_params(length=0)
    matrix.set_anchor("N")
    bar = figure.colorbar(shown, ax=matrix, shrink=0.5, pad=0.01)
    bar.set_label("cosine", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    save(figure, target)


def _draw_plane(
    axes: "Axes", plane: NDArray[np.float64], names: Sequence[str], caption: str
) -> None:
    from matplotlib import colormaps

    along = [_FIFTHS * step % 12 for step in range(12)]
    here = [each for each in along if not np.isnan(plane[each, 0])]
    if len(here) == 12:
        ring = plane[[*here, here[0]]]
        axes.plot(ring[:, 0], ring[:, 1], color="0.75", linewidth=1, zorder=1)
    for each in here:
        colour = colormaps["hsv"](along.index(each) / 12)
        x, y = plane[each]
        axes.scatter(x, y, s=360, color=colour, edgecolor="black", linewidth=0.5, zorder=2)
        axes.annotate(
            names[each], (x, y), ha="center", va="center", fontsize=9, zorder=3,
            bbox={"boxstyle": "round,pad=0.12", "facecolor": "white", "edgecolor": "none",
                  "alpha": 0.75},
        )  # fmt: skip
    axes.set_title("pitch classes, coloured along the circle of fifths", fontsize=9)
    axes.set_xlabel(caption, fontsize=8)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.margins(0.15)
    axes.set_box_aspect(1)
    axes.set_aspect("equal", adjustable="datalim")

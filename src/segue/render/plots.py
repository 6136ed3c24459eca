"""Figures: frame and fonts, loss curves, reconstructions, filters, similarity matrices."""

import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from segue.audio.spectrogram import RANGE_DB, LogMelSpec, band_centres_hz
from segue.environment import import_in_package_folder
from segue.errors import BadArgument
from segue.files import atomic_output
from segue.records import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from segue.nn.trainer import Epoch


DPI: Final = 150
FIGURE_SUFFIXES: Final = (".png", ".svg", ".pdf")
#: For each letter the first of those that has it; the first comes with matplotlib.
_FONTS: Final = (
    "DejaVu Sans", "Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans CJK KR", "Noto Sans JP",
    "Noto Sans SC", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Droid Sans Fallback",
    "Hiragino Sans", "Arial Unicode MS", "Yu Gothic", "Microsoft YaHei", "Malgun Gothic",
)  # fmt: skip
#: Categories of Unicode that are not to be drawn, and that SVG has no place for.
_NO_LETTERS: Final = frozenset(["Cc", "Cs", "Cn"])


def new_figure(width: float, height: float) -> "Figure":
    """Start a figure of so many inches."""
    import_in_package_folder("matplotlib")
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def save(figure: "Figure", target: Path) -> None:
    """Write a figure as what the file's ending says, as a whole or not at all.

    Raises
    ------
    BadArgument
        The ending is unknown, or the file cannot be written.
    """
    if target.suffix.lower() not in FIGURE_SUFFIXES:
        raise BadArgument(
            f"{target} is no picture Segue writes; name it {', '.join(FIGURE_SUFFIXES)}"
        )
    use_plain_text(figure)
    with atomic_output(target) as partial, ignore_missing_glyphs():
        figure.savefig(partial, dpi=DPI)


def use_plain_text(figure: "Figure") -> None:
    """Take a figure's words as they are: no formulas (Ke$ha, A$AP), and letters of all scripts."""
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        assert isinstance(text, Text)  # noqa: S101 (findobj does not tell)
        text.set_parse_math(False)
        text.set_fontfamily(fonts())


@cache
def fonts() -> list[str]:
    """Name the fonts to write with that are installed, the first for most letters."""
    from matplotlib.font_manager import fontManager

    installed = {font.name for font in fontManager.ttflist}
    return [name for name in _FONTS if name in installed]


@contextmanager
def ignore_missing_glyphs() -> Iterator[None]:
    """Say nothing of letters that no installed font has: they are drawn as boxes."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing|Matplotlib currently does not support")
        yield


def shorten(text: str, most: int) -> str:
    """Make a text one line of so many letters at most."""
    kept = (c for c in text if c.isspace() or unicodedata.category(c) not in _NO_LETTERS)
    line = " ".join("".join(kept).split())
    return line if len(line) <= most else line[: most - 1] + "…"


#: More have no room for their names.
MAX_TOKENS: Final = 120
_CELL_INCHES: Final = 0.135
_PLANE_INCHES: Final = 5.2
_FIFTHS: Final = 7


def draw_token_similarity(
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
    if len(labels) > MAX_TOKENS:
        raise BadArgument(
            f"a picture has room for {MAX_TOKENS} words, not {len(labels)}; write a page"
        )
    # The names stand below and to the left.
    side = max(len(labels) * _CELL_INCHES, 4.0) + 0.8 + 0.06 * max(map(len, labels))
    figure = new_figure(side + (_PLANE_INCHES if plane is not None else 0.8), side + 0.4)
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


_FREQUENCIES_HZ: Final = (100, 200, 500, 1000, 2000, 4000, 8000)


@dataclass(frozen=True, slots=True)
class Filter:
    """One filter of a network's first layer, and the tracks that excite it most.

    Attributes
    ----------
    layer : str
    weights : ndarray, shape (rows, columns)
        As it lies on the image.
    tracks : tuple of str
        Names, the most excited first.
    """

    layer: str
    weights: FloatArray
    tracks: tuple[str, ...]


def draw_losses(history: Sequence["Epoch"], target: Path, title: str) -> None:
    """Draw training and validation loss by epoch, the best one marked.

    Parameters
    ----------
    history : sequence of Epoch
    target : Path
        Ends in .png, .svg or .pdf.
    title : str
    """
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(6.4, 4.0)
    axes = figure.add_subplot()
    epochs = [epoch.epoch for epoch in history]
    axes.plot(epochs, [epoch.loss for epoch in history], "o-", ms=3, label="training")
    held_out = [epoch.validation_loss for epoch in history]
    axes.plot(epochs, held_out, "o-", ms=3, label="validation, tracks not trained on")
    best = min(history, key=lambda epoch: epoch.validation_loss)
    axes.plot(best.epoch, best.validation_loss, "o", mfc="none", mec="black", ms=9)
    axes.annotate(
        f"{best.validation_loss:.4g}",
        (best.epoch, best.validation_loss),
        xytext=(0, 9),
        textcoords="offset points",
        ha="center",
    )
    axes.set(xlabel="epoch", ylabel="loss", title=title)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlim(0.5, epochs[-1] + 0.5)
    axes.margins(y=0.12)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    save(figure, target)


def draw_reconstruction(
    image: FloatArray,
    reconstruction: FloatArray,
    code: FloatArray,
    kind: LogMelSpec,
    target: Path,
    title: str,
) -> None:
    """Draw a spectrogram, its reconstruction, their difference, and the encoded image.

    Parameters
    ----------
    image, reconstruction : ndarray, shape (bands, frames), float
        Within 0 to 1, the highest band first.
    code : ndarray, shape (numbers, steps)
        In order of time.
    kind : LogMel
    target : Path
    title : str
    """
    figure = new_figure(10, 11)
    seconds = image.shape[1] / kind.frames_per_second
    grid = figure.add_gridspec(4, 2, width_ratios=(60, 1))
    error = float(np.mean((image - reconstruction) ** 2))
    planes = (
        ("spectrogram", (image - 1) * RANGE_DB, "magma", (-RANGE_DB, 0), "dB"),
        ("reconstruction", (reconstruction - 1) * RANGE_DB, "magma", (-RANGE_DB, 0), "dB"),
        (
            f"difference (mean square {error:.4f} of the range of {RANGE_DB:.0f} dB)",
            (reconstruction - image) * RANGE_DB,
            "RdBu_r",
            (-30, 30),
            "dB",
        ),
    )
    for row, (name, plane, colours, (low, high), unit) in enumerate(planes):
        axes = figure.add_subplot(grid[row, 0])
        shown = axes.imshow(
            plane,
            aspect="auto",
            cmap=colours,
            vmin=low,
            vmax=high,
            extent=(0, seconds, kind.bands, 0),
            interpolation="nearest",
        )
        _label_bands(axes, kind)
        axes.set_title(name, loc="left", fontsize=10)
        figure.colorbar(shown, cax=figure.add_subplot(grid[row, 1]), label=unit)
    axes = figure.add_subplot(grid[3, 0])
    reach = float(np.percentile(np.abs(code), 99)) or 1.0
    shown = axes.imshow(
        code,
        aspect="auto",
        cmap="RdBu_r",
        vmin=-reach,
        vmax=reach,
        extent=(0, seconds, len(code), 0),
        interpolation="nearest",
    )
    axes.set_title(f"encoded: {len(code)} numbers × {code.shape[1]} steps", loc="left", fontsize=10)
    axes.set(xlabel="time in seconds", ylabel="number")
    figure.colorbar(shown, cax=figure.add_subplot(grid[3, 1]))
    figure.suptitle(shorten(title, 90))
    save(figure, target)


def draw_filters(filters: Sequence[Filter], target: Path, title: str) -> None:
    """Draw the filters of a network's first layer, each with the tracks that excite it.

    Parameters
    ----------
    filters : sequence of Filter
        At least one.
    target : Path
    title : str
    """
    columns = 4
    rows = -(-len(filters) // columns)
    figure = new_figure(13, 1.6 * rows + 0.8)
    for number, one in enumerate(filters):
        axes = figure.add_subplot(rows, columns, number + 1)
        reach = float(np.abs(one.weights).max()) or 1.0
        axes.imshow(
            one.weights, aspect="auto", cmap="RdBu_r", vmin=-reach, vmax=reach,
            interpolation="nearest",
        )  # fmt: skip
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_title(one.layer, fontsize=8, loc="left")
        axes.set_xlabel(
            "\n".join(shorten(name, 38) for name in one.tracks), fontsize=6.5, loc="left"
        )
    figure.suptitle(title)
    save(figure, target)


def _label_bands(axes: "Axes", kind: LogMelSpec) -> None:
    centres = band_centres_hz(kind)[::-1]
    there = [hz for hz in _FREQUENCIES_HZ if hz <= centres[-1]]
    rows = kind.bands - np.interp(there, centres, np.arange(kind.bands)) - 0.5
    # Low notes lie close together: a label needs room.
    apart = [i for i in range(len(there)) if i == 0 or rows[i - 1] - rows[i] > kind.bands / 12]
    there, rows = [there[i] for i in apart], rows[apart]
    axes.set_yticks(rows, [f"{hz / 1000:g}k" if hz >= 1000 else str(hz) for hz in there])
    axes.set_ylabel("frequency in Hz")

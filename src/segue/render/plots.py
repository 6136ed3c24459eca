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
from segue.render import FIGURE_SUFFIXES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

    from segue.nn.trainer import Epoch


DPI: Final = 150
TEXT_COLOUR: Final = "#222222"
CAPTION_COLOUR: Final = "#444444"
#: Fonts by priority; each character is drawn with the first one that has it. The first comes with
#: matplotlib.
_FONTS: Final = (
    "DejaVu Sans", "Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans CJK KR", "Noto Sans JP",
    "Noto Sans SC", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Droid Sans Fallback",
    "Hiragino Sans", "Arial Unicode MS", "Yu Gothic", "Microsoft YaHei", "Malgun Gothic",
)  # fmt: skip
#: Unicode categories that are not drawn, and that are invalid in SVG.
_NOT_DRAWN: Final = frozenset(["Cc", "Cs", "Cn"])
#: Maximum number of tokens of a similarity matrix.
MAX_TOKENS: Final = 120
_CELL_INCHES: Final = 0.135
_PROJECTION_INCHES: Final = 5.2
#: Semitones of a fifth.
_FIFTH: Final = 7
#: Frequencies with a tick, in Hz.
_FREQUENCIES_HZ: Final = (100, 200, 500, 1000, 2000, 4000, 8000)


def new_figure(width: float, height: float) -> "Figure":
    """Create a figure of a size in inches."""
    import_in_package_folder("matplotlib")
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def save(figure: "Figure", target: Path) -> None:
    """Write a figure atomically, in the format of the file's suffix.

    Raises
    ------
    BadArgument
        The suffix is unknown, or the file cannot be written.
    """
    if target.suffix.lower() not in FIGURE_SUFFIXES:
        raise BadArgument(
            f"{target} is no picture Segue writes; name it {', '.join(FIGURE_SUFFIXES)}"
        )
    use_plain_text(figure)
    with atomic_output(target) as partial, ignore_missing_glyphs():
        figure.savefig(partial, dpi=DPI)


def use_plain_text(figure: "Figure") -> None:
    """Draw all texts without formulas (Ke$ha, A$AP), and with fonts for all scripts."""
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        assert isinstance(text, Text)  # noqa: S101 (findobj has no type)
        text.set_parse_math(False)
        text.set_fontfamily(fonts())


@cache
def fonts() -> list[str]:
    """Return the installed ones of the fonts that Segue uses, in order of priority."""
    from matplotlib.font_manager import fontManager

    installed = {font.name for font in fontManager.ttflist}
    return [name for name in _FONTS if name in installed]


@contextmanager
def ignore_missing_glyphs() -> Iterator[None]:
    """Suppress warnings of characters that no installed font has, which are drawn as boxes."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing|Matplotlib currently does not support")
        yield


def shorten(text: str, max_length: int) -> str:
    """Return a text as one line of a maximum number of characters."""
    drawn = (c for c in text if c.isspace() or unicodedata.category(c) not in _NOT_DRAWN)
    line = " ".join("".join(drawn).split())
    return line if len(line) <= max_length else line[: max_length - 1] + "…"


def draw_token_similarity(
    cosines: FloatArray,
    labels: Sequence[str],
    points: NDArray[np.float64] | None,
    names: Sequence[str],
    target: Path,
    title: str,
    caption: str,
) -> None:
    """Draw a similarity matrix of tokens, and beside it a projection of the pitch classes.

    Parameters
    ----------
    cosines : ndarray, shape (n, n)
        Cosine similarities.
    labels : sequence of str
        Labels of the tokens; at most `MAX_TOKENS`.
    points : ndarray, shape (12, 2), or None
        Positions of the pitch classes from C; NaN for those without an embedding.
    names : sequence of str
        Names of the pitch classes.
    target : Path
        Path of the figure: .png, .svg or .pdf.

    Raises
    ------
    BadArgument
        There are too many tokens.
    """
    if len(labels) > MAX_TOKENS:
        raise BadArgument(
            f"a picture has room for {MAX_TOKENS} words, not {len(labels)}; write a page"
        )
    # The labels are below and to the left.
    side = max(len(labels) * _CELL_INCHES, 4.0) + 0.8 + 0.06 * max(map(len, labels))
    figure = new_figure(side + (0.8 if points is None else _PROJECTION_INCHES), side + 0.4)
    figure.suptitle(title, fontsize=11)
    if points is None:
        matrix = figure.subplots()
    else:
        ratios = {"width_ratios": [side, _PROJECTION_INCHES]}
        matrix, beside = figure.subplots(1, 2, gridspec_kw=ratios)
        _draw_pitch_classes(beside, points, names, caption)
    off_diagonal = cosines[~np.eye(len(labels), dtype=bool)]
    low, high = np.quantile(off_diagonal, [0.01, 0.995])
    image = matrix.imshow(cosines, cmap="magma", vmin=float(low), vmax=float(high))
    ticks = np.arange(len(labels))
    matrix.set_xticks(ticks, labels, rotation=90, fontsize=6)
    matrix.set_yticks(ticks, labels, fontsize=6)
    matrix.tick_params(length=0)
    matrix.set_anchor("N")
    bar = figure.colorbar(image, ax=matrix, shrink=0.5, pad=0.01)
    bar.set_label("cosine", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    save(figure, target)


def _draw_pitch_classes(
    axes: "Axes", points: NDArray[np.float64], names: Sequence[str], caption: str
) -> None:
    from matplotlib import colormaps

    circle = [_FIFTH * step % 12 for step in range(12)]
    present = [pitch_class for pitch_class in circle if not np.isnan(points[pitch_class, 0])]
    if len(present) == 12:
        closed = points[[*present, present[0]]]
        axes.plot(closed[:, 0], closed[:, 1], color="0.75", linewidth=1, zorder=1)
    for pitch_class in present:
        colour = colormaps["hsv"](circle.index(pitch_class) / 12)
        x, y = points[pitch_class]
        axes.scatter(x, y, s=360, color=colour, edgecolor="black", linewidth=0.5, zorder=2)
        axes.annotate(
            names[pitch_class], (x, y), ha="center", va="center", fontsize=9, zorder=3,
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


def draw_losses(history: Sequence["Epoch"], target: Path, title: str) -> None:
    """Draw training and validation loss by epoch, and mark the best epoch.

    Parameters
    ----------
    target : Path
        Path of the figure: .png, .svg or .pdf.
    """
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(6.4, 4.0)
    axes = figure.add_subplot()
    epochs = [epoch.epoch for epoch in history]
    axes.plot(epochs, [epoch.loss for epoch in history], "o-", ms=3, label="training")
    validation = [epoch.validation_loss for epoch in history]
    axes.plot(epochs, validation, "o-", ms=3, label="validation, tracks not trained on")
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
    """Draw a spectrogram, its reconstruction, their difference, and the latent image.

    Parameters
    ----------
    image, reconstruction : ndarray, shape (bands, frames), float
        Values from 0 to 1, the highest band first.
    code : ndarray, shape (channels, steps)
        Latent image in order of time.
    target : Path
        Path of the figure: .png, .svg or .pdf.
    """
    figure = new_figure(10, 11)
    seconds = image.shape[1] / kind.frames_per_second
    grid = figure.add_gridspec(4, 2, width_ratios=(60, 1))
    error = float(np.mean((image - reconstruction) ** 2))
    difference = f"difference (mean square {error:.4f} of the range of {RANGE_DB:.0f} dB)"
    for row, (name, values, colour_map, limits) in enumerate(
        (
            ("spectrogram", image - 1, "magma", (-RANGE_DB, 0)),
            ("reconstruction", reconstruction - 1, "magma", (-RANGE_DB, 0)),
            (difference, reconstruction - image, "RdBu_r", (-30, 30)),
        )
    ):
        axes = figure.add_subplot(grid[row, 0])
        drawn = _show_image(axes, values * RANGE_DB, colour_map, limits, (seconds, kind.bands))
        _label_bands(axes, kind)
        axes.set_title(name, loc="left", fontsize=10)
        figure.colorbar(drawn, cax=figure.add_subplot(grid[row, 1]), label="dB")
    axes = figure.add_subplot(grid[3, 0])
    limit = float(np.percentile(np.abs(code), 99)) or 1.0
    drawn = _show_image(axes, code, "RdBu_r", (-limit, limit), (seconds, len(code)))
    axes.set_title(f"encoded: {len(code)} numbers × {code.shape[1]} steps", loc="left", fontsize=10)
    axes.set(xlabel="time in seconds", ylabel="number")
    figure.colorbar(drawn, cax=figure.add_subplot(grid[3, 1]))
    figure.suptitle(shorten(title, 90))
    save(figure, target)


def _show_image(
    axes: "Axes",
    values: FloatArray,
    colour_map: str,
    limits: tuple[float, float],
    size: tuple[float, float],
) -> "AxesImage":
    """Show values as an image whose coordinates go from 0 to a size, the first row on top."""
    return axes.imshow(
        values,
        aspect="auto",
        cmap=colour_map,
        vmin=limits[0],
        vmax=limits[1],
        extent=(0, size[0], size[1], 0),
        interpolation="nearest",
    )


def _label_bands(axes: "Axes", kind: LogMelSpec) -> None:
    centres = band_centres_hz(kind)[::-1]
    frequencies = [hz for hz in _FREQUENCIES_HZ if hz <= centres[-1]]
    rows = kind.bands - np.interp(frequencies, centres, np.arange(kind.bands)) - 0.5
    # Ticks of low frequencies lie close together: some have no room.
    spaced = [i for i in range(len(rows)) if i == 0 or rows[i - 1] - rows[i] > kind.bands / 12]
    labels = [f"{hz / 1000:g}k" if hz >= 1000 else str(hz) for hz in frequencies]
    axes.set_yticks(rows[spaced], [labels[i] for i in spaced])
    axes.set_ylabel("frequency in Hz")


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter of a network's first layer, and the tracks with the highest activations.

    Attributes
    ----------
    layer : str
        Name of the layer, and number of the filter.
    weights : ndarray, shape (rows, columns)
        Weights, oriented as the image.
    tracks : tuple of str
        Names of the tracks, the highest activation first.
    """

    layer: str
    weights: FloatArray
    tracks: tuple[str, ...]


def draw_filters(filters: Sequence[Filter], target: Path, title: str) -> None:
    """Draw the filters of a network's first layer, each with its top tracks.

    Parameters
    ----------
    target : Path
        Path of the figure: .png, .svg or .pdf.
    """
    columns = 4
    rows = -(-len(filters) // columns)
    figure = new_figure(13, 1.6 * rows + 0.8)
    for number, item in enumerate(filters, start=1):
        axes = figure.add_subplot(rows, columns, number)
        limit = float(np.abs(item.weights).max()) or 1.0
        axes.imshow(
            item.weights, aspect="auto", cmap="RdBu_r", vmin=-limit, vmax=limit,
            interpolation="nearest",
        )  # fmt: skip
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_title(item.layer, fontsize=8, loc="left")
        names = "\n".join(shorten(name, 38) for name in item.tracks)
        axes.set_xlabel(names, fontsize=6.5, loc="left")
    figure.suptitle(title)
    save(figure, target)

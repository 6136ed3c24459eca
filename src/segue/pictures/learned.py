"""Pictures of what was learned: loss curves, reconstructions, filters."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from segue.pictures.frame import figure_of, save, short
from segue.records import FloatArray
from segue.represent.log_mel import RANGE_DB, LogMel, bands_hz

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from segue.train.loop import Epoch

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

    figure = figure_of(6.4, 4.0)
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
    kind: LogMel,
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
    figure = figure_of(10, 11)
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
    figure.suptitle(short(title, 90))
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
    figure = figure_of(13, 1.6 * rows + 0.8)
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
        axes.set_xlabel("\n".join(short(name, 38) for name in one.tracks), fontsize=6.5, loc="left")
    figure.suptitle(title)
    save(figure, target)


def _label_bands(axes: "Axes", kind: LogMel) -> None:
    centres = bands_hz(kind)[::-1]
    there = [hz for hz in _FREQUENCIES_HZ if hz <= centres[-1]]
    rows = kind.bands - np.interp(there, centres, np.arange(kind.bands)) - 0.5
    # Low notes lie close together: a label needs room.
    apart = [i for i in range(len(there)) if i == 0 or rows[i - 1] - rows[i] > kind.bands / 12]
    there, rows = [there[i] for i in apart], rows[apart]
    axes.set_yticks(rows, [f"{hz / 1000:g}k" if hz >= 1000 else str(hz) for hz in there])
    axes.set_ylabel("frequency in Hz")

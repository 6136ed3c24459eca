"""What music is like in a few published numbers: to hold made music against real music.

None of them is good or bad by itself. All take notes as arrays of pitch, time and bar, so that
they serve a model's output and a file alike. Where two publications define a number in two ways,
both are here, each under its own name.

Sources
-------
Wu & Yang, "The Jazz Transformer on the Front Line", ISMIR 2020: entropy and grooving.
Mogren, "C-RNN-GAN", 2016: scale consistency.
Dong et al., "MuseGAN", AAAI 2018: empty bars; "MusPy", ISMIR 2020: the groove of successive bars.
Yang & Lerch, "On the evaluation of generative models in music", Neural Computing and
Applications 32, 2020: the overlapping area.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument

Integers = NDArray[np.integer]
Numbers = NDArray[np.floating]

_CLASSES: Final = 12
#: Steps of the major and of the natural minor scale.
_SCALES: Final = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10))
#: Points at which two densities are compared, and how far beyond the data, in bandwidths.
_POINTS: Final = 4096
_BEYOND: Final = 4.0
#: The least bandwidth, of the range of both: values that are all the same have a density, too.
_LEAST_BANDWIDTH: Final = 1e-2


def pitch_class_entropy(pitch: Integers) -> float:
    """Return the entropy of the pitch classes in bits: 0 of one class, log2 12 = 3.585 of all.

    Wu & Yang 2020, section 4.1, over all notes that are given.

    Parameters
    ----------
    pitch : ndarray of int, shape (n,)
        MIDI pitches, without drums.

    Returns
    -------
    float
        NaN of no notes.
    """
    if not len(pitch):
        return float("nan")
    share = np.bincount(pitch % _CLASSES, minlength=_CLASSES) / len(pitch)
    heard = share[share > 0]
    return float(abs(heard @ np.log2(heard)))


def pitch_class_entropy_of_bars(pitch: Integers, bar: Integers, bars: int = 4) -> float:
    """Return the mean entropy of the pitch classes within so many successive bars.

    Wu & Yang 2020: H1 with `bars` 1 and H4 with 4. Stretches follow one another without
    overlap; those without a note are left out.

    Parameters
    ----------
    pitch, bar : ndarray of int, shape (n,)
        MIDI pitches, and the bar, from 0, in which each begins.
    bars : int
        At least 1.

    Returns
    -------
    float
        NaN of no notes.
    """
    _check_pair(pitch, bar, "pitches", "bars")
    if bars < 1:
        raise BadArgument(f"stretches of {bars} bars; at least 1 is needed")
    stretch = bar // bars
    found = [pitch_class_entropy(pitch[stretch == each]) for each in np.unique(stretch)]
    return float(np.mean(found)) if found else float("nan")


def scale_consistency(pitch: Integers) -> float:
    """Return the share of notes that are in the scale, major or minor, that holds most of them.

    Mogren 2016, section 4.1; the minor scale is the natural one, as in MusPy.

    Parameters
    ----------
    pitch : ndarray of int, shape (n,)
        MIDI pitches, without drums.

    Returns
    -------
    float
        7/12 at least; NaN of no notes.
    """
    if not len(pitch):
        return float("nan")
    counts = np.bincount(pitch % _CLASSES, minlength=_CLASSES)
    steps = np.array(_SCALES)[:, None] + np.arange(_CLASSES)[:, None]
    return float(counts[steps % _CLASSES].sum(axis=-1).max() / len(pitch))


def groove_consistency(onsets: NDArray[np.bool_]) -> float:
    """Return how alike successive bars are in where notes begin.

    MusPy (Dong et al. 2020): 1 - the mean, over successive bars, of the share of steps at which
    a note begins in one of both alone.

    Parameters
    ----------
    onsets : ndarray, shape (bars, steps), bool
        Whether a note begins, of a grid that divides each bar alike.

    Returns
    -------
    float
        NaN of fewer than two bars.
    """
    _check_grid(onsets)
    if len(onsets) < 2:
        return float("nan")
    return float(1 - (onsets[1:] ^ onsets[:-1]).mean())


def grooving_similarity(onsets: NDArray[np.bool_]) -> float:
    """Return how alike all pairs of bars are in where notes begin.

    Wu & Yang 2020, section 4.2: 1 - the share of steps at which a note begins in one of two bars
    alone, on average over all pairs.

    Parameters
    ----------
    onsets : ndarray, shape (bars, steps), bool
        As of `groove_consistency`; 64 steps as published.

    Returns
    -------
    float
        NaN of fewer than two bars.
    """
    _check_grid(onsets)
    count = len(onsets)
    if count < 2:
        return float("nan")
    # Of a step that k bars of n have, k (n - k) pairs differ.
    have = onsets.sum(axis=0).astype(np.int64)
    differ = (have * (count - have)).sum() / onsets.shape[1]
    return 1 - float(differ) / (count * (count - 1) / 2)


def empty_bar_rate(first_bar: Integers, last_bar: Integers, bars: int) -> float:
    """Return the share of bars in which no note sounds.

    MuseGAN's EB (Dong et al. 2018, section "Objective metrics"); `segue.measure.rolls.empty_bars`
    counts the same on rolls.

    Parameters
    ----------
    first_bar, last_bar : ndarray of int, shape (n,)
        The bars, from 0, in which each note begins, and in which it sounds last.
    bars : int
        How many there are.

    Returns
    -------
    float

    Raises
    ------
    BadArgument
        There are no bars, or a note lies beyond them.
    """
    _check_pair(first_bar, last_bar, "first bars", "last bars")
    if bars < 1:
        raise BadArgument(f"{bars} bars; at least 1 is needed")
    if len(first_bar) and (int(first_bar.min()) < 0 or int(last_bar.max()) >= bars):
        raise BadArgument(
            f"notes in bars {int(first_bar.min())} to {int(last_bar.max())} of {bars}; bars are "
            "counted from 0"
        )
    change = np.zeros(bars + 1, np.int64)
    np.add.at(change, first_bar, 1)
    np.add.at(change, last_bar + 1, -1)
    return float((np.cumsum(change[:-1]) == 0).mean())


def overlapping_area(one: Numbers, other: Numbers) -> float:
    """Return how much two distributions have in common: 1 for the same, 0 for nothing.

    Yang & Lerch 2020, section 3.2: the area below both of two probability densities, each a
    Gaussian kernel density estimate with Scott's bandwidth (n^-1/5 standard deviations).

    Parameters
    ----------
    one, other : ndarray, shape (n,) and (m,)
        A number of each piece, or the distances between pieces, as published.

    Returns
    -------
    float

    Raises
    ------
    BadArgument
        There are fewer than two values, or some are not finite.
    """
    for values in (one, other):
        if values.ndim != 1 or len(values) < 2 or not np.isfinite(values).all():
            raise BadArgument(
                f"expected at least two finite values, got an array of shape {values.shape}"
            )
    both = np.concatenate([one, other])
    spread = float(np.ptp(both))
    if spread == 0:
        return 1.0
    widths = [_bandwidth(values, spread) for values in (one, other)]
    margin = _BEYOND * max(widths)
    grid = np.linspace(both.min() - margin, both.max() + margin, _POINTS)
    densities = [
        _density(np.asarray(values, np.float64), width, grid)
        for values, width in zip((one, other), widths, strict=True)
    ]
    lower = np.minimum(*densities)
    area = float((lower[1:] + lower[:-1]).sum()) / 2 * float(grid[1] - grid[0])
    return min(area, 1.0)


def _bandwidth(values: Numbers, spread: float) -> float:
    scott = float(values.std(ddof=1)) * len(values) ** -0.2
    return float(max(scott, _LEAST_BANDWIDTH * spread))


def _density(values: Numbers, width: float, grid: Numbers) -> Numbers:
    total = np.zeros(len(grid))
    for part in np.array_split(values, max(len(values) // 1000, 1)):
        total += np.exp(-0.5 * ((grid[:, None] - part) / width) ** 2).sum(axis=1)
    return np.asarray(total / (len(values) * width * np.sqrt(2 * np.pi)))


def _check_pair(one: Integers, other: Integers, first: str, second: str) -> None:
    if one.ndim != 1 or one.shape != other.shape:
        raise BadArgument(
            f"{first} of shape {one.shape} and {second} of shape {other.shape}: one for each note"
        )


def _check_grid(onsets: NDArray[np.bool_]) -> None:
    if onsets.ndim != 2 or not onsets.shape[1] or onsets.dtype != bool:
        raise BadArgument(
            f"expected onsets of shape (bars, steps), bool, got {onsets.shape}, {onsets.dtype}"
        )

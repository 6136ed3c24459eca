"""Metrics of generated music: statistics, voice leading, piano rolls.

What music is like in a few published numbers: to hold made music against real music.

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

How well four voices are led, by the rules of the textbook.

Frames of sixteenths; in each the pitches of soprano, alto, tenor and bass.

What piano rolls are like, and how many notes of one are in another.

The statistics are those of MuseGAN (Dong et al., AAAI 2018, section "Objective metrics"): to be
compared between music and what a model makes, not good or bad by themselves. All take cells of
bars: (bars, steps, pitches), bool, of one instrument; steps divide the bar evenly, and the first
pitch is a C.
"""

from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument

# --- generation ---

IntArray = NDArray[np.integer]
FloatArray = NDArray[np.floating]

_CLASSES: Final = 12
#: Steps of the major and of the natural minor scale.
_SCALES: Final = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10))
#: Points at which two densities are compared, and how far beyond the data, in bandwidths.
_POINTS: Final = 4096
_BEYOND: Final = 4.0
#: The least bandwidth, of the range of both: values that are all the same have a density, too.
_LEAST_BANDWIDTH: Final = 1e-2


def pitch_class_entropy(pitch: IntArray) -> float:
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


def pitch_class_entropy_of_bars(pitch: IntArray, bar: IntArray, bars: int = 4) -> float:
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


def scale_consistency(pitch: IntArray) -> float:
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


def empty_bar_rate(first_bar: IntArray, last_bar: IntArray, bars: int) -> float:
    """Return the share of bars in which no note sounds.

    MuseGAN's EB (Dong et al. 2018, section "Objective metrics"); `empty_bars` counts the same on
    piano rolls.

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


def overlapping_area(one: FloatArray, other: FloatArray) -> float:
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


def _bandwidth(values: FloatArray, spread: float) -> float:
    scott = float(values.std(ddof=1)) * len(values) ** -0.2
    return float(max(scott, _LEAST_BANDWIDTH * spread))


def _density(values: FloatArray, width: float, grid: FloatArray) -> FloatArray:
    total = np.zeros(len(grid))
    for part in np.array_split(values, max(len(values) // 1000, 1)):
        total += np.exp(-0.5 * ((grid[:, None] - part) / width) ** 2).sum(axis=1)
    return np.asarray(total / (len(values) * width * np.sqrt(2 * np.pi)))


def _check_pair(one: IntArray, other: IntArray, first: str, second: str) -> None:
    if one.ndim != 1 or one.shape != other.shape:
        raise BadArgument(
            f"{first} of shape {one.shape} and {second} of shape {other.shape}: one for each note"
        )


def _check_grid(onsets: NDArray[np.bool_]) -> None:
    if onsets.ndim != 2 or not onsets.shape[1] or onsets.dtype != bool:
        raise BadArgument(
            f"expected onsets of shape (bars, steps), bool, got {onsets.shape}, {onsets.dtype}"
        )


# --- voice leading ---

#: Lowest and highest MIDI pitch that choirs are commonly asked for, after textbooks of harmony.
VOICE_RANGES: Final = ((60, 81), (55, 74), (48, 67), (40, 62))


@dataclass(frozen=True, slots=True)
class VoiceLeadingErrors:
    """What is against the rules.

    Attributes
    ----------
    frames : int
        Those in which someone sings.
    parallels : int
        Pairs of voices that move from one fifth to another, or from one octave or unison to
        another, both to another pitch.
    out_of_range : int
        Pitches beyond `RANGES`, of all frames and voices.
    crossings : int
        Neighbours of which the lower one is above, in all frames.
    """

    frames: int
    parallels: int
    out_of_range: int
    crossings: int

    @property
    def parallels_per_100(self) -> float:
        """Parallels in a hundred frames."""
        return 100 * self.parallels / max(self.frames, 1)


def voice_leading_errors(pitches: NDArray[np.integer]) -> VoiceLeadingErrors:
    """Count what is against the rules.

    Parameters
    ----------
    pitches : ndarray, shape (frames, 4), int
        MIDI pitches of soprano, alto, tenor and bass; below 0 is silence.

    Returns
    -------
    VoiceLeading
    """
    if pitches.ndim != 2 or pitches.shape[1] != len(VOICE_RANGES):
        raise BadArgument(
            f"pitches of shape {pitches.shape}; expected (frames, {len(VOICE_RANGES)})"
        )
    sung = pitches >= 0
    parallels = 0
    both = sung[1:] & sung[:-1]
    moves = pitches[1:] != pitches[:-1]
    for one, other in combinations(range(len(VOICE_RANGES)), 2):
        interval = (pitches[:, one] - pitches[:, other]) % 12
        same = (interval[1:] == interval[:-1]) & np.isin(interval[1:], (0, 7))
        moving = moves[:, one] & moves[:, other] & both[:, one] & both[:, other]
        parallels += int((same & moving).sum())
    low, high = np.array(VOICE_RANGES).T
    outside = sung & ((pitches < low) | (pitches > high))
    crossed = (pitches[:, 1:] > pitches[:, :-1]) & sung[:, 1:] & sung[:, :-1]
    return VoiceLeadingErrors(
        int(sung.any(axis=1).sum()), parallels, int(outside.sum()), int(crossed.sum())
    )


# --- rolls ---

BoolArray = NDArray[np.bool_]

_BEATS: Final = 4
_SIXTEENTHS: Final = 16
_THIRTY_SECONDS: Final = 32
#: Angles of the three circles of Harte et al. 2006, for each pitch class: fifths, minor thirds,
#: major thirds; and their radii.
_ANGLES: Final = (7 * np.pi / 6, 3 * np.pi / 2, 2 * np.pi / 3)
_RADII: Final = (1.0, 1.0, 0.5)


@dataclass(frozen=True, slots=True)
class NoteScores:
    """How many notes were found again.

    Attributes
    ----------
    found : int
        Notes of the estimate whose onset and pitch are in the reference.
    estimated, reference : int
        Notes of both.
    """

    found: int
    estimated: int
    reference: int

    @property
    def precision(self) -> float:
        """Share of the estimate that is right; NaN of none."""
        return self.found / self.estimated if self.estimated else float("nan")

    @property
    def recall(self) -> float:
        """Share of the reference that was found; NaN of none."""
        return self.found / self.reference if self.reference else float("nan")

    @property
    def f1(self) -> float:
        """Harmonic mean of both; NaN where neither has a note."""
        total = self.estimated + self.reference
        return 2 * self.found / total if total else float("nan")


def roll_onsets(cells: BoolArray) -> BoolArray:
    """Return the cells at which a note begins.

    Parameters
    ----------
    cells : ndarray, shape (..., steps, pitches), bool
        Before the first step all is silent.
    """
    before = np.zeros_like(cells)
    before[..., 1:, :] = cells[..., :-1, :]
    return np.asarray(cells & ~before)


def note_scores(estimate: BoolArray, reference: BoolArray) -> NoteScores:
    """Compare notes by onset and pitch.

    Parameters
    ----------
    estimate, reference : ndarray, shape (windows, steps, pitches), bool

    Returns
    -------
    NoteScores

    Raises
    ------
    BadArgument
        The shapes differ.
    """
    if estimate.shape != reference.shape:
        raise BadArgument(f"rolls of shapes {estimate.shape} and {reference.shape}: compare equals")
    one, other = roll_onsets(estimate), roll_onsets(reference)
    return NoteScores(*(int(np.count_nonzero(cells)) for cells in (one & other, one, other)))


def roll_empty_bar_rate(bars: BoolArray) -> float:
    """Return the share of bars without a note."""
    _check(bars)
    return float(1 - bars.any(axis=(1, 2)).mean())


def n_pitch_classes_used(bars: BoolArray) -> float:
    """Return how many of the twelve pitch classes a bar that is not empty uses, on average."""
    _check(bars)
    playing = bars[bars.any(axis=(1, 2))]
    if not len(playing):
        return float("nan")
    return float((_chroma(playing) > 0).sum(axis=1).mean())


def qualified_note_rate(bars: BoolArray) -> float:
    """Return the share of notes that are no shorter than a thirty-second.

    As published: three steps of 96 to the bar. Cells that follow one another are one note, over
    the bar line, too.
    """
    _check(bars)
    flat = bars.reshape(-1, bars.shape[2]).T.astype(np.int8)
    edges = np.diff(np.pad(flat, ((0, 0), (1, 1))), axis=1)
    lengths = np.nonzero(edges == -1)[1] - np.nonzero(edges == 1)[1]
    if not len(lengths):
        return float("nan")
    return float((lengths * _THIRTY_SECONDS >= bars.shape[1]).mean())


def drum_in_pattern_rate(bars: BoolArray) -> float:
    """Return the share of drum strokes that lie on a sixteenth of the bar.

    Published as the share of notes in patterns of 8 or 16 beats, with a little credit for the
    steps beside them, which is left out here.
    """
    _check(bars)
    strokes = roll_onsets(bars.reshape(-1, bars.shape[2])).reshape(bars.shape).sum(axis=(0, 2))
    on_grid = strokes[:: bars.shape[1] // _SIXTEENTHS].sum()
    return float(on_grid / strokes.sum()) if strokes.sum() else float("nan")


def tonal_distance(one: BoolArray, other: BoolArray) -> float:
    """Return how far apart two instruments are in harmony, beat by beat.

    The distance of their tonal centroids (Harte, Sandler & Gasser, "Detecting harmonic change in
    musical audio", AMCMM 2006), on average over the beats in which both sound: 0 for the same
    pitch classes.
    """
    _check(one)
    _check(other)
    beats = [bars.reshape(-1, bars.shape[1] // _BEATS, bars.shape[2]) for bars in (one, other)]
    both = beats[0].any(axis=(1, 2)) & beats[1].any(axis=(1, 2))
    if not both.any():
        return float("nan")
    first, second = (tonal_centroids(_chroma(bars[both])) for bars in beats)
    return float(np.linalg.norm(first - second, axis=1).mean())


def tonal_centroids(chroma: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the tonal centroids, shape (n, 6), of chroma, shape (n, 12), none of it all 0."""
    classes = np.arange(_CLASSES)
    circles = [
        radius * turn(classes * angle)
        for angle, radius in zip(_ANGLES, _RADII, strict=True)
        for turn in (np.sin, np.cos)
    ]
    return np.asarray(chroma / chroma.sum(axis=1, keepdims=True) @ np.array(circles).T)


def _chroma(bars: BoolArray) -> NDArray[np.float64]:
    """Count the cells of each pitch class, shape (n, 12)."""
    each = bars.sum(axis=1)
    padded = np.pad(each, ((0, 0), (0, -each.shape[1] % _CLASSES)))
    counts = padded.reshape(len(bars), -1, _CLASSES).sum(axis=1)
    return np.asarray(counts, np.float64)


def _check(bars: BoolArray) -> None:
    if bars.ndim != 3 or not len(bars) or bars.shape[1] % _SIXTEENTHS:
        raise BadArgument(
            f"expected bars of shape (n, steps, pitches), steps a multiple of {_SIXTEENTHS}, got "
            f"{bars.shape}"
        )

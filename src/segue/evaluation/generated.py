"""Metrics of generated music, to be compared with those of real music.

No metric is good or bad by itself. Those of notes take arrays of pitch, onset and bar; those of
piano rolls take cells of shape (bars, steps, pitches), bool, of one instrument, with steps that
divide the bar evenly and a C as the first pitch; those of voice leading take pitches of four
voices in frames of sixteenths.

References
----------
Wu & Yang, "The Jazz Transformer on the Front Line", ISMIR 2020: pitch class entropy.
Mogren, "C-RNN-GAN", 2016: scale consistency.
Dong et al., "MusPy", ISMIR 2020: groove consistency.
Dong et al., "MuseGAN", AAAI 2018, "Objective metrics": empty bars, used pitch classes, qualified
notes, drum patterns, tonal distance.
Yang & Lerch, "On the evaluation of generative models in music", Neural Computing and
Applications 32, 2020: overlapping area.
"""

from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.records import BoolArray
from segue.theory.keys import MAJOR_SCALE, MINOR_SCALE

IntArray = NDArray[np.integer]
FloatArray = NDArray[np.floating]

_CLASSES: Final = 12
#: Steps of the major and of the natural minor scale.
_SCALES: Final = (MAJOR_SCALE, MINOR_SCALE)
#: Number of points of the kernel density estimates, and margin around the data in bandwidths.
_N_POINTS: Final = 4096
_MARGIN: Final = 4.0
#: Least bandwidth as a share of the joint range, for constant values.
_MIN_BANDWIDTH: Final = 1e-2


def pitch_class_entropy(pitch: IntArray) -> float:
    """Return the entropy of the pitch class histogram in bits, 0 to log2(12) = 3.585.

    Wu & Yang 2020, section 4.1, over all notes.

    Parameters
    ----------
    pitch : ndarray of int, shape (n,)
        MIDI pitches, without drums.

    Returns
    -------
    float
        NaN without notes.
    """
    if not len(pitch):
        return float("nan")
    share = np.bincount(pitch % _CLASSES, minlength=_CLASSES) / len(pitch)
    share = share[share > 0]
    return float(abs(share @ np.log2(share)))


def scale_consistency(pitch: IntArray) -> float:
    """Return the largest share of notes that lie in one major or minor scale.

    Mogren 2016, section 4.1; the minor scale is the natural one, as in MusPy.

    Parameters
    ----------
    pitch : ndarray of int, shape (n,)
        MIDI pitches, without drums.

    Returns
    -------
    float
        At least 7/12; NaN without notes.
    """
    if not len(pitch):
        return float("nan")
    counts = np.bincount(pitch % _CLASSES, minlength=_CLASSES)
    steps = np.array(_SCALES)[:, None] + np.arange(_CLASSES)[:, None]
    return float(counts[steps % _CLASSES].sum(axis=-1).max() / len(pitch))


def groove_consistency(onsets: NDArray[np.bool_]) -> float:
    """Return the groove consistency: 1 - mean Hamming distance of the onsets of adjacent bars.

    MusPy (Dong et al. 2020); distances are shares of the steps.

    Parameters
    ----------
    onsets : ndarray, shape (bars, steps), bool
        Whether a note begins at each step.

    Returns
    -------
    float
        NaN for fewer than two bars.
    """
    _check_grid(onsets)
    if len(onsets) < 2:
        return float("nan")
    return float(1 - (onsets[1:] ^ onsets[:-1]).mean())


def empty_bar_rate(first_bar: IntArray, last_bar: IntArray, bars: int) -> float:
    """Return the share of bars in which no note sounds.

    MuseGAN's EB (Dong et al. 2018); `roll_empty_bar_rate` is the same for piano rolls.

    Parameters
    ----------
    first_bar, last_bar : ndarray of int, shape (n,)
        Bar, from 0, in which each note begins, and in which it ends.
    bars : int
        Number of bars.

    Raises
    ------
    BadArgument
        There are no bars, or a note lies outside them.
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


def overlapping_area(first: FloatArray, second: FloatArray) -> float:
    """Return the overlapping area of two distributions: 0 for disjoint, 1 for equal ones.

    Yang & Lerch 2020, section 3.2: the area below both of two Gaussian kernel density estimates
    with Scott's bandwidth (n^-1/5 standard deviations).

    Parameters
    ----------
    first, second : ndarray, shape (n,) and (m,)
        A metric of each piece, or, as published, distances between pieces.

    Raises
    ------
    BadArgument
        There are fewer than two values, or some are not finite.
    """
    for values in (first, second):
        if values.ndim != 1 or len(values) < 2 or not np.isfinite(values).all():
            raise BadArgument(
                f"expected at least two finite values, got an array of shape {values.shape}"
            )
    pooled = np.concatenate([first, second])
    spread = float(np.ptp(pooled))
    if spread == 0:
        return 1.0
    bandwidths = [_bandwidth(values, spread) for values in (first, second)]
    margin = _MARGIN * max(bandwidths)
    grid = np.linspace(pooled.min() - margin, pooled.max() + margin, _N_POINTS)
    densities = [
        _density(np.asarray(values, np.float64), bandwidth, grid)
        for values, bandwidth in zip((first, second), bandwidths, strict=True)
    ]
    lower = np.minimum(*densities)
    area = float((lower[1:] + lower[:-1]).sum()) / 2 * float(grid[1] - grid[0])
    return min(area, 1.0)


def _bandwidth(values: FloatArray, spread: float) -> float:
    scott = float(values.std(ddof=1)) * len(values) ** -0.2
    return float(max(scott, _MIN_BANDWIDTH * spread))


def _density(values: FloatArray, bandwidth: float, grid: FloatArray) -> FloatArray:
    total = np.zeros(len(grid))
    for part in np.array_split(values, max(len(values) // 1000, 1)):
        total += np.exp(-0.5 * ((grid[:, None] - part) / bandwidth) ** 2).sum(axis=1)
    return np.asarray(total / (len(values) * bandwidth * np.sqrt(2 * np.pi)))


def _check_pair(a: IntArray, b: IntArray, first: str, second: str) -> None:
    if a.ndim != 1 or a.shape != b.shape:
        raise BadArgument(
            f"{first} of shape {a.shape} and {second} of shape {b.shape}: one for each note"
        )


def _check_grid(onsets: NDArray[np.bool_]) -> None:
    if onsets.ndim != 2 or not onsets.shape[1] or onsets.dtype != bool:
        raise BadArgument(
            f"expected onsets of shape (bars, steps), bool, got {onsets.shape}, {onsets.dtype}"
        )


# --- voice leading ---

#: Lowest and highest MIDI pitch of soprano, alto, tenor and bass in textbooks of harmony.
VOICE_RANGES: Final = ((60, 81), (55, 74), (48, 67), (40, 62))


@dataclass(frozen=True, slots=True)
class VoiceLeadingErrors:
    """Counts of voice-leading errors.

    Attributes
    ----------
    frames : int
        Number of frames that are not silent.
    parallels : int
        Number of parallel fifths, octaves and unisons between two voices that both move.
    out_of_range : int
        Number of pitches outside `VOICE_RANGES`, over all frames and voices.
    crossings : int
        Number of voice crossings between adjacent voices, over all frames.
    """

    frames: int
    parallels: int
    out_of_range: int
    crossings: int

    @property
    def parallels_per_100(self) -> float:
        """Parallels per 100 frames."""
        return 100 * self.parallels / max(self.frames, 1)


def voice_leading_errors(pitches: NDArray[np.integer]) -> VoiceLeadingErrors:
    """Count the voice-leading errors of four voices.

    Parameters
    ----------
    pitches : ndarray, shape (frames, 4), int
        MIDI pitches of soprano, alto, tenor and bass; negative for rests.

    Returns
    -------
    VoiceLeading
    """
    if pitches.ndim != 2 or pitches.shape[1] != len(VOICE_RANGES):
        raise BadArgument(
            f"pitches of shape {pitches.shape}; expected (frames, {len(VOICE_RANGES)})"
        )
    sounding = pitches >= 0
    parallels = 0
    is_held = sounding[1:] & sounding[:-1]
    moves = (pitches[1:] != pitches[:-1]) & is_held
    for upper, lower in combinations(range(len(VOICE_RANGES)), 2):
        interval = (pitches[:, upper] - pitches[:, lower]) % 12
        is_parallel = (interval[1:] == interval[:-1]) & np.isin(interval[1:], (0, 7))
        parallels += int((is_parallel & moves[:, upper] & moves[:, lower]).sum())
    low, high = np.array(VOICE_RANGES).T
    out_of_range = sounding & ((pitches < low) | (pitches > high))
    crossings = (pitches[:, 1:] > pitches[:, :-1]) & sounding[:, 1:] & sounding[:, :-1]
    return VoiceLeadingErrors(
        int(sounding.any(axis=1).sum()), parallels, int(out_of_range.sum()), int(crossings.sum())
    )


# --- piano rolls ---

_BEATS: Final = 4
_SIXTEENTHS: Final = 16
_THIRTY_SECONDS: Final = 32
#: Angle per semitone, and radius, of the circles of Harte et al. 2006: fifths, minor and major
#: thirds.
_ANGLES: Final = (7 * np.pi / 6, 3 * np.pi / 2, 2 * np.pi / 3)
_RADII: Final = (1.0, 1.0, 0.5)


@dataclass(frozen=True, slots=True)
class NoteScores:
    """Note-level precision, recall and F1.

    Attributes
    ----------
    matched : int
        Number of estimated notes whose onset and pitch are in the reference.
    estimated, reference : int
        Number of notes.
    """

    matched: int
    estimated: int
    reference: int

    @property
    def precision(self) -> float:
        """Precision; NaN without estimated notes."""
        return self.matched / self.estimated if self.estimated else float("nan")

    @property
    def recall(self) -> float:
        """Recall; NaN without reference notes."""
        return self.matched / self.reference if self.reference else float("nan")

    @property
    def f1(self) -> float:
        """F1 score; NaN without notes."""
        total = self.estimated + self.reference
        return 2 * self.matched / total if total else float("nan")


def roll_onsets(cells: BoolArray) -> BoolArray:
    """Return the cells at which a note begins.

    Parameters
    ----------
    cells : ndarray, shape (..., steps, pitches), bool
        The step before the first counts as silent.
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
    onsets, targets = roll_onsets(estimate), roll_onsets(reference)
    counts = (np.count_nonzero(cells) for cells in (onsets & targets, onsets, targets))
    return NoteScores(*map(int, counts))


def roll_empty_bar_rate(bars: BoolArray) -> float:
    """Return the share of bars without a note."""
    _check(bars)
    return float(1 - bars.any(axis=(1, 2)).mean())


def n_pitch_classes_used(bars: BoolArray) -> float:
    """Return the mean number of pitch classes used in a bar, over the bars that are not empty."""
    _check(bars)
    playing = bars[bars.any(axis=(1, 2))]
    if not len(playing):
        return float("nan")
    return float((_chroma(playing) > 0).sum(axis=1).mean())


def qualified_note_rate(bars: BoolArray) -> float:
    """Return the share of notes of at least a thirty-second, as published.

    Adjacent cells are one note, across bar lines too.
    """
    _check(bars)
    flat = bars.reshape(-1, bars.shape[2]).T.astype(np.int8)
    edges = np.diff(np.pad(flat, ((0, 0), (1, 1))), axis=1)
    lengths = np.nonzero(edges == -1)[1] - np.nonzero(edges == 1)[1]
    if not len(lengths):
        return float("nan")
    return float((lengths * _THIRTY_SECONDS >= bars.shape[1]).mean())


def drum_in_pattern_rate(bars: BoolArray) -> float:
    """Return the share of drum onsets on a sixteenth of the bar.

    The published metric gives adjacent steps a small credit, which is left out here.
    """
    _check(bars)
    onsets = roll_onsets(bars.reshape(-1, bars.shape[2])).reshape(bars.shape).sum(axis=(0, 2))
    on_grid = onsets[:: bars.shape[1] // _SIXTEENTHS].sum()
    return float(on_grid / onsets.sum()) if onsets.sum() else float("nan")


def tonal_distance(first: BoolArray, second: BoolArray) -> float:
    """Return the mean tonal distance of two instruments over the beats in which both sound.

    The distance of the tonal centroids of a beat (Harte, Sandler & Gasser, "Detecting harmonic
    change in musical audio", AMCMM 2006); 0 for the same pitch classes.
    """
    _check(first)
    _check(second)
    beats = [bars.reshape(-1, bars.shape[1] // _BEATS, bars.shape[2]) for bars in (first, second)]
    both_sound = beats[0].any(axis=(1, 2)) & beats[1].any(axis=(1, 2))
    if not both_sound.any():
        return float("nan")
    centroids = [tonal_centroids(_chroma(bars[both_sound])) for bars in beats]
    return float(np.linalg.norm(centroids[0] - centroids[1], axis=1).mean())


def tonal_centroids(chroma: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the tonal centroids, shape (n, 6), of nonzero chroma vectors, shape (n, 12)."""
    classes = np.arange(_CLASSES)
    circles = [
        radius * function(classes * angle)
        for angle, radius in zip(_ANGLES, _RADII, strict=True)
        for function in (np.sin, np.cos)
    ]
    return np.asarray(chroma / chroma.sum(axis=1, keepdims=True) @ np.array(circles).T)


def _chroma(bars: BoolArray) -> NDArray[np.float64]:
    """Count the cells of each pitch class, shape (n, 12)."""
    counts = bars.sum(axis=1)
    padded = np.pad(counts, ((0, 0), (0, -counts.shape[1] % _CLASSES)))
    chroma = padded.reshape(len(bars), -1, _CLASSES).sum(axis=1)
    return np.asarray(chroma, np.float64)


def _check(bars: BoolArray) -> None:
    if bars.ndim != 3 or not len(bars) or bars.shape[1] % _SIXTEENTHS:
        raise BadArgument(
            f"expected bars of shape (n, steps, pitches), steps a multiple of {_SIXTEENTHS}, got "
            f"{bars.shape}"
        )

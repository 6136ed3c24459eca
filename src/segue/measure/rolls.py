"""What piano rolls are like, and how many notes of one are in another.

The statistics are those of MuseGAN (Dong et al., AAAI 2018, section "Objective metrics"): to be
compared between music and what a model makes, not good or bad by themselves. All take cells of
bars: (bars, steps, pitches), bool, of one instrument; steps divide the bar evenly, and the first
pitch is a C.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument

Cells = NDArray[np.bool_]

_CLASSES: Final = 12
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


def onsets(cells: Cells) -> Cells:
    """Return the cells at which a note begins.

    Parameters
    ----------
    cells : ndarray, shape (..., steps, pitches), bool
        Before the first step all is silent.
    """
    before = np.zeros_like(cells)
    before[..., 1:, :] = cells[..., :-1, :]
    return np.asarray(cells & ~before)


def note_scores(estimate: Cells, reference: Cells) -> NoteScores:
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
    one, other = onsets(estimate), onsets(reference)
    return NoteScores(*(int(np.count_nonzero(cells)) for cells in (one & other, one, other)))


def empty_bars(bars: Cells) -> float:
    """Return the share of bars without a note."""
    _check(bars)
    return float(1 - bars.any(axis=(1, 2)).mean())


def used_pitch_classes(bars: Cells) -> float:
    """Return how many of the twelve pitch classes a bar that is not empty uses, on average."""
    _check(bars)
    playing = bars[bars.any(axis=(1, 2))]
    if not len(playing):
        return float("nan")
    return float((_chroma(playing) > 0).sum(axis=1).mean())


def qualified_notes(bars: Cells) -> float:
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


def drum_pattern(bars: Cells) -> float:
    """Return the share of drum strokes that lie on a sixteenth of the bar.

    Published as the share of notes in patterns of 8 or 16 beats, with a little credit for the
    steps beside them, which is left out here.
    """
    _check(bars)
    strokes = onsets(bars.reshape(-1, bars.shape[2])).reshape(bars.shape).sum(axis=(0, 2))
    on_grid = strokes[:: bars.shape[1] // _SIXTEENTHS].sum()
    return float(on_grid / strokes.sum()) if strokes.sum() else float("nan")


def tonal_distance(one: Cells, other: Cells) -> float:
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


def _chroma(bars: Cells) -> NDArray[np.float64]:
    """Count the cells of each pitch class, shape (n, 12)."""
    each = bars.sum(axis=1)
    padded = np.pad(each, ((0, 0), (0, -each.shape[1] % _CLASSES)))
    counts = padded.reshape(len(bars), -1, _CLASSES).sum(axis=1)
    return np.asarray(counts, np.float64)


def _check(bars: Cells) -> None:
    if bars.ndim != 3 or not len(bars) or bars.shape[1] % _SIXTEENTHS:
        raise BadArgument(
            f"expected bars of shape (n, steps, pitches), steps a multiple of {_SIXTEENTHS}, got "
            f"{bars.shape}"
        )

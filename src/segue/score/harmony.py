"""Key and chords of a score."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.records import Score
from segue.score.timing import BarGrid, NoteTable, bar_grid, note_table
from segue.theory.chords import chord_name, sharps_of, tonic_name
from segue.theory.keys import MODES, key_fits

FloatArray = NDArray[np.float64]

#: Turns a lead in fit into a chance; chosen, with the next, on one half of bench/score_keys.py.
_DOUBT: Final = 0.07
#: What it adds to a key's fit to be that of the lowest note at the end.
_FINAL: Final = 0.05
#: Longer notes count as so long: one that was never ended must not drown the others.
_LONGEST_QUARTERS: Final = 16

#: What musicians write after the root, and the pitch classes above it; those before win ties.
_QUALITIES: Final[dict[str, tuple[int, ...]]] = {
    "": (0, 4, 7),
    "m": (0, 3, 7),
    "7": (0, 4, 7, 10),
    "m7": (0, 3, 7, 10),
    "maj7": (0, 4, 7, 11),
    "sus4": (0, 5, 7),
    "dim": (0, 3, 6),
    "m7b5": (0, 3, 6, 10),
    "dim7": (0, 3, 6, 9),
    "aug": (0, 4, 8),
}
#: What must be overcome by a chord that is rarer than the three usual ones.
_RARE: Final = {"7": 0.05, "m7": 0.05, "maj7": 0.05, "sus4": 0.05, "dim": 0.08, "m7b5": 0.1,
                "dim7": 0.1, "aug": 0.12}  # fmt: skip
#: What the lowest note adds to the chord that it is the root of; in a tune alone nothing is below.
_ROOT_IN_BASS: Final = 0.15
#: So many notes sound at once, on the whole, where the lowest is a bass.
_FULL: Final = 1.3
#: The root counts a little more, so that a note alone is one.
_ROOT: Final = 1.2
#: What it adds under a tune alone, where little is heard of a chord, to be of the key's own notes.
_OF_THE_KEY: Final = 0.10
_SCALES: Final = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10, 11))
#: Two chords in a bar must fit so much better than one.
_TWO_CHORDS: Final = 0.10
NO_CHORD: Final = "N.C."


@dataclass(frozen=True, slots=True, eq=False)
class ScoreKey:
    """The key of a score.

    Attributes
    ----------
    tonic : int
        Pitch class, 0 for C.
    mode : str
        "major" or "minor".
    confidence : float
        Chance that the key is right, 1/24 to 1.
    fits : ndarray, shape (24,), float32
        Correlation with each key, twelve major and twelve minor.
    """

    tonic: int
    mode: str
    confidence: float
    fits: NDArray[np.float32]

    @property
    def name(self) -> str:
        """Return the key as "Db major", spelled as its signature is."""
        return f"{tonic_name(self.tonic, is_minor=self.mode == MODES[1])} {self.mode}"


@dataclass(frozen=True, slots=True)
class Chord:
    """A chord of a score.

    Attributes
    ----------
    bar : int
        From 0.
    start, end : int
        Ticks.
    name : str
        As musicians write it: "Dm7", "F/A"; "N.C." where there is none.
    root, bass : int
        Pitch classes, 0 for C; -1 where there is no chord.
    quality : str
        What follows the root: "m7".
    """

    bar: int
    start: int
    end: int
    name: str
    root: int
    bass: int
    quality: str


def estimate_key(score: Score) -> ScoreKey:
    """Find the key of a score from how long each pitch class sounds, and from how it ends.

    The correlation is Krumhansl's with the profiles of Albrecht & Shanahan (2013).

    Parameters
    ----------
    score : Score

    Returns
    -------
    ScoreKey
        Confidence 1/24 where nothing has a pitch.
    """
    notes = note_table(score)
    if not len(notes):
        return ScoreKey(0, MODES[0], 1 / 24, np.zeros(24, np.float32))
    longest = _LONGEST_QUARTERS * score.ticks_per_quarter
    length = np.minimum(notes.duration, longest).astype(np.float64)
    fits = key_fits(np.bincount(notes.pitch % 12, length, minlength=12).astype(np.float32))
    leads = fits.astype(np.float64)
    leads[[_final(notes, score.ticks_per_quarter) + offset for offset in (0, 12)]] += _FINAL
    best = int(leads.argmax())
    chances = np.exp((leads - leads[best]) / _DOUBT)
    return ScoreKey(best % 12, MODES[best // 12], float(1 / chances.sum()), fits)


def with_estimated_key(score: Score) -> Score:
    """Give a score the key that it is in, where it tells none: what it is spelled and signed by.

    Parameters
    ----------
    score : Score

    Returns
    -------
    Score
        With one key from its start, of at most six sharps or flats; the same where it has any.
    """
    if len(score.keys):
        return score
    found = estimate_key(score)
    is_minor = found.mode == MODES[1]
    sharps = sharps_of(found.tonic, is_minor=is_minor)
    return replace(score, keys=np.array([[0, sharps, int(is_minor)]], np.int32))


def _final(notes: NoteTable, ticks_per_quarter: int) -> int:
    """Return the pitch class of the lowest note that sounds at the end."""
    ends = notes.onset + notes.duration
    return int(notes.pitch[ends > ends.max() - ticks_per_quarter / 2].min()) % 12


def estimate_chords(score: Score) -> tuple[Chord, ...]:
    """Name the chord of each bar, or of its halves where they clearly differ.

    Parameters
    ----------
    score : Score

    Returns
    -------
    tuple of Chord
        In order, without gaps.
    """
    divided = bar_grid(score)
    notes = note_table(score)
    key = estimate_key(score)
    of_the_key, signatures = _OF_THE_KEY * _is_of(key), _signatures(score, key)
    whole = _fits_of(notes, divided.edges, of_the_key)
    middle = (divided.edges[:-1] + divided.edges[1:]) // 2
    halves = _fits_of(notes, np.sort(np.concatenate([divided.edges, middle])), of_the_key)
    found = []
    for bar in range(len(divided)):
        start, end = int(divided.edges[bar]), int(divided.edges[bar + 1])
        if _has_two(divided, bar, halves):
            found.append(_chord(halves, 2 * bar, (bar, start, int(middle[bar])), signatures))
            found.append(_chord(halves, 2 * bar + 1, (bar, int(middle[bar]), end), signatures))
        else:
            found.append(_chord(whole, bar, (bar, start, end), signatures))
    return tuple(found)


@dataclass(frozen=True, slots=True, eq=False)
class _Fits:
    """How well each chord fits each stretch.

    Attributes
    ----------
    best : ndarray, shape (stretches,), int64
        The template, -1 where nothing sounds.
    fit : ndarray, shape (stretches,), float64
    all : ndarray, shape (stretches, templates), float64
    bass : ndarray, shape (stretches,), int64
        Pitch class of the lowest note.
    has_bass : ndarray, shape (stretches,), bool
        Something sounds above it: this is no tune alone.
    """

    best: NDArray[np.int64]
    fit: FloatArray
    all: FloatArray
    bass: NDArray[np.int64]
    has_bass: NDArray[np.bool_]


def _has_two(divided: BarGrid, bar: int, halves: _Fits) -> bool:
    first, second = 2 * bar, 2 * bar + 1
    if divided.numerators[bar] % 2 or halves.best[first] == halves.best[second]:
        return False
    if min(halves.best[first], halves.best[second]) < 0:
        return False
    together = halves.all[first] + halves.all[second]
    apart = halves.fit[first] + halves.fit[second]
    return bool(apart > together.max() + _TWO_CHORDS)


def _signatures(score: Score, key: ScoreKey) -> list[tuple[int, int, bool]]:
    """Return from which tick on chords are spelled in which key: its sharps, and if it is minor.

    What is written counts, but for a C major alone, which programs write who know of no key.
    """
    written = [(tick, sharps, bool(minor)) for tick, sharps, minor in score.keys.tolist()]
    if any((sharps, minor) != (0, False) for _, sharps, minor in written):
        return written
    is_minor = key.mode == MODES[1]
    return [(0, sharps_of(key.tonic, is_minor=is_minor), is_minor)]


def _chord(
    fits: _Fits,
    at: int,
    place: tuple[int, int, int],
    signatures: Sequence[tuple[int, int, bool]],
) -> Chord:
    """Name the chord of a stretch, whose place is its bar, first tick and last."""
    bar, start, end = place
    best, bass = int(fits.best[at]), int(fits.bass[at])
    if best < 0:
        return Chord(bar, start, end, NO_CHORD, -1, -1, "")
    root, quality = best % 12, list(_QUALITIES)[best // 12]
    tones = {(root + tone) % 12 for tone in _QUALITIES[quality]}
    shown = bass if bass in tones and fits.has_bass[at] else root
    _, sharps, is_minor = [row for row in signatures if row[0] <= start or row is signatures[0]][-1]
    name = chord_name(root, quality, shown, sharps, is_minor=is_minor)
    return Chord(bar, start, end, name, root, bass, quality)


def _fits_of(notes: NoteTable, edges: NDArray[np.int64], more: FloatArray) -> _Fits:
    """Compare what sounds between successive edges with every chord."""
    count = len(edges) - 1
    stretch, note, overlap = _overlaps(notes, edges)
    pitch = notes.pitch[note]
    length = np.maximum(np.diff(edges), 1).astype(np.float64)
    sounding = np.zeros((count, 12))
    np.add.at(sounding, (stretch, pitch % 12), overlap)
    bass = _bass(stretch, pitch, overlap >= length[stretch] / 8, count)
    templates = _templates()
    share = np.sqrt(sounding / np.maximum(sounding.sum(axis=1, keepdims=True), 1e-9))
    fit = share @ templates.T
    roots = np.arange(len(templates)) % 12
    has_bass = np.bincount(stretch, overlap, minlength=count) > _FULL * length
    fit += _ROOT_IN_BASS * ((bass[:, None] == roots) & has_bass[:, None])
    fit -= np.repeat([_RARE.get(quality, 0.0) for quality in _QUALITIES], 12)
    fit += more * ~has_bass[:, None]
    fit[bass < 0] = 0
    best = np.where(bass < 0, -1, fit.argmax(axis=1))
    return _Fits(best, fit.max(axis=1, initial=0), fit, bass, has_bass)


def _overlaps(
    notes: NoteTable, edges: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], FloatArray]:
    """List which note sounds in which stretch for how many ticks."""
    count = len(edges) - 1
    ends = notes.onset + notes.duration
    first = np.clip(np.searchsorted(edges, notes.onset, side="right") - 1, 0, count - 1)
    last = np.clip(np.searchsorted(edges, ends, side="left") - 1, first, count - 1)
    # A note that was never ended must not fill the memory.
    spans = np.minimum(last - first, 2 * _LONGEST_QUARTERS) + 1
    note = np.repeat(np.arange(len(notes)), spans)
    stretch = (
        np.repeat(first, spans) + np.arange(len(note)) - np.repeat(np.cumsum(spans) - spans, spans)
    )
    since = np.maximum(notes.onset[note], edges[stretch])
    overlap = np.minimum(ends[note], edges[stretch + 1]) - since
    return stretch, note, np.maximum(overlap, 0).astype(np.float64)


def _bass(
    stretch: NDArray[np.int64], pitch: NDArray[np.int64], is_held: NDArray[np.bool_], count: int
) -> NDArray[np.int64]:
    """Return the pitch class of the lowest held note of each stretch, else of the lowest; or -1."""
    lowest = np.full(count, 1000)
    np.minimum.at(lowest, stretch[is_held], pitch[is_held])
    touched = np.full(count, 1000)
    np.minimum.at(touched, stretch, pitch)
    lowest = np.where(lowest == 1000, touched, lowest)
    return np.where(lowest == 1000, -1, lowest % 12).astype(np.int64)


def _is_of(key: ScoreKey) -> FloatArray:
    """Return 1 for each chord whose notes are all in the scale of a key, else 0."""
    scale = np.zeros(12)
    scale[[(key.tonic + step) % 12 for step in _SCALES[MODES.index(key.mode)]]] = 1
    outside = (_templates() > 0) & (scale == 0)
    return np.asarray(~outside.any(axis=1), np.float64)


@cache
def _templates() -> FloatArray:
    """Return the unit vectors of all chords, shape (qualities × 12, 12), by quality, then root."""
    rows = []
    for tones in _QUALITIES.values():
        row = np.zeros(12)
        row[list(tones)] = 1
        row[0] = _ROOT
        row /= np.linalg.norm(row)
        rows += [np.roll(row, root) for root in range(12)]
    return np.array(rows)

"""Key estimation and chord recognition for scores.

The key is the best correlation of the duration-weighted pitch class histogram with the profiles of
Albrecht & Shanahan (2013), as Krumhansl & Schmuckler do it, with a bonus for the final bass note.
Chords are the best of ten templates in twelve transpositions, for each bar or half bar.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.records import Score
from segue.score.timing import BarGrid, NoteTable, bar_grid, note_table
from segue.theory.chords import QUALITIES, spell_chord
from segue.theory.keys import MODES, key_correlations, key_signature, spell_tonic

FloatArray = NDArray[np.float64]

#: Temperature of the softmax over keys; tuned, like the next, on one half of bench/score_keys.py.
_KEY_TEMPERATURE: Final = 0.07
#: Bonus for the keys whose tonic is the lowest note at the end.
_FINAL_BASS_BONUS: Final = 0.05
#: Durations are clipped here, so that a note without a note-off does not outweigh the others.
_MAX_QUARTERS: Final = 16

#: Without those that differ little from others; the first of equals wins.
_QUALITIES: Final = {
    quality: tones for quality, tones in QUALITIES.items() if quality not in ("sus2", "7sus4", "6")
}
#: Penalties of rarer qualities.
_QUALITY_PENALTIES: Final = {
    "7": 0.05, "m7": 0.05, "maj7": 0.05, "sus4": 0.05, "dim": 0.08, "m7b5": 0.1, "dim7": 0.1,
    "aug": 0.12,
}  # fmt: skip
#: Bonus for chords in root position, where there is a bass.
_ROOT_POSITION_BONUS: Final = 0.15
#: Mean polyphony above which the lowest note counts as a bass.
_BASS_MIN_POLYPHONY: Final = 1.3
#: Weight of the root in a template, so that a single note is a root.
_ROOT_WEIGHT: Final = 1.2
#: Bonus for diatonic chords where there is only a melody.
_DIATONIC_BONUS: Final = 0.10
_SCALES: Final = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10, 11))
#: Margin by which two chords must fit a bar better than one.
_SPLIT_MARGIN: Final = 0.10
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
        Softmax probability of the key, 1/24 to 1.
    correlations : ndarray, shape (24,), float32
        Correlation with the profile of each key, twelve major and then twelve minor.
    """

    tonic: int
    mode: str
    confidence: float
    correlations: NDArray[np.float32]

    @property
    def name(self) -> str:
        """Name such as "Db major", spelled as in the key signature."""
        return f"{spell_tonic(self.tonic, is_minor=self.mode == MODES[1])} {self.mode}"


@dataclass(frozen=True, slots=True)
class Chord:
    """A chord of a score.

    Attributes
    ----------
    bar : int
        Index of its bar.
    start, end : int
        In ticks.
    name : str
        Chord symbol such as "Dm7" or "F/A"; "N.C." for no chord.
    root, bass : int
        Pitch classes, 0 for C; -1 for no chord.
    quality : str
        Suffix of the symbol, such as "m7".
    """

    bar: int
    start: int
    end: int
    name: str
    root: int
    bass: int
    quality: str


def estimate_key(score: Score) -> ScoreKey:
    """Estimate the key of a score from its pitch class histogram and its final bass note.

    Returns
    -------
    ScoreKey
        C major with confidence 1/24 for a score without pitched notes.
    """
    notes = note_table(score)
    if not len(notes):
        return ScoreKey(0, MODES[0], 1 / 24, np.zeros(24, np.float32))
    max_duration = _MAX_QUARTERS * score.ticks_per_quarter
    duration = np.minimum(notes.duration, max_duration).astype(np.float64)
    histogram = np.bincount(notes.pitch % 12, duration, minlength=12).astype(np.float32)
    correlations = key_correlations(histogram)
    logits = correlations.astype(np.float64)
    final = _final_bass(notes, score.ticks_per_quarter)
    logits[[final, final + 12]] += _FINAL_BASS_BONUS
    best = int(logits.argmax())
    odds = np.exp((logits - logits[best]) / _KEY_TEMPERATURE)
    return ScoreKey(best % 12, MODES[best // 12], float(1 / odds.sum()), correlations)


def with_estimated_key(score: Score) -> Score:
    """Add the estimated key to a score without a key signature.

    Returns
    -------
    Score
        With one key signature, at its start, of at most six sharps or flats; the score itself if
        it has any.
    """
    if len(score.keys):
        return score
    key = estimate_key(score)
    is_minor = key.mode == MODES[1]
    sharps = key_signature(key.tonic, is_minor=is_minor)
    return replace(score, keys=np.array([[0, sharps, int(is_minor)]], np.int32))


def _final_bass(notes: NoteTable, ticks_per_quarter: int) -> int:
    """Return the pitch class of the lowest note that sounds at the end."""
    ends = notes.onset + notes.duration
    return int(notes.pitch[ends > ends.max() - ticks_per_quarter / 2].min()) % 12


def estimate_chords(score: Score) -> tuple[Chord, ...]:
    """Estimate the chord of each bar, or of each half bar where these clearly differ.

    Returns
    -------
    tuple of Chord
        In order, without gaps.
    """
    grid = bar_grid(score)
    notes = note_table(score)
    key = estimate_key(score)
    bonus, signatures = _DIATONIC_BONUS * _is_diatonic(key), _key_signatures(score, key)
    whole = _match(notes, grid.edges, bonus)
    middle = (grid.edges[:-1] + grid.edges[1:]) // 2
    halves = _match(notes, np.sort(np.concatenate([grid.edges, middle])), bonus)
    chords = []
    for bar in range(len(grid)):
        start, end = int(grid.edges[bar]), int(grid.edges[bar + 1])
        if _has_two(grid, bar, halves):
            chords.append(_chord(halves, 2 * bar, (bar, start, int(middle[bar])), signatures))
            chords.append(_chord(halves, 2 * bar + 1, (bar, int(middle[bar]), end), signatures))
        else:
            chords.append(_chord(whole, bar, (bar, start, end), signatures))
    return tuple(chords)


def written_chords(score: Score) -> tuple[Chord, ...]:
    """Return the chord symbols of a score with their times; roots and basses are left at -1."""
    grid = bar_grid(score)
    ends = [*(tick for tick, _ in score.chords[1:]), int(grid.edges[-1])]
    return tuple(
        Chord(int(grid.index_of(np.array([start]))[0]), start, end, name, -1, -1, "")
        for (start, name), end in zip(score.chords, ends, strict=False)
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Matches:
    """How well each chord template matches each segment.

    Attributes
    ----------
    best : ndarray, shape (segments,), int64
        Index of the best template; -1 for a silent segment.
    best_scores : ndarray, shape (segments,), float64
    scores : ndarray, shape (segments, templates), float64
    bass : ndarray, shape (segments,), int64
        Pitch class of the lowest note.
    has_bass : ndarray, shape (segments,), bool
        Whether there is more than a melody.
    """

    best: NDArray[np.int64]
    best_scores: FloatArray
    scores: FloatArray
    bass: NDArray[np.int64]
    has_bass: NDArray[np.bool_]


def _has_two(grid: BarGrid, bar: int, halves: _Matches) -> bool:
    first, second = 2 * bar, 2 * bar + 1
    if grid.numerators[bar] % 2 or halves.best[first] == halves.best[second]:
        return False
    if min(halves.best[first], halves.best[second]) < 0:
        return False
    as_one = (halves.scores[first] + halves.scores[second]).max()
    as_two = halves.best_scores[first] + halves.best_scores[second]
    return bool(as_two > as_one + _SPLIT_MARGIN)


def _key_signatures(score: Score, key: ScoreKey) -> list[tuple[int, int, bool]]:
    """Return the key signatures that chords are spelled in: tick, sharps, whether minor.

    Key signatures of the score count, except a lone C major, which many programs write by default.
    """
    written = [(tick, sharps, bool(minor)) for tick, sharps, minor in score.keys.tolist()]
    if any((sharps, minor) != (0, False) for _, sharps, minor in written):
        return written
    is_minor = key.mode == MODES[1]
    return [(0, key_signature(key.tonic, is_minor=is_minor), is_minor)]


def _chord(
    matches: _Matches,
    segment: int,
    position: tuple[int, int, int],
    signatures: Sequence[tuple[int, int, bool]],
) -> Chord:
    """Return the chord of a segment, given its bar, start and end."""
    bar, start, end = position
    best, bass = int(matches.best[segment]), int(matches.bass[segment])
    if best < 0:
        return Chord(bar, start, end, NO_CHORD, -1, -1, "")
    root, quality = best % 12, list(_QUALITIES)[best // 12]
    tones = {(root + tone) % 12 for tone in _QUALITIES[quality]}
    written_bass = bass if bass in tones and matches.has_bass[segment] else root
    _, sharps, is_minor = [row for row in signatures if row[0] <= start or row is signatures[0]][-1]
    name = spell_chord(root, quality, written_bass, sharps, is_minor=is_minor)
    return Chord(bar, start, end, name, root, bass, quality)


def _match(notes: NoteTable, edges: NDArray[np.int64], diatonic_bonus: FloatArray) -> _Matches:
    """Match the chroma of each segment between successive edges with the chord templates."""
    count = len(edges) - 1
    segment, note, overlap = _overlaps(notes, edges)
    pitch = notes.pitch[note]
    length = np.maximum(np.diff(edges), 1).astype(np.float64)
    chroma = np.zeros((count, 12))
    np.add.at(chroma, (segment, pitch % 12), overlap)
    bass = _bass(segment, pitch, overlap >= length[segment] / 8, count)
    templates = _templates()
    # Unit vectors of the roots of the shares, so that one long note does not decide.
    unit = np.sqrt(chroma / np.maximum(chroma.sum(axis=1, keepdims=True), 1e-9))
    scores = unit @ templates.T
    roots = np.arange(len(templates)) % 12
    has_bass = np.bincount(segment, overlap, minlength=count) > _BASS_MIN_POLYPHONY * length
    scores += _ROOT_POSITION_BONUS * ((bass[:, None] == roots) & has_bass[:, None])
    scores -= np.repeat([_QUALITY_PENALTIES.get(quality, 0.0) for quality in _QUALITIES], 12)
    scores += diatonic_bonus * ~has_bass[:, None]
    scores[bass < 0] = 0
    best = np.where(bass < 0, -1, scores.argmax(axis=1))
    return _Matches(best, scores.max(axis=1, initial=0), scores, bass, has_bass)


def _overlaps(
    notes: NoteTable, edges: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], FloatArray]:
    """Return segment, note and overlap in ticks of each pair of a segment and a note in it."""
    count = len(edges) - 1
    ends = notes.onset + notes.duration
    first = np.clip(np.searchsorted(edges, notes.onset, side="right") - 1, 0, count - 1)
    last = np.clip(np.searchsorted(edges, ends, side="left") - 1, first, count - 1)
    # Bounds the memory that a note without a note-off takes.
    spans = np.minimum(last - first, 2 * _MAX_QUARTERS) + 1
    note = np.repeat(np.arange(len(notes)), spans)
    segment = (
        np.repeat(first, spans) + np.arange(len(note)) - np.repeat(np.cumsum(spans) - spans, spans)
    )
    start = np.maximum(notes.onset[note], edges[segment])
    overlap = np.minimum(ends[note], edges[segment + 1]) - start
    return segment, note, np.maximum(overlap, 0).astype(np.float64)


def _bass(
    segment: NDArray[np.int64], pitch: NDArray[np.int64], is_held: NDArray[np.bool_], count: int
) -> NDArray[np.int64]:
    """Return the pitch class of the lowest held note of each segment, else of the lowest; or -1."""
    none = 1000
    held = np.full(count, none)
    np.minimum.at(held, segment[is_held], pitch[is_held])
    lowest = np.full(count, none)
    np.minimum.at(lowest, segment, pitch)
    lowest = np.where(held == none, lowest, held)
    return np.where(lowest == none, -1, lowest % 12).astype(np.int64)


def _is_diatonic(key: ScoreKey) -> FloatArray:
    """Return 1 for each template whose tones are all in the scale of a key, else 0."""
    scale = np.zeros(12)
    scale[[(key.tonic + step) % 12 for step in _SCALES[MODES.index(key.mode)]]] = 1
    outside = (_templates() > 0) & (scale == 0)
    return np.asarray(~outside.any(axis=1), np.float64)


@cache
def _templates() -> FloatArray:
    """Return the templates as unit vectors, shape (qualities × 12, 12), by quality, then root."""
    rows = []
    for tones in _QUALITIES.values():
        row = np.zeros(12)
        row[list(tones)] = 1
        row[0] = _ROOT_WEIGHT
        row /= np.linalg.norm(row)
        rows += [np.roll(row, root) for root in range(12)]
    return np.array(rows)

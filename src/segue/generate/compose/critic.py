"""The critic: estimates whether bars are real or generated, given the bars around them.

Windows of four bars are compared with the bars before and after them by figures such as how much
of the rhythm, the pitches and the instruments occurred before. A multinomial logistic regression on
them tells bars of real pieces, bars that the composer generated in their place, and corrupted bars
(`recipes/critic.py`). Without the last ones, notes at random would look most real, since the
composer repeats too much rather than too little. It ranks takes; its accuracy on other pieces is
in bench/tables/critic.md.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Final, Self

import numpy as np
from safetensors.numpy import load_file, save_file

from segue.builtin_spaces import WEIGHTS
from segue.generate.compose.tokens import STEPS_PER_QUARTER, Bar, Note, steps_per_bar
from segue.records import DoubleArray
from segue.theory.instruments import DRUMS

PRETRAINED: Final = WEIGHTS / "critic.safetensors"
CLASSES: Final = ("real", "generated", "shuffled", "random", "of another piece")
REAL: Final = 0
GENERATED: Final = 1
MAX_Z_SCORE: Final = 3.0
#: Bars of a window, between the beginnings of windows, and around a window.
WINDOW: Final = 4
_HOP: Final = 2
BEFORE: Final = 8
AFTER: Final = 4
_MAJOR: Final = np.isin(np.arange(12), (0, 2, 4, 5, 7, 9, 11))
#: Intervals in semitones, modulo an octave, that are dissonant.
_DISSONANT: Final = (1, 2, 6, 10, 11)

_Bars = Sequence[Bar]
_Cells = frozenset[tuple[int, ...]]


# ---- features ------------------------------------------------------------------------------


def _cells(bar: Bar, *, drums: bool, pitch: bool = True) -> _Cells:
    """Return the onsets of a bar in sixteenths, with their pitches or without."""
    quarter = STEPS_PER_QUARTER // 4
    return frozenset(
        (round(note.onset / quarter), note.pitch if pitch else 0)
        for note in bar.notes
        if (note.instrument == DRUMS) == drums
    )


def _jaccard(a: _Cells, b: _Cells) -> float:
    return len(a & b) / len(a | b) if a or b else np.nan


def _best_match(cells: Sequence[_Cells], others: Sequence[_Cells]) -> float:
    """Return the mean similarity of bars to the most similar one of others."""
    return _mean([max((_jaccard(a, b) for b in others), default=np.nan) for a in cells if a])


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else np.nan


def _std(values: Sequence[float]) -> float:
    return float(np.std(values)) if values else np.nan


def _notes(bars: _Bars) -> list[Note]:
    return [note for bar in bars for note in bar.notes]


def _pitched(bars: _Bars) -> list[Note]:
    return [note for note in _notes(bars) if note.instrument != DRUMS]


def _similarities(window: _Bars, before: _Bars, after: _Bars) -> dict[str, float]:
    """Return how much of the bars occurred before, occurs after, and is repeated within them."""
    features = {}
    kinds: dict[str, Callable[[Bar], _Cells]] = {
        "drums": lambda bar: _cells(bar, drums=True),
        "pitches": lambda bar: _cells(bar, drums=False),
        "rhythm": lambda bar: _cells(bar, drums=False, pitch=False),
    }
    for kind, cells_of in kinds.items():
        cells, earlier, later = (
            [cells_of(bar) for bar in bars] for bars in (window, before, after)
        )
        joined = [*earlier, *cells]
        start = len(earlier)
        own = [_jaccard(a, b) for a, b in pairwise(earlier)]
        for lag in (1, 2, 4):
            similarities = [
                _jaccard(joined[at], joined[at - lag])
                for at in range(start, len(joined))
                if at >= lag
            ]
            features[f"{kind}, lag {lag}"] = _mean(similarities)
        features[f"{kind}, lag 1, change"] = features[f"{kind}, lag 1"] - _mean(own)
        for name, others in (("before", earlier), ("after", later)):
            features[f"{kind}, best match {name}"] = _best_match(cells, others)
    return features


def _instruments(window: _Bars, before: _Bars, after: _Bars) -> dict[str, float]:
    """Return which instruments go on, pause, and begin."""
    lately = frozenset[int]().union(*(bar.instruments for bar in before[-WINDOW:]))
    soon = frozenset[int]().union(*(bar.instruments for bar in after))
    here = frozenset[int]().union(*(bar.instruments for bar in window))
    counts = [len(bar.instruments) for bar in window]
    before_count = _mean([len(bar.instruments) for bar in before[-WINDOW:]])
    drums = [{n.pitch for n in _notes(bars) if n.instrument == DRUMS} for bars in (window, before)]
    return {
        "instruments that go on": _mean(
            [len(b.instruments & lately) / max(len(lately), 1) for b in window]
        ),
        "instruments that begin": float(len(here - lately)),
        "instruments that go on after": len(here & soon) / len(soon) if soon else np.nan,
        "instruments a bar, change": _mean([float(n) for n in counts]) - before_count,
        "instruments a bar, spread": _std(counts),
        "drums that are new": float(len(drums[0] - drums[1])) if drums[1] else np.nan,
        "drums, change": float(len(drums[0]) - len(drums[1])) if drums[1] else np.nan,
    }


def _density(window: _Bars, before: _Bars, after: _Bars) -> dict[str, float]:
    """Return how the number of notes changes."""
    counts, earlier, later = (
        [float(np.log2(1 + len(bar.notes))) for bar in bars] for bars in (window, before, after)
    )
    joined = [*earlier[-1:], *counts, *later[:1]]
    return {
        "density, change": _mean(counts) - _mean(earlier),
        "density, spread": _std(counts) - _std(earlier),
        "density, largest step": max(abs(b - a) for a, b in pairwise(joined))
        if len(joined) > 1
        else np.nan,
        "empty bars": float(np.mean([not bar.notes for bar in window])),
    }


def _vocabulary(window: _Bars, before: _Bars) -> dict[str, float]:
    """Return shares of the notes whose properties occurred before in the same instrument."""
    features = {}
    properties: dict[str, Callable[[Note], int]] = {
        "pitches known": lambda note: note.pitch,
        "durations known": lambda note: note.duration,
        "onsets known": lambda note: note.onset,
        "velocities known": lambda note: note.velocity,
    }
    playing = {note.instrument for note in _notes(before)}
    notes = [note for note in _notes(window) if note.instrument in playing]
    for name, value_of in properties.items():
        known = {(note.instrument, value_of(note)) for note in _notes(before)}
        features[name] = _mean([float((n.instrument, value_of(n)) in known) for n in notes])
    known_cells = {(n.instrument, n.onset, n.pitch) for n in _notes(before)}
    features["notes known"] = _mean(
        [float((n.instrument, n.onset, n.pitch) in known_cells) for n in notes]
    )
    return features


def _figures(bars: _Bars) -> dict[str, float]:
    """Return figures of bars that are compared with those of the bars before."""
    notes = _pitched(bars)
    chroma = np.bincount([note.pitch % 12 for note in notes], minlength=12) / max(len(notes), 1)
    positive = chroma[chroma > 0]
    lengths = np.log2([note.duration for note in notes]) if notes else np.zeros(1)
    top = _top_line(bars)
    intervals = np.abs(np.diff(top)) if len(top) > 1 else np.full(1, np.nan)
    ends = [
        float(note.onset + note.duration > steps_per_bar(bar.time_signature))
        for bar in bars
        for note in bar.notes
        if note.instrument != DRUMS
    ]
    onsets = Counter((i, n.instrument, n.onset) for i, bar in enumerate(bars) for n in bar.notes)
    return {
        "entropy of pitch classes": float(-(positive * np.log2(positive)).sum()),
        "notes in a major scale": max(float(chroma[np.roll(_MAJOR, k)].sum()) for k in range(12)),
        "duration": float(lengths.mean()),
        "spread of durations": float(lengths.std()),
        "on the beat": _mean([float(n.onset % STEPS_PER_QUARTER == 0) for n in _notes(bars)]),
        "off the sixteenths": _mean([float(n.onset % 3 != 0) for n in _notes(bars)]),
        "spread of velocities": _std([n.velocity for n in notes]),
        "interval": float(np.mean(intervals)),
        "repeated pitches": float(np.mean(intervals == 0)) if len(top) > 1 else np.nan,
        "leaps": float(np.mean(intervals > 12)) if len(top) > 1 else np.nan,
        "tied over the barline": _mean(ends),
        "notes at once": _mean([float(count) for count in onsets.values()]),
        "dissonance": _dissonance(bars),
        "pitch": _mean([float(note.pitch) for note in notes]),
        "spread of pitches": _std([note.pitch for note in notes]),
    }


def _top_line(bars: _Bars) -> list[int]:
    """Return the highest pitch of each onset."""
    highest: dict[tuple[int, int], int] = {}
    for index, bar in enumerate(bars):
        for note in bar.notes:
            if note.instrument != DRUMS:
                at = index, note.onset
                highest[at] = max(highest.get(at, 0), note.pitch)
    return [highest[at] for at in sorted(highest)]


def _dissonance(bars: _Bars) -> float:
    """Return the share of dissonant intervals among those between sounding notes at onsets."""
    dissonant = total = 0
    for bar in bars:
        notes = [note for note in bar.notes if note.instrument != DRUMS]
        for note in notes:
            for other in notes:
                if other.onset <= note.onset < other.onset + other.duration and other != note:
                    total += 1
                    dissonant += abs(other.pitch - note.pitch) % 12 in _DISSONANT
    return dissonant / total if total else np.nan


def _chords(window: _Bars, before: _Bars) -> dict[str, float]:
    """Return how often the pitch classes of a bar change, and whether they occurred before."""
    sets = [frozenset((n.pitch % 12,) for n in _pitched([bar])) for bar in (*before, *window)]
    start = len(before)
    changes = [_jaccard(a, b) for a, b in pairwise(sets)]
    return {
        "harmony, lag 1": _mean(changes[max(start - 1, 0) :]),
        "harmony, lag 1, change": _mean(changes[max(start - 1, 0) :]) - _mean(changes[: start - 1]),
        "harmony, best match before": _best_match(sets[start:], sets[:start]),
    }


def window_features(window: _Bars, before: _Bars, after: _Bars) -> dict[str, float]:
    """Return the features of a window; NaN where one is undefined.

    Parameters
    ----------
    window, before, after : sequence of Bar
        Bars that are judged, and bars around them.
    """
    features = (
        _similarities(window, before, after)
        | _instruments(window, before, after)
        | _density(window, before, after)
        | _vocabulary(window, before)
        | _chords(window, before)
    )
    new, old = _figures(window), _figures(before)
    for name, value in new.items():
        features[f"{name}, change"] = value - old[name]
        features[f"{name}, distance"] = abs(value - old[name])
    return features


def feature_matrix(bars: _Bars, before: _Bars, after: _Bars) -> DoubleArray:
    """Return the features of all windows of bars, shape (windows, features)."""
    joined = [*before, *bars, *after]
    start, end = len(before), len(before) + len(bars)
    firsts = range(start, max(end - WINDOW, start) + 1, _HOP)
    rows = []
    for first in firsts:
        last = min(first + WINDOW, end)
        around = joined[max(first - BEFORE, 0) : first], joined[last : last + AFTER]
        rows.append([*window_features(joined[first:last], *around).values()])
    return np.array(rows)


# ---- the model -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Critic:
    """A multinomial logistic regression on the features of windows, of `CLASSES`.

    Attributes
    ----------
    mean, scale : ndarray, shape (features,)
        Mean and standard deviation of the features in the training set; undefined features count
        as the mean.
    weights : ndarray, shape (classes, features)
    bias : ndarray, shape (classes,)
    """

    mean: DoubleArray
    scale: DoubleArray
    weights: DoubleArray
    bias: DoubleArray

    @classmethod
    @cache
    def pretrained(cls) -> Self:
        """Load the critic that comes with Segue."""
        tensors = load_file(PRETRAINED)
        names = ("mean", "scale", "weights", "bias")
        return cls(*(tensors[name].astype(np.float64) for name in names))

    def save(self, path: Path) -> None:
        """Write the weights."""
        tensors = {
            "mean": self.mean, "scale": self.scale, "weights": self.weights, "bias": self.bias
        }  # fmt: skip
        contiguous = {n: np.ascontiguousarray(array, np.float32) for n, array in tensors.items()}
        save_file(contiguous, path)

    def standardise(self, features: DoubleArray) -> DoubleArray:
        """Return z-scores of features, with those that are undefined at 0."""
        z_scores = np.nan_to_num((features - self.mean) / self.scale)
        return np.asarray(z_scores.clip(-MAX_Z_SCORE, MAX_Z_SCORE))

    def log_probabilities(self, features: DoubleArray) -> DoubleArray:
        """Return the log-probabilities of the classes, shape (windows, classes).

        Parameters
        ----------
        features : ndarray, shape (windows, features)
            See `feature_matrix`.
        """
        logits = self.standardise(features) @ self.weights.T + self.bias
        return np.asarray(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))

    def probability(self, bars: _Bars, before: _Bars = (), after: _Bars = ()) -> float:
        """Return the probability that bars are real, the geometric mean over their windows."""
        features = feature_matrix(bars, before, after)
        return float(np.exp(self.log_probabilities(features)[:, REAL].mean()))

"""Tempo and beats, from how strongly the sound changes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import gaussian_filter1d, uniform_filter1d

from segue.records import FloatArray
from segue.represent.timbre import FRAMES_PER_SECOND, above_floor

#: Tempi that are looked at, 1 % apart.
TEMPI_BPM: Final = 30.0 * 1.01 ** np.arange(232)  # to 298.7
_PRIOR_BPM: Final = 110.0
_PRIOR_OCTAVES: Final = 1.2
# Lags, in beats, at which a pulse recurs, and what each counts. The half beat tells a beat
# from a pair of beats: most music divides the one, and not the other, into two.
_COMB: Final = {0.5: 0.5, 1: 1.0, 2: 0.75, 3: 0.5, 4: 0.5}
_LOCAL_S: Final = 1.0
_TIGHTNESS: Final = 100.0
_SAME_BPM: Final = 0.01
_MAX_LAG: Final = int(max(_COMB) * 60 / TEMPI_BPM[0] * FRAMES_PER_SECOND) + 2


@dataclass(frozen=True, slots=True)
class Rhythm:
    """The pulse of a recording.

    Attributes
    ----------
    tempo_bpm : float
        Beats a minute; 0 where there is no pulse at all.
    clarity : float
        How much of the change recurs with the beat, 0 to 1.
    tempogram : ndarray, shape (232,), float32
        Strength of recurrence at each of `TEMPI_BPM`, without preference for any.
    beats_per_bar : int
        3 or 4, by whether change recurs more after three beats or after two and four.
    beats_s : tuple of ndarray
        Times of beats, one array per stretch, seconds from its start.
    """

    tempo_bpm: float
    clarity: float
    tempogram: FloatArray
    beats_per_bar: int
    beats_s: tuple[FloatArray, ...]


def onset_strength(mel_db: FloatArray) -> FloatArray:
    """Average, over mel bands, of how many decibels each rose since the last frame.

    Parameters
    ----------
    mel_db : ndarray, shape (frames, bands), float32

    Returns
    -------
    ndarray, shape (frames,), float32
        The first is 0. Librosa gives the same, three frames later.
    """
    strength = np.zeros(len(mel_db), np.float32)
    strength[1:] = np.maximum(np.diff(above_floor(mel_db), axis=0), 0).mean(axis=1)
    return strength


def find_rhythm(strengths: Sequence[FloatArray]) -> Rhythm:
    """Find the tempo that all stretches share, and the beats of each.

    Parameters
    ----------
    strengths : sequence of ndarray, each of shape (frames,), float32
        Onset strength of each stretch.

    Returns
    -------
    Rhythm
    """
    novelties = [local_novelty(strength) for strength in strengths]
    recurrence = _autocorrelation(novelties)
    if recurrence[0] <= 0:
        none = tuple(np.zeros(0, np.float32) for _ in strengths)
        return Rhythm(0.0, 0.0, np.zeros(len(TEMPI_BPM), np.float32), 4, none)
    lags = 60.0 / TEMPI_BPM * FRAMES_PER_SECOND
    grid = np.arange(_MAX_LAG)
    teeth = [weight * np.interp(lags * n, grid, recurrence) for n, weight in _COMB.items()]
    comb = np.maximum(np.sum(teeth, axis=0) / (sum(_COMB.values()) * recurrence[0]), 0)
    best = int(np.argmax(comb * _prior()))
    tempo_bpm = _refine(comb * _prior(), best)
    beats = tuple(_beats(novelty, tempo_bpm) for novelty in novelties)
    return Rhythm(
        tempo_bpm,
        float(min(comb[best], 1.0)),
        comb.astype(np.float32),
        _beats_per_bar(recurrence, tempo_bpm),
        beats,
    )


def at_tempo(rhythm: Rhythm, strengths: Sequence[FloatArray], tempo_bpm: float) -> Rhythm:
    """Find the beats again, at another tempo than that of the strongest pulse.

    Parameters
    ----------
    rhythm : Rhythm
        From `find_rhythm`.
    strengths : sequence of ndarray, each of shape (frames,), float32
        What it was found in.
    tempo_bpm : float

    Returns
    -------
    Rhythm
        Clarity and tempogram stay.
    """
    if abs(tempo_bpm - rhythm.tempo_bpm) < _SAME_BPM:
        return rhythm
    novelties = [local_novelty(strength) for strength in strengths]
    return replace(
        rhythm,
        tempo_bpm=tempo_bpm,
        beats_per_bar=_beats_per_bar(_autocorrelation(novelties), tempo_bpm),
        beats_s=tuple(_beats(one, tempo_bpm) for one in novelties),
    )


def _beats_per_bar(recurrence: np.ndarray, tempo_bpm: float) -> int:
    beat = 60.0 / tempo_bpm * FRAMES_PER_SECOND
    two, three, four = np.interp(beat * np.array([2, 3, 4]), np.arange(_MAX_LAG), recurrence)
    return 3 if three > max(two, four) else 4


@cache
def _prior() -> np.ndarray:
    octaves = np.log2(TEMPI_BPM / _PRIOR_BPM)
    return np.asarray(np.exp(-0.5 * (octaves / _PRIOR_OCTAVES) ** 2))


def _refine(score: np.ndarray, best: int) -> float:
    """Find the top of a parabola through the best candidate and its neighbours."""
    if not 0 < best < len(score) - 1:
        return float(TEMPI_BPM[best])
    left, top, right = score[best - 1 : best + 2]
    bend = left - 2 * top + right
    shift = 0.5 * (left - right) / bend if bend < 0 else 0.0
    return float(TEMPI_BPM[best] * (TEMPI_BPM[1] / TEMPI_BPM[0]) ** shift)


def local_novelty(strength: FloatArray) -> FloatArray:
    """Take away the local average, so that only what stands out counts."""
    if len(strength) == 0:
        return strength
    local = uniform_filter1d(strength, int(_LOCAL_S * FRAMES_PER_SECOND) | 1, mode="nearest")
    return np.asarray(np.maximum(strength - local, 0), dtype=np.float32)


def _autocorrelation(novelties: Sequence[FloatArray]) -> np.ndarray:
    """Average product at each lag within stretches, over all of them; lags below `_MAX_LAG`."""
    products = np.zeros(_MAX_LAG)
    pairs = np.zeros(_MAX_LAG)
    for novelty in novelties:
        centred = novelty - novelty.mean()
        n = scipy.fft.next_fast_len(len(centred) + _MAX_LAG, real=True)
        spectrum = scipy.fft.rfft(centred, n)
        products += scipy.fft.irfft(np.abs(spectrum) ** 2, n)[:_MAX_LAG]
        pairs += np.maximum(len(centred) - np.arange(_MAX_LAG), 0)
    # A lag seen only a few times says little: it counts as if seen at least 2 s long.
    return products / np.maximum(pairs, 2 * FRAMES_PER_SECOND)


def _beats(novelty: FloatArray, tempo_bpm: float) -> FloatArray:
    """Place beats by dynamic programming (Ellis 2007), a block of frames at a time.

    A beat's score is its own novelty and the best score half to two periods earlier, less a
    penalty for straying from the period. Frames half a period long depend only on earlier
    ones, so they are done together.
    """
    period = 60.0 / tempo_bpm * FRAMES_PER_SECOND
    spread = float(novelty.std())
    if spread <= 0 or len(novelty) < 2 * period:
        return np.zeros(0, np.float32)
    local = gaussian_filter1d(novelty / spread, period / 32)
    nearest, farthest = max(round(period / 2), 1), round(2 * period)
    lags = np.arange(farthest, nearest - 1, -1)
    penalty = -_TIGHTNESS * np.log(lags / period) ** 2
    score = np.zeros(len(local) + farthest)  # preceded by as much nothing as a lag may reach
    before = np.full(len(local), -1)
    for start in range(0, len(local), nearest):
        end = min(start + nearest, len(local))
        reach = sliding_window_view(score[start : end + farthest - nearest], len(lags)) + penalty
        choice = reach.argmax(axis=1)
        score[farthest + start : farthest + end] = local[start:end] + reach.max(axis=1)
        before[start:end] = np.arange(start, end) - lags[choice]
    final = score[farthest:]
    beat = len(final) - 1 - int(np.argmax(final[::-1][: round(period)]))
    beats = []
    while beat >= 0:
        beats.append(beat)
        beat = int(before[beat])
    return (np.array(beats[::-1]) / FRAMES_PER_SECOND).astype(np.float32)

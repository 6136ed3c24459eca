"""The tempo that a listener taps: which of the pulses of a recording is the beat.

Music has many pulses, each two or three times as fast as the next, and which of them is the
tempo cannot be told from its strength alone. A small network compares the candidates, each by
how onsets in eight ranges of frequency recur after fractions and multiples of its beat, by how
many there are in a beat, and by how fast it is. `bench/tempo.py` learned it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np
import scipy.fft
from safetensors.numpy import load

from segue.records import FloatArray
from segue.represent.rhythm import local_novelty
from segue.represent.sound import SAMPLE_RATE_HZ, mel_filters
from segue.represent.timbre import FRAME, FRAMES_PER_SECOND, MEL_BANDS, above_floor

#: Where the bands of onset strength part: bass drum, bass, voices, snare drum, cymbals.
EDGES_HZ: Final = (120.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 7000.0)
#: Tempos that are candidates, as multiples of the strongest pulse.
RATIOS: Final = (1 / 4, 1 / 3, 1 / 2, 2 / 3, 3 / 4, 1, 4 / 3, 3 / 2, 2, 3, 4)
#: Between what tempos people tap.
SLOWEST_BPM: Final = 40.0
FASTEST_BPM: Final = 250.0
#: Lags, in beats, at which onsets may recur.
BEATS: Final = (1 / 4, 1 / 3, 1 / 2, 2 / 3, 3 / 4, 1, 3 / 2, 2, 3, 4, 6, 8)
#: Lags, in beats, after which the snare drum may follow the bass drum.
_ANSWERS: Final = (0.0, 1 / 2, 1.0, 3 / 2, 2.0)
#: Bands that are taken together, by number: low, middle, snare drum, cymbals, all.
_GROUPS: Final = ((0,), (1, 2), (3, 4), (5, 6, 7), tuple(range(8)))
_LOW: Final = 0
_SNARE: Final = 2
_PRIOR_BPM: Final = 45.0 * 2 ** (np.arange(10) / 4)  # to 214
_PRIOR_OCTAVES: Final = 0.25
_SLACK: Final = 0.015  # players drift
_LONGEST_LAG: Final = int(max(BEATS) * 60 / SLOWEST_BPM * (1 + _SLACK) * FRAMES_PER_SECOND) + 2


@dataclass(frozen=True, slots=True)
class Tempo:
    """The tempo that a listener taps.

    Attributes
    ----------
    bpm : float
        0 where there is no pulse at all.
    confidence : float
        How likely it is right, 0 to 1.
    other_bpm : float
        The next likely one; 0 where there is none.
    """

    bpm: float
    confidence: float
    other_bpm: float


def band_onsets(mel_db: FloatArray) -> FloatArray:
    """Average, over the mel bands of each of eight ranges, of how many decibels they rose.

    Parameters
    ----------
    mel_db : ndarray, shape (frames, 128), float32

    Returns
    -------
    ndarray, shape (frames, 8), float32
        The first is 0.
    """
    rises = np.zeros_like(mel_db)
    rises[1:] = np.maximum(np.diff(above_floor(mel_db), axis=0), 0)
    starts = _band_starts()
    sums = np.add.reduceat(rises, starts, axis=1)
    return np.asarray(sums / np.diff([*starts, MEL_BANDS]), np.float32)


def tapped_tempo(onsets: Sequence[FloatArray], pulse_bpm: float) -> Tempo:
    """Choose among the tempos that go with a pulse.

    Parameters
    ----------
    onsets : sequence of ndarray, each of shape (frames, 8), float32
        From `band_onsets`, one of each stretch.
    pulse_bpm : float
        The strongest pulse, from `segue.represent.rhythm`; 0 for none.

    Returns
    -------
    Tempo
    """
    if pulse_bpm <= 0:
        return Tempo(0.0, 0.0, 0.0)
    candidates = candidate_tempos(pulse_bpm)
    chances = _chances(tempo_features(onsets, candidates))
    order = np.argsort(-chances, kind="stable")
    other = float(candidates[order[1]]) if len(order) > 1 else 0.0
    return Tempo(float(candidates[order[0]]), float(chances[order[0]]), other)


def candidate_tempos(pulse_bpm: float) -> FloatArray:
    """List the tempos that go with a pulse, rising."""
    tempos = pulse_bpm * np.array(RATIOS)
    inside = (tempos >= SLOWEST_BPM) & (tempos <= FASTEST_BPM)
    return np.asarray(tempos[inside], np.float32)


def tempo_features(onsets: Sequence[FloatArray], candidates: FloatArray) -> FloatArray:
    """Describe each candidate.

    Parameters
    ----------
    onsets : sequence of ndarray, each of shape (frames, 8), float32
    candidates : ndarray, shape (candidates,), float32
        Beats a minute.

    Returns
    -------
    ndarray, shape (candidates, features), float32
        How onsets of each group of bands recur after each of `BEATS`; how the snare drum follows
        the bass drum; the logarithm of how many onsets there are in a beat, of each group; how
        near the tempo is to each of ten.
    """
    grouped = [
        np.stack([local_novelty(stretch[:, list(bands)].mean(axis=1)) for bands in _GROUPS], axis=1)
        for stretch in onsets
    ]
    recurrence = _correlation(grouped, range(len(_GROUPS)), range(len(_GROUPS)))
    answer = _correlation(grouped, [_LOW, _SNARE], [_SNARE, _LOW]).mean(axis=1)
    power = np.maximum(recurrence[0], 1e-9)
    recurrence = recurrence / power
    answer = answer / np.sqrt(power[_LOW] * power[_SNARE])
    beat = 60.0 / candidates.astype(np.float64) * FRAMES_PER_SECOND
    columns = [
        _around(recurrence[:, group], beat * lag)
        for group in range(len(_GROUPS))
        for lag in BEATS
    ]
    columns += [_around(answer, beat * lag) for lag in _ANSWERS]
    per_frame = _onsets_per_frame(grouped)
    columns += [np.log2(per_frame[group] * beat + 0.05) for group in range(len(_GROUPS))]
    columns += [
        np.exp(-0.5 * np.square(np.log2(candidates / bpm) / _PRIOR_OCTAVES)) for bpm in _PRIOR_BPM
    ]
    return np.asarray(np.stack(columns, axis=1), np.float32)


def _correlation(
    grouped: Sequence[FloatArray], firsts: Sequence[int], seconds: Sequence[int]
) -> np.ndarray:
    """Average product of pairs of groups at each lag; shape (lags, pairs)."""
    products = np.zeros((_LONGEST_LAG, len(firsts)))
    pairs = np.zeros(_LONGEST_LAG)
    for stretch in grouped:
        centred = stretch - stretch.mean(axis=0)
        n = scipy.fft.next_fast_len(len(centred) + _LONGEST_LAG, real=True)
        spectra = scipy.fft.rfft(centred, n, axis=0)
        both = np.conj(spectra[:, list(firsts)]) * spectra[:, list(seconds)]
        products += scipy.fft.irfft(both, n, axis=0)[:_LONGEST_LAG]
        pairs += np.maximum(len(centred) - np.arange(_LONGEST_LAG), 0)
    # A lag seen only a few times says little: it counts as if seen at least 4 s long.
    return products / np.maximum(pairs, 4 * FRAMES_PER_SECOND)[:, None]


def _around(curve: np.ndarray, lags: np.ndarray) -> np.ndarray:
    """Return the largest value of a curve close to each lag."""
    grid = np.arange(len(curve))
    shifts = (1 - _SLACK, 1 - _SLACK / 2, 1, 1 + _SLACK / 2, 1 + _SLACK)
    return np.asarray(np.max([np.interp(lags * shift, grid, curve) for shift in shifts], axis=0))


def _onsets_per_frame(grouped: Sequence[FloatArray]) -> np.ndarray:
    """Count, for each group, the peaks that stand out."""
    counts = np.zeros(len(_GROUPS))
    frames = 0
    for stretch in grouped:
        threshold = stretch.mean(axis=0) + stretch.std(axis=0)
        inner = stretch[1:-1]
        peaks = (inner > stretch[:-2]) & (inner >= stretch[2:]) & (inner > threshold)
        counts += peaks.sum(axis=0)
        frames += len(stretch)
    return counts / max(frames, 1)


def _chances(features: FloatArray) -> FloatArray:
    weights = _weights()
    standard = (features - weights["mean"]) / weights["scale"]
    hidden = np.tanh(standard @ weights["first"] + weights["bias"])
    scores = hidden @ weights["second"]
    chances = np.exp(scores - scores.max())
    return np.asarray(chances / chances.sum())


@cache
def _weights() -> dict[str, FloatArray]:
    return dict(load((files("segue.weights") / "tempo.safetensors").read_bytes()))


@cache
def _band_starts() -> list[int]:
    filters = mel_filters(SAMPLE_RATE_HZ, FRAME, MEL_BANDS)
    bins_hz = np.arange(1 + FRAME // 2) * SAMPLE_RATE_HZ / FRAME
    centres_hz = filters @ bins_hz / filters.sum(axis=1)
    return [0, *np.searchsorted(centres_hz, EDGES_HZ).tolist()]

"""The tempo that a listener taps: which of the pulses of a recording is the beat.

Music has many pulses, each two or three times as fast as the next, and which of them is the
tempo cannot be told from its strength alone. A small network compares the candidates: by how
onsets recur after fractions and multiples of the beat, and how strong its harmonics are, in five
ranges of frequency; by how many onsets there are in a beat; and by how fast it is. What the genre
says counts too. `bench/tempo.py` learned it.
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
from segue.represent.genre_tempos import genre_log_prior
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
#: How often in a beat they may come.
HARMONICS: Final = (1 / 4, 1 / 2, 1, 3 / 2, 2, 3, 4)
#: Lags, in beats, after which the snare drum may follow the bass drum.
_ANSWERS: Final = (0.0, 1 / 2, 1.0, 3 / 2, 2.0)
#: Bands that are taken together, by number: low, middle, snare drum, cymbals, all.
_GROUPS: Final = ((0,), (1, 2), (3, 4), (5, 6, 7), tuple(range(8)))
_LOW: Final = 0
_SNARE: Final = 2
_CYMBALS: Final = 3
_PRIOR_BPM: Final = 45.0 * 2 ** (np.arange(10) / 4)  # to 214
_PRIOR_OCTAVES: Final = 0.25
_SLACK: Final = 0.015  # players drift
_LONGEST_LAG: Final = int(max(BEATS) * 60 / SLOWEST_BPM * (1 + _SLACK) * FRAMES_PER_SECOND) + 2
_WINDOW: Final = int(8 * FRAMES_PER_SECOND)  # through which a tempo is steady


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


def tapped_tempo(onsets: Sequence[FloatArray], pulse_bpm: float, genre: str = "") -> Tempo:
    """Choose among the tempos that go with a pulse.

    Parameters
    ----------
    onsets : sequence of ndarray, each of shape (frames, 8), float32
        From `band_onsets`, one of each stretch.
    pulse_bpm : float
        The strongest pulse, from `segue.represent.rhythm`; 0 for none.
    genre : str
        As in the file's tags; empty where unknown.

    Returns
    -------
    Tempo
    """
    if pulse_bpm <= 0:
        return Tempo(0.0, 0.0, 0.0)
    candidates = candidate_tempos(pulse_bpm)
    scores = _scores(tempo_features(onsets, candidates)) + genre_log_prior(genre, candidates)
    chances = np.exp(scores - scores.max())
    chances /= chances.sum()
    order = np.argsort(-chances, kind="stable")
    other = float(candidates[order[1]]) if len(order) > 1 else 0.0
    return Tempo(float(candidates[order[0]]), float(chances[order[0]]), other)


def candidate_tempos(pulse_bpm: float) -> FloatArray:
    """List the tempos that go with a pulse, rising; none with the pulse 0."""
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
        How onsets of each group of bands recur after each of `BEATS`, and how the snare drum
        follows the bass drum; the logarithm of how many onsets there are in a beat, of each
        group; how near the tempo is to each of ten; the strength of its `HARMONICS`.
    """
    grouped = [
        np.stack([local_novelty(stretch[:, list(bands)].mean(axis=1)) for bands in _GROUPS], axis=1)
        for stretch in onsets
    ]
    beat = 60.0 / candidates.astype(np.float64) * FRAMES_PER_SECOND
    parts = [
        _recurrence(grouped, beat),
        np.log2(beat[:, None] * _onsets_per_frame(grouped) + 0.05),
        np.exp(-0.5 * (np.log2(candidates[:, None] / _PRIOR_BPM) / _PRIOR_OCTAVES) ** 2),
        _harmonics(grouped, beat),
    ]
    return np.asarray(np.concatenate(parts, axis=1), np.float32)


def _recurrence(grouped: Sequence[FloatArray], beat: np.ndarray) -> np.ndarray:
    """Tell how onsets recur after fractions and multiples of beats, given in frames."""
    everything = range(len(_GROUPS))
    same = _correlation(grouped, everything, everything)
    answer = _correlation(grouped, [_LOW, _SNARE], [_SNARE, _LOW]).mean(axis=1)
    power = np.maximum(same[0], 1e-9)
    columns = [
        _around(same[:, group] / power[group], beat * lag) for group in everything for lag in BEATS
    ]
    answer /= np.sqrt(power[_LOW] * power[_SNARE])
    return np.stack([*columns, *(_around(answer, beat * lag) for lag in _ANSWERS)], axis=1)


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
    return np.asarray(products / np.maximum(pairs, 4 * FRAMES_PER_SECOND)[:, None])


def _around(curve: np.ndarray, lags: np.ndarray) -> np.ndarray:
    """Return the largest value of a curve close to each lag."""
    grid = np.arange(len(curve))
    shifts = (1 - _SLACK, 1 - _SLACK / 2, 1, 1 + _SLACK / 2, 1 + _SLACK)
    return np.asarray(np.max([np.interp(lags * shift, grid, curve) for shift in shifts], axis=0))


def _onsets_per_frame(grouped: Sequence[FloatArray]) -> np.ndarray:
    """Count, for each group, the peaks that stand out."""
    counts = np.zeros(len(_GROUPS))
    for stretch in grouped:
        threshold = stretch.mean(axis=0) + stretch.std(axis=0)
        inner = stretch[1:-1]
        peaks = (inner > stretch[:-2]) & (inner >= stretch[2:]) & (inner > threshold)
        counts += peaks.sum(axis=0)
    return np.asarray(counts / max(sum(map(len, grouped)), 1))


def _harmonics(grouped: Sequence[FloatArray], beat: np.ndarray) -> np.ndarray:
    """Tell how strong the harmonics of beats are, and whether the groups go along in them.

    Shape (beats, harmonics x (groups + 2)): roots of shares of the power within windows of 8 s,
    and of the bass drum's with the snare drum and with the cymbals, below 0 where they alternate.
    """
    turns = (np.array(HARMONICS) / beat[:, None]).ravel()  # a frame
    waves = np.exp(-2j * np.pi * np.outer(turns, np.arange(_WINDOW)))
    products = np.zeros((len(turns), len(_GROUPS), len(_GROUPS)))
    power = np.zeros(len(_GROUPS))
    for stretch in grouped:
        for start in range(0, max(len(stretch) - _WINDOW // 2, 1), _WINDOW):
            window = stretch[start : start + _WINDOW]
            window = (window - window.mean(axis=0)) * np.hanning(len(window))[:, None]
            found = waves[:, : len(window)] @ window
            products += np.real(found[:, :, None] * found[:, None, :].conj())
            power += np.square(window).sum(axis=0) * len(window) / 8
    power = np.maximum(power, 1e-9)
    own = np.einsum("fgg->fg", products) / power
    drums = products[:, _LOW, [_SNARE, _CYMBALS]] / np.sqrt(power[_LOW] * power[[_SNARE, _CYMBALS]])
    shares = np.concatenate([own, drums], axis=1)
    return np.asarray(np.sign(shares) * np.sqrt(np.abs(shares))).reshape(len(beat), -1)


def _scores(features: FloatArray) -> FloatArray:
    weights = _weights()
    standard = (features - weights["mean"]) / weights["scale"]
    hidden = np.tanh(standard @ weights["first"] + weights["bias"])
    return np.asarray(hidden @ weights["second"])


@cache
def _weights() -> dict[str, FloatArray]:
    return dict(load((files("segue.weights") / "tempo.safetensors").read_bytes()))


@cache
def _band_starts() -> list[int]:
    filters = mel_filters(SAMPLE_RATE_HZ, FRAME, MEL_BANDS)
    bins_hz = np.arange(1 + FRAME // 2) * SAMPLE_RATE_HZ / FRAME
    centres_hz = filters @ bins_hz / filters.sum(axis=1)
    return [0, *np.searchsorted(centres_hz, EDGES_HZ).tolist()]

"""Onset strength, beats and tempo.

The strongest pulse is the maximum of a comb over the autocorrelation of onset strength; beats are
tracked by dynamic programming (Ellis, "Beat Tracking by Dynamic Programming", JNMR 36, 2007).

Which of the pulses of music, each two or three times as fast as the next, is the tempo that
listeners tap does not follow from its strength. A small network, trained by `recipes/tempo.py`,
compares candidates by how onsets recur after fractions and multiples of the beat, by the strength
of its harmonics in five frequency ranges, by the number of onsets per beat, and by the tempo.
The genre adds a prior, since only convention decides that dubstep has 140 and not 70 BPM.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import gaussian_filter1d, uniform_filter1d

from segue.audio.spectrogram import BINS_HZ, FRAMES_PER_SECOND, N_FFT, SAMPLE_RATE_HZ, mel_filters
from segue.audio.timbre import MEL_BANDS, apply_top_db
from segue.builtin_spaces import load_constants
from segue.records import FloatArray
from segue.text import normalise, split_genres

# --- pulse and beats ---

#: Tempos of the tempogram, 1 % apart.
TEMPOGRAM_BPM: Final = 30.0 * 1.01 ** np.arange(232)  # to 298.7
_PRIOR_BPM: Final = 110.0
_PRIOR_OCTAVES: Final = 1.2
# Weights of lags, in beats. The half beat distinguishes a beat from two beats: most music divides
# a beat into two, but not two beats.
_COMB: Final = {0.5: 0.5, 1: 1.0, 2: 0.75, 3: 0.5, 4: 0.5}
_LOCAL_MEAN_S: Final = 1.0
_TIGHTNESS: Final = 100.0
_SAME_BPM: Final = 0.01
_MAX_LAG: Final = int(max(_COMB) * 60 / TEMPOGRAM_BPM[0] * FRAMES_PER_SECOND) + 2


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Pulse and beats of a recording.

    Attributes
    ----------
    tempo_bpm : float
        0 without a pulse.
    clarity : float
        Strength of the pulse, 0 to 1.
    beats_per_bar : int
        3 if onsets recur more after three beats than after two and four, else 4.
    beats_s : tuple of ndarray
        Times of the beats in seconds from the start of each excerpt.
    """

    tempo_bpm: float
    clarity: float
    beats_per_bar: int
    beats_s: tuple[FloatArray, ...]


def onset_strength(mel_db: FloatArray) -> FloatArray:
    """Compute the mean rise of the mel bands since the last frame, in decibels.

    Parameters
    ----------
    mel_db : ndarray, shape (frames, bands), float32

    Returns
    -------
    ndarray, shape (frames,), float32
        The first is 0. The values equal librosa's, which are three frames later.
    """
    strength = np.zeros(len(mel_db), np.float32)
    strength[1:] = np.maximum(np.diff(apply_top_db(mel_db), axis=0), 0).mean(axis=1)
    return strength


def analyse_rhythm(strengths: Sequence[FloatArray]) -> Rhythm:
    """Estimate the tempo of all excerpts, and track the beats of each.

    Parameters
    ----------
    strengths : sequence of ndarray, each of shape (frames,), float32
        Onset strength of each excerpt.
    """
    novelties = [local_novelty(strength) for strength in strengths]
    autocorrelation = _autocorrelation(novelties)
    if autocorrelation[0] <= 0:
        no_beats = tuple(np.zeros(0, np.float32) for _ in strengths)
        return Rhythm(0.0, 0.0, 4, no_beats)
    lags = 60.0 / TEMPOGRAM_BPM * FRAMES_PER_SECOND
    grid = np.arange(_MAX_LAG)
    teeth = [weight * np.interp(lags * n, grid, autocorrelation) for n, weight in _COMB.items()]
    comb = np.maximum(np.sum(teeth, axis=0) / (sum(_COMB.values()) * autocorrelation[0]), 0)
    best = int(np.argmax(comb * _prior()))
    tempo_bpm = _refine(comb * _prior(), best)
    beats = tuple(_beats(novelty, tempo_bpm) for novelty in novelties)
    return Rhythm(
        tempo_bpm,
        float(min(comb[best], 1.0)),
        _beats_per_bar(autocorrelation, tempo_bpm),
        beats,
    )


def track_beats_at(rhythm: Rhythm, strengths: Sequence[FloatArray], tempo_bpm: float) -> Rhythm:
    """Track the beats of a recording at another tempo.

    Parameters
    ----------
    rhythm : Rhythm
        From `analyse_rhythm`; clarity and tempogram are kept.
    strengths : sequence of ndarray, each of shape (frames,), float32
        Onset strength of each excerpt.
    tempo_bpm : float
    """
    if abs(tempo_bpm - rhythm.tempo_bpm) < _SAME_BPM:
        return rhythm
    novelties = [local_novelty(strength) for strength in strengths]
    return replace(
        rhythm,
        tempo_bpm=tempo_bpm,
        beats_per_bar=_beats_per_bar(_autocorrelation(novelties), tempo_bpm),
        beats_s=tuple(_beats(novelty, tempo_bpm) for novelty in novelties),
    )


def _beats_per_bar(autocorrelation: np.ndarray, tempo_bpm: float) -> int:
    beat = 60.0 / tempo_bpm * FRAMES_PER_SECOND
    two, three, four = np.interp(beat * np.array([2, 3, 4]), np.arange(_MAX_LAG), autocorrelation)
    return 3 if three > max(two, four) else 4


@cache
def _prior() -> np.ndarray:
    octaves = np.log2(TEMPOGRAM_BPM / _PRIOR_BPM)
    return np.asarray(np.exp(-0.5 * (octaves / _PRIOR_OCTAVES) ** 2))


def _refine(score: np.ndarray, best: int) -> float:
    """Interpolate the maximum by a parabola through the best tempo and its neighbours."""
    if not 0 < best < len(score) - 1:
        return float(TEMPOGRAM_BPM[best])
    left, top, right = score[best - 1 : best + 2]
    curvature = left - 2 * top + right
    shift = 0.5 * (left - right) / curvature if curvature < 0 else 0.0
    return float(TEMPOGRAM_BPM[best] * (TEMPOGRAM_BPM[1] / TEMPOGRAM_BPM[0]) ** shift)


def local_novelty(strength: FloatArray) -> FloatArray:
    """Subtract the local mean from onset strength, and clip at 0."""
    if len(strength) == 0:
        return strength
    local_mean = uniform_filter1d(
        strength, int(_LOCAL_MEAN_S * FRAMES_PER_SECOND) | 1, mode="nearest"
    )
    return np.asarray(np.maximum(strength - local_mean, 0), dtype=np.float32)


def _autocorrelation(novelties: Sequence[FloatArray]) -> np.ndarray:
    """Return the autocorrelation within excerpts, averaged over them, at lags below `_MAX_LAG`."""
    products = np.zeros(_MAX_LAG)
    pairs = np.zeros(_MAX_LAG)
    for novelty in novelties:
        centred = novelty - novelty.mean()
        n = scipy.fft.next_fast_len(len(centred) + _MAX_LAG, real=True)
        spectrum = scipy.fft.rfft(centred, n)
        products += scipy.fft.irfft(np.abs(spectrum) ** 2, n)[:_MAX_LAG]
        pairs += np.maximum(len(centred) - np.arange(_MAX_LAG), 0)
    # A lag with few pairs is unreliable; it is divided as if there were 2 s of them.
    return products / np.maximum(pairs, 2 * FRAMES_PER_SECOND)


def _beats(novelty: FloatArray, tempo_bpm: float) -> FloatArray:
    """Track beats by dynamic programming (Ellis 2007), a block of frames at a time.

    The score of a beat is its novelty plus the best score half to two periods earlier, minus a
    penalty for the deviation from the period. Blocks are half a period long, so that all frames
    of a block depend only on earlier blocks.
    """
    period = 60.0 / tempo_bpm * FRAMES_PER_SECOND
    deviation = float(novelty.std())
    if deviation <= 0 or len(novelty) < 2 * period:
        return np.zeros(0, np.float32)
    smoothed = gaussian_filter1d(novelty / deviation, period / 32)
    min_lag, max_lag = max(round(period / 2), 1), round(2 * period)
    lags = np.arange(max_lag, min_lag - 1, -1)
    penalty = -_TIGHTNESS * np.log(lags / period) ** 2
    scores = np.zeros(len(smoothed) + max_lag)  # padded, so that every lag exists
    previous = np.full(len(smoothed), -1)
    for start in range(0, len(smoothed), min_lag):
        end = min(start + min_lag, len(smoothed))
        earlier = sliding_window_view(scores[start : end + max_lag - min_lag], len(lags)) + penalty
        scores[max_lag + start : max_lag + end] = smoothed[start:end] + earlier.max(axis=1)
        previous[start:end] = np.arange(start, end) - lags[earlier.argmax(axis=1)]
    last_period = scores[max_lag:][::-1][: round(period)]
    beat = len(smoothed) - 1 - int(np.argmax(last_period))
    beats = []
    while beat >= 0:
        beats.append(beat)
        beat = int(previous[beat])
    return (np.array(beats[::-1]) / FRAMES_PER_SECOND).astype(np.float32)


# --- genre tempos ---

#: Typical range of tempo in BPM, by words of a genre. The first entry whose words are all in the
#: genre counts, so that subgenres stand before their genre.
RANGES_BPM: Final[dict[str, tuple[float, float]]] = {
    "liquid funk": (160, 180),
    "drum bass": (160, 180),
    "drum n bass": (160, 180),
    "drumnbass": (160, 180),
    "dnb": (160, 180),
    "d b": (160, 180),
    "neurofunk": (165, 180),
    "jungle": (150, 180),
    "breakcore": (160, 220),
    "speedcore": (220, 300),
    "gabber": (150, 200),
    "happy hardcore": (160, 185),
    "hardstyle": (140, 165),
    "footwork": (150, 165),
    "juke": (150, 165),
    "psytrance": (135, 150),
    "psy trance": (135, 150),
    "goa": (135, 150),
    "trance": (125, 150),
    "dubstep": (135, 150),
    "grime": (135, 145),
    "deep house": (115, 128),
    "house": (112, 132),
    "techno": (118, 150),
    "uk garage": (125, 140),
    "2 step": (125, 140),
    "disco": (105, 132),
    "eurodance": (125, 155),
    "reggaeton": (85, 108),
    "dembow": (85, 125),
    "boom bap": (78, 104),
    "trip hop": (65, 105),
    "slow waltz": (78, 96),
    "english waltz": (78, 96),
    "viennese waltz": (150, 192),
    "wiener walzer": (150, 192),
    "jive": (145, 185),
    "quickstep": (180, 215),
    "polka": (95, 140),
    "salsa": (150, 225),
    "bossa nova": (100, 165),
    "thrash metal": (150, 225),
    "hardcore punk": (150, 225),
    "ballad": (52, 88),
}
#: Decrease of the log-probability per octave outside the range.
_WEIGHT: Final = 3.0
_WORDS: Final = {genre: frozenset(genre.split()) for genre in RANGES_BPM}


def genre_range_bpm(genre: str) -> tuple[float, float] | None:
    """Return the lowest and highest typical tempo of a genre tag; None if it has no entry.

    Parameters
    ----------
    genre : str
        One genre or several, such as "Electronic; Drum & Bass"; the first with an entry counts.
    """
    for name in split_genres(genre):
        words = set(normalise(name).split())
        for known, range_bpm in RANGES_BPM.items():
            if _WORDS[known] <= words:
                return range_bpm
    return None


def genre_log_prior(genre: str, tempos_bpm: FloatArray) -> FloatArray:
    """Return the log prior of tempos in a genre.

    Parameters
    ----------
    genre : str
        As in the tags; may be empty.
    tempos_bpm : ndarray, shape (n,), float32

    Returns
    -------
    ndarray, shape (n,), float32
        0 within the typical range, decreasing with the octaves outside; 0 without an entry.
    """
    range_bpm = genre_range_bpm(genre)
    if range_bpm is None:
        return np.zeros(len(tempos_bpm), np.float32)
    low_bpm, high_bpm = range_bpm
    below = np.log2(low_bpm / np.minimum(tempos_bpm, low_bpm))
    above = np.log2(np.maximum(tempos_bpm, high_bpm) / high_bpm)
    return np.asarray(-_WEIGHT * (below + above), np.float32)


# --- tapped tempo ---

#: Edges between the bands of onset strength: bass drum, bass, voices, snare drum, cymbals.
EDGES_HZ: Final = (120.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 7000.0)
#: Candidate tempos, as multiples of the strongest pulse.
RATIOS: Final = (1 / 4, 1 / 3, 1 / 2, 2 / 3, 3 / 4, 1, 4 / 3, 3 / 2, 2, 3, 4)
#: Range of tempos that people tap.
MIN_BPM: Final = 40.0
MAX_BPM: Final = 250.0
#: Lags of the autocorrelation, in beats.
BEATS: Final = (1 / 4, 1 / 3, 1 / 2, 2 / 3, 3 / 4, 1, 3 / 2, 2, 3, 4, 6, 8)
#: Harmonics of the beat: onsets per beat.
HARMONICS: Final = (1 / 4, 1 / 2, 1, 3 / 2, 2, 3, 4)
#: Lags of the cross-correlation of bass drum and snare drum, in beats.
_CROSS_LAGS: Final = (0.0, 1 / 2, 1.0, 3 / 2, 2.0)
#: Indices of the bands of each group: low, middle, snare drum, cymbals, all.
_GROUPS: Final = ((0,), (1, 2), (3, 4), (5, 6, 7), tuple(range(8)))
_LOW: Final = 0
_SNARE: Final = 2
_CYMBALS: Final = 3
_TEMPO_CENTRES_BPM: Final = 45.0 * 2 ** (np.arange(10) / 4)  # to 214
_TEMPO_WIDTH_OCTAVES: Final = 0.25
_TOLERANCE: Final = 0.015  # for tempo drift
_MAX_GROUP_LAG: Final = int(max(BEATS) * 60 / MIN_BPM * (1 + _TOLERANCE) * FRAMES_PER_SECOND) + 2
_WINDOW: Final = int(8 * FRAMES_PER_SECOND)  # 8 s, in which a tempo is nearly constant


@dataclass(frozen=True, slots=True)
class Tempo:
    """Estimate of the tempo that a listener taps.

    Attributes
    ----------
    bpm : float
        0 without a pulse.
    confidence : float
        Probability of the tempo, 0 to 1.
    other_bpm : float
        The next most probable tempo; 0 if there is none.
    """

    bpm: float
    confidence: float
    other_bpm: float


def band_onset_strength(mel_db: FloatArray) -> FloatArray:
    """Compute onset strength, the mean rise in decibels, in eight frequency bands.

    Parameters
    ----------
    mel_db : ndarray, shape (frames, 128), float32

    Returns
    -------
    ndarray, shape (frames, 8), float32
        The first is 0.
    """
    rises = np.zeros_like(mel_db)
    rises[1:] = np.maximum(np.diff(apply_top_db(mel_db), axis=0), 0)
    starts = _band_starts()
    sums = np.add.reduceat(rises, starts, axis=1)
    return np.asarray(sums / np.diff([*starts, MEL_BANDS]), np.float32)


def estimate_tempo(onsets: Sequence[FloatArray], pulse_bpm: float, genre: str = "") -> Tempo:
    """Estimate which multiple of a pulse listeners tap.

    Parameters
    ----------
    onsets : sequence of ndarray, each of shape (frames, 8), float32
        Band onset strength of each excerpt, from `band_onset_strength`.
    pulse_bpm : float
        Tempo of the strongest pulse, from `analyse_rhythm`; 0 for none.
    genre : str
        As in the file's tags; empty if unknown.
    """
    if pulse_bpm <= 0:
        return Tempo(0.0, 0.0, 0.0)
    candidates = candidate_tempos(pulse_bpm)
    scores = _scores(tempo_features(onsets, candidates)) + genre_log_prior(genre, candidates)
    probabilities = np.exp(scores - scores.max())
    probabilities /= probabilities.sum()
    order = np.argsort(-probabilities, kind="stable")
    other = float(candidates[order[1]]) if len(order) > 1 else 0.0
    return Tempo(float(candidates[order[0]]), float(probabilities[order[0]]), other)


def candidate_tempos(pulse_bpm: float) -> FloatArray:
    """Return the candidate tempos of a pulse in ascending order; none for a pulse of 0."""
    tempos = pulse_bpm * np.array(RATIOS)
    in_range = (tempos >= MIN_BPM) & (tempos <= MAX_BPM)
    return np.asarray(tempos[in_range], np.float32)


def tempo_features(onsets: Sequence[FloatArray], candidates: FloatArray) -> FloatArray:
    """Compute the features of candidate tempos that the network compares.

    Parameters
    ----------
    onsets : sequence of ndarray, each of shape (frames, 8), float32
    candidates : ndarray, shape (candidates,), float32
        In BPM.

    Returns
    -------
    ndarray, shape (candidates, features), float32
        Autocorrelation of each group of bands at each of `BEATS`, and cross-correlation of bass
        drum and snare drum; log of the onsets per beat of each group; radial basis functions of the
        tempo; strength of each of `HARMONICS`.
    """
    grouped = [
        np.stack([local_novelty(excerpt[:, list(bands)].mean(axis=1)) for bands in _GROUPS], axis=1)
        for excerpt in onsets
    ]
    beat_frames = 60.0 / candidates.astype(np.float64) * FRAMES_PER_SECOND
    octaves = np.log2(candidates[:, None] / _TEMPO_CENTRES_BPM)
    features = [
        _recurrence(grouped, beat_frames),
        np.log2(beat_frames[:, None] * _onsets_per_frame(grouped) + 0.05),
        np.exp(-0.5 * (octaves / _TEMPO_WIDTH_OCTAVES) ** 2),
        _harmonics(grouped, beat_frames),
    ]
    return np.asarray(np.concatenate(features, axis=1), np.float32)


def _recurrence(grouped: Sequence[FloatArray], beat_frames: np.ndarray) -> np.ndarray:
    """Compute auto- and cross-correlations of groups at lags in beats."""
    groups = range(len(_GROUPS))
    auto = _correlation(grouped, groups, groups)
    cross = _correlation(grouped, [_LOW, _SNARE], [_SNARE, _LOW]).mean(axis=1)
    power = np.maximum(auto[0], 1e-9)
    columns = [
        _maximum_near(auto[:, group] / power[group], beat_frames * lag)
        for group in groups
        for lag in BEATS
    ]
    cross /= np.sqrt(power[_LOW] * power[_SNARE])
    columns += [_maximum_near(cross, beat_frames * lag) for lag in _CROSS_LAGS]
    return np.stack(columns, axis=1)


def _correlation(
    grouped: Sequence[FloatArray], firsts: Sequence[int], seconds: Sequence[int]
) -> np.ndarray:
    """Compute the mean product of pairs of groups at each lag, shape (lags, pairs)."""
    products = np.zeros((_MAX_GROUP_LAG, len(firsts)))
    pairs = np.zeros(_MAX_GROUP_LAG)
    for excerpt in grouped:
        centred = excerpt - excerpt.mean(axis=0)
        n = scipy.fft.next_fast_len(len(centred) + _MAX_GROUP_LAG, real=True)
        spectra = scipy.fft.rfft(centred, n, axis=0)
        cross_spectra = np.conj(spectra[:, list(firsts)]) * spectra[:, list(seconds)]
        products += scipy.fft.irfft(cross_spectra, n, axis=0)[:_MAX_GROUP_LAG]
        pairs += np.maximum(len(centred) - np.arange(_MAX_GROUP_LAG), 0)
    # A lag with few pairs is unreliable; it is divided as if there were 4 s of them.
    return np.asarray(products / np.maximum(pairs, 4 * FRAMES_PER_SECOND)[:, None])


def _maximum_near(curve: np.ndarray, lags: np.ndarray) -> np.ndarray:
    """Return the maximum of a curve within the tolerance of each lag."""
    grid = np.arange(len(curve))
    shifts = (1 - _TOLERANCE, 1 - _TOLERANCE / 2, 1, 1 + _TOLERANCE / 2, 1 + _TOLERANCE)
    return np.asarray(np.max([np.interp(lags * shift, grid, curve) for shift in shifts], axis=0))


def _onsets_per_frame(grouped: Sequence[FloatArray]) -> np.ndarray:
    """Count the peaks of each group above mean plus standard deviation, per frame."""
    counts = np.zeros(len(_GROUPS))
    for excerpt in grouped:
        threshold = excerpt.mean(axis=0) + excerpt.std(axis=0)
        inner = excerpt[1:-1]
        peaks = (inner > excerpt[:-2]) & (inner >= excerpt[2:]) & (inner > threshold)
        counts += peaks.sum(axis=0)
    return np.asarray(counts / max(sum(map(len, grouped)), 1))


def _harmonics(grouped: Sequence[FloatArray], beat_frames: np.ndarray) -> np.ndarray:
    """Compute the strength of the harmonics of beats, and how groups correlate in them.

    Columns, of harmonics x (groups + 2), are square roots of the share of the power in windows of
    8 s, and of the normalised cross-spectra of the bass drum with the snare drum and with the
    cymbals, which are negative if they alternate.
    """
    cycles_per_frame = (np.array(HARMONICS) / beat_frames[:, None]).ravel()
    basis = np.exp(-2j * np.pi * np.outer(cycles_per_frame, np.arange(_WINDOW)))
    products = np.zeros((len(cycles_per_frame), len(_GROUPS), len(_GROUPS)))
    power = np.zeros(len(_GROUPS))
    for excerpt in grouped:
        for start in range(0, max(len(excerpt) - _WINDOW // 2, 1), _WINDOW):
            window = excerpt[start : start + _WINDOW]
            window = (window - window.mean(axis=0)) * np.hanning(len(window))[:, None]
            spectrum = basis[:, : len(window)] @ window
            products += np.real(spectrum[:, :, None] * spectrum[:, None, :].conj())
            power += np.square(window).sum(axis=0) * len(window) / 8
    power = np.maximum(power, 1e-9)
    own = np.einsum("fgg->fg", products) / power
    drums = products[:, _LOW, [_SNARE, _CYMBALS]] / np.sqrt(power[_LOW] * power[[_SNARE, _CYMBALS]])
    shares = np.concatenate([own, drums], axis=1)
    return np.asarray(np.sign(shares) * np.sqrt(np.abs(shares))).reshape(len(beat_frames), -1)


def _scores(features: FloatArray) -> FloatArray:
    weights = load_constants("tempo")
    standard = (features - weights["mean"]) / weights["scale"]
    hidden = np.tanh(standard @ weights["first"] + weights["bias"])
    return np.asarray(hidden @ weights["second"])


@cache
def _band_starts() -> list[int]:
    filters = mel_filters(SAMPLE_RATE_HZ, N_FFT, MEL_BANDS)
    centres_hz = filters @ BINS_HZ / filters.sum(axis=1)
    return [0, *np.searchsorted(centres_hz, EDGES_HZ).tolist()]

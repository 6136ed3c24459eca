"""Onset strength, beats and tempo, with the octave that a listener taps.

Tempo and beats, from how strongly the sound changes.

What a genre says of tempo: the range in which people count its beats.

Music of one genre may be counted at either of two tempos, one twice the other, and only custom
says which: dubstep at 140 and not at 70, drum and bass at 174 and not at 87.

The tempo that a listener taps: which of the pulses of a recording is the beat.

Music has many pulses, each two or three times as fast as the next, and which of them is the
tempo cannot be told from its strength alone. A small network compares the candidates: by how
onsets recur after fractions and multiples of the beat, and how strong its harmonics are, in five
ranges of frequency; by how many onsets there are in a beat; and by how fast it is. What the genre
says counts too. `bench/tempo.py` learned it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view
from safetensors.numpy import load
from scipy.ndimage import gaussian_filter1d, uniform_filter1d

from segue.audio.spectrogram import SAMPLE_RATE_HZ, mel_filters
from segue.audio.timbre import FRAME, FRAMES_PER_SECOND, MEL_BANDS, apply_top_db
from segue.records import FloatArray
from segue.text import normalise, split_genres

# --- rhythm ---

#: Tempi that are looked at, 1 % apart.
TEMPOGRAM_BPM: Final = 30.0 * 1.01 ** np.arange(232)  # to 298.7
_PRIOR_BPM: Final = 110.0
_PRIOR_OCTAVES: Final = 1.2
# Lags, in beats, at which a pulse recurs, and what each counts. The half beat tells a beat
# from a pair of beats: most music divides the one, and not the other, into two.
_COMB: Final = {0.5: 0.5, 1: 1.0, 2: 0.75, 3: 0.5, 4: 0.5}
_LOCAL_S: Final = 1.0
_TIGHTNESS: Final = 100.0
_SAME_BPM: Final = 0.01
_MAX_LAG: Final = int(max(_COMB) * 60 / TEMPOGRAM_BPM[0] * FRAMES_PER_SECOND) + 2


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
        Strength of recurrence at each of `TEMPOGRAM_BPM`, without preference for any.
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
    strength[1:] = np.maximum(np.diff(apply_top_db(mel_db), axis=0), 0).mean(axis=1)
    return strength


def analyse_rhythm(strengths: Sequence[FloatArray]) -> Rhythm:
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
        return Rhythm(0.0, 0.0, np.zeros(len(TEMPOGRAM_BPM), np.float32), 4, none)
    lags = 60.0 / TEMPOGRAM_BPM * FRAMES_PER_SECOND
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


def track_beats_at(rhythm: Rhythm, strengths: Sequence[FloatArray], tempo_bpm: float) -> Rhythm:
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
    octaves = np.log2(TEMPOGRAM_BPM / _PRIOR_BPM)
    return np.asarray(np.exp(-0.5 * (octaves / _PRIOR_OCTAVES) ** 2))


def _refine(score: np.ndarray, best: int) -> float:
    """Find the top of a parabola through the best candidate and its neighbours."""
    if not 0 < best < len(score) - 1:
        return float(TEMPOGRAM_BPM[best])
    left, top, right = score[best - 1 : best + 2]
    bend = left - 2 * top + right
    shift = 0.5 * (left - right) / bend if bend < 0 else 0.0
    return float(TEMPOGRAM_BPM[best] * (TEMPOGRAM_BPM[1] / TEMPOGRAM_BPM[0]) ** shift)


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


# --- genre tempos ---

#: Lowest and highest usual tempo, beats a minute, by words of the genre. The first entry with
#: all its words in the genre counts, so that a kind of a genre stands before the genre.
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
#: By how many logarithmic units a tempo is less likely that is an octave outside the range.
_WEIGHT: Final = 3.0
_WORDS: Final = {kind: frozenset(kind.split()) for kind in RANGES_BPM}


def genre_range_bpm(genre: str) -> tuple[float, float] | None:
    """Return the usual tempos of a genre tag, lowest and highest; None where it says nothing.

    Parameters
    ----------
    genre : str
        One genre or several, "Electronic; Drum & Bass". The first with a usual tempo counts.
    """
    for one in split_genres(genre):
        words = set(normalise(one).split())
        for kind, usual in RANGES_BPM.items():
            if _WORDS[kind] <= words:
                return usual
    return None


def genre_log_prior(genre: str, tempos_bpm: FloatArray) -> FloatArray:
    """Tell how likely tempos are in a genre.

    Parameters
    ----------
    genre : str
        As in the tags; empty where there is none.
    tempos_bpm : ndarray, shape (n,), float32

    Returns
    -------
    ndarray, shape (n,), float32
        Logarithms, 0 within the usual range and falling with the octaves outside; all 0 where
        the genre has none.
    """
    usual = genre_range_bpm(genre)
    if usual is None:
        return np.zeros(len(tempos_bpm), np.float32)
    low_bpm, high_bpm = usual
    below = np.log2(low_bpm / np.minimum(tempos_bpm, low_bpm))
    above = np.log2(np.maximum(tempos_bpm, high_bpm) / high_bpm)
    return np.asarray(-_WEIGHT * (below + above), np.float32)


# --- tempo ---

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
_RANGE_BPM: Final = 45.0 * 2 ** (np.arange(10) / 4)  # to 214
_RANGE_OCTAVES: Final = 0.25
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


def band_onset_strength(mel_db: FloatArray) -> FloatArray:
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
    rises[1:] = np.maximum(np.diff(apply_top_db(mel_db), axis=0), 0)
    starts = _band_starts()
    sums = np.add.reduceat(rises, starts, axis=1)
    return np.asarray(sums / np.diff([*starts, MEL_BANDS]), np.float32)


def estimate_tempo(onsets: Sequence[FloatArray], pulse_bpm: float, genre: str = "") -> Tempo:
    """Choose among the tempos that go with a pulse.

    Parameters
    ----------
    onsets : sequence of ndarray, each of shape (frames, 8), float32
        From `band_onsets`, one of each stretch.
    pulse_bpm : float
        The strongest pulse, from `segue.audio.rhythm`; 0 for none.
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
        np.exp(-0.5 * (np.log2(candidates[:, None] / _RANGE_BPM) / _RANGE_OCTAVES) ** 2),
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

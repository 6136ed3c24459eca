"""The named features of a recording and the space `features`; music, speech or noise.

Everything measured of a recording, frame by frame and as a whole, before it is summed up.

Music, speech or noise: told by the named features of a recording.

A softmax regression on how far each feature is from the average, learned by
`bench/sound_kinds.py` from music, voices and noises of many sources. Steps of level without a
pulse speak for speech, a flat spectrum without a key for noise.

What can be said of a recording in named numbers, and the space `features` of them.

The classic published list and the usual summary statistics of music information
retrieval. `describe` gives both the facts shown to the user and the numbers compared.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final, Literal

import numpy as np
from safetensors.numpy import load

from segue.audio.chroma import Harmony, analyse_harmony
from segue.audio.rhythm import (
    Rhythm,
    Tempo,
    analyse_rhythm,
    band_onset_strength,
    estimate_tempo,
    onset_strength,
    track_beats_at,
)
from segue.audio.timbre import (
    FRAMES_PER_SECOND,
    FrameFeatures,
    concatenate_frames,
    frame_features,
    hz_to_mel,
    loudness_lufs,
    mel_frequency,
    mfcc,
    spectral_contrast_db,
)
from segue.errors import BadArgument
from segue.feature_names import SOUND_FEATURE_NAMES, SOUND_FEATURES_BY_GROUP
from segue.records import FloatArray, Recording

# --- measured ---


@dataclass(frozen=True, slots=True)
class Measurements:
    """All stretches of a recording, their frames one after the other.

    Only frames that sound are here: those not more than 60 dB below the loudest.

    Attributes
    ----------
    frames : Frames
    mfcc : ndarray, shape (frames, 20), float32
    mfcc_steps : ndarray, shape (steps, 20), float32
        Differences between successive frames of one stretch.
    onset : ndarray, shape (frames,), float32
        Onset strength, dB.
    mel_frequency : ndarray, shape (frames,), float32
        Mean frequency of each frame, mel.
    peak : float
        Largest sample, full scale 1.
    rhythm : Rhythm
        By the strongest pulse: what vectors are made of.
    tempo : Tempo
        That a listener taps.
    beats : Rhythm
        By that tempo: what people are told.
    harmony : Harmony
    """

    frames: FrameFeatures
    mfcc: FloatArray
    mfcc_steps: FloatArray
    onset: FloatArray
    mel_frequency: FloatArray
    peak: float
    rhythm: Rhythm
    tempo: Tempo
    beats: Rhythm
    harmony: Harmony


_SOUNDING_DB: Final = 60.0


def measure(excerpts: tuple[FloatArray, ...], genre: str = "") -> Measurements:
    """Measure the stretches of a recording.

    Parameters
    ----------
    excerpts : tuple of ndarray, each of shape (n,), float32
        At least one, none empty; mono at `SAMPLE_RATE_HZ`.
    genre : str
        As in the file's tags: it has a say in the tempo, in nothing else.

    Returns
    -------
    Measured
    """
    stretches = [frame_features(excerpt) for excerpt in excerpts]
    strengths = [onset_strength(stretch.mel_db) for stretch in stretches]
    rhythm = analyse_rhythm(strengths)
    onsets = [band_onset_strength(one.mel_db) for one in stretches]
    tempo = estimate_tempo(onsets, rhythm.tempo_bpm, genre)
    starts = np.cumsum([0] + [len(strength) for strength in strengths[:-1]])
    frames = concatenate_frames(stretches)
    coefficients = mfcc(frames.mel_db)
    sounding = frames.level_db > frames.level_db.max() - _SOUNDING_DB
    steps = np.diff(coefficients, axis=0, prepend=coefficients[:1])
    inside = sounding.copy()
    inside[starts] = False  # the step from one stretch to the next is no music
    return Measurements(
        frames=frames.only(sounding),
        mfcc=coefficients[sounding],
        mfcc_steps=steps[inside] if inside.any() else np.zeros_like(steps[:1]),
        onset=np.concatenate(strengths)[sounding],
        mel_frequency=mel_frequency(frames.mel_db)[sounding],
        peak=max(float(np.abs(excerpt).max()) for excerpt in excerpts),
        rhythm=rhythm,
        tempo=tempo,
        beats=track_beats_at(rhythm, strengths, tempo.bpm),
        harmony=analyse_harmony(excerpts),
    )


def beat_intervals_s(rhythm: Rhythm) -> FloatArray:
    """List the times between beats, none across two stretches; shape (intervals,), seconds."""
    return np.concatenate([np.diff(beats) for beats in rhythm.beats_s])


def tonic_distance_z(measured: Measurements) -> float:
    """How far the mean frequency is from the tonic between middle C and the B above it.

    In standard deviations of the frames' mean frequency, all on the mel scale; cut off at 20.
    """
    tonic_hz = 440.0 * 2.0 ** ((measured.harmony.tonic - 9) / 12)
    distance = float(measured.mel_frequency.mean()) - hz_to_mel(tonic_hz)
    return float(np.clip(distance / max(float(measured.mel_frequency.std()), 1e-3), -20, 20))


# --- sound kind ---

SoundKind = Literal["music", "speech", "noise"]
SOUND_KINDS: Final[tuple[SoundKind, ...]] = ("music", "speech", "noise")
#: What is music with a probability below this is not. Music left out is missed more than noise
#: let in disturbs: bench/tables/sound_kinds.md tells how much of each.
MUSIC_THRESHOLD: Final = 0.2


def sound_kind_probabilities(scores: FloatArray) -> FloatArray:
    """Tell how likely recordings are music, speech or noise.

    Parameters
    ----------
    scores : ndarray, shape (..., len(SOUND_FEATURE_NAMES)), float32
        From `segue.audio.features.z_scores`.

    Returns
    -------
    ndarray, shape (..., 3), float32
        In the order of `SOUND_KINDS`; they sum to 1.
    """
    weights = _weights()
    fits = scores @ weights["weights"] + weights["bias"]
    powers = np.exp(fits - fits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), np.float32)


def classify_sound_kinds(probabilities: FloatArray) -> list[SoundKind]:
    """Decide what recordings are, by their probabilities, shape (n, 3)."""
    others = probabilities[:, 1:].argmax(axis=1) + 1
    chosen = np.where(probabilities[:, 0] < MUSIC_THRESHOLD, others, 0)
    return [SOUND_KINDS[kind] for kind in chosen.tolist()]


@cache
def _weights() -> dict[str, FloatArray]:
    return dict(load((files("segue.weights") / "sound-kinds.safetensors").read_bytes()))


# --- features ---

#: Changes when, and only when, a golden vector moves by more than 1e-3.
VERSION: Final = 1

#: Standardised numbers are cut off here: one odd number must not decide.
LIMIT: Final = 4.0


@dataclass(frozen=True, slots=True)
class Description:
    """A recording in named numbers.

    Attributes
    ----------
    facts : dict of str to float or str
        For people; names carry their units.
    vector : ndarray, shape (len(SOUND_FEATURE_NAMES),), float32
        The musical numbers, encoded so that differences mean something (tempo in octaves,
        say), not yet standardised; finite.
    """

    facts: dict[str, float | str]
    vector: FloatArray


def describe(recording: Recording, genre: str = "") -> Description:
    """Describe a recording.

    Parameters
    ----------
    recording : Recording
        With samples at `segue.audio.spectrogram.SAMPLE_RATE_HZ`.
    genre : str
        As in the file's tags: it has a say in the tempo among the facts; no vector changes.

    Returns
    -------
    Description

    Raises
    ------
    BadArgument
        Where there are no samples, or some are not finite.
    """
    for excerpt in recording.excerpts:
        if excerpt.ndim != 1 or not np.isfinite(excerpt).all():
            raise BadArgument(
                f"expected finite mono samples of shape (n,), got shape {excerpt.shape}"
                " or values that are no numbers; decode the file again"
            )
    excerpts = tuple(excerpt for excerpt in recording.excerpts if len(excerpt))
    if not excerpts:
        raise BadArgument("the recording has no samples; decode it with a plan that gives some")
    measured = measure(excerpts, genre)
    numbers = {
        "rhythm": _rhythm_numbers(measured),
        "harmony": _harmony_numbers(measured.harmony),
        "timbre": _timbre_numbers(measured),
        "brightness": _brightness_numbers(measured),
        "texture": _texture_numbers(measured),
        "dynamics": _dynamics_numbers(measured),
    }
    vector = np.concatenate(
        [np.asarray(numbers[group], np.float32) for group in SOUND_FEATURES_BY_GROUP]
    )
    probabilities = sound_kind_probabilities(z_scores(standardise(vector)))
    facts = _facts(recording, measured)
    facts["sound_kind"] = classify_sound_kinds(probabilities[None])[0]
    facts["music_probability"] = float(probabilities[SOUND_KINDS.index("music")])
    return Description(facts, vector)


def standardise(vector: FloatArray) -> FloatArray:
    """Bring a vector into the space `features`.

    Parameters
    ----------
    vector : ndarray, shape (..., len(SOUND_FEATURE_NAMES)), float32
        From `describe`.

    Returns
    -------
    ndarray, same shape, float32
        Each number less its mean and divided by its scale, within -4 to 4, then freed of what
        the others of its group say too (a regularised whitening that never mixes groups); all
        by the shipped constants (weights/features.md).
    """
    if vector.shape[-1] != len(SOUND_FEATURE_NAMES):
        raise BadArgument(
            f"expected {len(SOUND_FEATURE_NAMES)} numbers, got {vector.shape[-1]}; "
            "describe it again"
        )
    constants = _constants()
    standard = (vector - constants["mean"]) / constants["scale"]
    return np.asarray(np.clip(standard, -LIMIT, LIMIT) @ constants["mix"], dtype=np.float32)


def z_scores(vector: FloatArray) -> FloatArray:
    """Tell of a vector of the space `features` how far each number is from the average.

    Parameters
    ----------
    vector : ndarray, shape (..., len(SOUND_FEATURE_NAMES)), float32
        From `standardise`.

    Returns
    -------
    ndarray, same shape, float32
        Standard deviations, within -4 to 4: what the others of its group say is in it again.
    """
    return np.asarray(np.linalg.solve(_constants()["mix"].T, vector.T).T, np.float32)


@cache
def _constants() -> dict[str, FloatArray]:
    return dict(load((files("segue.weights") / "features.safetensors").read_bytes()))


def _facts(recording: Recording, measured: Measurements) -> dict[str, float | str]:
    frames, harmony, rhythm = measured.frames, measured.harmony, measured.beats
    intervals_s = beat_intervals_s(rhythm)
    return {
        "sample_rate_hz": float(recording.file_rate_hz),
        "channels": float(recording.file_channels),
        "samples": float(round(recording.duration_s * recording.file_rate_hz)),
        "duration_s": recording.duration_s,
        "tempo_bpm": measured.tempo.bpm,
        "tempo_confidence": measured.tempo.confidence,
        "tempo_other_bpm": measured.tempo.other_bpm,
        "beats_per_bar": float(rhythm.beats_per_bar),
        "pulse_clarity": rhythm.clarity,
        "beat_interval_mean_s": float(intervals_s.mean()) if len(intervals_s) else 0.0,
        "beat_interval_std_s": float(intervals_s.std()) if len(intervals_s) else 0.0,
        "rolloff_hz": float(frames.rolloff_hz.mean()),
        "centroid_hz": float(frames.centroid_hz.mean()),
        "zero_crossing_rate_mean": float(frames.crossing_rate.mean()),
        "zero_crossing_rate_range": float(np.ptp(frames.crossing_rate)),
        "mel_frequency_mean_mel": float(measured.mel_frequency.mean()),
        "mel_frequency_std_mel": float(measured.mel_frequency.std()),
        "onset_strength_mean_db": float(measured.onset.mean()),
        "onset_strength_std_db": float(measured.onset.std()),
        "tonic": harmony.key.split()[0],
        "key": harmony.key,
        "key_confidence": harmony.confidence,
        "tonic_distance_z": tonic_distance_z(measured),
        "tuning_cents": 100 * harmony.tuning,
        "loudness_lufs": loudness_lufs(frames.loudness),
        "peak_dbfs": 20 * float(np.log10(max(measured.peak, 1e-5))),
    }


def _rhythm_numbers(measured: Measurements) -> list[float]:
    rhythm, onset = measured.rhythm, measured.onset
    octaves = float(np.log2(max(rhythm.tempo_bpm, 30.0)))
    intervals_s = beat_intervals_s(rhythm)
    unevenness = float(intervals_s.std() / intervals_s.mean()) if len(intervals_s) else 0.5
    threshold = onset.mean() + onset.std()
    inner = onset[1:-1]
    count = np.count_nonzero((inner > onset[:-2]) & (inner >= onset[2:]) & (inner > threshold))
    return [
        octaves,
        float(np.cos(2 * np.pi * octaves)),
        float(np.sin(2 * np.pi * octaves)),
        rhythm.clarity,
        float(np.log(unevenness + 0.01)),
        float(np.log(onset.mean() + 0.1)),
        float(np.log(onset.std() + 0.1)),
        float(np.log(count * FRAMES_PER_SECOND / len(onset) + 0.1)),
    ]


def _harmony_numbers(harmony: Harmony) -> list[float]:
    share = np.roll(harmony.chroma, -harmony.tonic)
    spread = np.roll(harmony.spread, -harmony.tonic)
    entropy = -float(np.sum(share * np.log2(np.maximum(share, 1e-6))))
    return [
        *share.tolist(),
        *spread.tolist(),
        float(harmony.fits[:12].max() - harmony.fits[12:].max()),
        float(harmony.fits.max()),
        harmony.change,
        entropy,
    ]


def _timbre_numbers(measured: Measurements) -> list[float]:
    return [
        *measured.mfcc.mean(axis=0)[1:].tolist(),
        *measured.mfcc.std(axis=0)[1:].tolist(),
        *np.log(measured.mfcc_steps.std(axis=0) + 0.1).tolist(),
    ]


def _brightness_numbers(measured: Measurements) -> list[float]:
    frames = measured.frames
    centroid, bandwidth, rolloff = (
        np.log2(np.maximum(hz, 20.0))
        for hz in (frames.centroid_hz, frames.bandwidth_hz, frames.rolloff_hz)
    )
    return [
        float(centroid.mean()),
        float(centroid.std()),
        float(bandwidth.mean()),
        float(rolloff.mean()),
        float(rolloff.std()),
        float(np.log(frames.crossing_rate.mean() + 1e-3)),
        float(np.log(np.ptp(frames.crossing_rate) + 1e-3)),
        float(measured.mel_frequency.mean()),
        float(np.log(measured.mel_frequency.std() + 0.1)),
        tonic_distance_z(measured),
    ]


def _texture_numbers(measured: Measurements) -> list[float]:
    frames = measured.frames
    flatness = np.log(np.maximum(frames.flatness, 1e-7))
    contrast = spectral_contrast_db(frames)
    return [
        float(flatness.mean()),
        float(flatness.std()),
        *contrast.mean(axis=0).tolist(),
        *contrast.std(axis=0).tolist(),
    ]


def _dynamics_numbers(measured: Measurements) -> list[float]:
    level = measured.frames.level_db
    low, high = np.percentile(level, (10, 95))
    return [
        loudness_lufs(measured.frames.loudness),
        float(high - low),
        float(level.std()),
        20 * float(np.log10(max(measured.peak, 1e-5)))
        - float(10 * np.log10(np.mean(10 ** (level / 10)))),
    ]

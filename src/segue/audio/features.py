"""Named features of a recording, the embedding space `features`, and the facts shown of it.

Features are means and deviations over time of rhythm, harmony, timbre and dynamics, as is common in
music information retrieval (Tzanetakis & Cook 2002); some come from all audible frames, some from
beats. A softmax regression on their z-scores, trained by `recipes/sound_kinds.py`, classifies
recordings as music, speech or noise.
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

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
from segue.audio.spectrogram import FRAMES_PER_SECOND, hz_to_mel
from segue.audio.timbre import (
    FrameFeatures,
    concatenate_frames,
    frame_features,
    loudness_lufs,
    mel_frequency,
    mfcc,
    spectral_contrast_db,
)
from segue.builtin_spaces import clipped_z_scores, feature_z_scores, load_constants
from segue.errors import BadArgument
from segue.feature_names import SOUND_FEATURE_NAMES, SOUND_FEATURES_BY_GROUP
from segue.records import FloatArray, Recording

SoundKind = Literal["music", "speech", "noise"]
SOUND_KINDS: Final[tuple[SoundKind, ...]] = ("music", "speech", "noise")
#: A recording with a lower probability of music is not music. The threshold is low, since missing
#: music is worse than noise among it; bench/tables/sound_kinds.md has both rates.
MUSIC_THRESHOLD: Final = 0.2

#: Changes when, and only when, a golden vector moves by more than 1e-3.
VERSION: Final = 1

_AUDIBLE_DB: Final = 60.0  # below the loudest frame


@dataclass(frozen=True, slots=True)
class Measurements:
    """The audible frames of all excerpts of a recording, concatenated, and what holds for all.

    A frame is audible if it is at most 60 dB below the loudest.

    Attributes
    ----------
    mfcc : ndarray, shape (frames, 20), float32
    mfcc_steps : ndarray, shape (steps, 20), float32
        Differences between successive frames of an excerpt.
    onset : ndarray, shape (frames,), float32
        Onset strength in dB.
    mel_frequency : ndarray, shape (frames,), float32
        Mean frequency of each frame in mel.
    peak : float
        Maximum absolute sample.
    rhythm : Rhythm
        At the tempo of the strongest pulse; used for features.
    tempo : Tempo
        Estimate of the tempo that a listener taps.
    beats : Rhythm
        At that tempo; used for facts.
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


def measure(excerpts: tuple[FloatArray, ...], genre: str = "") -> Measurements:
    """Analyse the excerpts of a recording.

    Parameters
    ----------
    excerpts : tuple of ndarray, each of shape (n,), float32
        At least one, none empty; mono at `SAMPLE_RATE_HZ`.
    genre : str
        As in the file's tags; it affects only the estimated tempo.
    """
    excerpt_frames = [frame_features(excerpt) for excerpt in excerpts]
    strengths = [onset_strength(frames.mel_db) for frames in excerpt_frames]
    rhythm = analyse_rhythm(strengths)
    band_strengths = [band_onset_strength(frames.mel_db) for frames in excerpt_frames]
    tempo = estimate_tempo(band_strengths, rhythm.tempo_bpm, genre)
    starts = np.cumsum([0] + [len(strength) for strength in strengths[:-1]])
    frames = concatenate_frames(excerpt_frames)
    coefficients = mfcc(frames.mel_db)
    audible = frames.level_db > frames.level_db.max() - _AUDIBLE_DB
    steps = np.diff(coefficients, axis=0, prepend=coefficients[:1])
    within_excerpt = audible.copy()
    within_excerpt[starts] = False
    return Measurements(
        frames=frames.select(audible),
        mfcc=coefficients[audible],
        mfcc_steps=steps[within_excerpt] if within_excerpt.any() else np.zeros_like(steps[:1]),
        onset=np.concatenate(strengths)[audible],
        mel_frequency=mel_frequency(frames.mel_db)[audible],
        peak=max(float(np.abs(excerpt).max()) for excerpt in excerpts),
        rhythm=rhythm,
        tempo=tempo,
        beats=track_beats_at(rhythm, strengths, tempo.bpm),
        harmony=analyse_harmony(excerpts),
    )


def beat_intervals_s(rhythm: Rhythm) -> FloatArray:
    """Return the inter-beat intervals within excerpts, shape (intervals,), in seconds."""
    return np.concatenate([np.diff(beats) for beats in rhythm.beats_s])


def tonic_distance_z(measured: Measurements) -> float:
    """Return the distance of the mean frequency from the tonic in the octave of middle C.

    It is measured in mel, in standard deviations of the frames' mean frequencies, and clipped to
    ±20.
    """
    tonic_hz = 440.0 * 2.0 ** ((measured.harmony.tonic - 9) / 12)
    distance = float(measured.mel_frequency.mean()) - hz_to_mel(tonic_hz)
    return float(np.clip(distance / max(float(measured.mel_frequency.std()), 1e-3), -20, 20))


def sound_kind_probabilities(scores: FloatArray) -> FloatArray:
    """Return the probabilities that recordings are music, speech or noise.

    Parameters
    ----------
    scores : ndarray, shape (..., len(SOUND_FEATURE_NAMES)), float32
        From `feature_z_scores`.

    Returns
    -------
    ndarray, shape (..., 3), float32
        In the order of `SOUND_KINDS`.
    """
    weights = load_constants("sound-kinds")
    logits = scores @ weights["weights"] + weights["bias"]
    odds = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=-1, keepdims=True), np.float32)


def classify_sound_kinds(probabilities: FloatArray) -> list[SoundKind]:
    """Classify recordings by their probabilities, shape (n, 3)."""
    likelier_of_others = probabilities[:, 1:].argmax(axis=1) + 1
    kinds = np.where(probabilities[:, 0] < MUSIC_THRESHOLD, likelier_of_others, 0)
    return [SOUND_KINDS[kind] for kind in kinds.tolist()]


@dataclass(frozen=True, slots=True)
class RecordingFeatures:
    """Facts and features of a recording.

    Attributes
    ----------
    facts : dict of str to float or str
        Shown to users; units are part of the names.
    vector : ndarray, shape (len(SOUND_FEATURE_NAMES),), float32
        Features on perceptual scales, such as octaves for tempo; finite, not yet standardised.
    """

    facts: dict[str, float | str]
    vector: FloatArray


def describe(recording: Recording, genre: str = "") -> RecordingFeatures:
    """Describe a recording.

    Parameters
    ----------
    recording : Recording
        Sampled at `segue.audio.spectrogram.SAMPLE_RATE_HZ`.
    genre : str
        As in the file's tags; it affects only the tempo among the facts.

    Raises
    ------
    BadArgument
        There are no samples, or some are not finite.
    """
    for excerpt in recording.excerpts:
        if excerpt.ndim != 1 or not np.isfinite(excerpt).all():
            raise BadArgument(
                f"expected finite mono samples of shape (n,), got shape {excerpt.shape}"
                " or values that are not finite; decode the file again"
            )
    excerpts = tuple(excerpt for excerpt in recording.excerpts if len(excerpt))
    if not excerpts:
        raise BadArgument("the recording has no samples; decode it with spans that have some")
    measured = measure(excerpts, genre)
    vector = feature_vector(measured)
    probabilities = sound_kind_probabilities(feature_z_scores("sound", standardise(vector)))
    facts = _facts(recording, measured)
    facts["sound_kind"] = classify_sound_kinds(probabilities[None])[0]
    facts["music_probability"] = float(probabilities[SOUND_KINDS.index("music")])
    return RecordingFeatures(facts, vector)


def feature_vector(measured: Measurements) -> FloatArray:
    """Return the features on perceptual scales, shape (len(SOUND_FEATURE_NAMES),), float32."""
    groups = {
        "rhythm": _rhythm_features(measured),
        "harmony": _harmony_features(measured.harmony),
        "timbre": _timbre_features(measured),
        "brightness": _brightness_features(measured),
        "texture": _texture_features(measured),
        "dynamics": _dynamics_features(measured),
    }
    return np.concatenate(
        [np.asarray(groups[group], np.float32) for group in SOUND_FEATURES_BY_GROUP]
    )


def standardise(vector: FloatArray) -> FloatArray:
    """Standardise features, into the embedding space `features`.

    Parameters
    ----------
    vector : ndarray, shape (..., len(SOUND_FEATURE_NAMES)), float32
        From `describe`.

    Returns
    -------
    ndarray, same shape, float32
        Z-scores, clipped to -4 to 4, then whitened within each group by regularised ZCA, with
        bundled constants (weights/features.md).

    Raises
    ------
    BadArgument
        The vector has another length.
    """
    if vector.shape[-1] != len(SOUND_FEATURE_NAMES):
        raise BadArgument(
            f"expected {len(SOUND_FEATURE_NAMES)} numbers, got {vector.shape[-1]}; "
            "describe it again"
        )
    constants = load_constants("features")
    return np.asarray(clipped_z_scores(vector, constants) @ constants["mix"], dtype=np.float32)


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


def _rhythm_features(measured: Measurements) -> list[float]:
    rhythm, onset = measured.rhythm, measured.onset
    octaves = float(np.log2(max(rhythm.tempo_bpm, 30.0)))
    intervals_s = beat_intervals_s(rhythm)
    variation = float(intervals_s.std() / intervals_s.mean()) if len(intervals_s) else 0.5
    threshold = onset.mean() + onset.std()
    inner = onset[1:-1]
    n_onsets = np.count_nonzero((inner > onset[:-2]) & (inner >= onset[2:]) & (inner > threshold))
    return [
        octaves,
        float(np.cos(2 * np.pi * octaves)),
        float(np.sin(2 * np.pi * octaves)),
        rhythm.clarity,
        float(np.log(variation + 0.01)),
        float(np.log(onset.mean() + 0.1)),
        float(np.log(onset.std() + 0.1)),
        float(np.log(n_onsets * FRAMES_PER_SECOND / len(onset) + 0.1)),
    ]


def _harmony_features(harmony: Harmony) -> list[float]:
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


def _timbre_features(measured: Measurements) -> list[float]:
    return [
        *measured.mfcc.mean(axis=0)[1:].tolist(),
        *measured.mfcc.std(axis=0)[1:].tolist(),
        *np.log(measured.mfcc_steps.std(axis=0) + 0.1).tolist(),
    ]


def _brightness_features(measured: Measurements) -> list[float]:
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


def _texture_features(measured: Measurements) -> list[float]:
    frames = measured.frames
    flatness = np.log(np.maximum(frames.flatness, 1e-7))
    contrast = spectral_contrast_db(frames)
    return [
        float(flatness.mean()),
        float(flatness.std()),
        *contrast.mean(axis=0).tolist(),
        *contrast.std(axis=0).tolist(),
    ]


def _dynamics_features(measured: Measurements) -> list[float]:
    level = measured.frames.level_db
    low, high = np.percentile(level, (10, 95))
    return [
        loudness_lufs(measured.frames.loudness),
        float(high - low),
        float(level.std()),
        20 * float(np.log10(max(measured.peak, 1e-5)))
        - float(10 * np.log10(np.mean(10 ** (level / 10)))),
    ]

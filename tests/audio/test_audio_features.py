"""Features: held to librosa, to known tempi and keys, and to golden values."""

import time
from dataclasses import replace

import librosa
import numpy as np
import pytest
from make_golden_features import FILE, song
from numpy.typing import NDArray

from segue.audio.features import describe, standardise
from segue.audio.rhythm import onset_strength
from segue.audio.spectrogram import SAMPLE_RATE_HZ
from segue.audio.timbre import (
    FrameFeatures,
    frame_features,
    loudness_lufs,
    mfcc,
    spectral_contrast_db,
)
from segue.errors import BadArgument
from segue.feature_names import SOUND_FEATURE_GROUPS, SOUND_FEATURE_NAMES
from segue.records import FloatArray, Recording, Span


def recording(*excerpts: NDArray[np.floating]) -> Recording:
    stretches = tuple(np.asarray(excerpt, dtype=np.float32) for excerpt in excerpts)
    lengths_s = [len(stretch) / SAMPLE_RATE_HZ for stretch in stretches]
    spans = tuple(Span(100.0 * i, 100.0 * i + length_s) for i, length_s in enumerate(lengths_s))
    return Recording(stretches, spans, sum(lengths_s), 44_100, 2, "none")


def tone(hz: float, seconds: float) -> NDArray[np.float64]:
    time_s = np.arange(round(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    partials = [np.sin(2 * np.pi * hz * k * time_s) / k for k in (1, 2, 3)]
    return np.asarray(0.1 * np.sum(partials, axis=0) * np.exp(-2 * time_s))


def chord(pitches: tuple[int, ...], seconds: float = 0.75) -> NDArray[np.float64]:
    tones = [tone(440 * 2 ** ((pitch - 69) / 12), seconds) for pitch in pitches]
    return np.asarray(np.sum(tones, axis=0))


def clicks(tempo_bpm: float, seconds: float, seed: int = 0) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    sound = rng.normal(0, 1e-3, round(seconds * SAMPLE_RATE_HZ))
    burst = rng.normal(0, 0.3, 800) * np.exp(-np.arange(800) / 150)
    for at in np.arange(0, seconds - 0.1, 60 / tempo_bpm):
        start = round(at * SAMPLE_RATE_HZ)
        sound[start : start + len(burst)] += burst
    return sound


@pytest.fixture(scope="module")
def samples() -> FloatArray:
    return song(1, 12.0).excerpts[0]


@pytest.fixture(scope="module")
def frames(samples: FloatArray) -> FrameFeatures:
    return frame_features(samples)


@pytest.fixture(scope="module")
def magnitude(samples: FloatArray) -> FloatArray:
    return np.asarray(np.abs(librosa.stft(samples)), dtype=np.float32)


def test_mfcc_is_librosas(samples: FloatArray, frames: FrameFeatures) -> None:
    theirs = librosa.feature.mfcc(y=samples, sr=SAMPLE_RATE_HZ).T
    np.testing.assert_allclose(mfcc(frames.mel_db), theirs, atol=2e-2)


@pytest.mark.parametrize(
    ("name", "theirs", "atol"),
    [
        ("centroid_hz", librosa.feature.spectral_centroid, 0.1),
        ("bandwidth_hz", librosa.feature.spectral_bandwidth, 0.1),
        ("rolloff_hz", librosa.feature.spectral_rolloff, 11.0),  # a bin
    ],
)
def test_shape_of_the_spectrum_is_librosas(
    name: str, theirs: object, atol: float, frames: FrameFeatures, magnitude: FloatArray
) -> None:
    assert callable(theirs)
    expected = theirs(S=magnitude, sr=SAMPLE_RATE_HZ)[0]
    np.testing.assert_allclose(getattr(frames, name), expected, atol=atol)


def test_flatness_is_librosas(frames: FrameFeatures, magnitude: FloatArray) -> None:
    theirs = librosa.feature.spectral_flatness(S=magnitude)[0]
    np.testing.assert_allclose(frames.flatness, theirs, rtol=1e-2, atol=1e-5)


def test_contrast_is_librosas(frames: FrameFeatures, magnitude: FloatArray) -> None:
    theirs = librosa.feature.spectral_contrast(S=magnitude, sr=SAMPLE_RATE_HZ).T
    difference = np.abs(spectral_contrast_db(frames) - theirs)
    # Valleys near the noise of float32 differ a little.
    assert np.percentile(difference, 99) < 0.1


def test_crossing_rate_and_level_are_librosas(samples: FloatArray, frames: FrameFeatures) -> None:
    crossing_rate = librosa.feature.zero_crossing_rate(samples)[0]
    np.testing.assert_allclose(frames.crossing_rate, crossing_rate, atol=1e-6)
    level = librosa.feature.rms(y=samples)[0]
    np.testing.assert_allclose(10 ** (frames.level_db / 20), level, rtol=1e-3, atol=1e-5)


def test_onset_strength_is_librosas_three_frames_earlier(
    samples: FloatArray, frames: FrameFeatures
) -> None:
    theirs = librosa.onset.onset_strength(y=samples, sr=SAMPLE_RATE_HZ)
    ours = onset_strength(frames.mel_db)
    np.testing.assert_allclose(ours[1 : len(theirs) - 2], theirs[3:], atol=1e-3)


def test_loudness_of_the_reference_tone() -> None:
    # BS.1770: a full-scale sine of 997 Hz in one channel measures -3.01 LUFS.
    time_s = np.arange(5 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    sine = np.sin(2 * np.pi * 997 * time_s).astype(np.float32)
    assert loudness_lufs(frame_features(sine).loudness) == pytest.approx(-3.01, abs=0.1)


@pytest.mark.parametrize("tempo_bpm", [72.0, 96.5, 120.0, 151.0])
def test_tempo_of_clicks(tempo_bpm: float) -> None:
    # Clicks alone are as good at twice or half the tempo.
    facts = describe(recording(clicks(tempo_bpm, 20))).facts
    ratio = float(facts["tempo_bpm"]) / tempo_bpm
    assert min(abs(ratio / octave - 1) for octave in (0.5, 1, 2)) < 0.02
    assert facts["beat_interval_mean_s"] == pytest.approx(60 / tempo_bpm / ratio, rel=0.02)
    assert float(facts["beat_interval_std_s"]) < 0.02


def test_excerpts_share_one_tempo() -> None:
    pieces = [clicks(100, seconds, seed) for seed, seconds in enumerate((6, 15, 6))]
    facts = describe(recording(*pieces)).facts
    ratio = float(facts["tempo_bpm"]) / 100
    assert min(abs(ratio / octave - 1) for octave in (0.5, 1, 2)) < 0.02


@pytest.mark.parametrize("shift", [0, 3, 8])
@pytest.mark.parametrize("detune", [0.0, 0.3])
@pytest.mark.parametrize(
    ("mode", "degrees"),
    [
        ("major", ((0, 4, 7), (5, 9, 12), (7, 11, 14), (0, 4, 7))),
        ("minor", ((0, 3, 7), (5, 8, 12), (7, 11, 14), (0, 3, 7))),
    ],
)
def test_key_of_a_cadence(
    shift: int, detune: float, mode: str, degrees: tuple[tuple[int, ...], ...]
) -> None:
    names = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
    chords = [
        chord(tuple(60 + shift + detune + degree for degree in each))  # type: ignore[misc]
        for each in degrees
    ]
    facts = describe(recording(np.concatenate(chords * 2))).facts
    assert facts["key"] == f"{names[shift]} {mode}"
    assert facts["tonic"] == names[shift]
    assert facts["tuning_cents"] == pytest.approx(100 * detune, abs=3)
    assert 1 / 24 <= float(facts["key_confidence"]) <= 1


def test_vector_does_not_depend_on_the_key() -> None:
    cadence = ((0, 4, 7), (5, 9, 12), (7, 11, 14), (0, 4, 7))
    low, high = (
        describe(
            recording(np.concatenate([chord(tuple(60 + shift + d for d in c)) for c in cadence]))
        ).vector[SOUND_FEATURE_GROUPS["harmony"]]
        for shift in (0, 2)
    )
    np.testing.assert_allclose(low, high, atol=0.05)


def test_every_classic_feature_is_described() -> None:
    facts = describe(song(1, 12.0)).facts
    assert set(facts) >= {
        "sample_rate_hz",
        "channels",
        "samples",
        "duration_s",
        "tempo_bpm",
        "beat_interval_mean_s",
        "beat_interval_std_s",
        "rolloff_hz",
        "zero_crossing_rate_mean",
        "zero_crossing_rate_range",
        "mel_frequency_mean_mel",
        "mel_frequency_std_mel",
        "onset_strength_mean_db",
        "onset_strength_std_db",
        "tonic",
        "key",
        "key_confidence",
        "tonic_distance_z",
        "loudness_lufs",
    }
    assert facts["samples"] == 12 * SAMPLE_RATE_HZ


def test_container_facts_do_not_move_the_vector() -> None:
    recording = song(1, 12.0)
    other = replace(recording, file_rate_hz=8000, file_channels=6, duration_s=500.0)
    np.testing.assert_array_equal(describe(recording).vector, describe(other).vector)


@pytest.mark.parametrize("count", [1, 700, 22_050])
@pytest.mark.parametrize("kind", ["zeros", "constant", "sine", "noise", "impulse"])
def test_unusual_signals_give_finite_numbers(count: int, kind: str) -> None:
    signal = {
        "zeros": np.zeros(count),
        "constant": np.ones(count),
        "sine": np.sin(np.arange(count)),
        "noise": np.random.default_rng(0).normal(0, 0.1, count),
        "impulse": np.eye(1, count, count // 2)[0],
    }[kind]
    description = describe(recording(signal))
    assert np.isfinite(description.vector).all()
    assert np.isfinite([x for x in description.facts.values() if isinstance(x, float)]).all()
    assert np.isfinite(standardise(description.vector)).all()


def test_empty_and_non_finite_recordings_are_refused() -> None:
    with pytest.raises(BadArgument, match="no samples"):
        describe(recording(np.zeros(0)))
    with pytest.raises(BadArgument, match="finite"):
        describe(recording(np.array([0.0, np.nan])))
    with pytest.raises(BadArgument, match="expected 124 numbers"):
        standardise(np.zeros(7, np.float32))


def test_names_and_groups_cover_the_vector() -> None:
    assert (
        len(set(SOUND_FEATURE_NAMES))
        == len(SOUND_FEATURE_NAMES)
        == len(describe(song(1, 3.0)).vector)
    )
    covered = [i for at in SOUND_FEATURE_GROUPS.values() for i in range(at.start, at.stop)]
    assert covered == list(range(len(SOUND_FEATURE_NAMES)))


def test_standardised_groups_do_not_mix() -> None:
    vector = describe(song(1, 12.0)).vector
    for at in SOUND_FEATURE_GROUPS.values():
        other = vector.copy()
        other[at] += 0.1
        moved = np.flatnonzero(standardise(other) != standardise(vector))
        assert len(moved)
        assert moved.min() >= at.start
        assert moved.max() < at.stop


def test_golden_vectors() -> None:
    with np.load(FILE) as golden:
        for seed, expected in zip((1, 2), golden["vectors"], strict=True):
            np.testing.assert_allclose(
                describe(song(seed, 12.0)).vector, expected, rtol=1e-3, atol=1e-3
            )


def test_a_minute_is_described_quickly() -> None:
    minute = song(1, 60.0)
    describe(song(1, 1.0))
    start = time.process_time()
    describe(minute)
    # 0.12 s on one core; several times that on a slow and busy machine.
    assert time.process_time() - start < 1.5

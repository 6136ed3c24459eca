"""Music, speech and noise are told apart, on sounds outside the training set."""

from collections.abc import Callable

import numpy as np
import pytest
from test_audio_features import recording

from conftest import COLLECTION, tune
from segue.audio.features import SOUND_KINDS, classify_sound_kinds, describe
from segue.audio.spectrogram import SAMPLE_RATE_HZ, spans_to_analyse
from segue.io.audio import read_recording
from segue.records import FloatArray

SECONDS = 15.0
COUNT = round(SECONDS * SAMPLE_RATE_HZ)


def white(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(0, 0.2, COUNT)


def brown(rng: np.random.Generator) -> np.ndarray:
    walk = np.cumsum(rng.normal(0, 1, COUNT))
    walk -= np.convolve(walk, np.full(2205, 1 / 2205), "same")
    return np.asarray(0.5 * walk / np.abs(walk).max())


def waterfall(rng: np.random.Generator) -> np.ndarray:
    swell = 1 + 0.3 * np.sin(2 * np.pi * 0.2 * np.arange(COUNT) / SAMPLE_RATE_HZ)
    return np.asarray(np.diff(rng.normal(0, 0.2, COUNT + 1)) * swell)


def babble(rng: np.random.Generator) -> np.ndarray:
    """Something like a voice: syllables of a gliding, buzzing tone and hisses, with pauses."""
    sound = np.zeros(COUNT)
    at = 0
    while at < COUNT - 9000:
        length = int(rng.uniform(0.08, 0.25) * SAMPLE_RATE_HZ)
        pitch = 120 * 2 ** (rng.normal(0, 0.2) + 0.1 * np.linspace(1, -1, length))
        phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE_HZ
        middle = rng.uniform(400, 2200)
        buzz = sum(
            np.exp(-(((k * 120 - middle) / 500) ** 2)) * np.sin(k * phase) for k in range(1, 30)
        )
        sound[at : at + length] += 0.2 * buzz * np.hanning(length)
        at += length
        if rng.random() < 0.4:
            hiss = int(rng.uniform(0.04, 0.12) * SAMPLE_RATE_HZ)
            sound[at : at + hiss] += np.diff(rng.normal(0, 0.05, hiss + 1)) * np.hanning(hiss)
            at += hiss
        at += int(rng.choice([0.02, 0.05, 0.4], p=[0.6, 0.25, 0.15]) * SAMPLE_RATE_HZ)
    return sound + rng.normal(0, 1e-3, COUNT)


@pytest.mark.parametrize("make", [white, brown, waterfall])
def test_noise(make: Callable[[np.random.Generator], np.ndarray]) -> None:
    facts = describe(recording(make(np.random.default_rng(1)))).facts
    assert facts["sound_kind"] == "noise"
    assert float(facts["music_probability"]) < 0.2


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_speech_like_signals_are_not_music(seed: int) -> None:
    facts = describe(recording(babble(np.random.default_rng(seed)))).facts
    assert facts["sound_kind"] == "speech"


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_simple_tunes_are_music(seed: int) -> None:
    samples: FloatArray = tune(seed, SECONDS, SAMPLE_RATE_HZ)
    assert describe(recording(samples)).facts["sound_kind"] == "music"


@pytest.mark.parametrize(
    "name", ["naev-data/ambient1.ogg", "zaz-data/mus1.ogg", "mrrescue/opening.ogg"]
)
def test_bundled_recordings_are_music(name: str) -> None:
    path = COLLECTION / name
    facts = describe(read_recording(path, SAMPLE_RATE_HZ, spans_to_analyse)).facts
    assert facts["sound_kind"] == "music"


def test_music_is_let_in_where_it_is_uncertain() -> None:
    probabilities = np.array([[0.25, 0.4, 0.35], [0.15, 0.5, 0.35], [0.15, 0.3, 0.55]])
    assert classify_sound_kinds(probabilities.astype(np.float32)) == ["music", "speech", "noise"]
    assert SOUND_KINDS == ("music", "speech", "noise")

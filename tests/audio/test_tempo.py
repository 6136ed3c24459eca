"""The tempo that a listener taps, without allowance for octaves."""

import numpy as np
import pytest
from test_audio_features import recording

from segue.audio.features import describe
from segue.audio.rhythm import Tempo, candidate_tempos, estimate_tempo
from segue.audio.spectrogram import SAMPLE_RATE_HZ

SECONDS = 24.0
EIGHTHS = tuple(np.arange(0, 4, 0.5))
SIXTEENTHS = tuple(np.arange(0, 4, 0.25))
#: Where bass drum, snare drum, cymbals and bass fall, in beats of a bar.
HOUSE = ((0, 1, 2, 3), (1, 3), EIGHTHS, (0.5, 1.5, 2.5, 3.5))
TRANCE = ((0, 1, 2, 3), (), (0.5, 1.5, 2.5, 3.5), tuple(x for x in SIXTEENTHS if x % 1))
DRUM_AND_BASS = ((0, 2.5), (1, 3), EIGHTHS, (0, 1.5, 2.5))
BALLAD = ((0, 2), (1, 3), EIGHTHS, (0, 2))
ROCK = ((0, 2, 2.5), (1, 3), EIGHTHS, EIGHTHS)
HIP_HOP = ((0, 1.75, 2.5), (1, 3), SIXTEENTHS, (0, 2.5))


def drums(bpm: float, pattern: tuple[tuple[float, ...], ...], seed: int = 0) -> np.ndarray:
    """Play a pattern with other drums for each seed."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(int(0.2 * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    noise = rng.normal(0, 1, len(time_s))
    kick = np.sin(2 * np.pi * (50 * time_s + 6 * (1 - np.exp(-25 * time_s)))) * np.exp(-14 * time_s)
    snare = (0.5 * noise + 0.5 * np.sin(2 * np.pi * 200 * time_s)) * np.exp(-22 * time_s)
    hat = np.diff(noise, prepend=0) * np.exp(-60 * time_s)
    bass = sum(np.sin(2 * np.pi * 55 * k * time_s) / k for k in (1, 2, 3)) * np.exp(-6 * time_s)
    sound = rng.normal(0, 1e-3, int((SECONDS + 1) * SAMPLE_RATE_HZ))
    beat_s = 60 / bpm
    for bar_s in np.arange(0, SECONDS - 4 * beat_s, 4 * beat_s):
        for times, hit, gain in zip(
            pattern, (kick, snare, hat, bass), (1.0, 0.6, 0.25, 0.4), strict=True
        ):
            for at in times:
                start = round((bar_s + at * beat_s) * SAMPLE_RATE_HZ)
                sound[start : start + len(hit)] += gain * hit
    return np.asarray(0.8 * sound / np.abs(sound).max())


@pytest.mark.parametrize(
    ("bpm", "pattern"),
    [
        (122, HOUSE), (127, HOUSE), (138, TRANCE), (146, TRANCE), (173, DRUM_AND_BASS),
        (168, DRUM_AND_BASS), (64, BALLAD), (72, BALLAD), (126, ROCK), (135, ROCK), (92, HIP_HOP),
    ],
)  # fmt: skip
def test_tempos_of_dances(bpm: float, pattern: tuple[tuple[float, ...], ...]) -> None:
    facts = describe(recording(drums(bpm, pattern))).facts
    assert facts["tempo_bpm"] == pytest.approx(bpm, rel=0.04)
    assert 0.3 < float(facts["tempo_confidence"]) <= 1
    # Beats and bars are measured at that tempo.
    assert facts["beat_interval_mean_s"] == pytest.approx(60 / bpm, rel=0.05)


def test_candidate_tempos_are_in_the_range_of_tapping() -> None:
    assert candidate_tempos(0.0).size == 0
    for pulse_bpm in (30.0, 60.0, 120.0, 298.0):
        candidates = candidate_tempos(pulse_bpm)
        assert len(candidates) >= 3
        assert candidates.min() >= 40
        assert candidates.max() <= 250
    np.testing.assert_allclose(
        candidate_tempos(120.0), [40, 60, 80, 90, 120, 160, 180, 240], rtol=1e-6
    )


def test_no_pulse_has_no_tempo() -> None:
    assert estimate_tempo([np.zeros((100, 8), np.float32)], 0.0) == Tempo(0.0, 0.0, 0.0)
    facts = describe(recording(np.zeros(SAMPLE_RATE_HZ))).facts
    assert (facts["tempo_bpm"], facts["tempo_confidence"], facts["tempo_other_bpm"]) == (0, 0, 0)

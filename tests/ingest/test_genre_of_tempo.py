"""The genre in a file's tags has a say in its tempo."""

import os
from pathlib import Path

import numpy as np
import pytest

from conftest import write_sound
from segue.audio.spectrogram import SAMPLE_RATE_HZ
from segue.ingest.analysis import Decode, DecodedFile, DecodedTrack, run_job

BPM = 86.0


def clicks() -> np.ndarray:
    """Return 20 s of the same click: nothing but custom says which pulse of it is the beat."""
    sound = np.random.default_rng(0).normal(0, 1e-3, 20 * SAMPLE_RATE_HZ)
    time_s = np.arange(1000) / SAMPLE_RATE_HZ
    click = 0.5 * np.sin(2 * np.pi * 300 * time_s) * np.exp(-80 * time_s)
    for at_s in np.arange(0, 19, 15 / BPM):
        start = round(at_s * SAMPLE_RATE_HZ)
        sound[start : start + 1000] += click
    return np.asarray(sound, np.float32)


@pytest.mark.parametrize(
    ("genre", "times"), [("Drum & Bass", 2.0), ("Ballad", 1.0), ("Liquid DnB", 2.0)]
)
def test_tempo_by_genre(tmp_path: Path, genre: str, times: float) -> None:
    path = tmp_path / "clicks.flac"
    write_sound(path, clicks(), SAMPLE_RATE_HZ, tags={"genre": genre})
    decoded = run_job(Decode(os.fsencode(path), "sound"))
    assert isinstance(decoded, DecodedFile)
    track = decoded.tracks[0]
    assert isinstance(track, DecodedTrack)
    assert track.facts["tempo_bpm"] == pytest.approx(times * BPM, rel=0.04)

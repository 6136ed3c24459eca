"""Log-mel images: what librosa gives, and what can be had back of them."""

import librosa
import numpy as np
import pytest

from conftest import tune
from segue.audio.spectrogram import (
    LOG_MEL_SPECS,
    SAMPLE_RATE_HZ,
    band_centres_hz,
    image_to_audio,
    log_mel_image,
    training_span,
)
from segue.errors import BadArgument
from segue.records import FloatArray


def music(seconds: float = 6.0) -> FloatArray:
    return tune(3, seconds, SAMPLE_RATE_HZ)


def test_the_large_image_is_librosas() -> None:
    samples = music()
    power = librosa.feature.melspectrogram(
        y=samples, sr=SAMPLE_RATE_HZ, n_fft=2048, hop_length=512, n_mels=128, fmax=8192
    )
    decibels = librosa.power_to_db(power, ref=np.max)
    expected = np.clip(1 + decibels / 80, 0, 1)
    # librosa has one mel spectrogram of 512 bands whose lowest are empty; 128 are compared,
    # at the rate that is not resized.
    kind = type(LOG_MEL_SPECS["mel512"])("test", 128, 8192.0, SAMPLE_RATE_HZ / 512)
    image = log_mel_image(samples, kind)[0, ::-1] / 255
    frames = image.shape[1]
    assert np.abs(image - expected[:, :frames]).max() < 0.005


@pytest.mark.parametrize("name", LOG_MEL_SPECS)
def test_shapes_and_range(name: str) -> None:
    kind = LOG_MEL_SPECS[name]
    image = log_mel_image(music(), kind)
    assert image.shape[:2] == (kind.channels, kind.bands)
    assert image.shape[2] == pytest.approx(6 * kind.frames_per_second, abs=1)
    assert image.dtype == np.uint8
    assert image[0].max() > 230  # resizing takes a little off the loudest value
    assert len(band_centres_hz(kind)) == kind.bands


def test_thirty_seconds_are_512_frames() -> None:
    image = log_mel_image(music(30.0), LOG_MEL_SPECS["mel128"])
    assert image.shape == (1, 128, 512)


def test_the_first_row_is_the_highest_band() -> None:
    time_s = np.arange(3 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    for hz in (220.0, 1760.0):
        samples = np.sin(2 * np.pi * hz * time_s).astype(np.float32)
        kind = LOG_MEL_SPECS["mel128"]
        loudest = int(log_mel_image(samples, kind)[0].mean(axis=1).argmax())
        assert band_centres_hz(kind)[loudest] == pytest.approx(hz, rel=0.1)


def test_chroma_rows_name_the_note() -> None:
    time_s = np.arange(3 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    a = np.sin(2 * np.pi * 440 * time_s).astype(np.float32)
    chroma = log_mel_image(a, LOG_MEL_SPECS["mel128+mfcc+chroma"])[2][::-1]
    loudest = int(chroma.mean(axis=1).argmax())
    assert loudest * 12 // 128 == 9  # A, counted from C


def test_loudness_does_not_change_the_image() -> None:
    kind = LOG_MEL_SPECS["mel128"]
    difference = np.abs(
        log_mel_image(music(), kind).astype(int) - log_mel_image(0.1 * music(), kind)
    )
    assert difference.max() <= 1


@pytest.mark.parametrize(
    ("duration_s", "start_s", "end_s"), [(5, 0, 5), (60, 0, 60), (75, 15, 75), (300, 30, 90)]
)
def test_a_minute_from_half_a_minute_on(duration_s: float, start_s: float, end_s: float) -> None:
    (span,) = training_span(duration_s)
    assert (span.start_s, span.end_s) == (start_s, end_s)


def test_a_wrong_shape_is_refused() -> None:
    with pytest.raises(BadArgument, match="mono samples"):
        log_mel_image(np.zeros((2, 100), np.float32), LOG_MEL_SPECS["mel128"])


def test_inverting_an_image_gives_audio_with_that_image() -> None:
    kind = LOG_MEL_SPECS["mel128"]
    image = log_mel_image(music(), kind)[0]
    samples = image_to_audio(image / np.float32(255), kind)
    assert len(samples) == pytest.approx(6 * SAMPLE_RATE_HZ, rel=0.01)
    assert np.abs(samples).max() == pytest.approx(0.9, abs=1e-3)
    again = log_mel_image(samples, kind)[0]
    frames = min(again.shape[1], image.shape[1])
    alike = np.corrcoef(image[:, :frames].ravel(), again[:, :frames].ravel())[0, 1]
    assert alike > 0.95

"""What a genre tag says of tempo."""

import numpy as np
import pytest
from test_audio_features import recording
from test_tempo import DRUM_AND_BASS, EIGHTHS, drums

from segue.audio.features import describe
from segue.audio.rhythm import RANGES_BPM, genre_log_prior, genre_range_bpm

HALF_TIME = ((0, 1.5), (2,), EIGHTHS, (0,))


@pytest.mark.parametrize(
    ("genre", "low_bpm"),
    [
        ("Drum & Bass", 160), ("Drum and Bass", 160), ("drum'n'bass", 160), ("DnB", 160),
        ("Electronic; Drum & Bass", 160), ("Liquid Drum & Bass", 160), ("Dubstep", 135),
        ("Deep House", 115), ("Progressive Trance", 125), ("Psytrance", 135),
        ("Wiener Walzer", 150), ("Piano Ballad", 52), ("Reggaetón", 85),
    ],
)  # fmt: skip
def test_typical_tempos_of_genres(genre: str, low_bpm: float) -> None:
    range_bpm = genre_range_bpm(genre)
    assert range_bpm is not None
    assert range_bpm[0] == low_bpm


@pytest.mark.parametrize("genre", ["", "Rock", "Jazz", "Pop", "Bass", "Drum Solo", "Warehouse"])
def test_most_genres_have_no_range(genre: str) -> None:
    assert genre_range_bpm(genre) is None
    np.testing.assert_array_equal(genre_log_prior(genre, np.array([60, 120], np.float32)), 0)


def test_the_prior_is_flat_within_a_range_of_less_than_an_octave() -> None:
    tempos = np.array([43, 86, 172, 344], np.float32)
    prior = genre_log_prior("Jungle", tempos)
    assert prior[2] == 0
    assert prior[0] < prior[1] < 0
    assert prior[3] < 0
    assert all(low < high <= 1.8 * low for low, high in RANGES_BPM.values())


@pytest.mark.parametrize(
    ("bpm", "pattern", "genre"),
    [
        (172, DRUM_AND_BASS, "Drum & Bass"),
        (165, DRUM_AND_BASS, "Jungle"),
        (140, HALF_TIME, "Dubstep"),
    ],
)
def test_the_genre_decides_between_octaves(
    bpm: float, pattern: tuple[tuple[float, ...], ...], genre: str
) -> None:
    heard = recording(drums(bpm, pattern, seed=2))
    with_genre, without = describe(heard, genre), describe(heard)
    assert with_genre.facts["tempo_bpm"] == pytest.approx(bpm, rel=0.04)
    np.testing.assert_array_equal(with_genre.vector, without.vector)


def test_a_wrong_genre_does_not_overrule_a_clear_tempo() -> None:
    heard = recording(drums(126, ((0, 1, 2, 3), (1, 3), EIGHTHS, (0.5, 1.5, 2.5, 3.5))))
    assert describe(heard, "Rock").facts == describe(heard).facts
    assert describe(heard, "Ballad").facts["tempo_bpm"] == pytest.approx(126, rel=0.04)

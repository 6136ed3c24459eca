"""Counted figures of rolls."""

import numpy as np
import pytest

from segue.records import BoolArray
from segue.score.piano_roll import extract_notes, transpose
from segue.score.vae.model import HISTOGRAM_SIZES, pattern_histograms


def windows(count: int = 3) -> BoolArray:
    rng = np.random.default_rng(0)
    cells = np.zeros((count, 4, 48, 84, 5), np.bool_)
    for window in range(count):
        for step in range(0, 48, 6):
            cells[window, :, step : step + 5, 30 + rng.integers(0, 12), 1 + rng.integers(0, 4)] = (
                True
            )
    return cells


@pytest.mark.parametrize("semitones", [-5, 3, 6])
def test_they_know_no_key(semitones: int) -> None:
    cells = windows()
    assert np.array_equal(
        pattern_histograms(extract_notes(cells)),
        pattern_histograms(extract_notes(transpose(cells, semitones))),
    )


def test_each_kind_has_length_one_and_drums_do_not_count() -> None:
    cells = windows()
    histograms = pattern_histograms(extract_notes(cells))
    assert histograms.shape == (3, sum(HISTOGRAM_SIZES))
    for kind in np.split(histograms, np.cumsum(HISTOGRAM_SIZES)[:-1], axis=1):
        assert np.linalg.norm(kind, axis=1) == pytest.approx(1)
    drummed = cells.copy()
    drummed[:, :, ::12, 12, 0] = True
    assert np.array_equal(histograms, pattern_histograms(extract_notes(drummed)))
    drummed[..., 1:] = False
    assert not pattern_histograms(extract_notes(drummed)).any()


def test_a_figure_is_counted_where_it_is() -> None:
    cells = np.zeros((1, 4, 48, 84, 5), np.bool_)
    cells[0, 1, 0:12, 40, 1] = True
    cells[0, 1, 12:24, 47, 1] = True  # a fifth up, on the fifth sixteenth
    motion = pattern_histograms(extract_notes(cells))[0, : HISTOGRAM_SIZES[0]].reshape(16, 25)
    assert np.argwhere(motion).tolist() == [[4, 12 + 7]]
    heights = pattern_histograms(extract_notes(cells))[0, -HISTOGRAM_SIZES[-1] :].reshape(4, 48)
    assert np.argwhere(heights).tolist() == [[0, 0], [1, 0]]

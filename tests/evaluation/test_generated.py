"""Metrics of generated music, by hand and against SciPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import gaussian_kde

from segue.errors import BadArgument
from segue.evaluation.generated import (
    empty_bar_rate,
    groove_consistency,
    overlapping_area,
    pitch_class_entropy,
    scale_consistency,
)

C_MAJOR = np.array([60, 62, 64, 65, 67, 69, 71])


def test_entropy_of_pitch_classes() -> None:
    assert pitch_class_entropy(np.array([60, 72, 48])) == 0
    assert pitch_class_entropy(np.arange(24)) == pytest.approx(np.log2(12))
    assert pitch_class_entropy(C_MAJOR) == pytest.approx(2.807355, abs=1e-6)  # log2 7
    # A half and two quarters: 1/2 + 1/2 + 1/2 bits.
    assert pitch_class_entropy(np.array([60, 60, 62, 64])) == pytest.approx(1.5)
    assert np.isnan(pitch_class_entropy(np.array([], np.int64)))


def test_scale_consistency() -> None:
    assert scale_consistency(C_MAJOR) == 1
    assert scale_consistency(C_MAJOR + 5) == 1
    assert scale_consistency(np.arange(12)) == pytest.approx(7 / 12)
    # C major with an F sharp: nothing holds more than seven of the eight.
    assert scale_consistency(np.append(C_MAJOR, 66)) == pytest.approx(7 / 8)


def test_groove_consistency() -> None:
    bars = np.zeros((3, 16), np.bool_)
    bars[:, ::4] = True
    assert groove_consistency(bars) == 1
    bars[2, 1:3] = True  # two steps of sixteen differ, in one of two adjacent pairs
    assert groove_consistency(bars) == pytest.approx(1 - 1 / 2 * 2 / 16)
    assert np.isnan(groove_consistency(bars[:1]))
    with pytest.raises(BadArgument, match="bool"):
        groove_consistency(bars.astype(np.int64))


def test_empty_bars() -> None:
    first, last = np.array([0, 2]), np.array([0, 4])
    assert empty_bar_rate(first, last, 8) == pytest.approx(4 / 8)
    assert empty_bar_rate(first[:0], last[:0], 3) == 1
    with pytest.raises(BadArgument, match="counted from 0"):
        empty_bar_rate(first, last, 4)


def test_the_overlapping_area_is_scipys_densities_lower_one() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.normal(0, 1, 80), rng.normal(1, 2, 60)
    grid = np.linspace(-15, 15, 20_001)
    lower = np.minimum(gaussian_kde(first)(grid), gaussian_kde(second)(grid))
    expected = float(np.trapezoid(lower, grid))
    assert overlapping_area(first, second) == pytest.approx(expected, abs=1e-4)
    assert overlapping_area(first, first) == pytest.approx(1, abs=1e-3)
    assert overlapping_area(first, first + 100) < 1e-6


def test_the_overlapping_area_of_what_never_varies() -> None:
    same = np.ones(5)
    assert overlapping_area(same, same) == 1
    assert overlapping_area(same, same + 1) < 1e-6
    with pytest.raises(BadArgument, match="two finite"):
        overlapping_area(same[:1], same)


@given(st.lists(st.integers(0, 127), min_size=1, max_size=60), st.integers(-20, 20))
def test_transposing_changes_nothing(pitches: list[int], up: int) -> None:
    pitch = np.array(pitches)
    moved = pitch + up + 120
    assert pitch_class_entropy(moved) == pytest.approx(pitch_class_entropy(pitch))
    assert scale_consistency(moved) == scale_consistency(pitch)
    assert 7 / 12 - 1e-9 <= scale_consistency(pitch) <= 1

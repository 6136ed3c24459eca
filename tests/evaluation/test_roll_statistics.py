"""Statistics of rolls, by hand and against the published formulas."""

import numpy as np
import pytest

from segue.errors import BadArgument
from segue.evaluation.generated import (
    drum_in_pattern_rate,
    n_pitch_classes_used,
    note_scores,
    qualified_note_rate,
    roll_empty_bar_rate,
    tonal_centroids,
    tonal_distance,
)
from segue.records import BoolArray


def bars(*notes: tuple[int, int, int, int], count: int = 2) -> BoolArray:
    """Make bars of notes: bar, first step, length, pitch."""
    cells = np.zeros((count, 48, 84), np.bool_)
    for bar, step, length, pitch in notes:
        cells[bar, step : step + length, pitch] = True
    return cells


def test_notes_are_found_by_onset_and_pitch() -> None:
    reference = bars((0, 0, 12, 40), (0, 12, 12, 40 + 4), (1, 0, 6, 47))
    estimate = bars((0, 0, 3, 40), (0, 13, 12, 44), (1, 0, 48, 47), (1, 0, 48, 50))
    scores = note_scores(estimate, reference)
    assert (scores.matched, scores.estimated, scores.reference) == (2, 4, 3)
    assert (scores.precision, scores.recall) == (2 / 4, 2 / 3)
    assert scores.f1 == pytest.approx(4 / 7)
    assert note_scores(reference, reference).f1 == 1
    assert np.isnan(note_scores(bars(), bars()).f1)


def test_empty_bars_and_pitch_classes() -> None:
    music = bars((0, 0, 12, 40), (0, 12, 12, 52), (0, 24, 12, 43), count=4)
    assert roll_empty_bar_rate(music) == 0.75
    assert n_pitch_classes_used(music) == 2  # 40 and 52 are one; empty bars do not count
    assert np.isnan(n_pitch_classes_used(bars()))


def test_notes_shorter_than_a_thirty_second_do_not_qualify() -> None:
    # 48 steps to the bar: a thirty-second is a step and a half.
    assert qualified_note_rate(bars((0, 0, 1, 40), (0, 12, 2, 40), (0, 24, 12, 40))) == 2 / 3
    assert (
        qualified_note_rate(bars((0, 47, 1, 40), (1, 0, 1, 40))) == 1
    )  # one note, over the bar line
    as_published = np.zeros((1, 96, 84), np.bool_)
    as_published[0, :2, 3] = as_published[0, 10:13, 3] = True
    assert qualified_note_rate(as_published) == 0.5


def test_drum_strokes_on_sixteenths() -> None:
    assert (
        drum_in_pattern_rate(bars((0, 0, 1, 12), (0, 3, 3, 14), (1, 4, 1, 14), (1, 44, 1, 14)))
        == 0.5
    )
    assert np.isnan(drum_in_pattern_rate(bars()))


def test_tonal_centroids_are_those_of_harte() -> None:
    # By the published formula, of the single pitch classes C and G: fifths are neighbours on
    # the first circle, a seventh of 7 pi / 6 apart.
    c, g, f_sharp = np.eye(12)[[0, 7, 6]]
    centroids = tonal_centroids(np.stack([c, g, f_sharp]))
    assert centroids[0] == pytest.approx([0, 1, 0, 1, 0, 0.5])
    turns = np.array([7 * 7 * np.pi / 6, 7 * 3 * np.pi / 2, 7 * 2 * np.pi / 3])
    expected = np.stack([np.sin(turns), np.cos(turns)], axis=1) * [[1], [1], [0.5]]
    assert centroids[1] == pytest.approx(expected.ravel())
    near, far = (float(np.linalg.norm(centroids[0] - centroid)) for centroid in centroids[1:])
    assert near < far  # a fifth is nearer than a tritone


def test_tonal_distance_is_over_beats_that_both_play() -> None:
    first, second = bars((0, 0, 12, 36), (0, 12, 12, 36)), bars((0, 0, 12, 48), (1, 0, 12, 42))
    assert tonal_distance(first, second) == pytest.approx(0)
    assert (
        tonal_distance(first, bars((0, 12, 12, 42)))
        == pytest.approx(np.linalg.norm([0, 2, 0, 0, 0, 0]), abs=1e-6)
        or tonal_distance(first, bars((0, 12, 12, 42))) > 1
    )
    assert np.isnan(tonal_distance(first, bars((1, 0, 12, 40))))


def test_other_shapes_are_refused() -> None:
    with pytest.raises(BadArgument, match="expected bars of shape"):
        roll_empty_bar_rate(np.zeros((48, 84), np.bool_))
    with pytest.raises(BadArgument, match="compare equals"):
        note_scores(bars(), bars(count=3))

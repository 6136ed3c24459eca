"""Melodies and chords on the grid of sixteenths."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue.generate.melody.lead_sheet import (
    FEATURES,
    LAST_PITCH,
    MAX_DURATION,
    NUM_FEATURES,
    NUM_PITCHES,
    chord_features,
    conditioning_features,
    fits_range,
    quantize_melody,
    transpose_chord_features,
    transpose_conditioning,
)
from segue.records import IntArray
from segue.theory.chord_charts import NO_ROOT, Chart, parse_chart, steps_per_beat, strong_steps

CHART = parse_chart("Dm7 G7 | Cmaj7 | N.C. | F/A G")

melodies = st.lists(
    st.tuples(st.integers(0, NUM_PITCHES), st.integers(1, MAX_DURATION)), min_size=1, max_size=30
)


def filled(events: list[tuple[int, int]], chart: Chart = CHART) -> IntArray:
    at, found = 0, []
    for symbol, length in [*events, *[(0, MAX_DURATION)] * 4]:
        if at < chart.steps:
            found.append((symbol, min(length, chart.steps - at)))
            at += length
    return np.array(found, np.int64)


@given(melodies, st.integers(-6, 6))
def test_what_is_told_moves_with_the_music(events: list[tuple[int, int]], by: int) -> None:
    melody = filled(events)
    if not fits_range(melody, by):
        return
    moved = melody.copy()
    moved[:, 0] = np.where(melody[:, 0] > 0, melody[:, 0] + by, 0)
    rows = CHART.chords.copy()
    for column in (1, 2):
        rows[:, column] = np.where(rows[:, column] < NO_ROOT, (rows[:, column] + by) % 12, NO_ROOT)
    bits = rows[:, 3] << by % 12
    rows[:, 3] = (bits | bits >> 12) & 0xFFF
    chart = Chart(CHART.time_signature, CHART.bars, rows)
    np.testing.assert_array_equal(
        conditioning_features(chart, moved),
        transpose_conditioning(conditioning_features(CHART, melody), by),
    )
    np.testing.assert_array_equal(
        chord_features(chart), transpose_chord_features(chord_features(CHART), by)
    )


@given(melodies)
def test_what_is_told_fits_the_tables_and_knows_nothing_of_what_follows(
    events: list[tuple[int, int]],
) -> None:
    melody = filled(events)
    rows = conditioning_features(CHART, melody)
    assert rows.shape == (len(melody), NUM_FEATURES)
    assert (rows >= 0).all()
    assert (rows[:, :LAST_PITCH] < list(FEATURES.values())).all()
    other = melody.copy()
    other[-1, 0] = 1 if other[-1, 0] != 1 else 2
    np.testing.assert_array_equal(conditioning_features(CHART, other), rows)


def test_what_was_played_bars_before_is_told() -> None:
    chart = parse_chart("C | C | C")
    melody = np.array([[13, 4], [15, 12], [13, 4], [15, 12], [13, 16]], np.int64)
    rows = conditioning_features(chart, melody)
    was, began = (list(FEATURES).index(name) for name in ("was_1", "began_1"))
    assert rows[2, [was, began]].tolist() == [12 - 2, 4]  # a tone below the last, four steps long
    assert rows[3, [was, began]].tolist() == [12 + 2, 12]
    assert rows[0, [was, began]].tolist() == [26, 0]  # nothing yet


def test_notes_become_events_without_gaps() -> None:
    melody = quantize_melody([(2, 6, 60), (5, 9, 62), (60, 70, 30), (61, 64, 72)], 64)
    assert melody.tolist() == [[0, 2], [13, 3], [15, 4], [0, 32], [0, 19], [7, 1], [25, 3]]
    assert melody[:, 1].sum() == 64


@pytest.mark.parametrize(
    ("time_signature", "beat", "strong"),
    [
        ((4, 4), 4, (0, 8)), ((2, 2), 4, (0, 8)), ((3, 4), 4, (0,)), ((2, 4), 4, (0, 4)),
        ((6, 8), 6, (0, 6)), ((9, 8), 6, (0,)), ((12, 8), 6, (0, 12)), ((5, 4), 4, (0,)),
    ],
)  # fmt: skip
def test_beats_and_strong_beats(
    time_signature: tuple[int, int], beat: int, strong: tuple[int, ...]
) -> None:
    assert steps_per_beat(time_signature) == beat
    assert strong_steps(time_signature) == strong

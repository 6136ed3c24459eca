"""Chords played: voices that move little, a bass, dances."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from segue.theory.chord_charts import Chart, parse_chart
from segue.theory.voicing import accompaniment, accompaniment_parts, dance_steps, voice_chords

chords = st.tuples(st.integers(0, 11), st.sets(st.integers(1, 11), min_size=1, max_size=6)).map(
    lambda drawn: (drawn[0], sorted({drawn[0]} | {(drawn[0] + step) % 12 for step in drawn[1]}))
)


@given(st.lists(chords, min_size=1, max_size=6))
def test_voices_are_notes_of_their_chord_in_their_range(
    progression: list[tuple[int, list[int]]],
) -> None:
    for (_, classes), pitches in zip(progression, voice_chords(progression), strict=True):
        assert 3 <= len(pitches) <= 4
        assert list(pitches) == sorted(set(pitches))
        assert {pitch % 12 for pitch in pitches} <= set(classes)
        assert 50 <= pitches[0] <= pitches[-1] <= 73


def test_voices_move_little() -> None:
    first, second, last = voice_chords([(2, [2, 5, 9, 0]), (7, [7, 11, 2, 5]), (0, [0, 4, 7, 11])])
    for before, after in ((first, second), (second, last)):
        assert sum(abs(a - b) for a, b in zip(before, after, strict=True)) <= 6


def test_what_says_most_of_a_chord_is_kept() -> None:
    (pitches,) = voice_chords([(7, [7, 11, 2, 5, 9, 4])])  # G13
    assert {11, 5, 4} <= {pitch % 12 for pitch in pitches}


@pytest.mark.parametrize("manner", ["held", "dance"])
@pytest.mark.parametrize("time_signature", [(4, 4), (3, 4), (6, 8), (9, 8), (2, 4), (5, 4), (7, 8)])
def test_every_chord_is_played_within_the_chart(
    manner: str, time_signature: tuple[int, int]
) -> None:
    chart = parse_chart("Dm7 G7 | C | N.C. | Bb/D", time_signature)
    upper, bass = accompaniment(chart, "dance" if manner == "dance" else "held")
    bar = chart.steps_per_bar * 120
    for notes in (upper, bass):
        assert (notes[:, 1] > 0).all()
        assert int((notes[:, 0] + notes[:, 1]).max()) <= 4 * bar
        assert set((notes[:, 0] // bar).tolist()) == {0, 1, 3}
        assert silent(chart, notes, 2)
    lowest = bass[bass[:, 0] == 3 * bar, 2] % 12
    assert lowest.tolist() == [2]  # the bass behind the slash


def silent(chart: Chart, notes: NDArray[np.int32], bar: int) -> bool:
    first, last = bar * chart.steps_per_bar * 120, (bar + 1) * chart.steps_per_bar * 120
    return not ((notes[:, 0] < last) & (notes[:, 0] + notes[:, 1] > first)).any()


def test_a_dance_alternates() -> None:
    assert dance_steps((4, 4)) == ((0, 8), (4, 12))
    assert dance_steps((3, 4)) == ((0,), (4, 8))
    assert dance_steps((6, 8)) == ((0, 6), (4, 10))
    _, bass = accompaniment(parse_chart("C | G7"), "dance")
    assert (bass[:, 2] % 12).tolist() == [0, 7, 7, 2]


def test_silence_has_no_parts() -> None:
    assert accompaniment_parts(parse_chart("N.C. | N.C."), "held", (0, 32)) == ()

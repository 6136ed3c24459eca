"""Bars put into a score: what was there stays."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from conftest import little_score
from segue.generate.compose.editing import add_part, insert_bars, trim_repeated_notes
from segue.generate.compose.tokens import Bar, Note, bars_to_score, score_to_bars
from segue.records import Part, Score
from segue.score.timing import bar_grid


@given(st.integers(0, 50), st.integers(0, 7), st.integers(1, 8), st.sampled_from([480, 10, 96]))
def test_bars_take_the_place_of_others(seed: int, first: int, count: int, ticks: int) -> None:
    last = min(first + count, 8)
    score = in_ticks(little_score(seed), ticks)
    other = score_to_bars(little_score(seed + 1))
    found = score_to_bars(insert_bars(score, other[first:last], first, last))
    before = score_to_bars(score)
    assert sounding(found[:first]) == sounding(before[:first])
    assert sounding(found[first:last]) == sounding(other[first:last])
    assert sounding(found[last:]) == sounding(before[last:])


def test_chord_symbols_stay_but_above_what_is_new() -> None:
    score = in_ticks(little_score(0), 10)
    at = bar_grid(score).edges.tolist()
    score = replace(score, chords=tuple((at[bar], name) for bar, name in enumerate("CDEFGABC")))
    other = score_to_bars(little_score(1))
    found = insert_bars(score, other[2:4], 2, 4)
    by = found.ticks_per_quarter // 10
    assert found.chords == tuple(
        (at[bar] * by, name) for bar, name in enumerate("CDEFGABC") if bar not in (2, 3)
    )
    assert len(insert_bars(score, other[:2], 8, 8).chords) == 8


def in_ticks(score: Score, ticks: int) -> Score:
    parts = []
    for part in score.parts:
        notes = part.notes.copy()
        notes[:, :2] = notes[:, :2] * ticks // 480
        parts.append(replace(part, notes=notes))
    return replace(score, ticks_per_quarter=ticks, parts=tuple(parts))


def sounding(found: list[Bar]) -> list[set[Note]]:
    return [set(bar.notes) for bar in found]


def test_bars_behind_the_end_bring_their_time_signature_and_tempo_along() -> None:
    score = little_score(1, 4, 3)
    waltz = replace(little_score(2, 2, 2), tempos=np.array([[0, 60.0]]))
    found = insert_bars(score, score_to_bars(waltz), 4, 4)
    assert found.time_signatures.tolist() == [[0, 3, 4], [4 * 3 * 480, 2, 4]]
    assert found.tempos[-1].tolist() == [4 * 3 * 480, 60.0]
    assert len(bar_grid(found)) == 6


def test_what_has_the_same_time_signature_and_tempo_says_neither_again() -> None:
    score = little_score(1, 4)
    found = insert_bars(score, score_to_bars(score), 4, 4)
    assert np.array_equal(found.time_signatures, score.time_signatures)
    assert np.array_equal(found.tempos, score.tempos)


def test_new_instruments_get_parts_of_their_own() -> None:
    score = little_score(1, 4)
    flute = replace(score.parts[0], program=73, name="flute")
    other = replace(score, parts=(flute,))
    found = add_part(score, score_to_bars(other))
    assert [part.program for part in found.parts] == [40, 33, 0, 73]
    assert np.array_equal(found.parts[3].notes[:, [0, 2]], flute.notes[:, [0, 2]])


def test_pedals_stay_where_nothing_is_replaced() -> None:
    score = little_score(1, 4)
    pedals = np.array([[0, 1], [1000, 0], [2000, 1], [3000, 0], [6000, 1], [7000, 0]], np.int32)
    held = replace(score.parts[0], pedals=pedals)
    found = insert_bars(
        replace(score, parts=(held, *score.parts[1:])), score_to_bars(score)[1:2], 1, 2
    )
    assert found.parts[0].pedals.tolist() == [[0, 1], [1000, 0], [6000, 1], [7000, 0]]


def test_a_note_ends_where_it_is_played_again() -> None:
    notes = np.array([[0, 100, 60, 90], [10, 5, 62, 90], [40, 20, 60, 90]], np.int32)
    nothing = np.empty((0, 3), np.int32)
    score = Score("", 12, (Part("", 0, False, notes),), np.empty((0, 2)), nothing, nothing)
    assert trim_repeated_notes(score).parts[0].notes[:, 1].tolist() == [40, 5, 20]


def test_without_a_score_it_is_what_was_written() -> None:
    written = score_to_bars(little_score(3))
    assert score_to_bars(insert_bars(None, written, 0, 0)) == score_to_bars(bars_to_score(written))


def test_of_several_parts_of_an_instrument_each_plays_what_it_played_around_there() -> None:
    score = little_score(1, 8)
    lower = score.parts[0].notes - np.array([0, 0, 24, 0], np.int32)
    low = replace(score.parts[0], name="left", notes=lower)
    high = replace(score.parts[0], name="right")
    both = replace(score, parts=(high, low))
    found = insert_bars(both, score_to_bars(both)[3:5], 3, 5)
    assert [part.name for part in found.parts] == ["right", "left"]
    for part, before in zip(found.parts, both.parts, strict=True):
        assert np.array_equal(part.notes[:, [0, 2]], before.notes[:, [0, 2]])

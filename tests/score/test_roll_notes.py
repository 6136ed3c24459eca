"""Rolls as tables of notes, and changed copies of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from segue.errors import BadArgument
from segue.records import BoolArray
from segue.score.piano_roll import (
    WINDOW_SHAPE,
    check_windows,
    drop_notes,
    extract_notes,
    pack_bars,
    rasterise_notes,
    split_windows,
    transpose,
    unpack_bars,
)


def random_cells(seed: int, count: int = 3, share: float = 0.01) -> BoolArray:
    rng = np.random.default_rng(seed)
    coarse = rng.random((count, 4, 12, 84, 5)) < share
    return np.repeat(coarse, 4, axis=2)


@given(st.integers(0, 1000), st.sampled_from([0.0, 0.003, 0.2]))
@settings(max_examples=15, deadline=None)
def test_the_notes_make_the_roll_again(seed: int, share: float) -> None:
    cells = random_cells(seed, share=share)
    notes = extract_notes(cells)
    again = np.zeros((len(cells), 192, 84, 5), np.bool_)
    columns = (notes.window, notes.step, notes.length, notes.pitch, notes.instrument)
    for window, step, length, pitch, instrument in zip(*columns, strict=True):
        assert length > 0
        assert not again[window, step - 1 : step + length, pitch, instrument].any() or step == 0
        again[window, step : step + length, pitch, instrument] = True
    assert np.array_equal(again.reshape(cells.shape), cells)
    assert np.array_equal(rasterise_notes(notes), cells)


def test_notes_come_by_window_instrument_step_and_pitch() -> None:
    notes = extract_notes(random_cells(1))
    order = np.lexsort((notes.pitch, notes.step, notes.instrument, notes.window))
    assert np.array_equal(order, np.arange(len(order)))
    assert notes.windows == 3


def test_a_whole_song_has_the_notes_of_its_windows() -> None:
    cells = random_cells(5, 2)
    song = extract_notes(cells.reshape(1, 8, *cells.shape[2:]))
    assert song.windows == 1
    assert song.length.sum() == extract_notes(cells).length.sum()
    first = extract_notes(cells).head(1)
    assert np.array_equal(rasterise_notes(first), cells[:1])


def test_what_is_no_window_is_refused() -> None:
    with pytest.raises(BadArgument, match=r"expected windows of shape \(n, 4, 48, 84, 5\), bool"):
        check_windows(np.zeros((4, 48, 84, 5), np.bool_))


def test_packing_is_undone() -> None:
    cells = random_cells(2)
    assert pack_bars(cells).shape == (3, 4, 2520)
    assert np.array_equal(unpack_bars(pack_bars(cells)), cells)


@pytest.mark.parametrize(("bars", "expected"), [(1, 1), (4, 1), (9, 3), (8, 2)])
def test_windows_cover_a_score(bars: int, expected: int) -> None:
    cells = np.zeros((bars, *WINDOW_SHAPE[1:]), np.bool_)
    cells[:, 0, 40, 1] = True
    windows = split_windows(cells)
    assert windows.shape == (expected, *WINDOW_SHAPE)
    assert np.array_equal(windows[-1].any(axis=(1, 2, 3)).sum(), min(bars, 4))
    assert len(split_windows(~cells & cells)) == 0


@given(
    arrays(np.bool_, (8, 84, 5), elements=st.booleans(), fill=st.just(False)), st.integers(-12, 12)
)
@settings(max_examples=40, deadline=None)
def test_transposing_moves_pitch_classes_and_no_drum(cells: BoolArray, semitones: int) -> None:
    moved = transpose(cells, semitones)
    assert np.array_equal(moved[..., 0], cells[..., 0])

    def classes(roll: BoolArray) -> BoolArray:
        return np.asarray(roll[..., 1:].reshape(8, 7, 12, 4).any(axis=1))

    assert np.array_equal(classes(moved), np.roll(classes(cells), semitones, axis=1))


def test_transposing_keeps_what_is_within_the_grid() -> None:
    cells = np.zeros((1, 84, 5), np.bool_)
    cells[0, 40, 2] = True
    assert np.argwhere(transpose(cells, 5)).tolist() == [[0, 45, 2]]
    assert np.argwhere(transpose(cells, -5)).tolist() == [[0, 35, 2]]


def test_thinning_leaves_out_whole_notes_and_keeps_one() -> None:
    cells = random_cells(3, 20)
    thin = drop_notes(cells, 0.3, np.random.default_rng(0))
    assert not (thin & ~cells).any()
    before, after = (len(extract_notes(kept_notes).window) for kept_notes in (cells, thin))
    assert 0.6 < after / before < 0.8
    gone = drop_notes(cells, 1.0, np.random.default_rng(0))
    assert gone.any(axis=(1, 2, 3, 4)).all()
    assert np.bincount(extract_notes(gone).window).tolist() == [1] * 20

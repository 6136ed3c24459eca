"""The longest shared passage, found by hashes, is the one that is there."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue.errors import BadArgument
from segue.measure.copying import longest_shared_passage
from segue.measure.hashed_copying import RUN, hashed_runs, longest_hashed_passage

pieces = st.lists(st.tuples(st.integers(40, 90), st.integers(1, 8)), min_size=1, max_size=40).map(
    lambda rows: np.array([(pitch, 8 * i + step) for i, (pitch, step) in enumerate(rows)])
)


@given(st.lists(pieces, min_size=1, max_size=4), pieces, st.integers(0, 30), st.integers(-20, 20))
def test_it_finds_what_an_exact_search_finds(
    corpus: list["np.ndarray[tuple[int, int], np.dtype[np.int64]]"],
    own: "np.ndarray[tuple[int, int], np.dtype[np.int64]]",
    start: int,
    by: int,
) -> None:
    borrowed = corpus[0][start:] + np.array([by, 400])
    query = np.concatenate([own, borrowed])
    hashes = [hashed_runs(piece) for piece in corpus]
    starts = np.cumsum([0, *(len(each) for each in hashes)])[:-1]
    found = longest_hashed_passage(query, np.concatenate(hashes), starts)
    exact = longest_shared_passage(query, corpus)
    assert found.notes == (exact.notes if exact.notes > RUN else 0)
    if found.notes:
        there = corpus[found.piece][found.piece_start :][: found.notes]
        here = query[found.start :][: found.notes]
        np.testing.assert_array_equal(np.diff(here, axis=0), np.diff(there, axis=0))


def test_short_and_empty_pieces_share_nothing() -> None:
    notes = np.array([[60, 0], [62, 2], [64, 4]])
    assert len(hashed_runs(notes)) == 0
    assert longest_hashed_passage(notes, np.zeros(0, np.uint16), [0]).notes == 0


def test_what_is_no_row_of_notes_is_refused() -> None:
    with pytest.raises(BadArgument, match=r"shape \(n, 2\)"):
        hashed_runs(np.zeros((3, 3), np.int64))

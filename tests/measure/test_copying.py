"""The longest shared passage: planted, and against trying all."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.generate.copying import SharedPassage, longest_shared_passage

Notes = NDArray[np.int64]


def notes_of(pitches: list[int], onsets: list[int] | None = None) -> Notes:
    return np.column_stack([pitches, onsets or range(len(pitches))]).astype(np.int64)


def random_notes(rng: np.random.Generator, count: int) -> Notes:
    return np.column_stack(
        [rng.integers(40, 90, count), np.cumsum(rng.choice([0, 3, 6, 12], count))]
    )


def tried(query: Notes, corpus: list[Notes]) -> int:
    """Try all pairs of beginnings."""
    best = 0
    for piece in corpus:
        for i in range(len(query)):
            for j in range(len(piece)):
                count = 0
                while i + count < len(query) and j + count < len(piece):
                    mine, there = query[i + count] - query[i], piece[j + count] - piece[j]
                    if not np.array_equal(mine, there):
                        break
                    count += 1
                best = max(best, count)
    return best if best > 1 else 0


def test_a_planted_passage_is_found_in_another_key() -> None:
    rng = np.random.default_rng(0)
    corpus = [random_notes(rng, 300) for _ in range(5)]
    query = random_notes(rng, 200)
    passage = corpus[3][100:137].copy()
    passage[:, 0] += 5
    passage[:, 1] += query[60, 1] - passage[0, 1]
    query[60:97] = passage
    query[97:, 1] += 1000
    query[:60, 1] -= 1000
    found = longest_shared_passage(query, corpus)
    assert found == SharedPassage(37, 60, 3, 100, 5)


def test_rhythm_counts_unless_it_is_told_not_to() -> None:
    slow = notes_of([60, 62, 64, 65], [0, 12, 24, 36])
    fast = notes_of([62, 64, 66, 67], [0, 6, 12, 18])
    assert longest_shared_passage(fast, [slow]).notes == 0
    assert longest_shared_passage(fast, [slow], rhythm=False) == SharedPassage(4, 0, 0, 0, 2)


def test_passages_end_with_their_piece() -> None:
    scale = notes_of(list(range(60, 80)))
    found = longest_shared_passage(scale, [scale[:8], scale[8:]])
    assert found.notes == 12


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_it_is_what_trying_all_finds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(0, 30, 4).tolist()
    pieces = [
        np.column_stack([rng.integers(60, 63, n), np.cumsum(rng.integers(1, 3, n))]) for n in sizes
    ]
    found = longest_shared_passage(pieces[0], pieces[1:])
    assert found.notes == tried(pieces[0], pieces[1:])
    if found.notes:
        mine = pieces[0][found.start : found.start + found.notes]
        theirs = pieces[1:][found.piece][found.piece_start : found.piece_start + found.notes]
        assert (mine[:, 0] - theirs[:, 0] == found.semitones).all()
        assert np.array_equal(np.diff(mine[:, 1]), np.diff(theirs[:, 1]))


def test_nothing_is_shared_with_nothing() -> None:
    assert longest_shared_passage(notes_of([60]), [notes_of([60, 62])]).piece == -1
    assert longest_shared_passage(notes_of([60, 62]), []).notes == 0


def test_swapped_columns_are_refused() -> None:
    with pytest.raises(BadArgument, match="this order"):
        longest_shared_passage(notes_of([0, 400])[:, ::-1] * 200, [])

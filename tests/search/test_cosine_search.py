import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue.errors import BadArgument
from segue.records import Space
from segue.search.neighbours import cosine_similarities, iter_descending, query_vector
from segue.store.spaces import Matrix


@given(st.lists(st.integers(-5, 5), max_size=1000))
def test_best_first_sorts_everything_and_keeps_the_order_of_equals(scores: list[int]) -> None:
    array = np.array(scores, np.float32)
    pieces = list(iter_descending(array))
    order = np.concatenate(pieces) if pieces else np.empty(0, int)
    assert order.tolist() == np.argsort(-array, kind="stable").tolist()


def test_a_blend_points_between_what_is_wanted_and_away_from_what_is_not() -> None:
    x, y, z = np.eye(3, dtype=np.float32)
    mixed = query_vector([x * 100, y], [z])
    assert np.allclose(mixed, np.array([0.5, 0.5, -1.0]) / np.sqrt(1.5))


def test_a_blend_of_nothing() -> None:
    x = np.eye(3, dtype=np.float32)[0]
    with pytest.raises(BadArgument, match="cancel"):
        query_vector([x], [x])
    with pytest.raises(BadArgument, match="at least one"):
        query_vector([])


def test_a_query_of_another_space_is_refused() -> None:
    space = Space("sound", "sound", 3, "cosine", "abc", 1)
    matrix = Matrix(space, np.arange(2), np.eye(2, 3, dtype=np.float32))
    with pytest.raises(BadArgument, match="3 dimensions"):
        cosine_similarities(matrix, np.ones(4, np.float32))
    assert cosine_similarities(matrix, np.array([0, 1, 0], np.float32)).tolist() == [0.0, 1.0]

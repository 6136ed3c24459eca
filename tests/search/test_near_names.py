import numpy as np
import pytest

from segue.search.query import most_shared_trigrams


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("morning mood", [0, 2, 1]),
        ("mornig mod", [0, 2]),
        ("evening", [1, 0, 2]),
        ("вечер", [3]),
        ("月の光", [4]),
        ("mood mood mood", [0]),
        ("ab", []),  # "ab " is no part of "abba"
        ("xyz", []),
        ("", []),
        ("x" * 500, []),
    ],
)
def test_lines_that_share_most_come_first(text: str, rows: list[int]) -> None:
    lines = "morning mood grieg\nevening song evening\nmorning has broken\nвечер\n月の光\nabba"
    assert most_shared_trigrams(lines, text, 9).tolist() == rows


def test_runs_do_not_reach_over_the_end_of_a_line() -> None:
    assert most_shared_trigrams("ab\ncd\nabcd", "abcd", 9).tolist() == [2]


def test_of_no_lines_none_is_found() -> None:
    assert most_shared_trigrams("", "abc", 9).tolist() == []


def test_no_more_than_asked_for() -> None:
    lines = "\n".join(f"song {i}" for i in range(1000))
    rows = most_shared_trigrams(lines, "song 77", 5)
    assert len(rows) == 5
    assert 77 in rows
    assert np.unique(rows).size == 5

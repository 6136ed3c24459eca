import numpy as np
import pytest

from segue.records import FloatArray
from segue.store.user_data import MatchedListens
from segue.training import listens as module
from segue.training.listens import ListensConfig, ListensSpace, NotLearnable, fit_listens

pytest.importorskip("implicit")


def matched(*rows: tuple[int, int, int, int]) -> MatchedListens:
    """Make listens of rows of user, track, plays and time."""
    columns = np.array(sorted(rows, key=lambda row: (row[0], row[3])), np.int64).reshape(-1, 4)
    return MatchedListens(*columns.T)


def two_tastes(users: int = 12) -> MatchedListens:
    """Half of the users play tracks 1…6, the others 7…12, all of them now and then track 13."""
    rng = np.random.default_rng(0)
    return matched(
        *(
            (user, int(track) + 6 * (user % 2), int(rng.integers(1, 30)), 0)
            for user in range(users)
            for track in rng.choice(np.arange(1, 7), 4, replace=False)
        ),
        *((user, 13, 1, 0) for user in range(users)),
    )


def cosines(learned: ListensSpace) -> FloatArray:
    unit = learned.vectors / np.linalg.norm(learned.vectors, axis=1, keepdims=True)
    return np.asarray(unit @ unit.T)


def test_tracks_of_one_taste_lie_together() -> None:
    learned = fit_listens(two_tastes())
    assert isinstance(learned, ListensSpace)
    assert learned.tracks.tolist() == list(range(1, 14))
    assert (learned.rows, learned.by_session) == (12, False)
    near = cosines(learned)
    assert near[:6, :6].mean() > near[:6, 6:12].mean() + 0.3


def test_the_same_listens_give_the_same_vectors() -> None:
    first, second = fit_listens(two_tastes()), fit_listens(two_tastes())
    different = fit_listens(two_tastes(14))
    assert isinstance(first, ListensSpace)
    assert isinstance(second, ListensSpace)
    assert isinstance(different, ListensSpace)
    assert np.array_equal(first.vectors, second.vectors)
    assert first.model == second.model != different.model


def test_tracks_with_the_same_listens_lie_at_one_place() -> None:
    rows = [(user, track, 1 + user, 0) for user in range(6) for track in (1, 2, 3 + user)]
    learned = fit_listens(matched(*rows))
    assert isinstance(learned, ListensSpace)
    assert cosines(learned)[0, 1] > 0.999


def test_sessions_of_one_user_give_co_occurrence() -> None:
    evenings = [
        (0, day % 2 * 3 + i, 1, day * 86_400 + i * 200 + 1) for day in range(10) for i in range(3)
    ]
    learned = fit_listens(matched(*evenings, (0, 9, 50, 0)))
    assert isinstance(learned, ListensSpace)
    assert (learned.rows, learned.by_session) == (10, True)
    assert learned.tracks.tolist() == [0, 1, 2, 3, 4, 5]  # 9 was played at no known time
    near = cosines(learned)
    assert near[:3, :3].min() > near[:3, 3:].max()


def test_a_session_ends_after_half_an_hour_of_silence() -> None:
    def rows(gap_s: int) -> int:
        separate = [(0, track, 1, 1000 + n * gap_s) for n, track in enumerate([1, 2, 3, 4])]
        pair = [
            (0, 5, 1, 10**6),
            (0, 6, 1, 10**6 + 1),
            (0, 5, 1, 2 * 10**6),
            (0, 7, 1, 2 * 10**6 + 1),
        ]
        learned = fit_listens(matched(*separate, *pair))
        assert isinstance(learned, ListensSpace)
        return learned.rows

    assert rows(1800) == 3
    assert rows(1801) == 2


@pytest.mark.parametrize(
    ("listens", "reason"),
    [
        ([], "no track of this library was listened to"),
        ([(0, 1, 5, 0), (0, 2, 5, 0)], "one user's listens"),
        ([(0, 1, 1, 1000), (0, 2, 1, 1100)], "at least two sessions"),
        ([(0, 1, 1, 0), (1, 1, 1, 0)], "at least two users"),
        ([(0, 1, 1, 1), (0, 2, 1, 10**6), (0, 3, 1, 2 * 10**6)], "one user's listens"),
    ],
)
def test_what_cannot_be_learned_is_reported(
    listens: list[tuple[int, int, int, int]], reason: str
) -> None:
    result = fit_listens(matched(*listens))
    assert isinstance(result, NotLearnable)
    assert reason in result.reason


def test_tracks_that_are_regularised_away_are_left_out() -> None:
    result = fit_listens(two_tastes(), ListensConfig(regularization=1000.0))
    assert isinstance(result, NotLearnable)
    assert "too few plays are shared" in result.reason


def test_without_the_library_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda _name: None)
    result = fit_listens(two_tastes())
    assert isinstance(result, NotLearnable)
    assert "pip install implicit" in result.reason

"""Journeys: small steps, no artist twice in a row, no copies, always forward."""

import shutil
from collections.abc import Callable, Sequence
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import fill_library
from segue.builtin_spaces import builtin_spaces
from segue.errors import BadArgument, NotFound
from segue.explore.path import END_SLACK, minimax_path
from segue.library import Library
from segue.records import Space, Tags
from segue.store import Store


def arc(folder: Path, artists: list[str]) -> Library:
    """Make a library whose tracks lie in order on a quarter of a circle."""
    fill_library(folder, [Tags(f"t{i}", artist, "album") for i, artist in enumerate(artists)])
    store = Store(folder, builtin_spaces("sound").values())
    with store.transaction():
        store.spaces.replace_trained(Space("arc", "sound", 2, "cosine", "m", 1))
        for track in store.tracks():
            angle = np.pi / 2 * (track.id - 1) / (len(artists) - 1)
            vector = np.array([np.cos(angle), np.sin(angle)], np.float32)
            store.spaces.put("arc", track.id, vector)
    store.close()
    return Library.open(folder)


def test_steps_on_an_arc_are_even(tmp_path: Path) -> None:
    with arc(tmp_path, [f"artist {i}" for i in range(31)]) as lib:
        path = lib.journeys.path(1, 31, 7, space="arc")
        assert (path.tracks[0].id, path.tracks[-1].id) == (1, 31)
        assert len(path.tracks) == 7
        assert list(path.progress) == sorted(path.progress)
        # The ends are forced to the next track; between them the way is cut evenly.
        assert np.ptp(path.steps[1:-1]) < 0.06
        assert path.largest_step == max(path.steps)


def test_no_artist_comes_twice_in_a_row(tmp_path: Path) -> None:
    artists = ["start", *("same" if i % 3 else f"other {i}" for i in range(28)), "goal"]
    with arc(tmp_path, artists) as lib:
        path = lib.journeys.path(1, 30, 9, space="arc")
        names = [track.tags.artist for track in path.tracks]
        assert all(a != b for a, b in pairwise(names))
        assert path.same_artist == 0


def test_one_artist_may_repeat_if_there_is_no_other(tmp_path: Path) -> None:
    with arc(tmp_path, ["only"] * 6) as lib:
        path = lib.journeys.path(1, 6, 4, space="arc")
        assert len(path.tracks) == 4
        assert path.same_artist == 3
        assert path.largest_step < 2


def test_near_ends_matter_less_than_repeated_artists(tmp_path: Path) -> None:
    with arc(tmp_path, ["start", "same", "other", "third", "same", "goal"]) as lib:
        path = lib.journeys.path(1, 6, 4, space="arc")
        assert path.same_artist == 0
        assert max(path.steps) < 0.65  # two of the five arcs between neighbours


@settings(max_examples=100, deadline=None)
@given(st.integers(5, 9), st.integers(3, 7), st.integers(0, 10**6))
def test_no_path_repeats_artists_less_often(m: int, n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    points, artists = rng.standard_normal((m, 3)), rng.integers(0, 3, m)
    distance = np.linalg.norm(points[:, None] - points, axis=2).astype(np.float32)
    again = artists[:, None] == artists

    def repeats(path: Sequence[int]) -> int:
        return sum(bool(again[pair]) for pair in pairwise(path))

    least = min(
        repeats([0, *middle, m - 1]) for middle in combinations(range(1, m - 1), min(n, m) - 2)
    )
    chosen = minimax_path(distance, min(n, m), again)
    assert chosen == sorted(set(chosen))
    assert (chosen[0], chosen[-1], len(chosen)) == (0, m - 1, min(n, m))
    assert repeats(chosen) == least


def test_a_small_library_gives_a_short_path(tmp_path: Path, library: Callable[[], Library]) -> None:
    fill_library(tmp_path / "library", [Tags(f"t{i}", f"a{i}", f"b{i}") for i in range(3)])
    with library() as lib:
        assert [len(lib.journeys.path(1, 2, n).tracks) for n in (2, 3, 20)] == [2, 3, 3]
        with pytest.raises(BadArgument, match="two different tracks"):
            lib.journeys.path(1, 1)
        with pytest.raises(BadArgument, match="at least its two ends"):
            lib.journeys.path(1, 2, 1)
        with pytest.raises(NotFound):
            lib.journeys.path(1, "nobody")


def brute_force(distance: np.ndarray, n: int) -> float:
    """Try every forward path whose ends are near enough."""
    m = len(distance)
    first = distance[0, 1:-1][: m - 2 - (n - 3)]
    last = distance[1:-1, -1][n - 3 :]
    best = np.inf
    for middle in combinations(range(1, m - 1), n - 2):
        if distance[0, middle[0]] > END_SLACK * first.min() + 1e-6:
            continue
        if distance[middle[-1], m - 1] > END_SLACK * last.min() + 1e-6:
            continue
        best = min(best, max(distance[a, b] for a, b in pairwise(middle)))
    return float(best)


@settings(max_examples=60, deadline=None)
@given(st.integers(5, 10), st.integers(4, 7), st.integers(0, 10**6))
def test_the_largest_step_is_minimal(m: int, n: int, seed: int) -> None:
    points = np.random.default_rng(seed).standard_normal((m, 3))
    distance = np.linalg.norm(points[:, None] - points, axis=2).astype(np.float32)
    chosen = minimax_path(distance, min(n, m))
    assert chosen == sorted(set(chosen))
    assert (chosen[0], chosen[-1], len(chosen)) == (0, m - 1, min(n, m))
    expected = brute_force(distance, n) if n < m else np.inf
    if np.isfinite(expected):
        largest = max(distance[a, b] for a, b in list(pairwise(chosen))[1:-1])
        assert largest == pytest.approx(expected, abs=1e-6)


def test_copies_of_one_recording_are_left_out(tmp_path: Path, little_music: Path) -> None:
    music = tmp_path / "music"
    shutil.copytree(little_music, music)
    source = min((music / "naev-data").glob("*.ogg"))
    shutil.copyfile(source, music / "naev-data" / "again.ogg")
    with Library.open(tmp_path / "library") as lib:
        lib.add([music], workers=1)
        ends = [track.id for track in lib.tracks() if track.path.parent.name == "zaz-data"]
        path = lib.journeys.path(ends[0], ends[1], 7)
        hashes = [track.content_hash for track in path.tracks]
        assert len(hashes) == len(set(hashes)) == 6


def test_a_shorter_length_is_suggested_for_too_long_a_path(tmp_path: Path) -> None:
    lib = arc(tmp_path, [f"artist {i}" for i in range(40)])
    smooth = lib.journeys.path(1, 40, 8, space="arc")
    assert smooth.shorter is None
    assert smooth.direct > smooth.largest_step
    # Beyond two neighbours there are only tracks that lie farther: the more, the larger the steps.
    far = lib.journeys.path(1, 2, 30, space="arc")
    assert far.largest_step > far.direct
    assert far.shorter == 3
    assert lib.journeys.path(1, 2, 3, space="arc").largest_step < far.largest_step

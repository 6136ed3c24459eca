"""Copies of one recording count once wherever a library is counted; what is skipped never comes."""

from pathlib import Path

import numpy as np
import pytest

from segue import Library
from segue.builtin_spaces import builtin_spaces
from segue.records import Analysis, FileState, Tags
from segue.search.filters import duplicate_map
from segue.store import Store

#: Ten recordings by two artists on three albums; 11 is a copy of 1, 12 an equal file of 2, and 13
#: a copy of 3 that another artist is said to play.
ARTISTS = ["Anna"] * 5 + ["Bert"] * 5


@pytest.fixture
def lib(tmp_path: Path) -> Library:
    rng = np.random.default_rng(0)
    store = Store(tmp_path, builtin_spaces("sound").values())
    with store.transaction():
        store.spaces.register(["sound"])
        store.files.add_root(b"/music")
        made: list[tuple[Analysis, Tags]] = []
        for number, artist in enumerate(ARTISTS, start=1):
            vectors = {
                name: rng.standard_normal(space.dimension).astype(np.float32)
                for name, space in builtin_spaces("sound").items()
            }
            print_ = rng.integers(0, 1 << 32, 630, np.uint32)
            tags = Tags(f"Piece {number}", artist, f"Album {number % 3}", "", "Rock")
            made.append((Analysis(vectors, {}, print_, 60.0), tags))
        again = [(0, "Anna"), (1, "Anna"), (2, "Carl")]
        made += [(made[at][0], Tags(f"Copy of {at + 1}", by, "Again")) for at, by in again]
        for number, (analysis, tags) in enumerate(made, start=1):
            content = "2" if number == 12 else str(number)
            path = f"/music/{number}.ogg".encode()
            store.add_track(path, FileState(1, 1), content, tags, analysis)
    store.close()
    return Library.open(tmp_path)


def test_copies_are_told_once_for_all(lib: Library) -> None:
    assert duplicate_map(lib._store) == {11: 1, 12: 2, 13: 3}
    with lib._store.transaction():
        lib._store.set_missing([1], missing=True)
    assert duplicate_map(lib._store) == {1: 11, 12: 2, 13: 3}


def test_a_copy_counts_in_no_artist_of_its_own_twice(lib: Library) -> None:
    anna, carl = (
        lib.similar_groups("Bert", kind="artist", space="sound", min_tracks=least)[0]
        for least in (2, 1)
    )
    assert (anna.name, anna.tracks) == ("Anna", 5)
    counts = {
        hit.name: hit.tracks
        for hit in lib.similar_groups("Bert", kind="artist", space="sound", min_tracks=1)
    }
    assert counts == {"Anna": 5, "Carl": 1}
    assert carl.name in counts


def test_groups_and_tree_hold_each_recording_once(lib: Library) -> None:
    groups = lib.atlas.clusters("sound", k=2)
    assert sorted(np.concatenate([group.ids for group in groups.clusters])) == list(range(1, 11))
    tree = lib.atlas.dendrogram("sound")
    assert {track.id for track in tree.tracks if track} == set(range(1, 11))
    assert set(lib.atlas.dendrogram("sound", "artist").labels) == {
        "Anna (5)",
        "Bert (5)",
        "Carl (1)",
    }


def test_outliers_are_not_hidden_by_their_copies(lib: Library) -> None:
    outliers = lib.atlas.outliers(20)
    assert {outlier.track.id for outlier in outliers} == set(range(1, 11))
    assert max(outlier.similarity for outlier in outliers) < 0.9


def test_evaluate_finds_no_copy(lib: Library) -> None:
    for row in lib.evaluate("artist").values():
        assert row.queries == 10
    # Its only artist of two tracks would be found by its copies alone.
    assert all(row.precision_at_1 < 1 for row in lib.evaluate("album").values())


def test_filters_name_no_copy(lib: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    queries: list[int] = []
    monkeypatch.setattr(
        "segue.explore.comparison.first_layer_filters",
        lambda _store, _space, tracks, _most: queries.extend(track.id for track in tracks),
    )
    lib.learning.filters("learned")
    assert queries == list(range(1, 11))


@pytest.mark.parametrize("skipped", [4, 3])
def test_what_is_skipped_never_comes(lib: Library, skipped: int) -> None:
    lib.taste.skip(skipped)
    gone = {4: {4}, 3: {3, 13}}[skipped]  # its copies neither
    for hits in (
        lib.like(1, n=50),
        lib.like(1, n=50, metric="euclidean"),
        lib.like(1, n=50, blend={"sound": 1, "tags": 1}),
        lib.like_tags(["sad"], n=50),
        lib.journeys.playlist(1),
        lib.journeys.playlist(1, 2),
    ):
        assert not gone & {hit.track.id for hit in hits}
        assert len(hits) >= 5
    assert not gone & {track.id for track in lib.journeys.path(1, 10, 50).tracks}


def test_what_is_skipped_may_be_asked_with_and_comes_where_taste_does_not_count(
    lib: Library,
) -> None:
    lib.taste.skip(4)
    assert lib.like(4)
    assert 4 in {item.track.id for item in lib.journeys.playlist(4)}
    assert lib.journeys.path(4, 1, 5).tracks[0].id == 4
    assert 4 in {hit.track.id for hit in lib.like(1, n=50, taste=False)}
    assert 4 in {track.id for track in lib.journeys.path(1, 10, 50, taste=False).tracks}

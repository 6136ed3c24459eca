"""Queries that lie far apart are answered in turn; queries that are alike are blended."""

import numpy as np
import pytest

from segue import Library
from segue.builtin_spaces import builtin_spaces
from segue.explore.playlist import FLOWS, Flow, PlaylistOptions
from segue.records import Analysis, FileState, Tags
from segue.search.filters import Filters
from segue.search.neighbours import hubness_corrections
from segue.search.query import QuerySet
from segue.search.ranking import split_queries
from segue.store import Store

SIZES = {"piano": 15, "metal": 40, "jazz": 15}
PIANO, METAL, JAZZ = range(1, 16), range(16, 56), range(56, 71)


@pytest.fixture(scope="module")
def lib(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """Make three kinds of music that have nothing in common; metal is the densest."""
    folder = tmp_path_factory.mktemp("apart")
    rng = np.random.default_rng(0)
    store = Store(folder, builtin_spaces("sound").values())
    with store.transaction():
        store.spaces.register(["sound"])
        store.files.add_root(b"/music")
        number = 0
        for kind, (genre, count) in enumerate(SIZES.items()):
            for _ in range(count):
                number += 1
                vectors = {}
                for name, space in builtin_spaces("sound").items():
                    spread = 0.3 if genre == "metal" else 1.0
                    vector = spread * rng.standard_normal(space.dimension) / space.dimension**0.5
                    vector[kind] += 1.0
                    vectors[name] = vector.astype(np.float32)
                print_ = rng.integers(0, 1 << 32, 630, np.uint32)
                analysis = Analysis(vectors, {"tempo_bpm": 120.0}, print_, 60.0)
                tags = Tags(f"{genre} {number}", f"artist {number}", "", "", genre)
                path = f"/music/{number}.ogg".encode()
                store.add_track(path, FileState(1, 1), str(number), tags, analysis)
    store.close()
    return Library.open(folder)


@pytest.mark.parametrize(
    ("queries", "parts"),
    [
        ((1,), [(1,)]),
        ((1, 2), [(1, 2)]),
        ((1, 1), [(1, 1)]),
        ((1, 20), [(1,), (20,)]),
        ((20, 1), [(20,), (1,)]),
        ((1, 20, 2), [(1, 2), (20,)]),
        ((1, 20, 60), [(1,), (20,), (60,)]),
        (("genre:piano", "artist 3"), [("genre:piano", "artist 3")]),
        (("genre:metal", "genre:jazz"), [("genre:metal",), ("genre:jazz",)]),
    ],
)
def test_what_is_far_apart_is_parted(
    lib: Library, queries: tuple[str | int, ...], parts: list[tuple[str | int, ...]]
) -> None:
    assert [
        tuple(part.positives) for part in split_queries(lib._store, QuerySet(lib._store, queries))
    ] == parts


@pytest.mark.parametrize("blend", [None, {"sound": 0.5, "features": 0.5}])
def test_answers_to_what_lies_far_apart_take_turns(
    lib: Library, blend: dict[str, float] | None
) -> None:
    hits = lib.like(1, 20, n=10, blend=blend)
    assert [hit.asked_with for hit in hits] == [(1,), (20,)] * 5
    for hit in hits:
        assert hit.track.id in (PIANO if hit.asked_with == (1,) else METAL)
        assert hit.similarity == pytest.approx(
            sum(reason.share for reason in hit.reasons), abs=1e-4
        )
    for query in (1, 20):
        alone = lib.like(query, n=5, blend=blend)
        mine = [hit for hit in hits if hit.asked_with == (query,)]
        assert [hit.track.id for hit in mine] == [hit.track.id for hit in alone]
        assert [hit.similarity for hit in mine] == pytest.approx([h.similarity for h in alone])


def test_answers_to_what_is_alike_are_blended(lib: Library) -> None:
    hits = lib.like(1, 2, n=8)
    assert {hit.asked_with for hit in hits} == {()}
    matrix = lib._store.spaces.matrix("sound")
    ids, corrections = matrix.ids.tolist(), hubness_corrections(lib._store, matrix)
    corrected = [hit.similarity - corrections[ids.index(hit.track.id)] for hit in hits]
    assert corrected == sorted(corrected, reverse=True)


def test_filters_and_minus_hold_for_each_part(lib: Library) -> None:
    hits = lib.like(1, 20, n=6, filters=Filters(genre="piano"))
    assert {hit.track.tags.genre for hit in hits} == {"piano"}
    hits = lib.like(1, 20, minus=[60], n=6)
    assert [hit.asked_with for hit in hits] == [(1,), (20,)] * 3


def test_taste_and_tags_keep_the_turns(lib: Library) -> None:
    lib.taste.love(5)
    try:
        assert [h.asked_with for h in lib.like(1, 20, n=4)] == [(1,), (20,)] * 2
    finally:
        lib.taste.forget(5)
    assert [h.asked_with for h in lib.like(1, 20, n=4, tags=["sad"])] == [(1,), (20,)] * 2


@pytest.mark.parametrize("flow", [flow for flow in FLOWS if flow != "dj"])
def test_a_playlist_holds_as_much_of_each(lib: Library, flow: Flow) -> None:
    items = lib.journeys.playlist(1, 20, options=PlaylistOptions(10, flow=flow))
    near = [item.asked_with for item in items]
    assert near.count((1,)) == near.count((20,)) == 5
    assert all(item.track.id in (PIANO if item.asked_with == (1,) else METAL) for item in items)


def test_minutes_end_where_nothing_more_is_alike(lib: Library) -> None:
    short, whole = (
        lib.journeys.playlist(
            1, options=PlaylistOptions(minutes=60, surprise=0, per_artist=9, fill=fill)
        )
        for fill in (False, True)
    )
    assert all(item.similar for item in short)
    assert set(PIANO) <= {item.track.id for item in short}
    assert len(short) == 35
    assert len(whole) == 57  # the first that fill 95 per cent of an hour
    assert len(lib.journeys.playlist(1, options=PlaylistOptions(n=60, per_artist=9))) == 60


def test_a_filter_for_what_is_unlike_still_finds_a_list(lib: Library) -> None:
    items = lib.journeys.playlist(
        1, options=PlaylistOptions(minutes=10, per_artist=9), filters=Filters(genre="jazz")
    )
    assert {item.track.tags.genre for item in items[1:]} == {"jazz"}
    assert len(items) > 5


def test_a_dj_prefers_what_is_alike(lib: Library) -> None:
    items = lib.journeys.playlist(1, options=PlaylistOptions(12, flow="dj", surprise=0))
    assert {item.track.tags.genre for item in items} == {"piano"}

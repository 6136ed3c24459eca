from pathlib import Path

import pytest

from conftest import fill_library
from segue.builtin_spaces import builtin_spaces
from segue.records import Tags
from segue.store import Store
from segue.store.user_data import ListenedItem, Unmatched

TRACKS = [
    Tags("Jóga", "Björk", "Homogenic"),
    Tags("Jóga", "Björk", "Greatest Hits"),
    Tags("Hello", "Björk", "Homogenic"),
    Tags("Hello", "Adele", "25"),
    Tags("???", "Björk", "Homogenic"),
    Tags("Duet", "Björk feat. Adele", "Duets", album_artist="Björk"),
    Tags("Don’t Go", "Ann"),
    Tags("Night Train (feat. Eve)", "Cid & Dee"),
    Tags("TNT", "AC/DC"),
    Tags("Live Wire", "Gus"),
    Tags("Together", "Ann; Bob"),
    Tags("Twice", "Ann"),
    Tags("Twice - Remastered 2011", "Ann"),
]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    fill_library(tmp_path, TRACKS)
    return Store(tmp_path, builtin_spaces("sound").values())


def put(store: Store, *rows: tuple[str, ListenedItem, int, int]) -> None:
    with store.transaction():
        number = store.listens.begin_import()
        for user, heard, plays, at_s in rows:
            store.listens.put(number, user, heard, plays, at_s)


@pytest.mark.parametrize(
    ("heard", "tracks"),
    [
        (ListenedItem("BJORK", "joga!"), [1, 2]),
        (ListenedItem("Björk", "Hello"), [3]),
        (ListenedItem("", "Joga"), [1, 2]),
        (ListenedItem("", "Hello"), []),  # of whom?
        (ListenedItem("Björk", "???"), [5]),
        (ListenedItem("Björk", "!!!"), []),
        (ListenedItem("Bjork", "Duet"), [6]),
        (ListenedItem("Björk feat. Adele", "Duet"), [6]),
        (ListenedItem(path="/music/Adele/25/Hello.ogg"), [4]),
        (ListenedItem(path="/music/Adele/Gone.ogg"), []),
        (ListenedItem("Adele", ""), []),
        (ListenedItem("Ann", "Don't Go - Remastered 2011"), [7]),
        (ListenedItem("Cid & Dee", "Night Train"), [8]),
        (ListenedItem("Cid", "Night Train (with Eve)"), [8]),
        (ListenedItem("Fay", "Night Train"), []),
        (ListenedItem("AC/DC", "T.N.T."), [9]),
        (ListenedItem("Gus", "Live Wire - Live at Home"), []),
        (ListenedItem("Bob", "Together"), [11]),
        (ListenedItem("Ann", "Twice"), [12]),
        (ListenedItem("Ann", "Twice - Remastered 2011"), [13]),
        (ListenedItem("Ann", "Twice (2009 Remaster)"), [12, 13]),
    ],
)
def test_what_was_heard_is_matched(store: Store, heard: ListenedItem, tracks: list[int]) -> None:
    put(store, ("me", heard, 3, 0))
    assert store.listens.plays_by_track() == dict.fromkeys(tracks, 3)


def test_a_second_is_stored_once_and_totals_are_replaced(store: Store) -> None:
    hello = ListenedItem("Adele", "Hello")
    for _ in range(2):
        put(store, ("me", hello, 1, 100), ("me", hello, 1, 100), ("me", hello, 1, 200))
    assert store.listens.plays() == 2
    for total in (5, 7, 7):
        put(store, ("me", hello, total - 1, 0), ("me", hello, 1, 0))
        assert store.listens.plays() == 2 + total
    put(store, ("you", hello, 1, 100))
    assert store.listens.plays() == 10


def test_a_summary_names_what_is_lacking(store: Store) -> None:
    put(
        store,
        ("me", ListenedItem("Adele", "Hello"), 4, 0),
        ("me", ListenedItem("ADELE", "Hello"), 1, 5),
        ("you", ListenedItem("Adele", "Skyfall"), 2, 0),
        ("you", ListenedItem(path="/elsewhere/x%20y.ogg"), 9, 0),
    )
    summary = store.listens.summary()
    assert (summary.users, summary.plays, summary.matched_plays) == (2, 16, 5)
    assert (summary.songs, summary.matched_songs, summary.tracks) == (3, 1, 1)
    assert summary.unmatched == (
        Unmatched("/elsewhere/x y.ogg", 9),
        Unmatched("Adele - Skyfall", 2),
    )


def test_listens_outlive_their_track(store: Store) -> None:
    put(store, ("me", ListenedItem("Adele", "Hello"), 4, 0))
    with store.transaction():
        store.remove_tracks([4])
    assert store.listens.plays_by_track() == {}
    assert store.listens.plays() == 4


def test_matched_listens_are_in_order_of_user_and_time(store: Store) -> None:
    hello = ListenedItem("Adele", "Hello")
    put(store, ("you", hello, 1, 50), ("me", hello, 2, 90), ("me", hello, 3, 10))
    matched = store.listens.matched()
    assert matched.users.tolist() == [0, 0, 1]
    assert matched.at_s.tolist() == [10, 90, 50]
    assert matched.plays.tolist() == [3, 2, 1]
    assert matched.tracks.tolist() == [4, 4, 4]

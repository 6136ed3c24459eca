from pathlib import Path

import numpy as np
import pytest

from conftest import fill_library
from segue import Library
from segue.builtin_spaces import builtin_spaces
from segue.errors import BadArgument, NotFound
from segue.records import FloatArray, Space, Tags
from segue.store import Store

# Artist, genre, album and place in a space of two dimensions.
MUSIC = {
    "Anna": ("Pop; Rock", "Hits", 0.0),
    "Bert": ("rock", "Works", 0.3),
    "Carl": ("Jazz", "Hits", 1.5),
    "Dora": ("Pop", "Few", 0.1),
}
COUNTS = {"Anna": 3, "Bert": 4, "Carl": 3, "Dora": 2}


def place(angle: float) -> FloatArray:
    return np.array([np.cos(angle), np.sin(angle)], np.float32)


@pytest.fixture
def lib(tmp_path: Path) -> Library:
    tracks = [
        Tags(f"{artist} {i}", artist.upper() if i == 2 else artist, album, artist, genre)
        for artist, (genre, album, _) in MUSIC.items()
        for i in range(COUNTS[artist])
    ]
    fill_library(tmp_path, [*tracks, Tags("nameless")])
    store = Store(tmp_path, builtin_spaces("sound").values())
    with store.transaction():
        store.spaces.replace_trained(Space("plane", "sound", 2, "cosine", "m", 1))
        for track in store.tracks()[:-1]:
            angle = MUSIC[track.tags.album_artist][2]
            spread = 0.01 * (track.id % 3 - 1)
            store.spaces.put("plane", track.id, (1 + track.id % 2) * place(angle + spread))
    store.close()
    return Library.open(tmp_path)


def test_similar_artists(lib: Library) -> None:
    hits = lib.similar_groups("anna", kind="artist", space="plane")
    assert [(hit.rank, hit.name, hit.tracks) for hit in hits] == [(1, "Bert", 4), (2, "Carl", 3)]
    assert hits[0].similarity == pytest.approx(np.cos(0.3), abs=0.01)
    assert sum(r.share for r in hits[0].reasons) == pytest.approx(hits[0].similarity, abs=1e-5)
    few = lib.similar_groups("anna", kind="artist", space="plane", min_tracks=2)
    assert [hit.name for hit in few] == ["Dora", "Bert", "Carl"]
    assert len(lib.similar_groups("anna", kind="artist", space="plane", n=1)) == 1


def test_a_track_asks_for_its_artist(lib: Library) -> None:
    by_name = lib.similar_groups("anna", kind="artist", space="plane")
    assert lib.similar_groups(2, kind="artist", space="plane") == by_name
    assert lib.similar_groups("anna 1", kind="artist", space="plane") == by_name


def test_an_artist_of_few_tracks_may_ask(lib: Library) -> None:
    assert lib.similar_groups("dora", kind="artist", space="plane")[0].name == "Anna"


def test_albums_of_one_name_by_two_artists_are_two(lib: Library) -> None:
    hits = lib.similar_groups(1, kind="album", space="plane")
    assert [hit.name for hit in hits] == ["Works", "Hits"]


def test_a_track_is_in_each_of_its_genres(lib: Library) -> None:
    hits = lib.similar_groups("jazz", kind="genre", space="plane")
    assert {(hit.name.casefold(), hit.tracks) for hit in hits} == {("rock", 7), ("pop", 5)}
    assert [hit.name for hit in hits] == ["rock", "Pop"]


def test_centres_by_euclidean_distance(lib: Library) -> None:
    hits = lib.similar_groups("anna", kind="artist", space="plane", metric="euclidean")
    assert [hit.name for hit in hits] == ["Bert", "Carl"]
    assert hits[0].similarity < 0
    assert sum(r.share for r in hits[0].reasons) == pytest.approx(hits[0].similarity, abs=1e-5)


def test_a_file_asks_for_artists(lib: Library, collection: Path) -> None:
    file = collection / "zaz-data" / "mus1.ogg"
    hits = lib.similar_groups(file, kind="artist")
    assert {hit.name for hit in hits} == {"Anna", "Bert", "Carl"}


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((1,), {"kind": "mood"}, BadArgument, "by artist, album or genre"),
        ((1,), {"kind": "artist", "min_tracks": 9}, NotFound, "nothing here has 9 tracks"),
        ((1,), {"kind": "artist", "min_tracks": 0}, BadArgument, "at least 1"),
        ((1,), {"kind": "artist", "n": 0}, BadArgument, "at least 1"),
        (("polka",), {"kind": "genre"}, NotFound, "polka"),
        (
            ("nameless",),
            {"kind": "artist", "space": "sound"},
            NotFound,
            "says nothing of its artist",
        ),
    ],
)
def test_mistakes(
    lib: Library,
    arguments: tuple[str],
    options: dict[str, object],
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        lib.similar_groups(*arguments, **{"space": "plane", **options})  # type: ignore[arg-type]


def test_tracks_among_similar_artists(lib: Library) -> None:
    hits = lib.like(1, n=20, space="plane", among_similar_artists=1, duplicates=True)
    assert {hit.track.tags.album_artist for hit in hits} == {"Anna", "Bert"}
    both = lib.like(1, n=20, space="plane", among_similar_artists=2, duplicates=True)
    assert {hit.track.tags.album_artist for hit in both} == {"Anna", "Bert", "Carl"}
    blended = lib.like(1, n=20, blend={"plane": 1.0}, among_similar_artists=9, duplicates=True)
    assert {hit.track.tags.album_artist for hit in blended} == {"Anna", "Bert", "Carl"}

"""What is no music is flagged, and stays out of answers unless it is asked for."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from conftest import fill_described
from segue.builtin_spaces import builtin_spaces
from segue.errors import BadArgument
from segue.explore.maps import _nearest
from segue.explore.playlist import PlaylistOptions
from segue.library import Library
from segue.search.filters import Filters, non_music_ids, non_music_type
from segue.store import Store

#: Title: kind, length in seconds, tempo. All lie close together.
TRACKS = {
    **{f"song {n}": ("music", 180.0, 60.0 + 10 * n) for n in range(12)},
    "podcast": ("speech", 1800.0, 115.0),
    "rain": ("noise", 600.0, 152.0),
    "ring tone": ("music", 2.0, 120.0),
    "drums alone": ("music", 10.0, 124.6),
}
OTHERS = {"podcast": "speech", "rain": "noise", "ring tone": "short"}


@pytest.fixture(scope="module")
def lib(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    folder = tmp_path_factory.mktemp("library")
    fill_described(
        folder,
        {
            title: (duration_s, {"sound_kind": kind, "tempo_bpm": bpm})
            for title, (kind, duration_s, bpm) in TRACKS.items()
        },
    )
    with Library.open(folder) as opened:
        yield opened


def titles(lib: Library, ids: object) -> set[str]:
    by_id = {track.id: track.tags.title for track in lib.tracks()}
    return {by_id[int(track)] for track in np.array(ids).tolist()}


def test_what_is_no_music_is_named(lib: Library) -> None:
    kinds = {track.tags.title: non_music_type(track) for track in lib.tracks()}
    assert {title: kind for title, kind in kinds.items() if kind} == OTHERS


def test_it_is_no_answer_unless_asked_for(lib: Library) -> None:
    everything = len(TRACKS) - 1
    music = {hit.track.tags.title for hit in lib.like("song 1", n=50)}
    assert music == TRACKS.keys() - OTHERS.keys() - {"song 1"}
    assert len(lib.like("song 1", n=50, filters=Filters(all_sounds=True))) == everything
    assert {hit.track.tags.title for hit in lib.like_tags(["sad"], n=50)} == music | {"song 1"}


@pytest.mark.parametrize("title", OTHERS)
def test_asking_with_it_works(lib: Library, title: str) -> None:
    titles = {hit.track.tags.title for hit in lib.like(title, n=50)}
    assert titles == TRACKS.keys() - OTHERS.keys()
    path = lib.journeys.path(title, "song 3", 6)
    assert [path.tracks[0].tags.title, path.tracks[-1].tags.title] == [title, "song 3"]
    assert lib.journeys.playlist(title, options=PlaylistOptions(n=5, seed=1))


def test_ways_lead_round_it(lib: Library) -> None:
    def way(*, all_sounds: bool) -> set[str]:
        path = lib.journeys.path("song 1", "song 2", 50, all_sounds=all_sounds)
        return {track.tags.title for track in path.tracks}

    assert way(all_sounds=False) == TRACKS.keys() - OTHERS.keys()
    assert way(all_sounds=True) == set(TRACKS)
    listed = lib.journeys.playlist("song 1", options=PlaylistOptions(n=50, seed=1))
    assert {item.track.tags.title for item in listed} == TRACKS.keys() - OTHERS.keys()


def test_the_library_as_a_whole_is_its_music(lib: Library) -> None:
    music = TRACKS.keys() - OTHERS.keys()
    for all_sounds, expected in ((False, music), (True, set(TRACKS))):
        groups = lib.atlas.clusters(k=2, all_sounds=all_sounds).clusters
        assert titles(lib, np.concatenate([group.ids for group in groups])) == expected
        outliers = lib.atlas.outliers(50, all_sounds=all_sounds)
        assert {outlier.track.tags.title for outlier in outliers} == expected
        assert {outlier.nearest.tags.title for outlier in outliers} <= expected
        assert len(lib.atlas.dendrogram(all_sounds=all_sounds).labels) == len(expected)
        measured = lib.evaluate(all_sounds=all_sounds)
        assert measured["sound"].queries == len(expected)
        assert titles(lib, lib.atlas.map(all_sounds=all_sounds).ids) == expected


def test_a_map_of_the_music_names_the_nearest_of_the_music(lib: Library, tmp_path: Path) -> None:
    library_map = lib.atlas.map()
    lib.atlas.draw(library_map, tmp_path / "map.html")
    page = (tmp_path / "map.html").read_text(encoding="utf-8")
    assert not any(title in page for title in OTHERS)
    near, similarities = _nearest(lib._store, library_map)
    unit = np.asarray(lib._store.spaces.matrix("sound").unit)
    shown = unit[np.isin(lib._store.spaces.matrix("sound").ids, library_map.ids)]
    cosines = np.take_along_axis(shown @ shown.T, np.maximum(near, 0), axis=1)
    assert (near >= 0).all()
    assert (near != np.arange(len(near))[:, None]).all()
    assert np.allclose(cosines, similarities, atol=0.01)


def test_where_little_is_music_it_is_said_why_nothing_comes(tmp_path: Path) -> None:
    facts: dict[str, float | str] = {"sound_kind": "music", "tempo_bpm": 99.0}
    fill_described(tmp_path, {f"effect {n}": (3.0, facts) for n in range(4)})
    with Library.open(tmp_path) as effects:
        for call in (
            effects.atlas.map,
            effects.atlas.clusters,
            effects.atlas.dendrogram,
            effects.atlas.outliers,
            effects.evaluate,
        ):
            with pytest.raises(BadArgument, match=r"4 of 4 tracks .*under 10 s.*--all"):
                call()
        assert len(effects.atlas.map(all_sounds=True).ids) == 4


@pytest.mark.parametrize(
    ("low", "high", "octaves", "titles"),
    [
        (125, 125, False, {"drums alone"}),  # 124.6 is shown as 125
        (118, 122, False, {"song 6"}),  # the ring tone has 120, too, and is no music
        (118, 122, True, {"song 6", "song 0"}),  # 60 is half
        (60, 60, False, {"song 0"}),
        (60, 60, True, {"song 0", "song 6"}),
        (62, 62, True, {"drums alone"}),
        (30, 39, True, {"song 0", "song 1"}),  # 60 and 70 are twice 30 and 35
        (131, 139, True, set()),
    ],
)
def test_tempos_pass_as_they_are_shown(
    lib: Library, low: float, high: float, octaves: bool, titles: set[str]
) -> None:
    filters = Filters(bpm=(low, high), bpm_octaves=octaves)
    hits = lib.like("rain", n=50, filters=filters)
    assert {hit.track.tags.title for hit in hits} == titles


def test_an_older_description_counts_as_music(tmp_path: Path) -> None:
    old: dict[str, float | str] = {"tempo_bpm": 99.0}
    fill_described(tmp_path, {"old": (20.0, old), "new": (20.0, old | {"sound_kind": "music"})})
    with closing(Store(tmp_path, builtin_spaces("sound").values())) as store:
        assert non_music_ids(store) == []
        # The next `segue add` describes the old one again.
        complete = {path: file.complete for path, file in store.known_files().items()}
        assert complete == {b"/music/old.mp3": False, b"/music/new.mp3": True}

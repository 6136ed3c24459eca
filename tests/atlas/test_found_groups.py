from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from conftest import fill_library
from segue.errors import BadArgument
from segue.explore.clusters import Method
from segue.explore.projection import ProjectionOptions
from segue.library import Library
from segue.records import Tags

TRACKS = [Tags(f"{a}{i}", f"by {a}", a) for a in "abcd" for i in range(8)]


@pytest.fixture
def lib(tmp_path: Path, library: Callable[[], Library]) -> Library:
    fill_library(tmp_path / "library", TRACKS)
    return library()


@pytest.mark.parametrize("method", ["kmeans", "agglomerative", "hdbscan"])
def test_albums_that_lie_together_are_groups(lib: Library, method: Method) -> None:
    found = lib.atlas.clusters(method=method)
    albums = {track.id: track.tags.album for track in lib.tracks()}
    assert [len({albums[i] for i in group.ids.tolist()}) for group in found.clusters] == [1] * 4
    assert len({group.name for group in found.clusters}) == 4
    assert all(group.artists[0].strength == 1 for group in found.clusters)
    assert found.silhouette is not None
    assert found.silhouette > 0.5
    assert found.stability == pytest.approx(1)


def test_a_number_of_groups_is_kept_to(lib: Library) -> None:
    found = lib.atlas.clusters(k=6)
    assert len(found.clusters) == 6
    assert sum(len(group.ids) for group in found.clusters) == 32
    assert [len(g.ids) for g in found.clusters] == sorted(len(g.ids) for g in found.clusters)[::-1]
    again = lib.atlas.clusters(k=6)
    assert all((a.ids == b.ids).all() for a, b in zip(found.clusters, again.clusters, strict=True))


def test_the_tracks_of_a_group_come_from_its_middle_outwards(lib: Library) -> None:
    ids, vectors = lib.vectors()
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    group = lib.atlas.clusters(k=4).clusters[0]
    inside = unit[np.searchsorted(ids, group.ids)]
    from_centre = np.linalg.norm(inside - inside.mean(axis=0), axis=1)
    assert (np.diff(from_centre) >= -1e-6).all()


def test_groups_on_the_plane(lib: Library) -> None:
    assert len(lib.atlas.clusters(k=4, on="plane").clusters) == 4
    with pytest.raises(BadArgument, match="not on 'moon'"):
        lib.atlas.clusters(on="moon")


def test_groups_on_the_plane_are_of_the_map_made_last_and_leave_it(lib: Library) -> None:
    published = ProjectionOptions("tsne", perplexity=2.0, learning_rate=100.0, seed=3)
    made = lib.atlas.map(options=published)
    found = lib.atlas.clusters(k=4, on="plane")
    points = dict(zip(made.ids.tolist(), made.points, strict=True))
    inside = np.array([points[track] for track in found.clusters[0].ids.tolist()])
    from_centre = np.linalg.norm(inside - inside.mean(axis=0), axis=1)
    assert (np.diff(from_centre) >= -1e-4).all()
    assert lib.atlas.map(update=True).parameters == made.parameters


def test_groups_of_like_names_are_numbered(lib: Library) -> None:
    names = [group.name for group in lib.atlas.clusters(k=20).clusters]
    assert len(set(names)) == 20
    assert not any(name.count("(") > 1 for name in names)


def test_what_cannot_be_divided_says_so(tmp_path: Path, lib: Library) -> None:
    with pytest.raises(BadArgument, match="from 2 to 31"):
        lib.atlas.clusters(k=32)
    with pytest.raises(BadArgument, match="leave -k away"):
        lib.atlas.clusters(method="hdbscan", k=3)
    with pytest.raises(BadArgument, match="choose kmeans"):
        lib.atlas.clusters(method="dbscan")  # type: ignore[arg-type]
    fill_library(tmp_path / "two", TRACKS[:2])
    with Library.open(tmp_path / "two") as two, pytest.raises(BadArgument, match="it takes 3"):
        two.atlas.clusters()
    fill_library(tmp_path / "three", TRACKS[7:10])
    with Library.open(tmp_path / "three") as three:
        assert len(three.atlas.clusters().clusters) == 2

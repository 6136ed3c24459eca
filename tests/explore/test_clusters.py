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
def test_separate_albums_are_clusters(lib: Library, method: Method) -> None:
    clustering = lib.atlas.clusters(method=method)
    clusters = clustering.clusters
    albums = {track.id: track.tags.album for track in lib.tracks()}
    assert [len({albums[i] for i in group.ids.tolist()}) for group in clusters] == [1] * 4
    assert len({group.name for group in clusters}) == 4
    assert all(group.artists[0].strength == 1 for group in clusters)
    assert clustering.silhouette is not None
    assert clustering.silhouette > 0.5
    assert clustering.stability == pytest.approx(1)


def test_the_number_of_clusters_is_as_requested(lib: Library) -> None:
    clusters = lib.atlas.clusters(k=6).clusters
    assert len(clusters) == 6
    assert sum(len(group.ids) for group in clusters) == 32
    assert [len(g.ids) for g in clusters] == sorted(len(g.ids) for g in clusters)[::-1]
    again = lib.atlas.clusters(k=6).clusters
    assert all((a.ids == b.ids).all() for a, b in zip(clusters, again, strict=True))


def test_tracks_of_a_cluster_are_ordered_by_distance_to_its_centroid(lib: Library) -> None:
    ids, vectors = lib.vectors()
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    group = lib.atlas.clusters(k=4).clusters[0]
    inside = unit[np.searchsorted(ids, group.ids)]
    from_centre = np.linalg.norm(inside - inside.mean(axis=0), axis=1)
    assert (np.diff(from_centre) >= -1e-6).all()


def test_clusters_on_the_plane(lib: Library) -> None:
    assert len(lib.atlas.clusters(k=4, on="plane").clusters) == 4
    with pytest.raises(BadArgument, match="not on 'moon'"):
        lib.atlas.clusters(on="moon")


def test_clusters_on_the_plane_use_the_latest_map_and_keep_it(lib: Library) -> None:
    published = ProjectionOptions("tsne", perplexity=2.0, learning_rate=100.0, seed=3)
    library_map = lib.atlas.map(options=published)
    cluster = lib.atlas.clusters(k=4, on="plane").clusters[0]
    points = dict(zip(library_map.ids.tolist(), library_map.points, strict=True))
    inside = np.array([points[track] for track in cluster.ids.tolist()])
    from_centre = np.linalg.norm(inside - inside.mean(axis=0), axis=1)
    assert (np.diff(from_centre) >= -1e-4).all()
    assert lib.atlas.map(update=True).parameters == library_map.parameters


def test_clusters_of_equal_names_are_numbered(lib: Library) -> None:
    names = [group.name for group in lib.atlas.clusters(k=20).clusters]
    assert len(set(names)) == 20
    assert not any(name.count("(") > 1 for name in names)


def test_clustering_with_invalid_arguments_is_refused(tmp_path: Path, lib: Library) -> None:
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

"""Maps: that they show what is near, stay where they are, and survive any library."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from conftest import fill_library
from segue.builtin_spaces import builtin_spaces
from segue.errors import BadArgument, NotFound, NothingToMeasure
from segue.evaluation.projection import trustworthiness_continuity
from segue.explore import maps, projection
from segue.explore.projection import (
    Projection,
    ProjectionOptions,
    choose_projection,
    project,
    project_new,
)
from segue.library import Library
from segue.records import Space, Tags
from segue.render.map_plots import PALETTE
from segue.search.neighbours import compute_neighbours, nearest_neighbours
from segue.store import Store

ALBUMS = [Tags(f"{album}{i}", f"by {album}", album) for album in "abcdef" for i in range(5)]


@pytest.fixture
def lib(tmp_path: Path, library: Callable[[], Library]) -> Library:
    fill_library(tmp_path / "library", ALBUMS)
    return library()


def own_album_nearest(lib: Library, points: np.ndarray) -> float:
    albums = [track.tags.album for track in lib.tracks()]
    distance = np.linalg.norm(points[:, None] - points, axis=2)
    np.fill_diagonal(distance, np.inf)
    compute_neighbours = distance.argmin(axis=1)
    return float(np.mean([albums[i] == albums[j] for i, j in enumerate(compute_neighbours)]))


def test_albums_are_close_and_the_map_is_stored(
    lib: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    library_map = lib.atlas.map()
    assert library_map.method == "nerv"
    assert library_map.points.shape == (30, 2)
    assert own_album_nearest(lib, library_map.points) == 1
    assert library_map.trustworthiness is not None
    assert library_map.trustworthiness > 0.7
    assert (lib.atlas.map(options=ProjectionOptions(seed=1)).points != library_map.points).any()
    again = lib.atlas.map()
    assert again.remembered
    monkeypatch.delattr(maps, "project")  # not made a third time, but read
    assert (lib.atlas.map().points == again.points).all()
    assert (again.points == library_map.points).all()


def test_a_busy_library_still_gives_its_map(lib: Library, tmp_path: Path) -> None:
    with Library.open(tmp_path / "library") as other, other._store.writing():
        library_map = lib.atlas.map()
    assert not library_map.remembered
    assert library_map.points.shape == (30, 2)
    assert lib.atlas.map().remembered


def test_the_same_seed_gives_the_same_map(lib: Library) -> None:
    first = lib.atlas.map(options=ProjectionOptions("tsne", perplexity=4.0)).points
    lib.atlas.map(options=ProjectionOptions("tsne", perplexity=5.0))
    assert (lib.atlas.map(options=ProjectionOptions("tsne", perplexity=4.0)).points == first).all()


@pytest.mark.slow  # umap compiles itself anew in every process
def test_umap(lib: Library) -> None:
    library_map = lib.atlas.map(options=ProjectionOptions("umap"))
    assert own_album_nearest(lib, library_map.points) == 1
    assert library_map.parameters["neighbours"] == 5


def test_new_tracks_are_placed_and_no_other_is_moved(lib: Library, tmp_path: Path) -> None:
    with pytest.raises(BadArgument, match="make one with `segue map"):
        lib.atlas.map(update=True)
    before = lib.atlas.map()
    store: Store = lib._store
    vectors = {name: store.spaces.vector(name, 1) for name in builtin_spaces("sound")}
    lib.close()
    with Library.open(tmp_path / "library") as again:
        store = again._store
        with store.transaction():
            from segue.records import Analysis, FileState

            store.add_track(
                b"/music/new.ogg",
                FileState(1, 1),
                "new",
                Tags("new"),
                Analysis(vectors, {}, np.zeros(1, np.uint32), 30.0),
            )
        after = again.atlas.map(update=True)
        assert after.placed == 1
        assert (after.points[:30] == before.points).all()
        # It is the twin of the first track.
        assert np.linalg.norm(after.points[30] - after.points[0]) < 0.1 * np.ptp(after.points)
        assert not again.atlas.map(update=True).placed
        with pytest.raises(BadArgument, match="give no numbers"):
            again.atlas.map(update=True, options=ProjectionOptions("tsne", perplexity=3.0))


def test_a_removed_track_leaves_the_map(lib: Library) -> None:
    lib.atlas.map()
    lib.remove([3])
    assert len(lib.atlas.map(update=True).ids) == 29


@pytest.mark.parametrize("n", [1, 2, 3, 7, 8, 9])
def test_maps_of_few_tracks(tmp_path: Path, n: int) -> None:
    fill_library(tmp_path / "few", ALBUMS[:n])
    with Library.open(tmp_path / "few") as lib:
        library_map = lib.atlas.map()
        assert library_map.points.shape == (n, 2)
        assert np.isfinite(library_map.points).all()
        assert library_map.trustworthiness is None
        for name in ("few.html", "few.png"):
            lib.atlas.draw(library_map, tmp_path / name, "album")
            assert (tmp_path / name).stat().st_size > 1000


def test_an_empty_library_and_unknown_spaces_say_what_to_do(tmp_path: Path, lib: Library) -> None:
    with Library.open(tmp_path / "empty") as empty, pytest.raises(NotFound, match="segue add"):
        empty.atlas.map()
    with pytest.raises(NotFound, match=r"there are: .*sound"):
        lib.atlas.map("nonsense")


def test_equal_vectors_have_equal_positions(tmp_path: Path, lib: Library) -> None:
    store: Store = lib._store
    with store.transaction():
        store.spaces.replace_trained(Space("equal", "sound", 2, "cosine", "m", 1))
        for track in store.tracks():
            store.spaces.put("equal", track.id, np.ones(2, np.float32))
    library_map = lib.atlas.map("equal")
    assert not np.ptp(library_map.points)
    lib.atlas.draw(library_map, tmp_path / "equal.html", "album")
    with pytest.raises(BadArgument, match="lie in one place"):
        lib.atlas.clusters("equal")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (ProjectionOptions("umap", perplexity=3.0), "belongs to --method tsne"),
        (ProjectionOptions("tsne", neighbours=3), "belongs to --method umap"),
        (ProjectionOptions("tsne", perplexity=90.0), "from 1 to 10"),
        (ProjectionOptions("tsne", perplexity=-1.0), "must be above 0"),
        (ProjectionOptions("umap", min_dist=2.0), "must be below 1"),
        (ProjectionOptions("fa2"), "choose nerv, tsne, umap, pca"),  # type: ignore[arg-type]
    ],
)
def test_parameters_out_of_range_are_refused(options: ProjectionOptions, message: str) -> None:
    with pytest.raises(BadArgument, match=message):
        choose_projection(30, options)


def test_default_parameters_depend_on_the_number_of_tracks() -> None:
    small, middle, large = (choose_projection(n, ProjectionOptions()) for n in (50, 5000, 200_000))
    assert (small.method, small.perplexity) == ("nerv", 7)
    assert (middle.method, middle.perplexity) == ("tsne", 30)
    assert (large.method, large.neighbours) == ("umap", 15)
    published = choose_projection(
        28, ProjectionOptions("tsne", perplexity=2.0, learning_rate=100.0)
    )
    assert published == Projection("tsne", perplexity=2.0, learning_rate=100.0)


def test_nerv_shows_fewer_false_neighbours() -> None:
    vectors = np.random.default_rng(3).standard_normal((150, 12)).astype(np.float32)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    near = compute_neighbours(np.arange(150), unit, 40)
    result = {
        method: project(unit, near, Projection(method, perplexity=12.0))
        for method in ("tsne", "nerv")
    }
    trusted = {
        method: trustworthiness_continuity(unit, points).trustworthiness
        for method, points in result.items()
    }
    assert trusted["nerv"] > trusted["tsne"] + 0.01
    again = project(unit, near, Projection("nerv", perplexity=12.0))
    assert (again == result["nerv"]).all()


def test_pca_of_two_dimensions_keeps_distances() -> None:
    rng = np.random.default_rng(0)
    flat = np.zeros((20, 5), np.float32)
    flat[:, :2] = rng.standard_normal((20, 2)) * (3, 1)
    points = project(flat, None, Projection("pca"))
    distances = [np.linalg.norm(x[:, None] - x, axis=2) for x in (flat, points)]
    assert np.allclose(distances[0], distances[1], atol=1e-4)


def test_a_new_track_is_placed_amid_its_nearest_neighbours() -> None:
    known = np.eye(6, dtype=np.float32)
    points = np.arange(12, dtype=np.float32).reshape(6, 2)
    assert np.allclose(project_new(known[2:3], known, points), points[2], atol=0.01)
    between = (known[:1] + known[1:2]) / np.sqrt(2)
    (spot,) = project_new(between, known, points)
    assert np.linalg.norm(spot - points[:2].mean(axis=0)) < 2.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (ProjectionOptions("tsne", learning_rate=float("nan")), "must be above 0, and a number"),
        (ProjectionOptions("tsne", learning_rate=float("inf")), "must be above 0, and a number"),
        (ProjectionOptions("tsne", perplexity=float("nan")), "must be above 0, and a number"),
        (ProjectionOptions(perplexity=0.3), "from 1 to 10"),
        (ProjectionOptions(seed=-1), "the seed -1"),
        (ProjectionOptions(seed=2**32), "the seed 4294967296"),
    ],
)
def test_invalid_options_of_maps_are_refused(
    lib: Library, options: ProjectionOptions, message: str
) -> None:
    with pytest.raises(BadArgument, match=message):
        lib.atlas.map(options=options)


def test_a_diverged_map_is_not_stored(lib: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projection, "_tsne", lambda near, *_: np.full((len(near.ids), 2), np.nan))
    with pytest.raises(BadArgument, match="smaller --learning-rate"):
        lib.atlas.map(options=ProjectionOptions("tsne"))


def test_maps_of_nearly_equal_tracks_have_no_trustworthiness() -> None:
    with_noise = np.full((30, 8), 8**-0.5) + np.random.default_rng(0).normal(0, 1e-8, (30, 8))
    unit = with_noise.astype(np.float32)
    near = compute_neighbours(np.arange(30), unit, 15)
    points = project(unit, near, Projection("tsne", perplexity=5.0))
    assert not points.any()
    with pytest.raises(NothingToMeasure):
        trustworthiness_continuity(unit, points)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_maps_of_few_tracks_have_the_default_colours(
    n: int, tmp_path: Path, library: Callable[[], Library]
) -> None:
    fill_library(tmp_path / "library", ALBUMS[:n])
    with library() as few:
        few.atlas.draw(few.atlas.map(), tmp_path / "map.html")
        assert ALBUMS[0].title in (tmp_path / "map.html").read_text(encoding="utf-8")
        few.atlas.draw(few.atlas.map(), tmp_path / "map.png")


def test_a_map_that_is_older_than_the_library_is_not_drawn(lib: Library, tmp_path: Path) -> None:
    old = lib.atlas.map()
    lib.remove(["1"])
    with pytest.raises(BadArgument, match="changed since"):
        lib.atlas.draw(old, tmp_path / "map.png")


def test_trustworthiness_is_measured_again_after_removals(lib: Library) -> None:
    assert lib.atlas.map().trustworthiness is not None
    lib.remove([str(track) for track in range(1, 16)])
    assert lib.atlas.map(update=True).trustworthiness is None


def test_a_retrained_space_has_a_new_map(lib: Library) -> None:
    store: Store = lib._store

    def learn(seed: int) -> np.ndarray:
        vectors = np.random.default_rng(seed).standard_normal((30, 2)).astype(np.float32)
        with store.transaction():
            store.spaces.replace_trained(Space("mine", "sound", 2, "cosine", "m", 1))
            for track, vector in enumerate(vectors, start=1):
                store.spaces.put("mine", track, vector)
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))

    for seed in (0, 1):
        unit = learn(seed)
        assert np.allclose(store.spaces.matrix("mine").unit, unit, atol=1e-6)
        nearest_track = nearest_neighbours(store, "mine", 1).rows[:, 0]
        cosines = unit @ unit.T
        np.fill_diagonal(cosines, -2)
        assert (nearest_track == cosines.argmax(axis=1)).mean() > 0.9


def test_the_gradient_of_nerv_agrees_with_finite_differences() -> None:
    """Against central differences of the cost as the paper writes it, in double precision."""
    rng = np.random.default_rng(0)
    n = 12
    own = np.eye(n, dtype=bool)
    target = np.where(own, 0, rng.random((n, n)))
    target /= target.sum(axis=1, keepdims=True)
    log_target = np.log(np.maximum(target, 1e-12))

    def cost(state: np.ndarray) -> float:
        points = state[:-1].reshape(n, 2)
        z = -np.exp(state[-1]) * ((points[:, None] - points) ** 2).sum(axis=2)
        q = np.where(own, 0, np.exp(z))
        q /= q.sum(axis=1, keepdims=True)
        ratio = np.where(own, 0, np.log(np.where(own, 1, q)) - log_target)
        return float(
            (projection.RECALL * -target * ratio + (1 - projection.RECALL) * q * ratio).sum() / n
        )

    state = np.append(rng.standard_normal(2 * n), 0.3)
    gradient = projection._gradient(
        state[:-1].reshape(n, 2).astype(np.float32),
        np.float32(state[-1]),
        target.astype(np.float32),
        log_target.astype(np.float32),
    )
    steps = 1e-5 * np.eye(len(state))
    slopes = [(cost(state + step) - cost(state - step)) / 2e-5 for step in steps]
    np.testing.assert_allclose(gradient, slopes, rtol=1e-3, atol=1e-5)


def test_progress_is_reported_stage_by_stage(lib: Library, tmp_path: Path) -> None:
    stages: list[tuple[str, int, int]] = []
    library_map = lib.atlas.map(
        watch=lambda stage, done, total: stages.append((stage, done, total))
    )
    lib.atlas.draw(library_map, tmp_path / "m.html", watch=lambda *stage: stages.append(stage))
    names = [stage for stage, _, _ in stages]
    assert list(dict.fromkeys(names)) == ["neighbours", "layout", "groups"]
    assert all(done <= total for _, done, total in stages)


def test_the_first_colours_are_distinct() -> None:
    """Far apart in CIELAB, where 2.3 is just noticed."""

    def lab(colour: str) -> np.ndarray:
        rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        linear = np.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
        to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
        f = np.cbrt(np.array(to_xyz) @ linear / [0.9505, 1, 1.089])
        return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])

    colours = [lab(colour) for colour in PALETTE[:12]]
    for row, one in enumerate(colours):
        assert all(np.linalg.norm(one - other) > 25 for other in colours[:row])

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import fill_library
from segue import Filters, Library
from segue.builtin_spaces import builtin_spaces
from segue.cli.like import HUBS, _hubness_text
from segue.evaluation.retrieval import evaluate_retrieval
from segue.explore import path
from segue.explore.path import find_path
from segue.records import FloatArray, Hit, Tags
from segue.search import neighbours
from segue.search.neighbours import (
    HUBNESS_NEIGHBOURS,
    MIN_CORRECTED,
    by_corrected_rank,
    compute_hubness_corrections,
    compute_neighbours,
    hubness_corrections,
)
from segue.search.query import QuerySet
from segue.search.ranking import rank
from segue.store import Store

HUB = 1  # id of the track that is near everything


def unit_of(vectors: FloatArray) -> FloatArray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def with_hub(n: int, dimension: int, seed: int = 0, spread: float = 0.4) -> FloatArray:
    """Vectors around a centre, and first one that is nearer to the centre than all others."""
    vectors = np.random.default_rng(seed).standard_normal((n, dimension)).astype(np.float32)
    vectors[:, 0] += 0.6 * dimension**0.5
    vectors[0, 1:] *= spread
    return vectors


def test_in_a_large_library_only_new_tracks_are_computed(
    lib: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbours, "_MAX_REFERENCES", 40)
    store, rng, computed = lib._store, np.random.default_rng(3), []
    compute = neighbours._neighbour_means

    def count(unit: FloatArray, *rest: Any) -> FloatArray:
        computed.append(len(unit))
        return compute(unit, *rest)

    monkeypatch.setattr(neighbours, "_neighbour_means", count)

    def change(tracks: Sequence[int]) -> FloatArray:
        with store.transaction():
            for track in tracks:
                vector = rng.standard_normal(builtin_spaces()["sound"].dimension)
                store.spaces.put("sound", track, vector.astype(np.float32))
        return hubness_corrections(store, store.spaces.matrix("sound"))

    before = hubness_corrections(store, store.spaces.matrix("sound"))
    after = change([8])
    assert computed == [80, 1]
    others = np.arange(80) != 7
    assert np.ptp((after - before)[others]) < 1e-6  # the mean of all is subtracted
    assert after[7] != pytest.approx(before[7])
    lib.remove([9])
    assert len(hubness_corrections(store, store.spaces.matrix("sound"))) == 79
    assert computed == [80, 1]
    exact = change(range(10, 20))  # more than a tenth: everything again
    assert computed == [80, 1, 79]
    unit = np.asarray(store.spaces.matrix("sound").unit)
    assert exact == pytest.approx(compute_hubness_corrections(unit, max_references=40), abs=1e-6)


@pytest.fixture
def lib(tmp_path: Path) -> Iterator[Library]:
    """A library of 80 tracks, of which the first is a hub in every space."""
    n = 80
    fill_library(tmp_path, [Tags(f"t{i}", f"a{i}", f"b{i}", genre="xy"[i % 2]) for i in range(n)])
    store = Store(tmp_path, builtin_spaces("sound").values())
    with store.transaction():
        for seed, (name, space) in enumerate(builtin_spaces("sound").items()):
            for track, vector in enumerate(with_hub(n, space.dimension, seed, 0.6), start=1):
                store.spaces.put(name, track, vector)
    store.close()
    with Library.open(tmp_path) as library:
        yield library


def expected_corrections(unit: FloatArray, k: int, step: int = 1) -> FloatArray:
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -np.inf)
    nearest = -np.sort(-cosines[:, ::step], axis=1)[:, :k]
    means = nearest.mean(axis=1)
    return np.asarray((means - means.mean()) / 2)


@pytest.mark.parametrize(("n", "k"), [(30, 5), (64, 8), (100, 10), (3000, 10)])
def test_the_correction_is_half_the_mean_cosine_of_the_nearest_less_its_mean(
    n: int, k: int
) -> None:
    assert HUBNESS_NEIGHBOURS == 10
    unit = unit_of(with_hub(n, 16))
    corrections = compute_hubness_corrections(unit)
    assert corrections.dtype == np.float32
    assert corrections == pytest.approx(expected_corrections(unit, k), abs=1e-5)
    assert corrections.mean() == pytest.approx(0, abs=1e-6)


def test_large_libraries_are_compared_with_evenly_spaced_tracks() -> None:
    unit = unit_of(with_hub(1000, 16))
    corrections = compute_hubness_corrections(unit, max_references=300)
    assert corrections == pytest.approx(expected_corrections(unit, 10, 4), abs=1e-5)


def test_hubs_lose_ranks() -> None:
    unit = unit_of(with_hub(400, 64))
    near = compute_neighbours(np.arange(400), unit, 50)
    corrected = by_corrected_rank(near, compute_hubness_corrections(unit))
    plain_lists, corrected_lists = ((each.rows[:, :10] == 0).sum() for each in (near, corrected))
    assert plain_lists > 150
    assert corrected_lists < plain_lists / 3
    skewness = []
    for each in (near, corrected):
        counts = np.bincount(each.rows[:, :10].ravel(), minlength=400)
        centred = counts - counts.mean()
        skewness.append((centred**3).mean() / (centred**2).mean() ** 1.5)
    assert skewness[1] < skewness[0] / 3
    assert (np.sort(corrected.rows, axis=1) == np.sort(near.rows, axis=1)).all()


def test_the_order_is_that_of_the_cosine_where_all_tracks_are_equal_hubs() -> None:
    angles = np.arange(120) * 2 * np.pi / 120
    unit = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    assert compute_hubness_corrections(unit) == pytest.approx(np.zeros(120), abs=1e-6)


def test_results_are_ranked_by_the_corrected_similarity_and_report_the_cosine(
    lib: Library,
) -> None:
    corrections = dict(
        enumerate(
            hubness_corrections(lib._store, lib._store.spaces.matrix("sound")).tolist(), start=1
        )
    )
    ids, vectors = lib.vectors("sound")
    unit = unit_of(vectors)
    hits = lib.like(5, n=79, space="sound")
    cosines = dict(zip(ids.tolist(), (unit @ unit[4]).tolist(), strict=True))
    order = sorted(cosines.keys() - {5}, key=lambda track: corrections[track] - cosines[track])
    assert [hit.track.id for hit in hits] == order
    by_cosine = sorted(order, key=lambda track: -cosines[track])
    assert order.index(HUB) > by_cosine.index(HUB)
    for hit in hits:
        assert hit.similarity == pytest.approx(cosines[hit.track.id], abs=1e-5)
        assert sum(r.share for r in hit.reasons) == pytest.approx(hit.similarity, abs=1e-4)
    genre_hits = lib.like(5, n=79, space="sound", filters=Filters(genre="x"))
    assert [hit.track.id for hit in genre_hits] == [t for t in order if t % 2]
    by_distance = lib.like(5, n=79, space="sound", metric="euclidean")
    distances = [hit.similarity for hit in by_distance]
    assert distances == sorted(distances, reverse=True)


def test_several_queries_and_negative_ones_are_corrected_alike(lib: Library) -> None:
    corrections = hubness_corrections(lib._store, lib._store.spaces.matrix("sound"))
    for positives, negatives in (([5, 6], []), ([5], [7])):
        ranking = rank(lib._store, QuerySet(lib._store, positives, negatives), "sound")
        assert ranking.corrections is not None
        assert (ranking.corrections == corrections).all()
        assert (ranking.corrected_scores == ranking.scores - corrections).all()


def test_a_blend_is_corrected_by_the_weighted_sum(lib: Library) -> None:
    lib._store.spaces.keep_only(80, ["sound", "features", "tags"])
    ranking = rank(
        lib._store,
        QuerySet(lib._store, [5]),
        blend={"sound": 3, "musicnn": 1, "metadata": 1},
    )
    sound, musicnn = (
        hubness_corrections(lib._store, lib._store.spaces.matrix(name))
        for name in ("sound", "musicnn")
    )
    assert ranking.corrections is not None
    assert ranking.corrections[:79] == pytest.approx((3 * sound[:79] + musicnn) / 5, abs=1e-6)
    assert ranking.corrections[79] == pytest.approx(3 * sound[79] / 4, abs=1e-6)


def test_corrections_are_stored_until_the_space_changes(
    lib: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = lib._store
    first = hubness_corrections(store, store.spaces.matrix("sound"))
    with monkeypatch.context() as patch:
        patch.setattr(neighbours, "compute_hubness_corrections", None)
        assert (hubness_corrections(store, store.spaces.matrix("sound")) == first).all()
    new = np.random.default_rng(9).standard_normal(builtin_spaces()["sound"].dimension)
    with store.transaction():
        store.spaces.put("sound", 7, np.asarray(new, np.float32))
    changed = hubness_corrections(store, store.spaces.matrix("sound"))
    assert changed == pytest.approx(
        compute_hubness_corrections(np.asarray(store.spaces.matrix("sound").unit))
    )
    assert changed[6] != first[6]
    lib.remove([HUB])
    removed = hubness_corrections(store, store.spaces.matrix("sound"))
    assert removed == pytest.approx(
        compute_hubness_corrections(np.asarray(store.spaces.matrix("sound").unit))
    )
    assert len(removed) == 79


def test_small_libraries_are_ranked_by_the_cosine(tmp_path: Path) -> None:
    for n in (0, 1, MIN_CORRECTED - 1, MIN_CORRECTED):
        folder = tmp_path / str(n)
        fill_library(folder, [Tags(f"t{i}", f"a{i}", f"b{i % 9}") for i in range(n)])
        with Library.open(folder) as library:
            if n == 0:
                continue
            assert hubness_corrections(
                library._store, library._store.spaces.matrix("sound")
            ).any() == (n == MIN_CORRECTED)


def test_paths_avoid_hubs(lib: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    def count_paths_with_hub() -> int:
        pairs = [lib._store.tracks([start, start + 40]) for start in range(2, 32)]
        paths = [find_path(lib._store, "sound", start, goal, 5) for start, goal in pairs]
        return sum(HUB in [track.id for track in each.tracks] for each in paths)

    corrected = count_paths_with_hub()
    monkeypatch.setattr(path, "hubness_corrections", lambda *_: np.zeros(80, np.float32))
    assert corrected < count_paths_with_hub()


def test_the_evaluation_ranks_with_corrections() -> None:
    vectors = with_hub(60, 8)
    labels = [str(i % 12) for i in range(60)]
    corrections = compute_hubness_corrections(unit_of(vectors))
    scores = unit_of(vectors) @ unit_of(vectors).T - corrections
    corrected = evaluate_retrieval(vectors, labels, corrections=corrections)
    reference = evaluate_retrieval(-scores, labels, metric="precomputed")
    assert corrected.mean_average_precision == pytest.approx(reference.mean_average_precision)
    assert corrected != evaluate_retrieval(vectors, labels)


@pytest.mark.parametrize(
    ("similarities", "explained"), [((0.9, 0.5, 0.5), False), ((0.5, 0.6), True), ((), False)]
)
def test_an_order_that_similarities_do_not_show_is_explained(
    lib: Library, similarities: tuple[float, ...], explained: bool
) -> None:
    track = lib.tracks()[0]
    hits = [Hit(rank, cosine, track, ()) for rank, cosine in enumerate(similarities, start=1)]
    assert _hubness_text(hits) == (HUBS if explained else "")

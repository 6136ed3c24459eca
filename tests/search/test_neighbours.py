from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from conftest import albums_of_three
from segue.library import Library
from segue.records import FloatArray, Space
from segue.search import neighbours as module
from segue.search.neighbours import (
    Neighbours,
    compute_neighbours,
    nearest_neighbours,
    nearest_neighbours_within,
)
from segue.store import Store
from segue.store.spaces import Matrix


def matrix_of(vectors: FloatArray) -> Matrix:
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    ids = np.arange(10, 10 + len(unit), dtype=np.int64)
    return Matrix(Space("s", "sound", unit.shape[1], "cosine", "m", 1), ids, unit)


def reference(matrix: Matrix, k: int) -> NDArray[np.int64]:
    cosines = np.asarray(matrix.unit @ matrix.unit.T, np.float64)
    np.fill_diagonal(cosines, -2)
    return np.argsort(-cosines, axis=1, kind="stable")[:, :k]


@pytest.mark.parametrize(("n", "k"), [(2, 1), (3, 2), (40, 5), (700, 32), (1500, 10)])
def test_the_nearest_are_found_exactly(n: int, k: int) -> None:
    matrix = matrix_of(np.random.default_rng(n).standard_normal((n, 16)).astype(np.float32))
    graph = compute_neighbours(matrix.ids, matrix.unit, k)
    expected = reference(matrix, k)
    assert (graph.rows == expected).mean() > 0.999  # float32 may swap two that are all but equal
    cosines = (matrix.unit[:, None] * matrix.unit[graph.rows]).sum(axis=2)
    assert np.allclose(1 - graph.distances**2 / 2, cosines, atol=1e-5)
    assert (np.diff(graph.distances, axis=1) >= 0).all()


def test_equal_vectors_have_neighbours_too() -> None:
    equal = np.full((300, 4), 0.5, np.float32)
    graph = compute_neighbours(np.arange(300), equal, 5)
    assert (graph.rows != np.arange(300)[:, None]).all()
    assert np.allclose(graph.distances, 0, atol=1e-3)


def test_small_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = matrix_of(np.random.default_rng(1).standard_normal((200, 8)).astype(np.float32))
    whole = compute_neighbours(matrix.ids, matrix.unit, 7)
    monkeypatch.setattr(module, "_BLOCK_ELEMENTS", 1000)
    calls: list[tuple[int, int]] = []
    cut = compute_neighbours(
        matrix.ids, matrix.unit, 7, lambda done, total: calls.append((done, total))
    )
    assert (cut.rows == whole.rows).all()
    assert calls[-1] == (200, 200)


def test_they_are_kept_until_the_space_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: Callable[[], Library]
) -> None:
    albums_of_three(tmp_path / "library")
    with library() as lib:
        store: Store = lib._store
        first = nearest_neighbours(store, "sound", 3)
        again: list[int] = []

        def counted(*args: Any) -> Neighbours:
            again.append(1)
            return compute_neighbours(*args)

        monkeypatch.setattr(module, "compute_neighbours", counted)
        assert (nearest_neighbours(store, "sound", 2).rows == first.rows[:, :2]).all()
        assert not again
        lib.remove(["a0"])
        assert len(nearest_neighbours(store, "sound", 3).ids) == 8
        assert again


@pytest.mark.parametrize("fewest", [32, 4, 2])
def test_neighbours_among_some_are_those_that_would_be_found_of_them_alone(
    fewest: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: Callable[[], Library]
) -> None:
    monkeypatch.setattr(module, "MIN_STORED", fewest)
    albums_of_three(tmp_path / "library")
    with library() as lib:
        store = lib._store
        matrix = store.spaces.matrix("sound")
        n = len(matrix.ids)
        for gone in ([], [0], [1, 4], range(2, n)):
            mask = np.ones(n, bool)
            mask[list(gone)] = False
            k = min(3, int(mask.sum()) - 1)
            graph = nearest_neighbours_within(store, "sound", mask, 3)
            alone = compute_neighbours(matrix.ids[mask], np.asarray(matrix.unit[mask]), k)
            assert graph.ids.tolist() == matrix.ids[mask].tolist()
            assert graph.rows.tolist() == alone.rows.tolist()
            assert np.allclose(graph.distances, alone.distances, atol=1e-3)

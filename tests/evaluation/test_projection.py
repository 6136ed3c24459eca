import numpy as np
import pytest
from sklearn.manifold import trustworthiness

from segue.errors import BadArgument, NothingToMeasure
from segue.evaluation import projection
from segue.evaluation.projection import trustworthiness_continuity


def unit(n: int, d: int) -> np.ndarray:
    vectors = np.random.default_rng(n).standard_normal((n, d)).astype(np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def test_it_agrees_with_scikit_learn() -> None:
    vectors = unit(120, 6)
    points = vectors[:, :2].copy()
    measured = trustworthiness_continuity(vectors, points)
    assert measured.trustworthiness == pytest.approx(
        trustworthiness(vectors, points, n_neighbors=10), abs=1e-6
    )
    assert measured.continuity == pytest.approx(
        trustworthiness(points, vectors, n_neighbors=10), abs=1e-6
    )


def test_an_isometric_projection_has_full_trustworthiness() -> None:
    angles = np.random.default_rng(0).uniform(0, 1.2, 60)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    measured = trustworthiness_continuity(circle, circle)
    assert measured.trustworthiness == measured.continuity == 1


def test_queries_of_many_tracks_are_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = unit(400, 5)
    whole = trustworthiness_continuity(vectors, vectors[:, :2].copy())
    monkeypatch.setattr(projection, "MAX_QUERIES", 200)
    part = trustworthiness_continuity(vectors, vectors[:, :2].copy())
    assert part.trustworthiness == pytest.approx(whole.trustworthiness, abs=0.02)


def test_too_few_tracks_say_so() -> None:
    with pytest.raises(NothingToMeasure, match="it takes 21"):
        trustworthiness_continuity(unit(20, 4), np.zeros((20, 2), np.float32))
    with pytest.raises(BadArgument, match=r"is \(30, 2\)"):
        trustworthiness_continuity(unit(30, 4), np.zeros((30, 3), np.float32))

import numpy as np
import pytest

from segue.errors import BadArgument
from segue.evaluation import retrieval as module
from segue.evaluation.retrieval import bootstrap_difference, bootstrap_interval, evaluate_retrieval


def clusters(spread: float, seed: int = 0) -> tuple[np.ndarray, list[str]]:
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((8, 16))
    labels = [f"album {i % 8}" for i in range(48)]
    vectors = centres[np.arange(48) % 8] + spread * rng.standard_normal((48, 16))
    return vectors.astype(np.float32), labels


def test_a_ranking_worked_out_by_hand() -> None:
    angles = np.radians([0, 10, 25, 60, 90])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    metrics = evaluate_retrieval(vectors, ["a", "b", "a", "a", "c"])
    # From 0° the others come as b a a c: hits at 2 and 3; from 25° as b a a (or a a), c;
    # from 60° as c a b a.
    assert metrics.queries == 3
    assert metrics.precision_at_1 == 0
    assert metrics.precision_at_5 == pytest.approx(2 / 5)
    averages = [(1 / 2 + 2 / 3) / 2, (1 / 2 + 2 / 3) / 2, (1 / 2 + 2 / 4) / 2]
    assert metrics.mean_average_precision == pytest.approx(np.mean(averages))


def test_tight_clusters_are_found_and_scale_does_not_matter() -> None:
    vectors, labels = clusters(0.01)
    metrics = evaluate_retrieval(vectors * np.arange(1, 49, dtype=np.float32)[:, None], labels)
    assert metrics.precision_at_1 == metrics.macro_precision_at_5 == 1
    assert metrics.mean_average_precision == pytest.approx(1)


def test_euclidean_neighbours_are_those_at_the_least_distance() -> None:
    vectors, labels = clusters(1.0)
    vectors = 100 + vectors * np.arange(1, 49, dtype=np.float32)[:, None]  # far off, all lengths
    metrics = evaluate_retrieval(vectors, labels, metric="euclidean")
    distances = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    nearest = distances.argmin(axis=1)
    expected = [labels[i] == labels[nearest[i]] for i in metrics.per_query.rows]
    assert metrics.per_query.precision_at_1.tolist() == expected
    assert metrics.precision_at_1 != evaluate_retrieval(vectors, labels).precision_at_1
    with pytest.raises(BadArgument, match="cosine or euclidean"):
        evaluate_retrieval(vectors, labels, metric="manhattan")  # type: ignore[arg-type]


def test_ties_fall_at_random_and_not_by_row() -> None:
    labels = [f"album {i // 4}" for i in range(400)]
    metrics = evaluate_retrieval(np.ones((400, 3), np.float32), labels)
    assert metrics.precision_at_1 < 0.05
    assert metrics.mean_average_precision == pytest.approx(
        metrics.chance_average_precision, abs=0.01
    )

    repeated = evaluate_retrieval(np.ones((400, 3), np.float32), labels)
    assert repeated.mean_average_precision == metrics.mean_average_precision


def test_block_size_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, labels = clusters(1.0)
    whole = evaluate_retrieval(vectors, labels)
    monkeypatch.setattr(module, "_BLOCK_ELEMENTS", 100)
    assert (
        evaluate_retrieval(vectors, labels).mean_average_precision == whole.mean_average_precision
    )


def test_macro_metrics_weight_labels_equally() -> None:
    vectors = np.eye(8, dtype=np.float32)
    vectors[:5] = vectors[0] + 0.01 * np.eye(8)[:5]
    metrics = evaluate_retrieval(vectors, ["big"] * 5 + ["small"] * 3)
    assert metrics.macro_precision_at_1 != metrics.precision_at_1
    assert metrics.labels == 2


def test_rare_and_missing_labels_are_candidates_but_no_queries() -> None:
    vectors, labels = clusters(1.0)
    mixed: list[str | None] = [None, "", "alone", *labels[3:]]
    assert evaluate_retrieval(vectors, mixed).queries == 45
    near = np.array([[1, 0], [1, 0.1], [1, 0.3], [0, 1]], np.float32)
    assert evaluate_retrieval(near, ["a", None, "a", "a"]).precision_at_1 < 1


def test_the_artist_filter_leaves_out_the_artists_own() -> None:
    vectors = np.array([[1, 0], [1, 0.01], [1, 0.5], [0, 1]], np.float32)
    genres, artists = ["x", "x", "x", "y"], ["p", "p", "q", "r"]
    filtered = evaluate_retrieval(vectors, genres, groups=artists)
    assert filtered.queries == 3
    assert filtered.chance_precision < evaluate_retrieval(vectors, genres).chance_precision + 1
    with pytest.raises(BadArgument, match="within one group"):
        evaluate_retrieval(vectors, ["x", "x", "x", "y"], groups=["p", "p", "p", "q"])


def test_degraded_queries_are_ranked_in_the_clean_library() -> None:
    vectors, labels = clusters(0.01)
    assert evaluate_retrieval(vectors, labels, queries=vectors[::-1].copy()).precision_at_1 < 1
    assert evaluate_retrieval(vectors, labels, queries=2 * vectors).precision_at_1 == 1


def test_precomputed_distances() -> None:
    vectors, labels = clusters(1.0)
    distances = np.linalg.norm(vectors[:, None] - vectors, axis=2)
    metrics = evaluate_retrieval(distances, labels, metric="precomputed")
    expected = evaluate_retrieval(vectors, labels, metric="euclidean")
    assert metrics.mean_average_precision == pytest.approx(expected.mean_average_precision)
    with pytest.raises(BadArgument, match=r"shape \(tracks, tracks\)"):
        evaluate_retrieval(vectors, labels, metric="precomputed")


def test_intervals_hold_the_value_and_pairs_are_narrower() -> None:
    a = evaluate_retrieval(*clusters(0.9))
    labels = clusters(0.9)[1]
    b = evaluate_retrieval(clusters(0.9)[0] + np.float32(0.05), labels)
    estimate = bootstrap_interval([a])
    assert estimate.low <= estimate.value == a.precision_at_1 <= estimate.high
    assert bootstrap_difference([a], [a]).low == bootstrap_difference([a], [a]).high == 0
    pair = bootstrap_difference([a], [b], "mean_average_precision")
    whole = bootstrap_interval([a], "mean_average_precision")
    assert pair.high - pair.low < whole.high - whole.low


def test_invalid_arguments() -> None:
    vectors, labels = clusters(1.0)
    hollow = vectors.copy()
    hollow[3] = 0
    with pytest.raises(BadArgument, match="one is needed per row"):
        evaluate_retrieval(vectors.T, labels)
    with pytest.raises(BadArgument, match="row 3 is zero"):
        evaluate_retrieval(hollow, labels)
    with pytest.raises(BadArgument, match="not finite"):
        evaluate_retrieval(np.full_like(vectors, np.nan), labels)
    with pytest.raises(BadArgument, match="no label has 3 tracks"):
        evaluate_retrieval(vectors, [str(i) for i in range(48)])
    with pytest.raises(BadArgument, match="one string"):
        evaluate_retrieval(vectors, "album")
    with pytest.raises(BadArgument, match="same queries"):
        bootstrap_difference(
            [evaluate_retrieval(vectors, labels)], [evaluate_retrieval(vectors[:40], labels[:40])]
        )
    with pytest.raises(BadArgument, match="not percent"):
        bootstrap_interval([evaluate_retrieval(vectors, labels)], confidence=95)


def test_queries_are_sampled_and_candidates_are_not() -> None:
    vectors, labels = clusters(1.0)
    labels[:8] = [""] * 8  # these cannot ask, but are found
    every = evaluate_retrieval(vectors, labels)
    assert every.drawn_from == 0
    sampled = evaluate_retrieval(vectors, labels, max_queries=10, seed=3)
    assert (sampled.queries, sampled.drawn_from) == (10, 40)
    is_query = np.isin(every.per_query.rows, sampled.per_query.rows)
    assert is_query.sum() == 10
    same = every.per_query.average_precision[is_query]
    assert np.allclose(sampled.per_query.average_precision, same)
    other_rows = evaluate_retrieval(vectors, labels, max_queries=10, seed=4).per_query.rows
    assert other_rows.tolist() != sampled.per_query.rows.tolist()
    enough = evaluate_retrieval(vectors, labels, max_queries=40)
    assert (enough.queries, enough.drawn_from) == (40, 0)
    with pytest.raises(BadArgument, match="max_queries is 0"):
        evaluate_retrieval(vectors, labels, max_queries=0)

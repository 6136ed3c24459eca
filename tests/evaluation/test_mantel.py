import numpy as np
import pytest
from scipy.stats import spearmanr

from segue.errors import BadArgument
from segue.evaluation.projection import expected_max_cosine, l2_normalise, mantel_test


def test_rank_correlation_is_scipys() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.random((12, 12)), np.round(rng.random((12, 12)), 1)
    pairs = np.triu(np.ones((12, 12), np.bool_), 1)
    result = mantel_test(first, second, pairs, np.zeros(12, np.int64), permutations=50)
    assert result.rho == pytest.approx(spearmanr(first[pairs], second[pairs]).statistic)
    assert result.pairs == 66


def test_a_random_order_is_not_significant_and_a_perfect_one_is() -> None:
    rng = np.random.default_rng(1)
    kinds, pairs = np.zeros(10, np.int64), np.triu(np.ones((10, 10), np.bool_), 1)
    similarity = -np.abs(np.subtract.outer(np.arange(10.0), np.arange(10.0)))
    noise = rng.random((10, 10))
    clear = mantel_test(similarity + 0.1 * (noise + noise.T), similarity, pairs, kinds)
    assert clear.rho > 0.9
    assert clear.p < 0.002
    p = []
    for seed in range(40):
        noise = np.random.default_rng(seed).random((10, 10))
        p.append(mantel_test(noise + noise.T, similarity, pairs, kinds, permutations=100).p)
    assert 0.3 < np.mean(p) < 0.7
    assert 0.2 < clear.shuffled < 0.6


def test_labels_are_shuffled_within_their_kind() -> None:
    kinds = np.array([0, 1, 2])
    pairs = np.triu(np.ones((3, 3), np.bool_), 1)
    table = np.array([[0, 1, 2], [1, 0, 3], [2, 3, 0.0]])
    assert mantel_test(table, table, pairs, kinds, permutations=9).p == 1
    with pytest.raises(BadArgument, match="things by things"):
        mantel_test(table, table, pairs, kinds[:2])


def test_the_nearest_of_random_vectors() -> None:
    assert expected_max_cosine(173, 512) == pytest.approx(0.12, abs=0.005)
    assert expected_max_cosine(1, 7) == pytest.approx(0, abs=1e-6)
    assert expected_max_cosine(1, 2) == pytest.approx(0, abs=1e-6)
    rng = np.random.default_rng(0)
    cosines = [
        float((vectors[1:] @ vectors[0]).max())
        for vectors in (l2_normalise(rng.standard_normal((31, 20))) for _ in range(2000))
    ]
    assert expected_max_cosine(30, 20) == pytest.approx(np.mean(cosines), abs=0.01)

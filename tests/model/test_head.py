import numpy as np
import pytest

from segue.errors import BadArgument
from segue.model.sound.head import (
    POOLED_SIZE,
    REMAINDER,
    Head,
    head_from_bytes,
    head_to_bytes,
    load_head,
)
from segue.represent.features import FEATURE_NAMES
from segue.train.sound_space import (
    Described,
    Patches,
    SoundSpaceConfig,
    fit_aspects,
    fit_head,
)


def vector(seed: int, head: Head) -> np.ndarray:
    rng = np.random.default_rng(seed)
    pooled = head.pooled_mean + head.pooled_scale * rng.standard_normal((5, POOLED_SIZE))
    features = head.features_mean + head.features_scale * rng.standard_normal(len(FEATURE_NAMES))
    return head.project(pooled.astype(np.float32), features.astype(np.float32))


def test_the_shipped_head_gives_unit_vectors_of_at_most_256_numbers() -> None:
    head = load_head()
    found = vector(0, head)
    assert found.shape == (head.dimension,)
    assert head.dimension <= 256
    assert found.dtype == np.float32
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-6)
    assert np.array_equal(found, vector(0, head))


def test_shares_sum_to_the_cosine_and_depend_on_the_neighbour() -> None:
    head = load_head()
    a, b, c = (vector(seed, head) for seed in range(3))
    shares = head.shares(a, b)
    assert sum(shares.values()) == pytest.approx(float(a @ b), abs=1e-6)
    groups = {group.name for group in head.feature_groups}
    assert set(shares) == {*head.aspect_names, *groups, REMAINDER}
    assert shares != head.shares(a, c)
    assert head.shares(3 * a, b) == pytest.approx(shares, abs=1e-6)


def test_aspects_are_orthonormal() -> None:
    aspects = load_head().aspects.astype(np.float64)
    assert aspects @ aspects.T == pytest.approx(np.eye(len(aspects)), abs=1e-5)


def test_a_head_survives_its_file() -> None:
    head = load_head()
    again = head_from_bytes(head_to_bytes(head))
    assert again.aspect_names == head.aspect_names
    assert np.array_equal(vector(1, again), vector(1, head))


def test_wrong_input_is_named() -> None:
    head = load_head()
    features = head.features_mean
    with pytest.raises(BadArgument, match="patches, 1506"):
        head.project(np.zeros((3, 753), np.float32), features)
    with pytest.raises(BadArgument, match="features, got"):
        head.project(np.zeros((3, POOLED_SIZE), np.float32), features[:5])
    with pytest.raises(BadArgument, match="not finite"):
        head.project(np.full((3, POOLED_SIZE), np.nan, np.float32), features)
    with pytest.raises(BadArgument, match="no direction"):
        head.shares(np.zeros(head.dimension, np.float32), vector(0, head))


def test_learning_keeps_what_tells_tracks_apart_and_damps_production() -> None:
    rng = np.random.default_rng(0)
    n, per_track = 40, 4
    identity = rng.standard_normal((n, 1, 3))
    clean = np.zeros((n, per_track, POOLED_SIZE), np.float32)
    clean[..., :3] = identity
    clean[..., 3:6] = 3 * rng.standard_normal((n, 1, 3))  # production: other in the copy
    clean += 0.3 * rng.standard_normal(clean.shape)
    copy = clean.copy()
    copy[..., 3:6] = 3 * rng.standard_normal((n, 1, 3))
    tracks = np.repeat(np.arange(n), per_track)
    numbers = rng.standard_normal((n, 6)).astype(np.float32)
    config = SoundSpaceConfig(pooled_dimension=8, features_dimension=4, pooled_production=1.0)
    head = fit_head(
        Patches(clean.reshape(-1, POOLED_SIZE), tracks),
        [Patches(copy.reshape(-1, POOLED_SIZE), tracks)],
        Described(numbers, (numbers, numbers + 0.1), numbers),
        config,
    )
    weight = np.linalg.norm(head.pooled_map, axis=1)
    assert weight[:3].mean() > 2 * weight[3:6].mean()
    vectors = np.stack([head.project(clean[i], numbers[i]) for i in range(n)])
    aspects = fit_aspects(
        vectors, {"first": identity[:, 0, 0].astype(np.float32)}, [str(i) for i in range(n)], config
    )
    assert aspects.names == ("first",)
    assert aspects.held_out_r2[0] > 0.3

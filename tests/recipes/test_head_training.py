import numpy as np
import pytest

from recipes.sound_projection import (
    Described,
    Patches,
    SoundSpaceConfig,
    fit_head,
    head_to_bytes,
)
from segue.audio.embedding import POOLED_SIZE, Head, head_from_bytes, load_head
from segue.errors import BadArgument
from segue.feature_names import SOUND_FEATURE_NAMES


def vector(seed: int, head: Head) -> np.ndarray:
    rng = np.random.default_rng(seed)
    pooled = head.pooled_mean + head.pooled_scale * rng.standard_normal((5, POOLED_SIZE))
    noise = rng.standard_normal(len(SOUND_FEATURE_NAMES))
    features = head.features_mean + head.features_scale * noise
    return head.project(pooled.astype(np.float32), features.astype(np.float32))


def test_the_bundled_head_gives_unit_vectors_of_at_most_256_dimensions() -> None:
    head = load_head()
    embedding = vector(0, head)
    assert embedding.shape == (head.dimension,)
    assert head.dimension <= 256
    assert embedding.dtype == np.float32
    assert np.linalg.norm(embedding) == pytest.approx(1, abs=1e-6)
    assert np.array_equal(embedding, vector(0, head))


def test_a_projection_is_divided_among_the_features() -> None:
    head = load_head()
    (heard, one), (_, other) = (head.split(vector(seed, head)) for seed in range(2))
    assert len(heard) + len(one) == head.dimension
    shares = head.feature_contributions(one, other)
    assert shares.shape == (len(SOUND_FEATURE_NAMES),)
    assert shares.sum() == pytest.approx(float(one @ other), abs=1e-6)
    assert head.reconstruct_features(one) @ head.features_map == pytest.approx(one, abs=1e-6)


def test_a_head_is_saved_and_loaded() -> None:
    head = load_head()
    reloaded = head_from_bytes(head_to_bytes(head))
    assert np.array_equal(vector(1, reloaded), vector(1, head))


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
        head.split(np.zeros(head.dimension, np.float32))


def test_fitting_keeps_differences_between_tracks_and_damps_production() -> None:
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

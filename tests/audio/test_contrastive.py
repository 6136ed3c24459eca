import numpy as np
import pytest
import torch

from segue.audio.contrastive import ActivationHead, ContrastiveConfig, TileEncoder, build
from segue.audio.embedding import POOLED_SIZE, load_head
from segue.errors import BadArgument

SMALL = ContrastiveConfig(bands=32, frames=64, dimension=16, projection=8)


def made(config: ContrastiveConfig) -> TileEncoder | ActivationHead:
    torch.manual_seed(0)
    return build(config).eval()


def test_tiles_get_vectors_of_unit_length() -> None:
    vectors = made(SMALL).vector(torch.rand(3, 1, 32, 64))
    assert vectors.shape == (3, 16)
    assert vectors.dtype == torch.float32
    assert torch.allclose(vectors.norm(dim=1), torch.ones(3))


def test_the_encoder_is_small() -> None:
    assert sum(weight.numel() for weight in made(ContrastiveConfig()).parameters()) <= 2_000_000


def test_the_embedding_distinguishes_high_from_low() -> None:
    low = torch.zeros(1, 1, 32, 64)
    low[:, :, 20:28] = 1
    vectors = made(SMALL).vector(torch.cat([low, low.flip(2), low.roll(5, 3)]))
    assert vectors[0] @ vectors[2] > vectors[0] @ vectors[1]


def test_the_projection_serves_the_loss_alone() -> None:
    network = made(SMALL)
    assert network(torch.rand(2, 1, 32, 64)).shape == (2, 8)


@pytest.mark.parametrize("sizes", [{"bands": 100}, {"frames": 16}, {"dimension": 8}])
def test_sizes_that_do_not_suit_are_refused(sizes: dict[str, int]) -> None:
    with pytest.raises(BadArgument):
        build(ContrastiveConfig(**sizes))  # type: ignore[arg-type]


def test_tiles_of_another_shape_are_refused() -> None:
    with pytest.raises(BadArgument, match="expected tiles"):
        made(SMALL).vector(torch.rand(1, 1, 32, 32))


def numbers(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    head = load_head()
    pooled = head.pooled_mean + head.pooled_scale * rng.standard_normal(POOLED_SIZE)
    features = head.features_mean + head.features_scale * rng.standard_normal(
        len(head.features_mean)
    )
    return pooled.astype(np.float32), features.astype(np.float32)


def test_the_head_starts_as_the_space_sound() -> None:
    network = made(ContrastiveConfig(source="musicnn"))
    assert isinstance(network, ActivationHead)
    network.start_from(load_head())
    for seed in range(3):
        pooled, features = numbers(seed)
        with torch.no_grad():
            vector = network.vector(torch.from_numpy(np.concatenate([pooled, features]))[None])[0]
        expected = load_head().project(pooled[None], features)
        assert vector.numpy() == pytest.approx(expected, abs=1e-5)


def test_the_head_comes_back_from_its_tensors() -> None:
    config = ContrastiveConfig(source="musicnn")
    network = made(config)
    assert isinstance(network, ActivationHead)
    network.start_from(load_head())
    other = build(config)
    other.load_state_dict(network.state_dict())
    x = torch.from_numpy(np.concatenate(numbers(1)))[None]
    assert torch.equal(network.vector(x), other.vector(x))


def test_a_head_of_other_sizes_is_refused() -> None:
    network = made(ContrastiveConfig(source="musicnn", pooled_dimension=8))
    assert isinstance(network, ActivationHead)
    with pytest.raises(BadArgument, match="sizes"):
        network.start_from(load_head())

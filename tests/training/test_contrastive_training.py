import math

import numpy as np
import pytest
import torch

from segue.audio.contrastive import ActivationHead, ContrastiveConfig, TileEncoder, build
from segue.audio.contrastive_training import (
    Augmentation,
    ContrastiveObjective,
    ContrastiveTraining,
    apply_wccn,
    contrastive_loss,
    from_activations,
    from_images,
    two_views,
)
from segue.audio.embedding import POOLED_SIZE, load_head
from segue.errors import BadArgument

PLAIN = ContrastiveTraining(batch=6, label_weight=0.0)
SMALL = Augmentation(low_pass_bands=4, shift_bands=0.5, mask_bands=2, mask_frames=4)
MIXED = ContrastiveTraining(batch=6, label_weight=0.5, augmentation=SMALL)
LEARN, HELD = np.arange(8), np.arange(8, 12)


def unit(rows: int, seed: int = 0) -> torch.Tensor:
    normal = torch.randn(rows, 16, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(normal, dim=1)


def test_the_loss_of_equal_vectors_is_that_of_chance() -> None:
    same = torch.ones(8, 16) / 4
    assert contrastive_loss(same, torch.arange(4), MIXED).item() == pytest.approx(math.log(7))


def test_the_loss_is_the_published_one() -> None:
    z = unit(6).double()
    expected = 0.0
    for i in range(6):
        shares = {j: math.exp(float(z[i] @ z[j]) / 0.2) for j in range(6) if j != i}
        expected -= math.log(shares[(i + 3) % 6] / sum(shares.values())) / 6
    loss = contrastive_loss(z, torch.arange(3), PLAIN)
    assert loss.item() == pytest.approx(expected, rel=1e-6)


def test_tracks_without_labels_are_positives_of_themselves_alone() -> None:
    z, none = unit(8), torch.full((4,), -1)
    assert contrastive_loss(z, none, MIXED).item() == pytest.approx(
        contrastive_loss(z, none, PLAIN).item(), rel=1e-6
    )


def test_labels_lower_the_loss_of_their_tracks() -> None:
    z = torch.eye(4, 16).repeat_interleave(2, dim=0)  # tracks 0 and 1 lie together
    z = torch.cat([z, z])
    grouped, spread = torch.tensor([0, 0, 1, 1, 2, 2, 3, 3]), torch.tensor([0, 1, 2, 3, 0, 1, 2, 3])
    assert contrastive_loss(z, grouped, MIXED) < contrastive_loss(z, spread, MIXED)


def test_a_single_track_is_refused() -> None:
    with pytest.raises(BadArgument, match="2 tracks"):
        contrastive_loss(unit(2), torch.tensor([0]), PLAIN)


def image_of(track: int, length: int = 200) -> np.ndarray:
    """Two steady tones of its own under a little noise."""
    rng = np.random.default_rng(track)
    image = rng.integers(0, 30, (1, 32, length))
    image[:, rng.integers(0, 32, 2)] += 200
    return image.astype(np.uint8)


def image_task(labels: np.ndarray | None = None) -> ContrastiveObjective:
    images = [image_of(track) for track in range(12)]
    return from_images(images, 64, LEARN, HELD, labels, MIXED)


def activation_task() -> ContrastiveObjective:
    """Tracks whose patches differ strongly in three directions that are the same for all."""
    rng = np.random.default_rng(0)
    head = load_head()
    directions = rng.standard_normal((3, POOLED_SIZE))
    tracks = []
    for _ in range(12):
        patches = rng.standard_normal(POOLED_SIZE) + 3 * rng.standard_normal((6, 3)) @ directions
        pooled = (head.pooled_mean + head.pooled_scale * patches).astype(np.float32)
        tracks.append(pooled)
    return from_activations(tracks, LEARN, HELD, None, PLAIN)


@pytest.mark.parametrize("make", [image_task, activation_task])
def test_batches_depend_on_the_generator_alone(make: type) -> None:
    task = make()
    first_batch, same, another = (task.draw(np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert all(torch.equal(a, b) for a, b in zip(first_batch, same, strict=True))
    assert not torch.equal(first_batch[0], another[0])
    first, repeated = task.validation(), task.validation()
    for x, y in zip(first, repeated, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(x, y, strict=True))


def test_tiles_are_in_range_and_carry_their_labels() -> None:
    labels = np.array([5, 5, 5, 5, 7, 7, 7, 7, 1, 1, 1, -1])
    task = image_task(labels)
    tiles, labels_ = task.draw(np.random.default_rng(0))
    assert tiles.shape == (12, 1, 32, 64)
    assert tiles.dtype == torch.float32
    assert 0 <= tiles.min() < tiles.max() <= 1
    assert set(labels_.tolist()) <= {5, 7}
    assert sorted(task.validation()[0][1].tolist()) == [-1, 1, 1, 1]


def learn(
    network: TileEncoder | ActivationHead, task: ContrastiveObjective, steps: int
) -> list[float]:
    """Return the loss of each step."""
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    rng = np.random.default_rng(0)
    losses = []
    for _ in range(steps):
        loss = task.loss(network, *task.draw(rng))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(loss.item())
    return losses


def test_training_brings_excerpts_of_images_together() -> None:
    torch.manual_seed(0)
    network = build(ContrastiveConfig(bands=32, frames=64, dimension=16, projection=8))
    losses = learn(network, image_task(), 40)
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])


def test_training_brings_views_of_activations_together() -> None:
    torch.manual_seed(0)
    network = build(ContrastiveConfig(source="musicnn"))
    assert isinstance(network, ActivationHead)
    network.start_from(load_head())
    features_map = network.features_map.clone()
    losses = learn(network, activation_task(), 20)
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])
    assert torch.equal(network.features_map, features_map)


def test_a_track_of_one_patch_is_its_own_other_view() -> None:
    pooled = np.ones((1, POOLED_SIZE), np.float32)
    first, second = two_views(pooled, np.random.default_rng(0))
    assert np.array_equal(first, second)


def test_views_share_no_patch() -> None:
    pooled = np.zeros((5, POOLED_SIZE), np.float32)
    pooled[np.arange(5), np.arange(5)] = 1
    for seed in range(20):
        first, second = two_views(pooled, np.random.default_rng(seed))
        assert first @ second == 0


def test_too_few_tracks_are_refused() -> None:
    images = [image_of(track) for track in range(3)]
    with pytest.raises(BadArgument, match="add more tracks"):
        from_images(images, 64, np.array([0]), np.array([1, 2]), None, PLAIN)
    with pytest.raises(BadArgument, match="one is needed per track"):
        from_images(images, 64, np.array([0, 1]), np.array([1, 2]), np.array([1]), PLAIN)


def test_activations_of_another_size_are_refused() -> None:
    with pytest.raises(BadArgument, match="1506"):
        two_views(np.zeros((3, 96), np.float32), np.random.default_rng(0))


def sound_vectors(tracks: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    head = load_head()
    pooled = head.pooled_mean + head.pooled_scale * rng.standard_normal((tracks, POOLED_SIZE))
    features = head.features_mean + head.features_scale * rng.standard_normal(
        (tracks, len(head.features_mean))
    )
    return np.stack(
        [
            head.project(heard[None].astype(np.float32), described.astype(np.float32))
            for heard, described in zip(pooled, features, strict=True)
        ]
    )


def within_and_between(vectors: np.ndarray, labels: np.ndarray) -> float:
    cosines, same = vectors @ vectors.T, labels[:, None] == labels
    is_other = ~np.eye(len(labels), dtype=bool)
    return float(cosines[same & is_other].mean() - cosines[~same].mean())


def test_labels_raise_the_similarity_within_albums() -> None:
    head, labels = load_head(), np.arange(40) // 4
    vectors = sound_vectors(40)
    fitted = apply_wccn(head, vectors, labels, 0.9)
    size = head.pooled_map.shape[1]
    whitener = np.linalg.lstsq(head.features_map, fitted.features_map, rcond=None)[0]
    after = vectors[:, size:] @ whitener
    after /= np.linalg.norm(after, axis=1, keepdims=True)
    before = vectors[:, size:] / np.linalg.norm(vectors[:, size:], axis=1, keepdims=True)
    assert within_and_between(after, labels) > within_and_between(before, labels) + 0.1


def test_labels_of_no_strength_change_nothing() -> None:
    head, vectors = load_head(), sound_vectors(8)
    fitted = apply_wccn(head, vectors, np.arange(8) // 2, 0.0)
    assert fitted.features_map == pytest.approx(head.features_map, abs=1e-6)


def test_uninformative_labels_are_refused() -> None:
    head, vectors = load_head(), sound_vectors(4)
    with pytest.raises(BadArgument, match="no label has two tracks"):
        apply_wccn(head, vectors, np.array([0, 1, 2, -1]))
    with pytest.raises(BadArgument, match="expected"):
        apply_wccn(head, vectors[:2], np.array([0, 1, 2, -1]))

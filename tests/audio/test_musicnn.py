"""MusiCNN in PyTorch against the original TensorFlow graph.

`reference.npz`: four patches and the graph's logits for them.
"""

from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch

from segue.audio.embedding import POOLED_SIZE
from segue.audio.musicnn import Musicnn, load_musicnn
from segue.errors import BadArgument

WEIGHTS = Path(str(files("segue") / "weights" / "musicnn.safetensors"))


@pytest.fixture(scope="module")
def exact() -> Musicnn:
    return load_musicnn(WEIGHTS)


@pytest.fixture(scope="module")
def reference() -> dict[str, torch.Tensor]:
    with np.load(Path(__file__).with_name("reference.npz")) as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in ("log_mel", "logits")}


def test_float32_reproduces_the_original_graph(
    exact: Musicnn, reference: dict[str, torch.Tensor]
) -> None:
    activations = exact(reference["log_mel"])
    assert activations.pooled.shape == (4, POOLED_SIZE)
    torch.testing.assert_close(activations.logits, reference["logits"], rtol=0, atol=1e-4)


def test_patches_of_a_batch_do_not_interact(
    exact: Musicnn, reference: dict[str, torch.Tensor]
) -> None:
    together = exact(reference["log_mel"]).pooled
    alone = exact(reference["log_mel"][2:3]).pooled
    assert alone.shape == (1, POOLED_SIZE)
    torch.testing.assert_close(alone, together[2:3], rtol=0, atol=1e-4)


def test_silence_gives_finite_logits(exact: Musicnn) -> None:
    assert exact(torch.zeros(1, 187, 96)).logits.isfinite().all()


def test_tag_logits_are_those_of_the_pooled_activations(
    exact: Musicnn, reference: dict[str, torch.Tensor]
) -> None:
    activations = exact(reference["log_mel"])
    assert torch.equal(exact.tag_logits(activations.pooled), activations.logits)


@pytest.mark.parametrize("shape", [(187, 96), (1, 96, 187), (1, 186, 96), (1, 1, 187, 96)])
def test_other_shapes_are_refused(exact: Musicnn, shape: tuple[int, ...]) -> None:
    with pytest.raises(BadArgument, match="187, 96"):
        exact(torch.zeros(shape))

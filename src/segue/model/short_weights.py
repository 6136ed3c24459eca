"""Weights of 8 bits on disk: a quarter of the room, each row of a matrix with its own scale."""

from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor

_SCALE: Final = ".scale"
_LEAST: Final = 1e-6  # a scale that half precision still holds


def shortened(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Round matrices to 8 bits; what is no matrix stays as it is."""
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if tensor.ndim == 2:
            scale = (tensor.abs().amax(dim=1) / 127).clamp(min=_LEAST).half()
            found[name] = (tensor / scale.float()[:, None]).round().clamp(-127, 127).to(torch.int8)
            found[name + _SCALE] = scale
        else:
            found[name] = tensor
    return found


def restored(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return matrices of 32 bits again; tensors that were never shortened stay as they are."""
    return {
        name: tensor * tensors[name + _SCALE].float()[:, None]
        if name + _SCALE in tensors
        else tensor
        for name, tensor in tensors.items()
        if not name.endswith(_SCALE)
    }

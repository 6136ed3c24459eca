"""How images lie in memory."""

import torch
from torch import Tensor


def channels_last(x_BCMT: Tensor) -> Tensor:
    """Lay an image out with its channels innermost; convolutions keep it so.

    On a processor with bfloat16 this is faster; `bench/train_speed.py` compares. The weights
    stay as they are, so that optimisers and checkpoints see one layout only.
    """
    if x_BCMT.shape[1] == 1:  # it is so already, but torch would take it for the other layout
        return x_BCMT[:, 0, :, :, None].contiguous().permute(0, 3, 1, 2)
    return x_BCMT.contiguous(memory_format=torch.channels_last)

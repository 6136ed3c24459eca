"""Two identical networks, one for each side of a stereo recording, as an ensemble.

Shape legend: B batch, C channels of one side, M mel bands, T time frames.
"""

import torch
from torch import Tensor, nn

from segue.model.sound.autoencoder import Autoencoder


class StereoPair(nn.Module):
    """An autoencoder for the left side and one for the right; neither hears the other.

    Parameters
    ----------
    left, right : Autoencoder
        Of one configuration; their images are the halves of the channels.
    """

    def __init__(self, left: Autoencoder, right: Autoencoder) -> None:
        super().__init__()
        self.left, self.right = left, right

    def forward(self, x_BCMT: Tensor, *steps_B: Tensor) -> Tensor:
        """Reconstruct both sides, shape (B, 2 C, M, T)."""
        a, b = x_BCMT.chunk(2, dim=1)
        return torch.cat([self.left(a, *steps_B), self.right(b, *steps_B)], dim=1)

    def loss(self, x_BCMT: Tensor, *steps_B: Tensor) -> Tensor:
        """Return the mean of both losses."""
        a, b = x_BCMT.chunk(2, dim=1)
        return (self.left.loss(a, *steps_B) + self.right.loss(b, *steps_B)) / 2

    def vector(self, x_BCMT: Tensor, *steps_B: Tensor) -> Tensor:
        """Put both vectors side by side."""
        a, b = x_BCMT.chunk(2, dim=1)
        return torch.cat([self.left.vector(a, *steps_B), self.right.vector(b, *steps_B)], dim=1)

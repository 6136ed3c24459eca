"""Networks of contrastive spaces, and ensembles for stereo.

There are an encoder of log-mel tiles, and a head on MusiCNN's activations and hand-made features,
which trains in seconds since both are cached.

Shape legend: B batch, C channels, M mel bands, T time frames, P pooled activations, F features,
D dimensions of the embedding.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segue.audio.autoencoders import Autoencoder
from segue.audio.embedding import MIN_SCALE, POOLED_SIZE, Head
from segue.builtin_spaces import MAX_Z_SCORE
from segue.errors import BadArgument

Source = Literal["log-mel", "musicnn"]

#: Channels of the stem, which reads patches of 4 × 4, and of three stages of stride 2.
WIDTHS: Final = (32, 64, 128, 192)
PATCH: Final = 4
DOWNSAMPLING: Final = 32


@dataclass(frozen=True, slots=True)
class ContrastiveConfig:
    """Hyperparameters of a contrastive network.

    Attributes
    ----------
    source : {"log-mel", "musicnn"}
        Input of the network.
    dimension : int
        Dimension of the embedding of log-mel tiles; at least 16.
    channels, bands, frames : int
        Shape of a log-mel tile; bands and frames are multiples of 32.
    projection : int
        Dimension of the projection head of log-mel tiles.
    pooled_dimension, features_dimension : int
        Dimensions of the parts of activations and of features.
    features : int
        Number of hand-made features.
    """

    source: Source = "log-mel"
    dimension: int = 128
    channels: int = 1
    bands: int = 128
    frames: int = 128
    projection: int = 64
    pooled_dimension: int = 160
    features_dimension: int = 96
    features: int = 124


class TileEncoder(nn.Module):
    """A small residual network over log-mel tiles.

    Patches of 4 x 4 become channels, since convolutions with a single input channel are slow on a
    CPU: a stem of 5 x 5 with stride 2 takes 2.3 times as long. Three stages of stride 2 follow,
    pooling by mean and maximum over time, which keeps the frequency bands, and a dense layer. The
    projection head is used by the loss only (Chen et al., SimCLR, 2020).
    """

    def __init__(self, config: ContrastiveConfig) -> None:
        super().__init__()
        sizes = (config.bands, config.frames)
        if min(sizes) < DOWNSAMPLING or any(size % DOWNSAMPLING for size in sizes):
            raise BadArgument(
                f"bands and frames must be multiples of {DOWNSAMPLING}, "
                f"not {sizes[0]} and {sizes[1]}"
            )
        if config.dimension < 16 or config.projection < 2:
            raise BadArgument(
                "an embedding needs at least 16 dimensions and the projection 2, not "
                f"{config.dimension} and {config.projection}"
            )
        self.shape = (config.channels, config.bands, config.frames)
        self.stem = nn.Sequential(
            nn.PixelUnshuffle(PATCH),
            nn.Conv2d(config.channels * PATCH**2, WIDTHS[0], 3, padding=1, bias=False),
            nn.BatchNorm2d(WIDTHS[0]),
            nn.ReLU(),
        )
        self.stages = nn.Sequential(
            *(ResidualBlock(incoming, outgoing) for incoming, outgoing in pairwise(WIDTHS))
        )
        height = config.bands // DOWNSAMPLING
        self.fc = nn.Linear(2 * WIDTHS[-1] * height, config.dimension)
        self.projection = nn.Sequential(
            nn.Linear(config.dimension, config.dimension),
            nn.BatchNorm1d(config.dimension),
            nn.ReLU(),
            nn.Linear(config.dimension, config.projection),
        )

    def vector(self, x_BCMT: Tensor) -> Tensor:
        """Embed tiles.

        Parameters
        ----------
        x_BCMT : Tensor, shape (B, channels, bands, frames), float32
            Values from 0 to 1, from the highest band down.

        Returns
        -------
        Tensor, shape (B, dimension), float32
            Unit vectors.

        Raises
        ------
        BadArgument
            The shape is wrong.
        """
        return F.normalize(self._encode(x_BCMT).float(), dim=1)

    def forward(self, x_BCMT: Tensor) -> Tensor:
        """Return projections for the loss, shape (B, projection), of norm 1."""
        projected: Tensor = self.projection(self._encode(x_BCMT))
        return F.normalize(projected.float(), dim=1)

    def _encode(self, x_BCMT: Tensor) -> Tensor:
        if x_BCMT.shape[1:] != self.shape:
            raise BadArgument(
                f"expected tiles of shape (B, {self.shape}), got {tuple(x_BCMT.shape)}"
            )
        # With a mean of about 0, zero padding is a medium level.
        h_BCMT = self.stages(
            self.stem((x_BCMT - 0.5).contiguous(memory_format=torch.channels_last))
        )
        pooled = torch.cat([h_BCMT.mean(dim=3), h_BCMT.amax(dim=3)], dim=1)
        z_BD: Tensor = self.fc(pooled.flatten(1))
        return z_BD


class ResidualBlock(nn.Module):
    """A residual block of stride 2 (He et al. 2016) with a pooled shortcut."""

    def __init__(self, incoming: int, outgoing: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(incoming, outgoing, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(outgoing),
            nn.ReLU(),
            nn.Conv2d(outgoing, outgoing, 3, padding=1, bias=False),
            nn.BatchNorm2d(outgoing),
        )
        self.shortcut = nn.Conv2d(incoming, outgoing, 1)

    def forward(self, x_BCMT: Tensor) -> Tensor:
        """Return features of half the size, shape (B, outgoing, M / 2, T / 2)."""
        return F.relu(self.body(x_BCMT) + self.shortcut(F.avg_pool2d(x_BCMT, 2)))


class ActivationHead(nn.Module):
    """The head of the space `sound`, fine-tuned in its projection of MusiCNN's activations.

    The projection of hand-made features is fixed: a track has only one set of them, so that its
    excerpts do not differ.
    """

    pooled_mean: Tensor
    pooled_scale: Tensor
    features_mean: Tensor
    features_scale: Tensor
    features_map: Tensor
    blend: Tensor

    def __init__(self, config: ContrastiveConfig) -> None:
        super().__init__()
        sizes = (config.pooled_dimension, config.features_dimension, config.features)
        if min(sizes) < 1:
            raise BadArgument(
                f"both parts of an embedding and the features need at least 1 number, not {sizes}"
            )
        self.config = config
        self.pooled_map = nn.Linear(POOLED_SIZE, config.pooled_dimension, bias=False)
        for name, shape, value in (
            ("pooled_mean", (POOLED_SIZE,), 0.0),
            ("pooled_scale", (POOLED_SIZE,), 1.0),
            ("features_mean", (config.features,), 0.0),
            ("features_scale", (config.features,), 1.0),
            ("features_map", (config.features, config.features_dimension), 0.0),
            ("blend", (2,), 0.5**0.5),
        ):
            self.register_buffer(name, torch.full(shape, value))

    def start_from(self, head: Head) -> None:
        """Initialise the projections and constants from a head of the space `sound`.

        Raises
        ------
        BadArgument
            The sizes of the head are not those of the configuration.
        """
        config = self.config
        sizes = (head.pooled_map.shape[1], *head.features_map.shape)
        expected = (config.pooled_dimension, config.features, config.features_dimension)
        if sizes != expected:
            raise BadArgument(f"the space `sound` has the sizes {sizes}, expected {expected}")
        active = head.pooled_scale > MIN_SCALE
        pooled_map = np.where(active[:, None], head.pooled_map, 0.0)
        with torch.no_grad():
            self.pooled_map.weight.copy_(torch.from_numpy(pooled_map.T))
        self.pooled_scale.copy_(torch.from_numpy(np.where(active, head.pooled_scale, np.inf)))
        for name in ("pooled_mean", "features_mean", "features_scale", "features_map", "blend"):
            self.get_buffer(name).copy_(torch.from_numpy(getattr(head, name)))

    def vector(self, x_BI: Tensor) -> Tensor:
        """Embed tracks.

        Parameters
        ----------
        x_BI : Tensor, shape (B, 1506 + F), float32
            Mean pooled activations, then features, neither standardised.

        Returns
        -------
        Tensor, shape (B, pooled_dimension + features_dimension), float32
            Unit vectors.

        Raises
        ------
        BadArgument
            The shape is wrong.
        """
        size = POOLED_SIZE + self.config.features
        if x_BI.shape[1:] != (size,):
            raise BadArgument(f"expected an array of shape (B, {size}), got {tuple(x_BI.shape)}")
        pooled_BP, features_BF = x_BI[:, :POOLED_SIZE].float(), x_BI[:, POOLED_SIZE:].float()
        standard = (features_BF - self.features_mean) / self.features_scale
        projected = standard.clamp(-MAX_Z_SCORE, MAX_Z_SCORE) @ self.features_map
        parts = (self(pooled_BP), F.normalize(projected, dim=1))
        return torch.cat([self.blend[0] * parts[0], self.blend[1] * parts[1]], dim=1)

    def forward(self, pooled_BP: Tensor) -> Tensor:
        """Return the part of activations, of norm 1, for the loss.

        Parameters
        ----------
        pooled_BP : Tensor, shape (B, 1506), float32
        """
        # The projection is small and needs full precision.
        with torch.autocast(pooled_BP.device.type, enabled=False):
            standard = (pooled_BP.float() - self.pooled_mean) / self.pooled_scale
            return F.normalize(self.pooled_map(standard), dim=1)


def build(config: ContrastiveConfig) -> "TileEncoder | ActivationHead":
    """Build the network, with random weights from torch's global generator.

    Raises
    ------
    BadArgument
        The sizes do not suit the network.
    """
    return TileEncoder(config) if config.source == "log-mel" else ActivationHead(config)


class StereoPair(nn.Module):
    """An autoencoder for the left channel and another for the right.

    Parameters
    ----------
    left, right : Autoencoder
        Autoencoders of one configuration; each reads half of the channels.
    """

    def __init__(self, left: Autoencoder, right: Autoencoder) -> None:
        super().__init__()
        self.left, self.right = left, right

    def forward(self, x_BCMT: Tensor, *steps_B: Tensor) -> Tensor:
        """Reconstruct both channels, shape (B, 2 C, M, T)."""
        left, right = x_BCMT.chunk(2, dim=1)
        return torch.cat([self.left(left, *steps_B), self.right(right, *steps_B)], dim=1)

    def loss(self, x_BCMT: Tensor, *steps_B: Tensor) -> Tensor:
        """Return the mean of both losses."""
        left, right = x_BCMT.chunk(2, dim=1)
        return (self.left.loss(left, *steps_B) + self.right.loss(right, *steps_B)) / 2

    def vector(self, x_BCMT: Tensor, *steps_B: Tensor) -> Tensor:
        """Concatenate the embeddings of both."""
        left, right = x_BCMT.chunk(2, dim=1)
        return torch.cat(
            [self.left.vector(left, *steps_B), self.right.vector(right, *steps_B)], dim=1
        )

"""Contrastive networks: excerpts of one track lie together.

Networks that learn a space in which excerpts of one track lie together.

Two of them: an encoder of log-mel tiles, and a head on MusiCNN's activations and the hand-made
features, which trains in seconds since both are cached.

Shape legend: B batch, C channels, M mel bands, T time frames, P pooled activations, F features,
D numbers of a vector.

Two identical networks, one for each side of a stereo recording, as an ensemble.

Shape legend: B batch, C channels of one side, M mel bands, T time frames.
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

# --- contrastive ---

Source = Literal["log-mel", "musicnn"]

#: Of the stem, which works on squares of 4 × 4 points, and of three stages that halve.
WIDTHS: Final = (32, 64, 128, 192)
SQUARE: Final = 4
DOWNSAMPLING: Final = 32


@dataclass(frozen=True, slots=True)
class ContrastiveConfig:
    """Which network, and for which input.

    Attributes
    ----------
    source : {"log-mel", "musicnn"}
        What the network reads.
    dimension : int
        Numbers of a vector from log-mel tiles; 16 or more.
    channels, bands, frames : int
        Of a log-mel tile; bands and frames are multiples of 32.
    projection : int
        Numbers that the loss compares, from log-mel tiles.
    pooled_dimension, features_dimension : int
        Numbers of a vector from activations and from features.
    features : int
        Hand-made features of a track.
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

    Squares of 4 x 4 points become channels: convolutions with a single input channel run far
    below what a CPU can do (a stem of 5 x 5 with stride 2 took 2.3 times as long). Three
    strided stages follow, then mean and maximum over time of every band's channels, joined by
    a dense layer: where in frequency something sounds is kept, when it sounds is not. The
    projection serves the loss alone (Chen et al., SimCLR, 2020).
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
                "a vector needs 16 numbers or more and the projection 2, not "
                f"{config.dimension} and {config.projection}"
            )
        self.shape = (config.channels, config.bands, config.frames)
        self.stem = nn.Sequential(
            nn.PixelUnshuffle(SQUARE),
            nn.Conv2d(config.channels * SQUARE**2, WIDTHS[0], 3, padding=1, bias=False),
            nn.BatchNorm2d(WIDTHS[0]),
            nn.ReLU(),
        )
        self.stages = nn.Sequential(
            *(ResidualBlock(incoming, outgoing) for incoming, outgoing in pairwise(WIDTHS))
        )
        height = config.bands // DOWNSAMPLING
        self.to_vector = nn.Linear(2 * WIDTHS[-1] * height, config.dimension)
        self.projection = nn.Sequential(
            nn.Linear(config.dimension, config.dimension),
            nn.BatchNorm1d(config.dimension),
            nn.ReLU(),
            nn.Linear(config.dimension, config.projection),
        )

    def vector(self, x_BCMT: Tensor) -> Tensor:
        """Place tiles in the space.

        Parameters
        ----------
        x_BCMT : Tensor, shape (B, channels, bands, frames), float32
            In 0…1, row 0 the highest band.

        Returns
        -------
        Tensor, shape (B, dimension), float32
            Of length 1.

        Raises
        ------
        BadArgument
            Where the shape is another.
        """
        return F.normalize(self._encode(x_BCMT).float(), dim=1)

    def forward(self, x_BCMT: Tensor) -> Tensor:
        """Return what the loss compares, shape (B, projection), of length 1."""
        projected: Tensor = self.projection(self._encode(x_BCMT))
        return F.normalize(projected.float(), dim=1)

    def _encode(self, x_BCMT: Tensor) -> Tensor:
        if x_BCMT.shape[1:] != self.shape:
            raise BadArgument(
                f"expected tiles of shape (B, {self.shape}), got {tuple(x_BCMT.shape)}"
            )
        # Zero mean, about: padding with 0 then stands for a middling loudness.
        h_BCMT = self.stages(
            self.stem((x_BCMT - 0.5).contiguous(memory_format=torch.channels_last))
        )
        over_time = torch.cat([h_BCMT.mean(dim=3), h_BCMT.amax(dim=3)], dim=1)
        z_BD: Tensor = self.to_vector(over_time.flatten(1))
        return z_BD


class ResidualBlock(nn.Module):
    """A strided residual block (He et al. 2016): two convolutions beside a pooled shortcut."""

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
        """Return half the size, shape (B, outgoing, M / 2, T / 2)."""
        return F.relu(self.body(x_BCMT) + self.shortcut(F.avg_pool2d(x_BCMT, 2)))


class ActivationHead(nn.Module):
    """The space `sound` with the map of MusiCNN's activations learned further.

    The part that is made from hand-made features stays as it was: of a track there is but one
    set of them, so that two excerpts have nothing to differ in.
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
                f"both parts of a vector and the features need 1 number or more, not {sizes}"
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
        """Take over the maps and constants of the space `sound`.

        Parameters
        ----------
        head : Head
            `segue.audio.embedding.load_head()`, or one that was fitted to the same tracks.

        Raises
        ------
        BadArgument
            Where its sizes are not those of the configuration.
        """
        config = self.config
        found = (head.pooled_map.shape[1], *head.features_map.shape)
        expected = (config.pooled_dimension, config.features, config.features_dimension)
        if found != expected:
            raise BadArgument(f"the space `sound` has the sizes {found}, expected {expected}")
        living = head.pooled_scale > MIN_SCALE
        pooled_map = np.where(living[:, None], head.pooled_map, 0.0)
        with torch.no_grad():
            self.pooled_map.weight.copy_(torch.from_numpy(pooled_map.T))
        self.pooled_scale.copy_(torch.from_numpy(np.where(living, head.pooled_scale, np.inf)))
        for name in ("pooled_mean", "features_mean", "features_scale", "features_map", "blend"):
            self.get_buffer(name).copy_(torch.from_numpy(getattr(head, name)))

    def vector(self, x_BI: Tensor) -> Tensor:
        """Place tracks, by the mean of their patches, in the space.

        Parameters
        ----------
        x_BI : Tensor, shape (B, 1506 + F), float32
            Pooled activations, then the track's features, neither standardised.

        Returns
        -------
        Tensor, shape (B, pooled_dimension + features_dimension), float32
            Of length 1.

        Raises
        ------
        BadArgument
            Where the shape is another.
        """
        size = POOLED_SIZE + self.config.features
        if x_BI.shape[1:] != (size,):
            raise BadArgument(f"expected numbers of shape (B, {size}), got {tuple(x_BI.shape)}")
        pooled_BP, features_BF = x_BI[:, :POOLED_SIZE].float(), x_BI[:, POOLED_SIZE:].float()
        described = (features_BF - self.features_mean) / self.features_scale
        described = described.clamp(-MAX_Z_SCORE, MAX_Z_SCORE) @ self.features_map
        parts = (self(pooled_BP), F.normalize(described, dim=1))
        return torch.cat([self.blend[0] * parts[0], self.blend[1] * parts[1]], dim=1)

    def forward(self, pooled_BP: Tensor) -> Tensor:
        """Return what the loss compares: the part made from activations, of length 1.

        Parameters
        ----------
        pooled_BP : Tensor, shape (B, 1506), float32
        """
        # In full precision: the map is small, and single numbers of it count.
        with torch.autocast(pooled_BP.device.type, enabled=False):
            standard = (pooled_BP.float() - self.pooled_mean) / self.pooled_scale
            return F.normalize(self.pooled_map(standard), dim=1)


def build(config: ContrastiveConfig) -> "TileEncoder | ActivationHead":
    """Make the network, its weights drawn with torch's generator as the caller seeded it.

    Raises
    ------
    BadArgument
        Where the sizes do not suit the network.
    """
    return TileEncoder(config) if config.source == "log-mel" else ActivationHead(config)


# --- stereo ---


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

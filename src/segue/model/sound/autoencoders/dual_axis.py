"""The dual-axis autoencoder and its plain two-dimensional counterpart.

Published in 2022: one encoder of one-dimensional convolutions along time, one along frequency,
128 numbers each; a decoder of transposed convolutions. The plain one has one encoder of
two-dimensional convolutions and the same decoder.

Shape legend: B batch, C channels, M mel bands, T time frames, D latent numbers.
"""

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segue.errors import BadArgument
from segue.model.sound.autoencoders.keras import EPSILON, MOMENTUM, initialise
from segue.model.sound.autoencoders.layout import channels_last

FILTERS: Final = (32, 64, 128, 256)
KERNEL: Final = 5
#: Four times halved.
SHRINKAGE: Final = 16


class TileAutoencoder(nn.Module):
    """An encoder of tiles, and the published decoder; mean squared error.

    Parameters
    ----------
    shape : tuple of int
        Channels, bands and frames of a tile; bands and frames are multiples of 16.
    latent : int
        Numbers that stand for a tile.
    encoder : Module
        From tiles to latent numbers; `AxisEncoders` or `PlaneEncoder`.
    """

    def __init__(self, shape: tuple[int, int, int], latent: int, encoder: nn.Module) -> None:
        super().__init__()
        self.shape = shape
        self.encoder = encoder
        self.decoder = Decoder(*shape, latent)
        initialise(self)

    def encode(self, x_BCMT: Tensor) -> Tensor:
        """Return the latent numbers.

        Parameters
        ----------
        x_BCMT : Tensor, shape (B, channels, bands, frames), float32
            Tiles in 0…1.

        Returns
        -------
        Tensor, shape (B, latent)

        Raises
        ------
        BadArgument
            Where the shape is another.
        """
        if x_BCMT.shape[1:] != self.shape:
            raise BadArgument(
                f"expected tiles of shape (B, {self.shape}), got {tuple(x_BCMT.shape)}"
            )
        z_BD: Tensor = self.encoder(x_BCMT)
        return z_BD

    def decode(self, z_BD: Tensor) -> Tensor:
        """Return tiles in 0…1 from latent numbers."""
        image: Tensor = self.decoder(z_BD)
        return image

    def forward(self, x_BCMT: Tensor) -> Tensor:
        """Encode and decode."""
        return self.decode(self.encode(x_BCMT))

    def loss(self, x_BCMT: Tensor) -> Tensor:
        """Return the mean squared error of the reconstruction."""
        return F.mse_loss(self(x_BCMT).float(), x_BCMT.float())

    def vector(self, x_BCMT: Tensor) -> Tensor:
        """Return what stands for a tile: its latent numbers, shape (B, latent)."""
        return self.encode(x_BCMT).float()


def dual_axis(channels: int, bands: int, frames: int, latent: int) -> TileAutoencoder:
    """Make the published network: half of the latent numbers from each axis."""
    _check_sizes(bands, frames, latent)
    encoder = AxisEncoders(channels, bands, frames, latent)
    return TileAutoencoder((channels, bands, frames), latent, encoder)


def plain_2d(channels: int, bands: int, frames: int, latent: int) -> TileAutoencoder:
    """Make its counterpart with two-dimensional convolutions."""
    _check_sizes(bands, frames, latent)
    encoder = PlaneEncoder(channels, bands, frames, latent)
    return TileAutoencoder((channels, bands, frames), latent, encoder)


class AxisEncoders(nn.Module):
    """One encoder along time and one along frequency, side by side."""

    def __init__(self, channels: int, bands: int, frames: int, latent: int) -> None:
        super().__init__()
        self.along_time = _axis_encoder(channels * bands, frames, latent // 2)
        self.along_frequency = _axis_encoder(channels * frames, bands, latent // 2)

    def forward(self, x_BCMT: Tensor) -> Tensor:
        """Return the numbers of both, shape (B, latent)."""
        along_time = self.along_time(x_BCMT.flatten(1, 2))
        along_frequency = self.along_frequency(x_BCMT.transpose(2, 3).flatten(1, 2))
        return torch.cat([along_time, along_frequency], dim=1)


class PlaneEncoder(nn.Module):
    """One encoder of two-dimensional convolutions."""

    def __init__(self, channels: int, bands: int, frames: int, latent: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for incoming, outgoing in zip((channels, *FILTERS), FILTERS, strict=False):
            layers += [
                nn.Conv2d(incoming, outgoing, KERNEL, stride=2, padding=2),
                nn.ReLU(),
                nn.BatchNorm2d(outgoing, eps=EPSILON, momentum=MOMENTUM),
            ]
        positions = (bands // SHRINKAGE) * (frames // SHRINKAGE)
        self.layers = nn.Sequential(
            *layers, nn.Flatten(), nn.Linear(positions * FILTERS[-1], latent)
        )

    def forward(self, x_BCMT: Tensor) -> Tensor:
        """Return the latent numbers, shape (B, latent)."""
        z_BD: Tensor = self.layers(channels_last(x_BCMT))
        return z_BD


class Decoder(nn.Module):
    """Dense, four transposed convolutions that double the size, and one to the image."""

    def __init__(self, channels: int, bands: int, frames: int, latent: int) -> None:
        super().__init__()
        self.small = (FILTERS[-1], bands // SHRINKAGE, frames // SHRINKAGE)
        self.dense = nn.Linear(latent, self.small[0] * self.small[1] * self.small[2])
        layers: list[nn.Module] = []
        for incoming, outgoing in zip((256, *FILTERS[::-1]), FILTERS[::-1], strict=False):
            layers += [
                nn.ConvTranspose2d(
                    incoming, outgoing, KERNEL, stride=2, padding=2, output_padding=1
                ),
                nn.ReLU(),
                nn.BatchNorm2d(outgoing, eps=EPSILON, momentum=MOMENTUM),
            ]
        self.layers = nn.Sequential(
            *layers, nn.ConvTranspose2d(FILTERS[0], channels, KERNEL, padding=KERNEL // 2)
        )

    def forward(self, z_BD: Tensor) -> Tensor:
        """Return images in 0…1, shape (B, channels, bands, frames)."""
        small_BCMT = self.dense(z_BD).unflatten(1, self.small)
        return torch.sigmoid(self.layers(channels_last(small_BCMT)))


def _axis_encoder(incoming: int, length: int, latent: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for outgoing in FILTERS:
        layers += [
            nn.Conv1d(incoming, outgoing, KERNEL, stride=2, padding=2),
            nn.ReLU(),
            nn.BatchNorm1d(outgoing, eps=EPSILON, momentum=MOMENTUM),
        ]
        incoming = outgoing
    positions = length // SHRINKAGE
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(positions * FILTERS[-1], latent))


def _check_sizes(bands: int, frames: int, latent: int) -> None:
    if bands % SHRINKAGE or frames % SHRINKAGE or latent % 2:
        raise BadArgument(
            f"bands and frames must be multiples of {SHRINKAGE} and the latent numbers even, "
            f"not {bands}, {frames} and {latent}"
        )

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


class DualAxisAutoencoder(nn.Module):
    """One encoder along time, one along frequency, one decoder; mean squared error.

    Parameters
    ----------
    channels, bands, frames : int
        Of a tile; bands and frames are multiples of 16.
    latent : int
        Numbers that stand for a tile; half from each encoder.
    """

    def __init__(self, channels: int, bands: int, frames: int, latent: int) -> None:
        super().__init__()
        _check_sizes(bands, frames, latent)
        self.shape = (channels, bands, frames)
        self.along_time = _axis_encoder(channels * bands, frames, latent // 2)
        self.along_frequency = _axis_encoder(channels * frames, bands, latent // 2)
        self.decoder = Decoder(channels, bands, frames, latent)
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
        _check_shape(x_BCMT, self.shape)
        along_time = self.along_time(x_BCMT.flatten(1, 2))
        along_frequency = self.along_frequency(x_BCMT.transpose(2, 3).flatten(1, 2))
        return torch.cat([along_time, along_frequency], dim=1)

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


class Plain2dAutoencoder(nn.Module):
    """One encoder of two-dimensional convolutions; the rest as in `DualAxisAutoencoder`."""

    def __init__(self, channels: int, bands: int, frames: int, latent: int) -> None:
        super().__init__()
        _check_sizes(bands, frames, latent)
        self.shape = (channels, bands, frames)
        layers: list[nn.Module] = []
        for incoming, outgoing in zip((channels, *FILTERS), FILTERS, strict=False):
            layers += [
                nn.Conv2d(incoming, outgoing, KERNEL, stride=2, padding=2),
                nn.ReLU(),
                nn.BatchNorm2d(outgoing, eps=EPSILON, momentum=MOMENTUM),
            ]
        positions = (bands // SHRINKAGE) * (frames // SHRINKAGE)
        self.encoder = nn.Sequential(
            *layers, nn.Flatten(), nn.Linear(positions * FILTERS[-1], latent)
        )
        self.decoder = Decoder(channels, bands, frames, latent)
        initialise(self)

    def encode(self, x_BCMT: Tensor) -> Tensor:
        """Return the latent numbers, shape (B, latent); see `DualAxisAutoencoder.encode`."""
        _check_shape(x_BCMT, self.shape)
        z_BD: Tensor = self.encoder(channels_last(x_BCMT))
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


def _check_shape(x_BCMT: Tensor, shape: tuple[int, int, int]) -> None:
    if x_BCMT.shape[1:] != shape:
        raise BadArgument(f"expected tiles of shape (B, {shape}), got {tuple(x_BCMT.shape)}")

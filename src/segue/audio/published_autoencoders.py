"""The convolutional and dual-axis autoencoders of the published experiments.

The autoencoders' networks, one file each.

How images lie in memory.

What the published networks got from Keras without saying so.

The convolutional autoencoder of the preset `conv`: pooling down, up-sampling back.

The published recipe of 2017: three convolutions with pooling between, mirrored. Its code keeps
the plane of time and frequency, so that it takes tracks of any length. As an option a gated
recurrent unit reads the image first, step by step, where a step is as long as the music asks
for: a bar, a beat, or a fixed number of frames.

Shape legend: B batch, C channels, M mel bands, T time frames, S steps, L slots in a step.

The dual-axis autoencoder and its plain two-dimensional counterpart.

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

# --- layout ---


def channels_last(x_BCMT: Tensor) -> Tensor:
    """Lay an image out with its channels innermost; convolutions keep it so.

    On a processor with bfloat16 this is faster; `bench/train_speed.py` compares. The weights
    stay as they are, so that optimisers and checkpoints see one layout only.
    """
    if x_BCMT.shape[1] == 1:  # it is so already, but torch would take it for the other layout
        return x_BCMT[:, 0, :, :, None].contiguous().permute(0, 3, 1, 2)
    return x_BCMT.contiguous(memory_format=torch.channels_last)


# --- keras ---

#: Of batch norm: it keeps 0.99 of its running figures at each step.
EPSILON: Final = 1e-3
MOMENTUM: Final = 0.01


def initialise(network: nn.Module) -> None:
    """Draw weights as Keras does: Glorot's uniform distribution, biases zero.

    Reference: Glorot & Bengio, "Understanding the difficulty of training deep feedforward
    neural networks", AISTATS 2010, eq. 16. In recurrent units the matrices from state to
    state are orthogonal.
    """
    for module in network.modules():
        if isinstance(module, nn.GRU):
            for name, weight in module.named_parameters(recurse=False):
                if name.startswith("bias"):
                    nn.init.zeros_(weight)
                elif name.startswith("weight_hh"):
                    nn.init.orthogonal_(weight)
                else:
                    nn.init.xavier_uniform_(weight)
        elif isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d | nn.ConvTranspose2d):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


# --- conv ---

#: Three times pooled by two.
SHRINKAGE: Final = 8
CODE_CHANNELS: Final = 8

#: A step's frames are averaged into so many slots, whatever its length.
SLOTS: Final = 8
RECURRENT_SIZE: Final = 128


class ConvAutoencoder(nn.Module):
    """Convolutions 16, 8, 8 with pooling, and back; binary cross-entropy.

    Parameters
    ----------
    channels : int
        Of the image.
    bands : int
        Mel bands, a multiple of 8.
    recurrent : bool
        Whether a recurrent layer reads the image first and adds what it makes of it as one
        more channel. The target stays the plain image.
    """

    def __init__(self, channels: int, bands: int, *, recurrent: bool) -> None:
        super().__init__()
        if bands % SHRINKAGE:
            raise BadArgument(f"the bands must be a multiple of {SHRINKAGE}, not {bands}")
        self.channels, self.bands = channels, bands
        self.recurrence = Recurrence(channels * bands, bands) if recurrent else None
        self.encoder = nn.Sequential(
            _convolution(channels + recurrent, 16), nn.ReLU(), nn.MaxPool2d(2),
            _convolution(16, 8), nn.ReLU(), nn.MaxPool2d(2),
            _convolution(8, CODE_CHANNELS), nn.ReLU(), nn.MaxPool2d(2),
        )  # fmt: skip
        self.decoder = nn.Sequential(
            _convolution(CODE_CHANNELS, 8), nn.ReLU(), nn.Upsample(scale_factor=2),
            _convolution(8, 8), nn.ReLU(), nn.Upsample(scale_factor=2),
            _convolution(8, 16), nn.ReLU(), nn.Upsample(scale_factor=2),
            _convolution(16, channels),
        )  # fmt: skip
        initialise(self)

    def encode(self, x_BCMT: Tensor, steps_B: Tensor | None = None) -> Tensor:
        """Return the code.

        Parameters
        ----------
        x_BCMT : Tensor, shape (B, channels, bands, T), float32
            Images in 0…1; T is a multiple of 8.
        steps_B : Tensor, shape (B,), float32, optional
            With `recurrent`: how many frames a step of each image has, at least 1.

        Returns
        -------
        Tensor, shape (B, 8, bands / 8, T / 8)

        Raises
        ------
        BadArgument
            Where a shape is another, or steps are missing or not asked for.
        """
        if x_BCMT.shape[1:3] != (self.channels, self.bands) or x_BCMT.shape[3] % SHRINKAGE:
            raise BadArgument(
                f"expected images of shape (B, {self.channels}, {self.bands}, a multiple of "
                f"{SHRINKAGE}), got {tuple(x_BCMT.shape)}"
            )
        if (steps_B is None) != (self.recurrence is None):
            raise BadArgument(
                "give the length of a step with a recurrent encoder, and only with one"
            )
        if self.recurrence is not None and steps_B is not None:
            x_BCMT = torch.cat([x_BCMT, self.recurrence(x_BCMT, steps_B)], dim=1)
        code: Tensor = self.encoder(channels_last(x_BCMT))
        return code

    def decode(self, code: Tensor) -> Tensor:
        """Return images in 0…1 from codes, shape (B, channels, bands, T)."""
        return torch.sigmoid(self.decoder(code))

    def forward(self, x_BCMT: Tensor, steps_B: Tensor | None = None) -> Tensor:
        """Encode and decode."""
        return self.decode(self.encode(x_BCMT, steps_B))

    def loss(self, x_BCMT: Tensor, steps_B: Tensor | None = None) -> Tensor:
        """Return the binary cross-entropy of the reconstruction, a mean over all pixels."""
        logits = self.decoder(self.encode(x_BCMT, steps_B))
        return F.binary_cross_entropy_with_logits(logits.float(), x_BCMT.float())

    def vector(self, x_BCMT: Tensor, steps_B: Tensor | None = None) -> Tensor:
        """Return what stands for a tile: the code's mean over time, shape (B, bands)."""
        return self.encode(x_BCMT, steps_B).float().mean(dim=3).flatten(1)


class Recurrence(nn.Module):
    """A gated recurrent unit over the steps of the music.

    Each step's frames are averaged into `SLOTS` slots, so that a bar is the same size to the
    network in any tempo. What the unit makes of a step is laid over the step's frames again.

    Parameters
    ----------
    size : int
        Numbers in a frame.
    bands : int
        Numbers in a frame of the result.
    """

    def __init__(self, size: int, bands: int) -> None:
        super().__init__()
        self.bands = bands
        self.inner = nn.GRU(SLOTS * size, RECURRENT_SIZE, batch_first=True)
        self.outer = nn.Linear(RECURRENT_SIZE, SLOTS * bands)

    def forward(self, x_BCMT: Tensor, steps_B: Tensor) -> Tensor:
        """Return one more channel, shape (B, 1, bands, T).

        Parameters
        ----------
        x_BCMT : Tensor, shape (B, C, M, T)
        steps_B : Tensor, shape (B,)
            Frames in a step, at least 1.
        """
        B, _, _, T = x_BCMT.shape
        if steps_B.shape != (B,) or not bool((steps_B >= 1).all()):
            raise BadArgument(f"expected the frames in a step of each of {B} images, at least 1")
        width_B = steps_B.double() / SLOTS
        count = int((T / steps_B.double()).ceil().max()) * SLOTS
        slots_BLC = slot_means(x_BCMT.flatten(1, 2), width_B, count)
        states, _ = self.inner(slots_BLC.reshape(B, count // SLOTS, -1))
        image_BLM = self.outer(states).reshape(B, count, self.bands)
        frames_T = torch.arange(T, device=x_BCMT.device) + 0.5
        slot_BT = (frames_T / width_B[:, None]).long().clamp(max=count - 1)
        spread_BTM = image_BLM.gather(1, slot_BT[:, :, None].expand(B, T, self.bands))
        channel: Tensor = spread_BTM.transpose(1, 2)[:, None].to(x_BCMT.dtype)
        return channel


def slot_means(x_BCT: Tensor, width_B: Tensor, count: int) -> Tensor:
    """Average stretches of time that need not be whole frames.

    The mean between two points in time is the difference of the running sum, interpolated
    between frames.

    Parameters
    ----------
    x_BCT : Tensor, shape (B, C, T)
    width_B : Tensor, shape (B,)
        Frames in a stretch, above 0.
    count : int
        How many stretches; what lies behind the end counts as 0.

    Returns
    -------
    Tensor, shape (B, count, C)
    """
    B, C, T = x_BCT.shape
    total_BTC = F.pad(x_BCT.double().cumsum(dim=2), (1, 0)).transpose(1, 2)
    edges_BL = torch.arange(count + 1, device=x_BCT.device) * width_B[:, None]
    edges_BL = edges_BL.clamp(max=T)
    before_BL = edges_BL.long().clamp(max=T - 1)
    share_BL1 = (edges_BL - before_BL)[:, :, None]
    low = total_BTC.gather(1, before_BL[:, :, None].expand(B, count + 1, C))
    high = total_BTC.gather(1, before_BL[:, :, None].expand(B, count + 1, C) + 1)
    at_edge_BLC = low + share_BL1 * (high - low)
    means_BLC = at_edge_BLC.diff(dim=1) / width_B[:, None, None]
    single: Tensor = means_BLC.to(x_BCT.dtype)
    return single


def _convolution(incoming: int, outgoing: int) -> nn.Conv2d:
    return nn.Conv2d(incoming, outgoing, 3, padding=1)


# --- dual axis ---

FILTERS: Final = (32, 64, 128, 256)
KERNEL: Final = 5
#: Four times halved.
DUAL_AXIS_SHRINKAGE: Final = 16


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
        positions = (bands // DUAL_AXIS_SHRINKAGE) * (frames // DUAL_AXIS_SHRINKAGE)
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
        self.small = (FILTERS[-1], bands // DUAL_AXIS_SHRINKAGE, frames // DUAL_AXIS_SHRINKAGE)
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
    positions = length // DUAL_AXIS_SHRINKAGE
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(positions * FILTERS[-1], latent))


def _check_sizes(bands: int, frames: int, latent: int) -> None:
    if bands % DUAL_AXIS_SHRINKAGE or frames % DUAL_AXIS_SHRINKAGE or latent % 2:
        raise BadArgument(
            f"bands and frames must be multiples of {DUAL_AXIS_SHRINKAGE} and the latent "
            "numbers even, "
            f"not {bands}, {frames} and {latent}"
        )

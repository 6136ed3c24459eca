"""The convolutional autoencoder of the preset `conv`: pooling down, up-sampling back.

The published recipe of 2017: three convolutions with pooling between, mirrored. Its code keeps
the plane of time and frequency, so that it takes tracks of any length. As an option a gated
recurrent unit reads the image first, step by step, where a step is as long as the music asks
for: a bar, a beat, or a fixed number of frames.

Shape legend: B batch, C channels, M mel bands, T time frames, S steps, L slots in a step.
"""

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segue.errors import BadArgument
from segue.model.sound.autoencoders.keras import initialise
from segue.model.sound.autoencoders.layout import channels_last

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

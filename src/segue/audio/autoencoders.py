"""Autoencoders of log-mel spectrograms: configuration and networks.

Segue's own autoencoder: a linear transform of tiles, and convolutions that refine it.

The best linear map to so many numbers is the Karhunen–Loève transform, and it is hard to beat
by gradient descent within minutes. So it is where this network starts: the tile's rows are
taken apart by the cosine transform along time, where music is nearly stationary, and each
cosine's bands by principal components. Counted together, the strongest of them become the
latent numbers. Convolutions on both sides, which change nothing at first, learn what a linear
map cannot do. They look at patches of 8 × 8, so that they are matrix products of good size.

Shape legend: B batch, C channels, M mel bands, T time frames, D latent numbers, K cosines,
N = C * M numbers in a frame.

Autoencoders of log-mel images: their configuration, and how they are built and trained.
"""

from dataclasses import dataclass
from typing import Final, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segue.audio.published_autoencoders import (
    ConvAutoencoder,
    TileAutoencoder,
    channels_last,
    dual_axis,
    plain_2d,
)
from segue.errors import BadArgument

# --- transform ---

PATCH: Final = 8
GROUPS: Final = 8

#: Correlation of neighbouring bands that is assumed before any tile was seen.
NEIGHBOURS: Final = 0.97
#: Least variance that a latent number is divided by.
TINY: Final = 1e-8


class TransformAutoencoder(nn.Module):
    """A linear transform with refining convolutions before and after; mean squared error.

    Parameters
    ----------
    channels, bands, frames : int
        Of a tile; bands and frames are multiples of 8.
    latent : int
        Numbers that stand for a tile.
    width : int
        Channels of the convolutions.
    encoder_blocks, decoder_blocks : int
        Residual blocks on either side.
    """

    mean: Tensor
    analysis: Tensor
    synthesis: Tensor

    def __init__(
        self,
        channels: int,
        bands: int,
        frames: int,
        latent: int,
        width: int = 128,
        encoder_blocks: int = 1,
        decoder_blocks: int = 3,
    ) -> None:
        super().__init__()
        if bands % PATCH or frames % PATCH or not 1 <= latent <= channels * bands * frames:
            raise BadArgument(
                f"bands and frames must be multiples of {PATCH} and the latent numbers no more "
                f"than a tile has, not {bands}, {frames} and {latent}"
            )
        self.shape = (channels, bands, frames)
        size = channels * bands * frames
        # Set by `prepare`, not trained: in short runs training them was no better, and they are
        # two thirds of all weights.
        self.register_buffer("mean", torch.empty(channels, bands, 1))
        self.register_buffer("analysis", torch.empty(latent, size))
        self.register_buffer("synthesis", torch.empty(latent, size))
        self.before = Refinement(channels, bands, width, encoder_blocks)
        self.after = Refinement(channels, bands, width, decoder_blocks)
        apart_NN = (torch.arange(channels * bands)[:, None] - torch.arange(channels * bands)).abs()
        slowness_K = 1 / (1.0 + torch.arange(frames)) ** 2
        self._start(
            torch.full((channels * bands,), 0.5),
            slowness_K[:, None, None] * NEIGHBOURS**apart_NN,
        )

    def prepare(self, x_BCMT: Tensor) -> None:
        """Start from the Karhunen–Loève transform of tiles.

        Call it once before training, with some thousands of tiles that training may see.

        Parameters
        ----------
        x_BCMT : Tensor, shape (B, channels, bands, frames), float32
            Tiles in 0…1.
        """
        self._check(x_BCMT)
        x_BNT = x_BCMT.flatten(1, 2)
        mean_N = x_BNT.mean(dim=(0, 2))
        cosines_KT = _cosines(x_BNT.shape[2]).to(x_BNT)
        parts_KBN = torch.einsum("bnt,kt->kbn", x_BNT - mean_N[:, None], cosines_KT)
        self._start(mean_N, parts_KBN.transpose(1, 2) @ parts_KBN / len(x_BCMT))

    @torch.no_grad()
    def _start(self, mean_N: Tensor, covariance_KNN: Tensor) -> None:
        """Set the transform from the covariance of the bands at each cosine along time."""
        variance_KN, bands_KNN = torch.linalg.eigh(covariance_KNN)
        latent, columns = len(self.analysis), variance_KN.shape[1]
        strongest = variance_KN.flatten().topk(latent)
        cosine_D, component_D = strongest.indices // columns, strongest.indices % columns
        bands_DN = bands_KNN[cosine_D, :, component_D]
        cosines_DT = _cosines(len(variance_KN)).to(bands_DN)[cosine_D]
        basis_D = (bands_DN[:, :, None] * cosines_DT[:, None, :]).flatten(1)
        scale_D1 = strongest.values.clamp(min=TINY).sqrt()[:, None]
        self.mean.copy_(mean_N.view_as(self.mean))
        self.analysis.copy_(basis_D / scale_D1)
        self.synthesis.copy_(basis_D * scale_D1)

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
        self._check(x_BCMT)
        refined_BCMT = x_BCMT - self.mean + self.before(x_BCMT)
        z_BD: Tensor = refined_BCMT.flatten(1) @ self.analysis.t()
        return z_BD

    def decode(self, z_BD: Tensor) -> Tensor:
        """Return tiles in 0…1 from latent numbers."""
        return self._decode(z_BD).clamp(0, 1)

    def forward(self, x_BCMT: Tensor) -> Tensor:
        """Encode and decode."""
        return self.decode(self.encode(x_BCMT))

    def loss(self, x_BCMT: Tensor) -> Tensor:
        """Return the mean squared error of the reconstruction.

        Where the network is beyond 0…1, the error is that of the clamped value, but the
        gradient goes through: it is zero where the clamped value is right.
        """
        raw_BCMT = self._decode(self.encode(x_BCMT)).float()
        image_BCMT = raw_BCMT + (raw_BCMT.clamp(0, 1) - raw_BCMT).detach()
        return F.mse_loss(image_BCMT, x_BCMT.float())

    def vector(self, x_BCMT: Tensor) -> Tensor:
        """Return what stands for a tile: its latent numbers, shape (B, latent)."""
        return self.encode(x_BCMT).float()

    def _decode(self, z_BD: Tensor) -> Tensor:
        linear_BCMT = (z_BD @ self.synthesis).view(-1, *self.shape) + self.mean
        refined: Tensor = linear_BCMT + self.after(linear_BCMT)
        return refined

    def _check(self, x_BCMT: Tensor) -> None:
        if x_BCMT.shape[1:] != self.shape:
            raise BadArgument(
                f"expected tiles of shape (B, {self.shape}), got {tuple(x_BCMT.shape)}"
            )


class Refinement(nn.Module):
    """What to add to an image; nothing before training."""

    def __init__(self, channels: int, bands: int, width: int, blocks: int) -> None:
        super().__init__()
        self.incoming = nn.Conv2d(channels * PATCH**2, width, 1)
        # A convolution does not know how high a band lies; this tells it.
        self.height = nn.Parameter(torch.zeros(width, bands // PATCH, 1))
        self.blocks = nn.Sequential(*[Block(width) for _ in range(blocks)])
        self.norm = nn.GroupNorm(GROUPS, width)
        self.outgoing = nn.Conv2d(width, channels * PATCH**2, 1)
        _silence(self.outgoing)

    def forward(self, x_BCMT: Tensor) -> Tensor:
        """Return a correction of the same shape."""
        patches = channels_last(F.pixel_unshuffle(x_BCMT - 0.5, PATCH))
        hidden = self.norm(self.blocks(self.incoming(patches) + self.height))
        return F.pixel_shuffle(self.outgoing(F.silu(hidden)), PATCH)


class Block(nn.Module):
    """Two convolutions beside a straight way; nothing before training."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, width)
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        _silence(self.second)

    def forward(self, x: Tensor) -> Tensor:
        """Return an image of the same shape."""
        changed: Tensor = x + self.second(F.silu(self.first(self.norm(x))))
        return changed


def _silence(layer: nn.Conv2d) -> None:
    for weight in layer.parameters():
        nn.init.zeros_(weight)


def _cosines(count: int) -> Tensor:
    """Return the orthonormal cosine transform (DCT-II), shape (K, T)."""
    k_K1, t_T = torch.arange(count)[:, None], torch.arange(count) + 0.5
    cosines_KT = torch.cos(torch.pi / count * k_K1 * t_T) * (2 / count) ** 0.5
    cosines_KT[0] /= 2**0.5
    orthonormal_KT: Tensor = cosines_KT
    return orthonormal_KT


# --- autoencoder ---

Preset = Literal["conv", "plain-2d", "dual-axis", "default"]
Autoencoder = ConvAutoencoder | TileAutoencoder | TransformAutoencoder


@dataclass(frozen=True, slots=True)
class AutoencoderConfig:
    """Which autoencoder, and for which images.

    Attributes
    ----------
    preset : {"conv", "plain-2d", "dual-axis", "default"}
        The network.
    channels : int
        Of an image: 1 for the log-mel spectrogram alone.
    bands, frames : int
        Height and width of a tile. The network `conv` takes any number of frames.
    latent : int
        Numbers that stand for a tile; `conv` has its own.
    recurrent : bool
        Of `conv` alone: whether a recurrent layer stands at the start of the encoder.
    """

    preset: Preset
    channels: int = 1
    bands: int = 128
    frames: int = 128
    latent: int = 256
    recurrent: bool = False


def build(config: AutoencoderConfig) -> Autoencoder:
    """Make the network, its weights drawn with torch's generator as the caller seeded it.

    Raises
    ------
    BadArgument
        Where the sizes do not suit the network, or the preset is unknown.
    """
    if config.recurrent and config.preset != "conv":
        raise BadArgument(f"only conv has a recurrent form, not {config.preset}")
    sizes = (config.channels, config.bands, config.frames, config.latent)
    match config.preset:
        case "conv":
            return ConvAutoencoder(config.channels, config.bands, recurrent=config.recurrent)
        case "plain-2d":
            return plain_2d(*sizes)
        case "dual-axis":
            return dual_axis(*sizes)
        case "default":
            return TransformAutoencoder(*sizes)
    raise BadArgument(f"there is no autoencoder {config.preset!r}")


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a network is trained.

    Attributes
    ----------
    optimiser : {"adadelta", "adam", "adamw"}
        Of `torch.optim`.
    learning_rate : float
        At its height.
    schedule : {"constant", "inverse", "cosine"}
        How the rate goes on; see `segue.nn.trainer.LoopConfig`.
    batch : int
        Tiles in a step.
    betas, epsilon, weight_decay : tuple of float, float, float
        Of the optimiser; Adadelta takes the second of the betas.
    clip_norm : float or None
        Greatest norm of the gradient.
    epochs : int
        As published; `default` has as many as `dual-axis`.
    """

    optimiser: Literal["adadelta", "adam", "adamw"]
    learning_rate: float
    schedule: Literal["constant", "inverse", "cosine"]
    batch: int
    epochs: int
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-7
    weight_decay: float = 0.0
    clip_norm: float | None = None


_PUBLISHED: Final = Recipe("adam", 1e-3, "constant", batch=32, epochs=20)
RECIPES: Final[dict[Preset, Recipe]] = {
    # Keras's Adadelta with "decay": the rate falls with the steps, not the epochs.
    "conv": Recipe("adadelta", 1.0, "inverse", batch=8, epochs=50, betas=(0.0, 0.95)),
    "plain-2d": _PUBLISHED,
    "dual-axis": _PUBLISHED,
    "default": Recipe(
        "adamw", 1e-3, "cosine", batch=32, epochs=20, betas=(0.9, 0.99), epsilon=1e-8,
        weight_decay=0.01, clip_norm=1.0,
    ),
}  # fmt: skip


def recipe(preset: Preset) -> Recipe:
    """Return how a preset is trained: as published, `default` as it was found best."""
    return RECIPES[preset]

"""Autoencoders of log-mel images: configuration, recipes, and Segue's own network.

The best linear autoencoder is the Karhunen-Loève transform, which gradient descent hardly beats
within minutes. The preset `default` therefore starts from it: a discrete cosine transform along
time, where music is nearly stationary, and principal components of the bands of each cosine, of
which the strongest become the latent vector. Convolutions before and after it, which are zero at
first, learn what a linear map cannot. They work on patches of 8 x 8, so that matrix products are
large enough.

Shape legend: B batch, C channels, M mel bands, T time frames, D latent dimensions, K cosines,
N = C * M values of a frame.
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

# --- transform autoencoder ---

PATCH: Final = 8
GROUPS: Final = 8

#: Prior correlation of neighbouring bands, before any tile is seen.
BAND_CORRELATION: Final = 0.97
#: Minimum variance of a latent dimension.
MIN_VARIANCE: Final = 1e-8


class TransformAutoencoder(nn.Module):
    """A linear transform with convolutional refinements; its loss is the mean squared error.

    Parameters
    ----------
    channels, bands, frames : int
        Shape of a tile; bands and frames are multiples of 8.
    latent : int
        Latent dimensions.
    width : int
        Channels of the convolutions.
    encoder_blocks, decoder_blocks : int
        Number of residual blocks before and after the transform.
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
                f"bands and frames must be multiples of {PATCH} and the latent dimensions no more "
                f"than a tile has, not {bands}, {frames} and {latent}"
            )
        self.shape = (channels, bands, frames)
        size = channels * bands * frames
        # Set by `prepare`, not trained: training them is no better in short runs, and they are two
        # thirds of all weights.
        self.register_buffer("mean", torch.empty(channels, bands, 1))
        self.register_buffer("analysis", torch.empty(latent, size))
        self.register_buffer("synthesis", torch.empty(latent, size))
        self.input_refinement = Refinement(channels, bands, width, encoder_blocks)
        self.output_refinement = Refinement(channels, bands, width, decoder_blocks)
        band_N = torch.arange(channels * bands)
        distance_NN = (band_N[:, None] - band_N).abs()
        decay_K = 1 / (1.0 + torch.arange(frames)) ** 2
        self._set_transform(
            torch.full((channels * bands,), 0.5),
            decay_K[:, None, None] * BAND_CORRELATION**distance_NN,
        )

    def prepare(self, x_BCMT: Tensor) -> None:
        """Set the transform to the Karhunen-Loève transform of tiles.

        To be called once before training.

        Parameters
        ----------
        x_BCMT : Tensor, shape (B, channels, bands, frames), float32
            Some thousands of tiles of the training set, values from 0 to 1.
        """
        self._check(x_BCMT)
        x_BNT = x_BCMT.flatten(1, 2)
        mean_N = x_BNT.mean(dim=(0, 2))
        cosines_KT = _cosines(x_BNT.shape[2]).to(x_BNT)
        spectrum_KBN = torch.einsum("bnt,kt->kbn", x_BNT - mean_N[:, None], cosines_KT)
        self._set_transform(mean_N, spectrum_KBN.transpose(1, 2) @ spectrum_KBN / len(x_BCMT))

    @torch.no_grad()
    def _set_transform(self, mean_N: Tensor, covariance_KNN: Tensor) -> None:
        """Set the transform from the covariance of the bands of each cosine."""
        variance_KN, bands_KNN = torch.linalg.eigh(covariance_KNN)
        latent, columns = len(self.analysis), variance_KN.shape[1]
        strongest = variance_KN.flatten().topk(latent)
        cosine_D, component_D = strongest.indices // columns, strongest.indices % columns
        bands_DN = bands_KNN[cosine_D, :, component_D]
        cosines_DT = _cosines(len(variance_KN)).to(bands_DN)[cosine_D]
        basis_D = (bands_DN[:, :, None] * cosines_DT[:, None, :]).flatten(1)
        scale_D1 = strongest.values.clamp(min=MIN_VARIANCE).sqrt()[:, None]
        self.mean.copy_(mean_N.view_as(self.mean))
        self.analysis.copy_(basis_D / scale_D1)
        self.synthesis.copy_(basis_D * scale_D1)

    def encode(self, x_BCMT: Tensor) -> Tensor:
        """Encode tiles.

        Parameters
        ----------
        x_BCMT : Tensor, shape (B, channels, bands, frames), float32
            Values from 0 to 1.

        Returns
        -------
        Tensor, shape (B, latent)

        Raises
        ------
        BadArgument
            The shape is wrong.
        """
        self._check(x_BCMT)
        refined_BCMT = x_BCMT - self.mean + self.input_refinement(x_BCMT)
        z_BD: Tensor = refined_BCMT.flatten(1) @ self.analysis.t()
        return z_BD

    def decode(self, z_BD: Tensor) -> Tensor:
        """Decode latent vectors to tiles with values from 0 to 1."""
        return self._decode(z_BD).clamp(0, 1)

    def forward(self, x_BCMT: Tensor) -> Tensor:
        """Encode and decode."""
        return self.decode(self.encode(x_BCMT))

    def loss(self, x_BCMT: Tensor) -> Tensor:
        """Return the mean squared error of the reconstruction.

        The error is that of the clamped output. The gradient passes through the clamping, and
        is zero where the clamped value is right.
        """
        raw_BCMT = self._decode(self.encode(x_BCMT)).float()
        image_BCMT = raw_BCMT + (raw_BCMT.clamp(0, 1) - raw_BCMT).detach()
        return F.mse_loss(image_BCMT, x_BCMT.float())

    def vector(self, x_BCMT: Tensor) -> Tensor:
        """Embed tiles: the latent vectors, shape (B, latent)."""
        return self.encode(x_BCMT).float()

    def _decode(self, z_BD: Tensor) -> Tensor:
        linear_BCMT = (z_BD @ self.synthesis).view(-1, *self.shape) + self.mean
        refined: Tensor = linear_BCMT + self.output_refinement(linear_BCMT)
        return refined

    def _check(self, x_BCMT: Tensor) -> None:
        if x_BCMT.shape[1:] != self.shape:
            raise BadArgument(
                f"expected tiles of shape (B, {self.shape}), got {tuple(x_BCMT.shape)}"
            )


class Refinement(nn.Module):
    """A convolutional correction of an image; zero before training."""

    def __init__(self, channels: int, bands: int, width: int, blocks: int) -> None:
        super().__init__()
        self.proj_in = nn.Conv2d(channels * PATCH**2, width, 1)
        # Convolutions do not know the frequency of a band.
        self.band_embedding = nn.Parameter(torch.zeros(width, bands // PATCH, 1))
        self.blocks = nn.Sequential(*[Block(width) for _ in range(blocks)])
        self.norm = nn.GroupNorm(GROUPS, width)
        self.proj_out = nn.Conv2d(width, channels * PATCH**2, 1)
        _zero_init(self.proj_out)

    def forward(self, x_BCMT: Tensor) -> Tensor:
        """Return a correction of the same shape."""
        patches = channels_last(F.pixel_unshuffle(x_BCMT - 0.5, PATCH))
        hidden = self.norm(self.blocks(self.proj_in(patches) + self.band_embedding))
        return F.pixel_shuffle(self.proj_out(F.silu(hidden)), PATCH)


class Block(nn.Module):
    """A residual block of two convolutions; the identity before training."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, width)
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        _zero_init(self.conv2)

    def forward(self, x: Tensor) -> Tensor:
        """Return an image of the same shape."""
        output: Tensor = x + self.conv2(F.silu(self.conv1(self.norm(x))))
        return output


def _zero_init(layer: nn.Conv2d) -> None:
    for weight in layer.parameters():
        nn.init.zeros_(weight)


def _cosines(count: int) -> Tensor:
    """Return the orthonormal discrete cosine transform (DCT-II), shape (K, T)."""
    k_K1, t_T = torch.arange(count)[:, None], torch.arange(count) + 0.5
    cosines_KT = torch.cos(torch.pi / count * k_K1 * t_T) * (2 / count) ** 0.5
    cosines_KT[0] /= 2**0.5
    orthonormal_KT: Tensor = cosines_KT
    return orthonormal_KT


# --- presets ---

Preset = Literal["conv", "plain-2d", "dual-axis", "default"]
Autoencoder = ConvAutoencoder | TileAutoencoder | TransformAutoencoder


@dataclass(frozen=True, slots=True)
class AutoencoderConfig:
    """Hyperparameters of an autoencoder.

    Attributes
    ----------
    preset : {"conv", "plain-2d", "dual-axis", "default"}
    channels : int
        Channels of an image, 1 for the log-mel spectrogram alone.
    bands, frames : int
        Height and width of a tile. The network `conv` takes any number of frames.
    latent : int
        Latent dimensions; not used by `conv`.
    recurrent : bool
        Whether `conv` starts with a recurrent layer.
    """

    preset: Preset
    channels: int = 1
    bands: int = 128
    frames: int = 128
    latent: int = 256
    recurrent: bool = False


def build(config: AutoencoderConfig) -> Autoencoder:
    """Build the network, with random weights from torch's global generator.

    Raises
    ------
    BadArgument
        The sizes do not suit the network, or the preset is unknown.
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
    """Hyperparameters of training; see `segue.nn.trainer.TrainerConfig`.

    Attributes
    ----------
    optimiser : {"adadelta", "adam", "adamw"}
    learning_rate : float
        Maximum learning rate.
    schedule : {"constant", "inverse", "cosine"}
    batch : int
        Tiles per step.
    epochs : int
    betas, epsilon, weight_decay : tuple of float, float, float
        Of the optimiser; Adadelta uses the second of the betas.
    clip_norm : float or None
        Maximum norm of the gradient.
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
    # Adadelta as in Keras: the learning rate decays with the steps, not the epochs.
    "conv": Recipe("adadelta", 1.0, "inverse", batch=8, epochs=50, betas=(0.0, 0.95)),
    "plain-2d": _PUBLISHED,
    "dual-axis": _PUBLISHED,
    "default": Recipe(
        "adamw", 1e-3, "cosine", batch=32, epochs=20, betas=(0.9, 0.99), epsilon=1e-8,
        weight_decay=0.01, clip_norm=1.0,
    ),
}  # fmt: skip


def recipe(preset: Preset) -> Recipe:
    """Return the recipe of a preset; those but `default` are as published."""
    return RECIPES[preset]

"""Autoencoders of log-mel images: the published ones, Segue's own, and their configuration.

The preset `conv` (2017) has three convolutions with pooling, and their mirror image with
upsampling. Its code keeps time and frequency, so that it takes tracks of any length. Optionally, a
gated recurrent unit over musical steps (bars, beats, or a number of frames) reads the image first.

The preset `dual-axis` (2022) has an encoder of one-dimensional convolutions along time, another
along frequency, and a decoder of transposed convolutions; `plain-2d` has one encoder of
two-dimensional convolutions and the same decoder.

The best linear autoencoder is the Karhunen-Loève transform, which gradient descent hardly beats
within minutes. The preset `default` therefore starts from it: a discrete cosine transform along
time, where music is nearly stationary, and principal components of the bands of each cosine, of
which the strongest become the latent vector. Convolutions before and after it, which are zero at
first, learn what a linear map cannot. They work on patches of 8 x 8, so that matrix products are
large enough.

Shape legend: B batch, C channels, M mel bands, T time frames, L slots, D latent dimensions,
K cosines, N = C * M values of a frame.
"""

from dataclasses import dataclass
from typing import Final, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segue.errors import BadArgument


def channels_last(x_BCMT: Tensor) -> Tensor:
    """Convert an image to the memory format channels last, which convolutions keep.

    It is faster on a processor with bfloat16; see `bench/train_speed.py`. Weights keep their
    format, so that optimisers and checkpoints have only one.
    """
    if x_BCMT.shape[1] == 1:  # torch would take it for contiguous already
        return x_BCMT[:, 0, :, :, None].contiguous().permute(0, 3, 1, 2)
    return x_BCMT.contiguous(memory_format=torch.channels_last)


# Batch norm as in Keras.
EPSILON: Final = 1e-3
MOMENTUM: Final = 0.01


def initialise(network: nn.Module) -> None:
    """Initialise weights as Keras does: Glorot uniform, orthogonal recurrent weights, zero biases.

    See Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural
    networks", AISTATS 2010, eq. 16.
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

#: Three times pooling by two.
DOWNSAMPLING: Final = 8
CODE_CHANNELS: Final = 8

#: Number of slots that the frames of a step are averaged into.
SLOTS: Final = 8
RECURRENT_SIZE: Final = 128


class ConvAutoencoder(nn.Module):
    """Convolutions with 16, 8 and 8 channels and pooling; its loss is the binary cross-entropy.

    Parameters
    ----------
    channels : int
        Channels of the image.
    bands : int
        Mel bands, a multiple of 8.
    recurrent : bool
        Whether the output of a recurrent layer is added as another channel of the input.
    """

    def __init__(self, channels: int, bands: int, *, recurrent: bool) -> None:
        super().__init__()
        if bands % DOWNSAMPLING:
            raise BadArgument(f"the bands must be a multiple of {DOWNSAMPLING}, not {bands}")
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
        """Encode images.

        Parameters
        ----------
        x_BCMT : Tensor, shape (B, channels, bands, T), float32
            Values from 0 to 1; T is a multiple of 8.
        steps_B : Tensor, shape (B,), float32, optional
            Frames per step of each image, at least 1; only if recurrent.

        Returns
        -------
        Tensor, shape (B, 8, bands / 8, T / 8)

        Raises
        ------
        BadArgument
            A shape is wrong, or steps are missing or not needed.
        """
        if x_BCMT.shape[1:3] != (self.channels, self.bands) or x_BCMT.shape[3] % DOWNSAMPLING:
            raise BadArgument(
                f"expected images of shape (B, {self.channels}, {self.bands}, a multiple of "
                f"{DOWNSAMPLING}), got {tuple(x_BCMT.shape)}"
            )
        if (steps_B is None) != (self.recurrence is None):
            raise BadArgument(
                "frames per step are needed for a recurrent encoder, and only for one"
            )
        if self.recurrence is not None and steps_B is not None:
            x_BCMT = torch.cat([x_BCMT, self.recurrence(x_BCMT, steps_B)], dim=1)
        code: Tensor = self.encoder(channels_last(x_BCMT))
        return code

    def decode(self, code: Tensor) -> Tensor:
        """Decode codes to images with values from 0 to 1, shape (B, channels, bands, T)."""
        return torch.sigmoid(self.decoder(code))

    def forward(self, x_BCMT: Tensor, steps_B: Tensor | None = None) -> Tensor:
        """Encode and decode."""
        return self.decode(self.encode(x_BCMT, steps_B))

    def loss(self, x_BCMT: Tensor, steps_B: Tensor | None = None) -> Tensor:
        """Return the mean binary cross-entropy of the reconstruction."""
        logits = self.decoder(self.encode(x_BCMT, steps_B))
        return F.binary_cross_entropy_with_logits(logits.float(), x_BCMT.float())

    def vector(self, x_BCMT: Tensor, steps_B: Tensor | None = None) -> Tensor:
        """Embed images: the mean of the code over time, shape (B, bands)."""
        return self.encode(x_BCMT, steps_B).float().mean(dim=3).flatten(1)


class Recurrence(nn.Module):
    """A gated recurrent unit over musical steps.

    The frames of each step are averaged into `SLOTS` slots, so that a bar has the same size at any
    tempo. The output of a step is spread over its frames again.

    Parameters
    ----------
    size : int
        Input size of a frame.
    bands : int
        Output size of a frame.
    """

    def __init__(self, size: int, bands: int) -> None:
        super().__init__()
        self.bands = bands
        self.gru = nn.GRU(SLOTS * size, RECURRENT_SIZE, batch_first=True)
        self.proj = nn.Linear(RECURRENT_SIZE, SLOTS * bands)

    def forward(self, x_BCMT: Tensor, steps_B: Tensor) -> Tensor:
        """Return another channel, shape (B, 1, bands, T).

        Parameters
        ----------
        x_BCMT : Tensor, shape (B, C, M, T)
        steps_B : Tensor, shape (B,)
            Frames per step, at least 1.
        """
        B, _, _, T = x_BCMT.shape
        if steps_B.shape != (B,) or not bool((steps_B >= 1).all()):
            raise BadArgument(f"expected the frames per step of each of {B} images, at least 1")
        width_B = steps_B.double() / SLOTS
        count = int((T / steps_B.double()).ceil().max()) * SLOTS
        slots_BLC = slot_means(x_BCMT.flatten(1, 2), width_B, count)
        states, _ = self.gru(slots_BLC.reshape(B, count // SLOTS, -1))
        image_BLM = self.proj(states).reshape(B, count, self.bands)
        frames_T = torch.arange(T, device=x_BCMT.device) + 0.5
        slot_BT = (frames_T / width_B[:, None]).long().clamp(max=count - 1)
        spread_BTM = image_BLM.gather(1, slot_BT[:, :, None].expand(B, T, self.bands))
        channel: Tensor = spread_BTM.transpose(1, 2)[:, None].to(x_BCMT.dtype)
        return channel


def slot_means(x_BCT: Tensor, width_B: Tensor, count: int) -> Tensor:
    """Average slots of time whose edges may lie between frames.

    The mean of a slot is a difference of the cumulative sum, interpolated between frames.

    Parameters
    ----------
    x_BCT : Tensor, shape (B, C, T)
    width_B : Tensor, shape (B,)
        Frames per slot, above 0.
    count : int
        Number of slots; frames beyond the end count as 0.

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
    output: Tensor = means_BLC.to(x_BCT.dtype)
    return output


def _convolution(incoming: int, outgoing: int) -> nn.Conv2d:
    return nn.Conv2d(incoming, outgoing, 3, padding=1)


# --- dual axis ---

FILTERS: Final = (32, 64, 128, 256)
KERNEL: Final = 5
#: Four strides of two.
DUAL_AXIS_DOWNSAMPLING: Final = 16


class TileAutoencoder(nn.Module):
    """An encoder of tiles and the published decoder; its loss is the mean squared error.

    Parameters
    ----------
    shape : tuple of int
        Channels, bands and frames of a tile; bands and frames are multiples of 16.
    latent : int
        Latent dimensions.
    encoder : Module
        `AxisEncoders` or `Conv2dEncoder`.
    """

    def __init__(self, shape: tuple[int, int, int], latent: int, encoder: nn.Module) -> None:
        super().__init__()
        self.shape = shape
        self.encoder = encoder
        self.decoder = Decoder(*shape, latent)
        initialise(self)

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
        if x_BCMT.shape[1:] != self.shape:
            raise BadArgument(
                f"expected tiles of shape (B, {self.shape}), got {tuple(x_BCMT.shape)}"
            )
        z_BD: Tensor = self.encoder(x_BCMT)
        return z_BD

    def decode(self, z_BD: Tensor) -> Tensor:
        """Decode latent vectors to tiles with values from 0 to 1."""
        image: Tensor = self.decoder(z_BD)
        return image

    def forward(self, x_BCMT: Tensor) -> Tensor:
        """Encode and decode."""
        return self.decode(self.encode(x_BCMT))

    def loss(self, x_BCMT: Tensor) -> Tensor:
        """Return the mean squared error of the reconstruction."""
        return F.mse_loss(self(x_BCMT).float(), x_BCMT.float())

    def vector(self, x_BCMT: Tensor) -> Tensor:
        """Embed tiles: the latent vectors, shape (B, latent)."""
        return self.encode(x_BCMT).float()


def dual_axis(channels: int, bands: int, frames: int, latent: int) -> TileAutoencoder:
    """Build the network with an encoder along each axis, for half of the latent dimensions each."""
    _check_sizes(bands, frames, latent)
    encoder = AxisEncoders(channels, bands, frames, latent)
    return TileAutoencoder((channels, bands, frames), latent, encoder)


def plain_2d(channels: int, bands: int, frames: int, latent: int) -> TileAutoencoder:
    """Build the network with an encoder of two-dimensional convolutions."""
    _check_sizes(bands, frames, latent)
    encoder = Conv2dEncoder(channels, bands, frames, latent)
    return TileAutoencoder((channels, bands, frames), latent, encoder)


class AxisEncoders(nn.Module):
    """An encoder along time and one along frequency."""

    def __init__(self, channels: int, bands: int, frames: int, latent: int) -> None:
        super().__init__()
        self.along_time = _axis_encoder(channels * bands, frames, latent // 2)
        self.along_frequency = _axis_encoder(channels * frames, bands, latent // 2)

    def forward(self, x_BCMT: Tensor) -> Tensor:
        """Return the concatenated outputs of both, shape (B, latent)."""
        along_time = self.along_time(x_BCMT.flatten(1, 2))
        along_frequency = self.along_frequency(x_BCMT.transpose(2, 3).flatten(1, 2))
        return torch.cat([along_time, along_frequency], dim=1)


class Conv2dEncoder(nn.Module):
    """An encoder of two-dimensional convolutions."""

    def __init__(self, channels: int, bands: int, frames: int, latent: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for incoming, outgoing in zip((channels, *FILTERS), FILTERS, strict=False):
            layers += [
                nn.Conv2d(incoming, outgoing, KERNEL, stride=2, padding=2),
                nn.ReLU(),
                nn.BatchNorm2d(outgoing, eps=EPSILON, momentum=MOMENTUM),
            ]
        positions = (bands // DUAL_AXIS_DOWNSAMPLING) * (frames // DUAL_AXIS_DOWNSAMPLING)
        self.layers = nn.Sequential(
            *layers, nn.Flatten(), nn.Linear(positions * FILTERS[-1], latent)
        )

    def forward(self, x_BCMT: Tensor) -> Tensor:
        """Return latent vectors, shape (B, latent)."""
        z_BD: Tensor = self.layers(channels_last(x_BCMT))
        return z_BD


class Decoder(nn.Module):
    """A dense layer, four transposed convolutions of stride 2, and one to the image."""

    def __init__(self, channels: int, bands: int, frames: int, latent: int) -> None:
        super().__init__()
        height, width = bands // DUAL_AXIS_DOWNSAMPLING, frames // DUAL_AXIS_DOWNSAMPLING
        self.bottleneck_shape = (FILTERS[-1], height, width)
        self.dense = nn.Linear(latent, FILTERS[-1] * height * width)
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
        """Return images with values from 0 to 1, shape (B, channels, bands, frames)."""
        bottleneck_BCMT = self.dense(z_BD).unflatten(1, self.bottleneck_shape)
        return torch.sigmoid(self.layers(channels_last(bottleneck_BCMT)))


def _axis_encoder(incoming: int, length: int, latent: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for outgoing in FILTERS:
        layers += [
            nn.Conv1d(incoming, outgoing, KERNEL, stride=2, padding=2),
            nn.ReLU(),
            nn.BatchNorm1d(outgoing, eps=EPSILON, momentum=MOMENTUM),
        ]
        incoming = outgoing
    positions = length // DUAL_AXIS_DOWNSAMPLING
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(positions * FILTERS[-1], latent))


def _check_sizes(bands: int, frames: int, latent: int) -> None:
    if bands % DUAL_AXIS_DOWNSAMPLING or frames % DUAL_AXIS_DOWNSAMPLING or latent % 2:
        raise BadArgument(
            f"bands and frames must be multiples of {DUAL_AXIS_DOWNSAMPLING} and the latent "
            f"dimensions even, not {bands}, {frames} and {latent}"
        )


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

"""Autoencoders of log-mel images: their configuration, and how they are built and trained."""

from dataclasses import dataclass
from typing import Final, Literal

from segue.errors import BadArgument
from segue.model.sound.autoencoders.conv import ConvAutoencoder
from segue.model.sound.autoencoders.dual_axis import TileAutoencoder, dual_axis, plain_2d
from segue.model.sound.autoencoders.transform import TransformAutoencoder

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
        How the rate goes on; see `segue.train.setting.LoopConfig`.
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

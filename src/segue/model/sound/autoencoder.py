"""Autoencoders of log-mel images: their configuration, and how they are built and trained."""

from dataclasses import dataclass
from typing import Literal

from segue.errors import BadArgument
from segue.model.sound.autoencoders.conv import ConvAutoencoder
from segue.model.sound.autoencoders.dual_axis import DualAxisAutoencoder, Plain2dAutoencoder

Preset = Literal["conv", "plain-2d", "dual-axis", "default"]
Autoencoder = ConvAutoencoder | DualAxisAutoencoder | Plain2dAutoencoder


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
        Where the sizes do not suit the network.
    """
    if config.recurrent and config.preset != "conv":
        raise BadArgument(f"only conv has a recurrent form, not {config.preset}")
    if config.preset == "conv":
        return ConvAutoencoder(config.channels, config.bands, recurrent=config.recurrent)
    sizes = (config.channels, config.bands, config.frames, config.latent)
    if config.preset == "plain-2d":
        return Plain2dAutoencoder(*sizes)
    return DualAxisAutoencoder(*sizes)

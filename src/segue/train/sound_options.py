"""What a user may choose when a space of sound is learned, and what network that makes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from segue.errors import BadArgument
from segue.model.sound.autoencoder import AutoencoderConfig
from segue.model.sound.contrastive import ContrastiveConfig
from segue.model.sound.learned import LearnedConfig
from segue.represent.log_mel import LOG_MELS

Preset = Literal["default", "conv", "plain-2d", "dual-axis", "contrastive"]

MUSICNN: Final = "musicnn"
TILE_FRAMES: Final = 128
#: The network `conv` sees a track whole; nine tracks in ten are at least as long as its tile.
_WHOLE_QUANTILE: Final = 0.1
_MULTIPLE: Final = 8


@dataclass(frozen=True, slots=True)
class SoundTraining:
    """What a user may choose.

    Attributes
    ----------
    preset : {"default", "conv", "plain-2d", "dual-axis", "contrastive"}
    epochs : int, optional
        Else the preset's.
    minutes : float, optional
        The number of epochs is made to fit.
    device : str
    seed : int
    learning_rate : float, optional
        Else the preset's.
    channels : {"mel", "mel+mfcc+chroma"}
    step : str
        With `conv`: "bar", "beat" or a number of frames for a recurrent layer; "" for none.
    stereo : bool
        Two networks, one per channel.
    tiles : int
        A vector is the mean over so many tiles, at most.
    labels : {"", "album", "artist"}
        With `contrastive`: what also counts as the same.
    start : {"mel", "musicnn"}
        With `contrastive`: what is learned from.
    """

    preset: Preset = "default"
    epochs: int | None = None
    minutes: float | None = None
    device: str = "auto"
    seed: int = 0
    learning_rate: float | None = None
    channels: Literal["mel", "mel+mfcc+chroma"] = "mel"
    step: str = ""
    stereo: bool = False
    tiles: int = 32
    labels: Literal["", "album", "artist"] = ""
    start: Literal["mel", "musicnn"] = "mel"

    def __post_init__(self) -> None:
        """Refuse what does not go together."""
        contrasts = self.preset == "contrastive"
        for wrong, told in (
            (not contrasts and self.labels, "--labels belongs to the preset contrastive"),
            (not contrasts and self.start != "mel", "--from belongs to the preset contrastive"),
            (contrasts and self.stereo, "--stereo belongs to the autoencoders, not to contrastive"),
            (self.step and self.preset != "conv", "--recurrent belongs to the preset conv"),
            (
                self.channels != "mel" and (self.preset == "conv" or self.start != "mel"),
                "--channels belongs to the presets that read images of 128 bands",
            ),
            (
                self.step not in ("", "bar", "beat") and not _above_zero(self.step),
                f"--step {self.step!r}: give bar, beat, or a number of frames above 0",
            ),
            (
                self.learning_rate is not None and self.learning_rate <= 0,
                f"a learning rate of {self.learning_rate}; it is above 0",
            ),
        ):
            if wrong:
                raise BadArgument(told)


def _above_zero(text: str) -> bool:
    return text.isdigit() and int(text) > 0


def image_kind(training: SoundTraining) -> str:
    """Name the images that a preset learns from."""
    if training.start == "musicnn":
        return MUSICNN
    if training.preset == "conv":
        return "mel512"
    return "mel128" if training.channels == "mel" else "mel128+mfcc+chroma"


def learned_config(training: SoundTraining, lengths: Sequence[int]) -> LearnedConfig:
    """Turn a user's choice, and the lengths of the images in frames, into a configuration."""
    if training.start == "musicnn":
        return LearnedConfig(ContrastiveConfig(source="musicnn"), MUSICNN)
    kind = LOG_MELS[image_kind(training)]
    frames = TILE_FRAMES
    if training.preset == "conv":
        usual = int(np.quantile(lengths, _WHOLE_QUANTILE))
        frames = max(usual // _MULTIPLE, 1) * _MULTIPLE
    if training.preset == "contrastive":
        return LearnedConfig(
            ContrastiveConfig(channels=kind.channels, bands=kind.bands, frames=frames),
            kind.name,
            tiles=training.tiles,
        )
    network = AutoencoderConfig(
        training.preset,
        channels=kind.channels,
        bands=kind.bands,
        frames=frames,
        recurrent=bool(training.step),
    )
    return LearnedConfig(
        network, kind.name, training.stereo, 1 if training.preset == "conv" else training.tiles,
        training.step,
    )  # fmt: skip

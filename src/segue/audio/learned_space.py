"""A space learned from a library: its network, and the way from a spectrogram to a vector."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segue.audio import autoencoders, contrastive
from segue.audio.contrastive import StereoPair
from segue.audio.spectrogram import VERSION, ByteArray
from segue.errors import BadCheckpoint
from segue.nn.checkpoint import load_checkpoint, save_checkpoint
from segue.records import FloatArray, Space

KIND: Final = "space of sound"
#: Tiles that go through the network at once.
TILE_BATCH_SIZE: Final = 256
_LEAST_SCALE: Final = 1e-6


@dataclass(frozen=True, slots=True)
class LearnedConfig:
    """All that is needed to place a recording in the space.

    Attributes
    ----------
    network : AutoencoderConfig or ContrastiveConfig
    image : str
        Kind of image, a key of `segue.audio.spectrogram.LOG_MEL_SPECS`, or "musicnn" for the
        activations of MusiCNN's patches.
    stereo : bool
    tiles : int
        A vector is the mean over so many tiles, at most.
    step : str
        What a recurrent layer steps by: "bar", "beat", a number of frames, or "".
    version : int
        Of the images.
    """

    network: autoencoders.AutoencoderConfig | contrastive.ContrastiveConfig
    image: str
    stereo: bool = False
    tiles: int = 32
    step: str = ""
    version: int = VERSION

    @property
    def preset(self) -> str:
        """Name of the network."""
        network = self.network
        return network.preset if isinstance(network, autoencoders.AutoencoderConfig) else _CONTRAST


_CONTRAST: Final = "contrastive"


def build(config: LearnedConfig) -> nn.Module:
    """Make the network, its weights drawn with torch's generator as the caller seeded it."""
    network = config.network
    if isinstance(network, contrastive.ContrastiveConfig):
        return contrastive.build(network)
    if config.stereo:
        return StereoPair(autoencoders.build(network), autoencoders.build(network))
    return autoencoders.build(network)


@dataclass(frozen=True, slots=True)
class Layer:
    """A convolution that reads the image itself.

    Attributes
    ----------
    name : str
    weights : ndarray, shape (filters, rows, columns), float32
    excitation : ndarray, shape (filters,), float32
        Mean response of each filter to a recording, where it is above 0.
    """

    name: str
    weights: FloatArray
    excitation: FloatArray


class LearnedSound:
    """A trained network with the constants of its library.

    Parameters
    ----------
    config : LearnedConfig
    network : Module
    mean, scale : ndarray, shape (dimension,), float32
        Of the vectors of the library that it was learned on.
    about : dict
        How it was trained, for people.
    fingerprint : str
    """

    def __init__(
        self,
        config: LearnedConfig,
        network: nn.Module,
        mean: FloatArray,
        scale: FloatArray,
        about: Mapping[str, Any],
        fingerprint: str = "",
    ) -> None:
        self.config = config
        self.network = network.eval()
        self.mean, self.scale = mean, scale
        self.about = dict(about)
        self.fingerprint = fingerprint

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        BadCheckpoint
            The file is damaged, of another version, or no learned space.
        """
        checkpoint = load_checkpoint(path, KIND)
        config = config_from_json(checkpoint.metadata["config"], path)
        tensors = dict(checkpoint.tensors)
        mean, scale = tensors.pop("mean").numpy(), tensors.pop("scale").numpy()
        network = build(config)
        try:
            network.load_state_dict({k.removeprefix("network."): v for k, v in tensors.items()})
        except RuntimeError:
            raise BadCheckpoint(
                f"the weights in {path} do not fit the network they name; train anew"
            ) from None
        about = checkpoint.metadata["about"]
        return cls(config, network, mean, scale, about, checkpoint.fingerprint)

    def save(self, path: Path) -> None:
        """Write it as one file, and note its fingerprint."""
        tensors = {f"network.{name}": t for name, t in self.network.state_dict().items()} | {
            "mean": torch.from_numpy(self.mean),
            "scale": torch.from_numpy(self.scale),
        }
        about = {"config": config_to_json(self.config), "about": self.about}
        self.fingerprint = save_checkpoint(path, KIND, about, tensors)

    def space(self, name: str) -> Space:
        """Describe the space."""
        return Space(name, "sound", len(self.mean), "cosine", self.fingerprint, self.config.version)

    def vectors(self, tiles: Sequence[ByteArray], steps: Sequence[float]) -> FloatArray:
        """Place recordings in the space.

        Parameters
        ----------
        tiles : sequence of ndarray, each of shape (tiles, channels, bands, frames), uint8
            Of each recording. From MusiCNN's activations: (patches, numbers), float.
        steps : sequence of float
            Frames in a step of each, where the network is recurrent.

        Returns
        -------
        ndarray, shape (recordings, dimension), float32
            Standardised by the library that the space was learned on.
        """
        raw = self.raw_vectors(tiles, steps)
        return np.asarray((raw - self.mean) / self.scale, np.float32)

    @torch.inference_mode()
    def raw_vectors(self, tiles: Sequence[ByteArray], steps: Sequence[float]) -> FloatArray:
        """Do as `vectors` does, but not standardised."""
        counts = [len(some) for some in tiles]
        together = np.concatenate(tiles)
        each = torch.from_numpy(np.repeat(np.asarray(steps, np.float32), counts))
        found = [
            self._network(together[at : at + TILE_BATCH_SIZE], each[at : at + TILE_BATCH_SIZE])
            for at in range(0, len(together), TILE_BATCH_SIZE)
        ]
        starts = np.cumsum([0, *counts[:-1]])
        sums = np.add.reduceat(torch.cat(found).numpy().astype(np.float64), starts, axis=0)
        return np.asarray(sums / np.array(counts)[:, None], np.float32)

    @torch.inference_mode()
    def reconstruct(self, tiles: ByteArray, step_frames: float) -> tuple[FloatArray, FloatArray]:
        """Encode tiles and decode them.

        Returns
        -------
        reconstruction : ndarray, shape as `tiles`, float32
            Within 0 to 1.
        code : ndarray
            (tiles, numbers), or (tiles, channels, bands, frames) of the network `conv`; of a
            stereo pair the left one's.
        """
        x = _scaled(tiles)
        steps = self._steps(torch.full((len(tiles),), step_frames))
        network = self.network
        if isinstance(network, StereoPair):
            code = network.left.encode(x.chunk(2, dim=1)[0], *steps)
        else:
            code = network.encode(x, *steps)  # type: ignore[operator]
        return network(x, *steps).float().numpy(), code.float().numpy()

    @torch.inference_mode()
    def first_layers(self, tiles: ByteArray, step_frames: float) -> list[Layer]:
        """Look at the convolutions that read the image itself.

        Parameters
        ----------
        tiles : ndarray, shape (tiles, channels, bands, frames), uint8
            Of one recording.
        step_frames : float

        Returns
        -------
        list of Layer
        """
        found: list[Layer] = []
        sides = 1 + self.config.stereo
        whole = int(np.prod(tiles.shape[1:])) // sides

        def note(module: nn.Module, given: tuple[Tensor, ...], result: Tensor) -> None:
            if given[0][0].numel() == whole:
                kernel = module.weight.detach().float()  # type: ignore[operator]
                if kernel.ndim == 4:
                    # Squares of the image may have been made channels; this lays them out again.
                    square = round((kernel.shape[1] / tiles.shape[1] * sides) ** 0.5)
                    kernel = F.pixel_shuffle(kernel, square).mean(1)
                picture = kernel  # rows are frequency, columns time
                name = "along time" if given[0].ndim == 3 else "first layer"
                if given[0].ndim == 3 and found:
                    name, picture = "along frequency", picture.transpose(1, 2)
                excitation = result.float().relu().mean(dim=(0, *range(2, result.ndim)))
                found.append(Layer(name, picture.numpy(), excitation.numpy()))

        hooks = [
            module.register_forward_hook(note)
            for module in self.network.modules()
            if isinstance(module, nn.Conv1d | nn.Conv2d)
        ]
        try:
            self._network(tiles, torch.full((len(tiles),), step_frames))
        finally:
            for hook in hooks:
                hook.remove()
        return found

    def _network(self, tiles: ByteArray, steps: Tensor) -> Tensor:
        vector = self.network.vector
        found: Tensor = vector(_scaled(tiles), *self._steps(steps))  # type: ignore[operator]
        return found.float()

    def _steps(self, steps: Tensor) -> tuple[Tensor, ...]:
        return (steps,) if self.config.step else ()


def mean_and_scale(vectors: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return mean and scale of a library's vectors; what does not vary keeps its size."""
    scale = vectors.std(axis=0)
    return vectors.mean(axis=0), np.where(scale > _LEAST_SCALE, scale, 1).astype(np.float32)


def config_to_json(config: LearnedConfig) -> dict[str, Any]:
    """Write a configuration as JSON values."""
    return {"preset": config.preset} | asdict(config)


def config_from_json(fields: Mapping[str, Any], path: Path) -> LearnedConfig:
    """Read what `config_to_json` wrote.

    Raises
    ------
    BadCheckpoint
        Another version wrote it.
    """
    fields = dict(fields)
    contrasts = fields.pop("preset", "") == _CONTRAST
    kind = contrastive.ContrastiveConfig if contrasts else autoencoders.AutoencoderConfig
    try:
        network = kind(**fields.pop("network"))
        config = LearnedConfig(network=network, **fields)
    except (KeyError, TypeError) as error:
        raise BadCheckpoint(
            f"{path} was written by another version of Segue ({error}); train anew"
        ) from None
    if config.version != VERSION:
        raise BadCheckpoint(
            f"{path} was learned from images of version {config.version}, this Segue makes "
            f"version {VERSION}; train anew"
        )
    return config


def _scaled(tiles: ByteArray) -> Tensor:
    x = torch.from_numpy(np.ascontiguousarray(tiles)).float()
    return x.div_(255) if tiles.dtype == np.uint8 else x

"""A space learned from recordings: its network, and embeddings of images."""

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
TILE_BATCH_SIZE: Final = 256
_MIN_SCALE: Final = 1e-6
_CONTRASTIVE: Final = "contrastive"


@dataclass(frozen=True, slots=True)
class LearnedConfig:
    """Configuration of a learned space.

    Attributes
    ----------
    network : AutoencoderConfig or ContrastiveConfig
    image : str
        Kind of image, a key of `segue.audio.spectrogram.LOG_MEL_SPECS`, or "musicnn" for
        MusiCNN's activations.
    tiles : int
        Maximum number of tiles whose mean is an embedding.
    step : str
        Step of a recurrent layer: "bar", "beat", a number of frames, or "".
    version : int
        Version of the images.
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
        return (
            network.preset if isinstance(network, autoencoders.AutoencoderConfig) else _CONTRASTIVE
        )


def build(config: LearnedConfig) -> nn.Module:
    """Build the network, with random weights from torch's global generator."""
    network = config.network
    if isinstance(network, contrastive.ContrastiveConfig):
        return contrastive.build(network)
    if config.stereo:
        return StereoPair(autoencoders.build(network), autoencoders.build(network))
    return autoencoders.build(network)


@dataclass(frozen=True, slots=True)
class Layer:
    """A convolution of the first layer.

    Attributes
    ----------
    weights : ndarray, shape (filters, rows, columns), float32
    excitation : ndarray, shape (filters,), float32
        Mean response of each filter to a recording, after a ReLU.
    """

    name: str
    weights: FloatArray
    excitation: FloatArray


class LearnedSound:
    """A trained network with the standardisation of its embeddings.

    Parameters
    ----------
    config : LearnedConfig
    network : Module
    mean, scale : ndarray, shape (dimension,), float32
        Mean and standard deviation of the embeddings of its library.
    about : dict
        Metadata of the training.
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
        """Load a checkpoint written by `save`.

        Raises
        ------
        BadCheckpoint
            The file is damaged, of another version, or of another kind.
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
                f"the weights in {path} do not fit the network they name; train it again"
            ) from None
        about = checkpoint.metadata["about"]
        return cls(config, network, mean, scale, about, checkpoint.fingerprint)

    def save(self, path: Path) -> None:
        """Write a checkpoint, and update the fingerprint."""
        tensors = {f"network.{name}": t for name, t in self.network.state_dict().items()} | {
            "mean": torch.from_numpy(self.mean),
            "scale": torch.from_numpy(self.scale),
        }
        metadata = {"config": config_to_json(self.config), "about": self.about}
        self.fingerprint = save_checkpoint(path, KIND, metadata, tensors)

    def space(self, name: str) -> Space:
        """Return the record of the space."""
        return Space(name, "sound", len(self.mean), "cosine", self.fingerprint, self.config.version)

    def vectors(self, tiles: Sequence[ByteArray], steps: Sequence[float]) -> FloatArray:
        """Embed recordings.

        Parameters
        ----------
        tiles : sequence of ndarray, each of shape (tiles, channels, bands, frames), uint8
            Tiles of each recording, or activations and features, (1, size), float.
        steps : sequence of float
            Frames per step of each recording; used by a recurrent network.

        Returns
        -------
        ndarray, shape (recordings, dimension), float32
            Standardised over the library of the space.
        """
        raw = self.raw_vectors(tiles, steps)
        return np.asarray((raw - self.mean) / self.scale, np.float32)

    @torch.inference_mode()
    def raw_vectors(self, tiles: Sequence[ByteArray], steps: Sequence[float]) -> FloatArray:
        """Embed recordings as `vectors` does, without standardisation."""
        counts = [len(recording) for recording in tiles]
        all_tiles = np.concatenate(tiles)
        all_steps = torch.from_numpy(np.repeat(np.asarray(steps, np.float32), counts))
        batches = [
            slice(start, start + TILE_BATCH_SIZE)
            for start in range(0, len(all_tiles), TILE_BATCH_SIZE)
        ]
        vectors = [self._embed(all_tiles[batch], all_steps[batch]) for batch in batches]
        starts = np.cumsum([0, *counts[:-1]])
        sums = np.add.reduceat(torch.cat(vectors).numpy().astype(np.float64), starts, axis=0)
        return np.asarray(sums / np.array(counts)[:, None], np.float32)

    @torch.inference_mode()
    def reconstruct(self, tiles: ByteArray, step_frames: float) -> tuple[FloatArray, FloatArray]:
        """Encode tiles and decode them.

        Returns
        -------
        reconstruction : ndarray, shape as `tiles`, float32
            Values from 0 to 1.
        code : ndarray
            Latent vectors, (tiles, latent), or (tiles, channels, bands, frames) for the network
            `conv`; those of the left channel for stereo.
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
        """Return the convolutions that read the image itself.

        Parameters
        ----------
        tiles : ndarray, shape (tiles, channels, bands, frames), uint8
            Tiles of one recording.
        """
        layers: list[Layer] = []
        networks = 1 + self.config.stereo
        image_size = int(np.prod(tiles.shape[1:])) // networks

        def record_layer(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            if inputs[0][0].numel() == image_size:
                kernel = module.weight.detach().float()  # type: ignore[operator]
                if kernel.ndim == 4:
                    # Undo a pixel unshuffle, which turns patches of the image into channels.
                    patch = round((kernel.shape[1] / tiles.shape[1] * networks) ** 0.5)
                    kernel = F.pixel_shuffle(kernel, patch).mean(1)
                # Rows are frequency, columns time.
                name = "along time" if inputs[0].ndim == 3 else "first layer"
                if inputs[0].ndim == 3 and layers:
                    name, kernel = "along frequency", kernel.transpose(1, 2)
                excitation = output.float().relu().mean(dim=(0, *range(2, output.ndim)))
                layers.append(Layer(name, kernel.numpy(), excitation.numpy()))

        hooks = [
            module.register_forward_hook(record_layer)
            for module in self.network.modules()
            if isinstance(module, nn.Conv1d | nn.Conv2d)
        ]
        try:
            self._embed(tiles, torch.full((len(tiles),), step_frames))
        finally:
            for hook in hooks:
                hook.remove()
        return layers

    def _embed(self, tiles: ByteArray, steps: Tensor) -> Tensor:
        embed = self.network.vector
        vectors: Tensor = embed(_scaled(tiles), *self._steps(steps))  # type: ignore[operator]
        return vectors.float()

    def _steps(self, steps: Tensor) -> tuple[Tensor, ...]:
        return (steps,) if self.config.step else ()


def mean_and_scale(vectors: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return mean and standard deviation of vectors; 1 for constant dimensions."""
    scale = vectors.std(axis=0)
    return vectors.mean(axis=0), np.where(scale > _MIN_SCALE, scale, 1).astype(np.float32)


def config_to_json(config: LearnedConfig) -> dict[str, Any]:
    """Convert a configuration to JSON values."""
    return {"preset": config.preset} | asdict(config)


def config_from_json(fields: Mapping[str, Any], path: Path) -> LearnedConfig:
    """Restore a configuration from the result of `config_to_json`.

    Raises
    ------
    BadCheckpoint
        It was written by another version.
    """
    fields = dict(fields)
    is_contrastive = fields.pop("preset", "") == _CONTRASTIVE
    kind = contrastive.ContrastiveConfig if is_contrastive else autoencoders.AutoencoderConfig
    try:
        network = kind(**fields.pop("network"))
        config = LearnedConfig(network=network, **fields)
    except (KeyError, TypeError) as error:
        raise BadCheckpoint(
            f"{path} was written by another version of Segue ({error}); train it again"
        ) from None
    if config.version != VERSION:
        raise BadCheckpoint(
            f"{path} was trained on images of version {config.version}, this Segue computes "
            f"version {VERSION}; train it again"
        )
    return config


def _scaled(tiles: ByteArray) -> Tensor:
    x = torch.from_numpy(np.ascontiguousarray(tiles)).float()
    return x.div_(255) if tiles.dtype == np.uint8 else x

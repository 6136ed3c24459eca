"""Tiles of images: what networks see of a track. Images stay on disk until a tile is cut."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segue.errors import BadArgument
from segue.represent.log_mel import ByteArray


@dataclass(frozen=True, slots=True)
class Example:
    """A track as training meets it.

    Attributes
    ----------
    content_hash : str
    album, artist : str
        "" where not known.
    step_frames : float
        Frames in a bar, a beat, or whatever a recurrent layer shall step by.
    folder : str
        What it lies in: where no album is known, what is divided as one.
    """

    content_hash: str
    album: str = ""
    artist: str = ""
    step_frames: float = 0.0
    folder: str = ""


#: From a content's hash to its image, shape (channels, bands, frames), uint8; or to MusiCNN's
#: activations, shape (patches, numbers), float32.
ReadImage = Callable[[str], NDArray[Any]]


def even_tiles(image: ByteArray, frames: int, most: int) -> ByteArray:
    """Cut tiles spread evenly over an image.

    Parameters
    ----------
    image : ndarray, shape (channels, bands, T), uint8
        Shorter than a tile it is repeated to fill one.
    frames : int
        Width of a tile.
    most : int
        At most so many, and no more than fit without overlap; at least one.

    Returns
    -------
    ndarray, shape (tiles, channels, bands, frames), uint8
    """
    if image.ndim != 3 or image.shape[2] == 0:
        raise BadArgument(f"expected an image (channels, bands, frames), got {image.shape}")
    length = image.shape[2]
    count = max(min(most, length // frames), 1)
    starts = np.linspace(0, max(length - frames, 0), count).round().astype(int)
    return np.stack([tile_at(image, int(start), frames) for start in starts])


def tile_at(image: ByteArray, start: int, frames: int) -> ByteArray:
    """Cut a tile; an image that is too short is repeated."""
    tile = np.asarray(image[:, :, start : start + frames])
    if tile.shape[2] < frames:
        tile = np.resize(image.transpose(2, 0, 1), (frames, *image.shape[:2])).transpose(1, 2, 0)
    return tile


def to_tensor(tiles: ByteArray) -> Tensor:
    """Scale bytes to 0…1, float32."""
    return torch.from_numpy(np.ascontiguousarray(tiles)).float().div_(255)


class TileStream:
    """Batches of tiles: random ones to train on, fixed ones to validate with.

    Parameters
    ----------
    training, validation : sequence of Example
        Each at least one.
    read : callable
    frames : int
        Width of a tile.
    batch : int
        Tiles in a batch.
    most : int
        Validation tiles of a track at most.
    recurrent : bool
        Whether batches also hold the length of a step.
    """

    def __init__(
        self,
        training: Sequence[Example],
        validation: Sequence[Example],
        read: ReadImage,
        *,
        frames: int,
        batch: int,
        most: int = 4,
        recurrent: bool = False,
    ) -> None:
        self._training, self._validation = training, validation
        self._read = read
        self._frames, self._batch, self._most = frames, batch, most
        self._recurrent = recurrent

    def draw(self, rng: np.random.Generator) -> tuple[Tensor, ...]:
        """Draw tracks, each as likely as any other, and a tile from anywhere in each."""
        tiles, steps = [], []
        for number in rng.integers(len(self._training), size=self._batch):
            example = self._training[number]
            image = self._read(example.content_hash)
            start = int(rng.integers(max(image.shape[2] - self._frames, 0) + 1))
            tiles.append(tile_at(image, start, self._frames))
            steps.append(example.step_frames)
        return self._tensors(np.stack(tiles), steps)

    def validation(self) -> list[tuple[Tensor, ...]]:
        """Cut the same tiles of the validation tracks each time, in batches."""
        tiles: list[ByteArray] = []
        steps: list[float] = []
        for example in self._validation:
            cut = even_tiles(self._read(example.content_hash), self._frames, self._most)
            tiles.extend(cut)
            steps += [example.step_frames] * len(cut)
        return [
            self._tensors(np.stack(tiles[at : at + self._batch]), steps[at : at + self._batch])
            for at in range(0, len(tiles), self._batch)
        ]

    def _tensors(self, tiles: ByteArray, steps: Sequence[float]) -> tuple[Tensor, ...]:
        if self._recurrent:
            return to_tensor(tiles), torch.tensor(steps)
        return (to_tensor(tiles),)

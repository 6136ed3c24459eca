"""What a learned space keeps of a track, and what its filters answer to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from segue.errors import BadArgument
from segue.learning.sounds import fill_cache, image_of, load, reader, step_frames
from segue.model.sound.autoencoder import AutoencoderConfig
from segue.pictures.learned import Filter
from segue.records import FloatArray, Track
from segue.represent.log_mel import LOG_MELS, LogMel
from segue.store import Store
from segue.train.sound import tiles_of
from segue.train.tiles import tile_at

FILTERS_OF_A_LAYER: Final = 32


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """A track as a space's network gives it back.

    Attributes
    ----------
    track : Track
    image, reconstruction : ndarray, shape (bands, frames), float32
        The mel channel, within 0 to 1, the highest band first; in stereo the left side.
    code : ndarray, shape (numbers, steps)
        In order of time.
    kind : LogMel
    """

    track: Track
    image: FloatArray
    reconstruction: FloatArray
    code: FloatArray
    kind: LogMel


def reconstruct(store: Store, space: str, track: Track) -> Reconstruction:
    """Encode a track and decode it again, tile after tile.

    Raises
    ------
    BadArgument
        The space's network has no way back.
    """
    sound = load(store, space)
    config = sound.config
    if not isinstance(config.network, AutoencoderConfig):
        raise BadArgument(
            f"the network of the space {space!r} leads from music to vectors only; spaces of "
            "the presets default, conv, plain-2d and dual-axis can be reconstructed"
        )
    image = image_of(store, sound, track)
    frames = config.network.frames
    count = max(image.shape[2] // frames, 1)
    tiles = np.stack([tile_at(image, number * frames, frames) for number in range(count)])
    decoded, code = sound.reconstruct(tiles, step_frames(track, config.step, config.image))
    return Reconstruction(
        track,
        np.concatenate(list(tiles[:, 0]), axis=1).astype(np.float32) / np.float32(255),
        np.concatenate(list(decoded[:, 0]), axis=1),
        _in_order(code),
        LOG_MELS[config.image],
    )


def first_filters(store: Store, space: str, tracks: Sequence[Track], most: int) -> list[Filter]:
    """Find what the filters of a space's first layers look like, and what excites each most.

    Of a layer with many filters, the 32 are taken whose excitation differs most between tracks.

    Parameters
    ----------
    store : Store
    space : str
    tracks : sequence of Track
        Of which the most exciting are named.
    most : int
        How many.
    """
    sound = load(store, space)
    config = sound.config
    if config.image not in LOG_MELS:
        raise BadArgument(f"the space {space!r} was learned from MusiCNN, not from images")
    cache, _ = fill_cache(store, config.image, config.stereo, tracks, 1, None)
    there = [track for track in tracks if track.content_hash in cache]
    read = reader(cache)
    excited: dict[str, list[FloatArray]] = {}
    weights: dict[str, FloatArray] = {}
    for track in there:
        tiles = tiles_of(config, read(track.content_hash))
        step = step_frames(track, config.step, config.image)
        for layer in sound.first_layers(tiles, step):
            excited.setdefault(layer.name, []).append(layer.excitation)
            weights[layer.name] = layer.weights
    names = [" - ".join(filter(None, (t.tags.artist, t.tags.title))) for t in there]
    found = []
    for name, rows in excited.items():
        table = np.stack(rows)
        telling = np.argsort(-table.std(axis=0), kind="stable")[:FILTERS_OF_A_LAYER]
        for number in sorted(telling.tolist()):
            order = np.argsort(-table[:, number], kind="stable")[:most]
            best = tuple(names[row] for row in order)
            found.append(Filter(f"{name}, filter {number + 1}", weights[name][number], best))
    return found


def _in_order(code: FloatArray) -> FloatArray:
    """Lay codes of successive tiles out in time: (numbers, steps)."""
    if code.ndim == 2:
        return code.T
    tiles, channels, bands, steps = code.shape
    return (
        code.reshape(tiles, channels * bands, steps).transpose(1, 0, 2).reshape(-1, tiles * steps)
    )

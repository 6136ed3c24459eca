"""Excerpts of log-mel images, changed as other equipment, keys and tempos would change them.

A contrastive network learns to place two excerpts of a track together. What is changed at
random between them is what the network shall not hear.

Images are scaled decibels: 0 stands for -80 dB against the track's maximum, 1 for 0 dB; row 0
is the highest band.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.records import FloatArray

Image = NDArray[np.uint8]

RANGE_DB: Final = 80.0
#: The range in steps of ten times the power.
_BELS: Final = RANGE_DB / 10
_LARGEST: Final = 255.0
#: Bands over which a low-pass falls from nothing to all of the range.
_LOW_PASS_SLOPE: Final = 16.0


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far excerpts are changed; each change is drawn evenly up to its bound.

    Attributes
    ----------
    gain_db : float
        Louder or softer by at most so much.
    tilt_db : float
        Rise or fall of the equaliser from the lowest to the highest band.
    wave_db : float
        Height of the equaliser's smooth wave over the bands.
    low_pass_bands : int
        The low-pass begins at most so many bands below the highest.
    shift_bands : float
        Pitch: up or down by at most so many bands.
    stretch : float
        Time: faster or slower by at most this share, below 1.
    mask_bands, mask_frames : int
        Height and width of the stripes that are blotted out, at most.
    mix_probability : float
        Share of the excerpts that another track is mixed into.
    mix_db : tuple of float
        The other track's level against the first, least and greatest.
    """

    gain_db: float = 6.0
    tilt_db: float = 6.0
    wave_db: float = 4.0
    low_pass_bands: int = 40
    shift_bands: float = 2.0
    stretch: float = 0.1
    mask_bands: int = 16
    mask_frames: int = 16
    mix_probability: float = 0.3
    mix_db: tuple[float, float] = (-20.0, -6.0)


def two_excerpts(
    image: Image, frames: int, rng: np.random.Generator, changes: Augmentation | None
) -> tuple[FloatArray, FloatArray]:
    """Cut two excerpts from an image, apart from each other where there is room.

    Parameters
    ----------
    image : ndarray of uint8, shape (channels, bands, length)
        0…255; shorter ones are repeated.
    frames : int
        Width of an excerpt.
    rng : numpy.random.Generator
    changes : Augmentation or None
        None leaves pitch and tempo as they are.

    Returns
    -------
    tuple of two ndarray, shape (channels, bands, frames), float32
        In 0…1.
    """
    first, second = _two_starts(image.shape[2], frames, rng)
    return (
        _resampled(image, first, frames, rng, changes),
        _resampled(image, second, frames, rng, changes),
    )


def changed(
    excerpt: FloatArray,
    others: Sequence[FloatArray],
    rng: np.random.Generator,
    changes: Augmentation,
) -> FloatArray:
    """Return an excerpt as other equipment in other surroundings would give it.

    Parameters
    ----------
    excerpt : ndarray, shape (channels, bands, frames), float32
        In 0…1.
    others : sequence of ndarray, each of the same shape
        Excerpts of other tracks, to mix in; may be empty.
    rng : numpy.random.Generator
    changes : Augmentation

    Returns
    -------
    ndarray, same shape, float32
        In 0…1.
    """
    bands, frames = excerpt.shape[1:]
    if others and rng.random() < changes.mix_probability:
        level_db = rng.uniform(*changes.mix_db)
        excerpt = _mixed(excerpt, others[int(rng.integers(len(others)))], level_db)
    out = excerpt + _equaliser(bands, rng, changes)[None, :, None]
    np.clip(out, 0, 1, out=out)
    mean = out.mean(axis=(1, 2), keepdims=True)
    out[:, _stripe(bands, changes.mask_bands, rng)] = mean
    out[:, :, _stripe(frames, changes.mask_frames, rng)] = mean
    return out.astype(np.float32)


def _stripe(size: int, most: int, rng: np.random.Generator) -> slice:
    width = int(rng.integers(0, min(most, size - 1) + 1))
    start = int(rng.integers(0, size - width + 1))
    return slice(start, start + width)


def _two_starts(length: int, frames: int, rng: np.random.Generator) -> tuple[int, int]:
    free = length - 2 * frames
    if free < 0:  # they overlap as little as can be
        starts = (0, max(length - frames, 0))
    else:
        # A gap of any width between two excerpts in order, each place equally likely.
        a, b = np.sort(rng.integers(0, free + 1, 2))
        starts = (int(a), int(b) + frames)
    return starts if rng.random() < 0.5 else starts[::-1]


def _resampled(
    image: Image, start: int, frames: int, rng: np.random.Generator, changes: Augmentation | None
) -> FloatArray:
    """Interpolate linearly along both axes: other pitch, other tempo."""
    bands, length = image.shape[1:]
    if bands < 2 or length < 1:
        raise BadArgument(f"an image needs 2 bands and 1 frame, not {bands} and {length}")
    shift, speed = 0.0, 1.0
    if changes is not None:
        shift = rng.uniform(-changes.shift_bands, changes.shift_bands)
        speed = 1 + rng.uniform(-changes.stretch, changes.stretch)
    at = start + np.arange(frames) * speed
    if length > frames:
        at += min(0.0, length - 1 - at[-1])
    columns = np.floor(at).astype(int)
    part = (at - columns).astype(np.float32)
    left = image[:, :, columns % length].astype(np.float32)
    right = image[:, :, (columns + 1) % length].astype(np.float32)
    excerpt = left + part * (right - left)
    if shift:
        # A row that comes from beyond the edge repeats the edge.
        rows = np.clip(np.arange(bands) + shift, 0, bands - 1)
        above = np.minimum(np.floor(rows).astype(int), bands - 2)
        share = (rows - above).astype(np.float32)[None, :, None]
        excerpt = excerpt[:, above] + share * (excerpt[:, above + 1] - excerpt[:, above])
    return np.asarray(excerpt / _LARGEST, dtype=np.float32)


def _equaliser(bands: int, rng: np.random.Generator, changes: Augmentation) -> FloatArray:
    """Return what is added to each band, from the highest, in shares of the range."""
    place = np.linspace(1, 0, bands, dtype=np.float32)
    wave = np.sin(2 * np.pi * (rng.uniform(0.5, 2) * place + rng.uniform()))
    curve_db = (
        rng.uniform(-changes.gain_db, changes.gain_db)
        + rng.uniform(-changes.tilt_db, changes.tilt_db) * (place - 0.5)
        + rng.uniform(0, changes.wave_db) * wave
    )
    cut = rng.uniform(0, changes.low_pass_bands) - _LOW_PASS_SLOPE
    fall = np.clip((cut - np.arange(bands)) / _LOW_PASS_SLOPE + 1, 0, 1)
    return np.asarray(curve_db / RANGE_DB - fall, dtype=np.float32)


def _mixed(excerpt: FloatArray, other: FloatArray, level_db: float) -> FloatArray:
    """Add the powers of two excerpts, the second at a level against the first."""
    power = np.float32(10) ** ((excerpt - 1) * _BELS)
    power += np.float32(10) ** ((other - 1) * _BELS + level_db / 10)
    return np.asarray(1 + np.log10(power) / _BELS, dtype=np.float32)

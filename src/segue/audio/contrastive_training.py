"""Contrastive learning of spaces of sound: augmentation, batches and losses.

Two excerpts of a track are a positive pair, and the excerpts of all other tracks in the batch are
negatives: NT-Xent (Sohn 2016; Chen et al., "A simple framework for contrastive learning of visual
representations", ICML 2020; for music, Spijkervet & Burgoyne, CLMR, ISMIR 2021). If tracks have
labels, all excerpts of a label are positives of each other: SupCon (Khosla et al., "Supervised
contrastive learning", NeurIPS 2020). The network learns to ignore what augmentation changes.

Images are scaled decibels: 0 for -80 dB against the maximum of the track, 1 for 0 dB; row 0 is the
highest band.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from segue.audio.contrastive import Source
from segue.audio.embedding import POOLED_SIZE, Head
from segue.audio.spectrogram import RANGE_DB
from segue.errors import BadArgument
from segue.records import FloatArray

# --- augmentation ---

Image = NDArray[np.uint8]

_RANGE_BEL: Final = RANGE_DB / 10
_MAX_BYTE: Final = 255.0
_LOW_PASS_SLOPE: Final = 16.0  # bands over which a low-pass falls by all of the range


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Bounds of random augmentation to excerpts; all are drawn from uniform distributions.

    Attributes
    ----------
    gain_db : float
        Maximum absolute gain.
    tilt_db : float
        Maximum absolute tilt of the equaliser from the lowest to the highest band.
    wave_db : float
        Maximum amplitude of a sine wave over the bands that is added to the equaliser.
    low_pass_bands : int
        Maximum distance of the low-pass cut-off from the highest band, in bands.
    shift_bands : float
        Maximum pitch shift in bands.
    stretch : float
        Maximum relative change of tempo, below 1.
    mask_bands, mask_frames : int
        Maximum height and width of masked stripes.
    mix_probability : float
        Probability that an excerpt of another track is mixed in.
    mix_db : tuple of float
        Minimum and maximum level of the other track.
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


def two_crops(
    image: Image, frames: int, rng: np.random.Generator, augmentation: Augmentation | None
) -> tuple[FloatArray, FloatArray]:
    """Cut two random excerpts from an image, disjoint if it is long enough.

    Parameters
    ----------
    image : ndarray of uint8, shape (channels, bands, length)
        Repeated if shorter than an excerpt.
    frames : int
        Width of an excerpt.
    rng : numpy.random.Generator
    augmentation : Augmentation or None
        None augmentation neither pitch nor tempo.

    Returns
    -------
    tuple of two ndarray, shape (channels, bands, frames), float32
        Values from 0 to 1.
    """
    first, second = _two_starts(image.shape[2], frames, rng)
    return (
        _resampled(image, first, frames, rng, augmentation),
        _resampled(image, second, frames, rng, augmentation),
    )


def augment(
    excerpt: FloatArray,
    others: Sequence[FloatArray],
    rng: np.random.Generator,
    augmentation: Augmentation,
) -> FloatArray:
    """Mix in another track, equalise and mask an excerpt, at random.

    Parameters
    ----------
    excerpt : ndarray, shape (channels, bands, frames), float32
        Values from 0 to 1.
    others : sequence of ndarray, each of the same shape
        Excerpts of other tracks to mix in; may be empty.
    rng : numpy.random.Generator
    augmentation : Augmentation

    Returns
    -------
    ndarray, same shape, float32
        Values from 0 to 1.
    """
    bands, frames = excerpt.shape[1:]
    if others and rng.random() < augmentation.mix_probability:
        level_db = rng.uniform(*augmentation.mix_db)
        excerpt = _mixed(excerpt, others[int(rng.integers(len(others)))], level_db)
    out = excerpt + _equaliser(bands, rng, augmentation)[None, :, None]
    np.clip(out, 0, 1, out=out)
    mean = out.mean(axis=(1, 2), keepdims=True)
    out[:, _stripe(bands, augmentation.mask_bands, rng)] = mean
    out[:, :, _stripe(frames, augmentation.mask_frames, rng)] = mean
    return out.astype(np.float32)


def _stripe(size: int, max_width: int, rng: np.random.Generator) -> slice:
    width = int(rng.integers(0, min(max_width, size - 1) + 1))
    start = int(rng.integers(0, size - width + 1))
    return slice(start, start + width)


def _two_starts(length: int, frames: int, rng: np.random.Generator) -> tuple[int, int]:
    free = length - 2 * frames
    if free < 0:  # the overlap is as small as possible
        starts = (0, max(length - frames, 0))
    else:
        # All pairs of disjoint excerpts are equally likely.
        first, second = np.sort(rng.integers(0, free + 1, 2))
        starts = (int(first), int(second) + frames)
    return starts if rng.random() < 0.5 else starts[::-1]


def _resampled(
    image: Image,
    start: int,
    frames: int,
    rng: np.random.Generator,
    augmentation: Augmentation | None,
) -> FloatArray:
    """Cut an excerpt with a random change of pitch and tempo, by linear interpolation."""
    bands, length = image.shape[1:]
    if bands < 2 or length < 1:
        raise BadArgument(f"an image needs 2 bands and 1 frame, not {bands} and {length}")
    shift, speed = 0.0, 1.0
    if augmentation is not None:
        shift = rng.uniform(-augmentation.shift_bands, augmentation.shift_bands)
        speed = 1 + rng.uniform(-augmentation.stretch, augmentation.stretch)
    positions = start + np.arange(frames) * speed
    if length > frames:
        positions += min(0.0, length - 1 - positions[-1])
    columns = np.floor(positions).astype(int)
    part = (positions - columns).astype(np.float32)
    left = image[:, :, columns % length].astype(np.float32)
    right = image[:, :, (columns + 1) % length].astype(np.float32)
    excerpt = left + part * (right - left)
    if shift:
        # Rows beyond the edge repeat the edge.
        rows = np.clip(np.arange(bands) + shift, 0, bands - 1)
        above = np.minimum(np.floor(rows).astype(int), bands - 2)
        share = (rows - above).astype(np.float32)[None, :, None]
        excerpt = excerpt[:, above] + share * (excerpt[:, above + 1] - excerpt[:, above])
    return np.asarray(excerpt / _MAX_BYTE, dtype=np.float32)


def _equaliser(bands: int, rng: np.random.Generator, augmentation: Augmentation) -> FloatArray:
    """Return a random frequency response, from the highest band down, as shares of the range."""
    height = np.linspace(1, 0, bands, dtype=np.float32)
    wave = np.sin(2 * np.pi * (rng.uniform(0.5, 2) * height + rng.uniform()))
    curve_db = (
        rng.uniform(-augmentation.gain_db, augmentation.gain_db)
        + rng.uniform(-augmentation.tilt_db, augmentation.tilt_db) * (height - 0.5)
        + rng.uniform(0, augmentation.wave_db) * wave
    )
    cutoff = rng.uniform(0, augmentation.low_pass_bands) - _LOW_PASS_SLOPE
    low_pass = np.clip((cutoff - np.arange(bands)) / _LOW_PASS_SLOPE + 1, 0, 1)
    return np.asarray(curve_db / RANGE_DB - low_pass, dtype=np.float32)


def _mixed(excerpt: FloatArray, other: FloatArray, level_db: float) -> FloatArray:
    """Add the powers of two excerpts, the second with a gain."""
    power = np.float32(10) ** ((excerpt - 1) * _RANGE_BEL)
    power += np.float32(10) ** ((other - 1) * _RANGE_BEL + level_db / 10)
    return np.asarray(1 + np.log10(power) / _RANGE_BEL, dtype=np.float32)


# --- batches and losses ---

Ints = NDArray[np.int64]

#: Label of tracks without a label.
UNLABELLED: Final = -1
LABEL_STRENGTH: Final = 0.6
_VALIDATION_SEED: Final = 20
_MIX_CANDIDATES: Final = 8  # excerpts of the batch, one of which may be mixed in
_TINY: Final = 1e-12


@dataclass(frozen=True, slots=True)
class ContrastiveTraining:
    """Hyperparameters of contrastive training; JOURNAL.md has the reasons.

    Attributes
    ----------
    batch : int
        Number of tracks in a batch, each with two excerpts.
    temperature : float
        Temperature of the softmax; a low temperature emphasises hard negatives.
    label_weight : float
        Weight of the supervised loss, 0 to 1.
    augmentation : Augmentation
        Used for log-mel images.
    """

    batch: int = 96
    temperature: float = 0.2
    label_weight: float = 0.5
    augmentation: Augmentation = field(default_factory=Augmentation)


def default_training(source: Source, *, labelled: bool) -> ContrastiveTraining:
    """Return the default hyperparameters for an input."""
    if source == "log-mel":
        return ContrastiveTraining()
    if labelled:
        return ContrastiveTraining(batch=256, temperature=0.1, label_weight=1.0)
    return ContrastiveTraining(batch=256, temperature=0.5, label_weight=0.0)


class ContrastiveObjective(NamedTuple):
    """Random training batches, fixed validation batches, and the loss of a training loop."""

    draw: Callable[[np.random.Generator], tuple[Tensor, ...]]
    validation: Callable[[], list[tuple[Tensor, ...]]]
    loss: Callable[..., Tensor]


def from_images(
    images: Sequence[Image],
    frames: int,
    train_tracks: Ints,
    validation_tracks: Ints,
    labels: Ints | None,
    config: ContrastiveTraining,
) -> ContrastiveObjective:
    """Create the objective for log-mel images.

    Parameters
    ----------
    images : sequence of ndarray of uint8, each of shape (channels, bands, length)
        One per track.
    frames : int
        Width of a tile.
    train_tracks, validation_tracks : ndarray of int
        Indices of the tracks of each set; at least 2.
    labels : ndarray of int, shape (len(images),), or None
        Index of the album or artist of each track, -1 for none.

    Returns
    -------
    ContrastiveObjective
        Batches are pairs of tiles, shape (2 B, channels, bands, frames), with the excerpts of
        track i at i and B + i, and labels, shape (B,).
    """
    numbers = _checked(train_tracks, validation_tracks, labels, len(images))

    def batch(tracks: Ints, rng: np.random.Generator) -> tuple[Tensor, ...]:
        pairs = [two_crops(images[i], frames, rng, config.augmentation) for i in tracks]
        tiles = [pair[side] for side in (0, 1) for pair in pairs]
        out = np.empty((len(tiles), *tiles[0].shape), np.float32)
        for position, tile in enumerate(tiles):
            offsets = rng.integers(1, len(tracks), _MIX_CANDIDATES)
            others = [tiles[i] for i in (position + offsets) % len(tracks)]
            out[position] = augment(tile, others, rng, config.augmentation)
        return torch.from_numpy(out), torch.from_numpy(numbers[tracks])

    return _objective(batch, train_tracks, validation_tracks, config)


def two_views(pooled: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Average two random disjoint sets of the patches of a track; equal ones if it has only one.

    Parameters
    ----------
    pooled : ndarray, shape (patches, 1506), float32
        MusiCNN's pooled activations of at least one patch.

    Returns
    -------
    tuple of two ndarray, shape (1506,), float32
    """
    if pooled.ndim != 2 or pooled.shape[1] != POOLED_SIZE or len(pooled) == 0:
        raise BadArgument(
            f"expected activations of shape (patches, {POOLED_SIZE}), got {pooled.shape}"
        )
    order = rng.permutation(len(pooled))
    half = max(len(order) // 2, 1)
    count = int(rng.integers(min(2, half), half + 1))
    first, second = (
        pooled[rows].mean(axis=0, dtype=np.float32) for rows in (order[:count], order[-count:])
    )
    return first, second


def from_activations(
    tracks: Sequence[FloatArray],
    train_tracks: Ints,
    validation_tracks: Ints,
    labels: Ints | None,
    config: ContrastiveTraining,
) -> ContrastiveObjective:
    """Create the objective for MusiCNN's activations.

    Parameters
    ----------
    tracks : sequence of ndarray, each of shape (patches, 1506), float32
        MusiCNN's pooled activations of each track.
    train_tracks, validation_tracks, labels, config
        As for `from_images`.

    Returns
    -------
    ContrastiveObjective
        Batches are pairs of activations, shape (2 B, 1506), with the views of track i at i and
        B + i, and labels, shape (B,).
    """
    numbers = _checked(train_tracks, validation_tracks, labels, len(tracks))

    def batch(chosen: Ints, rng: np.random.Generator) -> tuple[Tensor, ...]:
        pairs = [two_views(tracks[i], rng) for i in chosen]
        views = np.stack([pair[side] for side in (0, 1) for pair in pairs])
        return torch.from_numpy(views), torch.from_numpy(numbers[chosen])

    return _objective(batch, train_tracks, validation_tracks, config)


def apply_wccn(
    head: Head, vectors: FloatArray, labels: Ints, strength: float = LABEL_STRENGTH
) -> Head:
    """Reduce the variation within albums or artists in the space `sound`.

    Within-class covariance normalisation (Hatch, Kajarekar & Stolcke, Interspeech 2006) is applied
    to the part of the embeddings that comes from features: coordinates are multiplied by the
    inverse square root of ``(1 - s) I + s W``, where W is the covariance within labels, scaled to a
    mean variance of 1. It needs only embeddings and generalises to unseen albums. The part of
    activations is better left as it is; see JOURNAL.md.

    Parameters
    ----------
    vectors : ndarray, shape (tracks, head.dimension), float32
        Embeddings of the tracks by `head`.
    labels : ndarray of int, shape (tracks,)
        Index of the album or artist, -1 for none. Labels of a single track are ignored.
    strength : float
        s, from 0 to below 1.

    Raises
    ------
    BadArgument
        The shapes do not fit, or no label has two tracks.
    """
    if vectors.shape != (len(labels), head.dimension):
        raise BadArgument(
            f"vectors have shape {vectors.shape}, expected ({len(labels)}, {head.dimension})"
        )
    whitener = _whitener(vectors[:, head.pooled_map.shape[1] :], labels, strength)
    return replace(head, features_map=(head.features_map @ whitener).astype(np.float32))


def _whitener(part: FloatArray, labels: Ints, strength: float) -> NDArray[np.float64]:
    known = labels != UNLABELLED
    codes = np.unique(labels[known], return_inverse=True)[1]
    counts = np.bincount(codes)
    degrees_of_freedom = len(codes) - len(counts)
    if degrees_of_freedom < 1:
        raise BadArgument("no label has two tracks: labels cannot be used")
    x = part[known].astype(np.float64)
    sums = np.zeros((len(counts), x.shape[1]))
    np.add.at(sums, codes, x)
    residuals = x - (sums / counts[:, None])[codes]
    covariance = residuals.T @ residuals / degrees_of_freedom
    covariance *= len(covariance) / max(float(np.trace(covariance)), _TINY)
    shrunk = (1 - strength) * np.eye(len(covariance)) + strength * covariance
    values, axes = np.linalg.eigh(shrunk)
    return np.asarray(axes / np.sqrt(np.maximum(values, _TINY)) @ axes.T)


def contrastive_loss(vectors: Tensor, labels: Tensor, config: ContrastiveTraining) -> Tensor:
    """Return NT-Xent, interpolated with SupCon by the label weight.

    Parameters
    ----------
    vectors : Tensor, shape (2 B, D), float32
        Unit vectors; rows i and B + i are of one track.
    labels : Tensor of int, shape (B,)
        -1 for none.

    Returns
    -------
    Tensor, scalar
        In nats; log(2 B - 1) at chance.

    Raises
    ------
    BadArgument
        The shapes do not fit, or the batch has a single track.
    """
    n = len(labels)
    if n < 2 or vectors.shape[0] != 2 * n:
        raise BadArgument(
            f"expected two vectors for each of 2 tracks or more, got {len(vectors)} for {n} labels"
        )
    identity = torch.eye(2 * n, dtype=torch.bool, device=vectors.device)
    similarity = (vectors @ vectors.T / config.temperature).masked_fill(identity, -torch.inf)
    log_prob = F.log_softmax(similarity, dim=1).masked_fill(identity, 0.0)
    same_track = identity.roll(n, dims=0)
    nt_xent = -log_prob[same_track].mean()
    if config.label_weight == 0:
        return nt_xent
    label = labels.repeat(2)
    same_label = (label[:, None] == label[None]) & (label[:, None] != UNLABELLED)
    positive = same_label & ~identity | same_track
    sup_con = -((log_prob * positive).sum(dim=1) / positive.sum(dim=1)).mean()
    return (1 - config.label_weight) * nt_xent + config.label_weight * sup_con


def _objective(
    batch: Callable[[Ints, np.random.Generator], tuple[Tensor, ...]],
    train_tracks: Ints,
    validation_tracks: Ints,
    config: ContrastiveTraining,
) -> ContrastiveObjective:
    def draw(rng: np.random.Generator) -> tuple[Tensor, ...]:
        tracks = rng.permutation(train_tracks)[: config.batch]
        return batch(tracks, rng)

    def validation() -> list[tuple[Tensor, ...]]:
        # Batches of similar size, since the loss grows with the number of negatives.
        count = max(1, round(len(validation_tracks) / config.batch))
        parts = np.array_split(validation_tracks, count)
        rng = np.random.default_rng(_VALIDATION_SEED)
        return [batch(part, rng) for part in parts]

    def loss(network: nn.Module, x: Tensor, labels: Tensor) -> Tensor:
        return contrastive_loss(network(x).float(), labels, config)

    return ContrastiveObjective(draw, validation, loss)


def _checked(train_tracks: Ints, validation_tracks: Ints, labels: Ints | None, tracks: int) -> Ints:
    """Check the sets, and return the labels, all -1 for None."""
    if min(len(train_tracks), len(validation_tracks)) < 2:
        raise BadArgument(
            f"contrastive training needs at least 2 training and 2 validation tracks, not "
            f"{len(train_tracks)} and {len(validation_tracks)}; add more tracks"
        )
    numbers = np.full(tracks, UNLABELLED) if labels is None else np.asarray(labels, np.int64)
    if numbers.shape != (tracks,):
        raise BadArgument(f"{numbers.shape} labels for {tracks} tracks: one is needed per track")
    return numbers

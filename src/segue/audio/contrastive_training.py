"""Contrastive learning: augmentation, batches, losses.

Excerpts of log-mel images, changed as other equipment, keys and tempos would change them.

A contrastive network learns to place two excerpts of a track together. What is changed at
random between them is what the network shall not hear.

Images are scaled decibels: 0 stands for -80 dB against the track's maximum, 1 for 0 dB; row 0
is the highest band.

What is drawn and minimised when a contrastive space is learned: functions of arrays.

Two excerpts of a track are a positive pair, those of all other tracks in the batch stand
against it (NT-Xent: Sohn 2016; Chen et al., "A simple framework for contrastive learning of
visual representations", ICML 2020; with music: Spijkervet & Burgoyne, CLMR, ISMIR 2021). Where
tracks have labels, all excerpts of a label are positives of each other too (SupCon: Khosla et
al., "Supervised contrastive learning", NeurIPS 2020).
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
from segue.errors import BadArgument
from segue.records import FloatArray

# --- augment ---

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


def two_crops(
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


def augment(
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


# --- contrastive ---

Ints = NDArray[np.int64]

#: For tracks without a label.
UNLABELLED: Final = -1
_VALIDATION_SEED: Final = 20
#: Another excerpt is mixed in from so many of the batch, so that not all are held twice.
_OTHERS: Final = 8
_COPY_PROBABILITY: Final = 0.5
_TINY: Final = 1e-12


@dataclass(frozen=True, slots=True)
class ContrastiveTraining:
    """How a contrastive space is learned; chosen as JOURNAL.md tells.

    Attributes
    ----------
    batch : int
        Tracks of a batch, each with two excerpts.
    temperature : float
        Of the loss: low ones weigh the most alike of the other tracks most.
    label_weight : float
        Within 0…1: the share of the supervised loss where there are labels.
    augmentation : Augmentation
        Of log-mel excerpts.
    """

    batch: int = 96
    temperature: float = 0.2
    label_weight: float = 0.5
    augmentation: Augmentation = field(default_factory=Augmentation)


def default_training(source: Source, *, labelled: bool) -> ContrastiveTraining:
    """Return the settings that were chosen for a network's source.

    From activations alone few steps are taken, 40 with a learning rate of 3e-3 falling along a
    cosine: a head that learns longer to tell tracks apart tells albums' tracks apart as well.
    """
    if source == "log-mel":
        return ContrastiveTraining()
    if labelled:
        return ContrastiveTraining(batch=256, temperature=0.1, label_weight=1.0)
    return ContrastiveTraining(batch=256, temperature=0.5, label_weight=0.0)


@dataclass(frozen=True, slots=True)
class LabelStrength:
    """How far each part of a vector is drawn together by labels, within 0…1, below 1.

    Attributes
    ----------
    pooled : float
        The part made from activations.
    features : float
        The part made from features.
    """

    pooled: float = 0.0
    features: float = 0.6


class ContrastiveObjective(NamedTuple):
    """What a training loop needs: batches to learn from, fixed ones to judge by, a loss."""

    draw: Callable[[np.random.Generator], tuple[Tensor, ...]]
    validation: Callable[[], list[tuple[Tensor, ...]]]
    loss: Callable[..., Tensor]


def from_images(
    images: Sequence[Image],
    frames: int,
    learn: Ints,
    held: Ints,
    labels: Ints | None,
    config: ContrastiveTraining,
) -> ContrastiveObjective:
    """Prepare learning from log-mel images.

    Parameters
    ----------
    images : sequence of ndarray of uint8, each of shape (channels, bands, length)
        One per track, for instance read from a cache when asked for.
    frames : int
        Width of a tile.
    learn, held : ndarray of int
        Tracks to learn from, and to judge by; 2 or more each.
    labels : ndarray of int, shape (len(images),), or None
        An album's or artist's number per track, -1 for none.
    config : ContrastiveTraining

    Returns
    -------
    Task
        Batches are of tiles, shape (2 B, channels, bands, frames), both excerpts of track i
        at i and B + i, and labels, shape (B,).
    """
    numbers = _checked(learn, held, labels, len(images))

    def batch(tracks: Ints, rng: np.random.Generator) -> tuple[Tensor, ...]:
        pairs = [two_crops(images[i], frames, rng, config.augmentation) for i in tracks]
        tiles = [pair[side] for side in (0, 1) for pair in pairs]
        out = np.empty((len(tiles), *tiles[0].shape), np.float32)
        for place, tile in enumerate(tiles):
            near = (place + rng.integers(1, len(tracks), _OTHERS)) % len(tracks)
            others = [tiles[i] for i in near]
            out[place] = augment(tile, others, rng, config.augmentation)
        return torch.from_numpy(out), torch.from_numpy(numbers[tracks])

    return _task(batch, learn, held, config)


@dataclass(frozen=True, slots=True)
class TrackActivations:
    """MusiCNN's pooled activations of one track.

    Attributes
    ----------
    pooled : ndarray, shape (patches, 1506), float32
        1 patch or more.
    copies : tuple of ndarray, each of shape (patches, 1506), float32
        Of copies that were produced otherwise; may be empty.
    """

    pooled: FloatArray
    copies: tuple[FloatArray, ...] = ()

    def __post_init__(self) -> None:
        """Check the shapes."""
        for pooled in (self.pooled, *self.copies):
            if pooled.ndim != 2 or pooled.shape[1] != POOLED_SIZE or len(pooled) == 0:
                raise BadArgument(
                    f"expected activations of shape (patches, {POOLED_SIZE}), got {pooled.shape}"
                )

    def two_views(self, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """Draw two disjoint sets of patches, the second maybe of a copy, and average each.

        Returns
        -------
        tuple of two ndarray, shape (1506,), float32
        """
        order = rng.permutation(len(self.pooled))
        half = max(len(order) // 2, 1)
        count = int(rng.integers(min(2, half), half + 1))
        first, second = self.pooled[order[:count]], self.pooled[order[-count:]]
        if self.copies and rng.random() < _COPY_PROBABILITY:
            copy = self.copies[int(rng.integers(len(self.copies)))]
            second = copy[rng.permutation(len(copy))[:count]]
        return first.mean(axis=0, dtype=np.float32), second.mean(axis=0, dtype=np.float32)


def from_activations(
    tracks: Sequence[TrackActivations],
    learn: Ints,
    held: Ints,
    labels: Ints | None,
    config: ContrastiveTraining,
) -> ContrastiveObjective:
    """Prepare learning from cached activations.

    Parameters
    ----------
    tracks : sequence of Heard
        A track of a single patch, without copies, is its own other view.
    learn, held, labels, config
        As for `from_images`.

    Returns
    -------
    Task
        Batches are of activations, shape (2 B, 1506), both views of track i at i and B + i,
        and labels, shape (B,).
    """
    numbers = _checked(learn, held, labels, len(tracks))

    def batch(chosen: Ints, rng: np.random.Generator) -> tuple[Tensor, ...]:
        pairs = [tracks[i].two_views(rng) for i in chosen]
        views = np.stack([pair[side] for side in (0, 1) for pair in pairs])
        return torch.from_numpy(views), torch.from_numpy(numbers[chosen])

    return _task(batch, learn, held, config)


def apply_wccn(head: Head, vectors: FloatArray, labels: Ints, strength: LabelStrength) -> Head:
    """Damp in the space `sound` what varies within albums or artists.

    Within-class covariance normalisation (Hatch, Kajarekar & Stolcke, Interspeech 2006) of
    either part of the vectors: its coordinates are multiplied with the inverse root of
    ``(1 - s) I + s W``, W being the mean scatter within labels scaled to a mean variance of 1.
    It takes no steps and no more than a library's vectors, and what it learned carries to
    albums that it did not see; see JOURNAL.md.

    Parameters
    ----------
    head : Head
        Of the space `sound`.
    vectors : ndarray, shape (tracks, head.dimension), float32
        The tracks' vectors in that space.
    labels : ndarray of int, shape (tracks,)
        An album's or artist's number, -1 for none. Labels of a single track tell nothing.
    strength : LabelStrength

    Returns
    -------
    Head
        Without aspects: the directions that had names are others now.

    Raises
    ------
    BadArgument
        Where the shapes do not fit, or no label has two tracks.
    """
    if vectors.shape != (len(labels), head.dimension):
        raise BadArgument(
            f"vectors have shape {vectors.shape}, expected ({len(labels)}, {head.dimension})"
        )
    size = head.pooled_map.shape[1]
    pooled = _whitener(vectors[:, :size], labels, strength.pooled)
    features = _whitener(vectors[:, size:], labels, strength.features)
    return replace(
        head,
        pooled_map=(head.pooled_map @ pooled).astype(np.float32),
        features_map=(head.features_map @ features).astype(np.float32),
    )


def _whitener(part: FloatArray, labels: Ints, strength: float) -> NDArray[np.float64]:
    known = labels != UNLABELLED
    codes = np.unique(labels[known], return_inverse=True)[1]
    counts = np.bincount(codes)
    freedom = len(codes) - len(counts)
    if freedom < 1:
        raise BadArgument("no label has two tracks: nothing can be learned from labels")
    x = part[known].astype(np.float64)
    sums = np.zeros((len(counts), x.shape[1]))
    np.add.at(sums, codes, x)
    residuals = x - (sums / counts[:, None])[codes]
    scatter = residuals.T @ residuals / freedom
    scatter *= len(scatter) / max(float(np.trace(scatter)), _TINY)
    values, axes = np.linalg.eigh((1 - strength) * np.eye(len(scatter)) + strength * scatter)
    return np.asarray(axes / np.sqrt(np.maximum(values, _TINY)) @ axes.T)


def contrastive_loss(vectors: Tensor, labels: Tensor, config: ContrastiveTraining) -> Tensor:
    """Return NT-Xent, mixed with SupCon where tracks share labels.

    Parameters
    ----------
    vectors : Tensor, shape (2 B, D), float32
        Of length 1; rows i and B + i come from one track.
    labels : Tensor of int, shape (B,)
        -1 for none.
    config : ContrastiveTraining

    Returns
    -------
    Tensor, scalar
        In nats; a network that cannot tell tracks apart has log(2 B - 1).

    Raises
    ------
    BadArgument
        Where the shapes do not fit, or the batch is a single track.
    """
    n = len(labels)
    if n < 2 or vectors.shape[0] != 2 * n:
        raise BadArgument(
            f"expected two vectors for each of 2 tracks or more, got {len(vectors)} for {n} labels"
        )
    own = torch.eye(2 * n, dtype=torch.bool, device=vectors.device)
    similarity = (vectors @ vectors.T / config.temperature).masked_fill(own, -torch.inf)
    log_share = F.log_softmax(similarity, dim=1).masked_fill(own, 0.0)
    twin = own.roll(n, dims=0)
    by_track = -log_share[twin].mean()
    if config.label_weight == 0:
        return by_track
    label = labels.repeat(2)
    alike = (label[:, None] == label[None]) & (label[:, None] != UNLABELLED) & ~own | twin
    by_label = -((log_share * alike).sum(dim=1) / alike.sum(dim=1)).mean()
    return (1 - config.label_weight) * by_track + config.label_weight * by_label


def _task(
    batch: Callable[[Ints, np.random.Generator], tuple[Tensor, ...]],
    learn: Ints,
    held: Ints,
    config: ContrastiveTraining,
) -> ContrastiveObjective:
    def draw(rng: np.random.Generator) -> tuple[Tensor, ...]:
        tracks = rng.permutation(learn)[: config.batch]
        return batch(tracks, rng)

    def validation() -> list[tuple[Tensor, ...]]:
        # Batches of like size: the loss grows with the number of tracks to tell apart.
        parts = np.array_split(held, max(1, round(len(held) / config.batch)))
        rng = np.random.default_rng(_VALIDATION_SEED)
        return [batch(part, rng) for part in parts]

    def loss(network: nn.Module, x: Tensor, labels: Tensor) -> Tensor:
        return contrastive_loss(network(x).float(), labels, config)

    return ContrastiveObjective(draw, validation, loss)


def _checked(learn: Ints, held: Ints, labels: Ints | None, tracks: int) -> Ints:
    """Return the labels, none where None is given."""
    if min(len(learn), len(held)) < 2:
        raise BadArgument(
            f"learning by contrast needs 2 tracks or more to learn from and to judge by, not "
            f"{len(learn)} and {len(held)}; add more tracks"
        )
    numbers = np.full(tracks, UNLABELLED) if labels is None else np.asarray(labels, np.int64)
    if numbers.shape != (tracks,):
        raise BadArgument(f"{numbers.shape} labels for {tracks} tracks: one is needed per track")
    return numbers

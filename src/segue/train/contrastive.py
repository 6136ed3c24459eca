"""What is drawn and minimised when a contrastive space is learned: functions of arrays.

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

from segue.errors import BadArgument
from segue.model.sound.contrastive import Source
from segue.model.sound.head import POOLED_SIZE, Head
from segue.records import FloatArray
from segue.represent.augment import Augmentation, Image, changed, two_excerpts

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


def training_for(source: Source, *, labelled: bool) -> ContrastiveTraining:
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


class Task(NamedTuple):
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
) -> Task:
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
        pairs = [two_excerpts(images[i], frames, rng, config.augmentation) for i in tracks]
        tiles = [pair[side] for side in (0, 1) for pair in pairs]
        out = np.empty((len(tiles), *tiles[0].shape), np.float32)
        for place, tile in enumerate(tiles):
            near = (place + rng.integers(1, len(tracks), _OTHERS)) % len(tracks)
            others = [tiles[i] for i in near]
            out[place] = changed(tile, others, rng, config.augmentation)
        return torch.from_numpy(out), torch.from_numpy(numbers[tracks])

    return _task(batch, learn, held, config)


@dataclass(frozen=True, slots=True)
class Heard:
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
    tracks: Sequence[Heard],
    learn: Ints,
    held: Ints,
    labels: Ints | None,
    config: ContrastiveTraining,
) -> Task:
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


def drawn_by_labels(head: Head, vectors: FloatArray, labels: Ints, strength: LabelStrength) -> Head:
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
) -> Task:
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

    return Task(draw, validation, loss)


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

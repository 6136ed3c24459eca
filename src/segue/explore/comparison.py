"""Comparison of two tracks feature by feature; what a trained space encodes.

Cosine similarity and squared distance of two feature vectors are sums over the features, so each
feature has a share of both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from segue.audio.autoencoders import AutoencoderConfig
from segue.audio.spectrogram import LOG_MEL_SPECS, LogMelSpec
from segue.audio.training import tile_at, tiles_of
from segue.builtin_spaces import MUSICNN_TAGS, builtin_spaces, feature_z_scores
from segue.deprecation import RenamedAttributes
from segue.errors import BadArgument, NotFound
from segue.evaluation.projection import l2_normalise
from segue.feature_names import FEATURE_GROUPS, FEATURE_NAMES
from segue.ingest.analysis import read_score
from segue.ingest.cache import fill_cache
from segue.media import MEDIA
from segue.records import FloatArray, Medium, Track
from segue.render.plots import Filter
from segue.score.fingerprint import BarPair, similar_bars
from segue.store import Store
from segue.training.sound import image_of, load, reader, representation, step_frames

#: Maximum number of filters that are shown of a layer.
MAX_FILTERS: Final = 32


@dataclass(frozen=True, slots=True)
class FeatureContribution(RenamedAttributes):
    """Contribution of a feature, or of a group of features, to similarity and distance.

    Attributes
    ----------
    name : str
        Name of the feature or group.
    similarity_share : float
        Its term of the cosine similarity; the terms of all features sum to it.
    distance_share : float
        Its share, 0 to 1, of the squared distance of the two unit vectors.
    first, second : float, optional
        Values of both tracks, in standard deviations from the average; None for a group.
    """

    _renamed: ClassVar[dict[str, str]] = {"alike": "similarity_share", "apart": "distance_share"}

    name: str
    similarity_share: float
    distance_share: float
    first: float | None = None
    second: float | None = None

    def to_json(self) -> dict[str, object]:
        """Return the fields under their names in the schema ``segue.compare``."""
        return {
            "name": self.name,
            "alike": self.similarity_share,
            "apart": self.distance_share,
            "first": self.first,
            "second": self.second,
        }


@dataclass(frozen=True, slots=True)
class Comparison(RenamedAttributes):
    """Two tracks of one medium, compared feature by feature.

    Attributes
    ----------
    kind : str
        Medium of both.
    similarities : dict of str to float
        Cosine similarity by space, for each space that has both.
    groups : tuple of FeatureContribution
        Groups of features, the largest share of the similarity first.
    features : tuple of FeatureContribution
        Features in the order of their space.
    tags : tuple of FeatureContribution
        Tags of recordings; empty for other media.
    bars : tuple of BarPair
        Similar bars of scores; empty for other media.
    """

    _renamed: ClassVar[dict[str, str]] = {
        "most_alike": "most_similar",
        "most_apart": "most_different",
    }

    kind: Medium
    first: Track
    second: Track
    similarities: dict[str, float]
    groups: tuple[FeatureContribution, ...]
    features: tuple[FeatureContribution, ...]
    tags: tuple[FeatureContribution, ...]
    bars: tuple[BarPair, ...]

    def most_similar(self, n: int) -> list[FeatureContribution]:
        """Return the features with the largest positive shares of the similarity."""
        ordered = sorted(self.features, key=lambda feature: -feature.similarity_share)
        return [feature for feature in ordered[:n] if feature.similarity_share > 0]

    def most_different(self, n: int) -> list[FeatureContribution]:
        """Return the features with the largest shares of the distance."""
        ordered = sorted(self.features, key=lambda feature: -feature.distance_share)
        return [feature for feature in ordered[:n] if feature.distance_share > 0]


def feature_contributions(
    names: Sequence[str],
    a: FloatArray,
    b: FloatArray,
    scores: tuple[FloatArray, FloatArray],
) -> tuple[FeatureContribution, ...]:
    """Divide similarity and distance of two vectors among their features.

    Parameters
    ----------
    names : sequence of str
        Names of the features.
    a, b : ndarray, shape (len(names),), float32
        Vectors of the two tracks.
    scores : two ndarrays, each of shape (len(names),)
        Z-scores of the two tracks.

    Returns
    -------
    tuple of FeatureContribution
        Contributions in the order of the names.
    """
    similarity, distance = _shares(a, b)
    columns = (similarity, distance, *scores)
    rows = zip(names, *(column.tolist() for column in columns), strict=True)
    return tuple(FeatureContribution(*row) for row in rows)


def group_contributions(
    groups: Mapping[str, slice], a: FloatArray, b: FloatArray
) -> tuple[FeatureContribution, ...]:
    """Divide similarity and distance of two vectors among groups of features."""
    similarity, distance = _shares(a, b)
    contributions = [
        FeatureContribution(name, float(similarity[part].sum()), float(distance[part].sum()))
        for name, part in groups.items()
    ]
    return tuple(sorted(contributions, key=lambda group: -group.similarity_share))


def _shares(a: FloatArray, b: FloatArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return each feature's term of the cosine, and its share of the squared distance."""
    first, second = (
        vector.astype(np.float64) / (float(np.linalg.norm(vector)) or 1.0) for vector in (a, b)
    )
    squared = (first - second) ** 2
    return first * second, squared / (float(squared.sum()) or 1.0)


def compare(store: Store, first: Track, second: Track, n: int = 5) -> Comparison:
    """Compare two tracks of one medium.

    Parameters
    ----------
    first, second : Track
        Two different tracks.
    n : int
        Maximum number of pairs of similar bars.

    Raises
    ------
    BadArgument
        The tracks are of different media, or the same.
    NotFound
        A track has no embedding in the space of features.
    Unreadable
        The file of a score cannot be read.
    """
    if first.kind != second.kind:
        nouns = MEDIA[first.kind].noun, MEDIA[second.kind].noun
        raise BadArgument(
            f"{first.id} is a {nouns[0]} and {second.id} a {nouns[1]}: they have no space in "
            "common; compare two of one kind"
        )
    if first.id == second.id:
        raise BadArgument(f"both are the track {first.id}; name two")
    a, b = (_features(store, track) for track in (first, second))
    z_scores = feature_z_scores(first.kind, a), feature_z_scores(first.kind, b)
    features = feature_contributions(FEATURE_NAMES[first.kind], a, b, z_scores)
    feature_groups = FEATURE_GROUPS[first.kind]
    # Hash buckets of character n-grams have no meaning by themselves.
    features = features[feature_groups.get("characters", slice(0)).stop :]
    groups = group_contributions(feature_groups, a, b)
    has_tags = "tags" in builtin_spaces(first.kind)
    tags = _tag_contributions(store, first, second) if has_tags else ()
    bars: tuple[BarPair, ...] = ()
    if first.kind == "score":
        score, other = (read_score(track.path, track.tune) for track in (first, second))
        bars = similar_bars(score, other, n)
    similarities = _similarities(store, first, second)
    return Comparison(first.kind, first, second, similarities, groups, features, tags, bars)


def _features(store: Store, track: Track) -> FloatArray:
    space = MEDIA[track.kind].feature_space
    vector = store.spaces.find_vector(space, track.id)
    if vector is None:
        raise NotFound(f"the track {track.id} has no place in the space {space!r}")
    return vector


def _similarities(store: Store, first: Track, second: Track) -> dict[str, float]:
    similarities = {}
    for info in store.spaces.known():
        if info.space.kind == first.kind and not info.outdated:
            a, b = (store.spaces.find_vector(info.space.name, t.id) for t in (first, second))
            if a is not None and b is not None:
                unit = l2_normalise(np.stack([a, b]))
                similarities[info.space.name] = float(unit[0] @ unit[1])
    return similarities


def _tag_contributions(
    store: Store, first: Track, second: Track
) -> tuple[FeatureContribution, ...]:
    a, b = (store.spaces.find_vector("tags", track.id) for track in (first, second))
    return () if a is None or b is None else feature_contributions(MUSICNN_TAGS, a, b, (a, b))


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """A recording's spectrogram, and its reconstruction by the autoencoder of a space.

    Attributes
    ----------
    image, reconstruction : ndarray, shape (bands, frames), float32
        Mel channels with values from 0 to 1, the highest band first; of stereo, the left one.
    code : ndarray, shape (channels, steps)
        Latent image in order of time.
    """

    track: Track
    image: FloatArray
    reconstruction: FloatArray
    code: FloatArray
    kind: LogMelSpec


def reconstruct(store: Store, space: str, track: Track) -> Reconstruction:
    """Encode a recording and decode it again, tile by tile.

    Raises
    ------
    BadArgument
        The network of the space is no autoencoder.
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
    tiles = np.stack([tile_at(image, index * frames, frames) for index in range(count)])
    decoded, code = sound.reconstruct(tiles, step_frames(track, config.step, config.image))
    return Reconstruction(
        track,
        np.concatenate(list(tiles[:, 0]), axis=1).astype(np.float32) / np.float32(255),
        np.concatenate(list(decoded[:, 0]), axis=1),
        _concatenate_codes(code),
        LOG_MEL_SPECS[config.image],
    )


def _concatenate_codes(code: FloatArray) -> FloatArray:
    """Concatenate the codes of successive tiles in time; shape (channels, steps)."""
    if code.ndim == 2:
        return code.T
    tiles, channels, bands, steps = code.shape
    by_tile = code.reshape(tiles, channels * bands, steps)
    return by_tile.transpose(1, 0, 2).reshape(channels * bands, tiles * steps)


def first_layer_filters(
    store: Store, space: str, tracks: Sequence[Track], n_tracks: int
) -> list[Filter]:
    """Return the filters of the first layers of a space's network, with their top tracks.

    Of a layer with many filters, the `MAX_FILTERS` whose activation varies most are taken.

    Parameters
    ----------
    space : str
        Space trained on recordings.
    tracks : sequence of Track
        Recordings whose activations are compared.
    n_tracks : int
        Number of tracks that are named for each filter.
    """
    sound = load(store, space)
    config = sound.config
    if config.image not in LOG_MEL_SPECS:
        raise BadArgument(f"the space {space!r} was trained on MusiCNN, not on images")
    cache, _ = fill_cache(store.folder, representation(config), tracks, 1)
    cached = [track for track in tracks if track.content_hash in cache]
    read = reader(cache)
    activations: dict[str, list[FloatArray]] = {}
    weights: dict[str, FloatArray] = {}
    for track in cached:
        tiles = tiles_of(config, read(track.content_hash))
        step = step_frames(track, config.step, config.image)
        for layer in sound.first_layers(tiles, step):
            activations.setdefault(layer.name, []).append(layer.excitation)
            weights[layer.name] = layer.weights
    names = [" - ".join(filter(None, (t.tags.artist, t.tags.title))) for t in cached]
    filters = []
    for name, rows in activations.items():
        table = np.stack(rows)
        most_varied = np.argsort(-table.std(axis=0), kind="stable")[:MAX_FILTERS]
        for index in sorted(most_varied.tolist()):
            order = np.argsort(-table[:, index], kind="stable")[:n_tracks]
            top_tracks = tuple(names[row] for row in order)
            filters.append(Filter(f"{name}, filter {index + 1}", weights[name][index], top_tracks))
    return filters

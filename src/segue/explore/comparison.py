"""Comparison of two tracks feature by feature; what a trained space encodes.

Cosine similarity and squared distance of two feature vectors are sums over the features, so each
feature has a share of both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from segue.audio.autoencoders import AutoencoderConfig
from segue.audio.features import z_scores
from segue.audio.spectrogram import LOG_MEL_SPECS, LogMelSpec
from segue.audio.training import tile_at, tiles_of
from segue.builtin_spaces import MUSICNN_TAGS
from segue.deprecation import RenamedAttributes
from segue.errors import BadArgument, NotFound
from segue.evaluation.projection import l2_normalise
from segue.feature_names import (
    SCORE_FEATURE_GROUPS,
    SCORE_FEATURE_NAMES,
    SOUND_FEATURE_GROUPS,
    SOUND_FEATURE_NAMES,
    STYLE_FEATURE_GROUPS,
    STYLE_FEATURE_NAMES,
)
from segue.ingest.single_file import read_score
from segue.lyrics.features import style_z_scores
from segue.records import FloatArray, Medium, Track
from segue.render.plots import Filter
from segue.score.features import score_z_scores
from segue.score.fingerprint import BarPair, similar_bars
from segue.store import Store
from segue.training.sound import fill_cache, image_of, load, reader, step_frames


@dataclass(frozen=True, slots=True)
class FeatureContribution(RenamedAttributes):
    """One thing, or a group of them, in which two tracks are alike or not.

    Attributes
    ----------
    name : str
    alike : float
        Its share of the similarity: those of all traits sum to the cosine.
    apart : float
        Its share, 0 to 1, of the squared distance of the two unit vectors.
    first, second : float, optional
        Of both tracks, in standard deviations from the average; None of a group.
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
    """Two tracks side by side.

    Attributes
    ----------
    kind : str
    first, second : Track
    similarities : dict of str to float
        Cosine by space, of those in which both have a place.
    groups : tuple of Trait
        Of the named features; the most alike first.
    features : tuple of Trait
        Each named number, in the order of its space.
    tags : tuple of Trait
        Of recordings; () of scores.
    bars : tuple of BarPair
        Of scores; () of recordings.
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
        """List the features that make both alike most."""
        return _most(self.features, "similarity_share", n)

    def most_different(self, n: int) -> list[FeatureContribution]:
        """List the features that set both apart most."""
        return _most(self.features, "distance_share", n)


def feature_contributions(
    names: Sequence[str],
    a: FloatArray,
    b: FloatArray,
    scores: tuple[FloatArray, FloatArray],
) -> tuple[FeatureContribution, ...]:
    """Divide likeness and distance of two vectors among their numbers.

    Parameters
    ----------
    names : sequence of str
        One for each number.
    a, b : ndarray, shape (len(names),), float32
    scores : two ndarrays of that shape
        How far both are from the average, in standard deviations.

    Returns
    -------
    tuple of Trait
        In the order of the names.
    """
    alike, apart = _shares(a, b)
    rows = zip(names, alike, apart, *(each.tolist() for each in scores), strict=True)
    return tuple(FeatureContribution(*row) for row in rows)


def group_contributions(
    groups: Mapping[str, slice], a: FloatArray, b: FloatArray
) -> tuple[FeatureContribution, ...]:
    """Divide likeness and distance of two vectors among groups of their numbers."""
    alike, apart = (np.array(shares) for shares in _shares(a, b))
    found = [
        FeatureContribution(name, float(alike[at].sum()), float(apart[at].sum()))
        for name, at in groups.items()
    ]
    return tuple(sorted(found, key=lambda trait: -trait.similarity_share))


def _shares(a: FloatArray, b: FloatArray) -> tuple[list[float], list[float]]:
    one, other = (
        vector.astype(np.float64) / (float(np.linalg.norm(vector)) or 1.0) for vector in (a, b)
    )
    squared = (one - other) ** 2
    return (one * other).tolist(), (squared / (float(squared.sum()) or 1.0)).tolist()


def _most(found: Sequence[FeatureContribution], what: str, n: int) -> list[FeatureContribution]:
    ordered = sorted(found, key=lambda trait: -float(getattr(trait, what)))
    return [trait for trait in ordered[:n] if getattr(trait, what) > 0]


#: The space of named numbers of each kind of music.
_NAMED: Final = {"sound": "features", "score": "score-features", "lyrics": "style"}
_KINDS: Final = {"sound": "recording", "score": "score", "lyrics": "text"}


def compare(store: Store, first: Track, second: Track, n: int = 5) -> Comparison:
    """Compare two tracks.

    Parameters
    ----------
    store : Store
        Database of the library.
    first, second : Track
    n : int
        How many pairs of bars.

    Raises
    ------
    BadArgument
        They are of different kinds, or one track twice.
    NotFound
        One has no place in the space of named numbers.
    Unreadable
        The file of a score.
    """
    if first.kind != second.kind:
        raise BadArgument(
            f"{first.id} is a {_KINDS[first.kind]} and {second.id} a {_KINDS[second.kind]}: they "
            "have no space in common; compare two of one kind"
        )
    if first.id == second.id:
        raise BadArgument(f"both are the track {first.id}; name two")
    space = _NAMED[first.kind]
    vectors = [store.spaces.find_vector(space, track.id) for track in (first, second)]
    if vectors[0] is None or vectors[1] is None:
        lacking = first if vectors[0] is None else second
        raise NotFound(f"the track {lacking.id} has no place in the space {space!r}")
    a, b = vectors[0], vectors[1]
    tags: tuple[FeatureContribution, ...] = ()
    bars: tuple[BarPair, ...] = ()
    if first.kind == "sound":
        named = feature_contributions(SOUND_FEATURE_NAMES, a, b, (z_scores(a), z_scores(b)))
        groups = group_contributions(SOUND_FEATURE_GROUPS, a, b)
        tags = _tags(store, first, second)
    elif first.kind == "lyrics":
        named = _traits_of_style(a, b)
        groups = group_contributions(STYLE_FEATURE_GROUPS, a, b)
    else:
        scores = (score_z_scores(a), score_z_scores(b))
        named = feature_contributions(SCORE_FEATURE_NAMES, a, b, scores)
        groups = group_contributions(SCORE_FEATURE_GROUPS, a, b)
        one, other = (read_score(track.path, track.tune) for track in (first, second))
        bars = similar_bars(one, other, n)
    similarities = _similarities(store, first, second)
    return Comparison(first.kind, first, second, similarities, groups, named, tags, bars)


def _traits_of_style(a: FloatArray, b: FloatArray) -> tuple[FeatureContribution, ...]:
    """Leave out the runs of characters: which fell into one bucket tells nobody anything."""
    scores = (style_z_scores(a), style_z_scores(b))
    return feature_contributions(STYLE_FEATURE_NAMES, a, b, scores)[
        STYLE_FEATURE_GROUPS["characters"].stop :
    ]


def _similarities(store: Store, first: Track, second: Track) -> dict[str, float]:
    found = {}
    for info in store.spaces.known():
        if info.space.kind == first.kind and not info.outdated:
            a, b = (store.spaces.find_vector(info.space.name, t.id) for t in (first, second))
            if a is not None and b is not None:
                found[info.space.name] = _cosine(a, b)
    return found


def _cosine(a: FloatArray, b: FloatArray) -> float:
    one, other = l2_normalise(a[None])[0], l2_normalise(b[None])[0]
    return float(one @ other)


def _tags(store: Store, first: Track, second: Track) -> tuple[FeatureContribution, ...]:
    a, b = (store.spaces.find_vector("tags", track.id) for track in (first, second))
    return () if a is None or b is None else feature_contributions(MUSICNN_TAGS, a, b, (a, b))


MAX_FILTERS: Final = 32


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
    kind: LogMelSpec


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
        LOG_MEL_SPECS[config.image],
    )


def first_filters(store: Store, space: str, tracks: Sequence[Track], most: int) -> list[Filter]:
    """Find what the filters of a space's first layers look like, and what excites each most.

    Of a layer with many filters, the 32 are taken whose excitation differs most between tracks.

    Parameters
    ----------
    store : Store
        Database of the library.
    space : str
    tracks : sequence of Track
        Of which the most exciting are named.
    most : int
        How many.
    """
    sound = load(store, space)
    config = sound.config
    if config.image not in LOG_MEL_SPECS:
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
        telling = np.argsort(-table.std(axis=0), kind="stable")[:MAX_FILTERS]
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

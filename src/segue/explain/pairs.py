"""What makes two tracks alike, and what sets them apart: feature by feature."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from segue.records import FloatArray, Kind, Track
from segue.represent.score.bar_likeness import BarPair


@dataclass(frozen=True, slots=True)
class Trait:
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

    name: str
    alike: float
    apart: float
    first: float | None = None
    second: float | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
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

    kind: Kind
    first: Track
    second: Track
    similarities: dict[str, float]
    groups: tuple[Trait, ...]
    features: tuple[Trait, ...]
    tags: tuple[Trait, ...]
    bars: tuple[BarPair, ...]

    def most_alike(self, n: int) -> list[Trait]:
        """List the features that make both alike most."""
        return _most(self.features, "alike", n)

    def most_apart(self, n: int) -> list[Trait]:
        """List the features that set both apart most."""
        return _most(self.features, "apart", n)


def traits(
    names: Sequence[str],
    a: FloatArray,
    b: FloatArray,
    scores: tuple[FloatArray, FloatArray],
) -> tuple[Trait, ...]:
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
    return tuple(Trait(*row) for row in rows)


def groups_of_traits(
    groups: Mapping[str, slice], a: FloatArray, b: FloatArray
) -> tuple[Trait, ...]:
    """Divide likeness and distance of two vectors among groups of their numbers."""
    alike, apart = (np.array(shares) for shares in _shares(a, b))
    found = [
        Trait(name, float(alike[at].sum()), float(apart[at].sum())) for name, at in groups.items()
    ]
    return tuple(sorted(found, key=lambda trait: -trait.alike))


def _shares(a: FloatArray, b: FloatArray) -> tuple[list[float], list[float]]:
    one, other = (
        vector.astype(np.float64) / (float(np.linalg.norm(vector)) or 1.0) for vector in (a, b)
    )
    squared = (one - other) ** 2
    return (one * other).tolist(), (squared / (float(squared.sum()) or 1.0)).tolist()


def _most(found: Sequence[Trait], what: str, n: int) -> list[Trait]:
    ordered = sorted(found, key=lambda trait: -float(getattr(trait, what)))
    return [trait for trait in ordered[:n] if getattr(trait, what) > 0]

"""Why two tracks are alike: additive shares of their similarity, and which way each goes."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.explain.aspects import OTHER, Aspect, Measures, Share, say
from segue.explain.directions import Directions, scores_of, shipped
from segue.explain.lyrics_aspects import lyrics_aspects
from segue.explain.score_aspects import score_aspects
from segue.explain.sound_aspects import measured_aspects, qualities
from segue.model.sound.head import load_head
from segue.records import FloatArray, Kind, Reason

__all__ = ["OTHER", "reasons", "reasons_of_distance"]

_Vector = NDArray[np.float64]
_Split = Callable[[_Vector, _Vector], list[Share]]
#: Of a space that nothing is known of but its vectors.
_WHOLE: Final = Aspect("learned likeness", "learned likeness")
_LISTENERS: Final = Aspect("listeners", "listeners")


def reasons(
    space: str, a: FloatArray, b: FloatArray, directions: Directions | None = None
) -> tuple[Reason, ...]:
    """Split the cosine of two vectors into named shares.

    Parameters
    ----------
    space : str
        Name of the space that both are of.
    a, b : ndarray, shape (dimension,)
        Of what was asked with, and of the answer; of any length but 0.
    directions : Directions, optional
        Of a space learned from the library.

    Returns
    -------
    tuple of Reason
        Largest first; the shares sum to the cosine.
    """
    return say(_split(space, directions)(_unit(a), _unit(b)))


def reasons_of_distance(
    space: str, a: FloatArray, b: FloatArray, directions: Directions | None = None
) -> tuple[Reason, ...]:
    """Split minus the Euclidean distance of two vectors into named shares.

    Each aspect has of it what it has of the squared distance: its share of the cosine is a
    product of the two vectors, so that with their difference in place of both it is its part
    of the difference.

    Returns
    -------
    tuple of Reason
        What keeps the two apart most comes last; none where nothing does.
    """
    apart = a.astype(np.float64) - b
    distance = float(np.linalg.norm(apart))
    if distance == 0:
        return ()
    split = _split(space, directions)
    levels = split(_unit(a), _unit(b))
    shares = split(apart / distance, apart / distance)
    return say(
        Share(one.aspect, -distance * one.share, level.first, level.second)
        for one, level in zip(shares, levels, strict=True)
    )


def _split(space: str, directions: Directions | None) -> _Split:
    known = _SHARES.get(space)
    if known:
        return known
    found = shipped().get(space) or directions
    return found.shares if found else _whole


def _unit(vector: FloatArray) -> _Vector:
    return np.asarray(vector / np.linalg.norm(vector.astype(np.float64)), np.float64)


def _whole(a: _Vector, b: _Vector) -> list[Share]:
    return [Share(_WHOLE, float(a @ b))]


def _listened(a: _Vector, b: _Vector) -> list[Share]:
    return [Share(_LISTENERS, float(a @ b))]


def _sound(a: _Vector, b: _Vector) -> list[Share]:
    head = load_head()
    (heard_a, described_a), (heard_b, described_b) = (
        head.split(vector.astype(np.float32)) for vector in (a, b)
    )
    # What was measured knows its direction better than what was heard, so it comes first.
    measured = _by_aspect(
        measured_aspects(),
        head.feature_shares(described_a, described_b),
        head.features_of(described_a),
        head.features_of(described_b),
    )
    return [*measured, *shipped()["sound"].shares(heard_a, heard_b)]


def _tags(a: _Vector, b: _Vector) -> list[Share]:
    return _by_aspect(qualities(), a * b, a, b)


def _measured(
    parts: Callable[[], Sequence[Measures]],
    kind: Kind,
    a: _Vector,
    b: _Vector,
) -> list[Share]:
    """Divide among the numbers of a vector, which are features."""
    scores = scores_of(kind)
    first, second = (scores(vector.astype(np.float32)).astype(np.float64) for vector in (a, b))
    return _by_aspect(parts(), a * b, first, second)


def _by_aspect(
    parts: Sequence[Measures], shares: _Vector, first: _Vector, second: _Vector
) -> list[Share]:
    return [
        Share(
            part.aspect,
            float(shares[part.columns].sum()),
            float(part.level(first)),
            float(part.level(second)),
        )
        for part in parts
    ]


_SHARES: Final[dict[str, _Split]] = {
    "sound": _sound,
    "tags": _tags,
    "features": partial(_measured, measured_aspects, "sound"),
    "score-features": partial(_measured, score_aspects, "score"),
    "style": partial(_measured, lyrics_aspects, "lyrics"),
    "listens": _listened,
}

"""Why two tracks are alike: additive shares of their similarity."""

from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np

from segue.model.sound.head import load_head
from segue.model.sound.spaces import TAGS
from segue.records import FloatArray, Reason
from segue.represent.lyrics.feature_names import STYLE_FEATURE_GROUPS
from segue.represent.score.feature_names import SCORE_FEATURE_GROUPS
from segue.represent.shares import group_shares

# MusiCNN's 753 features of a frame, of which `pooled` holds maximum and mean; model/sound.
_MUSICNN_LAYERS: Final = {
    "timbre filters": slice(0, 2 * 408),
    "rhythm filters": slice(2 * 408, 2 * 561),
    "shapes over time": slice(2 * 561, 2 * 753),
}


# Of trained spaces, what runs of their numbers mean; the vector of any other is of one piece.
_TRAINED: Final = {
    "dual-axis": {"along time": slice(0, 128), "along frequency": slice(128, 256)},
}


def reasons(space: str, a: FloatArray, b: FloatArray) -> tuple[Reason, ...]:
    """Split the cosine of two vectors into named shares.

    Parameters
    ----------
    space : str
        Name of the space that both are of.
    a, b : ndarray, shape (dimension,)
        Of any length but 0.

    Returns
    -------
    tuple of Reason
        Largest first; the shares sum to the cosine.
    """
    unit_a, unit_b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    split = _SHARES.get(space) or partial(_trained_shares, space)
    ordered = sorted(split(unit_a, unit_b).items(), key=lambda share: -share[1])
    return tuple(Reason(name, share) for name, share in ordered)


def reasons_of_distance(space: str, a: FloatArray, b: FloatArray) -> tuple[Reason, ...]:
    """Split minus the Euclidean distance of two vectors into named shares.

    Each aspect has of it what it has of the squared distance: its share of the cosine is a
    product of the two vectors, so that with their difference in place of both it is its part
    of the difference.

    Returns
    -------
    tuple of Reason
        What keeps the two apart most comes last; none where nothing does.
    """
    apart = a - b
    distance = float(np.linalg.norm(apart))
    if distance == 0:
        return ()
    shares = reasons(space, apart, apart)
    return tuple(Reason(share.name, -distance * share.share) for share in reversed(shares))


def _trained_shares(space: str, a: FloatArray, b: FloatArray) -> dict[str, float]:
    products = a * b
    parts = _TRAINED.get(space, {})
    if sum(part.stop - part.start for part in parts.values()) != len(products):
        parts = {"learned likeness": slice(0, len(products))}
    return {name: float(products[part].sum()) for name, part in parts.items()}


def _sound_shares(a: FloatArray, b: FloatArray) -> dict[str, float]:
    return load_head().shares(a, b)


def _musicnn_shares(a: FloatArray, b: FloatArray) -> dict[str, float]:
    products = a * b
    return {name: float(products[part].sum()) for name, part in _MUSICNN_LAYERS.items()}


def _feature_shares(a: FloatArray, b: FloatArray) -> dict[str, float]:
    from segue.represent.features import FEATURE_GROUPS  # its signal processing is slow to import

    return group_shares(a, b, FEATURE_GROUPS)


def _tag_shares(a: FloatArray, b: FloatArray) -> dict[str, float]:
    return dict(zip(TAGS, (a * b).tolist(), strict=True))


_SHARES: Final[dict[str, Callable[[FloatArray, FloatArray], dict[str, float]]]] = {
    "sound": _sound_shares,
    "musicnn": _musicnn_shares,
    "features": _feature_shares,
    "score-features": partial(group_shares, groups=SCORE_FEATURE_GROUPS),
    "style": partial(group_shares, groups=STYLE_FEATURE_GROUPS),
    "tags": _tag_shares,
}

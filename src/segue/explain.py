"""Why two tracks are alike: additive shares of their similarity."""

from collections.abc import Callable
from typing import Final

import numpy as np

from segue.model.sound.head import load_head
from segue.model.sound.spaces import TAGS
from segue.records import FloatArray, Reason

# MusiCNN's 753 features of a frame, of which `pooled` holds maximum and mean; model/sound.
_MUSICNN_LAYERS: Final = {
    "timbre filters": slice(0, 2 * 408),
    "rhythm filters": slice(2 * 408, 2 * 561),
    "shapes over time": slice(2 * 561, 2 * 753),
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
    shares = _SHARES[space](unit_a, unit_b)
    ordered = sorted(shares.items(), key=lambda share: -share[1])
    return tuple(Reason(name, share) for name, share in ordered)


def _sound_shares(a: FloatArray, b: FloatArray) -> dict[str, float]:
    return load_head().shares(a, b)


def _musicnn_shares(a: FloatArray, b: FloatArray) -> dict[str, float]:
    products = a * b
    return {name: float(products[part].sum()) for name, part in _MUSICNN_LAYERS.items()}


def _feature_shares(a: FloatArray, b: FloatArray) -> dict[str, float]:
    from segue.represent.features import feature_shares  # its signal processing is slow to import

    return feature_shares(a, b)


def _tag_shares(a: FloatArray, b: FloatArray) -> dict[str, float]:
    return dict(zip(TAGS, (a * b).tolist(), strict=True))


_SHARES: Final[dict[str, Callable[[FloatArray, FloatArray], dict[str, float]]]] = {
    "sound": _sound_shares,
    "musicnn": _musicnn_shares,
    "features": _feature_shares,
    "tags": _tag_shares,
}

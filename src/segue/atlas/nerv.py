"""A plane with few false neighbours: the neighbour retrieval visualiser.

The source of the method: Venna, Peltonen, Nybo, Aidos & Kaski, "Information retrieval
perspective to nonlinear dimensionality reduction", JMLR 11, 2010. t-SNE minds first that what is
near in the space is near in the plane (recall); this minds first that what is near in the plane
is near in the space (precision), so that what a map shows together may be believed.
"""

from collections.abc import Callable
from typing import Final

import numpy as np

from segue.records import FloatArray

PERPLEXITY: Final = 10.0
#: What recall counts beside precision.
RECALL: Final = 0.1
STEPS: Final = 300
RATE: Final = 0.1
_HALVINGS: Final = 30
_FIRST_SCALE: Final = 100.0
# Adam (Kingma & Ba, ICLR 2015), with its usual constants.
_BETAS: Final = (0.9, 0.999)
_EPSILON: Final = 1e-8


def refine(
    unit: FloatArray,
    points: FloatArray,
    seed: int = 0,
    watch: Callable[[int, int], None] | None = None,
) -> FloatArray:
    """Move the points of a plane so that fewer of those that lie together are false neighbours.

    The gradient is written out by hand: importing torch takes longer than 200 tracks do.

    Parameters
    ----------
    unit : ndarray, shape (n, d)
        Vectors of length 1. Every pair is compared: time and memory grow with n squared.
    points : ndarray, shape (n, 2)
        Where to start; of t-SNE, say.
    seed : int
        Of the tiny shifts that part points which lie in one place.
    watch : callable, optional
        Called with the steps done, of how many.

    Returns
    -------
    ndarray, shape (n, 2), float32
    """
    from threadpoolctl import threadpool_limits

    n = len(unit)
    with threadpool_limits(1):  # the products are small; threads would wait for one another
        squared = np.maximum(2 - 2 * unit @ unit.T, 0).astype(np.float32)
        wanted = _probabilities(squared, min(PERPLEXITY, (n - 1) / 2))
        log_wanted = np.log(np.maximum(wanted, 1e-12))
        size = float(points.std()) or 1.0
        shift = np.random.default_rng(seed).standard_normal(points.shape)
        # Places, and last the logarithm of the scale at which distances in the plane count.
        state = np.append((points / size + 1e-3 * shift).ravel(), np.log(_FIRST_SCALE))
        state = state.astype(np.float32)
        mean, variance = np.zeros_like(state), np.zeros_like(state)
        for step in range(STEPS):
            gradient = _gradient(state[:-1].reshape(n, 2), state[-1], wanted, log_wanted)
            mean = _BETAS[0] * mean + (1 - _BETAS[0]) * gradient
            variance = _BETAS[1] * variance + (1 - _BETAS[1]) * gradient**2
            rate = RATE * (1 - step / STEPS) / (1 - _BETAS[0] ** (step + 1))
            root = np.sqrt(variance / (1 - _BETAS[1] ** (step + 1)))
            state = np.asarray(state - rate * mean / (root + _EPSILON), np.float32)
            if watch:
                watch(step + 1, STEPS)
    return np.asarray(state[:-1].reshape(n, 2) * size, np.float32)


def _gradient(
    place: FloatArray, log_scale: np.float32, wanted: FloatArray, log_wanted: FloatArray
) -> FloatArray:
    """Return the slope of the cost by every coordinate, then by the logarithm of the scale.

    With q the softmax of ``z = -scale * squared distance`` over the others, the cost is the mean
    over tracks of ``RECALL * KL(wanted || q) + (1 - RECALL) * KL(q || wanted)``.
    """
    n = len(place)
    scale = np.exp(log_scale)
    lengths = (place**2).sum(axis=1)
    z = place @ place.T
    z *= 2
    z -= lengths[:, None]
    z -= lengths
    np.minimum(z, 0, out=z)  # rounding, where points coincide
    z *= scale
    np.fill_diagonal(z, -np.inf)
    log_q = z - z.max(axis=1, keepdims=True)
    q = np.exp(log_q)
    total = q.sum(axis=1, keepdims=True)
    q /= total
    log_q -= np.log(total)
    # By log q, and from there by z. The diagonal has no part in it.
    slope = log_q - log_wanted
    np.fill_diagonal(slope, 0)
    slope += 1
    slope *= q
    slope *= 1 - RECALL
    slope -= RECALL * wanted
    slope -= q * slope.sum(axis=1, keepdims=True)
    slope /= n
    np.fill_diagonal(z, 0)
    by_scale = np.vdot(slope, z)
    pull = slope + slope.T
    pull *= -2 * scale
    by_place = pull.sum(axis=1)[:, None] * place - pull @ place
    return np.append(by_place.ravel(), by_scale).astype(np.float32)


def _probabilities(squared: FloatArray, perplexity: float) -> FloatArray:
    """Return how likely each track picks each other as a neighbour: Gaussian, rows sum to 1.

    Each row's width is such that its entropy is that of so many equally likely neighbours.
    """
    n = len(squared)
    low, high = np.zeros(n, np.float32), np.full(n, np.inf, np.float32)
    sharpness = np.full(n, 10.0, np.float32)
    least = squared + np.diag(np.full(n, np.inf, np.float32))
    nearest = squared - least.min(axis=1, keepdims=True)
    found = np.empty_like(squared)
    for _ in range(_HALVINGS):
        np.multiply(nearest, -sharpness[:, None], out=found)
        np.fill_diagonal(found, -np.inf)
        np.exp(found, out=found)
        total = found.sum(axis=1)
        # The entropy of a softmax: log of its sum, less the mean exponent.
        mean = np.einsum("ij,ij->i", found, nearest) / total
        wide = np.log(total) + sharpness * mean > np.log(perplexity)
        low, high = np.where(wide, sharpness, low), np.where(wide, high, sharpness)
        sharpness = np.where(np.isinf(high), 2 * sharpness, (low + high) / 2)
    return np.asarray(found / found.sum(axis=1, keepdims=True), np.float32)

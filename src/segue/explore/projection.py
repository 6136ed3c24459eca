"""Projection to two dimensions: t-SNE, UMAP, NeRV, PCA.

NeRV, the neighbour retrieval visualiser, is of Venna, Peltonen, Nybo, Aidos & Kaski, "Information
retrieval perspective to nonlinear dimensionality reduction", JMLR 11, 2010. t-SNE maximises recall:
neighbours in the space are neighbours on the map. NeRV weights precision more: neighbours on the
map are neighbours in the space, so that clusters on a map can be trusted.
"""

import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Final, Literal

import numpy as np

from segue.environment import in_package_folder
from segue.errors import BadArgument, check_seed
from segue.records import FloatArray
from segue.search.neighbours import Neighbours

Method = Literal["nerv", "tsne", "umap", "pca"]
METHODS: Final[tuple[Method, ...]] = ("nerv", "tsne", "umap", "pca")
#: Maximum number of tracks for NeRV by default, which compares every pair: half a minute.
MAX_FOR_NERV: Final = 1000
#: Maximum number of tracks for t-SNE by default. Up to here it is as fast as UMAP, and keeps
#: neighbours better: bench/tables/maps.md.
MAX_FOR_TSNE: Final = 10_000
#: Minimum number of tracks for a neighbour embedding; fewer are projected by PCA.
MIN_TRACKS: Final = 8
#: Smallest range of coordinates that is no rounding error.
MIN_SPREAD: Final = 1e-6
#: Number of nearest neighbours whose mean is the position of a new track.
_NEW_TRACK_NEIGHBOURS: Final = 5
#: Number of tracks above which UMAP gets fewer epochs than its default of 200, which take twice as
#: long and show no more.
_MANY_TRACKS: Final = 20_000
_UMAP_EPOCHS_OF_MANY: Final = 100
#: Angle of the Barnes-Hut approximation of t-SNE; the default of 0.5 takes three times as long and
#: shows no more.
_TSNE_THETA: Final = 0.8
#: Number of steps with early exaggeration, and again without.
_TSNE_STEPS: Final = 250
_TSNE_REPORT_EVERY: Final = 25
#: NeRV: perplexity, weight of recall beside precision, steps and learning rate of Adam.
PERPLEXITY: Final = 10.0
RECALL: Final = 0.1
STEPS: Final = 300
LEARNING_RATE: Final = 0.1
_PERPLEXITY_HALVINGS: Final = 30
_INITIAL_SCALE: Final = 100.0
# The default constants of Adam (Kingma & Ba, ICLR 2015).
_BETAS: Final = (0.9, 0.999)
_EPSILON: Final = 1e-8

#: Called with the number of steps that are done, and of all.
StepWatcher = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class ProjectionOptions:
    """Requested parameters of a projection; those that are None depend on the number of tracks.

    Attributes
    ----------
    neighbours : int, optional
        Number of neighbours, of UMAP.
    min_dist : float, optional
        Minimum distance of points, of UMAP.
    perplexity, learning_rate : float, optional
        Perplexity and learning rate, of t-SNE and NeRV.
    """

    method: Method | None = None
    neighbours: int | None = None
    min_dist: float | None = None
    perplexity: float | None = None
    learning_rate: float | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Projection:
    """Parameters of a projection; those that its method does not have are 0.

    Attributes
    ----------
    neighbours : int
        Number of neighbours, of UMAP.
    min_dist : float
        Minimum distance of points, of UMAP: above 0, below 1.
    perplexity : float
        Perplexity of t-SNE, which NeRV is initialised with: about the number of neighbours.
    learning_rate : float
        Learning rate of t-SNE; 0 for the number of tracks divided by 12 (Belkina et al. 2019).
    """

    method: Method
    seed: int = 0
    neighbours: int = 0
    min_dist: float = 0.0
    perplexity: float = 0.0
    learning_rate: float = 0.0

    def parameters(self) -> dict[str, float | int | str]:
        """Return the parameters that the method has."""
        return {name: value for name, value in asdict(self).items() if value or name == "seed"}


def choose_projection(n: int, options: ProjectionOptions) -> Projection:
    """Choose the parameters that are not given, by the number of tracks.

    Raises
    ------
    BadArgument
        A parameter is out of range, or belongs to another method.
    """
    if options.method is not None and options.method not in METHODS:
        raise BadArgument(f"there is no method {options.method!r}; choose {', '.join(METHODS)}")
    default_method: Method = (
        "nerv" if n <= MAX_FOR_NERV else "tsne" if n <= MAX_FOR_TSNE else "umap"
    )
    method = options.method or default_method
    if method == "nerv" and n > 4 * MAX_FOR_NERV:
        raise BadArgument(f"nerv compares every pair, and {n} tracks are too many; take tsne")
    for name, value, methods in (
        ("neighbours", options.neighbours, ("umap",)),
        ("min-dist", options.min_dist, ("umap",)),
        ("perplexity", options.perplexity, ("tsne", "nerv")),
        ("learning-rate", options.learning_rate, ("tsne", "nerv")),
    ):
        if value is not None and method not in methods:
            raise BadArgument(f"--{name} belongs to --method {methods[0]}, not to {method}")
        if value is not None and not 0 < value < float("inf"):
            raise BadArgument(f"--{name} {value} must be above 0, and a number")
    check_seed(options.seed)
    if n < MIN_TRACKS or method == "pca":
        return Projection("pca", options.seed)
    if method == "umap":
        default_count = int(np.clip(round(2 + np.sqrt(n) / 2), 4, 15))
        count = min(options.neighbours or default_count, n - 1)
        if count < 2:
            raise BadArgument(f"--neighbours {count} must be at least 2")
        if options.min_dist is not None and options.min_dist >= 1:
            raise BadArgument(f"--min-dist {options.min_dist} must be below 1")
        return Projection("umap", options.seed, neighbours=count, min_dist=options.min_dist or 0.1)
    max_perplexity = (n - 1) / 3
    if options.perplexity is not None and not 1 <= options.perplexity <= max_perplexity:
        raise BadArgument(
            f"--perplexity {options.perplexity:g} must be from 1 to {max_perplexity:.0f} for {n} "
            "tracks"
        )
    default_perplexity = float(np.clip(round(np.sqrt(n)), 2, 30))
    return Projection(
        method,
        options.seed,
        perplexity=options.perplexity or min(default_perplexity, max_perplexity),
        learning_rate=options.learning_rate or 0.0,
    )


def neighbours_needed(projection: Projection) -> int:
    """Return the number of neighbours of each track that a projection is computed from."""
    return {
        "umap": projection.neighbours - 1,  # it counts the track itself
        "tsne": int(3 * projection.perplexity),
        "nerv": int(3 * projection.perplexity),
        "pca": 0,
    }[projection.method]


def project(
    unit: FloatArray,
    neighbours: Neighbours | None,
    projection: Projection,
    watch: StepWatcher | None = None,
) -> FloatArray:
    """Project embeddings to two dimensions.

    Parameters
    ----------
    unit : ndarray, shape (n, d)
        Embeddings of length 1.
    neighbours : Neighbours, optional
        Nearest neighbours, at least `neighbours_needed` of each track.
    watch : callable, optional
        Called with the number of optimisation steps done, and of all; not by UMAP and PCA.

    Returns
    -------
    ndarray, shape (n, 2), float32
        Centred positions; equal for the same seed on the same machine.

    Raises
    ------
    BadArgument
        The optimisation diverged.
    """
    start = pca(unit)
    if np.ptp(start) < MIN_SPREAD:
        points = np.zeros_like(start)
    elif projection.method == "pca" or neighbours is None:
        points = start
    elif projection.method == "umap":
        points = _umap(unit, neighbours, start, projection)
    else:
        points = _tsne(neighbours, start, projection, watch)
        if projection.method == "nerv":
            points = nerv(unit, points, projection.seed, watch)
    if not np.isfinite(points).all():
        raise BadArgument("the points of this map flew apart; take a smaller --learning-rate")
    return np.asarray(points - points.mean(axis=0), np.float32)


def project_new(unit: FloatArray, known: FloatArray, points: FloatArray) -> FloatArray:
    """Add new tracks to a projection, each amid its nearest neighbours.

    Parameters
    ----------
    unit : ndarray, shape (m, d)
        Embeddings of the new tracks, of length 1.
    known : ndarray, shape (n, d)
        Embeddings of the tracks of the projection, of length 1.
    points : ndarray, shape (n, 2)
        Their positions.

    Returns
    -------
    ndarray, shape (m, 2), float32
        Means of the positions of the nearest neighbours, weighted by inverse squared distance.
    """
    cosines = unit @ known.T
    k = min(_NEW_TRACK_NEIGHBOURS, len(known))
    nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
    squared = np.maximum(2 - 2 * np.take_along_axis(cosines, nearest, axis=1), 1e-6)
    weights = 1 / squared / (1 / squared).sum(axis=1, keepdims=True)
    return np.asarray((weights[:, :, None] * points[nearest]).sum(axis=1), np.float32)


def pca(unit: FloatArray) -> FloatArray:
    """Project to the first two principal components; shape (n, 2)."""
    centred = np.asarray(unit - unit.mean(axis=0), np.float64)
    _, directions = np.linalg.eigh(centred.T @ centred)
    components = directions[:, ::-1][:, :2]
    # The sign of an eigenvector is arbitrary: the largest entry shall be positive.
    largest = np.abs(components).argmax(axis=0)
    components *= np.sign(components[largest, range(components.shape[1])])
    points = np.zeros((len(unit), 2))
    points[:, : components.shape[1]] = centred @ components
    return np.asarray(points, np.float32)


def _umap(
    unit: FloatArray, neighbours: Neighbours, start: FloatArray, projection: Projection
) -> FloatArray:
    with warnings.catch_warnings(), in_package_folder():
        # It warns that a seed leaves it one thread, and that with precomputed neighbours it cannot
        # transform new data.
        warnings.filterwarnings("ignore", category=UserWarning, module="umap")
        warnings.filterwarnings("ignore", category=ImportWarning)
        from umap import UMAP

        count = projection.neighbours
        itself = np.arange(len(unit), dtype=np.int32)[:, None]
        rows = np.hstack([itself, neighbours.rows[:, : count - 1]])
        distances = np.hstack(
            [np.zeros_like(itself, np.float32), neighbours.distances[:, : count - 1]]
        )
        points = UMAP(
            n_neighbors=count,
            min_dist=projection.min_dist,
            init=start / np.abs(start).max() * 10,
            n_epochs=_UMAP_EPOCHS_OF_MANY if len(unit) > _MANY_TRACKS else None,
            random_state=projection.seed,
            precomputed_knn=(rows, distances),
            force_approximation_algorithm=True,
        ).fit_transform(unit)
    return np.asarray(points, np.float32)


def _tsne(
    neighbours: Neighbours, start: FloatArray, projection: Projection, watch: StepWatcher | None
) -> FloatArray:
    from openTSNE import TSNEEmbedding
    from openTSNE.affinity import PerplexityBasedNN
    from openTSNE.nearest_neighbors import PrecomputedNeighbors

    n = len(start)
    affinities = PerplexityBasedNN(
        perplexity=projection.perplexity,
        knn_index=PrecomputedNeighbors(neighbours.rows.astype(np.int64), neighbours.distances),
        n_jobs=-1,
        random_state=projection.seed,
    )
    initial = start / np.std(start[:, 0]) * 1e-4
    learning_rate = projection.learning_rate or max(n / 12, 50)
    embedding = TSNEEmbedding(
        np.asarray(initial, np.float64),
        affinities,
        theta=_TSNE_THETA,
        n_jobs=-1,
        random_state=projection.seed,
    )
    done = 0

    def report(*_: object) -> None:
        nonlocal done
        done += _TSNE_REPORT_EVERY
        if watch:
            watch(done, 2 * _TSNE_STEPS)

    for exaggeration, momentum in ((12, 0.5), (1, 0.8)):
        embedding.optimize(
            _TSNE_STEPS,
            exaggeration=exaggeration,
            momentum=momentum,
            learning_rate=learning_rate,
            inplace=True,
            callbacks=report,
            callbacks_every_iters=_TSNE_REPORT_EVERY,
        )
    return np.asarray(embedding, np.float32)


def nerv(
    unit: FloatArray,
    points: FloatArray,
    seed: int = 0,
    watch: StepWatcher | None = None,
) -> FloatArray:
    """Optimise a projection by NeRV, so that it has fewer false neighbours.

    The gradient is computed without automatic differentiation, since importing torch takes longer
    than projecting 200 tracks.

    Parameters
    ----------
    unit : ndarray, shape (n, d)
        Embeddings of length 1. Every pair is compared: time and memory grow with n squared.
    points : ndarray, shape (n, 2)
        Initial positions, for instance those of t-SNE.
    seed : int
        Random seed of the noise that separates equal points.
    watch : callable, optional
        Called with the number of steps done, and of all.

    Returns
    -------
    ndarray, shape (n, 2), float32
    """
    from threadpoolctl import threadpool_limits

    n = len(unit)
    with threadpool_limits(1):  # the products are small; threads would wait for one another
        squared = np.maximum(2 - 2 * unit @ unit.T, 0).astype(np.float32)
        target = _probabilities(squared, min(PERPLEXITY, (n - 1) / 2))
        log_target = np.log(np.maximum(target, 1e-12))
        size = float(points.std()) or 1.0
        noise = np.random.default_rng(seed).standard_normal(points.shape)
        # Positions, and last the logarithm of the scale of squared distances in two dimensions.
        state = np.append((points / size + 1e-3 * noise).ravel(), np.log(_INITIAL_SCALE))
        state = state.astype(np.float32)
        mean, variance = np.zeros_like(state), np.zeros_like(state)
        for step in range(STEPS):
            gradient = _gradient(state[:-1].reshape(n, 2), state[-1], target, log_target)
            mean = _BETAS[0] * mean + (1 - _BETAS[0]) * gradient
            variance = _BETAS[1] * variance + (1 - _BETAS[1]) * gradient**2
            rate = LEARNING_RATE * (1 - step / STEPS) / (1 - _BETAS[0] ** (step + 1))
            root = np.sqrt(variance / (1 - _BETAS[1] ** (step + 1)))
            state = np.asarray(state - rate * mean / (root + _EPSILON), np.float32)
            if watch:
                watch(step + 1, STEPS)
    return np.asarray(state[:-1].reshape(n, 2) * size, np.float32)


def _gradient(
    points: FloatArray, log_scale: np.float32, target: FloatArray, log_target: FloatArray
) -> FloatArray:
    """Return the gradient of the cost by each coordinate, and last by the logarithm of the scale.

    With q the softmax of ``z = -scale * squared distance`` over the others, the cost is the mean
    over tracks of ``RECALL * KL(target || q) + (1 - RECALL) * KL(q || target)``.
    """
    n = len(points)
    scale = np.exp(log_scale)
    squared_norms = (points**2).sum(axis=1)
    z = points @ points.T
    z *= 2
    z -= squared_norms[:, None]
    z -= squared_norms
    np.minimum(z, 0, out=z)  # rounding errors of equal points
    z *= scale
    np.fill_diagonal(z, -np.inf)
    log_q = z - z.max(axis=1, keepdims=True)
    q = np.exp(log_q)
    total = q.sum(axis=1, keepdims=True)
    q /= total
    log_q -= np.log(total)
    # The gradient by log q, and from there by z, without the diagonal.
    by_z = log_q - log_target
    np.fill_diagonal(by_z, 0)
    by_z += 1
    by_z *= q
    by_z *= 1 - RECALL
    by_z -= RECALL * target
    by_z -= q * by_z.sum(axis=1, keepdims=True)
    by_z /= n
    np.fill_diagonal(z, 0)
    by_scale = np.vdot(by_z, z)
    symmetric = by_z + by_z.T
    symmetric *= -2 * scale
    by_position = symmetric.sum(axis=1)[:, None] * points - symmetric @ points
    return np.append(by_position.ravel(), by_scale).astype(np.float32)


def _probabilities(squared: FloatArray, perplexity: float) -> FloatArray:
    """Return the probability that each track has each other one as a neighbour; rows sum to 1.

    The probabilities are Gaussian; the width of each row is found by bisection, such that its
    entropy is the logarithm of the perplexity.
    """
    n = len(squared)
    low, high = np.zeros(n, np.float32), np.full(n, np.inf, np.float32)
    sharpness = np.full(n, 10.0, np.float32)
    others = squared + np.diag(np.full(n, np.inf, np.float32))
    relative = squared - others.min(axis=1, keepdims=True)
    weights = np.empty_like(squared)
    for _ in range(_PERPLEXITY_HALVINGS):
        np.multiply(relative, -sharpness[:, None], out=weights)
        np.fill_diagonal(weights, -np.inf)
        np.exp(weights, out=weights)
        total = weights.sum(axis=1)
        # The entropy of a softmax is the logarithm of its sum minus the mean exponent.
        mean = np.einsum("ij,ij->i", weights, relative) / total
        too_wide = np.log(total) + sharpness * mean > np.log(perplexity)
        low, high = np.where(too_wide, sharpness, low), np.where(too_wide, high, sharpness)
        sharpness = np.where(np.isinf(high), 2 * sharpness, (low + high) / 2)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)

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

PERPLEXITY: Final = 10.0
#: What recall counts beside precision.
RECALL: Final = 0.1
STEPS: Final = 300
LEARNING_RATE: Final = 0.1
_HALVINGS: Final = 30
_FIRST_SCALE: Final = 100.0
# Adam (Kingma & Ba, ICLR 2015), with its usual constants.
_BETAS: Final = (0.9, 0.999)
_EPSILON: Final = 1e-8


def nerv(
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
            rate = LEARNING_RATE * (1 - step / STEPS) / (1 - _BETAS[0] ** (step + 1))
            root = np.sqrt(variance / (1 - _BETAS[1] ** (step + 1)))
            state = np.asarray(state - rate * mean / (root + _EPSILON), np.float32)
            if watch:
                watch(step + 1, STEPS)
    return np.asarray(state[:-1].reshape(n, 2) * size, np.float32)


def _gradient(
    points: FloatArray, log_scale: np.float32, wanted: FloatArray, log_wanted: FloatArray
) -> FloatArray:
    """Return the slope of the cost by every coordinate, then by the logarithm of the scale.

    With q the softmax of ``z = -scale * squared distance`` over the others, the cost is the mean
    over tracks of ``RECALL * KL(wanted || q) + (1 - RECALL) * KL(q || wanted)``.
    """
    n = len(points)
    scale = np.exp(log_scale)
    lengths = (points**2).sum(axis=1)
    z = points @ points.T
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
    by_place = pull.sum(axis=1)[:, None] * points - pull @ points
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


Method = Literal["nerv", "tsne", "umap", "pca"]
METHODS: Final[tuple[Method, ...]] = ("nerv", "tsne", "umap", "pca")
#: Up to here NeRV, which compares every pair, takes half a minute at most.
MAX_FOR_NERV: Final = 1000
#: Up to here t-SNE is as quick as UMAP, and keeps neighbours better: bench/tables/maps.md.
MAX_FOR_TSNE: Final = 10_000
#: Of fewer tracks no neighbourhoods can be told; they are drawn by their main directions.
MIN_TRACKS: Final = 8
#: Tracks that lie no further apart are equal: what is left is rounding.
MIN_SPREAD: Final = 1e-6
_PLACED_BY: Final = 5
#: UMAP's own 200 epochs take twice as long for so many tracks, and show no more.
_MANY: Final = 20_000
_EPOCHS_OF_MANY: Final = 100
#: Of t-SNE's far forces: 0.5 is usual, takes three times as long and shows no more.
_COARSENESS: Final = 0.8
_TSNE_STEPS: Final = 250  # with exaggeration, and again as many without
_REPORT_EVERY: Final = 25


@dataclass(frozen=True, slots=True)
class ProjectionOptions:
    """What a user may say of how a plane is made; what is None is chosen by the number of tracks.

    Attributes
    ----------
    method : {"nerv", "tsne", "umap", "pca"}, optional
    neighbours : int, optional
    min_dist, perplexity, learning_rate : float, optional
    seed : int
        All as of `Layout`.
    """

    method: Method | None = None
    neighbours: int | None = None
    min_dist: float | None = None
    perplexity: float | None = None
    learning_rate: float | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Projection:
    """How a plane is made.

    Attributes
    ----------
    method : {"nerv", "tsne", "umap", "pca"}
    seed : int
    neighbours : int
        Of UMAP.
    min_dist : float
        Of UMAP: how closely points may be packed, above 0, below 1.
    perplexity : float
        Of t-SNE, from which NeRV starts too: about how many neighbours count.
    learning_rate : float
        Likewise; 0 for the number of tracks divided by 12 (Belkina et al. 2019).
    """

    method: Method
    seed: int = 0
    neighbours: int = 0
    min_dist: float = 0.0
    perplexity: float = 0.0
    learning_rate: float = 0.0

    def parameters(self) -> dict[str, float | int | str]:
        """Return what is given, without what the method has no use for."""
        return {name: value for name, value in asdict(self).items() if value or name == "seed"}


def choose_projection(n: int, options: ProjectionOptions) -> Projection:
    """Choose what is not given by the number of tracks.

    Raises
    ------
    BadArgument
        A number is out of its range, or belongs to another method.
    """
    if options.method is not None and options.method not in METHODS:
        raise BadArgument(f"there is no method {options.method!r}; choose {', '.join(METHODS)}")
    usual_method: Method = "nerv" if n <= MAX_FOR_NERV else "tsne" if n <= MAX_FOR_TSNE else "umap"
    method = options.method or usual_method
    if method == "nerv" and n > 4 * MAX_FOR_NERV:
        raise BadArgument(f"nerv compares every pair, and {n} tracks are too many; take tsne")
    for name, value, of in (
        ("neighbours", options.neighbours, ("umap",)),
        ("min-dist", options.min_dist, ("umap",)),
        ("perplexity", options.perplexity, ("tsne", "nerv")),
        ("learning-rate", options.learning_rate, ("tsne", "nerv")),
    ):
        if value is not None and method not in of:
            raise BadArgument(f"--{name} belongs to --method {of[0]}, not to {method}")
        if value is not None and not 0 < value < float("inf"):
            raise BadArgument(f"--{name} {value} must be above 0, and a number")
    check_seed(options.seed)
    if n < MIN_TRACKS or method == "pca":
        return Projection("pca", options.seed)
    if method == "umap":
        usual = int(np.clip(round(2 + np.sqrt(n) / 2), 4, 15))
        count = min(options.neighbours or usual, n - 1)
        if count < 2:
            raise BadArgument(f"--neighbours {count} must be at least 2")
        if options.min_dist is not None and options.min_dist >= 1:
            raise BadArgument(f"--min-dist {options.min_dist} must be below 1")
        return Projection("umap", options.seed, neighbours=count, min_dist=options.min_dist or 0.1)
    most = (n - 1) / 3
    if options.perplexity is not None and not 1 <= options.perplexity <= most:
        raise BadArgument(
            f"--perplexity {options.perplexity:g} must be from 1 to {most:.0f} for {n} tracks"
        )
    usual_perplexity = float(np.clip(round(np.sqrt(n)), 2, 30))
    return Projection(
        method,
        options.seed,
        perplexity=options.perplexity or min(usual_perplexity, most),
        learning_rate=options.learning_rate or 0.0,
    )


def neighbours_needed(layout: Projection) -> int:
    """Tell how many neighbours of each track a layout is made from; 0 for none."""
    return {
        "umap": layout.neighbours - 1,  # it counts the track itself
        "tsne": int(3 * layout.perplexity),
        "nerv": int(3 * layout.perplexity),
        "pca": 0,
    }[layout.method]


#: Called with how many steps are done, of how many.
StepWatcher = Callable[[int, int], None]


def project(
    unit: FloatArray, near: Neighbours | None, layout: Projection, watch: StepWatcher | None = None
) -> FloatArray:
    """Put tracks on a plane.

    Parameters
    ----------
    unit : ndarray, shape (n, d)
        Vectors of length 1.
    near : Neighbours, optional
        Of them, at least `neighbours_needed`; None where none are.
    projection : Projection
    watch : callable, optional
        Called with the optimisation steps done, of how many; not by UMAP and PCA.

    Returns
    -------
    ndarray, shape (n, 2), float32
        Centred; the same for the same seed on the same machine.
    """
    start = pca(unit)
    if np.ptp(start) < MIN_SPREAD:
        points = np.zeros_like(start)
    elif layout.method == "pca" or near is None:
        points = start
    elif layout.method == "umap":
        points = _umap(unit, near, start, layout)
    else:
        points = _tsne(near, start, layout, watch)
        if layout.method == "nerv":
            points = nerv(unit, points, layout.seed, watch)
    if not np.isfinite(points).all():
        raise BadArgument("the points of this map flew apart; take a smaller --learning-rate")
    return np.asarray(points - points.mean(axis=0), np.float32)


def pca(unit: FloatArray) -> FloatArray:
    """Project on the two directions of the largest variance, by PCA; shape (n, 2)."""
    centred = np.asarray(unit - unit.mean(axis=0), np.float64)
    _, directions = np.linalg.eigh(centred.T @ centred)
    main = directions[:, ::-1][:, :2]
    # An eigenvector's sign is arbitrary: the largest entry shall be above 0.
    main *= np.sign(main[np.abs(main).argmax(axis=0), range(main.shape[1])])
    points = np.zeros((len(unit), 2))
    points[:, : main.shape[1]] = centred @ main
    return np.asarray(points, np.float32)


def project_new(unit: FloatArray, known: FloatArray, points: FloatArray) -> FloatArray:
    """Put new tracks on a plane where the known ones stay: amid those that are nearest.

    Parameters
    ----------
    unit : ndarray, shape (m, d)
    known : ndarray, shape (n, d)
        Vectors of the tracks on the plane, of length 1.
    points : ndarray, shape (n, 2)

    Returns
    -------
    ndarray, shape (m, 2), float32
        The mean of the nearest, each weighing by one over its squared distance.
    """
    cosines = unit @ known.T
    k = min(_PLACED_BY, len(known))
    nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
    squared = np.maximum(2 - 2 * np.take_along_axis(cosines, nearest, axis=1), 1e-6)
    weights = 1 / squared / (1 / squared).sum(axis=1, keepdims=True)
    return np.asarray((weights[:, :, None] * points[nearest]).sum(axis=1), np.float32)


def _umap(unit: FloatArray, near: Neighbours, start: FloatArray, layout: Projection) -> FloatArray:
    with warnings.catch_warnings(), in_package_folder():
        # Of the seed, that leaves it one thread; of neighbours given, which cannot place later
        # tracks by its own means.
        warnings.filterwarnings("ignore", category=UserWarning, module="umap")
        warnings.filterwarnings("ignore", category=ImportWarning)
        from umap import UMAP

        count = layout.neighbours
        own = np.arange(len(unit), dtype=np.int32)[:, None]
        rows = np.hstack([own, near.rows[:, : count - 1]])
        distances = np.hstack([np.zeros_like(own, np.float32), near.distances[:, : count - 1]])
        found = UMAP(
            n_neighbors=count,
            min_dist=layout.min_dist,
            init=start / np.abs(start).max() * 10,
            n_epochs=_EPOCHS_OF_MANY if len(unit) > _MANY else None,
            random_state=layout.seed,
            precomputed_knn=(rows, distances),
            force_approximation_algorithm=True,
        ).fit_transform(unit)
    return np.asarray(found, np.float32)


def _tsne(
    near: Neighbours, start: FloatArray, layout: Projection, watch: StepWatcher | None
) -> FloatArray:
    from openTSNE import TSNEEmbedding
    from openTSNE.affinity import PerplexityBasedNN
    from openTSNE.nearest_neighbors import PrecomputedNeighbors

    n = len(start)
    affinities = PerplexityBasedNN(
        perplexity=layout.perplexity,
        knn_index=PrecomputedNeighbors(near.rows.astype(np.int64), near.distances),
        n_jobs=-1,
        random_state=layout.seed,
    )
    small = start / np.std(start[:, 0]) * 1e-4
    rate = layout.learning_rate or max(n / 12, 50)
    embedding = TSNEEmbedding(
        np.asarray(small, np.float64),
        affinities,
        theta=_COARSENESS,
        n_jobs=-1,
        random_state=layout.seed,
    )
    done = 0

    def report(*_: object) -> None:
        nonlocal done
        done += _REPORT_EVERY
        if watch:
            watch(done, 2 * _TSNE_STEPS)

    for exaggeration, momentum in ((12, 0.5), (1, 0.8)):
        embedding.optimize(
            _TSNE_STEPS,
            exaggeration=exaggeration,
            momentum=momentum,
            learning_rate=rate,
            inplace=True,
            callbacks=report,
            callbacks_every_iters=_REPORT_EVERY,
        )
    return np.asarray(embedding, np.float32)

"""Clusters of tracks: k-means, agglomerative or HDBSCAN, named by their distinguishing traits.

The number of clusters is selected by silhouette where that is clear, else by stability: the
adjusted Rand index with clusterings of random subsets. Traits are tags of recordings, and features
of scores and lyrics, standardised over the library.

Hierarchical clustering by average linkage (UPGMA) gives dendrograms: figures, pages, Newick trees.
"""

import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Final, Literal

import numpy as np
from numpy.typing import NDArray

from segue.builtin_spaces import MUSICNN_TAGS
from segue.deprecation import RenamedAttributes
from segue.errors import BadArgument, check_seed
from segue.explore.projection import MIN_SPREAD
from segue.files import write_text
from segue.records import FloatArray, Track
from segue.render import FIGURE_SUFFIXES, PAGE_SUFFIXES
from segue.render.map_plots import dendrogram_lines, draw_dendrogram
from segue.render.pages import write_dendrogram_page
from segue.search.filters import representative_mask
from segue.search.groups import centroids, group_tracks
from segue.search.ranking import load_vector_space
from segue.store import Store
from segue.text import split_genres, split_names

Method = Literal["kmeans", "hdbscan", "agglomerative"]
METHODS: Final[tuple[Method, ...]] = ("kmeans", "hdbscan", "agglomerative")
MIN_TRACKS: Final = 3
MAX_CLUSTERS: Final = 20
#: Minimum mean size of clusters, where their number is selected.
MIN_CLUSTER_SIZE: Final = 5
#: Numbers of clusters that are tried.
CANDIDATE_COUNTS: Final = (2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20)
#: Silhouette from which clusters are more than a division (Kaufman & Rousseeuw 1990, ch. 2).
MIN_SILHOUETTE: Final = 0.25
#: Adjusted Rand index from which two clusterings count as the same.
MIN_STABILITY: Final = 0.5
#: Maximum number of tracks, a random sample, by which the number of clusters is selected, and by
#: which a clustering is evaluated.
SAMPLE_TO_CHOOSE: Final = 1000
SAMPLE: Final = 2000
#: Maximum number of tracks for methods that compare every pair.
MAX_PAIRWISE: Final = 20_000
#: Number of random subsets by which stability is measured, and their share of the tracks.
_SUBSETS: Final = 8
_SUBSET_SHARE: Final = 0.8
#: Standard deviations above the library's mean from which a trait distinguishes a cluster.
_DISTINCT: Final = 0.5
#: Genres and time signatures are traits if as many tracks have them; at most as many are.
_MIN_TRACKS_OF_NAME: Final = 3
_MAX_NAMES: Final = 30
#: Features, by the names of the traits of high and of low values.
_Scales = dict[tuple[str, str], Callable[[Track], float]]
Level = Literal["track", "artist", "album"]
LEVELS: Final[tuple[Level, ...]] = ("track", "artist", "album")
#: Maximum number of leaves, since every pair of them is compared.
MAX_LEAVES: Final = 10_000
#: Maximum number of leaves whose order is optimised, which takes cubic time.
_MAX_OPTIMAL_ORDERING: Final = 2000
NEWICK_SUFFIXES: Final = (".nwk", ".newick", ".tree")
TREE_SUFFIXES: Final = (*PAGE_SUFFIXES, *FIGURE_SUFFIXES, *NEWICK_SUFFIXES)


@dataclass(frozen=True, slots=True)
class ClusterTrait:
    """A trait or an artist that distinguishes a cluster.

    Attributes
    ----------
    name : str
        Name of the trait or artist.
    strength : float
        Of a trait, standard deviations above the library's mean; of an artist, the share of the
        cluster's tracks.
    """

    name: str
    strength: float


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster of tracks.

    Attributes
    ----------
    name : str
        Unique name, by the strongest traits.
    ids : ndarray, shape (n,), int64
        Ids of its tracks, those nearest to the centroid first.
    tags, artists : tuple of ClusterTrait
        Distinguishing traits and most common artists, the strongest first.
    tempo_bpm : tuple of two float, or None
        First and third quartile of the tempos.
    """

    name: str
    ids: NDArray[np.int64]
    tags: tuple[ClusterTrait, ...]
    artists: tuple[ClusterTrait, ...]
    tempo_bpm: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Clustering(RenamedAttributes):
    """A clustering of the tracks of a library.

    Attributes
    ----------
    clusters : tuple of Cluster
        Clusters, the largest first.
    noise : ndarray of int64
        Ids of tracks in no cluster; only HDBSCAN leaves any.
    silhouette : float or None
        Mean silhouette coefficient, -1 to 1.
    stability : float or None
        Mean adjusted Rand index with clusterings of random subsets: 1 if they are always the
        same, 0 by chance.
    """

    _renamed: ClassVar[dict[str, str]] = {"groups": "clusters", "ungrouped": "noise"}

    method: str
    clusters: tuple[Cluster, ...]
    noise: NDArray[np.int64]
    silhouette: float | None
    stability: float | None


def cluster_tracks(
    store: Store,
    ids: NDArray[np.int64],
    points: FloatArray,
    method: Method = "kmeans",
    k: int | None = None,
    *,
    seed: int = 0,
) -> Clustering:
    """Cluster tracks, and name and evaluate the clusters.

    Parameters
    ----------
    ids : ndarray, shape (n,), int64
        Ids of the tracks, in ascending order.
    points : ndarray, shape (n, d)
        Embeddings of length 1, or positions on a map.
    k : int, optional
        Number of clusters, at least 2; by default selected by silhouette and stability.

    Raises
    ------
    BadArgument
        There are too few tracks, or the number of clusters is out of range.
    """
    if method not in METHODS:
        raise BadArgument(f"there is no method {method!r}; choose {', '.join(METHODS)}")
    check_seed(seed)
    if len(ids) < MIN_TRACKS:
        raise BadArgument(
            f"too few tracks ({len(ids)}) to divide into groups; it takes {MIN_TRACKS}"
        )
    if np.ptp(points, axis=0).max() < MIN_SPREAD:
        raise BadArgument(f"all {len(ids)} tracks lie in one place: there are no groups to find")
    labels, k = _labels(points, method, k, seed)
    return Clustering(
        method,
        tuple(_clusters(store, ids, points, labels)),
        ids[labels < 0],
        _silhouette(points, labels, seed),
        _stability(points, labels, method, k, seed),
    )


def cluster_names(
    store: Store, ids: NDArray[np.int64], points: FloatArray, *, seed: int = 0
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Cluster tracks by k-means for the colours of a map, without an evaluation.

    Returns
    -------
    names : tuple of str
        Names of the clusters; ("all",) if there are too few tracks, or all are equal.
    name_index : ndarray, shape (n,), int64
        Index of each track's name.
    """
    name_index = np.zeros(len(ids), np.int64)
    if len(ids) < MIN_TRACKS or np.ptp(points, axis=0).max() < MIN_SPREAD:
        return ("all",), name_index
    labels, _ = _labels(points, "kmeans", None, seed)
    clusters = _clusters(store, ids, points, labels)
    for index, cluster in enumerate(clusters):
        name_index[np.isin(ids, cluster.ids)] = index
    return tuple(cluster.name for cluster in clusters), name_index


# ---- labels ------------------------------------------------------------------------------


def fit_labels(points: FloatArray, method: Method, k: int, seed: int) -> NDArray[np.int64]:
    """Return the index of each point's cluster; -1 for noise."""
    import sklearn.cluster
    from threadpoolctl import threadpool_limits

    if method == "kmeans":
        model = sklearn.cluster.KMeans(k, n_init=4, random_state=seed)
    elif method == "agglomerative":
        model = sklearn.cluster.AgglomerativeClustering(k, linkage="ward")
    else:
        min_size = max(MIN_TRACKS, round(np.sqrt(len(points)) / 3))
        model = sklearn.cluster.HDBSCAN(min_cluster_size=min_size, copy=True)
    # It warns if there are fewer distinct points than clusters. One thread: the products are small,
    # and threads that wait for one another take twenty times as long on a busy machine.
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.filterwarnings("ignore", message="Number of distinct clusters")
        return np.asarray(model.fit_predict(points), np.int64)


def _labels(
    points: FloatArray, method: Method, k: int | None, seed: int
) -> tuple[NDArray[np.int64], int]:
    """Return the labels, and the number of clusters that was requested or selected."""
    n = len(points)
    if method != "kmeans" and n > MAX_PAIRWISE:
        raise BadArgument(
            f"{method} compares every pair, and {n} tracks are more than {MAX_PAIRWISE}; take "
            "--method kmeans"
        )
    if method == "hdbscan":
        if k is not None:
            raise BadArgument("hdbscan finds the number of groups itself; leave -k away")
        return fit_labels(points, method, 0, seed), 0
    if k is not None and not 2 <= k < n:
        raise BadArgument(f"-k {k}: of {n} tracks, from 2 to {n - 1} groups can be made")
    k = k or _select_count(points, method, seed)
    return fit_labels(points, method, k, seed), k


def _select_count(points: FloatArray, method: Method, seed: int) -> int:
    """Select the number of clusters.

    Where there are clear clusters, it is the one with the best silhouette. Where tracks are spread
    evenly, that is always two; there it is the largest one with stable clusters.
    """
    sample = points[_sample_rows(len(points), SAMPLE_TO_CHOOSE, seed)]
    max_count = max(2, min(MAX_CLUSTERS, len(sample) // MIN_CLUSTER_SIZE))
    labels = {k: fit_labels(sample, method, k, seed) for k in CANDIDATE_COUNTS if k <= max_count}
    silhouettes = {k: _silhouette(sample, labels[k], seed) or -1.0 for k in labels}
    best = max(silhouettes, key=lambda k: silhouettes[k])
    if silhouettes[best] >= MIN_SILHOUETTE:
        return best
    for k in sorted(labels, reverse=True):
        stability = _stability(sample, labels[k], method, k, seed)
        if stability is not None and stability >= MIN_STABILITY:
            return k
    return 2


def _silhouette(points: FloatArray, labels: NDArray[np.int64], seed: int) -> float | None:
    from sklearn.metrics import silhouette_score

    rows = np.flatnonzero(labels >= 0)
    rows = rows[_sample_rows(len(rows), SAMPLE, seed)]
    if not 2 <= len(np.unique(labels[rows])) < len(rows):
        return None
    return float(silhouette_score(points[rows], labels[rows]))


def _stability(
    points: FloatArray, labels: NDArray[np.int64], method: Method, k: int, seed: int
) -> float | None:
    from sklearn.metrics import adjusted_rand_score

    n = len(points)
    size = min(round(_SUBSET_SHARE * n), SAMPLE)
    if size <= max(k, MIN_TRACKS) or labels.max() < 1:
        return None
    indices = []
    for draw in range(_SUBSETS):
        rows = np.random.default_rng([seed, draw]).choice(n, size, replace=False)
        subset_labels = fit_labels(points[rows], method, k, seed + draw + 1)
        indices.append(adjusted_rand_score(labels[rows], subset_labels))
    return float(np.mean(indices))


def _sample_rows(n: int, max_size: int, seed: int) -> NDArray[np.int64]:
    if n <= max_size:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, max_size, replace=False))


# ---- traits and names --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TrackTraits:
    """Traits of tracks, standardised.

    Attributes
    ----------
    names : tuple of str
        Names of the traits.
    strengths : ndarray, shape (n, len(names)), float32
        Standard deviations above the mean of these tracks.
    """

    names: tuple[str, ...]
    strengths: FloatArray


def track_traits(store: Store, tracks: Sequence[Track]) -> TrackTraits:
    """Return the traits of tracks: tags of recordings, features of scores and lyrics.

    Parameters
    ----------
    tracks : sequence of Track
        Tracks in order of id.
    """
    kinds = {track.kind for track in tracks}
    if "lyrics" in kinds:
        return _feature_traits(tracks, _LYRICS_SCALES)
    if "score" in kinds:
        return _feature_traits(tracks, _SCORE_SCALES)
    ids, tags = store.spaces.vectors("tags")
    rows = np.searchsorted(ids, [track.id for track in tracks])
    return TrackTraits(MUSICNN_TAGS, _standardise(tags[rows]))


def _feature_traits(tracks: Sequence[Track], scales: "_Scales") -> TrackTraits:
    columns: dict[str, list[float]] = {}
    for (high, low), feature in scales.items():
        values = [feature(track) for track in tracks]
        columns[high] = values
        columns[low] = [-value for value in values]
    names_of_tracks = [_genres_and_time_signature(track) for track in tracks]
    counts = Counter(name for names in names_of_tracks for name in sorted(names))
    for name, count in counts.most_common(_MAX_NAMES):
        if _MIN_TRACKS_OF_NAME <= count < len(tracks):
            columns[name] = [float(name in names) for names in names_of_tracks]
    return TrackTraits(tuple(columns), _standardise(np.array(list(columns.values()), np.float32).T))


def _standardise(values: FloatArray) -> FloatArray:
    """Return z-scores of each column; unknown values (NaN) become 0."""
    known = np.isfinite(values)
    mean = np.where(known, values, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    centred = np.where(known, values - mean, 0)
    return np.asarray(centred / (centred.std(axis=0) + 1e-6), np.float32)


def _genres_and_time_signature(track: Track) -> set[str]:
    time_signature = track.facts.get("metre")
    genres = set(split_genres(track.tags.genre))
    return genres | {f"in {time_signature}"} if time_signature else genres


def _fact(name: str) -> Callable[[Track], float]:
    def feature(track: Track) -> float:
        value = track.facts.get(name)
        return float(value) if isinstance(value, int | float) else float("nan")

    return feature


def _log_fact(name: str) -> Callable[[Track], float]:
    feature = _fact(name)
    return lambda track: float(np.log(max(feature(track), 1e-3)))


def _is_minor(track: Track) -> float:
    return float(str(track.facts.get("key", "")).endswith("minor"))


def _has_drums(track: Track) -> float:
    return float("drums" in str(track.facts.get("instruments", "")))


_SCORE_SCALES: Final[_Scales] = {
    ("fast", "slow"): _log_fact("tempo_bpm"),
    ("minor", "major"): _is_minor,
    ("busy", "sparse"): _log_fact("notes_per_quarter"),
    ("high", "low"): _fact("mean_pitch"),
    ("many voices", "one voice"): _fact("polyphony"),
    ("drums", "no drums"): _has_drums,
}
_LYRICS_SCALES: Final[_Scales] = {
    ("long lines", "short lines"): _log_fact("syllables_per_line"),
    ("rhymed", "without rhymes"): _fact("rhymed_lines"),
    ("with refrains", "no line twice"): _fact("repeated_lines"),
    ("many stanzas", "few stanzas"): _log_fact("stanzas"),
    ("long", "short"): _log_fact("words"),
}


def _clusters(
    store: Store, ids: NDArray[np.int64], points: FloatArray, labels: NDArray[np.int64]
) -> list[Cluster]:
    """Return the named clusters, the largest first."""
    tracks = store.tracks(ids.tolist())
    traits = track_traits(store, tracks)
    clusters = []
    for label in range(labels.max() + 1):
        rows = np.flatnonzero(labels == label)
        centroid = points[rows].mean(axis=0)
        rows = rows[np.argsort(np.linalg.norm(points[rows] - centroid, axis=1), kind="stable")]
        clusters.append(_describe(rows, ids, tracks, traits))
    clusters.sort(key=lambda cluster: -len(cluster.ids))
    return _name_clusters(clusters)


def _describe(
    rows: NDArray[np.int64], ids: NDArray[np.int64], tracks: Sequence[Track], traits: TrackTraits
) -> Cluster:
    mean = traits.strengths[rows].mean(axis=0)
    tags = [
        ClusterTrait(traits.names[column], float(mean[column]))
        for column in np.argsort(-mean, kind="stable").tolist()
        if mean[column] >= _DISTINCT
    ][:3]
    members = [tracks[row] for row in rows.tolist()]
    counts = Counter(name for track in members for name in split_names(track.tags.artist))
    artists = [
        ClusterTrait(name, count / len(members))
        for name, count in counts.most_common(3)
        if count > 1 and count / len(members) >= 0.1
    ]
    tempos = [float(t.facts["tempo_bpm"]) for t in members if t.facts.get("tempo_bpm")]
    quartiles = None
    if tempos:
        low, high = np.percentile(tempos, [25, 75]).tolist()
        quartiles = low, high
    return Cluster("", ids[rows], tuple(tags), tuple(artists), quartiles)


def tempo_range(cluster: Cluster) -> str:
    """Return the quartiles of a cluster's tempos as text; "" if none is known."""
    if not cluster.tempo_bpm:
        return ""
    low, high = (f"{bpm:.0f}" for bpm in cluster.tempo_bpm)
    return f"{low} bpm" if low == high else f"{low}-{high} bpm"


def _name_clusters(clusters: Sequence[Cluster]) -> list[Cluster]:
    """Name clusters by their tags, and where two names would be equal by artist and tempo too."""
    taken: set[str] = set()
    named = []
    for cluster in clusters:
        tags = ", ".join(tag.name for tag in cluster.tags[:2])
        artist = cluster.artists[0].name if cluster.artists else ""
        tempo = tempo_range(cluster)
        main_artist = artist if cluster.artists and cluster.artists[0].strength > 0.5 else ""
        parts = [part for part in (main_artist, tags) if part] or [artist or tempo or "mixed"]
        for detail in (artist, tempo):
            if ": ".join(parts) in taken and detail and detail not in parts:
                parts.append(detail)
        base = name = ": ".join(parts)
        for number in range(2, len(clusters) + 2):
            if name not in taken:
                break
            name = f"{base} ({number})"
        taken.add(name)
        named.append(replace(cluster, name=name))
    return named


@dataclass(frozen=True, slots=True)
class Dendrogram(RenamedAttributes):
    """A binary tree of tracks, artists or albums.

    Attributes
    ----------
    level : str
        Items at the leaves: "track", "artist" or "album".
    labels : tuple of str, length n
        Labels of the leaves.
    tracks : tuple of Track or None, length n
        Tracks of the leaves; None for artists and albums.
    merges : ndarray, shape (n - 1, 2), int64
        The two nodes of each merge, in order of height; nodes below n are leaves, and node n + i
        is the result of merge i.
    heights : ndarray, shape (n - 1,), float64
        Mean Euclidean distance between the members of the two nodes, of embeddings of length 1.
    order : ndarray, shape (n,), int64
        Leaves in an order in which no branches cross.
    """

    _renamed: ClassVar[dict[str, str]] = {"joins": "merges"}

    level: str
    space: str
    labels: tuple[str, ...]
    tracks: tuple[Track | None, ...]
    merges: NDArray[np.int64]
    heights: NDArray[np.float64]
    order: NDArray[np.int64]


def build_dendrogram(
    store: Store,
    space: str,
    level: Level = "track",
    *,
    min_tracks: int = 1,
    all_sounds: bool = False,
) -> Dendrogram:
    """Cluster tracks, artists or albums by average linkage (UPGMA).

    Of several copies of a recording, one is a leaf.

    Parameters
    ----------
    level : {"track", "artist", "album"}
        Items at the leaves; artists and albums are the centroids of their tracks.
    min_tracks : int
        Minimum number of tracks of an artist or album.
    all_sounds : bool
        Include recordings that are not music.

    Raises
    ------
    BadArgument
        There are fewer than two items, or too many to compare every pair.
    """
    if level not in LEVELS:
        raise BadArgument(f"there is no level {level!r}; choose {', '.join(LEVELS)}")
    vectors = load_vector_space(store, space, "cosine")
    tracks: tuple[Track | None, ...]
    if level == "track":
        mask = representative_mask(store, vectors.matrix.ids, all_sounds=all_sounds, at_least=2)
        leaves = store.tracks(vectors.matrix.ids[mask].tolist())
        unit = np.asarray(vectors.matrix.unit[mask])
        labels = tuple(_label(track) for track in leaves)
        tracks = tuple(leaves)
    else:
        groups = group_tracks(store, level, all_sounds=all_sounds)
        centres = centroids(groups, vectors, min_tracks)
        unit = centres.matrix.unit / np.linalg.norm(centres.matrix.unit, axis=1, keepdims=True)
        labels = tuple(
            f"{groups[key].name} ({size})"
            for key, size in zip(centres.keys, centres.sizes, strict=True)
        )
        tracks = (None,) * len(labels)
    n = len(labels)
    if n < 2:
        raise BadArgument(f"a tree takes two leaves; there are {n} here")
    if n > MAX_LEAVES:
        raise BadArgument(
            f"a tree compares every pair, and {n} are more than {MAX_LEAVES}; take "
            "--level artist or album"
        )
    return average_linkage(level, space, labels, tracks, np.asarray(unit, np.float64))


def average_linkage(
    level: str,
    space: str,
    labels: tuple[str, ...],
    tracks: tuple[Track | None, ...],
    unit: NDArray[np.float64],
) -> Dendrogram:
    """Cluster embeddings of length 1, of shape (n, dimension), and order the leaves."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import pdist

    optimal_ordering = len(labels) <= _MAX_OPTIMAL_ORDERING
    merged = linkage(pdist(unit), "average", optimal_ordering=optimal_ordering)
    return Dendrogram(
        level,
        space,
        labels,
        tracks,
        merged[:, :2].astype(np.int64),
        merged[:, 2].copy(),
        leaves_list(merged).astype(np.int64),
    )


def to_newick(tree: Dendrogram) -> str:
    """Return a dendrogram in the Newick format, with quoted labels and branch lengths."""
    subtrees = ["'" + label.replace("'", "''") + "'" for label in tree.labels]
    node_heights = [0.0] * len(subtrees)
    for (left, right), height in zip(tree.merges.tolist(), tree.heights.tolist(), strict=True):
        branches = ",".join(
            f"{subtrees[node]}:{max(height - node_heights[node], 0):.6g}" for node in (left, right)
        )
        subtrees.append(f"({branches})")
        node_heights.append(height)
        subtrees[left] = subtrees[right] = ""  # frees the memory of long texts
    return subtrees[-1] + ";\n"


def save_dendrogram(tree: Dendrogram, target: Path) -> None:
    """Write a dendrogram as a page, a figure or a Newick tree, by the suffix of the file."""
    if target.suffix.lower() in NEWICK_SUFFIXES:
        write_text(to_newick(tree), target)
        return
    title = f"{len(tree.labels)} {tree.level}s by similarity"
    caption = (
        f"Space {tree.space}; joined by the mean Euclidean distance of their members (UPGMA): 0 "
        "is the same, 1.41 is nothing in common."
    )
    lines = dendrogram_lines(tree.merges, tree.heights, tree.order)
    order = tree.order.tolist()
    labels = [tree.labels[leaf] for leaf in order]
    if target.suffix.lower() in PAGE_SUFFIXES:
        tracks = [tree.tracks[leaf] for leaf in order]
        write_dendrogram_page(lines, labels, tracks, target, title, caption)
    else:
        draw_dendrogram(lines, labels, target, title, caption)


def _label(track: Track) -> str:
    parts = (track.tags.title, track.tags.artist or track.tags.album)
    return " · ".join(part for part in parts if part) or f"track {track.id}"

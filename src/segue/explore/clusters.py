"""Clusters of tracks: k-means, agglomerative or HDBSCAN, named by their distinguishing traits.

The number of clusters is selected by silhouette where that is clear, else by stability: the
adjusted Rand index with clusterings of random subsets. Traits are tags of recordings, and facts
of scores and lyrics, standardised over the library.
"""

import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

import numpy as np
from numpy.typing import NDArray

from segue.builtin_spaces import MUSICNN_TAGS
from segue.deprecation import RenamedAttributes
from segue.errors import BadArgument, check_seed
from segue.explore.projection import MIN_SPREAD
from segue.records import FloatArray, Track
from segue.store import Store
from segue.text import split_genres, split_names

#: Names that fewer tracks have than this set nothing apart.
_FEWEST: Final = 3
_MOST_NAMES: Final = 30


@dataclass(frozen=True, slots=True)
class TrackTraits:
    """What sets tracks apart.

    Attributes
    ----------
    names : tuple of str
    strengths : ndarray, shape (n, len(names)), float32
        In standard deviations above these tracks' mean.
    """

    names: tuple[str, ...]
    strengths: FloatArray


def track_traits(store: Store, tracks: Sequence[Track]) -> TrackTraits:
    """Tell of each track how much it has of what, among these tracks.

    Parameters
    ----------
    store : Store
        Database of the library.
    tracks : sequence of Track
        In order of id.
    """
    kinds = {track.kind for track in tracks}
    if "lyrics" in kinds:
        return _of_facts(tracks, _SCALES_OF_LYRICS)
    if "score" in kinds:
        return _of_facts(tracks, _SCALES)
    known, found = store.spaces.vectors("tags")
    rows = np.searchsorted(known, [track.id for track in tracks])
    return TrackTraits(MUSICNN_TAGS, _standardised(found[rows]))


def _of_facts(tracks: Sequence[Track], scales: "_Scales") -> TrackTraits:
    columns: dict[str, list[float]] = {}
    for (high, low), measure in scales.items():
        values = [measure(track) for track in tracks]
        columns[high] = values
        columns[low] = [-value for value in values]
    for word, tracks_with in _common_words(tracks).items():
        columns[word] = [float(word in words) for words in tracks_with]
    return TrackTraits(
        tuple(columns), _standardised(np.array(list(columns.values()), np.float32).T)
    )


def _standardised(found: FloatArray) -> FloatArray:
    """Scale each column; what is not known of a track sets it apart in no way."""
    known = np.isfinite(found)
    mean = np.where(known, found, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    apart = np.where(known, found - mean, 0)
    return np.asarray(apart / (apart.std(axis=0) + 1e-6), np.float32)


def _fact(name: str) -> Callable[[Track], float]:
    def measure(track: Track) -> float:
        value = track.facts.get(name)
        return float(value) if isinstance(value, int | float) else float("nan")

    return measure


def _log_fact(name: str) -> Callable[[Track], float]:
    measure = _fact(name)
    return lambda track: float(np.log(max(measure(track), 1e-3)))


def _is_minor(track: Track) -> float:
    return float(str(track.facts.get("key", "")).endswith("minor"))


def _is_drummed(track: Track) -> float:
    return float("drums" in str(track.facts.get("instruments", "")))


#: What there is more of, and less of, and by which of a score's facts it is told.
_Scales = dict[tuple[str, str], Callable[[Track], float]]
_SCALES: Final[_Scales] = {
    ("fast", "slow"): _log_fact("tempo_bpm"),
    ("minor", "major"): _is_minor,
    ("busy", "sparse"): _log_fact("notes_per_quarter"),
    ("high", "low"): _fact("mean_pitch"),
    ("many voices", "one voice"): _fact("polyphony"),
    ("drums", "no drums"): _is_drummed,
}
#: Likewise, of lyrics.
_SCALES_OF_LYRICS: Final[_Scales] = {
    ("long lines", "short lines"): _log_fact("syllables_per_line"),
    ("rhymed", "without rhymes"): _fact("rhymed_lines"),
    ("with refrains", "no line twice"): _fact("repeated_lines"),
    ("many stanzas", "few stanzas"): _log_fact("stanzas"),
    ("long", "short"): _log_fact("words"),
}


def _common_words(tracks: Sequence[Track]) -> dict[str, list[set[str]]]:
    """Return the metres and genres that some of the tracks have, and each track's own."""
    words = [
        {f"in {track.facts['metre']}", *split_genres(track.tags.genre)}
        if track.facts.get("metre")
        else set(split_genres(track.tags.genre))
        for track in tracks
    ]
    counts = Counter(word for some in words for word in some)
    common = [word for word, n in counts.most_common(_MOST_NAMES) if _FEWEST <= n < len(tracks)]
    return dict.fromkeys(common, words)


Method = Literal["kmeans", "hdbscan", "agglomerative"]
METHODS: Final[tuple[Method, ...]] = ("kmeans", "hdbscan", "agglomerative")
MIN_TRACKS: Final = 3
MAX_CLUSTERS: Final = 20
MIN_CLUSTER_SIZE: Final = 5  # on average, where the number of groups is chosen
CANDIDATE_COUNTS: Final = (2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20)  # that are tried
#: Silhouette from which groups are more than a division (Kaufman & Rousseeuw 1990, ch. 2).
MIN_SILHOUETTE: Final = 0.25
MIN_STABILITY: Final = 0.5  # adjusted Rand index from which groups count as the same again
#: Of more tracks, as many drawn at random choose the number of groups, or judge them.
SAMPLE_TO_CHOOSE: Final = 1000
SAMPLE: Final = 2000
#: Of more tracks than this, methods that compare every pair take too long.
MAX_PAIRWISE: Final = 20_000
_ROUNDS: Final = 8
_SHARE: Final = 0.8
_STANDS_OUT: Final = 0.5  # standard deviations above the library


@dataclass(frozen=True, slots=True)
class ClusterTrait:
    """Something that a group has more of than the library."""

    name: str
    strength: float  # of a trait: standard deviations above the library; of an artist: share


@dataclass(frozen=True, slots=True)
class Cluster:
    """Tracks that lie together.

    Attributes
    ----------
    name : str
        By what sets it apart; different for each group.
    ids : ndarray, shape (n,), int64
        Track ids, those nearest to the centre first.
    tags, artists : tuple of Standout
        What there is more of than elsewhere, strongest first.
    tempo_bpm : tuple of two float, or None
        Between which the middle half of its tempos lies.
    """

    name: str
    ids: NDArray[np.int64]
    tags: tuple[ClusterTrait, ...]
    artists: tuple[ClusterTrait, ...]
    tempo_bpm: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Clustering(RenamedAttributes):
    """A library divided into groups.

    Attributes
    ----------
    method : str
    groups : tuple of Group
        Largest first.
    ungrouped : ndarray of int64
        Tracks that belong to none; only HDBSCAN leaves any.
    silhouette : float or None
        -1 to 1: how much closer tracks are to their own group than to the next.
    stability : float or None
        Adjusted Rand index between these groups and those found anew in four fifths of the
        tracks, mean of several draws: 1 where they are always the same, 0 by chance.
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
    """Divide tracks into groups.

    Parameters
    ----------
    store : Store
        Database of the library.
    ids : ndarray, shape (n,), int64
        Rising.
    points : ndarray, shape (n, d)
        Where they lie: vectors of length 1, or places on a plane.
    method : {"kmeans", "hdbscan", "agglomerative"}
    k : int, optional
        How many groups, at least 2; else as many as come out alike, again and again.
    seed : int

    Raises
    ------
    BadArgument
        There are too few tracks, or the number of groups does not fit.
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
        tuple(_described(store, ids, points, labels)),
        ids[labels < 0],
        _silhouette(points, labels, seed),
        _stability(points, labels, method, k, seed),
    )


def cluster_names(
    store: Store, ids: NDArray[np.int64], points: FloatArray, *, seed: int = 0
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Divide tracks into groups for a map's colours; as `find_groups`, without judging them.

    Returns
    -------
    names : tuple of str
        One alone where there is nothing to divide.
    of : ndarray, shape (n,), int64
        Which name each track has.
    """
    of = np.zeros(len(ids), np.int64)
    if len(ids) < MIN_TRACKS or np.ptp(points, axis=0).max() < MIN_SPREAD:
        return ("all",), of
    labels, _ = _labels(points, "kmeans", None, seed)
    groups = _described(store, ids, points, labels)
    for number, group in enumerate(groups):
        of[np.isin(ids, group.ids)] = number
    return tuple(group.name for group in groups), of


def _described(
    store: Store, ids: NDArray[np.int64], points: FloatArray, labels: NDArray[np.int64]
) -> list[Cluster]:
    """Name the groups, largest first, and tell what is in them."""
    tracks = store.tracks(ids.tolist())
    found = track_traits(store, tracks)
    groups = []
    for label in range(labels.max() + 1):
        inside = np.flatnonzero(labels == label)
        centre = points[inside].mean(axis=0)
        inside = inside[np.argsort(np.linalg.norm(points[inside] - centre, axis=1), kind="stable")]
        groups.append(_describe(inside, ids, tracks, found))
    groups.sort(key=lambda group: -len(group.ids))
    return _named_apart(groups)


# ---- dividing ----------------------------------------------------------------------------


def _labels(
    points: FloatArray, method: Method, k: int | None, seed: int
) -> tuple[NDArray[np.int64], int]:
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
    k = k or _best_count(points, method, seed)
    return fit_labels(points, method, k, seed), k


def fit_labels(points: FloatArray, method: Method, k: int, seed: int) -> NDArray[np.int64]:
    """Give each point the number of its group; -1 for none."""
    import sklearn.cluster as clusters
    from threadpoolctl import threadpool_limits

    if method == "kmeans":
        model = clusters.KMeans(k, n_init=4, random_state=seed)
    elif method == "agglomerative":
        model = clusters.AgglomerativeClustering(k, linkage="ward")
    else:
        fewest = max(MIN_TRACKS, round(np.sqrt(len(points)) / 3))
        model = clusters.HDBSCAN(min_cluster_size=fewest, copy=True)
    # Of fewer different points than groups it warns. One thread: the products are small, and
    # threads that wait for one another take twenty times as long on a busy machine.
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.filterwarnings("ignore", message="Number of distinct clusters")
        found = model.fit_predict(points)
    return np.asarray(found, np.int64)


def _best_count(points: FloatArray, method: Method, seed: int) -> int:
    """Choose the number of groups.

    Where there are clear groups, it is the one of the best silhouette. In a space where tracks
    lie evenly that is always two; there it is the largest by which the groups come out alike
    when tracks are left out.
    """
    some = points[_sampled(len(points), SAMPLE_TO_CHOOSE, seed)]
    most = max(2, min(MAX_CLUSTERS, len(some) // MIN_CLUSTER_SIZE))
    found = {k: fit_labels(some, method, k, seed) for k in CANDIDATE_COUNTS if k <= most}
    told = {k: _silhouette(some, labels, seed) for k, labels in found.items()}
    clear = {k: value for k, value in told.items() if value is not None and value >= MIN_SILHOUETTE}
    if clear:
        return max(clear, key=lambda k: clear[k])
    for k in sorted(found, reverse=True):
        stability = _stability(some, found[k], method, k, seed)
        if stability is not None and stability >= MIN_STABILITY:
            return k
    return 2


def _silhouette(points: FloatArray, labels: NDArray[np.int64], seed: int) -> float | None:
    from sklearn.metrics import silhouette_score

    inside = np.flatnonzero(labels >= 0)
    inside = inside[_sampled(len(inside), SAMPLE, seed)]
    if not 2 <= len(np.unique(labels[inside])) < len(inside):
        return None
    return float(silhouette_score(points[inside], labels[inside]))


def _stability(
    points: FloatArray, labels: NDArray[np.int64], method: Method, k: int, seed: int
) -> float | None:
    from sklearn.metrics import adjusted_rand_score

    n = len(points)
    size = min(round(_SHARE * n), SAMPLE)
    if size <= max(k, MIN_TRACKS) or labels.max() < 1:
        return None
    found = []
    for draw in range(_ROUNDS):
        some = np.random.default_rng([seed, draw]).choice(n, size, replace=False)
        again = fit_labels(points[some], method, k, seed + draw + 1)
        found.append(adjusted_rand_score(labels[some], again))
    return float(np.mean(found))


def _sampled(n: int, most: int, seed: int) -> NDArray[np.int64]:
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, most, replace=False))


# ---- naming ------------------------------------------------------------------------------


def _describe(
    inside: NDArray[np.int64],
    ids: NDArray[np.int64],
    tracks: Sequence[Track],
    found: TrackTraits,
) -> Cluster:
    mean = found.strengths[inside].mean(axis=0)
    tags = [
        ClusterTrait(found.names[i], float(mean[i]))
        for i in np.argsort(-mean, kind="stable").tolist()
        if mean[i] >= _STANDS_OUT
    ][:3]
    here = [tracks[row] for row in inside.tolist()]
    artists = Counter(name for track in here for name in split_names(track.tags.artist))
    common = [
        ClusterTrait(name, count / len(here))
        for name, count in artists.most_common(3)
        if count > 1 and count / len(here) >= 0.1
    ]
    tempos = [float(t.facts["tempo_bpm"]) for t in here if t.facts.get("tempo_bpm")]
    middle = np.percentile(tempos, [25, 75]) if tempos else None
    return Cluster(
        "",
        ids[inside],
        tuple(tags),
        tuple(common),
        None if middle is None else (float(middle[0]), float(middle[1])),
    )


def tempo_range(group: Cluster) -> str:
    """Write between which tempos the middle half of a group lies; "" where none is known."""
    if not group.tempo_bpm:
        return ""
    low, high = (f"{bpm:.0f}" for bpm in group.tempo_bpm)
    return f"{low} bpm" if low == high else f"{low}-{high} bpm"


def _named_apart(groups: Sequence[Cluster]) -> list[Cluster]:
    """Name groups by their tags; where two would be called alike, by artist and tempo too."""
    taken: set[str] = set()
    named = []
    for group in groups:
        tags = ", ".join(tag.name for tag in group.tags[:2])
        artist = group.artists[0].name if group.artists else ""
        tempo = tempo_range(group)
        mostly = artist if group.artists and group.artists[0].strength > 0.5 else ""
        parts = [part for part in (mostly, tags) if part] or [artist or tempo or "mixed"]
        for more in (artist, tempo):
            if ": ".join(parts) in taken and more and more not in parts:
                parts.append(more)
        base = name = ": ".join(parts)
        for number in range(2, len(groups) + 2):
            if name not in taken:
                break
            name = f"{base} ({number})"
        taken.add(name)
        named.append(Cluster(name, group.ids, group.tags, group.artists, group.tempo_bpm))
    return named

"""Hierarchical clustering of a library by average linkage (UPGMA), and its Newick format."""

from dataclasses import dataclass
from typing import ClassVar, Final, Literal

import numpy as np
from numpy.typing import NDArray

from segue.deprecation import RenamedAttributes
from segue.errors import BadArgument
from segue.records import Track
from segue.search.duplicates import representative_mask
from segue.search.groups import centroids, group_tracks
from segue.search.ranking import load_vector_space
from segue.store import Store

Level = Literal["track", "artist", "album"]
LEVELS: Final[tuple[Level, ...]] = ("track", "artist", "album")
#: Every pair is compared.
MAX_LEAVES: Final = 10_000


@dataclass(frozen=True, slots=True)
class Dendrogram(RenamedAttributes):
    """A binary tree of tracks, artists or albums.

    Attributes
    ----------
    level : str
    space : str
    labels : tuple of str, length n
        Of the leaves.
    tracks : tuple of Track or None, length n
        The leaves' tracks, where these are the leaves.
    joins : ndarray, shape (n - 1, 2), int64
        Which two nodes join, the nearest two first; n + i is what join i made.
    heights : ndarray, shape (n - 1,), float64
        The mean Euclidean distance, between vectors of length 1, of the members of the two.
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
    """Join the two nearest, again and again, by the mean distance of their members (UPGMA).

    A recording in several files is one leaf.

    Parameters
    ----------
    store : Store
        Database of the library.
    space : str
    level : {"track", "artist", "album"}
        Of what; artists and albums by the centres of their tracks.
    min_tracks : int
        Leave out artists or albums of fewer.
    all_sounds : bool
        Also tracks that are no music.

    Raises
    ------
    BadArgument
        There are fewer than two, or too many to compare every pair.
    """
    if level not in LEVELS:
        raise BadArgument(f"there is no level {level!r}; choose {', '.join(LEVELS)}")
    points = load_vector_space(store, space, "cosine")
    tracks: tuple[Track | None, ...]
    if level == "track":
        kept = representative_mask(store, points.matrix.ids, all_sounds=all_sounds, at_least=2)
        found = store.tracks(points.matrix.ids[kept].tolist())
        unit = np.asarray(points.matrix.unit[kept])
        labels = tuple(_label(track) for track in found)
        tracks = tuple(found)
    else:
        groups = group_tracks(store, level, all_sounds=all_sounds)
        centres = centroids(groups, points, min_tracks)
        unit = centres.matrix.unit / np.linalg.norm(centres.matrix.unit, axis=1, keepdims=True)
        labels = tuple(
            f"{groups[key].name} ({size})"
            for key, size in zip(centres.keys, centres.sizes, strict=True)
        )
        tracks = (None,) * len(labels)
    if len(labels) < 2:
        raise BadArgument(f"a tree takes two leaves; there are {len(labels)} here")
    if len(labels) > MAX_LEAVES:
        raise BadArgument(
            f"a tree compares every pair, and {len(labels)} are more than {MAX_LEAVES}; take "
            "--level artist or album"
        )
    return _tree(level, space, labels, tracks, np.asarray(unit, np.float64))


def to_newick(tree: Dendrogram) -> str:
    """Write a tree in the Newick format, with labels quoted and branch lengths."""
    n = len(tree.labels)
    written = ["'" + label.replace("'", "''") + "'" for label in tree.labels]
    height = np.zeros(n)
    for (left, right), joined in zip(tree.merges.tolist(), tree.heights.tolist(), strict=True):
        inner = ",".join(
            f"{written[node]}:{max(joined - height[node], 0):.6g}" for node in (left, right)
        )
        written.append(f"({inner})")
        height = np.append(height, joined)
        written[left] = written[right] = ""
    return written[-1] + ";\n"


def _tree(
    level: str,
    space: str,
    labels: tuple[str, ...],
    tracks: tuple[Track | None, ...],
    unit: NDArray[np.float64],
) -> Dendrogram:
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import pdist

    joined = linkage(pdist(unit), "average", optimal_ordering=len(labels) <= 2000)
    return Dendrogram(
        level,
        space,
        labels,
        tracks,
        joined[:, :2].astype(np.int64),
        joined[:, 2].copy(),
        leaves_list(joined).astype(np.int64),
    )


def _label(track: Track) -> str:
    parts = (track.tags.title, track.tags.artist or track.tags.album)
    return " · ".join(part for part in parts if part) or f"track {track.id}"

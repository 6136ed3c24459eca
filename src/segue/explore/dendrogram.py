"""Hierarchical clustering of a library by average linkage (UPGMA), its figures and Newick trees."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final, Literal

import numpy as np
from numpy.typing import NDArray

from segue.deprecation import RenamedAttributes
from segue.errors import BadArgument
from segue.files import write_text
from segue.records import Track
from segue.render import FIGURE_SUFFIXES, PAGE_SUFFIXES
from segue.render.map_plots import dendrogram_lines, draw_dendrogram
from segue.render.pages import write_dendrogram_page
from segue.search.duplicates import representative_mask
from segue.search.groups import centroids, group_tracks
from segue.search.ranking import load_vector_space
from segue.store import Store

Level = Literal["track", "artist", "album"]
LEVELS: Final[tuple[Level, ...]] = ("track", "artist", "album")
#: Maximum number of leaves, since every pair of them is compared.
MAX_LEAVES: Final = 10_000
#: Maximum number of leaves whose order is optimised, which takes cubic time.
_MAX_OPTIMAL_ORDERING: Final = 2000
NEWICK_SUFFIXES: Final = (".nwk", ".newick", ".tree")
TREE_SUFFIXES: Final = (*PAGE_SUFFIXES, *FIGURE_SUFFIXES, *NEWICK_SUFFIXES)


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

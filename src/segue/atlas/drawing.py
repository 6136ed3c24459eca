"""From a map to a picture or a page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.answers.copies import LOOKED_AT, copies
from segue.atlas.colours import Colouring
from segue.atlas.traits import traits
from segue.atlas.trees import Tree, newick
from segue.formats.whole import write_text
from segue.neighbours import neighbours
from segue.pages.maps import Shown, shades, write_map
from segue.pages.trees import write_tree
from segue.pictures.frame import PICTURES
from segue.pictures.maps import GREY, Dots, colour_of, draw_map
from segue.pictures.trees import draw_tree as draw_dendrogram
from segue.pictures.trees import lay_branches
from segue.records import FloatArray, Track
from segue.store import Store
from segue.store.maps import LibraryMap

NEAREST: Final = 10
PAGES: Final = (".html", ".htm")
NEWICK: Final = (".nwk", ".newick", ".tree")
MAP_FILES: Final = (*PAGES, *PICTURES)
TREE_FILES: Final = (*PAGES, *PICTURES, *NEWICK)
WARNING: Final = "How far two distant groups lie apart, and how large a group looks, means nothing."
_OFTEN: Final = ((0.95, "nearly always"), (0.85, "mostly"), (0.75, "often"), (-1.0, "sometimes"))
_PAGE_GREY: Final = "#9a9a9a"
_METHODS: Final = {"nerv": "NeRV", "umap": "UMAP", "tsne": "t-SNE", "pca": "main directions (PCA)"}


def caption(found: LibraryMap) -> str:
    """Say by which method a map was made, and how far to trust it."""
    if found.trustworthiness is None or found.continuity is None:
        return f"too few tracks ({len(found.ids)}) to tell how far to trust the map."
    near, alike = (_often(value) for value in (found.trustworthiness, found.continuity))
    return (
        f"{len(found.ids)} tracks by {_METHODS[found.method]}: what is near on the map is {near} "
        f"alike, and what is alike is {alike} near."
    )


def _often(value: float) -> str:
    """Put a trustworthiness or continuity, 0.5 by chance and 1 at best, in a word."""
    return next(word for least, word in _OFTEN if value >= least)


def draw(
    store: Store,
    found: LibraryMap,
    tracks: Sequence[Track],
    colouring: Colouring,
    target: Path,
    previews: Mapping[int, bytes] | None = None,
) -> None:
    """Write a map as a page or a picture, as the file's ending says.

    Parameters
    ----------
    store : Store
    found : LibraryMap
    tracks : sequence of Track
        Of the map, in its order.
    colouring : Colouring
    target : Path
    previews : mapping of int to bytes, optional
        For a page, see `segue.ingest.previews`.
    """
    title = f"{len(tracks):,} track{'s' * (len(tracks) != 1)} by {colouring.title}"
    if target.suffix.lower() not in PAGES:
        dots = Dots(
            found.points,
            [track.tags.title for track in tracks],
            colouring.names,
            colouring.of,
            colouring.values,
            colouring.title,
        )
        draw_map(dots, target, title, f"{caption(found)}\n{WARNING}")
        return
    palette, colour, legend, low, high = _coloured(colouring)
    near, likeness = _nearest(store, found)
    write_map(
        Shown(
            tracks,
            found.points,
            near,
            likeness,
            described(store, tracks),
            colouring.title,
            palette,
            colour,
            legend,
            low,
            high,
            title,
            f"{caption(found)} {WARNING}",
        ),
        target,
        previews,
    )


def draw_tree(tree: Tree, target: Path) -> None:
    """Write a tree as a page, a picture, or in the Newick format, as the file's ending says."""
    n = len(tree.labels)
    title = f"{n} {tree.level}s by what is alike"
    told = (
        f"Space {tree.space}; joined by the mean Euclidean distance of their members (UPGMA): 0 "
        "is the same, 1.41 is nothing in common."
    )
    if target.suffix.lower() in NEWICK:
        write_text(newick(tree), target)
        return
    branches = lay_branches(tree.joins, tree.heights, tree.order)
    if target.suffix.lower() not in PAGES:
        draw_dendrogram(branches, tree.labels, tree.order, target, title, told)
        return
    order = tree.order.tolist()
    write_tree(
        branches.lines,
        [tree.labels[leaf] for leaf in order],
        [tree.tracks[leaf] for leaf in order],
        target,
        title,
        told,
    )


def described(store: Store, tracks: Sequence[Track], most: int = 3) -> list[list[str]]:
    """Name what stands out most in each track, among these tracks."""
    found = traits(store, tracks)
    best = np.argsort(-found.strengths, axis=1, kind="stable")[:, :most]
    return [[found.names[column] for column in row] for row in best.tolist()]


def _coloured(
    colouring: Colouring,
) -> tuple[list[str], NDArray[np.int64], list[str], str, str]:
    if not colouring.names and len(colouring.values):
        palette, colour, low, high = shades(colouring.values)
        return palette, colour, [], low, high
    names = list(colouring.names)
    palette = [colour_of(number, names).replace(GREY, _PAGE_GREY) for number in range(len(names))]
    colour = np.where(colouring.of < 0, len(names), colouring.of)
    if (colouring.of < 0).any():
        names.append("none")
        palette.append("#6a6a6a")
    return palette, colour, names, "", ""


def _nearest(store: Store, found: LibraryMap) -> tuple[NDArray[np.int32], FloatArray]:
    """Return the rows and cosines of the nearest of each track, one file of each recording.

    Rows are -1 where there are no more.
    """
    n = len(found.ids)
    rows = np.full((n, min(NEAREST, max(n - 1, 0))), -1, np.int32)
    cosines = np.zeros(rows.shape, np.float32)
    if n < 2:
        return rows, cosines
    near = neighbours(store, found.space, LOOKED_AT)
    copy_of = copies(store)
    place = {track: row for row, track in enumerate(found.ids.tolist())}
    # The row on the map of each track, or of the file that stands for it; -1 for what is not there.
    place_of = np.array([place.get(copy_of.get(one, one), -1) for one in near.ids.tolist()])
    for row, at in enumerate(np.searchsorted(near.ids, found.ids).tolist()):
        taken = {row, -1}
        kept = []
        for column, other in enumerate(place_of[near.rows[at]].tolist()):
            if other not in taken:
                taken.add(other)
                kept.append(column)
        kept = kept[: rows.shape[1]]
        rows[row, : len(kept)] = place_of[near.rows[at, kept]]
        cosines[row, : len(kept)] = 1 - near.distances[at, kept] ** 2 / 2
    return rows, cosines

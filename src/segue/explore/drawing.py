"""Maps and dendrograms of a library as figures and HTML pages: colours, captions, tooltips."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.builtin_spaces import MUSICNN_TAGS
from segue.errors import BadArgument
from segue.explore.clusters import cluster_names, track_traits
from segue.explore.dendrogram import Dendrogram, to_newick
from segue.files import write_text
from segue.records import FloatArray, Track
from segue.render.map_plots import (
    GREY,
    OTHER,
    MapFigure,
    category_colour,
    draw_dendrogram,
    draw_map,
    layout_dendrogram,
)
from segue.render.pages import MapPage, colour_values, write_dendrogram_page, write_map_page
from segue.render.plots import FIGURE_SUFFIXES
from segue.search.descriptions import tag_column
from segue.search.duplicates import CANDIDATE_NEIGHBOURS, duplicate_map
from segue.search.neighbours import nearest_neighbours
from segue.store import Store
from segue.store.spaces import StoredMap
from segue.text import normalise, split_genres

NAME_FIELDS: Final = ("artist", "album", "genre")
#: More colours than this no eye tells apart; the rest is "other".
MAX_NAMES: Final = 11
_TAG: Final = "tag:"


@dataclass(frozen=True, slots=True)
class Colouring:
    """One value for each track: a name out of a few, or a number.

    Attributes
    ----------
    title : str
    names : tuple of str
        The commonest first, `OTHER` last where there is one; empty where values are numbers.
    of : ndarray, shape (n,), int64
        Which name each track has, -1 for none; empty where values are numbers.
    values : ndarray, shape (n,), float32
        The numbers, NaN where unknown; empty where values are names.
    """

    title: str
    names: tuple[str, ...]
    name_index: NDArray[np.int64]
    values: FloatArray


def colour_by(
    store: Store, space: str, by: str, tracks: Sequence[Track], *, seed: int = 0
) -> Colouring:
    """Give every track what it is coloured by.

    Parameters
    ----------
    store : Store
        Database of the library.
    space : str
        In which groups are found.
    by : str
        "artist", "album", "genre", "year", "group", or "tag:" and one of the tags that Segue
        hears, as "tag:ambient".
    tracks : sequence of Track
        In order of id.

    Raises
    ------
    BadArgument
        There is nothing of that name.
    """
    check_colour(by)
    if by in NAME_FIELDS:
        return _names(by, [_name(track, by) for track in tracks])
    if by == "year":
        years = [float(track.tags.year or "nan") for track in tracks]
        return _numbers(by, np.array(years, np.float32))
    if by == "group":
        return _groups(store, space, tracks, seed)
    column = tag_column(by.removeprefix(_TAG))
    if any(track.kind != "sound" for track in tracks):
        raise BadArgument(f"{by!r}: tags are heard in recordings; colour scores by group or genre")
    ids, strengths = store.spaces.vectors("tags")
    rows = np.searchsorted(ids, [track.id for track in tracks])
    return _numbers(f"how {MUSICNN_TAGS[column]}", strengths[rows, column])


def _name(track: Track, by: str) -> str:
    if by == "genre":
        return next(iter(split_genres(track.tags.genre)), "")
    return str(getattr(track.tags, by))


def _names(title: str, found: Sequence[str]) -> Colouring:
    """Give each name a number; of several spellings of one, the commonest is shown."""
    keys = [normalise(name) for name in found]
    counts = Counter(key for key in keys if key)
    common = [key for key, _ in counts.most_common()]
    shown = common if len(common) <= MAX_NAMES + 1 else common[:MAX_NAMES]
    spelled = [
        Counter(name for name, own in zip(found, keys, strict=True) if own == key).most_common(1)
        for key in shown
    ]
    place = {key: number for number, key in enumerate(shown)}
    other = len(shown)
    of = np.array([place.get(key, other) if key else -1 for key in keys], np.int64)
    names = [spelling[0][0] for spelling in spelled]
    return Colouring(
        title,
        tuple(names + ([OTHER] if (of == other).any() else [])),
        of,
        np.empty(0, np.float32),
    )


def _numbers(title: str, values: FloatArray) -> Colouring:
    return Colouring(title, (), np.empty(0, np.int64), np.asarray(values, np.float32))


def _groups(store: Store, space: str, tracks: Sequence[Track], seed: int) -> Colouring:
    matrix = store.spaces.matrix(space)
    ids = np.array([track.id for track in tracks], np.int64)
    rows = np.searchsorted(matrix.ids, ids)
    names, of = cluster_names(store, ids, np.asarray(matrix.unit)[rows], seed=seed)
    return Colouring("group", names, of, np.empty(0, np.float32))


def check_colour(by: str) -> None:
    """Refuse what no map can be coloured by, before it is made.

    Raises
    ------
    BadArgument
    """
    if by.startswith(_TAG):
        tag_column(by.removeprefix(_TAG))
    elif by not in (*NAME_FIELDS, "year", "group"):
        raise BadArgument(
            f"a map cannot be coloured by {by!r}; by artist, album, genre, year, group, or "
            "tag:ambient and the like"
        )


NEAREST: Final = 10
PAGE_SUFFIXES: Final = (".html", ".htm")
NEWICK_SUFFIXES: Final = (".nwk", ".newick", ".tree")
MAP_SUFFIXES: Final = (*PAGE_SUFFIXES, *FIGURE_SUFFIXES)
TREE_SUFFIXES: Final = (*PAGE_SUFFIXES, *FIGURE_SUFFIXES, *NEWICK_SUFFIXES)
WARNING: Final = "How far two distant groups lie apart, and how large a group looks, means nothing."
_OFTEN: Final = ((0.95, "nearly always"), (0.85, "mostly"), (0.75, "often"), (-1.0, "sometimes"))
_PAGE_GREY: Final = "#9a9a9a"
_METHODS: Final = {"nerv": "NeRV", "umap": "UMAP", "tsne": "t-SNE", "pca": "main directions (PCA)"}


def map_caption(found: StoredMap) -> str:
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


def save_map(
    store: Store,
    found: StoredMap,
    tracks: Sequence[Track],
    colouring: Colouring,
    target: Path,
    previews: Mapping[int, bytes] | None = None,
) -> None:
    """Write a map as a page or a picture, as the file's ending says.

    Parameters
    ----------
    store : Store
        Database of the library.
    found : StoredMap
    tracks : sequence of Track
        Of the map, in its order.
    colouring : Colouring
    target : Path
    previews : mapping of int to bytes, optional
        For a page, see `segue.ingest.cache`.
    """
    title = f"{len(tracks):,} track{'s' * (len(tracks) != 1)} by {colouring.title}"
    if target.suffix.lower() not in PAGE_SUFFIXES:
        dots = MapFigure(
            found.points,
            [track.tags.title for track in tracks],
            colouring.names,
            colouring.name_index,
            colouring.values,
            colouring.title,
        )
        draw_map(dots, target, title, f"{map_caption(found)}\n{WARNING}")
        return
    palette, colour, legend, low, high = _coloured(colouring)
    near, likeness = _nearest(store, found)
    write_map_page(
        MapPage(
            tracks,
            found.points,
            near,
            likeness,
            describe_tracks(store, tracks),
            colouring.title,
            palette,
            colour,
            legend,
            low,
            high,
            title,
            f"{map_caption(found)} {WARNING}",
        ),
        target,
        previews,
    )


def save_dendrogram(tree: Dendrogram, target: Path) -> None:
    """Write a tree as a page, a picture, or in the Newick format, as the file's ending says."""
    n = len(tree.labels)
    title = f"{n} {tree.level}s by what is alike"
    told = (
        f"Space {tree.space}; joined by the mean Euclidean distance of their members (UPGMA): 0 "
        "is the same, 1.41 is nothing in common."
    )
    if target.suffix.lower() in NEWICK_SUFFIXES:
        write_text(to_newick(tree), target)
        return
    branches = layout_dendrogram(tree.merges, tree.heights, tree.order)
    if target.suffix.lower() not in PAGE_SUFFIXES:
        draw_dendrogram(branches, tree.labels, tree.order, target, title, told)
        return
    order = tree.order.tolist()
    write_dendrogram_page(
        branches.lines,
        [tree.labels[leaf] for leaf in order],
        [tree.tracks[leaf] for leaf in order],
        target,
        title,
        told,
    )


def describe_tracks(store: Store, tracks: Sequence[Track], most: int = 3) -> list[list[str]]:
    """Name what stands out most in each track, among these tracks."""
    found = track_traits(store, tracks)
    best = np.argsort(-found.strengths, axis=1, kind="stable")[:, :most]
    return [[found.names[column] for column in row] for row in best.tolist()]


def _coloured(
    colouring: Colouring,
) -> tuple[list[str], NDArray[np.int64], list[str], str, str]:
    if not colouring.names and len(colouring.values):
        palette, colour, low, high = colour_values(colouring.values)
        return palette, colour, [], low, high
    names = list(colouring.names)
    palette = [
        category_colour(number, names).replace(GREY, _PAGE_GREY) for number in range(len(names))
    ]
    colour = np.where(colouring.name_index < 0, len(names), colouring.name_index)
    if (colouring.name_index < 0).any():
        names.append("none")
        palette.append("#6a6a6a")
    return palette, colour, names, "", ""


def _nearest(store: Store, found: StoredMap) -> tuple[NDArray[np.int32], FloatArray]:
    """Return the rows and cosines of the nearest of each track, one file of each recording.

    Rows are -1 where there are no more.
    """
    n = len(found.ids)
    rows = np.full((n, min(NEAREST, max(n - 1, 0))), -1, np.int32)
    cosines = np.zeros(rows.shape, np.float32)
    if n < 2:
        return rows, cosines
    near = nearest_neighbours(store, found.space, CANDIDATE_NEIGHBOURS)
    copy_of = duplicate_map(store)
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

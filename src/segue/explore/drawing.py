"""Maps and dendrograms of a library as figures and HTML pages: colours, captions, tooltips."""

from collections import Counter
from collections.abc import Mapping, Sequence
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
from segue.render import FIGURE_SUFFIXES, PAGE_SUFFIXES
from segue.render.map_plots import (
    OTHER,
    Colouring,
    dendrogram_lines,
    draw_dendrogram,
    draw_map,
)
from segue.render.pages import write_dendrogram_page, write_map_page
from segue.search.descriptions import tag_column
from segue.search.duplicates import CANDIDATE_NEIGHBOURS, duplicate_map
from segue.search.neighbours import by_corrected_rank, hubness_corrections, nearest_neighbours
from segue.store import Store
from segue.store.spaces import StoredMap
from segue.text import normalise, split_genres

NAME_FIELDS: Final = ("artist", "album", "genre")
#: Maximum number of names with a colour of their own; more cannot be distinguished.
MAX_NAMES: Final = 11
#: Number of nearest neighbours of a track on the page of a map.
N_NEIGHBOURS: Final = 10
NEWICK_SUFFIXES: Final = (".nwk", ".newick", ".tree")
MAP_SUFFIXES: Final = (*PAGE_SUFFIXES, *FIGURE_SUFFIXES)
TREE_SUFFIXES: Final = (*PAGE_SUFFIXES, *FIGURE_SUFFIXES, *NEWICK_SUFFIXES)
WARNING: Final = "Distances between distant groups and the sizes of groups mean nothing."
_TAG: Final = "tag:"
_METHODS: Final = {"nerv": "NeRV", "umap": "UMAP", "tsne": "t-SNE", "pca": "main directions (PCA)"}
#: Words for a trustworthiness or continuity from a value on; 0.5 is chance.
_ADVERBS: Final = ((0.95, "nearly always"), (0.85, "mostly"), (0.75, "often"), (-1.0, "sometimes"))


def check_colour(by: str) -> None:
    """Check the name of a colouring, before anything is computed.

    Raises
    ------
    BadArgument
        There is no such colouring or tag.
    """
    if by.startswith(_TAG):
        tag_column(by.removeprefix(_TAG))
    elif by not in (*NAME_FIELDS, "year", "group"):
        raise BadArgument(
            f"a map cannot be coloured by {by!r}; by artist, album, genre, year, group, or "
            "tag:ambient and the like"
        )


def colour_by(
    store: Store, space: str, by: str, tracks: Sequence[Track], *, seed: int = 0
) -> Colouring:
    """Colour tracks by a field of their tags, by cluster, or by the strength of a tag.

    Parameters
    ----------
    store : Store
        Database of the library.
    space : str
        Embedding space of the clusters.
    by : str
        "artist", "album", "genre", "year", "group" (clusters), or "tag:" and a tag, as in
        "tag:ambient".
    tracks : sequence of Track
        Tracks in order of id.
    seed : int
        Random seed of the clustering.

    Raises
    ------
    BadArgument
        There is no such colouring or tag, or some tracks have no tags.
    """
    check_colour(by)
    if by in NAME_FIELDS:
        return _colour_by_name(by, [_name(track, by) for track in tracks])
    if by == "group":
        matrix = store.spaces.matrix(space)
        ids = np.array([track.id for track in tracks], np.int64)
        unit = np.asarray(matrix.unit)[np.searchsorted(matrix.ids, ids)]
        names, name_index = cluster_names(store, ids, unit, seed=seed)
        return Colouring("group", names, name_index, np.empty(0, np.float32))
    if by == "year":
        title, values = by, np.array([track.tags.year or np.nan for track in tracks], np.float32)
    else:
        column = tag_column(by.removeprefix(_TAG))
        if any(track.kind != "sound" for track in tracks):
            raise BadArgument(
                f"{by!r}: tags are heard in recordings; colour scores by group or genre"
            )
        known, strengths = store.spaces.vectors("tags")
        rows = np.searchsorted(known, [track.id for track in tracks])
        title, values = f"how {MUSICNN_TAGS[column]}", strengths[rows, column]
    return Colouring(title, (), np.empty(0, np.int64), np.asarray(values, np.float32))


def _name(track: Track, by: str) -> str:
    if by == "genre":
        return next(iter(split_genres(track.tags.genre)), "")
    return str(getattr(track.tags, by))


def _colour_by_name(title: str, names: Sequence[str]) -> Colouring:
    """Colour tracks by name, regardless of its spelling; the most common spelling is shown."""
    keys = [normalise(name) for name in names]
    common = [key for key, _ in Counter(key for key in keys if key).most_common()]
    if len(common) > MAX_NAMES + 1:
        common = common[:MAX_NAMES]
    spellings = [
        Counter(name for name, own in zip(names, keys, strict=True) if own == key) for key in common
    ]
    legend = [counts.most_common(1)[0][0] for counts in spellings]
    index = {key: number for number, key in enumerate(common)}
    other = len(common)
    name_index = np.array([index.get(key, other) if key else -1 for key in keys], np.int64)
    if (name_index == other).any():
        legend.append(OTHER)
    return Colouring(title, tuple(legend), name_index, np.empty(0, np.float32))


def map_caption(library_map: StoredMap) -> str:
    """Return the method of a map, and its trustworthiness and continuity in words."""
    n = len(library_map.ids)
    if library_map.trustworthiness is None or library_map.continuity is None:
        return f"too few tracks ({n}) to measure the trustworthiness of the map."
    trust, continuity = (
        next(adverb for lowest, adverb in _ADVERBS if value >= lowest)
        for value in (library_map.trustworthiness, library_map.continuity)
    )
    return (
        f"{n} tracks by {_METHODS[library_map.method]}: neighbours on the map are {trust} "
        f"similar, and similar tracks are {continuity} neighbours."
    )


def save_map(
    store: Store,
    library_map: StoredMap,
    tracks: Sequence[Track],
    colouring: Colouring,
    target: Path,
    previews: Mapping[int, bytes] | None = None,
) -> None:
    """Write a map as a page or figure, by the suffix of the file.

    Parameters
    ----------
    store : Store
        Database of the library.
    library_map : StoredMap
        The map.
    tracks : sequence of Track
        Tracks of the map, in its order.
    colouring : Colouring
        Colours of the tracks.
    target : Path
        Path of the output file.
    previews : mapping of int to bytes, optional
        Excerpts of tracks to embed in a page, see `segue.ingest.cache`.
    """
    title = f"{len(tracks):,} track{'s' * (len(tracks) != 1)} by {colouring.title}"
    caption = map_caption(library_map)
    if target.suffix.lower() in PAGE_SUFFIXES:
        neighbours, similarities = _nearest(store, library_map)
        write_map_page(
            tracks,
            library_map.points,
            neighbours,
            similarities,
            describe_tracks(store, tracks),
            colouring,
            target,
            title,
            f"{caption} {WARNING}",
            previews,
        )
    else:
        labels = [track.tags.title for track in tracks]
        caption = f"{caption}\n{WARNING}"
        draw_map(library_map.points, labels, colouring, target, title, caption)


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


def describe_tracks(store: Store, tracks: Sequence[Track], n: int = 3) -> list[list[str]]:
    """Return the strongest traits of each track, relative to these tracks."""
    traits = track_traits(store, tracks)
    strongest = np.argsort(-traits.strengths, axis=1, kind="stable")[:, :n]
    return [[traits.names[column] for column in row] for row in strongest.tolist()]


def _nearest(store: Store, library_map: StoredMap) -> tuple[NDArray[np.int32], FloatArray]:
    """Return rows and cosine similarities of each track's nearest neighbours on the map.

    They are ranked as in a search. Of several copies of a recording, one is a neighbour. Rows are
    -1 if there are no more.
    """
    n = len(library_map.ids)
    rows = np.full((n, min(N_NEIGHBOURS, max(n - 1, 0))), -1, np.int32)
    cosines = np.zeros(rows.shape, np.float32)
    if n < 2:
        return rows, cosines
    near = nearest_neighbours(store, library_map.space, CANDIDATE_NEIGHBOURS)
    matrix = store.spaces.matrix(library_map.space)
    near = by_corrected_rank(near, hubness_corrections(store, matrix))
    original = duplicate_map(store)
    row_of_id = {track: row for row, track in enumerate(library_map.ids.tolist())}
    # The row of each track, or of the copy that is on the map; -1 for those not on the map.
    map_rows = np.array([row_of_id.get(original.get(id_, id_), -1) for id_ in near.ids.tolist()])
    for row, near_row in enumerate(np.searchsorted(near.ids, library_map.ids).tolist()):
        taken = {row, -1}
        columns = []
        for column, other in enumerate(map_rows[near.rows[near_row]].tolist()):
            if other not in taken:
                taken.add(other)
                columns.append(column)
        columns = columns[: rows.shape[1]]
        rows[row, : len(columns)] = map_rows[near.rows[near_row, columns]]
        cosines[row, : len(columns)] = 1 - near.distances[near_row, columns] ** 2 / 2
    return rows, cosines

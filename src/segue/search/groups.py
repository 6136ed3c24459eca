"""Artists, albums and genres as centroids.

Artists, albums and genres as wholes: their centres, and which are alike.

How good the spaces of a library are at bringing together what belongs together.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument, NotFound, NothingToMeasure
from segue.evaluation.retrieval import Retrieval, retrieval
from segue.records import FloatArray, GroupHit, Tags
from segue.search.duplicates import drop_duplicates, duplicate_map, representative_mask
from segue.search.query_set import Query, QuerySet
from segue.search.ranking import Metric, VectorSpace, load_vector_space
from segue.search.track_checks import non_music_ids
from segue.store import Store
from segue.store.files import Labels
from segue.store.matrix import Matrix
from segue.text import name_keys, normalise, split_genres, split_names

# --- groups ---

GROUP_KINDS: Final = ("artist", "album", "genre")
MIN_TRACKS: Final = 3  # the centre of fewer says more of the tracks than of the whole


@dataclass(frozen=True, slots=True)
class TrackGroup:
    """An artist, album or genre.

    Attributes
    ----------
    name : str
        As most of its tracks spell it.
    tracks : ndarray of int64, shape (n,)
        Ids, rising.
    recordings : ndarray of int64, shape (m,)
        Of these, one of each recording: copies do not count, nor does what is no music.
    """

    name: str
    tracks: NDArray[np.int64]
    recordings: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Centroids:
    """The centres of groups in a space.

    Attributes
    ----------
    keys : list of str, length n
        Of the groups.
    sizes : list of int, length n
        How many recordings of each have a vector.
    matrix : Matrix
        Of the means of these vectors, unit vectors where these are; its ids count from 0.
    """

    keys: list[str]
    sizes: list[int]
    matrix: Matrix


def group_tracks(store: Store, kind: str, *, all_sounds: bool = False) -> dict[str, TrackGroup]:
    """Group the tracks of a library by artist, album or genre.

    Parameters
    ----------
    store : Store
    kind : {"artist", "album", "genre"}
        Names are compared without case and accents. Albums of one name are one unless their
        album artists differ; a track with several genres is in each of them.
    all_sounds : bool
        What is no music counts among the recordings of a group, too.

    Returns
    -------
    dict of str to Group
        By a key of its own to each.
    """
    if kind not in GROUP_KINDS:
        raise BadArgument(f"no tracks are grouped by {kind!r}; by artist, album or genre")
    tracks: defaultdict[str, list[int]] = defaultdict(list)
    spellings: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for labels in store.labels():
        for key, name in _names(labels, kind):
            tracks[key].append(labels.id)
            spellings[key][name] += 1
    copy_of, left_out = duplicate_map(store), [] if all_sounds else non_music_ids(store)
    return {
        key: TrackGroup(
            spellings[key].most_common(1)[0][0],
            np.array(ids, np.int64),
            np.setdiff1d(drop_duplicates(copy_of, np.array(ids, np.int64)), left_out),
        )
        for key, ids in tracks.items()
    }


def centroids(groups: Mapping[str, TrackGroup], points: VectorSpace, min_tracks: int) -> Centroids:
    """Take the centres of all groups that have enough tracks in a space.

    Parameters
    ----------
    groups : mapping of str to Group
    points : Points
    min_tracks : int
        At least 1.

    Raises
    ------
    NotFound
        No group has that many.
    """
    if min_tracks < 1:
        raise BadArgument(f"at least {min_tracks} tracks; at least 1 is needed for a centre")
    keys, sizes, means = [], [], []
    for key, group in groups.items():
        rows = _rows(points.matrix, group)
        if len(rows) >= min_tracks:
            keys.append(key)
            sizes.append(len(rows))
            means.append(points.centroid([points.matrix.unit[rows].mean(axis=0)]))
    if not keys:
        raise NotFound(
            f"nothing here has {min_tracks} tracks to take a centre of; "
            "ask for fewer with --min-tracks, or add more music"
        )
    ids = np.arange(len(keys), dtype=np.int64)
    return Centroids(keys, sizes, Matrix(points.matrix.space, ids, np.stack(means)))


def similar_groups(
    store: Store,
    query_set: QuerySet,
    kind: str,
    *,
    n: int,
    space: str,
    metric: Metric = "cosine",
    min_tracks: int = MIN_TRACKS,
) -> list[GroupHit]:
    """Find the artists, albums or genres that are most like what is asked with.

    Parameters
    ----------
    store : Store
    query_set : Question
        Its queries name groups; else tracks, whose groups are meant; else files.
    kind : {"artist", "album", "genre"}
    n : int
        How many at most, at least 1.
    space : str
    metric : {"cosine", "euclidean"}
    min_tracks : int
        Groups of fewer are no answers.

    Returns
    -------
    list of GroupHit
        Best first, without what was asked with.
    """
    if n < 1:
        raise BadArgument(f"{n} answers; at least 1 must be wanted")
    points = load_vector_space(store, space, metric)
    groups = group_tracks(store, kind)
    asked, centre = _asked(points, groups, query_set, kind)
    centres = centroids(groups, points, min_tracks)
    scores = points.similarities(centre, centres.matrix)
    order = np.argsort(-scores, kind="stable").tolist()
    best = [row for row in order if centres.keys[row] not in asked][:n]
    return [
        GroupHit(
            rank,
            float(scores[row]),
            groups[centres.keys[row]].name,
            centres.sizes[row],
            points.explain(centre, centres.matrix.unit[row]),
        )
        for rank, row in enumerate(best, start=1)
    ]


def tracks_of_similar_artists(
    store: Store, query_set: QuerySet, n: int, space: str, min_tracks: int
) -> NDArray[np.int64]:
    """List the tracks of the artists asked with, and of the `n` most like them."""
    groups = group_tracks(store, "artist")
    hits = similar_groups(store, query_set, "artist", n=n, space=space, min_tracks=min_tracks)
    asked, _ = _asked(load_vector_space(store, space, "cosine"), groups, query_set, "artist")
    near = {key for hit in hits for key in _keys_named(groups, hit.name)} | asked
    return np.concatenate([groups[key].tracks for key in near])


def _asked(
    points: VectorSpace,
    groups: Mapping[str, TrackGroup],
    query_set: QuerySet,
    kind: str,
) -> tuple[set[str], FloatArray]:
    """Return the groups that queries name or whose tracks they name, and their centre."""
    asked: set[str] = set()
    others: list[Query] = []
    for query in query_set.positives:
        named = _keys_named(groups, query) if isinstance(query, str) else []
        asked.update(named)
        others += [] if named else [query]
    query_set = query_set.subset(others)
    tracks = np.array([track.id for track in query_set.tracks], np.int64)
    asked.update(_keys_of(groups, tracks))
    if len(tracks) and not asked:
        raise NotFound(f"what was asked with says nothing of its {kind}")
    vectors = query_set.file_vectors(points.matrix.space.name)
    for key in asked:
        rows = _rows(points.matrix, groups[key])
        if len(rows):
            vectors.append(points.matrix.unit[rows].mean(axis=0))
    if not vectors:
        raise NotFound(f"nothing that was asked with is in the space {points.matrix.space.name!r}")
    return asked, points.centroid(vectors)


def _keys_of(groups: Mapping[str, TrackGroup], tracks: NDArray[np.int64]) -> list[str]:
    """List the groups that any of some tracks is in."""
    return [key for key, group in groups.items() if np.isin(group.tracks, tracks).any()]


def _keys_named(groups: Mapping[str, TrackGroup], name: str) -> list[str]:
    """List the groups of a name."""
    wanted = normalise(name)
    return [key for key, group in groups.items() if wanted and normalise(group.name) == wanted]


def _rows(matrix: Matrix, group: TrackGroup) -> NDArray[np.intp]:
    """Return where the recordings of a group lie that are in a space."""
    rows = np.searchsorted(matrix.ids, group.recordings)
    inside = rows < len(matrix.ids)
    rows, tracks = rows[inside], group.recordings[inside]
    found: NDArray[np.intp] = rows[matrix.ids[rows] == tracks]
    return found


def _names(labels: Labels, kind: str) -> Iterator[tuple[str, str]]:
    """Yield the key and the spelling of each group of a kind that a track is in."""
    if kind == "genre":
        for genre in split_genres(labels.genre):
            yield normalise(genre), genre
    elif kind == "album":
        if key := normalise(labels.album):
            yield f"{key}\n{normalise(labels.album_artist)}", labels.album
    else:
        for artist in split_names(labels.artist):
            if key := normalise(artist):
                yield key, artist


# --- evaluating ---

#: So many tracks ask at most, drawn at random: of these, a share is known to about 0.01.
MAX_QUERIES: Final = 2000


def evaluate_spaces(
    store: Store,
    by: str,
    *,
    artist_filter: bool,
    metric: Metric,
    seed: int,
    all_sounds: bool = False,
) -> dict[str, Retrieval]:
    """Measure every space of a library; a recording in several files counts once.

    What is no music is left out, unless `all_sounds`. Of many tracks some ask, and all may be
    found.

    Returns
    -------
    dict of str to Retrieval
        By space, of recordings and of scores. One that holds no two tracks that belong together
        is left out.

    Raises
    ------
    BadArgument
        No space has anything to measure.
    NotFound
        The library is empty.
    """
    if by not in GROUP_KINDS:
        raise BadArgument(f"cannot evaluate by {by!r}; by album, artist or genre")
    tags = {track.id: track.tags for track in store.tracks()}
    table: dict[str, Retrieval] = {}
    nothing: NothingToMeasure | None = None
    for info in store.spaces.known():
        if info.outdated or not info.tracks:
            continue
        ids, vectors = store.spaces.vectors(info.space.name)
        try:
            kept = representative_mask(store, ids, all_sounds=all_sounds, at_least=2)
            ids, vectors = ids[kept], vectors[kept]
            here = [tags[track] for track in ids.tolist()]
            table[info.space.name] = retrieval(
                vectors,
                [_labels(each, by) for each in here],
                groups=[name_keys(each.artist) for each in here] if artist_filter else None,
                metric=metric,
                most_queries=MAX_QUERIES,
                seed=seed,
            )
        except NothingToMeasure as error:
            nothing = nothing or error
    if nothing and not table:
        raise nothing
    if not table:
        raise NotFound("this library is empty; fill it with `segue add FOLDER`")
    return table


def _labels(tags: Tags, by: str) -> str | list[str] | frozenset[str]:
    if by == "artist":
        return name_keys(tags.artist)
    return split_genres(tags.genre) if by == "genre" else str(tags.album)

"""Artists, albums and genres: their centroids, similar ones, and evaluation of spaces by them."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument, NotFound, NothingToMeasure
from segue.evaluation.retrieval import RetrievalMetrics, evaluate_retrieval
from segue.records import FloatArray, GroupHit, Tags
from segue.search.filters import drop_duplicates, duplicate_map, non_music_ids, representative_mask
from segue.search.neighbours import hubness_corrections
from segue.search.query import Query, QuerySet
from segue.search.ranking import Metric, VectorSpace, load_vector_space
from segue.store import Store
from segue.store.files import Labels
from segue.store.spaces import Matrix
from segue.text import name_keys, normalise, split_genres, split_names

GROUP_KINDS: Final = ("artist", "album", "genre")
#: Minimum number of tracks of a centroid: fewer represent themselves rather than the group.
MIN_TRACKS: Final = 3
#: Maximum number of queries of an evaluation, a random sample: precise to about 0.01.
MAX_QUERIES: Final = 2000


@dataclass(frozen=True, slots=True)
class TrackGroup:
    """The tracks of an artist, album or genre.

    Attributes
    ----------
    name : str
        Most frequent spelling of the name.
    tracks : ndarray of int64, shape (n,)
        Track ids, ascending.
    recordings : ndarray of int64, shape (m,)
        Ids of the tracks without duplicates, and without recordings that are not music.
    """

    name: str
    tracks: NDArray[np.int64]
    recordings: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Centroids:
    """The centroids of groups in a space.

    Attributes
    ----------
    keys : list of str, length n
        Keys of the groups.
    sizes : list of int, length n
        Number of recordings of each that have an embedding.
    matrix : Matrix
        Centroids, unit vectors in a cosine space; ids count from 0.
    """

    keys: list[str]
    sizes: list[int]
    matrix: Matrix


def group_tracks(store: Store, kind: str, *, all_sounds: bool = False) -> dict[str, TrackGroup]:
    """Group the tracks of a library by artist, album or genre.

    Parameters
    ----------
    store : Store
        Database of the library.
    kind : {"artist", "album", "genre"}
        Field to group by, ignoring case and accents. Albums of the same name are one group unless
        their album artists differ; a track with several artists or genres is in several groups.
    all_sounds : bool
        Count recordings that are not music.

    Returns
    -------
    dict of str to TrackGroup
        Groups by key.
    """
    if kind not in GROUP_KINDS:
        raise BadArgument(f"no tracks are grouped by {kind!r}; by artist, album or genre")
    tracks: defaultdict[str, list[int]] = defaultdict(list)
    spellings: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for labels in store.labels():
        for key, name in _keys_and_names(labels, kind):
            tracks[key].append(labels.id)
            spellings[key][name] += 1
    representatives = duplicate_map(store)
    excluded = [] if all_sounds else non_music_ids(store)
    return {
        key: TrackGroup(
            spellings[key].most_common(1)[0][0],
            np.array(ids, np.int64),
            np.setdiff1d(drop_duplicates(representatives, np.array(ids, np.int64)), excluded),
        )
        for key, ids in tracks.items()
    }


def centroids(groups: Mapping[str, TrackGroup], vectors: VectorSpace, min_tracks: int) -> Centroids:
    """Compute the centroids of all groups that have enough tracks in a space.

    Parameters
    ----------
    groups : mapping of str to TrackGroup
        Groups by key.
    vectors : VectorSpace
        Embeddings.
    min_tracks : int
        Minimum number of recordings, at least 1.

    Raises
    ------
    NotFound
        No group has that many.
    """
    if min_tracks < 1:
        raise BadArgument(f"at least {min_tracks} tracks; at least 1 is needed for a centre")
    keys, sizes, means = [], [], []
    for key, group in groups.items():
        rows = _rows(vectors.matrix, group)
        if len(rows) >= min_tracks:
            keys.append(key)
            sizes.append(len(rows))
            means.append(vectors.centroid([vectors.matrix.unit[rows].mean(axis=0)]))
    if not keys:
        raise NotFound(
            f"nothing here has {min_tracks} tracks to take a centre of; "
            "ask for fewer with --min-tracks, or add more music"
        )
    ids = np.arange(len(keys), dtype=np.int64)
    return Centroids(keys, sizes, Matrix(vectors.matrix.space, ids, np.stack(means)))


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
    """Find the artists, albums or genres that are most similar to the queries.

    Parameters
    ----------
    store : Store
        Database of the library.
    query_set : QuerySet
        Names of groups; else tracks, which stand for their groups; else files.
    kind : {"artist", "album", "genre"}
        What to search for.
    n : int
        Maximum number of results, at least 1.
    space : str
        Name of the space.
    metric : {"cosine", "euclidean"}
        Metric of the space.
    min_tracks : int
        Minimum number of recordings of a result.

    Returns
    -------
    list of GroupHit
        Best first, without the groups of the query.
    """
    if n < 1:
        raise BadArgument(f"{n} results: give a number of at least 1")
    vectors = load_vector_space(store, space, metric)
    groups = group_tracks(store, kind)
    query_keys, query = _query_centroid(vectors, groups, query_set, kind)
    centres = centroids(groups, vectors, min_tracks)
    scores = vectors.similarities(query, centres.matrix)
    order = np.argsort(-scores, kind="stable").tolist()
    best = [row for row in order if centres.keys[row] not in query_keys][:n]
    return [
        GroupHit(
            rank,
            float(scores[row]),
            groups[centres.keys[row]].name,
            centres.sizes[row],
            vectors.explain(query, centres.matrix.unit[row]),
        )
        for rank, row in enumerate(best, start=1)
    ]


def tracks_of_similar_artists(
    store: Store, query_set: QuerySet, n: int, space: str, min_tracks: int
) -> NDArray[np.int64]:
    """Return the ids of the tracks by the artists of a query, and by the `n` most similar ones."""
    groups = group_tracks(store, "artist")
    hits = similar_groups(store, query_set, "artist", n=n, space=space, min_tracks=min_tracks)
    vectors = load_vector_space(store, space, "cosine")
    query_keys, _ = _query_centroid(vectors, groups, query_set, "artist")
    keys = {key for hit in hits for key in _keys_with_name(groups, hit.name)} | query_keys
    return np.concatenate([groups[key].tracks for key in keys])


def _query_centroid(
    vectors: VectorSpace, groups: Mapping[str, TrackGroup], query_set: QuerySet, kind: str
) -> tuple[set[str], FloatArray]:
    """Return the keys of the groups that queries, or their tracks, name, and their centroid."""
    keys: set[str] = set()
    other_queries: list[Query] = []
    for query in query_set.positives:
        with_name = _keys_with_name(groups, query) if isinstance(query, str) else []
        keys.update(with_name)
        other_queries += [] if with_name else [query]
    query_set = query_set.subset(other_queries)
    tracks = np.array([track.id for track in query_set.tracks], np.int64)
    keys.update(key for key, group in groups.items() if np.isin(group.tracks, tracks).any())
    if len(tracks) and not keys:
        raise NotFound(f"the query has no {kind}")
    means = query_set.file_vectors(vectors.matrix.space.name)
    for key in keys:
        rows = _rows(vectors.matrix, groups[key])
        if len(rows):
            means.append(vectors.matrix.unit[rows].mean(axis=0))
    if not means:
        raise NotFound(f"no query is in the space {vectors.matrix.space.name!r}")
    return keys, vectors.centroid(means)


def _keys_with_name(groups: Mapping[str, TrackGroup], name: str) -> list[str]:
    name = normalise(name)
    return [key for key, group in groups.items() if name and normalise(group.name) == name]


def _rows(matrix: Matrix, group: TrackGroup) -> NDArray[np.intp]:
    """Return the rows of a group's recordings that are in a space."""
    rows = np.searchsorted(matrix.ids, group.recordings)
    inside = rows < len(matrix.ids)
    rows, tracks = rows[inside], group.recordings[inside]
    present: NDArray[np.intp] = rows[matrix.ids[rows] == tracks]
    return present


def _keys_and_names(labels: Labels, kind: str) -> Iterator[tuple[str, str]]:
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


def evaluate_spaces(
    store: Store,
    by: str,
    *,
    artist_filter: bool,
    metric: Metric,
    seed: int,
    all_sounds: bool = False,
) -> dict[str, RetrievalMetrics]:
    """Evaluate retrieval in every space of a library, without duplicates, ranked as in a search.

    At most `MAX_QUERIES` random tracks are queries; all tracks can be retrieved.

    Parameters
    ----------
    store : Store
        Database of the library.
    by, artist_filter, metric, seed, all_sounds
        See `segue.Library.evaluate`.

    Returns
    -------
    dict of str to RetrievalMetrics
        Metrics by name of the space; without spaces that have no two tracks with the same label.

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
    results: dict[str, RetrievalMetrics] = {}
    first_error: NothingToMeasure | None = None
    for info in store.spaces.known():
        if info.outdated or not info.tracks:
            continue
        matrix = load_vector_space(store, info.space.name, metric).matrix
        hubness = hubness_corrections(store, matrix) if metric == "cosine" else None
        try:
            mask = representative_mask(store, matrix.ids, all_sounds=all_sounds, at_least=2)
            track_tags = [tags[track] for track in matrix.ids[mask].tolist()]
            results[info.space.name] = evaluate_retrieval(
                matrix.unit[mask],
                [_labels(track, by) for track in track_tags],
                groups=[name_keys(track.artist) for track in track_tags] if artist_filter else None,
                metric=metric,
                corrections=hubness[mask] if hubness is not None else None,
                max_queries=MAX_QUERIES,
                seed=seed,
            )
        except NothingToMeasure as error:
            first_error = first_error or error
    if first_error and not results:
        raise first_error
    if not results:
        raise NotFound("this library is empty; fill it with `segue add FOLDER`")
    return results


def _labels(tags: Tags, by: str) -> str | list[str] | frozenset[str]:
    if by == "artist":
        return name_keys(tags.artist)
    return split_genres(tags.genre) if by == "genre" else str(tags.album)

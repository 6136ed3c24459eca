"""Versions of one piece: covers, transpositions, other arrangements (version identification)."""

import os
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import combinations, groupby
from operator import itemgetter
from typing import Final

import numpy as np

from segue.audio.chroma import (
    COVER_THRESHOLD,
    Alignment,
    align,
    fourier_signature,
    qmax_similarities,
)
from segue.audio.spectrogram import ByteArray
from segue.errors import SegueError
from segue.ingest.analysis import CHROMA_SEQUENCE
from segue.ingest.cache import Cache, fill_cache, open_cache
from segue.records import Failure, FloatArray, Track
from segue.score.fingerprint import similar_pairs
from segue.search.neighbours import Watcher, compute_neighbours
from segue.store import Store
from segue.text import normalise

#: Number of nearest neighbours by transposition-invariant signature that a recording is aligned
#: with.
CANDIDATES: Final = 10
#: Cosine similarity above which the recordings of a playlist are aligned; where their artist or
#: title is similar, the lower one.
MIN_COSINE: Final = 0.7
MIN_COSINE_SIMILAR_NAME: Final = 0.3
#: Number of letters from which a word of a title is distinctive.
_MIN_WORD_LENGTH: Final = 4


@dataclass(frozen=True, slots=True)
class VersionPair:
    """Two recordings that are likely versions of one piece."""

    first: Track
    second: Track
    alignment: Alignment


@dataclass(frozen=True, slots=True)
class VersionReport:
    """Result of the version identification in a library.

    Attributes
    ----------
    pairs : tuple of VersionPair
        Likely versions, the most similar first.
    failures : tuple of Failure
        Files that could not be read.
    left_out : int
        Number of tracks that were not compared because the cache is full.
    """

    pairs: tuple[VersionPair, ...]
    failures: tuple[Failure, ...]
    left_out: int


def find_versions(
    store: Store,
    duplicates: Collection[frozenset[int]],
    read: Watcher | None = None,
    compared: Watcher | None = None,
) -> VersionReport:
    """Find all pairs of recordings that are likely versions of one piece.

    Each file is decoded once; its chroma sequence is cached.

    Parameters
    ----------
    duplicates : collection of frozenset of two int
        Ids of pairs of tracks of the same recording, which are left out.
    read, compared : callable, optional
        Called with the number of files read, and of tracks compared, and the total number.
    """
    tracks = [track for track in store.tracks() if track.kind == "sound"]
    present = [track for track in tracks if not track.missing]
    workers = os.cpu_count() or 1
    cache, report = fill_cache(store.folder, CHROMA_SEQUENCE, present, workers, read)
    sequences = _read_sequences(cache, tracks)
    tracks = [track for track in tracks if track.id in sequences]
    pairs = [
        VersionPair(first, second, align(sequences[first.id], sequences[second.id]))
        for first, second in (
            (tracks[row], tracks[other])
            for row, other in version_pairs([sequences[track.id] for track in tracks], compared)
        )
        if frozenset((first.id, second.id)) not in duplicates
    ]
    pairs.sort(key=lambda pair: (-pair.alignment.similarity, pair.first.id, pair.second.id))
    return VersionReport(tuple(pairs), report.failures, report.left_out)


def version_pairs(
    sequences: Sequence[ByteArray], compared: Watcher | None = None
) -> list[tuple[int, int]]:
    """Find the pairs of chroma sequences that are likely versions of one piece.

    Parameters
    ----------
    compared : callable, optional
        Called with the number of sequences compared, and the total number.

    Returns
    -------
    list of tuple of two int
        Indices of each pair in ascending order.
    """
    from threadpoolctl import threadpool_limits

    n = len(sequences)
    if n < 2:
        return []
    signatures = np.stack([fourier_signature(sequence) for sequence in sequences])
    neighbours = compute_neighbours(np.arange(n), signatures, min(CANDIDATES, n - 1)).rows
    candidates = sorted(
        {
            (min(row, other), max(row, other))
            for row in range(n)
            for other in neighbours[row].tolist()
        }
    )
    pairs = []
    with threadpool_limits(1):  # the matrix products are small
        for row, group in groupby(candidates, key=itemgetter(0)):
            others = [other for _, other in group]
            similarities = qmax_similarities(sequences[row], [sequences[other] for other in others])
            pairs += [(row, others[at]) for at in np.flatnonzero(similarities >= COVER_THRESHOLD)]
            if compared:
                compared(row + 1, n)
    return pairs


def version_map(
    store: Store, tracks: Sequence[Track], unit: FloatArray, watch: Watcher | None = None
) -> dict[int, set[int]]:
    """Map each of some tracks to its versions among them, in any key, tempo or arrangement.

    Parameters
    ----------
    tracks : sequence of Track
        Recordings and scores; lyrics have no versions.
    unit : ndarray, shape (len(tracks), dimension)
        Embeddings of the tracks, of length 1, or zero.
    watch : callable, optional
        Called with the number of files read, and the total number: those of recordings that may
        be versions and were never compared.

    Returns
    -------
    dict of int to set of int
        Ids of the versions of a track, by its id.
    """
    recordings = [
        (track, vector) for track, vector in zip(tracks, unit, strict=True) if track.kind == "sound"
    ]
    scores = [track for track in tracks if track.kind == "score"]
    versions: dict[int, set[int]] = {}
    for first, second in [
        *_versions_of_recordings(store, recordings, watch),
        *_versions_of_scores(store, scores),
    ]:
        versions.setdefault(first, set()).add(second)
        versions.setdefault(second, set()).add(first)
    return versions


def _versions_of_recordings(
    store: Store, recordings: Sequence[tuple[Track, FloatArray]], watch: Watcher | None
) -> list[tuple[int, int]]:
    candidates = [
        (first, second)
        for (first, vector), (second, other_vector) in combinations(recordings, 2)
        if first.id != second.id
        and float(vector @ other_vector)
        > (MIN_COSINE_SIMILAR_NAME if _similar_names(first, second) else MIN_COSINE)
    ]
    if not candidates:
        return []
    tracks = list({track.id: track for pair in candidates for track in pair}.values())
    cache = open_cache(store.folder, CHROMA_SEQUENCE)
    unread = [t for t in tracks if t.content_key not in cache and os.path.lexists(t.path)]
    if unread:
        workers = min(os.cpu_count() or 1, len(unread))
        with suppress(SegueError, OSError):  # without a cache, only known sequences are compared
            fill_cache(store.folder, CHROMA_SEQUENCE, unread, workers, watch)
    sequences = _read_sequences(cache, tracks)
    pairs = []
    for track in dict.fromkeys(first.id for first, _ in candidates):
        others = [
            second.id for first, second in candidates
            if first.id == track and second.id in sequences
        ]  # fmt: skip
        if track in sequences and others:
            similarities = qmax_similarities(
                sequences[track], [sequences[other] for other in others]
            )
            pairs += [(track, others[at]) for at in np.flatnonzero(similarities >= COVER_THRESHOLD)]
    return pairs


def _versions_of_scores(store: Store, tracks: Sequence[Track]) -> list[tuple[int, int]]:
    if len(tracks) < 2:
        return []
    prints = store.fingerprints([track.id for track in tracks])
    pairs = similar_pairs([prints[track.id] for track in tracks])
    return [(tracks[first].id, tracks[second].id) for first, second, _ in pairs]


def _read_sequences(cache: Cache, tracks: Sequence[Track]) -> dict[int, ByteArray]:
    """Return the chroma sequences of tracks by id; files that could not be read have none."""
    sequences = {}
    for track in tracks:
        sequence = cache.read(track.content_key)
        if sequence is not None:
            sequences[track.id] = np.asarray(sequence, np.uint8)
    return sequences


def _similar_names(first: Track, second: Track) -> bool:
    """Return whether two tracks share their artist, or a distinctive word of their titles."""
    artists = {normalise(track.tags.artist) for track in (first, second)}
    words, other_words = (
        {word for word in normalise(track.tags.title).split() if len(word) >= _MIN_WORD_LENGTH}
        for track in (first, second)
    )
    return (len(artists) == 1 and artists != {""}) or bool(words & other_words)

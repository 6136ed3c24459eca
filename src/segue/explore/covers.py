"""Versions of one piece: covers, transpositions, other arrangements (version identification)."""

import os
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import combinations, groupby
from operator import itemgetter
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.audio.cover_songs import (
    COVER_THRESHOLD,
    VERSION,
    Alignment,
    align,
    fourier_signature,
    qmax_similarities,
)
from segue.audio.spectrogram import ByteArray
from segue.errors import SegueError
from segue.ingest.cache import CHROMA_SEQUENCE, cache_images
from segue.records import Failure, FloatArray, Track
from segue.score.fingerprint import similar_pairs
from segue.search.neighbours import Watcher, compute_neighbours
from segue.store import Store
from segue.store.cache import Cache
from segue.text import normalise

#: So many of each track's nearest, by what no transposition changes, are aligned with it.
CANDIDATES: Final = 10


@dataclass(frozen=True, slots=True)
class VersionPair:
    """Two recordings that are likely one piece, with the evidence.

    Attributes
    ----------
    first, second : Track
    alignment : Alignment
        Of the second with the first.
    """

    first: Track
    second: Track
    alignment: Alignment


@dataclass(frozen=True, slots=True)
class VersionReport:
    """What came of the search.

    Attributes
    ----------
    pairs : tuple of Version
        The likeliest first.
    failures : tuple of Failure
        Files that could not be read.
    left_out : int
        Tracks that found no room in the cache any more.
    """

    pairs: tuple[VersionPair, ...]
    failures: tuple[Failure, ...]
    left_out: int


def find_versions(
    store: Store,
    same: Collection[frozenset[int]],
    read: Watcher | None = None,
    compared: Watcher | None = None,
) -> VersionReport:
    """Find pairs of recordings that are likely one piece.

    The files are decoded for it the first time; what was found of them is kept in the library's
    cache.

    Parameters
    ----------
    store : Store
        Database of the library.
    same : collection of frozenset of two int
        Pairs of tracks that hold one recording, and are left out.
    read, compared : callable, optional
        Called with the number of files read, and of tracks compared, and the total number.
    """
    from segue.ingest.cache import CHROMA_SEQUENCE, cache_images

    tracks = [track for track in store.tracks() if track.kind == "sound"]
    cache = Cache(store.folder / "cache" / f"{CHROMA_SEQUENCE}-v{VERSION}")
    there = [track for track in tracks if not track.missing]
    workers = os.cpu_count() or 1
    filled = cache_images(cache, there, CHROMA_SEQUENCE, stereo=False, workers=workers, watch=read)
    courses = [cache.read(track.content_hash) for track in tracks]
    known = [
        (track, np.asarray(found, np.uint8))
        for track, found in zip(tracks, courses, strict=True)
        if found is not None
    ]
    pairs = [
        VersionPair(known[row][0], known[other][0], align(known[row][1], known[other][1]))
        for row, other in likely_pairs([found for _, found in known], compared)
        if frozenset((known[row][0].id, known[other][0].id)) not in same
    ]
    pairs.sort(key=lambda pair: (-pair.alignment.likeness, pair.first.id, pair.second.id))
    return VersionReport(tuple(pairs), filled.failures, filled.left_out)


def likely_pairs(
    courses: Sequence[ByteArray], compared: Watcher | None = None
) -> list[tuple[int, int]]:
    """Find which courses are likely of one piece.

    Parameters
    ----------
    courses : sequence of ndarray, each of shape (frames, 12), uint8
    compared : callable, optional
        Called with the number compared, and the total.

    Returns
    -------
    list of tuple of two int
        Which, the lower first; in order.
    """
    from threadpoolctl import threadpool_limits

    n = len(courses)
    if n < 2:
        return []
    unit = np.stack([fourier_signature(course) for course in courses])
    near = compute_neighbours(np.arange(n), unit, min(CANDIDATES, n - 1)).rows
    pairs = sorted(
        {(min(row, other), max(row, other)) for row in range(n) for other in near[row].tolist()}
    )
    found = []
    with threadpool_limits(1):  # the products are small
        for row, same in groupby(pairs, key=itemgetter(0)):
            others = [other for _, other in same]
            alike = (
                qmax_similarities(courses[row], [courses[other] for other in others])
                >= COVER_THRESHOLD
            )
            found += [
                (row, other) for other, is_alike in zip(others, alike, strict=True) if is_alike
            ]
            if compared:
                compared(row + 1, n)
    return found


#: Recordings whose cosine is higher are compared; where their names are alike, from less on.
MIN_COSINE: Final = 0.7
MIN_COSINE_SIMILAR_NAME: Final = 0.3
_LONG_WORD: Final = 4  # letters of a word of a title that tells something


def versions_among(
    store: Store,
    tracks: Sequence[Track],
    unit: FloatArray,
    watch: Callable[[int, int], None] | None = None,
) -> dict[int, set[int]]:
    """Find which of some tracks are versions of one piece, in whatever key, tempo or instruments.

    Parameters
    ----------
    store : Store
        Database of the library.
    tracks : sequence of Track
    unit : ndarray, shape (len(tracks), dimension)
        Their vectors, of length 1, or zero.
    watch : callable, optional
        Told how many files are read, of how many: those of recordings that may be versions and
        were never compared.

    Returns
    -------
    dict of int to set of int
        From the id of a track to those of its versions.
    """
    found: dict[int, set[int]] = {}
    for one, other in [
        *_recordings([(t, row) for t, row in zip(tracks, unit, strict=True) if t.kind == "sound"],
                     store, watch),
        *_scores(store, [track for track in tracks if track.kind == "score"]),
    ]:  # fmt: skip
        found.setdefault(one, set()).add(other)
        found.setdefault(other, set()).add(one)
    return found


def _recordings(
    placed: Sequence[tuple[Track, FloatArray]],
    store: Store,
    watch: Callable[[int, int], None] | None,
) -> list[tuple[int, int]]:
    pairs = [
        (one, other)
        for (one, here), (other, there) in combinations(placed, 2)
        if one.id != other.id
        and float(here @ there)
        > (MIN_COSINE_SIMILAR_NAME if _names_alike(one, other) else MIN_COSINE)
    ]
    if not pairs:
        return []
    courses = _courses(store, list({t.id: t for pair in pairs for t in pair}.values()), watch)
    found = []
    for one in dict.fromkeys(one.id for one, _ in pairs):
        others = [other.id for first, other in pairs if first.id == one]
        known = [other for other in others if other in courses]
        if one in courses and known:
            alike = (
                qmax_similarities(courses[one], [courses[other] for other in known])
                >= COVER_THRESHOLD
            )
            found += [(one, other) for other, is_one in zip(known, alike, strict=True) if is_one]
    return found


def _courses(
    store: Store, tracks: Sequence[Track], watch: Callable[[int, int], None] | None
) -> dict[int, NDArray[np.uint8]]:
    """Return the courses of pitches of tracks; what cannot be read has none."""
    cache = Cache(store.folder / "cache" / f"{CHROMA_SEQUENCE}-v{VERSION}")
    lacking = [t for t in tracks if t.content_hash not in cache and os.path.lexists(t.path)]
    if lacking:
        workers = min(os.cpu_count() or 1, len(lacking))
        with suppress(SegueError, OSError):  # nothing can be kept: what is known must do
            cache_images(
                cache, lacking, CHROMA_SEQUENCE, stereo=False, workers=workers, watch=watch
            )
    read = ((track.id, cache.read(track.content_hash)) for track in tracks)
    return {track: np.asarray(found, np.uint8) for track, found in read if found is not None}


def _names_alike(one: Track, other: Track) -> bool:
    """Tell whether two tracks share an artist, or a word of their titles that tells something."""
    artists = {normalise(track.tags.artist) for track in (one, other)}
    words, others = (
        {word for word in normalise(track.tags.title).split() if len(word) >= _LONG_WORD}
        for track in (one, other)
    )
    return (len(artists) == 1 and artists != {""}) or bool(words & others)


def _scores(store: Store, tracks: Sequence[Track]) -> list[tuple[int, int]]:
    if len(tracks) < 2:
        return []
    prints = store.fingerprints([track.id for track in tracks])
    pairs = similar_pairs([prints[track.id] for track in tracks])
    return [(tracks[first].id, tracks[second].id) for first, second, _ in pairs]

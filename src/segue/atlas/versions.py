"""Likely versions of a piece: covers, other keys and tempos, other instruments, other mixes."""

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Final

import numpy as np

from segue.neighbours import Watcher, nearest
from segue.records import Failure, Track
from segue.represent.log_mel import ByteArray
from segue.represent.versions import LIKELY, VERSION, Alignment, align, likenesses, signature
from segue.store import Store
from segue.store.cache import Cache

#: So many of each track's nearest, by what no transposition changes, are aligned with it.
CANDIDATES: Final = 10


@dataclass(frozen=True, slots=True)
class Version:
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
class Versions:
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

    pairs: tuple[Version, ...]
    failures: tuple[Failure, ...]
    left_out: int


def find_versions(
    store: Store,
    same: Collection[frozenset[int]],
    read: Watcher | None = None,
    compared: Watcher | None = None,
) -> Versions:
    """Find pairs of recordings that are likely one piece.

    The files are decoded for it the first time; what was found of them is kept in the library's
    cache.

    Parameters
    ----------
    store : Store
    same : collection of frozenset of two int
        Pairs of tracks that hold one recording, and are left out.
    read, compared : callable, optional
        Told how many files are read, and how many tracks compared, of how many.
    """
    from segue.ingest.images import COURSE, fill  # brings in the decoders

    tracks = [track for track in store.tracks() if track.kind == "sound"]
    cache = Cache(store.folder / "cache" / f"{COURSE}-v{VERSION}")
    there = [track for track in tracks if not track.missing]
    workers = os.cpu_count() or 1
    filled = fill(cache, there, COURSE, stereo=False, workers=workers, watch=read)
    courses = [cache.read(track.content_hash) for track in tracks]
    known = [
        (track, np.asarray(found, np.uint8))
        for track, found in zip(tracks, courses, strict=True)
        if found is not None
    ]
    pairs = [
        Version(known[row][0], known[other][0], align(known[row][1], known[other][1]))
        for row, other in likely_pairs([found for _, found in known], compared)
        if frozenset((known[row][0].id, known[other][0].id)) not in same
    ]
    pairs.sort(key=lambda pair: (-pair.alignment.likeness, pair.first.id, pair.second.id))
    return Versions(tuple(pairs), filled.failures, filled.left_out)


def likely_pairs(
    courses: Sequence[ByteArray], compared: Watcher | None = None
) -> list[tuple[int, int]]:
    """Find which courses are likely of one piece.

    Parameters
    ----------
    courses : sequence of ndarray, each of shape (frames, 12), uint8
    compared : callable, optional
        Told how many are compared, of how many.

    Returns
    -------
    list of tuple of two int
        Which, the lower first; in order.
    """
    from threadpoolctl import threadpool_limits

    n = len(courses)
    if n < 2:
        return []
    unit = np.stack([signature(course) for course in courses])
    near = nearest(np.arange(n), unit, min(CANDIDATES, n - 1)).rows
    pairs = sorted(
        {(min(row, other), max(row, other)) for row in range(n) for other in near[row].tolist()}
    )
    found = []
    with threadpool_limits(1):  # the products are small
        for row, same in groupby(pairs, key=itemgetter(0)):
            others = [other for _, other in same]
            alike = likenesses(courses[row], [courses[other] for other in others]) >= LIKELY
            found += [
                (row, other) for other, is_alike in zip(others, alike, strict=True) if is_alike
            ]
            if compared:
                compared(row + 1, n)
    return found

"""Duplicates and outliers.

What stands out in a library: one recording in several files, and tracks unlike all others.

Which of two files of one recording is the better one, as far as the files tell.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations, groupby
from typing import Final, Literal

import numpy as np

from segue.audio.fingerprint import SAME, match
from segue.errors import BadArgument
from segue.records import Track
from segue.score.fingerprint import likely_same
from segue.search.duplicates import CANDIDATE_NEIGHBOURS, candidate_pairs, representative_mask
from segue.search.neighbours import Neighbours, nearest_neighbours, nearest_neighbours_within
from segue.search.query_set import DUPLICATE_SPACES
from segue.store import Store

# --- odd ---

NEAREST: Final = 10


@dataclass(frozen=True, slots=True)
class DuplicatePair:
    """Two files of one recording, with the evidence.

    Attributes
    ----------
    first, second : Track
    likeness : float
        Of their fingerprints: 1 for equal bits, about 0 for unrelated recordings.
    lag_s : float
        How much later the common music comes in the first.
    overlap_s : float
        How much music was compared.
    same_content : bool
        The files are equal, byte for byte.
    """

    first: Track
    second: Track
    similarity: float
    lag_s: float
    overlap_s: float
    same_content: bool


@dataclass(frozen=True, slots=True)
class SameTune:
    """Two scores that are likely of one tune.

    Attributes
    ----------
    first, second : Track
    likeness : float
        Which share of their runs of notes both have, in whatever key and tempo.
    same_content : bool
        The files are equal, byte for byte.
    """

    first: Track
    second: Track
    similarity: float
    same_content: bool


@dataclass(frozen=True, slots=True)
class Outlier:
    """A track that is unlike all others.

    Attributes
    ----------
    track : Track
    apart : float
        How many times as far its ten nearest are, as theirs are from their own (after the
        local outlier factor of Breunig et al., 2000): 1 is usual.
    nearest : Track
    similarity : float
        Cosine to the nearest.
    """

    track: Track
    factor: float
    nearest: Track
    similarity: float


def find_same_tunes(store: Store) -> list[SameTune]:
    """Find the pairs of scores that are likely of one tune, the surest first."""
    tracks = [track for track in store.tracks() if track.kind == "score"]
    prints = store.fingerprints([track.id for track in tracks])
    found = []
    for first, second, likeness in likely_same([prints[track.id] for track in tracks]):
        one, other = tracks[first], tracks[second]
        equal = (one.content_hash, one.tune) == (other.content_hash, other.tune)
        found.append(SameTune(one, other, likeness, equal))
    return sorted(found, key=lambda pair: (-pair.similarity, pair.first.id, pair.second.id))


def find_duplicates(store: Store) -> list[DuplicatePair]:
    """Find the pairs of files that hold one recording.

    Returns
    -------
    list of Twin
        The surest first.
    """
    if store.kinds().get("sound", 0) < 2:
        return []
    near = nearest_neighbours(store, DUPLICATE_SPACES["sound"], CANDIDATE_NEIGHBOURS)
    pairs = set(candidate_pairs(near))
    rows = sorted({row for pair in pairs for row in pair})
    ids = near.ids[rows].tolist()
    tracks = dict(zip(rows, store.tracks(ids), strict=True))
    prints = store.fingerprints(ids)

    def compare(some: Iterable[tuple[int, int]]) -> dict[tuple[int, int], DuplicatePair]:
        twins = {}
        for first, second in some:
            one, other = tracks[first], tracks[second]
            evidence = match(prints[one.id], prints[other.id])
            equal = one.content_hash == other.content_hash
            if equal or evidence.similarity >= SAME:
                likeness = 1.0 if equal else evidence.similarity
                twins[first, second] = DuplicatePair(
                    one, other, likeness, evidence.lag_s, evidence.overlap_s, equal
                )
        return twins

    found = compare(sorted(pairs))
    # Two copies that sound unlike each other are still copies where both are of a third.
    found |= compare(_within_circles(found, len(near.ids)) - pairs)
    return sorted(
        found.values(), key=lambda twin: (-twin.similarity, twin.first.id, twin.second.id)
    )


def _within_circles(pairs: Iterable[tuple[int, int]], n: int) -> set[tuple[int, int]]:
    """Return all pairs of rows that are joined by way of others."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    edges = np.array(list(pairs), np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(n, n))
    _, circle = connected_components(graph, directed=False)
    joined = sorted(np.unique(edges).tolist(), key=lambda row: (circle[row], row))
    return {
        pair
        for _, rows in groupby(joined, key=lambda row: circle[row])
        for pair in combinations(rows, 2)
    }


def find_outliers(
    store: Store, space: str, n: int = 10, *, all_sounds: bool = False
) -> list[Outlier]:
    """Find the tracks that are least like any other.

    Parameters
    ----------
    store : Store
    space : str
    n : int
        How many at most, at least 1.
    all_sounds : bool
        Also what is no music.

    Raises
    ------
    BadArgument
        There are fewer than three tracks.
    """
    if n < 1:
        raise BadArgument(f"{n} outliers; at least 1 must be wanted")
    near = _of_what_counts(store, space, all_sounds=all_sounds)
    reach = near.distances.mean(axis=1)
    usual = np.maximum(reach[near.rows].mean(axis=1), 1e-6)
    apart = reach / usual
    worst = np.argsort(-apart, kind="stable")[:n]
    tracks = store.tracks(near.ids[worst].tolist())
    nearest = store.tracks(near.ids[near.rows[worst, 0]].tolist())
    return [
        Outlier(track, float(apart[row]), other, float(1 - near.distances[row, 0] ** 2 / 2))
        for row, track, other in zip(worst.tolist(), tracks, nearest, strict=True)
    ]


def _of_what_counts(store: Store, space: str, *, all_sounds: bool) -> Neighbours:
    """Find the nearest others of each track, where no recording is there twice."""
    matrix = store.spaces.matrix(space)
    kept = representative_mask(store, matrix.ids, all_sounds=all_sounds, at_least=3)
    count = int(kept.sum())
    if count < 3:
        raise BadArgument(f"too few tracks ({count}) to tell what is unusual; it takes 3")
    return nearest_neighbours_within(store, space, kept, NEAREST)


# --- quality ---

_LOSSLESS: Final = frozenset([".flac", ".wav", ".aif", ".aiff", ".aifc", ".wv", ".alac"])
#: MP4 may hold either: only what is coded without loss takes so much.
_LOSSLESS_MP4_KBPS: Final = 500
_MP4: Final = frozenset([".m4a", ".m4b", ".mp4", ".m4v", ".mov"])
#: How many bits of MP3 sound like one of these, by the listening tests of Hydrogenaudio (2014).
_WORTH: Final = {".opus": 1.4, ".m4a": 1.2, ".m4b": 1.2, ".aac": 1.2, ".ogg": 1.2, ".oga": 1.2}
#: Nearer bit rates are as good.
_CLEARLY: Final = 1.2
_ENDS_S: Final = 5.0  # a file that is so much shorter was cut


@dataclass(frozen=True, slots=True)
class Quality:
    """How a recording is stored.

    Attributes
    ----------
    format : str
        Ending of the file: "flac".
    size_bytes : int
        0 where the file is gone.
    bit_rate_kbps : float
        Size over duration, pictures and tags included.
    lossless : bool
    """

    format: str
    size_bytes: int
    bit_rate_kbps: float
    lossless: bool


def file_quality(track: Track) -> Quality:
    """Tell how a recording is stored, from its file's name, size and length."""
    suffix = track.path.suffix.lower()
    try:
        size = os.stat(track.path).st_size
    except OSError:
        size = 0
    rate = 8e-3 * size / track.duration_s if track.duration_s else 0.0
    lossless = suffix in _LOSSLESS or (suffix in _MP4 and rate >= _LOSSLESS_MP4_KBPS)
    return Quality(suffix.removeprefix("."), size, rate, lossless)


def better_file(first: Track, second: Track) -> Literal["first", "second", ""]:
    """Tell which of two files of one recording is the better; "" where none clearly is.

    What is whole before what is cut, what is coded without loss before what is not, then the
    higher sampling rate without loss, or the higher bit rate for its format with loss.
    """
    if abs(first.duration_s - second.duration_s) > _ENDS_S:
        return "first" if first.duration_s > second.duration_s else "second"
    one, other = _worth(first), _worth(second)
    if one[0] != other[0]:
        return "first" if one[0] else "second"
    if max(one[1], other[1]) < _CLEARLY * min(one[1], other[1]):
        return ""
    return "first" if one[1] > other[1] else "second"


def _worth(track: Track) -> tuple[bool, float]:
    quality = file_quality(track)
    if quality.lossless:
        return True, float(track.facts.get("sample_rate_hz", 0.0))
    return False, quality.bit_rate_kbps * _WORTH.get(track.path.suffix.lower(), 1.0)


def redundant_files(twins: Sequence[DuplicatePair]) -> list[Track]:
    """List the files that one could do without: of each recording all but its best."""
    keep: dict[int, Track] = {}  # by each track, the best that is known of its recording

    def best(track: Track) -> Track:
        while keep.get(track.id, track).id != track.id:
            track = keep[track.id]
        return track

    met: dict[int, Track] = {}
    for twin in twins:
        met |= {twin.first.id: twin.first, twin.second.id: twin.second}
        one, other = best(twin.first), best(twin.second)
        if one.id == other.id:
            continue
        winner, loser = (other, one) if better_file(one, other) == "second" else (one, other)
        keep[loser.id] = winner
    return [track for number, track in sorted(met.items()) if best(track).id != number]

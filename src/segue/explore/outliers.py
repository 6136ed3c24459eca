"""Duplicates and outliers of a library, and which of two duplicate files is better."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations, groupby
from typing import ClassVar, Final, Literal

import numpy as np

from segue.audio.fingerprint import SAME_RECORDING_THRESHOLD, match
from segue.deprecation import RenamedAttributes
from segue.errors import BadArgument
from segue.media import MEDIA
from segue.records import Track
from segue.score.fingerprint import similar_pairs
from segue.search.filters import CANDIDATE_NEIGHBOURS, candidate_pairs, representative_mask
from segue.search.neighbours import Neighbours, nearest_neighbours, nearest_neighbours_within
from segue.store import Store

#: Number of neighbours of the local outlier factor.
NEAREST: Final = 10


@dataclass(frozen=True, slots=True)
class DuplicatePair(RenamedAttributes):
    """Two files of one recording, with the evidence.

    Attributes
    ----------
    similarity : float
        Similarity of their fingerprints: 1 for equal bits, about 0 for unrelated recordings.
    lag_s : float
        Time by which the common music is later in the first, in seconds.
    overlap_s : float
        Duration of the music that was compared, in seconds.
    same_content : bool
        Whether the files are equal, byte for byte.
    """

    _renamed: ClassVar[dict[str, str]] = {"likeness": "similarity"}

    first: Track
    second: Track
    similarity: float
    lag_s: float
    overlap_s: float
    same_content: bool


@dataclass(frozen=True, slots=True)
class SameTune(RenamedAttributes):
    """Two scores that are likely of one tune.

    Attributes
    ----------
    similarity : float
        Share of note n-grams in common, invariant to key and tempo.
    same_content : bool
        Whether the files are equal, byte for byte.
    """

    _renamed: ClassVar[dict[str, str]] = {"likeness": "similarity"}

    first: Track
    second: Track
    similarity: float
    same_content: bool


@dataclass(frozen=True, slots=True)
class Outlier(RenamedAttributes):
    """A track that is dissimilar to all others.

    Attributes
    ----------
    factor : float
        Mean distance to its ten nearest neighbours over the mean of theirs, after the local outlier
        factor (Breunig et al. 2000); about 1 for inliers.
    nearest : Track
        Nearest neighbour.
    similarity : float
        Cosine similarity to it.
    """

    _renamed: ClassVar[dict[str, str]] = {"apart": "factor"}

    track: Track
    factor: float
    nearest: Track
    similarity: float


def find_same_tunes(store: Store) -> list[SameTune]:
    """Find pairs of scores that are likely of one tune, the most certain first."""
    tracks = [track for track in store.tracks() if track.kind == "score"]
    prints = store.fingerprints([track.id for track in tracks])
    pairs = []
    for row, other, similarity in similar_pairs([prints[track.id] for track in tracks]):
        first, second = tracks[row], tracks[other]
        equal = (first.content_hash, first.tune) == (second.content_hash, second.tune)
        pairs.append(SameTune(first, second, similarity, equal))
    return sorted(pairs, key=lambda pair: (-pair.similarity, pair.first.id, pair.second.id))


def find_duplicates(store: Store) -> list[DuplicatePair]:
    """Find pairs of files of the same recording, the most certain first."""
    if store.kinds().get("sound", 0) < 2:
        return []
    near = nearest_neighbours(store, MEDIA["sound"].duplicate_space, CANDIDATE_NEIGHBOURS)
    candidates = set(candidate_pairs(near))
    rows = sorted({row for pair in candidates for row in pair})
    ids = near.ids[rows].tolist()
    tracks = dict(zip(rows, store.tracks(ids), strict=True))
    prints = store.fingerprints(ids)

    def compare(pairs: Iterable[tuple[int, int]]) -> dict[tuple[int, int], DuplicatePair]:
        duplicates = {}
        for row, other in pairs:
            first, second = tracks[row], tracks[other]
            evidence = match(prints[first.id], prints[second.id])
            equal = first.content_hash == second.content_hash
            if equal or evidence.similarity >= SAME_RECORDING_THRESHOLD:
                similarity = 1.0 if equal else evidence.similarity
                duplicates[row, other] = DuplicatePair(
                    first, second, similarity, evidence.lag_s, evidence.overlap_s, equal
                )
        return duplicates

    duplicates = compare(sorted(candidates))
    # Two copies that sound different are still duplicates if both are copies of a third.
    duplicates |= compare(_pairs_within_components(duplicates, len(near.ids)) - candidates)
    return sorted(
        duplicates.values(), key=lambda pair: (-pair.similarity, pair.first.id, pair.second.id)
    )


def _pairs_within_components(pairs: Iterable[tuple[int, int]], n: int) -> set[tuple[int, int]]:
    """Return all pairs of rows in the same connected component."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    edges = np.array(list(pairs), np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(n, n))
    _, component = connected_components(graph, directed=False)
    connected = sorted(np.unique(edges).tolist(), key=lambda row: (component[row], row))
    return {
        pair
        for _, rows in groupby(connected, key=lambda row: component[row])
        for pair in combinations(rows, 2)
    }


def find_outliers(
    store: Store, space: str, n: int = 10, *, all_sounds: bool = False
) -> list[Outlier]:
    """Find the tracks with the highest outlier factors.

    Parameters
    ----------
    n : int
        Maximum number of outliers, at least 1.
    all_sounds : bool
        Include recordings that are not music.

    Raises
    ------
    BadArgument
        There are fewer than three tracks.
    """
    if n < 1:
        raise BadArgument(f"{n} outliers: give a number of at least 1")
    near = _neighbours_of_representatives(store, space, all_sounds=all_sounds)
    distance = near.distances.mean(axis=1)
    factor = distance / np.maximum(distance[near.rows].mean(axis=1), 1e-6)
    worst = np.argsort(-factor, kind="stable")[:n]
    tracks = store.tracks(near.ids[worst].tolist())
    nearest = store.tracks(near.ids[near.rows[worst, 0]].tolist())
    return [
        Outlier(track, float(factor[row]), other, float(1 - near.distances[row, 0] ** 2 / 2))
        for row, track, other in zip(worst.tolist(), tracks, nearest, strict=True)
    ]


def _neighbours_of_representatives(store: Store, space: str, *, all_sounds: bool) -> Neighbours:
    mask = representative_mask(
        store, store.spaces.matrix(space).ids, all_sounds=all_sounds, at_least=3
    )
    count = int(mask.sum())
    if count < 3:
        raise BadArgument(f"too few tracks ({count}) to find outliers; it takes 3")
    return nearest_neighbours_within(store, space, mask, NEAREST)


# ---- quality -----------------------------------------------------------------------------

_LOSSLESS: Final = frozenset([".flac", ".wav", ".aif", ".aiff", ".aifc", ".wv", ".alac"])
#: MP4 holds lossless or lossy audio: only lossless audio has this bit rate.
_LOSSLESS_MP4_KBPS: Final = 500
_MP4: Final = frozenset([".m4a", ".m4b", ".mp4", ".m4v", ".mov"])
#: Bit rate of MP3 of equal quality, relative to each format (Hydrogenaudio listening tests, 2014).
_MP3_EQUIVALENT: Final = {
    ".opus": 1.4, ".m4a": 1.2, ".m4b": 1.2, ".aac": 1.2, ".ogg": 1.2, ".oga": 1.2,
}  # fmt: skip
#: Minimum ratio of bit rates that are of different quality.
_MIN_RATIO: Final = 1.2
#: Difference of durations from which the shorter file is cut off, in seconds.
_CUT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Quality:
    """Format and bit rate of a recording.

    Attributes
    ----------
    format : str
        Suffix of the file, without dot: "flac".
    size_bytes : int
        Size of the file; 0 if it is missing.
    bit_rate_kbps : float
        Size over duration, including cover art and tags.
    lossless : bool
        Whether the audio is coded without loss.
    """

    format: str
    size_bytes: int
    bit_rate_kbps: float
    lossless: bool


def file_quality(track: Track) -> Quality:
    """Estimate the quality of a recording from the name, size and duration of its file.

    The bit rate of a part of a longer file is not known, and 0.
    """
    suffix = track.path.suffix.lower()
    try:
        size = os.stat(track.path).st_size
    except OSError:
        size = 0
    rate = 8e-3 * size / track.duration_s if track.duration_s and not track.passage else 0.0
    lossless = suffix in _LOSSLESS or (suffix in _MP4 and rate >= _LOSSLESS_MP4_KBPS)
    return Quality(suffix.removeprefix("."), size, rate, lossless)


def better_file(first: Track, second: Track) -> Literal["first", "second", ""]:
    """Return which of two files of one recording is better; "" if neither clearly is.

    Complete files are better than cut ones, lossless ones than lossy ones; then the higher sampling
    rate (lossless), or the higher bit rate in MP3 equivalents (lossy). A part of a longer
    file is not compared: the file has other tracks as well.
    """
    if first.passage or second.passage:
        return ""
    if abs(first.duration_s - second.duration_s) > _CUT_S:
        return "first" if first.duration_s > second.duration_s else "second"
    (first_lossless, first_rate), (second_lossless, second_rate) = (
        _comparable_quality(track) for track in (first, second)
    )
    if first_lossless != second_lossless:
        return "first" if first_lossless else "second"
    if max(first_rate, second_rate) < _MIN_RATIO * min(first_rate, second_rate):
        return ""
    return "first" if first_rate > second_rate else "second"


def _comparable_quality(track: Track) -> tuple[bool, float]:
    quality = file_quality(track)
    if quality.lossless:
        return True, float(track.facts.get("sample_rate_hz", 0.0))
    return False, quality.bit_rate_kbps * _MP3_EQUIVALENT.get(track.path.suffix.lower(), 1.0)


def redundant_files(pairs: Sequence[DuplicatePair]) -> list[Track]:
    """Return all but the best file of each recording."""
    better: dict[int, Track] = {}  # from each track to a better one of its recording

    def best(track: Track) -> Track:
        while better.get(track.id, track).id != track.id:
            track = better[track.id]
        return track

    tracks: dict[int, Track] = {}
    for pair in pairs:
        if pair.first.passage or pair.second.passage:
            continue  # its file has other tracks as well
        tracks |= {pair.first.id: pair.first, pair.second.id: pair.second}
        first, second = best(pair.first), best(pair.second)
        if first.id == second.id:
            continue
        is_second = better_file(first, second) == "second"
        winner, loser = (second, first) if is_second else (first, second)
        better[loser.id] = winner
    return [track for track_id, track in sorted(tracks.items()) if best(track).id != track_id]

"""Playlists: similar tracks, varied, in an order for listening or mixing.

Candidates are taken from a ranking with random noise, without duplicates and versions of a piece;
they are ordered by a short path through the space (nearest neighbour, then 2-opt), by energy, or
so that tempo and key of successive tracks can be mixed.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from itertools import chain, islice
from typing import ClassVar, Final, Literal

import numpy as np
from numpy.typing import NDArray

from segue.deprecation import RenamedAttributes
from segue.errors import BadArgument
from segue.explore.path import pairwise_distances, same_artist_matrix
from segue.explore.version_identification import version_map
from segue.records import FloatArray, Reason, Track
from segue.search import neighbours
from segue.search.filters import DUPLICATE_COSINE, Filters, filter_mask, remove_duplicates
from segue.search.query import Query
from segue.search.ranking import Ranking
from segue.store import Store
from segue.text import name_keys
from segue.theory.keys import camelot

Flow = Literal["smooth", "rise", "shuffle", "dj"]
FLOWS: Final[tuple[Flow, ...]] = ("smooth", "rise", "shuffle", "dj")
DEFAULT_TRACKS: Final = 30
#: Maximum number of tracks; every pair is compared to order them.
MAX_TRACKS: Final = 5000
MAX_MINUTES: Final = 7 * 24 * 60
DEFAULT_PER_ARTIST: Final = 3
DEFAULT_SURPRISE: Final = 0.3
MAX_SEED: Final = 2**32 - 1
#: Largest relative difference of tempos that mix: the range of a turntable's pitch control.
MAX_TEMPO_DIFFERENCE: Final = 0.06
#: Share of the requested duration from which a playlist is complete. Tracks that fit into the rest
#: would be found ever farther down the ranking.
MIN_FILLED: Final = 0.95
#: Standard deviation of the noise added to similarities at the maximum surprise, as large as that
#: of the cosine similarities of unrelated tracks.
_MAX_NOISE: Final = 0.15
#: Number of remaining candidates that are searched at once for the next track of a DJ mix; about
#: three of them mix with a track.
_DJ_BATCH: Final = 100
#: Number of candidates that are compared for versions of a piece: relative to the number of tracks,
#: and at most.
_VERSION_CANDIDATES: Final = 2
_MAX_VERSION_CANDIDATES: Final = 120
#: Typical duration of a track, in minutes.
_TRACK_MINUTES: Final = 4
#: Penalties in place of a distance: for successive tracks by one artist, and for dissimilar tracks,
#: which is more than cosine similarities differ.
_SAME_ARTIST_PENALTY: Final = 10.0
_DISSIMILAR_PENALTY: Final = 3.0
#: Maximum number of passes of 2-opt, and the smallest gain that is no rounding error.
_MAX_PASSES: Final = 8
_MIN_GAIN: Final = 1e-4


@dataclass(frozen=True, slots=True)
class PlaylistOptions:
    """Length, order and variety of a playlist.

    Attributes
    ----------
    n : int, optional
        Number of tracks, 1 to 5000; by default 30.
    minutes : float, optional
        Maximum duration instead of `n`, above 0, up to a week. Tracks that do not fit are left
        out, even queries, and so are dissimilar ones, see `PlaylistItem.similar`.
    flow : {"smooth", "rise", "shuffle", "dj"}
        Order: small steps; rising energy; random; tempos and keys that mix.
    surprise : float
        Randomness, 0 to 1. At 0 the tracks are always the same, and so is their order unless
        "shuffle".
    per_artist : int
        Maximum number of tracks by one artist; those without an artist are not limited.
    seed : int
        Random seed, 0 to 2^32 - 1.
    versions : bool
        Keep several versions of one piece, for instance in another key or arrangement.
    fill : bool
        With `minutes`, include dissimilar tracks once there are no more similar ones.

    Raises
    ------
    BadArgument
        A value is out of range, or both `n` and `minutes` are given.
    """

    n: int | None = None
    minutes: float | None = None
    flow: Flow = "smooth"
    surprise: float = DEFAULT_SURPRISE
    per_artist: int = DEFAULT_PER_ARTIST
    seed: int = 0
    versions: bool = False
    fill: bool = False

    def __post_init__(self) -> None:
        """Check all values."""
        for is_wrong, message in (
            (
                self.n is not None and not 1 <= self.n <= MAX_TRACKS,
                f"-n {self.n}: at least 1, and at most {MAX_TRACKS}",
            ),
            (
                self.minutes is not None and not 0 < self.minutes <= MAX_MINUTES,
                f"--minutes {self.minutes}: above 0, and at most {MAX_MINUTES}, a week",
            ),
            (
                self.n is not None and self.minutes is not None,
                "-n or --minutes, not both",
            ),
            (self.flow not in FLOWS, f"there is no flow {self.flow!r}; {', '.join(FLOWS)}"),
            (not 0 <= self.surprise <= 1, f"--surprise {self.surprise:g}: from 0 to 1"),
            (self.per_artist < 1, f"--max-per-artist {self.per_artist}: at least 1"),
            (not 0 <= self.seed <= MAX_SEED, f"--seed {self.seed}: from 0 to {MAX_SEED}"),
        ):
            if is_wrong:
                raise BadArgument(message)

    @property
    def by_chance(self) -> bool:
        """Whether another seed may give another playlist."""
        return self.surprise > 0 or self.flow == "shuffle"


@dataclass(frozen=True, slots=True)
class PlaylistItem(RenamedAttributes):
    """A track of a playlist.

    Attributes
    ----------
    similarity : float
        Cosine similarity to the queries, -1 to 1, plus what taste adds, at most 0.15 either way.
    reasons : tuple of Reason
        Contributions that sum to the similarity.
    step : float
        Euclidean distance to the previous track, of embeddings of length 1; 0 for the first.
    mixes : bool
        Whether tempo and key mix with those of the previous track.
    energy : float
        Mean rank among the playlist's tracks by tempo, loudness and onset strength, 0 to 1.
    similar : bool
        Whether the similarity is at least the median of all tracks, or of those that pass the
        filters if that is lower.
    asked_with : tuple of str, int or Path
        Queries that the similarity refers to, if the queries are far apart; else empty.
    """

    _renamed: ClassVar[dict[str, str]] = {"alike": "similar"}

    track: Track
    similarity: float
    reasons: tuple[Reason, ...]
    step: float
    mixes: bool
    energy: float = 0.0
    similar: bool = True
    asked_with: tuple[Query, ...] = ()


def make_playlist(
    store: Store,
    ranking: Ranking,
    queries: Sequence[Track],
    options: PlaylistOptions,
    filters: Filters | None = None,
    excluded: Sequence[int] = (),
    watch: Callable[[int, int], None] | None = None,
) -> list[PlaylistItem]:
    """Select tracks from a ranking, and order them.

    Parameters
    ----------
    ranking : Ranking
        Ranking of all tracks by similarity to the queries.
    queries : sequence of Track
        Queries that are tracks of the library. A single one is in the playlist, and is its first
        track if the flow is "smooth" or "dj".
    excluded : sequence of int
        Ids of tracks that are not in the playlist, and neither are their copies.
    watch : callable, optional
        Called with the number of files read to find versions of one piece, and the total.

    Returns
    -------
    list of PlaylistItem
        Fewer items than requested if no more tracks pass.
    """
    rng = np.random.default_rng(options.seed)
    passes = filter_mask(store, filters or Filters(), ranking.ids, queries)
    passes &= ~np.isin(ranking.ids, excluded)
    median = float(np.median(ranking.scores))
    if filters not in (None, Filters()) and passes.any():
        median = min(median, float(np.median(ranking.scores[passes])))
    if options.minutes and not options.fill:
        passes &= ranking.scores >= median
    candidates = _candidates(store, ranking, queries, options, passes, rng)
    query_ids = [track.id for track in queries]
    versions: dict[int, set[int]] = {}
    if not options.versions:
        n = options.n or round((options.minutes or 0) / _TRACK_MINUTES) or DEFAULT_TRACKS
        first = list(islice(candidates, min(_VERSION_CANDIDATES * n, _MAX_VERSION_CANDIDATES)))
        candidates = chain(first, candidates)
        versions = _versions(store, ranking, first, query_ids, watch)
    known = [*query_ids, *(track for track in excluded if track not in query_ids)]
    selection = _Selection(store, ranking, known, options, versions)
    if options.flow == "dj":
        _select_mix(ranking, candidates, selection, median)
    else:
        _select_best(candidates, selection)
    order = _order(ranking, selection, options.flow, rng)
    return _items(ranking, selection, order, median)


def _versions(
    store: Store,
    ranking: Ranking,
    candidates: Sequence[tuple[int, Track]],
    query_ids: Sequence[int],
    watch: Callable[[int, int], None] | None,
) -> dict[int, set[int]]:
    """Return the versions of one piece among candidates, rows with their tracks, and queries."""
    query_rows = _rows(ranking, query_ids)
    pool = [*(track for _, track in candidates), *store.tracks(ranking.ids[query_rows].tolist())]
    unit = _unit(ranking, np.array([*(row for row, _ in candidates), *query_rows], np.int64))
    return version_map(store, pool, unit, watch)


def _items(
    ranking: Ranking, selection: "_Selection", order: NDArray[np.int64], median: float
) -> list[PlaylistItem]:
    """Return the selected tracks in their order, with steps and energies."""
    rows = np.array(selection.rows, np.int64)[order]
    tracks = [selection.tracks[index] for index in order]
    unit, energy = _unit(ranking, rows), _energy(selection.tracks)[order].tolist()
    return [
        PlaylistItem(
            track,
            float(ranking.scores[row]),
            ranking.explain(row),
            step=float(np.linalg.norm(unit[index] - unit[index - 1])) if index else 0.0,
            mixes=index > 0 and mixes_well(tracks[index - 1], track),
            energy=energy[index],
            similar=float(ranking.scores[row]) >= median,
            asked_with=ranking.matched_queries(row),
        )
        for index, (row, track) in enumerate(zip(rows.tolist(), tracks, strict=True))
    ]


# ---- mixing ------------------------------------------------------------------------------


def mixes_well(first: Track, second: Track) -> bool:
    """Return whether tempo and key of two tracks can be mixed."""
    return (
        keys_compatible(camelot_key(first), camelot_key(second))
        and tempo_difference(first, second) <= MAX_TEMPO_DIFFERENCE
    )


def camelot_key(track: Track) -> str:
    """Return the Camelot code of a track's key, "" if that is unknown."""
    return camelot(str(track.facts.get("key", "")))


@cache
def keys_compatible(first: str, second: str) -> bool:
    """Return whether two Camelot codes are equal, an hour apart, or relative keys."""
    if not first or not second:
        return False
    hours = (int(first[:-1]) - int(second[:-1])) % 12
    return hours == 0 or (first[-1] == second[-1] and hours in (1, 11))


def tempo_difference(first: Track, second: Track) -> float:
    """Return the relative difference of two tempos, up to octaves (half and double tempo).

    Returns
    -------
    float
        0 to 0.42; infinity if a tempo is unknown.
    """
    a, b = (float(track.facts.get("tempo_bpm") or 0) for track in (first, second))
    if a <= 0 or b <= 0:
        return math.inf
    octaves = math.log2(a / b)
    return math.exp2(abs(octaves - round(octaves))) - 1


# ---- selection ---------------------------------------------------------------------------


class _Selection:
    """Tracks selected so far, within the limits of the options.

    Parameters
    ----------
    ranking : Ranking
        Ranking that rows refer to.
    known : sequence of int
        Ids of tracks whose copies are not selected.
    versions : mapping of int to set of int
        Versions of tracks, of which one is selected.
    """

    def __init__(
        self,
        store: Store,
        ranking: Ranking,
        known: Sequence[int],
        options: PlaylistOptions,
        versions: Mapping[int, set[int]],
    ) -> None:
        self.rows: list[int] = []
        self.tracks: list[Track] = []
        self._store, self._ranking = store, ranking
        self._versions = versions
        self._artists: Counter[str] = Counter()
        self._per_artist = options.per_artist
        self._duration_s = 0.0
        self._max_duration_s = options.minutes * 60 if options.minutes else math.inf
        self._max_tracks = MAX_TRACKS if options.minutes else options.n or DEFAULT_TRACKS
        # Rows whose copies are not selected, and their embeddings.
        self._known: list[int] = []
        self._unit = np.empty(
            (len(known) + self._max_tracks, ranking.matrix.unit.shape[1]), np.float32
        )
        for row in _rows(ranking, known):
            self._add_known(row)

    @property
    def is_full(self) -> bool:
        """Whether the requested length is reached."""
        return (
            len(self.rows) == self._max_tracks
            or self._duration_s >= MIN_FILLED * self._max_duration_s
        )

    def admits(self, row: int, track: Track) -> bool:
        """Return whether a track may be added; one that is refused stays refused."""
        return (
            not any(self._artists[artist] >= self._per_artist for artist in _artists(track))
            and self._duration_s + track.duration_s <= self._max_duration_s
            and not self._has_version(track.id)
            and not self._has_copy(row)
        )

    def add(self, row: int, track: Track) -> None:
        self.rows.append(row)
        self.tracks.append(track)
        self._add_known(row)
        self._artists.update(_artists(track))
        self._duration_s += track.duration_s

    def _add_known(self, row: int) -> None:
        self._unit[len(self._known)] = _unit(self._ranking, np.array([row]))
        self._known.append(row)

    def _has_version(self, track: int) -> bool:
        others = {int(self._ranking.ids[row]) for row in self._known} - {track}
        return not others.isdisjoint(self._versions.get(track, ()))

    def _has_copy(self, row: int) -> bool:
        similarity = self._unit[: len(self._known)] @ _unit(self._ranking, np.array([row]))[0]
        close = [self._known[index] for index in np.flatnonzero(similarity > DUPLICATE_COSINE)]
        matrix, ids = self._ranking.matrix, self._ranking.ids
        of_row, *of_close = np.searchsorted(matrix.ids, ids[[row, *close]]).astype(np.int64)
        return any(
            not len(remove_duplicates(self._store, matrix, np.array([of_row]), [other]))
            for other in of_close
            if other != of_row
        )


def _candidates(
    store: Store,
    ranking: Ranking,
    queries: Sequence[Track],
    options: PlaylistOptions,
    passes: NDArray[np.bool_],
    rng: np.random.Generator,
) -> Iterator[tuple[int, Track]]:
    """Iterate over the ranking with noise; a single query comes first."""
    noise = rng.standard_normal(len(ranking.ids)).astype(np.float32)
    noisy = ranking.corrected_scores + options.surprise * _MAX_NOISE * noise
    if len(queries) == 1 and not queries[0].missing:
        yield from zip(_rows(ranking, [queries[0].id]), queries, strict=False)
    for rows in neighbours.iter_descending(ranking.interleave(np.where(passes, noisy, -np.inf))):
        passing = rows[passes[rows]]
        tracks = store.tracks(ranking.ids[passing].tolist())
        yield from zip(passing.tolist(), tracks, strict=True)
        if len(passing) < len(rows):
            break  # all others were filtered out


def _select_best(candidates: Iterator[tuple[int, Track]], selection: _Selection) -> None:
    for row, track in candidates:
        if selection.admits(row, track):
            selection.add(row, track)
        if selection.is_full:
            break


def _select_mix(
    ranking: Ranking,
    candidates: Iterator[tuple[int, Track]],
    selection: _Selection,
    median: float,
) -> None:
    """Append the nearest track that mixes with the last one; if none mixes, the nearest.

    Tracks of less than the median similarity are taken if no others mix.
    """
    remaining: dict[int, Track] = {}
    following = next((item for item in candidates if selection.admits(*item)), None)
    while following:
        selection.add(*following)
        if selection.is_full:
            break
        last = following[1]
        nearest = partial(_nearest_first, ranking, median, *following, remaining, candidates)
        # A track without tempo or key does not even mix with itself: none has to be searched.
        mixing = (
            (item for item in nearest() if mixes_well(last, item[1]))
            if mixes_well(last, last)
            else ()
        )
        following, tried = None, []
        for item in chain(mixing, nearest()):
            tried.append(item[0])
            if selection.admits(*item):
                following = item
                break
        for row in tried:  # added now, or refused for good
            remaining.pop(row, None)


def _nearest_first(
    ranking: Ranking,
    median: float,
    row: int,
    track: Track,
    remaining: dict[int, Track],
    candidates: Iterator[tuple[int, Track]],
) -> Iterator[tuple[int, Track]]:
    """Iterate over the remaining candidates in batches, the nearest to a track first.

    In each batch, dissimilar tracks come later, and those by the same artist last.
    """
    start, artists = 0, _artists(track)
    while True:
        remaining.update(islice(candidates, max(start + _DJ_BATCH - len(remaining), 0)))
        batch = list(islice(remaining.items(), start, start + _DJ_BATCH))
        if not batch:
            break
        unit = _unit(ranking, np.array([row, *(other for other, _ in batch)]))
        same_artist = np.array([bool(artists & _artists(other)) for _, other in batch])
        dissimilar = ranking.scores[[other for other, _ in batch]] < median
        penalty = _SAME_ARTIST_PENALTY * same_artist + _DISSIMILAR_PENALTY * dissimilar
        if ranking.corrections is not None:
            penalty = penalty + ranking.corrections[[other for other, _ in batch]]
        order = np.argsort(penalty - unit[1:] @ unit[0], kind="stable")
        yield from (batch[index] for index in order)
        start += _DJ_BATCH


def _artists(track: Track) -> frozenset[str]:
    return _name_keys(track.tags.artist)


#: Cached, since the same artists are compared again and again.
_name_keys = lru_cache(maxsize=10_000)(name_keys)


# ---- order -------------------------------------------------------------------------------


def _order(
    ranking: Ranking, selection: _Selection, flow: Flow, rng: np.random.Generator
) -> NDArray[np.int64]:
    tracks = selection.tracks
    if flow == "shuffle":
        return rng.permutation(len(tracks))
    if flow == "rise":
        return np.argsort(_energy(tracks), kind="stable")
    if flow == "dj" or len(tracks) < 2:
        return np.arange(len(tracks))
    distance = pairwise_distances(_unit(ranking, np.array(selection.rows)))
    penalty = _SAME_ARTIST_PENALTY * same_artist_matrix(tracks)
    return _short_path(np.asarray(distance + penalty, np.float32))


def _short_path(distance: FloatArray) -> NDArray[np.int64]:
    """Order rows to a short path from the first one: by nearest neighbours, then 2-opt."""
    n = len(distance)
    path, unvisited = np.zeros(n, np.int64), np.ones(n, bool)
    for index in range(1, n):
        unvisited[path[index - 1]] = False
        path[index] = np.where(unvisited, distance[path[index - 1]], np.inf).argmin()
    for _ in range(_MAX_PASSES):
        improved = [_reverse_segment(distance, path, start) for start in range(1, n - 1)]
        if not any(improved):
            break
    return path


def _reverse_segment(distance: FloatArray, path: NDArray[np.int64], start: int) -> bool:
    """Reverse the segment from an index on that shortens the path most, if there is one."""
    before, first, ends = path[start - 1], path[start], path[start + 1 :]
    current = distance[before, first] + np.append(distance[ends[:-1], ends[1:]], 0)
    reversed_ = distance[before, ends] + np.append(distance[first, ends[1:]], 0)
    gain = current - reversed_
    best = int(gain.argmax())
    if gain[best] <= _MIN_GAIN:
        return False
    segment = slice(start, start + best + 2)
    path[segment] = path[segment][::-1].copy()
    return True


def _energy(tracks: Sequence[Track]) -> NDArray[np.float64]:
    """Return the mean rank of tempo, loudness and onset strength, 0 to 1."""
    ranks = []
    for fact in ("tempo_bpm", "loudness_lufs", "onset_strength_mean_db"):
        values = np.array([float(track.facts.get(fact) or np.nan) for track in tracks])
        values = np.where(np.isfinite(values), values, np.nanmean([*values, 0.0]))
        ranks.append(np.argsort(np.argsort(values, kind="stable"), kind="stable"))
    return np.asarray(np.mean(ranks, axis=0) / max(len(tracks) - 1, 1))


# ---- rows --------------------------------------------------------------------------------


def _rows(ranking: Ranking, tracks: Sequence[int]) -> list[int]:
    """Return the rows of the tracks that are in the ranking."""
    rows: list[int] = np.flatnonzero(np.isin(ranking.ids, tracks)).tolist()
    return rows


def _unit(ranking: Ranking, rows: NDArray[np.int64]) -> FloatArray:
    """Return the embeddings of rows, of length 1; zero for rows without one."""
    matrix, ids = ranking.matrix, ranking.ids[rows]
    positions = np.minimum(np.searchsorted(matrix.ids, ids), len(matrix.ids) - 1)
    has_vector = matrix.ids[positions] == ids
    return np.asarray(matrix.unit[positions] * has_vector[:, None], np.float32)

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
from segue.explore.covers import version_map
from segue.explore.path import pairwise_distances, same_artist_matrix
from segue.records import FloatArray, Reason, Track
from segue.search import neighbours
from segue.search.duplicates import DUPLICATE_COSINE, remove_duplicates
from segue.search.filters import Filters, filter_mask
from segue.search.query_set import Query
from segue.search.ranking import Ranking
from segue.store import Store
from segue.text import name_keys
from segue.theory.keys import camelot

#: How far tempos may lie apart, as a share: what a turntable's slider corrects.
MAX_TEMPO_DIFFERENCE: Final = 0.06


def mixes_well(one: Track, other: Track) -> bool:
    """Tell whether tempo and key of two tracks go together."""
    return (
        keys_compatible(camelot_key(one), camelot_key(other))
        and tempo_difference(one, other) <= MAX_TEMPO_DIFFERENCE
    )


def camelot_key(track: Track) -> str:
    """Return a track's place on the Camelot wheel, "" where its key is unknown."""
    return camelot(str(track.facts.get("key", "")))


@cache
def keys_compatible(one: str, other: str) -> bool:
    """Tell whether two places are the same, an hour apart, or each other's relative."""
    if not one or not other:
        return False
    hours = (int(one[:-1]) - int(other[:-1])) % 12
    if one[-1] != other[-1]:
        return hours == 0
    return hours in (0, 1, 11)


def tempo_difference(one: Track, other: Track) -> float:
    """Return how far two tempos lie apart, as a share; double and half count as the same.

    Returns
    -------
    float
        0 to 0.42; infinity where one is unknown.
    """
    a, b = (float(track.facts.get("tempo_bpm") or 0) for track in (one, other))
    if a <= 0 or b <= 0:
        return math.inf
    octaves = math.log2(a / b)
    return math.exp2(abs(octaves - round(octaves))) - 1


Flow = Literal["smooth", "rise", "shuffle", "dj"]
FLOWS: Final[tuple[Flow, ...]] = ("smooth", "rise", "shuffle", "dj")
DEFAULT_TRACKS: Final = 30
#: Each is compared with all others, to put them in order.
MAX_TRACKS: Final = 5000
MAX_MINUTES: Final = 7 * 24 * 60
DEFAULT_PER_ARTIST: Final = 3
DEFAULT_SURPRISE: Final = 0.3
MAX_SEED: Final = 2**32 - 1
#: Standard deviation of the noise added to similarities at the highest surprise: what cosines
#: between unrelated tracks have themselves.
_WIDEST: Final = 0.15
#: So much of its time filled, a list is long enough: what fits into the rest would have to be
#: looked for ever farther down the ranking.
MIN_FILLED: Final = 0.95
#: A DJ looks through so many at once, the best that are left; of them some three mix with a track.
_OFFERED: Final = 100
#: So many times as many tracks as are wanted, but no more, are looked at for versions of a piece.
_COMPARED: Final = 2
_MOST_COMPARED: Final = 120
_USUAL_MINUTES: Final = 4  # of a track
_AGAIN: Final = 10.0  # added between tracks of one artist
_UNLIKE: Final = 3.0  # added where a track is no longer alike: more than cosines differ
_SWEEPS: Final = 8  # so often, at most, a list is gone through to shorten its way
_LEAST_GAIN: Final = 1e-4  # more than the rounding of sums of steps


@dataclass(frozen=True, slots=True)
class PlaylistOptions:
    """How a playlist shall be.

    Attributes
    ----------
    n : int, optional
        How many tracks, 1 to 5000; else 30.
    minutes : float, optional
        How long at most, instead: above 0, up to a week. Tracks that would make it longer are
        passed by, even what was asked with, and those that are no longer alike, see `Item`;
        nearly all of it is filled where the library can.
    flow : {"smooth", "rise", "shuffle", "dj"}
        In what order: small steps; rising energy; none; tempos and keys that mix.
    surprise : float
        0 to 1: how far down the ranking it reaches. At 0 the tracks are always the same, and so
        is their order but with "shuffle".
    per_artist : int
        Tracks of one artist at most; those without one are not limited.
    seed : int
        0 to 2^32 - 1; another one gives another list.
    versions : bool
        Keep several versions of one piece: in another key, say, or by other instruments.
    fill : bool
        With `minutes`: where nothing is left that is alike, go on with what is not.
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
        """Refuse what cannot be.

        Raises
        ------
        BadArgument
        """
        for wrong, told in (
            (
                self.n is not None and not 1 <= self.n <= MAX_TRACKS,
                f"-n {self.n}: at least 1 must be wanted, and at most {MAX_TRACKS}",
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
            if wrong:
                raise BadArgument(told)

    @property
    def by_chance(self) -> bool:
        """Whether another seed may give another list."""
        return self.surprise > 0 or self.flow == "shuffle"


@dataclass(frozen=True, slots=True)
class PlaylistItem(RenamedAttributes):
    """One track of a playlist.

    Attributes
    ----------
    track : Track
    similarity : float
        To what was asked with: cosine, -1 to 1, and what taste adds, at most 0.15 either way.
    reasons : tuple of Reason
        Which sum to it.
    step : float
        Euclidean distance from the track before, of vectors of length 1; 0 for the first.
    mixes : bool
        Tempo and key go with the track before.
    energy : float
        0 to 1: its mean rank among the list's tracks by tempo, loudness and strength of onsets.
    alike : bool
        It is at least as like what was asked with as half of the tracks that were ranked, or
        half of those that pass the filters.
    asked_with : tuple of str, int or Path
        Where queries lie far apart, those that the similarity is to; else empty.
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
    asked: Sequence[Track],
    options: PlaylistOptions,
    filters: Filters | None = None,
    excluded: Sequence[int] = (),
    watch: Callable[[int, int], None] | None = None,
) -> list[PlaylistItem]:
    """Choose tracks out of a ranking, and put them into an order.

    Parameters
    ----------
    store : Store
        Database of the library.
    ranking : Ranking
    asked : sequence of Track
        What was asked with; a single track is in the list, and opens it where it is "smooth"
        or "dj".
    options : Wish
    filters : Filters, optional
    excluded : sequence of int
        Tracks that are not on the list, nor are their copies.
    watch : callable, optional
        Told how many files are read, of how many, to find versions of one piece.

    Returns
    -------
    list of Item
        Fewer than wanted where the library has no more that pass.
    """
    rng = np.random.default_rng(options.seed)
    passes = filter_mask(store, filters or Filters(), ranking.ids, asked)
    passes &= ~np.isin(ranking.ids, excluded)
    usual = _usual(ranking, passes, narrowed=filters not in (None, Filters()))
    if options.minutes and not options.fill:
        passes &= ranking.scores >= usual
    coming = _coming(store, ranking, asked, options, passes, rng)
    named = [track.id for track in asked]
    versions: dict[int, set[int]] = {}
    if not options.versions:
        wanted = options.n or round((options.minutes or 0) / _USUAL_MINUTES) or DEFAULT_TRACKS
        first = list(islice(coming, min(_COMPARED * wanted, _MOST_COMPARED)))
        coming = chain(first, coming)
        asked_rows = _rows(ranking, named)
        pool = [*(track for _, track in first), *store.tracks(ranking.ids[asked_rows].tolist())]
        unit = _unit(ranking, np.array([*(row for row, _ in first), *asked_rows], np.int64))
        versions = version_map(store, pool, unit, watch)
    known = [*named, *(track for track in excluded if track not in named)]
    listed = _List(store, ranking, known, options, versions)
    if options.flow == "dj":
        _take_what_mixes(ranking, coming, listed, usual)
    else:
        _take_what_comes(coming, listed)
    order = _order(ranking, listed, options.flow, rng)
    rows = np.array(listed.rows, np.int64)[order]
    tracks = [listed.tracks[at] for at in order]
    unit, energy = _unit(ranking, rows), _energy(listed.tracks)[order].tolist()
    items = []
    for at, (row, track) in enumerate(zip(rows.tolist(), tracks, strict=True)):
        step = float(np.linalg.norm(unit[at] - unit[at - 1])) if at else 0.0
        mixes = at > 0 and mixes_well(tracks[at - 1], track)
        score = float(ranking.scores[row])
        told = step, mixes, energy[at], score >= usual, ranking.matched_queries(row)
        items.append(PlaylistItem(track, score, ranking.explain(row), *told))
    return items


def _usual(ranking: Ranking, passes: NDArray[np.bool_], *, narrowed: bool) -> float:
    """Return the median score of all tracks, or of those that pass the filters if lower."""
    usual = float(np.median(ranking.scores))
    return (
        min(usual, float(np.median(ranking.scores[passes]))) if narrowed and passes.any() else usual
    )


# ---- choosing ----------------------------------------------------------------------------


class _List:
    """A list in the making: one of each recording, so many of an artist, as long as wished.

    Parameters
    ----------
    store : Store
        Database of the library.
    ranking : Ranking
    known : sequence of int
        Tracks whose copies are not wanted.
    options : Wish
    versions : mapping of int to set of int
        Of tracks, other versions of their pieces: one of them is enough.
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
        self._length_s = 0.0
        self._limit_s = options.minutes * 60 if options.minutes else math.inf
        self._most = MAX_TRACKS if options.minutes else options.n or DEFAULT_TRACKS
        # Whose copies are not wanted, and their vectors.
        self._known: list[int] = []
        self._unit = np.empty((len(known) + self._most, ranking.matrix.unit.shape[1]), np.float32)
        for row in _rows(ranking, known):
            self._know(row)

    @property
    def full(self) -> bool:
        """Whether it is as long as wished."""
        return len(self.rows) == self._most or self._length_s >= MIN_FILLED * self._limit_s

    def admits(self, row: int, track: Track) -> bool:
        """Tell whether a track may be taken; what may not be now may never be."""
        return (
            not any(self._artists[artist] >= self._per_artist for artist in _artists(track))
            and self._length_s + track.duration_s <= self._limit_s
            and not self._has_version(track.id)
            and not self._has_copy(row)
        )

    def take(self, row: int, track: Track) -> None:
        """Put a track at the end."""
        self.rows.append(row)
        self.tracks.append(track)
        self._know(row)
        self._artists.update(_artists(track))
        self._length_s += track.duration_s

    def _know(self, row: int) -> None:
        self._unit[len(self._known)] = _unit(self._ranking, np.array([row]))
        self._known.append(row)

    def _has_version(self, track: int) -> bool:
        there = {int(self._ranking.ids[row]) for row in self._known} - {track}
        return not there.isdisjoint(self._versions.get(track, ()))

    def _has_copy(self, row: int) -> bool:
        likeness = self._unit[: len(self._known)] @ _unit(self._ranking, np.array([row]))[0]
        close = [self._known[at] for at in np.flatnonzero(likeness > DUPLICATE_COSINE)]
        near, ids = self._ranking.matrix, self._ranking.ids
        here, *there = np.searchsorted(near.ids, ids[[row, *close]]).astype(np.int64)
        return any(
            not len(remove_duplicates(self._store, near, np.array([here]), [other]))
            for other in there
            if other != here
        )


def _coming(
    store: Store,
    ranking: Ranking,
    asked: Sequence[Track],
    options: PlaylistOptions,
    passes: NDArray[np.bool_],
    rng: np.random.Generator,
) -> Iterator[tuple[int, Track]]:
    """Go down the ranking, with noise as wide as the surprise; a track asked with alone leads."""
    noise = rng.standard_normal(len(ranking.ids)).astype(np.float32)
    drawn = ranking.scores + options.surprise * _WIDEST * noise
    if len(asked) == 1 and not asked[0].missing:
        yield from zip(_rows(ranking, [asked[0].id]), asked, strict=False)
    for rows in neighbours.iter_descending(ranking.interleave(np.where(passes, drawn, -np.inf))):
        fitting = rows[passes[rows]]
        tracks = store.tracks(ranking.ids[fitting].tolist())
        yield from zip(fitting.tolist(), tracks, strict=True)
        if len(fitting) < len(rows):
            break  # what follows was filtered out


def _take_what_comes(coming: Iterator[tuple[int, Track]], listed: _List) -> None:
    for row, track in coming:
        if listed.admits(row, track):
            listed.take(row, track)
        if listed.full:
            break


def _take_what_mixes(
    ranking: Ranking, coming: Iterator[tuple[int, Track]], listed: _List, usual: float
) -> None:
    """Take the nearest that mixes, again and again; where nothing at all does, the nearest.

    What is less similar to the query set than is `usual` is taken where nothing else mixes.
    """
    left: dict[int, Track] = {}
    found = next((one for one in coming if listed.admits(*one)), None)
    while found:
        listed.take(*found)
        if listed.full:
            break
        here, near = found[1], partial(_near_first, ranking, usual, *found, left, coming)
        # A track without tempo or key does not even mix with itself: no need to look further.
        mixing = (
            (one for one in near() if mixes_well(here, one[1])) if mixes_well(here, here) else ()
        )
        found, tried = None, []
        for one in chain(mixing, near()):
            tried.append(one[0])
            if listed.admits(*one):
                found = one
                break
        for row in tried:  # taken now, or refused for ever
            left.pop(row, None)


def _near_first(
    ranking: Ranking,
    usual: float,
    row: int,
    here: Track,
    left: dict[int, Track],
    coming: Iterator[tuple[int, Track]],
) -> Iterator[tuple[int, Track]]:
    """Go down what is left, and what comes, by so many; of these the nearest to a track first.

    Those that are no longer alike come later, and those by its own artist last.
    """
    start, artists = 0, _artists(here)
    while True:
        left.update(islice(coming, max(start + _OFFERED - len(left), 0)))
        some = list(islice(left.items(), start, start + _OFFERED))
        if not some:
            break
        unit = _unit(ranking, np.array([row, *(other for other, _ in some)]))
        again = np.array([bool(artists & _artists(track)) for _, track in some])
        unlike = ranking.scores[[other for other, _ in some]] < usual
        nearest = np.argsort(_AGAIN * again + _UNLIKE * unlike - unit[1:] @ unit[0], kind="stable")
        yield from (some[at] for at in nearest)
        start += _OFFERED


def _artists(track: Track) -> frozenset[str]:
    return _keys(track.tags.artist)


#: A long list asks for the same names again and again.
_keys = lru_cache(maxsize=10_000)(name_keys)


# ---- putting in order --------------------------------------------------------------------


def _order(
    ranking: Ranking, listed: _List, flow: Flow, rng: np.random.Generator
) -> NDArray[np.int64]:
    tracks = listed.tracks
    if flow == "shuffle":
        return rng.permutation(len(tracks))
    if flow == "rise":
        return np.argsort(_energy(tracks), kind="stable")
    if flow == "dj" or len(tracks) < 2:
        return np.arange(len(tracks))
    step = pairwise_distances(_unit(ranking, np.array(listed.rows)))
    return _shortest(np.asarray(step + _AGAIN * same_artist_matrix(tracks), np.float32))


def _shortest(step: FloatArray) -> NDArray[np.int64]:
    """Order rows to a short way from the first: the nearest next, then stretches turned round."""
    n = len(step)
    way, left = np.zeros(n, np.int64), np.ones(n, bool)
    for at in range(1, n):
        left[way[at - 1]] = False
        way[at] = np.where(left, step[way[at - 1]], np.inf).argmin()
    for _ in range(_SWEEPS):
        turned = [_turn(step, way, i) for i in range(1, n - 1)]
        if not any(turned):
            break
    return way


def _turn(step: FloatArray, way: NDArray[np.int64], i: int) -> bool:
    """Turn round the stretch from a place on that shortens the way most; tell if there is one."""
    before, here, ends = way[i - 1], way[i], way[i + 1 :]
    as_it_is = step[before, here] + np.append(step[ends[:-1], ends[1:]], 0)
    turned = step[before, ends] + np.append(step[here, ends[1:]], 0)
    gain = as_it_is - turned
    j = int(gain.argmax())
    if gain[j] <= _LEAST_GAIN:
        return False
    way[i : i + j + 2] = way[i : i + j + 2][::-1].copy()
    return True


def _energy(tracks: Sequence[Track]) -> NDArray[np.float64]:
    """Return the mean rank of tempo, loudness and strength of onsets, 0 to 1."""
    ranks = []
    for fact in ("tempo_bpm", "loudness_lufs", "onset_strength_mean_db"):
        values = np.array([float(track.facts.get(fact) or np.nan) for track in tracks])
        values = np.where(np.isfinite(values), values, np.nanmean([*values, 0.0]))
        ranks.append(np.argsort(np.argsort(values, kind="stable"), kind="stable"))
    return np.asarray(np.mean(ranks, axis=0) / max(len(tracks) - 1, 1))


# ---- rows --------------------------------------------------------------------------------


def _rows(ranking: Ranking, tracks: Sequence[int]) -> list[int]:
    """Return the rows of those tracks that are ranked."""
    found: list[int] = np.flatnonzero(np.isin(ranking.ids, tracks)).tolist()
    return found


def _unit(ranking: Ranking, rows: NDArray[np.int64]) -> FloatArray:
    """Return the vectors of rows, of length 1; zero for what has none."""
    near, ids = ranking.matrix, ranking.ids[rows]
    at = np.minimum(np.searchsorted(near.ids, ids), len(near.ids) - 1)
    there = near.ids[at] == ids
    return np.asarray(near.unit[at] * there[:, None], np.float32)

"""Playlists that flow: like what is asked with, varied, in an order that can be listened to."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from segue.answers.copies import without_copies
from segue.answers.ranking import Ranking
from segue.errors import BadArgument
from segue.formats.names import normalise
from segue.journeys.mixing import TEMPO_SHARE, key_of, keys_mix, tempo_apart
from segue.query import Filters, passing
from segue.records import FloatArray, Reason, Track
from segue.store import Store

Flow = Literal["smooth", "rise", "shuffle", "dj"]
FLOWS: Final[tuple[Flow, ...]] = ("smooth", "rise", "shuffle", "dj")
PER_ARTIST: Final = 3
SURPRISE: Final = 0.3
#: Tracks looked at for each one wanted: the more, the more a surprise may reach for.
_POOL: Final = 8
_LEAST_POOL: Final = 60
#: Standard deviation of the noise added to similarities at the highest surprise: what cosines
#: between unrelated tracks have themselves.
_WIDEST: Final = 0.15
_AGAIN: Final = 10.0  # added between tracks of one artist
_OFF_BEAT: Final = 2.0  # added where two tracks do not mix
_SWEEPS: Final = 8


@dataclass(frozen=True, slots=True)
class Wish:
    """How a playlist shall be.

    Attributes
    ----------
    n : int, optional
        How many tracks.
    minutes : float, optional
        How long, instead: the list stops before it is longer.
    flow : {"smooth", "rise", "shuffle", "dj"}
        In what order: small steps; rising energy; none; tempos and keys that mix.
    surprise : float
        0 to 1: how far down the ranking it reaches. At 0 the list is always the same.
    per_artist : int
        Tracks of one artist at most; those without one are not limited.
    seed : int
        Another one gives another list.
    """

    n: int | None = None
    minutes: float | None = None
    flow: Flow = "smooth"
    surprise: float = SURPRISE
    per_artist: int = PER_ARTIST
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises
        ------
        BadArgument
        """
        for wrong, told in (
            (self.n is not None and self.n < 1, f"-n {self.n}: at least 1 must be wanted"),
            (
                self.minutes is not None and not 0 < self.minutes < math.inf,
                f"--minutes {self.minutes}: above 0",
            ),
            (
                self.n is not None and self.minutes is not None,
                "-n or --minutes, not both",
            ),
            (self.flow not in FLOWS, f"there is no flow {self.flow!r}; {', '.join(FLOWS)}"),
            (not 0 <= self.surprise <= 1, f"--surprise {self.surprise:g}: from 0 to 1"),
            (self.per_artist < 1, f"--max-per-artist {self.per_artist}: at least 1"),
        ):
            if wrong:
                raise BadArgument(told)


@dataclass(frozen=True, slots=True)
class Item:
    """One track of a playlist.

    Attributes
    ----------
    track : Track
    similarity : float
        To what was asked with.
    reasons : tuple of Reason
        Which sum to it.
    step : float
        Euclidean distance from the track before, of vectors of length 1; 0 for the first.
    mixes : bool
        Tempo and key go with the track before.
    """

    track: Track
    similarity: float
    reasons: tuple[Reason, ...]
    step: float
    mixes: bool


def make_playlist(
    store: Store,
    ranking: Ranking,
    asked: Sequence[Track],
    wish: Wish,
    filters: Filters | None = None,
) -> list[Item]:
    """Choose tracks out of a ranking, and put them into an order.

    Parameters
    ----------
    store : Store
    ranking : Ranking
    asked : sequence of Track
        What was asked with; it opens the list where it is a single track.
    wish : Wish
    filters : Filters, optional

    Returns
    -------
    list of Item
        Fewer than wanted where the library has no more that pass.
    """
    rng = np.random.default_rng(wish.seed)
    rows = _chosen(store, ranking, asked, wish, filters or Filters(), rng)
    rows = _in_order(store, ranking, rows, _opening(ranking, asked), wish, rng)
    tracks = store.tracks(ranking.ids[rows].tolist())
    unit = _unit(ranking, rows)
    items = []
    for at, (row, track) in enumerate(zip(rows.tolist(), tracks, strict=True)):
        step = float(np.linalg.norm(unit[at] - unit[at - 1])) if at else 0.0
        mixes = at > 0 and _mix(tracks[at - 1], track)
        items.append(Item(track, float(ranking.scores[row]), ranking.why(row), step, mixes))
    return items


# ---- choosing ----------------------------------------------------------------------------


def _opening(ranking: Ranking, asked: Sequence[Track]) -> int | None:
    """Return the row of the one track that was asked with."""
    if len(asked) != 1 or asked[0].missing:
        return None
    at = np.flatnonzero(ranking.ids == asked[0].id)
    return int(at[0]) if len(at) else None


def _chosen(
    store: Store,
    ranking: Ranking,
    asked: Sequence[Track],
    wish: Wish,
    filters: Filters,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Draw the tracks: the best, with noise as wide as the surprise."""
    opening = _opening(ranking, asked)
    passes = passing(store, filters, ranking.ids, asked)
    noise = rng.standard_normal(len(ranking.ids)).astype(np.float32)
    drawn = ranking.scores + wish.surprise * _WIDEST * noise
    wanted = wish.n or 30
    if wish.minutes is not None:
        lengths = [track.duration_s for track in store.tracks(ranking.ids[:500].tolist())]
        wanted = math.ceil(wish.minutes * 60 / max(float(np.median(lengths)), 1)) * 2
    order = np.argsort(-np.where(passes, drawn, -np.inf), kind="stable")[: int(passes.sum())]
    pool = order[: max(wanted * _POOL, _LEAST_POOL)].astype(np.int64)
    if opening is not None:
        pool = np.concatenate([[opening], pool])
    pool = _distinct(store, ranking, pool)
    limit_s = wish.minutes * 60 if wish.minutes is not None else math.inf
    taken: list[int] = []
    artists: Counter[str] = Counter()
    length_s = 0.0
    # A DJ needs some to choose from; the others take what comes.
    most = 3 * wanted if wish.flow == "dj" else (wish.n or len(pool))
    for row, track in zip(pool.tolist(), store.tracks(ranking.ids[pool].tolist()), strict=True):
        artist = normalise(track.tags.artist)
        if artist and artists[artist] >= wish.per_artist:
            continue
        if wish.flow != "dj" and length_s + track.duration_s > limit_s:
            continue
        taken.append(row)
        artists[artist] += 1
        length_s += track.duration_s
        if len(taken) == most:
            break
    return np.array(taken, np.int64)


def _distinct(store: Store, ranking: Ranking, pool: NDArray[np.int64]) -> NDArray[np.int64]:
    """Leave out further copies of one recording."""
    near = ranking.near
    there = np.isin(ranking.ids[pool], near.ids)
    rows = np.searchsorted(near.ids, ranking.ids[pool[there]]).astype(np.int64)
    kept = near.ids[without_copies(store, near, rows)]
    return pool[~there | np.isin(ranking.ids[pool], kept)]


# ---- putting in order --------------------------------------------------------------------


def _in_order(
    store: Store,
    ranking: Ranking,
    rows: NDArray[np.int64],
    opening: int | None,
    wish: Wish,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    if len(rows) < 2:
        return rows
    tracks = store.tracks(ranking.ids[rows].tolist())
    if wish.flow == "shuffle":
        return rows[rng.permutation(len(rows))]
    if wish.flow == "rise":
        return rows[np.argsort(_energy(tracks), kind="stable")]
    unit = _unit(ranking, rows)
    step = np.linalg.norm(unit[:, None] - unit[None], axis=2)
    artists = [normalise(track.tags.artist) for track in tracks]
    again = np.array([[bool(a) and a == b for b in artists] for a in artists])
    step = np.asarray(step + _AGAIN * again, np.float32)
    first = rows.tolist().index(opening) if opening in rows.tolist() else 0
    if wish.flow == "dj":
        return rows[_mixed(step, tracks, first, wish)]
    return rows[_shortest(step, first)]


def _shortest(step: FloatArray, first: int) -> list[int]:
    """Order rows to a short way from the first: the nearest next, then stretches turned round."""
    n = len(step)
    way, left = [first], set(range(n)) - {first}
    while left:
        way.append(min(left, key=lambda row: (float(step[way[-1], row]), row)))
        left.discard(way[-1])
    for _ in range(_SWEEPS):
        better = False
        for i in range(1, n - 1):
            for j in range(i + 1, n):
                before = step[way[i - 1], way[i]] + (step[way[j], way[j + 1]] if j + 1 < n else 0)
                after = step[way[i - 1], way[j]] + (step[way[i], way[j + 1]] if j + 1 < n else 0)
                if after < before - 1e-6:
                    way[i : j + 1] = way[i : j + 1][::-1]
                    better = True
        if not better:
            break
    return way


def _mixed(step: FloatArray, tracks: Sequence[Track], first: int, wish: Wish) -> list[int]:
    """Take the nearest that mixes, again and again, as long as the list shall be."""
    n = wish.n or len(tracks)
    limit_s = wish.minutes * 60 if wish.minutes is not None else math.inf
    way, left = [first], set(range(len(tracks))) - {first}
    length_s = tracks[first].duration_s
    while left and len(way) < n:
        here = way[-1]
        fitting = [row for row in left if length_s + tracks[row].duration_s <= limit_s]
        if not fitting:
            break
        way.append(min(fitting, key=lambda row: (_cost(step, tracks, here, row), row)))
        left.discard(way[-1])
        length_s += tracks[way[-1]].duration_s
    return way


def _cost(step: FloatArray, tracks: Sequence[Track], here: int, row: int) -> float:
    mixes = _mix(tracks[here], tracks[row])
    return float(step[here, row]) + (0.0 if mixes else _OFF_BEAT)


def _mix(one: Track, other: Track) -> bool:
    return tempo_apart(one, other) <= TEMPO_SHARE and keys_mix(key_of(one), key_of(other))


def _energy(tracks: Sequence[Track]) -> NDArray[np.float64]:
    """Return the mean rank of tempo, loudness and strength of onsets, 0 to 1."""
    ranks = []
    for fact in ("tempo_bpm", "loudness_lufs", "onset_strength_mean_db"):
        values = np.array([float(track.facts.get(fact) or np.nan) for track in tracks])
        values = np.where(np.isfinite(values), values, np.nanmean([*values, 0.0]))
        ranks.append(np.argsort(np.argsort(values, kind="stable"), kind="stable"))
    return np.asarray(np.mean(ranks, axis=0) / max(len(tracks) - 1, 1))


def _unit(ranking: Ranking, rows: NDArray[np.int64]) -> FloatArray:
    """Return the vectors of rows, of length 1; zero for what has none."""
    near, ids = ranking.near, ranking.ids[rows]
    found = np.zeros((len(rows), near.unit.shape[1]), np.float32)
    there = np.isin(ids, near.ids)
    found[there] = near.unit[np.searchsorted(near.ids, ids[there])]
    return found

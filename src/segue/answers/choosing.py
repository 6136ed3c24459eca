"""Which of the ranked tracks are answers: filters, copies of one recording, so many an artist."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from segue import search
from segue.answers.copies import COPY_COSINE
from segue.answers.ranking import Ranking
from segue.errors import BadArgument
from segue.formats.names import name_keys
from segue.query import Filters, passing
from segue.records import Hit, Track
from segue.represent.same_music import SAME_MUSIC
from segue.store import Store
from segue.store.matrix import Matrix


def choose(
    store: Store,
    ranking: Ranking,
    asked: Sequence[Track],
    n: int,
    filters: Filters | None = None,
    *,
    duplicates: bool = False,
    among: NDArray[np.int64] | None = None,
    unwanted: Sequence[int] = (),
) -> list[Hit]:
    """Take the best that pass, one per recording, as many per artist as wanted.

    Parameters
    ----------
    store : Store
    ranking : Ranking
    asked : sequence of Track
        What was asked with, which is no answer.
    n : int
        How many at most, at least 1.
    filters : Filters, optional
    duplicates : bool
        Take every copy of one recording.
    among : ndarray of int64, optional
        The only tracks that may be taken.
    unwanted : sequence of int
        Tracks that are no answers, nor are their copies.

    Returns
    -------
    list of Hit
        Best first; where queries lie far apart, the best of each in turn.
    """
    if n < 1:
        raise BadArgument(f"{n} answers; at least 1 must be wanted")
    filters = filters or Filters()
    ids = ranking.ids
    passes = passing(store, filters, ids, asked) & ~np.isin(ids, unwanted)
    if among is not None:
        passes &= np.isin(ids, among)
    taken = [] if duplicates else [*(track.id for track in asked), *unwanted]
    hits: list[Hit] = []
    per_artist: Counter[str] = Counter()
    for rows in search.best_first(ranking.in_turn(np.where(passes, ranking.scores, -np.inf))):
        fitting = rows[passes[rows]]
        for row, track in zip(fitting.tolist(), store.tracks(ids[fitting].tolist()), strict=True):
            artists = name_keys(track.tags.artist)
            most = filters.max_per_artist
            if most is not None and any(per_artist[artist] >= most for artist in artists):
                continue
            if not duplicates and _is_copy(store, ranking.near, track.id, taken):
                continue
            per_artist.update(artists)
            taken.append(track.id)
            score = float(ranking.scores[row])
            why, asked_with = ranking.why(row), ranking.asked_with(row)
            hits.append(Hit(len(hits) + 1, score, track, why, asked_with))
            if len(hits) == n:
                return hits
        if len(fitting) < len(rows):
            break  # what follows was filtered out
    return hits


def _is_copy(store: Store, near: Matrix, track: int, taken: Sequence[int]) -> bool:
    """Tell whether a track is another copy of a recording that is taken already."""
    row, others = (np.flatnonzero(np.isin(near.ids, some)) for some in ([track], taken))
    close = others[(near.unit[others] @ near.unit[row].T > COPY_COSINE).any(axis=1)]
    if not len(close):
        return False
    prints = store.fingerprints([track, *near.ids[close].tolist()])
    mine = prints.pop(track)
    same = SAME_MUSIC[near.space.kind]
    return any(same(mine, other) for other in prints.values())

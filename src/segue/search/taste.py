"""Relevance feedback: loved and skipped tracks."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.records import FloatArray, Reason, Track
from segue.search.query import find_tracks
from segue.search.query_set import Query
from segue.search.ranking import Ranking
from segue.store import Store
from segue.store.matrix import Matrix

LOVED: Final = "loved"
SKIPPED: Final = "skipped"
#: What the cosine to the nearest loved, or skipped, track counts beside the question's own.
WEIGHT: Final = 0.15


class Taste:
    """What the user loves and skips; `segue.Library.taste`.

    Parameters
    ----------
    store : Store
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def love(self, *queries: Query) -> list[Track]:
        """Remember that tracks are loved."""
        return self._remember(queries, loved=True)

    def skip(self, *queries: Query) -> list[Track]:
        """Remember that tracks are skipped."""
        return self._remember(queries, loved=False)

    def forget(self, *queries: Query) -> list[Track]:
        """Forget what was said of tracks.

        Returns
        -------
        list of Track
            Of which there was something to forget.
        """
        tracks = [track for query in queries for track in find_tracks(self._store, query)]
        with self._store.writing(), self._store.transaction():
            known = self._store.taste.known()
            self._store.taste.forget([track.id for track in tracks])
        return [track for track in tracks if track.id in known]

    @property
    def loved(self) -> list[Track]:
        """What is loved."""
        return self._told(loved=True)

    @property
    def skipped(self) -> list[Track]:
        """What is skipped."""
        return self._told(loved=False)

    def _told(self, *, loved: bool) -> list[Track]:
        known = self._store.taste.known()
        return self._store.tracks([track for track, of in known.items() if of == loved])

    def _remember(self, queries: Sequence[Query], *, loved: bool) -> list[Track]:
        tracks = [track for query in queries for track in find_tracks(self._store, query)]
        at = datetime.now(UTC).isoformat(timespec="seconds")
        with self._store.writing(), self._store.transaction():
            self._store.taste.set({track.id: loved for track in tracks}, at)
        return tracks


def skipped_ids(store: Store) -> list[int]:
    """List the ids of the tracks that are skipped, which are no answers."""
    return [track for track, loved in store.taste.known().items() if not loved]


def apply_taste(store: Store, ranking: Ranking) -> Ranking:
    """Add to each similarity what it gains by what is loved, and loses by what is skipped.

    Parameters
    ----------
    store : Store
    ranking : Ranking
        Of cosines, or of a blend of them.

    Returns
    -------
    Ranking
        The same where nothing is known of the user's taste in the space; else with the reasons
        "loved" and "skipped", which count into the similarity: `WEIGHT` times the cosine to the
        nearest such track, where that is above 0, and the less, the nearer the similarity is to 1
        or -1, so that it stays between these.
    """
    known, near = store.taste.known(), ranking.matrix.ids
    here = near[np.isin(near, list(known))].tolist()
    if not here:
        return ranking
    loved, disliked = ([track for track in here if known[track] == of] for of in (True, False))
    weight = WEIGHT * np.clip(1 - np.abs(ranking.scores), 0, 1)
    gain = weight * _nearest(ranking.matrix, ranking.ids, loved)
    loss = -weight * _nearest(ranking.matrix, ranking.ids, disliked)
    named = [
        (name, share, says)
        for name, share, of, says in (
            (LOVED, gain, loved, "like what you love"),
            (SKIPPED, loss, disliked, "like what you skip"),
        )
        if of
    ]

    def why(row: int) -> tuple[Reason, ...]:
        leans = [Reason(name, float(share[row]), says) for name, share, says in named]
        return tuple(sorted([*ranking.explain(row), *leans], key=lambda one: -one.share))

    return replace(ranking, scores=ranking.scores + gain + loss, explain=why)


def _nearest(near: Matrix, ids: NDArray[np.int64], to: list[int]) -> FloatArray:
    """Return the cosine of each track to the nearest of some, 0 where it is below or unknown."""
    found = np.zeros(len(ids), np.float32)
    rows = np.flatnonzero(np.isin(near.ids, to))
    if len(rows):
        highest = np.asarray(near.unit @ near.unit[rows].T).max(axis=1)
        there = np.isin(ids, near.ids)
        found[there] = highest[np.searchsorted(near.ids, ids[there])]
    return np.maximum(found, 0)

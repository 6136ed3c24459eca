"""Relevance feedback: loved and skipped tracks change the ranking."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.records import FloatArray, Reason, Track
from segue.search.query import Query, find_tracks
from segue.search.ranking import Ranking
from segue.store import Store
from segue.store.spaces import Matrix

LOVED: Final = "loved"
SKIPPED: Final = "skipped"
#: Weight of the cosine to the nearest loved, or skipped, track, relative to that to the query.
WEIGHT: Final = 0.15


class Taste:
    """The user's loved and skipped tracks; `segue.Library.taste`.

    Parameters
    ----------
    store : Store
        Database of the library.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def love(self, *queries: Query) -> list[Track]:
        """Mark tracks as loved.

        Examples
        --------
        >>> lib.taste.love("Für Elise")  # doctest: +SKIP
        """
        return self._mark(queries, loved=True)

    def skip(self, *queries: Query) -> list[Track]:
        """Mark tracks as skipped.

        Examples
        --------
        >>> lib.taste.skip("artist:dora", 17)  # doctest: +SKIP
        """
        return self._mark(queries, loved=False)

    def forget(self, *queries: Query) -> list[Track]:
        """Remove the marks of tracks.

        Returns
        -------
        list of Track
            Tracks that were marked.

        Examples
        --------
        >>> lib.taste.forget("Für Elise")  # doctest: +SKIP
        """
        tracks = [track for query in queries for track in find_tracks(self._store, query)]
        with self._store.writing(), self._store.transaction():
            known = self._store.taste.known()
            self._store.taste.forget([track.id for track in tracks])
        return [track for track in tracks if track.id in known]

    @property
    def loved(self) -> list[Track]:
        """The loved tracks."""
        return self._marked(loved=True)

    @property
    def skipped(self) -> list[Track]:
        """The skipped tracks."""
        return self._marked(loved=False)

    def _marked(self, *, loved: bool) -> list[Track]:
        known = self._store.taste.known()
        return self._store.tracks([track for track, mark in known.items() if mark == loved])

    def _mark(self, queries: Sequence[Query], *, loved: bool) -> list[Track]:
        tracks = [track for query in queries for track in find_tracks(self._store, query)]
        at = datetime.now(UTC).isoformat(timespec="seconds")
        with self._store.writing(), self._store.transaction():
            self._store.taste.set({track.id: loved for track in tracks}, at)
        return tracks


def skipped_ids(store: Store) -> list[int]:
    """Return the ids of the skipped tracks."""
    return [track for track, loved in store.taste.known().items() if not loved]


def apply_taste(store: Store, ranking: Ranking) -> Ranking:
    """Raise the scores of tracks close to loved ones, and lower those close to skipped ones.

    Parameters
    ----------
    store : Store
        Database of the library.
    ranking : Ranking
        Ranking by cosine similarities, or by a blend of them.

    Returns
    -------
    Ranking
        Ranking with the additional reasons "loved" and "skipped": `WEIGHT` times the cosine to
        the nearest such track, if positive, and damped where the similarity is close to 1 or -1,
        so that the sum stays between these. Unchanged where no marked track is in the space.
    """
    known, ids = store.taste.known(), ranking.matrix.ids
    marked = ids[np.isin(ids, list(known))].tolist()
    if not marked:
        return ranking
    loved, skipped = ([track for track in marked if known[track] == mark] for mark in (True, False))
    weight = WEIGHT * np.clip(1 - np.abs(ranking.scores), 0, 1)
    gain = weight * _nearest_cosine(ranking.matrix, ranking.ids, loved)
    loss = -weight * _nearest_cosine(ranking.matrix, ranking.ids, skipped)
    contributions = [
        (name, share, says)
        for name, share, tracks, says in (
            (LOVED, gain, loved, "like what you love"),
            (SKIPPED, loss, skipped, "like what you skip"),
        )
        if tracks
    ]

    def explain(row: int) -> tuple[Reason, ...]:
        by_taste = [Reason(name, float(share[row]), says) for name, share, says in contributions]
        return tuple(sorted([*ranking.explain(row), *by_taste], key=lambda reason: -reason.share))

    return replace(ranking, scores=ranking.scores + gain + loss, explain=explain)


def _nearest_cosine(matrix: Matrix, ids: NDArray[np.int64], targets: list[int]) -> FloatArray:
    """Return each track's cosine to the nearest target; 0 where negative or unknown."""
    cosines = np.zeros(len(ids), np.float32)
    rows = np.flatnonzero(np.isin(matrix.ids, targets))
    if len(rows):
        highest = np.asarray(matrix.unit @ matrix.unit[rows].T).max(axis=1)
        present = np.isin(ids, matrix.ids)
        cosines[present] = highest[np.searchsorted(matrix.ids, ids[present])]
    return np.maximum(cosines, 0)

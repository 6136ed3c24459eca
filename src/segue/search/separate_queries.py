"""Queries that lie far apart: results for each, in turn.

Between a quiet piano and loud metal lies nothing that is like either: the nearest to their mean
are near one of them, or near none. Queries that are alike are blended; those that are hardly
more alike than any two tracks of the library are each answered by itself.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.records import Reason
from segue.search.query_set import QuerySet, default_space
from segue.search.ranking import Metric, Ranking, load_vector_space, rank
from segue.store import Store

#: Queries are alike where each is among such a share of all tracks that is nearest the other: the
#: answers to blends of less are mostly near one of them alone (bench/tables/apart.md).
_NEAREST: Final = 0.3


def rank_interleaved(
    store: Store,
    query_set: QuerySet,
    space: str | None = None,
    metric: Metric = "cosine",
    blend: Mapping[str, float] | None = None,
) -> Ranking:
    """Rank all tracks; where queries lie far apart, each by what of these it is most like.

    Parameters
    ----------
    store, query_set, space, metric, blend
        As of `segue.search.ranking.rank`.

    Returns
    -------
    Ranking
        With `parts` and `nearest` where queries lie far apart.
    """
    parts = split_queries(store, query_set, space)
    rankings = [rank(store, part, space, metric, blend) for part in parts]
    if len(rankings) == 1:
        return rankings[0]
    ids = np.unique(np.concatenate([one.ids for one in rankings]))
    scores = np.full((len(rankings), len(ids)), -np.inf, np.float32)
    for row, one in zip(scores, rankings, strict=True):
        row[np.isin(ids, one.ids)] = one.scores
    nearest = scores.argmax(axis=0)

    def why(row: int) -> tuple[Reason, ...]:
        one = rankings[int(nearest[row])]
        return one.explain(int(np.searchsorted(one.ids, ids[row])))

    return Ranking(
        ids,
        scores.max(axis=0),
        why,
        rankings[0].matrix,
        tuple(tuple(part.positives) for part in parts),
        nearest,
    )


def split_queries(store: Store, query_set: QuerySet, space: str | None = None) -> list[QuerySet]:
    """Divide a query_set where its queries lie far apart.

    Parameters
    ----------
    store : Store
    query_set : Question
    space : str, optional
        Where it is measured how far; else in the usual space of what is asked with.

    Returns
    -------
    list of Question
        In the order of the queries. Two queries are in one of them where each is as like the
        other as the nearest tracks of the library are, or where others that are so join them.
    """
    if len(query_set.positives) < 2:
        return [query_set]
    points = load_vector_space(store, space or default_space(query_set), "cosine")
    centres = np.stack(
        [points.query_vector(query_set.subset([one], ())) for one in query_set.positives]
    )
    unit = points.matrix.unit
    if not len(unit):
        return [query_set]
    least = np.array([np.quantile(unit @ centre, 1 - _NEAREST) for centre in centres])
    cosines = centres @ centres.T
    alike = (cosines >= least[:, None]) & (cosines >= least) | np.eye(len(centres), dtype=bool)
    part = _joined(alike)
    return [
        query_set.subset(
            [one for one, of in zip(query_set.positives, part, strict=True) if of == first]
        )
        for first in sorted(set(part))
    ]


def _joined(alike: NDArray[np.bool_]) -> list[int]:
    """Return for each query the first of all that are joined with it by some that are alike."""
    first = np.arange(len(alike))
    for _ in range(len(alike)):
        first = np.where(alike, first, len(alike)).min(axis=1)
    found: list[int] = first.tolist()
    return found

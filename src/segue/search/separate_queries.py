"""Dissimilar queries: results for each of them, interleaved.

Between quiet piano music and loud metal there is no music similar to both: the nearest neighbours
of the mean are close to one of them, or to neither. Similar queries are averaged; queries that are
hardly more similar than two random tracks of the library are searched for separately.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.records import Reason
from segue.search.query_set import QuerySet, default_space
from segue.search.ranking import Metric, Ranking, load_vector_space, rank
from segue.store import Store

#: Two queries are similar if each is among this share of all tracks nearest to the other. With
#: less similar queries, most results of the mean are close to one query alone
#: (bench/tables/separate_queries.md).
_NEAREST: Final = 0.3


def rank_interleaved(
    store: Store,
    query_set: QuerySet,
    space: str | None = None,
    metric: Metric = "cosine",
    blend: Mapping[str, float] | None = None,
) -> Ranking:
    """Rank all tracks; with dissimilar queries, each track by the query most similar to it.

    Parameters
    ----------
    store, query_set, space, metric, blend
        See `segue.search.ranking.rank`.

    Returns
    -------
    Ranking
        Ranking, with `query_groups` and `group_index` where queries are dissimilar.
    """
    groups = split_queries(store, query_set, space)
    rankings = [rank(store, group, space, metric, blend) for group in groups]
    if len(rankings) == 1:
        return rankings[0]
    ids = np.unique(np.concatenate([ranking.ids for ranking in rankings]))
    scores = np.full((len(rankings), len(ids)), -np.inf, np.float32)
    corrections = np.zeros_like(scores)
    for group, ranking in enumerate(rankings):
        present = np.isin(ids, ranking.ids)
        scores[group, present] = ranking.scores
        if ranking.corrections is not None:
            corrections[group, present] = ranking.corrections
    group_index = (scores - corrections).argmax(axis=0)
    nearest = (group_index, np.arange(len(ids)))

    def explain(row: int) -> tuple[Reason, ...]:
        ranking = rankings[int(group_index[row])]
        return ranking.explain(int(np.searchsorted(ranking.ids, ids[row])))

    return Ranking(
        ids,
        scores[nearest],
        explain,
        rankings[0].matrix,
        tuple(tuple(group.positives) for group in groups),
        group_index,
        corrections[nearest],
    )


def split_queries(store: Store, query_set: QuerySet, space: str | None = None) -> list[QuerySet]:
    """Split a query set into groups of similar queries (single linkage).

    Parameters
    ----------
    store : Store
        Database of the library.
    query_set : QuerySet
        Queries.
    space : str, optional
        Space in which they are compared; by default the default space of the queries.

    Returns
    -------
    list of QuerySet
        Groups, in order of their first queries.
    """
    if len(query_set.positives) < 2:
        return [query_set]
    vectors = load_vector_space(store, space or default_space(query_set), "cosine")
    queries = np.stack(
        [vectors.query_vector(query_set.subset([query], ())) for query in query_set.positives]
    )
    unit = vectors.matrix.unit
    if not len(unit):
        return [query_set]
    thresholds = np.array([np.quantile(unit @ query, 1 - _NEAREST) for query in queries])
    cosines = queries @ queries.T
    similar = (cosines >= thresholds[:, None]) & (cosines >= thresholds)
    components = _connected_components(similar | np.eye(len(queries), dtype=bool))
    return [
        query_set.subset(
            [
                query
                for query, component in zip(query_set.positives, components, strict=True)
                if component == label
            ]
        )
        for label in sorted(set(components))
    ]


def _connected_components(adjacent: NDArray[np.bool_]) -> list[int]:
    """Return for each node the lowest index in its connected component."""
    lowest = np.arange(len(adjacent))
    for _ in range(len(adjacent)):
        lowest = np.where(adjacent, lowest, len(adjacent)).min(axis=1)
    labels: list[int] = lowest.tolist()
    return labels

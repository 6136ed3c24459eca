"""How good the spaces of a library are at bringing together what belongs together."""

from typing import Final

from segue.answers.counting import counted
from segue.answers.groups import KINDS
from segue.answers.ranking import Metric
from segue.errors import BadArgument, NotFound, NothingToMeasure
from segue.formats.names import name_keys, split_genres
from segue.measure.retrieval import Retrieval, retrieval
from segue.records import Tags
from segue.store import Store

#: So many tracks ask at most, drawn at random: of these, a share is known to about 0.01.
MOST_QUERIES: Final = 2000


def evaluate_spaces(
    store: Store,
    by: str,
    *,
    artist_filter: bool,
    metric: Metric,
    seed: int,
    all_sounds: bool = False,
) -> dict[str, Retrieval]:
    """Measure every space of a library; a recording in several files counts once.

    What is no music is left out, unless `all_sounds`. Of many tracks some ask, and all may be
    found.

    Returns
    -------
    dict of str to Retrieval
        By space, of recordings and of scores. One that holds no two tracks that belong together
        is left out.

    Raises
    ------
    BadArgument
        No space has anything to measure.
    NotFound
        The library is empty.
    """
    if by not in KINDS:
        raise BadArgument(f"cannot evaluate by {by!r}; by album, artist or genre")
    tags = {track.id: track.tags for track in store.tracks()}
    table: dict[str, Retrieval] = {}
    nothing: NothingToMeasure | None = None
    for info in store.spaces.known():
        if info.outdated or not info.tracks:
            continue
        ids, vectors = store.spaces.vectors(info.space.name)
        try:
            kept = counted(store, ids, all_sounds=all_sounds, at_least=2)
            ids, vectors = ids[kept], vectors[kept]
            here = [tags[track] for track in ids.tolist()]
            table[info.space.name] = retrieval(
                vectors,
                [_labels(each, by) for each in here],
                groups=[name_keys(each.artist) for each in here] if artist_filter else None,
                metric=metric,
                most_queries=MOST_QUERIES,
                seed=seed,
            )
        except NothingToMeasure as error:
            nothing = nothing or error
    if nothing and not table:
        raise nothing
    if not table:
        raise NotFound("this library is empty; fill it with `segue add FOLDER`")
    return table


def _labels(tags: Tags, by: str) -> str | list[str] | frozenset[str]:
    if by == "artist":
        return name_keys(tags.artist)
    return split_genres(tags.genre) if by == "genre" else str(tags.album)

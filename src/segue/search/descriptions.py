"""Search by description: tags and their weights."""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from segue.builtin_spaces import MUSICNN_TAGS
from segue.errors import BadArgument
from segue.records import FloatArray, Reason
from segue.search.lexicon import find_concept, lexicon
from segue.search.ranking import Ranking
from segue.store import Store
from segue.text import normalise

#: Tags that mean the same.
_EQUAL_TAGS: Final = (("chill", "chillout"), ("female vocalist", "female vocalists"))
_NEGATION: Final = re.compile(r"^(-|−|not |no |without )\s*")


@dataclass(frozen=True, slots=True)
class TagQuery:
    """A tag of a query.

    Attributes
    ----------
    name : str
        Name in the query.
    sign : float
        1, or -1 for a negated tag.
    columns : tuple of int
        Dimensions of the space `tags` with that meaning.
    """

    name: str
    sign: float
    columns: tuple[int, ...]


def parse_tags(tags: Sequence[str]) -> list[TagQuery]:
    """Parse tags; "-happy" or "not happy" negates one.

    Raises
    ------
    BadArgument
        A tag is unknown, with suggestions; or none is given.
    """
    queries = [_parse_tag(tag) for tag in tags if tag.strip()]
    if not queries:
        raise BadArgument("no tag given; " + _known_tags())
    return queries


def rank_by_tags(store: Store, tags: Sequence[str]) -> Ranking:
    """Rank all recordings by the cosine similarity between their tags and those of a query.

    Parameters
    ----------
    store : Store
        Database of the library.
    tags : sequence of str
        Tags, see `parse_tags`.
    """
    queries = parse_tags(tags)
    matrix = store.spaces.matrix("tags")
    directions = np.stack([_direction(query) for query in queries])
    length = float(np.linalg.norm(directions.sum(axis=0)))
    if length < 1e-6:
        raise BadArgument("the tags cancel each other out: positive and negative ones are equal")
    shares = np.asarray(matrix.unit @ (directions / length).T)

    def explain(row: int) -> tuple[Reason, ...]:
        reasons = [
            Reason(query.name, float(share), query.name if query.sign > 0 else f"not {query.name}")
            for query, share in zip(queries, shares[row], strict=True)
        ]
        return tuple(sorted(reasons, key=lambda reason: -reason.share))

    return Ranking(matrix.ids, shares.sum(axis=1).astype(np.float32), explain, matrix)


def average_rankings(first: Ranking, second: Ranking, weight: float = 0.5) -> Ranking:
    """Rank the tracks that are in both rankings by the weighted mean of their similarities.

    Parameters
    ----------
    first, second : Ranking
        Rankings; the first may have hubness corrections.
    weight : float
        Weight of the second ranking, 0 to 1; the first has the rest.
    """
    ids, rows, second_rows = np.intersect1d(first.ids, second.ids, return_indices=True)
    scores = (1 - weight) * first.scores[rows] + weight * second.scores[second_rows]

    def explain(row: int) -> tuple[Reason, ...]:
        reasons = [
            replace(reason, share=share * reason.share)
            for share, ranking, row_of in ((1 - weight, first, rows), (weight, second, second_rows))
            for reason in ranking.explain(int(row_of[row]))
        ]
        return tuple(sorted(reasons, key=lambda reason: -reason.share))

    group_index = None if first.group_index is None else first.group_index[rows]
    corrections = first.corrections
    if corrections is not None:
        corrections = np.float32(1 - weight) * corrections[rows]
    return replace(
        first,
        ids=ids,
        scores=scores.astype(np.float32),
        explain=explain,
        group_index=group_index,
        corrections=corrections,
    )


def tag_column(tag: str) -> int:
    """Return the dimension of a tag in the space `tags`.

    Raises
    ------
    BadArgument
        The tag is unknown, with suggestions.
    """
    name = tag.strip().casefold()
    return MUSICNN_TAGS.index(name) if name in MUSICNN_TAGS else _parse_tag(tag).columns[0]


def _parse_tag(tag: str) -> TagQuery:
    name = " ".join(tag.casefold().split())
    sign, tags = 1.0, _tags_named(name)
    if not tags:
        name, negations = _NEGATION.subn("", name)
        sign, tags = -1.0 if negations else 1.0, _tags_named(name)
    if not tags:
        matches = difflib.get_close_matches(name, {*MUSICNN_TAGS, *lexicon()}, n=3)
        hint = f"did you mean {' or '.join(map(repr, matches))}? " if matches else ""
        raise BadArgument(f"the tag {tag.strip()!r} is unknown; {hint}{_known_tags()}")
    return TagQuery(name, sign, tuple(MUSICNN_TAGS.index(tag) for tag in tags))


def _tags_named(name: str) -> Sequence[str]:
    """Return the tag of a name and those that mean the same, or the tags of a concept."""
    if name in MUSICNN_TAGS:
        return next((tags for tags in _EQUAL_TAGS if name in tags), (name,))
    words = normalise(name).split()
    concept, count = find_concept(words)
    if concept is None or count < len(words) or not name[0].isalnum():
        return ()
    return [part for part in concept.recordings if part in MUSICNN_TAGS]


def _direction(query: TagQuery) -> FloatArray:
    direction = np.zeros(len(MUSICNN_TAGS), np.float32)
    direction[list(query.columns)] = query.sign / len(query.columns) ** 0.5
    return direction


def _known_tags() -> str:
    return "there are: " + ", ".join(sorted(MUSICNN_TAGS))

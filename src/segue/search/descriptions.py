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
from segue.search.ranking import Ranking
from segue.store import Store

#: Words for one or several synonymous tags of MusiCNN.
_SYNONYMS: Final[dict[tuple[str, ...], tuple[str, ...]]] = {
    ("chill", "chillout"): ("chill", "chillout", "chill out", "chilled"),
    ("chill", "chillout", "mellow", "easy listening"): (
        "calm", "relaxed", "relaxing", "quiet", "peaceful",
    ),
    ("female vocalist", "female vocalists"): (
        "female vocalist", "female vocalists", "female vocals", "female voice", "female singer",
    ),
    ("male vocalists",): ("male vocalist", "male vocals", "male voice", "male singer"),
    ("instrumental",): ("instrumentals", "no vocals", "without vocals"),
    ("electronic", "electronica"): ("electronic music", "synth"),
    ("electronic", "electro", "house", "dance"): ("techno", "trance", "edm", "club"),
    ("party", "dance"): ("energetic", "danceable", "upbeat", "lively"),
    ("hip-hop",): ("hip hop", "hiphop", "rap"),
    ("rnb",): ("r&b", "r and b", "rhythm and blues"),
    ("sad",): ("melancholy", "melancholic", "gloomy", "sadness"),
    ("happy",): ("cheerful", "joyful", "merry"),
    ("alternative rock",): ("alt rock", "alt-rock"),
    ("progressive rock",): ("prog", "prog rock"),
    ("60s",): ("1960s", "sixties"),
    ("70s",): ("1970s", "seventies"),
    ("80s",): ("1980s", "eighties"),
    ("90s",): ("1990s", "nineties"),
    ("00s",): ("2000s",),
}  # fmt: skip
_TAGS_OF_WORD: Final = {
    **{tag: (tag,) for tag in MUSICNN_TAGS},
    **{word: tags for tags, words in _SYNONYMS.items() for word in words},
}
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


def average_rankings(first: Ranking, second: Ranking) -> Ranking:
    """Rank the tracks that are in both rankings by their mean similarity.

    The first ranking may have hubness corrections, the second has none.
    """
    ids, rows, second_rows = np.intersect1d(first.ids, second.ids, return_indices=True)
    scores = ((first.scores[rows] + second.scores[second_rows]) / 2).astype(np.float32)

    def explain(row: int) -> tuple[Reason, ...]:
        reasons = [
            Reason(reason.name, reason.share / 2, reason.description, reason.family)
            for reason in [*first.explain(int(rows[row])), *second.explain(int(second_rows[row]))]
        ]
        return tuple(sorted(reasons, key=lambda reason: -reason.share))

    group_index = None if first.group_index is None else first.group_index[rows]
    corrections = None if first.corrections is None else first.corrections[rows] * np.float32(0.5)
    return replace(
        first,
        ids=ids,
        scores=scores,
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
    sign = 1.0
    if name not in _TAGS_OF_WORD:
        name, negations = _NEGATION.subn("", name)
        sign = -1.0 if negations else 1.0
    if name not in _TAGS_OF_WORD:
        matches = difflib.get_close_matches(name, _TAGS_OF_WORD, n=3)
        hint = f"did you mean {' or '.join(map(repr, matches))}? " if matches else ""
        raise BadArgument(f"the tag {tag.strip()!r} is unknown; {hint}{_known_tags()}")
    return TagQuery(name, sign, tuple(MUSICNN_TAGS.index(tag) for tag in _TAGS_OF_WORD[name]))


def _direction(query: TagQuery) -> FloatArray:
    direction = np.zeros(len(MUSICNN_TAGS), np.float32)
    direction[list(query.columns)] = query.sign / len(query.columns) ** 0.5
    return direction


def _known_tags() -> str:
    return "there are: " + ", ".join(sorted(MUSICNN_TAGS))

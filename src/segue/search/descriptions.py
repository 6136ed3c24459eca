"""Search by description: tags and their weights."""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from segue.builtin_spaces import TAGS
from segue.errors import BadArgument
from segue.records import FloatArray, Reason
from segue.search.ranking import Ranking
from segue.store import Store

#: MusiCNN's tags that say the same, and what else people say for them.
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
_MEANT: Final = {
    **{tag: (tag,) for tag in TAGS},
    **{word: tags for tags, words in _SYNONYMS.items() for word in words},
}
_NOT: Final = re.compile(r"^(-|−|not |no |without )\s*")


@dataclass(frozen=True, slots=True)
class TagQuery:
    """A tag that is asked for.

    Attributes
    ----------
    name : str
        As it was asked for.
    sign : float
        1, or -1 where tracks should have little of it.
    columns : tuple of int
        Which numbers of the space `tags` it is.
    """

    name: str
    sign: float
    columns: tuple[int, ...]


def parse_tags(tags: Sequence[str]) -> list[TagQuery]:
    """Find which tags are meant; "-happy" or "not happy" asks for little of one.

    Raises
    ------
    BadArgument
        One is not known, the nearest ones are named; or none is given.
    """
    found = [_wanted(tag) for tag in tags if tag.strip()]
    if not found:
        raise BadArgument("no tag given; " + _known_tags())
    return found


def rank_by_tags(store: Store, tags: Sequence[str]) -> Ranking:
    """Rank all recordings by the cosine between their tags and those that are asked for.

    Parameters
    ----------
    store : Store
    tags : sequence of str
        See `parse_tags`.
    """
    wanted = parse_tags(tags)
    matrix = store.spaces.matrix("tags")
    each = np.stack([_direction(one) for one in wanted])
    length = float(np.linalg.norm(each.sum(axis=0)))
    if length < 1e-6:
        raise BadArgument("the tags cancel each other out: what is wanted is also unwanted")
    shares = np.asarray(matrix.unit @ (each / length).T)

    def why(row: int) -> tuple[Reason, ...]:
        told = [
            Reason(one.name, float(share), one.name if one.sign > 0 else f"not {one.name}")
            for one, share in zip(wanted, shares[row], strict=True)
        ]
        return tuple(sorted(told, key=lambda reason: -reason.share))

    return Ranking(matrix.ids, shares.sum(axis=1).astype(np.float32), why, matrix)


def average_rankings(one: Ranking, other: Ranking) -> Ranking:
    """Rank what two rankings hold by the mean of both similarities."""
    ids, rows, others = np.intersect1d(one.ids, other.ids, return_indices=True)
    halves = ((one.scores[rows] + other.scores[others]) / 2).astype(np.float32)

    def why(row: int) -> tuple[Reason, ...]:
        told = [*one.explain(int(rows[row])), *other.explain(int(others[row]))]
        shared = [
            Reason(reason.name, reason.share / 2, reason.says, reason.family) for reason in told
        ]
        return tuple(sorted(shared, key=lambda reason: -reason.share))

    nearest = None if one.group_index is None else one.group_index[rows]
    return replace(one, ids=ids, scores=halves, explain=why, group_index=nearest)


def tag_column(tag: str) -> int:
    """Return which column of the space `tags` a tag has.

    Raises
    ------
    BadArgument
        It is not known; the nearest ones are named.
    """
    name = tag.strip().casefold()
    return TAGS.index(name) if name in TAGS else _wanted(tag).columns[0]


def _wanted(tag: str) -> TagQuery:
    name = " ".join(tag.casefold().split())
    sign = 1.0
    if name not in _MEANT:
        name, denied = _NOT.subn("", name)
        sign = -1.0 if denied else 1.0
    if name not in _MEANT:
        near = difflib.get_close_matches(name, _MEANT, n=3)
        hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
        raise BadArgument(f"the tag {tag.strip()!r} is unknown; {hint}{_known_tags()}")
    return TagQuery(name, sign, tuple(TAGS.index(one) for one in _MEANT[name]))


def _direction(wanted: TagQuery) -> FloatArray:
    found = np.zeros(len(TAGS), np.float32)
    found[list(wanted.columns)] = wanted.sign / len(wanted.columns) ** 0.5
    return found


def _known_tags() -> str:
    return "there are: " + ", ".join(sorted(TAGS))

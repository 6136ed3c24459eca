"""Words for music and what they mean, and search by the tags of MusiCNN.

The lexicon (weights/lexicon.tsv) has a row for each concept: the tags of MusiCNN, the aspects and
the instruments that recordings have more of, those that scores have more of ("-" for less), and
the words for it in English, German, French and Spanish. Words are compared regardless of case,
accents and inflection.
"""

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

import numpy as np

from segue.builtin_spaces import MUSICNN_TAGS, WEIGHTS, tag_probabilities
from segue.errors import BadArgument
from segue.records import Description, FloatArray, Reason, Track
from segue.search.ranking import Ranking
from segue.store import Store
from segue.text import normalise

#: Endings of words, and what may stand in their place in the lexicon, by language.
_ENDINGS: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "en": {
        "ier": ("y",), "iest": ("y",), "ily": ("y",), "er": ("", "e"), "est": ("", "e"),
        "ly": ("",), "ing": ("", "e"), "s": ("",), "es": ("",), "y": ("", "e"), "ish": ("",),
    },
    "de": {
        **dict.fromkeys(("e", "en", "em", "er", "es", "ere", "erer", "eren", "eres"), ("",)),
        **dict.fromkeys(("le", "ler", "les", "len", "lem", "lere"), ("el",)),
        **dict.fromkeys(("musik", "lied", "stuck", "klange"), ("", "e")),
    },
    "fr": {
        "e": ("",), "s": ("",), "es": ("",), "le": ("",), "les": ("",), "ve": ("f",),
        "ves": ("f",), "euse": ("eux",), "euses": ("eux",), "ement": ("", "e"), "aux": ("al",),
        "che": ("c",), "ches": ("c",), "ere": ("er",),
    },
    "es": {
        "a": ("o", ""), "as": ("o", ""), "os": ("o", ""), "es": ("", "e"), "s": ("",),
        "amente": ("o",), "mente": ("",), "ito": ("o",), "ita": ("o",),
    },
}  # fmt: skip
#: Shortest remainder of a word without its ending.
_MIN_STEM: Final = 3
_MAX_WORDS: Final = 5
#: Tags that mean the same.
_EQUAL_TAGS: Final = (("chill", "chillout"), ("female vocalist", "female vocalists"))
_NEGATION: Final = re.compile(r"^(-|−|not |no |without )\s*")


@dataclass(frozen=True, slots=True)
class Concept:
    """Something that music can have more or less of.

    Attributes
    ----------
    name : str
        English name.
    recordings, scores : tuple of str
        What recordings and scores have more of, or less after "-": tags, aspects, instruments or
        features. Empty where it is not known in that medium.
    """

    name: str
    recordings: tuple[str, ...]
    scores: tuple[str, ...]


@cache
def lexicon() -> dict[str, Concept]:
    """Return the concepts by the normalised words for them."""
    _, *rows = (WEIGHTS / "lexicon.tsv").read_text(encoding="utf-8").splitlines()
    concepts: dict[str, Concept] = {}
    for row in rows:
        name, recordings, scores, *languages = row.split("\t")
        concept = Concept(name, _split(recordings), _split(scores))
        for words in (name, *(word for cell in languages for word in _split(cell))):
            concepts.setdefault(normalise(words), concept)
    return concepts


def _split(cell: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in cell.split(",") if part.strip())


def find_concept(words: Sequence[str]) -> tuple[Concept | None, int]:
    """Find the concept that the first words of a text name.

    Parameters
    ----------
    words : sequence of str
        Normalised words.

    Returns
    -------
    concept : Concept or None
        Concept with the longest name, in any inflection.
    count : int
        Number of words that name it; 0 without a concept.
    """
    for count in range(min(len(words), _MAX_WORDS), 0, -1):
        phrase = " ".join(words[:count])
        for form in (phrase, *base_forms(phrase)):
            if form in lexicon():
                return lexicon()[form], count
    return None, 0


def base_forms(phrase: str) -> Iterator[str]:
    """Yield the possible base forms of a phrase whose last, or every, word is inflected."""
    *before, last = phrase.split()
    for endings in _ENDINGS.values():
        for form in _without_ending(last, endings):
            yield " ".join([*before, form])
            for first in before[:1]:  # "akustischer Gitarre", "guitarras acústicas"
                for first_form in _without_ending(first, endings):
                    yield " ".join([first_form, *before[1:], form])
                    yield " ".join([first_form, *before[1:], last])


def _without_ending(word: str, endings: dict[str, tuple[str, ...]]) -> Iterator[str]:
    for ending, replacements in endings.items():
        stem = word.removesuffix(ending)
        if stem != word and len(stem) >= _MIN_STEM:
            yield from (stem + replacement for replacement in replacements)
            if re.search(r"([bdgmnpt])\1$", stem):  # sadder, hotter
                yield stem[:-1]


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


def track_descriptions(store: Store, tracks: Sequence[Track]) -> list[Description]:
    """Return the tags of recordings and the lyrics of tracks."""
    return [
        Description(
            track,
            tag_probabilities(store.spaces.vector("tags", track.id))
            if track.kind == "sound"
            else {},
            store.lyrics.text(track.id),
            store.lyrics.source(track.id),
        )
        for track in tracks
    ]


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

"""Search in plain words: "calm piano, rainy evening, no vocals"; "sadder, faster" than a track.

A text is read as a list of concepts of the lexicon, each to be much or little. A concept is a
direction in the spaces of tags and features: the mean of the tags, aspects and instruments that it
stands for, each standardised over the library. Instruments of recordings are directions learned
from rendered scores (weights/instruments.md).
"""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, reduce
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from segue.builtin_spaces import MUSICNN_TAGS, WEIGHTS, feature_directions
from segue.errors import BadArgument, NotFound
from segue.feature_names import FEATURE_NAMES
from segue.media import MEDIA, medium_of
from segue.records import FloatArray, Medium, Reason
from segue.search.aspects import score_aspects, sound_aspects
from segue.search.descriptions import Concept, average_rankings, find_concept, lexicon
from segue.search.query import Query, QuerySet, field_and_name, look_up
from segue.search.ranking import Metric, Ranking, rank
from segue.store import Store
from segue.text import normalise

#: Words after which a concept is to be absent, or to be less.
_NEGATIONS: Final = frozenset(
    """
    no not non nor without less minus kein keine keinen keinem ohne nicht weniger sans pas moins ni
    sin menos
    """.split()  # noqa: SIM905  # a list of words is read more easily than quotes
)
#: Words that carry a negation on to the next concept: "no drums or vocals".
_CONJUNCTIONS: Final = frozenset(("or", "nor", "oder", "noch", "ou", "ni", "o"))
#: Weights of concepts after these words.
_DEGREES: Final = {
    **dict.fromkeys(("very", "extremely", "sehr", "extrem", "tres", "vraiment", "muy"), 1.5),
    **dict.fromkeys(("slightly", "bit", "etwas", "leicht", "bisschen", "peu", "poco"), 0.5),
}
#: Before "but", they name no track.
_NOTHING: Final = frozenset(("nothing", "nichts", "rien", "nada"))
#: Words without a meaning of their own in a description.
_IGNORED: Final = (
    _CONJUNCTIONS
    | _NOTHING
    | frozenset(
        """
    a an the of for with and in on at to by from some something any that this it is are be i want
    like please music musical song songs track tracks tune tunes piece pieces sound sounds sounding
    style kind more much full mood feel feeling vibe lots lot all good nice but only just too so
    ein eine einen einem einer der die das dem den des fur mit und im am von zu musik lied lieder
    stuck stucke klang als mehr viel art stimmung aber nur wie zum zur bei
    un une le la les l de du d pour avec et en au aux dans musique chanson chansons morceau morceaux
    plus que mais genre ambiance comme
    una unos unas el los las del al y e para con por que musica cancion canciones pieza mas pero
    estilo algo como
    """.split()  # noqa: SIM905
    )
)
#: What divides a track from how results should differ from it.
_BUT: Final = re.compile(
    r"^(?P<base>.+?)[\s,;]+(?:but|aber|mais|pero)\s+(?P<text>.+)$", re.IGNORECASE | re.DOTALL
)
_CLAUSE_END: Final = re.compile(r"[,;.!?:/+\n()]+")
_MINUS: Final = re.compile(r"(?<!\S)[-−](?=\w)")
#: Levels saturate at some standard deviations: fit is tanh(level / `_TYPICAL_LEVEL`).
_TYPICAL_LEVEL: Final = 1.5
_TYPICAL_DIFFERENCE: Final = 0.75
#: Weight of "sadder, faster" beside the similarity to a track.
COMPARISON_WEIGHT: Final = 1 / 3
#: Media that can be described, by preference, and the spaces of their tags and features.
DESCRIBED: Final[dict[Medium, tuple[str, ...]]] = {
    "sound": ("tags", "features"),
    "score": ("score-features",),
}
#: Relative variances below this are rounding errors.
_ROUNDING: Final = 1e-5
#: What is not wanted must be absent, not the opposite: absence counts this much of presence.
_ABSENCE: Final = 0.5
MAX_CHARACTERS: Final = 500
#: What a query begins with, as in "text:calm", that is a description even if it is a name as well.
TEXT_FIELD: Final = "text"


@dataclass(frozen=True, slots=True)
class Term:
    """A concept of a description.

    Attributes
    ----------
    words : str
        Words of the text, with their negation.
    concept : Concept
        Meaning of the words.
    weight : float
        Weight, below 0 for a concept that results should have little of.
    """

    words: str
    concept: Concept
    weight: float


@dataclass(frozen=True, slots=True)
class TextDescription:
    """A description of music.

    Attributes
    ----------
    text : str
        The description.
    terms : tuple of Term
        Concepts, in the order of the text.
    unknown : tuple of str
        Words that are not in the lexicon.
    """

    text: str
    terms: tuple[Term, ...]
    unknown: tuple[str, ...]

    @property
    def remark(self) -> str:
        """What the description was read as, in a sentence."""
        read = ", ".join(
            term.words
            if normalise(term.concept.name) in normalise(term.words)
            else f"{term.words} ({term.concept.name})"
            for term in self.terms
        )
        unknown = f"; not known, and left out: {', '.join(map(_suggest, self.unknown))}"
        return f"read as a description: {read}{unknown if self.unknown else ''}"


def split_comparison(text: str) -> tuple[str, str]:
    """Split "12 but sadder" into the name of a track and a description; "" without a track."""
    match = _BUT.match(text.strip())
    if not match or normalise(match["base"]) in _NOTHING:  # "nothing but piano"
        return "", text
    return match["base"].strip(), match["text"].strip()


def parse_description(text: str) -> TextDescription:
    """Read a description.

    Raises
    ------
    BadArgument
        The text is longer than `MAX_CHARACTERS`, no word of it is known, or its concepts cancel
        each other out.
    """
    description = parse_words(text)
    if not description.terms:
        words = ", ".join(map(_suggest, description.unknown)) or "there is no word in it"
        raise BadArgument(
            f"{text.strip()!r} does not describe music in words that Segue knows ({words}); use "
            "genres, moods, instruments and tempo, as in: calm piano, no vocals"
        )
    return description


def parse_words(text: str) -> TextDescription:
    """Read a description of which no word need be known; see `parse_description`."""
    if len(text) > MAX_CHARACTERS:
        raise BadArgument(f"a description has at most {MAX_CHARACTERS} characters")
    terms: dict[str, Term] = {}
    unknown: dict[str, None] = {}
    for clause in _CLAUSE_END.split(_MINUS.sub("no ", text)):
        for term in _parse_clause(clause):
            if isinstance(term, str):
                unknown[term] = None
                continue
            previous = terms.setdefault(term.concept.name, term)
            if previous.weight * term.weight < 0:
                raise BadArgument(f"{previous.words!r} and {term.words!r} cancel each other out")
    return TextDescription(text.strip(), tuple(terms.values()), tuple(unknown))


def _parse_clause(clause: str) -> Iterator[Term | str]:
    """Yield the terms and the unknown words of a clause."""
    words = [
        (word, original if index == 0 else "")
        for original in clause.split()
        for index, word in enumerate(normalise(original).split())
    ]
    negation = degree = ""
    position = 0
    while position < len(words):
        concept, count = find_concept([word for word, _ in words[position:]])
        phrase = words[position : position + max(count, 1)]
        position += len(phrase)
        word, original = phrase[0]
        if concept:
            text = " ".join(filter(None, (negation, degree, *(text for _, text in phrase))))
            weight = _DEGREES.get(normalise(degree), 1.0)
            yield Term(text, concept, -weight if negation else weight)
            degree = ""
            if position == len(words) or words[position][0] not in _CONJUNCTIONS:
                negation = ""
        elif word in _NEGATIONS:
            negation = original
        elif word in _DEGREES:
            degree = original
        elif word not in _IGNORED:
            yield original or word


def _suggest(word: str) -> str:
    """Return an unknown word, with words of the lexicon that are spelt similarly."""
    matches = difflib.get_close_matches(word, lexicon(), n=2, cutoff=0.8)
    return f"{word} (did you mean {' or '.join(matches)}?)" if matches else word


@dataclass(frozen=True, slots=True)
class Reading:
    """How queries are read.

    Attributes
    ----------
    names : tuple of str, int or Path
        Queries that name tracks or files.
    description : TextDescription, optional
        What the other queries describe.
    remark : str
        The reading in a sentence; "" for names that describe nothing.
    """

    names: tuple[Query, ...]
    description: TextDescription | None
    remark: str


def read_queries(store: Store, queries: Sequence[Query]) -> Reading:
    """Divide queries into names and descriptions.

    A query that names tracks is a name. Of "12 but sadder", the first part is a name, the second a
    description. After "text:", everything is a description.

    Raises
    ------
    NotFound
        A name is ambiguous, or of a file that does not exist.
    """
    names: list[Query] = []
    texts: list[str] = []
    also_described: list[str] = []
    for query in queries:
        text = _text_of(query)
        if text is None and _is_name(store, query):
            names.append(query)
            if isinstance(query, str) and not query.isdigit() and _describes(query):
                also_described.append(query)
            continue
        base, comparison = split_comparison(str(query))
        if text is None and base and _is_name(store, base):
            names.append(base)
            texts.append(comparison)
        elif text is None and base and parse_words(base).unknown:
            names.append(base)  # an error, too
        elif text is not None or _describes(str(query)):
            texts.append(str(query) if text is None else text)
        else:
            names.append(query)  # an error, with names that are spelt similarly
    description = parse_description(", ".join(texts)) if texts else None
    remark = description.remark if description else ""
    if also_described:
        remark = f'read as a name; to search by description: "{TEXT_FIELD}:{also_described[0]}"'
    return Reading(tuple(names), description, remark)


def _text_of(query: Query) -> str | None:
    """Return the text after "text:"; None for other queries."""
    prefix, colon, text = str(query).partition(":")
    return text if colon and prefix.strip().casefold() == TEXT_FIELD else None


def _is_name(store: Store, query: Query) -> bool:
    try:
        resolved = look_up(store, query)
    except NotFound as error:
        if isinstance(query, str) and not medium_of(Path(query)) and _describes(query):
            raise NotFound(f'{error}\nto search by description: "{TEXT_FIELD}:{query}"') from None
        raise
    return isinstance(resolved, Path) or bool(resolved)


def _describes(text: str) -> bool:
    is_in_field, _ = field_and_name(text)
    return not is_in_field and len(text) <= MAX_CHARACTERS and bool(parse_words(text).terms)


def rank_queries(
    store: Store,
    description: TextDescription | None,
    query_set: QuerySet,
    space: str | None = None,
    metric: Metric = "cosine",
    blend: Mapping[str, float] | None = None,
) -> Ranking:
    """Rank all tracks by similarity to tracks or files, by a description, or by both.

    Parameters
    ----------
    store : Store
        Database of the library.
    description : TextDescription, optional
        What results have, or what they have more of than the queries.
    query_set : QuerySet
        Tracks and files; none for a description alone.
    space, metric, blend
        See `segue.search.ranking.rank`. A description alone is searched for in the medium of the
        space, by default in recordings if there are any.

    Raises
    ------
    BadArgument
        A description is combined with Euclidean distances.
    NotFound
        Nothing in the library can be described.
    """
    if description is None:
        return rank(store, query_set, space, metric, blend)
    if metric != "cosine":
        raise BadArgument("a description goes with the cosine")
    if query_set.positives:
        seeds = [track.id for track in query_set.tracks]
        described = rank_by_description(store, description, query_set.kind, seeds)
        similar = rank(store, query_set, space, metric, blend)
        return average_rankings(similar, described, COMPARISON_WEIGHT)
    kinds = [store.spaces.matrix(space).space.kind] if space else store.kinds()
    medium = next((medium for medium in DESCRIBED if medium in kinds), None)
    if medium is None:
        raise NotFound("descriptions find recordings and scores; there are none of them")
    return rank_by_description(store, description, medium)


def rank_by_description(
    store: Store,
    description: TextDescription,
    medium: Medium,
    relative_to: Sequence[int] = (),
) -> Ranking:
    """Rank all tracks of a medium by how well a description fits.

    Parameters
    ----------
    store : Store
        Database of the library.
    description : TextDescription
        Concepts.
    medium : {"sound", "score"}
        Medium of the results.
    relative_to : sequence of int
        Ids of tracks: results have more, or less, of the concepts than these.

    Returns
    -------
    Ranking
        Scores from -1 to 1: the weighted mean of the saturated levels of the concepts, which are in
        standard deviations over the library.

    Raises
    ------
    BadArgument
        No concept is known in that medium, or there are no such tracks.
    """
    terms = [term for term in description.terms if _parts(term.concept, medium)]
    if not terms:
        words = ", ".join(term.words for term in description.terms)
        known = "instruments, tempo and mode are" if medium in DESCRIBED else "nothing is"
        raise BadArgument(f"{words}: not known of {MEDIA[medium].plural}; {known}")
    ids, levels = concept_levels(store, [term.concept for term in terms], medium)
    if not len(ids):
        raise NotFound(f"there are no {MEDIA[medium].plural} in this library")
    weights = np.abs([term.weight for term in terms]).astype(np.float32)
    signs = np.sign([term.weight for term in terms]).astype(np.float32)
    seeds = np.isin(ids, relative_to)
    if seeds.any():
        levels = (levels - levels[seeds].mean(axis=0)) * signs
        fit = np.tanh(levels / _TYPICAL_DIFFERENCE)
    else:
        fit = np.tanh(levels * signs / _TYPICAL_LEVEL)
        fit = np.where((signs < 0) & (fit > 0), np.float32(_ABSENCE) * fit, fit)
    shares = fit * (weights / weights.sum())

    def explain(row: int) -> tuple[Reason, ...]:
        reasons = [
            Reason(term.words, share, term.words, "description")
            for term, share in zip(terms, shares[row].tolist(), strict=True)
        ]
        return tuple(sorted(reasons, key=lambda reason: -reason.share))

    matrix = store.spaces.matrix(MEDIA[medium].duplicate_space)
    return Ranking(ids, shares.sum(axis=1), explain, matrix)


def concept_levels(
    store: Store, concepts: Sequence[Concept], medium: Medium
) -> tuple[NDArray[np.int64], FloatArray]:
    """Measure concepts in all tracks of a medium.

    Returns
    -------
    ids : ndarray, shape (n,), int64
        Track ids, ascending.
    levels : ndarray, shape (n, len(concepts)), float32
        Levels, standardised over the library.
    """
    matrices = [store.spaces.matrix(space) for space in DESCRIBED[medium]]
    ids = matrices[0].ids
    if not all(np.array_equal(matrix.ids, ids) for matrix in matrices):
        ids = reduce(np.intersect1d, [matrix.ids for matrix in matrices])
    parts = [_parts(concept, medium) for concept in concepts]
    names_of_parts = dict.fromkeys(name for names in parts for _, name in names)
    used = {name: index for index, name in enumerate(names_of_parts)}
    directions = np.stack([_directions(medium)[name] for name in used], axis=1)
    measured = np.zeros((len(ids), len(used)), np.float32)
    start = 0
    for matrix in matrices:
        unit = matrix.unit if len(ids) == len(matrix.ids) else matrix.unit[np.isin(matrix.ids, ids)]
        end = start + unit.shape[1]
        measured += unit @ directions[start:end]
        start = end
    weights = np.zeros((len(used), len(concepts)), np.float32)
    deviations = _deviations(measured)
    for column, names in enumerate(parts):
        for sign, name in names:
            weights[used[name], column] += sign / deviations[used[name]]
    levels = measured @ weights
    return ids, np.asarray((levels - _means(levels)) / _deviations(levels), np.float32)


def _means(values: FloatArray) -> FloatArray:
    """Return the means of columns; by a product, several times faster than `numpy.mean`."""
    return np.asarray(np.ones(len(values), np.float32) @ values / max(len(values), 1))


def _deviations(values: FloatArray) -> FloatArray:
    """Return the standard deviations of columns; infinity for columns that are constant."""
    squares = np.einsum("ij,ij->j", values, values) / max(len(values), 1)
    variances = squares - _means(values) ** 2
    varies = variances > _ROUNDING * squares
    return np.asarray(np.where(varies, np.sqrt(np.where(varies, variances, 1)), np.inf), np.float32)


def _parts(concept: Concept, medium: Medium) -> list[tuple[float, str]]:
    """Return signs and names of what a concept stands for in a medium."""
    names = {"sound": concept.recordings, "score": concept.scores, "lyrics": ()}[medium]
    return [(-1.0 if name.startswith("-") else 1.0, name.removeprefix("-")) for name in names]


@cache
def _directions(medium: Medium) -> dict[str, FloatArray]:
    """Return the directions of all tags, aspects and instruments, in the spaces of a medium."""
    names = FEATURE_NAMES[medium]
    rows: dict[str, FloatArray] = dict(zip(names, np.eye(len(names)), strict=True))
    for aspect in sound_aspects() if medium == "sound" else score_aspects():
        row = np.zeros(len(names))
        row[aspect.columns] = aspect.signs
        if row.any():
            rows[aspect.aspect.name] = row / np.linalg.norm(row)
    directions = feature_directions(medium, np.stack(list(rows.values())))
    by_name = dict(zip(rows, directions, strict=True))
    if medium == "sound":
        n_tags = len(MUSICNN_TAGS)
        by_name = {name: np.concatenate([np.zeros(n_tags), row]) for name, row in by_name.items()}
        tags = np.eye(n_tags, n_tags + len(names))
        by_name |= dict(zip(MUSICNN_TAGS, tags, strict=True))
        by_name |= load_file(WEIGHTS / "instruments.safetensors")
    return {name: np.asarray(row, np.float32) for name, row in by_name.items()}

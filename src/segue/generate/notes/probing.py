"""Probing of token embeddings: nearest tokens, agreement with music theory.

What a network of words holds to be alike: the neighbours of a word, the table of all.

Whether a network that only guessed what comes next holds what theory says of music.

Each claim is a rank correlation over pairs of words between how alike the network holds them (the
cosine of their embeddings) and how alike theory says they are; beside it the same from which words
stand beside which in the same music, where no network was, and from shuffled labels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import product
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument, NotFound
from segue.evaluation.projection import MantelResult, expected_max_cosine, l2_normalise, mantel_test
from segue.generate.notes.network import STREAMS, NoteModel
from segue.generate.notes.tokens import (
    UNKNOWN,
    Vocabulary,
    classes_of,
    duration_token,
    note_token,
    pitch_of,
    quarters_of,
)
from segue.records import FloatArray
from segue.theory.chords import class_names, keys_with, normal_order, pitch_set_name

# --- words ---

Stream = Literal["notes", "durations"]

MOST_IN_TABLE: Final = 400


@dataclass(frozen=True, slots=True)
class WordNeighbour:
    """A word that is near another.

    Attributes
    ----------
    word : str
    cosine : float
        Of the embeddings.
    count : int
        How often it was met.
    notes : tuple of str
        Its pitch classes; () of a duration.
    name : str
        As a chord; "" of a note and of a duration.
    shared_keys : tuple of str
        Of the 24 keys those that hold both.
    """

    word: str
    cosine: float
    count: int
    notes: tuple[str, ...]
    name: str
    shared_keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WordExplained:
    """A word, and what the network holds to be like it.

    Attributes
    ----------
    stream : str
        "notes" or "durations".
    word : str
    count : int
        How often it was met in the music learned from.
    rank : int
        From 1: the most frequent.
    words : int
        How many there are.
    notes, name
        As of `WordNeighbour`.
    keys : tuple of str
        That hold it.
    neighbours : tuple of WordNeighbour
        Nearest first.
    by_chance : float
        How near the nearest of as many random vectors is to be expected.
    """

    stream: Stream
    word: str
    count: int
    rank: int
    words: int
    notes: tuple[str, ...]
    name: str
    keys: tuple[str, ...]
    neighbours: tuple[WordNeighbour, ...]
    by_chance: float


@dataclass(frozen=True, slots=True, eq=False)
class WordTable:
    """How alike words are.

    Attributes
    ----------
    words : tuple of str
        The most frequent first.
    names : tuple of str
        What each is, for people.
    counts : tuple of int
    order : ndarray, shape (n,), int64
        Their places when they are put in order of pitch, or of length.
    cosines : ndarray, shape (n, n), float32
    """

    words: tuple[str, ...]
    names: tuple[str, ...]
    counts: tuple[int, ...]
    order: NDArray[np.int64]
    cosines: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class ClassPlane:
    """The twelve pitch classes on the plane that keeps most of how they differ.

    Attributes
    ----------
    points : ndarray, shape (12, 2), float64
        From C; the first two principal components of the mean unit vectors of their notes; NaN
        where no note of it is known.
    share : float
        Of their variance that the plane keeps.
    """

    points: NDArray[np.float64]
    share: float


def explain_word(model: NoteModel, word: str, n: int = 8) -> tuple[WordExplained, ...]:
    """Tell what a network holds to be like a word.

    Parameters
    ----------
    model : NoteModel
    word : str
        A note, "A2", a chord's pitch classes in any order, "9.11.1", or a length in quarters,
        "0.5" or "1/3".
    n : int
        How many neighbours.

    Returns
    -------
    tuple of WordExplained
        Two where it is both: "0.5" is a length, and the chord of C and F.

    Raises
    ------
    NotFound
        The model does not know it.
    """
    found = []
    for stream in STREAMS:
        tokens = model.vocabularies[stream].tokens
        for spelled in dict.fromkeys((word, *_spellings(stream, word))):
            if spelled in tokens[1:]:
                found.append(_explained(model, _stream(stream), spelled, n))
                break
    if not found:
        raise NotFound(_not_known(model, word))
    return tuple(found)


def _stream(name: str) -> Stream:
    return "durations" if name == "durations" else "notes"


def _spellings(stream: str, word: str) -> list[str]:
    if stream == "durations":
        quarters = quarters_of(word)
        steps = quarters * 12 if quarters else None
        return [duration_token(int(steps))] if steps and steps.denominator == 1 else []
    pitch = pitch_of(word)
    if pitch is not None:
        return [note_token([pitch])]
    return [".".join(map(str, classes_of(word)))]


def _not_known(model: NoteModel, word: str) -> str:
    known = model.vocabularies
    sizes = f"{len(known['notes']) - 1} notes and chords, {len(known['durations']) - 1} durations"
    is_one = pitch_of(word) is not None or classes_of(word) or quarters_of(word)
    if word == UNKNOWN or is_one:
        text = (
            f"the model does not know {word!r}: what it met too seldom counts as {UNKNOWN!r}; it "
            f"knows {sizes}"
        )
    else:
        text = (
            f"{word!r} is no note (A2), no chord of pitch classes (9.11.1; C is 0) and no length "
            "in quarters (0.5, 1/3), and so no word of the model; to compare two tracks, name both"
        )
    near = get_close_matches(word, [*known["notes"].tokens[1:], *known["durations"].tokens[1:]])
    return text + (f"; did you mean {', '.join(near)}?" if near else "")


def _explained(model: NoteModel, stream: Stream, word: str, n: int) -> WordExplained:
    known = model.vocabularies[stream]
    number = known.tokens.index(word)
    vectors = l2_normalise(model.embedding(stream))
    cosines = vectors @ vectors[number]
    cosines[[0, number]] = -2
    nearest = np.argsort(-cosines, kind="stable")[: min(n, max(len(known) - 2, 0))]
    classes = _classes(stream, word)
    return WordExplained(
        stream,
        word,
        known.counts[number],
        number,
        len(known) - 1,
        class_names(classes),
        _name(stream, word),
        keys_with(classes) if classes else (),
        tuple(
            _neighbour(stream, classes, known.tokens[at], float(cosines[at]), known.counts[at])
            for at in nearest.tolist()
        ),
        expected_max_cosine(max(len(known) - 2, 1), vectors.shape[1]),
    )


def _neighbour(
    stream: Stream, classes: Sequence[int], word: str, cosine: float, count: int
) -> WordNeighbour:
    theirs = _classes(stream, word)
    shared = keys_with({*classes, *theirs}) if theirs else ()
    return WordNeighbour(word, cosine, count, class_names(theirs), _name(stream, word), shared)


def _classes(stream: Stream, word: str) -> tuple[int, ...]:
    return classes_of(word) if stream == "notes" else ()


def _name(stream: Stream, word: str) -> str:
    if stream == "durations" or pitch_of(word) is not None:
        return ""
    classes = classes_of(word)
    return f"{class_names(classes)[0]} in octaves" if len(classes) == 1 else pitch_set_name(classes)


def word_table(model: NoteModel, stream: Stream = "notes", most: int = 60) -> WordTable:
    """Compare the most frequent words.

    Parameters
    ----------
    model : NoteModel
    stream : {"notes", "durations"}
    most : int
        How many, from 2 to 400.
    """
    if not 2 <= most <= MOST_IN_TABLE:
        raise BadArgument(f"a table of {most} words; from 2 to {MOST_IN_TABLE}")
    known = model.vocabularies[stream]
    words = known.tokens[1 : most + 1]
    vectors = l2_normalise(model.embedding(stream)[1 : most + 1])
    names = tuple(_label(stream, word) for word in words)
    order = np.array(sorted(range(len(words)), key=lambda at: _place(stream, words[at])), np.int64)
    cosines = np.asarray(vectors @ vectors.T, np.float32)
    return WordTable(words, names, known.counts[1 : most + 1], order, cosines)


def _label(stream: Stream, word: str) -> str:
    classes = _classes(stream, word)
    notes = " ".join(class_names(classes))
    if stream == "durations" or pitch_of(word) is not None:
        return word
    if len(classes) == 1:
        return f"{notes} in octaves"
    name = _name(stream, word) if len(classes) > 2 else ""
    return f"{name} ({notes})" if name else notes


def _place(stream: Stream, word: str) -> tuple[float, ...]:
    """Put notes by pitch before chords, and these by size and root; durations by length."""
    if stream == "durations":
        return (float(quarters_of(word) or 0),)
    pitch, classes = pitch_of(word), classes_of(word)
    return (0, pitch) if pitch is not None else (len(classes), *classes)


def class_vectors(
    vectors: FloatArray, tokens: Sequence[str], counts: Sequence[int], fewest: int = 1
) -> NDArray[np.float64]:
    """Return the mean unit vector of the notes of each pitch class, shape (12, dimension).

    NaN where no note of it was met `fewest` times.
    """
    scaled = l2_normalise(vectors)
    found = np.full((12, scaled.shape[1]), np.nan)
    pitches = [pitch_of(token) for token in tokens]
    for each in range(12):
        of_it = [
            at
            for at, pitch in enumerate(pitches)
            if pitch is not None and pitch % 12 == each and counts[at] >= fewest
        ]
        if of_it:
            found[each] = scaled[of_it].mean(axis=0)
    return found


def class_plane(model: NoteModel) -> ClassPlane:
    """Lay the pitch classes on a plane."""
    known = model.vocabularies["notes"]
    vectors = class_vectors(model.embedding("notes"), known.tokens, known.counts)
    there = ~np.isnan(vectors[:, 0])
    points = np.full((12, 2), np.nan)
    if there.sum() < 3:
        return ClassPlane(points, float("nan"))
    centred = l2_normalise(vectors[there])
    centred -= centred.mean(axis=0)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    points[there] = left[:, :2] * values[:2]
    return ClassPlane(points, float((values[:2] ** 2).sum() / max((values**2).sum(), 1e-12)))


# --- theory ---

#: Words met less often have hardly been learned.
FEWEST: Final = 20
_FEWEST_PAIRS: Final = 10
_LIKELY: Final = 0.05
_MAJOR, _MINOR, _DIMINISHED = (0, 4, 7), (0, 3, 7), (0, 3, 6)
#: Triads of a major key: steps above the tonic, what they are, and what they do (Riemann's tonic,
#: subdominant, dominant); that of the third degree is disputed.
_DEGREES: Final = (
    (0, _MAJOR, "T"),
    (2, _MINOR, "S"),
    (4, _MINOR, ""),
    (5, _MAJOR, "S"),
    (7, _MAJOR, "D"),
    (9, _MINOR, "T"),
    (11, _DIMINISHED, "D"),
)

Table = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Claim:
    """One thing that theory says, held against a network.

    Attributes
    ----------
    name : str
    says : str
        What would be so if it were true.
    words : int
        How many words, or pitch classes, take part.
    network, company : Correlation, optional
        Of the embedding, and of which words stand beside which; None where too few were met.
    sentence : str
        What may be said.
    """

    name: str
    says: str
    words: int
    network: MantelResult | None
    company: MantelResult | None
    sentence: str


@dataclass(frozen=True, slots=True)
class Nearness:
    """How near the words' nearest neighbours are, and those of random vectors.

    Attributes
    ----------
    stream : str
    words, dimension : int
    nearest : float
        Mean over the words of the largest cosine with another.
    by_chance : float
        What is to be expected of as many random vectors.
    published : str
        What the published system's neighbours were.
    published_by_chance : float
        What is to be expected of as many random vectors as that had words.
    sentence : str
    """

    stream: str
    words: int
    dimension: int
    nearest: float
    by_chance: float
    published: str
    published_by_chance: float
    sentence: str


@dataclass(frozen=True, slots=True)
class Theory:
    """All claims, and how near neighbours are."""

    claims: tuple[Claim, ...]
    nearness: tuple[Nearness, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Question:
    """What a claim asks: of which words, how alike they should be, over which pairs."""

    name: str
    says: str
    stream: str
    words: NDArray[np.int64]
    expected: Table
    pairs: NDArray[np.bool_]
    kinds: NDArray[np.int64]
    #: From the vectors of all words to those of the words asked about.
    vectors: Callable[[FloatArray], Table]


def theory(model: NoteModel, *, seed: int = 0) -> Theory:
    """Hold what theory says against a network.

    Parameters
    ----------
    model : NoteModel
    seed : int
        Of the shuffles.
    """
    known = model.vocabularies
    asked = [
        _circle_of_fifths(known["notes"]),
        _octaves(known["notes"]),
        *_major_and_minor(known["notes"]),
        _function(known["notes"]),
        _ladder(known["durations"]),
    ]
    claims = tuple(_answered(model, question, len(asked), seed) for question in asked)
    return Theory(claims, tuple(_nearness(model, stream) for stream in STREAMS))


def _answered(model: NoteModel, question: _Question, claims: int, seed: int) -> Claim:
    count = len(question.words)
    if int(question.pairs.sum()) < _FEWEST_PAIRS or np.ptp(question.expected[question.pairs]) == 0:
        sentence = "Too few of its words were met often enough to tell."
        return Claim(question.name, question.says, count, None, None, sentence)
    found = []
    for vectors in (model.embedding(question.stream), model.company[question.stream]):
        chosen = l2_normalise(question.vectors(vectors))
        found.append(
            mantel_test(
                chosen @ chosen.T, question.expected, question.pairs, question.kinds, seed=seed
            )
        )
    network, company = found
    sentence = _sentence(network, company, claims)
    return Claim(question.name, question.says, count, network, company, sentence)


def _sentence(network: MantelResult, company: MantelResult, claims: int) -> str:
    """Say no more than the figures allow; p counts for all claims together (Bonferroni)."""
    if min(network.p * claims, 1.0) > _LIKELY:
        text = "Not shown: shuffled labels do as well often enough."
        if min(company.p * claims, 1.0) <= _LIKELY and company.rho > 0:
            text += " Which words stand beside which does show it."
        return text
    if network.rho < 0:
        return "The opposite is the case here, beyond chance."
    if min(company.p * claims, 1.0) > _LIKELY:
        return (
            "It holds beyond chance, where counts of neighbouring words do not show it; of one "
            "network and one corpus."
        )
    if company.rho >= network.rho:
        return (
            "It holds beyond chance, and counts of neighbouring words show it as clearly: nothing "
            "says that the network knows more than these."
        )
    return (
        f"It holds beyond chance, more clearly by {network.rho - company.rho:.2f} than in counts "
        "of neighbouring words; whether another network would repeat that difference is not tested."
    )


# ---- what theory says --------------------------------------------------------------------


def _circle_of_fifths(known: Vocabulary) -> _Question:
    place = 7 * np.arange(12) % 12
    apart = np.abs(np.subtract.outer(place, place))
    met = {pitch % 12 for pitch in _pitches(known).values()}
    there = np.array(sorted(met), np.int64)

    def vectors(all_words: FloatArray) -> Table:
        return class_vectors(all_words, known.tokens, known.counts, FEWEST)[there]

    expected = -np.minimum(apart, 12 - apart).astype(np.float64)
    return _Question(
        "circle of fifths",
        "pitch classes nearer on the circle of fifths are more alike",
        "notes",
        there,
        expected[np.ix_(there, there)],
        _upper(len(there)),
        np.zeros(len(there), np.int64),
        vectors,
    )


def _octaves(known: Vocabulary) -> _Question:
    pitches = _pitches(known)
    words, pitch = np.array(list(pitches), np.int64), np.array(list(pitches.values()), np.int64)
    apart = np.abs(np.subtract.outer(pitch, pitch))
    return _Question(
        "octave equivalence",
        "notes an octave apart are more alike than others 10 to 14 semitones apart",
        "notes",
        words,
        (apart == 12).astype(np.float64),
        _upper(len(words)) & (apart >= 10) & (apart <= 14),
        np.zeros(len(words), np.int64),
        lambda vectors: np.asarray(vectors[words], np.float64),
    )


def _major_and_minor(known: Vocabulary) -> list[_Question]:
    triads = _triads(known, (_MAJOR, _MINOR))
    words = np.array([word for word, _, _ in triads], np.int64)
    root = np.array([root for _, root, _ in triads], np.int64)
    minor = np.array([kind == _MINOR for _, _, kind in triads], np.bool_)
    pairs = ~minor[:, None] & minor[None, :]
    above = np.subtract.outer(root, root).T % 12  # of the second over the first
    return [
        _Question(
            name,
            f"a major triad and {of} are more alike than other major and minor triads",
            "notes",
            words,
            (pairs & (above == steps)).astype(np.float64),
            pairs,
            minor.astype(np.int64),
            lambda vectors: np.asarray(vectors[words], np.float64),
        )
        for name, of, steps in (
            ("relative minor", "its relative minor", 9),
            ("parallel minor", "the minor triad on the same root", 0),
        )
    ]


def _function(known: Vocabulary) -> _Question:
    triads = _triads(known, (_MAJOR, _MINOR, _DIMINISHED))
    count = len(triads)
    pairs, same = np.zeros((count, count), np.bool_), np.zeros((count, count))
    degrees: dict[tuple[int, tuple[int, ...]], str] = {
        (steps, kind): function for steps, kind, function in _DEGREES
    }
    for one, other in product(range(count), repeat=2):
        (_, root_a, kind_a), (_, root_b, kind_b) = triads[one], triads[other]
        tones = [{(r + step) % 12 for step in k} for r, k in ((root_a, kind_a), (root_b, kind_b))]
        if one >= other or len(tones[0] & tones[1]) != 2:
            continue
        for tonic in range(12):
            here = [
                degrees.get(((r - tonic) % 12, k)) for r, k in ((root_a, kind_a), (root_b, kind_b))
            ]
            if None not in here:
                pairs[one, other] = True
                same[one, other] = max(same[one, other], float(here[0] == here[1] != ""))
    words = np.array([word for word, _, _ in triads], np.int64)
    kinds = np.array([(_MAJOR, _MINOR, _DIMINISHED).index(kind) for _, _, kind in triads], np.int64)
    return _Question(
        "chord function",
        "of triads that share two notes and a key, those of one function (I and vi, IV and ii, V "
        "and vii°) are more alike",
        "notes",
        words,
        same,
        pairs,
        kinds,
        lambda vectors: np.asarray(vectors[words], np.float64),
    )


def _ladder(known: Vocabulary) -> _Question:
    met = [at for at in range(1, len(known)) if known.counts[at] >= FEWEST]
    lengths = np.array([float(quarters_of(known.tokens[at]) or 1) for at in met])
    words = np.array(met, np.int64)
    return _Question(
        "duration ladder",
        "durations nearer in ratio are more alike",
        "durations",
        words,
        -np.abs(np.subtract.outer(np.log2(lengths), np.log2(lengths))),
        _upper(len(words)),
        np.zeros(len(words), np.int64),
        lambda vectors: np.asarray(vectors[words], np.float64),
    )


def _pitches(known: Vocabulary) -> dict[int, int]:
    """Return the pitch of each word that is a note and was met often enough."""
    found = {}
    for at, (token, count) in enumerate(zip(known.tokens, known.counts, strict=True)):
        pitch = pitch_of(token)
        if pitch is not None and count >= FEWEST:
            found[at] = pitch
    return found


def _triads(
    known: Vocabulary, kinds: tuple[tuple[int, ...], ...]
) -> list[tuple[int, int, tuple[int, ...]]]:
    """List the triads that were met often enough: word, root, kind."""
    places = {token: at for at, token in enumerate(known.tokens)}
    found = []
    for kind, root in product(kinds, range(12)):
        token = ".".join(map(str, normal_order((root + step) % 12 for step in kind)))
        at = places.get(token)
        if at is not None and known.counts[at] >= FEWEST:
            found.append((at, root, kind))
    return found


def _upper(count: int) -> NDArray[np.bool_]:
    return np.triu(np.ones((count, count), np.bool_), 1)


# ---- how near neighbours are -------------------------------------------------------------

#: What was published: the neighbours' cosines, and how many words there were.
_PUBLISHED: Final = {"notes": ("about 0.40", 383), "durations": ("0.08 to 0.10", 174)}
_PUBLISHED_DIMENSION: Final = 512


def _nearness(model: NoteModel, stream: str) -> Nearness:
    vectors = l2_normalise(model.embedding(stream)[1:])
    count, dimension = vectors.shape
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -1)
    nearest = float(cosines.max(axis=1).mean()) if count > 1 else float("nan")
    by_chance = expected_max_cosine(max(count - 1, 1), dimension)
    told, words = _PUBLISHED[stream]
    there = expected_max_cosine(words - 1, _PUBLISHED_DIMENSION)
    sentence = (
        f"The nearest lies at {nearest:.2f} on average, where that of random vectors would lie at "
        f"{by_chance:.2f}; neighbours at no more than that tell nothing."
    )
    if stream == "durations":
        sentence += (
            f" The published {told} are less than the {there:.2f} of random vectors, and so show "
            "nothing learned."
        )
    return Nearness(stream, count, dimension, nearest, by_chance, told, there, sentence)

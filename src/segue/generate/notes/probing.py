"""Probing of token embeddings: nearest neighbours, similarity matrix, claims of music theory.

A claim is tested by Spearman's rank correlation, over pairs of tokens, between the cosine
similarity of their embeddings and the similarity that music theory expects; p is from a permutation
test. A baseline without a network is the same on vectors of co-occurrence counts (see
`segue.generate.notes.network`).
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from itertools import product
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument, NotFound
from segue.evaluation.projection import MantelResult, expected_max_cosine, l2_normalise, mantel_test
from segue.generate.notes.network import (
    STREAMS,
    UNKNOWN,
    NoteModel,
    Vocabulary,
    duration_token,
    note_token,
    parse_duration,
    parse_pitch,
    pitch_classes_of,
)
from segue.records import FloatArray
from segue.theory.chords import keys_containing, normal_order, pitch_class_names, pitch_set_name

Stream = Literal["notes", "durations"]
Matrix = NDArray[np.float64]

MAX_MATRIX_SIZE: Final = 400
#: Minimum count of tokens in a claim; rarer ones are hardly trained.
MIN_COUNT: Final = 20
_MIN_PAIRS: Final = 10
_SIGNIFICANCE: Final = 0.05
_MAJOR, _MINOR, _DIMINISHED = (0, 4, 7), (0, 3, 7), (0, 3, 6)
#: Triads of a major key: semitones of the root above the tonic, chord type, and Riemannian function
#: (tonic, subdominant, dominant); that of the third degree is disputed.
_DEGREES: Final = (
    (0, _MAJOR, "T"),
    (2, _MINOR, "S"),
    (4, _MINOR, ""),
    (5, _MAJOR, "S"),
    (7, _MAJOR, "D"),
    (9, _MINOR, "T"),
    (11, _DIMINISHED, "D"),
)
#: The published system: cosine of nearest neighbours, and vocabulary size; width of embeddings.
_PUBLISHED: Final = {"notes": ("about 0.40", 383), "durations": ("0.08 to 0.10", 174)}
_PUBLISHED_DIMENSION: Final = 512


@dataclass(frozen=True, slots=True)
class TokenNeighbour:
    """A nearest neighbour of a token.

    Attributes
    ----------
    word : str
        The token.
    cosine : float
        Cosine similarity of the embeddings.
    count : int
        Count in the training set.
    notes : tuple of str
        Names of its pitch classes; () of a duration.
    name : str
        Name of the chord; "" of a note and of a duration.
    shared_keys : tuple of str
        Keys, of 24, that contain both tokens.
    """

    word: str
    cosine: float
    count: int
    notes: tuple[str, ...]
    name: str
    shared_keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TokenReport:
    """A token and its nearest neighbours.

    Attributes
    ----------
    stream : {"notes", "durations"}
        Vocabulary of the token.
    word : str
        The token.
    count : int
        Count in the training set.
    rank : int
        Rank by count, from 1.
    words : int
        Size of the vocabulary.
    notes, name
        See `TokenNeighbour`.
    keys : tuple of str
        Keys that contain it.
    neighbours : tuple of TokenNeighbour
        Nearest first.
    by_chance : float
        Expected largest cosine of as many random vectors.
    """

    stream: Stream
    word: str
    count: int
    rank: int
    words: int
    notes: tuple[str, ...]
    name: str
    keys: tuple[str, ...]
    neighbours: tuple[TokenNeighbour, ...]
    by_chance: float


@dataclass(frozen=True, slots=True, eq=False)
class SimilarityMatrix:
    """Cosine similarities of the most frequent tokens.

    Attributes
    ----------
    words : tuple of str
        The tokens, by descending count.
    names : tuple of str
        Readable names.
    counts : tuple of int
        Counts in the training set.
    order : ndarray, shape (n,), int64
        Indices that sort them by pitch, or by duration.
    cosines : ndarray, shape (n, n), float32
        Cosine similarities.
    """

    words: tuple[str, ...]
    names: tuple[str, ...]
    counts: tuple[int, ...]
    order: NDArray[np.int64]
    cosines: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class PitchClassMap:
    """Two-dimensional projection of the pitch classes.

    Attributes
    ----------
    points : ndarray, shape (12, 2), float64
        First two principal components of the mean unit vectors of each pitch class, from C; NaN
        where it has no note.
    share : float
        Explained variance ratio.
    """

    points: NDArray[np.float64]
    share: float


@dataclass(frozen=True, slots=True)
class Claim:
    """Result of a claim of music theory.

    Attributes
    ----------
    name : str
        Short name.
    says : str
        The claim.
    words : int
        Number of tokens, or pitch classes.
    network, cooccurrence : MantelResult, optional
        Results of the embeddings and of the baseline; None where tokens are too rare.
    sentence : str
        Conclusion.
    """

    name: str
    says: str
    words: int
    network: MantelResult | None
    cooccurrence: MantelResult | None
    sentence: str


@dataclass(frozen=True, slots=True)
class NearestNeighbourBaseline:
    """Cosine of nearest neighbours, compared with random vectors.

    Attributes
    ----------
    stream : str
        "notes" or "durations".
    words, dimension : int
        Vocabulary size, and width of the embeddings.
    nearest : float
        Mean cosine of a token and its nearest neighbour.
    by_chance : float
        Expected value for as many random vectors.
    published : str
        Cosines of the published system.
    published_by_chance : float
        Expected value for random vectors in the published system.
    sentence : str
        Conclusion.
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
class TheoryReport:
    """Results of all claims, and of the nearest neighbours of both streams."""

    claims: tuple[Claim, ...]
    nearness: tuple[NearestNeighbourBaseline, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values; "company" is the co-occurrence baseline."""
        fields = asdict(self)
        names = {"cooccurrence": "company"}
        fields["claims"] = [
            {names.get(name, name): value for name, value in claim.items()}
            for claim in fields["claims"]
        ]
        return fields


def explain_token(model: NoteModel, word: str, n: int = 8) -> tuple[TokenReport, ...]:
    """Return the nearest neighbours of a token.

    Parameters
    ----------
    model : NoteModel
        The network.
    word : str
        A note, "A2"; a chord as pitch classes in any order, "9.11.1"; or a duration in quarters,
        "0.5" or "1/3".
    n : int
        Number of neighbours.

    Returns
    -------
    tuple of TokenReport
        Two where the token is ambiguous: "0.5" is a duration, and the chord of C and F.

    Raises
    ------
    NotFound
        The token is not in the vocabulary.
    """
    reports = []
    for stream in STREAMS:
        tokens = model.vocabularies[stream].tokens
        for spelling in dict.fromkeys((word, *_spellings(stream, word))):
            if spelling in tokens[1:]:
                name: Stream = "durations" if stream == "durations" else "notes"
                reports.append(_report(model, name, spelling, n))
                break
    if not reports:
        raise NotFound(_unknown_message(model, word))
    return tuple(reports)


def _spellings(stream: str, word: str) -> list[str]:
    """Return the canonical token of other spellings."""
    if stream == "durations":
        quarters = parse_duration(word)
        steps = quarters * 12 if quarters else None
        return [duration_token(int(steps))] if steps and steps.denominator == 1 else []
    pitch = parse_pitch(word)
    if pitch is not None:
        return [note_token([pitch])]
    return [".".join(map(str, pitch_classes_of(word)))]


def _unknown_message(model: NoteModel, word: str) -> str:
    notes, durations = (model.vocabularies[stream] for stream in STREAMS)
    sizes = f"{len(notes) - 1} notes and chords, {len(durations) - 1} durations"
    is_token = parse_pitch(word) is not None or pitch_classes_of(word) or parse_duration(word)
    if word == UNKNOWN or is_token:
        text = (
            f"the model does not know {word!r}: tokens that are too rare count as {UNKNOWN!r}; it "
            f"knows {sizes}"
        )
    else:
        text = (
            f"{word!r} is no note (A2), no chord of pitch classes (9.11.1; C is 0) and no duration "
            "in quarters (0.5, 1/3), and so no token of the model; to compare two tracks, name both"
        )
    close = get_close_matches(word, [*notes.tokens[1:], *durations.tokens[1:]])
    return text + (f"; did you mean {', '.join(close)}?" if close else "")


def _report(model: NoteModel, stream: Stream, word: str, n: int) -> TokenReport:
    vocabulary = model.vocabularies[stream]
    index = vocabulary.tokens.index(word)
    vectors = l2_normalise(model.embedding(stream))
    cosines = vectors @ vectors[index]
    cosines[[0, index]] = -2  # never `UNKNOWN`, nor the token itself
    candidates = len(vocabulary) - 2
    nearest = np.argsort(-cosines, kind="stable")[: min(n, max(candidates, 0))]
    classes = _pitch_classes(stream, word)
    return TokenReport(
        stream,
        word,
        vocabulary.counts[index],
        index,
        len(vocabulary) - 1,
        pitch_class_names(classes),
        _chord_name(stream, word),
        keys_containing(classes) if classes else (),
        tuple(
            _neighbour(
                stream, classes, vocabulary.tokens[at], float(cosines[at]), vocabulary.counts[at]
            )
            for at in nearest.tolist()
        ),
        expected_max_cosine(max(candidates, 1), vectors.shape[1]),
    )


def _neighbour(
    stream: Stream, classes: Sequence[int], word: str, cosine: float, count: int
) -> TokenNeighbour:
    others = _pitch_classes(stream, word)
    shared = keys_containing({*classes, *others}) if others else ()
    return TokenNeighbour(
        word, cosine, count, pitch_class_names(others), _chord_name(stream, word), shared
    )


def _pitch_classes(stream: Stream, word: str) -> tuple[int, ...]:
    return pitch_classes_of(word) if stream == "notes" else ()


def _chord_name(stream: Stream, word: str) -> str:
    if stream == "durations" or parse_pitch(word) is not None:
        return ""
    classes = pitch_classes_of(word)
    return (
        f"{pitch_class_names(classes)[0]} in octaves"
        if len(classes) == 1
        else pitch_set_name(classes)
    )


def similarity_matrix(
    model: NoteModel, stream: Stream = "notes", size: int = 60
) -> SimilarityMatrix:
    """Return the cosine similarities of the most frequent tokens.

    Parameters
    ----------
    model : NoteModel
        The network.
    stream : {"notes", "durations"}
        Vocabulary of the tokens.
    size : int
        Number of tokens, from 2 to `MAX_MATRIX_SIZE`.
    """
    if not 2 <= size <= MAX_MATRIX_SIZE:
        raise BadArgument(f"a table of {size} tokens; from 2 to {MAX_MATRIX_SIZE}")
    vocabulary = model.vocabularies[stream]
    words = vocabulary.tokens[1 : size + 1]
    vectors = l2_normalise(model.embedding(stream)[1 : size + 1])
    names = tuple(_label(stream, word) for word in words)
    order = sorted(range(len(words)), key=lambda index: _sort_key(stream, words[index]))
    cosines = np.asarray(vectors @ vectors.T, np.float32)
    counts = vocabulary.counts[1 : size + 1]
    return SimilarityMatrix(words, names, counts, np.array(order, np.int64), cosines)


def _label(stream: Stream, word: str) -> str:
    if stream == "durations" or parse_pitch(word) is not None:
        return word
    classes = pitch_classes_of(word)
    notes = " ".join(pitch_class_names(classes))
    if len(classes) == 1:
        return f"{notes} in octaves"
    name = _chord_name(stream, word) if len(classes) > 2 else ""
    return f"{name} ({notes})" if name else notes


def _sort_key(stream: Stream, word: str) -> tuple[float, ...]:
    """Sort notes by pitch before chords, and these by size and root; durations by length."""
    if stream == "durations":
        return (float(parse_duration(word) or 0),)
    pitch, classes = parse_pitch(word), pitch_classes_of(word)
    return (0, pitch) if pitch is not None else (len(classes), *classes)


def pitch_class_vectors(
    vectors: FloatArray, tokens: Sequence[str], counts: Sequence[int], min_count: int = 1
) -> NDArray[np.float64]:
    """Return the mean unit vector of the notes of each pitch class, shape (12, dimension).

    NaN where it has no note of at least `min_count` occurrences.
    """
    normalised = l2_normalise(vectors)
    means = np.full((12, normalised.shape[1]), np.nan)
    pitches = [parse_pitch(token) for token in tokens]
    for pitch_class in range(12):
        rows = [
            index
            for index, pitch in enumerate(pitches)
            if pitch is not None and pitch % 12 == pitch_class and counts[index] >= min_count
        ]
        if rows:
            means[pitch_class] = normalised[rows].mean(axis=0)
    return means


def pitch_class_map(model: NoteModel) -> PitchClassMap:
    """Project the pitch classes to two dimensions by principal component analysis."""
    vocabulary = model.vocabularies["notes"]
    vectors = pitch_class_vectors(model.embedding("notes"), vocabulary.tokens, vocabulary.counts)
    present = ~np.isnan(vectors[:, 0])
    points = np.full((12, 2), np.nan)
    if present.sum() < 3:
        return PitchClassMap(points, float("nan"))
    centred = l2_normalise(vectors[present])
    centred -= centred.mean(axis=0)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    points[present] = left[:, :2] * values[:2]
    return PitchClassMap(points, float((values[:2] ** 2).sum() / max((values**2).sum(), 1e-12)))


@dataclass(frozen=True, slots=True, eq=False)
class _Hypothesis:
    """A claim as data: expected similarity of tokens, over pairs.

    Attributes
    ----------
    tokens : ndarray, shape (n,), int64
        Token ids, or pitch classes.
    expected : ndarray, shape (n, n)
        Expected similarity.
    pairs : ndarray, shape (n, n), bool
        Pairs that are compared.
    strata : ndarray, shape (n,), int64, optional
        Labels are permuted within a stratum.
    select : callable, optional
        From the vectors of the vocabulary to those of the tokens; by default those of the ids.
    """

    name: str
    says: str
    stream: str
    tokens: NDArray[np.int64]
    expected: Matrix
    pairs: NDArray[np.bool_]
    strata: NDArray[np.int64] | None = None
    select: Callable[[FloatArray], Matrix] | None = None


def evaluate_claims(model: NoteModel, *, seed: int = 0) -> TheoryReport:
    """Test the claims of music theory on a network.

    Parameters
    ----------
    model : NoteModel
        The network.
    seed : int
        Random seed of the permutations.
    """
    notes, durations = (model.vocabularies[stream] for stream in STREAMS)
    hypotheses = [
        _circle_of_fifths(notes),
        _octave_equivalence(notes),
        *_major_and_minor(notes),
        _chord_function(notes),
        _duration_ladder(durations),
    ]
    claims = tuple(_test(model, each, len(hypotheses), seed) for each in hypotheses)
    return TheoryReport(claims, tuple(_nearest_neighbours(model, stream) for stream in STREAMS))


def _test(model: NoteModel, hypothesis: _Hypothesis, tests: int, seed: int) -> Claim:
    name, says, count = hypothesis.name, hypothesis.says, len(hypothesis.tokens)
    expected, pairs = hypothesis.expected, hypothesis.pairs
    strata = np.zeros(count, np.int64) if hypothesis.strata is None else hypothesis.strata
    if int(pairs.sum()) < _MIN_PAIRS or np.ptp(expected[pairs]) == 0:
        return Claim(name, says, count, None, None, "Too few of its tokens are frequent enough.")

    def correlate(vectors: FloatArray) -> MantelResult:
        select = hypothesis.select
        selected = select(vectors) if select else vectors[hypothesis.tokens].astype(np.float64)
        normalised = l2_normalise(selected)
        return mantel_test(normalised @ normalised.T, expected, pairs, strata, seed=seed)

    network = correlate(model.embedding(hypothesis.stream))
    baseline = correlate(model.cooccurrence[hypothesis.stream])
    sentence = _conclusion(network, baseline, tests)
    return Claim(name, says, count, network, baseline, sentence)


def _conclusion(network: MantelResult, baseline: MantelResult, tests: int) -> str:
    """Return what the figures support, at a p adjusted for all tests (Bonferroni)."""
    significant, baseline_significant = (
        min(each.p * tests, 1.0) <= _SIGNIFICANCE for each in (network, baseline)
    )
    if not significant:
        text = "Not shown: shuffled labels do as well often enough."
        if baseline_significant and baseline.rho > 0:
            text += " Counts of co-occurring tokens do show it."
        return text
    if network.rho < 0:
        return "The opposite is the case here, beyond chance."
    if not baseline_significant:
        return (
            "It holds beyond chance, where counts of co-occurring tokens do not show it; of one "
            "network and one corpus."
        )
    if baseline.rho >= network.rho:
        return (
            "It holds beyond chance, and counts of co-occurring tokens show it as clearly: nothing "
            "says that the network knows more than these."
        )
    return (
        f"It holds beyond chance, more clearly by {network.rho - baseline.rho:.2f} than in counts "
        "of co-occurring tokens; whether another network would repeat that difference is not "
        "tested."
    )


def _circle_of_fifths(vocabulary: Vocabulary) -> _Hypothesis:
    position = 7 * np.arange(12) % 12
    distance = np.abs(np.subtract.outer(position, position))
    present = {pitch % 12 for pitch in _frequent_pitches(vocabulary).values()}
    classes = np.array(sorted(present), np.int64)

    def select(vectors: FloatArray) -> Matrix:
        return pitch_class_vectors(vectors, vocabulary.tokens, vocabulary.counts, MIN_COUNT)[
            classes
        ]

    expected = -np.minimum(distance, 12 - distance).astype(np.float64)
    return _Hypothesis(
        "circle of fifths",
        "pitch classes nearer on the circle of fifths are more similar",
        "notes",
        classes,
        expected[np.ix_(classes, classes)],
        _upper_triangle(len(classes)),
        select=select,
    )


def _octave_equivalence(vocabulary: Vocabulary) -> _Hypothesis:
    pitches = _frequent_pitches(vocabulary)
    tokens, pitch = np.array(list(pitches), np.int64), np.array(list(pitches.values()), np.int64)
    interval = np.abs(np.subtract.outer(pitch, pitch))
    return _Hypothesis(
        "octave equivalence",
        "notes an octave apart are more similar than others 10 to 14 semitones apart",
        "notes",
        tokens,
        (interval == 12).astype(np.float64),
        _upper_triangle(len(tokens)) & (interval >= 10) & (interval <= 14),
    )


def _major_and_minor(vocabulary: Vocabulary) -> list[_Hypothesis]:
    triads = _frequent_triads(vocabulary, (_MAJOR, _MINOR))
    tokens = np.array([token for token, _, _ in triads], np.int64)
    root = np.array([root for _, root, _ in triads], np.int64)
    minor = np.array([kind == _MINOR for _, _, kind in triads], np.bool_)
    pairs = ~minor[:, None] & minor[None, :]
    interval = np.subtract.outer(root, root).T % 12  # from the major root up to the minor root
    return [
        _Hypothesis(
            name,
            f"a major triad and {partner} are more similar than other major and minor triads",
            "notes",
            tokens,
            (pairs & (interval == semitones)).astype(np.float64),
            pairs,
            minor.astype(np.int64),
        )
        for name, partner, semitones in (
            ("relative minor", "its relative minor", 9),
            ("parallel minor", "the minor triad on the same root", 0),
        )
    ]


def _chord_function(vocabulary: Vocabulary) -> _Hypothesis:
    kinds = (_MAJOR, _MINOR, _DIMINISHED)
    triads = _frequent_triads(vocabulary, kinds)
    count = len(triads)
    pairs, expected = np.zeros((count, count), np.bool_), np.zeros((count, count))
    functions: dict[tuple[int, tuple[int, ...]], str] = {
        (semitones, kind): function for semitones, kind, function in _DEGREES
    }
    for first, second in product(range(count), repeat=2):
        chords = [triads[index][1:] for index in (first, second)]
        tones = [{(root + step) % 12 for step in kind} for root, kind in chords]
        if first >= second or len(tones[0] & tones[1]) != 2:
            continue
        for tonic in range(12):
            pair = [functions.get(((root - tonic) % 12, kind)) for root, kind in chords]
            if None not in pair:
                pairs[first, second] = True
                if pair[0] == pair[1] != "":
                    expected[first, second] = 1.0
    tokens = np.array([token for token, _, _ in triads], np.int64)
    return _Hypothesis(
        "chord function",
        "of triads that share two notes and a key, those of one function (I and vi, IV and ii, V "
        "and vii°) are more similar",
        "notes",
        tokens,
        expected,
        pairs,
        np.array([kinds.index(kind) for _, _, kind in triads], np.int64),
    )


def _duration_ladder(vocabulary: Vocabulary) -> _Hypothesis:
    frequent = [i for i in range(1, len(vocabulary)) if vocabulary.counts[i] >= MIN_COUNT]
    quarters = np.array([float(parse_duration(vocabulary.tokens[i]) or 1) for i in frequent])
    tokens = np.array(frequent, np.int64)
    return _Hypothesis(
        "duration ladder",
        "durations nearer in ratio are more similar",
        "durations",
        tokens,
        -np.abs(np.subtract.outer(np.log2(quarters), np.log2(quarters))),
        _upper_triangle(len(tokens)),
    )


def _frequent_pitches(vocabulary: Vocabulary) -> dict[int, int]:
    """Return the pitches of frequent note tokens, by token id."""
    pitches = {}
    for index, (token, count) in enumerate(zip(vocabulary.tokens, vocabulary.counts, strict=True)):
        pitch = parse_pitch(token)
        if pitch is not None and count >= MIN_COUNT:
            pitches[index] = pitch
    return pitches


def _frequent_triads(
    vocabulary: Vocabulary, kinds: tuple[tuple[int, ...], ...]
) -> list[tuple[int, int, tuple[int, ...]]]:
    """Return token id, root and kind of frequent triads."""
    ids = {token: index for index, token in enumerate(vocabulary.tokens)}
    triads = []
    for kind, root in product(kinds, range(12)):
        token = ".".join(map(str, normal_order((root + step) % 12 for step in kind)))
        index = ids.get(token)
        if index is not None and vocabulary.counts[index] >= MIN_COUNT:
            triads.append((index, root, kind))
    return triads


def _upper_triangle(count: int) -> NDArray[np.bool_]:
    return np.triu(np.ones((count, count), np.bool_), 1)


def _nearest_neighbours(model: NoteModel, stream: str) -> NearestNeighbourBaseline:
    vectors = l2_normalise(model.embedding(stream)[1:])
    count, dimension = vectors.shape
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -1)
    nearest = float(cosines.max(axis=1).mean()) if count > 1 else float("nan")
    by_chance = expected_max_cosine(max(count - 1, 1), dimension)
    published, published_count = _PUBLISHED[stream]
    published_by_chance = expected_max_cosine(published_count - 1, _PUBLISHED_DIMENSION)
    sentence = (
        f"The nearest neighbour has a cosine of {nearest:.2f} on average; that of random vectors "
        f"would have {by_chance:.2f}, and neighbours at no more than that are not informative."
    )
    if stream == "durations":
        sentence += (
            f" The published {published} are less than the {published_by_chance:.2f} of random "
            "vectors, and so show nothing learned."
        )
    return NearestNeighbourBaseline(
        stream, count, dimension, nearest, by_chance, published, published_by_chance, sentence
    )

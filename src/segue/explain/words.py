"""What a network of words holds to be alike: the neighbours of a word, the table of all."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument, NotFound
from segue.measure.embeddings import expected_nearest, unit
from segue.model.score.note_lstm import STREAMS, NoteModel
from segue.records import FloatArray
from segue.represent.score.chord_names import chord_name, class_names, keys_with
from segue.represent.score.notes import (
    UNKNOWN,
    classes_of,
    duration_token,
    note_token,
    pitch_of,
    quarters_of,
)

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
    vectors = unit(model.embedding(stream))
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
        expected_nearest(max(len(known) - 2, 1), vectors.shape[1]),
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
    return f"{class_names(classes)[0]} in octaves" if len(classes) == 1 else chord_name(classes)


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
    vectors = unit(model.embedding(stream)[1 : most + 1])
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
    scaled = unit(vectors)
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
    centred = unit(vectors[there])
    centred -= centred.mean(axis=0)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    points[there] = left[:, :2] * values[:2]
    return ClassPlane(points, float((values[:2] ** 2).sum() / max((values**2).sum(), 1e-12)))

"""Stylometric features of lyrics, the embedding space `style`, and the facts shown of a text.

Character n-grams and function words distinguish authors best, whatever their subject (Stamatatos,
"A Survey of Modern Authorship Attribution Methods", JASIST 60, 2009), compared by the cosine of
their z-scores (Evert et al., "Understanding and Explaining Delta Measures for Authorship
Attribution", Digital Scholarship in the Humanities 32, 2017). The other features describe verse:
lines, metre, rhyme and repetition. Shares are kept as square roots, so that rare and common ones
have similar weight.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.builtin_spaces import clipped_z_scores, load_constants
from segue.errors import BadArgument
from segue.feature_names import (
    FUNCTION_WORDS,
    MAX_LETTERS_PER_WORD,
    MAX_LINE_LAG,
    MAX_LINES_PER_STANZA,
    MAX_SYLLABLES_PER_LINE,
    MAX_SYLLABLES_PER_WORD,
    MAX_WORDS_PER_LINE,
    N_SYLLABLE_POSITIONS,
    NGRAM_BUCKETS,
    PUNCTUATION,
    STYLE_FEATURE_NAMES,
    STYLE_FEATURES_BY_GROUP,
)
from segue.lyrics.phonetics import count_syllables, rhyme_key, split_words
from segue.records import FloatArray

#: Only the beginning of longer texts is analysed.
MAX_CHARACTERS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Line:
    """A line of lyrics.

    Attributes
    ----------
    text : str
    words : tuple of str
        In lower case.
    syllables : tuple of int
        Number of syllables of each word.
    """

    text: str
    words: tuple[str, ...]
    syllables: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TextMeasurements:
    """Lines and words of a text.

    Attributes
    ----------
    stanzas : tuple of tuple of Line
        Lines with words, divided at empty lines.
    lines : tuple of Line
        The lines of all stanzas.
    words : tuple of str
        The words of all lines, in lower case.
    """

    stanzas: tuple[tuple[Line, ...], ...]
    lines: tuple[Line, ...]
    words: tuple[str, ...]


def measure_text(text: str) -> TextMeasurements:
    """Split a text into stanzas, lines and words.

    Parameters
    ----------
    text : str
        As `segue.records.Lyrics.text`; section headers in brackets are skipped.

    Raises
    ------
    BadArgument
        The text has no words.
    """
    stanzas: list[list[Line]] = [[]]
    for line in text[:MAX_CHARACTERS].split("\n"):
        if line.startswith("[") and line.endswith("]"):
            continue
        words = tuple(word.lower() for word in split_words(line))
        if words:
            stanzas[-1].append(Line(line, words, tuple(map(count_syllables, words))))
        elif stanzas[-1] and not line:
            stanzas.append([])
    lines = tuple(line for stanza in stanzas for line in stanza)
    if not lines:
        raise BadArgument("expected a text with words, got one without")
    return TextMeasurements(
        tuple(tuple(stanza) for stanza in stanzas if stanza),
        lines,
        tuple(word for line in lines for word in line.words),
    )


# --- features ---

#: Changes when, and only when, a golden vector moves by more than 1e-3.
VERSION: Final = 1

_WINDOW_WORDS: Final = 50  # in which distinct words are counted
#: Multiplier of Fibonacci hashing: 2^64 divided by the golden ratio.
_HASH_FACTOR: Final = np.uint64(0x9E3779B97F4A7C15)
_FUNCTION_WORD_INDEX: Final = {word: index for index, word in enumerate(FUNCTION_WORDS)}

FloatArray64 = NDArray[np.float64]


def style_features(text: str) -> FloatArray:
    """Compute the features of a text.

    Parameters
    ----------
    text : str
        As `segue.records.Lyrics.text`.

    Returns
    -------
    ndarray, shape (len(STYLE_FEATURE_NAMES),), float32
        Finite, not yet standardised.

    Raises
    ------
    BadArgument
        The text has no words.
    """
    return _features(measure_text(text))


def _features(measured: TextMeasurements) -> FloatArray:
    groups = {
        "characters": _characters(measured),
        "function words": _function_words(measured),
        "lines": _lines(measured),
        "metre": _metre(measured),
        "rhyme": _rhyme(measured),
        "repetition": _repetition(measured),
    }
    vector = np.concatenate(
        [np.asarray(groups[group], np.float64) for group in STYLE_FEATURES_BY_GROUP]
    )
    return vector.astype(np.float32)


def standardise_style(vector: FloatArray) -> FloatArray:
    """Standardise features, into the embedding space `style`.

    Parameters
    ----------
    vector : ndarray, shape (..., len(STYLE_FEATURE_NAMES)), float32
        From `style_features`.

    Returns
    -------
    ndarray, same shape, float32
        Z-scores, clipped to -4 to 4 and weighted by group, with bundled constants
        (weights/style.md).

    Raises
    ------
    BadArgument
        The vector has another length.
    """
    if vector.shape[-1] != len(STYLE_FEATURE_NAMES):
        raise BadArgument(
            f"expected {len(STYLE_FEATURE_NAMES)} numbers, got {vector.shape[-1]}; "
            "describe the text again"
        )
    constants = load_constants("style")
    return np.asarray(clipped_z_scores(vector, constants) * constants["weight"], np.float32)


def _characters(measured: TextMeasurements) -> FloatArray64:
    text = "\n" + "\n".join(line.text for line in measured.lines) + "\n"
    codes = np.frombuffer(text.encode("utf-32-le", "replace"), "<u4").astype(np.uint64)
    hashed = np.zeros(len(codes), np.uint64)
    shares = []
    for length, buckets in NGRAM_BUCKETS.items():
        # The hash of an n-gram continues that of the (n - 1)-gram at its start.
        hashed = hashed[: len(codes) - length + 1] + codes[length - 1 :] + np.uint64(1)
        hashed *= _HASH_FACTOR
        mixed = hashed ^ (hashed >> np.uint64(29))
        bucket = (mixed * _HASH_FACTOR >> np.uint64(40)) % np.uint64(buckets)
        shares.append(np.sqrt(_shares(bucket.astype(np.int64), buckets)))
    return np.concatenate(shares)


def _function_words(measured: TextMeasurements) -> FloatArray64:
    indices = [
        _FUNCTION_WORD_INDEX[word] for word in measured.words if word in _FUNCTION_WORD_INDEX
    ]
    counts = np.bincount(np.array(indices, np.int64), minlength=len(FUNCTION_WORDS))
    return np.sqrt(counts / len(measured.words))


def _lines(measured: TextMeasurements) -> list[float]:
    lines, words = measured.lines, measured.words
    lengths = np.array([len(line.text) for line in lines], np.float64)
    letters = np.array([len(word) for word in words], np.float64)
    text = "".join(line.text for line in lines)
    capitals = sum(map(str.isupper, text))
    initial_capitals = sum(line.text.lstrip("\"'“‘(«¿¡")[:1].isupper() for line in lines)
    upper_case = sum(
        word.isupper() and len(word) > 1 for line in lines for word in line.text.split()
    )
    ends = [line.text[-1] for line in lines]
    return [
        *_histogram([len(line.words) for line in lines], MAX_WORDS_PER_LINE),
        *_histogram([len(word) for word in words], MAX_LETTERS_PER_WORD),
        *_histogram([len(stanza) for stanza in measured.stanzas], MAX_LINES_PER_STANZA),
        float(np.log2(lengths.mean())),
        float(np.log2(lengths.std() / lengths.mean() + 0.05)),
        float(np.log2(letters.mean())),
        float(initial_capitals / len(lines)) ** 0.5,
        float(max(capitals - initial_capitals, 0) / len(text)) ** 0.5,
        float(upper_case / len(words)) ** 0.5,
        *((sum(map(text.count, marks)) / len(text)) ** 0.5 for marks in PUNCTUATION.values()),
        *(
            (sum(end in marks for end in ends) / len(lines)) ** 0.5
            for marks in PUNCTUATION.values()
        ),
    ]


def _metre(measured: TextMeasurements) -> list[float]:
    lines = measured.lines
    counts = np.array([sum(line.syllables) for line in lines], np.float64)
    weak, word_ends, reached = np.zeros((3, N_SYLLABLE_POSITIONS))
    for line in lines:
        position = 0
        for word, count in zip(line.words, line.syllables, strict=True):
            if count == 1 and position < N_SYLLABLE_POSITIONS and word in _FUNCTION_WORD_INDEX:
                weak[position] += 1
            position += count
            if position <= N_SYLLABLE_POSITIONS:
                word_ends[position - 1] += 1
        reached[:position] += 1
    changes = [
        float(np.log2(np.abs(counts[lag:] - counts[:-lag]).mean() + 0.5)) if len(counts) > lag
        else 0.0
        for lag in range(1, MAX_LINE_LAG + 1)
    ]  # fmt: skip
    return [
        *_histogram(counts.astype(np.int64).tolist(), MAX_SYLLABLES_PER_LINE),
        *_histogram([n for line in lines for n in line.syllables], MAX_SYLLABLES_PER_WORD),
        *(weak / np.maximum(reached, 1)),
        *(word_ends / np.maximum(reached, 1)),
        *changes,
        float(np.log2(counts.mean())),
        float(np.log2(counts.std() + 0.5)),
        float((counts % 2 == 0).mean()),
    ]


def _rhyme(measured: TextMeasurements) -> list[float]:
    lines = measured.lines
    last_words = [line.words[-1] for line in lines]
    keys = [rhyme_key(word) for word in last_words]
    rhymes_at_lag = np.zeros((MAX_LINE_LAG, len(lines)), np.bool_)
    repeats_word = np.zeros(len(lines), np.bool_)
    for lag in range(1, MAX_LINE_LAG + 1):
        for i in range(lag, len(lines)):
            same_word = last_words[i] == last_words[i - lag]
            repeats_word[i] |= same_word
            rhymes_at_lag[lag - 1, i] = keys[i] == keys[i - lag] and not same_word
    rhymes: NDArray[np.bool_] = np.asarray(rhymes_at_lag.any(axis=0))
    lengths = [len(key) for key, rhyme in zip(keys, rhymes, strict=True) if rhyme]
    return [
        *(float(share) ** 0.5 for share in rhymes_at_lag.mean(axis=1)),
        float(rhymes.mean()) ** 0.5,
        float(repeats_word.mean()) ** 0.5,
        float(np.log2(np.mean(lengths))) if lengths else 1.0,
        float(np.mean([_rhymes_within(line) for line in lines])) ** 0.5,
        float(np.mean([_alliterates(line) for line in lines])),
        float(np.mean([key[-1:] in "aeiouy" for key in keys])),
    ]


def _rhymes_within(line: Line) -> bool:
    inner = {rhyme_key(word) for word in line.words[:-1] if len(word) > 2} - {""}
    return rhyme_key(line.words[-1]) in inner and line.words[-1] not in line.words[:-1]


def _alliterates(line: Line) -> float:
    content = [word for word in line.words if word not in _FUNCTION_WORD_INDEX]
    return sum(a[0] == b[0] and a != b for a, b in pairwise(content)) / max(len(content) - 1, 1)


def _repetition(measured: TextMeasurements) -> list[float]:
    words, lines = measured.words, measured.lines
    counts = Counter(words)
    trigrams = list(zip(words, words[1:], words[2:], strict=False))
    starts = range(0, len(words) - _WINDOW_WORDS + 1, _WINDOW_WORDS)
    distinct = [len(set(words[i : i + _WINDOW_WORDS])) / _WINDOW_WORDS for i in starts]
    line_pairs = list(pairwise(lines))
    return [
        _repeated([line.words for line in lines]),
        _repeated([tuple(line.words for line in stanza) for stanza in measured.stanzas]),
        _repeated(trigrams),
        _share(a.words[0] == b.words[0] for a, b in line_pairs),
        _share(a.words[:2] == b.words[:2] for a, b in line_pairs),
        _share(a == b for a, b in pairwise(words)),
        float(np.mean(distinct)) if distinct else len(counts) / len(words) * 0.5 + 0.4,
        sum(count == 1 for count in counts.values()) / len(words),
    ]


def _repeated(items: Sequence[tuple[object, ...]]) -> float:
    return (1 - len(set(items)) / len(items)) ** 0.5 if items else 0.0


def _share(conditions: Iterator[bool]) -> float:
    values = list(conditions)
    return (sum(values) / len(values)) ** 0.5 if values else 0.0


def _histogram(values: list[int], maximum: int) -> FloatArray64:
    """Return square roots of the shares of the values 1 to `maximum`; the last bin is open."""
    bins = np.clip(np.asarray(values, np.int64), 1, maximum) - 1
    return np.sqrt(_shares(bins, maximum))


def _shares(bins: NDArray[np.int64], count: int) -> FloatArray64:
    return np.bincount(bins, minlength=count) / max(len(bins), 1)


# --- description ---

_RHYME_DISTANCE: Final = 4  # in lines


@dataclass(frozen=True, slots=True, eq=False)
class TextDescription:
    """Facts and features of a text.

    Attributes
    ----------
    facts : dict of str to float or str
        Shown to users.
    vector : ndarray, shape (len(STYLE_FEATURE_NAMES),), float32
        Features from `style_features`, not yet standardised.
    """

    facts: dict[str, float | str]
    vector: FloatArray


def describe_text(text: str) -> TextDescription:
    """Describe a text.

    Parameters
    ----------
    text : str
        As `segue.records.Lyrics.text`.

    Raises
    ------
    BadArgument
        The text has no words.
    """
    measured = measure_text(text)
    return TextDescription(_facts(measured), _features(measured))


def rhyme_scheme(last_words: list[str]) -> str:
    """Return the rhyme scheme of a stanza, such as "ABAB"; "-" for a line without a rhyme.

    Parameters
    ----------
    last_words : list of str
        Last word of each line in lower case; equal words rhyme, too.
    """
    keys = [rhyme_key(word) for word in last_words]
    letters: dict[str, str] = {}
    for key in keys:
        if keys.count(key) > 1 and key not in letters:
            letters[key] = chr(ord("A") + len(letters) % 26)
    return "".join(letters.get(key, "-") for key in keys)


def _facts(measured: TextMeasurements) -> dict[str, float | str]:
    lines, words = measured.lines, measured.words
    counts = [sum(line.syllables) for line in lines]
    keys = [rhyme_key(line.words[-1]) for line in lines]
    rhymed = [
        key in keys[max(0, i - _RHYME_DISTANCE) : i] + keys[i + 1 : i + _RHYME_DISTANCE + 1]
        for i, key in enumerate(keys)
    ]
    schemes = [
        rhyme_scheme([line.words[-1] for line in stanza])
        for stanza in measured.stanzas
        if 2 <= len(stanza) <= 14
    ]
    rhyming_schemes = [scheme for scheme in schemes if scheme.strip("-")]
    facts: dict[str, float | str] = {
        "lines": float(len(lines)),
        "stanzas": float(len(measured.stanzas)),
        "words": float(len(words)),
        "distinct_words": float(len(set(words))),
        "words_per_line": len(words) / len(lines),
        "syllables_per_line": float(np.mean(counts)),
        "rhymed_lines": sum(rhymed) / len(lines),
        "repeated_lines": 1 - len({line.words for line in lines}) / len(lines),
    }
    if rhyming_schemes:
        facts["rhyme_scheme"] = max(rhyming_schemes, key=rhyming_schemes.count)
    return facts

"""The named features of lyrics and the space `style`.

Everything measured of a text once, before it is summed up.

What can be said of a text's style in named numbers, and the space `style` of them.

Runs of characters and function words are what tells authors apart best, whatever they write of
(Stamatatos, "A Survey of Modern Authorship Attribution Methods", JASIST 60, 2009); compared by
the cosine of their standardised shares (Evert et al., "Understanding and Explaining Delta
Measures for Authorship Attribution", Digital Scholarship in the Humanities 32, 2017). The others
are what verse has more than prose. Shares are kept as their square roots, whose differences
count alike for what is rare and what is common.

What people are told of a text, and the numbers it is compared by.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load

from segue.errors import BadArgument
from segue.feature_names import (
    FUNCTION_WORDS,
    LAGS,
    LINE_PLACES,
    MAX_LETTERS_PER_WORD,
    MAX_LINES_PER_STANZA,
    MAX_WORDS_PER_LINE,
    NGRAM_BUCKETS,
    PUNCTUATION,
    STYLE_FEATURE_NAMES,
    STYLE_FEATURES_BY_GROUP,
    SYLLABLES_OF_LINE,
    SYLLABLES_OF_WORD,
)
from segue.lyrics.phonetics import count_syllables, rhyme_key, split_words
from segue.records import FloatArray

# --- measured ---

#: What stands on a line of its own is the header of a section where it is in these.
_OPENS, _CLOSES = "[", "]"
MAX_CHARACTERS: Final = 100_000  # characters: what is said of so many is true of all


@dataclass(frozen=True, slots=True)
class Line:
    """One line that is sung.

    Attributes
    ----------
    text : str
        As it is written.
    words : tuple of str
        Lower case.
    syllables : tuple of int
        Of each word.
    """

    text: str
    words: tuple[str, ...]
    syllables: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TextMeasurements:
    """What the facts and the features of a text are made of.

    Attributes
    ----------
    stanzas : tuple of tuple of Line
        What stands between empty lines; each line has a word.
    lines : tuple of Line
        All of them.
    words : tuple of str
        All of them, lower case.
    """

    stanzas: tuple[tuple[Line, ...], ...]
    lines: tuple[Line, ...]
    words: tuple[str, ...]


def measure_text(text: str) -> TextMeasurements:
    """Measure a text, of very long ones the beginning.

    Parameters
    ----------
    text : str
        As `segue.records.Lyrics.text`; headers of sections are not measured.

    Raises
    ------
    BadArgument
        It has no words.
    """
    stanzas: list[list[Line]] = [[]]
    for told in text[:MAX_CHARACTERS].split("\n"):
        if told.startswith(_OPENS) and told.endswith(_CLOSES):
            continue
        words = tuple(word.lower() for word in split_words(told))
        if words:
            stanzas[-1].append(Line(told, words, tuple(map(count_syllables, words))))
        elif stanzas[-1] and not told:
            stanzas.append([])
    kept = tuple(tuple(stanza) for stanza in stanzas if stanza)
    if not kept:
        raise BadArgument("expected a text with words, got one without")
    lines = tuple(line for stanza in kept for line in stanza)
    return TextMeasurements(kept, lines, tuple(word for line in lines for word in line.words))


# --- features ---

#: Changes when, and only when, a golden vector moves by more than 1e-3.
VERSION: Final = 1

#: Standardised numbers are cut off here: one odd number must not decide.
LIMIT: Final = 4.0

_WINDOW: Final = 50  # words
_STEP: Final = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio: spreads what is counted
_FUNCTION: Final = {word: at for at, word in enumerate(FUNCTION_WORDS)}

Numbers = NDArray[np.float64]


def style_features(text: str) -> FloatArray:
    """Measure the style of a text.

    Parameters
    ----------
    text : str
        As `segue.records.Lyrics.text`.

    Returns
    -------
    ndarray, shape (len(STYLE_FEATURE_NAMES),), float32
        Encoded so that differences mean something, not yet standardised; finite.

    Raises
    ------
    BadArgument
        It has no words.
    """
    return features_of(measure_text(text))


def features_of(measured: TextMeasurements) -> FloatArray:
    """Sum up what was measured of a text, as `style_features` does."""
    numbers = {
        "characters": _characters(measured),
        "function words": _function_words(measured),
        "lines": _lines(measured),
        "metre": _time_signature(measured),
        "rhyme": _rhyme(measured),
        "repetition": _repetition(measured),
    }
    vector = np.concatenate(
        [np.asarray(numbers[group], np.float64) for group in STYLE_FEATURES_BY_GROUP]
    )
    return vector.astype(np.float32)


def standardise_style(vector: FloatArray) -> FloatArray:
    """Bring a vector into the space `style`.

    Parameters
    ----------
    vector : ndarray, shape (..., len(STYLE_FEATURE_NAMES)), float32
        From `style_features`.

    Returns
    -------
    ndarray, same shape, float32
        Each number less its mean and divided by its scale, within -4 to 4, and weighted by
        group; by the shipped constants (weights/style.md).

    Raises
    ------
    BadArgument
        It has another number of numbers.
    """
    if vector.shape[-1] != len(STYLE_FEATURE_NAMES):
        raise BadArgument(
            f"expected {len(STYLE_FEATURE_NAMES)} numbers, got {vector.shape[-1]}; "
            "describe the text again"
        )
    constants = _constants()
    standard = np.clip((vector - constants["mean"]) / constants["scale"], -LIMIT, LIMIT)
    return np.asarray(standard * constants["weight"], np.float32)


def style_z_scores(vector: FloatArray) -> FloatArray:
    """Tell of a vector of the space `style` how far each number is from the average.

    Returns
    -------
    ndarray, same shape, float32
        Standard deviations, within -4 to 4.
    """
    return np.asarray(vector / _constants()["weight"], np.float32)


@cache
def _constants() -> dict[str, FloatArray]:
    return load((files("segue") / "weights" / "style.safetensors").read_bytes())


def _characters(measured: TextMeasurements) -> Numbers:
    text = "\n" + "\n".join(line.text for line in measured.lines) + "\n"
    codes = np.frombuffer(text.encode("utf-32-le", "replace"), "<u4").astype(np.uint64)
    run = np.zeros(len(codes), np.uint64)
    parts = []
    for length, buckets in NGRAM_BUCKETS.items():
        run = (run[: len(codes) - length + 1] + codes[length - 1 :] + np.uint64(1)) * _STEP
        spread = run ^ (run >> np.uint64(29))
        bucket = (spread * _STEP >> np.uint64(40)) % np.uint64(buckets)
        parts.append(np.sqrt(_shares(bucket.astype(np.int64), buckets)))
    return np.concatenate(parts)


def _function_words(measured: TextMeasurements) -> Numbers:
    at = np.array([_FUNCTION[word] for word in measured.words if word in _FUNCTION], np.int64)
    counts = np.bincount(at, minlength=len(FUNCTION_WORDS))
    return np.sqrt(counts / len(measured.words))


def _lines(measured: TextMeasurements) -> list[float]:
    lines, words = measured.lines, measured.words
    lengths = np.array([len(line.text) for line in lines], np.float64)
    letters = np.array([len(word) for word in words], np.float64)
    text = "".join(line.text for line in lines)
    capitals = sum(map(str.isupper, text))
    begins = sum(line.text.lstrip("\"'“‘(«¿¡")[:1].isupper() for line in lines)
    shouted = sum(word.isupper() and len(word) > 1 for line in lines for word in line.text.split())
    ends = [line.text[-1] for line in lines]
    return [
        *_histogram([len(line.words) for line in lines], MAX_WORDS_PER_LINE),
        *_histogram([len(word) for word in words], MAX_LETTERS_PER_WORD),
        *_histogram([len(stanza) for stanza in measured.stanzas], MAX_LINES_PER_STANZA),
        float(np.log2(lengths.mean())),
        float(np.log2(lengths.std() / lengths.mean() + 0.05)),
        float(np.log2(letters.mean())),
        float(begins / len(lines)) ** 0.5,
        float((capitals - begins) / len(text)) ** 0.5 if capitals > begins else 0.0,
        float(shouted / len(words)) ** 0.5,
        *((sum(map(text.count, marks)) / len(text)) ** 0.5 for marks in PUNCTUATION.values()),
        *(
            (sum(end in marks for end in ends) / len(lines)) ** 0.5
            for marks in PUNCTUATION.values()
        ),
    ]


def _time_signature(measured: TextMeasurements) -> list[float]:
    lines = measured.lines
    counts = np.array([sum(line.syllables) for line in lines], np.float64)
    weak, ends, long_enough = np.zeros(LINE_PLACES), np.zeros(LINE_PLACES), np.zeros(LINE_PLACES)
    for line in lines:
        at = 0
        for word, count in zip(line.words, line.syllables, strict=True):
            if count == 1 and at < LINE_PLACES and word in _FUNCTION:
                weak[at] += 1
            at += count
            if at <= LINE_PLACES:
                ends[at - 1] += 1
        long_enough[:at] += 1
    changes = [
        float(np.log2(np.abs(counts[lag:] - counts[:-lag]).mean() + 0.5)) if len(counts) > lag
        else 0.0
        for lag in range(1, LAGS + 1)
    ]  # fmt: skip
    return [
        *_histogram(counts.astype(np.int64).tolist(), SYLLABLES_OF_LINE),
        *_histogram([n for line in lines for n in line.syllables], SYLLABLES_OF_WORD),
        *(weak / np.maximum(long_enough, 1)),
        *(ends / np.maximum(long_enough, 1)),
        *changes,
        float(np.log2(counts.mean())),
        float(np.log2(counts.std() + 0.5)),
        float((counts % 2 == 0).mean()),
    ]


def _rhyme(measured: TextMeasurements) -> list[float]:
    lines = measured.lines
    last = [line.words[-1] for line in lines]
    sounds = [rhyme_key(word) for word in last]
    lagged = np.zeros((LAGS, len(lines)), np.bool_)
    same = np.zeros(len(lines), np.bool_)
    for lag in range(1, LAGS + 1):
        for at in range(lag, len(lines)):
            alike = last[at] == last[at - lag]
            same[at] |= alike
            lagged[lag - 1, at] = sounds[at] == sounds[at - lag] and not alike
    rhymes: NDArray[np.bool_] = np.asarray(lagged.any(axis=0))
    lengths = [len(sound) for at, sound in enumerate(sounds) if rhymes[at]]
    return [
        *(float(found.mean()) ** 0.5 for found in lagged),
        float(rhymes.mean()) ** 0.5,
        float(same.mean()) ** 0.5,
        float(np.log2(np.mean(lengths))) if lengths else 1.0,
        float(np.mean([_rhymes_within(line) for line in lines])) ** 0.5,
        float(np.mean([_alliterates(line) for line in lines])),
        float(np.mean([sound[-1:] in "aeiouy" for sound in sounds])),
    ]


def _rhymes_within(line: Line) -> bool:
    inner = {rhyme_key(word) for word in line.words[:-1] if len(word) > 2} - {""}
    return rhyme_key(line.words[-1]) in inner and line.words[-1] not in line.words[:-1]


def _alliterates(line: Line) -> float:
    told = [word for word in line.words if word not in _FUNCTION]
    return sum(a[0] == b[0] and a != b for a, b in pairwise(told)) / max(len(told) - 1, 1)


def _repetition(measured: TextMeasurements) -> list[float]:
    words, lines = measured.words, measured.lines
    counts = Counter(words)
    runs = list(zip(words, words[1:], words[2:], strict=False))
    windows = [words[at : at + _WINDOW] for at in range(0, len(words), _WINDOW)]
    distinct = [len(set(some)) / len(some) for some in windows if len(some) == _WINDOW]
    before = list(pairwise(lines))
    return [
        _repeated([line.words for line in lines]),
        _repeated([tuple(line.words for line in stanza) for stanza in measured.stanzas]),
        _repeated(runs),
        _share(a.words[0] == b.words[0] for a, b in before),
        _share(a.words[:2] == b.words[:2] for a, b in before),
        _share(a == b for a, b in pairwise(words)),
        float(np.mean(distinct)) if distinct else len(counts) / len(words) * 0.5 + 0.4,
        sum(count == 1 for count in counts.values()) / len(words),
    ]


def _repeated(some: Sequence[tuple[object, ...]]) -> float:
    return (1 - len(set(some)) / len(some)) ** 0.5 if some else 0.0


def _share(found: Iterator[bool]) -> float:
    told = list(found)
    return (sum(told) / len(told)) ** 0.5 if told else 0.0


def _histogram(values: list[int], most: int) -> Numbers:
    """Return the square root of the share of each value from 1 to `most`, and more."""
    at = np.clip(np.asarray(values, np.int64), 1, most) - 1
    return np.sqrt(_shares(at, most))


def _shares(which: NDArray[np.int64], count: int) -> Numbers:
    return np.bincount(which, minlength=count) / max(len(which), 1)


# --- description ---

_NEAR: int = 4  # lines within which a rhyme is heard


@dataclass(frozen=True, slots=True, eq=False)
class TextDescription:
    """A text in named numbers.

    Attributes
    ----------
    facts : dict of str to float or str
        For people.
    vector : ndarray, shape (len(STYLE_FEATURE_NAMES),), float32
        From `segue.lyrics.features.style_features`: not yet standardised.
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
        It has no words.
    """
    measured = measure_text(text)
    return TextDescription(_facts(measured), features_of(measured))


def rhyme_scheme(last_words: list[str]) -> str:
    """Name the rhymes of a stanza, "ABAB"; "-" where a line rhymes with none.

    Parameters
    ----------
    last_words : list of str
        Of each line, lower case; the same word again rhymes, too.
    """
    sounds = [rhyme_key(word) for word in last_words]
    letters: dict[str, str] = {}
    for sound in sounds:
        if sounds.count(sound) > 1 and sound not in letters:
            letters[sound] = chr(ord("A") + len(letters) % 26)
    return "".join(letters.get(sound, "-") for sound in sounds)


def _facts(measured: TextMeasurements) -> dict[str, float | str]:
    lines, words = measured.lines, measured.words
    counts = [sum(line.syllables) for line in lines]
    last = [line.words[-1] for line in lines]
    sounds = [rhyme_key(word) for word in last]
    rhymed = [
        any(sounds[at] == sounds[other] for other in range(max(0, at - _NEAR), at))
        or sounds[at] in sounds[at + 1 : at + _NEAR + 1]
        for at in range(len(lines))
    ]
    schemes = [
        rhyme_scheme([line.words[-1] for line in stanza])
        for stanza in measured.stanzas
        if 2 <= len(stanza) <= 14
    ]
    rhyming = [scheme for scheme in schemes if scheme.strip("-")]
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
    if rhyming:
        facts["rhyme_scheme"] = max(rhyming, key=rhyming.count)
    return facts

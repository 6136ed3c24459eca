"""Words for music in English, German, French and Spanish, and what they mean.

The lexicon (weights/lexicon.tsv) has a row for each concept: the tags of MusiCNN, the aspects and
the instruments that recordings have more of, those that scores have more of ("-" for less), and
the words for it in each language. Words are compared regardless of case, accents and inflection.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from segue.builtin_spaces import WEIGHTS
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

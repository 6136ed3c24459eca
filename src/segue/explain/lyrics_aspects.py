"""What is said of lyrics, by the features of their style."""

from functools import cache
from typing import Final

from segue.explain.aspects import Aspect, Measures, measures
from segue.represent.lyrics.feature_names import STYLE_FEATURE_NAMES

_FEATURES: Final = {
    Aspect(
        "length of lines", "form", "long lines", "short lines", "longer lines", "shorter lines"
    ): ("+Mean Length of Line; +Mean Syllables of Line; Lines of *"),
    Aspect(
        "length of words", "wording", "long words", "short words", "longer words", "shorter words"
    ): ("+Mean Length of Word; Words of *"),
    Aspect("verse metre", "form"): (
        "Weak Syllable *; Word Ends after Syllable *; Change of Syllables over *;"
        "Variability of Syllables of Line; Lines of Even Syllables; Variability of Length of Line"
    ),
    Aspect("stanzas", "form"): "Stanzas of *",
    Aspect("rhyme", "rhyme", "rhymed", "hardly rhymed", "more rhyme", "less rhyme"): (
        "+Rhyme Density; Rhyme over *; Rhyme on the Same Word; Length of Rhymes;"
        "Lines that End in a Vowel"
    ),
    Aspect("sounds within lines", "rhyme"): "Rhyme within Lines; Alliteration",
    Aspect(
        "repetition", "form", "much repeated", "hardly repeated", "more repeated", "less repeated"
    ): (
        "+Repeated Lines; +Repeated Stanzas; +Repeated Runs of Three Words;"
        "Lines that Begin as the One Before;"
        "Lines that Begin with Two Words as the One Before; Words Said Twice in a Row"
    ),
    Aspect(
        "vocabulary",
        "wording",
        "rich vocabulary",
        "plain vocabulary",
        "richer vocabulary",
        "plainer vocabulary",
    ): "+Distinct among Fifty Words; +Words that Come Once",
    Aspect("small words", "wording"): "Share of *",
    Aspect("wording", "wording"): "Runs of *",
}
_REST: Final = {"": Aspect("punctuation", "wording")}


@cache
def lyrics_aspects() -> tuple[Measures, ...]:
    """Return which of `STYLE_FEATURE_NAMES` belong to which aspect."""
    return measures(STYLE_FEATURE_NAMES, _FEATURES, _REST)

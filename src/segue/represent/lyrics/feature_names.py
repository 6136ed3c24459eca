"""The names of the features of lyrics, by group: see `segue.represent.lyrics.features`."""

from typing import Final

from segue.represent.lyrics.function_words import FUNCTION_WORDS

#: Into how many numbers the runs of 1, 2, 3 and 4 characters are counted.
BUCKETS: Final[dict[int, int]] = {1: 128, 2: 384, 3: 512, 4: 512}
WORDS_OF_LINE: Final = 14  # and more, here and below
LETTERS_OF_WORD: Final = 12
LINES_OF_STANZA: Final = 10
SYLLABLES_OF_LINE: Final = 18
SYLLABLES_OF_WORD: Final = 5
PLACES: Final = 12  # syllables of a line, from its first
LAGS: Final = 4  # lines back
#: Marks that are counted among all characters, and at the ends of lines.
MARKS: Final[dict[str, str]] = {
    "Commas": ",،、，",
    "Full Stops": ".。",
    "Exclamation Marks": "!！",
    "Question Marks": "?？؟",
    "Semicolons": ";؛",
    "Colons": ":：",
    "Apostrophes": "'’‘",
    "Hyphens": "-",
    "Dashes": "—–",
    "Quotation Marks": '"“”„«»「」',
    "Brackets": "()[]",
    "Ellipses": "…",
    "Digits": "0123456789",
}


def _up_to(most: int) -> list[str]:
    return [*map(str, range(1, most)), f"{most} or More"]


CONTENTS: Final[dict[str, tuple[str, ...]]] = {
    "characters": tuple(
        f"Runs of {length} Characters, Bucket {bucket}"
        for length, buckets in BUCKETS.items()
        for bucket in range(buckets)
    ),
    "function words": tuple(f"Share of '{word}'" for word in FUNCTION_WORDS),
    "lines": (
        *(f"Lines of {n} Words" for n in _up_to(WORDS_OF_LINE)),
        *(f"Words of {n} Letters" for n in _up_to(LETTERS_OF_WORD)),
        *(f"Stanzas of {n} Lines" for n in _up_to(LINES_OF_STANZA)),
        "Mean Length of Line",
        "Variability of Length of Line",
        "Mean Length of Word",
        "Lines that Begin with a Capital",
        "Capitals within Lines",
        "Words in Capitals",
        *(f"{name} among Characters" for name in MARKS),
        *(f"Lines that End with {name}" for name in MARKS),
    ),
    "metre": (
        *(f"Lines of {n} Syllables" for n in _up_to(SYLLABLES_OF_LINE)),
        *(f"Words of {n} Syllables" for n in _up_to(SYLLABLES_OF_WORD)),
        *(f"Weak Syllable {place}" for place in range(1, PLACES + 1)),
        *(f"Word Ends after Syllable {place}" for place in range(1, PLACES + 1)),
        *(f"Change of Syllables over {lag} Lines" for lag in range(1, LAGS + 1)),
        "Mean Syllables of Line",
        "Variability of Syllables of Line",
        "Lines of Even Syllables",
    ),
    "rhyme": (
        *(f"Rhyme over {lag} Lines" for lag in range(1, LAGS + 1)),
        "Rhyme Density",
        "Rhyme on the Same Word",
        "Length of Rhymes",
        "Rhyme within Lines",
        "Alliteration",
        "Lines that End in a Vowel",
    ),
    "repetition": (
        "Repeated Lines",
        "Repeated Stanzas",
        "Repeated Runs of Three Words",
        "Lines that Begin as the One Before",
        "Lines that Begin with Two Words as the One Before",
        "Words Said Twice in a Row",
        "Distinct among Fifty Words",
        "Words that Come Once",
    ),
}

#: One name for each number of a vector.
STYLE_FEATURE_NAMES: Final = tuple(name for names in CONTENTS.values() for name in names)


def _slices() -> dict[str, slice]:
    found, start = {}, 0
    for group, names in CONTENTS.items():
        found[group] = slice(start, start + len(names))
        start += len(names)
    return found


#: Where in a vector each group lies, by the name that people are shown.
STYLE_FEATURE_GROUPS: Final = _slices()

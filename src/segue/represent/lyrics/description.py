"""What people are told of a text, and the numbers it is compared by."""

from dataclasses import dataclass

import numpy as np

from segue.records import FloatArray
from segue.represent.lyrics.features import features_of
from segue.represent.lyrics.measured import MeasuredText, measure_text
from segue.represent.lyrics.words import rhyme_sound

_NEAR: int = 4  # lines within which a rhyme is heard


@dataclass(frozen=True, slots=True, eq=False)
class TextDescription:
    """A text in named numbers.

    Attributes
    ----------
    facts : dict of str to float or str
        For people.
    vector : ndarray, shape (len(STYLE_FEATURE_NAMES),), float32
        From `segue.represent.lyrics.features.style_features`: not yet standardised.
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
    sounds = [rhyme_sound(word) for word in last_words]
    letters: dict[str, str] = {}
    for sound in sounds:
        if sounds.count(sound) > 1 and sound not in letters:
            letters[sound] = chr(ord("A") + len(letters) % 26)
    return "".join(letters.get(sound, "-") for sound in sounds)


def _facts(measured: MeasuredText) -> dict[str, float | str]:
    lines, words = measured.lines, measured.words
    counts = [sum(line.syllables) for line in lines]
    last = [line.words[-1] for line in lines]
    sounds = [rhyme_sound(word) for word in last]
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

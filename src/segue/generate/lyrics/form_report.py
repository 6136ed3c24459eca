"""How well lyrics keep their form: rhymes by sound, syllables, and the stress of a metre."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from segue.generate.lyrics.form import LineForm
from segue.generate.lyrics.lexicon import stress_pattern
from segue.lyrics.phonetics import normalised_words
from segue.lyrics.pronunciation import is_unstressed, sound
from segue.lyrics.spelling import Language

RHYME_REACH: Final = 4  # lines after a line within which a rhyme counts


@dataclass(frozen=True, slots=True)
class FormFigures:
    """How many lines keep what was asked of them.

    Attributes
    ----------
    rhymes_asked, rhymes_kept : int
        Lines that are to rhyme with an earlier line of their stanza, and those that rhyme perfectly
        with all such lines.
    syllables_asked, syllables_kept : int
        Lines of a given number of syllables, and those that have it.
    stresses_asked, stresses_kept : int
        Syllables on strong or weak positions whose stress is known from the word, and those whose
        stress is that of their position.
    """

    rhymes_asked: int
    rhymes_kept: int
    syllables_asked: int
    syllables_kept: int
    stresses_asked: int
    stresses_kept: int


def form_figures(
    stanzas: Sequence[Sequence[str]], forms: Sequence[LineForm], language: Language
) -> FormFigures:
    """Compare stanzas with the lines that were asked for.

    Parameters
    ----------
    stanzas : sequence of sequence of str
        Lines of each stanza, at most as many as `forms`.
    forms : sequence of LineForm
        Lines of a stanza.
    language : {"en", "de", "fr", "es", "it", "other"}
    """
    counts = [0] * 6
    for stanza in stanzas:
        ends = ["".join(normalised_words(line)[-1:]) for line in stanza]
        for at, (line, form) in enumerate(zip(stanza, forms, strict=False)):
            partners = [
                other for other, earlier in zip(ends[:at], forms, strict=False)
                if other and earlier.rhyme == form.rhyme != "-"
            ]  # fmt: skip
            if partners and ends[at]:
                counts[0] += 1
                counts[1] += all(rhymes(ends[at], other, language) for other in partners)
            if form.meter:
                counts[2] += 1
                counts[3] += count_syllables(line, language) == len(form.meter)
                agreements = meter_agreement(line, form.meter, language)
                counts[4] += len(agreements)
                counts[5] += sum(agreements)
    return FormFigures(*counts)


def rhymes(first: str, second: str, language: Language) -> bool:
    """Return whether two words rhyme perfectly."""
    return sound(first, language).rhymes_with(sound(second, language))


def count_syllables(line: str, language: Language) -> int:
    """Count the syllables of a line."""
    return sum(len(sound(word, language).stress) for word in normalised_words(line))


def meter_agreement(line: str, meter: str, language: Language) -> list[bool]:
    """Return for each syllable of known stress, on a strong or weak position, whether it fits."""
    syllables = "".join(
        stress_pattern(word, sound(word, language), language) for word in normalised_words(line)
    )
    return [
        (syllable == "1") == (position == "s")
        for syllable, position in zip(syllables, meter, strict=False)
        if "x" not in (syllable, position)
    ]


def stress_clashes(line: str, meter: str, language: Language) -> int:
    """Count the function words of one syllable on strong positions."""
    at = clashes = 0
    for word in normalised_words(line):
        count = len(sound(word, language).stress)
        clashes += count == 1 and meter[at : at + 1] == "s" and is_unstressed(word, language)
        at += count
    return clashes


def count_rhymes(lines: Sequence[str], language: Language, *, lines_before: int = 0) -> int:
    """Count lines that rhyme with one of the next four, or of some before."""
    ends = [normalised_words(line)[-1] for line in lines]
    return sum(
        any(
            rhymes(ends[at], ends[other], language)
            for other in range(max(at - lines_before, 0), min(at + 1 + RHYME_REACH, len(ends)))
        )
        for at in range(len(ends))
    )

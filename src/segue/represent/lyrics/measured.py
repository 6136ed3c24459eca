"""Everything measured of a text once, before it is summed up."""

from dataclasses import dataclass
from typing import Final

from segue.errors import BadArgument
from segue.represent.lyrics.words import syllables, words_of

#: What stands on a line of its own is the header of a section where it is in these.
_OPENS, _CLOSES = "[", "]"
MOST_MEASURED: Final = 100_000  # characters: what is said of so many is true of all


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
class MeasuredText:
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


def measure_text(text: str) -> MeasuredText:
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
    for told in text[:MOST_MEASURED].split("\n"):
        if told.startswith(_OPENS) and told.endswith(_CLOSES):
            continue
        words = tuple(word.lower() for word in words_of(told))
        if words:
            stanzas[-1].append(Line(told, words, tuple(map(syllables, words))))
        elif stanzas[-1] and not told:
            stanzas.append([])
    kept = tuple(tuple(stanza) for stanza in stanzas if stanza)
    if not kept:
        raise BadArgument("expected a text with words, got one without")
    lines = tuple(line for stanza in kept for line in stanza)
    return MeasuredText(kept, lines, tuple(word for line in lines for word in line.words))

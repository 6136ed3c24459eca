"""Words of MIDI files: lyric events, and the texts of karaoke files (.kar)."""

import re
from itertools import pairwise
from typing import Final

from segue.formats.score.midi_texts import texts_of
from segue.formats.score.smf import read_smf

#: Thai, kana, Chinese: written without spaces between words.
_UNSPACED: Final = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]\W*$")


def midi_words(content: bytes) -> str:
    r"""Read the words of a MIDI file; "" where it has none.

    Lyric events (MIDI 1.0, meta event 5; ends of lines by RP-017), of the track that has most;
    where there are none, the texts of a karaoke file: ``/`` begins a line, ``\`` a verse, and
    what begins with ``@`` is about the file.

    Raises
    ------
    Unreadable
        It is no MIDI file, or a damaged one.
    """
    _, tracks = read_smf(content)
    texts = [text.replace("\t", " ") for text in texts_of(tracks).syllables]
    return "\n".join(line.strip() for line in _joined(texts).split("\n"))


def _joined(texts: list[str]) -> str:
    """Put syllables together.

    Where none ends or begins with a space, those that end in a hyphen go on, and others end a
    word. Where spaces tell words, a hyphen is one of the language ("la-la") if most words that go
    on do so without.
    """
    texts = [text.replace("\r\n", "\n").replace("\r", "\n") for text in texts]
    spaced = any(text[:1] in " /\\" or text[-1:] in " \n" for text in texts)
    goes_on = [_ends(text) and following[:1].isalpha() for text, following in pairwise(texts)]
    hyphens = [text.endswith("-") for text, on in zip(texts, goes_on, strict=False) if on]
    divides = not spaced or 2 * sum(hyphens) > len(hyphens)
    parts = []
    for text in texts:
        told = text
        if told.startswith(("\\", "/")):
            told = ("\n\n" if told[0] == "\\" else "\n") + told[1:]
        if divides and _ends(text) and told.endswith("-"):
            parts.append(told[:-1])
        else:
            parts.append(told if spaced or _UNSPACED.search(told) else told + " ")
    return "".join(parts)


def _ends(text: str) -> bool:
    """Tell whether the next syllable belongs to the same word, by a hyphen or no space."""
    return text.removesuffix("-")[-1:].isalpha()

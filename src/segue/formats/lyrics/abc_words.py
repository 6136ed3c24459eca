"""Words of ABC tunes: syllables under the notes (w:) and verses after them (W:)."""

import re
from collections import defaultdict
from typing import Final

from segue.formats.score.abc import Tune, tunes_of
from segue.formats.score.abc_texts import text_of, without_comment

_FIELD: Final = re.compile(r"\s*\[?([A-Za-z]):[ \t]*(.*)$")
_HYPHEN: Final = "\u2010"  # one that is sung, written \-
_DIVISION: Final = re.compile(r"\s*-[-\s_*|]*")
_NO_SYLLABLE: Final = re.compile(r"[_*|\s]+")
_GOES_ON: Final = re.compile(r"-\n|-$")  # a word that the next line ends
_VERSE_NUMBER: Final = re.compile(r"\s*\d{1,2}[.)][~\s]*")


def abc_words(content: bytes) -> list[str]:
    """Read the words of each tune of a book; "" of one that has none.

    Parameters
    ----------
    content : bytes

    Returns
    -------
    list of str
        Verse by verse, an empty line between: those under the notes of the voice that has most, a
        line for each line of music; then those that stand after the tune.

    Raises
    ------
    Unreadable
        It is no ABC.
    """
    return [_words(tune) for tune in tunes_of(content)]


def _words(tune: Tune) -> str:
    voices: dict[str, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    after: list[str] = []
    voice, verse, in_music = "", 0, False
    for line in tune.lines:
        if line.startswith("%"):
            continue
        field = _FIELD.match(line)
        kind, said = (field[1], without_comment(field[2])) if field else ("", "")
        if kind == "V":
            voice = said.rstrip("]").split()[0] if said.rstrip("]").split() else voice
        is_music = in_music and line.strip() and (not field or line.lstrip().startswith("["))
        in_music |= kind == "K"
        if is_music:
            verse = 0
        elif kind == "w":
            verse += 1
            voices[voice][verse].append(_sung(said))
        elif kind == "W":
            after.append(text_of(said))
    most = max(voices.values(), key=lambda verses: sum(map(_length, verses.values())), default={})
    verses = [_GOES_ON.sub("", "\n".join(filter(None, rows))) for _, rows in sorted(most.items())]
    return "\n\n".join(filter(None, [*verses, "\n".join(after).strip()]))


def _sung(raw: str) -> str:
    """Put the syllables of a line together to words."""
    text = text_of(raw.replace(r"\-", _HYPHEN).rstrip("\\"))
    text = _VERSE_NUMBER.sub("", text, count=1)
    goes_on = "-" if _DIVISION.search(text + "\n", len(text.rstrip("-_*| \t"))) else ""
    text = _NO_SYLLABLE.sub(" ", _DIVISION.sub("", text).replace("~", " "))
    return text.replace(_HYPHEN, "-").strip() + goes_on


def _length(lines: list[str]) -> int:
    return sum(map(len, lines))

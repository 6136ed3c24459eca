"""What signs and words in an ABC tune say about the order of playing: ``!D.C.!``, ``"^Fine"``."""

import re
from typing import Final

from segue.formats.score.abc_voices import Voice, Written
from segue.formats.score.jump_words import CODA, SEGNO, Said, read_words

#: Decorations that are about the order of playing, in the words of scores.
_JUMPS: Final = {
    "segno": SEGNO, "coda": CODA, "fine": "Fine", "dacoda": "To Coda", "dacapo": "D.C.",
    "d.c.": "D.C.", "d.s.": "D.S.", "d.c.alfine": "D.C. al Fine", "d.s.alfine": "D.S. al Fine",
    "d.c.alcoda": "D.C. al Coda", "d.s.alcoda": "D.S. al Coda",
}  # fmt: skip
#: Letters that stand for them unless a tune's U: field says otherwise (ABC 2.1, section 4.14).
SYMBOLS: Final = {"S": "segno", "O": "coda"}
_SYMBOL: Final = re.compile(r"\s*([H-Wh-w~])\s*=\s*([!+])([^!+]*)\2")


def symbols_of(text: str) -> dict[str, str]:
    """Read a U: field, ``W = !fine!``: the letter, and the decoration that it stands for."""
    found = _SYMBOL.match(text)
    return {found[1]: found[3].strip()} if found else {}


def hear(voice: Voice, text: str) -> None:
    """Keep what a text says about the order of playing, for the bar of the next symbol."""
    said = read_words(text)
    if said != Said():
        voice.said.append(said)


def hear_decoration(voice: Voice, name: str) -> None:
    """Keep what a decoration says about the order of playing."""
    if text := _JUMPS.get(name.casefold()):
        hear(voice, text)


def note_down(voice: Voice, bar: Written) -> None:
    """Note down in a bar what was said."""
    for said in voice.said:
        marks = bar.marks
        marks.jump = said.jump or marks.jump
        marks.fine |= said.fine
        if said.segno:
            marks.segno |= {""}
        if said.to_coda:
            marks.to_coda = ""
        if said.coda and not said.is_sign:
            marks.coda |= {""}
        bar.coda_sign |= said.is_sign
    voice.said = []

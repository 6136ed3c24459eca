"""What words and signs in a score say about the order of playing: "D.C. al Fine", "To Coda"."""

import re
from dataclasses import dataclass
from typing import Final

from segue.formats.score.play_marks import Jump, Until

SEGNO: Final = "§"
CODA: Final = "¤"
#: The signs as letters: of Unicode, of SMuFL fonts, and as MuseScore names them.
_SIGNS: Final = (
    (re.compile("[\U0001d10b\ue047\ue04a\ue04b]|<sym>segno[^<]*</sym>", re.IGNORECASE), SEGNO),
    (re.compile("[\U0001d10c\ue048\ue049\u2295]|<sym>coda[^<]*</sym>", re.IGNORECASE), CODA),
    (re.compile("<[^<>]{0,60}>"), " "),
)
_LONGEST: Final = 80  # letters of a text that may be such a mark
_DA_CAPO: Final = (
    r"d\s?\.\s?c\b\.?|dc\b|da\s?-?capo\b|dal capo\b|^(?:noch ?mals? )?(?:von vorn|vom anfang)e?\b"
    r"|^(?:reprendre|reprise) au (?:commencement|d[ée]but)\b|from the (?:beginning|start|top)\b"
    r"|desde el principio\b|od początku\b|с начала\b"
)
_DAL_SEGNO: Final = (
    r"d\s?\.\s?s\b\.?|ds\b"
    rf"|(?:dal|del|du|from|vom|d\.)\s?(?:the )?(?:segno|signo?|signe|sign|zeichen|s\.|{SEGNO})"
    rf"|d\.?\s?{SEGNO}|^(?:al|ao|au|to)\s(?:the )?(?:segno|signo?|signe|sign|sinal|{SEGNO})"
)
_JUMP: Final = re.compile(rf"(?<!\w)(?:(?P<capo>{_DA_CAPO})|(?P<segno>{_DAL_SEGNO}))")
#: Such words, and these with them, are about how to play.
_MANNER: Final = re.compile(
    r"\b(?:tempo|cresc|decresc|dim|rit|rall|accel|sempre|poco|morendo|wie (?:im|zu)|come)\b"
)
_FINE: Final = re.compile(r"\W*(?:fine|fin|ende|fim|the end|koniec|конец)\b\W*(?:\(.{0,20}\))?\W*")
_TO_FINE: Final = re.compile(r"\b(?:fine|fin|fim|ende|end|schlu(?:ss|ß)|koniec)\b")
_TO_SEGNO: Final = re.compile(
    rf"\b(?:al|bis|to|au|fino al?) (?:the |zum )?(?:segno|sign\w*|{SEGNO})"
)
_CODA: Final = re.compile(rf"\W*(?:(?:the )?coda\b|{CODA})\W*(?:{CODA}|coda)?\W*")
_TO_CODA: Final = re.compile(
    rf"\W*(?:go )?(?:to|al|alla|zur|zum|à la|al la|ao|para a?|till) (?:the )?(?:coda|{CODA})\W*"
    rf"(?:{CODA})?\W*"
)
_SEGNO: Final = re.compile(rf"\W*(?:segno|{SEGNO})\W*")
_WITH_REPEATS: Final = re.compile(
    r"\b(?:con|with|mit|avec|com)\b.{0,8}(?:re[pt]|ripe|wiederh|rit)|\bcol(?:la|le|) r"
)


@dataclass(slots=True)
class Said:
    """What a text says.

    Attributes
    ----------
    segno, coda, to_coda, fine : bool
    jump : Jump or None
    is_sign : bool
        The coda is only a sign: it may stand where the coda begins, and where one leaves for it.
    """

    segno: bool = False
    coda: bool = False
    to_coda: bool = False
    fine: bool = False
    jump: Jump | None = None
    is_sign: bool = False


def read_words(text: str) -> Said:
    """Read a text above a score.

    Parameters
    ----------
    text : str
        As it is written; a sign as one of Unicode or SMuFL, or as `SEGNO` and `CODA`.

    Returns
    -------
    Said
        Nothing of any other text.
    """
    for pattern, sign in _SIGNS:
        text = pattern.sub(sign, text)
    text = " ".join(text.casefold().split())
    if not text or len(text) > _LONGEST or _MANNER.search(text):
        return Said()
    if found := _JUMP.search(text):
        return Said(jump=_jump(bool(found["segno"]), text[found.end() :]))
    if _FINE.fullmatch(text):
        return Said(fine=True)
    if _TO_CODA.fullmatch(text):
        return Said(to_coda=True)
    if _CODA.fullmatch(text):
        return Said(coda=True, is_sign="coda" not in text)
    return Said(segno=bool(_SEGNO.fullmatch(text)))


def _jump(to_segno: bool, rest: str) -> Jump:
    """Read what follows "D.C." or "D.S."."""
    until: Until = ""
    has_coda = "coda" in rest or CODA in rest
    if _TO_FINE.search(rest):
        until = "fine"
    elif _TO_SEGNO.search(rest):
        until = "segno"
    elif has_coda:
        until = "coda"
    return Jump(
        to_segno,
        until=until,
        then_coda=has_coda and until != "coda",
        with_repeats=bool(_WITH_REPEATS.search(rest)),
    )

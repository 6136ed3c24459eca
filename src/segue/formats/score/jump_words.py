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
_ALONE: Final = r"(?=\W*$|\W+(?:hasta|jusqu|et|e|y|a|al|à|ao|até)\b)"  # not "au début lent"
#: Where a replay begins: words alone, and words that count only where a text begins with them.
_DA_CAPO: Final = (
    r"d\s?\.\s?c\b\.?|dc\b|da\s?-?capo\b|dal capo\b|desde el (?:principio|comienzo)\b"
    r"|(?:from|back to) (?:the )?(?:beginning|start|top)\b(?! of)|od (?:początku|začátku)\b"
    r"|(?:с начала|сначала)\b|vanaf het begin\b|fra begyn\w+|från början\b|最初から|はじめから"
    r"|^(?:(?:noch ?mals? )?(?:von vorn|vom anfang)e?|capo al|alusta|van het begin)\b"
    rf"|^(?:(?:reprendre|reprise|retour|revenir) )?(?:au|du) (?:commencement|d[ée]but){_ALONE}"
    rf"|^(?:(?:volver|vuelta|repetir) )?al (?:principio|comienzo){_ALONE}"
    rf"|^(?:(?:volta|voltar|repetir) )?(?:ao|do) (?:in[íi]cio|come[çc]o|princ[íi]pio){_ALONE}"
)
_SIGN: Final = rf"(?:(?:segno|signo?|signe|sign|sinal|zeichen|teken|s\.)(?!\w)|{SEGNO})"
_DAL_SEGNO: Final = (
    r"d\s?\.\s?s\b\.?|ds\b|d\.\s?%"
    rf"|(?:dal?|del|du|from|vom|vanaf|do|desde el|back to) (?:the |het )?{_SIGN}"
    rf"|(?:d\.?|dal)\s?{SEGNO}|d\.\s?{_SIGN}|от знака\b|od znaku\b|fra tegnet\b|från tecknet\b"
    rf"|^(?:(?:reprendre|reprise|retour|volver|volta|voltar) )?(?:al|ao|au|to)\s(?:the )?{_SIGN}"
)
_JUMP: Final = re.compile(rf"(?<!\w)(?:(?P<capo>{_DA_CAPO})|(?P<segno>{_DAL_SEGNO}))")
#: Such words, and these with them, are about how to play.
_MANNER: Final = re.compile(
    r"\b(?:tempo|cresc|decresc|dim|(?<!senza )(?<!con )rit|rall|accel|sempre|poco|morendo"
    r"|wie (?:im|zu)|come)\b"
)
_END: Final = r"fine|fin|ende?|fim|final|schlu(?:ss|ß)|koniec|konec|конец|einde|slut|loppu"
_FINE: Final = re.compile(
    rf"\W*(?:{_END.replace('|final', '')}|the end)\b\W*"
    r"(?:\(.{0,20}\)|(?:2nd|3rd|last|second|third) time(?: only)?|(?:the )?last\b)?\W*"
)
_TO_FINE: Final = re.compile(rf"\b(?:{_END}|конца)\b")
_TO_SEGNO: Final = re.compile(
    rf"\b(?:al|bis|to|au|fino al?) (?:the |zum )?(?:segno|sign\w*|{SEGNO})"
)
_CODA: Final = re.compile(rf"\W*(?:(?:the )?coda\b|{CODA})\W*(?:{CODA}|coda)?\W*")
_TO_CODA: Final = re.compile(
    rf"\W*(?:go |salta |aller )?(?:to|al|alla|zur|zum|[àa] la|al la|ao|para a?|till|vers la|naar)"
    rf" (?:the )?(?:coda|{CODA})\W*(?:{CODA}|coda)?\W*(?:\(.{{0,20}}\))?\W*"
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

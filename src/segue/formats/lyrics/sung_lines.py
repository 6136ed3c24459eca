"""Where the lines of sung words end: at punctuation, at rests, and where a note is held.

Capitals alone say nothing: German gives them to every noun. They count where most of them stand
after punctuation, a rest or a held note, as those of lines of verse do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

_QUOTES: Final = "\"'”’»)"
_OPENING: Final = "\"'“‘„«("
#: What speaks for the end of a line after a word; without anything there is none.
_STOP: Final = 3.0  # . ! ? ; :
_COMMA: Final = 1.2
_REST: Final = 1.5  # of a quarter or longer; shorter ones in proportion
_HELD: Final = 1.2  # at least so many times as long as the median syllable:
_HELD_TIMES: Final = 2.0
_CAPITAL: Final = 1.3
#: Share of the capitals that stand after such evidence, where they are those of lines.
_CAPITALS_OF_LINES: Final = 0.7
#: What a line costs; one of fewer or more words costs more by each.
_LINE: Final = 1.0
_FEWEST: Final = 4
_MOST: Final = 9
_SHORT: Final = 0.7
_LONG: Final = 0.25
_LONGEST: Final = 24


@dataclass(slots=True)
class SungWord:
    """A word, and what is sung of it.

    Attributes
    ----------
    text : str
    length : float
        Of its last syllable, in quarters, with all notes that it is sung on.
    rest : float
        After it, in quarters.
    ends : str
        Line ends that the score writes after it.
    """

    text: str
    length: float = 0.0
    rest: float = 0.0
    ends: str = ""


def divided(words: Sequence[SungWord]) -> str:
    """Divide sung words into lines.

    Parameters
    ----------
    words : sequence of SungWord
        Of one verse.

    Returns
    -------
    str
        Where the score writes ends of lines, those; else the division that the evidence
        (punctuation, rests, held notes) speaks most for, with lines of usual lengths.
    """
    if any(word.ends for word in words):
        return "".join(word.text + (word.ends or " ") for word in words)
    ends = _best_ends(_evidence(words))
    lines = [words[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    return "\n".join(" ".join(word.text for word in line) for line in lines)


def _evidence(words: Sequence[SungWord]) -> list[float]:
    """Return what speaks for the end of a line after each word."""
    usual = median(word.length for word in words) or 1.0
    found = []
    for word in words:
        last = word.text.rstrip(_QUOTES)[-1:]
        told = _STOP if last and last in ".!?;:" else _COMMA if last == "," else 0.0
        told += _REST * min(word.rest, 1.0)
        told += _HELD * (word.length >= _HELD_TIMES * usual)
        found.append(told)
    capitals = [number for number in range(1, len(words)) if _has_capital(words[number].text)]
    of_lines = sum(found[number - 1] > 0 for number in capitals)
    if capitals and of_lines >= _CAPITALS_OF_LINES * len(capitals):
        for number in capitals:
            found[number - 1] += _CAPITAL
    return found


def _best_ends(evidence: Sequence[float]) -> list[int]:
    """Return where lines end: the division whose evidence, less what its lines cost, is most."""
    n = len(evidence)
    best = [0.0] + [float("-inf")] * n
    begins = [0] * (n + 1)
    for end in range(1, n + 1):
        told = evidence[end - 1] if end < n else 0.0
        if end < n and not told:
            continue
        for start in range(max(0, end - _LONGEST), end) if end < n else range(end):
            count = end - start
            cost = _LINE + _SHORT * max(_FEWEST - count, 0) + _LONG * max(count - _MOST, 0)
            if best[start] + told - cost > best[end]:
                best[end], begins[end] = best[start] + told - cost, start
    ends = [n]
    while begins[ends[-1]]:
        ends.append(begins[ends[-1]])
    return ends[::-1]


def _has_capital(word: str) -> bool:
    """Tell whether a word begins with one that tells something: the English "I" does not."""
    letters = word.lstrip(_OPENING)
    return letters[:1].isupper() and letters.partition("'")[0].rstrip(",.;!?") not in {"I", "O"}

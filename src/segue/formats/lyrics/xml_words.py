"""Words of MusicXML: the syllables under the notes, put together to words, lines and verses."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Final
from xml.parsers import expat

from segue.errors import Unreadable
from segue.formats.score.music_xml_file import unpacked

_OPEN: Final = frozenset(["begin", "middle"])  # syllables that more of the word follows
_STOPS: Final = (".", "!", "?", ";", ":", ",")
_SHORTEST: Final = 3  # words of a line that ends with a comma
_NOUNS: Final = 0.22  # of the words have capitals, where a language gives them to nouns
_LONGEST: Final = 14  # words of a line without a stop


@dataclass(slots=True)
class _Reading:
    """What expat tells while it reads."""

    parts: list[dict[str, list[str]]] = field(default_factory=list)  # by verse: words, "\n"
    verse: str = "1"
    within: str = ""
    syllabic: str = "single"
    open: dict[str, bool] = field(default_factory=lambda: defaultdict(bool))
    syllable: str = ""
    in_lyric: bool = False
    ends: str = ""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        name = self.within = name.rpartition(":")[2]  # without the prefix of a namespace
        if name == "part":
            self.parts.append(defaultdict(list))
            self.open.clear()
        elif name == "lyric":
            self.in_lyric, self.syllable, self.syllabic, self.ends = True, "", "single", ""
            self.verse = attributes.get("number", "1")
        elif self.in_lyric and name == "elision":
            self.syllable += "‿"
        elif self.in_lyric and name in {"end-line", "end-paragraph"}:
            self.ends = "\n" if name == "end-line" else "\n\n"

    def text(self, text: str) -> None:
        if self.in_lyric and self.within == "text":
            self.syllable += text
        elif self.in_lyric and self.within == "syllabic" and text.strip():
            self.syllabic = text.strip()

    def end(self, name: str) -> None:
        self.within = ""
        if name.rpartition(":")[2] == "lyric" and self.parts:
            self.in_lyric = False
            self._add()

    def _add(self) -> None:
        words = self.parts[-1][self.verse]
        for number, text in enumerate(self.syllable.replace("‿", " ").split()):
            if number == 0 and self.open[self.verse] and words:
                words[-1] += text
            elif words and len(words[-1]) > 1 and words[-1].endswith("-") and text.islower():
                words[-1] = words[-1][:-1] + text
            else:
                words.append(text)
        if self.syllable.strip():
            self.open[self.verse] = self.syllabic in _OPEN
        if self.ends and words:
            words[-1] += self.ends

    def declared(self, *_: Any) -> None:
        raise Unreadable("XML that declares entities, which Segue does not follow; save it anew")


def xml_words(content: bytes) -> str:
    """Read the words of a MusicXML file, of the part that has most; "" where it has none.

    Parameters
    ----------
    content : bytes
        Plain, or compressed (.mxl).

    Returns
    -------
    str
        Verse by verse, an empty line between. Scores seldom say where a line ends: else it
        does at a full stop and the like, and before a capital, but where nouns have capitals
        only before one after a comma.

    Raises
    ------
    Unreadable
        It is damaged or unsafe.
    """
    reading = _Reading()
    parser = expat.ParserCreate("utf-8")
    parser.StartElementHandler = reading.start
    parser.EndElementHandler = reading.end
    parser.CharacterDataHandler = reading.text
    parser.EntityDeclHandler = reading.declared
    try:
        parser.Parse(unpacked(content), True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise Unreadable(f"damaged XML ({error})") from None
    most = max(reading.parts, key=lambda part: sum(map(len, part.values())), default={})
    return "\n\n".join(_lines(words) for _, words in sorted(most.items()) if words)


def _lines(words: list[str]) -> str:
    if any(word.endswith("\n") for word in words):
        return "".join(word if word.endswith("\n") else word + " " for word in words)
    capitals = sum(_has_capital(word) for word in words) / len(words)
    lines: list[list[str]] = [[]]
    for word in words:
        line = lines[-1]
        stopped = bool(line) and line[-1].rstrip("\"'”’»)").endswith(_STOPS)
        comma = stopped and line[-1].rstrip("\"'”’»)").endswith(",")
        capital = _has_capital(word)
        fits = (stopped and (not comma or capital)) or (capital and capitals < _NOUNS)
        if (fits and len(line) >= _SHORTEST and word[0] not in "»”)") or (
            len(line) >= _LONGEST and capital
        ):
            lines.append([])
        lines[-1].append(word)
    return "\n".join(" ".join(line) for line in lines)


def _has_capital(word: str) -> bool:
    """Tell whether a word begins with one that tells something: the English "I" does not."""
    letters = word.lstrip("\"'“‘„«(")
    return letters[:1].isupper() and letters.partition("'")[0].rstrip(",.;!?") not in {"I", "O"}

"""Words of MusicXML: the syllables under the notes, put together to words, lines and verses."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Final
from xml.parsers import expat

from segue.errors import Unreadable
from segue.formats.lyrics.sung_lines import SungWord, divided
from segue.formats.score.music_xml_file import unpacked

_OPEN: Final = frozenset(["begin", "middle"])  # syllables that more of the word follows


@dataclass(slots=True)
class _Note:
    """What a note of the file says, while it is read."""

    voice: str = "1"
    duration: float = 0.0
    is_rest: bool = False
    is_chord: bool = False
    lyrics: list["_Lyric"] = field(default_factory=list)


@dataclass(slots=True)
class _Lyric:
    """A syllable under a note, of a verse."""

    verse: str
    text: str = ""
    syllabic: str = "single"
    ends: str = ""


@dataclass(slots=True)
class _Reading:
    """What expat tells while it reads."""

    parts: list[dict[str, list[SungWord]]] = field(default_factory=list)  # by verse
    divisions: float = 1.0
    note: _Note | None = None
    lyric: _Lyric | None = None
    within: str = ""
    told: str = ""  # the text of the element that is read
    open: dict[str, bool] = field(default_factory=lambda: defaultdict(bool))
    last: dict[str, list[SungWord]] = field(default_factory=dict)  # by voice: what it sang last

    def start(self, name: str, attributes: dict[str, str]) -> None:
        name = self.within = name.rpartition(":")[2]  # without the prefix of a namespace
        self.told = ""
        if name == "part":
            self.parts.append(defaultdict(list))
            self.open.clear()
            self.last.clear()
        elif name == "note":
            self.note = _Note()
        elif self.note and name == "rest":
            self.note.is_rest = True
        elif self.note and name == "chord":
            self.note.is_chord = True
        elif self.note and name == "lyric":
            self.lyric = _Lyric(attributes.get("number", "1"))
            self.note.lyrics.append(self.lyric)
        elif self.lyric and name == "elision":
            self.lyric.text += "‿"
        elif self.lyric and name in {"end-line", "end-paragraph"}:
            self.lyric.ends = "\n" if name == "end-line" else "\n\n"

    def text(self, text: str) -> None:
        if self.lyric and self.within == "text":
            self.lyric.text += text
        elif self.within in {"syllabic", "duration", "divisions", "voice"}:
            self.told += text

    def end(self, name: str) -> None:
        name = name.rpartition(":")[2]
        told = self.told.strip()
        if name == "divisions":
            self.divisions = _number(told) or 1.0
        elif name == "duration" and self.note:
            self.note.duration = _number(told) / self.divisions
        elif name == "voice" and self.note and told:
            self.note.voice = told
        elif name == "syllabic" and self.lyric and told:
            self.lyric.syllabic = told
        elif name == "lyric":
            self.lyric = None
        elif name == "note":
            if self.note and self.parts:
                self._sing(self.note)
            self.note = None
        self.within = self.told = ""

    def _sing(self, note: _Note) -> None:
        before = self.last.get(note.voice, [])
        if note.is_rest:
            for word in before:
                word.rest += note.duration
        elif not note.lyrics and not note.is_chord:
            for word in before:
                word.length += note.duration * (word.rest == 0)  # a melisma
        sung = [word for lyric in note.lyrics for word in self._add(lyric, note.duration)]
        if sung:
            self.last[note.voice] = sung

    def _add(self, lyric: _Lyric, duration: float) -> list[SungWord]:
        words = self.parts[-1][lyric.verse]
        for number, text in enumerate(lyric.text.replace("‿", " ").split()):
            before = words[-1].text if words else ""
            if number == 0 and self.open[lyric.verse] and words:
                words[-1].text += text
            elif len(before) > 1 and before.endswith("-") and text.islower():
                words[-1].text = before[:-1] + text
            else:
                words.append(SungWord(text))
        if not lyric.text.strip() or not words:
            return []
        self.open[lyric.verse] = lyric.syllabic in _OPEN
        words[-1].length, words[-1].rest = duration, 0.0
        words[-1].ends = lyric.ends or words[-1].ends
        return [words[-1]]

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
        Verse by verse, an empty line between. Scores seldom say where a line ends: else
        `segue.formats.lyrics.sung_lines` divides them.

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
    return "\n\n".join(divided(words) for _, words in sorted(most.items()) if words)


def _number(text: str) -> float:
    try:
        return max(float(text), 0.0)
    except ValueError:
        return 0.0  # what reads the notes says what is wrong

"""Lyrics in scores: MIDI, MusicXML, ABC and Humdrum.

Syllables under the notes of a score are joined to words. Scores seldom have line breaks: these are
estimated from punctuation, rests, held notes and capitals.
"""

import html
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any, Final
from xml.parsers import expat

from segue.errors import Unreadable
from segue.io.abc_elements import decode_text, strip_comment
from segue.io.abc_read import Tune, split_tune_book
from segue.io.encodings import decode
from segue.io.kern_read import UNITS_PER_QUARTER, SpinePart, SpineReader, parse_token
from segue.io.lyrics import clean_song
from segue.io.lyrics_text import PLAIN_TEXT, TextOptions
from segue.io.midi import decode_texts
from segue.io.midi_events import read_smf
from segue.io.musicxml_elements import decompress
from segue.text import clean

# --- MIDI ---

#: Scripts without spaces between words: Thai, kana, Chinese.
_UNSPACED: Final = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]\W*$")


def midi_lyrics(content: bytes) -> str:
    r"""Read the lyrics of a MIDI file; "" for none.

    They are the lyric events (MIDI 1.0, meta event 5; line breaks by RP-017) of the track with
    most of them, else the text events of a karaoke file: ``/`` begins a line, ``\`` a verse, and
    ``@`` information about the file.

    Raises
    ------
    Unreadable
        The file is damaged, or not MIDI.
    """
    _, tracks = read_smf(content)
    texts = [text.replace("\t", " ") for text in decode_texts(tracks).syllables]
    return "\n".join(line.strip() for line in _join_syllables(texts).split("\n"))


def _join_syllables(texts: list[str]) -> str:
    """Join syllables to words.

    If no syllable begins or ends with a space, those with a final hyphen are continued, and others
    end a word. Otherwise spaces separate words, and a hyphen is part of the word ("la-la") if
    most continued syllables have none.
    """
    texts = [text.replace("\r\n", "\n").replace("\r", "\n") for text in texts]
    spaced = any(text[:1] in " /\\" or text[-1:] in " \n" for text in texts)
    continued = [
        _ends_in_letter(text) and following[:1].isalpha() for text, following in pairwise(texts)
    ]
    hyphens = [
        text.endswith("-")
        for text, is_continued in zip(texts, continued, strict=False)
        if is_continued
    ]
    hyphen_joins = not spaced or 2 * sum(hyphens) > len(hyphens)
    parts = []
    for text in texts:
        part = text
        if part.startswith(("\\", "/")):
            part = ("\n\n" if part[0] == "\\" else "\n") + part[1:]
        if hyphen_joins and _ends_in_letter(text) and part.endswith("-"):
            parts.append(part[:-1])
        else:
            parts.append(part if spaced or _UNSPACED.search(part) else part + " ")
    return "".join(parts)


def _ends_in_letter(text: str) -> bool:
    """Return whether a syllable ends in a letter, ignoring a final hyphen."""
    return text.removesuffix("-")[-1:].isalpha()


# --- division of sung words into lines ---

_QUOTES: Final = "\"'”’»)"
_OPENING: Final = "\"'“‘„«("
# Evidence for a line break after a word.
_STOP: Final = 3.0  # . ! ? ; :
_COMMA: Final = 1.2
_REST: Final = 1.5  # of a quarter note or longer; shorter ones in proportion
_HELD: Final = 1.2  # a note of at least `_HELD_FACTOR` times the median duration
_HELD_FACTOR: Final = 2.0
_CAPITAL: Final = 1.3
#: Minimum share of capitals after other evidence, for capitals to count as evidence.
_CAPITALS_AFTER_EVIDENCE: Final = 0.7
# Cost of a line, and of each word below and above the common numbers of words.
_LINE: Final = 1.0
_MIN_WORDS: Final = 4
_MAX_WORDS: Final = 9
_SHORT: Final = 0.7
_LONG: Final = 0.25
_LONGEST_LINE: Final = 24


@dataclass(slots=True)
class SungWord:
    """A sung word.

    Attributes
    ----------
    text : str
    length : float
        Duration of its last syllable in quarter notes, including melismas.
    rest : float
        Duration of the following rest in quarter notes.
    ends : str
        Line breaks after it in the score.
    """

    text: str
    length: float = 0.0
    rest: float = 0.0
    ends: str = ""


def split_lines(words: Sequence[SungWord]) -> str:
    """Divide sung words into lines.

    Capitals count as evidence only if most of them follow other evidence, as in verse: in German,
    every noun has one.

    Parameters
    ----------
    words : sequence of SungWord
        The words of one verse.

    Returns
    -------
    str
        With the line breaks of the score if there are any, else with the breaks that maximise the
        evidence (punctuation, rests, held notes) minus the cost of unusual line lengths.
    """
    if any(word.ends for word in words):
        return "".join(word.text + (word.ends or " ") for word in words)
    ends = _best_ends(_evidence(words))
    lines = [words[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    return "\n".join(" ".join(word.text for word in line) for line in lines)


def _evidence(words: Sequence[SungWord]) -> list[float]:
    """Return the evidence for a line break after each word."""
    typical = median(word.length for word in words) or 1.0
    evidence = []
    for word in words:
        last = word.text.rstrip(_QUOTES)[-1:]
        score = _STOP if last and last in ".!?;:" else _COMMA if last == "," else 0.0
        score += _REST * min(word.rest, 1.0)
        score += _HELD * (word.length >= _HELD_FACTOR * typical)
        evidence.append(score)
    capitals = [i for i in range(1, len(words)) if _has_capital(words[i].text)]
    supported = sum(evidence[i - 1] > 0 for i in capitals)
    if capitals and supported >= _CAPITALS_AFTER_EVIDENCE * len(capitals):
        for i in capitals:
            evidence[i - 1] += _CAPITAL
    return evidence


def _best_ends(evidence: Sequence[float]) -> list[int]:
    """Return the ends of lines with the highest evidence minus cost, by dynamic programming."""
    n = len(evidence)
    best = [0.0] + [float("-inf")] * n
    starts = [0] * (n + 1)
    for end in range(1, n + 1):
        score = evidence[end - 1] if end < n else 0.0
        if end < n and not score:
            continue
        for start in range(max(0, end - _LONGEST_LINE), end) if end < n else range(end):
            count = end - start
            cost = _LINE + _SHORT * max(_MIN_WORDS - count, 0) + _LONG * max(count - _MAX_WORDS, 0)
            if best[start] + score - cost > best[end]:
                best[end], starts[end] = best[start] + score - cost, start
    ends = [n]
    while starts[ends[-1]]:
        ends.append(starts[ends[-1]])
    return ends[::-1]


def _has_capital(word: str) -> bool:
    """Return whether a word begins with a capital, except for "I" and "O"."""
    letters = word.lstrip(_OPENING)
    return letters[:1].isupper() and letters.partition("'")[0].rstrip(",.;!?") not in {"I", "O"}


# --- MusicXML ---

_UNFINISHED: Final = frozenset(["begin", "middle"])  # values of syllabic within a word


@dataclass(slots=True)
class _Note:
    """A note while it is read."""

    voice: str = "1"
    duration: float = 0.0
    is_rest: bool = False
    is_chord: bool = False
    lyrics: list["_Lyric"] = field(default_factory=list)


@dataclass(slots=True)
class _Lyric:
    """A syllable of a verse under a note."""

    verse: str
    text: str = ""
    syllabic: str = "single"
    ends: str = ""


@dataclass(slots=True)
class _MusicXmlHandler:
    """State and event handlers of the XML parser."""

    parts: list[dict[str, list[SungWord]]] = field(default_factory=list)  # by verse
    divisions: float = 1.0
    note: _Note | None = None
    lyric: _Lyric | None = None
    element: str = ""
    content: str = ""  # text of the current element
    open: dict[str, bool] = field(default_factory=lambda: defaultdict(bool))
    last: dict[str, list[SungWord]] = field(default_factory=dict)  # the last words, by voice

    def start(self, name: str, attributes: dict[str, str]) -> None:
        name = self.element = name.rpartition(":")[2]  # without the prefix of a namespace
        self.content = ""
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
        if self.lyric and self.element == "text":
            self.lyric.text += text
        elif self.element in {"syllabic", "duration", "divisions", "voice"}:
            self.content += text

    def end(self, name: str) -> None:
        name = name.rpartition(":")[2]
        content = self.content.strip()
        if name == "divisions":
            self.divisions = _number(content) or 1.0
        elif name == "duration" and self.note:
            self.note.duration = _number(content) / self.divisions
        elif name == "voice" and self.note and content:
            self.note.voice = content
        elif name == "syllabic" and self.lyric and content:
            self.lyric.syllabic = content
        elif name == "lyric":
            self.lyric = None
        elif name == "note":
            if self.note and self.parts:
                self._sing(self.note)
            self.note = None
        self.element = self.content = ""

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
        self.open[lyric.verse] = lyric.syllabic in _UNFINISHED
        words[-1].length, words[-1].rest = duration, 0.0
        words[-1].ends = lyric.ends or words[-1].ends
        return [words[-1]]

    def declared(self, *_: Any) -> None:
        raise Unreadable("XML that declares entities, which Segue does not follow; save it again")


def musicxml_lyrics(content: bytes) -> str:
    """Read the lyrics of a MusicXML file, from the part with most words; "" for none.

    Parameters
    ----------
    content : bytes
        Content of a plain or compressed (.mxl) file.

    Returns
    -------
    str
        Verses, separated by empty lines. Line breaks are those of the score, or estimated by
        `split_lines`.

    Raises
    ------
    Unreadable
        The file is damaged or unsafe.
    """
    handler = _MusicXmlHandler()
    parser = expat.ParserCreate("utf-8")
    parser.StartElementHandler = handler.start
    parser.EndElementHandler = handler.end
    parser.CharacterDataHandler = handler.text
    parser.EntityDeclHandler = handler.declared
    try:
        parser.Parse(decompress(content), True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise Unreadable(f"damaged XML ({error})") from None
    most = max(handler.parts, key=lambda part: sum(map(len, part.values())), default={})
    return "\n\n".join(split_lines(words) for _, words in sorted(most.items()) if words)


def _number(text: str) -> float:
    try:
        return max(float(text), 0.0)
    except ValueError:
        return 0.0  # the error is reported when the notes are read


# --- ABC ---

_FIELD: Final = re.compile(r"\s*\[?([A-Za-z]):[ \t]*(.*)$")
_HYPHEN: Final = "\u2010"  # a literal hyphen, written \-
_DIVISION: Final = re.compile(r"\s*-[-\s_*|]*")
_NO_SYLLABLE: Final = re.compile(r"[_*|\s]+")
_CONTINUED: Final = re.compile(r"-\n|-$")  # a word that is continued on the next line
_VERSE_NUMBER: Final = re.compile(r"\s*\d{1,2}[.)][~\s]*")


def abc_lyrics(content: bytes) -> list[str]:
    """Read the lyrics of each tune of an ABC file; "" for tunes without lyrics.

    Parameters
    ----------
    content : bytes

    Returns
    -------
    list of str
        Verses, separated by empty lines: first those under the notes (w:) of the voice with most
        words, one line for each line of music, then those after the tune (W:).

    Raises
    ------
    Unreadable
        The content is not ABC.
    """
    return [_tune_lyrics(tune) for tune in split_tune_book(content)]


def _tune_lyrics(tune: Tune) -> str:
    voices: dict[str, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    after: list[str] = []
    voice, verse, in_music = "", 0, False
    for line in tune.lines:
        if line.startswith("%"):
            continue
        field = _FIELD.match(line)
        kind, value = (field[1], strip_comment(field[2])) if field else ("", "")
        if kind == "V":
            voice = next(iter(value.rstrip("]").split()), voice)
        is_music = in_music and line.strip() and (not field or line.lstrip().startswith("["))
        in_music |= kind == "K"
        if is_music:
            verse = 0
        elif kind == "w":
            verse += 1
            voices[voice][verse].append(_join_abc_syllables(value))
        elif kind == "W":
            after.append(decode_text(value))
    most = max(voices.values(), key=lambda verses: sum(map(_length, verses.values())), default={})
    verses = [_CONTINUED.sub("", "\n".join(filter(None, rows))) for _, rows in sorted(most.items())]
    return "\n\n".join(filter(None, [*verses, "\n".join(after).strip()]))


def _join_abc_syllables(raw: str) -> str:
    """Join the syllables of a line to words."""
    text = decode_text(raw.replace(r"\-", _HYPHEN).rstrip("\\"))
    text = _VERSE_NUMBER.sub("", text, count=1)
    continuation = "-" if _DIVISION.search(text + "\n", len(text.rstrip("-_*| \t"))) else ""
    text = _NO_SYLLABLE.sub(" ", _DIVISION.sub("", text).replace("~", " "))
    return text.replace(_HYPHEN, "-").strip() + continuation


def _length(lines: list[str]) -> int:
    return sum(map(len, lines))


# --- Humdrum ---

_KINDS: Final = frozenset(["**text", "**silbe", "**lyrics"])
#: Tokens of notes that continue the previous syllable.
_MELISMA: Final = frozenset(["_", "|", "-", ""])


def kern_lyrics(content: bytes) -> str:
    """Read the lyrics of a Humdrum file, from the part with most words; "" for none.

    Parameters
    ----------
    content : bytes

    Returns
    -------
    str
        Verses, separated by empty lines, with line breaks estimated by `split_lines`.

    Raises
    ------
    Unreadable
        The number of columns of a line differs from the number of spines.
    """
    text = decode(content)
    if not any(kind in text for kind in _KINDS):
        return ""
    reader = _WordReader()
    reader.read_all(text)
    verses = reader.verses.values()
    most = max(verses, key=lambda part: sum(map(len, part.values())), default={})
    return "\n\n".join(split_lines(words) for _, words in sorted(most.items()) if words)


class _WordReader(SpineReader):
    """Reads syllables together with the durations of their notes and of rests.

    A text spine belongs to the notes on its left; a second one there is a second verse.
    """

    def __init__(self) -> None:
        super().__init__()
        self.sung: dict[int, tuple[SpinePart | None, int]] = {}  # part and verse by column
        self.verses: dict[SpinePart | None, dict[int, list[SungWord]]] = defaultdict(
            lambda: defaultdict(list)
        )

    def begin(self, cells: Sequence[str]) -> None:
        """Open the spines."""
        super().begin(cells)
        part, verse = None, 0
        for spine, cell in zip(self.spines, cells, strict=True):
            if spine.part:
                part, verse = spine.part, 0
            elif cell in _KINDS:
                verse += 1
                self.sung[spine.column] = part, verse

    def sound(self, cells: Sequence[str]) -> None:
        """Read a line of notes and syllables."""
        super().sound(cells)
        lengths: dict[
            SpinePart | None, tuple[float, bool]
        ] = {}  # duration, and whether it is a rest
        for spine, cell in zip(self.spines, cells, strict=True):
            if spine.part and spine.part not in lengths and cell != ".":
                duration, sounds = parse_token(cell)
                if duration:
                    lengths[spine.part] = duration / UNITS_PER_QUARTER, not sounds
        seen: set[int] = set()  # of a split text spine, only the first column is read
        for spine, cell in zip(self.spines, cells, strict=True):
            if spine.column in self.sung and spine.column not in seen:
                seen.add(spine.column)
                part, verse = self.sung[spine.column]
                words = self.verses[part][verse]
                length, is_rest = lengths.get(part, (0.0, False))
                syllable = "" if cell == "." else clean(html.unescape(cell))
                if syllable not in _MELISMA:
                    _add(words, syllable, length)
                elif words and is_rest:
                    words[-1].rest += length
                elif words and not words[-1].rest:
                    words[-1].length += length


def _add(words: list[SungWord], syllable: str, length: float) -> None:
    """Add a syllable; a hyphen at its start or before it joins it to the last word."""
    for number, text in enumerate(syllable.split()):
        is_joined = words and (text.startswith("-") or words[-1].text.endswith("-"))
        if number == 0 and is_joined:
            words[-1].text = words[-1].text.removesuffix("-") + text.removeprefix("-")
        else:
            words.append(SungWord(text))
        words[-1].length, words[-1].rest = length, 0.0


# --- files ---

_READERS: Final[dict[str, Callable[[bytes], str]]] = {
    **dict.fromkeys((".mid", ".midi", ".rmi", ".kar"), midi_lyrics),
    **dict.fromkeys((".musicxml", ".xml", ".mxl"), musicxml_lyrics),
    ".krn": kern_lyrics,
}


def lyrics_in_score(path: Path, form: TextOptions = PLAIN_TEXT) -> tuple[str, ...]:
    """Read the lyrics of the tunes of a score file.

    Returns
    -------
    tuple of str
        One text for each tune of `segue.io.scores.read_scores`, see `segue.records.Lyrics.text`;
        "" for tunes without lyrics. Empty for an unreadable file.
    """
    suffix = path.suffix.lower()
    if suffix != ".abc" and suffix not in _READERS:
        return ()
    try:
        content = path.read_bytes()
        texts = abc_lyrics(content) if suffix == ".abc" else [_READERS[suffix](content)]
    except (Unreadable, OSError):
        return ()  # the error is reported when the notes are read
    return tuple(clean_song(text, form) for text in texts)

"""Lyrics inside music files: audio tags, MIDI lyric events, MusicXML syllables.

Words in a recording's tags: which of several texts is what is sung, and not a translation.

Words of MIDI files: lyric events, and the texts of karaoke files (.kar).

Where the lines of sung words end: at punctuation, at rests, and where a note is held.

Capitals alone say nothing: German gives them to every noun. They count where most of them stand
after punctuation, a rest or a held note, as those of lines of verse do.

Words of MusicXML: the syllables under the notes, put together to words, lines and verses.

Words of ABC tunes: syllables under the notes (w:) and verses after them (W:).

Words of Humdrum files: the syllables of **text beside the notes of **kern.

Words that music carries along: in the tags of recordings, and under the notes of scores.
"""

import html
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any, Final
from xml.parsers import expat

from segue.errors import Unreadable
from segue.io.abc_fields import text_of, without_comment
from segue.io.abc_read import Tune, tunes_of
from segue.io.encodings import decode
from segue.io.kern_read import PER_QUARTER, SpinePart, SpineReader, read_data
from segue.io.lyrics import read_single_text
from segue.io.lyrics_text import PLAIN_TEXT, TextOptions, apply_options, normalise_layout
from segue.io.midi import texts_of
from segue.io.midi_file import read_smf
from segue.io.musicxml_elements import unpacked
from segue.io.tags import mutagen_tags
from segue.text import clean, normalise

# --- tag words ---

#: What MP4, Vorbis comments, APE, Windows Media and ID3's own texts call them, in lower case;
#: a language may follow, "lyrics-eng".
_NAME: Final = re.compile(
    r"(?:txxx:|----:com\.apple\.itunes:|wm/)?"
    r"(?:©lyr|(?:unsynced|unsynchronised|synced|synchronised)?[ _-]?lyrics?)(?P<rest>[ :_-].*)?"
)
_LANGUAGE: Final = re.compile(r"[ :_-]+([a-z]{2,3})(?:[ :_-].*)?")
#: What says that a text is not what is sung, but what it means, or how it is spoken.
_TRANSLATION: Final = re.compile(
    r"transl|überse|uebers|traduc|traduz|tradu[cç]|перевод|переклад|tłumacz|preklad|překlad|"
    r"翻訳|翻译|翻譯|번역|meaning|roman|romaji|pinyin|phonetic|interlinear",
    re.IGNORECASE,
)
_ORIGINAL: Final = re.compile(r"origin", re.IGNORECASE)
_ANY_LANGUAGE: Final = frozenset(["", "xxx", "und", "mul"])
#: What programs write into frames of whatever language.
_USUAL_LANGUAGE: Final = frozenset(["eng", "en"])
#: A description that names a language and nothing else.
_CODE: Final = re.compile(r"[A-Za-z]{3}")
_LONG_TITLE: Final = 4  # letters
_LATIN_1: Final = 0  # of an ID3 frame
_WORDS_OF_LINE: Final = 2


@dataclass(frozen=True, slots=True)
class _Text:
    text: str
    about: str = ""  # description or name
    language: str = ""
    synchronised: bool = False


def lyrics_in_tags(path: Path) -> str:
    """Read the words in a recording's tags.

    Parameters
    ----------
    path : Path

    Returns
    -------
    str
        As they stand there; "" for none. Of several the one that calls itself the original, or
        is in the song's language (ID3's TLAN), or in the script of its title, or sings its title,
        or is not in English; never a translation where there is another; else the first.
    """
    for tags in mutagen_tags(path):
        if texts := [text for text in _texts(tags) if text.text.strip()]:
            language, title = _first(tags, "TLAN"), _title(tags)
            return min(texts, key=lambda text: _preference(text, language, title)).text
    return ""


def _preference(text: _Text, language: str, title: str) -> tuple[bool, ...]:
    own = text.language
    if own in _ANY_LANGUAGE and _CODE.fullmatch(text.about.strip()):
        own = text.about.strip().lower()
    return (
        bool(_TRANSLATION.search(text.about)),
        not _ORIGINAL.search(text.about),
        bool(language) and own not in _ANY_LANGUAGE and own[:2] != language[:2],
        _script(title) not in ("", "LATIN", _script(text.text)),
        not _sings(text.text, title),
        own in _USUAL_LANGUAGE and not language,
        text.synchronised,
    )


def _sings(text: str, title: str) -> bool:
    """Tell whether a song's title is sung in a text, as it is in most songs."""
    words = normalise(title)
    return len(words) >= _LONG_TITLE and f" {words} " in f" {normalise(text)} "


def _texts(tags: Any) -> Iterator[_Text]:
    if hasattr(tags, "getall"):
        for frame in tags.getall("USLT"):
            yield _Text(_decoded(frame, str(frame.text)), frame.desc, frame.lang.lower())
        for frame in tags.getall("SYLT"):
            yield _Text(_decoded(frame, _lines(frame.text)), frame.desc, frame.lang.lower(), True)
    for name, value in tags.items() if hasattr(tags, "items") else tags:
        found = _NAME.fullmatch(str(name).lower())
        if found:
            rest = found["rest"] or ""
            language = _LANGUAGE.fullmatch(rest)
            for one in value if isinstance(value, list) else [value]:
                text = str(one) if not isinstance(one, bytes) else decode(one)
                yield _Text(text, rest, language[1] if language else "", "sync" in str(name)[:6])


def _decoded(frame: Any, text: str) -> str:
    """Decode a text anew that says it is Latin-1: programs say so that know of no encodings."""
    if frame.encoding != _LATIN_1 or text.isascii():
        return text
    language = frame.lang.lower()
    return decode(
        text.encode("latin-1", "replace"), None if language in _USUAL_LANGUAGE else language
    )


def _lines(timed: list[tuple[str, int]]) -> str:
    """Put the pieces of synchronised words together: lines, or syllables with spaces."""
    pieces = [text for text, _ in sorted(timed, key=lambda piece: piece[1])]
    if any("\n" in text or "\r" in text for text in pieces):
        return "".join(pieces)
    lines = sum(len(text.split()) >= _WORDS_OF_LINE for text in pieces)
    if 2 * lines >= len(pieces):
        return "\n".join(pieces)
    spaced = any(text != text.strip() for text in pieces)
    return ("" if spaced else " ").join(pieces)


def _title(tags: Any) -> str:
    return next(filter(None, (_first(tags, name) for name in ("TIT2", "title", "©nam"))), "")


def _first(tags: Any, name: str) -> str:
    """Return the first value of a tag in lower case; "" for none."""
    try:
        value = tags[name]
    except (KeyError, ValueError, TypeError):
        return ""
    value = getattr(value, "text", value)
    return str(value[0] if isinstance(value, list) and value else value).lower()


def _script(text: str) -> str:
    """Return the script of most letters of a text, as "LATIN"; "" without one."""
    found = Counter(unicodedata.name(c, "").partition(" ")[0] for c in text[:1000] if c.isalpha())
    name = found.most_common(1)[0][0] if found else ""
    return "CJK" if name in {"HIRAGANA", "KATAKANA"} else name


# --- midi words ---

#: Thai, kana, Chinese: written without spaces between words.
_UNSPACED: Final = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]\W*$")


def midi_lyrics(content: bytes) -> str:
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


# --- sung lines ---

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


def split_lines(words: Sequence[SungWord]) -> str:
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


# --- xml words ---

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


def musicxml_lyrics(content: bytes) -> str:
    """Read the words of a MusicXML file, of the part that has most; "" where it has none.

    Parameters
    ----------
    content : bytes
        Plain, or compressed (.mxl).

    Returns
    -------
    str
        Verse by verse, an empty line between. Scores seldom say where a line ends: else
        `segue.io.embedded_lyrics` divides them.

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
    return "\n\n".join(split_lines(words) for _, words in sorted(most.items()) if words)


def _number(text: str) -> float:
    try:
        return max(float(text), 0.0)
    except ValueError:
        return 0.0  # what reads the notes says what is wrong


# --- abc words ---

_FIELD: Final = re.compile(r"\s*\[?([A-Za-z]):[ \t]*(.*)$")
_HYPHEN: Final = "\u2010"  # one that is sung, written \-
_DIVISION: Final = re.compile(r"\s*-[-\s_*|]*")
_NO_SYLLABLE: Final = re.compile(r"[_*|\s]+")
_GOES_ON: Final = re.compile(r"-\n|-$")  # a word that the next line ends
_VERSE_NUMBER: Final = re.compile(r"\s*\d{1,2}[.)][~\s]*")


def abc_lyrics(content: bytes) -> list[str]:
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


# --- kern words ---

_KINDS: Final = frozenset(["**text", "**silbe", "**lyrics"])
#: What says that a note is sung on the syllable before it.
_HELD_TOKEN: Final = frozenset(["_", "|", "-", ""])


def kern_lyrics(content: bytes) -> str:
    """Read the words of a Humdrum file, of the part that has most; "" where it has none.

    Parameters
    ----------
    content : bytes

    Returns
    -------
    str
        Verse by verse, an empty line between, in the lines that
        `segue.io.embedded_lyrics` divides them into.

    Raises
    ------
    Unreadable
        Its lines have other numbers of columns than spines are open.
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
    """Reads syllables along with the notes: what holds these, and rests, say where lines end.

    A column of text belongs to the notes on its left; the second one there is a second verse.
    """

    def __init__(self) -> None:
        super().__init__()
        self.sung: dict[int, tuple[SpinePart | None, int]] = {}  # part and verse, by column
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
        lengths: dict[SpinePart | None, tuple[float, bool]] = {}  # and whether it is a rest
        for spine, cell in zip(self.spines, cells, strict=True):
            if spine.part and spine.part not in lengths and cell != ".":
                lasts, sounds = read_data(cell)
                if lasts:
                    lengths[spine.part] = lasts / PER_QUARTER, not sounds
        seen: set[int] = set()  # where a column of text splits, the first one counts
        for spine, cell in zip(self.spines, cells, strict=True):
            if spine.column in self.sung and spine.column not in seen:
                seen.add(spine.column)
                part, verse = self.sung[spine.column]
                words = self.verses[part][verse]
                length, is_rest = lengths.get(part, (0.0, False))
                syllable = "" if cell == "." else clean(html.unescape(cell))
                if syllable not in _HELD_TOKEN:
                    _add(words, syllable, length)
                elif words and is_rest:
                    words[-1].rest += length
                elif words and not words[-1].rest:
                    words[-1].length += length


def _add(words: list[SungWord], syllable: str, length: float) -> None:
    """Add a syllable; a hyphen at its start, or before it, makes it a part of the last word."""
    for number, text in enumerate(syllable.split()):
        goes_on = words and (text.startswith("-") or words[-1].text.endswith("-"))
        if number == 0 and goes_on:
            words[-1].text = words[-1].text.removesuffix("-") + text.removeprefix("-")
        else:
            words.append(SungWord(text))
        words[-1].length, words[-1].rest = length, 0.0


# --- embedded ---

#: Of each format, the words of each tune of a file: only ABC has more than one.
_READERS: Final[dict[str, Callable[[bytes], Sequence[str]]]] = {
    ".abc": abc_lyrics,
    ".mid": lambda content: [midi_lyrics(content)],
    ".midi": lambda content: [midi_lyrics(content)],
    ".rmi": lambda content: [midi_lyrics(content)],
    ".kar": lambda content: [midi_lyrics(content)],
    ".musicxml": lambda content: [musicxml_lyrics(content)],
    ".xml": lambda content: [musicxml_lyrics(content)],
    ".mxl": lambda content: [musicxml_lyrics(content)],
    ".krn": lambda content: [kern_lyrics(content)],
}


def lyrics_in_score(path: Path, form: TextOptions = PLAIN_TEXT) -> tuple[str, ...]:
    """Read the words that stand under the notes of a score.

    Returns
    -------
    tuple of str
        Of each tune, as `segue.io.scores.read_scores` gives them; each is as
        `segue.records.Lyrics.text`, "" where there are none. Empty for a file that cannot be read.
    """
    read = _READERS.get(path.suffix.lower())
    try:
        return tuple(_formed(text, form) for text in read(path.read_bytes())) if read else ()
    except (Unreadable, OSError):
        return ()  # what reads the notes says what is wrong


def lyrics_in_recording(path: Path, form: TextOptions = PLAIN_TEXT) -> str:
    """Read the words in a recording's tags: ID3's USLT, MP4's ©lyr, Vorbis' LYRICS and the like.

    Returns
    -------
    str
        As `segue.records.Lyrics.text`; "" for none. Never a translation where there is another.
    """
    return _formed(lyrics_in_tags(path), form)


def _formed(text: str, form: TextOptions) -> str:
    try:
        return apply_options(normalise_layout(read_single_text(text).text), form)
    except Unreadable:
        return ""

"""Elements of MusicXML: files, plain or compressed, part lists, chord symbols.

From the bytes of a MusicXML file, plain or compressed, to its elements: safe, in any encoding.

An XML file may declare entities, which name other files or grow without end. expat, the parser of
the standard library, tells of each declaration before anything is expanded: such a file is refused.
It fetches nothing by itself, so the usual DOCTYPE of MusicXML is only a name. defusedxml would
forbid the same by the same parser, only slower.

What plays the parts of a MusicXML score: names, programs and drums of its part list.

Chords in MusicXML, as symbols: `harmony` elements to what musicians write, and back.
"""

import codecs
import contextlib
import io
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import unquote
from xml.etree import ElementTree as ET
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from segue.errors import Unreadable
from segue.text import clean
from segue.theory.instruments import find_program
from segue.theory.keys import ACCIDENTALS

# --- music xml file ---

MAX_BYTES: Final = 64 << 20  # of XML, unpacked
_MOST_TAGS: Final = 4_000_000  # half of them end an element; each takes memory
_CONTAINER: Final = "META-INF/container.xml"
_ROOTS: Final = frozenset(["score-partwise", "score-timewise"])
_TEXTS: Final = frozenset(["creator", "work-title", "movement-title"])
_LONGEST_TEXT: Final = 4096
_MUSIC: Final = (".musicxml", ".xml")
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (b"<\0\0\0", "utf-32-le"),
    (b"\0\0\0<", "utf-32-be"),
    (b"<\0", "utf-16-le"),
    (b"\0<", "utf-16-be"),
)
_DECLARED: Final = re.compile(rb"""<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9._:-]{1,40})""")


@dataclass(slots=True)
class Header:
    """What a score says of itself."""

    title: str = ""
    composer: str = ""
    work: str = ""  # what it is a part of


def read_header(content: bytes) -> Header:
    """Read what a MusicXML file says of itself, and nothing of its music.

    Raises
    ------
    Unreadable
        It is damaged before that, or unsafe.
    """
    text = decompress(content)
    reading = _HeaderReading()
    try:
        _check(text, _ROOTS)
        parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.StartElementHandler = reading.start
        parser.EndElementHandler = reading.end
        parser.CharacterDataHandler = reading.text
        parser.Parse(text, True)
    except _Enough:
        pass
    except (expat.ExpatError, ValueError) as error:
        raise Unreadable(f"damaged XML ({error})") from None
    return reading.header()


def read_tree(content: bytes) -> ET.Element:
    """Read the elements of a MusicXML file.

    Parameters
    ----------
    content : bytes
        Plain, or compressed (.mxl).

    Returns
    -------
    Element
        `score-partwise` or `score-timewise`; names are without their namespace, those of other
        namespaces are kept.

    Raises
    ------
    Unreadable
        It is damaged, no MusicXML, unsafe or too large.
    """
    return _tree(decompress(content), _ROOTS)


def decompress(content: bytes) -> bytes:
    """Return the MusicXML of a file, compressed or not, in UTF-8 whatever it declares.

    Raises
    ------
    Unreadable
        It is too large, in no encoding that there is, or an archive that holds no score where it
        says.
    """
    if not content.startswith(b"PK"):
        if len(content) > MAX_BYTES:
            raise Unreadable(f"a score of more than {MAX_BYTES >> 20} MB")
        return _in_utf8(content).lstrip()  # before its declaration XML allows nothing
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return _in_utf8(_member(archive, _music_of(archive))).lstrip()
    except (
        zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError,
        NotImplementedError, RuntimeError, ValueError, OverflowError,
    ) as error:  # fmt: skip  # all of what zipfile raises at an archive that is damaged
        raise Unreadable(f"a damaged or encrypted .mxl archive ({error})") from None


def element_text(element: ET.Element, name: str) -> str:
    """Return the text of a child, without the spaces around it; "" where there is none."""
    return (element.findtext(name) or "").strip()


# ---- archives ------------------------------------------------------------------------------


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    """Read a file of an archive, as far as it may be long: sizes that archives tell may lie."""
    found = _member_called(archive, name)
    if found is None:
        raise Unreadable(f"an archive without {clean(name)}, so no compressed MusicXML")
    with archive.open(found) as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise Unreadable(f"an archive that unpacks to more than {MAX_BYTES >> 20} MB")
    return content


def _member_called(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo | None:
    """Find a member: by its name, else as a link (%20), in other case, or in the old code page."""
    members = {info.filename: info for info in archive.infolist()}
    wanted = [name, unquote(name), unquote(name).encode().decode("cp437")]
    for one in wanted:
        if one in members:
            return members[one]
    folded = {_folded(known): info for known, info in members.items()}
    return next((folded[_folded(one)] for one in wanted if _folded(one) in folded), None)


def _folded(name: str) -> str:
    return name.replace("\\", "/").removeprefix("./").casefold()


def _music_of(archive: zipfile.ZipFile) -> str:
    """Return the name of an archive's score: as its container says, else its only file of music.

    Some programs write a name with an apostrophe in it so that the container is no XML; and who
    zips a score by hand, or gives it another name there, makes none that is right.
    """
    music = [
        name
        for name in archive.namelist()
        if name.lower().endswith(_MUSIC) and not name.startswith(("META-INF/", "__MACOSX/"))
    ]
    only = music[0] if len(music) == 1 else ""
    try:
        content = _in_utf8(_member(archive, _CONTAINER))
        container = _tree(content, frozenset(["container"]))
    except Unreadable:
        if not only:
            raise
        return only
    told = _root_file(container)
    return told if _member_called(archive, told) else only or told


def _root_file(container: ET.Element) -> str:
    """Return the first file of a container that is music: a PDF may come before it."""
    named = [
        (element.get("full-path", ""), element.get("media-type", ""))
        for element in container.iter()
        if element.tag.rpartition("}")[2] == "rootfile"
    ]
    music = [name for name, kind in named if "musicxml" in kind]
    music += [name for name, _ in named if name.lower().endswith(_MUSIC)]
    music += [name for name, kind in named if not kind]
    for name in [*music, *(name for name, _ in named)]:
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts:
            raise Unreadable(f"an archive that points out of itself, to {clean(name)}")
        return name
    raise Unreadable("an archive whose container names no score")


# ---- XML -----------------------------------------------------------------------------------


def _in_utf8(content: bytes) -> bytes:
    """Return XML in UTF-8, from what its first bytes are, else what it declares."""
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "")
    if not encoding and (declared := _DECLARED.match(content.removeprefix(codecs.BOM_UTF8))):
        encoding = declared[1].decode()
        if re.match(r"(?i)utf-?(16|32)|ucs", encoding):  # these it would have begun with
            encoding = ""
    if encoding.lower() in {"", "utf-8", "utf8"}:
        return content
    try:
        return content.decode(encoding).removeprefix("\ufeff").encode()
    except (UnicodeError, LookupError) as error:
        raise Unreadable(f"damaged XML (in {clean(encoding)}, it says, but {error})") from None


def _tree(text: bytes, roots: frozenset[str]) -> ET.Element:
    try:
        _check(text, roots)
        root = ET.fromstring(text, ET.XMLParser(encoding="utf-8"))  # noqa: S314  # checked
    except (expat.ExpatError, ET.ParseError, ValueError) as error:
        raise Unreadable(f"damaged XML ({error})") from None
    space, _, name = root.tag.rpartition("}")
    if space:
        root.tag = name
        for element in root.iter():
            element.tag = element.tag.removeprefix(space + "}")
    return root


def _check(text: bytes, roots: frozenset[str]) -> None:
    """Refuse what is no MusicXML, or declares entities: it can do so before the root alone."""

    def start(name: str, _: dict[str, str]) -> None:
        if name.rpartition(":")[2] not in roots:
            raise Unreadable(f"an XML file of <{clean(name)[:60]}>, which is no MusicXML")
        raise _Enough

    def declared(*_: Any) -> None:
        raise Unreadable("XML that declares entities, which Segue does not follow; save it anew")

    if text.count(b"<") > _MOST_TAGS:
        raise Unreadable(f"XML of more than {_MOST_TAGS} tags")
    parser = expat.ParserCreate("utf-8")
    parser.StartElementHandler = start
    parser.EntityDeclHandler = declared
    with contextlib.suppress(_Enough):
        parser.Parse(text, True)


class _Enough(Exception):
    """What was wanted of a file is read."""


@dataclass(slots=True)
class _HeaderReading:
    """What expat tells while it reads, up to the music."""

    path: list[str] = field(default_factory=list)
    kind: str = ""
    texts: dict[str, str] = field(default_factory=dict)

    def start(self, name: str, attributes: dict[str, str]) -> None:
        name = name.rpartition(":")[2]
        self.path.append(name)
        if name == "creator":
            self.kind = attributes.get("type", "composer").lower()
        if name in {"part", "measure"} and len(self.path) == 2:
            raise _Enough

    def end(self, _: str) -> None:
        self.path.pop()

    def text(self, text: str) -> None:
        name = self.path[-1] if self.path else ""
        key = self.kind if name == "creator" else name
        if name in _TEXTS and len(self.texts.get(key, "")) < _LONGEST_TEXT:
            self.texts[key] = self.texts.get(key, "") + text

    def header(self) -> Header:
        return make_header(
            *(self.texts.get(name, "") for name in ("work-title", "movement-title", "composer"))
        )


def make_header(work: str, movement: str, composer: str) -> Header:
    """Return what titles and a composer's name say."""
    work, movement = clean(work), clean(movement)
    is_part = bool(movement) and movement != work
    return Header(movement or work, clean(composer), work if is_part else "")


# --- music xml parts ---

_SNARE: Final = 38  # what a drum is that nobody names


@dataclass(slots=True)
class Instruments:
    """What plays one part.

    Attributes
    ----------
    name : str
    program : int
        General MIDI, 0 to 127.
    drums : dict of str to int
        The pitch in General MIDI's kit, by instrument.
    kit : int
        The program of the drums.
    """

    name: str = ""
    program: int = 0
    drums: dict[str, int] = field(default_factory=dict)
    kit: int = 0

    def drum(self, instrument: str | None) -> int:
        """Return the pitch of a drum; of one that is not listed, that of the first."""
        first = next(iter(self.drums.values()), _SNARE)
        return self.drums.get(instrument or "", first)


def read_instruments(part: ET.Element) -> Instruments:
    """Read a `score-part`."""
    found = Instruments()
    names = [element_text(one, "instrument-name") for one in part.iter("score-instrument")]
    sounds = [element_text(one, "instrument-sound") for one in part.iter("score-instrument")]
    written = clean(element_text(part, "part-name"))
    found.name = written or clean(next((one for one in names if one), ""))
    programs = []
    for midi in part.iter("midi-instrument"):
        program = _one_less(element_text(midi, "midi-program"))
        drum = _one_less(element_text(midi, "midi-unpitched"))
        if drum is not None:
            if not found.drums:
                found.kit = program or 0
            found.drums[midi.get("id", "")] = drum
        else:
            programs.append(program)
    program = programs[0] if programs else None
    if program is None:
        told = [*sounds[:1], *names[:1], written]
    else:  # programs that know only the piano write it for all
        told = names[:1] if program == 0 else []
    called = next((one for name in told if (one := find_program(name)) is not None), program)
    found.program = called or 0
    return found


def _one_less(text: str) -> int | None:
    """Return a number that MusicXML counts from 1; None where it is none of 1 to 128."""
    if not (text.isascii() and text.isdigit() and len(text) < 4 and int(text) <= 128):
        return None
    return max(int(text) - 1, 0)


# --- music xml harmony ---

_SILENCE: Final = "N.C."
#: What each kind of MusicXML's is in letters.
_KINDS: Final = {
    "major": "", "minor": "m", "augmented": "aug", "diminished": "dim", "dominant": "7",
    "major-seventh": "maj7", "minor-seventh": "m7", "diminished-seventh": "dim7",
    "augmented-seventh": "aug7", "half-diminished": "m7b5", "major-minor": "m(maj7)",
    "major-sixth": "6", "minor-sixth": "m6", "dominant-ninth": "9", "major-ninth": "maj9",
    "minor-ninth": "m9", "dominant-11th": "11", "major-11th": "maj11", "minor-11th": "m11",
    "dominant-13th": "13", "major-13th": "maj13", "minor-13th": "m13",
    "suspended-second": "sus2", "suspended-fourth": "sus4", "power": "5",
}  # fmt: skip
_NAMES: Final = {letters: kind for kind, letters in _KINDS.items()}
#: Kinds that others write as well as these: augmented sixths sound as sevenths, Tristan's chord as
#: a half-diminished one; a pedal is its note alone.
_OTHER_KINDS: Final = {
    "Neapolitan": "", "Italian": "7no5", "French": "7b5", "German": "7", "Tristan": "m7b5",
    "pedal": "no3no5", "dominant-seventh": "7", "augmented-ninth": "aug9", "minor-major": "m(maj7)",
    "maj69": "6/9", "min69": "m6/9", "maj": "", "min": "m", "aug": "aug", "dim": "dim",
    "sus47": "7sus4",
}  # fmt: skip
#: Semitones of degrees of the major scale.
_SCALE: Final = {1: 0, 2: 2, 3: 4, 4: 5, 5: 7, 6: 9, 7: 11, 9: 14, 11: 17, 13: 21}
#: Where a kind has another third, fifth or seventh than the dominant's.
_MINOR_THIRD: Final = re.compile(r"m(?!aj)|dim")
_FIFTHS: Final = ((re.compile("dim|b5"), 6), (re.compile("aug"), 8))
_SEVENTHS: Final = ((re.compile("maj"), 11), (re.compile("dim"), 9))
_SIGNS: Final = {-2: "bb", -1: "b", 0: "", 1: "#", 2: "##"}
_SYMBOL: Final = re.compile(
    r"(?P<step>[A-G])(?P<signs>[#♯b♭]{0,2})(?P<kind>.*?)"
    r"(?:/\s*(?P<bass>[A-G])(?P<bass_signs>[#♯b♭]{0,2}))?"
)


def harmony(symbol: str, offset: str = "") -> str:
    """Write a chord symbol as an element.

    Parameters
    ----------
    symbol : str
    offset : str
        An element that says how far behind the place where it stands it holds.

    Returns
    -------
    str
        "" of what has no root.
    """
    if symbol == _SILENCE:
        return (
            "<harmony><root><root-step>C</root-step></root>"
            f'<kind text="{_SILENCE}">none</kind>{offset}</harmony>'
        )
    found = _SYMBOL.fullmatch(symbol)
    if not found:
        return ""
    kind, bass = found["kind"], ""
    if found["bass"]:
        bass = f"<bass>{_pitch('bass', found['bass'], found['bass_signs'])}</bass>"
    return (
        f"<harmony><root>{_pitch('root', found['step'], found['signs'])}</root>"
        f"<kind text={quoteattr(kind)}>{_NAMES.get(kind, 'other')}</kind>{bass}{offset}</harmony>"
    )


def _pitch(name: str, step: str, signs: str) -> str:
    alter = sum(ACCIDENTALS[sign] for sign in signs)
    altered = f"<{name}-alter>{alter}</{name}-alter>" if alter else ""
    return f"<{name}-step>{escape(step)}</{name}-step>{altered}"


def read_harmony(element: ET.Element) -> str:
    """Return what a chord is in letters; "" where it has no root, or nothing says its kind."""
    kind = element.find("kind")
    name = "" if kind is None else (kind.text or "").strip()
    if name == "none":
        return _SILENCE
    root = _named(element.find("root"), "root")
    letters = (_KINDS | _OTHER_KINDS).get(name)
    degrees = element.findall("degree")
    if letters is None and kind is not None:
        letters = clean(kind.get("text", "")) or None
        degrees = []  # the text has them
    if not root or letters is None:
        return ""
    bass = _named(element.find("bass"), "bass")
    return root + _with_degrees(letters, degrees) + (f"/{bass}" if bass else "")


def _named(element: ET.Element | None, name: str) -> str:
    if element is None:
        return ""
    step = (element.findtext(f"{name}-step") or "").strip()
    sign = _SIGNS.get(_whole(element.findtext(f"{name}-alter")))
    return step + sign if re.fullmatch("[A-G]", step) and sign is not None else ""


def _with_degrees(letters: str, degrees: Sequence[ET.Element]) -> str:
    """Return a kind in letters with what is added, altered and left out."""
    more = ""
    for element in degrees:
        value = _whole(element.findtext("degree-value"))
        alter = _whole(element.findtext("degree-alter"))
        told = (element.findtext("degree-type") or "").strip()
        if value not in _SCALE or abs(alter) > 2:
            continue
        if told == "subtract":
            more += f"no{value}"
        elif told == "alter":
            more += _altered(value, _plain(letters, value) + alter - _SCALE[value])
        elif value != 7:
            more += f"add{_SIGNS[alter]}{value}"
        elif letters.startswith("sus") and alter <= 0:
            letters = "7" + letters
        elif letters == "dim" and alter < -1:
            letters = "dim7"
        else:  # what is added is counted from a dominant chord, which some write as a flat seventh
            more += "maj7" if alter > 0 else "add7"
    # "Cb5" would be a fifth on C flat.
    return f"({more})" if not letters and more.startswith(("b", "#")) else letters + more


def _altered(value: int, by: int) -> str:
    """Return a degree that is so many semitones off the major scale's."""
    if value == 7:
        return {0: "maj7", -1: "no7add7"}.get(by, "no7add6")
    if by:
        return _SIGNS.get(by, "") + str(value)
    return f"no{value}add{value}"


def _plain(letters: str, value: int) -> int:
    """Return the semitones of a degree as a kind of chord has it."""
    if value == 3 and _MINOR_THIRD.match(letters):
        return 3
    if value == 5:
        return next((found for kind, found in _FIFTHS if kind.search(letters)), 7)
    if value == 7:
        return next((found for kind, found in _SEVENTHS if kind.search(letters)), 10)
    return _SCALE[value]


def _whole(text: str | None) -> int:
    """Return a whole number, 0 where there is none."""
    found = re.fullmatch(r"([+-]?[0-9]{1,2})(?:\.0*)?", (text or "").strip())
    return int(found[1]) if found else 0

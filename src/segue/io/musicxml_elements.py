"""Elements of MusicXML: files, plain or compressed, part lists, chord symbols.

XML may declare entities, which name other files or grow without end. expat, the parser of the
standard library, reports each declaration before anything is expanded, and such a file is refused.
expat fetches nothing by itself, so the DOCTYPE of MusicXML is only a name. defusedxml would
forbid the same with the same parser, only slower.
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

# ---- files -------------------------------------------------------------------------------

MAX_BYTES: Final = 64 << 20  # of XML, unpacked
_MAX_TAGS: Final = 4_000_000  # half of them end an element; each takes memory
_CONTAINER: Final = "META-INF/container.xml"
_ROOTS: Final = frozenset(["score-partwise", "score-timewise"])
_TEXTS: Final = frozenset(["creator", "work-title", "movement-title"])
_MAX_TEXT: Final = 4096
_MUSIC: Final = (".musicxml", ".xml")
_BYTE_ORDER_MARKS: Final = (
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
    """Title and composer of a score, and the work that it is a movement of."""

    title: str = ""
    composer: str = ""
    work: str = ""


def read_header(content: bytes) -> Header:
    """Read the title and composer of a MusicXML file without its music.

    Raises
    ------
    Unreadable
        It is damaged before the music, or unsafe.
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
    except _Done:
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
        `score-partwise` or `score-timewise`, without the namespace of the root.

    Raises
    ------
    Unreadable
        It is damaged, no MusicXML, unsafe or too large.
    """
    return _tree(decompress(content), _ROOTS)


def decompress(content: bytes) -> bytes:
    """Return the MusicXML of a file, compressed or not, in UTF-8.

    Raises
    ------
    Unreadable
        It is too large, in an unknown encoding, or an archive without the score that it names.
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
    """Return the stripped text of a child; "" where there is none."""
    return (element.findtext(name) or "").strip()


# ---- archives ------------------------------------------------------------------------------


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    """Read a file of an archive up to the size limit; the sizes in its directory may be wrong."""
    member = _find_member(archive, name)
    if member is None:
        raise Unreadable(f"an archive without {clean(name)}, so no compressed MusicXML")
    with archive.open(member) as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise Unreadable(f"an archive that unpacks to more than {MAX_BYTES >> 20} MB")
    return content


def _find_member(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo | None:
    """Find a member by its name, percent-decoded, in another case, or in code page 437."""
    members = {info.filename: info for info in archive.infolist()}
    candidates = [name, unquote(name), unquote(name).encode().decode("cp437")]
    for candidate in candidates:
        if candidate in members:
            return members[candidate]
    folded = {_fold(filename): info for filename, info in members.items()}
    return next((folded[_fold(each)] for each in candidates if _fold(each) in folded), None)


def _fold(name: str) -> str:
    return name.replace("\\", "/").removeprefix("./").casefold()


def _music_of(archive: zipfile.ZipFile) -> str:
    """Return the name of an archive's score: that of its container, else its only music file.

    Containers may be invalid XML (some programs do not escape an apostrophe in the name) or, in
    archives that were made by hand, missing or wrong.
    """
    music = [
        name
        for name in archive.namelist()
        if name.lower().endswith(_MUSIC) and not name.startswith(("META-INF/", "__MACOSX/"))
    ]
    only_music = music[0] if len(music) == 1 else ""
    try:
        content = _in_utf8(_member(archive, _CONTAINER))
        container = _tree(content, frozenset(["container"]))
    except Unreadable:
        if not only_music:
            raise
        return only_music
    root_file = _root_file(container)
    return root_file if _find_member(archive, root_file) else only_music or root_file


def _root_file(container: ET.Element) -> str:
    """Return the first music file of a container; a PDF may come before it."""
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
    """Return XML in UTF-8, from the encoding of its byte order mark or declaration."""
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS if content.startswith(mark)), "")
    if not encoding and (declared := _DECLARED.match(content.removeprefix(codecs.BOM_UTF8))):
        encoding = declared[1].decode()
        if re.match(r"(?i)utf-?(16|32)|ucs", encoding):  # its first bytes would show it
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
    """Raise `Unreadable` for XML that is not MusicXML, or declares entities (before its root)."""

    def start(name: str, _: dict[str, str]) -> None:
        if name.rpartition(":")[2] not in roots:
            raise Unreadable(f"an XML file of <{clean(name)[:60]}>, which is no MusicXML")
        raise _Done

    def declared(*_: Any) -> None:
        raise Unreadable("XML that declares entities, which Segue does not follow; save it again")

    if text.count(b"<") > _MAX_TAGS:
        raise Unreadable(f"XML of more than {_MAX_TAGS} tags")
    parser = expat.ParserCreate("utf-8")
    parser.StartElementHandler = start
    parser.EntityDeclHandler = declared
    with contextlib.suppress(_Done):
        parser.Parse(text, True)


class _Done(Exception):
    """Raised in expat's handlers to end parsing."""


@dataclass(slots=True)
class _HeaderReading:
    """Handlers of expat that collect the texts before the music."""

    path: list[str] = field(default_factory=list)
    kind: str = ""
    texts: dict[str, str] = field(default_factory=dict)

    def start(self, name: str, attributes: dict[str, str]) -> None:
        name = name.rpartition(":")[2]
        self.path.append(name)
        if name == "creator":
            self.kind = attributes.get("type", "composer").lower()
        if name in {"part", "measure"} and len(self.path) == 2:
            raise _Done

    def end(self, _: str) -> None:
        self.path.pop()

    def text(self, text: str) -> None:
        name = self.path[-1] if self.path else ""
        key = self.kind if name == "creator" else name
        if name in _TEXTS and len(self.texts.get(key, "")) < _MAX_TEXT:
            self.texts[key] = self.texts.get(key, "") + text

    def header(self) -> Header:
        return make_header(
            *(self.texts.get(name, "") for name in ("work-title", "movement-title", "composer"))
        )


def make_header(work: str, movement: str, composer: str) -> Header:
    """Return the header of a work's and a movement's title and a composer's name."""
    work, movement = clean(work), clean(movement)
    is_part = bool(movement) and movement != work
    return Header(movement or work, clean(composer), work if is_part else "")


# ---- part list ---------------------------------------------------------------------------

_SNARE: Final = 38  # an unnamed drum


@dataclass(slots=True)
class Instruments:
    """The instruments of a part.

    Attributes
    ----------
    name : str
    program : int
        General MIDI, 0 to 127.
    drums : dict of str to int
        General MIDI pitch by the id of the instrument.
    kit : int
        The program of the drums.
    """

    name: str = ""
    program: int = 0
    drums: dict[str, int] = field(default_factory=dict)
    kit: int = 0

    def drum(self, instrument: str | None) -> int:
        """Return the pitch of a drum; an unknown one sounds as the first."""
        first = next(iter(self.drums.values()), _SNARE)
        return self.drums.get(instrument or "", first)


def read_instruments(part: ET.Element) -> Instruments:
    """Read a `score-part`."""
    instruments = Instruments()
    names = [element_text(each, "instrument-name") for each in part.iter("score-instrument")]
    sounds = [element_text(each, "instrument-sound") for each in part.iter("score-instrument")]
    part_name = clean(element_text(part, "part-name"))
    instruments.name = part_name or clean(next((name for name in names if name), ""))
    programs = []
    for midi in part.iter("midi-instrument"):
        program = _midi_number(element_text(midi, "midi-program"))
        drum = _midi_number(element_text(midi, "midi-unpitched"))
        if drum is not None:
            if not instruments.drums:
                instruments.kit = program or 0
            instruments.drums[midi.get("id", "")] = drum
        else:
            programs.append(program)
    program = programs[0] if programs else None
    if program is None:
        hints = [*sounds[:1], *names[:1], part_name]
    else:  # many notation programs write the piano for every instrument
        hints = names[:1] if program == 0 else []
    named = next((match for hint in hints if (match := find_program(hint)) is not None), program)
    instruments.program = named or 0
    return instruments


def _midi_number(text: str) -> int | None:
    """Return a MIDI number that MusicXML counts from 1; None where it is not from 1 to 128."""
    if not (text.isascii() and text.isdigit() and len(text) < 4 and int(text) <= 128):
        return None
    return max(int(text) - 1, 0)


# ---- chord symbols -----------------------------------------------------------------------

_NO_CHORD: Final = "N.C."
#: MusicXML's kinds of chords as symbols.
_KINDS: Final = {
    "major": "", "minor": "m", "augmented": "aug", "diminished": "dim", "dominant": "7",
    "major-seventh": "maj7", "minor-seventh": "m7", "diminished-seventh": "dim7",
    "augmented-seventh": "aug7", "half-diminished": "m7b5", "major-minor": "m(maj7)",
    "major-sixth": "6", "minor-sixth": "m6", "dominant-ninth": "9", "major-ninth": "maj9",
    "minor-ninth": "m9", "dominant-11th": "11", "major-11th": "maj11", "minor-11th": "m11",
    "dominant-13th": "13", "major-13th": "maj13", "minor-13th": "m13",
    "suspended-second": "sus2", "suspended-fourth": "sus4", "power": "5",
}  # fmt: skip
_KIND_NAMES: Final = {quality: kind for kind, quality in _KINDS.items()}
#: Further kinds, some of them not in the standard: augmented sixths sound as sevenths, the Tristan
#: chord as a half-diminished one; a pedal is its note alone.
_OTHER_KINDS: Final = {
    "Neapolitan": "", "Italian": "7no5", "French": "7b5", "German": "7", "Tristan": "m7b5",
    "pedal": "no3no5", "dominant-seventh": "7", "augmented-ninth": "aug9", "minor-major": "m(maj7)",
    "maj69": "6/9", "min69": "m6/9", "maj": "", "min": "m", "aug": "aug", "dim": "dim",
    "sus47": "7sus4",
}  # fmt: skip
#: Semitones of the degrees of the major scale.
_SCALE: Final = {1: 0, 2: 2, 3: 4, 4: 5, 5: 7, 6: 9, 7: 11, 9: 14, 11: 17, 13: 21}
#: Kinds with another third, fifth or seventh than the dominant's.
_MINOR_THIRD: Final = re.compile(r"m(?!aj)|dim")
_FIFTHS: Final = ((re.compile("dim|b5"), 6), (re.compile("aug"), 8))
_SEVENTHS: Final = ((re.compile("maj"), 11), (re.compile("dim"), 9))
_SIGNS: Final = {-2: "bb", -1: "b", 0: "", 1: "#", 2: "##"}
_SYMBOL: Final = re.compile(
    r"(?P<step>[A-G])(?P<signs>[#♯b♭]{0,2})(?P<kind>.*?)"
    r"(?:/\s*(?P<bass>[A-G])(?P<bass_signs>[#♯b♭]{0,2}))?"
)


def write_harmony(symbol: str, offset: str = "") -> str:
    """Return the `harmony` element of a chord symbol, "" where it has no root.

    Parameters
    ----------
    symbol : str
    offset : str
        The `offset` element, if any.
    """
    if symbol == _NO_CHORD:
        # The schema demands a root or a function. MuseScore 3 prints a root whatever its text.
        return f'<harmony><function/><kind text="{_NO_CHORD}">none</kind>{offset}</harmony>'
    match = _SYMBOL.fullmatch(symbol)
    if not match:
        return ""
    kind, bass = match["kind"], ""
    if match["bass"]:
        bass = f"<bass>{_pitch('bass', match['bass'], match['bass_signs'])}</bass>"
    name = _KIND_NAMES.get(kind, "other")
    return (
        f"<harmony><root>{_pitch('root', match['step'], match['signs'])}</root>"
        f"<kind text={quoteattr(kind)}>{name}</kind>{bass}{offset}</harmony>"
    )


def _pitch(name: str, step: str, signs: str) -> str:
    alter = sum(ACCIDENTALS[sign] for sign in signs)
    altered = f"<{name}-alter>{alter}</{name}-alter>" if alter else ""
    return f"<{name}-step>{escape(step)}</{name}-step>{altered}"


def read_harmony(element: ET.Element) -> str:
    """Return the chord symbol of a `harmony` element; "" without a root or a kind."""
    kind = element.find("kind")
    name = "" if kind is None else (kind.text or "").strip()
    if name == "none":
        return _NO_CHORD
    root = _pitch_name(element.find("root"), "root")
    quality = (_KINDS | _OTHER_KINDS).get(name)
    degrees = element.findall("degree")
    if quality is None and kind is not None:
        quality = clean(kind.get("text", "")) or None
        degrees = []  # the text has them
    if not root or quality is None:
        return ""
    bass = _pitch_name(element.find("bass"), "bass")
    return root + _with_degrees(quality, degrees) + (f"/{bass}" if bass else "")


def _pitch_name(element: ET.Element | None, name: str) -> str:
    if element is None:
        return ""
    step = (element.findtext(f"{name}-step") or "").strip()
    sign = _SIGNS.get(_whole(element.findtext(f"{name}-alter")))
    return step + sign if re.fullmatch("[A-G]", step) and sign is not None else ""


def _with_degrees(quality: str, degrees: Sequence[ET.Element]) -> str:
    """Return the symbol of a quality with its added, altered and omitted degrees."""
    more = ""
    for element in degrees:
        value = _whole(element.findtext("degree-value"))
        alter = _whole(element.findtext("degree-alter"))
        change = (element.findtext("degree-type") or "").strip()
        if value not in _SCALE or abs(alter) > 2:
            continue
        if change == "subtract":
            more += f"no{value}"
        elif change == "alter":
            more += _altered_degree(value, _unaltered(quality, value) + alter - _SCALE[value])
        elif value != 7:
            more += f"add{_SIGNS[alter]}{value}"
        elif quality.startswith("sus") and alter <= 0:
            quality = "7" + quality
        elif quality == "dim" and alter < -1:
            quality = "dim7"
        else:  # added degrees are counted from a dominant chord; some write a flat seventh
            more += "maj7" if alter > 0 else "add7"
    # "Cb5" would be a fifth on C flat.
    return f"({more})" if not quality and more.startswith(("b", "#")) else quality + more


def _altered_degree(value: int, by: int) -> str:
    """Return the symbol of a degree that is altered by semitones from the major scale."""
    if value == 7:
        return {0: "maj7", -1: "no7add7"}.get(by, "no7add6")
    if by:
        return _SIGNS.get(by, "") + str(value)
    return f"no{value}add{value}"


def _unaltered(quality: str, value: int) -> int:
    """Return the semitones of a degree in a chord of some quality."""
    if value == 3 and _MINOR_THIRD.match(quality):
        return 3
    if value == 5:
        return next((fifth for kind, fifth in _FIFTHS if kind.search(quality)), 7)
    if value == 7:
        return next((seventh for kind, seventh in _SEVENTHS if kind.search(quality)), 10)
    return _SCALE[value]


def _whole(text: str | None) -> int:
    """Return a whole number, 0 where there is none."""
    match = re.fullmatch(r"([+-]?[0-9]{1,2})(?:\.0*)?", (text or "").strip())
    return int(match[1]) if match else 0

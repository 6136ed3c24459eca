"""From the bytes of a MusicXML file, plain or compressed, to its elements: safe, in any encoding.

An XML file may declare entities, which name other files or grow without end. expat, the parser of
the standard library, tells of each declaration before anything is expanded: such a file is refused.
It fetches nothing by itself, so the usual DOCTYPE of MusicXML is only a name. defusedxml would
forbid the same by the same parser, only slower.
"""

import codecs
import contextlib
import io
import lzma
import re
import struct
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import unquote
from xml.etree import ElementTree as ET
from xml.parsers import expat

from segue.errors import Unreadable
from segue.formats.names import clean

MOST_BYTES: Final = 64 << 20  # of XML, unpacked
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
    text = unpacked(content)
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
    return _tree(unpacked(content), _ROOTS)


def unpacked(content: bytes) -> bytes:
    """Return the MusicXML of a file, compressed or not, in UTF-8 whatever it declares.

    Raises
    ------
    Unreadable
        It is too large, in no encoding that there is, or an archive that holds no score where it
        says.
    """
    if not content.startswith(b"PK"):
        if len(content) > MOST_BYTES:
            raise Unreadable(f"a score of more than {MOST_BYTES >> 20} MB")
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
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise Unreadable(f"an archive that unpacks to more than {MOST_BYTES >> 20} MB")
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
        return header_of(
            *(self.texts.get(name, "") for name in ("work-title", "movement-title", "composer"))
        )


def header_of(work: str, movement: str, composer: str) -> Header:
    """Return what titles and a composer's name say."""
    work, movement = clean(work), clean(movement)
    is_part = bool(movement) and movement != work
    return Header(movement or work, clean(composer), work if is_part else "")

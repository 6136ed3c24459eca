"""MusicXML, plain or compressed, and Humdrum **kern: read by music21 once they are known safe.

An XML file may declare entities, which name other files or grow without end. expat, the parser of
the standard library, tells of each declaration before anything is expanded: such a file is refused.
It fetches nothing by itself, so the usual DOCTYPE of MusicXML is only a name. defusedxml would
forbid the same by the same parser, and not in music21's own call of it.
"""

import io
import re
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Final
from xml.etree import ElementTree as ET
from xml.parsers import expat

from segue.errors import Unreadable
from segue.formats.names import clean
from segue.formats.score.engraved import read_by_music21
from segue.formats.score.midi import MOST_NOTES
from segue.formats.score.music_xml_harmony import carry_chords
from segue.formats.score.music_xml_played import carry_played
from segue.records import Score

MOST_BYTES: Final = 64 << 20  # of XML, unpacked
_DEEPEST: Final = 64  # elements within one another; MusicXML needs about twelve
_CONTAINER: Final = "META-INF/container.xml"
_ROOTS: Final = frozenset(["score-partwise", "score-timewise"])
_TEXTS: Final = frozenset(["creator", "work-title", "movement-title", "beats", "beat-type"])
_LONGEST_TEXT: Final = 4096
_MOST_BEATS: Final = 64
_SILENT: Final = frozenset(
    [
        "beam",
        "credit",
        "defaults",
        "figured-bass",
        "footnote",
        "level",
        "lyric",
        "notations",
        "notehead",
        "play",
        "print",
        "stem",
        "wedge",
    ]
)


@dataclass(slots=True)
class Header:
    """What a score says of itself."""

    title: str = ""
    composer: str = ""
    work: str = ""  # what it is a part of


class _Enough(Exception):
    """The header is read."""


@dataclass(slots=True)
class _Watch:
    """What expat tells while it reads: it refuses, counts and notes down titles."""

    header_only: bool
    roots: frozenset[str]
    path: list[str] = field(default_factory=list)
    kind: str = ""
    notes: int = 0
    texts: dict[str, str] = field(default_factory=dict)

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if not self.path and name not in self.roots:
            raise Unreadable(f"an XML file of <{name}>, which is no MusicXML")
        self.path.append(name)
        if len(self.path) > _DEEPEST:
            raise Unreadable(f"XML of more than {_DEEPEST} elements within one another")
        if name == "creator":
            self.kind = attributes.get("type", "composer").lower()
        if name == "note":
            self.notes += 1
            if self.notes > MOST_NOTES:
                raise Unreadable(f"a score of more than {MOST_NOTES} notes")
        if self.header_only and name in {"part", "measure"} and len(self.path) == 2:
            raise _Enough

    def end(self, name: str) -> None:
        self.path.pop()
        if name in {"beats", "beat-type"}:
            check_metre(self.texts.pop(name, ""))

    def text(self, text: str) -> None:
        name = self.path[-1] if self.path else ""
        key = self.kind if name == "creator" else name
        if name in _TEXTS and len(self.texts.get(key, "")) < _LONGEST_TEXT:
            self.texts[key] = self.texts.get(key, "") + text

    def declared(self, *_: Any) -> None:
        raise Unreadable("XML that declares entities, which Segue does not follow; save it anew")

    def header(self) -> Header:
        work, movement = (
            clean(self.texts.get(name, "")) for name in ("work-title", "movement-title")
        )
        composer = clean(self.texts.get("composer", ""))
        return Header(movement or work, composer, work if movement and movement != work else "")


def read_music_xml(content: bytes) -> Score:
    """Read a MusicXML file.

    Parameters
    ----------
    content : bytes
        Plain, or compressed (.mxl).

    Returns
    -------
    Score

    Raises
    ------
    Unreadable
        It is damaged, no MusicXML, unsafe, too large or without a note.
    """
    text = unpacked(content)
    header = _watched(text, header_only=False)
    root = ET.fromstring(text)  # noqa: S314  # watched: it declares nothing, and is not too deep
    if root.tag == "score-timewise":
        root = _partwise(root)
    _strip(root)
    carry_played(root)
    carry_chords(root)

    def parse() -> Any:
        from music21.musicxml import xmlToM21

        importer: Any = xmlToM21.MusicXMLImporter()  # type: ignore[no-untyped-call]
        # Into the importer's own stream: to another it gives no parts of several staves.
        importer.xmlRootToScore(root, importer.stream)
        return importer.stream

    return read_by_music21(parse, header.title, header.composer)


def read_header(content: bytes) -> Header:
    """Read what a MusicXML file says of itself, and nothing of its music.

    Raises
    ------
    Unreadable
        It is damaged before that, or unsafe.
    """
    return _watched(unpacked(content), header_only=True)


def unpacked(content: bytes) -> bytes:
    """Return the MusicXML of a file, compressed or not.

    Raises
    ------
    Unreadable
        It is too large, or an archive that holds no score where it says.
    """
    if not content.startswith(b"PK"):
        if len(content) > MOST_BYTES:
            raise Unreadable(f"a score of more than {MOST_BYTES >> 20} MB")
        return content
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            container = _member(archive, _CONTAINER)
            _watched(container, header_only=False, roots=frozenset(["container"]))
            return _member(archive, _root_file(container))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise Unreadable(f"a damaged or encrypted .mxl archive ({error})") from None


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    """Read a file of an archive, as far as it may be long: sizes that archives tell may lie."""
    try:
        with archive.open(name) as file:
            content = file.read(MOST_BYTES + 1)
    except KeyError:
        raise Unreadable(f"an archive without {name}, so no compressed MusicXML") from None
    if len(content) > MOST_BYTES:
        raise Unreadable(f"an archive that unpacks to more than {MOST_BYTES >> 20} MB")
    return content


def _root_file(container: bytes) -> str:
    root = ET.fromstring(container)  # noqa: S314  # watched
    for element in root.iter():
        if element.tag.rpartition("}")[2] == "rootfile":
            name = element.get("full-path", "")
            path = PurePosixPath(name.replace("\\", "/"))
            if path.is_absolute() or ".." in path.parts:
                raise Unreadable(f"an archive that points out of itself, to {clean(name)}")
            return name
    raise Unreadable("an archive whose container names no score")


def _watched(text: bytes, *, header_only: bool, roots: frozenset[str] = _ROOTS) -> Header:
    watch = _Watch(header_only, roots)
    parser = expat.ParserCreate()
    parser.StartElementHandler = watch.start
    parser.EndElementHandler = watch.end
    parser.CharacterDataHandler = watch.text
    parser.EntityDeclHandler = watch.declared
    try:
        parser.Parse(text, True)
    except _Enough:
        pass
    except (expat.ExpatError, ValueError, LookupError) as error:  # the last: of encodings
        raise Unreadable(f"damaged XML ({error})") from None
    return watch.header()


def check_metre(told: str) -> None:
    """Refuse a metre that music21 would think about for minutes.

    Raises
    ------
    Unreadable
        It has more than 64 beats, or parts of a whole note.
    """
    for number in re.findall(r"\d+", told):
        if len(number) > 3 or int(number) > _MOST_BEATS:
            raise Unreadable(f"a score in a metre of {number[:20]}, expected at most {_MOST_BEATS}")


def _strip(element: ET.Element) -> None:
    """Take out what shows and does not sound: a third of the time, and of what can be wrong."""
    for child in list(element):
        if child.tag in _SILENT:
            element.remove(child)
        else:
            _strip(child)


def _partwise(timewise: ET.Element) -> ET.Element:
    """Turn bars of parts into parts of bars, which is what music21 reads."""
    made = ET.Element("score-partwise", timewise.attrib)
    parts: dict[str, ET.Element] = {}
    for child in timewise:
        if child.tag != "measure":
            made.append(child)
            continue
        for part in child.iter("part"):
            name = part.get("id", "")
            if name not in parts:
                parts[name] = ET.SubElement(made, "part", part.attrib)
            ET.SubElement(parts[name], "measure", child.attrib).extend(part)
    return made

"""Texts as songs: decoded from any usual encoding, tidied, their sections told from their lines."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from segue.errors import Unreadable
from segue.formats.encodings import decode
from segue.formats.lyrics.residue import without_residue

MOST_CHARACTERS: Final = 1_000_000  # of a song: the whole Iliad has 700,000
_MOST_CONTROLS: Final = 0.005  # of the characters, in what is a text
_ENDS: Final = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
#: Control characters, marks of byte order, and marks that turn the order of what follows; letters
#: written from right to left need none of them.
_CONTROLS: Final = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\ufeff\ufffe\u202a-\u202e\u2066-\u2069]")
#: Halves of characters, and what decoding makes of them.
_HALVES: Final = re.compile("[\ud800-\udfff\ufffd]")
_SPACES: Final = re.compile(r"[^\S\n]+")
_BLANKS: Final = re.compile(r"\n{3,}")
_PART: Final = (
    "intro|verse|pre-?chorus|chorus|post-?chorus|hook|bridge|refrain|outro|interlude|break|"
    "instrumental|solo|coda|strophe|strofa|estrofa|couplet|pont|coro|estribillo|puente|"
    "ritornello|kehrreim|refrão|refren|zwrotka|verso|estrofe|припев|куплет|후렴"
)
#: "[Verse 2: A. Singer]", "(Chorus)", "Refrain:", "Verse 2".
_BRACKETED: Final = re.compile(r"\[([^\[\]]{1,80})\]")
_NAMED: Final = re.compile(
    rf"[(<{{]({_PART})( ?(\d+|[ivx]+|x ?\d+))?:?[)>}}]|\*{{1,3}}({_PART})( \d+)?\*{{1,3}}|"
    rf"({_PART})( (\d+|[ivx]+))?:|"
    r"(verse|strophe|couplet) \d+|chorus|pre-?chorus|refrain",
    re.IGNORECASE,
)


_PART_ALONE: Final = re.compile(rf"({_PART})( ?(\d+|[ivx]+|x ?\d+))?", re.IGNORECASE)


class NoWords(Unreadable):
    """A text in which nothing is sung, as that of an instrumental piece."""

    def __init__(self, reason: str = "no words in it") -> None:
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class TextForm:
    """What of a text is kept.

    Attributes
    ----------
    keep_sections : bool
        Headers of sections stay, as lines like ``[Chorus]``.
    fold_case : bool
        What is sung is lower case.
    """

    keep_sections: bool = False
    fold_case: bool = False


#: Without headers, in the case that they are written in.
PLAIN: Final = TextForm()


def text_of(content: bytes) -> str:
    """Decode a text of unknown encoding.

    Parameters
    ----------
    content : bytes
        In any encoding that `segue.formats.encodings.decode` tells.

    Raises
    ------
    Unreadable
        It is no text.
    """
    text = decode(content)
    controls = sum(map(text.count, _RARE))
    if "\0" in text or controls > _MOST_CONTROLS * len(text):
        raise Unreadable(
            "a binary file, expected a text: UTF-8, or in an older encoding of its language"
        )
    return text


#: What texts hold next to none of.
_RARE: Final = [*map(chr, range(1, 9)), *map(chr, range(14, 32)), "\x7f", "\ufffd"]


def tidied(text: str) -> str:
    """Bring a text into the form of `segue.records.Lyrics.text`, headers of sections included."""
    text = unicodedata.normalize("NFC", _ENDS.sub("\n", without_halves(text)))
    text = _CONTROLS.sub(" ", text)
    lines = [_SPACES.sub(" ", line).strip() for line in text.split("\n")]
    return _BLANKS.sub("\n\n", "\n".join(lines)).strip("\n")


def lines_of(text: str) -> list[str]:
    """List the lines of a text, whatever ends them, without spaces at their ends."""
    return [line.rstrip() for line in _ENDS.sub("\n", text).split("\n")]


def without_halves(text: str) -> str:
    """Take out halves of characters, which no encoding can hold; two that belong together join.

    Programs that cut texts within a character leave such, and JSON can say them.
    """
    if not _HALVES.search(text):
        return text
    return _HALVES.sub("", text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


def section_of(line: str) -> str:
    """Return the name of the section that a line heads, as "Chorus"; "" where it is sung."""
    if found := _BRACKETED.fullmatch(line):
        return found[1].strip()
    if _NAMED.fullmatch(line):
        return line.strip("()<>{}*:")
    return ""


def is_section(line: str) -> bool:
    """Tell whether a line heads a part of a song, as "[Verse 2: A. Singer]" or "CHORUS"."""
    return bool(section_of(line)) or _PART_ALONE.fullmatch(line.strip("()[]:. ")) is not None


def formed(text: str, form: TextForm) -> str:
    """Keep of a tidied text what is wanted.

    Raises
    ------
    Unreadable
        No words are left, or more than a million characters are there.
    """
    lines = []
    for line in without_residue(text).split("\n"):
        section = section_of(line)
        if section:
            lines += ["", f"[{section}]"] if form.keep_sections else [""]
        else:
            lines.append(line.lower() if form.fold_case else line)
    kept = tidied("\n".join(lines))
    if not any(map(str.isalpha, kept)):
        raise NoWords
    if len(kept) > MOST_CHARACTERS:
        raise Unreadable(
            f"{len(kept) / 1e6:.1f} million characters, expected at most 1 million of a song; "
            "put several into one file as CSV (artist, title, text) or as Markdown (# Title)"
        )
    return kept


def sung_lines(text: str) -> list[str]:
    """List the lines of a text that are sung: neither empty nor the header of a section."""
    return [line for line in text.split("\n") if line and not _BRACKETED.fullmatch(line)]

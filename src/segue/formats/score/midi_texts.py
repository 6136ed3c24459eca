"""What a MIDI file says in words: its title, the names of its tracks, what is sung."""

import codecs
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from segue.formats.encodings import decode, decode_together
from segue.formats.names import clean
from segue.formats.score.smf import LYRIC, TEXT, TRACK_NAME, Track

#: What programs call a first track that nobody named.
_NO_TITLE: Final = re.compile(
    r"(untitled|unnamed|tempo|conductor|"
    r"((control|tempo|conductor|master|midi|meta|new|empty) ?)?"
    r"(track|sequence|seq|song|staff|part|channel)) ?[#:]?[\d-]*",
    re.IGNORECASE,
)
#: What karaoke programs call the tracks of the words.
_WORDS: Final = re.compile(r"words|lyrics?|soft karaoke|karaoke|vocals?", re.IGNORECASE)
#: Tags of a text about itself (MIDI's recommended practice 26): "{@JP}", "{#Title=Sakura}".
_TAG: Final = re.compile(r"\{([@#])([^{}=]*)(?:=([^{}]*))?\}")
_FEWEST: Final = 4  # syllables: less is a remark
_IS_TEXT: Final = frozenset(range(1, 16))
#: What karaoke files say of the language, "@LRUSS", and a text of its encoding, "{@JP}".
_LANGUAGE: Final = re.compile(rb"@L([A-Za-z]{2,})|\{@([\w-]+)\}")
#: Languages that programs write where nobody chose one.
_SAY_NOTHING: Final = frozenset(["", "EN", "ENG", "ENGL", "ENGLISH"])
_MARKS: Final = (codecs.BOM_UTF8, codecs.BOM_UTF16_BE, codecs.BOM_UTF16_LE)


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of a MIDI file, decoded.

    Attributes
    ----------
    title : str
        What a karaoke file's first text of ``@T`` says, or the tag ``{#Title=…}``; else the name
        of the first track, where that stands before any note and is no program's placeholder.
    names : list of str
        Of each track.
    syllables : list of str
        What is sung, without tags: lyric events, of the track that has most; where there are
        none, the texts of a karaoke file.
    """

    title: str
    names: list[str]
    syllables: list[str]


def texts_of(tracks: Sequence[Track]) -> Texts:
    """Decode the texts of a file, all together: one word is too little to tell an encoding by."""
    raw = [
        (number, kind, content, track.opening is None or place < track.opening)
        for number, track in enumerate(tracks)
        for place, (_, kind, content) in enumerate(track.metas)
        if kind in _IS_TEXT
    ]
    as_text = _decoded(content for _, _, content, _ in raw)
    told: list[list[tuple[int, str]]] = [[] for _ in tracks]
    names = [""] * len(tracks)
    first_name = title = ""
    for number, kind, content, opens in raw:
        text = as_text[content]
        if kind == TRACK_NAME:
            names[number] = names[number] or clean(text)
            if number == 0 and opens:
                first_name = first_name or clean(text)
        elif kind in (TEXT, LYRIC):
            for sign, key, value in _TAG.findall(text):
                if sign == "#" and key.strip().lower() == "title":
                    title = title or clean(value)
            if kind == TEXT and text.startswith("@T"):
                title = title or clean(text[2:])
            told[number].append((kind, _TAG.sub("", text)))
    syllables = _sung(told)
    if not title and not _NO_TITLE.fullmatch(first_name):
        title = "" if syllables and _WORDS.fullmatch(first_name) else first_name
    return Texts(title, names, syllables)


def _sung(told: Sequence[Sequence[tuple[int, str]]]) -> list[str]:
    """Return the syllables of the track that has most of them."""
    best: list[str] = []
    best_kind = TEXT
    for events in told:
        for wanted in (TEXT, LYRIC):
            texts = [text for kind, text in events if kind == wanted and text]
            if wanted == TEXT:
                texts = [text for text in texts if not text.startswith("@")]
                if not any(text.startswith(("/", "\\")) for text in texts):
                    continue  # remarks of a program
            if len(texts) >= _FEWEST and (wanted, len(texts)) > (best_kind, len(best)):
                best_kind, best = wanted, texts
    return best


def _decoded(texts: Iterable[bytes]) -> dict[bytes, str]:
    """Decode texts, all in the encoding that one of them declares, or that they look like."""
    found = list(dict.fromkeys(texts))
    marked = {text: decode(text) for text in found if text.startswith(_MARKS)}
    others = [text.replace(b"\0", b"") for text in found if text not in marked]
    declared = next(
        (told.group(1) or told.group(2) for told in map(_LANGUAGE.match, found) if told), b""
    )
    name = declared.decode("latin-1").upper()
    decoded = decode_together(others, None if name in _SAY_NOTHING else name)
    whole = zip((text for text in found if text not in marked), decoded, strict=True)
    return {text: told.replace("\ufffd", "") for text, told in (*marked.items(), *whole)}

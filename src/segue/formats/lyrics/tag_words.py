"""Words in a recording's tags: which of several texts is what is sung, and not a translation."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from segue.formats.embedded_tags import mutagen_tags
from segue.formats.encodings import decode
from segue.formats.names import normalise

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


def words_in_tags(path: Path) -> str:
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

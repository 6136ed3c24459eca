"""Bytes → text: which encoding it is in, as declared, by its form, or by what reads like words.

Unicode is told by its form. Of all older encodings chardet says how well a text in each would
fit a language; what it says of a title of six letters is worth little, so that this is weighed
with how common an encoding is and with how plausible the decoded text is as words.
"""

import codecs
import math
import re
import string
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from segue.formats.code_pages import LANGUAGES, PRIORS, SUPERSETS
from segue.formats.plausibility import NO_TEXT, plausibility

_TEXT_CODECS: Final = frozenset(
    codecs.lookup(name).name
    for name in [*PRIORS, *SUPERSETS, "iso8859-15", "iso8859-8", "iso8859-6", "mac-latin2"]
)
_ISO_2022: Final = re.compile(rb"\x1b[$(][@BIJ]")
_IN_WIDE: Final = frozenset(string.ascii_letters + string.digits + " \r\n、。，")
_SURE: Final = 3  # letters
_LOOKED_AT: Final = 1 << 16  # bytes: more than enough to tell by
_LEAST: Final = 4e-3  # confidence: below it chardet only guesses
_TRUST: Final = 1.0  # in what chardet says, and more the longer the text
_PLAIN: Final = 0.3  # of an ASCII letter, beside another byte
_TRUSTED_AFTER: Final = 5  # bytes
_MOST_TRUST: Final = 8


def decode(data: bytes, declared: str | None = None) -> str:
    """Decode a text of unknown encoding.

    Parameters
    ----------
    data : bytes
        UTF-8, UTF-16 or UTF-32, with or without byte order mark (UTF-32 only with), or an older
        encoding: Windows, ISO, DOS and Mac code pages, KOI8, Shift-JIS, EUC-JP, ISO-2022-JP,
        GB18030, Big5, EUC-KR. Lines of UTF-8 and of one older encoding may be mixed.
    declared : str, optional
        An encoding ("Windows-1251"), or a language ("ru", "JP", "RUSS") whose encodings alone
        are considered. Ignored where it is unknown, or the text is UTF-8 or cannot be in it.

    Returns
    -------
    str
        Without byte order mark; what cannot be decoded is U+FFFD.
    """
    data = data.removeprefix(codecs.BOM_UTF8)
    marked = _by_mark(data)
    if marked is not None:
        return marked
    if _ISO_2022.search(data) and data.isascii():
        try:
            return data.decode("iso2022_jp_ext")
        except UnicodeDecodeError:
            pass
    if wide := _wide(data):
        return wide
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    return "".join(_older(data.splitlines(keepends=True), declared))


def decode_together(parts: Sequence[bytes], declared: str | None = None) -> list[str]:
    """Decode short texts of one file, such as its title and artist, which share an encoding.

    Parameters
    ----------
    parts : sequence of bytes
        What is UTF-8 stays that; of all others one encoding is found, for in a single title
        there is little to tell it by.
    declared : str, optional
        As for `decode`.

    Returns
    -------
    list of str
        As many.
    """
    if len(parts) == 1:
        return [decode(parts[0], declared)]
    return _older(parts, declared, apart=b"\n")


def encoding_of(data: bytes) -> str:
    """Return Python's name of the encoding that a text's beginning is in, "utf-8" or an older one.

    For texts that are read line by line: of a line that is no UTF-8.
    """
    other = [line for line in data.splitlines() if not _is_utf8(line)]
    return _encoding(b"\n".join(other)[:_LOOKED_AT], None) if other else "utf-8"


def _by_mark(data: bytes) -> str | None:
    if data.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return data.decode("utf-32", "replace")
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace")
    return None


def _wide(data: bytes) -> str:
    """Decode UTF-16 without its mark: one way round there are spaces, ends of lines, letters."""
    if len(data) < 4 or len(data) % 2 or b"\0" not in data:
        return ""
    most, best = 0, ""
    for name in ("utf-16-le", "utf-16-be"):
        try:
            text = data.decode(name)
        except UnicodeDecodeError:
            continue
        usual = sum(c in _IN_WIDE for c in text)
        controls = any(unicodedata.category(c) in NO_TEXT and c not in "\t\r\n" for c in text)
        if usual > most and not controls:
            most, best = usual, text
    return best


def _older(parts: Sequence[bytes], declared: str | None, apart: bytes = b"") -> list[str]:
    """Decode parts of which some are UTF-8, and the others in one older encoding."""
    high = [part for part in parts if not part.isascii()]
    other = [part for part in high if not _is_utf8(part)]
    if not other:
        return [part.decode("utf-8", "replace") for part in parts]
    name = _encoding(apart.join(other)[:_LOOKED_AT], declared)
    older = {*other, *(part for part in high if _is_utf8_by_chance(part, name))}
    return [part.decode(name if part in older else "utf-8", "replace") for part in parts]


def _encoding(data: bytes, declared: str | None) -> str:
    """Return the encoding of a text that is no Unicode: the declared one where it can be."""
    told = (declared or "").strip().lower()
    try:
        found = codecs.lookup(told).name
    except (LookupError, ValueError):
        found = ""
    name = SUPERSETS.get(found, found)
    if name in _TEXT_CODECS and _decoded(data, name):
        return name
    return _detected(data, LANGUAGES.get(told, ()))


def _is_utf8(line: bytes) -> bool:
    """Tell whether a line is UTF-8, but for a few bytes that were lost."""
    text = line.decode("utf-8", "replace")
    lost = text.count("\ufffd")
    return not lost or 4 * lost < sum(c > "\x7f" for c in text) - lost


def _is_utf8_by_chance(part: bytes, encoding: str) -> bool:
    """Tell whether what could be UTF-8 reads better in the encoding of the parts around it."""
    try:
        text, older = part.decode("utf-8"), part.decode(encoding)
    except UnicodeDecodeError:
        return False
    few = sum(c > "\x7f" for c in text) < _SURE
    return few and plausibility(text, "utf-8") < plausibility(older, encoding)


@lru_cache(maxsize=256)
def _detected(data: bytes, among: tuple[str, ...]) -> str:
    """Return the likeliest encoding of a text that is no Unicode."""
    import chardet  # not needed by those who only search

    encodings = among or tuple(PRIORS)
    found = chardet.detect_all(
        data,
        ignore_threshold=True,
        include_encodings=encodings,
        no_match_encoding=encodings[0],  # chardet warns where its own default is not among them
        compat_names=False,
    )
    confidence = {one["encoding"]: one["confidence"] for one in found}
    high = sum(byte > 0x7F for byte in data)
    trust = min(_TRUST + (high + _PLAIN * (len(data) - high)) / _TRUSTED_AFTER, _MOST_TRUST)
    best, most = "cp1252", -math.inf
    for name in among or PRIORS:
        text = _decoded(data, name)
        if text:
            fit = math.log(confidence.get(name, 0) + _LEAST)
            score = math.log(PRIORS[name]) + trust * fit + plausibility(text, name)
            if score > most:
                best, most = name, score
    return best


def _decoded(data: bytes, encoding: str) -> str:
    """Decode all but a character cut at the end; "" where that cannot be."""
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        cut = len(data) == _LOOKED_AT and error.start >= len(data) - 3
        return data[: error.start].decode(encoding) if cut else ""

"""Detection of character encodings, and decoding of texts in unknown encodings.

Unicode is recognised by its form. For legacy encodings, chardet scores how well a text fits a
language in each of them; since this is unreliable for short titles, its confidence is combined
with a prior of the encoding and with the plausibility of the decoded text.
"""

import codecs
import math
import re
import string
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

#: Relative frequencies of the candidate encodings, by Python's names.
PRIORS: Final = {
    "cp1252": 1.0,
    "cp1251": 0.36,
    "cp932": 0.36,
    "gb18030": 0.36,
    "big5hkscs": 0.2,
    "cp949": 0.25,
    "euc_jis_2004": 0.08,
    "cp1250": 0.31,
    "cp1254": 0.2,
    "cp1253": 0.14,
    "koi8-r": 0.1,
    "koi8-u": 0.08,
    "cp866": 0.08,
    "iso8859-2": 0.16,
    "cp1257": 0.12,
    "cp1255": 0.15,
    "cp1256": 0.15,
    "cp1258": 0.05,
    "cp874": 0.09,
    "iso8859-5": 0.05,
    "iso8859-7": 0.08,
    "mac-roman": 0.04,
    "mac-cyrillic": 0.05,
    "cp850": 0.05,
    "cp852": 0.04,
}
CYRILLIC: Final = ("cp1251", "koi8-r", "koi8-u", "cp866", "iso8859-5", "mac-cyrillic")
WESTERN: Final = ("cp1252", "mac-roman", "cp850")
CENTRAL: Final = ("cp1250", "iso8859-2", "cp852")
JAPANESE: Final = ("cp932", "euc_jis_2004")
CHINESE: Final = ("gb18030", "big5hkscs")
#: Encodings by declared language (ISO 639, and the four-letter codes of karaoke files).
LANGUAGES: Final = {
    **dict.fromkeys(["ru", "rus", "russ", "uk", "ukr", "ukra", "bg", "bul", "bulg"], CYRILLIC),
    **dict.fromkeys(["en", "eng", "engl", "de", "deu", "ger", "deut", "germ"], WESTERN),
    **dict.fromkeys(["fr", "fra", "fre", "fran", "fren", "it", "ita", "ital"], WESTERN),
    **dict.fromkeys(["es", "esp", "spa", "espa", "span", "pt", "por", "port"], WESTERN),
    **dict.fromkeys(["nl", "nld", "dut", "dutc", "sv", "swe", "swed", "da", "dan"], WESTERN),
    **dict.fromkeys(["dani", "no", "nor", "norw", "fi", "fin", "finn", "latin"], WESTERN),
    **dict.fromkeys(["pl", "pol", "poli", "cs", "cze", "ces", "czec", "hu", "hun"], CENTRAL),
    **dict.fromkeys(["hung", "sk", "slo", "slk", "hr", "hrv", "croa", "ro", "rum"], CENTRAL),
    **dict.fromkeys(["ja", "jp", "jpn", "japa", "nipp"], JAPANESE),
    **dict.fromkeys(["zh", "chi", "zho", "chin", "cn", "tw"], CHINESE),
    **dict.fromkeys(["ko", "kor", "kr", "kore"], ("cp949",)),
    **dict.fromkeys(["el", "gre", "ell", "gr", "gree"], ("cp1253", "iso8859-7")),
    **dict.fromkeys(["tr", "tur", "turk"], ("cp1254",)),
    **dict.fromkeys(["he", "heb", "hebr"], ("cp1255",)),
    **dict.fromkeys(["ar", "ara", "arab"], ("cp1256",)),
    **dict.fromkeys(["th", "tha", "thai"], ("cp874",)),
    **dict.fromkeys(["vi", "vie", "viet"], ("cp1258",)),
}
#: Supersets of encodings, which are used instead of the declared subset.
SUPERSETS: Final = {
    "iso8859-1": "cp1252",
    "ascii": "cp1252",
    "shift_jis": "cp932",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "big5": "big5hkscs",
    "euc_kr": "cp949",
    "tis-620": "cp874",
    "iso8859-11": "cp874",
    "iso8859-9": "cp1254",
}


# --- plausibility ---

_SCORED: Final = 600  # characters
#: Unicode categories that do not occur in texts: control, private, unassigned, surrogate.
NO_TEXT: Final = frozenset(["Cc", "Co", "Cn", "Cs"])
#: Letters other than a to z of each language, and the relative frequency of its texts.
_ALPHABETS: Final = (
    ("éèàêçùâîôûëïœüæ", 1.0),  # French
    ("äöüßé", 1.0),  # German
    ("áéíóúñüºª", 1.0),  # Spanish
    ("áâãàçéêíóôõúüºª", 0.7),  # Portuguese
    ("àèéìòùî", 0.7),  # Italian
    ("åäöéü", 0.7),  # Swedish, Finnish
    ("æøåéôò", 0.7),  # Danish, Norwegian
    ("ëïéèöüóêç", 0.5),  # Dutch; English with words of others
    ("àçèéíïòóúü·", 0.2),  # Catalan
    ("áðéíóúýþæö", 0.03),  # Icelandic
    ("ąćęłńóśźż", 1.0),  # Polish
    ("áčďéěíňóřšťúůýž", 0.9),  # Czech
    ("áäčďéíĺľňóôŕšťúýž", 0.6),  # Slovak
    ("áéíóöőúüű", 0.9),  # Hungarian
    ("ăâîşţșț", 0.8),  # Romanian
    ("čćžšđ", 0.9),  # Croatian, Slovene
    ("çğıöşüâîûi̇", 1.0),  # Turkish
    ("ąčęėįšųūž", 1.0),  # Lithuanian
    ("āčēģīķļņšūžōŗ", 1.0),  # Latvian
    ("äõöüšž", 0.2),  # Estonian
    ("áàâäéèêëíîïóòôöúùûüçñœßãõøåæ", 0.05),  # many at once, as in a list of names
    ("áàâãèéêíìóòôõúùýăđĩũơư\u0300\u0301\u0303\u0309\u0323", 0.1),  # Vietnamese, as cp1258 has it
    ("абвгдеёжзийклмнопрстуфхцчшщъыьэюя", 1.0),  # Russian
    ("абвгґдеєжзиіїйклмнопрстуфхцчшщьюя", 0.4),  # Ukrainian
    ("абвгдежзийклмнопрстуфхцчшщъьюя", 0.3),  # Bulgarian
    ("абвгдђежзијклљмнњопрстћуфхцчџшѓќѕ", 0.2),  # Serbian, Macedonian
    ("абвгдеёжзійклмнопрстуўфхцчшыьэюя", 0.1),  # Belarusian
    ("αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώϊϋΐΰ", 1.0),  # Greek
)
# Contributions to the log odds.
_FOREIGN_LETTER: Final = -2.0  # a letter that is not in the alphabet
#: Scripts of the alphabets above.
_ALPHABETIC: Final = frozenset(["LATIN", "CYRILLIC", "GREEK", "COMBINING"])
#: Common characters of East Asian encodings: a narrower encoding, and its range of lead bytes.
_COMMON: Final = {
    "cp932": ("euc_jp", 0xA4, 0xCF),  # kana and the first level of kanji
    "euc_jis_2004": ("euc_jp", 0xA4, 0xCF),
    "gb18030": ("gb2312", 0xB0, 0xD7),  # the first level
    "big5hkscs": ("big5", 0xA4, 0xC6),  # the first level
    "cp949": ("euc_kr", 0xB0, 0xC8),  # Hangul
}
#: Characters that are frequent in titles and songs.
_FREQUENT: Final = {
    "cp932": (
        "一人日大年上中下出小山川花雪月夜空心恋愛君私僕夢歌春夏秋冬風雨星海島子女男音楽曲"
        "東京涙時雲光道何言生行来見帰別朝青赤白色手目声世界今明想思会待"
    ),
    "gb18030": (
        "的一是不了我你他她在人有爱心天上下大小月夜花风雨雪海歌曲梦里来去这那个们么好想情"
        "说没到时会为和就要也都还过相信永远朋友路东西南北春夏秋冬红黑白青年生日中国老无言"
        "话今世界千万谁什怎样让给再见走开手飞星空水山河家乡"
    ),
    "big5hkscs": (
        "的一是不了我你他她在人有愛心天上下大小月夜花風雨雪海歌曲夢裡來去這那個們麼好想情"
        "說沒到時會為和就要也都還過相信永遠朋友路東西南北春夏秋冬紅黑白青年生日中國老無言"
        "話今世界千萬誰什怎樣讓給再見走開手飛星空水山河家鄉"
    ),
    "cp949": (
        "이가을를은는의에서로다나너우리사랑그대하고지아기도한말날밤봄꽃눈비별바람노래마음"
        "길내니어라오해요자만보인시간울안녕"
    ),
}
_FREQUENT_CHARACTER: Final = 0.6
_KANA_IN_CHINESE: Final = -1.0
_JOINED_TO_LATIN: Final = -2.0
_CJK: Final = "CJK"
_EAST_ASIAN: Final = frozenset(
    ["CJK", "HIRAGANA", "KATAKANA", "HANGUL", "KATAKANA-HIRAGANA", "HALFWIDTH", "IDEOGRAPHIC"]
)
#: Symbols that are common in texts.
_COMMON_SYMBOLS: Final = frozenset(
    "‘’“”„‚«»‹›–—…·•°©®™€£§¿¡´\u00a0、。「」『』・〜～ー！？（）：，；《》【】"
)
_RARE_SYMBOL: Final = -1.5
_COMMON_SYMBOL: Final = -0.05
_SYMBOL_IN_WORD: Final = -3.0
#: Symbols between two letters of a word, or of two words without a space.
_WITHIN_WORDS: Final = frozenset("’‘·–—…‐-ー・〜～´")
#: Letters of cp1252 that do not occur in its languages; cp1250 has them for others.
_RARE_IN_CP1252: Final = frozenset("ŠšŽžŸÿƒˆ")
_AFTER_TILDE: Final = frozenset("oesiOESI")  # letters after ã in Portuguese
_LATIN_COMPATIBLE: Final = frozenset(["", "LATIN", "COMBINING", _CJK])
_FEW: Final = 4
_FEW_FOREIGN: Final = -2.0  # a few letters of another script among Latin words
_MIXED_SCRIPTS: Final = -4.0
_CASE: Final = -2.5
#: Opening single quotation marks and their closing ones, expected in the same text; others may be
#: closed lines later.
_PAIRS: Final = {"‹": "›", "‚": "‘’", "‘": "’"}
_UNPAIRED: Final = -1.5
_CAPITAL_FIRST: Final = 1.0
_RARE_CHARACTER: Final = -2.0
_HALF_WIDTH: Final = -2.0
_IMPOSSIBLE: Final = -12.0


def plausibility(text: str, encoding: str) -> float:
    """Score how plausible a decoded text is, by its characters and their neighbours.

    Returns
    -------
    float
        Log odds; about 0 for normal text, and negative for symbols within words, mixed scripts,
        capitals after lower-case letters, and rare characters.
    """
    part = text[:_SCORED]
    first = next(filter(str.isalpha, part), "")
    score = _CAPITAL_FIRST if first > "\x7f" and first.isupper() else 0.0
    previous = before_previous = " "
    for c in part:
        if _is_mixed_case(before_previous, previous, c):
            score += _CASE
        if c > "\x7f" or previous > "\x7f":
            score += _score_pair(previous, c)
        if previous > "\x7f" and previous not in _WITHIN_WORDS and not _is_letter(previous):
            score += _SYMBOL_IN_WORD * (
                before_previous.isalpha() and c.isalpha() and _script(c) != _CJK
            )
        if previous == "ã" and c.isalpha() and c not in _AFTER_TILDE:
            score += _RARE_SYMBOL
        if c > "\x7f":
            score += _score_character(c, encoding)
        before_previous, previous = previous, c
    if len(text) < _SCORED:
        score += _UNPAIRED * sum(
            c in part and not any(end in part for end in ends) for c, ends in _PAIRS.items()
        )
    ascii_letters = sum(c.isascii() and c.isalpha() for c in part)
    foreign = sum(_script(c) not in _LATIN_COMPATIBLE for c in part if c > "\x7f")
    if foreign and _FEW * foreign < ascii_letters:
        score += _FEW_FOREIGN
    letters = [c for c in part.lower() if c > "\x7f" and _script(c) in _ALPHABETIC]
    if letters:
        score += max(
            math.log(common) + _FOREIGN_LETTER * sum(c not in alphabet for c in letters)
            for alphabet, common in _ALPHABETS
        )
    return score


def _is_mixed_case(before: str, c: str, after: str) -> bool:
    """Return whether a non-ASCII capital is within a lower-case word."""
    return c > "\x7f" and c.isupper() and before.isalpha() and after.islower()


def _score_character(c: str, encoding: str) -> float:
    """Score one character."""
    if c == "\ufffd" or unicodedata.category(c) in NO_TEXT:
        return _IMPOSSIBLE
    if c in _COMMON_SYMBOLS:
        return _COMMON_SYMBOL
    if not _is_letter(c) or (encoding == "cp1252" and c in _RARE_IN_CP1252):
        return _RARE_SYMBOL
    return _rarity(c, encoding) if encoding in _COMMON else 0.0


def _score_pair(before: str, c: str) -> float:
    """Score two adjacent characters, at least one of which is not ASCII."""
    first, second = _script(before), _script(c)
    if not first or not second:
        symbol = c if first else before
        in_word = (first or second) not in {"", _CJK} and symbol > "\x7f"
        return _SYMBOL_IN_WORD if in_word and symbol not in _COMMON_SYMBOLS else 0.0
    score = 0.0
    if first != second and "COMBINING" not in (first, second):
        score += _JOINED_TO_LATIN if _CJK in (first, second) else _MIXED_SCRIPTS
    if before.islower() and c.isupper():
        score += _CASE
    return score


def _is_letter(c: str) -> bool:
    return unicodedata.category(c)[0] in "LM"


@lru_cache(maxsize=4096)
def _script(c: str) -> str:
    """Return the script of a letter, such as "LATIN", or `_CJK`; "" for other characters."""
    if not _is_letter(c):
        return ""
    name = unicodedata.name(c, "").split(" ")[0]
    return _CJK if name in _EAST_ASIAN else name


@lru_cache(maxsize=4096)
def _rarity(c: str, encoding: str) -> float:
    """Score how common an East Asian character is in texts of an encoding."""
    if c in _FREQUENT.get("cp932" if encoding == "euc_jis_2004" else encoding, ""):
        return _FREQUENT_CHARACTER
    if "HALFWIDTH" in unicodedata.name(c, ""):
        return _HALF_WIDTH
    if "\u3040" <= c < "\u3100" and encoding not in JAPANESE:
        return _KANA_IN_CHINESE
    codec, first, last = _COMMON[encoding]
    try:
        lead = c.encode(codec)[0]
    except UnicodeEncodeError:
        return _RARE_CHARACTER
    return 0.0 if first <= lead <= last else _RARE_CHARACTER


# --- detection ---

_TEXT_CODECS: Final = frozenset(
    codecs.lookup(name).name
    for name in [*PRIORS, *SUPERSETS, "iso8859-15", "iso8859-8", "iso8859-6", "mac-latin2"]
)
_ISO_2022: Final = re.compile(rb"\x1b[$(][@BIJ]")
_COMMON_IN_UTF16: Final = frozenset(string.ascii_letters + string.digits + " \r\n、。，")
_CERTAIN: Final = 3  # non-ASCII characters, from which valid UTF-8 is no coincidence
_SAMPLE_BYTES: Final = 1 << 16
_MIN_CONFIDENCE: Final = 4e-3  # of chardet, which guesses below
# Weight of chardet's confidence, which grows with the length of the text.
_WEIGHT: Final = 1.0
_ASCII_WEIGHT: Final = 0.3  # of an ASCII byte relative to others
_BYTES_PER_WEIGHT: Final = 5
_MAX_WEIGHT: Final = 8


def decode(data: bytes, declared: str | None = None) -> str:
    """Decode a text in an unknown encoding.

    Parameters
    ----------
    data : bytes
        UTF-8, UTF-16 or UTF-32, with or without byte order mark (UTF-32 only with), or a legacy
        encoding: Windows, ISO, DOS and Mac code pages, KOI8, Shift-JIS, EUC-JP, ISO-2022-JP,
        GB18030, Big5, EUC-KR. Lines in UTF-8 and in one legacy encoding may be mixed.
    declared : str, optional
        An encoding ("Windows-1251"), or a language ("ru", "JP", "RUSS") to whose encodings the
        detection is limited. It is ignored if it is unknown, or if the text is UTF-8 or invalid
        in it.

    Returns
    -------
    str
        Without byte order mark; undecodable bytes become U+FFFD.
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
    return "".join(_decode_legacy(data.splitlines(keepends=True), declared))


def decode_all(parts: Sequence[bytes], declared: str | None = None) -> list[str]:
    """Decode short texts of one file that share an encoding, such as title and artist.

    Parameters
    ----------
    parts : sequence of bytes
        Texts in UTF-8 are decoded as such; the encoding of all others is detected jointly, since a
        single title is too short.
    declared : str, optional
        See `decode`.

    Returns
    -------
    list of str
    """
    if len(parts) == 1:
        return [decode(parts[0], declared)]
    return _decode_legacy(parts, declared, separator=b"\n")


def detect_encoding(data: bytes) -> str:
    """Detect the encoding of the beginning of a text that is read line by line.

    It is "utf-8", or the encoding of the lines that are not UTF-8.
    """
    other = [line for line in data.splitlines() if not _is_utf8(line)]
    return _encoding(b"\n".join(other)[:_SAMPLE_BYTES], None) if other else "utf-8"


def _by_mark(data: bytes) -> str | None:
    if data.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return data.decode("utf-32", "replace")
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace")
    return None


def _wide(data: bytes) -> str:
    """Decode UTF-16 without byte order mark, by the frequency of common characters."""
    if len(data) < 4 or len(data) % 2 or b"\0" not in data:
        return ""
    best_count, best = 0, ""
    for name in ("utf-16-le", "utf-16-be"):
        try:
            text = data.decode(name)
        except UnicodeDecodeError:
            continue
        count = sum(c in _COMMON_IN_UTF16 for c in text)
        controls = any(unicodedata.category(c) in NO_TEXT and c not in "\t\r\n" for c in text)
        if count > best_count and not controls:
            best_count, best = count, text
    return best


def _decode_legacy(
    parts: Sequence[bytes], declared: str | None, separator: bytes = b""
) -> list[str]:
    """Decode parts, some in UTF-8 and the others in one legacy encoding."""
    high = [part for part in parts if not part.isascii()]
    other = [part for part in high if not _is_utf8(part)]
    if not other:
        return [part.decode("utf-8", "replace") for part in parts]
    name = _encoding(separator.join(other)[:_SAMPLE_BYTES], declared)
    legacy = {*other, *(part for part in high if _is_utf8_by_chance(part, name))}
    return [part.decode(name if part in legacy else "utf-8", "replace") for part in parts]


def _encoding(data: bytes, declared: str | None) -> str:
    """Return the legacy encoding of a text: the declared one if valid, else the detected one."""
    label = (declared or "").strip().lower()
    try:
        codec = codecs.lookup(label).name
    except (LookupError, ValueError):
        codec = ""
    name = SUPERSETS.get(codec, codec)
    if name in _TEXT_CODECS and _decoded(data, name):
        return name
    return _detected(data, LANGUAGES.get(label, ()))


def _is_utf8(line: bytes) -> bool:
    """Return whether a line is UTF-8, except for a few invalid bytes."""
    text = line.decode("utf-8", "replace")
    invalid = text.count("\ufffd")
    return not invalid or 4 * invalid < sum(c > "\x7f" for c in text) - invalid


def _is_utf8_by_chance(part: bytes, encoding: str) -> bool:
    """Return whether valid UTF-8 is more plausible in the encoding of the other parts."""
    try:
        text, legacy = part.decode("utf-8"), part.decode(encoding)
    except UnicodeDecodeError:
        return False
    few = sum(c > "\x7f" for c in text) < _CERTAIN
    return few and plausibility(text, "utf-8") < plausibility(legacy, encoding)


@lru_cache(maxsize=256)
def _detected(data: bytes, among: tuple[str, ...]) -> str:
    """Return the most likely legacy encoding of a text."""
    import chardet  # not needed for searching

    encodings = among or tuple(PRIORS)
    results = chardet.detect_all(
        data,
        ignore_threshold=True,
        include_encodings=encodings,
        no_match_encoding=encodings[0],  # chardet warns if its default is not included
        compat_names=False,
    )
    confidence = {result["encoding"]: result["confidence"] for result in results}
    high = sum(byte > 0x7F for byte in data)
    weight = min(
        _WEIGHT + (high + _ASCII_WEIGHT * (len(data) - high)) / _BYTES_PER_WEIGHT, _MAX_WEIGHT
    )
    best, best_score = "cp1252", -math.inf
    for name in among or PRIORS:
        text = _decoded(data, name)
        if text:
            fit = math.log(confidence.get(name, 0) + _MIN_CONFIDENCE)
            score = math.log(PRIORS[name]) + weight * fit + plausibility(text, name)
            if score > best_score:
                best, best_score = name, score
    return best


def _decoded(data: bytes, encoding: str) -> str:
    """Decode a text, except a character cut at the end of the sample; "" if it is invalid."""
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        cut = len(data) == _SAMPLE_BYTES and error.start >= len(data) - 3
        return data[: error.start].decode(encoding) if cut else ""

"""Bytes to text: detection of the character encoding.

The encodings of texts that are older than Unicode, and who wrote in them.

How much a text looks like words, by what stands beside what and whose letters these are.

Bytes → text: which encoding it is in, as declared, by its form, or by what reads like words.

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

# --- code pages ---

#: Encodings that are considered, by Python's names, and how common texts in them are.
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
#: Languages as they are declared (ISO 639, and the four letters of karaoke files), and what
#: texts in them are encoded in.
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
#: Subsets that are declared where the superset was written.
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

_WEIGHED: Final = 600  # characters
#: General categories of Unicode that no text has: control, private, unassigned, surrogate.
NO_TEXT: Final = frozenset(["Cc", "Co", "Cn", "Cs"])
#: Letters beside a to z by which languages are written, and how common a text in it is.
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
_OUTSIDE: Final = -2.0  # in log odds, a letter that the language has not
#: Scripts with more than one language here, or with one that is spelled with all its letters.
_SPELLED: Final = frozenset(["LATIN", "CYRILLIC", "GREEK", "COMBINING"])
#: What is common in each East Asian encoding: a narrower one, and its first and last lead byte.
_COMMON: Final = {
    "cp932": ("euc_jp", 0xA4, 0xCF),  # kana and the first level of kanji
    "euc_jis_2004": ("euc_jp", 0xA4, 0xCF),
    "gb18030": ("gb2312", 0xB0, 0xD7),  # the first level
    "big5hkscs": ("big5", 0xA4, 0xC6),  # the first level
    "cp949": ("euc_kr", 0xB0, 0xC8),  # Hangul
}
#: What titles and songs are full of.
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
#: What stands in Western texts beside letters.
_USUAL_SIGNS: Final = frozenset(
    "‘’“”„‚«»‹›–—…·•°©®™€£§¿¡´\u00a0、。「」『』・〜～ー！？（）：，；《》【】"
)
_ODD_SIGN: Final = -1.5  # in log odds, each
_USUAL_SIGN: Final = -0.05
_SIGN_IN_WORD: Final = -3.0
#: Signs that stand between two letters of a word, or of two words without a space.
_WITHIN_WORDS: Final = frozenset("’‘·–—…‐-ー・〜～´")
#: Letters of cp1252 that the languages written in it have not: of others, cp1250 has them too.
_RARE_IN_CP1252: Final = frozenset("ŠšŽžŸÿƒˆ")
_AFTER_TILDE: Final = frozenset("oesiOESI")  # what Portuguese has after an a with tilde
_AMONG_ASCII: Final = frozenset(["", "LATIN", "COMBINING", _CJK])
_FEW: Final = 4
_FEW_FOREIGN: Final = -2.0  # a few letters of another alphabet among words in Latin letters
_MIXED_SCRIPTS: Final = -4.0
_CASE: Final = -2.5
#: Single quotation marks that open, and what closes them in the same text; others are closed
#: lines later.
_PAIRS: Final = {"‹": "›", "‚": "‘’", "‘": "’"}
_UNPAIRED: Final = -1.5
_CAPITAL_FIRST: Final = 1.0
_RARE_CHARACTER: Final = -2.0
_HALF_WIDTH: Final = -2.0
_IMPOSSIBLE: Final = -12.0


def plausibility(text: str, encoding: str) -> float:
    """Say how much a text looks like words, by what stands beside what.

    Returns
    -------
    float
        Log odds: 0 where nothing is odd, less for signs within words, words of two scripts,
        capitals after small letters, characters that hardly any text has.
    """
    part = text[:_WEIGHED]
    first = next(filter(str.isalpha, part), "")
    score = _CAPITAL_FIRST if first > "\x7f" and first.isupper() else 0.0
    before = before_it = " "
    for c in part:
        if _is_mixed(before_it, before, c):
            score += _CASE
        if c > "\x7f" or before > "\x7f":
            score += _beside(before, c)
        if before > "\x7f" and before not in _WITHIN_WORDS and not _is_letter(before):
            score += _SIGN_IN_WORD * (before_it.isalpha() and c.isalpha() and _script(c) != _CJK)
        if before == "ã" and c.isalpha() and c not in _AFTER_TILDE:
            score += _ODD_SIGN
        if c > "\x7f":
            score += _alone(c, encoding)
        before_it, before = before, c
    if len(text) < _WEIGHED:
        score += _UNPAIRED * sum(
            c in part and not any(end in part for end in ends) for c, ends in _PAIRS.items()
        )
    ascii_letters = sum(c.isascii() and c.isalpha() for c in part)
    foreign = sum(_script(c) not in _AMONG_ASCII for c in part if c > "\x7f")
    if foreign and _FEW * foreign < ascii_letters:
        score += _FEW_FOREIGN
    letters = [c for c in part.lower() if c > "\x7f" and _script(c) in _SPELLED]
    if letters:
        score += max(
            math.log(common) + _OUTSIDE * sum(c not in alphabet for c in letters)
            for alphabet, common in _ALPHABETS
        )
    return score


def _is_mixed(one: str, c: str, other: str) -> bool:
    """Tell whether a capital that is not ASCII stands within a word of small letters."""
    return c > "\x7f" and c.isupper() and one.isalpha() and other.islower()


def _alone(c: str, encoding: str) -> float:
    """Weigh one character."""
    if c == "\ufffd" or unicodedata.category(c) in NO_TEXT:
        return _IMPOSSIBLE
    if c in _USUAL_SIGNS:
        return _USUAL_SIGN
    if not _is_letter(c) or (encoding == "cp1252" and c in _RARE_IN_CP1252):
        return _ODD_SIGN
    return _rarity(c, encoding) if encoding in _COMMON else 0.0


def _beside(before: str, c: str) -> float:
    """Weigh two characters beside each other, of which one at least is not ASCII."""
    one, other = _script(before), _script(c)
    if not one or not other:
        sign = c if one else before
        inside = (one or other) not in {"", _CJK} and sign not in _USUAL_SIGNS and sign > "\x7f"
        return _SIGN_IN_WORD if inside else 0.0
    score = 0.0
    if one != other and "COMBINING" not in (one, other):
        score += _JOINED_TO_LATIN if _CJK in (one, other) else _MIXED_SCRIPTS
    if before.islower() and c.isupper():
        score += _CASE
    return score


def _is_letter(c: str) -> bool:
    return unicodedata.category(c)[0] in "LM"


@lru_cache(maxsize=4096)
def _script(c: str) -> str:
    """Return a letter's script, as "LATIN"; `_CJK` of all that are written together."""
    if not _is_letter(c):
        return ""
    name = unicodedata.name(c, "").split(" ")[0]
    return _CJK if name in _EAST_ASIAN else name


@lru_cache(maxsize=4096)
def _rarity(c: str, encoding: str) -> float:
    """Weigh how common an East Asian character is in texts of an encoding."""
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


# --- encodings ---

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


def decode_all(parts: Sequence[bytes], declared: str | None = None) -> list[str]:
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


def detect_encoding(data: bytes) -> str:
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

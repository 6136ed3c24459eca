"""How much a text looks like words, by what stands beside what and whose letters these are."""

import math
import unicodedata
from functools import lru_cache
from typing import Final

from segue.formats.code_pages import JAPANESE

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

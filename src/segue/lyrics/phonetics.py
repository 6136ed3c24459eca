"""Words, syllables and rhymes of a line, estimated from its spelling."""

import re
import unicodedata
from functools import lru_cache
from typing import Final

# Letters with combining marks and apostrophes between them; in scripts without spaces, each
# character is a word.
_WORD: Final = re.compile(
    "[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff]"
    "|'?[^\\W\\d_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff]"
    "(?:[^\\W\\d_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff]|[\u0300-\u036f\u0591-\u06ed])*"
    "(?:'[^\\W\\d_]+)*"
)
_CJK: Final = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff]")
_APOSTROPHES: Final = str.maketrans("’ʼ`´‘", "'''''")
_VOWELS: Final = "aeiouyäöüæœøåаеёиоуыэюяіїєαεηιουω"
_VOWEL_GROUP: Final = re.compile(f"[{_VOWELS}]+")
_SILENT_E: Final = re.compile("[^aeiouyl]e$|[aeiouyrn]le$")
_SILENT_ED: Final = re.compile("([^aeiouytd])ed$")
# A vowel that a silent e makes long.
_LONG_VOWEL: Final = re.compile("([aeiou])([^aeiouy])e$")
_RHYME: Final = re.compile(f"[{_VOWELS}]+:?[^{_VOWELS}]*$")
# Word endings in English and an ending of the same sound, the longest first.
_HOMOPHONES: Final = (
    ("ought", "awt"), ("aught", "awt"), ("eight", "ate"), ("aight", "ate"), ("ight", "ite"),
    ("igh", "i"), ("eign", "ane"), ("ain", "ane"), ("ail", "ale"), ("air", "are"), ("ear", "ere"),
    ("eer", "ere"), ("oar", "ore"), ("oor", "ore"), ("our", "ore"), ("eam", "eme"), ("eem", "eme"),
    ("ean", "ene"), ("een", "ene"), ("eal", "ele"), ("eel", "ele"), ("eap", "epe"), ("eep", "epe"),
    ("eat", "ete"), ("eet", "ete"), ("ead", "ed"), ("oam", "ome"), ("oan", "one"), ("own", "one"),
    ("oat", "ote"), ("oal", "ole"), ("oll", "ole"), ("ow", "o"), ("oe", "o"), ("ay", "a"),
    ("ey", "a"), ("ie", "i"), ("ye", "i"), ("ue", "u"), ("ew", "u"), ("oo", "u"), ("ee", "e"),
    ("ea", "e"), ("ph", "f"), ("ck", "k"), ("ll", "l"), ("ss", "s"), ("'d", "d"),
)  # fmt: skip


def word_list(text: str) -> list[str]:
    """Split a list of words at its spaces."""
    return text.split()


def split_words(line: str) -> list[str]:
    """Split a line into words, without numbers and punctuation, with straight apostrophes.

    Each character of Chinese, Japanese and Korean is a word.
    """
    return _WORD.findall(line.translate(_APOSTROPHES))


def normalised_words(text: str) -> list[str]:
    """Return the words of a text in lower case, without apostrophes at either end."""
    return [word.lstrip("'") for word in split_words(text.lower())]  # none ends with one


@lru_cache(maxsize=1 << 16)
def count_syllables(word: str) -> int:
    """Count the syllables of a word by its groups of vowels; at least 1.

    A silent e at the end does not count. In scripts that write no vowels, two letters count as a
    syllable.
    """
    if _CJK.match(word):
        return 1
    plain = _plain(word)
    count = len(_VOWEL_GROUP.findall(plain))
    if count == 0:
        return 1 if plain.isascii() else max(1, (len(plain) + 1) // 2)
    if count > 1 and (_SILENT_E.search(plain) or _SILENT_ED.search(plain)):
        count -= 1
    return count


@lru_cache(maxsize=1 << 16)
def rhyme_key(word: str) -> str:
    """Return the sound of a word from its last pronounced vowel on, by its spelling.

    Words with equal keys rhyme, such as "night" and "bite". Since equal spellings count as equal
    sounds, so do "love" and "move".
    """
    if _CJK.match(word):
        return word
    plain = _plain(word)
    for ending, homophone in _HOMOPHONES:
        if plain.endswith(ending) and len(plain) > len(ending):
            plain = plain[: -len(ending)] + homophone
            break
    if len(plain) > 3:
        plain = _SILENT_ED.sub(r"\1d", plain)
    plain = _LONG_VOWEL.sub(r"\1:\2", plain)
    rhyme = _RHYME.search(plain)
    # Scripts that write no vowels rhyme by their last two letters.
    return rhyme[0] if rhyme else plain[-2:]


@lru_cache(maxsize=1 << 16)
def _plain(word: str) -> str:
    """Remove case, accents, and apostrophes at either end."""
    folded = unicodedata.normalize("NFD", word.lower())
    return "".join(c for c in folded if not unicodedata.combining(c)).strip("'")

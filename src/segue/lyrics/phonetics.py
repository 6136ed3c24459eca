"""Words, syllables and rhymes of a line, from its spelling."""

import re
import unicodedata
from functools import lru_cache
from typing import Final

#: Letters with their marks, and apostrophes within; in scripts without spaces each sign.
_WORD: Final = re.compile(
    "[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff]"
    "|'?[^\\W\\d_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff]"
    "(?:[^\\W\\d_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff]|[\u0300-\u036f\u0591-\u06ed])*"
    "(?:'[^\\W\\d_]+)*"
)
_SIGNS: Final = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff]")
_APOSTROPHES: Final = str.maketrans("’ʼ`´‘", "'''''")
_VOWELS: Final = "aeiouyäöüæœøåаеёиоуыэюяіїєαεηιουω"
_GROUPS: Final = re.compile(f"[{_VOWELS}]+")
_SILENT_E: Final = re.compile("[^aeiouyl]e$|[aeiouyrn]le$")
_SILENT_ED: Final = re.compile("([^aeiouytd])ed$")
#: A vowel that a silent e makes long.
_LONG: Final = re.compile("([aeiou])([^aeiouy])e$")
_RHYME: Final = re.compile(f"[{_VOWELS}]+:?[^{_VOWELS}]*$")
#: Spellings of one sound at the end of English words, the longer first.
_SAME_ENDS: Final = (
    ("ought", "awt"), ("aught", "awt"), ("eight", "ate"), ("aight", "ate"), ("ight", "ite"),
    ("igh", "i"), ("eign", "ane"), ("ain", "ane"), ("ail", "ale"), ("air", "are"), ("ear", "ere"),
    ("eer", "ere"), ("oar", "ore"), ("oor", "ore"), ("our", "ore"), ("eam", "eme"), ("eem", "eme"),
    ("ean", "ene"), ("een", "ene"), ("eal", "ele"), ("eel", "ele"), ("eap", "epe"), ("eep", "epe"),
    ("eat", "ete"), ("eet", "ete"), ("ead", "ed"), ("oam", "ome"), ("oan", "one"), ("own", "one"),
    ("oat", "ote"), ("oal", "ole"), ("oll", "ole"), ("ow", "o"), ("oe", "o"), ("ay", "a"),
    ("ey", "a"), ("ie", "i"), ("ye", "i"), ("ue", "u"), ("ew", "u"), ("oo", "u"), ("ee", "e"),
    ("ea", "e"), ("ph", "f"), ("ck", "k"), ("ll", "l"), ("ss", "s"), ("'d", "d"),
)  # fmt: skip


def split_words(line: str) -> list[str]:
    """List the words of a line, case kept, with straight apostrophes.

    Numbers and punctuation are none. Each sign of Chinese, Japanese and Korean is a word.
    """
    return _WORD.findall(line.translate(_APOSTROPHES))


@lru_cache(maxsize=1 << 16)
def count_syllables(word: str) -> int:
    """Count the syllables of a word, at least 1: its groups of vowels.

    A silent e at the end of a word of Latin letters is none. Scripts that write no vowels have
    a syllable for every two letters.
    """
    if _SIGNS.match(word):
        return 1
    plain = _plain(word)
    count = len(_GROUPS.findall(plain))
    if count == 0:
        return 1 if plain.isascii() else max(1, (len(plain) + 1) // 2)
    if count > 1 and (_SILENT_E.search(plain) or _SILENT_ED.search(plain)):
        count -= 1
    return count


@lru_cache(maxsize=1 << 16)
def rhyme_key(word: str) -> str:
    """Return how a word ends: from its last sounding vowel on, by its spelling.

    Two words rhyme where this is the same: "night" and "bite", not "love" and "move", which
    only look so: what is spelled alike counts as alike.
    """
    if _SIGNS.match(word):
        return word
    plain = _plain(word)
    for written, sound in _SAME_ENDS:
        if plain.endswith(written) and len(plain) > len(written):
            plain = plain[: -len(written)] + sound
            break
    if len(plain) > 3:
        plain = _SILENT_ED.sub(r"\1d", plain)
    plain = _LONG.sub(r"\1:\2", plain)
    found = _RHYME.search(plain)
    # Scripts that write no vowels: the last two letters.
    return found[0] if found else plain[-2:]


@lru_cache(maxsize=1 << 16)
def _plain(word: str) -> str:
    """Fold case, accents and apostrophes at the ends away."""
    folded = unicodedata.normalize("NFD", word.lower())
    return "".join(c for c in folded if not unicodedata.combining(c)).strip("'")

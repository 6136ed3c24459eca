"""Division of words into syllables, as they stand under notes.

A word has as many syllables as its sound (`segue.lyrics.pronunciation`), and its spelling is
divided to match: vowel letters are grouped to nuclei, mute ones are left out or long groups divided
until their number is right, and the consonants between two nuclei are divided by the rules of
the language's hyphenation.
"""

import itertools
import re
from collections.abc import Sequence
from typing import Final

from segue.lyrics.phonetics import split_words, word_list
from segue.lyrics.pronunciation import sound, vowel_phonemes
from segue.lyrics.spelling import Language
from segue.records import Syllabic

_VOWELS: Final = "aeiouyàáâäãåæèéêëìíîïòóôöõøœùúûüýÿ"
#: Vowel letters that are one nucleus, the longest first.
_NUCLEI: Final[dict[str, re.Pattern[str]]] = {
    "en": re.compile(f"eau|iou|[{_VOWELS}]+"),
    "de": re.compile("äu|eu|ei|ai|ey|ay|au|ie|aa|ee|oo|oi|[aeiouyäöüáéè]"),
    "fr": re.compile(
        "œu|oeu|eau|aie|ieu|oie|oue|uei|oi|oî|oy|ou|oû|où|au|ai|aî|ay|ei|eu|eû|ui|ie|ié|iè|"
        f"[{_VOWELS}]"
    ),
    "es": re.compile("[iuü]?[aeoáéó][iuy](?![aeoáéó])|[iuü][aeoáéó]|[iu][uií]|[aeiouyáéíóúü]"),
    "it": re.compile("[iu]?[aeoàèéòó][iu](?![aeoàèéòó])|[iu][aeoàèéòó]|iu|ui|[aeiouàèéìíòóùú]"),
}
#: Pairs and triples of English vowel letters that are one vowel, where a group is divided.
_ENGLISH_VOWELS: Final = frozenset(
    word_list("ai ay au aw ea ee ei ey eu ew ie oa oe oi oo ou ow oy ue ui a e i o u y eau")
)
#: Consonant letters that belong together.
_UNITS: Final[dict[str, str]] = {
    "en": "tch|sch|ch|sh|th|ph|gh|ck|wh|qu|ng(?!$)",
    "de": "sch|ch|ph|th|ck|qu",
    "fr": "ch|ph|th|gn|qu|gu(?=[eiéèêy])",
    "es": "ch|ll|rr|qu|gu(?=[eiéí])",
    "it": "sch|gh|ch|gn|gli(?=[aeou])|gl(?=i)|sci(?=[aou])|sc(?=[eiéèì])|[cg]i(?=[aouàòù])|qu",
}
#: Clusters that begin a syllable: a stop or f and a liquid; in Italian s and consonants, too.
_ONSETS: Final = re.compile("[bcdfgkptv][lr]|th?r|ph[lr]|ch[lr]|shr")
_ITALIAN_ONSETS: Final = re.compile("[bcdfgpt][lr]|s[bcdfglmnpqrtv].*")
_MUTE: Final[dict[str, re.Pattern[str]]] = {
    "en": re.compile("e(?=s?$|d$)|e(?=(?:ful|less|ly|ment|ness|some)[a-z]*$)"),
    "fr": re.compile("e(?=s?$|nt$)"),
}
_LAX: Final = frozenset({"AE", "EH", "IH", "AA", "AH", "UH"})
_TOKEN: Final = re.compile(r"\S+")


def syllabify(word: str, language: Language) -> list[str]:
    """Divide a word into as many syllables as it has by its sound.

    Parameters
    ----------
    word : str
        One word, in any case.
    language : {"en", "de", "fr", "es", "it", "other"}

    Returns
    -------
    list of str
        Joined, they are the word.
    """
    count = len(sound(word, language).stress)
    rules = language if language in _NUCLEI else "es"
    lower = word.lower()
    nuclei = _nuclei(lower, rules, count)
    if len(nuclei) != count:
        return _evenly(word, count)
    cuts = [
        _cut(lower, before, after, rules, number)
        for number, (before, after) in enumerate(itertools.pairwise(nuclei))
    ]
    edges = [0, *cuts, len(word)]
    if len(lower) != len(word) or any(a >= b for a, b in itertools.pairwise(edges)):
        return _evenly(word, count)
    return [word[a:b] for a, b in itertools.pairwise(edges)]


def sung_syllables(line: str, language: Language) -> list[tuple[str, Syllabic]]:
    """Return the syllables of a line with their punctuation, and the place of each in its word."""
    syllables: list[tuple[str, Syllabic]] = []
    pending = ""
    for token in _TOKEN.findall(line):
        words = split_words(token)
        if not words:  # a dash by itself
            if syllables:
                syllables[-1] = f"{syllables[-1][0]} {token}", syllables[-1][1]
            else:
                pending += f"{token} "
            continue
        for text, word in _with_punctuation(token, words):
            parts = syllabify(word, language)
            before, _, after = text.partition(word)
            parts[0] = pending + before + parts[0]
            parts[-1] += after
            pending = ""
            last = len(parts) - 1
            for at, part in enumerate(parts):
                place: Syllabic = (
                    "single" if not last else "begin" if not at else "end" if at == last
                    else "middle"
                )  # fmt: skip
                syllables.append((part, place))
    return syllables


def _with_punctuation(token: str, words: Sequence[str]) -> list[tuple[str, str]]:
    """Return the words of a token as they are spelled, with and without what stands around them."""
    pairs, start = [], 0
    plain = token.translate(str.maketrans("’ʼ`´‘", "'''''"))
    places = []
    for word in words:
        at = plain.index(word, start)
        places.append((at, at + len(word)))
        start = at + len(word)
    for number, (first, end) in enumerate(places):
        begin = 0 if number == 0 else places[number - 1][1] + 1
        begin = min(begin, first)
        stop = min(end + 1, places[number + 1][0]) if number + 1 < len(places) else len(token)
        pairs.append((token[begin:stop], token[first:end]))
    return pairs


def _nuclei(word: str, rules: str, count: int) -> list[tuple[int, int]]:
    """Return start and end of the vowels of each syllable; possibly more or fewer than `count`."""
    masked = re.sub("qu", "q_", word)
    if rules == "en":
        masked = re.sub("^y(?=[aeiou])", "_", masked)
    elif rules in ("fr", "it", "es"):
        masked = re.sub("g[uü](?=[eiéèêíy])" if rules != "it" else "\0", "g_", masked)
    if rules == "it":
        masked = re.sub(
            "(?<=[cg])i(?=[aouàòù])|(?<=gl)i(?=[aeou])|(?<=sc)i(?=[aouàòù])", "_", masked
        )
    nuclei = [match.span() for match in _NUCLEI[rules].finditer(masked)]
    if rules in _MUTE:
        mute = {match.start() for match in _MUTE[rules].finditer(masked)}
        for span in reversed(nuclei):
            if len(nuclei) > count and span[1] - span[0] == 1 and span[0] in mute:
                nuclei.remove(span)
    for span in reversed(nuclei):
        if len(nuclei) > count and word[span[0] : span[1]] == "e":
            nuclei.remove(span)
    while len(nuclei) > count:
        joined = [at for at in range(len(nuclei) - 1) if nuclei[at][1] == nuclei[at + 1][0]]
        at = joined[0] if joined else len(nuclei) - 2
        nuclei[at : at + 2] = [(nuclei[at][0], nuclei[at + 1][1])] if joined else [nuclei[at]]
    while len(nuclei) < count:
        divided = [at for at, (start, end) in enumerate(nuclei) if end - start > 1]
        if not divided:
            break
        at = max(divided, key=lambda each: nuclei[each][1] - nuclei[each][0])
        start, end = nuclei[at]
        middle = _hiatus(word[start:end]) + start
        nuclei[at : at + 1] = [(start, middle), (middle, end)]
    return nuclei


def _hiatus(vowels: str) -> int:
    """Return where a group of vowel letters is divided."""
    places = range(1, len(vowels))
    known = [at for at in places
             if vowels[:at] in _ENGLISH_VOWELS and vowels[at:] in _ENGLISH_VOWELS]  # fmt: skip
    after_y = [at for at in known if vowels[at - 1] == "y"]
    return (after_y or known or [1])[0]


def _cut(
    word: str, before: tuple[int, int], after: tuple[int, int], rules: str, number: int
) -> int:
    """Return where the consonants between two nuclei are divided."""
    start, end = before[1], after[0]
    units = [
        (match.start(), match[0])
        for match in re.finditer(f"{_UNITS[rules]}|.", word)
        if start <= match.start() < end
    ]
    if not units:
        return start
    if len(units) == 1:
        at, unit = units[0]
        if rules == "en" and (unit in "wxck" or _is_checked(word, number)) and len(unit) == 1:
            return end if unit in "wx" or unit not in "ck" else at
        return end if unit == "ck" else at
    if rules == "de":
        return units[-1][0]
    onsets = _ITALIAN_ONSETS if rules == "it" else _ONSETS
    for at, unit in units[:-1]:
        if onsets.fullmatch(word, at, end) and not (at == start and unit == word[at + 1]):
            return at
    return units[-1][0]


def _is_checked(word: str, number: int) -> bool:
    """Return whether an English vowel is short and stressed, so that a consonant closes it."""
    vowels = vowel_phonemes(word)
    if number >= len(vowels):
        return False
    return vowels[number][-1] == "1" and vowels[number][:-1] in _LAX


def _evenly(word: str, count: int) -> list[str]:
    """Divide a word whose spelling tells nothing; the last syllables may be empty."""
    edges = [round(at * len(word) / count) for at in range(count + 1)]
    return [word[a:b] for a, b in itertools.pairwise(edges)]

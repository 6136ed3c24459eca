"""Sounds of German, French, Spanish and Italian words by rules, and the language of a text.

Their orthographies give syllables, stress and the sound of an ending nearly always. Rules respell a
word in a coarse phonetic spelling with a letter or digit for each sound, whose vowels are nuclei
of syllables. In French a final e is silent; in German the last full vowel after the stressed
syllable has secondary stress, so that "Mondenschein" rhymes with "sein".
"""

import re
import unicodedata
from collections.abc import Sequence
from typing import Final, Literal

from segue.lyrics.phonetics import word_list

Language = Literal["en", "de", "fr", "es", "it", "other"]
Rules = Sequence[tuple[str, str]]

_FRENCH: Final[Rules] = (
    ("œu|oeu", "eu"), ("ç", "s"), ("ph", "f"), ("qu|q", "k"), ("gu(?=[eiéèêy])", "g"),
    ("^oui$", "wi"), ("aoû", "oû"), ("(?<=[^aeo])u(?=i)", "w"),
    ("g(?=[eiéèêy])", "j"), ("ge(?=[aou])", "j"), ("c(?=[eiéèêy])", "s"), ("ch", "S"), ("c", "k"),
    ("(?<=[aeiouéèê])s(?=[aeiouéèêy])", "z"), ("ss", "s"), ("h", ""),
    ("(?<=[aeou])il(?:l(?=[eaoi]))?", "J"), ("ill(?=[eaoé])", "iJ"), ("gn", "N"),
    ("(?:er|ez|ed)$", "é"), ("[tdpsxz]+$", ""), ("(?<=[^aeiouéèêy])ent$|es$|e$", "@"),
    ("[tdpsxz]+$", ""), ("(?:eau|au)", "o"), ("oeu|eu", "2"), ("oû|où|ou", "U"), ("oi|oî|oy", "wa"),
    ("(?:ain|ein|aim|in|im|yn|ym|un|um)(?![aeiouéèêynm@])", "5"),
    ("(?:an|en|am|em)(?![aeiouéèêynm@])", "3"), ("(?:on|om)(?![aeiouéèêynm@])", "4"),
    ("ai|ei|aî|è|ê|ë|et$", "e"), ("é", "e"), ("[âà]", "a"), ("[îïy]", "i"),
    ("ô", "o"), ("[ûù]", "y"),
    ("u", "y"), ("([bcdfgklmnprstvz])\\1", r"\1"), ("[iy](?=[aeoU2345])", "j"), ("@", ""),
)  # fmt: skip
_SPANISH: Final[Rules] = (
    ("qu(?=[eiéí])", "k"), ("gu(?=[eiéí])", "g"), ("g(?=[eiéí])", "j"), ("c(?=[eiéí])", "s"),
    ("ch", "C"), ("c|q", "k"), ("z", "s"), ("h", ""), ("v", "b"), ("ll", "y"), ("ñ", "N"),
    ("x", "ks"), ("ü", "u"), ("y$", "i"), ("rr", "R"),
)  # fmt: skip
_ITALIAN: Final[Rules] = (
    ("(?:gh|g(?=[aouàòù]))", "G"), ("gli(?=[aeou])", "L"), ("gn", "N"),
    ("sci(?=[aou])|sc(?=[ei])", "S"),
    ("ch|q", "k"), ("ci(?=[aouàòù])|c(?=[eièéì])", "C"), ("c", "k"), ("gi(?=[aouàòù])", "j"),
    ("h", ""),
)  # fmt: skip
_GERMAN: Final[Rules] = (
    ("sch", "S"), ("ch", "x"), ("ph", "f"), ("qu", "kw"), ("tz|z", "ts"), ("ck", "k"),
    ("dt|th", "t"),
    ("ß|ss", "s"), ("v", "f"), ("äu|eu|oi", "9"), ("ei|ai|ey|ay", "8"), ("au", "7"), ("ie", "i"),
    ("aa|ah", "a"), ("ee|eh|äh", "e"), ("oo|oh", "o"), ("uh", "u"), ("ih", "i"), ("üh|y", "ü"),
    ("öh", "ö"), ("ä", "e"), ("([bdfgklmnprst])\\1", r"\1"), ("b(?=s?t?$)", "p"), ("d(?=s?$)", "t"),
    ("g(?=s?t?$)", "k"), ("h(?=[^aeiouöü789]|$)", ""),
)  # fmt: skip
_VOWELS: Final[dict[str, str]] = {
    "fr": "aeiouyU2345",
    "es": "aeiou",
    "it": "aeiou",
    "de": "aeiouöü789",
}
_RESPELLING: Final[dict[str, Rules]] = {
    "fr": _FRENCH, "es": _SPANISH, "it": _ITALIAN, "de": _GERMAN,
}  # fmt: skip
RULES: Final = frozenset(_RESPELLING)
#: German prefixes that are not stressed, and endings that are.
_PREFIX: Final = re.compile(
    "^(?:be|ge|er|ver|zer|ent|emp|miss)(?=[^aeiouäöü]?[^aeiouäöü]*[aeiouäöü].*)"
)
_STRESSED_ENDING: Final = re.compile("(?:ier(?:en|t|te|ten)|ion(?:en)?|tät|ei|ent|ant|ist|ie)$")
#: Frequent words that tell a language, none of them frequent in another.
_COMMON_WORDS: Final[dict[Language, frozenset[str]]] = {
    "en": frozenset(word_list("the and of to in my with that thy is was his you it for not they")),
    "de": frozenset(word_list("der die und das nicht ich ein ist mit den von zu dem auf im sich")),
    "fr": frozenset(word_list("le les et des un une dans qui je est du pour pas au sur ne vous")),
    "es": frozenset(word_list("el los y en las por con del al su como más pero mi yo es muy")),
    "it": frozenset(word_list("il di e che non per gli della nel mio si è dei con più lo ch")),
}
_MIN_COMMON: Final = 0.04
#: Articles, pronouns, prepositions, conjunctions and auxiliaries, which carry no stress and end no
#: line; those of English are in `segue.lyrics.pronunciation` and `segue.generate.lyrics.lexicon`.
FUNCTION_WORDS: Final[dict[Language, frozenset[str]]] = {
    "de": frozenset(word_list(
        "der die das den dem des ein eine einen einem einer eines und oder aber doch denn in im an "
        "am auf aus bei beim mit nach von vom zu zum zur für durch um ohne gegen über unter vor "
        "ist sind war waren sei hat hab habe wird will kann soll muß ich du er es sie wir ihr mich "
        "dich sich mir dir ihm ihn uns euch mein dein sein meine deine seine wie als wenn daß dass "
        "ob so nur noch nicht was wo wer da")),
    "fr": frozenset(word_list(
        "le la les l un une des du de d au aux à en dans par pour sur sous avec sans et ou mais "
        "ni car que qu qui dont où si ne n pas se s me m te t ce c cet cette ces il elle ils elles "
        "on nous vous je tu lui leur leurs mon ma mes ton ta tes son sa ses notre votre nos vos "
        "est sont était ont a ai as es suis comme plus très tout quand y")),
    "es": frozenset(word_list(
        "el la los las lo un una unos unas de del a al en con por para sin sobre y e o u ni que "
        "si no se me te le les nos os mi tu su mis tus sus es son era ha han he fue como más muy "
        "cuando donde yo tú él")),
    "it": frozenset(word_list(
        "il lo la i gli le l un uno una di d del dello della dei degli delle a al allo alla ai "
        "agli alle da dal dalla in nel nella nei con per su sul sulla tra fra e ed o ma né che ch "
        "chi se non mi ti si ci vi ne mio mia tuo tua suo sua è son sono era ha ho come più quando "
        "io tu")),
}  # fmt: skip


def sound_by_rules(word: str, language: Language) -> tuple[str, str, str]:
    """Return stress of the syllables, rhyme, and onset of a word; see `Sound`.

    The onset is all before the rhyme: rich rhymes, such as "beauté" and "chanter", are good ones.

    Parameters
    ----------
    word : str
        In lower case.
    language : {"de", "fr", "es", "it"}
    """
    spelling, marked = _mark_accent(word, language)
    respelled = spelling
    for pattern, replacement in _RESPELLING[language]:
        respelled = re.sub(pattern, replacement, respelled)
    nuclei = _nuclei(respelled, language)
    if not nuclei:
        return "0", respelled, ""
    stress = _stress(word, respelled, nuclei, language, marked)
    at = max((index for index, mark in enumerate(stress) if mark != "0"), default=0)
    start, end = nuclei[at]
    while end - start > 1 and language in ("es", "it") and respelled[start] in "iu":
        start += 1  # a glide
    return stress, _plain(respelled[start:]), _plain(respelled[:start])


def detect_language(text: str) -> Language:
    """Return the language of a text by its frequent words; "other" if it is none that is known."""
    words = re.findall(r"[^\W\d_]+", text.lower())
    shares = {
        language: sum(word in common for word in words) / max(len(words), 1)
        for language, common in _COMMON_WORDS.items()
    }
    best = max(shares, key=lambda language: shares[language])
    return best if shares[best] >= _MIN_COMMON else "other"


def _mark_accent(word: str, language: Language) -> tuple[str, int]:
    """Return the spelling, and the place of a vowel whose accent marks the stress, or -1."""
    if language not in ("es", "it"):
        return word, -1
    for at, letter in enumerate(word):
        if letter in "áéíóúàèìòù":
            return word, at
    return word, -1


def _nuclei(respelled: str, language: Language) -> list[tuple[int, int]]:
    """Return start and end of the vowels of each syllable."""
    vowels = _VOWELS[language]
    nuclei: list[tuple[int, int]] = []
    for at, letter in enumerate(respelled):
        if _plain(letter) not in vowels and letter not in vowels:
            continue
        joins = (
            nuclei and nuclei[-1][1] == at and _is_diphthong(respelled[at - 1], letter, language)
        )
        if joins and at - nuclei[-1][0] > 1 and respelled[at - 2] not in "iu":
            # A weak vowel between two others belongs to the second: "gio-ia".
            nuclei[-1] = nuclei[-1][0], at - 1
            nuclei.append((at - 1, at + 1))
        elif joins:
            nuclei[-1] = nuclei[-1][0], at + 1
        else:
            nuclei.append((at, at + 1))
    return nuclei


def _is_diphthong(first: str, second: str, language: Language) -> bool:
    """Return whether two vowels are one syllable: a weak one, i or u, without an accent."""
    return language in ("es", "it") and (first in "iu" or second in "iu")


def _stress(
    word: str, respelled: str, nuclei: list[tuple[int, int]], language: Language, marked: int
) -> str:
    count = len(nuclei)
    last = count - 1
    if language == "fr":
        at = last
    elif language == "de":
        return _german_stress(word, respelled, nuclei)
    elif marked >= 0:
        accented = [n for n, (start, end) in enumerate(nuclei)
                    if any(c in "áéíóúàèìòù" for c in respelled[start:end])]  # fmt: skip
        at = accented[0] if accented else last
    elif language == "es":
        at = last - (count > 1 and bool(re.search("[aeiou][ns]?$", word)))
    else:
        at = last - (count > 1 and word[-1:] in "aeiou")
    return "".join("1" if n == at else "0" for n in range(count))


def _german_stress(word: str, respelled: str, nuclei: list[tuple[int, int]]) -> str:
    count = len(nuclei)
    if ending := _STRESSED_ENDING.search(word):
        schwas = len(re.findall("e(?:n|t)?$", ending[0]))
        at = max(count - 1 - (schwas if len(ending[0]) > 3 and ending[0][-1] in "ne" else 0), 0)
    else:
        at = int(count > 1 and bool(_PREFIX.match(word)))
    marks = ["0"] * count
    marks[at] = "1"
    full = [n for n in range(at + 1, count) if respelled[nuclei[n][0]] != "e"]
    if full:
        marks[full[-1]] = "2"
    return "".join(marks)


def _plain(text: str) -> str:
    """Remove the accents of Romance vowels; the German umlauts stay."""
    decomposed = unicodedata.normalize("NFD", text)
    kept = (c for c in decomposed if not unicodedata.combining(c) or c == "\u0308")
    return unicodedata.normalize("NFC", "".join(kept))

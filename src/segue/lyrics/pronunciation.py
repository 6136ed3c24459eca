"""Sounds of words: syllables, stress and rhyme, from a dictionary, a network or spelling rules.

English words are looked up in the CMU Pronouncing Dictionary; words that it lacks are pronounced by
a letter-to-sound network that was trained on it (`recipes/pronunciation.py`). German, French,
Spanish and Italian are pronounced by the rules of `segue.lyrics.spelling`; other languages by
`segue.lyrics.phonetics`, from their vowels.

Two words rhyme perfectly if they sound the same from the last stressed vowel on, and differently
before it.
"""

import lzma
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from segue.builtin_spaces import WEIGHTS
from segue.lyrics.phonetics import count_syllables, rhyme_key, word_list
from segue.lyrics.spelling import FUNCTION_WORDS, RULES, Language, sound_by_rules

ENGLISH: Final = WEIGHTS / "english.safetensors"
#: Words of German, French, Spanish and Italian verse.
VERSE_WORDS: Final = WEIGHTS / "verse-words.safetensors"
#: ARPAbet phonemes as in the CMU Pronouncing Dictionary; the code of each is a character.
PHONEMES: Final = tuple(
    word_list("B CH D DH F G HH JH K L M N NG P R S SH T TH V W Y Z ZH")
    + [
        f"{vowel}{stress}"
        for vowel in word_list("AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW")
        for stress in "012"
    ]
)
LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
_FIRST_CODE: Final = 33  # "!"
_CODE_OF: Final = {phoneme: chr(_FIRST_CODE + at) for at, phoneme in enumerate(PHONEMES)}
_MAX_BYTES: Final = 1 << 24
#: Endings that an apostrophe shortens, and what stands for them in the dictionary.
_ELISIONS: Final = (
    (re.compile(r"^o'er"), "oar"), (re.compile(r"e'er$"), "air"), (re.compile(r"^e'en$"), "een"),
    (re.compile(r"^e'er"), "air"), (re.compile(r"^'?t(is|was|were|will)$"), r"t\1"),
    (re.compile(r"v'n$"), "ven"), (re.compile(r"'d$"), "ed"), (re.compile(r"in'$"), "ing"),
)  # fmt: skip
#: Words such as "our" and "fire", whose last two vowels by the dictionary are sung as one.
_DIPHTHONG_R: Final = re.compile("(?:our|ire|yre|oir)[sd]?$")
#: Clusters of consonants that begin English syllables.
_CLUSTERS: Final = frozenset(
    cluster.replace("-", " ")
    for cluster in word_list(
        "P-L P-R B-L B-R T-R D-R K-L K-R G-L G-R F-L F-R TH-R SH-R S-P S-T S-K S-M S-N S-L S-W T-W "
        "D-W K-W P-Y B-Y K-Y F-Y M-Y V-Y HH-Y S-P-L S-P-R S-T-R S-K-R S-K-W"
    )
)
#: English words that carry no stress in a verse unless the metre gives it to them.
UNSTRESSED: Final = frozenset(
    word_list(
        "a an the of and to in on at by for from with as but or nor if that than so am is "
        "are was were be been has had have do does did can could shall should will would "
        "may might must my thy his her its our your their he she it we they i you thou ye "
        "me him us them thee who whom whose which what when where while till until upon "
        "into unto o' th' not no"
    )
)


def is_unstressed(word: str, language: Language) -> bool:
    """Return whether a word in lower case is a function word, which a verse need not stress."""
    return word in (UNSTRESSED if language == "en" else FUNCTION_WORDS.get(language, ()))


@dataclass(frozen=True, slots=True)
class Sound:
    """What metre and rhyme need of the pronunciation of a word.

    Attributes
    ----------
    stress : str
        Stress of each syllable: "1" primary, "2" secondary, "0" none.
    rhyme : str
        Sound from the last stressed vowel on.
    onset : str
        Consonants before that vowel.
    """

    stress: str
    rhyme: str
    onset: str

    def rhymes_with(self, other: "Sound") -> bool:
        """Return whether the sounds rhyme perfectly: a word does not rhyme with itself."""
        return self.rhyme == other.rhyme and self.onset != other.onset


def encode_phonemes(phonemes: Iterable[str]) -> str:
    """Return phonemes as a string with a character for each."""
    return "".join(_CODE_OF[phoneme] for phoneme in phonemes)


def decode_phonemes(code: str) -> tuple[str, ...]:
    """Invert `encode_phonemes`."""
    return tuple(PHONEMES[ord(character) - _FIRST_CODE] for character in code)


def sound_of_phonemes(phonemes: Sequence[str]) -> Sound:
    """Return the sound of an English word in ARPAbet; without vowels it is one syllable."""
    vowels = [at for at, phoneme in enumerate(phonemes) if phoneme[-1].isdigit()]
    if not vowels:
        return Sound("0", " ".join(phonemes), "")
    stressed = [at for at in vowels if phonemes[at][-1] != "0"] or vowels
    start = stressed[-1]
    first = max((at + 1 for at in vowels if at < start), default=0)
    onset = " ".join(phonemes[first:start])
    while first and " " in onset and onset not in _CLUSTERS:
        onset = onset.partition(" ")[2]  # the rest belongs to the syllable before
    return Sound(
        "".join(phonemes[at][-1] for at in vowels),
        " ".join(phoneme.rstrip("012") for phoneme in phonemes[start:]),
        onset,
    )


class LetterToSound:
    """Pronounces words of the letters a to z with a bidirectional GRU.

    Parameters
    ----------
    weights : mapping of str to ndarray
        As `recipes/pronunciation.py` writes them.
    """

    def __init__(self, weights: Mapping[str, NDArray[Any]]) -> None:
        self._labels = weights["labels"].tobytes().decode("ascii").split("\n")
        self._weights = {
            name: np.asarray(array, np.float32)
            for name, array in weights.items()
            if name.startswith(("letters", "gru", "head"))
        }

    def phonemes(self, word: str) -> tuple[str, ...]:
        """Return the phonemes of a word; letters other than a to z are silent."""
        letters = [LETTERS.index(letter) + 1 for letter in word if letter in LETTERS]
        if not letters:
            return ()
        x = self._weights["letters.weight"][letters]
        states = np.concatenate([self._run(x, ""), self._run(x[::-1], "_reverse")[::-1]], axis=1)
        logits = states @ self._weights["head.weight"].T + self._weights["head.bias"]
        phonemes = decode_phonemes("".join(self._labels[at] for at in logits.argmax(axis=1)))
        return _with_primary_stress(phonemes)

    def _run(self, x: NDArray[np.float32], direction: str) -> NDArray[np.float32]:
        of = {part: self._weights[f"gru.{part}_l0{direction}"]
              for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}  # fmt: skip
        inputs = x @ of["weight_ih"].T + of["bias_ih"]
        width = inputs.shape[1] // 3
        h = np.zeros(width, np.float32)
        states = []
        for step in inputs:
            recurrent = of["weight_hh"] @ h + of["bias_hh"]
            gates = 1 / (1 + np.exp(-(step[: 2 * width] + recurrent[: 2 * width])))
            reset, update = gates[:width], gates[width:]
            candidate = np.tanh(step[2 * width :] + reset * recurrent[2 * width :])
            h = (1 - update) * candidate + update * h
            states.append(h)
        return np.stack(states)


def _with_primary_stress(phonemes: tuple[str, ...]) -> tuple[str, ...]:
    """Give exactly one vowel the primary stress: the first that has it, or the first vowel."""
    vowels = [at for at, phoneme in enumerate(phonemes) if phoneme[-1].isdigit()]
    primary = [at for at in vowels if phonemes[at].endswith("1")]
    if not vowels or len(primary) == 1:
        return phonemes
    if not primary:
        secondary = [at for at in vowels if phonemes[at].endswith("2")]
        primary = secondary or vowels
    return tuple(
        f"{phoneme[:-1]}1" if at == primary[0]
        else phoneme.replace("1", "2") if at in primary
        else phoneme
        for at, phoneme in enumerate(phonemes)
    )  # fmt: skip


class _English:
    def __init__(self) -> None:
        arrays = load_file(ENGLISH)
        lines = _unpack(arrays["dictionary"]).split("\n")
        self.dictionary = dict(line.split("\t") for line in lines)
        self.lexicon = dict(
            zip(_unpack(arrays["lexicon"]).split("\n"), arrays["counts"].tolist(), strict=True)
        )
        self.letter_to_sound = LetterToSound(arrays)

    def phonemes(self, word: str) -> tuple[str, ...]:
        if word in self.dictionary:
            return decode_phonemes(self.dictionary[word])
        if word.endswith("'s") and word[:-2] in self.dictionary:
            return _possessive(decode_phonemes(self.dictionary[word[:-2]]))
        if word.endswith("'d"):
            return _past(self.phonemes(word[:-2] + "e" * word.endswith("e'd")))
        for pattern, spelling in _ELISIONS:
            expanded = pattern.sub(spelling, word)
            if expanded != word:
                return self.phonemes(expanded)
        plain = re.sub("[^a-z]", "", word)
        if plain in self.dictionary:
            return decode_phonemes(self.dictionary[plain])
        return self.letter_to_sound.phonemes(plain)


def _unpack(packed: NDArray[np.uint8]) -> str:
    decompressor = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=1 << 28)
    return decompressor.decompress(packed.tobytes(), max_length=_MAX_BYTES).decode()


def _possessive(phonemes: tuple[str, ...]) -> tuple[str, ...]:
    last = phonemes[-1]
    if last in {"S", "Z", "SH", "ZH", "CH", "JH"}:
        return (*phonemes, "IH0", "Z")
    return (*phonemes, "S" if last in {"P", "T", "K", "F", "TH"} else "Z")


def _past(phonemes: tuple[str, ...]) -> tuple[str, ...]:
    if phonemes and phonemes[-1] in {"P", "K", "F", "TH", "S", "SH", "CH"}:
        return (*phonemes, "T")
    return (*phonemes, "D")


@cache
def _english() -> _English:
    return _English()


@lru_cache(maxsize=1 << 17)
def sound(word: str, language: Language = "en") -> Sound:
    """Return the sound of a word.

    Parameters
    ----------
    word : str
        In any case; of another script than the language's, or "other", by its vowels.
    language : {"en", "de", "fr", "es", "it", "other"}
    """
    plain = word.lower().replace("’", "'").strip("'") or word
    if language == "en" and re.search("[a-z]", plain) and plain.isascii():
        found = sound_of_phonemes(_english().phonemes(plain))
        if _DIPHTHONG_R.search(plain) and found.stress[-2:] in {"10", "20"}:
            return Sound(found.stress[:-1], found.rhyme, found.onset)
        return found
    if language in RULES:
        return Sound(*sound_by_rules(plain, language))
    return Sound("1" + "0" * (count_syllables(word) - 1), rhyme_key(word), word[:1].lower())


def vowel_phonemes(word: str) -> list[str]:
    """Return the vowels of an English word in ARPAbet, such as "AH0"."""
    return [phoneme for phoneme in _english().phonemes(word) if phoneme[-1].isdigit()]


@cache
def verse_words(language: Language) -> dict[str, int]:
    """Return the words of verse, alphabetically, with ten times the log of their counts.

    Parameters
    ----------
    language : {"en", "de", "fr", "es", "it", "other"}
        Of another language no words are known.
    """
    if language == "en":
        return _english().lexicon
    if language not in RULES:
        return {}
    arrays = load_file(VERSE_WORDS)
    words = _unpack(arrays[f"{language}.words"]).split("\n")
    return dict(zip(words, arrays[f"{language}.counts"].tolist(), strict=True))

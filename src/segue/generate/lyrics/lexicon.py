"""The words that a constrained line is written with: their metre, rhymes and spelling prefixes.

The words are sorted, so that those with a prefix are a range. For each prefix that is met, the next
letters and the stress patterns of the words below them are computed once; a line that must keep a
metre and a rhyme can therefore be sampled character by character without dead ends.
"""

import bisect
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from segue.lyrics.phonetics import normalised_words, word_list
from segue.lyrics.pronunciation import Sound, sound, verse_words
from segue.lyrics.spelling import FUNCTION_WORDS, Language

#: English words that are never on a strong position.
_ARTICLES: Final = frozenset({"a", "an", "the"})
#: English words that end no line, although they are frequent.
_NO_ENDINGS: Final = frozenset(
    word_list(
        "a an the of and to in on at by for from with as but or nor if that than my thy "
        "his her its our your their is are was were be am i o oh into unto upon who which "
        "so very no had has have shall will would when where while though"
    )
)
#: Words that begin with an apostrophe in print.
_ELIDED: Final = frozenset(
    "tis twas twere twill twould mid neath gainst twixt tween mongst".split()  # noqa: SIM905
)
_MAX_SYLLABLES: Final = 6
#: Frequency of words, as in `Lexicon.counts`, that rhymes are sought among, if so many are found.
_FREQUENT: Final = 45
_MIN_RHYMES: Final = 3
#: Weight of an artist's own words beside those of English verse, in tenths of a natural logarithm.
_OWN_COUNT: Final = 30


class Child(NamedTuple):
    """A letter that continues a prefix.

    Attributes
    ----------
    letter : str
    first, last : int
        Range of the words with the longer prefix.
    patterns : int
        Bit set of the stress patterns of these words.
    """

    letter: str
    first: int
    last: int
    patterns: int


class Node(NamedTuple):
    """A prefix: the word that it is, if it is one, and the letters that may follow."""

    word: int
    children: tuple[Child, ...]


class Lexicon:
    """Words of one language.

    Parameters
    ----------
    counts : mapping from str to int
        Words in lower case, and ten times the logarithm of their frequencies.
    language : {"en", "de", "fr", "es", "it", "other"}

    Attributes
    ----------
    words : list of str
        Sorted; elided ones with their apostrophe.
    patterns : list of str
        Stress patterns: for each syllable "1" (strong), "0" (weak), or "x" (either).
    """

    def __init__(self, counts: Mapping[str, int], language: Language) -> None:
        elided = {
            f"'{word}" if language == "en" and word in _ELIDED else word: word for word in counts
        }
        self.language: Language = language
        self._no_endings = _NO_ENDINGS if language == "en" else FUNCTION_WORDS.get(language, ())
        self.words = sorted(elided)
        self.sounds = [sound(word, language) for word in self.words]
        self.counts = np.array([counts[elided[word]] for word in self.words], np.int64)
        patterns = [
            stress_pattern(word, of_word, language)
            for word, of_word in zip(self.words, self.sounds, strict=True)
        ]
        self.patterns = sorted({pattern for pattern in patterns if len(pattern) <= _MAX_SYLLABLES})
        index = {pattern: at for at, pattern in enumerate(self.patterns)}
        self._pattern_of = np.array([index.get(pattern, -1) for pattern in patterns])
        self._unstressed_ends = np.array(
            [len(of_word.stress) - len(of_word.stress.rstrip("0")) for of_word in self.sounds]
        )
        self._nodes: dict[str, Node] = {}
        self._rhymes: dict[str, list[int]] = {}
        for at, of_word in enumerate(self.sounds):
            if self.words[at] not in self._no_endings:
                self._rhymes.setdefault(of_word.rhyme, []).append(at)

    def node(self, prefix: str) -> Node:
        """Return what follows a prefix."""
        if prefix not in self._nodes:
            first = bisect.bisect_left(self.words, prefix)
            last = bisect.bisect_left(self.words, prefix + "\U0010ffff")
            depth = len(prefix)
            is_word = first < last and self.words[first] == prefix and self._pattern_of[first] >= 0
            word = first if is_word else -1
            children = []
            at = first + (first < last and len(self.words[first]) == depth)
            while at < last:
                letter = self.words[at][depth]
                end = bisect.bisect_left(self.words, prefix + letter + "\U0010ffff", at, last)
                children.append(Child(letter, at, end, self._bits(self._pattern_of[at:end])))
                at = end
            self._nodes[prefix] = Node(word, tuple(children))
        return self._nodes[prefix]

    def pattern(self, word: int) -> int:
        """Return the bit of a word's stress pattern."""
        return 1 << int(self._pattern_of[word])

    def patterns_among(self, chosen: NDArray[np.bool_], first: int, last: int) -> int:
        """Return the stress patterns of the chosen words in a range, as a bit set."""
        return self._bits(self._pattern_of[first:last][chosen[first:last]])

    def fitting(self, meter: str, *, to_end: bool) -> int:
        """Return the patterns that fit the beginning of a metre, or all of it, as a bit set."""
        return sum(
            1 << at
            for at, pattern in enumerate(self.patterns)
            if (len(pattern) == len(meter) if to_end else len(pattern) < len(meter))
            and fits(pattern, meter)
        )

    def endings(self) -> NDArray[np.bool_]:
        """Return which words may end a line that need not rhyme."""
        return np.array([word not in self._no_endings for word in self.words])

    def ending_all(self, meters: Iterable[str]) -> NDArray[np.bool_]:
        """Return which words have rhymes that may end lines of all of some metres.

        Words that rhyme have as many unstressed syllables at their ends, which are on weak
        positions; words of one syllable may be anywhere.
        """
        allowed = {0, 1, 2, 3}
        for meter in meters:
            allowed &= {0} | {
                count for count in (1, 2, 3)
                if count < len(meter) and fits("1" + "0" * count, meter[-count - 1 :])
            }  # fmt: skip
        return np.isin(self._unstressed_ends, [*allowed])

    def rhyming(self, with_words: Iterable[str]) -> NDArray[np.bool_]:
        """Return which words rhyme perfectly with all of some words; frequent ones if there are."""
        targets = [sound(word, self.language) for word in with_words]
        chosen = np.zeros(len(self.words), np.bool_)
        for at in self._rhymes.get(targets[0].rhyme, ()):
            chosen[at] = all(self.sounds[at].rhymes_with(target) for target in targets)
        frequent = chosen & (self.counts >= _FREQUENT)
        return frequent if frequent.sum() >= _MIN_RHYMES else chosen

    def sharing_rhyme(self, with_words: Iterable[str]) -> NDArray[np.bool_]:
        """Return which words sound like one of some words from the last stressed vowel on."""
        chosen = np.zeros(len(self.words), np.bool_)
        for word in with_words:
            chosen[self._rhymes.get(sound(word, self.language).rhyme, [])] = True
        return chosen

    def rich_rhymes(self, partners: int, min_count: int) -> NDArray[np.bool_]:
        """Return the frequent words with which enough of their kind rhyme perfectly.

        Parameters
        ----------
        partners : int
            Number of words that must rhyme with a word.
        min_count : int
            Frequency of these, see `counts`.
        """
        chosen = np.zeros(len(self.words), np.bool_)
        for rhymes in self._rhymes.values():
            frequent = [at for at in rhymes if self.counts[at] >= min_count]
            onsets = {self.sounds[at].onset for at in frequent}
            chosen[frequent] = len(onsets) > partners
        return chosen

    def _bits(self, patterns: NDArray[np.integer]) -> int:
        return sum(1 << at for at in np.unique(patterns).tolist() if at >= 0)


def stress_pattern(word: str, of_word: Sound, language: Language) -> str:
    """Return the positions of a metre that the syllables of a word may have.

    The stressed syllables of a longer word are strong, the others weak, secondary stress either. A
    word of one syllable may be either; English articles are weak. French verse counts syllables.
    """
    if language in ("fr", "other"):
        return "x" * len(of_word.stress)
    if len(of_word.stress) == 1:
        return "0" if language == "en" and word in _ARTICLES else "x"
    return of_word.stress.replace("2", "x")


def fits(pattern: str, meter: str) -> bool:
    """Return whether a word's pattern fits the beginning of a metre."""
    return all(
        position == "x" or syllable == "x" or (syllable == "1") == (position == "s")
        for syllable, position in zip(pattern, meter, strict=False)
    )


def build_lexicon(texts: Iterable[str], language: Language) -> Lexicon:
    """Return the words of an artist's songs, and those of verse in their language.

    Parameters
    ----------
    texts : iterable of str
    language : {"en", "de", "fr", "es", "it", "other"}
    """
    own = Counter(word for text in texts for word in normalised_words(text))
    counts = {
        word: round(10 * np.log(count)) + _OWN_COUNT
        for word, count in own.items()
        if word.replace("'", "").isalpha()
    }
    return Lexicon({**verse_words(language), **counts}, language)

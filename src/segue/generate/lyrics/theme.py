"""The theme of generated lyrics: words that occur near the words of the theme in known songs.

Their association is the normalised pointwise mutual information (Bouma, "Normalized (Pointwise)
Mutual Information in Collocation Extraction", GSCL 2009) with the theme's words within a few lines.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.lyrics.phonetics import normalised_words
from segue.lyrics.pronunciation import UNSTRESSED

#: Lines that occur together.
_WINDOW: Final = 4
_MIN_OCCURRENCES: Final = 3
_MIN_ASSOCIATION: Final = 0.12
_MAX_WORDS: Final = 150
#: What a word of the theme adds to the logarithm of a line's weight, and an associated word at
#: most; a word counts less each time that it was used before.
_THEME_BONUS: Final = 3.0
_ASSOCIATED_BONUS: Final = 2.0
_MAX_BONUS: Final = 4.0


@dataclass(slots=True)
class Theme:
    """Words of a theme.

    Attributes
    ----------
    words : dict from str to float
        What each adds to the logarithm of the weight of a line.
    """

    words: dict[str, float]
    _used: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, about: str, songs: Iterable[str]) -> Self:
        """Find the words of a theme.

        Parameters
        ----------
        about : str
            Words or phrases.
        songs : iterable of str
            Texts.

        Raises
        ------
        BadArgument
            It has no words but function words.
        """
        theme = _content_words(about)
        if not theme:
            raise BadArgument(
                f'--about {about!r}: name a theme, as --about "the sea, leaving home"'
            )
        with_theme: Counter[str] = Counter()
        counts: Counter[str] = Counter()
        windows = near = 0
        for song in songs:
            lines = [set(normalised_words(line)) for line in song.split("\n")]
            for at in range(0, len(lines), _WINDOW):
                words = set[str]().union(*lines[at : at + _WINDOW])
                windows += 1
                counts.update(words)
                if words & theme:
                    near += 1
                    with_theme.update(words)
        associations = {
            word: _normalised_pmi(count, counts[word], near, windows)
            for word, count in with_theme.items()
            if count >= _MIN_OCCURRENCES and word not in UNSTRESSED and len(word) > 2
        }
        best = sorted(associations, key=lambda word: -associations[word])[:_MAX_WORDS]
        chosen = {
            word: min(_ASSOCIATED_BONUS, 10 * associations[word])
            for word in best
            if associations[word] >= _MIN_ASSOCIATION
        }
        return cls(chosen | dict.fromkeys(theme, _THEME_BONUS))

    def bonus(self, line: str) -> float:
        """Return what the words of a line add to the logarithm of its weight."""
        words = {*normalised_words(line)} & self.words.keys()
        return min(
            sum(self.words[word] / (1 + self._used[word]) ** 2 for word in words), _MAX_BONUS
        )

    def values(self, words: Sequence[str]) -> NDArray[np.float32]:
        """Return what each of some words adds to the logarithm of its probability when sampled.

        It is half the bonus, so that grammar comes first.
        """
        values = [self.words.get(word, 0.0) / (1 + self._used[word]) ** 2 for word in words]
        return np.asarray(values, np.float32) * np.float32(0.5)

    def use(self, line: str) -> None:
        """Count the words of a line that was written."""
        self._used.update({*normalised_words(line)} & self.words.keys())


def unknown_words(about: str, songs: Iterable[str]) -> list[str]:
    """Return the words of a theme that occur in no song, so that none is associated with them."""
    unknown = _content_words(about)
    for song in songs:
        if not unknown:
            break
        unknown -= set(normalised_words(song))
    return sorted(unknown)


def _content_words(about: str) -> set[str]:
    return {word for word in normalised_words(about) if word not in UNSTRESSED}


def _normalised_pmi(both: int, first: int, second: int, total: int) -> float:
    joint = both / total
    if joint == 1:
        return 0.0
    return math.log(joint * total * total / (first * second)) / -math.log(joint)

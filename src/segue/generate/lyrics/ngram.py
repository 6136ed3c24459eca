"""A modified Kneser-Ney character n-gram language model.

A network that has read eighty thousand letters knows less of them than counting does, and knows
other things: both together foretell an artist's songs better than either. (Neubig & Dyer, EMNLP
2016, mix them within the network, which knows small collections by heart too soon for that.)
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.errors import BadArgument
from segue.generate.lyrics.vocabulary import SONG_BOUNDARY, VOCABULARY_SIZE

Tokens = NDArray[np.int64]
Real = NDArray[np.float64]

#: Letters of the longest run, the one told included.
ORDER: Final = 6
#: That is taken off a count: something is left for what never came, whatever the counts are.
_LEAST: Final = 0.1


class NgramLM:
    """Interpolated modified Kneser-Ney (Chen & Goodman, TR-10-98, Harvard 1998).

    Parameters
    ----------
    songs : sequence of ndarray of int64
        From `SONG` to `SONG`; at least one.
    longest : int
        Letters of the longest run, the one told included.
    size : int
        How many tokens there are.

    Raises
    ------
    BadArgument
        Runs so long cannot be numbered.
    """

    def __init__(
        self, songs: Sequence[Tokens], longest: int = ORDER, size: int = VOCABULARY_SIZE
    ) -> None:
        if size**longest >= 1 << 63:
            raise BadArgument(f"runs of {longest} of {size} tokens are more than 2^63")
        self.longest = longest
        self._size = size
        row, told = self._row(songs)
        self._levels: list[_Level] = []
        longer: Tokens = np.zeros(0, np.int64)
        for length in range(longest, 0, -1):
            runs, counts = np.unique(self._runs(row, told, length), return_counts=True)
            if length < longest:
                # How many different letters stand before a run; before a song there are none.
                before = np.unique(longer % size**length, return_counts=True)[1]
                starts = runs // size ** (length - 1) == SONG_BOUNDARY
                counts = np.where(starts & (length > 1), counts, before)
            self._levels.insert(0, _Level(runs, counts, size))
            longer = runs

    def outlooks(self, tokens: Tokens) -> Real:
        """Return how likely each token was at each place of a song, but for the first.

        Parameters
        ----------
        tokens : ndarray, shape (n,), int64
            From `SONG` on.

        Returns
        -------
        ndarray, shape (n - 1, size)
        """
        known = tokens.tolist()
        reach = self.longest - 1
        return np.stack(
            [self.outlook(known[max(at - reach, 0) : at]) for at in range(1, len(known))]
        )

    def outlook(self, before: Sequence[int]) -> Real:
        """Return how likely each token comes next, shape (size,).

        Parameters
        ----------
        before : sequence of int
            The last tokens, `SONG` among them where the song has just begun; the last
            ``longest - 1`` count.
        """
        likely = np.full(self._size, 1 / self._size)
        known = [SONG_BOUNDARY] * (self.longest - 1) + [*before]
        context = 0
        for length, level in enumerate(self._levels, start=1):
            if length > 1:
                context += known[1 - length] * self._size ** (length - 2)
            level.mix(context, likely)
        return likely

    def _row(self, songs: Sequence[Tokens]) -> tuple[Tokens, Tokens]:
        """Return all songs in a row, what comes before each included, and what is told of it."""
        before = np.full(self.longest - 1, SONG_BOUNDARY, np.int64)
        row = np.concatenate([part for song in songs for part in (before, song[1:])])
        ends = np.cumsum([len(before) + len(song) - 1 for song in songs])
        told = [np.arange(end - len(song) + 1, end) for end, song in zip(ends, songs, strict=True)]
        return row, np.concatenate(told)

    def _runs(self, row: Tokens, told: Tokens, length: int) -> Tokens:
        """Return the numbers of the runs that end with what is told."""
        runs = np.zeros(len(told), np.int64)
        for back in range(length - 1, -1, -1):
            runs = runs * self._size + row[told - back]
        return runs


class _Level:
    """Runs of one length: their chances, less the discounts, and what is left to shorter ones."""

    def __init__(self, runs: Tokens, counts: Tokens, size: int) -> None:
        self._runs, self._size = runs, size
        discounts = _discounts(counts)[np.minimum(counts, 3)]
        contexts, of = np.unique(runs // size, return_inverse=True)
        total = np.bincount(of, counts)
        self._contexts = contexts
        self._begins = np.append(np.searchsorted(runs, contexts * size), len(runs))
        self._last = runs % size
        self._chance = (counts - discounts) / total[of]
        self._left = np.bincount(of, discounts) / total

    def mix(self, context: int, likely: Real) -> None:
        """Mix what comes after a context with what shorter ones say comes, in place."""
        place = int(np.searchsorted(self._contexts, context))
        if place < len(self._contexts) and self._contexts[place] == context:
            some = slice(self._begins[place], self._begins[place + 1])
            likely *= self._left[place]
            likely[self._last[some]] += self._chance[some]


def _discounts(counts: Tokens) -> Real:
    """Return what is taken off counts of 0, 1, 2, and 3 or more."""
    one, two, three, four = (int((counts == count).sum()) for count in (1, 2, 3, 4))
    if not (one and two and three and four):  # too few to tell by
        return np.array([0, 0.5, 1, 1.5])
    share = one / (one + 2 * two)
    found = [1 - 2 * share * two / one, 2 - 3 * share * three / two, 3 - 4 * share * four / three]
    return np.array([0, *np.clip(found, _LEAST, [1, 2, 3])])
